package voms

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{" a\n\tb\r\n", "a b"},
		{"a\x00\x1b[31m\u0085\u2028c", "a [31m c"},
		{"\xff\xfe", "?"},
		{"éééééééééé", "éééééééé…"},
		{"1234567 9", "1234567…"},
		{"", ""},
	} {
		if got := clean(tt.in, 8); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// Where a remedy sends people: IAM is at the host of the certificate, voms-admin at port 8443.
func TestMembershipPage(t *testing.T) {
	for _, tt := range []struct {
		port     int
		dn, want string
	}{
		{443, "/DC=ch/DC=cern/OU=computers/CN=alice-auth.cern.ch", "https://alice-auth.cern.ch/"},
		{443, `/DC=ch/CN=host\/alice-auth.cern.ch`, "https://alice-auth.cern.ch/"},
		{443, "/DC=ch/CN=Some Service", "https://h.example.org/"},
		{443, "/DC=ch/O=x", "https://h.example.org/"},
		{15000, "/DC=ch/CN=voms.example.org", "https://h.example.org:8443/voms/alice"},
	} {
		name, err := dn.Parse(tt.dn)
		if err != nil {
			t.Fatal(err)
		}
		s := Server{Host: "h.example.org", Port: tt.port, VO: "alice", DN: name}
		if e := refused(s, REST, refusal{code: "1001"}); !strings.Contains(e.Remedy, tt.want+",") {
			t.Errorf("%s: got remedy %q, want %s in it", tt.dn, e.Remedy, tt.want)
		}
	}
}

// checkAnswer checks what holds for any document that is read, however it came.
func checkAnswer(t *testing.T, body []byte, protocol string) {
	a, err := parseAnswer(body)
	if err != nil {
		if a != nil {
			t.Errorf("an answer besides the error %v", err)
		}
		return
	}
	texts := slices.Clone(a.warnings)
	for _, r := range a.refusals {
		if r.isWarning() {
			t.Errorf("warning %+v among the refusals", r)
		}
		texts = append(texts, r.code, r.message)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxMessage+1 || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("text %q is not fit for a message", s)
		}
	}
	if len(texts) > 3*maxMessages {
		t.Errorf("%d texts", len(texts))
	}

	s := Server{Host: "voms.example.org", Port: 15000, VO: "alice"}
	resp, err := a.response(s, protocol)
	switch {
	case err == nil && len(a.refusals) > 0:
		t.Error("an AC in spite of a refusal")
	case err == nil:
		if _, err := attrcert.Parse(resp.AC); err != nil {
			t.Errorf("an AC that does not parse: %v", err)
		}
		resp.Notices()
	default:
		if strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("error %q", err)
		}
	}

	again, err := parseAnswer(a.document())
	if err != nil {
		t.Fatalf("reading back %q: %v", a.document(), err)
	}
	if !slices.Equal(trimmed(again.acs), trimmed(a.acs)) || !slices.Equal(again.warnings, a.warnings) || !slices.Equal(again.refusals, a.refusals) {
		t.Errorf("read back %+v\nwant      %+v", again, a)
	}
}

func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.Join(strings.Fields(s), ""))
	}
	return out
}

// document writes an answer in the form of the REST protocol.
func (a *answer) document() []byte {
	var b bytes.Buffer
	element := func(name, text string) {
		b.WriteString("<" + name + ">")
		xml.EscapeText(&b, []byte(text))
		b.WriteString("</" + name + ">")
	}
	b.WriteString("<voms>")
	for _, ac := range a.acs {
		element("ac", ac)
	}
	for _, w := range a.warnings {
		element("warning", w)
	}
	for _, r := range a.refusals {
		b.WriteString("<error>")
		element("code", r.code)
		element("message", r.message)
		b.WriteString("</error>")
	}
	b.WriteString("</voms>")
	return b.Bytes()
}

func FuzzRESTBody(f *testing.F) {
	f.Add([]byte("<voms><ac>" + base64.StdEncoding.EncodeToString(newAC(f)) + "</ac><warning>x</warning></voms>"))
	for _, body := range []string{
		`<?xml version="1.0" encoding="UTF-8"?><voms><ac>MIIB` + "\n" + `</ac><warning>localhost:15000: shortened to 86400 seconds!</warning></voms>`,
		`<voms><error><code>NoSuchUser</code><message>alice: User unknown to this VO.</message></error></voms>`,
		`<error><code>1004</code><message>User x needs to sign AUP &amp; more</message></error>`,
		"\ufeff<!DOCTYPE x [<!ENTITY y 'z'>]><voms>&y;<error/><![CDATA[x]]></voms>",
		"", "<html>", "<voms><ac>QQ==</ac>", "\xff\x00<voms/>",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkAnswer(t, body, REST) })
}

func FuzzXMLAnswer(f *testing.F) {
	f.Add([]byte("<vomsans><version>3</version><ac>" + private.EncodeToString(newAC(f)) + "</ac></vomsans>"))
	for _, body := range []string{
		`<?xml version="1.0" encoding = "US-ASCII"?><vomsans><version>3</version><error><item><number>2</number><message>shortened to 5 seconds</message></item></error><ac>MIIH</ac></vomsans>`,
		`<vomsans><version>3</version><error><item><number>1001</number><message>alice: User unknown to this VO.</message></item></error><ac>QQ==` + "\n" + `</ac></vomsans>`,
		`<vomsans><error><item><number>1</number></item><item><message>x</message></item></error><bitstr>x</bitstr><ac>qq</ac></vomsans>`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkAnswer(t, body, XML)
		// What ends at the root's end tag is all that a server which keeps the connection open will have sent.
		doc, err := readDocument(bytes.NewReader(body))
		if err != nil || !bytes.HasPrefix(body, doc) {
			t.Errorf("read %q, %v", doc, err)
		}
	})
}

// FuzzAC checks that whatever base64 is accepted holds an AC, of which the text in either alphabet is accepted again.
func FuzzAC(f *testing.F) {
	f.Add("QQ==\n")
	f.Add("qq")
	ac := newAC(f)
	f.Add(base64.StdEncoding.EncodeToString(ac))
	f.Add(base64.StdEncoding.EncodeToString(append(ac, ac...)))
	f.Add(private.EncodeToString(ac))
	f.Add("MIIB\nMIIB\n")
	f.Fuzz(func(t *testing.T, text string) {
		der, err := decodeAC(text)
		if err != nil {
			return
		}
		again, err := decodeAC(private.EncodeToString(der))
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("in the private alphabet: %v", err)
		}
	})
}
