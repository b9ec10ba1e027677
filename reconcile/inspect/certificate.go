package inspect

import (
	"bytes"
	"crypto/x509"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A Certificate is one of a chain.
type Certificate struct {
	*x509.Certificate
	Subject, Issuer string         // slash form
	Type            proxycert.Type // what it is or, with a Malformed extension, what it claims to be
	Malformed       string         // why its ProxyCertInfo cannot be read; empty: it can, or there is none
	Limited         bool           // a limited proxy
	KeyType         string         // "rsa", "ec", "ed25519" or, for other algorithms, what crypto/x509 calls them
	KeyBits         int            // of the modulus or the curve; 0: unknown
	PathLen         *int           // how many proxies may be below; nil: as many as it takes, or no proxy
	Policy          string         // of proxies: one of the constants, or the language as a dotted OID; else empty
}

// Values of Certificate.Policy (RFC 3820 section 3.8.2; limited is Globus').
const (
	PolicyAny         = "anyLanguage"
	PolicyInheritAll  = "inheritAll"
	PolicyIndependent = "independent"
	PolicyLimited     = "limited"
)

// describeCertificate is given the next certificate of the chain, or nil, whose name need not be spelled again.
func describeCertificate(c *x509.Certificate, above *Certificate) Certificate {
	d := Certificate{Certificate: c, Subject: spelled(c.RawSubject)}
	if above != nil && bytes.Equal(c.RawIssuer, above.RawSubject) {
		d.Issuer = above.Subject
	} else {
		d.Issuer = spelled(c.RawIssuer)
	}
	d.KeyType, d.KeyBits = proxycert.KeyOf(c)
	info, err := proxycert.Classify(c)
	d.Type, d.Limited = info.Type, info.Limited
	switch {
	case err != nil:
		d.Malformed = oneLine(err)
	case info.CertInfo != nil:
		d.PathLen, d.Policy = info.CertInfo.PathLen, policyName(info.CertInfo)
	case info.IsProxy() && info.Limited:
		d.Policy = PolicyLimited
	case info.IsProxy():
		d.Policy = PolicyInheritAll
	}
	return d
}

func (c *Certificate) isEEC() bool { return c.Type == proxycert.EEC && c.Malformed == "" }

func (c *Certificate) isProxy() bool { return proxycert.Info{Type: c.Type}.IsProxy() }

func spelled(name []byte) string { return dn.MustFromDER(name).String() }

func policyName(i *proxycert.CertInfo) string {
	switch l := i.Language; {
	case l.Equal(proxycert.LanguageAny):
		return PolicyAny
	case l.Equal(proxycert.LanguageInheritAll):
		return PolicyInheritAll
	case l.Equal(proxycert.LanguageIndependent):
		return PolicyIndependent
	case l.Equal(proxycert.LanguageLimited):
		return PolicyLimited
	default:
		return l.String()
	}
}

// oneLine is an error's text as one line: errors.Join puts line ends in.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
