package plan

import (
	"fmt"
	"strings"
	"time"
)

// A Severity says how soon an alert must be acted on.
type Severity string

const (
	Warning  Severity = "warning"  // nothing is broken yet
	Critical Severity = "critical" // something is broken, or will be before it can be mended by itself
)

// An Alert is something a person has to know or do.
type Alert struct {
	ID       string   `json:"id"` // stable: MP-T12, HOST-PROXY, …
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"` // name of the credential or service, path of the env file
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy"`
	Where    string   `json:"where"` // the prompt the remedy is typed at: LCG-UI, VO-Box, site admin, …

	Attempt bool `json:"-"` // a renewal failed for this: only one that does not shows that it is over
}

// alert adds one, unless the same thing has been said of the same subject.
func (c *computer) alert(a Alert) {
	for _, b := range c.plan.Alerts {
		if b.ID == a.ID && b.Subject == a.Subject {
			return
		}
	}
	c.plan.Alerts = append(c.plan.Alerts, a)
}

func (c *computer) credentialAlerts(cred Credential, st CredentialState) {
	if cred.Kind == Machine {
		c.machineAlerts(cred, st)
	} else {
		c.userAlerts(cred, st)
	}
	c.grantAlerts(cred, st)
	c.aheadAlerts(cred, st)
}

func (c *computer) machineAlerts(cred Credential, st CredentialState) {
	src := st.Source
	hostAdmin := "ask your CA for a new host certificate and install it as " + src.Path
	switch {
	case cred.Observe:
	case src.Fault != "":
		c.alert(Alert{ID: src.FaultID, Severity: Critical, Subject: cred.Name, Message: src.Fault, Remedy: hostAdmin, Where: "site admin"})
	case c.soon(src.NotAfter, certWarning):
		c.alert(Alert{ID: "HOST-CERT", Severity: c.pressing(src.NotAfter), Subject: cred.Name,
			Message: fmt.Sprintf("the host certificate %s %s", src.Path, Deadline(src.NotAfter, c.now)), Remedy: hostAdmin, Where: "site admin"})
	}
	what, where := FaultRemedy(st.FaultID, c.want.VO)
	switch {
	case cred.Observe && c.want.NeedsMachineProxy() && !st.Usable(c.now.Add(cred.AlertBelow)):
		c.alert(Alert{ID: "HOST-PROXY", Severity: Critical, Subject: cred.Name,
			Message: "the machine proxy " + st.Path + " " + condition(st, c.now) + "; another program keeps it",
			Remedy:  "run the job that makes it (/etc/init.d/" + c.want.VO + "-box-proxyrenewal proxy), or let this program make it: machineProxy.manage: true, run as root",
			Where:   "site admin"})
	case cred.Observe:
	case st.Exists && st.Fault != "" && what != "": // what a renewal does not mend
		c.alert(Alert{ID: st.FaultID, Severity: Critical, Subject: cred.Name, Message: "the machine proxy " + st.Path + " " + condition(st, c.now),
			Remedy: what, Where: where})
	case st.Exists && st.Fault == "" && !st.Usable(c.now.Add(cred.AlertBelow)):
		c.alert(Alert{ID: "HOST-PROXY", Severity: Critical, Subject: cred.Name, Message: "the machine proxy " + st.Path + " " + condition(st, c.now),
			Remedy: "vobox-reconcile --force " + cred.Name + ", as root", Where: "site admin"})
	}
}

// condition describes a credential that is not as it should be.
func condition(st CredentialState, now time.Time) string {
	switch {
	case !st.Exists:
		return "does not exist"
	case st.Fault != "":
		return "cannot be used: " + st.Fault
	case !now.Before(st.EffectiveEnd):
		return fmt.Sprintf("expired on %s", Clock(st.EffectiveEnd))
	}
	return fmt.Sprintf("has %s left", Span(st.EffectiveEnd.Sub(now)))
}

