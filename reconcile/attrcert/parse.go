package attrcert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

const (
	tagURI  cbasn1.Tag = 0x86 // GeneralName uniformResourceIdentifier: [6], primitive
	tagName cbasn1.Tag = 0xa4 // GeneralName directoryName: [4], constructed, explicit since Name is a CHOICE
	tag0    cbasn1.Tag = 0xa0 // [0], constructed
)

// parseExtension reads SEQUENCE { SEQUENCE OF AttributeCertificate }. Several inner sequences are joined, which is what the
// ASN.1 of the VOMS profile (SEQUENCE OF ACSeq) would allow.
func (r Reader) parseExtension(value []byte) ([]*AC, error) {
	if len(value) > maxSize {
		return nil, fmt.Errorf("%d bytes are more than the %d allowed", len(value), maxSize)
	}
	in, outer := cryptobyte.String(value), cryptobyte.String(nil)
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("it is not one DER sequence")
	}
	var acs []*AC
	for !outer.Empty() {
		var list cryptobyte.String
		if !outer.ReadASN1(&list, cbasn1.SEQUENCE) {
			return nil, errors.New("malformed sequence of attribute certificates")
		}
		for !list.Empty() {
			var der cryptobyte.String
			if len(acs) == maxACs || !list.ReadASN1Element(&der, cbasn1.SEQUENCE) {
				return nil, fmt.Errorf("malformed attribute certificate number %d", len(acs)+1)
			}
			ac, err := r.parse(bytes.Clone(der))
			if err != nil {
				return nil, fmt.Errorf("attribute certificate number %d: %w", len(acs)+1, err)
			}
			acs = append(acs, ac)
		}
	}
	if len(acs) == 0 {
		return nil, ErrNoAC
	}
	return acs, nil
}

// parse reads the outer structure (RFC 5755 section 4.1). The AC keeps der.
func (r Reader) parse(der []byte) (*AC, error) {
	in := cryptobyte.String(der)
	var body, info, inner, outer cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return nil, errors.New("it is not a DER sequence")
	}
	if !in.Empty() {
		return nil, fmt.Errorf("%d bytes follow it", len(in))
	}
	ac := &AC{Raw: der}
	if !body.ReadASN1Element(&info, cbasn1.SEQUENCE) {
		return nil, errors.New("malformed acinfo")
	}
	ac.RawInfo = info
	if !body.ReadASN1Element(&outer, cbasn1.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&ac.Signature) || !body.Empty() {
		return nil, errors.New("malformed signature")
	}
	if err := ac.parseInfo(r, info, &inner); err != nil {
		return nil, err
	}
	if !bytes.Equal(inner, outer) {
		return nil, errors.New("the signature algorithm inside and outside of acinfo differ")
	}
	var err error
	if ac.SignatureAlgorithm, err = signatureAlgorithm(outer); err != nil {
		return nil, err
	}
	return ac, nil
}

// parseInfo reads AttributeCertificateInfo; alg is set to its AlgorithmIdentifier.
func (ac *AC) parseInfo(r Reader, in cryptobyte.String, alg *cryptobyte.String) error {
	var body, holder, issuer, validity, attributes, extensions cryptobyte.String
	var version int
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&version) {
		return errors.New("malformed version")
	}
	if version != 1 {
		return fmt.Errorf("version is %d, not 1 (v2)", version)
	}
	if !body.ReadASN1(&holder, cbasn1.SEQUENCE) || !ac.parseHolder(holder) {
		return errors.New("the holder is not a baseCertificateID of one directory name and a serial number")
	}
	if !body.ReadASN1(&issuer, tag0) || !ac.parseIssuer(issuer) {
		return errors.New("the issuer is not one directory name")
	}
	if !body.ReadASN1Element(alg, cbasn1.SEQUENCE) {
		return errors.New("malformed signature algorithm")
	}
	var ok bool
	var issuerUniqueID asn1.BitString
	if ac.SerialNumber, ok = readSerial(&body); !ok {
		return fmt.Errorf("the serial number is not an integer of at most %d octets", maxSerial)
	}
	if !body.ReadASN1(&validity, cbasn1.SEQUENCE) || !readTime(&validity, &ac.NotBefore) || !readTime(&validity, &ac.NotAfter) || !validity.Empty() {
		return errors.New("the validity is not two GeneralizedTimes")
	}
	if !body.ReadASN1(&attributes, cbasn1.SEQUENCE) {
		return errors.New("malformed attributes")
	}
	if err := ac.parseAttributes(attributes); err != nil {
		return err
	}
	if body.PeekASN1Tag(cbasn1.BIT_STRING) && !body.ReadASN1BitString(&issuerUniqueID) {
		return errors.New("malformed issuerUniqueID")
	}
	var present bool
	if !body.ReadOptionalASN1(&extensions, &present, cbasn1.SEQUENCE) || !body.Empty() {
		return errors.New("malformed extensions")
	}
	return ac.parseExtensions(r, extensions)
}

