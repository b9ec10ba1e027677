package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// metricsTo has the box write a text file.
func (b *box) metricsTo(path string) *box {
	b.t.Helper()
	write(b.t, b.Config, string(read(b.t, b.Config))+"metrics: {textfile: "+path+"}\n")
	return b
}

// From run to run of cron's, counters go on counting, and gauges are of the last one.
func TestTextfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vobox.prom")
	b := newBox(t, gridtest.SiteOptions{}).quick().withMachineProxy().metricsTo(path)
	check := func(want map[string]string) {
		t.Helper()
		text := string(read(t, path))
		wellFormed(t, text)
		for series, v := range want {
			if got := metric(t, text, series); got != v {
				t.Errorf("%s is %s, want %s", series, got, v)
			}
		}
	}
	b.must(2, "--dry-run")
	if _, err := os.Stat(path); err == nil {
		t.Error("a dry run writes the text file")
	}
	if r := b.must(0); r.stderr != "" {
		t.Errorf("it says %q", r.stderr)
	}
	check(map[string]string{`vobox_passes_total{result="changed"}`: "1", `vobox_passes_total{result="unchanged"}`: "0", `vobox_restarts_total{service="jalien"}`: "1",
		"vobox_config_valid": "1", `vobox_step_failures_total{step="renew/proxy/lcgadmin"}`: "0"})
	success := metric(t, string(read(t, path)), "vobox_pass_success_timestamp_seconds")
	if r := b.must(0); r.stdout+r.stderr != "" {
		t.Errorf("a pass with nothing to do says %q %q", r.stdout, r.stderr)
	}
	check(map[string]string{`vobox_passes_total{result="changed"}`: "1", `vobox_passes_total{result="unchanged"}`: "1"})
	b.AllowBox(false)
	b.must(1, "--force", "lcgadmin")
	check(map[string]string{`vobox_passes_total{result="failed"}`: "1", `vobox_step_failures_total{step="renew/proxy/lcgadmin"}`: "1",
		`vobox_credential_state{credential="lcgadmin",kind="user",state="ok"}`: "1"})
	text := string(read(t, path))
	if !strings.Contains(text, "\nvobox_alerts{") {
		t.Errorf("a failed renewal is no alert:\n%s", text)
	}
	before, err := strconv.ParseFloat(success, 64)
	after, err2 := strconv.ParseFloat(metric(t, text, "vobox_pass_success_timestamp_seconds"), 64)
	if err != nil || err2 != nil || after < before {
		t.Errorf("the last success was at %f (%v), and before at %f (%v)", after, err2, before, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the text file is %v, %v", info, err)
	}
	noTemporaryFiles(t, filepath.Dir(path))
}

// A text file that cannot be written is told with what to do, and the pass is as good as any.
func TestTextfileUnwritable(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none", "vobox.prom")
	b := newBox(t, gridtest.SiteOptions{}).quick().withMachineProxy().metricsTo(missing)
	r := b.must(0)
	if want := "mkdir -p " + filepath.Dir(missing); !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "metrics.textfile: ") {
		t.Errorf("it says %q, not %q", r.stderr, want)
	}
	b.mustRestarts(1)
	if err := os.Mkdir(filepath.Dir(missing), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(missing, 0o755); err != nil {
		t.Fatal(err)
	}
	if r := b.must(0); !strings.Contains(r.stderr, "metrics.textfile: ") {
		t.Errorf("of a directory in its place it says %q", r.stderr)
	}
	write(t, filepath.Join(b.state(), "metrics.json"), "{")
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	if r := b.must(0); !strings.Contains(r.stderr, "begin anew") {
		t.Errorf("of a broken record it says %q", r.stderr)
	}
	if got := metric(t, string(read(t, missing)), `vobox_passes_total{result="unchanged"}`); got != "1" {
		t.Errorf("%s passes are counted after a broken record", got)
	}
}

// Where nobody asks for metrics, none are kept.
func TestNoMetrics(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick().withMachineProxy()
	b.must(0)
	if _, err := os.Stat(filepath.Join(b.state(), "metrics.json")); err == nil {
		t.Error("passes are counted")
	}
}
