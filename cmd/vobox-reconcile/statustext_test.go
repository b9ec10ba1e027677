package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func TestBar(t *testing.T) {
	w := &writer{}
	const whole = 48 * 3600
	for left, want := range map[time.Duration]int{
		48 * time.Hour: 12, 47*time.Hour + 59*time.Minute: 12, 46*time.Hour + 1*time.Minute: 12, 45*time.Hour + 59*time.Minute: 11,
		24 * time.Hour: 6, time.Second: 1, 0: 0, 60 * time.Hour: 12,
	} {
		bar := w.bar("ok", int64(left/time.Second), whole)
		if got := strings.Count(bar, "#"); got != want || columns(bar) != barCells+2 {
			t.Errorf("%v of 48h: %s, want %d of %d", left, bar, want, barCells)
		}
	}
	if got := w.bar("unknown", 10, 0); got != "[#...........]" {
		t.Errorf("of an unknown whole: %s", got)
	}
	w.on = true
	for state, style := range map[string]string{"ok": green, "due": yellow, "alert": red, "expired": red} {
		if got := w.bar(state, 24*3600, whole); !strings.HasPrefix(got, "[\x1b["+style+"m######\x1b[0m......]") {
			t.Errorf("%s: %q", state, got)
		}
	}
}

// aDoc is a status with everything in it, in names of a length.
func aDoc(length int) status.Doc {
	now := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	name := func(s string) string { return (s + strings.Repeat("-name", 8))[:length] }
	cred := func(n, kind, state, reason string, left time.Duration, next *time.Time) status.Credential {
		return status.Credential{Name: name(n), Kind: kind, State: state, Reason: reason, EffectiveEnd: at(left), EffectiveSecondsLeft: int64(left / time.Second),
			LifetimeSeconds: 48 * 3600, RenewBelowSeconds: 46 * 3600, NextRenewal: next}
	}
	none := cred("none", "user", "missing", "there is none yet", 0, at(0))
	none.EffectiveEnd = nil
	unknown := none
	unknown.Kind, unknown.State, unknown.Reason, unknown.NextRenewal = "stored", "unknown", "not renewed yet", nil
	return status.Doc{Time: now, NextLook: at(time.Hour),
		Credentials: []status.Credential{
			cred("machine", "machine", "ok", "", 20*time.Hour, nil), cred("a", "user", "ok", "", 121*24*time.Hour+23*time.Hour, at(239*time.Hour+59*time.Minute)),
			cred("b", "user", "due", "the attribute certificate has 39h12m left, renewed below 46h", 39*time.Hour, at(0)), none, unknown,
			cred("s", "stored", "ok", "", 125*24*time.Hour, nil), cred("t", "stored", "alert", "as seen on 2026-11-21 23:00 UTC", 40*time.Hour, nil),
		},
		EnvFiles: []status.EnvFile{{Path: "/home/alicesgm/.alien/config/" + name("CE.env"), State: "ok"},
			{Path: "/" + name("ml.env"), State: "invalid", Reason: "it is a directory, of all things that it could be, and cannot be written"}},
		Services: []status.Service{{Name: name("svc"), State: "ok", LastRestart: at(-time.Hour)}, {Name: name("due"), State: "due", Reason: "CE.env changes"},
			{Name: name("later"), State: "due", Reason: "CE.env changes"}},
		Steps:        []status.Step{{Kind: "service", Target: name("due"), When: at(0)}, {Kind: "service", Target: name("later"), When: at(time.Hour)}},
		FirstToBreak: &status.Break{Subject: name("a"), When: at(time.Hour), Reason: "the certificate ends", Impact: "job submission", Remedy: "vobox-reconcile", Where: "VO-Box"},
	}
}

// Whatever the width, no line is longer, and the states stand below each other.
func TestStatusFits(t *testing.T) {
	for _, length := range []int{4, 13, 20, 40} {
		for _, width := range []int{0, 44, 50, 60, 72, 80, 100, 132, 200} {
			var out bytes.Buffer
			a := &app{world: world{getenv: func(string) string { return "" }, stdout: &out}}
			w := a.text(plan.Desired{})
			w.width = width
			d := aDoc(length)
			a.printStatus(w, d)
			head, rest, _ := strings.Cut(out.String(), "\n")
			state := columns(head[:strings.Index(head, "STATE")])
			for line := range strings.Lines(rest) {
				line = strings.TrimSuffix(line, "\n")
				if n := columns(line); width > 0 && n > width && strings.Contains(strings.TrimSpace(line), " ") { // a word cannot be broken
					t.Errorf("names of %d, width %d: %d columns: %q", length, width, n, line)
				}
				if line != strings.TrimRight(line, " ") {
					t.Errorf("names of %d, width %d: blanks at the end of %q", length, width, line)
				}
			}
			rows := 0
			for line := range strings.Lines(rest) {
				r := []rune(strings.TrimSuffix(line, "\n"))
				if strings.HasPrefix(line, "first to break") {
					break
				}
				if strings.HasPrefix(line, "    ") {
					continue // a reason
				}
				rows++
				if len(r) <= state || r[state-1] != ' ' || r[state] == ' ' {
					t.Errorf("names of %d, width %d: no state in column %d of %q", length, width, state, string(r))
				}
			}
			if want := len(d.Credentials) + len(d.EnvFiles) + len(d.Services); rows != want {
				t.Errorf("names of %d, width %d: %d rows, want %d:\n%s", length, width, rows, want, out.String())
			}
		}
	}
}

func TestStatusForms(t *testing.T) {
	show := func(width int) string {
		var out bytes.Buffer
		a := &app{world: world{getenv: func(string) string { return "" }, stdout: &out}}
		w := a.text(plan.Desired{})
		w.width = width
		a.printStatus(w, aDoc(6))
		return out.String()
	}
	for width, parts := range map[int][]string{
		0: {"another program renews it", "renew 2026-12-01 22:59 UTC, in 239h59m", "renew in the next pass", "store anew before 2027-03-25, in 123d2h", "store it anew now",
			"/home/alicesgm/.alien/config/CE.env", "restarted 2026-11-21 22:00 UTC", "restart in the next pass", "restart 2026-11-22 00:00 UTC, in 1h"},
		72: {"renew 12-01 22:59, in 239h59m", "store anew before 2027-03-25", "restart 11-22 00:00, in 1h", "restarted 2026-11-21 22:00\n", "/home/…/.alien/config/CE.env"},
		60: {"renew in 239h59m", "store in 123d2h", "renew now"},
		44: {"[####"},
	} {
		got := show(width)
		for _, p := range parts {
			if has := strings.Contains(got, p); has != (width != 44) {
				t.Errorf("width %d: %q there: %v\n%s", width, p, has, got)
			}
		}
	}
	if got := show(80); !strings.Contains(got, "    VO-Box> vobox-reconcile\n") {
		t.Errorf("no remedy for what is near:\n%s", got)
	}
}
