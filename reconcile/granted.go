package reconcile

import (
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// granted keeps what was granted: it moves the next renewal and is told about, whether or not the credential is taken.
func (r *run) granted(want plan.Credential, issued *issue.Issued, st plan.CredentialState, taken bool, now time.Time) {
	g := issued.Grant
	g.Time, g.Granted, g.Taken = now.UTC(), st.EffectiveEnd.Sub(now), taken
	ahead := acquit(&g, want, issued)
	if g.AC.Limit == plan.LimitNone && st.EffectiveEnd.Before(ownEnd(issued, st).Add(-plan.Slack(g.Asked))) {
		// Neither server said so: what ends earlier is a certificate that the credential hangs on.
		g.AC = plan.Share{Granted: g.Granted, Limit: plan.LimitSigner}
	}
	// A program that stays notices when the clock is put right, and lives by what it shows until then. From cron nothing
	// tells, should the next pass come when this one seemed to.
	g.Stale = ahead && !r.Resident && g.Proxy.Limit == plan.LimitNone && g.AC.Limit == plan.LimitNone
	err := r.seen.state.change(r.want, func(s *state) { s.Grants[want.Name] = g })
	if err != nil {
		r.Log.Warn().Err(err).Str("credential", want.Name).Msg("what was granted is not on record")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.seen.Credentials[want.Name]
	known.Grant, known.UserCertEnd = &g, st.UserCertEnd
	r.seen.Credentials[want.Name] = known
}

// acquit takes back that a server has given less than was asked where, from beginning to end by its own clock, it has
// given all of it. It is our clock that is ahead then, which it reports, and nobody has to store a credential anew for that.
func acquit(g *plan.Grant, want plan.Credential, issued *issue.Issued) (ahead bool) {
	leaf := issued.Credential.Leaf()
	if issued.Delegated != nil {
		leaf = issued.Delegated.Leaf()
	}
	if g.Proxy.Limit == plan.LimitStored && leaf.NotAfter.Sub(leaf.NotBefore) >= g.Asked {
		g.Proxy.Limit, ahead = plan.LimitNone, true
	}
	if g.AC.Limit != plan.LimitAC {
		return ahead
	}
	acs, err := attrcert.FromChain(issued.Credential.Chain)
	if err != nil {
		return ahead
	}
	asked := min(want.Lifetime, g.Proxy.Granted)
	for _, ac := range acs {
		if ac.VO == want.VO && ac.NotAfter.Sub(ac.NotBefore) >= asked-plan.Slack(asked) {
			g.AC.Limit, ahead = plan.LimitNone, true
		}
	}
	return ahead
}

// ownEnd is when a credential ends by what is in it, whoever has signed that.
func ownEnd(issued *issue.Issued, st plan.CredentialState) time.Time {
	end := issued.Credential.NotAfter()
	if !st.ACNotAfter.IsZero() && st.ACNotAfter.Before(end) {
		end = st.ACNotAfter
	}
	return end
}
