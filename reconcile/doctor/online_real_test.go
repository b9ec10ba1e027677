package doctor_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }

// realBox is a box of a host for a user's proxy, on the grid of Debian's servers. The proxy comes from the MyProxy server, or
// where there is none from the user's certificate.
func realBox(t *testing.T, g *realgrid.Grid, vo *realgrid.VOMS, px *realgrid.MyProxy, user, host *realgrid.Identity, fqan string) *doctor.Box {
	t.Helper()
	dir := t.TempDir()
	source := plan.Source{Certificate: &plan.Certificate{Cert: user.CertFile, Key: user.KeyFile}}
	if px != nil {
		source = plan.Source{MyProxy: &plan.MyProxy{Server: px.Addr(), Username: user.DN, AlertBelow: 240 * time.Hour}}
	}
	want := plan.Desired{VO: vo.VO, UID: -1, GID: -1, Root: dir, State: filepath.Join(dir, "reconcile"), Repository: dir,
		Credentials: []plan.Credential{
			{Name: plan.MachineName, Kind: plan.Machine, Path: filepath.Join(dir, "renewal-proxy.pem"), Lifetime: 24 * time.Hour, RenewBelow: 12 * time.Hour,
				Source: plan.Source{Certificate: &plan.Certificate{Cert: host.CertFile, Key: host.KeyFile}}},
			{Name: "lcgadmin", Kind: plan.User, Path: filepath.Join(dir, "lcgadmin"), Identity: user.DN, VO: vo.VO, FQANs: []string{fqan},
				Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, Source: source},
		}}
	store := &trust.Store{Certificates: g.CertDir, VOMSDir: g.VOMSDir}
	engine := &reconcile.Engine{Trust: store, Now: time.Now, Log: zerolog.Nop()}
	return &doctor.Box{Want: want, Have: engine.Observe(want), Trust: store, Now: time.Now, LoginProxy: user.Proxy, Config: "config.yaml", Root: dir,
		Servers: func() ([]voms.Server, error) { return voms.Load([]string{vo.Vomses}) },
		TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
			return store.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, time.Now)
		},
		Getenv: func(string) string { return "" }}
}

// What goes wrong on real sites, on the servers that are in production elsewhere.
func TestRealServers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short")
	}
	g := realgrid.Shared(t)
	alice, dteam, px := g.Alice(), g.Dteam(), g.SitePolicy()
	jane, box := g.Identity(realgrid.Jane), g.Identity(realgrid.VOBox)
	g.MustRun(g.Env(jane), "voms-proxy-init2", "-voms", "alice:/alice/Role=lcgadmin")
	g.MustRun(append(g.Env(jane), "GT_PROXY_MODE=rfc"), "myproxy-init", px.Args("-d", "-n", "-t", "12", "-c", "3000")...)
	const role = "/Role=lcgadmin"
	for _, tc := range []struct {
		name string
		b    *doctor.Box
		want []string
		says string
	}{
		{"stored with -t 12, and attributes for 24 h", realBox(t, g, alice, px, jane, box, "/alice"+role),
			[]string{"MP-T12 warning lcgadmin: " + px.Addr() + ": asked for 1000h, it gives 12h", "VO-ACSHORT warning lcgadmin: " + alice.Addr() + ": asked for 48h, it gives attributes for 24h"},
			"-d -n -t 48 -c 3000"},
		{"a box that is not registered", realBox(t, g, alice, px, jane, g.Identity(realgrid.Rogue), "/alice"+role),
			[]string{"MP-PASS critical lcgadmin", "VO-ACSHORT"}, realgrid.DN(realgrid.Rogue)},
		{"not in the VO", realBox(t, g, alice, nil, g.Identity(realgrid.Stranger), box, "/alice"), []string{"VO-UNKNOWN critical lcgadmin"}, "User unknown to this VO"},
		{"suspended", realBox(t, g, dteam, nil, g.Identity(realgrid.Suspended), box, "/dteam"), []string{"VO-SUSP critical lcgadmin"}, "suspended"},
		{"a role not held", realBox(t, g, alice, nil, jane, box, "/alice/Role=pilot"), []string{"VO-FQAN critical lcgadmin"}, "Unable to satisfy"},
	} {
		checks := doctor.Checks()
		var online []doctor.Check
		for _, c := range checks {
			if c.Online {
				online = append(online, c)
			}
		}
		results := doctor.Examine(t.Context(), tc.b, online, nil)
		found, all := findings(t, results), ""
		for _, x := range doctor.Sorted(results) {
			all += x.Message + "\n" + x.Remedy + "\n"
		}
		ok := len(found) == len(tc.want)
		for i := range tc.want {
			ok = ok && strings.HasPrefix(found[i], tc.want[i])
		}
		if !ok || !strings.Contains(all, tc.says) {
			t.Errorf("%s: found\n  %s\nwant\n  %s\nsaying %q\n%s", tc.name, strings.Join(found, "\n  "), strings.Join(tc.want, "\n  "), tc.says, all)
		}
	}
}
