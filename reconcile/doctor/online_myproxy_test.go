package doctor_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// ofMyProxy are the names of the checks that talk to MyProxy servers.
var ofMyProxy = []string{"myproxy", "peer-trust", "stored-credential", "renewal", "stored-lifetime"}

// What a MyProxy server can be like and say is found under its id, with its own words, and nothing else is.
func TestMyProxyFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	px, user := f.MyProxy, f.User.Identity().String()
	says := func(lines ...string) func(*doctor.Box) {
		return func(*doctor.Box) { px.SetFaults(gridtest.Fault{Kind: gridtest.ErrorReply, Lines: lines}) }
	}
	fault := func(kind gridtest.FaultKind, stage gridtest.Stage) func(*doctor.Box) {
		return func(*doctor.Box) { px.SetFaults(gridtest.Fault{Kind: kind, Stage: stage, At: 900}) }
	}
	stored := func(alter func(*gridtest.StoreOptions)) func(*doctor.Box) {
		return func(*doctor.Box) { px.Change(user, "", alter) }
	}
	store := func(lifetime, most time.Duration) func(*doctor.Box) {
		return func(*doctor.Box) { check(f, f.Store(lifetime, most)) }
	}
	server := "critical " + px.Addr() + ": "
	proxy := "critical lcgadmin: " + px.Addr() + ": "
	for _, tc := range []struct {
		name  string
		spoil func(*doctor.Box)
		want  string // beginning of the one finding
		says  string // somewhere in it, or in its remedy
	}{
		{"reset", fault(gridtest.Refuse, ""), "MP-NET " + server, "openssl s_client -connect " + px.Addr()},
		{"not TLS", fault(gridtest.Garbage, gridtest.AtConnect), "MP-TLS " + server, "does not look like a TLS handshake"},
		{"garbage", fault(gridtest.Garbage, gridtest.AtRequest), "MP-PROTO " + server, ""},
		{"cut", fault(gridtest.Cut, ""), "MP-PROTO " + server, "the connection ended in the middle of"},
		{"another key", fault(gridtest.WrongKey, ""), "MP-PROTO " + server, "private key"},
		{"plain text", fault(gridtest.ClearText, ""), "MP-CERTBAD " + proxy, "authentication failed"},
		{"over", fault(gridtest.ExpiredChain, ""), "MP-STALE " + proxy, "has expired"},
		{"somebody else's", fault(gridtest.WrongIdentity, ""), "MP-IDENTITY " + proxy, "CN=Somebody Else"},
		{"not a renewer", func(*doctor.Box) { f.AllowBox(false) }, "MP-PASS " + proxy, "authorized_renewers and default_renewers: \"" + f.Host.Identity().String()},
		{"for another renewer", func(b *doctor.Box) {
			stored(func(o *gridtest.StoreOptions) { o.Renewer = "*/CN=other.example.org" })(b)
			px.SetPolicy(gridtest.Policy{AuthorizedRenewers: []string{"*"}, AuthorizedRetrievers: []string{"none"}, TrustedRetrievers: []string{"none"}})
		}, "MP-CREDPOL " + proxy, `it was stored with the renewer "*/CN=other.example.org"`},
		{"renewers", says(`"/CN=x" not authorized by server's authorized_renewers policy`), "MP-RENEWER " + proxy, `authorized_renewers policy`},
		{"default", says(`"/CN=x" not authorized by server's default authorized_renewers policy`), "MP-DEFPOL " + proxy, "-t 48 -c 3000"},
		{"limited", says("Unable to respond to a limited proxy"), "MP-LIMITED " + proxy, ""},
		{"store broken", says("Internal error"), "MP-STORE " + proxy, ""},
		{"cannot sign", says("Unable to delegate credentials."), "MP-DELEG " + proxy, "-t 48 -c 3000"},
		{"unknown words", says("something new"), "MP-REFUSED " + proxy, "something new"},
		{"old proxy over", says("certificate chain verification failed", "X509_verify_cert() failed: certificate has expired"), "MP-OLDEXPIRED " + proxy, "LCG-UI"},
		{"old proxy of another", says("certificate subject does not match credential to be renewed"), "MP-OLDOTHER " + proxy, ""},
		{"old proxy refused", says("certificate chain verification failed"), "MP-OLDBAD " + proxy, ""},
		{"its CRL is over", says("X509_verify_cert() failed: CRL has expired"), "CRL-STALE " + proxy, "operator"},
		{"locked", stored(func(o *gridtest.StoreOptions) { o.Lock = "abuse, ticket 42" }), "MP-LOCKED " + proxy, "ticket 42"},
		{"with a passphrase", stored(func(o *gridtest.StoreOptions) { o.Passphrase = "secret phrase" }), "MP-PASS " + proxy, "passphrase"},
		{"nothing stored", func(*doctor.Box) { px.Remove(user, "") }, "MP-NOCRED " + proxy, "No credentials exist"},
		{"under another name", func(b *doctor.Box) {
			change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.CredentialName = "lcg" })
		}, "MP-NOCRED " + proxy, "there is, for this user name: one without a name"},
		{"for another user name", func(b *doctor.Box) { change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Username = "jdoe" }) },
			"MP-NOCRED " + proxy, "the user name is not the DN " + user},
		{"impossible user name", func(b *doctor.Box) { change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Username = "j\ndoe" }) }, "MP-REQUEST " + proxy, ""},
		{"machine proxy of the user", func(b *doctor.Box) {
			st := b.Have.Credentials[plan.MachineName]
			st.Path = f.LoginProxy
			b.Have.Credentials[plan.MachineName] = st
			px.SetPolicy(gridtest.SitePolicy("*", ""))
		}, "MP-SELF " + proxy, f.HostCert},
		{"-t 12", store(3000*time.Hour, 12*time.Hour), "MP-T12 warning lcgadmin: " + px.Addr() + ": asked for 1000h, it gives 12h: the credential was stored without -t", "myproxy-init -s localhost -p"},
		{"-t 24", store(3000*time.Hour, 24*time.Hour), "MP-T12 warning lcgadmin: " + px.Addr() + ": asked for 1000h, it gives 24h, of the 48h", "max_proxy_lifetime"},
		{"-c 20", store(20*time.Hour, 48*time.Hour), "MP-SHORT critical lcgadmin: " + px.Addr() + ": asked for 1000h, it gives 20h: what is stored ends on", "-t 48 -c 3000"},
		{"-c 100", store(100*time.Hour, 48*time.Hour), "MP-STORED warning lcgadmin: " + px.Addr() + ": what is stored ends on", "-t 48 -c 3000"},
		{"no time left for an answer", func(b *doctor.Box) {
			px.SetFaults(gridtest.Fault{Kind: gridtest.Hang})
			change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Timeout = 2 * time.Second })
		}, "MP-TIMEOUT " + server, "the time was over while waiting for"},
		{"nobody there", func(b *doctor.Box) {
			change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Server = f.nobody() })
		}, "MP-NET critical localhost:", "connection refused"},
	} {
		f.behave()
		b := f.online()
		tc.spoil(b)
		h := f.ask(b, ofMyProxy...)
		f.finds(tc.name, h, tc.want)
		if !strings.Contains(h.all, tc.says) {
			t.Errorf("%s: not said: %q\n%s", tc.name, tc.says, h.all)
		}
	}
}

