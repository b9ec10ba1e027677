package plan_test

import (
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

const (
	source = "myproxy px.example.org:7512  " // of the user proxy
	ceEnv  = "/home/alicesgm/.alien/config/CE.env"
	mlEnv  = "/home/alicesgm/.alien/config/ml.env"
)

// box is a box on which all is well: the machine proxy has 20 h left, the user proxy 47 h.
func box() (plan.Desired, plan.Observed) {
	want := plan.Desired{
		VO: "alice",
		Credentials: []plan.Credential{
			{Name: plan.MachineName, Kind: plan.Machine, Path: "/v/renewal-proxy.pem", Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour,
				Source: plan.Source{Certificate: &plan.Certificate{Cert: "/etc/grid-security/hostcert.pem"}}},
			{Name: "lcgadmin", Kind: plan.User, Path: "/v/lcgadmin", VO: "alice", FQANs: []string{"/alice/Role=lcgadmin"},
				Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, AlertBelow: time.Hour,
				Source: plan.Source{MyProxy: &plan.MyProxy{Server: "px.example.org:7512", AlertBelow: 240 * time.Hour}}},
		},
		EnvFiles: []plan.EnvFile{
			{Path: ceEnv, Set: []plan.Var{{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}}}},
			{Path: mlEnv, Set: []plan.Var{{Name: "MYPROXY_SERVER", Value: []plan.Part{{Text: "px.example.org"}}}}},
		},
		Services: []plan.Service{{Name: "jalien", EnvFiles: []string{ceEnv, mlEnv}, AtMost: 4, Per: 24 * time.Hour}},
	}
	have := plan.Observed{
		Credentials: map[string]plan.CredentialState{
			plan.MachineName: good("/v/renewal-proxy.pem", 20*time.Hour, "the proxy"),
			"lcgadmin":       good("/v/lcgadmin", 47*time.Hour, "the attribute certificate"),
		},
		EnvFiles: map[string]plan.EnvFileState{
			ceEnv: {Exists: true, Values: "ce"},
			mlEnv: {Exists: true, Values: "ml"},
		},
		Services: map[string]plan.ServiceState{},
	}
	have.Services["jalien"] = plan.ServiceState{Known: true, RestartedFor: plan.ServiceDigest(want.Services[0], want, have)}
	return want, have
}

func good(path string, left time.Duration, endsWith string) plan.CredentialState {
	return plan.CredentialState{Path: path, Exists: true, EffectiveEnd: now.Add(left), NotAfter: now.Add(left), EndsWith: endsWith}
}

// line is a step in one line, for comparing.
func line(s plan.Step) string {
	l := s.ID + ": " + s.Reason
	if len(s.Needs) > 0 {
		l += " <- " + strings.Join(s.Needs, ",")
	}
	return l
}

