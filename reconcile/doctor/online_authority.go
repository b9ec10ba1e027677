package doctor

import (
	"context"
	"crypto/rsa"
	"fmt"
	"path/filepath"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// authority finds what a pass would authorise a renewal with: the machine proxy, and a proxy of the user's that can answer
// the server's challenge. Where the machine proxy on disk will not do, one is made of the host certificate, in memory, as
// a pass would. The text says why there is none.
func (s *session) authority(ctx context.Context, c plan.Credential) (a issue.Authority, without string) {
	a.Machine, without = s.machineProxy(ctx)
	a.Old = s.oldProxy(c)
	return a, without
}

// machineProxy is worked out once: making one costs a key.
func (s *session) machineProxy(ctx context.Context) (*proxycert.Credential, string) {
	m := s.host.get(func() foundMachine { return s.findMachine(ctx) })
	return m.proxy, m.without
}

type foundMachine struct {
	proxy   *proxycert.Credential
	without string
}

func (s *session) findMachine(ctx context.Context) foundMachine {
	c, ok := s.machine()
	if !ok {
		return foundMachine{without: "no machine proxy is configured"}
	}
	st := s.Have.Credentials[c.Name]
	if st.Exists && st.FaultID != "PROXY-IDENTITY" && s.Now().Before(st.NotAfter) {
		if cred := s.load(c); cred != nil {
			return foundMachine{proxy: cred}
		}
	}
	if c.Observe || c.Source.Certificate == nil {
		return foundMachine{without: fmt.Sprintf("the machine proxy %s cannot be used, and another program keeps it", st.Path)}
	}
	made, err := s.issuer().Issue(ctx, c, issue.Authority{})
	if err != nil {
		return foundMachine{without: fmt.Sprintf("there is no machine proxy, and none can be made: %v", err)}
	}
	return foundMachine{proxy: made.Credential}
}

// oldProxy looks where a pass does: the proxy in place, its last good copy, the login session's, the repository, the
// account's default one.
func (s *session) oldProxy(c plan.Credential) *proxycert.Credential {
	if st := s.Have.Credentials[c.Name]; st.Exists && s.Now().Before(st.NotAfter) {
		if cred := s.load(c); cred != nil && sameIdentity(cred, c) && cred.Limited() == c.Limited && signsRSA(cred) {
			return cred
		}
	}
	paths := []string{filepath.Join(s.Want.State, "last-good", c.Name+".pem")}
	if s.LoginProxy != "" {
		paths = append(paths, s.LoginProxy)
	}
	names, _ := atomicfile.Glob(s.Want.Repository, "*") // without a repository there are the other places
	for _, name := range names[:min(len(names), maxRepository)] {
		paths = append(paths, filepath.Join(s.Want.Repository, name))
	}
	paths = append(paths, s.system(fmt.Sprintf("/tmp/x509up_u%d", s.uid())))
	for _, path := range paths {
		cred, _, err := credfile.Load(path)
		if err != nil || !sameIdentity(cred, c) || cred.Limited() && !c.Limited || !signsRSA(cred) {
			continue
		}
		if _, err := s.Trust.VerifyPeer(cred.Presented(), s.Now()); err == nil {
			return cred
		}
	}
	return nil
}

func sameIdentity(cred *proxycert.Credential, c plan.Credential) bool {
	id, err := dn.Parse(c.Identity)
	return err == nil && cred.EEC() != nil && id.Equal(cred.Identity())
}

// signsRSA reports whether a proxy can answer the challenge of a MyProxy server, which knows RSA signatures only.
func signsRSA(c *proxycert.Credential) bool {
	_, ok := c.Leaf().PublicKey.(*rsa.PublicKey)
	return ok
}
