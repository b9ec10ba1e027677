package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// reportStored adds what was found about a credential at all of its servers.
func (s *session) reportStored(v *survey, c plan.Credential, outcomes []*outcome) {
	by := served(outcomes)
	for _, o := range outcomes {
		if o.unsaid != "" {
			v.unseen(c.Name, o.unsaid, ofMyProxy...)
			continue
		}
		one := c
		mp := *c.Source.MyProxy
		mp.Server, one.Source.MyProxy = o.server, &mp
		r := &storedReport{session: s, survey: v, c: one, mp: mp, o: o, severity: plan.Critical, why: s.end(c)}
		if by != nil {
			r.severity, r.why = plan.Warning, "Proxy "+c.Name+" is renewed by "+by.server+", and when that fails not by this one."
		}
		r.renewal()
		r.contents()
		if o.got() {
			r.lifetime()
		} else {
			v.unseen(c.Name, "nothing came from "+o.server, checkLifetime)
		}
	}
}

// A storedReport says what one server's answers about one credential mean.
type storedReport struct {
	*session
	*survey
	c        plan.Credential // with that server alone
	mp       plan.MyProxy
	o        *outcome
	severity plan.Severity // of what keeps this server from renewing
	why      string        // what follows from it
}

func (r *storedReport) find(id string, severity plan.Severity, message, why, remedy, where string) {
	r.survey.add(Finding{ID: id, Severity: severity, Subject: r.c.Name, Message: r.o.server + ": " + message, Why: why, Remedy: remedy, Where: where})
}

func (r *storedReport) store() string { return plan.StoreCommand(r.mp, r.c.Lifetime) }

// renewal is about the right to renew: what became of a real GET.
func (r *storedReport) renewal() {
	var e *myproxy.Error
	var local *issue.Error
	switch err := r.o.getErr; {
	case r.o.without != "":
		r.unseen(r.c.Name, r.o.without, checkRenewal, checkLifetime)
	case errors.As(err, &e) && e.ID == "MP-CANCELED":
		r.unseen(r.c.Name, "interrupted", ofMyProxy...)
	case errors.As(err, &e) && r.session.serverFault(err, &r.mp) != nil: // told with the server
		r.unseen(r.c.Name, r.o.server+" could not be talked to", checkRenewal)
	case errors.As(err, &e) && e.ID == "MP-NOCRED":
		r.absent(says(e), r.session.remedy(e, r.c), e.Where)
		r.unseen(r.c.Name, "nothing is stored on "+r.o.server, checkRenewal)
	case errors.As(err, &e):
		if !slices.Contains(ofRenewal, e.ID) {
			r.unseen(r.c.Name, r.o.server+" refuses for another cause, "+e.ID, checkRenewal)
		}
		message := says(e)
		if st, ok := r.ours(); ok && e.ID == "MP-CREDPOL" && st.Renewer != "" {
			message += fmt.Sprintf("; it was stored with the renewer %q", st.Renewer)
		}
		r.find(e.ID, r.severity, message, r.why, r.session.remedy(e, r.c), e.Where)
	case errors.As(err, &local):
		r.unseen(r.c.Name, local.Error(), checkRenewal, checkLifetime)
	case err != nil:
		r.unseen(r.c.Name, err.Error(), checkRenewal, checkLifetime)
	default:
		r.verify()
	}
}

// verify looks at what GET gave as whoever gets it would.
func (r *storedReport) verify() {
	_, err := r.Trust.VerifyChain(r.o.issued.Credential.Presented(), r.Now())
	if err == nil {
		return
	}
	id := "MP-CHAIN"
	var te *trust.Error
	if errors.As(err, &te) {
		switch te.ID {
		case trust.IDRevoked:
			id = "MP-REVOKED"
		case trust.IDExpired:
			id = "MP-STALE"
		case trust.IDNotYet, trust.IDNoAnchor, trust.IDCRLStale, trust.IDCRLInvalid, trust.IDCRLMissing:
			id = te.ID
		}
	}
	remedy, where := "myproxy-destroy -s "+shell(strings.Fields(splitWords(r.mp.Server))[0])+" -d; "+r.store(), "LCG-UI"
	switch id {
	case trust.IDNotYet:
		remedy, where = "timedatectl status; chronyc tracking", "site admin"
	case trust.IDNoAnchor:
		remedy, where = "install or update the CA package (ca-policy-egi-core)", "site admin"
	case trust.IDCRLStale, trust.IDCRLInvalid, trust.IDCRLMissing:
		remedy, where = "fetch-crl; systemctl status fetch-crl.timer", "site admin"
	}
	r.find(id, plan.Critical, "the proxy that it gives does not verify: "+err.Error(), r.end(r.c), remedy, where)
}

