package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

const statusHelp = "vobox-reconcile status --help"

// leastWatch is the shortest time between two looks of status --watch: each reads and verifies every file.
const leastWatch = time.Second

// watchStatus shows the status again and again: in place on a terminal, one after the other elsewhere. It ends well when
// it is told to end.
func (a *app) watchStatus(ctx context.Context, s statusFlags) error {
	switch {
	case s.at != "":
		return usage("--watch and --at exclude each other: a rehearsal stands still")
	case s.watch < leastWatch:
		return usage("--watch takes an interval of %s or more, not %s", leastWatch, s.watch)
	}
	if _, err := a.view(""); err != nil {
		return err // what is wrong from the start is told as it is without --watch
	}
	tick := time.NewTicker(s.watch)
	defer tick.Stop()
	l := loop{tick: tick.C}
	signals := make(chan os.Signal, 8)
	if a.signals {
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		defer signal.Stop(signals)
		l.signals = signals
	}
	if !a.out.terminal || a.getenv("TERM") == "dumb" || a.output != "text" {
		l.draw = a.appended()
		return l.run(ctx)
	}
	tty := a.stdout.(*os.File) // a terminal is nothing else
	sc := &screen{app: a, every: s.watch, out: tty, size: func() (int, int) { return sizeOf(tty) }}
	if in, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		sc.in, l.keys = in, keysOf(in)
	}
	if a.signals {
		signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)
	}
	l.draw, l.suspend, l.resume = sc.draw, func() { sc.leave(); unix.Kill(unix.Getpid(), unix.SIGSTOP) }, sc.enter
	sc.enter()
	defer sc.leave()
	return l.run(ctx)
}

// A loop draws when it is time to, when somebody asks for it, and when the terminal's size has changed.
type loop struct {
	tick    <-chan time.Time
	signals <-chan os.Signal
	keys    <-chan byte
	draw    func() error
	suspend func() // ^Z; the process stops in it
	resume  func()
}

func (l loop) run(ctx context.Context) error {
	for {
		if err := l.draw(); err != nil {
			return err
		}
		if l.wait(ctx) {
			return nil
		}
	}
}

// wait returns when it is time to draw again, or to end.
func (l *loop) wait(ctx context.Context) (end bool) {
	for {
		select {
		case <-ctx.Done():
			return true
		case <-l.tick:
			return false
		case s := <-l.signals:
			switch s {
			case syscall.SIGWINCH:
				return false
			case syscall.SIGTSTP:
				l.suspend()
			case syscall.SIGCONT:
				l.resume()
				return false
			default:
				return true
			}
		case k, ok := <-l.keys:
			switch {
			case !ok:
				l.keys = nil
			case k == 'q' || k == 'Q' || k == 4: // ^D
				return true
			case k == ' ' || k == '\n' || k == '\r' || k == 'r' || k == 12: // ^L
				return false
			}
		}
	}
}

// appended prints one status after the other, with a line between that tells them apart.
func (a *app) appended() func() error {
	many := false
	return func() error {
		v, err := a.view("")
		if err != nil { // the next one may be good again
			a.explain(err, statusHelp)
			return nil
		}
		if a.output == "json" {
			return a.printJSON(v.doc)
		}
		w := a.text(v.want)
		if many {
			fmt.Fprintln(w)
		}
		many = true
		fmt.Fprintf(w, "%s\n", w.paint(dim, v.doc.Time.Format("2006-01-02 15:04:05 UTC")))
		a.printStatus(w, v.doc)
		return nil
	}
}

// A screen shows the status in place: on the terminal's other screen, so that what was there before comes back.
type screen struct {
	*app
	every time.Duration
	out   io.Writer
	in    *os.File      // nil: no terminal to read keys from
	was   *unix.Termios // of in, before
	size  func() (width, height int)
	on    bool
}

const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // and no cursor
	backScreen  = "\x1b[?25h\x1b[?1049l"
	fromTheTop  = "\x1b[H\x1b[J"
)

func (s *screen) enter() {
	if s.on {
		return
	}
	s.on = true
	if s.in != nil {
		if t, err := unix.IoctlGetTermios(int(s.in.Fd()), unix.TCGETS); err == nil {
			keep := *t
			s.was = &keep
			t.Lflag &^= unix.ICANON | unix.ECHO // keys come one by one, ^C and ^Z stay what they are
			t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
			unix.IoctlSetTermios(int(s.in.Fd()), unix.TCSETS, t)
		}
	}
	io.WriteString(s.out, otherScreen)
}

// leave puts the terminal back as it was.
func (s *screen) leave() {
	if !s.on {
		return
	}
	s.on = false
	io.WriteString(s.out, backScreen)
	if s.was != nil {
		unix.IoctlSetTermios(int(s.in.Fd()), unix.TCSETS, s.was)
		s.was = nil
	}
}

// draw shows the present status, or why there is none. What is logged meanwhile stands below it.
func (s *screen) draw() error {
	var logged, body bytes.Buffer
	log, errs := s.log, s.stderr
	s.log, s.stderr = &logged, &body
	width, height := s.size()
	v, err := s.view("")
	if err != nil {
		s.explain(err, statusHelp)
	} else {
		body.Write(s.frame(v, width))
	}
	s.log, s.stderr = log, errs
	for line := range strings.Lines(logged.String()) {
		fmt.Fprintln(&body, printable(strings.TrimSuffix(line, "\n")))
	}
	_, err = io.WriteString(s.out, fromTheTop+s.page(body.String(), width, height))
	return err
}

// page is as much of a text as there is room for, below a line with the time.
func (s *screen) page(body string, width, height int) string {
	clock, hint := s.now().UTC().Format("2006-01-02 15:04:05 UTC"), fmt.Sprintf("every %s, q ends", plan.Span(s.every))
	lines := []string{s.top(clock, hint, width), ""}
	lines = append(lines, strings.Split(strings.TrimSuffix(body, "\n"), "\n")...)
	used := 0
	for i, line := range lines {
		n := rowsOf(line, width)
		if used+n > height || used+n == height && i < len(lines)-1 {
			more := fmt.Sprintf("… %d more lines: vobox-reconcile status", len(lines)-i)
			return strings.Join(append(lines[:i:i], s.app.out.paint(dim, cut(more, width))), "\n")
		}
		used += n
	}
	return strings.Join(lines, "\n")
}

// top is the line on top.
func (s *screen) top(left, right string, width int) string {
	room := width - columns(left) - columns(right)
	if room < 1 {
		return s.app.out.paint(dim, cut(left, width))
	}
	return s.app.out.paint(dim, left+strings.Repeat(" ", room)+right)
}

// rowsOf is how many rows of a terminal a line takes.
func rowsOf(line string, width int) int {
	n := 0
	for rest := line; rest != ""; {
		before, after, found := strings.Cut(rest, "\x1b[")
		n += columns(before)
		if !found {
			break
		}
		_, rest, _ = strings.Cut(after, "m")
	}
	return max(1, (n+width-1)/width)
}

func sizeOf(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// keysOf reads keys for as long as the process lives.
func keysOf(in *os.File) <-chan byte {
	ch := make(chan byte)
	go func() {
		defer close(ch)
		var b [1]byte
		for {
			if n, err := in.Read(b[:]); n == 0 || err != nil {
				return
			}
			ch <- b[0]
		}
	}()
	return ch
}
