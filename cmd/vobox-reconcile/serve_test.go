package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// portHeld takes a port that nobody has.
func portHeld(t *testing.T) (address string, release func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), func() { l.Close() }
}

// asked is an answer.
type asked struct {
	code   int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url string, change func(*http.Request)) asked {
	t.Helper()
	in, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(in)
	}
	client := http.Client{Timeout: late, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	out, err := client.Do(in)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return asked{out.StatusCode, out.Header, string(body)}
}

// metric is the value of a metric, whose labels are given as they are printed.
func metric(t *testing.T, text, series string) string {
	t.Helper()
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, series+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Errorf("there is no %s in\n%s", series, text)
	return ""
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := p.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
}

// A resident serves what it knows, from the moment it has the address, wherever the configuration says.
func TestWatchServes(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick()
	first, release := portHeld(t)
	textfile := filepath.Join(t.TempDir(), "vobox.prom")
	good := string(read(t, b.Config)) + "metrics: {textfile: " + textfile + "}\nwatch: {listen: '" + first + "'}\n"
	write(t, b.Config, good)
	w := b.watch(t)
	if l := w.await("that the port is in use", func(l line) bool { return l.Alert == "LISTEN" }); !strings.Contains(l.Message, "address already in use") {
		t.Errorf("it is told as %+v", l)
	}
	w.hears("LISTEN")
	release()
	w.signal(syscall.SIGHUP)
	w.awaitMessage("serving the page")
	w.hears("all is as it should be")
	url := "http://" + first

	t.Run("page", func(t *testing.T) {
		a := ask(t, "GET", url+"/", nil)
		if a.code != 200 || a.header.Get("Content-Security-Policy") != page.Policy() || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", a.code, a.header)
		}
		for _, want := range []string{"All is well", "lcgadmin: renewed once in the last", "Restart jalien", `http-equiv="refresh"`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("the page does not say %q", want)
			}
		}
		if a := ask(t, "HEAD", url+"/", nil); a.code != 200 || a.body != "" {
			t.Errorf("HEAD: %d %q", a.code, a.body)
		}
	})
	t.Run("status.json", func(t *testing.T) {
		a := ask(t, "GET", url+"/status.json", nil)
		if got := a.header.Get("Content-Type"); a.code != 200 || got != "application/json" {
			t.Errorf("%d %s", a.code, got)
		}
		if got, want := steady(t, a.body), steady(t, b.must(0, "status", "-o", "json").stdout); got != want {
			t.Errorf("served:\n%s\nprinted:\n%s", got, want)
		}
	})
	t.Run("metrics", func(t *testing.T) {
		for name, text := range map[string]string{"served": ask(t, "GET", url+"/metrics", nil).body, "written": string(read(t, textfile))} {
			wellFormed(t, text)
			for series, want := range map[string]string{
				"vobox_config_valid": "1", `vobox_credential_state{credential="lcgadmin",kind="user",state="ok"}`: "1",
				`vobox_restarts_total{service="jalien"}`: "1", `vobox_step_failures_total{step="renew/proxy/lcgadmin"}`: "0",
				`vobox_steps_total{action="renew"}`: "2",
			} {
				if got := metric(t, text, series); got != want {
					t.Errorf("%s: %s is %s, want %s", name, series, got, want)
				}
			}
			if got := metric(t, text, `vobox_credential_left_seconds{credential="lcgadmin",kind="user"}`); len(got) != 6 || got[:2] != "17" {
				t.Errorf("%s: %s seconds are left of 48 hours", name, got)
			}
		}
		if info, err := os.Stat(textfile); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("the text file is %v, %v", info, err)
		}
	})
	t.Run("health", func(t *testing.T) {
		for _, path := range []string{"/healthz", "/readyz"} {
			if a := ask(t, "GET", url+path, nil); a.code != 200 || a.body != "ok\n" {
				t.Errorf("%s: %d %q", path, a.code, a.body)
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		for _, c := range []struct {
			method, path, host string
			code               int
		}{
			{"POST", "/", "", 405}, {"DELETE", "/metrics", "", 405}, {"OPTIONS", "/", "", 405}, {"GET", "/x", "", 404}, {"GET", "//", "", 404}, {"GET", "/metrics/", "", 404},
			{"GET", "/../etc/passwd", "", 404}, {"GET", "/", "attacker.example.org", 421}, {"GET", "/status.json", "attacker.example.org:80", 421},
			{"GET", "/healthz", "localhost:1", 200}, {"GET", "/healthz", "[::1]:9555", 200},
		} {
			a := ask(t, c.method, url, func(r *http.Request) {
				r.URL.Path = c.path
				if r.Host = c.host; c.host == "" {
					r.Host = first
				}
			})
			if a.code != c.code || a.header.Get("Location") != "" {
				t.Errorf("%s %s from %q: %d %v", c.method, c.path, c.host, a.code, a.header)
			}
		}
		long, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		long.Header.Set("X", strings.Repeat("x", 64<<10))
		if out, err := http.DefaultTransport.RoundTrip(long); err == nil { // it may be cut off before it has read the answer
			out.Body.Close()
			if out.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("a header of 64 KiB: %s", out.Status)
			}
		}
	})

	write(t, b.Config, strings.Replace(good, "vo: ", "vo: _", 1))
	w.hears("CONFIG")
	if a := ask(t, "GET", url+"/readyz", nil); a.code != 503 || !strings.Contains(a.body, "the configuration on disk has faults") {
		t.Errorf("with a broken configuration: %d %q", a.code, a.body)
	}
	if a := ask(t, "GET", url+"/healthz", nil); a.code != 200 {
		t.Errorf("the program is said to be dead: %d %q", a.code, a.body)
	}
	if a := ask(t, "GET", url+"/", nil); !strings.Contains(a.body, "<code>CONFIG</code>") {
		t.Error("the page does not show the alert")
	}
	for name, text := range map[string]string{"served": ask(t, "GET", url+"/metrics", nil).body, "written": string(read(t, textfile))} {
		if got := metric(t, text, "vobox_config_valid"); got != "0" {
			t.Errorf("%s: vobox_config_valid is %s", name, got)
		}
		metric(t, text, `vobox_alerts{id="CONFIG",severity="critical"}`)
	}

	second, release := portHeld(t)
	release()
	waiting := keepAlive(t, first)
	write(t, b.Config, strings.Replace(good, first, second, 1))
	w.awaitMessage("the configuration is good again")
	w.hears("all is as it should be")
	if a := ask(t, "GET", "http://"+second+"/readyz", nil); a.code != 200 {
		t.Errorf("at the new address: %d %q", a.code, a.body)
	}
	if c, err := net.Dial("tcp", first); err == nil {
		c.Close()
		t.Error("the old address still answers")
	}
	if _, err := waiting.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection to the old address is not closed: %v", err)
	}
	if testing.CoverMode() == "" {
		for range 20 {
			ask(t, "GET", "http://"+second+"/", nil)
			ask(t, "GET", "http://"+second+"/metrics", nil)
		}
		if kib := w.resident(); kib > 30<<10 {
			t.Errorf("it uses %d KiB of memory", kib)
		}
	}
	w.signal(syscall.SIGTERM)
	w.ends(0)
	noTemporaryFiles(t, filepath.Dir(textfile))
}

