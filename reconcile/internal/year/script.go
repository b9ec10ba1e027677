package year

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Options say which life of a box is simulated. Two equal ones make the same life.
type Options struct {
	Seed  uint64
	Days  int     // how long it is; zero: 365
	Watch bool    // a program that stays; false: cron
	Busy  float64 // how many times more often than in real life something happens; zero: 1
	// Every is how far apart cron's runs are. Zero: an hour.
	Every time.Duration
}

func (o Options) days() int { return cmp.Or(o.Days, 365) }

// every is the longest time between two passes: watch.interval, with --watch.
func (o Options) every() time.Duration {
	if o.Watch {
		return time.Hour
	}
	return cmp.Or(o.Every, time.Hour)
}

func (o Options) String() string {
	mode := fmt.Sprintf("cron every %s", o.every())
	if o.Watch {
		mode = "watch"
	}
	return fmt.Sprintf("seed %d, %s, %d days, %gx", o.Seed, mode, o.days(), cmp.Or(o.Busy, 1))
}

// Birth is when every life begins, by the true clock.
var Birth = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// A Span is a time from a moment up to another.
type Span struct{ From, To time.Time }

func (s Span) has(t time.Time) bool                        { return !t.Before(s.From) && t.Before(s.To) }
func (s Span) meets(o Span) bool                           { return s.From.Before(o.To) && o.From.Before(s.To) }
func (s Span) length() time.Duration                       { return s.To.Sub(s.From) }
func around(t time.Time, before, after time.Duration) Span { return Span{t.Add(-before), t.Add(after)} }

// A Kind is what is the matter with a server.
type Kind string

const (
	Down     Kind = "down"     // connections are refused at once
	Mute     Kind = "mute"     // no answer until the timeout
	Slow     Kind = "slow"     // up to 28 s for an answer, which is less than the timeout
	Refusing Kind = "refusing" // says no, until somebody there changes something
	Short    Kind = "short"    // the VOMS server gives 12 h only
)

// The two servers.
const (
	MyProxy = "myproxy"
	VOMS    = "voms"
)

// A Trouble is something the matter with a server.
type Trouble struct {
	Span
	Server string
	Kind   Kind
}

// A Jump is the clock of the box being set. Its error is that much more from then on.
type Jump struct {
	At time.Time
	By time.Duration
}

// A Kill ends the first pass after At in the middle: at its Hook-th opportunity. The machine is back after Down.
type Kill struct {
	At   time.Time
	Hook int
	Down time.Duration
}

// An Edit is something that other people do to the files of the box.
type Edit struct {
	At   time.Time
	What string
}

// The edits there are. The first of them concern what is managed in an env file, so that a restart is due.
var (
	managedEdits = []string{"another value", "commented out", "env file deleted", "unset at the end"}
	otherEdits   = []string{"a comment", "another variable", "mode of the env file"}
	proxyEdits   = []string{"proxy deleted", "proxy cut short", "proxy readable by all", "machine proxy deleted", "state deleted", "state cut short"}
)

// A Script is what will happen in a life, apart from what people do when they are told something.
type Script struct {
	Options
	Span
	Minute   time.Duration // of cron's runs
	Slack    time.Duration // by which each of them may come later, as a timer's do
	Troubles []Trouble
	Off      []Span      // the machine is off, or the program is not running
	Kills    []Kill      // sorted, as all that follow
	Hand     []time.Time // passes made by hand
	Jumps    []Jump
	Edits    []Edit

	HostEnd, SignerEnd time.Time // ends of the first host certificate, and of the VOMS server's
	CertEnd, StoredEnd time.Time // of the user certificate, and of the credential on the MyProxy server
	StoredMax          time.Duration
}

// Write makes the script of a life.
func Write(o Options) *Script {
	days := time.Duration(o.days()) * 24 * time.Hour
	s := &Script{Options: o, Span: Span{Birth, Birth.Add(days)}}
	d := dice{rand.New(rand.NewPCG(o.Seed, 0x6a6c69656e)), s}
	s.Minute = d.span(0, o.every()).Truncate(time.Second)
	if d.chance(0.5) {
		s.Slack = time.Minute
	}
	d.troubles()
	d.box()
	d.ends()
	slices.SortFunc(s.Troubles, func(a, b Trouble) int { return a.From.Compare(b.From) })
	slices.SortFunc(s.Off, func(a, b Span) int { return a.From.Compare(b.From) })
	slices.SortFunc(s.Kills, func(a, b Kill) int { return a.At.Compare(b.At) })
	slices.SortFunc(s.Jumps, func(a, b Jump) int { return a.At.Compare(b.At) })
	slices.SortFunc(s.Edits, func(a, b Edit) int { return a.At.Compare(b.At) })
	slices.SortFunc(s.Hand, time.Time.Compare)
	return s
}

