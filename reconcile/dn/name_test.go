package dn_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

func mustParse(t testing.TB, s string) dn.Name {
	t.Helper()
	n, err := dn.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "the name is empty"},
		{"  \n", "the name is empty"},
		{"CN", `part 1: no "=" in "CN"; a name is written /DC=ch/CN=Jane Doe or CN=Jane Doe,DC=ch`},
		{"/CN", `part 1, "CN": no "=" in it; write TYPE=value, for instance CN=CN`},
		{"/DC=ch/foo", `part 2, "foo": no "=" in it; write TYPE=value, for instance CN=foo`},
		{"/C=CH/Jane Doe/CN=x", `part 2, "Jane Doe": no "=" in it`},
		{"/DC=ch/CN=", `part 2, "CN=": CN has no value`},
		{"/DC=ch/CN= ", `part 2, "CN= ": CN has no value`},
		{"/CN=x+UID=", `part 1, "CN=x+UID=": UID has no value`},
		{"/DC=ch/DCN=cern/CN=x", `part 2, "DCN=cern": unknown attribute type "DCN"; if this belongs to the value before it, write \/ for the slash`},
		{"/OU=a/b=c", `part 2, "b=c": unknown attribute type "b"`},
		{"//DC=ch", "part 1 is empty: two slashes in a row"},
		{"/DC=ch//CN=x", "part 2 is empty"},
		{"/OU=a//CN=x", "part 2 is empty"},
		{"/CN=x/", "part 2 is empty: two slashes in a row, or one at the end"},
		{"/", "part 1 is empty"},
		{"/=x", `part 1, "=x": no "=" in it`},
		{"/1.2.3.999999999999=x", `part 1, "1.2.3.999999999999=x": no "="`},
		{"/3.1=x", "part 1"},
		{"/10.0=x", "part 1"},
		{"10.0=x", `unknown attribute type "10.0"`},
		{"/CN=a\x00b", `control character 0x00 at byte 6; write it \x00`},
		{"/CN=a\nb", `control character 0x0A at byte 6`},
		{"DC=ch/DC=cern/CN=x", `begins without a slash; write "/DC=ch/DC=cern/CN=x"`},
		{"CN=Doe, Jane,DC=ch", `part 2: no "=" in "Jane"`},
		{"CN=a+b,DC=ch", `part 2: no "=" in "b"`},
		{"CN=x,", "part 2: it is empty"},
		{"CN=x,,DC=ch", "part 2: it is empty"},
		{"CN=,DC=ch", "part 1: CN has no value"},
		{"XY=a,DC=ch", `part 1: unknown attribute type "XY"`},
		{`CN=a\`, "a backslash at the end"},
		{`CN="a,DC=ch`, "no closing quotation mark"},
		{`CN="a"b,DC=ch`, `"b,DC=ch" after the closing quotation mark`},
		{"CN=#zz", "#zz is not hex"},
		{"CN=#0c0561", "#0c0561 is not the DER of a string"},
		{"CN=#300061", "is not the DER of a string"},
		{strings.Repeat("x", dn.MaxLen+1), "more than 65536"},
	} {
		n, err := dn.Parse(tc.in)
		if err == nil {
			t.Errorf("Parse(%q) = %q, want an error with %q", tc.in, n, tc.want)
		} else if !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "dn: ") {
			t.Errorf("Parse(%q): %q, want it to say %q", tc.in, err, tc.want)
		}
	}
}

// The string types that Parse chooses are seen in the bytes.
func TestParseTypes(t *testing.T) {
	for _, tc := range []struct {
		in  string
		tag int
	}{
		{"/CN=Jane Doe", printableTag},
		{"/CN=joe@example.org", utf8Tag},
		{"/CN=André", utf8Tag},
		{`/CN=Andr\xE9`, t61Tag},
		{`/CN=\x00A\x00\xE9`, universalTag + 2}, // BMPString
		{`/CN=\x00\x00\x00A`, universalTag},
		{`/CN=A\x00\xC3\xA9\x00`, utf8Tag},
		{"/DC=ch", ia5Tag},
		{"/DC=chä", utf8Tag},
		{"/emailAddress=a@b", ia5Tag},
		{"/C=CH", printableTag},
		{"/serialNumber=12", printableTag},
		{"/1.2.3.4=x", printableTag},
	} {
		if got := mustParse(t, tc.in).RDNs()[0][0].Tag; got != tc.tag {
			t.Errorf("Parse(%q) has tag %d, want %d", tc.in, got, tc.tag)
		}
	}
}

