package realgrid

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to listen: a second or two, and
// far more on a machine with twenty other things to do.
const startTimeout = time.Minute

// The kernel sends a child its parent-death signal when the *thread* that
// started it ends, not the process. The Go runtime ends threads at will, so
// all children are started from one thread that is never given back.
var onStarterThread = sync.OnceValue(func() func(func()) {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return func(f func()) {
		done := make(chan struct{})
		work <- func() { defer close(done); f() }
		<-done
	}
})

// startTied starts cmd as the leader of its own process group, to be killed by
// the kernel when this process ends in whatever way.
func startTied(cmd *exec.Cmd) (err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	onStarterThread()(func() { err = cmd.Start() })
	return err
}

// A process is a server that was started and has not been ended.
type process struct {
	name string
	log  string // path of its standard output and error
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// start starts a server with the given environment and nothing else of ours.
func (w *world) start(name, log string, env []string, argv ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = env, w.Dir
	cmd.Stdout, cmd.Stderr = out, out
	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, errors.New("the grid has ended")
	}
	if err := startTied(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	w.processes = append(w.processes, p)
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends the process and the children it forked. No server here has state
// worth a tidy shutdown.
func (p *process) kill() {
	select {
	case <-p.done:
		// Its number may be somebody else's by now; its children have had the
		// parent-death signal.
		return
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// waitFor polls ready until it is true, the process ends or time is up.
func (p *process) waitFor(what string, timeout time.Duration, ready func() bool) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended before %s: %v\n%s", p.name, what, p.cmd.ProcessState, tail(p.log))
		case <-deadline.C:
			return fmt.Errorf("%s: no %s after %v\n%s", p.name, what, timeout, tail(p.log))
		}
	}
	return nil
}

// tail returns the last lines of a log file, for an error message.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if n := len(lines); n > 20 {
		lines = lines[n-20:]
	}
	return strings.Join(lines, "\n")
}

// A broom is a shell that waits for this process to end, in whatever way, and
// then removes the directory: a panic runs no deferred function.
type broom struct {
	dir   string
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func newBroom(dir string) (*broom, error) {
	// The servers die at the same moment and may still write once; so a few tries.
	cmd := exec.Command("/bin/sh", "-c",
		`cat >/dev/null; for i in 1 2 3 4 5; do rm -rf -- "$1" && break; sleep 0.2; done`, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of the reach of Ctrl-C
	cmd.Dir = "/"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &broom{dir: dir, cmd: cmd, stdin: stdin}, nil
}

func (b *broom) sweep() {
	if b == nil {
		return
	}
	_ = b.stdin.Close()
	_ = b.cmd.Wait()
}
