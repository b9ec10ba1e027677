package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// Alerts of watch mode itself.
const (
	alertConfig = "CONFIG" // the configuration on disk has faults, an older one is in force
	alertFight  = "FIGHT"  // another program keeps changing what this one keeps
)

// repeatAlert is how often the log says the same alert.
const repeatAlert = 24 * time.Hour

// told is an alert that the log has said.
type told struct {
	plan.Alert
	at time.Time
}

// tell logs what became of a pass. Steps that were carried out have been logged by the engine.
func (r *resident) tell(report *reconcile.Report) {
	for _, o := range report.Outcomes {
		if o.Result == reconcile.Skipped || o.Result == reconcile.Deferred {
			e := r.log.Info().Str("step", o.Step.ID).Str("result", string(o.Result)).Str("reason", o.Step.Reason)
			if !o.Step.NotBefore.IsZero() {
				e.Time("not_before", o.Step.NotBefore)
			}
			e.AnErr("error", o.Err).Msg("step")
		}
	}
	if r.faults != "" {
		report.Alerts = append(report.Alerts, r.configAlert())
	}
	r.tellAlerts(report.Alerts, r.now())
	r.log.Debug().Bool("changed", report.Changed()).Bool("failed", report.Failed()).Time("next_look", report.NextLook).Msg("pass")
	if report.Changed() {
		freeMemory() // it may be hours until the next time
	}
}

// configAlert tells that an older configuration is in force. The log has every fault.
func (r *resident) configAlert() plan.Alert {
	first, rest, more := strings.Cut(r.faults, "\n")
	if more {
		first = fmt.Sprintf("%s (and %d more)", first, strings.Count(rest, "\n")+1)
	}
	return plan.Alert{ID: alertConfig, Severity: plan.Critical, Subject: r.config, Message: first + "; the last good configuration stays in force",
		Remedy: "mend the file: vobox-reconcile --dry-run -c " + r.config + " says what is wrong", Where: "VO-Box"}
}

// tellAlerts logs what is new, what is repeated once a day, and what is well again.
func (r *resident) tellAlerts(alerts []plan.Alert, now time.Time) {
	open := map[string]bool{}
	for _, a := range alerts {
		key := a.ID + " " + a.Subject
		open[key] = true
		if t, ok := r.told[key]; ok && t.Severity == a.Severity && now.Sub(t.at) < repeatAlert {
			continue
		}
		r.told[key] = told{a, now}
		level := zerolog.WarnLevel
		if a.Severity == plan.Critical {
			level = zerolog.ErrorLevel
		}
		r.log.WithLevel(level).Str("alert", a.ID).Str("subject", a.Subject).Str("remedy", a.Remedy).Str("where", a.Where).Msg(printable(a.Message))
	}
	for _, key := range slices.Sorted(maps.Keys(r.told)) {
		if !open[key] && r.told[key].ID != alertFight {
			r.log.Info().Str("alert", r.told[key].ID).Str("subject", r.told[key].Subject).Msg("is well again")
			delete(r.told, key)
		}
	}
}

// notify tells people what the pass and the watch have found. Who could not be reached is tried again soon.
func (r *resident) notify(ctx context.Context, report *reconcile.Report) {
	opts, err := options(r.want, r.flags)
	if err != nil {
		return
	}
	alerts := slices.Clone(report.Alerts)
	if t, fight := r.told[alertFight]; fight {
		alerts = append(alerts, t.Alert)
	}
	if len(alerts) == 0 && !r.people.remembers(r.want) {
		return
	}
	if !r.inTurn(ctx, alerts, endedBy(r.want, report, opts, true)) {
		if again := r.now().Add(tellAgain); report.NextLook.IsZero() || report.NextLook.After(again) {
			report.NextLook = again
		}
	}
}

// trouble tells people that no pass could be made. Nothing is known of what they were told before.
func (r *resident) trouble(ctx context.Context, err error) {
	a := r.noPass("the pass could not be made, and nothing is renewed: " + err.Error())
	r.inTurn(ctx, []plan.Alert{a}, func(notify.Record) bool { return false })
}

