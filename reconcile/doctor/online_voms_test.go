package doctor_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// ofVOMS are the names of the checks that talk to VOMS servers.
var ofVOMS = []string{"voms", "peer-trust", "vo-membership", "attributes"}

// robot lets the user proxy be made from the user certificate, as a robot's on the box is: VOMS servers alone are asked, and
// the key costs nothing.
func (f *fixture) robot() *doctor.Box {
	b := f.online()
	change(b, func(c *plan.Credential, _ *plan.MyProxy) {
		c.Source, c.Key = plan.Source{Certificate: &plan.Certificate{Cert: f.UserCert, Key: f.UserKey}}, "p256"
	})
	return b
}

// at lets the box know a VOMS server by a vomses line.
func at(b *doctor.Box, servers ...voms.Server) {
	b.Servers = func() ([]voms.Server, error) { return servers, nil }
}

// line is the site's own server.
func (f *fixture) line() voms.Server {
	f.Helper()
	servers, err := voms.Load([]string{f.Vomses})
	if err != nil || len(servers) == 0 {
		f.Fatalf("no servers: %v", err)
	}
	return servers[0]
}

// What a VOMS server can be like and say is found under its id, with its own words, and nothing else is.
func TestVOMSFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	fault := func(kind gridtest.FaultKind, lines ...string) func(*doctor.Box) {
		return func(*doctor.Box) {
			f.VOMS.SetFaults(gridtest.Fault{Kind: kind, Stage: gridtest.AtConnect, Lines: lines})
		}
	}
	server := "critical " + f.VOMS.Addr() + ": "
	proxy := "critical lcgadmin: " + f.VOMS.Addr() + ": "
	for _, tc := range []struct {
		name  string
		spoil func(*doctor.Box)
		want  string // beginning of the one finding
		says  string // somewhere in it
	}{
		{"reset", fault(gridtest.Refuse), "VO-NET " + server, "openssl s_client -connect " + f.VOMS.Addr()},
		{"cut", fault(gridtest.Cut), "VO-NET " + server, ""},
		{"not TLS", fault(gridtest.Garbage), "VO-PROTO " + server, f.Vomses + " line 1"},
		{"no answer", func(b *doctor.Box) { fault(gridtest.Hang)(b); b.Timeout = 2 * time.Second }, "VO-TIMEOUT " + server, ""},
		{"nobody there", func(b *doctor.Box) {
			s := f.line()
			s.Port = port(f.nobody())
			at(b, s)
		}, "VO-VOMSES critical localhost:", "connection refused"},
		{"another name", func(b *doctor.Box) {
			s := f.line()
			s.DN = f.Host.Identity()
			at(b, s)
		}, "VO-PEER " + server, f.VOMS.HostDN()},
		{"a problem of its own", fault(gridtest.ErrorReply, "InternalError", "database down"), "VO-SERVER " + proxy, "database down"},
		{"unknown", func(*doctor.Box) { f.Expel() }, "VO-UNKNOWN " + proxy, "User unknown to this VO"},
		{"suspended", func(*doctor.Box) { f.Suspend("ticket 42") }, "VO-SUSP " + proxy, "ticket 42"},
		{"a role not held", func(b *doctor.Box) { change(b, wants("/alice/Role=production")) }, "VO-FQAN " + proxy, "production"},
		{"a group that cannot be", func(b *doctor.Box) { change(b, wants("/alice/a,b")) }, "VO-FQAN " + proxy, `\"/alice/a,b\" cannot be asked for`},
		{"24 h", func(*doctor.Box) { f.SetMaxAC(24 * time.Hour) }, "VO-ACSHORT warning lcgadmin: " + f.VOMS.Addr() + ": asked for 48h, it gives attributes for 24h", "CE_PROXYTHRESHOLD below 82800"},
		{"about another", fault(gridtest.WrongIdentity), "VO-HOLDER " + proxy, "CN=Somebody Else"},
		{"over at once", fault(gridtest.ZeroLifetime), "VO-EXPIRED " + proxy, "that ended on"},
		{"a wrong signature", fault(gridtest.WrongSignature), "VO-AC " + proxy, "is not signed by"},
		{"of another VO", fault(gridtest.WrongVO), "VO-AC " + proxy, "it gives attributes of VO otheralice, not of alice"},
		{"no LSC file", func(b *doctor.Box) { b.Trust = &trust.Store{Certificates: f.TrustDir, VOMSDir: f.root} }, "VO-LSC " + proxy, f.VOMS.HostDN() + " signs, issued by " + gridtest.DefaultCA},
		{"an LSC file of before", func(b *doctor.Box) {
			dir := filepath.Join(f.root, "vomsdir")
			f.put(filepath.Join(dir, "alice", "localhost.lsc"), "/DC=org/DC=gridtest/CN=old.example.org\n"+gridtest.DefaultCA+"\n", 0o644)
			b.Trust = &trust.Store{Certificates: f.TrustDir, VOMSDir: dir}
		}, "VO-LSC " + proxy, "is not what"},
	} {
		f.behave()
		b := f.robot()
		tc.spoil(b)
		h := f.ask(b, ofVOMS...)
		f.finds(tc.name, h, tc.want)
		if !strings.Contains(strings.ReplaceAll(h.all, `"/alice/a,b"`, `\"/alice/a,b\"`), tc.says) {
			t.Errorf("%s: not said: %q\n%s", tc.name, tc.says, h.all)
		}
	}
}

