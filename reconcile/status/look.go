package status

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// A Look is what a closer look at a proxy file has found.
type Look struct {
	Ends     []End // of everything in it and what verifies it
	Findings []credfile.Finding
}

// refused are the findings for which Globus refuses a file. What else may be said of files and directories is doctor's.
var refused = []string{credfile.FindingOwner, credfile.FindingPerm, credfile.FindingHardLink}

// LookAt reads the proxy files that were found: it lists every certificate and attribute certificate with its end, and
// what verifies them as of now, and looks at the files' owner, mode and links. Nothing is changed. What cannot be read is
// left out: that it cannot is in have.
func LookAt(store *trust.Store, want plan.Desired, have plan.Observed, now time.Time) map[string]Look {
	looks := map[string]Look{}
	for _, c := range want.Credentials {
		st := have.Credentials[c.Name]
		if !st.Exists {
			continue
		}
		l := Look{Findings: credfile.CheckFile(st.Path, credfile.Secret, want.UID)}
		l.Findings = slices.DeleteFunc(l.Findings, func(f credfile.Finding) bool { return !slices.Contains(refused, f.ID) })
		if cred, _, err := credfile.Load(st.Path); err == nil {
			o := onlooker{store: store, cred: c, st: st, chain: cred.Chain, now: now}
			o.certificates()
			o.attributes()
			l.Ends = o.ends
		}
		looks[c.Name] = l
	}
	return looks
}

// An onlooker lists what is in one file.
type onlooker struct {
	store *trust.Store
	cred  plan.Credential
	st    plan.CredentialState
	chain []*x509.Certificate
	now   time.Time
	ends  []End
}

func (o *onlooker) add(what, name string, when time.Time, renewed, counts bool) {
	e := End{What: what, Name: name, When: Moment(when), Renewed: renewed, Counts: counts}
	if e.When != nil && !slices.ContainsFunc(o.ends, func(x End) bool { return x.Name == name && x.When.Equal(*e.When) }) {
		o.ends = append(o.ends, e)
	}
}

func (o *onlooker) certificates() {
	g := grantOf(o.cred, o.st)
	for i, cert := range o.chain {
		name := spelled(cert)
		if info, err := proxycert.Classify(cert); err == nil && info.Type == proxycert.EEC {
			what, words := WhatUserCert, "the user certificate "
			if o.cred.Kind == plan.Machine {
				what, words = WhatHostCert, "the host certificate "
			}
			o.add(what, words+name, cert.NotAfter, false, true)
			continue
		}
		if cn, ok := dn.MustFromDER(cert.RawSubject).LastCN(); ok {
			name = "CN=" + cn
		}
		switch {
		case i == 0:
			o.add(WhatProxy, "the proxy, "+name, cert.NotAfter, true, true)
		case g != nil && o.cred.Source.MyProxy != nil && !g.StoredEnd.IsZero() && !cert.NotAfter.Before(g.StoredEnd):
			o.add(WhatStored, "the credential stored on "+o.cred.Source.MyProxy.Server+", "+name, cert.NotAfter, false, true)
		default:
			o.add(WhatProxy, "the proxy above it, "+name, cert.NotAfter, true, true)
		}
	}
	if res, err := o.store.VerifyChain(o.chain, o.now); err == nil {
		for _, ca := range res.Anchors {
			o.add(WhatCA, "the CA "+spelled(ca), ca.NotAfter, false, true)
		}
	}
	o.add(WhatCRL, crlName, o.st.Backing.CRLEnd, false, false)
	o.add(WhatSigner, signerName(o.st), o.st.Backing.SignerEnd, false, true)
}

// attributes lists the attribute certificates that count: those of the wanted VO.
func (o *onlooker) attributes() {
	if len(o.cred.FQANs) == 0 {
		return
	}
	acs, err := attrcert.FromChain(o.chain)
	if err != nil {
		return
	}
	for _, ac := range acs {
		if ac.VO != o.cred.VO {
			continue
		}
		o.add(WhatAC, "the attribute certificate of "+ac.VO, ac.NotAfter, true, true)
	}
}

func spelled(cert *x509.Certificate) string { return dn.MustFromDER(cert.RawSubject).String() }