func TestEqual(t *testing.T) {
	const jane = "/DC=ch/DC=cern/CN=Jane Doe"
	for _, tc := range []struct {
		name, a, b string
		want       bool
	}{
		{"same", jane, jane, true},
		{"case", jane, "/dc=CH/dc=CERN/cn=JANE DOE", true},
		{"white space", jane, "/DC=ch/DC=cern/CN=  Jane   Doe ", true},
		{"RFC 2253", jane, "CN=Jane Doe, DC=cern, DC=ch", true},
		{"spelling of types", "/UID=j/Email=a@b/S=x", "/USERID=j/emailAddress=a@b/ST=x", true},
		{"OpenSSL 3 and Java", `/CN=host\/x.org`, "/CN=host/x.org", true},
		{"string types", "/CN=André", `/CN=Andr\xE9`, true},
		{"BMPString", "/CN=Aé", `/CN=\x00A\x00\xE9`, true},
		{"UniversalString", "/CN=é", `/CN=\x00\x00\x00\xE9`, true},
		{"order in a multi-valued part", "/CN=x+UID=y", "/UID=y+CN=x", true},
		{"not ASCII: case counts", "/CN=É", "/CN=é", false},
		{"order of parts", jane, "/DC=cern/DC=ch/CN=Jane Doe", false},
		{"longer", jane, jane + "/CN=1", false},
		{"other type", "/CN=x", "/OU=x", false},
		{"multi-valued or two parts", "/CN=x+UID=y", "/CN=x/UID=y", false},
		{"surname or serial number", "/SN=12", "/serialNumber=12", false},
	} {
		a, b := mustParse(t, tc.a), mustParse(t, tc.b)
		if got := a.Equal(b); got != tc.want || b.Equal(a) != tc.want {
			t.Errorf("%s: %q equal to %q: %v, want %v", tc.name, tc.a, tc.b, got, tc.want)
		}
		if same := a.Hash() == b.Hash(); same != tc.want {
			t.Errorf("%s: hashes equal: %v, want %v", tc.name, same, tc.want)
		}
	}
}

// What openssl x509 -subject_hash and -subject_hash_old print for /DC=ch/DC=cern/CN=Jane Doe.
const goldenHash, goldenOldHash = 0xa3da3cd0, 0xdc53b30f

func TestHashes(t *testing.T) {
	n, err := dn.FromDER(encodings["ordinary"]) // /DC=ch/DC=cern/CN=Jane Doe
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Hash(); got != goldenHash {
		t.Errorf("Hash = %08x, want %08x", got, goldenHash)
	}
	if got := n.OldHash(); got != goldenOldHash {
		t.Errorf("OldHash = %08x, want %08x", got, goldenOldHash)
	}
	if !n.Equal(mustParse(t, "/DC=ch/DC=cern/CN=Jane Doe")) || !bytes.Equal(mustParse(t, "/DC=ch/DC=cern/CN=Jane Doe").DER(), n.DER()) {
		t.Error("Parse encodes the name differently")
	}
}

func TestForms(t *testing.T) {
	for _, tc := range []struct{ name, slash, legacy, rfc2253 string }{
		{"slash and plus", `/CN=host\/foo.example.org/CN=a\+b`, "/CN=host/foo.example.org/CN=a+b", `CN=a\+b,CN=host/foo.example.org`},
		{"multi-valued", "/CN=x+UID=joe", "/CN=x/UID=joe", "UID=joe+CN=x"},
		{"utf-8", `/CN=Andr\xC3\xA9 M\xC3\xBCller`, `/CN=Andr\xC3\xA9 M\xC3\xBCller`, `CN=Andr\C3\A9 M\C3\BCller`},
		{"latin-1", `/CN=Andr\xE9 M\xFCller`, `/CN=Andr\xE9 M\xFCller`, `CN=Andr\C3\A9 M\C3\BCller`},
		{"no short name", "/1.3.6.1.4.1.99999.7=x", "/1.3.6.1.4.1.99999.7=x", "1.3.6.1.4.1.99999.7=#0C0178"},
		{"specials", `/CN=#a,b"c\d<e>f;g=h /CN= x`, `/CN=#a,b"c\d<e>f;g=h /CN= x`, `CN=\ x,CN=\#a\,b\"c\\d\<e\>f\;g=h\ `},
		{"empty", "", "", ""},
	} {
		n, err := dn.FromDER(encodings[tc.name])
		if err != nil {
			t.Fatal(err)
		}
		if n.String() != tc.slash || n.Legacy() != tc.legacy || n.RFC2253() != tc.rfc2253 {
			t.Errorf("%s: %q, %q, %q, want %q, %q, %q", tc.name, n, n.Legacy(), n.RFC2253(), tc.slash, tc.legacy, tc.rfc2253)
		}
	}
}

