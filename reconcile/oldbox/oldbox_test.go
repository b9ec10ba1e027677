package oldbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// A fake is a directory that stands for /.
type fake struct {
	t    testing.TB
	root string
	ca   *gridtest.CA
	now  time.Time
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{t: t, root: t.TempDir(), now: time.Now()}
	var err error
	if f.ca, err = gridtest.NewCA(gridtest.CAOptions{Key: proxycert.P256}); err != nil {
		t.Fatal(err)
	}
	if err := f.ca.WriteAnchors(f.in("/etc/grid-security/certificates")); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) in(path string) string { return filepath.Join(f.root, path) }

func (f *fake) put(path, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.in(path)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.in(path), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) link(target, path string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.in(path)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, f.in(path)); err != nil {
		f.t.Fatal(err)
	}
}

// passwd makes an account that is the invoking user's.
func (f *fake) passwd(lines ...string) {
	f.put("/etc/passwd", strings.Join(lines, "\n")+"\n")
}

func (f *fake) me(name string) string {
	return fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/bash", name, os.Getuid(), os.Getgid(), name)
}

func (f *fake) source() oldbox.Source {
	return oldbox.Source{Root: f.root, Now: f.now, Trust: &trust.Store{Certificates: f.in("/etc/grid-security/certificates"), VOMSDir: f.in("/etc/grid-security/vomsdir")}}
}

func (f *fake) read() *oldbox.Box { return f.source().Read() }

