package reconcile

import (
	"context"
	"errors"
	"fmt"
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
	if err := atomicfile.MkdirAll(want.State, ownedBy(want, 0o700)); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	path := filepath.Join(want.State, "lock")
	f, err := atomicfile.Append(path, ownedBy(want, 0o600))
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%w: %s, after waiting %s", ErrLocked, path, plan.Span(wait))
		case <-time.After(lockPoll):
		}
	}
}
