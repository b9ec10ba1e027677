package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

var (
	oidDeltaCRL          = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingDistPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidReason            = asn1.ObjectIdentifier{2, 5, 29, 21}
)

// removeFromCRL is the reason code with which a delta CRL takes an entry back (RFC 5280 section 5.3.1).
var removeFromCRL = []byte{10, 1, 8}

// A crl is a parsed certificate revocation list (RFC 5280 section 5), of version 1 as well, which crypto/x509 refuses.
type crl struct {
	issuerKey              string // canonical
	issuer                 dn.Name
	thisUpdate, nextUpdate time.Time // nextUpdate is zero if there is none
	algorithm              x509.SignatureAlgorithm
	identifier             []byte // of the algorithm, in DER
	tbs, signature         []byte
	revoked                map[string]time.Time // by the content octets of the serial number
	onlyUsers, onlyCAs     bool
	points                 []generalName // its distribution point's names; nil: it is for all that the CA issued
	unusable               string        // why, for a list of a kind that is not handled
	delta                  bool          // it says what has changed since another

	mu         sync.Mutex
	verifiedBy map[string]bool // public keys (SubjectPublicKeyInfo) that signed it
}

// parseCRLs reads PEM, with text around it, or DER. One file may have several, as of a CA with an old and a new key; if one of
// them cannot be read none counts, since nobody knows whom it would revoke.
func parseCRLs(data []byte) ([]*crl, error) {
	var out []*crl
	add := func(der []byte) error {
		c, err := parseCRLDER(der)
		out = append(out, c)
		return err
	}
	err := pemBlocks(data, map[string]func([]byte) error{"X509 CRL": add}, add)
	if err == nil && len(out) == 0 {
		err = errors.New("there is no CRL in it")
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func parseCRLDER(der []byte) (*crl, error) {
	malformed := errors.New("it is not a CRL")
	in := cryptobyte.String(der)
	var body, tbs, algorithm cryptobyte.String
	c := new(crl)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&c.signature) || !body.Empty() {
		return nil, malformed
	}
	c.tbs = tbs
	var list, inner, issuer cryptobyte.String
	var version int
	if !tbs.ReadASN1(&list, cbasn1.SEQUENCE) || list.PeekASN1Tag(cbasn1.INTEGER) && !list.ReadASN1Integer(&version) || version > 1 ||
		!list.ReadASN1Element(&inner, cbasn1.SEQUENCE) || !bytes.Equal(inner, algorithm) || !list.ReadASN1Element(&issuer, cbasn1.SEQUENCE) {
		return nil, malformed
	}
	name, err := dn.FromDER(issuer)
	if err != nil {
		return nil, err
	}
	c.issuer, c.issuerKey = name, name.Canonical()
	if !readCRLTime(&list, &c.thisUpdate) {
		return nil, malformed
	}
	if list.PeekASN1Tag(cbasn1.UTCTime) || list.PeekASN1Tag(cbasn1.GeneralizedTime) {
		if !readCRLTime(&list, &c.nextUpdate) {
			return nil, malformed
		}
	}
	if list.PeekASN1Tag(cbasn1.SEQUENCE) && !c.readRevoked(&list) || !c.readExtensions(&list) || !list.Empty() {
		return nil, malformed
	}
	c.identifier = algorithm
	c.algorithm, err = crlAlgorithm(algorithm)
	return c, err
}

// readCRLTime wants seconds and UTC (RFC 5280 section 5.1.2.4), as OpenSSL does, which cannot compare other times.
func readCRLTime(in *cryptobyte.String, out *time.Time) bool {
	var element cryptobyte.String
	var tag cbasn1.Tag
	if rest := *in; !rest.ReadAnyASN1(&element, &tag) || !isPlainTime(tag, element) {
		return false
	}
	if tag == cbasn1.UTCTime {
		return in.ReadASN1UTCTime(out)
	}
	return in.ReadASN1GeneralizedTime(out)
}

// readRevoked reads SEQUENCE OF SEQUENCE { serial, date, extensions OPTIONAL }.
func (c *crl) readRevoked(in *cryptobyte.String) bool {
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	c.revoked = make(map[string]time.Time)
	for !list.Empty() {
		var entry, serial cryptobyte.String
		var date time.Time
		if !list.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1(&serial, cbasn1.INTEGER) || !isMinimal(serial) || !readCRLTime(&entry, &date) {
			return false
		}
		c.revoked[string(serial)] = date
		if entry.Empty() {
			continue
		}
		if !eachExtension(&entry, func(id asn1.ObjectIdentifier, critical bool, value cryptobyte.String) bool {
			switch {
			case id.Equal(oidReason) && bytes.Equal(value, removeFromCRL):
				delete(c.revoked, string(serial))
			case id.Equal(oidCertificateIssuer):
				c.unusable = "it is indirect (its entries name other issuers)"
			case critical:
				c.unusable = fmt.Sprintf("an entry has the unknown critical extension %s", id)
			}
			return true
		}) || !entry.Empty() {
			return false
		}
	}
	return true
}

// isMinimal reports whether the content of an INTEGER is as short as DER wants it: a serial number with octets more in front
// would not be found.
func isMinimal(content []byte) bool {
	return len(content) == 1 || len(content) > 1 && (content[0] != 0 || content[1] >= 0x80) && (content[0] != 0xff || content[1] < 0x80)
}

// readExtensions reads crlExtensions [0] EXPLICIT.
func (c *crl) readExtensions(in *cryptobyte.String) bool {
	var explicit cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&explicit, &present, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return false
	}
	if !present {
		return true
	}
	return eachExtension(&explicit, func(id asn1.ObjectIdentifier, critical bool, value cryptobyte.String) bool {
		switch {
		case id.Equal(oidDeltaCRL):
			c.unusable, c.delta = "it is a delta CRL", true
		case id.Equal(oidIssuingDistPoint):
			return c.readDistributionPoint(value)
		case critical && !id.Equal(oidAuthorityKeyID):
			c.unusable = fmt.Sprintf("it has the unknown critical extension %s", id)
		}
		return true
	}) && explicit.Empty()
}

