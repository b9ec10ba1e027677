package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// newTerminal is a terminal of 80 columns: what is written to one end appears at the other.
func newTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT TESTED: there are no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	resize(t, tty, 80, 24)
	return master, tty
}

func resize(t *testing.T, terminal *os.File, width, height uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}); err != nil {
		t.Fatal(err)
	}
}

// onTerminal runs a program on a terminal of 80 columns of its own and returns what appeared there.
func onTerminal(t *testing.T, cmd *exec.Cmd) (screen string, code int) {
	t.Helper()
	master, tty := newTerminal(t)
	defer master.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	var b strings.Builder
	io.Copy(&b, master) // ends with EIO when the program has ended
	cmd.Wait()
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

func TestOnTerminal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	b.env["TERM"] = "xterm"
	shown := func(code int, args ...string) string {
		t.Helper()
		screen, got := onTerminal(t, b.command(args...))
		if got != code {
			t.Fatalf("%q: exit code %d, want %d:\n%s", args, got, code, screen)
		}
		return screen
	}
	has := func(screen string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(screen, p) {
				t.Errorf("there is no %q on the screen:\n%q", p, screen)
			}
		}
	}
	const wipe = "\r\x1b[K"
	screen := shown(0)
	has(screen, "renew proxy lcgadmin …", wipe, "restart jalien …"+wipe, "\x1b[32m+\x1b[0m \x1b[1mrenew proxy lcgadmin\x1b[0m  \x1b[32mdone in ", "\n4 steps: 4 done\n", "next look ")
	if last := screen[strings.LastIndex(screen, wipe)+len(wipe):]; strings.Contains(last, "jalien …") {
		t.Errorf("the progress line stays: %q", screen)
	}
	has(shown(0), "\x1b[32m=\x1b[0m all is as it should be", "next look ")

	// Talk makes way for the line, and the other way round.
	write(t, b.CEEnv, "")
	has(shown(0, "--log-level", "info"), "write CE.env …"+wipe, "INF", "\n2 steps: 2 done\n")

	// No colours and no progress where they are not wanted.
	write(t, b.CEEnv, "")
	b.env["NO_COLOR"] = "1"
	if screen := shown(2, "--dry-run"); strings.Contains(screen, "\x1b") {
		t.Errorf("escape sequences in spite of NO_COLOR: %q", screen)
	}
	delete(b.env, "NO_COLOR")
	b.env["TERM"] = "dumb"
	if screen := shown(0); strings.Contains(screen, "\x1b") {
		t.Errorf("escape sequences on a dumb terminal: %q", screen)
	}

	// Somebody who waits for another run is told so.
	b.env["TERM"] = "xterm"
	lock, err := os.OpenFile(filepath.Join(b.state(), "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	has(shown(75, "--lock-wait", "300ms"), "another run is under way, waiting up to ", "another run holds the lock")

	// What has 80 columns fits them.
	for _, args := range [][]string{{"status", "--color=never"}, {"--help"}} {
		for line := range strings.Lines(shown(0, args...)) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%q: %d columns: %s", args, n, line)
			}
		}
	}
}

// The line tells how long it has taken, second by second; a line of the log stands above it.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen strings.Builder
		m := &meter{to: &screen, width: 30, now: time.Now, done: make(chan struct{})}
		m.step(plan.Step{ID: "a", Action: plan.Renew, Kind: "proxy", Target: "a"}, nil)
		time.Sleep(2100 * time.Millisecond)
		m.step(plan.Step{ID: "b", Action: plan.Renew, Kind: "proxy", Target: "bbbbbbbbbbbbbb"}, nil)
		fmt.Fprintln(m, "a log line")
		m.step(plan.Step{ID: "a"}, &reconcile.Outcome{})
		m.stop()
		const wipe = "\r\x1b[K"
		want := "renew proxy a …" + wipe + "renew proxy a 1s …" + wipe + "renew proxy a 2s …" + wipe + "renew proxy a 2s, renew pr… …" + wipe +
			"a log line\n" + "renew proxy a 2s, renew pr… …" + wipe + "renew proxy bbbbbbbbbbbbbb …" + wipe
		if screen.String() != want {
			t.Errorf("got\n%q, want\n%q", screen.String(), want)
		}
	})
}
