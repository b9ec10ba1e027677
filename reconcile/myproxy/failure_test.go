package myproxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// TestRefusals has each text of the real server that is known.
func TestRefusals(t *testing.T) {
	const get, info = "GET", "INFO"
	for _, tt := range []struct{ op, said, want string }{
		{get, `"/CN=box" not authorized by server's authorized_renewers policy`, "MP-RENEWER"},
		{get, `"/CN=box" not authorized by credential's authorized_renewers policy`, "MP-CREDPOL"},
		{get, `"/CN=box" not authorized by server's default authorized_renewers policy`, "MP-DEFPOL"},
		{get, `"<anonymous>" not authorized by server's default authorized_key_retrievers policy`, "MP-ANON"},
		{get, `"/CN=box" not authorized to retrieve credentials from this server (authorized_retrievers policy)`, "MP-RENEWER"},
		{get, "no passphrase|authentication failed", "MP-PASS"},
		{get, "authentication failed", "MP-PASS"},
		{get, "invalid credential passphrase", "MP-PASS"},
		{get, "self-authz detected|self-authz not allowed for renewer", "MP-SELF"},
		{get, `No credentials exist for username "jdoe".`, "MP-NOCRED"},
		{get, `No credentials exist with username "jdoe" and credential name "x".`, "MP-NOCRED"},
		{get, "unknown username: jdoe", "MP-NOCRED"},
		{get, "X509_verify_cert() failed: certificate has expired", "MP-REVOKED"},
		{get, "X509_verify_cert() failed: certificate revoked", "MP-REVOKED"},
		{get, "OCSP says EEC is revoked!", "MP-REVOKED"},
		{get, "X509_verify_cert() failed: CRL has expired", "CRL-STALE"},
		{get, "credential locked|under investigation", "MP-LOCKED"},
		{get, "Client with limited proxy may not retrieve full credentials.", "MP-LIMITED"},
		{get, "MyProxy CA will not accept limited proxy for authentication.", "MP-LIMITED"},
		{get, "Unable to delegate credentials.", "MP-DELEG"},
		{get, "Unable to retrieve credential information", "MP-STORE"},
		{get, "Error checking authorization", "MP-STORE"},
		{get, "error parsing request", "MP-PROTO"},
		{get, "Invalid version number received.", "MP-PROTO"},
		{get, "Invalid username received.", "MP-PROTO"},
		{get, "UNKNOWN command in request.", "MP-PROTO"},
		{get, "Error in myproxy_recv_ex()", "MP-PROTO"},
		{get, "no tea today", "MP-REFUSED"},
		{get, "", "MP-REFUSED"},
		{info, `no credentials found for user jdoe, owner "/CN=box" `, "MP-NOCRED"},
		{info, `no credentials found for user jdoe, owner "<anonymous>"`, "MP-ANON"},
		{info, "Credentials do not exist.", "MP-NOCRED"},
		{info, `Credentials are already stored for user jdoe|and they are not owned by|"/CN=box",|so you may not overwrite them.`, "MP-OWNER"},
		{info, `Credentials not owned by "/CN=box".|authorization failed`, "MP-OWNER"},
		{info, "'/CN=box' does not own the credentials", "MP-OWNER"},
		{info, "Bad password|invalid credential passphrase", "MP-BADPASS"},
		{info, "invalid pass phrase", "MP-BADPASS"},
		{info, "Pass phrase too short.  Must be at least 6 characters long.", "MP-WEAKPASS"},
		{info, "Unable to change pass phrase.", "MP-STORE"},
		{info, "Unable to store credentials.", "MP-STORE"},
		{info, "Credential expired!", "MP-PUT"},
		{info, "Credentials are not valid.", "MP-PUT"},
		{info, "PUT/STORE: No mapping found for '/CN=box' and 'jdoe' in 'map'", "MP-ACCEPT"},
	} {
		t.Run(tt.said, func(t *testing.T) {
			var lines []string
			if tt.said != "" {
				lines = strings.Split(tt.said, "|")
			}
			c := serve(t, tls.VersionTLS13, say(refusal(lines...)))
			var err error
			if tt.op == get {
				_, err = c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
			} else {
				_, err = c.Info(t.Context(), "jdoe", "")
			}
			var e *myproxy.Error
			if !errors.As(err, &e) || e.ID != tt.want {
				t.Fatalf("got %v (%s), want %s", err, errID(err), tt.want)
			}
			if e.Op != tt.op || e.Server != "myproxy.example.org" || e.Cause == "" || e.Remedy == "" {
				t.Errorf("got %+v", e)
			}
			if !strings.Contains("LCG-UI|VO-Box|site admin|MyProxy operator", e.Where) || e.Where == "" {
				t.Errorf("to be done at %q", e.Where)
			}
			if e.Temporary != (e.ID == "MP-STORE") {
				t.Errorf("temporary is %v", e.Temporary)
			}
			if len(e.Messages) != len(lines) {
				t.Errorf("messages are %q", e.Messages)
			}
		})
	}
}

