package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// byHand is the remedy where nothing better is known.
const byHand = "mend the cause, then run vobox-reconcile"

// remedies are what to do about what does not verify, by id.
var remedies = map[string]struct{ what, where string }{
	trust.IDNoAnchor:   {"install or update the CA package (ca-policy-egi-core)", "site admin"},
	trust.IDCRLStale:   {"run fetch-crl, and see that its timer or cron job runs", "site admin"},
	trust.IDCRLInvalid: {"run fetch-crl, and see that its timer or cron job runs", "site admin"},
	trust.IDCRLMissing: {"run fetch-crl, or set trust.crl: if-present", "site admin"},
	trust.IDRevoked:    {"get a new certificate from your CA, then store it: myproxy-destroy and myproxy-init -d -n -t 48 -c 3000", "LCG-UI"},
	trust.IDNotYet:     {"set the clock of this box: chronyc tracking", "site admin"},
	trust.IDLSC:        {"install the VO's LSC files (wlcg-iam-lsc-<vo>)", "site admin"},
	trust.IDACSigner:   {"ask the VO manager: the VOMS server's certificate is not right", "VO manager"},
	trust.IDAC:         {"ask the VO manager: the VOMS server gives attribute certificates that do not verify", "VO manager"},
	trust.IDACHolder:   {"ask the VO manager: the VOMS server gave somebody else's attributes", "VO manager"},
	trust.IDACExpired:  {"compare the clocks of this box and the VOMS server: chronyc tracking", "site admin"},
	"VO-FQAN":          {"ask the VO manager for the role, or correct proxies[].attributes", "VO manager"},
	"VO-NONE":          {"run vobox-reconcile again", "VO-Box"},
	"NEVER-WORSE":      {"nothing, if the one that is there lasts long enough; otherwise store a longer credential: myproxy-init -d -n -t 48 -c 3000", "LCG-UI"},
}

// failureAlert explains a failed step: id, cause, remedy and where to type it, and how long the old credential still lasts.
func (r *run) failureAlert(o Outcome) plan.Alert {
	vo := r.want.VO
	a := plan.Alert{ID: "STEP", Severity: plan.Critical, Subject: o.Step.Target, Message: o.Err.Error(), Where: "VO-Box",
		Remedy: byHand}
	explain(o.Err, &a)
	if r, ok := remedies[a.ID]; ok && a.Remedy == byHand {
		a.Remedy, a.Where = strings.ReplaceAll(r.what, "<vo>", vo), r.where
	}
	if o.Step.Action != plan.Renew {
		return a
	}
	a.Attempt = a.ID != "NEVER-WORSE" // what is in place is as good then
	r.mu.Lock()
	st := r.seen.Credentials[o.Step.Target]
	r.mu.Unlock()
	cred, _ := find(r.want.Credentials, func(c plan.Credential) bool { return c.Name == o.Step.Target })
	if now := r.Now(); st.Usable(now) {
		left := st.EffectiveEnd.Sub(now)
		if left >= cred.AlertBelow {
			a.Severity = plan.Warning
		}
		a.Message += fmt.Sprintf("; the %s has %s left: nothing breaks before %s", proxyWords(cred.Kind), plan.Span(left), plan.Clock(st.EffectiveEnd))
	}
	return a
}

func proxyWords(k plan.Kind) string {
	if k == plan.Machine {
		return "machine proxy"
	}
	return "proxy"
}

// explain takes id, cause and remedy from the error of the package that knows them.
func explain(err error, a *plan.Alert) {
	var (
		mp    *myproxy.Error
		vo    *voms.Error
		tr    *trust.Error
		is    *issue.Error
		svc   *service.Error
		none  *NoMachineProxyError
		lost  *NotAtHandError
		worse *WorseError
	)
	fill := func(id, cause, remedy, where string) {
		a.ID = id
		if cause != "" && !strings.Contains(a.Message, cause) {
			a.Message += " (" + cause + ")"
		}
		if remedy != "" {
			a.Remedy, a.Where = remedy, where
		}
	}
	switch {
	case errors.As(err, &mp):
		fill(mp.ID, mp.Cause, mp.Remedy, mp.Where)
	case errors.As(err, &vo):
		fill(vo.ID, vo.Cause, vo.Remedy, vo.Where)
	case errors.As(err, &is):
		fill(is.ID, "", is.Remedy, is.Where)
	case errors.As(err, &tr):
		fill(tr.ID, "", "", "")
	case errors.As(err, &none):
		fill("HOST-PROXY", "", "run vobox-reconcile as root, or ask the site admin to renew the machine proxy", "site admin")
	case errors.As(err, &lost):
		fill("MP-NOOLD", "", "make a new proxy on the LCG-UI (voms-proxy-init), log in with it, then run vobox-reconcile register --force in that session", "LCG-UI")
	case errors.As(err, &svc):
		a.ID, a.Remedy = "SVC-"+strings.ToUpper(string(svc.Phase)), "run the command by hand as the service account and mend what it complains about"
	case errors.As(err, &worse):
		fill(worse.ID, "", "", "")
	case errors.Is(err, atomicfile.ErrLink):
		fill("FILE-LINK", "", "replace the symbolic link by a file or directory of its own", "VO-Box")
	case errors.Is(err, context.DeadlineExceeded):
		fill("TIMEOUT", "", "run vobox-reconcile again", "VO-Box")
	}
}
