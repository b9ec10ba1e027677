package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
)

const (
	lineLimit  = 4 << 10 // bytes of a line that are kept
	totalLimit = 1 << 20 // bytes of output that are handed on; the rest is read and dropped
	tailLines  = 10
)

// A capture cuts output into lines and hands them on.
type capture struct {
	emit  func(line string)
	line  []byte
	cut   bool   // the line is longer than what is kept of it
	kept  string // of such a line, as it is shown
	over  []byte // of such a line, the end so far
	total int
	full  bool
	keys  envfile.KeyLines
	tail  []string // the last lines, for the error; also of what was dropped, for the reason comes last
}

// capture hands lines to the runner's Output and Log.
func (r *Runner) capture(j job) *capture {
	return &capture{emit: func(line string) {
		if r.Output != nil {
			r.Output(j.service, j.phase, line)
		}
		if r.Log != nil {
			fmt.Fprintf(r.Log, "%s %s: %s\n", j.service, j.phase, line)
		}
	}}
}

// readFrom reads until the end, or until finish sets a deadline.
func (c *capture) readFrom(r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		c.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

// finish takes what the ended process has left in the pipe, without waiting for others that hold it, and says whether
// there are any.
func (c *capture) finish(pr *os.File, read <-chan struct{}) (open bool) {
	pr.SetReadDeadline(time.Unix(1, 0))
	<-read
	pr.SetReadDeadline(time.Time{})
	if raw, err := pr.SyscallConn(); err == nil {
		raw.Read(func(fd uintptr) bool { open = c.drain(int(fd)); return true })
	}
	if len(c.line) > 0 || c.cut {
		c.endLine()
	}
	return open
}

// drain reads the non-blocking fd until nothing is left, but never more than a pipe holds: a child that prints without
// end would keep us here.
func (c *capture) drain(fd int) (open bool) {
	buf := make([]byte, 32<<10)
	for got := 0; got <= totalLimit; {
		n, err := syscall.Read(fd, buf)
		switch {
		case n > 0:
			c.Write(buf[:n])
			got += n
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		default:
			return false
		}
	}
	return true
}

// Write takes output in pieces of any size. It never fails.
func (c *capture) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		head, rest, whole := bytes.Cut(p, []byte{'\n'})
		if room := lineLimit - len(c.line); len(head) > room {
			c.line = append(c.line, head[:room]...)
			c.drop(head[room:])
		} else {
			c.line = append(c.line, head...)
		}
		if whole {
			c.endLine()
		}
		p = rest
	}
	return n, nil
}

// drop takes what is not kept of a line: a private key can begin or end in it.
func (c *capture) drop(p []byte) {
	if !c.cut {
		c.cut, c.kept = true, c.hide(clean(c.line))
		c.over = append(c.over[:0], c.line[max(0, len(c.line)-envfile.KeyBoundaryMax):]...)
	}
	c.over = append(c.over, p...)
	c.keys.Has(string(c.over))
	n := max(0, len(c.over)-envfile.KeyBoundaryMax)
	c.over = append(c.over[:0], c.over[n:]...)
}

func (c *capture) endLine() {
	line := c.kept + " […]"
	if !c.cut {
		line = c.hide(clean(c.line))
	}
	c.total += len(c.line) + 1
	c.line, c.kept, c.cut = c.line[:0], "", false
	if line != "" {
		if len(c.tail) == tailLines {
			c.tail = append(c.tail[:0], c.tail[1:]...)
		}
		c.tail = append(c.tail, line)
	}
	switch {
	case c.total <= totalLimit:
		c.emit(line)
	case !c.full:
		c.full = true
		c.emit("[more than 1 MiB of output: the rest is dropped]")
	}
}

// hide leaves out private keys, passwords and tokens: a script that prints its credential must not put it into our log.
func (c *capture) hide(line string) string {
	inside := c.keys.Inside()
	switch has := c.keys.Has(line); {
	case has && inside:
		return ""
	case has:
		return "[a private key, not shown]"
	}
	return envfile.RedactLine(line)
}

// clean makes a line safe to print: valid UTF-8, without terminal escape sequences and control characters.
func clean(b []byte) string {
	s := strings.ToValidUTF8(string(b), string(utf8.RuneError))
	var out strings.Builder
	for i := 0; i < len(s); {
		if n := escape(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\t':
			out.WriteByte(' ')
		case !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r):
			out.WriteRune(r)
		}
		i += n
	}
	return strings.TrimRight(out.String(), " ")
}

// escape gives the length of the ECMA-48 control sequence (ESC [ … final byte) that s starts with: colours, mostly.
func escape(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if c := s[i]; c >= 0x40 && c <= 0x7e {
			return i + 1
		} else if c < 0x20 || c > 0x3f {
			return i
		}
	}
	return len(s)
}
