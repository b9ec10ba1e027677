package attrcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An algorithm is one way to sign. RSA's identifiers carry NULL parameters, the others none (RFC 4055, 5758, 8410).
type algorithm struct {
	oid  asn1.ObjectIdentifier
	alg  x509.SignatureAlgorithm
	hash crypto.Hash
	null bool
}

var algorithms = [...]algorithm{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, x509.SHA256WithRSA, crypto.SHA256, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, x509.SHA384WithRSA, crypto.SHA384, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, x509.SHA512WithRSA, crypto.SHA512, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, x509.SHA1WithRSA, crypto.SHA1, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, x509.MD5WithRSA, crypto.MD5, true},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256, crypto.SHA256, false},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384, crypto.SHA384, false},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512, crypto.SHA512, false},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, x509.ECDSAWithSHA1, crypto.SHA1, false},
	{asn1.ObjectIdentifier{1, 3, 101, 112}, x509.PureEd25519, crypto.Hash(0), false},
}

// signatureAlgorithm reads an AlgorithmIdentifier. One that is not known is no error: the AC can still be looked at.
func signatureAlgorithm(der cryptobyte.String) (x509.SignatureAlgorithm, error) {
	var body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !der.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&oid) {
		return 0, errors.New("malformed signature algorithm")
	}
	for _, a := range algorithms {
		if !a.oid.Equal(oid) {
			continue
		}
		var null cryptobyte.String
		if a.null && !body.Empty() && (!body.ReadASN1(&null, cbasn1.NULL) || !null.Empty()) || !body.Empty() {
			return 0, fmt.Errorf("malformed parameters of the signature algorithm %s", a.alg)
		}
		return a.alg, nil
	}
	return x509.UnknownSignatureAlgorithm, nil
}

// algorithmFor chooses how a key signs: SHA-256 for RSA, the curve's own size for ECDSA.
func algorithmFor(pub crypto.PublicKey) (algorithm, error) {
	want := x509.UnknownSignatureAlgorithm
	switch k := pub.(type) {
	case *rsa.PublicKey:
		want = x509.SHA256WithRSA
	case *ecdsa.PublicKey:
		switch bits := k.Curve.Params().BitSize; {
		case bits <= 256:
			want = x509.ECDSAWithSHA256
		case bits <= 384:
			want = x509.ECDSAWithSHA384
		default:
			want = x509.ECDSAWithSHA512
		}
	case ed25519.PublicKey:
		want = x509.PureEd25519
	}
	for _, a := range algorithms {
		if a.alg == want {
			return a, nil
		}
	}
	return algorithm{}, fmt.Errorf("keys of type %T cannot sign", pub)
}

func (a algorithm) marshal(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		if a.null {
			b.AddASN1NULL()
		}
	})
}

// sign returns the signature over data by key.
func (a algorithm) sign(key crypto.Signer, data []byte) ([]byte, error) {
	if a.hash != 0 {
		h := a.hash.New()
		h.Write(data)
		data = h.Sum(nil)
	}
	return key.Sign(rand.Reader, data, a.hash)
}
