package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A Why explains when something is done next: a credential renewed, an env file written, a service restarted.
type Why struct {
	Name         string       `json:"name"`
	Kind         string       `json:"kind"` // machine, user, env-file or service
	Path         string       `json:"path"` // of a credential or env file
	Time         time.Time    `json:"time"`
	State        string       `json:"state"` // as in the status
	Due          bool         `json:"due"`
	When         *time.Time   `json:"when"` // the next time; the present if it is due; null: no time is set
	Summary      string       `json:"summary"`
	EffectiveEnd *time.Time   `json:"effectiveEnd"`
	Ends         []End        `json:"ends"`  // of a credential, the first to end first
	Rules        []Rule       `json:"rules"` // that lead to When, in the order in which they apply
	Forecast     *Forecast    `json:"forecast"`
	Alerts       []plan.Alert `json:"alerts"` // about it
}

// A Rule is one that was applied, with the numbers it was applied to.
type Rule struct {
	Rule    string     `json:"rule"` // stable: effective-end, threshold, …
	Text    string     `json:"text"`
	When    *time.Time `json:"when,omitempty"`    // the moment it leads to
	Seconds int64      `json:"seconds,omitempty"` // or the length of time
}

// Why explains what becomes of a credential, an env file (by its path) or a service; nil: there is none of that name.
func (b Box) Why(name string) *Why {
	d := b.Describe()
	w := &Why{Name: name, Time: Seconds(b.Now), Ends: []End{}, Rules: []Rule{}, Alerts: []plan.Alert{}}
	for _, a := range d.Alerts {
		if a.Subject == name {
			w.Alerts = append(w.Alerts, a)
		}
	}
	for _, c := range b.Want.Credentials {
		if c.Name == name {
			e := explainer{Why: w, Box: b, cred: c, st: b.Have.Credentials[c.Name]}
			e.credential(d)
			return w
		}
	}
	for i, f := range b.Want.EnvFiles {
		if f.Path == name {
			w.envFile(b, f, d.EnvFiles[i])
			return w
		}
	}
	for i, s := range b.Want.Services {
		if s.Name == name {
			w.service(b, s, d.Services[i])
			return w
		}
	}
	return nil
}

func (w *Why) rule(id, format string, args ...any) *Rule {
	w.Rules = append(w.Rules, Rule{Rule: id, Text: fmt.Sprintf(format, args...)})
	return &w.Rules[len(w.Rules)-1]
}

func (r *Rule) at(t time.Time) { r.When = Moment(t) }

func (r *Rule) long(d time.Duration) { r.Seconds = int64(d / time.Second) }

// An explainer explains one credential.
type explainer struct {
	*Why
	Box
	cred plan.Credential
	st   plan.CredentialState
}

func (e *explainer) credential(d Doc) {
	i := slices.IndexFunc(d.Credentials, func(c Credential) bool { return c.Name == e.cred.Name })
	c := d.Credentials[i]
	e.Kind, e.Path, e.State, e.Forecast = c.Kind, c.Path, c.State, c.Forecast
	if e.st.Exists {
		e.EffectiveEnd, e.Ends = c.EffectiveEnd, c.Ends
	}
	var reason string
	e.Due, reason = plan.Due(e.cred, e.st, e.Now)
	if e.cred.Observe {
		e.observed()
		return
	}
	next := e.nextRenewal(e.cred)
	e.When = Moment(next)
	usable := e.st.Usable(e.Now)
	if e.Summary = fmt.Sprintf("renewed on %s, in %s", plan.Clock(next), plan.Span(next.Sub(e.Now))); e.Due {
		e.Summary = "renewed in the next pass: " + reason
	}
	if usable {
		e.effectiveEnd()
		e.threshold()
		e.ahead()
		e.next(next, reason)
	} else {
		e.rule("unusable", "what cannot be used is renewed in the next pass, whatever its end: %s", condition(e.st)).at(e.Now)
	}
	e.grant()
	e.needs()
	e.retry()
	if usable {
		e.down(next)
	}
	e.further()
}

// observed explains a credential that is none of this program's business.
func (e *explainer) observed() {
	e.Summary = "never renewed by this program: another one keeps it"
	e.rule("not-managed", "machineProxy.manage is false, or this account cannot read the host key %s: it is looked at and never renewed", e.cred.Source.Certificate.Key)
	if e.st.Usable(e.Now) {
		e.effectiveEnd()
		e.rule("alert", "HOST-PROXY when less than %s are left", plan.Span(e.cred.AlertBelow)).long(e.cred.AlertBelow)
	} else {
		e.rule("unusable", "%s", condition(e.st))
	}
}

