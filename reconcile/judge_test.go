package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// TestJudgeCorpus holds the engine's verdict on every file of the corpus against that of inspect: what one of them takes,
// the other takes, and they say the same of it.
func TestJudgeCorpus(t *testing.T) {
	const corpus = "../testdata/corpus"
	x, err := cases.ReadIndex(corpus)
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, c := range x.Cases {
		data, err := os.ReadFile(filepath.Join(corpus, c.File))
		if err != nil {
			t.Fatal(err)
		}
		store := &trust.Store{Certificates: filepath.Join(corpus, c.Certificates), VOMSDir: filepath.Join(corpus, c.VOMSDir), Host: c.Host,
			CRL: trust.CRLMode(c.CRL), AllowWeak: c.AllowWeak}
		r := (&inspect.Inspector{Store: store, Now: c.At, UID: -1}).Describe(data)
		cred, err := credfile.Parse(data)
		if err != nil {
			if r.Verified() && r.Leaf().Type != "eec" && filepath.Ext(c.File) != ".p12" { // neither is a proxy file
				t.Errorf("%s: it verifies, and the engine cannot read it: %v", c.Name, err)
			}
			continue
		}
		judged++
		engine := &reconcile.Engine{Trust: store}
		want := plan.Credential{Kind: plan.User, Identity: identityOf(r), Limited: r.Limited}
		if r.Leaf().Type == "eec" {
			if st := engine.Judge(cred, want, c.At); st.Fault == "" && c.At.Before(st.EffectiveEnd) {
				t.Errorf("%s: the engine takes a certificate for a proxy", c.Name)
			}
			continue
		}
		st := engine.Judge(cred, want, c.At)
		usable := st.Fault == "" && !c.At.After(st.EffectiveEnd)
		chainGood := r.Verified() || c.Want.Stage == cases.StageAC
		switch {
		case independent(r):
			if usable || chainGood && st.FaultID != "PROXY-IDENTITY" {
				t.Errorf("%s: an independent proxy is judged as %q %s", c.Name, st.Fault, st.FaultID)
			}
			continue
		case usable != chainGood && !atItsEnd(c.Name):
			t.Errorf("%s (%s): the engine says %q until %v, inspect %q", c.Name, c.Shows, st.Fault, st.EffectiveEnd, r.Fault)
		case st.Fault != "" && !strings.Contains(r.Fault, st.Fault):
			t.Errorf("%s: the engine's fault is %q, inspect's %q", c.Name, st.Fault, r.Fault)
		case usable && (st.Identity != r.Identity || st.Type != string(r.Leaf().Type) || st.KeyBits != r.Leaf().KeyBits || !st.NotAfter.Equal(r.NotAfter)):
			t.Errorf("%s: the engine sees %+v", c.Name, st)
		}
		if chainGood && !atItsEnd(c.Name) {
			judgeAttributes(t, c, engine, want, r, data)
		}
	}
	if judged < 500 {
		t.Errorf("only %d files were judged", judged)
	}
}

// atItsEnd is the one case in which the two differ: a pass in the last second of a proxy renews it.
func atItsEnd(name string) bool { return name == "time-last-second" }

func independent(r *inspect.Report) bool {
	for _, c := range r.Chain {
		if c.Policy == inspect.PolicyIndependent {
			return true
		}
	}
	return false
}

// identityOf is the one inspect shows, as a configuration would have it; names that no text can hold stay open.
func identityOf(r *inspect.Report) string {
	want := r.Chain[len(r.Chain)-1].RawSubject
	if n, err := dn.Parse(r.Identity); err != nil || !n.Equal(dn.MustFromDER(want)) {
		return ""
	}
	return r.Identity
}

// judgeAttributes asks the engine for what each attribute certificate says: it must find fault with those that inspect finds
// fault with.
func judgeAttributes(t *testing.T, c cases.Case, engine *reconcile.Engine, want plan.Credential, r *inspect.Report, data []byte) {
	t.Helper()
	cred, err := credfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.ACs) == 0 {
		want.VO, want.FQANs = "alice", []string{"/alice"}
		if st := engine.Judge(cred, want, c.At); st.FaultID != "VO-NONE" {
			t.Errorf("%s: without attributes the engine says %q %s", c.Name, st.Fault, st.FaultID)
		}
		return
	}
	faults := make(map[string]string) // by VO: one bad AC of it is enough
	fqans := make(map[string][]string)
	for _, ac := range r.ACs {
		fqans[ac.VO] = append(fqans[ac.VO], ac.FQANs...)
		if ac.Fault != "" {
			faults[ac.VO] = ac.Fault
		}
	}
	for vo, has := range fqans {
		if len(has) == 0 {
			continue
		}
		want.VO, want.FQANs = vo, has
		st := engine.Judge(cred, want, c.At)
		usable := st.Fault == "" && !c.At.After(st.EffectiveEnd)
		if within := strings.HasPrefix(c.Name, "actime-skew"); usable != (faults[vo] == "") && !within {
			t.Errorf("%s: asked for %q the engine says %q until %v, inspect %q", c.Name, has, st.Fault, st.EffectiveEnd, faults[vo])
		}
		if st.Fault != "" && st.Fault != faults[vo] {
			t.Errorf("%s: the engine's fault is %q, inspect's %q", c.Name, st.Fault, faults[vo])
		}
	}
}
