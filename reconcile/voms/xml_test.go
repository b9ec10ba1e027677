package voms_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// private is the alphabet of vomsd for clients that do not ask for base64.
var private = base64.NewEncoding("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]").WithPadding(base64.NoPadding)

func TestXMLRequest(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fqans    []string
		commands string
	}{
		{"none", nil, "<command>G/alice</command>"},
		{"role", []string{"/alice/Role=lcgadmin"}, "<command>B/alice:lcgadmin</command>"},
		{"several in order", []string{"/alice/g/Role=x/Capability=NULL", "/alice/g/Role=NULL", "/alice"},
			"<command>B/alice/g:x</command><command>G/alice/g</command><command>G/alice</command>"},
		{"all", []string{"all"}, "<command>A</command>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveRaw(t, nil, xmlOnly(vomsans(lines64(theWorld().ac))))
			resp, e := ask(t, voms.Request{VO: "alice", FQANs: tt.fqans, Lifetime: 48 * time.Hour}, s.Server)
			if e != nil {
				t.Fatal(e)
			}
			if resp.Protocol != voms.XML || len(resp.Warnings) != 0 {
				t.Errorf("got %+v", resp)
			}
			heard := s.requests()
			want := `<?xml version="1.0" encoding="US-ASCII"?><voms>` + tt.commands +
				"<base64>1</base64><version>4</version><lifetime>172800</lifetime></voms>\n"
			if len(heard) != 2 || !strings.HasPrefix(heard[0], "GET ") || heard[1] != want {
				t.Errorf("heard %q\nwant a GET and %q", heard, want)
			}
		})
	}
}

