package issue_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

var start = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

func now() time.Time { return start }

func newSite(t *testing.T, o gridtest.SiteOptions) *gridtest.Site {
	t.Helper()
	o.Now = now
	site, err := gridtest.NewSite(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	return site
}

func issuer(t *testing.T, site *gridtest.Site) *issue.Issuer {
	return &issue.Issuer{
		TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
			return site.Trust.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, now)
		},
		Servers: func() ([]voms.Server, error) { return voms.Load([]string{site.Vomses}) },
		Now:     now,
		Timeout: time.Minute,
	}
}

// wanted is the user's proxy with the role lcgadmin, from MyProxy.
func wanted(site *gridtest.Site) plan.Credential {
	user := site.User.Identity().String()
	return plan.Credential{Name: "lcgadmin", Kind: plan.User, Identity: user, VO: site.VO, FQANs: []string{site.Role},
		Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour,
		Source: plan.Source{MyProxy: &plan.MyProxy{Server: site.MyProxy.Addr(), Username: user, Timeout: time.Minute}}}
}

func robot(site *gridtest.Site) plan.Credential {
	c := wanted(site)
	c.Source = plan.Source{Certificate: &plan.Certificate{Cert: site.UserCert, Key: site.UserKey}}
	return c
}

func authority(site *gridtest.Site) issue.Authority {
	return issue.Authority{Machine: site.Host, Old: site.Login}
}

// check verifies what was issued as a grid service would.
func check(t *testing.T, site *gridtest.Site, got *issue.Issued, depth int, fqans ...string) {
	t.Helper()
	c := got.Credential
	if _, err := site.Trust.VerifyChain(c.Chain, start); err != nil {
		t.Errorf("the chain does not verify: %v", err)
	}
	if len(c.Chain) != depth {
		t.Errorf("%d certificates, want %d", len(c.Chain), depth)
	}
	if !c.Identity().Equal(site.User.Identity()) {
		t.Errorf("identity %s", c.Identity())
	}
	acs, err := attrcert.FromChain(c.Chain)
	if err != nil {
		t.Fatal(err)
	}
	if len(fqans) == 0 {
		if len(acs) != 0 {
			t.Errorf("there are attributes: %v", acs[0].FQANs)
		}
		return
	}
	if len(acs) != 1 || acs[0].FQANs[0] != fqans[0] {
		t.Fatalf("attributes %+v, want %v first", acs, fqans)
	}
	if _, err := site.Trust.VerifyAC(acs[0], c.EEC(), start); err != nil {
		t.Errorf("the attribute certificate does not verify: %v", err)
	}
}

func TestIssue(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	in := issuer(t, site)
	for _, tt := range []struct {
		name  string
		want  func(*plan.Credential)
		depth int // certificates: the stored chain is EEC and two proxies, GET adds one, attributes one more
		fqans []string
	}{
		{"MyProxy with attributes", func(*plan.Credential) {}, 5, []string{site.Role}},
		{"MyProxy, plain", func(c *plan.Credential) { c.FQANs = nil }, 4, nil},
		{"MyProxy, limited", func(c *plan.Credential) { c.FQANs, c.Limited = nil, true }, 5, nil},
		{"MyProxy, another order", func(c *plan.Credential) { c.FQANs = []string{"/alice/team", site.Role} }, 5, []string{"/alice/team", site.Role}},
		{"robot certificate with attributes", func(c *plan.Credential) { *c = robot(site) }, 2, []string{site.Role}},
		{"robot certificate, plain", func(c *plan.Credential) { *c = robot(site); c.FQANs = nil }, 2, nil},
		{"EC key", func(c *plan.Credential) { c.Key = "p256" }, 5, []string{site.Role}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := wanted(site)
			tt.want(&want)
			got, err := in.Issue(context.Background(), want, authority(site))
			if err != nil {
				t.Fatal(err)
			}
			check(t, site, got, tt.depth, tt.fqans...)
			if got.Credential.Limited() != want.Limited {
				t.Errorf("limited: %v, want %v", got.Credential.Limited(), want.Limited)
			}
			if g := got.Grant; g.Proxy.Limit != plan.LimitNone || g.AC.Limit != plan.LimitNone || g.Asked != 48*time.Hour {
				t.Errorf("grant %+v: nothing was short", g)
			}
			if end := start.Add(48*time.Hour - plan.Slack(48*time.Hour)); got.Credential.NotAfter().Before(end) {
				t.Errorf("it ends on %v, asked were 48h from %v", got.Credential.NotAfter(), start)
			}
		})
	}
}

// The IAM style of a VOMS server: percent-decoding, chunked replies, warnings with status 200.
func TestIssueFromIAM(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{Style: gridtest.IAM, MaxAC: 12 * time.Hour})
	got, err := issuer(t, site).Issue(context.Background(), wanted(site), authority(site))
	if err != nil {
		t.Fatal(err)
	}
	check(t, site, got, 5, site.Role)
	if got.Grant.AC.Limit != plan.LimitAC || got.Grant.AC.Granted.Round(time.Minute) != 12*time.Hour || got.Grant.Proxy.Limit != plan.LimitNone {
		t.Errorf("grant %+v, want 12h of attributes and a proxy in full", got.Grant)
	}
	if len(got.Warnings) == 0 {
		t.Error("the server's warning is lost")
	}
}

