package dn

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// parseRFC2253 reads the form that begins with the last RDN (RFC 2253 section 3). Of the older RFC 1779 it takes
// semicolons, quotation marks and blanks around the separators, which Java and people write.
func parseRFC2253(s string) (Name, error) {
	p := parser2253{rest: s}
	rdns := []RDN{nil}
	for part := 1; ; part++ {
		a, err := p.attribute()
		if err != nil {
			return Name{}, fmt.Errorf("dn: part %d: %w", part, err)
		}
		last := len(rdns) - 1
		rdns[last] = append(rdns[last], a)
		if p.rest == "" {
			break
		}
		sep := p.rest[0]
		p.rest = p.rest[1:]
		if sep != '+' {
			rdns = append(rdns, nil)
		}
	}
	if len(rdns) == 1 && len(rdns[0]) == 1 && looksLikeSlashForm(s) {
		return Name{}, fmt.Errorf("dn: %q begins without a slash; write %q", clip(s), clip("/"+s))
	}
	slices.Reverse(rdns)
	return build(rdns), nil
}

// looksLikeSlashForm finds DC=ch/DC=cern/CN=x, which would otherwise be one DC with a strange value.
func looksLikeSlashForm(s string) bool {
	for at := nextUnescaped(s, '/'); at < len(s); {
		s = s[at+1:]
		if at = nextUnescaped(s, '/'); startsAttribute(s[:at]) {
			return true
		}
	}
	return false
}

type parser2253 struct{ rest string }

// attribute reads one TYPE=value and stops before the separator.
func (p *parser2253) attribute() (Attribute, error) {
	eq := strings.IndexByte(p.rest, '=')
	end := strings.IndexAny(p.rest, ",;+")
	if eq < 0 || end >= 0 && end < eq {
		return Attribute{}, p.noEquals(end)
	}
	name := strings.Trim(p.rest[:eq], " ")
	oid, ok := lookup(name)
	if !ok {
		return Attribute{}, fmt.Errorf("unknown attribute type %q in %q", clip(name), clip(p.rest))
	}
	p.rest = strings.TrimLeft(p.rest[eq+1:], " ")
	if strings.HasPrefix(p.rest, "#") {
		a, err := p.hexValue()
		a.Type = oid
		return a, err
	}
	value, err := p.value()
	if err != nil {
		return Attribute{}, fmt.Errorf("%s: %w", name, err)
	}
	return newAttribute(oid, name, value)
}

// noEquals explains a part that is no TYPE=value.
func (p *parser2253) noEquals(end int) error {
	if end < 0 {
		end = len(p.rest)
	}
	piece := strings.Trim(p.rest[:end], " ")
	if piece == "" {
		return errors.New(`it is empty: a separator too many, or a "," in a value, which is written \,`)
	}
	return fmt.Errorf(`no "=" in %q; a name is written /DC=ch/CN=Jane Doe or CN=Jane Doe,DC=ch, and a "," or "+" in a value \, or \+`, clip(piece))
}

// value reads a string up to an unescaped separator and undoes the escapes.
func (p *parser2253) value() (string, error) {
	if strings.HasPrefix(p.rest, `"`) {
		return p.quoted()
	}
	var b strings.Builder
	keep := 0 // length up to which trailing blanks were escaped
	i := 0
loop:
	for ; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case ',', ';', '+':
			break loop
		case '\\':
			c, n, err := escape2253(p.rest[i:])
			if err != nil {
				return "", err
			}
			b.WriteByte(c)
			i += n - 1
			keep = b.Len()
		default:
			b.WriteByte(c)
			if c != ' ' {
				keep = b.Len()
			}
		}
	}
	p.rest = p.rest[i:]
	return b.String()[:keep], nil
}

func (p *parser2253) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = strings.TrimLeft(p.rest[i+1:], " ")
			if p.rest != "" && strings.IndexByte(",;+", p.rest[0]) < 0 {
				return "", fmt.Errorf("%q after the closing quotation mark", clip(p.rest))
			}
			return b.String(), nil
		case '\\':
			c, n, err := escape2253(p.rest[i:])
			if err != nil {
				return "", err
			}
			b.WriteByte(c)
			i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("no closing quotation mark")
}

// escape2253 reads a backslash with what follows it, and returns the octet and how long it was.
func escape2253(s string) (c byte, n int, err error) {
	if c, ok := hexPair(s[1:]); ok {
		return c, 3, nil
	}
	if len(s) < 2 {
		return 0, 0, errors.New("a backslash at the end")
	}
	return s[1], 2, nil
}

// hexValue reads # and the hex of a value's DER.
func (p *parser2253) hexValue() (Attribute, error) {
	text := p.rest[1:]
	if end := strings.IndexAny(text, ",;+"); end >= 0 {
		text = text[:end]
	}
	p.rest = p.rest[1+len(text):]
	text = strings.TrimRight(text, " ")
	der, err := hex.DecodeString(text)
	if err != nil {
		return Attribute{}, fmt.Errorf("#%s is not hex", clip(text))
	}
	in := cryptobyte.String(der)
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadAnyASN1(&value, &tag) || !in.Empty() || tag > 30 || tag == 0 {
		return Attribute{}, fmt.Errorf("#%s is not the DER of a string", clip(text))
	}
	return Attribute{Tag: int(tag), Value: value}, nil
}
