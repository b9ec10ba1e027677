package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// Each alert, what it says and what to type. Where a cause has several alerts, ids has all of them.
func TestAlerts(t *testing.T) {
	grant := func(g plan.Grant) func(*plan.Desired, plan.Observed) {
		return func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials["lcgadmin"]
			g.Asked, g.Source, g.Taken = 48*time.Hour, source, true
			st.Grant = &g
			if g.Proxy.Limit == plan.LimitCert {
				st.UserCertEnd = now.Add(6 * time.Hour)
			}
			h.Credentials["lcgadmin"] = st
		}
	}
	robot := func(src plan.SourceState) func(*plan.Desired, plan.Observed) {
		return func(w *plan.Desired, h plan.Observed) {
			w.Credentials[1].Source = plan.Source{Certificate: &plan.Certificate{Cert: src.Path}}
			st := h.Credentials["lcgadmin"]
			st.Source = src
			// What an earlier configuration was granted, or somebody has written into the record, is no reason to panic.
			st.Grant = &plan.Grant{Source: source, Taken: true, Asked: 48 * time.Hour, Granted: time.Hour, Proxy: plan.Share{Granted: time.Hour, Limit: plan.LimitStored}}
			h.Credentials["lcgadmin"] = st
		}
	}
	for _, tt := range []struct {
		name        string
		set         func(*plan.Desired, plan.Observed)
		id, message string
		remedy      string
	}{
		{"stored with -t 12", grant(plan.Grant{Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}), "MP-T12",
			"12h of the 48h asked were granted: the credential on px.example.org:7512 was stored with -t 12",
			"myproxy-init -s px.example.org -d -n -t 48 -c 3000"},
		{"stored credential ends", grant(plan.Grant{Granted: 6 * time.Hour, Proxy: plan.Share{Granted: 6 * time.Hour, Limit: plan.LimitEnd}, StoredEnd: now.Add(6 * time.Hour)}), "MP-SHORT, MP-STORED",
			"6h of the 48h asked were granted: the credential stored on px.example.org:7512 ends Sunday 2026-11-22 05:00 UTC, in 6h; no working day is left",
			"myproxy-init -s px.example.org -d -n -t 48 -c 3000"},
		{"user certificate ends", grant(plan.Grant{Granted: 6 * time.Hour, Proxy: plan.Share{Granted: 6 * time.Hour, Limit: plan.LimitCert}}), "MP-SHORT, USER-CERT",
			"6h of the 48h asked were granted: the user certificate ends Sunday 2026-11-22 05:00 UTC, in 6h; no working day is left",
			"get a new certificate from your CA, then myproxy-init -s px.example.org -d -n -t 48 -c 3000"},
		{"VOMS maximum", grant(plan.Grant{Granted: 24 * time.Hour, AC: plan.Share{Granted: 24 * time.Hour, Limit: plan.LimitAC}, ACServer: "voms.example.org"}), "VO-ACSHORT",
			"24h of the 48h asked were granted: the VOMS server voms.example.org allows no longer attribute certificates",
			"ask the VO manager of alice to raise the maximum to 48h, or set CE_PROXYTHRESHOLD below 82800 seconds in CE.env"},
		{"stored credential below its threshold", grant(plan.Grant{Granted: 48 * time.Hour, StoredEnd: now.Add(9 * 24 * time.Hour)}), "MP-STORED",
			"the credential stored on px.example.org:7512 ends Monday 2026-11-30 23:00 UTC, in 216h; the last working day is Monday 30, alert below 10d",
			"myproxy-init -s px.example.org -d -n -t 48 -c 3000"},
		{"user proxy low", func(_ *plan.Desired, h plan.Observed) {
			h.Credentials["lcgadmin"] = good("/v/lcgadmin", 30*time.Minute, "the proxy")
		}, "PROXY-LOW", "the user proxy /v/lcgadmin: the proxy ends on 2026-11-21 23:30 UTC, in 30m", ""},
		{"machine proxy kept by others is gone", func(w *plan.Desired, h plan.Observed) {
			w.Credentials[0].Observe = true
			h.Credentials[plan.MachineName] = plan.CredentialState{Path: "/v/renewal-proxy.pem"}
		}, "HOST-PROXY", "the machine proxy /v/renewal-proxy.pem does not exist; another program keeps it", ""},
		{"host certificate expired", func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials[plan.MachineName]
			st.Source = plan.SourceState{Path: "/etc/hostcert.pem", Fault: "it expired", FaultID: "HOST-CERT"}
			h.Credentials[plan.MachineName] = st
		}, "HOST-CERT", "it expired", "ask your CA for a new host certificate and install it as /etc/hostcert.pem"},
		{"robot certificate about to end", robot(plan.SourceState{Path: "/robot.pem", NotAfter: now.Add(5 * 24 * time.Hour)}), "ROBOT-CERT",
			"the certificate /robot.pem ends Thursday 2026-11-26 23:00 UTC, in 120h; the last working day is Thursday 26", "get a new certificate from your CA and install it as /robot.pem"},
		{"robot certificate expired", robot(plan.SourceState{Path: "/robot.pem", Fault: "it expired", FaultID: "ROBOT-CERT"}), "ROBOT-CERT", "it expired", ""},
		{"broken user proxy", func(_ *plan.Desired, h plan.Observed) {
			h.Credentials["lcgadmin"] = plan.CredentialState{Path: "/v/lcgadmin", Exists: true, Fault: "it is empty", FaultID: "FILE-READ"}
		}, "FILE-READ", "the user proxy /v/lcgadmin cannot be used: it is empty", ""},
		{"stored with a lifetime of minutes", grant(plan.Grant{Granted: 10 * time.Minute, Proxy: plan.Share{Granted: 10 * time.Minute, Limit: plan.LimitStored}}), "MP-T12",
			"10m of the 48h asked were granted: the credential on px.example.org:7512 was stored with -t 10m", ""},
		{"user certificate about to end", func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials["lcgadmin"]
			st.Identity, st.UserCertEnd = "/DC=ch/CN=Jane Doe", now.Add(13*24*time.Hour)
			h.Credentials["lcgadmin"] = st
		}, "USER-CERT", "the user certificate /DC=ch/CN=Jane Doe ends Friday 2026-12-04 23:00 UTC, in 13d; the last working day is Friday 4; no proxy is made from it after that",
			"get a new certificate from your CA, then myproxy-init -s px.example.org -d -n -t 48 -c 3000"},
		{"stored for as long as the user certificate lasts", func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials["lcgadmin"]
			st.UserCertEnd = now.Add(9 * 24 * time.Hour)
			st.Grant = &plan.Grant{Source: source, Taken: true, Asked: 48 * time.Hour, Granted: 48 * time.Hour, StoredEnd: st.UserCertEnd}
			h.Credentials["lcgadmin"] = st
		}, "MP-STORED, USER-CERT", "the credential stored on px.example.org:7512 ends Monday 2026-11-30 23:00 UTC, in 216h; the last working day is Monday 30, alert below 10d; it ends with the user certificate",
			"get a new certificate from your CA, then myproxy-init -s px.example.org -d -n -t 48 -c 3000"},
		{"certificate of the VOMS server about to end", func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials["lcgadmin"]
			st.Backing = plan.Backing{Signer: "/DC=ch/CN=voms", SignerEnd: now.Add(6 * 24 * time.Hour)}
			h.Credentials["lcgadmin"] = st
		}, "VO-SIGNER", "the certificate of the VOMS server /DC=ch/CN=voms ends Friday 2026-11-27 23:00 UTC, in 144h; the last working day is Friday 27; the attributes that it signs end with it",
			"ask the VO manager of alice when the VOMS server gets its new certificate"},
		{"revocation list about to run out", func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials[plan.MachineName]
			st.Backing.CRLEnd = now.Add(11 * time.Hour)
			h.Credentials[plan.MachineName] = st
		}, "CRL-STALE", "a revocation list (CRL) of the CAs behind it ends on 2026-11-22 10:00 UTC, in 11h, and was not replaced in time; nothing of its CA is accepted after that",
			"run fetch-crl, and see that its timer or cron job runs: systemctl status fetch-crl.timer"},
		{"revocation list run out", func(_ *plan.Desired, h plan.Observed) {
			h.Credentials["lcgadmin"] = plan.CredentialState{Path: "/v/lcgadmin", Exists: true, Fault: "the CRL of /CN=CA expired", FaultID: "CRL-STALE"}
		}, "CRL-STALE", "the user proxy /v/lcgadmin cannot be used: the CRL of /CN=CA expired",
			"run fetch-crl, and see that its timer or cron job runs: systemctl status fetch-crl.timer"},
		{"revocation list run out, behind the machine proxy", func(_ *plan.Desired, h plan.Observed) {
			h.Credentials[plan.MachineName] = plan.CredentialState{Path: "/v/renewal-proxy.pem", Exists: true, Fault: "the CRL of /CN=CA expired", FaultID: "CRL-STALE"}
		}, "CRL-STALE", "the machine proxy /v/renewal-proxy.pem cannot be used: the CRL of /CN=CA expired",
			"run fetch-crl, and see that its timer or cron job runs: systemctl status fetch-crl.timer"},
		{"machine proxy low", func(w *plan.Desired, h plan.Observed) {
			w.Credentials[0].AlertBelow = time.Hour
			h.Credentials[plan.MachineName] = good("/v/renewal-proxy.pem", 30*time.Minute, "the proxy")
		}, "HOST-PROXY", "the machine proxy /v/renewal-proxy.pem has 30m left", "vobox-reconcile --force machine-proxy, as root"},
		{"host certificate about to end", func(_ *plan.Desired, h plan.Observed) {
			st := h.Credentials[plan.MachineName]
			st.Source = plan.SourceState{Path: "/etc/hostcert.pem", NotAfter: now.Add(9 * 24 * time.Hour)}
			h.Credentials[plan.MachineName] = st
		}, "HOST-CERT", "the host certificate /etc/hostcert.pem ends Monday 2026-11-30 23:00 UTC, in 216h; the last working day is Monday 30", ""},
		{"expectation not met", func(_ *plan.Desired, h plan.Observed) {
			h.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Unmet: []string{"ALIEN_USER is wrong"}}
		}, "ENV-EXPECT", "ALIEN_USER is wrong; services are not restarted", ""},
		{"too many restarts", func(_ *plan.Desired, h plan.Observed) {
			var at []time.Time
			for i := range 4 {
				at = append(at, now.Add(-time.Duration(20-i)*time.Hour))
			}
			h.Services["jalien"] = plan.ServiceState{Pending: "x", Restarts: at}
		}, "SVC-ATMOST", "the restart waits until 2026-11-22 03:00 UTC: 4 in 24h are allowed (x, and it was not restarted since)", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, have := box()
			tt.set(&want, have)
			alerts := plan.Compute(want, have, now, plan.Options{}).Alerts
			var ids []string
			for _, a := range alerts {
				ids = append(ids, a.ID)
			}
			slices.Sort(ids)
			if got := strings.Join(ids, ", "); got != tt.id {
				t.Fatalf("alerts %s, want %s: %+v", got, tt.id, alerts)
			}
			a := alerts[slices.IndexFunc(alerts, func(a plan.Alert) bool { return a.ID == strings.Split(tt.id, ",")[0] })]
			if a.Message != tt.message || (tt.remedy != "" && a.Remedy != tt.remedy) {
				t.Errorf("got %q %q,\nwant %q %q", a.Message, a.Remedy, tt.message, tt.remedy)
			}
			if a.Where == "" || a.Remedy == "" || a.Subject == "" || a.Severity == "" {
				t.Errorf("incomplete: %+v", a)
			}
		})
	}
}

