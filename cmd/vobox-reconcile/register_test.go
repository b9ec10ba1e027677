package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
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

func TestRegister(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	r := b.must(0, "register", "-t", "48", "--proxy-safe", "3600", "--myproxy-safe", "864000", "--email", "vobox@example.org")
	t.Log(r.stdout)
	t.Log(string(read(t, b.entry("lcgadmin"))))
	// What public scripts look for: the old health test, AliEn's CREAM.pm and the lcg-alien wrappers.
	for _, re := range []string{`successfull`, `OK`, `(?m)^DN:\s*(.+)\s+$`, `(?m)^File:\s*(.+)\s+$`, `(?m)^Proxy Time Left \(seconds\):\s*(.+)\s+$`} {
		if !regexp.MustCompile(re).MatchString(r.stdout) {
			t.Errorf("register does not print %s:\n%s", re, r.stdout)
		}
	}
	b.must(0, "--dry-run")
	again := b.must(1, "register", "-t", "48")
	if !strings.Contains(again.stderr, "registered already, as lcgadmin") || !strings.Contains(again.stderr, "--force") {
		t.Errorf("a second registration: %s", again.stderr)
	}
	before := string(read(t, b.entry("lcgadmin")))
	b.must(0, "register", "-t", "48", "--force")
	if after := string(read(t, b.entry("lcgadmin"))); !strings.Contains(after, "lifetime: 48h") {
		t.Errorf("the entry was\n%s\nand is\n%s", before, after)
	}
	r = b.must(0, "query", "-dn", "all")
	t.Log(r.stdout)
	r = b.must(0, "unregister", "--dn", b.User.Identity().String())
	t.Log(r.stdout)
	if _, err := os.Stat(b.entry("lcgadmin")); !os.IsNotExist(err) {
		t.Errorf("the entry is still there: %v", err)
	}
	_ = time.Hour
	_ = fmt.Sprint
}

func TestRegisterTellsShortGrants(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	r := b.must(0, "register", "-t", "48")
	t.Log(r.stdout)
	if !strings.Contains(r.stdout, "MP-T12") || !strings.Contains(r.stdout, "myproxy-init -s localhost") {
		t.Errorf("%s", r.stdout)
	}
}

func TestRegisterRefused(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	b.AllowBox(false)
	r := b.must(1, "register")
	t.Log(r.stderr)
}