// proxy puts a proxy of a person into a repository, with an attribute certificate of a server that nothing vouches for unless
// fqan is empty, and sets the time of the file.
func (f *fake) proxy(path, cn, fqan string, life time.Duration, written time.Time) string {
	f.t.Helper()
	eec, err := f.ca.Issue(gridtest.CertRequest{Subject: f.ca.Below("CN=" + cn), Key: proxycert.P256})
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := f.ca.Proxy(eec, life)
	if fqan != "" && err == nil {
		var der []byte
		vo, _, _ := strings.Cut(fqan[1:], "/")
		host, herr := f.ca.Issue(gridtest.CertRequest{Subject: f.ca.Below("CN=voms.example.org"), Kind: gridtest.HostCert, Key: proxycert.P256})
		if herr != nil {
			f.t.Fatal(herr)
		}
		der, err = attrcert.Issue(attrcert.Template{VO: vo, Host: "voms.example.org", Port: 15000, FQANs: []string{fqan + "/Capability=NULL"}, NotBefore: f.now.Add(-time.Minute), NotAfter: f.now.Add(life)},
			eec.Leaf(), host.Chain, host.Key)
		if err == nil {
			c, err = f.ca.Proxy(eec, life, attrcert.Extension(der))
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
	if err := gridtest.WriteProxy(c, f.in(path)); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chtimes(f.in(path), written, written); err != nil {
		f.t.Fatal(err)
	}
	return f.in(path)
}

// ownerWords are how the account of a directory of ours is found: of root's, by its name.
func ownerWords(dir string) string {
	if os.Getuid() == 0 {
		return "the account is there"
	}
	return "owner of " + dir
}

func TestFindVOs(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(f *fake)
		want string // name dir account (why), for each VO
	}{
		{"nothing", func(f *fake) {}, ""},
		{"a directory", func(f *fake) { f.put("/var/lib/vobox/alice/proxy_repository/x", "") }, "alice /var/lib/vobox/alice  ()"},
		{"an older one", func(f *fake) {
			f.passwd(f.me("cmssgm"))
			f.put("/opt/vobox/cms/renewal-proxy.pem", "")
		}, "cms /opt/vobox/cms cmssgm (" + ownerWords("@/opt/vobox/cms") + ")"},
		{"the newer one counts", func(f *fake) {
			f.put("/opt/vobox/cms/renewal-proxy.pem", "")
			f.put("/var/lib/vobox/cms/renewal-proxy.pem", "")
		}, "cms /var/lib/vobox/cms  ()"},
		{"an init script", func(f *fake) {
			f.passwd("aliceadm:x:4711:4711::/home/aliceadm:/bin/bash")
			f.put("/etc/init.d/alice-box-proxyrenewal", "vo=alice\nvoadmin=aliceadm\n")
		}, "alice /var/lib/vobox/alice aliceadm (voadmin in @/etc/init.d/alice-box-proxyrenewal)"},
		{"an init script that cannot be followed", func(f *fake) {
			f.passwd("aliceadm:x:4711:4711::/home/aliceadm:/bin/bash")
			f.put("/etc/init.d/alice-box-proxyrenewal", "if\nvoadmin=aliceadm\n")
		}, "alice /var/lib/vobox/alice aliceadm (voadmin in @/etc/init.d/alice-box-proxyrenewal)"},
		{"an account by its name", func(f *fake) {
			f.passwd("alicesgm:x:4711:4711::/home/alicesgm:/bin/bash")
			f.put("/etc/init.d/alice-box-proxyrenewal", "")
		}, "alice /var/lib/vobox/alice alicesgm (the account is there)"},
		{"a directory of the profile's", func(f *fake) {
			f.put("/etc/alicesgm-box-proxyrenewal", "VOBOX_PROXY_ROOT=/data/vobox\n")
			f.put("/data/vobox/alice/proxy_repository/x", "")
		}, "alice /data/vobox/alice  ()"},
		{"a link in the place of the init script", func(f *fake) {
			f.link("/usr/local/bin/vobox-reconcile", "/etc/init.d/alice-box-proxyrenewal")
		}, "alice /var/lib/vobox/alice  ()"},
		{"two", func(f *fake) {
			f.put("/var/lib/vobox/cms/proxy_repository/x", "")
			f.put("/var/lib/vobox/alice/proxy_repository/x", "")
		}, "alice /var/lib/vobox/alice  ()\ncms /var/lib/vobox/cms  ()"},
		{"directories of others", func(f *fake) {
			f.put("/var/lib/vobox/lost+found/x", "")
			f.put("/var/lib/vobox/-x/proxy_repository/x", "")
			f.put("/var/lib/vobox/.x/proxy_repository/x", "")
			f.put("/var/lib/vobox/a b/proxy_repository/x", "")
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.put("/etc/passwd", "")
			tt.make(f)
			var got []string
			for _, vo := range f.read().VOs {
				got = append(got, fmt.Sprintf("%s %s %s (%s)", vo.Name, strings.TrimPrefix(vo.Dir, f.root), vo.Account.Name, strings.ReplaceAll(vo.Why, f.root, "@")))
			}
			if s := strings.Join(got, "\n"); s != tt.want {
				t.Errorf("got\n%s\nwant\n%s", s, tt.want)
			}
		})
	}
}

func TestAccountsOfTheNameService(t *testing.T) {
	f := newFake(t)
	f.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbroken\n")
	f.put("/etc/init.d/alice-box-proxyrenewal", "voadmin=alicesgm\n")
	s := f.source()
	s.Lookup = func(name string) (oldbox.Account, bool) {
		return oldbox.Account{Name: name, UID: 5000, Home: "/afs/alicesgm"}, name == "alicesgm"
	}
	if got := s.Read().VOs[0].Account; got != (oldbox.Account{Name: "alicesgm", UID: 5000, Home: "/afs/alicesgm"}) {
		t.Errorf("got %+v", got)
	}
}

func TestRepository(t *testing.T) {
	f := newFake(t)
	const dir = "/var/lib/vobox/alice/proxy_repository/"
	jane, bob := f.ca.Below("CN=Jane Doe"), f.ca.Below("CN=Bob")
	name := func(subject, voms string) string { return dir + credfile.EscapeName(subject, voms) }
	long := f.proxy(name(jane+"/CN=12345", "alice:/alice/Role=lcgadmin"), "Jane Doe", "", 40*time.Hour, f.now.Add(-time.Hour))
	f.proxy(name(jane+"/CN=678", "alice:/alice/Role=lcgadmin"), "Jane Doe", "", 10*time.Hour, f.now.Add(time.Hour))
	f.proxy(name(jane+"/CN=proxy", "alice"), "Jane Doe", "", time.Hour, f.now)
	f.proxy(name(bob, ""), "Bob", "", 5*time.Hour, f.now)
	f.put(name("/C=PT/O=LIPCA/CN=Pietro Vischia/CN=proxy", "cms"), "nothing of use\n")
	f.put(dir+"README", "hello\n")

	f.now = f.now.Add(2 * time.Hour)
	vo := f.read().VOs[0]
	if len(vo.Entries) != 6 {
		t.Fatalf("%d entries, want 6", len(vo.Entries))
	}
	for _, e := range vo.Entries {
		switch e.Path {
		case long:
			if e.Subject != jane+"/CN=12345" || e.VOMS != "alice:/alice/Role=lcgadmin" || e.Identity() != jane {
				t.Errorf("%+v, identity %s", e, e.Identity())
			}
			if l := e.Lifetime().Round(time.Hour); l != 40*time.Hour {
				t.Errorf("made for %v", l)
			}
		case f.in(dir + "README"):
			if e.Identity() != "" || e.Usable() || e.Err != nil || e.Report == nil {
				t.Errorf("%+v", e)
			}
		}
	}
	var got []string
	for _, r := range vo.Registrations() {
		best := "none"
		if r.Best != nil {
			best = filepath.Base(r.Best.Path)
		}
		got = append(got, fmt.Sprintf("%s %s %s %d %s", r.Identity, r.VO, r.Primary, len(r.Files), best))
	}
	slices.Sort(got)
	want := []string{
		"/C=PT/O=LIPCA/CN=Pietro Vischia cms /cms 1 none",
		bob + "   1 " + filepath.Base(name(bob, "")),
		jane + " alice /alice 1 none",               // over, and without the attributes that its name has
		jane + " alice /alice/Role=lcgadmin 2 none", // likewise
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("registrations:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if e := vo.Newest(f.in(dir) + "/*lcgadmin"); e == nil || !strings.Contains(e.Path, "+3d678-") {
		t.Errorf("newest: %+v", e)
	}
	if e := vo.Newest(f.in(dir) + "/*nobody"); e != nil {
		t.Errorf("newest of nothing: %+v", e)
	}
}

// Attributes that nothing here vouches for say whose registration it is, but make it no usable one.
func TestUnverifiedAttributes(t *testing.T) {
	f := newFake(t)
	path := "/var/lib/vobox/alice/proxy_repository/" + credfile.EscapeName(f.ca.Below("CN=Jane Doe"), "alice")
	f.proxy(path, "Jane Doe", "/alice/Role=lcgadmin", time.Hour, f.now)
	regs := f.read().VOs[0].Registrations()
	if len(regs) != 1 || regs[0].Primary != "/alice/Role=lcgadmin" || regs[0].VO != "alice" || regs[0].Best != nil {
		t.Errorf("%+v", regs)
	}
}

func TestServices(t *testing.T) {
	f := newFake(t)
	f.passwd(f.me("alicesgm"))
	f.put("/var/lib/vobox/alice/proxy_repository/x", "")
	f.put("/var/lib/vobox/alice/start/10agent", "")
	f.put("/var/lib/vobox/alice/start/.hidden", "")
	f.put("/var/lib/vobox/alice/stop/10agent", "")
	f.put("/etc/init.d/alice-box-proxyrenewal", "#!/bin/sh\nvoadmin=alicesgm\n")
	f.put("/etc/alicesgm-box-proxyrenewal", "VOBOX_LOCATION=/opt/lcg\n")
	f.put("/etc/rc.d/rc3.d/S99alice-box-proxyrenewal", "")
	f.put("/etc/rc.d/rc0.d/K00alice-box-proxyrenewal", "")
	f.put("/usr/lib/systemd/system/alice-box-proxyrenewal.service", "[Service]\nExecStart=/usr/sbin/vobox-renewd alice\n")
	f.put("/usr/lib/systemd/system/cms-box-proxyrenewal.service", "[Service]\n")
	f.put("/etc/systemd/system/alice-box-proxyrenewal-check.timer", "# by vobox-reconcile\n")
	f.link("/usr/lib/systemd/system/alice-box-proxyrenewal.service", "/etc/systemd/system/multi-user.target.wants/alice-box-proxyrenewal.service")
	f.put("/var/run/vobox_alice_renewd.pid", "4711\n")
	f.put("/etc/cron.d/alice-box-proxyrenewal", "# c\n23 */6 * * * root /sbin/service alice-box-proxyrenewal proxy\n")
	f.put("/var/spool/cron/alicesgm", "0 * * * * /home/alicesgm/renew.sh # myproxy-logon inside\n5 * * * * myproxy-logon -a x\n")
	f.put("/var/spool/cron/somebody", "5 * * * * myproxy-logon -a x\n")
	b := f.read()
	vo := b.VOs[0]
	rel := func(s string) string { return strings.TrimPrefix(s, f.root) }
	for what, pair := range map[string][2]string{
		"start":   {strings.Join(vo.Start, " "), "10agent"},
		"stop":    {strings.Join(vo.Stop, " "), "10agent"},
		"init":    {rel(vo.InitScript), "/etc/init.d/alice-box-proxyrenewal"},
		"link":    {vo.InitLink, ""},
		"profile": {rel(vo.Profile), "/etc/alicesgm-box-proxyrenewal"},
		"pid":     {rel(vo.PIDFile), "/var/run/vobox_alice_renewd.pid"},
		"rc":      {rel(strings.Join(vo.RCLinks, " ")), "/etc/rc.d/rc3.d/S99alice-box-proxyrenewal"},
		"units":   {fmt.Sprint(len(vo.Units)), "1"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	if u := vo.Units[0]; u.Name != "alice-box-proxyrenewal.service" || !u.Enabled {
		t.Errorf("unit: %+v", u)
	}
	var jobs []string
	for _, j := range b.Jobs {
		jobs = append(jobs, fmt.Sprintf("%s:%d %s", rel(j.File), j.Line, j.VO))
	}
	want := "/etc/cron.d/alice-box-proxyrenewal:2 alice, /var/spool/cron/alicesgm:1 , /var/spool/cron/alicesgm:2 "
	if got := strings.Join(jobs, ", "); got != want {
		t.Errorf("jobs: %s\nwant: %s", got, want)
	}
}

func TestJobs(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "# grid-proxy-init": "", "  # x": "", "MAILTO=root": "",
		"17 * * * * root /usr/local/bin/vobox-reconcile":             "",
		"1 2 * * * root /etc/init.d/alice-box-proxyrenewal proxy":    "alice",
		"1 2 * * * root /etc/init.d/my_vo.eu-box-proxyrenewal proxy": "my_vo.eu",
		"1 2 * * * root /etc/init.d/-box-proxyrenewal proxy":         "none",
		"1 2 * * * root /usr/bin/grid-proxy-init -cert x":            "other",
		"@hourly alicesgm voms-proxy-init -noregen":                  "other",
		"0 * * * * phedex /home/phedex/ProxyRenew.sh":                "other",
	} {
		jobs := oldbox.Jobs("f", []byte(line))
		got := ""
		if len(jobs) == 1 {
			got = jobs[0].VO
			if got == "" {
				got = "other"
			}
		}
		if want == "none" {
			want = ""
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestNewestRule(t *testing.T) {
	for text, want := range map[string]string{
		// Both manuals' line.
		"export X509_USER_PROXY=$( ls -t /var/lib/vobox/alice/proxy_repository/*lcgadmin | sed q )\n": "/var/lib/vobox/alice/proxy_repository/*lcgadmin",
		"X509_USER_PROXY=`ls -t /r/*lcgadmin | head -1`":                                              "/r/*lcgadmin",
		"export X509_USER_PROXY=\"$(ls -t1 /r/*lcgadmin | head -n 1)\" # newest":                      "/r/*lcgadmin",
		"  export X509_USER_PROXY=$(ls -1t /r/* |sed 1q)":                                             "/r/*",
		"X509_USER_PROXY=$(ls -t /a/* | sed q)\nX509_USER_PROXY=$(ls -t /b/* | sed q)":                "/b/*",
		"# export X509_USER_PROXY=$(ls -t /r/* | sed q)":                                              "",
		"export X509_USER_PROXY=/r/p":                                                                 "",
		"export OTHER=$(ls -t /r/* | sed q)":                                                          "",
		"export X509_USER_PROXY=$(ls /r/* | sed q)":                                                   "",
		"export X509_USER_PROXY=$(ls -t /r/$VO* | sed q)":                                             "",
		"export X509_USER_PROXY=$(ls -t /r/*; rm x | sed q)":                                          "",
	} {
		got, ok := oldbox.EnvFile{Data: []byte(text)}.NewestRule("X509_USER_PROXY")
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q %t, want %q", text, got, ok, want)
		}
	}
}

func TestEnvFilesAndServers(t *testing.T) {
	f := newFake(t)
	f.passwd(f.me("alicesgm"))
	f.put("/var/lib/vobox/alice/proxy_repository/x", "")
	f.put("/home/alicesgm/.alien/config/CE.env", "export MYPROXY_SERVER=px1.example.org\n")
	f.put("/home/alicesgm/.alien/config/ml.env", "export MYPROXY_SERVER=myproxy.cern.ch\n")
	f.put("/home/alicesgm/.alien/Environment", "ALIEN_USER=jdoe\nMYPROXY_SERVER=$OTHER\n")
	f.put("/home/alicesgm/.alien/config/version.properties", "JALIEN = 1.7.8-1\n")
	f.put("/etc/profile.d/grid-env.sh", "export MYPROXY_SERVER=px2.example.org\n")
	b := f.read()
	var got []string
	for _, s := range b.Servers {
		got = append(got, s.Value+" "+strings.TrimPrefix(s.From, f.root))
	}
	want := []string{"myproxy.cern.ch /home/alicesgm/.alien/config/ml.env", "px1.example.org /home/alicesgm/.alien/config/CE.env", "px2.example.org /etc/profile.d/grid-env.sh"}
	if !slices.Equal(got, want) {
		t.Errorf("servers: %q, want %q", got, want)
	}
	v, ok := b.VOs[0].EnvFile(oldbox.VersionFile)
	if value, set, known := v.Value("JALIEN"); !ok || value != "1.7.8-1" || !set || !known {
		t.Errorf("version: %q %t %t", value, set, known)
	}
	if _, ok := b.VOs[0].EnvFile("no.env"); ok {
		t.Error("a file that is not there was found")
	}
}

func TestHostCertificate(t *testing.T) {
	f := newFake(t)
	if c := f.read().Host; c.Subject != "" || c.Err == nil || c.KeyReadable {
		t.Errorf("without any: %+v", c)
	}
	f.put("/etc/grid-security/hostcert.pem", "nonsense\n")
	if c := f.read().Host; c.Subject != "" || c.Err == nil {
		t.Errorf("nonsense: %+v", c)
	}
	host, err := f.ca.Issue(gridtest.CertRequest{Subject: f.ca.Below("CN=vobox.example.org"), Kind: gridtest.HostCert, Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	if err := gridtest.WritePair(host, f.in("/etc/grid-security/hostcert.pem"), f.in("/etc/grid-security/hostkey.pem")); err != nil {
		t.Fatal(err)
	}
	if c := f.read().Host; c.Subject != f.ca.Below("CN=vobox.example.org") || !c.KeyReadable || !c.NotAfter.Equal(host.NotAfter()) {
		t.Errorf("%+v", c)
	}
}

func TestSplitVOMS(t *testing.T) {
	for in, want := range map[string][2]string{"cms": {"cms", "/cms"}, "alice:/alice/Role=lcgadmin": {"alice", "/alice/Role=lcgadmin"}, "": {"", ""}} {
		if vo, fqan := oldbox.SplitVOMS(in); vo != want[0] || fqan != want[1] {
			t.Errorf("%q: %q %q", in, vo, fqan)
		}
	}
}

// Whatever is in files of cron and of the environment, looking ends, and what is found is in them.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("1 2 * * * root /etc/init.d/alice-box-proxyrenewal proxy\nexport X509_USER_PROXY=$( ls -t /r/*lcgadmin | sed q )\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, j := range oldbox.Jobs("f", data) {
			if !strings.Contains(string(data), j.Text) || j.Line < 1 || !strings.Contains(j.Text, j.VO) {
				t.Errorf("%+v", j)
			}
		}
		if pattern, ok := (oldbox.EnvFile{Data: data}).NewestRule("X509_USER_PROXY"); ok && !strings.Contains(string(data), pattern) {
			t.Errorf("pattern %q", pattern)
		}
	})
}
