package watch_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// What a look costs where a trust directory has as many entries as IGTF's.
func BenchmarkLook(b *testing.B) {
	dir := b.TempDir()
	for i := range 100 {
		for _, ext := range []string{"pem", "info", "signing_policy", "namespaces", "crl_url"} {
			if err := os.WriteFile(fmt.Sprintf("%s/ca%d.%s", dir, i, ext), []byte("x"), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.Symlink(fmt.Sprintf("ca%d.pem", i), fmt.Sprintf("%s/%08x.0", dir, i)); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%08x.r0", dir, i), []byte("x"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	w := watch.New()
	defer w.Close()
	for b.Loop() {
		w.Watch([]string{dir})
	}
}
