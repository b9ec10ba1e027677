package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

type doctorFlags struct {
	only    []string
	offline bool
	list    bool
	at      string
}

func (a *app) doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for every known cause of trouble",
		Long: `Look for every known cause of trouble, on the box and, unless --offline, with the
servers. Each finding says what is wrong, why it matters, and what to type where.
Nothing is changed: credentials that servers give for the asking are looked at
and thrown away.

The exit code is 1 if something was found that is critical.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), f) },
	}
	cmd.Flags().StringArrayVar(&f.only, "only", nil, "make the check of this `name or id` only (repeatable)")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "talk to no server")
	cmd.Flags().BoolVar(&f.list, "list", false, "list the checks and the ids of what they find")
	cmd.Flags().StringVar(&f.at, "at", "", "as if it were that `time`; talks to no server")
	_ = cmd.RegisterFlagCompletionFunc("only", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return selectable(doctor.Checks()), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// selectable are the names of checks, with what they look at, and the ids of what they find.
func selectable(checks []doctor.Check) []string {
	var names, ids []string
	for _, c := range checks {
		names, ids = append(names, c.Name+"\t"+c.Title), append(ids, c.IDs...)
	}
	slices.Sort(ids)
	return append(names, slices.Compact(ids)...)
}

func (a *app) doctor(ctx context.Context, f doctorFlags) error {
	checks, err := doctor.Select(doctor.Checks(), f.only, f.offline || f.at != "")
	if err != nil {
		return usage("--only: %v", err)
	}
	if f.list {
		return a.listChecks(checks)
	}
	now, err := a.clock(f.at)
	if err != nil {
		return err
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if err := checkReader(cfg.Desired()); err != nil {
		return err
	}
	box, err := a.box(cfg, now)
	if err != nil {
		return err
	}
	results := doctor.Examine(ctx, box, checks, a.counting(len(checks)))
	found := doctor.Sorted(results)
	if a.output == "json" {
		err = a.printJSON(doctorJSON(results, found, now()))
	} else {
		a.printDoctor(results, found, box.Want)
	}
	if err == nil && slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Severity == plan.Critical }) {
		err = exit(exitFailed)
	}
	return err
}

// box is what the checks look at.
func (a *app) box(cfg *config.Config, now func() time.Time) (*doctor.Box, error) {
	want := cfg.Desired()
	engine, err := a.engine(cfg, want, now)
	if err != nil {
		return nil, err
	}
	b := &doctor.Box{Want: want, Have: engine.Observe(want), Trust: engine.Trust, Now: now,
		VOMSES:  cfg.Trust.VOMSES,
		Servers: sync.OnceValues(func() ([]voms.Server, error) { return voms.Load(cfg.Trust.VOMSES) }),
		TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
			return engine.Trust.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, now)
		},
		Timeout: cfg.MyProxy.Timeout, LoginProxy: engine.LoginProxy, Getenv: a.getenv, Config: a.configPath(), Channels: len(cfg.Alerts)}
	for _, al := range cfg.Alerts {
		if al.Email != nil {
			b.Mail = append(b.Mail, al.Email.SMTP)
			if al.Email.TLS == config.TLSImplicit {
				b.MailTLS = append(b.MailTLS, al.Email.SMTP)
			}
		}
		if al.Webhook != nil {
			b.Webhooks = append(b.Webhooks, doctor.HookPeer(al.Webhook.URL))
		}
	}
	return b, nil
}

// counting shows on a terminal how far the checks are.
func (a *app) counting(n int) func(doctor.Result) {
	if !a.talk.terminal {
		return nil
	}
	done := 0
	return func(r doctor.Result) {
		done++
		fmt.Fprintf(a.stderr, "\r\x1b[K%d of %d checks, last: %s", done, n, r.Check.Title)
		if done == n {
			fmt.Fprint(a.stderr, "\r\x1b[K")
		}
	}
}

type checkDoc struct {
	Name    string   `json:"name"`
	IDs     []string `json:"ids"`
	State   string   `json:"state"` // ok, found or skipped
	Skipped string   `json:"skipped"`
}

type doctorDoc struct {
	Version  int              `json:"version"`
	Time     time.Time        `json:"time"`
	Findings []doctor.Finding `json:"findings"`
	Checks   []checkDoc       `json:"checks"`
}

func doctorJSON(results []doctor.Result, found []doctor.Finding, now time.Time) doctorDoc {
	d := doctorDoc{Version: 1, Time: status.Seconds(now), Findings: append([]doctor.Finding{}, found...), Checks: []checkDoc{}}
	for _, r := range results {
		c := checkDoc{Name: r.Check.Name, IDs: r.Check.IDs, State: "ok", Skipped: r.Skipped}
		switch {
		case len(r.Findings) > 0:
			c.State = "found"
		case r.Skipped != "":
			c.State = "skipped"
		}
		d.Checks = append(d.Checks, c)
	}
	return d
}

func (a *app) listChecks(checks []doctor.Check) error {
	if a.output == "json" {
		docs := []checkDoc{}
		for _, c := range checks {
			docs = append(docs, checkDoc{Name: c.Name, IDs: c.IDs, State: "listed"})
		}
		return a.printJSON(docs)
	}
	for _, c := range checks {
		fmt.Fprintf(a.stdout, "%s  %s\n", a.out.paint(bold, c.Name), c.Title)
		for _, line := range wrap(strings.Join(c.IDs, " "), max(a.out.width, 80)-4) {
			fmt.Fprintf(a.stdout, "    %s\n", a.out.paint(dim, line))
		}
	}
	return nil
}

// printDoctor shows the findings, worst first, and what could not be looked at.
func (a *app) printDoctor(results []doctor.Result, found []doctor.Finding, want plan.Desired) {
	w := a.text(want)
	critical := 0
	for _, f := range found {
		if f.Severity == plan.Critical {
			critical++
		}
		al := plan.Alert{ID: f.ID, Severity: f.Severity, Subject: printable(f.Subject), Message: printable(f.Message), Where: f.Where}
		if len(al.Subject) > 40 && !strings.Contains(al.Message, al.Subject) {
			al.Message = al.Subject + ": " + al.Message // alerts leave out a long subject, which their message has
		}
		w.alert(al)
		if f.Why != "" {
			w.para(dim, 4, printable(f.Why))
		}
		al.Remedy = printable(f.Remedy)
		w.remedy(al)
	}
	looked := 0
	for _, r := range results {
		switch {
		case r.Skipped == "":
			looked++
		case r.Skipped != doctor.ErrNothing.Error():
			w.para(dim, 0, fmt.Sprintf("not looked at: %s: %s", r.Check.Title, printable(r.Skipped)))
		}
	}
	verdict := w.paint(green, "nothing found")
	if len(found) > 0 {
		verdict = w.paint(yellow, count(len(found), "finding"))
	}
	if critical > 0 {
		verdict += ", " + w.paint(red, fmt.Sprintf("%d critical", critical))
	}
	fmt.Fprintf(w, "%s; %s made\n", verdict, count(looked, "check"))
}
