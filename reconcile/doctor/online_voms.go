package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// vomsServers are those of all VOs that attributes are wanted of, in the order of the vomses lines.
func (s *session) vomsServers() []voms.Server {
	if s.Servers == nil {
		return nil
	}
	known, _ := s.Servers() // the lines that could be read; the others are told by the check of the files
	var out []voms.Server
	for _, vo := range s.vos() {
		out = append(out, voms.ForVO(known, vo)...)
	}
	return out
}

// vos are the VOs that attributes are wanted of.
func (s *session) vos() []string {
	set := map[string]bool{}
	for _, c := range s.renewed() {
		if len(c.FQANs) > 0 {
			set[c.VO] = true
		}
	}
	return sorted(set)
}

// An answer is what one VOMS server said to the request for one proxy's attributes.
type answer struct {
	server voms.Server
	c      plan.Credential
	base   *base
	resp   *voms.Response
	err    error
}

// voms asks every server of every VO for what a renewal would ask it.
func (s *session) voms(ctx context.Context) *survey {
	return s.vomsSurvey.get(func() *survey {
		v := &survey{}
		servers := s.vomsServers()
		s.myproxy(ctx) // what comes from there is what VOMS servers are asked with
		bases := map[string]*base{}
		for _, c := range s.renewed() {
			if len(c.FQANs) == 0 {
				continue
			}
			v.asked = true
			if bases[c.Name] = s.base(ctx, c); bases[c.Name] == nil {
				v.unseen(c.Name, "there is no credential to ask the VO with", checkMembership, checkAttributes)
			}
			if !slices.ContainsFunc(servers, func(server voms.Server) bool { return server.VO == c.VO || server.Alias == c.VO }) {
				v.unseen(c.VO, "no server of it is known", checkMembership, checkAttributes, checkVOMS)
			}
		}
		answers := make([][]answer, len(servers))
		faults := make([]*Finding, len(servers))
		var group sync.WaitGroup
		for i, server := range servers {
			group.Go(func() { answers[i], faults[i] = s.askVO(ctx, server, bases) })
		}
		group.Wait()
		if ctx.Err() != nil {
			v.unseen("the VO", ctx.Err().Error(), checkMembership, checkAttributes, checkVOMS)
			return v
		}
		all := slices.Concat(answers...)
		s.reportVOMS(v, servers, faults, all)
		for _, c := range s.renewed() {
			s.reportMembership(v, c, all)
		}
		for _, a := range all {
			if a.resp != nil {
				s.reportAttributes(v, a)
			}
		}
		return v
	})
}

// base is a credential of the proxy's owner to ask VOMS servers with: what a renewal would use if it can be had, or else
// the proxy in place.
func (s *session) base(ctx context.Context, c plan.Credential) *base {
	s.mu.Lock()
	b := s.bases[c.Name]
	s.mu.Unlock()
	if b != nil {
		return b
	}
	if c.Source.Certificate != nil {
		want := c
		want.FQANs = nil
		if made, err := s.issuer().Issue(ctx, want, issue.Authority{}); err == nil {
			return &base{cred: made.Credential, fresh: true}
		}
	}
	if old := s.oldProxy(c); old != nil {
		return &base{cred: old}
	}
	return nil
}

// askVO asks one server for the attributes of all proxies of its VO. What keeps it from being talked to at all is returned
// as a finding, and it is not asked any further.
func (s *session) askVO(ctx context.Context, server voms.Server, bases map[string]*base) (answers []answer, fault *Finding) {
	p := vomsPeer(server)
	r := s.reach(ctx, p)
	if r.unknown != nil {
		f := s.unresolved(p, r.unknown)
		return nil, &f
	}
	if why, deaf := r.deaf(); deaf {
		return nil, legacy(server, &Finding{ID: voms.Unreachable, Subject: p.address, Message: why, Where: voms.VOBox,
			Remedy: "try by hand: openssl s_client -connect " + shell(p.address) + " </dev/null; then ask your network people whether the firewall lets this box out to that port"})
	}
	met := false
	for _, c := range s.renewed() {
		if len(c.FQANs) == 0 || server.VO != c.VO && server.Alias != c.VO {
			continue
		}
		b := bases[c.Name]
		if b == nil && met {
			continue
		}
		// Without a credential the server refuses, but it is there, and shows who it is.
		a := s.request(ctx, server, c, b)
		if fault = s.vomsFault(server, a.err); fault != nil {
			return answers, fault
		}
		if met = true; b != nil {
			answers = append(answers, a)
		}
	}
	return answers, nil
}

// request asks for the attributes of a proxy, with a credential of its owner if there is one.
func (s *session) request(ctx context.Context, server voms.Server, c plan.Credential, b *base) answer {
	var show *proxycert.Credential
	if b != nil {
		show = b.cred
	}
	client := voms.Client{Timeout: s.timeout(0), TLS: func(v voms.Server) *tls.Config { return s.tls(show, issue.Peer{Host: v.Host, DN: v.DN}) }}
	before := s.Now()
	want := voms.Request{VO: c.VO, FQANs: c.FQANs, Lifetime: c.Lifetime}
	resp, err := client.Request(ctx, []voms.Server{server}, want)
	if resp != nil {
		s.readAC(server.Address(), resp.AC, before, s.Now())
	}
	return answer{server, c, b, resp, err}
}

