package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// An Action is one of the four things that are done to a box.
type Action string

const (
	Renew   Action = "renew"
	Write   Action = "write"
	Link    Action = "link"
	Restart Action = "restart"
)

// A Step is one change. It is data: it can be printed, compared and kept, and no secret is in it.
type Step struct {
	ID        string // unique in the plan: "renew/proxy/lcgadmin"
	Action    Action
	Kind      string    // "machine-proxy", "proxy", "env-file", "link" or "service"
	Target    string    // name, or path of an env file or link
	Path      string    // what is written; empty for a service
	Reason    string    // for people
	Needs     []string  // ids of earlier steps that must have succeeded
	Diff      string    // of an env file
	New       bool      // nothing is there yet
	NotBefore time.Time // a restart that has to wait; zero: at once
}

// A Plan is the steps, in order, what people should be told, and when to look again.
type Plan struct {
	Steps    []Step
	Alerts   []Alert
	NextLook time.Time
}

// Options narrow or widen a plan.
type Options struct {
	Only      []string // names of credentials, env files (path) and services; none: all
	Force     []string // credentials to renew although they are not due
	NoRestart bool
}

// usableMargin is how long a machine proxy must last to be worth starting an exchange with.
const usableMargin = 2 * time.Minute

// Compute returns the steps that lead from have to want. It is a pure function of its arguments; the order of steps is
// the order of want: credentials (the machine proxy first), links, env files, services.
func Compute(want Desired, have Observed, now time.Time, o Options) Plan {
	c := computer{want: want, have: have, now: now, o: o, steps: map[string]bool{}}
	for _, cred := range want.Credentials {
		c.credential(cred)
	}
	for _, f := range want.EnvFiles {
		c.envFile(f)
	}
	for _, s := range want.Services {
		c.service(s)
	}
	c.plan.NextLook = c.nextLook()
	return c.plan
}

type computer struct {
	want  Desired
	have  Observed
	now   time.Time
	o     Options
	plan  Plan
	steps map[string]bool // ids in the plan
}

func (c *computer) add(s Step) {
	c.plan.Steps = append(c.plan.Steps, s)
	c.steps[s.ID] = true
}

// selected reports whether a name is to be looked after. Naming a credential to be forced selects it.
func (c *computer) selected(name string) bool {
	return len(c.o.Only) == 0 || slices.Contains(c.o.Only, name) || slices.Contains(c.o.Force, name)
}

// needed reports whether the machine proxy has to be made for another credential that was selected without it.
func (c *computer) needed(cred Credential, st CredentialState) bool {
	if cred.Kind != Machine || st.Usable(c.now.Add(usableMargin)) {
		return false
	}
	return slices.ContainsFunc(c.want.Credentials, func(o Credential) bool {
		due, _ := c.due(o, c.have.Credentials[o.Name])
		return due && o.Source.MyProxy != nil && o.Source.MyProxy.PassphraseFile == "" && c.selected(o.Name)
	})
}

// due is Due, or the wish of the caller.
func (c *computer) due(cred Credential, st CredentialState) (due bool, reason func() string) {
	due, reason = dueFor(cred, st, c.now)
	if !due && !cred.Observe && slices.Contains(c.o.Force, cred.Name) {
		return true, func() string { return "forced" }
	}
	return due, reason
}

// RenewID is the id of the step that renews a credential.
func RenewID(cred Credential) string {
	if cred.Kind == Machine {
		return "renew/machine-proxy"
	}
	return "renew/proxy/" + cred.Name
}

func stepKind(cred Credential) string {
	if cred.Kind == Machine {
		return "machine-proxy"
	}
	return "proxy"
}

func (c *computer) credential(cred Credential) {
	st := c.have.Credentials[cred.Name]
	c.credentialAlerts(cred, st)
	if !c.selected(cred.Name) && !c.needed(cred, st) {
		return
	}
	due, reason := c.due(cred, st)
	switch {
	case due:
		c.add(Step{ID: RenewID(cred), Action: Renew, Kind: stepKind(cred), Target: cred.Name, Path: st.Path,
			Reason: reason(), Needs: c.renewNeeds(cred), New: !st.Exists})
	case st.Misplaced != "" && !cred.Observe:
		c.add(Step{ID: "write/" + stepKind(cred) + "/" + cred.Name, Action: Write, Kind: stepKind(cred),
			Target: cred.Name, Path: st.Path, Reason: st.Misplaced})
	}
	for _, link := range cred.Links {
		if why := st.Links[link]; why != "" {
			c.add(Step{ID: "link" + link, Action: Link, Kind: "link", Target: cred.Name, Path: link, Reason: why, New: why == NoLink,
				Needs: c.needsUsable(cred.Name)})
		}
	}
}

// renewNeeds says what a renewal waits for: the machine proxy, if this one comes from MyProxy and the machine proxy that
// is there cannot be shown to the server any more. One that is merely due does not hold up the others.
func (c *computer) renewNeeds(cred Credential) []string {
	mp := cred.Source.MyProxy
	if mp == nil || mp.PassphraseFile != "" || !c.steps["renew/machine-proxy"] {
		return nil
	}
	if c.have.Credentials[MachineName].Usable(c.now.Add(usableMargin)) {
		return nil
	}
	return []string{"renew/machine-proxy"}
}

