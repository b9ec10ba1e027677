package reconcile_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A restarter counts restarts and fails when told to.
type restarter struct {
	calls []string
	err   error
	look  func() // what to look at while the service is being restarted
}

func (r *restarter) Restart(_ context.Context, c service.Command) error {
	r.calls = append(r.calls, c.Name)
	if r.look != nil {
		r.look()
	}
	return r.err
}

// A box is a sandbox site with the engine that looks after its VO box.
type box struct {
	*gridtest.Site
	*reconcile.Engine
	want     plan.Desired
	restarts *restarter
	clock    *clock
}

// A clock is one for the box and the servers; it moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// start is when the tests happen.
var start = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

func newBox(t *testing.T, o gridtest.SiteOptions) *box {
	t.Helper()
	b := &box{restarts: &restarter{}, clock: &clock{now: start}}
	o.Now = b.clock.Now
	site, err := gridtest.NewSite(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	b.Site = site
	now := b.clock.Now
	b.Engine = &reconcile.Engine{
		Trust: site.Trust,
		Issuer: &issue.Issuer{
			TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
				return site.Trust.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, now)
			},
			Servers: func() ([]voms.Server, error) { return voms.Load([]string{site.Vomses}) },
			Now:     now,
			Timeout: 5 * time.Second,
		},
		Services:   b.restarts,
		Now:        now,
		Log:        zerolog.New(zerolog.NewTestWriter(t)),
		LoginProxy: site.LoginProxy,
		RetryAfter: time.Millisecond,
	}
	b.want = desired(site)
	return b
}

func desired(site *gridtest.Site) plan.Desired {
	user := site.User.Identity().String()
	proxy := plan.Var{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}}
	return plan.Desired{
		VO: site.VO, UID: -1, GID: -1, Home: site.Home, Root: site.Root, Repository: site.Repository,
		State: filepath.Join(site.Root, "reconcile"),
		Credentials: []plan.Credential{
			{Name: plan.MachineName, Kind: plan.Machine, Path: filepath.Join(site.Root, "renewal-proxy.pem"), Mode: 0o400,
				Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour,
				Source: plan.Source{Certificate: &plan.Certificate{Cert: site.HostCert, Key: site.HostKey}}},
			{Name: "lcgadmin", Kind: plan.User, Path: filepath.Join(site.Repository, "lcgadmin"), Mode: 0o600,
				Identity: user, VO: site.VO, FQANs: []string{site.Role},
				Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, AlertBelow: time.Hour,
				Source: plan.Source{MyProxy: &plan.MyProxy{Server: site.MyProxy.Addr(), Username: user, Timeout: 5 * time.Second, AlertBelow: 240 * time.Hour}}},
		},
		EnvFiles: []plan.EnvFile{
			{Path: site.CEEnv, Set: []plan.Var{proxy}, Export: true, Mode: 0o644},
			{Path: site.MLEnv, Set: []plan.Var{proxy}, Export: true, Mode: 0o644},
		},
		Services: []plan.Service{{Name: "jalien", Restart: []string{"jalien-vobox.sh", "restart"}, EnvFiles: []string{site.CEEnv, site.MLEnv}, AtMost: 4, Per: 24 * time.Hour}},
	}
}

