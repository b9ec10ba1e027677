package reconcile

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// Judge describes a credential and says whether it is what is wanted. A credential that is merely over has no fault: its
// EffectiveEnd tells.
//
// The verdict on the chain is that of the command inspect. On the attributes it may be milder: where some are wanted,
// attribute certificates of other VOs do not matter, and where none are, no attribute certificate does.
func (e *Engine) Judge(cred *proxycert.Credential, want plan.Credential, now time.Time) plan.CredentialState {
	chain, err := e.Trust.VerifyPeer(cred.Presented(), now)
	if err == nil { // of two user certificates of one key it is the one that verifies
		cred = &proxycert.Credential{Chain: chain.Chain, Key: cred.Key}
	}
	leaf := cred.Leaf()
	st := plan.CredentialState{
		Identity: cred.Identity().String(),
		Subject:  dn.MustFromDER(leaf.RawSubject).String(),
		Issuer:   dn.MustFromDER(leaf.RawIssuer).String(),
		Limited:  cred.Limited(),
		NotAfter: cred.NotAfter(),
		EndsWith: "the proxy",
	}
	st.EffectiveEnd = st.NotAfter
	st.KeyType, st.KeyBits = proxycert.KeyOf(leaf)
	info, malformed := proxycert.Classify(leaf)
	if malformed != nil {
		st.Fault, st.FaultID = malformed.Error(), "CHAIN-TYPE"
		return st
	}
	st.Type = string(info.Type)
	eec := cred.EEC()
	if eec == nil { // and so it does not verify
		st.Fault, st.FaultID = refused(err, "CHAIN-INCOMPLETE")
		return st
	}
	st.UserCertEnd = eec.NotAfter
	if eec.NotAfter.Equal(st.NotAfter) {
		st.EndsWith = certWords(want.Kind)
	}
	if id, err := dn.Parse(want.Identity); want.Identity != "" && (err != nil || !id.Equal(cred.Identity())) {
		st.Fault, st.FaultID = fmt.Sprintf("it belongs to %s, not to %s", st.Identity, want.Identity), "PROXY-IDENTITY"
		return st
	}
	if !now.Before(st.NotAfter) {
		return st
	}
	if err != nil {
		st.Fault, st.FaultID = refused(err, "CHAIN")
		return st
	}
	if !chain.Identity.Equal(cred.Identity()) { // an independent proxy speaks for itself alone
		st.Fault, st.FaultID = fmt.Sprintf("its identity is %s, not %s", chain.Identity, st.Identity), "PROXY-IDENTITY"
		return st
	}
	if chain.EffectiveEnd.Before(st.EffectiveEnd) {
		st.EffectiveEnd, st.EndsWith = chain.EffectiveEnd, chain.EndsWith
	}
	st.Backing.CRLEnd = chain.CRLEnd
	if info.Type == proxycert.EEC {
		st.Fault, st.FaultID = "it is a certificate, not a proxy", "CHAIN-TYPE"
		return st
	}
	if st.Limited != want.Limited {
		st.Fault, st.FaultID = "it is a limited proxy", "PROXY-LIMITED"
		if want.Limited {
			st.Fault = "it is not a limited proxy"
		}
		return st
	}
	e.judgeAttributes(cred, want, now, &st)
	return st
}

// refused is the fault in an error of package trust and its id; that of other errors is given.
func refused(err error, other string) (fault, id string) {
	if te, ok := errors.AsType[*trust.Error](err); ok {
		return err.Error(), te.ID
	}
	return err.Error(), other
}

func certWords(k plan.Kind) string {
	if k == plan.Machine {
		return "the host certificate"
	}
	return "the user certificate"
}

// judgeAttributes takes the attribute certificates into st: those of the wanted VO must verify, hold every wanted FQAN,
// and have the same primary one.
func (e *Engine) judgeAttributes(cred *proxycert.Credential, want plan.Credential, now time.Time, st *plan.CredentialState) {
	own := proxycert.Own(cred.Chain)
	acs, err := attrcert.FromChain(own)
	if err != nil && len(want.FQANs) > 0 {
		st.Fault, st.FaultID = "its attribute certificate cannot be read: "+err.Error(), "VO-NONE"
		return
	}
	for _, ac := range acs {
		if len(want.FQANs) > 0 && ac.VO != want.VO {
			continue
		}
		st.VO = ac.VO
		st.FQANs = append(st.FQANs, ac.FQANs...)
		if st.ACNotAfter.IsZero() || ac.NotAfter.Before(st.ACNotAfter) {
			st.ACNotAfter = ac.NotAfter
		}
	}
	if len(want.FQANs) == 0 {
		return
	}
	switch {
	case st.ACNotAfter.IsZero():
		st.Fault, st.FaultID = "it carries no attributes of VO "+want.VO, "VO-NONE"
		return
	case st.ACNotAfter.Before(st.EffectiveEnd):
		st.EffectiveEnd, st.EndsWith = st.ACNotAfter, "the attribute certificate"
	}
	if fault := wrongAttributes(st.FQANs, want.FQANs); fault != "" {
		st.Fault, st.FaultID = fault, "VO-FQAN"
		return
	}
	if !now.Before(st.EffectiveEnd) {
		return
	}
	for _, ac := range acs {
		if ac.VO != want.VO {
			continue
		}
		res, err := e.Trust.VerifyAC(ac, own[len(own)-1], now)
		if err != nil {
			st.Fault, st.FaultID = refused(err, "VO-LSC")
			return
		}
		if res.EffectiveEnd.Before(st.EffectiveEnd) {
			st.EffectiveEnd, st.EndsWith = res.EffectiveEnd, res.EndsWith
		}
		e.judgeSigner(ac, res.Signer, now, st)
	}
}

// judgeSigner takes into st how long the certificate of the VOMS server lasts, and the revocation lists of its CAs.
func (e *Engine) judgeSigner(ac *attrcert.AC, signer *x509.Certificate, now time.Time, st *plan.CredentialState) {
	if st.Backing.SignerEnd.IsZero() || signer.NotAfter.Before(st.Backing.SignerEnd) {
		st.Backing.Signer, st.Backing.SignerEnd = dn.MustFromDER(signer.RawSubject).String(), signer.NotAfter
	}
	chain, err := e.Trust.VerifyPeer(append([]*x509.Certificate{signer}, ac.Certificates...), now)
	if err == nil && !chain.CRLEnd.IsZero() && (st.Backing.CRLEnd.IsZero() || chain.CRLEnd.Before(st.Backing.CRLEnd)) {
		st.Backing.CRLEnd = chain.CRLEnd
	}
}

// wrongAttributes compares FQANs in short form: all that are wanted must be there, and the first must be the first.
func wrongAttributes(have, want []string) string {
	for _, f := range want {
		if !slices.Contains(have, f) {
			return fmt.Sprintf("it does not carry %s (it has %s)", f, strings.Join(have, ", "))
		}
	}
	if have[0] != want[0] {
		return fmt.Sprintf("its primary FQAN is %s, not %s", have[0], want[0])
	}
	return ""
}
