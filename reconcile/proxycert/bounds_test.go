package proxycert_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strconv"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const (
	idCertInfo      = "\x2b\x06\x01\x05\x05\x07\x01\x0e"
	idDraftCertInfo = "\x2b\x06\x01\x04\x01\x9b\x50\x01\x81\x5e"
)

// TestCertInfoBounds reads ProxyCertInfo in both layouts.
func TestCertInfoBounds(t *testing.T) {
	el := bound.DER
	language := []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 21, 0}
	bound.Linear(t, 8<<10, 24, func(data []byte) {
		if ci, err := proxycert.ParseCertInfo(data); err == nil {
			ci.Limited()
		}
		if ci, err := proxycert.ParseDraftCertInfo(data); err == nil {
			ci.Limited()
		}
	},
		bound.Input{Name: "a long policy", Make: func(n int) []byte {
			return el(0x30, el(0x30, append(bytes.Clone(language), el(4, make([]byte, n))...)))
		}},
		bound.Input{Name: "a long language", Make: func(n int) []byte { return el(0x30, el(0x30, el(6, bytes.Repeat([]byte{0x2a}, n)))) }},
		bound.Input{Name: "a long path length", Make: func(n int) []byte { return el(0x30, el(2, append([]byte{1}, make([]byte, n)...))) }},
		bound.Input{Name: "a long path length of a draft", Make: func(n int) []byte {
			return el(0x30, append(el(0x30, language), el(0xa1, el(2, append([]byte{1}, make([]byte, n)...)))...))
		}},
		bound.Input{Name: "deep", Make: func(n int) []byte { return bound.Deep(0x30, n) }},
		bound.Input{Name: "many empty elements", Make: func(n int) []byte { return el(0x30, bytes.Repeat([]byte{0x30, 0}, n/2)) }},
	)
}

// TestClassifyBounds looks at certificates as large as files may be.
func TestClassifyBounds(t *testing.T) {
	jane, below := bound.Name("Jane"), bound.Name("Jane", "1")
	with := func(name string, subject func(n int) []byte, extensions func(n int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			s, e := below, []byte(nil)
			if subject != nil {
				s = subject(n - 300)
			}
			if extensions != nil {
				e = extensions(n - 300)
			}
			return bound.Certificate(1, jane, s, e)
		}}
	}
	bound.Linear(t, 8<<10, 96, func(data []byte) {
		cert, err := x509.ParseCertificate(data)
		if err != nil {
			t.Fatal(err)
		}
		proxycert.Classify(cert)
		if err := proxycert.CheckSubject(cert); err != nil {
			_ = err.Error()
		}
		proxycert.KeyOf(cert)
		proxycert.Own([]*x509.Certificate{cert, cert})
	},
		with("many extensions", nil, func(n int) []byte {
			var out []byte
			for i := 0; len(out) < n; i++ {
				out = append(out, bound.Extension(string([]byte{0x2a, 3, 0x81 + byte(i>>14), 0x80 | byte(i>>7&0x7f), byte(i & 0x7f)}), true, nil)...)
			}
			return out
		}),
		with("a large ProxyCertInfo", nil, func(n int) []byte { return bound.Extension(idCertInfo, true, make([]byte, n)) }),
		with("a large draft", nil, func(n int) []byte { return bound.Extension(idDraftCertInfo, true, bound.Deep(0x30, n)) }),
		with("a long name", func(n int) []byte { return bound.Name(string(bytes.Repeat([]byte("a"), n))) }, nil),
		with("a name of many parts", func(n int) []byte { return bound.Name(make([]string, n/11)...) }, nil),
	)
}

// certificates makes n bytes of certificates, of which one gets its number.
func certificates(name string, one func(i, of int) []byte) bound.Input {
	return bound.Input{Name: name, Make: func(n int) []byte {
		var out []byte
		of := n / len(one(0, 100))
		for i := range of {
			out = append(out, one(i, of)...)
		}
		return out
	}}
}

// TestSortBounds sorts files full of certificates that lead astray. Reading them is measured as well: it costs the most.
func TestSortBounds(t *testing.T) {
	jane, ca := bound.Name("Jane"), bound.Name("CA")
	number := func(i int) string { return strconv.Itoa(1000 + i) }
	bound.Linear(t, 24<<10, 64, func(data []byte) {
		certs, err := x509.ParseCertificates(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proxycert.SortChain(certs, nil); err != nil {
			_ = err.Error()
		}
		if _, err := proxycert.SortChain(certs, certs[0].PublicKey); err != nil {
			_ = err.Error()
		}
	},
		certificates("of one name", func(i, _ int) []byte { return bound.Certificate(uint32(i), ca, jane, nil) }),
		certificates("the same over and over", func(int, int) []byte { return bound.Certificate(1, ca, jane, nil) }),
		certificates("that issued themselves", func(i, _ int) []byte { return bound.Certificate(uint32(i), jane, jane, nil) }),
		certificates("each issued by the next", func(i, of int) []byte {
			info := bound.Extension(idCertInfo, true, bound.DER(0x30, bound.DER(0x30, []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 21, 1})))
			return bound.Certificate(uint32(i), bound.Name(number((i+1)%of)), bound.Name(number(i)), info)
		}),
		certificates("each with names of its own", func(i, _ int) []byte {
			return bound.Certificate(uint32(i), bound.Name("CA", number(i)), bound.Name("Jane", number(i)), nil)
		}),
	)
}

// TestRequestBounds signs requests that ask for much.
func TestRequestBounds(t *testing.T) {
	el := bound.DER
	c := newEEC(t, ecKey())
	bound.Linear(t, 8<<10, 64, func(data []byte) {
		if _, err := c.SignRequest(data, proxycert.Template{Now: now, Lifetime: 1}); err != nil {
			_ = err.Error()
		}
	},
		bound.Input{Name: "deep", Make: func(n int) []byte { return bound.Deep(0x30, n) }},
		bound.Repeat("no DER", "", "x", ""),
		bound.Input{Name: "a long subject", Make: func(n int) []byte {
			return el(0x30, el(0x30, append([]byte{2, 1, 0}, bound.Name(string(make([]byte, n)))...)))
		}},
		bound.Input{Name: "a large extension, signed as it must be", Make: func(n int) []byte {
			tmpl := &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, n-300)}}}
			der, err := x509.CreateCertificateRequest(rand.Reader, tmpl, ecKey())
			if err != nil {
				t.Fatal(err)
			}
			return der
		}},
	)
}
