package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// probe is the lifetime that is asked for, far beyond what any server gives: what comes back is the -t that the credential
// was stored with, or the server's own maximum, or what is left of the credential.
const probe = 1000 * time.Hour

// ofMyProxy are the checks that the survey of the MyProxy servers is for.
var ofMyProxy = []string{checkStored, checkRenewal, checkLifetime}

// An outcome is what became of the exchanges with one MyProxy server about one credential: INFO, which the owner of what
// is stored may ask, and GET, as a renewal makes it.
type outcome struct {
	server string // host:port
	unsaid string // why nothing was asked; the finding is the server's
	goesOn bool   // after this failure a pass tries the next server

	owner   bool // INFO was asked with the user's own proxy
	listed  []myproxy.Stored
	infoErr error

	without string // why GET was not asked
	shown   *proxycert.Credential
	issued  *issue.Issued
	getErr  error
}

func (o *outcome) got() bool { return o.issued != nil }

// myproxy asks every MyProxy server what a pass would ask it, once for each stored credential.
func (s *session) myproxy(ctx context.Context) *survey {
	return s.storedSurvey.get(func() *survey {
		v := &survey{}
		outcomes := map[string][]*outcome{} // by name, in the order of myproxy.server
		byServer := map[string][]plan.Credential{}
		var servers []string
		for _, c := range s.renewed() {
			if c.Source.MyProxy == nil {
				continue
			}
			v.asked = true
			for _, server := range strings.Split(c.Source.MyProxy.Server, ",") {
				address := myproxyPeer(server).address
				one := c
				mp := *c.Source.MyProxy
				mp.Server, mp.Timeout = address, s.timeout(mp.Timeout)
				one.Source.MyProxy = &mp
				if byServer[address] == nil {
					servers = append(servers, address)
				}
				byServer[address] = append(byServer[address], one)
				outcomes[c.Name] = append(outcomes[c.Name], &outcome{server: address})
			}
		}
		faults := make([]*Finding, len(servers))
		var group sync.WaitGroup
		for i, server := range servers {
			group.Go(func() { faults[i] = s.converse(ctx, server, byServer[server], outcomes) })
		}
		group.Wait()
		if errors.Is(ctx.Err(), context.Canceled) {
			v.unseen("MyProxy", "interrupted", append(ofMyProxy, checkMyProxy)...)
			return v
		}
		s.reportServers(v, servers, faults, byServer, outcomes)
		for _, c := range s.renewed() {
			if c.Source.MyProxy != nil {
				s.reportStored(v, c, outcomes[c.Name])
				s.keepBase(c, outcomes[c.Name])
			}
		}
		return v
	})
}

// A stored credential is asked for once, however many proxies come from it.
type storedKey struct {
	plan.MyProxy
	identity string
	limited  bool
}

// converse asks one server about all credentials that come from it, one after the other. What keeps it from being talked to
// at all is returned as a finding, and it is not asked any further.
func (s *session) converse(ctx context.Context, server string, creds []plan.Credential, outcomes map[string][]*outcome) (fault *Finding) {
	p := myproxyPeer(server)
	r := s.reach(ctx, p)
	if r.unknown != nil {
		f := s.unresolved(p, r.unknown)
		fault = &f
	} else if why, deaf := r.deaf(); deaf {
		fault = &Finding{ID: "MP-NET", Subject: server, Message: why, Remedy: fmt.Sprintf("nc -vz -w 5 %s; then ask your network people whether the firewall lets this box out to that port",
			shell(strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(splitWords(server)))...)), Where: "site admin"}
	}
	known := map[storedKey]*outcome{}
	var missing *net.DNSError
	goesOn := fault != nil && !(errors.As(r.unknown, &missing) && missing.IsNotFound)
	for _, c := range creds {
		o := outcomes[c.Name][slices.IndexFunc(outcomes[c.Name], func(o *outcome) bool { return o.server == server })]
		key := storedKey{*c.Source.MyProxy, c.Identity, c.Limited}
		key.AlertBelow = 0
		switch {
		case fault != nil || ctx.Err() != nil:
			o.unsaid, o.goesOn = "not asked: "+server+" cannot be talked to", goesOn
		case known[key] != nil:
			*o = *known[key]
		default:
			fault = s.ask(ctx, c, o)
			known[key], goesOn = o, o.goesOn
		}
	}
	return fault
}

