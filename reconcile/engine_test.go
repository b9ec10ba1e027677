package reconcile_test

import (
	"bytes"
	"context"
	"crypto/tls"
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
			Timeout: time.Minute,
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
				Source: plan.Source{MyProxy: &plan.MyProxy{Server: site.MyProxy.Addr(), Username: user, Timeout: time.Minute, AlertBelow: 240 * time.Hour}}},
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
