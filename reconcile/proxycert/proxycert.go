// Package proxycert implements the X.509 proxy certificate profile of RFC 3820.
package proxycert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A Type says which kind of certificate one is. Its string is what `inspect -o json` prints.
type Type string

const (
	EEC    Type = "eec"
	CA     Type = "ca"
	RFC    Type = "rfc"    // RFC 3820
	Draft  Type = "draft"  // Globus Toolkit 3, pre-RFC
	Legacy Type = "legacy" // Globus Toolkit 2, by name
)

// CertInfo is the ProxyCertInfo extension (RFC 3820 section 3.8).
type CertInfo struct {
	PathLen  *int // nil: unlimited
	Language asn1.ObjectIdentifier
	Policy   []byte
}

// Info is what Classify finds out.
type Info struct {
	Type     Type
	CertInfo *CertInfo // for RFC and Draft
	Limited  bool
}

// IsProxy reports whether the certificate is a proxy of any form.
func (i Info) IsProxy() bool { return i.Type == RFC || i.Type == Draft || i.Type == Legacy }

// Classify tells what kind of certificate cert is.
func Classify(cert *x509.Certificate) (Info, error) { panic("not built yet") }

// A Credential is a chain and the private key of its first certificate.
type Credential struct {
	Chain []*x509.Certificate // leaf first, up to and with the EEC; no CA
	Key   crypto.Signer
}

func (c *Credential) Leaf() *x509.Certificate { return c.Chain[0] }

// EEC returns the end-entity certificate, or nil when the chain has none.
func (c *Credential) EEC() *x509.Certificate { panic("not built yet") }

// Identity is the subject of the EEC (of the whole chain's last certificate if there is no EEC).
func (c *Credential) Identity() dn.Name { panic("not built yet") }

// Limited reports whether any proxy of the chain is a limited one.
func (c *Credential) Limited() bool { panic("not built yet") }

// NotAfter is the earliest end of all certificates in the chain; NotBefore the latest beginning.
func (c *Credential) NotAfter() time.Time  { panic("not built yet") }
func (c *Credential) NotBefore() time.Time { panic("not built yet") }

// TLS returns the credential for a handshake: whole chain, leaf first.
func (c *Credential) TLS() tls.Certificate { panic("not built yet") }

// A KeyType is one of the configuration's proxies[].key values.
type KeyType string

const (
	RSA2048 KeyType = "rsa2048"
	RSA3072 KeyType = "rsa3072"
	RSA4096 KeyType = "rsa4096"
	P256    KeyType = "p256"
)

// GenerateKey makes a key pair with crypto/rand. The empty type means RSA2048.
func GenerateKey(t KeyType) (crypto.Signer, error) { panic("not built yet") }

// A Template says what the proxy to be signed should be like.
type Template struct {
	Now        time.Time     // the current time; notBefore is five minutes earlier
	Lifetime   time.Duration // never past the issuer's end; 0: as long as the issuer
	Limited    bool          // a limited proxy; under a limited issuer it is limited anyway
	PathLen    *int          // how many further proxies may be below; nil: unlimited
	Extensions []pkix.Extension
}

// Sign makes an RFC 3820 proxy certificate for pub, issued by c.
func (c *Credential) Sign(pub crypto.PublicKey, t Template) (*x509.Certificate, error) {
	panic("not built yet")
}

// Delegate makes a new credential below c with the given key.
func (c *Credential) Delegate(key crypto.Signer, t Template) (*Credential, error) {
	panic("not built yet")
}

// NewRequest returns a PKCS#10 request for the key, with a critical RFC inherit-all ProxyCertInfo.
func NewRequest(key crypto.Signer) ([]byte, error) { panic("not built yet") }

// SignRequest checks the request's self-signature and signs a proxy for its public key. A limited policy asked for in the
// request's ProxyCertInfo is honoured.
func (c *Credential) SignRequest(der []byte, t Template) (*x509.Certificate, error) {
	panic("not built yet")
}

// SortChain orders certificates (any order, duplicates, CAs and strangers among them) into leaf → EEC for the given
// public key (nil: the certificate that issued none of the others). Certificates that do not belong are left out.
func SortChain(certs []*x509.Certificate, pub crypto.PublicKey) ([]*x509.Certificate, error) {
	panic("not built yet")
}
