package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// What the last pass failed at is what somebody looks at the status for. It is shown as long as it is to be done, and no
// longer.
func TestStatusTellsWhatFailed(t *testing.T) {
	now := start
	b := newBox(t, gridtest.SiteOptions{Now: func() time.Time { return now }})
	b.must(0)
	now = now.Add(150 * time.Minute)
	if r := b.must(0, "status"); strings.Contains(r.stdout, "MP-") {
		t.Errorf("before anything has failed:\n%s", r.stdout)
	}
	b.AllowBox(false)
	b.must(1)
	b.AllowBox(true)

	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"why", "lcgadmin"}, {"status", "--html", "-"}} {
		r := b.must(0, args...)
		if n := strings.Count(r.stdout, "MP-PASS"); n != 1 || !strings.Contains(r.stdout, "nothing breaks before") {
			t.Errorf("%q tells it %d times:\n%s", args, n, r.stdout)
		}
	}
	if r := b.must(1, "status", "--nagios"); !strings.HasPrefix(r.stdout, "VOBOX WARNING - lcgadmin: ") || strings.Contains(r.stdout, "more)") {
		t.Errorf("the plugin's line: %s", r.stdout)
	}
	if r := b.must(0, "status", "--at", now.Add(time.Hour).Format(time.RFC3339)); strings.Contains(r.stdout, "MP-PASS") {
		t.Errorf("a rehearsal does not know what servers will do:\n%s", r.stdout)
	}
	b.must(0)
	if r := b.must(0, "status"); strings.Contains(r.stdout, "MP-PASS") {
		t.Errorf("after a pass that went well:\n%s", r.stdout)
	}

	// What was asked for early and refused is not to be done now, although there is something else to do.
	b.AllowBox(false)
	b.must(1, "--force", "lcgadmin")
	if err := os.Chmod(b.userProxy(), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := b.must(1, "status"); strings.Contains(r.stdout, "MP-PASS") || !strings.Contains(r.stdout, "FILE-PERM") {
		t.Errorf("with a renewal that is not due, and a mode that is wrong:\n%s", r.stdout)
	}
}

// Of what was refused in different ways one after the other, the last counts.
func TestStatusTellsTheLastFailure(t *testing.T) {
	now := start
	b := newBox(t, gridtest.SiteOptions{Now: func() time.Time { return now }})
	b.must(0)
	now = now.Add(150 * time.Minute)
	b.AllowBox(false)
	b.must(1)
	now = now.Add(time.Hour)
	b.AllowBox(true)
	b.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.ErrorReply, Lines: []string{"the disk is full"}})
	b.must(1)
	r := b.must(0, "status")
	if strings.Contains(r.stdout, "MP-PASS") || !strings.Contains(r.stdout, "MP-") {
		t.Errorf("the second failure is another one:\n%s", r.stdout)
	}
	// It costs no more than this line where the record cannot be used.
	write(t, b.Root+"/reconcile/alerts.json", "garbage")
	if r := b.must(0, "status"); strings.Contains(r.stdout, "MP-") || r.stderr != "" {
		t.Errorf("with a broken record: %s%s", r.stdout, r.stderr)
	}
	if err := os.Remove(b.Root + "/reconcile/alerts.json"); err != nil {
		t.Fatal(err)
	}
	b.must(0, "status")
}
