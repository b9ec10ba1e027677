package reconcile_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }

// A realBox is a box on the grid of Debian's servers.
type realBox struct {
	*reconcile.Engine
	grid     *realgrid.Grid
	want     plan.Desired
	env      string // path of CE.env
	restarts *restarter
}

// realServers is a box in the VO, looked after with the host certificate, for the user's proxy from the server.
func realServers(t *testing.T, g *realgrid.Grid, vo *realgrid.VOMS, px *realgrid.MyProxy, user, host *realgrid.Identity) *realBox {
	t.Helper()
	dir := t.TempDir()
	role := "/" + vo.VO + "/Role=lcgadmin"
	store := &trust.Store{Certificates: g.CertDir, VOMSDir: g.VOMSDir}
	b := &realBox{grid: g, env: filepath.Join(dir, "CE.env"), restarts: &restarter{}}
	b.Engine = &reconcile.Engine{
		Trust: store,
		Issuer: &issue.Issuer{
			TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
				return store.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, time.Now)
			},
			Servers: func() ([]voms.Server, error) { return voms.Load([]string{vo.Vomses}) },
			Now:     time.Now,
		},
		Services: b.restarts, Now: time.Now, Log: zerolog.New(zerolog.NewTestWriter(t)),
	}
	b.want = plan.Desired{
		VO: vo.VO, UID: -1, GID: -1, Root: dir, State: filepath.Join(dir, "reconcile"),
		Credentials: []plan.Credential{
			{Name: plan.MachineName, Kind: plan.Machine, Path: filepath.Join(dir, "renewal-proxy.pem"), Mode: 0o400,
				Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour,
				Source: plan.Source{Certificate: &plan.Certificate{Cert: host.CertFile, Key: host.KeyFile}}},
			{Name: "lcgadmin", Kind: plan.User, Path: filepath.Join(dir, "proxy_repository", "lcgadmin"), Mode: 0o600,
				Identity: user.DN, VO: vo.VO, FQANs: []string{role}, Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour,
				Source: plan.Source{MyProxy: &plan.MyProxy{Server: px.Addr(), Username: user.DN, AlertBelow: 240 * time.Hour}}},
		},
		EnvFiles: []plan.EnvFile{{Path: b.env, Export: true, Mode: 0o644,
			Set: []plan.Var{{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}}}}},
		Services: []plan.Service{{Name: "jalien", EnvFiles: []string{b.env}}},
	}
	return b
}

func (b *realBox) proxy() string { return b.want.Credentials[1].Path }

