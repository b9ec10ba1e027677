package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// TestScripts runs testdata/script/*.txtar, each with a site of its own and the program as a process.
//
// A script has the environment of the box: $CONFIG, $CE and $ML (env files), $REPOSITORY, $STATE, $MACHINE (the machine
// proxy), $LOGIN, $GRID (trust, as for inspect). Commands beside those of testscript:
//
//	exits N COMMAND…    runs the command and insists on its exit code
//	box prepared        there is a machine proxy
//	box allow|forbid    the MyProxy server knows the box, or does not
//	box store HOURS     stores the user's credential anew, with that -t
//	box restarts N      insists on so many restarts since the site began
//	box lock|unlock     another run holds the lock
//	config OLD NEW      changes the configuration
func TestScripts(t *testing.T) {
	type key struct{}
	boxOf := func(ts *testscript.TestScript) *box { return ts.Value(key{}).(*box) }
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "script"),
		Setup: func(e *testscript.Env) error {
			dir := filepath.Join(e.WorkDir, "site")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			b := boxIn(e.T().(testing.TB), dir, gridtest.SiteOptions{})
			e.Values[key{}] = b
			if path := program(b.t); filepath.IsAbs(path) {
				e.Setenv("PATH", filepath.Dir(path)+":"+e.Getenv("PATH"))
			}
			for name, value := range map[string]string{
				"VOBOX_RECONCILE_CONFIG": b.Config, "CONFIG": b.Config, "CE": b.CEEnv, "ML": b.MLEnv, "REPOSITORY": b.Repository,
				"STATE": b.state(), "MACHINE": b.machineProxy(), "X509_USER_PROXY": b.LoginProxy, "LOGIN": b.LoginProxy, "HOME": b.Home,
				"GRID": filepath.Dir(b.TrustDir), "RESTARTSCRIPT": b.RestartScript,
			} {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"box":   func(ts *testscript.TestScript, neg bool, args []string) { boxOf(ts).scripted(ts, args) },
			"config": func(ts *testscript.TestScript, neg bool, args []string) {
				if len(args) != 2 {
					ts.Fatalf("usage: config OLD NEW")
				}
				b := boxOf(ts)
				b.edit(b.Config, args[0], strings.ReplaceAll(args[1], `\n`, "\n"))
			},
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	if ex, ok := errors.AsType[*exec.ExitError](err); ok {
		got = ex.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

func (b *box) scripted(ts *testscript.TestScript, args []string) {
	lock := filepath.Join(b.state(), "lock")
	switch verb := strings.Join(args[:1], ""); {
	case verb == "prepared":
		b.withMachineProxy()
	case verb == "allow", verb == "forbid":
		b.AllowBox(verb == "allow")
	case verb == "store" && len(args) == 2:
		hours, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(b.Store(3000*time.Hour, time.Duration(hours)*time.Hour))
	case verb == "restarts" && len(args) == 2:
		lines, err := b.Restarts()
		ts.Check(err)
		if strconv.Itoa(len(lines)) != args[1] {
			ts.Fatalf("%d restarts, want %s: %q", len(lines), args[1], lines)
		}
	case verb == "lock":
		ts.Check(os.MkdirAll(b.state(), 0o700))
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_RDWR, 0o600)
		ts.Check(err)
		ts.Defer(func() { f.Close() })
		ts.Check(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
		b.unlock = func() { f.Close() }
	case verb == "unlock":
		b.unlock()
	default:
		ts.Fatalf("box does not know %q", args)
	}
}
