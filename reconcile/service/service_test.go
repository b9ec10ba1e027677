package service_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// sh is a command whose shell is written out, as a configuration has to.
func sh(script string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, args...)
}

// A record keeps what a Runner hands to Output.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) output(svc, phase, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, svc+" "+phase+" "+line)
}

// failure gives err as the *service.Error that it must be.
func failure(t *testing.T, err error) *service.Error {
	t.Helper()
	var e *service.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v of type %T, want a *service.Error", err, err)
	}
	return e
}

// restart runs a restart of its own, with a limit that only a fault reaches.
func restart(t *testing.T, r *service.Runner, c service.Command) error {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return r.Restart(t.Context(), c)
}

func TestRestartRunsThePhasesInOrder(t *testing.T) {
	var rec record
	var log bytes.Buffer
	r := &service.Runner{Output: rec.output, Log: &log}
	err := restart(t, r, service.Command{
		Name:      "jalien",
		Preflight: [][]string{sh("echo one"), {"echo", "two  words", "$HOME"}},
		Restart:   sh("echo out; echo err >&2; printf unended"),
		Verify:    sh("echo there"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"jalien preflight one", "jalien preflight two  words $HOME", "jalien restart out", "jalien restart err",
		"jalien restart unended", "jalien verify there",
	}
	if !slices.Equal(rec.lines, want) {
		t.Errorf("got output %q, want %q", rec.lines, want)
	}
	if got := log.String(); !strings.Contains(got, "jalien restart: unended\n") {
		t.Errorf("the log is %q, and lacks the restart's line", got)
	}
}

func TestAFailedPreflightLeavesTheServiceAlone(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	err := restart(t, &service.Runner{}, service.Command{
		Name:      "jalien",
		Preflight: [][]string{sh("echo no cvmfs; exit 3")},
		Restart:   sh(`: > "$1"`, ran),
	})
	e := failure(t, err)
	if e.Phase != service.PhasePreflight || e.ExitCode != 3 || e.Timeout || !slices.Equal(e.Output, []string{"no cvmfs"}) {
		t.Errorf("got %+v", e)
	}
	want := `restarting "jalien": preflight ["/bin/sh" "-c" "echo no cvmfs; exit 3" "sh"] ended with exit code 3: no cvmfs`
	if err.Error() != want {
		t.Errorf("got %s\nwant %s", err, want)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the restart ran although its preflight had failed")
	}
}

func TestFailuresSayWhatHappened(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	interp := filepath.Join(dir, "interp")
	write(t, plain, "echo hello\n", 0o600)
	write(t, interp, "#!/no/such/shell\n", 0o700)
	ten := "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 1"
	for _, c := range []struct {
		name string
		argv []string
		want []string // parts of the message
		code int
	}{
		{"exit code", sh(ten), []string{"ended with exit code 1: line 10 | line 11 | line 12"}, 1},
		{"signal", sh("kill -9 $$"), []string{"was ended by signal killed"}, -1},
		{"missing", []string{dir + "/none", "restart"}, []string{"no such file", "type: ls -l " + dir}, -1},
		{"missing on CVMFS", []string{"/cvmfs/alice.example/x"}, []string{"cvmfs_config probe alice.example"}, -1},
		{"not in the path", []string{"no-such-command-here"}, []string{`no such command as "no-such-command-here" in /usr/local/bin`, "command -v"}, -1},
		{"relative", []string{"bin/restart"}, []string{"relative path"}, -1},
		{"not executable", []string{plain}, []string{"permission denied", "ls -ld"}, -1},
		{"no interpreter", []string{interp}, []string{"no such file", "#! line"}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := failure(t, restart(t, &service.Runner{}, service.Command{Name: "s", Restart: c.argv}))
			for _, part := range c.want {
				if !strings.Contains(e.Error(), part) {
					t.Errorf("got %q, which lacks %q", e, part)
				}
			}
			if e.Phase != service.PhaseRestart || e.ExitCode != c.code || e.Timeout {
				t.Errorf("got phase %s, exit code %d, timeout %t", e.Phase, e.ExitCode, e.Timeout)
			}
			if len(e.Output) > 10 {
				t.Errorf("got %d lines of output, want at most 10", len(e.Output))
			}
		})
	}
}

func TestImpossibleCommands(t *testing.T) {
	for _, c := range []struct {
		name string
		c    service.Command
		want string
	}{
		{"nothing", service.Command{}, "argument list or a unit"},
		{"both", service.Command{Restart: sh(":"), Unit: "a.service"}, "not both"},
		{"option as unit", service.Command{Unit: "--force"}, "not the name"},
		{"empty preflight", service.Command{Restart: sh(":"), Preflight: [][]string{{}}}, "empty"},
		{"NUL", service.Command{Restart: sh("a\x00b")}, "NUL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := restart(t, &service.Runner{}, c.c); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("X509_USER_PROXY", "/tmp/x509up_u0")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not for others")
	t.Setenv("LANG", "")
	t.Setenv("PATH", "/somewhere:"+os.Getenv("PATH"))
	var rec record
	r := &service.Runner{Output: rec.output}
	if err := restart(t, r, service.Command{Name: "jalien", Restart: []string{"env"}}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range rec.lines {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "jalien restart "), "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER", "VOBOX_RECONCILE_SERVICE"}
	if !slices.Equal(names, want) {
		t.Errorf("the command saw %q, want %q", names, want)
	}
	for _, line := range []string{
		"jalien restart PATH=/usr/local/bin:/usr/bin:/bin", "jalien restart LANG=C.UTF-8",
		"jalien restart VOBOX_RECONCILE_SERVICE=jalien",
	} {
		if !slices.Contains(rec.lines, line) {
			t.Errorf("%q lacks %q", rec.lines, line)
		}
	}
}

func TestInputSessionAndDirectory(t *testing.T) {
	var rec record
	r := &service.Runner{Output: rec.output, Account: service.Account{
		Name: "x", Home: "/no/such/home", UID: os.Geteuid(), GID: os.Getegid(), Set: true,
	}}
	script := `cat; pwd; set -- $(cat /proc/$$/stat | sed 's/.*) //'); [ "$3" = $$ ] && [ "$4" = $$ ] && echo leads`
	if err := restart(t, r, service.Command{Name: "s", Restart: sh(script)}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"s restart /", "s restart leads"}; !slices.Equal(rec.lines, want) {
		t.Errorf("got %q, want %q", rec.lines, want)
	}
}

func TestRunsAsTheAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: running as another account needs root")
	}
	nobody, err := service.LookupAccount("nobody")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Groups = append(nobody.Groups, 4242)
	nobody.Home = t.TempDir()
	for dir := nobody.Home; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(nobody.Home, nobody.UID, nobody.GID); err != nil {
		t.Fatal(err)
	}
	var rec record
	r := &service.Runner{Account: nobody, Output: rec.output}
	script := `id -u; id -ru; id -g; id -G; pwd; echo $HOME $USER $LOGNAME; : > made; stat -c %u made; grep CapEff /proc/self/status`
	if err := restart(t, r, service.Command{Name: "s", Restart: sh(script)}); err != nil {
		t.Fatal(err)
	}
	uid, gid := strconv.Itoa(nobody.UID), strconv.Itoa(nobody.GID)
	want := []string{uid, uid, gid, gid + " 4242", nobody.Home, nobody.Home + " nobody nobody", uid, "CapEff: 0000000000000000"}
	for i := range want {
		want[i] = "s restart " + want[i]
	}
	if !slices.Equal(rec.lines, want) {
		t.Errorf("got  %q\nwant %q", rec.lines, want)
	}
}

