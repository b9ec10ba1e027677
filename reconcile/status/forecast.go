package status

import (
	"cmp"
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
	// Remedy is what to do about what comes first, Where at which prompt; empty: nothing is to do.
	Remedy string `json:"remedy"`
	Where  string `json:"where"`
}

// A limit is a moment after which something is not there any more; zero: not known.
type limit struct {
	at            time.Time
	what          string // for people
	remedy, where string // what to do about it, and at which prompt
	fault         bool   // what is a sentence of its own: something is wrong already
}

// and returns the earlier of two.
func (l limit) and(o limit) limit {
	if o.at.IsZero() || !l.at.IsZero() && !o.at.Before(l.at) {
		return l
	}
	return o
}

// A course is how a credential goes on if it is renewed whenever that is due.
type course struct {
	cred   plan.Credential
	st     plan.CredentialState
	now    time.Time
	next   time.Time     // the first renewal; zero: there will be none
	life   time.Duration // of a new credential, unless bound is nearer
	period time.Duration // from one renewal to the next
	bound  limit         // no credential outlives it, so no renewal helps from then on
	gate   limit         // nothing is renewed from then on
	short  string        // why life is less than asked; empty: it is not
}

// stop is when renewals end, and why.
func (c course) stop() limit { return c.gate.and(c.bound) }

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
	renewed := c.next.Add(t.Sub(c.next) / c.period * c.period).Add(c.life)
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
		f.RenewableUntil, f.RenewableBy, f.Remedy, f.Where = Moment(stop.at), stop.what, stop.remedy, stop.where
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
	out := course{cred: c, st: st, now: b.Now, next: b.nextRenewal(c), life: c.Lifetime}
	b.bounds(&out)
	taken := plan.Grant{Source: c.Source.String(), Time: b.Now, Taken: true, Asked: c.Lifetime, Granted: c.Lifetime}
	if g := grantOf(c, st); g != nil && g.Asked == c.Lifetime && g.Granted < c.Lifetime-plan.Slack(c.Lifetime) {
		capped(&out, g)
	}
	if out.short != "" {
		taken.Proxy, taken.AC, taken.Granted = st.Grant.Proxy, st.Grant.AC, st.Grant.Granted
		out.life = taken.Granted
	}
	// What the plan says of a credential that has just been renewed.
	fresh := plan.CredentialState{Path: st.Path, Exists: true, EffectiveEnd: b.Now.Add(out.life), Grant: &taken, Rhythm: st.Rhythm}
	alone := Box{Want: b.Want, Have: plan.Observed{Credentials: map[string]plan.CredentialState{c.Name: fresh}}, Now: b.Now}
	out.period = max(alone.nextRenewal(c).Sub(b.Now), time.Second)
	out.next = out.firstTaken()
	return out
}

// firstTaken is when the first renewal comes that gives something better than what is in place: a short grant may not, and
// then the servers are asked again some hours later.
func (c course) firstTaken() time.Time {
	if c.next.IsZero() || !c.st.Usable(c.now) || c.short == "" {
		return c.next
	}
	refused := *c.st.Grant
	refused.Taken, refused.Time = false, c.now
	pause := plan.AskAgain(c.cred, &refused).Sub(c.now)
	low := c.st.EffectiveEnd.Add(-c.cred.AlertBelow) // from then on they are asked in every pass
	next := c.next
	for pause > 0 && next.Before(low) && !next.Add(c.life).After(c.st.EffectiveEnd) {
		next = next.Add(pause)
	}
	if c.next.Before(low) && low.Before(next) {
		return low
	}
	return next
}

// bounds finds what no new credential outlives, and what no renewal does without.
func (b Box) bounds(out *course) {
	c, st := out.cred, out.st
	if c.Source.Certificate != nil {
		l := limit{at: st.Source.NotAfter, what: sourceName(c), remedy: "get a new certificate from your CA and install it as " + st.Source.Path, where: "VO-Box"}
		if c.Kind == plan.Machine {
			l.remedy, l.where = "ask your CA for a new host certificate and install it as "+st.Source.Path, "site admin"
		}
		out.bound = out.bound.and(l)
		if st.Source.Fault != "" {
			l.at, l.what, l.fault = b.Now, st.Source.Fault, true
			out.gate = out.gate.and(l)
		}
	}
	out.bound = out.bound.and(limit{at: st.Backing.SignerEnd, what: signerName(st),
		remedy: "ask the VO manager of " + c.VO + " when the VOMS server gets its new certificate", where: "VO manager"})
	for _, e := range b.Looks[c.Name].Ends {
		if e.What == WhatCA {
			out.bound = out.bound.and(limit{at: *e.When, what: e.Name, remedy: "install or update the CA package (ca-policy-egi-core)", where: "site admin"})
		}
	}
	if mp := c.Source.MyProxy; mp != nil {
		b.storedBounds(out, *mp)
	}
}

// storedBounds are those of a credential from a MyProxy server.
func (b Box) storedBounds(out *course, mp plan.MyProxy) {
	c, st := out.cred, out.st
	store := plan.StoreCommand(mp, c.Lifetime)
	cert := limit{at: st.UserCertEnd, what: "the user certificate " + cmp.Or(st.Identity, c.Identity),
		remedy: "get a new certificate from your CA, then " + store, where: "LCG-UI"}
	if g := grantOf(c, st); g != nil {
		stored := limit{at: g.StoredEnd, what: "the credential stored on " + mp.Server, remedy: store, where: "LCG-UI"}
		if !cert.at.IsZero() && cert.at.Sub(stored.at).Abs() <= time.Minute {
			stored = cert // it was stored for as long as the certificate lasts
		}
		out.bound = out.bound.and(stored)
	}
	out.bound = out.bound.and(cert)
	if mp.PassphraseFile != "" {
		return
	}
	for _, m := range b.Want.Credentials {
		if m.Kind != plan.Machine || m.Observe {
			continue
		}
		machine := b.courseOf(m)
		if gate := machine.stop(); !gate.at.IsZero() {
			gate.at = laterOf(machine.endAt(gate.at), b.Now)
			if gate.fault {
				gate.what, gate.fault = "the machine proxy, which cannot be renewed ("+gate.what+"),", false
			}
			out.gate = out.gate.and(gate)
		}
	}
}

// capped takes in that the servers give less than is asked, whatever it is asked for.
func capped(out *course, g *plan.Grant) {
	for _, share := range []plan.Share{g.Proxy, g.AC} {
		switch mp := out.cred.Source.MyProxy; share.Limit {
		case plan.LimitStored:
			out.short = "the credential was stored with -t " + plan.Span(share.Granted.Round(time.Minute))
			if mp != nil {
				out.short = "the credential on " + mp.Server + " was stored with -t " + plan.Span(share.Granted.Round(time.Minute))
			}
		case plan.LimitAC:
			out.short = "the VOMS server " + g.ACServer + " gives no more"
		case plan.LimitSigner:
			what := "a certificate above the attributes"
			if out.st.EndsWith != "" && out.st.EffectiveEnd.Sub(g.Time.Add(g.Granted)).Abs() <= time.Minute {
				what = out.st.EndsWith
			}
			out.bound = out.bound.and(limit{at: g.Time.Add(g.Granted), what: what,
				remedy: "ask the VO manager of " + out.cred.VO + " when the VOMS server gets its new certificate", where: "VO manager"})
		}
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

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
