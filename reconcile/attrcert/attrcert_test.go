package attrcert_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// name builds a DN of DC, OU and CN parts, which pkix.Name cannot.
func name(t testing.TB, cn string) []byte {
	t.Helper()
	dc := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	ia5 := func(s string) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(s)} }
	der, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: dc, Value: ia5("org")}}, {{Type: dc, Value: ia5("gridtest")}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cn}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certificate(t testing.TB, cn string, serial int64, pub crypto.PublicKey, extensions ...pkix.Extension) *x509.Certificate {
	t.Helper()
	ca := ecKey(t, elliptic.P256())
	template := &x509.Certificate{
		RawSubject: name(t, cn), SerialNumber: big.NewInt(serial), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtraExtensions: extensions,
	}
	issuer := &x509.Certificate{RawSubject: name(t, "Test CA")}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, pub, ca)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func template() attrcert.Template {
	return attrcert.Template{
		VO: "alice", Host: "voms.example.org", Port: 15000,
		FQANs:      []string{"/alice/Role=lcgadmin/Capability=NULL", "/alice/Role=NULL/Capability=NULL"},
		Attributes: []attrcert.Attribute{{Name: "nickname", Value: "jdoe", Qualifier: "alice"}, {Name: "é", Value: "", Qualifier: ""}},
		NotBefore:  now, NotAfter: now.Add(24 * time.Hour),
	}
}

func TestIssueParse(t *testing.T) {
	keys := map[x509.SignatureAlgorithm]crypto.Signer{
		x509.SHA256WithRSA: rsaKey(), x509.ECDSAWithSHA256: ecKey(t, elliptic.P256()), x509.ECDSAWithSHA384: ecKey(t, elliptic.P384()),
	}
	holder := certificate(t, "Jane Doe", 4711, ecKey(t, elliptic.P256()).Public())
	for alg, key := range keys {
		signer := certificate(t, "voms.example.org", 7, key.Public())
		extra := certificate(t, "sub CA", 8, rsaKey().Public())
		for _, byIssuer := range []bool{false, true} {
			want := template()
			want.IssuerHolder = byIssuer
			if byIssuer {
				want.Targets = []string{"vobox.example.org", "ce.example.org"}
				want.Attributes = nil
			}
			der, err := attrcert.Issue(want, holder, []*x509.Certificate{signer, extra}, key)
			if err != nil {
				t.Fatalf("%v: Issue: %v", alg, err)
			}
			ac, err := attrcert.Parse(der)
			if err != nil {
				t.Fatalf("%v: Parse: %v", alg, err)
			}
			checkAC(t, ac, want)
			if !bytes.Equal(ac.Raw, der) || !bytes.Contains(der, ac.RawInfo) {
				t.Errorf("%v: Raw or RawInfo are not the bytes given", alg)
			}
			if len(ac.Certificates) != 2 || !ac.Certificates[0].Equal(signer) || !ac.Certificates[1].Equal(extra) {
				t.Errorf("%v: got %d certificates, want the signer and another", alg, len(ac.Certificates))
			}
			if ac.SignatureAlgorithm != alg {
				t.Errorf("signature algorithm is %v, want %v", ac.SignatureAlgorithm, alg)
			}
			if err := ac.CheckSignature(signer); err != nil {
				t.Errorf("%v: CheckSignature: %v", alg, err)
			}
			if err := ac.CheckSignature(holder); err == nil {
				t.Errorf("%v: CheckSignature takes another key", alg)
			}
			if !ac.Issuer.Equal(dn.MustFromDER(signer.RawSubject)) || !ac.HeldBy(holder) || ac.HeldBy(signer) {
				t.Errorf("%v: issuer %s, holder %s are not the ones given", alg, ac.Issuer, ac.HolderName)
			}
		}
	}
}

