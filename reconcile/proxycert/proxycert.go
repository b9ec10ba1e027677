// Package proxycert implements the X.509 proxy certificate profile of RFC 3820.
//
// [Classify] tells proxies of every generation from end-entity and CA certificates; [Credential.Sign],
// [Credential.Delegate] and [Credential.SignRequest] make RFC 3820 proxies, the only form that is made here. Nothing in
// this package verifies a chain: see package trust.
package proxycert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A Credential is a chain and the private key of its first certificate.
type Credential struct {
	Chain []*x509.Certificate // leaf first, up to and with the EEC; no CA
	Key   crypto.Signer

	// Others are further certificates of the file, CAs for the most part: one between the EEC and a trust anchor may be
	// nowhere else. They are neither shown to peers nor written.
	Others []*x509.Certificate
}

// Presented returns what a verifier of the file goes by: the chain, and the certificates that came with it.
func (c *Credential) Presented() []*x509.Certificate { return slices.Concat(c.Chain, c.Others) }

// Leaf returns the first certificate, the one that Key belongs to.
func (c *Credential) Leaf() *x509.Certificate { return c.Chain[0] }

// EEC returns the end-entity certificate, or nil when the chain has none.
func (c *Credential) EEC() *x509.Certificate {
	for _, cert := range c.Chain {
		if info, err := Classify(cert); err == nil && info.Type == EEC {
			return cert
		}
	}
	return nil
}

// Identity is the subject of the EEC (of the whole chain's last certificate if there is no EEC).
func (c *Credential) Identity() dn.Name {
	cert := c.EEC()
	if cert == nil {
		if len(c.Chain) == 0 {
			return dn.Name{}
		}
		cert = c.Chain[len(c.Chain)-1]
	}
	return dn.MustFromDER(cert.RawSubject)
}

// Own returns the part of a chain, leaf first, that acts as one party: up to and with the independent proxy nearest to the
// leaf, which has neither identity nor rights from above (RFC 3820 section 3.8.2), or else up to and with the EEC. Whatever
// is said of the leaf by attribute certificates must be in this part, and about its last certificate. Without either of
// the two it is the whole chain.
func Own(chain []*x509.Certificate) []*x509.Certificate {
	for i, cert := range chain {
		info, err := Classify(cert)
		if err == nil && (info.Type == EEC || info.CertInfo != nil && info.CertInfo.Language.Equal(LanguageIndependent)) {
			return chain[:i+1]
		}
	}
	return chain
}

// Limited reports whether any proxy of the chain is a limited one.
func (c *Credential) Limited() bool {
	for _, cert := range c.Chain {
		if info, _ := Classify(cert); info.Limited {
			return true
		}
	}
	return false
}

// NotAfter is the earliest end of all certificates in the chain, which need not be the leaf's: Java clients do not cap a
// proxy by its issuer.
func (c *Credential) NotAfter() time.Time {
	var end time.Time
	for i, cert := range c.Chain {
		if i == 0 || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end
}

// NotBefore is the latest beginning of all certificates in the chain.
func (c *Credential) NotBefore() time.Time {
	var begin time.Time
	for i, cert := range c.Chain {
		if i == 0 || cert.NotBefore.After(begin) {
			begin = cert.NotBefore
		}
	}
	return begin
}

// TLS returns the credential for a handshake: whole chain, leaf first. Give it to a client by GetClientCertificate:
// with Config.Certificates crypto/tls sends nothing at all when no issuer is among the CAs that the server lists.
func (c *Credential) TLS() tls.Certificate {
	out := tls.Certificate{PrivateKey: c.Key, Certificate: make([][]byte, 0, len(c.Chain))}
	for _, cert := range c.Chain {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	if len(c.Chain) > 0 {
		out.Leaf = c.Chain[0]
	}
	return out
}
