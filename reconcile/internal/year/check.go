package year

import (
	"fmt"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// threshold is what JAliEn's CE compares the attribute certificate with: CE_PROXYTHRESHOLD, 165600 s.
const threshold = 46 * time.Hour

// How long after the end of a bad time it is good again: until then an answer of the bad time is still believed.
var grace = map[why]time.Duration{
	outage:  0,
	refused: 62 * time.Minute,
	short:   6*time.Hour + 10*time.Minute,
	wrong:   0,
}

const (
	// soon is how long --watch may take to renew a proxy that is below its threshold once it can: 15 minutes after a try
	// that failed, and that try may have taken three timeouts.
	soon = 18 * time.Minute
	// settle is how long a pass may take when servers are slow.
	settle = 2 * time.Minute

	// What the engine has of passes: how many, which of them count as one, and what is no gap but a pause.
	recorded   = 17
	sameRun    = 5 * time.Minute
	longestGap = 4 * time.Hour
)

// Judge says what of a life must not have been. The rules are those of the package's documentation.
func (l *Log) Judge() []Fault {
	l.mu.Lock()
	j := judge{Log: l, s: l.script, faults: slices.Clone(l.faults)}
	l.mu.Unlock()
	j.good = j.goodTimes()
	j.low()
	for i, v := range j.visits {
		if !v.Killed {
			j.pass(i, v)
		}
	}
	j.requests()
	slices.SortStableFunc(j.faults, func(a, b Fault) int { return a.At.Compare(b.At) })
	return j.faults
}

type judge struct {
	*Log
	s      *Script
	good   []Span // in which a proxy of 48 h can be had, and no older answer is still believed
	faults []Fault
}

func (j *judge) fault(at time.Time, rule, format string, args ...any) {
	j.faults = append(j.faults, Fault{at, rule, fmt.Sprintf(format, args...)})
}

// goodTimes are what the bad times leave.
func (j *judge) goodTimes() []Span {
	var bads []Span
	for _, b := range j.bads {
		bads = append(bads, Span{b.From, b.To.Add(grace[b.why])})
	}
	return without(j.s.Span, bads)
}

// without is what is left of a span.
func without(s Span, holes []Span) []Span {
	holes = slices.Clone(holes)
	slices.SortFunc(holes, func(a, b Span) int { return a.From.Compare(b.From) })
	var rest []Span
	at := s.From
	for _, h := range holes {
		if h.From.After(at) {
			rest = append(rest, Span{at, earlier(h.From, s.To)})
		}
		at = later(at, h.To)
		if !at.Before(s.To) {
			return rest
		}
	}
	return append(rest, Span{at, s.To})
}

// isGood reports whether a whole span lies in a good time.
func (j *judge) isGood(s Span) bool {
	i, _ := slices.BinarySearchFunc(j.good, s.From, func(g Span, t time.Time) int { // the first to end after
		if g.To.After(t) {
			return 1
		}
		return -1
	})
	return i < len(j.good) && !s.From.Before(j.good[i].From) && !s.To.After(j.good[i].To)
}

// steady reports whether the clock was not set in a span.
func (j *judge) steady(s Span) bool {
	return !slices.ContainsFunc(j.s.Jumps, func(x Jump) bool { return s.has(x.At) })
}

// present reports whether the machine was on, and the program ran, in a whole span.
func (j *judge) present(s Span) bool {
	return !s.From.Before(j.s.From) && !slices.ContainsFunc(j.away, func(a Span) bool { return a.meets(s) })
}

// untouched reports whether nobody but the program has changed a proxy file in a span.
func (j *judge) untouched(s Span) bool {
	return !slices.ContainsFunc(j.s.Edits, func(e Edit) bool { return s.has(e.At) && slices.Contains(proxyEdits, e.What) })
}

// low looks at every time in which the user proxy is below the threshold of the CE, by the clock of the box.
func (j *judge) low() {
	for _, dip := range j.dips() {
		if j.s.Watch {
			j.lowWatched(dip)
		} else {
			j.lowCron(dip)
		}
	}
}

// dips are those times. They are computed, to the nanosecond, from when which proxy was in place and when the clock was
// set.
func (j *judge) dips() []Span {
	type moment struct {
		at  time.Time
		end time.Time // of the proxy in place from then on
	}
	var moments []moment
	end := time.Time{}
	times := []time.Time{j.s.From}
	for _, x := range j.s.Jumps {
		if x.At.Before(j.s.To) {
			times = append(times, x.At)
		}
	}
	placed := slices.DeleteFunc(slices.Clone(j.placed), func(p placing) bool { return p.name == plan.MachineName })
	for _, p := range placed {
		times = append(times, p.at)
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, t := range slices.Compact(times) {
		for len(placed) > 0 && !placed[0].at.After(t) {
			end, placed = placed[0].end, placed[1:]
		}
		moments = append(moments, moment{t, end})
	}
	var dips []Span
	for i, m := range moments {
		until := j.s.To
		if i+1 < len(moments) {
			until = moments[i+1].at
		}
		crossing := m.at // below at once
		if !m.end.IsZero() {
			crossing = later(m.at, m.end.Add(-threshold-j.s.Error(m.at)))
		}
		switch n := len(dips); {
		case !crossing.Before(until):
		case n > 0 && dips[n-1].To.Equal(crossing):
			dips[n-1].To = until
		default:
			dips = append(dips, Span{crossing, until})
		}
	}
	return dips
}

// lowWatched: with --watch, servers that are well for the last five minutes before the threshold are enough for no dip to
// begin, and as much for one to end.
func (j *judge) lowWatched(dip Span) {
	before := around(dip.From, 30*time.Minute, 0)
	if j.present(before) && j.steady(around(dip.From, 30*time.Minute, 1)) && j.untouched(around(dip.From, 30*time.Minute, 1)) && j.isGood(around(dip.From, soon, 0)) {
		j.fault(dip.From, "below 46h", "for %s, although the servers were well for %s before", plan.Span(dip.length()), plan.Span(soon))
	}
	var holes []Span
	for _, b := range j.bads {
		holes = append(holes, Span{b.From, b.To.Add(grace[b.why])})
	}
	for _, free := range without(dip, append(holes, j.away...)) {
		if free.length() > soon {
			j.fault(free.From, "stays below 46h", "for %s of good time", plan.Span(free.length()))
		}
	}
}

// lowCron: from cron, a run that meets servers that are well, less than one period before the threshold or at any time
// below it, is enough.
func (j *judge) lowCron(dip Span) {
	i, _ := slices.BinarySearchFunc(j.visits, dip.From.Add(-j.s.every()), func(v Visit, t time.Time) int { return v.At.Compare(t) })
	for ; i < len(j.visits) && j.visits[i].Done.Before(dip.To); i++ {
		v := j.visits[i]
		whole := Span{v.At, later(v.Done, v.At.Add(time.Second))}
		switch {
		case v.Killed || v.Hand || !j.isGood(whole) || v.At.Before(dip.From) && v.Done.After(dip.From):
		case v.At.Before(dip.From) && j.regular(i) && j.steady(Span{v.At, dip.From.Add(1)}) && j.untouched(Span{v.At, dip.From.Add(1)}):
			j.fault(dip.From, "below 46h", "for %s, although the run of %s met servers that were well", plan.Span(dip.length()), stamp(v.At))
		case v.At.After(dip.From) && j.steady(whole) && j.untouched(whole):
			j.fault(v.At, "stays below 46h", "after this run, which met servers that were well")
		}
	}
}

// regular reports whether it can be known by the i-th pass how they come: from two periods since the clock was set, and
// without a pass by hand in between, among the runs on record.
func (j *judge) regular(i int) bool {
	last, periods := j.visits[i].At, 0
	for k, n := i-1, 1; k >= 0 && n < recorded && periods < 2 && j.steady(Span{j.visits[k].At, j.visits[i].At}); k-- {
		gap := last.Sub(j.visits[k].At)
		if gap < sameRun {
			continue
		}
		if last, n = j.visits[k].At, n+1; gap > j.s.every()-settle && gap <= longestGap {
			periods++
		}
	}
	return periods == 2
}
