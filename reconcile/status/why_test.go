package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// ruleOf returns a rule's text; a service or env file may have several of one kind.
func ruleOf(w *status.Why, id string) string {
	var out []string
	for _, r := range w.Rules {
		if r.Rule == id {
			out = append(out, r.Text)
		}
	}
	return strings.Join(out, " | ")
}

func TestWhyCredential(t *testing.T) {
	at := func(d time.Duration) string { return plan.Clock(now.Add(d)) }
	stored := "the credential stored on " + server
	for _, tt := range []struct {
		name    string
		set     func(*scene)
		of      string
		summary string
		rules   map[string]string // empty: there is no such rule
	}{
		{name: "all is well", set: func(*scene) {}, of: "lcgadmin", summary: "renewed on " + at(time.Hour) + ", in 1h", rules: map[string]string{
			"effective-end": at(47*time.Hour) + ", in 47h: of what is in it and what verifies it, these end first: the proxy; the attribute certificate",
			"threshold":     "46h: the default, 23/24 of the lifetime of 48h",
			"ahead":         "",
			"next-renewal":  at(time.Hour) + ", in 1h: 46h before the effective end",
			"last-grant":    "on " + at(-time.Hour) + " 48h of the 48h asked were granted",
			"made-with":     "the machine proxy, which lasts until " + at(20*time.Hour) + ", and a proxy of the same identity, shown to " + server,
			"attributes":    "a VOMS server of alice gives /alice/Role=lcgadmin, for as long as the proxy",
			"retry":         "a server that does not answer is asked up to three times in a pass, one that refuses once; the next pass asks again, whenever that is made",
			"if-it-fails": "what is in place stays, and lasts for another 46h after that, until " + at(47*time.Hour) + "; alert PROXY-LOW from " + at(46*time.Hour) +
				" on, with less than 1h left",
			"short":           "",
			"short-from":      at(98*day) + ": from then on renewals give less than 48h, because " + stored + " ends on " + at(100*day),
			"no-renewal-from": at(100*day) + ": " + stored + " ends then; the last proxy ends on " + at(100*day),
		}},
		{name: "the machine proxy", set: func(*scene) {}, of: plan.MachineName, summary: "renewed on " + at(8*time.Hour) + ", in 8h", rules: map[string]string{
			"effective-end": at(20*time.Hour) + ", in 20h: of what is in it and what verifies it, the proxy ends first",
			"threshold":     "12h: the default, half of the lifetime of 24h",
			"last-grant":    "nothing is on record of a renewal from this source",
			"made-with":     "the host certificate /etc/hostcert.pem, on this box: no server is asked for the proxy",
			"attributes":    "", "retry": "",
			"if-it-fails":     "what is in place stays, and lasts for another 12h after that, until " + at(20*time.Hour),
			"no-renewal-from": at(300*day) + ": the host certificate /etc/hostcert.pem ends then; the last proxy ends on " + at(300*day),
		}},
		{name: "due", set: func(s *scene) { s.left("lcgadmin", 45*time.Hour) }, of: "lcgadmin",
			summary: "renewed in the next pass: the attribute certificate has 45h left, renewed below 46h", rules: map[string]string{
				"next-renewal": "now: the attribute certificate has 45h left, renewed below 46h",
				"if-it-fails": "what is in place stays, and lasts for another 45h after that, until " + at(45*time.Hour) + "; alert PROXY-LOW from " + at(44*time.Hour) +
					" on, with less than 1h left"}},
		{name: "nearly over: the alert is there already", set: func(s *scene) { s.left("lcgadmin", 30*time.Minute) }, of: "lcgadmin",
			summary: "renewed in the next pass: the attribute certificate has 30m left, renewed below 46h", rules: map[string]string{
				"if-it-fails": "what is in place stays, and lasts for another 30m after that, until " + at(30*time.Minute)}},
		{name: "cron", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { st.Rhythm = plan.Rhythm{Every: 20 * time.Minute} })
		}, of: "lcgadmin", summary: "renewed on " + at(34*time.Minute) + ", in 34m", rules: map[string]string{
			"ahead":        "26m before that: passes come every 20m, by the record of passes, and the next one would be too late",
			"next-renewal": at(34*time.Minute) + ", in 34m: 46h + 26m before the effective end",
			"retry":        "a server that does not answer is asked up to three times in a pass, one that refuses once; the next pass asks again, in 20m or sooner"}},
		{name: "resident", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { st.Rhythm = plan.Rhythm{Prompt: true} })
		}, of: "lcgadmin", summary: "renewed on " + at(40*time.Minute) + ", in 40m", rules: map[string]string{
			"ahead": "20m before that: a resident program (--watch) makes the pass, with time for another try",
			"retry": "a server that does not answer is asked up to three times in a pass, one that refuses once; the next pass asks again, which a resident program (--watch) makes in time"}},
		{name: "configured", set: func(s *scene) {
			s.wanted("lcgadmin", func(c *plan.Credential) { c.RenewBelow = 20 * time.Hour })
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.RenewBelow = 20 * time.Hour })
		}, of: "lcgadmin", summary: "renewed on " + at(27*time.Hour) + ", in 27h", rules: map[string]string{"threshold": "20h: proxies[].renewBelow of lcgadmin in the configuration"}},
		{name: "the machine proxy configured", set: func(s *scene) {
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.RenewBelow = 15 * time.Hour })
		}, of: plan.MachineName, summary: "renewed on " + at(5*time.Hour) + ", in 5h", rules: map[string]string{"threshold": "15h: machineProxy.renewBelow in the configuration"}},
		{name: "a short grant scales the threshold", set: func(s *scene) { s.stored12() }, of: "lcgadmin", summary: "renewed on " + at(15*time.Minute) + ", in 15m",
			rules: map[string]string{
				"threshold": "",
				"short-grant": "11h30m: 12h of the 48h asked were granted, and the threshold of 46h (the default, 23/24 of the lifetime of 48h) becomes the same fraction of that: " +
					"12h × 46h / 48h",
				"last-grant": "on " + at(-time.Hour) + " 12h of the 48h asked were granted; " + server + " gave 12h, as much as it was stored for with -t",
				"short":      "renewals give 12h instead of 48h: the credential on " + server + " was stored with -t 12h",
				"short-from": ""}},
		{name: "a short grant that is not of what is in place", set: func(s *scene) { s.stored12().left("lcgadmin", 47*time.Hour) }, of: "lcgadmin",
			summary: "renewed on " + at(time.Hour) + ", in 1h", rules: map[string]string{"short-grant": "",
				"threshold": "46h: the default, 23/24 of the lifetime of 48h; that only 12h were granted on " + at(-time.Hour) + " does not count, since what is in place lasts longer"}},
		{name: "a short grant that was no better", set: func(s *scene) {
			s.stored12().left("lcgadmin", 40*time.Hour).state("lcgadmin", func(st *plan.CredentialState) { st.Grant.Taken = false })
		}, of: "lcgadmin", summary: "renewed on " + at(5*time.Hour) + ", in 5h", rules: map[string]string{
			"ask-again": "due on " + at(-6*time.Hour) + ", but when the servers were asked on " + at(-time.Hour) + " they gave only 12h, which was no better than what is in place: " +
				"they are asked again on " + at(5*time.Hour) + ", or as soon as less than 1h are left",
			"next-renewal": at(5*time.Hour) + ", in 5h",
			"last-grant":   "on " + at(-time.Hour) + " 12h of the 48h asked were granted, and not taken: what is in place is better; " + server + " gave 12h, as much as it was stored for with -t"}},
		{name: "the VOMS server gave less", set: func(s *scene) {
			s.grant(func(g *plan.Grant) {
				g.Granted, g.AC = 24*time.Hour, plan.Share{Granted: 24 * time.Hour, Limit: plan.LimitAC}
			}).left("lcgadmin", 23*time.Hour+30*time.Minute)
		}, of: "lcgadmin", summary: "renewed on " + at(30*time.Minute) + ", in 30m", rules: map[string]string{
			"last-grant": "on " + at(-time.Hour) + " 24h of the 48h asked were granted; the VOMS server voms.example.org gave 24h, the most it gives",
			"short":      "renewals give 24h instead of 48h: the VOMS server voms.example.org gives no more"}},
		{name: "there is none", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: "/v/lcgadmin"} })
			s.wanted("lcgadmin", func(c *plan.Credential) { c.Identity = "" })
		}, of: "lcgadmin", summary: "renewed in the next pass: there is none yet", rules: map[string]string{
			"unusable":      "what cannot be used is renewed in the next pass, whatever its end: there is no file",
			"effective-end": "", "threshold": "", "next-renewal": "", "if-it-fails": "",
			"no-renewal-from": at(300*day) + ": the host certificate /etc/hostcert.pem ends then; the last proxy ends on " + at(302*day)}},
		{name: "nothing is known of its end", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: "/v/lcgadmin"} })
			s.wanted("lcgadmin", func(c *plan.Credential) { c.Source.MyProxy.PassphraseFile = "/etc/pass" })
		}, of: "lcgadmin", summary: "renewed in the next pass: there is none yet", rules: map[string]string{
			"made-with":       "the passphrase in /etc/pass, shown to " + server,
			"no-renewal-from": "nothing is known that would end renewals; how long the stored credential lasts is seen at the first one"}},
		{name: "one that cannot be used", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { st.Fault = "it is a certificate" })
		}, of: "lcgadmin",
			summary: "renewed in the next pass: it is a certificate", rules: map[string]string{"unusable": "what cannot be used is renewed in the next pass, whatever its end: it is a certificate"}},
		{name: "the machine proxy cannot be used", set: func(s *scene) { s.left(plan.MachineName, -time.Hour) }, of: "lcgadmin", summary: "renewed on " + at(time.Hour) + ", in 1h",
			rules: map[string]string{"made-with": "the machine proxy, which cannot be used: the proxy expired on " + at(-time.Hour) + ", and a proxy of the same identity, shown to " + server}},
		{name: "a host certificate with a fault", set: func(s *scene) {
			s.state(plan.MachineName, func(st *plan.CredentialState) { st.Source.Fault = "/etc/hostcert.pem cannot be read" })
		}, of: plan.MachineName, summary: "renewed on " + at(8*time.Hour) + ", in 8h", rules: map[string]string{
			"no-renewal-from": at(0) + ": /etc/hostcert.pem cannot be read; the last proxy ends on " + at(20*time.Hour)}},
		{name: "the stored credential gives less already", set: func(s *scene) { s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(40 * time.Hour) }) }, of: "lcgadmin",
			summary: "renewed on " + at(time.Hour) + ", in 1h", rules: map[string]string{
				"short-from": at(-8*time.Hour) + ": since then renewals give less than 48h, because " + stored + " ends on " + at(40*time.Hour)}},
		{name: "the stored credential has ended", set: func(s *scene) { s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(-day) }) }, of: "lcgadmin",
			summary: "renewed on " + at(time.Hour) + ", in 1h", rules: map[string]string{
				"no-renewal-from": at(-day) + ": " + stored + " has ended; the last proxy ends on " + at(47*time.Hour)}},
		{name: "a robot certificate", set: func(s *scene) {
			s.wanted("lcgadmin", func(c *plan.Credential) {
				c.Source = plan.Source{Certificate: &plan.Certificate{Cert: "/etc/robot.pem"}}
			})
			s.state("lcgadmin", func(st *plan.CredentialState) {
				st.Source, st.Grant.Source = plan.SourceState{Path: "/etc/robot.pem", NotAfter: now.Add(40 * time.Hour)}, "certificate /etc/robot.pem"
				st.Grant.Granted, st.Grant.Proxy = 41*time.Hour, plan.Share{Granted: 41 * time.Hour, Limit: plan.LimitCert}
			})
		}, of: "lcgadmin", summary: "renewed on " + at(time.Hour) + ", in 1h", rules: map[string]string{
			"made-with":  "the certificate /etc/robot.pem, on this box: no server is asked for the proxy",
			"last-grant": "on " + at(-time.Hour) + " 41h of the 48h asked were granted; the certificate /etc/robot.pem gave 41h, as long as the certificate lasts"}},
		{name: "another program keeps it", set: func(s *scene) { s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }) }, of: plan.MachineName,
			summary: "never renewed by this program: another one keeps it", rules: map[string]string{
				"not-managed":   "machineProxy.manage is false, or this account cannot read the host key /etc/hostkey.pem: it is looked at and never renewed",
				"effective-end": at(20*time.Hour) + ", in 20h: of what is in it and what verifies it, the proxy ends first",
				"alert":         "HOST-PROXY when less than 1h are left", "next-renewal": ""}},
		{name: "another program did not", set: func(s *scene) {
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }).left(plan.MachineName, -time.Hour)
		}, of: plan.MachineName, summary: "never renewed by this program: another one keeps it", rules: map[string]string{
			"unusable": "the proxy expired on " + at(-time.Hour), "effective-end": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.set(s)
			w := s.box().Why(tt.of)
			if w.Summary != tt.summary {
				t.Errorf("summary: got %s\nwant %s", w.Summary, tt.summary)
			}
			for id, want := range tt.rules {
				if got := ruleOf(w, id); got != want {
					t.Errorf("%s: got %s\nwant %s", id, got, want)
				}
			}
			if c := described(s.box().Describe(), tt.of); clock(w.When) != clock(c.NextRenewal) || w.State != c.State || w.Due != (c.NextRenewal != nil && !c.NextRenewal.After(now)) {
				t.Errorf("when %s, state %s, due %v; the status has %s, %s", clock(w.When), w.State, w.Due, clock(c.NextRenewal), c.State)
			}
			for _, r := range w.Rules {
				if r.Text == "" || r.Text != strings.TrimSpace(r.Text) || strings.Contains(r.Text, "%!") {
					t.Errorf("%s: %q", r.Rule, r.Text)
				}
			}
		})
	}
}

