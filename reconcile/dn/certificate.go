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
// CRL distribution points with a name relative to the issuer, which crypto/x509 does not know either, are left out of
// CRLDistributionPoints.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		return cert, nil
	}
	// It is parsed with other tags in the place of those that are objected to. Its parts are slices of what was parsed, so that
	// they are right again as soon as that is; what was signed is among them.
	own := bytes.Clone(der)
	if !ease(own) {
		return nil, err
	}
	cert, easedErr := x509.ParseCertificate(own)
	copy(own, der)
	if easedErr != nil || !bytes.Equal(cert.Raw, der) {
		return nil, err
	}
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(oidEased) {
			cert.Extensions[i].Id = oidCRLPoints
		}
	}
	return cert, nil
}

var (
	oidCRLPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidEased     = asn1.ObjectIdentifier{2, 5, 29, 127} // nobody's
)

// ease changes tags of a certificate in their places, and reports whether there were any to change.
func ease(der []byte) (changed bool) {
	in := cryptobyte.String(der)
	var cert, tbs, issuer, subject, explicit, extensions cryptobyte.String
	var present bool
	const version, issuerID, subjectID, extension = cbasn1.Tag(0xa0), cbasn1.Tag(0x81), cbasn1.Tag(0x82), cbasn1.Tag(0xa3)
	if !in.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.SkipOptionalASN1(version) ||
		!tbs.SkipASN1(cbasn1.INTEGER) || !tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.ReadASN1(&issuer, cbasn1.SEQUENCE) ||
		!tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.ReadASN1(&subject, cbasn1.SEQUENCE) || !tbs.SkipASN1(cbasn1.SEQUENCE) {
		return false
	}
	changed = easeName(issuer)
	changed = easeName(subject) || changed
	if !tbs.SkipOptionalASN1(issuerID) || !tbs.SkipOptionalASN1(subjectID) || !tbs.ReadOptionalASN1(&explicit, &present, extension) || !present ||
		!explicit.ReadASN1(&extensions, cbasn1.SEQUENCE) {
		return changed
	}
	for !extensions.Empty() {
		var e, id, value cryptobyte.String
		if !extensions.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) || !e.SkipOptionalASN1(cbasn1.BOOLEAN) ||
			!e.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return changed
		}
		if string(id) == "\x55\x1d\x1f" && hasRelativePoint(value) {
			id[2], changed = 127, true
		}
	}
	return changed
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
	case tagUniversalString: // OpenSSL reads it; of VisibleString neither of them does
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
