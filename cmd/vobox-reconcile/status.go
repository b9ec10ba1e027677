package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func (a *app) statusCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is left of every credential, and what comes next",
		Long: `Show every credential, env file and service: what is left, what comes next, and
what will break first. Nothing is touched.

The exit code is 1 if a credential has expired, is missing or cannot be used, or
if an alert is critical.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			now, err := a.clock(at)
			if err != nil {
				return err
			}
			return a.status(now)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "as if it were that `time`")
	return cmd
}

func (a *app) status(now func() time.Time) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	want := cfg.Desired()
	engine, err := a.engine(cfg, want, now)
	if err != nil {
		return err
	}
	at := now()
	have := engine.Observe(want)
	doc := status.Of(want, have, plan.Compute(want, have, at, plan.Options{}), at)
	if a.output == "json" {
		if err := a.printJSON(doc); err != nil {
			return err
		}
	} else {
		a.printStatus(doc, want, have)
	}
	if doc.Bad() {
		return exit(exitFailed)
	}
	return nil
}
