// Package myproxy implements a client for the MyProxy v2 protocol.
//
// A [Client] speaks to one server, a credential repository, and makes one
// connection for each call:
//
//   - [Client.Get] obtains a delegated proxy. The server may let us have it in
//     three ways, and Get is ready for each: as a renewal, proved by signing a
//     challenge with the old proxy; as a trusted retriever, on the strength of
//     our TLS identity alone; or by passphrase.
//   - [Client.Info] lists what is stored.
//   - [Client.Put] stores a proxy, as myproxy-init does.
//   - [Client.Destroy] and [Client.ChangePassphrase] do what they say.
//
// Every error that leaves the package is an [*Error]: it names what went wrong
// by a stable id, and says what to type, and where, to mend it.
//
// # On the wire
//
// The protocol was never framed. A text message is lines of KEY=VALUE with a
// NUL behind them; binary messages (requests, chains, the answer to a
// challenge) are bare. The servers in use (gridcf/gct) take whatever TLS
// records are at hand for one message, so each of ours is one Write and one
// record, and nothing is sent before the answer to the last message is there.
// The parsers and writers of messages ([Request], [Response], [Answer],
// [ReadChain]) are exported for test servers and for fuzzing.
//
// The sources are the PROTOCOL text of MyProxy (OGF GFD.054) and, where the
// servers differ from it, myproxy-server 6.2.14 as seen on the wire.
package myproxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// DefaultPort is the registered MyProxy port.
const DefaultPort = 7512

// defaultTimeout is for one exchange from the look-up of the host name to the
// last byte. Servers answer in well under a second.
const defaultTimeout = 30 * time.Second

// A Client talks to one MyProxy server, one connection for each call. It may be
// used by several goroutines at once, if TLS may.
type Client struct {
	Server  string        // "host", "host:port" or "[v6]:port"
	TLS     *tls.Config   // from trust.Store.ClientConfig: identity shown and server accepted
	Timeout time.Duration // for one exchange; 0: 30 s
	Now     func() time.Time

	// Dial opens the connection instead of the usual way, which is to try
	// every address of the host, the next one as soon as one fails or has been
	// silent for a quarter of a second.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A GetRequest asks for a delegated proxy.
type GetRequest struct {
	Username   string                // byte for byte as stored; with myproxy-init -d the DN
	CredName   string                // empty: the unnamed credential
	Passphrase []byte                // nil: none
	Lifetime   time.Duration         // whole seconds are sent; 0: as long as the server allows
	Renew      *proxycert.Credential // the old proxy that answers the renewal challenge; nil: none
	Key        proxycert.KeyType     // of the new proxy; empty: RSA 2048
	Identity   dn.Name               // whose proxy it must be; empty: anybody's
}

// A Stored is a credential on the server, as INFO shows it.
type Stored struct {
	Name, Description                                  string
	Start, End                                         time.Time // latest beginning and earliest end in the stored chain
	Owner                                              string
	Retriever, KeyRetriever, TrustedRetriever, Renewer string
	LockMessage                                        string
}

// A PutRequest stores a proxy of Credential on the server.
type PutRequest struct {
	Username, CredName, Description                    string
	Passphrase                                         []byte
	MaxLifetime                                        time.Duration // of proxies the server will hand out (myproxy-init -t); 0: no limit but the server's
	Lifetime                                           time.Duration // of the stored proxy (myproxy-init -c); 0: as long as the certificate
	Retriever, KeyRetriever, TrustedRetriever, Renewer string
	Credential                                         *proxycert.Credential // signs the server's request
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return defaultTimeout
}

// SplitServer takes a Client.Server apart. Without a port it is [DefaultPort]. An IPv6 address may stand without
// brackets when it has no port.
func SplitServer(s string) (host string, port int, err error) {
	port = DefaultPort
	switch {
	case s == "":
		return "", 0, fmt.Errorf("no MyProxy server is given")
	case isIP(s):
		host = s
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") && isIP(s[1:len(s)-1]):
		host = s[1 : len(s)-1]
	case !strings.Contains(s, ":"):
		host = s
	default:
		var p string
		if host, p, err = net.SplitHostPort(s); err != nil {
			return "", 0, fmt.Errorf("MyProxy server %q is not host, host:port or [v6]:port: %w", s, err)
		}
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return "", 0, fmt.Errorf("MyProxy server %q: port %q is not a number from 1 to 65535", s, p)
		}
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n\x00/,[]") {
		return "", 0, fmt.Errorf("MyProxy server %q: %q is not the name of one host", s, host)
	}
	return host, port, nil
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