func TestAHomeThatMayNotBeEntered(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: running as another account needs root")
	}
	nobody, err := service.LookupAccount("nobody")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Home = t.TempDir()
	if err := os.Chmod(nobody.Home, 0o700); err != nil {
		t.Fatal(err)
	}
	var rec record
	r := &service.Runner{Account: nobody, Output: rec.output}
	if err := restart(t, r, service.Command{Name: "s", Restart: []string{"pwd"}}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"s restart /"}; !slices.Equal(rec.lines, want) {
		t.Errorf("got %q, want %q", rec.lines, want)
	}
}

func TestAnotherAccountNeedsRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("NOT TESTED: root can become anybody")
	}
	r := &service.Runner{Account: service.Account{Name: "root", Home: "/", Set: true}}
	e := failure(t, restart(t, r, service.Command{Name: "s", Restart: []string{"true"}}))
	if !strings.Contains(e.Error(), `cannot become "root"`) {
		t.Errorf("got %v", e)
	}
}

func TestVerifyIsTriedAgain(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	var rec record
	r := &service.Runner{Output: rec.output, Every: time.Millisecond}
	err := restart(t, r, service.Command{
		Name: "s", Restart: []string{"true"},
		Verify: sh(`echo x >> "$1"; [ $(wc -l < "$1") -ge 3 ]`, count),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(count); string(got) != "x\nx\nx\n" {
		t.Errorf("verified %d times, want 3", len(got)/2)
	}
}

func TestVerifyGivesUp(t *testing.T) {
	t.Parallel()
	r := &service.Runner{Every: 100 * time.Millisecond}
	err := r.Restart(t.Context(), service.Command{
		Name: "s", Restart: []string{"true"}, Verify: sh("echo not running; exit 7"), Timeout: 2 * time.Second,
	})
	e := failure(t, err)
	if e.Phase != service.PhaseVerify || !e.Timeout || e.After != 2*time.Second {
		t.Errorf("got %+v", e)
	}
	if !strings.Contains(e.Error(), "did not succeed within 2s") {
		t.Errorf("got %q", e)
	}
}

func TestUnit(t *testing.T) {
	dir := t.TempDir()
	ctl := filepath.Join(dir, "systemctl")
	// A unit that is activating when first asked, as one with a slow ExecStartPost is.
	write(t, ctl, `#!/bin/sh
echo "$@"
case $1 in
is-active) [ -e `+dir+`/asked ] || { : > `+dir+`/asked; echo activating; exit 3; } ;;
esac
`, 0o755)
	var rec record
	// The account is one that nobody can become without root; systemctl is run by the invoking user all the same.
	r := &service.Runner{Output: rec.output, Systemctl: ctl, Every: time.Millisecond}
	if err := restart(t, r, service.Command{Name: "ce", Unit: "condor.service"}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ce restart --no-ask-password restart -- condor.service", "ce verify is-active -- condor.service",
		"ce verify activating", "ce verify is-active -- condor.service",
	}
	if !slices.Equal(rec.lines, want) {
		t.Errorf("got %q, want %q", rec.lines, want)
	}
	r.Systemctl = filepath.Join(dir, "none")
	e := failure(t, restart(t, r, service.Command{Name: "ce", Unit: "condor.service"}))
	if !strings.Contains(e.Error(), "argument list instead of unit") {
		t.Errorf("got %q, which has no remedy", e)
	}
}

func TestOutputIsMadeSafeAndShort(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"colour", `printf '\033[1;31mred\033[0m\n'`, "red"},
		{"bell and others", `printf 'a\007b\tc\r\n'`, "ab c"},
		{"invalid UTF-8", `printf 'a\377b\n'`, "a\ufffdb"},
		{"long", `head -c 10000 /dev/zero | tr '\0' x; echo`, strings.Repeat("x", 4096) + " […]"},
		{"a key", "echo -----BEGIN PRIVATE KEY-----; echo MIIE; echo -----END PRIVATE KEY-----", "[a private key, not shown]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rec record
			if err := restart(t, &service.Runner{Output: rec.output}, service.Command{Name: "s", Restart: sh(c.script)}); err != nil {
				t.Fatal(err)
			}
			if len(rec.lines) == 0 || rec.lines[0] != "s restart "+c.want {
				t.Errorf("got %.200q, want %.200q", rec.lines, c.want)
			}
			if strings.Contains(strings.Join(rec.lines, ""), "MIIE") {
				t.Errorf("got %q, which has the key", rec.lines)
			}
		})
	}
}

