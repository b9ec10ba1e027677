package reconcile_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

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

// A proxy that the account registered is had from the server only while there is one of that identity, which verifies: a
// server that trusts the box would give root the proxy of anybody whom the account names.
func TestRegisteredNeedsAProxyAtHand(t *testing.T) {
	for name, inPlace := range map[string]func(t *testing.T, b *box) *proxycert.Credential{
		"none": func(*testing.T, *box) *proxycert.Credential { return nil },
		"one of another CA": func(t *testing.T, b *box) *proxycert.Credential {
			ca, err := gridtest.NewCA(gridtest.CAOptions{Now: b.Now, Keys: new(gridtest.KeyPool)})
			if err != nil {
				t.Fatal(err)
			}
			namesake, err := ca.Issue(gridtest.CertRequest{Subject: b.User.Identity().String()})
			if err != nil {
				t.Fatal(err)
			}
			forged, err := ca.Proxy(namesake, 24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return forged
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, gridtest.SiteOptions{})
			b.Engine.LoginProxy = ""
			dn := b.Host.Identity().String()
			b.MyProxy.SetPolicy(gridtest.SitePolicy(dn, dn))
			b.want.Credentials[1].Registered = true
			path := b.want.Credentials[1].Path
			if cred := inPlace(t, b); cred != nil {
				if err := gridtest.WriteProxy(cred, path); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.ReadFile(path)
			r := b.pass(t, plan.Options{Only: []string{"lcgadmin"}, Force: []string{"lcgadmin"}})
			mustResults(t, r, "renew/machine-proxy done", "renew/proxy/lcgadmin failed")
			if a := mustAlert(t, r, "MP-NOOLD"); !strings.Contains(a.Remedy, "register") {
				t.Errorf("remedy %q", a.Remedy)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			b.want.Credentials[1].Registered = false // the server would have given it
			mustResults(t, b.pass(t, plan.Options{Only: []string{"lcgadmin"}, Force: []string{"lcgadmin"}}), "renew/proxy/lcgadmin done")
		})
	}
	b := newBox(t, gridtest.SiteOptions{})
	b.want.Credentials[1].Registered = true
	mustResults(t, b.pass(t, plan.Options{}), b.all()...) // the login proxy is at hand
}

// Forced twice within a second, the second waits for the next one, since certificates count in seconds: also where the
// VOMS server gives less than was asked.
func TestForcedTwiceInASecond(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{MaxAC: 24 * time.Hour})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	b.Issuer = &betterFile{Issuer: b.Issuer, put: func() { b.clock.pass(time.Second) }}
	mustResults(t, b.pass(t, plan.Options{Force: []string{"lcgadmin"}}), "renew/proxy/lcgadmin done")
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
			if a.Severity != plan.Warning || !strings.Contains(a.Message, ": nothing breaks before ") {
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

// A server that does not answer at first is asked again; the pass succeeds.
func TestRetry(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Refuse, Times: 2})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
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

// A proxy with an EC key cannot answer MyProxy's challenge; the RSA proxy it was signed with, kept as the last good copy, can.
func TestRenewalOfECProxy(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.want.Credentials[1].Key = "p256"
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	b.Engine.LoginProxy = ""
	for range 2 {
		b.clock.pass(3 * time.Hour)
		mustResults(t, b.pass(t, plan.Options{}), "renew/proxy/lcgadmin done")
		if st := b.Observe(b.want).Credentials["lcgadmin"]; st.KeyType != "ec" || st.KeyBits != 256 {
			t.Errorf("key %s %d", st.KeyType, st.KeyBits)
		}
	}
}
