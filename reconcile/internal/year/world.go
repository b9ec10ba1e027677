package year

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Clock is the true time, and lets it pass.
type Clock interface {
	Now() time.Time
	Sleep(d time.Duration)
}

// A World is everything around the box: the servers, and the people who look after what is stored on them. It is safe for
// concurrent use.
type World struct {
	*Script
	Clock
	Log *Log
	// Changed is called when somebody has changed something on the box; it may be nil.
	Changed func(what string)

	mu     sync.Mutex
	agenda []todo // sorted
	added  chan struct{}

	stored  stored
	stores  int
	storing bool // somebody is about to
	hosts   int  // host certificates so far
	hostEnd time.Time
	hostOK  bool // nobody is about to replace it
	signers []Span
}

// stored is a credential on the MyProxy server.
type stored struct {
	at, end, certEnd time.Time
	max              time.Duration // -t
}

// A todo is something that will happen.
type todo struct {
	at time.Time
	do func()
}

// NewWorld begins a life.
func NewWorld(s *Script, c Clock) *World {
	w := &World{Script: s, Clock: c, Log: &Log{script: s}, added: make(chan struct{}, 1), hostEnd: s.HostEnd, hostOK: true, hosts: 1}
	w.stored = stored{at: s.From, end: s.StoredEnd, certEnd: s.CertEnd, max: s.StoredMax}
	from, end := s.From, s.SignerEnd
	for i := 0; from.Before(s.To); i++ { // the VO's people replace their certificate, mostly in time
		d := s.person(3, i)
		swap := end.Add(-d.span(time.Hour, 20*24*time.Hour))
		if d.chance(0.15) {
			swap = end.Add(d.span(time.Hour, 24*time.Hour))
		}
		swap = later(swap, from.Add(time.Hour))
		w.signers = append(w.signers, Span{from, end})
		w.Log.bad(Span{end.Add(-48 * time.Hour), swap}, short, "the VOMS server's certificate ends")
		from, end = swap, swap.Add(395*24*time.Hour).Truncate(time.Second)
	}
	for _, e := range s.Edits {
		w.plan(e.At, func() { w.change(e.What) })
	}
	for _, t := range s.Troubles {
		w.Log.trouble(t)
	}
	return w
}

// change is something happening to the files of the box.
func (w *World) change(what string) {
	w.Log.note(w.Now(), "others", "%s", what)
	if w.Changed != nil {
		w.Changed(what)
	}
}

// plan has something happen later.
func (w *World) plan(at time.Time, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.agenda, at, func(t todo, at time.Time) int {
		if t.at.After(at) {
			return 1
		}
		return -1
	})
	w.agenda = slices.Insert(w.agenda, i, todo{at, do})
	select {
	case w.added <- struct{}{}:
	default:
	}
}

// next is when something happens; never: the end of this life.
func (w *World) next() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.agenda) == 0 {
		return w.To
	}
	return w.agenda[0].at
}

// fire lets happen what is due.
func (w *World) fire() {
	for {
		w.mu.Lock()
		if len(w.agenda) == 0 || w.agenda[0].at.After(w.Now()) {
			w.mu.Unlock()
			return
		}
		do := w.agenda[0].do
		w.agenda = w.agenda[1:]
		w.mu.Unlock()
		do()
	}
}

// BoxNow is what the clock of the box shows.
func (w *World) BoxNow() time.Time { now := w.Now(); return now.Add(w.Error(now)) }

// A Refusal is how a server, or the way to it, fails.
type Refusal struct {
	Server    string
	ID        string
	Temporary bool
}

func (r *Refusal) Error() string { return r.Server + ": " + r.ID }

// longest is how long a trouble lasts at most.
const longest = 72 * time.Hour

// troubleOf is what is the matter with a server.
func (w *World) troubleOf(server string, t time.Time) (kinds []Kind) {
	i, _ := slices.BinarySearchFunc(w.Troubles, t.Add(-longest), func(x Trouble, t time.Time) int { return x.From.Compare(t) })
	for ; i < len(w.Troubles) && !w.Troubles[i].From.After(t); i++ {
		if x := &w.Troubles[i]; x.Server == server && x.To.After(t) {
			kinds = append(kinds, x.Kind)
		}
	}
	return kinds
}

// timeout is that of an exchange with either server.
const timeout = 30 * time.Second

// reach is the way to a server, and the time that it takes.
func (w *World) reach(server string) *Refusal {
	now := w.Now()
	w.Log.ask(now, server)
	kinds := w.troubleOf(server, now)
	has := func(k Kind) bool { return slices.Contains(kinds, k) }
	switch {
	case has(Down):
		return &Refusal{server, "NET", true}
	case has(Mute):
		w.slowly(kinds)
		return &Refusal{server, "TIMEOUT", true}
	}
	if w.slowly(kinds); has(Refusing) {
		return &Refusal{server, "REFUSED", false}
	}
	return nil
}

// slowly takes the time that an exchange takes.
func (w *World) slowly(kinds []Kind) {
	switch {
	case slices.Contains(kinds, Down):
	case slices.Contains(kinds, Mute):
		w.Sleep(timeout)
	case slices.Contains(kinds, Slow):
		d := rand.New(rand.NewPCG(w.Seed, uint64(w.Now().UnixNano())))
		w.Sleep(time.Duration(2+26*d.Float64()) * time.Second)
	default:
		w.Sleep(300 * time.Millisecond)
	}
}

// A Delegation is what the MyProxy server gives.
type Delegation struct {
	Begin, End         time.Time // of the proxy
	StoredEnd, CertEnd time.Time
}

