package realgrid_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

// What makes each identity worth having, as openssl sees it.
func TestIdentities(t *testing.T) {
	g := realgrid.Shared(t)
	tool := g.Issue(realgrid.Spec{
		Name: "tool", DN: "/DC=org/DC=gridtest/OU=computers/CN=expired host.example.org", Host: true, Names: []string{"tool.example.org", "127.0.0.1"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	})
	for _, tt := range []struct {
		id     *realgrid.Identity
		verify string // what openssl verify says, with CRLs
		text   string // what openssl x509 -text shows
	}{
		{g.Identity(realgrid.VOBox), ": OK", "DNS:vobox.example.org"},
		{g.Identity(realgrid.Portal), ": OK", "TLS Web Server Authentication"},
		{g.Identity(realgrid.Jane), ": OK", "Subject: DC = org, DC = gridtest, OU = Organic Units, OU = Users, CN = jdoe, CN = 100001, CN = Jane Doe"},
		{g.Identity(realgrid.Revoked), "certificate revoked", "Serial Number: 66 "},
		{g.Identity(realgrid.Expired), "certificate has expired", "TLS Web Client Authentication"},
		{g.Identity(realgrid.BigKey), ": OK", "Public-Key: (4096 bit)"},
		{g.Identity(realgrid.Elliptic), ": OK", "NIST CURVE: P-256"},
		{tool, "certificate has expired", "DNS:tool.example.org, IP Address:127.0.0.1"},
	} {
		env := g.AnonymousEnv()
		if r := g.Run(env, "openssl", "verify", "-crl_check", "-CApath", g.CertDir, tt.id.CertFile); !strings.Contains(r.Output(), tt.verify) {
			t.Errorf("%s: want %q, got\n%v", tt.id.Name, tt.verify, r)
		}
		if text := g.MustRun(env, "openssl", "x509", "-noout", "-text", "-in", tt.id.CertFile); !strings.Contains(text, tt.text) {
			t.Errorf("%s: openssl does not show %q:\n%s", tt.id.Name, tt.text, text)
		}
		public := g.MustRun(env, "openssl", "x509", "-noout", "-pubkey", "-in", tt.id.CertFile)
		if got := g.MustRun(env, "openssl", "pkey", "-pubout", "-in", tt.id.KeyFile); got != public {
			t.Errorf("%s: the key is not the certificate's", tt.id.Name)
		}
		if info, err := os.Stat(tt.id.KeyFile); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s: key file: %v, %v; want mode 0400", tt.id.Name, info, err)
		}
	}
	if left := time.Until(g.Identity(realgrid.Ending).Cert.NotAfter); left < 29*time.Hour || left > 30*time.Hour {
		t.Errorf("the certificate about to end has %v left, want 30h", left)
	}
}

// The real MyProxy server and client look at the CRL and at times.
func TestRefusedIdentities(t *testing.T) {
	g := realgrid.Shared(t)
	for user, want := range map[string]string{
		realgrid.Revoked: "revoked",
		realgrid.Expired: "expired",
	} {
		id := g.Identity(user)
		r := g.Run(g.Env(id), "myproxy-init", g.SitePolicy().Args("-d", "-n")...)
		if r.ExitCode == 0 || !strings.Contains(r.Output(), want) {
			t.Errorf("%s: want a refusal with %q, got\n%v", user, want, r)
		}
	}
}

func TestSQL(t *testing.T) {
	g := realgrid.Start(t)
	g.Alice()
	jane := g.Identity(realgrid.Jane)
	ask := func() realgrid.Result {
		return g.Run(g.Env(jane), "voms-proxy-init2", "-out", filepath.Join(t.TempDir(), "proxy.pem"), "-voms", "alice:/alice/Role=pilot")
	}
	if r := ask(); r.ExitCode == 0 {
		t.Errorf("pilot before being made one:\n%v", r)
	}
	g.SQL("alice", "INSERT INTO m (userid, gid, rid) SELECT userid, 1, rid FROM usr, roles WHERE dn = '"+jane.DN+"' AND role = 'pilot'")
	if r := ask(); r.ExitCode != 0 {
		t.Errorf("made a pilot, but:\n%v", r)
	}
}