// parseHolder reads Holder with baseCertificateID [0] IMPLICIT IssuerSerial and nothing else. An issuerUID, which VOMS
// never writes, is refused because it would have to be compared.
func (ac *AC) parseHolder(in cryptobyte.String) bool {
	var base, names cryptobyte.String
	if !in.ReadASN1(&base, tag0) || !in.Empty() || !base.ReadASN1(&names, cbasn1.SEQUENCE) {
		return false
	}
	var ok bool
	if ac.HolderName, ok = readDirectoryName(names); !ok {
		return false
	}
	ac.HolderSerial, ok = readSerial(&base)
	return ok && base.Empty()
}

// parseIssuer reads the content of [0] IMPLICIT V2Form.
func (ac *AC) parseIssuer(in cryptobyte.String) bool {
	var names cryptobyte.String
	if !in.ReadASN1(&names, cbasn1.SEQUENCE) || !in.Empty() {
		return false
	}
	var ok bool
	ac.Issuer, ok = readDirectoryName(names)
	return ok
}

// readDirectoryName reads the content of GeneralNames that must be exactly one directory name, and not an empty one.
func readDirectoryName(names cryptobyte.String) (dn.Name, bool) {
	var explicit, der cryptobyte.String
	if !names.ReadASN1(&explicit, tagName) || !names.Empty() || !explicit.ReadASN1Element(&der, cbasn1.SEQUENCE) || !explicit.Empty() {
		return dn.Name{}, false
	}
	name, err := dn.FromDER(der)
	return name, err == nil && !name.IsEmpty()
}

func readSerial(in *cryptobyte.String) (*big.Int, bool) {
	n := new(big.Int)
	if !in.ReadASN1Integer(n) {
		return nil, false
	}
	return n, n.BitLen() <= 8*maxSerial
}

// readTime reads a GeneralizedTime in the form that RFC 5755 section 4.2.6 demands: seconds, no fraction, Z.
func readTime(in *cryptobyte.String, out *time.Time) bool {
	var raw cryptobyte.String
	if !in.ReadASN1(&raw, cbasn1.GeneralizedTime) {
		return false
	}
	t, err := time.Parse("20060102150405Z", string(raw))
	*out = t
	return err == nil && len(raw) == len("20060102150405Z")
}

// parseAttributes reads SEQUENCE OF Attribute. VOMS's own type must be there exactly once; others are passed over.
func (ac *AC) parseAttributes(in cryptobyte.String) error {
	found := false
	for n := 0; !in.Empty(); n++ {
		var attribute, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if n == maxAttrs || !in.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return errors.New("malformed attributes")
		}
		if !oid.Equal(oidFQANs) {
			continue
		}
		if found {
			return errors.New("there are two VOMS attributes")
		}
		found = true
		if err := ac.parseFQANs(values); err != nil {
			return err
		}
	}
	if !found {
		return errors.New("there is no VOMS attribute")
	}
	return nil
}