func (e *explainer) effectiveEnd() {
	var first []string
	for _, x := range e.Ends {
		if x.Counts && x.When.Equal(Seconds(e.st.EffectiveEnd)) {
			first = append(first, x.Name)
		}
	}
	words := e.st.EndsWith + " ends first"
	switch len(first) {
	case 0:
	case 1:
		words = first[0] + " ends first"
	default:
		words = "these end first: " + strings.Join(first, "; ")
	}
	e.rule("effective-end", "%s, in %s: of what is in it and what verifies it, %s", plan.Clock(e.st.EffectiveEnd),
		plan.Span(e.st.EffectiveEnd.Sub(e.Now)), words).at(e.st.EffectiveEnd)
}

// threshold says below what is left the credential is renewed, and who says so.
func (e *explainer) threshold() {
	below, _ := plan.RenewedBelow(e.cred, e.st, e.Now)
	c, g := e.cred, grantOf(e.cred, e.st)
	life, origin := plan.Span(c.Lifetime), e.origin()
	switch {
	case below != c.RenewBelow:
		e.rule("short-grant", "%s: %s of the %s asked were granted, and the threshold of %s (%s) becomes the same fraction of that: %s × %s / %s",
			plan.Span(below), plan.Span(g.Granted), life, plan.Span(c.RenewBelow), origin, plan.Span(g.Granted), plan.Span(c.RenewBelow), life).long(below)
	case g != nil && g.Taken && g.Asked == c.Lifetime && plan.Threshold(c, g) != below:
		e.rule("threshold", "%s: %s; that only %s were granted on %s does not count, since what is in place lasts longer", plan.Span(below), origin,
			plan.Span(g.Granted), plan.Clock(g.Time)).long(below)
	default:
		e.rule("threshold", "%s: %s", plan.Span(below), origin).long(below)
	}
}

// origin says where renewBelow comes from.
func (e *explainer) origin() string {
	c := e.cred
	key, standard, words := "proxies[].renewBelow of "+c.Name, c.Lifetime-c.Lifetime/24, "23/24 of the lifetime of "+plan.Span(c.Lifetime)
	if c.Kind == plan.Machine {
		key, standard, words = "machineProxy.renewBelow", c.Lifetime/2, "half of the lifetime of "+plan.Span(c.Lifetime)
	}
	if c.RenewBelow == standard {
		return "the default, " + words
	}
	return key + " in the configuration"
}

// ahead says how much earlier than at its threshold the credential is due.
func (e *explainer) ahead() {
	_, ahead := plan.RenewedBelow(e.cred, e.st, e.Now)
	switch r := e.st.Rhythm; {
	case ahead <= 0:
		return
	case r.Prompt:
		e.rule("ahead", "%s before that: a resident program (--watch) makes the pass, with time for another try", plan.Span(ahead)).long(ahead)
	default:
		e.rule("ahead", "%s before that: passes come every %s, by the record of passes, and the next one would be too late", plan.Span(ahead),
			plan.Span(r.Every)).long(ahead)
	}
}

func (e *explainer) next(next time.Time, reason string) {
	below, ahead := plan.RenewedBelow(e.cred, e.st, e.Now)
	due := e.st.EffectiveEnd.Add(-below - ahead)
	g := e.st.Grant
	if again := plan.AskAgain(e.cred, g); !again.IsZero() && again.After(due) && !g.Time.After(e.Now) {
		e.rule("ask-again", "due on %s, but when the servers were asked on %s they gave only %s, which was no better than what is in place: "+
			"they are asked again on %s, or as soon as less than %s are left", plan.Clock(due), plan.Clock(g.Time), plan.Span(g.Granted), plan.Clock(again),
			plan.Span(e.cred.AlertBelow)).at(again)
	}
	switch {
	case e.Due:
		e.rule("next-renewal", "now: %s", reason).at(e.Now)
	case next.Equal(due) && ahead > 0:
		e.rule("next-renewal", "%s, in %s: %s + %s before the effective end", plan.Clock(next), plan.Span(next.Sub(e.Now)), plan.Span(below), plan.Span(ahead)).at(next)
	case next.Equal(due):
		e.rule("next-renewal", "%s, in %s: %s before the effective end", plan.Clock(next), plan.Span(next.Sub(e.Now)), plan.Span(below)).at(next)
	default:
		e.rule("next-renewal", "%s, in %s", plan.Clock(next), plan.Span(next.Sub(e.Now))).at(next)
	}
}