// readDistributionPoint reads IssuingDistributionPoint (RFC 5280 section 5.2.5).
func (c *crl) readDistributionPoint(in cryptobyte.String) bool {
	var body cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() {
		return false
	}
	for !body.Empty() {
		var field cryptobyte.String
		var tag cbasn1.Tag
		if !body.ReadAnyASN1(&field, &tag) {
			return false
		}
		set := len(field) == 1 && field[0] != 0
		switch tag {
		case 0xa0:
			names, ok := pointNames(field, c.issuer)
			if !ok {
				return false
			}
			c.points = names
		case 0x81:
			c.onlyUsers = set
		case 0x82:
			c.onlyCAs = set
		case 0x83:
			c.unusable = "it is for some revocation reasons only"
		case 0x84:
			if set {
				c.unusable = "it is indirect (for several issuers)"
			}
		case 0x85:
			if set {
				c.unusable = "it is for attribute certificates only"
			}
		}
	}
	return true
}

// eachExtension reads Extensions and calls use for each.
func eachExtension(in *cryptobyte.String, use func(id asn1.ObjectIdentifier, critical bool, value cryptobyte.String) bool) bool {
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var id asn1.ObjectIdentifier
		critical := false
		if !list.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&id) ||
			ext.PeekASN1Tag(cbasn1.BOOLEAN) && !ext.ReadASN1Boolean(&critical) ||
			!ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() || !use(id, critical, value) {
			return false
		}
	}
	return true
}

// crlAlgorithm names the signature algorithm. An unknown one is no error: the list fails where it is verified.
func crlAlgorithm(der cryptobyte.String) (x509.SignatureAlgorithm, error) {
	var body cryptobyte.String
	var id asn1.ObjectIdentifier
	if !der.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&id) {
		return 0, errors.New("it is not a CRL")
	}
	switch id.String() {
	case "1.2.840.113549.1.1.4":
		return x509.MD5WithRSA, nil
	case "1.2.840.113549.1.1.5":
		return x509.SHA1WithRSA, nil
	case "1.2.840.113549.1.1.11":
		return x509.SHA256WithRSA, nil
	case "1.2.840.113549.1.1.12":
		return x509.SHA384WithRSA, nil
	case "1.2.840.113549.1.1.13":
		return x509.SHA512WithRSA, nil
	case "1.2.840.10045.4.1":
		return x509.ECDSAWithSHA1, nil
	case "1.2.840.10045.4.3.2":
		return x509.ECDSAWithSHA256, nil
	case "1.2.840.10045.4.3.3":
		return x509.ECDSAWithSHA384, nil
	case "1.2.840.10045.4.3.4":
		return x509.ECDSAWithSHA512, nil
	case "1.3.101.112":
		return x509.PureEd25519, nil
	}
	return x509.UnknownSignatureAlgorithm, nil
}

// signedBy reports whether the CA's key signed the list, by any means that there is: usable asks whether that is enough to
// go by. To be revoked it is.
func (c *crl) signedBy(ca *x509.Certificate) bool {
	key := string(ca.RawSubjectPublicKeyInfo)
	c.mu.Lock()
	defer c.mu.Unlock()
	good, known := c.verifiedBy[key]
	if !known {
		switch {
		case c.algorithm == x509.UnknownSignatureAlgorithm:
			good = proxycert.VerifyOther(c.identifier, ca.PublicKey, c.tbs, c.signature) == nil
		case isWeakly(c.algorithm, ca):
			good = verifyWeak(ca, c.algorithm, c.tbs, c.signature) == nil
		default:
			good = ca.CheckSignature(c.algorithm, c.tbs, c.signature) == nil
		}
		if c.verifiedBy == nil {
			c.verifiedBy = make(map[string]bool)
		}
		c.verifiedBy[key] = good
	}
	return good
}

// has reports whether a serial number is on the list, and since when.
func (c *crl) has(serial *big.Int) (time.Time, bool) {
	date, ok := c.revoked[string(serialOctets(serial))]
	return date, ok
}

// serialOctets are the content of the INTEGER.
func serialOctets(serial *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1BigInt(serial)
	der := cryptobyte.String(b.BytesOrPanic())
	var content cryptobyte.String
	der.ReadASN1(&content, cbasn1.INTEGER)
	return content
}
