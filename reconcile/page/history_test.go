package page_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

func lines(t testing.TB, entries ...reconcile.JournalEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		if err := json.NewEncoder(&b).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func save(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What the engine writes is what the page reads, the rotated half included.
func TestReadHistory(t *testing.T) {
	renewed := reconcile.JournalEntry{Time: in(-time.Hour), ID: "renew/proxy/lcgadmin", Action: plan.Renew, Kind: "proxy", Target: "lcgadmin",
		Path: "/x", Reason: "there is none yet", Result: reconcile.Done, TookSeconds: 0.25, End: in(47 * time.Hour)}
	failed := reconcile.JournalEntry{Time: in(-2 * time.Hour), ID: "restart/service/jalien", Action: plan.Restart, Kind: "service", Target: "jalien",
		Reason: "CE.env changes", Result: reconcile.Failed, Error: "exit status 1"}
	old, future := renewed, renewed
	old.Time, future.Time = in(-9*day), in(time.Minute)
	dir := t.TempDir()
	save(t, dir, "journal.jsonl.1", lines(t, old, failed))
	save(t, dir, "journal.jsonl", append(lines(t, renewed, future), `{"time":"2026-11-22T03:0`...))
	got, err := page.ReadHistory(dir, in(-8*day), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []page.Event{
		{Time: failed.Time, ID: failed.ID, Action: "restart", Kind: "service", Target: "jalien", Reason: failed.Reason, Result: "failed", Error: "exit status 1"},
		{Time: renewed.Time, ID: renewed.ID, Action: "renew", Kind: "proxy", Target: "lcgadmin", Reason: renewed.Reason, Result: "done", Seconds: 0.25, End: renewed.End},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestReadHistoryWithout(t *testing.T) {
	dir := t.TempDir()
	if got, err := page.ReadHistory(dir, in(-day), now); err != nil || len(got) != 0 {
		t.Errorf("without a journal: %v, %v", got, err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "journal.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := page.ReadHistory(dir, in(-day), now); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("a link instead of the journal: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "journal.jsonl")); err != nil {
		t.Fatal(err)
	}
	save(t, dir, "journal.jsonl", make([]byte, 5<<20))
	if _, err := page.ReadHistory(dir, in(-day), now); !errors.Is(err, atomicfile.ErrTooLarge) {
		t.Errorf("a journal without end: %v", err)
	}
}

// The newest are kept when there are too many.
func TestReadHistoryIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `{"time":%q,"id":"renew/proxy/x","action":"renew","target":"%d","result":"done","reason":%q}`+"\n", in(time.Duration(i-6000)*time.Second).Format(time.RFC3339), i, strings.Repeat("r", 100))
	}
	dir := t.TempDir()
	save(t, dir, "journal.jsonl", []byte(b.String()))
	got, err := page.ReadHistory(dir, in(-day), now)
	if err != nil || len(got) != 2000 || got[1999].Target != "4999" {
		t.Errorf("%d events, the last of %q, %v", len(got), got[len(got)-1].Target, err)
	}
}

// The journal belongs to an account: whatever it writes there, there is a page, in which nothing is run.
func FuzzReadHistory(f *testing.F) {
	f.Add(lines(f, reconcile.JournalEntry{Time: in(-time.Hour), ID: "renew/proxy/lcgadmin", Action: plan.Renew, Kind: "proxy", Target: "lcgadmin", Result: reconcile.Done, End: in(time.Hour)}))
	f.Add([]byte(`{"time":"2026-11-22T02:00:00Z","id":"<script>","action":"renew","kind":"proxy","target":"lcgadmin","result":"failed","error":"</title><script>\u202e"}`))
	f.Add([]byte(`{"time":"2026-11-22T02:00:00Z","id":"x","result":"done","effectiveEnd":"9999-12-31T23:59:59Z","tookSeconds":-1e300}` + "\n\x00{}"))
	input := quietBox().input()
	input.Status.Credentials = input.Status.Credentials[1:2]
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		save(t, dir, "journal.jsonl", data)
		events, err := page.ReadHistory(dir, in(-8*day), now)
		if err != nil {
			return
		}
		last := time.Time{}
		for _, e := range events {
			if e.Time.Before(last) || e.Time.After(now) || e.Time.Before(in(-8*day)) {
				t.Errorf("%v after %v", e.Time, last)
			}
			last = e.Time
		}
		input.History = events
		html := render(t, input)
		if strings.Contains(html, "<script") || strings.Contains(html, "NaN") || strings.Contains(html, "Inf") || !strings.HasSuffix(html, "</html>\n") {
			t.Error(html)
		}
	})
}
