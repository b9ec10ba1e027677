package doctor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// netBox is a box with a MyProxy server of one name, and a network of the test's making: which addresses the name has, and
// how each takes a connection.
func netBox(addrs string, dial map[string]error) *doctor.Box {
	px := &plan.MyProxy{Server: "px.example.org:7512", Username: "jdoe"}
	return &doctor.Box{
		Want: plan.Desired{Credentials: []plan.Credential{{Name: "lcgadmin", Kind: plan.User, Source: plan.Source{MyProxy: px}}}},
		Now:  time.Now, Config: "config.yaml",
		Servers: func() ([]voms.Server, error) { return nil, nil },
		Resolve: addresses(map[string]string{"px.example.org": addrs}),
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			err, ok := dial[address]
			if !ok {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if err != nil {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
			}
			client, server := net.Pipe()
			server.Close()
			return client, nil
		},
	}
}

func examine(t *testing.T, b *doctor.Box, only ...string) (found []string, all string) {
	t.Helper()
	checks, err := doctor.Select(doctor.Checks(), only, false)
	if err != nil {
		t.Fatal(err)
	}
	results := doctor.Examine(t.Context(), b, checks, nil)
	for _, r := range results {
		all += fmt.Sprintf("%+v %s\n", r.Findings, r.Skipped)
	}
	return findings(t, results), all
}

// Every address of a name is tried; a family that does not answer while the other does, and single addresses, are told.
func TestNetwork(t *testing.T) {
	const v4, v6, second = "192.0.2.1:7512", "[2001:db8::1]:7512", "192.0.2.2:7512"
	both := "2001:db8::1 192.0.2.1"
	for _, tc := range []struct {
		name, addrs string
		dial        map[string]error // what is missing never answers
		want        string
		says        string
	}{
		{"both", both, map[string]error{v4: nil, v6: nil}, "", ""},
		{"IPv6 refused", both, map[string]error{v4: nil, v6: syscall.ECONNREFUSED}, "NET-FAMILY warning px.example.org:7512", "IPv6 (2001:db8::1: connection refused)"},
		{"IPv6 dropped", both, map[string]error{v4: nil}, "NET-FAMILY warning px.example.org:7512", "IPv6 (2001:db8::1: no answer)"},
		{"IPv4 dropped", both, map[string]error{v6: nil}, "NET-FAMILY warning px.example.org:7512", "nc -4 -vz -w 5 px.example.org 7512"},
		{"a box without IPv6", both, map[string]error{v4: nil, v6: syscall.ENETUNREACH}, "", ""},
		{"one of two", "192.0.2.1 192.0.2.2 ::ffff:192.0.2.1", map[string]error{v4: nil, second: syscall.EHOSTUNREACH}, "NET-ADDR warning px.example.org:7512", "1 of the 2 IPv4 addresses"},
		{"no name", "", nil, "NET-DNS critical px.example.org:7512: the name of the MyProxy server does not resolve: no address", "getent ahosts px.example.org"},
		{"no address answers", both, map[string]error{v4: syscall.ECONNREFUSED}, "MP-NET critical px.example.org:7512: none of its 2 addresses answers", "nc -vz -w 5 px.example.org 7512"},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			only := []string{"network"}
			if strings.HasPrefix(tc.want, "MP-NET") {
				only = append(only, "myproxy")
			}
			found, all := examine(t, netBox(tc.addrs, tc.dial), only...)
			if tc.want == "" && len(found) > 0 || tc.want != "" && (len(found) != 1 || !strings.HasPrefix(found[0], tc.want)) {
				t.Errorf("%s: found %q, want %q", tc.name, found, tc.want)
			}
			if !strings.Contains(all, tc.says) {
				t.Errorf("%s: not said: %q\n%s", tc.name, tc.says, all)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("%s: took %s", tc.name, took)
			}
		})
	}
}

