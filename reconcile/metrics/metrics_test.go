package metrics_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/metrics"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

var mine = atomicfile.Options{Mode: 0o600, UID: -1, GID: -1}

func in(d time.Duration) time.Time { return now.Add(d) }

// aStatus has each kind of thing in it.
func aStatus() *status.Doc {
	moment := func(t time.Time) *time.Time { return &t }
	c := func(name, kind, state string, end, ac time.Duration) status.Credential {
		d := status.Credential{Name: name, Kind: kind, State: state, Identity: "/DC=org/CN=Jane Doe", VO: "alice"}
		if end != 0 {
			effective, acEnd := in(end), time.Time{}
			if ac != 0 {
				effective, acEnd = in(min(end, ac)), in(ac)
			}
			d.SetTimes(in(end), acEnd, effective, now)
		}
		return d
	}
	machine := c("machine-proxy", "machine", "ok", 23*time.Hour, 0)
	machine.NextRenewal, machine.Forecast = moment(in(11*time.Hour)), &status.Forecast{End: moment(in(100 * 24 * time.Hour))}
	return &status.Doc{
		Credentials: []status.Credential{
			machine,
			c("lcgadmin", "user", "due", 48*time.Hour, 39*time.Hour),
			c("lcgadmin@myproxy.cern.ch:7512", "stored", "alert", 200*time.Hour, 0),
			c("pilot", "user", "missing", 0, 0),
			c("pilot@myproxy.cern.ch:7512", "stored", "unknown", 0, 0),
			c("broken", "user", "invalid", 47*time.Hour, 0),
			c("old", "user", "expired", -time.Hour, 0),
		},
		EnvFiles: []status.EnvFile{{Path: "/home/alicesgm/.alien/config/CE.env", State: "ok"}, {Path: "/home/alicesgm/\"ml\".env", State: "due"}},
		Services: []status.Service{{Name: "jalien", State: "ok", LastRestart: moment(in(-5 * time.Hour))}, {Name: "other", State: "unknown"}},
		Alerts: []plan.Alert{
			{ID: "MP-T12", Severity: plan.Warning, Subject: "lcgadmin"}, {ID: "MP-T12", Severity: plan.Warning, Subject: "pilot"},
			{ID: "PROXY-LOW", Severity: plan.Critical, Subject: "old"},
		},
		FirstToBreak: &status.Break{Subject: "old", When: moment(now)},
		Time:         now, NextLook: moment(in(2 * time.Hour)),
	}
}

func aReport() *reconcile.Report {
	step := func(action plan.Action, id, target string, result reconcile.Result) reconcile.Outcome {
		return reconcile.Outcome{Step: plan.Step{ID: id, Action: action, Target: target}, Result: result}
	}
	return &reconcile.Report{Time: now.Add(123 * time.Millisecond), Outcomes: []reconcile.Outcome{
		step(plan.Renew, "renew/proxy/lcgadmin", "lcgadmin", reconcile.Done),
		step(plan.Renew, "renew/proxy/pilot", "pilot", reconcile.Failed),
		step(plan.Write, "write/env-file/x", "/x", reconcile.Skipped),
		step(plan.Restart, "restart/service/jalien", "jalien", reconcile.Done),
		step(plan.Restart, "restart/service/other", "other", reconcile.Failed),
		step(plan.Restart, "restart/service/third", "third", reconcile.Deferred),
	}}
}

func aSample() metrics.Sample {
	r := metrics.NewRecord(in(-24 * time.Hour))
	r.Count(&reconcile.Report{Time: in(-time.Hour)}, 5*time.Millisecond)
	r.Count(nil, time.Second)
	r.Count(aReport(), 1500*time.Millisecond)
	return metrics.Sample{Program: "v1.2.3", ConfigValid: true, Status: aStatus(), Record: r}
}

