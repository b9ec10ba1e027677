package enroll_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// attributes reads what the flag --voms says.
func attributes(t *testing.T, list ...string) []enroll.Attributes {
	t.Helper()
	var asked []enroll.Attributes
	for _, s := range list {
		a, err := enroll.ParseAttributes(s)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, a)
	}
	out, err := enroll.Merge(asked, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// quick asks for a key that costs nothing to make.
func quick(site *gridtest.Site, r enroll.LoginRequest) enroll.LoginRequest {
	if r.Signer == nil {
		r.Signer = site.User
	}
	if r.Key == "" {
		r.Key = proxycert.P256
	}
	return r
}

func TestLogin(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	three := 3
	for _, tt := range []struct {
		name     string
		r        enroll.LoginRequest
		lifetime time.Duration
		ac       time.Duration
		primary  string
		warnings string
		depth    int
	}{
		{"plain", enroll.LoginRequest{}, 12 * time.Hour, 0, "", "MP-OLDKEY", 2},
		{"for a day", enroll.LoginRequest{Lifetime: 24 * time.Hour}, 24 * time.Hour, 0, "", "MP-OLDKEY", 2},
		{"with a role", enroll.LoginRequest{Attributes: attributes(t, "alice:"+site.Role), Lifetime: 24 * time.Hour}, 24 * time.Hour, 24 * time.Hour, site.Role, "MP-OLDKEY", 2},
		{"of the group", enroll.LoginRequest{Attributes: attributes(t, "alice")}, 12 * time.Hour, 12 * time.Hour, "/alice", "MP-OLDKEY", 2},
		{"group first", enroll.LoginRequest{Attributes: attributes(t, "alice:/alice,"+site.Role)}, 12 * time.Hour, 12 * time.Hour, "/alice", "MP-OLDKEY", 2},
		{"everything", enroll.LoginRequest{Attributes: attributes(t, "alice:all")}, 12 * time.Hour, 12 * time.Hour, "/alice", "MP-OLDKEY", 2},
		{"attributes for less", enroll.LoginRequest{Attributes: attributes(t, "alice"), Lifetime: 24 * time.Hour, ACLifetime: time.Hour}, 24 * time.Hour, time.Hour, "/alice", "MP-OLDKEY", 2},
		{"attributes for more than the server gives", enroll.LoginRequest{Attributes: attributes(t, "alice"), ACLifetime: 100 * time.Hour}, 12 * time.Hour, 48 * time.Hour, "/alice", "VO-ACSHORT MP-OLDKEY", 2},
		{"limited, with room for three", enroll.LoginRequest{Limited: true, PathLen: &three}, 12 * time.Hour, 0, "", "MP-OLDKEY", 2},
		{"below the present proxy", enroll.LoginRequest{Signer: site.Login, Lifetime: time.Hour}, time.Hour, 0, site.Role, "MP-OLDKEY", 3},
		{"longer than the present proxy", enroll.LoginRequest{Signer: site.Login, Lifetime: 24 * time.Hour}, 12 * time.Hour, 0, site.Role, "USER-PROXY MP-OLDKEY", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := quick(site, tt.r)
			got, err := enroller(site).Login(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			c := got.Credential
			if left := c.NotAfter().Sub(start); left != tt.lifetime {
				t.Errorf("the proxy lasts %v, want %v", left, tt.lifetime)
			}
			if len(c.Chain) != tt.depth || c.Limited() != r.Limited || !c.Identity().Equal(site.User.Identity()) {
				t.Errorf("%d certificates, limited %v, of %s", len(c.Chain), c.Limited(), c.Identity())
			}
			if info, err := proxycert.Classify(c.Leaf()); err != nil || info.Type != proxycert.RFC || (info.CertInfo.PathLen == nil) != (r.PathLen == nil) {
				t.Errorf("it is %+v, %v", info, err)
			}
			if ids := ids(got.Warnings); ids != tt.warnings {
				t.Errorf("warnings %q, want %q", ids, tt.warnings)
			}
			acs, err := attrcert.FromChain(c.Chain)
			if err != nil {
				t.Fatal(err)
			}
			if tt.primary == "" {
				if len(acs) != 0 {
					t.Errorf("it has attributes: %+v", acs)
				}
				return
			}
			if acs[0].FQANs[0] != tt.primary {
				t.Errorf("FQANs %q, want %s first", acs[0].FQANs, tt.primary)
			}
			if tt.ac != 0 && acs[0].NotAfter.Sub(start) != tt.ac {
				t.Errorf("the attributes last %v, want %v", acs[0].NotAfter.Sub(start), tt.ac)
			}
			if want := min(tt.lifetime, max(tt.ac, time.Hour)); tt.ac != 0 && got.End.Sub(start) != want {
				t.Errorf("it is of use for %v (%s), want %v", got.End.Sub(start), got.EndsWith, want)
			}
		})
	}
}

// A login proxy has the RSA key that the renewal challenge needs, and no warning.
func TestLoginKey(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	got, err := enroller(site).Login(t.Context(), enroll.LoginRequest{Signer: site.User})
	if err != nil {
		t.Fatal(err)
	}
	if kind, bits := proxycert.KeyOf(got.Credential.Leaf()); kind != "rsa" || bits != 2048 || len(got.Warnings) > 0 {
		t.Errorf("an %s key of %d bits; warnings %v", kind, bits, got.Warnings)
	}
}

func TestLoginSeveralVOs(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	user := site.User.Identity().String()
	second, err := gridtest.NewVOMS(gridtest.VOMSOptions{CA: site.CA, Trust: site.Trust, Style: gridtest.IAM, Now: now,
		VOs: []gridtest.VO{{Name: "dteam", MaxLifetime: 6 * time.Hour, Members: []gridtest.Member{{DN: user, FQANs: []string{"/dteam/Role=lcgadmin"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close() })
	if err := second.WriteLSC(site.VOMSDir); err != nil {
		t.Fatal(err)
	}
	dead := strings.Replace(second.Vomses(), fmt.Sprintf("%q", fmt.Sprint(second.Port())), `"1"`, 1)
	vomses := filepath.Join(t.TempDir(), "vomses")
	if err := os.WriteFile(vomses, []byte(dead+second.Vomses()), 0o644); err != nil {
		t.Fatal(err)
	}
	e := enroller(site)
	e.Servers = func() ([]voms.Server, error) { return voms.Load([]string{site.Vomses, vomses}) }
	var told []string
	e.Tell = func(ev enroll.Event) {
		word := map[enroll.Stage]string{enroll.Contacting: "contacting", enroll.Answered: "answered", enroll.Failed: "failed"}[ev.Stage]
		told = append(told, word+" "+ev.Server.VO)
	}
	got, err := e.Login(t.Context(), quick(site, enroll.LoginRequest{Attributes: attributes(t, "dteam:/dteam/Role=lcgadmin", "alice")}))
	if err != nil {
		t.Fatal(err)
	}
	acs, err := attrcert.FromChain(got.Credential.Chain)
	if err != nil || len(acs) != 2 || acs[0].FQANs[0] != "/dteam/Role=lcgadmin" || acs[1].FQANs[0] != "/alice" {
		t.Errorf("the attributes are %+v, %v; want those of dteam, then of alice", acs, err)
	}
	if want := "contacting dteam, failed dteam, contacting dteam, answered dteam, contacting alice, answered alice"; strings.Join(told, ", ") != want {
		t.Errorf("told %q, want %s", told, want)
	}
	if ids := ids(got.Warnings); ids != "VO-ACSHORT MP-OLDKEY" {
		t.Errorf("warnings %q", ids)
	}
	if got.End.Sub(start) != 6*time.Hour || !strings.Contains(got.EndsWith, "dteam") {
		t.Errorf("of use until %v, when %s ends", got.End, got.EndsWith)
	}
	if _, err := e.Login(t.Context(), quick(site, enroll.LoginRequest{Attributes: attributes(t, "dteam"), FailOnWarning: true})); err == nil {
		t.Error("a warning was to be a failure")
	} else {
		mustFail(t, err, voms.ACShortened)
	}
}

func TestLoginRefused(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	ended, err := site.CA.Issue(gridtest.CertRequest{Subject: site.CA.Below("OU=people", "CN=Ex Pired"), Key: proxycert.P256,
		NotBefore: start.Add(-48 * time.Hour), NotAfter: start.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	early, err := site.CA.Issue(gridtest.CertRequest{Subject: site.CA.Below("OU=people", "CN=Early"), Key: proxycert.P256,
		NotBefore: start.Add(time.Hour), NotAfter: start.Add(48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	old, err := site.User.Delegate(site.Login.Key, proxycert.Template{Now: start.Add(-3 * time.Hour), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	noEEC := &proxycert.Credential{Chain: site.Login.Chain[:1], Key: site.Login.Key}
	for _, tt := range []struct {
		name string
		r    enroll.LoginRequest
		id   string
	}{
		{"expired certificate", enroll.LoginRequest{Signer: ended}, "USER-CERT"},
		{"certificate of tomorrow", enroll.LoginRequest{Signer: early}, trust.IDNotYet},
		{"expired proxy", enroll.LoginRequest{Signer: old}, "USER-PROXY"},
		{"proxy without its certificate", enroll.LoginRequest{Signer: noEEC}, "MP-NOEEC"},
		{"unknown VO", enroll.LoginRequest{Attributes: attributes(t, "nobody")}, voms.NoServer},
		{"role not held", enroll.LoginRequest{Attributes: attributes(t, "alice:/alice/Role=pilot")}, voms.FQANRefused},
		{"FQAN of another VO", enroll.LoginRequest{Attributes: attributes(t, "alice:/dteam")}, voms.FQANRefused},
		{"not a member", enroll.LoginRequest{Signer: site.Host, Attributes: attributes(t, "alice")}, voms.UserUnknown},
		{"below a proxy that has attributes", enroll.LoginRequest{Signer: site.Login, Attributes: attributes(t, "alice:all")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := enroller(site).Login(t.Context(), quick(site, tt.r))
			if tt.id == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			mustFail(t, err, tt.id)
			if got != nil {
				t.Error("and yet a proxy came")
			}
		})
	}
}

// A server that gives what it should not is not believed.
func TestLoginFaultyServer(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	for _, tt := range []struct {
		fault gridtest.FaultKind
		id    string
	}{
		{gridtest.WrongVO, trust.IDAC},
		{gridtest.WrongSignature, trust.IDAC},
		{gridtest.WrongIdentity, trust.IDACHolder},
		{gridtest.ZeroLifetime, trust.IDACExpired},
		{gridtest.UnknownVO, voms.UserUnknown},
	} {
		t.Run(string(tt.fault), func(t *testing.T) {
			site.VOMS.SetFaults(gridtest.Fault{Kind: tt.fault})
			got, err := enroller(site).Login(t.Context(), quick(site, enroll.LoginRequest{Attributes: attributes(t, "alice:"+site.Role)}))
			if err == nil || got != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if advice := enroll.Explain(err); advice.ID != tt.id {
				t.Errorf("the error is %s (%v), want %s", advice.ID, err, tt.id)
			}
		})
	}
}

// The trust directory of a user interface host is often not what it should be. Without attributes no server was asked, and
// the proxy may be good elsewhere; with them, all has to verify.
func TestLoginTrust(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	empty := t.TempDir()
	role := attributes(t, "alice:"+site.Role)
	for _, tt := range []struct {
		name                  string
		certificates, vomsdir string
		r                     enroll.LoginRequest
		id                    string // of the error; empty: none
		warnings              string
	}{
		{"no anchors", empty, empty, enroll.LoginRequest{}, "", "MP-OLDKEY " + trust.IDNoAnchor},
		{"no anchors, to be verified", empty, empty, enroll.LoginRequest{Verify: true}, trust.IDNoAnchor, ""},
		{"no anchors, with attributes", empty, empty, enroll.LoginRequest{Attributes: role}, trust.IDNoAnchor, ""},
		{"no LSC file", site.TrustDir, empty, enroll.LoginRequest{Attributes: role}, trust.IDLSC, ""},
		{"no LSC file, and it does not matter", site.TrustDir, empty, enroll.LoginRequest{Attributes: role, TrustACs: true}, "", "MP-OLDKEY " + trust.IDLSC},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := enroller(site)
			e.Trust = &trust.Store{Certificates: tt.certificates, VOMSDir: tt.vomsdir}
			got, err := e.Login(t.Context(), quick(site, tt.r))
			if tt.id != "" {
				mustFail(t, err, tt.id)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ids := ids(got.Warnings); ids != tt.warnings {
				t.Errorf("warnings %q, want %q", ids, tt.warnings)
			}
		})
	}
	if err := site.RevokeUser(); err != nil {
		t.Fatal(err)
	}
	_, err := enroller(site).Login(t.Context(), quick(site, enroll.LoginRequest{}))
	mustFail(t, err, trust.IDRevoked)
}

func TestList(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	got, err := enroller(site).List(t.Context(), site.User, "alice")
	if err != nil || strings.Join(got, " ") != "/alice /alice/team "+site.Role {
		t.Errorf("%q, %v", got, err)
	}
	_, err = enroller(site).List(t.Context(), site.Host, "alice")
	mustFail(t, err, voms.UserUnknown)
}
