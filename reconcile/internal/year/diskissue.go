package year

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// An authority makes the certificates of a life. Their keys are made once for all lives: all but the last proxy's are EC
// ones, which sign quickly.
type authority struct {
	ca    *gridtest.CA
	trust *trust.Store
	dir   string

	mu      sync.Mutex
	signers []*proxycert.Credential
	stored  *proxycert.Credential
	of      stored // what that was made from
}

func newAuthority(w *World, dir string) (*authority, error) {
	ca, err := gridtest.NewCA(gridtest.CAOptions{Key: proxycert.P256, Now: w.Now})
	if err != nil {
		return nil, err
	}
	a := &authority{ca: ca, trust: trustStore(dir), dir: dir}
	if err := ca.WriteAnchors(a.trust.Certificates); err != nil {
		return nil, err
	}
	for _, s := range w.signers {
		c, err := ca.Issue(gridtest.CertRequest{Subject: ca.Below("OU=computers", "CN=voms.gridtest.org"), Kind: gridtest.HostCert, Key: proxycert.P256,
			NotBefore: s.From.Add(-time.Hour), NotAfter: s.To})
		if err != nil {
			return nil, err
		}
		a.signers = append(a.signers, c)
	}
	leaf := a.signers[0].Leaf()
	chain := []dn.Name{dn.MustFromDER(leaf.RawSubject), dn.MustFromDER(leaf.RawIssuer)}
	if err := trust.WriteLSC(a.trust.VOMSDir, "alice", "voms.gridtest.org", chain); err != nil {
		return nil, err
	}
	return a, a.host(w)
}

// host installs the host certificate that there is now.
func (a *authority) host(w *World) error {
	_, end := w.Host()
	c, err := a.ca.Issue(gridtest.CertRequest{Subject: a.ca.Below("OU=computers", "CN=vobox.example.org"), Kind: gridtest.HostCert, Key: proxycert.P256, NotAfter: end})
	if err != nil {
		return err
	}
	return gridtest.WritePair(c, filepath.Join(a.dir, "hostcert.pem"), filepath.Join(a.dir, "hostkey.pem"))
}

// credential is what is on the MyProxy server: a proxy of a proxy of the user's certificate.
func (a *authority) credential(s stored) (*proxycert.Credential, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stored != nil && a.of == s {
		return a.stored, nil
	}
	user, err := a.ca.Issue(gridtest.CertRequest{Subject: a.ca.Below("OU=people", "CN=Jane Doe"), Key: proxycert.P256, NotBefore: s.certEnd.Add(-400 * 24 * time.Hour), NotAfter: s.certEnd})
	if err != nil {
		return nil, err
	}
	c := user
	for range 2 {
		key, err := gridtest.Keys.Key(proxycert.P256, "stored")
		if err != nil {
			return nil, err
		}
		if c, err = c.Delegate(key, proxycert.Template{Now: s.at, Lifetime: s.end.Sub(s.at.Truncate(time.Second))}); err != nil {
			return nil, err
		}
	}
	a.stored, a.of = c, s
	return c, nil
}

// Issue is package issue up to the network, and what the World says beyond it. Credentials from a certificate on the box
// are those of package issue.
func (b *disk) Issue(ctx context.Context, want plan.Credential, auth issue.Authority) (*issue.Issued, error) {
	b.opportunity()
	b.observe()
	if want.Source.Certificate != nil {
		return b.local.Issue(ctx, want, auth)
	}
	if b.wire != nil {
		out, err := b.wire.issue(ctx, b, want, auth)
		b.opportunity()
		b.observe()
		return out, err
	}
	if auth.Machine == nil || !b.BoxNow().Before(auth.Machine.NotAfter()) {
		return nil, errors.New("no machine proxy is shown to the MyProxy server")
	}
	asked := b.BoxNow()
	d, err := b.Delegate(want.Lifetime)
	if err != nil {
		return nil, wire(err, want)
	}
	b.World.mu.Lock()
	from := b.World.stored
	b.World.mu.Unlock()
	base, err := b.delegated(from, d)
	if err != nil {
		return nil, err
	}
	g := grantOf(d, want.Lifetime, asked)
	g.Source = want.Source.String()
	out := &issue.Issued{Delegated: base, Grant: g}
	ac, err := b.attributes(want, base, out)
	if err != nil {
		return nil, err
	}
	key, err := gridtest.Keys.Key(proxycert.RSA2048, "final")
	if err != nil {
		return nil, err
	}
	now := b.BoxNow()
	out.Credential, err = base.Delegate(key, proxycert.Template{Now: now, Lifetime: base.NotAfter().Sub(now), Extensions: []pkixExtension{attrcert.Extension(ac)}})
	if err != nil {
		return nil, fmt.Errorf("signing the proxy: %w", err)
	}
	b.opportunity()
	b.observe()
	return out, nil
}

func (b *disk) delegated(from stored, d Delegation) (*proxycert.Credential, error) {
	c, err := b.ca.credential(from)
	if err != nil {
		return nil, err
	}
	key, err := gridtest.Keys.Key(proxycert.P256, "delegated")
	if err != nil {
		return nil, err
	}
	now := d.Begin.Add(5 * time.Minute)
	return c.Delegate(key, proxycert.Template{Now: now, Lifetime: d.End.Sub(now)})
}

func (b *disk) attributes(want plan.Credential, base *proxycert.Credential, out *issue.Issued) ([]byte, error) {
	asked := b.BoxNow()
	lifetime := min(want.Lifetime, base.NotAfter().Sub(asked)).Truncate(time.Second)
	if lifetime <= 0 {
		return nil, fmt.Errorf("the credential to sign with ended on %s", plan.Clock(base.NotAfter()))
	}
	a, err := b.Attest(lifetime)
	if err != nil {
		return nil, wire(err, want)
	}
	out.Grant.ACServer, out.Grant.AC.Granted = "voms.gridtest.org", a.End.Sub(asked)
	if out.Grant.AC.Granted < lifetime-plan.Slack(lifetime) {
		out.Grant.AC.Limit = plan.LimitAC
	}
	signer := b.ca.signers[a.Signer]
	t := attrcert.Template{VO: want.VO, Host: "voms.gridtest.org", Port: 443, FQANs: []string{want.FQANs[0] + "/Capability=NULL", "/" + want.VO + "/Role=NULL/Capability=NULL"},
		NotBefore: a.Begin, NotAfter: a.End}
	return attrcert.Issue(t, base.EEC(), signer.Chain, signer.Key)
}

// wire is the error that the client of the server would have returned.
func wire(err error, want plan.Credential) error {
	var r *Refusal
	if !errors.As(err, &r) {
		return err
	}
	if r.Server == VOMS {
		return &voms.Error{ID: "VO-" + r.ID, Server: "voms.gridtest.org:443", Message: "no", Cause: "it is simulated", Remedy: "wait", Where: voms.VOAdmin, Temporary: r.Temporary}
	}
	e := &myproxy.Error{ID: "MP-" + r.ID, Op: "GET", Server: want.Source.MyProxy.Server, Cause: "it is simulated", Remedy: "wait", Where: "MyProxy operator", Temporary: r.Temporary}
	if r.ID == "NOCRED" {
		e.Remedy, e.Where = plan.StoreCommand(*want.Source.MyProxy, want.Lifetime), "LCG-UI"
	}
	return e
}