func TestWhyEnvFile(t *testing.T) {
	s := newScene()
	s.want.EnvFiles[0].Set = append(s.want.EnvFiles[0].Set, plan.Var{Name: "PAIR", Value: []plan.Part{{Text: "a:"}, {Proxy: "lcgadmin"}}})
	s.want.EnvFiles[0].Unset = []string{"OLD"}
	check := func(what, summary, when string, rules map[string]string) {
		t.Helper()
		w := s.box().Why(ceEnv)
		if w.Kind != "env-file" || w.Summary != summary || clock(w.When) != when || w.Due != (when != "-") {
			t.Errorf("%s: %s, %q, when %s, due %v; want %q, %s", what, w.Kind, w.Summary, clock(w.When), w.Due, summary, when)
		}
		for id, want := range rules {
			if got := ruleOf(w, id); got != want {
				t.Errorf("%s: %s: got %s\nwant %s", what, id, got, want)
			}
		}
	}
	check("as it should be", "as it should be; no time is set for it", "-", map[string]string{
		"set": `X509_USER_PROXY is kept at the path of proxy lcgadmin | PAIR is kept at "a:${proxy.lcgadmin}"`, "unset": "OLD is kept out",
		"write":    "nothing is to change; it is written when somebody has changed one of these variables, or a proxy gets another path",
		"restarts": "a change restarts jalien", "expect": "", "after": "", "fault": ""})
	s.have.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Changes: []string{"X509_USER_PROXY: set to /v/lcgadmin"}, Unmet: []string{"it has ALIEN_USER=x"}}
	s.state("lcgadmin", func(st *plan.CredentialState) { st.Exists = false })
	check("due", "written in the next pass", plan.Clock(now), map[string]string{"write": "in the next pass: X509_USER_PROXY: set to /v/lcgadmin",
		"after":  "only if the renewal of lcgadmin succeeds: a file does not point to a proxy that cannot be used",
		"expect": "it has ALIEN_USER=x: services are not restarted until that is so"})
	s.have.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Fault: "it is a directory"}
	check("a fault", "cannot be written: it is a directory", plan.Clock(now), map[string]string{"fault": "it is a directory", "write": ""})
	s.want.Services = nil
	if got := ruleOf(s.box().Why(ceEnv), "restarts"); got != "" {
		t.Errorf("without services: %s", got)
	}
}

