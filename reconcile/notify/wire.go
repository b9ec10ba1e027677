package notify

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// A wire is a connection to a mail server that ends when the time of the channel is over, whatever the protocol code asks for,
// and over which the server cannot say more than so much.
type wire struct {
	net.Conn
	ctx      context.Context
	stop     func() bool
	left     int  // bytes that may still be read
	startTLS bool // the client has asked for TLS
}

// lastWords is how long the answer to a goodbye is waited for.
const lastWords = time.Second

var errTooMuch = errors.New("the server says more than a mail server has to say")

func newWire(ctx context.Context, conn net.Conn) *wire {
	w := &wire{Conn: conn, ctx: ctx, left: maxReplies}
	w.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errTooMuch
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, w.why(err)
}

func (w *wire) Write(p []byte) (int, error) {
	w.startTLS = w.startTLS || bytes.HasPrefix(p, []byte("STARTTLS"))
	n, err := w.Conn.Write(p)
	return n, w.why(err)
}

// why is the end of the channel's time, where that is why the connection does not go on.
func (w *wire) why(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}

// The protocol code moves the deadline on; the one of the channel stays.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// hurry gives the other end a moment for its last words.
func (w *wire) hurry() { w.Conn.SetDeadline(time.Now().Add(lastWords)) }

func (w *wire) Close() error {
	w.stop()
	return w.Conn.Close()
}
