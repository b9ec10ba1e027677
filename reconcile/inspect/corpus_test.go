package inspect_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

const corpus = "../../testdata/corpus"

// inspectorOf is set up as a case of the corpus asks for.
func inspectorOf(c cases.Case) *inspect.Inspector {
	return &inspect.Inspector{
		Store: &trust.Store{Certificates: filepath.Join(corpus, c.Certificates), VOMSDir: filepath.Join(corpus, c.VOMSDir), Host: c.Host,
			CRL: trust.CRLMode(c.CRL), AllowWeak: c.AllowWeak},
		Now: c.At, UID: -1,
	}
}

// TestCorpus wants each file of the corpus described as it deserves, and twice the same. A proxy without its key verifies
// as a chain, but no file of one is good.
func TestCorpus(t *testing.T) {
	x, err := cases.ReadIndex(corpus)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range x.Cases {
		data, err := os.ReadFile(filepath.Join(corpus, c.File))
		if err != nil {
			t.Fatal(err)
		}
		in := inspectorOf(c)
		r := in.Describe(data)
		if c.Passphrase != nil { // which inspect does not ask for
			if r.Verified() || !strings.Contains(r.Fault, "under a passphrase") {
				t.Errorf("%s: verified %v: %s", c.Name, r.Verified(), r.Fault)
			}
			continue
		}
		keyless := r.Key == inspect.NoKey && c.Want.Type != "eec" && c.Want.Type != "ca"
		if want := c.Want.Verdict == cases.Accept && !keyless; r.Verified() != want {
			t.Errorf("%s (%s): verified %v, want %v: %s", c.Name, c.Shows, r.Verified(), want, r.Fault)
		}
		if c.Want.Stage == cases.StageChain && !keyless && !strings.Contains(r.Fault, c.Want.Reason) {
			t.Errorf("%s: the fault %q lacks %q", c.Name, r.Fault, c.Want.Reason)
		}
		if leaf := r.Leaf(); c.Want.Identity != "" && leaf != nil {
			if r.Identity != c.Want.Identity || string(leaf.Type) != c.Want.Type || r.Limited != c.Want.Limited {
				t.Errorf("%s: %q, %s, limited %v, want %q, %s, limited %v", c.Name, r.Identity, leaf.Type, r.Limited, c.Want.Identity, c.Want.Type, c.Want.Limited)
			}
		}
		if !slices.Equal(r.FQANs, c.Want.FQANs) {
			t.Errorf("%s: FQANs %q, want %q", c.Name, r.FQANs, c.Want.FQANs)
		}
		consistent(t, c.Name, r)
		in.Store.Still = true
		if again := in.Describe(data); again.Fault != r.Fault || again.State != r.State || !again.EffectiveEnd.Equal(r.EffectiveEnd) {
			t.Errorf("%s: the second time it is %s %q until %v, the first %s %q until %v", c.Name, again.State, again.Fault, again.EffectiveEnd, r.State,
				r.Fault, r.EffectiveEnd)
		}
	}
}

// TestCorpusOnDisk puts files where they lie as they must not, and wants that found, and the same verdict nevertheless.
func TestCorpusOnDisk(t *testing.T) {
	x, err := cases.ReadIndex(corpus)
	if err != nil {
		t.Fatal(err)
	}
	scratch, placed := t.TempDir(), 0
	for _, c := range x.Cases {
		if c.Disk == nil {
			continue
		}
		placed++
		path, uid, err := cases.Place(corpus, scratch, c)
		if err != nil {
			t.Fatal(err)
		}
		in := inspectorOf(c)
		in.UID = uid
		r := in.File(path)
		var found []string
		for _, f := range r.Findings {
			if f.ID != credfile.FindingDir { // the directory is the test's, whatever the case is about
				found = append(found, f.ID)
			}
			if f.Problem == "" || f.Remedy == "" {
				t.Errorf("%s: a finding without a word: %+v", c.Name, f)
			}
		}
		if !slices.Equal(found, c.Want.Findings) {
			t.Errorf("%s (%s): found %q, want %q", c.Name, c.Shows, found, c.Want.Findings)
		}
		if want := c.Want.Verdict == cases.Accept; r.Verified() != want {
			t.Errorf("%s: verified %v, want %v: %s", c.Name, r.Verified(), want, r.Fault)
		}
	}
	if placed < 20 {
		t.Errorf("only %d files were put on disk", placed)
	}
}

// consistent checks what holds of every report.
func consistent(t *testing.T, name string, r *inspect.Report) {
	t.Helper()
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf(name+": "+format, args...)
	}
	verified, leaf := r.Verified(), r.Leaf()
	switch {
	case verified != (r.State == inspect.OK):
		wrong("verified %v and state %s", verified, r.State)
	case verified && leaf == nil:
		wrong("it verifies, and there is no certificate in it")
	case strings.ContainsAny(r.Fault, "\r\n"):
		wrong("the fault is not one line: %q", r.Fault)
	case leaf == nil && (r.Identity != "" || len(r.ACs) > 0 || !r.EffectiveEnd.IsZero()):
		wrong("it has %q, %d ACs and ends at %v without a certificate", r.Identity, len(r.ACs), r.EffectiveEnd)
	case r.EffectiveEnd.After(r.NotAfter):
		wrong("effectively it ends at %v, and its chain at %v", r.EffectiveEnd, r.NotAfter)
	case !r.ACNotAfter.IsZero() && r.EffectiveEnd.After(r.ACNotAfter):
		wrong("effectively it ends at %v, and an AC at %v", r.EffectiveEnd, r.ACNotAfter)
	}
	good := 0
	for _, ac := range r.ACs {
		if ac.Fault == "" {
			good++
		} else if verified {
			wrong("it verifies although an AC does not: %s", ac.Fault)
		}
	}
	if len(r.FQANs) > 0 && good == 0 {
		wrong("it has the FQANs %q, and no AC that verifies", r.FQANs)
	}
	for _, c := range r.Chain {
		for _, dn := range []string{c.Subject, c.Issuer} {
			if strings.ContainsFunc(dn, func(r rune) bool { return r < ' ' || r > '~' }) {
				wrong("a name that is not printable ASCII: %q", dn)
			}
		}
	}
}
