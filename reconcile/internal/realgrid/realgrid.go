// Package realgrid runs Debian's own MyProxy and VOMS servers on loopback for
// tests, with a certification authority and a trust directory of their own.
//
// Nobody here wrote those servers, which is the point: what this project says
// on the wire is judged by programs that are in production elsewhere. A test
// asks for a [Grid] with [Start] or [Shared] and then for the servers it needs;
// each is started when it is first asked for:
//
//	func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }
//
//	func TestRenew(t *testing.T) {
//		g := realgrid.Shared(t)
//		jane := g.Identity(realgrid.Jane)
//		g.MustRun(g.Env(jane), "myproxy-init", g.SitePolicy().Args("-d", "-n", "-t", "48", "-c", "3000")...)
//		…
//	}
//
// Everything listens on 127.0.0.1 and lives below one temporary directory.
// Servers die with the test binary, however it ends.
//
// # Missing programs
//
// Where a program is not installed the test is skipped, and where CI=true it
// fails: see [RequireTools]. `.ci/setup` installs them on Debian.
package realgrid

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// TB is the part of testing.TB that this package uses, so that a benchmark
// program outside the testing package can drive the same servers.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(func())
}

// A Grid is a certification authority, its trust directory and the servers of
// a test grid, bound to the test that uses it: what goes wrong is that test's
// failure. The methods may be called from several tests at once, but not from
// a goroutine other than the test's own.
type Grid struct {
	*world
	t TB
}

// Start makes a grid of the test's own, which ends with the test. Use it where
// a test changes what others rely on; otherwise [Shared] saves the time.
func Start(t TB) *Grid {
	t.Helper()
	RequireTools(t, "openssl")
	w, err := newWorld()
	if err != nil {
		t.Fatalf("realgrid: %v", err)
	}
	t.Cleanup(w.close)
	return &Grid{world: w, t: t}
}

var shared struct {
	sync.Mutex
	main  bool // Main runs and will close the world
	world *world
}

// Shared returns the one grid of the test binary, made when the first test
// asks. The binary's TestMain must be [Main], which ends it.
func Shared(t TB) *Grid {
	t.Helper()
	RequireTools(t, "openssl")
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatalf("realgrid: Shared needs func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }")
	}
	if shared.world == nil {
		w, err := newWorld()
		if err != nil {
			t.Fatalf("realgrid: %v", err)
		}
		shared.world = w
	}
	return &Grid{world: shared.world, t: t}
}

// Main runs the tests of m and then ends the shared grid, if any test asked
// for it. It returns the exit code.
func Main(m interface{ Run() int }) int {
	shared.Lock()
	shared.main = true
	shared.Unlock()
	defer func() {
		shared.Lock()
		defer shared.Unlock()
		if shared.world != nil {
			shared.world.close()
			shared.world = nil
		}
	}()
	return m.Run()
}

// A world is what exists once for all tests that share it.
type world struct {
	Dir     string // everything is below it; removed at the end
	CertDir string // trust directory: X509_CERT_DIR
	VOMSDir string // LSC files: X509_VOMS_DIR
	Vomses  string // vomses file of both VOs: VOMS_USERCONF, X509_VOMSES

	authority *authority
	broom     *broom

	library  lazy[string]
	database lazy[*database]
	site     lazy[*MyProxy]
	sample   lazy[*MyProxy]
	alice    lazy[*VOMS]
	dteam    lazy[*VOMS]

	mu         sync.Mutex
	identities map[string]*Identity
	processes  []*process
	closed     bool
}

func newWorld() (_ *world, err error) {
	dir, err := os.MkdirTemp("", "realgrid-")
	if err != nil {
		return nil, err
	}
	// Tests that run clients as another user must be able to look inside.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	w := &world{
		Dir:        dir,
		CertDir:    filepath.Join(dir, "certificates"),
		VOMSDir:    filepath.Join(dir, "vomsdir"),
		Vomses:     filepath.Join(dir, "vomses"),
		identities: make(map[string]*Identity),
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.broom, err = newBroom(dir); err != nil {
		return nil, err
	}
	for _, d := range []string{w.CertDir, w.VOMSDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(w.Vomses, nil, 0o644); err != nil {
		return nil, err
	}
	w.authority, err = newAuthority(dir, w.CertDir)
	if err != nil {
		return nil, fmt.Errorf("making the certification authority: %w", err)
	}
	return w, nil
}

// close ends every server and removes the directory. It may be called twice.
func (w *world) close() {
	w.mu.Lock()
	processes := w.processes
	w.processes, w.closed = nil, true
	w.mu.Unlock()
	// Last started, first ended: vomsd before the database it asks.
	for i := len(processes) - 1; i >= 0; i-- {
		processes[i].kill()
	}
	w.broom.sweep()
}

// A lazy value is made by the first caller; a failure is remembered, so that
// the second test does not wait for the same time-out again.
type lazy[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (l *lazy[T]) get(make func() (T, error)) (T, error) {
	l.once.Do(func() { l.value, l.err = make() })
	return l.value, l.err
}