// TestRemedies: the commands have the real values in them.
func TestRemedies(t *testing.T) {
	for _, tt := range []struct {
		said   string
		server string
		r      myproxy.GetRequest
		remedy string
	}{
		{`No credentials exist for username "/CN=x".`, "myproxy.cern.ch", myproxy.GetRequest{Username: "/CN=x"},
			"myproxy-init -s myproxy.cern.ch -d -n -t 48 -c 3000"},
		{`No credentials exist for username "jane's".`, "px.example.org:7600", myproxy.GetRequest{Username: "jane's", CredName: "a b", Lifetime: 70*time.Hour + 1},
			`myproxy-init -s px.example.org -p 7600 -l 'jane'\''s' -k 'a b' -n -t 71 -c 3000`},
		{"X509_verify_cert() failed: certificate revoked", "[::1]", myproxy.GetRequest{Username: "/CN=x"},
			"myproxy-destroy -s ::1 -d && myproxy-init -s ::1 -d -n -t 48 -c 3000"},
		{"no passphrase", "myproxy.cern.ch", myproxy.GetRequest{Username: "/CN=x"},
			`ask the operator of myproxy.cern.ch (px.support@cern.ch) to add to authorized_renewers and default_renewers: "/O=myproxy test/CN=host*/box.example.org"` +
				`; or let the user name this box: myproxy-init -s myproxy.cern.ch -d -x -R '/O=myproxy test/CN=host*/box.example.org' -t 48 -c 3000`},
	} {
		c := serve(t, tls.VersionTLS13, say(refusal(tt.said)))
		c.Server = tt.server
		tt.r.Key = proxycert.P256
		_, err := c.Get(t.Context(), tt.r)
		var e *myproxy.Error
		if !errors.As(err, &e) || e.Remedy != tt.remedy {
			t.Errorf("%s\n got %s\nwant %s", tt.said, e.Remedy, tt.remedy)
		}
	}
}

