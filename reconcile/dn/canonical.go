package dn

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// String types that encoding/asn1 has no name for.
const (
	tagVisibleString   = 26
	tagUniversalString = 28
)

// Equal compares the parsed names: types by OID, string values in UTF-8 with ASCII case folded and white space squeezed
// (the canonical form of OpenSSL's name hash), so that string types do not matter.
func (n Name) Equal(o Name) bool {
	return len(n.raw) > 0 && bytes.Equal(n.raw, o.raw) || n.Canonical() == o.Canonical()
}

// Canonical returns a key that is the same for equal names, for use in maps. It is the canonical encoding that OpenSSL
// hashes: the RDNs one after the other, without the outer SEQUENCE, every string as a UTF8String. It is not for people.
func (n Name) Canonical() string {
	if n.malformed() {
		return "\x00malformed " + string(n.raw) // a SET begins with 0x31, so this is no well-formed name's key
	}
	out := make([]byte, 0, len(n.raw)+8)
	var canon RDN
	for _, rdn := range n.rdns {
		canon = canon[:0]
		for _, a := range rdn {
			canon = append(canon, a.canonical())
		}
		out = sorted(canon).appendDER(out)
	}
	return string(out)
}

// malformed reports whether MustFromDER could not take the name apart.
func (n Name) malformed() bool { return len(n.rdns) == 1 && n.rdns[0][0].Type == nil }

// Hash is the name of an OpenSSL 1.0+ hash link (X509_NAME_hash): print it with %08x.
func (n Name) Hash() uint32 {
	sum := sha1.Sum([]byte(n.Canonical()))
	return binary.LittleEndian.Uint32(sum[:])
}

// OldHash is the MD5 hash of OpenSSL before 1.0, which the Java VOMS clients still look for.
func (n Name) OldHash() uint32 {
	sum := md5.Sum(n.raw)
	return binary.LittleEndian.Uint32(sum[:])
}

// canonical returns the attribute as OpenSSL hashes it. A value that is no string, or breaks its string type's rules, is
// left as it is.
func (a Attribute) canonical() Attribute {
	s, ok := a.utf8()
	if !ok {
		return a
	}
	return Attribute{Type: a.Type, Tag: asn1.TagUTF8String, Value: fold(s)}
}

// utf8 returns the value in UTF-8 if its type is one of those that OpenSSL folds. NumericString and GeneralString are
// not among them.
func (a Attribute) utf8() ([]byte, bool) {
	switch a.Tag {
	case asn1.TagUTF8String:
		return a.Value, utf8.Valid(a.Value)
	case asn1.TagPrintableString, asn1.TagIA5String, tagVisibleString, asn1.TagT61String:
		// T61 is taken as Latin-1 by OpenSSL and by crypto/x509 alike; the others are meant to be ASCII.
		return fromLatin1(a.Value), true
	case asn1.TagBMPString:
		return fromUTF16(a.Value)
	case tagUniversalString:
		return fromUTF32(a.Value)
	}
	return nil, false
}

func fromLatin1(v []byte) []byte {
	if !slices.ContainsFunc(v, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return v
	}
	out := make([]byte, 0, len(v))
	for _, c := range v {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

func fromUTF16(v []byte) ([]byte, bool) {
	if len(v)%2 != 0 {
		return nil, false
	}
	units := make([]uint16, len(v)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(v[2*i:])
		if utf16.IsSurrogate(rune(units[i])) {
			return nil, false // BMPString is UCS-2: it has no surrogate pairs
		}
	}
	return []byte(string(utf16.Decode(units))), true
}

func fromUTF32(v []byte) ([]byte, bool) {
	if len(v)%4 != 0 {
		return nil, false
	}
	var out []byte
	for ; len(v) > 0; v = v[4:] {
		u := binary.BigEndian.Uint32(v)
		if u > utf8.MaxRune || !utf8.ValidRune(rune(u)) {
			return nil, false
		}
		out = utf8.AppendRune(out, rune(u))
	}
	return out, true
}

// fold trims white space at both ends, squeezes it to one space inside, and lowers ASCII letters only.
func fold(s []byte) []byte {
	out := make([]byte, 0, len(s))
	pending := false
	for _, c := range s {
		if isSpace(c) {
			pending = len(out) > 0
			continue
		}
		if pending {
			out, pending = append(out, ' '), false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
