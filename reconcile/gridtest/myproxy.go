package gridtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// MyProxyOptions say what a MyProxy server is like. Only CA and Trust are needed.
type MyProxyOptions struct {
	CA            *CA                   // issues the host certificate where none is given, and strangers for WrongIdentity
	Trust         *trust.Store          // verifies clients, old proxies and what is stored
	Host          *proxycert.Credential // nil: a certificate of /DC=org/DC=gridtest/OU=computers/CN=myproxy.example.org for localhost
	Addr          string                // empty: a free port of 127.0.0.1
	Policy        Policy                // the zero Policy: OpenPolicy
	MaxTLS        uint16                // 0: TLS 1.3
	SendTickets   bool                  // under TLS 1.3 session tickets instead of the NUL byte, as servers before 2018 are thought to
	TrustRootsPEM map[string][]byte     // files of GET_TRUSTROOTS
	Now           func() time.Time      // nil: the CA's clock
	Keys          *KeyPool              // nil: the CA's
	Log           func(line string)     // nil: dropped; one line for each connection
}

// A MyProxyRequest is what a client asked for, and what became of it.
type MyProxyRequest struct {
	Command    string // "GET", "PUT", …; empty when the connection ended before a request was understood
	Username   string
	CredName   string
	Peer       string // identity of the TLS client, slash form; "<anonymous>" without a certificate
	Passphrase bool   // one was given
	Lifetime   time.Duration
	Method     int           // of the answer to the renewal challenge: 4 SHA-256, 2 SHA-1; 0: no challenge
	Granted    time.Duration // what GET handed out
	TLS        uint16
	Errors     []string // what was answered; empty: it worked, or the connection ended
}

// MyProxy is a MyProxy v2 server. It is safe for concurrent use.
type MyProxy struct {
	*listener
	faults
	o     MyProxyOptions
	tls   *tls.Config
	repo  repository
	now   func() time.Time
	keys  *KeyPool
	mu    sync.Mutex
	pol   Policy
	asked []MyProxyRequest
	puts  int
}

// NewMyProxy starts a MyProxy server.
func NewMyProxy(o MyProxyOptions) (*MyProxy, error) {
	if o.CA == nil || o.Trust == nil {
		return nil, errors.New("starting a MyProxy server: CA and Trust are needed")
	}
	s := &MyProxy{o: o, now: o.Now, keys: o.Keys, pol: o.Policy}
	if s.now == nil {
		s.now = o.CA.now
	}
	if s.keys == nil {
		s.keys = o.CA.keys
	}
	if s.pol.AcceptedCredentials == nil && s.pol.AuthorizedRetrievers == nil && s.pol.AuthorizedRenewers == nil && s.pol.TrustedRetrievers == nil {
		s.pol = OpenPolicy()
	}
	if s.o.Host == nil {
		host, err := o.CA.Issue(CertRequest{Subject: "/DC=org/DC=gridtest/OU=computers/CN=myproxy.example.org", Kind: HostCert})
		if err != nil {
			return nil, fmt.Errorf("starting a MyProxy server: %w", err)
		}
		s.o.Host = host
	}
	s.tls = serverConfig(s.o.Host, o.CA, o.MaxTLS)
	s.tls.ClientAuth = tls.RequestClientCert
	s.tls.SessionTicketsDisabled = !o.SendTickets
	l, err := listen(o.Addr, s.serve)
	if err != nil {
		return nil, fmt.Errorf("starting a MyProxy server: %w", err)
	}
	s.listener = l
	return s, nil
}

// serverConfig is what both servers have in common: the whole chain with the root is sent, no CA is named to the client,
// and one Write is one record.
func serverConfig(host *proxycert.Credential, ca *CA, maxTLS uint16) *tls.Config {
	cert := host.TLS()
	cert.Certificate = slices.Clone(cert.Certificate)
	for _, c := range ca.Chain() {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return &tls.Config{
		Certificates:                []tls.Certificate{cert},
		MinVersion:                  tls.VersionTLS12,
		MaxVersion:                  maxTLS,
		DynamicRecordSizingDisabled: true,
	}
}

// SetPolicy replaces the server's policy from the next request on.
func (s *MyProxy) SetPolicy(p Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pol = p
}

func (s *MyProxy) policy() Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pol
}

// Requests returns what has been asked so far, in the order in which the connections ended. What a client has its answer to
// is among it; a connection that hangs is not, before it ends.
func (s *MyProxy) Requests() []MyProxyRequest {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]MyProxyRequest{}, s.asked...)
}

