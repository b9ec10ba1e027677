package trust_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"net"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func clock() time.Time { return now }

func tlsCert(chain ...*entity) tls.Certificate {
	out := tls.Certificate{PrivateKey: chain[0].key}
	for _, e := range chain {
		out.Certificate = append(out.Certificate, e.cert.Raw)
	}
	return out
}

// handshake connects both configurations over loopback and returns what each side says, the client's after a first read,
// where a refusal by a TLS 1.3 server shows.
func handshake(t *testing.T, client, server *tls.Config) (seen []*x509.Certificate, clientErr, serverErr error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		s := tls.Server(conn, server)
		if err := s.Handshake(); err != nil {
			done <- err
			return
		}
		seen = s.ConnectionState().PeerCertificates
		_, err = s.Write([]byte("hello"))
		done <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := tls.Client(conn, client)
	if clientErr = c.HandshakeContext(ctx); clientErr == nil {
		_, clientErr = io.ReadFull(c, make([]byte, 5))
	}
	conn.Close()
	serverErr = <-done
	return seen, clientErr, serverErr
}

func sans(names ...string) change {
	return func(c *x509.Certificate) {
		for _, n := range names {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}
}

// newHost is newEEC with the extended key usages that the IGTF profile has for hosts.
func newHost(t testing.TB, name string, issuer *entity, changes ...change) *entity {
	t.Helper()
	return newEEC(t, name, issuer, append([]change{usages(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)}, changes...)...)
}

func usages(of ...x509.ExtKeyUsage) change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = of }
}

