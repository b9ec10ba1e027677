package voms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

// A request that meets a closed connection still says why it was closed.
func TestAlertBeforeReset(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
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
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
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
