package watch

import (
	"math/rand/v2"
	"time"
)

// A Schedule says when to look again.
type Schedule struct {
	Interval time.Duration                          // the longest time between two looks; zero: an hour
	Least    time.Duration                          // the shortest; zero: 1 s
	Jitter   func(most time.Duration) time.Duration // from 0 to less than most; nil: random
}

// mostJitter is how much later than asked for a look may be, so that the boxes of a site do not ask their server in the
// same second. A moment asked for is when something is due, so it is never sooner.
const mostJitter = 10 * time.Second

// Next is when to look after now, if something is due at the moment given (zero: nothing is): then or shortly after, and
// in any case within Interval.
func (s Schedule) Next(now, moment time.Time) time.Time {
	interval := or(s.Interval, time.Hour)
	wait := interval
	if !moment.IsZero() {
		wait = max(moment.Sub(now), or(s.Least, time.Second))
	}
	if wait < interval {
		wait += s.jitter(min(wait/10, mostJitter))
	}
	return now.Add(min(wait, interval))
}

func (s Schedule) jitter(most time.Duration) time.Duration {
	switch {
	case most <= 0:
		return 0
	case s.Jitter != nil:
		return s.Jitter(most)
	}
	return rand.N(most)
}
