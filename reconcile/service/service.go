// Package service restarts or reloads what uses a credential.
package service

import (
	"context"
	"io"
	"time"
)

// An Account is whom the commands run as. The zero Account is the invoking user.
type Account struct {
	Name, Home, Shell string
	UID, GID          int
	Groups            []int
	Set               bool
}

// LookupAccount finds a local account (os/user) with its supplementary groups.
func LookupAccount(name string) (Account, error) { panic("not built yet") }

// A Command is one thing to restart.
type Command struct {
	Name      string
	Restart   []string   // argument list; or
	Unit      string     // a systemd unit
	Preflight [][]string // each must succeed before
	Verify    []string   // must succeed within Timeout after
	Timeout   time.Duration
}

// A Runner runs commands as an account, each in a process group of its own, without a shell.
type Runner struct {
	Account Account
	Output  func(service, phase, line string) // each line of output, cut to a sane length; nil: dropped
	Log     io.Writer
}

// Restart runs preflight, restart and verify. The error says which phase failed, how, and the last lines of its output.
func (r *Runner) Restart(ctx context.Context, c Command) error { panic("not built yet") }

// Wait says when a restart is allowed under atMost (n per the duration), given when earlier ones happened: zero means now.
func Wait(restarts []time.Time, n int, per time.Duration, now time.Time) time.Time {
	panic("not built yet")
}
