package watch

import "time"

// A Pace says when a program that stays makes its next pass, given what became of the last ones. The zero Pace is ready to
// use.
type Pace struct {
	Schedule
	idle    int // passes in a row that came because something was due, and nothing was
	broken  int // passes in a row that could not be made
	refused int // passes in a row of which all that failed was refused
}

// A Made is what counts of a pass that was made.
type Made struct {
	Next    time.Time // the moment that the pass named; zero: none
	Due     bool      // it came because a moment had come, and not because of a change
	Changed bool      // there was something to do
	Refused bool      // something failed, and all of it because somebody said no
}

// After is when to make the next pass after one that was made. A plan that names a moment that is over, again and again,
// does not make the program spin.
func (p *Pace) After(now time.Time, m Made) time.Time {
	p.broken = 0
	if p.refused++; !m.Refused {
		p.refused = 0
	}
	if p.idle++; m.Changed || !m.Due {
		p.idle = 0
	}
	p.Least = min(time.Second<<min(p.idle, 10), time.Minute)
	return p.Next(now, m.Next)
}

// mostBroken is the most between two passes of which the first could not even be made.
const mostBroken = 15 * time.Minute

// Again is when to try after a pass that could not be made: soon, and then less and less often.
func (p *Pace) Again(now time.Time) time.Time {
	p.broken++
	return p.Next(now, now.Add(min(time.Minute<<min(p.broken-1, 10), mostBroken)))
}

// refusedAgain is how long to wait before asking again somebody who has said no: the first time, the second, and from then
// on. People have to do something first, so they are not asked as often as somebody who did not answer.
var refusedAgain = []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour}

// Refused is how long after the next pass to make another one, should all that fails in it be refused.
func (p *Pace) Refused() time.Duration { return refusedAgain[min(p.refused, len(refusedAgain)-1)] }
