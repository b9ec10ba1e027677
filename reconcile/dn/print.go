package dn

import (
	"encoding/hex"
	"strings"
)

const (
	upperHex         = "0123456789ABCDEF"
	tagGeneralString = 27
)

// String returns the slash form as OpenSSL 3 prints it (X509_NAME_oneline). Parse(n.String()) equals n, unless a value
// has a backslash before a "/", "+" or "x" (OpenSSL does not escape backslashes), is empty, or is a BMPString without
// any Latin letter, whose bytes cannot be told from another string type's.
func (n Name) String() string { return n.oneline(true) }

// Legacy returns the slash form as OpenSSL 1.1 and older print it: no escapes, "/" between the parts of a multi-valued RDN.
func (n Name) Legacy() string { return n.oneline(false) }

func (n Name) oneline(escape bool) string {
	var b strings.Builder
	for _, rdn := range n.rdns {
		for i, a := range rdn {
			if i > 0 && escape {
				b.WriteByte('+')
			} else {
				b.WriteByte('/')
			}
			b.WriteString(shortName(a.Type))
			b.WriteByte('=')
			writeOneline(&b, a, escape)
		}
	}
	return b.String()
}

func writeOneline(b *strings.Builder, a Attribute, escape bool) {
	value := a.Value
	if a.Tag == tagGeneralString {
		value = narrowed(value)
	}
	for _, c := range value {
		switch {
		case c < ' ' || c > '~':
			b.WriteString(`\x`)
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		case escape && (c == '/' || c == '+'):
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
}

// narrowed returns every fourth byte of a GeneralString that looks like UTF-32, as X509_NAME_oneline does for that type
// alone.
func narrowed(v []byte) []byte {
	if len(v)%4 != 0 {
		return v
	}
	var out []byte
	for i, c := range v {
		if i%4 == 3 {
			out = append(out, c)
		} else if c != 0 {
			return v
		}
	}
	return out
}

// RFC2253 returns the comma-separated form, last RDN first, as OpenSSL's -nameopt RFC2253 prints it: octets outside
// ASCII as \C3, values of types without a name as # and hex.
func (n Name) RFC2253() string {
	var b strings.Builder
	for i := len(n.rdns) - 1; i >= 0; i-- {
		rdn := n.rdns[i]
		for j := len(rdn) - 1; j >= 0; j-- {
			switch {
			case j < len(rdn)-1:
				b.WriteByte('+')
			case i < len(n.rdns)-1:
				b.WriteByte(',')
			}
			b.WriteString(shortName(rdn[j].Type))
			b.WriteByte('=')
			writeRFC2253(&b, rdn[j])
		}
	}
	return b.String()
}

func writeRFC2253(b *strings.Builder, a Attribute) {
	value, ok := a.utf8()
	if !ok || byOID(a.Type) == nil {
		b.WriteByte('#')
		b.WriteString(strings.ToUpper(hex.EncodeToString(a.valueDER())))
		return
	}
	for i, c := range value {
		switch {
		case c < ' ' || c > '~':
			b.WriteByte('\\')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
			continue
		case strings.IndexByte(`,+"\<>;`, c) >= 0,
			c == '#' && i == 0,
			c == ' ' && (i == 0 || i == len(value)-1):
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
}
