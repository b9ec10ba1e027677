package doctor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// A proxy that a renewal does not mend is not said to be mended by one: a new one would be refused for the same reason.
func TestRemediesOfProxiesThatDoNotVerify(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	checks, err := doctor.Select(doctor.Checks(), []string{"credentials"}, true)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"CRL-STALE": "fetch-crl", "CA-MISSING": "ca-policy-egi-core", "VO-LSC": "wlcg-iam-lsc-alice", "CLOCK": "chronyc",
		"CHAIN-SIGNATURE": "vobox-reconcile --force "} {
		b := f.box()
		for name, st := range b.Have.Credentials {
			st.Fault, st.FaultID, st.EffectiveEnd = "it does not verify", id, time.Time{}
			b.Have.Credentials[name] = st
		}
		found := doctor.Sorted(doctor.Examine(t.Context(), b, checks, nil))
		if len(found) != 2 {
			t.Fatalf("%s: %d findings, want one for each proxy", id, len(found))
		}
		for _, x := range found {
			if x.ID != id || !strings.Contains(x.Remedy, want) || id != "CHAIN-SIGNATURE" && (strings.Contains(x.Remedy, "--force") || x.Where != "site admin") {
				t.Errorf("%s of %s: %s: %s, want %s", x.ID, x.Subject, x.Where, x.Remedy, want)
			}
		}
	}
}