func TestXMLAnswers(t *testing.T) {
	ac := theWorld().ac
	long := strings.Repeat("x", 100_000)
	for _, tt := range []struct {
		name, answer string
		id, code     string // empty: an AC
		warning      string
		temporary    bool
	}{
		{name: "AC", answer: vomsans(lines64(ac))},
		{name: "AC on one line", answer: vomsans(base64.StdEncoding.EncodeToString(ac))},
		{name: "private alphabet", answer: vomsans(private.EncodeToString(ac))},
		{name: "two ACs one behind the other", answer: vomsans(lines64(append(ac[:len(ac):len(ac)], ac...)))},
		{name: "two elements", answer: strings.Replace(vomsans(lines64(ac)), "<ac>", "<ac>"+lines64(ac)+"</ac><ac>", 1),
			warning: "sent 2 attribute certificates, only the first is used"},
		{name: "bitstr", answer: strings.Replace(vomsans(lines64(ac)), "<ac>", "<bitstr>QQ==</bitstr><ac>", 1)},
		{name: "shortened", answer: vomsans(lines64(ac), "2", vomsdShort), warning: vomsdShort},
		{name: "several warnings", answer: vomsans(lines64(ac), "1", "FQAN: /alice is not the first selected!", "3", "subset"),
			warning: "FQAN: /alice is not the first selected!|subset"},

		{name: "unknown", answer: vomsans("QQ==\n", "1001", "alice: User unknown to this VO."), id: "VO-UNKNOWN", code: "1001"},
		{name: "unknown, private alphabet", answer: vomsans("qq", "1001", "alice: User unknown to this VO."), id: "VO-UNKNOWN", code: "1001"},
		{name: "role not held", answer: vomsans("QQ==\n", "1001", "alice: Unable to satisfy B/alice:pilot request!"), id: "VO-FQAN", code: "1001"},
		{name: "database in passing", answer: vomsans("QQ==\n", "1001", ": Unable to satisfy G/alice request due to database error."), id: "VO-SERVER", code: "1001"},
		{name: "empty", answer: vomsans("QQ==\n", "1002", "alice : no valid VOMS attributes found for your request."), id: "VO-NESTED", code: "1002"},
		{name: "database", answer: vomsans("QQ==\n", "1003", "alice: Problems in DB communication."), id: "VO-SERVER", code: "1003"},
		{name: "suspended", answer: vomsans("QQ==\n", "1004", "alice: you have been suspended: AUP"), id: "VO-SUSP", code: "1004"},
		{name: "not understood", answer: vomsans("QQ==\n", "1005", "Unable to interpret command: x"), id: "VO-PROTO", code: "1005"},
		{name: "unexpected", answer: vomsans("QQ==\n", "1006", "x"), id: "VO-PROTO", code: "1006"},
		{name: "future", answer: vomsans("QQ==\n", "4711", "x"), id: "VO-PROTO", code: "4711"},
		{name: "a warning and a refusal", answer: vomsans("QQ==\n", "2", vomsdShort, "1001", "User unknown to this VO"), id: "VO-UNKNOWN", code: "1001"},
		{name: "the dummy with a warning only", answer: vomsans("QQ==\n", "2", vomsdShort), id: "VO-PROTO"},
		{name: "a refusal with a real AC", answer: vomsans(lines64(ac), "1001", "User unknown to this VO"), id: "VO-UNKNOWN", code: "1001"},
		{name: "long message", answer: vomsans("QQ==", "1001", "User unknown\n\t\x07 to &lt;this&gt; &nbsp; VO "+long), id: "VO-UNKNOWN", code: "1001"},

		{name: "nothing", answer: "", id: "VO-NET", temporary: true},
		{name: "garbage", answer: "\x00\x01\xff nothing of the kind", id: "VO-PROTO"},
		{name: "HTML", answer: "<html><body>400 Bad Request</body></html>", id: "VO-PROTO"},
		{name: "cut", answer: vomsans(lines64(ac))[:500], id: "VO-PROTO"},
		{name: "deep", answer: "<voms>" + strings.Repeat("<x>", 1000), id: "VO-PROTO"},
		{name: "entities", answer: `<!DOCTYPE v [<!ENTITY a "` + long + `">]><vomsans><ac>&a;&a;</ac></vomsans>`, id: "VO-PROTO"},
		{name: "huge", answer: "<vomsans><ac>" + strings.Repeat(long, 20), id: "VO-PROTO"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveRaw(t, nil, xmlOnly(tt.answer))
			resp, e := ask(t, lcgadmin, s.Server)
			if tt.id == "" {
				if e != nil {
					t.Fatal(e)
				}
				got := strings.Join(resp.Warnings, "|")
				if got != tt.warning && (tt.warning == "" || !strings.HasSuffix(got, " "+tt.warning)) {
					t.Errorf("got warnings %q, want %q", got, tt.warning)
				}
				return
			}
			if e == nil {
				t.Fatalf("got an AC, want %s", tt.id)
			}
			if e.ID != tt.id || e.Code != tt.code || e.Temporary != tt.temporary || e.Protocol != voms.XML {
				t.Errorf("got %+v\nwant %s, code %q, temporary %v", e, tt.id, tt.code, tt.temporary)
			}
			if len(e.Error()) > 1500 {
				t.Errorf("an error of %d octets", len(e.Error()))
			}
		})
	}
}

// The answer ends where its root does, even if the server keeps the connection open.
func TestXMLServerThatDoesNotClose(t *testing.T) {
	s := serveRaw(t, nil, func(request string, conn *tls.Conn) {
		if strings.HasPrefix(request, "GET") {
			return
		}
		answer := vomsans(lines64(theWorld().ac))
		io.WriteString(conn, answer[:len(answer)-5]) // the end tag in two records
		io.WriteString(conn, answer[len(answer)-5:])
		hang(request, conn)
	})
	if _, e := ask(t, lcgadmin, s.Server); e != nil {
		t.Fatal(e)
	}
}

