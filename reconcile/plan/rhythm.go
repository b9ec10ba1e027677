package plan

import (
	"slices"
	"time"
)

// A Rhythm is how passes come, as far as is known. It decides how long before its threshold a credential is renewed, so
// that it does not fall below between two passes: the CE looks at its proxy once an hour, at a moment of its own. The zero
// Rhythm is that of passes made by hand, which renew what is below its threshold and nothing else.
type Rhythm struct {
	// Every is how far apart passes come that somebody else has timed, cron for instance. Zero: not known.
	Every time.Duration
	// Prompt says that a program stays and makes a pass at the moment that the plan names.
	Prompt bool
}

const (
	// passTime is how long after its appointed time a pass may have made its renewals: the slack of a timer, and servers
	// that are slow.
	passTime = 6 * time.Minute
	// promptLead leaves room for a second try, 15 minutes after one that has failed.
	promptLead = 20 * time.Minute
)

// ahead is how long before its threshold a credential is renewed. Of the room between what is granted and the threshold a
// part is always left, so that what has just been renewed is not due again.
func (r Rhythm) ahead(room time.Duration) time.Duration {
	switch {
	case room <= 0:
		return 0
	case r.Prompt:
		return min(promptLead, room/6)
	case r.Every > 0:
		return min(r.Every+passTime, room/4*3)
	}
	return 0
}

// limits are when a credential that is in place is renewed: as soon as less than below+ahead is left. Below is renewBelow,
// or what a short grant made of it.
type limits struct{ below, ahead time.Duration }

func (l limits) due() time.Duration { return l.below + l.ahead }

// sameGrant is how much longer than what was granted a credential may last to be taken for the one that was granted.
const sameGrant = time.Minute

func limitsOf(cred Credential, st CredentialState, now time.Time) limits {
	g, granted := st.Grant, cred.Lifetime
	if g.fits(cred) && (g.Stale || g.Taken && st.EffectiveEnd.Sub(now) > g.Granted+sameGrant) {
		g = nil // the clock was wrong when the grant was measured, or somebody has put a better one there
	}
	if g.fits(cred) && g.Taken {
		granted = g.Granted
	}
	below := Threshold(cred, g)
	return limits{below: below, ahead: st.Rhythm.ahead(granted - below)}
}

// askAgain is AskAgain, but a grant from the future is one of a clock that was wrong.
func askAgain(cred Credential, g *Grant, now time.Time) time.Time {
	if g != nil && g.Time.After(now) {
		return time.Time{}
	}
	return AskAgain(cred, g)
}

// A Run is a pass that was made.
type Run struct {
	At       time.Time
	Resident bool // by a program that stays
}

const (
	longestGap = 4 * time.Hour    // a longer pause is no rhythm: the machine was off, or somebody comes by now and then
	gone       = 2 * time.Hour    // a program that stays makes a pass more often than this
	aheadOfUs  = 10 * time.Second // a run that is further in the future is one of a clock that was wrong
)

// RhythmOf is how passes come, given the last ones, the oldest first. The second longest of the gaps counts: one may have
// been longer because a run was missed, and any number shorter because somebody ran it by hand in between.
func RhythmOf(runs []Run, now time.Time) Rhythm {
	var last time.Time
	var gaps []time.Duration
	for _, r := range runs {
		switch {
		case r.At.After(now.Add(aheadOfUs)):
		case r.Resident:
			if now.Sub(r.At) < gone {
				return Rhythm{Prompt: true}
			}
		default:
			if gap := r.At.Sub(last); gap > 0 && gap <= longestGap {
				gaps = append(gaps, gap)
			}
			last = r.At
		}
	}
	if len(gaps) < 2 {
		return Rhythm{}
	}
	slices.Sort(gaps)
	return Rhythm{Every: gaps[len(gaps)-2]}
}
