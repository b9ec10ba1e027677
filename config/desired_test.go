package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

const janeDoe = "/DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe"

// janeFile is the name that vobox-proxy gives the proxy of janeDoe with the role lcgadmin.
const janeFile = "+2fDC+3dch+2fDC+3dcern+2fOU+3dOrganic+20Units+2fOU+3dUsers+2fCN+3djdoe+2fCN+3d123456+2fCN+3dJane+20Doe" +
	"-voms+20alice+3a+2falice+2fRole+3dlcgadmin"

// TestMinimal is the contract's short file: everything else has to follow from the defaults.
func TestMinimal(t *testing.T) {
	c, err := config.Load("../examples/minimal.yaml", testEnv())
	if err != nil {
		t.Fatal(err)
	}
	pointer := []plan.Part{{Proxy: "lcgadmin"}}
	want := plan.Desired{
		VO: "alice", User: "alicesgm", UID: 500, GID: 501, Home: "/home/alicesgm",
		Root: "/var/lib/vobox/alice", Repository: "/var/lib/vobox/alice/proxy_repository", State: "/var/lib/vobox/alice/reconcile",
		Credentials: []plan.Credential{{
			Name: "machine-proxy", Kind: plan.Machine, Path: "/var/lib/vobox/alice/renewal-proxy.pem", VO: "alice",
			Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour, AlertBelow: time.Hour,
			Source: plan.Source{Certificate: &plan.Certificate{Cert: "/etc/grid-security/hostcert.pem", Key: "/etc/grid-security/hostkey.pem"}},
			Key:    "rsa2048", Mode: 0o400,
		}, {
			Name: "lcgadmin", Kind: plan.User, Path: "/var/lib/vobox/alice/proxy_repository/" + janeFile,
			Identity: janeDoe, VO: "alice", FQANs: []string{"/alice/Role=lcgadmin"},
			Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, AlertBelow: time.Hour,
			Source: plan.Source{MyProxy: &plan.MyProxy{Server: "myproxy.cern.ch:7512", Username: janeDoe, Timeout: 30 * time.Second, AlertBelow: 240 * time.Hour}},
			Key:    "rsa2048", Mode: 0o600,
		}},
		EnvFiles: []plan.EnvFile{
			{Path: "/home/alicesgm/.alien/config/CE.env", Set: []plan.Var{{Name: "X509_USER_PROXY", Value: pointer}}, Export: true, Mode: 0o644},
			{Path: "/home/alicesgm/.alien/config/ml.env", Set: []plan.Var{
				{Name: "X509_USER_PROXY", Value: pointer}, {Name: "MYPROXY_SERVER", Value: []plan.Part{{Text: "myproxy.cern.ch"}}},
			}, Export: true, Mode: 0o644},
		},
		Services: []plan.Service{{
			Name: "jalien", Restart: []string{"/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", "restart"},
			EnvFiles: []string{"/home/alicesgm/.alien/config/CE.env", "/home/alicesgm/.alien/config/ml.env"},
			Timeout:  5 * time.Minute, AtMost: 4, Per: 24 * time.Hour,
		}},
	}
	if diff := cmp.Diff(want, c.Desired()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestReference is the file with every key: each value that is its default has to agree with leaving it out, and each
// that is not has to arrive.
func TestReference(t *testing.T) {
	c, err := config.Load("../examples/reference.yaml", testEnv("HOME=/root"))
	if err != nil {
		t.Fatal(err)
	}
	d := c.Desired()
	lcgadmin := d.Credentials[1]
	want := plan.Credential{
		Name: "lcgadmin", Kind: plan.User, Path: "/var/lib/vobox/alice/proxy_repository/*lcgadmin", Default: "/var/lib/vobox/alice/proxy_repository/" + janeFile,
		Links: []string{"/home/alicesgm/.globus/user-proxy.pem"}, Identity: janeDoe, VO: "alice", FQANs: []string{"/alice/Role=lcgadmin", "/alice"},
		Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, AlertBelow: time.Hour,
		Source: plan.Source{MyProxy: &plan.MyProxy{Server: "myproxy.cern.ch:7512", Username: janeDoe, Timeout: 30 * time.Second, AlertBelow: 240 * time.Hour}},
		Key:    "rsa2048", Mode: 0o600,
	}
	if diff := cmp.Diff(want, lcgadmin); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	robot := plan.Source{Certificate: &plan.Certificate{Cert: "/etc/grid-security/robotcert.pem", Key: "/etc/grid-security/robotkey.pem"}}
	if diff := cmp.Diff(robot, d.Credentials[2].Source); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wantEnv := plan.EnvFile{
		Path: "/home/alicesgm/.alien/config/CE.env",
		Set: []plan.Var{
			{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}},
			{Name: "VOBOX_HOME", Value: []plan.Part{{Text: "/root/vobox"}}},
		},
		Unset:  []string{"X509_CERT_FILE"},
		Expect: []plan.Var{{Name: "ALIEN_USER", Value: []plan.Part{{Text: "jdoe"}}}},
		Export: true, Format: "shell", Mode: 0o644,
	}
	if diff := cmp.Diff(wantEnv, d.EnvFiles[0]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	exporter := plan.Service{Name: "arc-exporter", Unit: "arc-exporter.service", Proxies: []string{"monitoring"}, Timeout: 5 * time.Minute, AtMost: 4, Per: 24 * time.Hour}
	if diff := cmp.Diff(exporter, d.Services[1]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wantAlerts := []config.Alert{
		{Email: &config.Email{To: []string{"vobox-admin@example.org", "site-admin@example.org"}, From: "alicesgm@vobox.example.org",
			SMTP: "smtp.example.org:587", TLS: config.TLSStartTLS, Username: "vobox", PasswordFile: "/etc/vobox-reconcile/smtp-password"}, AtMostEvery: 24 * time.Hour},
		{Webhook: &config.Webhook{URL: "https://chat.example.org/hooks/vobox", HeadersFile: "/etc/vobox-reconcile/webhook-headers"}, AtMostEvery: 24 * time.Hour},
		{Command: []string{"/usr/local/bin/page-me", "--from", "vobox"}, AtMostEvery: 24 * time.Hour},
	}
	if diff := cmp.Diff(wantAlerts, c.Alerts); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if c.Metrics.Textfile != "/var/lib/node_exporter/textfile_collector/vobox.prom" || c.Watch != (config.Watch{Listen: "127.0.0.1:9555", Interval: time.Hour}) {
		t.Errorf("metrics are %+v, watch is %+v", c.Metrics, c.Watch)
	}
}

// TestDefaults has those that depend on something.
func TestDefaults(t *testing.T) {
	const base = "version: 1\nvo: alice\n"
	hidden := func(e *config.Env) { e.Readable = func(string) bool { return false } }
	for _, c := range []struct {
		name string
		doc  string
		vars []string
		env  func(*config.Env)
		get  func(*config.Config) any
		want any
	}{
		{"root", base + "root: /x/\n", nil, nil, func(c *config.Config) any { return []string{c.Repository, c.State, c.MachineProxy.Path} },
			[]string{"/x/proxy_repository", "/x/reconcile", "/x/renewal-proxy.pem"}},
		{"user", base, nil, nil, func(c *config.Config) any { d := c.Desired(); return []any{d.User, d.UID, d.GID, d.Home} }, []any{"me", -1, -1, "/home/me"}},
		{"user without HOME", base, []string{"HOME="}, func(e *config.Env) { e.Username = "atlas" }, func(c *config.Config) any { return c.Desired().Home }, "/srv/atlas"},
		{"tilde alone", base + "root: '~'\n", nil, nil, func(c *config.Config) any { return c.Root }, "/home/me"},
		{"tilde of the user", base + "user: alicesgm\nroot: ~/x\n", nil, nil, func(c *config.Config) any { return c.Root }, "/home/alicesgm/x"},
		{"tilde of another", base + "user: alicesgm\nroot: ~atlas/x/../y\n", nil, nil, func(c *config.Config) any { return c.Root }, "/srv/atlas/y"},
		{"trust", base, nil, nil, func(c *config.Config) any { return c.Trust },
			config.Trust{Certificates: "/etc/grid-security/certificates", VOMSDir: "/etc/grid-security/vomsdir", VOMSES: []string{"/etc/vomses"}, CRL: config.CRLIfPresent}},
		{"trust from the environment", base, []string{"X509_CERT_DIR=/c", "X509_VOMS_DIR=/v/", "X509_VOMSES=/a", "X509_VOMS_FILE=/b"}, nil, func(c *config.Config) any { return c.Trust },
			config.Trust{Certificates: "/c", VOMSDir: "/v", VOMSES: []string{"/a", "/b"}, CRL: config.CRLIfPresent}},
		{"trust as written", base + "trust: {certificates: /x, vomsdir: /y, vomses: [/z], crl: require}\n", []string{"X509_CERT_DIR=/c", "X509_VOMS_DIR=/v", "X509_VOMSES=/a"}, nil, func(c *config.Config) any { return c.Trust },
			config.Trust{Certificates: "/x", VOMSDir: "/y", VOMSES: []string{"/z"}, CRL: config.CRLRequire}},
		{"manage", base, nil, nil, func(c *config.Config) any { return c.MachineProxy.Manage }, true},
		{"manage without key", head + proxy, nil, hidden, func(c *config.Config) any { return []any{c.MachineProxy.Manage, c.Desired().Credentials[0].Observe} }, []any{false, true}},
		{"a machine proxy that nothing here uses", base, nil, hidden, func(c *config.Config) any { return len(c.Desired().Credentials) }, 0},
		{"a machine proxy that is referred to", base + "services: [{name: s, unit: u, onChange: ['proxy:machine-proxy']}]\n", nil, hidden, func(c *config.Config) any { return c.Desired().Credentials[0].Observe }, true},
		{"server DN goes with its server, named again", base + "myproxy: {server: s, serverDN: /CN=s}\nproxies: [{name: a, dn: /CN=x, source: {myproxy: {server: 's:7512'}}}]\n", nil, nil, func(c *config.Config) any { return c.Proxies[0].Source.MyProxy.ServerDN }, "/CN=s"},
		{"manage as written", base + "machineProxy: {manage: true}\n", nil, hidden, func(c *config.Config) any { return c.MachineProxy.Manage }, true},
		{"no manage as written", head + proxy + "machineProxy: {manage: false}\n", nil, nil, func(c *config.Config) any { return c.Desired().Credentials[0].Observe }, true},
		{"machine renewBelow", base + "machineProxy: {lifetime: 10h}\n", nil, nil, func(c *config.Config) any { return c.MachineProxy.RenewBelow.String() }, "5h0m0s"},
		{"server", base + proxy, []string{"MYPROXY_SERVER=a.example,[::1]:7, b.example:7513"}, nil, func(c *config.Config) any {
			return []any{c.MyProxy.Servers, c.Desired().Credentials[1].Source.MyProxy.Server}
		}, []any{[]string{"a.example:7512", "[::1]:7", "b.example:7513"}, "a.example:7512,[::1]:7,b.example:7513"}},
		{"server not needed", base + "proxies: [{name: a, dn: /CN=x, source: {certificate: {cert: /c, key: /k}}}]\n", nil, nil, func(c *config.Config) any { return c.MyProxy.Servers }, []string(nil)},
		{"own server", head + "proxies: [{name: a, dn: /CN=x, source: {myproxy: {server: own, username: u, credentialName: c, passphraseFile: ~/p}}}]\n", nil, nil,
			func(c *config.Config) any { return *c.Desired().Credentials[1].Source.MyProxy },
			plan.MyProxy{Server: "own:7512", Username: "u", CredentialName: "c", PassphraseFile: "/home/me/p", Timeout: 30 * time.Second, AlertBelow: 240 * time.Hour}},
		{"server DN goes with its server", base + "myproxy: {server: s, serverDN: /CN=s}\nproxies: [{name: a, dn: /CN=x, source: {myproxy: {server: own}}}, {name: b, dn: /CN=y}]\n", nil, nil, func(c *config.Config) any {
			return []string{c.Proxies[0].Source.MyProxy.ServerDN, c.Proxies[1].Source.MyProxy.ServerDN}
		}, []string{"", "/CN=s"}},
		{"renewBelow", head + "proxies: [{name: a, dn: /CN=x, lifetime: 1d}]\n", nil, nil, func(c *config.Config) any {
			return []string{c.Proxies[0].RenewBelow.String(), c.Proxies[0].AlertBelow.String()}
		}, []string{"23h0m0s", "1h0m0s"}},
		{"short lifetime", head + "proxies: [{name: a, dn: /CN=x, lifetime: 24m}]\n", nil, nil, func(c *config.Config) any {
			return []string{c.Proxies[0].RenewBelow.String(), c.Proxies[0].AlertBelow.String()}
		}, []string{"23m0s", "11m30s"}},
		{"plain path", head + proxy, nil, nil, func(c *config.Config) any { return c.Proxies[0].Path }, "/var/lib/vobox/alice/proxy_repository/+2fDC+3dch+2fCN+3dJanDoe-voms+20alice"},
		{"glob in the repository", head + "proxies: [{name: a, dn: /CN=x, path: '*lcgadmin'}]\n", nil, nil, func(c *config.Config) any {
			p := c.Desired().Credentials[1]
			return []string{p.Path, p.Default}
		}, []string{"/var/lib/vobox/alice/proxy_repository/*lcgadmin", "/var/lib/vobox/alice/proxy_repository/+2fCN+3dx-voms+20alice"}},
		{"FQANs in short form", head + "proxies: [{name: a, dn: /CN=x, vo: atlas, attributes: [/atlas/Role=NULL/Capability=NULL, /atlas/x/Role=y]}]\n", nil, nil, func(c *config.Config) any { return c.Desired().Credentials[1].FQANs }, []string{"/atlas", "/atlas/x/Role=y"}},
		{"onChange", head + "user: alicesgm\nenvFiles: [{path: ~/a, set: {}}, {path: /b, set: {}}]\nservices: [{name: s, unit: u@1, onChange: ['envFile:~alicesgm/a', 'proxy:machine-proxy']}]\n", nil, nil,
			func(c *config.Config) any { s := c.Desired().Services[0]; return []any{s.EnvFiles, s.Proxies, s.Unit} }, []any{[]string{"/home/alicesgm/a"}, []string{"machine-proxy"}, "u@1.service"}},
		{"onChange of nothing", head + envFile + "services: [{name: s, unit: u.timer, onChange: []}]\n", nil, nil,
			func(c *config.Config) any {
				s := c.Desired().Services[0]
				return []any{len(s.EnvFiles), len(s.Proxies), s.Unit}
			}, []any{0, 0, "u.timer"}},
		{"program in the home", head + "services: [{name: s, restart: [~/bin/x, ~/y]}]\n", nil, nil, func(c *config.Config) any { return c.Desired().Services[0].Restart }, []string{"/home/me/bin/x", "~/y"}},
		{"mode", head + "envFiles: [{path: /e, set: {}, mode: 0600}, {path: /f, set: {}, mode: 0o640}, {path: /g, set: {}, mode: '755'}]\n", nil, nil,
			func(c *config.Config) any {
				d := c.Desired()
				return []uint32{uint32(d.EnvFiles[0].Mode), uint32(d.EnvFiles[1].Mode), uint32(d.EnvFiles[2].Mode)}
			}, []uint32{0o600, 0o640, 0o755}},
		{"parts", head + proxy + "envFiles: [{path: /e, set: {A: 'x${proxy.a}:${env.B}$${C}$D', E: ''}}]\n", []string{"B=b"}, nil, func(c *config.Config) any { return c.Desired().EnvFiles[0].Set },
			[]plan.Var{{Name: "A", Value: []plan.Part{{Text: "x"}, {Proxy: "a"}, {Text: ":b${C}$D"}}}, {Name: "E"}}},
		{"mail", base + "alerts: [{email: {to: a@b}}]\n", nil, nil, func(c *config.Config) any { return *c.Alerts[0].Email },
			config.Email{To: []string{"a@b"}, From: "me@vobox.example.org", SMTP: "localhost:25", TLS: config.TLSAuto}},
		{"mail with a password", base + "alerts: [{email: {to: a@b, smtp: h, username: u, passwordFile: /p}, atMostEvery: 2d}]\n", nil, nil, func(c *config.Config) any {
			return []string{c.Alerts[0].Email.SMTP, c.Alerts[0].Email.TLS, c.Alerts[0].AtMostEvery.String()}
		},
			[]string{"h:587", config.TLSStartTLS, "48h0m0s"}},
		{"mail over TLS", base + "alerts: [{email: {to: a@b, smtp: '[::1]', tls: tls}}]\n", nil, nil, func(c *config.Config) any { return c.Alerts[0].Email.SMTP }, "[::1]:465"},
		{"watch", base, nil, nil, func(c *config.Config) any { return c.Watch }, config.Watch{Interval: time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := testEnv(c.vars...)
			if c.env != nil {
				c.env(&env)
			}
			cfg, err := config.Load(write(t, c.doc), env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.get(cfg)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"48h": 48 * time.Hour, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "30m": 30 * time.Minute, "1h1d": 25 * time.Hour,
		".5h": 30 * time.Minute, "0s": 0, "100ms": 100 * time.Millisecond, "3µs": 3 * time.Microsecond, "106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := config.ParseDuration(s); got != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "h", "5", "-5h", "+5h", "1h 1m", "1..5h", ".h", ".d", "1.5.2d", "1D", "106752d", "106751d24h", "99999999999999999999h", "1hd", "1e3h", "٣h"} {
		if got, err := config.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}
