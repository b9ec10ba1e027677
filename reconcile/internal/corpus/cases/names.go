package cases

import (
	"slices"
	"strings"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func nameCases() []entry { return slices.Concat(spellingCases(), equalityCases()) }

const above = "/DC=org/DC=corpus"

// called is a proxy of a user with the names below DC=corpus, by the sub-CA.
func nameOf(names ...[]byte) func(*world) made {
	return func(w *world) made {
		return w.chain(w.below(w.eec(w.sub, above, subject(rawName(slices.Concat([][]byte{name(above)}, names)...))), full)...)
	}
}

// spellingCases are about how a name is written.
func spellingCases() []entry {
	reads := func(slash string) Want { return yes("rfc").of(above + slash) }
	utf8 := func(s string) []byte { return cn(cbasn1.UTF8String, s) }
	const universal, visible, numeric = cbasn1.Tag(28), cbasn1.Tag(26), cbasn1.Tag(18)
	return []entry{
		one("name-slash", "a slash in a value", nameOf(utf8("robot/vobox.example.org")), reads(`/CN=robot\/vobox.example.org`), agrees),
		one("name-url", "a URL in a value", nameOf(oneRDN(part{idOU, cbasn1.UTF8String, "http://x.org/y"}), utf8("Jane")), reads(`/OU=http:\/\/x.org\/y/CN=Jane`), agrees),
		one("name-plus", "a plus in a value", nameOf(utf8("Jane+Joe")), reads(`/CN=Jane\+Joe`), agrees),
		one("name-comma", "commas and quotes in a value", nameOf(utf8(`Doe, Jane "JD" <x>; y`)), reads(`/CN=Doe, Jane "JD" <x>; y`), agrees),
		one("name-equals", "a value that looks like an attribute", nameOf(utf8("CN=Joe")), reads("/CN=CN=Joe"), agrees),
		one("name-forged-slash", "a value that looks like somebody else's name", nameOf(utf8("x/OU=people/CN=Jane Doe")), reads(`/CN=x\/OU=people\/CN=Jane Doe`), agrees),
		one("name-backslash", "a backslash in a value", nameOf(utf8(`Jane\Doe`)), reads(`/CN=Jane\Doe`), agrees),
		one("name-multi", "two attributes in one part", nameOf(oneRDN(part{idUID, cbasn1.UTF8String, "jdoe"}, part{idCN, cbasn1.UTF8String, "Jane"})), reads("/UID=jdoe+CN=Jane"), agrees),
		one("name-two-cns", "several CNs, as CERN has them", nameOf(oneRDN(part{idOU, cbasn1.UTF8String, "Users"}), utf8("jdoe"), utf8("123456"), utf8("Jane Doe")),
			reads("/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe"), agrees),
		one("name-email", "emailAddress", nameOf(utf8("Jane"), oneRDN(part{idEmail, cbasn1.IA5String, "jane@example.org"})), reads("/CN=Jane/emailAddress=jane@example.org"), agrees),
		one("name-uid", "UID", nameOf(utf8("Jane"), oneRDN(part{idUID, cbasn1.UTF8String, "jdoe"})), reads("/CN=Jane/UID=jdoe"), agrees),
		one("name-serial", "serialNumber and surname", nameOf(oneRDN(part{[]int{2, 5, 4, 5}, cbasn1.PrintableString, "4711"}), oneRDN(part{[]int{2, 5, 4, 4}, cbasn1.UTF8String, "Doe"})), reads("/serialNumber=4711/SN=Doe"), agrees),
		one("name-state", "state, locality and country", nameOf(oneRDN(part{[]int{2, 5, 4, 8}, cbasn1.UTF8String, "Zug"}), oneRDN(part{[]int{2, 5, 4, 7}, cbasn1.UTF8String, "Baar"}), oneRDN(part{[]int{2, 5, 4, 6}, cbasn1.PrintableString, "CH"})),
			reads("/ST=Zug/L=Baar/C=CH"), agrees),
		one("name-unknown", "an attribute without a name", nameOf(oneRDN(part{idUnknown, cbasn1.UTF8String, "x"}), utf8("Jane")), reads("/1.3.6.1.4.1.99999.1=x/CN=Jane"), agrees),
		one("name-utf8", "UTF-8 of two, three and four octets", nameOf(utf8("Zoë Ж中😀")), reads(`/CN=Zo\xC3\xAB \xD0\x96\xE4\xB8\xAD\xF0\x9F\x98\x80`), agrees),
		one("name-t61", "T61String", nameOf(cn(cbasn1.T61String, "Zo\xeb")), reads(`/CN=Zo\xEB`), agrees),
		one("name-bmp", "BMPString", nameOf(cn(30, "\x00Z\x00o\x00\xeb")), reads(`/CN=\x00Z\x00o\x00\xEB`), agrees),
		one("name-ia5", "IA5String", nameOf(cn(cbasn1.IA5String, "Jane_Doe@home")), reads("/CN=Jane_Doe@home"), agrees),
		one("name-numeric", "NumericString", nameOf(cn(numeric, "12345")), reads("/CN=12345"), agrees),
		one("name-universal", "UniversalString", nameOf(cn(universal, "\x00\x00\x00J\x00\x00\x00d")), reads(`/CN=\x00\x00\x00J\x00\x00\x00d`), agrees),
		one("name-visible", "VisibleString", nameOf(cn(visible, "Jane")), broken("unsupported string type: 26"), agrees),
		one("name-printable-wrong", "an underscore in a PrintableString, where none may be", nameOf(cn(cbasn1.PrintableString, "Jane_Doe")), reads("/CN=Jane_Doe"), agrees),
		one("name-printable-mail", "an address in a PrintableString, where none may be", nameOf(cn(cbasn1.PrintableString, "jane@example.org")), reads("/CN=jane@example.org"), agrees),
		one("name-printable-latin", "Latin letters in a PrintableString", nameOf(cn(cbasn1.PrintableString, "Zo\xeb")), reads(`/CN=Zo\xEB`), agrees),
		one("name-ia5-latin", "Latin letters in an IA5String", nameOf(cn(cbasn1.IA5String, "Zo\xeb")), reads(`/CN=Zo\xEB`), agrees),
		one("name-numeric-letters", "letters in a NumericString", nameOf(cn(numeric, "a1")), reads("/CN=a1"), agrees),
		one("name-utf8-wrong", "a UTF8String that is not UTF-8", nameOf(utf8("Zo\xeb")), broken("invalid UTF-8"), agrees),
		one("name-nul", "a NUL in a value", nameOf(utf8("Jane\x00Joe")), reads(`/CN=Jane\x00Joe`), agrees),
		one("name-newline", "a line end in a value", nameOf(utf8("Jane\nJoe")), reads(`/CN=Jane\x0AJoe`), agrees),
		one("name-spaces", "spaces around and within a value", nameOf(utf8(" Jane  Doe ")), reads("/CN= Jane  Doe "), agrees),
		one("name-empty-value", "an empty value", nameOf(utf8(""), utf8("Jane")), reads("/CN=/CN=Jane"), agrees),
		one("name-long", "a value of a thousand characters", nameOf(utf8(strings.Repeat("Jane ", 200)+"D")), reads("/CN="+strings.Repeat("Jane ", 200)+"D"), agrees),
		one("name-proxy-inside", "a user whose CN ends with /CN=proxy, and who is no proxy", nameOf(utf8("Jane/CN=proxy")), reads(`/CN=Jane\/CN=proxy`), agrees),
		one("name-user-proxy", "a user whose name is proxy", func(w *world) made { return w.chain(w.eec(w.sub, above+"/CN=proxy")) }, no("CHAIN-INCOMPLETE", "is not with it"), differs("it knows RFC 3820 proxies only")),
	}
}

// equalityCases are about whether the issuer in a certificate is the CA.
func equalityCases() []entry {
	// named is a proxy of Jane's whose certificate spells its CA's name so, and the CA spells it so.
	named := func(inCertificate, inCA []byte) func(*world) made {
		return in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, above, subject(rawName(name(above), inCA)))
			return knows().anchor(w.root, inside).anchor(ca).text(hash(ca)+".signing_policy", "access_id_ANYBODY\npos_rights globus CA:sign\ncond_subjects globus '\"*\"'\n"),
				w.below(w.eec(ca, janeName, issuerName(rawName(name(above), inCertificate))), full)
		})
	}
	utf8 := func(s string) []byte { return cn(cbasn1.UTF8String, s) }
	printable := func(s string) []byte { return cn(cbasn1.PrintableString, s) }
	other := no("CA-MISSING", "no trust anchor for issuer")
	uid, plain := part{idUID, cbasn1.UTF8String, "ca"}, part{idCN, cbasn1.UTF8String, "CA"}
	return []entry{
		one("equal-same", "the same octets", named(utf8("Some CA"), utf8("Some CA")), yes("rfc"), agrees),
		one("equal-types", "UTF8String for PrintableString", named(utf8("Some CA"), printable("Some CA")), yes("rfc"), agrees),
		one("equal-t61", "T61String for UTF8String, beyond ASCII", named(cn(cbasn1.T61String, "Zo\xeb"), utf8("Zoë")), yes("rfc"), agrees),
		one("equal-bmp", "BMPString for UTF8String, beyond ASCII", named(cn(30, "\x00Z\x00o\x00\xeb"), utf8("Zoë")), yes("rfc"), agrees),
		one("equal-case", "another case", named(printable("SOME ca"), printable("Some CA")), yes("rfc"), agrees),
		one("equal-space", "more space", named(printable("  Some   CA "), printable("Some CA")), yes("rfc"), agrees),
		one("equal-case-latin", "another case beyond ASCII, which is not folded", named(utf8("ZOË"), utf8("zoë")), other, agrees),
		one("equal-numeric", "NumericString for PrintableString, which is not folded", named(cn(18, "123"), printable("123")), other, agrees),
		one("equal-space-missing", "no space where there is one", named(printable("SomeCA"), printable("Some CA")), other, agrees),
		one("equal-nul", "a NUL and more behind the name", named(utf8("Some CA\x00evil"), utf8("Some CA")), other, agrees),
		one("equal-shorter", "a part less", named(utf8("Some CA"), rawName(utf8("Some CA"), utf8("2"))), other, agrees),
		one("equal-order", "parts in another order", named(rawName(utf8("a"), utf8("b")), rawName(utf8("b"), utf8("a"))), other, agrees),
		one("equal-slash", "one part with a slash is not two parts", named(utf8("Some CA/CN=2"), rawName(utf8("Some CA"), utf8("2"))), other, agrees),
		one("equal-multi", "two attributes of one part in another order", named(oneRDN(plain, uid), oneRDN(uid, plain)), yes("rfc"), agrees),
		one("equal-multi-split", "one part of two attributes is not two parts", named(oneRDN(uid, plain), rawName(oneRDN(uid), oneRDN(plain))), other, agrees),
		one("equal-type", "another attribute of the same value", named(oneRDN(part{idO, cbasn1.UTF8String, "Some CA"}), utf8("Some CA")), other, agrees),
		one("equal-dc", "DC in UTF8String for IA5String", named(oneRDN(part{idDC, cbasn1.UTF8String, "ca"}), oneRDN(part{idDC, cbasn1.IA5String, "ca"})), yes("rfc"), agrees),
	}
}
