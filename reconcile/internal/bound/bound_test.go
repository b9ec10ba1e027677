package bound

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"testing"
)

// TestKinds wants what is linear told from what is not.
func TestKinds(t *testing.T) {
	lines := Repeat("lines", "", "x\n", "")
	small, large := lines.Make(1<<11), lines.Make(Growth<<11)
	joined := func(data []byte) {
		all := ""
		for range bytes.Count(data, []byte("\n")) {
			all += "x"
		}
	}
	if n, m := allocated(joined, small), allocated(joined, large); m < Growth*Growth/2*n {
		t.Errorf("what is quadratic allocates %d and %d bytes", n, m)
	}
	split := func(data []byte) { _ = strings.Split(string(data), "\n") }
	if n, m := allocated(split, small), allocated(split, large); m < Growth/2*n || m > Growth*2*n {
		t.Errorf("what is linear allocates %d and %d bytes", n, m)
	}
	pairs := func(data []byte) {
		for i := range data {
			for j := range data[i:] {
				data[i] ^= data[j]
			}
		}
	}
	if n, m := taken(pairs, small[:1<<10], Growth), taken(pairs, large[:Growth<<10], 1); m < moreTime*n {
		t.Errorf("what is quadratic takes %v and %v", n, m)
	}
	Linear(t, 1<<12, 12, split, lines)
}

// TestDER wants what is made to be what encoding/asn1 reads.
func TestDER(t *testing.T) {
	for _, n := range []int{0, 1, 0x7f, 0x80, 0xff, 0x100, 70000} {
		var got []byte
		if rest, err := asn1.Unmarshal(DER(4, make([]byte, n)), &got); err != nil || len(rest) > 0 || len(got) != n {
			t.Errorf("%d: %d bytes, %d more, %v", n, len(got), len(rest), err)
		}
	}
	for _, n := range []int{2, 100, 300, 1 << 17} {
		deep := Deep(0x30, n)
		if len(deep) < n || len(deep) > n+8 {
			t.Errorf("%d bytes, asked for %d", len(deep), n)
		}
		depth := 0
		for rest := deep; len(rest) > 0; depth++ {
			var value asn1.RawValue
			after, err := asn1.Unmarshal(rest, &value)
			if err != nil || len(after) > 0 || value.Tag != 16 {
				t.Fatalf("%d levels down: %v", depth, err)
			}
			rest = value.Bytes
		}
		if depth < n/5 {
			t.Errorf("%d bytes are %d deep", n, depth)
		}
	}
}

// TestCertificate wants crypto/x509 to read what is made.
func TestCertificate(t *testing.T) {
	c, err := x509.ParseCertificate(Certificate(7, Name("a"), Name("a", "b"), Extension("\x2a\x03\x04", true, []byte("x"))))
	if err != nil {
		t.Fatal(err)
	}
	if c.SerialNumber.Uint64() != 1<<32+7 || c.Issuer.CommonName != "a" || c.Subject.CommonName != "b" || len(c.Extensions) != 1 || !c.Extensions[0].Critical {
		t.Errorf("it is %+v", c)
	}
}
