package gridtest_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// vomsSend sends records and returns all that is answered.
func vomsSend(t *testing.T, s *gridtest.Site, c *proxycert.Credential, records ...string) string {
	t.Helper()
	conn, _ := dial(t, s.VOMS.Addr(), c, 0)
	for _, r := range records {
		if _, err := conn.Write([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := readAll(conn)
	if err != nil {
		t.Fatalf("%v after %q", err, out)
	}
	return out
}

// rest asks by REST and returns status and body.
func rest(t *testing.T, s *gridtest.Site, c *proxycert.Credential, query string) (int, string) {
	t.Helper()
	out := vomsSend(t, s, c, "GET /generate-ac?"+query+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(out)), nil)
	if err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

var acPattern = regexp.MustCompile(`(?s)<ac>(.*?)</ac>`)

// acOf parses the AC in a body.
func acOf(t *testing.T, body string) *attrcert.AC {
	t.Helper()
	m := acPattern.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no AC in %q", body)
	}
	der, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	ac, err := attrcert.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return ac
}

func TestREST(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{MaxAC: 24 * time.Hour})
	tests := []struct {
		name, query string
		status      int
		fqans       []string // nil: an error
		lifetime    time.Duration
		says        string
	}{
		{"role", "fqans=/alice/Role=lcgadmin&lifetime=3600", 200, []string{"/alice/Role=lcgadmin", "/alice", "/alice/team"}, time.Hour, ""},
		{"group", "fqans=/alice/team&lifetime=3600", 200, []string{"/alice/team", "/alice"}, time.Hour, ""},
		{"two", "fqans=/alice/team,/alice/Role=lcgadmin&lifetime=60", 200, []string{"/alice/team", "/alice/Role=lcgadmin", "/alice"}, time.Minute, ""},
		{"order", "fqans=/alice/team,/alice/Role=lcgadmin&order=/alice/Role=lcgadmin&lifetime=60", 200, []string{"/alice/Role=lcgadmin", "/alice/team", "/alice"}, time.Minute, ""},
		{"all", "fqans=all&lifetime=60", 200, []string{"/alice", "/alice/team", "/alice/Role=lcgadmin"}, time.Minute, ""},
		{"no FQANs", "lifetime=60", 200, []string{"/alice", "/alice/team"}, time.Minute, ""},
		{"no lifetime", "fqans=/alice", 200, []string{"/alice", "/alice/team"}, 0, ""},
		{"lifetime 0", "fqans=/alice&lifetime=0", 200, []string{"/alice", "/alice/team"}, 0, ""},
		{"lifetime below 0", "fqans=/alice&lifetime=-1", 200, []string{"/alice", "/alice/team"}, 0, ""},
		{"too long", "fqans=/alice&lifetime=999999", 500, []string{"/alice", "/alice/team"}, 24 * time.Hour, "is shortened to 86400 seconds!</warning>"},
		{"unknown parameter", "fqans=/alice&lifetime=60&x=y", 500, []string{"/alice", "/alice/team"}, time.Minute, "Unknown parameters in the request were ignored!"},
		{"parameter without value", "fqans=/alice&x", 404, nil, 0, ""},
		{"role not held", "fqans=/alice/Role=pilot&lifetime=60", 400, nil, 0, "<code>BadRequest</code><message>alice: Unable to satisfy B/alice:pilot request!"},
		{"role NULL", "fqans=/alice/Role=NULL&lifetime=60", 400, nil, 0, "Unable to satisfy B/alice:NULL request!"},
		{"percent-encoded", "fqans=%2Falice%2FRole%3Dlcgadmin&lifetime=60", 400, nil, 0, "Unable to satisfy %2Falice%2FRole%3Dlcgadmin request!"},
		{"other VO", "fqans=/atlas&lifetime=60", 400, nil, 0, "alice: Unable to satisfy G/atlas request!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := rest(t, s, s.User, tt.query)
			if status != tt.status || !strings.Contains(body, tt.says) {
				t.Fatalf("status %d, body %q, want %d with %q", status, body, tt.status, tt.says)
			}
			if tt.fqans == nil {
				if acPattern.MatchString(body) {
					t.Errorf("an AC in %q", body)
				}
				return
			}
			ac := acOf(t, body)
			if !slices.Equal(ac.FQANs, tt.fqans) || ac.NotAfter.Sub(ac.NotBefore) != tt.lifetime {
				t.Errorf("%q for %v, want %q for %v", ac.FQANs, ac.NotAfter.Sub(ac.NotBefore), tt.fqans, tt.lifetime)
			}
			if ac.RawFQANs[0] != longForm(tt.fqans[0]) || !ac.HeldBy(s.User.Leaf()) || ac.PolicyAuthority != "alice://"+s.VOMS.Addr() {
				t.Errorf("AC %q of %q", ac.RawFQANs, ac.PolicyAuthority)
			}
		})
	}
	t.Run("capability ends the connection", func(t *testing.T) {
		if out := vomsSend(t, s, s.User, "GET /generate-ac?fqans=/alice/Role=lcgadmin/Capability=NULL HTTP/1.1\r\nHost: x\r\n\r\n"); out != "" {
			t.Errorf("answered %q", out)
		}
	})
	t.Run("other path", func(t *testing.T) {
		if out := vomsSend(t, s, s.User, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.HasPrefix(out, "HTTP/1.1 404 ") {
			t.Errorf("answered %q", out)
		}
	})
	t.Run("limited to the AC that came with it", func(t *testing.T) {
		der, err := s.VOMS.Attest("alice", s.User, time.Hour, "/alice")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.CA.Proxy(s.User, time.Hour, attrcert.Extension(der))
		if err != nil {
			t.Fatal(err)
		}
		status, body := rest(t, s, c, "fqans=/alice/Role=lcgadmin&lifetime=60")
		if ac := acOf(t, body); status != 500 || !slices.Equal(ac.FQANs, []string{"/alice"}) {
			t.Errorf("status %d, %q", status, ac.FQANs)
		}
	})
}

func longForm(f string) string {
	if strings.Contains(f, "/Role=") {
		return f + "/Capability=NULL"
	}
	return f + "/Role=NULL/Capability=NULL"
}

// TestFlagByte: the C++ client's leading 0, and its bare line feeds.
func TestFlagByte(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	get := "GET /generate-ac?fqans=/alice&lifetime=60 HTTP/1.0\nUser-Agent: voms APIs 2.0\nAccept: */*\nHost: localhost:15000\n\n"
	doc := `<?xml version="1.0" encoding="US-ASCII"?><voms><command>G/alice</command><base64>1</base64><version>4</version><lifetime>60</lifetime></voms>`
	for name, records := range map[string][]string{
		"REST": {get}, "REST, 0 before it": {"0", get}, "REST, 0 in one record": {"0" + get}, "XML": {doc}, "XML, 0 before it": {"0", doc},
	} {
		if ac := acOf(t, vomsSend(t, s, s.User, records...)); ac.VO != "alice" {
			t.Errorf("%s: AC of %q", name, ac.VO)
		}
	}
	if out := vomsSend(t, s, s.User, "0"+doc); !strings.Contains(out, "<number>1005</number>") || !strings.Contains(out, "<ac>QQ==\n</ac>") {
		t.Errorf("0 and XML in one record: %q", out)
	}
}

func TestXML(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{MaxAC: 24 * time.Hour})
	ask := func(command, lifetime, more string) string {
		return vomsSend(t, s, s.User, `<?xml version="1.0" encoding="US-ASCII"?><voms><command>`+command+`</command>`+more+`<version>4</version><lifetime>`+lifetime+`</lifetime></voms>`)
	}
	std := "<base64>1</base64>"
	tests := []struct {
		name, command, lifetime string
		fqans                   []string
		want                    time.Duration
		says                    string
	}{
		{"role", "B/alice:lcgadmin", "43200", []string{"/alice/Role=lcgadmin", "/alice", "/alice/team"}, 12 * time.Hour, ""},
		{"group", "G/alice/team", "60", []string{"/alice/team", "/alice"}, time.Minute, ""},
		{"all", "A", "60", []string{"/alice", "/alice/team", "/alice/Role=lcgadmin"}, time.Minute, ""},
		{"as long as possible", "G/alice", "-1", []string{"/alice", "/alice/team"}, 24 * time.Hour, ""},
		{"too long", "G/alice", "999999", []string{"/alice", "/alice/team"}, 24 * time.Hour, "<number>2</number>"},
		{"role not held", "B/alice:pilot", "60", nil, 0, "<number>1001</number><message>alice: Unable to satisfy B/alice:pilot request!"},
		{"unknown command", "M", "60", nil, 0, "<number>1001</number><message>alice: Unable to satisfy M request!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := ask(tt.command, tt.lifetime, std)
			if !strings.Contains(out, tt.says) {
				t.Errorf("%q is missing in %q", tt.says, out)
			}
			if tt.fqans == nil {
				if !strings.Contains(out, "<ac>QQ==\n</ac>") {
					t.Errorf("no dummy AC in %q", out)
				}
				return
			}
			ac := acOf(t, out)
			if !slices.Equal(ac.FQANs, tt.fqans) || ac.NotAfter.Sub(ac.NotBefore) != tt.want {
				t.Errorf("%q for %v, want %q for %v", ac.FQANs, ac.NotAfter.Sub(ac.NotBefore), tt.fqans, tt.want)
			}
		})
	}
	t.Run("list", func(t *testing.T) {
		_, list, _ := strings.Cut(ask("N", "60", std), "<bitstr>")
		list, _, _ = strings.Cut(list, "</bitstr>")
		if got, err := base64.StdEncoding.DecodeString(list); err != nil || string(got) != "/alice\n/alice/team\n/alice/Role=lcgadmin" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("private alphabet", func(t *testing.T) {
		m := acPattern.FindStringSubmatch(ask("G/alice", "60", ""))
		private, std := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		text := strings.Map(func(r rune) rune { return rune(std[strings.IndexRune(private, r)]) }, m[1])
		der, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if ac, err := attrcert.Parse(der); err != nil || ac.VO != "alice" {
			t.Errorf("%+v, %v", ac, err)
		}
	})
}

// TestIAM: the manners of INDIGO IAM's voms-aa.
func TestIAM(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{Style: gridtest.IAM, MaxAC: 12 * time.Hour})
	tests := []struct {
		name, query string
		change      func(*gridtest.Member)
		says        string
		want        time.Duration // 0: an error
	}{
		{"percent-encoded", "fqans=%2Falice%2FRole%3Dlcgadmin&lifetime=60", nil, "", time.Minute},
		{"literal", "fqans=/alice/Role=lcgadmin&lifetime=60", nil, "", time.Minute},
		{"no lifetime", "fqans=/alice/Role=lcgadmin", nil, "", 12 * time.Hour},
		{"too long", "fqans=/alice/Role=lcgadmin&lifetime=999999", nil, "shortened to 43200 seconds, which is the maximum", 12 * time.Hour},
		{"lifetime 0", "fqans=/alice&lifetime=0", nil, "<code>1006</code>", 0},
		{"role not held", "fqans=/alice/Role=pilot&lifetime=60", nil, "<code>1007</code><message>User is not authorized to request attribute", 0},
		{"not active", "fqans=/alice&lifetime=60", func(m *gridtest.Member) { m.Suspended = "x" }, "<code>1004</code>", 0},
		{"AUP", "fqans=/alice&lifetime=60", func(m *gridtest.Member) { m.AUP = true }, "needs to sign AUP", 0},
		{"no member", "fqans=/alice&lifetime=60", func(m *gridtest.Member) { m.DN = "/CN=x" }, "<code>1001</code>", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != nil {
				s.VOMS.Update("alice", func(v *gridtest.VO) { tt.change(&v.Members[0]) })
				defer s.Admit()
			}
			status, body := rest(t, s, s.User, tt.query)
			if status != 200 || !strings.Contains(body, tt.says) {
				t.Fatalf("status %d, body %q, want %q", status, body, tt.says)
			}
			if tt.want == 0 {
				return
			}
			ac := acOf(t, body)
			if ac.NotAfter.Sub(ac.NotBefore) != tt.want || ac.RawFQANs[0] != "/alice/Role=lcgadmin" {
				t.Errorf("%q for %v", ac.RawFQANs, ac.NotAfter.Sub(ac.NotBefore))
			}
		})
	}
	t.Run("errors for old clients", func(t *testing.T) {
		out := vomsSend(t, s, s.User, "GET /generate-ac?fqans=/alice/Role=pilot HTTP/1.0\nUser-Agent: voms APIs 2.0\n\n")
		if !strings.Contains(out, "<vomsans>") || !strings.Contains(out, "<number>1007</number>") {
			t.Errorf("answered %q", out)
		}
	})
}