// TestSpellings: a box with a "/" in its CN has two names on servers' lists.
func TestSpellings(t *testing.T) {
	c := serve(t, tls.VersionTLS13, say(refusal("no passphrase", "authentication failed")))
	_, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
	for _, want := range []string{`/O=myproxy test/CN=host\/box.example.org`, `/O=myproxy test/CN=host/box.example.org`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// TestErrorText: nothing a server says can do harm in a log or on a terminal.
func TestErrorText(t *testing.T) {
	c := serve(t, tls.VersionTLS13, say(refusal("\x1b[2Jred\x07\u202e \xff", strings.Repeat("x", 5000)), refusal("never read")))
	_, err := c.Info(t.Context(), "jdoe", "")
	var e *myproxy.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	text := err.Error() + strings.Join(e.Messages, "")
	if strings.ContainsAny(text, "\x1b\x07\u202e\n") || len(err.Error()) > 1000 {
		t.Errorf("got %q", text)
	}
	if !strings.HasPrefix(err.Error(), "myproxy: INFO at myproxy.example.org: ") {
		t.Errorf("got %q", err)
	}
	many := serve(t, tls.VersionTLS13, say(refusal(strings.Split(strings.Repeat("x ", 900), " ")...)))
	if _, err := many.Info(t.Context(), "jdoe", ""); len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// TestGarbage is about answers that are none.
func TestGarbage(t *testing.T) {
	for name, answer := range map[string][]byte{
		"HTTP":           []byte("HTTP/1.0 400 Bad Request\r\n\r\n"),
		"binary":         {1, 2, 3, 0},
		"empty":          {0},
		"another kind":   []byte("VERSION=MYPROXYv2\nRESPONSE=7\n\x00"),
		"another number": []byte("VERSION=MYPROXYv9\nRESPONSE=0\n\x00"),
		"no response":    []byte("VERSION=MYPROXYv2\n\x00"),
		"bad time":       []byte("VERSION=MYPROXYv2\nRESPONSE=0\nCRED_START_TIME=soon\n\x00"),
		"no end":         []byte("VERSION=MYPROXYv2\nRESPONSE=0\nCRED_START_TIME=1700000000\n\x00"),
		"a challenge":    (&myproxy.Response{Type: myproxy.ResponseChallenge, Challenges: challenges}).Marshal(),
		"too much":       []byte("VERSION=MYPROXYv2\nRESPONSE=0\n" + strings.Repeat("x", 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			prefix := []byte{}
			if answer[0] == 0 {
				prefix = []byte{0} // TLS 1.2 has none of its own, and one is dropped
			}
			c := serve(t, tls.VersionTLS12, func(p *peer) error {
				p.send(prefix, answer) // the client may not read all of it
				return p.finish()
			})
			_, err := c.Info(t.Context(), "jdoe", "")
			var e *myproxy.Error
			if !errors.As(err, &e) || e.ID != "MP-PROTO" || e.Temporary {
				t.Errorf("got %v (%s), want MP-PROTO", err, errID(err))
			}
		})
	}
}

// TestInfoCutOff: a time that lost its last digits is not taken for a time.
func TestInfoCutOff(t *testing.T) {
	const answer = "VERSION=MYPROXYv2\nRESPONSE=0\nCRED_START_TIME=1700000000\nCRED_END_TIME=17000"
	c := serve(t, tls.VersionTLS13, say([]byte(answer)))
	if list, err := c.Info(t.Context(), "jdoe", ""); errID(err) != "MP-PROTO" {
		t.Errorf("got %v, %v; want MP-PROTO", list, err)
	}
}

func TestInfo(t *testing.T) {
	answer := []byte("VERSION=MYPROXYv2\nRESPONSE=0\nCRED_DESC=a LIFETIME= b\nCRED_START_TIME=1700000000\nCRED_END_TIME=1800000000\n" +
		"CRED_OWNER=/CN=x\nCRED_LOCKMSG=closed\nCRED_a,b_c_START_TIME=1700000001\nCRED_a,b_c_END_TIME=1800000001\nCRED_a,b_c_OWNER=/CN=y\n" +
		"CRED_a,b_c_RETRIEVER_TRUSTED=*\nADDL_CREDS=a,b_c\n\x00")
	c := serve(t, tls.VersionTLS13, say(answer))
	got, err := c.Info(t.Context(), "jdoe", "")
	if err != nil {
		t.Fatal(err)
	}
	want := []myproxy.Stored{
		{Description: "a LIFETIME= b", Start: time.Unix(1700000000, 0).UTC(), End: time.Unix(1800000000, 0).UTC(), Owner: "/CN=x", LockMessage: "closed"},
		{Name: "a,b_c", Start: time.Unix(1700000001, 0).UTC(), End: time.Unix(1800000001, 0).UTC(), Owner: "/CN=y", TrustedRetriever: "*"},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestClearText: an error before the server's side of the handshake is through.
func TestClearText(t *testing.T) {
	for _, version := range versions {
		for name, text := range map[string][][]byte{
			"at once":   {[]byte(clearTextError)},
			"in pieces": pieces([]byte(clearTextError), 9),
			"no NUL":    {[]byte(strings.TrimSuffix(clearTextError, "\x00"))},
		} {
			t.Run(tls.VersionName(version)+"/"+name, func(t *testing.T) {
				c := serve(t, version, func(p *peer) error {
					for _, b := range text {
						if _, err := p.raw.Write(b); err != nil {
							return err
						}
					}
					p.raw.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, p.raw)
					return nil
				})
				_, err := c.Info(t.Context(), "jdoe", "")
				var e *myproxy.Error
				if !errors.As(err, &e) || e.ID != "MP-CERTBAD" || len(e.Messages) != 1 || e.Messages[0] != "authentication failed" {
					t.Errorf("got %v (%s), want MP-CERTBAD with the server's words", err, errID(err))
				}
			})
		}
	}
}

// TestAlerts sends each alert in answer to the client's hello.
func TestAlerts(t *testing.T) {
	for code, want := range map[byte]string{
		40: "MP-TLS", 42: "MP-CERTBAD", 43: "HOST-EKU", 44: "MP-CERTREVOKED", 45: "MP-CERTEXPIRED", 46: "MP-CERTBAD",
		48: "MP-CERTCA", 49: "MP-CERTBAD", 51: "MP-CERTBAD", 70: "MP-TLS", 80: "MP-TLS", 116: "MP-ANON",
	} {
		c := listen(t, func(conn net.Conn) error {
			conn.Read(make([]byte, 1<<16))
			_, err := conn.Write([]byte{21, 3, 3, 0, 2, 2, code})
			return err
		})
		_, err := c.Info(t.Context(), "jdoe", "")
		if got := errID(err); got != want {
			t.Errorf("alert %d: %s, want %s (%v)", code, got, want, err)
		}
	}
}

// TestLateAlert is a refused certificate under TLS 1.3, seen at the first read or write.
func TestLateAlert(t *testing.T) {
	for name, tt := range map[string]struct {
		auth tls.ClientAuthType
		cred *proxycert.Credential
		want string
	}{
		"unknown CA":     {tls.RequireAndVerifyClientCert, box(), "MP-CERTCA"},
		"no certificate": {tls.RequireAnyClientCert, nil, "MP-ANON"},
	} {
		for _, version := range versions {
			c := listen(t, func(conn net.Conn) error {
				cfg := serverConfig(version)
				cfg.ClientAuth, cfg.ClientCAs, cfg.Time = tt.auth, x509.NewCertPool(), func() time.Time { return testTime }
				tls.Server(conn, cfg).Handshake()
				io.Copy(io.Discard, conn)
				return nil
			})
			c.TLS = clientConfig(tt.cred)
			_, err := c.Info(t.Context(), "jdoe", "")
			want := tt.want
			if want == "MP-ANON" && version == tls.VersionTLS12 {
				want = "MP-TLS" // that version has no alert of its own for it
			}
			if got := errID(err); got != want {
				t.Errorf("%s, %s: %s, want %s (%v)", name, tls.VersionName(version), got, want, err)
			}
		}
	}
}

type fault struct{ id string }

func (f *fault) Error() string   { return "refused by the test" }
func (f *fault) FaultID() string { return f.id }

// TestServerNotAccepted: the reason is kept for callers.
func TestServerNotAccepted(t *testing.T) {
	reject := func(err error) func(*tls.Config) {
		return func(cfg *tls.Config) {
			cfg.InsecureSkipVerify = true
			cfg.VerifyConnection = func(tls.ConnectionState) error { return err }
		}
	}
	for _, tt := range []struct {
		name   string
		config func(*tls.Config)
		want   string
	}{
		{"unknown CA", func(cfg *tls.Config) { cfg.RootCAs = x509.NewCertPool() }, "CA-MISSING"},
		{"another host", func(cfg *tls.Config) { cfg.ServerName = "px.example.org" }, "MP-SRVDN"},
		{"host of the client", func(cfg *tls.Config) { cfg.ServerName = "" }, "ok"},
		{"expired", func(cfg *tls.Config) { cfg.Time = func() time.Time { return testTime.AddDate(2, 0, 0) } }, "MP-SRVCERT"},
		{"some reason", reject(&fault{}), "MP-SRVCERT"},
		{"a reason with an id", reject(fmt.Errorf("checking: %w", &fault{"CRL-STALE"})), "CRL-STALE"},
		{"x509's reason", reject(x509.HostnameError{Certificate: server().Leaf(), Host: "x"}), "MP-SRVDN"},
		{"by VerifyPeerCertificate", func(cfg *tls.Config) {
			cfg.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return &fault{"CHAIN-EXPIRED"} }
		}, "MP-SRVCERT"},
		{"trust's other name", reject(&fault{"PEER-NAME"}), "MP-SRVDN"},
		{"trust's unknown CA", reject(&fault{"CA-MISSING"}), "CA-MISSING"},
		{"trust's clock", reject(&fault{"CLOCK"}), "CLOCK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, tls.VersionTLS13, say(okMessage))
			tt.config(c.TLS)
			err := c.Destroy(t.Context(), "jdoe", "")
			if got := errID(err); got != tt.want {
				t.Fatalf("got %s, want %s (%v)", got, tt.want, err)
			}
			var f *fault
			if strings.Contains(tt.name, "reason with") && !errors.As(err, &f) {
				t.Errorf("the reason is lost: %#v", err)
			}
		})
	}
}

// TestIdentityShown: with a configuration's certificate and with a callback's,
// and whatever CAs the server lists.
func TestIdentityShown(t *testing.T) {
	cert := box().TLS()
	for name, cfg := range map[string]*tls.Config{
		"certificates": {Certificates: []tls.Certificate{cert}},
		"callback":     {GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }},
	} {
		var shown int
		c := listen(t, func(conn net.Conn) error {
			sc := serverConfig(tls.VersionTLS13)
			sc.ClientCAs = x509.NewCertPool()
			sc.ClientCAs.AddCert(server().Leaf()) // not the CA of the box
			p := &peer{Conn: tls.Server(conn, sc), raw: conn}
			if err := p.start(); err != nil {
				return err
			}
			shown = len(p.ConnectionState().PeerCertificates)
			return say(okMessage)(p)
		})
		cfg.InsecureSkipVerify = true
		c.TLS = cfg
		if err := c.Destroy(t.Context(), "jdoe", ""); err != nil || shown != 1 {
			t.Errorf("%s: %d certificates were shown, %v", name, shown, err)
		}
	}
}

// TestTimeout hangs at every step; the time is the bubble's.
func TestTimeout(t *testing.T) {
	hang := func(p *peer) error { io.Copy(io.Discard, p.raw); return nil }
	get := func(ctx context.Context, c *myproxy.Client) error {
		_, err := c.Get(ctx, myproxy.GetRequest{Username: "jdoe", Key: proxycert.P256})
		return err
	}
	for name, s := range map[string]script{
		"no answer":       hang,
		"half an answer":  func(p *peer) error { p.send(okMessage[:9]); return hang(p) },
		"no chain":        signs(stored(), dayTemplate, func(p *peer, _ []*x509.Certificate) error { return hang(p) }),
		"half a chain":    signs(stored(), dayTemplate, func(p *peer, c []*x509.Certificate) error { p.send([]byte{3}, c[0].Raw); return hang(p) }),
		"no TLS":          nil,
		"no connection":   nil,
		"caller's time":   hang,
		"caller cancels":  hang,
		"only the OK out": signs(stored(), dayTemplate, func(p *peer, c []*x509.Certificate) error { b, _ := myproxy.MarshalChain(c); p.send(b); return hang(p) }),
	} {
		t.Run(name, func(t *testing.T) {
			server()
			box()
			stored() // keys are made outside of the bubble
			synctest.Test(t, func(t *testing.T) {
				c := client(box())
				c.Timeout = 7 * time.Second
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				want, wait := "MP-TIMEOUT", c.Timeout
				switch name {
				case "caller's time":
					wait = 3 * time.Second
					ctx, cancel = context.WithTimeout(ctx, wait)
					defer cancel()
				case "caller cancels":
					want, wait = "MP-CANCELED", 2*time.Second
					time.AfterFunc(wait, cancel)
				case "only the OK out":
					want, wait = "ok", 2*time.Second
				}
				c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					if name == "no connection" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					here, there := net.Pipe()
					go func() {
						defer there.Close()
						if s == nil {
							io.Copy(io.Discard, there)
							return
						}
						// TLS 1.2: net.Pipe has no buffer for what nobody has asked for yet.
						p := &peer{Conn: tls.Server(there, serverConfig(tls.VersionTLS12)), raw: there}
						if err := p.start(); err != nil {
							t.Errorf("server: %v", err)
							return
						}
						s(p)
					}()
					return here, nil
				}
				start := time.Now()
				err := get(ctx, c)
				if got := errID(err); got != want {
					t.Errorf("got %s, want %s (%v)", got, want, err)
				}
				if took := time.Since(start); took != wait {
					t.Errorf("it took %v, want %v", took, wait)
				}
				switch want {
				case "MP-TIMEOUT":
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v is no context.DeadlineExceeded", err)
					}
				case "MP-CANCELED":
					if !errors.Is(err, context.Canceled) {
						t.Errorf("%v is no context.Canceled", err)
					}
				}
			})
		})
	}
}

