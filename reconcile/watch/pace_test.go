package watch_test

import (
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// Who has said no is asked less and less often, and as at first once something else became of a pass.
func TestPaceRefused(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	p := watch.Pace{Schedule: watch.Schedule{Jitter: func(time.Duration) time.Duration { return 0 }}}
	for i, want := range []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, time.Hour} {
		got := p.Refused()
		if got != want {
			t.Errorf("after %d refusals the next look is in %v, want %v", i, got, want)
		}
		now = p.After(now, watch.Made{Next: now.Add(got), Due: true, Changed: true, Refused: true})
	}
	if p.After(now, watch.Made{Due: true, Changed: true}); p.Refused() != 15*time.Minute {
		t.Errorf("after a pass without refusal the next look is in %v", p.Refused())
	}
}

// After passes that could not be made, the next try comes soon and then less and less often; a pass that was made ends that.
func TestPaceAgain(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	p := watch.Pace{Schedule: watch.Schedule{Jitter: func(time.Duration) time.Duration { return 0 }}}
	for range 2 {
		for i, want := range []time.Duration{1, 2, 4, 8, 15, 15} {
			if got := p.Again(now).Sub(now); got != want*time.Minute {
				t.Errorf("try %d is in %v, want %dm", i, got, want)
			}
		}
		p.After(now, watch.Made{})
	}
}
