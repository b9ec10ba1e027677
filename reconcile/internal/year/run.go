package year

import (
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// A Box is what is looked after, and the program that does.
type Box interface {
	Pass(Order) Visit
	// Boot is the beginning of a process that stays.
	Boot()
	// Wait is that process waiting: until the moment, by the clock of the box, or until something has changed that calls for
	// a pass, or at the latest until the true time given.
	Wait(moment, until time.Time) watch.Wake
	// Moot reports whether what woke the process is what the last pass has written itself, and nothing is left to do but what
	// has just failed.
	Moot(watch.Wake) bool
	// Known is the end of the stored credential, as the box has on record; zero: it has not.
	Known() time.Time
	// Left is what is left of the proxies by the clock of the box; negative: over, or there is none.
	Left() (user, machine time.Duration)
}

// An Order is for one pass.
type Order struct {
	// Kill is the opportunity, counted from 0, at which the pass ends in the middle, as when the power fails, should there be
	// that many; negative: none.
	Kill    int
	Refused time.Duration // how long to wait after a pass in which all that failed was refused
	SetBack bool          // the clock was set back while the program waited
}

// life leads a box through its script.
type life struct {
	*World
	box   Box
	pace  watch.Pace
	kills []Kill
	hand  []time.Time
	off   []Span
}

// Live leads the box through the whole script and returns the log of it.
func (w *World) Live(box Box) *Log {
	l := &life{World: w, box: box, kills: w.Kills, hand: w.Hand, off: w.Off}
	for w.Now().Before(w.To) {
		if off, ok := l.isOff(); ok {
			w.Log.absent(Span{w.Now(), off})
			w.Sleep(off.Sub(w.Now()))
			continue
		}
		if w.Watch {
			l.watch()
		} else {
			l.cron()
		}
	}
	w.end()
	return w.Log
}

// isOff reports whether the machine is off, and until when.
func (l *life) isOff() (until time.Time, off bool) {
	now := l.Now()
	for len(l.off) > 0 && !l.off[0].From.After(now) {
		if l.off[0].To.After(now) {
			return earlier(l.off[0].To, l.To), true
		}
		l.off = l.off[1:]
	}
	return now, false
}

// power is when the machine goes off next.
func (l *life) power() time.Time {
	if len(l.off) > 0 {
		return earlier(l.off[0].From, l.To)
	}
	return l.To
}

// cron waits for the next run and makes it.
func (l *life) cron() {
	now := l.Now()
	at, hand := l.appointed(now), false
	for len(l.hand) > 0 && l.hand[0].Before(now) {
		l.hand = l.hand[1:]
	}
	if len(l.hand) > 0 && l.hand[0].Before(at) {
		at, hand = l.hand[0], true
	}
	stop := l.power()
	for _, j := range l.Jumps {
		if j.At.After(now) {
			stop = earlier(stop, j.At) // by the new time, cron has other plans
			break
		}
	}
	if !at.Before(stop) {
		l.Sleep(max(stop.Sub(now), time.Nanosecond))
		return
	}
	if hand {
		l.hand = l.hand[1:]
	}
	l.Sleep(at.Sub(now))
	l.pass(hand, false)
}

// appointed is when cron makes its next run, going by the clock of the box.
func (l *life) appointed(now time.Time) time.Time {
	wrong := l.Error(now)
	box := now.Add(wrong)
	at := box.Truncate(l.every()).Add(l.Minute)
	for {
		d := l.person(4, int(at.Unix()/60))
		if t := at.Add(d.span(0, l.Slack)); t.After(box) {
			return t.Add(-wrong)
		}
		at = at.Add(l.every())
	}
}

// watch is the life of a process that stays, until it is killed or the machine goes off. It is what the loop of
// vobox-reconcile --watch does, see its method live.
func (l *life) watch() {
	l.pace = watch.Pace{Schedule: watch.Schedule{Jitter: func(most time.Duration) time.Duration {
		d := l.person(5, int(l.Now().UnixNano()))
		return d.span(0, most)
	}}}
	l.box.Boot()
	var wake watch.Wake
	var next time.Time
	for l.Now().Before(l.power()) {
		if !l.box.Moot(wake) || !l.BoxNow().Before(next) {
			v := l.pass(false, wake.Cause == watch.Clock && wake.Jump < 0)
			if v.Killed {
				return
			}
			next = l.pace.After(l.BoxNow(), watch.Made{Next: v.Next, Due: wake.Cause == watch.Due, Changed: v.Changed, Refused: v.Refused})
		}
		wake = l.box.Wait(next, l.power())
	}
}

// pass makes one, and everybody reads what it says.
func (l *life) pass(hand, setBack bool) Visit {
	kill := -1
	if len(l.kills) > 0 && !hand && !l.kills[0].At.After(l.Now()) {
		kill = l.kills[0].Hook
	}
	begin := l.Now()
	v := l.box.Pass(Order{Kill: kill, Refused: l.pace.Refused(), SetBack: setBack})
	v.At, v.Done, v.Hand = begin, l.Now(), hand
	v.Left, v.Machine = l.box.Left()
	now := l.BoxNow()
	_, host := l.Host()
	l.mu.Lock()
	v.HostLeft, v.StoredLeft, v.StoredAge = host.Sub(now), l.stored.end.Sub(now), l.Now().Sub(l.stored.at)
	v.Nearest = min(v.HostLeft, v.StoredLeft, l.stored.certEnd.Sub(now))
	for _, s := range l.signers {
		if !s.From.After(v.Done) {
			v.Nearest = min(v.Nearest, s.To.Sub(now))
		}
	}
	if end := l.box.Known(); !end.IsZero() {
		v.Known = end.Sub(now)
	}
	l.mu.Unlock()
	l.Log.visit(v)
	if v.Killed {
		down := Span{l.Now(), l.Now().Add(l.kills[0].Down)}
		l.kills = l.kills[1:]
		l.Log.absent(down)
		l.Sleep(down.length())
		return v
	}
	l.Tell(v.Alerts)
	return v
}

// userProxy is the name of the user proxy in all simulations.
const userProxy = "lcgadmin"

// credentials are what is to be kept: a machine proxy from the host certificate, a user proxy from MyProxy and VOMS.
func credentials() []plan.Credential {
	return []plan.Credential{
		{Name: plan.MachineName, Kind: plan.Machine, Path: "/v/renewal-proxy.pem", Mode: 0o400, Key: "p256",
			Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour,
			Source: plan.Source{Certificate: &plan.Certificate{Cert: "/v/hostcert.pem", Key: "/v/hostkey.pem"}}},
		{Name: userProxy, Kind: plan.User, Path: "/v/proxy_repository/lcgadmin", Mode: 0o600, Key: "rsa2048",
			Identity: "/DC=org/DC=gridtest/OU=people/CN=Jane Doe", VO: "alice", FQANs: []string{"/alice/Role=lcgadmin"},
			Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, AlertBelow: time.Hour,
			Source: plan.Source{MyProxy: &plan.MyProxy{Server: "px.gridtest.org:7512", Username: "/DC=org/DC=gridtest/OU=people/CN=Jane Doe", Timeout: timeout, AlertBelow: alertBelow}}},
	}
}
