package inspect_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// FuzzDescribe wants a report on any bytes, one that is consistent and no larger than what was described.
func FuzzDescribe(f *testing.F) {
	x, err := cases.ReadIndex(corpus)
	if err != nil {
		f.Fatal(err)
	}
	for i, c := range x.Cases {
		if i%7 != 0 && c.Want.Stage != cases.StageFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(corpus, c.File))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	in := &inspect.Inspector{
		Store: &trust.Store{Certificates: filepath.Join(corpus, "trust/both"), VOMSDir: filepath.Join(corpus, "vomsdir/alice"), Host: "vobox.example.org", Still: true},
		Now:   x.Cases[0].At, UID: -1,
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := in.Describe(data)
		consistent(t, "it", r)
		size := len(r.Identity) + len(r.Fault)
		for _, c := range r.Chain {
			size += len(c.Subject) + len(c.Issuer) + len(c.Raw)
		}
		for _, s := range r.Faults {
			size += len(s)
		}
		if size > 64<<10+16*len(data) {
			t.Errorf("%d bytes are said of %d", size, len(data))
		}
		if again := in.Describe(data); again.Fault != r.Fault || again.State != r.State {
			t.Errorf("the second time it is %s %q, the first %s %q", again.State, again.Fault, r.State, r.Fault)
		}
	})
}
