package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
)

// An inspection looks at files side by side and shows each.
type inspection struct {
	inspect.Inspector
	recursive bool
	stdin     io.Reader
	spaced    bool // an empty line goes between files
	show      func(*inspect.Report) shown
}

// shown is what is said of one file.
type shown struct {
	out, talk []byte // for standard output and standard error
	bad       bool   // the exit code is 1
}

// A look is one file, and where what is said of it comes when it is known.
type look struct {
	path   string
	err    error // why it cannot be read, if that is known already
	result chan shown
}

// ahead is how many files may be looked at, or shown, before the first of them is printed: enough to keep every processor
// busy behind a slow file. Memory is bounded by it, whatever the number of files.
const ahead = 64

// each prints what is said of each file, in order. It ends early when use fails or the context is cancelled.
func (in *inspection) each(ctx context.Context, files []string, use func(shown) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	todo, order := make(chan *look, ahead), make(chan *look, ahead)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for l := range todo {
				l.result <- in.show(in.report(l))
			}
		})
	}
	workers.Go(func() {
		defer close(order)
		defer close(todo)
		in.name(ctx, files, func(l *look) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			select {
			case order <- l:
			case <-ctx.Done():
				return ctx.Err()
			}
			todo <- l
			return nil
		})
	})
	defer workers.Wait()
	defer cancel()
	for l := range order {
		if err := use(<-l.result); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// name hands out the files to look at.
func (in *inspection) name(ctx context.Context, files []string, use func(*look) error) {
	hand := func(path string, err error) error {
		return use(&look{path: path, err: err, result: make(chan shown, 1)})
	}
	for _, path := range files {
		var err error
		if in.recursive && isDirectory(path) {
			err = inspect.Walk(path, hand)
		} else {
			err = hand(path, nil)
		}
		if err != nil { // only when it is over
			return
		}
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return path != "-" && err == nil && info.IsDir()
}

func (in *inspection) report(l *look) *inspect.Report {
	switch {
	case l.err != nil:
		return inspect.Unreadable(l.path, l.err)
	case l.path == "-":
		return in.Reader(l.path, in.stdin)
	}
	return in.File(l.path)
}

// stream prints what is shown of each file as soon as it is its turn.
func (a *app) stream(ctx context.Context, in *inspection, files []string) error {
	code, first := exitOK, true
	out := bufio.NewWriterSize(a.stdout, 32<<10)
	err := in.each(ctx, files, func(s shown) error {
		if s.bad {
			code = exitFailed
		}
		if len(s.talk) > 0 {
			if err := out.Flush(); err != nil { // the two may go to one place
				return err
			}
			if _, err := a.stderr.Write(s.talk); err != nil {
				return err
			}
		}
		if in.spaced && !first {
			out.WriteByte('\n')
		}
		first = false
		out.Write(s.out)
		return a.unhurried(out)
	})
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	return exit(code)
}

// unhurried lets a terminal see each file at once, and everything else when there is enough to write.
func (a *app) unhurried(out *bufio.Writer) error {
	if a.out.terminal {
		return out.Flush()
	}
	_, err := out.Write(nil) // what an earlier write has met
	return err
}
