package reconcile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// The journal has one line for each applied step, and no key.
func TestJournal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	var ids []string
	journal := read(t, filepath.Join(b.want.State, "journal.jsonl"))
	for line := range bytes.Lines(journal) {
		var e reconcile.JournalEntry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		ids = append(ids, e.ID+" "+string(e.Result))
	}
	want := b.all()
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("the journal has %v, want %v", ids, want)
	}
	if bytes.Contains(journal, []byte("PRIVATE")) {
		t.Error("there is a key in the journal")
	}
}

func TestLock(t *testing.T) {
	want := plan.Desired{State: filepath.Join(t.TempDir(), "state"), UID: -1, GID: -1}
	release, err := reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reconcile.Lock(context.Background(), want, 0); !errors.Is(err, reconcile.ErrLocked) {
		t.Errorf("a second lock: %v, want ErrLocked", err)
	}
	release()
	release, err = reconcile.Lock(context.Background(), want, 30*time.Second)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	release()
}

// A record that cannot be read costs nothing but what was in it.
func TestBrokenState(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	for _, content := range []string{"", "{", `{"services":{"jalien":null}}`, "\x00", strings.Repeat("x", 2<<20)} {
		if err := os.WriteFile(filepath.Join(b.want.State, "state.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		mustResults(t, b.pass(t, plan.Options{}))
	}
}

// The record belongs to the account, which may have written anything into it.
func TestHostileState(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	path := filepath.Join(b.want.State, "state.json")
	good := read(t, path)
	for _, content := range []string{
		`{"grants":{"machine-proxy":{"source":"certificate ` + b.HostCert + `","taken":true,"asked":86400000000000,"granted":1,"time":"2026-11-21T00:00:00Z","proxy":{"granted":1,"limit":"stored"}}}}`,
		`{"grants":{"lcgadmin":{"asked":-5,"granted":-9223372036854775808,"proxy":{"granted":-1,"limit":"stored"}}}}`,
		`{"services":{"jalien":{"known":true,"pending":"\u001b[2K\rall is well\u202e","restarts":["9999-01-01T00:00:00Z","0001-01-01T00:00:00Z"]}}}`,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := b.pass(t, plan.Options{})
		if _, err := json.Marshal(r.Alerts); err != nil {
			t.Error(err)
		}
		for _, o := range r.Outcomes {
			if strings.ContainsAny(o.Step.Reason, "\x1b\r\u202e") {
				t.Errorf("control characters in %q", o.Step.Reason)
			}
			if o.Step.Action == plan.Renew {
				t.Errorf("renewed: %s", o.Step.Reason)
			}
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	mustResults(t, b.pass(t, plan.Options{}))
}

// Two runs that hold a lock of the same name, but not of the same file, would be two at once.
func TestLockFileRemoved(t *testing.T) {
	want := plan.Desired{State: filepath.Join(t.TempDir(), "state"), UID: -1, GID: -1}
	release, err := reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := os.Remove(filepath.Join(want.State, "lock")); err != nil {
		t.Fatal(err)
	}
	second, err := reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatal(err) // that somebody removes the file of a run under way cannot be helped
	}
	defer second()
	if _, err := reconcile.Lock(context.Background(), want, 0); !errors.Is(err, reconcile.ErrLocked) {
		t.Errorf("a third: %v", err)
	}
}
