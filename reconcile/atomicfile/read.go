package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrHardLink is wrapped when root is asked to read a file that somebody else may have linked there to have it read.
	ErrHardLink = errors.New("file with several hard links")
	// ErrTooLarge is wrapped when a file is larger than the limit.
	ErrTooLarge = errors.New("file too large")
	// ErrNotRegular is wrapped when something else than a file is there: a directory, device, socket or named pipe.
	ErrNotRegular = errors.New("not a regular file")
)

// maxMatches is how many names Glob returns at most, since users can fill their directories.
const maxMatches = 1 << 16

// Read returns at most limit bytes of the regular file at path (more is an error), under the same rule about links; a
// link at path itself is an error that wraps ErrLink. It never waits for a named pipe. When run by root it refuses, with
// ErrHardLink, a file with several names in a directory where others than root can make names: a user could have linked
// any file there, and root would read it.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	data, info, err := read(path, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %q: %w", path, err)
	}
	return data, info, nil
}

func read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	d, name, err := openParent(path)
	if err != nil {
		return nil, nil, err
	}
	defer d.close()
	if err := d.checkFile(name); err != nil {
		return nil, nil, err
	}
	f, st, err := d.openFile(name, os.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if err := d.checkNames(st); err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := readLimited(f, info.Size(), limit)
	return data, info, err
}

// checkFile says before opening why the entry is not to be read: opening a device may do something.
func (d *directory) checkFile(name string) error {
	entry, st, err := d.open(name)
	if err != nil {
		return errors.Unwrap(err) // the path is in the caller's words
	}
	defer entry.close()
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFLNK:
		target, err := readlink(entry)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: it leads to %q and belongs to %s; name the file it leads to", ErrLink, target, owner(st.Uid))
	}
	return ErrNotRegular
}

// openFile opens a regular file and nothing else, whatever has become of the name.
func (d *directory) openFile(name string, flag int) (*os.File, *unix.Stat_t, error) {
	fd, err := openat(d.fd, name, flag|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, nil, ErrLink
	}
	if err != nil {
		return nil, nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, nil, ErrNotRegular
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.path, name)), &st, nil
}

func readLimited(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrTooLarge, size, limit)
	}
	buf := make([]byte, 0, size+1)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 512)
		}
	}
}

// Stat describes what is at path and does not follow a link there. Links on the way are under the same rule.
func Stat(path string) (fs.FileInfo, error) {
	info, err := stat(path)
	if err != nil {
		return nil, fmt.Errorf("looking at %q: %w", path, err)
	}
	return info, nil
}

func stat(path string) (fs.FileInfo, error) {
	abs, err := absolute(path)
	if err != nil {
		return nil, err
	}
	if abs == "/" {
		return os.Lstat(abs)
	}
	d, name, err := openParent(abs)
	if err != nil {
		return nil, err
	}
	defer d.close()
	entry, _, err := d.open(name)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	f := os.NewFile(uintptr(entry.fd), entry.path)
	defer f.Close()
	return f.Stat()
}

// Readlink returns where the link at path leads to, as it is written there. Links on the way are under the same rule.
func Readlink(path string) (string, error) {
	target, err := readlinkAt(path)
	if err != nil {
		return "", fmt.Errorf("reading the link %q: %w", path, err)
	}
	return target, nil
}

func readlinkAt(path string) (string, error) {
	d, name, err := openParent(path)
	if err != nil {
		return "", err
	}
	defer d.close()
	entry, st, err := d.open(name)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	defer entry.close()
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", errors.New("not a symbolic link")
	}
	return readlink(entry)
}

// Glob returns the names in dir that match the pattern of path/filepath.Match, sorted. As in a shell, a name that begins
// with a dot matches only a pattern that does. Links on the way to dir, and at dir, are under the same rule.
func Glob(dir, pattern string) ([]string, error) {
	names, err := glob(dir, pattern)
	if err != nil {
		return nil, fmt.Errorf("looking for %q in %q: %w", pattern, dir, err)
	}
	return names, nil
}

func glob(dir, pattern string) ([]string, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	abs, err := absolute(dir)
	if err != nil {
		return nil, err
	}
	d, err := openDir(abs, nil)
	if err != nil {
		return nil, err
	}
	defer d.close()
	fd, err := openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	var names []string
	for {
		some, err := f.Readdirnames(1024)
		for _, name := range some {
			if matches(pattern, name) {
				names = append(names, name)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(names) > maxMatches {
			return nil, fmt.Errorf("more than %d names match", maxMatches)
		}
	}
	slices.Sort(names)
	return names, nil
}

func matches(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, _ := filepath.Match(pattern, name)
	return ok
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path given")
	}
	return filepath.Abs(path)
}

// Follow returns the path that path leads to once the links at its end are followed, as far as the rule about links
// allows; where that is not a link, it is path itself, without links on the way. It is for files that root's own links
// name, such as a host certificate kept elsewhere: what it returns is then given to Read.
func Follow(path string) (string, error) {
	real, err := follow(path)
	if err != nil {
		return "", fmt.Errorf("following %q: %w", path, err)
	}
	return real, nil
}

func follow(path string) (string, error) {
	for range maxLinks {
		next, isLink, err := followOnce(path)
		if err != nil || !isLink {
			return next, err
		}
		path = next
	}
	return "", unix.ELOOP
}

// followOnce returns the place path is or, if that is a link, where it leads.
func followOnce(path string) (next string, isLink bool, err error) {
	d, name, err := openParent(path)
	if err != nil {
		return "", false, err
	}
	defer d.close()
	entry, st, err := d.open(name)
	if err != nil {
		return "", false, errors.Unwrap(err)
	}
	defer entry.close()
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return entry.path, false, nil
	}
	target, err := readlink(entry)
	if err != nil {
		return "", true, err
	}
	if err := d.checkLink(entry.path, target, st); err != nil {
		return "", true, err
	}
	if filepath.IsAbs(target) {
		return filepath.Clean(target), true, nil
	}
	return filepath.Join(d.path, target), true, nil
}
