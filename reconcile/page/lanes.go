package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A bar is a rectangle in a lane.
type bar struct {
	Class, X, Width string
	Y, Height       int
	Round           int
}

// A mark is a sign in a lane.
type mark struct {
	Shape string // next, cross, end or beyond
	Class string
	X     string
	Y     int
	Title string
}

// A row is one line of the time line: a picture, and the same in words.
type row struct {
	Main  bool
	Name  string
	State state
	Text  string
	Alt   string
	Bars  []bar
	Marks []mark
}

// A lane is the life of one credential, and what it hangs on.
type lane struct{ Rows []row }

// A painter draws lanes.
type painter struct {
	scale
	history  []Event
	byTarget map[string][]Event
	failures bool // one is in the picture
	gaps     bool
}

func (p *painter) bar(class string, from, to time.Time, y, height, round int) (bar, bool) {
	x, end := p.x(from), p.x(to)
	return bar{Class: class, X: percent(x), Width: percent(end - x), Y: y, Height: height, Round: round}, end > x
}

// lane draws one credential.
func (p *painter) lane(c status.Credential, stored *status.Credential) lane {
	l := lane{Rows: []row{p.life(c)}}
	for _, e := range c.Ends {
		if e.Renewed || e.When == nil || len(l.Rows) > 3 {
			continue
		}
		switch e.What {
		case status.WhatStored, status.WhatUserCert, status.WhatHostCert, status.WhatSigner, status.WhatCA:
			l.Rows = append(l.Rows, p.end(e, stored))
		}
	}
	return l
}

const (
	barY, barHeight = -7, 14 // from the middle of the lane
	crossY          = -13
)

// life draws a credential from its past renewals to what renewals can make of it.
func (p *painter) life(c status.Credential) row {
	r := row{Main: true, Name: c.Name, State: stateOf(c.State)}
	past, alt := p.past(c)
	r.Bars = append(r.Bars, past...)
	words := []string{alt}
	add := func(class string, from, to time.Time) {
		if b, ok := p.bar(class, from, to, barY, barHeight, 2); ok {
			r.Bars = append(r.Bars, b)
		}
	}
	left, ends := "there is none", ""
	if c.EffectiveEnd != nil && c.State != "invalid" {
		end := *c.EffectiveEnd
		left = span(end.Sub(p.now)) + " left"
		if c.State == "expired" {
			left = "ended " + span(p.now.Sub(end)) + " ago"
			add("gap", end, p.now)
			p.gaps = true
		}
		ends = "ends " + at(end, p.now).Words
		add("fill-"+r.State.Class, p.now, end)
	} else if c.State == "invalid" {
		left = "cannot be used"
	}
	words = append(words, left, ends)
	r.Text = left
	if until := p.kept(c); !until.IsZero() && r.State.Class != "bad" {
		from := p.now
		if c.EffectiveEnd != nil && c.EffectiveEnd.After(from) {
			from = *c.EffectiveEnd
		}
		if b, ok := p.bar("planned", from, until, barY, barHeight, 0); ok {
			r.Bars = append([]bar{b}, r.Bars...)
		}
	}
	if next := c.NextRenewal; next != nil {
		when := "due now"
		if next.After(p.now) {
			when = "renewal in " + span(next.Sub(p.now))
		}
		r.Text += ", " + when
		words = append(words, when)
		r.Marks = append(r.Marks, mark{Shape: "next", X: percent(p.x(laterOf(*next, p.now))), Y: 0, Title: sentence(when)})
	}
	if f := c.Forecast; f != nil && f.End != nil {
		words = append(words, fmt.Sprintf("renewals can keep it until %s: %s", at(*f.End, p.now).Words, f.RenewableBy))
	}
	r.Marks = append(r.Marks, p.crosses(c)...)
	r.Alt = c.Name + ": " + strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), "; ") + "."
	return r
}

// kept is until when renewals can keep a credential, as far as the picture goes; zero: nothing renews it.
func (p *painter) kept(c status.Credential) time.Time {
	switch {
	case c.Forecast == nil:
		return time.Time{}
	case c.Forecast.End == nil:
		return p.now.Add(p.far)
	}
	return *c.Forecast.End
}

