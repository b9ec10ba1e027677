package myproxy_test

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

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// rsaKey is the one RSA key of the tests: making one takes long.
var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A testCA issues end-entity certificates.
type testCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var ca = sync.OnceValue(func() *testCA {
	key := ecKey()
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{Organization: []string{"myproxy test"}, CommonName: "CA"},
		NotBefore:             testTime.Add(-24 * time.Hour),
		NotAfter:              testTime.AddDate(20, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	return &testCA{mustIssue(tmpl, tmpl, key.Public(), key), key}
})

// testTime is the time of everything that does not talk to a real server.
var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func mustIssue(tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// issue makes an end-entity credential that lasts from an hour before to a year after testTime.
func (ca *testCA) issue(name string, key crypto.Signer) *proxycert.Credential {
	cert := mustIssue(&x509.Certificate{
		SerialNumber:          big.NewInt(2),
		Subject:               pkix.Name{Organization: []string{"myproxy test"}, CommonName: name},
		NotBefore:             testTime.Add(-time.Hour),
		NotAfter:              testTime.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		BasicConstraintsValid: true,
		DNSNames:              []string{"myproxy.example.org"},
	}, ca.cert, key.Public(), ca.key)
	return &proxycert.Credential{Chain: []*x509.Certificate{cert}, Key: key}
}

// strangeCredential is good, but of a CA that a real server has not heard of.
func strangeCredential(t *testing.T) *proxycert.Credential {
	t.Helper()
	key := ecKey()
	cert := mustIssue(&x509.Certificate{
		SerialNumber: big.NewInt(3),
		Subject:      pkix.Name{CommonName: "stranger"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}, ca().cert, key.Public(), ca().key)
	return &proxycert.Credential{Chain: []*x509.Certificate{cert}, Key: key}
}

const (
	clearTextRequest = "VERSION=MYPROXYv2\nCOMMAND=2\nUSERNAME=x\nPASSPHRASE=\nLIFETIME=0\n\x00"
	clearTextError   = "VERSION=MYPROXYv2\nRESPONSE=1\nERROR=authentication failed\n\x00"
)

// The parties of a scripted exchange.
var (
	server = sync.OnceValue(func() *proxycert.Credential { return ca().issue("myproxy.example.org", ecKey()) })
	box    = sync.OnceValue(func() *proxycert.Credential { return ca().issue("host/box.example.org", ecKey()) })
	jane   = sync.OnceValue(func() *proxycert.Credential { return ca().issue("Jane Doe", ecKey()) })
	// stored is what Jane has on the server.
	stored = sync.OnceValue(func() *proxycert.Credential {
		return mustDelegate(jane(), ecKey(), proxycert.Template{Now: testTime, Lifetime: 3000 * time.Hour})
	})
	// old is Jane's login proxy.
	old = sync.OnceValue(func() *proxycert.Credential {
		return mustDelegate(jane(), rsaKey(), proxycert.Template{Now: testTime, Lifetime: time.Hour})
	})
)

func mustDelegate(c *proxycert.Credential, key crypto.Signer, tmpl proxycert.Template) *proxycert.Credential {
	cred, err := c.Delegate(key, tmpl)
	if err != nil {
		panic(err)
	}
	return cred
}