func (c *computer) userAlerts(cred Credential, st CredentialState) {
	c.robotAlert(cred, st.Source)
	c.newestAlert(cred, st)
	switch {
	case st.Exists && st.Fault != "":
		a := Alert{ID: st.FaultID, Severity: Critical, Subject: cred.Name,
			Message: "the user proxy " + st.Path + " " + condition(st, c.now), Remedy: "vobox-reconcile renews it", Where: "VO-Box"}
		if what, where := FaultRemedy(st.FaultID, cred.VO); what != "" {
			a.Remedy, a.Where = what, where
		}
		c.alert(a)
	case st.Exists && st.EffectiveEnd.Sub(c.now) < cred.AlertBelow:
		c.alert(Alert{ID: "PROXY-LOW", Severity: Critical, Subject: cred.Name,
			Message: fmt.Sprintf("the user proxy %s: %s %s", st.Path, st.EndsWith, endsIn(st.EffectiveEnd, c.now)),
			Remedy:  "vobox-reconcile --force " + cred.Name + "; if it has expired: log in with a fresh proxy and run vobox-reconcile from that session",
			Where:   "VO-Box"})
	}
	c.storedAlert(cred, st)
}

// robotAlert is about the certificate on the box that a user proxy is made from.
func (c *computer) robotAlert(cred Credential, src SourceState) {
	remedy := "get a new certificate from your CA and install it as " + src.Path
	switch {
	case cred.Observe:
	case src.Fault != "":
		c.alert(Alert{ID: src.FaultID, Severity: Critical, Subject: cred.Name, Message: src.Fault, Remedy: remedy, Where: "VO-Box"})
	case c.soon(src.NotAfter, certWarning):
		c.alert(Alert{ID: "ROBOT-CERT", Severity: c.pressing(src.NotAfter), Subject: cred.Name,
			Message: fmt.Sprintf("the certificate %s %s", src.Path, Deadline(src.NotAfter, c.now)), Remedy: remedy, Where: "VO-Box"})
	}
}

// storedAlert is about the credential on the MyProxy server, as it was seen at the last renewal. One that lasts as long as the
// user certificate cannot be stored for longer before there is a new certificate.
func (c *computer) storedAlert(cred Credential, st CredentialState) {
	mp := cred.Source.MyProxy
	if mp == nil || !st.Grant.fits(cred) || !c.soon(st.Grant.StoredEnd, mp.AlertBelow) {
		return
	}
	end := st.Grant.StoredEnd
	a := Alert{ID: "MP-STORED", Severity: c.pressing(end), Subject: cred.Name, Remedy: StoreCommand(*mp, cred.Lifetime), Where: "LCG-UI",
		Message: fmt.Sprintf("the credential stored on %s %s, alert below %s", mp.Server, Deadline(end, c.now), Span(mp.AlertBelow))}
	if cert := st.UserCertEnd; !cert.IsZero() && end.After(cert.Add(-time.Hour)) {
		a.Message += "; it ends with the user certificate"
		a.Remedy = "get a new certificate from your CA, then " + a.Remedy
	}
	c.alert(a)
}

func endsIn(t, now time.Time) string {
	if !now.Before(t) {
		return fmt.Sprintf("ended on %s", Clock(t))
	}
	return fmt.Sprintf("ends on %s, in %s", Clock(t), Span(t.Sub(now)))
}

// grantAlerts tell that the servers gave less than was asked, and which of them it was.
func (c *computer) grantAlerts(cred Credential, st CredentialState) {
	g := st.Grant
	if !g.short() || !g.fits(cred) {
		return
	}
	for _, share := range []Share{g.Proxy, g.AC} {
		if share.Limit == LimitNone {
			continue
		}
		a := Alert{Severity: Warning, Subject: cred.Name}
		gave := fmt.Sprintf("%s of the %s asked were granted", Span(share.Granted.Round(time.Minute)), Span(g.Asked))
		c.explainGrant(&a, gave, cred, st, share)
		c.alert(a)
	}
}