// TLS alerts of a server are about our certificate, each with its own id.
func TestMyProxyAlerts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	for number, id := range map[byte]string{40: "MP-TLS", 42: "MP-CERTBAD", 43: "HOST-EKU", 44: "MP-CERTREVOKED", 45: "MP-CERTEXPIRED", 48: "MP-CERTCA", 116: "MP-ANON"} {
		b, server := f.online(), f.alert(number)
		change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Server = server })
		h := f.ask(b, ofMyProxy...)
		f.finds(fmt.Sprint("alert ", number), h, id+" critical ")
		if !strings.Contains(h.all, server) || strings.Contains(h.all, "/etc/grid-security/hostcert.pem") {
			t.Errorf("alert %d: neither is to be missing nor wrong: the server, the host certificate: %s", number, h.all)
		}
	}
}

// A server's certificate that is not what it should be, now or soon.
func TestMyProxyServers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	other, err := gridtest.NewCA(gridtest.CAOptions{Subject: "/DC=net/DC=elsewhere/CN=Another CA"})
	check(f, err)
	now := time.Now()
	start := func(ca *gridtest.CA, r gridtest.CertRequest) string {
		t.Helper()
		if r.Kind = gridtest.HostCert; r.Subject == "" {
			r.Subject = ca.Below("OU=computers", "CN=px501.example.org")
		}
		host, err := ca.Issue(r)
		check(f, err)
		px, err := gridtest.NewMyProxy(gridtest.MyProxyOptions{CA: f.CA, Trust: f.Trust, Host: host, Policy: gridtest.SitePolicy("*", "")})
		check(f, err)
		t.Cleanup(func() { px.Close() })
		cred, _, _ := f.MyProxy.Stored(f.User.Identity().String(), "")
		px.Store(f.User.Identity().String(), cred, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour})
		return px.Addr()
	}
	for _, tc := range []struct {
		name   string
		server string
		dn     string // myproxy.serverDN
		want   string
		says   string
	}{
		{"an alias", start(f.CA, gridtest.CertRequest{DNSNames: []string{"px501.example.org"}}), "", "MP-SRVDN critical localhost:",
			`myproxy.serverDN: "/DC=org/DC=gridtest/OU=computers/CN=px501.example.org"`},
		{"an alias, named", start(f.CA, gridtest.CertRequest{DNSNames: []string{"px501.example.org"}}), "/DC=org/DC=gridtest/OU=computers/CN=px501.example.org", "", ""},
		{"another name", start(f.CA, gridtest.CertRequest{}), "/DC=org/DC=gridtest/OU=computers/CN=px500.example.org", "MP-SRVDN critical localhost:",
			"and the configuration accepts /DC=org/DC=gridtest/OU=computers/CN=px500.example.org only"},
		{"an unknown CA", start(other, gridtest.CertRequest{}), "", "CA-MISSING critical localhost:", "/DC=net/DC=elsewhere/CN=Another CA"},
		{"over", start(f.CA, gridtest.CertRequest{NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.Add(-time.Hour)}), "", "MP-SRVCERT critical localhost:", "expired"},
		{"soon over", start(f.CA, gridtest.CertRequest{NotAfter: now.Add(50 * time.Hour)}), "", "MP-SRVCERT warning localhost:", "the server's certificate ends on"},
		{"not yet", start(f.CA, gridtest.CertRequest{NotBefore: now.Add(time.Hour)}), "", "CLOCK critical localhost:", "timedatectl"},
	} {
		b := f.online()
		change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Server, mp.ServerDN = tc.server, tc.dn })
		h := f.ask(b, append(ofMyProxy, "MP-NET")...)
		if strings.HasPrefix(tc.want, "CLOCK") {
			h = f.ask(b, "clocks")
		}
		if tc.want == "" {
			f.finds(tc.name, h)
		} else {
			f.finds(tc.name, h, tc.want)
		}
		if !strings.Contains(h.all, tc.says) {
			t.Errorf("%s: not said: %q\n%s", tc.name, tc.says, h.all)
		}
	}
}

