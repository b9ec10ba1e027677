package voms

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
)

// A dialer makes the connections to one server.
type dialer struct {
	server Server
	config *tls.Config
}

// A connectError is a failure before the request was sent. The other protocol would meet the same.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

// A peerError is our own refusal of the server's certificate.
type peerError struct{ error }

func (e *peerError) Unwrap() error { return e.error }

// An identityError is our own failure to show a certificate.
type identityError struct{ error }

func (e *identityError) Unwrap() error { return e.error }

// A conn is a TLS connection whose Write knows why the server has gone.
type conn struct{ *tls.Conn }

// Write returns the alert that the server sent before it closed the connection, if it did. At TLS 1.3 a server refuses
// the client's certificate when the client believes the handshake done; the request then meets a closed connection,
// and whether the alert is read or "connection reset" comes first is a matter of microseconds.
func (c conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && isEnd(err) {
		_, readErr := c.Conn.Read(make([]byte, 1)) // does not block: the connection is broken
		if _, ok := remoteAlert(readErr); ok {
			return n, readErr
		}
	}
	return n, err
}

// dial connects and shakes hands under ctx. Its errors are *connectErrors.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.server.Address())
	if err != nil {
		return nil, &connectError{err}
	}
	c := conn{tls.Client(raw, marked(d.config))}
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &connectError{err}
	}
	return c, nil
}

// marked returns a copy of config whose callbacks' errors can be told from the errors of the connection.
func marked(config *tls.Config) *tls.Config {
	config = config.Clone()
	if verify := config.VerifyConnection; verify != nil {
		config.VerifyConnection = func(cs tls.ConnectionState) error {
			if err := verify(cs); err != nil {
				return &peerError{err}
			}
			return nil
		}
	}
	if verify := config.VerifyPeerCertificate; verify != nil {
		config.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
			if err := verify(raw, chains); err != nil {
				return &peerError{err}
			}
			return nil
		}
	}
	if get := config.GetClientCertificate; get != nil {
		config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := get(info)
			if err != nil {
				return nil, &identityError{err}
			}
			return cert, nil
		}
	}
	return config
}
