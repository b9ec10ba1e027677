package notify_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
)

// The file belongs to the account: whatever is in it costs no more than that something is told again.
func TestParseMemory(t *testing.T) {
	good := `{"version":1,"time":"2026-11-21T22:00:00Z","alerts":[{"id":"MP-T12","severity":"warning","subject":"lcgadmin","since":"2026-11-20T22:00:00Z","seen":"2026-11-21T22:00:00Z"}],
		"channels":{"email":{"name":"email to a","told":{"` + notify.Key("MP-T12", "lcgadmin") + `":{"at":"2026-11-21T22:00:00Z","severity":"warning"}}}}}`
	for _, tt := range []struct {
		name, data string
		fault      bool
		told       bool // that the alert was told is believed
	}{
		{"good", good, false, true},
		{"empty", "", true, false},
		{"rubbish", "{", true, false},
		{"other type", `[1]`, true, false},
		{"null", `null`, true, false},
		{"other version", `{"version":2}`, true, false},
		{"too large", `{"version":1,"x":"` + strings.Repeat("x", notify.MaxMemory) + `"}`, true, false},
		{"told in the future", strings.ReplaceAll(good, `"at":"2026`, `"at":"2027`), false, false},
		{"told before there were computers", strings.ReplaceAll(good, `"at":"2026`, `"at":"0001`), false, false},
		{"told in a year of five digits", strings.ReplaceAll(good, `"at":"2026`, `"at":"12026`), true, false},
		{"seen in the future", strings.ReplaceAll(good, `"since":"2026`, `"since":"2999`), false, false},
		{"of no severity", strings.ReplaceAll(good, `Z","severity":"warning"}}`, `Z","severity":"none"}}`), false, false},
		{"of another alert", strings.ReplaceAll(good, `"subject":"lcgadmin"`, `"subject":"other"`), false, false},
		{"channel null", `{"version":1,"channels":{"email":null}}`, false, false},
		{"text that moves the cursor", strings.ReplaceAll(good, `"lcgadmin"`, `"lcgadmin","message":"\u001b[2J\u202e\n"`), false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := notify.ParseMemory([]byte(tt.data), now)
			if (err != nil) != tt.fault {
				t.Errorf("error %v, want one: %t", err, tt.fault)
			}
			for _, a := range m.Open() {
				if strings.ContainsAny(a.Message, "\x1b\n\u202e") {
					t.Errorf("message %q", a.Message)
				}
			}
			_, due := notify.Decide(m, notify.Pass{Time: now, Alerts: []notify.Alert{t12}}, []notify.Listener{post})
			if told := len(due) == 0; told != tt.told {
				t.Errorf("it is believed that it was told: %t, want %t", told, tt.told)
			}
		})
	}
}

// The memory stays within what is read again, however many alerts there are, and the worst are those that are kept.
func TestMemoryIsBounded(t *testing.T) {
	var pass notify.Pass
	pass.Time = now
	long := "…" + strings.Repeat("x", 1500)
	for i := range 1100 {
		pass.Alerts = append(pass.Alerts, notify.Alert{ID: "MP-NET", Severity: notify.Warning, Subject: fmt.Sprintf("proxy %d %s", i, long), Message: long, Remedy: long, Where: long})
	}
	pass.Alerts = append(pass.Alerts, critical(low))
	var listeners []notify.Listener
	for i := range 12 {
		listeners = append(listeners, notify.Listener{Key: fmt.Sprintf("webhook %d", i), Every: time.Hour})
	}
	m, due := notify.Decide(notify.Memory{}, pass, listeners)
	for _, l := range listeners {
		if due[l.Key][0].ID != "PROXY-LOW" {
			t.Fatalf("the first of %d is %s", len(due[l.Key]), due[l.Key][0].ID)
		}
		m.Told(l, due[l.Key], now)
	}
	data, err := m.Marshal()
	if err != nil || len(data) > notify.MaxMemory {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	again, err := notify.ParseMemory(data, now)
	if err != nil {
		t.Fatal(err)
	}
	pass.Time = now.Add(time.Minute)
	if m, due := notify.Decide(again, pass, listeners); len(due) > 0 && len(m.Open()) > 1000 {
		t.Errorf("%d listeners are told again, of %d alerts", len(due), len(m.Open()))
	}
}

// What is written is read as it was.
func TestMemoryRoundTrip(t *testing.T) {
	m, due := notify.Decide(notify.Memory{}, notify.Pass{Time: now, Alerts: []notify.Alert{low, critical(t12)}}, []notify.Listener{post, chat})
	m.Told(post, due[post.Key], now)
	m.Failed(chat, fmt.Errorf("nobody there"), now)
	data, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := notify.ParseMemory(data, now)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Marshal(); err != nil || !bytes.Equal(data, second) {
		t.Errorf("%v\n%s\nwant\n%s", err, second, data)
	}
}
