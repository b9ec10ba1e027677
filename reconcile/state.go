package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A state is what one pass leaves for the next: what the servers granted, and what each service was restarted for. Losing
// it costs one restart too many or too few, never a credential.
type state struct {
	mu   sync.Mutex
	path string

	Version  int                       `json:"version"`
	Grants   map[string]plan.Grant     `json:"grants"`   // by credential
	Services map[string]*serviceRecord `json:"services"` // by service
}

// A serviceRecord says what a service was last restarted for, and which restart is still owed.
type serviceRecord struct {
	Known        bool        `json:"known"`
	RestartedFor string      `json:"restartedFor,omitempty"`
	Pending      string      `json:"pending,omitempty"`
	Restarts     []time.Time `json:"restarts,omitempty"`
}

const (
	stateFile    = "state.json"
	maxState     = 1 << 20
	keepRestarts = 64
)

// loadState reads the record in dir. It always returns a usable one; an error says that there was one that was not.
func loadState(dir string) (*state, error) {
	s := &state{path: filepath.Join(dir, stateFile), Version: 1}
	data, _, err := atomicfile.Read(s.path, maxState)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil:
		if err = json.Unmarshal(data, s); err != nil {
			s.Grants, s.Services = nil, nil
			err = fmt.Errorf("reading %s: %w", s.path, err)
		}
	}
	if s.Grants == nil {
		s.Grants = map[string]plan.Grant{}
	}
	if s.Services == nil {
		s.Services = map[string]*serviceRecord{}
	}
	s.sanitize()
	return s, err
}

// sanitize drops what no pass can have written: the account that the file belongs to may have edited it.
func (s *state) sanitize() {
	for name, g := range s.Grants {
		if !sane(g) {
			delete(s.Grants, name)
		}
	}
	for name, r := range s.Services {
		if r == nil {
			delete(s.Services, name)
			continue
		}
		r.Pending = printable(r.Pending)
		r.Restarts = slices.DeleteFunc(r.Restarts, func(t time.Time) bool { return !plausible(t) })
	}
}

func sane(g plan.Grant) bool {
	limits := []plan.Limit{plan.LimitNone, plan.LimitStored, plan.LimitEnd, plan.LimitCert, plan.LimitAC, plan.LimitSigner}
	for _, share := range []plan.Share{g.Proxy, g.AC} {
		if !slices.Contains(limits, share.Limit) || share.Granted < 0 {
			return false
		}
	}
	return g.Asked > 0 && g.Granted >= 0 && plausible(g.Time) && (g.StoredEnd.IsZero() || plausible(g.StoredEnd)) &&
		g.ACServer == printable(g.ACServer)
}

// plausible reports whether a pass can have written a time: JSON and people know years of four digits only.
func plausible(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 3000 }

// printable takes out what would move a terminal's cursor, and keeps a line a line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 1024)]
}

func (s *state) service(name string) plan.ServiceState {
	r := s.Services[name]
	if r == nil {
		return plan.ServiceState{}
	}
	return plan.ServiceState{Known: r.Known, RestartedFor: r.RestartedFor, Pending: r.Pending, Restarts: slices.Clone(r.Restarts)}
}

// change alters the record and writes it, before it returns, to the directory of the configuration's account.
func (s *state) change(want plan.Desired, f func(*state)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := makeDir(want, want.State, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	if _, err := atomicfile.Replace(s.path, append(data, '\n'), ownedBy(want, 0o600)); err != nil {
		return fmt.Errorf("keeping the record of this pass: %w", err)
	}
	return nil
}

// record returns the entry of a service, made if need be. The caller is inside change.
func (s *state) record(name string) *serviceRecord {
	r := s.Services[name]
	if r == nil {
		r = &serviceRecord{}
		s.Services[name] = r
	}
	return r
}

// lastGood is where the copy of the newest good credential is kept: it can authorise a renewal when somebody deletes or
// breaks the file that consumers use.
func lastGood(want plan.Desired, name string) string {
	return filepath.Join(want.State, "last-good", name+".pem")
}

func keepLastGood(want plan.Desired, name string, cred *proxycert.Credential) error {
	path := lastGood(want, name)
	if err := makeDir(want, filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return credfile.Write(path, cred, ownedBy(want, 0o600))
}
