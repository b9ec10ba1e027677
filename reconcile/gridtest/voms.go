package gridtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// A Style is whose manners a VOMS server has.
type Style string

const (
	// VOMSD: REST and XML on one port, the query taken literally, status 500 with a warning, codes that are words.
	VOMSD Style = "vomsd"
	// IAM is INDIGO IAM's voms-aa: REST only, percent-encoding understood, status 200 with numeric codes, chunked replies.
	IAM Style = "iam"
)

// A VO is a virtual organisation.
type VO struct {
	Name         string
	Members      []Member
	MaxLifetime  time.Duration // of an AC; 0: 24 h as vomsd, 12 h as IAM
	ShortFQANs   bool          // write /alice instead of /alice/Role=NULL/Capability=NULL; always so in style IAM
	IssuerHolder bool          // name the holder by issuer, as RFC 5755 wants, instead of by subject
	NoREST       bool          // a GET gets no answer, as from vomsd 2.1.0~rc3 of Debian
	NoXML        bool
}

// A Member of a VO.
type Member struct {
	DN         string   // of the end-entity certificate, slash form
	FQANs      []string // short form: groups and roles; the VO's own group needs not be among them
	Attributes []attrcert.Attribute
	Suspended  string // the reason; empty: not suspended
	AUP        bool   // the member has to sign the acceptable use policy again (style IAM)
}

// VOMSOptions say what a VOMS server is like. CA, Trust and one VO are needed.
type VOMSOptions struct {
	CA    *CA                   // issues the server's certificate where none is given
	Trust *trust.Store          // verifies clients; style VOMSD takes no notice of CRLs
	Host  *proxycert.Credential // nil: a certificate of /DC=org/DC=gridtest/OU=computers/CN=voms.example.org for localhost
	Addr  string                // empty: a free port of 127.0.0.1
	Style Style                 // empty: VOMSD
	VOs   []VO                  // requests that name none are about the first
	Now   func() time.Time      // nil: the CA's clock
	Log   func(line string)     // nil: dropped; one line for each connection
}

// A VOMSRequest is what a client asked for, and what became of it.
type VOMSRequest struct {
	Protocol  string // "REST" or "XML"; empty when the connection ended before that
	Peer      string // identity of the TLS client, slash form
	Query     string // of REST: as it came
	UserAgent string
	FQANs     []string      // asked for, short form
	Lifetime  time.Duration // asked for
	Granted   time.Duration
	Given     []string // FQANs as written into the AC
	Code      string   // of the error; empty: none
}

// VOMS is a VOMS server for one or more VOs. It is safe for concurrent use.
type VOMS struct {
	*listener
	faults
	o     VOMSOptions
	tls   *tls.Config
	trust *trust.Store
	now   func() time.Time
	mu    sync.Mutex
	first string
	vos   map[string]VO
	asked []VOMSRequest
}

// NewVOMS starts a VOMS server.
func NewVOMS(o VOMSOptions) (*VOMS, error) {
	if o.CA == nil || o.Trust == nil || len(o.VOs) == 0 {
		return nil, errors.New("starting a VOMS server: CA, Trust and a VO are needed")
	}
	s := &VOMS{o: o, now: o.Now, vos: make(map[string]VO), first: o.VOs[0].Name}
	if s.now == nil {
		s.now = o.CA.now
	}
	if s.o.Style == "" {
		s.o.Style = VOMSD
	}
	if s.o.Host == nil {
		host, err := o.CA.Issue(CertRequest{Subject: o.CA.Below("OU=computers", "CN=voms.example.org"), Kind: HostCert})
		if err != nil {
			return nil, fmt.Errorf("starting a VOMS server: %w", err)
		}
		s.o.Host = host
	}
	for _, vo := range o.VOs {
		s.vos[vo.Name] = vo
	}
	s.trust = o.Trust
	if s.o.Style == VOMSD {
		s.trust = &trust.Store{Certificates: o.Trust.Certificates, VOMSDir: o.Trust.VOMSDir, CRL: trust.CRLIgnore, AllowWeak: o.Trust.AllowWeak}
	}
	s.tls = serverConfig(s.o.Host, o.CA, 0)
	s.tls.ClientAuth = tls.RequireAnyClientCert
	s.tls.SessionTicketsDisabled = true
	l, err := listen(o.Addr, s.serve)
	if err != nil {
		return nil, fmt.Errorf("starting a VOMS server: %w", err)
	}
	s.listener = l
	return s, nil
}

// Update changes a VO from the next request on and reports whether there is one of that name.
func (s *VOMS) Update(vo string, f func(*VO)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.vos[vo]
	if ok {
		v.Members = slices.Clone(v.Members)
		f(&v)
		s.vos[vo] = v
	}
	return ok
}

// vo returns the VO named, or the first one for an empty name.
func (s *VOMS) vo(name string) (VO, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" {
		name = s.first
	}
	v, ok := s.vos[name]
	return v, ok
}

// Requests returns what has been asked so far, in the order in which the connections ended. What a client has its answer to
// is among it; a connection that hangs is not, before it ends.
func (s *VOMS) Requests() []VOMSRequest {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]VOMSRequest{}, s.asked...)
}