// parseFQANs reads one IetfAttrSyntax (RFC 5755 section 4.4): the policy authority and FQANs as OCTET STRINGs.
func (ac *AC) parseFQANs(set cryptobyte.String) error {
	var syntax, authority, uri, values cryptobyte.String
	if !set.ReadASN1(&syntax, cbasn1.SEQUENCE) || !set.Empty() {
		return errors.New("the VOMS attribute has not exactly one value")
	}
	if !syntax.ReadASN1(&authority, tag0) || !authority.ReadASN1(&uri, tagURI) || !authority.Empty() {
		return errors.New("the VOMS attribute has not exactly one policy authority")
	}
	if !syntax.ReadASN1(&values, cbasn1.SEQUENCE) || !syntax.Empty() {
		return errors.New("malformed FQANs")
	}
	ac.PolicyAuthority = string(uri)
	var err error
	if ac.VO, ac.Host, ac.Port, err = splitAuthority(ac.PolicyAuthority); err != nil {
		return err
	}
	for !values.Empty() {
		var v cryptobyte.String
		if len(ac.RawFQANs) == maxFQANs || !values.ReadASN1(&v, cbasn1.OCTET_STRING) || len(v) > maxFQANLen || !isText(v) {
			return fmt.Errorf("malformed FQAN number %d", len(ac.RawFQANs)+1)
		}
		ac.RawFQANs = append(ac.RawFQANs, string(v))
		ac.FQANs = append(ac.FQANs, Normalize(string(v)))
	}
	return nil
}

// splitAuthority splits "vo://host:port". VO and host become parts of file names (the LSC file), so that nothing but the
// characters of such names is let through.
func splitAuthority(s string) (vo, host string, port int, err error) {
	bad := fmt.Errorf("the policy authority %.200q is not of the form vo://host:port", s)
	vo, rest, ok := strings.Cut(s, "://")
	if !ok || !isWord(vo) || vo[0] == '.' {
		return "", "", 0, bad
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return "", "", 0, bad
	}
	host = rest[:i]
	if h, isV6 := strings.CutPrefix(host, "["); isV6 {
		h, closed := strings.CutSuffix(h, "]")
		if !closed || !isWord(strings.ReplaceAll(h, ":", "")) {
			return "", "", 0, bad
		}
		host = h
	} else if !isWord(host) || host[0] == '.' {
		return "", "", 0, bad
	}
	n, err := strconv.ParseUint(rest[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", "", 0, bad
	}
	return vo, host, int(n), nil
}

// isText reports whether b is UTF-8 without control characters, and not empty.
func isText(b []byte) bool {
	return len(b) > 0 && utf8.Valid(b) && !bytes.ContainsFunc(b, unicode.IsControl)
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return len(b) > 0
}

func (ac *AC) parseExtensions(r Reader, in cryptobyte.String) error {
	seen := make(map[string]bool)
	for !in.Empty() {
		var ext, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !in.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&oid) {
			return errors.New("malformed extension")
		}
		critical := false
		// DER leaves out a default, so that a BOOLEAN that is there must be TRUE.
		if ext.PeekASN1Tag(cbasn1.BOOLEAN) && (!ext.ReadASN1Boolean(&critical) || !critical) {
			return fmt.Errorf("malformed critical flag of extension %s", oid)
		}
		if !ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return fmt.Errorf("malformed extension %s", oid)
		}
		if seen[oid.String()] {
			return fmt.Errorf("extension %s is there twice", oid)
		}
		seen[oid.String()] = true
		if critical && !oid.Equal(oidTargets) {
			ac.UnhandledCritical = append(ac.UnhandledCritical, oid)
		}
		if err := ac.parseExtension(r, oid, value); err != nil {
			return err
		}
	}
	return nil
}

func (ac *AC) parseExtension(r Reader, oid asn1.ObjectIdentifier, value cryptobyte.String) error {
	switch {
	case oid.Equal(oidNoRevAvail):
		var null cryptobyte.String
		if !value.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !value.Empty() {
			return errors.New("malformed noRevAvail")
		}
		ac.NoRevAvail = true
	case oid.Equal(oidAuthorityKey):
		return ac.parseAuthorityKeyID(value)
	case oid.Equal(oidTargets):
		return ac.parseTargets(value)
	case oid.Equal(oidCertSequence):
		return ac.parseCertificates(r, value)
	case oid.Equal(oidAttributes):
		return ac.parseGenericAttributes(value)
	}
	return nil
}

