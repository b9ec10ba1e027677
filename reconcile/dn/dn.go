// Package dn parses, prints and compares X.501 distinguished names the way grid software does.
//
// A name from a certificate comes in by [FromDER] and keeps its bytes; a name that a person or a file spells comes in by
// [Parse]. The two are compared with [Name.Equal], never as strings: the same certificate subject is spelled
// differently by OpenSSL 1.1, OpenSSL 3 and Java, and its values may be of different string types.
package dn

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math/bits"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Attribute is one type and value of a relative distinguished name.
type Attribute struct {
	Type  asn1.ObjectIdentifier
	Tag   int    // universal tag of the string type, for instance 19 for PrintableString
	Value []byte // content octets as encoded, without tag and length
}

// An RDN is a relative distinguished name: one attribute, or several joined by "+".
type RDN []Attribute

// A Name is a distinguished name. The zero Name is empty.
type Name struct {
	rdns []RDN
	raw  []byte // DER of the Name; never nil after a successful parse
}

// FromDER parses the DER of an X.501 Name, such as x509.Certificate.RawSubject, without loss: DER returns the same
// bytes. The values are not checked against their string types, because CAs get that wrong and comparing must not fail
// for it.
func FromDER(der []byte) (Name, error) {
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return Name{}, errors.New("dn: not the DER of a name: no SEQUENCE")
	}
	if !in.Empty() {
		return Name{}, errors.New("dn: bytes after the name")
	}
	n := Name{raw: bytes.Clone(der), rdns: make([]RDN, 0, 8)}
	for !seq.Empty() {
		var set cryptobyte.String
		if !seq.ReadASN1(&set, cbasn1.SET) {
			return Name{}, errors.New("dn: not the DER of a name: a part is not a SET")
		}
		rdn, err := readRDN(set)
		if err != nil {
			return Name{}, err
		}
		n.rdns = append(n.rdns, rdn)
	}
	return n, nil
}

// readType reads an object identifier. The few that nearly all names consist of are not made anew.
func readType(in *cryptobyte.String, out *asn1.ObjectIdentifier) bool {
	rest := *in
	var body cryptobyte.String
	if rest.ReadASN1(&body, cbasn1.OBJECT_IDENTIFIER) {
		if i := frequentType(body); i >= 0 {
			*out, *in = attributeTypes[i].oid, rest
			return true
		}
	}
	return in.ReadASN1ObjectIdentifier(out)
}

func readRDN(set cryptobyte.String) (RDN, error) {
	if set.Empty() {
		return nil, errors.New("dn: an empty part in the name")
	}
	var rdn RDN
	for !set.Empty() {
		var pair, value cryptobyte.String
		var a Attribute
		var tag cbasn1.Tag
		if !set.ReadASN1(&pair, cbasn1.SEQUENCE) ||
			!readType(&pair, &a.Type) ||
			!pair.ReadAnyASN1(&value, &tag) {
			return nil, errors.New("dn: malformed attribute in the name")
		}
		if !pair.Empty() {
			return nil, errors.New("dn: bytes after an attribute's value in the name")
		}
		// Every string type is primitive and of universal class: the identifier octet is the tag number.
		if tag > 30 {
			return nil, errors.New("dn: an attribute's value is not a string")
		}
		a.Tag, a.Value = int(tag), bytes.Clone(value)
		rdn = append(rdn, a)
	}
	return rdn, nil
}

// MustFromDER is FromDER for names taken from a certificate that crypto/x509 has parsed already. The few malformed names
// that crypto/x509 lets through (octets after a value, an empty part) do not panic, since a peer could send one: they
// become a name of one part without a type, which is equal to no well-formed name.
func MustFromDER(der []byte) Name {
	n, err := FromDER(der)
	if err != nil {
		raw := bytes.Clone(der)
		return Name{raw: raw, rdns: []RDN{{{Value: raw}}}}
	}
	return n
}

// DER returns the encoded name.
func (n Name) DER() []byte { return n.raw }

// RDNs returns the parts in certificate order. The caller must not change them.
func (n Name) RDNs() []RDN { return n.rdns }

// IsEmpty reports whether the name has no RDN.
func (n Name) IsEmpty() bool { return len(n.rdns) == 0 }

// WithCN returns the name with one more RDN, a CN of type PrintableString (as every proxy writer does). The octets of
// the other RDNs stay as they are, so that the result is right for a proxy's subject even where a CA's encoding is odd.
func (n Name) WithCN(cn string) Name {
	last := RDN{{Type: oidCN, Tag: asn1.TagPrintableString, Value: []byte(cn)}}
	out := Name{rdns: append(slices.Clone(n.rdns), last), raw: sequence(append(slices.Clone(n.content()), last.der()...))}
	if n.malformed() {
		return MustFromDER(out.raw)
	}
	return out
}

