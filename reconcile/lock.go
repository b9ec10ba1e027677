package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// ErrLocked means that another run holds the lock.
var ErrLocked = errors.New("another run holds the lock")

// lockPoll is how often a held lock is tried again.
const lockPoll = 100 * time.Millisecond

// Lock takes <state>/lock (flock), waiting at most as long as given. The kernel releases it when the process ends, however
// it ends. The file is opened under the rules of package atomicfile: the directory belongs to a user.
func Lock(ctx context.Context, want plan.Desired, wait time.Duration) (release func(), err error) {
	if err := makeDir(want, want.State, 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	path := filepath.Join(want.State, "lock")
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		f, err := tryLock(path, want)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s, after waiting %s", ErrLocked, path, plan.Span(wait))
		case <-time.After(lockPoll):
		}
	}
}

// tryLock returns the locked file, or EWOULDBLOCK: also when somebody has put another file at the path meanwhile, whose
// lock the next run would take.
func tryLock(path string, want plan.Desired) (*os.File, error) {
	f, err := atomicfile.Append(path, ownedBy(want, 0o600))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	locked, err := f.Stat()
	if err == nil {
		var there fs.FileInfo
		if there, err = atomicfile.Stat(path); err == nil && os.SameFile(locked, there) {
			return f, nil
		}
	}
	f.Close()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, unix.EWOULDBLOCK
}
