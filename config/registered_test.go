package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// registering is a configuration of root's, with files that the account has registered.
func registering(t *testing.T, files ...string) (path string, env config.Env) {
	t.Helper()
	state := t.TempDir()
	for i := 0; i+1 < len(files); i += 2 {
		put(t, filepath.Join(state, "registered", files[i]), files[i+1])
	}
	env = testEnv()
	env.LookupUser = func(string) (uid, gid int, home string, err error) {
		return os.Getuid(), os.Getgid(), "/home/alicesgm", nil
	}
	return write(t, head+"user: alicesgm\nstate: "+state+"\n"), env
}

func TestRegistered(t *testing.T) {
	path, env := registering(t,
		"b.yaml", "proxies:\n  - name: bob\n    dn: /CN=bob\n    attributes: [/alice/Role=lcgadmin]\n    lifetime: 24h\n    alertBelow: 2h\nalerts:\n  - email: {to: bob@example.org}\n",
		"a.yaml", "proxies: [{name: jane, dn: /CN=jane}]\nmyproxy: {alertBelow: 72h}\n",
		".swp.yaml", "nonsense\n", "readme", "nonsense\n")
	put(t, filepath.Join(filepath.Dir(path), "conf.d", "own.yaml"), "proxies: [{name: root, dn: /CN=root}]\n")
	c, err := config.Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range c.Proxies {
		got = append(got, p.Name+" "+strconv.FormatBool(p.Registered))
	}
	if want := []string{"root false", "jane true", "bob true"}; !slices.Equal(got, want) {
		t.Errorf("proxies are %q, want %q", got, want)
	}
	bob := c.Proxies[2]
	if bob.Lifetime != 24*time.Hour || bob.RenewBelow != 23*time.Hour || bob.AlertBelow != 2*time.Hour || bob.VO != "alice" || bob.Source.MyProxy.Server != "px.example.org" || !strings.HasPrefix(bob.Path, c.Repository+"/") {
		t.Errorf("%+v", bob)
	}
	if c.MyProxy.AlertBelow != 72*time.Hour || len(c.Alerts) != 1 || c.Alerts[0].Email.SMTP != "localhost:25" {
		t.Errorf("%+v, %+v", c.MyProxy, c.Alerts)
	}
	if file, line := c.Position("proxies[2].dn"); file != filepath.Join(c.Registered(), "b.yaml") || line != 3 {
		t.Errorf("bob's dn is at %s:%d", file, line)
	}
	registered := map[string]bool{}
	for _, cred := range c.Desired().Credentials {
		registered[cred.Name] = cred.Registered
	}
	if !registered["bob"] || registered["root"] || registered["machine-proxy"] {
		t.Errorf("the engine is told %v", registered)
	}
}

// Nothing that the account writes may name a file, a server or a command.
func TestRegisteredSaysLittle(t *testing.T) {
	for key, doc := range map[string]string{
		"proxies[0].path":              "proxies: [{name: a, dn: /CN=a, path: /etc/shadow}]",
		"proxies[0].links":             "proxies: [{name: a, dn: /CN=a, links: [/etc/cron.d/x]}]",
		"proxies[0].source":            "proxies: [{name: a, dn: /CN=a, source: {certificate: {cert: /x, key: /etc/grid-security/hostkey.pem}}}]",
		"proxies[0].key":               "proxies: [{name: a, dn: /CN=a, key: p256}]",
		"myproxy.server":               "myproxy: {server: evil.example.org}",
		"myproxy.serverDN":             "myproxy: {serverDN: /CN=evil}",
		"alerts[0].command":            "alerts: [{command: [/bin/sh]}]",
		"alerts[0].webhook":            "alerts: [{webhook: {url: 'http://127.0.0.1/'}}]",
		"alerts[0].email.smtp":         "alerts: [{email: {to: a@b, smtp: evil.example.org}}]",
		"alerts[0].email.passwordFile": "alerts: [{email: {to: a@b, passwordFile: /etc/shadow}}]",
		"services":                     "services: [{name: x, restart: [/bin/sh]}]",
		"envFiles":                     "envFiles: [{path: /etc/environment, set: {A: b}}]",
		"user":                         "user: root",
		"state":                        "state: /etc",
		"machineProxy":                 "machineProxy: {path: /tmp/x}",
		"metrics":                      "metrics: {textfile: /etc/x.prom}",
		"trust":                        "trust: {certificates: /tmp}",
		"watch":                        "watch: {listen: ':80'}",
	} {
		path, env := registering(t, "x.yaml", doc+"\n")
		got := faultsOf(t, path, env)
		if !slices.ContainsFunc(got, func(s string) bool {
			return strings.Contains(s, "registered/x.yaml:1:") && strings.Contains(s, ": "+key+": unknown key; ")
		}) {
			t.Errorf("%s: %q", doc, got)
		}
	}
}

