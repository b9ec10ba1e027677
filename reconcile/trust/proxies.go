package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"math"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

var (
	oidCommonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidEmailAddress     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName    = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidNetscapeCertType = asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}
)

// proxyChain walks from the leaf to the EEC through the presented certificates, by name and signature.
func (s *Store) proxyChain(pool pool, leaf *node) ([]*node, error) {
	chain := []*node{leaf}
	tries := 0
	for n := leaf; n.info.IsProxy(); n = chain[len(chain)-1] {
		if len(chain) == maxDepth {
			return nil, refuse(IDPathLength, leaf.subject, "the chain of %s is longer than %d certificates", leaf.subject, maxDepth)
		}
		issuer, err := s.proxyIssuer(pool, n, &tries)
		if err != nil {
			return nil, err
		}
		chain = append(chain, issuer)
	}
	if eec := chain[len(chain)-1]; eec.info.Type == proxycert.CA {
		if len(chain) > 1 {
			return nil, refuse(IDNotCA, chain[len(chain)-2].subject, "the proxy %s is signed by the CA certificate %s", chain[len(chain)-2].subject, eec.subject)
		}
		if hasCertInfo(eec.cert) {
			return nil, refuse(IDNotCA, eec.subject, "the proxy %s says by its basicConstraints that it is a CA", eec.subject)
		}
		return nil, refuse(IDNotCA, eec.subject, "the certificate %s is that of a CA, not of a user or host", eec.subject)
	}
	return chain, nil
}

// proxyIssuer finds the certificate that signed a proxy. Of several with that name and key, a user certificate and its
// successor, it is the one that lasts longest.
func (s *Store) proxyIssuer(pool pool, n *node, tries *int) (*node, error) {
	var best *node
	var bad error
	for _, candidate := range pool {
		if candidate == n || candidate.subjectKey != n.issuerKey {
			continue
		}
		if *tries++; *tries > maxTries {
			return nil, refuse(IDPathLength, n.subject, "more than %d signatures would have to be checked for the proxy %s", maxTries, n.subject)
		}
		if err := s.checkSignature(n, candidate); err != nil {
			bad = err
		} else if best == nil || candidate.cert.NotAfter.After(best.cert.NotAfter) {
			best = candidate
		}
	}
	if best != nil {
		return best, nil
	}
	if bad != nil {
		return nil, bad
	}
	return nil, refuse(IDIncomplete, n.subject, "the certificate %s that signed the proxy %s is not with it", n.issuer, n.subject)
}

// checkProxies applies the rules from the EEC to the leaf (RFC 3820 section 4.1, and what GSI adds).
func (s *Store) checkProxies(chain []*node, now time.Time) error {
	for i := len(chain) - 1; i >= 0; i-- {
		if err := checkTime(chain[i], now); err != nil {
			return err
		}
	}
	remaining := math.MaxInt // proxies that may follow
	for i := len(chain) - 1; i >= 0; i-- {
		n := chain[i]
		if err := s.checkStrength(n); err != nil {
			return err
		}
		if i == len(chain)-1 {
			continue
		}
		if remaining == 0 {
			return refuse(IDPathLength, n.subject, "the proxy %s is one more than the path length of a proxy above it allows", n.subject)
		}
		remaining--
		if err := checkProxy(n, chain[i+1]); err != nil {
			return err
		}
		if ci := n.info.CertInfo; ci != nil && ci.PathLen != nil {
			remaining = min(remaining, *ci.PathLen)
		}
	}
	return checkKeyUsages(chain[:len(chain)-1]) // the EEC is of the path above
}

// checkProxy applies the rules that concern a proxy and its issuer alone.
func checkProxy(n, issuer *node) error {
	if n.infoErr != nil {
		return refuse(IDMalformed, n.subject, "the proxy %s is malformed: %v", n.subject, n.infoErr)
	}
	if issuer.subject.IsEmpty() {
		return refuse(IDProxy, n.subject, "the proxy %s is signed by a certificate without a name", n.subject)
	}
	if lacksUsage(issuer.cert, x509.KeyUsageDigitalSignature) {
		return refuse(IDProxy, issuer.subject, "the certificate %s may not sign a proxy: its key usage lacks digitalSignature", issuer.subject)
	}
	if !issuer.info.IsProxy() && issuer.cert.KeyUsage&x509.KeyUsageCertSign != 0 && !issuer.cert.BasicConstraintsValid {
		return refuse(IDProxy, issuer.subject, "the %s %s, which signed a proxy, has the key usage keyCertSign, as if it were a CA", issuer.kind(), issuer.subject)
	}
	if err := proxycert.CheckSubject(n.cert); err != nil {
		return refuse(IDProxy, n.subject, "%v", err)
	}
	if issuer.info.IsProxy() && issuer.info.Type != n.info.Type {
		return refuse(IDMixed, n.subject, "the proxy %s is of form %s below one of form %s", n.subject, n.info.Type, issuer.info.Type)
	}
	if issuer.info.Limited && !n.info.Limited {
		if n.isIndependent() {
			return refuse(IDLimited, n.subject, "the proxy %s is an independent proxy below a limited one", n.subject)
		}
		return refuse(IDLimited, n.subject, "the proxy %s is a full proxy below a limited one", n.subject)
	}
	if err := checkProxyPolicy(n); err != nil {
		return err
	}
	return checkProxyExtensions(n)
}

