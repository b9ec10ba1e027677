package watch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// quick is a quiet time for tests with real files; it is longer than the kernel's clock for time stamps takes for a tick.
const quick = 25 * time.Millisecond

// started returns a watcher of the paths.
func started(t *testing.T, paths ...string) *watch.Watcher {
	t.Helper()
	w := watch.New()
	w.Quiet = quick
	t.Cleanup(func() { w.Close() })
	w.Watch(paths)
	return w
}

// wait waits for the next wake, at most until the time given.
func wait(t *testing.T, w *watch.Watcher, most time.Duration) watch.Wake {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	wake, err := w.Wait(ctx, w.Now().Add(most))
	if err != nil {
		t.Fatalf("nothing woke it: %v", err)
	}
	return wake
}

// mustWake insists that a path is reported.
func mustWake(t *testing.T, w *watch.Watcher, path string) {
	t.Helper()
	wake := wait(t, w, time.Minute)
	if wake.Cause != watch.Changed || !slices.Equal(wake.Paths, []string{path}) {
		t.Errorf("woken by %+v, want a change of %s", wake, path)
	}
}

// mustSleep insists that nothing is reported any more. One more look is granted where a file had changed in the very tick
// in which it was looked at.
func mustSleep(t *testing.T, w *watch.Watcher) {
	t.Helper()
	wake := wait(t, w, 4*quick)
	if wake.Cause == watch.Changed {
		wake = wait(t, w, 4*quick)
	}
	if wake.Cause != watch.Due {
		t.Errorf("woken by %+v, want nothing", wake)
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// dir is a temporary directory without links on the way.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	return dir
}

func TestWhatCounts(t *testing.T) {
	tests := []struct {
		name   string
		watch  string // below the directory
		before func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
		quiet  bool // it does not count
	}{
		{name: "content", watch: "f", before: file("f", "1"), change: file("f", "22")},
		{name: "content of the same size", watch: "f", before: file("f", "1"), change: file("f", "2")},
		{name: "mode", watch: "f", before: file("f", "1"), change: func(t *testing.T, dir string) { must(t, os.Chmod(dir+"/f", 0o600)) }},
		{name: "removal", watch: "f", before: file("f", "1"), change: func(t *testing.T, dir string) { must(t, os.Remove(dir+"/f")) }},
		{name: "another file", watch: "f", before: file("f", "1"), change: file("g", "1"), quiet: true},
		{name: "reading", watch: "f", before: file("f", "1"), change: func(t *testing.T, dir string) {
			_, err := os.ReadFile(dir + "/f")
			must(t, err)
		}, quiet: true},
		{name: "directories to come", watch: "a/b/c/f", before: nothing, change: func(t *testing.T, dir string) {
			must(t, os.MkdirAll(dir+"/a/b/c", 0o755))
			write(t, dir+"/a/b/c/f", "1")
		}},
		{name: "a directory on the way renamed away", watch: "a/b/f", before: func(t *testing.T, dir string) {
			must(t, os.MkdirAll(dir+"/a/b", 0o755))
			write(t, dir+"/a/b/f", "1")
		}, change: func(t *testing.T, dir string) { must(t, os.Rename(dir+"/a", dir+"/z")) }},
		{name: "glob", watch: "*.yaml", before: file("1.yaml", "1"), change: file("2.yaml", "1")},
		{name: "beside a glob", watch: "*.yaml", before: file("1.yaml", "1"), change: file("2.yml", "1"), quiet: true},
		{name: "an entry of a directory", watch: "d", before: func(t *testing.T, dir string) { must(t, os.Mkdir(dir+"/d", 0o755)) }, change: file("d/new", "1")},
		{name: "below an entry of a directory", watch: ".", before: func(t *testing.T, dir string) { must(t, os.Mkdir(dir+"/d", 0o755)) }, change: file("d/new", "1"), quiet: true},
		{name: "the end of a link", watch: "l", before: func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/d", 0o755), os.Symlink("d/f", dir+"/l"))
			write(t, dir+"/d/f", "1")
		}, change: file("d/f", "2")},
		{name: "the end of an entry's link", watch: "hashed", before: func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/d", 0o755), os.Mkdir(dir+"/hashed", 0o755), os.Symlink("../d/f", dir+"/hashed/l"))
			write(t, dir+"/d/f", "1")
		}, change: file("d/f", "2")},
		{name: "a link on the way", watch: "l/f", before: func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/one", 0o755), os.Mkdir(dir+"/two", 0o755), os.Symlink(dir+"/one", dir+"/l"))
			write(t, dir+"/one/f", "1")
			write(t, dir+"/two/f", "2")
		}, change: func(t *testing.T, dir string) {
			must(t, os.Symlink("two", dir+"/l.new"), os.Rename(dir+"/l.new", dir+"/l"))
		}},
		{name: "a pipe", watch: "p/f", before: func(t *testing.T, dir string) { must(t, syscall.Mkfifo(dir+"/p", 0o600)) }, change: func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/p"), os.Mkdir(dir+"/p", 0o755))
			write(t, dir+"/p/f", "1")
		}},
		{name: "a link that turns in circles", watch: "l", before: func(t *testing.T, dir string) { must(t, os.Symlink("l", dir+"/l")) }, change: func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/l"))
			write(t, dir+"/l", "1")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			tt.before(t, dir)
			path := filepath.Join(dir, tt.watch)
			w := started(t, path)
			mustSleep(t, w)
			tt.change(t, dir)
			if tt.quiet {
				mustSleep(t, w)
				return
			}
			mustWake(t, w, path)
			mustSleep(t, w)
		})
	}
}