func TestHang(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   func(string, *tls.Conn)
		requests int
		protocol string
	}{
		{"REST", hang, 1, voms.REST}, // the XML protocol would hang as well
		{"REST in the middle", func(r string, conn *tls.Conn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<voms>")
			hang(r, conn)
		}, 1, voms.REST},
		{"XML", func(r string, conn *tls.Conn) {
			if !strings.HasPrefix(r, "GET") {
				io.WriteString(conn, xmlHead)
				hang(r, conn)
			}
		}, 2, voms.XML},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveRaw(t, nil, tt.answer)
			c := theWorld().newClient()
			c.Timeout = 3 * time.Second // for all that comes before it hangs, on a busy machine
			_, err := c.Request(t.Context(), []voms.Server{s.Server}, lcgadmin)
			e := theError(t, err)
			if e.ID != voms.TimedOut || !e.Temporary || e.Protocol != tt.protocol || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %+v", e)
			}
			if n := len(s.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// A deadline over all is shared out, so that a server which hangs leaves time for the next.
func TestDeadlineIsShared(t *testing.T) {
	t.Parallel()
	slow := serveRaw(t, nil, hang)
	good := serveRaw(t, nil, xmlOnly(vomsans(lines64(theWorld().ac))))
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	resp, err := theWorld().newClient().Request(ctx, []voms.Server{slow.Server, good.Server}, lcgadmin)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Server.Port != good.Port {
		t.Errorf("got %+v", resp.Server)
	}
}

func TestSeveralServers(t *testing.T) {
	refuse := func(code, message string) voms.Server {
		return serveRaw(t, nil, xmlOnly(vomsans("QQ==\n", code, message))).Server
	}
	unknown := refuse("1001", "alice: User unknown to this VO.")
	aup := refuse("1004", "User x needs to sign AUP for this organization")
	empty := serveRaw(t, nil, xmlOnly("")).Server
	good := serveRaw(t, nil, xmlOnly(vomsans(lines64(theWorld().ac)))).Server
	gone := closedPort(t)
	for _, tt := range []struct {
		name    string
		servers []voms.Server
		id      string
		texts   []string
	}{
		{"the second is good", []voms.Server{gone, good}, "", nil},
		{"a refusal does not stop", []voms.Server{unknown, aup, empty, good}, "", nil},
		{"refusal before network", []voms.Server{gone, unknown, empty}, "VO-UNKNOWN",
			[]string{"nothing there", "User unknown", "closed the connection"}},
		{"the most telling refusal", []voms.Server{unknown, aup}, "VO-AUP", []string{"User unknown", "sign AUP"}},
		{"all gone", []voms.Server{gone, gone}, "VO-VOMSES", []string{"connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := theWorld().newClient().Request(t.Context(), tt.servers, lcgadmin)
			if tt.id == "" {
				if err != nil {
					t.Fatal(err)
				}
				if resp.Server.Port != good.Port {
					t.Errorf("got %+v", resp.Server)
				}
				return
			}
			if e := theError(t, err); e.ID != tt.id {
				t.Errorf("got %s, want %s: %v", e.ID, tt.id, err)
			}
			last := -1
			for _, text := range tt.texts {
				i := strings.Index(err.Error(), text)
				if i <= last {
					t.Errorf("%q is not in the right place of %v", text, err)
				}
				last = i
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		_, e := ask(t, lcgadmin)
		if e.ID != voms.NoServer || e.Temporary || !strings.Contains(e.Remedy, "/etc/vomses/alice") {
			t.Errorf("got %+v", e)
		}
	})
}

// closedPort returns a server where nothing listens.
func closedPort(t testing.TB) voms.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return theWorld().at(t, l.Addr())
}

func TestConnectionFailures(t *testing.T) {
	w := theWorld()
	gone := closedPort(t)
	_, e := ask(t, lcgadmin, gone)
	if e.ID != voms.NoServer || !e.Temporary || !strings.Contains(e.Remedy, "correct /etc/vomses/alice line 1") {
		t.Errorf("nothing listening: got %+v", e)
	}

	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	go func() {
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 mail.example.org ESMTP\r\n")
			c.Close()
		}
	}()
	_, e = ask(t, lcgadmin, w.at(t, plain.Addr()))
	if e.ID != voms.NotVOMS || e.Temporary {
		t.Errorf("no TLS: got %+v", e)
	}

	bad := serveRaw(t, nil, func(_ string, conn *tls.Conn) { io.WriteString(conn, "220 mail.example.org ESMTP\r\n") })
	_, e = ask(t, lcgadmin, bad.Server)
	if e.ID != voms.NotVOMS || len(bad.requests()) != 2 {
		t.Errorf("no HTTP: got %+v after %d requests", e, len(bad.requests()))
	}
}

type namedError struct{ error }

func (namedError) FaultID() string { return "CRL-STALE" }

func TestServerNotAccepted(t *testing.T) {
	w := theWorld()
	own := errors.New("the DN is not that of the vomses line")
	for _, tt := range []struct {
		name   string
		change func(*tls.Config)
		id     string
		is     error
	}{
		{"unknown CA", func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }, "CA-MISSING", nil},
		{"the caller's check", func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return own }
		}, "VO-PEER", own},
		{"the caller's check of certificates", func(c *tls.Config) {
			c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return own }
		}, "VO-PEER", own},
		{"a check with a name", func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return namedError{own} }
		}, "CRL-STALE", nil},
		{"no certificate to show", func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, own }
		}, "VO-CERT", own},
		{"host name", func(c *tls.Config) { c.ServerName = "other.example.org" }, "VO-PEER", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveRaw(t, nil, xmlOnly(vomsans(lines64(w.ac))))
			c := &voms.Client{TLS: func(s voms.Server) *tls.Config {
				config := w.clientConfig(s)
				tt.change(config)
				return config
			}}
			_, err := c.Request(t.Context(), []voms.Server{s.Server}, lcgadmin)
			e := theError(t, err)
			if e.ID != tt.id || e.Temporary || len(s.requests()) != 0 {
				t.Errorf("got %+v after %d requests, want %s", e, len(s.requests()), tt.id)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, which does not wrap %v", err, tt.is)
			}
		})
	}
}

