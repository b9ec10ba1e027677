package realgrid_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

// The VO-box procedure, done by the real clients alone: that it works is what
// every other test on these servers takes for granted.
func TestProcedure(t *testing.T) {
	for _, tt := range []struct {
		name     string
		server   func(*realgrid.Grid) *realgrid.VOMS
		primary  string
		reattach func(g *realgrid.Grid, v *realgrid.VOMS, in, out string)
	}{
		{"alice", (*realgrid.Grid).Alice, "/alice/Role=lcgadmin/Capability=NULL",
			func(g *realgrid.Grid, v *realgrid.VOMS, in, out string) {
				// arcproxy speaks REST only.
				g.MustRun(g.ProxyEnv(in), "arcproxy", "-C", in, "-K", in, "-P", out, "-S", "alice:/alice/Role=lcgadmin", "-c", "validityPeriod=24H")
			}},
		{"dteam", (*realgrid.Grid).Dteam, "/dteam/Role=lcgadmin",
			func(g *realgrid.Grid, v *realgrid.VOMS, in, out string) {
				// The C++ client's -noregen fails on every proxy that the real tools make.
				g.MustRun(g.ProxyEnv(in), "voms-proxy-init3", "-noregen", "-enable_legacy_protocol",
					"-vomses", v.Vomses, "-voms", "dteam:/dteam/Role=lcgadmin", "-out", out)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := realgrid.Shared(t)
			voms, store := tt.server(g), g.SitePolicy()
			jane := g.Identity(realgrid.Jane)
			dir := t.TempDir()

			// On the LCG-UI: a proxy with attributes, and the long credential.
			login := filepath.Join(dir, "login.pem")
			g.MustRun(g.Env(jane), "voms-proxy-init2", "-voms", tt.name+":/"+tt.name+"/Role=lcgadmin", "-valid", "24:00", "-out", login)
			storeLong(t, g, store, jane, "-d", "-n")

			// On the VO-box: machine proxy, renewal, attributes; and once more from the result.
			machine := machineProxy(t, g, g.Identity(realgrid.VOBox))
			old := login
			for _, round := range []string{"first", "second"} {
				renewed, final := filepath.Join(dir, round+"-renewed.pem"), filepath.Join(dir, round+".pem")
				g.MustRun(g.ProxyEnv(machine), "myproxy-logon", store.Args("-a", old, "-d", "-t", "48", "-o", renewed)...)
				tt.reattach(g, voms, renewed, final)
				checkProxy(t, g, final, jane.DN, tt.primary)
				old = final
			}
		})
	}
}

// checkProxy looks at a proxy with the eyes of three real tools.
func checkProxy(t *testing.T, g *realgrid.Grid, proxy, identity, primary string) {
	t.Helper()
	env := g.ProxyEnv(proxy)
	if got := strings.TrimSpace(g.MustRun(env, "grid-proxy-info", "-identity")); got != identity {
		t.Errorf("grid-proxy-info: identity %q, want %q", got, identity)
	}
	if fqans := strings.Fields(g.MustRun(env, "voms-proxy-info2", "-fqan")); len(fqans) == 0 || fqans[0] != primary {
		t.Errorf("voms-proxy-info2: FQANs %q, want %q first", fqans, primary)
	}
	g.MustRun(env, "openssl", "verify", "-allow_proxy_certs", "-CApath", g.CertDir, "-untrusted", proxy, proxy)
}
