package atomicfile

import (
	"path/filepath"
	"time"
)

// RemoveStale removes temporary files of Replace in dir that were last written before a moment: a run that was killed left
// them. Links on the way to dir are under the usual rule.
func RemoveStale(dir string, before time.Time) error {
	names, err := Glob(dir, tempPrefix+"*"+tempSuffix)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := Stat(path)
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(before) {
			continue
		}
		if err := Remove(path); err != nil {
			return err
		}
	}
	return nil
}
