package reconcile

import (
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A WorseError says why a new credential was not taken: the old file stays, byte for byte.
type WorseError struct {
	ID  string // NEVER-WORSE, or the id of what is wrong with the new credential
	Why string
}

func (e *WorseError) Error() string { return "the new credential was not taken: " + e.Why }

// renewStep obtains a credential, decides whether it is better than the one that is there, and only then puts it in its place.
func (r *run) renewStep(s plan.Step) error {
	want, _ := find(r.want.Credentials, func(c plan.Credential) bool { return c.Name == s.Target })
	authority, err := r.authority(want)
	if err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		issued, err := r.obtain(want, authority)
		if err != nil {
			return err
		}
		for _, w := range issued.Warnings {
			r.Log.Warn().Str("credential", want.Name).Str("warning", w).Msg("the server warns")
		}
		now := r.Now()
		old := r.inPlace(want, now)
		st := r.Judge(issued.Credential, known(want, old.Source), now)
		why := worse(st, old, now)
		if st.Fault == "" {
			r.granted(want, issued, st, why == "", now)
		}
		switch {
		case why == "":
			return r.put(s, want, issued, st, old)
		case tries == 0 && st.Fault == "" && st.EffectiveEnd.Equal(old.EffectiveEnd) && !issued.Bound():
			// The one in place was made in this very second, and certificates count in seconds.
			if err := r.pause(); err != nil {
				return err
			}
		default:
			return &WorseError{ID: cmp.Or(st.FaultID, "NEVER-WORSE"), Why: why}
		}
	}
}

// pause waits for the next second.
func (r *run) pause() error {
	wait := time.Second
	if r.RetryAfter > 0 {
		wait = r.RetryAfter
	}
	select {
	case <-time.After(wait):
		return nil
	case <-r.renewal.Done():
		return r.renewal.Err()
	}
}

// inPlace looks again at the file that is about to be replaced: a registration, or the old daemon, may have put a better
// one there since the plan was made.
func (r *run) inPlace(want plan.Credential, now time.Time) plan.CredentialState {
	r.mu.Lock()
	planned := r.seen.Credentials[want.Name]
	r.mu.Unlock()
	st, cred := r.observeFile(known(want, planned.Source), planned.Path, now)
	st.Grant, st.Links, st.Source, st.Rhythm = planned.Grant, planned.Links, planned.Source, planned.Rhythm
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Credentials[want.Name] = st
	if cred != nil {
		r.seen.creds[want.Name] = cred
	}
	return st
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
		return fmt.Sprintf("it lasts until %s (%s), the one that is there until %s", exact(fresh.EffectiveEnd), fresh.EndsWith, exact(old.EffectiveEnd))
	}
	return ""
}