func (b *box) pass(t *testing.T, o plan.Options) *reconcile.Report {
	t.Helper()
	r, err := b.Pass(context.Background(), b.want, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// results is a report in short: "renew/proxy/lcgadmin done".
func results(r *reconcile.Report) []string {
	var out []string
	for _, o := range r.Outcomes {
		out = append(out, o.Step.ID+" "+string(o.Result))
	}
	return out
}

func mustResults(t *testing.T, r *reconcile.Report, want ...string) {
	t.Helper()
	if got := results(r); !slices.Equal(got, want) {
		for _, o := range r.Outcomes {
			if o.Err != nil {
				t.Logf("%s: %v", o.Step.ID, o.Err)
			}
		}
		t.Fatalf("outcomes:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func mustAlert(t *testing.T, r *reconcile.Report, id string) plan.Alert {
	t.Helper()
	for _, a := range r.Alerts {
		if a.ID == id {
			if a.Message == "" || a.Remedy == "" || a.Where == "" {
				t.Errorf("alert %s is incomplete: %+v", id, a)
			}
			return a
		}
	}
	t.Fatalf("no alert %s among %+v", id, r.Alerts)
	return plan.Alert{}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (b *box) all() []string {
	return []string{"renew/machine-proxy done", "renew/proxy/lcgadmin done", "write/env-file" + b.CEEnv + " done",
		"write/env-file" + b.MLEnv + " done", "restart/service/jalien done"}
}

func TestPass(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	r := b.pass(t, plan.Options{})
	mustResults(t, r, b.all()...)
	if len(r.Alerts) != 0 {
		t.Errorf("alerts on a good site: %+v", r.Alerts)
	}
	if len(b.restarts.calls) != 1 {
		t.Errorf("restarted %d times, want once", len(b.restarts.calls))
	}
	for path, mode := range map[string]os.FileMode{
		b.want.Credentials[0].Path: 0o400, b.want.Credentials[1].Path: 0o600,
		filepath.Join(b.want.State, "last-good", "lcgadmin.pem"): 0o600, b.want.State: 0o700 | os.ModeDir,
		filepath.Join(b.want.State, "state.json"): 0o600, filepath.Join(b.want.State, "journal.jsonl"): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	if got, want := string(read(t, b.CEEnv)), "export X509_USER_PROXY="+b.want.Credentials[1].Path; !strings.Contains(got, want) {
		t.Errorf("CE.env is\n%s\nwant a line %s", got, want)
	}
	st := b.Observe(b.want).Credentials["lcgadmin"]
	if !st.Usable(start.Add(47*time.Hour)) || st.FQANs[0] != b.Role || st.Type != "rfc" {
		t.Errorf("the proxy is not as wanted: %+v", st)
	}

	second := b.pass(t, plan.Options{})
	mustResults(t, second)
	if look := second.NextLook.Sub(start); look < 1*time.Hour+50*time.Minute || look > 2*time.Hour+time.Minute {
		t.Errorf("next look in %v, want about 2h", look)
	}
	if len(b.MyProxy.Requests()) != 1 {
		t.Errorf("%d requests to MyProxy, want one", len(b.MyProxy.Requests()))
	}
}

// The journal has one line for each applied step, and no key.
func TestJournal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	var ids []string
	journal := read(t, filepath.Join(b.want.State, "journal.jsonl"))
	for line := range bytes.Lines(journal) {
		var e reconcile.JournalEntry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		ids = append(ids, e.ID+" "+string(e.Result))
	}
	want := b.all()
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("the journal has %v, want %v", ids, want)
	}
	if bytes.Contains(journal, []byte("PRIVATE")) {
		t.Error("there is a key in the journal")
	}
}

// A renewal with the proxy in place as authority, and the login proxy gone.
func TestRenewal(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	b.Engine.LoginProxy = ""
	before := read(t, b.want.Credentials[1].Path)
	mustResults(t, b.pass(t, plan.Options{Force: []string{"lcgadmin"}}), "renew/proxy/lcgadmin failed") // it would not last longer
	if !bytes.Equal(before, read(t, b.want.Credentials[1].Path)) {
		t.Error("the old proxy did not stay")
	}
	b.clock.pass(3 * time.Hour)
	mustResults(t, b.pass(t, plan.Options{}), "renew/proxy/lcgadmin done")
	if bytes.Equal(before, read(t, b.want.Credentials[1].Path)) {
		t.Error("the proxy is the old one")
	}
	b.clock.pass(20 * time.Hour)
	mustResults(t, b.pass(t, plan.Options{}), "renew/machine-proxy done", "renew/proxy/lcgadmin done")
	if len(b.restarts.calls) != 1 {
		t.Errorf("a renewal at the same path restarted the service")
	}
}

// When somebody deletes the proxy, its last-good copy authorises the next.
func TestLastGood(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	b.Engine.LoginProxy = ""
	for _, content := range []string{"", "-----BEGIN CERTIFICATE-----\nAAAA\n", "\x00\x01\x02"} {
		if err := os.WriteFile(b.want.Credentials[1].Path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		b.clock.pass(time.Minute)
		mustResults(t, b.pass(t, plan.Options{}), "renew/proxy/lcgadmin done")
	}
	if err := os.Remove(b.want.Credentials[1].Path); err != nil {
		t.Fatal(err)
	}
	mustResults(t, b.pass(t, plan.Options{}), "renew/proxy/lcgadmin done")
}

// A login proxy that was copied into the repository under any name authorises the first renewal.
func TestLoginProxyInRepository(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.Engine.LoginProxy = ""
	if err := os.WriteFile(filepath.Join(b.Repository, "whatever it is called"), read(t, b.Site.LoginProxy), 0o600); err != nil {
		t.Fatal(err)
	}
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
}

// With no proxy of the user at hand there is nothing to authorise a renewal with, and it is said what to do.
func TestNoOldProxy(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.Engine.LoginProxy = ""
	r := b.pass(t, plan.Options{Only: []string{"lcgadmin"}})
	mustResults(t, r, "renew/machine-proxy done", "renew/proxy/lcgadmin failed")
	if a := mustAlert(t, r, "MP-NOOLD"); !strings.Contains(a.Remedy, "voms-proxy-init") {
		t.Errorf("remedy %q", a.Remedy)
	}
}

// Each of these leaves the old proxy byte for byte as it was, and is reported with its id.
func TestNeverWorse(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	path := b.want.Credentials[1].Path
	before := read(t, path)
	for _, tt := range []struct {
		name   string
		mp, vo gridtest.Fault
		id     string
	}{
		{name: "MyProxy gives an expired chain", mp: gridtest.Fault{Kind: gridtest.ExpiredChain}, id: "MP-STALE"},
		{name: "MyProxy gives somebody else's proxy", mp: gridtest.Fault{Kind: gridtest.WrongIdentity}, id: "MP-IDENTITY"},
		{name: "MyProxy certifies another key", mp: gridtest.Fault{Kind: gridtest.WrongKey}, id: "MP-PROTO"},
		{name: "MyProxy answers garbage", mp: gridtest.Fault{Kind: gridtest.Garbage, Stage: gridtest.AtRequest}, id: "MP-PROTO"},
		{name: "MyProxy gives half a lifetime", mp: gridtest.Fault{Kind: gridtest.Shorten, Lifetime: 12 * time.Hour}, id: "NEVER-WORSE"},
		{name: "VOMS signs with another key", vo: gridtest.Fault{Kind: gridtest.WrongSignature}, id: "VO-AC"},
		{name: "VOMS names another holder", vo: gridtest.Fault{Kind: gridtest.WrongIdentity}, id: "VO-HOLDER"},
		{name: "VOMS does not know the user", vo: gridtest.Fault{Kind: gridtest.UnknownVO}, id: "VO-UNKNOWN"},
		{name: "VOMS gives an AC without life", vo: gridtest.Fault{Kind: gridtest.ZeroLifetime}, id: "NEVER-WORSE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.MyProxy.SetFaults()
			b.VOMS.SetFaults()
			if tt.mp.Kind != "" {
				b.MyProxy.SetFaults(tt.mp)
			}
			if tt.vo.Kind != "" {
				b.VOMS.SetFaults(tt.vo)
			}
			b.clock.pass(time.Minute)
			r := b.pass(t, plan.Options{Force: []string{"lcgadmin"}})
			mustResults(t, r, "renew/proxy/lcgadmin failed")
			a := mustAlert(t, r, tt.id)
			if a.Severity != plan.Warning || !strings.Contains(a.Message, "the one that is there lasts until") {
				t.Errorf("the alert does not say how much margin is left: %+v", a)
			}
			if !bytes.Equal(before, read(t, path)) {
				t.Error("the old proxy did not stay")
			}
		})
	}
}

// The -t 12 trap: a short grant is told with cause and remedy, and moves the next renewal.
func TestShortGrants(t *testing.T) {
	for _, tt := range []struct {
		name   string
		site   gridtest.SiteOptions
		id     string
		remedy string
	}{
		{"stored with -t 12", gridtest.SiteOptions{StoredMax: 12 * time.Hour}, "MP-T12", "-d -n -t 48 -c 3000"},
		{"the stored credential is about to end", gridtest.SiteOptions{StoredFor: 6 * time.Hour}, "MP-SHORT", "-d -n -t 48 -c 3000"},
		{"the user certificate is about to end", gridtest.SiteOptions{UserEnd: start.Add(30 * time.Hour)}, "MP-SHORT", "get a new certificate"},
		{"the VOMS server's maximum", gridtest.SiteOptions{MaxAC: 24 * time.Hour}, "VO-ACSHORT", "ask the VO manager"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, tt.site)
			r := b.pass(t, plan.Options{})
			mustResults(t, r, b.all()...)
			if a := mustAlert(t, r, tt.id); !strings.Contains(a.Remedy, tt.remedy) {
				t.Errorf("remedy %q, want %q in it", a.Remedy, tt.remedy)
			}
			again := b.pass(t, plan.Options{})
			mustResults(t, again)
			mustAlert(t, again, tt.id) // it stands as long as the cause does
			if !again.NextLook.After(start) {
				t.Errorf("the next look is not ahead: %v", again.NextLook)
			}
		})
	}
}

// A 12 h grant is not worth having while the old proxy has more; it is remembered, so the next pass does not ask again.
func TestShortGrantIsNotWorse(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	before := read(t, b.want.Credentials[1].Path)
	if err := b.Store(3000*time.Hour, 12*time.Hour); err != nil {
		t.Fatal(err)
	}
	r := b.pass(t, plan.Options{Force: []string{"lcgadmin"}})
	mustResults(t, r, "renew/proxy/lcgadmin failed")
	b.clock.pass(4 * time.Hour)
	again := b.pass(t, plan.Options{})
	mustResults(t, again)
	mustAlert(t, again, "MP-T12")
	if !bytes.Equal(before, read(t, b.want.Credentials[1].Path)) {
		t.Error("the old proxy did not stay")
	}
}

func TestUnregisteredBox(t *testing.T) {
	other := gridtest.SitePolicy("/DC=org/DC=gridtest/OU=computers/CN=other.example.org", "")
	b := newBox(t, gridtest.SiteOptions{Policy: &other})
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "renew/machine-proxy done", "renew/proxy/lcgadmin failed", "write/env-file"+b.CEEnv+" skipped",
		"write/env-file"+b.MLEnv+" skipped", "restart/service/jalien skipped")
	a := mustAlert(t, r, "MP-PASS")
	if !strings.Contains(a.Message+a.Remedy, "CN=vobox.example.org") {
		t.Errorf("the alert does not name the box's DN: %+v", a)
	}
	if got := len(b.MyProxy.Requests()); got != 1 {
		t.Errorf("a refusal was asked %d times", got)
	}
}

func TestExpiredHostCertificate(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{HostEnd: start.Add(-time.Hour)})
	r := b.pass(t, plan.Options{})
	if got := results(r)[:2]; !slices.Equal(got, []string{"renew/machine-proxy failed", "renew/proxy/lcgadmin skipped"}) {
		t.Fatalf("outcomes %v", got)
	}
	if a := mustAlert(t, r, "HOST-CERT"); !strings.Contains(a.Message, "expired on") || a.Where != "site admin" {
		t.Errorf("%+v", a)
	}
}

