package voms

import (
	"errors"
	"fmt"
	"strings"
)

// The identifiers of errors and warnings, as people look them up.
const (
	UserUnknown        = "VO-UNKNOWN" // the VO does not know this certificate
	UserSuspended      = "VO-SUSP"    // membership suspended or expired
	AUPUnsigned        = "VO-AUP"     // the acceptable use policy is not signed
	FQANRefused        = "VO-FQAN"    // a group or role is not held, or cannot be asked for
	ACShortened        = "VO-ACSHORT" // a warning: less lifetime than asked
	Nested             = "VO-NESTED"  // the certificate shown carries attributes already
	NoServer           = "VO-VOMSES"  // no vomses line, or nothing where it points
	Unreachable        = "VO-NET"     // the network
	TimedOut           = "VO-TIMEOUT" // no answer in time
	NotVOMS            = "VO-PROTO"   // an answer that is not one, or a request the server did not understand
	ServerFault        = "VO-SERVER"  // the server says that it has a problem of its own
	CertificateRefused = "VO-CERT"    // the server refused the certificate shown
	PeerRefused        = "VO-PEER"    // the server's certificate is not acceptable
	CAMissing          = "CA-MISSING" // the server's CA is not among the trust anchors
)

// The values of [Error.Where].
const (
	VOBox     = "VO-Box"
	LCGUI     = "LCG-UI"
	SiteAdmin = "site admin"
	VOAdmin   = "VO admin"
)

// An Error is a refusal or failure, with what a VO-box manager should do about it.
type Error struct {
	ID        string // one of the identifiers above, or that of the certificate check that failed
	Server    string // host:port; empty when there is no server for the VO
	Protocol  string // "REST" or "XML"; empty before one was spoken
	Code      string // the server's own code, word or number; or the TLS alert
	Message   string // the server's text, or what happened; cleaned and cut
	Cause     string
	Remedy    string // a command or an action
	Where     string // where to do it
	Temporary bool   // worth retrying soon: the network, a timeout, a front without its server
	Err       error
}

// Error returns "voms: SERVER: what happened (code CODE): cause: ERR", in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("voms: ")
	if e.Server != "" {
		b.WriteString(e.Server + ": ")
	}
	if e.Message != "" {
		b.WriteString(strings.TrimRight(e.Message, ". "))
	} else {
		b.WriteString("refused")
	}
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.Cause != "" {
		b.WriteString(": " + e.Cause)
	}
	if e.Err != nil {
		b.WriteString(": " + clean(e.Err.Error(), maxMessage))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// and returns e with what the XML protocol met after it.
func (e *Error) and(xml error) *Error {
	both := *e
	both.Err = fmt.Errorf("then the XML protocol: %w", xml)
	if e.Err != nil {
		both.Err = fmt.Errorf("%w; then the XML protocol: %w", e.Err, xml)
	}
	return &both
}

// weight orders errors by how much they tell.
var weight = map[string]int{
	AUPUnsigned: 12, UserSuspended: 11, FQANRefused: 10, Nested: 9, UserUnknown: 8,
	CertificateRefused: 7, PeerRefused: 6, CAMissing: 6,
	NotVOMS: 4, ServerFault: 4, TimedOut: 3, Unreachable: 2, NoServer: 1,
}

func (e *Error) weight() int {
	if w, ok := weight[e.ID]; ok {
		return w
	}
	return 6 // an identifier of the certificate check
}

// isRefusal reports whether a VOMS server has understood the question and said no.
func isRefusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.weight() >= weight[UserUnknown]
}

// A joinedError is the failures of several servers.
type joinedError struct {
	text string
	errs []error // the most telling first
}

func (e *joinedError) Error() string   { return e.text }
func (e *joinedError) Unwrap() []error { return e.errs }

// joined returns one error of which the text has all, in the order they happened, and errors.As finds the most telling.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	var texts []string
	best, bestWeight := 0, -1
	for i, err := range errs {
		texts = append(texts, err.Error())
		var e *Error
		if errors.As(err, &e) && e.weight() > bestWeight {
			best, bestWeight = i, e.weight()
		}
	}
	j := &joinedError{text: strings.Join(texts, "; "), errs: []error{errs[best]}}
	j.errs = append(append(j.errs, errs[:best]...), errs[best+1:]...)
	return j
}

// noServer is about a VO with no vomses line.
func noServer(vo string) error {
	return &Error{
		ID:      NoServer,
		Message: fmt.Sprintf("no vomses line for VO %q", vo),
		Cause:   "the VOMS client configuration of this VO is not installed",
		Remedy: fmt.Sprintf(`dnf install wlcg-iam-vomses-%s wlcg-iam-lsc-%s (or write the VO's line into /etc/vomses/%s: %s)`,
			vo, vo, vo, lineExample),
		Where: VOBox,
	}
}
