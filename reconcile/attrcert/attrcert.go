// Package attrcert parses X.509 attribute certificates (RFC 5755) as issued by VOMS, and FQANs.
package attrcert

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// An FQAN is a fully qualified attribute name, /vo[/group]*[/Role=r][/Capability=c].
type FQAN struct {
	Group      string // "/alice" or "/alice/sub"
	Role       string // "" for none; never "NULL"
	Capability string // "" for none; never "NULL"
}

// ParseFQAN reads the long and the short form; Role=NULL and Capability=NULL are dropped.
func ParseFQAN(s string) (FQAN, error) { panic("not built yet") }

// String returns the short form, which is also the form to compare and to request.
func (f FQAN) String() string { panic("not built yet") }

// VO is the first part of the group, without the slash.
func (f FQAN) VO() string { panic("not built yet") }

// Normalize returns the short form of s, or s itself if it is no FQAN.
func Normalize(s string) string { panic("not built yet") }

// An Attribute is a VOMS generic attribute.
type Attribute struct{ Name, Value, Qualifier string }

// An AC is a parsed attribute certificate. Nothing in it is verified: see package trust.
type AC struct {
	Raw                 []byte // DER of the whole AttributeCertificate
	RawInfo             []byte // DER of acinfo, which is what is signed
	HolderName          dn.Name
	HolderSerial        *big.Int
	Issuer              dn.Name
	SerialNumber        *big.Int
	NotBefore, NotAfter time.Time
	PolicyAuthority     string // "alice://voms.example.org:15000"
	VO, Host            string // from the policy authority
	Port                int
	RawFQANs            []string // as in the AC
	FQANs               []string // short form
	Attributes          []Attribute
	Certificates        []*x509.Certificate // the signer first; from the AA certificate chain extension
	AuthorityKeyID      []byte
	NoRevAvail          bool
	Targets             []string
	UnhandledCritical   []asn1.ObjectIdentifier
	SignatureAlgorithm  x509.SignatureAlgorithm
	Signature           []byte
}

// Parse reads one attribute certificate from DER.
func Parse(der []byte) (*AC, error) { panic("not built yet") }

// FromCertificate returns the ACs in cert's VOMS extension (1.3.6.1.4.1.8005.100.100.5), or none.
func FromCertificate(cert *x509.Certificate) ([]*AC, error) { panic("not built yet") }

// FromChain looks from the leaf upward: the first certificate with the extension wins.
func FromChain(chain []*x509.Certificate) ([]*AC, error) { panic("not built yet") }

// Extension wraps the DER of one or more ACs for a proxy certificate; not critical.
func Extension(acs ...[]byte) pkix.Extension { panic("not built yet") }

// HeldBy reports whether the AC is about this EEC: its subject (as VOMS writes it) or its issuer (RFC 5755), and its serial.
func (ac *AC) HeldBy(eec *x509.Certificate) bool { panic("not built yet") }

// CheckSignature verifies the AC's signature with the signer's key.
func (ac *AC) CheckSignature(signer *x509.Certificate) error { panic("not built yet") }

// A Template is what Issue puts into an AC.
type Template struct {
	VO, Host            string
	Port                int
	FQANs               []string // written as they are
	Attributes          []Attribute
	NotBefore, NotAfter time.Time
	IssuerHolder        bool // holder by issuer DN (RFC 5755) instead of by subject DN (VOMS)
	Targets             []string
}

// Issue signs an AC about holder, in the layout of vomsd. The certs are the signer's chain to embed, signer first.
func Issue(t Template, holder *x509.Certificate, certs []*x509.Certificate, key crypto.Signer) ([]byte, error) {
	panic("not built yet")
}