// What is no registration is told with its file, and nothing waits for it or reads it whole.
func TestRegisteredFaults(t *testing.T) {
	load := func(plant func(dir string)) []string {
		t.Helper()
		path, env := registering(t, "good.yaml", "proxies: [{name: a, dn: /CN=a}]\n")
		c, err := config.Load(path, env)
		if err != nil {
			t.Fatal(err)
		}
		plant(c.Registered())
		return faultsOf(t, path, env)
	}
	for name, tt := range map[string]struct {
		plant func(dir string)
		say   string
	}{
		"a link": {func(dir string) {
			if err := os.Symlink("/etc/hostname", filepath.Join(dir, "x.yaml")); err != nil {
				t.Fatal(err)
			}
		}, "/x.yaml:1:1: (file): cannot be read: "},
		"a pipe": {func(dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, "x.yaml"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "/x.yaml:1:1: (file): cannot be read: "},
		"too large": {func(dir string) { put(t, filepath.Join(dir, "x.yaml"), strings.Repeat("#\n", 40<<10)) }, "/x.yaml:1:1: (file): cannot be read: "},
		"no YAML":   {func(dir string) { put(t, filepath.Join(dir, "x.yaml"), "a: [\n") }, "/x.yaml:1:1: (file): is not YAML: "},
		"a name that is taken": {func(dir string) { put(t, filepath.Join(dir, "x.yaml"), "proxies: [{name: a, dn: /CN=b}]\n") },
			"/x.yaml:1:18: proxies[1].name: \"a\" is proxies[0].name already, at "},
		"too many": {func(dir string) {
			for i := range 200 {
				put(t, filepath.Join(dir, strconv.Itoa(i)+".yaml"), "")
			}
		}, "registered:1:1: (file): has 201 registrations, and 200 are read; take some out"},
	} {
		if got := load(tt.plant); len(got) != 1 || !strings.Contains(got[0], tt.say) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, tt := range map[string]struct {
		plant func(dir string)
		say   string
	}{
		"a link to a directory": {func(dir string) {
			if err := errors.Join(os.Rename(dir, dir+".real"), os.Symlink(dir+".real", dir), os.Chmod(filepath.Dir(dir), 0o777)); err != nil {
				t.Fatal(err)
			}
		}, "registered:1:1: (file): cannot be read: "},
		"a file": {func(dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			put(t, dir, "")
		}, "registered:1:1: (file): cannot be read: "},
		"no state directory": {func(dir string) {
			if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Dir(dir), "") // which is told by passes
		}, ""},
	} {
		if got := load(tt.plant); tt.say == "" && got != nil || tt.say != "" && (len(got) != 1 || !strings.Contains(got[0], tt.say)) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	got := load(func(dir string) {
		put(t, filepath.Join(dir, "x.yaml"), "proxies: [{name: b, dn: /CN=b}]\n")
		if err := os.Chown(filepath.Join(dir, "x.yaml"), 12345, 12345); err != nil {
			t.Fatal(err)
		}
	})
	if len(got) != 1 || !strings.Contains(got[0], "belongs to user 12345, neither root nor alicesgm; remove it") {
		t.Errorf("of somebody else: %q", got)
	}
}

// A configuration can be tried with other content than what is there.
func TestInstead(t *testing.T) {
	path, env := registering(t, "a.yaml", "proxies: [{name: a, dn: /CN=a}]\n", "b.yaml", "proxies: [{name: b, dn: /CN=b}]\n")
	confd := filepath.Join(filepath.Dir(path), "conf.d")
	c, err := config.Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	env.Instead = map[string][]byte{
		filepath.Join(confd, "new.yaml"):          []byte("proxies: [{name: new, dn: /CN=new}]\n"),
		filepath.Join(c.Registered(), "a.yaml"):   nil,
		filepath.Join(c.Registered(), "b.yaml"):   []byte("proxies: [{name: other, dn: /CN=b}]\n"),
		filepath.Join(c.Registered(), "c.yaml"):   []byte("proxies: [{name: c, dn: /CN=c}]\n"),
		filepath.Join(c.Registered(), "d", "e.y"): []byte("nonsense\n"),
	}
	if c, err = config.Load(path, env); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range c.Proxies {
		names = append(names, p.Name)
	}
	if want := []string{"new", "other", "c"}; !slices.Equal(names, want) {
		t.Errorf("proxies are %q, want %q", names, want)
	}
	env.Instead[path] = []byte("version: 2\n")
	if got := faultsOf(t, path, env); len(got) == 0 || !strings.HasPrefix(got[0], "config.yaml:1:") {
		t.Errorf("the main file: %q", got)
	}
}