func nothing(*testing.T, string) {}

func file(name, data string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// What happens between two waits is reported by the second one, the caller's own writes included, and once.
func TestChangesBetweenWaits(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "f")
	w := started(t, path)
	write(t, path, "1")
	mustWake(t, w, path)
	write(t, path, "2") // by the caller, say
	mustWake(t, w, path)
	mustSleep(t, w)
}

// A path that is watched anew is compared with what it was before it was read, and one that was watched before with what
// it was when the wait ended.
func TestWatchKeepsWhatIsKnown(t *testing.T) {
	dir := tempDir(t)
	old, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "sub", "fresh")
	w := started(t, old)
	mustSleep(t, w)
	write(t, old, "1")
	w.Watch([]string{old, fresh})
	must(t, os.Mkdir(filepath.Dir(fresh), 0o755))
	write(t, fresh, "1")
	wake := wait(t, w, time.Minute)
	if want := []string{old, fresh}; wake.Cause != watch.Changed || !slices.Equal(wake.Paths, want) {
		t.Errorf("woken by %+v, want changes of %q", wake, want)
	}
	w.Watch([]string{old})
	mustSleep(t, w)
	write(t, fresh, "2")
	mustSleep(t, w)
	if i := slices.Index(w.Watches(), filepath.Dir(fresh)); i >= 0 {
		t.Errorf("%s is still watched", w.Watches()[i])
	}
}

// More events than the kernel keeps are reported as such.
func TestOverflow(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "f")
	w := started(t, path)
	names := []string{dir + "/a", dir + "/b"}
	limit := 16384
	if data, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		fmt.Sscan(string(data), &limit)
	}
	if limit > 1<<17 {
		t.Skipf("the kernel keeps %d events", limit)
	}
	for i := range limit * 3 / 4 { // two events each, on two names by turns: the same one twice in a row is kept once
		must(t, os.WriteFile(names[i%2], nil, 0o644))
		must(t, os.Remove(names[i%2]))
	}
	wake := wait(t, w, time.Minute)
	if wake.Cause != watch.Lost {
		t.Errorf("woken by %+v, want that events were lost", wake)
	}
	mustSleep(t, w)
	write(t, path, "1")
	mustWake(t, w, path)
}

