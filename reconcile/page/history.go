package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// An Event is one step that a pass has carried out: a line of <state>/journal.jsonl.
type Event struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Action  string    `json:"action"` // renew, write, link or restart
	Kind    string    `json:"kind"`
	Target  string    `json:"target"`
	Reason  string    `json:"reason"`
	Result  string    `json:"result"` // done or failed
	Error   string    `json:"error"`
	Seconds float64   `json:"tookSeconds"`
	End     time.Time `json:"effectiveEnd"` // of a renewed credential
}

const (
	maxJournal = 4 << 20 // twice what a rotated journal can be
	maxEvents  = 2000
	maxText    = 2048 // of each field
)

// ReadHistory reads the journal in the state directory, the one before its last rotation included: the events since the
// moment given and not after now, at most the newest 2000, in the order of time. Lines that are none are left out: a machine
// that died may have left half of one. Without a journal there are no events, and that is no error.
func ReadHistory(dir string, since, now time.Time) ([]Event, error) {
	var events []Event
	for _, name := range []string{"journal.jsonl.1", "journal.jsonl"} {
		data, _, err := atomicfile.Read(filepath.Join(dir, name), maxJournal)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("reading the journal: %w", err)
		default:
			events = append(events, parseJournal(data, since, now)...)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	if extra := len(events) - maxEvents; extra > 0 {
		events = slices.Clone(events[extra:])
	}
	return events, nil
}

// parseJournal takes the lines apart. The account that the journal belongs to may have edited it.
func parseJournal(data []byte, since, now time.Time) []Event {
	var events []Event
	for line := range bytes.Lines(data) {
		var e Event
		if json.Unmarshal(line, &e) != nil || e.ID == "" || e.Time.Before(since) || e.Time.After(now) {
			continue
		}
		if e.Result != "done" && e.Result != "failed" {
			continue
		}
		if e.End.Year() < 2000 || e.End.Year() >= 3000 {
			e.End = time.Time{}
		}
		e.Seconds = min(max(e.Seconds, 0), 1e6)
		for _, s := range []*string{&e.ID, &e.Action, &e.Kind, &e.Target, &e.Reason, &e.Error} {
			*s = (*s)[:min(len(*s), maxText)]
		}
		events = append(events, e)
	}
	return events
}
