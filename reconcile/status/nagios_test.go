package status_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func TestNagios(t *testing.T) {
	const (
		machine = "'machine-proxy'=72000s;21600:;3600:;0"
		user    = "'lcgadmin'=169200s;158400:;3600:;0"
		stored  = "'lcgadmin@px.example.org:7512'=8640000s;864000:;172800:;0"
		perf    = " | " + machine + " " + user + " " + stored + "\n"
	)
	for _, tt := range []struct {
		name string
		set  func(*scene)
		code int
		text string
	}{
		{"all is well", func(*scene) {}, status.NagiosOK, "VOBOX OK - 2 proxies, first to break: lcgadmin in 100d" + perf},
		{"due is well", func(s *scene) { s.left("lcgadmin", 44*time.Hour) }, status.NagiosOK,
			"VOBOX OK - 2 proxies, first to break: lcgadmin in 100d | " + machine + " 'lcgadmin'=158400s;158400:;3600:;0 " + stored + "\n"},
		{"overdue", func(s *scene) { s.left("lcgadmin", 44*time.Hour-time.Second) }, status.NagiosWarning,
			"VOBOX WARNING - lcgadmin: 43h59m left, the renewal is overdue | " + machine + " 'lcgadmin'=158399s;158400:;3600:;0 " + stored + "\n"},
		{"nearly over", func(s *scene) { s.left("lcgadmin", 30*time.Minute) }, status.NagiosCritical,
			"VOBOX CRITICAL - lcgadmin: the user proxy: the attribute certificate ends on 2026-11-21 23:30 UTC, in 30m | " + machine +
				" 'lcgadmin'=1800s;158400:;3600:;0 " + stored + "\n" +
				"    VO-Box> vobox-reconcile --force lcgadmin; if it has expired: log in with a fresh proxy and run vobox-reconcile from that session\n"},
		{"a machine proxy that is nearly over", func(s *scene) { s.left(plan.MachineName, 30*time.Minute) }, status.NagiosCritical,
			"VOBOX CRITICAL - machine-proxy: the machine proxy has 30m left | 'machine-proxy'=1800s;21600:;3600:;0 " + user + " " + stored + "\n" +
				"    site admin: vobox-reconcile --force machine-proxy, as root\n"},
		{"missing, and unknown what is stored", func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: "/v/lcgadmin"} })
		}, status.NagiosCritical, "VOBOX CRITICAL - lcgadmin: missing, there is none yet | " + machine + " 'lcgadmin'=0s;158400:;3600:;0 'lcgadmin@px.example.org:7512'=U\n"},
		{"invalid", func(s *scene) {
			s.state(plan.MachineName, func(st *plan.CredentialState) { st.Fault = "it is a | of\ntwo lines" })
		}, status.NagiosCritical, "VOBOX CRITICAL - machine-proxy: invalid, it is a / of two lines | 'machine-proxy'=0s;21600:;3600:;0 " + user + " " + stored + "\n"},
		{"expired", func(s *scene) { s.left(plan.MachineName, -time.Hour) }, status.NagiosCritical,
			"VOBOX CRITICAL - machine-proxy: the machine proxy expired on 2026-11-21 22:00 UTC | 'machine-proxy'=0s;21600:;3600:;0 " + user + " " + stored + "\n" +
				"    site admin: vobox-reconcile --force machine-proxy, as root\n"},
		{"the stored credential", func(s *scene) { s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(5 * day) }) }, status.NagiosWarning,
			"VOBOX WARNING - lcgadmin: the credential stored on px.example.org:7512 ends Thursday 2026-11-26 23:00 UTC, in 120h; the last working day is Thursday 26, alert below 10d | " + machine + " " + user +
				" 'lcgadmin@px.example.org:7512'=432000s;864000:;172800:;0\n    LCG-UI> myproxy-init -s px.example.org -d -n -t 48 -c 3000\n"},
		{"the stored credential is nearly over", func(s *scene) { s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(47 * time.Hour) }) }, status.NagiosCritical,
			"VOBOX CRITICAL - lcgadmin@px.example.org:7512: 47h left, which is less than a renewal asks for (and 1 more) | " + machine + " " + user +
				" 'lcgadmin@px.example.org:7512'=169200s;864000:;172800:;0\n" +
				"WARNING - lcgadmin: the credential stored on px.example.org:7512 ends Monday 2026-11-23 22:00 UTC, in 47h; the last working day is Monday 23, alert below 10d\n" +
				"    LCG-UI> myproxy-init -s px.example.org -d -n -t 48 -c 3000\n"},
		{"another program keeps the machine proxy", func(s *scene) {
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }).left(plan.MachineName, 4*time.Hour)
		}, status.NagiosWarning, "VOBOX WARNING - machine-proxy: 4h left, the renewal is overdue | 'machine-proxy'=14400s;21600:;3600:;0 " + user + " " + stored + "\n"},
		{"an env file", func(s *scene) { s.have.EnvFiles[ceEnv] = plan.EnvFileState{Fault: "it is a directory"} }, status.NagiosCritical,
			"VOBOX CRITICAL - " + ceEnv + ": it is a directory" + perf},
		{"a restart that is held back", func(s *scene) {
			s.have.Services["jalien"] = plan.ServiceState{Known: true, Pending: "CE.env changed"}
			s.have.EnvFiles[mlEnv] = plan.EnvFileState{Unmet: []string{"ALIEN_USER is jdoe"}}
		}, status.NagiosCritical, "VOBOX CRITICAL - " + mlEnv + ": ALIEN_USER is jdoe; services are not restarted (and 1 more)" + perf +
			"    VO-Box> correct " + mlEnv + ", or envFiles[].expect in the configuration\n" +
			"WARNING - jalien: CE.env changed, and the restart is held back: see the alerts\n"},
		{"a quote in a name", func(s *scene) {
			s.want.Credentials[0].Name = "o'neill=x"
			s.have.Credentials["o'neill=x"] = s.have.Credentials[plan.MachineName]
			s.want.Credentials = s.want.Credentials[:1]
		}, status.NagiosOK, "VOBOX OK - 1 proxy, first to break: o'neill=x in 300d | 'o''neill_x'=72000s;21600:;3600:;0\n"},
		{"nothing", func(s *scene) { s.want.Credentials = nil }, status.NagiosOK, "VOBOX OK - 0 proxies\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.set(s)
			code, text := s.box().Describe().Nagios()
			if code != tt.code || text != tt.text {
				t.Errorf("%d\n%swant %d\n%s", code, text, tt.code, tt.text)
			}
			checkPlugin(t, code, text)
		})
	}
}

