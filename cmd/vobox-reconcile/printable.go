package main

import (
	"errors"
	"slices"
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
	d.Credentials, d.EnvFiles, d.Services = slices.Clone(d.Credentials), slices.Clone(d.EnvFiles), slices.Clone(d.Services)
	for i, c := range d.Credentials {
		d.Credentials[i].Path, d.Credentials[i].Reason = printable(c.Path), printable(c.Reason)
	}
	for i, f := range d.EnvFiles {
		d.EnvFiles[i].Path, d.EnvFiles[i].Reason = printable(f.Path), printable(f.Reason)
	}
	for i, s := range d.Services {
		d.Services[i].Reason = printable(s.Reason)
	}
	d.Alerts, d.FirstToBreak = printableAlerts(d.Alerts), printableBreak(d.FirstToBreak)
	if d.Rehearsal != nil {
		r := *d.Rehearsal
		r.Renewed, r.Unmended = slices.Clone(r.Renewed), slices.Clone(r.Unmended)
		for i := range r.Renewed {
			r.Renewed[i].Reason = printable(r.Renewed[i].Reason)
		}
		for i := range r.Unmended {
			r.Unmended[i] = *printableBreak(&r.Unmended[i])
		}
		r.Later, d.Rehearsal = printableBreak(r.Later), &r
	}
	return d
}

func printableBreak(b *status.Break) *status.Break {
	if b == nil {
		return nil
	}
	out := *b
	out.Subject, out.Reason, out.Impact = printable(b.Subject), printable(b.Reason), printable(b.Impact)
	out.Remedy, out.Where = printable(b.Remedy), printable(b.Where)
	return &out
}
