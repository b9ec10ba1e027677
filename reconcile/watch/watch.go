// Package watch wakes a loop when a file changes or a time comes.
//
// A [Watcher] is told paths by [Watcher.Watch] and then waits, in [Watcher.Wait], until one of them looks different from
// what was there when the previous Wait returned, until a moment comes, or until somebody pokes it. What the caller reads
// and writes between two calls of Wait is compared with what was there before: an edit that falls into that time is never
// lost, and the caller's own writes cost it one more look. A caller that finds nothing to do the second time writes
// nothing, and then it is quiet.
//
// # How changes are seen
//
// Directories are watched, not files: an editor that writes a new file beside and renames it, a deletion followed by a
// new file, and a path that does not exist yet are all the same thing then. Every directory on the way to a path is
// watched, and symbolic links are followed one by one, so that it is also seen when a link in the middle is swapped, as
// Kubernetes does with its ..data. Events only say that it is worth looking; what decides is a fingerprint of type,
// inode, size, mode, owner and times of everything watched. It is also taken every [Watcher.Poll], without any event, where
// the file system may report none (NFS, FUSE) or the kernel refuses a watch; elsewhere every tenth time, for whatever was
// overlooked.
package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A Cause is what ended a wait.
type Cause string

const (
	Changed Cause = "changed"  // a watched path looks different
	Due     Cause = "due"      // the moment has come
	Clock   Cause = "clock"    // the wall clock was set, or the machine was suspended
	Lost    Cause = "overflow" // events were lost, and with them perhaps a change
	Poked   Cause = "poked"    // by Poke
)

// A Wake says why a wait ended.
type Wake struct {
	Cause Cause
	Paths []string      // those of the watched paths that look different, sorted; also when something else was the cause
	Jump  time.Duration // of Clock: how far the wall clock went ahead of the time that passed; negative: back
	Words []string      // of Poked: what was said, each once
}

// A Watcher waits. Its methods are for one goroutine, but for Poke. Fields are set before the first call of Wait; Quiet
// may be changed between two.
type Watcher struct {
	Quiet time.Duration // how long nothing may change before a change is reported; zero: 500 ms
	Poll  time.Duration // how often to look without any event; zero: 30 s
	Leap  time.Duration // how far the wall clock may drift between two looks; zero: 5 s
	Blind bool          // ask the system for no events
	Beat  func()        // called at least every Poll while Wait waits, to show that it is alive; may be nil

	Now     func() time.Time     // wall clock; nil: time.Now
	Elapsed func() time.Duration // monotonic clock, which stands still while the machine sleeps; nil: that of package time

	notify   *fsnotify.Watcher
	add      func(dir string) error // instead of notify's
	refused  error                  // why notify is nil, or a directory is not watched
	unseen   int                    // directories that are not watched
	mute     int                    // directories on file systems that may not tell of changes
	polls    int
	paths    []string
	known    map[string]print // as of the end of the last wait
	armed    map[string]identity
	interest map[string]names // by directory
	poked    chan struct{}    // of size 1: there are words
	odd      uint64           // the last one that a print was given
	drift    time.Duration    // wall clock minus monotonic clock
	polled   time.Duration    // when it was last looked without an event

	mu    sync.Mutex // guards what follows
	words []string
}

// New returns a watcher of nothing. It works without events, by polling, where the system grants none.
func New() *Watcher {
	w := &Watcher{known: map[string]print{}, poked: make(chan struct{}, 1)}
	begin := time.Now()
	w.Now = time.Now
	w.Elapsed = func() time.Duration { return time.Since(begin) }
	return w
}

// Close ends it and releases all watches.
func (w *Watcher) Close() error {
	if w.notify == nil {
		return nil
	}
	return w.notify.Close()
}

// Poke ends the wait, or the next one, and says why in a word. Any goroutine may call it.
func (w *Watcher) Poke(word string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.words, word) {
		w.words = append(w.words, word)
	}
	select {
	case w.poked <- struct{}{}:
	default: // once is enough
	}
}