// Revocation lists of the servers' CAs.
func TestPeerLists(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	now := time.Now()
	for _, tc := range []struct {
		name  string
		spoil func(b *doctor.Box)
		want  string // of either server
	}{
		{"over", func(*doctor.Box) { check(f, f.CA.WriteCRLAt(f.TrustDir, now.AddDate(0, 0, -60), now.Add(-time.Hour))) }, "CRL-STALE critical"},
		{"soon over", func(*doctor.Box) { check(f, f.CA.WriteCRLAt(f.TrustDir, now.AddDate(0, 0, -29), now.Add(3*time.Hour))) }, "CRL-STALE warning"},
		{"broken", func(*doctor.Box) {
			for _, path := range f.lists() {
				f.put(path, "half a list", 0o644)
			}
		}, "CRL-INVALID critical"},
		{"missing", func(b *doctor.Box) {
			for _, path := range f.lists() {
				check(f, os.Remove(path))
			}
			b.Trust = &trust.Store{Certificates: f.TrustDir, VOMSDir: f.VOMSDir, CRL: trust.CRLRequire}
		}, "CRL-MISSING critical"},
	} {
		check(f, f.CA.WriteCRL(f.TrustDir))
		b := f.online()
		tc.spoil(b)
		servers := []string{f.MyProxy.Addr(), f.VOMS.Addr()}
		if servers[0] > servers[1] {
			servers[0], servers[1] = servers[1], servers[0]
		}
		f.finds(tc.name, f.ask(b, "peer-trust"), tc.want+" "+servers[0], tc.want+" "+servers[1])
	}
}

