package proxycert_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// now is the time of all tests that need one.
var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

// rsaKey and the others are made once, since RSA keys take long.
var (
	rsaKey      = sync.OnceValue(func() crypto.Signer { return mustKey(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSAKey = sync.OnceValue(func() crypto.Signer { return mustKey(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey       = sync.OnceValue(func() crypto.Signer { return mustKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	caKey       = sync.OnceValue(func() crypto.Signer { return mustKey(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func mustKey[K crypto.Signer](k K, err error) crypto.Signer {
	if err != nil {
		panic(err)
	}
	return k
}

func newECKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := proxycert.GenerateKey(proxycert.P256)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func parseName(t testing.TB, s string) dn.Name {
	t.Helper()
	n, err := dn.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// issue makes any certificate at all; parent nil: signed by the test CA.
func issue(t testing.TB, tmpl x509.Certificate, subject string, key crypto.Signer, parent *x509.Certificate, parentKey crypto.Signer) *x509.Certificate {
	t.Helper()
	tmpl.RawSubject = parseName(t, subject).DER()
	if tmpl.SerialNumber == nil {
		tmpl.SerialNumber = big.NewInt(4711)
	}
	if tmpl.NotBefore.IsZero() {
		tmpl.NotBefore = now.Add(-24 * time.Hour)
	}
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = now.Add(300 * 24 * time.Hour)
	}
	if parent == nil {
		parent, parentKey = testCA(), caKey()
	}
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

var testCA = sync.OnceValue(func() *x509.Certificate {
	tmpl := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"gridtest"}, CommonName: "Test CA"},
		SerialNumber:          big.NewInt(1),
		NotBefore:             now.Add(-1000 * 24 * time.Hour),
		NotAfter:              now.Add(1000 * 24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, caKey().Public(), caKey())
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
})

const janeDN = "/DC=org/DC=gridtest/OU=people/CN=Jane Doe"

// newEEC makes an ordinary user certificate: key usage with two bits that proxies must lose, an EKU, no SKI.
func newEEC(t testing.TB, key crypto.Signer) *proxycert.Credential {
	t.Helper()
	cert := issue(t, x509.Certificate{
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection},
	}, janeDN, key, nil, nil)
	return &proxycert.Credential{Chain: []*x509.Certificate{cert}, Key: key}
}

func delegate(t testing.TB, c *proxycert.Credential, key crypto.Signer, tmpl proxycert.Template) *proxycert.Credential {
	t.Helper()
	if tmpl.Now.IsZero() {
		tmpl.Now = now
	}
	out, err := c.Delegate(key, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func intp(n int) *int { return &n }

func keyBits(k crypto.Signer) int {
	switch p := k.Public().(type) {
	case *rsa.PublicKey:
		return p.N.BitLen()
	case *ecdsa.PublicKey:
		return p.Curve.Params().BitSize
	}
	return 0
}
