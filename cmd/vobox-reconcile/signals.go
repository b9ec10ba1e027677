package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A stop is the end of a run that a signal asked for.
type stop struct{ signal os.Signal }

func (s stop) Error() string {
	return fmt.Sprintf("stopped by a signal (%v); the next run does what was not done", s.signal)
}

// guard makes the engine stop in order when a signal comes: from the first step on, which is when there is something to
// leave in order. Before that, and at a second signal, the process simply ends. The release it returns ends that, and
// tells whether a signal came.
func (a *app) guard(ctx context.Context, e *reconcile.Engine) (guarded context.Context, release func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	caught := make(chan os.Signal, 1)
	done := make(chan struct{})
	var first sync.Once
	begin := func() {
		a.beginWork()
		if !a.signals {
			return
		}
		signal.Notify(caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		go func() {
			select {
			case s := <-caught:
				signal.Stop(caught)
				cancel(stop{s})
			case <-done:
			}
		}()
	}
	tell := e.Progress
	e.Progress = func(s plan.Step, o *reconcile.Outcome) {
		first.Do(begin)
		if tell != nil {
			tell(s, o)
		}
	}
	return ctx, func() error {
		signal.Stop(caught)
		close(done)
		cause := context.Cause(ctx)
		cancel(nil)
		if s, ok := errors.AsType[stop](cause); ok {
			return s
		}
		return nil
	}
}

// beginWork is called when there is more to do than to look.
func (a *app) beginWork() {
	if a.work != nil {
		a.work()
	}
}
