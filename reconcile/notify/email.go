package notify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// What Email.TLS may be.
const (
	TLSAuto     = "auto"     // STARTTLS when the server offers it, whoever it is: what is sent is no secret
	TLSStartTLS = "starttls" // STARTTLS to the server named, or nothing is sent
	TLSImplicit = "tls"      // TLS from the first byte, to the server named
	TLSNone     = "none"
)

// An Email tells people by mail, which it hands to a mail server.
type Email struct {
	To           []string
	From         string
	Server       string // host:port
	TLS          string
	Username     string // empty: no login; it is never sent without TLS
	PasswordFile string // read when a mail is sent
	Read         func(path string) ([]byte, error)
	Hello        string         // how this machine calls itself; empty: localhost
	Roots        *x509.CertPool // of the server's certificate; nil: those of the system
}

// maxReplies is how many bytes of a mail server's are read in one connection.
const maxReplies = 1 << 20

// Kind is "email".
func (e *Email) Kind() string { return "email" }

// Name has whom it goes to, and which way.
func (e *Email) Name() string {
	return oneLine("email to "+strings.Join(e.To, ", ")+" via "+e.Server, maxSubject)
}

// Key has whom it goes to: another way to the same people is the same channel.
func (e *Email) Key() string {
	to := slices.Sorted(slices.Values(e.To))
	return cutAt("email "+oneLine(strings.Join(to, " "), 256), 200) + " " + digest(strings.Join(to, "\x00"))
}

// Deliver hands the mail to the server. Where the server refuses one address of several, the others are tried one by one, and
// the error is a [*PartialError].
func (e *Email) Deliver(ctx context.Context, m Message) error {
	password, err := e.password()
	if err != nil {
		return err
	}
	err = e.send(ctx, m, e.To, password)
	var refused *mail.SendError
	if err == nil || len(e.To) < 2 || !errors.As(err, &refused) || refused.Reason != mail.ErrSMTPRcptTo {
		return e.explain(ctx, err, password)
	}
	reached := false
	var bad []error
	for _, to := range e.To {
		if err := e.send(ctx, m, []string{to}, password); err != nil {
			bad = append(bad, e.explain(ctx, err, password))
		} else {
			reached = true
		}
	}
	if reached && len(bad) > 0 {
		return &PartialError{bad[0]}
	}
	return errors.Join(bad...)
}

func (e *Email) password() (string, error) {
	if e.Username == "" {
		return "", nil
	}
	data, err := e.Read(e.PasswordFile)
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case err != nil:
	case line == "":
		err = fmt.Errorf("the first line of %s is empty", oneLine(e.PasswordFile, maxSubject))
	case len(line) > 1024 || strings.ContainsRune(line, 0):
		err = fmt.Errorf("the first line of %s is no password", oneLine(e.PasswordFile, maxSubject))
	default:
		return line, nil
	}
	return "", &Error{Msg: oneLine(fmt.Sprintf("reading passwordFile: %v", err), maxText), Err: err, Where: "VO-Box",
		Remedy: "write the password of " + e.Username + " into alerts[].email.passwordFile, mode 0600"}
}

// send makes one connection and hands over one mail.
func (e *Email) send(ctx context.Context, m Message, to []string, password string) error {
	letter, err := e.letter(m, to)
	if err != nil {
		return err
	}
	policy := map[string]mail.TLSPolicy{TLSAuto: mail.TLSOpportunistic, TLSStartTLS: mail.TLSMandatory}[e.TLS]
	if e.TLS == TLSImplicit || e.TLS == TLSNone {
		policy = mail.NoTLS
	}
	line, err := e.hand(ctx, letter, policy, password)
	if err != nil && e.TLS == TLSAuto && line != nil && line.startTLS && !errors.As(err, new(*mail.SendError)) && ctx.Err() == nil {
		// It offers TLS and cannot do it. Nobody asked for it.
		_, err = e.hand(ctx, letter, mail.NoTLS, password)
	}
	return err
}

