package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// The page as a file: the same as what is served, but for what only a server has.
func TestStatusHTML(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick().withMachineProxy()
	path := filepath.Join(t.TempDir(), "vobox.html")
	before := snapshot(t, b.Dir)
	if r := b.must(1, "status", "--html", path); r.stdout+r.stderr != "" {
		t.Errorf("it says %q %q", r.stdout, r.stderr)
	}
	unchanged(t, "status --html", before, snapshot(t, b.Dir))
	if html := string(read(t, path)); !strings.Contains(html, "lcgadmin is missing") || strings.Contains(html, "refresh") || strings.Contains(html, `href="/metrics"`) {
		t.Errorf("the page is\n%s", html[strings.Index(html, "<main"):])
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file is %v, %v", info, err)
	}
	b.must(0)
	b.must(0, "status", "--html", path)
	if html := string(read(t, path)); !strings.Contains(html, "All is well") || !strings.Contains(html, "Restart jalien") {
		t.Errorf("after a pass the page is\n%s", html[strings.Index(html, "<main"):])
	}
	if r := b.must(0, "status", "--html", "-"); !strings.HasPrefix(r.stdout, "<!doctype html>") {
		t.Errorf("standard output gets %.100q", r.stdout)
	}
	if r := b.must(1, "status", "--html", "-", "--at", "2099-01-01"); !strings.Contains(r.stdout, "As if it were then, by what was seen on ") {
		t.Error("a rehearsal does not say that it is one")
	}
	noTemporaryFiles(t, filepath.Dir(path))
}

func TestStatusHTMLUsage(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	for _, args := range [][]string{{"--nagios"}, {"--watch"}, {"-o", "json"}} {
		r := b.must(64, append([]string{"status", "--html", "x.html"}, args...)...)
		if !strings.Contains(r.stderr, "exclude each other") {
			t.Errorf("%v: %s", args, r.stderr)
		}
	}
	if r := b.must(1, "status", "--html", "/nowhere/at/all.html"); !strings.Contains(r.stderr, "--html: ") || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("a directory that is not there: %q", r.stderr)
	}
}