func TestConnect(t *testing.T) {
	for _, tt := range []struct{ server, want string }{
		{"px.example.org", "px.example.org:7512"},
		{"px.example.org:7600", "px.example.org:7600"},
		{"192.0.2.1", "192.0.2.1:7512"},
		{"2001:db8::1", "[2001:db8::1]:7512"},
		{"[2001:db8::1]", "[2001:db8::1]:7512"},
		{"[2001:db8::1]:7600", "[2001:db8::1]:7600"},
		{"", ""}, {":7512", ""}, {"px:0", ""}, {"px:65536", ""}, {"px:x", ""}, {"a,b", ""}, {"a b", ""}, {"px:1:2", ""}, {"[x]", ""},
	} {
		var got string
		c := client(nil)
		c.Server = tt.server
		c.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
			got = address
			return nil, &net.DNSError{Err: "no such host", Name: "px", IsNotFound: true}
		}
		err := c.Destroy(t.Context(), "jdoe", "")
		want := "MP-NET"
		if tt.want == "" {
			want = "MP-REQUEST"
		}
		if got != tt.want || errID(err) != want {
			t.Errorf("%q: dialled %q, want %q; %v", tt.server, got, tt.want, err)
		}
		var e *myproxy.Error
		if errors.As(err, &e) && e.Temporary {
			t.Errorf("%q: an unknown host will not be known soon", tt.server)
		}
	}
}

func TestConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, host := range []string{"127.0.0.1", "localhost"} {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		c := &myproxy.Client{Server: net.JoinHostPort(host, port), TLS: clientConfig(nil)}
		err = c.Destroy(t.Context(), "jdoe", "")
		var e *myproxy.Error
		if !errors.As(err, &e) || e.ID != "MP-NET" || !e.Temporary || !strings.Contains(err.Error(), "127.0.0.1:"+port) {
			t.Errorf("%s: got %v, want MP-NET", host, err)
		}
	}
}

// TestDialAny: addresses are tried in turn, with a head start for the first.
func TestDialAny(t *testing.T) {
	for _, tt := range []struct {
		name  string
		dials map[string]time.Duration // negative: fails after that time
		want  string
		took  time.Duration
	}{
		{"the first", map[string]time.Duration{"a": 10 * time.Millisecond, "b": time.Millisecond}, "a", 10 * time.Millisecond},
		{"the first is silent", map[string]time.Duration{"a": time.Hour, "b": time.Millisecond}, "b", 251 * time.Millisecond},
		{"the first fails", map[string]time.Duration{"a": -time.Millisecond, "b": time.Millisecond}, "b", 2 * time.Millisecond},
		{"the first is slow", map[string]time.Duration{"a": 300 * time.Millisecond, "b": time.Second}, "a", 300 * time.Millisecond},
		{"all fail", map[string]time.Duration{"a": -time.Second, "b": -time.Millisecond}, "", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				conn, err := myproxy.DialAny(t.Context(), []string{"a", "b"}, func(ctx context.Context, addr string) (net.Conn, error) {
					d := tt.dials[addr]
					select {
					case <-time.After(d.Abs()):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if d < 0 {
						return nil, errors.New(addr + " fails")
					}
					return namedConn{name: addr}, nil
				})
				if took := time.Since(start); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				if tt.want == "" {
					if err == nil || !strings.Contains(err.Error(), "a fails") || !strings.Contains(err.Error(), "b fails") {
						t.Errorf("got %v, want both failures", err)
					}
				} else if err != nil || conn.(namedConn).name != tt.want {
					t.Errorf("got %v, %v; want %s", conn, err, tt.want)
				}
			})
		})
	}
	if _, err := myproxy.DialAny(t.Context(), nil, nil); err == nil {
		t.Errorf("no address, and no error")
	}
}

