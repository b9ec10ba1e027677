package plan

import (
	"slices"
	"testing"
	"time"
)

func TestAllowedAt(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(hours ...int) (times []time.Time) {
		for _, h := range hours {
			times = append(times, now.Add(-time.Duration(h)*time.Hour))
		}
		return times
	}
	for _, c := range []struct {
		name string
		at   []time.Time
		n    int
		per  time.Duration
		want time.Time
	}{
		{"none yet", nil, 4, 24 * time.Hour, time.Time{}},
		{"fewer", ago(1, 2, 3), 4, 24 * time.Hour, time.Time{}},
		{"as many", ago(1, 2, 3, 20), 4, 24 * time.Hour, now.Add(4 * time.Hour)},
		{"unsorted", ago(20, 1, 3, 2), 4, 24 * time.Hour, now.Add(4 * time.Hour)},
		{"more, after the limit was lowered", ago(1, 2, 3, 20), 2, 24 * time.Hour, now.Add(22 * time.Hour)},
		{"the oldest has just left the window", ago(1, 2, 3, 24), 4, 24 * time.Hour, time.Time{}},
		{"old ones", ago(30, 40, 50, 60, 70), 4, 24 * time.Hour, time.Time{}},
		{"in the future, before the clock was set back", ago(-100), 1, time.Hour, time.Time{}},
		{"no limit", ago(1, 1, 1), 0, time.Hour, time.Time{}},
		{"no time", ago(1, 1, 1), 1, 0, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.at)
			if got := allowedAt(c.at, c.n, c.per, now); !got.Equal(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if !slices.Equal(before, c.at) {
				t.Error("the times given were reordered")
			}
		})
	}
}
