package trust_test

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// benchGrid has a directory of 300 CAs, with all their files, and a chain of leaf, proxy, EEC below sub-CA and root.
func benchGrid(b *testing.B) (*voGrid, []*x509.Certificate) {
	b.Helper()
	g := newVOGrid(b)
	for i := range 298 {
		content := []byte(pemOf(g.sub))
		for _, suffix := range []string{".0", ".signing_policy", ".namespaces", ".r0", ".crl_url"} {
			path := filepath.Join(g.store.Certificates, fmt.Sprintf("%08x%s", 0x01000000+i, suffix))
			if err := os.WriteFile(path, content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	g.crl(g.root, -3600e9, 3600e9)
	g.crl(g.sub, -3600e9, 3600e9)
	one := newProxy(b, g.jane, proxyKind{})
	two := newProxy(b, one, proxyKind{})
	return g, certs(two, one, g.jane, g.sub)
}

func BenchmarkVerifyChainWarm(b *testing.B) {
	g, chain := benchGrid(b)
	for b.Loop() {
		if _, err := g.store.VerifyChain(chain, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyChainCold(b *testing.B) {
	g, chain := benchGrid(b)
	for b.Loop() {
		store := &trust.Store{Certificates: g.store.Certificates}
		if _, err := store.VerifyChain(chain, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAC(b *testing.B) {
	g, _ := benchGrid(b)
	ac := g.ac(g.voms, nil)
	for b.Loop() {
		if _, err := g.store.VerifyAC(ac, g.jane.cert, now); err != nil {
			b.Fatal(err)
		}
	}
}