func TestRevokedUser(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	before := read(t, b.want.Credentials[1].Path)
	b.CA.Revoke(b.User.Leaf())
	if err := b.CA.WriteCRL(b.TrustDir); err != nil {
		t.Fatal(err)
	}
	r := b.pass(t, plan.Options{})
	if got := results(r); len(got) == 0 || got[0] != "renew/proxy/lcgadmin failed" {
		t.Fatalf("outcomes %v", got)
	}
	mustAlert(t, r, "MP-REVOKED")
	if !bytes.Equal(before, read(t, b.want.Credentials[1].Path)) {
		t.Error("the old proxy did not stay")
	}
}

// Killed between writing an env file and the restart, the next pass restarts.
func TestRestartIsPartOfTheState(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{NoRestart: true}), b.all()[:4]...)
	if len(b.restarts.calls) != 0 {
		t.Fatal("restarted although not wanted")
	}
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "restart/service/jalien done")

	b.restarts.err = errors.New("CVMFS is not there")
	if err := os.WriteFile(b.CEEnv, []byte("X509_USER_PROXY=/tmp/wrong\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustResults(t, b.pass(t, plan.Options{}), "write/env-file"+b.CEEnv+" done", "restart/service/jalien failed")
	b.restarts.err = nil
	mustResults(t, b.pass(t, plan.Options{}), "restart/service/jalien done")
	mustResults(t, b.pass(t, plan.Options{}))
}

func TestRestartsAreBounded(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	for i := range 3 {
		os.WriteFile(b.CEEnv, fmt.Appendf(nil, "X509_USER_PROXY=/tmp/wrong%d\n", i), 0o644)
		mustResults(t, b.pass(t, plan.Options{}), "write/env-file"+b.CEEnv+" done", "restart/service/jalien done")
	}
	os.WriteFile(b.CEEnv, []byte("X509_USER_PROXY=/tmp/wrong\n"), 0o644)
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "write/env-file"+b.CEEnv+" done", "restart/service/jalien deferred")
	mustAlert(t, r, "SVC-ATMOST")
	b.clock.pass(24*time.Hour + time.Minute)
	last := b.pass(t, plan.Options{Only: []string{"jalien"}})
	mustResults(t, last, "restart/service/jalien done")
}

