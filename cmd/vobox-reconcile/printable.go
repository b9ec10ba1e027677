package main

import (
	"errors"
	"strings"
	"unicode"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// printable replaces what would move a terminal's cursor or turn its text around: names of files, certificates and servers
// are chosen by others. Line breaks stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// printableReport is the report as it may be shown on a terminal. Diffs are escaped where they are made.
func printableReport(r *reconcile.Report) *reconcile.Report {
	out := *r
	out.Outcomes = make([]reconcile.Outcome, len(r.Outcomes))
	for i, o := range r.Outcomes {
		o.Step.Target, o.Step.Path, o.Step.Reason = printable(o.Step.Target), printable(o.Step.Path), printable(o.Step.Reason)
		if o.Err != nil {
			o.Err = errors.New(printable(o.Err.Error()))
		}
		out.Outcomes[i] = o
	}
	out.Alerts = printableAlerts(r.Alerts)
	return &out
}

func printableAlerts(alerts []plan.Alert) []plan.Alert {
	out := make([]plan.Alert, len(alerts))
	for i, a := range alerts {
		a.Subject, a.Message, a.Remedy = printable(a.Subject), printable(a.Message), printable(a.Remedy)
		out[i] = a
	}
	return out
}

// printableStatus is the status as it may be shown on a terminal.
func printableStatus(d status.Doc) status.Doc {
	credentials := make([]status.Credential, len(d.Credentials))
	for i, c := range d.Credentials {
		c.Path, c.Reason = printable(c.Path), printable(c.Reason)
		credentials[i] = c
	}
	d.Credentials, d.Alerts = credentials, printableAlerts(d.Alerts)
	if d.FirstToBreak != nil {
		first := *d.FirstToBreak
		first.Reason = printable(first.Reason)
		d.FirstToBreak = &first
	}
	return d
}
