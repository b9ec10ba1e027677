// Package atomicfile replaces a file in one step.
//
// Root uses it to write into directories that belong to users. Therefore every path is walked from the root directory,
// element by element, and a symbolic link on the way is followed only if nobody but root or the caller can have put it
// there: link and directory belong to one of them, and others cannot write to the directory. Otherwise the error wraps
// [ErrLink]. The last element of a path is never followed.
package atomicfile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Options say what the file shall be like.
type Options struct {
	Mode     fs.FileMode // exact, whatever the umask
	UID, GID int         // -1: leave as the kernel makes it
}

// Replace makes path hold data: temporary file beside it with the final mode and owner, write, sync, rename, sync of the
// directory. It writes nothing and returns false when content, mode and owner are right already. No symbolic link is
// followed that another user than root or the caller could have planted; a link at path itself is replaced, not followed,
// and so is a file with further hard links. With changed and an error, the file is in place but may not survive a crash.
func Replace(path string, data []byte, o Options) (changed bool, err error) {
	changed, err = replace(path, data, o)
	if err != nil {
		return changed, fmt.Errorf("replacing %q: %w", path, err)
	}
	return changed, nil
}

func replace(path string, data []byte, o Options) (bool, error) {
	if o.Mode.Perm() == 0 {
		return false, errors.New("no mode given")
	}
	d, name, err := openParent(path)
	if err != nil {
		return false, err
	}
	defer d.close()
	same, err := d.holds(name, data, o)
	if same || err != nil {
		return false, err
	}
	temp, err := d.writeTemp(data, o)
	if err != nil {
		return false, err
	}
	return d.moveInto(temp, name)
}

// holds reports whether the entry is a file with that content, mode and owner and no other name. It is an error if a
// directory is there.
func (d *directory) holds(name string, data []byte, o Options) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return false, nil
		}
		return false, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return false, unix.EISDIR
	}
	if !o.match(&st) || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Size != int64(len(data)) {
		return false, nil
	}
	f, st2, err := d.openFile(name, os.O_RDONLY)
	if err != nil {
		return false, nil // gone, or not ours to read: write it anew
	}
	defer f.Close()
	if st2.Dev != st.Dev || st2.Ino != st.Ino {
		return false, nil
	}
	have, err := io.ReadAll(io.LimitReader(f, st.Size+1))
	return err == nil && bytes.Equal(have, data), nil
}

// match reports whether mode and owner are as wanted.
func (o Options) match(st *unix.Stat_t) bool {
	return st.Mode&0o7777 == unixMode(o.Mode) && o.matchOwner(st)
}

func (o Options) matchOwner(st *unix.Stat_t) bool {
	return (o.UID == -1 || int(st.Uid) == o.UID) && (o.GID == -1 || int(st.Gid) == o.GID)
}

// unixMode translates permissions and the three bits above them.
func unixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= unix.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

const tempPrefix, tempSuffix = ".reconcile-", ".tmp"

// tempName returns a name that nobody can foresee. It begins with a dot, so that a glob such as *lcgadmin never picks it.
func tempName() string {
	var b [12]byte
	rand.Read(b[:])
	return tempPrefix + hex.EncodeToString(b[:]) + tempSuffix
}

// writeTemp makes a file with the content, mode and owner, on disk when it returns. Whatever fails, no file is left.
func (d *directory) writeTemp(data []byte, o Options) (_ string, err error) {
	name := tempName()
	// No more than the owner's rights until mode and owner are final.
	fd, err := openat(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, unixMode(o.Mode)&0o600)
	if err != nil {
		return "", fmt.Errorf("making a temporary file in %q: %w", d.path, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			unix.Unlinkat(d.fd, name, 0)
			err = fmt.Errorf("writing a temporary file in %q: %w", d.path, err)
		}
	}()
	if err := o.apply(fd); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	return name, f.Sync()
}

