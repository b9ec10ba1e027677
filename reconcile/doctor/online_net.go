package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

const (
	lookupLimit = 10 * time.Second // for a name to be resolved
	dialLimit   = 7 * time.Second  // for an address to answer: the second repetition of a lost SYN is sent after three
	maxAddrs    = 16               // addresses of one name that are tried
)

// A peer is a server that the box depends on.
type peer struct {
	address string // host:port
	what    string // for people: "MyProxy server"
	key     string // of the configuration that names it
	why     string // what stops without it
}

func (p peer) host() string { h, _ := hostPort(p.address, ""); return h }

// peers are the servers that the configuration leads to, each once.
func (s *session) peers() []peer {
	var out []peer
	add := func(p peer) {
		if !slices.ContainsFunc(out, func(o peer) bool { return o.address == p.address }) {
			out = append(out, p)
		}
	}
	for _, c := range s.renewed() {
		if mp := c.Source.MyProxy; mp != nil {
			for _, server := range strings.Split(mp.Server, ",") {
				add(myproxyPeer(server))
			}
		}
	}
	for _, server := range s.vomsServers() {
		add(vomsPeer(server))
	}
	for _, relay := range slices.Concat(s.Mail, s.Webhooks) {
		add(alertPeer(relay))
	}
	return out
}

func myproxyPeer(server string) peer {
	host, port := hostPort(server, "7512")
	return peer{net.JoinHostPort(host, port), "MyProxy server", "myproxy.server", "No proxy can be renewed without it."}
}

func vomsPeer(server voms.Server) peer {
	return peer{server.Address(), "VOMS server of " + server.VO, fmt.Sprintf("%s line %d", server.File, server.Line), "Attributes of VO " + server.VO + " come from there."}
}

func alertPeer(address string) peer {
	return peer{address, "server of alerts", "alerts", "Alerts that go through it are lost, and nobody learns what has to be done."}
}

// An attempt is one address of a peer and why it does not answer; nil: it does.
type attempt struct {
	addr netip.Addr
	err  error
}

// A reach is how a peer can be reached.
type reach struct {
	unknown error     // why its name leads nowhere
	tried   []attempt // of a name with several addresses; a single one is left to those who talk to it
}

// reach looks a peer up and, where there is a choice of addresses, which of them answer.
func (s *session) reach(ctx context.Context, p peer) reach {
	s.mu.Lock()
	o, ok := s.reached[p.address]
	if !ok {
		o = new(once[reach])
		s.reached[p.address] = o
	}
	s.mu.Unlock()
	return o.get(func() reach { return s.tryAll(ctx, p) })
}

func (s *session) tryAll(ctx context.Context, p peer) reach {
	addrs, err := s.lookup(ctx, p.host())
	if err != nil {
		return reach{unknown: err}
	}
	if len(addrs) < 2 || addrs[0].IsLoopback() {
		return reach{} // between the addresses of this very box there is no network to be at fault
	}
	_, port := hostPort(p.address, "")
	r := reach{tried: make([]attempt, len(addrs))}
	var group sync.WaitGroup
	for i, addr := range addrs {
		group.Go(func() { r.tried[i] = attempt{addr, s.knock(ctx, net.JoinHostPort(addr.String(), port))} })
	}
	group.Wait()
	return r
}

// lookup returns the addresses of a host, each once.
func (s *session) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	resolve := s.Resolve
	if resolve == nil {
		resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addrs, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); !slices.Contains(out, a) && len(out) < maxAddrs {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no address")
	}
	return out, nil
}