// lists are the files of the CA's revocation list.
func (f *fixture) lists() []string {
	f.Helper()
	names, err := filepath.Glob(filepath.Join(f.TrustDir, "*.r0"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no lists in %s (%v)", f.TrustDir, err)
	}
	return names
}

// What a pass would renew with.
func TestMyProxyAuthority(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	machine, user := f.credential(plan.MachineName).Path, f.credential("lcgadmin").Path
	gone := func(paths ...string) func() {
		return func() {
			for _, path := range paths {
				check(f, os.Remove(path))
			}
		}
	}
	for _, tc := range []struct {
		name  string
		spoil func()
		alter func(b *doctor.Box)
		want  []string
		skip  string // somewhere in what is not looked at
	}{
		{"a machine proxy made in memory", gone(machine), nil, nil, ""},
		{"no machine proxy", gone(machine, f.HostKey), nil, nil, "renewal: lcgadmin: there is no machine proxy, and none can be made"},
		{"another's machine proxy", gone(machine), func(b *doctor.Box) { b.Want.Credentials[0].Observe = true }, nil, "and another program keeps it"},
		{"the login proxy", gone(user), func(b *doctor.Box) { b.LoginProxy = f.LoginProxy }, nil, ""},
		{"no proxy of the user", gone(user), nil, []string{"MP-NOOLD critical lcgadmin"}, "stored-credential: lcgadmin: " + f.MyProxy.Addr() + " tells only the owner"},
		{"no machine proxy, stored for another", gone(machine, f.HostKey), func(b *doctor.Box) {
			f.MyProxy.Change(f.User.Identity().String(), "", func(o *gridtest.StoreOptions) { o.Lock = "ticket 42" })
		}, []string{"MP-LOCKED critical lcgadmin"}, "renewal: lcgadmin"},
		{"no machine proxy, for another renewer", gone(machine, f.HostKey), func(b *doctor.Box) {
			f.MyProxy.Change(f.User.Identity().String(), "", func(o *gridtest.StoreOptions) { o.Renewer = "*/CN=other.example.org" })
		}, []string{"MP-CREDPOL critical lcgadmin"}, "renewal: lcgadmin"},
		{"no machine proxy, for this renewer", gone(machine, f.HostKey), func(b *doctor.Box) {
			f.MyProxy.Change(f.User.Identity().String(), "", func(o *gridtest.StoreOptions) { o.Renewer = "*/CN=vobox.example.org" })
		}, nil, "renewal: lcgadmin"},
		{"no machine proxy, nothing stored", gone(machine, f.HostKey), func(b *doctor.Box) { f.MyProxy.Remove(f.User.Identity().String(), "") },
			[]string{"MP-NOCRED critical lcgadmin"}, "renewal: lcgadmin"},
		{"a wrong passphrase", gone(machine, f.HostKey), f.passphrase("wrong phrase"), []string{"MP-BADPASS critical lcgadmin"}, ""},
		{"nobody", gone(machine, f.HostKey), func(b *doctor.Box) {
			f.passphrase("right phrase")(b)
			f.MyProxy.SetPolicy(gridtest.Policy{AuthorizedRetrievers: []string{"/*"}, AuthorizedRenewers: []string{"/*"}, TrustedRetrievers: []string{"none"}})
		}, []string{"MP-ANON critical lcgadmin"}, ""},
		{"the passphrase", gone(machine, f.HostKey), f.passphrase("right phrase"), nil, ""},
	} {
		f.behave()
		f.restore(func() {
			tc.spoil()
			b := f.online()
			if tc.alter != nil {
				tc.alter(b)
			}
			h := f.ask(b, ofMyProxy...)
			f.finds(tc.name, h, tc.want...)
			if tc.skip != "" && !strings.Contains(strings.Join(h.skipped, "\n"), tc.skip) || tc.skip == "" && tc.want == nil && h.skipped != nil {
				t.Errorf("%s: not looked at: %q, want %q", tc.name, h.skipped, tc.skip)
			}
		})
	}
}

// passphrase lets the credential be stored with "right phrase", and asked for with the one given.
func (f *fixture) passphrase(phrase string) func(*doctor.Box) {
	return func(b *doctor.Box) {
		f.MyProxy.Change(f.User.Identity().String(), "", func(o *gridtest.StoreOptions) { o.Passphrase = "right phrase" })
		f.put(f.root+"/passphrase", phrase+"\n", 0o600)
		change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.PassphraseFile = f.root + "/passphrase" })
	}
}

