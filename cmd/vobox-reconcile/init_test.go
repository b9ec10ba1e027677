package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// An oldBox is a site whose box was looked after by vobox-proxy until now. What stands for / is Site.Dir/box.
type oldBox struct {
	*box
	root string // what stands for /
	init string // the init script
	cron string
	file string // the registered proxy, under its escaped name
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
	b.init = b.put("etc/init.d/alice-box-proxyrenewal", 0o755, "#!/bin/sh\n. /etc/rc.d/init.d/functions\n\nvo=alice\nvoadmin="+user+"\n\ncase $vo in\n*[!-_.A-Za-z0-9]*)\n    exit 1\nesac\n"+
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

func TestTakeOverHealthyBox(t *testing.T) {
	b := newOldBox(t, gridtest.SiteOptions{})
	r := b.takeOver(0)
	t.Logf("%s", r.stdout)
	t.Logf("%s", read(t, b.Config))
	r = b.must(0, "--config", b.Config, "--dry-run")
	if !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("%s", r.stdout)
	}
	r = b.must(0, "--config", b.Config)
}