func TestFromDER(t *testing.T) {
	for name, der := range encodings {
		n, err := dn.FromDER(der)
		if err != nil || !bytes.Equal(n.DER(), der) {
			t.Errorf("%s: FromDER = %x, %v, want the same bytes %x", name, n.DER(), err, der)
		}
	}
	for name, der := range malformed {
		if n, err := dn.FromDER(der); err == nil {
			t.Errorf("%s: FromDER = %q, want an error", name, n)
		}
	}
}

var malformed = map[string][]byte{
	"nothing":               nil,
	"no sequence":           {0x31, 0},
	"octets after it":       {0x30, 0, 0},
	"too short":             {0x30, 5, 0x31},
	"no set":                {0x30, 2, 0x30, 0},
	"empty set":             {0x30, 2, 0x31, 0},
	"no attribute":          {0x30, 4, 0x31, 2, 0x0c, 0},
	"no value":              {0x30, 9, 0x31, 7, 0x30, 5, 6, 3, 0x55, 4, 3},
	"octets after a value":  {0x30, 14, 0x31, 12, 0x30, 10, 6, 3, 0x55, 4, 3, 0x0c, 1, 'x', 5, 0},
	"value not a string":    {0x30, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x30, 0},
	"value in another form": {0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x81, 1, 'x'},
}

// A peer can send any of these in a certificate; none may make us panic or be taken for another name.
func TestMustFromDERMalformed(t *testing.T) {
	jane := mustParse(t, "/CN=Jane Doe")
	for name, der := range malformed {
		n := dn.MustFromDER(der)
		if n.IsEmpty() || n.Equal(dn.Name{}) || n.Equal(jane) || n.WithCN("1").Equal(jane) {
			t.Errorf("%s: is taken for another name", name)
		}
		if !n.Equal(dn.MustFromDER(der)) || !bytes.Equal(n.DER(), der) {
			t.Errorf("%s: is not equal to itself", name)
		}
		if cn, ok := n.LastCN(); ok {
			t.Errorf("%s: LastCN = %q", name, cn)
		}
		if p := n.Parent(); p.Equal(dn.Name{}) {
			t.Errorf("%s: its parent is the empty name", name)
		}
		if n.String() == "" || n.RFC2253() == "" || n.Legacy() == "" {
			t.Errorf("%s: prints as nothing", name)
		}
	}
}

func TestWithCN(t *testing.T) {
	n, err := dn.FromDER(encodings["unsorted"])
	if err != nil {
		t.Fatal(err)
	}
	p := n.WithCN("123456")
	if want := n.String() + "/CN=123456"; p.String() != want {
		t.Errorf("WithCN = %q, want %q", p, want)
	}
	again, err := dn.FromDER(p.DER())
	if err != nil || !again.Equal(p) {
		t.Errorf("its DER is that of %q, %v", again, err)
	}
	if !bytes.Equal(p.Parent().DER(), n.DER()) {
		t.Errorf("the parent's DER is %x, want the octets %x", p.Parent().DER(), n.DER())
	}
	if cn, ok := p.LastCN(); !ok || cn != "123456" {
		t.Errorf("LastCN = %q, %v", cn, ok)
	}
	if tag := p.RDNs()[1][0].Tag; tag != printableTag {
		t.Errorf("tag %d, want PrintableString", tag)
	}
	if got := (dn.Name{}).WithCN("x"); got.String() != "/CN=x" || !got.Parent().IsEmpty() {
		t.Errorf("from the empty name: %q, parent %q", got, got.Parent())
	}
}

