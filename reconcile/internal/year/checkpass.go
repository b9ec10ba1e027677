package year

import (
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

const (
	alertBelow = 240 * time.Hour // of the stored credential and of the host certificate
	unclear    = 10 * time.Minute
	remote     = 40 * 24 * time.Hour // nobody has to be told of an end that is further away
)

// pass looks at a pass that came to its end.
func (j *judge) pass(i int, v Visit) {
	whole := Span{v.At, later(v.Done, v.At.Add(time.Second))}
	clockRight := j.s.Error(v.Done).Abs() <= 4*time.Minute && j.steady(whole)
	touched := !j.untouched(Span{v.At, v.Done.Add(time.Minute)})
	if clockRight && !touched {
		if j.isGood(whole) && v.Left < threshold {
			j.fault(v.Done, "not renewed", "the user proxy has %s left after a pass that met servers that were well", plan.Span(v.Left))
		}
		if least := min(12*time.Hour, v.HostLeft) - unclear; v.HostLeft > 0 && v.Machine < least { // else there is nothing to sign with
			j.fault(v.Done, "not renewed", "the machine proxy has %s left, and the host certificate %s", plan.Span(v.Machine), plan.Span(v.HostLeft))
		}
	}
	j.alerts(v, clockRight && !touched)
	j.often(i, v)
}

// alerts: whoever can do something is told in time, of every failure at once, and of nothing when all is well.
func (j *judge) alerts(v Visit, sure bool) {
	told := func(subject, prefix string) bool {
		return slices.ContainsFunc(v.Alerts, func(a plan.Alert) bool { return a.Subject == subject && strings.HasPrefix(a.ID, prefix) })
	}
	for _, name := range v.Failed {
		if !told(name, "") {
			j.fault(v.Done, "not told", "the renewal of %s failed", name)
		}
	}
	if !sure {
		return
	}
	if v.Known > 0 && v.Known < alertBelow-unclear && !told(userProxy, "MP-") {
		j.fault(v.Done, "not told", "the stored credential ends in %s", plan.Span(v.Known))
	}
	if v.HostLeft < alertBelow-unclear && !told(plan.MachineName, "HOST-") {
		j.fault(v.Done, "not told", "the host certificate ends in %s", plan.Span(v.HostLeft))
	}
	lately := around(v.Done, 8*time.Hour, 0)
	calm := v.Nearest > remote && v.StoredAge > lately.length() && j.isGood(lately) && j.present(lately) && j.steady(lately) &&
		!slices.ContainsFunc(j.s.Edits, func(e Edit) bool { return lately.has(e.At) })
	if calm && len(v.Alerts) > 0 {
		j.fault(v.Done, "told for nothing", "%s %s: %s", v.Alerts[0].ID, v.Alerts[0].Subject, v.Alerts[0].Message)
	}
}

// often: a pass comes at least once a period, while the machine is on, and not in swarms.
func (j *judge) often(i int, v Visit) {
	period := j.s.every() + settle
	next := j.s.To
	if i+1 < len(j.visits) {
		next = j.visits[i+1].At
	}
	if free := (Span{v.Done, next}); free.length() > period && j.present(free) && j.steady(free) {
		j.fault(v.Done, "no pass", "for %s, although the machine is on", plan.Span(free.length()))
	}
	window, n := Span{v.At, v.At.Add(10 * time.Minute)}, 0
	for _, o := range j.visits[i:] {
		if !window.has(o.At) {
			break
		}
		if !o.Hand {
			n++
		}
	}
	if n > 7 && n > 7+3*j.incidents(window) {
		j.fault(v.At, "a swarm", "%d passes within ten minutes", n)
	}
}

// incidents counts what may make for a pass more.
func (j *judge) incidents(s Span) int {
	n := 0
	for _, e := range j.s.Edits {
		if s.has(e.At) {
			n++
		}
	}
	for _, x := range j.s.Jumps {
		if s.has(x.At) {
			n++
		}
	}
	for _, a := range j.away {
		if s.has(a.From) || s.has(a.To) {
			n++
		}
	}
	for _, h := range j.s.Hand {
		if s.has(h) {
			n++
		}
	}
	return n
}

// requests: the servers are asked about as often as there is something to be had, and never in swarms.
func (j *judge) requests() {
	for _, server := range []string{MyProxy, VOMS} {
		var asked []time.Time
		for _, a := range j.asked {
			if a.server == server {
				asked = append(asked, a.at)
			}
		}
		slices.SortFunc(asked, time.Time.Compare)
		j.perDay(server, asked)
		j.whileRefusing(server, asked)
	}
}

// perDay counts within any 24 hours.
func (j *judge) perDay(server string, asked []time.Time) {
	const day = 24 * time.Hour
	to := 0
	for from, t := range asked {
		for to < len(asked) && asked[to].Before(t.Add(day)) {
			to++
		}
		n, window := to-from, Span{t, t.Add(day)}
		if n <= 18 {
			continue
		}
		runs := int(day/j.s.every()) + 2
		most := 3*4*24 + 12 // three tries every quarter of an hour
		if !j.s.Watch {
			most = 3 * runs
		}
		if j.isGood(window) {
			most = 18
			if !j.s.Watch {
				most = runs
			}
		}
		if n > most && n > most+3*j.incidents(window) {
			j.fault(t, "too many requests", "%d to the %s server within a day", n, server)
			return
		}
	}
}

// whileRefusing counts while a server says no all the time.
func (j *judge) whileRefusing(server string, asked []time.Time) {
	for _, x := range j.s.Troubles {
		if x.Server != server || x.Kind != Refusing {
			continue
		}
		n := 0
		for _, t := range asked {
			if x.has(t) {
				n++
			}
		}
		others := 0 // whose answers are waited for, and not given
		for _, o := range j.s.Troubles {
			if (o.Kind == Down || o.Kind == Mute) && o.meets(x.Span) {
				others += 3 * (1 + int(o.length()/(15*time.Minute)))
			}
		}
		if most := 4 + int(x.length()/j.s.every()) + 3*j.incidents(x.Span) + others; n > most {
			j.fault(x.From, "too many requests", "%d to the %s server, which said no for %s", n, server, plan.Span(x.length()))
		}
	}
}