// The user certificate behind what is stored, which MyProxy's own times do not show.
func TestUserCertificateEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		left time.Duration
		want string
	}{
		{100 * time.Hour, "MP-SHORT warning lcgadmin: localhost:"},
		{30 * time.Hour, "MP-SHORT critical lcgadmin: localhost:"},
	} {
		f := newFixture(t, gridtest.SiteOptions{UserEnd: time.Now().Add(tc.left)})
		h := f.ask(f.online(), ofMyProxy...)
		f.finds(tc.left.String(), h, tc.want)
		if !strings.Contains(h.all, "the user certificate") || !strings.Contains(h.all, "get a new certificate from your CA, then myproxy-init") {
			t.Errorf("%s: %s", tc.left, h.all)
		}
	}
	f := newFixture(t, gridtest.SiteOptions{})
	check(f, f.RevokeUser())
	f.finds("revoked", f.ask(f.online(), ofMyProxy...), "MP-REVOKED critical lcgadmin")
}

// Of several servers a pass asks the next one where nobody answers, and stops where it is refused.
func TestMyProxySeveral(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	good, none := f.MyProxy.Addr(), f.nobody()
	for _, tc := range []struct {
		name, servers string
		spoil         func()
		want          []string
	}{
		{"the first is silent", none + "," + good, func() {}, []string{"MP-NET warning " + none}},
		{"the second is silent", good + "," + none, func() {}, []string{"MP-NET warning " + none}},
		{"the first is silent, the second refuses", none + "," + good, func() { f.AllowBox(false) }, []string{"MP-NET critical " + none, "MP-PASS critical lcgadmin: " + good}},
	} {
		f.behave()
		tc.spoil()
		b := f.online()
		change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Server = tc.servers })
		f.finds(tc.name, f.ask(b, ofMyProxy...), tc.want...)
	}
}

