package proxycert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A KeyType is one of the configuration's proxies[].key values.
type KeyType string

const (
	RSA2048 KeyType = "rsa2048"
	RSA3072 KeyType = "rsa3072"
	RSA4096 KeyType = "rsa4096"
	P256    KeyType = "p256"
)

// minRSABits is what OpenSSL's security level 2 asks for, which is in force on every grid server of today.
const minRSABits = 2048

// MaxRSABits is the length of the longest RSA key that signatures are checked with, in bits: that costs the third power
// of the length, and a peer chooses it. The longest key of any IGTF CA has 8192.
const MaxRSABits = 16384

// GenerateKey makes a key pair with crypto/rand. The empty type means RSA2048.
func GenerateKey(t KeyType) (crypto.Signer, error) {
	bits := 0
	switch t {
	case RSA2048, "":
		bits = 2048
	case RSA3072:
		bits = 3072
	case RSA4096:
		bits = 4096
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return nil, fmt.Errorf("proxycert: unknown key type %q; use rsa2048, rsa3072, rsa4096 or p256", string(t))
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// checkPublicKey refuses keys that no grid server would accept in a proxy.
func checkPublicKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits {
			return fmt.Errorf("an RSA key of %d bits; servers refuse fewer than %d", n, minRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		return nil
	}
	return fmt.Errorf("a key of type %T; grid software reads RSA and ECDSA keys only", pub)
}

// signatureAlgorithm goes by the signing key. Globus goes by the signature on the issuer's certificate, which fails
// where an ECDSA key has signed an RSA one (gridcf/gct issue 249).
func signatureAlgorithm(key crypto.Signer) (x509.SignatureAlgorithm, error) {
	switch key.Public().(type) {
	case *rsa.PublicKey:
		return x509.SHA256WithRSA, nil
	case *ecdsa.PublicKey:
		return x509.ECDSAWithSHA256, nil
	}
	return 0, errors.New("the signing key is neither RSA nor ECDSA")
}

// SameKey reports whether two public keys are equal.
func SameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// CheckSignature verifies that the issuer's key signed the certificate, whatever the issuer may sign: of an end-entity
// certificate, [x509.Certificate.CheckSignatureFrom] would ask that it be a CA. RSA keys beyond [MaxRSABits] are refused.
func CheckSignature(cert, issuer *x509.Certificate) error {
	if err := checkLength(issuer.PublicKey); err != nil {
		return err
	}
	if cert.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return VerifyOther(signatureIdentifier(cert), issuer.PublicKey, cert.RawTBSCertificate, cert.Signature)
	}
	return issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
}

// checkLength refuses keys with which nothing should be computed.
func checkLength(pub crypto.PublicKey) error {
	if k, ok := pub.(*rsa.PublicKey); ok && k.N.BitLen() > MaxRSABits {
		return fmt.Errorf("an RSA key of %d bits, more than %d, is not used", k.N.BitLen(), MaxRSABits)
	}
	return nil
}

// KeyOf names the kind of a certificate's key, "rsa", "ec", "ed25519" or, for other algorithms, what crypto/x509 calls them
// in lower case or [KeyName] does, and its length: the bits of the modulus or the curve, 0 if they are not known.
func KeyOf(cert *x509.Certificate) (kind string, bits int) {
	switch k := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return "rsa", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ec", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "ed25519", 8 * len(k)
	}
	if cert.PublicKeyAlgorithm != x509.UnknownPublicKeyAlgorithm {
		return strings.ToLower(cert.PublicKeyAlgorithm.String()), 0
	}
	name := KeyName(cert)
	if strings.HasPrefix(name, "ec ") {
		return "ec", curveBits[name]
	}
	return name, 0
}

// otherKeys are names of keys that crypto/x509 does not know, by their algorithm or, of EC keys, their curve.
var otherKeys = map[string]string{
	"1.3.101.113": "ed448", "1.2.840.113549.1.1.10": "rsa-pss", "1.2.840.10040.4.1": "dsa",
	"1.3.132.0.10": "ec secp256k1", "1.2.840.10045.3.1.1": "ec P-192", "1.3.36.3.3.2.8.1.1.7": "ec brainpoolP256r1",
	"1.3.36.3.3.2.8.1.1.11": "ec brainpoolP384r1", "1.3.36.3.3.2.8.1.1.13": "ec brainpoolP512r1",
}

var curveBits = map[string]int{"ec secp256k1": 256, "ec P-192": 192, "ec brainpoolP256r1": 256, "ec brainpoolP384r1": 384, "ec brainpoolP512r1": 512}

// KeyName names the kind of a key that crypto/x509 does not know, as "ec secp256k1", and if need be by its object identifier.
func KeyName(cert *x509.Certificate) string {
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info, algorithm cryptobyte.String
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) {
		return "unknown"
	}
	return KeyAlgorithmName(algorithm)
}

// KeyAlgorithmName is KeyName for an AlgorithmIdentifier in DER, as one stands in a PKCS#8 key.
func KeyAlgorithmName(der []byte) string {
	in := cryptobyte.String(der)
	var algorithm cryptobyte.String
	var id, curve asn1.ObjectIdentifier
	if !in.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&id) {
		return "unknown"
	}
	kind := "" // of a key that is named by its curve
	if id.Equal(oidECKey) {
		if !algorithm.ReadASN1ObjectIdentifier(&curve) {
			return "ec with parameters in place of a curve's name"
		}
		kind, id = "ec ", curve
	}
	if name, ok := otherKeys[id.String()]; ok {
		return name
	}
	return kind + id.String()
}

var oidECKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
