package proxycert_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func TestNewRequest(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"rsa": rsaKey(), "ec": ecKey()} {
		der, err := proxycert.NewRequest(key)
		if err != nil {
			t.Fatal(err)
		}
		req, err := x509.ParseCertificateRequest(der)
		if err != nil {
			t.Fatal(err)
		}
		if err := req.CheckSignature(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := dn.MustFromDER(req.RawSubject).String(); got != "/CN=NULL SUBJECT NAME ENTRY" {
			t.Errorf("%s: subject %s", name, got)
		}
		if len(req.Extensions) != 1 || !req.Extensions[0].Id.Equal(proxycert.OIDCertInfo) || !req.Extensions[0].Critical ||
			!bytes.Equal(req.Extensions[0].Value, unhex(t, "300c300a06082b06010505071501")) {
			t.Errorf("%s: extensions %+v, want a critical inherit-all ProxyCertInfo", name, req.Extensions)
		}
		// Globus' own request for an RSA 2048 key has this length.
		if name == "rsa" && len(der) != 667 {
			t.Errorf("%d octets, want 667", len(der))
		}
	}
}

func request(t testing.TB, key crypto.Signer, extensions ...pkix.Extension) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "somebody else"}, ExtraExtensions: extensions}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSignRequest(t *testing.T) {
	eec := newEEC(t, ecKey())
	key := newECKey(t)
	ext := func(l asn1.ObjectIdentifier, pathLen *int, draft bool) pkix.Extension {
		return mustExtension(t, proxycert.CertInfo{Language: l, PathLen: pathLen}, draft)
	}
	fresh, err := proxycert.NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		der     []byte
		tmpl    proxycert.Template
		limited bool
		pathLen *int
	}{
		{"our own", fresh, proxycert.Template{}, false, nil},
		{"no ProxyCertInfo", request(t, key), proxycert.Template{}, false, nil},
		{"limited", request(t, key, ext(proxycert.LanguageLimited, nil, false)), proxycert.Template{}, true, nil},
		{"draft limited", request(t, key, ext(proxycert.LanguageLimited, nil, true)), proxycert.Template{}, true, nil},
		{"limited by us", fresh, proxycert.Template{Limited: true}, true, nil},
		{"shorter path", request(t, key, ext(proxycert.LanguageInheritAll, intp(1), false)), proxycert.Template{PathLen: intp(3)}, false, intp(1)},
		{"longer path", request(t, key, ext(proxycert.LanguageInheritAll, intp(5), false)), proxycert.Template{PathLen: intp(3)}, false, intp(3)},
		{"path of 0", request(t, key, ext(proxycert.LanguageInheritAll, intp(0), false)), proxycert.Template{}, false, intp(0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.tmpl.Now, tc.tmpl.Lifetime = now, time.Hour
			cert, err := eec.SignRequest(tc.der, tc.tmpl)
			if err != nil {
				t.Fatal(err)
			}
			if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(cert.PublicKey) {
				t.Error("another key was signed")
			}
			if err := proxycert.CheckSubject(cert); err != nil {
				t.Error(err)
			}
			info, err := proxycert.Classify(cert)
			if err != nil || info.Type != proxycert.RFC || info.Limited != tc.limited {
				t.Fatalf("Classify = %+v, %v", info, err)
			}
			switch got := info.CertInfo.PathLen; {
			case (got == nil) != (tc.pathLen == nil):
				t.Errorf("path length %v, want %v", got, tc.pathLen)
			case got != nil && *got != *tc.pathLen:
				t.Errorf("path length %d, want %d", *got, *tc.pathLen)
			}
		})
	}
}

func TestSignRequestRefuses(t *testing.T) {
	eec := newEEC(t, ecKey())
	key := newECKey(t)
	fresh, err := proxycert.NewRequest(key)
	if err != nil {
		t.Fatal(err)
	}
	// The signature is the last thing in it.
	forged := bytes.Clone(fresh)
	forged[len(forged)-1] ^= 1
	independent := mustExtension(t, proxycert.CertInfo{Language: proxycert.LanguageIndependent}, false)
	limited := mustExtension(t, proxycert.CertInfo{Language: proxycert.LanguageLimited}, false)
	draft := mustExtension(t, proxycert.CertInfo{Language: proxycert.LanguageLimited}, true)
	broken := pkix.Extension{Id: proxycert.OIDCertInfo, Value: []byte{0x30, 0}}
	for name, tc := range map[string]struct {
		der  []byte
		want string
	}{
		"nothing":              {nil, "reading a request"},
		"garbage":              {[]byte("hello"), "reading a request"},
		"cut off":              {fresh[:len(fresh)-1], "reading a request"},
		"octets after it":      {append(bytes.Clone(fresh), 0), "reading a request"},
		"huge":                 {make([]byte, 1<<20), "more than 65536"},
		"forged":               {forged, "its own signature"},
		"independent":          {request(t, key, independent), "only inherit-all and limited"},
		"two ProxyCertInfos":   {request(t, key, limited, draft), "two of them"},
		"broken ProxyCertInfo": {request(t, key, broken), "malformed policy"},
	} {
		if _, err := eec.SignRequest(tc.der, proxycert.Template{Now: now}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one about %q", name, err, tc.want)
		}
	}
}

func FuzzSignRequest(f *testing.F) {
	eec := newEEC(f, ecKey())
	key := newECKey(f)
	der, err := proxycert.NewRequest(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(request(f, key, mustExtension(f, proxycert.CertInfo{Language: proxycert.LanguageLimited, PathLen: intp(0)}, false)))
	f.Add(request(f, key, mustExtension(f, proxycert.CertInfo{Language: proxycert.LanguageLimited}, true)))
	// Whatever is asked for, what is signed is a proxy of ours and nothing more.
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := eec.SignRequest(der, proxycert.Template{Now: now, Lifetime: time.Hour})
		if err != nil {
			return
		}
		info, err := proxycert.Classify(cert)
		if err != nil || info.Type != proxycert.RFC || proxycert.CheckSubject(cert) != nil || !cert.NotAfter.Equal(now.Add(time.Hour)) {
			t.Errorf("signed %+v, %v", info, err)
		}
	})
}
