package watch

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An identity tells a directory from another one at the same path.
type identity struct{ dev, ino uint64 }

// reporting are the file systems that tell of every change. Others, such as NFS, FUSE and /proc, do not tell what another
// machine or the kernel has changed.
var reporting = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
	unix.OVERLAYFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true, unix.RAMFS_MAGIC: true, zfsMagic: true,
}

const zfsMagic = 0x2fc12fc1

// mute counts the directories whose file system may not tell of changes.
func (t *tree) mute() int {
	known, n := map[uint64]bool{}, 0
	for dir, id := range t.dirs {
		tells, ok := known[id.dev]
		if !ok {
			var fs unix.Statfs_t
			tells = unix.Statfs(dir, &fs) == nil && reporting[int64(fs.Type)]
			known[id.dev] = tells
		}
		if !tells {
			n++
		}
	}
	return n
}

// A names is which entries of a directory are of interest: names, and patterns.
type names map[string]bool

func (n names) has(name string) bool {
	if n[name] {
		return true
	}
	for pattern := range n {
		if ok, _ := filepath.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// A print is what a path looks like: two are equal if nothing has changed.
type print struct {
	sum    [sha256.Size]byte
	newest time.Time // of the times of change in it
	looked time.Time // when it was begun
	odd    uint64    // set by kept
}

// grain is how finely file systems count time, generously. Linux stamps files with the time of the last tick of a clock
// of 100 to 1000 Hz.
const grain = 20 * time.Millisecond

// kept is the print to compare later ones with. When something in it changed just now, it may change once more without
// another time stamp; then the print is made to equal no other one.
func (w *Watcher) kept(p print) print {
	if age := p.looked.Sub(p.newest); age < grain && age > -time.Second {
		w.odd++
		p.odd = w.odd
	}
	return p
}

// differing are the paths that do not look the same in a and b, sorted.
func differing(a, b map[string]print) []string {
	var paths []string
	for p, now := range b {
		if before, ok := a[p]; !ok || before.sum != now.sum || before.odd != now.odd {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// mostLooks bounds how often a walk is repeated because a directory was watched only after it.
const mostLooks = 8

// look takes a print of every path, and sees to it that every directory on the way is watched. What changes after the
// watch has begun makes an event, what changed before is in the print: a walk after which a directory was added is
// repeated.
func (w *Watcher) look() map[string]print {
	for try := 1; ; try++ {
		t := tree{dirs: map[string]identity{}, interest: map[string]names{}}
		prints := make(map[string]print, len(w.paths))
		for _, p := range w.paths {
			now := w.Now()
			f := t.print(p)
			f.looked = now
			prints[p] = f
		}
		w.interest, w.mute = t.interest, t.mute()
		if added := w.arm(t.dirs); !added || try == mostLooks {
			return prints
		}
	}
}

// A tree is what a walk comes across.
type tree struct {
	dirs     map[string]identity
	interest map[string]names
}

// A walk is the way to one path.
type walk struct {
	*tree
	sum    hash.Hash
	state  []byte // of an entry, used again and again
	newest int64  // of the times of change, in nanoseconds since 1970
	links  int
}

// mostLinks is where the kernel gives up following links (MAXSYMLINKS).
const mostLinks = 40

func (t *tree) print(path string) print {
	w := walk{tree: t, sum: sha256.New()}
	dir, pattern := filepath.Split(path)
	if !strings.ContainsAny(pattern, "*?[") {
		dir, pattern = path, "*"
	}
	if end, ok := w.path("/", strings.Split(dir, "/")); ok {
		w.directory(end, pattern)
	}
	p := print{newest: time.Unix(0, w.newest)}
	w.sum.Sum(p.sum[:0])
	return p
}

// path walks from a directory, which has no links in it, along elements. It reports where it has come to if that is a
// directory.
func (w *walk) path(dir string, elements []string) (end string, isDir bool) {
	for len(elements) > 0 {
		name, rest := elements[0], elements[1:]
		elements = rest
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		w.passing(dir, name)
		full := filepath.Join(dir, name)
		st, err := w.stat(full, len(rest) == 0)
		if err != nil {
			return "", false
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, ok := w.link(full)
			if !ok {
				return "", false
			}
			if filepath.IsAbs(target) {
				dir = "/"
			}
			elements = append(strings.Split(target, "/"), rest...)
		case unix.S_IFDIR:
			dir = full
		default:
			return "", false
		}
	}
	return dir, true
}

// link takes a link into the print and returns where it points, unless there have been too many.
func (w *walk) link(path string) (target string, ok bool) {
	target, err := os.Readlink(path)
	w.links++
	fmt.Fprintf(w.sum, "-> %s %v\n", target, err)
	return target, err == nil && w.links <= mostLinks
}

// passing notes that entries of a directory of that name are on the way.
func (w *walk) passing(dir, pattern string) {
	if _, ok := w.dirs[dir]; !ok {
		var st unix.Stat_t
		if err := unix.Lstat(dir, &st); err != nil {
			return
		}
		w.dirs[dir] = identity{uint64(st.Dev), st.Ino}
		w.interest[dir] = map[string]bool{}
	}
	w.interest[dir][pattern] = true
}

// stat takes the state of an entry into the print: all of it at the end of a path, and only which one it is on the way.
// The entries of a directory on the way are not the path's business.
func (w *walk) stat(path string, last bool) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		fmt.Fprintf(w.sum, "%s: %v\n", path, err)
		return st, err
	}
	w.state = append(append(w.state[:0], path...), 0)
	for _, n := range []uint64{uint64(st.Dev), st.Ino, uint64(st.Mode), uint64(st.Uid), uint64(st.Gid)} {
		w.state = binary.NativeEndian.AppendUint64(w.state, n)
	}
	if last && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		for _, n := range []int64{st.Size, st.Mtim.Nano(), st.Ctim.Nano()} {
			w.state = binary.NativeEndian.AppendUint64(w.state, uint64(n))
		}
		w.newest = max(w.newest, st.Mtim.Nano(), st.Ctim.Nano())
	}
	w.sum.Write(w.state)
	return st, nil
}

// mostEntries bounds how much of a directory is looked at: trust directories have some hundred entries.
const mostEntries = 100000

// directory takes the entries of a directory that match into the print. Links are followed; directories are not entered.
func (w *walk) directory(dir, pattern string) {
	w.passing(dir, pattern)
	// What was a directory a moment ago may be a pipe by now, on which a plain open would wait.
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		fmt.Fprintf(w.sum, "%s: %v\n", dir, err)
		return
	}
	defer f.Close()
	entries, err := f.Readdirnames(mostEntries)
	if err != nil && err != io.EOF {
		fmt.Fprintf(w.sum, "%s: %v\n", dir, err)
	}
	slices.Sort(entries)
	for _, name := range entries {
		if ok, err := filepath.Match(pattern, name); !ok || err != nil {
			continue
		}
		full := dir + "/" + name
		st, err := w.stat(full, true)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
			continue
		}
		w.links = 0
		w.path(dir, []string{name})
	}
}
