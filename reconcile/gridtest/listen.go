package gridtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A listener accepts connections on loopback and keeps track of them, so that Close leaves no goroutine behind.
type listener struct {
	ln     net.Listener
	handle func(*net.TCPConn)

	mu     sync.Mutex
	conns  map[*net.TCPConn]bool // whether it is still to be recorded
	closed bool
	done   chan struct{} // closed by Close
	wg     sync.WaitGroup
}

// listen starts serving on addr; an empty addr means a free port of 127.0.0.1.
func listen(addr string, handle func(*net.TCPConn)) (*listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if !ln.Addr().(*net.TCPAddr).IP.IsLoopback() {
		ln.Close()
		return nil, fmt.Errorf("listening on %q: a test server listens on loopback only", addr)
	}
	l := &listener{ln: ln, handle: handle, conns: make(map[*net.TCPConn]bool), done: make(chan struct{})}
	l.wg.Go(l.accept)
	return l, nil
}

func (l *listener) accept() {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select { // out of file descriptors: do not spin
			case <-l.done:
				return
			case <-time.After(10 * time.Millisecond):
				continue
			}
		}
		l.start(conn.(*net.TCPConn))
	}
}

func (l *listener) start(conn *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return
	}
	l.conns[conn] = true
	l.wg.Go(func() {
		defer func() {
			conn.Close()
			l.mu.Lock()
			delete(l.conns, conn)
			l.mu.Unlock()
		}()
		conn.SetDeadline(time.Now().Add(requestTimeout))
		l.handle(conn)
	})
}

// Port is the TCP port that the server listens on.
func (l *listener) Port() int { return l.ln.Addr().(*net.TCPAddr).Port }

// Addr is "localhost:PORT". The name matters: Globus clients compare it with the certificate, and refuse 127.0.0.1.
func (l *listener) Addr() string { return fmt.Sprintf("localhost:%d", l.Port()) }

// Close stops listening, ends every connection and waits for them. Closing twice is harmless.
func (l *listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.done)
	err := l.ln.Close()
	for conn := range l.conns {
		conn.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
	return err
}

// recorded says that nobody has to wait any more for the record of a connection.
func (l *listener) recorded(conn *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.conns[conn]; open {
		l.conns[conn] = false
	}
}

// patience is how long settled waits for a client that keeps its connection open and asks nothing.
const patience = 10 * time.Second

// settled waits until all connections are recorded: a client has its answer a moment before the server has gone on to
// the next line, and on a busy machine the moment is long.
func (l *listener) settled() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); l.recording() && time.Now().Before(end); {
		<-tick.C
	}
}

func (l *listener) recording() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, busy := range l.conns {
		if busy {
			return true
		}
	}
	return false
}

// hang keeps the connection until the peer or the server ends it.
func (l *listener) hang(conn *net.TCPConn) {
	l.recorded(conn)
	conn.SetDeadline(time.Time{})
	io.Copy(io.Discard, conn)
}

// reset ends the connection with a TCP RST instead of a FIN.
func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

// finish ends a connection the way both real servers do: EOF without close_notify. What the peer still sends is read
// and thrown away for a moment, because closing with unread input would reset the connection and lose the last answer.
func finish(conn *net.TCPConn) {
	conn.CloseWrite()
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	io.Copy(io.Discard, io.LimitReader(conn, maxMessage))
}

// errCut says that the fault Cut has ended the connection.
var errCut = errors.New("cut off as told")

// A wire writes answers, each Write one TLS record, misbehaving as told by the fault.
type wire struct {
	tls   *tls.Conn
	raw   *net.TCPConn
	fault Fault
	sent  int // bytes of application data so far
}

func (w *wire) Write(p []byte) (int, error) {
	switch w.fault.Kind {
	case Cut:
		if left := w.fault.At - w.sent; len(p) >= left {
			if left > 0 {
				w.tls.Write(p[:left])
			}
			finish(w.raw)
			w.raw.Close()
			return 0, errCut
		}
	case SplitRecords:
		return w.split(p)
	}
	w.sent += len(p)
	return w.tls.Write(p)
}

func (w *wire) split(p []byte) (int, error) {
	step := max(w.fault.At, 1)
	for i := 0; i < len(p); i += step {
		if _, err := w.tls.Write(p[i:min(i+step, len(p))]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// settle is how long a server waits for the next record of a message that is not complete. The real myproxy-server takes
// what can be read at once; on a loaded machine that would make tests fail now and then.
const settle = 50 * time.Millisecond

// readMessage reads one message: one TLS record and, until complete says that it is whole, every further one that comes
// without delay. What has come by then is the message.
func readMessage(conn *tls.Conn, deadline time.Time, complete func([]byte) bool) ([]byte, error) {
	return readMore(conn, deadline, nil, complete)
}

// readMore is readMessage for a message whose first records have been read already.
func readMore(conn *tls.Conn, deadline time.Time, msg []byte, complete func([]byte) bool) ([]byte, error) {
	buf := make([]byte, 32<<10)
	for len(msg) == 0 || !complete(msg) {
		if len(msg) > 0 {
			conn.SetReadDeadline(time.Now().Add(settle))
		}
		n, err := conn.Read(buf)
		msg = append(msg, buf[:n]...)
		if len(msg) > maxMessage {
			return nil, errors.New("message too large")
		}
		var ne net.Error
		switch {
		case err == nil:
		case len(msg) > 0 && (err == io.EOF || errors.As(err, &ne) && ne.Timeout()):
			conn.SetReadDeadline(deadline)
			return msg, nil
		default:
			return nil, err
		}
	}
	conn.SetReadDeadline(deadline)
	return msg, nil
}
