package status

import (
	"slices"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// fileAlerts tell of what makes Globus refuse the files themselves, as far as the plan does not: programs that use such a
// proxy fail as if there were none, however long it lasts.
func (b Box) fileAlerts() []plan.Alert {
	var alerts []plan.Alert
	for _, c := range b.Want.Credentials {
		for _, f := range b.Looks[c.Name].Findings {
			known := func(a plan.Alert) bool { return a.ID == f.ID && a.Subject == c.Name }
			if slices.ContainsFunc(b.Plan.Alerts, known) || slices.ContainsFunc(alerts, known) {
				continue
			}
			alerts = append(alerts, plan.Alert{ID: f.ID, Severity: plan.Critical, Subject: c.Name,
				Message: f.Problem + "; Globus refuses the file " + f.Path, Remedy: f.Remedy, Where: "VO-Box"})
		}
	}
	return alerts
}

// refusal is why Globus does not take a file that is good otherwise; empty: it does.
func (b Box) refusal(c plan.Credential, st plan.CredentialState) string {
	if found := b.Looks[c.Name].Findings; len(found) > 0 {
		return found[0].Problem
	}
	return st.Misplaced
}
