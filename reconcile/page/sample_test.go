package page_test

import (
	"fmt"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

const day = 24 * time.Hour

var now = time.Date(2026, 11, 22, 3, 17, 0, 0, time.UTC)

func in(d time.Duration) time.Time { return now.Add(d) }

// A world is a box whose status is computed as it is for a real one.
type world struct {
	want    plan.Desired
	have    plan.Observed
	history []page.Event
}

const jane = "/DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe"

// quietBox is a box on which everything is as it should be: a machine proxy renewed twice a day, and two user proxies
// that are renewed every two hours.
func quietBox() *world {
	w := &world{want: plan.Desired{VO: "alice", User: "alicesgm", Home: "/home/alicesgm", State: "/var/lib/vobox/alice/reconcile",
		Repository: "/var/lib/vobox/alice/proxy_repository"},
		have: plan.Observed{Credentials: map[string]plan.CredentialState{}, EnvFiles: map[string]plan.EnvFileState{}, Services: map[string]plan.ServiceState{}}}
	w.machine(in(-5*time.Hour), in(19*time.Hour), in(140*day))
	w.user("lcgadmin", "/alice/Role=lcgadmin", 48*time.Hour, 46*time.Hour, in(-72*time.Minute), in(97*day))
	w.user("pilot", "/alice/Role=pilot", 48*time.Hour, 46*time.Hour, in(-21*time.Minute), in(97*day))
	for _, name := range []string{"CE.env", "ml.env"} {
		path := "/home/alicesgm/.alien/config/" + name
		w.want.EnvFiles = append(w.want.EnvFiles, plan.EnvFile{Path: path, Set: []plan.Var{{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}}}})
		w.have.EnvFiles[path] = plan.EnvFileState{Exists: true, Mode: 0o644}
	}
	w.service("jalien", in(-9*day), "/home/alicesgm/.alien/config/CE.env")
	w.service("arc-exporter", time.Time{})
	w.event(in(-30*time.Hour), "write", "env-file", "/home/alicesgm/.alien/config/ml.env", "X509_USER_PROXY: set to /var/lib/vobox/alice/proxy_repository/+2fDC+3dch…lcgadmin", "")
	return w
}

func (w *world) event(t time.Time, action, kind, target, reason, err string) *page.Event {
	e := page.Event{Time: t, ID: action + "/" + kind + "/" + target, Action: action, Kind: kind, Target: target, Reason: reason, Result: "done", Seconds: 0.3}
	if err != "" {
		e.Result, e.Error = "failed", err
	}
	at := len(w.history)
	for at > 0 && w.history[at-1].Time.After(t) {
		at--
	}
	w.history = append(w.history[:at], append([]page.Event{e}, w.history[at:]...)...)
	return &w.history[at]
}

func (w *world) machine(last, end, certEnd time.Time) {
	c := plan.Credential{Name: plan.MachineName, Kind: plan.Machine, Path: "/var/lib/vobox/alice/renewal-proxy.pem", Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour,
		AlertBelow: time.Hour, Source: plan.Source{Certificate: &plan.Certificate{Cert: "/etc/grid-security/hostcert.pem"}}}
	w.want.Credentials = append(w.want.Credentials, c)
	w.have.Credentials[c.Name] = plan.CredentialState{Path: c.Path, Exists: true, Identity: "/DC=ch/DC=cern/OU=computers/CN=voalice07.cern.ch", Type: "rfc", KeyType: "rsa", KeyBits: 2048,
		NotAfter: end, EffectiveEnd: end, EndsWith: "the proxy", UserCertEnd: certEnd,
		Grant:  &plan.Grant{Source: c.Source.String(), Time: last, Taken: true, Asked: c.Lifetime, Granted: c.Lifetime, Proxy: plan.Share{Granted: c.Lifetime}},
		Source: plan.SourceState{Path: "/etc/grid-security/hostcert.pem", NotAfter: certEnd}}
	for t := last; t.After(in(-6 * day)); t = t.Add(-12 * time.Hour) {
		w.event(t, "renew", "machine-proxy", c.Name, "the proxy has 12h left, renewed below 12h", "").End = t.Add(24 * time.Hour)
	}
}

func (w *world) user(name, fqan string, life, below time.Duration, last, stored time.Time) {
	c := plan.Credential{Name: name, Kind: plan.User, Path: "/var/lib/vobox/alice/proxy_repository/+2fDC+3dch+2fDC+3dcern+2fOU+3dOrganic+20Units+2fOU+3dUsers+2fCN+3djdoe+2fCN+3d123456+2fCN+3dJane+20Doe-voms alice:" + fqan,
		Identity: jane, VO: "alice", FQANs: []string{fqan}, Lifetime: life, RenewBelow: below, AlertBelow: time.Hour,
		Source: plan.Source{MyProxy: &plan.MyProxy{Server: "myproxy.cern.ch:7512", Username: jane, AlertBelow: 10 * day}}}
	w.want.Credentials = append(w.want.Credentials, c)
	end := last.Add(life)
	w.have.Credentials[name] = plan.CredentialState{Path: c.Path, Exists: true, Identity: jane, Type: "rfc", KeyType: "rsa", KeyBits: 2048, VO: "alice", FQANs: []string{fqan, "/alice"},
		NotAfter: end, ACNotAfter: end, EffectiveEnd: end, EndsWith: "the attribute certificate", UserCertEnd: in(171 * day),
		Grant: &plan.Grant{Source: c.Source.String(), Time: last, Taken: true, Asked: life, Granted: life, Proxy: plan.Share{Granted: life}, AC: plan.Share{Granted: life}, StoredEnd: stored}}
	for t := last; t.After(in(-4 * day)); t = t.Add(below - life) {
		w.event(t, "renew", "proxy", name, "the attribute certificate has 45h59m left, renewed below 46h", "").End = t.Add(life)
	}
}