func TestClientConfig(t *testing.T) {
	g := newGrid(t)
	const base = "/DC=org/DC=gridtest/CN="
	host := func(cn string, changes ...change) *entity { return newHost(t, base+cn, g.sub, changes...) }
	withSAN := host("ignored.example.org", sans("a.example.org", "127.0.0.1"))
	plain := host("a.example.org")
	byHost := func(h string) trust.Peer { return trust.Peer{Host: h} }
	byDN := func(d string) trust.Peer { return trust.Peer{Host: "elsewhere.example.org", DN: parseDN(t, d)} }
	either := byDN(base + "other")
	either.Host, either.AllowHost = "a.example.org", true
	tests := []struct {
		name      string
		server    []*entity
		peer      trust.Peer
		id, words string
	}{
		{"SAN", []*entity{withSAN, g.sub}, byHost("a.example.org"), "", ""},
		{"SAN, case", []*entity{withSAN}, byHost("A.Example.ORG"), "", ""},
		{"SAN address", []*entity{withSAN, g.sub, g.root}, byHost("127.0.0.1"), "", ""},
		{"CN beside a SAN", []*entity{withSAN}, byHost("ignored.example.org"), trust.IDPeerName, "wanted host ignored.example.org, found " + base + "ignored.example.org (host 127.0.0.1, a.example.org)"},
		{"CN", []*entity{plain}, byHost("a.example.org"), "", ""},
		{"CN of another", []*entity{plain}, byHost("b.example.org"), trust.IDPeerName, "wanted host b.example.org, found"},
		{"CN host/", []*entity{host(`host\/a.example.org`)}, byHost("a.example.org"), "", ""},
		{"CN service/", []*entity{host(`myproxy\/a.example.org`)}, byHost("a.example.org"), "", ""},
		{"CN that ends alike", []*entity{host(`evila.example.org`)}, byHost("a.example.org"), trust.IDPeerName, ""},
		{"DN", []*entity{withSAN}, byDN(base + "ignored.example.org"), "", ""},
		{"DN of another", []*entity{withSAN}, byDN(base + "other"), trust.IDPeerName, "wanted " + base + "other, found"},
		{"host is not asked beside a DN", []*entity{withSAN}, trust.Peer{Host: "a.example.org", DN: parseDN(t, base+"other")}, trust.IDPeerName, ""},
		{"DN or host", []*entity{withSAN}, either, "", ""},
		{"nobody", []*entity{withSAN}, trust.Peer{}, trust.IDPeerName, "nobody"},
		{"proxy as server certificate", []*entity{newProxy(t, withSAN, proxyKind{}), withSAN}, byHost("a.example.org"), "", ""},
		{"proxy, by DN", []*entity{newProxy(t, withSAN, proxyKind{}), withSAN}, byDN(base + "ignored.example.org"), "", ""},
		{"expired", []*entity{host("a.example.org", valid(-2*time.Hour, -time.Hour))}, byHost("a.example.org"), trust.IDExpired, "expired on"},
		{"unknown CA", []*entity{newHost(t, base+"a.example.org", newCA(t, "/CN=x", nil))}, byHost("a.example.org"), trust.IDNoAnchor, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				server := &tls.Config{Certificates: []tls.Certificate{tlsCert(tt.server...)}, MinVersion: version, MaxVersion: version}
				_, err, _ := handshake(t, g.store.ClientConfig(nil, tt.peer, clock), server)
				if tt.id != "" {
					wantError(t, err, tt.id, tt.words)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestPeerNames has what is no name of a server: whoever gets a user certificate chooses part of its subject.
func TestPeerNames(t *testing.T) {
	g := newGrid(t)
	const base = "/DC=org/DC=gridtest/OU=hosts/CN="
	const name = "myproxy.example.org"
	cn := func(cn string, changes ...change) []*entity {
		return []*entity{newHost(t, base+cn, g.sub, changes...), g.sub}
	}
	withSAN := newHost(t, base+name, g.sub, sans(name))
	below := func(issuer *entity, language asn1.ObjectIdentifier, changes ...change) []*entity {
		return []*entity{newProxy(t, issuer, proxyKind{language: language, cn: "9"}, changes...), issuer, g.sub}
	}
	ca := func(permitted, excluded string) *entity {
		ca := newCA(t, "/DC=org/DC=gridtest/CN=For "+permitted+" but "+excluded, g.root, constrain(permitted, excluded))
		g.addCA(ca, "/DC=org/DC=gridtest/*")
		return ca
	}
	elsewhere, home, not := ca("other.example", ""), ca("example.org", ""), ca("", "example.org")
	under := func(ca *entity, changes ...change) []*entity {
		return []*entity{newHost(t, base+name, ca, changes...), ca}
	}
	byHost := trust.Peer{Host: name}
	byDN := trust.Peer{DN: parseDN(t, base+name)}
	const noUsage = "serverAuth"
	tests := []struct {
		name      string
		server    []*entity
		peer      trust.Peer
		id, words string
	}{
		{"CN", cn(name), byHost, "", ""},
		{"CN, case", cn("MyProxy.example.org"), byHost, "", ""},
		{"CN, absolute", cn(name), trust.Peer{Host: name + "."}, "", ""},
		{"CN voms/", cn(`voms\/` + name), byHost, "", ""},
		{"CN http/", cn(`HTTP\/` + name), byHost, "", ""},
		{"CN of a service that is none", cn(`x\/` + name), byHost, trust.IDPeerName, "found " + base + "x"},
		{"CN of two services", cn(`x\/host\/` + name), byHost, trust.IDPeerName, ""},
		{"CN in the middle", cn(name + "/CN=12345/CN=Jane Doe"), byHost, trust.IDPeerName, "found " + base + name + "/CN=12345/CN=Jane Doe"},
		{"CN in the middle, of a proxy", below(newHost(t, base+name+"/CN=Jane Doe", g.sub), proxycert.LanguageInheritAll), byHost, trust.IDPeerName, ""},
		{"CN before another attribute", cn(name + "/OU=people"), byHost, trust.IDPeerName, ""},
		{"CN with a wildcard", cn("*.example.org"), byHost, trust.IDPeerName, ""},
		{"SAN with a wildcard", cn("x", sans("*.example.org")), byHost, "", ""},
		{"CN address", cn("127.0.0.1"), trust.Peer{Host: "127.0.0.1"}, "", ""},
		{"CN of another address", cn("127.0.0.2"), trust.Peer{Host: "127.0.0.1"}, trust.IDPeerName, ""},
		{"limited proxy", below(withSAN, proxycert.LanguageLimited), byHost, "", ""},
		{"independent proxy", below(withSAN, proxycert.LanguageIndependent), byHost, trust.IDPeerName, "found " + base + name + "/CN=9"},
		{"independent proxy, by the host's DN", below(withSAN, proxycert.LanguageIndependent), byDN, trust.IDPeerName, ""},
		{"independent proxy, by its own DN", below(withSAN, proxycert.LanguageIndependent), trust.Peer{DN: parseDN(t, base+name+"/CN=9")}, "", ""},
		{"no usages", cn(name, usages()), byHost, "", ""},
		{"any usage", cn(name, usages(x509.ExtKeyUsageAny)), byHost, "", ""},
		{"usage of clients", cn(name, usages(x509.ExtKeyUsageClientAuth)), byHost, trust.IDPeerName, noUsage},
		{"usage of clients, SAN", cn(name, usages(x509.ExtKeyUsageClientAuth), sans(name)), byHost, trust.IDPeerName, noUsage},
		{"usage of clients, by DN", cn(name, usages(x509.ExtKeyUsageClientAuth)), byDN, "", ""},
		{"usage of no kind known", cn(name, extension(false, []byte("\x30\x04\x06\x02\x2a\x03"), 2, 5, 29, 37), usages()), byHost, trust.IDPeerName, noUsage},
		{"usage of clients, of a proxy", below(withSAN, proxycert.LanguageInheritAll, usages(x509.ExtKeyUsageClientAuth)), byHost, trust.IDPeerName, noUsage},
		{"CN, CA for elsewhere", under(elsewhere), byHost, trust.IDNames, "vouch for"},
		{"CN, CA not for it", under(not), byHost, trust.IDNames, "vouch for"},
		{"CN, CA for it", under(home), byHost, "", ""},
		{"SAN, CA for elsewhere", under(elsewhere, sans(name)), byHost, trust.IDNames, ""},
		{"DN, CA for elsewhere", under(elsewhere), byDN, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := &tls.Config{Certificates: []tls.Certificate{tlsCert(tt.server...)}}
			_, err, _ := handshake(t, g.store.ClientConfig(nil, tt.peer, clock), server)
			if tt.id != "" {
				wantError(t, err, tt.id, tt.words)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWholeChainIsSent has a server that names a CA which is not ours: crypto/tls on its own would send nothing.
func TestWholeChainIsSent(t *testing.T) {
	g := newGrid(t)
	server := newHost(t, "/DC=org/DC=gridtest/CN=a.example.org", g.sub)
	jane := newEEC(t, janeName, g.sub)
	proxy := newProxy(t, jane, proxyKind{})
	cred := &proxycert.Credential{Chain: certs(proxy, jane), Key: proxy.key}
	config := g.store.ServerConfig(tlsCert(server), true, clock)
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(newCA(t, "/O=Elsewhere/CN=CA", nil).cert)
	seen, clientErr, serverErr := handshake(t, g.store.ClientConfig(cred, trust.Peer{Host: "a.example.org"}, clock), config)
	if clientErr != nil || serverErr != nil || len(seen) != 2 {
		t.Fatalf("%v, %v, %d certificates", clientErr, serverErr, len(seen))
	}
	r, err := g.store.VerifyPeer(seen, now)
	if err != nil || r.Identity.String() != janeName {
		t.Errorf("server sees %v, %v", r, err)
	}
}

func TestServerConfig(t *testing.T) {
	g := newGrid(t)
	server := newHost(t, "/DC=org/DC=gridtest/CN=a.example.org", g.sub)
	jane := newEEC(t, janeName, g.sub)
	revoked := newEEC(t, "/DC=org/DC=gridtest/CN=Revoked", g.sub)
	g.crl(g.sub, -time.Hour, time.Hour, revoked.cert.SerialNumber)
	stranger := newEEC(t, janeName, newCA(t, "/CN=x", nil))
	show := func(e *entity) *proxycert.Credential {
		return &proxycert.Credential{Chain: certs(e), Key: e.key}
	}
	tests := []struct {
		name    string
		cred    *proxycert.Credential
		require bool
		ok      bool
		id      string
	}{
		{"good, required", show(jane), true, true, ""},
		{"good, optional", show(jane), false, true, ""},
		{"none, required", nil, true, false, ""},
		{"none, optional", nil, false, true, ""},
		{"revoked, required", show(revoked), true, false, trust.IDRevoked},
		{"revoked, optional", show(revoked), false, false, trust.IDRevoked},
		{"stranger, optional", show(stranger), false, false, trust.IDNoAnchor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := g.store.ServerConfig(tlsCert(server), tt.require, clock)
			_, clientErr, serverErr := handshake(t, g.store.ClientConfig(tt.cred, trust.Peer{Host: "a.example.org"}, clock), config)
			if (clientErr == nil) != tt.ok || (serverErr == nil) != tt.ok {
				t.Errorf("client says %v, server %v", clientErr, serverErr)
			}
			if tt.id != "" {
				wantError(t, serverErr, tt.id)
			}
		})
	}
}

func TestConfigs(t *testing.T) {
	g := newGrid(t)
	for _, c := range []*tls.Config{g.store.ClientConfig(nil, trust.Peer{}, nil), g.store.ServerConfig(tls.Certificate{}, false, nil)} {
		if c.MinVersion != tls.VersionTLS12 || !c.DynamicRecordSizingDisabled || !c.SessionTicketsDisabled || c.VerifyConnection == nil || c.Time == nil {
			t.Errorf("got %+v", c)
		}
	}
}
