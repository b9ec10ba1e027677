package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// reportAttributes judges an attribute certificate as a renewal does before it takes it.
func (s *session) reportAttributes(v *survey, a answer) {
	r := &acReport{session: s, survey: v, answer: a}
	ac, err := attrcert.Parse(a.resp.AC)
	switch {
	case err != nil:
		r.find(trust.IDAC, plan.Critical, "what it gives cannot be read: "+err.Error(), s.end(a.c), r.askVO("gives attribute certificates that cannot be read"), "VO manager")
		return
	case ac.VO != a.c.VO:
		r.find(trust.IDAC, plan.Critical, fmt.Sprintf("it gives attributes of VO %s, not of %s", ac.VO, a.c.VO), s.end(a.c), r.askVO("gives attributes of VO "+ac.VO), "VO manager")
		return
	}
	r.fqans(ac)
	r.nested()
	r.length(ac)
	r.signer(ac)
}

// An acReport says what one answer of a VOMS server means.
type acReport struct {
	*session
	*survey
	answer answer
}

func (r *acReport) find(id string, severity plan.Severity, message, why, remedy, where string) {
	r.survey.add(Finding{ID: id, Severity: severity, Subject: r.answer.c.Name, Message: r.answer.server.Address() + ": " + message, Why: why, Remedy: remedy, Where: where})
}

func (r *acReport) askVO(what string) string {
	return fmt.Sprintf("tell the VO manager of %s that %s %s", r.answer.c.VO, r.answer.server.Address(), what)
}

// fqans wants all that are wanted, the first of them first. A proxy in place gets no more than it carries, which is
// nobody's fault.
func (r *acReport) fqans(ac *attrcert.AC) {
	if !r.answer.base.fresh {
		return
	}
	correct := "ask the VO manager of " + r.answer.c.VO + " for it, or correct proxies[].attributes in " + r.Config
	for _, want := range r.answer.c.FQANs {
		if !slices.Contains(ac.FQANs, want) {
			r.find(voms.FQANRefused, plan.Critical, fmt.Sprintf("%s was asked for and not given; it gives %s", want, strings.Join(ac.FQANs, ", ")), r.end(r.answer.c), correct, "VO manager")
			return
		}
	}
	if ac.FQANs[0] != r.answer.c.FQANs[0] {
		r.find(voms.FQANRefused, plan.Critical, fmt.Sprintf("the order is another one: %s comes first, not %s", ac.FQANs[0], r.answer.c.FQANs[0]),
			"The first one is the role that sites go by: the CE would run jobs as somebody else. "+r.end(r.answer.c), r.askVO("does not keep the order of the FQANs asked for"), "VO manager")
	}
}

// nested is about a stored credential that carries attributes of its own: a VOMS server gives only what is among them, and
// they end.
func (r *acReport) nested() {
	if !r.answer.base.fresh || r.answer.c.Source.MyProxy == nil {
		return
	}
	acs, err := attrcert.FromChain(r.answer.base.cred.Chain)
	if err != nil || len(acs) == 0 {
		return
	}
	r.survey.add(Finding{ID: voms.Nested, Severity: plan.Warning, Subject: r.answer.c.Name,
		Message: fmt.Sprintf("what is stored on %s was made by voms-proxy-init: it carries attributes that end on %s", r.answer.c.Source.MyProxy.Server, plan.Clock(acs[0].NotAfter)),
		Why:     "VOMS servers give only what is among them, and some software takes the old ones for the proxy's.",
		Remedy:  "grid-proxy-destroy; " + plan.StoreCommand(*r.answer.c.Source.MyProxy, r.answer.c.Lifetime), Where: "LCG-UI"})
}

// length is about attributes that last shorter than what was asked.
func (r *acReport) length(ac *attrcert.AC) {
	granted := ac.NotAfter.Sub(r.Now()).Round(time.Minute)
	switch {
	case granted >= r.answer.c.Lifetime-plan.Slack(r.answer.c.Lifetime):
		return
	case granted <= 0:
		r.find(trust.IDACExpired, plan.Critical, "it gives attributes that ended on "+plan.Clock(ac.NotAfter)+" already", r.end(r.answer.c), r.askVO("gives attributes that are over"), "VO manager")
		return
	}
	threshold := time.Duration(float64(granted) * float64(r.answer.c.RenewBelow) / float64(r.answer.c.Lifetime))
	r.find(voms.ACShortened, plan.Warning, fmt.Sprintf("asked for %s, it gives attributes for %s", plan.Span(r.answer.c.Lifetime), plan.Span(granted)),
		"JAliEn compares the attributes, not the proxy, with CE_PROXYTHRESHOLD, 46h unless it is set.",
		fmt.Sprintf("ask the VO manager of %s to raise the maximum to %s, or set CE_PROXYTHRESHOLD below %d seconds in CE.env", r.answer.c.VO, plan.Span(r.answer.c.Lifetime), int(threshold/time.Second)),
		"VO manager")
}

// signer is about whether the attributes can be verified, here and for how long.
func (r *acReport) signer(ac *attrcert.AC) {
	res, err := r.Trust.VerifyAC(ac, r.answer.base.cred.EEC(), r.Now())
	var te *trust.Error
	switch {
	case errors.As(err, &te):
		remedy, where := r.askVO("gives attribute certificates that do not verify"), "VO manager"
		switch te.ID {
		case trust.IDLSC:
			remedy, where = fmt.Sprintf("dnf install wlcg-iam-lsc-%s (or update it); it has to say that %s signs, issued by %s", r.answer.c.VO, ac.Issuer, issuerOf(ac)), "site admin"
		case trust.IDACExpired:
			remedy, where = "timedatectl status; chronyc tracking", "site admin"
		}
		r.find(te.ID, plan.Critical, err.Error(), r.end(r.answer.c), remedy, where)
	case err != nil:
		r.unseen(r.answer.c.Name, err.Error(), checkAttributes)
	case res.EffectiveEnd.Before(ac.NotAfter):
		r.find(trust.IDACSigner, plan.Warning, fmt.Sprintf("%s ends on %s, before the attributes do (%s)", res.EndsWith, plan.Clock(res.EffectiveEnd), plan.Clock(ac.NotAfter)),
			"Some software refuses attributes whose signer has expired, this program counts them as over, and the server gives none from then on.",
			"ask the VO manager of "+r.answer.c.VO+" when "+r.answer.server.Address()+" gets its new certificate", "VO manager")
	}
}

// issuerOf is who issued the certificate that signed an attribute certificate.
func issuerOf(ac *attrcert.AC) string {
	for _, cert := range ac.Certificates {
		if name := nameOf(cert.RawSubject); name.Equal(ac.Issuer) {
			return nameOf(cert.RawIssuer).String()
		}
	}
	return "a CA that the attribute certificate does not name"
}
