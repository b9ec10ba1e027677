package myproxy_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
)

// FuzzParseResponse: what parses, written and parsed again, is the same.
func FuzzParseResponse(f *testing.F) {
	f.Add(okMessage)
	f.Add(refusal("no passphrase", "authentication failed"))
	f.Add((&myproxy.Response{Type: myproxy.ResponseChallenge, Challenges: challenges}).Marshal())
	f.Add([]byte("VERSION=MYPROXYv2\nRESPONSE=0\nCRED_START_TIME=1\nCRED_END_TIME=2\nCRED_x_OWNER=/CN=x\nADDL_CREDS=x\n\x00"))
	f.Add([]byte("VERSION=MYPROXYv2\nRESPONSE=0\nCRED_x_OWNER=a\nCRED_OWNER=b\nCRED__NAME=c\r\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		first, err := myproxy.ParseResponse(msg)
		if err != nil {
			return
		}
		second, err := myproxy.ParseResponse(first.Marshal())
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%q is\n%+v, and then\n%+v, %v", msg, first, second, err)
		}
	})
}

// FuzzReadChain: what is read, written again, is the same bytes; and nothing
// behind it is touched.
func FuzzReadChain(f *testing.F) {
	chain, err := myproxy.MarshalChain(stored().Chain)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(chain)
	f.Add(append(bytes.Clone(chain), okMessage...))
	f.Add([]byte{1, 0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, msg []byte) {
		r := bytes.NewReader(msg)
		chain, err := myproxy.ReadChain(r)
		if err != nil {
			return
		}
		again, err := myproxy.MarshalChain(chain)
		if err != nil || !bytes.Equal(again, msg[:len(msg)-r.Len()]) {
			t.Errorf("read %x, wrote %x, %v", msg, again, err)
		}
	})
}

// FuzzParseAnswer is for the answer to a challenge: accepted is only what we would write.
func FuzzParseAnswer(f *testing.F) {
	for _, a := range []myproxy.Answer{
		{Method: myproxy.MethodX509SHA2, Signature: make([]byte, 256), Chain: stored().Chain},
		{Method: myproxy.MethodPassword, Passphrase: []byte("sesame7")},
	} {
		msg, err := a.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		first, err := myproxy.ParseAnswer(msg)
		if err != nil {
			return
		}
		again, err := first.Marshal()
		if err != nil {
			t.Fatalf("%x parses but cannot be written: %v", msg, err)
		}
		second, err := myproxy.ParseAnswer(again)
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%x is\n%+v, and then\n%+v, %v", msg, first, second, err)
		}
	})
}

// FuzzChallenge: a challenge of any server is signed only if it is a number,
// and the signature then verifies.
func FuzzChallenge(f *testing.F) {
	for _, c := range challenges {
		f.Add(c.Data)
	}
	f.Add("To whom it may concern")
	f.Fuzz(func(t *testing.T, data string) {
		a, err := myproxy.Sign(myproxy.Challenge{Data: data}, myproxy.MethodX509SHA2, old())
		if err != nil {
			return
		}
		if bytes.ContainsFunc([]byte(data), func(r rune) bool { return !bytes.ContainsRune([]byte("0123456789abcdefABCDEF"), r) }) {
			t.Errorf("%q was signed", data)
		}
		if err := a.Verify(data); err != nil {
			t.Errorf("the signature of %q: %v", data, err)
		}
	})
}

// FuzzRequest: what can be sent is understood as it was meant, by a parser that
// searches for substrings.
func FuzzRequest(f *testing.F) {
	f.Add(0, "/DC=org/CN=Jane Doe", []byte("sesame7"), []byte(""), int64(48*time.Hour), "name", "words", "*/CN=r", "a", "b", "c")
	f.Add(4, "jdoe", []byte("sesame7"), []byte("sesame8"), int64(0), "LIFETIME=", "\n", "", "RETRIEVER", "=", "")
	f.Fuzz(func(t *testing.T, command int, user string, pass, newPass []byte, lifetime int64, name, desc, renewer, retriever, key, trusted string) {
		want := myproxy.Request{
			Command: myproxy.Command(command), Username: user, Passphrase: pass, NewPassphrase: newPass,
			Lifetime: time.Duration(lifetime), CredName: name, CredDesc: desc, Renewer: renewer,
			Retriever: retriever, KeyRetriever: key, TrustedRetriever: trusted,
		}
		msg, err := want.Marshal()
		if err != nil {
			return
		}
		got, err := myproxy.ParseRequest(msg)
		if err != nil {
			t.Fatalf("%q cannot be parsed: %v", msg, err)
		}
		if want.Command != myproxy.CommandChangePassphrase {
			want.NewPassphrase = nil
		}
		if rest := want.Lifetime % time.Second; rest > 0 {
			want.Lifetime += time.Second - rest
		}
		if !bytes.Equal(got.Passphrase, want.Passphrase) || !bytes.Equal(got.NewPassphrase, want.NewPassphrase) {
			t.Errorf("the passphrases of %q are %q and %q", msg, got.Passphrase, got.NewPassphrase)
		}
		got.Passphrase, got.NewPassphrase, want.Passphrase, want.NewPassphrase = nil, nil, nil, nil
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%q is\n%+v, want\n%+v", msg, *got, want)
		}
	})
}

// FuzzParseRequest: a server's parser takes anything.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(clearTextRequest))
	f.Fuzz(func(t *testing.T, msg []byte) {
		r, err := myproxy.ParseRequest(msg)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if err != nil {
			return // a field's name in a value, or no user
		}
		if second, err := myproxy.ParseRequest(again); err != nil || second.Username != r.Username || second.Lifetime != r.Lifetime {
			t.Errorf("%q is %+v, and then %+v, %v", msg, r, second, err)
		}
	})
}
