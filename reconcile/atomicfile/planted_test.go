package atomicfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// Two accounts that need not exist.
const alice, bob = 12345, 23456

// needRoot skips, audibly, what only root can arrange.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can make files of other users; run the tests as root to check what planted links do")
	}
}

// shared is a directory of root's that everybody can enter.
func shared(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func chown(t testing.TB, path string, uid int) string {
	t.Helper()
	if err := os.Lchown(path, uid, uid); err != nil {
		t.Fatal(err)
	}
	return path
}

func chmod(t testing.TB, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// as runs f with another effective user, in a thread of its own that is thrown away afterwards.
func as(t testing.TB, uid int, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		const keep = ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
			done <- errno
			return
		}
		defer close(done)
		f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A plant is a place where a user has put a link, below a directory of root's, that leads to root's directory "victim".
type plant struct {
	name string
	make func(t testing.TB, root string) (path string) // of a file behind the link
	safe bool                                          // to be followed
}

var plants = []plant{
	{"user's link in user's directory", func(t testing.TB, root string) string {
		home := chown(t, mkdir(t, root+"/home"), alice)
		symlink(t, root+"/victim", home+"/config")
		chown(t, home+"/config", alice)
		return home + "/config/f"
	}, false},
	{"user's link further up", func(t testing.TB, root string) string {
		mkdir(t, root+"/victim/sub")
		home := chown(t, mkdir(t, root+"/home"), alice)
		symlink(t, "../victim", home+"/.alien")
		chown(t, home+"/.alien", alice)
		return home + "/.alien/sub/../f"
	}, false},
	{"root's link in user's directory", func(t testing.TB, root string) string {
		home := chown(t, mkdir(t, root+"/home"), alice)
		symlink(t, root+"/victim", home+"/config")
		return home + "/config/f"
	}, false},
	{"user's link in root's directory", func(t testing.TB, root string) string {
		symlink(t, "victim", root+"/link")
		chown(t, root+"/link", alice)
		return root + "/link/f"
	}, false},
	{"user's link in a sticky directory", func(t testing.TB, root string) string {
		tmp := chmod(t, mkdir(t, root+"/tmp"), 0o777|fs.ModeSticky)
		symlink(t, root+"/victim", tmp+"/link")
		chown(t, tmp+"/link", alice)
		return tmp + "/link/f"
	}, false},
	{"root's link in a sticky directory", func(t testing.TB, root string) string {
		tmp := chmod(t, mkdir(t, root+"/tmp"), 0o777|fs.ModeSticky)
		symlink(t, root+"/victim", tmp+"/link")
		return tmp + "/link/f"
	}, false},
	{"root's link in a directory that a group writes to", func(t testing.TB, root string) string {
		dir := chmod(t, mkdir(t, root+"/dir"), 0o775)
		symlink(t, root+"/victim", dir+"/link")
		return dir + "/link/f"
	}, false},
	{"user's link behind root's", func(t testing.TB, root string) string {
		home := chown(t, mkdir(t, root+"/home"), alice)
		symlink(t, root+"/victim", home+"/config")
		chown(t, home+"/config", alice)
		symlink(t, "home/config", root+"/link")
		return root + "/link/f"
	}, false},
	{"root's link in root's directory", func(t testing.TB, root string) string {
		symlink(t, "victim", root+"/link")
		return root + "/link/f"
	}, true},
	{"root's absolute links in a row", func(t testing.TB, root string) string {
		symlink(t, root+"/two", root+"/one")
		symlink(t, "./victim/.", root+"/two")
		return root + "/one/f"
	}, true},
	{"root's link with .. in it", func(t testing.TB, root string) string {
		mkdir(t, root+"/a")
		mkdir(t, root+"/a/b")
		symlink(t, "../../victim", root+"/a/b/link")
		return root + "/a/b/link/f"
	}, true},
}

// TestPlantedLinks does everything the package does behind each link, and looks whether the victim noticed.
func TestPlantedLinks(t *testing.T) {
	needRoot(t)
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			root := shared(t)
			victim := mkdir(t, root+"/victim")
			write(t, victim+"/f", "precious")
			path := p.make(t, root)
			path = strings.Replace(path, "/sub/..", "", 1)
			before := snapshot(t, victim)

			for name, do := range map[string]func() error{
				"Replace": func() error { _, err := atomicfile.Replace(path, []byte("x"), keep); return err },
				"Read":    func() error { _, _, err := atomicfile.Read(path, 99); return err },
				"Symlink": func() error { _, err := atomicfile.Symlink("/etc/passwd", path, keep); return err },
				"Append": func() error {
					f, err := atomicfile.Append(path, keep)
					if err == nil {
						err = f.Close()
					}
					return err
				},
				"MkdirAll": func() error {
					return atomicfile.MkdirAll(filepath.Join(filepath.Dir(path), "d/e"), atomicfile.Options{Mode: 0o700, UID: alice, GID: alice})
				},
				"Stat":   func() error { _, err := atomicfile.Stat(path); return err },
				"Glob":   func() error { _, err := atomicfile.Glob(filepath.Dir(path), "*"); return err },
				"Follow": func() error { _, err := atomicfile.Follow(path); return err },
				"Remove": func() error { return atomicfile.Remove(path) },
				"Rename": func() error { return atomicfile.Rename(path, "g") },
			} {
				if p.safe {
					break
				}
				err := do()
				if !errors.Is(err, atomicfile.ErrLink) {
					t.Errorf("%s: error %v, want ErrLink", name, err)
				}
				if err != nil && !strings.Contains(err.Error(), `leads to "`) {
					t.Errorf("%s: the error %q does not say where the link leads", name, err)
				}
			}
			if !p.safe {
				if after := snapshot(t, victim); after != before {
					t.Errorf("the victim was %s, is %s", before, after)
				}
				return
			}
			if _, err := atomicfile.Replace(path, []byte("new"), keep); err != nil {
				t.Fatal(err)
			}
			checkContent(t, victim+"/f", "new")
			if data, _, err := atomicfile.Read(path, 99); string(data) != "new" || err != nil {
				t.Errorf("Read = %q, %v", data, err)
			}
			if real, err := atomicfile.Follow(path); real != victim+"/f" || err != nil {
				t.Errorf("Follow = %q, %v, want %q", real, err, victim+"/f")
			}
		})
	}
}

