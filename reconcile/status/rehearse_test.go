package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

func TestRehearse(t *testing.T) {
	for _, tt := range []struct {
		name     string
		set      func(*scene)
		after    time.Duration
		renewed  string // name state left, of each
		unmended []string
		later    string
	}{
		{name: "in a week", set: func(*scene) {}, after: 7 * day, renewed: "machine-proxy ok 20h, lcgadmin ok 47h", later: "lcgadmin"},
		{name: "the stored credential gives less then", set: func(*scene) {}, after: 99 * day, renewed: "machine-proxy ok 20h, lcgadmin ok 24h",
			unmended: []string{"lcgadmin 98d: renewals give less than 48h: the credential stored on " + server + " ends on " + plan.Clock(now.Add(100*day)) +
				" | LCG-UI myproxy-init -s px.example.org -d -n -t 48 -c 3000"}, later: "lcgadmin"},
		{name: "the stored credential is over then", set: func(*scene) {}, after: 101 * day, renewed: "machine-proxy ok 20h, lcgadmin expired 0s",
			unmended: []string{"lcgadmin 100d: the credential stored on " + server + " ends; from " + plan.Clock(now.Add(98*day)) +
				" on it gives less than 48h | LCG-UI myproxy-init -s px.example.org -d -n -t 48 -c 3000"}},
		{name: "the host certificate is over, and the last proxy is not", after: 301 * day, renewed: "machine-proxy expired 0s, lcgadmin ok 23h",
			set: func(s *scene) {
				s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(900 * day) }).state("lcgadmin", func(st *plan.CredentialState) { st.UserCertEnd = now.Add(900 * day) })
			},
			unmended: []string{
				"machine-proxy 300d: the host certificate /etc/hostcert.pem ends; from " + plan.Clock(now.Add(299*day)) +
					" on it gives less than 24h | site admin ask your CA for a new host certificate and install it as /etc/hostcert.pem",
				"lcgadmin 300d: the host certificate /etc/hostcert.pem ends on " + plan.Clock(now.Add(300*day)) + ", and it can be renewed no more; what is left then lasts until " + plan.Clock(now.Add(302*day-time.Hour)) +
					" | site admin ask your CA for a new host certificate and install it as /etc/hostcert.pem"}},
		{name: "nearly over", set: func(*scene) {}, after: 100*day - 30*time.Minute, renewed: "machine-proxy ok 20h30m, lcgadmin alert 30m",
			unmended: []string{"lcgadmin 98d: renewals give less than 48h: the credential stored on " + server + " ends on " + plan.Clock(now.Add(100*day)) +
				" | LCG-UI myproxy-init -s px.example.org -d -n -t 48 -c 3000"}, later: "lcgadmin"},
		{name: "short already", set: func(s *scene) { s.stored12() }, after: day, renewed: "machine-proxy ok 20h, lcgadmin ok 11h45m",
			unmended: []string{"lcgadmin 0s: renewals give 12h instead of 48h: the credential on " + server +
				" was stored with -t 12h | LCG-UI myproxy-init -s px.example.org -d -n -t 48 -c 3000"}, later: "lcgadmin"},
		{name: "another program", set: func(s *scene) { s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }) }, after: day,
			renewed: "machine-proxy unknown 0s, lcgadmin ok 47h", later: "lcgadmin"},
		{name: "there is none, and no renewal either", after: day, renewed: "machine-proxy ok 20h, lcgadmin missing 0s",
			set: func(s *scene) {
				s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(-day) }).state("lcgadmin", func(st *plan.CredentialState) { st.Exists = false })
			},
			unmended: []string{"lcgadmin 0s: the credential stored on " + server + " ended on " + plan.Clock(now.Add(-day)) +
				" | LCG-UI myproxy-init -s px.example.org -d -n -t 48 -c 3000"}},
		{name: "there is none yet", after: day, renewed: "machine-proxy ok 20h, lcgadmin ok 48h",
			set: func(s *scene) {
				s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: st.Path} })
			}},
		{name: "revocation lists", after: 7 * day, renewed: "machine-proxy ok 20h, lcgadmin ok 47h", later: "lcgadmin",
			set: func(s *scene) {
				for name, d := range map[string]time.Duration{plan.MachineName: 6 * day, "lcgadmin": 5 * day} {
					s.state(name, func(st *plan.CredentialState) { st.Backing.CRLEnd = now.Add(d) })
				}
			},
			unmended: []string{"revocation lists 120h: those that are here now end, unless fetch-crl gets new ones | site admin see that fetch-crl's timer or cron job runs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.set(s)
			r := s.box().Rehearse(now.Add(tt.after))
			var renewed, unmended []string
			for _, x := range r.Renewed {
				renewed = append(renewed, fmt.Sprintf("%s %s %s", x.Name, x.State, plan.Span(time.Duration(x.SecondsLeft)*time.Second)))
			}
			for _, b := range r.Unmended {
				unmended = append(unmended, fmt.Sprintf("%s %s: %s | %s %s", b.Subject, plan.Span(b.When.Sub(now)), b.Reason, b.Where, b.Remedy))
				if b.Impact == "" {
					t.Errorf("%s: it is not said what stops working", b.Subject)
				}
			}
			if got := strings.Join(renewed, ", "); got != tt.renewed {
				t.Errorf("renewed: got %s\nwant %s", got, tt.renewed)
			}
			if got, want := strings.Join(unmended, "\n"), strings.Join(tt.unmended, "\n"); got != want {
				t.Errorf("unmended: got\n%s\nwant\n%s", got, want)
			}
			later := ""
			if r.Later != nil {
				later = r.Later.Subject
			}
			if later != tt.later {
				t.Errorf("later %q breaks, want %q", later, tt.later)
			}
		})
	}
	for _, d := range []time.Duration{0, -day} {
		if r := newScene().box().Rehearse(now.Add(d)); r != nil {
			t.Errorf("a rehearsal for %s from now: %+v", d, r)
		}
	}
}
