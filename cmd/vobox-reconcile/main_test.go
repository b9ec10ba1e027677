package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The test binary is the program too, for when coverage is measured.
func TestMain(m *testing.M) {
	testscript.Main(tidyM{m}, map[string]func(){"vobox-reconcile": func() { os.Exit(mainCode()) }})
}

// A tidyM removes the real binary after the tests.
type tidyM struct{ *testing.M }

func (m tidyM) Run() int {
	defer func() {
		if binaryDir != "" {
			os.RemoveAll(binaryDir)
		}
	}()
	return m.M.Run()
}

var binaryDir string

// start is when golden files happen.
var start = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

// A box is a sandbox site, and what the command sees when it is run there.
type box struct {
	*gridtest.Site
	t   testing.TB
	env map[string]string
	now func() time.Time

	unlock func() // of a script that holds the lock
}

// newBox builds a site that everybody may look into.
func newBox(t testing.TB, o gridtest.SiteOptions) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "vobox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return boxIn(t, dir, o)
}

func boxIn(t testing.TB, dir string, o gridtest.SiteOptions) *box {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	site, err := gridtest.NewSite(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	b := &box{Site: site, t: t, now: o.Now, env: map[string]string{
		"VOBOX_RECONCILE_CONFIG": site.Config,
		"X509_USER_PROXY":        site.LoginProxy,
		"HOME":                   site.Home,
		"PATH":                   os.Getenv("PATH"),
	}}
	if testing.CoverMode() != "" {
		b.env["GOCOVERDIR"] = t.TempDir() // or each process complains
	}
	if b.now == nil {
		b.now = time.Now
	}
	return b
}

// quick makes the keys of user proxies elliptic, for when none of them has to authorise its own renewal.
func (b *box) quick() *box {
	b.t.Helper()
	b.edit(b.Config, "    attributes:", "    key: p256\n    attributes:")
	return b
}

// withMachineProxy makes one, so that the first pass need not.
func (b *box) withMachineProxy() *box {
	b.t.Helper()
	p, err := b.CA.Proxy(b.Host, 24*time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := gridtest.WriteProxy(p, b.machineProxy()); err != nil {
		b.t.Fatal(err)
	}
	return b
}

func (b *box) machineProxy() string { return filepath.Join(b.Root, "renewal-proxy.pem") }
func (b *box) state() string        { return filepath.Join(b.Root, "reconcile") }

// userProxy is the file of lcgadmin's proxy, which a pass has made.
func (b *box) userProxy() string {
	b.t.Helper()
	names, err := filepath.Glob(b.Repository + "/*lcgadmin")
	if err != nil || len(names) != 1 {
		b.t.Fatalf("user proxies: %q, %v; want one", names, err)
	}
	return names[0]
}

// edit replaces text in a file, which must be there.
func (b *box) edit(path, old, new string) {
	b.t.Helper()
	data := string(read(b.t, path))
	if !strings.Contains(data, old) {
		b.t.Fatalf("there is no %q in %s", old, path)
	}
	write(b.t, path, strings.ReplaceAll(data, old, new))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write changes a file in place: mode and owner stay.
func write(t testing.TB, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A result is what became of a run.
type result struct {
	code           int
	stdout, stderr string
}

// run runs the command in process.
func (b *box) run(args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, world{
		getenv: func(name string) string { return b.env[name] },
		stdin:  strings.NewReader(""),
		stdout: &stdout,
		stderr: &stderr,
		now:    b.now,
	})
	return result{code, stdout.String(), stderr.String()}
}

// must runs the command and insists on the exit code.
func (b *box) must(code int, args ...string) result {
	b.t.Helper()
	r := b.run(args...)
	r.mustBe(b.t, code, args...)
	return r
}

func (r result) mustBe(t testing.TB, code int, args ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("vobox-reconcile %s: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
}

// program is what to run as a process of its own: the real one, also because it is much quicker than the test binary with
// its race detector, which the runs in process have; but the test binary when coverage is measured.
func program(t testing.TB) string {
	t.Helper()
	if testing.CoverMode() != "" {
		return "vobox-reconcile"
	}
	path, err := realBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// command is the program as a process of its own.
func (b *box) command(args ...string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.Command(program(b.t), args...)
	for _, name := range slices.Sorted(maps.Keys(b.env)) {
		cmd.Env = append(cmd.Env, name+"="+b.env[name])
	}
	return cmd
}

// process runs the program as a process of its own.
func (b *box) process(args ...string) result {
	b.t.Helper()
	return runProcess(b.t, b.command(args...))
}

func runProcess(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// realBinary is the program as users have it: without the race detector and the tests.
var realBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vobox-binary-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "vobox-reconcile")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// snapshot describes everything below a directory: type, mode, owner, size, times of change (not of access) and content.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %v ino=%d uid=%d gid=%d links=%d size=%d mtime=%d.%09d ctime=%d.%09d", strings.TrimPrefix(path, dir), info.Mode(),
			st.Ino, st.Uid, st.Gid, st.Nlink, st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
		switch {
		case info.Mode().IsRegular() && st.Size < 1<<20:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", target)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unchanged complains about what is different below a directory.
func unchanged(t testing.TB, what, before, after string) {
	t.Helper()
	if before != after {
		t.Errorf("%s changed something:\n%s", what, diff.Diff("before", []byte(before), "after", []byte(after)))
	}
}

var (
	serials = regexp.MustCompile(`(/CN=)\d{5,10}\b`)
	ports   = regexp.MustCompile(`\blocalhost(:| -p )\d{4,5}`)
)

// golden compares text with a file below testdata/golden. What differs from run to run is replaced.
func (b *box) golden(name, got string) {
	b.t.Helper()
	got = strings.ReplaceAll(got, b.Dir, "/site")
	got = serials.ReplaceAllString(got, "${1}SERIAL")
	got = ports.ReplaceAllString(got, "localhost${1}PORT")
	golden(b.t, name, got)
}

func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with -update", err)
	}
	if got != string(want) {
		t.Errorf("not what %s says (-update writes it anew):\n%s", path, diff.Diff("want", want, "got", []byte(got)))
	}
}
