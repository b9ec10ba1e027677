package main

import (
	"context"
	"fmt"
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
	at        string
	lockWait  time.Duration
}

func (p *passFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&p.dryRun, "dry-run", false, "observe, plan and print; touch nothing")
	f.StringArrayVar(&p.only, "only", nil, "look after this proxy, env file or service only (repeatable)")
	f.StringArrayVar(&p.force, "force", nil, "renew this proxy although it is not due (repeatable)")
	f.BoolVar(&p.noRestart, "no-restart", false, "restart no service now; a later pass does")
	f.StringVar(&p.at, "at", "", "with --dry-run: plan as if it were that `time`")
	f.DurationVar(&p.lockWait, "lock-wait", 30*time.Second, "how long to wait for another run")
}

func (a *app) pass(ctx context.Context, p passFlags) error {
	if p.at != "" && !p.dryRun {
		return usage("--at goes with --dry-run: a pass happens now")
	}
	now, err := clock(p.at)
	if err != nil {
		return err
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	want := cfg.Desired()
	if err := checkNames(want, p); err != nil {
		return err
	}
	engine, err := a.engine(cfg, want, now)
	if err != nil {
		return err
	}
	opts := plan.Options{Only: p.only, Force: p.force, NoRestart: p.noRestart}
	if p.dryRun {
		at := now()
		return a.finish(reconcile.Preview(plan.Compute(want, engine.Observe(want), at, opts), at), want, true)
	}
	release, err := reconcile.Lock(ctx, want, p.lockWait)
	if err != nil {
		return err
	}
	defer release()
	meter := a.progress(engine)
	report, err := engine.Pass(ctx, want, opts)
	meter.stop()
	if err != nil {
		return err
	}
	return a.finish(report, want, false)
}

// checkNames refuses names on the command line that the configuration does not have.
func checkNames(want plan.Desired, p passFlags) error {
	var credentials, all []string
	for _, c := range want.Credentials {
		credentials = append(credentials, c.Name)
	}
	all = append(all, credentials...)
	for _, f := range want.EnvFiles {
		all = append(all, f.Path)
	}
	for _, s := range want.Services {
		all = append(all, s.Name)
	}
	for _, name := range p.force {
		if !slices.Contains(credentials, name) {
			return usage("--force %q: there is no such proxy; there are %s", name, strings.Join(credentials, ", "))
		}
	}
	for _, name := range p.only {
		if !slices.Contains(all, name) {
			return usage("--only %q: there is nothing of that name; there are %s", name, strings.Join(all, ", "))
		}
	}
	return nil
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

// printReport writes a plan or what became of it. A pass that changed nothing prints nothing to a pipe, so that cron sends
// no mail.
func (a *app) printReport(r *reconcile.Report, want plan.Desired, dryRun bool) {
	if !r.Changed() && !dryRun && !a.out.terminal {
		return
	}
	w, p := a.stdout, a.out
	switch {
	case !r.Changed() && dryRun:
		fmt.Fprintf(w, "%s nothing to do for %s.\n", p.paint(green, "="), want.VO)
	case !r.Changed():
		fmt.Fprintf(w, "%s all is as it should be.\n", p.paint(green, "="))
	case dryRun:
		fmt.Fprintf(w, "%s\n\n", p.paint(bold, fmt.Sprintf("%s for %s; nothing is touched by --dry-run", count(len(r.Outcomes), "step"), want.VO)))
	}
	for _, o := range r.Outcomes {
		a.printStep(o)
	}
	a.printAlerts(r.Alerts)
	if r.Changed() && !dryRun {
		fmt.Fprintf(w, "%s\n", summary(r))
	}
	if !r.NextLook.IsZero() && (dryRun || p.terminal) {
		fmt.Fprintf(w, "%s\n", p.paint(dim, "next look "+when(r.NextLook, r.Time)))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// when prints a moment and how far away it is.
func when(t, now time.Time) string {
	if !t.After(now) {
		return plan.Clock(t) + ", now"
	}
	return plan.Clock(t) + ", in " + plan.Span(t.Sub(now))
}

func summary(r *reconcile.Report) string {
	n := map[reconcile.Result]int{}
	for _, o := range r.Outcomes {
		n[o.Result]++
	}
	var parts []string
	for _, res := range []reconcile.Result{reconcile.Done, reconcile.Failed, reconcile.Skipped, reconcile.Deferred} {
		if n[res] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[res], res))
		}
	}
	return count(len(r.Outcomes), "step") + ": " + strings.Join(parts, ", ")
}

// printStep shows one step: what, where, why, and how it ended.
func (a *app) printStep(o reconcile.Outcome) {
	w, p := a.stdout, a.out
	mark, style := sign(o)
	fmt.Fprintf(w, "%s %s", p.paint(style, mark), p.paint(bold, title(o.Step)))
	if o.Result != reconcile.Planned {
		_, style := resultWords(o)
		words, _ := resultWords(o)
		fmt.Fprintf(w, "  %s", p.paint(style, words))
	}
	fmt.Fprintln(w)
	if o.Step.Path != "" && o.Step.Path != o.Step.Target {
		fmt.Fprintf(w, "    %s\n", p.paint(dim, o.Step.Path))
	}
	fmt.Fprintf(w, "    %s\n", o.Step.Reason)
	if len(o.Step.Needs) > 0 && o.Result == reconcile.Planned {
		fmt.Fprintf(w, "    %s\n", p.paint(dim, "after "+strings.Join(o.Step.Needs, ", ")))
	}
	if o.Err != nil {
		fmt.Fprintf(w, "    %s\n", p.paint(red, o.Err.Error()))
	}
	a.printDiff(o.Step.Diff)
}

// sign is + for what is new, ~ for what changes, ! for what failed.
func sign(o reconcile.Outcome) (mark, style string) {
	switch {
	case o.Result == reconcile.Failed:
		return "!", red
	case o.Result == reconcile.Skipped || o.Result == reconcile.Deferred:
		return "-", yellow
	case o.Step.New:
		return "+", green
	}
	return "~", yellow
}

func title(s plan.Step) string {
	switch s.Kind {
	case "machine-proxy":
		return string(s.Action) + " the machine proxy"
	case "proxy":
		return string(s.Action) + " proxy " + s.Target
	case "link":
		return "link " + s.Path
	}
	return string(s.Action) + " " + s.Target
}

func resultWords(o reconcile.Outcome) (words, style string) {
	switch o.Result {
	case reconcile.Done:
		return "done in " + took(o.Took), green
	case reconcile.Failed:
		return "failed after " + took(o.Took), red
	case reconcile.Skipped:
		return "skipped", yellow
	case reconcile.Deferred:
		return "waits until " + plan.Clock(o.Step.NotBefore), yellow
	}
	return string(o.Result), dim
}

func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func (a *app) printDiff(diff string) {
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		style := ""
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			style = bold
		case strings.HasPrefix(line, "+"):
			style = green
		case strings.HasPrefix(line, "-"):
			style = red
		case strings.HasPrefix(line, "@@"):
			style = cyan
		}
		if style != "" {
			line = a.out.paint(style, line)
		}
		fmt.Fprintf(a.stdout, "      %s\n", line)
	}
}

func (a *app) printAlerts(alerts []plan.Alert) {
	for _, al := range alerts {
		style := yellow
		if al.Severity == plan.Critical {
			style = red
		}
		fmt.Fprintf(a.stdout, "%s %s\n", a.out.paint(style, "! "+al.ID+" "+al.Subject+":"), al.Message)
		if al.Remedy != "" {
			fmt.Fprintf(a.stdout, "    %s %s\n", a.out.paint(cyan, al.Where+">"), al.Remedy)
		}
	}
}