// TestAlerts has servers that refuse the client's certificate: in the handshake at TLS 1.2, at the first read at 1.3.
func TestAlerts(t *testing.T) {
	w := theWorld()
	expired := func() tls.Certificate {
		cert, key := issueExpired()
		return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	}()
	stranger := func() tls.Certificate {
		ca, caKey := issue(nil, nil, "Another CA", time.Hour)
		cert, key := issue(ca, caKey, "Jane Doe", time.Hour)
		return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	}()
	for _, tt := range []struct {
		name  string
		show  tls.Certificate
		cause string
	}{
		{"expired", expired, "has expired"},
		{"unknown CA", stranger, "does not know the CA"},
		{"none", tls.Certificate{}, "no certificate was shown"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.name+" "+tls.VersionName(version), func(t *testing.T) {
				config := w.serverConfig()
				config.MaxVersion, config.ClientAuth, config.ClientCAs = version, tls.RequireAndVerifyClientCert, w.pool
				s := serveRaw(t, config, hang)
				c := &voms.Client{TLS: func(s voms.Server) *tls.Config {
					config := w.clientConfig(s)
					config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tt.show, nil }
					return config
				}}
				_, err := c.Request(t.Context(), []voms.Server{s.Server}, lcgadmin)
				e := theError(t, err)
				if e.ID != voms.CertificateRefused || e.Temporary || e.Code == "" || !strings.Contains(e.Cause, tt.cause) {
					t.Errorf("got %+v, want %q", e, tt.cause)
				}
			})
		}
	}
}

// Alerts that crypto/tls does not send of itself, as answers to the client's first record: RFC 8446 section 6.
func TestRawAlerts(t *testing.T) {
	for _, tt := range []struct {
		alert    byte
		id, text string
	}{
		{44, voms.CertificateRefused, "has been revoked"},
		{43, voms.CertificateRefused, "not good enough"},
		{46, voms.CertificateRefused, "not good enough"},
		{40, voms.CertificateRefused, "no certificate was shown, or there is no cipher"},
		{70, voms.NotVOMS, "protocol version not supported"},
		{80, voms.NotVOMS, "internal error"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			c.Read(make([]byte, 16<<10))
			c.Write([]byte{21, 3, 3, 0, 2, 2, tt.alert})
		}()
		_, e := ask(t, lcgadmin, theWorld().at(t, l.Addr()))
		if e.ID != tt.id || e.Temporary || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("alert %d: got %+v", tt.alert, e)
		}
		l.Close()
	}
}

func issueExpired() (*x509.Certificate, *ecdsa.PrivateKey) {
	return issue(theWorld().ca, theWorld().caKey, "Jane Doe", -time.Minute)
}
