// Command vobox-sandbox runs a whole grid in one directory: a CA, a MyProxy server, a VOMS server and a VO box to keep,
// so that vobox-reconcile, and the stock grid tools, can be tried where there is no grid.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, as those of vobox-reconcile.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 64
)

const help = `Usage: vobox-sandbox --dir DIR [flags]           start a site and serve it until stopped
       vobox-sandbox ctl --dir DIR COMMAND ...   change something about a running site

The site lives in DIR and listens on loopback only. When it is up, its paths are printed as lines that a shell can read
and DIR/ready appears:

    vobox-sandbox --dir /tmp/box &
    until test -e /tmp/box/ready; do sleep 0.1; done
    . /tmp/box/env
    vobox-reconcile --dry-run           # finds its configuration by VOBOX_RECONCILE_CONFIG
    voms-proxy-info -file "$SANDBOX_LOGIN_PROXY" -all

It ends on SIGTERM, on Ctrl-C, when --duration is over, on "ctl stop", or when the pipe at its standard input is closed.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], pipe(os.Stdin), os.Stdout, os.Stderr))
}

// pipe returns f if its end means something: a shell gives /dev/null to what runs in the background, and its end of file
// must not stop the servers.
func pipe(f *os.File) io.Reader {
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return nil
	}
	return f
}

// run is main without the process around it. A nil stdin never ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	do := serve
	if len(args) > 0 && args[0] == "ctl" {
		do, args = control, args[1:]
	}
	err := do(ctx, args, stdin, stdout, stderr)
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "vobox-sandbox: %v\nTry: vobox-sandbox --help\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "vobox-sandbox: %v\n", err)
	return exitFail
}

// A usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
