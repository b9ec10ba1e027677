package inspect_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// TestDescribeBounds describes files that were made to keep us busy: all of what is done for one file, from its bytes to the
// verdict. What the parts cost is measured in their packages.
func TestDescribeBounds(t *testing.T) {
	proxy, err := os.ReadFile(filepath.Join(corpus, "cases/ac-one.pem"))
	if err != nil {
		t.Fatal(err)
	}
	in := func() *inspect.Inspector {
		return &inspect.Inspector{Store: &trust.Store{Certificates: filepath.Join(corpus, "trust/both"), VOMSDir: filepath.Join(corpus, "vomsdir/alice"), Still: true},
			Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), UID: -1}
	}
	if r := in().Describe(proxy); !r.Verified() {
		t.Fatalf("the proxy to begin with does not verify: %s", r.Fault)
	}
	block := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	many := func(name string, one func(i int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			var b strings.Builder
			b.Write(proxy)
			for i := 0; b.Len() < n; i++ {
				b.WriteString(block(one(i)))
			}
			return []byte(b.String())
		}}
	}
	info := bound.Extension("\x2b\x06\x01\x05\x05\x07\x01\x0e", true, bound.DER(0x30, bound.DER(0x30, []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 21, 1})))
	ca := bound.Extension("\x55\x1d\x13", true, []byte{0x30, 3, 1, 1, 0xff})
	bound.Linear(t, 12<<10, 128, func(data []byte) {
		r := in().Describe(data)
		for _, c := range r.Chain {
			_ = c.Subject
		}
	},
		bound.Repeat("text behind a proxy", string(proxy), "text\n", ""),
		bound.Repeat("the same proxy over and over", "", string(proxy), ""),
		many("strangers", func(i int) []byte { return bound.Certificate(uint32(i), bound.Name("a"), bound.Name("b"), nil) }),
		many("proxies of strangers", func(i int) []byte { return bound.Certificate(uint32(i), bound.Name("a"), bound.Name("a", "b"), info) }),
		many("CAs", func(i int) []byte { return bound.Certificate(uint32(i), bound.Name("a"), bound.Name("a"), ca) }),
		many("broken certificates", func(int) []byte { return []byte{0x30, 0} }),
		bound.Input{Name: "a proxy with a long name and nothing else", Make: func(n int) []byte {
			return []byte(block(bound.Certificate(1, bound.Name("a"), bound.Name("a", strings.Repeat("b", n*3/4)), info)))
		}},
		bound.Input{Name: "a name of control characters", Make: func(n int) []byte {
			return []byte(block(bound.Certificate(1, bound.Name("a"), bound.Name("a", strings.Repeat("\x01", n*3/4)), info)))
		}},
	)
}