// apply gives the open file its owner, then its mode, since a change of owner takes the upper bits away.
func (o Options) apply(fd int) error {
	if o.UID != -1 || o.GID != -1 {
		if err := unix.Fchown(fd, o.UID, o.GID); err != nil {
			return fmt.Errorf("changing the owner to %d:%d: %w", o.UID, o.GID, err)
		}
	}
	if err := unix.Fchmod(fd, unixMode(o.Mode)); err != nil {
		return fmt.Errorf("changing the mode to %04o: %w", unixMode(o.Mode), err)
	}
	return nil
}

// moveInto renames the temporary entry onto name, or removes it.
func (d *directory) moveInto(temp, name string) (changed bool, err error) {
	if err := unix.Renameat(d.fd, temp, d.fd, name); err != nil {
		unix.Unlinkat(d.fd, temp, 0)
		return false, err
	}
	return true, d.sync()
}

// Symlink makes path a symbolic link to target, replacing what is there in one step, but never a directory. It returns
// false when the link is there already, with the owner that o asks for. The mode in o means nothing.
func Symlink(target, path string, o Options) (changed bool, err error) {
	changed, err = symlink(target, path, o)
	if err != nil {
		return changed, fmt.Errorf("making the link %q: %w", path, err)
	}
	return changed, nil
}

func symlink(target, path string, o Options) (bool, error) {
	d, name, err := openParent(path)
	if err != nil {
		return false, err
	}
	defer d.close()
	same, err := d.holdsLink(name, target, o)
	if same || err != nil {
		return false, err
	}
	temp := tempName()
	if err := unix.Symlinkat(target, d.fd, temp); err != nil {
		return false, fmt.Errorf("making a temporary link in %q: %w", d.path, err)
	}
	if o.UID != -1 || o.GID != -1 {
		if err := unix.Fchownat(d.fd, temp, o.UID, o.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			unix.Unlinkat(d.fd, temp, 0)
			return false, fmt.Errorf("changing the owner to %d:%d: %w", o.UID, o.GID, err)
		}
	}
	return d.moveInto(temp, name)
}

// holdsLink reports whether the entry is a link to target with the owner. It is an error if a directory is there.
func (d *directory) holdsLink(name, target string, o Options) (bool, error) {
	entry, st, err := d.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer entry.close()
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return false, unix.EISDIR
	case unix.S_IFLNK:
		have, err := readlink(entry)
		return err == nil && have == target && o.matchOwner(st), err
	}
	return false, nil
}

// MkdirAll makes missing directories under the same rule about links, with the given mode and owner. Those that are
// there stay as they are.
func MkdirAll(path string, o Options) error {
	if err := mkdirAll(path, o); err != nil {
		return fmt.Errorf("making the directory %q: %w", path, err)
	}
	return nil
}

func mkdirAll(path string, o Options) error {
	if o.Mode.Perm() == 0 {
		return errors.New("no mode given")
	}
	abs, err := absolute(path)
	if err != nil {
		return err
	}
	d, err := openDir(abs, func(parent *directory, name string) error { return parent.mkdir(name, o) })
	if err != nil {
		return err
	}
	d.close()
	return nil
}

// mkdir makes one directory. That somebody else made it meanwhile is no error.
func (d *directory) mkdir(name string, o Options) error {
	err := unix.Mkdirat(d.fd, name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: d.path + "/" + name, Err: err}
	}
	fd, err := openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: d.path + "/" + name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	// The parent's owner may have put another directory in the place of ours. An empty one is as good.
	if _, err := f.Readdirnames(1); err != io.EOF {
		return fmt.Errorf("%q is not the directory just made", d.path+"/"+name)
	}
	if err := o.apply(fd); err != nil {
		return err
	}
	return d.sync()
}

// Remove removes the file or link at path, but no directory, under the same rule about links on the way.
func Remove(path string) error {
	d, name, err := openParent(path)
	if err == nil {
		defer d.close()
		if err = unix.Unlinkat(d.fd, name, 0); err == nil {
			err = d.sync()
		}
	}
	if err != nil {
		return fmt.Errorf("removing %q: %w", path, err)
	}
	return nil
}
