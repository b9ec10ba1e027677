package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// hurtful has the restart script do something to the program, once.
func (b *box) hurtful(preflight bool, command string) (done func() bool) {
	b.t.Helper()
	marker := filepath.Join(b.Dir, "hurt")
	script := fmt.Sprintf("#!/bin/sh\n[ -e %[1]s ] && exit 0\n: >%[1]s\n%[2]s\n", marker, command)
	if preflight {
		path := filepath.Join(b.Dir, "preflight.sh")
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			b.t.Fatal(err)
		}
		b.edit(b.Config, "restart]\n", "restart]\n    preflight: [["+path+"]]\n")
	} else {
		b.edit(b.RestartScript, "#!/bin/sh\n", strings.ReplaceAll(script, "&& exit 0\n", "|| {\n")+"exit 0\n}\n")
	}
	return func() bool {
		_, err := os.Stat(marker)
		return err == nil
	}
}

func (b *box) mustRestarts(n int) {
	b.t.Helper()
	lines, err := b.Restarts()
	if err != nil || len(lines) != n {
		b.t.Errorf("%d restarts (%q, %v), want %d", len(lines), lines, err, n)
	}
}

// Killed after the env files are written and before the service is restarted, the next pass restarts it, and only once.
func TestKilledBeforeTheRestart(t *testing.T) {
	for _, at := range []struct {
		name      string
		preflight bool
	}{{"in the preflight", true}, {"in the restart", false}} {
		t.Run(at.name, func(t *testing.T) {
			b := newBox(t, gridtest.SiteOptions{}).withMachineProxy().quick()
			hurt := b.hurtful(at.preflight, "kill -KILL $PPID\nsleep 0.1")
			cmd := b.command()
			r := runProcess(t, cmd)
			if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGKILL || !hurt() {
				t.Fatalf("it was not killed: %v, %q, %q", cmd.ProcessState, r.stdout, r.stderr)
			}
			if env := string(read(t, b.CEEnv)); !strings.Contains(env, "X509_USER_PROXY="+b.userProxy()) {
				t.Errorf("CE.env was not written before: %s", env)
			}
			b.mustRestarts(0)
			r = b.process("--dry-run")
			r.mustBe(t, 2)
			if !strings.Contains(r.stdout, "it was not restarted since") {
				t.Errorf("the plan does not say why:\n%s", r.stdout)
			}
			r = b.process()
			r.mustBe(t, 0)
			b.mustRestarts(1)
			b.process().mustBe(t, 0)
			b.mustRestarts(1)
		})
	}
}

// A signal ends a pass in order: exit code 1, one line, no lock left behind, nothing half written; the next pass does the
// rest.
func TestStoppedBySignal(t *testing.T) {
	for _, name := range []string{"TERM", "INT", "HUP"} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, gridtest.SiteOptions{}).withMachineProxy().quick()
			hurt := b.hurtful(true, "kill -"+name+" $PPID\nsleep 30")
			r := b.process()
			r.mustBe(t, 1)
			if !hurt() {
				t.Fatal("the preflight was not run")
			}
			if !strings.Contains(r.stderr, "vobox-reconcile: stopped by a signal (") || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("standard error: %q", r.stderr)
			}
			if !strings.Contains(r.stdout, "! restart jalien  failed") {
				t.Errorf("standard output: %q", r.stdout)
			}
			b.mustRestarts(0)
			noTemporaryFiles(t, b.Dir)
			r = b.process()
			r.mustBe(t, 0)
			b.mustRestarts(1)
		})
	}
}

// Stopped while a server keeps it waiting, it stops at once, and the old proxy stays as it is.
func TestStoppedInARenewal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	b.must(0)
	before := string(read(t, b.userProxy()))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b.edit(b.Config, "server: "+b.MyProxy.Addr(), "server: "+silent.Addr().String())
	cmd := b.command("--force", "lcgadmin", "--only", "lcgadmin")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "stopped by a signal (terminated)") {
		t.Errorf("exit code %d, standard error %q, standard output %q", code, &stderr, &stdout)
	}
	if !strings.Contains(stdout.String(), "! renew proxy lcgadmin  failed") {
		t.Errorf("standard output: %s", &stdout)
	}
	if string(read(t, b.userProxy())) != before {
		t.Errorf("the proxy is not the one that was there")
	}
	noTemporaryFiles(t, b.Dir)
}

func noTemporaryFiles(t *testing.T, dir string) {
	t.Helper()
	for line := range strings.Lines(snapshot(t, dir)) {
		name, _, _ := strings.Cut(line, " ")
		if base := filepath.Base(name); strings.HasPrefix(base, ".") && base != "." && base != ".alien" {
			t.Errorf("left behind: %s", line)
		}
	}
}
