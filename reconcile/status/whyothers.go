package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// envFile explains when an env file is written: never because of the time, only because it is not as it should be.
func (w *Why) envFile(b Box, f plan.EnvFile, d EnvFile) {
	st := b.Have.EnvFiles[f.Path]
	w.Kind, w.Path, w.State = "env-file", f.Path, d.State
	step := b.step("env-file", f.Path)
	if w.Due = step != nil; w.Due {
		w.When = Moment(b.Now)
	}
	for _, v := range f.Set {
		w.rule("set", "%s is kept at %s", v.Name, valueWords(v))
	}
	for _, name := range f.Unset {
		w.rule("unset", "%s is kept out", name)
	}
	switch {
	case st.Fault != "":
		w.Summary = "cannot be written: " + st.Fault
		w.rule("fault", "%s", st.Fault)
	case step != nil:
		w.Summary = "written in the next pass"
		w.rule("write", "in the next pass: %s", strings.Join(st.Changes, "; ")).at(b.Now)
		for _, id := range step.Needs {
			w.rule("after", "only if %s succeeds: a file does not point to a proxy that cannot be used", b.stepWords(id))
		}
	default:
		w.Summary = "as it should be; no time is set for it"
		w.rule("write", "nothing is to change; it is written when somebody has changed one of these variables, or a proxy gets another path")
	}
	w.rule("renewals", "a renewed proxy keeps its path, so that this file stays as it is")
	for _, why := range st.Unmet {
		w.rule("expect", "%s: services are not restarted until that is so", why)
	}
	var restarted []string
	for _, s := range b.Want.Services {
		if slices.Contains(s.EnvFiles, f.Path) {
			restarted = append(restarted, s.Name)
		}
	}
	if len(restarted) > 0 {
		w.rule("restarts", "a change restarts %s", strings.Join(restarted, ", "))
	}
}

// valueWords are what a variable is kept at.
func valueWords(v plan.Var) string {
	var b strings.Builder
	for _, p := range v.Value {
		b.WriteString(p.Text)
		if p.Proxy != "" {
			b.WriteString("${proxy." + p.Proxy + "}")
		}
	}
	if len(v.Value) == 1 && v.Value[0].Proxy != "" {
		return "the path of proxy " + v.Value[0].Proxy
	}
	return fmt.Sprintf("%q", b.String())
}

// service explains when a service is restarted: when what it was last restarted for is not what it needs now.
func (w *Why) service(b Box, s plan.Service, d Service) {
	st := b.Have.Services[s.Name]
	w.Kind, w.State = "service", d.State
	step := b.step("service", s.Name)
	w.Due = step != nil
	w.on(s, b.Want)
	switch {
	case step != nil && !step.NotBefore.IsZero():
		w.Summary, w.When = "restarted on "+plan.Clock(step.NotBefore)+": "+step.Reason, Moment(step.NotBefore)
		w.rule("restart", "%s, but not before %s", step.Reason, plan.Clock(step.NotBefore)).at(step.NotBefore)
	case step != nil:
		w.Summary, w.When = "restarted in the next pass: "+step.Reason, Moment(b.Now)
		w.rule("restart", "in the next pass: %s", step.Reason).at(b.Now)
	case d.State == "alert":
		w.Summary = "held back: " + d.Reason
		w.rule("restart", "%s", d.Reason)
	case !st.Known:
		w.Summary = "no pass has seen it yet, and nothing is to change"
		w.rule("restart", "what it runs with is taken for what it should run with until something changes")
	default:
		w.Summary = "no restart is due; no time is set for it"
		w.rule("restart", "nothing has changed since it was last restarted for it")
	}
	if step != nil {
		for _, id := range step.Needs {
			w.rule("after", "only if %s succeeds", b.stepWords(id))
		}
	}
	w.limits(s, st, b.Now)
}

// on says what a service is restarted for.
func (w *Why) on(s plan.Service, want plan.Desired) {
	var seen []string
	what := slices.Clone(s.EnvFiles)
	for _, p := range s.Proxies {
		what = append(what, "proxy "+p)
	}
	if len(what) == 0 {
		w.rule("on-change", "nothing: onChange is empty, and there are no env files")
		return
	}
	w.rule("on-change", "it is restarted when one of these changes: %s", strings.Join(what, ", "))
	for _, f := range want.EnvFiles {
		if !slices.Contains(s.EnvFiles, f.Path) {
			continue
		}
		for _, c := range want.Credentials {
			if uses(f, c.Name) && !slices.Contains(s.Proxies, c.Name) && !slices.Contains(seen, c.Name) {
				seen = append(seen, c.Name)
			}
		}
	}
	if len(seen) > 0 {
		w.rule("renewals", "renewals of %s restart nothing: the path stays, and programs read the file anew; onChange: [proxy:%s] would have it otherwise",
			strings.Join(seen, ", "), seen[0])
	}
}

// limits says how often a service may be restarted, and what is done around it.
func (w *Why) limits(s plan.Service, st plan.ServiceState, now time.Time) {
	n := 0
	for _, t := range st.Restarts {
		if now.Sub(t) < s.Per && !t.After(now) {
			n++
		}
	}
	if s.AtMost > 0 && s.Per > 0 {
		w.rule("at-most", "%d restarts in %s are allowed (atMost), %d of them made", s.AtMost, plan.Span(s.Per), n)
	}
	if k := len(st.Restarts); k > 0 {
		w.rule("last-restart", "on %s", plan.Clock(st.Restarts[k-1])).at(st.Restarts[k-1])
	}
	if len(s.Preflight) > 0 {
		w.rule("preflight", "only if all of these succeed: %s", commands(s.Preflight))
	}
	if len(s.Verify) > 0 {
		w.rule("verify", "it counts only if this succeeds after it: %s", strings.Join(s.Verify, " "))
	}
}

func commands(list [][]string) string {
	var out []string
	for _, c := range list {
		out = append(out, strings.Join(c, " "))
	}
	return strings.Join(out, "; ")
}

func (b Box) step(kind, target string) *plan.Step {
	for i, s := range b.Plan.Steps {
		if s.Kind == kind && s.Target == target {
			return &b.Plan.Steps[i]
		}
	}
	return nil
}

// stepWords are a step as people call it.
func (b Box) stepWords(id string) string {
	for _, s := range b.Plan.Steps {
		switch {
		case s.ID != id:
		case s.Kind == "machine-proxy":
			return "the renewal of the machine proxy"
		case s.Action == plan.Renew:
			return "the renewal of " + s.Target
		case s.Action == plan.Write:
			return "the write of " + s.Target
		}
	}
	return id
}
