package dn_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

var testKey = sync.OnceValue(func() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// A value is an attribute of any string type.
type value struct {
	oid  asn1.ObjectIdentifier
	tag  int
	data string
}

// encode writes a name of any values, one slice for each RDN, without sorting or checking anything.
func encode(rdns ...[]value) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range rdns {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, v := range rdn {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(v.oid)
						b.AddASN1(cbasn1.Tag(v.tag), func(b *cryptobyte.Builder) { b.AddBytes([]byte(v.data)) })
					})
				}
			})
		}
	})
	return b.BytesOrPanic()
}

var (
	cn    = asn1.ObjectIdentifier{2, 5, 4, 3}
	uid   = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	dc    = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	email = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	other = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}
)

const (
	utf8Tag      = 12
	numericTag   = 18
	printableTag = 19
	t61Tag       = 20
	ia5Tag       = 22
	visibleTag   = 26
	universalTag = 28
	bmpTag       = 30
)

// encodings are names as CAs write them and as nobody should, as far as OpenSSL reads them (it knows neither
// VisibleString nor GeneralString in names).
var encodings = map[string][]byte{
	"ordinary":          encode([]value{{dc, ia5Tag, "ch"}}, []value{{dc, ia5Tag, "cern"}}, []value{{cn, printableTag, "Jane Doe"}}),
	"slash and plus":    encode([]value{{cn, printableTag, "host/foo.example.org"}}, []value{{cn, utf8Tag, "a+b"}}),
	"multi-valued":      encode([]value{{cn, printableTag, "x"}, {uid, utf8Tag, "joe"}}),
	"unsorted":          encode([]value{{email, ia5Tag, "joe@example.org"}, {cn, printableTag, "x"}}),
	"utf-8":             encode([]value{{cn, utf8Tag, "André Müller"}}),
	"latin-1":           encode([]value{{cn, t61Tag, "Andr\xe9 M\xfcller"}}),
	"bmp":               encode([]value{{cn, bmpTag, "\x00A\x00n\x00d\x00r\x00\xe9"}}),
	"universal":         encode([]value{{cn, universalTag, "\x00\x00\x00A\x00\x00\x00\xe9"}}),
	"numeric":           encode([]value{{other, numericTag, "12 34"}}, []value{{cn, numericTag, "12 34"}}),
	"upper and spaces":  encode([]value{{cn, printableTag, "  JANE \t  Doe  "}}, []value{{cn, utf8Tag, "ÄÖ  X"}}),
	"specials":          encode([]value{{cn, utf8Tag, `#a,b"c\d<e>f;g=h `}}, []value{{cn, utf8Tag, " x"}}),
	"control":           encode([]value{{cn, utf8Tag, "a\x01b\nc\x7f"}}),
	"no short name":     encode([]value{{other, utf8Tag, "x"}}),
	"email and serial":  encode([]value{{email, ia5Tag, "a@b"}}, []value{{asn1.ObjectIdentifier{2, 5, 4, 5}, printableTag, "12"}}, []value{{asn1.ObjectIdentifier{2, 5, 4, 4}, printableTag, "Doe"}}),
	"empty value":       encode([]value{{cn, printableTag, ""}}),
	"nothing but blank": encode([]value{{cn, printableTag, "   "}}),
	"empty":             encode(),
}

// certificate signs one with that subject. The issuer is ordinary, so that a strange subject is no matter to crypto/x509.
func certificate(t testing.TB, subject []byte) []byte {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: subject, NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	issuer := &x509.Certificate{RawSubject: encodings["ordinary"]}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, testKey().Public(), testKey())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestOpenSSL compares each printed form and both hashes with what openssl says of the same bytes.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	version, err := exec.Command(openssl, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, der []byte, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, append([]string{"x509", "-noout"}, args...)...)
		cmd.Stdin = bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("openssl x509 %q: %v: %s", args, err, out)
		}
		return strings.TrimSuffix(string(out), "\n")
	}
	for name, der := range encodings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := dn.FromDER(der)
			if err != nil {
				t.Fatal(err)
			}
			cert := certificate(t, der)
			// "compat" is X509_NAME_oneline.
			said := strings.Split(run(t, cert, "-subject_hash", "-subject_hash_old", "-subject", "-nameopt", "compat"), "\n")
			if len(said) != 3 {
				t.Fatalf("openssl says %q", said)
			}
			if got := fmt.Sprintf("%08x", n.Hash()); got != said[0] {
				t.Errorf("Hash = %s, openssl says %s", got, said[0])
			}
			if got := fmt.Sprintf("%08x", n.OldHash()); got != said[1] {
				t.Errorf("OldHash = %s, openssl says %s", got, said[1])
			}
			if want := strings.TrimPrefix(run(t, cert, "-subject", "-nameopt", "RFC2253"), "subject="); n.RFC2253() != want {
				t.Errorf("RFC2253 = %q, openssl says %q", n.RFC2253(), want)
			}
			want := strings.TrimPrefix(said[2], "subject=")
			got := n.Legacy()
			if strings.HasPrefix(string(version), "OpenSSL 3") {
				got = n.String()
			}
			if got != want {
				t.Errorf("slash form %q, openssl says %q", got, want)
			}
		})
	}
}
