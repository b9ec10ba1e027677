package gridtest_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func TestSite(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	t.Run("configuration loads", func(t *testing.T) {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		env := config.Env{Getenv: func(string) string { return "" }, UID: os.Getuid(), Username: me.Username,
			LookupUser: func(string) (int, int, string, error) { return os.Getuid(), os.Getgid(), me.HomeDir, nil }}
		c, err := config.Load(s.Config, env)
		if err != nil {
			t.Fatal(err)
		}
		if c.Root != s.Root || len(c.Proxies) != 1 || len(c.EnvFiles) != 2 || len(c.Services) != 1 {
			t.Errorf("read as %+v", c)
		}
	})
	t.Run("login proxy", func(t *testing.T) {
		c, _, err := credfile.Load(s.LoginProxy)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Trust.VerifyChain(c.Chain, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		acs, err := attrcert.FromChain(r.Chain)
		if err != nil || len(acs) != 1 || acs[0].FQANs[0] != s.Role {
			t.Fatalf("ACs %v, %v", acs, err)
		}
		if _, err := (&trust.Store{Certificates: s.TrustDir, VOMSDir: s.VOMSDir}).VerifyAC(acs[0], c.EEC(), time.Now()); err != nil {
			t.Error(err)
		}
	})
	t.Run("registered", func(t *testing.T) {
		path, err := s.RegisterLogin()
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(s.Repository, "*lcgadmin"))
		if err != nil || len(files) != 1 || files[0] != path {
			t.Errorf("the manual's pattern finds %q, %v, want %q", files, err, path)
		}
	})
	t.Run("restart", func(t *testing.T) {
		if lines, err := s.Restarts(); err != nil || lines != nil {
			t.Errorf("before any restart: %q, %v", lines, err)
		}
		if out, err := exec.Command(s.RestartScript, "restart").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines, err := s.Restarts()
		if err != nil || len(lines) != 1 || !strings.Contains(lines[0], " restart X509_USER_PROXY="+s.Repository) {
			t.Errorf("after one restart: %q, %v", lines, err)
		}
	})
	t.Run("modes", func(t *testing.T) {
		for path, want := range map[string]os.FileMode{s.UserKey: 0o600, s.HostKey: 0o600, s.LoginProxy: 0o600, s.CEEnv: 0o644, s.RestartScript: 0o755} {
			if info, err := os.Stat(path); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
			}
		}
	})
}

// TestSiteTrouble: the situations that a site can be put in are what a client meets.
func TestSiteTrouble(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	get := func() reply {
		return getter{tls: s.Host, old: s.Login, request: getRequest(s.User.Identity().String(), 48*time.Hour)}.do(t, s)
	}
	voms := func() string {
		_, body := rest(t, s, s.User, "fqans=/alice/Role=lcgadmin&lifetime=3600")
		return body
	}
	s.AllowBox(false)
	if r := get(); len(r.errors) == 0 || r.errors[0] != "no passphrase" {
		t.Errorf("box not allowed: %q", r.errors)
	}
	s.AllowBox(true)
	if r := get(); r.chain == nil {
		t.Errorf("box allowed: %q", r.errors)
	}
	s.Suspend("on holiday")
	if body := voms(); !strings.Contains(body, "Reason: on holiday") {
		t.Errorf("suspended: %q", body)
	}
	s.Suspend("")
	s.Expel()
	if body := voms(); !strings.Contains(body, "NoSuchUser") {
		t.Errorf("expelled: %q", body)
	}
	s.Admit()
	s.SetMaxAC(time.Hour / 2)
	if body := voms(); !strings.Contains(body, "shortened to 1800 seconds") {
		t.Errorf("maximum lowered: %q", body)
	}
	if err := s.RevokeHost(); err != nil {
		t.Fatal(err)
	}
	if out, err := myproxyAsk(t, s, s.Host, 0, infoRequest(s)); err == nil || !strings.Contains(err.Error(), "revoked certificate") {
		t.Errorf("revoked host: %q, %v", out, err)
	}
}

func TestExpiredUser(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{UserEnd: time.Now().Add(-time.Hour)})
	if s.Login != nil {
		t.Error("logged in with an expired certificate")
	}
	if _, _, ok := s.MyProxy.Stored(s.User.Identity().String(), ""); ok {
		t.Error("stored with an expired certificate")
	}
}
