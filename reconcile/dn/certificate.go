package dn

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ParseCertificate is x509.ParseCertificate, and also reads certificates whose names break the rules of their string types:
// an underscore in a PrintableString, Latin letters in an IA5String, types that crypto/x509 does not know. CAs have made such
// names for decades, and OpenSSL and Java read them. All that is raw in the certificate is as it was, octet for octet;
// Subject and Issuer take such strings for Latin-1.
//
// Nor does it refuse a certificate for what nobody goes by: certificatePolicies that are not critical, authorityInfoAccess,
// CRL distribution points with a name relative to the issuer, and a subjectAltName with a name that is not of its kind, such
// as an address in Latin-1. The fields that crypto/x509 takes from such an extension are left empty, those of name constraints,
// too, which package trust reads itself. An EC key on another curve than those of crypto/elliptic is left out: PublicKey is nil,
// as for all algorithms that crypto/x509 does not know.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		return cert, nil
	}
	for _, how := range [...]easing{{}, {altNames: true}, {altNames: true, key: true}} {
		if cert := parseEased(der, how); cert != nil {
			return cert, nil
		}
	}
	return nil, err
}

// An easing says what else is hidden, beyond what nobody misses.
type easing struct{ altNames, key bool }

// parseEased parses it with other tags and identifiers in the place of those that are objected to, and then puts those back.
// Its parts are slices of what was parsed, so that they are right again as soon as that is; what was signed is among them.
func parseEased(der []byte, how easing) *x509.Certificate {
	own := bytes.Clone(der)
	hidden, changed := ease(own, how)
	if !changed {
		return nil
	}
	cert, err := x509.ParseCertificate(own)
	copy(own, der)
	if err != nil || !bytes.Equal(cert.Raw, der) {
		return nil
	}
	for i, id := range hidden {
		if i >= len(cert.Extensions) { // of a version that has none
			return nil
		}
		cert.Extensions[i].Id = id
	}
	return cert
}

// ease changes tags of names in their places, and hides extensions behind an identifier of the same length: it returns which,
// by their number, and whether anything was changed.
func ease(der []byte, how easing) (hidden map[int]asn1.ObjectIdentifier, changed bool) {
	in := cryptobyte.String(der)
	var cert, tbs, issuer, subject, key, explicit, extensions cryptobyte.String
	var present bool
	const version, issuerID, subjectID, extension = cbasn1.Tag(0xa0), cbasn1.Tag(0x81), cbasn1.Tag(0x82), cbasn1.Tag(0xa3)
	if !in.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.SkipOptionalASN1(version) ||
		!tbs.SkipASN1(cbasn1.INTEGER) || !tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.ReadASN1(&issuer, cbasn1.SEQUENCE) ||
		!tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.ReadASN1(&subject, cbasn1.SEQUENCE) || !tbs.ReadASN1(&key, cbasn1.SEQUENCE) {
		return nil, false
	}
	changed = easeName(issuer)
	changed = easeName(subject) || changed
	changed = how.key && easeKey(key) || changed
	if !tbs.SkipOptionalASN1(issuerID) || !tbs.SkipOptionalASN1(subjectID) || !tbs.ReadOptionalASN1(&explicit, &present, extension) || !present ||
		!explicit.ReadASN1(&extensions, cbasn1.SEQUENCE) {
		return nil, changed
	}
	hidden = make(map[int]asn1.ObjectIdentifier)
	for i := 0; !extensions.Empty(); i++ {
		var e, id, value cryptobyte.String
		if !extensions.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) {
			return nil, false
		}
		critical := e.PeekASN1Tag(cbasn1.BOOLEAN)
		if !e.SkipOptionalASN1(cbasn1.BOOLEAN) || !e.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil, false
		}
		if h := hideableAs(id); h != nil && h.may(critical, value) && (how.altNames || h.as != altNamesAs) {
			id[len(id)-1] = h.as
			hidden[i], changed = h.id, true
		}
	}
	return hidden, changed
}

