// Package issue obtains credentials, from a MyProxy server or a local EEC, with VOMS attributes.
package issue

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A Peer is a server that a connection goes to: by host name, or by DN where that is not empty.
type Peer struct {
	Host string
	DN   dn.Name
}

// An Issuer obtains credentials. It is safe for concurrent use.
type Issuer struct {
	// TLS returns the configuration for a connection that shows a credential and accepts only the peer.
	TLS func(show *proxycert.Credential, p Peer) *tls.Config
	// Servers returns the known VOMS servers.
	Servers func() ([]voms.Server, error)
	Now     func() time.Time
	Timeout time.Duration // for one exchange with a VOMS server
}

// An Authority is what a request to a MyProxy server is authorised with.
type Authority struct {
	Machine *proxycert.Credential // shown to the MyProxy server; nil: none
	Old     *proxycert.Credential // answers its challenge; nil: none
}

// An Issued is a new credential and how it compares with what was asked.
type Issued struct {
	Credential *proxycert.Credential
	Delegated  *proxycert.Credential // what came from MyProxy, if Credential was signed with it
	Grant      plan.Grant            // Granted is for the caller to say, who verifies the whole
	Warnings   []string              // texts of the servers
}

// Bound reports whether the credential ends when the stored one, or the certificate behind it, ends: another one would not
// last longer.
func (i *Issued) Bound() bool {
	return i.Grant.Proxy.Limit == plan.LimitEnd || i.Grant.Proxy.Limit == plan.LimitCert
}

// Issue obtains the credential that want describes. It verifies nothing but that the pieces fit: whether the result is
// to be trusted, and better than what is there, is for the caller to say.
func (i *Issuer) Issue(ctx context.Context, want plan.Credential, a Authority) (*Issued, error) {
	key := i.finalKey(want)
	base, grant, err := i.base(ctx, want, a)
	if err != nil {
		return nil, err
	}
	out := &Issued{Credential: base, Grant: grant}
	if !needsFinal(want) {
		return out, nil
	}
	t := proxycert.Template{Now: i.Now(), Limited: want.Limited, Lifetime: want.Lifetime}
	if len(want.FQANs) > 0 {
		ac, err := i.attributes(ctx, want, base, out)
		if err != nil {
			return nil, err
		}
		t.Extensions = append(t.Extensions, attrcert.Extension(ac.Raw))
	}
	made := <-key
	if made.err != nil {
		return nil, fmt.Errorf("making a key: %w", made.err)
	}
	// The last proxy ends with the delegated one, not a request's travelling time before it.
	t.Lifetime = base.NotAfter().Sub(t.Now)
	if want.Source.Certificate != nil {
		t.Lifetime = min(t.Lifetime, want.Lifetime)
	}
	if out.Credential, err = base.Delegate(made.key, t); err != nil {
		return nil, fmt.Errorf("signing the proxy: %w", err)
	}
	if want.Source.MyProxy != nil {
		out.Delegated = base
	}
	return out, nil
}

// needsFinal reports whether a proxy has to be signed below what MyProxy or the certificate file gives.
func needsFinal(want plan.Credential) bool {
	return want.Source.Certificate != nil || len(want.FQANs) > 0 || want.Limited || delegatedKey(want) != proxycert.KeyType(want.Key)
}

// delegatedKey is the kind of key that a proxy from MyProxy gets: an RSA one, whatever the last proxy shall have, because
// the challenge of the next renewal can be answered with no other.
func delegatedKey(want plan.Credential) proxycert.KeyType {
	if want.Source.MyProxy != nil && proxycert.KeyType(want.Key) == proxycert.P256 {
		return proxycert.RSA2048
	}
	return proxycert.KeyType(want.Key)
}

type madeKey struct {
	key crypto.Signer
	err error
}

// finalKey starts making the last proxy's key: it takes as long as the exchanges with the servers, so both are done at
// the same time.
func (i *Issuer) finalKey(want plan.Credential) <-chan madeKey {
	if !needsFinal(want) {
		return nil
	}
	ch := make(chan madeKey, 1)
	go func() {
		key, err := proxycert.GenerateKey(proxycert.KeyType(want.Key))
		ch <- madeKey{key, err}
	}()
	return ch
}