func text(t *testing.T, s metrics.Sample) string {
	t.Helper()
	data, err := metrics.Write(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWrite(t *testing.T) {
	got := text(t, aSample())
	path := filepath.Join("..", "..", "testdata", "golden", "metrics.prom")
	got = strings.ReplaceAll(got, fmt.Sprintf("goversion=%q", goVersion()), `goversion="GO"`)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with -update", err)
	}
	if got != string(want) {
		t.Errorf("not what %s says (-update writes it anew):\n%s", path, diff.Diff("want", want, "got", []byte(got)))
	}
}

// What has no end has no series for it, and what was not looked at is not made up.
func TestWriteLittle(t *testing.T) {
	got := text(t, metrics.Sample{Program: "dev"})
	for _, absent := range []string{"vobox_credential", "vobox_pass", "vobox_alerts"} {
		if strings.Contains(got, absent) {
			t.Errorf("%s is there although nothing was looked at:\n%s", absent, got)
		}
	}
	if !strings.Contains(got, "\nvobox_config_valid 0\n") {
		t.Errorf("the configuration is not told to be invalid:\n%s", got)
	}
	got = text(t, aSample())
	for _, absent := range []string{`_left_seconds{credential="pilot@`, `expiry_timestamp_seconds{credential="pilot"`, "Jane", "NaN"} {
		if strings.Contains(got, absent) {
			t.Errorf("%s is there:\n%s", absent, got)
		}
	}
}

// Whatever names there are, the result can be read back, with each series once.
func TestWriteHostileNames(t *testing.T) {
	s := aSample()
	twice := s.Status.Credentials[0]
	strange := twice
	strange.Name = "a\"b\\c\nd\xff" + strings.Repeat("é", 600)
	s.Status.Credentials = append(s.Status.Credentials, twice, strange)
	s.Status.Alerts = append(s.Status.Alerts, plan.Alert{ID: "X\x00Y", Severity: "so\xffso"})
	p := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := p.TextToMetricFamilies(strings.NewReader(text(t, s))); err != nil {
		t.Error(err)
	}
}

func TestHandler(t *testing.T) {
	server := httptest.NewServer(metrics.Handler(aSample))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := text(t, aSample()); string(body) != want {
		t.Errorf("served is not what is written:\n%s", diff.Diff("written", []byte(want), "served", body))
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type is %q", got)
	}
}

// Who asks while four others wait for their answer is told to come again, and is served when one of them has it.
func TestHandlerIsBounded(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	h := metrics.Handler(func() metrics.Sample {
		asked <- struct{}{}
		<-answer
		return aSample()
	})
	get := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Code
	}
	codes := make(chan int)
	for range 4 {
		go func() { codes <- get() }()
		<-asked
	}
	if code := get(); code != http.StatusServiceUnavailable {
		t.Errorf("the fifth is told %d", code)
	}
	close(answer)
	for range 4 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("one of four is told %d", code)
		}
	}
	go func() { <-asked }()
	if code := get(); code != http.StatusOK {
		t.Errorf("afterwards one is told %d", code)
	}
}

