package trust

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A Peer says which server is acceptable: by host name (SAN, else CN, also host/NAME), or by DN when DN is not empty.
// AllowHost with a DN accepts either. The zero Peer accepts nobody.
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

// check compares a verified peer with what is wanted.
func (p Peer) check(r *Result) error {
	byHost := p.Host != "" && (p.DN.IsEmpty() || p.AllowHost)
	if !p.DN.IsEmpty() && r.Identity.Equal(p.DN) {
		return nil
	}
	eec := r.Chain[len(r.Chain)-1]
	if byHost && matchesHost(eec, p.Host) {
		return nil
	}
	var wanted []string
	if !p.DN.IsEmpty() {
		wanted = append(wanted, p.DN.String())
	}
	if byHost {
		wanted = append(wanted, "host "+p.Host)
	}
	if len(wanted) == 0 {
		wanted = []string{"nobody: neither a host name nor a DN was given"}
	}
	return refuse(IDPeerName, r.Identity, "the peer is not the one wanted: wanted %s, found %s", strings.Join(wanted, " or "), foundNames(r.Identity, eec))
}

// foundNames lists what a certificate is good for, for the message.
func foundNames(identity dn.Name, eec *x509.Certificate) string {
	var names []string
	for _, ip := range eec.IPAddresses {
		names = append(names, ip.String())
	}
	names = append(names, eec.DNSNames...)
	if len(names) == 0 {
		names = hostCNs(subjectOf(eec))
	}
	if len(names) == 0 {
		return identity.String()
	}
	const most = 10
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return fmt.Sprintf("%s (host %s)", identity, strings.Join(names, ", "))
}

// matchesHost compares as Globus does with NAME_COMPATIBILITY=STRICT_RFC2818: the subjectAltNames if there are any of a
// host, else the CN, which may also be host/NAME or SERVICE/NAME.
func matchesHost(cert *x509.Certificate, host string) bool {
	if len(cert.DNSNames) > 0 || len(cert.IPAddresses) > 0 {
		return cert.VerifyHostname(host) == nil
	}
	for _, cn := range commonNames(subjectOf(cert)) {
		if i := strings.LastIndexByte(cn, '/'); i >= 0 {
			cn = cn[i+1:]
		}
		bare := new(x509.Certificate)
		if ip := net.ParseIP(cn); ip != nil {
			bare.IPAddresses = []net.IP{ip}
		} else {
			bare.DNSNames = []string{cn}
		}
		if cn != "" && bare.VerifyHostname(host) == nil {
			return true
		}
	}
	return false
}