// checkKeyUsages refuses a key usage without any bit, which RFC 5280 section 4.2.1.3 forbids: OpenSSL, and with it Globus, take
// a certificate that has one for invalid.
func checkKeyUsages(nodes []*node) error {
	for _, n := range nodes {
		if n.cert.KeyUsage == 0 && hasExtension(n.cert, oidKeyUsage) {
			return refuse(IDMalformed, n.subject, "the %s %s has a key usage that allows nothing", n.kind(), n.subject)
		}
	}
	return nil
}

// isIndependent reports whether it is a proxy that inherits neither rights nor identity.
func (n *node) isIndependent() bool {
	return n.info.CertInfo != nil && n.info.CertInfo.Language.Equal(proxycert.LanguageIndependent)
}

// hasCertInfo reports whether there is a ProxyCertInfo of either form, critical or not.
func hasCertInfo(cert *x509.Certificate) bool {
	return hasExtension(cert, proxycert.OIDCertInfo, proxycert.OIDDraftCertInfo)
}

func checkProxyPolicy(n *node) error {
	ci := n.info.CertInfo
	if ci == nil {
		return nil // a legacy proxy
	}
	switch {
	case ci.Policy != nil:
		return refuse(IDProxy, n.subject, "the proxy %s carries a policy text, which nothing here can honour", n.subject)
	case ci.Language.Equal(proxycert.LanguageInheritAll), ci.Language.Equal(proxycert.LanguageLimited), ci.Language.Equal(proxycert.LanguageIndependent):
		return nil
	}
	return refuse(IDProxy, n.subject, "the proxy %s has the policy language %s, which nothing here can honour", n.subject, ci.Language)
}

// checkProxyExtensions applies RFC 3820 sections 3.5 to 3.7 and GSI's list of critical extensions.
func checkProxyExtensions(n *node) error {
	if n.cert.KeyUsage&x509.KeyUsageCertSign != 0 {
		return refuse(IDProxy, n.subject, "the proxy %s has the key usage keyCertSign", n.subject)
	}
	for _, e := range n.cert.Extensions {
		switch {
		case e.Id.Equal(oidSubjectAltName):
			return refuse(IDProxy, n.subject, "the proxy %s has a subjectAltName", n.subject)
		case e.Id.Equal(oidIssuerAltName):
			return refuse(IDProxy, n.subject, "the proxy %s has an issuerAltName", n.subject)
		case !e.Critical, isAny(e.Id, oidBasicConstraints, oidKeyUsage, oidExtKeyUsage, oidNetscapeCertType, oidSubjectKeyID,
			oidAuthorityKeyID, proxycert.OIDCertInfo, proxycert.OIDDraftCertInfo):
		default:
			return refuse(IDCritical, n.subject, "the proxy %s has the critical extension %s, which nothing here can honour", n.subject, e.Id)
		}
	}
	return nil
}

func isAny(id asn1.ObjectIdentifier, of ...asn1.ObjectIdentifier) bool {
	for _, o := range of {
		if id.Equal(o) {
			return true
		}
	}
	return false
}

// checkTime refuses a certificate outside its validity; notBefore is given five minutes.
func checkTime(n *node, now time.Time) error {
	if n.oddTimes {
		return refuse(IDMalformed, n.subject, "the %s %s has times that are not in seconds and UTC, as RFC 5280 section 4.1.2.5 wants them", n.kind(), n.subject)
	}
	if n.cert.NotAfter.Before(n.cert.NotBefore) {
		return refuse(IDExpired, n.subject, "the %s %s ends before it begins: it expired on %s", n.kind(), n.subject, utc(n.cert.NotAfter))
	}
	if now.After(n.cert.NotAfter) {
		return refuse(IDExpired, n.subject, "the %s %s expired on %s", n.kind(), n.subject, utc(n.cert.NotAfter))
	}
	if now.Add(Skew).Before(n.cert.NotBefore) {
		return refuse(IDNotYet, n.subject, "the %s %s is not valid before %s, and it is %s", n.kind(), n.subject, utc(n.cert.NotBefore), utc(now))
	}
	return nil
}

// hasOddTimes reports whether the validity is written in another way than YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ. crypto/x509 takes
// zones, and minutes without seconds; OpenSSL refuses to compare such times.
func hasOddTimes(cert *x509.Certificate) bool {
	in := cryptobyte.String(cert.RawTBSCertificate)
	var tbs, validity cryptobyte.String
	if !in.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || !tbs.SkipASN1(cbasn1.INTEGER) ||
		!tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.ReadASN1(&validity, cbasn1.SEQUENCE) {
		return true
	}
	for !validity.Empty() {
		var text cryptobyte.String
		var tag cbasn1.Tag
		if !validity.ReadAnyASN1(&text, &tag) {
			return true
		}
		if !isPlainTime(tag, text) {
			return true
		}
	}
	return false
}

// isPlainTime reports whether a UTCTime or GeneralizedTime is in seconds and UTC.
func isPlainTime(tag cbasn1.Tag, text []byte) bool {
	want := len("060102150405Z")
	if tag == cbasn1.GeneralizedTime {
		want += 2
	}
	return len(text) == want && text[want-1] == 'Z'
}
