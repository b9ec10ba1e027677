package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// A seat is a terminal of its own, and a program that runs there with somebody in front of it.
type seat struct {
	t      *testing.T
	master *os.File
	tty    *os.File // kept open, to look at its settings
	cmd    *exec.Cmd
	read   chan []byte
	seen   bytes.Buffer // all that has appeared
	from   int          // where the next expectation begins
}

// sitDown starts a program whose controlling terminal is the seat's.
func sitDown(t *testing.T, cmd *exec.Cmd) *seat {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT TESTED: there are no terminals here: %v", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &seat{t: t, master: master, tty: tty, cmd: cmd, read: make(chan []byte)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.listen()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		tty.Close()
		master.Close()
	})
	return s
}

// listen ends when the terminal is gone.
func (s *seat) listen() {
	defer close(s.read)
	for {
		buf := make([]byte, 4096)
		n, err := s.master.Read(buf)
		if n > 0 {
			s.read <- buf[:n]
		}
		if err != nil {
			return
		}
	}
}

// expect waits until a text appears behind the last one.
func (s *seat) expect(text string) {
	s.t.Helper()
	patience := time.After(time.Minute)
	for {
		if i := bytes.Index(s.seen.Bytes()[s.from:], []byte(text)); i >= 0 {
			s.from += i + len(text)
			return
		}
		select {
		case data, ok := <-s.read:
			if !ok {
				s.t.Fatalf("the program has ended without saying %q:\n%s", text, s.seen.String())
			}
			s.seen.Write(data)
		case <-patience:
			s.t.Fatalf("it does not say %q, but:\n%s", text, s.seen.String())
		}
	}
}

func (s *seat) typed(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, text); err != nil {
		s.t.Fatal(err)
	}
}

// leave waits for the program's end, and returns all that was to be seen.
func (s *seat) leave(code int) string {
	s.t.Helper()
	ended := make(chan struct{})
	go func() {
		s.cmd.Wait()
		s.tty.Close() // the last one to hold the terminal
		close(ended)
	}()
	for data := range s.read {
		s.seen.Write(data)
	}
	<-ended
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d:\n%s", got, code, s.seen.String())
	}
	return strings.ReplaceAll(s.seen.String(), "\r\n", "\n")
}

// echoes reports whether the terminal shows what is typed.
func (s *seat) echoes() bool {
	s.t.Helper()
	settings, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return settings.Lflag&unix.ECHO != 0
}

const prompt = "Enter GRID pass phrase for this identity: "

func TestPassphraseOnTerminal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).onUI()
	key := b.encryptedKey()
	login := func(args ...string) *seat {
		return sitDown(t, b.command(append([]string{"login", "--color=never", "--key", "p256", "-ignorewarn", "--key-file", key}, args...)...))
	}
	quiet := func(screen string, words ...string) {
		t.Helper()
		for _, w := range words {
			if strings.Contains(screen, w) {
				t.Errorf("the passphrase %q is on the screen:\n%s", w, screen)
			}
		}
	}
	t.Run("right at the third try", func(t *testing.T) {
		s := login()
		s.expect("Your identity: " + b.User.Identity().String() + "\r\n" + prompt)
		if s.echoes() {
			t.Error("the terminal shows what is typed")
		}
		s.typed("first wrong\n")
		s.expect("That is not the passphrase of " + key + "; try again")
		s.expect(prompt)
		s.typed("\n")
		s.expect("try again")
		s.expect(prompt)
		s.typed(secret + "\n")
		s.expect("Your proxy is valid until")
		quiet(s.leave(0), secret, "first wrong")
		b.proxyMade()
	})
	t.Run("wrong three times", func(t *testing.T) {
		s := login()
		for range 3 {
			s.expect(prompt)
			s.typed("some wrong\n")
		}
		screen := s.leave(1)
		quiet(screen, "some wrong")
		if n := strings.Count(screen, "try again"); n != 2 || !strings.Contains(screen, "USER-PASS: ") {
			t.Errorf("%d times to try again:\n%s", n, screen)
		}
	})
	t.Run("a broken key is not a wrong passphrase", func(t *testing.T) {
		damaged := b.file("damaged.pem", strings.Replace(string(read(t, key)), "\n", "\nAAAA", 1), 0o600)
		s := sitDown(t, b.command("login", "--key-file", damaged))
		s.expect(prompt)
		s.typed(secret + "\n")
		s.expect("is damaged")
		if screen := s.leave(1); strings.Contains(screen, "try again") || strings.Contains(screen, "USER-PASS") {
			t.Errorf("it blames the passphrase:\n%s", screen)
		}
	})
	t.Run("-pwstdin on a terminal", func(t *testing.T) {
		s := login("-pwstdin")
		s.expect(prompt)
		if s.echoes() {
			t.Error("the terminal shows what is typed")
		}
		s.typed(secret + "\n")
		quiet(s.leave(0), secret)
	})
	t.Run("nothing typed", func(t *testing.T) {
		s := login()
		s.expect(prompt)
		s.typed("\x04")
		s.expect("no passphrase came from the terminal")
		s.leave(1)
	})
	t.Run("interrupted", func(t *testing.T) {
		s := login()
		s.expect(prompt)
		s.typed("half of it\x03")
		s.expect("stopped by a signal (interrupt); nothing was done")
		s.cmd.Wait()
		if !s.echoes() {
			t.Error("the terminal does not show any more what is typed")
		}
		if code := s.cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("exit code %d", code)
		}
		quiet(s.seen.String(), "half of it")
	})
	t.Run("with input from elsewhere", func(t *testing.T) {
		cmd := b.command("login", "--key", "p256", "-ignorewarn", "--key-file", key)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		// The shell's <file leaves the terminal of the session to ask on.
		shell := exec.Command("/bin/sh", append([]string{"-c", `exec "$@" <&3`, "sh", cmd.Path}, cmd.Args[1:]...)...)
		shell.Env, shell.ExtraFiles = cmd.Env, []*os.File{r}
		s := sitDown(t, shell)
		s.expect(prompt)
		s.typed(secret + "\n")
		quiet(s.leave(0), secret)
	})
}

