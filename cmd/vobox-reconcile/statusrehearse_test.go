package main

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A rehearsal says what would be left without a pass, what passes would make of it, and what they cannot mend.
func TestRehearsal(t *testing.T) {
	b, now := goldenBox(t, gridtest.SiteOptions{HostEnd: start.AddDate(0, 0, 20), UserEnd: start.AddDate(0, 0, 60)})
	b.must(0)
	*now = now.Add(30 * time.Minute)
	day := func(n int) string { return start.AddDate(0, 0, n).Format(time.RFC3339) }
	before := snapshot(t, b.Dir)
	b.env["COLUMNS"] = "80"
	b.golden("status-rehearsal-far-80.txt", b.must(1, "status", "--at", day(35)).stdout)
	b.golden("dry-run-rehearsal-80.txt", b.must(2, "--dry-run", "--at", day(1)).stdout)
	unchanged(t, "a rehearsal", before, snapshot(t, b.Dir))

	rehearse := func(code, n int) status.Doc {
		t.Helper()
		return decode[status.Doc](t, b.must(code, "status", "-ojson", "--at", day(n)).stdout, aStatus)
	}
	for _, tt := range []struct {
		days, code    int
		bare, renewed string // states of the proxies
		unmended      string
	}{
		{0, 0, "ok due", "", ""}, // half an hour ago: no rehearsal
		{1, 1, "expired due", "ok ok", ""},
		{3, 1, "expired expired", "ok ok", ""},
		{21, 1, "expired expired", "expired ok", "machine-proxy lcgadmin"},
		{35, 1, "expired expired", "expired expired", "machine-proxy lcgadmin revocation lists"},
	} {
		d := rehearse(tt.code, tt.days)
		if got := d.Credentials[0].State + " " + d.Credentials[1].State; got != tt.bare && tt.days > 0 {
			t.Errorf("day %d: without a pass %s, want %s", tt.days, got, tt.bare)
		}
		if r := d.Rehearsal; tt.renewed == "" {
			if r != nil {
				t.Errorf("day %d: a rehearsal of the past: %+v", tt.days, r)
			}
		} else {
			var subjects []string
			for _, u := range r.Unmended {
				subjects = append(subjects, u.Subject)
			}
			if got := r.Renewed[0].State + " " + r.Renewed[1].State; got != tt.renewed || strings.Join(subjects, " ") != tt.unmended || !r.Seen.Equal(*now) {
				t.Errorf("day %d: renewed %s, unmended %q, seen %v; want %s, %s", tt.days, got, subjects, r.Seen, tt.renewed, tt.unmended)
			}
		}
	}
	if got := b.must(0, "status", "--at", day(0)).stdout; !strings.HasPrefix(got, "The box as it is now, taken for 2026-11-21 23:00 UTC, 30m ago.\nNAME") {
		t.Errorf("of the past: %s", got)
	}
	if d := decode[status.Doc](t, b.must(0, "status", "-ojson").stdout, aStatus); d.Rehearsal != nil || d.FirstToBreak.Subject != "machine-proxy" ||
		!d.FirstToBreak.When.Equal(start.AddDate(0, 0, 20)) {
		t.Errorf("the present: rehearsal %+v, first to break %+v", d.Rehearsal, d.FirstToBreak)
	}
	if got := b.must(2, "--dry-run", "--at", day(1), "-ojson").stdout; strings.Contains(got, "rehearsal") {
		t.Errorf("words in JSON: %s", got)
	}
}
