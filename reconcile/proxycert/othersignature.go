package proxycert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-224, too
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Signature algorithms that OpenSSL and Java know and crypto/x509 does not: SHA-224, and RSASSA-PSS with another length of salt
// than that of the hash, which is what openssl makes unless told otherwise.

// errNotBy is what crypto/x509 says, too.
var errNotBy = errors.New("verification error")

// An otherAlgorithm is such a one.
type otherAlgorithm struct {
	name string
	hash crypto.Hash
	ec   bool
	salt int // of RSASSA-PSS; negative: PKCS#1 v1.5, or ECDSA
}

var (
	oidSHA224WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14}
	oidECDSAWithSHA224 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1}
	oidPSS             = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

// hashes are those of RSASSA-PSS (RFC 4055 section 2.1).
var hashes = [...]struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
	name string
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1, "SHA1"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, crypto.SHA224, "SHA224"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256, "SHA256"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384, "SHA384"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512, "SHA512"},
}

// VerifyOther verifies a signature whose algorithm, an AlgorithmIdentifier in DER, crypto/x509 does not know: for certificates
// and CRLs with [x509.UnknownSignatureAlgorithm]. An algorithm that is not known here either gives
// [x509.ErrUnsupportedAlgorithm], one by SHA-1 an [x509.InsecureAlgorithmError].
func VerifyOther(algorithm []byte, signer crypto.PublicKey, signed, signature []byte) error {
	a, ok := readAlgorithm(algorithm)
	if !ok {
		return x509.ErrUnsupportedAlgorithm
	}
	if a.hash == crypto.SHA1 {
		return x509.InsecureAlgorithmError(x509.SHA1WithRSA)
	}
	if err := checkLength(signer); err != nil {
		return err
	}
	h := a.hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	switch key := signer.(type) {
	case *ecdsa.PublicKey:
		if !a.ec {
			return x509.ErrUnsupportedAlgorithm
		}
		if !ecdsa.VerifyASN1(key, digest, signature) {
			return errNotBy
		}
		return nil
	case *rsa.PublicKey:
		switch {
		case a.ec:
			return x509.ErrUnsupportedAlgorithm
		case a.salt < 0:
			return rsa.VerifyPKCS1v15(key, a.hash, digest, signature)
		}
		// No salt at all is the option for any length; what the signature says of it is under the signature, too.
		return rsa.VerifyPSS(key, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: a.salt, Hash: a.hash})
	}
	return x509.ErrUnsupportedAlgorithm
}

func readAlgorithm(der cryptobyte.String) (a otherAlgorithm, ok bool) {
	var body cryptobyte.String
	var id asn1.ObjectIdentifier
	if !der.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&id) {
		return a, false
	}
	switch {
	case id.Equal(oidSHA224WithRSA):
		return otherAlgorithm{name: "SHA224-RSA", hash: crypto.SHA224, salt: -1}, true
	case id.Equal(oidECDSAWithSHA224):
		return otherAlgorithm{name: "ECDSA-SHA224", hash: crypto.SHA224, ec: true, salt: -1}, true
	case id.Equal(oidPSS):
		return readPSS(body)
	}
	return a, false
}

// readPSS reads RSASSA-PSS-params (RFC 4055 section 3.1). Both hashes must be the same one.
func readPSS(in cryptobyte.String) (a otherAlgorithm, ok bool) {
	var params, hash, mgf, salt cryptobyte.String
	var hasHash, hasMGF, hasSalt bool
	if !in.ReadASN1(&params, cbasn1.SEQUENCE) || !params.ReadOptionalASN1(&hash, &hasHash, explicit(0)) ||
		!params.ReadOptionalASN1(&mgf, &hasMGF, explicit(1)) || !params.ReadOptionalASN1(&salt, &hasSalt, explicit(2)) ||
		!params.SkipOptionalASN1(explicit(3)) || !params.Empty() {
		return a, false
	}
	a = otherAlgorithm{name: "SHA1-RSAPSS", hash: crypto.SHA1, salt: 20}
	if hasHash {
		if a.hash, a.name, ok = readHash(hash); !ok {
			return a, false
		}
		a.name += "-RSAPSS"
	}
	inner := crypto.SHA1
	if hasMGF {
		var body cryptobyte.String
		var id asn1.ObjectIdentifier
		if !mgf.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidMGF1) {
			return a, false
		}
		if inner, _, ok = readHash(body); !ok {
			return a, false
		}
	}
	if hasSalt && (!salt.ReadASN1Integer(&a.salt) || a.salt < 0 || a.salt > MaxRSABits/8) {
		return a, false
	}
	return a, inner == a.hash
}

func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

func readHash(in cryptobyte.String) (crypto.Hash, string, bool) {
	var body cryptobyte.String
	var id asn1.ObjectIdentifier
	if in.ReadASN1(&body, cbasn1.SEQUENCE) && body.ReadASN1ObjectIdentifier(&id) {
		for _, h := range hashes {
			if h.id.Equal(id) {
				return h.hash, h.name, true
			}
		}
	}
	return 0, "", false
}

// SignatureName names the algorithm that a certificate is signed with as crypto/x509 does, "SHA256-RSA", or else by its object
// identifier.
func SignatureName(cert *x509.Certificate) string {
	if cert.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
		return cert.SignatureAlgorithm.String()
	}
	der := signatureIdentifier(cert)
	if a, ok := readAlgorithm(der); ok {
		return a.name
	}
	var body cryptobyte.String
	var id asn1.ObjectIdentifier
	if der.ReadASN1(&body, cbasn1.SEQUENCE) && body.ReadASN1ObjectIdentifier(&id) {
		return id.String()
	}
	return "unknown"
}

// signatureIdentifier is the AlgorithmIdentifier outside of what is signed, which crypto/x509 has found to be that inside.
func signatureIdentifier(cert *x509.Certificate) cryptobyte.String {
	in := cryptobyte.String(cert.Raw)
	var body, id cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) || !body.ReadASN1Element(&id, cbasn1.SEQUENCE) {
		return nil
	}
	return id
}
