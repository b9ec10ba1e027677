package reconcile_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// Killed between writing an env file and the restart, the next pass restarts.
func TestRestartIsPartOfTheState(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{NoRestart: true}), b.all()[:4]...)
	if len(b.restarts.calls) != 0 {
		t.Fatal("restarted although not wanted")
	}
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "restart/service/jalien done")

	b.restarts.err = errors.New("CVMFS is not there")
	if err := os.WriteFile(b.CEEnv, []byte("X509_USER_PROXY=/tmp/wrong\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustResults(t, b.pass(t, plan.Options{}), "write/env-file"+b.CEEnv+" done", "restart/service/jalien failed")
	b.restarts.err = nil
	mustResults(t, b.pass(t, plan.Options{}), "restart/service/jalien done")
	mustResults(t, b.pass(t, plan.Options{}))
}

func TestRestartsAreBounded(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	for i := range 3 {
		os.WriteFile(b.CEEnv, fmt.Appendf(nil, "X509_USER_PROXY=/tmp/wrong%d\n", i), 0o644)
		mustResults(t, b.pass(t, plan.Options{}), "write/env-file"+b.CEEnv+" done", "restart/service/jalien done")
	}
	os.WriteFile(b.CEEnv, []byte("X509_USER_PROXY=/tmp/wrong\n"), 0o644)
	r := b.pass(t, plan.Options{})
	mustResults(t, r, "write/env-file"+b.CEEnv+" done", "restart/service/jalien deferred")
	mustAlert(t, r, "SVC-ATMOST")
	b.clock.pass(24*time.Hour + time.Minute)
	last := b.pass(t, plan.Options{Only: []string{"jalien"}})
	mustResults(t, last, "restart/service/jalien done")
}

// A healthy box is taken over without a restart.
func TestAdoption(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	mustResults(t, b.pass(t, plan.Options{}), b.all()...)
	if err := os.RemoveAll(b.want.State); err != nil {
		t.Fatal(err)
	}
	b.restarts.calls = nil
	mustResults(t, b.pass(t, plan.Options{}))
	mustResults(t, b.pass(t, plan.Options{}))
	if len(b.restarts.calls) != 0 {
		t.Error("a healthy box was restarted")
	}
	b.want.EnvFiles[0].Set = append(b.want.EnvFiles[0].Set, plan.Var{Name: "CE_PROXYTHRESHOLD", Value: []plan.Part{{Text: "82800"}}})
	mustResults(t, b.pass(t, plan.Options{}), "write/env-file"+b.CEEnv+" done", "restart/service/jalien done")
}

// A restart that its preflight holds back does not count.
func TestPreflightDoesNotCount(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.restarts.err = &service.Error{Phase: service.PhasePreflight, Service: "jalien"}
	want := append(b.all()[:4:4], "restart/service/jalien failed")
	mustResults(t, b.pass(t, plan.Options{}), want...)
	for range 6 {
		mustAlert(t, b.pass(t, plan.Options{}), "SVC-PREFLIGHT")
	}
	b.restarts.err = nil
	mustResults(t, b.pass(t, plan.Options{}), "restart/service/jalien done")
}
