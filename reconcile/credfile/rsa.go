package credfile

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxRSABits is the longest modulus of a private key that is looked at. OpenSSL's tools stop there, too; without a bound
// a file of a megabyte would keep us busy for minutes.
const maxRSABits = 16384

// maxRSADER is more than the DER of a key of maxRSABits takes, in bytes.
const maxRSADER = maxRSABits/8*5 + 512

// errDamagedRSA says nothing of the reason, which is about the key's content.
var errDamagedRSA = errors.New("the RSA key is damaged: its numbers do not fit together")

// A Key is an RSA private key as it stands in a file. Its numbers have been found to fit together; what crypto/rsa
// computes for signing, which takes ten times as long as reading everything else in a proxy file, is put off until
// somebody signs. Most proxies are only looked at.
//
// A Key never shows its content: it prints as what it is, "RSA private key (2048 bits)".
type Key struct {
	pub *rsa.PublicKey
	der []byte // PKCS#1

	once sync.Once
	key  *rsa.PrivateKey
	err  error
}

// Public returns the *rsa.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.pub }

// Sign signs as an *rsa.PrivateKey does.
func (k *Key) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	key, err := k.RSA()
	if err != nil {
		return nil, err
	}
	return key.Sign(rand, digest, opts)
}

// RSA returns the key for those who need the type of crypto/rsa, after crypto/rsa's own examination of it. The error is
// the same every time.
func (k *Key) RSA() (*rsa.PrivateKey, error) {
	k.once.Do(func() {
		key, err := x509.ParsePKCS1PrivateKey(k.der)
		if err != nil {
			k.err = errDamagedRSA
			return
		}
		k.key = key
	})
	return k.key, k.err
}

// Equal reports whether x, a *Key or *rsa.PrivateKey, is the same private key.
func (k *Key) Equal(x crypto.PrivateKey) bool {
	other, ok := x.(*rsa.PrivateKey)
	if o, lazy := x.(*Key); lazy {
		key, err := o.RSA()
		other, ok = key, err == nil
	}
	key, err := k.RSA()
	return ok && err == nil && key.Equal(other)
}

// Format implements fmt.Formatter: whatever the verb, the key is not shown.
func (k *Key) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "RSA private key (%d bits)", k.pub.N.BitLen())
}

// Private returns the private key behind a signer in the type of the standard library, for type switches: *rsa.PrivateKey
// for a *Key, everything else as it is.
func Private(signer crypto.Signer) (crypto.Signer, error) {
	if k, ok := signer.(*Key); ok {
		return k.RSA()
	}
	return signer, nil
}

// parseRSA reads a PKCS#1 key (RFC 8017, A.1.2). Keys of two primes with everything precomputed, which is what all
// programs write, become a *Key; the others go to crypto/x509.
func parseRSA(der []byte) (crypto.Signer, error) {
	if len(der) > maxRSADER {
		return nil, fmt.Errorf("an RSA key of more than %d bits, which no grid software accepts", maxRSABits)
	}
	var n rsaNumbers
	if n.read(der) && n.consistent() {
		return &Key{pub: &rsa.PublicKey{N: &n.n, E: int(n.e.Int64())}, der: der}, nil
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, errDamagedRSA
	}
	return key, nil
}

type rsaNumbers struct {
	n, e, d, p, q, dp, dq, qinv big.Int
}

func (k *rsaNumbers) read(der []byte) bool {
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	var version int
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadASN1Integer(&version) || version != 0 {
		return false
	}
	for _, x := range []*big.Int{&k.n, &k.e, &k.d, &k.p, &k.q, &k.dp, &k.dq, &k.qinv} {
		if !seq.ReadASN1Integer(x) || x.Sign() <= 0 {
			return false
		}
	}
	return seq.Empty()
}

// consistent is what crypto/rsa demands of a key, computed with math/big in a few microseconds: every number is checked
// against the others, so that a damaged key is found when its file is read and not when the key is needed.
//
// math/big takes time that depends on the numbers. That is no leak to speak of: it happens once per reading, on numbers
// that nobody else chooses, and nothing that comes from outside is computed with them. Signing is crypto/rsa's.
func (k *rsaNumbers) consistent() bool {
	one := big.NewInt(1)
	bits := k.n.BitLen()
	var product, diff, p1, q1, x big.Int
	if bits > maxRSABits || product.Mul(&k.p, &k.q).Cmp(&k.n) != 0 || k.n.Bit(0) == 0 {
		return false
	}
	if k.e.BitLen() > 31 || k.e.Bit(0) == 0 || k.e.Cmp(one) <= 0 {
		return false
	}
	if k.p.Cmp(one) <= 0 || k.q.Cmp(one) <= 0 || k.d.Cmp(&k.n) >= 0 || k.d.BitLen() <= bits/2 {
		return false
	}
	// Primes close to each other are found by Fermat's method, https://eprint.iacr.org/2023/026
	if diff.Sub(&k.p, &k.q).BitLen() <= bits/2-100 || diff.Sign() == 0 {
		return false
	}
	p1.Sub(&k.p, one)
	q1.Sub(&k.q, one)
	return x.Mod(&k.d, &p1).Cmp(&k.dp) == 0 && x.Mod(&k.d, &q1).Cmp(&k.dq) == 0 &&
		isInverse(&k.dp, &k.e, &p1) && isInverse(&k.dq, &k.e, &q1) &&
		k.qinv.Cmp(&k.p) < 0 && isInverse(&k.qinv, &k.q, &k.p)
}

// isInverse reports whether a·b ≡ 1 mod m.
func isInverse(a, b, m *big.Int) bool {
	var x big.Int
	x.Mul(a, b)
	return x.Mod(&x, m).IsUint64() && x.Uint64() == 1
}