// knock opens a TCP connection and closes it again.
func (s *session) knock(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := s.connect(ctx, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (s *session) connect(ctx context.Context, address string) (net.Conn, error) {
	if s.Dial != nil {
		return s.Dial(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// lookNetwork reports names that lead nowhere, and addresses that do not answer where others of the same name do.
func (s *session) lookNetwork(ctx context.Context) ([]Finding, error) {
	peers := s.peers()
	if len(peers) == 0 {
		return nil, ErrNothing
	}
	results := make([]reach, len(peers))
	var group sync.WaitGroup
	for i, p := range peers {
		group.Go(func() { results[i] = s.reach(ctx, p) })
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var found []Finding
	for i, p := range peers {
		if results[i].unknown != nil {
			found = append(found, s.unresolved(p, results[i].unknown))
			continue
		}
		found = append(found, unequal(p, results[i].tried)...)
	}
	return found, nil
}

// unresolved is about a name that leads nowhere. Every check that meets it tells it in the same words. It is critical where
// there is no other server of the kind.
func (s *session) unresolved(p peer, err error) Finding {
	f := Finding{ID: "NET-DNS", Severity: plan.Critical, Subject: p.address, Why: p.why, Where: "site admin",
		Message: fmt.Sprintf("the name of the %s does not resolve: %s", p.what, short(err)),
		Remedy:  fmt.Sprintf("getent ahosts %s; if the name is wrong, correct it in %s, else see to the name servers in /etc/resolv.conf", shell(p.host()), p.key)}
	if p.key == "alerts" || slices.ContainsFunc(s.peers(), func(o peer) bool { return o.what == p.what && o.address != p.address }) {
		f.Severity = plan.Warning
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		f.Message = fmt.Sprintf("the name of the %s does not exist", p.what)
		f.Where = "VO-Box"
	}
	return f
}

// unequal compares the addresses of a peer, family by family.
func unequal(p peer, tried []attempt) []Finding {
	if len(failing(tried)) == len(tried) {
		return nil // nothing answers: told by whoever talks to it
	}
	var found []Finding
	for _, family := range []struct {
		name, flag string
		is         func(netip.Addr) bool
	}{{"IPv6", "-6", netip.Addr.Is6}, {"IPv4", "-4", netip.Addr.Is4}} {
		of := slices.DeleteFunc(slices.Clone(tried), func(a attempt) bool { return !family.is(a.addr) })
		bad := failing(of)
		if len(bad) == 0 || slices.ContainsFunc(bad, func(a attempt) bool { return lacking(a.err) }) {
			continue // a box without the family is told so at once, and takes the other
		}
		host, port := hostPort(p.address, "")
		f := Finding{ID: "NET-FAMILY", Severity: plan.Warning, Subject: p.address, Where: "site admin",
			Message: fmt.Sprintf("the %s does not answer over %s (%s), but over the other family", p.what, family.name, describe(bad)),
			Why:     "Programs that try that family first wait for it at each connection, Globus and VOMS clients for up to minutes, and fail where they know no other.",
			Remedy: fmt.Sprintf("nc %s -vz -w 5 %s %s; then ask your network people whether the firewall lets %s out to port %s, and the site of the server whether it is let in",
				family.flag, shell(host), port, family.name, port)}
		if len(bad) < len(of) {
			f.ID = "NET-ADDR"
			f.Message = fmt.Sprintf("%d of the %d %s addresses of the %s do not answer (%s)", len(bad), len(of), family.name, p.what, describe(bad))
			f.Why = "Programs that take an address at random fail now and then, and nobody sees why."
		}
		found = append(found, f)
	}
	return found
}

func failing(tried []attempt) []attempt {
	return slices.DeleteFunc(slices.Clone(tried), func(a attempt) bool { return a.err == nil })
}

// lacking reports that this box has no such network at all, which is known without asking anybody.
func lacking(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// describe lists addresses and why they do not answer.
func describe(tried []attempt) string {
	var out []string
	for i, a := range tried {
		if i == 3 {
			out = append(out, fmt.Sprintf("and %d more", len(tried)-i))
			break
		}
		out = append(out, a.addr.String()+": "+short(a.err))
	}
	return strings.Join(out, ", ")
}

// short says in a few words why a connection or a look-up failed.
func short(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	case errors.As(err, &dns):
		return dns.Err
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}

// deaf reports a peer of which no address answers, and why, for those who would talk to it.
func (r reach) deaf() (string, bool) {
	if len(r.tried) == 0 || len(failing(r.tried)) < len(r.tried) {
		return "", false
	}
	return fmt.Sprintf("none of its %d addresses answers (%s)", len(r.tried), describe(r.tried)), true
}
