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
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A Credential is a chain and the private key of its first certificate.
type Credential struct {
	Chain []*x509.Certificate // leaf first, up to and with the EEC; no CA
	Key   crypto.Signer
}

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