// Saturday the 28th and Sunday the 29th of November 2026 are no working days, and neither is a day that is over at five.
func TestDeadline(t *testing.T) {
	at := func(s string) time.Time {
		t.Helper()
		when, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, tt := range []struct{ end, now, want string }{
		{"2026-11-29 10:00", "2026-11-23 08:00", "ends Sunday 2026-11-29 10:00 UTC, in 146h; the last working day is Friday 27"},
		{"2026-11-28 00:00", "2026-11-23 08:00", "ends Saturday 2026-11-28 00:00 UTC, in 112h; the last working day is Friday 27"},
		{"2026-11-30 09:00", "2026-11-23 08:00", "ends Monday 2026-11-30 09:00 UTC, in 169h; the last working day is Friday 27"},
		{"2026-11-30 17:00", "2026-11-23 08:00", "ends Monday 2026-11-30 17:00 UTC, in 177h; the last working day is Monday 30"},
		{"2026-11-25 16:59", "2026-11-23 08:00", "ends Wednesday 2026-11-25 16:59 UTC, in 56h59m; the last working day is Tuesday 24"},
		{"2026-11-25 23:00", "2026-11-25 08:00", "ends Wednesday 2026-11-25 23:00 UTC, in 15h; the last working day is today, Wednesday 25"},
		{"2026-11-29 10:00", "2026-11-27 23:59", "ends Sunday 2026-11-29 10:00 UTC, in 34h1m; the last working day is today, Friday 27"},
		{"2026-11-29 10:00", "2026-11-28 00:00", "ends Sunday 2026-11-29 10:00 UTC, in 34h; no working day is left"},
		{"2026-11-30 09:00", "2026-11-30 08:00", "ends Monday 2026-11-30 09:00 UTC, in 1h; no working day is left"},
		{"2026-11-01 12:00", "2026-10-26 12:00", "ends Sunday 2026-11-01 12:00 UTC, in 144h; the last working day is Friday 2026-10-30"},
		{"2027-01-03 12:00", "2026-12-24 12:00", "ends Sunday 2027-01-03 12:00 UTC, in 10d; the last working day is Friday 1"},
		{"2026-12-20 10:00", "2026-11-23 08:00", "ends on 2026-12-20 10:00 UTC, in 27d2h"},
		{"2026-11-22 10:00", "2026-11-23 08:00", "ended on 2026-11-22 10:00 UTC"},
		{"2026-11-23 08:00", "2026-11-23 08:00", "ended on 2026-11-23 08:00 UTC"},
	} {
		if got := plan.Deadline(at(tt.end), at(tt.now)); got != tt.want {
			t.Errorf("Deadline(%s, %s) = %q, want %q", tt.end, tt.now, got, tt.want)
		}
	}
	east := time.FixedZone("east", 9*3600)
	if got, want := plan.LastWorkingDay(at("2026-11-29 22:00").In(east)), at("2026-11-27 00:00"); !got.Equal(want) {
		t.Errorf("elsewhere the last working day is %v, want %v", got, want)
	}
	for day := range 400 { // always a working day, before the end, and no more than three days before
		end := at("2026-01-01 00:00").Add(time.Duration(day) * 7 * time.Hour * 5)
		last := plan.LastWorkingDay(end)
		if last.Weekday() == time.Saturday || last.Weekday() == time.Sunday || !last.Before(end) || end.Sub(last) > 4*24*time.Hour {
			t.Errorf("the last working day before %v is %v", end, last)
		}
	}
}

// What people have to renew becomes critical with its last working day, and stays an alert under one id from the first
// warning to the end and after it: it must not look mended in between.
func TestAlertsGoOnUntilTheEnd(t *testing.T) {
	end := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC) // a Sunday
	for _, tt := range []struct {
		id  string
		set func(st *plan.CredentialState)
	}{
		{"USER-CERT", func(st *plan.CredentialState) { st.UserCertEnd = end }},
		{"MP-STORED", func(st *plan.CredentialState) {
			st.Grant = &plan.Grant{Source: source, Taken: true, Asked: 48 * time.Hour, Granted: 48 * time.Hour, StoredEnd: end}
		}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			open, critical := time.Time{}, time.Time{}
			for at := end.Add(-30 * 24 * time.Hour); at.Before(end.Add(72 * time.Hour)); at = at.Add(30 * time.Minute) {
				want, have := box()
				st := have.Credentials["lcgadmin"]
				st.EffectiveEnd, st.NotAfter = at.Add(47*time.Hour), at.Add(47*time.Hour)
				tt.set(&st)
				if g := st.Grant; g != nil && end.Sub(at) < 48*time.Hour { // as the server does then
					g.Granted = max(end.Sub(at), 0)
					g.Proxy = plan.Share{Granted: g.Granted, Limit: plan.LimitEnd}
				}
				have.Credentials["lcgadmin"] = st
				alerts := plan.Compute(want, have, at, plan.Options{}).Alerts
				i := slices.IndexFunc(alerts, func(a plan.Alert) bool { return a.ID == tt.id })
				switch {
				case i < 0 && !open.IsZero():
					t.Fatalf("at %v it is gone: %+v", at, alerts)
				case i < 0:
					continue
				case open.IsZero():
					open = at
				}
				if alerts[i].Severity == plan.Critical && critical.IsZero() {
					critical = at
				} else if alerts[i].Severity != plan.Critical && !critical.IsZero() {
					t.Fatalf("at %v it is less critical", at)
				}
			}
			if friday := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC); !critical.Equal(friday) {
				t.Errorf("critical from %v on, want %v", critical, friday)
			}
			if early := end.Sub(open); early < 9*24*time.Hour || early > 14*24*time.Hour {
				t.Errorf("told %v before the end", early)
			}
		})
	}
}
