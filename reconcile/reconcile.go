// Package reconcile brings a host to the state its configuration describes.
//
// A pass is level-based: it looks at what is there, not at what happened. [Engine.Observe] reads the box,
// [plan.Compute] decides, [Engine.Apply] carries out. A dry run is a pass that stops before Apply.
package reconcile

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// An Issuer obtains a new credential. Package issue has the one that talks to servers.
type Issuer interface {
	Issue(ctx context.Context, want plan.Credential, a issue.Authority) (*issue.Issued, error)
}

// A Restarter makes a service read its environment and credentials again.
type Restarter interface {
	Restart(ctx context.Context, c service.Command) error
}

// An Engine observes a box and applies plans to it. Its fields must not change while it works.
type Engine struct {
	Trust    *trust.Store
	Issuer   Issuer
	Services Restarter
	Now      func() time.Time
	Log      zerolog.Logger

	// LoginProxy is a proxy file that may authorise a first renewal when the repository has none: the one of the login
	// session. Empty: none.
	LoginProxy string
	// Resident says that whoever makes passes stays, and makes the next one at the report's NextLook. Passes are taken to
	// come from cron otherwise, or from somebody at a terminal: which of them, and how often, the record of passes tells.
	Resident bool
	// SetBack says that the clock of the box was set back since the last pass: it was ahead before. Where the record has
	// something from the future, that is known without.
	SetBack bool
	// Limit is how long the renewals of one pass may take together, retries included. Zero: 5 minutes.
	Limit time.Duration
	// RetryAfter is the first pause before a retry; later ones grow, with jitter. Zero: 2 seconds.
	RetryAfter time.Duration
	// RefusedLook is how long after a pass in which all that failed was refused the report's NextLook is. Zero: 15 minutes,
	// as after any other failure.
	RefusedLook time.Duration
	// Progress is told when a step begins and ends (from several goroutines); nil: nobody is.
	Progress func(s plan.Step, o *Outcome)
}

func (e *Engine) limit() time.Duration {
	if e.Limit > 0 {
		return e.Limit
	}
	return 5 * time.Minute
}

// A Result is what became of a step. Its values are those of the JSON output.
type Result string

const (
	Planned  Result = "planned"
	Done     Result = "done"
	Failed   Result = "failed"
	Skipped  Result = "skipped"  // a step it needed did not succeed
	Deferred Result = "deferred" // a restart that has to wait
)

// An Outcome is what became of one step.
type Outcome struct {
	Step   plan.Step
	Result Result
	Err    error // of a failed or skipped step
	Took   time.Duration
}

// A Report is all outcomes of a pass, in the order of the plan, and what people should be told.
type Report struct {
	Time     time.Time
	Outcomes []Outcome
	Alerts   []plan.Alert
	NextLook time.Time
}

// Changed reports whether anything was done, or was to be done and was not.
func (r *Report) Changed() bool { return len(r.Outcomes) > 0 }

// Failed reports whether a step failed or was skipped because of one that did.
func (r *Report) Failed() bool {
	for _, o := range r.Outcomes {
		if o.Result == Failed || o.Result == Skipped {
			return true
		}
	}
	return false
}

// Refused reports whether something failed, and all of it renewals to which a server said no, or which met something else
// that does not pass by itself: there is no hurry to try again.
func (r *Report) Refused() bool {
	refused := false
	for _, o := range r.Outcomes {
		if o.Result != Failed {
			continue
		}
		if o.Step.Action != plan.Renew || issue.Temporary(o.Err) {
			return false
		}
		refused = true
	}
	return refused
}

// Moot reports whether a pass would do nothing now but what has failed in the last one, for the same reasons.
func (e *Engine) Moot(want plan.Desired, o plan.Options, last *Report) bool {
	now := e.Now()
	steps := plan.Compute(want, e.look(want, now).Observed, now, o).Steps
	return !slices.ContainsFunc(steps, func(s plan.Step) bool {
		return !slices.ContainsFunc(last.Outcomes, func(o Outcome) bool {
			return o.Result != Done && o.Step.ID == s.ID && o.Step.Reason == s.Reason
		})
	})
}

