package reconcile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// While the clock of the box is ahead, the servers seem to give less than was asked. When it is put right, no threshold is
// lowered by that, nobody is told of it, and no renewal waits for hours.
func TestClockSet(t *testing.T) {
	const wrong = 100 * time.Minute
	b := newBox(t, gridtest.SiteOptions{})
	ahead := time.Duration(0)
	b.Engine.Now = func() time.Time { return b.clock.Now().Add(ahead) }
	b.Engine.Issuer.(*issue.Issuer).Now = b.Engine.Now
	b.pass(t, plan.Options{})
	b.clock.pass(time.Hour)
	ahead = wrong
	r := b.pass(t, plan.Options{})
	if a := mustAlert(t, r, "MP-T12"); a.Subject != "lcgadmin" {
		t.Fatalf("the clock is not noticed by the alerts: %+v; is this test still about something?", a)
	}
	b.clock.pass(30 * time.Minute)
	ahead = 0
	r = b.pass(t, plan.Options{})
	if i := slices.IndexFunc(r.Alerts, func(a plan.Alert) bool { return a.ID == "MP-T12" || a.ID == "VO-ACSHORT" }); i >= 0 {
		t.Errorf("the clock is right, and people are told %+v", r.Alerts[i])
	}
	for range 4 {
		b.clock.pass(31 * time.Minute)
		b.pass(t, plan.Options{})
		if left := b.Observe(b.want).Credentials["lcgadmin"].EffectiveEnd.Sub(b.clock.Now()); left < 46*time.Hour {
			t.Errorf("the proxy has %s left after a pass", plan.Span(left))
		}
	}
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
