// Package attrcert parses X.509 attribute certificates (RFC 5755) as issued by VOMS, and FQANs.
//
// [FromChain] finds the attribute certificates (ACs) of a proxy, [Parse] reads one as a VOMS server sends it, [Extension]
// wraps it for a new proxy. Nothing here says that an AC is genuine: that needs trust anchors, see package trust.
//
// [Issue] is the other side, in the layout of vomsd. It is what the test servers use.
//
// # What is read
//
// The encoding must be DER, without trailing bytes, and bounded in every list. Of the many shapes RFC 5755 allows only
// those of the VOMS AC profile (GFD.182) are read: a holder by baseCertificateID, an issuer by directory name, exactly one
// attribute of VOMS's type with exactly one policy authority. Everything else is refused by name.
package attrcert

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Bounds on what is read. Real ACs stay far below: a user with all roles of a large VO has some dozens of FQANs in 10 kB.
const (
	maxSize    = 256 << 10 // of an AC, and of a VOMS extension
	maxACs     = 100       // in one extension
	maxFQANs   = 1024
	maxAttrs   = 1024 // generic attributes
	maxCerts   = 16   // in the AA certificate chain
	maxTargets = 256
	maxFQANLen = 4096
	maxRSABits = 16384 // of a signer that the AC may have brought itself; a longer key costs minutes
	maxSerial  = 20    // octets; RFC 5755 section 4.2.5, and VOMS refuses longer ones
)

// ErrNoAC is returned (wrapped) for a VOMS extension that is there but holds no attribute certificate.
var ErrNoAC = errors.New("the VOMS extension holds no attribute certificate")

// The VOMS arc is 1.3.6.1.4.1.8005.100.100.
var (
	oidVOMSExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}
	oidFQANs         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 4}
	oidCertSequence  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 10}
	oidAttributes    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 11}
	oidNoRevAvail    = asn1.ObjectIdentifier{2, 5, 29, 56}
	oidAuthorityKey  = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidTargets       = asn1.ObjectIdentifier{2, 5, 29, 55}
)

// An Attribute is a VOMS generic attribute. VOMS servers set the qualifier to the VO's name, or to the FQAN that brings
// the attribute.
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
	FQANs               []string // short form, or as in the AC where it is no FQAN
	Attributes          []Attribute
	Certificates        []*x509.Certificate // the signer first; from the AA certificate chain extension
	AuthorityKeyID      []byte
	NoRevAvail          bool
	Targets             []string
	UnhandledCritical   []asn1.ObjectIdentifier // critical extensions other than targets, also noRevAvail and the like
	SignatureAlgorithm  x509.SignatureAlgorithm
	Signature           []byte
}

// Parse reads one attribute certificate from DER.
func Parse(der []byte) (*AC, error) {
	if len(der) > maxSize {
		return nil, fmt.Errorf("attrcert: parsing attribute certificate: %d bytes are more than the %d allowed", len(der), maxSize)
	}
	ac, err := Reader{}.parse(bytes.Clone(der))
	if err != nil {
		return nil, fmt.Errorf("attrcert: parsing attribute certificate: %w", err)
	}
	return ac, nil
}

// FromCertificate returns the ACs in cert's VOMS extension (1.3.6.1.4.1.8005.100.100.5). A certificate without the
// extension gives none and no error.
func FromCertificate(cert *x509.Certificate) ([]*AC, error) { return Reader{}.FromCertificate(cert) }

// A Reader reads attribute certificates. The zero Reader reads them as the functions of the package do.
type Reader struct {
	// ParseCertificate is used for the certificates that an AC brings along, in place of dn.ParseCertificate: most ACs
	// bring the same one.
	ParseCertificate func(der []byte) (*x509.Certificate, error)
}

// FromCertificate is the function of that name.
func (r Reader) FromCertificate(cert *x509.Certificate) ([]*AC, error) {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidVOMSExtension) {
			continue
		}
		acs, err := r.parseExtension(e.Value)
		if err != nil {
			return nil, fmt.Errorf("attrcert: reading VOMS extension: %w", err)
		}
		return acs, nil
	}
	return nil, nil
}

// FromChain looks for ACs from the leaf upward: the first certificate with the extension wins, as in the C++ and Java
// VOMS libraries. A chain without any gives none and no error.
func FromChain(chain []*x509.Certificate) ([]*AC, error) {
	for _, cert := range chain {
		acs, err := FromCertificate(cert)
		if err != nil || len(acs) > 0 {
			return acs, err
		}
	}
	return nil, nil
}

// Extension wraps the DER of one or more ACs for a proxy certificate, in the order given. It is not critical: software
// that knows nothing of VOMS must still accept the proxy.
func Extension(acs ...[]byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, ac := range acs {
				b.AddBytes(ac)
			}
		})
	})
	return pkix.Extension{Id: oidVOMSExtension, Value: b.BytesOrPanic()}
}

// HeldBy reports whether the AC is about this EEC. Its name must be the EEC's subject, which is what vomsd and IAM write
// into baseCertificateID, or its issuer, which is what RFC 5755 section 4.2.2 wants and vomsd writes with -newformat.
// The serial must be the EEC's in both cases.
func (ac *AC) HeldBy(eec *x509.Certificate) bool {
	if eec == nil || eec.SerialNumber == nil || ac.HolderSerial == nil || ac.HolderSerial.Cmp(eec.SerialNumber) != 0 {
		return false
	}
	for _, raw := range [][]byte{eec.RawSubject, eec.RawIssuer} {
		if name, err := dn.FromDER(raw); err == nil && !name.IsEmpty() && name.Equal(ac.HolderName) {
			return true
		}
	}
	return false
}

// CheckSignature verifies the AC's signature with the signer's key. It takes SHA-1, which old servers used, and never
// MD5; whether SHA-1 is acceptable is for the caller to decide by SignatureAlgorithm.
func (ac *AC) CheckSignature(signer *x509.Certificate) error {
	if ac.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return errors.New("attrcert: checking signature: unknown signature algorithm")
	}
	if k, ok := signer.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
		return fmt.Errorf("attrcert: checking signature: the signer's RSA key of %d bits is longer than the %d that are checked", k.N.BitLen(), maxRSABits)
	}
	if err := signer.CheckSignature(ac.SignatureAlgorithm, ac.RawInfo, ac.Signature); err != nil {
		return fmt.Errorf("attrcert: checking signature: %w", err)
	}
	return nil
}
