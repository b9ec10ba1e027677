package service

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// PhaseCall is the phase of a [Call], as Output and [Error] name it.
const PhaseCall = "call"

// A Call is one command that is run on its own, to tell somebody something for instance.
type Call struct {
	Name    string // what Output calls it
	Argv    []string
	Input   []byte        // on standard input
	Env     []string      // NAME=value, beside the account's fixed environment; no secret belongs there
	Timeout time.Duration // zero: DefaultTimeout
}

// Call runs a command as the account, under the same rules as those of a restart, and waits for its end. The error is an
// [*Error] unless c itself is impossible. The input is a file in memory: the command may leave it unread, or read it twice.
func (r *Runner) Call(ctx context.Context, c Call) error {
	if err := (Command{Restart: c.Argv}).check(); err != nil {
		return fmt.Errorf("running %q: %w", c.Argv, err)
	}
	input, err := inMemory(c.Input)
	if err != nil {
		return fmt.Errorf("running %q: keeping its input in memory: %w", c.Argv, err)
	}
	defer input.Close()
	j := Command{Timeout: c.Timeout}.job(PhaseCall, c.Argv)
	j.service, j.input, j.env = c.Name, input, c.Env
	return r.run(ctx, j)
}

// inMemory returns a file without a name that holds data. A pipe would not do: a process of another account cannot open its
// end by way of /dev/stdin, and what is more than the pipe holds would wait for a reader.
func inMemory(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("vobox-reconcile", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "standard input")
	if _, err = f.Write(data); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
