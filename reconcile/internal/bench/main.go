// Command bench measures vobox-reconcile against the tools it replaces, side by side in one run, and prints ratios.
//
// It drives Debian's real servers on loopback. Ours and theirs take turns, so that whatever else the machine does hits
// both; the figures are medians.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

// rounds is how often each command is run; the medians of that many are compared.
const rounds = 15

// many is how many proxies inspect looks at in one call.
const many = 200

func main() { os.Exit(run()) }

func run() (code int) {
	b := &bench{}
	defer b.cleanup()
	defer func() {
		if p := recover(); p != nil {
			msg, ok := p.(failure)
			if !ok {
				panic(p)
			}
			fmt.Fprintln(os.Stderr, "bench:", string(msg))
			code = 1
		}
	}()
	b.all()
	return 0
}

// A failure ends the run.
type failure string

// A bench is a grid, a box on it, and what stands for testing.T.
type bench struct {
	cleanups []func()
	grid     *realgrid.Grid
	dir      string
	binary   string
	env      []string // of our program
}

func (b *bench) Helper() {}
func (b *bench) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (b *bench) Fatalf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }
func (b *bench) Skipf(format string, args ...any)  { panic(failure(fmt.Sprintf(format, args...))) }
func (b *bench) Cleanup(f func())                  { b.cleanups = append(b.cleanups, f) }

func (b *bench) cleanup() {
	for _, f := range slices.Backward(b.cleanups) {
		f()
	}
}

func (b *bench) must(err error) {
	if err != nil {
		b.Fatalf("%v", err)
	}
}

// A sample is what one run cost.
type sample struct {
	took time.Duration
	rss  int64 // peak, KiB
}

// time runs a command and fails unless it ends with that status.
func (b *bench) time(status int, env []string, name string, args ...string) sample {
	cmd := exec.Command(name, args...)
	cmd.Env = env
	var out, errs tail
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if cmd.ProcessState == nil {
		b.Fatalf("%s: %v", name, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		b.Fatalf("%s %v: exit %d, want %d\n%s%s", name, args, got, status, out, errs)
	}
	return sample{took, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss}
}

// A tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if extra := len(*t) - 4096; extra > 0 {
		*t = (*t)[extra:]
	}
	return len(p), nil
}

func (t tail) String() string { return string(t) }

func median(samples []sample) time.Duration {
	s := slices.Clone(samples)
	slices.SortFunc(s, func(a, b sample) int { return int(a.took - b.took) })
	return s[len(s)/2].took
}

func peak(samples []sample) int64 {
	var most int64
	for _, s := range samples {
		most = max(most, s.rss)
	}
	return most
}

// compare runs ours and theirs in turn and prints the ratio of their medians.
func (b *bench) compare(what string, aim float64, ours, theirs func() sample) {
	var o, t []sample
	ours() // once for warm caches
	theirs()
	for range rounds {
		o, t = append(o, ours()), append(t, theirs())
	}
	b.report(what, aim, median(o), median(t), peak(o))
}

func (b *bench) report(what string, aim float64, ours, theirs time.Duration, rss int64) {
	ratio := float64(ours) / float64(theirs)
	verdict := "met"
	if ratio > aim {
		verdict = "MISSED"
	}
	fmt.Printf("%-64s %8.1f ms %8.1f ms  %6.3f  (aim %.2f: %s)  peak %d MiB\n", what,
		float64(ours)/1e6, float64(theirs)/1e6, ratio, aim, verdict, rss/1024)
}

func (b *bench) all() {
	b.grid = realgrid.Start(b)
	dir, err := os.MkdirTemp("", "vobox-bench-")
	b.must(err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	b.dir = dir
	b.binary, err = filepath.Abs("bin/vobox-reconcile")
	b.must(err)
	if _, err := os.Stat(b.binary); err != nil {
		b.Fatalf("%v: build it first, with make build", err)
	}
	box := b.box()
	fmt.Printf("%-64s %11s %11s  %6s\n", "medians of "+fmt.Sprint(rounds), "ours", "theirs", "ratio")
	b.noop(box)
	b.inspect(box)
	b.inspectThousands(box)
	b.renewal(box)
	b.enroll()
}
