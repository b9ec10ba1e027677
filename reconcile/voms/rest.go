package voms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds an answer of either protocol. An AC with its issuer's chain and many attributes has some 20 kB.
const maxBody = 1 << 20

// userAgent must not be "voms APIs 2.0", to which INDIGO IAM answers some errors in the form of the XML protocol.
const userAgent = "vobox-reconcile"

// askREST does one GET /generate-ac.
//
// The status means little: vomsd sends a good AC that was shortened with 500, IAM a refusal with 200. So the body is
// read first, and the status only where there is no VOMS answer in it.
func askREST(ctx context.Context, d *dialer, q query) (*Response, error) {
	transport := d.transport()
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+d.server.Address()+"/generate-ac", nil)
	if err != nil {
		return nil, fmt.Errorf("voms: asking %s: %w", d.server.Address(), err)
	}
	req.URL = &url.URL{Scheme: "https", Host: d.server.Address(), Path: "/generate-ac", RawQuery: q.rawQuery()}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "*/*")

	// RoundTrip and not a Client: a redirect or a cookie is no answer.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, restFailure(ctx, d.server, err)
	}
	defer resp.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if len(body) > maxBody {
		return nil, &noAnswerError{err: notVOMS(d.server, REST, httpAnswer(resp, nil), fmt.Errorf("more than %d octets", maxBody))}
	}
	a, err := parseAnswer(body)
	if err == nil {
		resp, err := a.response(d.server, REST)
		var e *Error
		if err != nil && len(a.warnings) > 0 && len(a.acs) == 0 && errors.As(err, &e) && e.ID == NotVOMS {
			// Asked for more than it gives, vomsd 2.1.0 says so to a stranger as well, and forgets to say who that is.
			return nil, &noAnswerError{err: e, silent: true}
		}
		return resp, err
	}
	if readErr != nil {
		// TLS without close_notify ends vomsd's answers. Only one that is cut in the middle comes here.
		return nil, restFailure(ctx, d.server, readErr)
	}
	e := statusFailure(d.server, resp, body, err)
	if e.ID == CertificateRefused {
		return nil, e
	}
	return nil, &noAnswerError{err: e}
}

// transport is for one exchange: HTTP/1.1, no proxy from the environment, no connection kept.
func (d *dialer) transport() *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.dial(ctx)
		},
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        16 << 10, // the request in one record
	}
}

// A noAnswerError is a REST exchange that brought no VOMS answer: the XML protocol may do better.
type noAnswerError struct {
	err    *Error
	silent bool // nothing that says more than what the XML protocol meets
}

func (e *noAnswerError) Error() string { return e.err.Error() }
func (e *noAnswerError) Unwrap() error { return e.err }

// restFailure says what went wrong on the way, and whether the XML protocol may do better.
func restFailure(ctx context.Context, s Server, err error) error {
	e := failure(ctx, s, REST, err)
	var before *connectError
	if errors.As(err, &before) || e.ID == TimedOut || e.ID == CertificateRefused || errors.Is(err, context.Canceled) {
		return e
	}
	return &noAnswerError{err: e, silent: e.ID == Unreachable}
}

// httpAnswer describes an answer without repeating it.
func httpAnswer(resp *http.Response, body []byte) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	what := fmt.Sprintf("HTTP %d", resp.StatusCode)
	if text := http.StatusText(resp.StatusCode); text != "" {
		what += " " + text
	}
	switch {
	case body == nil:
		return what
	case len(body) == 0:
		return what + ", empty body"
	case kind == "":
		return fmt.Sprintf("%s, %d octets", what, len(body))
	}
	return fmt.Sprintf("%s, %d octets of %s", what, len(body), clean(kind, 60))
}
