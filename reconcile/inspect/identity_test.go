package inspect_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
)

// TestIdentityOfRefused wants to know whose a proxy is though the chain does not verify: grid-proxy-info says the same.
func TestIdentityOfRefused(t *testing.T) {
	const jane = "/DC=org/DC=corpus/OU=people/CN=Jane Doe"
	x, err := cases.ReadIndex(corpus)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"issuer-missing-eec": jane, "policy-full-under-limited": jane, "time-expired": jane, "issuer-eec-soft": jane, "strength-secp256k1": jane, "text-broken-first": jane,
		"length-empty": jane, "issuer-ca-alone": "/DC=org/DC=corpus/CN=Corpus Issuing CA",
	} {
		i := slices.IndexFunc(x.Cases, func(c cases.Case) bool { return c.Name == name })
		if i < 0 {
			t.Errorf("there is no case %s", name)
			continue
		}
		data, err := os.ReadFile(filepath.Join(corpus, x.Cases[i].File))
		if err != nil {
			t.Fatal(err)
		}
		r := inspectorOf(x.Cases[i]).Describe(data)
		if r.Identity != want || r.Verified() || r.State == inspect.OK {
			t.Errorf("%s: %q, verified %v, %s, want %q", name, r.Identity, r.Verified(), r.State, want)
		}
	}
}
