package reconcile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A WorseError says why a new credential was not taken: the old file stays, byte for byte.
type WorseError struct{ Why string }

func (e *WorseError) Error() string { return "the new credential was not taken: " + e.Why }

// renewStep obtains a credential, decides whether it is better than the one that is there, and only then puts it in its place.
func (r *run) renewStep(s plan.Step) error {
	want, _ := find(r.want.Credentials, func(c plan.Credential) bool { return c.Name == s.Target })
	authority, err := r.authority(want)
	if err != nil {
		return err
	}
	issued, err := r.obtain(want, authority)
	if err != nil {
		return err
	}
	for _, w := range issued.Warnings {
		r.Log.Warn().Str("credential", want.Name).Str("server", w).Msg("the server says")
	}
	now := r.Now()
	st := r.Judge(issued.Credential, want, now)
	if st.Fault == "" {
		r.granted(want, issued, st, now)
	}
	r.mu.Lock()
	old := r.seen.Credentials[want.Name]
	r.mu.Unlock()
	if why := worse(st, old, now); why != "" {
		return &WorseError{why}
	}
	return r.put(s, want, issued, st, old)
}

// worse applies the never-worse rule: the new credential must be what is wanted, and where the old one is that too, it must
// last longer.
func worse(fresh, old plan.CredentialState, now time.Time) string {
	switch {
	case fresh.Fault != "":
		return fresh.Fault
	case !now.Before(fresh.EffectiveEnd):
		return fmt.Sprintf("%s ended on %s already", fresh.EndsWith, plan.Clock(fresh.EffectiveEnd))
	case old.Usable(now) && !fresh.EffectiveEnd.After(old.EffectiveEnd):
		return fmt.Sprintf("it lasts until %s (%s), the one that is there until %s", plan.Clock(fresh.EffectiveEnd), fresh.EndsWith, plan.Clock(old.EffectiveEnd))
	}
	return ""
}

