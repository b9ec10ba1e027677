package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// maxEnvFile is the largest environment file that is read, in bytes.
const maxEnvFile = 1 << 20

// seen is an observation together with the credentials behind it, which have no place in a plan.
type seen struct {
	plan.Observed
	creds map[string]*proxycert.Credential // those that may be shown to a server, by name
	state *state
}

func (e *Engine) look(want plan.Desired, now time.Time) *seen {
	s := &seen{
		Observed: plan.Observed{
			Credentials: map[string]plan.CredentialState{},
			EnvFiles:    map[string]plan.EnvFileState{},
			Services:    map[string]plan.ServiceState{},
		},
		creds: map[string]*proxycert.Credential{},
	}
	var err error
	if s.state, err = loadState(want.State); err != nil {
		e.Log.Warn().Err(err).Str("path", want.State).Msg("the record of earlier passes cannot be used, going on without")
	}
	rhythm := e.rhythm(want, now)
	for _, c := range want.Credentials {
		source := e.observeSource(c, now)
		st, cred := e.observeCredential(known(c, source), now)
		if g, ok := s.state.Grants[c.Name]; ok {
			st.Grant = &g
		}
		st.Source, st.Rhythm = source, rhythm
		st.Links = observeLinks(c, st.Path)
		st.Misplaced = misplaced(c, st, want)
		s.Credentials[c.Name] = st
		if cred != nil {
			s.creds[c.Name] = cred
		}
	}
	for _, f := range want.EnvFiles {
		s.EnvFiles[f.Path] = observeEnvFile(f, s.Credentials)
	}
	for _, svc := range want.Services {
		s.Services[svc.Name] = s.state.service(svc.Name)
	}
	return s
}

// known is the credential with the identity that its source has, where the configuration names none: the machine proxy
// must be one of this box's host certificate.
func known(c plan.Credential, source plan.SourceState) plan.Credential {
	if c.Identity == "" && !c.Observe {
		c.Identity = source.Identity
	}
	return c
}

// observeCredential looks at a proxy file; where the path is a glob, at all that match, and takes the usable one that
// lasts longest. The credential is returned when its identity is the wanted one and it is not over.
func (e *Engine) observeCredential(c plan.Credential, now time.Time) (plan.CredentialState, *proxycert.Credential) {
	if !strings.ContainsAny(filepath.Base(c.Path), "*?[") {
		return e.observeFile(c, c.Path, now)
	}
	best, cred := e.observeFile(c, c.Default, now)
	names, err := atomicfile.Glob(filepath.Dir(c.Path), filepath.Base(c.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.Log.Warn().Err(err).Str("credential", c.Name).Msg("listing the files that may hold the proxy")
	}
	newest, written := "", time.Time{}
	for _, name := range names {
		path := filepath.Join(filepath.Dir(c.Path), name)
		if info, err := atomicfile.Stat(path); err == nil && info.ModTime().After(written) {
			newest, written = path, info.ModTime()
		}
		if path == c.Default {
			continue
		}
		st, found := e.observeFile(c, path, now)
		if st.Usable(now) && (!best.Usable(now) || st.EffectiveEnd.After(best.EffectiveEnd)) {
			best, cred = st, found
		}
	}
	if newest != best.Path {
		best.Newest = newest
	}
	return best, cred
}

func (e *Engine) observeFile(c plan.Credential, path string, now time.Time) (plan.CredentialState, *proxycert.Credential) {
	st := plan.CredentialState{Path: path}
	cred, digest, err := credfile.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return st, nil
	case err != nil:
		st.Exists, st.Fault, st.FaultID = true, err.Error(), "FILE-READ"
		return st, nil
	}
	st = e.Judge(cred, c, now)
	st.Path, st.Exists, st.Digest = path, true, digest
	if st.FaultID == "PROXY-IDENTITY" || cred.EEC() == nil || !now.Before(st.NotAfter) {
		return st, nil
	}
	return st, cred // if it does not verify, the server it is shown to has the last word
}

// observeSource looks at the certificate on the box that a proxy is signed with; its key is not read.
func (e *Engine) observeSource(c plan.Credential, now time.Time) plan.SourceState {
	if c.Source.Certificate == nil {
		return plan.SourceState{}
	}
	st := plan.SourceState{Path: c.Source.Certificate.Cert}
	id := "ROBOT-CERT"
	if c.Kind == plan.Machine {
		id = "HOST-CERT"
	}
	fault := func(id, format string, args ...any) plan.SourceState {
		st.FaultID, st.Fault = id, fmt.Sprintf(format, args...)
		return st
	}
	path, err := atomicfile.Follow(st.Path)
	if err != nil {
		return fault(id, "reading the certificate: %v", err)
	}
	data, _, err := atomicfile.Read(path, credfile.MaxSize)
	if err != nil {
		return fault(id, "reading the certificate: %v", err)
	}
	file, err := credfile.ParseAll(data)
	if err != nil || len(file.Certificates) == 0 {
		return fault(id, "%s holds no certificate that can be read", st.Path)
	}
	cert := file.Certificates[0]
	st.Identity, st.NotAfter = dn.MustFromDER(cert.RawSubject).String(), cert.NotAfter
	switch {
	case !now.Before(cert.NotAfter):
		return fault(id, "the certificate %s expired on %s", st.Path, plan.Clock(cert.NotAfter))
	case now.Before(cert.NotBefore):
		return fault("CLOCK", "the certificate %s is valid from %s only: is the clock of this box right?", st.Path, plan.Clock(cert.NotBefore))
	}
	return st
}

