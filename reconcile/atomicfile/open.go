package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Append opens the regular file at path for appending, and makes it with the mode and owner of o if it is missing. It is
// for files that are not replaced, a journal or a lock, under the same rule about links; a link at path itself is an error
// that wraps ErrLink, and a file with several names in a directory where others can make names is one that wraps
// ErrHardLink.
func Append(path string, o Options) (*os.File, error) {
	f, err := appendTo(path, o)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", path, err)
	}
	return f, nil
}

func appendTo(path string, o Options) (*os.File, error) {
	d, name, err := openParent(path)
	if err != nil {
		return nil, err
	}
	defer d.close()
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	fd, err := openat(d.fd, name, flags, unixMode(o.Mode)&0o600)
	if err == nil {
		if err := o.apply(fd); err != nil {
			unix.Close(fd)
			unix.Unlinkat(d.fd, name, 0)
			return nil, err
		}
		return os.NewFile(uintptr(fd), path), nil
	}
	if !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	if err := d.checkFile(name); err != nil {
		return nil, err
	}
	f, st, err := d.openFile(name, unix.O_WRONLY|unix.O_APPEND)
	if err != nil {
		return nil, err
	}
	if err := d.checkNames(st); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkNames refuses to root a file that somebody else could have linked into this directory, to have it read or written.
func (d *directory) checkNames(st *unix.Stat_t) error {
	if os.Geteuid() != 0 || st.Nlink <= 1 || d.trusted() {
		return nil
	}
	return fmt.Errorf("%w: it has %d names, so another file may have been linked here (Globus refuses such files, too); put a copy in its place", ErrHardLink, st.Nlink)
}

// Rename gives the entry at path another name in the same directory, replacing what has it.
func Rename(path, name string) error {
	d, old, err := openParent(path)
	if err == nil && strings.Contains(name, "/") {
		d.close()
		err = errors.New("the new name is a path")
	}
	if err == nil {
		defer d.close()
		err = unix.Renameat(d.fd, old, d.fd, name)
	}
	if err != nil {
		return fmt.Errorf("renaming %q to %q: %w", path, name, err)
	}
	return nil
}
