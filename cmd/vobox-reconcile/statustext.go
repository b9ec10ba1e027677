package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// printStatus shows each credential as a bar of what is left, then env files and services, then what breaks first.
func (a *app) printStatus(w *writer, d status.Doc) {
	d = printableStatus(d)
	if d.Rehearsal != nil {
		w.rehearsal(d)
		return
	}
	w.table(append(w.credentialRows(d), w.otherRows(d)...), true)
	for _, al := range d.Alerts {
		w.alert(al)
	}
	w.firstToBreak(d.FirstToBreak, "first to break", d)
	if d.NextLook != nil {
		fmt.Fprintf(w, "%s\n", w.paint(dim, "next due "+when(*d.NextLook, d.Time)))
	}
}

// firstToBreak says what ends first. What can be done about it is said when it is near, and no alert does.
func (w *writer) firstToBreak(b *status.Break, title string, d status.Doc) {
	if b == nil {
		return
	}
	at := ", " + when(*b.When, d.Time)
	if _, days, ok := strings.Cut(plan.Deadline(*b.When, d.Time), "; "); ok && b.Where != "VO-Box" && b.Where != "" {
		at += "; " + days // a person has to do something, in office hours
	}
	w.headed(title+": ", b.Subject, at)
	w.para("", 4, b.Reason+"; then: "+w.names.Replace(b.Impact))
	for _, al := range d.Alerts {
		if al.Remedy == b.Remedy || al.Subject == b.Subject {
			return
		}
	}
	if b.When.Sub(d.Time) < remedyWithin {
		w.remedy(plan.Alert{Remedy: b.Remedy, Where: b.Where})
	}
}

// headed prints a line with a name in it, which stands out. Where it does not fit, it goes on below.
func (w *writer) headed(before, name, after string) {
	for i, line := range wrap(before+name+after, w.width-4) {
		if rest, ok := strings.CutPrefix(line, before+name); ok {
			line = before + w.paint(bold, name) + rest
		}
		fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", 4*min(i, 1)), line)
	}
}

// remedyWithin is how near something must be that the remedy stands below it.
const remedyWithin = 10 * 24 * time.Hour

// A row is a line of the table.
type row struct {
	name   string
	bar    string // painted
	left   string
	state  string
	next   forms
	path   string // instead of next: cut in the middle where it is too long
	reason string
	style  string // of the reason
}

// forms say what comes next in as many ways as there are widths, the longest first. Rows of one kind are put in one form.
type forms struct {
	kind  string
	words []string
}

const (
	barCells   = 12
	leftWidth  = 7 // 121d23h, 239h59m
	stateWidth = 7 // invalid, expired, missing, unknown
	mostName   = 20
	leastNext  = 14 // columns for what comes next without which there are no bars
)

// table prints rows in columns that fit. Names are cut rather than wrapped; of what comes next, the longest form that fits
// everywhere is taken.
func (w *writer) table(rows []row, head bool) {
	names := len("NAME")
	for _, r := range rows {
		names = max(names, min(columns(r.name), mostName))
	}
	bars := barCells + 2
	used := names + 2 + bars + 1 + leftWidth + 2 + stateWidth + 2
	if w.width > 0 && used+leastNext > w.width {
		used, bars = used-bars, 0
	}
	if head {
		line := fmt.Sprintf("%-*s  %-*s  %-*s  %s", names, "NAME", bars+1+leftWidth, "LEFT", stateWidth, "STATE", "NEXT (UTC)")
		fmt.Fprintln(w, w.paint(dim, w.clip(line)))
	}
	for _, r := range rows {
		bar := r.bar
		switch {
		case bars == 0:
			bar = ""
		case bar == "":
			bar = strings.Repeat(" ", bars)
		}
		fmt.Fprintf(w, "%s  %s %*s  %s", pad(cut(r.name, names), names), bar, leftWidth, r.left, w.state(r.state))
		next := ""
		switch {
		case r.path != "" && w.width == 0:
			next = r.path
		case r.path != "" && w.width-used >= 12:
			next = fit(r.path, w.width-used)
		default:
			next = r.next.fitting(rows, w.width-used, w.width == 0)
		}
		if next != "" {
			next = strings.Repeat(" ", max(stateWidth-columns(r.state), 0)+2) + w.paint(dim, next)
		}
		fmt.Fprintln(w, next)
		if r.reason != "" {
			w.para(r.style, 4, r.reason)
		}
	}
}

// fitting is the longest form for which there is room in every row of the kind; empty: none fits.
func (n forms) fitting(rows []row, room int, endless bool) string {
	for i, words := range n.words {
		fits := func(r row) bool {
			return r.next.kind != n.kind || i < len(r.next.words) && columns(r.next.words[i]) <= room
		}
		if endless || !slices.ContainsFunc(rows, func(r row) bool { return !fits(r) }) {
			return words
		}
	}
	return ""
}

