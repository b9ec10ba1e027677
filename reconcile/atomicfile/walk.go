package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLink is wrapped by errors about a symbolic link that was not followed.
var ErrLink = errors.New("symbolic link not followed")

// maxLinks is how many symbolic links one path may go through, as in the kernel.
const maxLinks = 40

// A directory is held open by its descriptor: what its path leads to may change under us, the descriptor does not.
type directory struct {
	fd   int // O_PATH: needs no permission to read
	path string
}

func (d *directory) close() { unix.Close(d.fd) }

// openParent opens the directory that holds the last element of path, and returns that element.
func openParent(path string) (*directory, string, error) {
	abs, err := absolute(path)
	if err != nil {
		return nil, "", err
	}
	dir, name := filepath.Split(abs)
	if name == "" {
		return nil, "", &fs.PathError{Op: "open", Path: path, Err: errors.New("the root directory is no file")}
	}
	d, err := openDir(dir, nil)
	return d, name, err
}

// makeFunc makes a missing directory of that name in parent.
type makeFunc func(parent *directory, name string) error

// openDir goes to the directory at an absolute path, following no link unseen. A missing element is made with makeDir unless
// that is nil.
func openDir(path string, makeDir makeFunc) (*directory, error) {
	if d := openWithoutLinks(path); d != nil {
		return d, nil
	}
	return walk(path, makeDir)
}

// openWithoutLinks is walk for a directory that is there, with no link on the way to it: in one system call instead of three
// for each element. Nil leaves it to walk, as for kernels before Linux 5.6.
func openWithoutLinks(path string) *directory {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return nil
	}
	return &directory{fd: fd, path: path}
}

// walk goes there one element at a time.
func walk(path string, makeDir makeFunc) (*directory, error) {
	d, err := openRoot()
	if err != nil {
		return nil, err
	}
	rest := elements(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		next, st, err := d.open(name)
		if errors.Is(err, fs.ErrNotExist) && makeDir != nil {
			if err = makeDir(d, name); err == nil {
				next, st, err = d.open(name)
			}
		}
		if err != nil {
			d.close()
			return nil, err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			d.close()
			d = next
		case unix.S_IFLNK:
			if links++; links > maxLinks {
				err = &fs.PathError{Op: "open", Path: next.path, Err: unix.ELOOP}
			} else {
				d, rest, err = d.follow(next, st, rest)
			}
			next.close()
			if err != nil {
				d.close()
				return nil, err
			}
		default:
			next.close()
			d.close()
			return nil, &fs.PathError{Op: "open", Path: next.path, Err: unix.ENOTDIR}
		}
	}
	return d, nil
}

func openRoot() (*directory, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	return &directory{fd: fd, path: "/"}, nil
}

func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// open opens an entry without following it and says what it is.
func (d *directory) open(name string) (*directory, *unix.Stat_t, error) {
	path := filepath.Join(d.path, name)
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &directory{fd: fd, path: path}, &st, nil
}

// follow returns where the way goes on at a link: a directory to start from and the elements to go. The link is read by
// its descriptor, so it is the one whose owner was checked. The directory returned replaces d, also with an error.
func (d *directory) follow(link *directory, st *unix.Stat_t, rest []string) (*directory, []string, error) {
	target, err := readlink(link)
	if err != nil {
		return d, nil, err
	}
	if err := d.checkLink(link.path, target, st); err != nil {
		return d, nil, err
	}
	rest = append(elements(target), rest...)
	if !strings.HasPrefix(target, "/") {
		return d, rest, nil
	}
	root, err := openRoot()
	if err != nil {
		return d, nil, err
	}
	d.close()
	return root, rest, nil
}

// checkLink reports why a link in d is not to be followed: it, or its directory, belongs to somebody else, or others may
// write to the directory.
func (d *directory) checkLink(path, target string, st *unix.Stat_t) error {
	var parent unix.Stat_t
	if err := unix.Fstat(d.fd, &parent); err != nil {
		return &fs.PathError{Op: "stat", Path: d.path, Err: err}
	}
	var why string
	switch {
	case !trustedOwner(st.Uid):
		why = "which belongs to " + owner(st.Uid)
	case !trustedOwner(parent.Uid):
		why = fmt.Sprintf("in a directory that belongs to %s", owner(parent.Uid))
	case parent.Mode&0o022 != 0:
		why = fmt.Sprintf("in a directory of mode %04o, which others can write to", parent.Mode&0o7777)
	default:
		return nil
	}
	return fmt.Errorf("%w: %q leads to %q, %s; name the place it leads to, or put a directory there instead of the link",
		ErrLink, path, target, why)
}

// trustedOwner reports whether what belongs to uid is believed: root's and our own.
func trustedOwner(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// trusted reports whether nobody but root and ourselves can put files into the directory.
func (d *directory) trusted() bool {
	var st unix.Stat_t
	return unix.Fstat(d.fd, &st) == nil && trustedOwner(st.Uid) && st.Mode&0o022 == 0
}

// owner names a user in an error.
func owner(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username + " (uid " + id + ")"
	}
	return "uid " + id
}

// readlink reads a link by its descriptor.
func readlink(link *directory) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link.fd, "", buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: link.path, Err: err}
	}
	return string(buf[:n]), nil
}

// openat is unix.Openat that goes on after a signal, as network file systems need it.
func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// sync makes the directory's entries durable. A directory that may be written but not read cannot be opened for it, and
// some file systems have no such operation; neither is a failure.
func (d *directory) sync() error {
	fd, err := openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: d.path, Err: err}
	}
	defer unix.Close(fd)
	err = unix.Fsync(fd)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return &fs.PathError{Op: "fsync", Path: d.path, Err: err}
}
