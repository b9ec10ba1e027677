package realgrid_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

func TestVOMSREST(t *testing.T) {
	g := realgrid.Shared(t)
	server := g.Alice()
	url := "https://" + server.Addr() + "/generate-ac?lifetime=43200&fqans="
	for _, tt := range []struct {
		user, fqan, status, body string
	}{
		{realgrid.Jane, "/alice/Role=lcgadmin", "200", "<ac>MII"},
		{realgrid.Elliptic, "/alice", "200", "<ac>MII"},
		{realgrid.Jane, "/alice/Role=pilot", "400", "Unable to satisfy B/alice:pilot request!"},
		{realgrid.Stranger, "/alice", "403", "User unknown to this VO."},
	} {
		id := g.Identity(tt.user)
		out := g.MustRun(g.Env(id), "curl", "-sS", "--capath", g.CertDir, "--cert", id.CertFile, "--key", id.KeyFile,
			"--write-out", "\nstatus %{http_code}\n", url+tt.fqan)
		if !strings.Contains(out, tt.body) || !strings.Contains(out, "status "+tt.status) {
			t.Errorf("%s asks for %s: got\n%s\nwant status %s and %q", tt.user, tt.fqan, out, tt.status, tt.body)
		}
	}
}

func TestVOMSClients(t *testing.T) {
	g := realgrid.Shared(t)
	jane := g.Identity(realgrid.Jane)
	for _, tt := range []struct {
		server *realgrid.VOMS
		init   string
		args   []string
		want   []string
	}{
		{g.Alice(), "voms-proxy-init2", nil, []string{"attribute : /alice/Role=lcgadmin/Capability=NULL\n", "attribute : nickname = jdoe (alice)\n"}},
		{g.Alice(), "voms-proxy-init3", []string{"-vomses", g.Alice().Vomses}, []string{"attribute : /alice/Role=lcgadmin/Capability=NULL\n"}},
		{g.Dteam(), "voms-proxy-init2", nil, []string{"attribute : /dteam/Role=lcgadmin"}},
	} {
		vo := tt.server.VO
		out := filepath.Join(t.TempDir(), "proxy.pem")
		g.MustRun(g.Env(jane), tt.init, append(tt.args, "-out", out, "-voms", vo+":/"+vo+"/Role=lcgadmin")...)
		info := g.MustRun(g.ProxyEnv(out), "voms-proxy-info2", "-all")
		for _, want := range tt.want {
			if !strings.Contains(info, want) {
				t.Errorf("%s for %s: voms-proxy-info2 does not show %q:\n%s", tt.init, vo, want, info)
			}
		}
	}
}

func TestVOMSRefusals(t *testing.T) {
	g := realgrid.Shared(t)
	g.Dteam()
	for user, want := range map[string]string{
		realgrid.Suspended: "left the experiment",
		realgrid.Stranger:  "User unknown to this VO",
	} {
		id := g.Identity(user)
		r := g.Run(g.Env(id), "voms-proxy-init2", "-out", filepath.Join(t.TempDir(), "p"), "-voms", "dteam")
		if r.ExitCode == 0 || !strings.Contains(r.Output(), want) {
			t.Errorf("%s: want a refusal with %q, got\n%v", user, want, r)
		}
	}
}
