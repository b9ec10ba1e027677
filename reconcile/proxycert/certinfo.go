package proxycert

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The extension's two object identifiers. They go with two layouts that cannot be told apart when there is no path
// length.
var (
	OIDCertInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}     // RFC 3820 section 3.8
	OIDDraftCertInfo = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 222} // Globus Toolkit 3
)

// Policy languages (RFC 3820 section 3.8.2). LanguageLimited is Globus': delegation yes, job submission no.
var (
	LanguageAny         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 0}
	LanguageInheritAll  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 1}
	LanguageIndependent = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 2}
	LanguageLimited     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 1, 1, 9}
)

// CertInfo is the ProxyCertInfo extension (RFC 3820 section 3.8).
type CertInfo struct {
	PathLen  *int // how many proxies may be below; nil: unlimited
	Language asn1.ObjectIdentifier
	Policy   []byte // nil: absent
}

// Limited reports whether the policy is Globus' limited proxy.
func (ci *CertInfo) Limited() bool { return ci.Language.Equal(LanguageLimited) }

var tagDraftPathLen = cbasn1.Tag(1).ContextSpecific().Constructed()

// ParseCertInfo reads the extension's value in the layout of RFC 3820:
//
//	SEQUENCE { pCPathLenConstraint INTEGER OPTIONAL, SEQUENCE { policyLanguage, policy OCTET STRING OPTIONAL } }
//
// A path length of 0 is not the same as none.
func ParseCertInfo(value []byte) (*CertInfo, error) {
	seq, err := outerSequence(value)
	if err != nil {
		return nil, err
	}
	ci := new(CertInfo)
	if seq.PeekASN1Tag(cbasn1.INTEGER) {
		if ci.PathLen, err = readPathLen(&seq); err != nil {
			return nil, err
		}
	}
	if err := ci.readPolicy(&seq); err != nil {
		return nil, err
	}
	if !seq.Empty() {
		return nil, errors.New("ProxyCertInfo: more than a path length and a policy")
	}
	return ci, nil
}

// ParseDraftCertInfo reads the layout of Globus Toolkit 3, where the path length comes last and is tagged:
//
//	SEQUENCE { SEQUENCE { policyLanguage, policy OCTET STRING OPTIONAL }, [1] EXPLICIT INTEGER OPTIONAL }
func ParseDraftCertInfo(value []byte) (*CertInfo, error) {
	seq, err := outerSequence(value)
	if err != nil {
		return nil, err
	}
	ci := new(CertInfo)
	if err := ci.readPolicy(&seq); err != nil {
		return nil, err
	}
	var tagged cryptobyte.String
	var present bool
	if !seq.ReadOptionalASN1(&tagged, &present, tagDraftPathLen) || !seq.Empty() {
		return nil, errors.New("ProxyCertInfo: malformed draft form")
	}
	if present {
		if ci.PathLen, err = readPathLen(&tagged); err != nil {
			return nil, err
		}
		if !tagged.Empty() {
			return nil, errors.New("ProxyCertInfo: malformed draft path length")
		}
	}
	return ci, nil
}

func outerSequence(value []byte) (cryptobyte.String, error) {
	in := cryptobyte.String(value)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("ProxyCertInfo: not one SEQUENCE")
	}
	return seq, nil
}

func readPathLen(s *cryptobyte.String) (*int, error) {
	var n int64
	if !s.ReadASN1Integer(&n) || n < 0 || n > math.MaxInt32 {
		return nil, errors.New("ProxyCertInfo: the path length is not a number from 0 to 2147483647")
	}
	out := int(n)
	return &out, nil
}

func (ci *CertInfo) readPolicy(s *cryptobyte.String) error {
	var policy, octets cryptobyte.String
	var present bool
	if !s.ReadASN1(&policy, cbasn1.SEQUENCE) ||
		!policy.ReadASN1ObjectIdentifier(&ci.Language) ||
		!policy.ReadOptionalASN1(&octets, &present, cbasn1.OCTET_STRING) ||
		!policy.Empty() {
		return errors.New("ProxyCertInfo: malformed policy")
	}
	if present {
		if ci.Language.Equal(LanguageInheritAll) || ci.Language.Equal(LanguageIndependent) {
			return errors.New("ProxyCertInfo: a policy beside inherit-all or independent (RFC 3820 section 3.8.2)")
		}
		ci.Policy = append([]byte{}, octets...)
	}
	return nil
}

// Extension returns the critical extension in the form of RFC 3820.
func (ci *CertInfo) Extension() (pkix.Extension, error) {
	return ci.extension(OIDCertInfo, func(b *cryptobyte.Builder) {
		if ci.PathLen != nil {
			b.AddASN1Int64(int64(*ci.PathLen))
		}
		ci.addPolicy(b)
	})
}

// DraftExtension returns the critical extension in the form of Globus Toolkit 3. Nothing here issues such proxies; it
// serves to test what reads them.
func (ci *CertInfo) DraftExtension() (pkix.Extension, error) {
	return ci.extension(OIDDraftCertInfo, func(b *cryptobyte.Builder) {
		ci.addPolicy(b)
		if ci.PathLen != nil {
			b.AddASN1(tagDraftPathLen, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(*ci.PathLen)) })
		}
	})
}

func (ci *CertInfo) extension(id asn1.ObjectIdentifier, body func(*cryptobyte.Builder)) (pkix.Extension, error) {
	if ci.PathLen != nil && (*ci.PathLen < 0 || *ci.PathLen > math.MaxInt32) {
		return pkix.Extension{}, errors.New("ProxyCertInfo: the path length is not a number from 0 to 2147483647")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, body)
	value, err := b.Bytes()
	return pkix.Extension{Id: id, Critical: true, Value: bytes.Clone(value)}, err
}

func (ci *CertInfo) addPolicy(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(ci.Language)
		if ci.Policy != nil {
			b.AddASN1OctetString(ci.Policy)
		}
	})
}
