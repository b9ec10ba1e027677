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

// dial connects and shakes hands under ctx. Its errors are *connectErrors.
func (d *dialer) dial(ctx context.Context) (*tls.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.server.Address())
	if err != nil {
		return nil, &connectError{err}
	}
	conn := tls.Client(raw, marked(d.config))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &connectError{err}
	}
	return conn, nil
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
