package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// greetingLimit is how long a mail relay may take to greet. Those that keep spammers waiting take some seconds.
const greetingLimit = 15 * time.Second

// HookPeer is the host:port that a webhook's posts go to: its own, or that of the HTTP proxy that the environment names
// for it; empty if the URL is none.
func HookPeer(hook string) string {
	u, err := url.Parse(hook)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		u = proxy
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// lookRelays reports mail relays and webhooks that alerts would not reach. Nothing is sent.
func (s *session) lookRelays(ctx context.Context) ([]Finding, error) {
	addresses := slices.Concat(s.Mail, s.Webhooks)
	slices.Sort(addresses)
	addresses = slices.DeleteFunc(slices.Compact(addresses), func(a string) bool { return a == "" })
	if len(addresses) == 0 {
		return nil, ErrNothing
	}
	results := make([]*Finding, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() { results[i] = s.lookRelay(ctx, address) })
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var found []Finding
	for _, f := range results {
		if f != nil {
			found = append(found, *f)
		}
	}
	return found, nil
}

func (s *session) lookRelay(ctx context.Context, address string) *Finding {
	p := alertPeer(address)
	r := s.reach(ctx, p)
	if r.unknown != nil {
		f := s.unresolved(p, r.unknown)
		return &f
	}
	host, port := hostPort(address, "")
	f := &Finding{ID: "ALERT", Severity: plan.Warning, Subject: address, Why: p.why, Where: "site admin",
		Remedy: fmt.Sprintf("nc -vz -w 5 %s %s; then ask your network people: may this box connect to %s, TCP port %s?", shell(host), port, host, port)}
	if why, deaf := r.deaf(); deaf {
		f.Message = why
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit+greetingLimit)
	defer cancel()
	opening, done := context.WithTimeout(ctx, dialLimit)
	conn, err := s.connect(opening, address)
	done()
	if err != nil {
		f.Message = "no connection: " + short(err)
		switch {
		case short(err) == "no answer":
			f.Message += ", as when a firewall drops the packets"
		case errors.Is(err, syscall.ECONNREFUSED) && slices.Contains(s.Mail, address) && s.here(ctx, host):
			f.Message += ": no mail server listens on this box"
			f.Remedy = fmt.Sprintf("systemctl status postfix; or name the site's mail relay in %s: alerts[].email.smtp", s.Config)
		case errors.Is(err, syscall.ECONNREFUSED):
			f.Message += ": nothing listens there, or a firewall refuses"
			f.Remedy = fmt.Sprintf("see that alerts: in %s names the right host and port; %s", s.Config, f.Remedy)
		}
		return f
	}
	defer conn.Close()
	if !slices.Contains(s.Mail, address) || slices.Contains(s.MailTLS, address) {
		return nil // whoever is there waits for us to begin
	}
	return s.greeting(ctx, conn, f)
}

// here reports whether a name means this box.
func (s *session) here(ctx context.Context, host string) bool {
	addrs, err := s.lookup(ctx, host)
	return err == nil && addrs[0].IsLoopback()
}

// greeting reads the line with which a mail relay begins, and leaves.
func (s *session) greeting(ctx context.Context, conn net.Conn, f *Finding) *Finding {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	line = strings.ToValidUTF8(strings.TrimRight(line, "\r\n"), "?")
	switch {
	case strings.HasPrefix(line, "220"):
		return nil
	case line != "":
		f.Message = fmt.Sprintf("it does not take mail from this box; it says: %.200q", line)
		f.Remedy = fmt.Sprintf("see that alerts: in %s names the right mail relay, and ask its administrator to let this box in", s.Config)
	case ctx.Err() != nil:
		f.Message = "the connection is accepted, and no greeting comes within " + plan.Span(greetingLimit) + ", as when a firewall stands between or the port is one of TLS (tls: tls)"
	default:
		f.Message = "the connection is accepted and closed without a greeting"
		if err != nil && !errors.Is(err, io.EOF) {
			f.Message += ": " + short(err)
		}
	}
	return f
}
