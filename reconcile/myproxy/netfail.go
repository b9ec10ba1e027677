package myproxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// failed makes an Error of whatever ended a read, a write or the handshake.
func (x *exchange) failed(err error) *Error {
	var header tls.RecordHeaderError
	var dns *net.DNSError
	var op *net.OpError
	var errno syscall.Errno
	var unverified *tls.CertificateVerificationError
	switch {
	case x.verify != nil:
		return x.distrusted(x.verify)
	case errors.As(err, &unverified):
		return x.distrusted(err)
	case errors.Is(x.ctx.Err(), context.Canceled):
		return x.fail("MP-CANCELED", x.ctx.Err())
	case x.ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return x.fail("MP-TIMEOUT", context.DeadlineExceeded)
	case errors.As(err, &header):
		return x.notTLS(header)
	case errors.As(err, &op) && op.Op == "remote error":
		return x.fail(alertFault(op.Err.Error()), err)
	case errors.As(err, &op) && op.Op == "local error":
		return x.fail("MP-TLS", err)
	case errors.As(err, &dns):
		e := x.fail("MP-NET", err)
		e.Temporary = !dns.IsNotFound
		return e
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if x.begun {
			e := x.garbled(io.ErrUnexpectedEOF)
			e.Cause = "the connection ended in the middle of " + x.waiting
			e.Temporary = true
			return e
		}
		return x.fail("MP-NET", errClosed)
	case errors.As(err, &op) || errors.As(err, &errno) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) || x.conn == nil:
		return x.fail("MP-NET", err)
	case strings.HasPrefix(err.Error(), "tls: "):
		return x.fail("MP-TLS", err)
	}
	return x.garbled(err)
}

var errClosed = errors.New("the server closed the connection without an answer")

// notTLS is about bytes outside of TLS: the server's error in clear text, or another protocol.
func (x *exchange) notTLS(header tls.RecordHeaderError) *Error {
	if !strings.HasPrefix(string(header.RecordHeader[:]), "VER") {
		return x.fail("MP-TLS", header)
	}
	r := x.clearText()
	if r == nil {
		return x.fail("MP-CERTBAD", header)
	}
	e := x.refused(r.Errors)
	if e.ID != "MP-ANON" {
		// Whatever the words, TLS authentication is what they are about.
		messages := e.Messages
		e = x.fail("MP-CERTBAD", nil)
		e.Messages = messages
	}
	return e
}

// distrusted is about a server that we do not accept. An error of the package
// that looked at its certificate may say which fault it found by a method
// FaultID; what it says of chains in general is MP-SRVCERT here, lest it be
// taken for the user's.
func (x *exchange) distrusted(err error) *Error {
	var own interface{ FaultID() string }
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	found := ""
	if errors.As(err, &own) {
		found = own.FaultID()
	}
	switch {
	case found == "CA-MISSING" || errors.As(err, &authority):
		return x.fail("CA-MISSING", err)
	case found == "PEER-NAME" || errors.As(err, &name):
		return x.fail("MP-SRVDN", err)
	}
	e := x.fail("MP-SRVCERT", err)
	switch {
	case strings.HasPrefix(found, "CRL-"):
		e.ID, e.Remedy = found, "fetch-crl"
	case found == "CLOCK":
		e.ID, e.Remedy = found, "timedatectl status"
	}
	return e
}

// alertFault finds the id for a TLS alert of the server. Under TLS 1.3 those
// about our certificate come at the first read, after the handshake.
func alertFault(alert string) string {
	switch strings.TrimPrefix(alert, "tls: ") {
	case "expired certificate":
		return "MP-CERTEXPIRED"
	case "revoked certificate":
		return "MP-CERTREVOKED"
	case "unknown certificate authority":
		return "MP-CERTCA"
	case "unsupported certificate":
		return "HOST-EKU"
	case "certificate required":
		return "MP-ANON"
	case "bad certificate", "unknown certificate", "access denied", "error decrypting message":
		return "MP-CERTBAD"
	}
	return "MP-TLS"
}