// Delegate asks the MyProxy server for a proxy of the user.
func (w *World) Delegate(lifetime time.Duration) (Delegation, error) {
	if r := w.reach(MyProxy); r != nil {
		return Delegation{}, r
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now().Truncate(time.Second)
	if !now.Before(w.stored.end) {
		return Delegation{}, &Refusal{MyProxy, "NOCRED", false}
	}
	end := earlier(now.Add(min(lifetime, w.stored.max)), w.stored.end)
	return Delegation{Begin: now.Add(-5 * time.Minute), End: end, StoredEnd: w.stored.end, CertEnd: w.stored.certEnd}, nil
}

// An Attestation is an attribute certificate.
type Attestation struct {
	Begin, End time.Time
	SignerEnd  time.Time // of the certificate of the VOMS server
	Signer     int
}

// Attest asks the VOMS server for an attribute certificate.
func (w *World) Attest(lifetime time.Duration) (Attestation, error) {
	if r := w.reach(VOMS); r != nil {
		return Attestation{}, r
	}
	now := w.Now().Truncate(time.Second)
	if slices.Contains(w.troubleOf(VOMS, now), Short) {
		lifetime = min(lifetime, 12*time.Hour)
	}
	a := Attestation{Begin: now, End: now.Add(lifetime)}
	for i, s := range w.signers {
		if !s.From.After(now) {
			a.Signer, a.SignerEnd = i, s.To
		}
	}
	return a, nil
}

// Host is the certificate of the box: which one it is, and when it ends.
func (w *World) Host() (n int, end time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts, w.hostEnd
}

// Tell is people reading the alerts of a pass.
func (w *World) Tell(alerts []plan.Alert) {
	for _, a := range alerts {
		switch {
		case a.ID == "HOST-CERT":
			w.wantHost()
		case strings.HasPrefix(a.ID, "MP-") && a.Where == "LCG-UI":
			w.wantStore(a.ID)
		}
	}
}

// wantStore has the user store a credential again, in some days, and sometimes too late.
func (w *World) wantStore(id string) {
	w.mu.Lock()
	if w.storing {
		w.mu.Unlock()
		return
	}
	w.storing = true
	w.stores++
	n, end := w.stores, w.stored.end
	w.mu.Unlock()
	d := w.person(1, n)
	at := w.Now().Add(d.span(20*time.Minute, 8*24*time.Hour))
	if d.chance(0.15) {
		at = later(at, end.Add(d.span(time.Hour, 48*time.Hour)))
	}
	w.Log.note(w.Now(), "user", "is told %s, stores again on %s", id, plan.Clock(at))
	w.plan(at, func() { w.store(d) })
}

func (w *World) store(d dice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, old := w.Now(), w.stored
	w.closeStored(now)
	w.stored = stored{at: now, certEnd: old.certEnd, max: d.storedMax(0.9)}
	if old.certEnd.Sub(now) < 30*24*time.Hour && d.chance(0.8) || !now.Before(old.certEnd) {
		w.stored.certEnd = now.Add(395 * 24 * time.Hour).Truncate(time.Second)
	}
	w.stored.end = earlier(now.Add(storedFor).Truncate(time.Second), w.stored.certEnd)
	w.storing = false
	w.Log.note(now, "user", "has stored a credential until %s, -t %s", plan.Clock(w.stored.end), plan.Span(w.stored.max))
}

// closeStored puts on record when the credential that is replaced at that time, or the life that ends, gave too little.
func (w *World) closeStored(now time.Time) {
	from := w.stored.end.Add(-48 * time.Hour)
	if w.stored.max < 48*time.Hour {
		from = w.stored.at
	}
	w.Log.bad(Span{from, now}, short, fmt.Sprintf("stored until %s, -t %s", plan.Clock(w.stored.end), plan.Span(w.stored.max)))
}

// wantHost has the site's admin replace the host certificate, in some days, and sometimes too late.
func (w *World) wantHost() {
	w.mu.Lock()
	if !w.hostOK {
		w.mu.Unlock()
		return
	}
	w.hostOK = false
	n, end := w.hosts, w.hostEnd
	w.mu.Unlock()
	d := w.person(2, n)
	at := w.Now().Add(d.span(time.Hour, 8*24*time.Hour))
	if d.chance(0.2) {
		at = later(at, end.Add(d.span(time.Hour, 24*time.Hour)))
	}
	w.Log.note(w.Now(), "admin", "is told, replaces the host certificate on %s", plan.Clock(at))
	w.plan(at, func() {
		w.mu.Lock()
		now := w.Now()
		w.Log.bad(Span{w.hostEnd, now}, refused, "the host certificate has ended")
		w.hosts++
		w.hostEnd, w.hostOK = now.Add(395*24*time.Hour).Truncate(time.Second), true
		w.mu.Unlock()
		w.change("host certificate replaced")
	})
}

// end is the end of this life: what is still bad is put on record.
func (w *World) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closeStored(w.To)
	w.Log.bad(Span{w.hostEnd, w.To}, refused, "the host certificate has ended")
	for t := w.From; len(w.Jumps) > 0; {
		next := w.To
		for _, j := range w.Jumps {
			if j.At.After(t) {
				next = earlier(next, j.At)
			}
		}
		if w.Error(t).Abs() > 4*time.Minute {
			w.Log.bad(Span{t, next}, wrong, fmt.Sprintf("the clock is %s ahead", plan.Span(w.Error(t))))
		}
		if t = next; !t.Before(w.To) {
			break
		}
	}
}
