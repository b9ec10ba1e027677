package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A stepDoc is a step as the contract prints it.
type stepDoc struct {
	ID          string           `json:"id"`
	Action      plan.Action      `json:"action"`
	Kind        string           `json:"kind"`
	Target      string           `json:"target"`
	Path        string           `json:"path"`
	Reason      string           `json:"reason"`
	Needs       []string         `json:"needs"`
	Diff        string           `json:"diff,omitempty"`
	NotBefore   *time.Time       `json:"notBefore,omitempty"` // of a deferred restart
	Result      reconcile.Result `json:"result"`
	Error       string           `json:"error"`
	TookSeconds float64          `json:"tookSeconds"`
}

// A reportDoc is a plan, or what became of it.
type reportDoc struct {
	Version  int          `json:"version"`
	Time     time.Time    `json:"time"`
	Changed  bool         `json:"changed"`
	Steps    []stepDoc    `json:"steps"`
	Alerts   []plan.Alert `json:"alerts"`
	NextLook *time.Time   `json:"nextLook"`
}

func reportJSON(r *reconcile.Report, dryRun bool) reportDoc {
	doc := reportDoc{Version: 1, Time: status.Seconds(r.Time), Steps: []stepDoc{}, Alerts: r.Alerts, NextLook: status.Moment(r.NextLook)}
	if doc.Alerts == nil {
		doc.Alerts = []plan.Alert{}
	}
	for _, o := range r.Outcomes {
		s := stepDoc{ID: o.Step.ID, Action: o.Step.Action, Kind: o.Step.Kind, Target: o.Step.Target, Path: o.Step.Path,
			Reason: o.Step.Reason, Needs: o.Step.Needs, Diff: o.Step.Diff, NotBefore: status.Moment(o.Step.NotBefore),
			Result: o.Result, TookSeconds: o.Took.Seconds()}
		if s.Needs == nil {
			s.Needs = []string{}
		}
		if o.Err != nil {
			s.Error = o.Err.Error()
		}
		doc.Steps = append(doc.Steps, s)
		if dryRun || o.Result == reconcile.Done {
			doc.Changed = true
		}
	}
	return doc
}

func (a *app) printJSON(v any) error { return writeJSON(a.stdout, v) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