// ours is the credential among those that INFO lists.
func (r *storedReport) ours() (myproxy.Stored, bool) {
	i := slices.IndexFunc(r.o.listed, func(st myproxy.Stored) bool { return st.Name == r.mp.CredentialName })
	if i < 0 {
		return myproxy.Stored{}, false
	}
	return r.o.listed[i], true
}

// contents is about what INFO tells the owner: whether it is there, when it ends, who may have it.
func (r *storedReport) contents() {
	if !r.o.owner {
		r.unseen(r.c.Name, r.o.server+" tells only the owner what is stored, and there is no proxy of "+r.c.Identity+" to ask with", checkStored)
		r.ends(time.Time{})
		return
	}
	st, there := r.ours()
	var e *myproxy.Error
	switch asked := r.o.getErr != nil || r.o.got(); {
	case errors.As(r.o.getErr, &e) && e.ID == "MP-NOCRED": // told
	case there:
		r.ends(st.End)
		if asked {
			return // the GET has told what keeps it
		}
		if st.LockMessage != "" {
			r.find("MP-LOCKED", r.severity, fmt.Sprintf("what is stored is locked by the administrator: %q", st.LockMessage), r.why, "ask the operator of "+r.o.server+" to unlock it", "MyProxy operator")
		}
		if box := r.boxName(); box != "" && st.Renewer != "" && !matches(st.Renewer, box) {
			r.find("MP-CREDPOL", r.severity, fmt.Sprintf("what is stored may be renewed by %q only, which this box, %s, is not", st.Renewer, box), r.why, r.store(), "LCG-UI")
		}
	case r.o.got():
		r.ends(time.Time{}) // it is another's, and given all the same
	case asked || errors.As(r.o.infoErr, &e) && e.ID != "MP-NOCRED": // whatever it is, a refused GET tells it better
		r.unseen(r.c.Name, r.o.server+" does not tell what is stored", checkStored)
	default:
		r.absent("nothing is stored for "+r.mp.Username, r.store(), "LCG-UI")
	}
}

// boxName is the DN that this box renews with, if anything tells it.
func (r *storedReport) boxName() string {
	m, ok := r.machine()
	if !ok {
		return ""
	}
	st := r.Have.Credentials[m.Name]
	return cmp.Or(st.Source.Identity, st.Identity)
}

// matches reports whether a policy of MyProxy, such as the renewer of a stored credential, allows a DN: "*" and "?" are
// wild cards, "." is itself, and the rest is a POSIX extended regular expression (myproxy-server.config(5)). What cannot be
// told here, such as a policy about FQANs, counts as allowed.
func matches(policy, name string) bool {
	policy = strings.TrimPrefix(policy, "SUBJECT:")
	if len(policy) > maxPolicy || strings.HasPrefix(policy, "FQAN:") {
		return true
	}
	var b strings.Builder
	for escaped, i := false, 0; i < len(policy); i++ {
		switch c := policy[i]; {
		case !escaped && c == '*':
			b.WriteString(".*")
		case !escaped && c == '?':
			b.WriteByte('.')
		case !escaped && c == '.':
			b.WriteString(`\.`)
		default:
			b.WriteByte(c)
			escaped = c == '\\' && !escaped
			continue
		}
		escaped = false
	}
	re, err := regexp.CompilePOSIX("^(" + b.String() + ")$")
	return err != nil || re.MatchString(name)
}

// maxPolicy is the longest policy that is looked at.
const maxPolicy = 4096

// absent is about a credential that is not there. What is there instead is told, where the server tells it.
func (r *storedReport) absent(message, remedy, where string) {
	if len(r.o.listed) > 0 {
		var names []string
		for _, st := range r.o.listed {
			name := "one without a name"
			if st.Name != "" {
				name = fmt.Sprintf("%q", st.Name)
			}
			names = append(names, name)
		}
		message += "; there is, for this user name: " + strings.Join(names, ", ")
		remedy += fmt.Sprintf("; or name the right one as credentialName in %s", r.Config)
	}
	if id, err := dn.Parse(r.c.Identity); err == nil && r.mp.Username != id.String() {
		message += fmt.Sprintf("; the user name is not the DN %s that myproxy-init -d stores under", id)
	}
	r.find("MP-NOCRED", r.severity, message, r.why, remedy, where)
}

