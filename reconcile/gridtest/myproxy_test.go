package gridtest_test

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const okReply = "VERSION=MYPROXYv2\nRESPONSE=0\n\x00"

// A getter is a GET written out by hand, so that the servers are not tested with the client that they are there to test.
type getter struct {
	tls     *proxycert.Credential // nil: no certificate
	old     *proxycert.Credential // answers the challenge
	method  byte                  // of the answer; 0: 4
	version uint16
	request string
}

// A reply is what came of it.
type reply struct {
	chain     []*x509.Certificate
	challenge bool // asked for, and we had nothing to answer with
	errors    []string
	records   [][]byte
}

// errorLines takes an error message apart.
func errorLines(msg []byte) []string {
	var lines []string
	for l := range strings.SplitSeq(strings.TrimRight(string(msg), "\x00"), "\n") {
		if l, ok := strings.CutPrefix(l, "ERROR="); ok {
			lines = append(lines, l)
		}
	}
	return lines
}

func (g getter) do(t *testing.T, s *gridtest.Site) reply {
	t.Helper()
	conn, _ := dial(t, s.MyProxy.Addr(), g.tls, g.version)
	var r reply
	buf := make([]byte, 64<<10)
	read := func() []byte {
		n, err := conn.Read(buf)
		if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("reading: %v", err)
		}
		r.records = append(r.records, bytes.Clone(buf[:n]))
		return bytes.Clone(buf[:n])
	}
	write := func(b []byte) {
		if _, err := conn.Write(b); err != nil {
			t.Fatalf("writing: %v", err)
		}
	}
	write([]byte("0"))
	write([]byte(g.request))
	msg := read()
	if string(msg) == "\x00" {
		msg = read()
	}
	if _, challenges, ok := strings.Cut(string(msg), "RESPONSE=2\n"); ok {
		if g.old == nil {
			r.challenge = true
			return r
		}
		write(proof(t, g.old, challenges, cmp.Or(g.method, 4)))
		msg = read()
	}
	if string(msg) != okReply {
		r.errors = errorLines(msg)
		return r
	}
	key, err := gridtest.Keys.Key(proxycert.RSA2048, "client")
	if err != nil {
		t.Fatal(err)
	}
	csr, err := proxycert.NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	write(csr)
	msg = read()
	if bytes.HasPrefix(msg, []byte("VERSION")) {
		r.errors = errorLines(msg)
		return r
	}
	rest := msg[1:]
	for range int(msg[0]) {
		var v asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			t.Fatalf("chain: %v", err)
		}
		cert, err := x509.ParseCertificate(v.FullBytes)
		if err != nil {
			t.Fatal(err)
		}
		r.chain = append(r.chain, cert)
	}
	if len(rest) == 0 {
		rest = read()
	}
	if string(rest) != okReply {
		t.Errorf("after the chain: %q", rest)
	}
	if n, err := conn.Read(buf); n != 0 || err == nil {
		t.Errorf("after the end: %q, %v", buf[:n], err)
	}
	return r
}

// proof answers a challenge.
func proof(t *testing.T, old *proxycert.Credential, challenges string, method byte) []byte {
	t.Helper()
	name, hash := "X509_certificate_SHA256:", crypto.SHA256
	if method == 2 {
		name, hash = "X509_certificate:", crypto.SHA1
	}
	_, text, ok := strings.Cut(challenges, name)
	if !ok || len(text) < 33 {
		t.Fatalf("no %s in %q", name, challenges)
	}
	var digest []byte
	if sum := sha256.Sum256([]byte(text[:32])); hash == crypto.SHA256 {
		digest = sum[:]
	} else {
		sum := sha1.Sum([]byte(text[:32]))
		digest = sum[:]
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, old.Key.(*rsa.PrivateKey), hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	b := append([]byte{method, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(sig)))...)
	b = append(append(b, sig...), byte(len(old.Chain)))
	for _, c := range old.Chain {
		b = append(b, c.Raw...)
	}
	return b
}