// A server that does not answer at first is asked again; the pass succeeds.
func TestRetry(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Refuse, Times: 2})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
}

// One failing credential does not hold up the other, nor what depends on that.
func TestIndependence(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	bad := b.want.Credentials[1]
	bad.Name, bad.Path = "pilot", filepath.Join(b.Repository, "pilot")
	bad.FQANs = []string{"/alice/Role=pilot"}
	b.want.Credentials = append(b.want.Credentials, bad)
	b.want.EnvFiles[1].Set = []plan.Var{{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "pilot"}}}}
	b.want.Services = []plan.Service{
		{Name: "ce", EnvFiles: []string{b.CEEnv}}, {Name: "monalisa", EnvFiles: []string{b.MLEnv}},
	}
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "renew/machine-proxy done", "renew/proxy/lcgadmin done", "renew/proxy/pilot failed",
		"write/env-file"+b.CEEnv+" done", "write/env-file"+b.MLEnv+" skipped",
		"restart/service/ce done", "restart/service/monalisa skipped")
	mustAlert(t, r, "VO-FQAN")
	if !slices.Equal(b.restarts.calls, []string{"ce"}) {
		t.Errorf("restarted %v", b.restarts.calls)
	}
}

// A healthy box is taken over without a restart.
func TestAdoption(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	if err := os.RemoveAll(b.want.State); err != nil {
		t.Fatal(err)
	}
	b.restarts.calls = nil
	mustResults(t, b.pass(t, plan.Options{}))
	mustResults(t, b.pass(t, plan.Options{}))
	if len(b.restarts.calls) != 0 {
		t.Error("a healthy box was restarted")
	}
	b.want.EnvFiles[0].Set = append(b.want.EnvFiles[0].Set, plan.Var{Name: "CE_PROXYTHRESHOLD", Value: []plan.Part{{Text: "82800"}}})
	mustResults(t, b.pass(t, plan.Options{}), "write/env-file"+b.CEEnv+" done", "restart/service/jalien done")
}

