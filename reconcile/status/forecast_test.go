package status_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

func TestForecast(t *testing.T) {
	const (
		stored = "the credential stored on " + server
		host   = "the host certificate /etc/hostcert.pem"
		user   = "the user certificate " + janes
		store  = "myproxy-init -s px.example.org -d -n -t 48 -c 3000"
	)
	storedEnd := now.Add(100 * day)
	at := func(d time.Duration) string { return plan.Clock(now.Add(d)) }
	for _, tt := range []struct {
		name               string
		set                func(*scene)
		of                 string
		gives              time.Duration
		shortFrom, shortBy string
		until, by, end     string
		remedy, where      string
		foreign            bool
	}{
		{name: "the stored credential ends", set: func(*scene) {}, of: "lcgadmin", gives: 48 * time.Hour,
			shortFrom: plan.Clock(storedEnd.Add(-48 * time.Hour)), shortBy: stored, until: plan.Clock(storedEnd), by: stored, end: plan.Clock(storedEnd), remedy: store, where: "LCG-UI"},
		{name: "the host certificate ends", set: func(*scene) {}, of: plan.MachineName, gives: 24 * time.Hour,
			shortFrom: at(299 * day), shortBy: host, until: at(300 * day), by: host, end: at(300 * day),
			remedy: "ask your CA for a new host certificate and install it as /etc/hostcert.pem", where: "site admin"},
		{name: "the host certificate ends before the stored credential: the last proxy was made just before", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.state(plan.MachineName, func(st *plan.CredentialState) { st.Source.NotAfter = now.Add(10 * day) })
			},
			// Renewed one hour from now, and every two hours after that; the last time one hour before the host certificate ends.
			shortFrom: plan.Clock(storedEnd.Add(-48 * time.Hour)), shortBy: stored, until: at(10 * day), by: host, end: at(10*day - time.Hour + 48*time.Hour),
			remedy: "ask your CA for a new host certificate and install it as /etc/hostcert.pem", where: "site admin"},
		{name: "the user certificate ends with the stored credential", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.state("lcgadmin", func(st *plan.CredentialState) { st.UserCertEnd = storedEnd })
			},
			shortFrom: plan.Clock(storedEnd.Add(-48 * time.Hour)), shortBy: user, until: plan.Clock(storedEnd), by: user, end: plan.Clock(storedEnd),
			remedy: "get a new certificate from your CA, then " + store, where: "LCG-UI"},
		{name: "nothing is known of the stored credential: the user certificate ends", of: "lcgadmin", gives: 48 * time.Hour,
			set:       func(s *scene) { s.state("lcgadmin", func(st *plan.CredentialState) { st.Grant = nil }) },
			shortFrom: at(198 * day), shortBy: user, until: at(200 * day), by: user, end: at(200 * day), remedy: "get a new certificate from your CA, then " + store, where: "LCG-UI"},
		{name: "what another source gave says nothing", of: "lcgadmin", gives: 48 * time.Hour,
			set:       func(s *scene) { s.grant(func(g *plan.Grant) { g.Source = "myproxy elsewhere:7512  " }) },
			shortFrom: at(198 * day), shortBy: user, until: at(200 * day), by: user, end: at(200 * day), remedy: "get a new certificate from your CA, then " + store, where: "LCG-UI"},
		{name: "nothing is known", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.state("lcgadmin", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: st.Path} })
				s.wanted("lcgadmin", func(c *plan.Credential) { c.Source.MyProxy.PassphraseFile = "/etc/pass" })
			}, shortFrom: "-", until: "-", end: "-"},
		{name: "stored with -t 12", set: func(s *scene) { s.stored12() }, of: "lcgadmin", gives: 12 * time.Hour,
			shortFrom: at(-time.Hour), shortBy: "the credential on " + server + " was stored with -t 12h", until: plan.Clock(storedEnd), by: stored, end: plan.Clock(storedEnd),
			remedy: store, where: "LCG-UI"},
		{name: "the VOMS server gives 24 hours", of: "lcgadmin", gives: 24 * time.Hour,
			set: func(s *scene) {
				s.grant(func(g *plan.Grant) {
					g.Granted, g.AC = 24*time.Hour, plan.Share{Granted: 24 * time.Hour, Limit: plan.LimitAC}
				}).left("lcgadmin", 23*time.Hour+30*time.Minute)
			},
			shortFrom: at(-time.Hour), shortBy: "the VOMS server voms.example.org gives no more", until: plan.Clock(storedEnd), by: stored, end: plan.Clock(storedEnd),
			remedy: store, where: "LCG-UI"},
		{name: "the signer of the attributes ended the last grant", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.grant(func(g *plan.Grant) {
					g.Granted, g.AC = 21*time.Hour, plan.Share{Granted: 21 * time.Hour, Limit: plan.LimitSigner}
				}).left("lcgadmin", 20*time.Hour).state("lcgadmin", func(st *plan.CredentialState) {
					st.EndsWith = "the certificate /CN=voms, which signed the attribute certificate"
				})
			},
			shortFrom: at(-28 * time.Hour), shortBy: "the certificate /CN=voms, which signed the attribute certificate", until: at(20 * time.Hour),
			by: "the certificate /CN=voms, which signed the attribute certificate", end: at(20 * time.Hour),
			remedy: "ask the VO manager of alice when the VOMS server gets its new certificate", where: "VO manager"},
		{name: "the signer ends first", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.state("lcgadmin", func(st *plan.CredentialState) {
					st.Backing = plan.Backing{Signer: "/CN=voms", SignerEnd: now.Add(30 * day)}
				})
			},
			shortFrom: at(28 * day), shortBy: "the VOMS server's certificate /CN=voms", until: at(30 * day), by: "the VOMS server's certificate /CN=voms", end: at(30 * day),
			remedy: "ask the VO manager of alice when the VOMS server gets its new certificate", where: "VO manager"},
		{name: "a closer look has seen a CA that ends", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				end := now.Add(20 * day)
				s.looks["lcgadmin"] = status.Look{Ends: []status.End{{What: status.WhatCA, Name: "the CA /CN=ca", When: &end, Counts: true}}}
			},
			shortFrom: at(18 * day), shortBy: "the CA /CN=ca", until: at(20 * day), by: "the CA /CN=ca", end: at(20 * day),
			remedy: "install or update the CA package (ca-policy-egi-core)", where: "site admin"},
		{name: "a robot certificate", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.wanted("lcgadmin", func(c *plan.Credential) {
					c.Source = plan.Source{Certificate: &plan.Certificate{Cert: "/etc/robot.pem"}}
				})
				s.state("lcgadmin", func(st *plan.CredentialState) {
					st.Source = plan.SourceState{Path: "/etc/robot.pem", NotAfter: now.Add(40 * day)}
				})
			},
			shortFrom: at(38 * day), shortBy: "the certificate /etc/robot.pem", until: at(40 * day), by: "the certificate /etc/robot.pem", end: at(40 * day),
			remedy: "get a new certificate from your CA and install it as /etc/robot.pem", where: "VO-Box"},
		{name: "a passphrase does without the machine proxy", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.wanted("lcgadmin", func(c *plan.Credential) { c.Source.MyProxy.PassphraseFile = "/etc/pass" })
				s.state(plan.MachineName, func(st *plan.CredentialState) { st.Source.NotAfter = now.Add(10 * day) })
			},
			shortFrom: plan.Clock(storedEnd.Add(-48 * time.Hour)), shortBy: stored, until: plan.Clock(storedEnd), by: stored, end: plan.Clock(storedEnd), remedy: store, where: "LCG-UI"},
		{name: "a host certificate that cannot be read: what is there is the last", of: plan.MachineName, gives: 24 * time.Hour,
			set: func(s *scene) {
				s.state(plan.MachineName, func(st *plan.CredentialState) {
					st.Source = plan.SourceState{Path: "/etc/hostcert.pem", Fault: "it cannot be read", FaultID: "HOST-CERT"}
				})
			},
			shortFrom: "-", until: at(0), by: "it cannot be read", end: at(20 * time.Hour),
			remedy: "ask your CA for a new host certificate and install it as /etc/hostcert.pem", where: "site admin"},
		{name: "and it gates the user proxy", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.state(plan.MachineName, func(st *plan.CredentialState) {
					st.Source = plan.SourceState{Path: "/etc/hostcert.pem", Fault: "it cannot be read", FaultID: "HOST-CERT"}
				})
			},
			// The machine proxy has 20 hours: renewed after 1, 3, … 19 hours.
			shortFrom: plan.Clock(storedEnd.Add(-48 * time.Hour)), shortBy: stored, until: at(20 * time.Hour), by: "the machine proxy, which cannot be renewed (it cannot be read),", end: at(67 * time.Hour),
			remedy: "ask your CA for a new host certificate and install it as /etc/hostcert.pem", where: "site admin"},
		{name: "a machine proxy of another program ends nothing that is known", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true })
				s.state(plan.MachineName, func(st *plan.CredentialState) { st.Source.NotAfter = now.Add(10 * day) })
			},
			shortFrom: plan.Clock(storedEnd.Add(-48 * time.Hour)), shortBy: stored, until: plan.Clock(storedEnd), by: stored, end: plan.Clock(storedEnd), remedy: store, where: "LCG-UI"},
		{name: "another program renews it", of: plan.MachineName, foreign: true,
			set: func(s *scene) { s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true }) }},
		{name: "the stored credential is over: what is in place is the last", of: "lcgadmin", gives: 48 * time.Hour,
			set:       func(s *scene) { s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(-day) }) },
			shortFrom: at(-3 * day), shortBy: stored, until: at(-day), by: stored, end: at(47 * time.Hour), remedy: store, where: "LCG-UI"},
		{name: "and there is none", of: "lcgadmin", gives: 48 * time.Hour,
			set: func(s *scene) {
				s.grant(func(g *plan.Grant) { g.StoredEnd = now.Add(-day) }).state("lcgadmin", func(st *plan.CredentialState) { st.Exists = false })
			},
			shortFrom: at(-3 * day), shortBy: stored, until: at(-day), by: stored, end: at(0), remedy: store, where: "LCG-UI"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.set(s)
			f := described(s.box().Describe(), tt.of).Forecast
			if tt.foreign {
				if f != nil {
					t.Errorf("got %+v, want none", f)
				}
				return
			}
			got := fmt.Sprint(time.Duration(f.GivesSeconds)*time.Second, "|", clock(f.ShortFrom), "|", f.ShortBy, "|", clock(f.RenewableUntil), "|", f.RenewableBy, "|", clock(f.End), "|", f.Remedy, "|", f.Where)
			want := fmt.Sprint(tt.gives, "|", tt.shortFrom, "|", tt.shortBy, "|", tt.until, "|", tt.by, "|", tt.end, "|", tt.remedy, "|", tt.where)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// A model goes from pass to pass, as the real thing does, where the forecast computes.
type model struct {
	*scene
	at          time.Time
	host, limit time.Time     // ends of the host certificate, and of what is stored
	most        time.Duration // that the servers give
}

// run makes a pass whenever one is due, until a time.
func (m *model) run(until time.Time) {
	for passes := 0; m.at.Before(until); passes++ {
		for _, c := range m.want.Credentials {
			m.renew(c)
		}
		next := plan.Compute(m.want, m.have, m.at, plan.Options{}).NextLook
		if !next.After(m.at) {
			next = m.at.Add(time.Microsecond) // exactly at its threshold nothing is due
		}
		m.at = next
		if passes > 100000 {
			panic("there is no end to it")
		}
	}
	m.at = until
}

func (m *model) renew(c plan.Credential) {
	st := m.have.Credentials[c.Name]
	if due, _ := plan.Due(c, st, m.at); !due {
		return
	}
	end, life := m.host, c.Lifetime
	if c.Kind == plan.User {
		end, life = m.limit, min(c.Lifetime, m.most)
		if !m.have.Credentials[plan.MachineName].Usable(m.at) {
			return
		}
	}
	if !m.at.Before(end) {
		return
	}
	share := plan.Share{Granted: life}
	if life < c.Lifetime {
		share.Limit = plan.LimitStored
	}
	if end.Before(m.at.Add(life)) {
		share = plan.Share{Granted: end.Sub(m.at), Limit: plan.LimitEnd}
	}
	fresh := m.at.Add(share.Granted)
	g := &plan.Grant{Source: c.Source.String(), Time: m.at, Asked: c.Lifetime, Granted: share.Granted, Proxy: share, Taken: !st.Usable(m.at) || fresh.After(st.EffectiveEnd)}
	if c.Kind == plan.User {
		g.StoredEnd = m.limit
	}
	if st.Grant = g; g.Taken {
		st.Exists, st.EffectiveEnd, st.NotAfter = true, fresh, fresh
	}
	m.have.Credentials[c.Name] = st
}

// What is computed is what comes of making one pass after the other.
func TestForecastIsWhatHappens(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		hours := func(most int) time.Duration { return time.Duration(1+r.IntN(most*60)) * time.Minute }
		m := &model{scene: newScene(), at: now, host: now.Add(hours(240)), limit: now.Add(hours(240)), most: 48 * time.Hour}
		if r.IntN(3) == 0 {
			m.most = time.Duration(6+r.IntN(36))*time.Hour + 17*time.Minute // never exactly as good as what is in place
		}
		m.left(plan.MachineName, hours(24)).left("lcgadmin", min(hours(60), m.limit.Sub(now)))
		m.state(plan.MachineName, func(st *plan.CredentialState) {
			st.Source.NotAfter = m.host
			if m.host.Before(st.EffectiveEnd) {
				st.EffectiveEnd = m.host
			}
		})
		m.grant(func(g *plan.Grant) {
			g.StoredEnd, g.Taken = m.limit, false
			if m.most < 48*time.Hour {
				g.Granted, g.Proxy = m.most, plan.Share{Granted: m.most, Limit: plan.LimitStored}
			}
			g.Time = now.Add(-30 * day) // it is time to ask again
		})
		if r.IntN(4) == 0 {
			m.state("lcgadmin", func(st *plan.CredentialState) { st.Exists = false })
		}
		box := m.box()
		box.Have.Credentials = map[string]plan.CredentialState{}
		for name, st := range m.have.Credentials {
			box.Have.Credentials[name] = st
		}
		for range 8 {
			m.run(m.at.Add(hours(48) + 137*time.Millisecond)) // not when something is due
			re := box.Rehearse(m.at)
			for _, got := range re.Renewed {
				st := m.have.Credentials[got.Name]
				switch {
				case got.EffectiveEnd == nil && !st.Exists:
				case got.EffectiveEnd == nil || got.EffectiveEnd.Sub(st.EffectiveEnd).Abs() > time.Second:
					t.Fatalf("seed %d: %s at %s: computed end %s, going there %s (host certificate until %s, stored until %s, at most %s)", seed, got.Name,
						plan.Clock(m.at), clock(got.EffectiveEnd), plan.Clock(st.EffectiveEnd), plan.Clock(m.host), plan.Clock(m.limit), plan.Span(m.most))
				}
			}
		}
	}
}