func TestWhyService(t *testing.T) {
	s := newScene()
	s.want.Services[0].Preflight, s.want.Services[0].Verify = [][]string{{"test", "-d", "/cvmfs"}, {"true"}}, []string{"pgrep", "java"}
	restarts := func(ages ...time.Duration) {
		st := s.have.Services["jalien"]
		st.Restarts = nil
		for _, d := range ages {
			st.Restarts = append(st.Restarts, now.Add(-d))
		}
		s.have.Services["jalien"] = st
	}
	check := func(what, summary, when string, rules map[string]string) {
		t.Helper()
		w := s.box().Why("jalien")
		if w.Kind != "service" || w.Summary != summary || clock(w.When) != when {
			t.Errorf("%s: %s, %q, when %s; want %q, %s", what, w.Kind, w.Summary, clock(w.When), summary, when)
		}
		for id, want := range rules {
			if got := ruleOf(w, id); got != want {
				t.Errorf("%s: %s: got %s\nwant %s", what, id, got, want)
			}
		}
	}
	restarts(30*day, 5*time.Hour, time.Hour)
	check("nothing to do", "no restart is due; no time is set for it", "-", map[string]string{
		"on-change": "it is restarted when one of these changes: " + ceEnv + ", " + mlEnv,
		"renewals":  "renewals of lcgadmin restart nothing: the path stays, and programs read the file anew; onChange: [proxy:lcgadmin] would have it otherwise",
		"restart":   "nothing has changed since it was last restarted for it", "at-most": "4 restarts in 24h are allowed (atMost), 2 of them made",
		"last-restart": "on " + plan.Clock(now.Add(-time.Hour)), "preflight": "only if all of these succeed: test -d /cvmfs; true",
		"verify": "it counts only if this succeeds after it: pgrep java", "after": ""})
	s.have.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Changes: []string{"x"}}
	check("due", "restarted in the next pass: "+ceEnv+" changes", plan.Clock(now), map[string]string{"restart": "in the next pass: " + ceEnv + " changes",
		"after": "only if the write of " + ceEnv + " succeeds"})
	restarts(20*time.Hour, 3*time.Hour, 2*time.Hour, time.Hour)
	check("waits", "restarted on "+plan.Clock(now.Add(4*time.Hour))+": "+ceEnv+" changes", plan.Clock(now.Add(4*time.Hour)), map[string]string{
		"restart": ceEnv + " changes, but not before " + plan.Clock(now.Add(4*time.Hour))})
	s.have.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Unmet: []string{"ALIEN_USER is x"}}
	s.have.Services["jalien"] = plan.ServiceState{Known: true, Pending: "CE.env changed"}
	check("held back", "held back: CE.env changed, and the restart is held back: see the alerts", "-", map[string]string{"last-restart": ""})
	s.have.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true}
	s.have.Services["jalien"] = plan.ServiceState{}
	check("never seen", "no pass has seen it yet, and nothing is to change", "-", map[string]string{
		"restart": "what it runs with is taken for what it should run with until something changes"})
	s.left(plan.MachineName, -time.Hour).left("lcgadmin", -time.Hour)
	s.want.Services = []plan.Service{{Name: "jalien", Proxies: []string{"lcgadmin", plan.MachineName}}}
	check("restarted for proxies", "restarted in the next pass: proxy lcgadmin changes, proxy machine-proxy changes", plan.Clock(now), map[string]string{
		"on-change": "it is restarted when one of these changes: proxy lcgadmin, proxy machine-proxy", "renewals": "",
		"after": "only if the renewal of lcgadmin succeeds | only if the renewal of the machine proxy succeeds", "at-most": ""})
	s.want.Services = []plan.Service{{Name: "jalien"}}
	check("for nothing", "no pass has seen it yet, and nothing is to change", "-", map[string]string{"on-change": "nothing: onChange is empty, and there are no env files"})
}

func TestWhyAlertsAndNames(t *testing.T) {
	s := newScene().stored12()
	w := s.box().Why("lcgadmin")
	if len(w.Alerts) != 1 || w.Alerts[0].ID != "MP-T12" {
		t.Errorf("alerts %+v", w.Alerts)
	}
	if w := s.box().Why("nobody"); w != nil {
		t.Errorf("of nobody: %+v", w)
	}
}
