package page

import (
	"fmt"
	"math"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

const day = 24 * time.Hour

// A scale maps time to the width of the time line: linear around now, where proxies live, and logarithmic beyond, where
// certificates end.
type scale struct {
	now        time.Time
	past, near time.Duration // the linear part
	far        time.Duration // the right edge
}

// linear is the share of the width, in percent, that the linear part has.
const linear = 70.0

func scaleFor(d status.Doc) scale {
	s := scale{now: d.Time, near: 24 * time.Hour, far: 90 * day}
	longest := func(into *time.Duration, t *time.Time) {
		if t != nil {
			*into = max(*into, t.Sub(d.Time))
		}
	}
	for _, c := range d.Credentials {
		longest(&s.far, c.EffectiveEnd)
		for _, e := range c.Ends {
			longest(&s.far, e.When)
		}
		if c.Kind == "stored" {
			continue
		}
		longest(&s.near, c.EffectiveEnd)
		s.near = max(s.near, time.Duration(min(c.LifetimeSeconds, 7*86400))*time.Second)
	}
	s.near = min((s.near + 12*time.Hour - 1).Truncate(12*time.Hour), 7*day)
	s.past = min(s.near/2, 3*day)
	s.far = min(max(s.far*11/10, 4*s.near), 3*365*day)
	return s
}

// x is where a moment is, in percent of the width.
func (s scale) x(t time.Time) float64 {
	d := t.Sub(s.now)
	switch {
	case d <= -s.past:
		return 0
	case d <= s.near:
		return float64(d+s.past) / float64(s.past+s.near) * linear
	case d >= s.far:
		return 100
	}
	return linear + (100-linear)*math.Log(float64(d)/float64(s.near))/math.Log(float64(s.far)/float64(s.near))
}

// beyond reports whether a moment is to the right of the picture.
func (s scale) beyond(t time.Time) bool { return t.Sub(s.now) > s.far }

func percent(x float64) string { return fmt.Sprintf("%.2f%%", x) }

// A tick is a line across the lanes, with a label above.
type tick struct {
	X, Label, Anchor, Class, Line string
}

// How far apart labels have to be, in percent of the width.
const (
	roomOnDesk  = 4.5
	roomOnPhone = 12.0
)

// An axis is what stands above the lanes.
type axis struct {
	Now, Far, FarWidth string
	Ticks              []tick
}

func (s scale) axis() axis {
	a := axis{Now: percent(s.x(s.now)), Far: percent(linear), FarWidth: percent(100 - linear)}
	step := 6 * time.Hour
	for (s.past+s.near)/step > 7 {
		step *= 2
	}
	for d := -(s.past / step) * step; d <= s.near; d += step {
		t := tick{X: percent(s.x(s.now.Add(d))), Label: hoursLabel(d), Anchor: "middle", Line: "grid"}
		switch {
		case d == 0:
			t.Label, t.Class = "now", "strong"
		case d%(2*step) != 0 && (s.near-d) != 0:
			t.Class = "minor"
		}
		switch {
		case d <= -s.past:
			t.Anchor = "start"
		case d == s.near:
			t.Line, t.Anchor = "edge", "end"
		}
		a.Ticks = append(a.Ticks, t)
	}
	narrow, wide := linear, linear // where the last label is, on a phone and on a desk
	for _, f := range []struct {
		d     time.Duration
		label string
	}{{7 * day, "1 wk"}, {30 * day, "1 mo"}, {90 * day, "3 mo"}, {365 * day, "1 y"}, {2 * 365 * day, "2 y"}} {
		if f.d < s.near*5/4 || f.d > s.far {
			continue
		}
		x := s.x(s.now.Add(f.d))
		t := tick{X: percent(x), Label: f.label, Anchor: "middle", Line: "grid"}
		if x > 97 {
			t.Anchor = "end"
		}
		switch {
		case x-wide < roomOnDesk:
			t.Label, t.Class = "", "minor"
		case x-narrow < roomOnPhone:
			t.Class, wide = "minor", x
		default:
			narrow, wide = x, x
		}
		a.Ticks = append(a.Ticks, t)
	}
	return a
}

func hoursLabel(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign = "−"
	}
	if d = d.Abs(); d > 3*day && d%day == 0 {
		return fmt.Sprintf("%s%d d", sign, d/day)
	}
	return fmt.Sprintf("%s%d h", sign, d/time.Hour)
}
