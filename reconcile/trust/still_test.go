package trust_test

import (
	"os"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// A Store for which the directory stands still has looked at it once: what is taken away or comes later is for the next
// Store. Without that, the next look is at what there is.
func TestStill(t *testing.T) {
	for _, still := range []bool{false, true} {
		g := newVOGrid(t)
		store := &trust.Store{Certificates: g.store.Certificates, VOMSDir: g.store.VOMSDir, Still: still}
		proxy := newProxy(t, g.jane, proxyKind{})
		chain, ac := certs(proxy, g.jane), g.ac(g.voms, nil)
		before, err := store.VerifyChain(chain, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.VerifyAC(ac, g.jane.cert, now); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{g.store.Certificates, g.store.VOMSDir} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		after, err := store.VerifyChain(chain, now)
		if (err == nil) != still {
			t.Errorf("still %v: a chain in a directory that is gone: %v", still, err)
		}
		if still && (len(after.Anchors) != len(before.Anchors) || !after.EffectiveEnd.Equal(before.EffectiveEnd) || after.EndsWith != before.EndsWith) {
			t.Errorf("the second result is %+v, the first %+v", after, before)
		}
		if _, err := store.VerifyAC(ac, g.jane.cert, now); (err == nil) != still {
			t.Errorf("still %v: an attribute certificate in a directory that is gone: %v", still, err)
		}
		// What was found is for that moment, that user certificate, and a good signature of each proxy.
		if _, err := store.VerifyChain(chain, now.Add(20*365*24*time.Hour)); err == nil {
			t.Errorf("still %v: good in twenty years", still)
		}
		namesake := newEEC(t, janeName, newCA(t, rootName, nil))
		if _, err := store.VerifyChain(certs(newProxy(t, namesake, proxyKind{}), g.jane), now); err == nil {
			t.Errorf("still %v: a proxy by another key verifies", still)
		}
	}
}

// A path through a CA of the file holds for that file only.
func TestStillForgetsPresentedCAs(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	g.file(g.sub, ".0", "") // its signing policy stays
	store := &trust.Store{Certificates: g.store.Certificates, Still: true}
	if _, err := store.VerifyChain(certs(jane, g.sub), now); err != nil {
		t.Fatal(err)
	}
	if _, err := store.VerifyChain(certs(jane), now); err == nil {
		t.Error("it verifies without the sub-CA that was in another file")
	}
}

// A CRL that comes later is not seen, one that was there is not forgotten.
func TestStillMissing(t *testing.T) {
	for _, still := range []bool{false, true} {
		g := newGrid(t)
		jane := newEEC(t, janeName, g.sub)
		store := &trust.Store{Certificates: g.store.Certificates, CRL: trust.CRLIfPresent, Still: still}
		if _, err := store.VerifyChain(certs(jane), now); err != nil {
			t.Fatal(err)
		}
		g.crl(g.sub, -2*time.Hour, -time.Hour)
		if _, err := store.VerifyChain(certs(jane), now); (err == nil) != still {
			t.Errorf("still %v: with an expired CRL that came later: %v", still, err)
		}
	}
}