func TestMuchOutputIsDropped(t *testing.T) {
	var rec record
	r := &service.Runner{Output: rec.output}
	script := `yes "a line of some length" | head -c 1400000; echo; echo the reason; exit 1`
	e := failure(t, restart(t, r, service.Command{Name: "s", Restart: sh(script)}))
	size := 0
	for _, line := range rec.lines {
		size += len(line) - len("s restart ") + 1
	}
	if size > 1<<20+100 {
		t.Errorf("got %d bytes of output, want at most 1 MiB", size)
	}
	if last := rec.lines[len(rec.lines)-1]; !strings.Contains(last, "dropped") {
		t.Errorf("the last line is %q and does not say that others were dropped", last)
	}
	if got := e.Output[len(e.Output)-1]; got != "the reason" {
		t.Errorf("the error ends with %q, want the last line printed", got)
	}
}

func TestLookupAccount(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	a, err := service.LookupAccount(me.Username)
	if err != nil {
		t.Fatal(err)
	}
	if strconv.Itoa(a.UID) != me.Uid || strconv.Itoa(a.GID) != me.Gid || a.Home != me.HomeDir || !a.Set || a.Shell == "" {
		t.Errorf("got %+v, want that of %+v", a, me)
	}
	byID, err := service.LookupAccount(me.Uid)
	if err != nil || byID.Name != a.Name {
		t.Errorf("got %+v, %v by uid", byID, err)
	}
	for _, name := range []string{"no-such-user-here", "", "-n", "a:b", "../x"} {
		_, err := service.LookupAccount(name)
		if !errors.Is(err, service.ErrUnknownAccount) {
			t.Errorf("looking up %q: got %v, want that it is unknown", name, err)
		}
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// fifo makes a named pipe and gives a function that waits until all who hold it open for writing are gone: that is
// how a test sees the end of processes without asking again and again.
func fifo(t *testing.T) (path string, ended func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return path, func() string {
		t.Helper()
		if err := f.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		if _, err := all.ReadFrom(f); err != nil {
			t.Errorf("after %q: somebody still holds the pipe: %v", all.String(), err)
		}
		return all.String()
	}
}

func TestTimeoutEndsTheWholeGroup(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"which takes TERM", `exec 9>"$1"; sleep 1000 & echo $$ >&9; sleep 1000`},
		{"of which a child ignores TERM", `exec 9>"$1"; (trap "" TERM; sleep 1000; sleep 1000) & echo $$ >&9; sleep 1000`},
		{"which ignores TERM", `exec 9>"$1"; trap "" TERM; echo $$ >&9; sleep 1000; sleep 1000`},
		{"which has stopped", `exec 9>"$1"; echo $$ >&9; kill -STOP $$`},
		{"which answers TERM with success", `exec 9>"$1"; trap "exit 0" TERM; echo $$ >&9; while :; do sleep 0.01; done`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, ended := fifo(t)
			r := &service.Runner{Grace: 100 * time.Millisecond}
			err := r.Restart(t.Context(), service.Command{Name: "s", Restart: sh(c.script, path), Timeout: 2 * time.Second})
			e := failure(t, err)
			if !e.Timeout || e.Err != nil || !strings.Contains(e.Error(), "did not succeed within 2s") {
				t.Errorf("got %+v", e)
			}
			if pid := ended(); strings.TrimSpace(pid) == "" {
				t.Error("the script did not get as far as its first line")
			}
		})
	}
}

