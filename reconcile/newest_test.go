package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// With a pattern as its path a proxy is the valid one that lasts longest, and it is told when that is not the newest file,
// which the manuals' ls -t takes.
func TestNewestIsNotKept(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	for i := range b.want.Credentials {
		if c := &b.want.Credentials[i]; c.Kind == plan.User {
			c.Default, c.Path = c.Path, filepath.Join(b.Repository, "*lcgadmin")
		}
	}
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	kept := b.userProxyPath(t)
	noAlert := func(r *reconcile.Report) {
		t.Helper()
		for _, a := range r.Alerts {
			if a.ID == "REPO-NEWEST" {
				t.Errorf("%+v", a)
			}
		}
	}
	noAlert(b.pass(t, plan.Options{}))
	// Somebody registers with the old tool: a shorter proxy, whose name has the serial number of the login proxy.
	other := filepath.Join(b.Repository, "+2fCN+3dJane+20Doe+2fCN+3d4711-voms+20alice+3a+2falice+2fRole+3dlcgadmin")
	if err := gridtest.WriteProxy(b.Login, other); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(kept)
	if err != nil {
		t.Fatal(err)
	}
	written := func(after time.Duration) {
		t.Helper()
		if err := os.Chtimes(other, info.ModTime(), info.ModTime().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	written(time.Hour)
	r := b.pass(t, plan.Options{})
	mustResults(t, r)
	a := mustAlert(t, r, "REPO-NEWEST")
	if !strings.Contains(a.Message, other) || !strings.Contains(a.Message, kept) || !strings.Contains(a.Remedy, "${proxy.lcgadmin}") {
		t.Errorf("%+v", a)
	}
	written(-time.Hour)
	noAlert(b.pass(t, plan.Options{}))
}
