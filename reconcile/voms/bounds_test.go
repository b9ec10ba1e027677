package voms

import (
	"bytes"
	"encoding/base64"
	"testing"
	"testing/iotest"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

// TestAnswerBounds reads what a server may send to keep us busy, in the forms of both protocols.
func TestAnswerBounds(t *testing.T) {
	server := Server{Host: "voms.example.org", Port: 15000, VO: "alice"}
	bound.Linear(t, 1<<13, 600, func(data []byte) {
		doc, err := readDocument(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		a, err := parseAnswer(doc)
		if err == nil {
			_, err = a.response(server, XML)
		}
		if err != nil {
			_ = err.Error()
		}
	},
		bound.Repeat("elements", "<voms>", "<a/>", "</voms>"),
		bound.Repeat("nested elements", "<voms>", "<a>", ""),
		bound.Nested("closed nested elements", "<voms>", "", "</voms>"),
		bound.Repeat("warnings", "<voms>", "<warning>x</warning>", "</voms>"),
		bound.Repeat("refusals", "<voms>", "<error><code>1001</code></error>", "</voms>"),
		bound.Repeat("items", "<vomsans><error>", "<item><number>1</number></item>", "</error></vomsans>"),
		bound.Repeat("attribute certificates", "<voms>", "<ac>QQ==</ac>", "</voms>"),
		bound.Repeat("a long attribute certificate", "<voms><ac>", "QUFB", "</ac></voms>"),
		bound.Repeat("an attribute certificate in short lines", "<voms><ac>", "Q\n", "</ac></voms>"),
		bound.Repeat("an attribute certificate in pieces", "<voms><ac>", "Q<!---->", "</ac></voms>"),
		bound.Repeat("a long message", "<voms><error><message>", "x ", "</message></error></voms>"),
		bound.Repeat("a message of control characters", "<voms><error><message>", "\x01", "</message></error></voms>"),
		bound.Repeat("a message that is no UTF-8", "<voms><error><message>", "\xff", "</message></error></voms>"),
		bound.Repeat("references", "<voms><warning>", "&#65;", "</warning></voms>"),
		bound.Repeat("unknown entities", "<voms><warning>", "&x;", "</warning></voms>"),
		bound.Repeat("ampersands", "<voms><warning>", "&", "</warning></voms>"),
		bound.Repeat("attributes", "<voms ", `a="b" `, "></voms>"),
		bound.Repeat("a long name", "<voms><", "a", "/></voms>"),
		bound.Repeat("a long attribute", `<voms a="`, "b", `"></voms>`),
		bound.Repeat("name spaces", "<voms>", `<a xmlns:b="c"/>`, "</voms>"),
		bound.Repeat("comments", "<voms>", "<!-- -->", "</voms>"),
		bound.Repeat("a comment", "<voms><!--", "- ", "--></voms>"),
		bound.Repeat("character data", "<voms>", "<![CDATA[]]>", "</voms>"),
		bound.Repeat("directives", "<!DOCTYPE x [", `<!ENTITY y "z">`, "]><voms></voms>"),
		bound.Repeat("nested directives", "<!", "<!", "><voms></voms>"),
		bound.Repeat("instructions", "", "<?a b?>", "<voms></voms>"),
		bound.Repeat("white space in front", "", " \n", "<voms></voms>"),
		bound.Repeat("ends of documents", "", "</vomsans", ""),
		bound.Repeat("what follows", "<voms></voms>", "\x00", ""),
		bound.Repeat("brackets", "", "<", ""),
	)
}

// TestSlowAnswerBounds has a server that sends one octet after the other.
func TestSlowAnswerBounds(t *testing.T) {
	bound.Linear(t, 1<<12, 8, func(data []byte) {
		if doc, err := readDocument(iotest.OneByteReader(bytes.NewReader(data))); err != nil || len(doc) != len(data) {
			t.Fatalf("%d of %d octets, %v", len(doc), len(data), err)
		}
	},
		bound.Repeat("text", "<voms>", "x", "</voms>"),
		bound.Repeat("nearly an end", "<vomsans>", "</vomsans", ""),
	)
}

// TestACBounds decodes base64 in three alphabets.
func TestACBounds(t *testing.T) {
	coded := func(name string, enc *base64.Encoding, der func(n int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte { return []byte(enc.EncodeToString(der(n * 3 / 4))) }}
	}
	deep := func(n int) []byte { return bound.Deep(0x30, n) }
	bound.Linear(t, 1<<13, 32, func(data []byte) {
		if _, err := decodeAC(string(data)); err != nil {
			_ = err.Error()
		}
	},
		coded("deep", base64.StdEncoding, deep),
		coded("deep, in the private alphabet", private, deep),
		coded("many", base64.StdEncoding, func(n int) []byte { return bytes.Repeat([]byte{0x30, 0}, n/2) }),
		bound.Repeat("white space", "QQ==", " \n", ""),
		bound.Repeat("no base64", "", "!", ""),
	)
}

func TestVomsesBounds(t *testing.T) {
	bound.Linear(t, 1<<12, 300, func(data []byte) {
		servers, err := ParseVomses("vomses", data)
		if err != nil {
			_ = err.Error()
		}
		for _, s := range servers {
			_ = s.String()
		}
		ForVO(servers, "alice")
	},
		bound.Repeat("lines", "", `"a" "h" "1" "/CN=x" "a"`+"\n", ""),
		bound.Repeat("short lines", "", "x\n", ""),
		bound.Repeat("empty lines", "", "\n", ""),
		bound.Repeat("comments", "", "#\n", ""),
		bound.Repeat("open quotes", "", "\"\n", ""),
		bound.Repeat("tokens of a line", "", `"" `, "\n"),
		bound.Repeat("text of a line", "", "x ", "\n"),
		bound.Repeat("a long token", `"`, "x", `" "h" "1" "/CN=x" "a"`+"\n"),
		bound.Repeat("a long name", `"a" "h" "1" "/CN=x`, "/CN=x", `" "a"`+"\n"),
		bound.Repeat("a long name with slashes", `"a" "h" "1" "/CN=x`, "/x", `" "a"`+"\n"),
		bound.Repeat("wrong ports", "", `"a" "h" "99999" "/CN=x" "a"`+"\n", ""),
	)
}
