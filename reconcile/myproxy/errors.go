package myproxy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Error is a refusal or failure, with what a VO-box manager should do about it.
//
// The ids are stable. Those of refusals: MP-RENEWER, MP-CREDPOL, MP-DEFPOL and
// MP-ACCEPT (a policy of the server or of the credential), MP-ANON (we showed no
// certificate), MP-PASS (not a renewer, and no passphrase), MP-BADPASS,
// MP-WEAKPASS, MP-NOCRED, MP-REVOKED (the stored credential does not verify any
// more), CRL-STALE, MP-SELF, MP-LIMITED, MP-LOCKED, MP-OWNER, MP-PUT, MP-DELEG,
// MP-STORE and, for words not known here, MP-REFUSED. About the old proxy:
// MP-NOOLD, MP-OLDEXPIRED, MP-OLDOTHER, MP-OLDBAD, MP-OLDKEY. About what came
// back: MP-STALE, CLOCK, MP-NOEEC, MP-IDENTITY, MP-PROTO. About the connection:
// MP-NET, MP-TIMEOUT, MP-CANCELED, MP-TLS, MP-METHOD. About our certificate:
// MP-CERTEXPIRED, MP-CERTREVOKED, MP-CERTCA, MP-CERTBAD, HOST-EKU. About the
// server's: MP-SRVDN, CA-MISSING, MP-SRVCERT. And MP-REQUEST: what was asked for
// cannot be sent.
type Error struct {
	ID        string // ecosystem B.1, for instance "MP-NOCRED"
	Op        string // "GET", "INFO", …
	Server    string
	Messages  []string // the server's ERROR lines, cleaned of control characters and cut to a sane length
	Cause     string   // one sentence without its full stop
	Remedy    string   // a command or an action
	Where     string   // "LCG-UI", "VO-Box", "site admin" or "MyProxy operator"
	Temporary bool     // worth retrying soon
	Err       error
}

// Error says what was done, the cause, and what the server said, in one line.
// The remedy is not part of it: it belongs in a line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "myproxy: %s at %s: %s", e.Op, e.Server, e.Cause)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(printable(strings.ReplaceAll(e.Err.Error(), "\n", "; ")))
	}
	for i, m := range e.Messages {
		if i == 0 {
			b.WriteString("; the server said ")
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", m)
	}
	return b.String()
}

// Unwrap returns the error behind this one: of crypto/x509, of the network, or
// whatever the TLS configuration's VerifyConnection returned.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an Error of what explain knows about the id.
func (x *exchange) fail(id string, err error) *Error {
	a := x.explain(id)
	return &Error{
		ID:        id,
		Op:        x.request.Command.String(),
		Server:    x.server(),
		Cause:     a.cause,
		Remedy:    a.remedy,
		Where:     a.where,
		Temporary: id == "MP-NET" || id == "MP-TIMEOUT" || id == "MP-STORE",
		Err:       err,
	}
}

// misused is about a request that cannot be sent, or something wrong on our side.
func (x *exchange) misused(err error) *Error { return x.fail("MP-REQUEST", err) }

// garbled is about an answer that is not what the protocol wants.
func (x *exchange) garbled(err error) *Error { return x.fail("MP-PROTO", err) }

// Limits for what is kept of a server's words: real messages have up to seven
// lines, with a DN in one of them.
const (
	maxMessages   = 12
	maxMessageLen = 400
)

func cleanAll(lines []string) []string {
	var out []string
	for _, l := range lines {
		if l = clean(l); l != "" && len(out) < maxMessages {
			out = append(out, l)
		}
	}
	return out
}

// clean makes a line from the network fit to be shown: see printable, and cut.
func clean(s string) string {
	cut := len(s) > maxMessageLen
	if cut {
		s = s[:maxMessageLen]
	}
	s = strings.TrimSpace(printable(s))
	if cut {
		s += "…"
	}
	return s
}

// printable replaces everything that could do something to a terminal or a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