// A hideable extension need not be understood. While it is hidden its identifier, here as id and as octets, ends with another
// octet, so that it is nobody's; two of a kind are still two of a kind, and refused.
type hideable struct {
	id     asn1.ObjectIdentifier
	octets string
	as     byte
	may    func(critical bool, value cryptobyte.String) bool
}

const altNamesAs = 0x7d

var hideables = [...]hideable{
	{asn1.ObjectIdentifier{2, 5, 29, 31}, "\x55\x1d\x1f", 0x7f, func(_ bool, value cryptobyte.String) bool { return hasRelativePoint(value) }},
	{asn1.ObjectIdentifier{2, 5, 29, 32}, "\x55\x1d\x20", 0x7e, isUnimportant},
	{asn1.ObjectIdentifier{2, 5, 29, 17}, "\x55\x1d\x11", altNamesAs, func(_ bool, value cryptobyte.String) bool { return isGeneralNames(value) }},
	{asn1.ObjectIdentifier{2, 5, 29, 30}, "\x55\x1d\x1e", 0x7b, func(bool, cryptobyte.String) bool { return true }}, // for package trust to read
	{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, "\x2b\x06\x01\x05\x05\x07\x01\x01", 0x7c, isUnimportant},
}

func isUnimportant(critical bool, _ cryptobyte.String) bool { return !critical }

func hideableAs(id []byte) *hideable {
	for i := range hideables {
		if string(id) == hideables[i].octets {
			return &hideables[i]
		}
	}
	return nil
}

// isGeneralNames reports whether the value is a SEQUENCE of elements with the tags of GeneralName, which is what OpenSSL wants
// of a subjectAltName, and no less.
func isGeneralNames(value cryptobyte.String) bool {
	var list cryptobyte.String
	if !value.ReadASN1(&list, cbasn1.SEQUENCE) || !value.Empty() {
		return false
	}
	for !list.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&name, &tag) || tag&0xc0 != 0x80 || tag&0x1f > 8 {
			return false
		}
	}
	return true
}

// easeKey makes an EC key, which is of a curve that crypto/x509 does not know, one of an algorithm that it does not know.
func easeKey(info cryptobyte.String) bool {
	const idPublicKey = "\x2a\x86\x48\xce\x3d\x02\x01" // 1.2.840.10045.2.1
	var algorithm, id cryptobyte.String
	if !info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) || string(id) != idPublicKey {
		return false
	}
	id[len(id)-1] = 0x7f
	return true
}

// easeName gives values that crypto/x509 would refuse the tag of T61String, which may hold anything.
func easeName(rdns cryptobyte.String) (changed bool) {
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return changed
		}
		for !set.Empty() {
			var pair, element cryptobyte.String
			var tag cbasn1.Tag
			if !set.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.SkipASN1(cbasn1.OBJECT_IDENTIFIER) || !pair.ReadAnyASN1Element(&element, &tag) {
				return changed
			}
			content := element
			if content.ReadAnyASN1(&content, &tag) && breaks(tag, content) {
				element[0], changed = asn1.TagT61String, true
			}
		}
	}
	return changed
}

// breaks reports whether crypto/x509 refuses a value of a string type for its content or for the type.
func breaks(tag cbasn1.Tag, value []byte) bool {
	switch tag {
	case cbasn1.PrintableString:
		return !isPrintable(string(value))
	case cbasn1.IA5String:
		return !isASCII(string(value))
	case asn1.TagNumericString:
		return bytes.ContainsFunc(value, func(r rune) bool { return r != ' ' && (r < '0' || r > '9') })
	case tagUniversalString, cbasn1.BIT_STRING: // OpenSSL reads both; x500UniqueIdentifier is the second. It does not read VisibleString
		return true
	}
	return false
}

// hasRelativePoint reports whether a value of cRLDistributionPoints has a nameRelativeToCRLIssuer (RFC 5280 section 4.2.1.13).
func hasRelativePoint(value []byte) bool {
	in := cryptobyte.String(value)
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var point, name cryptobyte.String
		var present bool
		if !list.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &present, cbasn1.Tag(0xa0)) {
			return false
		}
		if present && name.PeekASN1Tag(cbasn1.Tag(0xa1)) {
			return true
		}
	}
	return false
}