func TestLinksAndModes(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	link := filepath.Join(b.Root, "links", "x509up")
	b.want.Credentials[1].Links = []string{link}
	mustResults(t, b.pass(t, plan.Options{}), slices.Insert(b.all(), 2, "link"+link+" done")...)
	if got, err := os.Readlink(link); err != nil || got != b.want.Credentials[1].Path {
		t.Errorf("the link points to %q, %v", got, err)
	}
	if err := os.Chmod(b.want.Credentials[1].Path, 0o644); err != nil {
		t.Fatal(err)
	}
	before := read(t, b.want.Credentials[1].Path)
	mustResults(t, b.pass(t, plan.Options{}), "write/proxy/lcgadmin done")
	info, err := os.Stat(b.want.Credentials[1].Path)
	if err != nil || info.Mode() != 0o600 || !bytes.Equal(before, read(t, b.want.Credentials[1].Path)) {
		t.Errorf("mode %v, %v; the content must stay", info.Mode(), err)
	}
}

// Among the files a glob matches, the valid one with the right FQANs that lasts longest is the proxy; not the newest.
func TestGlob(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	good := b.want.Credentials[1].Path
	b.want.Credentials[1].Path = filepath.Join(b.Repository, "*lcgadmin")
	b.want.Credentials[1].Default = filepath.Join(b.Repository, "new-lcgadmin")
	for name, content := range map[string][]byte{"zz-lcgadmin": []byte("no proxy"), "login-lcgadmin": read(t, b.Site.LoginProxy)} {
		if err := os.WriteFile(filepath.Join(b.Repository, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Observe(b.want).Credentials["lcgadmin"].Path; got != good {
		t.Errorf("chose %s, want %s", got, good)
	}
	mustResults(t, b.pass(t, plan.Options{}))
}

func TestLock(t *testing.T) {
	want := plan.Desired{State: filepath.Join(t.TempDir(), "state"), UID: -1, GID: -1}
	release, err := reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reconcile.Lock(context.Background(), want, 0); !errors.Is(err, reconcile.ErrLocked) {
		t.Errorf("a second lock: %v, want ErrLocked", err)
	}
	release()
	release, err = reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	release()
}

// A record that cannot be read costs nothing but what was in it.
func TestBrokenState(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	for _, content := range []string{"", "{", `{"services":{"jalien":null}}`, "\x00", strings.Repeat("x", 2<<20)} {
		if err := os.WriteFile(filepath.Join(b.want.State, "state.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		mustResults(t, b.pass(t, plan.Options{}))
	}
}

func TestPlainProxy(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.want.Credentials[1].FQANs = nil
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	if n := len(b.VOMS.Requests()); n != 0 {
		t.Errorf("%d VOMS requests for a plain proxy", n)
	}
	cred, _, err := credfile.Load(b.want.Credentials[1].Path)
	if err != nil || !cred.Identity().Equal(b.User.Identity()) {
		t.Errorf("identity %v, %v", cred.Identity(), err)
	}
}

// A grant of another source says nothing, and is no reason to panic.
func TestChangedSource(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	mustAlert(t, b.pass(t, plan.Options{}), "MP-T12")
	b.want.Credentials[1].Source = plan.Source{Certificate: &plan.Certificate{Cert: b.UserCert, Key: b.UserKey}}
	b.clock.pass(time.Minute)
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "renew/proxy/lcgadmin done")
	if len(r.Alerts) != 0 {
		t.Errorf("alerts %+v", r.Alerts)
	}
}

// A short grant that was not taken neither stops renewals nor is asked for on every pass.
func TestRefusedGrantIsAskedAgain(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	b.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Shorten, Lifetime: 10 * time.Minute})
	b.clock.pass(3 * time.Hour)
	mustResults(t, b.pass(t, plan.Options{}), "renew/proxy/lcgadmin failed")
	b.MyProxy.SetFaults()
	for range 5 {
		b.clock.pass(time.Hour)
		mustResults(t, b.pass(t, plan.Options{}))
	}
	b.clock.pass(time.Hour)
	mustResults(t, b.pass(t, plan.Options{Only: []string{"lcgadmin"}}), "renew/proxy/lcgadmin done")
}

// What somebody else has put at the path during the exchange, and lasts longer, stays.
func TestBetterFileMeanwhile(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	path := b.want.Credentials[1].Path
	b.clock.pass(3 * time.Hour)
	better := &betterFile{Issuer: b.Issuer, put: func() {
		ac, err := b.VOMS.Attest(b.VO, b.User, 96*time.Hour, b.Role)
		if err != nil {
			t.Error(err)
		}
		proxy, err := b.CA.Proxy(b.User, 96*time.Hour, attrcert.Extension(ac))
		if err != nil {
			t.Error(err)
		}
		if err := gridtest.WriteProxy(proxy, path); err != nil {
			t.Error(err)
		}
	}}
	b.Issuer = better
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "renew/proxy/lcgadmin failed")
	mustAlert(t, r, "NEVER-WORSE")
	if left := b.Observe(b.want).Credentials["lcgadmin"].EffectiveEnd.Sub(b.clock.Now()); left < 90*time.Hour {
		t.Errorf("the better proxy was replaced: %v left", left)
	}
}

// A betterFile is an issuer during whose work somebody registers a longer proxy.
type betterFile struct {
	reconcile.Issuer
	put func()
}

func (b *betterFile) Issue(ctx context.Context, want plan.Credential, a issue.Authority) (*issue.Issued, error) {
	issued, err := b.Issuer.Issue(ctx, want, a)
	b.put()
	return issued, err
}

// A proxy of somebody else where the machine proxy should be is replaced.
func TestForeignMachineProxy(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	if err := os.Remove(b.want.Credentials[0].Path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.want.Credentials[0].Path, read(t, b.want.Credentials[1].Path), 0o400); err != nil {
		t.Fatal(err)
	}
	if st := b.Observe(b.want).Credentials[plan.MachineName]; st.FaultID != "PROXY-IDENTITY" {
		t.Errorf("fault %s %q", st.FaultID, st.Fault)
	}
	mustResults(t, b.pass(t, plan.Options{}), "renew/machine-proxy done")
}

// A restart that its preflight holds back does not count.
func TestPreflightDoesNotCount(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.restarts.err = &service.Error{Phase: service.PhasePreflight, Service: "jalien"}
	want := append(b.all()[:4:4], "restart/service/jalien failed")
	mustResults(t, b.pass(t, plan.Options{}), want...)
	for range 6 {
		mustAlert(t, b.pass(t, plan.Options{}), "SVC-PREFLIGHT")
	}
	b.restarts.err = nil
	mustResults(t, b.pass(t, plan.Options{}), "restart/service/jalien done")
}

// What is missing above the VO's directory is not given to the VO's account.
func TestParentDirectories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root gives files away")
	}
	b := newBox(t, gridtest.SiteOptions{})
	// Everything on the way down must be root's or the account's, which t.TempDir is.
	top := filepath.Join(b.Dir, "lib")
	b.want.UID, b.want.GID = 12345, 12345
	b.want.Root = filepath.Join(top, "vobox", "alice")
	b.want.State = filepath.Join(b.want.Root, "reconcile")
	b.want.Repository = filepath.Join(b.want.Root, "proxy_repository")
	b.want.Credentials[0].Path = filepath.Join(b.want.Root, "renewal-proxy.pem")
	b.want.Credentials[1].Path = filepath.Join(b.want.Repository, "lcgadmin")
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	for path, wanted := range map[string]struct {
		uid  uint32
		mode os.FileMode
	}{top: {0, 0o755}, filepath.Dir(b.want.Root): {0, 0o755}, b.want.Root: {12345, 0o755}, b.want.State: {12345, 0o700},
		b.want.Repository: {12345, 0o700}, b.want.Credentials[1].Path: {12345, 0o600}, b.want.Credentials[0].Path: {12345, 0o400}} {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != wanted.uid || info.Mode().Perm() != wanted.mode {
			t.Errorf("%s: uid %d, mode %v; want %+v", path, got, info.Mode(), wanted)
		}
	}
}

