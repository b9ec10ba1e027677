package status

import (
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Forecast says how long renewals alone can keep a credential: it takes it that passes are made and servers answer, and
// that nobody does anything else, so that certificates and what is stored on MyProxy servers end when they end.
type Forecast struct {
	// GivesSeconds is what a renewal gives now: the lifetime asked, or what the servers gave when they were last asked.
	GivesSeconds int64 `json:"givesSeconds"`
	// ShortFrom is from when on a renewal gives less than the lifetime asked; null: nothing is known that would be in the way.
	ShortFrom *time.Time `json:"shortFrom"`
	ShortBy   string     `json:"shortBy"` // what is in the way, for people; empty: nothing
	// RenewableUntil is from when on it cannot be renewed at all.
	RenewableUntil *time.Time `json:"renewableUntil"`
	RenewableBy    string     `json:"renewableBy"` // what is missing from then on
	// End is when the last credential that renewals can give ends.
	End *time.Time `json:"end"`
}

// A limit is a moment after which something is not there any more; zero: not known.
type limit struct {
	at   time.Time
	what string // for people
}

// and returns the earlier of two.
func (l limit) and(at time.Time, what string) limit {
	if at.IsZero() || !l.at.IsZero() && !at.Before(l.at) {
		return l
	}
	return limit{at, what}
}

// A course is how a credential goes on if it is renewed whenever that is due.
type course struct {
	cred      plan.Credential
	st        plan.CredentialState
	now       time.Time
	next      time.Time     // the first renewal; zero: there will be none
	life      time.Duration // of a new credential, unless bound is nearer
	threshold time.Duration // left when the next renewal is due
	bound     limit         // no credential outlives it, so no renewal helps from then on
	gate      limit         // nothing is renewed from then on
	short     string        // why life is less than asked; empty: it is not
}

// period is how long it is from one renewal to the next.
func (c course) period() time.Duration { return max(c.life-c.threshold, time.Second) }

// stop is when renewals end, and why.
func (c course) stop() limit { return c.gate.and(c.bound.at, c.bound.what) }

// endAt returns the effective end of what is in place at a time, the current one if it has not been renewed by then; zero:
// nothing that could be used.
func (c course) endAt(t time.Time) time.Time {
	var end time.Time
	if c.st.Usable(c.now) {
		end = c.st.EffectiveEnd
	}
	stop := c.stop().at
	if c.next.IsZero() || t.Before(c.next) || !stop.IsZero() && !c.next.Before(stop) {
		return end
	}
	if !stop.IsZero() && stop.Before(t) {
		t = stop.Add(-1)
	}
	renewed := c.next.Add(t.Sub(c.next) / c.period() * c.period()).Add(c.life)
	if !c.bound.at.IsZero() && c.bound.at.Before(renewed) {
		renewed = c.bound.at
	}
	if renewed.After(end) { // never worse
		return renewed
	}
	return end
}

// forecast sums a course up; nil: somebody else renews it.
func (c course) forecast() *Forecast {
	if c.next.IsZero() {
		return nil
	}
	f := &Forecast{GivesSeconds: int64(c.life / time.Second)}
	switch short := c.bound.at.Add(-c.cred.Lifetime); {
	case c.short != "":
		f.ShortFrom, f.ShortBy = Moment(c.st.Grant.Time), c.short
	case !c.bound.at.IsZero():
		f.ShortFrom, f.ShortBy = Moment(short), c.bound.what
	}
	if stop := c.stop(); !stop.at.IsZero() {
		f.RenewableUntil, f.RenewableBy = Moment(stop.at), stop.what
		if end := c.endAt(stop.at); end.IsZero() {
			f.End = Moment(c.now)
		} else {
			f.End = Moment(end)
		}
	}
	return f
}

// courseOf is the course of one credential.
func (b Box) courseOf(c plan.Credential) course {
	st := b.Have.Credentials[c.Name]
	out := course{cred: c, st: st, now: b.Now, next: b.nextRenewal(c), life: c.Lifetime, threshold: c.RenewBelow}
	b.bounds(&out)
	if g := grantOf(c, st); g != nil && g.Asked == c.Lifetime && g.Granted < c.Lifetime-plan.Slack(c.Lifetime) {
		capped(&out, g)
	}
	return out
}

// bounds finds what no new credential outlives, and what no renewal does without.
func (b Box) bounds(out *course) {
	c, st := out.cred, out.st
	if src := c.Source.Certificate; src != nil {
		what := "the certificate " + src.Cert
		if c.Kind == plan.Machine {
			what = "the host certificate " + src.Cert
		}
		out.bound = out.bound.and(st.Source.NotAfter, what)
		if st.Source.Fault != "" {
			out.gate = out.gate.and(b.Now, st.Source.Fault)
		}
	}
	for _, e := range b.Looks[c.Name].Ends {
		if e.What == WhatSigner || e.What == WhatCA {
			out.bound = out.bound.and(timeOf(e.When), e.Name)
		}
	}
	mp := c.Source.MyProxy
	if mp == nil {
		return
	}
	if g := grantOf(c, st); g != nil {
		if !st.UserCertEnd.IsZero() && st.UserCertEnd.Sub(g.StoredEnd).Abs() <= time.Minute {
			out.bound = out.bound.and(st.UserCertEnd, userCert(c, st))
		}
		out.bound = out.bound.and(g.StoredEnd, "the credential stored on "+mp.Server)
	}
	out.bound = out.bound.and(st.UserCertEnd, userCert(c, st))
	if mp.PassphraseFile != "" {
		return
	}
	for _, m := range b.Want.Credentials {
		if m.Kind == plan.Machine && !m.Observe {
			machine := b.courseOf(m)
			if stop := machine.stop(); !stop.at.IsZero() {
				out.gate = out.gate.and(laterOf(machine.endAt(stop.at), b.Now), stop.what)
			}
		}
	}
}

// capped takes in that the servers give less than is asked, whatever it is asked for.
func capped(out *course, g *plan.Grant) {
	for _, share := range []plan.Share{g.Proxy, g.AC} {
		switch share.Limit {
		case plan.LimitStored:
			out.short = "stored with -t " + plan.Span(share.Granted.Round(time.Minute)) + " on " + out.cred.Source.MyProxy.Server
		case plan.LimitAC:
			out.short = "the VOMS server " + g.ACServer + " gives no more"
		case plan.LimitSigner:
			what := "a certificate above the attributes"
			if out.st.EndsWith != "" && out.st.EffectiveEnd.Sub(g.Time.Add(g.Granted)).Abs() <= time.Minute {
				what = out.st.EndsWith
			}
			out.bound = out.bound.and(g.Time.Add(g.Granted), what)
		}
	}
	if out.short != "" {
		out.life = g.Granted
		taken := *g
		taken.Taken = true
		out.threshold = plan.Threshold(out.cred, &taken)
	}
}

// grantOf is what the servers gave when this credential was last asked for, of where it comes from now; nil: not known.
func grantOf(c plan.Credential, st plan.CredentialState) *plan.Grant {
	if g := st.Grant; g != nil && g.Source == c.Source.String() {
		return g
	}
	return nil
}

// nextRenewal is when a credential becomes due: now if it is, zero if another program renews it.
func (b Box) nextRenewal(c plan.Credential) time.Time {
	st := b.Have.Credentials[c.Name]
	if c.Observe {
		return time.Time{}
	}
	if due, _ := plan.Due(c, st, b.Now); due {
		return b.Now
	}
	alone := b.Want
	alone.Credentials, alone.EnvFiles, alone.Services = []plan.Credential{c}, nil, nil
	return plan.Compute(alone, b.Have, b.Now, plan.Options{}).NextLook
}

func userCert(c plan.Credential, st plan.CredentialState) string {
	if st.Identity == "" {
		return "the user certificate " + c.Identity
	}
	return "the user certificate " + st.Identity
}

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