// keepAlive is a connection on which one request was answered.
func keepAlive(t *testing.T, address string) *bufio.Reader {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(late))
	fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r := bufio.NewReader(c)
	out, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out.Body); err != nil {
		t.Fatal(err)
	}
	return r
}

// steady is a status without what moves with the clock, and without what a pass plans next.
func steady(t *testing.T, text string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var still func(v any)
	still = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, part := range v {
				lower := strings.ToLower(key)
				if strings.HasSuffix(lower, "secondsleft") || key == "reason" || key == "time" || key == "nextLook" {
					v[key] = nil
				}
				still(part)
			}
		case []any:
			for _, part := range v {
				still(part)
			}
		}
	}
	still(v)
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Before the first pass there is nothing to show, and no pass is needed to know that the program lives.
func TestServeBeforeTheFirstPass(t *testing.T) {
	log := zerolog.Nop()
	m := newManager(log)
	defer m.close()
	w := newWeb(&app{world: world{now: time.Now}}, log, m)
	server := httptest.NewServer(w.handler(&net.TCPAddr{IP: net.IPv4zero}))
	defer server.Close()
	for path, code := range map[string]int{"/": 503, "/status.json": 503, "/readyz": 503, "/healthz": 200, "/metrics": 200} {
		if a := ask(t, "GET", server.URL+path, func(r *http.Request) { r.Host = "vobox.example.org" }); a.code != code {
			t.Errorf("%s: %d %q, want %d", path, a.code, a.body, code)
		}
	}
	m.alive(-time.Second)
	if a := ask(t, "GET", server.URL+"/healthz", nil); a.code != 503 {
		t.Errorf("a loop that hangs: %d %q", a.code, a.body)
	}
}

