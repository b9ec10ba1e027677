package realgrid_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// program is vobox-reconcile as users have it, built once into the grid's directory.
var program struct {
	once sync.Once
	path string
	err  error
}

func build(dir string) (string, error) {
	program.once.Do(func() {
		program.path = filepath.Join(dir, "vobox-reconcile")
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program.path, "github.com/vobox-reconcile/vobox-reconcile/cmd/vobox-reconcile")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	return program.path, program.err
}

// A ui is a user interface host of the grid, with our program beside the real tools.
type ui struct {
	*realgrid.Grid
	t   *testing.T
	dir string
}

func newUI(t *testing.T) *ui {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	return &ui{realgrid.Shared(t), t, t.TempDir()}
}

func (u *ui) file(name string) string { return filepath.Join(u.dir, name) }

// ours runs our program, and insists on its exit code.
func (u *ui) ours(code int, env []string, stdin string, args ...string) string {
	u.t.Helper()
	path, err := build(u.Dir)
	if err != nil {
		u.t.Fatal(err)
	}
	cmd := exec.CommandContext(u.t.Context(), path, args...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal to ask on
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		u.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		u.t.Fatalf("vobox-reconcile %s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, code, out.String())
	}
	return out.String()
}

// accepted has the real tools look at a proxy, and at its attributes if there is a primary one.
func (u *ui) accepted(t *testing.T, proxy, identity string, hours int, primary ...string) {
	t.Helper()
	env := u.ProxyEnv(proxy)
	valid := fmt.Sprintf("%d:50", hours-1)
	u.MustRun(env, "grid-proxy-info", "-exists", "-valid", valid)
	u.MustRun(env, "openssl", "verify", "-allow_proxy_certs", "-CApath", u.CertDir, "-untrusted", proxy, proxy)
	if got := strings.TrimSpace(u.MustRun(env, "grid-proxy-info", "-identity")); got != identity {
		t.Errorf("grid-proxy-info: identity %q, want %q", got, identity)
	}
	if got := u.MustRun(env, "grid-proxy-info", "-type"); !strings.HasPrefix(got, "RFC 3820 compliant") {
		t.Errorf("grid-proxy-info: type %q", got)
	}
	if len(primary) == 0 {
		return
	}
	u.MustRun(env, "voms-proxy-info2", "-exists", "-valid", valid)
	u.shown(t, "voms-proxy-info2", proxy, primary)
}

// shown has one of the tools show attributes, in their order.
func (u *ui) shown(t *testing.T, tool, proxy string, primary []string) {
	t.Helper()
	all := u.MustRun(u.ProxyEnv(proxy), tool, "-all")
	at := 0
	for _, want := range primary {
		i := strings.Index(all[at:], "attribute : "+want+"\n")
		if i < 0 {
			t.Errorf("%s does not show %s behind what comes first:\n%s", tool, want, all)
			break
		}
		at += i
	}
	if strings.Contains(all, "WARNING") {
		t.Errorf("%s warns:\n%s", tool, all)
	}
}

const (
	aliceRole = "/alice/Role=lcgadmin/Capability=NULL"
	dteamRole = "/dteam/Role=lcgadmin"
)

// What login makes on the real VOMS servers, over both protocols and with every kind of key, is accepted by the real tools.
func TestLoginReal(t *testing.T) {
	u := newUI(t)
	u.Alice()
	u.Dteam()
	for _, tt := range []struct {
		name, user string
		args       string
		hours      int
		primary    []string
	}{
		{"plain", realgrid.Jane, "", 12, nil},
		{"limited, for a day", realgrid.Jane, "-limited -valid 24:00", 24, nil},
		{"role, REST", realgrid.Jane, "-voms alice:/alice/Role=lcgadmin", 12, []string{aliceRole}},
		{"role, XML", realgrid.BigKey, "-voms dteam:/dteam/Role=lcgadmin", 12, []string{dteamRole}},
		{"elliptic certificate", realgrid.Elliptic, "-voms alice:/alice/Role=lcgadmin", 12, []string{aliceRole}},
		{"two VOs", realgrid.Jane, "-voms alice:/alice/Role=lcgadmin -voms dteam:/dteam/Role=lcgadmin", 12, []string{aliceRole, dteamRole}},
		{"two roles", realgrid.Jane, "-voms alice:/alice/Role=production -voms alice:/alice/Role=lcgadmin", 12, []string{"/alice/Role=production/Capability=NULL", aliceRole}},
		{"another order", realgrid.Jane, "-voms alice:/alice/Role=lcgadmin -order /alice/team", 12, []string{"/alice/team/Role=NULL/Capability=NULL", aliceRole}},
		{"long proxy, short attributes", realgrid.Jane, "-voms alice -hours 48 -vomslife 1:00", 48, []string{"/alice/Role=NULL/Capability=NULL"}},
		{"3072 bits", realgrid.Jane, "-bits 3072", 12, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user, out := u.Identity(tt.user), filepath.Join(t.TempDir(), "proxy")
			u.ours(0, u.Env(user), "", append([]string{"login", "-out", out}, strings.Fields(tt.args)...)...)
			u.accepted(t, out, user.DN, tt.hours, tt.primary...)
			if strings.Contains(tt.name, "two") || tt.user == realgrid.Elliptic { // the Java edition takes half a second
				u.shown(t, "voms-proxy-info3", out, tt.primary)
			}
		})
	}
}

// Each with the words and the remedy that it should have; nothing is written.
func TestLoginRealRefused(t *testing.T) {
	u := newUI(t)
	u.Alice()
	u.Dteam()
	for _, tt := range []struct{ user, voms, want string }{
		{realgrid.Stranger, "alice", "VO-UNKNOWN: "},
		{realgrid.Suspended, "dteam", "VO-SUSP: "},
		{realgrid.Revoked, "alice", "CHAIN-REVOKED: "},
		{realgrid.Expired, "alice", "USER-CERT: "},
		{realgrid.Jane, "alice:/alice/Role=nope", "vobox-reconcile login --list --voms alice"},
		{realgrid.Jane, "dteam:/dteam/Role=nope", "VO-FQAN: "},
	} {
		t.Run(tt.user+" "+tt.voms, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "proxy")
			said := u.ours(1, u.Env(u.Identity(tt.user)), "", "login", "--key", "p256", "--voms", tt.voms, "--out", out)
			if !strings.Contains(said, tt.want) {
				t.Errorf("it does not say %q:\n%s", tt.want, said)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("and yet there is a proxy")
			}
		})
	}
	ending, out := u.Identity(realgrid.Ending), u.file("ending")
	said := u.ours(0, u.Env(ending), "", "login", "--key", "p256", "--voms", "alice:/alice/Role=lcgadmin", "--valid", "48:00", "--out", out)
	for _, want := range []string{"your certificate and proxy will expire on", "shortened to 86400 seconds", "is of use only until"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	said = u.ours(0, u.Env(u.Identity(realgrid.Jane)), "", "login", "--list", "--voms", "alice")
	if theirs := u.MustRun(u.Env(u.Identity(realgrid.Jane)), "voms-proxy-init2", "-list", "-voms", "alice", "-out", u.file("list")); !strings.Contains(theirs, "/alice/Role=production") || !strings.Contains(said, "/alice/Role=production\n") {
		t.Errorf("--list says\n%s\nand voms-proxy-init2 -list\n%s", said, theirs)
	}
}

