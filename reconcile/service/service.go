// Package service restarts or reloads what uses a credential.
//
// A [Runner] runs the commands of a [Command] one after the other: preflight, restart, verify. Each is an argument list
// and never a shell string, runs as the [Account] in a session and process group of its own, with /dev/null as input, the
// account's home as directory and a small fixed environment, so that a restart from cron, from a login shell and from
// systemd is the same restart.
//
// # Daemons that a restart script leaves behind
//
// jalien-vobox.sh starts the CE with nohup in the background and ends. Such a child is no part of the restart any more:
// Restart returns when the script itself ends, and leaves the children alone, also those that still hold the script's
// output open. Only a timeout or the end of the context ends the whole process group.
//
// Under systemd the children belong to the control group of the unit that ran this program: that unit needs
// KillMode=process, or systemd ends them itself.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// DefaultTimeout is that of a command whose Timeout is zero.
const DefaultTimeout = 5 * time.Minute

// A Command is one thing to restart.
type Command struct {
	Name      string
	Restart   []string      // argument list; or
	Unit      string        // a systemd unit, restarted by the system's manager as the invoking user
	Preflight [][]string    // each must succeed before
	Verify    []string      // must succeed within Timeout after; tried again until then
	Timeout   time.Duration // for each command; zero: DefaultTimeout
}

// A Runner runs commands as an account, each in a process group of its own, without a shell.
//
// The commands see HOME, USER, LOGNAME, SHELL of the account, PATH=/usr/local/bin:/usr/bin:/bin, LANG (the invoking
// one, else C.UTF-8) and VOBOX_RECONCILE_SERVICE, the name of the service; nothing else, whoever runs the program. In
// particular an X509_USER_PROXY of the shell from which somebody restarts by hand does not reach the service.
type Runner struct {
	Account Account
	Output  func(service, phase, line string) // each line of output, cut to a sane length; nil: dropped
	Log     io.Writer                         // the same lines as text, one write each; nil: dropped

	Grace     time.Duration // between TERM and KILL after a timeout; zero: 10 s
	Every     time.Duration // between two tries of a verification; zero: 2 s
	Systemctl string        // path of systemctl; empty: /usr/bin/systemctl or /bin/systemctl
}

// Phases of a restart, as Output and [Error] name them.
const (
	PhasePreflight = "preflight"
	PhaseRestart   = "restart"
	PhaseVerify    = "verify"
)

// An Error says which command of a restart failed, and how.
type Error struct {
	Service  string
	Phase    string // PhasePreflight, PhaseRestart or PhaseVerify; PhaseCall of a Call
	Argv     []string
	ExitCode int           // of the command; -1: it did not start or was ended by a signal
	Signal   string        // what ended it, if a signal did
	Timeout  bool          // it was ended because its time was over
	After    time.Duration // that time
	Output   []string      // its last lines, ten at most
	Remedy   string        // what to do, if that is known
	Err      error         // why it did not start, or the context's error
}

// Error gives one line: phase, command, what became of it, its last words and the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Phase == PhaseCall {
		fmt.Fprintf(&b, "%q ", e.Argv)
	} else {
		fmt.Fprintf(&b, "restarting %q: %s %q ", e.Service, e.Phase, e.Argv)
	}
	switch {
	case e.Timeout:
		fmt.Fprintf(&b, "did not succeed within %s", e.After)
		if e.ExitCode > 0 {
			fmt.Fprintf(&b, ", at last exit code %d", e.ExitCode)
		}
		if e.Err != nil {
			fmt.Fprintf(&b, ": %v", e.Err)
		}
	case e.Err != nil:
		fmt.Fprintf(&b, "did not run to its end: %v", e.Err)
	case e.Signal != "":
		fmt.Fprintf(&b, "was ended by signal %s", e.Signal)
	default:
		fmt.Fprintf(&b, "ended with exit code %d", e.ExitCode)
	}
	if n := len(e.Output); n > 0 {
		fmt.Fprintf(&b, ": %s", strings.Join(e.Output[max(0, n-3):], " | "))
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, "; %s", e.Remedy)
	}
	return b.String()
}

// Unwrap gives why the command did not start, or the context's error.
func (e *Error) Unwrap() error { return e.Err }

// Restart runs preflight, restart and verify. The error says which phase failed, how, and the last lines of its output;
// it is an [*Error] unless c itself is impossible. When a preflight fails the restart is not attempted: stopping the
// CE while CVMFS is away would leave the site without one.
func (r *Runner) Restart(ctx context.Context, c Command) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("restarting %q: %w", c.Name, err)
	}
	for _, argv := range c.Preflight {
		if err := r.run(ctx, c.job(PhasePreflight, argv)); err != nil {
			return err
		}
	}
	restart, verify := c.job(PhaseRestart, c.Restart), []job(nil)
	if c.Unit != "" {
		ctl := r.systemctl()
		restart = c.job(PhaseRestart, []string{ctl, "--no-ask-password", "restart", "--", c.Unit})
		active := c.job(PhaseVerify, []string{ctl, "is-active", "--", c.Unit})
		restart.asInvoker, active.asInvoker = true, true
		verify = append(verify, active)
	}
	if len(c.Verify) > 0 {
		verify = append(verify, c.job(PhaseVerify, c.Verify))
	}
	if err := r.run(ctx, restart); err != nil {
		return err
	}
	for _, j := range verify {
		if err := r.until(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// check refuses what config should never let through, before anything runs.
func (c Command) check() error {
	if (len(c.Restart) > 0) == (c.Unit != "") {
		return errors.New("it needs an argument list or a unit, and not both")
	}
	if strings.HasPrefix(c.Unit, "-") || strings.ContainsAny(c.Unit, " \t\n\x00/") {
		return fmt.Errorf("%q is not the name of a systemd unit", c.Unit)
	}
	lists := append([][]string{}, c.Preflight...)
	if c.Unit == "" {
		lists = append(lists, c.Restart)
	}
	if c.Verify != nil {
		lists = append(lists, c.Verify)
	}
	for _, argv := range lists {
		if len(argv) == 0 || argv[0] == "" {
			return errors.New("an argument list is empty")
		}
		for _, a := range argv {
			if strings.Contains(a, "\x00") {
				return fmt.Errorf("%q has a NUL byte", a)
			}
		}
	}
	return nil
}

// job makes a run of one of c's commands.
func (c Command) job(phase string, argv []string) job {
	j := job{service: c.Name, phase: phase, argv: argv, timeout: c.Timeout}
	if j.timeout <= 0 {
		j.timeout = DefaultTimeout
	}
	return j
}

// until runs j until it succeeds or its time is over: a service that has just been started may need a moment.
func (r *Runner) until(ctx context.Context, j job) error {
	whole := j.timeout
	deadline := time.Now().Add(whole)
	for {
		err := r.run(ctx, j)
		var failed *Error
		if err == nil || !errors.As(err, &failed) || failed.Err != nil {
			return err
		}
		failed.After = whole
		every := r.Every
		if every <= 0 {
			every = 2 * time.Second
		}
		if failed.Timeout || time.Until(deadline) <= every {
			failed.Timeout = true
			return failed
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			failed.Err = ctx.Err()
			return failed
		}
		j.timeout = max(time.Until(deadline), time.Millisecond)
	}
}
