package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	dashboardFile = "../../examples/grafana-dashboard.json"
	rulesFile     = "../../examples/prometheus-alerts.yml"
	rulesTest     = "../../testdata/prometheus/alerts.yml"
)

var metricName = regexp.MustCompile(`\bvobox_[a-z_]+`)

// exposed are the metrics there are.
func exposed(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(text(t, aSample()), -1) {
		names = append(names, m[1])
	}
	if len(names) < 20 {
		t.Fatalf("only %q", names)
	}
	return names
}

// uses complains about metrics that there are not, and returns those that are used.
func uses(t *testing.T, what, expression string) []string {
	t.Helper()
	names := exposed(t)
	used := metricName.FindAllString(expression, -1)
	for _, name := range used {
		if !slices.Contains(names, name) {
			t.Errorf("%s: %s is not exposed", what, name)
		}
	}
	return used
}

// A dashboard is the part of Grafana's model that is checked here.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Datasource  map[string]string
		Targets     []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 10 {
		t.Errorf("a dashboard %q, %q of schema %d with %d panels", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	taken, ids, used := map[[2]int]string{}, map[int]bool{}, []string{}
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || len(p.Targets) == 0 || p.Datasource["uid"] != "${datasource}" {
			t.Errorf("panel %d %q has no title, an id that is taken, no query or another source", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" || at[0] >= 24 {
					t.Fatalf("panel %q is where %q is, or outside", p.Title, taken[at])
				}
				taken[at] = p.Title
			}
		}
		for _, q := range p.Targets {
			used = append(used, uses(t, p.Title, q.Expr)...)
			if !strings.Contains(q.Expr, `instance=~"$instance"`) {
				t.Errorf("%s: not of the box chosen: %s", p.Title, q.Expr)
			}
		}
	}
	for _, v := range d.Templating.List {
		uses(t, v.Name, v.Definition)
	}
	for _, want := range []string{"vobox_credential_expiry_timestamp_seconds", "vobox_credential_state", "vobox_step_failures_total", "vobox_restarts_total",
		"vobox_pass_duration_seconds", "vobox_pass_timestamp_seconds", "vobox_alerts", "vobox_config_valid", "vobox_first_break_timestamp_seconds"} {
		if !slices.Contains(used, want) {
			t.Errorf("%s is on no panel", want)
		}
	}
}

// The queries of the dashboard are PromQL: promtool reads them as recording rules.
func TestDashboardQueries(t *testing.T) {
	tool := promtool(t)
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".+").Replace(q.Expr)
			fmt.Fprintf(&rules, "  - record: p:%d_%s\n    expr: %q\n", p.ID, q.RefID, expr)
		}
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAlertRules(t *testing.T) {
	data, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	uses(t, rulesFile, string(data))
	tests, err := os.ReadFile(rulesTest)
	if err != nil {
		t.Fatal(err)
	}
	uses(t, rulesTest, string(tests))
	for _, m := range regexp.MustCompile(`(?m)^ *- alert: (\S+)$`).FindAllStringSubmatch(string(data), -1) {
		quiet := strings.Count(string(tests), "alertname: "+m[1]+"}")
		speaks := strings.Count(string(tests), "alertname: "+m[1]+"\n")
		if quiet == 0 || speaks == 0 {
			t.Errorf("%s: %d tests that it is silent, %d that it speaks", m[1], quiet, speaks)
		}
	}
	tool := promtool(t)
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", rulesTest}} {
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "SUCCESS") {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
