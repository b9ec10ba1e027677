package myproxy_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
)

const okHead = "VERSION=MYPROXYv2\nRESPONSE=0\n"

// TestResponseBounds reads what a server may answer to keep us busy.
func TestResponseBounds(t *testing.T) {
	bound.Linear(t, 1<<13, 160, func(data []byte) {
		r, err := myproxy.ParseResponse(data)
		if err != nil {
			_ = (&myproxy.Error{Err: err}).Error()
			return
		}
		_ = (&myproxy.Error{Messages: r.Errors}).Error()
	},
		bound.Repeat("errors", "VERSION=MYPROXYv2\nRESPONSE=1\n", "ERROR=x\n", ""),
		bound.Repeat("empty errors", "VERSION=MYPROXYv2\nRESPONSE=1\n", "ERROR=\n", ""),
		bound.Repeat("a long error", "VERSION=MYPROXYv2\nRESPONSE=1\nERROR=", "x", "\n"),
		bound.Repeat("an error of control characters", "VERSION=MYPROXYv2\nRESPONSE=1\nERROR=", "\x01", "\n"),
		bound.Repeat("an error that is no UTF-8", "VERSION=MYPROXYv2\nRESPONSE=1\nERROR=", "\xff", "\n"),
		bound.Repeat("challenges", "VERSION=MYPROXYv2\nRESPONSE=2\n", "AUTHORIZATION_DATA=a:b\n", ""),
		bound.Repeat("a long challenge", "VERSION=MYPROXYv2\nRESPONSE=2\nAUTHORIZATION_DATA=", "a:", "\n"),
		bound.Repeat("lines of one credential", okHead, "CRED_START_TIME=1\n", ""),
		bound.Repeat("owners of one credential", okHead, "CRED_a_OWNER=/CN=x\n", ""),
		bound.Repeat("a long name of a credential", okHead+"CRED_", "a_", "OWNER=/CN=x\n"),
		bound.Repeat("fields in a line", okHead+"CRED", "_OWNER", "=x\n"),
		bound.Repeat("unknown fields", okHead, "CRED_X=\n", ""),
		bound.Input{Name: "credentials", Make: func(n int) []byte {
			var b strings.Builder
			b.WriteString(okHead)
			for i := 0; b.Len() < n; i++ {
				fmt.Fprintf(&b, "CRED_%d_OWNER=x\n", 100000-i)
			}
			return []byte(b.String() + "CRED_OWNER=x\n")
		}},
		bound.Repeat("versions", "", "VERSION=MYPROXYv2\n", ""),
		bound.Repeat("responses", okHead, "RESPONSE=0\n", ""),
		bound.Repeat("empty lines", okHead, "\n", ""),
		bound.Repeat("carriage returns", okHead, "\r", "\n"),
		bound.Repeat("a line without end", "VERSION=", "x", ""),
		bound.Repeat("zeros", okHead, "\x00", ""),
	)
}

// TestChainBounds reads chains as servers send them.
func TestChainBounds(t *testing.T) {
	chain := func(name string, one func(i, n int) []byte, count int) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			out := []byte{byte(count)}
			for i := range count {
				out = append(out, one(i, n/count)...)
			}
			return out
		}}
	}
	named := func(i, n int) []byte {
		return bound.Certificate(uint32(i), bound.Name("a"), bound.Name(strings.Repeat("a", max(1, n-220))), nil)
	}
	bound.Linear(t, 1<<15, 24, func(data []byte) {
		if _, err := myproxy.ReadChain(bytes.NewReader(data)); err != nil {
			_ = err.Error()
		}
	},
		chain("certificates", named, 100),
		chain("a large certificate", named, 1),
		chain("broken certificates", func(_, n int) []byte { return bound.DER(0x30, make([]byte, n)) }, 100),
		chain("a deep certificate", func(_, n int) []byte { return bound.Deep(0x30, n) }, 1),
		bound.Repeat("a chain that is cut off", "\x01\x30\x83\x0f\xff\xff", "x", ""),
		bound.Repeat("empty certificates", "\x64", "\x30\x00", ""),
	)
}

// TestRequestBounds reads what clients send; our test servers do.
func TestRequestBounds(t *testing.T) {
	const head = "VERSION=MYPROXYv2\nCOMMAND=0\n"
	bound.Linear(t, 1<<13, 160, func(data []byte) {
		if _, err := myproxy.ParseRequest(data); err != nil {
			_ = err.Error()
		}
		if _, err := myproxy.ParseAnswer(data); err != nil {
			_ = err.Error()
		}
	},
		bound.Repeat("a long user name", head+"USERNAME=", "x", "\nPASSPHRASE=\nLIFETIME=0\n"),
		bound.Repeat("user names", head, "USERNAME=x\n", "PASSPHRASE=\nLIFETIME=0\n"),
		bound.Repeat("empty lines", head, "\n", ""),
		bound.Repeat("a passphrase", "\x01\x00\x00\x00", "x", ""),
		bound.Repeat("a long signature", "\x04\x00\x00\x00\x00\x00\x08\x00", "x", ""),
	)
}
