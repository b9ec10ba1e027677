package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// runsFile has a line for each pass: when it was made, and "watch" if by a resident program. It is how a pass knows when
// to expect the next one. Losing it costs a renewal or two that come up to an hour late.
const runsFile = "runs"

const (
	maxRuns    = 4096            // bytes; then all but the last runs are dropped
	keptRuns   = 17              // runs that are looked at
	sameRun    = 5 * time.Minute // runs that are closer together count as one: somebody at a terminal
	clockSlack = time.Second     // a run may be so far in the future
	residents  = " watch"        // marks the lines of a resident program
	runLayout  = time.RFC3339    // in whole seconds, UTC
)

func runLine(r plan.Run) string {
	line := r.At.UTC().Format(runLayout)
	if r.Resident {
		line += residents
	}
	return line + "\n"
}

// readRuns returns the last runs on record, the oldest first, and whether the file should be written anew. Lines that are
// none are passed over, as is all of a file that cannot be read: what it tells is a convenience.
func readRuns(state string) (runs []plan.Run, anew bool) {
	data, _, err := atomicfile.Read(filepath.Join(state, runsFile), 4*maxRuns)
	if err != nil {
		return nil, !errors.Is(err, fs.ErrNotExist)
	}
	for line := range bytes.Lines(data) {
		text, resident := strings.CutSuffix(strings.TrimSuffix(string(line), "\n"), residents)
		if at, err := time.Parse(runLayout, text); err == nil {
			runs = append(runs, plan.Run{At: at, Resident: resident})
		}
	}
	torn := len(data) > 0 && data[len(data)-1] != '\n' // by a crash
	return runs[max(0, len(runs)-keptRuns):], torn || len(data) > maxRuns
}

// noteRun puts a pass on record, unless one was made a moment ago.
func (e *Engine) noteRun(want plan.Desired, now time.Time) error {
	runs, anew := readRuns(want.State)
	this := plan.Run{At: now, Resident: e.Resident}
	if n := len(runs); n > 0 && runs[n-1].Resident == e.Resident && now.Sub(runs[n-1].At).Abs() < sameRun {
		return nil
	}
	if err := makeDir(want, want.State, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	path, opts := filepath.Join(want.State, runsFile), ownedBy(want, 0o600)
	if anew {
		var all strings.Builder
		for _, r := range append(runs, this) {
			all.WriteString(runLine(r))
		}
		_, err := atomicfile.Replace(path, []byte(all.String()), opts)
		return err
	}
	f, err := atomicfile.Append(path, opts)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(runLine(this)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.Close()
}

// setBack reports whether the clock was set back since the last pass: that one is on record for later than now.
func setBack(want plan.Desired, now time.Time) bool {
	runs, _ := readRuns(want.State)
	return len(runs) > 0 && runs[len(runs)-1].At.After(now.Add(clockSlack))
}

// rhythm is how passes come, as far as the record tells.
func (e *Engine) rhythm(want plan.Desired, now time.Time) plan.Rhythm {
	if e.Resident {
		return plan.Rhythm{Prompt: true}
	}
	runs, _ := readRuns(want.State)
	return plan.RhythmOf(runs, now)
}