// When the kernel grants no watches any more, it is said why, and changes are seen all the same.
func TestRefused(t *testing.T) {
	path := filepath.Join(tempDir(t), "f")
	w := watch.New()
	defer w.Close()
	w.Quiet, w.Poll = quick, 2*quick
	w.Refuse(syscall.ENOSPC)
	w.Watch([]string{path})
	if n, err := w.Slow(); n == 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d directories are not watched: %v", n, err)
	}
	write(t, path, "1")
	mustWake(t, w, path)
}

// A file system that reports nothing is looked at by polling, although the kernel grants a watch.
func TestMuteFileSystem(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	must(t, err, cmd.Start())
	path := fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid)
	w := watch.New()
	defer w.Close()
	w.Quiet, w.Poll = quick, 2*quick
	w.Watch([]string{path})
	if n, err := w.Slow(); n > 0 {
		t.Skipf("this kernel watches no /proc: %v", err)
	}
	must(t, in.Close(), cmd.Wait())
	mustWake(t, w, path)
}

func TestStopped(t *testing.T) {
	w := started(t, filepath.Join(tempDir(t), "f"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Wait(ctx, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context ended", err)
	}
}

// blind returns a watcher that uses no events, in a bubble of its own time.
func blind(paths ...string) *watch.Watcher {
	w := watch.New()
	w.Blind = true
	w.Watch(paths)
	return w
}

func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := blind()
		begin := time.Now()
		for _, d := range []time.Duration{time.Nanosecond, 29 * time.Second, 30 * time.Second, 3*time.Hour + 7*time.Millisecond, -time.Hour} {
			at := time.Now().Add(d)
			wake, err := w.Wait(t.Context(), at)
			if err != nil || wake.Cause != watch.Due || !time.Now().Equal(at) && d > 0 {
				t.Errorf("%v: %+v, %v at %v, want to be woken at %v", d, wake, err, time.Since(begin), at.Sub(begin))
			}
		}
	})
}

// Every word gets through, also when nobody waits, and once.
func TestPoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := blind()
		beats := 0
		w.Beat = func() { beats++ }
		for range 100 {
			w.Poke("reload")
		}
		w.Poke("renew")
		wake, err := w.Wait(t.Context(), time.Time{})
		if err != nil || wake.Cause != watch.Poked || !slices.Equal(wake.Words, []string{"reload", "renew"}) {
			t.Errorf("%+v, %v", wake, err)
		}
		time.AfterFunc(10*time.Minute, func() { w.Poke("renew") })
		wake, err = w.Wait(t.Context(), time.Time{})
		if err != nil || wake.Cause != watch.Poked || !slices.Equal(wake.Words, []string{"renew"}) {
			t.Errorf("%+v, %v", wake, err)
		}
		if wake, err = w.Wait(t.Context(), time.Now().Add(time.Hour)); err != nil || wake.Cause != watch.Due {
			t.Errorf("%+v, %v", wake, err)
		}
		if beats < 20+120 {
			t.Errorf("%d beats in 70 minutes, want one every 30 s", beats)
		}
	})
}

// Without events, a change is seen at the next poll, and reported when the file has come to rest.
func TestPolling(t *testing.T) {
	path := filepath.Join(tempDir(t), "f")
	synctest.Test(t, func(t *testing.T) {
		w := blind(path)
		begin := time.Now()
		go func() {
			time.Sleep(10 * time.Second)
			write(t, path, "1")
			time.Sleep(20*time.Second + 300*time.Millisecond)
			write(t, path, "12")
			time.Sleep(400 * time.Millisecond)
			write(t, path, "123")
		}()
		wake, err := w.Wait(t.Context(), time.Time{})
		if took := time.Since(begin); err != nil || wake.Cause != watch.Changed || took != 31500*time.Millisecond {
			t.Errorf("%+v, %v after %v, want the change after 31.5s", wake, err, took)
		}
	})
}

