package attrcert_test

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

// An acShape is the parts of an AC that anybody can make as large as they like.
type acShape struct{ holder, issuer, attributes, extensions []byte }

// bytes is an AC of vomsd's layout with these parts; the signature is none.
func (s acShape) bytes() []byte {
	el := bound.DER
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	if s.holder == nil {
		s.holder = bound.Name("Jane")
	}
	if s.issuer == nil {
		s.issuer = bound.Name("voms")
	}
	if s.attributes == nil {
		s.attributes = fqans(el(4, []byte("/alice")))
	}
	algorithm := el(0x30, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2})
	info := el(0x30, join(
		[]byte{2, 1, 1},
		el(0x30, el(0xa0, join(el(0x30, el(0xa4, s.holder)), []byte{2, 1, 5}))),
		el(0xa0, el(0x30, el(0xa4, s.issuer))),
		algorithm,
		[]byte{2, 1, 7},
		el(0x30, join(el(24, []byte("20261121000000Z")), el(24, []byte("20261122000000Z")))),
		el(0x30, s.attributes),
		el(0x30, s.extensions),
	))
	return el(0x30, join(info, algorithm, []byte{3, 2, 0, 1}))
}

const (
	vomsArc  = "\x2b\x06\x01\x04\x01\xbe\x45\x64\x64"
	idFQANs  = vomsArc + "\x04"
	idACs    = vomsArc + "\x05"
	idCerts  = vomsArc + "\x0a"
	idTags   = vomsArc + "\x0b"
	idTarget = "\x55\x1d\x37"
)

// fqans is the VOMS attribute with those values.
func fqans(values []byte) []byte {
	el := bound.DER
	syntax := el(0x30, append(el(0xa0, el(0x86, []byte("alice://voms.example.org:15000"))), el(0x30, values)...))
	return el(0x30, append(el(6, []byte(idFQANs)), el(0x31, syntax)...))
}

// TestShape wants what the bounds are measured with to be ACs at all.
func TestShape(t *testing.T) {
	if ac, err := attrcert.Parse(acShape{}.bytes()); err != nil || ac.VO != "alice" || len(ac.FQANs) != 1 {
		t.Fatalf("%+v, %v", ac, err)
	}
}