func (w *world) service(name string, last time.Time, files ...string) {
	w.want.Services = append(w.want.Services, plan.Service{Name: name, Restart: []string{"/bin/true"}, EnvFiles: files, Timeout: time.Minute})
	st := plan.ServiceState{Known: true}
	if !last.IsZero() {
		st.Restarts = []time.Time{last}
		w.event(last, "restart", "service", name, "CE.env changes", "")
	}
	w.have.Services[name] = st
	s := w.want.Services[len(w.want.Services)-1]
	st.RestartedFor = plan.ServiceDigest(s, w.want, w.have)
	w.have.Services[name] = st
}

// change alters what was found of a credential.
func (w *world) change(name string, f func(*plan.CredentialState)) {
	st := w.have.Credentials[name]
	if st.Grant != nil {
		g := *st.Grant
		st.Grant = &g
	}
	f(&st)
	w.have.Credentials[name] = st
}

func (w *world) input() page.Input {
	for i, s := range w.want.Services { // what was changed is not what services were restarted for
		st := w.have.Services[s.Name]
		st.RestartedFor = plan.ServiceDigest(w.want.Services[i], w.want, w.have)
		w.have.Services[s.Name] = st
	}
	p := plan.Compute(w.want, w.have, now, plan.Options{})
	return page.Input{Status: status.Of(w.want, w.have, p, now), History: w.history, Past: page.Recent, VO: w.want.VO, Host: "voalice07.cern.ch",
		Version: "v1.4.0", Refresh: 2 * time.Minute}
}

// warnedBox works, and has things to tell: stored with -t 12, and a night in which the server did not answer.
func warnedBox() *world {
	w := quietBox()
	w.change("pilot", func(st *plan.CredentialState) {
		st.Grant.Granted, st.Grant.Proxy = 12*time.Hour, plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}
		st.Grant.StoredEnd = in(6*day + 4*time.Hour)
		st.NotAfter = in(12*time.Hour - 21*time.Minute)
		st.ACNotAfter, st.EffectiveEnd, st.EndsWith = st.NotAfter, st.NotAfter, "the proxy"
	})
	w.history = append([]page.Event{}, w.history...)
	var kept []page.Event
	for _, e := range w.history {
		night := e.Time.After(in(-19*time.Hour)) && e.Time.Before(in(-14*time.Hour))
		if night && e.Kind == "proxy" {
			e.Result, e.Error, e.End = "failed", "asking myproxy.cern.ch:7512: dialing 188.184.1.1: i/o timeout", time.Time{}
		}
		kept = append(kept, e)
	}
	w.history = kept
	return w
}

// brokenBox has a proxy that has ended, one that is missing, and a service held back.
func brokenBox() *world {
	w := warnedBox()
	w.change("lcgadmin", func(st *plan.CredentialState) {
		end := in(-3*time.Hour - 12*time.Minute)
		st.NotAfter, st.ACNotAfter, st.EffectiveEnd = end, end, end
		st.Grant.Time = end.Add(-48 * time.Hour)
	})
	var kept []page.Event
	for _, e := range w.history {
		if e.Target != "lcgadmin" || e.Time.Before(in(-51*time.Hour)) {
			kept = append(kept, e)
		}
	}
	w.history = kept
	w.change("pilot", func(st *plan.CredentialState) { *st = plan.CredentialState{Path: st.Path} })
	for d := 15 * time.Minute; d < 40*time.Hour; d += 2 * time.Hour {
		w.event(in(-d), "renew", "proxy", "lcgadmin", "the attribute certificate expired 3h ago", "myproxy.cern.ch:7512 refuses: no credentials exist for that user name")
	}
	ce := w.want.EnvFiles[0]
	w.have.EnvFiles[ce.Path] = plan.EnvFileState{Exists: true, Unmet: []string{"ALIEN_USER is not jdoe but jroe"}}
	return w
}

// hostileBox has names that others chose.
func hostileBox() *world {
	w := warnedBox()
	w.change("lcgadmin", func(st *plan.CredentialState) {
		st.Identity = `/DC=x/CN=<script>alert(1)</script>"'>` + "\u202egnirts\x1b[31m\u0000"
		st.Fault, st.FaultID = "the file says </style><img src=x onerror=alert(1)> {{.}} "+longWord, "X"
	})
	w.event(in(-time.Minute), "renew", "proxy", "lcgadmin", "javascript:alert(1)", "<svg onload=alert(1)>"+longWord)
	return w
}

var longWord = fmt.Sprintf("%0500d", 7)
