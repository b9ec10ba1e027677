package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".reconcile-00112233445566778899aabb.tmp": 2 * time.Hour,
		".reconcile-ffeeddccbbaa998877665544.tmp": time.Minute,
		"proxy": 48 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		write(t, path, name)
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	symlink(t, filepath.Join(dir, "proxy"), filepath.Join(dir, ".reconcile-link.tmp"))
	if err := atomicfile.RemoveStale(dir, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	checkAlone(t, dir, ".reconcile-ffeeddccbbaa998877665544.tmp", ".reconcile-link.tmp", "proxy")
}
