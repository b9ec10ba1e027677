// Package mailtest has mail servers for tests: [Exim], the real one of Debian, and [Fake], which can be told to misbehave. Both
// listen on loopback only, and keep what they were given.
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A Mail is what a server was given.
type Mail struct {
	From string   // of the envelope
	To   []string // of the envelope
	Data []byte   // head and body, lines ending in \n
}

// Parse returns the mail's head and body.
func (m Mail) Parse(t testing.TB) *mail.Message {
	t.Helper()
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatalf("%v in %q", err, m.Data)
	}
	return parsed
}

// A Site is a CA, and a certificate of it for localhost and 127.0.0.1.
type Site struct {
	CAFile, CertFile, KeyFile string
	Pool                      *x509.CertPool // of the CA
	Certificate               tls.Certificate
}

// NewSite makes the files in a directory of the test's.
func NewSite(t testing.TB) *Site {
	t.Helper()
	dir := t.TempDir()
	s := &Site{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Pool: x509.NewCertPool()}
	ca, caKey := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Mail Test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf, key := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca, caKey)
	s.Pool.AddCert(ca)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		s.CAFile: {Type: "CERTIFICATE", Bytes: ca.Raw}, s.CertFile: {Type: "CERTIFICATE", Bytes: leaf.Raw}, s.KeyFile: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.Certificate = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
	return s
}

func certificate(t testing.TB, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// listen listens on a free port of loopback.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// addr is localhost and the port: certificates are for names.
func addr(l net.Listener) string { return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port) }