// needsUsable returns the renewal that has to succeed before the proxy can be pointed at.
func (c *computer) needsUsable(name string) []string {
	for _, cred := range c.want.Credentials {
		if cred.Name != name || c.have.Credentials[name].Usable(c.now) || !c.steps[RenewID(cred)] {
			continue
		}
		return []string{RenewID(cred)}
	}
	return nil
}

// Due reports whether a credential is to be renewed now, and why, or else why not.
func Due(cred Credential, st CredentialState, now time.Time) (bool, string) {
	due, reason := dueFor(cred, st, now)
	return due, reason()
}

// dueFor is Due, with the words only for who wants them: most credentials are not due, and then nobody does.
func dueFor(cred Credential, st CredentialState, now time.Time) (due bool, reason func() string) {
	says := func(text string) func() string { return func() string { return text } }
	switch {
	case cred.Observe:
		return false, says("kept by another program")
	case !st.Exists:
		return true, says("there is none yet")
	case st.Fault != "":
		return true, says(st.Fault)
	case !now.Before(st.EffectiveEnd):
		return true, func() string {
			return fmt.Sprintf("%s expired %s ago, on %s", st.EndsWith, Span(now.Sub(st.EffectiveEnd)), Clock(st.EffectiveEnd))
		}
	}
	left, lim := st.EffectiveEnd.Sub(now), limitsOf(cred, st, now)
	has := func() string {
		renewed := "renewed below"
		if left >= lim.below && left < lim.due() {
			renewed = "renewed before it is below"
		}
		return fmt.Sprintf("%s has %s left, %s %s", st.EndsWith, Span(left), renewed, Span(lim.below))
	}
	if left >= lim.due() {
		return false, has
	}
	switch again := askAgain(cred, st.Grant, now); {
	case now.Before(again) && left >= cred.AlertBelow:
		return false, func() string {
			return fmt.Sprintf("%s; %s gave only %s, asked again on %s", has(), Clock(st.Grant.Time), Span(st.Grant.Granted), Clock(again))
		}
	case lim.below != cred.RenewBelow:
		return true, func() string {
			return fmt.Sprintf("%s as only %s of %s were granted", has(), Span(st.Grant.Granted), Span(st.Grant.Asked))
		}
	}
	return true, has
}

// fits reports whether a grant says something about the credential as it is wanted now.
func (g *Grant) fits(cred Credential) bool {
	return g != nil && g.Asked == cred.Lifetime && g.Source == cred.Source.String() && cred.Lifetime > 0
}

// Threshold is the effective time left below which a credential is renewed: renewBelow, or after a short grant the same
// fraction of what was granted. A grant counts as short here as soon as it would leave less than half of the room that
// was meant to be between two renewals.
func Threshold(cred Credential, g *Grant) time.Duration {
	if !g.fits(cred) || !g.Taken || (!g.short() && g.Granted > (cred.Lifetime+cred.RenewBelow)/2) {
		return cred.RenewBelow
	}
	return scaled(cred, g.Granted)
}

// scaled is the same fraction of what was granted as renewBelow is of the lifetime.
func scaled(cred Credential, granted time.Duration) time.Duration {
	return time.Duration(float64(granted) * float64(cred.RenewBelow) / float64(cred.Lifetime))
}

// AskAgain returns when servers that gave less than what is in place are worth asking again: nobody is told every hour
// what has been told already, and somebody who has stored a better credential does not wait for long.
func AskAgain(cred Credential, g *Grant) time.Time {
	if !g.fits(cred) || !g.short() || g.Taken {
		return time.Time{}
	}
	return g.Time.Add(min(6*time.Hour, cred.Lifetime/8))
}

func (c *computer) envFile(f EnvFile) {
	st := c.have.EnvFiles[f.Path]
	c.envFileAlerts(f, st)
	if !c.selected(f.Path) || (len(st.Changes) == 0 && st.Fault == "") {
		return
	}
	reason := strings.Join(st.Changes, "; ")
	if st.Fault != "" {
		reason = st.Fault
	}
	var needs []string
	for _, name := range f.proxies() {
		needs = append(needs, c.needsUsable(name)...)
	}
	c.add(Step{ID: writeID(f.Path), Action: Write, Kind: "env-file", Target: f.Path, Path: f.Path, Reason: reason,
		Needs: needs, Diff: st.Diff, New: !st.Exists})
}

func writeID(path string) string { return "write/env-file" + path }

// proxies returns the names of the proxies the file refers to, each once, in order.
func (f EnvFile) proxies() []string {
	var names []string
	for _, v := range f.Set {
		for _, p := range v.Value {
			if p.Proxy != "" && !slices.Contains(names, p.Proxy) {
				names = append(names, p.Proxy)
			}
		}
	}
	return names
}

