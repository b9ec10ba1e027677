package dn

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxLen is the longest string that Parse reads, in bytes.
const MaxLen = 64 << 10

// Parse reads a name written in slash form (/DC=ch/CN=x) or, when it does not begin with a slash, in RFC 2253 form.
// It accepts both the OpenSSL 3 escapes (\/ \+ \xHH) and the unescaped form of older OpenSSL and Java
// (a part without "=" belongs to the value before it). Names of attributes are read in any case and in the spellings of
// old Globus, VOMS and Java (Email, E, USERID, S), or as dotted OIDs.
//
// Values become PrintableString where that is possible and UTF8String otherwise, IA5String for DC and emailAddress;
// octets that are no UTF-8 are taken for Latin-1. The errors say which part is wrong and what to write instead.
func Parse(s string) (Name, error) {
	s = strings.TrimRight(strings.TrimLeft(s, " \t\r\n"), "\t\r\n")
	if s == "" {
		return Name{}, errors.New("dn: the name is empty")
	}
	if len(s) > MaxLen {
		return Name{}, fmt.Errorf("dn: the name has %d bytes, more than %d", len(s), MaxLen)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return Name{}, fmt.Errorf("dn: control character 0x%02X at byte %d; write it \\x%02X", s[i], i+1, s[i])
		}
	}
	if s[0] == '/' {
		return parseSlash(s[1:])
	}
	return parseRFC2253(s)
}

// parseSlash reads the slash form without its first slash.
func parseSlash(s string) (Name, error) {
	parts, err := slashParts(s)
	if err != nil {
		return Name{}, err
	}
	rdns := make([]RDN, 0, len(parts))
	for i, part := range parts {
		rdn, err := parseSlashRDN(part)
		if err != nil {
			return Name{}, fmt.Errorf("dn: part %d, %q: %w", i+1, clip(part), err)
		}
		rdns = append(rdns, rdn)
	}
	return build(rdns), nil
}

// nextUnescaped is where the first sep is that has no backslash before it, or len(s).
func nextUnescaped(s string, sep byte) int {
	for i := range len(s) {
		if s[i] == sep && (i == 0 || s[i-1] != '\\') {
			return i
		}
	}
	return len(s)
}

// slashParts cuts the slash form into its parts. A piece that is no attribute belongs to the value before it, as in
// CN=host/foo.example.org; backslashes are left in.
func slashParts(s string) ([]string, error) {
	var parts []string
	start := 0       // of the part being read
	mayHold := false // the part may have a slash in its value
	for at := 0; at <= len(s); {
		end := at + nextUnescaped(s[at:], '/')
		piece, next := s[at:end], min(end+1, len(s))
		name, _, hasEq := strings.Cut(piece, "=")
		name = strings.Trim(name, " ")
		_, known := lookup(name)
		switch {
		case hasEq && known:
			if at > 0 {
				parts = append(parts, s[start:at-1])
			}
			start, mayHold = at, mayHoldSlash(name)
		case hasEq && isKeyword(name):
			return nil, fmt.Errorf("dn: part %d, %q: unknown attribute type %q; if this belongs to the value before it, write \\/ for the slash",
				partsBefore(parts, at)+1, clip(piece), name)
		case piece == "" && (end == len(s) || startsAttribute(s[next:next+nextUnescaped(s[next:], '/')])):
			return nil, fmt.Errorf("dn: part %d is empty: two slashes in a row, or one at the end", partsBefore(parts, at)+1)
		case at == 0 || !mayHold:
			return nil, fmt.Errorf("dn: part %d, %q: no \"=\" in it; write TYPE=value, for instance CN=%s",
				partsBefore(parts, at)+1, clip(piece), clip(piece))
		}
		at = end + 1
	}
	return append(parts, s[start:]), nil
}

// partsBefore counts the finished parts and the one being read.
func partsBefore(parts []string, at int) int {
	if at == 0 {
		return 0
	}
	return len(parts) + 1
}

// startsAttribute reports whether the piece begins with a known type and "=".
func startsAttribute(piece string) bool {
	name, _, hasEq := strings.Cut(piece, "=")
	_, known := lookup(strings.Trim(name, " "))
	return hasEq && known
}

// mayHoldSlash reports whether a value of the type may have a slash in it. A domain component or country never does, so
// that the commonest slip, a part without its type, is found where it is made.
func mayHoldSlash(name string) bool {
	t := byName(name)
	return t == nil || t.short != "DC" && t.short != "C"
}

