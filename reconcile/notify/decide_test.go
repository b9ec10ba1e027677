package notify_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
)

var (
	low  = notify.Alert{ID: "PROXY-LOW", Severity: notify.Warning, Subject: "lcgadmin", Message: "it ends soon"}
	t12  = notify.Alert{ID: "MP-T12", Severity: notify.Warning, Subject: "lcgadmin", Message: "12h were granted"}
	post = notify.Listener{Key: "email", Name: "email to admin", Every: 24 * time.Hour}
	chat = notify.Listener{Key: "webhook", Name: "webhook chat", Every: time.Hour}
)

func critical(a notify.Alert) notify.Alert {
	a.Severity = notify.Critical
	return a
}

// A turn is a pass, and what it leads to.
type turn struct {
	after   time.Duration // since the last one
	open    []notify.Alert
	unknown []string // subjects that could not be looked at
	down    []string // listeners that cannot be reached
	want    string   // what is told, as "email: PROXY-LOW; webhook: PROXY-LOW ended"
}

// What is told, turn by turn.
func TestDecide(t *testing.T) {
	all := []notify.Alert{low, t12}
	for _, tt := range []struct {
		name  string
		turns []turn
	}{
		{"nothing", []turn{{0, nil, nil, nil, ""}, {time.Hour, nil, nil, nil, ""}}},
		{"once, and again after Every", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{59 * time.Minute, []notify.Alert{low}, nil, nil, ""},
			{time.Minute, []notify.Alert{low}, nil, nil, "webhook: PROXY-LOW"},
			{time.Hour, []notify.Alert{low}, nil, nil, "webhook: PROXY-LOW"},
			{22 * time.Hour, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
		}},
		{"passes a day apart but for seconds", []turn{
			{40 * time.Second, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{24*time.Hour - 20*time.Second, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{24*time.Hour - 20*time.Second, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
		}},
		{"several at once, and one that joins", []turn{
			{0, all, nil, nil, "email: MP-T12 PROXY-LOW; webhook: MP-T12 PROXY-LOW"},
			{time.Minute, append(all, notify.Alert{ID: "CRL-STALE", Severity: notify.Critical, Subject: "lcgadmin"}), nil, nil, "email: CRL-STALE; webhook: CRL-STALE"},
		}},
		{"worse at once, better not", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, []notify.Alert{critical(low)}, nil, nil, "email: PROXY-LOW!; webhook: PROXY-LOW!"},
			{time.Minute, []notify.Alert{low}, nil, nil, ""},
			{time.Minute, []notify.Alert{critical(low)}, nil, nil, ""},
		}},
		{"well again, once", []turn{
			{0, all, nil, nil, "email: MP-T12 PROXY-LOW; webhook: MP-T12 PROXY-LOW"},
			{time.Minute, []notify.Alert{low}, nil, nil, "email: MP-T12 ended; webhook: MP-T12 ended"},
			{time.Minute, []notify.Alert{low}, nil, nil, ""},
			{time.Minute, nil, nil, nil, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
			{100 * time.Hour, nil, nil, nil, ""},
		}},
		{"an ended one comes with a new one in one message", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, []notify.Alert{t12}, nil, nil, "email: MP-T12 PROXY-LOW ended; webhook: MP-T12 PROXY-LOW ended"},
		}},
		{"comes and goes", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{15 * time.Minute, nil, nil, nil, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
			{15 * time.Minute, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"}, // it is news: they thought it well
			{15 * time.Minute, nil, nil, nil, ""},
			{15 * time.Minute, []notify.Alert{low}, nil, nil, ""},
			{15 * time.Minute, nil, nil, nil, ""},
			{60 * time.Minute, nil, nil, nil, "webhook: PROXY-LOW ended"}, // it has stayed away for an hour
			{21 * time.Hour, nil, nil, nil, ""},
			{2 * time.Hour, nil, nil, nil, "email: PROXY-LOW ended"}, // and for a day
			{time.Hour, nil, nil, nil, ""},
		}},
		{"comes back later", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Hour, nil, nil, nil, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
			{48 * time.Hour, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Hour, nil, nil, nil, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
		}},
		{"comes back worse, while it is held for open", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{15 * time.Minute, nil, nil, nil, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
			{15 * time.Minute, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{15 * time.Minute, nil, nil, nil, ""},
			{15 * time.Minute, []notify.Alert{critical(low)}, nil, nil, "email: PROXY-LOW!; webhook: PROXY-LOW!"},
		}},
		{"could not be looked at", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, nil, []string{"lcgadmin"}, nil, ""},
			{48 * time.Hour, nil, []string{"lcgadmin"}, nil, ""}, // nor is what is not seen told again
			{time.Minute, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, nil, nil, nil, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
		}},
		{"one cannot be reached", []turn{
			{0, []notify.Alert{low}, nil, []string{"email"}, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, []notify.Alert{low}, nil, []string{"email"}, "email: PROXY-LOW"},
			{time.Minute, all, nil, nil, "email: PROXY-LOW MP-T12; webhook: MP-T12"},
			{time.Minute, []notify.Alert{t12}, nil, []string{"email"}, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
			{time.Minute, []notify.Alert{t12}, nil, nil, "email: PROXY-LOW ended"},
		}},
		{"well before anybody could be reached", []turn{
			{0, []notify.Alert{low}, nil, []string{"email", "webhook"}, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, nil, nil, nil, ""},
		}},
		{"never to be reached again", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, nil, nil, []string{"email"}, "email: PROXY-LOW ended; webhook: PROXY-LOW ended"},
			{6 * 24 * time.Hour, nil, nil, []string{"email"}, "email: PROXY-LOW ended"},
			{2 * 24 * time.Hour, nil, nil, []string{"email"}, ""},
		}},
		{"twice in one pass", []turn{{0, []notify.Alert{low, critical(low), low}, nil, nil, "email: PROXY-LOW!; webhook: PROXY-LOW!"}}},
		{"the clock is set back", []turn{
			{0, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{-30 * 24 * time.Hour, []notify.Alert{low}, nil, nil, "email: PROXY-LOW; webhook: PROXY-LOW"},
			{time.Minute, []notify.Alert{low}, nil, nil, ""},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m notify.Memory
			at := now
			for i, turn := range tt.turns {
				at = at.Add(turn.after)
				m = remembered(t, m, at)
				pass := notify.Pass{Time: at, Alerts: turn.open, Ended: func(r notify.Record) bool { return !slices.Contains(turn.unknown, r.Subject) }}
				var due map[string][]notify.Alert
				before := mustJSON(t, m)
				next, due := notify.Decide(m, pass, []notify.Listener{post, chat})
				if after := mustJSON(t, m); after != before {
					t.Errorf("turn %d: the decision changed its argument", i)
				}
				if got := words(due); got != turn.want {
					t.Fatalf("turn %d, %v: told %q, want %q", i, at.Sub(now), got, turn.want)
				}
				for _, l := range []notify.Listener{post, chat} {
					if len(due[l.Key]) == 0 {
						continue
					}
					if slices.Contains(turn.down, l.Key) {
						next.Failed(l, fmt.Errorf("nobody there"), at)
					} else {
						next.Told(l, due[l.Key], at)
					}
				}
				m = next
			}
		})
	}
}

// words is what is told, in short.
func words(due map[string][]notify.Alert) string {
	var out []string
	for _, key := range []string{"email", "webhook"} {
		if len(due[key]) == 0 {
			continue
		}
		s := key + ":"
		for _, a := range due[key] {
			s += " " + a.ID
			switch {
			case a.State == notify.Ended:
				s += " ended"
			case a.Severity == notify.Critical && a.ID == "PROXY-LOW":
				s += "!"
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// remembered is the memory after it was written and read.
func remembered(t *testing.T, m notify.Memory, at time.Time) notify.Memory {
	t.Helper()
	data, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	out, err := notify.ParseMemory(data, at)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// How long something is known goes on where it was away for a moment, and over passes that did not see it.
func TestSince(t *testing.T) {
	var m notify.Memory
	since := func(after time.Duration, open ...notify.Alert) time.Duration {
		t.Helper()
		m, _ = notify.Decide(m, notify.Pass{Time: now.Add(after), Alerts: open}, []notify.Listener{post})
		m.Told(post, m.Open(), now.Add(after))
		if len(m.Open()) == 0 {
			return -1
		}
		return m.Open()[0].Since.Sub(now)
	}
	for _, tt := range []struct {
		after time.Duration
		open  bool
		want  time.Duration
	}{{0, true, 0}, {time.Hour, true, 0}, {2 * time.Hour, false, -1}, {3 * time.Hour, true, 0}, {4 * time.Hour, false, -1}, {40 * time.Hour, true, 40 * time.Hour}} {
		var open []notify.Alert
		if tt.open {
			open = append(open, low)
		}
		if got := since(tt.after, open...); got != tt.want {
			t.Errorf("after %v: since %v, want %v", tt.after, got, tt.want)
		}
	}
}

// A listener that joins is told of what is open; one that is no more is forgotten.
func TestListenersChange(t *testing.T) {
	m, due := notify.Decide(notify.Memory{}, notify.Pass{Time: now, Alerts: []notify.Alert{low}}, []notify.Listener{post})
	m.Told(post, due[post.Key], now)
	m, due = notify.Decide(m, notify.Pass{Time: now.Add(time.Minute), Alerts: []notify.Alert{low}}, []notify.Listener{post, chat})
	if got := words(due); got != "webhook: PROXY-LOW" {
		t.Errorf("told %q", got)
	}
	m.Told(chat, due[chat.Key], now)
	m, due = notify.Decide(m, notify.Pass{Time: now.Add(2 * time.Minute)}, []notify.Listener{chat})
	if got := words(due); got != "webhook: PROXY-LOW ended" || m.Channels[post.Key] != nil {
		t.Errorf("told %q, channels %v", got, m.Channels)
	}
}

// That somebody cannot be reached is worth saying once a day.
func TestFailed(t *testing.T) {
	var m notify.Memory
	var said []int
	for hour := range 49 {
		if m.Failed(post, fmt.Errorf("no way\n%s", strings.Repeat("x", 1000)), now.Add(time.Duration(hour)*time.Hour)) {
			said = append(said, hour)
		}
	}
	l := m.Channels[post.Key]
	if !slices.Equal(said, []int{0, 24, 48}) || !l.Failed.Equal(now) || len(l.Error) > 300 || strings.Contains(l.Error, "\n") {
		t.Errorf("said at %d, since %v: %q", said, l.Failed, l.Error)
	}
	m.Told(post, nil, now)
	if l := m.Channels[post.Key]; !l.Failed.IsZero() || l.Error != "" {
		t.Errorf("after it was reached: %+v", l)
	}
}

// Over any life: nobody is told the same sooner than Every without a reason, nobody is told that something ended without having
// been told of it, and what was open for long was told. Seeds can be replayed.
func TestDecideOverLives(t *testing.T) {
	for seed := range uint64(150) {
		if err := live(seed); err != "" {
			t.Errorf("seed %d: %s", seed, err)
		}
	}
}

func live(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var m notify.Memory
	at := now
	type known struct {
		at     time.Time
		worst  notify.Severity
		open   bool // as they know it
		closed time.Time
	}
	knows := map[string]*known{}
	var opened time.Time
	for range 400 {
		at = at.Add(time.Duration(r.IntN(180)) * time.Minute)
		var open []notify.Alert
		if r.IntN(4) > 0 {
			open = append(open, notify.Alert{ID: "A", Subject: "s", Severity: []notify.Severity{notify.Warning, notify.Warning, notify.Critical}[r.IntN(3)]})
		}
		if len(open) == 0 {
			opened = time.Time{}
		} else if opened.IsZero() {
			opened = at
		}
		down := r.IntN(5) == 0
		var due map[string][]notify.Alert
		m, due = notify.Decide(m, notify.Pass{Time: at, Alerts: open}, []notify.Listener{post})
		for _, a := range due[post.Key] {
			k := knows["A"]
			switch {
			case a.State == notify.Ended && (k == nil || !k.open):
				return "told of an end that nobody waits for"
			case a.State == notify.Ended && len(open) > 0:
				return "told that it ended while it is open"
			case a.State == notify.Open && k != nil && k.open && at.Sub(k.at) < post.Every && !(a.Severity == notify.Critical && k.worst != notify.Critical):
				return fmt.Sprintf("told again after %v", at.Sub(k.at))
			}
		}
		if len(due[post.Key]) > 0 && !down {
			a := due[post.Key][0]
			if a.State == notify.Ended {
				knows["A"].open, knows["A"].closed = false, at
			} else {
				knows["A"] = &known{at: at.Truncate(time.Minute), worst: a.Severity, open: true}
			}
			m.Told(post, due[post.Key], at)
		}
		if k := knows["A"]; len(open) > 0 && !down && (k == nil || !k.open) {
			return "it is open, and they do not know"
		}
	}
	if len(m.Alerts) > 1 || len(m.Channels[post.Key].Told) > 1 {
		return "the memory grows"
	}
	return ""
}