func splitWords(address string) string {
	host, port := hostPort(address, "7512")
	return host + " " + port
}

// ask makes both exchanges about one credential.
func (s *session) ask(ctx context.Context, c plan.Credential, o *outcome) *Finding {
	mp := c.Source.MyProxy
	authority, without := s.authority(ctx, c)
	show := authority.Old
	if o.owner = show != nil; !o.owner {
		show = authority.Machine
	}
	host, _ := hostPort(mp.Server, "")
	serverDN, err := dn.Parse(mp.ServerDN)
	if mp.ServerDN != "" && err != nil {
		o.unsaid = err.Error()
		return nil
	}
	client := myproxy.Client{Server: mp.Server, Timeout: mp.Timeout, Now: s.Now, TLS: s.tls(show, issue.Peer{Host: host, DN: serverDN})}
	o.listed, o.infoErr = client.Info(ctx, mp.Username, "")
	if f := s.serverFault(o.infoErr, mp); f != nil {
		o.unsaid, o.goesOn = "not asked: "+mp.Server+" cannot be talked to", issue.Temporary(o.infoErr)
		return f
	}
	if authority.Machine == nil && mp.PassphraseFile == "" {
		o.without = without
		return nil
	}
	if o.shown = authority.Machine; ctx.Err() != nil {
		o.without = ctx.Err().Error()
		return nil
	}
	want := c
	want.FQANs, want.Limited, want.Key, want.Lifetime = nil, false, string(proxycert.RSA2048), max(probe, c.Lifetime)
	before := s.Now()
	o.issued, o.getErr = s.issuer().Issue(ctx, want, authority)
	if o.got() {
		s.readProxy(mp.Server, o.issued.Credential.Chain, before, s.Now())
	}
	o.goesOn = issue.Temporary(o.getErr)
	return s.serverFault(o.getErr, mp)
}

// served is the outcome that a pass would end with: servers are tried in their order, the next one only where nobody
// answered. It is nil if nothing would come of it.
func served(outcomes []*outcome) *outcome {
	for _, o := range outcomes {
		if o.got() {
			return o
		}
		if !o.goesOn {
			break
		}
	}
	return nil
}

// serverFault is a finding about the server as such, if that is what an error is about; nil if it is about the credential.
func (s *session) serverFault(err error, mp *plan.MyProxy) *Finding {
	var e *myproxy.Error
	if !errors.As(err, &e) {
		return nil
	}
	var peer *trust.Error
	refused := errors.As(err, &peer) // we refuse the server's certificate
	if !refused && !slices.Contains([]string{"MP-NET", "MP-TIMEOUT", "MP-TLS", "MP-SRVDN", "MP-SRVCERT", "MP-PROTO", "CA-MISSING"}, e.ID) {
		return nil
	}
	f := &Finding{ID: e.ID, Subject: mp.Server, Message: says(e), Remedy: s.remedy(e, plan.Credential{}), Where: e.Where}
	if e.ID == "MP-SRVDN" {
		s.explainName(f, mp)
	}
	return f
}

// explainName is about a server whose certificate is for another name: behind an alias, or after it was moved.
func (s *session) explainName(f *Finding, mp *plan.MyProxy) {
	host, _ := hostPort(mp.Server, "")
	chain := s.shown(host)
	if len(chain) == 0 {
		return
	}
	subject := dn.MustFromDER(chain[0].RawSubject).String()
	names := strings.Join(chain[0].DNSNames, ", ")
	if names == "" {
		names = "none"
	}
	f.Where = "VO-Box"
	if mp.ServerDN != "" {
		f.Message = fmt.Sprintf("it shows the certificate %s, and the configuration accepts %s only", subject, mp.ServerDN)
		f.Remedy = fmt.Sprintf("if the operator of %s confirms the new name: myproxy.serverDN: %q in %s", mp.Server, subject, s.Config)
		return
	}
	f.Message = fmt.Sprintf("%s is an alias, or not the server that is meant: it shows the certificate %s, which is for the hosts: %s", host, subject, names)
	f.Remedy = fmt.Sprintf("if that is the right server, accept it by name, in %s: myproxy.serverDN: %q", s.Config, subject)
}