// Requests and passes get along: the race detector looks on.
func TestServeDuringPasses(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick().withMachineProxy()
	b.must(0)
	log := zerolog.Nop()
	m := newManager(log)
	defer m.close()
	a := &app{world: world{now: time.Now, getenv: func(name string) string { return b.env[name] }}}
	cfg, err := a.load()
	if err != nil {
		t.Fatal(err)
	}
	w := newWeb(a, log, m)
	r := &resident{app: a, log: log, manager: m, web: w, cfg: cfg, want: cfg.Desired(), told: map[string]told{}}
	r.cfg.Watch.Listen = "127.0.0.1:1"
	r.show(nil, errors.New("another reason"))
	r.show(nil, errors.New("no reason"))
	if why := w.current().unready(time.Now()); len(why) != 2 || !strings.Contains(why[1], "PASS") || !strings.Contains(why[1], "no reason") {
		t.Errorf("after a pass that could not be made it is not ready as %q", why)
	}
	server := httptest.NewServer(w.handler(&net.TCPAddr{IP: net.IPv4zero}))
	defer server.Close()
	var wg sync.WaitGroup
	for _, path := range []string{"/", "/metrics", "/status.json", "/readyz"} {
		wg.Go(func() {
			for range 5 {
				out, err := http.Get(server.URL + path)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, out.Body); err != nil || out.StatusCode != 200 && path != "/readyz" {
					t.Errorf("%s: %s, %v", path, out.Status, err)
				}
				out.Body.Close()
			}
		})
	}
	for range 5 {
		report := &reconcile.Report{Time: r.now(), NextLook: r.now().Add(time.Hour)}
		r.count(report)
		r.show(report, nil)
		r.showNext(r.now().Add(time.Hour))
	}
	wg.Wait()
	text := ask(t, "GET", server.URL+"/metrics", nil).body
	for result, want := range map[string]string{"error": "2", "unchanged": "5"} {
		if got := metric(t, text, `vobox_passes_total{result="`+result+`"}`); got != want {
			t.Errorf("%s passes are %s, want %s", got, result, want)
		}
	}
	if a := ask(t, "GET", server.URL+"/readyz", nil); a.code != 200 {
		t.Errorf("after good passes: %d %q", a.code, a.body)
	}
}

