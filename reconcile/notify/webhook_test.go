package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
)

const token = "t0ken-that-nobody-may-see"

// hook is a webhook to a server that answers by f, which is told how many requests there were before. Its path is a secret,
// as a chat's is.
func hook(t *testing.T, f func(n int, w http.ResponseWriter, r *http.Request)) (*notify.Webhook, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(int(n.Add(1))-1, w, r) }))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return &notify.Webhook{URL: server.URL + "/hooks/" + token, Read: os.ReadFile, Pause: time.Millisecond}, &n
}

// The message arrives as one JSON object, with the headers of the file.
func TestWebhook(t *testing.T) {
	var got []byte
	var header http.Header
	w, n := hook(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		header = r.Header
		if r.Method != http.MethodPost {
			t.Errorf("method %s", r.Method)
		}
	})
	w.HeadersFile = password(t, "# for the chat\nAuthorization: Bearer "+token+"\r\n\nX-Room: 5\nX-Room: 6")
	if err := deliver(t, w, message()); err != nil {
		t.Fatal(err)
	}
	if n.Load() != 1 || header.Get("Authorization") != "Bearer "+token || strings.Join(header["X-Room"], ",") != "5,6" || header.Get("Content-Type") != "application/json" {
		t.Errorf("%d requests, header %v", n.Load(), header)
	}
	var doc struct {
		Version                                 int
		Source, Host, VO, Severity, Title, Text string
		Time                                    time.Time
		Test                                    bool
		Alerts                                  []map[string]string
	}
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if doc.Version != 1 || doc.Host != "vobox.example.org" || doc.VO != "alice" || doc.Severity != "critical" || !doc.Time.Equal(now) || doc.Test ||
		!strings.Contains(doc.Text, remedy) || doc.Title != message().Headline() || len(doc.Alerts) != 3 {
		t.Errorf("got %s", got)
	}
	want := map[string]string{"id": "MP-T12", "severity": "warning", "subject": "lcgadmin", "state": "open", "remedy": remedy, "where": "LCG-UI",
		"message": message().Alerts[1].Message, "since": "2026-11-20T20:00:00Z", "told": "2026-11-20T21:00:00Z"}
	if fmt.Sprint(doc.Alerts[1]) != fmt.Sprint(want) {
		t.Errorf("alert %v, want %v", doc.Alerts[1], want)
	}
}

// What may be otherwise next time is tried again, a refusal is not.
func TestWebhookTriesAgain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  func(n int, w http.ResponseWriter, r *http.Request)
		tries   int
		words   []string
		deliver bool
	}{
		{"500 twice", func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 2 {
				http.Error(w, "oops", http.StatusInternalServerError)
			}
		}, 3, nil, true},
		{"429 once", func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 1 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}, 2, nil, true},
		{"hangs up once", func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 1 {
				panic(http.ErrAbortHandler)
			}
		}, 2, nil, true},
		{"503 for ever", func(n int, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
		},
			4, []string{"503 Service Unavailable", "down for maintenance", "(4 tries)", "nothing, if the next pass succeeds"}, false},
		{"400", func(n int, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "invalid_payload\n\x1b[2J", http.StatusBadRequest)
		},
			1, []string{"400 Bad Request: invalid_payload"}, false},
		{"401 that repeats the token", func(n int, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "unknown: "+r.Header.Get("Authorization")+" at "+r.URL.String(), http.StatusUnauthorized)
		}, 1, []string{"401", "***", "alerts[].webhook.headersFile"}, false},
		{"404", func(n int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 1, []string{"404", "correct alerts[].webhook.url"}, false},
		{"501", func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotImplemented) }, 1, []string{"501"}, false},
		{"an answer without end", func(n int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		}, 1, []string{"400"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, n := hook(t, tt.answer)
			w.HeadersFile = password(t, "Authorization: Bearer "+token+"\n")
			err := deliver(t, w, message())
			if tt.deliver && err != nil {
				t.Error(err)
			} else if !tt.deliver {
				refused(t, err, token, tt.words...)
			}
			if int(n.Load()) != tt.tries {
				t.Errorf("%d requests, want %d", n.Load(), tt.tries)
			}
		})
	}
}

// The token goes nowhere but where the configuration says, and an alert is not taken for delivered because somebody has
// answered a GET.
func TestWebhookIsNotLedAway(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		other, n := hook(t, func(int, http.ResponseWriter, *http.Request) {})
		w, _ := hook(t, func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, code) })
		w.HeadersFile = password(t, "X-Token: "+token+"\n")
		refused(t, deliver(t, w, message()), token, "to http://127.0.0.1:", "write the address that it redirects to in alerts[].webhook.url")
		if n.Load() != 0 {
			t.Errorf("%d was followed", code)
		}
	}
}

// A fakeNet answers requests without a network; answer is told how many there were before.
type fakeNet struct {
	n      int
	answer func(n int, r *http.Request) (*http.Response, error)
}

func (f *fakeNet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.n++
	return f.answer(f.n-1, r)
}

