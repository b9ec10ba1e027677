package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// The loop draws at every tick, key and change of size, stops for ^Z, and ends when it is told to.
func TestStatusLoop(t *testing.T) {
	tick, signals, keys := make(chan time.Time), make(chan os.Signal), make(chan byte)
	var log []string
	drawn := make(chan bool)
	l := loop{tick: tick, signals: signals, keys: keys,
		draw:    func() error { drawn <- true; return nil },
		suspend: func() { log = append(log, "suspend") },
		resume:  func() { log = append(log, "resume") },
	}
	for _, end := range []struct {
		name string
		do   func(cancel func())
	}{
		{"q", func(func()) { keys <- 'q' }},
		{"^D", func(func()) { keys <- 4 }},
		{"SIGINT", func(func()) { signals <- os.Interrupt }},
		{"SIGTERM", func(func()) { signals <- syscall.SIGTERM }},
		{"SIGHUP", func(func()) { signals <- syscall.SIGHUP }},
		{"the context", func(cancel func()) { cancel() }},
	} {
		log = nil
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.run(ctx) }()
		<-drawn
		for _, wake := range []func(){
			func() { tick <- time.Time{} },
			func() { keys <- 'x'; keys <- ' ' }, // x is no key
			func() { keys <- 12 },
			func() { signals <- syscall.SIGWINCH },
			func() { signals <- syscall.SIGTSTP; signals <- syscall.SIGCONT },
		} {
			wake()
			<-drawn
		}
		end.do(cancel)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", end.name, err)
		}
		if strings.Join(log, " ") != "suspend resume" {
			t.Errorf("%s: %q", end.name, log)
		}
		cancel()
	}
	// A terminal that is gone ends it; keys that end do not.
	gone := errors.New("the terminal is gone")
	n := 0
	closed := make(chan byte)
	close(closed)
	ticks := make(chan time.Time, 3)
	for range 3 {
		ticks <- time.Time{}
	}
	err := loop{tick: ticks, keys: closed, draw: func() error {
		if n++; n == 3 {
			return gone
		}
		return nil
	}}.run(t.Context())
	if !errors.Is(err, gone) || n != 3 {
		t.Errorf("%v after %d", err, n)
	}
}

func TestScreenPage(t *testing.T) {
	s := &screen{app: &app{world: world{now: func() time.Time { return start }}}, every: 5 * time.Second}
	top := "2026-11-21 23:00:00 UTC" + strings.Repeat(" ", 41) + "every 5s, q ends"
	for _, tt := range []struct {
		body          string
		width, height int
		want          string
	}{
		{"one\ntwo\n", 80, 24, top + "\n\none\ntwo"},
		{"one\ntwo\n", 80, 4, top + "\n\none\ntwo"},
		{"one\ntwo\nthree\n", 80, 4, top + "\n\none\n… 2 more lines: vobox-reconcile status"},
		{strings.Repeat("x", 81) + "\ntwo\n", 80, 4, top + "\n\n… 2 more lines: vobox-reconcile status"}, // it takes two rows
		{strings.Repeat("x", 81) + "\ntwo\n", 80, 5, top + "\n\n" + strings.Repeat("x", 81) + "\ntwo"},
		{"\x1b[32m" + strings.Repeat("x", 80) + "\x1b[0m\ntwo\n", 80, 4, top + "\n\n\x1b[32m" + strings.Repeat("x", 80) + "\x1b[0m\ntwo"},
		{"one\n", 20, 24, "2026-11-21 23:00:00…\n\none"},
		{"one\ntwo\n", 80, 1, "… 4 more lines: vobox-reconcile status"},
	} {
		if got := s.page(tt.body, tt.width, tt.height); got != tt.want {
			t.Errorf("%d columns, %d rows: got\n%q, want\n%q", tt.width, tt.height, got, tt.want)
		}
	}
}

// syncBuffer can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// In a pipe one status comes after the other, at the interval; a configuration that is broken meanwhile is told, and the
// next one is good again.
func TestStatusWatchPipe(t *testing.T) {
	now := start
	b := newBox(t, gridtest.SiteOptions{Now: func() time.Time { return now }})
	b.must(0)
	good := read(t, b.Config)
	for _, format := range []string{"text", "json"} {
		synctest.Test(t, func(t *testing.T) {
			now = start
			var stdout, stderr syncBuffer
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan int)
			go func() {
				done <- run(ctx, []string{"status", "--watch=10s", "-o", format}, world{getenv: func(n string) string { return b.env[n] }, stdin: strings.NewReader(""),
					stdout: &stdout, stderr: &stderr, now: func() time.Time { return now }})
			}()
			synctest.Wait()
			for i := range 3 {
				now = now.Add(10 * time.Second)
				if i == 1 {
					write(t, b.Config, "version: 2\n")
				} else {
					write(t, b.Config, string(good))
				}
				time.Sleep(10 * time.Second) // of the bubble's clock
				synctest.Wait()
			}
			cancel()
			if code := <-done; code != 0 {
				t.Errorf("exit code %d", code)
			}
			write(t, b.Config, string(good))
			if !strings.Contains(stderr.String(), b.Config+":1:10: version: ") {
				t.Errorf("the broken configuration is not told: %q", stderr.String())
			}
			if format == "json" {
				dec := json.NewDecoder(strings.NewReader(stdout.String()))
				var times []string
				for {
					var d status.Doc
					if err := dec.Decode(&d); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					times = append(times, d.Time.Format(time.TimeOnly))
				}
				if got := strings.Join(times, " "); got != "23:00:00 23:00:10 23:00:30" {
					t.Errorf("times %s", got)
				}
				return
			}
			parts := strings.Split(stdout.String(), "\n\n")
			if len(parts) != 3 {
				t.Fatalf("%d statuses, want 3:\n%s", len(parts), stdout.String())
			}
			for i, at := range []string{"23:00:00", "23:00:10", "23:00:30"} {
				if !strings.HasPrefix(parts[i], "2026-11-21 "+at+" UTC\nNAME ") {
					t.Errorf("status %d: %q, want one of %s", i, parts[i], at)
				}
			}
		})
	}
}