func TestNagiosFailure(t *testing.T) {
	for why, want := range map[string]string{
		"no file":                "VOBOX UNKNOWN - no file\n",
		"a.yaml:1:2: x | y\nb\n": "VOBOX UNKNOWN - a.yaml:1:2: x / y\nb\n",
		"":                       "VOBOX UNKNOWN - \n",
	} {
		if got := status.NagiosFailure(why); got != want {
			t.Errorf("%q: got %q, want %q", why, got, want)
		}
	}
	if got := status.NagiosFailure(strings.Repeat("ä", 1000)); len(got) > 600 || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// One value: 'label'=value[UOM];[warn];[crit];[min] (Monitoring Plugins Development Guidelines, "Performance data"). The
// ranges are those of "less than".
var perfValue = regexp.MustCompile(`^'((?:[^'=|]|'')+)'=(?:U|(\d+)s;(?:(\d+):)?;(?:(\d+):)?;0)(?: |$)`)

// checkPlugin holds an output against the guidelines, and its code against its own thresholds.
func checkPlugin(t *testing.T, code int, text string) {
	t.Helper()
	first, rest, ok := strings.Cut(text, "\n")
	if !ok || strings.ContainsAny(rest, "|") || strings.ContainsFunc(first+rest, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
		t.Errorf("not lines of plain text: %q", text)
	}
	words, perf, _ := strings.Cut(first, " | ")
	if !strings.HasPrefix(words, "VOBOX "+[]string{"OK", "WARNING", "CRITICAL"}[code]+" - ") || strings.Contains(words, "|") || len(words) > 300 {
		t.Errorf("code %d, and the text is %q", code, words)
	}
	worst, labels := 0, map[string]bool{}
	for perf != "" {
		m := perfValue.FindStringSubmatch(perf)
		if m == nil {
			t.Fatalf("not performance data: %q", perf)
		}
		if labels[m[1]] {
			t.Errorf("two values of %q", m[1])
		}
		labels[m[1]] = true
		perf = perf[len(m[0]):]
		for i, level := range []int{status.NagiosWarning, status.NagiosCritical} {
			limit, err := strconv.ParseInt(m[3+i], 10, 64)
			if value, _ := strconv.ParseInt(m[2], 10, 64); err == nil && value < limit {
				worst = max(worst, level)
			}
		}
	}
	if code < worst {
		t.Errorf("code %d, but a value is outside of its range for %d: %s", code, worst, first)
	}
}

// Whatever names, faults and messages are, the output is what the guidelines ask for.
func FuzzNagios(f *testing.F) {
	f.Add("lcgadmin", "it is broken", "alert", int64(3600), int64(7200), int64(1800), true)
	f.Add("o'neill = |x", "two\nlines | of\x1b[31m", "", int64(-5), int64(0), int64(1<<62), false)
	f.Add("", "", "invalid", int64(0), int64(0), int64(0), true)
	f.Fuzz(func(t *testing.T, name, text, state string, left, warn, crit int64, critical bool) {
		if len(name)+len(text) > 10000 || !utf8.ValidString(name) {
			return
		}
		end := now.Add(time.Hour)
		c := status.Credential{Name: name + ".", Kind: "user", State: state, Reason: text, EffectiveSecondsLeft: max(left, 0), LateBelowSeconds: max(warn, 0),
			AlertBelowSeconds: max(crit, 0), NextRenewal: &end}
		d := status.Doc{Time: now, Credentials: []status.Credential{c}, Alerts: []plan.Alert{{ID: "X", Severity: plan.Warning, Subject: name, Message: text, Remedy: text, Where: text}},
			EnvFiles: []status.EnvFile{{Path: name, State: state, Reason: text}}, Services: []status.Service{{Name: name, State: state, Reason: text}},
			FirstToBreak: &status.Break{Subject: name, When: &end}}
		if critical {
			d.Alerts[0].Severity = plan.Critical
		}
		code, out := d.Nagios()
		checkPlugin(t, code, out)
	})
}