func (c *computer) service(s Service) {
	if c.o.NoRestart || !c.selected(s.Name) {
		return
	}
	reason, needs := c.restartReason(s)
	if reason == "" || c.unmet(s) {
		return
	}
	st := c.have.Services[s.Name]
	step := Step{ID: "restart/service/" + s.Name, Action: Restart, Kind: "service", Target: s.Name, Reason: reason, Needs: needs}
	step.NotBefore = allowedAt(st.Restarts, s.AtMost, s.Per, c.now)
	if !step.NotBefore.IsZero() {
		c.alert(Alert{ID: "SVC-ATMOST", Severity: Warning, Subject: s.Name,
			Message: fmt.Sprintf("the restart waits until %s: %d in %s are allowed (%s)", Clock(step.NotBefore), s.AtMost, Span(s.Per), reason),
			Remedy:  "find out what keeps changing its files: see the journal; or raise services[].atMost", Where: "VO-Box"})
	}
	c.add(step)
}

// restartReason finds out whether a service has to be restarted: for a change in this plan, for one that was announced
// and not done, or because what it was last restarted for is not what it needs now.
func (c *computer) restartReason(s Service) (reason string, needs []string) {
	var changed []string
	for _, path := range s.EnvFiles {
		if c.steps[writeID(path)] {
			changed, needs = append(changed, path+" changes"), append(needs, writeID(path))
		}
	}
	for _, name := range s.Proxies {
		for _, cred := range c.want.Credentials {
			if cred.Name == name && c.steps[RenewID(cred)] {
				changed, needs = append(changed, "proxy "+name+" changes"), append(needs, RenewID(cred))
			}
		}
	}
	for _, name := range c.serviceProxies(s) {
		for _, id := range c.needsUsable(name) {
			if !slices.Contains(needs, id) {
				needs = append(needs, id)
			}
		}
	}
	st := c.have.Services[s.Name]
	switch {
	case len(changed) > 0:
		return strings.Join(changed, ", "), needs
	case st.Pending != "":
		return st.Pending + ", and it was not restarted since", needs
	case st.Known && st.RestartedFor != ServiceDigest(s, c.want, c.have):
		return "its settings differ from those it was last restarted for", needs
	}
	return "", nil
}

// serviceProxies returns the proxies that a service sees through its env files.
func (c *computer) serviceProxies(s Service) []string {
	var names []string
	for _, f := range c.want.EnvFiles {
		if slices.Contains(s.EnvFiles, f.Path) {
			names = append(names, f.proxies()...)
		}
	}
	return names
}

func (c *computer) unmet(s Service) bool {
	for _, path := range s.EnvFiles {
		if len(c.have.EnvFiles[path].Unmet) > 0 {
			return true
		}
	}
	return false
}

// ServiceDigest identifies what a service is restarted for: the wanted values in its env files and the content of the
// proxies it is restarted for.
func ServiceDigest(s Service, want Desired, have Observed) string {
	h := sha256.New()
	for _, path := range s.EnvFiles {
		io.WriteString(h, "env\x00"+path+"\x00"+have.EnvFiles[path].Values+"\x00")
	}
	for _, name := range s.Proxies {
		io.WriteString(h, "proxy\x00"+name+"\x00"+have.Credentials[name].Digest+"\x00")
	}
	return hex.EncodeToString(h.Sum(nil))
}

// allowedAt returns when a further restart is allowed; zero: now.
func allowedAt(restarts []time.Time, n int, per time.Duration, now time.Time) time.Time {
	if n <= 0 || per <= 0 {
		return time.Time{}
	}
	var recent []time.Time
	for _, t := range restarts {
		if now.Sub(t) < per && !t.After(now) { // one in the future is a clock that was wrong
			recent = append(recent, t)
		}
	}
	if len(recent) < n {
		return time.Time{}
	}
	slices.SortFunc(recent, time.Time.Compare)
	return recent[len(recent)-n].Add(per)
}

// nextLook is the first moment at which something becomes due, taking it that the steps of the plan succeed as asked.
func (c *computer) nextLook() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, cred := range c.want.Credentials {
		st := c.have.Credentials[cred.Name]
		switch {
		case cred.Observe:
			if st.Usable(c.now) {
				earlier(st.EffectiveEnd)
			}
		case c.steps[RenewID(cred)]:
			room := cred.Lifetime - cred.RenewBelow
			earlier(c.now.Add(room - st.Rhythm.ahead(room)))
		case st.Usable(c.now):
			due := st.EffectiveEnd.Add(-limitsOf(cred, st, c.now).due())
			if again := askAgain(cred, st.Grant, c.now); again.After(due) {
				due = again
				if low := st.EffectiveEnd.Add(-cred.AlertBelow); low.Before(due) {
					due = low
				}
			}
			earlier(due)
		}
	}
	for _, s := range c.plan.Steps {
		earlier(s.NotBefore)
	}
	if !next.IsZero() && next.Before(c.now) {
		next = c.now
	}
	return next
}
