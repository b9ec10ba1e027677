package cases

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"sync"
)

// A key is a key pair, or a public key alone.
type key struct {
	signer crypto.Signer // nil: nobody has it
	spki   []byte        // SubjectPublicKeyInfo
}

// must is for what fails only where this package is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("cases: %w", err))
	}
	return v
}

func newKey(signer crypto.Signer) *key {
	return &key{signer, must(x509.MarshalPKIXPublicKey(signer.Public()))}
}

// ec makes a key, which takes microseconds, so that no two certificates of a case share one.
func ec(curve elliptic.Curve) *key { return newKey(must(ecdsa.GenerateKey(curve, rand.Reader))) }

func ed() *key {
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	return newKey(must(signer, err))
}

// The RSA keys are made once in a process, since that is slow.
var (
	rsaOne   = sync.OnceValue(func() *key { return newKey(must(rsa.GenerateKey(rand.Reader, 2048))) })
	rsaTwo   = sync.OnceValue(func() *key { return newKey(must(rsa.GenerateKey(rand.Reader, 2048))) })
	rsaShort = sync.OnceValue(func() *key { return newKey(must(rsa.GenerateKey(rand.Reader, 1024))) })
)

// rsa512 is what GT2's grid-proxy-init made. crypto/rsa makes and uses no such key any more.
func rsa512() *key {
	e := big.NewInt(65537)
	for {
		p, q := must(rand.Prime(rand.Reader, 256)), must(rand.Prime(rand.Reader, 256))
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		return newKey(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q}})
	}
}

// rsaOf is a public key of that many bits that nobody can sign with: its modulus is a random number.
func rsaOf(bits int) *key {
	n := must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1))))
	n.SetBit(n.SetBit(n, bits-1, 1), 0, 1)
	return &key{spki: must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537}))}
}

// hashIDs are those of RFC 8017 section 9.2.
var hashIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.MD5: {1, 2, 840, 113549, 2, 5}, crypto.SHA1: {1, 3, 14, 3, 2, 26}, crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
}

// signShort is RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.1) with a key that crypto/rsa does not use.
func (a *algorithm) signShort(k *rsa.PrivateKey, data []byte) []byte {
	h := a.hash.New()
	h.Write(data)
	content := sequence(identifier(hashIDs[a.hash], []byte{5, 0}), octets(h.Sum(nil)))
	padded := slices.Concat([]byte{0, 1}, slices.Repeat([]byte{0xff}, k.Size()-3-len(content)), []byte{0}, content)
	return new(big.Int).Exp(new(big.Int).SetBytes(padded), k.D, k.N).FillBytes(make([]byte, k.Size()))
}
