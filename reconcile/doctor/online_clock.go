package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// From how far on clocks are spoken of, and from where on certificates made elsewhere are refused.
const (
	skewWarning  = 2 * time.Minute
	skewCritical = trust.Skew
)

// A reading is what was seen of a server's clock. Neither a certificate nor a Date says when in an exchange it was made,
// and a certificate may begin earlier than it was made: the difference lies between two bounds.
type reading struct {
	server    string
	from      string        // "what it signed", "its Date header"
	low, high time.Duration // the server's clock minus this box's
}

// off is how far the clocks are apart at least.
func (r reading) off() time.Duration {
	switch {
	case r.low > 0:
		return r.low
	case r.high < 0:
		return r.high
	}
	return 0
}

// String is for messages, to the second or to what is known.
func (r reading) String() string {
	off := r.off()
	word := "behind"
	if off < 0 {
		word = "ahead"
	}
	least := ""
	if r.high-r.low > time.Minute {
		least = "at least "
	}
	return fmt.Sprintf("%s%s %s of %s (by %s)", least, plan.Span(off.Abs()), word, r.server, r.from)
}

// read keeps a reading: the server's clock stood between early and late at some moment between before and after, by this
// box's clock.
func (s *session) read(server, from string, early, late, before, after time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readings = append(s.readings, reading{server, from, early.Sub(after), late.Sub(before)})
}

// readProxy reads the clock of a MyProxy server from the proxy that it has signed. Globus dates them five minutes back.
func (s *session) readProxy(server string, chain []*x509.Certificate, before, after time.Time) {
	early, late := made(chain[0].NotBefore, chain[0].NotAfter)
	if len(chain) > 1 && chain[0].NotAfter.Equal(chain[1].NotAfter) { // it ends when what is stored does: nobody counted from now
		early, late = sometime(chain[0].NotBefore)
	}
	s.read(server, "the proxy it signed", early, late, before, after)
}

// readAC reads the clock of a VOMS server from an attribute certificate. vomsd and IAM begin them at once, others may date
// them back as proxies are.
func (s *session) readAC(server string, der []byte, before, after time.Time) {
	if ac, err := attrcert.Parse(der); err == nil {
		early, late := made(ac.NotBefore, ac.NotAfter)
		s.read(server, "the attributes it signed", early, late, before, after)
	}
}

// made says when a certificate was made. Lifetimes are asked for and limited in whole minutes, mostly hours, counted from
// then: five minutes more in the whole are those of the beginning. Where that does not tell, it is some time within them.
func made(begin, end time.Time) (early, late time.Time) {
	switch end.Sub(begin) % time.Hour {
	case 0:
		return begin, begin.Add(precision)
	case proxycert.Backdate:
		return begin.Add(proxycert.Backdate), begin.Add(proxycert.Backdate + precision)
	}
	return sometime(begin)
}

// sometime is what is known of a certificate that may have been dated back, or not.
func sometime(begin time.Time) (early, late time.Time) {
	return begin, begin.Add(proxycert.Backdate + precision)
}

// precision is that of times in certificates, and of an HTTP Date.
const precision = time.Second

// lookClock compares this box's clock with those of all servers that have shown theirs.
func (s *session) lookClock(ctx context.Context) ([]Finding, error) {
	mp, vo := s.myproxy(ctx), s.voms(ctx)
	s.readDates(ctx)
	found, err := tell(checkClock, []string{trust.IDNotYet}, mp, vo)
	s.mu.Lock()
	readings := slices.Clone(s.readings)
	s.mu.Unlock()
	if len(readings) == 0 {
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no server has shown its clock")
		}
		return found, err
	}
	slices.SortFunc(readings, func(a, b reading) int { return strings.Compare(a.server+a.from, b.server+b.from) })
	return append(found, compareClocks(readings)...), nil
}

// compareClocks blames this box where most servers agree about it, and else the servers, each by itself.
func compareClocks(readings []reading) []Finding {
	const (
		critical = "Certificates made elsewhere are not valid yet here, or those made here not there: renewals fail."
		warning  = "From 5m on, certificates made elsewhere are not valid yet here, or those made here not there."
	)
	bad := slices.DeleteFunc(slices.Clone(readings), func(r reading) bool { return r.off().Abs() < skewWarning })
	if len(bad) == 0 {
		return nil
	}
	severity, why := plan.Warning, warning
	var words []string
	for _, r := range bad {
		words = append(words, r.String())
		if r.off().Abs() >= skewCritical {
			severity, why = plan.Critical, critical
		}
	}
	agree := !slices.ContainsFunc(bad, func(r reading) bool { return (r.off() < 0) != (bad[0].off() < 0) })
	if agree && 2*len(bad) > len(readings) {
		return []Finding{{ID: "CLOCK", Severity: severity, Subject: "clock", Message: "the clock of this box is " + strings.Join(words, ", "), Why: why,
			Remedy: "timedatectl status; chronyc tracking; systemctl restart chronyd", Where: "site admin"}}
	}
	var found []Finding
	for _, r := range bad {
		f := Finding{ID: "CLOCK", Severity: plan.Warning, Subject: r.server, Message: "the clock of this box is " + r.String() + ", and agrees with other servers", Why: warning,
			Remedy: "timedatectl status; if this box is right, tell the operator of " + r.server, Where: "site admin"}
		if r.off().Abs() >= skewCritical {
			f.Severity, f.Why = plan.Critical, critical
		}
		found = append(found, f)
	}
	return found
}

// readDates reads the clocks of VOMS servers from the Date of an HTTP answer, which the front end of IAM writes, at the port
// of HTTPS, and vomsd does not. The page that is asked for need not exist; no attributes are asked for.
func (s *session) readDates(ctx context.Context) {
	s.mu.Lock()
	known := slices.Clone(s.readings)
	s.mu.Unlock()
	var group sync.WaitGroup
	for _, server := range s.vomsServers() {
		if server.Port != 443 && slices.ContainsFunc(known, func(r reading) bool { return r.server == server.Address() }) {
			continue
		}
		if _, deaf := s.reach(ctx, vomsPeer(server)).deaf(); deaf || s.shown(server.Host) == nil {
			continue // it could not be talked to just now
		}
		group.Go(func() { s.readDate(ctx, server.Address(), issue.Peer{Host: server.Host, DN: server.DN}) })
	}
	group.Wait()
}

func (s *session) readDate(ctx context.Context, address string, p issue.Peer) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&tls.Dialer{Config: s.tls(s.anyProxy(), p)}).DialContext(ctx, "tcp", address)
		}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/", nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", "vobox-reconcile")
	before := s.Now()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	s.read(address, "its Date header", date, date.Add(precision), before, s.Now())
}

// anyProxy is a credential that VOMS servers let in.
func (s *session) anyProxy() *proxycert.Credential {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.renewed() {
		if b := s.bases[c.Name]; b != nil {
			return b.cred
		}
	}
	return nil
}

func nameOf(raw []byte) dn.Name { return dn.MustFromDER(raw) }
