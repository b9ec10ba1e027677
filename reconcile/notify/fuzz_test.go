package notify_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
)

// Whatever the file holds: what comes out can be used and written, is what is read again, and nothing in it is of the future.
func FuzzParseMemory(f *testing.F) {
	m, due := notify.Decide(notify.Memory{}, notify.Pass{Time: now, Alerts: []notify.Alert{low, t12}}, []notify.Listener{post, chat})
	m.Told(post, due[post.Key], now)
	good, err := m.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"alerts":[{"id":"A","since":"9999-12-31T23:59:59Z"}],"channels":{"email":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _ := notify.ParseMemory(data, now)
		first, err := m.Marshal()
		if err != nil || len(first) > notify.MaxMemory {
			t.Fatalf("%d bytes, %v", len(first), err)
		}
		again, err := notify.ParseMemory(first, now)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := again.Marshal(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%v: written and read it is\n%s\nand was\n%s", err, second, first)
		}
		for _, a := range m.Open() {
			if a.Since.After(now.Add(time.Hour)) || strings.ContainsAny(a.ID+a.Subject+a.Message, "\n\x1b") {
				t.Errorf("%+v", a)
			}
		}
		next, due := notify.Decide(m, notify.Pass{Time: now, Alerts: []notify.Alert{low}}, []notify.Listener{post, chat})
		for _, l := range []notify.Listener{post, chat} {
			next.Told(l, due[l.Key], now)
		}
		if _, more := notify.Decide(next, notify.Pass{Time: now, Alerts: []notify.Alert{low}}, []notify.Listener{post, chat}); len(more) > 0 {
			t.Errorf("what was told is told again: %v", more)
		}
	})
}

// Whatever an alert says, its lines are ours, in a mail's subject and its text.
func FuzzMessage(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, "lcgadmin", s, s)
	}
	f.Fuzz(func(t *testing.T, id, subject, message, remedy string) {
		for _, state := range []notify.State{notify.Open, notify.Ended} {
			m := notify.Message{Host: subject, VO: id, Time: now, Every: time.Hour, Alerts: []notify.Alert{
				{ID: id, Subject: subject, Message: message, Remedy: remedy, Where: message, Severity: notify.Severity(remedy), State: state, Since: now}}}
			if h := m.Headline(); !strings.HasPrefix(h, "[") || len(h) > 200 || strings.ContainsAny(h, "\r\n\x00\x1b") || strings.Contains(h, "=?") {
				t.Errorf("headline %q", h)
			}
			checkText(t, m.Text())
			if len(m.Text()) > 8<<10 {
				t.Errorf("a text of %d bytes for one alert", len(m.Text()))
			}
			if a := m.Alerts[0].Clean(); a != a.Clean() {
				t.Errorf("clean is %+v, and cleaned again %+v", a, a.Clean())
			}
		}
	})
}

// What is taken for headers can be sent as headers.
func FuzzParseHeaders(f *testing.F) {
	f.Add([]byte("Authorization: Bearer x\r\n# comment\n\nX-Room: 5\n"))
	f.Add([]byte("A:\tb\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := notify.ParseHeaders(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := h.Write(&b); err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, values := range h {
			lines += len(values)
		}
		if got := bytes.Count(b.Bytes(), []byte("\n")); got != lines {
			t.Errorf("%d lines for %d values: %q", got, lines, b.Bytes())
		}
		_ = http.Header(h)
	})
}