func checkAC(t *testing.T, ac *attrcert.AC, want attrcert.Template) {
	t.Helper()
	if ac.PolicyAuthority != "alice://voms.example.org:15000" || ac.VO != want.VO || ac.Host != want.Host || ac.Port != want.Port {
		t.Errorf("policy authority %q gives %q, %q, %d", ac.PolicyAuthority, ac.VO, ac.Host, ac.Port)
	}
	if !reflect.DeepEqual(ac.RawFQANs, want.FQANs) || !reflect.DeepEqual(ac.FQANs, []string{"/alice/Role=lcgadmin", "/alice"}) {
		t.Errorf("FQANs are %q, %q", ac.RawFQANs, ac.FQANs)
	}
	if !reflect.DeepEqual(ac.Attributes, want.Attributes) || !reflect.DeepEqual(ac.Targets, want.Targets) {
		t.Errorf("attributes %+v, targets %q; want %+v, %q", ac.Attributes, ac.Targets, want.Attributes, want.Targets)
	}
	if !ac.NotBefore.Equal(want.NotBefore) || !ac.NotAfter.Equal(want.NotAfter) {
		t.Errorf("valid from %v to %v, want %v to %v", ac.NotBefore, ac.NotAfter, want.NotBefore, want.NotAfter)
	}
	if !ac.NoRevAvail || len(ac.UnhandledCritical) != 0 || ac.SerialNumber.Sign() <= 0 || ac.SerialNumber.BitLen() > 128 {
		t.Errorf("noRevAvail %v, critical %v, serial %x", ac.NoRevAvail, ac.UnhandledCritical, ac.SerialNumber)
	}
	bits := spkiBits(t, ac.Certificates[0])
	if sum := sha1.Sum(bits); !bytes.Equal(ac.AuthorityKeyID, sum[:]) {
		t.Errorf("authority key identifier is %x, want %x", ac.AuthorityKeyID, sum)
	}
}

func spkiBits(t *testing.T, cert *x509.Certificate) []byte {
	t.Helper()
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Bits      asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
		t.Fatal(err)
	}
	return spki.Bits.Bytes
}