// grant says what came of the last request.
func (e *explainer) grant() {
	g := grantOf(e.cred, e.st)
	if g == nil {
		e.rule("last-grant", "nothing is on record of a renewal from this source")
		return
	}
	words := fmt.Sprintf("on %s %s of the %s asked were granted", plan.Clock(g.Time), plan.Span(g.Granted.Round(time.Minute)), plan.Span(g.Asked))
	if !g.Taken {
		words += ", and not taken: what is in place is better"
	}
	for _, s := range []struct {
		who   string
		share plan.Share
	}{{e.giver(), g.Proxy}, {"the VOMS server " + g.ACServer, g.AC}} {
		if s.share.Limit != plan.LimitNone {
			words += fmt.Sprintf("; %s gave %s, %s", s.who, plan.Span(s.share.Granted.Round(time.Minute)), limitWords[s.share.Limit])
		}
	}
	e.rule("last-grant", "%s", words).at(g.Time)
}

func (e *explainer) giver() string {
	if mp := e.cred.Source.MyProxy; mp != nil {
		return mp.Server
	}
	return sourceName(e.cred)
}

// limitWords say what kept a grant short.
var limitWords = map[plan.Limit]string{
	plan.LimitStored: "as much as it was stored for with -t",
	plan.LimitEnd:    "as long as the stored credential lasts",
	plan.LimitCert:   "as long as the certificate lasts",
	plan.LimitAC:     "the most it gives",
	plan.LimitSigner: "as long as the certificates that verify the attributes last",
}

// needs says what a renewal is made with.
func (e *explainer) needs() {
	mp := e.cred.Source.MyProxy
	switch {
	case mp == nil:
		e.rule("made-with", "%s, on this box: no server is asked for the proxy", sourceName(e.cred))
	case mp.PassphraseFile != "":
		e.rule("made-with", "the passphrase in %s, shown to %s", mp.PassphraseFile, mp.Server)
	default:
		machine := e.Have.Credentials[plan.MachineName]
		words := "which lasts until " + plan.Clock(machine.EffectiveEnd)
		if !machine.Usable(e.Now) {
			words = "which cannot be used: " + condition(machine)
		}
		e.rule("made-with", "the machine proxy, %s, and a proxy of the same identity, shown to %s", words, mp.Server)
	}
	if len(e.cred.FQANs) > 0 {
		e.rule("attributes", "a VOMS server of %s gives %s, for as long as the proxy", e.cred.VO, strings.Join(e.cred.FQANs, ", "))
	}
}

func (e *explainer) retry() {
	if e.cred.Source.MyProxy == nil && len(e.cred.FQANs) == 0 {
		return
	}
	next := "whenever that is made"
	switch r := e.st.Rhythm; {
	case r.Prompt:
		next = "which a resident program (--watch) makes in time"
	case r.Every > 0:
		next = "in " + plan.Span(r.Every) + " or sooner"
	}
	e.rule("retry", "a server that does not answer is asked up to three times in a pass, one that refuses once; the next pass asks again, %s", next)
}

// down says what happens if no server answers when the renewal is due.
func (e *explainer) down(next time.Time) {
	from := laterOf(next, e.Now)
	alert := ""
	if e.cred.Kind == plan.User && e.st.EffectiveEnd.Sub(from) > e.cred.AlertBelow {
		alert = fmt.Sprintf("; alert PROXY-LOW from %s on, with less than %s left", plan.Clock(e.st.EffectiveEnd.Add(-e.cred.AlertBelow)), plan.Span(e.cred.AlertBelow))
	}
	e.rule("if-it-fails", "what is in place stays, and lasts for another %s after that, until %s%s", plan.Span(e.st.EffectiveEnd.Sub(from)),
		plan.Clock(e.st.EffectiveEnd), alert).at(e.st.EffectiveEnd)
}

// further says how long renewals can go on.
func (e *explainer) further() {
	run := e.courseOf(e.cred)
	stop := run.stop()
	if run.short != "" {
		e.rule("short", "renewals give %s instead of %s: %s", plan.Span(run.life), plan.Span(e.cred.Lifetime), run.short).long(run.life)
	}
	if short := run.bound.at.Add(-e.cred.Lifetime); run.short == "" && !run.bound.at.IsZero() {
		words := "from then on renewals give"
		if !short.After(e.Now) {
			words = "since then renewals give"
		}
		e.rule("short-from", "%s: %s less than %s, because %s ends on %s", plan.Clock(short), words, plan.Span(e.cred.Lifetime), run.bound.what,
			plan.Clock(run.bound.at)).at(short)
	}
	if stop.at.IsZero() {
		e.rule("no-renewal-from", "nothing is known that would end renewals; how long the stored credential lasts is seen at the first one")
		return
	}
	e.rule("no-renewal-from", "%s: %s; the last proxy ends on %s", plan.Clock(stop.at), run.stopWords(),
		plan.Clock(laterOf(run.endAt(stop.at), e.Now))).at(stop.at)
}

// stopWords say why renewals end.
func (c course) stopWords() string {
	stop := c.stop()
	switch {
	case stop.fault:
		return stop.what
	case !stop.at.After(c.now):
		return stop.what + " has ended"
	}
	return stop.what + " ends then"
}