type namedConn struct {
	net.Conn
	name string
}

func (namedConn) Close() error { return nil }

// TestUnsendable: what would be misread is not sent, and the error names the field.
func TestUnsendable(t *testing.T) {
	user := jane()
	ok := myproxy.PutRequest{Username: "jdoe", Credential: user}
	put := func(change func(*myproxy.PutRequest)) func(c *myproxy.Client) error {
		return func(c *myproxy.Client) error {
			r := ok
			change(&r)
			return c.Put(t.Context(), r)
		}
	}
	get := func(r myproxy.GetRequest) func(c *myproxy.Client) error {
		return func(c *myproxy.Client) error {
			_, err := c.Get(t.Context(), r)
			return err
		}
	}
	for _, tt := range []struct {
		name string
		do   func(c *myproxy.Client) error
		want string
	}{
		{"empty user", get(myproxy.GetRequest{}), "user name"},
		{"LF in user", get(myproxy.GetRequest{Username: "a\nb"}), "user name contains a line feed"},
		{"CR in user", get(myproxy.GetRequest{Username: "a\rb"}), "user name contains a carriage return"},
		{"NUL in name", get(myproxy.GetRequest{Username: "a", CredName: "a\x00"}), "credential name contains a NUL"},
		{"field in name", get(myproxy.GetRequest{Username: "a", CredName: "xLIFETIME=1"}), `credential name "xLIFETIME=1" contains "LIFETIME="`},
		{"field in description", put(func(r *myproxy.PutRequest) { r.Description = "RETRIEVER=*" }), "description"},
		{"field in renewer", put(func(r *myproxy.PutRequest) { r.Renewer = "USERNAME=x" }), "renewer"},
		{"field in retriever", put(func(r *myproxy.PutRequest) { r.Retriever = "VONAME=x" }), "retriever"},
		{"field in key retriever", put(func(r *myproxy.PutRequest) { r.KeyRetriever = "COMMAND=x" }), "key retriever"},
		{"field in trusted retriever", put(func(r *myproxy.PutRequest) { r.TrustedRetriever = "VOMSES=" }), "trusted retriever"},
		{"LF in passphrase", get(myproxy.GetRequest{Username: "a", Passphrase: []byte("sesame\n7")}), "passphrase contains a line feed"},
		{"field in passphrase", get(myproxy.GetRequest{Username: "a", Passphrase: []byte("sesameRENEWER=")}), "passphrase contains the name"},
		{"long passphrase", get(myproxy.GetRequest{Username: "a", Passphrase: []byte(strings.Repeat("x", 1024))}), "passphrase"},
		{"short passphrase", put(func(r *myproxy.PutRequest) { r.Passphrase = []byte("12345") }), "fewer than 6"},
		{"no credential", put(func(r *myproxy.PutRequest) { r.Credential = nil }), "no credential"},
		{"negative lifetime", put(func(r *myproxy.PutRequest) { r.MaxLifetime = -1 * time.Hour }), "negative"},
		{"negative stored lifetime", put(func(r *myproxy.PutRequest) { r.Lifetime = -1 }), "negative"},
		{"endless lifetime", put(func(r *myproxy.PutRequest) { r.MaxLifetime = 1<<63 - 1 }), "lifetime"},
		{"old proxy without key", get(myproxy.GetRequest{Username: "a", Renew: &proxycert.Credential{Chain: user.Chain}}), "old proxy"},
		{"more than a record", get(myproxy.GetRequest{Username: strings.Repeat("x", 1<<14)}), "bytes"},
		{"short new passphrase", func(c *myproxy.Client) error {
			return c.ChangePassphrase(t.Context(), "jdoe", "", []byte("sesame7"), []byte("12345"))
		}, "new passphrase"},
	} {
		c := client(box())
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s: a connection is made", tt.name)
			return nil, io.EOF
		}
		err := tt.do(c)
		if errID(err) != "MP-REQUEST" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		} else if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "RENEWER") || strings.Contains(err.Error(), "12345") {
			t.Errorf("%s: a passphrase is in %v", tt.name, err)
		}
	}
}

// TestKeyFailure: an unknown kind of key is our own fault, whatever the server does.
func TestKeyFailure(t *testing.T) {
	c := serve(t, tls.VersionTLS13, say(okMessage))
	if _, err := c.Get(t.Context(), myproxy.GetRequest{Username: "jdoe", Key: "rot13"}); errID(err) != "MP-REQUEST" {
		t.Errorf("got %v, want MP-REQUEST", err)
	}
}
