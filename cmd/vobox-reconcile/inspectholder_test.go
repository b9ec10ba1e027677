package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// TestHolder wants somebody else's attributes shown as theirs.
func TestHolder(t *testing.T) {
	const corpus, jane = "../../testdata/corpus", "/DC=org/DC=corpus/OU=people/CN=Jane Doe"
	in := &inspect.Inspector{
		Store: &trust.Store{Certificates: filepath.Join(corpus, "trust/both"), VOMSDir: filepath.Join(corpus, "vomsdir/alice")},
		Now:   time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), UID: -1,
	}
	for name, want := range map[string]string{
		"ac-one": jane, "holder-issuer": jane, "holder-recoded": jane, "ac-above": jane, "holder-copied": "/DC=org/DC=corpus/OU=people/CN=Joe Bloggs",
		"holder-copied-issuer": "/DC=org/DC=corpus/CN=Corpus Issuing CA",
	} {
		data, err := os.ReadFile(filepath.Join(corpus, "cases", name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		r := in.Describe(data)
		if len(r.ACs) != 1 {
			t.Errorf("%s: %d attribute certificates (%s)", name, len(r.ACs), r.Fault)
			continue
		}
		if got := holder(r, &r.ACs[0]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