// What kept the proxy short is told apart by the chain that comes back.
func TestGrant(t *testing.T) {
	for _, tt := range []struct {
		name string
		site gridtest.SiteOptions
		want plan.Share
	}{
		{"in full", gridtest.SiteOptions{}, plan.Share{Granted: 48 * time.Hour}},
		{"-t 12", gridtest.SiteOptions{StoredMax: 12 * time.Hour}, plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}},
		{"-c 6", gridtest.SiteOptions{StoredFor: 6 * time.Hour}, plan.Share{Granted: 6 * time.Hour, Limit: plan.LimitEnd}},
		{"-t 12 -c 13", gridtest.SiteOptions{StoredMax: 12 * time.Hour, StoredFor: 13 * time.Hour}, plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}},
		{"certificate ends in 30h", gridtest.SiteOptions{UserEnd: start.Add(30 * time.Hour)}, plan.Share{Granted: 30 * time.Hour, Limit: plan.LimitCert}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(t, tt.site)
			want := wanted(site)
			want.FQANs = nil
			got, err := issuer(t, site).Issue(context.Background(), want, authority(site))
			if err != nil {
				t.Fatal(err)
			}
			share := got.Grant.Proxy
			share.Granted = share.Granted.Round(time.Minute)
			if share != tt.want {
				t.Errorf("share %+v, want %+v", share, tt.want)
			}
		})
	}
}

func TestPassphraseFile(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{NotStored: true})
	user := site.User.Identity().String()
	stored, err := site.CA.Proxy(site.User, 100*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	site.MyProxy.Store(user, stored, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour, Passphrase: "correct horse"})
	file := filepath.Join(t.TempDir(), "passphrase")
	want := wanted(site)
	want.FQANs = nil
	want.Source.MyProxy.PassphraseFile = file
	for _, tt := range []struct {
		content string
		mode    os.FileMode
		err     string
	}{
		{"correct horse\n", 0o600, ""},
		{"correct horse\r\nsecond line", 0o400, ""},
		{"wrong horse\n", 0o600, "passphrase"},
		{"correct horse\n", 0o644, "chmod 600"},
		{"\n", 0o600, "empty first line"},
		{strings.Repeat("x", 1024), 0o600, "longer than 1023 bytes"},
	} {
		os.Remove(file)
		if err := os.WriteFile(file, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := issuer(t, site).Issue(context.Background(), want, issue.Authority{})
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%.20q %04o: %v", tt.content, tt.mode, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%.20q %04o: %v, want %q", tt.content, tt.mode, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "horse"):
			t.Errorf("the passphrase is in the error: %v", err)
		}
	}
	os.Remove(file)
	if _, err := issuer(t, site).Issue(context.Background(), want, issue.Authority{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Servers of a list are asked in turn while nobody answers; a refusal ends it.
func TestServerList(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := fmt.Sprintf("localhost:%d", ln.Addr().(*net.TCPAddr).Port)
	ln.Close()
	want := wanted(site)
	want.Source.MyProxy.Server = dead + "," + site.MyProxy.Addr()
	if _, err := issuer(t, site).Issue(context.Background(), want, authority(site)); err != nil {
		t.Errorf("the second server was not asked: %v", err)
	}
	want.Source.MyProxy.Server = dead
	if _, err := issuer(t, site).Issue(context.Background(), want, authority(site)); !issue.Temporary(err) {
		t.Errorf("nobody there: %v, want a temporary error", err)
	}
	site.AllowBox(false)
	site.MyProxy.Forget()
	want.Source.MyProxy.Server = site.MyProxy.Addr() + "," + site.MyProxy.Addr()
	_, err = issuer(t, site).Issue(context.Background(), want, authority(site))
	var refusal *myproxy.Error
	if !errors.As(err, &refusal) || refusal.ID != "MP-PASS" || issue.Temporary(err) || len(site.MyProxy.Requests()) != 1 {
		t.Errorf("a refusal: %v after %d requests", err, len(site.MyProxy.Requests()))
	}
}

func TestCertificateFaults(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{UserEnd: start.Add(-time.Hour)})
	for _, tt := range []struct {
		name string
		want func(*plan.Credential)
		err  string
	}{
		{"expired", func(*plan.Credential) {}, "expired on 2026-11-21 22:00 UTC"},
		{"no key", func(c *plan.Credential) { c.Source.Certificate.Key = "/nonexistent/key.pem" }, "/nonexistent/key.pem"},
		{"another's key", func(c *plan.Credential) { c.Source.Certificate.Key = site.HostKey }, "is not the key of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := robot(site)
			tt.want(&want)
			_, err := issuer(t, site).Issue(context.Background(), want, issue.Authority{})
			var e *issue.Error
			if !errors.As(err, &e) || e.ID != "ROBOT-CERT" || e.Remedy == "" || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
}
