package status_test

import (
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

const (
	day    = 24 * time.Hour
	ceEnv  = "/home/alicesgm/.alien/config/CE.env"
	mlEnv  = "/home/alicesgm/.alien/config/ml.env"
	janes  = "/DC=ch/CN=Jane Doe"
	server = "px.example.org:7512"
)

// A scene is a box that a test may change before it is described.
type scene struct {
	want  plan.Desired
	have  plan.Observed
	looks map[string]status.Look
}

// newScene is a box on which all is well: the machine proxy has 20 h left, the user proxy 47 h, the stored credential 100
// days, the host certificate 300.
func newScene() *scene {
	s := &scene{looks: map[string]status.Look{}}
	s.want = plan.Desired{
		VO: "alice", User: "alicesgm", UID: 500,
		Credentials: []plan.Credential{
			{Name: plan.MachineName, Kind: plan.Machine, Path: "/v/renewal-proxy.pem", Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour, AlertBelow: time.Hour,
				Source: plan.Source{Certificate: &plan.Certificate{Cert: "/etc/hostcert.pem", Key: "/etc/hostkey.pem"}}},
			{Name: "lcgadmin", Kind: plan.User, Path: "/v/lcgadmin", Identity: janes, VO: "alice", FQANs: []string{"/alice/Role=lcgadmin"},
				Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, AlertBelow: time.Hour,
				Source: plan.Source{MyProxy: &plan.MyProxy{Server: server, Username: janes, AlertBelow: 240 * time.Hour}}},
		},
		EnvFiles: []plan.EnvFile{
			{Path: ceEnv, Set: []plan.Var{{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}}}},
			{Path: mlEnv, Set: []plan.Var{{Name: "MYPROXY_SERVER", Value: []plan.Part{{Text: "px.example.org"}}}}},
		},
		Services: []plan.Service{{Name: "jalien", EnvFiles: []string{ceEnv, mlEnv}, AtMost: 4, Per: day}},
	}
	s.have = plan.Observed{
		Credentials: map[string]plan.CredentialState{
			plan.MachineName: {Path: "/v/renewal-proxy.pem", Exists: true, Identity: "/DC=ch/CN=vobox", NotAfter: now.Add(20 * time.Hour), EffectiveEnd: now.Add(20 * time.Hour),
				EndsWith: "the proxy", UserCertEnd: now.Add(300 * day), Source: plan.SourceState{Path: "/etc/hostcert.pem", NotAfter: now.Add(300 * day)}},
			"lcgadmin": {Path: "/v/lcgadmin", Exists: true, Identity: janes, NotAfter: now.Add(47 * time.Hour), ACNotAfter: now.Add(47 * time.Hour),
				EffectiveEnd: now.Add(47 * time.Hour), EndsWith: "the attribute certificate", UserCertEnd: now.Add(200 * day)},
		},
		EnvFiles: map[string]plan.EnvFileState{ceEnv: {Exists: true, Values: "ce"}, mlEnv: {Exists: true, Values: "ml"}},
		Services: map[string]plan.ServiceState{},
	}
	s.have.Services["jalien"] = plan.ServiceState{Known: true, RestartedFor: plan.ServiceDigest(s.want.Services[0], s.want, s.have),
		Restarts: []time.Time{now.Add(-30 * day)}}
	return s.grant(func(*plan.Grant) {})
}

// state changes what is found of a credential.
func (s *scene) state(name string, f func(*plan.CredentialState)) *scene {
	st := s.have.Credentials[name]
	f(&st)
	s.have.Credentials[name] = st
	return s
}

// left sets how long a credential still lasts.
func (s *scene) left(name string, d time.Duration) *scene {
	return s.state(name, func(st *plan.CredentialState) { st.EffectiveEnd, st.NotAfter = now.Add(d), now.Add(d) })
}

// wanted changes what is wanted of a credential.
func (s *scene) wanted(name string, f func(*plan.Credential)) *scene {
	for i := range s.want.Credentials {
		if s.want.Credentials[i].Name == name {
			f(&s.want.Credentials[i])
		}
	}
	return s
}

// cred is what is wanted of a credential.
func (s *scene) cred(name string) plan.Credential {
	for _, c := range s.want.Credentials {
		if c.Name == name {
			return c
		}
	}
	panic("no " + name)
}

// grant is what the servers gave an hour ago for the user proxy: 48 h, unless f says otherwise.
func (s *scene) grant(f func(*plan.Grant)) *scene {
	g := &plan.Grant{Source: s.cred("lcgadmin").Source.String(), Time: now.Add(-time.Hour), Taken: true, Asked: 48 * time.Hour, Granted: 48 * time.Hour,
		Proxy: plan.Share{Granted: 48 * time.Hour}, AC: plan.Share{Granted: 48 * time.Hour}, StoredEnd: now.Add(100 * day), ACServer: "voms.example.org"}
	f(g)
	return s.state("lcgadmin", func(st *plan.CredentialState) { st.Grant = g })
}

// stored12 makes the stored credential one that was stored with -t 12.
func (s *scene) stored12() *scene {
	return s.grant(func(g *plan.Grant) {
		g.Granted, g.Proxy = 12*time.Hour, plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}
	}).left("lcgadmin", 11*time.Hour+45*time.Minute)
}

func (s *scene) box() status.Box {
	return status.Box{Want: s.want, Have: s.have, Plan: plan.Compute(s.want, s.have, now, plan.Options{}), Now: now, Looks: s.looks}
}

// described is what the status says of a credential.
func described(d status.Doc, name string) status.Credential {
	for _, c := range d.Credentials {
		if c.Name == name {
			return c
		}
	}
	panic("no " + name)
}

func clock(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return plan.Clock(*t)
}
