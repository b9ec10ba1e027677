package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// What the verification of a proxy hangs on is observed, and told before it ends: revocation lists, the user's certificate.
func TestBacking(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{UserEnd: start.Add(12 * 24 * time.Hour), StoredFor: 11 * 24 * time.Hour})
	runsOut := start.Add(72 * time.Hour)
	if err := b.CA.WriteCRLAt(b.TrustDir, start.Add(-time.Hour), runsOut); err != nil {
		t.Fatal(err)
	}
	r := b.pass(t, plan.Options{})
	if r.Failed() {
		t.Fatalf("%+v", r.Outcomes)
	}
	user := mustAlert(t, r, "USER-CERT")
	if !strings.Contains(user.Message, "ends Thursday 2026-12-03 23:00 UTC") || user.Severity != plan.Warning || user.Where != "LCG-UI" {
		t.Errorf("the user certificate: %+v", user)
	}
	have := b.Observe(b.want)
	for name, st := range have.Credentials {
		if !st.Backing.CRLEnd.Equal(runsOut) {
			t.Errorf("%s: the first list runs out on %v, want %v", name, st.Backing.CRLEnd, runsOut)
		}
	}
	signer := have.Credentials["lcgadmin"].Backing
	if !strings.Contains(signer.Signer, "voms.example.org") || signer.SignerEnd.Before(start.AddDate(0, 6, 0)) || have.Credentials[plan.MachineName].Backing.Signer != "" {
		t.Errorf("signed by %q, until %v", signer.Signer, signer.SignerEnd)
	}
	ids := func() string {
		var out []string
		for _, a := range plan.Compute(b.want, b.Observe(b.want), b.Now(), plan.Options{}).Alerts {
			out = append(out, a.ID+" "+a.Subject+" "+string(a.Severity))
		}
		return strings.Join(out, ", ")
	}
	b.clock.pass(47 * time.Hour) // 25 hours before the list runs out
	if got := ids(); strings.Contains(got, "CRL-STALE") {
		t.Errorf("alerts %s", got)
	}
	b.Engine.LoginProxy = ""
	b.pass(t, plan.Options{})
	b.clock.pass(14 * time.Hour)
	if got := ids(); !strings.Contains(got, "CRL-STALE machine-proxy warning") || !strings.Contains(got, "CRL-STALE lcgadmin warning") {
		t.Errorf("eleven hours before the list runs out: %s", got)
	}
	b.clock.pass(12 * time.Hour)
	if got := ids(); !strings.Contains(got, "CRL-STALE lcgadmin critical") {
		t.Errorf("after the list has run out: %s", got)
	}
}

// A failed renewal says how much margin is left, and is critical only when that is less than alertBelow.
func TestMargin(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.pass(t, plan.Options{})
	b.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Refuse})
	for _, tt := range []struct {
		after    time.Duration
		severity plan.Severity
		says     string
	}{
		{3 * time.Hour, plan.Warning, "; the proxy has 45h left: nothing breaks before 2026-11-23 23:00 UTC"},
		{43*time.Hour + 59*time.Minute, plan.Warning, "; the proxy has 1h1m left: nothing breaks before 2026-11-23 23:00 UTC"},
		{2 * time.Minute, plan.Critical, "; the proxy has 59m left: nothing breaks before 2026-11-23 23:00 UTC"},
		{time.Hour, plan.Critical, ""},
	} {
		b.clock.pass(tt.after)
		a := mustAlert(t, b.pass(t, plan.Options{}), "MP-NET")
		if a.Severity != tt.severity || !strings.HasSuffix(a.Message, tt.says) || (tt.says == "") == strings.Contains(a.Message, "nothing breaks") {
			t.Errorf("at %v: %s %q; want %s and %q", b.Now(), a.Severity, a.Message, tt.severity, tt.says)
		}
	}
}