// scripted is a MyProxy server that answers INFO with what is given and GET with a function's doing.
func (f *fixture) scripted(info string, get func(*tls.Conn)) string {
	f.Helper()
	host, err := f.CA.Issue(gridtest.CertRequest{Subject: f.CA.Below("OU=computers", "CN=scripted.example.org"), Kind: gridtest.HostCert})
	check(f, err)
	return f.serve(func(raw net.Conn) {
		conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{host.TLS()}, ClientAuth: tls.RequestClientCert, DynamicRecordSizingDisabled: true})
		buf := make([]byte, 16<<10)
		var msg []byte
		for !bytes.HasSuffix(msg, []byte{0}) {
			n, err := conn.Read(buf)
			if msg = append(msg, buf[:n]...); err != nil {
				return
			}
		}
		r, err := myproxy.ParseRequest(bytes.TrimPrefix(msg, []byte("0")))
		switch {
		case err != nil:
		case r.Command == myproxy.CommandInfo:
			fmt.Fprint(conn, info)
		default:
			get(conn)
		}
		raw.(*net.TCPConn).CloseWrite()
		conn.Read(buf)
	})
}

// Servers that do what the sandbox's do not.
func TestMyProxyOddities(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	const refuses = "VERSION=MYPROXYv2\nRESPONSE=1\nERROR=no credentials found\n\x00"
	stored, _, _ := f.MyProxy.Stored(f.User.Identity().String(), "")
	other, err := gridtest.NewCA(gridtest.CAOptions{Subject: "/DC=net/DC=elsewhere/CN=Another CA"})
	check(f, err)
	narrow, err := gridtest.NewCA(gridtest.CAOptions{Subject: "/DC=net/DC=narrow/CN=CA of its own people", Policy: []string{"/DC=net/DC=narrow/*"}})
	check(f, err)
	check(f, narrow.WriteAnchors(f.TrustDir))
	user := func(ca *gridtest.CA) *proxycert.Credential {
		c, err := ca.Issue(gridtest.CertRequest{Subject: f.User.Identity().String()})
		check(f, err)
		return c
	}
	stranger, outsider := user(other), user(narrow)
	gives := func(issuer *proxycert.Credential, chain []*x509.Certificate) func(*tls.Conn) {
		return func(conn *tls.Conn) {
			fmt.Fprint(conn, "VERSION=MYPROXYv2\nRESPONSE=0\n\x00")
			buf := make([]byte, 16<<10)
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			cert, err := issuer.SignRequest(buf[:n], proxycert.Template{Now: time.Now(), Lifetime: 48 * time.Hour})
			if err != nil {
				return
			}
			if out, err := myproxy.MarshalChain(append([]*x509.Certificate{cert}, chain...)); err == nil {
				conn.Write(out)
			}
			fmt.Fprint(conn, "VERSION=MYPROXYv2\nRESPONSE=0\n\x00")
		}
	}
	for _, tc := range []struct {
		name, want string
		get        func(*tls.Conn)
	}{
		{"SASL only", "MP-METHOD critical lcgadmin", func(conn *tls.Conn) {
			fmt.Fprint(conn, "VERSION=MYPROXYv2\nRESPONSE=2\nAUTHORIZATION_DATA=SASL:x\n\x00")
		}},
		{"no user certificate", "MP-NOEEC critical lcgadmin", gives(stored, stored.Chain[:1])},
		{"of a CA that is not known here", "CA-MISSING critical lcgadmin", gives(stranger, stranger.Chain)},
		{"outside of its CA's signing policy", "MP-CHAIN critical lcgadmin", gives(outsider, outsider.Chain)},
		{"as it should be", "", gives(stored, stored.Chain)},
	} {
		b, server := f.online(), f.scripted(refuses, tc.get)
		change(b, func(_ *plan.Credential, mp *plan.MyProxy) { mp.Server = server })
		h := f.ask(b, ofMyProxy...)
		if tc.want == "" {
			f.finds(tc.name, h)
		} else {
			f.finds(tc.name, h, tc.want)
		}
	}
}
