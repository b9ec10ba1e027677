package dn_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

// certificateOf is a self-signed certificate with a CN of that type, and extensions.
func certificateOf(t testing.TB, tag byte, value string, extensions ...pkix.Extension) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	attribute := bound.DER(0x30, append([]byte{6, 3, 0x55, 4, 3}, bound.DER(tag, []byte(value))...))
	template := &x509.Certificate{RawSubject: bound.DER(0x30, bound.DER(0x31, attribute)), SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: extensions}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestParseCertificate reads names that crypto/x509 refuses, and wants nothing changed that is signed.
func TestParseCertificate(t *testing.T) {
	relative := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 31},
		Value: bound.DER(0x30, bound.DER(0x30, bound.DER(0xa0, bound.DER(0xa1, bound.DER(0x30, append([]byte{6, 3, 0x55, 4, 3}, 12, 1, 'x'))))))}
	for _, c := range []struct {
		name       string
		tag        byte
		value      string
		extensions []pkix.Extension
		refused    bool // by crypto/x509
		want       string
	}{
		{"usual", 12, "Jane", nil, false, "/CN=Jane"},
		{"underscore", 19, "Jane_Doe", nil, true, "/CN=Jane_Doe"},
		{"asterisk, which crypto/x509 lets pass", 19, "*.example.org", nil, false, "/CN=*.example.org"},
		{"address", 19, "jane@example.org", nil, true, "/CN=jane@example.org"},
		{"Latin letters", 22, "Zo\xeb", nil, true, `/CN=Zo\xEB`},
		{"letters for numbers", 18, "a1", nil, true, "/CN=a1"},
		{"UniversalString", 28, "\x00\x00\x00J", nil, true, `/CN=\x00\x00\x00J`},
		{"a relative point", 12, "Jane", []pkix.Extension{relative}, true, "/CN=Jane"},
		{"both", 19, "Jane_Doe", []pkix.Extension{relative}, true, "/CN=Jane_Doe"},
	} {
		der := certificateOf(t, c.tag, c.value, c.extensions...)
		if _, err := x509.ParseCertificate(der); (err != nil) != c.refused {
			t.Errorf("%s: crypto/x509 says %v", c.name, err)
		}
		given := bytes.Clone(der)
		cert, err := dn.ParseCertificate(der)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := dn.MustFromDER(cert.RawSubject).String(); got != c.want || !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			t.Errorf("%s: it is %s, want %s", c.name, got, c.want)
		}
		if !bytes.Equal(given, der) || !bytes.Equal(cert.Raw, der) || !bytes.Contains(der, cert.RawTBSCertificate) || !bytes.Contains(der, cert.RawSubject) {
			t.Errorf("%s: octets were changed", c.name)
		}
		if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for i, e := range c.extensions {
			if got := cert.Extensions[len(cert.Extensions)-len(c.extensions)+i]; !got.Id.Equal(e.Id) || !bytes.Equal(got.Value, e.Value) {
				t.Errorf("%s: the extension is %v", c.name, got)
			}
		}
	}
}

// TestParseCertificateRefuses wants crypto/x509's own word on what neither of them reads.
func TestParseCertificateRefuses(t *testing.T) {
	for name, der := range map[string][]byte{
		"nothing": nil, "no DER": []byte("x"), "invalid UTF-8": certificateOf(t, 12, "\xff"), "VisibleString": certificateOf(t, 26, "Jane"),
		"cut off": certificateOf(t, 19, "Jane_Doe")[:200], "more": append(certificateOf(t, 19, "Jane_Doe"), 0),
	} {
		_, want := x509.ParseCertificate(der)
		if cert, err := dn.ParseCertificate(der); err == nil || want == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, %v; crypto/x509 says %v", name, cert, err, want)
		}
	}
}

// FuzzParseCertificate wants every certificate that crypto/x509 reads read the same, and no octet of any other changed.
func FuzzParseCertificate(f *testing.F) {
	f.Add(certificateOf(f, 12, "Jane"))
	f.Add(certificateOf(f, 19, "Jane_Doe"))
	f.Add(certificateOf(f, 28, "\x00\x00\x00J"))
	f.Fuzz(func(t *testing.T, der []byte) {
		given := bytes.Clone(der)
		cert, err := dn.ParseCertificate(der)
		if !bytes.Equal(der, given) {
			t.Fatal("what was given is changed")
		}
		plain, plainErr := x509.ParseCertificate(der)
		switch {
		case plainErr == nil && (err != nil || !cert.Equal(plain)):
			t.Errorf("crypto/x509 reads it: %v", err)
		case err != nil:
		case !bytes.Equal(cert.Raw, der) || !bytes.Contains(der, cert.RawSubject) || !bytes.Contains(der, cert.RawTBSCertificate):
			t.Error("its parts are not those of the certificate")
		}
	})
}
