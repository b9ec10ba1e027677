package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A reporter prints a plan, or what became of it.
type reporter struct {
	*writer
	report *reconcile.Report
	titles map[string]string // of steps, by id
	told   map[int]bool      // alerts that were printed with the step that failed
}

// printReport writes a plan or what became of it. A pass that changed nothing prints nothing to a pipe, so that cron sends
// no mail.
func (a *app) printReport(r *reconcile.Report, want plan.Desired, dryRun bool) {
	waiting := !slices.ContainsFunc(r.Outcomes, func(o reconcile.Outcome) bool { return o.Result != reconcile.Deferred })
	if waiting && !dryRun && !a.out.terminal {
		return // nothing was done: a restart that still waits is no news to cron
	}
	r = printableReport(r)
	p := reporter{writer: a.text(want), report: r, titles: map[string]string{}, told: map[int]bool{}}
	for _, o := range r.Outcomes {
		p.titles[o.Step.ID] = p.names.Replace(title(o.Step))
	}
	switch {
	case !r.Changed() && dryRun:
		fmt.Fprintf(p, "%s nothing to do for %s\n", p.paint(green, "="), want.VO)
	case !r.Changed():
		fmt.Fprintf(p, "%s all is as it should be\n", p.paint(green, "="))
	case dryRun:
		fmt.Fprintf(p, "%s\n\n", p.paint(bold, fmt.Sprintf("%s for %s; a dry run touches nothing", count(len(r.Outcomes), "step"), want.VO)))
	}
	for _, o := range r.Outcomes {
		p.step(o)
	}
	for i, al := range r.Alerts {
		if !p.told[i] {
			p.alert(al)
		}
	}
	if r.Changed() && !dryRun {
		fmt.Fprintf(p, "%s\n", summary(r))
	}
	if !r.NextLook.IsZero() && (dryRun || p.terminal || r.Failed()) {
		fmt.Fprintf(p, "%s\n", p.paint(dim, "next look "+when(r.NextLook, r.Time)))
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

// step shows one step: what and where, how it ended, and why it is done. A plan shows why an env file is written by its
// diff, a pass by the reason.
func (p *reporter) step(o reconcile.Outcome) {
	mark, style := sign(o)
	result, resultStyle := p.result(o)
	name := title(o.Step)
	if o.Step.Kind == "env-file" || o.Step.Kind == "link" {
		verb, path, _ := strings.Cut(p.tidy(name), " ")
		room := 0
		if p.width > 0 {
			room = max(p.width-len(mark)-len(verb)-2-min(columns(result), 24), 20)
		}
		name = verb + " " + fit(path, room)
	}
	fmt.Fprintf(p, "%s %s", p.paint(style, mark), p.paint(bold, name))
	used := columns(name) + 2
	switch {
	case result != "" && p.width > 0 && used+2+columns(result) > p.width:
		fmt.Fprintln(p)
		p.para(resultStyle, 4, result)
	case result != "":
		fmt.Fprintf(p, "  %s\n", p.paint(resultStyle, result))
	case o.Step.Path != "" && o.Step.Path != o.Step.Target:
		room := 0
		if p.width > 0 {
			room = max(p.width-used-2, 12)
		}
		fmt.Fprintf(p, "  %s\n", p.paint(dim, fit(p.tidy(o.Step.Path), room)))
	default:
		fmt.Fprintln(p)
	}
	switch {
	case o.Result == reconcile.Skipped:
	case o.Result == reconcile.Failed:
		p.failure(o)
	case o.Result == reconcile.Planned && o.Step.Diff != "":
		p.diff(o.Step.Diff)
	default:
		p.para("", 4, p.reason(o.Step))
	}
	if needs := p.needs(o.Step); needs != "" && o.Result == reconcile.Planned {
		p.para(dim, 4, "after "+needs)
	}
}

// failure says why a step failed: with the alert that explains it, if there is one.
func (p *reporter) failure(o reconcile.Outcome) {
	message := o.Err.Error()
	if reason := p.reason(o.Step); !strings.Contains(message, reason) {
		p.para("", 4, reason)
	}
	for i, al := range p.report.Alerts {
		if !p.told[i] && al.Subject == o.Step.Target && strings.HasPrefix(al.Message, message) {
			for j, other := range p.report.Alerts { // the plan may have said so before
				p.told[j] = p.told[j] || other.Subject == al.Subject && other.ID == al.ID
			}
			p.para(red, 4, al.ID+": "+al.Message)
			p.remedy(al)
			return
		}
	}
	p.para(red, 4, message)
}

// reason is the step's, with the services' env files by name: their steps stand above.
func (p *reporter) reason(s plan.Step) string {
	if s.Kind == "service" {
		return p.names.Replace(s.Reason)
	}
	return s.Reason
}

// needs names the steps that go before, but for those that the reason names.
func (p *reporter) needs(s plan.Step) string {
	var names []string
	for _, id := range s.Needs {
		i := slices.IndexFunc(p.report.Outcomes, func(o reconcile.Outcome) bool { return o.Step.ID == id })
		if i < 0 {
			continue
		}
		if t := p.report.Outcomes[i].Step.Target; s.Kind == "service" && strings.Contains(s.Reason, t) {
			continue
		}
		names = append(names, subject(p.report.Outcomes[i].Step))
	}
	return strings.Join(names, ", ")
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
	if s.Kind == "link" {
		return "link " + s.Path
	}
	return string(s.Action) + " " + subject(s)
}

// subject is what a step is about.
func subject(s plan.Step) string {
	switch s.Kind {
	case "machine-proxy":
		return "the machine proxy"
	case "proxy":
		return "proxy " + s.Target
	}
	return s.Target
}

// result says how a step ended.
func (p *reporter) result(o reconcile.Outcome) (words, style string) {
	switch o.Result {
	case reconcile.Done:
		return "done in " + took(o.Took), green
	case reconcile.Failed:
		return "failed after " + took(o.Took), red
	case reconcile.Skipped:
		return "skipped: " + p.because(o), yellow
	case reconcile.Deferred:
		return "waits until " + plan.Clock(o.Step.NotBefore), yellow
	}
	return "", ""
}

// because says why a step was skipped, with the title of the step that is to blame.
func (p *reporter) because(o reconcile.Outcome) string {
	if o.Err == nil {
		return "a step it needs did not succeed"
	}
	words := o.Err.Error()
	for _, id := range o.Step.Needs {
		if rest, ok := strings.CutPrefix(words, id+" "); ok && p.titles[id] != "" {
			return p.titles[id] + " " + rest
		}
	}
	return words
}

func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// diff prints a unified diff without its head: the step says which file it is, and one hunk needs no address.
func (p *reporter) diff(diff string) {
	many := strings.Count("\n"+diff, "\n@@ ") > 1
	for i, line := range slices.Collect(strings.Lines(diff)) {
		line = strings.TrimSuffix(line, "\n")
		style := ""
		switch {
		case i < 2 && (strings.HasPrefix(line, "+++ ") || strings.HasPrefix(line, "--- ")):
			continue
		case strings.HasPrefix(line, "@@"):
			if style = cyan; !many {
				continue
			}
		case strings.HasPrefix(line, "+"):
			style = green
		case strings.HasPrefix(line, "-"):
			style = red
		}
		fmt.Fprintf(p, "    %s\n", p.paint(style, line))
	}
}
