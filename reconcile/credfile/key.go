package credfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// parseKey reads an unencrypted key of any of the four forms met in proxy and key files. Some writers put one form under
// another's name, so the content decides.
func parseKey(name string, der []byte) (crypto.Signer, error) {
	inner, isRSA, ok := unwrapPKCS8(der)
	switch {
	case ok && isRSA:
		return parseRSA(inner)
	case ok:
		if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
			return usable(key)
		}
	case isPKCS1(der):
		return parseRSA(der)
	default:
		if key, err := x509.ParseECPrivateKey(der); err == nil {
			return key, nil
		}
	}
	if kind := kindOf(der); kind != "" {
		return nil, fmt.Errorf("a private key of the kind %s, which no grid software accepts; use an RSA key", kind)
	}
	// The reason is left out: it is about the key's content.
	return nil, fmt.Errorf("the private key%s is damaged or of an unknown kind", name)
}

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// unwrapPKCS8 tells a PKCS#8 key (RFC 5958) from the others; inner is the key in the form of its kind.
func unwrapPKCS8(der []byte) (inner []byte, isRSA, ok bool) {
	in := cryptobyte.String(der)
	var seq, alg, key cryptobyte.String
	var version int
	var oid asn1.ObjectIdentifier
	ok = in.ReadASN1(&seq, cbasn1.SEQUENCE) && in.Empty() && seq.ReadASN1Integer(&version) &&
		seq.ReadASN1(&alg, cbasn1.SEQUENCE) && alg.ReadASN1ObjectIdentifier(&oid) && seq.ReadASN1(&key, cbasn1.OCTET_STRING)
	return key, oid.Equal(oidRSA), ok
}

// isPKCS1 reports whether der begins like a PKCS#1 key, with two integers.
func isPKCS1(der []byte) bool {
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	return in.ReadASN1(&seq, cbasn1.SEQUENCE) && seq.SkipASN1(cbasn1.INTEGER) && seq.PeekASN1Tag(cbasn1.INTEGER)
}

// usable refuses kinds of keys that grid software does not know.
func usable(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return nil, errors.New("an Ed25519 key, which no grid software accepts; use an RSA key")
	}
	return nil, fmt.Errorf("a private key of type %T, which no grid software accepts; use an RSA key", key)
}

// isEncrypted tells both kinds of encryption: PKCS#8's and OpenSSL's traditional one (RFC 1421 headers).
func isEncrypted(b *pem.Block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}

// kindOf names what a whole key is that is none of those that are read here; "" where that is not the matter.
func kindOf(der []byte) string {
	in := cryptobyte.String(der)
	var seq, algorithm, curve cryptobyte.String
	var version int
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadASN1Integer(&version) {
		return ""
	}
	switch {
	case seq.PeekASN1Tag(cbasn1.SEQUENCE): // PKCS#8
		seq.ReadASN1Element(&algorithm, cbasn1.SEQUENCE)
	case seq.SkipASN1(cbasn1.OCTET_STRING) && seq.ReadASN1(&curve, cbasn1.Tag(0xa0)): // SEC 1
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1})
			b.AddBytes(curve)
		})
		algorithm = b.BytesOrPanic()
	}
	switch name := proxycert.KeyAlgorithmName(algorithm); name {
	case "ec 1.2.840.10045.3.1.7", "ec 1.3.132.0.33", "ec 1.3.132.0.34", "ec 1.3.132.0.35": // those of crypto/elliptic
		return ""
	case "ed448", "rsa-pss", "dsa":
		return name
	default:
		if strings.HasPrefix(name, "ec ") {
			return name
		}
		return ""
	}
}