// A server that does not answer is asked again while there is time, and not longer.
func TestWebhookHangs(t *testing.T) {
	silence := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	once := func(n int, r *http.Request) (*http.Response, error) {
		if n == 0 {
			return silence(n, r)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}
	for _, tt := range []struct {
		name    string
		answer  func(n int, r *http.Request) (*http.Response, error)
		tries   int
		most    time.Duration
		deliver bool
	}{{"once", once, 2, 15 * time.Second, true}, {"for ever", silence, 4, 20 * time.Second, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := &fakeNet{answer: tt.answer}
				w := &notify.Webhook{URL: "https://chat.example.org/" + token, Client: &http.Client{Transport: net}}
				d := &notify.Delivery{Channel: w, Message: message()}
				notify.Deliver(t.Context(), 0, []*notify.Delivery{d})
				if net.n < 2 || net.n > tt.tries || d.Took > tt.most || d.Delivered() != tt.deliver {
					t.Errorf("%d requests in %v: %v", net.n, d.Took, d.Err)
				}
				if !tt.deliver {
					refused(t, d.Err, token, "no end within", "let the box connect to chat.example.org")
				}
			})
		})
	}
}

func TestWebhookNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	w := &notify.Webhook{URL: server.URL + "/" + token, Pause: time.Millisecond}
	refused(t, deliver(t, w, message()), token, "connection refused", "a firewall")
	w.URL = "https://no-such-host.invalid/" + token
	refused(t, deliver(t, w, message()), token, "getent hosts no-such-host.invalid")
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	w.URL = secure.URL + "/" + token
	refused(t, deliver(t, w, message()), token, "certificate", "update-ca-certificates")
}

func TestHeadersFile(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"no colon", "X-Good: yes\nBearer " + token, "line 2 is not of the form Name: value"},
		{"space in the name", "X Token: " + token, "line 1"},
		{"folded", "X-Token: a\n b: " + token, "line 2"},
		{"control character", "X-Token: \x1b" + token, "line 1 has a control character"},
		{"smuggled", "Transfer-Encoding: chunked", "Transfer-Encoding is not for a file"},
		{"length", "content-length: 5", "Content-Length is not for a file"},
		{"long", "X-Token: " + strings.Repeat(token, 1000), "longer than"},
		{"many", strings.Repeat("X-A: b\n", 100), "more than 50"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, n := hook(t, func(int, http.ResponseWriter, *http.Request) {})
			w.HeadersFile = password(t, tt.content)
			refused(t, deliver(t, w, message()), token, tt.want, w.HeadersFile)
			if n.Load() != 0 {
				t.Error("it was sent all the same")
			}
		})
	}
	w, _ := hook(t, func(int, http.ResponseWriter, *http.Request) {})
	w.HeadersFile = "/nonexistent/headers"
	refused(t, deliver(t, w, message()), token, "/nonexistent/headers")
}

// What is shown of a channel, and what it is remembered by, has no secret in it, and tells channels apart.
func TestNamesAndKeys(t *testing.T) {
	channels := []notify.Channel{
		&notify.Webhook{URL: "https://chat.example.org/hooks/" + token}, &notify.Webhook{URL: "https://chat.example.org/hooks/other-" + token},
		&notify.Webhook{URL: "https://user:" + token + "@chat.example.org/"},
		&notify.Command{Argv: []string{"/usr/local/bin/page-me", "--token", token}}, &notify.Command{Argv: []string{"/usr/local/bin/page-me"}},
		&notify.Email{To: []string{"b@example.org", "a@example.org"}, Server: "localhost:25"}, &notify.Email{To: []string{"a@example.org"}, Server: "localhost:25"},
	}
	keys := map[string]bool{}
	for _, c := range channels {
		if strings.Contains(c.Name()+c.Key(), token) || !strings.HasPrefix(c.Name(), c.Kind()+" ") || keys[c.Key()] {
			t.Errorf("kind %q, name %q, key %q", c.Kind(), c.Name(), c.Key())
		}
		keys[c.Key()] = true
	}
	again := &notify.Email{To: []string{"a@example.org", "b@example.org"}, Server: "relay.example.org:587", TLS: notify.TLSStartTLS}
	if !keys[again.Key()] {
		t.Errorf("another way to the same people is another channel: %q", again.Key())
	}
}

var _ notify.Channel = (*notify.Webhook)(nil)

// The channels do not wait for each other, and one that panics or never ends is no more than one that fails.
func TestDeliverSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block, both := make(chan struct{}), make(chan struct{})
		var begin sync.WaitGroup
		begin.Add(3)
		go func() { begin.Wait(); close(both) }()
		channel := func(name string, f func(ctx context.Context) error) *notify.Delivery {
			return &notify.Delivery{Message: message(), Channel: stub{name, func(ctx context.Context) error { begin.Done(); return f(ctx) }}}
		}
		good := channel("good", func(context.Context) error { <-both; return nil }) // ends only once the others have begun
		bad := channel("bad", func(context.Context) error { panic("as intended") })
		stuck := channel("stuck", func(context.Context) error { <-block; return nil })
		start := time.Now()
		notify.Deliver(t.Context(), 20*time.Second, []*notify.Delivery{stuck, bad, good})
		if took := time.Since(start); took > 22*time.Second {
			t.Errorf("it took %v", took)
		}
		if good.Err != nil || good.Took > 0 {
			t.Errorf("good: %v, after %v", good.Err, good.Took)
		}
		if bad.Delivered() || !strings.Contains(bad.Err.Error(), "as intended") {
			t.Errorf("bad: %v", bad.Err)
		}
		if stuck.Delivered() || !strings.Contains(stuck.Err.Error(), "does not end") {
			t.Errorf("stuck: %v", stuck.Err)
		}
		close(block)
	})
}

// A stub is a channel that does what a test says.
type stub struct {
	name string
	f    func(ctx context.Context) error
}

func (s stub) Kind() string                                        { return "stub" }
func (s stub) Name() string                                        { return s.name }
func (s stub) Key() string                                         { return s.name }
func (s stub) Deliver(ctx context.Context, _ notify.Message) error { return s.f(ctx) }
