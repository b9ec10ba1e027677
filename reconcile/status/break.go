package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Break is something that ends, or has ended, without more being done, and what stops working then.
type Break struct {
	Subject string     `json:"subject"`
	When    *time.Time `json:"when"`
	Reason  string     `json:"reason"`
	Impact  string     `json:"impact"`
	Remedy  string     `json:"remedy,omitempty"` // a command, or what to do
	Where   string     `json:"where,omitempty"`  // the prompt it is typed at: LCG-UI, VO-Box, site admin, …
}

// firstToBreak finds what ends first without more being done, and what stops working then. A credential that renews itself
// counts with what limits its renewal: the stored credential, the host certificate, the user certificate. One that should
// have been renewed some time ago, by this program or by another, and was not, counts with its own end.
func (b Box) firstToBreak() *Break {
	var first *Break
	var when time.Time
	consider := func(t time.Time, br Break) {
		if t.IsZero() || first != nil && !t.Before(when) {
			return
		}
		br.When = Moment(t)
		when, first = t, &br
	}
	for _, c := range b.Want.Credentials {
		st := b.Have.Credentials[c.Name]
		br := Break{Subject: c.Name, Impact: b.impactOf(c)}
		switch since, late := b.overdue(c, st); {
		case !st.Usable(b.Now):
			br.Reason, br.Remedy, br.Where = condition(st), "vobox-reconcile", "VO-Box"
			if c.Observe {
				br.Remedy, br.Where = "run the job that makes it", "site admin"
			}
			consider(b.Now, br)
			continue
		case c.Observe:
			br.Reason, br.Remedy, br.Where = st.EndsWith+" ends, unless the other program that keeps it renews it", "see that the job that makes it runs", "site admin"
			if st.EffectiveEnd.Sub(b.Now) < b.lateBelow(c, st) {
				consider(st.EffectiveEnd, br)
			}
			continue
		case late:
			br.Reason = fmt.Sprintf("%s ends, unless it is renewed, which is due since %s", st.EndsWith, plan.Clock(since))
			br.Remedy, br.Where = "vobox-reconcile --force "+c.Name, "VO-Box"
			consider(st.EffectiveEnd, br)
		}
		run := b.courseOf(c)
		if stop := run.stop(); !stop.at.IsZero() {
			br.Reason, br.Remedy, br.Where = run.words(), stop.remedy, stop.where
			consider(laterOf(run.endAt(stop.at), b.Now), br)
		}
	}
	return first
}

// words say why renewals end, and when they begin to be short.
func (c course) words() string {
	stop := c.stop()
	words := stop.what
	switch end := c.endAt(stop.at); {
	case stop.fault:
	case !c.now.Before(stop.at):
		words += " ended on " + plan.Clock(stop.at)
	case end.Sub(stop.at).Abs() > time.Minute:
		words += " ends on " + plan.Clock(stop.at) + ", and it can be renewed no more"
	default:
		words += " ends"
	}
	if short := c.bound.at.Add(-c.cred.Lifetime); c.short == "" && !c.bound.at.IsZero() && c.now.Before(short) && short.Before(stop.at) {
		words += fmt.Sprintf("; from %s on it gives less than %s", plan.Clock(short), plan.Span(c.cred.Lifetime))
	}
	return words
}

// overdue reports whether a renewal was due some time ago and nobody made it, and since when. A pass may come hourly, or
// every few hours, so that some delay is nothing to speak of: up to one more period between two renewals, as long as half
// of what is left at the threshold is there.
func (b Box) overdue(c plan.Credential, st plan.CredentialState) (since time.Time, late bool) {
	if c.Observe || !st.Usable(b.Now) {
		return time.Time{}, false
	}
	if due, _ := plan.Due(c, st, b.Now); !due {
		return time.Time{}, false
	}
	below, _ := plan.RenewedBelow(c, st, b.Now)
	return st.EffectiveEnd.Add(-below), st.EffectiveEnd.Sub(b.Now) < b.lateBelow(c, st)
}

// lateBelow is the effective time left below which a renewal must have failed, or nobody makes any. How often another
// program renews is not known: vobox-renewd's cron job makes a machine proxy of 24 hours every six.
func (b Box) lateBelow(c plan.Credential, st plan.CredentialState) time.Duration {
	below, _ := plan.RenewedBelow(c, st, b.Now)
	whole := c.Lifetime
	if g := grantOf(c, st); g != nil && below != c.RenewBelow {
		whole = g.Granted
	}
	return max(below-min(whole-below, below/2), c.AlertBelow)
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
func (b Box) impactOf(c plan.Credential) string {
	if c.Kind == plan.Machine {
		var names []string
		for _, o := range b.Want.Credentials {
			if o.Source.MyProxy != nil && o.Source.MyProxy.PassphraseFile == "" {
				names = append(names, o.Name)
			}
		}
		if len(names) == 0 {
			return "whoever uses the machine proxy"
		}
		return "no renewal of " + strings.Join(names, ", ")
	}
	var files, services []string
	for _, f := range b.Want.EnvFiles {
		if uses(f, c.Name) {
			files = append(files, f.Path)
		}
	}
	for _, s := range b.Want.Services {
		if slices.Contains(s.Proxies, c.Name) || slices.ContainsFunc(files, func(f string) bool { return slices.Contains(s.EnvFiles, f) }) {
			services = append(services, s.Name)
		}
	}
	switch {
	case len(files) == 0 && len(services) == 0:
		return "whoever uses proxy " + c.Name
	case len(files) == 0:
		return "job submission by " + strings.Join(services, ", ")
	case len(services) == 0:
		return "job submission with " + strings.Join(files, ", ")
	}
	return fmt.Sprintf("job submission by %s, with %s", strings.Join(services, ", "), strings.Join(files, ", "))
}

// uses reports whether a variable of an env file holds the path of a proxy.
func uses(f plan.EnvFile, proxy string) bool {
	return slices.ContainsFunc(f.Set, func(v plan.Var) bool {
		return slices.ContainsFunc(v.Value, func(p plan.Part) bool { return p.Proxy == proxy })
	})
}
