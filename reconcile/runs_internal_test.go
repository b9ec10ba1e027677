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

// ranAt are runs so many minutes before noon.
func ranAt(minutes ...int) []ran {
	var runs []ran
	for _, m := range minutes {
		runs = append(runs, ran{at: noon.Add(-time.Duration(m) * time.Minute)})
	}
	return runs
}

func TestRhythmOf(t *testing.T) {
	watching := func(runs []ran) []ran {
		for i := range runs {
			runs[i].resident = true
		}
		return runs
	}
	for _, tt := range []struct {
		name string
		runs []ran
		want plan.Rhythm
	}{
		{"never", nil, plan.Rhythm{}},
		{"once", ranAt(0), plan.Rhythm{}},
		{"one gap is no rhythm", ranAt(60, 0), plan.Rhythm{}},
		{"hourly, as soon as it can be known", ranAt(120, 60, 0), plan.Rhythm{Every: time.Hour}},
		{"every ten minutes", ranAt(40, 30, 20, 10, 0), plan.Rhythm{Every: 10 * time.Minute}},
		{"by hand in between", ranAt(240, 180, 150, 120, 60, 33, 20, 0), plan.Rhythm{Every: time.Hour}},
		{"a run was missed", ranAt(360, 300, 240, 120, 60, 0), plan.Rhythm{Every: time.Hour}},
		{"the machine was off for days", ranAt(6000, 5940, 5880, 60, 0), plan.Rhythm{Every: time.Hour}},
		{"by hand, now and then", ranAt(10000, 7000, 4000, 900, 0), plan.Rhythm{}},
		{"the clock was ahead for two runs", append(ranAt(180, 120, -4000, -4060), ranAt(60, 0)...), plan.Rhythm{Every: time.Hour}},
		{"a program stays", watching(ranAt(180, 120, 60)), plan.Rhythm{Prompt: true}},
		{"by hand beside it", append(watching(ranAt(120, 60)), ranAt(50, 40, 30, 0)...), plan.Rhythm{Prompt: true}},
		{"a program has stayed", append(watching(ranAt(500, 480)), ranAt(120, 60, 0)...), plan.Rhythm{Every: time.Hour}},
	} {
		if got := rhythmOf(tt.runs, noon); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

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
