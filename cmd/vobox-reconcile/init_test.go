package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// An oldBox is a site whose box was looked after by vobox-proxy until now. What stands for / is Site.Dir/box.
type oldBox struct {
	*box
	root string // what stands for /
	init string // the init script
	cron string
	file string        // the registered proxy, under its escaped name
	pipe *bufio.Reader // from the agents, see serviceBox
}

// Names seen in the wild, of registrations that are long over.
const wildLegacy = "+2fC+3dPT+2fO+3dLIPCA+2fO+3dLIP+2fOU+3dLisboa+2fCN+3dPietro+20Vischia+2fCN+3dproxy-voms+20cms"

// newOldBox builds one: directories, the repository with an escaped name, env files with the manuals' own lines, the init
// script with its cron job. The proxies are fresh: a healthy box.
func newOldBox(t testing.TB, o gridtest.SiteOptions) *oldBox {
	t.Helper()
	b := &oldBox{box: newBox(t, o)}
	b.root = filepath.Join(b.Dir, "box")
	b.mkdirs("etc/init.d", "etc/cron.d", "etc/rc.d/rc3.d", "var/run", "usr/local/bin", "cvmfs/alice.cern.ch/scripts/vobox", "cvmfs/alice.cern.ch/bin")
	for _, dir := range []string{"start", "stop", "agents", "info-provider", "log"} {
		b.mkdirs("var/lib/vobox/alice/" + dir)
	}
	b.link("../../grid-security", "etc/grid-security")
	if err := os.Remove(b.Config); err != nil {
		t.Fatal(err)
	}
	user := userName()
	b.put("etc/passwd", 0o644, fmt.Sprintf("daemon:x:1:1::/:/sbin/nologin\n%s:x:%d:%d::/home/alicesgm:/bin/bash\n", user, os.Getuid(), os.Getgid()))
	functions := b.put("etc/rc.d/init.d/functions", 0o644, "")
	b.init = b.put("etc/init.d/alice-box-proxyrenewal", 0o755, "#!/bin/sh\n. "+functions+"\n\nvo=alice\nvoadmin="+user+"\n\ncase $vo in\n*[!-_.A-Za-z0-9]*)\n    exit 1\nesac\n"+
		"echo \"$1\" >> "+b.root+"/var/run/init-calls\n")
	b.link("../../init.d/alice-box-proxyrenewal", "etc/rc.d/rc3.d/S99alice-box-proxyrenewal")
	b.cron = b.put("etc/cron.d/alice-box-proxyrenewal", 0o644, "# renew the machine proxy\n23 2-23/6 * * * root /sbin/service alice-box-proxyrenewal proxy\n")
	b.put("cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", 0o755, string(read(t, b.RestartScript)))
	b.put("home/alicesgm/.alien/config/version.properties", 0o644, "JALIEN = 1.7.8-1\nMONALISA = 22.10.01-1\n")
	b.put("home/alicesgm/.alien/config/ml.env", 0o644, string(read(t, b.MLEnv))+"")
	b.edit(b.MLEnv, "myproxy.cern.ch", b.MyProxy.Addr())
	b.put("home/alicesgm/.alien/Environment", 0o644, "ALIEN_ORGANISATION=ALICE\nexport ALIEN_USER=jdoe\n")
	b.withMachineProxy()
	b.file = b.register("/CN=1234567890", 48*time.Hour)
	delete(b.env, "X509_USER_PROXY")
	delete(b.env, "VOBOX_RECONCILE_CONFIG")
	return b
}

func userName() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

func (b *oldBox) in(path string) string { return filepath.Join(b.root, path) }

