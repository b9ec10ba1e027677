package myproxy

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"
)

// headStart is how long an address is given before the next one is tried too
// (RFC 8305 section 5).
const headStart = 250 * time.Millisecond

// connect opens a TCP connection to some address of the host.
func (c *Client) connect(ctx context.Context, host string, port int) (net.Conn, error) {
	p := strconv.Itoa(port)
	if c.Dial != nil {
		return c.Dial(ctx, "tcp", net.JoinHostPort(host, p))
	}
	var dialer net.Dialer
	if isIP(host) {
		return dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, p))
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := make([]string, len(ips))
	for i, ip := range ips {
		addrs[i] = net.JoinHostPort(ip.Unmap().String(), p)
	}
	return dialAny(ctx, addrs, func(ctx context.Context, addr string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", addr)
	})
}

// dialAny tries the addresses in order, each with a head start, and returns the
// first connection. When there is none it returns the failure of every address,
// which net.Dialer would not: a firewall may eat IPv6 only.
func dialAny(ctx context.Context, addrs []string, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the attempts that lost
	type attempt struct {
		i    int
		conn net.Conn
		err  error
	}
	var (
		results = make(chan attempt)
		done    = make(chan struct{})
		errs    = make([]error, len(addrs))
		started int
		running int
	)
	defer close(done)
	start := func() {
		i := started
		started++
		running++
		go func() {
			conn, err := dial(ctx, addrs[i])
			select {
			case results <- attempt{i, conn, err}:
			case <-done: // another one was faster
				if conn != nil {
					conn.Close()
				}
			}
		}()
	}
	for running > 0 || started < len(addrs) {
		if running == 0 {
			start()
		}
		var next <-chan time.Time
		if started < len(addrs) {
			next = time.After(headStart)
		}
		select {
		case <-next:
			start()
		case r := <-results:
			running--
			if r.err == nil {
				return r.conn, nil
			}
			errs[r.i] = r.err
		}
	}
	if len(addrs) == 0 {
		return nil, errors.New("the host name has no address")
	}
	return nil, errors.Join(errs...)
}

// tailConn remembers the last bytes that came in. When the server gives up
// before its side of the handshake is through, it writes its error in clear
// text, and crypto/tls has swallowed the text by the time it says so.
type tailConn struct {
	net.Conn
	tail []byte
}

const maxTail = 4 << 10

func (c *tailConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tail = append(c.tail, p[:n]...)
	if drop := len(c.tail) - maxTail; drop > 0 {
		c.tail = append(c.tail[:0], c.tail[drop:]...)
	}
	return n, err
}