// parseAuthorityKeyID reads the keyIdentifier [0]; the other two fields (RFC 5280 section 4.2.1.1) are passed over.
func (ac *AC) parseAuthorityKeyID(in cryptobyte.String) error {
	var body, keyID cryptobyte.String
	var present bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() ||
		!body.ReadOptionalASN1(&keyID, &present, cbasn1.Tag(0).ContextSpecific()) ||
		!body.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific().Constructed()) ||
		!body.SkipOptionalASN1(cbasn1.Tag(2).ContextSpecific()) || !body.Empty() {
		return errors.New("malformed authorityKeyIdentifier")
	}
	if present {
		ac.AuthorityKeyID = keyID
	}
	return nil
}

// parseTargets reads what vomsd writes, SEQUENCE { SEQUENCE OF SEQUENCE { [0] name } }, and what RFC 5755 section 4.3.2
// has, where the innermost SEQUENCE is not there. A target that is not a URI is an error: it cannot be compared.
func (ac *AC) parseTargets(in cryptobyte.String) error {
	malformed := errors.New("malformed targets")
	var outer, list cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() {
		return malformed
	}
	for !outer.Empty() {
		if !outer.ReadASN1(&list, cbasn1.SEQUENCE) {
			return malformed
		}
		for !list.Empty() {
			target := list
			if list.PeekASN1Tag(cbasn1.SEQUENCE) {
				if !list.ReadASN1(&target, cbasn1.SEQUENCE) {
					return malformed
				}
			} else if !list.ReadASN1Element(&target, tag0) {
				return malformed
			}
			var name, uri cryptobyte.String
			if len(ac.Targets) == maxTargets || !target.ReadASN1(&name, tag0) || !target.Empty() ||
				!name.ReadASN1(&uri, tagURI) || !name.Empty() || !isPrintable(uri) {
				return malformed
			}
			ac.Targets = append(ac.Targets, string(uri))
		}
	}
	if len(ac.Targets) == 0 {
		return malformed // an empty list would be for nobody, and must not look like no list
	}
	return nil
}

func (r Reader) certificate(der []byte) (*x509.Certificate, error) {
	if r.ParseCertificate != nil {
		return r.ParseCertificate(der)
	}
	return dn.ParseCertificate(der)
}

func (ac *AC) parseCertificates(r Reader, in cryptobyte.String) error {
	var outer, list cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1(&list, cbasn1.SEQUENCE) || !outer.Empty() {
		return errors.New("malformed AA certificate chain")
	}
	for !list.Empty() {
		var der cryptobyte.String
		if len(ac.Certificates) == maxCerts || !list.ReadASN1Element(&der, cbasn1.SEQUENCE) {
			return errors.New("malformed AA certificate chain")
		}
		cert, err := r.certificate(der)
		if err != nil {
			return fmt.Errorf("certificate %d of the AA certificate chain: %w", len(ac.Certificates)+1, err)
		}
		ac.Certificates = append(ac.Certificates, cert)
	}
	return nil
}

// parseGenericAttributes reads SEQUENCE { SEQUENCE OF SEQUENCE { grantor GeneralNames, SEQUENCE OF SEQUENCE { name, value,
// qualifier } } }. VOMS servers before 1.9 wrote it with nothing inside.
func (ac *AC) parseGenericAttributes(in cryptobyte.String) error {
	malformed := errors.New("malformed generic attributes")
	var outer, holders cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() {
		return malformed
	}
	if outer.Empty() {
		return nil
	}
	if !outer.ReadASN1(&holders, cbasn1.SEQUENCE) || !outer.Empty() {
		return malformed
	}
	for !holders.Empty() {
		var holder, grantor, list cryptobyte.String
		if !holders.ReadASN1(&holder, cbasn1.SEQUENCE) || !holder.ReadASN1(&grantor, cbasn1.SEQUENCE) ||
			!holder.ReadASN1(&list, cbasn1.SEQUENCE) || !holder.Empty() {
			return malformed
		}
		for !list.Empty() {
			var one, name, value, qualifier cryptobyte.String
			if len(ac.Attributes) == maxAttrs || !list.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1(&name, cbasn1.OCTET_STRING) ||
				!one.ReadASN1(&value, cbasn1.OCTET_STRING) || !one.ReadASN1(&qualifier, cbasn1.OCTET_STRING) || !one.Empty() {
				return malformed
			}
			ac.Attributes = append(ac.Attributes, Attribute{string(name), string(value), string(qualifier)})
		}
	}
	return nil
}
