// Package voms requests attribute certificates from VOMS servers and reads vomses files.
package voms

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A Server is one line of a vomses file.
type Server struct {
	Alias, Host string
	Port        int
	DN          dn.Name
	VO          string
	File        string // where the line stands, for messages
	Line        int
}

// ParseVomses reads vomses lines; name is used in errors. A bad line is reported (errors.Join) and the others still returned.
func ParseVomses(name string, data []byte) ([]Server, error) { panic("not built yet") }

// Load reads files and directories of vomses lines (hidden files are skipped); paths that do not exist are passed over.
func Load(paths []string) ([]Server, error) { panic("not built yet") }

// ForVO returns the servers whose VO or alias is vo, in file order.
func ForVO(servers []Server, vo string) []Server { panic("not built yet") }

// A Request says which attributes are wanted.
type Request struct {
	VO       string
	FQANs    []string      // short form, first is to be primary; empty: the VO's group
	Lifetime time.Duration // must be positive
}

// A Response is an AC as it came. It is not verified: see package trust.
type Response struct {
	AC       []byte // DER
	Warnings []string
	Server   Server
	Protocol string // "REST" or "XML"
}

// A Client asks the servers of a VO in turn.
type Client struct {
	TLS     func(Server) *tls.Config // identity shown and server accepted
	Timeout time.Duration            // for one server and protocol; 0: 30 s
}

// Request tries each server, REST first, the XML protocol where REST gets no answer, until one gives an AC or refuses for good.
func (c *Client) Request(ctx context.Context, servers []Server, r Request) (*Response, error) {
	panic("not built yet")
}

// An Error is a refusal or failure, with what a VO-box manager should do about it.
type Error struct {
	ID        string // ecosystem B.2, for instance "VO-UNKNOWN"
	Server    string // host:port
	Code      string // the server's own code, word or number
	Message   string // the server's text, cleaned and cut
	Cause     string
	Remedy    string
	Where     string
	Temporary bool
	Err       error
}

func (e *Error) Error() string { panic("not built yet") }
func (e *Error) Unwrap() error { return e.Err }
