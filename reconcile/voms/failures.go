package voms

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// failure makes the error for a connection that failed before, during or after the request.
func failure(ctx context.Context, s Server, protocol string, err error) *Error {
	e := &Error{Server: s.Address(), Protocol: protocol, Err: err}
	var (
		peer     *peerError
		verify   *tls.CertificateVerificationError
		identity *identityError
		before   *connectError
		record   tls.RecordHeaderError
		dns      *net.DNSError
	)
	if errors.As(err, &before) {
		e.Protocol = ""
	}
	alert, alerted := remoteAlert(err)
	switch {
	case errors.As(err, &peer):
		e.Err = peer.error
		e.peer()
	case errors.As(err, &verify):
		e.peer()
	case errors.As(err, &identity):
		e.ID = CertificateRefused
		e.Message = "no certificate to show to the server"
		e.Remedy, e.Where = "check the credential: voms-proxy-info -all", VOBox
		e.Err = identity.error
	case alerted:
		e.alert(s, alert)
	case isTimeout(ctx, err):
		e.ID, e.Temporary = TimedOut, true
		e.Message = "no answer in time"
		if !errors.Is(err, context.DeadlineExceeded) {
			e.Err = context.DeadlineExceeded // a read that was woken by closing the connection
		}
		e.Cause = "a firewall that drops packets, or a server that hangs"
		e.Remedy, e.Where = "try by hand: "+probe(s), VOBox
	case errors.As(err, &record):
		e.ID = NotVOMS
		e.Message = "no TLS at this port"
		e.Cause = "the vomses line names a port of another service"
		e.Remedy, e.Where = vomsesRemedy(s), VOBox
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &dns) && dns.IsNotFound:
		e.ID, e.Temporary = NoServer, true
		e.Message = "nothing there"
		e.Cause = "the server is down, or the vomses line names one that is gone (the voms2/lcg-voms2 servers at ports 1500x were replaced by IAM at port 443)"
		e.Remedy, e.Where = vomsesRemedy(s), VOBox
	case isGarbage(err) && !isEnd(err):
		e.ID = NotVOMS
		e.Message = "the answer is not HTTP"
		e.Remedy, e.Where = vomsesRemedy(s), VOBox
	case isNetwork(err):
		e.ID, e.Temporary = Unreachable, true
		e.Message = "the connection failed"
		if isEnd(err) {
			e.Message = "the server closed the connection without an answer"
		}
		e.Cause = "the network, a firewall, or a server in trouble"
		e.Remedy, e.Where = "try by hand: "+probe(s), VOBox
	default:
		e.ID = NotVOMS
		e.Message = "the connection failed"
		e.Remedy, e.Where = "try by hand: "+probe(s), VOBox
	}
	return e
}

// peer is about our refusal of the server's certificate. The caller's check may name its reason with a FaultID method.
func (e *Error) peer() {
	var authority x509.UnknownAuthorityError
	var named interface{ FaultID() string }
	e.ID, e.Where = PeerRefused, VOBox
	e.Message = "the server's certificate is not accepted"
	e.Remedy = "compare it with the server DN in the vomses line: openssl s_client -connect " + e.Server + " </dev/null | openssl x509 -noout -subject -issuer -enddate"
	switch {
	case errors.As(e.Err, &named) && named.FaultID() != "":
		e.ID = named.FaultID()
	case errors.As(e.Err, &authority):
		e.ID = CAMissing
	}
	if e.ID == CAMissing {
		e.Cause = "the CA of the server's certificate is not among the trust anchors of this host"
		e.Remedy, e.Where = "dnf install ca-policy-egi-core ca-policy-lcg (or update them), then run fetch-crl", SiteAdmin
	}
}

// alert is about the server's refusal of our certificate, or of the handshake as such.
func (e *Error) alert(s Server, alert tls.AlertError) {
	e.ID, e.Where = CertificateRefused, VOBox
	e.Code = strings.TrimPrefix(alert.Error(), "tls: ")
	e.Message = "the server refused the TLS connection"
	e.Err = fmt.Errorf("remote error: %w", alert)
	check := `check it: voms-proxy-info -all, and "openssl x509 -noout -dates" on the user certificate`
	switch alert {
	case alertExpired:
		e.Cause = "a certificate of the chain shown has expired"
		e.Remedy = check + "; with a new certificate: myproxy-destroy -d, then myproxy-init -d -n -t 48 -c 3000"
	case alertRevoked:
		e.Cause = "a certificate of the chain shown has been revoked"
		e.Remedy, e.Where = "get a new certificate, then: myproxy-destroy -d; myproxy-init -d -n -t 48 -c 3000", LCGUI
	case alertUnknownCA:
		e.Cause = "the server does not know the CA of the certificate shown"
		e.Remedy, e.Where = "tell the administrators of VO "+s.VO+" which CA it is: voms-proxy-info -all", VOAdmin
	case alertNoCertificate:
		e.Cause = "no certificate was shown"
		e.Remedy = check
	case alertBadCertificate, alertUnsupported, alertUnknownCertificate, alertAccessDenied:
		e.Cause = "the certificate shown is not good enough for the server: a weak key, a limited or legacy proxy, no clientAuth among its uses, or an expired CRL there"
		e.Remedy = check
	case alertHandshakeFailure:
		e.Cause = "no certificate was shown, or there is no cipher that both sides know"
		e.Remedy = check
	default:
		e.ID = NotVOMS
		e.Remedy = "try by hand: " + probe(s)
	}
}