func parseSlashRDN(part string) (RDN, error) {
	var rdn RDN
	for part != "" {
		item := part[:attributeEnd(part)]
		part = strings.TrimPrefix(part[len(item):], "+")
		name, value, _ := strings.Cut(item, "=")
		name = strings.Trim(name, " ")
		oid, _ := lookup(name)
		value = unescapeSlash(value)
		a, err := newAttribute(oid, name, value)
		if err != nil {
			return nil, err
		}
		if strings.IndexByte(value, 0) >= 0 {
			a.Tag = wideTag(value)
		}
		rdn = append(rdn, a)
	}
	return rdn, nil
}

// attributeEnd is where the first attribute of a part ends. In the unescaped form a "+" is usually just a character: it
// separates only before a known type.
func attributeEnd(part string) int {
	for at := 0; ; {
		at += nextUnescaped(part[at:], '+')
		if at == len(part) {
			return at
		}
		after := part[at+1:]
		if startsAttribute(after[:nextUnescaped(after, '+')]) {
			return at
		}
		at++
	}
}

// unescapeSlash undoes \/ \+ and \xHH. Any other backslash stands for itself, as in X509_NAME_oneline.
func unescapeSlash(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if s[i+1] == '/' || s[i+1] == '+' {
				i++
			} else if c, ok := hexByte(s[i+1:], 'x'); ok {
				b.WriteByte(c)
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hexByte reads prefix and two hex digits.
func hexByte(s string, prefix byte) (byte, bool) {
	if len(s) < 3 || s[0] != prefix {
		return 0, false
	}
	return hexPair(s[1:])
}

func hexPair(s string) (byte, bool) {
	if len(s) < 2 || !isHex(s[0]) || !isHex(s[1]) {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:2], 16, 8)
	return byte(v), err == nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// lookup finds the type that a keyword or dotted OID names.
func lookup(name string) (asn1.ObjectIdentifier, bool) {
	if t := byName(name); t != nil {
		return t.oid, true
	}
	if len(name) > 4 && strings.EqualFold(name[:4], "OID.") {
		name = name[4:]
	}
	return dottedOID(name)
}

// dottedOID reads the decimal form, within the limits that crypto/x509 has for arcs.
func dottedOID(s string) (asn1.ObjectIdentifier, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' || strings.Count(s, ".") > 63 {
		return nil, false
	}
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(arc, 10, 28)
		if err != nil {
			return nil, false
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] > 39 {
		return nil, false
	}
	return oid, true
}

// isKeyword reports whether s has the shape of an attribute name (RFC 4512 section 1.4: descr), known or not.
func isKeyword(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// newAttribute chooses the string type.
func newAttribute(oid asn1.ObjectIdentifier, name, value string) (Attribute, error) {
	if strings.Trim(value, " ") == "" {
		return Attribute{}, fmt.Errorf("%s has no value", name)
	}
	a := Attribute{Type: oid, Tag: asn1.TagUTF8String, Value: []byte(value)}
	want := 0
	if t := byOID(oid); t != nil {
		want = t.tag
	}
	switch {
	case want == asn1.TagIA5String && isASCII(value):
		a.Tag = asn1.TagIA5String
	case isPrintable(value):
		a.Tag = asn1.TagPrintableString
	case !utf8.ValidString(value):
		a.Tag = asn1.TagT61String
	}
	return a, nil
}

// wideTag guesses the string type of a value with zero octets in slash form: OpenSSL shows the octets of a BMPString or
// UniversalString one by one, and text in UTF-8 has no zero octet. (The RFC 2253 form is in UTF-8 whatever the type.) A
// value that would be blank is none of these: blank values are refused.
func wideTag(value string) int {
	if s, ok := fromUTF32([]byte(value)); ok && len(fold(s)) > 0 {
		return tagUniversalString
	}
	if s, ok := fromUTF16([]byte(value)); ok && len(fold(s)) > 0 {
		return asn1.TagBMPString
	}
	if utf8.ValidString(value) {
		return asn1.TagUTF8String
	}
	return asn1.TagT61String
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 0x7f {
			return false
		}
	}
	return true
}

// isPrintable reports whether every character is in PrintableString (X.680 section 41.4).
func isPrintable(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(" '()+,-./:=?", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// clip shortens what is quoted in an error.
func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "..."
}
