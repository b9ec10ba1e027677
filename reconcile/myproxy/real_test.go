package myproxy_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// The tests of this file run against Debian's myproxy-server. Without it they
// are skipped, or fail where CI=true.

func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }

func eec(id *realgrid.Identity) *proxycert.Credential {
	return &proxycert.Credential{Chain: []*x509.Certificate{id.Cert}, Key: id.Signer}
}

// realClient talks to a real server as cred (nil: nobody), under one TLS version.
func realClient(t *testing.T, g *realgrid.Grid, m *realgrid.MyProxy, cred *proxycert.Credential, version uint16) *myproxy.Client {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(g.CertDir, "GridTestCA.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cfg := &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version}
	if cred != nil {
		cfg.Certificates = []tls.Certificate{cred.TLS()}
	}
	return &myproxy.Client{Server: m.Addr(), TLS: cfg}
}

// oldProxy is a login proxy with an RSA key, as a challenge wants it.
func oldProxy(t *testing.T, id *realgrid.Identity, tmpl proxycert.Template) *proxycert.Credential {
	t.Helper()
	tmpl.Now = time.Now()
	if tmpl.Lifetime == 0 {
		tmpl.Lifetime = time.Hour
	}
	cred, err := eec(id).Delegate(rsaKey(), tmpl)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

// errID is "ok", or the id of a *myproxy.Error.
func errID(err error) string {
	var e *myproxy.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return e.ID
	}
	return "not a *myproxy.Error: " + err.Error()
}

// within reports whether a lifetime is the wanted one, give or take a minute.
func within(got, want time.Duration) bool { return (got - want).Abs() < time.Minute }

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// TestRealGet stores by myproxy-init and gets in each of the three ways.
func TestRealGet(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	jane := g.Identity(realgrid.Jane)
	g.MustRun(g.Env(jane), "myproxy-init", m.Args("-d", "-n", "-t", "48", "-c", "3000")...)
	out := g.RunInput(g.Env(jane), "sesame7\n", "myproxy-init", m.Args("-l", "jdoe", "-S", "-t", "24", "-c", "100")...)
	if out.ExitCode != 0 {
		t.Fatal(out)
	}
	old := oldProxy(t, jane, proxycert.Template{})
	get := func(r myproxy.GetRequest) myproxy.GetRequest {
		if r.Username == "" {
			r.Username = jane.DN
		}
		r.Identity, r.Key = mustDN(t, jane.DN), proxycert.P256
		return r
	}
	for _, version := range versions {
		for _, tt := range []struct {
			name     string
			as       string // "": nobody
			r        myproxy.GetRequest
			lifetime time.Duration
		}{
			{"renewal", realgrid.VOBox, get(myproxy.GetRequest{Renew: old, Lifetime: 20 * time.Hour}), 20 * time.Hour},
			{"renewal for as long as allowed", realgrid.VOBox, get(myproxy.GetRequest{Renew: old}), 48 * time.Hour},
			{"renewal for longer than stored", realgrid.VOBox, get(myproxy.GetRequest{Renew: old, Lifetime: 72 * time.Hour}), 48 * time.Hour},
			{"trusted retriever", realgrid.Portal, get(myproxy.GetRequest{Lifetime: 10 * time.Hour}), 10 * time.Hour},
			{"trusted retriever with an old proxy", realgrid.Portal, get(myproxy.GetRequest{Renew: old, Lifetime: 10 * time.Hour}), 10 * time.Hour},
			{"passphrase", realgrid.Rogue, get(myproxy.GetRequest{Username: "jdoe", Passphrase: []byte("sesame7")}), 24 * time.Hour},
			{"passphrase without a certificate", "", get(myproxy.GetRequest{Username: "jdoe", Passphrase: []byte("sesame7")}), 24 * time.Hour},
		} {
			t.Run(tls.VersionName(version)+"/"+tt.name, func(t *testing.T) {
				var as *proxycert.Credential
				if tt.as != "" {
					as = eec(g.Identity(tt.as))
				}
				cred, err := realClient(t, g, m, as, version).Get(t.Context(), tt.r)
				if err != nil {
					t.Fatal(err)
				}
				if left := time.Until(cred.NotAfter()); !within(left, tt.lifetime) {
					t.Errorf("the proxy lasts %v, want %v", left, tt.lifetime)
				}
				if n := len(cred.Chain); n != 4 {
					t.Errorf("the chain has %d certificates, want 4: new proxy, delegation, myproxy-init's, EEC", n)
				}
				if !cred.EEC().Equal(jane.Cert) {
					t.Errorf("the chain ends with %v", cred.EEC().Subject)
				}
			})
		}
	}
}

// TestRealRenewAgain renews what was renewed, with an RSA key as in production.
func TestRealRenewAgain(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	jane := g.Identity(realgrid.Jane)
	store(t, realClient(t, g, m, eec(jane), tls.VersionTLS13), myproxy.PutRequest{Username: jane.DN, CredName: "again", Credential: eec(jane)})
	c := realClient(t, g, m, eec(g.Identity(realgrid.VOBox)), tls.VersionTLS13)
	cred := oldProxy(t, jane, proxycert.Template{})
	for round := range 2 {
		var err error
		if cred, err = c.Get(t.Context(), myproxy.GetRequest{Username: jane.DN, CredName: "again", Renew: cred}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	file := filepath.Join(t.TempDir(), "proxy.pem")
	writeProxy(t, file, cred)
	if out := g.MustRun(g.ProxyEnv(file), "grid-proxy-info", "-identity", "-file", file); strings.TrimSpace(out) != jane.DN {
		t.Errorf("grid-proxy-info says %q, want %q", out, jane.DN)
	}
}

// TestRealLimited: a limited old proxy is no error, but what comes back is limited.
func TestRealLimited(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	jane := g.Identity(realgrid.Jane)
	store(t, realClient(t, g, m, eec(jane), tls.VersionTLS13), myproxy.PutRequest{Username: jane.DN, CredName: "limited", Credential: eec(jane)})
	old := oldProxy(t, jane, proxycert.Template{Limited: true})
	cred, err := realClient(t, g, m, eec(g.Identity(realgrid.VOBox)), tls.VersionTLS13).
		Get(t.Context(), myproxy.GetRequest{Username: jane.DN, CredName: "limited", Renew: old, Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	if !cred.Limited() {
		t.Errorf("the new proxy is a full one")
	}
}

// store puts a credential and fails the test if that does not work.
func store(t *testing.T, c *myproxy.Client, r myproxy.PutRequest) {
	t.Helper()
	if err := c.Put(t.Context(), r); err != nil {
		t.Fatalf("storing %q: %v", r.CredName, err)
	}
}

// TestRealPolicies is the table of what the flags of the store and the policy
// of the server make of each other.
func TestRealPolicies(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	jane := g.Identity(realgrid.Jane)
	old := oldProxy(t, jane, proxycert.Template{})
	const vobox, portal = "*/CN=vobox.example.org", "*/CN=portal.example.org"
	site, sample := g.SitePolicy(), g.SamplePolicy()
	type answers [6]string // vobox, rogue, portal with the old proxy; vobox, portal, rogue without
	for i, tt := range []struct {
		server           *realgrid.MyProxy
		renewer, trusted string
		want             answers
	}{
		{site, "", "", answers{"ok", "MP-PASS", "ok", "MP-NOOLD", "ok", "MP-PASS"}},
		{site, vobox, "", answers{"ok", "MP-PASS", "ok", "MP-NOOLD", "ok", "MP-PASS"}},
		{site, vobox, vobox, answers{"ok", "MP-PASS", "MP-PASS", "MP-NOOLD", "MP-PASS", "MP-PASS"}},
		{sample, "", "", answers{"MP-PASS", "MP-PASS", "MP-PASS", "MP-PASS", "MP-PASS", "MP-PASS"}},
		{sample, vobox, "", answers{"ok", "MP-PASS", "MP-PASS", "MP-NOOLD", "MP-PASS", "MP-PASS"}},
		{sample, "*", "", answers{"ok", "ok", "ok", "MP-NOOLD", "MP-NOOLD", "MP-NOOLD"}},
		{sample, "", portal, answers{"MP-PASS", "MP-PASS", "ok", "MP-PASS", "ok", "MP-PASS"}},
		{sample, vobox, vobox, answers{"ok", "MP-PASS", "MP-PASS", "ok", "MP-PASS", "MP-PASS"}},
	} {
		name := fmt.Sprintf("policy%d", i)
		store(t, realClient(t, g, tt.server, eec(jane), tls.VersionTLS13), myproxy.PutRequest{
			Username: jane.DN, CredName: name, Renewer: tt.renewer, TrustedRetriever: tt.trusted, Credential: eec(jane),
		})
		for j, as := range []string{realgrid.VOBox, realgrid.Rogue, realgrid.Portal, realgrid.VOBox, realgrid.Portal, realgrid.Rogue} {
			r := myproxy.GetRequest{Username: jane.DN, CredName: name, Key: proxycert.P256}
			if j < 3 {
				r.Renew = old
			}
			_, err := realClient(t, g, tt.server, eec(g.Identity(as)), versions[j%2]).Get(t.Context(), r)
			if got := errID(err); got != tt.want[j] {
				t.Errorf("row %d (renewer %q, trusted %q), %s, old proxy %v: %s, want %s (%v)",
					i, tt.renewer, tt.trusted, as, j < 3, got, tt.want[j], err)
			}
		}
	}
}

// TestRealRefusals provokes what the real server can be brought to say.
func TestRealRefusals(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	site, sample := g.SitePolicy(), g.SamplePolicy()
	jane, sam := g.Identity(realgrid.Jane), g.Identity(realgrid.Stranger)
	box := eec(g.Identity(realgrid.VOBox))
	old := oldProxy(t, jane, proxycert.Template{})
	over, err := eec(jane).Delegate(rsaKey(), proxycert.Template{Now: time.Now().Add(-48 * time.Hour), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*realgrid.MyProxy{site, sample} {
		store(t, realClient(t, g, m, eec(jane), tls.VersionTLS13),
			myproxy.PutRequest{Username: jane.DN, CredName: "refuse", Renewer: "*", Credential: eec(jane)})
	}
	store(t, realClient(t, g, site, eec(jane), tls.VersionTLS13),
		myproxy.PutRequest{Username: "refuse", Passphrase: []byte("sesame7"), Credential: eec(jane)})
	expiring := storeExpired(t, g, site, jane)
	ctx := t.Context()
	get := func(r myproxy.GetRequest) func(c *myproxy.Client) error {
		if r.Username == "" {
			r.Username, r.CredName = jane.DN, "refuse"
		}
		r.Key = proxycert.P256
		return func(c *myproxy.Client) error {
			_, err := c.Get(ctx, r)
			return err
		}
	}
	info := func(user string) func(c *myproxy.Client) error {
		return func(c *myproxy.Client) error {
			_, err := c.Info(ctx, user, "")
			return err
		}
	}
	for i, tt := range []struct {
		name   string
		server *realgrid.MyProxy
		as     *proxycert.Credential
		do     func(c *myproxy.Client) error
		want   string
	}{
		{"old proxy of another user", site, box, get(myproxy.GetRequest{Renew: oldProxy(t, sam, proxycert.Template{})}), "MP-OLDOTHER"},
		{"old proxy expired", site, box, get(myproxy.GetRequest{Renew: over}), "MP-OLDEXPIRED"},
		{"the user renews", sample, old, get(myproxy.GetRequest{Renew: old}), "MP-SELF"},
		{"nothing stored", site, box, get(myproxy.GetRequest{Username: "nobody", Renew: old}), "MP-NOCRED"},
		{"nothing stored of that name", site, box, get(myproxy.GetRequest{Username: jane.DN, CredName: "none", Renew: old}), "MP-NOCRED"},
		{"wrong passphrase", site, box, get(myproxy.GetRequest{Username: "refuse", Passphrase: []byte("sesame8")}), "MP-BADPASS"},
		{"passphrase too short to be one", site, box, get(myproxy.GetRequest{Username: "refuse", Passphrase: []byte("x")}), "MP-BADPASS"},
		{"renewal of what has a passphrase", site, box, get(myproxy.GetRequest{Username: "refuse", Renew: old}), "MP-PASS"},
		{"no certificate", site, nil, get(myproxy.GetRequest{}), "MP-ANON"},
		{"stored credential expired", site, box, get(myproxy.GetRequest{Username: expiring, Renew: old}), "MP-REVOKED"},
		{"our certificate expired", site, eec(g.Identity(realgrid.Expired)), info("x"), "MP-CERTEXPIRED"},
		{"our certificate revoked", site, eec(g.Identity(realgrid.Revoked)), info("x"), "MP-CERTREVOKED"},
		{"a CA unknown to the server", site, strangeCredential(t), info("x"), "MP-CERTCA"},
		{"info on nothing", site, eec(sam), info(sam.DN), "MP-NOCRED"},
		{"info on another's", site, eec(sam), info(jane.DN), "MP-NOCRED"},
		{"info by nobody", site, nil, info(jane.DN), "MP-ANON"},
		{"store under another's name", site, eec(sam), func(c *myproxy.Client) error {
			return c.Put(ctx, myproxy.PutRequest{Username: "refuse", Credential: eec(sam)})
		}, "MP-OWNER"},
		{"destroy another's", site, eec(sam), func(c *myproxy.Client) error { return c.Destroy(ctx, "refuse", "") }, "MP-OWNER"},
		{"destroy nothing", site, eec(sam), func(c *myproxy.Client) error { return c.Destroy(ctx, "nobody", "") }, "MP-NOCRED"},
		{"change another's passphrase", site, eec(sam), func(c *myproxy.Client) error {
			return c.ChangePassphrase(ctx, "refuse", "", []byte("sesame7"), []byte("sesame9"))
		}, "MP-OWNER"},
		{"change with a wrong passphrase", site, eec(jane), func(c *myproxy.Client) error {
			return c.ChangePassphrase(ctx, "refuse", "", []byte("sesame8"), []byte("sesame9"))
		}, "MP-BADPASS"},
	} {
		tried := versions
		if !strings.HasPrefix(tt.want, "MP-CERT") { // the others are said inside of TLS, whatever its version
			tried = versions[i%2 : i%2+1]
		}
		for _, version := range tried {
			err := tt.do(realClient(t, g, tt.server, tt.as, version))
			if got := errID(err); got != tt.want {
				t.Errorf("%s, %s: %s, want %s (%v)", tt.name, tls.VersionName(version), got, tt.want, err)
			}
		}
	}
}

// storeExpired puts a credential into the server's store that is over already,
// which the server itself would not take. It returns the user name.
func storeExpired(t *testing.T, g *realgrid.Grid, m *realgrid.MyProxy, id *realgrid.Identity) string {
	t.Helper()
	const user = "over"
	store(t, realClient(t, g, m, eec(id), tls.VersionTLS13), myproxy.PutRequest{Username: user, Credential: eec(id)})
	cred, err := eec(id).Delegate(rsaKey(), proxycert.Template{Now: time.Now().Add(-48 * time.Hour), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	writeProxy(t, filepath.Join(m.Store, user+".creds"), cred)
	return user
}

// TestRealPut stores and has the real clients look at it and use it.
func TestRealPut(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	for name, versions := range map[string][]uint16{realgrid.Jane: versions, realgrid.Elliptic: versions[1:], realgrid.BigKey: versions[:1]} {
		for _, version := range versions {
			t.Run(name+"/"+tls.VersionName(version), func(t *testing.T) {
				id := g.Identity(name)
				c := realClient(t, g, m, eec(id), version)
				label := fmt.Sprintf("put-%x", version)
				store(t, c, myproxy.PutRequest{
					Username: id.DN, CredName: label, Description: "made by a test",
					MaxLifetime: 36 * time.Hour, Lifetime: 300 * time.Hour, Credential: eec(id),
				})
				out := g.MustRun(g.Env(id), "myproxy-info", m.Args("-d", "-k", label)...)
				for _, want := range []string{"owner: " + id.DN, "name: " + label, "timeleft: ", "description: made by a test"} {
					if !strings.Contains(out, want) {
						t.Errorf("myproxy-info does not say %q:\n%s", want, out)
					}
				}
				if !strings.Contains(out, "timeleft: 299:5") && !strings.Contains(out, "timeleft: 300:00") {
					t.Errorf("myproxy-info does not say 300 h:\n%s", out)
				}
				old := filepath.Join(t.TempDir(), "old")
				writeProxy(t, old, oldProxy(t, id, proxycert.Template{}))
				renewed := filepath.Join(t.TempDir(), "renewed")
				box := g.Identity(realgrid.VOBox)
				g.MustRun(g.Env(box), "myproxy-logon", m.Args("-a", old, "-d", "-k", label, "-t", "48", "-o", renewed)...)
				left := g.MustRun(g.ProxyEnv(renewed), "grid-proxy-info", "-file", renewed, "-timeleft")
				if d, err := time.ParseDuration(strings.TrimSpace(left) + "s"); err != nil || !within(d, 36*time.Hour) {
					t.Errorf("myproxy-logon got a proxy of %q, want 36 h (the -t of the store)", left)
				}
			})
		}
	}
}

func TestRealInfoAndDestroy(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	jane := g.Identity(realgrid.Jane)
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c := realClient(t, g, m, eec(jane), version)
			user := fmt.Sprintf("info-%x", version)
			g.MustRun(g.Env(jane), "myproxy-init", m.Args("-l", user, "-n", "-c", "200")...)
			g.MustRun(g.Env(jane), "myproxy-init", m.Args("-l", user, "-k", "a_b=c", "-K", "two words", "-x", "-R", "*/CN=r", "-Z", "*/CN=z", "-c", "100")...)
			store(t, c, myproxy.PutRequest{Username: user, CredName: "ours", Retriever: "*/CN=g", KeyRetriever: "*/CN=k", Lifetime: 50 * time.Hour, Credential: eec(jane)})
			list, err := c.Info(t.Context(), user, "")
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 3 || list[0].Name != "" {
				t.Fatalf("got %+v, want three, the unnamed one first", list)
			}
			for i, s := range list {
				want := myproxy.Stored{Name: s.Name, Start: s.Start, End: s.End, Owner: jane.DN}
				hours := time.Duration(200)
				switch s.Name {
				case "a_b=c":
					hours, want.Description, want.Renewer, want.TrustedRetriever = 100, "two words", "*/CN=r", "*/CN=z"
				case "ours":
					hours, want.Retriever, want.KeyRetriever = 50, "*/CN=g", "*/CN=k"
				}
				if s != want {
					t.Errorf("credential %d is\n%+v, want\n%+v", i, s, want)
				}
				if !within(time.Until(s.End), hours*time.Hour) {
					t.Errorf("%q ends at %v, want in %d h", s.Name, s.End, hours)
				}
			}
			for _, name := range []string{"a_b=c", "", "ours"} {
				if err := c.Destroy(t.Context(), user, name); err != nil {
					t.Fatalf("destroying %q: %v", name, err)
				}
			}
			if list, err := c.Info(t.Context(), user, ""); errID(err) != "MP-NOCRED" {
				t.Errorf("after Destroy, Info gives %+v, %v; want MP-NOCRED", list, err)
			}
		})
	}
}

func TestRealChangePassphrase(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	jane := g.Identity(realgrid.Jane)
	for _, version := range versions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			c := realClient(t, g, m, eec(jane), version)
			user := fmt.Sprintf("change-%x", version)
			store(t, c, myproxy.PutRequest{Username: user, Passphrase: []byte("sesame7"), Credential: eec(jane)})
			if err := c.ChangePassphrase(t.Context(), user, "", []byte("sesame7"), []byte("open sesame")); err != nil {
				t.Fatal(err)
			}
			rogue := g.Identity(realgrid.Rogue)
			file := filepath.Join(t.TempDir(), "proxy")
			if r := g.RunInput(g.Env(rogue), "open sesame\n", "myproxy-logon", m.Args("-S", "-l", user, "-o", file)...); r.ExitCode != 0 {
				t.Errorf("myproxy-logon with the new passphrase: %v", r)
			}
			_, err := realClient(t, g, m, eec(rogue), version).
				Get(t.Context(), myproxy.GetRequest{Username: user, Passphrase: []byte("sesame7"), Key: proxycert.P256})
			if errID(err) != "MP-BADPASS" {
				t.Errorf("with the old passphrase: %v, want MP-BADPASS", err)
			}
		})
	}
}

// TestRealUnlisted: what an unregistered box is told names the box.
func TestRealUnlisted(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SitePolicy()
	jane, rogue := g.Identity(realgrid.Jane), g.Identity(realgrid.Rogue)
	store(t, realClient(t, g, m, eec(jane), tls.VersionTLS13), myproxy.PutRequest{Username: jane.DN, CredName: "unlisted", Credential: eec(jane)})
	machine, err := eec(rogue).Delegate(rsaKey(), proxycert.Template{Now: time.Now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_, err = realClient(t, g, m, machine, tls.VersionTLS13).Get(t.Context(), myproxy.GetRequest{
		Username: jane.DN, CredName: "unlisted", Renew: oldProxy(t, jane, proxycert.Template{}), Key: proxycert.P256,
	})
	var e *myproxy.Error
	if !errors.As(err, &e) || e.ID != "MP-PASS" || e.Where != "MyProxy operator" {
		t.Fatalf("got %v, want MP-PASS for the MyProxy operator", err)
	}
	if !slices.Equal(e.Messages, []string{"no passphrase", "authentication failed"}) {
		t.Errorf("the server said %q", e.Messages)
	}
	for _, s := range []string{e.Cause, e.Remedy} {
		if !strings.Contains(s, rogue.DN) {
			t.Errorf("%q does not name the box, %s", s, rogue.DN)
		}
	}
}

// TestRealRemedy: the command that a refusal proposes does what it is for.
func TestRealRemedy(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	m := g.SamplePolicy()
	jane, box := g.Identity(realgrid.Jane), g.Identity(realgrid.VOBox)
	c := realClient(t, g, m, eec(box), tls.VersionTLS13)
	r := myproxy.GetRequest{
		Username: jane.DN, CredName: "it's mine", Lifetime: 47*time.Hour + time.Minute,
		Renew: oldProxy(t, jane, proxycert.Template{}), Key: proxycert.P256,
	}
	_, err := c.Get(t.Context(), r)
	var e *myproxy.Error
	if !errors.As(err, &e) || e.ID != "MP-NOCRED" {
		t.Fatalf("got %v, want MP-NOCRED", err)
	}
	g.MustRun(g.Env(jane), "sh", "-c", e.Remedy)
	_, err = c.Get(t.Context(), r)
	if !errors.As(err, &e) || e.ID != "MP-PASS" { // this server wants -R
		t.Fatalf("got %v, want MP-PASS", err)
	}
	_, command, ok := strings.Cut(e.Remedy, "name this box: ")
	if !ok {
		t.Fatalf("the remedy %q has no command", e.Remedy)
	}
	g.MustRun(g.Env(jane), "sh", "-c", command)
	cred, err := c.Get(t.Context(), r)
	if err != nil {
		t.Fatalf("after %s: %v", command, err)
	}
	if left := time.Until(cred.NotAfter()); !within(left, r.Lifetime) {
		t.Errorf("got %v, want %v", left, r.Lifetime)
	}
}

// TestRealClearText shows that the scripted server of TestClearText does as the
// real one: without the '0' record its error comes outside of TLS.
func TestRealClearText(t *testing.T) {
	t.Parallel()
	g := realgrid.Shared(t)
	c := realClient(t, g, g.SitePolicy(), nil, tls.VersionTLS13)
	c.TLS.ServerName = "localhost"
	conn, err := tls.Dial("tcp", c.Server, c.TLS)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(clearTextRequest)); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(conn)
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || !strings.HasPrefix(clearTextError, string(header.RecordHeader[:])) {
		t.Errorf("got %v, want the beginning of %q for a record header", err, clearTextError)
	}
}

func writeProxy(t *testing.T, file string, cred *proxycert.Credential) {
	t.Helper()
	var b bytes.Buffer
	for i, cert := range cred.Chain {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if i == 0 {
			der, err := x509.MarshalPKCS8PrivateKey(cred.Key)
			if err != nil {
				t.Fatal(err)
			}
			pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustDN(t *testing.T, s string) dn.Name {
	t.Helper()
	name, err := dn.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