// hand hands a letter to the server. What it returns of the connection tells whether TLS was tried.
func (e *Email) hand(ctx context.Context, letter *mail.Msg, policy mail.TLSPolicy, password string) (*wire, error) {
	host, port, err := net.SplitHostPort(e.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: host, RootCAs: e.Roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: e.TLS == TLSAuto}
	var line *wire
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		line = newWire(ctx, conn)
		if e.TLS != TLSImplicit {
			return line, nil
		}
		secure := tls.Client(line, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		return secure, nil
	}
	remaining := DefaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		remaining = max(time.Until(deadline), time.Millisecond)
	}
	options := []mail.Option{mail.WithPort(number), mail.WithTimeout(remaining), mail.WithHELO(e.hello()), mail.WithTLSPolicy(policy),
		mail.WithTLSConfig(config), mail.WithDialContextFunc(dial), mail.WithoutNoop(), mail.WithoutSMTPUTF8()}
	if e.Username != "" {
		if e.TLS != TLSStartTLS && e.TLS != TLSImplicit {
			return nil, errors.New("the password could go over the network in clear: tls has to be starttls or tls")
		}
		options = append(options, mail.WithUsername(e.Username), mail.WithPassword(password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthCramMD5))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if line != nil {
			line.Close()
		}
	}()
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return line, err
	}
	err = client.SendWithSMTPClient(session, letter)
	if letter.IsDelivered() {
		err = nil // the server has it, whatever came after
	}
	if ctx.Err() == nil {
		line.hurry()
		session.Quit()
	}
	return line, err
}

// letter is the message as a mail. Whatever is in the message, its head has the lines below and no others: texts are cleaned,
// and encoded by RFC 2047.
func (e *Email) letter(m Message, to []string) (*mail.Msg, error) {
	text := m.Text()
	letter := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP), mail.WithCharset(mail.CharsetUTF8))
	if err := letter.From(e.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if err := letter.To(to...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	letter.Subject(m.Headline())
	letter.SetDateWithValue(m.Time.UTC())
	letter.SetMessageIDWithValue(messageID(m.Time, e.From))
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answering machine answers
	letter.SetGenHeader("X-Auto-Response-Suppress", "All")  // and none of Exchange
	letter.SetGenHeader(mail.HeaderPrecedence, "bulk")      // nor an older one
	letter.SetGenHeader(mail.HeaderXMailer, "vobox-reconcile")
	letter.SetGenHeader("X-VOBox-Severity", string(m.Severity()))
	if m.Severity() == Critical && !m.Test {
		letter.SetImportance(mail.ImportanceHigh)
	}
	letter.SetBodyString(mail.TypeTextPlain, strings.ReplaceAll(text, "\n", "\r\n"), mail.WithPartEncoding(encodingOf(text)))
	return letter, nil
}

// maxLine is how long a line of a mail may be as it is: RFC 5321 section 4.5.3.1.6 allows 1000 bytes.
const maxLine = 900

// encodingOf leaves a text as it is if every server takes it: commands are copied from mails, and not every program that shows
// one decodes it.
func encodingOf(text string) mail.Encoding {
	for line := range strings.Lines(text) {
		if len(line) > maxLine || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			return mail.EncodingQP
		}
	}
	return mail.NoEncoding
}

// messageID is unique, and of the sender's domain.
func messageID(now time.Time, from string) string {
	random := make([]byte, 8)
	rand.Read(random)
	return fmt.Sprintf("%d.%s@%s", now.UnixNano(), hex.EncodeToString(random), hostName(from[strings.LastIndexByte(from, '@')+1:]))
}

// hello is how this machine greets the server. Many take nothing but a name with a domain, or an address.
func (e *Email) hello() string {
	for _, name := range []string{e.Hello, e.From[strings.LastIndexByte(e.From, '@')+1:]} {
		if strings.Contains(name, ".") && hostName(name) == name {
			return name
		}
	}
	return "[127.0.0.1]"
}

// hostName is s if it can be a host name.
func hostName(s string) string {
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) {
		return "localhost.localdomain"
	}
	return s
}

// hidden takes a password out of a text, in every form that goes over the wire.
func (e *Email) hidden(s, password string) string {
	if password == "" {
		return s
	}
	for _, form := range []string{password, base64.StdEncoding.EncodeToString([]byte(password)),
		base64.StdEncoding.EncodeToString([]byte("\x00" + e.Username + "\x00" + password))} {
		s = strings.ReplaceAll(s, form, "***")
	}
	return s
}