// getRequest is what myproxy-logon -d -n -t hours sends.
func getRequest(user string, lifetime time.Duration) string {
	return fmt.Sprintf("VERSION=MYPROXYv2\nCOMMAND=0\nUSERNAME=%s\nPASSPHRASE=\nLIFETIME=%d\n\x00", user, int(lifetime.Seconds()))
}

func TestGetRecords(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	host, user := machine(t, s), s.User.Identity().String()
	for _, tt := range []struct {
		name    string
		version uint16
		method  byte
		nul     bool
	}{
		{"TLS 1.2, SHA-256", tls.VersionTLS12, 4, false},
		{"TLS 1.3, SHA-256", tls.VersionTLS13, 4, true},
		{"TLS 1.3, SHA-1", tls.VersionTLS13, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := getter{tls: host, old: s.Login, version: tt.version, method: tt.method, request: getRequest(user, 48*time.Hour)}.do(t, s)
			if r.errors != nil || len(r.chain) != 4 {
				t.Fatalf("errors %q, chain %q, want four certificates", r.errors, certNames(r.chain))
			}
			if got := string(r.records[0]) == "\x00"; got != tt.nul {
				t.Errorf("first record %q, NUL expected: %v", r.records[0], tt.nul)
			}
			if len(r.records) != len(slices.DeleteFunc(slices.Clone(r.records), func(b []byte) bool { return len(b) == 0 })) {
				t.Errorf("an empty record among %q", r.records)
			}
			if want := 4; !tt.nul && len(r.records) != want {
				t.Errorf("%d records, want challenge, OK, chain, OK", len(r.records))
			}
			if _, err := s.Trust.VerifyChain(r.chain, time.Now()); err != nil {
				t.Errorf("the chain handed out: %v", err)
			}
			asked := s.MyProxy.Requests()
			last := asked[len(asked)-1]
			if last.Method != int(tt.method) || last.Peer != s.Host.Identity().String() || last.TLS != tt.version {
				t.Errorf("recorded %+v", last)
			}
		})
	}
}

// TestFirstBytes: GSI's flag byte has to be there, in a record of its own.
func TestFirstBytes(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	request := getRequest(s.User.Identity().String(), time.Hour)
	t.Run("missing", func(t *testing.T) {
		conn, raw := dial(t, s.MyProxy.Addr(), nil, tls.VersionTLS12)
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(raw)
		if err != nil || string(got) != "VERSION=MYPROXYv2\nRESPONSE=1\nERROR=authentication failed\n\x00" {
			t.Errorf("on the socket: %q, %v", got, err)
		}
	})
	t.Run("missing, seen through TLS", func(t *testing.T) {
		conn, _ := dial(t, s.MyProxy.Addr(), nil, tls.VersionTLS13)
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		_, err := io.ReadAll(conn)
		var record tls.RecordHeaderError
		if !errors.As(err, &record) || string(record.RecordHeader[:3]) != "VER" {
			t.Errorf("%v, want a RecordHeaderError that begins with VER", err)
		}
	})
	t.Run("in one record with the request", func(t *testing.T) {
		conn, raw := dial(t, s.MyProxy.Addr(), nil, tls.VersionTLS12)
		if _, err := conn.Write([]byte("0" + request)); err != nil {
			t.Fatal(err)
		}
		raw.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := conn.Read(make([]byte, 100))
		var ne net.Error
		if n > 0 || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%d bytes, %v, want both sides to wait", n, err)
		}
	})
}

