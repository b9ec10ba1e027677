package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// Each thing is looked after by exactly one of the runs, and where it falls does not depend on what else there is.
func TestShard(t *testing.T) {
	want := plan.Desired{Credentials: []plan.Credential{{Name: plan.MachineName, Kind: plan.Machine}}}
	for i := range 200 {
		want.Credentials = append(want.Credentials, plan.Credential{Name: fmt.Sprintf("proxy%d", i), Kind: plan.User})
		want.EnvFiles = append(want.EnvFiles, plan.EnvFile{Path: fmt.Sprintf("/home/%d/CE.env", i)})
		want.Services = append(want.Services, plan.Service{Name: fmt.Sprintf("service%d", i)})
	}
	for _, n := range []int{1, 2, 7, 1000} {
		seen := map[string]int{}
		for i := range n {
			opts, err := options(want, passFlags{shard: fmt.Sprintf("%d/%d", i+1, n)})
			if err != nil || len(opts.Only) == 0 {
				t.Fatalf("%d of %d: %v, %q", i+1, n, err, opts.Only)
			}
			for _, name := range opts.Only {
				seen[name]++
			}
			if got := slices.Contains(opts.Only, plan.MachineName); got != (i == 0) {
				t.Errorf("%d of %d looks after the machine proxy: %v", i+1, n, got)
			}
			fewer := plan.Desired{Credentials: want.Credentials[:50]}
			less, _ := options(fewer, passFlags{shard: fmt.Sprintf("%d/%d", i+1, n)})
			for _, name := range less.Only {
				if !slices.Contains(opts.Only, name) {
					t.Errorf("%s has moved to %d of %d", name, i+1, n)
				}
			}
		}
		delete(seen, "")
		if len(seen) != 601 {
			t.Errorf("%d runs look after %d things, want 601", n, len(seen))
		}
		for name, times := range seen {
			if times != 1 {
				t.Errorf("%s is looked after by %d of %d runs", name, times, n)
			}
		}
	}
	opts, err := options(want, passFlags{shard: "1/1", only: []string{"proxy3"}})
	if err != nil || !slices.Equal(opts.Only, []string{"", "proxy3"}) {
		t.Errorf("with --only: %q, %v", opts.Only, err)
	}
	for _, bad := range []string{"1", "0/2", "3/2", "a/b", "1/1001", "-1/2", "1/2/3", "/"} {
		if _, err := options(want, passFlags{shard: bad}); err == nil {
			t.Errorf("--shard %s is taken", bad)
		}
	}
}
