package voms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
)

func selfSigned(t testing.TB) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// newAC returns an AC as a server would send it.
func newAC(t testing.TB) []byte {
	t.Helper()
	cert, key := selfSigned(t)
	ac, err := attrcert.Issue(attrcert.Template{
		VO: "alice", Host: "voms.example.org", Port: 15000, FQANs: []string{"/alice"},
		NotBefore: cert.NotAfter.Add(-time.Hour), NotAfter: cert.NotAfter,
	}, cert, []*x509.Certificate{cert}, key)
	if err != nil {
		t.Fatal(err)
	}
	return ac
}

// A request that meets a closed connection still says why it was closed.
func TestAlertBeforeReset(t *testing.T) {
	cert, key := selfSigned(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		tls.Server(c, &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
			ClientAuth:   tls.RequireAnyClientCert,
			MinVersion:   tls.VersionTLS13,
		}).Handshake()
	}()

	addr := l.Addr().(*net.TCPAddr)
	d := &dialer{server: Server{Host: "127.0.0.1", Port: addr.Port}, config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.dial(t.Context()) // with no certificate, at TLS 1.3: no error yet
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-closed
	for err == nil { // the first is answered by a reset, a later one meets it
		_, err = c.Write([]byte("x"))
	}
	if alert, ok := remoteAlert(err); !ok || alert != alertNoCertificate {
		t.Errorf("got %v, want the alert", err)
	}
}
