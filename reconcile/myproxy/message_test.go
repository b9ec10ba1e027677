package myproxy_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
)

// TestMarshalRequest compares with what myproxy-init and myproxy-info 6.2.14 were seen to send.
func TestMarshalRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    myproxy.Request
		want string
	}{
		{"myproxy-init -d -n -t 48", myproxy.Request{Command: myproxy.CommandPut, Username: "/DC=org/CN=Jane Doe", Lifetime: 48 * time.Hour},
			"VERSION=MYPROXYv2\nCOMMAND=1\nUSERNAME=/DC=org/CN=Jane Doe\nPASSPHRASE=\nLIFETIME=172800\n\x00"},
		{"myproxy-info", myproxy.Request{Command: myproxy.CommandInfo, Username: "jdoe", Passphrase: []byte("DUMMY-PASSPHRASE")},
			"VERSION=MYPROXYv2\nCOMMAND=2\nUSERNAME=jdoe\nPASSPHRASE=DUMMY-PASSPHRASE\nLIFETIME=0\n\x00"},
		{"myproxy-change-pass-phrase", myproxy.Request{Command: myproxy.CommandChangePassphrase, Username: "jdoe", Passphrase: []byte("sesame7"), NewPassphrase: []byte("sesame8")},
			"VERSION=MYPROXYv2\nCOMMAND=4\nUSERNAME=jdoe\nPASSPHRASE=sesame7\nNEW_PHRASE=sesame8\nLIFETIME=0\n\x00"},
		{"every option", myproxy.Request{Command: myproxy.CommandPut, Username: "jdoe", Retriever: "a", Renewer: "b", CredName: "c", CredDesc: "d", KeyRetriever: "e", TrustedRetriever: "f"},
			"VERSION=MYPROXYv2\nCOMMAND=1\nUSERNAME=jdoe\nPASSPHRASE=\nLIFETIME=0\nRETRIEVER=a\nRENEWER=b\nCRED_NAME=c\nCRED_DESC=d\nKEYRETRIEVERS=e\nRETRIEVER_TRUSTED=f\n\x00"},
	} {
		got, err := tt.r.Marshal()
		if err != nil || string(got) != tt.want {
			t.Errorf("%s:\n got %q, %v\nwant %q", tt.name, got, err, tt.want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	const head = "VERSION=MYPROXYv2\nCOMMAND=0\nUSERNAME=jdoe\nPASSPHRASE=\n"
	for _, tt := range []struct{ msg, want string }{
		{head + "LIFETIME=0\n\x00", ""},
		{head + "LIFETIME=0\n", ""},                         // ARC and JGlobus send no NUL
		{"LIFETIME=0\n" + head + "COLOUR=green\n", ""},      // any order, unknown fields
		{head + "LIFETIME=0x10\n\x00LIFETIME=junk", ""},     // as strtol has it; what is behind the NUL
		{head + "LIFETIME=-5\n", ""},                        // taken for 0
		{head, "LIFETIME is missing"},                       //
		{head + "LIFETIME=1\nLIFETIME=1\n", "twice"},        //
		{head + "LIFETIME=1\nCRED_DESC=LIFETIME=", "twice"}, // substring search
		{head + "LIFETIME=soon\n", "not a number"},
		{strings.Replace(head, "=0", "=9", 1) + "LIFETIME=0\n", "does not exist"},
		{strings.Replace(head, "v2", "v1", 1) + "LIFETIME=0\n", "version"},
		{strings.Replace(head, "USERNAME", "NAME", 1) + "LIFETIME=0\n", "USERNAME is missing"},
		{head + "LIFETIME=0\r\n", "not a number"}, // the real server says "error parsing request"
	} {
		_, err := myproxy.ParseRequest([]byte(tt.msg))
		if got := err == nil; got != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.msg, err, tt.want)
		}
	}
}

