package status

import (
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
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
}

// A Look is what a closer look at a proxy file has found.
type Look struct {
	Ends     []End
	Findings []credfile.Finding
}

// endsOf lists what a credential hangs on, the first to end first: what the closer look found, or else what the plan knows.
func (b Box) endsOf(c plan.Credential, st plan.CredentialState) []End {
	ends := slices.Clone(b.Looks[c.Name].Ends)
	add := func(what, name string, when time.Time, renewed bool) {
		if when.IsZero() || slices.ContainsFunc(ends, func(e End) bool { return e.What == what }) {
			return
		}
		ends = append(ends, End{What: what, Name: name, When: Moment(when), Renewed: renewed})
	}
	cert := WhatUserCert
	if c.Kind == plan.Machine {
		cert = WhatHostCert
	}
	if len(ends) == 0 && st.Exists {
		proxyEnd := st.NotAfter
		if st.UserCertEnd.Equal(proxyEnd) {
			proxyEnd = time.Time{}
		}
		add(WhatProxy, "the proxy", proxyEnd, true)
		add(WhatAC, "the attribute certificate", st.ACNotAfter, true)
		known := []time.Time{st.NotAfter, st.ACNotAfter, st.UserCertEnd}
		if !slices.ContainsFunc(known, st.EffectiveEnd.Equal) { // neither proxy nor attributes: what verified them
			add(WhatSigner, st.EndsWith, st.EffectiveEnd, false)
		}
	}
	if src := c.Source.Certificate; src != nil {
		name := "the certificate " + src.Cert
		if cert == WhatHostCert {
			name = "the host certificate " + src.Cert
		}
		add(cert, name, st.Source.NotAfter, false)
	}
	add(cert, userCert(c, st), st.UserCertEnd, false)
	if g := grantOf(c, st); g != nil && c.Source.MyProxy != nil {
		add(WhatStored, "the credential stored on "+c.Source.MyProxy.Server, g.StoredEnd, false)
	}
	for i := range ends {
		ends[i].SecondsLeft = secondsLeft(timeOf(ends[i].When), b.Now)
	}
	slices.SortStableFunc(ends, func(x, y End) int { return timeOf(x.When).Compare(timeOf(y.When)) })
	return ends
}
