package proxycert_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// algorithmID is an AlgorithmIdentifier.
func algorithmID(t testing.TB, parameters []byte, id ...int) []byte {
	t.Helper()
	der, err := asn1.Marshal(asn1.ObjectIdentifier(id))
	if err != nil {
		t.Fatal(err)
	}
	return bound.DER(0x30, append(der, parameters...))
}

// pss is RSASSA-PSS with these parameters; a negative salt is left out.
func pss(t testing.TB, hash, inner []byte, salt int) []byte {
	t.Helper()
	var parameters []byte
	if hash != nil {
		parameters = append(parameters, bound.DER(0xa0, hash)...)
	}
	if inner != nil {
		parameters = append(parameters, bound.DER(0xa1, algorithmID(t, inner, 1, 2, 840, 113549, 1, 1, 8))...)
	}
	if salt >= 0 {
		n, err := asn1.Marshal(salt)
		if err != nil {
			t.Fatal(err)
		}
		parameters = append(parameters, bound.DER(0xa2, n)...)
	}
	return algorithmID(t, bound.DER(0x30, parameters), 1, 2, 840, 113549, 1, 1, 10)
}

// TestVerifyOther signs with what crypto/x509 does not know. openssl's signatures are in the corpus.
func TestVerifyOther(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	null := []byte{5, 0}
	sha1, sha224 := algorithmID(t, null, 1, 3, 14, 3, 2, 26), algorithmID(t, null, 2, 16, 840, 1, 101, 3, 4, 2, 4)
	sha256, sha512 := algorithmID(t, nil, 2, 16, 840, 1, 101, 3, 4, 2, 1), algorithmID(t, null, 2, 16, 840, 1, 101, 3, 4, 2, 3)
	rsa224, ec224 := algorithmID(t, null, 1, 2, 840, 113549, 1, 1, 14), algorithmID(t, nil, 1, 2, 840, 10045, 4, 3, 1)
	salted := func(h crypto.Hash, n int) crypto.SignerOpts { return &rsa.PSSOptions{SaltLength: n, Hash: h} }
	unsupported := x509.ErrUnsupportedAlgorithm
	other := errors.New("another")
	for _, c := range []struct {
		name      string
		algorithm []byte
		key       crypto.Signer
		signed    crypto.SignerOpts
		want      error // other: any that is none of those below
	}{
		{"SHA-224", rsa224, short, crypto.SHA224, nil},
		{"SHA-224 by another hash", rsa224, short, crypto.SHA256, other},
		{"SHA-224 with ECDSA", ec224, curve, crypto.SHA224, nil},
		{"an EC key for RSA", rsa224, curve, crypto.SHA224, unsupported},
		{"an RSA key for ECDSA", ec224, short, crypto.SHA224, unsupported},
		{"PSS", pss(t, sha256, sha256, 20), short, salted(crypto.SHA256, 20), nil},
		{"PSS with the longest salt", pss(t, sha256, sha256, 222), short, salted(crypto.SHA256, 222), nil},
		{"PSS without salt", pss(t, sha512, sha512, 0), short, salted(crypto.SHA512, rsa.PSSSaltLengthAuto), nil},
		{"PSS with SHA-224", pss(t, sha224, sha224, 28), short, salted(crypto.SHA224, 28), nil},
		{"PSS with the salt of 20 that is meant when none is named", pss(t, sha256, sha256, -1), short, salted(crypto.SHA256, 20), nil},
		{"PSS with another salt", pss(t, sha256, sha256, 20), short, salted(crypto.SHA256, 21), other},
		{"PSS with two hashes", pss(t, sha256, sha512, 20), short, salted(crypto.SHA256, 20), unsupported},
		{"PSS with SHA-1", pss(t, sha1, sha1, 20), short, salted(crypto.SHA256, 20), x509.InsecureAlgorithmError(x509.SHA1WithRSA)},
		{"PSS with SHA-1 as nothing is said", pss(t, nil, nil, -1), short, salted(crypto.SHA256, 20), x509.InsecureAlgorithmError(x509.SHA1WithRSA)},
		{"PSS for an EC key", pss(t, sha256, sha256, 20), curve, crypto.SHA256, unsupported},
		{"PSS with a huge salt", pss(t, sha256, sha256, 1<<30), short, salted(crypto.SHA256, 20), unsupported},
		{"PSS without parameters", algorithmID(t, nil, 1, 2, 840, 113549, 1, 1, 10), short, salted(crypto.SHA256, 20), unsupported},
		{"nobody's", algorithmID(t, nil, 2, 999), short, crypto.SHA256, unsupported},
		{"nothing", nil, short, crypto.SHA256, unsupported},
	} {
		signed := []byte("what is signed")
		h := c.signed.HashFunc().New()
		h.Write(signed)
		signature, err := c.key.Sign(rand.Reader, h.Sum(nil), c.signed)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		err = proxycert.VerifyOther(c.algorithm, c.key.Public(), signed, signature)
		known := err == nil || errors.Is(err, unsupported) || errors.Is(err, x509.InsecureAlgorithmError(x509.SHA1WithRSA))
		if c.want == other && known || c.want != other && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.want != nil {
			continue
		}
		spoilt := slices.Clone(signature)
		spoilt[len(spoilt)-1] ^= 1
		if proxycert.VerifyOther(c.algorithm, c.key.Public(), signed, spoilt) == nil || proxycert.VerifyOther(c.algorithm, c.key.Public(), append(signed, '!'), signature) == nil {
			t.Errorf("%s: a wrong signature verifies", c.name)
		}
	}
	if err := proxycert.VerifyOther(rsa224, tooLong().Public(), nil, nil); err == nil || errors.Is(err, unsupported) {
		t.Errorf("a key that is too long: %v", err)
	}
}

// FuzzVerifyOther wants no algorithm, whatever its parameters, to take what was never signed.
func FuzzVerifyOther(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	sha256 := algorithmID(f, nil, 2, 16, 840, 1, 101, 3, 4, 2, 1)
	f.Add(pss(f, sha256, sha256, 20), []byte{1})
	f.Add(algorithmID(f, []byte{5, 0}, 1, 2, 840, 113549, 1, 1, 14), make([]byte, 256))
	f.Fuzz(func(t *testing.T, algorithm, signature []byte) {
		if proxycert.VerifyOther(algorithm, key.Public(), []byte("x"), signature) == nil {
			t.Error("it verifies")
		}
	})
}
