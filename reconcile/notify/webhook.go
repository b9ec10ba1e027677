package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Webhook tells people by posting the message as JSON to a URL, of a chat or of the site's monitoring.
//
// An answer of 5xx or 429, and no answer, is tried again until the time of the channel is over; any other refusal is not.
// A redirection is not followed: the headers have a token, and what it would be sent to is not what the configuration says.
type Webhook struct {
	URL         string
	HeadersFile string // lines "Name: value"; empty: none
	Read        func(path string) ([]byte, error)
	Client      *http.Client  // nil: one with the system's trust anchors, and the proxy of the environment
	Tries       int           // zero: 4
	Pause       time.Duration // before the second try; zero: a second
}

const maxAnswer = 64 << 10 // bytes of an answer that are read

// Kind is "webhook".
func (w *Webhook) Kind() string { return "webhook" }

// Name has the host: the rest of a chat's URL is as good as a password.
func (w *Webhook) Name() string { return "webhook " + w.host() }

// Key has the digest of the URL.
func (w *Webhook) Key() string { return "webhook " + w.host() + " " + digest(w.URL) }

func (w *Webhook) host() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	return oneLine(u.Host, 255)
}

// Deliver posts the message.
func (w *Webhook) Deliver(ctx context.Context, m Message) error {
	body, err := m.JSON()
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"vobox-reconcile"}}
	var secrets []string
	if w.HeadersFile != "" {
		data, err := w.Read(w.HeadersFile)
		if err != nil {
			return &Error{Msg: oneLine(fmt.Sprintf("reading headersFile: %v", err), maxText), Err: err,
				Remedy: "write alerts[].webhook.headersFile, with lines such as: Authorization: Bearer TOKEN", Where: "VO-Box"}
		}
		own, err := ParseHeaders(data)
		if err != nil {
			return &Error{Msg: fmt.Sprintf("headersFile %s: %v", oneLine(w.HeadersFile, maxSubject), err), Err: err,
				Remedy: "correct the file: lines such as Authorization: Bearer TOKEN", Where: "VO-Box"}
		}
		for name, values := range own {
			header[name] = values
			secrets = append(secrets, values...)
		}
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Second, 10*time.Second
	if w.Pause > 0 {
		pause.InitialInterval = w.Pause
	}
	most := uint(4)
	if w.Tries > 0 {
		most = uint(w.Tries)
	}
	tries := 0
	var last error
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		if last = w.post(ctx, body, header, secrets); last == nil {
			return struct{}{}, nil
		}
		var refused *answerError
		if errors.As(last, &refused) && !refused.temporary() {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(most), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return nil
	}
	return w.explain(ctx, last, tries)
}

// post makes one request. The connection is not kept: the next message is hours away.
func (w *Webhook) post(ctx context.Context, body []byte, header http.Header, secrets []string) error {
	ctx, cancel := oneTry(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header.Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	req.Close = true
	client := *w.client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	e := &answerError{status: resp.StatusCode, words: oneLine(string(answer[:min(len(answer), 4*maxError)]), maxError)}
	for _, s := range append(secrets, w.URL) {
		e.words = hide(e.words, s)
	}
	if to, err := resp.Location(); err == nil {
		e.to = oneLine(to.Scheme+"://"+to.Host, 255)
	}
	return e
}

// oneTry is a context for some of the time that is left, so that there is a second try where nobody answers the first.
func oneTry(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	some := time.Until(deadline) * 6 / 10
	return context.WithTimeoutCause(ctx, some, &TimeoutError{some.Round(time.Second / 10)})
}

// hide takes a secret out of what a server has said: some repeat what they were sent.
func hide(s, secret string) string {
	for part := range strings.FieldsSeq(secret) {
		if len(part) >= 6 {
			s = strings.ReplaceAll(s, part, "***")
		}
	}
	return s
}

var defaultClient = &http.Client{Transport: &http.Transport{
	Proxy:                  http.ProxyFromEnvironment,
	DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout:    10 * time.Second,
	MaxResponseHeaderBytes: maxAnswer,
	DisableKeepAlives:      true,
	ForceAttemptHTTP2:      true,
}}

func (w *Webhook) client() *http.Client {
	if w.Client != nil {
		return w.Client
	}
	return defaultClient
}

// An answerError is an answer that is no success.
type answerError struct {
	status int
	words  string
	to     string // of a redirection: where to
}

func (e *answerError) Error() string {
	s := fmt.Sprintf("the answer was %d %s", e.status, http.StatusText(e.status))
	if e.to != "" {
		s += ", to " + e.to
	}
	if e.words != "" {
		s += ": " + e.words
	}
	return s
}

// temporary reports whether it may be another one next time.
func (e *answerError) temporary() bool {
	return e.status/100 == 5 && e.status != http.StatusNotImplemented || e.status == http.StatusTooManyRequests
}

// explain says what to do about a failure. The URL that net/http puts into its errors is taken out.
func (w *Webhook) explain(ctx context.Context, err error, tries int) error {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	e := &Error{Err: err, Where: "VO-Box"}
	e.Msg = oneLine(hide(endedBy(ctx, err).Error(), w.URL), maxText)
	if tries > 1 {
		e.Msg += fmt.Sprintf(" (%d tries)", tries)
	}
	var answer *answerError
	var dns *net.DNSError
	switch {
	case errors.As(err, &answer):
		e.Remedy = answer.remedy()
	case errors.As(err, &dns):
		e.Remedy = "correct alerts[].webhook.url, or see that the name resolves: getent hosts " + quoteAll([]string{dns.Name})
	case isCertificate(err):
		e.Remedy, e.Where = "use the name that its certificate has, or add its CA to those of the system: update-ca-certificates (Debian), update-ca-trust (Enterprise Linux)", "site admin"
	default:
		e.Remedy, e.Where = "let the box connect to "+w.host()+": a firewall, or https_proxy in the environment", "site admin"
	}
	return e
}

func (e *answerError) remedy() string {
	switch {
	case e.to != "":
		return "write the address that it redirects to in alerts[].webhook.url"
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		return "correct the token in alerts[].webhook.headersFile, or the URL"
	case e.status == http.StatusNotFound || e.status == http.StatusGone || e.status == http.StatusMethodNotAllowed:
		return "correct alerts[].webhook.url: the hook is not there any more"
	case e.temporary():
		return "nothing, if the next pass succeeds; otherwise ask whoever runs that server"
	}
	return "the server does not take the message: see what it expects of a webhook"
}

// isCertificate reports whether the other end's certificate was refused.
func isCertificate(err error) bool {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid)
}
