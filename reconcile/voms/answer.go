package voms

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
)

// Limits on an answer besides maxBody.
const (
	maxDepth    = 16  // elements within elements; real answers have 4
	maxMessage  = 400 // characters of a server's text that are kept
	maxMessages = 50  // warnings and errors that are kept
)

// An answer is what a server said, by either protocol.
type answer struct {
	acs      []string // text of the <ac> elements
	warnings []string
	refusals []refusal
}

// A refusal is an <error> of the REST answer or an <item> of the XML protocol's.
type refusal struct{ code, message string }

// isWarning reports whether r accompanies a good AC: vomsd's numbers below 1000 do.
func (r refusal) isWarning() bool {
	n, err := strconv.Atoi(r.code)
	return err == nil && n >= 0 && n < 1000
}

// parseAnswer reads a document of either protocol. It is an error if there is none, or none that ends.
//
// The reader is lenient where servers are: US-ASCII or any other declared encoding with whatever octets, a bare "&",
// control characters. Entities other than XML's own five are left as they stand, so nothing expands.
func parseAnswer(body []byte) (*answer, error) {
	d := xml.NewDecoder(bytes.NewReader(tidy(body)))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // tidy has made it UTF-8
	p := answerParser{}
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		if err := p.token(t); err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		if p.done {
			return &p.answer, nil // what follows the root, such as a NUL, does not matter
		}
	}
	return nil, errors.New("reading the answer: no <voms>, <vomsans> or <error> in it")
}

// tidy makes body valid for encoding/xml: UTF-8, and no control characters.
func tidy(body []byte) []byte {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	return bytes.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r < 0x20 && r != '\n' && r != '\r' && r != '\t', r == 0xfffe, r == 0xffff:
			return '?'
		}
		return r
	}, body)
}

// An answerParser walks over the elements. The last error's parts come in any order.
type answerParser struct {
	answer
	path []string
	text strings.Builder
	item refusal
	done bool
}

func (p *answerParser) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return p.start(t.Name.Local)
	case xml.EndElement:
		p.end()
	case xml.CharData:
		if len(p.path) == 0 && len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text before the first element")
		}
		p.text.Write(t)
	}
	return nil
}

func (p *answerParser) start(name string) error {
	if len(p.path) == 0 && name != "voms" && name != "vomsans" && name != "error" {
		return fmt.Errorf("root element <%s>", clean(name, 40))
	}
	if len(p.path) >= maxDepth {
		return fmt.Errorf("more than %d elements within each other", maxDepth)
	}
	p.path = append(p.path, name)
	p.text.Reset()
	if name == "error" || name == "item" {
		p.item = refusal{}
	}
	return nil
}

func (p *answerParser) end() {
	name := p.path[len(p.path)-1]
	p.path = p.path[:len(p.path)-1]
	text := p.text.String()
	p.text.Reset()
	switch name {
	case "ac":
		p.acs = append(p.acs, text)
	case "warning":
		p.warn(clean(text, maxMessage))
	case "code", "number":
		p.item.code = clean(text, 40)
	case "message":
		p.item.message = clean(text, maxMessage)
	case "item", "error":
		p.refuse(p.item)
		p.item = refusal{}
	}
	p.done = len(p.path) == 0
}

func (p *answerParser) warn(text string) {
	if text != "" && len(p.warnings) < maxMessages {
		p.warnings = append(p.warnings, text)
	}
}

func (p *answerParser) refuse(r refusal) {
	switch {
	case r == refusal{}: // an <error> whose items have been taken already
	case r.isWarning():
		p.warn(r.message)
	case len(p.refusals) < maxMessages:
		p.refusals = append(p.refusals, r)
	}
}

// response turns an answer into what the caller gets. A refusal comes first: the XML protocol sends a dummy <ac> with it.
func (a *answer) response(s Server, protocol string) (*Response, error) {
	if len(a.refusals) > 0 {
		return nil, mostTelling(s, protocol, a.refusals)
	}
	if len(a.acs) == 0 {
		return nil, notVOMS(s, protocol, "an answer with neither an attribute certificate nor an error", nil)
	}
	ac, err := decodeAC(a.acs[0])
	if err != nil {
		return nil, notVOMS(s, protocol, "an attribute certificate that cannot be read", err)
	}
	warnings := a.warnings
	if len(a.acs) > 1 {
		warnings = append(warnings, fmt.Sprintf("%s sent %d attribute certificates, only the first is used", s.Address(), len(a.acs)))
	}
	return &Response{AC: ac, Warnings: warnings, Server: s, Protocol: protocol}, nil
}

// decodeAC returns the DER of the AC in the text of an <ac> element, or of the first if several stand one behind the
// other. Text without line ends, with characters that standard base64 lacks or a meaning only in the other alphabet,
// is in vomsd's own base64.
func decodeAC(text string) ([]byte, error) {
	packed := strings.Join(strings.Fields(text), "")
	var firstErr error
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, private} {
		der, err := enc.DecodeString(packed)
		if err == nil {
			der, err = firstSequence(der)
		}
		if err == nil {
			_, err = attrcert.Parse(der)
		}
		if err == nil {
			return der, nil
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	return nil, firstErr
}

// private is the base64 of vomsd for clients that do not ask for the standard one: no padding, another alphabet.
var private = base64.NewEncoding("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]").WithPadding(base64.NoPadding)

// firstSequence returns the SEQUENCE at the beginning of der.
func firstSequence(der []byte) ([]byte, error) {
	var v asn1.RawValue
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil, err
	}
	if v.Class != asn1.ClassUniversal || v.Tag != asn1.TagSequence || !v.IsCompound {
		return nil, errors.New("not a DER SEQUENCE")
	}
	return v.FullBytes, nil
}

// clean makes a server's text fit for a message: one line, printable, at most n characters.
func clean(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029'
	}), " ")
	if runes := []rune(s); len(runes) > n {
		return strings.TrimSpace(string(runes[:n])) + "…"
	}
	return s
}