// vomsFault is a finding about the server as such, if that is what an error is about; nil if it is about the user.
func (s *session) vomsFault(server voms.Server, err error) *Finding {
	var e *voms.Error
	if !errors.As(err, &e) {
		return nil
	}
	f := &Finding{ID: e.ID, Subject: server.Address(), Message: vomsSays(e), Remedy: e.Remedy, Where: e.Where}
	var peer *trust.Error
	switch {
	case errors.As(err, &peer): // we refuse the server's certificate
		f.ID = peer.ID
		if !slices.Contains([]string{trust.IDNoAnchor, trust.IDCRLStale, trust.IDCRLInvalid, trust.IDCRLMissing, trust.IDNotYet}, peer.ID) {
			f.ID = voms.PeerRefused
		}
		switch {
		case strings.HasPrefix(f.ID, "CRL-"):
			f.Remedy, f.Where = "fetch-crl; systemctl status fetch-crl.timer", "site admin"
		case f.ID == trust.IDNotYet:
			f.Remedy, f.Where = "timedatectl status; chronyc tracking", "site admin"
		}
		return f
	case slices.Contains([]string{voms.NoServer, voms.Unreachable, voms.TimedOut, voms.NotVOMS, voms.PeerRefused, voms.CAMissing}, e.ID):
		return legacy(server, f)
	}
	return nil
}

// legacy recognises the servers at ports 1500x that INDIGO IAM has replaced: their names may still resolve, and what is
// left of them drops packets or speaks something else.
func legacy(server voms.Server, f *Finding) *Finding {
	if server.Port/100 != 150 && !slices.Contains(oldServers, server.Host) || f.ID == voms.CAMissing || f.ID == voms.PeerRefused {
		return f
	}
	f.ID = voms.NoServer
	f.Message = fmt.Sprintf("%s line %d names a server of the old kind (port %d), which does not answer: %s", server.File, server.Line, server.Port, f.Message)
	f.Remedy = fmt.Sprintf("dnf install wlcg-iam-vomses-%s wlcg-iam-lsc-%s, and remove the old line from %s", server.VO, server.VO, server.File)
	f.Where = "site admin"
	return f
}

// reportVOMS adds what is wrong with the servers themselves. It is critical where no other gives the VO's attributes.
func (s *session) reportVOMS(v *survey, servers []voms.Server, faults []*Finding, all []answer) {
	for i, server := range servers {
		f := faults[i]
		if f == nil {
			s.reportCRL(v, server.Address(), server.Host) // the end of its certificate is that of the attributes it signs
			continue
		}
		if f.ID != "NET-DNS" { // which the check of the network tells in the same words
			f.Severity, f.Why = plan.Warning, "It costs a timeout at renewals, or all of them once no other server is left."
			var hurt []string
			for _, c := range s.renewed() {
				if len(c.FQANs) > 0 && (server.VO == c.VO || server.Alias == c.VO) && !slices.ContainsFunc(all, func(a answer) bool { return a.c.Name == c.Name && a.resp != nil }) {
					hurt = append(hurt, s.end(c))
				}
			}
			if len(hurt) > 0 {
				f.Severity, f.Why = plan.Critical, strings.Join(hurt, " ")
			}
		}
		v.add(*f)
		v.unseen(server.VO, server.Address()+" cannot be talked to", checkMembership, checkAttributes)
	}
}

// reportMembership adds what servers have refused, the same refusal once.
func (s *session) reportMembership(v *survey, c plan.Credential, all []answer) {
	severity, granted := plan.Critical, ""
	for _, a := range all {
		if a.c.Name == c.Name && a.resp != nil {
			severity, granted = plan.Warning, a.server.Address()
		}
	}
	told := map[string]int{}
	for _, a := range all {
		var e *voms.Error
		switch {
		case a.c.Name != c.Name || a.err == nil:
			continue
		case !errors.As(a.err, &e):
			v.unseen(c.Name, a.err.Error(), checkMembership)
			continue
		}
		id := e.ID
		if strings.HasPrefix(id, "CHAIN-") {
			id = voms.CertificateRefused
		}
		f := Finding{ID: id, Severity: severity, Subject: c.Name, Why: s.end(c), Remedy: e.Remedy, Where: e.Where,
			Message: fmt.Sprintf("%s: %s", a.server.Address(), vomsSays(e))}
		if granted != "" {
			f.Why = "It goes well only because " + granted + " sees it otherwise."
		}
		if !slices.Contains(ofMembership, id) {
			v.unseen(c.Name, a.server.Address()+" could not answer", checkMembership, checkAttributes)
		}
		if told[id]++; told[id] == 1 {
			v.add(f)
		}
	}
}

// vomsSays is what happened, with the server's own words.
func vomsSays(e *voms.Error) string {
	text := strings.TrimRight(e.Message, ". ")
	if e.Code != "" {
		text = fmt.Sprintf("it says: %q (%s)", text, e.Code)
	}
	if e.Cause != "" {
		text = e.Cause + "; " + text
	}
	if e.Err != nil && e.Code == "" {
		text += ": " + e.Err.Error()
	}
	return text
}
