package watch

import "os"

// Refuse has the system refuse to watch directories, as it does when there are too many watches already.
func (w *Watcher) Refuse(err error) { w.add = func(string) error { return err } }

// Watches are the directories that are watched now.
func (w *Watcher) Watches() []string {
	if w.notify == nil {
		return nil
	}
	return w.notify.WatchList()
}

// Descriptors counts the open files of the process.
func Descriptors() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	return len(entries), err
}
