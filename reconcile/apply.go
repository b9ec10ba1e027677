package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// maxParallel is how many credentials are renewed at the same time.
const maxParallel = 8

// A run is one plan being applied.
type run struct {
	*Engine
	want    plan.Desired
	seen    *seen
	plan    plan.Plan
	journal journal
	renewal context.Context // ends when the time for renewals is over

	mu       sync.Mutex // guards seen.Credentials and seen.creds while renewals go on, and what follows
	outcomes []Outcome
	settled  []chan struct{} // closed when the outcome of the step is there
	places   chan struct{}
	ends     map[string]time.Time // effective ends of renewed credentials, by step id
}

// Apply carries out a plan that was computed from the observation. Steps run as soon as those they need have succeeded:
// credentials side by side, restarts one after the other. A failed step holds up only those that need it.
func (e *Engine) Apply(ctx context.Context, want plan.Desired, s *seen, p plan.Plan) *Report {
	renewal, cancel := context.WithTimeout(ctx, e.limit())
	defer cancel()
	r := &run{Engine: e, want: want, seen: s, plan: p, journal: journal{want: want}, renewal: renewal,
		outcomes: make([]Outcome, len(p.Steps)), places: make(chan struct{}, maxParallel), ends: map[string]time.Time{}}
	for range p.Steps {
		r.settled = append(r.settled, make(chan struct{}))
	}
	var wg sync.WaitGroup
	for i := range p.Steps {
		wg.Go(func() {
			defer close(r.settled[i])
			r.outcomes[i] = r.step(ctx, i)
		})
	}
	wg.Wait()
	if len(want.Services) > 0 {
		r.adopt()
	}
	return r.report()
}

// step waits for what step i needs and carries it out.
func (r *run) step(ctx context.Context, i int) Outcome {
	s := r.plan.Steps[i]
	o := Outcome{Step: s}
	if s.Action == plan.Restart {
		r.awaitRestarts(i)
	}
	if failed := r.await(i); failed != "" {
		o.Result, o.Err = Skipped, fmt.Errorf("%s did not succeed", failed)
		return o
	}
	if !s.NotBefore.IsZero() {
		o.Result = Deferred
		return o
	}
	if s.Action == plan.Renew {
		r.places <- struct{}{}
		defer func() { <-r.places }()
	}
	if err := ctx.Err(); err != nil {
		o.Result, o.Err = Skipped, errors.New("the run was told to stop")
		return o
	}
	begin := r.Now()
	if r.Progress != nil {
		r.Progress(s, nil)
	}
	o.Err = r.do(ctx, s)
	o.Took, o.Result = r.Now().Sub(begin), Done
	if o.Err != nil {
		o.Result = Failed
	}
	r.tell(&o)
	return o
}

// await returns the id of a needed step that did not succeed, or nothing.
func (r *run) await(i int) string {
	for _, id := range r.plan.Steps[i].Needs {
		j := slices.IndexFunc(r.plan.Steps, func(s plan.Step) bool { return s.ID == id })
		if j < 0 || j >= i {
			return id
		}
		<-r.settled[j]
		if r.outcomes[j].Result != Done {
			return id
		}
	}
	return ""
}

// awaitRestarts waits for the restarts before step i: two services that start at the same time share CVMFS and LDAP.
func (r *run) awaitRestarts(i int) {
	for j := range i {
		if r.plan.Steps[j].Action == plan.Restart {
			<-r.settled[j]
		}
	}
}

// tell writes the journal and the log.
func (r *run) tell(o *Outcome) {
	e := JournalEntry{Time: r.Now().UTC(), ID: o.Step.ID, Action: o.Step.Action, Kind: o.Step.Kind, Target: o.Step.Target,
		Path: o.Step.Path, Reason: o.Step.Reason, Result: o.Result, TookSeconds: o.Took.Seconds()}
	r.mu.Lock()
	e.End = r.ends[o.Step.ID]
	r.mu.Unlock()
	log := r.Log.Info() // also of a failure: the report says it, and the alert what to do
	if o.Err != nil {
		e.Error = o.Err.Error()
		log.Err(o.Err)
	}
	log.Str("step", o.Step.ID).Str("result", string(o.Result)).Str("reason", o.Step.Reason).Dur("took", o.Took).Msg("step")
	if err := r.journal.add(e); err != nil {
		r.Log.Warn().Err(err).Msg("the journal is not complete")
	}
	if r.Progress != nil {
		r.Progress(o.Step, o)
	}
}

func (r *run) do(ctx context.Context, s plan.Step) error {
	switch s.Action {
	case plan.Renew:
		return r.renewStep(s)
	case plan.Write:
		if s.Kind == "env-file" {
			return r.writeEnvFile(s)
		}
		return r.placeProxy(s)
	case plan.Link:
		return r.link(s)
	case plan.Restart:
		return r.restart(ctx, s)
	}
	return fmt.Errorf("step %s: unknown action %q", s.ID, s.Action)
}