// The keys that real tools encrypt are opened, and each tool's proxy can be signed with; ours, by theirs.
func TestLoginRealCredentials(t *testing.T) {
	u := newUI(t)
	u.Alice()
	jane := u.Identity(realgrid.Jane)
	env, phrase := u.Env(jane), "some phrase"
	for name, args := range map[string][]string{
		"traditional": {"rsa", "-traditional", "-aes256", "-passout", "pass:" + phrase, "-in", jane.KeyFile},
		"pkcs8":       {"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:" + phrase, "-in", jane.KeyFile},
		"old":         {"pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "pass:" + phrase, "-in", jane.KeyFile},
	} {
		key := u.file(name)
		u.MustRun(env, "openssl", append(args, "-out", key)...)
		u.secret(key)
		u.ours(0, env, phrase+"\n", "login", "-q", "-pwstdin", "-key", key, "-out", u.file("proxy"))
		u.accepted(t, u.file("proxy"), jane.DN, 12)
		if said := u.ours(1, env, "another phrase\n", "login", "-q", "-pwstdin", "-key", key, "-out", u.file("proxy")); !strings.Contains(said, "USER-PASS: ") {
			t.Errorf("%s: a wrong passphrase is %s", name, said)
		}
	}
	p12 := u.file("user.p12")
	u.MustRun(env, "openssl", "pkcs12", "-export", "-in", jane.CertFile, "-inkey", jane.KeyFile, "-passout", "pass:"+phrase, "-out", p12)
	u.secret(p12)
	u.ours(0, env, phrase+"\n", "login", "-q", "-pwstdin", "-cert", p12, "-voms", "alice", "-out", u.file("proxy"))
	u.accepted(t, u.file("proxy"), jane.DN, 12, "/alice/Role=NULL/Capability=NULL")
}

func (u *ui) secret(path string) {
	u.t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// -noregen below the proxies that real tools made, and theirs below ours: voms-proxy-init2 fails below all others.
func TestNoregenReal(t *testing.T) {
	u := newUI(t)
	u.Alice()
	jane := u.Identity(realgrid.Jane)
	env := u.Env(jane)
	makers := map[string][]string{
		"grid-proxy-init":  {"-out"},
		"voms-proxy-init2": {"-out"},
		"voms-proxy-init3": {"-out"},
		"arcproxy":         {"-C", jane.CertFile, "-K", jane.KeyFile, "-P"},
	}
	for tool, args := range makers {
		t.Run("ours below "+tool, func(t *testing.T) {
			base, out := filepath.Join(t.TempDir(), "base"), filepath.Join(t.TempDir(), "out")
			u.MustRun(env, tool, append(args[:len(args):len(args)], base)...)
			u.ours(0, u.ProxyEnv(base), "", "login", "-noregen", "-voms", "alice:/alice/Role=lcgadmin", "-hours", "2", "-out", out)
			u.accepted(t, out, jane.DN, 2, aliceRole)
		})
	}
	base, out := u.file("base"), u.file("out")
	u.ours(0, env, "", "login", "-out", base)
	t.Run("voms-proxy-init2 below ours", func(t *testing.T) {
		u.MustRun(u.ProxyEnv(base), "voms-proxy-init2", "-noregen", "-voms", "alice:/alice/Role=lcgadmin", "-hours", "2", "-out", out)
		u.accepted(t, out, jane.DN, 2, aliceRole)
	})
	t.Run("arcproxy below ours", func(t *testing.T) {
		u.MustRun(u.ProxyEnv(base), "arcproxy", "-C", base, "-K", base, "-P", out, "-S", "alice:/alice/Role=lcgadmin", "-c", "validityPeriod=2H")
		u.accepted(t, out, jane.DN, 2, aliceRole)
	})
}

// What store stores, the real clients see, renew and fetch; and what they store, stored sees and measures.
func TestStoreReal(t *testing.T) {
	u := newUI(t)
	px := u.SitePolicy()
	vobox, portal := machineProxy(t, u.Grid, u.Identity(realgrid.VOBox)), machineProxy(t, u.Grid, u.Identity(realgrid.Portal))
	for _, name := range []string{realgrid.BigKey, realgrid.Elliptic} {
		t.Run(name, func(t *testing.T) {
			user := u.Identity(name)
			env := u.Env(user)
			said := u.ours(0, env, "", append([]string{"store", "--renewer-proxy", vobox}, px.Args("-d", "-n", "-t", "48", "-c", "3000")...)...)
			if want := "A proxy valid for 3000 hours (125.0 days) for user " + user.DN + " now exists on localhost.\n"; !strings.Contains(said, want) || !strings.Contains(said, "can renew it: proxies of up to 48h") {
				t.Errorf("store says\n%s", said)
			}
			mine := u.MustRun(env, "myproxy-info", px.Args("-d")...)
			if !regexp.MustCompile(`timeleft: (3000:00:00|2999:5\d:\d\d)  \(125\.0 days\)`).MatchString(mine) {
				t.Errorf("myproxy-info says\n%s", mine)
			}
			old, out := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "out")
			u.ours(0, env, "", "login", "-q", "-out", old)
			u.MustRun(u.ProxyEnv(vobox), "myproxy-logon", px.Args("-a", old, "-d", "-t", "48", "-o", out)...)
			u.accepted(t, out, user.DN, 48)
			u.MustRun(u.ProxyEnv(portal), "myproxy-logon", px.Args("-n", "-l", user.DN, "-t", "48", "-o", out)...)
			u.accepted(t, out, user.DN, 48)
			u.MustRun(env, "myproxy-destroy", px.Args("-d")...)
		})
	}

	jane := u.Identity(realgrid.BigKey)
	env := u.Env(jane)
	t.Run("stored by myproxy-init -t 12", func(t *testing.T) {
		u.MustRun(env, "myproxy-init", px.Args("-d", "-n", "-c", "3000")...)
		u.MustRun(env, "myproxy-init", px.Args("-d", "-n", "-k", "brief", "-K", "two words", "-c", "30", "-R", "vobox.example.org")...)
		ours := u.ours(0, env, "", append([]string{"stored", "--renewer-proxy", vobox}, px.Args("-d")...)...)
		theirs := u.MustRun(env, "myproxy-info", px.Args("-d")...)
		if want := "  longest proxy: 12:00:00\n"; !strings.Contains(ours, want) {
			t.Errorf("stored does not say %q:\n%s", want, ours)
		}
		ours, advice, _ := strings.Cut(strings.Replace(ours, "  longest proxy: 12:00:00\n", "", 1), "warning:")
		if times := regexp.MustCompile(`timeleft: .*`); times.ReplaceAllString(ours, "") != times.ReplaceAllString(theirs, "") || strings.Count(ours, "timeleft: 2999:5") != 1 || strings.Count(ours, "timeleft: 29:5") != 1 {
			t.Errorf("stored says\n%s\nmyproxy-info\n%s", ours, theirs)
		}
		if !strings.Contains(advice, "gets proxies of 12h") || !strings.Contains(advice, "LCG-UI> vobox-reconcile store -s localhost:") {
			t.Errorf("it advises %q", advice)
		}
	})
	t.Run("destroyed", func(t *testing.T) {
		ours := u.ours(0, env, "", append([]string{"stored", "--destroy"}, px.Args("-d", "-k", "brief")...)...) +
			u.ours(0, env, "", append([]string{"stored", "--destroy"}, px.Args("-d")...)...)
		want := "MyProxy credential 'brief' for user " + jane.DN + " was successfully removed.\nDefault MyProxy credential for user " + jane.DN + " was successfully removed.\n"
		if ours != want {
			t.Errorf("it says\n%s", ours)
		}
		if r := u.Run(env, "myproxy-info", px.Args("-d")...); r.ExitCode == 0 {
			t.Errorf("and yet it is there: %v", r)
		}
		if said := u.ours(1, env, "", append([]string{"stored"}, px.Args()...)...); !strings.Contains(said, "MP-NOCRED: ") {
			t.Errorf("nothing stored: %s", said)
		}
	})
	t.Run("for a passphrase", func(t *testing.T) {
		open := u.SamplePolicy()
		store := append([]string{"store", "-q", "-S"}, open.Args("-l", "jane", "-c", "10")...)
		u.ours(0, env, "first phrase\n", store...)
		change := append([]string{"stored", "--change-passphrase", "-S"}, open.Args("-l", "jane")...)
		if said := u.ours(1, env, "wrong phrase\nsecond phrase\n", change...); !strings.Contains(said, "MP-BADPASS: ") {
			t.Errorf("a wrong passphrase: %s", said)
		}
		u.ours(0, env, "first phrase\nsecond phrase\n", change...)
		out := u.file("for-passphrase")
		logon := open.Args("-l", "jane", "-t", "2", "-S", "-o", out)
		if r := u.RunInput(u.AnonymousEnv(), "first phrase\n", "myproxy-logon", logon...); r.ExitCode == 0 {
			t.Errorf("the old passphrase still serves: %v", r)
		}
		if r := u.RunInput(u.AnonymousEnv(), "second phrase\n", "myproxy-logon", logon...); r.ExitCode != 0 {
			t.Errorf("%v", r)
		}
		u.accepted(t, out, jane.DN, 2)
	})
	t.Run("certificate about to end", func(t *testing.T) {
		ending := u.Identity(realgrid.Ending)
		said := u.ours(0, u.Env(ending), "", append([]string{"store"}, px.Args("-c", "3000")...)...)
		if strings.Contains(said, "valid for 3000 hours") || !strings.Contains(said, "before the 3000 hours of -c are over") {
			t.Errorf("store says\n%s", said)
		}
	})
	t.Run("expired and revoked certificates", func(t *testing.T) {
		if said := u.ours(1, u.Env(u.Identity(realgrid.Expired)), "", append([]string{"store"}, px.Args()...)...); !strings.Contains(said, "USER-CERT: ") {
			t.Errorf("expired: %s", said)
		}
		if said := u.ours(1, u.Env(u.Identity(realgrid.Revoked)), "", append([]string{"store"}, px.Args()...)...); !strings.Contains(said, "MP-CERTREVOKED: ") || !strings.Contains(said, "usercert.pem") {
			t.Errorf("revoked: %s", said)
		}
	})
}

// Each combination of store's policy flags gives what it gives with myproxy-init: the table in which both lists, the
// server's and the credential's, must allow it. "np" is "no passphrase", "nc" a challenge where there is no old proxy.
func TestStorePolicies(t *testing.T) {
	u := newUI(t)
	user := u.Identity(realgrid.Jane)
	old := u.file("old")
	u.ours(0, u.Env(user), "", "login", "-q", "-out", old)
	const vobox, portal = "vobox.example.org", "portal.example.org"
	for _, tt := range []struct {
		server *realgrid.MyProxy
		flags  string
		want   string // vobox, rogue, portal with the old proxy; vobox, portal, rogue without
	}{
		{u.SitePolicy(), "-d -n", "ok np ok nc ok np"},
		{u.SitePolicy(), "-d -A", "ok np ok nc ok np"},
		{u.SitePolicy(), "-d -R " + vobox, "ok np ok nc ok np"},
		{u.SitePolicy(), "-d -Z " + portal, "ok np ok nc ok np"},
		{u.SitePolicy(), "-d -R " + vobox + " -Z " + vobox, "ok np np nc np np"},
		{u.SamplePolicy(), "-d -n", "np np np np np np"},
		{u.SamplePolicy(), "-d -R " + vobox, "ok np np nc np np"},
		{u.SamplePolicy(), "-d -A", "ok ok ok nc nc nc"},
		{u.SamplePolicy(), "-d -Z " + portal, "np np ok np ok np"},
		{u.SamplePolicy(), "-d -R " + vobox + " -Z " + vobox, "ok np np ok np np"},
		{u.SamplePolicy(), "-d -x -R */CN=vobox.*", "ok np np nc np np"},
		{u.SamplePolicy(), "-d -x -X -R vobox.*", "ok np np nc np np"},
		{u.SamplePolicy(), "", "np np np np np np"},
	} {
		name := "site"
		if tt.server == u.SamplePolicy() {
			name = "sample"
		}
		t.Run(name+" "+tt.flags, func(t *testing.T) {
			args := append([]string{"store", "-q"}, tt.server.Args("-k", "policies", "-c", "100")...)
			u.ours(0, u.Env(user), "", append(args, strings.Fields(tt.flags)...)...)
			var got []string
			for _, host := range []string{realgrid.VOBox, realgrid.Rogue, realgrid.Portal} {
				got = append(got, u.get(t, tt.server, user.DN, host, old))
			}
			for _, host := range []string{realgrid.VOBox, realgrid.Portal, realgrid.Rogue} {
				got = append(got, u.get(t, tt.server, user.DN, host, ""))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

// get fetches a proxy as a host: what came of it in the words of the table.
func (u *ui) get(t *testing.T, px *realgrid.MyProxy, username, host, old string) string {
	t.Helper()
	id := u.Identity(host)
	machine, err := credfile.LoadPair(id.CertFile, id.KeyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := myproxy.GetRequest{Username: username, CredName: "policies", Lifetime: time.Hour, Key: proxycert.P256}
	if old != "" {
		if r.Renew, _, err = credfile.Load(old); err != nil {
			t.Fatal(err)
		}
	}
	store := &trust.Store{Certificates: u.CertDir}
	client := myproxy.Client{Server: px.Addr(), TLS: store.ClientConfig(machine, trust.Peer{Host: px.Host}, time.Now)}
	_, err = client.Get(t.Context(), r)
	var refused *myproxy.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused) && refused.ID == "MP-PASS":
		return "np"
	case errors.As(err, &refused) && refused.ID == "MP-NOOLD":
		return "nc"
	}
	return err.Error()
}

// The first part of the manual in one go, and the box goes on from there with the real tools.
func TestEnrollReal(t *testing.T) {
	u := newUI(t)
	u.Alice()
	px, user := u.SitePolicy(), u.Identity(realgrid.BigKey)
	vobox := machineProxy(t, u.Grid, u.Identity(realgrid.VOBox))
	login, out := u.file("login"), u.file("renewed")
	said := u.ours(0, u.Env(user), "", append([]string{"enroll", "--voms", "alice:/alice/Role=lcgadmin", "--out", login, "--renewer-proxy", vobox}, px.Args("-d", "-n", "-t", "48", "-c", "3000")...)...)
	for _, want := range []string{"Created proxy in " + login, "now exists on localhost.", "can renew it: proxies of up to 48h", "gsissh -p 1975"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	u.accepted(t, login, user.DN, 12, aliceRole)
	u.MustRun(u.ProxyEnv(vobox), "myproxy-logon", px.Args("-a", login, "-d", "-t", "48", "-o", out)...)
	u.accepted(t, out, user.DN, 48)
}