// dice decide.
type dice struct {
	*rand.Rand
	s *Script
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

// span is between from and to, the short ones as likely as the long ones.
func (d dice) span(from, to time.Duration) time.Duration {
	if from <= 0 {
		return time.Duration(d.Float64() * float64(to))
	}
	return time.Duration(float64(from) * math.Pow(float64(to)/float64(from), d.Float64()))
}

func (d dice) moment() time.Time { return d.s.From.Add(d.span(0, d.s.length())) }

// times calls do so many times a year, on average.
func (d dice) times(aYear float64, do func(at time.Time)) {
	expected := aYear * float64(d.s.days()) / 365 * cmp.Or(d.s.Busy, 1)
	for n := expected * 2 * d.Float64(); n >= 1 || d.chance(n) && n > 0; n-- {
		do(d.moment())
	}
}

func (d dice) troubles() {
	for _, server := range []string{MyProxy, VOMS} {
		add := func(kind Kind, from, to time.Duration) func(time.Time) {
			return func(at time.Time) {
				d.s.Troubles = append(d.s.Troubles, Trouble{Span{at, at.Add(d.span(from, to))}, server, kind})
			}
		}
		d.times(60, add(Down, 10*time.Second, 10*time.Minute))
		d.times(20, add(Mute, 10*time.Second, 10*time.Minute))
		d.times(12, add(Down, 20*time.Minute, 6*time.Hour))
		d.times(4, add(Mute, 20*time.Minute, 6*time.Hour))
		d.times(1, add(Down, 6*time.Hour, 72*time.Hour))
		d.times(12, add(Slow, time.Hour, 24*time.Hour))
		d.times(1.5, add(Refusing, time.Hour, 72*time.Hour))
		if server == VOMS {
			d.times(1, add(Short, 2*time.Hour, 72*time.Hour))
		}
	}
}

func (d dice) box() {
	s := d.s
	d.times(12, func(at time.Time) { s.Off = append(s.Off, Span{at, at.Add(d.span(2*time.Minute, 15*time.Minute))}) })
	d.times(3, func(at time.Time) { s.Off = append(s.Off, Span{at, at.Add(d.span(time.Hour, 60*time.Hour))}) })
	d.times(12, func(at time.Time) {
		s.Kills = append(s.Kills, Kill{at, d.IntN(8), d.span(time.Minute, 20*time.Minute)})
	})
	d.times(20, func(at time.Time) {
		for range 1 + d.IntN(5) {
			s.Hand = append(s.Hand, at)
			at = at.Add(d.span(10*time.Second, time.Hour))
		}
	})
	d.times(6, func(at time.Time) { // set wrong, and put right by somebody
		by := d.span(10*time.Second, 4*time.Hour)
		if d.chance(0.1) {
			by *= 20
		}
		if d.chance(0.5) {
			by = -by
		}
		s.Jumps = append(s.Jumps, Jump{at, by}, Jump{at.Add(d.span(5*time.Minute, 30*time.Hour)), -by})
	})
	pick := func(from []string) func(time.Time) {
		return func(at time.Time) { s.Edits = append(s.Edits, Edit{at, from[d.IntN(len(from))]}) }
	}
	d.times(20, pick(managedEdits))
	d.times(10, pick(otherEdits))
	d.times(12, pick(proxyEdits))
}

// ends are drawn so that most lives see all of them, however short.
func (d dice) ends() {
	s := d.s
	after := func(least time.Duration, share float64) time.Time {
		return s.From.Add(least + d.span(0, time.Duration(share*float64(s.length())))).Truncate(time.Second)
	}
	s.HostEnd = after(3*24*time.Hour, 1.3)
	s.SignerEnd = after(3*24*time.Hour, 2)
	s.CertEnd = after(4*24*time.Hour, 1.6)
	s.StoredEnd = earlier(s.CertEnd, after(3*24*time.Hour, min(1.3, float64(storedFor)/float64(s.length()))))
	s.StoredMax = d.storedMax(0.8)
}

// storedFor is what users are told to type: myproxy-init -c 3000.
const storedFor = 3000 * time.Hour

// storedMax is -t 48, unless somebody forgets it.
func (d dice) storedMax(right float64) time.Duration {
	if d.chance(right) {
		return 48 * time.Hour
	}
	return 12 * time.Hour
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// person is somebody who is about to do something for the nth time. What they do depends on nothing else.
func (s *Script) person(who uint64, n int) dice {
	return dice{rand.New(rand.NewPCG(s.Seed, who<<32|uint64(n))), s}
}

// Error is how far the clock of the box is ahead of the true one.
func (s *Script) Error(t time.Time) time.Duration {
	var e time.Duration
	for i := range s.Jumps {
		if t.Before(s.Jumps[i].At) {
			break
		}
		e += s.Jumps[i].By
	}
	return e
}