// noPass is the alert of a pass that could not be made.
func (r *resident) noPass(message string) plan.Alert {
	return plan.Alert{ID: alertPass, Severity: plan.Critical, Subject: r.config, Where: "VO-Box", Message: message, Remedy: "vobox-reconcile --log-level debug"}
}

// inTurn tells people under the lock. When another run has it for long, they are told after a later pass; when there can be no
// lock, as the disk is broken for instance, all the more now.
func (r *resident) inTurn(ctx context.Context, alerts []plan.Alert, ended func(notify.Record) bool) (reached bool) {
	unlock, err := r.takeTurn(ctx)
	switch {
	case err == nil:
		defer unlock()
	case errors.Is(err, reconcile.ErrLocked), ctx.Err() != nil:
		r.log.Info().Err(err).Msg("alerts are told after a later pass")
		return false
	}
	return r.people.tell(r.life, r.cfg, r.want, alerts, ended)
}

// tellSlow logs when directories cannot be watched.
func (r *resident) tellSlow() {
	n, why := r.watcher.Slow()
	if n > 0 && r.slow == 0 {
		r.log.Warn().Err(why).Int("directories", n).Msg("some changes are found by looking every half minute only; see fs.inotify.max_user_watches and max_user_instances of sysctl")
	}
	r.slow = n
}

const (
	fightRounds = 5                // so many times within
	fightTime   = 10 * time.Minute // that time is a fight
	fightQuiet  = time.Minute      // and then it is looked less often
)

// peace sees to it that another program that keeps undoing what a pass does makes no more than one pass a minute.
func (r *resident) peace(w watch.Wake, report *reconcile.Report) {
	now := r.now()
	r.worked = slices.DeleteFunc(r.worked, func(t time.Time) bool { return now.Sub(t).Abs() > fightTime })
	mine := append(configFiles(r.config), registrationFiles(r.cfg))
	foreign := w.Cause == watch.Changed && !slices.ContainsFunc(w.Paths, func(p string) bool { return slices.Contains(mine, p) })
	if foreign && did(report) {
		r.worked = append(r.worked, now)
	}
	fight := len(r.worked) >= fightRounds
	if r.watcher.Quiet = r.quiet; fight {
		r.watcher.Quiet = max(r.quiet, fightQuiet)
	}
	_, known := r.told[alertFight]
	switch {
	case fight && !known && foreign:
		paths := strings.Join(w.Paths, ", ")
		a := plan.Alert{ID: alertFight, Severity: plan.Warning, Subject: paths, Where: "VO-Box",
			Message: fmt.Sprintf("%s changed %d times within %s, and each time it had to be put right; it is looked at once a minute now", paths, len(r.worked), plan.Span(fightTime)),
			Remedy:  "find out which other program writes it: another renewal daemon, cron job or configuration management"}
		r.told[alertFight] = told{a, now}
		r.log.Warn().Str("alert", a.ID).Str("subject", a.Subject).Str("remedy", a.Remedy).Str("where", a.Where).Msg(printable(a.Message))
	case !fight && known:
		r.log.Info().Str("alert", alertFight).Str("subject", r.told[alertFight].Subject).Msg("is well again")
		delete(r.told, alertFight)
	}
}

// did reports whether a step was carried out, with or without success.
func did(report *reconcile.Report) bool {
	return slices.ContainsFunc(report.Outcomes, func(o reconcile.Outcome) bool {
		return o.Result == reconcile.Done || o.Result == reconcile.Failed
	})
}

// status is one line for systemctl status.
func (r *resident) status(next time.Time) string {
	worst := slices.SortedFunc(maps.Values(r.told), func(a, b told) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject, b.Subject))
	})
	words := "all is as it should be"
	if len(worst) > 0 {
		words = fmt.Sprintf("%s, %s %s: %s", count(len(worst), "alert"), worst[0].ID, worst[0].Subject, worst[0].Message)
	}
	return strings.Map(oneLine, "next look "+plan.Clock(next)+"; "+words)
}

// oneLine keeps a message to the service manager from being several.
func oneLine(c rune) rune {
	if c < ' ' {
		return ' '
	}
	return c
}
