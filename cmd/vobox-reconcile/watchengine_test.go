package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// The engine of watch mode knows that it is asked at the right moment, how long to leave alone who has said no, and, until
// a pass was made, that the clock was set back.
func TestWatchTellsTheEngine(t *testing.T) {
	r, _ := residentOf(func() time.Time { return start })
	r.config = filepath.Join(t.TempDir(), "config.yaml") // there is none, so no pass is made
	r.getenv, r.world.stderr, r.app.log = os.Getenv, io.Discard, io.Discard
	for _, tt := range []struct {
		wake watch.Wake
		want bool
	}{
		{watch.Wake{Cause: watch.Due}, false},
		{watch.Wake{Cause: watch.Clock, Jump: time.Hour}, false}, // or the machine was asleep
		{watch.Wake{Cause: watch.Clock, Jump: -time.Minute}, true},
		{watch.Wake{Cause: watch.Due}, true},
	} {
		r.schedule.After(start, watch.Made{Refused: true})
		r.cfg = nil // the pass falls over
		r.round(t.Context(), tt.wake)
		r.cfg = &config.Config{}
		e, err := r.residentEngine()
		if err != nil {
			t.Fatal(err)
		}
		if !e.Resident || e.SetBack != tt.want || e.RefusedLook != r.schedule.Refused() || e.RefusedLook <= 15*time.Minute {
			t.Errorf("after %+v: resident %v, set back %v, %v after a refusal", tt.wake, e.Resident, e.SetBack, e.RefusedLook)
		}
	}
}
