package gridtest

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

// FuzzParseMessage: what parses has the fields that the bytes say, whatever their order.
func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("VERSION=MYPROXYv2\nCOMMAND=0\nUSERNAME=/CN=x\nPASSPHRASE=\nLIFETIME=172800\n\x00"))
	f.Add([]byte("VERSION=MYPROXYv2\nCOMMAND=1\nUSERNAME=x\nPASSPHRASE=secret\nLIFETIME=0x10\nRETRIEVER=*\nRENEWER=*\nCRED_NAME=a\nCRED_DESC=b\nKEYRETRIEVERS=*\nRETRIEVER_TRUSTED=*\n"))
	f.Add([]byte("LIFETIME=1\nLIFETIME=2\nVERSION=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		text, _, _ := bytes.Cut(data, []byte{0})
		for key, value := range map[string]string{"VERSION=": m.version, "USERNAME=": m.username, "CRED_NAME=": value(m.credName)} {
			if m.command == cmdTrustRoots && key == "USERNAME=" {
				continue
			}
			if value != "" && !bytes.Contains(text, []byte(key+value+"\n")) {
				t.Errorf("%s%q is not in the message", key, value)
			}
			if strings.ContainsAny(value, "\n\x00") {
				t.Errorf("%s%q holds a line end", key, value)
			}
		}
		reversed := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if !strings.HasSuffix(string(text), "\n") {
			return
		}
		for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
			reversed[i], reversed[j] = reversed[j], reversed[i]
		}
		again, err := parseMessage([]byte(strings.Join(reversed, "\n") + "\n"))
		if err != nil || again.username != m.username || again.lifetime != m.lifetime || again.command != m.command {
			t.Errorf("in reverse order: %+v, %v, want %+v", again, err, m)
		}
	})
}

// FuzzSplitCerts: nothing is lost or made up between count byte, values and rest.
func FuzzSplitCerts(f *testing.F) {
	f.Add([]byte{2, 0x30, 3, 2, 1, 1, 0x30, 0, 'V'})
	f.Add([]byte{0})
	f.Add([]byte{1, 0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		ders, rest, err := splitCerts(data)
		if err != nil {
			return
		}
		again := append([]byte{byte(len(ders))}, bytes.Join(ders, nil)...)
		if !bytes.Equal(append(again, rest...), data) {
			t.Errorf("%x became %x", data, append(again, rest...))
		}
	})
}

// FuzzSplitProof: the lengths of an answer to the challenge add up.
func FuzzSplitProof(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 0, 0, 0, 2, 's', 'g', 1, 0x30, 0})
	f.Add([]byte{4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		signature, certs, err := splitProof(data)
		if err == nil && 8+len(signature)+len(certs) != len(data) {
			t.Errorf("%d bytes became %d and %d", len(data), len(signature), len(certs))
		}
	})
}

// FuzzPattern: a pattern never fails, and one without special characters matches itself alone.
func FuzzPattern(f *testing.F) {
	f.Add("*/CN=vobox.example.org", "/DC=org/CN=vobox.example.org")
	f.Add("/CN=a(b", "/CN=a(b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := matchPattern(pattern, &client{name: name})
		if strings.ContainsAny(pattern, `*?\()[]{}+|^$:`) || strings.ContainsAny(name+pattern, "\n") || !strings.HasPrefix(pattern, "/") {
			return
		}
		if got != (pattern == name) && strings.ToValidUTF8(pattern, "") == pattern && strings.ToValidUTF8(name, "") == name {
			t.Errorf("%q matches %q: %v", pattern, name, got)
		}
	})
}

// fakeListener has an address and nothing else.
type fakeListener struct{ net.Listener }

func (fakeListener) Addr() net.Addr { return &net.TCPAddr{Port: 15000} }

// FuzzVOMSQuery: a query is either refused or asks for what it says, literally.
func FuzzVOMSQuery(f *testing.F) {
	f.Add("fqans=/alice/Role=lcgadmin&lifetime=43200", false)
	f.Add("fqans=%2Falice&lifetime=-1&order=x&targets=a,b", true)
	f.Add("&", false)
	f.Fuzz(func(t *testing.T, raw string, iam bool) {
		style := VOMSD
		if iam {
			style = IAM
		}
		c := &vomsSession{s: &VOMS{o: VOMSOptions{Style: style}, listener: &listener{ln: fakeListener{}}}}
		w, status, no := c.query(raw)
		if status != 200 || no != nil {
			return
		}
		for _, q := range w.fqans {
			if q == "" || !iam && !strings.Contains(raw, q) {
				t.Errorf("%q is not in %q", q, raw)
			}
		}
		if !iam && w.lifetime < 0 {
			t.Errorf("lifetime %v", w.lifetime)
		}
	})
}
