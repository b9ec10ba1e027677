package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A spoiler puts something where a file should be.
type spoiler struct {
	name  string
	spoil func(path string, good []byte) error
}

var spoilers = []spoiler{
	{"empty", func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) }},
	{"truncated", func(path string, good []byte) error { return os.WriteFile(path, good[:len(good)*2/3], 0o600) }},
	{"binary", func(path string, _ []byte) error {
		data := make([]byte, 4096)
		rand.Read(data)
		return os.WriteFile(path, append([]byte("\x00\x1b[31m"), data...), 0o600)
	}},
	{"huge", func(path string, _ []byte) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, 100<<20) // takes no space on disk
	}},
	{"pipe", func(path string, _ []byte) error { return syscall.Mkfifo(path, 0o600) }},
	{"directory", func(path string, _ []byte) error { return os.MkdirAll(filepath.Join(path, "sub"), 0o755) }},
	{"dangling link", func(path string, _ []byte) error { return os.Symlink("/nonexistent/file", path) }},
	{"link to itself", func(path string, _ []byte) error { return os.Symlink(path, path) }},
}

// twoProxies adds a second proxy, of a certificate kept on the box, which has nothing to do with what is broken.
func (b *box) twoProxies() (other string) {
	b.t.Helper()
	other = filepath.Join(b.Repository, "other")
	b.edit(b.Config, "envFiles:\n", "  - name: other\n    dn: \""+b.User.Identity().String()+"\"\n    path: "+other+"\n    key: p256\n"+
		"    source: {certificate: {cert: "+b.UserCert+", key: "+b.UserKey+"}}\nenvFiles:\n")
	return other
}

// Whatever is found instead of a file is observed as broken and told in one line, is never a crash, and does not keep
// the other credential from being renewed. What can be replaced is replaced.
func TestSpoiltFiles(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	other := b.twoProxies()
	b.must(0)
	for _, f := range []struct {
		what, path string
		lost       []string // what cannot be mended by a pass
		harmless   []string // what is no fault
	}{
		{"user proxy", b.userProxy(), []string{"directory"}, nil},
		{"machine proxy", b.machineProxy(), []string{"directory"}, nil},
		{"env file", b.CEEnv, []string{"binary", "huge", "pipe", "directory", "dangling link", "link to itself"}, []string{"empty", "truncated"}},
		{"host certificate", b.HostCert, []string{"empty", "truncated", "binary", "huge", "pipe", "directory", "dangling link", "link to itself"}, nil},
	} {
		good := read(t, f.path)
		for _, s := range spoilers {
			t.Run(f.what+" "+s.name, func(t *testing.T) {
				b := *b
				b.t = t
				if err := os.RemoveAll(f.path); err != nil {
					t.Fatal(err)
				}
				if err := s.spoil(f.path, good); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := os.RemoveAll(f.path); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(f.path, good, 0o600); err != nil {
						t.Fatal(err)
					}
				}()
				lost := slices.Contains(f.lost, s.name)
				wantStatus, wantPass := 1, 0
				if f.what == "env file" && !lost {
					wantStatus = 0
				}
				if lost {
					wantPass = 1
				}

				st := b.must(wantStatus, "status", "-ojson")
				plainLines(t, st.stderr)
				var doc status.Doc
				if err := json.Unmarshal([]byte(st.stdout), &doc); err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(f.harmless, s.name) && !toldOf(doc) {
					t.Errorf("status does not tell what is wrong:\n%s", st.stdout)
				}
				plainLines(t, b.must(wantStatus, "status").stdout)
				args := []string{}
				if f.what == "host certificate" {
					args = append(args, "--force", "machine-proxy")
				}
				plainLines(t, b.must(2, append(args, "--dry-run", "--force", "other")...).stdout)
				if err := os.RemoveAll(other); err != nil {
					t.Fatal(err)
				}
				r := b.must(wantPass, args...)
				plainLines(t, r.stdout+r.stderr)
				if _, err := os.Stat(other); err != nil {
					t.Errorf("the other proxy was not renewed:\n%s", r.stdout)
				}
				if !lost {
					b.must(0, "--dry-run")
				}
			})
		}
	}
}

