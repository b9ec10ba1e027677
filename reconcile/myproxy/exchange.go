package myproxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// An exchange is one connection and what is known about it, for its errors too.
type exchange struct {
	client  *Client
	request Request
	host    string
	port    int

	ctx  context.Context
	raw  *tailConn
	conn *tls.Conn
	in   *bufio.Reader
	stop []func() bool // ends what watches the context

	waiting   string           // what for, in words
	first     bool             // no message has been read yet
	begun     bool             // something of the message being read has come
	answered  bool             // a challenge was answered with the old proxy
	protected bool             // the credential was stored with a passphrase
	shown     *tls.Certificate // our TLS identity; nil when none was shown
	verify    error            // why the server was not accepted
}

// newExchange checks the request, so that nothing wrong is ever sent.
func (c *Client) newExchange(r Request) (*exchange, error) {
	x := &exchange{client: c, request: r, first: true}
	var err error
	if x.host, x.port, err = SplitServer(c.Server); err != nil {
		return nil, x.misused(err)
	}
	if _, err := r.Marshal(); err != nil {
		return nil, x.misused(err)
	}
	return x, nil
}

// open connects, shakes hands and sends the request.
func (x *exchange) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, x.client.timeout())
	x.ctx = ctx
	x.stop = append(x.stop, func() bool { cancel(); return true })
	x.waiting = "the connection"
	conn, err := x.client.connect(ctx, x.host, x.port)
	if err != nil {
		return x.failed(err)
	}
	x.raw = &tailConn{Conn: conn}
	// One deadline in the past ends whatever read or write is under way.
	x.stop = append(x.stop, context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }))
	x.conn = tls.Client(x.raw, x.config())
	x.in = bufio.NewReader(x.conn)
	x.waiting = "the TLS handshake"
	if err := x.conn.HandshakeContext(ctx); err != nil {
		return x.failed(err)
	}
	x.waiting = "the answer to the request"
	// GSI's "no delegation of the TLS identity", in a record of its own: in one
	// record with the request the server would wait for more until its timeout.
	if err := x.send([]byte{'0'}); err != nil {
		return err
	}
	msg, err := x.request.Marshal()
	if err != nil {
		return x.misused(err)
	}
	return x.send(msg)
}

// config is the caller's TLS configuration with what this protocol needs.
func (x *exchange) config() *tls.Config {
	cfg := x.client.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = x.host
	}
	cfg.DynamicRecordSizingDisabled = true // one Write, one record
	give := cfg.GetClientCertificate
	if give == nil {
		certs := cfg.Certificates
		// Otherwise crypto/tls sends no certificate when the server's list of
		// CAs lacks ours, and says nothing.
		give = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(certs) == 0 {
				return &tls.Certificate{}, nil
			}
			return &certs[0], nil
		}
	}
	cfg.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := give(info)
		if err == nil && cert != nil && len(cert.Certificate) > 0 {
			x.shown = cert
		}
		return cert, err
	}
	if check := cfg.VerifyConnection; check != nil {
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			x.verify = check(s)
			return x.verify
		}
	}
	if check := cfg.VerifyPeerCertificate; check != nil {
		cfg.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
			x.verify = check(raw, chains)
			return x.verify
		}
	}
	return cfg
}

// close ends the exchange. A connection that went wrong is dropped at once; a
// TLS goodbye could block on a peer that has stopped reading.
func (x *exchange) close(err error) {
	for _, stop := range slices.Backward(x.stop) {
		stop() // what watches the context first, then the context
	}
	switch {
	case x.raw == nil:
	case err != nil:
		x.raw.Close()
	default:
		x.conn.Close()
	}
}

// send writes one message: one Write, one record.
func (x *exchange) send(msg []byte) error {
	if _, err := x.conn.Write(msg); err != nil {
		// The server may have said why before it stopped listening.
		if refusal := x.lastWords(); refusal != nil {
			return refusal
		}
		return x.failed(err)
	}
	return nil
}

// lastWords reads what the server sent before a write of ours failed; nil when
// that was nothing of use.
func (x *exchange) lastWords() error {
	if x.ctx.Err() != nil {
		return nil
	}
	_, err := x.receive()
	if e, ok := err.(*Error); ok && (len(e.Messages) > 0 || e.ID != "MP-NET" && e.ID != "MP-TIMEOUT") {
		return e
	}
	return nil
}