func observeLinks(c plan.Credential, target string) map[string]string {
	out := map[string]string{}
	for _, link := range c.Links {
		got, err := atomicfile.Readlink(link)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			out[link] = plan.NoLink
		case err != nil:
			out[link] = "it is not a symbolic link"
		case got != target:
			out[link] = fmt.Sprintf("it points to %q", got)
		default:
			out[link] = ""
		}
	}
	return out
}

// misplaced says what is wrong with mode or owner of a file that is good otherwise: Globus refuses a proxy that others can
// read or that is not its user's.
func misplaced(c plan.Credential, st plan.CredentialState, want plan.Desired) string {
	if !st.Exists || st.Fault != "" {
		return ""
	}
	info, err := atomicfile.Stat(st.Path)
	if err != nil {
		return ""
	}
	if mode := info.Mode().Perm(); mode&0o177 != 0 {
		return fmt.Sprintf("its mode is %04o, which Globus refuses: %04o is right", mode, c.Mode)
	}
	if uid, ok := ownerOf(info); ok && want.UID >= 0 && uid != want.UID {
		return fmt.Sprintf("it belongs to uid %d, not to %s", uid, want.User)
	}
	return ""
}

// edit is what a file's variables shall be, with the proxies' paths filled in.
func edit(f plan.EnvFile, creds map[string]plan.CredentialState) envfile.Edit {
	e := envfile.Edit{Unset: f.Unset, Export: f.Export, Format: formatOf(f)}
	for _, v := range f.Set {
		e.Set = append(e.Set, envfile.Var{Name: v.Name, Value: value(v, creds)})
	}
	return e
}

// formatOf is the dialect of an env file: what the configuration says, or else what its name tells.
func formatOf(f plan.EnvFile) envfile.Format {
	if f.Format != "" {
		return envfile.Format(f.Format)
	}
	return envfile.FormatOf(f.Path)
}

func value(v plan.Var, creds map[string]plan.CredentialState) string {
	var b strings.Builder
	for _, p := range v.Value {
		b.WriteString(p.Text)
		if p.Proxy != "" {
			b.WriteString(creds[p.Proxy].Path)
		}
	}
	return b.String()
}

func observeEnvFile(f plan.EnvFile, creds map[string]plan.CredentialState) plan.EnvFileState {
	e := edit(f, creds)
	st := plan.EnvFileState{Values: digestValues(f, e, creds)}
	data, info, err := atomicfile.Read(f.Path, maxEnvFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		st.Exists, st.Fault = true, err.Error()
		return st
	default:
		st.Exists, st.Mode = true, info.Mode().Perm()
	}
	res, err := envfile.Apply(data, e)
	if err != nil {
		st.Fault = fmt.Sprintf("%s: %v", f.Path, err)
		return st
	}
	if res.Changed {
		st.Changes = res.Changes
		name := f.Path
		if !st.Exists {
			name = "/dev/null"
		}
		st.Diff = e.Diff(name, data, f.Path, res.Content)
	}
	for _, v := range f.Expect {
		want := value(v, creds)
		got, set, known := e.Format.Lookup(data, v.Name)
		switch {
		case !set:
			st.Unmet = append(st.Unmet, fmt.Sprintf("%s does not set %s, expected to be %q", f.Path, v.Name, want))
		case !known:
			st.Unmet = append(st.Unmet, fmt.Sprintf("%s lets the shell compute %s, expected to be %q", f.Path, v.Name, want))
		case got != want:
			st.Unmet = append(st.Unmet, fmt.Sprintf("%s has %s=%q, expected %q", f.Path, v.Name, got, want))
		}
	}
	return st
}

// digestValues is what a service is restarted for: what it is given, and what is expected of others to give it. A changed
// ALIEN_USER is the latter, and AliEn's manual has all services restarted for it.
func digestValues(f plan.EnvFile, e envfile.Edit, creds map[string]plan.CredentialState) string {
	h := sha256.New()
	for _, v := range e.Set {
		io.WriteString(h, "set\x00"+v.Name+"\x00"+v.Value+"\x00")
	}
	for _, name := range f.Unset {
		io.WriteString(h, "unset\x00"+name+"\x00")
	}
	for _, v := range f.Expect {
		io.WriteString(h, "expect\x00"+v.Name+"\x00"+value(v, creds)+"\x00")
	}
	return hex.EncodeToString(h.Sum(nil))
}
