package reconcile_test

import (
	"context"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// While the clock of the box is ahead, less seems to be granted than was asked. Nobody is told to store a credential anew
// for that, and when the clock is put right, no threshold is lowered by it and no renewal waits for hours.
func TestClockSet(t *testing.T) {
	for _, wrong := range []time.Duration{20 * time.Minute, 50 * time.Minute, 100 * time.Minute, 5 * time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			b := newBox(t, gridtest.SiteOptions{})
			b.want.Credentials[1].Key = string(proxycert.P256) // quickly made
			ahead := time.Duration(0)
			b.Engine.Now = func() time.Time { return b.clock.Now().Add(ahead) }
			b.Engine.Issuer.(*issue.Issuer).Now = b.Engine.Now
			calm := func(r *reconcile.Report) {
				t.Helper()
				for _, a := range r.Alerts {
					if a.ID != "NEVER-WORSE" {
						t.Errorf("%s after the beginning, the clock ahead by %s: %+v", b.clock.Now().Sub(start), ahead, a)
					}
				}
			}
			calm(b.pass(t, plan.Options{}))
			b.clock.pass(time.Hour)
			ahead = wrong
			calm(b.pass(t, plan.Options{}))
			b.clock.pass(time.Hour)
			calm(b.pass(t, plan.Options{}))
			b.clock.pass(5 * time.Minute)
			ahead = 0
			for range 4 {
				calm(b.pass(t, plan.Options{}))
				if left := b.Observe(b.want).Credentials["lcgadmin"].EffectiveEnd.Sub(b.clock.Now()); left < 46*time.Hour {
					t.Errorf("%s after the beginning, the proxy has %s left after a pass", b.clock.Now().Sub(start), plan.Span(left))
				}
				b.clock.pass(41 * time.Minute)
			}
		})
	}
}

// A server that gives little is not acquitted.
func TestNotAcquitted(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 47 * time.Hour, MaxAC: 46 * time.Hour})
	r := b.pass(t, plan.Options{})
	mustAlert(t, r, "MP-T12")
	mustAlert(t, r, "VO-ACSHORT")
}

// A program that stays says itself that the clock was set back, also when the last pass is not in the future.
func TestClockSetTold(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	mustAlert(t, b.pass(t, plan.Options{}), "MP-T12")
	b.clock.pass(time.Minute)
	mustResults(t, b.pass(t, plan.Options{}))
	b.Engine.SetBack = true
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "renew/proxy/lcgadmin done")
	mustAlert(t, r, "MP-T12")
}

// An unsettled is an issuer during whose answer for a user proxy the clock of the box is set.
type unsettled struct {
	reconcile.Issuer
	set func()
}

func (u *unsettled) Issue(ctx context.Context, want plan.Credential, a issue.Authority) (*issue.Issued, error) {
	if want.Kind == plan.User && u.set != nil {
		u.set()
		u.set = nil
	}
	return u.Issuer.Issue(ctx, want, a)
}

// A clock may go wrong in the middle of a pass. The pass is on record for a time that was right then, and just what it was
// granted is from the future once the clock is put right: no threshold is lowered by it when that future has come.
func TestClockSetDuringPass(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.quick()
	ahead := time.Duration(0)
	b.Engine.Now = func() time.Time { return b.clock.Now().Add(ahead) }
	b.Engine.Issuer.(*issue.Issuer).Now = b.Engine.Now
	b.Engine.Issuer = &unsettled{b.Engine.Issuer, func() { ahead = time.Hour }}
	o := plan.Options{Only: []string{plan.MachineName, "lcgadmin"}}
	mustResults(t, b.pass(t, o), "renew/machine-proxy done", "renew/proxy/lcgadmin done")
	ahead = 0
	b.clock.pass(55 * time.Minute) // the beginning of its proxy has come, the moment at which it was granted has not
	mustResults(t, b.pass(t, o))
	b.clock.pass(15 * time.Minute)
	mustResults(t, b.pass(t, o), "renew/proxy/lcgadmin done")
}

// quick has all keys made quickly.
func (b *box) quick() {
	for i := range b.want.Credentials {
		b.want.Credentials[i].Key = string(proxycert.P256)
	}
}

// goesAhead makes a machine proxy, without which nothing can be had, and then sets the clock of the box. It returns how far
// ahead that is from then on.
func (b *box) goesAhead(t *testing.T, wrong time.Duration) *time.Duration {
	t.Helper()
	b.quick()
	ahead := time.Duration(0)
	b.Engine.Now = func() time.Time { return b.clock.Now().Add(ahead) }
	b.Engine.Issuer.(*issue.Issuer).Now = b.Engine.Now
	mustResults(t, b.pass(t, plan.Options{Only: []string{plan.MachineName}}), "renew/machine-proxy done")
	ahead = wrong
	return &ahead
}

// From cron nothing tells that the clock was put right where the next pass comes when the last one seemed to. That the
// clock was ahead the servers have told, so that what was measured by it is not believed in the first place.
func TestClockSetUnnoticed(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.quick()
	ahead := b.goesAhead(t, 50*time.Minute)
	o := plan.Options{Only: []string{plan.MachineName, "lcgadmin"}}
	mustResults(t, b.pass(t, o), "renew/proxy/lcgadmin done")
	b.clock.pass(50 * time.Minute)
	*ahead = 0
	mustResults(t, b.pass(t, o)) // in the same second, by the clock of the box
	b.clock.pass(30 * time.Minute)
	mustResults(t, b.pass(t, o), "renew/proxy/lcgadmin done")
}

// A program that stays notices that the clock is put right, and meanwhile renews as seldom as with a short grant: its next
// pass comes when the credential is due, which would be at once.
func TestClockAheadResident(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.Engine.Resident = true
	b.goesAhead(t, 2*time.Hour)
	r := b.pass(t, plan.Options{})
	if rest := r.NextLook.Sub(b.Now()); rest < 30*time.Minute {
		t.Errorf("the next look is in %s", rest)
	}
	b.clock.pass(15 * time.Minute)
	mustResults(t, b.pass(t, plan.Options{}))
}

// A clock that is ahead does not excuse a server that gives little.
func TestClockAheadNotAcquitted(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{MaxAC: 12 * time.Hour})
	b.goesAhead(t, 50*time.Minute)
	mustAlert(t, b.pass(t, plan.Options{}), "VO-ACSHORT")
	b.clock.pass(2 * time.Minute)
	r := b.pass(t, plan.Options{})
	mustResults(t, r)
	mustAlert(t, r, "VO-ACSHORT")
}