func wants(fqans ...string) func(*plan.Credential, *plan.MyProxy) {
	return func(c *plan.Credential, _ *plan.MyProxy) { c.FQANs = fqans }
}

func port(address string) int {
	var n int
	_, after, _ := strings.Cut(address, ":")
	fmt.Sscan(after, &n)
	return n
}

// What INDIGO IAM says.
func TestIAM(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{Style: gridtest.IAM})
	user := f.User.Identity().String()
	for _, tc := range []struct {
		name, want, says string
		spoil            func()
	}{
		{"use policy", "VO-AUP critical lcgadmin", "needs to sign AUP", func() {
			f.VOMS.Update("alice", func(v *gridtest.VO) { v.Members[0].AUP = true })
		}},
		{"suspended", "VO-SUSP critical lcgadmin", "User '" + user + "' is not active", func() { f.Suspend("x") }},
		{"another CA", "VO-UNKNOWN critical lcgadmin", "issued by", f.Expel},
		{"12 h", "VO-ACSHORT warning lcgadmin", "it gives attributes for 12h", func() { f.SetMaxAC(12 * time.Hour) }},
	} {
		f.behave()
		tc.spoil()
		h := f.ask(f.robot(), ofVOMS...)
		f.finds(tc.name, h, tc.want)
		if !strings.Contains(h.all, tc.says) {
			t.Errorf("%s: not said: %q\n%s", tc.name, tc.says, h.all)
		}
	}
}

