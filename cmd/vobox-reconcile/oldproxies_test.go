package main

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// oldProxy is the login proxy as Globus Toolkit 2 or 3 would have made it, as voms-proxy-init -old and -proxyver 3 still do:
// with the same attributes, signed by the user.
func (b *box) oldProxy(cn string, extensions ...pkix.Extension) *proxycert.Credential {
	b.t.Helper()
	user, login := b.User.Chain[0], b.Login.Chain[0]
	for _, e := range login.Extensions {
		if e.Id.String() == "1.3.6.1.4.1.8005.100.100.5" {
			extensions = append(extensions, e)
		}
	}
	var subject pkix.RDNSequence
	if _, err := asn1.Unmarshal(user.RawSubject, &subject); err != nil {
		b.t.Fatal(err)
	}
	subject = append(subject, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: cn}})
	raw, err := asn1.Marshal(subject)
	if err != nil {
		b.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{RawSubject: raw, SerialNumber: big.NewInt(7), NotBefore: login.NotBefore,
		NotAfter: login.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtraExtensions: extensions}, user, login.PublicKey, b.User.Key)
	if err != nil {
		b.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		b.t.Fatal(err)
	}
	return &proxycert.Credential{Chain: append([]*x509.Certificate{cert}, b.User.Chain...), Key: b.Login.Key}
}

// A login proxy of a form that modern services refuse is not registered, although it verifies: who made it is told how to make
// another one.
func TestRegisterRefusesOldForms(t *testing.T) {
	b := freshBox(t, gridtest.SiteOptions{})
	draft, err := (&proxycert.CertInfo{Language: proxycert.LanguageInheritAll}).DraftExtension()
	if err != nil {
		t.Fatal(err)
	}
	for form, old := range map[string]*proxycert.Credential{"legacy": b.oldProxy("proxy"), "draft": b.oldProxy("1234567", draft)} {
		t.Run(form, func(t *testing.T) {
			if err := gridtest.WriteProxy(old, b.LoginProxy); err != nil {
				t.Fatal(err)
			}
			if r := b.must(0, "inspect", b.LoginProxy); !strings.Contains(r.stdout, "/alice/Role=lcgadmin") {
				t.Fatalf("it is not what it should be:\n%s", r.stdout)
			}
			before := snapshot(t, b.Root)
			r := b.must(1, "register")
			for _, want := range []string{"is a " + form + " proxy, which modern services refuse", "LCG-UI> export GT_PROXY_MODE=rfc", "voms-proxy-init --rfc"} {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("it does not say %q:\n%s", want, r.stderr)
				}
			}
			unchanged(t, "a refusal", before, snapshot(t, b.Root))
			if n := len(b.MyProxy.Requests()); n != 0 {
				t.Errorf("the MyProxy server was asked %d times", n)
			}
		})
	}
}
