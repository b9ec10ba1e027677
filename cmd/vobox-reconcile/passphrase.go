package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
)

// maxPassphrase is MyProxy's own limit, in bytes.
const maxPassphrase = 1023

// passphraseTries is how often a terminal is asked, as login(1) does. Nobody else can type anything better.
const passphraseTries = 3

// passphraseFlags say where a passphrase comes from, if not from the terminal. There is no flag and no variable for the
// passphrase itself: everybody on the host can read the arguments of a program, and children inherit its environment.
type passphraseFlags struct {
	file string // "-": standard input
	fd   int    // -1: none
}

func (f *passphraseFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.file, "passphrase-file", "", "read the passphrase of the private key from the first line of a `file` of mode 0600; - is standard input")
	fl.IntVar(&f.fd, "passphrase-fd", -1, "read it from an open file `descriptor`")
	fl.Lookup("passphrase-fd").DefValue = "0" // or the help would tell of -1
}

// harden keeps keys and passphrases out of core files and out of the reach of debuggers. It is for commands that hold a
// user's own key; a test in process is spared.
func (a *app) harden() {
	if !a.signals {
		return
	}
	// Neither fails on Linux; and a passphrase is still better asked for than not.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// A secretSource is where a passphrase comes from.
type secretSource struct {
	tries int // how often it can give another one
	ask   func(prompt string) ([]byte, error)
}

// errNoTerminal says that nobody can be asked.
var errNoTerminal = errors.New("a passphrase is needed, and there is no terminal to ask for it on")

// secrets finds the source of a passphrase: a file, a descriptor, or else the terminal.
func (a *app) secrets(f passphraseFlags) (*secretSource, error) {
	file := f.file
	switch n, isFD := descriptor(file); {
	case file != "" && f.fd >= 0:
		return nil, usage("--passphrase-file and --passphrase-fd are two ways to say the same; give one")
	case isFD:
		f.fd, file = n, ""
	case f.fd < -1:
		return nil, usage("--passphrase-fd takes the number of an open file, not %d", f.fd)
	}
	if file != "" {
		return &secretSource{1, func(string) ([]byte, error) { return issue.PassphraseFile(file) }}, nil
	}
	if f.fd >= 0 {
		return a.fromDescriptor(f.fd), nil
	}
	return &secretSource{passphraseTries, func(prompt string) ([]byte, error) {
		tty, done := a.terminal()
		if tty == nil {
			return nil, errNoTerminal
		}
		defer done()
		return a.readHidden(tty, prompt)
	}}, nil
}

// descriptor recognises the names that stand for open files, as a shell's <(…) gives them.
func descriptor(file string) (n int, ok bool) {
	switch file {
	case "-", "/dev/stdin":
		return 0, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if rest, found := strings.CutPrefix(file, dir); found {
			n, err := strconv.ParseUint(rest, 10, 16)
			return int(n), err == nil
		}
	}
	return 0, false
}

// fromDescriptor reads a line of an open file, and no more: the next line may be somebody else's.
func (a *app) fromDescriptor(n int) *secretSource {
	if n == 0 {
		if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return &secretSource{passphraseTries, func(prompt string) ([]byte, error) { return a.readHidden(f, prompt) }}
		}
		return &secretSource{1, func(string) ([]byte, error) { return secretLine(a.stdin, "standard input") }}
	}
	return &secretSource{1, func(string) ([]byte, error) {
		f := os.NewFile(uintptr(n), "descriptor")
		if f == nil {
			return nil, fmt.Errorf("there is no file descriptor %d", n)
		}
		defer f.Close()
		return secretLine(f, fmt.Sprintf("file descriptor %d", n))
	}}
}

// secretLine reads up to a line end, byte by byte, into memory that is not copied.
func secretLine(r io.Reader, name string) ([]byte, error) {
	line := make([]byte, 0, maxPassphrase+2)
	for {
		next := line[len(line) : len(line)+1]
		n, err := r.Read(next)
		switch {
		case n == 1 && next[0] == '\n', n == 0 && err == io.EOF && len(line) > 0:
			return trimCR(line), nil
		case n == 1 && len(line) > maxPassphrase:
			clear(line)
			return nil, fmt.Errorf("the passphrase from %s is longer than %d bytes", name, maxPassphrase)
		case n == 1:
			line = line[:len(line)+1]
		case err == io.EOF:
			return nil, fmt.Errorf("no passphrase came from %s", name)
		case err != nil:
			clear(line)
			return nil, fmt.Errorf("reading the passphrase from %s: %w", name, err)
		}
	}
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// terminal finds the user: on standard input, or where that is redirected at the terminal of the session.
func (a *app) terminal() (tty *os.File, done func()) {
	f, ok := a.stdin.(*os.File)
	if !ok {
		return nil, nil
	}
	if term.IsTerminal(int(f.Fd())) {
		return f, func() {}
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil
	}
	return tty, func() { tty.Close() }
}

// readHidden prompts and reads a line without echo, which is off before there is anything to be seen that one could type
// at. A signal finds the terminal as it was.
func (a *app) readHidden(tty *os.File, prompt string) ([]byte, error) {
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(caught)
	defer term.Restore(fd, before)
	if err := silence(fd); err != nil {
		return nil, fmt.Errorf("switching the terminal's echo off: %w", err)
	}
	say := func(s string) {
		if _, err := io.WriteString(tty, s); err != nil {
			io.WriteString(a.stderr, s) // a terminal opened for reading only
		}
	}
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	say(prompt)
	go func() {
		line, err := secretLine(tty, "the terminal")
		answered <- answer{line, err}
	}()
	select {
	case s := <-caught:
		say("\n")
		number, _ := s.(syscall.Signal)
		return nil, &exitError{code: 128 + int(number), err: fmt.Errorf("stopped by a signal (%v); nothing was done", s)}
	case got := <-answered:
		say("\n")
		return got.line, got.err
	}
}

// silence switches a terminal's echo off. Lines and signals are as everywhere, whatever the terminal was set to.
func silence(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Lflag = t.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
	t.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