// base obtains what the last proxy is signed with: a delegated proxy, or the EEC kept on the box.
func (i *Issuer) base(ctx context.Context, want plan.Credential, a Authority) (*proxycert.Credential, plan.Grant, error) {
	now := i.Now()
	if c := want.Source.Certificate; c != nil {
		base, err := credfile.LoadPair(c.Cert, c.Key, passphraseFile(c.PassphraseFile))
		if err != nil {
			return nil, plan.Grant{}, &Error{ID: certID(want), Err: err, Where: "site admin",
				Remedy: fmt.Sprintf("check %s and %s: owner, mode 0400 or 0600, and that they belong together", c.Cert, c.Key)}
		}
		if !now.Before(base.NotAfter()) {
			return nil, plan.Grant{}, &Error{ID: certID(want), Where: "site admin",
				Err:    fmt.Errorf("the certificate %s expired on %s", c.Cert, plan.Clock(base.NotAfter())),
				Remedy: "ask your CA for a new certificate and install it as " + c.Cert}
		}
		g := plan.Grant{Source: want.Source.String(), Time: now, Asked: want.Lifetime, Proxy: plan.Share{Granted: want.Lifetime}}
		if left := base.NotAfter().Sub(now); left < want.Lifetime {
			g.Proxy = plan.Share{Granted: left, Limit: plan.LimitCert}
		}
		return base, g, nil
	}
	base, err := i.delegated(ctx, want, a)
	if err != nil {
		return nil, plan.Grant{}, err
	}
	g := delegatedGrant(base, want.Lifetime, now)
	g.Source = want.Source.String()
	return base, g, nil
}

// certID is the id of faults of the certificate on the box.
func certID(want plan.Credential) string {
	if want.Kind == plan.Machine {
		return "HOST-CERT"
	}
	return "ROBOT-CERT"
}

// delegated asks the MyProxy servers, one after the other where one does not answer.
func (i *Issuer) delegated(ctx context.Context, want plan.Credential, a Authority) (*proxycert.Credential, error) {
	mp := want.Source.MyProxy
	var passphrase []byte
	if mp.PassphraseFile != "" {
		var err error
		if passphrase, err = passphraseFile(mp.PassphraseFile)(); err != nil {
			return nil, err
		}
	}
	var serverDN dn.Name
	if mp.ServerDN != "" {
		var err error
		if serverDN, err = dn.Parse(mp.ServerDN); err != nil {
			return nil, fmt.Errorf("reading the DN of the MyProxy server: %w", err)
		}
	}
	var failures []error
	for _, server := range strings.Split(mp.Server, ",") {
		client := myproxy.Client{Server: server, Timeout: mp.Timeout, Now: i.Now,
			TLS: i.TLS(a.Machine, Peer{Host: host(server), DN: serverDN})}
		cred, err := client.Get(ctx, myproxy.GetRequest{Username: mp.Username, CredName: mp.CredentialName,
			Passphrase: passphrase, Lifetime: want.Lifetime, Renew: a.Old, Key: delegatedKey(want)})
		if err == nil {
			return cred, checkIdentity(cred, want, server)
		}
		failures = append(failures, err)
		if !Temporary(err) {
			break
		}
	}
	if len(failures) == 1 {
		return nil, failures[0]
	}
	return nil, errors.Join(failures...)
}

func host(server string) string {
	if h, _, ok := strings.Cut(server, ":"); ok && !strings.Contains(server, "]") && strings.Count(server, ":") == 1 {
		return h
	}
	if end := strings.Index(server, "]"); strings.HasPrefix(server, "[") && end > 0 {
		return server[1:end]
	}
	return server
}

