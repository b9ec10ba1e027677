package year_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/year"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// broken are decisions that are wrong, each in its own way, and the rule that has to say so.
var broken = []struct {
	name   string
	watch  bool
	policy year.Policy
	rule   string
}{
	{"renews what is below its threshold, from cron, and nothing before", false, observed(func(st *plan.CredentialState) { st.Rhythm = plan.Rhythm{} }), "below 46h"},
	{"renews what is below its threshold, with --watch, and nothing before", true, observed(func(st *plan.CredentialState) { st.Rhythm = plan.Rhythm{} }), "below 46h"},
	{"believes that cron comes every ten minutes", false, observed(func(st *plan.CredentialState) { st.Rhythm.Every = min(st.Rhythm.Every, 10*time.Minute) }), "below 46h"},
	{"believes what a clock that was wrong has measured", true, observed(func(st *plan.CredentialState) {
		if st.Grant != nil {
			g := *st.Grant
			g.Granted, g.Taken, g.Proxy.Limit = 40*time.Hour, true, plan.LimitStored
			st.Grant = &g
			st.EffectiveEnd = st.EffectiveEnd.Add(-5 * time.Hour)
		}
	}), "not renewed"},
	{"never renews the machine proxy", false, planned(func(p *plan.Plan) {
		p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool { return s.Kind == "machine-proxy" && !s.New })
	}), "not renewed"},
	{"renews on every pass", true, forced, "too many requests"},
	{"tells nobody", false, planned(func(p *plan.Plan) { p.Alerts = nil }), "not told"},
	{"cries wolf", true, planned(func(p *plan.Plan) {
		p.Alerts = append(p.Alerts, plan.Alert{ID: "PROXY-LOW", Subject: "lcgadmin", Message: "it is 47h"})
	}), "told for nothing"},
	{"looks again at once, always", true, func(w plan.Desired, h plan.Observed, now time.Time, o plan.Options) plan.Plan {
		p := plan.Compute(w, h, now, o)
		p.NextLook = now
		return p
	}, "a swarm"},
	{"looks again too late", true, planned(func(p *plan.Plan) { p.NextLook = p.NextLook.Add(45 * time.Minute) }), "below 46h"},
}

// observed has plan.Compute see something else.
func observed(f func(*plan.CredentialState)) year.Policy {
	return func(w plan.Desired, h plan.Observed, now time.Time, o plan.Options) plan.Plan {
		st := h.Credentials["lcgadmin"]
		f(&st)
		h.Credentials["lcgadmin"] = st
		return plan.Compute(w, h, now, o)
	}
}

// planned changes what plan.Compute says.
func planned(f func(*plan.Plan)) year.Policy {
	return func(w plan.Desired, h plan.Observed, now time.Time, o plan.Options) plan.Plan {
		p := plan.Compute(w, h, now, o)
		f(&p)
		return p
	}
}

func forced(w plan.Desired, h plan.Observed, now time.Time, o plan.Options) plan.Plan {
	o.Force = []string{"lcgadmin"}
	return plan.Compute(w, h, now, o)
}

// The rules find what is wrong. Without this, lives without fault would say nothing.
func TestRulesFind(t *testing.T) {
	for _, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			o := year.Options{Seed: 1, Watch: tt.watch, Days: 20, Busy: 18}
			switch tt.rule {
			case "a swarm", "too many requests":
				o.Days, o.Busy = 2, 1
			case "told for nothing": // nothing ends for a while
				o.Days, o.Busy = 365, 1
			}
			mustFind(t, year.Model(year.Write(o), tt.policy, false), tt.rule)
		})
	}
}

// What must be the same is found to be another.
func TestDiffer(t *testing.T) {
	life := func(o year.Options, p year.Policy) *year.Log { return year.Model(year.Write(o), p, false) }
	o := year.Options{Seed: 1, Days: 5}
	if diff := year.Differ(life(o, nil), life(o, nil)); diff != "" {
		t.Errorf("a life is not like itself: %s", diff)
	}
	if year.Differ(life(o, nil), life(o, broken[0].policy)) == "" {
		t.Error("a life is like one with other decisions")
	}
	o.Seed = 2
	if year.Differ(life(year.Options{Seed: 1, Days: 5}, nil), life(o, nil)) == "" {
		t.Error("two lives are the same")
	}
}

func mustFind(t *testing.T, log *year.Log, rule string) {
	t.Helper()
	var rules []string
	for _, f := range log.Judge() {
		rules = append(rules, f.Rule)
	}
	if !slices.Contains(rules, rule) {
		slices.Sort(rules)
		t.Errorf("%q is not found, but %q", rule, slices.Compact(rules))
	}
}

// staleIssuer gives the first credential again and again.
type staleIssuer struct {
	reconcile.Issuer
	first *issue.Issued
}

func (s *staleIssuer) Issue(ctx context.Context, want plan.Credential, a issue.Authority) (*issue.Issued, error) {
	if want.Kind == plan.User && s.first != nil {
		return s.first, nil
	}
	out, err := s.Issuer.Issue(ctx, want, a)
	if want.Kind == plan.User && err == nil {
		s.first = out
	}
	return out, err
}

// What only happens on disk is found there.
func TestRulesFindOnDisk(t *testing.T) {
	user := func(b *year.SabotagedBox) string { return b.Want.Credentials[1].Path }
	first := []byte(nil)
	for _, tt := range []struct {
		name  string
		sabot year.Sabotage
		rule  string
	}{
		{"restarts after every pass", year.Sabotage{After: func(b *year.SabotagedBox) { b.Restart() }}, "restarted for nothing"},
		{"writes half a file", year.Sabotage{After: func(b *year.SabotagedBox) { os.Truncate(user(b), 2000) }}, "a file is not whole"},
		{"puts the first proxy back", year.Sabotage{After: func(b *year.SabotagedBox) {
			if data, err := os.ReadFile(user(b)); first == nil && err == nil {
				first = data
			}
			os.WriteFile(user(b), first, 0o600)
		}}, "worse than before"},
		{"takes what it had already", year.Sabotage{Issuer: func(i reconcile.Issuer) reconcile.Issuer { return &staleIssuer{Issuer: i} }}, "not renewed"},
		{"drops the lines of others", year.Sabotage{After: func(b *year.SabotagedBox) {
			path := b.Want.EnvFiles[0].Path
			if data, err := os.ReadFile(path); err == nil {
				os.WriteFile(path, []byte(strings.Replace(string(data), "export SITE=Gridtest\n", "", 1)), 0o644)
			}
		}}, "env file"},
		{"leaves files behind", year.Sabotage{After: func(b *year.SabotagedBox) {
			os.WriteFile(filepath.Join(b.Want.State, "dump"), []byte("x"), 0o600)
		}}, "what is kept"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mustFind(t, engine(t, year.Options{Seed: 2, Days: 1}, tt.sabot), tt.rule)
		})
	}
}