// ends warns of the end of what is stored, and of the certificate behind it, which MyProxy's own times do not show.
func (r *storedReport) ends(end time.Time) {
	now := r.Now()
	var certEnd time.Time
	if r.o.got() {
		if g := r.o.issued.Grant; end.IsZero() {
			end = g.StoredEnd
		}
		if eec := r.o.issued.Credential.EEC(); eec != nil {
			certEnd = eec.NotAfter
		}
	}
	const together = time.Minute
	switch {
	case !certEnd.IsZero() && certEnd.Sub(now) < r.mp.AlertBelow && !r.shortBy(plan.LimitCert):
		r.find("MP-SHORT", plan.Warning, fmt.Sprintf("the user certificate behind what is stored ends on %s, in %s", plan.Clock(certEnd), plan.Span(certEnd.Sub(now))),
			"From then on nothing can be renewed, and towards it each renewal gives less.", "get a new certificate from your CA, then "+r.store(), "LCG-UI")
	case end.IsZero() || r.shortBy(plan.LimitEnd) || r.shortBy(plan.LimitCert) || !certEnd.IsZero() && certEnd.Sub(end).Abs() < together:
	case end.Sub(now) < r.mp.AlertBelow:
		severity := plan.Warning
		message := fmt.Sprintf("what is stored ends on %s, in %s; it should last %s", plan.Clock(end), plan.Span(end.Sub(now)), plan.Span(r.mp.AlertBelow))
		if !now.Before(end) {
			severity, message = plan.Critical, "what is stored ended on "+plan.Clock(end)
		}
		r.find("MP-STORED", severity, message, "From then on nothing can be renewed until it is stored again.", r.store(), "LCG-UI")
	}
}

// short reports a grant that is shorter than what is wanted, and what limits it.
func (r *storedReport) short() (time.Duration, plan.Limit, bool) {
	if !r.o.got() {
		return 0, "", false
	}
	g := r.o.issued.Grant.Proxy
	return g.Granted, g.Limit, g.Granted < r.c.Lifetime-plan.Slack(r.c.Lifetime)
}

func (r *storedReport) shortBy(l plan.Limit) bool {
	_, limit, short := r.short()
	return short && limit == l
}

// usual is what myproxy-init stores without -t, and how far off a grant of it may be.
const (
	usual       = 12 * time.Hour
	usualMargin = 10 * time.Minute
)

// lifetime is the probe: much was asked for, and this is what came back.
func (r *storedReport) lifetime() {
	granted, limit, short := r.short()
	if !short {
		return
	}
	now := r.Now()
	g := r.o.issued.Grant
	asked, got := fmt.Sprintf("%dh", int(g.Asked.Hours())), plan.Span(granted.Round(time.Minute))
	why := fmt.Sprintf("Proxy %s shall last %s. JAliEn's CE complains below 46h unless told otherwise, and an outage of the servers is survived for no longer than what is left.",
		r.c.Name, plan.Span(r.c.Lifetime))
	switch {
	case limit == plan.LimitStored && (granted-usual).Abs() <= usualMargin:
		r.find("MP-T12", plan.Warning, fmt.Sprintf("asked for %s, it gives %s: the credential was stored without -t, which means -t 12", asked, got), why, r.store(), "LCG-UI")
	case limit == plan.LimitStored:
		r.find("MP-T12", plan.Warning, fmt.Sprintf("asked for %s, it gives %s, of the %s that are wanted: the credential was stored with such a -t, or the server gives nobody more",
			asked, got, plan.Span(r.c.Lifetime)), why, r.store()+"; if it gives as little after that, ask the operator of "+r.o.server+" for a higher max_proxy_lifetime", "LCG-UI")
	case limit == plan.LimitEnd:
		r.find("MP-SHORT", plan.Critical, fmt.Sprintf("asked for %s, it gives %s: what is stored ends on %s, in %s", asked, got, plan.Clock(g.StoredEnd), plan.Span(g.StoredEnd.Sub(now))),
			"From then on nothing can be renewed until it is stored again.", r.store(), "LCG-UI")
	case limit == plan.LimitCert:
		end := r.o.issued.Credential.EEC().NotAfter
		r.find("MP-SHORT", plan.Critical, fmt.Sprintf("asked for %s, it gives %s: the user certificate ends on %s, in %s", asked, got, plan.Clock(end), plan.Span(end.Sub(now))),
			"From then on nothing can be renewed.", "get a new certificate from your CA, then "+r.store(), "LCG-UI")
	}
}

// A base is a credential that VOMS servers can be asked with.
type base struct {
	cred  *proxycert.Credential
	fresh bool // it came just now, as in a renewal; else it is the proxy in place, attributes and all
}

// keepBase keeps what came for the checks of the VO.
func (s *session) keepBase(c plan.Credential, outcomes []*outcome) {
	for _, o := range outcomes {
		if o.got() {
			s.mu.Lock()
			if s.bases == nil {
				s.bases = map[string]*base{}
			}
			s.bases[c.Name] = &base{cred: o.issued.Credential, fresh: true}
			s.mu.Unlock()
			return
		}
	}
}