// checkIdentity refuses a credential of somebody else.
func checkIdentity(cred *proxycert.Credential, want plan.Credential, server string) error {
	if want.Identity == "" {
		return nil
	}
	name, err := dn.Parse(want.Identity)
	if err != nil {
		return err
	}
	if got := cred.Identity(); !got.Equal(name) {
		return &myproxy.Error{ID: "MP-IDENTITY", Op: "GET", Server: server,
			Messages: []string{fmt.Sprintf("a credential of %s came back, not one of %s", got, name)},
			Cause:    "somebody else's credential is stored under this user name",
			Remedy:   "correct proxies[].source.myproxy.username, or store again: " + plan.StoreCommand(*want.Source.MyProxy, want.Lifetime),
			Where:    "LCG-UI"}
	}
	return nil
}

// delegatedGrant says how long a delegated proxy lasts, and what kept it shorter than asked: its end is that of the stored
// chain above it (which is about to end), or it is not (so the server was told to give no more, by -t or its own maximum).
func delegatedGrant(c *proxycert.Credential, asked time.Duration, now time.Time) plan.Grant {
	end := c.NotAfter()
	g := plan.Grant{Time: now, Asked: asked, Proxy: plan.Share{Granted: end.Sub(now)}}
	for _, cert := range c.Chain[1:] {
		if g.StoredEnd.IsZero() || cert.NotAfter.Before(g.StoredEnd) {
			g.StoredEnd = cert.NotAfter
		}
	}
	if g.Proxy.Granted >= asked-plan.Slack(asked) {
		return g
	}
	const same = time.Minute
	switch eec := c.EEC(); {
	case g.StoredEnd.IsZero() || g.StoredEnd.Sub(end) > same:
		g.Proxy.Limit = plan.LimitStored
	case eec != nil && eec.NotAfter.Sub(g.StoredEnd).Abs() <= same:
		g.Proxy.Limit = plan.LimitCert
	default:
		g.Proxy.Limit = plan.LimitEnd
	}
	return g
}

// attributes asks for an AC with the delegated credential, which carries none, and takes its lifetime into the grant.
func (i *Issuer) attributes(ctx context.Context, want plan.Credential, base *proxycert.Credential, out *Issued) (*attrcert.AC, error) {
	servers, err := i.Servers()
	if err != nil {
		servers = voms.ForVO(servers, want.VO) // the lines that could be read may do
		if len(servers) == 0 {
			return nil, err
		}
	}
	client := voms.Client{Timeout: i.Timeout, TLS: func(s voms.Server) *tls.Config {
		return i.TLS(base, Peer{Host: s.Host, DN: s.DN})
	}}
	now := i.Now()
	lifetime := min(want.Lifetime, base.NotAfter().Sub(now)).Truncate(time.Second)
	if lifetime <= 0 {
		return nil, fmt.Errorf("the credential to sign with ended on %s", plan.Clock(base.NotAfter()))
	}
	resp, err := client.Request(ctx, voms.ForVO(servers, want.VO), voms.Request{VO: want.VO, FQANs: want.FQANs, Lifetime: lifetime})
	if err != nil {
		return nil, err
	}
	ac, err := attrcert.Parse(resp.AC)
	if err != nil {
		return nil, fmt.Errorf("reading the attribute certificate of %s: %w", resp.Server.Host, err)
	}
	out.Warnings = append(out.Warnings, resp.Warnings...)
	out.Grant.ACServer = resp.Server.Host
	out.Grant.AC.Granted = ac.NotAfter.Sub(now)
	if out.Grant.AC.Granted < lifetime-plan.Slack(lifetime) {
		out.Grant.AC.Limit = plan.LimitAC
	}
	return ac, nil
}

// An Error is about a certificate kept on the box, with what to do about it.
type Error struct {
	ID            string // of the catalogue: "HOST-CERT"
	Remedy, Where string
	Err           error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether an error is worth another try soon: nobody answered, as opposed to a refusal.
func Temporary(err error) bool {
	var mp *myproxy.Error
	if errors.As(err, &mp) {
		return mp.Temporary
	}
	var vo *voms.Error
	if errors.As(err, &vo) {
		return vo.Temporary
	}
	return errors.Is(err, context.DeadlineExceeded)
}
