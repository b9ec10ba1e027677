package reconcile

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// maxJournal is the size in bytes at which the journal becomes journal.jsonl.1.
const maxJournal = 1 << 20

// A JournalEntry is one line of <state>/journal.jsonl: one applied step. No diff is in it.
type JournalEntry struct {
	Time        time.Time   `json:"time"`
	ID          string      `json:"id"`
	Action      plan.Action `json:"action"`
	Kind        string      `json:"kind"`
	Target      string      `json:"target"`
	Path        string      `json:"path,omitempty"`
	Reason      string      `json:"reason"`
	Result      Result      `json:"result"`
	Error       string      `json:"error,omitempty"`
	TookSeconds float64     `json:"tookSeconds"`
	End         time.Time   `json:"effectiveEnd,omitzero"` // of a renewed credential
}

type journal struct {
	mu   sync.Mutex
	want plan.Desired
}

func (j *journal) add(e JournalEntry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := makeDir(j.want, j.want.State, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	path := filepath.Join(j.want.State, "journal.jsonl")
	if info, err := atomicfile.Stat(path); err == nil && info.Size() > maxJournal {
		if err := atomicfile.Rename(path, "journal.jsonl.1"); err != nil {
			return fmt.Errorf("rotating the journal: %w", err)
		}
	}
	f, err := atomicfile.Append(path, ownedBy(j.want, 0o600))
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return f.Close()
}