// exact prints a moment to the second, where seconds decide.
func exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// put writes the credential, its last-good copy and what is known about it now.
func (r *run) put(s plan.Step, want plan.Credential, issued *issue.Issued, st, old plan.CredentialState) error {
	undo, err := r.announceProxy(want.Name)
	if err != nil {
		return err
	}
	opts := ownedBy(r.want, uint32(want.Mode))
	if err := makeDir(r.want, filepath.Dir(old.Path), 0o700); err != nil {
		undo()
		return fmt.Errorf("making the directory of the proxy: %w", err)
	}
	if err := credfile.Write(old.Path, issued.Credential, opts); err != nil {
		undo()
		return err
	}
	good := issued.Credential
	if issued.Delegated != nil && !answers(good) {
		good = issued.Delegated
	}
	if err := keepLastGood(r.want, want.Name, good); err != nil {
		r.Log.Warn().Err(err).Str("credential", want.Name).Msg("there is no last-good copy")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	st.Path, st.Exists, st.Grant, st.Links, st.Source = old.Path, true, r.seen.Credentials[want.Name].Grant, old.Links, old.Source
	st.Rhythm = old.Rhythm
	if data, err := credfile.Marshal(issued.Credential); err == nil {
		st.Digest = credfile.Digest(data)
	}
	r.seen.Credentials[want.Name] = st
	r.seen.creds[want.Name] = issued.Credential
	r.ends[s.ID] = st.EffectiveEnd.UTC()
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

// authority finds what a request to MyProxy is authorised with: the machine proxy, and a good proxy of the same identity:
// the one in place, or else another that is at hand.
func (r *run) authority(want plan.Credential) (issue.Authority, error) {
	var a issue.Authority
	if want.Source.MyProxy == nil {
		return a, nil
	}
	r.mu.Lock()
	a.Machine, a.Old = r.seen.creds[plan.MachineName], r.seen.creds[want.Name]
	r.mu.Unlock()
	if a.Machine == nil && want.Source.MyProxy.PassphraseFile == "" { // a passphrase is enough without
		for _, c := range r.want.Credentials {
			if c.Kind == plan.Machine {
				return a, &NoMachineProxyError{Path: r.path(c.Name), Cause: r.fault(c.Name)}
			}
		}
	}
	if want.Registered && a.Old != nil && !r.verifies(a.Old) {
		a.Old = nil
	}
	if a.Old == nil || a.Old.Limited() != want.Limited || !answers(a.Old) {
		for _, path := range r.otherProxies(want) {
			if cred := r.usableAsOld(path, want); cred != nil {
				a.Old = cred
				break
			}
		}
	}
	if want.Registered && a.Old == nil {
		return a, &NotAtHandError{Identity: want.Identity}
	}
	return a, nil
}

func (r *run) verifies(c *proxycert.Credential) bool {
	_, err := r.Trust.VerifyPeer(c.Presented(), r.Now())
	return err == nil
}

// answers reports whether a proxy can answer the challenge of a MyProxy server, which knows RSA signatures only.
func answers(c *proxycert.Credential) bool {
	_, ok := c.Leaf().PublicKey.(*rsa.PublicKey)
	return ok
}

// maxOthers is how many files of the repository are looked through for a proxy of the same identity.
const maxOthers = 200

// otherProxies are the files in which a proxy of the same identity may be, when the one in place is none: the last good
// copy, the login session's, whatever is in the repository, and the account's default proxy.
func (r *run) otherProxies(want plan.Credential) []string {
	paths := []string{lastGood(r.want, want.Name)}
	if r.LoginProxy != "" {
		paths = append(paths, r.LoginProxy)
	}
	names, err := atomicfile.Glob(r.want.Repository, "*")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Log.Info().Err(err).Str("path", r.want.Repository).Msg("looking for another proxy")
	}
	for _, name := range names[:min(len(names), maxOthers)] {
		paths = append(paths, filepath.Join(r.want.Repository, name))
	}
	uid := r.want.UID
	if uid < 0 {
		uid = os.Geteuid()
	}
	return append(paths, fmt.Sprintf("/tmp/x509up_u%d", uid))
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
	if err != nil || !id.Equal(cred.Identity()) || cred.Limited() && !want.Limited { // from a limited one comes a limited one
		return nil
	}
	if !answers(cred) || !r.verifies(cred) {
		return nil
	}
	r.Log.Info().Str("credential", want.Name).Str("path", path).Msg("authorising the renewal with another proxy of the same identity")
	return cred
}

// A NotAtHandError says that there is no valid proxy left of a person whom the account has registered. One is wanted for each
// renewal, whatever the server wants: root's machine proxy must not get the account a proxy of somebody who never logged in.
type NotAtHandError struct{ Identity string }

func (e *NotAtHandError) Error() string {
	return fmt.Sprintf("no valid proxy of %s is at hand, and the account's registration alone is no right to one", e.Identity)
}

// A NoMachineProxyError says that there is nothing to show to the MyProxy server.
type NoMachineProxyError struct{ Path, Cause string }

func (e *NoMachineProxyError) Error() string {
	return fmt.Sprintf("the machine proxy %s cannot be used: %s", e.Path, e.Cause)
}
