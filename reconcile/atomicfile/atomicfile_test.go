package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// keep is what most tests ask for: mode 0600, owner as the kernel makes it.
var keep = atomicfile.Options{Mode: 0o600, UID: -1, GID: -1}

func write(t testing.TB, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t testing.TB, path string) string {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkContent(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
	}
}

// checkAlone fails when something else than the names given is in the directory, such as a temporary file.
func checkAlone(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func TestReplace(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy")

	for _, step := range []struct {
		name    string
		data    string
		mode    fs.FileMode
		changed bool
	}{
		{"new", "one", 0o600, true},
		{"same", "one", 0o600, false},
		{"other content", "two", 0o600, true},
		{"other mode, against the umask", "two", 0o644, true},
		{"read-only", "two", 0o400, true},
		{"read-only, same", "two", 0o400, false},
		{"same length", "owt", 0o400, true},
		{"empty", "", 0o600, true},
		{"set-group-ID", "x", 0o640 | fs.ModeSetgid, true},
	} {
		changed, err := atomicfile.Replace(path, []byte(step.data), atomicfile.Options{Mode: step.mode, UID: -1, GID: -1})
		if err != nil || changed != step.changed {
			t.Fatalf("%s: Replace = %v, %v, want %v", step.name, changed, err, step.changed)
		}
		checkContent(t, path, step.data)
		info, err := os.Stat(path)
		if err != nil || info.Mode() != step.mode {
			t.Errorf("%s: mode %v, want %v", step.name, info.Mode(), step.mode)
		}
		checkAlone(t, dir, "proxy")
	}
}

func TestReplaceUnchangedKeepsInode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "x")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := atomicfile.Replace(path, []byte("x"), keep); changed || err != nil {
		t.Fatalf("Replace = %v, %v", changed, err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the file is another one, or has another time")
	}
}

func TestReplaceLinkAtPath(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "path")
	write(t, target, "precious")
	symlink(t, target, path)
	if changed, err := atomicfile.Replace(path, []byte("precious"), keep); !changed || err != nil {
		t.Fatalf("Replace = %v, %v, want the link replaced", changed, err)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("Lstat = %v, %v, want a regular file", info.Mode(), err)
	}
	checkContent(t, target, "precious")
}

func TestReplaceHardLink(t *testing.T) {
	dir := t.TempDir()
	other, path := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, other, "x")
	if err := os.Link(other, path); err != nil {
		t.Fatal(err)
	}
	if changed, err := atomicfile.Replace(path, []byte("x"), keep); !changed || err != nil {
		t.Fatalf("Replace = %v, %v, want the hard link replaced", changed, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Sys().(*syscall.Stat_t).Nlink != 1 {
		t.Errorf("still a hard link: %v", err)
	}
}

func TestReplaceErrors(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "dir"))
	write(t, filepath.Join(dir, "file"), "x")
	for _, tc := range []struct {
		name, path string
		o          atomicfile.Options
		want       error
	}{
		{"directory there", filepath.Join(dir, "dir"), keep, syscall.EISDIR},
		{"no parent", filepath.Join(dir, "no", "f"), keep, fs.ErrNotExist},
		{"parent is a file", filepath.Join(dir, "file", "f"), keep, syscall.ENOTDIR},
		{"root directory", "/", keep, nil},
		{"no path", "", keep, nil},
		{"no mode", filepath.Join(dir, "f"), atomicfile.Options{}, nil},
		{"name too long", filepath.Join(dir, strings.Repeat("x", 256)), keep, syscall.ENAMETOOLONG},
	} {
		changed, err := atomicfile.Replace(tc.path, []byte("x"), tc.o)
		if changed || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: Replace = %v, %v, want error %v", tc.name, changed, err, tc.want)
		}
	}
	checkAlone(t, dir, "dir", "file")
}
