package reconcile_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// What has failed is tried again after a while; what becomes due in the meantime does not wait for it.
func TestNextLookBesideFailure(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	bad := b.want.Credentials[1]
	bad.Name, bad.Path, bad.FQANs = "pilot", filepath.Join(b.Repository, "pilot"), []string{"/alice/Role=pilot"}
	b.want.Credentials = append(b.want.Credentials, bad)
	b.pass(t, plan.Options{})
	b.clock.pass(time.Hour + 55*time.Minute)
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "renew/proxy/pilot failed")
	if !r.Refused() {
		t.Error("a role that is not held is not taken for a refusal")
	}
	if wait := r.NextLook.Sub(b.clock.Now()); wait < 4*time.Minute || wait > 6*time.Minute {
		t.Errorf("next look in %v, want one in 5m, when lcgadmin is due", wait)
	}
	b.Engine.RefusedLook = time.Hour
	b.clock.pass(10 * time.Minute)
	r = b.pass(t, plan.Options{})
	mustResults(t, r, "renew/proxy/lcgadmin done", "renew/proxy/pilot failed")
	if wait := r.NextLook.Sub(b.clock.Now()); wait != time.Hour {
		t.Errorf("next look in %v, want one in an hour", wait)
	}
	b.MyProxy.Close() // nobody answers
	b.clock.pass(2 * time.Hour)
	if r = b.pass(t, plan.Options{}); r.Refused() || !r.Failed() {
		t.Error("no answer is taken for a refusal")
	}
	if wait := r.NextLook.Sub(b.clock.Now()); wait != 15*time.Minute {
		t.Errorf("next look in %v after no answer, want one in 15m", wait)
	}
}