// said are the words of all pokes since it was last called.
func (w *Watcher) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	words := w.words
	w.words = nil
	return words
}

// Watch says what to watch from now on: absolute paths of files or directories, which need not exist; the last element
// may be a glob. What is in a directory counts, but not what is further below. A path that was watched before is still
// compared with what it was at the end of the last wait, and a new one with what it is now: call it before reading them.
func (w *Watcher) Watch(paths []string) {
	paths = slices.Clone(paths)
	for i, p := range paths {
		paths[i] = filepath.Clean(p)
	}
	slices.Sort(paths)
	w.paths = slices.Compact(paths)
	if w.notify == nil && !w.Blind {
		w.listen()
	}
	if w.armed == nil { // for the first time, with all fields set
		w.armed, w.drift, w.polled = map[string]identity{}, w.offset(), w.Elapsed()
	}
	seen := w.look()
	for p, now := range seen {
		if before, ok := w.known[p]; ok {
			seen[p] = before
		} else {
			seen[p] = w.kept(now)
		}
	}
	w.known = seen
}

// listen asks the system for events. Where it refuses, the next call of Watch tries again.
func (w *Watcher) listen() {
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		w.notify, w.refused = nil, err
		return
	}
	clear(w.armed)
}

// Slow tells how many directories cannot be watched, why, and hence are only looked at every Poll; zero: none.
func (w *Watcher) Slow() (directories int, why error) { return w.unseen, w.refused }

// Wait returns when something watched has changed and then nothing more for Quiet, when the moment at has come (zero:
// never), the clock jumped, or Poke was called. What is there when it returns is what changes are compared with from then
// on. The error is that of the context.
func (w *Watcher) Wait(ctx context.Context, at time.Time) (Wake, error) {
	wake, seen, err := w.wait(ctx, at)
	if err != nil {
		return Wake{}, err
	}
	if seen == nil {
		seen = w.look()
		wake.Paths = w.differing(seen)
	}
	for p, f := range seen {
		seen[p] = w.kept(f)
	}
	w.known = seen
	return wake, nil
}

// A stir is a change that has not come to rest.
type stir struct {
	on          bool
	lost        bool
	first, last time.Duration
	seen        map[string]print // at the last look
}

// mostQuiet is how many times Quiet may pass before a change is reported that does not come to rest.
const mostQuiet = 20

func (w *Watcher) wait(ctx context.Context, at time.Time) (Wake, map[string]print, error) {
	var s stir
	if seen := w.look(); len(w.differing(seen)) > 0 {
		s.begin(w.Elapsed())
		s.seen = seen
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return Wake{}, nil, err
		}
		if w.Beat != nil {
			w.Beat()
		}
		if drift := w.offset(); (drift - w.drift).Abs() >= w.leap() {
			jump := drift - w.drift
			w.drift = drift
			return Wake{Cause: Clock, Jump: jump}, nil, nil
		} else {
			w.drift = drift // slewed by NTP
		}
		if !at.IsZero() && !w.Now().Before(at) {
			return Wake{Cause: Due}, nil, nil
		}
		if wake, seen := w.rest(&s); wake.Cause != "" {
			return wake, seen, nil
		}
		timer.Reset(w.pause(&s, at))
		var events chan fsnotify.Event
		var errs chan error
		if w.notify != nil {
			events, errs = w.notify.Events, w.notify.Errors
		}
		select {
		case <-ctx.Done():
		case <-w.poked:
			return Wake{Cause: Poked, Words: w.said()}, nil, nil
		case e, ok := <-events:
			if !ok {
				w.notify = nil
			} else if w.minds(e.Name) {
				s.begin(w.Elapsed())
			}
		case err, ok := <-errs:
			if !ok {
				w.notify = nil
			} else if err != nil {
				s.begin(w.Elapsed())
				s.lost = true
			}
		case <-timer.C:
			if now := w.Elapsed(); now-w.polled >= w.poll() {
				w.polled = now
				w.check(&s)
			}
		}
	}
}

