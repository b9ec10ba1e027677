package notify

import (
	"slices"
	"time"
)

// A Listener is a channel as the decision sees it.
type Listener struct {
	Key, Name string
	Every     time.Duration // how often what stays open is told again
}

// A Pass is what there is to tell.
type Pass struct {
	Time   time.Time
	Alerts []Alert // that are open
	// Ended reports whether an alert that is not among Alerts has ended: one that could not be looked at has not, nor one that
	// is from an attempt when nothing was attempted. Nil: all have.
	Ended func(r Record) bool
}

// Decide says what each listener (by its Key) has to be told after a pass, and what is known now. It is a pure function of its
// arguments, and changes none. That something was told goes into the memory by [Memory.Told], once it has been.
//
// What is new is told at once, and so is what has become critical; what stays open is told again after Every; what has ended is
// told once, to those who know of it. What comes back within Every of the last time that it was told is told once more, and
// then counts as well again only when it has stayed away for as long: a fault that comes and goes is no stream of messages,
// and nobody takes it for mended in between.
func Decide(m Memory, p Pass, listeners []Listener) (Memory, map[string][]Alert) {
	m = m.clone()
	m.see(p)
	m.forget(p.Time, listeners)
	due := map[string][]Alert{}
	for _, l := range listeners {
		var alerts []Alert
		for _, r := range m.Alerts {
			told, known := m.ledger(l).Told[r.key]
			if !l.due(r, told, known, p.Time) {
				continue
			}
			a := r.Alert()
			a.Told = told.At
			alerts = append(alerts, a)
		}
		if len(alerts) > 0 {
			sortAlerts(alerts)
			due[l.Key] = alerts
		}
	}
	return m, due
}

// due reports whether a record has to be told now.
func (l Listener) due(r Record, told Told, known bool, now time.Time) bool {
	switch {
	case r.Gone.IsZero() && !r.Seen.Equal(now):
		return false // it was not looked at
	case r.Gone.IsZero() && (!known || !told.Ended.IsZero()):
		return true
	case r.Gone.IsZero():
		return r.Severity == Critical && told.Severity != Critical || now.Sub(told.At) >= l.Every
	case !known || !told.Ended.IsZero():
		return false
	case told.Back:
		return now.Sub(r.Gone) >= l.Every
	}
	return true
}

// see takes over what a pass has found.
func (m *Memory) see(p Pass) {
	m.Time = p.Time
	open := map[string]Record{}
	var order []string
	for _, a := range p.Alerts {
		r := record(a, p.Time)
		key := r.key
		if had, twice := open[key]; twice && (had.Severity == Critical || r.Severity != Critical) {
			continue
		} else if !twice {
			order = append(order, key)
		}
		open[key] = r
	}
	var alerts []Record
	for _, r := range m.Alerts {
		now, is := open[r.key]
		switch {
		case is:
			if r.Gone.IsZero() || p.Time.Sub(r.Gone) < sameEpisode {
				now.Since = r.Since
			}
			r = now
			delete(open, r.key)
		case r.Gone.IsZero() && (p.Ended == nil || p.Ended(r)):
			r.Gone = p.Time
		}
		alerts = append(alerts, r)
	}
	for _, key := range order {
		if r, fresh := open[key]; fresh {
			alerts = append(alerts, r)
		}
	}
	m.Alerts = alerts
}

// forget drops what nobody has to be told any more, and channels that are no more.
func (m *Memory) forget(now time.Time, listeners []Listener) {
	for key := range m.Channels {
		if !slices.ContainsFunc(listeners, func(l Listener) bool { return l.Key == key }) {
			delete(m.Channels, key)
		}
	}
	for _, l := range listeners {
		led := m.ledger(l)
		for key, t := range led.Told {
			if !t.Ended.IsZero() && now.Sub(t.Ended) >= l.Every && now.Sub(t.At) >= l.Every {
				delete(led.Told, key)
			}
		}
	}
	m.Alerts = slices.DeleteFunc(m.Alerts, func(r Record) bool {
		return now.Sub(r.Seen) >= keepGone || !r.Gone.IsZero() && !m.remembered(r.key)
	})
	if extra := len(m.Alerts) - maxAlerts; extra > 0 {
		slices.SortStableFunc(m.Alerts, worse)
		m.Alerts = m.Alerts[:maxAlerts]
	}
	keep := map[string]bool{}
	for _, r := range m.Alerts {
		keep[r.key] = true
	}
	for _, led := range m.Channels {
		for key := range led.Told {
			if !keep[key] {
				delete(led.Told, key)
			}
		}
	}
}

// remembered reports whether a channel knows of an alert.
func (m *Memory) remembered(key string) bool {
	for _, led := range m.Channels {
		if _, known := led.Told[key]; known {
			return true
		}
	}
	return false
}

// worse puts what has to be kept first.
func worse(a, b Record) int {
	rank := func(r Record) int {
		switch {
		case !r.Gone.IsZero():
			return 2
		case r.Severity == Critical:
			return 0
		}
		return 1
	}
	return rank(a) - rank(b)
}

// Told records that a listener was told, at a time that is cut to the minute: passes that are a day apart but for some seconds
// are a day apart.
func (m *Memory) Told(l Listener, alerts []Alert, now time.Time) {
	led := m.ledger(l)
	led.Failed, led.Warned, led.Error = time.Time{}, time.Time{}, ""
	now = now.UTC().Truncate(time.Minute)
	for _, a := range alerts {
		key := a.key
		if key == "" {
			key = Key(a.ID, a.Subject)
		}
		t, known := led.Told[key]
		if a.State == Ended {
			t.Ended, t.Back = now, false
		} else {
			back := known && (t.Back || !t.Ended.IsZero() && now.Sub(t.At) < l.Every)
			t = Told{At: now, Severity: a.Severity, Back: back}
		}
		led.Told[key] = t
	}
}

// Failed records that a listener could not be reached. It reports whether that is worth saying: when it begins, and once a day.
func (m *Memory) Failed(l Listener, err error, now time.Time) (say bool) {
	led := m.ledger(l)
	now = now.UTC().Truncate(time.Second)
	if led.Failed.IsZero() {
		led.Failed, led.Warned = now, time.Time{}
	}
	led.Error = oneLine(err.Error(), maxError)
	if say = now.Sub(led.Warned) >= warnEvery; say {
		led.Warned = now
	}
	return say
}
