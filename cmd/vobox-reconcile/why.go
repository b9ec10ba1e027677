package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "why NAME",
		Short: "Explain which rule sets the next renewal, or restart",
		Long: `Explain when a credential is renewed next, an env file written or a service
restarted, by which rule and which numbers: what ends when, which of it ends
first, the threshold and where it comes from, what happens if a renewal fails,
and what limits renewals further out. Nothing is touched.

NAME is one that status shows.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("why takes one name, got %q", args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.why(firstOf(args...)) },
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			cfg, err := a.load()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return namesOf(cfg.Desired()).all, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func (a *app) why(name string) error {
	v, err := a.view("")
	if err != nil {
		return err
	}
	full, err := whichOf(name, v.want)
	if err != nil {
		return err
	}
	w := v.box.Why(full)
	if a.output == "json" {
		return a.printJSON(w)
	}
	a.printWhy(a.text(v.want), w)
	return nil
}

// whichOf finds what a name stands for: a credential, also as it is stored on a server; an env file, by its path or the
// last element of it; a service.
func whichOf(name string, want plan.Desired) (string, error) {
	known := namesOf(want)
	if full, ok := known.full[name]; ok {
		return full, nil
	}
	for _, c := range want.Credentials {
		if mp := c.Source.MyProxy; mp != nil && name == c.Name+"@"+mp.Server {
			return c.Name, nil
		}
	}
	there := "; there are " + strings.Join(known.all, ", ")
	if len(known.all) == 0 {
		there = "; the configuration has nothing to look after"
	}
	if name == "" {
		return "", usage("why takes the name of what to explain%s", there)
	}
	if near := alike(name, known.all); len(near) > 0 {
		return "", usage("there is nothing of the name %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return "", usage("there is nothing of the name %q%s", name, there)
}

// alike returns the names that somebody may have meant: those that begin alike, or differ by a slip or two.
func alike(name string, known []string) []string {
	var near []string
	low := strings.ToLower(name)
	for _, k := range known {
		kl := strings.ToLower(k)
		switch slips := min(2, len(low)/3); {
		case low == "":
		case strings.HasPrefix(kl, low), strings.HasPrefix(low, kl), distance(low, kl) <= slips:
			near = append(near, k)
		}
	}
	return near
}

// distance is how many letters have to be changed, put in, left out, or swapped with the next one, to make one word of the
// other.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// printWhy shows what ends when, then the rules.
func (a *app) printWhy(w *writer, y *status.Why) {
	name := w.names.Replace(printable(y.Name))
	for i, line := range wrap(w.tidy(name+": "+w.names.Replace(printable(y.Summary))), w.width) {
		if rest, ok := strings.CutPrefix(line, name); ok && i == 0 {
			line = w.paint(bold, name) + rest
		}
		fmt.Fprintln(w, line)
	}
	if y.Path != "" {
		room := 0
		if w.width > 0 {
			room = w.width - 4
		}
		fmt.Fprintf(w, "    %s\n", w.paint(dim, fit(w.tidy(printable(y.Path)), room)))
	}
	w.ends(y)
	fmt.Fprintln(w)
	w.rules(y.Rules)
	for _, al := range printableAlerts(y.Alerts) {
		w.alert(al)
	}
	if f := y.Forecast; f != nil && f.Remedy != "" && !slices.ContainsFunc(y.Alerts, func(al plan.Alert) bool { return al.Remedy == f.Remedy }) {
		w.para("", 0, "What keeps it going beyond that:")
		w.remedy(plan.Alert{Remedy: printable(f.Remedy), Where: f.Where})
	}
}

// ends lists what ends when. A mark shows which of it is the effective end.
func (w *writer) ends(y *status.Why) {
	if len(y.Ends) == 0 {
		return
	}
	fmt.Fprintln(w)
	marked, widest := false, 0
	in := func(e status.End) string {
		if e.When.After(y.Time) {
			return "in " + plan.Span(e.When.Sub(y.Time))
		}
		return "over"
	}
	for _, e := range y.Ends {
		widest = max(widest, len(in(e)))
	}
	for _, e := range y.Ends {
		mark, style := "  ", ""
		switch {
		case !marked && e.Counts && y.EffectiveEnd != nil && e.When.Equal(*y.EffectiveEnd):
			mark, style, marked = "> ", bold, true
		case !e.Counts:
			style = dim
		}
		head := fmt.Sprintf("%s%s  %-*s  ", mark, plan.Clock(*e.When), widest, in(e))
		w.hanging(style, head, printable(e.Name))
	}
}

// rules lists what was applied, one below the other.
func (w *writer) rules(rules []status.Rule) {
	label := 0
	for _, r := range rules {
		label = max(label, len(r.Rule))
	}
	last := ""
	for _, r := range rules {
		name := strings.ReplaceAll(r.Rule, "-", " ")
		if name == last {
			name = ""
		} else {
			last = name
		}
		w.hanging("", pad(name, label)+"  ", w.names.Replace(printable(r.Text)))
	}
}

// hanging prints text beside a label, and below where it goes on.
func (w *writer) hanging(style, label, text string) {
	room := w.width - columns(label)
	if w.width > 0 && room < 20 { // no room beside it
		fmt.Fprintln(w, strings.TrimRight(label, " "))
		w.para(style, 4, text)
		return
	}
	for i, line := range wrap(w.tidy(text), room) {
		if i > 0 {
			label = strings.Repeat(" ", columns(label))
		}
		fmt.Fprintf(w, "%s%s\n", label, w.paint(style, line))
	}
}
