// Package status describes the state of a box: what is left of every credential, what is due, and what will break first.
package status

import (
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Credential is a proxy, or a credential stored on a MyProxy server, as status and inspect print it. Times are whole
// seconds; null is unknown, and 0 seconds left is over or unknown.
type Credential struct {
	Name                 string     `json:"name"`
	Kind                 string     `json:"kind"`
	Path                 string     `json:"path"`
	Identity             string     `json:"identity"`
	Subject              string     `json:"subject"`
	Issuer               string     `json:"issuer"`
	Type                 string     `json:"type"`
	Limited              bool       `json:"limited"`
	KeyType              string     `json:"keyType"`
	KeyBits              int        `json:"keyBits"`
	VO                   string     `json:"vo"`
	FQANs                []string   `json:"fqans"`
	NotAfter             *time.Time `json:"notAfter"`
	SecondsLeft          int64      `json:"secondsLeft"`
	ACNotAfter           *time.Time `json:"acNotAfter"`
	ACSecondsLeft        int64      `json:"acSecondsLeft"`
	EffectiveEnd         *time.Time `json:"effectiveEnd"`
	EffectiveSecondsLeft int64      `json:"effectiveSecondsLeft"`
	State                string     `json:"state"` // ok, due, alert, expired, missing, invalid or unknown
	Reason               string     `json:"reason"`

	// What follows is known of what the configuration looks after; inspect does not print it.

	LifetimeSeconds   int64      `json:"lifetimeSeconds,omitempty"`   // of a new one: what a full bar stands for
	RenewBelowSeconds int64      `json:"renewBelowSeconds,omitempty"` // renewed when less is left, short grants considered; a stored one: with less left it gives no full lifetime
	LateBelowSeconds  int64      `json:"lateBelowSeconds,omitempty"`  // with less left, a renewal must have failed, or nobody makes any
	AlertBelowSeconds int64      `json:"alertBelowSeconds,omitempty"`
	EndsWith          string     `json:"endsWith,omitempty"`    // what ends at EffectiveEnd, for people
	LastRenewal       *time.Time `json:"lastRenewal,omitempty"` // when it was last renewed by this program
	NextRenewal       *time.Time `json:"nextRenewal,omitempty"` // when it becomes due; the present if it is; missing: this program does not renew it
	Ends              []End      `json:"ends,omitempty"`        // what it hangs on, the first to end first
	Forecast          *Forecast  `json:"forecast,omitempty"`    // how long renewals alone can keep it
}

// SetTimes fills in the ends and what is left of them, in whole seconds, never below zero.
func (d *Credential) SetTimes(notAfter, acNotAfter, effective, now time.Time) {
	left := func(t time.Time) int64 { return secondsLeft(t, now) }
	d.NotAfter, d.SecondsLeft = Moment(notAfter), left(notAfter)
	d.ACNotAfter, d.ACSecondsLeft = Moment(acNotAfter), left(acNotAfter)
	d.EffectiveEnd, d.EffectiveSecondsLeft = Moment(effective), left(effective)
}

// secondsLeft is how long it is until t, in whole seconds, never below zero; 0 for the zero time.
func secondsLeft(t, now time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(0, int64(t.Sub(now)/time.Second))
}

// An EnvFile is an environment file that is kept.
type EnvFile struct {
	Path   string `json:"path"`
	State  string `json:"state"` // ok, due or invalid
	Reason string `json:"reason"`
}

// A Service is a service that is restarted.
type Service struct {
	Name        string     `json:"name"`
	State       string     `json:"state"` // ok, due, alert or unknown
	Reason      string     `json:"reason"`
	LastRestart *time.Time `json:"lastRestart"`
}

// A Doc is the status of a box: what `status -o json` prints.
type Doc struct {
	Credentials  []Credential `json:"credentials"`
	EnvFiles     []EnvFile    `json:"envFiles"`
	Services     []Service    `json:"services"`
	Alerts       []plan.Alert `json:"alerts"`
	FirstToBreak *Break       `json:"firstToBreak"`
	Time         time.Time    `json:"time"`
	NextLook     *time.Time   `json:"nextLook"`
	Steps        []Step       `json:"steps"`               // in the order of time
	Rehearsal    *Rehearsal   `json:"rehearsal,omitempty"` // if it is not of the present
}

// A Step is something that this program is going to do.
type Step struct {
	ID     string      `json:"id"`
	Action plan.Action `json:"action"`
	Kind   string      `json:"kind"` // machine-proxy, proxy, env-file, link or service
	Target string      `json:"target"`
	Reason string      `json:"reason"`
	When   *time.Time  `json:"when"` // the present: by the next pass
}

// Bad reports whether something does not work now.
func (d Doc) Bad() bool {
	for _, c := range d.Credentials {
		switch c.State {
		case "expired", "missing", "invalid":
			return true
		}
	}
	for _, f := range d.EnvFiles {
		if f.State == "invalid" {
			return true
		}
	}
	for _, al := range d.Alerts {
		if al.Severity == plan.Critical {
			return true
		}
	}
	return false
}

// A Box is what there is to describe.
type Box struct {
	Want  plan.Desired
	Have  plan.Observed
	Plan  plan.Plan // for Have at Now
	Now   time.Time
	Looks map[string]Look // by credential, as far as somebody has looked closer; may be nil
}

// Of describes a box, given what is wanted, what was found, and the plan for it at that time. It changes and reads nothing.
func Of(want plan.Desired, have plan.Observed, p plan.Plan, now time.Time) Doc {
	return Box{Want: want, Have: have, Plan: p, Now: now}.Describe()
}

// Describe is Of, with what a closer look has found.
func (b Box) Describe() Doc {
	d := Doc{Credentials: []Credential{}, EnvFiles: []EnvFile{}, Services: []Service{},
		Time: Seconds(b.Now), NextLook: Moment(b.Plan.NextLook), Steps: []Step{}}
	d.Alerts = append(append([]plan.Alert{}, b.Plan.Alerts...), b.fileAlerts()...)
	for _, c := range b.Want.Credentials {
		st := b.Have.Credentials[c.Name]
		d.Credentials = append(d.Credentials, b.credential(c, st))
		if c.Source.MyProxy != nil {
			d.Credentials = append(d.Credentials, storedOf(c, st, b.Now))
		}
	}
	for _, f := range b.Want.EnvFiles {
		d.EnvFiles = append(d.EnvFiles, envFileOf(f, b.Have.EnvFiles[f.Path]))
	}
	for _, s := range b.Want.Services {
		d.Services = append(d.Services, serviceOf(s, b.Have.Services[s.Name], b.Plan))
	}
	d.FirstToBreak = b.firstToBreak()
	if slices.ContainsFunc(b.Plan.Steps, func(s plan.Step) bool { return s.NotBefore.IsZero() }) {
		d.NextLook = Moment(b.Now) // status carries nothing out: what is due stays due
	}
	d.Steps = b.steps()
	return d
}

// steps are those of the plan, and the next renewal of each credential that is not due.
func (b Box) steps() []Step {
	steps := []Step{}
	for _, s := range b.Plan.Steps {
		when := b.Now
		if !s.NotBefore.IsZero() {
			when = s.NotBefore
		}
		steps = append(steps, Step{ID: s.ID, Action: s.Action, Kind: s.Kind, Target: s.Target, Reason: s.Reason, When: Moment(when)})
	}
	for _, c := range b.Want.Credentials {
		id, next := plan.RenewID(c), b.nextRenewal(c)
		if next.IsZero() || slices.ContainsFunc(steps, func(s Step) bool { return s.ID == id }) {
			continue
		}
		kind := "proxy"
		if c.Kind == plan.Machine {
			kind = "machine-proxy"
		}
		_, reason := plan.Due(c, b.Have.Credentials[c.Name], next)
		steps = append(steps, Step{ID: id, Action: plan.Renew, Kind: kind, Target: c.Name, Reason: reason, When: Moment(next)})
	}
	slices.SortStableFunc(steps, func(x, y Step) int { return x.When.Compare(*y.When) })
	return steps
}

// credential is credentialOf, with what comes of it in time.
func (b Box) credential(c plan.Credential, st plan.CredentialState) Credential {
	d := credentialOf(c, st, b.Now)
	if why := b.refusal(c, st); why != "" && (d.State == "ok" || d.State == "due") {
		d.State, d.Reason = "alert", why
	}
	d.LifetimeSeconds, d.AlertBelowSeconds = int64(c.Lifetime/time.Second), int64(c.AlertBelow/time.Second)
	d.EndsWith, d.Ends = st.EndsWith, b.endsOf(c, st)
	if g := grantOf(c, st); g != nil && g.Taken {
		d.LastRenewal = Moment(g.Time)
	}
	d.LateBelowSeconds = int64(b.lateBelow(c, st) / time.Second)
	if !c.Observe {
		below, _ := plan.RenewedBelow(c, st, b.Now)
		d.RenewBelowSeconds = int64(below / time.Second)
		d.NextRenewal, d.Forecast = Moment(b.nextRenewal(c)), b.courseOf(c).forecast()
	}
	return d
}

func credentialOf(c plan.Credential, st plan.CredentialState, now time.Time) Credential {
	d := Credential{Name: c.Name, Kind: string(c.Kind), Path: st.Path, Identity: st.Identity, Subject: st.Subject,
		Issuer: st.Issuer, Type: st.Type, Limited: st.Limited, KeyType: st.KeyType, KeyBits: st.KeyBits, VO: st.VO,
		FQANs: append([]string{}, st.FQANs...)}
	if d.Identity == "" {
		d.Identity = c.Identity
	}
	d.SetTimes(st.NotAfter, st.ACNotAfter, st.EffectiveEnd, now)
	due, reason := plan.Due(c, st, now)
	d.Reason = reason
	switch {
	case !st.Exists:
		d.State, d.Reason = "missing", "there is none yet"
	case st.Fault != "":
		d.State, d.Reason = "invalid", st.Fault
	case !now.Before(st.EffectiveEnd):
		d.State = "expired"
		if c.Observe {
			d.Reason = condition(st) + "; another program keeps it"
		}
	case st.EffectiveEnd.Sub(now) < c.AlertBelow:
		d.State = "alert"
	case due:
		d.State = "due"
	default:
		d.State = "ok"
	}
	return d
}

// storedOf describes the credential on the MyProxy server as far as it is known from the last renewal.
func storedOf(c plan.Credential, st plan.CredentialState, now time.Time) Credential {
	mp := c.Source.MyProxy
	d := Credential{Name: c.Name + "@" + mp.Server, Kind: "stored", Identity: mp.Username, FQANs: []string{},
		State: "unknown", Reason: "not renewed from " + mp.Server + " yet"}
	g := grantOf(c, st)
	if g == nil || g.StoredEnd.IsZero() {
		return d
	}
	end := g.StoredEnd
	d.SetTimes(end, time.Time{}, end, now)
	d.Reason = "as seen on " + plan.Clock(g.Time)
	d.AlertBelowSeconds, d.RenewBelowSeconds = int64(mp.AlertBelow/time.Second), int64(c.Lifetime/time.Second)
	// Nobody tells for how long it was stored: the manual has people say 3000 hours.
	d.LifetimeSeconds = int64(max(3000*time.Hour, end.Sub(g.Time)) / time.Second)
	switch left := end.Sub(now); {
	case left <= 0:
		d.State = "expired"
	case left < mp.AlertBelow:
		d.State = "alert"
	default:
		d.State = "ok"
	}
	return d
}

func envFileOf(f plan.EnvFile, st plan.EnvFileState) EnvFile {
	d := EnvFile{Path: f.Path, State: "ok"}
	switch {
	case st.Fault != "":
		d.State, d.Reason = "invalid", st.Fault
	case len(st.Changes) > 0:
		d.State, d.Reason = "due", strings.Join(st.Changes, "; ")
	case len(st.Unmet) > 0:
		d.State, d.Reason = "alert", strings.Join(st.Unmet, "; ")
	}
	return d
}

func serviceOf(s plan.Service, st plan.ServiceState, p plan.Plan) Service {
	d := Service{Name: s.Name, State: "ok"}
	if n := len(st.Restarts); n > 0 {
		d.LastRestart = Moment(st.Restarts[n-1])
	}
	if !st.Known && st.Pending == "" {
		d.State, d.Reason = "unknown", "not seen by a pass yet"
	}
	for _, step := range p.Steps {
		if step.Kind == "service" && step.Target == s.Name {
			d.State, d.Reason = "due", step.Reason
			if !step.NotBefore.IsZero() {
				d.Reason += ", waits until " + plan.Clock(step.NotBefore)
			}
		}
	}
	if st.Pending != "" && d.State == "ok" { // held back, because an expectation does not hold
		d.State, d.Reason = "alert", st.Pending+", and the restart is held back: see the alerts"
	}
	return d
}

// Seconds cuts a moment to whole seconds, in UTC, as certificates have them.
func Seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Moment is null for the zero time.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = Seconds(t)
	return &t
}