// The certificate that we show, and its end.
func TestVOMSCertificates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	other, err := gridtest.NewCA(gridtest.CAOptions{Subject: "/DC=net/DC=elsewhere/CN=Another CA"})
	check(f, err)
	start := func(ca *gridtest.CA, r gridtest.CertRequest, o gridtest.VOMSOptions) voms.Server {
		t.Helper()
		r.Subject, r.Kind = ca.Below("OU=computers", "CN=voms2.example.org"), gridtest.HostCert
		host, err := ca.Issue(r)
		check(f, err)
		o.CA, o.Host, o.VOs = f.CA, host, []gridtest.VO{{Name: "alice", MaxLifetime: 48 * time.Hour, Members: []gridtest.Member{{DN: f.User.Identity().String(), FQANs: []string{testRole}}}}}
		if o.Trust == nil {
			o.Trust = f.Trust
		}
		server, err := gridtest.NewVOMS(o)
		check(f, err)
		t.Cleanup(func() { server.Close() })
		check(f, server.WriteLSC(f.VOMSDir))
		return voms.Server{Alias: "alice", Host: "localhost", Port: server.Port(), DN: host.Identity(), VO: "alice", File: "vomses", Line: 1}
	}
	elsewhere := t.TempDir()
	check(f, other.WriteAnchors(elsewhere))
	for _, tc := range []struct {
		name   string
		server voms.Server
		want   string
		says   string
	}{
		{"an unknown CA", start(other, gridtest.CertRequest{}, gridtest.VOMSOptions{}), "CA-MISSING critical localhost:", "/DC=net/DC=elsewhere/CN=Another CA"},
		{"over", start(f.CA, gridtest.CertRequest{NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().Add(-time.Hour)}, gridtest.VOMSOptions{}), "VO-PEER critical localhost:", "expired"},
		{"ends before the attributes", start(f.CA, gridtest.CertRequest{NotAfter: time.Now().Add(20 * time.Hour)}, gridtest.VOMSOptions{}), "VO-SIGNER warning lcgadmin", "voms2.example.org"},
		{"does not know our CA", start(f.CA, gridtest.CertRequest{}, gridtest.VOMSOptions{Trust: &trust.Store{Certificates: elsewhere, VOMSDir: elsewhere}}), "VO-CERT critical lcgadmin", "does not know the CA"},
	} {
		b := f.robot()
		at(b, tc.server)
		h := f.ask(b, ofVOMS...)
		f.finds(tc.name, h, tc.want)
		if !strings.Contains(h.all, tc.says) {
			t.Errorf("%s: not said: %q\n%s", tc.name, tc.says, h.all)
		}
	}
}

// Of several servers one that fails is a warning, as long as another gives the attributes.
func TestVOMSSeveral(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	none := f.line()
	none.Port = port(f.nobody())
	b := f.robot()
	at(b, none, f.line())
	f.finds("the first is silent", f.ask(b, ofVOMS...), fmt.Sprintf("VO-VOMSES warning localhost:%d", none.Port))

	second, err := gridtest.NewVOMS(gridtest.VOMSOptions{CA: f.CA, Trust: f.Trust, VOs: []gridtest.VO{{Name: "alice"}}})
	check(f, err)
	defer second.Close()
	stranger := f.line()
	stranger.Port = second.Port()
	b = f.robot()
	at(b, f.line(), stranger)
	h := f.ask(b, ofVOMS...)
	f.finds("the second knows nobody", h, "VO-UNKNOWN warning lcgadmin: "+second.Addr())
	if !strings.Contains(h.all, "It goes well only because "+f.VOMS.Addr()) {
		t.Error(h.all)
	}

	// The servers that IAM has replaced: their names still have addresses, of which none answers.
	old := voms.Server{Alias: "alice", Host: "lcg-voms2.cern.ch", Port: 15000, DN: f.Host.Identity(), VO: "alice", File: "/etc/vomses/alice", Line: 2}
	b = f.robot()
	at(b, f.line(), old)
	b.Resolve = addresses(map[string]string{"lcg-voms2.cern.ch": "192.0.2.1 192.0.2.2", "localhost": "127.0.0.1"})
	b.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }
	h = f.ask(b, ofVOMS...)
	f.finds("a server of the old kind", h, "VO-VOMSES warning lcg-voms2.cern.ch:15000: /etc/vomses/alice line 2 names a server of the old kind")
	if !strings.Contains(h.all, "dnf install wlcg-iam-vomses-alice wlcg-iam-lsc-alice, and remove the old line from /etc/vomses/alice") {
		t.Error(h.all)
	}
}

// addresses is a resolver that knows some names.
func addresses(known map[string]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		list, ok := known[host]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		var out []netip.Addr
		for _, s := range strings.Fields(list) {
			out = append(out, netip.MustParseAddr(s))
		}
		return out, nil
	}
}

