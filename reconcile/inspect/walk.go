package inspect

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Walk calls use with each file below dir, in the order of their names, and with what is in the way of that: a directory
// that cannot be read, or one without any file. Files whose names begin with a dot are passed over, which is how temporary
// files begin (this program's, an editor's, rsync's); links to files count as files, links to directories are not followed.
// An error from use ends it.
func Walk(dir string, use func(path string, err error) error) error {
	found := false
	// With the slash, a link to a directory is followed when it was named.
	root := strings.TrimSuffix(dir, "/") + "/"
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			found = true
			if err := use(filepath.Clean(path), err); err != nil {
				return err
			}
			if e != nil && e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir():
			return nil
		case strings.HasPrefix(e.Name(), "."), linkToDirectory(path, e):
			return nil
		}
		found = true
		return use(path, nil)
	})
	if err == nil && !found {
		err = use(dir, errNoFiles)
	}
	return err
}

var errNoFiles = errors.New("there is no file in it")

func linkToDirectory(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
