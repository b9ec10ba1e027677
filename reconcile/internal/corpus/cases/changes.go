package cases

import (
	"crypto/x509"
	"slices"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of extensions.
var (
	idSubjectKeyID     = []int{2, 5, 29, 14}
	idKeyUsage         = []int{2, 5, 29, 15}
	idSubjectAltName   = []int{2, 5, 29, 17}
	idIssuerAltName    = []int{2, 5, 29, 18}
	idBasicConstraints = []int{2, 5, 29, 19}
	idNameConstraints  = []int{2, 5, 29, 30}
	idCRLPoints        = []int{2, 5, 29, 31}
	idPolicies         = []int{2, 5, 29, 32}
	idAuthorityKeyID   = []int{2, 5, 29, 35}
	idPolicyConstraint = []int{2, 5, 29, 36}
	idExtKeyUsage      = []int{2, 5, 29, 37}
	idInhibitAny       = []int{2, 5, 29, 54}
	idNetscapeCertType = []int{2, 16, 840, 1, 113730, 1, 1}
	idCertInfo         = []int{1, 3, 6, 1, 5, 5, 7, 1, 14}
	idDraftCertInfo    = []int{1, 3, 6, 1, 4, 1, 3536, 1, 222}
	idUnknown          = []int{1, 3, 6, 1, 4, 1, 99999, 1}
)

// with puts an extension in place of the one of its kind, or behind the others.
func with(e ext) change {
	return func(s *spec) {
		if i := slices.IndexFunc(s.exts, func(o ext) bool { return slices.Equal(o.id, e.id) }); i >= 0 {
			s.exts[i] = e
			return
		}
		s.exts = append(s.exts, e)
	}
}

// also adds an extension even where there is one of its kind.
func also(e ext) change { return func(s *spec) { s.exts = append(s.exts, e) } }

func without(id []int) change {
	return func(s *spec) { s.exts = slices.DeleteFunc(s.exts, func(e ext) bool { return slices.Equal(e.id, id) }) }
}

func bare(s *spec) { s.exts = nil }

func version(v int) change            { return func(s *spec) { s.version = v } }
func subject(raw []byte) change       { return func(s *spec) { s.subject = raw } }
func issuerName(raw []byte) change    { return func(s *spec) { s.issuer = raw } }
func serial(content ...byte) change   { return func(s *spec) { s.serial = content } }
func signedWith(a *algorithm) change  { return func(s *spec) { s.algorithm = a } }
func claiming(a *algorithm) change    { return func(s *spec) { s.inner = a } }
func signedBy(k *key) change          { return func(s *spec) { s.signer = k } }
func spoilt(s *spec)                  { s.spoil = true }
func noKeyUsage(s *spec)              { without(idKeyUsage)(s) }
func usage(bits x509.KeyUsage) change { return with(keyUsage(bits)) }
func pathLen(n int64) change          { return with(basicConstraints(true, n)) }
func valid(from, to time.Duration) change {
	return func(s *spec) { s.from, s.to = s.from.Add(from), s.to.Add(to) }
}

// holding gives the certificate another key.
func holding(k *key) change {
	return func(s *spec) {
		s.key = k
		for i, e := range s.exts {
			if slices.Equal(e.id, idSubjectKeyID) {
				s.exts[i] = subjectKeyID(k)
			}
		}
	}
}

// keyUsage numbers the bits from the left, as the BIT STRING does.
func keyUsage(usage x509.KeyUsage) ext {
	var content [2]byte
	last := 0
	for i := range 9 {
		if usage>>i&1 == 1 {
			content[i/8] |= 0x80 >> (i % 8)
			last = i
		}
	}
	n := last/8 + 1
	return ext{idKeyUsage, true, element(cbasn1.BIT_STRING, []byte{byte(8*n - 1 - last)}, content[:n])}
}

// basicConstraints with a negative length has none.
func basicConstraints(ca bool, pathLen int64) ext {
	var flag, length []byte
	if ca {
		flag = []byte{1, 1, 0xff}
	}
	if pathLen >= 0 {
		length = integer(pathLen)
	}
	return ext{idBasicConstraints, true, sequence(flag, length)}
}

func subjectKeyID(k *key) ext { return ext{idSubjectKeyID, false, octets(k.id())} }

func authorityKeyID(k *key) ext {
	return ext{idAuthorityKeyID, false, sequence(element(0x80, k.id()))}
}

// clientAuth is RFC 5280 section 4.2.1.12.
var clientAuth = ext{idExtKeyUsage, false, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 2))}

// altName holds names given as elements: 0x81 e-mail, 0x82 DNS, 0xa4 directory.
func altName(names ...[]byte) ext { return ext{idSubjectAltName, false, sequence(names...)} }

// Policy languages.
var (
	langAny         = []int{1, 3, 6, 1, 5, 5, 7, 21, 0}
	langAll         = []int{1, 3, 6, 1, 5, 5, 7, 21, 1}
	langIndependent = []int{1, 3, 6, 1, 5, 5, 7, 21, 2}
	langLimited     = []int{1, 3, 6, 1, 4, 1, 3536, 1, 1, 1, 9}
	langUnknown     = []int{1, 3, 6, 1, 4, 1, 99999, 2}
)

// certInfo is RFC 3820 section 3.8; the parts after the language are the policy.
func certInfo(length []byte, language []int, policy ...[]byte) ext {
	return ext{idCertInfo, true, sequence(length, sequence(append([][]byte{oid(language...)}, policy...)...))}
}

func draftCertInfo(length []byte, language []int) ext {
	if length != nil {
		length = element(0xa1, length)
	}
	return ext{idDraftCertInfo, true, sequence(sequence(oid(language...)), length)}
}

// Kinds of proxies.

func language(id []int, policy ...[]byte) change { return with(certInfo(nil, id, policy...)) }
func limited(s *spec)                            { language(langLimited)(s) }
func independent(s *spec)                        { language(langIndependent)(s) }
func proxies(n int64) change                     { return with(certInfo(integer(n), langAll)) }

func draftProxy(s *spec) {
	without(idCertInfo)(s)
	with(draftCertInfo(nil, langAll))(s)
}

func draftLimited(s *spec) {
	draftProxy(s)
	with(draftCertInfo(nil, langLimited))(s)
}

func draftProxies(n int64) change {
	return func(s *spec) {
		draftProxy(s)
		with(draftCertInfo(integer(n), langAll))(s)
	}
}

// legacy proxies say what they are by name only.
func legacy(s *spec) {
	without(idCertInfo)(s)
	s.subject = rawName(s.issuer, cn(cbasn1.PrintableString, "proxy"))
}

func legacyLimited(s *spec) {
	legacy(s)
	s.subject = rawName(s.issuer, cn(cbasn1.PrintableString, "limited proxy"))
}

// called gives a proxy another CN, of the type given.
func called(tag cbasn1.Tag, value string) change {
	return func(s *spec) { s.subject = rawName(s.issuer, cn(tag, value)) }
}

func softCertInfo(s *spec) {
	e := certInfo(nil, langAll)
	e.critical = false
	with(e)(s)
}