func (b *oldBox) mkdirs(paths ...string) {
	b.t.Helper()
	for _, p := range paths {
		if err := os.MkdirAll(b.in(p), 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *oldBox) put(path string, mode os.FileMode, text string) string {
	b.t.Helper()
	b.mkdirs(filepath.Dir(path))
	if err := os.WriteFile(b.in(path), []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(b.in(path), mode); err != nil {
		b.t.Fatal(err)
	}
	return b.in(path)
}

func (b *oldBox) link(target, path string) {
	b.t.Helper()
	if err := os.Symlink(target, b.in(path)); err != nil {
		b.t.Fatal(err)
	}
}

// register puts a proxy into the repository as vobox-proxy names it: after the subject of the proxy, serial number and all.
func (b *oldBox) register(proxyCN string, life time.Duration) string {
	b.t.Helper()
	if err := b.LogIn(life); err != nil {
		b.t.Fatal(err)
	}
	return b.keep(b.User.Identity().String()+proxyCN, "alice:"+b.Role, b.Login)
}

func (b *oldBox) keep(subject, voms string, c *proxycert.Credential) string {
	b.t.Helper()
	path := filepath.Join(b.Repository, credfile.EscapeName(subject, voms))
	if err := gridtest.WriteProxy(c, path); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// takeOver is init on this box.
func (b *oldBox) takeOver(code int, args ...string) result {
	b.t.Helper()
	return b.must(code, append([]string{"init", "--root", b.root, "--output-file", b.Config, "--yes"}, args...)...)
}

// text is output with the names of this run replaced, for a golden file.
func (b *oldBox) text(s string) string {
	s = strings.ReplaceAll(s, b.root, "/box")
	s = strings.ReplaceAll(s, b.MyProxy.Addr(), "myproxy.example.org:7512")
	user := regexp.QuoteMeta(userName())
	return regexp.MustCompile(`((?m)^user: |account |su - |renewd alice )`+user+`\b`).ReplaceAllString(s, "${1}ACCOUNT")
}

// A healthy box is taken over: what init writes and says, a dry run and a pass that change nothing, and the old machinery
// switched off and on again with the commands that init prints.
func TestTakeOver(t *testing.T) {
	b := newOldBox(t, gridtest.SiteOptions{Now: func() time.Time { return start }})
	b.put("var/lib/vobox/alice/start/10agent", 0o755, "#!/bin/sh\n")
	b.put("usr/sbin/vobox-renewd", 0o755, "")
	before := b.contents()
	r := b.takeOver(0)
	golden(t, "init-config.yaml", b.text(string(read(t, b.Config))))
	golden(t, "init.txt", b.text(r.stdout))
	if r.stderr != "" {
		t.Errorf("init complains: %s", r.stderr)
	}
	if again := b.takeOver(1); !strings.Contains(again.stderr, "exists, and is not overwritten") {
		t.Errorf("a second init says: %s", again.stderr)
	}

	b.env["VOBOX_RECONCILE_CONFIG"] = b.Config
	file := string(read(t, b.file))
	if r := b.must(0, "--dry-run"); !strings.Contains(r.stdout, "nothing to do for alice") {
		t.Errorf("the dry run says:\n%s", r.stdout)
	}
	if r := b.must(0); r.stdout+r.stderr != "" {
		t.Errorf("the first pass says:\n%s%s", r.stdout, r.stderr)
	}
	if string(read(t, b.file)) != file {
		t.Error("the first pass changed the proxy")
	}
	b.mustRestarts(0)
	b.unlike(before, b.contents(), "etc/vobox-reconcile/config.yaml", "var/lib/vobox/alice/reconcile/lock", "var/lib/vobox/alice/reconcile/state.json")
}

// unlike complains of files that are not as they were, but for the new ones that are named.
func (b *oldBox) unlike(before, after map[string]string, fresh ...string) {
	b.t.Helper()
	for path, was := range before {
		if is, ok := after[path]; !ok || is != was {
			b.t.Errorf("%s was %.60q and is %.60q (there: %t)", path, was, is, ok)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok && !slices.Contains(fresh, path) && !strings.HasPrefix(path, "var/lib/vobox/alice/reconcile/") {
			b.t.Errorf("%s is new", path)
		}
	}
}

// contents are mode and content of all files of the box, by path.
func (b *oldBox) contents() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(b.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			content = string(read(b.t, path))
		} else if content, err = os.Readlink(path); err != nil {
			return err
		}
		out[strings.TrimPrefix(path, b.root+"/")] = info.Mode().String() + " " + content
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// The commands that init prints switch the old pieces off, one by one, and those of the way back put everything where it was:
// file for file, mode for mode. In between the box is kept by the new machinery alone.
func TestSwitchOverAndBack(t *testing.T) {
	b := newOldBox(t, gridtest.SiteOptions{})
	bin := b.namedPrograms()
	b.env["PATH"] = bin + ":" + b.env["PATH"]
	b.env["VOBOX_RECONCILE_CONFIG"] = b.Config
	before := b.contents()
	b.takeOver(0, "-o", "json", "--output-file", "-")
	var doc initDoc
	if err := json.Unmarshal([]byte(b.takeOver(0, "-o", "json").stdout), &doc); err != nil {
		t.Fatal(err)
	}
	if !doc.Written || doc.VO != "alice" || len(doc.Findings) != 0 || doc.FirstPass.Changed || doc.Text != string(read(t, b.Config)) {
		t.Errorf("init says %+v", doc)
	}
	shell := func(command string) {
		t.Helper()
		if strings.HasPrefix(command, "systemctl ") || command == "" {
			return
		}
		command = strings.ReplaceAll(command, "/usr/local/bin/vobox-reconcile", filepath.Join(bin, "vobox-reconcile"))
		cmd := exec.Command("sh", "-ec", command)
		for name, value := range b.env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	for _, s := range doc.Switch {
		shell(s.Command)
	}
	// The machine proxy is lost, and the user proxy runs low: no old program is left to help.
	if err := os.Remove(b.machineProxy()); err != nil {
		t.Fatal(err)
	}
	b.register("/CN=1234567890", 10*time.Hour)
	b.env["X509_USER_PROXY"] = b.file
	b.process().mustBe(t, 0)
	if out, err := exec.Command(b.in("etc/init.d/alice-box-proxyrenewal"), "status").CombinedOutput(); err == nil || !strings.Contains(string(out), "Service not running") {
		t.Errorf("the new init script says %s (%v)", out, err)
	}
	left := b.must(0, "query-proxy-timeleft", "--dn", "all").stdout
	if seconds, err := strconv.Atoi(strings.TrimSpace(left)); err != nil || seconds < 47*3600 {
		t.Errorf("%q seconds left", left)
	}
	if link, err := os.Readlink(b.in("usr/local/bin/vobox-proxy")); err != nil || filepath.Base(link) != "vobox-reconcile" {
		t.Errorf("vobox-proxy is %q, %v", link, err)
	}
	proxy := strings.TrimPrefix(b.file, b.root+"/")
	machine := strings.TrimPrefix(b.machineProxy(), b.root+"/")
	delete(before, proxy)
	delete(before, machine)
	delete(before, "tmp/x509up_login")
	for _, s := range slices.Backward(doc.Switch) {
		shell(s.Undo)
	}
	b.unlike(before, b.contents(), proxy, machine, "etc/vobox-reconcile/config.yaml", "var/run/init-calls", "tmp/x509up_login")
	if calls := string(read(t, b.in("var/run/init-calls"))); calls != "stop\nstart\n" {
		t.Errorf("the old init script was called with %q", calls)
	}
}

// What is not as it should be is told, each with its id; the configuration still loads, and keeps what can be kept.
func TestTakeOverOfBrokenBoxes(t *testing.T) {
	jane := func(b *oldBox) string { return b.User.Identity().String() }
	for _, tt := range []struct {
		name   string
		breaks func(b *oldBox)
		ids    string // of findings, sorted
		config string // that it has
		first  string // step of the first pass
	}{
		{"the newest file is over", func(b *oldBox) {
			path := b.keep(jane(b)+"/CN=proxy", "alice:"+b.Role, b.expired())
			b.written(path, time.Minute)
		}, "REPO-NEWEST REPO-NEWEST", "# What follows would change files", ""},
		{"the newest file is another person's", func(b *oldBox) {
			path := b.keep("/DC=org/DC=gridtest/OU=people/CN=Bob/CN=99", "alice:"+b.Role, b.somebody("Bob"))
			b.written(path, time.Minute)
		}, "REPO-EXPIRED REPO-NEWEST REPO-NEWEST", "- name: lcgadmin", ""},
		{"the newest file does not last as long", func(b *oldBox) {
			b.written(b.file, -time.Minute)
			b.written(b.register("/CN=77", 5*time.Hour), time.Minute)
		}, "REPO-NEWEST REPO-NEWEST", "path: \"*lcgadmin\"", ""},
		{"CE.env names the proxy", func(b *oldBox) {
			write(b.t, b.CEEnv, "export X509_USER_PROXY="+b.file+"\n")
		}, "", "CE.env\n    set: {X509_USER_PROXY: \"${proxy.lcgadmin}\"}\n", ""},
		{"CE.env names another", func(b *oldBox) {
			write(b.t, b.CEEnv, "export X509_USER_PROXY=/tmp/x509up_u500\n")
		}, "ENV-PROXY", "#  - path", ""},
		{"CE.env computes it in a way of its own", func(b *oldBox) {
			write(b.t, b.CEEnv, "export X509_USER_PROXY=$(find /var/lib/vobox -name '*lcgadmin')\n")
		}, "", "lets the shell find the proxy", ""},
		{"only an expired proxy", func(b *oldBox) {
			if err := os.Remove(b.file); err != nil {
				b.t.Fatal(err)
			}
			b.file = b.keep(jane(b)+"/CN=1", "alice:"+b.Role, b.expired())
		}, "PROXY-LOW", "# expired on ", "renew/proxy/lcgadmin"},
		{"no proxy at all", func(b *oldBox) {
			if err := os.Remove(b.file); err != nil {
				b.t.Fatal(err)
			}
		}, "", "proxies: []", ""},
		{"a proxy that nothing can read", func(b *oldBox) {
			b.put("var/lib/vobox/alice/proxy_repository/"+wildLegacy, 0o600, "garbage\n")
			b.put("var/lib/vobox/alice/proxy_repository/note\nexport EVIL=1", 0o600, "garbage\n")
		}, "REPO-EXPIRED REPO-FILE", "lcgadmin", ""},
		{"made for 24 h, which is too little for JAliEn", func(b *oldBox) {
			b.file = b.register("/CN=1234567890", 24*time.Hour)
		}, "PROXY-SHORT", "lcgadmin", "renew/proxy/lcgadmin"},
		{"no host certificate", func(b *oldBox) {
			b.link("../../grid-security/nothing", "etc/nothing")
			if err := os.Remove(b.HostCert); err != nil {
				b.t.Fatal(err)
			}
		}, "HOST-CERT", "lcgadmin", ""},
		{"no machine proxy that can be used", func(b *oldBox) {
			if err := os.Remove(b.machineProxy()); err != nil {
				b.t.Fatal(err)
			}
			if err := gridtest.WriteProxy(b.expired(), b.machineProxy()); err != nil {
				b.t.Fatal(err)
			}
		}, "HOST-PROXY", "lcgadmin", "renew/machine-proxy"},
		{"ALIEN_USER is not the certificate's owner", func(b *oldBox) {
			b.edit(b.in("home/alicesgm/.alien/Environment"), "jdoe", "asmith")
		}, "ENV-EXPECT", "expect: {ALIEN_USER: asmith}", ""},
		{"two MyProxy servers", func(b *oldBox) {
			b.put("etc/profile.d/grid-env.sh", 0o644, "export MYPROXY_SERVER=px.example.org\n")
		}, "MP-SERVER", "myproxy:\n  server: \"localhost:", ""},
		{"another program renews as well", func(b *oldBox) {
			b.put("etc/cron.d/mine", 0o644, "5 * * * * root myproxy-logon -a x\n")
		}, "CRON-OTHER", "lcgadmin", ""},
		{"no init script", func(b *oldBox) {
			if err := os.Remove(b.init); err != nil {
				b.t.Fatal(err)
			}
		}, "JALIEN-CHECK", "lcgadmin", ""},
		{"attributes that no configuration can have", func(b *oldBox) {
			b.keep("/C=IT/CN=A", "BIOMED:/BIOMED/Role=x", b.expired())
			b.put("var/lib/vobox/alice/proxy_repository/"+credfile.EscapeName("/C=IT/CN=A/CN=1", "x:/x y/z"), 0o600, "garbage\n")
			b.put("var/lib/vobox/alice/proxy_repository/"+credfile.EscapeName("/C=IT/CN=A/CN=2", "BIOMED:/BIOMED"), 0o600, "garbage\n")
			b.edit(b.in("home/alicesgm/.alien/Environment"), "jdoe", "'${USER}'")
		}, "ENV-EXPECT REPO-FILE REPO-FILE REPO-FILE", `expect: {ALIEN_USER: "$${USER}"}`, ""},
		{"no CVMFS", func(b *oldBox) {
			if err := os.RemoveAll(b.in("cvmfs")); err != nil {
				b.t.Fatal(err)
			}
		}, "", "#services:", ""},
		{"no vomses and no LSC file", func(b *oldBox) {
			for _, path := range []string{b.Vomses, filepath.Join(b.VOMSDir, "alice")} {
				if err := os.RemoveAll(path); err != nil {
					b.t.Fatal(err)
				}
			}
		}, "VO-LSC VO-VOMSES PROXY-LOW", "# cannot be used: ", "renew/proxy/lcgadmin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newOldBox(t, gridtest.SiteOptions{})
			tt.breaks(b)
			var doc initDoc
			if err := json.Unmarshal([]byte(b.takeOver(0, "-o", "json").stdout), &doc); err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, f := range doc.Findings {
				ids = append(ids, f.ID)
				if f.Message == "" || f.Remedy == "" || f.Where == "" || f.Subject == "" {
					t.Errorf("incomplete: %+v", f)
				}
			}
			want := strings.Fields(tt.ids)
			slices.Sort(ids)
			slices.Sort(want)
			if !slices.Equal(ids, want) {
				t.Errorf("findings: %q, want %q\n%+v", ids, want, doc.Findings)
			}
			if !strings.Contains(doc.Text, tt.config) {
				t.Errorf("the configuration has no %q:\n%s", tt.config, doc.Text)
			}
			var steps []string
			for _, s := range doc.FirstPass.Steps {
				steps = append(steps, s.ID)
			}
			if got := strings.Join(steps, " "); got != tt.first {
				t.Errorf("the first pass: %s, want %s", got, tt.first)
			}
			if strings.Contains(b.text(doc.Text), "\nexport EVIL") {
				t.Errorf("the name of a file is a line of the configuration:\n%s", doc.Text)
			}
			b.run("init", "--root", b.root, "--output-file", filepath.Join(b.Dir, "again.yaml"), "--yes")
		})
	}
}

// expired is the user's proxy of two days ago.
func (b *oldBox) expired() *proxycert.Credential {
	b.t.Helper()
	key, err := proxycert.GenerateKey(proxycert.P256)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.User.Delegate(key, proxycert.Template{Now: b.now().Add(-50 * time.Minute), Lifetime: 20 * time.Minute})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// somebody is another person's proxy, without attributes.
func (b *oldBox) somebody(name string) *proxycert.Credential {
	b.t.Helper()
	eec, err := b.CA.Issue(gridtest.CertRequest{Subject: b.CA.Below("OU=people", "CN="+name), Key: proxycert.P256})
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.CA.Proxy(eec, 20*time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// written sets the time at which a file was written, from now.
func (b *oldBox) written(path string, from time.Duration) {
	b.t.Helper()
	at := b.now().Add(from)
	if err := os.Chtimes(path, at, at); err != nil {
		b.t.Fatal(err)
	}
}

// Every name of a proxy file that was seen in the wild, and the ones of today, is understood.
func TestTakeOverNames(t *testing.T) {
	for file, want := range map[string][2]string{
		wildLegacy: {"/C=PT/O=LIPCA/O=LIP/OU=Lisboa/CN=Pietro Vischia", "/cms"},
		"+2fC+3dDE+2fO+3dGermanGrid+2fOU+3dDESY+2fCN+3dEngin+20Eren+2fCN+3dproxy-voms+20cms":                                          {"/C=DE/O=GermanGrid/OU=DESY/CN=Engin Eren", "/cms"},
		"+2fDC+3dch+2fDC+3dcern+2fCN+3djdoe+2fCN+3d123456+2fCN+3dJane+20Doe+2fCN+3d1187399-voms+20alice+3a+2falice+2fRole+3dlcgadmin": {"/DC=ch/DC=cern/CN=jdoe/CN=123456/CN=Jane Doe", "/alice/Role=lcgadmin"},
		"+2fC+3dIT+2fCN+3dA+2fCN+3dlimited+20proxy+2fCN+3dproxy-voms+20dteam+3a+2fdteam":                                              {"/C=IT/CN=A", "/dteam"},
	} {
		subject, voms, _ := credfile.UnescapeName(file)
		e := oldbox.Entry{Path: file, Subject: subject, VOMS: voms}
		if e.Identity() != want[0] || e.Primary() != want[1] {
			t.Errorf("%s: %s, %s; want %s", file, e.Identity(), e.Primary(), want)
		}
	}
}

// What nothing on the box tells comes as a flag, or the run ends with the flag's name.
func TestInitFlags(t *testing.T) {
	b := newOldBox(t, gridtest.SiteOptions{})
	b.mkdirs("var/lib/vobox/dteam/proxy_repository")
	if r := b.takeOver(64); !strings.Contains(r.stderr, "several VOs: alice, dteam; choose one with --vo") {
		t.Errorf("two VOs: %s", r.stderr)
	}
	for _, path := range []string{b.CEEnv, b.MLEnv, b.file} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.takeOver(64, "--vo", "dteam"); !strings.Contains(r.stderr, "the MyProxy server? Nothing on this box tells: say it with --myproxy") {
		t.Errorf("no server: %s", r.stderr)
	}
	if r := b.takeOver(64, "--vo", "nobodys", "--myproxy", "px.example.org"); !strings.Contains(r.stderr, "say it with --user") {
		t.Errorf("no account: %s", r.stderr)
	}
	for _, args := range [][]string{{"--dn", "nonsense"}, {"--dn", "/CN=x", "--voms", "a:b"}, {"--print", "x"}} {
		b.takeOver(64, append(args, "--vo", "alice")...)
	}
	b.takeOver(64, "--print", "cron", "--vo", "../x")
	b.takeOver(64, "--vo", "al ice")
	r := b.takeOver(0, "--vo", "alice", "--user", userName(), "--myproxy", "px.example.org:7513", "--dn", "/C=IT/CN=O'Neill \"x\" #1", "--voms", "alice:/alice/Role=production")
	text := string(read(t, b.Config))
	for _, want := range []string{"user: " + userName(), "server: \"px.example.org:7513\"", "attributes: [/alice/Role=production]", "name: production", `dn: "/C=IT/CN=O'Neill \"x\" #1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the configuration has no %s:\n%s", want, text)
		}
	}
	if !strings.Contains(r.stdout, "its first pass will:\n    renew proxy production") {
		t.Errorf("init says:\n%s", r.stdout)
	}
	// A user's login proxy tells as well as flags do.
	if err := os.Remove(b.Config); err != nil {
		t.Fatal(err)
	}
	b.env["X509_USER_PROXY"] = b.LoginProxy
	b.takeOver(0, "--vo", "alice")
	if text := string(read(t, b.Config)); !strings.Contains(text, "CN=Jane Doe") || !strings.Contains(text, "server: myproxy.cern.ch") {
		t.Errorf("from the login proxy:\n%s", text)
	}
}

// A box that has nothing yet is set up, and there is nothing to switch off.
func TestInitOfAnEmptyBox(t *testing.T) {
	root := t.TempDir()
	b := &box{t: t, env: map[string]string{}, now: time.Now}
	r := b.must(0, "init", "--root", root, "--output-file", filepath.Join(root, "config.yaml"), "--yes", "--vo", "alice", "--user", userName())
	for _, want := range []string{"there is none yet", "HOST-CERT", "VO-VOMSES", "VO-LSC", "its first pass changes nothing", "To set it up, as root"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
	for _, not := range []string{"old daemon", "mkdir", "To go back"} {
		if strings.Contains(r.stdout, not) {
			t.Errorf("it says %q:\n%s", not, r.stdout)
		}
	}
	if text := string(read(t, filepath.Join(root, "config.yaml"))); !strings.Contains(text, "proxies: []") || !strings.Contains(text, "#services:") {
		t.Errorf("the configuration is\n%s", text)
	}
}

// A person is asked what is not found, and what is likely is proposed.
func TestInitAsks(t *testing.T) {
	b := newOldBox(t, gridtest.SiteOptions{})
	for _, path := range []string{b.CEEnv, b.MLEnv} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s := sitDown(t, b.command("init", "--root", b.root, "--output-file", b.Config))
	s.expect("the MyProxy server [myproxy.cern.ch]: ")
	s.typed("px.example.org\n")
	screen := s.leave(0)
	if !strings.Contains(string(read(t, b.Config)), "server: px.example.org") || !strings.Contains(screen, "To switch over, as root") {
		t.Errorf("%s", screen)
	}
}

// Root takes over the box of an account: the configuration names the account, is root's own, and is read by both.
func TestTakeOverByRoot(t *testing.T) {
	a := someAccount(t)
	b := newOldBox(t, gridtest.SiteOptions{})
	b.put("etc/passwd", 0o644, fmt.Sprintf("%s:x:%d:%d::/home/alicesgm:/bin/sh\n", a.name, a.uid, a.gid))
	b.edit(b.init, "voadmin="+userName(), "voadmin="+a.name)
	for _, dir := range []string{b.Root, b.Home} {
		if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, a.uid, a.gid)
		}); err != nil {
			t.Fatal(err)
		}
	}
	b.takeOver(0)
	if text := string(read(t, b.Config)); !strings.Contains(text, "\nuser: "+a.name+" ") {
		t.Errorf("the configuration is\n%s", text)
	}
	b.env["VOBOX_RECONCILE_CONFIG"] = b.Config
	b.process("--dry-run").mustBe(t, 0)
	b.process().mustBe(t, 0)
	b.processAs(a, "--dry-run").mustBe(t, 0)
	// Who may not write there is told what may.
	r := b.processAs(a, "init", "--root", b.root, "--output-file", filepath.Join(filepath.Dir(b.Config), "mine.yaml"), "--yes")
	if r.code != 1 || !strings.Contains(r.stderr, "run it as root, or as "+a.name+" with --output-file") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}

// Words that init writes are read back as they were, whatever they are.
func FuzzYAMLWord(f *testing.F) {
	for _, s := range []string{"alice", "/a/b", "~x", "yes", "null", "", " ", "a: b", "#", "'", `"`, `\`, "\u2028", "é", "a\nb", "- x", "1", "0x1", "2001-01-01", "=", "<<", "/DC=ch/CN=J\x7f", "\uffff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for _, text := range []string{"k: " + yamlWord(s) + "\n", "k: [" + yamlWord(s) + "]\n", "k: {x: " + yamlWord(s) + "}\n"} {
			var doc struct{ K yaml.Node }
			if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			n := &doc.K
			for len(n.Content) > 0 {
				n = n.Content[len(n.Content)-1]
			}
			if n.Value != s || n.Tag != "!!str" {
				t.Errorf("%q was read as %q, %s", text, n.Value, n.Tag)
			}
		}
	})
}
