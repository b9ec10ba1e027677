package year

import (
	"errors"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// A virtual clock passes when somebody sleeps on it, and lets the world happen on the way.
type virtual struct {
	now   time.Time
	world *World
}

func (c *virtual) Now() time.Time { return c.now }

func (c *virtual) Sleep(d time.Duration) {
	until := c.now.Add(d)
	for {
		next := c.world.next()
		if !next.Before(earlier(until, c.world.To)) { // a pass may outlast this life
			break
		}
		c.now = later(c.now, next)
		c.world.fire()
	}
	c.now = until
}

// A Policy decides what a pass does. The one to be tested is [plan.Compute]; others are for showing that the rules catch
// what is wrong.
type Policy func(plan.Desired, plan.Observed, time.Time, plan.Options) plan.Plan

// A model is a box without files and without cryptography: credentials are their times, and the engine is written down
// again in few lines. What decides is the real thing: package plan, and the pace of package watch.
type model struct {
	*World
	want    plan.Desired
	compute Policy
	proxies map[string]*proxy
	grant   *plan.Grant
	runs    []plan.Run
	rhythm  plan.Rhythm
	booted  bool      // makes passes for a program that stays
	changed time.Time // last, a file
	own     bool      // by the program itself, and nobody else since its last pass
	failed  bool      // the last pass
	hooks   int       // opportunities for a kill in this pass
	kill    int
}

// proxy is a proxy file: its times, by the true clock or the clock of the box, whoever has signed.
type proxy struct {
	begin, acBegin time.Time
	own, end       time.Time // without and with the certificates of those who have signed
}

var errKilled = errors.New("killed")

// Model lives a script on a modelled box. A nil policy is plan.Compute. The log can be printed if it is verbose.
func Model(s *Script, p Policy, verbose bool) *Log {
	c := &virtual{now: s.From}
	w := NewWorld(s, c)
	c.world = w
	m := &model{World: w, compute: p, proxies: map[string]*proxy{}, want: plan.Desired{Credentials: credentials()}}
	if p == nil {
		m.compute = plan.Compute
	}
	w.Changed = m.edit
	w.Log.quiet = !verbose
	return w.Live(m)
}

// edit is what others do. There are no env files here.
func (m *model) edit(what string) {
	switch what {
	case "proxy deleted", "proxy cut short":
		delete(m.proxies, userProxy)
		m.Log.place(m.Now(), userProxy, time.Time{})
	case "machine proxy deleted":
		delete(m.proxies, plan.MachineName)
	case "state deleted", "state cut short":
		m.grant = nil
	}
	m.changed, m.own = m.Now(), false
}

func (m *model) Boot() { m.booted = true }

// quiet is how long --watch waits for a change to settle; late is when it notices that the clock was set, at the latest.
const (
	quiet = 500 * time.Millisecond
	late  = 30 * time.Second
)

func (m *model) Wait(moment, until time.Time) watch.Wake {
	wrong := m.Error(m.Now())
	for m.Now().Before(until) {
		now := m.Now()
		step := earlier(later(m.next(), now.Add(1)), until)
		if due := moment.Add(-m.Error(now)); due.Before(step) {
			step = later(due, now)
		}
		for _, j := range m.Jumps {
			if j.At.After(now) {
				step = earlier(step, j.At)
				break
			}
		}
		m.Sleep(step.Sub(now))
		switch {
		case m.Error(m.Now()) != wrong:
			m.Sleep(m.person(6, int(now.Unix())).span(0, late))
			return watch.Wake{Cause: watch.Clock, Jump: m.Error(m.Now()) - wrong}
		case m.changed.After(now):
			m.Sleep(quiet)
			return watch.Wake{Cause: watch.Changed}
		case !m.BoxNow().Before(moment):
			return watch.Wake{Cause: watch.Due}
		}
		m.fire()
		if m.changed.Equal(m.Now()) {
			m.Sleep(quiet)
			return watch.Wake{Cause: watch.Changed}
		}
	}
	return watch.Wake{Cause: watch.Due}
}

func (m *model) Moot(w watch.Wake) bool { return w.Cause == watch.Changed && m.failed && m.own }

func (m *model) Known() time.Time {
	if m.grant == nil {
		return time.Time{}
	}
	return m.grant.StoredEnd
}

func (m *model) Left() (user, machine time.Duration) {
	left := func(name string) time.Duration {
		if p := m.proxies[name]; p != nil {
			return p.end.Sub(m.BoxNow())
		}
		return -1
	}
	return left(userProxy), left(plan.MachineName)
}

// skew is how far ahead the beginning of a certificate may be, see trust.Skew.
const skew = 5 * time.Minute

// state describes a proxy as the engine would.
func (m *model) state(c plan.Credential) plan.CredentialState {
	st := plan.CredentialState{Path: c.Path, EndsWith: "the proxy", Rhythm: m.rhythm}
	if c.Kind == plan.Machine {
		_, end := m.Host()
		st.Source = plan.SourceState{Path: c.Source.Certificate.Cert, NotAfter: end}
		if !m.BoxNow().Before(end) {
			st.Source.Fault, st.Source.FaultID = "it expired", "HOST-CERT"
		}
	} else {
		st.Grant = m.grant
	}
	if p := m.proxies[c.Name]; p != nil {
		st = judged(st, *p, m.BoxNow())
		st.Exists = true
	}
	return st
}

func judged(st plan.CredentialState, p proxy, now time.Time) plan.CredentialState {
	st.NotAfter, st.EffectiveEnd = p.end, p.end
	if now.Before(p.end) && (now.Add(skew).Before(p.begin) || now.Add(skew).Before(p.acBegin)) {
		st.Fault, st.FaultID = "it is not valid yet", "CLOCK"
	}
	return st
}

func (m *model) observe() plan.Observed {
	have := plan.Observed{Credentials: make(map[string]plan.CredentialState, len(m.want.Credentials))}
	for _, c := range m.want.Credentials {
		have.Credentials[c.Name] = m.state(c)
	}
	return have
}

// hook is an opportunity for a kill.
func (m *model) hook() bool {
	m.hooks++
	return m.hooks-1 == m.kill
}

func (m *model) Pass(o Order) Visit {
	m.hooks, m.kill, m.own = 0, o.Kill, true
	now := m.BoxNow()
	future := now.Add(time.Second)
	if n := len(m.runs); m.grant != nil && (o.SetBack || n > 0 && m.runs[n-1].At.After(future) || m.grant.Time.After(future)) {
		m.grant.Stale = true
	}
	if n := len(m.runs); n == 0 || now.Sub(m.runs[n-1].At).Abs() >= 5*time.Minute {
		m.runs = append(m.runs, plan.Run{At: now.Truncate(time.Second), Resident: m.booted})
		m.runs = m.runs[max(0, len(m.runs)-17):]
	}
	if m.rhythm = (plan.Rhythm{Prompt: true}); !m.booted {
		m.rhythm = plan.RhythmOf(m.runs, now)
	}
	var v Visit
	p := m.compute(m.want, m.observe(), now, plan.Options{})
	var errs map[string]error
	for _, s := range p.Steps {
		if s.Action != plan.Renew {
			continue
		}
		if v.Changed = true; errs == nil {
			errs = map[string]error{}
		}
		for _, c := range m.want.Credentials {
			if c.Name == s.Target {
				errs[c.Name] = m.renew(c)
			}
		}
		if errors.Is(errs[s.Target], errKilled) {
			v.Killed = true
			return v
		}
	}
	m.report(&v, p, errs, o.Refused)
	return v
}

// report is what the engine says of a pass.
func (m *model) report(v *Visit, p plan.Plan, errs map[string]error, refusedLook time.Duration) {
	if m.failed = false; len(errs) == 0 { // nothing has changed
		v.Alerts, v.Next = p.Alerts, p.NextLook
		return
	}
	refused := true
	others := plan.Desired{}
	for _, c := range m.want.Credentials {
		err := errs[c.Name]
		if err == nil {
			others.Credentials = append(others.Credentials, c)
			continue
		}
		v.Failed = append(v.Failed, c.Name)
		var r *Refusal
		refused = refused && !(errors.As(err, &r) && r.Temporary)
	}
	now, have := m.BoxNow(), m.observe()
	after := m.compute(m.want, have, now, plan.Options{})
	for _, a := range p.Alerts {
		if _, asked := errs[a.Subject]; !asked {
			v.Alerts = append(v.Alerts, a)
		}
	}
	for _, a := range after.Alerts {
		if _, asked := errs[a.Subject]; asked {
			v.Alerts = append(v.Alerts, a)
		}
	}
	if v.Next = after.NextLook; len(v.Failed) == 0 {
		return
	}
	for _, name := range v.Failed {
		v.Alerts = append(v.Alerts, m.failure(name, errs[name]))
	}
	v.Refused, m.failed = refused, true
	v.Next = m.compute(others, have, now, plan.Options{}).NextLook
	retry := now.Add(15 * time.Minute)
	if v.Refused {
		retry = now.Add(refusedLook)
	}
	if v.Next.IsZero() || v.Next.After(retry) {
		v.Next = retry
	}
}

func (m *model) failure(name string, err error) plan.Alert {
	a := plan.Alert{ID: "NEVER-WORSE", Subject: name, Message: err.Error()}
	var r *Refusal
	if errors.As(err, &r) {
		a.ID = r.ID
		if r.ID == "NOCRED" {
			a.ID, a.Where = "MP-NOCRED", "LCG-UI"
		}
	}
	return a
}
