package dn

import (
	"encoding/asn1"
	"encoding/hex"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// String returns the slash form as OpenSSL 3 prints it (X509_NAME_oneline). Parse(n.String()) equals n, unless a value
// has a backslash before a "/", "+" or "x" (OpenSSL does not escape backslashes), is empty, or has octets that could as
// well be of another type, as those of a BMPString without any Latin letter, of a UTF8String that is not UTF-8, or of what is
// no string at all.
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
			value := a.Value
			if a.Tag == asn1.TagBitString && len(value) > 0 {
				value = value[1:] // the number of bits that do not count
			}
			writeOneline(&b, value, escape)
		}
	}
	return b.String()
}

func writeOneline(b *strings.Builder, value []byte, escape bool) {
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

// RFC2253 returns the comma-separated form, last RDN first, as OpenSSL's -nameopt RFC2253 prints it: octets outside
// ASCII as \C3, values of types without a name as # and hex. Parse reads it, except a name of one part whose value looks
// like the slash form without its first slash, which is refused as a slip.
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
	if a.Tag == asn1.TagNumericString {
		value, ok = a.Value, true
	}
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
