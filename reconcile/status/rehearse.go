package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Rehearsal says what would be at a later time if passes are made until then. The document it belongs to says what would
// be if none is: the box as it is now, looked at as of then.
type Rehearsal struct {
	Seen     time.Time `json:"seen"`     // when the box was looked at
	Renewed  []Renewed `json:"renewed"`  // every proxy, had it been renewed whenever it was due
	Unmended []Break   `json:"unmended"` // what renewals do not help against, the first first
	Later    *Break    `json:"later"`    // the first to break after that time; null: nothing is known that would
}

// A Renewed is a proxy as renewals would have left it.
type Renewed struct {
	Name         string     `json:"name"`
	State        string     `json:"state"` // ok, alert, expired, missing, or unknown: another program renews it
	EffectiveEnd *time.Time `json:"effectiveEnd"`
	SecondsLeft  int64      `json:"secondsLeft"`
	Reason       string     `json:"reason"`
}

// Rehearse says what would be at time t, given the box as it is at b.Now; nil for times that are not later.
func (b Box) Rehearse(t time.Time) *Rehearsal {
	if !t.After(b.Now) {
		return nil
	}
	r := &Rehearsal{Seen: Seconds(b.Now), Renewed: []Renewed{}, Unmended: []Break{}}
	for _, c := range b.Want.Credentials {
		r.Renewed = append(r.Renewed, b.renewed(c, t))
		r.Unmended = append(r.Unmended, b.unmended(c, t)...)
	}
	if lists := b.staleLists(t); lists != nil {
		r.Unmended = append(r.Unmended, *lists)
	}
	slices.SortStableFunc(r.Unmended, func(x, y Break) int { return x.When.Compare(*y.When) })
	if first := b.firstToBreak(); first != nil && first.When.After(t) {
		r.Later = first
	}
	return r
}

func (b Box) renewed(c plan.Credential, t time.Time) Renewed {
	r := Renewed{Name: c.Name}
	if c.Observe {
		r.State, r.Reason = "unknown", "another program renews it"
		return r
	}
	run := b.courseOf(c)
	end := run.endAt(t)
	r.EffectiveEnd, r.SecondsLeft = Moment(end), secondsLeft(end, t)
	switch stop := run.stop(); {
	case end.IsZero():
		r.State, r.Reason = "missing", stop.what
	case !t.Before(end):
		r.State, r.Reason = "expired", run.words()
	case end.Sub(t) < c.AlertBelow:
		r.State, r.Reason = "alert", run.words()
	default:
		r.State = "ok"
	}
	return r
}

// unmended is what will have gone wrong with one credential in spite of all renewals.
func (b Box) unmended(c plan.Credential, t time.Time) []Break {
	var out []Break
	add := func(when time.Time, reason, remedy, where string) {
		if !when.After(t) {
			out = append(out, Break{Subject: c.Name, When: Moment(laterOf(when, b.Now)), Reason: reason, Impact: b.impactOf(c), Remedy: remedy, Where: where})
		}
	}
	if c.Observe {
		return out
	}
	run := b.courseOf(c)
	stop := run.stop()
	if run.short != "" {
		for _, a := range b.Plan.Alerts {
			if a.Subject == c.Name && (a.ID == "MP-T12" || a.ID == "VO-ACSHORT") {
				add(b.Now, "renewals give "+plan.Span(run.life)+" instead of "+plan.Span(c.Lifetime)+": "+run.short, a.Remedy, a.Where)
			}
		}
	}
	if stop.at.IsZero() {
		return out
	}
	end := laterOf(run.endAt(stop.at), b.Now)
	short := run.bound.at.Add(-c.Lifetime)
	switch {
	case !end.After(t):
		add(end, run.words(), stop.remedy, stop.where)
	case !stop.at.After(t):
		add(stop.at, fmt.Sprintf("%s; what is left then lasts until %s", run.words(), plan.Clock(end)), stop.remedy, stop.where)
	case !run.bound.at.IsZero() && !short.After(t) && run.short == "":
		add(short, fmt.Sprintf("renewals give less than %s: %s ends on %s", plan.Span(c.Lifetime), run.bound.what, plan.Clock(run.bound.at)),
			run.bound.remedy, run.bound.where)
	}
	return out
}

// staleLists is about revocation lists that end before t: an expired one rejects everything of its CA. Normally fetch-crl
// gets new ones every few hours.
func (b Box) staleLists(t time.Time) *Break {
	var first *Break
	var hit []string
	for _, c := range b.Want.Credentials {
		end := b.Have.Credentials[c.Name].Backing.CRLEnd
		if end.IsZero() || end.After(t) {
			continue
		}
		hit = append(hit, c.Name)
		if first == nil || end.Before(*first.When) {
			first = &Break{Subject: "revocation lists", When: Moment(end), Reason: "those that are here now end, unless fetch-crl gets new ones",
				Remedy: "see that fetch-crl's timer or cron job runs", Where: "site admin"}
		}
	}
	if first != nil {
		first.Impact = "nothing that these CAs have issued is accepted: " + strings.Join(hit, ", ")
	}
	return first
}