func TestVOMSFaults(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	signer := s.VOMS.HostDN()
	ask := func(t *testing.T, f gridtest.Fault) string {
		t.Helper()
		f.Times = 1
		s.VOMS.SetFaults(f)
		_, body := rest(t, s, s.User, "fqans=/alice/Role=lcgadmin&lifetime=3600")
		return body
	}
	good := acOf(t, ask(t, gridtest.Fault{}))
	if err := good.CheckSignature(good.Certificates[0]); err != nil || good.Issuer.String() != signer {
		t.Fatalf("without a fault: %v, issuer %q", err, good.Issuer)
	}
	if ac := acOf(t, ask(t, gridtest.Fault{Kind: gridtest.WrongSignature})); ac.CheckSignature(ac.Certificates[0]) == nil {
		t.Error("the signature is right")
	}
	if ac := acOf(t, ask(t, gridtest.Fault{Kind: gridtest.WrongIdentity})); ac.HeldBy(s.User.Leaf()) {
		t.Error("the holder is right")
	}
	if ac := acOf(t, ask(t, gridtest.Fault{Kind: gridtest.ZeroLifetime})); !ac.NotAfter.Equal(ac.NotBefore) {
		t.Errorf("lifetime %v", ac.NotAfter.Sub(ac.NotBefore))
	}
	if ac := acOf(t, ask(t, gridtest.Fault{Kind: gridtest.WrongVO})); ac.VO != "otheralice" || ac.FQANs[0] != "/otheralice/Role=lcgadmin" {
		t.Errorf("VO %q, %q", ac.VO, ac.FQANs)
	}
	if ac := acOf(t, ask(t, gridtest.Fault{Kind: gridtest.Shorten, Lifetime: time.Minute})); ac.NotAfter.Sub(ac.NotBefore) != time.Minute {
		t.Errorf("lifetime %v", ac.NotAfter.Sub(ac.NotBefore))
	}
	if body := ask(t, gridtest.Fault{Kind: gridtest.UnknownVO}); !strings.Contains(body, "<code>NoSuchUser</code>") {
		t.Errorf("answered %q", body)
	}
	if body := ask(t, gridtest.Fault{Kind: gridtest.ErrorReply, Lines: []string{"InternalError", "out of order"}}); !strings.Contains(body, "<code>InternalError</code><message>out of order<") {
		t.Errorf("answered %q", body)
	}
	if ac := acOf(t, ask(t, gridtest.Fault{Kind: gridtest.SplitRecords, At: 100})); ac.VO != "alice" {
		t.Errorf("split: VO %q", ac.VO)
	}
	s.VOMS.SetFaults(gridtest.Fault{Kind: gridtest.Cut, At: 400})
	if out := vomsSend(t, s, s.User, "GET /generate-ac?fqans=/alice HTTP/1.1\r\nHost: x\r\n\r\n"); len(out) != 400 {
		t.Errorf("cut after %d bytes", len(out))
	}
}