// Debian's promtool finds nothing to complain about.
func TestPromtoolMetrics(t *testing.T) {
	cmd := exec.Command(promtool(t), "check", "metrics")
	cmd.Stdin = strings.NewReader(text(t, aSample()))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r, err := metrics.LoadRecord(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	r.Count(aReport(), 1500*time.Millisecond)
	if err := r.Save(dir, mine); err != nil {
		t.Fatal(err)
	}
	if r, err = metrics.LoadRecord(dir, in(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !r.LastSuccess.IsZero() || !r.Last.Equal(now) || r.Seconds != 1.5 || !r.Since.Equal(now) {
		t.Errorf("after a failed pass: %+v", r)
	}
	later := aReport()
	later.Time = in(time.Hour)
	later.Outcomes = later.Outcomes[:1]
	r.Count(later, time.Second)
	r.Count(&reconcile.Report{Time: in(2 * time.Hour)}, -time.Second)
	if !r.LastSuccess.Equal(in(2*time.Hour)) || r.Seconds != 0 {
		t.Errorf("after good passes: %+v", r)
	}
	for _, c := range []struct {
		what      string
		got, want map[string]uint64
	}{
		{"passes", r.Passes, map[string]uint64{"unchanged": 1, "changed": 1, "failed": 1, "error": 0}},
		{"steps", r.Steps, map[string]uint64{"renew": 2, "restart": 1}},
		{"failures", r.Failures, map[string]uint64{"renew/proxy/pilot": 1, "restart/service/other": 1}},
		{"restarts", r.Restarts, map[string]uint64{"jalien": 1, "other": 1}},
	} {
		if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("%s are %v, want %v", c.what, c.got, c.want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "metrics.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record is %v, %v", info, err)
	}
}

// What the configuration has begins at 0, and what has been counted stays.
func TestRecordExpect(t *testing.T) {
	r := metrics.NewRecord(now)
	r.Count(aReport(), time.Second)
	r.Expect(plan.Desired{Credentials: []plan.Credential{{Name: plan.MachineName, Kind: plan.Machine, Observe: true}, {Name: "pilot", Kind: plan.User}, {Name: "new", Kind: plan.User}},
		Services: []plan.Service{{Name: "jalien"}, {Name: "fresh"}}})
	if got, want := fmt.Sprint(r.Failures, r.Restarts, r.Steps), "map[renew/proxy/new:0 renew/proxy/pilot:1 restart/service/other:1] map[fresh:0 jalien:1 other:1] map[link:0 renew:1 restart:1 write:0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A record that cannot be used is said to be so, and counting begins anew.
func TestRecordUnusable(t *testing.T) {
	for name, content := range map[string]string{"garbage": "{", "another version": `{"version":2}`, "another type": `{"version":1,"passes":[1]}`, "negative": `{"version":1,"passes":{"failed":-1}}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "metrics.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := metrics.LoadRecord(dir, now)
			if err == nil || !strings.Contains(err.Error(), "begin anew") {
				t.Errorf("the error is %v", err)
			}
			if r.Since != now || r.Passes[metrics.Failed] != 0 {
				t.Errorf("the record is %+v", r)
			}
		})
	}
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "metrics.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.LoadRecord(dir, now); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("a link: %v", err)
	}
}

// However many names there have been, there is an end to the series, and nothing is lost from the sum.
func TestRecordIsBounded(t *testing.T) {
	r := metrics.NewRecord(now)
	for i := range 1000 {
		r.Count(&reconcile.Report{Time: now, Outcomes: []reconcile.Outcome{{Step: plan.Step{ID: fmt.Sprintf("write/env-file/%d", i), Action: plan.Write}, Result: reconcile.Failed}}}, 0)
	}
	sum := uint64(0)
	for _, n := range r.Failures {
		sum += n
	}
	if len(r.Failures) > 201 || sum != 1000 || r.Failures["other"] == 0 {
		t.Errorf("%d series with a sum of %d, %d of others", len(r.Failures), sum, r.Failures["other"])
	}
}

// The record belongs to an account: whatever it writes there, what is exposed can be read.
func FuzzRecord(f *testing.F) {
	dir := f.TempDir()
	r := metrics.NewRecord(now)
	r.Count(aReport(), time.Second)
	if err := r.Save(dir, mine); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "metrics.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"seconds":1e400,"passes":{"x\ny":18446744073709551615},"last":"9999-12-31T23:59:59Z"}`))
	f.Add([]byte(`{"version":1,"failures":{"\u0000":1,"":2},"since":"0001-01-01T00:00:00Z"}`))
	path := filepath.Join(dir, "metrics.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, _ := metrics.LoadRecord(dir, now)
		out, err := metrics.Write(metrics.Sample{Record: r})
		if err != nil {
			t.Fatal(err)
		}
		p := expfmt.NewTextParser(model.UTF8Validation)
		families, err := p.TextToMetricFamilies(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		series := 0
		for _, fam := range families {
			for _, m := range fam.Metric {
				series++
				if v := m.GetCounter().GetValue(); v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s is %v", fam.GetName(), v)
				}
			}
		}
		if series > 700 {
			t.Errorf("%d series", series)
		}
	})
}
