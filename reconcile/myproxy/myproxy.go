// Package myproxy implements a client for the MyProxy v2 protocol.
package myproxy

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// DefaultPort is the registered MyProxy port.
const DefaultPort = 7512

// A Client talks to one MyProxy server, one connection for each call.
type Client struct {
	Server  string        // "host" or "host:port"
	TLS     *tls.Config   // from trust.Store.ClientConfig: identity shown and server accepted
	Timeout time.Duration // for one exchange; 0: 30 s
	Now     func() time.Time
}

// A GetRequest asks for a delegated proxy.
type GetRequest struct {
	Username   string
	CredName   string                // empty: the unnamed credential
	Passphrase []byte                // nil: none
	Lifetime   time.Duration         // 0: as long as the server allows
	Renew      *proxycert.Credential // the old proxy that answers the renewal challenge; nil: none
	Key        proxycert.KeyType
}

// Get obtains a new proxy (COMMAND=0). Its key is made while the connection is being set up.
func (c *Client) Get(ctx context.Context, r GetRequest) (*proxycert.Credential, error) {
	panic("not built yet")
}

// A Stored is a credential on the server, as INFO shows it.
type Stored struct {
	Name, Description                                  string
	Start, End                                         time.Time
	Owner                                              string
	Retriever, KeyRetriever, TrustedRetriever, Renewer string
	LockMessage                                        string
}

// Info lists the credentials stored under username that belong to the TLS identity (COMMAND=2).
func (c *Client) Info(ctx context.Context, username, credName string) ([]Stored, error) {
	panic("not built yet")
}

// A PutRequest stores a proxy of Credential on the server.
type PutRequest struct {
	Username, CredName, Description                    string
	Passphrase                                         []byte
	MaxLifetime                                        time.Duration // of proxies the server will hand out (myproxy-init -t)
	Lifetime                                           time.Duration // of the stored proxy (myproxy-init -c); 0: as long as the certificate
	Retriever, KeyRetriever, TrustedRetriever, Renewer string
	Credential                                         *proxycert.Credential // signs the server's request
}

// Put delegates a proxy to the server (COMMAND=1).
func (c *Client) Put(ctx context.Context, r PutRequest) error { panic("not built yet") }

// Destroy removes a stored credential (COMMAND=3).
func (c *Client) Destroy(ctx context.Context, username, credName string) error {
	panic("not built yet")
}

// ChangePassphrase changes a stored credential's passphrase (COMMAND=4).
func (c *Client) ChangePassphrase(ctx context.Context, username, credName string, old, new []byte) error {
	panic("not built yet")
}

// An Error is a refusal or failure, with what a VO-box manager should do about it.
type Error struct {
	ID        string // ecosystem B.1, for instance "MP-NOCRED"
	Op        string // "GET", "INFO", …
	Server    string
	Messages  []string // the server's ERROR lines, cleaned of control characters and cut to a sane length
	Cause     string
	Remedy    string // a command or an action
	Where     string // "LCG-UI", "VO-Box" or "site admin"
	Temporary bool   // worth retrying soon
	Err       error
}

func (e *Error) Error() string { panic("not built yet") }
func (e *Error) Unwrap() error { return e.Err }
