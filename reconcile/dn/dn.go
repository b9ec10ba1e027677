// Package dn parses, prints and compares X.501 distinguished names the way grid software does.
package dn

import "encoding/asn1"

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

// FromDER parses the DER of an X.501 Name, such as x509.Certificate.RawSubject, without loss.
func FromDER(der []byte) (Name, error) { panic("not built yet") }

// MustFromDER is FromDER for names taken from a certificate that crypto/x509 has parsed already.
func MustFromDER(der []byte) Name { panic("not built yet") }

// Parse reads a name written in slash form (/DC=ch/CN=x) or, when it does not begin with a slash, in RFC 2253 form.
// It accepts both the OpenSSL 3 escapes (\/ \+ \xHH) and the unescaped form of older OpenSSL and Java
// (a part without "=" belongs to the value before it).
func Parse(s string) (Name, error) { panic("not built yet") }

// String returns the slash form as OpenSSL 3 prints it (X509_NAME_oneline). Parse(n.String()) equals n.
func (n Name) String() string { panic("not built yet") }

// Legacy returns the slash form as OpenSSL 1.1 and older print it: no escapes, "/" between the parts of a multi-valued RDN.
func (n Name) Legacy() string { panic("not built yet") }

// RFC2253 returns the comma-separated form, last RDN first.
func (n Name) RFC2253() string { panic("not built yet") }

// DER returns the encoded name.
func (n Name) DER() []byte { return n.raw }

// RDNs returns the parts in certificate order. The caller must not change them.
func (n Name) RDNs() []RDN { return n.rdns }

// IsEmpty reports whether the name has no RDN.
func (n Name) IsEmpty() bool { return len(n.rdns) == 0 }

// Equal compares the parsed names: types by OID, string values in UTF-8 with ASCII case folded and white space squeezed
// (the canonical form of OpenSSL's name hash), so that string types do not matter.
func (n Name) Equal(o Name) bool { return n.Canonical() == o.Canonical() }

// Canonical returns a key that is the same for equal names, for use in maps.
func (n Name) Canonical() string { panic("not built yet") }

// Hash is the name of an OpenSSL 1.0+ hash link (X509_NAME_hash): print it with %08x.
func (n Name) Hash() uint32 { panic("not built yet") }

// OldHash is the MD5 hash of OpenSSL before 1.0, which the Java VOMS clients still look for.
func (n Name) OldHash() uint32 { panic("not built yet") }

// WithCN returns the name with one more RDN, a CN of type PrintableString (as every proxy writer does).
func (n Name) WithCN(cn string) Name { panic("not built yet") }

// Parent returns the name without its last RDN; LastCN returns the value of the last RDN if that is a single CN.
func (n Name) Parent() Name           { panic("not built yet") }
func (n Name) LastCN() (string, bool) { panic("not built yet") }