func TestLastCN(t *testing.T) {
	for _, tc := range []struct {
		name, in, cn string
		ok           bool
	}{
		{"cn", "/DC=ch/CN=limited proxy", "limited proxy", true},
		{"other type", "/CN=x/DC=ch", "", false},
		{"multi-valued", "/CN=x+CN=y", "", false},
		{"latin-1", `/CN=\xE9`, "é", true},
	} {
		if cn, ok := mustParse(t, tc.in).LastCN(); cn != tc.cn || ok != tc.ok {
			t.Errorf("%s: LastCN = %q, %v, want %q, %v", tc.name, cn, ok, tc.cn, tc.ok)
		}
	}
	if _, ok := (dn.Name{}).LastCN(); ok {
		t.Error("the empty name has a last CN")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"/DC=ch/DC=cern/OU=Organic Units/CN=Jane Doe", `/CN=host\/x+UID=a\xC3\xA9`, "/OU=http://x/CN=a=b",
		`CN="Doe, Jane"+UID=x , DC=ch`, `CN=\20a\,b\C3\A9,1.2.3=#0c0161;O=x`, `/CN=\x00A\x00\xE9`, "/E=a@b/S=x/USERID=y",
		`CN=a,1.2.3=#090161`, // no string at all
		`CN=a,1.2.3=#0c0191`, // a UTF8String that is none: its octets are those of a T61String
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := dn.Parse(s)
		if err != nil {
			return
		}
		again, err := dn.FromDER(n.DER())
		if err != nil || !again.Equal(n) || again.String() != n.String() || again.RFC2253() != n.RFC2253() {
			t.Fatalf("Parse(%q) = %q, but its DER is that of %q, %v", s, n, again, err)
		}
		again, err = dn.Parse(n.RFC2253())
		slashLost := err != nil && strings.Contains(err.Error(), "begins without a slash") // on purpose
		if !slashLost && (err != nil || !again.Equal(n)) {
			t.Errorf("Parse(%q) = %q, and Parse(%q) = %q, %v", s, n, n.RFC2253(), again, err)
		}
		if ambiguous(n) {
			return
		}
		if again, err = dn.Parse(n.String()); err != nil || !again.Equal(n) {
			t.Errorf("Parse(%q) = %q, of which Parse makes %q, %v", s, n, again, err)
		}
	})
}

// ambiguous reports what the slash form cannot express, as the doc comment of String says.
func ambiguous(n dn.Name) bool {
	plain := []int{asn1.TagUTF8String, asn1.TagNumericString, asn1.TagPrintableString, asn1.TagIA5String, 26} // 26: VisibleString
	for _, rdn := range n.RDNs() {
		for _, a := range rdn {
			if bytes.ContainsRune(a.Value, '\\') || len(bytes.Trim(a.Value, " ")) == 0 || bytes.IndexByte(a.Value, 0) >= 0 ||
				!slices.Contains(plain, a.Tag) || a.Tag == asn1.TagUTF8String && !utf8.Valid(a.Value) {
				return true
			}
		}
	}
	return false
}

// FuzzFromDER puts any bytes into a certificate, since that is how strange names arrive.
func FuzzFromDER(f *testing.F) {
	for _, der := range encodings {
		f.Add(der)
	}
	for _, der := range malformed {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		n, err := dn.FromDER(der)
		if err == nil {
			if !bytes.Equal(n.DER(), der) {
				t.Fatalf("DER %x of %x", n.DER(), der)
			}
			p := n.WithCN("1")
			if cn, ok := p.LastCN(); !ok || cn != "1" || !p.Parent().Equal(n) || p.Equal(n) {
				t.Fatalf("%q.WithCN(1) = %q", n, p)
			}
			if !dn.MustFromDER(p.DER()).Equal(p) {
				t.Fatalf("%q is not what its DER says", p)
			}
		}
		n = dn.MustFromDER(der)
		if !n.Equal(dn.MustFromDER(n.DER())) {
			t.Fatalf("%x is not equal to itself", der)
		}
		_, _, _, _ = n.Legacy(), n.RFC2253(), n.Hash(), n.OldHash()
		if _, err := dn.Parse(n.String()); err == nil && n.IsEmpty() {
			t.Fatalf("an empty name prints as %q", n)
		}
	})
}

// TestMalformedInCertificate shows that crypto/x509 lets such names through, so that MustFromDER has to bear them.
func TestMalformedInCertificate(t *testing.T) {
	der := certificate(t, malformed["octets after a value"])
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Skipf("crypto/x509 refuses the name now: %v", err)
	}
	if n := dn.MustFromDER(cert.RawSubject); n.Equal(dn.Name{}) || !bytes.Equal(n.DER(), cert.RawSubject) {
		t.Errorf("MustFromDER = %q", n)
	}
}
