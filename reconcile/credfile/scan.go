package credfile

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

const (
	beginMark = "-----BEGIN "
	endMark   = "-----END "
	markTail  = "-----"
)

// A scanner finds PEM blocks. Unlike encoding/pem it does not pass over damaged ones, so that a file which was cut off is
// named as such.
type scanner struct {
	data         []byte
	pos          int
	begins, ends marks
}

func newScanner(data []byte) *scanner {
	return &scanner{data: data, begins: marks{mark: []byte(beginMark)}, ends: marks{mark: []byte(endMark)}}
}

// next returns the next block, or nil at the end.
func (s *scanner) next() (*pem.Block, error) {
	start := s.lineStarting(&s.begins)
	if end := s.lineStarting(&s.ends); end >= 0 && (start < 0 || end < start) {
		return nil, fmt.Errorf("line %d: an END line without BEGIN: what was before it is missing", s.line(end))
	}
	if start < 0 {
		return nil, nil
	}
	name, ok := blockName(s.data[start+len(beginMark):])
	if !ok {
		return nil, fmt.Errorf("line %d: a broken BEGIN line", s.line(start))
	}
	body := start + len(beginMark) + len(name) + len(markTail)
	end := bytes.Index(s.data[body:], []byte(endMark+name+markTail))
	other := s.begins.from(s.data, body)
	if end < 0 || other >= 0 && other < body+end {
		return nil, fmt.Errorf("line %d: BEGIN %s without END: the file was cut off or damaged", s.line(start), name)
	}
	stop := body + end + len(endMark) + len(name) + len(markTail)
	if at := emptyLine(s.data[body : body+end]); at >= 0 {
		return nil, fmt.Errorf("line %d: an empty line in the content of BEGIN %s, beyond which no grid program reads", s.line(body+at), name)
	}
	b := decodeBlock(name, s.data[start:stop], s.data[body:body+end])
	if b == nil {
		return nil, fmt.Errorf("line %d: the content of BEGIN %s is damaged (not base64)", s.line(start), name)
	}
	s.pos = stop
	return b, nil
}

// emptyLine finds an empty line in a block without headers, or returns -1. OpenSSL allows one, in front, where headers would
// end; another one ends what it reads.
func emptyLine(body []byte) int {
	if bytes.IndexByte(body, ':') >= 0 || !mayHaveEmptyLine(body) {
		return -1
	}
	first := bytes.IndexByte(body, '\n') + 1 // behind the BEGIN line
	at := first
	for at < len(body) {
		length := bytes.IndexByte(body[at:], '\n')
		if length < 0 {
			break // right before the END line
		}
		if len(bytes.TrimSpace(body[at:at+length])) == 0 && at > first {
			return at
		}
		at += length + 1
	}
	return -1
}

// mayHaveEmptyLine reports whether a line begins with white space or with its end, which hardly any does.
func mayHaveEmptyLine(body []byte) bool {
	for _, two := range [...]string{"\n\n", "\n\r", "\n ", "\n\t"} {
		if bytes.Contains(body, []byte(two)) {
			return true
		}
	}
	return false
}

// decodeBlock decodes a whole block or, if it has no headers, only its body: encoding/pem looks for headers and boundaries
// in ways that take half the time of reading a proxy file. It returns nil for what is not base64.
func decodeBlock(name string, whole, body []byte) *pem.Block {
	if bytes.IndexByte(body, ':') < 0 {
		text := bytes.TrimSpace(body)
		if bytes.ContainsAny(text, " \t") {
			text = bytes.Join(bytes.Fields(text), nil)
		}
		der := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(der, text)
		if err != nil { // form feeds and other space, which OpenSSL passes over, too
			n, err = base64.StdEncoding.Decode(der, bytes.Join(bytes.Fields(text), nil))
		}
		if err != nil || n == 0 {
			return nil
		}
		return &pem.Block{Type: name, Bytes: der[:n]}
	}
	b, _ := pem.Decode(onLine(whole))
	if b == nil || b.Type != name {
		return nil
	}
	return b
}

// onLine undoes CR line ends of old Macs, which encoding/pem does not know.
func onLine(block []byte) []byte {
	if bytes.IndexByte(block, '\n') >= 0 {
		return block
	}
	return bytes.ReplaceAll(block, []byte("\r"), []byte("\n"))
}

// lineStarting finds the next mark at the beginning of a line, or right after the block before (files put together with cat
// may lack the line end between them). It returns -1 if there is none.
func (s *scanner) lineStarting(m *marks) int {
	if bytes.HasPrefix(s.data[s.pos:], m.mark) {
		return s.pos
	}
	return m.from(s.data, s.pos)
}

// marks finds one mark after the other. It looks at every octet once, however the marks lie: what was found is kept until
// it is passed.
type marks struct {
	mark []byte
	next int // the first one at or behind where was last asked; -1: there is none
}

// from returns the first mark behind a line end, at pos or later, or -1. It is never asked for less than before.
func (m *marks) from(data []byte, pos int) int {
	for m.next >= 0 && (m.next < pos || !m.isAt(data, m.next)) {
		at := max(m.next+1, pos)
		if m.next = bytes.Index(data[at:], m.mark); m.next >= 0 {
			m.next += at
		}
	}
	return m.next
}

func (m *marks) isAt(data []byte, i int) bool {
	return i > 0 && (data[i-1] == '\n' || data[i-1] == '\r') && bytes.HasPrefix(data[i:], m.mark)
}

// blockName reads the type up to the five hyphens.
func blockName(rest []byte) (string, bool) {
	line := rest[:min(len(rest), 80)]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	name, _, ok := strings.Cut(string(line), markTail)
	printable := !slices.ContainsFunc([]byte(name), func(c byte) bool { return c < ' ' || c > '~' })
	return name, ok && name != "" && printable
}

// line numbers an offset from 1.
func (s *scanner) line(offset int) int { return 1 + bytes.Count(s.data[:offset], []byte("\n")) }
