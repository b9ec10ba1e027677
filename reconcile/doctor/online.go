package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// Names of the online checks.
const (
	checkNetwork    = "network"
	checkMyProxy    = "myproxy"
	checkPeers      = "peer-trust"
	checkStored     = "stored-credential"
	checkRenewal    = "renewal"
	checkLifetime   = "stored-lifetime"
	checkVOMS       = "voms"
	checkMembership = "vo-membership"
	checkAttributes = "attributes"
	checkClock      = "clocks"
	checkRelays     = "alert-servers"
)

// onlineChecks talk to the servers that the configuration names. They share what they do there: whichever check is first
// makes the exchanges, and each tells what has one of its ids.
func onlineChecks() []Check {
	m := &memo{}
	online := func(name, title string, look func(*session, context.Context) ([]Finding, error), ids ...string) Check {
		return Check{Name: name, Title: title, IDs: ids, Online: true, Look: func(ctx context.Context, b *Box) ([]Finding, error) {
			return look(m.session(b), ctx)
		}}
	}
	asked := func(name, title string, ids []string, surveys ...func(*session, context.Context) *survey) Check {
		return online(name, title, func(s *session, ctx context.Context) ([]Finding, error) {
			var all []*survey
			for _, of := range surveys {
				all = append(all, of(s, ctx))
			}
			return tell(name, ids, all...)
		}, ids...)
	}
	mp, vo := (*session).myproxy, (*session).voms
	return []Check{
		online(checkNetwork, "names and addresses of the servers", (*session).lookNetwork, "NET-DNS", "NET-FAMILY", "NET-ADDR"),
		asked(checkMyProxy, "MyProxy servers: can be talked to, and are who they should be", []string{"MP-NET", "MP-TIMEOUT", "MP-TLS", "MP-SRVDN", "MP-SRVCERT",
			"MP-PROTO", "MP-REQUEST", "NET-DNS"}, mp),
		asked(checkPeers, "the servers' CAs and their revocation lists", []string{"CA-MISSING", "CRL-STALE", "CRL-INVALID", "CRL-MISSING"}, mp, vo),
		asked(checkStored, "what is stored on the MyProxy servers", []string{"MP-NOCRED", "MP-STORED", "MP-LOCKED"}, mp),
		asked(checkRenewal, "whether this box may renew", ofRenewal, mp),
		asked(checkLifetime, "how long the MyProxy servers give (myproxy-init -t)", []string{"MP-T12", "MP-SHORT"}, mp),
		asked(checkVOMS, "VOMS servers: can be talked to, and are who they should be", []string{"VO-VOMSES", "VO-NET", "VO-TIMEOUT", "VO-PROTO", "VO-PEER", "VO-SERVER", "NET-DNS"}, vo),
		asked(checkMembership, "the VO's answer: membership, roles, use policy", ofMembership, vo),
		asked(checkAttributes, "the attributes that the VO gives", []string{"VO-ACSHORT", "VO-SIGNER", "VO-LSC", "VO-AC", "VO-EXPIRED", "VO-HOLDER", "CA-SHA1"}, vo),
		online(checkClock, "the clock, compared with the servers'", (*session).lookClock, "CLOCK"),
		online(checkRelays, "mail relays and webhooks of alerts", (*session).lookRelays, "ALERT", "NET-DNS"),
	}
}

// ofRenewal are what the refusal of a renewal can be.
var ofRenewal = []string{"MP-RENEWER", "MP-CREDPOL", "MP-DEFPOL", "MP-ANON", "MP-PASS", "MP-BADPASS", "MP-SELF", "MP-LIMITED", "MP-REVOKED", "MP-STALE",
	"MP-NOEEC", "MP-IDENTITY", "MP-DELEG", "MP-STORE", "MP-REFUSED", "MP-METHOD", "MP-NOOLD", "MP-OLDEXPIRED", "MP-OLDOTHER",
	"MP-OLDBAD", "MP-CERTEXPIRED", "MP-CERTREVOKED", "MP-CERTCA", "MP-CERTBAD", "HOST-EKU", "MP-CHAIN"}

// ofMembership are what a VO can have against a user, or their certificate.
var ofMembership = []string{"VO-UNKNOWN", "VO-SUSP", "VO-AUP", "VO-FQAN", "VO-NESTED", "VO-CERT"}

// A memo keeps what the checks of one Examine learn from the servers.
type memo struct {
	mu sync.Mutex
	s  *session
}

func (m *memo) session(b *Box) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.s == nil || m.s.Box != b {
		m.s = &session{Box: b, chains: map[string][]*x509.Certificate{}, reached: map[string]*once[reach]{}}
	}
	return m.s
}

