package credfile_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

// A fixture is made once: a CA, a user certificate and three proxies below it.
type fixture struct {
	ca, eec  *x509.Certificate
	eecKey   crypto.Signer
	rsa, ec  *proxycert.Credential // four certificates each
	otherKey crypto.Signer
}

var theFixture = sync.OnceValue(func() *fixture {
	f := &fixture{eecKey: rsaKey(), otherKey: ecKey()}
	caKey := ecKey()
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test CA"}, SerialNumber: big.NewInt(1),
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(9999 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	f.ca = sign(ca, ca, caKey.Public(), caKey)
	jane, err := dn.Parse("/DC=org/DC=gridtest/CN=Jane Doe")
	must(err)
	f.eec = sign(&x509.Certificate{
		RawSubject: jane.DER(), SerialNumber: big.NewInt(2), KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(3000 * time.Hour),
	}, f.ca, f.eecKey.Public(), caKey)
	f.rsa, f.ec = f.deep(rsaKey()), f.deep(ecKey())
	return f
})

func (f *fixture) deep(last crypto.Signer) *proxycert.Credential {
	c := &proxycert.Credential{Chain: []*x509.Certificate{f.eec}, Key: f.eecKey}
	for _, key := range []crypto.Signer{ecKey(), ecKey(), last} {
		next, err := c.Delegate(key, proxycert.Template{Now: now})
		must(err)
		c = next
	}
	return c
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func rsaKey() crypto.Signer {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	return k
}

func ecKey() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return k
}

func sign(tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

func block(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

func certBlocks(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		b.Write(block("CERTIFICATE", c.Raw))
	}
	return b.Bytes()
}

func pkcs1(k crypto.Signer) []byte {
	return block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.(*rsa.PrivateKey)))
}

func pkcs8Block(k any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	must(err)
	return block("PRIVATE KEY", der)
}

func sec1(k crypto.Signer) []byte {
	der, err := x509.MarshalECPrivateKey(k.(*ecdsa.PrivateKey))
	must(err)
	return block("EC PRIVATE KEY", der)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkCredential compares chain and key.
func checkCredential(t testing.TB, got, want *proxycert.Credential) {
	t.Helper()
	if len(got.Chain) != len(want.Chain) {
		t.Fatalf("a chain of %d, want %d", len(got.Chain), len(want.Chain))
	}
	for i := range want.Chain {
		if !got.Chain[i].Equal(want.Chain[i]) {
			t.Errorf("certificate %d is %v, want %v", i, got.Chain[i].Subject, want.Chain[i].Subject)
		}
	}
	if k, ok := got.Key.(interface{ Equal(crypto.PrivateKey) bool }); !ok || !k.Equal(want.Key) {
		t.Error("another key")
	}
}
