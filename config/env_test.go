package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// TestOSEnv asks the real host for what every Unix has.
func TestOSEnv(t *testing.T) {
	e := config.OSEnv()
	uid, gid, home, err := e.LookupUser("root")
	if err != nil || uid != 0 || gid != 0 || !filepath.IsAbs(home) {
		t.Errorf("root is %d:%d at %q: %v", uid, gid, home, err)
	}
	if _, _, _, err := e.LookupUser("no-such-account"); err == nil {
		t.Error("no-such-account is found")
	}
	t.Setenv("VOBOX_TEST", "x")
	if e.Getenv("VOBOX_TEST") != "x" || e.UID != os.Getuid() {
		t.Errorf("the environment is not this process's: UID %d", e.UID)
	}
	file := filepath.Join(t.TempDir(), "key")
	if e.Readable(file) {
		t.Error("a missing file is readable")
	}
	put(t, file, "")
	if !e.Readable(file) {
		t.Error("one's own file is not readable")
	}
	if h, err := e.Hostname(); err != nil || h == "" {
		t.Errorf("the host's name is %q: %v", h, err)
	}
}

// TestGetentOfOthers puts a getent before the system's, as somebody's shell may have it.
func TestGetentOfOthers(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "getent"), "#!/bin/sh\necho \"$3:x:500:501::/home/mallory:/bin/sh\"\n")
	if err := os.Chmod(filepath.Join(dir, "getent"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if uid, _, home, err := config.OSEnv().LookupUser("no-such-account"); err == nil {
		t.Errorf("the invoker's getent was asked: uid %d, home %q", uid, home)
	}
}