// renewals are those of a credential that ended so.
func (p *painter) renewals(c status.Credential, result string) []Event {
	if p.byTarget == nil {
		p.byTarget = map[string][]Event{}
		for _, e := range p.history {
			if e.Action == "renew" {
				p.byTarget[e.Target] = append(p.byTarget[e.Target], e)
			}
		}
	}
	var out []Event
	for _, e := range p.byTarget[c.Name] {
		if e.Result == result && (e.Kind == "machine-proxy") == (c.Kind == "machine") {
			out = append(out, e)
		}
	}
	return out
}

// past draws what the journal says: each renewal up to the next, and the time when there was nothing valid.
func (p *painter) past(c status.Credential) (bars []bar, words string) {
	begin, seen := p.now.Add(-p.past0()), 0
	events := p.renewals(c, "done")
	for i, e := range events {
		next := p.now
		if i+1 < len(events) {
			next = events[i+1].Time
		}
		if !next.After(begin) {
			continue
		}
		if e.Time.After(begin) {
			seen++
		}
		until := next
		if !e.End.IsZero() && e.End.Before(next) {
			until = laterOf(e.End, e.Time)
			if i+1 < len(events) {
				if b, ok := p.bar("gap", laterOf(until, begin), next, barY, barHeight, 0); ok {
					bars = append(bars, b)
					p.gaps = true
				}
			}
		}
		if b, ok := p.bar("past", laterOf(e.Time, begin), until, barY, barHeight, 0); ok {
			bars = append(bars, narrowed(b, p.x(laterOf(e.Time, begin)), p.x(until)))
		}
	}
	words = fmt.Sprintf("renewed %s in the last %s", times(seen), span(p.past0()))
	if n := len(events); n > 0 {
		words += ", last " + at(events[n-1].Time, p.now).Words
	}
	return bars, words
}

func (p *painter) past0() time.Duration { return p.scale.past }

// narrowed leaves a slit between a renewal and the one before.
func narrowed(b bar, from, to float64) bar {
	slit := min(0.22, (to-from)/3)
	b.X, b.Width = percent(from+slit), percent(to-from-slit)
	return b
}

func times(n int) string {
	switch n {
	case 0:
		return "not once"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// crosses are the renewals that failed. In a bad night there are many; those in the same place are one cross.
func (p *painter) crosses(c status.Credential) []mark {
	var out []mark
	last := -10.0
	for _, e := range p.renewals(c, "failed") {
		x := p.x(e.Time)
		if e.Time.Before(p.now.Add(-p.past0())) || x-last < 1.2 {
			continue
		}
		last = x
		p.failures = true
		out = append(out, mark{Shape: "cross", X: percent(x), Y: crossY, Title: "Failed " + at(e.Time, p.now).Words + ": " + e.Error})
	}
	return out
}

// end draws something that no renewal prolongs.
func (p *painter) end(e status.End, stored *status.Credential) row {
	left := e.When.Sub(p.now)
	class := "idle"
	switch {
	case left <= 0:
		class = "bad"
	case e.What == status.WhatStored && stored != nil && stored.State != "unknown":
		class = stateOf(stored.State).Class
	case left < 10*day:
		class = "warn"
	}
	if class == "ok" {
		class = "idle"
	}
	name := endName(e)
	r := row{Name: name, Text: span(left), Alt: fmt.Sprintf("%s: ends in %s, %s.", sentence1(name), span(left), at(*e.When, p.now).Words)}
	if left <= 0 {
		r.Text, r.Alt = "ended", sentence1(name)+": ended "+at(*e.When, p.now).Words+"."
	}
	if b, ok := p.bar("fill-"+class, p.now, *e.When, -1, 2, 0); ok {
		r.Bars = append(r.Bars, b)
	}
	m := mark{Shape: "end", Class: "fill-" + class, X: percent(p.x(*e.When)), Y: 0, Title: sentence1(name + " ends " + at(*e.When, p.now).Words)}
	if p.beyond(*e.When) {
		m.Shape = "beyond"
	}
	r.Marks = append(r.Marks, m)
	return r
}

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
