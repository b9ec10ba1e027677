package status_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// What a file holds is listed certificate by certificate, with what verifies it, and the first that counts is the
// effective end that the engine found.
func TestLookAt(t *testing.T) {
	site, err := gridtest.NewSite(t.TempDir(), gridtest.SiteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	path, err := site.RegisterLogin()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	user := plan.Credential{Name: "lcgadmin", Kind: plan.User, Path: path, Identity: site.User.Identity().String(), VO: site.VO, FQANs: []string{site.Role},
		Lifetime: 48 * time.Hour, RenewBelow: 46 * time.Hour, Source: plan.Source{MyProxy: &plan.MyProxy{Server: "px.example.org"}}}
	gone := user
	gone.Name, gone.Path = "gone", path+"-none"
	want := plan.Desired{UID: -1, State: t.TempDir(), Credentials: []plan.Credential{user, gone}}
	engine := &reconcile.Engine{Trust: site.Trust, Now: func() time.Time { return now }}
	have := engine.Observe(want)
	look := func() status.Look {
		t.Helper()
		looks := status.LookAt(site.Trust, want, have, now)
		if len(looks) != 1 {
			t.Fatalf("looks at %d files, want the one that is there", len(looks))
		}
		return looks["lcgadmin"]
	}
	l := look()
	got := map[string]string{}
	for _, e := range l.Ends {
		got[e.What] += e.Name + ";"
		if e.Renewed != (e.What == status.WhatProxy || e.What == status.WhatAC) || e.Counts != (e.What != status.WhatCRL) {
			t.Errorf("%s: renewed %v, counts %v", e.What, e.Renewed, e.Counts)
		}
	}
	for what, name := range map[string]string{status.WhatProxy: "the proxy, CN=", status.WhatUserCert: "the user certificate " + user.Identity,
		status.WhatAC: "the attribute certificate of alice", status.WhatSigner: "the VOMS server's certificate /DC=", status.WhatCA: "the CA /DC=",
		status.WhatCRL: "the revocation lists of its CAs"} {
		if !strings.HasPrefix(got[what], name) || strings.Count(got[what], ";") != 1 {
			t.Errorf("%s: %q, want one %q", what, got[what], name)
		}
	}
	c := described(status.Box{Want: want, Have: have, Now: now, Looks: status.LookAt(site.Trust, want, have, now)}.Describe(), "lcgadmin")
	if first := c.Ends[0]; !first.Counts || !first.When.Equal(*c.EffectiveEnd) {
		t.Errorf("the first to end is %s, %v; the effective end is %v", first.Name, first.When, c.EffectiveEnd)
	}
	if len(l.Findings) != 0 {
		t.Errorf("findings %+v", l.Findings)
	}

	// Mode and links; that others can write a directory above is for others to say.
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, filepath.Join(site.Dir, "another name")); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range look().Findings {
		ids = append(ids, f.ID)
	}
	if strings.Join(ids, " ") != "FILE-PERM FILE-HARDLINK" {
		t.Errorf("findings %q", ids)
	}

	// What is not a proxy has no ends, and what does not verify has no CAs.
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l := look(); len(l.Ends) != 0 {
		t.Errorf("ends of no proxy: %+v", l.Ends)
	}
	if err := gridtest.WriteProxy(site.Login, path); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(site.TrustDir); err != nil {
		t.Fatal(err)
	}
	have = engine.Observe(want)
	for _, e := range look().Ends {
		if e.What == status.WhatCA || e.What == status.WhatCRL || e.What == status.WhatSigner {
			t.Errorf("without trust anchors: %s %s", e.What, e.Name)
		}
	}
}