// A file that stands where a link shall be is kept beside.
func TestLinkKeepsFile(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	link := filepath.Join(b.Root, "x509up")
	if err := os.WriteFile(link, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.want.Credentials[1].Links = []string{link}
	mustResults(t, b.pass(t, plan.Options{}), slices.Insert(b.all(), 2, "link"+link+" done")...)
	if got := string(read(t, link+".orig")); got != "precious" {
		t.Errorf("kept %q", got)
	}
}

// The record belongs to the account, which may have written anything into it.
func TestHostileState(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	path := filepath.Join(b.want.State, "state.json")
	good := read(t, path)
	for _, content := range []string{
		`{"grants":{"machine-proxy":{"source":"certificate ` + b.HostCert + `","taken":true,"asked":86400000000000,"granted":1,"time":"2026-11-21T00:00:00Z","proxy":{"granted":1,"limit":"stored"}}}}`,
		`{"grants":{"lcgadmin":{"asked":-5,"granted":-9223372036854775808,"proxy":{"granted":-1,"limit":"stored"}}}}`,
		`{"services":{"jalien":{"known":true,"pending":"\u001b[2K\rall is well\u202e","restarts":["9999-01-01T00:00:00Z","0001-01-01T00:00:00Z"]}}}`,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := b.pass(t, plan.Options{})
		if _, err := json.Marshal(r.Alerts); err != nil {
			t.Error(err)
		}
		for _, o := range r.Outcomes {
			if strings.ContainsAny(o.Step.Reason, "\x1b\r\u202e") {
				t.Errorf("control characters in %q", o.Step.Reason)
			}
			if o.Step.Action == plan.Renew {
				t.Errorf("renewed: %s", o.Step.Reason)
			}
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	mustResults(t, b.pass(t, plan.Options{}))
}

// Two runs that hold a lock of the same name, but not of the same file, would be two at once.
func TestLockFileRemoved(t *testing.T) {
	want := plan.Desired{State: filepath.Join(t.TempDir(), "state"), UID: -1, GID: -1}
	release, err := reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := os.Remove(filepath.Join(want.State, "lock")); err != nil {
		t.Fatal(err)
	}
	second, err := reconcile.Lock(context.Background(), want, 0)
	if err != nil {
		t.Fatal(err) // that somebody removes the file of a run under way cannot be helped
	}
	defer second()
	if _, err := reconcile.Lock(context.Background(), want, 0); !errors.Is(err, reconcile.ErrLocked) {
		t.Errorf("a third: %v", err)
	}
}