// Parent returns the name without its last RDN, the other RDNs octet for octet. The parent of an empty name is empty; one
// that MustFromDER could not take apart is its own.
func (n Name) Parent() Name {
	if n.IsEmpty() || n.malformed() {
		return n
	}
	content := n.content()
	rest := content
	for range len(n.rdns) - 1 {
		var rdn cryptobyte.String
		if !rest.ReadASN1Element(&rdn, cbasn1.SET) {
			return n // not reached: the content was parsed before
		}
	}
	return Name{rdns: n.rdns[:len(n.rdns)-1], raw: sequence(content[:len(content)-len(rest)])}
}

// content returns the octets inside the outer SEQUENCE.
func (n Name) content() cryptobyte.String {
	in := cryptobyte.String(n.raw)
	var content cryptobyte.String
	in.ReadASN1(&content, cbasn1.SEQUENCE)
	return content
}

func sequence(content []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	return b.BytesOrPanic()
}

// LastCN returns the value of the last RDN, converted to UTF-8, if that is a single CN.
func (n Name) LastCN() (string, bool) {
	if n.IsEmpty() {
		return "", false
	}
	last := n.rdns[len(n.rdns)-1]
	if len(last) != 1 || !slices.Equal(last[0].Type, oidCN) {
		return "", false
	}
	if s, ok := last[0].utf8(); ok {
		return string(s), true
	}
	return string(last[0].Value), true
}

// build encodes the parts. The attributes of each are sorted as DER sorts a SET OF, so that FromDER(n.DER()) gives n.
func build(rdns []RDN) Name {
	var content []byte
	for i, rdn := range rdns {
		rdns[i] = sorted(rdn)
		content = append(content, rdns[i].der()...)
	}
	return Name{rdns: rdns, raw: sequence(content)}
}

// der encodes the RDN with its attributes in the order they have.
func (r RDN) der() []byte { return r.appendDER(nil) }

// appendDER is written out, without cryptobyte.Builder: names are compared all the time, and half of what verifying
// allocated came from here.
func (r RDN) appendDER(out []byte) []byte {
	start := len(out)
	out = append(out, byte(cbasn1.SET), 0)
	for _, a := range r {
		out = a.appendDER(out)
	}
	return closeTLV(out, start)
}

func (a Attribute) der() []byte { return a.appendDER(nil) }

func (a Attribute) appendDER(out []byte) []byte {
	start := len(out)
	out = append(out, byte(cbasn1.SEQUENCE), 0)
	out = appendOID(out, a.Type)
	value := len(out)
	out = append(out, byte(a.Tag), 0)
	out = append(out, a.Value...)
	return closeTLV(closeTLV(out, value), start)
}

// appendOID appends an object identifier, which FromDER or Parse has found possible.
func appendOID(out []byte, oid asn1.ObjectIdentifier) []byte {
	start := len(out)
	out = append(out, byte(cbasn1.OBJECT_IDENTIFIER), 0)
	if len(oid) >= 2 {
		out = appendBase128(out, oid[0]*40+oid[1])
		for _, n := range oid[2:] {
			out = appendBase128(out, n)
		}
	}
	return closeTLV(out, start)
}

func appendBase128(out []byte, n int) []byte {
	for shift := (bits.Len(uint(n)|1) - 1) / 7 * 7; shift > 0; shift -= 7 {
		out = append(out, byte(n>>shift)|0x80)
	}
	return append(out, byte(n)&0x7f)
}

// closeTLV fills in the length of what begins at start with its tag and an octet for the length.
func closeTLV(out []byte, start int) []byte {
	n := len(out) - start - 2
	if n < 0x80 {
		out[start+1] = byte(n)
		return out
	}
	var length []byte
	for ; n > 0; n >>= 8 {
		length = append(length, byte(n))
	}
	slices.Reverse(length)
	out[start+1] = 0x80 | byte(len(length))
	return slices.Insert(out, start+2, length...)
}

// sorted returns the attributes in the order of their encodings (X.690 section 11.6).
func sorted(r RDN) RDN {
	if len(r) < 2 {
		return r
	}
	type encoded struct {
		a   Attribute
		der []byte
	}
	all := make([]encoded, len(r))
	for i, a := range r {
		all[i] = encoded{a, a.der()}
	}
	slices.SortStableFunc(all, func(a, b encoded) int { return bytes.Compare(a.der, b.der) })
	out := make(RDN, len(r))
	for i := range all {
		out[i] = all[i].a
	}
	return out
}

// valueDER encodes the value alone.
func (a Attribute) valueDER() []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(a.Tag), func(b *cryptobyte.Builder) { b.AddBytes(a.Value) })
	return b.BytesOrPanic()
}