// A session is what is known of the servers so far. All of it is in memory: nothing that a server gives is written.
type session struct {
	*Box
	storedSurvey, vomsSurvey once[*survey]
	host                     once[foundMachine]

	mu       sync.Mutex
	chains   map[string][]*x509.Certificate // what servers have shown, by host
	reached  map[string]*once[reach]        // by host:port
	readings []reading
	bases    map[string]*base // credentials to ask VOMS servers with, by name; set by the survey of the MyProxy servers
}

// once is a value that whoever needs it first works out, while the others wait.
type once[T any] struct {
	mu    sync.Mutex
	done  chan struct{} // nil: nobody has begun
	value T
}

func (o *once[T]) get(work func() T) T {
	o.mu.Lock()
	begun := o.done != nil
	if !begun {
		o.done = make(chan struct{})
	}
	o.mu.Unlock()
	if begun {
		<-o.done
		return o.value
	}
	defer close(o.done) // when the work falls over, too
	o.value = work()
	return o.value
}

// A survey is what was found at one kind of server, for all checks together.
type survey struct {
	mu    sync.Mutex
	asked bool // there was somebody to ask
	found []Finding
	blind map[string][]string // by check: what it could not look at, and why
}

func (v *survey) add(f ...Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found = append(v.found, f...)
}

// unseen records why checks have nothing to say about a subject.
func (v *survey) unseen(subject, why string, checks ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.blind == nil {
		v.blind = map[string][]string{}
	}
	for _, c := range checks {
		if line := subject + ": " + why; !slices.Contains(v.blind[c], line) {
			v.blind[c] = append(v.blind[c], line)
		}
	}
}

// tell returns what surveys have found of the ids of a check, and why they have not looked at all of it.
func tell(check string, ids []string, surveys ...*survey) ([]Finding, error) {
	var found []Finding
	var blind []string
	asked := false
	for _, v := range surveys {
		asked = asked || v.asked
		blind = append(blind, v.blind[check]...)
		for _, f := range v.found {
			if slices.Contains(ids, f.ID) {
				found = append(found, f)
			}
		}
	}
	switch {
	case !asked:
		return nil, ErrNothing
	case len(blind) > 0:
		slices.Sort(blind)
		return found, errors.New(strings.Join(blind, "; "))
	}
	return found, nil
}

// exchangeLimit bounds one exchange whatever timeout is configured: several have to fit into the time of a check.
const exchangeLimit = 30 * time.Second

func (s *session) timeout(configured time.Duration) time.Duration {
	if configured <= 0 {
		configured = s.Timeout
	}
	if configured <= 0 || configured > exchangeLimit {
		return exchangeLimit
	}
	return configured
}

// issuer obtains credentials the way a pass does.
func (s *session) issuer() *issue.Issuer {
	return &issue.Issuer{TLS: s.tls, Servers: s.Servers, Now: s.Now, Timeout: s.timeout(0)}
}

// tls is the configuration of a connection, which keeps the certificates that the server shows, whether they are
// accepted or not.
func (s *session) tls(show *proxycert.Credential, p issue.Peer) *tls.Config {
	c := s.TLS(show, p).Clone()
	check := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		s.mu.Lock()
		s.chains[p.Host] = state.PeerCertificates
		s.mu.Unlock()
		if check == nil {
			return nil
		}
		return check(state)
	}
	return c
}

// shown are the certificates that a server has shown.
func (s *session) shown(host string) []*x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chains[host]
}

// renewed are the user proxies that this program renews, in the order of the configuration.
func (b *Box) renewed() []plan.Credential {
	return slices.DeleteFunc(b.users(), func(c plan.Credential) bool { return c.Observe })
}

// end says how long a user proxy lasts, which is when what keeps it from being renewed begins to hurt.
func (b *Box) end(c plan.Credential) string {
	st := b.Have.Credentials[c.Name]
	switch now := b.Now(); {
	case !st.Exists:
		return "There is no proxy " + c.Name + " yet, and none can be made."
	case !st.Usable(now):
		return "Proxy " + c.Name + " cannot be used any more, and no new one can be made."
	default:
		return fmt.Sprintf("Proxy %s cannot be renewed: it ends on %s, in %s, and jobs with it.", c.Name, plan.Clock(st.EffectiveEnd), plan.Span(st.EffectiveEnd.Sub(now)))
	}
}

// hostPort splits "host", "host:port" or "[v6]:port".
func hostPort(address, port string) (string, string) {
	if h, p, err := net.SplitHostPort(address); err == nil {
		return h, p
	}
	return strings.Trim(address, "[]"), port
}