// toldOf reports whether a status says of something why it cannot be used.
func toldOf(d status.Doc) bool {
	said := func(state, reason string) bool { return state == "invalid" && reason != "" || state == "missing" }
	for _, c := range d.Credentials {
		if said(c.State, c.Reason) {
			return true
		}
	}
	for _, f := range d.EnvFiles {
		if said(f.State, f.Reason) {
			return true
		}
	}
	return slices.ContainsFunc(d.Alerts, func(a plan.Alert) bool { return a.Message != "" })
}

// plainLines complains about text that a terminal would obey, and about lines that nobody reads to the end.
func plainLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r == 0xfffd }) {
			t.Errorf("control characters in %q", line)
		}
		if len(line) > 1200 {
			t.Errorf("a line of %d bytes: %.200q…", len(line), line)
		}
	}
}

// The same as others than root, who can be kept from reading.
func TestUnreadableFiles(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	run := b.process
	if os.Geteuid() == 0 {
		a := someAccount(t)
		b = ownedBox(t, a)
		for _, path := range []string{b.HostKey, b.HostCert, b.LoginProxy} { // root's, but for the test
			if err := os.Chown(path, a.uid, a.gid); err != nil {
				t.Fatal(err)
			}
		}
		run = func(args ...string) result { return b.processAs(a, args...) }
	}
	run().mustBe(t, 0)
	for _, f := range []struct {
		path string
		code int
		says string
	}{
		{b.userProxy(), 0, "permission denied"}, // replaced
		{b.CEEnv, 1, "permission denied"},
		{b.HostCert, 1, "permission denied"},
		{b.Config, 78, "cannot be opened: permission denied"},
	} {
		t.Run(filepath.Base(f.path), func(t *testing.T) {
			info, err := os.Stat(f.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(f.path, 0); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(f.path, info.Mode().Perm())
			r := run("--force", "machine-proxy")
			r.mustBe(t, f.code)
			plainLines(t, r.stdout+r.stderr)
			if !strings.Contains(r.stdout+r.stderr, f.says) {
				t.Errorf("it does not say %q:\n%s%s", f.says, r.stdout, r.stderr)
			}
		})
	}
}

// With files of 100 MiB in the place of everything, a pass of the real program stays small.
func TestPeakMemory(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy().quick()
	other := b.twoProxies()
	peak := filepath.Join(b.Dir, "peak")
	probe := filepath.Join(b.Dir, "probe.sh")
	if err := os.WriteFile(probe, []byte("#!/bin/sh\ngrep VmHWM /proc/$PPID/status >"+peak+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.edit(b.Config, "services:\n", "services:\n  - name: probe\n    restart: ["+probe+"]\n    onChange: [\"proxy:other\"]\n")
	b.must(0)
	huge := spoilers[slices.IndexFunc(spoilers, func(s spoiler) bool { return s.name == "huge" })]
	for _, path := range []string{b.userProxy(), b.CEEnv, b.MLEnv, b.HostCert, b.LoginProxy, b.state() + "/state.json", b.state() + "/last-good/lcgadmin.pem",
		b.TrustDir + "/ffffffff.0", b.TrustDir + "/ffffffff.r0"} {
		if err := huge.spoil(path, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(peak); err != nil {
		t.Fatal(err)
	}
	path, err := realBinary() // also when coverage is measured
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.command()
	cmd.Path, cmd.Args[0], cmd.Err = path, path, nil
	r := runProcess(t, cmd)
	r.mustBe(t, 1)
	fields := bytes.Fields(read(t, peak))
	kib, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %d KiB were resident", kib)
	if kib > 60<<10 {
		t.Errorf("at most %d KiB were resident, want less than 60 MiB\n%s", kib, r.stdout)
	}
	// Looking is done in this process: it must not even ask for so much.
	for _, args := range [][]string{{"status"}, {"--dry-run"}, {"inspect", b.userProxy(), b.CEEnv}, {"inspect", "-"}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		want := exitFailed
		if args[0] == "--dry-run" {
			want = exitPending
		}
		b.must(want, args...)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 30<<20 {
			t.Errorf("%q: %d MiB were allocated", args, n>>20)
		}
	}
}
