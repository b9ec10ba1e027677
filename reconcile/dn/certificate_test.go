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
	"slices"
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
	extension := func(value []byte, id ...int) []pkix.Extension { return []pkix.Extension{{Id: id, Value: value}} }
	null, latin := []byte{5, 0}, bound.DER(0x30, bound.DER(0x81, []byte("zo\xeb@x")))
	twice := bound.DER(0x30, bytes.Repeat(bound.DER(0x30, []byte{6, 2, 0x2a, 3}), 2))
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
		{"BIT STRING", 3, "\x00ab", nil, true, "/CN=ab"},
		{"a policy twice", 12, "Jane", extension(twice, 2, 5, 29, 32), true, "/CN=Jane"},
		{"no policies", 12, "Jane", extension(null, 2, 5, 29, 32), true, "/CN=Jane"},
		{"no access", 12, "Jane", extension(null, 1, 3, 6, 1, 5, 5, 7, 1, 1), true, "/CN=Jane"},
		{"an address in Latin-1", 12, "Jane", extension(latin, 2, 5, 29, 17), true, "/CN=Jane"},
		{"all of it", 19, "Jane_Doe", slices.Concat(extension(null, 2, 5, 29, 32), extension(latin, 2, 5, 29, 17), []pkix.Extension{relative},
			extension(null, 1, 3, 6, 1, 5, 5, 7, 1, 1)), true, "/CN=Jane_Doe"},
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
	names, null := asn1.ObjectIdentifier{2, 5, 29, 17}, []byte{5, 0}
	policies := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: null}
	critical := policies
	critical.Critical = true
	for name, der := range map[string][]byte{
		"critical policies": certificateOf(t, 12, "Jane", critical), "policies twice": certificateOf(t, 12, "Jane", policies, policies),
		"no names": certificateOf(t, 12, "Jane", pkix.Extension{Id: names, Value: null}),
		"an identifier that takes the place of another": certificateOf(t, 12, "Jane", policies, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 126}, Value: null}),
		"nothing": nil, "no DER": []byte("x"), "invalid UTF-8": certificateOf(t, 12, "\xff"), "VisibleString": certificateOf(t, 26, "Jane"),
		"cut off": certificateOf(t, 19, "Jane_Doe")[:200], "more": append(certificateOf(t, 19, "Jane_Doe"), 0),
	} {
		_, want := x509.ParseCertificate(der)
		if cert, err := dn.ParseCertificate(der); err == nil || want == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, %v; crypto/x509 says %v", name, cert, err, want)
		}
	}
}

// TestParseCertificateKeepsNames wants the host names of a certificate whose other extensions cannot be read.
func TestParseCertificateKeepsNames(t *testing.T) {
	names := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: bound.DER(0x30, bound.DER(0x82, []byte("x.example.org")))}
	policies := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: []byte{5, 0}}
	cert, err := dn.ParseCertificate(certificateOf(t, 19, "Jane_Doe", names, policies))
	if err != nil || !slices.Equal(cert.DNSNames, []string{"x.example.org"}) {
		t.Errorf("the names are %q, %v", cert.DNSNames, err)
	}
}

// extensionIDs reads the identifiers of a certificate's extensions as they stand there.
func extensionIDs(t *testing.T, cert *x509.Certificate) (out []string) {
	t.Helper()
	var tbs struct {
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     asn1.RawValue
		Algorithm  asn1.RawValue
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		Key        asn1.RawValue
		IssuerID   asn1.RawValue                   `asn1:"optional,tag:1"`
		SubjectID  asn1.RawValue                   `asn1:"optional,tag:2"`
		Extensions []struct{ Raw asn1.RawContent } `asn1:"omitempty,optional,explicit,tag:3"`
	}
	if _, err := asn1.Unmarshal(cert.RawTBSCertificate, &tbs); err != nil {
		return nil // encoding/asn1 is stricter
	}
	for _, e := range tbs.Extensions {
		var id struct{ ID asn1.ObjectIdentifier }
		if _, err := asn1.Unmarshal(e.Raw, &id); err != nil {
			return nil
		}
		out = append(out, id.ID.String())
	}
	return out
}

// FuzzParseCertificate wants every certificate that crypto/x509 reads read the same, and of any other no octet changed and no
// extension hidden.
func FuzzParseCertificate(f *testing.F) {
	f.Add(certificateOf(f, 12, "Jane"))
	f.Add(certificateOf(f, 19, "Jane_Doe"))
	f.Add(certificateOf(f, 28, "\x00\x00\x00J"))
	for _, id := range [...]asn1.ObjectIdentifier{{2, 5, 29, 32}, {2, 5, 29, 17}, {2, 5, 29, 31}, {1, 3, 6, 1, 5, 5, 7, 1, 1}} {
		f.Add(certificateOf(f, 19, "Jane_Doe", pkix.Extension{Id: id, Value: bound.DER(0x30, bound.DER(0x81, []byte("\xeb")))}))
	}
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
		default:
			var ids []string
			for _, e := range cert.Extensions {
				ids = append(ids, e.Id.String())
			}
			if there := extensionIDs(t, cert); there != nil && len(ids) > 0 && !slices.Equal(ids, there) {
				t.Errorf("its extensions are %q, and it says %q", there, ids)
			}
		}
	})
}