func TestCompute(t *testing.T) {
	cred := func(h plan.Observed, name string, f func(*plan.CredentialState)) {
		st := h.Credentials[name]
		f(&st)
		h.Credentials[name] = st
	}
	env := func(h plan.Observed, path string, change string) {
		h.EnvFiles[path] = plan.EnvFileState{Exists: true, Changes: []string{change}, Values: "new"}
	}
	const change = "X509_USER_PROXY: set to /v/lcgadmin"
	for _, tt := range []struct {
		name  string
		set   func(w *plan.Desired, h plan.Observed)
		opts  plan.Options
		steps []string
	}{
		{name: "all is well", set: func(*plan.Desired, plan.Observed) {}},
		{name: "the attribute certificate is due",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.EffectiveEnd = now.Add(39*time.Hour + 12*time.Minute) })
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 39h12m left, renewed below 46h"}},
		{name: "exactly at the threshold nothing is due",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.EffectiveEnd = now.Add(46 * time.Hour) })
			}},
		{name: "an empty box",
			set: func(_ *plan.Desired, h plan.Observed) {
				h.Credentials[plan.MachineName] = plan.CredentialState{Path: "/v/renewal-proxy.pem"}
				h.Credentials["lcgadmin"] = plan.CredentialState{Path: "/v/lcgadmin"}
				env(h, ceEnv, change)
				h.Services["jalien"] = plan.ServiceState{}
			},
			steps: []string{
				"renew/machine-proxy: there is none yet",
				"renew/proxy/lcgadmin: there is none yet <- renew/machine-proxy",
				"write/env-file" + ceEnv + ": " + change + " <- renew/proxy/lcgadmin",
				"restart/service/jalien: " + ceEnv + " changes <- write/env-file" + ceEnv + ",renew/proxy/lcgadmin",
			}},
		{name: "a machine proxy that is due but good does not hold up the user proxy",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, plan.MachineName, func(s *plan.CredentialState) { s.EffectiveEnd = now.Add(11 * time.Hour) })
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.EffectiveEnd = now.Add(time.Hour) })
			},
			steps: []string{
				"renew/machine-proxy: the proxy has 11h left, renewed below 12h",
				"renew/proxy/lcgadmin: the attribute certificate has 1h left, renewed below 46h",
			}},
		{name: "a machine proxy that another program keeps is left alone",
			set: func(w *plan.Desired, h plan.Observed) {
				w.Credentials[0].Observe = true
				h.Credentials[plan.MachineName] = plan.CredentialState{Path: "/v/renewal-proxy.pem"}
			}},
		{name: "expired",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.EffectiveEnd = now.Add(-2 * time.Hour) })
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate expired 2h ago, on 2026-11-21 21:00 UTC"}},
		{name: "a short grant moves the threshold to the same fraction",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(11*time.Hour + 40*time.Minute)
					s.Grant = &plan.Grant{Source: source, Taken: true, Asked: 48 * time.Hour, Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
				})
			}},
		{name: "a short grant does not let the proxy run low",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(11*time.Hour + 20*time.Minute)
					s.Grant = &plan.Grant{Source: source, Taken: true, Asked: 48 * time.Hour, Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
				})
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 11h20m left, renewed below 11h30m as only 12h of 48h were granted"}},
		{name: "a short grant of another lifetime says nothing about this one",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(40 * time.Hour)
					s.Grant = &plan.Grant{Source: source, Taken: true, Asked: 24 * time.Hour, Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
				})
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 40h left, renewed below 46h"}},
		{name: "a grant that was not taken delays the next try",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(40 * time.Hour)
					s.Grant = &plan.Grant{Source: source, Time: now.Add(-5 * time.Hour), Asked: 48 * time.Hour, Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
				})
			}},
		{name: "but not for long",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(40 * time.Hour)
					s.Grant = &plan.Grant{Source: source, Time: now.Add(-6 * time.Hour), Asked: 48 * time.Hour, Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
				})
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 40h left, renewed below 46h"}},
		{name: "and not when the proxy is about to end",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(50 * time.Minute)
					s.Grant = &plan.Grant{Source: source, Time: now.Add(-time.Minute), Asked: 48 * time.Hour, Granted: 10 * time.Minute, Proxy: plan.Share{Granted: 10 * time.Minute, Limit: plan.LimitStored}}
				})
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 50m left, renewed below 46h"}},
		{name: "a grant just above renewBelow does not renew on every pass",
			set: func(w *plan.Desired, h plan.Observed) {
				w.Credentials[1].RenewBelow = 47*time.Hour + 58*time.Minute
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(47*time.Hour + 57*time.Minute)
					s.Grant = &plan.Grant{Source: source, Taken: true, Time: now, Asked: 48 * time.Hour, Granted: 47*time.Hour + 57*time.Minute, Proxy: plan.Share{Granted: 47*time.Hour + 57*time.Minute, Limit: plan.LimitStored}}
				})
			}},
		{name: "a grant of another source says nothing",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.EffectiveEnd = now.Add(40 * time.Hour)
					s.Grant = &plan.Grant{Source: "certificate /x", Taken: true, Asked: 48 * time.Hour, Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
				})
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 40h left, renewed below 46h"}},
		{name: "the machine proxy is made for a proxy that was selected without it",
			set: func(_ *plan.Desired, h plan.Observed) {
				h.Credentials[plan.MachineName] = plan.CredentialState{Path: "/v/renewal-proxy.pem"}
				h.Credentials["lcgadmin"] = plan.CredentialState{Path: "/v/lcgadmin"}
			},
			opts:  plan.Options{Only: []string{"lcgadmin"}},
			steps: []string{"renew/machine-proxy: there is none yet", "renew/proxy/lcgadmin: there is none yet <- renew/machine-proxy"}},
		{name: "to force is to select",
			set:   func(*plan.Desired, plan.Observed) {},
			opts:  plan.Options{Only: []string{"jalien"}, Force: []string{"lcgadmin"}},
			steps: []string{"renew/proxy/lcgadmin: forced"}},
		{name: "with a passphrase no machine proxy is needed",
			set: func(w *plan.Desired, h plan.Observed) {
				w.Credentials[1].Source.MyProxy.PassphraseFile = "/p"
				h.Credentials[plan.MachineName] = plan.CredentialState{Path: "/v/renewal-proxy.pem"}
				h.Credentials["lcgadmin"] = plan.CredentialState{Path: "/v/lcgadmin"}
			},
			steps: []string{"renew/machine-proxy: there is none yet", "renew/proxy/lcgadmin: there is none yet"}},
		{name: "restarts in the future are a clock that was wrong",
			set: func(_ *plan.Desired, h plan.Observed) {
				h.Services["jalien"] = plan.ServiceState{Pending: "x", Restarts: []time.Time{now.AddDate(12, 0, 0), now.AddDate(12, 0, 0), now.AddDate(12, 0, 0), now.AddDate(12, 0, 0)}}
			},
			steps: []string{"restart/service/jalien: x, and it was not restarted since"}},
		{name: "forced", set: func(*plan.Desired, plan.Observed) {}, opts: plan.Options{Force: []string{"lcgadmin"}},
			steps: []string{"renew/proxy/lcgadmin: forced"}},
		{name: "only the env file",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.EffectiveEnd = now })
				env(h, ceEnv, change)
			},
			opts:  plan.Options{Only: []string{ceEnv}},
			steps: []string{"write/env-file" + ceEnv + ": " + change}},
		{name: "an env file is wrong",
			set: func(_ *plan.Desired, h plan.Observed) { env(h, ceEnv, change) },
			steps: []string{"write/env-file" + ceEnv + ": " + change,
				"restart/service/jalien: " + ceEnv + " changes <- write/env-file" + ceEnv}},
		{name: "no restart wanted",
			set:   func(_ *plan.Desired, h plan.Observed) { env(h, ceEnv, change) },
			opts:  plan.Options{NoRestart: true},
			steps: []string{"write/env-file" + ceEnv + ": " + change}},
		{name: "a restart that was announced and not done",
			set: func(_ *plan.Desired, h plan.Observed) {
				h.Services["jalien"] = plan.ServiceState{Pending: ceEnv + " changed"}
			},
			steps: []string{"restart/service/jalien: " + ceEnv + " changed, and it was not restarted since"}},
		{name: "a service never seen before, its files right, is taken over as it is",
			set: func(_ *plan.Desired, h plan.Observed) { h.Services["jalien"] = plan.ServiceState{} }},
		{name: "files put right by hand after the last restart",
			set: func(_ *plan.Desired, h plan.Observed) {
				h.Services["jalien"] = plan.ServiceState{Known: true, RestartedFor: "something else"}
			},
			steps: []string{"restart/service/jalien: its settings differ from those it was last restarted for"}},
		{name: "an expectation does not hold: the file is kept, nothing is restarted",
			set: func(_ *plan.Desired, h plan.Observed) {
				h.EnvFiles[ceEnv] = plan.EnvFileState{Exists: true, Changes: []string{change}, Unmet: []string{"ALIEN_USER"}}
			},
			steps: []string{"write/env-file" + ceEnv + ": " + change}},
		{name: "a renewal that a service is restarted for",
			set: func(w *plan.Desired, h plan.Observed) {
				w.Services[0].Proxies = []string{"lcgadmin"}
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.EffectiveEnd = now.Add(time.Hour) })
				h.Services["jalien"] = plan.ServiceState{Known: true, RestartedFor: plan.ServiceDigest(w.Services[0], *w, h)}
			},
			steps: []string{"renew/proxy/lcgadmin: the attribute certificate has 1h left, renewed below 46h",
				"restart/service/jalien: proxy lcgadmin changes <- renew/proxy/lcgadmin"}},
		{name: "a broken link",
			set: func(w *plan.Desired, h plan.Observed) {
				w.Credentials[1].Links = []string{"/tmp/x509up_u500"}
				cred(h, "lcgadmin", func(s *plan.CredentialState) {
					s.Links = map[string]string{"/tmp/x509up_u500": "there is no link yet"}
				})
			},
			steps: []string{"link/tmp/x509up_u500: there is no link yet"}},
		{name: "a wrong mode is put right without a renewal",
			set: func(_ *plan.Desired, h plan.Observed) {
				cred(h, "lcgadmin", func(s *plan.CredentialState) { s.Misplaced = "its mode is 0644" })
			},
			steps: []string{"write/proxy/lcgadmin: its mode is 0644"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, have := box()
			tt.set(&want, have)
			p := plan.Compute(want, have, now, tt.opts)
			var got []string
			for _, s := range p.Steps {
				got = append(got, line(s))
			}
			if !reflect.DeepEqual(got, tt.steps) {
				t.Errorf("steps:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.steps, "\n"))
			}
			if again := plan.Compute(want, have, now, tt.opts); !reflect.DeepEqual(p, again) {
				t.Errorf("a second computation differs")
			}
		})
	}
}

