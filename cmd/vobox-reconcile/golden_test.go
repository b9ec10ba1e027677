package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// goldenBox is in a directory whose name always has the same length, since that decides where lines break; the time stands
// still until the test moves it.
func goldenBox(t *testing.T, o gridtest.SiteOptions) (*box, *time.Time) {
	t.Helper()
	dir := fmt.Sprintf("/tmp/vobox-golden-%010d", os.Getpid())
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	now := start
	o.Now = func() time.Time { return now }
	return boxIn(t, dir, o), &now
}

// TestText is a box's life, as people see it: in a pipe, and in 80 columns.
func TestText(t *testing.T) {
	b, now := goldenBox(t, gridtest.SiteOptions{})
	wide := func(columns string) { b.env["COLUMNS"] = columns }

	b.golden("dry-run.txt", b.must(2, "--dry-run").stdout)
	wide("80")
	b.golden("dry-run-80.txt", b.must(2, "--dry-run").stdout)
	b.golden("dry-run-80-colour.txt", b.must(2, "--dry-run", "--color", "always").stdout)
	b.golden("status-before-80.txt", b.must(1, "status").stdout)
	b.golden("pass-80.txt", b.must(0).stdout)
	wide("")
	if r := b.must(0); r.stdout != "" || r.stderr != "" {
		t.Errorf("a pass without changes printed %q and %q to a pipe", r.stdout, r.stderr)
	}
	b.golden("dry-run-nothing.txt", b.must(0, "--dry-run").stdout)
	b.golden("status.txt", b.must(0, "status").stdout)
	b.golden("inspect.txt", withoutNumbers(b.must(0, "inspect", b.userProxy()).stdout))
	wide("80")
	b.golden("status-80.txt", b.must(0, "status").stdout)
	b.golden("status-rehearsal-80.txt", b.must(1, "status", "--at", "2026-11-25T00:00Z").stdout)

	*now = now.Add(3 * time.Hour)
	if err := b.Store(3000*time.Hour, 12*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.edit(b.CEEnv, "export", "# by hand\nexport")
	write(t, b.MLEnv, "export X509_USER_PROXY=/tmp/x509up_u500 # to try something\n")
	b.AllowBox(false)
	r := b.must(1)
	b.golden("pass-refused-80.txt", r.stdout+r.stderr)
	wide("")
	write(t, b.MLEnv, "")
	r = b.must(1)
	b.golden("pass-refused.txt", r.stdout+r.stderr)
	b.AllowBox(true)
	if err := os.Remove(b.userProxy()); err != nil {
		t.Fatal(err)
	}
	wide("80")
	b.golden("pass-t12-80.txt", b.must(0).stdout)
	b.golden("status-t12-80.txt", b.must(0, "status").stdout)
}

func TestHelp(t *testing.T) {
	b := &box{t: t, env: map[string]string{}, now: time.Now}
	for _, args := range [][]string{{}, {"status"}, {"inspect"}, {"schema"}, {"version"}, {"completion"}} {
		name := "help"
		for _, a := range args {
			name += "-" + a
		}
		r := b.must(0, append(args, "--help")...)
		golden(t, name+".txt", r.stdout)
		if again := b.must(0, append([]string{"help"}, args...)...); again.stdout != r.stdout {
			t.Errorf("help %q and --help differ", args)
		}
	}
}
