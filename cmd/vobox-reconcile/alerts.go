package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func (a *app) alertsCommand() *cobra.Command {
	var test bool
	var only []string
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List what is open and who was told, or test the ways to tell",
		Long: `List the open alerts, and when each channel of the configuration was last told of
them. Nothing is touched.

With --test, send a sample through every channel, and say what became of it: a
mail that never arrives is found out before it is needed. The exit code is 1 if
a channel did not take it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(only) > 0 && !test {
				return usage("--only goes with --test")
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if test {
				return a.testAlerts(cmd.Context(), cfg, only)
			}
			return a.listAlerts(cfg)
		},
	}
	cmd.Flags().BoolVar(&test, "test", false, "send a sample through every channel")
	cmd.Flags().StringArrayVar(&only, "only", nil, "with --test: through this `channel` only, such as email or webhook-2 (repeatable)")
	cmd.RegisterFlagCompletionFunc("only", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var labels []string
		if cfg, err := a.load(); err == nil {
			for _, c := range a.channels(cfg, cfg.Desired()) {
				labels = append(labels, c.label+"\t"+c.listener.Name)
			}
		}
		return labels, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// A testDoc is what became of a sample.
type testDoc struct {
	Channel     string  `json:"channel"`
	Name        string  `json:"name"`
	OK          bool    `json:"ok"`
	Error       string  `json:"error"`
	Remedy      string  `json:"remedy"`
	Where       string  `json:"where"`
	TookSeconds float64 `json:"tookSeconds"`
}

// testAlerts sends a sample through the channels.
func (a *app) testAlerts(ctx context.Context, cfg *config.Config, only []string) error {
	want := cfg.Desired()
	channels, err := chosen(a.channels(cfg, want), only)
	if err != nil {
		return err
	}
	if len(channels) == 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("there is no channel to test: write alerts: in %s, for instance\n  alerts:\n    - email: {to: you@example.org}", a.configPath())}
	}
	a.beginWork()
	var list []*notify.Delivery
	for _, c := range channels {
		list = append(list, &notify.Delivery{Channel: c.Channel, Message: notify.Sample(thisHost(), want.VO, a.now())})
	}
	done := a.telling(len(list))
	notify.Deliver(ctx, a.patience, list)
	done()
	docs := []testDoc{}
	failed := false
	for i, d := range list {
		doc := testDoc{Channel: channels[i].label, Name: channels[i].listener.Name, OK: d.Err == nil, TookSeconds: d.Took.Seconds()}
		if d.Err != nil {
			failed = true
			doc.Error = d.Err.Error()
			if why, ok := errors.AsType[*notify.Error](d.Err); ok {
				doc.Remedy, doc.Where = why.Remedy, why.Where
			}
		}
		docs = append(docs, doc)
	}
	if a.output == "json" {
		if err := a.printJSON(docs); err != nil {
			return err
		}
	} else {
		a.printTests(docs, want)
	}
	if failed {
		return exit(exitFailed)
	}
	return nil
}

// chosen are the channels that were named; all, if none was.
func chosen(channels []channel, only []string) ([]channel, error) {
	if len(only) == 0 {
		return channels, nil
	}
	var labels []string
	for _, c := range channels {
		labels = append(labels, c.label)
	}
	var out []channel
	for _, name := range only {
		n := len(out)
		for _, c := range channels {
			if c.label == name || c.Kind() == name {
				out = append(out, c)
			}
		}
		if len(out) == n {
			return nil, usage("--only %q: there is no such channel; there are %s", name, cmp.Or(strings.Join(labels, ", "), "none"))
		}
	}
	return out, nil
}

func (a *app) printTests(docs []testDoc, want plan.Desired) {
	w := a.text(want)
	for _, d := range docs {
		mark, style := "ok   ", green
		if !d.OK {
			mark, style = "error", red
		}
		line := printable(d.Name)
		if d.OK {
			line += ", in " + took(time.Duration(d.TookSeconds*float64(time.Second)))
		}
		fmt.Fprintf(w, "%s  %s\n", w.paint(style, mark), line)
		if !d.OK {
			w.para("", 4, printable(d.Error))
			w.remedy(plan.Alert{Remedy: printable(d.Remedy), Where: d.Where})
		}
	}
}

// An alertDoc is an open alert, and who knows of it.
type alertDoc struct {
	plan.Alert
	Since *time.Time `json:"since"` // null: the next pass sees it first
	Told  []toldDoc  `json:"told"`
}

type toldDoc struct {
	Channel string     `json:"channel"`
	At      *time.Time `json:"at"`   // null: not told
	Next    *time.Time `json:"next"` // when it is told again, if it stays
}

type channelDoc struct {
	Channel     string     `json:"channel"`
	Name        string     `json:"name"`
	AtMostEvery string     `json:"atMostEvery"`
	FailedSince *time.Time `json:"failedSince"` // null: it can be reached, as far as is known
	Error       string     `json:"error"`
}

type alertsDoc struct {
	Version  int          `json:"version"`
	Time     time.Time    `json:"time"`
	LastPass *time.Time   `json:"lastPass"` // that had something to tell
	Alerts   []alertDoc   `json:"alerts"`
	Channels []channelDoc `json:"channels"`
}

// listAlerts shows what is open now, and what only the last pass could find out.
func (a *app) listAlerts(cfg *config.Config) error {
	want := cfg.Desired()
	if err := checkReader(want); err != nil {
		return err
	}
	engine, err := a.engine(cfg, want, a.now)
	if err != nil {
		return err
	}
	now := a.now()
	path := filepath.Join(want.State, memoryFile)
	memory, err := recall(path, now)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(a.stderr, "vobox-reconcile: it is not known what was told: %v\n", printable(err.Error()))
	}
	open := plan.Compute(want, engine.Observe(want), now, plan.Options{}).Alerts
	doc := alertsOf(open, memory, a.channels(cfg, want), now)
	if a.output == "json" {
		return a.printJSON(doc)
	}
	a.printAlerts(doc, want)
	return nil
}

// alertsOf joins what is seen now and what was seen and told.
func alertsOf(open []plan.Alert, memory notify.Memory, channels []channel, now time.Time) alertsDoc {
	doc := alertsDoc{Version: 1, Time: status.Seconds(now), LastPass: status.Moment(memory.Time), Alerts: []alertDoc{}, Channels: []channelDoc{}}
	known := map[string]notify.Alert{}
	for _, al := range memory.Open() {
		known[notify.Key(al.ID, al.Subject)] = al
	}
	for _, al := range open {
		key := notify.Key(al.ID, al.Subject)
		d := alertDoc{Alert: al, Since: status.Moment(known[key].Since)}
		delete(known, key)
		doc.Alerts = append(doc.Alerts, d)
	}
	for _, al := range memory.Open() { // of steps that failed
		if _, left := known[notify.Key(al.ID, al.Subject)]; left {
			doc.Alerts = append(doc.Alerts, alertDoc{Since: status.Moment(al.Since), Alert: asFound(al)})
		}
	}
	slices.SortStableFunc(doc.Alerts, func(a, b alertDoc) int { return cmp.Compare(a.Severity, b.Severity) }) // "critical" first
	for _, c := range channels {
		ledger := memory.Channels[c.listener.Key]
		d := channelDoc{Channel: c.label, Name: c.listener.Name, AtMostEvery: plan.Span(c.listener.Every)}
		if ledger != nil {
			d.FailedSince, d.Error = status.Moment(ledger.Failed), ledger.Error
		}
		doc.Channels = append(doc.Channels, d)
		for i, al := range doc.Alerts {
			t := toldDoc{Channel: c.label}
			if ledger != nil {
				if told, ok := ledger.Told[notify.Key(al.ID, al.Subject)]; ok && told.Ended.IsZero() {
					t.At, t.Next = status.Moment(told.At), status.Moment(told.At.Add(c.listener.Every))
				}
			}
			doc.Alerts[i].Told = append(doc.Alerts[i].Told, t)
		}
	}
	return doc
}

func (a *app) printAlerts(d alertsDoc, want plan.Desired) {
	w := a.text(want)
	if len(d.Alerts) == 0 {
		fmt.Fprintf(w, "%s no alert is open\n", w.paint(green, "="))
	}
	for _, al := range d.Alerts {
		shown := printableAlerts([]plan.Alert{al.Alert})[0]
		w.alert(shown)
		switch {
		case al.Since == nil:
			w.para(dim, 4, "seen now; the next pass tells it")
			continue
		default:
			w.para(dim, 4, "since "+plan.Clock(*al.Since)+", for "+plan.Span(d.Time.Sub(*al.Since)))
		}
		for _, t := range al.Told {
			if t.At == nil {
				w.para(dim, 4, t.Channel+": not told yet")
			} else {
				w.para(dim, 4, t.Channel+": told "+plan.Clock(*t.At)+", again from "+plan.Clock(*t.Next))
			}
		}
	}
	if len(d.Channels) == 0 {
		fmt.Fprintf(w, "nobody is told: there is no alerts: in the configuration\n")
	}
	for _, c := range d.Channels {
		fmt.Fprintf(w, "%s  %s\n", w.paint(bold, c.Channel), printable(strings.TrimPrefix(c.Name, strings.TrimRight(c.Channel, "-0123456789")+" ")))
		if c.FailedSince != nil {
			w.para(red, 4, "not reached since "+plan.Clock(*c.FailedSince)+": "+printable(c.Error))
		}
	}
}
