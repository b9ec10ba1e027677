// Package atomicfile replaces a file in one step.
package atomicfile

import "io/fs"

// Options say what the file shall be like.
type Options struct {
	Mode     fs.FileMode // exact, whatever the umask
	UID, GID int         // -1: leave as the kernel makes it
}

// Replace makes path hold data: temporary file beside it with the final mode and owner, write, sync, rename, sync of the
// directory. It writes nothing and returns false when content, mode and owner are right already. No symbolic link is
// followed that another user than root or the caller could have planted; a link at path itself is replaced, not followed.
func Replace(path string, data []byte, o Options) (changed bool, err error) { panic("not built yet") }

// Read returns at most limit bytes of the regular file at path (more is an error), under the same rule about links; a
// link at path itself is an error that wraps ErrLink.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) { panic("not built yet") }

// Symlink makes path a symbolic link to target, replacing what is there in one step, but never a directory.
func Symlink(target, path string, o Options) (changed bool, err error) { panic("not built yet") }

// MkdirAll makes missing directories under the same rule about links, with the given mode and owner.
func MkdirAll(path string, o Options) error { panic("not built yet") }
