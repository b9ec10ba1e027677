package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/metrics"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// refresh is how often a browser loads the page again.
const refresh = 2 * time.Minute

// grace is how much longer than watch.interval a pass may take to come and be made before the resident is not ready.
const grace = 15 * time.Minute

// handler answers at an address. Nothing that it serves changes anything.
func (w *web) handler(at net.Addr) http.Handler {
	pages := map[string]http.Handler{"/": http.HandlerFunc(w.servePage), "/status.json": http.HandlerFunc(w.serveStatus),
		"/healthz": http.HandlerFunc(w.serveHealth), "/readyz": http.HandlerFunc(w.serveReady), "/metrics": metrics.Handler(w.sample)}
	own := isLoopback(at)
	return http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		h := out.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		switch {
		case in.Method != http.MethodGet && in.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(out, "this can be read, and nothing else", http.StatusMethodNotAllowed)
		case own && !localName(in.Host):
			http.Error(out, "this is served on loopback only, under the name localhost or an address", http.StatusMisdirectedRequest)
		case pages[in.URL.Path] == nil:
			http.Error(out, "there is /, /status.json, /metrics, /healthz and /readyz", http.StatusNotFound)
		default:
			pages[in.URL.Path].ServeHTTP(out, in)
		}
	})
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// localName reports whether a browser on this machine may mean it by that name. A page from elsewhere can have its own
// name resolved to 127.0.0.1, and would be given what is served there; the name that the browser sends tells them apart.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return host == "" || strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

// notYet answers before the first pass.
func notYet(out http.ResponseWriter) {
	out.Header().Set("Retry-After", "5")
	http.Error(out, "the first pass is under way", http.StatusServiceUnavailable)
}

func (w *web) sample() metrics.Sample {
	s := w.current()
	if s == nil {
		return metrics.Sample{Program: versionString(), ConfigValid: true}
	}
	return s.sample(w.now())
}

func (w *web) servePage(out http.ResponseWriter, _ *http.Request) {
	s := w.current()
	if s == nil {
		notYet(out)
		return
	}
	html, err := page.Render(page.Input{Status: s.status(w.now()), History: s.history, Past: page.Recent, VO: s.box.Want.VO, Host: w.host,
		Version: versionString(), Refresh: refresh})
	if err != nil {
		w.log.Error().Err(err).Msg("making the page")
		http.Error(out, "the page cannot be made: see the log", http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Security-Policy", page.Policy())
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.Write(html)
}

func (w *web) serveStatus(out http.ResponseWriter, _ *http.Request) {
	s := w.current()
	if s == nil {
		notYet(out)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	if err := writeJSON(out, s.status(w.now())); err != nil {
		w.log.Debug().Err(err).Msg("answering")
	}
}

// serveHealth says whether the program lives: its loop has shown so within the time it may need. It does not say whether
// what it looks after is well; that a box has no valid proxy is no reason to start the program again.
func (w *web) serveHealth(out http.ResponseWriter, _ *http.Request) {
	if !w.manager.beats() {
		http.Error(out, "the loop hangs", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(out, "ok")
}

// beats reports whether the loop has shown that it is alive within the time that it asked for.
func (m *manager) beats() bool { return int64(time.Since(m.begin)) < m.until.Load() }

// serveReady says whether the box can be relied on: the configuration on disk is in force, the last pass is no older than
// it may be, and nothing is broken or critical. Otherwise it says what, one reason on each line.
func (w *web) serveReady(out http.ResponseWriter, _ *http.Request) {
	s := w.current()
	if s == nil {
		notYet(out)
		return
	}
	if why := s.unready(w.now()); len(why) > 0 {
		http.Error(out, strings.Join(why, "\n"), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(out, "ok")
}

// unready lists why the box cannot be relied on.
func (s *exhibit) unready(now time.Time) []string {
	var why []string
	if !s.valid {
		why = append(why, "the configuration on disk has faults, and an older one is in force")
	}
	switch late := now.Sub(s.made) - s.interval - grace; {
	case s.made.IsZero():
		why = append(why, "no pass was made yet")
	case late > 0:
		why = append(why, fmt.Sprintf("the last pass was made on %s, and they come within %s", plan.Clock(s.made), plan.Span(s.interval)))
	}
	doc := s.status(now)
	for _, c := range doc.Credentials {
		switch c.State {
		case "expired", "missing", "invalid":
			why = append(why, fmt.Sprintf("%s is %s: %s", c.Name, c.State, c.Reason))
		}
	}
	for _, f := range doc.EnvFiles {
		if f.State == "invalid" {
			why = append(why, fmt.Sprintf("%s cannot be kept: %s", f.Path, f.Reason))
		}
	}
	for _, al := range doc.Alerts {
		if al.Severity == plan.Critical {
			why = append(why, fmt.Sprintf("%s %s: %s", al.ID, al.Subject, al.Message))
		}
	}
	for i := range why {
		why[i] = strings.ReplaceAll(printable(why[i]), "\n", "; ")
	}
	return why
}

// A limited listener has no more than so many connections at once; the others wait in the kernel's queue.
type limited struct {
	net.Listener
	room chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &counted{Conn: c, leave: func() { <-l.room }}, nil
}

// A counted connection makes room when it is closed.
type counted struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *counted) Close() error {
	defer c.once.Do(c.leave)
	return c.Conn.Close()
}