// granted keeps what was granted: it moves the next renewal and is told about, whether or not the credential is taken.
func (r *run) granted(want plan.Credential, issued *issue.Issued, st plan.CredentialState, now time.Time) {
	g := issued.Grant
	if left := st.EffectiveEnd.Sub(now); g.Limit == plan.LimitNone && left < g.Asked-plan.Slack(g.Asked) {
		g.Granted, g.Limit = left, plan.LimitCert
	}
	g.Time = now.UTC()
	err := r.seen.state.change(r.want, func(s *state) { s.Grants[want.Name] = g })
	if err != nil {
		r.Log.Warn().Err(err).Str("credential", want.Name).Msg("what was granted is not on record")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.seen.Credentials[want.Name]
	known.Grant, known.UserCertEnd = &g, st.UserCertEnd
	r.seen.Credentials[want.Name] = known
}

// put writes the credential, its last-good copy and what is known about it now.
func (r *run) put(s plan.Step, want plan.Credential, issued *issue.Issued, st, old plan.CredentialState) error {
	undo, err := r.announceProxy(want.Name)
	if err != nil {
		return err
	}
	opts := ownedBy(r.want, uint32(want.Mode))
	dir := filepath.Dir(old.Path)
	if err := atomicfile.MkdirAll(dir, ownedBy(r.want, 0o700)); err != nil {
		undo()
		return fmt.Errorf("making the directory of the proxy: %w", err)
	}
	if err := credfile.Write(old.Path, issued.Credential, opts); err != nil {
		undo()
		return err
	}
	if err := keepLastGood(r.want, want.Name, issued.Credential); err != nil {
		r.Log.Warn().Err(err).Str("credential", want.Name).Msg("there is no last-good copy")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	st.Path, st.Exists, st.Grant, st.Links, st.Source = old.Path, true, r.seen.Credentials[want.Name].Grant, old.Links, old.Source
	if data, err := credfile.Marshal(issued.Credential); err == nil {
		st.Digest = credfile.Digest(data)
	}
	r.seen.Credentials[want.Name] = st
	r.seen.creds[want.Name] = issued.Credential
	r.ends[s.ID] = st.EffectiveEnd.UTC()
	after := plan.Compute(r.want, r.seen.Observed, r.Now(), plan.Options{NoRestart: true})
	for _, a := range after.Alerts {
		if a.Subject == want.Name {
			r.notes = append(r.notes, a)
		}
	}
	return nil
}

// announceProxy records restarts of the services that are restarted for this proxy.
func (r *run) announceProxy(name string) (undo func(), err error) {
	chosen := func(svc plan.Service) bool { return slices.Contains(svc.Proxies, name) }
	if !slices.ContainsFunc(r.want.Services, chosen) {
		return func() {}, nil
	}
	return r.announce(chosen, "proxy "+name+" changed")
}

// obtain asks the issuer, again after a pause where nobody answered. A refusal is not asked again.
func (r *run) obtain(want plan.Credential, a issue.Authority) (*issue.Issued, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 2 * time.Second
	if r.RetryAfter > 0 {
		pause.InitialInterval = r.RetryAfter
	}
	pause.MaxInterval = 30 * time.Second
	tries := 0
	issued, err := backoff.Retry(r.renewal, func() (*issue.Issued, error) {
		tries++
		issued, err := r.Issuer.Issue(r.renewal, want, a)
		if err != nil && !issue.Temporary(err) {
			return nil, backoff.Permanent(err)
		}
		if err != nil {
			r.Log.Info().Err(err).Str("credential", want.Name).Int("try", tries).Msg("nobody answered")
		}
		return issued, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(3), backoff.WithMaxElapsedTime(0))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		err = permanent.Unwrap()
	}
	if err != nil && tries > 1 {
		err = fmt.Errorf("%w (%d tries)", err, tries)
	}
	return issued, err
}

// authority finds what a request to MyProxy is authorised with: the machine proxy, and the newest good proxy of the same
// identity: the one in place, else the last good copy, else the one of the login session.
func (r *run) authority(want plan.Credential) (issue.Authority, error) {
	var a issue.Authority
	if want.Source.MyProxy == nil {
		return a, nil
	}
	r.mu.Lock()
	a.Machine, a.Old = r.seen.creds[plan.MachineName], r.seen.creds[want.Name]
	r.mu.Unlock()
	if a.Machine == nil {
		for _, c := range r.want.Credentials {
			if c.Kind == plan.Machine {
				return a, &NoMachineProxyError{Path: r.path(c.Name), Cause: r.fault(c.Name)}
			}
		}
	}
	for _, path := range []string{lastGood(r.want, want.Name), r.LoginProxy} {
		if a.Old == nil && path != "" {
			a.Old = r.usableAsOld(path, want)
		}
	}
	return a, nil
}

func (r *run) fault(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch st := r.seen.Credentials[name]; {
	case !st.Exists:
		return "it does not exist"
	case st.Fault != "":
		return st.Fault
	default:
		return "it expired on " + plan.Clock(st.EffectiveEnd)
	}
}

// usableAsOld loads a proxy that may answer the server's challenge: its chain must verify and be of the wanted identity; its
// attributes do not matter.
func (r *run) usableAsOld(path string, want plan.Credential) *proxycert.Credential {
	cred, _, err := credfile.Load(path)
	if err != nil {
		return nil
	}
	id, err := dn.Parse(want.Identity)
	if err != nil || !id.Equal(cred.Identity()) {
		return nil
	}
	if _, err := r.Trust.VerifyChain(cred.Chain, r.Now()); err != nil {
		return nil
	}
	r.Log.Info().Str("credential", want.Name).Str("path", path).Msg("authorising the renewal with another proxy of the same identity")
	return cred
}

// A NoMachineProxyError says that there is nothing to show to the MyProxy server.
type NoMachineProxyError struct{ Path, Cause string }

func (e *NoMachineProxyError) Error() string {
	return fmt.Sprintf("the machine proxy %s cannot be used: %s", e.Path, e.Cause)
}

// failureAlert explains a failed step: id, cause, remedy and where to type it, and how long the old credential still lasts.
func (r *run) failureAlert(o Outcome) plan.Alert {
	a := plan.Alert{ID: "STEP", Severity: plan.Critical, Subject: o.Step.Target, Message: o.Err.Error(), Where: "VO-Box",
		Remedy: "mend the cause, then run vobox-reconcile"}
	explain(o.Err, &a)
	if o.Step.Action != plan.Renew {
		return a
	}
	r.mu.Lock()
	st := r.seen.Credentials[o.Step.Target]
	r.mu.Unlock()
	if now := r.Now(); st.Usable(now) {
		a.Severity = plan.Warning
		a.Message += fmt.Sprintf("; the one that is there lasts until %s, %s from now", plan.Clock(st.EffectiveEnd), plan.Span(st.EffectiveEnd.Sub(now)))
	}
	return a
}

// explain takes id, cause and remedy from the error of the package that knows them.
func explain(err error, a *plan.Alert) {
	var (
		mp    *myproxy.Error
		vo    *voms.Error
		tr    *trust.Error
		is    *issue.Error
		svc   *service.Error
		none  *NoMachineProxyError
		worse *WorseError
	)
	fill := func(id, cause, remedy, where string) {
		a.ID = id
		if cause != "" {
			a.Message += " (" + cause + ")"
		}
		if remedy != "" {
			a.Remedy, a.Where = remedy, where
		}
	}
	switch {
	case errors.As(err, &mp):
		fill(mp.ID, mp.Cause, mp.Remedy, mp.Where)
	case errors.As(err, &vo):
		fill(vo.ID, vo.Cause, vo.Remedy, vo.Where)
	case errors.As(err, &is):
		fill(is.ID, "", is.Remedy, is.Where)
	case errors.As(err, &tr):
		fill(tr.ID, "", "check the trust anchors and CRLs (fetch-crl)", "site admin")
	case errors.As(err, &none):
		fill("HOST-PROXY", "", "run vobox-reconcile as root, or ask the site admin to renew the machine proxy", "site admin")
	case errors.As(err, &svc):
		a.ID, a.Remedy = "SVC-"+strings.ToUpper(string(svc.Phase)), "run the command by hand as the service account and mend what it complains about"
	case errors.As(err, &worse):
		fill("NEVER-WORSE", "", "", "")
	case errors.Is(err, atomicfile.ErrLink):
		fill("FILE-LINK", "", "replace the symbolic link by a file or directory of its own", "VO-Box")
	case errors.Is(err, context.DeadlineExceeded):
		fill("TIMEOUT", "", "run vobox-reconcile again", "VO-Box")
	}
}
