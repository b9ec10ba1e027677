package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// printStatus shows each credential as a bar of what is left, then env files and services, then what breaks first.
func (a *app) printStatus(d status.Doc, want plan.Desired, have plan.Observed) {
	d = printableStatus(d)
	w := a.text(want)
	for _, c := range d.Credentials {
		name, reason := c.Name, c.Reason
		if c.Kind == "stored" {
			name = "  stored"
			if c.State == "ok" {
				reason = ""
			}
		}
		fmt.Fprintf(w, "%-20s %s %9s  %s\n", cut(name, 20), w.bar(c, wholeLife(c, want, have)), leftWords(c), w.state(c.State))
		if reason != "" {
			w.para(dim, 4, reason)
		}
	}
	for _, f := range d.EnvFiles {
		room := 0
		if w.width > 0 {
			room = w.width - 12
		}
		fmt.Fprintf(w, "%s  %s\n", fit(w.tidy(f.Path), room), w.state(f.State))
		if f.Reason != "" {
			w.para("", 4, f.Reason)
		}
	}
	for _, s := range d.Services {
		fmt.Fprintf(w, "%-20s %s", cut(s.Name, 20), w.state(s.State))
		if s.LastRestart != nil {
			fmt.Fprintf(w, ", last restarted %s", plan.Clock(*s.LastRestart))
		}
		fmt.Fprintln(w)
		if s.Reason != "" {
			w.para("", 4, w.names.Replace(s.Reason))
		}
	}
	for _, al := range d.Alerts {
		w.alert(al)
	}
	if b := d.FirstToBreak; b != nil {
		fmt.Fprintf(w, "first to break: %s, %s\n", w.paint(bold, b.Subject), when(*b.When, d.Time))
		w.para("", 4, b.Reason+"; then: "+w.names.Replace(b.Impact))
	}
	if d.NextLook != nil {
		fmt.Fprintf(w, "%s\n", w.paint(dim, "next due "+when(*d.NextLook, d.Time)))
	}
}

// cut shortens a name.
func cut(s string, room int) string {
	if r := []rune(s); len(r) > room {
		return string(r[:room-1]) + "…"
	}
	return s
}

// wholeLife is what a full bar stands for.
func wholeLife(d status.Credential, want plan.Desired, have plan.Observed) time.Duration {
	for _, c := range want.Credentials {
		if c.Name == d.Name {
			return c.Lifetime
		}
		if st := have.Credentials[c.Name]; d.Kind == "stored" && strings.HasPrefix(d.Name, c.Name+"@") && st.Grant != nil {
			return max(3000*time.Hour, st.Grant.StoredEnd.Sub(st.Grant.Time))
		}
	}
	return 0
}

const barWidth = 20

// bar shows what is left of a whole, to the nearest twentieth; what is not over has at least one.
func (w *writer) bar(c status.Credential, whole time.Duration) string {
	n := 0
	if whole > 0 {
		n = int(math.Round(float64(c.EffectiveSecondsLeft) / whole.Seconds() * barWidth))
	}
	n = min(max(n, 0), barWidth)
	if n == 0 && c.EffectiveSecondsLeft > 0 {
		n = 1
	}
	style := map[string]string{"ok": green, "due": yellow}[c.State]
	if style == "" {
		style = red
	}
	return "[" + w.paint(style, strings.Repeat("#", n)) + strings.Repeat(".", barWidth-n) + "]"
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
