package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	for _, line := range []string{"one\n", "two\n"} {
		f, err := atomicfile.Append(path, keep)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkContent(t, path, "one\ntwo\n")
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := atomicfile.Rename(path, "journal.1"); err != nil {
		t.Fatal(err)
	}
	checkContent(t, path+".1", "one\ntwo\n")
	if err := atomicfile.Rename(path+".1", "../journal"); err == nil {
		t.Error("renamed into another directory")
	}
	checkAlone(t, filepath.Dir(path), "journal.1")
}

// A link at the path is no place to append to, wherever it leads.
func TestAppendLink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "journal"), filepath.Join(dir, "target")
	symlink(t, target, path)
	if _, err := atomicfile.Append(path, keep); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("a link that leads nowhere: %v, want ErrLink", err)
	}
	write(t, target, "precious")
	if _, err := atomicfile.Append(path, keep); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("a link to a file: %v, want ErrLink", err)
	}
	checkContent(t, target, "precious")
}