func TestNextLook(t *testing.T) {
	want, have := box()
	if got, due := plan.Compute(want, have, now, plan.Options{}).NextLook, now.Add(time.Hour); !got.Equal(due) {
		t.Errorf("next look %v, want %v, when the user proxy goes below 46h", got, due)
	}
	have.Services["jalien"] = plan.ServiceState{Pending: "x", Restarts: []time.Time{now.Add(-23*time.Hour - 30*time.Minute), now, now, now}}
	p := plan.Compute(want, have, now, plan.Options{})
	if due := now.Add(30 * time.Minute); !p.NextLook.Equal(due) || !p.Steps[0].NotBefore.Equal(due) {
		t.Errorf("next look %v, want %v, when the restart is allowed", p.NextLook, due)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 30 * time.Second: "30s", 90 * time.Second: "1m30s", 46 * time.Hour: "46h",
		39*time.Hour + 12*time.Minute + 29*time.Second: "39h12m", 240 * time.Hour: "10d", 3000 * time.Hour: "125d", 250 * time.Hour: "10d10h",
		-time.Hour: "-1h", time.Time{}.Sub(now): "-106751d23h",
	} {
		if got := plan.Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

// The planner is pure: it imports the standard library only, and of that nothing that does I/O.
func TestImports(t *testing.T) {
	allowed := map[string]bool{"crypto/sha256": true, "encoding/hex": true, "fmt": true, "io": true, "io/fs": true, "slices": true, "strings": true, "time": true}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", e.Name(), path)
			}
		}
	}
}