// TLS alerts that are about a client's certificate: RFC 8446 section 6.2.
const (
	alertHandshakeFailure   = tls.AlertError(40)
	alertBadCertificate     = tls.AlertError(42)
	alertUnsupported        = tls.AlertError(43)
	alertRevoked            = tls.AlertError(44)
	alertExpired            = tls.AlertError(45)
	alertUnknownCertificate = tls.AlertError(46)
	alertUnknownCA          = tls.AlertError(48)
	alertAccessDenied       = tls.AlertError(49)
	alertNoCertificate      = tls.AlertError(116)
)

// remoteAlert returns the alert that the server sent. At TLS 1.3 that comes with the first read, not the handshake.
// The type that crypto/tls gives it is not exported; its text is that of tls.AlertError.
func remoteAlert(err error) (tls.AlertError, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	text := op.Err.Error()
	for a := range 256 {
		if alert := tls.AlertError(a); alert.Error() == text {
			return alert, true
		}
	}
	return 0, false
}

func isTimeout(ctx context.Context, err error) bool {
	var n net.Error
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// isEnd reports a connection that the other side closed.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return isEnd(err) || errors.As(err, &op) && op.Op != "local error" || errors.As(err, &dns) || errors.Is(err, net.ErrClosed)
}

// isGarbage reports what net/http says of bytes that are no HTTP answer, and has no type for.
func isGarbage(err error) bool {
	text := err.Error()
	for _, part := range []string{"malformed", "transport connection broken", "invalid header", "server response headers exceeded", "unsupported transfer encoding", "Content-Length"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// notVOMS is about bytes that are no VOMS answer; what describes them.
func notVOMS(s Server, protocol, what string, err error) *Error {
	e := &Error{
		ID: NotVOMS, Server: s.Address(), Protocol: protocol, Err: err,
		Message: "not the answer of a VOMS server",
		Cause:   "the vomses line may name another service, or something stands between",
		Remedy:  vomsesRemedy(s), Where: VOBox,
	}
	if what != "" {
		e.Message += ": " + what
	}
	return e
}

// statusFailure is about an HTTP answer with no VOMS answer in it.
func statusFailure(s Server, resp *http.Response, body []byte, err error) *Error {
	e := notVOMS(s, REST, httpAnswer(resp, body), err)
	if len(body) == 0 {
		e.Err = nil // that an empty body does not parse is no news
	}
	switch text := strings.ToLower(string(body)); {
	case strings.Contains(text, "ssl certificate"):
		// nginx, before IAM sees anything: "400 The SSL certificate error", "400 No required SSL certificate was sent".
		e.ID, e.Err = CertificateRefused, nil
		e.Message = "the server's front end refused the certificate shown: " + httpAnswer(resp, body)
		e.Cause = "a certificate of the chain shown has expired, is revoked, or is of a CA that the front end does not know; or none was shown"
		e.Remedy = `check it: voms-proxy-info -all, and "openssl x509 -noout -dates" on the user certificate`
	case resp.StatusCode >= 500:
		e.ID, e.Temporary = Unreachable, true
		e.Cause = "the front end answers, the VOMS server behind it does not"
		e.Remedy, e.Where = "wait for the next pass; if it lasts, tell the administrators of VO "+s.VO, VOAdmin
	}
	return e
}

func vomsesRemedy(s Server) string {
	where := "/etc/vomses/" + s.VO
	if s.File != "" {
		where = fmt.Sprintf("%s line %d", s.File, s.Line)
	}
	return fmt.Sprintf("correct %s, or dnf update wlcg-iam-vomses-%s wlcg-iam-lsc-%s; try by hand: %s", where, s.VO, s.VO, probe(s))
}

func probe(s Server) string { return "openssl s_client -connect " + s.Address() + " </dev/null" }
