package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// freshBox is a box with a configuration and no user proxy yet.
func freshBox(t testing.TB, o gridtest.SiteOptions) *box {
	t.Helper()
	b := newBox(t, o).withMachineProxy()
	text := string(read(t, b.Config))
	write(t, b.Config, text[:strings.Index(text, "proxies:\n")])
	return b
}

// entry is the file that register has written into conf.d.
func (b *box) entry(name string) string {
	return filepath.Join(filepath.Dir(b.Config), "conf.d", "registered-"+name+".yaml")
}

// One proxy's life: registered with the manual's flags, not twice without --force, renewed by passes, with other settings.
func TestRegister(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	r := b.must(0, "register", "-t", "48", "--proxy-safe", "5000", "--email", "vobox@example.org")
	// The old health test looks for one of these words, AliEn's CREAM.pm for these lines.
	for _, re := range []string{`successfull`, `OK`, `(?m)^DN:\s*(.+)\s+$`, `(?m)^File:\s*(.+)\s+$`, `(?m)^Proxy Time Left \(seconds\):\s*(.+)\s+$`} {
		if !regexp.MustCompile(re).MatchString(r.stdout) {
			t.Errorf("register does not print %s:\n%s", re, r.stdout)
		}
	}
	mustHave := func(lines ...string) {
		t.Helper()
		text := string(read(t, b.entry("lcgadmin")))
		for _, line := range lines {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("the entry has no line %q:\n%s", line, text)
			}
		}
	}
	mustHave("  - name: lcgadmin", `    dn: "`+b.User.Identity().String()+`"`, "    attributes: [/alice/Role=lcgadmin]", "    lifetime: 48h", "    alertBelow: 1h23m20s", `  - email: {to: "vobox@example.org"}`)
	if info, err := os.Stat(b.entry("lcgadmin")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the entry: %v, %v", info, err)
	}
	b.must(0, "--dry-run")
	if info, err := os.Stat(b.userProxy()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the proxy: %v, %v", info, err)
	}

	again := b.must(1, "register", "-t", "48")
	if !strings.Contains(again.stderr, "registered already, as lcgadmin") || !strings.Contains(again.stderr, "--force") {
		t.Errorf("a second registration: %s", again.stderr)
	}
	before := string(read(t, b.entry("lcgadmin")))
	b.must(0, "register", "--force")
	if after := string(read(t, b.entry("lcgadmin"))); after != before {
		t.Errorf("registered again without flags the entry became\n%s", after)
	}
	r = b.must(0, "register", "-t", "24:30", "--email", "second@example.org", "--force", "-o", "json")
	mustHave("    lifetime: 24h30m", "    alertBelow: 1h23m20s", `  - email: {to: "vobox@example.org"}`, `  - email: {to: "second@example.org"}`)
	var doc struct {
		record
		Alerts []plan.Alert `json:"alerts"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Name != "lcgadmin" || doc.SecondsLeft < 20*3600 {
		t.Errorf("%+v, %v", doc, err)
	}
}

// The settings that are of the whole configuration: one margin for stored credentials, and each recipient once.
func TestRegisterAlerts(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	b.must(0, "register", "--myproxy-safe", "259200", "--name", "manager")
	if text := string(read(t, b.entry("manager"))); !strings.Contains(text, "myproxy:\n  alertBelow: 72h\n") || !strings.Contains(text, "- name: manager\n") {
		t.Errorf("the entry is\n%s", text)
	}
	write(t, b.Config, string(read(t, b.Config))+"alerts:\n  - email: {to: vobox@example.org}\n")
	before := string(read(t, b.entry("manager")))
	b.must(0, "register", "--email", "vobox@example.org", "--force")
	if after := string(read(t, b.entry("manager"))); after != before {
		t.Errorf("a recipient that is there was added:\n%s", after)
	}
	// The margin is given in the main file: two are one too many, and the message says where they are.
	b.edit(b.Config, "myproxy:\n", "myproxy:\n  alertBelow: 120h\n")
	if err := os.Remove(b.entry("manager")); err != nil {
		t.Fatal(err)
	}
	r := b.must(78, "register", "--myproxy-safe", "259200")
	if !strings.Contains(r.stderr, b.entry("lcgadmin")+":") || !strings.Contains(r.stderr, b.Config) || strings.Contains(r.stderr, "/tmp/vobox-reconcile-") {
		t.Errorf("two margins: %s", r.stderr)
	}
	if _, err := os.Stat(b.entry("lcgadmin")); !os.IsNotExist(err) {
		t.Errorf("an entry was written all the same: %v", err)
	}
}

// An entry that somebody wrote, or has edited, is theirs to change.
func TestRegisterLeavesTheEntriesOfOthers(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	before := string(read(t, b.Config))
	b.must(0, "register") // the configuration has it, the repository not yet
	r := b.must(1, "register", "-t", "24", "--force")
	if !strings.Contains(r.stderr, b.Config+":15 with other settings") || !strings.Contains(r.stderr, "lifetime: 24h") {
		t.Errorf("other settings: %s", r.stderr)
	}
	b.must(0, "register", "-t", "48", "--email", "a@example.org", "--force")
	if string(read(t, b.Config)) != before || !strings.Contains(string(read(t, b.entry("lcgadmin"))), "a@example.org") {
		t.Errorf("the entry is\n%s", read(t, b.entry("lcgadmin")))
	}
	r = b.must(1, "unregister")
	if !strings.Contains(r.stderr, "take it out of "+b.Config+":15") {
		t.Errorf("unregistered: %s", r.stderr)
	}
	b.userProxy()
}

// The trap of -t is told at registration, and so is whatever else limits renewals.
func TestRegisterTellsShortGrants(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	r := b.must(0, "register", "-t", "48")
	if !strings.Contains(r.stdout, "MP-T12 lcgadmin: 12h of the 48h asked were granted") || !strings.Contains(r.stdout, "myproxy-init -s localhost") {
		t.Errorf("%s", r.stdout)
	}
	b = freshBox(t, gridtest.SiteOptions{MaxAC: 6 * time.Hour})
	if r := b.must(0, "register"); !strings.Contains(r.stdout, "VO-ACSHORT") || !strings.Contains(r.stdout, "lifetime 5h") {
		t.Errorf("%s", r.stdout)
	}
}

// What cannot be registered is refused before anything is written, with what to do.
func TestRegisterRefused(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	good := string(read(t, b.LoginProxy))
	login := func(c *proxycert.Credential, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := gridtest.WriteProxy(c, b.LoginProxy); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		breaks func()
		args   string
		code   int
		say    []string
	}{
		{"no login proxy", func() { os.Remove(b.LoginProxy) }, "", 1, []string{"does not exist ($X509_USER_PROXY is ", "LCG-UI> voms-proxy-init --voms alice:/alice/Role=lcgadmin"}},
		{"a plain one", func() { login(b.CA.Proxy(b.User, time.Hour)) }, "", 1, []string{"carries no attributes of VO alice (VO-NONE)"}},
		{"of another VO", func() {}, "--vo cms", 1, []string{"carries no attributes of VO cms", "--voms cms:/cms/Role=lcgadmin"}},
		{"with another role first", func() {}, "--voms alice:/alice/Role=production", 1, []string{"has the primary attribute /alice/Role=lcgadmin, not /alice/Role=production"}},
		{"--voms of another VO", func() {}, "--voms cms", 64, []string{`--voms "cms" is not of the VO alice`}},
		{"of somebody else", func() {}, "--dn /CN=x", 1, []string{"not of --dn /CN=x"}},
		{"a certificate instead", func() {
			write(t, b.LoginProxy, string(read(t, b.UserCert)))
		}, "", 1, []string{"no private key in it"}},
		{"garbage", func() { write(t, b.LoginProxy, "\x1b[2Jgarbage\n") }, "", 1, []string{"cannot be used"}},
		{"limited", func() {
			login(b.Login.Delegate(b.Login.Key, proxycert.Template{Now: time.Now(), Lifetime: time.Hour, Limited: true}))
		}, "", 1, []string{"limited proxy", "PROXY-LIMITED"}},
		{"a user that the CA has revoked", func() {
			if err := b.RevokeUser(); err != nil {
				t.Fatal(err)
			}
		}, "", 1, []string{"cannot be used", "CHAIN-REVOKED"}},
		{"wrong hours", func() {}, "-t 0", 64, []string{`"0" is not a number of hours`}},
		{"wrong seconds", func() {}, "--proxy-safe 1h", 64, []string{`"1h" is not a number of seconds`}},
		{"a name that is taken", func() {}, "--name machine-proxy", 64, []string{"is the name of another proxy"}},
		{"an address that is none", func() {}, "--email nobody", 78, []string{"alerts[0].email.to"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := b.CA.WriteCRL(b.TrustDir); err != nil {
				t.Fatal(err)
			}
			write(t, b.LoginProxy, good)
			tt.breaks()
			before := snapshot(t, b.Root)
			r := b.must(tt.code, append([]string{"register"}, strings.Fields(tt.args)...)...)
			for _, say := range tt.say {
				if !strings.Contains(r.stderr, say) {
					t.Errorf("it does not say %q:\n%s", say, r.stderr)
				}
			}
			if strings.Contains(r.stdout+r.stderr, "\x1b") {
				t.Errorf("what others wrote moves the cursor: %q", r.stderr)
			}
			if strings.Contains(r.stdout, "OK") {
				t.Errorf("it says OK:\n%s", r.stdout)
			}
			unchanged(t, "a refusal", before, snapshot(t, b.Root))
			if _, err := os.Stat(filepath.Dir(b.entry("x"))); !os.IsNotExist(err) {
				t.Errorf("there is a conf.d: %v", err)
			}
		})
		if tt.name == "a user that the CA has revoked" { // and stays so
			b = freshBox(t, gridtest.SiteOptions{})
			good = string(read(t, b.LoginProxy))
		}
	}
}

// Where MyProxy would not renew, nothing is registered: that is known now, and not in two days.
func TestRegisterWithoutRenewal(t *testing.T) {
	for name, tt := range map[string]struct {
		breaks func(b *box)
		id     string
	}{
		"the box is no renewer": {func(b *box) { b.AllowBox(false) }, "MP-PASS"},
		"nothing is stored":     {func(b *box) { b.MyProxy.Remove(b.User.Identity().String(), "") }, "MP-NOCRED"},
		"no machine proxy":      {func(b *box) { os.Remove(b.machineProxy()); os.Remove(b.HostKey) }, "HOST-PROXY"},
		"VOMS refuses":          {func(b *box) { b.Suspend("left the experiment") }, "VO-SUSP"},
	} {
		t.Run(name, func(t *testing.T) {
			b := freshBox(t, gridtest.SiteOptions{})
			tt.breaks(b)
			r := b.must(1, "register")
			if !strings.Contains(r.stderr, tt.id) || !strings.Contains(r.stderr, "nothing is registered") {
				t.Errorf("it says\n%s", r.stderr)
			}
			if names, err := os.ReadDir(b.Repository); err != nil || len(names) > 0 {
				t.Errorf("the repository has %v, %v", names, err)
			}
			if _, err := os.Stat(b.entry("lcgadmin")); !os.IsNotExist(err) {
				t.Errorf("there is an entry: %v", err)
			}
		})
	}
}

// A proxy in the repository that lasts longer than what MyProxy gives stays, and is registered.
func TestRegisterNeverWorse(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 5 * time.Hour}).withMachineProxy()
	if err := b.LogIn(30 * time.Hour); err != nil {
		t.Fatal(err)
	}
	path, err := b.RegisterLogin()
	if err != nil {
		t.Fatal(err)
	}
	before := string(read(t, path))
	r := b.must(0, "register", "--force")
	if string(read(t, path)) != before {
		t.Error("the longer proxy was replaced")
	}
	if !strings.Contains(r.stdout, "OK: registration of lcgadmin successfull, lifetime 29h") || !strings.Contains(r.stdout, "MP-T12") || strings.Contains(r.stdout, "NEVER-WORSE") {
		t.Errorf("%s", r.stdout)
	}
}

func TestUnregister(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	b.must(0, "register")
	path := b.userProxy()
	proxy := string(read(t, path))
	write(t, b.Config, string(read(t, b.Config))+"envFiles:\n  - path: "+b.CEEnv+"\n    set: {X509_USER_PROXY: \"${proxy.lcgadmin}\"}\n")
	if r := b.must(78, "unregister"); !strings.Contains(r.stderr, `there is no proxy "lcgadmin"`) {
		t.Errorf("one that is needed: %s", r.stderr)
	}
	b.edit(b.Config, `"${proxy.lcgadmin}"`, "/tmp/x")
	if r := b.must(1, "unregister", "--dn", "/CN=x"); !strings.Contains(r.stderr, "no proxy is registered that is chosen by --dn /CN=x") {
		t.Errorf("of somebody else: %s", r.stderr)
	}
	r := b.must(0, "unregister", "--voms", "alice:/alice/Role=lcgadmin")
	for _, gone := range []string{path, b.entry("lcgadmin"), filepath.Join(b.state(), "last-good", "lcgadmin.pem")} {
		if _, err := os.Lstat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	kept, err := filepath.Glob(filepath.Join(b.state(), "unregistered", "lcgadmin-*.pem"))
	if err != nil || len(kept) != 1 || string(read(t, kept[0])) != proxy || !strings.Contains(r.stdout, kept[0]) {
		t.Errorf("kept: %q, %v; it says %s", kept, err, r.stdout)
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	b.must(1, "unregister")
	b.must(1, "query")
}

// Two people on one box, who are told apart by name.
func TestRegisterSecondPerson(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	if err := os.Mkdir(filepath.Dir(b.entry("lcgadmin")), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, b.entry("lcgadmin"), entrySettings{name: "lcgadmin", dn: b.CA.Below("OU=people", "CN=Bob"), fqan: b.Role}.text())
	b.must(0, "register")
	if _, err := os.Stat(b.entry("lcgadmin-jane-doe")); err != nil {
		t.Error(err)
	}
	if r := b.must(64, "unregister"); !strings.Contains(r.stderr, "there are 2 registered proxies; choose with --dn") {
		t.Errorf("%s", r.stderr)
	}
	b.must(0, "unregister", "--dn", b.User.Identity().String())
	if r := b.must(0, "query"); strings.Contains(r.stdout, "Jane Doe") {
		t.Errorf("%s", r.stdout)
	}
}

// rootsBox is one that root looks after, with a login proxy of the account's and no user proxy yet.
func rootsBox(t *testing.T, a account) *box {
	t.Helper()
	b := ownedBox(t, a)
	text := string(read(t, b.Config))
	write(t, b.Config, text[:strings.Index(text, "proxies:\n")])
	b.process().mustBe(t, 0) // root makes the machine proxy
	login := filepath.Join(b.Root, "x509up_login")
	if err := gridtest.WriteProxy(b.Login, login); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(login, a.uid, a.gid); err != nil {
		t.Fatal(err)
	}
	b.env["X509_USER_PROXY"] = login
	return b
}

// apart is the file that register has written for an account that cannot write conf.d.
func (b *box) apart(name string) string {
	return filepath.Join(b.state(), "registered", "registered-"+name+".yaml")
}

// On a box that root looks after, the account registers by itself, as it always did, and root's passes renew.
func TestRegisterAsAnAccount(t *testing.T) {
	a := someAccount(t)
	b := rootsBox(t, a)
	r := b.processAs(a, "register", "-t", "48", "--proxy-safe", "5000", "--myproxy-safe", "259200", "--email", "it's@example.org")
	if r.code != 0 || !strings.Contains(r.stdout, "OK: registration of lcgadmin successfull") {
		t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	info, err := os.Stat(b.apart("lcgadmin"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the entry: %v, %v", info, err)
	}
	if _, err := os.Stat(b.entry("lcgadmin")); !os.IsNotExist(err) {
		t.Errorf("conf.d has one: %v", err)
	}
	delete(b.env, "X509_USER_PROXY")
	before := read(t, b.userProxy())
	b.process("--force", "lcgadmin").mustBe(t, 0)
	if string(read(t, b.userProxy())) == string(before) {
		t.Error("root's pass has not renewed it")
	}
	b.process("--dry-run").mustBe(t, 0)
	b.env["X509_USER_PROXY"] = filepath.Join(b.Root, "x509up_login")
	b.processAs(a, "query").mustBe(t, 0)
	b.processAs(a, "register", "-t", "24", "--force").mustBe(t, 0)
	if text := string(read(t, b.apart("lcgadmin"))); !strings.Contains(text, "lifetime: 24h\n") || !strings.Contains(text, `"it's@example.org"`) {
		t.Errorf("the entry became\n%s", text)
	}
	// Somebody else can do neither.
	other := account{"other", a.uid + 1, a.gid}
	b.processAs(other, "register").mustBe(t, 64)
	b.processAs(other, "unregister").mustBe(t, 64)
	b.processAs(a, "unregister").mustBe(t, 0)
	if _, err := os.Stat(b.apart("lcgadmin")); !os.IsNotExist(err) {
		t.Errorf("the entry is still there: %v", err)
	}
	b.process("--dry-run").mustBe(t, 0)
}

// Who registers while a resident of root's runs has it renewed from then on, without asking anybody.
func TestWatchTakesRegistrations(t *testing.T) {
	a := someAccount(t)
	b := rootsBox(t, a)
	w := b.watch(t)
	w.hears("all is as it should be")
	b.processAs(a, "register").mustBe(t, 0)
	w.awaitMessage("changed configuration")
	w.signal(syscall.SIGUSR1) // renew all user proxies
	w.awaitStep("renew/proxy/lcgadmin", "done")
	w.signal(syscall.SIGTERM)
	w.ends(0)
}

// An entry of root's is root's to change: what to type is printed.
func TestRegisterOverRootsEntry(t *testing.T) {
	a := someAccount(t)
	b := rootsBox(t, a)
	b.process("register").mustBe(t, 0)
	b.processAs(a, "register", "--force").mustBe(t, 0) // it is right as it is
	r := b.processAs(a, "register", "-t", "24", "--force")
	_, script, ok := strings.Cut(r.stderr, "Ask root to type:\n\n")
	if r.code != 1 || !ok || !strings.Contains(r.stderr, "only root can write") {
		t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	b.shell(script)
	if text := string(read(t, b.entry("lcgadmin"))); !strings.Contains(text, "lifetime: 24h\n") {
		t.Errorf("root has written\n%s", text)
	}
	b.process("--dry-run").mustBe(t, 0)
	r = b.processAs(a, "unregister")
	if r.code != 1 || !strings.Contains(r.stderr, "\n\nrm "+b.entry("lcgadmin")) {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	b.userProxy()
}

// What the account writes where it registers is refused where it goes beyond that, and root follows no link there.
func TestRootReadsRegistrations(t *testing.T) {
	a := someAccount(t)
	b := rootsBox(t, a)
	b.processAs(a, "register").mustBe(t, 0)
	own := func(path, content string) {
		t.Helper()
		write(t, path, content)
		if err := os.Chown(path, a.uid, a.gid); err != nil {
			t.Fatal(err)
		}
	}
	entry := string(read(t, b.apart("lcgadmin")))
	own(b.apart("lcgadmin"), entry+"services:\n  - name: x\n    restart: [/bin/sh, -c, id]\n")
	if r := b.process(); r.code != 78 || !strings.Contains(r.stderr, b.apart("lcgadmin")+":6:1: services: unknown key") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	own(b.apart("lcgadmin"), entry)
	b.process().mustBe(t, 0)
	if err := os.Symlink("/etc/hostname", b.apart("x")); err != nil {
		t.Fatal(err)
	}
	if r := b.process(); r.code != 78 || !strings.Contains(r.stderr, b.apart("x")+":1:1: (file): cannot be read") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	if err := os.Remove(b.apart("x")); err != nil {
		t.Fatal(err)
	}
	b.process("unregister").mustBe(t, 0) // by root
	if _, err := os.Stat(b.apart("lcgadmin")); !os.IsNotExist(err) {
		t.Errorf("the entry is still there: %v", err)
	}
}

// The file of an entry is read back as it was written, or is not taken for one of register's.
func FuzzEntry(f *testing.F) {
	f.Add(entrySettings{name: "x", dn: "/CN=a", fqan: "/alice", lifetime: time.Hour, emails: []string{"a@b"}}.text())
	f.Add(entrySettings{storedBelow: time.Hour}.text())
	f.Add(entryMark + "proxies:\n  - name: x\n    dn: \"/CN=\\u00e9\\\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, ours := parseEntry(text)
		if ours && s.text() != text {
			t.Errorf("%q is %+v, which is %q", text, s, s.text())
		}
		again, _ := parseEntry(s.text())
		if ours && again.text() != text {
			t.Errorf("%q became %q", text, again.text())
		}
	})
}

// Settings of every kind survive.
func TestEntryRoundTrip(t *testing.T) {
	s := entrySettings{name: "a", dn: `/CN=O'Neill "x" \ é`, vo: "dteam", fqan: "/dteam/Role=x", lifetime: 90 * time.Minute, alertBelow: 5000 * time.Second,
		storedBelow: 72 * time.Hour, emails: []string{"a@example.org", "b@example.org"}}
	got, ours := parseEntry(s.text())
	if !ours || got.text() != s.text() || got.dn != s.dn || got.alertBelow != s.alertBelow || len(got.emails) != 2 {
		t.Errorf("%+v (ours: %t) of\n%s", got, ours, s.text())
	}
	for d, want := range map[time.Duration]string{48 * time.Hour: "48h", 90 * time.Minute: "1h30m", 5000 * time.Second: "1h23m20s", time.Minute: "1m", 30 * time.Second: "30s", 10*time.Hour + 5*time.Second: "10h0m5s"} {
		if got := config.FormatDuration(d); got != want {
			t.Errorf("config.FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}
