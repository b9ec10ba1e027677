package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"syscall"

	"github.com/wneessen/go-mail"
)

// explain says in one line why a mail was not taken, and what to do. It returns nil for nil.
func (e *Email) explain(ctx context.Context, err error, password string) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	out := &Error{Err: err, Where: "VO-Box"}
	words := endedBy(ctx, err).Error()
	words, _, _ = strings.Cut(words, ", affected message ID:")
	out.Msg = oneLine(e.hidden(words, password), maxText)
	out.Remedy, out.Where = e.remedy(ctx, err)
	return out
}

const anotherWay = "; where mail does not get out, use a webhook or a command"

// remedy is what to do about a failure, and who does it.
func (e *Email) remedy(ctx context.Context, err error) (what, where string) {
	var sent *mail.SendError
	var reply *textproto.Error
	var dns *net.DNSError
	var record tls.RecordHeaderError
	host, _, _ := net.SplitHostPort(e.Server)
	code := 0
	if errors.As(err, &sent) {
		code = sent.ErrorCode()
	} else if errors.As(err, &reply) {
		code = reply.Code
	}
	switch {
	case code == 535 || code == 534 || code == 530 && e.Username != "":
		return "correct alerts[].email.username and the password in passwordFile: the server does not let " + e.Username + " log in", "VO-Box"
	case code == 530:
		return "the server wants a login: set alerts[].email.username, passwordFile and tls: starttls", "VO-Box"
	case code == 421 || code/10 == 45:
		return "nothing, if the next pass succeeds: the server asks to come again later", "VO-Box"
	case code/100 == 5 && sent != nil:
		return fmt.Sprintf("ask the postmaster of %s to take mail from %s for %s, or correct alerts[].email", host, e.From, strings.Join(e.To, ", ")), "site admin"
	case isCertificate(err):
		return "write the name that the server's certificate has in alerts[].email.smtp, or add its CA to those of the system: update-ca-certificates (Debian), update-ca-trust (Enterprise Linux)", "site admin"
	case errors.As(err, &record):
		return "set alerts[].email.tls: starttls, or the port for TLS from the first byte (465)", "VO-Box"
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return "set alerts[].email.tls: tls and the port that goes with it (465), or another server", "VO-Box"
	case errors.As(err, &dns):
		return "correct alerts[].email.smtp, or see that the name resolves: getent hosts " + quoteAll([]string{host}), "VO-Box"
	case errors.Is(err, syscall.ECONNREFUSED) && (host == "localhost" || host == "127.0.0.1" || host == "::1"):
		return "start the mail server of this box (systemctl status postfix), or write the site's relay in alerts[].email.smtp", "site admin"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), ctx.Err() != nil:
		return "let the box connect to " + e.Server + ", or write the site's relay in alerts[].email.smtp: firewalls often stop mail" + anotherWay, "site admin"
	}
	return "see what " + host + " logs about it, or write another server in alerts[].email.smtp" + anotherWay, "site admin"
}