// reportServers adds what is wrong with the servers themselves. It is critical where nobody else gives the credential.
func (s *session) reportServers(v *survey, servers []string, faults []*Finding, byServer map[string][]plan.Credential, outcomes map[string][]*outcome) {
	for i, server := range servers {
		if f := faults[i]; f != nil {
			if f.ID == "NET-DNS" { // in the same words as the other check's
				v.add(*f)
				continue
			}
			f.Severity, f.Why = plan.Warning, "Other servers have what is stored there, but it will be missed when they fail."
			var hurt []string
			for _, c := range byServer[server] {
				if served(outcomes[c.Name]) == nil {
					hurt = append(hurt, s.end(c))
				}
			}
			if len(hurt) > 0 {
				f.Severity, f.Why = plan.Critical, strings.Join(hurt, " ")
			}
			v.add(*f)
			continue
		}
		host, _ := hostPort(server, "")
		s.reportCRL(v, server, host)
		if chain := s.shown(host); len(chain) > 0 && chain[0].NotAfter.Sub(s.Now()) < certSoon {
			v.add(Finding{ID: "MP-SRVCERT", Severity: plan.Warning, Subject: server, Where: "MyProxy operator", Remedy: "ask the operator of " + server + " when it gets its new certificate",
				Message: "the server's certificate ends on " + plan.Clock(chain[0].NotAfter), Why: "When it has ended, the server is refused."})
		}
	}
}

// How long before the end of a revocation list, which fetch-crl replaces every six hours, and of a server's certificate
// they are spoken of.
const (
	crlSoon  = 6 * time.Hour
	certSoon = 3 * 24 * time.Hour
)

// reportCRL adds that a server which is accepted now will soon not be.
func (s *session) reportCRL(v *survey, server, host string) {
	chain := s.shown(host)
	if len(chain) == 0 {
		return
	}
	now := s.Now()
	res, err := s.Trust.VerifyPeer(chain, now)
	if err != nil {
		return
	}
	if left := res.CRLEnd.Sub(now); !res.CRLEnd.IsZero() && left < crlSoon {
		v.add(Finding{ID: "CRL-STALE", Severity: plan.Warning, Subject: server, Where: "site admin", Remedy: "fetch-crl; systemctl status fetch-crl.timer",
			Message: fmt.Sprintf("a revocation list of its CA ends on %s, in %s", plan.Clock(res.CRLEnd), plan.Span(left)),
			Why:     "When it has ended, the server is refused, and so is everybody else of that CA."})
	}
}

// says is what happened, with the server's own words.
func says(e *myproxy.Error) string {
	text := e.Cause
	switch {
	case len(e.Messages) > 0:
		text += fmt.Sprintf("; it says: %q", strings.Join(e.Messages, " / "))
	case e.Err != nil && !strings.Contains(text, e.Err.Error()):
		text += ": " + e.Err.Error()
	}
	return text
}

// remedy is the advice of an error with the lifetime that is wanted instead of the one that was asked for, and with the
// files of this box.
func (s *session) remedy(e *myproxy.Error, c plan.Credential) string {
	asked, want := int(max(probe, c.Lifetime)/time.Hour), int((c.Lifetime+time.Hour-1)/time.Hour)
	if want == 0 {
		want = 48
	}
	pairs := []string{fmt.Sprintf(" -t %d ", asked), fmt.Sprintf(" -t %d ", want)}
	if m, ok := s.machine(); ok && m.Source.Certificate != nil {
		pairs = append(pairs, "/etc/grid-security/hostcert.pem", shell(m.Source.Certificate.Cert), "/etc/grid-security/hostkey.pem", shell(m.Source.Certificate.Key))
	}
	return strings.NewReplacer(pairs...).Replace(e.Remedy)
}
