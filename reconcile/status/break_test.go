package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func TestFirstToBreak(t *testing.T) {
	const jobs = "job submission by jalien, with " + ceEnv
	stored := plan.Clock(now.Add(100 * day))
	for _, tt := range []struct {
		name           string
		set            func(*scene)
		subject, when  string
		reason, impact string
		remedy, where  string
	}{
		{name: "all is well: the stored credential ends", set: func(*scene) {}, subject: "lcgadmin", when: stored,
			reason: "the credential stored on " + server + " ends; from " + plan.Clock(now.Add(98*day)) + " on it gives less than 48h", impact: jobs,
			remedy: "myproxy-init -s px.example.org -d -n -t 48 -c 3000", where: "LCG-UI"},
		{name: "due is nothing to speak of", set: func(s *scene) { s.left("lcgadmin", 45*time.Hour) }, subject: "lcgadmin", when: stored,
			reason: "the credential stored on " + server + " ends; from " + plan.Clock(now.Add(98*day)) + " on it gives less than 48h", impact: jobs,
			remedy: "myproxy-init -s px.example.org -d -n -t 48 -c 3000", where: "LCG-UI"},
		{name: "overdue is", set: func(s *scene) { s.left("lcgadmin", 43*time.Hour) }, subject: "lcgadmin", when: plan.Clock(now.Add(43 * time.Hour)),
			reason: "the attribute certificate ends, unless it is renewed, which is due since " + plan.Clock(now.Add(-3*time.Hour)), impact: jobs,
			remedy: "vobox-reconcile --force lcgadmin", where: "VO-Box"},
		{name: "a machine proxy is overdue when half of what its threshold leaves is gone", set: func(s *scene) { s.left(plan.MachineName, 5*time.Hour) },
			subject: plan.MachineName, when: plan.Clock(now.Add(5 * time.Hour)),
			reason: "the proxy ends, unless it is renewed, which is due since " + plan.Clock(now.Add(-7*time.Hour)), impact: "no renewal of lcgadmin",
			remedy: "vobox-reconcile --force machine-proxy", where: "VO-Box"},
		{name: "there is none", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: "/v/lcgadmin"} })
		}, subject: "lcgadmin", when: plan.Clock(now), reason: "there is no file", impact: jobs, remedy: "vobox-reconcile", where: "VO-Box"},
		{name: "one that cannot be used", set: func(s *scene) {
			s.state("lcgadmin", func(st *plan.CredentialState) { st.Fault = "it belongs to /CN=other" })
		}, subject: "lcgadmin", when: plan.Clock(now), reason: "it belongs to /CN=other", impact: jobs, remedy: "vobox-reconcile", where: "VO-Box"},
		{name: "one that is over", set: func(s *scene) { s.left("lcgadmin", -time.Hour) }, subject: "lcgadmin", when: plan.Clock(now),
			reason: "the attribute certificate expired on " + plan.Clock(now.Add(-time.Hour)), impact: jobs, remedy: "vobox-reconcile", where: "VO-Box"},
		{name: "another program keeps the machine proxy", set: func(s *scene) {
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true })
		}, subject: "lcgadmin", when: stored, reason: "the credential stored on " + server + " ends; from " + plan.Clock(now.Add(98*day)) + " on it gives less than 48h",
			impact: jobs, remedy: "myproxy-init -s px.example.org -d -n -t 48 -c 3000", where: "LCG-UI"},
		{name: "and should have renewed it by now", set: func(s *scene) {
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }).left(plan.MachineName, 5*time.Hour)
		}, subject: plan.MachineName, when: plan.Clock(now.Add(5 * time.Hour)), reason: "the proxy ends, unless the other program that keeps it renews it", impact: "no renewal of lcgadmin",
			remedy: "see that the job that makes it runs", where: "site admin"},
		{name: "and never did", set: func(s *scene) {
			s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }).left(plan.MachineName, -time.Hour)
		}, subject: plan.MachineName, when: plan.Clock(now), reason: "the proxy expired on " + plan.Clock(now.Add(-time.Hour)), impact: "no renewal of lcgadmin",
			remedy: "run the job that makes it", where: "site admin"},
		{name: "the host certificate ends first", set: func(s *scene) {
			s.state(plan.MachineName, func(st *plan.CredentialState) { st.Source.NotAfter = now.Add(10 * day) })
		}, subject: plan.MachineName, when: plan.Clock(now.Add(10 * day)),
			reason: "the host certificate /etc/hostcert.pem ends; from " + plan.Clock(now.Add(9*day)) + " on it gives less than 24h", impact: "no renewal of lcgadmin",
			remedy: "ask your CA for a new host certificate and install it as /etc/hostcert.pem", where: "site admin"},
		{name: "the stored credential is over already: what is there is the last", set: func(s *scene) {
			s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(-time.Hour) })
		}, subject: "lcgadmin", when: plan.Clock(now.Add(47 * time.Hour)), reason: "the credential stored on " + server + " ended on " + plan.Clock(now.Add(-time.Hour)),
			impact: jobs, remedy: "myproxy-init -s px.example.org -d -n -t 48 -c 3000", where: "LCG-UI"},
		{name: "nobody uses it", set: func(s *scene) {
			s.want.EnvFiles, s.want.Services = nil, nil
			s.left("lcgadmin", -time.Hour)
		}, subject: "lcgadmin", when: plan.Clock(now), reason: "the attribute certificate expired on " + plan.Clock(now.Add(-time.Hour)), impact: "whoever uses proxy lcgadmin",
			remedy: "vobox-reconcile", where: "VO-Box"},
		{name: "an env file without a service", set: func(s *scene) {
			s.want.Services = nil
			s.left("lcgadmin", -time.Hour)
		}, subject: "lcgadmin", when: plan.Clock(now), reason: "the attribute certificate expired on " + plan.Clock(now.Add(-time.Hour)), impact: "job submission with " + ceEnv,
			remedy: "vobox-reconcile", where: "VO-Box"},
		{name: "a service without an env file", set: func(s *scene) {
			s.want.EnvFiles, s.want.Services = nil, []plan.Service{{Name: "agent", Proxies: []string{"lcgadmin"}}}
			s.left("lcgadmin", -time.Hour)
		}, subject: "lcgadmin", when: plan.Clock(now), reason: "the attribute certificate expired on " + plan.Clock(now.Add(-time.Hour)), impact: "job submission by agent",
			remedy: "vobox-reconcile", where: "VO-Box"},
		{name: "a machine proxy that nothing needs", set: func(s *scene) {
			s.want.Credentials = s.want.Credentials[:1]
			s.left(plan.MachineName, -time.Hour)
		}, subject: plan.MachineName, when: plan.Clock(now), reason: "the proxy expired on " + plan.Clock(now.Add(-time.Hour)), impact: "whoever uses the machine proxy",
			remedy: "vobox-reconcile", where: "VO-Box"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.set(s)
			b := s.box().Describe().FirstToBreak
			if b == nil {
				t.Fatal("nothing breaks")
			}
			got := strings.Join([]string{b.Subject, clock(b.When), b.Reason, b.Impact, b.Remedy, b.Where}, "\n")
			if want := strings.Join([]string{tt.subject, tt.when, tt.reason, tt.impact, tt.remedy, tt.where}, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	s := newScene()
	s.want.Credentials = nil
	if b := s.box().Describe().FirstToBreak; b != nil {
		t.Errorf("without credentials %+v breaks", b)
	}
}

// A file that Globus refuses is an alert, however long the proxy lasts.
func TestFileFindings(t *testing.T) {
	s := newScene()
	link := credfile.Finding{ID: credfile.FindingHardLink, Path: "/v/lcgadmin", Problem: "it has 2 names", Remedy: "cp -p …"}
	perm := credfile.Finding{ID: credfile.FindingPerm, Path: "/v/lcgadmin", Problem: "its mode is 0644", Remedy: "chmod 600 /v/lcgadmin"}
	s.looks["lcgadmin"] = status.Look{Findings: []credfile.Finding{perm, link}}
	d := s.box().Describe()
	if c := described(d, "lcgadmin"); c.State != "alert" || c.Reason != "its mode is 0644" {
		t.Errorf("state %s: %s", c.State, c.Reason)
	}
	if len(d.Alerts) != 2 || d.Alerts[0].ID != "FILE-PERM" || d.Alerts[1].ID != "FILE-HARDLINK" || d.Alerts[1].Severity != plan.Critical || d.Alerts[1].Remedy != "cp -p …" || !d.Bad() {
		t.Errorf("alerts %+v, bad %v", d.Alerts, d.Bad())
	}
	// What the plan says already is not said twice, and what is worse stays.
	box := s.box()
	box.Plan.Alerts = append(box.Plan.Alerts, plan.Alert{ID: "FILE-PERM", Subject: "lcgadmin"})
	if d := box.Describe(); len(d.Alerts) != 2 {
		t.Errorf("alerts %+v", d.Alerts)
	}
	s.left("lcgadmin", -time.Hour)
	if c := described(s.box().Describe(), "lcgadmin"); c.State != "expired" {
		t.Errorf("state %s", c.State)
	}
	// Without a closer look there is what a pass would put right.
	s = newScene().state("lcgadmin", func(st *plan.CredentialState) { st.Misplaced = "it belongs to uid 0, not to alicesgm" })
	if c := described(s.box().Describe(), "lcgadmin"); c.State != "alert" || c.Reason != "it belongs to uid 0, not to alicesgm" {
		t.Errorf("state %s: %s", c.State, c.Reason)
	}
}

func TestEnds(t *testing.T) {
	list := func(s *scene, name string) string {
		var out []string
		for _, e := range described(s.box().Describe(), name).Ends {
			counts := "-"
			if e.Counts {
				counts = "+"
			}
			out = append(out, counts+e.What+" "+e.Name+" "+plan.Span(e.When.Sub(now)))
		}
		return strings.Join(out, ", ")
	}
	s := newScene()
	for _, tt := range []struct{ name, want string }{
		{"lcgadmin", "+proxy the proxy 47h, +attribute-certificate the attribute certificate 47h, -stored the credential stored on " + server + " 100d, " +
			"+user-certificate the user certificate " + janes + " 200d"},
		{plan.MachineName, "+proxy the proxy 20h, +host-certificate the host certificate /DC=ch/CN=vobox 300d"},
	} {
		if got := list(s, tt.name); got != tt.want {
			t.Errorf("%s: got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	// A new host certificate, of which no proxy has been made yet; and something behind the attributes that ends first.
	s.state(plan.MachineName, func(st *plan.CredentialState) { st.Source.NotAfter = now.Add(400 * day) })
	s.state("lcgadmin", func(st *plan.CredentialState) {
		st.EffectiveEnd, st.EndsWith = now.Add(30*time.Hour), "the certificate /CN=voms, which signed the attribute certificate"
	})
	if got, want := list(s, plan.MachineName), "+proxy the proxy 20h, +host-certificate the host certificate /DC=ch/CN=vobox 300d, "+
		"-host-certificate the host certificate /etc/hostcert.pem 400d"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := list(s, "lcgadmin"); !strings.HasPrefix(got, "+signer the certificate /CN=voms, which signed the attribute certificate 30h, +proxy") {
		t.Errorf("got %s", got)
	}
	s = newScene().state("lcgadmin", func(st *plan.CredentialState) {
		st.Backing = plan.Backing{Signer: "/CN=voms", SignerEnd: now.Add(60 * day), CRLEnd: now.Add(20 * day)}
	})
	if got := list(s, "lcgadmin"); !strings.Contains(got, ", -crl the revocation lists of its CAs 20d, +signer the VOMS server's certificate /CN=voms 60d, ") {
		t.Errorf("got %s", got)
	}
	s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: st.Path} })
	if got := list(s, "lcgadmin"); got != "" {
		t.Errorf("of nothing: %s", got)
	}
}