// Forget empties the list of requests.
func (s *MyProxy) Forget() {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

// HostDN is the DN of the server's certificate, slash form.
func (s *MyProxy) HostDN() string { return s.o.Host.Identity().String() }

// A client is who is at the other end of a connection.
type client struct {
	name    string // identity, slash form
	chain   []*x509.Certificate
	limited bool
	fqans   []string
}

const anonymous = "<anonymous>"

// identify verifies a presented chain.
func identify(store *trust.Store, certs []*x509.Certificate, now time.Time) (*client, error) {
	if len(certs) == 0 {
		return &client{name: anonymous}, nil
	}
	r, err := store.VerifyChain(certs, now)
	if err != nil {
		return nil, err
	}
	c := &client{name: r.Identity.String(), chain: r.Chain, limited: r.Limited}
	acs, err := attrcert.FromChain(r.Chain)
	if err != nil {
		return nil, err
	}
	for _, ac := range acs {
		c.fqans = append(c.fqans, ac.FQANs...)
	}
	return c, nil
}

// A session is one connection after its handshake.
type session struct {
	s        *MyProxy
	raw      *net.TCPConn
	conn     *tls.Conn
	out      *wire
	fault    Fault
	deadline time.Time
	peer     *client
	msg      *message
	log      MyProxyRequest
}

func (s *MyProxy) serve(raw *net.TCPConn) {
	c := &session{s: s, raw: raw, fault: s.take(), deadline: time.Now().Add(requestTimeout)}
	defer func() {
		s.mu.Lock()
		s.asked = append(s.asked, c.log)
		s.mu.Unlock()
		s.recorded(raw)
		if s.o.Log != nil {
			s.o.Log(fmt.Sprintf("myproxy: %s for %q by %q: %q", c.log.Command, c.log.Username, c.log.Peer, c.log.Errors))
		}
		finish(raw)
	}()
	if c.misbehave(AtConnect, raw) {
		return
	}
	if !c.handshake() {
		return
	}
	msg, err := readMessage(c.conn, c.deadline, isRequest)
	if err != nil || c.misbehave(AtRequest, c.out) {
		return
	}
	c.request(msg)
}

// misbehave does what the fault says for this stage and reports that the connection is over.
func (c *session) misbehave(at Stage, w interface{ Write([]byte) (int, error) }) bool {
	switch c.fault.Kind {
	case Refuse:
		reset(c.raw)
		return true
	case Hang:
		if c.fault.Stage == at {
			c.s.hang(c.raw)
			return true
		}
	case Garbage:
		if c.fault.Stage == at {
			w.Write([]byte("\x7f\x00\xff\xfegarbage, as told\r\n\r\n\x00\x01\x02"))
			return true
		}
	case ErrorReply:
		if at == AtRequest {
			c.fail(c.fault.Lines...)
			return true
		}
	}
	return false
}

// handshake does TLS and the bytes that GSI puts before the first message.
func (c *session) handshake() bool {
	s := c.s
	conf := s.tls.Clone()
	c.log.Peer = anonymous
	intercept := &alerter{TCPConn: c.raw}
	conf.KeyLogWriter = keyLog{intercept}
	conf.VerifyConnection = func(cs tls.ConnectionState) (err error) {
		c.log.TLS = cs.Version
		if c.peer, err = identify(s.o.Trust, cs.PeerCertificates, s.now()); err != nil {
			intercept.arm(cs, err)
			return err
		}
		c.log.Peer = c.peer.name
		return nil
	}
	c.conn = tls.Server(intercept, conf)
	c.out = &wire{tls: c.conn, raw: c.raw, fault: c.fault}
	if err := c.conn.Handshake(); err != nil {
		c.log.Errors = []string{"handshake: " + err.Error()}
		return false
	}
	if c.leadingNUL() {
		if _, err := c.conn.Write([]byte{0}); err != nil {
			return false
		}
	}
	// A record of its own must hold '0', GSI's "no delegation".
	flag := make([]byte, 32<<10)
	n, err := c.conn.Read(flag)
	switch {
	case err != nil:
		return false
	case flag[0] != '0':
		c.clearText()
		return false
	case n > 1: // swallowed together with the flag: both sides wait
		s.hang(c.raw)
		return false
	}
	if c.fault.Kind == ClearText {
		c.clearText()
		return false
	}
	return true
}

// leadingNUL: under TLS 1.3 the Globus library sends one NUL after the handshake, in place of the session tickets that
// old clients cannot read.
func (c *session) leadingNUL() bool {
	tls13 := c.conn.ConnectionState().Version >= tls.VersionTLS13
	return tls13 && !c.s.o.SendTickets || c.fault.Kind == LeadingNUL
}

// clearText answers outside of TLS, as GSI does for a failure between the TLS handshake and the delegation flag.
func (c *session) clearText() {
	c.log.Errors = []string{"authentication failed"}
	c.raw.Write([]byte(errorReply(c.log.Errors)))
}

func (c *session) fail(lines ...string) {
	c.log.Errors = lines
	c.out.Write([]byte(errorReply(lines)))
}

func (c *session) ok() bool {
	_, err := c.out.Write([]byte(okReply))
	return err == nil
}
