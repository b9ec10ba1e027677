package main

import (
	"fmt"
	"net"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A depositDoc is one credential on a MyProxy server, as INFO shows it.
type depositDoc struct {
	Name             string    `json:"name"`
	Description      string    `json:"description"`
	Owner            string    `json:"owner"`
	NotBefore        time.Time `json:"notBefore"`
	NotAfter         time.Time `json:"notAfter"`
	SecondsLeft      int64     `json:"secondsLeft"`
	Retriever        string    `json:"retriever"`
	Renewer          string    `json:"renewer"`
	KeyRetriever     string    `json:"keyRetriever"`
	TrustedRetriever string    `json:"trustedRetriever"`
	LockMessage      string    `json:"lockMessage"`
}

func depositDocOf(s myproxy.Stored, now time.Time) depositDoc {
	return depositDoc{Name: s.Name, Description: s.Description, Owner: s.Owner, NotBefore: status.Seconds(fourDigits(s.Start)), NotAfter: status.Seconds(fourDigits(s.End)),
		SecondsLeft: secondsLeft(s.End, now), Retriever: s.Retriever, Renewer: s.Renewer, KeyRetriever: s.KeyRetriever,
		TrustedRetriever: s.TrustedRetriever, LockMessage: s.LockMessage}
}

// A probeDoc says whether a box can renew, and for how long.
type probeDoc struct {
	Machine        string `json:"machine"`
	Renewable      bool   `json:"renewable"`
	LongestSeconds int64  `json:"longestSeconds"`
	Limit          string `json:"limit"` // "maximum": -t, or the server's own; "stored": what is stored ends then
	Error          string `json:"error"`
	Remedy         string `json:"remedy"`
	Where          string `json:"where"`

	probe *enroll.Probe
	err   error
}

func probeDocOf(machine string, p *enroll.Probe, err error) *probeDoc {
	d := &probeDoc{Machine: machine, probe: p, err: err}
	if err != nil {
		advice := enroll.Explain(err)
		d.Error, d.Remedy, d.Where = err.Error(), advice.Remedy, advice.Where
		return d
	}
	d.Renewable, d.LongestSeconds, d.Limit = true, int64(p.Longest/time.Second), string(p.Limit)
	return d
}

// tooShort warns of the trap that nobody sees: stored with -t 12, or a server that gives no more.
func (d *probeDoc) tooShort(server, name string) []enroll.Warning {
	if d == nil || d.err != nil || d.probe.Enough(enroll.DefaultMaxLifetime) {
		return nil
	}
	return []enroll.Warning{{ID: "MP-T12", Remedy: storeAgain(server, name), Where: "LCG-UI",
		Text: fmt.Sprintf("a VO-box asks for %s and gets proxies of %s: it was stored with -t %d, or that is the server's maximum",
			plan.Span(enroll.DefaultMaxLifetime), plan.Span(d.probe.Longest), int(d.probe.Longest.Hours()))}}
}

// storeAgain is the command that stores a credential as a VO-box needs it.
func storeAgain(server, name string) string {
	command := "vobox-reconcile store -s " + shellWord(server)
	if name != "" {
		command += " -k " + shellWord(name)
	}
	return command
}

// A storeDoc is what store did.
type storeDoc struct {
	Server                  string       `json:"server"`
	Username                string       `json:"username"`
	Credential              depositDoc   `json:"credential"`
	MaxProxyLifetimeSeconds int64        `json:"maxProxyLifetimeSeconds"` // -t; 0: as long as the server likes
	Passphrase              bool         `json:"passphrase"`
	Probe                   *probeDoc    `json:"probe"`
	Warnings                []warningDoc `json:"warnings"`

	warnings []enroll.Warning
}

func storeDocOf(made *enroll.Deposit, req enroll.StoreRequest, probe *probeDoc, now time.Time) *storeDoc {
	d := &storeDoc{Server: made.Server, Username: made.Username, Credential: depositDocOf(made.Stored, now),
		MaxProxyLifetimeSeconds: int64(req.MaxLifetime / time.Second), Passphrase: req.Passphrase != nil, Probe: probe,
		warnings: made.Warnings}
	short := probe.tooShort(made.Server, req.CredName)
	if most := req.MaxLifetime; most > 0 && most < enroll.DefaultMaxLifetime && len(short) == 0 {
		short = []enroll.Warning{{ID: "MP-T12", Remedy: storeAgain(made.Server, req.CredName), Where: "LCG-UI",
			Text: fmt.Sprintf("a VO-box asks for %s and will get proxies of %s, without a word: -t %d", plan.Span(enroll.DefaultMaxLifetime), plan.Span(most), int(most.Hours()))}}
	}
	d.warnings = append(d.warnings, short...)
	d.Warnings = warningDocs(d.warnings)
	return d
}

// exit is the end of the program: that it is stored is not all that was wanted.
func (d *storeDoc) exit() error {
	if d.Probe != nil && d.Probe.err != nil {
		return exit(exitFailed)
	}
	return nil
}

// show says what was stored, with the last line of myproxy-init, and what the flags mean.
func (d *storeDoc) show(a *app, t *loginTeller, req enroll.StoreRequest) error {
	left := d.Credential.NotAfter.Sub(a.now())
	t.say("A proxy valid for %d hours (%.1f days) for user %s now exists on %s.\n", int(left.Round(time.Hour).Hours()), left.Hours()/24, d.Username, hostOf(d.Server))
	life, secret := "as was asked (-c)", "without a passphrase (-n)"
	switch {
	case req.Lifetime == 0:
		life = "as long as your certificate and the server allow"
	case left < req.Lifetime-time.Hour:
		life = "when your certificate ends"
	}
	if d.Passphrase {
		secret = "for the passphrase"
	}
	most := "as long as the server likes (-t 0)"
	if req.MaxLifetime > 0 {
		most = fmt.Sprintf("up to %s (-t)", plan.Span(req.MaxLifetime))
	}
	t.say("It lasts until %s, %s; VO-boxes get proxies of %s from it, %s.\n", a.here(d.Credential.NotAfter), life, most, secret)
	a.warnings(d.warnings)
	return a.probed(d.Probe, t)
}

// probed says what a renewal gave.
func (a *app) probed(p *probeDoc, t *loginTeller) error {
	switch {
	case p == nil:
		return nil
	case p.err != nil:
		return a.failed(fmt.Errorf("%s cannot renew what is stored: %w", p.Machine, p.err))
	}
	t.say("%s can renew it: proxies of up to %s.\n", p.Machine, plan.Span(p.probe.Longest))
	return nil
}

// hostOf is a server without its port, as myproxy-init prints it.
func hostOf(server string) string {
	if host, _, err := net.SplitHostPort(server); err == nil {
		return host
	}
	return server
}