// receive reads the next text message. A refusal comes back as an error.
func (x *exchange) receive() (*Response, error) {
	msg, whole, err := x.readText()
	if err != nil {
		return nil, x.failed(err)
	}
	r, err := ParseResponse(msg)
	switch {
	case err != nil && !whole && beginsLike(msg, "VERSION="+version+"\nRESPONSE="):
		return nil, x.failed(io.ErrUnexpectedEOF)
	case err != nil:
		return nil, x.garbled(err)
	case r.Type == ResponseError:
		return nil, x.refused(r.Errors)
	case !whole && msg[len(msg)-1] != '\n': // a value may have lost its end
		return nil, x.failed(io.ErrUnexpectedEOF)
	}
	return r, nil
}

// beginsLike reports whether one is the beginning of the other.
func beginsLike(msg []byte, want string) bool {
	n := min(len(msg), len(want))
	return string(msg[:n]) == want[:n]
}

// readText reads up to a NUL or the end of the connection; whole says which.
//
// Under TLS 1.3 the first byte of the first message is a NUL that belongs to
// GSI's handshake (the server sends it where it would send a session ticket),
// and is dropped.
func (x *exchange) readText() (msg []byte, whole bool, err error) {
	x.begun = false
	for {
		b, err := x.in.ReadByte()
		switch {
		case err == io.EOF && len(msg) > 0:
			return msg, false, nil
		case err != nil:
			return nil, false, err
		case b == 0 && len(msg) == 0 && x.first:
			x.first = false
			continue
		case b == 0:
			return msg, true, nil
		case len(msg) == maxMessage:
			return nil, false, errTooLong
		}
		x.first, x.begun = false, true
		msg = append(msg, b)
	}
}

var errTooLong = fmt.Errorf("the answer has more than %d bytes", maxMessage)

// textAhead reports whether a text message comes where a binary one should. It
// looks at two bytes: 'V' alone could be a chain of 86 certificates.
func (x *exchange) textAhead() (bool, error) {
	x.begun = false
	head, err := x.in.Peek(2)
	if len(head) > 0 {
		x.begun = true
	}
	if err != nil {
		return false, x.failed(err)
	}
	return string(head) == "VE", nil
}

// refusalAhead reads a text message if one comes where a binary one should.
func (x *exchange) refusalAhead() error {
	is, err := x.textAhead()
	if err != nil || !is {
		return err
	}
	if _, err := x.receive(); err != nil {
		return err
	}
	return x.garbled(errors.New("a text message came where a binary one was due"))
}

// clearText finds the server's message in what came outside of TLS, reading on
// for a moment if it is not all there. It returns nil when there is none.
func (x *exchange) clearText() *Response {
	// Five bytes, a record's header, are all that is sure to have come.
	i := bytes.Index(x.raw.tail, []byte("VERSI"))
	if i < 0 {
		return nil
	}
	msg := bytes.Clone(x.raw.tail[i:])
	x.raw.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 1024)
	for bytes.IndexByte(msg, 0) < 0 && len(msg) < maxRecord {
		n, err := x.raw.Conn.Read(buf)
		msg = append(msg, buf[:n]...)
		if err != nil {
			break
		}
	}
	r, err := ParseResponse(msg)
	if err != nil || r.Type != ResponseError {
		return nil
	}
	return r
}

// identity is the name behind the TLS certificate that we showed; ok is false when there was none.
func (x *exchange) identity() (name dn.Name, ok bool) {
	if x.shown == nil {
		return dn.Name{}, false
	}
	var cred proxycert.Credential
	for _, der := range x.shown.Certificate {
		cert, err := dn.ParseCertificate(der)
		if err != nil {
			return dn.Name{}, false
		}
		cred.Chain = append(cred.Chain, cert)
	}
	return cred.Identity(), true
}

// server is the address as an error shows it.
func (x *exchange) server() string {
	if x.host == "" {
		return printable(x.client.Server)
	}
	if x.port == DefaultPort && !strings.Contains(x.host, ":") {
		return x.host
	}
	return net.JoinHostPort(x.host, fmt.Sprint(x.port))
}