// A stored credential that was made by voms-proxy-init.
func TestNested(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	user := f.User.Identity().String()
	nested := func(fqans ...string) {
		t.Helper()
		ac, err := f.VOMS.Attest("alice", f.User, 12*time.Hour, fqans...)
		check(f, err)
		local, err := f.CA.Proxy(f.User, 3000*time.Hour, attrcert.Extension(ac))
		check(f, err)
		stored, err := f.CA.Proxy(local, 3000*time.Hour)
		check(f, err)
		f.MyProxy.Store(user, stored, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour})
	}
	nested("/alice", testRole)
	h := f.ask(f.online(), ofVOMS...)
	f.finds("with the role", h, "VO-NESTED warning lcgadmin: what is stored on "+f.MyProxy.Addr())
	if !strings.Contains(h.all, "grid-proxy-destroy; myproxy-init -s localhost") {
		t.Error(h.all)
	}
	nested("/alice/team")
	b := f.online()
	f.finds("without it", f.ask(b, ofVOMS...), "VO-FQAN critical lcgadmin", "VO-NESTED warning lcgadmin")
}

// Without MyProxy the VO is asked with the proxy in place; without any proxy it is seen that the server is there.
func TestVOMSWithout(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	f.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Refuse})
	h := f.ask(f.online(), ofVOMS...)
	f.finds("with the proxy in place", h)
	if len(h.skipped) > 0 {
		t.Errorf("not looked at: %q", h.skipped)
	}
	f.Expel()
	f.finds("with the proxy in place, expelled", f.ask(f.online(), ofVOMS...), "VO-UNKNOWN critical lcgadmin")
	check(f, os.Remove(f.credential("lcgadmin").Path))
	h = f.ask(f.online(), ofVOMS...)
	f.finds("with none", h)
	if got := strings.Join(h.skipped, "\n"); !strings.Contains(got, "vo-membership: lcgadmin: there is no credential to ask the VO with") || strings.Contains(got, "voms:") {
		t.Errorf("not looked at: %q", h.skipped)
	}
	f.VOMS.SetFaults(gridtest.Fault{Kind: gridtest.Refuse})
	f.finds("with none, and the server is not there", f.ask(f.online(), ofVOMS...), "VO-NET critical "+f.VOMS.Addr())
}

// web is a server at which VOMS attributes are given by a function, and every answer is dated.
func (f *fixture) web(offset time.Duration, ac func() []byte) voms.Server {
	f.Helper()
	host, err := f.CA.Issue(gridtest.CertRequest{Subject: f.CA.Below("OU=computers", "CN=web.example.org"), Kind: gridtest.HostCert})
	check(f, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(f, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(offset).UTC().Format(http.TimeFormat))
		if r.URL.Path != "/generate-ac" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, "<voms><ac>%s</ac></voms>", base64.StdEncoding.EncodeToString(ac()))
	}), TLSConfig: &tls.Config{Certificates: []tls.Certificate{host.TLS()}, ClientAuth: tls.RequestClientCert}}
	go server.ServeTLS(l, "", "")
	f.Cleanup(func() { server.Close() })
	return voms.Server{Alias: "alice", Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, DN: host.Identity(), VO: "alice", File: "vomses", Line: 1}
}

// Attributes that no server of the sandbox gives: in an order that was not asked for, which makes the user somebody else to
// sites, and signed in a way that is not good enough.
func TestAttributes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	b := f.robot()
	at(b, f.web(0, func() []byte {
		ac, err := f.VOMS.Attest("alice", f.User, 48*time.Hour, "/alice", testRole)
		if err != nil {
			t.Error(err)
		}
		return ac
	}))
	h := f.ask(b, ofVOMS...)
	f.finds("groups first", h, "VO-FQAN critical lcgadmin")
	if !strings.Contains(h.all, "/alice comes first, not "+testRole) {
		t.Error(h.all)
	}
	b = f.robot()
	at(b, f.web(0, func() []byte {
		ac, err := f.VOMS.Attest("alice", f.User, 48*time.Hour, testRole)
		if err != nil {
			t.Error(err)
		}
		sha256WithRSA, sha1WithRSA := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11}, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5}
		return bytes.ReplaceAll(ac, sha256WithRSA, sha1WithRSA)
	}))
	f.finds("signed by SHA-1", f.ask(b, ofVOMS...), "CA-SHA1 critical lcgadmin")
	b = f.robot()
	at(b, f.web(0, func() []byte { return []byte("nonsense") }))
	f.finds("nonsense", f.ask(b, ofVOMS...), "VO-PROTO critical localhost:")
}