// A console is the other end of a terminal on which a program runs.
type console struct {
	*os.File
	t       *testing.T
	cmd     *exec.Cmd
	shown   chan string
	pending string
}

// onConsole starts a program on a terminal of its own, which is its controlling one, so that ^C is a signal.
func onConsole(t *testing.T, cmd *exec.Cmd) *console {
	t.Helper()
	master, tty := newTerminal(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	c := &console{File: master, t: t, cmd: cmd, shown: make(chan string, 1024)}
	t.Cleanup(func() { cmd.Process.Kill() })
	go func() {
		defer close(c.shown)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if n > 0 {
				c.shown <- string(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

// until waits for something to appear, and returns all that did up to and with it.
func (c *console) until(what string) string {
	c.t.Helper()
	timeout := time.After(time.Minute)
	for {
		if i := strings.Index(c.pending, what); i >= 0 {
			shown := c.pending[:i+len(what)]
			c.pending = c.pending[i+len(what):]
			return shown
		}
		select {
		case s, ok := <-c.shown:
			if !ok {
				c.t.Fatalf("the program ended, and %q has not appeared after\n%q", what, c.pending)
			}
			c.pending += s
		case <-timeout:
			c.t.Fatalf("%q has not appeared within a minute after\n%q", what, c.pending)
		}
	}
}

func (c *console) key(k byte) {
	c.t.Helper()
	if _, err := c.Write([]byte{k}); err != nil {
		c.t.Fatal(err)
	}
}

// ended waits for the end, and returns the exit code and what has appeared since.
func (c *console) ended() (rest string, code int) {
	c.t.Helper()
	for s := range c.shown {
		c.pending += s
	}
	c.cmd.Wait()
	return c.pending, c.cmd.ProcessState.ExitCode()
}

// On a terminal it is drawn in place, anew when the size changes, and the terminal is as before in the end.
func TestStatusWatchTerminal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	b.env["TERM"] = "xterm"
	b.must(0)
	termios := func(c *console) unix.Termios {
		t.Helper()
		got, err := unix.IoctlGetTermios(int(c.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return *got
	}
	// The interval is long: everything but the first time it is drawn has another reason.
	c := onConsole(t, b.command("status", "--watch=1h"))
	c.until(otherScreen + fromTheTop)
	c.until("every 1h, q ends")
	if got := c.until("next due "); !strings.Contains(got, "[\x1b[32m############\x1b[0m]") {
		t.Errorf("no bar: %q", got)
	}
	if f := termios(c).Lflag; f&unix.ECHO != 0 || f&unix.ICANON != 0 || f&unix.ISIG == 0 {
		t.Errorf("flags of the terminal: %o", f)
	}
	resize(t, c.File, 60, 8)
	c.until(fromTheTop)
	if got := c.until("more lines: vobox-reconcile status"); !strings.Contains(got, "renew in ") || strings.Contains(got, "####") {
		t.Errorf("not for 60 columns: %q", got)
	}
	c.key(' ')
	c.until(fromTheTop)
	c.until("more lines")
	c.key('\x1a') // ^Z
	c.until(backScreen)
	// It stops itself after that, and whatever comes first, it goes on.
	for stopped := false; !stopped; {
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(c.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil {
			t.Fatal(err)
		}
		if stopped = ws.Stopped(); !stopped {
			t.Fatalf("it ended: %v", ws)
		}
	}
	if f := termios(c).Lflag; f&unix.ECHO == 0 || f&unix.ICANON == 0 {
		t.Errorf("flags of the terminal while it is stopped: %o", f)
	}
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.until(otherScreen + fromTheTop)
	c.until("more lines")
	c.key('\x03') // ^C
	if rest, code := c.ended(); !strings.HasSuffix(rest, backScreen) || code != 0 {
		t.Errorf("after ^C: %q, exit code %d", rest, code)
	}
	if f := termios(c).Lflag; f&unix.ECHO == 0 || f&unix.ICANON == 0 {
		t.Errorf("flags of the terminal in the end: %o", f)
	}

	// What goes wrong meanwhile stands where the status was, and what is logged below it.
	c = onConsole(t, b.command("status", "--watch=1h"))
	c.until("next due ")
	good := read(t, b.Config)
	write(t, b.Config, "version: 2\n")
	c.key('r')
	c.until(fromTheTop)
	c.until("config.yaml:1:10: version: ")
	write(t, b.Config, string(good))
	write(t, b.state()+"/state.json", "{")
	c.key('r')
	c.until("next due ")
	c.until("record of earlier passes cannot be used")
	c.key('q')
	if rest, code := c.ended(); !strings.HasSuffix(rest, backScreen) || code != 0 {
		t.Errorf("after q: %q, exit code %d", rest, code)
	}

	// At the interval; and a dumb terminal, which cannot be drawn on.
	b.env["TERM"] = "dumb"
	c = onConsole(t, b.command("status", "--watch=1s"))
	if got := c.until("next due ") + c.until("next due "); strings.Contains(got, "\x1b") {
		t.Errorf("escape sequences on a dumb terminal: %q", got)
	}
	c.key('\x03')
	if _, code := c.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
