package trust

import (
	"crypto/tls"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A Peer says which server is acceptable: by host name (SAN, else the last CN, also host/NAME), or by DN when DN is not
// empty. AllowHost with a DN accepts either. The zero Peer accepts nobody. Whoever it is, a certificate that says what its
// key is for must say that it is for servers.
type Peer struct {
	Host      string
	DN        dn.Name
	AllowHost bool
}

// ClientConfig returns a TLS configuration that shows cred (nil: none) and accepts only the peer. It always sends the
// whole chain, whatever CAs the server lists, allows TLS 1.2 and 1.3, and switches dynamic record sizing off, since
// MyProxy and VOMS servers take a record for a message. A nil now means time.Now. A refused peer is an *Error.
func (s *Store) ClientConfig(cred *proxycert.Credential, peer Peer, now func() time.Time) *tls.Config {
	if now == nil {
		now = time.Now
	}
	shown := new(tls.Certificate)
	if cred != nil {
		*shown = cred.TLS()
	}
	c := baseConfig(now)
	c.ServerName = peer.Host
	// Config.Certificates would send none at all if the server's list of CAs has not the issuer's name byte for byte.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }
	// crypto/x509 can verify neither proxies nor names in CNs; VerifyConnection does all of it, on every handshake.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error {
		r, err := s.VerifyPeer(state.PeerCertificates, now())
		if err != nil {
			return err
		}
		return peer.check(r)
	}
	return c
}

// ServerConfig returns the other side's configuration: it shows cert and verifies what the client shows. Without
// requireClient a client may show nothing, and is then nobody; VerifyPeer of the connection's PeerCertificates says who it
// is otherwise. No CAs are named to the client, as MyProxy and VOMS servers do.
func (s *Store) ServerConfig(cert tls.Certificate, requireClient bool, now func() time.Time) *tls.Config {
	if now == nil {
		now = time.Now
	}
	c := baseConfig(now)
	c.Certificates = []tls.Certificate{cert}
	c.ClientAuth = tls.RequestClientCert
	if requireClient {
		c.ClientAuth = tls.RequireAnyClientCert
	}
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			if requireClient {
				return &Error{ID: IDPeerNone, Msg: "the client showed no certificate"}
			}
			return nil
		}
		_, err := s.VerifyPeer(state.PeerCertificates, now())
		return err
	}
	return c
}

func baseConfig(now func() time.Time) *tls.Config {
	return &tls.Config{
		Time:                        now,
		MinVersion:                  tls.VersionTLS12,
		DynamicRecordSizingDisabled: true,
		SessionTicketsDisabled:      true,
	}
}