// snapshot is what there is to notice in a directory.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintln(&b, strings.TrimPrefix(path, dir), info.Mode(), info.ModTime(), st.Nlink, st.Uid, st.Gid)
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.Write(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The last element of a path is never followed, whoever made it.
func TestPlantedLinkAtPath(t *testing.T) {
	needRoot(t)
	root := shared(t)
	write(t, root+"/victim", "precious")
	home := chown(t, mkdir(t, root+"/home"), alice)
	path := home + "/proxy"
	symlink(t, root+"/victim", path)
	chown(t, path, alice)

	if _, _, err := atomicfile.Read(path, 99); !errors.Is(err, atomicfile.ErrLink) || !strings.Contains(err.Error(), "uid 12345") {
		t.Errorf("Read error %v, want ErrLink and whose link it is", err)
	}
	if _, err := atomicfile.Append(path, keep); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("Append error %v, want ErrLink", err)
	}
	if _, err := atomicfile.Follow(path); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("Follow error %v, want ErrLink", err)
	}
	if info, err := atomicfile.Stat(path); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("Stat = %v, %v, want the link", info, err)
	}
	changed, err := atomicfile.Replace(path, []byte("x"), atomicfile.Options{Mode: 0o600, UID: alice, GID: bob})
	if !changed || err != nil {
		t.Fatalf("Replace = %v, %v", changed, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || st.Uid != alice || st.Gid != bob {
		t.Errorf("mode %v, owner %d:%d", info.Mode(), st.Uid, st.Gid)
	}
	checkContent(t, root+"/victim", "precious")
	checkAlone(t, home, "proxy")
}

// Root does not read, nor append to, what a user has hard-linked into his own directory.
func TestPlantedHardLink(t *testing.T) {
	needRoot(t)
	root := shared(t)
	write(t, root+"/shadow", "precious")
	home := chown(t, mkdir(t, root+"/home"), alice)
	path := home + "/proxy"
	if err := os.Link(root+"/shadow", path); err != nil {
		t.Fatal(err)
	}
	if data, _, err := atomicfile.Read(path, 99); !errors.Is(err, atomicfile.ErrHardLink) {
		t.Errorf("Read = %q, %v, want ErrHardLink", data, err)
	}
	if _, err := atomicfile.Append(path, keep); !errors.Is(err, atomicfile.ErrHardLink) {
		t.Errorf("Append error %v, want ErrHardLink", err)
	}
	// The link is replaced; mode, owner and content of the other name stay.
	if _, err := atomicfile.Replace(path, []byte("precious"), atomicfile.Options{Mode: 0o644, UID: alice, GID: alice}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(root + "/shadow"); err != nil || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the other name has got mode %v or another owner, %v", info.Mode(), err)
	}
	checkContent(t, root+"/shadow", "precious")

	// In a directory of root's, links are root's doing.
	if err := os.Link(root+"/shadow", root+"/second"); err != nil {
		t.Fatal(err)
	}
	if data, _, err := atomicfile.Read(root+"/second", 99); err != nil || string(data) != "precious" {
		t.Errorf("Read = %q, %v", data, err)
	}
}

// What is not root follows its own links and root's, and no others'.
func TestLinksAsUser(t *testing.T) {
	needRoot(t)
	root := shared(t)
	home := chown(t, mkdir(t, root+"/home"), alice)
	chown(t, mkdir(t, home+"/real"), alice)
	chown(t, mkdir(t, home+"/bobs"), bob)
	symlink(t, "real", home+"/own")
	chown(t, home+"/own", alice)
	symlink(t, "real", home+"/foreign")
	chown(t, home+"/foreign", bob)
	symlink(t, "../real", home+"/bobs/link")
	chown(t, home+"/bobs/link", alice)
	symlink(t, "home/real", root+"/roots")

	as(t, alice, func() {
		for path, want := range map[string]error{
			home + "/own/f":       nil,
			root + "/roots/f":     nil,
			home + "/foreign/f":   atomicfile.ErrLink,
			home + "/bobs/link/f": atomicfile.ErrLink,
			root + "/f":           fs.ErrPermission,
		} {
			if _, err := atomicfile.Replace(path, []byte(path), keep); !errors.Is(err, want) {
				t.Errorf("%s: error %v, want %v", path, err, want)
			}
		}
		if _, err := atomicfile.Replace(home+"/g", []byte("x"), atomicfile.Options{Mode: 0o600, UID: 0, GID: 0}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("giving a file away: error %v, want ErrPermission", err)
		}
	})
	checkAlone(t, home, "bobs", "foreign", "own", "real")
	checkAlone(t, home+"/real", "f")
}

// While root writes, alice keeps exchanging her directory for a link to root's. Whatever she hits, nothing arrives there.
func TestExchangedDirectory(t *testing.T) {
	needRoot(t)
	root := shared(t)
	victim := mkdir(t, root+"/victim")
	home := chown(t, mkdir(t, root+"/home"), alice)
	chown(t, mkdir(t, home+"/config"), alice)
	symlink(t, victim, home+"/link")
	chown(t, home+"/link", alice)

	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Rename(home+"/config", home+"/aside")
				syscall.Rename(home+"/link", home+"/config")
				syscall.Rename(home+"/config", home+"/link")
				syscall.Rename(home+"/aside", home+"/config")
			}
		}
	}()
	var refused int
	for i := range 300 {
		_, err := atomicfile.Replace(home+"/config/f", []byte{byte(i)}, keep)
		if errors.Is(err, atomicfile.ErrLink) {
			refused++
		}
		_ = atomicfile.MkdirAll(home+"/config/d", atomicfile.Options{Mode: 0o700, UID: alice, GID: alice})
	}
	close(stop)
	<-stopped
	t.Logf("%d of 300 met the link", refused)
	checkAlone(t, victim)
}
