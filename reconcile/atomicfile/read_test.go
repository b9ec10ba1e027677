package atomicfile_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "hello")
	data, info, err := atomicfile.Read(path, 5)
	if err != nil || string(data) != "hello" || info.Size() != 5 || info.Name() != "f" {
		t.Errorf("Read = %q, %v, %v", data, info, err)
	}
	t.Chdir(dir)
	if data, _, err := atomicfile.Read("f", 5); err != nil || string(data) != "hello" {
		t.Errorf("by a relative path: %q, %v", data, err)
	}
	write(t, path, "")
	if data, _, err := atomicfile.Read(path, 0); err != nil || len(data) != 0 {
		t.Errorf("an empty file: %q, %v", data, err)
	}
	// The size of such files is not known beforehand.
	if data, info, err := atomicfile.Read("/proc/self/status", 1<<20); err != nil || info.Size() != 0 || !strings.Contains(string(data), "Pid:") {
		t.Errorf("/proc/self/status: %d bytes, %v", len(data), err)
	}
	if _, _, err := atomicfile.Read("/proc/self/status", 10); !errors.Is(err, atomicfile.ErrTooLarge) {
		t.Errorf("/proc/self/status: error %v, want ErrTooLarge", err)
	}
}

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	file, fifo, link, dangling, sock := dir+"/f", dir+"/fifo", dir+"/link", dir+"/dangling", dir+"/sock"
	write(t, file, "hello")
	symlink(t, file, link)
	symlink(t, dir+"/none", dangling)
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	symlink(t, "b", dir+"/a")
	symlink(t, "a", dir+"/b")
	for _, tc := range []struct {
		name, path string
		want       error
	}{
		{"too large", file, atomicfile.ErrTooLarge},
		{"link", link, atomicfile.ErrLink},
		{"dangling link", dangling, atomicfile.ErrLink},
		{"named pipe", fifo, atomicfile.ErrNotRegular},
		{"socket", sock, atomicfile.ErrNotRegular},
		{"device", "/dev/zero", atomicfile.ErrNotRegular},
		{"directory", dir, atomicfile.ErrNotRegular},
		{"missing", dir + "/none", fs.ErrNotExist},
		{"directory missing", dir + "/none/f", fs.ErrNotExist},
		{"below a file", file + "/f", syscall.ENOTDIR},
		{"links in a circle", dir + "/a/f", syscall.ELOOP},
	} {
		data, info, err := atomicfile.Read(tc.path, 4)
		if data != nil || info != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: Read = %q, %v, want %v", tc.name, data, err, tc.want)
		} else if !strings.Contains(err.Error(), tc.path) {
			t.Errorf("%s: the error %q does not name the path", tc.name, err)
		}
	}
}

func TestGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b lcgadmin", "alcgadmin", ".reconcile-00.tmp", ".hidden lcgadmin", "other"} {
		write(t, filepath.Join(dir, name), "")
	}
	for _, tc := range []struct {
		pattern string
		want    []string
	}{
		{"*lcgadmin", []string{"alcgadmin", "b lcgadmin"}},
		{".*lcgadmin", []string{".hidden lcgadmin"}},
		{"other", []string{"other"}},
		{"none*", nil},
	} {
		got, err := atomicfile.Glob(dir, tc.pattern)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("Glob(%q) = %q, %v, want %q", tc.pattern, got, err, tc.want)
		}
	}
	if _, err := atomicfile.Glob(dir, "[a"); !errors.Is(err, filepath.ErrBadPattern) {
		t.Errorf("error %v, want ErrBadPattern", err)
	}
	if _, err := atomicfile.Glob(dir+"/none", "*"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func TestStat(t *testing.T) {
	dir := t.TempDir()
	symlink(t, "none", dir+"/link")
	for path, want := range map[string]fs.FileMode{dir: fs.ModeDir, dir + "/link": fs.ModeSymlink, "/": fs.ModeDir} {
		info, err := atomicfile.Stat(path)
		if err != nil || info.Mode().Type() != want || info.Name() != filepath.Base(path) {
			t.Errorf("Stat(%q) = %v, %v, want %v", path, info, err, want)
		}
	}
	if _, err := atomicfile.Stat(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func TestReadlink(t *testing.T) {
	dir := t.TempDir()
	symlink(t, "to/nowhere", dir+"/link")
	if got, err := atomicfile.Readlink(dir + "/link"); got != "to/nowhere" || err != nil {
		t.Errorf("Readlink = %q, %v", got, err)
	}
	if _, err := atomicfile.Readlink(dir); err == nil || !strings.Contains(err.Error(), "not a symbolic link") {
		t.Errorf("a directory: error %v", err)
	}
	if _, err := atomicfile.Readlink(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func TestFollow(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mkdir(t, dir+"/sub")
	write(t, dir+"/sub/f", "x")
	symlink(t, "sub/g", dir+"/link")
	symlink(t, "../sub/f", dir+"/sub/g")
	symlink(t, dir+"/link", dir+"/absolute")
	symlink(t, "loop", dir+"/loop")
	for _, path := range []string{"/sub/f", "/sub/g", "/link", "/absolute"} {
		if got, err := atomicfile.Follow(dir + path); got != dir+"/sub/f" || err != nil {
			t.Errorf("Follow(%q) = %q, %v", path, got, err)
		}
	}
	if _, err := atomicfile.Follow(dir + "/loop"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("error %v, want ELOOP", err)
	}
	if _, err := atomicfile.Follow(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "link")
	for _, step := range []struct {
		name, target string
		changed      bool
	}{
		{"new", "one", true},
		{"same", "one", false},
		{"other", "two", true},
	} {
		changed, err := atomicfile.Symlink(step.target, path, keep)
		if err != nil || changed != step.changed {
			t.Fatalf("%s: Symlink = %v, %v, want %v", step.name, changed, err, step.changed)
		}
		if got, err := os.Readlink(path); got != step.target || err != nil {
			t.Errorf("%s: leads to %q, %v", step.name, got, err)
		}
	}
	write(t, dir+"/file", "x")
	if changed, err := atomicfile.Symlink("one", dir+"/file", keep); !changed || err != nil {
		t.Errorf("in the place of a file: %v, %v", changed, err)
	}
	mkdir(t, dir+"/dir")
	if _, err := atomicfile.Symlink("one", dir+"/dir", keep); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("in the place of a directory: error %v, want EISDIR", err)
	}
	checkAlone(t, dir, "dir", "file", "link")
	if os.Geteuid() != 0 {
		t.Log("SKIPPED: the owner of a link, which only root can give away")
		return
	}
	o := atomicfile.Options{UID: alice, GID: bob}
	for _, want := range []bool{true, false} {
		if changed, err := atomicfile.Symlink("two", path, o); changed != want || err != nil {
			t.Errorf("Symlink = %v, %v, want %v", changed, err, want)
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Sys().(*syscall.Stat_t).Uid != alice || info.Sys().(*syscall.Stat_t).Gid != bob {
		t.Errorf("the link's owner is another")
	}
}

func TestMkdirAll(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	chmod(t, dir, 0o711)
	if err := atomicfile.MkdirAll(dir+"/a/b", atomicfile.Options{Mode: 0o775, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.MkdirAll(dir+"/a/b/c/", atomicfile.Options{Mode: 0o700, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{"": 0o711, "/a": 0o775, "/a/b": 0o775, "/a/b/c": 0o700} {
		if info, err := os.Stat(dir + path); err != nil || info.Mode() != want|fs.ModeDir {
			t.Errorf("%q: mode %v, want %v", path, info.Mode(), want)
		}
	}
	write(t, dir+"/file", "x")
	if err := atomicfile.MkdirAll(dir+"/file/x", keep); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: error %v, want ENOTDIR", err)
	}
	if err := atomicfile.MkdirAll(dir+"/x", atomicfile.Options{}); err == nil {
		t.Error("made without a mode")
	}
	if os.Geteuid() != 0 {
		t.Log("SKIPPED: the owner of a directory, which only root can give away")
		return
	}
	if err := atomicfile.MkdirAll(dir+"/p/q", atomicfile.Options{Mode: 0o700, UID: alice, GID: bob}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/p", "/p/q"} {
		if info, err := os.Stat(dir + path); err != nil || info.Sys().(*syscall.Stat_t).Uid != alice || info.Sys().(*syscall.Stat_t).Gid != bob {
			t.Errorf("%s has another owner", path)
		}
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "x")
	symlink(t, "f", dir+"/link")
	mkdir(t, dir+"/dir")
	if err := atomicfile.Remove(dir + "/link"); err != nil {
		t.Error(err)
	}
	checkAlone(t, dir, "dir", "f")
	if err := atomicfile.Remove(dir + "/f"); err != nil {
		t.Error(err)
	}
	if err := atomicfile.Remove(dir + "/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	if err := atomicfile.Remove(dir + "/dir"); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("error %v, want EISDIR", err)
	}
	checkAlone(t, dir, "dir")
}
