package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// rehearsal shows a time to come twice: as it would be without any pass until then, and with all of them; and then what
// the passes cannot mend.
func (w *writer) rehearsal(d status.Doc) {
	r := d.Rehearsal
	w.para(bold, 0, rehearsalWords(d.Time, r.Seen))
	fmt.Fprintf(w, "\n%s\n", w.paint(bold, "Without a pass until then:"))
	rows := append(w.credentialRows(d), w.otherRows(d)...)
	for i := range rows {
		rows[i].next = forms{}
	}
	w.table(rows, false)
	fmt.Fprintf(w, "\n%s\n", w.paint(bold, "With passes until then, and servers that answer:"))
	w.table(w.renewedRows(d), false)
	foreign := slices.ContainsFunc(r.Renewed, func(c status.Renewed) bool { return c.State == "unknown" })
	switch {
	case len(r.Unmended) > 0:
		fmt.Fprintf(w, "\n%s\n", w.paint(bold, "What renewals do not mend:"))
	case foreign:
		w.para(green, 0, "renewals mend all of it, if the other program makes its own; nothing else has to be done until then")
	default:
		w.para(green, 0, "renewals mend all of it; nothing else has to be done until then")
	}
	for _, b := range r.Unmended {
		w.unmended(b, r.Seen)
	}
	w.firstToBreak(r.Later, "first to break after that", status.Doc{Time: r.Seen})
}

// rehearsalWords say what is shown.
func rehearsalWords(t, seen time.Time) string {
	return fmt.Sprintf("A rehearsal for %s, %s: the box as it is now, at that time. Nothing is touched.", plan.Clock(t), farAway(t, seen))
}

// rehearse says that a plan is one for another time: status at that time tells what passes until then would have done.
func (a *app) rehearse(want plan.Desired, t time.Time) {
	if a.output == "text" {
		w := a.text(want)
		w.para(bold, 0, fmt.Sprintf("A rehearsal for %s, %s: what the first pass from now on would do, were it made then.", plan.Clock(t), farAway(t, a.now())))
	}
}

// taken says that a status is of the box as it is now, for a time that is over.
func (w *writer) taken(t, now time.Time) {
	w.para(bold, 0, fmt.Sprintf("The box as it is now, taken for %s, %s.", plan.Clock(t), farAway(t, now)))
}

// farAway is how far a time is from now, to the minute: +3d is a moment less than that by the time it is shown.
func farAway(t, now time.Time) string {
	d := t.Sub(now).Round(time.Minute)
	if d < 0 {
		return plan.Span(-d) + " ago"
	}
	return plan.Span(d) + " from now"
}

func (w *writer) renewedRows(d status.Doc) []row {
	var rows []row
	for _, c := range d.Rehearsal.Renewed {
		r := row{name: c.Name, state: c.State, reason: c.Reason, left: "-"}
		whole := int64(0)
		for _, k := range d.Credentials {
			if k.Name == c.Name {
				whole = k.LifetimeSeconds
			}
		}
		if c.EffectiveEnd != nil {
			r.left = plan.Span(time.Duration(c.SecondsLeft) * time.Second)
		}
		r.bar = w.bar(c.State, c.SecondsLeft, whole)
		if c.State == "unknown" {
			r.style = dim
		}
		rows = append(rows, r)
	}
	return rows
}

func (w *writer) unmended(b status.Break, seen time.Time) {
	style, at := yellow, when(*b.When, seen)
	if !b.When.After(seen) {
		style, at = red, "now"
	}
	fmt.Fprintf(w, "%s %s\n", w.paint(style, w.clip("! "+b.Subject+":")), at)
	w.para("", 4, b.Reason+"; then: "+w.names.Replace(b.Impact))
	w.remedy(plan.Alert{Remedy: b.Remedy, Where: b.Where})
}
