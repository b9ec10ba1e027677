package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// AliEn's manual: "If you change the ALIEN_USER in ~alicesgm/.alien/Environment, it is mandatory to restart all the services".
// What the file says is held against the configuration; only when both have changed, the services are restarted.
func TestChangedAliEnUserRestarts(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	environment := filepath.Join(b.Home, ".alien", "Environment")
	user := func(name string) plan.Var { return plan.Var{Name: "ALIEN_USER", Value: []plan.Part{{Text: name}}} }
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(environment, []byte("ALIEN_ORGANISATION=ALICE\nexport ALIEN_USER="+name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("jdoe")
	b.want.EnvFiles = append(b.want.EnvFiles, plan.EnvFile{Path: environment, Expect: []plan.Var{user("jdoe")}, Export: true, Mode: 0o644})
	b.want.Services[0].EnvFiles = append(b.want.Services[0].EnvFiles, environment)
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	mustResults(t, b.pass(t, plan.Options{}))

	write("asmith")
	r := b.pass(t, plan.Options{})
	mustResults(t, r)
	mustAlert(t, r, "ENV-EXPECT")

	b.want.EnvFiles[2].Expect = []plan.Var{user("asmith")}
	mustResults(t, b.pass(t, plan.Options{}), "restart/service/jalien done")
	mustResults(t, b.pass(t, plan.Options{}))

	write("jdoe") // and the configuration first this time
	b.want.EnvFiles[2].Expect = []plan.Var{user("jdoe")}
	mustResults(t, b.pass(t, plan.Options{}), "restart/service/jalien done")
}

// Files of other dialects are kept like those of shell; the dialect follows from the name unless it is said.
func TestDialects(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	dir := filepath.Join(b.Home, "env")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	proxy := plan.Var{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: "lcgadmin"}}}
	for _, tt := range []struct{ name, format, before, after string }{
		{"Environment", "", "ALIEN_ORGANISATION=ALICE\nX509_USER_PROXY=/tmp/x\n", "ALIEN_ORGANISATION=ALICE\nX509_USER_PROXY=@\n"},
		{"grid.env", "plain", "A=b c\n", "A=b c\nX509_USER_PROXY=@\n"},
		{"arc.env", "systemd", "; c\nX509_USER_PROXY = \"/tmp/x\"\n", "; c\nX509_USER_PROXY = @\n"},
		{"monitor.properties", "", "# c\nX509_USER_PROXY = /tmp/x\n", "# c\nX509_USER_PROXY = @\n"},
		{"cron.env", "", "X509_USER_PROXY=/tmp/x\n", "export X509_USER_PROXY=@\n"},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, []byte(tt.before), 0o644); err != nil {
			t.Fatal(err)
		}
		b.want.EnvFiles = append(b.want.EnvFiles, plan.EnvFile{Path: path, Format: tt.format, Set: []plan.Var{proxy}, Export: true, Mode: 0o644})
		defer func() {
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file := b.userProxyPath(t)
			if want := strings.ReplaceAll(tt.after, "@", file); string(got) != want {
				t.Errorf("%s is\n%s\nwant\n%s", tt.name, got, want)
			}
		}()
	}
	if r := b.pass(t, plan.Options{}); r.Failed() {
		t.Fatalf("%+v", r)
	}
	mustResults(t, b.pass(t, plan.Options{}))
}

func (b *box) userProxyPath(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.Repository, "*lcgadmin"))
	if err != nil || len(names) != 1 {
		t.Fatalf("user proxies: %q, %v", names, err)
	}
	return names[0]
}
