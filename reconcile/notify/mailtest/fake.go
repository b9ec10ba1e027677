package mailtest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// A Fault is one way for a Fake to misbehave.
type Fault string

const (
	None         Fault = ""
	Silent       Fault = "silent"        // it accepts connections and never says a word
	Busy         Fault = "busy"          // 421 as a greeting
	Endless      Fault = "endless"       // a greeting without end
	Garbage      Fault = "garbage"       // no SMTP at all
	TLSRefused   Fault = "tls-refused"   // it offers STARTTLS, and refuses it
	TLSGarbage   Fault = "tls-garbage"   // it offers STARTTLS, and speaks no TLS
	TLSSilent    Fault = "tls-silent"    // it offers STARTTLS, and says no more
	BadRecipient Fault = "bad-recipient" // 550 for addresses that begin with bad
	BadSender    Fault = "bad-sender"    // 550 for every sender
	DataSilent   Fault = "data-silent"   // it takes the text, and never answers
	DataCut      Fault = "data-cut"      // it takes the text, and hangs up
	DataRefused  Fault = "data-refused"  // 554 after the text
	QuitSilent   Fault = "quit-silent"   // it takes the mail, and does not say goodbye
	BadLogin     Fault = "bad-login"     // 535, with the password in its words
)

// A Fake is a mail server in this process.
type Fake struct {
	Addr string // localhost:PORT
	Site *Site  // nil: no TLS

	listener net.Listener
	mu       sync.Mutex
	fault    Fault
	mails    []Mail
	logins   []string
	greeted  []string
	conns    map[net.Conn]bool
	serving  sync.WaitGroup
}

// NewFake starts one, and ends it with the test.
func NewFake(t testing.TB, site *Site) *Fake {
	t.Helper()
	f := &Fake{Site: site, listener: listen(t), conns: map[net.Conn]bool{}}
	f.Addr = addr(f.listener)
	f.serving.Go(func() {
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[conn] = true
			f.mu.Unlock()
			f.serving.Go(func() {
				defer conn.Close()
				f.serve(conn)
			})
		}
	})
	t.Cleanup(f.Close)
	return f
}

// Close ends it, and whatever hangs in it.
func (f *Fake) Close() {
	f.listener.Close()
	f.mu.Lock()
	for conn := range f.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.serving.Wait()
}

// Misbehave makes it do so from the next connection on.
func (f *Fake) Misbehave(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Mails are those that it has taken.
func (f *Fake) Mails() []Mail {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Mail{}, f.mails...)
}

// Logins are the users that tried to log in.
func (f *Fake) Logins() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.logins...)
}

// Greetings are how clients have called themselves.
func (f *Fake) Greetings() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.greeted...)
}

// A session is one connection.
type session struct {
	*Fake
	conn  net.Conn
	r     *bufio.Reader
	fault Fault
	tls   bool
	mail  Mail
}

func (f *Fake) serve(conn net.Conn) {
	f.mu.Lock()
	s := &session{Fake: f, conn: conn, r: bufio.NewReader(conn), fault: f.fault}
	f.mu.Unlock()
	switch s.fault {
	case Silent:
		io.Copy(io.Discard, conn)
		return
	case Busy:
		s.say("421 too many connections, come again later")
		return
	case Endless:
		for {
			if _, err := io.WriteString(conn, strings.Repeat("220-welcome ", 1000)); err != nil {
				return
			}
		}
	case Garbage:
		s.say("HTTP/1.1 400 Bad Request")
		io.Copy(io.Discard, conn)
		return
	}
	s.say("220 fake.example.org ESMTP")
	for {
		line, err := s.r.ReadString('\n')
		if err != nil || !s.answer(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (s *session) say(line string) { fmt.Fprintf(s.conn, "%s\r\n", line) }

// answer reports whether the connection goes on.
func (s *session) answer(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		s.mu.Lock()
		s.greeted = append(s.greeted, rest)
		s.mu.Unlock()
		offers := []string{"fake.example.org", "8BITMIME"}
		if s.Site != nil && !s.tls {
			offers = append(offers, "STARTTLS")
		}
		if s.tls {
			offers = append(offers, "AUTH PLAIN LOGIN")
		}
		for i, o := range offers {
			mark := "-"
			if i == len(offers)-1 {
				mark = " "
			}
			s.say("250" + mark + o)
		}
	case "STARTTLS":
		return s.startTLS()
	case "AUTH":
		s.mu.Lock()
		s.logins = append(s.logins, rest)
		s.mu.Unlock()
		if s.fault == BadLogin {
			s.say("535 5.7.8 that is wrong: " + rest)
			return true
		}
		s.say("235 ok")
	case "MAIL":
		if s.fault == BadSender {
			s.say("550 5.7.1 we do not relay for you")
			return true
		}
		s.mail = Mail{From: address(rest)}
		s.say("250 ok")
	case "RCPT":
		to := address(rest)
		if s.fault == BadRecipient && strings.HasPrefix(to, "bad") {
			s.say("550 5.1.1 there is nobody of that name")
			return true
		}
		s.mail.To = append(s.mail.To, to)
		s.say("250 ok")
	case "DATA":
		return s.data()
	case "QUIT":
		if s.fault == QuitSilent {
			io.Copy(io.Discard, s.conn)
			return false
		}
		s.say("221 bye")
		return false
	default:
		s.say("250 ok")
	}
	return true
}

func (s *session) startTLS() bool {
	switch s.fault {
	case TLSRefused:
		s.say("454 4.7.0 TLS not available")
		return true
	case TLSGarbage:
		s.say("220 go ahead")
		s.say("what was I saying")
		return false
	case TLSSilent:
		s.say("220 go ahead")
		io.Copy(io.Discard, s.conn)
		return false
	}
	s.say("220 go ahead")
	conn := tls.Server(s.conn, &tls.Config{Certificates: []tls.Certificate{s.Site.Certificate}})
	if conn.Handshake() != nil {
		return false
	}
	s.conn, s.r, s.tls = conn, bufio.NewReader(conn), true
	return true
}

func (s *session) data() bool {
	s.say("354 go ahead")
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		s.mail.Data = append(s.mail.Data, strings.TrimSuffix(strings.TrimPrefix(line, "."), "\r\n")+"\n"...)
	}
	switch s.fault {
	case DataSilent:
		io.Copy(io.Discard, s.conn)
		return false
	case DataCut:
		return false
	case DataRefused:
		s.say("554 5.7.1 that looks like spam")
		return true
	}
	s.mu.Lock()
	s.mails = append(s.mails, s.mail)
	s.mu.Unlock()
	s.say("250 taken")
	return true
}

func address(arg string) string {
	_, rest, _ := strings.Cut(arg, "<")
	in, _, _ := strings.Cut(rest, ">")
	return in
}