func TestUnready(t *testing.T) {
	well := exhibit{valid: true, made: start, interval: time.Hour}
	well.box.Have.Credentials = map[string]plan.CredentialState{}
	broken := well
	broken.box.Want.Credentials = []plan.Credential{{Name: "lcgadmin", Kind: plan.User}}
	with := func(change func(*exhibit)) exhibit {
		s := well
		change(&s)
		return s
	}
	for _, c := range []struct {
		name  string
		shown exhibit
		after time.Duration
		why   []string
	}{
		{"well", well, time.Hour, nil},
		{"as late as may be", well, time.Hour + grace, nil},
		{"late", well, time.Hour + grace + time.Second, []string{"the last pass was made on 2026-11-21 23:00 UTC, and they come within 1h"}},
		{"faults", with(func(s *exhibit) { s.valid = false }), 0, []string{"the configuration on disk has faults, and an older one is in force"}},
		{"no pass", with(func(s *exhibit) { s.made = time.Time{} }), 0, []string{"no pass was made yet"}},
		{"a warning", with(func(s *exhibit) { s.alerts = []plan.Alert{{ID: "X", Severity: plan.Warning}} }), 0, nil},
		{"critical", with(func(s *exhibit) {
			s.alerts = []plan.Alert{{ID: "X", Severity: plan.Critical, Subject: "y", Message: "two\nlines \x1b[31m"}}
		}), 0, []string{"X y: two; lines ?[31m"}},
		{"missing", broken, 0, []string{"lcgadmin is missing: there is none yet"}},
	} {
		if got := c.shown.unready(start.Add(c.after)); !slices.Equal(got, c.why) {
			t.Errorf("%s: %q, want %q", c.name, got, c.why)
		}
	}
}

// What the last pass told stays, what has come since is added, and nothing is told twice.
func TestDescribeAlerts(t *testing.T) {
	box := status.Box{Want: plan.Desired{Credentials: []plan.Credential{{Name: "lcgadmin", Kind: plan.User, AlertBelow: time.Hour, Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour}}},
		Have: plan.Observed{Credentials: map[string]plan.CredentialState{"lcgadmin": {Exists: true, EffectiveEnd: start.Add(2 * time.Hour), NotAfter: start.Add(2 * time.Hour), EndsWith: "the proxy"}}}}
	told := []plan.Alert{{ID: "MP-DOWN", Severity: plan.Warning, Subject: "lcgadmin"}}
	ids := func(at time.Time, told []plan.Alert) string {
		var out []string
		for _, a := range describe(box, at, told).Alerts {
			out = append(out, a.ID)
		}
		return strings.Join(out, " ")
	}
	if got := ids(start, told); got != "MP-DOWN" {
		t.Errorf("at the pass: %s", got)
	}
	if got := ids(start.Add(90*time.Minute), told); got != "MP-DOWN PROXY-LOW" {
		t.Errorf("an hour and a half later: %s", got)
	}
	if got := ids(start.Add(90*time.Minute), append(told, plan.Alert{ID: "PROXY-LOW", Subject: "lcgadmin"})); got != "MP-DOWN PROXY-LOW" {
		t.Errorf("told already: %s", got)
	}
	if doc := describe(status.Box{}, start, nil); doc.Alerts == nil {
		t.Error("no alerts are null in JSON")
	}
}

func TestLocalName(t *testing.T) {
	for host, want := range map[string]bool{"": true, "localhost": true, "LocalHost:9555": true, "127.0.0.1": true, "127.0.0.1:9555": true, "[::1]:9555": true, "[::1]": true,
		"10.0.0.1:80": true, "example.org": false, "example.org:9555": false, "localhost.example.org": false, "127.0.0.1.example.org": false, "x:y:z": false} {
		if got := localName(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

// A listener with room for one lets the second in when the first has gone, however often that is closed.
func TestLimited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn)
	one := &limited{Listener: l, room: make(chan struct{}, 1)}
	go func() {
		for {
			c, err := one.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	if len(one.room) != 1 {
		t.Errorf("%d places are taken", len(one.room))
	}
	select {
	case <-accepted:
		t.Error("there are two at once")
	default:
	}
	first.Close()
	first.Close()
	second := <-accepted
	l.Close()
	second.Close()
	if _, more := <-accepted; more {
		t.Error("a connection after the end")
	}
}
