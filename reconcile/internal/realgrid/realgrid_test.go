package realgrid_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }

// storeLong is what contract and twiki tell a user to type on the LCG-UI.
func storeLong(t *testing.T, g *realgrid.Grid, server *realgrid.MyProxy, user *realgrid.Identity, flags ...string) {
	t.Helper()
	g.MustRun(g.Env(user), "myproxy-init", server.Args(append(flags, "-t", "48", "-c", "3000")...)...)
}

// machineProxy makes a proxy of a host certificate.
func machineProxy(t *testing.T, g *realgrid.Grid, host *realgrid.Identity) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "machine.pem")
	g.MustRun(g.Env(host), "grid-proxy-init", "-cert", host.CertFile, "-key", host.KeyFile, "-out", out)
	return out
}

func TestMyProxyPolicies(t *testing.T) {
	g := realgrid.Shared(t)
	jane := g.Identity(realgrid.Jane)
	vobox := machineProxy(t, g, g.Identity(realgrid.VOBox))
	rogue := machineProxy(t, g, g.Identity(realgrid.Rogue))
	g.MustRun(g.Env(jane), "grid-proxy-init", "-out", jane.Proxy)

	for _, tt := range []struct {
		server  *realgrid.MyProxy
		flags   []string
		machine string
		ok      bool
	}{
		{g.SitePolicy(), []string{"-d", "-n"}, vobox, true},
		{g.SitePolicy(), []string{"-d", "-n"}, rogue, false},
		{g.SamplePolicy(), []string{"-d", "-n"}, vobox, false},
		{g.SamplePolicy(), []string{"-d", "-R", "vobox.example.org"}, vobox, true},
		{g.SamplePolicy(), []string{"-d", "-R", "vobox.example.org"}, rogue, false},
	} {
		storeLong(t, g, tt.server, jane, tt.flags...)
		info := g.MustRun(g.Env(jane), "myproxy-info", tt.server.Args("-d")...)
		if !regexp.MustCompile(`timeleft: (3000:00:00|2999:59:\d\d)`).MatchString(info) {
			t.Errorf("myproxy-info does not show 3000 hours:\n%s", info)
		}
		out := filepath.Join(t.TempDir(), "renewed.pem")
		r := g.Run(g.ProxyEnv(tt.machine), "myproxy-logon", tt.server.Args("-a", jane.Proxy, "-d", "-n", "-t", "48", "-o", out)...)
		if ok := r.ExitCode == 0; ok != tt.ok {
			t.Errorf("stored with %v: renewal works: %v, want %v\n%v", tt.flags, ok, tt.ok, r)
		}
		if !tt.ok && !strings.Contains(r.Output(), "no passphrase") {
			t.Errorf("stored with %v: refusal does not say %q:\n%v", tt.flags, "no passphrase", r)
		}
	}
	log, err := os.ReadFile(g.SitePolicy().Log)
	if err != nil || !strings.Contains(string(log), "Authenticated client") {
		t.Errorf("the server's log (%v) does not name a client:\n%s", err, log)
	}
}
