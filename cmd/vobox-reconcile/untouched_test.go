package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// Looking writes nothing: contents, modes, owners and times of everything on the box, and of the rest of the site, are the
// same before and after, whatever there is to see.
func TestLookingTouchesNothing(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	look := func(what string) {
		t.Helper()
		for _, args := range [][]string{{"--dry-run"}, {"--dry-run", "-ojson"}, {"--dry-run", "--force", "lcgadmin"}, {"--dry-run", "--at", "2099-01-01"},
			{"status"}, {"status", "-ojson"}, {"inspect", b.LoginProxy}, {"inspect", b.Repository + "/none", b.CEEnv}, {"schema"}} {
			before := snapshot(t, b.Dir)
			r := b.run(args...)
			unchanged(t, what+", "+args[0], before, snapshot(t, b.Dir))
			if r.code > 2 {
				t.Errorf("%s, %q: exit code %d: %s", what, args, r.code, r.stderr)
			}
		}
		// As a process of its own, with what that brings along.
		before := snapshot(t, b.Dir)
		if r := b.process("--dry-run"); r.code > 2 {
			t.Errorf("%s: exit code %d: %s", what, r.code, r.stderr)
		}
		unchanged(t, what+", as a process", before, snapshot(t, b.Dir))
	}
	if _, err := os.Lstat(b.state()); err == nil {
		t.Fatal("there is a state directory already")
	}
	look("new box")
	b.must(0)
	look("box in order")

	write(t, b.CEEnv, "export X509_USER_PROXY='not closed\n")
	write(t, b.MLEnv, "")
	write(t, b.userProxy(), "-----BEGIN CERTIFICATE-----\nAAAA\n")
	write(t, filepath.Join(b.state(), "state.json"), "{")
	if err := os.Chmod(b.machineProxy(), 0o644); err != nil {
		t.Fatal(err)
	}
	look("broken box")

	for _, dir := range []string{b.Root, b.Home} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	look("empty box")
}
