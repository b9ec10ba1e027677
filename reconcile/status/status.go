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
}

// SetTimes fills in the ends and what is left of them, in whole seconds, never below zero.
func (d *Credential) SetTimes(notAfter, acNotAfter, effective, now time.Time) {
	left := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return max(0, int64(t.Sub(now)/time.Second))
	}
	d.NotAfter, d.SecondsLeft = Moment(notAfter), left(notAfter)
	d.ACNotAfter, d.ACSecondsLeft = Moment(acNotAfter), left(acNotAfter)
	d.EffectiveEnd, d.EffectiveSecondsLeft = Moment(effective), left(effective)
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

// A Break is the first thing that will end without more being done, and what stops working then.
type Break struct {
	Subject string     `json:"subject"`
	When    *time.Time `json:"when"`
	Reason  string     `json:"reason"`
	Impact  string     `json:"impact"`
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

// Of describes a box, given what is wanted, what was found, and the plan for it at that time. It changes and reads nothing.
func Of(want plan.Desired, have plan.Observed, p plan.Plan, now time.Time) Doc {
	d := Doc{Credentials: []Credential{}, EnvFiles: []EnvFile{}, Services: []Service{},
		Alerts: p.Alerts, Time: Seconds(now), NextLook: Moment(p.NextLook)}
	if d.Alerts == nil {
		d.Alerts = []plan.Alert{}
	}
	for _, c := range want.Credentials {
		st := have.Credentials[c.Name]
		d.Credentials = append(d.Credentials, credentialOf(c, st, now))
		if c.Source.MyProxy != nil {
			d.Credentials = append(d.Credentials, storedOf(c, st, now))
		}
	}
	for _, f := range want.EnvFiles {
		d.EnvFiles = append(d.EnvFiles, envFileOf(f, have.EnvFiles[f.Path]))
	}
	for _, s := range want.Services {
		d.Services = append(d.Services, serviceOf(s, have.Services[s.Name], p))
	}
	d.FirstToBreak = firstToBreak(want, have, d, now)
	if slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.NotBefore.IsZero() }) {
		d.NextLook = Moment(now) // status carries nothing out: what is due stays due
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
	if st.Grant == nil || st.Grant.StoredEnd.IsZero() {
		return d
	}
	end := st.Grant.StoredEnd
	d.SetTimes(end, time.Time{}, end, now)
	d.Reason = "as seen on " + plan.Clock(st.Grant.Time)
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

// firstToBreak finds what ends first without more being done, and what stops working then. A credential that renews itself
// counts with what limits its renewal: the stored credential, the host certificate, the user certificate.
func firstToBreak(want plan.Desired, have plan.Observed, d Doc, now time.Time) *Break {
	var first *Break
	var when time.Time
	consider := func(t time.Time, subject, reason, impact string) {
		if t.IsZero() || (first != nil && !t.Before(when)) {
			return
		}
		when, first = t, &Break{Subject: subject, When: Moment(t), Reason: reason, Impact: impact}
	}
	for _, c := range want.Credentials {
		st := have.Credentials[c.Name]
		impact := impactOf(c, want)
		if !st.Usable(now) {
			consider(now, c.Name, condition(st), impact)
			continue
		}
		if due, _ := plan.Due(c, st, now); due || c.Observe {
			reason := st.EndsWith + " ends, unless it is renewed"
			if c.Observe {
				reason = st.EndsWith + " ends; another program renews it"
			}
			consider(st.EffectiveEnd, c.Name, reason, impact)
		}
		if g := st.Grant; g != nil && !g.StoredEnd.IsZero() {
			consider(g.StoredEnd, c.Name, "the credential stored on the MyProxy server ends", impact)
		}
		consider(st.UserCertEnd, c.Name, "the certificate "+st.Identity+" ends", impact)
	}
	return first
}

func condition(st plan.CredentialState) string {
	switch {
	case !st.Exists:
		return "there is no file"
	case st.Fault != "":
		return st.Fault
	}
	return st.EndsWith + " expired on " + plan.Clock(st.EffectiveEnd)
}

// impactOf says who is hit when a credential ends.
func impactOf(c plan.Credential, want plan.Desired) string {
	if c.Kind == plan.Machine {
		var names []string
		for _, o := range want.Credentials {
			if o.Source.MyProxy != nil {
				names = append(names, o.Name)
			}
		}
		return "no renewal of " + strings.Join(names, ", ")
	}
	var users []string
	for _, f := range want.EnvFiles {
		for _, v := range f.Set {
			for _, p := range v.Value {
				if p.Proxy == c.Name {
					users = append(users, f.Path)
				}
			}
		}
	}
	if len(users) == 0 {
		return "whoever uses proxy " + c.Name
	}
	return "job submission with " + strings.Join(users, ", ")
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
