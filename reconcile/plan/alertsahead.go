package plan

import (
	"fmt"
	"time"
)

// A Backing is what the verification of a credential hangs on that is not in it, and that nobody here renews.
type Backing struct {
	Signer    string    // DN of the certificate that signed the attributes
	SignerEnd time.Time // zero: no attributes were verified
	CRLEnd    time.Time // when the first of the CRLs used runs out; zero: none was used, or none says
}

// How long before its end something is spoken of that a person has to see to.
const (
	certWarning   = 10 * 24 * time.Hour // a certificate on the box
	userWarning   = 14 * 24 * time.Hour // one that somebody has elsewhere, who has to go to a registration authority for it
	signerWarning = 7 * 24 * time.Hour  // that of a VOMS server: its managers should know, and the box can only ask
	// crlWarning is two of fetch-crl's usual intervals. Some CAs replace a list only half a day before it ends.
	crlWarning = 12 * time.Hour
)

// aheadAlerts tell of what is well today and will end a renewal's luck.
func (c *computer) aheadAlerts(cred Credential, st CredentialState) {
	if mp := cred.Source.MyProxy; mp != nil && st.Exists && c.soon(st.UserCertEnd, userWarning) {
		c.alert(Alert{ID: "USER-CERT", Severity: c.pressing(st.UserCertEnd), Subject: cred.Name, Where: "LCG-UI",
			Message: fmt.Sprintf("the user certificate %s %s; no proxy is made from it after that", st.Identity, Deadline(st.UserCertEnd, c.now)),
			Remedy:  "get a new certificate from your CA, then " + StoreCommand(*mp, cred.Lifetime)})
	}
	if st.Fault != "" || !st.Exists {
		return // which is told, and tells nothing of what was verified
	}
	if c.soon(st.Backing.SignerEnd, signerWarning) {
		c.alert(Alert{ID: "VO-SIGNER", Severity: Warning, Subject: cred.Name, Where: "VO manager",
			Message: fmt.Sprintf("the certificate of the VOMS server %s %s; the attributes that it signs end with it", st.Backing.Signer, Deadline(st.Backing.SignerEnd, c.now)),
			Remedy:  "ask the VO manager of " + cred.VO + " when the VOMS server gets its new certificate"})
	}
	if c.soon(st.Backing.CRLEnd, crlWarning) {
		what, where := FaultRemedy("CRL-STALE", cred.VO)
		c.alert(Alert{ID: "CRL-STALE", Severity: Warning, Subject: cred.Name, Where: where, Remedy: what,
			Message: fmt.Sprintf("a revocation list (CRL) of the CAs behind it %s, and was not replaced in time; nothing of its CA is accepted after that", endsIn(st.Backing.CRLEnd, c.now))})
	}
}

// soon reports whether there is such an end, and it is less than a time away, or past.
func (c *computer) soon(end time.Time, below time.Duration) bool {
	return !end.IsZero() && end.Sub(c.now) < below
}

// FaultRemedy is what to do about a proxy of a VO that does not verify for a reason that no renewal mends, given as the
// [CredentialState]'s FaultID, and where it is typed; empty for others.
func FaultRemedy(id, vo string) (what, where string) {
	switch id {
	case "CRL-STALE", "CRL-INVALID":
		return "run fetch-crl, and see that its timer or cron job runs: systemctl status fetch-crl.timer", "site admin"
	case "CRL-MISSING":
		return "run fetch-crl, or set trust.crl: if-present", "site admin"
	case "CA-MISSING":
		return "install or update the CA package (ca-policy-egi-core)", "site admin"
	case "VO-LSC":
		return "install the VO's LSC files (wlcg-iam-lsc-" + vo + ")", "site admin"
	case "CLOCK":
		return "set the clock of this box: chronyc tracking", "site admin"
	case "VO-SIGNER":
		return "ask the VO manager of " + vo + ": the certificate of the VOMS server is not right", "VO manager"
	}
	return "", ""
}

// pressing is how bad it is that something ends that people have to renew: critical from the beginning of the last working day
// before the end, since after that nobody may be there.
func (c *computer) pressing(end time.Time) Severity {
	if c.now.Before(LastWorkingDay(end)) {
		return Warning
	}
	return Critical
}

// officeEnds is the hour, UTC, until which a working day is one on which something can be done.
const officeEnds = 17

// LastWorkingDay returns the last day from Monday to Friday that is over, as a working day, before a moment: its first
// instant, in UTC. Holidays are not known.
func LastWorkingDay(end time.Time) time.Time {
	end = end.UTC()
	day := time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, time.UTC)
	if end.Before(day.Add(officeEnds * time.Hour)) {
		day = day.AddDate(0, 0, -1)
	}
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// daysAhead is how far ahead working days are counted.
const daysAhead = 15 * 24 * time.Hour

// Deadline says when something ends that people have to renew. Within about two weeks it counts in working days as well:
// "ends Sunday 2026-11-29 10:00 UTC, in 180h; the last working day is Friday 27".
func Deadline(end, now time.Time) string {
	if !now.Before(end) || end.Sub(now) > daysAhead {
		return endsIn(end, now)
	}
	return fmt.Sprintf("ends %s %s, in %s; %s", end.UTC().Weekday(), Clock(end), Span(end.Sub(now)), workingDays(end, now))
}

// workingDays names the last working day before the end.
func workingDays(end, now time.Time) string {
	last, today := LastWorkingDay(end), now.UTC().Truncate(24*time.Hour)
	name := fmt.Sprintf("%s %d", last.Weekday(), last.Day())
	if last.Month() != end.UTC().Month() {
		name = last.Weekday().String() + " " + last.Format(time.DateOnly)
	}
	switch {
	case last.Before(today):
		return "no working day is left"
	case last.Equal(today):
		return "the last working day is today, " + name
	}
	return "the last working day is " + name
}