// TestReadChainEveryCut reads a chain from every kind of reader and cut off at every byte.
func TestReadChainEveryCut(t *testing.T) {
	whole := mustMarshalChain(t, stored().Chain)
	for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
		r := bytes.NewReader(append(bytes.Clone(whole), "rest"...))
		chain, err := myproxy.ReadChain(wrap(r))
		if err != nil || len(chain) != 2 || !chain[1].Equal(jane().Leaf()) {
			t.Errorf("got %d certificates, %v", len(chain), err)
		}
	}
	r := bytes.NewReader(append(bytes.Clone(whole), "rest"...))
	if _, err := myproxy.ReadChain(r); err != nil || r.Len() != len("rest") {
		t.Errorf("%d bytes are left, want those of \"rest\"; %v", r.Len(), err)
	}
	for n := range whole {
		if _, err := myproxy.ReadChain(bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut off at %d: %v, want io.ErrUnexpectedEOF", n, err)
		}
	}
	broken := errors.New("broken")
	if _, err := myproxy.ReadChain(io.MultiReader(bytes.NewReader(whole[:99]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestMarshalChainLimits(t *testing.T) {
	big := &x509.Certificate{Raw: make([]byte, 1<<19)}
	for name, chain := range map[string][]*x509.Certificate{
		"none": nil, "101": make([]*x509.Certificate, 101), "1 MiB": {big, big},
	} {
		if _, err := myproxy.MarshalChain(chain); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAnswerLayout has the bytes of an answer, as the real server takes them.
func TestAnswerLayout(t *testing.T) {
	a := myproxy.Answer{Method: myproxy.MethodX509SHA2, Signature: bytes.Repeat([]byte{0xAA}, 256), Chain: jane().Chain}
	got, err := a.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := join([]byte{4, 0, 0, 0, 0, 0, 1, 0}, a.Signature, []byte{1}, jane().Leaf().Raw)
	if !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	password := myproxy.Answer{Method: myproxy.MethodPassword, Passphrase: []byte("sesame7")}
	if got, err := password.Marshal(); err != nil || string(got) != "\x01\x00\x00\x00sesame7\x00" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, a := range map[string]myproxy.Answer{
		"SASL":             {Method: myproxy.MethodSASL},
		"no signature":     {Method: myproxy.MethodX509, Chain: jane().Chain},
		"no chain":         {Method: myproxy.MethodX509, Signature: []byte{1}},
		"huge signature":   {Method: myproxy.MethodX509, Signature: make([]byte, 1<<20), Chain: jane().Chain},
		"NUL in the words": {Method: myproxy.MethodPassword, Passphrase: []byte("a\x00b")},
	} {
		if _, err := a.Marshal(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	good, err := (&myproxy.Answer{Method: myproxy.MethodX509, Signature: []byte("signature"), Chain: jane().Chain}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, msg := range map[string][]byte{
		"empty": nil, "method only": good[:4], "no length": good[:6], "half a signature": good[:12],
		"half a chain": good[:100], "more behind": append(bytes.Clone(good), 0), "SASL": {3, 0, 0, 0, 0, 0, 0, 1, 1},
		"huge length": {2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := myproxy.ParseAnswer(msg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	a, err := myproxy.ParseAnswer(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify("x"); err == nil {
		t.Errorf("an EC key verified a signature")
	}
	a.Chain = old().Chain
	if err := a.Verify("x"); err == nil {
		t.Errorf("nonsense verified")
	}
	if err := (&myproxy.Answer{Method: myproxy.MethodPassword}).Verify("x"); err == nil {
		t.Errorf("a passphrase verified")
	}
}

func TestResponseRoundTrip(t *testing.T) {
	for _, r := range []myproxy.Response{
		{},
		{Type: myproxy.ResponseError, Errors: []string{"no passphrase", "authentication failed"}},
		{Type: myproxy.ResponseChallenge, Challenges: challenges},
		{Stored: []myproxy.Stored{
			{Name: "first", Start: testTime, End: testTime.Add(time.Hour), Owner: "/CN=x", Retriever: "r", KeyRetriever: "k", TrustedRetriever: "t", Renewer: "n", LockMessage: "l", Description: "d"},
			{Name: "START_TIME", Start: testTime, End: testTime, Owner: "/CN=x"},
			{Name: "a=b_c", Start: testTime, End: testTime, Owner: "/CN=OWNER="},
		}},
	} {
		got, err := myproxy.ParseResponse(r.Marshal())
		if err != nil || !reflect.DeepEqual(*got, r) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, r)
		}
	}
	if n := len(okMessage); n != 30 {
		t.Errorf("OK has %d bytes, the real server's 30", n)
	}
}

func TestCommandAndMethodNames(t *testing.T) {
	for got, want := range map[string]string{
		myproxy.CommandGet.String():              "GET",
		myproxy.CommandChangePassphrase.String(): "CHANGE_PASSPHRASE",
		myproxy.CommandGetTrustRoots.String():    "GET_TRUSTROOTS",
		myproxy.Command(99).String():             "COMMAND 99",
		myproxy.MethodX509.String():              "X509_certificate",
		myproxy.MethodX509SHA2.String():          "X509_certificate_SHA256",
		myproxy.MethodSASL.String():              "SASL",
		myproxy.Method(9).String():               "method 9",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
