package year

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Visit is a pass that was made.
type Visit struct {
	At, Done time.Time // true times
	Hand     bool      // by somebody at a terminal
	Killed   bool      // it did not come to its end
	Changed  bool      // there was something to do
	Failed   []string  // targets of renewals that failed
	Refused  bool
	Alerts   []plan.Alert
	Next     time.Time // by the clock of the box

	// What was left when it was done, by the clock of the box; negative: it is over, or there is none.
	Left, Machine        time.Duration // of the user proxy and of the machine proxy
	HostLeft, StoredLeft time.Duration // of the host certificate, and of what is on the MyProxy server
	Nearest              time.Duration // of all that people have to replace, what ends first
	StoredAge            time.Duration // since it was stored
	Known                time.Duration // of the same, as the box has on record; zero: it has not
}

// why is the reason for which no good proxy can be had.
type why int

const (
	outage  why = iota // a server does not answer; it is asked again soon
	refused            // somebody says no; is asked again within the hour
	short              // less is given than was asked; asked again within six hours
	wrong              // the clock of the box is; what it has measured is not believed
)

// A bad time is one in which no proxy of 48 h can be had.
type bad struct {
	Span
	why  why
	what string
}

// A placing is a proxy file that has changed. A zero end means that there is none that can be used.
type placing struct {
	at   time.Time
	name string
	end  time.Time // of the proxy and everything in it
}

// An asking is a request to a server.
type asking struct {
	at     time.Time
	server string
}

// A Fault is something that must not be.
type Fault struct {
	At   time.Time
	Rule string
	What string
}

func (f Fault) String() string { return fmt.Sprintf("%s  %s: %s", stamp(f.At), f.Rule, f.What) }

// A Log is all that is to be known of a life to judge it. It is safe for concurrent use.
type Log struct {
	script *Script

	mu      sync.Mutex
	visits  []Visit
	placed  []placing
	asked   []asking
	bads    []bad
	faults  []Fault
	away    []Span // the machine or the program was not there
	entries []entry
	quiet   bool // no entries
}

type entry struct {
	at        time.Time
	who, what string
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func (l *Log) note(at time.Time, who, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quiet {
		l.entries = append(l.entries, entry{at, who, fmt.Sprintf(format, args...)})
	}
}

func (l *Log) fault(at time.Time, rule, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, Fault{at, rule, fmt.Sprintf(format, args...)})
}

func (l *Log) ask(at time.Time, server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, asking{at, server})
}

// bad puts a bad time on record, if it is one.
func (l *Log) bad(s Span, y why, what string) {
	if !s.From.Before(s.To) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bads = append(l.bads, bad{s, y, what})
}

func (l *Log) trouble(t Trouble) {
	what := t.Server + " " + string(t.Kind)
	switch t.Kind {
	case Down, Mute:
		l.bad(t.Span, outage, what)
	case Refusing:
		l.bad(t.Span, refused, what)
	case Short:
		l.bad(t.Span, short, what)
	}
}

func (l *Log) place(at time.Time, name string, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.placed = append(l.placed, placing{at, name, end})
}

func (l *Log) absent(s Span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = append(l.away, s)
}

func (l *Log) visit(v Visit) {
	l.mu.Lock()
	l.visits = append(l.visits, v)
	l.mu.Unlock()
	if l.quiet {
		return
	}
	var ids []string
	for _, a := range v.Alerts {
		ids = append(ids, a.ID+" "+a.Subject)
	}
	switch {
	case v.Killed:
		l.note(v.Done, "pass", "killed")
	case v.Changed || len(ids) > 0:
		l.note(v.Done, "pass", "took %s; failed %v; user proxy has %s, machine proxy %s; alerts %v; next look %s", v.Done.Sub(v.At).Round(time.Millisecond), v.Failed,
			plan.Span(v.Left), plan.Span(v.Machine), ids, stamp(v.Next))
	}
}

// String is the whole life, a line for each event, and for each bad time when it begins.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.entries)
	for _, b := range l.bads {
		all = append(all, entry{b.From, "world", fmt.Sprintf("%s, until %s", b.what, stamp(b.To))})
	}
	for _, a := range l.away {
		all = append(all, entry{a.From, "box", "away until " + stamp(a.To)})
	}
	for _, j := range l.script.Jumps {
		all = append(all, entry{j.At, "clock", "is set by " + plan.Span(j.By)})
	}
	for _, f := range l.faults {
		all = append(all, entry{f.At, "FAULT", f.Rule + ": " + f.What})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s: true times; the clock of the box is ahead by what it was set by\n", l.script.Options)
	for _, e := range all {
		fmt.Fprintf(&b, "%s  %-6s %s\n", stamp(e.at), e.who, e.what)
	}
	return b.String()
}
