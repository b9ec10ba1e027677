package enroll_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
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

func enroller(site *gridtest.Site) *enroll.Enroller {
	return &enroll.Enroller{
		Trust:   &trust.Store{Certificates: site.TrustDir, VOMSDir: site.VOMSDir},
		Servers: func() ([]voms.Server, error) { return voms.Load([]string{site.Vomses}) },
		Now:     now,
		Timeout: time.Minute,
	}
}

func ids(list []enroll.Warning) string {
	var out []string
	for _, w := range list {
		out = append(out, w.ID)
	}
	return strings.Join(out, " ")
}

// mustFail insists on an error of that id, in one line, with a remedy.
func mustFail(t *testing.T, err error, id string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", id)
	}
	advice := enroll.Explain(err)
	if advice.ID != id || advice.Remedy == "" {
		t.Errorf("error %v is explained as %+v, want %s with a remedy", err, advice, id)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has several lines: %q", err)
	}
}

func TestParseAttributes(t *testing.T) {
	for _, tt := range []struct{ in, vo, fqans string }{
		{"alice", "alice", ""},
		{"alice:/alice/Role=lcgadmin", "alice", "/alice/Role=lcgadmin"},
		{"alice:/alice/Role=lcgadmin/Capability=NULL", "alice", "/alice/Role=lcgadmin"},
		{"alice:/alice/Role=NULL", "alice", "/alice"},
		{"alice:/alice/team,/alice/Role=lcgadmin", "alice", "/alice/team /alice/Role=lcgadmin"},
		{"alice:all", "alice", "all"},
		{"/alice/Role=lcgadmin", "alice", "/alice/Role=lcgadmin"},
		{"voms-alice.cern.ch:/alice", "voms-alice.cern.ch", "/alice"},
		{"alice:/alice:lcgadmin", "alice", "/alice/Role=lcgadmin"},
	} {
		got, err := enroll.ParseAttributes(tt.in)
		if err != nil || got.VO != tt.vo || strings.Join(got.FQANs, " ") != tt.fqans {
			t.Errorf("%q gives %+v, %v; want %q of %s", tt.in, got, err, tt.fqans, tt.vo)
		}
	}
	for _, bad := range []string{"", ":", "alice:", "alice:lcgadmin", ":/alice", "alice:/alice/Role=", "alice:all,/alice", "al ice", "/", "a\"b", "alice:/alice/Role=x y"} {
		if got, err := enroll.ParseAttributes(bad); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

// What can be read can be asked for: each FQAN reads back as itself.
func FuzzParseAttributes(f *testing.F) {
	for _, s := range []string{"alice", "alice:/alice/Role=lcgadmin", "alice:/alice:x,/alice/b", "/a/b", "a:all"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := enroll.ParseAttributes(s)
		if err != nil {
			return
		}
		text := a.VO
		if len(a.FQANs) > 0 {
			text += ":" + strings.Join(a.FQANs, ",")
		}
		again, err := enroll.ParseAttributes(text)
		if err != nil || again.VO != a.VO || !slices.Equal(again.FQANs, a.FQANs) {
			t.Errorf("%q is %+v, but %q is %+v, %v", s, a, text, again, err)
		}
	})
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct{ voms, order, want string }{
		{"alice", "", "alice"},
		{"alice dteam", "", "alice dteam"},
		{"alice:/alice/Role=a alice:/alice/Role=b", "", "alice:/alice/Role=a,/alice/Role=b"},
		{"alice alice:/alice/Role=a", "", "alice:/alice,/alice/Role=a"},
		{"alice:/alice/Role=a dteam alice", "", "alice:/alice/Role=a,/alice dteam"},
		{"alice:/alice/Role=a alice:/alice/Role=a", "", "alice:/alice/Role=a"},
		{"alice:/alice/Role=a alice:/alice/Role=b", "/alice/Role=b", "alice:/alice/Role=b,/alice/Role=a"},
		{"alice:/alice/Role=a", "/alice/team /alice", "alice:/alice/team,/alice,/alice/Role=a"},
		{"alice", "/alice/team", "alice:/alice/team,/alice"},
		{"alice", "/alice", "alice:/alice"},
		{"alice", "/alice:a", "alice:/alice/Role=a,/alice"},
		{"nick:/alice/Role=a dteam", "/alice", "nick:/alice,/alice/Role=a dteam"},
	} {
		var asked []enroll.Attributes
		for s := range strings.FieldsSeq(tt.voms) {
			a, err := enroll.ParseAttributes(s)
			if err != nil {
				t.Fatal(err)
			}
			asked = append(asked, a)
		}
		got, err := enroll.Merge(asked, strings.Fields(tt.order))
		if err != nil {
			t.Errorf("%s, order %s: %v", tt.voms, tt.order, err)
		}
		var text []string
		for _, a := range got {
			s := a.VO
			if len(a.FQANs) > 0 {
				s += ":" + strings.Join(a.FQANs, ",")
			}
			text = append(text, s)
		}
		if s := strings.Join(text, " "); s != tt.want {
			t.Errorf("%s, order %q: %s, want %s", tt.voms, tt.order, s, tt.want)
		}
	}
	for _, bad := range []struct{ voms, order string }{
		{"alice", "/dteam"}, {"alice", "nonsense"}, {"alice:all", "/alice"}, {"", "/alice"},
	} {
		var asked []enroll.Attributes
		if bad.voms != "" {
			a, err := enroll.ParseAttributes(bad.voms)
			if err != nil {
				t.Fatal(err)
			}
			asked = append(asked, a)
		}
		if got, err := enroll.Merge(asked, []string{bad.order}); err == nil {
			t.Errorf("%q, order %q: %+v", bad.voms, bad.order, got)
		}
	}
	everything := []enroll.Attributes{{VO: "alice", FQANs: []string{enroll.All}}, {VO: "alice", FQANs: []string{"/alice/Role=a"}}}
	if got, err := enroll.Merge(everything, nil); err == nil {
		t.Errorf("everything and a role: %+v", got)
	}
}

func TestParseRepository(t *testing.T) {
	for _, tt := range []struct {
		in   string
		port int
		want string
	}{
		{"myproxy.cern.ch", 0, "myproxy.cern.ch"},
		{"myproxy.cern.ch", 7513, "myproxy.cern.ch:7513"},
		{"a:1, b", 2, "a:1 b:2"},
		{"[::1]", 7, "[::1]:7"},
		{"::1", 7, "[::1]:7"},
		{"::1", 0, "::1"},
		{"[::1]:0012", 7, "[::1]:12"},
	} {
		got, err := enroll.ParseRepository(tt.in, tt.port)
		if err != nil || strings.Join(got.Servers, " ") != tt.want {
			t.Errorf("%q, port %d: %q, %v; want %q", tt.in, tt.port, got.Servers, err, tt.want)
		}
	}
	for _, bad := range []string{"", " ", "a,,b", ",", ":7512", "a:0", "a:65536", "a:b", "0[0", "[a]", "a b", "::1:x", "[::1"} {
		if got, err := enroll.ParseRepository(bad, 0); err == nil {
			t.Errorf("%q: %q", bad, got.Servers)
		}
	}
}

// A list of servers names each of them, with one port at most, and reads back as itself.
func FuzzParseRepository(f *testing.F) {
	f.Add("myproxy.cern.ch", 0)
	f.Add("a:1, b,[::1]", 7512)
	f.Add(",", 1)
	f.Fuzz(func(t *testing.T, s string, port int) {
		r, err := enroll.ParseRepository(s, port)
		if err != nil {
			return
		}
		again, err := enroll.ParseRepository(strings.Join(r.Servers, ","), port)
		if err != nil || !slices.Equal(again.Servers, r.Servers) {
			t.Errorf("%q, port %d: %q, which is %q, %v", s, port, r.Servers, again.Servers, err)
		}
	})
}

// Whatever a server of another host than the VO box's says comes with words for this one.
func TestExplain(t *testing.T) {
	for _, tt := range []struct {
		err               error
		id, remedy, where string
	}{
		{&myproxy.Error{ID: "MP-NOCRED", Server: "px", Where: "LCG-UI", Remedy: "myproxy-init"}, "MP-NOCRED", "vobox-reconcile store -s px", "LCG-UI"},
		{&myproxy.Error{ID: "MP-CERTREVOKED", Op: "PUT", Where: "site admin", Remedy: "hostcert.pem"}, "MP-CERTREVOKED", "usercert.pem", "LCG-UI"},
		{&myproxy.Error{ID: "MP-CERTREVOKED", Op: "GET", Where: "site admin", Remedy: "hostcert.pem"}, "MP-CERTREVOKED", "hostcert.pem", "site admin"},
		{&myproxy.Error{ID: "MP-TIMEOUT", Where: "VO-Box", Remedy: "probe"}, "MP-TIMEOUT", "probe", "LCG-UI"},
		{&voms.Error{ID: voms.NoServer}, voms.NoServer, "--vomses FILE", "site admin"},
		{&voms.Error{ID: voms.Nested}, voms.Nested, "--noregen", ""},
		{&trust.Error{ID: trust.IDNoAnchor}, trust.IDNoAnchor, "--certdir DIR", "site admin"},
		{errors.New("anything"), "", "", ""},
	} {
		got := enroll.Explain(tt.err)
		if got.ID != tt.id || !strings.Contains(got.Remedy, tt.remedy) || got.Where != tt.where {
			t.Errorf("%#v is explained as %+v, want %s, %q, %q", tt.err, got, tt.id, tt.remedy, tt.where)
		}
	}
}