func TestNextRenewalAndSteps(t *testing.T) {
	s := newScene()
	d := s.box().Describe()
	if c := described(d, "lcgadmin"); clock(c.NextRenewal) != plan.Clock(now.Add(time.Hour)) || c.LifetimeSeconds != 48*3600 || c.RenewBelowSeconds != 46*3600 ||
		c.LateBelowSeconds != 44*3600 || c.AlertBelowSeconds != 3600 || c.EndsWith != "the attribute certificate" || clock(c.LastRenewal) != plan.Clock(now.Add(-time.Hour)) {
		t.Errorf("lcgadmin: %+v", c)
	}
	var got []string
	for _, x := range d.Steps {
		got = append(got, x.ID+" "+clock(x.When))
	}
	want := []string{"renew/proxy/lcgadmin " + plan.Clock(now.Add(time.Hour)), "renew/machine-proxy " + plan.Clock(now.Add(8*time.Hour))}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("steps %q, want %q", got, want)
	}
	s.left("lcgadmin", 40*time.Hour).have.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Changes: []string{"X509_USER_PROXY: set to /v/lcgadmin"}}
	d = s.box().Describe()
	got = nil
	for _, x := range d.Steps {
		got = append(got, x.ID+" "+clock(x.When))
	}
	now := plan.Clock(now)
	want = []string{"renew/proxy/lcgadmin " + now, "write/env-file" + ceEnv + " " + now, "restart/service/jalien " + now, want[1]}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("steps %q, want %q", got, want)
	}
	s.wanted(plan.MachineName, func(c *plan.Credential) { c.Observe = true })
	if c := described(s.box().Describe(), plan.MachineName); c.NextRenewal != nil || c.Forecast != nil || c.RenewBelowSeconds != 0 {
		t.Errorf("a machine proxy of another program: %+v", c)
	}
}
