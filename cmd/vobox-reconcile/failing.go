package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// failing are the alerts of what earlier passes failed at and is still to be done: that a server refuses is not seen by
// looking at the box. Of each subject it is what the last attempt came to.
func (a *app) failing(want plan.Desired, p plan.Plan, now time.Time) []plan.Alert {
	memory, err := recall(filepath.Join(want.State, memoryFile), now)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log := a.logger()
			log.Debug().Err(err).Msg("it is not known what the last pass failed at")
		}
		return nil
	}
	var alerts []plan.Alert
	for _, r := range memory.Alerts {
		due := func(s plan.Step) bool {
			other := s.Kind == "env-file" || s.Kind == "service" // and not a proxy's mode or link, which is put right by itself
			return s.Target == r.Subject && s.NotBefore.IsZero() && (s.Action == plan.Renew || other)
		}
		known := func(al plan.Alert) bool { return al.ID == r.ID && al.Subject == r.Subject }
		later := func(o notify.Record) bool { return o.Subject == r.Subject && o.Gone.IsZero() && o.Seen.After(r.Seen) }
		if r.Gone.IsZero() && slices.ContainsFunc(p.Steps, due) && !slices.ContainsFunc(p.Alerts, known) && !slices.ContainsFunc(memory.Alerts, later) {
			alerts = append(alerts, asFound(r.Alert()))
		}
	}
	return alerts
}