// Forget empties the list of requests.
func (s *VOMS) Forget() {
	s.settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

// HostDN is the DN of the server's certificate, slash form.
func (s *VOMS) HostDN() string { return s.o.Host.Identity().String() }

// Vomses returns the vomses lines for the server, one for each VO, by name.
func (s *VOMS) Vomses() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, vo := range slices.Sorted(maps.Keys(s.vos)) {
		fmt.Fprintf(&b, "%q \"localhost\" \"%d\" \"%s\" %q\n", vo, s.Port(), s.HostDN(), vo)
	}
	return b.String()
}

// WriteLSC writes the LSC file of each VO into a vomsdir. ACs name the host "localhost".
func (s *VOMS) WriteLSC(vomsdir string) error {
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.vos))
	s.mu.Unlock()
	signer := s.o.Host.Leaf()
	chain := []dn.Name{dn.MustFromDER(signer.RawSubject), dn.MustFromDER(signer.RawIssuer)}
	for _, vo := range names {
		if err := trust.WriteLSC(vomsdir, vo, "localhost", chain); err != nil {
			return fmt.Errorf("writing the LSC file of VO %q: %w", vo, err)
		}
	}
	return nil
}

// find returns the member whose DN is name.
func (v VO) find(name string) *Member {
	for i, m := range v.Members {
		if m.DN == name {
			return &v.Members[i]
		}
	}
	return nil
}

// maxLifetime is the longest AC the server gives.
func (s *VOMS) maxLifetime(v VO) time.Duration {
	switch {
	case v.MaxLifetime > 0:
		return v.MaxLifetime
	case s.o.Style == IAM:
		return 12 * time.Hour
	}
	return 24 * time.Hour
}

// A vomsSession is one connection after its handshake.
type vomsSession struct {
	s        *VOMS
	raw      *net.TCPConn
	conn     *tls.Conn
	out      *wire
	fault    Fault
	deadline time.Time
	peer     *client
	log      VOMSRequest
}

func (s *VOMS) serve(raw *net.TCPConn) {
	c := &vomsSession{s: s, raw: raw, fault: s.take(), deadline: time.Now().Add(requestTimeout)}
	defer func() {
		s.mu.Lock()
		s.asked = append(s.asked, c.log)
		s.mu.Unlock()
		s.recorded(raw)
		if s.o.Log != nil {
			s.o.Log(fmt.Sprintf("voms: %s for %q by %q: granted %s %s", c.log.Protocol, c.log.FQANs, c.log.Peer, c.log.Granted, c.log.Code))
		}
		finish(raw)
	}()
	if c.misbehave(AtConnect) || !c.handshake() {
		return
	}
	first := make([]byte, 32<<10)
	n, err := c.conn.Read(first)
	if err != nil {
		return
	}
	// The C++ client sends GSI's flag byte in a record of its own, and here it may be left out.
	data := first[:n]
	if string(data) == "0" {
		data = nil
	}
	if data, err = readMore(c.conn, c.deadline, data, isVOMSRequest); err != nil || c.misbehave(AtRequest) {
		return
	}
	if get := strings.TrimPrefix(string(data), "0"); strings.HasPrefix(get, "GET") {
		c.rest(get)
		return
	}
	c.xml(data)
}

// isVOMSRequest reports that a request, of either protocol, is whole.
func isVOMSRequest(b []byte) bool {
	s := strings.TrimPrefix(string(b), "0")
	if strings.HasPrefix(s, "GET") {
		return strings.Contains(s, "\n\n") || strings.Contains(s, "\r\n\r\n")
	}
	return strings.Contains(s, "</voms>")
}

// misbehave does what the fault says for this stage and reports that the connection is over.
func (c *vomsSession) misbehave(at Stage) bool {
	switch {
	case c.fault.Kind == Refuse:
		reset(c.raw)
	case c.fault.Kind == Hang && c.fault.Stage == at:
		c.s.hang(c.raw)
	case c.fault.Kind == Garbage && c.fault.Stage == at && at == AtConnect:
		c.raw.Write([]byte("220 this is no VOMS server\r\n"))
	case c.fault.Kind == Garbage && c.fault.Stage == at:
		c.out.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body>\x00\xff garbage, as told"))
	default:
		return false
	}
	return true
}

func (c *vomsSession) handshake() bool {
	intercept := &alerter{TCPConn: c.raw}
	conf := c.s.tls.Clone()
	conf.KeyLogWriter = keyLog{intercept}
	conf.VerifyConnection = func(cs tls.ConnectionState) (err error) {
		if c.peer, err = identify(c.s.trust, cs.PeerCertificates, c.s.now()); err != nil {
			intercept.arm(cs, err)
			return err
		}
		c.log.Peer = c.peer.name
		return nil
	}
	c.conn = tls.Server(intercept, conf)
	c.out = &wire{tls: c.conn, raw: c.raw, fault: c.fault}
	return c.conn.Handshake() == nil
}

// eec is the end-entity certificate of the client: the holder, whatever proxy was shown.
func (c *vomsSession) eec() *x509.Certificate { return c.peer.chain[len(c.peer.chain)-1] }