// A name that does not exist is told once, whichever checks meet it; and as a warning where there is another server.
func TestNoSuchName(t *testing.T) {
	b := netBox("192.0.2.1", nil)
	b.Want.Credentials[0].Source.MyProxy.Server = "gone.example.org"
	b.Mail = []string{"mail.example.org:25"}
	b.Webhooks = []string{"hooks.example.org:443"}
	found, all := examine(t, b, "network", "myproxy", "renewal", "alert-servers")
	if len(found) != 3 || !strings.HasPrefix(found[0], "NET-DNS critical gone.example.org:7512: the name of the MyProxy server does not exist") ||
		!strings.HasPrefix(found[1], "NET-DNS warning hooks.example.org:443") || !strings.HasPrefix(found[2], "NET-DNS warning mail.example.org:25") {
		t.Errorf("found %q", found)
	}
	if !strings.Contains(all, "lcgadmin: not asked: gone.example.org:7512 cannot be talked to") {
		t.Error(all)
	}
	b.Want.Credentials[0].Source.MyProxy.Server = "gone.example.org,px.example.org"
	if found, _ := examine(t, b, "network"); len(found) != 3 || !strings.HasPrefix(found[0], "NET-DNS warning gone") {
		t.Errorf("one of two servers: %q", found)
	}
	b.Resolve = nil // a name of which no resolver needs to be asked
	b.Want.Credentials[0].Source.MyProxy.Server = "127.0.0.1:1"
	b.Mail, b.Webhooks = nil, nil
	if found, _ := examine(t, b, "network"); len(found) > 0 {
		t.Errorf("an address: %q", found)
	}
}

// Mail relays greet; nothing is sent to them.
func TestRelays(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	var mu sync.Mutex
	sent := map[string]int{}
	relay := func(greeting string) string {
		var address string
		ready := make(chan struct{})
		address = f.serve(func(conn net.Conn) {
			<-ready
			io.WriteString(conn, greeting)
			if greeting == "" {
				conn.(*net.TCPConn).CloseWrite()
			}
			data, _ := io.ReadAll(conn)
			mu.Lock()
			defer mu.Unlock()
			sent[address] += len(data)
		})
		close(ready)
		return address
	}
	good, grumpy, mute, gone := relay("220 mail.example.org ESMTP\r\n"), relay("554 no mail from \x1b[31mthere\r\n"), relay(""), f.nobody()
	b := f.online()
	b.Resolve = addresses(map[string]string{"localhost": "127.0.0.1"})
	b.Mail = []string{good, grumpy, mute, gone, good}
	b.Webhooks = []string{gone, relay("")}
	h := f.ask(b, "alert-servers")
	f.finds("relays", h, sortedBy("ALERT warning ", grumpy, mute, gone)...)
	for _, s := range []string{`it does not take mail from this box; it says: "554 no mail from \x1b[31mthere"`, "closed without a greeting", "connection refused: no mail server listens on this box", "systemctl status postfix", "may this box connect to localhost, TCP port"} {
		if !strings.Contains(h.all, s) {
			t.Errorf("not said: %q\n%s", s, h.all)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for address, n := range sent {
		if n > 0 {
			t.Errorf("%d bytes were sent to %s", n, address)
		}
	}
}

// sortedBy puts addresses into the order of findings.
func sortedBy(prefix string, addresses ...string) []string {
	var out []string
	for _, a := range addresses {
		out = append(out, prefix+a)
	}
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

// A firewall that drops packets, and a relay that never greets, cost a bounded time.
func TestSilentRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &doctor.Box{Now: time.Now, Mail: []string{"black.example.org:25", "slow.example.org:25", "tls.example.org:465"}, MailTLS: []string{"tls.example.org:465"},
			Resolve: addresses(map[string]string{"black.example.org": "192.0.2.1", "slow.example.org": "192.0.2.2", "tls.example.org": "192.0.2.3"}),
			Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
				if strings.HasPrefix(address, "black") {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				client, _ := net.Pipe()
				return client, nil
			}}
		begin := time.Now()
		found, all := examine(t, b, "alert-servers")
		if len(found) != 2 || !strings.HasPrefix(found[0], "ALERT warning black.example.org:25: no connection: no answer, as when a firewall drops") ||
			!strings.HasPrefix(found[1], "ALERT warning slow.example.org:25: the connection is accepted, and no greeting comes") {
			t.Errorf("found %q\n%s", found, all)
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// Where the posts of a webhook go.
func TestHookPeer(t *testing.T) {
	for hook, want := range map[string]string{
		"https://hooks.example.org/services/T0/B0/secret": "hooks.example.org:443",
		"http://hooks.example.org/x":                      "hooks.example.org:80",
		"https://hooks.example.org:8443/x":                "hooks.example.org:8443",
		"https://[2001:db8::1]/x":                         "[2001:db8::1]:443",
		"/x":                                              "",
		"://":                                             "",
	} {
		if got := doctor.HookPeer(hook); got != want {
			t.Errorf("HookPeer(%q) = %q, want %q", hook, got, want)
		}
	}
}
