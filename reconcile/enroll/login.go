package enroll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// DefaultLifetime is that of the grid's own tools.
const DefaultLifetime = 12 * time.Hour

// A LoginRequest says what a proxy shall be like.
type LoginRequest struct {
	Signer     *proxycert.Credential // the user certificate, or the proxy that the new one shall be below (-noregen)
	Attributes []Attributes          // an attribute certificate for each, in this order; see Merge
	Lifetime   time.Duration         // of the proxy; 0: DefaultLifetime
	ACLifetime time.Duration         // of the attribute certificates; 0: Lifetime
	Key        proxycert.KeyType     // empty: RSA2048
	Limited    bool
	PathLen    *int // how many proxies may be below; nil: any number

	Verify        bool // refuse also where it is this host's trust anchors that are at fault
	TrustACs      bool // take attribute certificates that do not verify (-dont-verify-ac)
	FailOnWarning bool // a server's warning is a failure
}

// A Login is a new proxy.
type Login struct {
	Credential *proxycert.Credential
	ACs        []*attrcert.AC
	End        time.Time // when the first of its parts ends
	EndsWith   string    // which that is
	Warnings   []Warning
}

// Login makes a proxy. With Attributes, it asks the VOs' servers, showing the Signer, which need not be a proxy: that saves
// the temporary one that voms-proxy-init makes.
//
// The result verifies as a whole by the trust anchors of this host. A plain proxy is given with a warning where it is only
// those that are missing or outdated; Verify makes that an error.
func (e *Enroller) Login(ctx context.Context, r LoginRequest) (*Login, error) {
	if r.Lifetime == 0 {
		r.Lifetime = DefaultLifetime
	}
	if r.ACLifetime == 0 {
		r.ACLifetime = r.Lifetime
	}
	if err := e.usable(r.Signer); err != nil {
		return nil, err
	}
	key := makeKey(r.Key)
	out := &Login{}
	out.warnOfEnd(r, e.now())
	t := proxycert.Template{Lifetime: r.Lifetime, Limited: r.Limited, PathLen: r.PathLen}
	if err := e.addAttributes(ctx, r, &t, out); err != nil {
		return nil, err
	}
	if r.FailOnWarning {
		if err := firstWarning(out.Warnings); err != nil {
			return nil, err
		}
	}
	signer, err := key()
	if err != nil {
		return nil, err
	}
	t.Now = e.now()
	if out.Credential, err = r.Signer.Delegate(signer, t); err != nil {
		return nil, fmt.Errorf("signing the proxy: %w", err)
	}
	if r.Key == proxycert.P256 {
		out.warn(Warning{ID: "MP-OLDKEY", Text: "a proxy with an elliptic key cannot authorise a renewal at a MyProxy server, and old grid software cannot read it",
			Remedy: "leave --key out, if this is to be the login proxy for a VO box"})
	}
	if err := e.verify(r, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (l *Login) warn(w Warning) { l.Warnings = append(l.Warnings, w) }

// usable refuses a certificate with which nothing can be signed any more.
func (e *Enroller) usable(c *proxycert.Credential) error {
	now := e.now()
	eec := c.EEC()
	what := "proxy"
	if len(c.Chain) > 0 && c.Leaf() == eec {
		what = "user certificate"
	}
	switch {
	case len(c.Chain) == 0 || c.Key == nil:
		return errors.New("there is no certificate to sign a proxy with")
	case eec == nil:
		return &Error{ID: "MP-NOEEC", Where: atUI, Remedy: "vobox-reconcile login",
			Err: errors.New("the user certificate that signed the proxy is missing in its file")}
	case !now.Before(eec.NotAfter):
		return &Error{ID: "USER-CERT", Remedy: "ask your CA for a new certificate",
			Err: fmt.Errorf("your certificate %s expired on %s", c.Identity(), plan.Clock(eec.NotAfter))}
	case !now.Before(c.NotAfter()):
		return &Error{ID: "USER-PROXY", Where: atUI, Remedy: "vobox-reconcile login",
			Err: fmt.Errorf("the %s to sign with expired on %s", what, plan.Clock(c.NotAfter()))}
	case c.NotBefore().Sub(now) > trust.Skew:
		return &Error{ID: trust.IDNotYet, Where: atAdmin, Remedy: "set the clock of this host: timedatectl status",
			Err: fmt.Errorf("the %s %s is not valid before %s by the clock of this host", what, c.Identity(), plan.Clock(c.NotBefore()))}
	}
	return nil
}

// warnOfEnd is about a proxy that cannot last as long as it should.
func (l *Login) warnOfEnd(r LoginRequest, now time.Time) {
	end := r.Signer.NotAfter()
	if !end.Before(now.Add(r.Lifetime)) {
		return
	}
	w := Warning{ID: "USER-PROXY", Text: fmt.Sprintf("the proxy that signs ends on %s, which is within the requested lifetime of the proxy", plan.Clock(end))}
	if r.Signer.EEC().NotAfter.Equal(end) {
		w = Warning{ID: "USER-CERT", Text: fmt.Sprintf("your certificate and proxy will expire on %s, which is within the requested lifetime of the proxy", plan.Clock(end)),
			Remedy: "ask your CA for a new certificate"}
	}
	l.warn(w)
}

// firstWarning is the error that FailOnWarning makes of what a server remarked.
func firstWarning(list []Warning) error {
	for _, w := range list {
		if strings.HasPrefix(w.ID, "VO-") {
			return &Error{ID: w.ID, Remedy: w.Remedy, Where: w.Where, Err: errors.New(w.Text)}
		}
	}
	return nil
}

// addAttributes asks for the attribute certificates and puts them into the template.
func (e *Enroller) addAttributes(ctx context.Context, r LoginRequest, t *proxycert.Template, out *Login) error {
	var ders [][]byte
	for _, a := range r.Attributes {
		ac, err := e.attributes(ctx, r, a, out)
		if err != nil {
			return err
		}
		out.ACs = append(out.ACs, ac)
		ders = append(ders, ac.Raw)
	}
	if len(ders) > 0 {
		t.Extensions = append(t.Extensions, attrcert.Extension(ders...))
	}
	return nil
}

// attributes asks the servers of one VO.
func (e *Enroller) attributes(ctx context.Context, r LoginRequest, a Attributes, out *Login) (*attrcert.AC, error) {
	servers, err := e.serversOf(a)
	if err != nil {
		return nil, err
	}
	now := e.now()
	lifetime := min(r.ACLifetime, r.Signer.NotAfter().Sub(now)).Truncate(time.Second)
	if lifetime <= 0 {
		return nil, errors.New("there is no time left to ask attributes for")
	}
	resp, err := e.ask(ctx, r.Signer, servers, voms.Request{VO: a.VO, FQANs: a.FQANs, Lifetime: lifetime})
	if err != nil {
		return nil, notHeld(a, err)
	}
	ac, err := attrcert.Parse(resp.AC)
	if err != nil {
		return nil, fmt.Errorf("reading the attribute certificate of %s: %w", resp.Server.Address(), err)
	}
	if err := asWanted(ac, resp.Server, a, now); err != nil {
		return nil, err
	}
	out.remark(resp, ac, lifetime, now)
	return ac, nil
}

// serversOf returns the servers of a VO, all of which must know the FQANs that are asked for.
func (e *Enroller) serversOf(a Attributes) ([]voms.Server, error) {
	var all []voms.Server
	var err error
	if e.Servers != nil {
		all, err = e.Servers()
	}
	servers := voms.ForVO(all, a.VO)
	if len(servers) == 0 && err != nil {
		return nil, fmt.Errorf("looking for the servers of VO %s: %w", a.VO, err)
	}
	for _, f := range a.FQANs {
		if fqan, err := attrcert.ParseFQAN(f); err == nil && len(servers) > 0 && fqan.VO() != servers[0].VO {
			return nil, &Error{ID: voms.FQANRefused, Remedy: fmt.Sprintf("name it as one of its VO: --voms %s:%s", fqan.VO(), f),
				Err: fmt.Errorf("%s is of VO %s, not of %s", f, fqan.VO(), servers[0].VO)}
		}
	}
	return servers, nil
}

// ask asks one server after the other, and tells which.
func (e *Enroller) ask(ctx context.Context, show *proxycert.Credential, servers []voms.Server, r voms.Request) (*voms.Response, error) {
	var asking *voms.Server
	client := voms.Client{Timeout: e.Timeout, TLS: func(s voms.Server) *tls.Config {
		if asking != nil {
			e.tell(Event{Failed, *asking})
		}
		asking = &s
		e.tell(Event{Contacting, s})
		return e.tls(show, s.Host, s.DN)
	}}
	resp, err := client.Request(ctx, servers, r)
	if asking != nil {
		stage := Answered
		if err != nil {
			stage = Failed
		}
		e.tell(Event{stage, *asking})
	}
	return resp, err
}

// notHeld says how to see what is held, where a group or role is not.
func notHeld(a Attributes, err error) error {
	var vo *voms.Error
	if errors.As(err, &vo) && vo.ID == voms.FQANRefused {
		return &Error{ID: vo.ID, Remedy: "vobox-reconcile login --list --voms " + a.VO, Where: atUI, Err: err}
	}
	return err
}

// asWanted refuses attributes of another VO, without what was asked for, or that are over already. vomsd refuses itself; what IAM gives is by its
// own lights.
func asWanted(ac *attrcert.AC, from voms.Server, a Attributes, now time.Time) error {
	if !ac.NotAfter.After(now) {
		return &Error{ID: trust.IDACExpired, Where: atAdmin, Remedy: remedies[trust.IDACExpired].what,
			Err: fmt.Errorf("%s gave attributes that ended on %s", from.Address(), plan.Clock(ac.NotAfter))}
	}
	if ac.VO != from.VO {
		return &Error{ID: trust.IDAC, Where: atVO, Remedy: "tell the administrators of VO " + a.VO,
			Err: fmt.Errorf("%s gave attributes of VO %q, not of %q", from.Address(), ac.VO, from.VO)}
	}
	for _, f := range a.FQANs {
		if f != All && !slices.Contains(ac.FQANs, f) {
			return &Error{ID: voms.FQANRefused, Where: atVO, Remedy: "ask the administrators of VO " + a.VO + " for it",
				Err: fmt.Errorf("%s gave attributes without %s", from.Address(), f)}
		}
	}
	return nil
}

// remark turns what a server said, or did without saying, into warnings.
func (l *Login) remark(resp *voms.Response, ac *attrcert.AC, asked time.Duration, now time.Time) {
	named := resp.Notices()
	for _, n := range named {
		text := n.Message // vomsd begins with its own address, IAM does not
		if !strings.HasPrefix(text, n.Server) {
			text = n.Server + ": " + text
		}
		l.warn(Warning{ID: n.ID, Text: text, Remedy: n.Remedy, Where: n.Where})
	}
	if len(named) == 0 {
		for _, text := range resp.Warnings {
			l.warn(Warning{ID: "VO-WARNING", Text: text})
		}
	}
	granted := ac.NotAfter.Sub(now)
	short := slices.ContainsFunc(named, func(n *voms.Error) bool { return n.ID == voms.ACShortened })
	if granted < asked-plan.Slack(asked) && !short {
		l.warn(Warning{ID: voms.ACShortened, Text: fmt.Sprintf("%s gave attributes for %s, not the %s asked for", resp.Server.Address(), plan.Span(granted), plan.Span(asked))})
	}
}

// verify looks at the whole result as any server will.
func (e *Enroller) verify(r LoginRequest, out *Login) error {
	now := e.now()
	out.End, out.EndsWith = out.Credential.NotAfter(), "the proxy"
	chain, err := e.Trust.VerifyChain(out.Credential.Chain, now)
	switch {
	case err == nil:
		if chain.EffectiveEnd.Before(out.End) {
			out.End, out.EndsWith = chain.EffectiveEnd, chain.EndsWith
		}
	case r.Verify || len(r.Attributes) > 0 && !r.TrustACs || !anchorsAtFault(err):
		return fmt.Errorf("the new proxy does not verify: %w", err)
	default:
		out.warn(Warning{ID: idOf(err), Text: fmt.Sprintf("whether the proxy verifies cannot be told here: %v", err)})
	}
	for _, ac := range out.ACs {
		end, with := ac.NotAfter, "the attribute certificate of "+ac.VO
		result, err := e.Trust.VerifyAC(ac, out.Credential.EEC(), now)
		switch {
		case err == nil:
			end, with = result.EffectiveEnd, result.EndsWith
		case !r.TrustACs:
			return fmt.Errorf("the attributes of %s do not verify: %w", ac.VO, err)
		default:
			out.warn(Warning{ID: idOf(err), Text: fmt.Sprintf("the attributes of %s do not verify: %v", ac.VO, err)})
		}
		if end.Before(out.End) {
			out.End, out.EndsWith = end, with
		}
	}
	return nil
}

// anchorsAtFault reports whether a chain fails for what this host's trust directory lacks, so that it may be good elsewhere.
func anchorsAtFault(err error) bool {
	return slices.Contains([]string{trust.IDNoAnchor, trust.IDCRLStale, trust.IDCRLInvalid, trust.IDCRLMissing}, idOf(err))
}

// idOf is the id of an error of package trust.
func idOf(err error) string {
	var e *trust.Error
	if errors.As(err, &e) {
		return e.ID
	}
	return ""
}

// List asks the servers of a VO for every group and role that the user holds.
func (e *Enroller) List(ctx context.Context, signer *proxycert.Credential, vo string) ([]string, error) {
	if err := e.usable(signer); err != nil {
		return nil, err
	}
	servers, err := e.serversOf(Attributes{VO: vo})
	if err != nil {
		return nil, err
	}
	resp, err := e.ask(ctx, signer, servers, voms.Request{VO: vo, FQANs: []string{All}, Lifetime: time.Hour})
	if err != nil {
		return nil, err
	}
	ac, err := attrcert.Parse(resp.AC)
	if err != nil {
		return nil, fmt.Errorf("reading the attribute certificate of %s: %w", resp.Server.Address(), err)
	}
	return ac.FQANs, nil
}