func TestTheContextEndsTheWholeGroup(t *testing.T) {
	path, ended := fifo(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &service.Runner{Grace: 100 * time.Millisecond, Output: func(_, _, line string) { cancel() }}
	err := r.Restart(ctx, service.Command{Name: "s", Restart: sh(`exec 9>"$1"; sleep 1000 & echo ready; sleep 1000`, path)})
	if e := failure(t, err); e.Timeout || !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v, want that the context was cancelled", e)
	}
	ended()
}

func TestADaemonLeftBehindLives(t *testing.T) {
	// The daemon keeps the script's output open, as a nohup without redirection does. It waits until told that the
	// restart has returned, prints more than a pipe holds, and only then reports: SIGPIPE or a full pipe would stop it.
	path, ended := fifo(t)
	goOn := filepath.Join(t.TempDir(), "go")
	if err := syscall.Mkfifo(goOn, 0o666); err != nil {
		t.Fatal(err)
	}
	script := `( exec 9>"$1"; read x < "$2"; head -c 300000 /dev/zero && echo lives >&9 ) & echo started`
	var rec record
	r := &service.Runner{Output: rec.output}
	if err := restart(t, r, service.Command{Name: "s", Restart: sh(script, path, goOn)}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"s restart started"}; !slices.Equal(rec.lines, want) {
		t.Errorf("got %q, want %q", rec.lines, want)
	}
	write(t, goOn, "now\n", 0o666)
	if got := ended(); got != "lives\n" {
		t.Errorf("the daemon reported %q, want that it lives", got)
	}
}
