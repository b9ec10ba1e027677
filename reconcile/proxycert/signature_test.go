package proxycert_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A longKey is an RSA key beyond what crypto/rsa makes or signs with: many small primes are soon found, and signing is
// a small power for each.
type longKey struct {
	n      *big.Int
	primes []*big.Int
}

var tooLong = sync.OnceValue(func() *longKey {
	k := &longKey{n: big.NewInt(1)}
	for k.n.BitLen() <= proxycert.MaxRSABits {
		p, err := rand.Prime(rand.Reader, 512)
		if err != nil {
			panic(err)
		}
		if new(big.Int).Mod(p, big.NewInt(65537)).Cmp(big.NewInt(1)) != 0 {
			k.primes, k.n = append(k.primes, p), k.n.Mul(k.n, p)
		}
	}
	return k
})

func (k *longKey) Public() crypto.PublicKey { return &rsa.PublicKey{N: k.n, E: 65537} }

// Sign makes a PKCS #1 v1.5 signature of a SHA-256 digest.
func (k *longKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, errors.New("only SHA-256")
	}
	info := append([]byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), digest...)
	padding := strings.Repeat("\xff", (k.n.BitLen()+7)/8-len(info)-3)
	m := new(big.Int).SetBytes(append([]byte("\x00\x01"+padding+"\x00"), info...))
	s := new(big.Int)
	for _, p := range k.primes {
		less := new(big.Int).Sub(p, big.NewInt(1))
		d := new(big.Int).ModInverse(big.NewInt(65537), less)
		part := new(big.Int).Exp(m, d, p)
		rest := new(big.Int).Div(k.n, p)
		part.Mul(part, new(big.Int).ModInverse(rest, p)).Mod(part, p)
		s.Add(s, part.Mul(part, rest))
	}
	return s.Mod(s, k.n).FillBytes(make([]byte, (k.n.BitLen()+7)/8)), nil
}

func TestCheckSignature(t *testing.T) {
	eec := newEEC(t, ecKey())
	proxy := delegate(t, eec, newECKey(t), proxycert.Template{})
	long := issue(t, x509.Certificate{}, "/CN=long", tooLong(), nil, nil)
	below := issue(t, x509.Certificate{}, "/CN=long/CN=1", ecKey(), long, tooLong())
	if err := long.CheckSignature(below.SignatureAlgorithm, below.RawTBSCertificate, below.Signature); err != nil {
		t.Fatalf("the long key's signature is not one: %v", err)
	}
	for _, tc := range []struct {
		name         string
		cert, issuer *x509.Certificate
		want         string
	}{
		{"good", proxy.Leaf(), eec.Leaf(), ""},
		{"another key", proxy.Leaf(), proxy.Leaf(), "verification"},
		{"a key too long", below, long, "more than 16384"},
	} {
		err := proxycert.CheckSignature(tc.cert, tc.issuer)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.want)
		}
	}
}

// A key too long decides nothing, although its signature is good.
func TestSortChainWithLongKey(t *testing.T) {
	leafKey := newECKey(t)
	inherit := mustExtension(t, proxycert.CertInfo{Language: proxycert.LanguageInheritAll}, false)
	long := issue(t, x509.Certificate{}, "/CN=a", tooLong(), nil, nil)
	other := issue(t, x509.Certificate{}, "/CN=a", ecKey(), nil, nil)
	tmpl := x509.Certificate{ExtraExtensions: []pkix.Extension{inherit}}
	leaf := issue(t, tmpl, "/CN=a/CN=1", leafKey, long, tooLong())
	got, err := proxycert.SortChain([]*x509.Certificate{leaf, other, long}, leafKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	checkChain(t, got, []*x509.Certificate{leaf, other})
}

// Twelve proxies, each among eight certificates of its name of which it is the last, are more signatures than are
// checked: from there on the first of the name is taken.
func TestSortChainChecksFewSignatures(t *testing.T) {
	c := newEEC(t, ecKey())
	for range 12 {
		c = delegate(t, c, newECKey(t), proxycert.Template{})
	}
	var certs []*x509.Certificate
	first := map[string]*x509.Certificate{}
	for _, cert := range c.Chain[1:] {
		for range 7 {
			decoy := sameName(t, cert, newECKey(t))
			if first[string(cert.RawSubject)] == nil {
				first[string(cert.RawSubject)] = decoy
			}
			certs = append(certs, decoy)
		}
	}
	certs = append(certs, c.Chain...)
	got, err := proxycert.SortChain(certs, c.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	want := append(append([]*x509.Certificate{}, c.Chain[:9]...), first[string(c.Chain[9].RawSubject)])
	checkChain(t, got, want)
}

// sameName makes an end-entity certificate with the other's subject, byte for byte.
func sameName(t testing.TB, cert *x509.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{RawSubject: cert.RawSubject, SerialNumber: big.NewInt(7), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, testCA(), key.Public(), caKey())
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// SignRequest refuses a long key before it computes with it.
func TestSignRequestWithLongKey(t *testing.T) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, tooLong())
	if err != nil {
		t.Fatal(err)
	}
	_, err = newEEC(t, ecKey()).SignRequest(der, proxycert.Template{Now: now})
	if err == nil || !strings.Contains(err.Error(), "more than 16384") {
		t.Errorf("error %v, want one about the key's length", err)
	}
}