func issue(t testing.TB, change func(*attrcert.Template)) []byte {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	tmpl := template()
	if change != nil {
		change(&tmpl)
	}
	der, err := attrcert.Issue(tmpl, certificate(t, "Jane Doe", 1, key.Public()), []*x509.Certificate{certificate(t, "voms", 2, key.Public())}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestIssueRefuses(t *testing.T) {
	key, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	cert := certificate(t, "voms", 2, key.Public())
	if _, err := attrcert.Issue(template(), cert, []*x509.Certificate{cert}, other); err == nil {
		t.Error("Issue takes a key that is not the signer's")
	}
	if _, err := attrcert.Issue(template(), cert, nil, key); err == nil {
		t.Error("Issue takes an empty chain")
	}
	if _, err := attrcert.Issue(template(), nil, []*x509.Certificate{cert}, key); err == nil {
		t.Error("Issue takes no holder")
	}
}

func TestExtension(t *testing.T) {
	one, two := issue(t, nil), issue(t, func(tm *attrcert.Template) { tm.VO, tm.FQANs = "dteam", []string{"/dteam"} })
	key := ecKey(t, elliptic.P256())
	plain := certificate(t, "plain", 1, key.Public())
	ext := attrcert.Extension(one, two)
	if ext.Critical || ext.Id.String() != "1.3.6.1.4.1.8005.100.100.5" {
		t.Errorf("extension %v is critical %v", ext.Id, ext.Critical)
	}
	with := certificate(t, "with", 2, key.Public(), ext)
	last := certificate(t, "last", 3, key.Public(), attrcert.Extension(one))
	acs, err := attrcert.FromCertificate(with)
	if err != nil || len(acs) != 2 || acs[0].VO != "alice" || acs[1].VO != "dteam" || !bytes.Equal(acs[1].Raw, two) {
		t.Errorf("FromCertificate gives %d ACs, %v", len(acs), err)
	}
	if acs, err := attrcert.FromCertificate(plain); len(acs) != 0 || err != nil {
		t.Errorf("FromCertificate of a plain certificate gives %v, %v", acs, err)
	}
	if acs, err := attrcert.FromChain([]*x509.Certificate{plain, last, with}); err != nil || len(acs) != 1 || acs[0].VO != "alice" {
		t.Errorf("FromChain gives %d ACs, %v; want the one next to the leaf", len(acs), err)
	}
	if acs, err := attrcert.FromChain([]*x509.Certificate{plain, plain}); len(acs) != 0 || err != nil {
		t.Errorf("FromChain without any gives %v, %v", acs, err)
	}
}

func TestExtensionRefuses(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	ac := issue(t, nil)
	good := attrcert.Extension(ac)
	for what, value := range map[string][]byte{
		"nothing":         {},
		"trailing bytes":  append(bytes.Clone(good.Value), 0),
		"truncated":       good.Value[:len(good.Value)-1],
		"one layer":       ac,
		"garbage in list": attrcert.Extension([]byte{0x30, 0x03, 1, 2, 3}).Value,
		"too large":       attrcert.Extension(bytes.Repeat(ac, 1+(256<<10)/len(ac))).Value,
		"too many":        attrcert.Extension(bytes.Repeat(ac, 101)).Value,
	} {
		ext := good
		ext.Value = value
		if acs, err := attrcert.FromCertificate(certificate(t, "x", 1, key.Public(), ext)); err == nil {
			t.Errorf("%s: %d ACs, want an error", what, len(acs))
		}
	}
	_, err := attrcert.FromCertificate(certificate(t, "x", 1, key.Public(), attrcert.Extension()))
	if !errors.Is(err, attrcert.ErrNoAC) {
		t.Errorf("an extension without ACs gives %v, want ErrNoAC", err)
	}
}

// TestParseRefuses changes one thing in a good AC by replacing bytes of the same length, or as a whole.
func TestParseRefuses(t *testing.T) {
	der := issue(t, func(tm *attrcert.Template) { tm.Targets = []string{"vobox.example.org"} })
	if _, err := attrcert.Parse(der); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ what, old, new, want string }{
		{"policy authority without port", "alice://voms.example.org:15000", "alice://voms.example.org.15000", "policy authority"},
		{"policy authority with a path", "alice://voms.example.org:15000", "alice://../example.org..:15000", "policy authority"},
		{"VO with a path", "alice://voms.example.org:15000", "../ce://voms.example.org:15000", "policy authority"},
		{"hidden VO", "alice://voms.example.org:15000", ".lice://voms.example.org:15000", "policy authority"},
		{"port zero", "alice://voms.example.org:15000", "alice://voms.example.org:00000", "policy authority"},
		{"port too large", "alice://voms.example.org:15000", "alice://voms.example.org:65536", "policy authority"},
		{"control character in an FQAN", "/alice/Role=lcgadmin/", "/alice/Role=lcga\nmin/", "malformed FQAN number 1"},
		{"local time", "20261122120000Z", "20261122120000z", "validity"},
		{"month 13", "20261122120000Z", "20261322120000Z", "validity"},
		{"fraction", "20261122120000Z", "202611221200.0Z", "validity"},
		{"target with a control character", "\x86\x11vobox.example.org", "\x86\x11vobox\x00example.org", "targets"},
		{"explicit FALSE", "\x55\x1d\x37\x01\x01\xff", "\x55\x1d\x37\x01\x01\x00", "critical flag"},
		{"BOOLEAN that is not DER", "\x55\x1d\x37\x01\x01\xff", "\x55\x1d\x37\x01\x01\x01", "critical flag"},
		{"noRevAvail with content", "\x55\x1d\x38\x04\x02\x05\x00", "\x55\x1d\x38\x04\x02\x05\x01", "noRevAvail"},
		{"extension twice", "\x06\x03\x55\x1d\x38", "\x06\x03\x55\x1d\x23", "authorityKeyIdentifier"},
	}
	for _, tt := range tests {
		bad := bytes.Replace(der, []byte(tt.old), []byte(tt.new), 1)
		if len(tt.old) != len(tt.new) || bytes.Equal(bad, der) {
			t.Fatalf("%s: the case does not change the AC", tt.what)
		}
		if _, err := attrcert.Parse(bad); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want %q in it", tt.what, err, tt.want)
		}
	}
	for what, bad := range map[string][]byte{
		"nothing": nil, "trailing byte": append(bytes.Clone(der), 0), "truncated": der[:len(der)-1], "a": []byte("A"),
		"long form of a short length": append([]byte{0x30, 0x84, 0, 0, byte(len(der) >> 8), byte(len(der))}, der[4:]...),
		"too large":                   make([]byte, 300<<10),
	} {
		if _, err := attrcert.Parse(bad); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestHeldBy(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	signer := certificate(t, "voms", 9, key.Public())
	jane := certificate(t, "Jane Doe", 1, key.Public())
	der, err := attrcert.Issue(template(), jane, []*x509.Certificate{signer}, key)
	if err != nil {
		t.Fatal(err)
	}
	ac, err := attrcert.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		cert *x509.Certificate
		want bool
	}{
		{"herself", jane, true},
		{"re-issued with the same serial", certificate(t, "Jane Doe", 1, key.Public()), true},
		{"another serial", certificate(t, "Jane Doe", 2, key.Public()), false},
		{"another name", certificate(t, "John Doe", 1, key.Public()), false},
		{"case and space, as names compare", certificate(t, "jane  doe", 1, key.Public()), true},
		{"nobody", nil, false},
	} {
		if got := ac.HeldBy(tt.cert); got != tt.want {
			t.Errorf("held by %s: %v, want %v", tt.what, got, tt.want)
		}
	}
}

// TestParseReal reads what the C++ VOMS library wrote; see testdata.
func TestParseReal(t *testing.T) {
	for file, holder := range map[string]string{
		"voms-2.1.ac":           "/DC=org/DC=gridtest/OU=people/CN=Jane Doe",
		"voms-2.1-newformat.ac": "/DC=org/DC=gridtest/CN=RSA CA",
	} {
		der, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		ac, err := attrcert.Parse(der)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if ac.HolderName.String() != holder || ac.Issuer.String() != "/DC=org/DC=gridtest/OU=computers/CN=voms.example.org" {
			t.Errorf("%s: holder %s, issuer %s", file, ac.HolderName, ac.Issuer)
		}
		if !reflect.DeepEqual(ac.FQANs, []string{"/alice/Role=lcgadmin", "/alice"}) || ac.RawFQANs[1] != "/alice/Role=NULL/Capability=NULL" {
			t.Errorf("%s: FQANs %q", file, ac.RawFQANs)
		}
		if !reflect.DeepEqual(ac.Attributes, []attrcert.Attribute{{Name: "nickname", Value: "jdoe", Qualifier: "alice"}}) {
			t.Errorf("%s: attributes %+v", file, ac.Attributes)
		}
		if ac.VO != "alice" || ac.Host != "voms.example.org" || ac.Port != 15000 || !ac.NoRevAvail || ac.NotAfter.Sub(ac.NotBefore) <= 0 {
			t.Errorf("%s: got %+v", file, ac)
		}
		if len(ac.Certificates) != 1 || ac.CheckSignature(ac.Certificates[0]) != nil || ac.SignatureAlgorithm != x509.SHA256WithRSA {
			t.Errorf("%s: %d certificates, %v", file, len(ac.Certificates), ac.SignatureAlgorithm)
		}
		// The library copies the signer's own identifier, which need not be the hash of its key.
		if !bytes.Equal(ac.AuthorityKeyID, ac.Certificates[0].SubjectKeyId) {
			t.Errorf("%s: authority key identifier is %x", file, ac.AuthorityKeyID)
		}
	}
}