// calm is how many polls go by between two looks where every change makes an event. Only what was overlooked is found
// by them.
const calm = 10

// check looks without any event.
func (w *Watcher) check(s *stir) {
	if w.polls++; s.on || w.unseen == 0 && w.mute == 0 && w.polls%calm != 0 {
		return
	}
	if seen := w.look(); len(w.differing(seen)) > 0 {
		s.begin(w.polled)
		s.seen = seen
	}
}

func (s *stir) begin(now time.Duration) {
	if !s.on {
		*s = stir{on: true, first: now}
	}
	s.last = now
}

// rest looks once it has been quiet for long enough. A file that is found different from the look before is still being
// written, where there are no events to tell.
func (w *Watcher) rest(s *stir) (Wake, map[string]print) {
	now := w.Elapsed()
	if !s.on || now < w.settled(s) {
		return Wake{}, nil
	}
	seen := w.look()
	if s.seen != nil && len(differing(s.seen, seen)) > 0 && now-s.first < w.most() {
		s.last, s.seen = now, seen
		return Wake{}, nil
	}
	paths := w.differing(seen)
	switch {
	case s.lost:
		return Wake{Cause: Lost, Paths: paths}, seen
	case len(paths) > 0:
		return Wake{Cause: Changed, Paths: paths}, seen
	}
	*s = stir{} // much ado about nothing
	return Wake{}, nil
}

// settled is when a stir counts as over.
func (w *Watcher) settled(s *stir) time.Duration { return min(s.last+w.quiet(), s.first+w.most()) }

func (w *Watcher) most() time.Duration {
	return max(w.quiet(), min(mostQuiet*w.quiet(), 30*time.Second))
}

// pause is how long nothing but an event is of interest.
func (w *Watcher) pause(s *stir, at time.Time) time.Duration {
	now := w.Elapsed()
	d := w.polled + w.poll() - now
	if s.on {
		d = min(d, w.settled(s)-now)
	}
	if !at.IsZero() {
		d = min(d, at.Sub(w.Now()))
	}
	return max(d, 0)
}

// minds reports whether an event is about something on the way to a watched path.
func (w *Watcher) minds(name string) bool {
	dir, base := filepath.Split(filepath.Clean(name))
	dir = filepath.Clean(dir)
	if _, ok := w.armed[name]; ok { // the directory itself
		return true
	}
	return w.interest[dir].has(base)
}

// differing are the paths that do not look as they did.
func (w *Watcher) differing(seen map[string]print) []string { return differing(w.known, seen) }

func (w *Watcher) offset() time.Duration {
	return time.Duration(w.Now().UnixNano()) - w.Elapsed()
}

func (w *Watcher) quiet() time.Duration { return or(w.Quiet, 500*time.Millisecond) }
func (w *Watcher) poll() time.Duration  { return or(w.Poll, 30*time.Second) }
func (w *Watcher) leap() time.Duration  { return or(w.Leap, 5*time.Second) }

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// arm watches the directories and no others. It reports whether one was added.
func (w *Watcher) arm(dirs map[string]identity) (added bool) {
	if w.notify == nil {
		w.unseen = len(dirs)
		return false
	}
	add := w.add
	if add == nil {
		add = w.notify.Add
	}
	w.unseen, w.refused = 0, nil
	live := map[string]bool{}
	for _, dir := range w.notify.WatchList() {
		live[dir] = true
	}
	for dir, id := range w.armed {
		if now, ok := dirs[dir]; !ok || now != id || !live[dir] {
			_ = w.notify.Remove(dir) // that it is gone already is all right
			delete(w.armed, dir)
		}
	}
	for dir, id := range dirs {
		if _, ok := w.armed[dir]; ok {
			continue
		}
		if err := add(dir); err != nil {
			w.unseen, w.refused = w.unseen+1, fmt.Errorf("watching %q: %w", dir, err)
			continue
		}
		w.armed[dir], added = id, true
	}
	return added
}
