package enroll_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func at(site *gridtest.Site) enroll.Repository {
	return enroll.Repository{Servers: []string{site.MyProxy.Addr()}}
}

// asked waits until the server has so many requests of a kind on record, which is a moment after its answers, and returns
// the last of them.
func asked(t *testing.T, site *gridtest.Site, command string, times int) gridtest.MyProxyRequest {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		var found []gridtest.MyProxyRequest
		for _, r := range site.MyProxy.Requests() {
			if r.Command == command {
				found = append(found, r)
			}
		}
		if len(found) >= times {
			return found[len(found)-1]
		}
	}
	t.Fatalf("the server was not asked %s %d times", command, times)
	return gridtest.MyProxyRequest{}
}

func TestStore(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{NotStored: true})
	user := site.User.Identity().String()
	all := site.User.NotAfter().Sub(start)
	for _, tt := range []struct {
		name     string
		r        enroll.StoreRequest
		end      time.Duration
		most     time.Duration
		warnings string
	}{
		{"as the manual has it", enroll.StoreRequest{MaxLifetime: 48 * time.Hour, Lifetime: 3000 * time.Hour}, 3000 * time.Hour, 48 * time.Hour, ""},
		{"as long as the certificate", enroll.StoreRequest{MaxLifetime: 48 * time.Hour}, all, 48 * time.Hour, ""},
		{"longer than the certificate", enroll.StoreRequest{MaxLifetime: time.Hour, Lifetime: 30000 * time.Hour}, all, time.Hour, "USER-CERT"},
		{"without a limit", enroll.StoreRequest{Lifetime: time.Hour}, time.Hour, 0, ""},
		{"under a name, for whom it concerns", enroll.StoreRequest{Lifetime: time.Hour, CredName: "brief", Describe: "two words", Renewer: "*/CN=box", Retriever: "*", TrustedRetriever: "/DC=org/*"}, time.Hour, 0, ""},
		{"for a passphrase, under another user name", enroll.StoreRequest{Lifetime: time.Hour, Username: "jane", Passphrase: []byte("secret phrase")}, time.Hour, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			site.MyProxy.Forget()
			r := tt.r
			r.Repository, r.Credential = at(site), site.User
			got, err := enroller(site).Store(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if ids := ids(got.Warnings); ids != tt.warnings {
				t.Errorf("warnings %q, want %q", ids, tt.warnings)
			}
			if left := got.Stored.End.Sub(start); left != tt.end {
				t.Errorf("stored for %v, want %v", left, tt.end)
			}
			s := got.Stored
			if s.Owner != user || s.Name != r.CredName || s.Description != r.Describe || s.Renewer != r.Renewer || s.Retriever != r.Retriever || s.TrustedRetriever != r.TrustedRetriever {
				t.Errorf("stored %+v, want what was asked: %+v", s, r)
			}
			put := asked(t, site, "PUT", 1)
			if put.Lifetime != tt.most || put.Passphrase != (r.Passphrase != nil) || put.Username != got.Username || r.Username != "" && got.Username != r.Username {
				t.Errorf("asked %+v", put)
			}
		})
	}
	list, _, err := enroller(site).Stored(t.Context(), at(site), site.User, "", "")
	if err != nil || len(list) != 2 || list[0].Name != "" || list[1].Name != "brief" {
		t.Errorf("the server lists %+v, %v", list, err)
	}
}

func TestStoreRefused(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{NotStored: true})
	e := enroller(site)
	ask := func(r enroll.StoreRequest) error {
		if r.Credential == nil {
			r.Credential = site.User
		}
		if r.Servers == nil {
			r.Repository = at(site)
		}
		_, err := e.Store(t.Context(), r)
		return err
	}
	if err := ask(enroll.StoreRequest{Username: "jane"}); err != nil {
		t.Fatal(err)
	}
	mustFail(t, ask(enroll.StoreRequest{Username: "jane", Credential: site.Host}), "MP-OWNER")
	mustFail(t, ask(enroll.StoreRequest{Repository: enroll.Repository{Servers: []string{"localhost:1", "localhost:2"}}}), "MP-NET")
	if err := ask(enroll.StoreRequest{Repository: enroll.Repository{Servers: []string{"localhost:1", site.MyProxy.Addr()}}}); err != nil {
		t.Errorf("the second server answers, but %v", err)
	}
	if err := ask(enroll.StoreRequest{Passphrase: []byte("short")}); err == nil || !strings.Contains(err.Error(), "fewer than 6") {
		t.Errorf("a short passphrase: %v", err)
	}
	other, err := site.CA.Issue(gridtest.CertRequest{Subject: site.CA.Below("OU=computers", "CN=other.example.org"), Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	mustFail(t, ask(enroll.StoreRequest{Repository: enroll.Repository{Servers: at(site).Servers, DN: other.Identity()}}), "MP-SRVDN")
}

// A server's maximum is found out where the lifetime was left open, and is a refusal where it was not.
func TestStoreMaximum(t *testing.T) {
	policy := gridtest.OpenPolicy()
	policy.MaxCredLifetime = 1000 * time.Hour
	site := newSite(t, gridtest.SiteOptions{NotStored: true, Policy: &policy})
	got, err := enroller(site).Store(t.Context(), enroll.StoreRequest{Repository: at(site), Credential: site.User})
	if err != nil {
		t.Fatal(err)
	}
	if left := got.Stored.End.Sub(start); left != 1000*time.Hour || ids(got.Warnings) != "MP-PUT" {
		t.Errorf("stored for %v, warnings %v", left, got.Warnings)
	}
	_, err = enroller(site).Store(t.Context(), enroll.StoreRequest{Repository: at(site), Credential: site.User, Lifetime: 2000 * time.Hour})
	mustFail(t, err, "MP-PUT")
}

// When the server takes it and then does not show it, that is said, and no other server is tried.
func TestStoreNotShown(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{NotStored: true})
	site.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Shorten, Times: 1}, gridtest.Fault{Kind: gridtest.Refuse}) // the first is none to PUT
	both := enroll.Repository{Servers: []string{site.MyProxy.Addr(), site.MyProxy.Addr()}}
	_, err := enroller(site).Store(t.Context(), enroll.StoreRequest{Repository: both, Credential: site.User})
	if err == nil || !strings.Contains(err.Error(), "it is stored, but the server does not show it") {
		t.Errorf("the error is %v", err)
	}
	site.MyProxy.SetFaults()
	if list, _, err := enroller(site).Stored(t.Context(), at(site), site.User, "", ""); err != nil || len(list) != 1 {
		t.Errorf("the server has %+v, %v", list, err)
	}
	asked(t, site, "INFO", 1) // the one above: all before it is on record
	if requests := site.MyProxy.Requests(); slices.IndexFunc(requests, isPut) != lastIndex(requests) {
		t.Errorf("stored several times: %+v", requests)
	}
}