// clip cuts a line without colours to the columns there are.
func (w *writer) clip(s string) string {
	if w.width > 0 {
		s = cut(s, w.width)
	}
	return strings.TrimRight(s, " ")
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(n-columns(s), 0)) }

// cut shortens a name.
func cut(s string, room int) string {
	if r := []rune(s); len(r) > room {
		return string(r[:max(room-1, 0)]) + "…"
	}
	return s
}

func (w *writer) credentialRows(d status.Doc) []row {
	var rows []row
	for _, c := range d.Credentials {
		r := row{name: c.Name, bar: w.bar(c.State, c.EffectiveSecondsLeft, c.LifetimeSeconds), left: leftWords(c), state: c.State}
		if c.State != "ok" {
			r.reason = c.Reason
		}
		switch {
		case c.Kind == "stored":
			r.name, r.next = "  stored", storeNext(c, d.Time)
			if c.State == "unknown" {
				r.style = dim
			}
		case c.NextRenewal == nil:
			r.next = forms{"other", []string{"another program renews it", "not by this program"}}
		case !c.NextRenewal.After(d.Time):
			r.next = forms{"now", []string{"renew in the next pass", "renew now"}}
		default:
			r.next = moments("renew", *c.NextRenewal, d.Time)
		}
		rows = append(rows, r)
	}
	return rows
}

// storeNext is by when somebody has to store a credential anew: it gives no full lifetime from then on.
func storeNext(c status.Credential, now time.Time) forms {
	if c.EffectiveEnd == nil {
		return forms{}
	}
	by := c.EffectiveEnd.Add(-time.Duration(c.RenewBelowSeconds) * time.Second)
	if !by.After(now) {
		return forms{"store now", []string{"store it anew now", "store anew"}}
	}
	day, in := by.UTC().Format(time.DateOnly), "in "+plan.Span(by.Sub(now))
	return forms{"store", []string{"store anew before " + day + ", " + in, "store anew before " + day, "store anew " + in, "store " + in}}
}

func (w *writer) otherRows(d status.Doc) []row {
	var rows []row
	for _, f := range d.EnvFiles {
		rows = append(rows, row{name: filepath.Base(f.Path), state: f.State, path: w.tidy(f.Path), reason: f.Reason})
	}
	for _, s := range d.Services {
		r := row{name: s.Name, state: s.State, reason: w.names.Replace(s.Reason)}
		switch step := stepFor(d, s.Name); {
		case step != nil && step.When.After(d.Time):
			r.next = moments("restart", *step.When, d.Time)
		case step != nil:
			r.next = forms{"now", []string{"restart in the next pass", "restart now"}}
		case s.LastRestart != nil:
			t := s.LastRestart.UTC()
			r.next = forms{"restarted", []string{"restarted " + plan.Clock(t), "restarted " + t.Format("2006-01-02 15:04"), "restarted " + t.Format(time.DateOnly)}}
		}
		rows = append(rows, r)
	}
	return rows
}

// stepFor is the restart of a service that is coming.
func stepFor(d status.Doc, service string) *status.Step {
	for i, s := range d.Steps {
		if s.Kind == "service" && s.Target == service {
			return &d.Steps[i]
		}
	}
	return nil
}

// moments are forms of what happens when.
func moments(what string, t, now time.Time) forms {
	d := t.Sub(now)
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	in := ", in " + plan.Span(d)
	t = t.UTC()
	return forms{what, []string{what + " " + plan.Clock(t) + in, what + " " + t.Format("2006-01-02 15:04") + in,
		what + " " + t.Format("01-02 15:04") + in, what + strings.TrimPrefix(in, ",")}}
}

// bar shows what is left of a whole, to the nearest cell; what is not over has at least one.
func (w *writer) bar(state string, left, whole int64) string {
	n := 0
	if whole > 0 {
		n = int(math.Round(float64(left) / float64(whole) * barCells))
	}
	n = min(max(n, 0), barCells)
	if n == 0 && left > 0 {
		n = 1
	}
	style := map[string]string{"ok": green, "due": yellow}[state]
	if style == "" {
		style = red
	}
	return "[" + w.paint(style, strings.Repeat("#", n)) + strings.Repeat(".", barCells-n) + "]"
}

func leftWords(c status.Credential) string {
	if c.EffectiveEnd == nil {
		return "-"
	}
	return plan.Span(time.Duration(c.EffectiveSecondsLeft) * time.Second)
}

func (w *writer) state(s string) string {
	switch s {
	case "ok":
		return w.paint(green, s)
	case "due", "unknown":
		return w.paint(yellow, s)
	}
	return w.paint(red, s)
}
