package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

type passFlags struct {
	dryRun    bool
	only      []string
	force     []string
	noRestart bool
	shard     string
	at        string
	lockWait  time.Duration
	watch     bool
	version   bool
}

func (p *passFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&p.dryRun, "dry-run", false, "observe, plan and print; touch nothing")
	f.StringArrayVar(&p.only, "only", nil, "look after the proxy, env file or service of this `name` only (repeatable)")
	f.StringArrayVar(&p.force, "force", nil, "renew the proxy of this `name` although it is not due (repeatable)")
	f.BoolVar(&p.noRestart, "no-restart", false, "restart no service now; a later pass does")
	f.StringVar(&p.shard, "shard", "", "look after the part `I/N` only: of N runs with this configuration, the I-th")
	f.StringVar(&p.at, "at", "", "with --dry-run: plan as if it were that `time`")
	f.DurationVar(&p.lockWait, "lock-wait", 30*time.Second, "how `long` to wait for another run to end")
	f.BoolVar(&p.watch, "watch", false, "stay: a pass at start, on every change, and whenever one is due; the log has level info unless told otherwise")
	f.BoolVar(&p.version, "version", false, "print the version, as the command version does")
}

func (a *app) pass(ctx context.Context, p passFlags) error {
	if p.watch {
		return a.watch(ctx, p)
	}
	if p.at != "" && !p.dryRun {
		return usage("--at goes with --dry-run: a pass happens now")
	}
	now, err := a.clock(p.at)
	if err != nil {
		return err
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	want := cfg.Desired()
	opts, err := options(want, p)
	if err != nil {
		return err
	}
	if err := checkReader(want); err != nil {
		return err
	}
	meter := a.meter()
	engine, err := a.engine(cfg, want, now)
	if err != nil {
		return err
	}
	if p.dryRun {
		at := now()
		if p.at != "" {
			a.rehearse(want, at)
		}
		return a.finish(reconcile.Preview(plan.Compute(want, engine.Observe(want), at, opts), at), want, true)
	}
	if err := checkInvoker(want); err != nil {
		return err
	}
	unlock, err := a.lock(ctx, want, p.lockWait)
	if err != nil {
		return err
	}
	defer unlock()
	meter.watch(engine)
	guarded, release := a.guard(ctx, engine)
	report, err := engine.Pass(guarded, want, opts)
	meter.stop()
	stopped := release()
	if err != nil {
		return err
	}
	a.measure(cfg, want, engine, report)
	err = a.finish(report, want, false)
	if stopped == nil {
		n := notifier{app: a, log: a.logger()}
		n.tell(ctx, cfg, want, report.Alerts, endedBy(want, report, opts, false))
	} else if err != nil {
		return &exitError{code: exitFailed, err: stopped}
	}
	return err // of a signal that came when all was done nobody has to hear
}

// checkInvoker refuses a pass by somebody who can neither own the files nor restart the services as the configuration has
// it.
func checkInvoker(want plan.Desired) error {
	if uid := os.Geteuid(); uid != 0 && want.UID >= 0 && want.UID != uid {
		return usage("this configuration is for the account %s, and you are uid %d: run it as root or as %s", want.User, uid, want.User)
	}
	return nil
}

// lock waits for another run to end; a person is told so.
func (a *app) lock(ctx context.Context, want plan.Desired, wait time.Duration) (unlock func(), err error) {
	if a.talk.terminal && wait > 0 {
		unlock, err = reconcile.Lock(ctx, want, 0)
		if !errors.Is(err, reconcile.ErrLocked) {
			return unlock, err
		}
		fmt.Fprintf(a.stderr, "another run is under way, waiting up to %s for it …\n", plan.Span(wait))
	}
	return reconcile.Lock(ctx, want, wait)
}

// options are those of a plan. Names that the configuration does not have are refused; an env file may be named by the last
// element of its path.
func options(want plan.Desired, p passFlags) (plan.Options, error) {
	o := plan.Options{NoRestart: p.noRestart}
	known := namesOf(want)
	for _, name := range p.force {
		i := slices.IndexFunc(want.Credentials, func(c plan.Credential) bool { return c.Name == name })
		switch {
		case i < 0:
			return o, usage("--force %q: there is no such proxy; there are %s", name, strings.Join(known.credentials, ", "))
		case want.Credentials[i].Observe:
			return o, usage("--force %q: another program keeps it (machineProxy.manage)", name)
		}
		o.Force = append(o.Force, name)
	}
	for _, name := range p.only {
		full, ok := known.full[name]
		if !ok {
			return o, usage("--only %q: there is nothing of that name; there are %s", name, strings.Join(known.all, ", "))
		}
		o.Only = append(o.Only, full)
	}
	if p.shard != "" {
		part, err := parseShard(p.shard)
		if err != nil {
			return o, err
		}
		o.Only = part.only(want, o)
	}
	return o, nil
}

// A names is what can be named on the command line.
type names struct {
	credentials []string
	all         []string          // as they are shown
	full        map[string]string // what a name stands for
}

func namesOf(want plan.Desired) names {
	n := names{full: map[string]string{}}
	short := shortNames(want.EnvFiles)
	for _, f := range want.EnvFiles {
		n.full[f.Path], n.full[short.Replace(f.Path)] = f.Path, f.Path
	}
	for _, c := range want.Credentials {
		n.credentials, n.full[c.Name] = append(n.credentials, c.Name), c.Name
	}
	n.all = append(n.all, n.credentials...)
	for _, f := range want.EnvFiles {
		n.all = append(n.all, short.Replace(f.Path))
	}
	for _, s := range want.Services {
		n.all, n.full[s.Name] = append(n.all, s.Name), s.Name
	}
	return n
}

// finish prints a report and turns it into an exit code.
func (a *app) finish(r *reconcile.Report, want plan.Desired, dryRun bool) error {
	if a.output == "json" {
		if err := a.printJSON(reportJSON(r, dryRun)); err != nil {
			return err
		}
	} else {
		a.printReport(r, want, dryRun)
	}
	switch {
	case r.Failed():
		return exit(exitFailed)
	case dryRun && r.Changed():
		return exit(exitPending)
	}
	return nil
}
