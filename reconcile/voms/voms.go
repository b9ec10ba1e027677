// Package voms requests attribute certificates from VOMS servers and reads vomses files.
//
// A caller reads the vomses lines with [Load], picks those of its VO with [ForVO] and hands them to [Client.Request],
// which asks one server after the other until one of them gives an attribute certificate:
//
//	servers, err := voms.Load([]string{"/etc/vomses"})
//	client := voms.Client{TLS: func(s voms.Server) *tls.Config { … }}
//	answer, err := client.Request(ctx, voms.ForVO(servers, "alice"), voms.Request{
//		VO: "alice", FQANs: []string{"/alice/Role=lcgadmin"}, Lifetime: 48 * time.Hour,
//	})
//
// # Protocols
//
// Two protocols are spoken: REST (GET /generate-ac), which vomsd and INDIGO IAM's voms-aa answer, and the older XML
// document of vomsd. REST is tried first; XML where REST got no VOMS answer at all, which is what Debian's vomsd does
// with a GET. A refusal is an answer: nothing is gained by asking the same server twice.
//
// # What is not done here
//
// The attribute certificate is parsed and not verified: its signer, holder and times are for package trust. Ask with
// an end-entity certificate or a plain proxy: to a proxy that carries attributes, a vomsd that can verify them grants
// only a subset of those.
package voms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// DefaultTimeout bounds one server and protocol when [Client.Timeout] is zero.
const DefaultTimeout = 30 * time.Second

// A Request says which attributes are wanted.
type Request struct {
	VO string

	// FQANs are what is asked for, the first of them to be the primary one. The long form of an FQAN is sent as the
	// short one, for vomsd refuses Role=NULL and ends the connection at a Capability. Empty: the VO's group.
	// "all" as the only element asks for every group and role.
	FQANs []string

	// Lifetime of the attribute certificate; it must be positive, for an absent or zero lifetime gives one that has
	// ended already (vomsd). It is sent in seconds, rounded up. The server may shorten it: see [Shortened].
	Lifetime time.Duration
}

// The values of [Response.Protocol].
const (
	REST = "REST"
	XML  = "XML"
)

// A Response is an AC as it came. It is not verified: see package trust.
type Response struct {
	AC       []byte // DER
	Warnings []string
	Server   Server
	Protocol string // "REST" or "XML"
}

// A Client asks the servers of a VO in turn. It keeps no connection and is safe for concurrent use.
type Client struct {
	TLS     func(Server) *tls.Config // identity shown and server accepted
	Timeout time.Duration            // for one server and protocol; 0: DefaultTimeout
}

// Request tries each server in the order given, REST first, the XML protocol where REST gets no answer, until one
// gives an AC. When ctx has a deadline, the time left is shared among the servers not asked yet, so that one which
// hangs leaves some for the others.
//
// The error names every server's failure. [errors.As] with *[Error] finds the most telling one: a refusal before a
// broken answer before a server that cannot be reached.
func (c *Client) Request(ctx context.Context, servers []Server, r Request) (*Response, error) {
	if len(servers) == 0 {
		return nil, noServer(r.VO)
	}
	var failed []error
	for i, s := range servers {
		resp, err := c.ask(ctx, s, r, len(servers)-i)
		if err == nil {
			return resp, nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			failed = append(failed, fmt.Errorf("asking for attributes of VO %q: %w", r.VO, context.Cause(ctx)))
			break
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
		var local *requestError
		if errors.As(err, &local) {
			break // no server can be asked this
		}
	}
	return nil, joined(failed)
}

// ask asks one server, by both protocols if need be. The number of servers not asked yet, this one included, is left.
func (c *Client) ask(ctx context.Context, s Server, r Request, left int) (*Response, error) {
	q, err := newQuery(s, r)
	if err != nil {
		return nil, err
	}
	config, err := c.config(s)
	if err != nil {
		return nil, err
	}
	d := &dialer{server: s, config: config}

	resp, err := c.within(ctx, left, func(ctx context.Context) (*Response, error) { return askREST(ctx, d, q) })
	var no *noAnswerError
	if err == nil || !errors.As(err, &no) || ctx.Err() != nil {
		return resp, err
	}
	resp, err = c.within(ctx, left, func(ctx context.Context) (*Response, error) { return askXML(ctx, d, q) })
	if err == nil {
		return resp, nil
	}
	// Where REST got no byte, as from Debian's vomsd, what the XML protocol met is the news. Where it got something
	// else than a VOMS answer, such as a front's "502 Bad Gateway", that is more telling than the front's dislike of
	// the XML document, and only a refusal is better.
	if no.silent || isRefusal(err) {
		return nil, err
	}
	return nil, no.err.and(err)
}

// within runs one exchange under its share of the time.
func (c *Client) within(ctx context.Context, left int, exchange func(context.Context) (*Response, error)) (*Response, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/time.Duration(left))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return exchange(ctx)
}

// config returns a copy of the caller's configuration for s, fit for both protocols.
func (c *Client) config(s Server) (*tls.Config, error) {
	if c.TLS == nil {
		return nil, errors.New("voms: Client.TLS is not set")
	}
	config := c.TLS(s)
	if config == nil {
		return nil, fmt.Errorf("voms: no TLS configuration for %s", s.Address())
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = s.Host
	}
	config.NextProtos = nil // HTTP/1.1 only, and vomsd knows no ALPN
	// vomsd takes what one read gives it for the whole request.
	config.DynamicRecordSizingDisabled = true
	return config, nil
}
