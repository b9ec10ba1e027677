package status

import (
	"cmp"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// What can end, in End.What.
const (
	WhatProxy    = "proxy"                 // a proxy certificate
	WhatAC       = "attribute-certificate" // of a VO
	WhatUserCert = "user-certificate"
	WhatHostCert = "host-certificate"
	WhatSigner   = "signer" // the certificate that signed an attribute certificate
	WhatCA       = "ca"
	WhatCRL      = "crl"    // the nextUpdate of a revocation list: fetch-crl gets a new one
	WhatStored   = "stored" // the credential on the MyProxy server
)

// An End is something that a credential, or its next renewal, hangs on.
type End struct {
	What        string     `json:"what"` // one of the constants
	Name        string     `json:"name"` // for people
	When        *time.Time `json:"when"`
	SecondsLeft int64      `json:"secondsLeft"`
	Renewed     bool       `json:"renewed"` // a renewal gets a new one
	Counts      bool       `json:"counts"`  // the effective end is the first of those that count; the others are needed for a renewal
}

// endsOf lists what a credential hangs on, the first to end first: what the closer look has found, or else what the plan
// knows of the file, and what its renewal hangs on.
func (b Box) endsOf(c plan.Credential, st plan.CredentialState) []End {
	ends := slices.Clone(b.Looks[c.Name].Ends)
	add := func(what, name string, when time.Time, renewed, counts bool) {
		if !when.IsZero() {
			ends = append(ends, End{What: what, Name: name, When: Moment(when), Renewed: renewed, Counts: counts})
		}
	}
	cert, certName := WhatUserCert, "the user certificate "+cmp.Or(st.Identity, c.Identity)
	if c.Kind == plan.Machine {
		cert, certName = WhatHostCert, "the host certificate "+st.Identity
	}
	if len(ends) == 0 && st.Exists {
		if !st.NotAfter.Equal(st.UserCertEnd) {
			add(WhatProxy, "the proxy", st.NotAfter, true, true)
		}
		add(WhatAC, "the attribute certificate", st.ACNotAfter, true, true)
		add(cert, certName, st.UserCertEnd, false, true)
		add(WhatSigner, signerName(st), st.Backing.SignerEnd, false, true)
		add(WhatCRL, crlName, st.Backing.CRLEnd, false, false)
		known := []time.Time{st.NotAfter, st.ACNotAfter, st.UserCertEnd, st.Backing.SignerEnd}
		if !slices.ContainsFunc(known, st.EffectiveEnd.Equal) { // none of these: what verified them
			add(WhatSigner, st.EndsWith, st.EffectiveEnd, false, true)
		}
	}
	has := func(what string, when time.Time) bool {
		return slices.ContainsFunc(ends, func(e End) bool { return e.What == what && e.When.Sub(when).Abs() <= time.Minute })
	}
	if src := c.Source.Certificate; src != nil && !has(cert, st.Source.NotAfter) {
		add(cert, sourceName(c), st.Source.NotAfter, false, false)
	}
	if g := grantOf(c, st); g != nil && c.Source.MyProxy != nil && !has(WhatStored, g.StoredEnd) && !has(WhatUserCert, g.StoredEnd) {
		add(WhatStored, "the credential stored on "+c.Source.MyProxy.Server, g.StoredEnd, false, false)
	}
	for i := range ends {
		ends[i].SecondsLeft = secondsLeft(*ends[i].When, b.Now)
	}
	slices.SortStableFunc(ends, func(x, y End) int { return x.When.Compare(*y.When) })
	return ends
}

// crlName stands for all revocation lists that were needed to verify a credential.
const crlName = "the revocation lists of its CAs"

func signerName(st plan.CredentialState) string {
	return "the VOMS server's certificate " + st.Backing.Signer
}

// sourceName is what a certificate on the box is called.
func sourceName(c plan.Credential) string {
	if c.Kind == plan.Machine {
		return "the host certificate " + c.Source.Certificate.Cert
	}
	return "the certificate " + c.Source.Certificate.Cert
}