func (b *realBox) pass(t *testing.T, o plan.Options) *reconcile.Report {
	t.Helper()
	r, err := b.Pass(context.Background(), b.want, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// login puts the user's login proxy into the repository, as vobox-proxy register does.
func (b *realBox) login(t *testing.T, user *realgrid.Identity) {
	t.Helper()
	g := b.grid
	g.MustRun(g.Env(user), "voms-proxy-init2", "-voms", b.want.VO+":"+b.want.Credentials[1].FQANs[0])
	if err := os.MkdirAll(filepath.Dir(b.proxy()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.proxy(), read(t, user.Proxy), 0o600); err != nil {
		t.Fatal(err)
	}
}

// storeLong is myproxy-init as the manual has it.
func storeLong(g *realgrid.Grid, px *realgrid.MyProxy, user *realgrid.Identity, flags ...string) {
	g.MustRun(append(g.Env(user), "GT_PROXY_MODE=rfc"), "myproxy-init", px.Args(append([]string{"-d"}, flags...)...)...)
}

// storeByUs stores for a user whose EC certificate myproxy-init cannot sign with.
func storeByUs(t *testing.T, b *realBox, px *realgrid.MyProxy, user *realgrid.Identity) {
	t.Helper()
	eec, err := credfile.LoadPair(user.CertFile, user.KeyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := proxycert.GenerateKey(proxycert.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	// The server signs with what it stored, and Globus signs by the algorithm that its own certificate was signed with: one
	// RSA proxy between the EC certificate and the server's makes that RSA.
	local, err := eec.Delegate(key, proxycert.Template{Now: time.Now(), Lifetime: 3000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	client := myproxy.Client{Server: px.Addr(), TLS: b.Trust.ClientConfig(eec, trust.Peer{Host: px.Host}, time.Now), Now: time.Now}
	err = client.Put(context.Background(), myproxy.PutRequest{Username: user.DN, MaxLifetime: 48 * time.Hour, Lifetime: 3000 * time.Hour, Credential: local})
	if err != nil {
		t.Fatal(err)
	}
}

// The whole of a box's life on the servers that are in production elsewhere, over both VOMS protocols, with RSA and EC user
// certificates: first pass with a login proxy in the repository, renewals, and what comes out used by the stock tools.
func TestRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	g := realgrid.Shared(t)
	host, px := g.Identity(realgrid.VOBox), g.SitePolicy()
	for _, tt := range []struct {
		vo   *realgrid.VOMS
		user string
	}{
		{g.Alice(), realgrid.Jane}, {g.Dteam(), realgrid.BigKey}, {g.Alice(), realgrid.Elliptic},
	} {
		t.Run(tt.vo.VO+"/"+tt.user, func(t *testing.T) {
			user := g.Identity(tt.user)
			b := realServers(t, g, tt.vo, px, user, host)
			if tt.user == realgrid.Elliptic {
				storeByUs(t, b, px, user)
			} else {
				storeLong(g, px, user, "-n", "-t", "48", "-c", "3000")
			}
			b.login(t, user)
			r := b.pass(t, plan.Options{})
			mustResults(t, r, "renew/machine-proxy done", "renew/proxy/lcgadmin done", "write/env-file"+b.env+" done", "restart/service/jalien done")
			mustAlert(t, r, "VO-ACSHORT") // Debian's vomsd gives 24 h
			accepted(t, b, user)
			mustResults(t, b.pass(t, plan.Options{}))
			for range 2 { // renewed with the proxy of the time before, three and more deep
				before := read(t, b.proxy())
				waitForNextSecond(t, b)
				mustResults(t, b.pass(t, plan.Options{Force: []string{"lcgadmin"}}), "renew/proxy/lcgadmin done")
				if bytes.Equal(before, read(t, b.proxy())) {
					t.Error("the proxy is the old one")
				}
			}
			accepted(t, b, user)
			usable(t, b, px)
		})
	}
}

// waitForNextSecond returns when a new AC can end later than the one in place: certificates count in seconds.
func waitForNextSecond(t *testing.T, b *realBox) {
	t.Helper()
	end := b.Observe(b.want).Credentials["lcgadmin"].EffectiveEnd
	next := end.Add(-24*time.Hour + time.Second)
	if d := time.Until(next); d > 0 {
		<-time.After(d)
	}
}

// accepted shows the proxy to every stock tool that looks at proxies.
func accepted(t *testing.T, b *realBox, user *realgrid.Identity) {
	t.Helper()
	g, path, role := b.grid, b.proxy(), b.want.Credentials[1].FQANs[0]
	env := g.AnonymousEnv()
	for _, tool := range []struct {
		argv []string
		says []string
	}{
		{[]string{"grid-proxy-info", "-f", path}, []string{"RFC 3820 compliant impersonation proxy", "identity : " + user.DN}},
		{[]string{"grid-proxy-info", "-f", path, "-exists", "-valid", "47:0"}, nil},
		{[]string{"voms-proxy-info2", "-all", "-file", path}, []string{"attribute : " + role, "VO        : " + b.want.VO}},
		{[]string{"voms-proxy-info3", "-all", "-file", path}, []string{"attribute : " + role, "VO        : " + b.want.VO}},
		{[]string{"arcproxy", "-I", "-P", path}, []string{role}},
		{[]string{"openssl", "verify", "-allow_proxy_certs", "-CApath", g.CertDir, "-untrusted", path, leafOnly(t, path)}, []string{": OK"}},
	} {
		out := g.MustRun(env, tool.argv[0], tool.argv[1:]...)
		for _, s := range tool.says {
			if !strings.Contains(out, s) {
				t.Errorf("%s does not say %q:\n%s", tool.argv[0], s, out)
			}
		}
	}
}

// leafOnly writes the first certificate of a proxy file to a file of its own, which is how openssl verify wants it.
func leafOnly(t *testing.T, path string) string {
	t.Helper()
	cred, _, err := credfile.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	leaf := filepath.Join(t.TempDir(), "leaf.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cred.Leaf().Raw})
	if err := os.WriteFile(leaf, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return leaf
}

// usable takes the proxy as the identity of the next myproxy-info and voms-proxy-init.
func usable(t *testing.T, b *realBox, px *realgrid.MyProxy) {
	t.Helper()
	g := b.grid
	env := g.ProxyEnv(b.proxy())
	if out := g.MustRun(env, "myproxy-info", px.Args("-d")...); !strings.Contains(out, "timeleft: 2999:5") {
		t.Errorf("myproxy-info says\n%s", out)
	}
	out := filepath.Join(t.TempDir(), "again")
	role := b.want.VO + ":" + b.want.Credentials[1].FQANs[0]
	// The C++ client is known to refuse every proxy without a SubjectKeyIdentifier here; ours have one.
	g.MustRun(env, "voms-proxy-init2", "-noregen", "-voms", role, "-out", out)
	if says := g.MustRun(g.AnonymousEnv(), "voms-proxy-info2", "-fqan", "-file", out); !strings.Contains(says, b.want.Credentials[1].FQANs[0]) {
		t.Errorf("voms-proxy-info2 says\n%s", says)
	}
}

// What goes wrong on real sites, on the real servers: each with its alert id, cause and remedy, and the old proxy stays.
func TestRealTraps(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	g := realgrid.Start(t) // of its own: what is stored differs from test to test
	alice, px := g.Alice(), g.SitePolicy()
	now := time.Now()
	expiredHost := g.Issue(realgrid.Spec{Name: "oldbox", DN: "/DC=org/DC=gridtest/OU=computers/CN=oldbox.example.org", Host: true,
		Names: []string{"oldbox.example.org"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.Add(-time.Hour)})
	for _, tt := range []struct {
		name   string
		user   string
		host   *realgrid.Identity
		px     *realgrid.MyProxy
		store  []string
		id     string
		says   string
		remedy string
		kept   bool // the login proxy must still be there, byte for byte
	}{
		{name: "stored with -t 12", user: realgrid.Jane, store: []string{"-n", "-t", "12", "-c", "3000"}, id: "MP-T12",
			says: "12h of the 48h asked were granted", remedy: "-d -n -t 48 -c 3000"},
		{name: "stored credential about to end", user: realgrid.Jane, store: []string{"-n", "-t", "48", "-c", "6"}, id: "MP-SHORT",
			says: "the credential stored on", remedy: "-d -n -t 48 -c 3000", kept: true},
		{name: "user certificate about to end", user: realgrid.Ending, store: []string{"-n", "-t", "48", "-c", "3000"}, id: "MP-SHORT",
			says: "the user certificate ends ", remedy: "get a new certificate"},
		{name: "an AC shorter than asked", user: realgrid.Jane, store: []string{"-n", "-t", "48", "-c", "3000"}, id: "VO-ACSHORT",
			says: "24h of the 48h asked were granted", remedy: "ask the VO manager"},
		{name: "a box that is not registered", user: realgrid.Jane, host: g.Identity(realgrid.Rogue), store: []string{"-n", "-t", "48", "-c", "3000"},
			id: "MP-PASS", says: "CN=rogue.example.org", kept: true},
		{name: "an expired host certificate", user: realgrid.Jane, host: expiredHost, store: []string{"-n", "-t", "48", "-c", "3000"},
			id: "HOST-CERT", says: "expired on", remedy: "new", kept: true},
		{name: "nothing stored", user: realgrid.BigKey, id: "MP-NOCRED", says: "No credentials exist", remedy: "myproxy-init", kept: true},
		{name: "the server's policy leaves it to the flags: none", user: realgrid.Jane, px: g.SamplePolicy(), store: []string{"-n", "-t", "48", "-c", "3000"},
			id: "MP-PASS", says: "CN=vobox.example.org", kept: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, host, server := g.Identity(tt.user), tt.host, tt.px
			if host == nil {
				host = g.Identity(realgrid.VOBox)
			}
			if server == nil {
				server = px
			}
			b := realServers(t, g, alice, server, user, host)
			if tt.store != nil {
				storeLong(g, server, user, tt.store...)
			}
			b.login(t, user)
			before := read(t, b.proxy())
			r := b.pass(t, plan.Options{})
			a := mustAlert(t, r, tt.id)
			if !strings.Contains(a.Message+a.Remedy, tt.says) || !strings.Contains(a.Remedy, tt.remedy) {
				t.Errorf("alert %+v; want %q and the remedy %q", a, tt.says, tt.remedy)
			}
			if tt.kept && !bytes.Equal(before, read(t, b.proxy())) {
				t.Error("the old proxy did not stay")
			}
		})
	}
}

// The flags of myproxy-init decide where the server leaves it to them.
func TestRealSamplePolicy(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	g := realgrid.Shared(t)
	jane, host, px := g.Identity(realgrid.Jane), g.Identity(realgrid.VOBox), g.SamplePolicy()
	b := realServers(t, g, g.Alice(), px, jane, host)
	storeLong(g, px, jane, "-t", "48", "-c", "3000", "-R", "vobox.example.org")
	b.login(t, jane)
	mustResults(t, b.pass(t, plan.Options{}), "renew/machine-proxy done", "renew/proxy/lcgadmin done", "write/env-file"+b.env+" done", "restart/service/jalien done")
	accepted(t, b, jane)
}

// A user whose certificate is revoked after storing: the real server says so, and the old proxy stays.
func TestRealRevokedUser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	g := realgrid.Start(t) // of its own: its CRL changes
	user, host, px := g.Identity(realgrid.Jane), g.Identity(realgrid.VOBox), g.SitePolicy()
	b := realServers(t, g, g.Alice(), px, user, host)
	storeLong(g, px, user, "-n", "-t", "48", "-c", "3000")
	b.login(t, user)
	before := read(t, b.proxy())
	g.Revoke(user)
	if st := b.Observe(b.want).Credentials["lcgadmin"]; st.FaultID != trust.IDRevoked {
		t.Errorf("the proxy of a revoked user: %s %q", st.FaultID, st.Fault)
	}
	r := b.pass(t, plan.Options{})
	if len(r.Outcomes) < 2 || r.Outcomes[1].Result != reconcile.Failed {
		t.Fatalf("outcomes %v", results(r))
	}
	if a := mustAlert(t, r, "MP-REVOKED"); !strings.Contains(a.Remedy, "myproxy-") {
		t.Errorf("remedy %q", a.Remedy)
	}
	if !bytes.Equal(before, read(t, b.proxy())) {
		t.Error("the old proxy did not stay")
	}
}