// While it is asked for and afterwards, the passphrase is in nothing that others can read, and in no core file.
func TestPassphraseStaysSecret(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).onUI()
	key := b.encryptedKey()
	b.env["GOTRACEBACK"] = "crash"
	cmd := b.command("login", "--key", "p256", "--key-file", key, "--log-level", "debug")
	cmd.Dir = t.TempDir()
	s := sitDown(t, cmd)
	s.expect(prompt)
	s.typed("wrong horse\n")
	s.expect("try again")
	s.expect(prompt)
	s.typed(secret) // and no line end: it sits in the terminal
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	for _, name := range []string{"cmdline", "environ"} {
		data, err := os.ReadFile(proc + name)
		if err != nil && !errors.Is(err, fs.ErrPermission) { // better still
			t.Error(err)
		}
		if data := string(data); strings.Contains(data, "wrong horse") || strings.Contains(data, secret) {
			t.Errorf("the passphrase is in %s: %q", name, data)
		}
	}
	if limits := string(read(t, proc+"limits")); !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).MatchString(limits) {
		t.Errorf("a core file may be written:\n%s", limits)
	}
	if info, err := os.Stat(proc + "mem"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("another process of the same user can read its memory: %v, %v", info, err)
	}
	if err := cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	screen := s.leave(-1)
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.CoreDump() {
		t.Error("a core file was written")
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	for _, word := range []string{secret, "wrong horse"} {
		if strings.Contains(screen, word) {
			t.Errorf("%q is in the dump:\n%s", word, screen)
		}
	}
}

// A line is read, and nothing of what comes behind it.
func FuzzSecretLine(f *testing.F) {
	for _, s := range []string{"", "\n", "phrase\n", "phrase\r\nnext\n", "phrase", "\r", strings.Repeat("x", maxPassphrase) + "\n", strings.Repeat("x", maxPassphrase+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := strings.NewReader(s)
		got, err := secretLine(r, "the test")
		want, rest, _ := strings.Cut(s, "\n")
		want = strings.TrimSuffix(want, "\r")
		switch {
		case err == nil && string(got) != want:
			t.Errorf("%q is %q", s, got)
		case err == nil && r.Len() != len(rest):
			t.Errorf("%d bytes of %q are left", r.Len(), s)
		case err != nil && s != "" && len(want) <= maxPassphrase:
			t.Errorf("%q: %v", s, err)
		case err != nil && len(want) > 8 && strings.Contains(err.Error(), want):
			t.Errorf("the passphrase is in the error: %v", err)
		}
	})
}

// New passphrases are typed twice.
func TestPassphraseTwice(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{NotStored: true}).onUI()
	store := func() *seat { return sitDown(t, b.command("store", "-k", "kept", "--with-passphrase", "-c", "10")) }
	s := store()
	s.expect("Enter MyProxy pass phrase: ")
	s.typed("one phrase\n")
	s.expect("Verifying - Enter MyProxy pass phrase: ")
	s.typed("two phrases\n")
	s.expect("the two passphrases are not the same; nothing was done")
	s.leave(1)
	if n := len(b.MyProxy.Requests()); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
	s = store()
	s.expect("Enter MyProxy pass phrase: ")
	s.typed("one phrase\n")
	s.expect("Verifying - Enter MyProxy pass phrase: ")
	s.typed("one phrase\n")
	s.expect("for the passphrase.")
	s.leave(0)

	change := func(old string) *seat {
		s := sitDown(t, b.command("stored", "-k", "kept", "--change-passphrase"))
		s.expect("Enter (current) MyProxy pass phrase: ")
		s.typed(old + "\n")
		s.expect("Enter new MyProxy pass phrase: ")
		s.typed("next phrase\n")
		s.expect("Verifying - Enter new MyProxy pass phrase: ")
		s.typed("next phrase\n")
		return s
	}
	s = change("wrong phrase")
	s.expect("MP-BADPASS: ")
	s.leave(1)
	s = change("one phrase")
	s.expect("Pass phrase changed.")
	s.leave(0)
	s = change("next phrase")
	s.expect("Pass phrase changed.")
	if screen := s.leave(0); strings.Contains(screen, "next phrase") {
		t.Errorf("a passphrase is on the screen:\n%s", screen)
	}
}
