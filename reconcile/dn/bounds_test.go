package dn_test

import (
	"bytes"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

// most is how many bytes may be allocated for each byte of a name that is read and printed in every form. An attribute of
// five letters becomes structures of two hundred bytes.
const most = 256

// TestParseBounds reads names that people or servers may have written to keep us busy, up to the longest that is read.
func TestParseBounds(t *testing.T) {
	parse := func(data []byte) {
		if n, err := dn.Parse(string(data)); err == nil {
			_ = n.String()
			n.RFC2253()
			n.Canonical()
		}
	}
	bound.Linear(t, dn.MaxLen/bound.Growth-8, most, parse,
		bound.Repeat("many parts", "", "/CN=a", ""),
		bound.Repeat("many short types", "", "/C=a", ""),
		bound.Repeat("many dotted types", "", "/1.2=a", ""),
		bound.Repeat("slashes in a value", "/CN=a", "/a", ""),
		bound.Repeat("slashes alone", "/CN=a", "/", "a"),
		bound.Repeat("pluses in a value", "/CN=a", "+", "a"),
		bound.Repeat("many attributes of one part", "/CN=a", "+CN=b", ""),
		bound.Repeat("escapes", "/CN=", `\x41`, ""),
		bound.Repeat("backslashes", "/CN=", `\`, ""),
		bound.Repeat("long value", "/CN=", "a", ""),
		bound.Repeat("long value beyond ASCII", "/CN=", "é", ""),
		bound.Repeat("no zero octets", "/CN=", `\x00`, ""),
		bound.Repeat("unknown long type", "/", "a", "=b"),
		bound.Repeat("blanks", "/CN=a", " ", "b"),
		bound.Repeat("many parts, RFC 2253", "CN=a", ",CN=a", ""),
		bound.Repeat("many attributes, RFC 2253", "CN=a", "+CN=a", ""),
		bound.Repeat("escapes, RFC 2253", "CN=", `\,`, ""),
		bound.Repeat("hex escapes, RFC 2253", "CN=", `\41`, ""),
		bound.Repeat("quotation marks", `CN="`, `\"`, `"`),
		bound.Repeat("open quotation mark", `CN="`, "a,", ""),
		bound.Repeat("hex value", "CN=#0c82", "61", ""),
		bound.Repeat("no equals sign", "a", ",", "a"),
		bound.Repeat("blanks, RFC 2253", "CN=a", " ", "b"),
	)
}

// TestFromDERBounds reads names as certificates may have them, which are as long as files may be.
func TestFromDERBounds(t *testing.T) {
	parse := func(data []byte) {
		n := dn.MustFromDER(data)
		_ = n.String()
		n.Legacy()
		n.RFC2253()
		n.Canonical()
		n.Parent().Equal(n)
		n.LastCN()
		n.WithCN("proxy")
	}
	element := bound.DER
	oid := []byte{6, 3, 0x55, 4, 3}
	attribute := func(value []byte) []byte { return element(0x30, append(bytes.Clone(oid), value...)) }
	// named is a name whose parts are repeated for as long as it takes.
	named := func(name string, part []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte { return element(0x30, bytes.Repeat(part, max(1, n/len(part)))) }}
	}
	within := func(name string, tag byte, text string) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			return element(0x30, element(0x31, attribute(element(tag, bytes.Repeat([]byte(text), n/len(text))))))
		}}
	}
	bound.Linear(t, 1<<13, most, parse,
		named("many parts", element(0x31, attribute([]byte{12, 1, 'a'}))),
		named("many empty values", element(0x31, attribute([]byte{12, 0}))),
		named("many unknown types", element(0x31, element(0x30, []byte{6, 2, 0x2a, 3, 12, 0}))),
		named("empty parts", []byte{0x31, 0}),
		bound.Input{Name: "many attributes of one part", Make: func(n int) []byte {
			one := attribute([]byte{12, 1, 'a'})
			return element(0x30, element(0x31, bytes.Repeat(one, n/len(one))))
		}},
		bound.Input{Name: "different attributes of one part", Make: func(n int) []byte {
			var all []byte
			for i := 0; len(all) < n; i++ {
				all = append(all, attribute([]byte{12, 3, byte(n - i), byte((n - i) >> 8), byte((n - i) >> 16)})...)
			}
			return element(0x30, element(0x31, all))
		}},
		bound.Input{Name: "a long type", Make: func(n int) []byte {
			id := element(6, bytes.Repeat([]byte{0x2a}, n))
			return element(0x30, element(0x31, element(0x30, append(id, 12, 0))))
		}},
		within("a long UTF8String", 12, "a"),
		within("a long BMPString", 30, "\x00a"),
		within("a long BMPString of wide characters", 30, "\x4e\x2d"),
		within("a long UniversalString", 28, "\x00\x00\x00a"),
		within("a long T61String", 20, "\xeb"),
		within("control characters", 12, "\x01"),
		within("blanks", 12, " "),
		within("slashes", 12, "/"),
		bound.Input{Name: "deep", Make: func(n int) []byte { return bound.Deep(0x30, n) }},
		bound.Input{Name: "deep sets", Make: func(n int) []byte { return element(0x30, bound.Deep(0x31, n)) }},
	)
}