// A file that is written all the time is reported all the same.
func TestNeverAtRest(t *testing.T) {
	path := filepath.Join(tempDir(t), "f")
	synctest.Test(t, func(t *testing.T) {
		w := blind(path)
		ctx, cancel := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		defer writer.Wait()
		defer cancel()
		writer.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				write(t, path, fmt.Sprint(i))
				time.Sleep(100 * time.Millisecond)
			}
		})
		begin := time.Now()
		wake, err := w.Wait(t.Context(), time.Time{})
		if took := time.Since(begin); err != nil || wake.Cause != watch.Changed || took > 45*time.Second {
			t.Errorf("%+v, %v after %v", wake, err, took)
		}
	})
}

// The wall clock is set forward and back, and the machine sleeps, which is the same to see: it is told within a poll.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 6 * time.Second, -6 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := watch.New()
			w.Blind = true
			jumps := time.Now().Add(time.Hour + 40*time.Second)
			w.Now = func() time.Time {
				if now := time.Now(); now.Before(jumps) {
					return now
				}
				return time.Now().Add(jump)
			}
			w.Watch(nil)
			if wake, err := w.Wait(t.Context(), w.Now().Add(time.Hour)); wake.Cause != watch.Due {
				t.Fatalf("%+v, %v", wake, err)
			}
			begin := time.Now()
			wake, err := w.Wait(t.Context(), w.Now().Add(24*time.Hour))
			if took := time.Since(begin); err != nil || wake.Cause != watch.Clock || wake.Jump != jump || took != time.Minute {
				t.Errorf("%+v, %v after %v, want a jump of %v after a minute", wake, err, took, jump)
			}
			if wake, err := w.Wait(t.Context(), w.Now().Add(time.Hour)); wake.Cause != watch.Due {
				t.Errorf("it is told again: %+v, %v", wake, err)
			}
		})
	}
}

// NTP may bend the clock slowly.
func TestSlewIsNoJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch.New()
		w.Blind = true
		begin := time.Now()
		w.Now = func() time.Time { return time.Now().Add(time.Since(begin) / 100) }
		w.Watch(nil)
		if wake, err := w.Wait(t.Context(), w.Now().Add(24*time.Hour)); err != nil || wake.Cause != watch.Due {
			t.Errorf("%+v, %v", wake, err)
		}
	})
}

func TestSchedule(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	all := func(most time.Duration) time.Duration { return most }
	none := func(time.Duration) time.Duration { return 0 }
	tests := []struct {
		name   string
		s      watch.Schedule
		moment time.Duration // 0: none
		want   time.Duration
	}{
		{"nothing is due", watch.Schedule{Jitter: all}, 0, time.Hour},
		{"due within the interval", watch.Schedule{Jitter: none}, 20 * time.Minute, 20 * time.Minute},
		{"with jitter", watch.Schedule{Jitter: all}, 20 * time.Minute, 20*time.Minute + 10*time.Second},
		{"a short wait has little jitter", watch.Schedule{Jitter: all}, 20 * time.Second, 22 * time.Second},
		{"jitter goes no further than the interval", watch.Schedule{Jitter: all}, time.Hour - time.Second, time.Hour},
		{"due after the interval", watch.Schedule{Jitter: all, Interval: 30 * time.Minute}, 2 * time.Hour, 30 * time.Minute},
		{"due now", watch.Schedule{Jitter: none}, 1, time.Second},
		{"overdue", watch.Schedule{Jitter: none, Least: 5 * time.Second}, -time.Hour, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var moment time.Time
			if tt.moment != 0 {
				moment = now.Add(tt.moment)
			}
			if got := tt.s.Next(now, moment).Sub(now); got != tt.want {
				t.Errorf("in %v, want in %v", got, tt.want)
			}
		})
	}
	moment := now.Add(10 * time.Minute)
	for range 100 {
		if late := (watch.Schedule{}).Next(now, moment).Sub(moment); late < 0 || late >= 10*time.Second {
			t.Fatalf("random jitter of %v", late)
		}
	}
}