// TestVOMSClientCertificate: none is an alert, and the record of what was asked names the end-entity certificate.
func TestVOMSClientCertificate(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	conn, _ := dial(t, s.VOMS.Addr(), nil, tls.VersionTLS12)
	if err := conn.Handshake(); err == nil || !strings.Contains(err.Error(), "handshake failure") && !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without a certificate: %v", err)
	}
	if _, body := rest(t, s, s.Login, "fqans=/alice/Role=lcgadmin&lifetime=60"); !acOf(t, body).HeldBy(s.User.Leaf()) {
		t.Error("the holder is not the end-entity certificate")
	}
	asked := s.VOMS.Requests()
	want := fmt.Sprintf("{REST %s fqans=/alice/Role=lcgadmin&lifetime=60  [/alice/Role=lcgadmin] 1m0s 1m0s", s.User.Identity())
	// The refused handshake may be recorded too, before or after.
	if got := fmt.Sprint(asked); !strings.Contains(got, want) {
		t.Errorf("recorded %s\nwant     %s …", got, want)
	}
}

func TestVomsesLines(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	if got, want := s.VOMS.Vomses(), fmt.Sprintf("\"alice\" \"localhost\" \"%d\" \"/DC=org/DC=gridtest/OU=computers/CN=voms.example.org\" \"alice\"\n", s.VOMS.Port()); got != want {
		t.Errorf("got %s want %s", got, want)
	}
	if block, _ := pem.Decode(gridtest.CertPEM(s.User.Leaf())); block == nil || block.Type != "CERTIFICATE" {
		t.Error("CertPEM makes no PEM")
	}
}
