package main

import (
	"bytes"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

type statusFlags struct {
	at     string
	watch  time.Duration // zero: once
	nagios bool
	html   string // where to write the page; empty: nowhere
}

func (a *app) statusCommand() *cobra.Command {
	var s statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is left of every credential, and what comes next",
		Long: `Show every credential, env file and service: what is left, what comes next, and
what will break first. Nothing is touched.

  vobox-reconcile status                  once
  vobox-reconcile status --watch          and again every 5 seconds, in place; q
                                          or ^C ends it
  vobox-reconcile status --at +14d        a rehearsal: what would be then, with
                                          and without passes until then, and
                                          what renewals cannot mend
  vobox-reconcile status --nagios         the line of a monitoring plugin
  vobox-reconcile status --html FILE      the page that --watch serves

The exit code is 1 if a credential has expired, is missing or cannot be used, or
if an alert is critical; with --at, if that were so without a pass. With
--nagios it is 0 for OK, 1 for WARNING, 2 for CRITICAL, and 3 for UNKNOWN, which
is what a configuration with faults gives.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if _, err := time.ParseDuration(firstOf(args...)); err == nil && cmd.Flags().Changed("watch") {
				return usage("the interval goes with an equals sign: --watch=%s", args[0])
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.html != "" {
				return a.statusPage(cmd, s)
			}
			if s.nagios {
				return a.nagios(cmd, s)
			}
			if cmd.Flags().Changed("watch") {
				return a.watchStatus(cmd.Context(), s)
			}
			return a.status(s.at)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.at, "at", "", "as if it were that `time`: 2026-12-24, or +14d from now")
	f.DurationVar(&s.watch, "watch", 0, "again every `interval`, in place on a terminal")
	f.Lookup("watch").NoOptDefVal = "5s"
	f.StringVar(&s.html, "html", "", "write a page to that `file` and print nothing; - is standard output")
	f.BoolVar(&s.nagios, "nagios", false, "one line for Nagios and its kin, and their exit codes")
	return cmd
}

// A view is a box at one moment, and what it is wanted to be.
type view struct {
	doc  status.Doc
	want plan.Desired
	box  status.Box
}

// view looks at the box, and at what the last pass failed at. At a time other than the present, it is the box as it is now,
// taken for what it would be then, together with what passes until then would have made of it.
func (a *app) view(at string) (view, error) {
	clock, err := a.clock(at)
	if err != nil {
		return view{}, err
	}
	cfg, err := a.load()
	if err != nil {
		return view{}, err
	}
	v := view{want: cfg.Desired()}
	if err := checkReader(v.want); err != nil {
		return view{}, err
	}
	engine, err := a.engine(cfg, v.want, clock)
	if err != nil {
		return view{}, err
	}
	v.box = boxOf(engine, v.want, clock())
	if at == "" {
		v.box.Plan.Alerts = append(a.failing(v.want, v.box.Plan, v.box.Now), v.box.Plan.Alerts...)
	}
	v.doc = v.box.Describe()
	if at != "" {
		if engine, err = a.engine(cfg, v.want, a.now); err != nil {
			return view{}, err
		}
		v.doc.Rehearsal = boxOf(engine, v.want, a.now()).Rehearse(clock())
	}
	return v, nil
}

// boxOf looks at the box as of a time, which is the engine's.
func boxOf(e *reconcile.Engine, want plan.Desired, now time.Time) status.Box {
	have := e.Observe(want)
	return status.Box{Want: want, Have: have, Plan: plan.Compute(want, have, now, plan.Options{}), Now: now,
		Looks: status.LookAt(e.Trust, want, have, now)}
}

func (a *app) status(at string) error {
	v, err := a.view(at)
	if err != nil {
		return err
	}
	if a.output == "json" {
		if err := a.printJSON(v.doc); err != nil {
			return err
		}
	} else {
		w := a.text(v.want)
		if at != "" && v.doc.Rehearsal == nil {
			w.taken(v.doc.Time, a.now())
		}
		a.printStatus(w, v.doc)
	}
	if v.doc.Bad() {
		return exit(exitFailed)
	}
	return nil
}

// nagios prints what monitoring plugins print. Whatever goes wrong is UNKNOWN, on standard output: nobody sees the other.
func (a *app) nagios(cmd *cobra.Command, s statusFlags) error {
	code, text := status.NagiosUnknown, ""
	switch {
	case cmd.Flags().Changed("watch"):
		text = status.NagiosFailure("--nagios and --watch exclude each other")
	case cmd.Flags().Changed("output"):
		text = status.NagiosFailure("--nagios has a format of its own, and --output goes with status alone")
	default:
		v, err := a.view(s.at)
		if err != nil {
			text = status.NagiosFailure(err.Error())
			break
		}
		code, text = v.doc.Nagios()
	}
	if _, err := a.stdout.Write([]byte(text)); err != nil {
		return exit(status.NagiosUnknown)
	}
	return exit(code)
}

// frame is the status as text for people, so many columns wide.
func (a *app) frame(v view, width int) []byte {
	var b bytes.Buffer
	w := a.text(v.want)
	w.Writer, w.width = &b, width
	a.printStatus(w, v.doc)
	return b.Bytes()
}
