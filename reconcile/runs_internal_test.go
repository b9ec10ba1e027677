package reconcile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A year of hourly runs leaves a small file, and none of one minute to the next.
func TestNoteRun(t *testing.T) {
	e := &Engine{}
	want := plan.Desired{State: filepath.Join(t.TempDir(), "state"), UID: -1, GID: -1}
	path := filepath.Join(want.State, runsFile)
	for i := range 24 * 30 {
		now := noon.Add(time.Duration(i) * time.Hour)
		if err := e.noteRun(want, now); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.noteRun(want, now.Add(4*time.Minute)); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(path)
		if err != nil || string(before) != string(after) {
			t.Fatalf("a run at a terminal, minutes later, is on record: %q, %v", after, err)
		}
		if len(after) > maxRuns+100 {
			t.Fatalf("the record has %d bytes", len(after))
		}
		if got := e.rhythm(want, now); i >= 2 && got.Every != time.Hour {
			t.Fatalf("after %d runs: %+v, want an hour", i, got)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// The record belongs to the account; whatever is in it does no harm.
func TestRunsHostile(t *testing.T) {
	for _, content := range []string{"", "\n\n", "x", strings.Repeat("9999-99-99T00:00:00Z\n", 1000), "0001-01-01T00:00:00Z\n0001-01-01T00:00:01Z\n9999-01-01T00:00:00Z watch\n",
		strings.Repeat("\x00", 3*maxRuns), strings.Repeat("2026-11-21T12:00:00Z", 10*maxRuns)} {
		e := &Engine{}
		want := plan.Desired{State: t.TempDir(), UID: -1, GID: -1}
		path := filepath.Join(want.State, runsFile)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := e.rhythm(want, noon); got.Prompt {
			t.Errorf("%.40q: %+v", content, got)
		}
		for i := range 3 {
			if err := e.noteRun(want, noon.Add(time.Duration(i)*time.Hour)); err != nil {
				t.Errorf("%.40q: %v", content, err)
			}
		}
		if got := e.rhythm(want, noon.Add(2*time.Hour)); got.Every != time.Hour {
			t.Errorf("%.40q: %+v after three runs", content, got)
		}
		if data, err := os.ReadFile(path); err != nil || len(data) > 4*maxRuns {
			t.Errorf("%.40q: %d bytes, %v", content, len(data), err)
		}
	}
}