func (c *computer) explainGrant(a *Alert, gave string, cred Credential, st CredentialState, share Share) {
	g, mp := st.Grant, cred.Source.MyProxy
	if mp == nil {
		mp = &MyProxy{} // a record that somebody has edited
	}
	switch share.Limit {
	case LimitStored:
		a.ID, a.Where = "MP-T12", "LCG-UI"
		a.Message = fmt.Sprintf("%s: the credential on %s was stored with -t %s", gave, mp.Server, hours(share.Granted))
		a.Remedy = StoreCommand(*mp, cred.Lifetime)
	case LimitEnd:
		a.ID, a.Where = "MP-SHORT", "LCG-UI"
		a.Message = fmt.Sprintf("%s: the credential stored on %s %s", gave, mp.Server, Deadline(g.StoredEnd, c.now))
		a.Remedy = StoreCommand(*mp, cred.Lifetime)
	case LimitCert:
		a.ID, a.Where = "MP-SHORT", "LCG-UI"
		a.Message = fmt.Sprintf("%s: the user certificate %s", gave, Deadline(st.UserCertEnd, c.now))
		a.Remedy = "get a new certificate from your CA"
		if cred.Kind == Machine {
			a.ID, a.Where = "HOST-CERT", "site admin"
			a.Message = fmt.Sprintf("%s: the host certificate %s", gave, Deadline(st.Source.NotAfter, c.now))
			a.Remedy = "ask your CA for a new host certificate and install it as " + st.Source.Path
		} else if cred.Source.MyProxy != nil {
			a.Remedy += ", then " + StoreCommand(*mp, cred.Lifetime)
		}
	case LimitAC:
		a.ID, a.Where = "VO-ACSHORT", "VO manager"
		a.Message = fmt.Sprintf("%s: the VOMS server %s allows no longer attribute certificates", gave, g.ACServer)
		a.Remedy = fmt.Sprintf("ask the VO manager of %s to raise the maximum to %s, or set CE_PROXYTHRESHOLD below %d seconds in CE.env",
			cred.VO, Span(g.Asked), int(scaled(cred, share.Granted)/time.Second))
	case LimitSigner:
		a.ID, a.Where = "VO-SIGNER", "VO manager"
		a.Message = fmt.Sprintf("%s: %s %s", gave, st.EndsWith, Deadline(st.EffectiveEnd, c.now))
		a.Remedy = "ask the VO manager of " + cred.VO + " when the VOMS server gets its new certificate"
	}
}

// hours prints a lifetime as myproxy-init's -t takes it.
func hours(d time.Duration) string {
	if d < time.Hour {
		return Span(d.Round(time.Minute))
	}
	return fmt.Sprintf("%d", int(d.Round(time.Hour)/time.Hour))
}

// StoreCommand is what a user types on a user interface to store a credential that this program can renew for the
// lifetime given.
func StoreCommand(mp MyProxy, lifetime time.Duration) string {
	host, port, _ := strings.Cut(mp.Server, ":")
	cmd := "myproxy-init -s " + host
	if port != "" && port != "7512" {
		cmd += " -p " + port
	}
	cmd += " -d -n -t " + hours(lifetime) + " -c 3000"
	if mp.CredentialName != "" {
		cmd += " -k " + mp.CredentialName
	}
	return cmd
}

func (c *computer) envFileAlerts(f EnvFile, st EnvFileState) {
	if len(st.Unmet) == 0 {
		return
	}
	c.alert(Alert{ID: "ENV-EXPECT", Severity: Critical, Subject: f.Path,
		Message: strings.Join(st.Unmet, "; ") + "; services are not restarted",
		Remedy:  "correct " + f.Path + ", or envFiles[].expect in the configuration", Where: "VO-Box"})
}