func isPut(r gridtest.MyProxyRequest) bool { return r.Command == "PUT" }

func lastIndex(requests []gridtest.MyProxyRequest) int {
	for i, r := range slices.Backward(requests) {
		if isPut(r) {
			return i
		}
	}
	return -1
}

func TestProbe(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	machine, err := site.CA.Proxy(site.Host, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	e := enroller(site)
	probe := func() (*enroll.Probe, error) {
		return e.Probe(t.Context(), enroll.ProbeRequest{Repository: at(site), Machine: machine, Old: site.Login})
	}
	for _, tt := range []struct {
		lifetime, most time.Duration
		longest        time.Duration
		limit          enroll.Limit
		enough         bool
	}{
		{3000 * time.Hour, 48 * time.Hour, 48 * time.Hour, enroll.ByMaximum, true},
		{3000 * time.Hour, 12 * time.Hour, 12 * time.Hour, enroll.ByMaximum, false},
		{3000 * time.Hour, 0, 3000 * time.Hour, enroll.ByStored, true},
		{10 * time.Hour, 48 * time.Hour, 10 * time.Hour, enroll.ByStored, true},
	} {
		if err := site.Store(tt.lifetime, tt.most); err != nil {
			t.Fatal(err)
		}
		got, err := probe()
		if err != nil {
			t.Fatal(err)
		}
		if got.Longest != tt.longest || got.Limit != tt.limit || got.Enough(48*time.Hour) != tt.enough || got.Machine != site.Host.Identity().String() {
			t.Errorf("stored with -t %v -c %v: %+v, enough: %v", tt.most, tt.lifetime, got, got.Enough(48*time.Hour))
		}
		if got.End.Sub(start) != tt.lifetime {
			t.Errorf("what is stored ends on %v, want in %v", got.End, tt.lifetime)
		}
	}
	site.AllowBox(false)
	_, err = probe()
	mustFail(t, err, "MP-PASS")
}

// What is proved is what the box would do: the server is shown the box, and the challenge is answered by the user.
func TestProve(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{NotStored: true})
	machine, err := site.CA.Proxy(site.Host, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	e := enroller(site)
	old := e.ShortProxy(site.User)
	if _, err := e.Store(t.Context(), enroll.StoreRequest{Repository: at(site), Credential: site.User, MaxLifetime: 48 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	proof, err := old()
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Probe(t.Context(), enroll.ProbeRequest{Repository: at(site), Machine: machine, Old: proof})
	if err != nil || got.Longest != 48*time.Hour {
		t.Fatalf("%+v, %v", got, err)
	}
	if last := asked(t, site, "GET", 1); last.Peer != site.Host.Identity().String() || last.Method != 4 {
		t.Errorf("the last request was %+v", last)
	}
}

func TestDestroyAndChange(t *testing.T) {
	site := newSite(t, gridtest.SiteOptions{})
	e := enroller(site)
	if _, err := e.Store(t.Context(), enroll.StoreRequest{Repository: at(site), Credential: site.User, CredName: "secret", Passphrase: []byte("one phrase")}); err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) error {
		return e.ChangePassphrase(t.Context(), at(site), site.User, "", "secret", []byte(old), []byte(new))
	}
	mustFail(t, change("wrong one", "next phrase"), "MP-BADPASS")
	if err := errors.Join(change("one phrase", "next phrase"), change("next phrase", "last phrase")); err != nil {
		t.Error(err)
	}
	if err := e.Destroy(t.Context(), at(site), site.User, "", "secret"); err != nil {
		t.Error(err)
	}
	mustFail(t, e.Destroy(t.Context(), at(site), site.User, "", "secret"), "MP-NOCRED")
	mustFail(t, e.Destroy(t.Context(), at(site), site.Host, site.User.Identity().String(), ""), "MP-OWNER")
	if err := e.Destroy(t.Context(), at(site), site.User, "", ""); err != nil {
		t.Error(err)
	}
	_, _, err := e.Stored(t.Context(), at(site), site.User, "", "")
	mustFail(t, err, "MP-NOCRED")
}
