package atomicfile

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The quick way arrives where the slow one does, and leaves everything to that which is not a plain directory.
func TestOpenWithoutLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(plain, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": "a", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "link"), filepath.Join(dir, "link", "b"), filepath.Join(dir, "loop"), filepath.Join(dir, "file"), filepath.Join(dir, "none")} {
		if d := openWithoutLinks(path); d != nil {
			d.close()
			t.Errorf("%s is opened", path)
		}
	}
	inode := func(d *directory) uint64 {
		t.Helper()
		defer d.close()
		var st unix.Stat_t
		if err := unix.Fstat(d.fd, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	for _, path := range []string{"/", dir, plain} {
		slow, err := walk(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		at := inode(slow)
		switch quick := openWithoutLinks(path); {
		case quick == nil:
			var u unix.Utsname
			if err := unix.Uname(&u); err != nil || u.Release[0] >= '6' {
				t.Errorf("%s is not opened on Linux %s", path, unix.ByteSliceToString(u.Release[:]))
			}
		case quick.path != slow.path || inode(quick) != at:
			t.Errorf("%s leads to %s, and walking to %s", path, quick.path, slow.path)
		}
	}
}
