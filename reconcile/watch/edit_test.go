package watch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// An editor changes the file in one of the ways that editors, and those who deploy files, do.
type editor struct {
	name string
	edit func(path, data string) error
}

func put(path, data string) error { return os.WriteFile(path, []byte(data), 0o644) }

// all does one thing after the other, until one fails.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// editors work on a path whose directory is a symbolic link to another: "etc/config.yaml", with etc -> etc.0.
var editors = []editor{
	{"write in place", put}, // nano, cp, a shell's >
	{"write in place, bit by bit", func(path, data string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, b := range []byte(data) {
			if _, err := f.Write([]byte{b}); err != nil {
				return err
			}
			runtime.Gosched()
		}
		return nil
	}},
	{"rename and replace", func(path, data string) error { // sed -i, Puppet, emacs with backup-by-copying
		return all(func() error { return put(path+".new", data) }, func() error { return os.Rename(path+".new", path) })
	}},
	{"backup and write anew", func(path, data string) error { // vim, joe
		return all(func() error { return put(filepath.Dir(path)+"/4913", "") }, func() error { return os.Remove(filepath.Dir(path) + "/4913") },
			func() error { return os.Rename(path, path+"~") }, func() error { return put(path, data) }, func() error { return os.Remove(path + "~") })
	}},
	{"delete and create", func(path, data string) error {
		return all(func() error { return os.Remove(path) }, func() error { return put(path, data) })
	}},
	{"hard link swap", func(path, data string) error {
		return all(func() error { return put(path+".v", data) }, func() error { return os.Remove(path) },
			func() error { return os.Link(path+".v", path) }, func() error { return os.Remove(path + ".v") })
	}},
	{"symbolic link to the file", func(path, data string) error { // stow, home-manager
		target := filepath.Join(filepath.Dir(filepath.Dir(path)), "store-"+strconv.FormatInt(time.Now().UnixNano(), 36))
		return all(func() error { return put(target, data) }, func() error { return os.Symlink(target, path+".l") }, func() error { return os.Rename(path+".l", path) })
	}},
	{"..data", func(path, data string) error { // Kubernetes
		dir := filepath.Dir(path)
		fresh := "..2026_" + strconv.FormatInt(time.Now().UnixNano(), 36)
		old, _ := os.Readlink(dir + "/..data")
		err := all(func() error { return os.Mkdir(dir+"/"+fresh, 0o755) }, func() error { return put(dir+"/"+fresh+"/"+filepath.Base(path), data) },
			func() error { return os.Symlink(fresh, dir+"/..data_tmp") }, func() error { return os.Rename(dir+"/..data_tmp", dir+"/..data") },
			func() error { return os.Symlink("..data/"+filepath.Base(path), path+".l") }, func() error { return os.Rename(path+".l", path) })
		if err == nil && old != "" {
			err = os.RemoveAll(dir + "/" + old)
		}
		return err
	}},
	{"..data once more", nil}, // with the link at the path in place already
	{"another directory behind the link", func(path, data string) error { // releases, "current" -> ...
		link := filepath.Dir(path)
		old, err := os.Readlink(link)
		if err != nil {
			return err
		}
		fresh := link + "." + strconv.FormatInt(time.Now().UnixNano(), 36)
		return all(func() error { return os.Mkdir(fresh, 0o755) }, func() error { return put(fresh+"/"+filepath.Base(path), data) },
			func() error { return os.Symlink(filepath.Base(fresh), link+".l") }, func() error { return os.Rename(link+".l", link) },
			func() error { return os.RemoveAll(filepath.Join(filepath.Dir(link), old)) })
	}},
	{"the directory removed and made again", func(path, data string) error { // rsync --delete, git checkout
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return err
		}
		return all(func() error { return os.RemoveAll(dir) }, func() error { return os.Mkdir(dir, 0o755) }, func() error { return put(path, data) })
	}},
	{"the directory renamed and made again", func(path, data string) error {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return err
		}
		return all(func() error { return os.Rename(dir, dir+".old") }, func() error { return os.Mkdir(dir, 0o755) }, func() error { return put(path, data) },
			func() error { return os.RemoveAll(dir + ".old") })
	}},
}

func init() {
	for i := range editors {
		if editors[i].edit == nil {
			editors[i].edit = editors[i-1].edit
		}
	}
}

// edits is how many the test does: VOBOX_EDITS, or 200.
func edits(t *testing.T) int {
	t.Helper()
	s := os.Getenv("VOBOX_EDITS")
	if s == "" {
		return 200
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// good is what a configuration without fault looks like: whole.
func good(data string) bool {
	return strings.HasPrefix(data, "good ") && strings.HasSuffix(data, " end\n")
}

// A follower is the loop that the watcher is for: it takes over what is good, and keeps what it has otherwise.
type follower struct {
	path  string
	force chan string // what is in force, whenever that changes
	looks int         // read when done
	done  chan error
}

func (f *follower) run(ctx context.Context, w *watch.Watcher) {
	have := ""
	for {
		f.looks++
		if data, err := os.ReadFile(f.path); err == nil && good(string(data)) && string(data) != have {
			have = string(data)
			f.force <- have
		}
		w.Watch([]string{f.path})
		if _, err := w.Wait(ctx, time.Time{}); err != nil {
			f.done <- err
			return
		}
	}
}

// After each of many edits, of all kinds and some of them broken, the last good content is in force. Nothing is left of
// the watching in the end.
func TestEdits(t *testing.T) {
	n := edits(t)
	dir := tempDir(t)
	must(t, os.Mkdir(dir+"/etc.0", 0o755), os.Symlink("etc.0", dir+"/etc"))
	path := dir + "/etc/config.yaml"
	write(t, path, "good 0 end\n")

	goroutines := runtime.NumGoroutine()
	descriptors, err := watch.Descriptors()
	must(t, err)
	w := watch.New()
	w.Quiet = quick
	w.Watch([]string{path})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := &follower{path: path, force: make(chan string, 100), done: make(chan error, 1)}
	go f.run(ctx, w)
	expect(t, f, "good 0 end\n", "the beginning")

	for i := 1; i <= n; i++ {
		e := editors[i%len(editors)]
		if i%7 == 0 {
			if err := e.edit(path, "broken"); err != nil {
				t.Fatalf("edit %d, %s: %v", i, e.name, err)
			}
		}
		want := fmt.Sprintf("good %d end\n", i)
		if err := e.edit(path, want); err != nil {
			t.Fatalf("edit %d, %s: %v", i, e.name, err)
		}
		expect(t, f, want, e.name)
	}
	cancel()
	if err := <-f.done; err == nil {
		t.Error("it ended by itself")
	}
	if most := 3*n + 10; f.looks > most {
		t.Errorf("%d looks for %d edits, want at most %d", f.looks, n, most)
	}
	if got := w.Watches(); len(got) > 12 {
		t.Errorf("%d directories are watched for one file: %q", len(got), got)
	}
	must(t, w.Close())
	ended := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(ended) {
		runtime.Gosched() // the follower has said that it is done, and is about to be
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	if now, err := watch.Descriptors(); err != nil || now > descriptors {
		t.Errorf("%d open files, %d before (%v)", now, descriptors, err)
	}
}

// expect waits until the content is in force.
func expect(t *testing.T, f *follower, want, what string) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case got := <-f.force:
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("%s: %q is not in force", what, want)
		}
	}
}
