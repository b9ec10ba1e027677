package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// When watch mode is told to stop, the engine begins no further step. The step in hand goes on to its end: a restart that
// is cut off in the middle leaves a service stopped, and a renewal that is cut off has to be asked for again. A panic in
// one is the failure of that step, not the end of the watch.

// A patientIssuer ends an exchange that has begun.
type patientIssuer struct {
	reconcile.Issuer
	life context.Context
}

func (p patientIssuer) Issue(ctx context.Context, want plan.Credential, a issue.Authority) (issued *issue.Issued, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := toTheEnd(ctx, p.life)
	defer cancel()
	defer survive(&err)
	return p.Issuer.Issue(ctx, want, a)
}

// patientServices end a restart that has begun.
type patientServices struct {
	reconcile.Restarter
	life context.Context
}

func (p patientServices) Restart(ctx context.Context, c service.Command) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := toTheEnd(ctx, p.life)
	defer cancel()
	defer survive(&err)
	return p.Restarter.Restart(ctx, c)
}

// toTheEnd is a context with the deadline of ctx that ends early only when life does.
func toTheEnd(ctx, life context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(life, deadline)
	}
	return context.WithCancel(life)
}

func survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("an error in this program: %v\n%s", p, debug.Stack())
	}
}
