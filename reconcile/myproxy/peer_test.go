package myproxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A peer is the server's end of a connection in a test: a script says what it does.
type peer struct {
	*tls.Conn
	raw     net.Conn
	request *myproxy.Request
}

// A script plays the server after the handshake, the flag and the request. What
// it returns fails the test.
type script func(p *peer) error

// start does as myproxy-server does: shake hands, send the NUL of TLS 1.3, read
// the flag and the request, each of which must be a record of its own.
func (p *peer) start() error {
	if err := p.Handshake(); err != nil {
		return nil // for the client to complain about
	}
	if p.ConnectionState().Version == tls.VersionTLS13 {
		if _, err := p.Write([]byte{0}); err != nil {
			return err
		}
	}
	flag, err := p.record()
	if err != nil || string(flag) != "0" {
		return errors.Join(err, errors.New("the first record is not '0' alone"))
	}
	msg, err := p.record()
	if err != nil {
		return err
	}
	if len(msg) == 0 || msg[len(msg)-1] != 0 {
		return errors.New("the request does not end in a NUL")
	}
	p.request, err = myproxy.ParseRequest(msg)
	return err
}

// record returns what one record holds: all that the real server would take for the message.
func (p *peer) record() ([]byte, error) {
	buf := make([]byte, 1<<16)
	n, err := p.Read(buf)
	return buf[:n], err
}

func (p *peer) send(messages ...[]byte) error {
	for _, m := range messages {
		if _, err := p.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// finish reads until the client is gone, so that nothing it sends meets a reset.
func (p *peer) finish() error {
	p.CloseWrite()
	io.Copy(io.Discard, p.raw)
	return nil
}

var okMessage = (&myproxy.Response{}).Marshal()

func refusal(lines ...string) []byte {
	return (&myproxy.Response{Type: myproxy.ResponseError, Errors: lines}).Marshal()
}

// say answers with bytes and ends.
func say(messages ...[]byte) script {
	return func(p *peer) error {
		if err := p.send(messages...); err != nil {
			return err
		}
		return p.finish()
	}
}

// signs plays GET: OK, read the client's request, sign it with the stored
// credential, and pass the chain on.
func signs(stored *proxycert.Credential, tmpl proxycert.Template, then func(p *peer, chain []*x509.Certificate) error) script {
	return func(p *peer) error {
		if err := p.send(okMessage); err != nil {
			return err
		}
		csr, err := p.record()
		if err != nil {
			return err
		}
		cert, err := stored.SignRequest(csr, tmpl)
		if err != nil {
			return err
		}
		if err := then(p, append([]*x509.Certificate{cert}, stored.Chain...)); err != nil {
			return err
		}
		return p.finish()
	}
}

// serverConfig is that of myproxy-server: any client certificate or none.
func serverConfig(version uint16) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{server().TLS()},
		ClientAuth:             tls.RequestClientCert,
		MinVersion:             version,
		MaxVersion:             version,
		SessionTicketsDisabled: true,
	}
}

// clientConfig trusts the test CA and shows cred.
func clientConfig(cred *proxycert.Credential) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca().cert)
	cfg := &tls.Config{
		RootCAs:    pool,
		ServerName: "myproxy.example.org",
		Time:       func() time.Time { return testTime },
	}
	if cred != nil {
		cfg.Certificates = []tls.Certificate{cred.TLS()}
	}
	return cfg
}

// serve starts a scripted server and returns a client for it, which shows the
// identity of the VO box. Each connection runs the script.
func serve(t *testing.T, version uint16, s script) *myproxy.Client {
	t.Helper()
	return listen(t, func(conn net.Conn) error {
		p := &peer{Conn: tls.Server(conn, serverConfig(version)), raw: conn}
		if err := p.start(); err != nil || p.request == nil {
			return err
		}
		return s(p)
	})
}

// listen starts a server on loopback that treats every connection as handle says.
func listen(t *testing.T, handle func(net.Conn) error) *myproxy.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := handle(conn); err != nil {
				t.Errorf("server: %v", err)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	c := client(box())
	c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	return c
}

// client is one for myproxy.example.org at testTime.
func client(cred *proxycert.Credential) *myproxy.Client {
	return &myproxy.Client{
		Server: "myproxy.example.org",
		TLS:    clientConfig(cred),
		Now:    func() time.Time { return testTime },
	}
}

// pieces cuts a message up.
func pieces(msg []byte, size int) [][]byte {
	var out [][]byte
	for len(msg) > size {
		out, msg = append(out, msg[:size]), msg[size:]
	}
	return append(out, msg)
}

func mustMarshalChain(t *testing.T, chain []*x509.Certificate) []byte {
	t.Helper()
	b, err := myproxy.MarshalChain(chain)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func join(b ...[]byte) []byte { return bytes.Join(b, nil) }
