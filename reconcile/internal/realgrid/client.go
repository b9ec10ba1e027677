package realgrid

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// runTimeout is for one client. The slowest is the Java one on a busy machine.
const runTimeout = 2 * time.Minute

// baseEnv is what every program gets of the environment: nothing of the
// caller's X509_*, VOMS_* or MYPROXY_* variables, and no locale.
func baseEnv(home string) []string {
	return []string{"PATH=" + searchPath, "HOME=" + home, "LC_ALL=C", "TMPDIR=" + os.TempDir()}
}

// clientEnv is the environment of a client that is told nothing of who it is.
func (w *world) clientEnv(home string) []string {
	return append(baseEnv(home),
		"X509_CERT_DIR="+w.CertDir, "X509_VOMS_DIR="+w.VOMSDir,
		"VOMS_USERCONF="+w.Vomses, "X509_VOMSES="+w.Vomses)
}

// Env returns the environment of a client whose identity is the certificate
// and key of id; proxies that it makes go to id.Proxy.
//
// Not for a client that shall use a proxy: run by root, the Globus libraries
// take X509_USER_CERT before X509_USER_PROXY. For that there is [Grid.ProxyEnv].
func (g *Grid) Env(id *Identity) []string {
	return append(g.clientEnv(id.Home),
		"X509_USER_CERT="+id.CertFile, "X509_USER_KEY="+id.KeyFile, "X509_USER_PROXY="+id.Proxy)
}

// ProxyEnv returns the environment of a client whose identity is a proxy file.
func (g *Grid) ProxyEnv(proxy string) []string {
	return append(g.clientEnv(g.Dir), "X509_USER_PROXY="+proxy)
}

// AnonymousEnv returns the environment of a client without any credential.
func (g *Grid) AnonymousEnv() []string { return g.clientEnv(g.Dir) }

// A Result is what a client printed and how it ended.
type Result struct {
	Command  string // as one would type it
	Stdout   string
	Stderr   string
	ExitCode int // -1 when a signal ended it
}

// Output returns both streams, standard output first.
func (r Result) Output() string { return r.Stdout + r.Stderr }

// String is for failure messages.
func (r Result) String() string {
	return fmt.Sprintf("$ %s\n%s[exit %d]", r.Command, r.Output(), r.ExitCode)
}

// Run runs a real program with an environment of [Grid.Env] or [Grid.ProxyEnv]
// and an empty standard input. A status other than 0 is for the caller to
// judge; a program that is missing skips the test ([RequireTools]) and one that
// does not end within two minutes fails it.
func (g *Grid) Run(env []string, name string, args ...string) Result {
	g.t.Helper()
	return g.RunInput(env, "", name, args...)
}

// RunInput is [Grid.Run] with text on standard input.
func (g *Grid) RunInput(env []string, stdin, name string, args ...string) Result {
	g.t.Helper()
	RequireTools(g.t, name)
	r, err := run(env, stdin, toolPath(name), args...)
	if err != nil {
		g.t.Fatalf("realgrid: %v\n%v", err, r)
	}
	return r
}

// MustRun is [Grid.Run] where anything but status 0 fails the test. It returns
// what was printed.
func (g *Grid) MustRun(env []string, name string, args ...string) string {
	g.t.Helper()
	r := g.Run(env, name, args...)
	if r.ExitCode != 0 {
		g.t.Fatalf("%v", r)
	}
	return r.Output()
}

func run(env []string, stdin, path string, args ...string) (Result, error) {
	r := Result{Command: strings.Join(append([]string{path}, args...), " "), ExitCode: -1}
	cmd := exec.Command(path, args...)
	cmd.Env = env
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := startTied(cmd); err != nil {
		return r, fmt.Errorf("starting %s: %w", path, err)
	}
	timer := time.AfterFunc(runTimeout, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	inTime := timer.Stop()
	r.Stdout, r.Stderr, r.ExitCode = stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	if !inTime {
		return r, fmt.Errorf("%s did not end within %v", path, runTimeout)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("running %s: %w", path, err)
	}
	return r, nil
}