// TestRequestErrors holds the texts of the real server.
func TestRequestErrors(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	user := s.User.Identity().String()
	host := machine(t, s)
	valid := "VERSION=MYPROXYv2\nCOMMAND=2\nUSERNAME=x\nPASSPHRASE=DUMMY-PASSPHRASE\nLIFETIME=0\n"
	tests := []struct {
		name    string
		request string
		want    []string
	}{
		{"CRLF", strings.ReplaceAll(valid, "\n", "\r\n") + "\x00", []string{"error parsing request"}},
		{"no LIFETIME", strings.Replace(valid, "LIFETIME=0\n", "", 1) + "\x00", []string{"error parsing request"}},
		{"LIFETIME in words", strings.Replace(valid, "=0\n", "=soon\n", 1) + "\x00", []string{"error parsing request"}},
		{"a key in a value", valid + "CRED_DESC=LIFETIME=1\n\x00", []string{"error parsing request"}},
		{"other version", strings.Replace(valid, "v2", "v1", 1) + "\x00", []string{"Invalid version number received."}},
		{"no user name", strings.Replace(valid, "=x", "=", 1) + "\x00", []string{"Invalid username received."}},
		{"other command", strings.Replace(valid, "COMMAND=2", "COMMAND=99", 1) + "\x00", []string{"UNKNOWN command in request."}},
		{"no final NUL", valid, []string{`no credentials found for user x, owner "` + s.Host.Identity().String() + `" `}},
		{"hexadecimal, any order, unknown keys", "LIFETIME=0x10\nFOO=bar\n" + strings.Replace(valid, "LIFETIME=0\n", "", 1) + "\x00",
			[]string{`no credentials found for user x, owner "` + s.Host.Identity().String() + `" `}},
		{"GET of nothing", getRequest("nobody", time.Hour), []string{`No credentials exist for username "nobody".`}},
		{"GET of nothing by name", strings.TrimSuffix(getRequest(user, time.Hour), "\x00") + "CRED_NAME=x\n\x00",
			[]string{`No credentials exist with username "` + user + `" and credential name "x".`}},
		{"DESTROY of another's", strings.NewReplacer("COMMAND=2", "COMMAND=3", "=x\n", "="+user+"\n").Replace(valid) + "\x00",
			[]string{`Credentials not owned by "` + s.Host.Identity().String() + `".`}},
		{"PUT over another's", strings.NewReplacer("COMMAND=2", "COMMAND=1", "=x\n", "="+user+"\n").Replace(valid) + "\x00",
			[]string{"Credentials are already stored for user " + user, "and they are not owned by", `"` + s.Host.Identity().String() + `",`,
				"so you may not overwrite them.", "Please choose a different username or credential name or", "contact your myproxy-server administrator."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := myproxyAsk(t, s, host, tls.VersionTLS13, tt.request)
			if err != nil {
				t.Fatal(err)
			}
			if got := errorLines([]byte(out)); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestPolicies is the table of what the real server does with each kind of stored credential, under both policies.
func TestPolicies(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	identities := make(map[string]*proxycert.Credential)
	for _, name := range []string{"vobox", "portal", "rogue"} {
		host, err := s.CA.Issue(gridtest.CertRequest{Subject: "/DC=org/DC=gridtest/OU=computers/CN=" + name + ".example.org", Kind: gridtest.HostCert})
		if err != nil {
			t.Fatal(err)
		}
		identities[name] = host
	}
	stored, err := s.CA.Proxy(s.User, 100*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	site := gridtest.SitePolicy(identities["vobox"].Identity().String(), identities["portal"].Identity().String())
	open := gridtest.OpenPolicy()
	vobox, portal := "*/CN=vobox.example.org", "*/CN=portal.example.org"
	// The outcomes are those of vobox, rogue and portal with -a OLD, then of vobox, portal and rogue without.
	tests := []struct {
		name   string
		policy gridtest.Policy
		o      gridtest.StoreOptions
		want   string
	}{
		{"site, -n", site, gridtest.StoreOptions{}, "ok np ok nc ok np"},
		{"site, -A", site, gridtest.StoreOptions{Renewer: "*"}, "ok np ok nc ok np"},
		{"site, -R vobox", site, gridtest.StoreOptions{Renewer: vobox}, "ok np ok nc ok np"},
		{"site, -Z portal", site, gridtest.StoreOptions{TrustedRetriever: portal}, "ok np ok nc ok np"},
		{"site, -R vobox -Z vobox", site, gridtest.StoreOptions{Renewer: vobox, TrustedRetriever: vobox}, "ok np np nc np np"},
		{"open, -n", open, gridtest.StoreOptions{}, "np np np np np np"},
		{"open, -R vobox", open, gridtest.StoreOptions{Renewer: vobox}, "ok np np nc np np"},
		{"open, -A", open, gridtest.StoreOptions{Renewer: "*"}, "ok ok ok nc nc nc"},
		{"open, -Z portal", open, gridtest.StoreOptions{TrustedRetriever: portal}, "np np ok np ok np"},
		{"open, -R vobox -Z vobox", open, gridtest.StoreOptions{Renewer: vobox, TrustedRetriever: vobox}, "ok np np ok np np"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.MyProxy.SetPolicy(tt.policy)
			s.MyProxy.Store("jdoe", stored, tt.o)
			var got []string
			for i, who := range []string{"vobox", "rogue", "portal", "vobox", "portal", "rogue"} {
				g := getter{tls: identities[who], request: getRequest("jdoe", time.Hour)}
				if i < 3 {
					g.old = s.Login
				}
				r := g.do(t, s)
				switch {
				case r.chain != nil:
					got = append(got, "ok")
				case r.challenge:
					got = append(got, "nc")
				case slices.Equal(r.errors, []string{"no passphrase", "authentication failed"}):
					got = append(got, "np")
				default:
					got = append(got, fmt.Sprintf("%q", r.errors))
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", strings.Join(got, " "), tt.want)
			}
		})
	}
}

func TestRenewalRefusals(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	user := s.User.Identity().String()
	other, err := s.CA.Issue(gridtest.CertRequest{Subject: s.CA.Below("OU=people", "CN=John Roe")})
	if err != nil {
		t.Fatal(err)
	}
	key, err := gridtest.Keys.Key(proxycert.RSA2048, "expired")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := s.User.Delegate(key, proxycert.Template{Now: time.Now().Add(-50 * time.Minute), Lifetime: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := s.CA.Proxy(other, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	forged := &proxycert.Credential{Chain: s.Login.Chain, Key: key}
	self := gridtest.OpenPolicy()
	self.DefaultRenewers = []string{"*"}
	tests := []struct {
		name   string
		policy gridtest.Policy
		tls    *proxycert.Credential
		old    *proxycert.Credential
		change func(*gridtest.StoreOptions)
		want   []string
	}{
		{"proxy of another user", self, s.Host, stranger, nil, []string{"certificate subject does not match credential to be renewed", "authentication failed"}},
		{"expired proxy", self, s.Host, expired, nil, []string{"certificate chain verification failed", "X509_verify_cert() failed: certificate has expired", "authentication failed"}},
		{"signature by another key", self, s.Host, forged, nil, []string{"signature verification failed", "authentication failed"}},
		{"the user's own proxy in TLS", self, s.Login, s.Login, nil, []string{"self-authz detected", "self-authz not allowed for renewer"}},
		{"stored with a passphrase", self, s.Host, s.Login, func(o *gridtest.StoreOptions) { o.Passphrase = "sesame open" }, []string{"Bad password", "invalid credential passphrase"}},
		{"locked", self, s.Host, s.Login, func(o *gridtest.StoreOptions) { o.Lock = "ask us" }, []string{"credential locked", "ask us"}},
		{"nobody may do anything", gridtest.Policy{AcceptedCredentials: []string{"*"}}, s.Host, s.Login, nil, []string{
			`"` + s.Host.Identity().String() + `" not authorized by server's trusted_retrievers policy`,
			`"` + s.Host.Identity().String() + `" not authorized by server's authorized_retrievers policy`,
			`"` + s.Host.Identity().String() + `" not authorized by server's authorized_renewers policy`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.MyProxy.SetPolicy(tt.policy)
			if err := s.Store(100*time.Hour, 48*time.Hour); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil && !s.MyProxy.Change(user, "", tt.change) {
				t.Fatal("nothing stored")
			}
			r := getter{tls: tt.tls, old: tt.old, request: getRequest(user, time.Hour)}.do(t, s)
			if !slices.Equal(r.errors, tt.want) || r.chain != nil {
				t.Errorf("got  %q\nwant %q", r.errors, tt.want)
			}
		})
	}
}

// TestLifetimes is the table of lifetimes measured with the real server.
func TestLifetimes(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	user := s.User.Identity().String()
	tests := []struct {
		asked           int // seconds
		most, left, max time.Duration
		want            time.Duration
	}{
		{72000, 48 * time.Hour, 300 * time.Hour, 0, 20 * time.Hour},
		{0, 48 * time.Hour, 300 * time.Hour, 0, 48 * time.Hour},
		{-5, 48 * time.Hour, 300 * time.Hour, 0, 48 * time.Hour},
		{9999999, 48 * time.Hour, 300 * time.Hour, 0, 48 * time.Hour},
		{10, 48 * time.Hour, 300 * time.Hour, 0, 5 * time.Minute},
		{48 * 3600, 48 * time.Hour, 10 * time.Hour, 0, 10 * time.Hour},
		{48 * 3600, 12 * time.Hour, 300 * time.Hour, 0, 12 * time.Hour},
		{48 * 3600, 0, 300 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{400, 0, 300 * time.Hour, 0, 6 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d s, -t %v, %v left, max %v", tt.asked, tt.most, tt.left, tt.max), func(t *testing.T) {
			policy := gridtest.SitePolicy(s.Host.Identity().String(), "")
			policy.MaxProxyLifetime = tt.max
			s.MyProxy.SetPolicy(policy)
			if err := s.Store(tt.left, tt.most); err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			r := getter{tls: s.Host, old: s.Login, request: getRequest(user, time.Duration(tt.asked)*time.Second)}.do(t, s)
			if r.chain == nil {
				t.Fatalf("refused: %q", r.errors)
			}
			if end := r.chain[0].NotAfter; end.Before(before.Add(tt.want-5*time.Second)) || end.After(time.Now().Add(tt.want+5*time.Second)) {
				t.Errorf("got %v, want %v", end.Sub(before), tt.want)
			}
		})
	}
}

func TestLimitedStaysLimited(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	key, err := gridtest.Keys.Key(proxycert.RSA2048, "limited")
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.User.Delegate(key, proxycert.Template{Now: time.Now(), Lifetime: time.Hour, Limited: true})
	if err != nil {
		t.Fatal(err)
	}
	r := getter{tls: s.Host, old: old, request: getRequest(s.User.Identity().String(), time.Hour)}.do(t, s)
	if r.chain == nil {
		t.Fatalf("refused: %q", r.errors)
	}
	if info, err := proxycert.Classify(r.chain[0]); err != nil || !info.Limited {
		t.Errorf("%+v, %v, want a limited proxy", info, err)
	}
}

func TestInfo(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	user := s.User.Identity().String()
	ask := func(more string) string {
		out, err := myproxyAsk(t, s, s.User, 0, "VERSION=MYPROXYv2\nCOMMAND=2\nUSERNAME="+user+"\nPASSPHRASE=DUMMY-PASSPHRASE\nLIFETIME=0\n"+more+"\x00")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	cred, _, _ := s.MyProxy.Stored(user, "")
	times := func(prefix string) string {
		return fmt.Sprintf("%sSTART_TIME=%d\n%sEND_TIME=%d\n%sOWNER=%s\n", prefix, cred.NotBefore().Unix(), prefix, cred.NotAfter().Unix(), prefix, user)
	}
	head := "VERSION=MYPROXYv2\nRESPONSE=0\n"
	if got, want := ask(""), head+times("CRED_")+"\x00"; got != want {
		t.Errorf("one credential:\n%q\nwant\n%q", got, want)
	}
	for _, name := range []string{"short", "brief"} {
		s.MyProxy.Store(user, cred, gridtest.StoreOptions{Name: name})
	}
	if got, want := ask(""), head+times("CRED_")+times("CRED_brief_")+times("CRED_short_")+"ADDL_CREDS=brief,short\n\x00"; got != want {
		t.Errorf("three credentials:\n%q\nwant\n%q", got, want)
	}
	if got, want := ask("CRED_NAME=short\n"), head+"CRED_NAME=short\n"+times("CRED_")+"\x00"; got != want {
		t.Errorf("by name:\n%q\nwant\n%q", got, want)
	}
	s.MyProxy.Remove(user, "")
	if got, want := ask(""), head+"CRED_NAME=brief\n"+times("CRED_")+times("CRED_short_")+"ADDL_CREDS=short\n\x00"; got != want {
		t.Errorf("none without a name:\n%q\nwant\n%q", got, want)
	}
}