// TestParseBounds reads attribute certificates up to the longest that is read.
func TestParseBounds(t *testing.T) {
	el := bound.DER
	shaped := func(name string, make func(n int) acShape) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte { return make(n - 300).bytes() }}
	}
	times := func(n int, one []byte) []byte { return bytes.Repeat(one, n/len(one)) }
	extension := func(name, id string, critical bool, value func(n int) []byte) bound.Input {
		return shaped(name, func(n int) acShape { return acShape{extensions: bound.Extension(id, critical, value(n))} })
	}
	parse := func(data []byte) {
		if ac, err := attrcert.Parse(data); err == nil {
			ac.HeldBy(&x509.Certificate{})
		}
	}
	cert := bound.Certificate(1, bound.Name("CA"), bound.Name("CA", "voms"), nil)
	wide := func(n int, critical bool) []byte {
		var exts []byte
		for i := 0; len(exts) < n; i++ {
			exts = append(exts, bound.Extension(string([]byte{0x2a, 3, 0x81 + byte(i>>14), 0x80 | byte(i>>7&0x7f), byte(i & 0x7f)}), critical, nil)...)
		}
		return exts
	}
	bound.Linear(t, 12<<10, 96, parse,
		shaped("many FQANs", func(n int) acShape { return acShape{attributes: fqans(times(n, el(4, []byte("/a"))))} }),
		shaped("long FQANs", func(n int) acShape {
			return acShape{attributes: fqans(times(n, el(4, []byte("/"+strings.Repeat("a/", 400)+"a"))))}
		}),
		shaped("one FQAN", func(n int) acShape { return acShape{attributes: fqans(el(4, times(n, []byte("/a"))))} }),
		shaped("many other attributes", func(n int) acShape { return acShape{attributes: times(n, el(0x30, []byte{6, 1, 0x2a, 0x31, 0}))} }),
		shaped("deep attributes", func(n int) acShape { return acShape{attributes: bound.Deep(0x30, n)} }),
		shaped("long holder", func(n int) acShape { return acShape{holder: bound.Name(strings.Repeat("a", n))} }),
		shaped("holder of many parts", func(n int) acShape {
			return acShape{holder: bound.Name(strings.Split(strings.Repeat("a", n/13), "")...)}
		}),
		shaped("deep issuer", func(n int) acShape { return acShape{issuer: bound.Deep(0x30, n)} }),
		shaped("many extensions", func(n int) acShape { return acShape{extensions: wide(n, false)} }),
		shaped("many critical extensions", func(n int) acShape { return acShape{extensions: wide(n, true)} }),
		extension("many generic attributes", idTags, false, func(n int) []byte {
			return el(0x30, el(0x30, el(0x30, append(el(0x30, el(0x86, []byte("x"))), el(0x30, times(n, el(0x30, []byte{4, 0, 4, 0, 4, 0})))...))))
		}),
		extension("many grantors", idTags, false, func(n int) []byte { return el(0x30, el(0x30, times(n, el(0x30, []byte{0x30, 0, 0x30, 0})))) }),
		extension("many targets", idTarget, true, func(n int) []byte { return el(0x30, el(0x30, times(n, el(0xa0, el(0x86, []byte("a")))))) }),
		extension("many lists of targets", idTarget, true, func(n int) []byte { return el(0x30, times(n, []byte{0x30, 0})) }),
		extension("many certificates", idCerts, false, func(n int) []byte { return el(0x30, el(0x30, times(n, cert))) }),
		extension("a large certificate", idCerts, false, func(n int) []byte {
			return el(0x30, el(0x30, bound.Certificate(1, bound.Name("CA"), bound.Name("CA", "voms"), wide(n, false))))
		}),
		extension("deep certificates", idCerts, false, func(n int) []byte { return bound.Deep(0x30, n) }),
		bound.Input{Name: "deep", Make: func(n int) []byte { return bound.Deep(0x30, n) }},
		bound.Repeat("no DER", "", "x", ""),
	)
}

// TestFromCertificateBounds reads extensions of certificates.
func TestFromCertificateBounds(t *testing.T) {
	el := bound.DER
	one := acShape{}.bytes()
	carrying := func(name string, value func(n int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			return bound.Certificate(1, bound.Name("Jane"), bound.Name("Jane", "1"), bound.Extension(idACs, false, value(n-300)))
		}}
	}
	bound.Linear(t, 12<<10, 48, func(data []byte) {
		cert, err := x509.ParseCertificate(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attrcert.FromChain([]*x509.Certificate{cert, cert}); err != nil {
			return
		}
	},
		carrying("many ACs", func(n int) []byte { return el(0x30, el(0x30, bytes.Repeat(one, n/len(one)))) }),
		carrying("many empty lists", func(n int) []byte { return el(0x30, bytes.Repeat([]byte{0x30, 0}, n/2)) }),
		carrying("many empty ACs", func(n int) []byte { return el(0x30, el(0x30, bytes.Repeat([]byte{0x30, 0}, n/2))) }),
		carrying("deep", func(n int) []byte { return bound.Deep(0x30, n) }),
		carrying("no DER", func(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }),
	)
}

// TestFQANBounds reads text that may come from a configuration or a server.
func TestFQANBounds(t *testing.T) {
	bound.Linear(t, 4<<10, 16, func(data []byte) {
		attrcert.Normalize(string(data))
		for s := data; len(s) > 0; s = s[min(len(s), 1000):] {
			if f, err := attrcert.ParseFQAN(string(s[:min(len(s), 1000)])); err == nil {
				_ = f.String()
			}
		}
	},
		bound.Repeat("many groups", "", "/aaa", ""),
		bound.Repeat("slashes", "", "/", ""),
		bound.Repeat("roles", "/a", "/Role=a", ""),
		bound.Repeat("long", "/", "a", ""),
	)
}