// placeProxy writes a good proxy again, with the mode and owner it should have, if it is still the one that was judged.
func (r *run) placeProxy(s plan.Step) error {
	c, _ := find(r.want.Credentials, func(c plan.Credential) bool { return c.Name == s.Target })
	data, _, err := atomicfile.Read(s.Path, credfile.MaxSize)
	if err != nil {
		return err
	}
	r.mu.Lock()
	judged := r.seen.Credentials[c.Name].Digest
	r.mu.Unlock()
	if credfile.Digest(data) != judged {
		return fmt.Errorf("%s has changed since it was looked at; run vobox-reconcile again", s.Path)
	}
	_, err = atomicfile.Replace(s.Path, data, ownedBy(r.want, uint32(c.Mode)))
	return err
}

// link makes the path a symbolic link to the proxy. A file that stands there is kept beside, as PATH.orig.
func (r *run) link(s plan.Step) error {
	if err := makeDir(r.want, filepath.Dir(s.Path), 0o755); err != nil {
		return err
	}
	data, _, err := atomicfile.Read(s.Path, credfile.MaxSize)
	switch {
	case err == nil:
		if _, err := atomicfile.Replace(s.Path+".orig", data, ownedBy(r.want, 0o600)); err != nil {
			return fmt.Errorf("keeping the file that is there: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, atomicfile.ErrLink):
		return fmt.Errorf("keeping the file that is there: %w", err)
	}
	_, err = atomicfile.Symlink(r.path(s.Target), s.Path, ownedBy(r.want, 0o777))
	return err
}

// path is where a credential is now.
func (r *run) path(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.Credentials[name].Path
}

// writeEnvFile reads the file again and changes the managed lines. That services have to be restarted for it is recorded
// first: killed in between, the next pass restarts them.
func (r *run) writeEnvFile(s plan.Step) error {
	f, _ := find(r.want.EnvFiles, func(f plan.EnvFile) bool { return f.Path == s.Target })
	r.mu.Lock()
	e := edit(f, r.seen.Credentials)
	r.mu.Unlock()
	opts := ownedBy(r.want, uint32(f.Mode.Perm()))
	data, info, err := atomicfile.Read(f.Path, maxEnvFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := makeDir(r.want, filepath.Dir(f.Path), 0o755); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		opts.Mode = info.Mode().Perm()
		if uid, ok := ownerOf(info); ok {
			opts.UID, opts.GID = uid, groupOf(info)
		}
	}
	res, err := envfile.Apply(data, e)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	undo, err := r.announce(func(svc plan.Service) bool { return slices.Contains(svc.EnvFiles, f.Path) }, f.Path+" changed")
	if err != nil {
		return err
	}
	if _, err := atomicfile.Replace(f.Path, res.Content, opts); err != nil {
		undo()
		return err
	}
	return nil
}

// announce records that the services chosen are owed a restart. The undo it returns takes back what it has recorded, for
// when the change did not happen.
func (r *run) announce(chosen func(plan.Service) bool, why string) (undo func(), err error) {
	var fresh []string
	err = r.seen.state.change(r.want, func(st *state) {
		for _, svc := range r.want.Services {
			if chosen(svc) && st.record(svc.Name).Pending == "" {
				st.record(svc.Name).Pending = why
				fresh = append(fresh, svc.Name)
			}
		}
	})
	return func() {
		err := r.seen.state.change(r.want, func(st *state) {
			for _, name := range fresh {
				st.record(name).Pending = ""
			}
		})
		if err != nil {
			r.Log.Warn().Err(err).Msg("taking back the announcement of a restart")
		}
	}, err
}

// restart counts the restart before it begins, whatever becomes of it, so that one that always fails is bounded as well.
func (r *run) restart(ctx context.Context, s plan.Step) error {
	svc, _ := find(r.want.Services, func(v plan.Service) bool { return v.Name == s.Target })
	err := r.seen.state.change(r.want, func(st *state) {
		rec := st.record(svc.Name)
		rec.Restarts = append(rec.Restarts, r.Now().UTC())
		if extra := len(rec.Restarts) - max(keepRestarts, svc.AtMost); extra > 0 {
			rec.Restarts = slices.Delete(rec.Restarts, 0, extra)
		}
		if rec.Pending == "" {
			rec.Pending = s.Reason
		}
	})
	if err != nil {
		return err
	}
	cmd := service.Command{Name: svc.Name, Restart: svc.Restart, Unit: svc.Unit, Preflight: svc.Preflight, Verify: svc.Verify, Timeout: svc.Timeout}
	if err := r.Services.Restart(ctx, cmd); err != nil {
		var failed *service.Error
		if errors.As(err, &failed) && failed.Phase == service.PhasePreflight {
			r.uncount(svc)
		}
		return err
	}
	return r.seen.state.change(r.want, func(st *state) {
		rec := st.record(svc.Name)
		rec.Known, rec.Pending, rec.RestartedFor = true, "", r.serviceDigest(svc)
	})
}

// uncount takes back a restart that did not begin, as its preflight failed.
func (r *run) uncount(svc plan.Service) {
	err := r.seen.state.change(r.want, func(st *state) {
		if rec := st.record(svc.Name); len(rec.Restarts) > 0 {
			rec.Restarts = rec.Restarts[:len(rec.Restarts)-1]
		}
	})
	if err != nil {
		r.Log.Warn().Err(err).Str("service", svc.Name).Msg("taking back the count of a restart")
	}
}

func (r *run) serviceDigest(svc plan.Service) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return plan.ServiceDigest(svc, r.want, r.seen.Observed)
}

// adopt records what services seen for the first time are running with, if nothing of theirs was or is to be changed: a
// healthy box is taken over without a restart.
func (r *run) adopt() {
	var fresh []plan.Service
	for _, svc := range r.want.Services {
		rec := r.seen.state.service(svc.Name)
		if !rec.Known && rec.Pending == "" && !r.touched(svc) {
			fresh = append(fresh, svc)
		}
	}
	if len(fresh) == 0 {
		return
	}
	err := r.seen.state.change(r.want, func(st *state) {
		for _, svc := range fresh {
			rec := st.record(svc.Name)
			rec.Known, rec.RestartedFor = true, r.serviceDigest(svc)
		}
	})
	if err != nil {
		r.Log.Warn().Err(err).Msg("taking services over")
	}
}

// touched reports whether an env file or proxy of the service needed something.
func (r *run) touched(svc plan.Service) bool {
	for _, path := range svc.EnvFiles {
		if st := r.seen.EnvFiles[path]; len(st.Changes) > 0 || st.Fault != "" {
			return true
		}
	}
	return slices.ContainsFunc(r.outcomes, func(o Outcome) bool {
		return o.Step.Target == svc.Name && o.Step.Kind == "service"
	})
}

func (r *run) report() *Report {
	rep := &Report{Outcomes: r.outcomes}
	now := plan.Compute(r.want, r.seen.Observed, r.Now(), plan.Options{NoRestart: true})
	for _, a := range r.plan.Alerts {
		if !r.asked(a.Subject) {
			rep.Alerts = append(rep.Alerts, a)
		}
	}
	for _, a := range now.Alerts { // what renewals found out overtakes what the plan knew
		if r.asked(a.Subject) {
			rep.Alerts = append(rep.Alerts, a)
		}
	}
	for _, o := range r.outcomes {
		if o.Result == Failed {
			a := r.failureAlert(o)
			rep.Alerts = slices.DeleteFunc(rep.Alerts, func(b plan.Alert) bool { return b.ID == a.ID && b.Subject == a.Subject })
			rep.Alerts = append(rep.Alerts, a)
		}
	}
	rep.NextLook = r.nextLook(rep)
	return rep
}

// asked reports whether a credential of that name was renewed, or a renewal was tried.
func (r *run) asked(name string) bool {
	return slices.ContainsFunc(r.outcomes, func(o Outcome) bool {
		return o.Step.Action == plan.Renew && o.Step.Target == name && (o.Result == Done || o.Result == Failed)
	})
}

// retryLook is how soon a pass that failed is worth another one.
const retryLook = 15 * time.Minute

// nextLook is when the next thing is due, or what has failed is to be tried again: a credential that is due already, and
// was not renewed, says nothing about when the others are.
func (r *run) nextLook(rep *Report) time.Time {
	now, others := r.Now(), r.want
	others.Credentials = slices.DeleteFunc(slices.Clone(others.Credentials), func(c plan.Credential) bool {
		return slices.ContainsFunc(r.outcomes, func(o Outcome) bool {
			return o.Step.Action == plan.Renew && o.Step.Target == c.Name && o.Result != Done
		})
	})
	next := plan.Compute(others, r.seen.Observed, now, plan.Options{NoRestart: true}).NextLook
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, s := range r.plan.Steps {
		if !s.NotBefore.IsZero() {
			earlier(s.NotBefore)
		}
	}
	switch {
	case rep.Refused():
		earlier(now.Add(cmp.Or(r.RefusedLook, retryLook)))
	case rep.Failed():
		earlier(now.Add(retryLook))
	}
	return next
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var zero T
	return zero, false
}