// Preview is the report of a plan that is not applied.
func Preview(p plan.Plan, now time.Time) *Report {
	r := &Report{Time: now, Alerts: p.Alerts, NextLook: p.NextLook}
	for _, s := range p.Steps {
		o := Outcome{Step: s, Result: Planned}
		if !s.NotBefore.IsZero() {
			o.Result = Deferred
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

// Pass observes, plans and applies. The caller holds the lock.
func (e *Engine) Pass(ctx context.Context, want plan.Desired, o plan.Options) (*Report, error) {
	now := e.Now()
	distrust := e.SetBack || setBack(want, now)
	if err := e.noteRun(want, now); err != nil {
		e.Log.Info().Err(err).Msg("this pass is not on record")
	}
	seen := e.look(want, now)
	if distrust || seen.fromTheFuture(now) {
		e.distrust(want, seen)
	}
	p := plan.Compute(want, seen.Observed, now, o)
	if len(p.Steps) > 0 {
		e.sweep(want, now)
	}
	report := e.Apply(ctx, want, seen, p)
	report.Time = now
	return report, nil
}

// fromTheFuture reports whether servers were asked at a time that is yet to come.
func (s *seen) fromTheFuture(now time.Time) bool {
	for _, g := range s.state.Grants {
		if g.Time.After(now.Add(clockSlack)) && !g.Stale {
			return true
		}
	}
	return false
}

// distrust has nothing decided by what was measured with a clock that was wrong.
func (e *Engine) distrust(want plan.Desired, s *seen) {
	e.Log.Info().Msg("the clock was set back: how long the servers gave is not known until they are asked again")
	for name, st := range s.Credentials {
		if st.Grant != nil {
			st.Grant.Stale = true
			s.Credentials[name] = st
		}
	}
	if len(s.state.Grants) == 0 {
		return
	}
	err := s.state.change(want, func(st *state) {
		for name, g := range st.Grants {
			g.Stale = true
			st.Grants[name] = g
		}
	})
	if err != nil {
		e.Log.Warn().Err(err).Msg("that the clock was set back is not on record")
	}
}

// staleTemp is how old a temporary file must be to be one that a killed run has left.
const staleTemp = time.Hour

// sweep removes temporary files that a run left when it was killed: keys may be in them.
func (e *Engine) sweep(want plan.Desired, now time.Time) {
	dirs := []string{want.State, filepath.Join(want.State, "last-good")}
	for _, c := range want.Credentials {
		dirs = append(dirs, filepath.Dir(c.Path))
	}
	for _, f := range want.EnvFiles {
		dirs = append(dirs, filepath.Dir(f.Path))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := atomicfile.RemoveStale(dir, now.Add(-staleTemp)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.Log.Debug().Err(err).Str("path", dir).Msg("looking for temporary files of earlier runs")
		}
	}
}

// Observe reads the box and changes nothing.
func (e *Engine) Observe(want plan.Desired) plan.Observed {
	return e.look(want, e.Now()).Observed
}

// makeDir makes a directory for the configuration's account. What is missing above the VO's own directories is not the
// account's: other VOs share it.
func makeDir(want plan.Desired, path string, mode uint32) error {
	top := filepath.Dir(path)
	for _, own := range []string{want.Root, want.Repository, want.State, want.Home} {
		if own != "" && (path == own || strings.HasPrefix(path, own+"/")) && len(filepath.Dir(own)) < len(top) {
			top = filepath.Dir(own)
		}
	}
	if err := atomicfile.MkdirAll(top, atomicfile.Options{Mode: 0o755, UID: -1, GID: -1}); err != nil {
		return err
	}
	if want.Root != "" && strings.HasPrefix(path, want.Root+"/") {
		if err := atomicfile.MkdirAll(want.Root, ownedBy(want, 0o755)); err != nil {
			return err
		}
	}
	return atomicfile.MkdirAll(path, ownedBy(want, mode))
}

// ownedBy are the options of a file that belongs to the account of the configuration.
func ownedBy(want plan.Desired, mode uint32) atomicfile.Options {
	return atomicfile.Options{Mode: fileMode(mode), UID: want.UID, GID: want.GID}
}
