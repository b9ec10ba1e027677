package proxycert_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func findExtension(cert *x509.Certificate, oid ...int) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(asn1.ObjectIdentifier(oid)) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

func TestSign(t *testing.T) {
	eec := newEEC(t, rsaKey())
	p := delegate(t, eec, otherRSAKey(), proxycert.Template{Lifetime: 12 * time.Hour})
	leaf := p.Leaf()

	if err := eec.Leaf().CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		t.Errorf("signature: %v", err)
	}
	if leaf.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("signature algorithm %v, want SHA256-RSA", leaf.SignatureAlgorithm)
	}
	if !bytes.Equal(leaf.RawIssuer, eec.Leaf().RawSubject) {
		t.Error("the issuer is not the subject of the EEC")
	}
	// The number is Globus': see the doc comment of Sign.
	h := sha1.Sum(leaf.RawSubjectPublicKeyInfo)
	want := fmt.Sprint(uint32(h[0]) | uint32(h[1])<<8 | uint32(h[2])<<16 | uint32(h[3]>>1)<<24)
	subject := dn.MustFromDER(leaf.RawSubject)
	if got := subject.String(); got != janeDN+"/CN="+want {
		t.Errorf("subject %s, want …/CN=%s", got, want)
	}
	if got := leaf.SerialNumber.String(); got != want {
		t.Errorf("serial %s, want %s", got, want)
	}
	if got := subject.RDNs()[4][0].Tag; got != asn1.TagPrintableString {
		t.Errorf("the CN has tag %d, want PrintableString", got)
	}
	if got := leaf.NotBefore; !got.Equal(now.Add(-5 * time.Minute)) {
		t.Errorf("notBefore %v, want five minutes before %v", got, now)
	}
	if got := leaf.NotAfter; !got.Equal(now.Add(12 * time.Hour)) {
		t.Errorf("notAfter %v, want twelve hours after %v", got, now)
	}
	if err := proxycert.CheckSubject(leaf); err != nil {
		t.Errorf("CheckSubject: %v", err)
	}
	info, err := proxycert.Classify(leaf)
	if err != nil || info.Type != proxycert.RFC || info.Limited || info.CertInfo.PathLen != nil {
		t.Errorf("Classify = %+v, %v, want a full RFC proxy without path length", info, err)
	}
}

func TestSignExtensions(t *testing.T) {
	eec := newEEC(t, rsaKey())
	ac := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}, Value: []byte{0x30, 0}}
	p := delegate(t, eec, ecKey(), proxycert.Template{Extensions: []pkix.Extension{ac}})
	leaf := p.Leaf()
	for _, tc := range []struct {
		name     string
		oid      []int
		critical bool
		value    string // hex; empty: any
	}{
		{"ProxyCertInfo", []int{1, 3, 6, 1, 5, 5, 7, 1, 14}, true, "300c300a06082b06010505071501"},
		{"keyUsage", []int{2, 5, 29, 15}, true, "030204b0"}, // digitalSignature, keyEncipherment, dataEncipherment
		{"extKeyUsage", []int{2, 5, 29, 37}, false, hex.EncodeToString(findExtension(eec.Leaf(), 2, 5, 29, 37).Value)},
		{"subjectKeyIdentifier", []int{2, 5, 29, 14}, false, ""},
		{"authorityKeyIdentifier", []int{2, 5, 29, 35}, false, ""},
		{"VOMS", []int{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}, false, "3000"},
	} {
		e := findExtension(leaf, tc.oid...)
		if e == nil {
			t.Errorf("no %s", tc.name)
			continue
		}
		if e.Critical != tc.critical {
			t.Errorf("%s: critical %v, want %v", tc.name, e.Critical, tc.critical)
		}
		if got := hex.EncodeToString(e.Value); tc.value != "" && got != tc.value {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.value)
		}
	}
	if n := len(leaf.Extensions); n != 6 {
		t.Errorf("%d extensions, want 6", n)
	}
	// The EEC has no SKI: the keyid is the SHA-1 of its key's bits.
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(rsaKey().Public().(*rsa.PublicKey)))
	if !bytes.Equal(leaf.AuthorityKeyId, sum[:]) {
		t.Errorf("authority key id %x, want %x", leaf.AuthorityKeyId, sum)
	}
	// The next one refers to this one's SKI.
	next := delegate(t, p, newECKey(t), proxycert.Template{}).Leaf()
	if len(leaf.SubjectKeyId) != sha1.Size || !bytes.Equal(next.AuthorityKeyId, leaf.SubjectKeyId) {
		t.Errorf("authority key id %x, want the issuer's subject key id %x", next.AuthorityKeyId, leaf.SubjectKeyId)
	}
	if e := findExtension(next, 1, 3, 6, 1, 4, 1, 8005, 100, 100, 5); e != nil {
		t.Error("the attribute certificate was inherited")
	}
}

func TestSignWithoutKeyUsage(t *testing.T) {
	cert := issue(t, x509.Certificate{}, janeDN, ecKey(), nil, nil)
	c := &proxycert.Credential{Chain: []*x509.Certificate{cert}, Key: ecKey()}
	leaf := delegate(t, c, newECKey(t), proxycert.Template{}).Leaf()
	if findExtension(leaf, 2, 5, 29, 15) != nil || findExtension(leaf, 2, 5, 29, 37) != nil {
		t.Error("a key usage or extended key usage that the issuer does not have")
	}
	if leaf.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		t.Errorf("signature algorithm %v, want ECDSA-SHA256", leaf.SignatureAlgorithm)
	}
}

// An RSA proxy key below an ECDSA certificate signs with RSA, where Globus gives up (gridcf/gct issue 249).
func TestSignMixedKeys(t *testing.T) {
	p := delegate(t, newEEC(t, ecKey()), rsaKey(), proxycert.Template{})
	next := delegate(t, p, otherRSAKey(), proxycert.Template{}).Leaf()
	if p.Leaf().SignatureAlgorithm != x509.ECDSAWithSHA256 || next.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("signed with %v, then %v", p.Leaf().SignatureAlgorithm, next.SignatureAlgorithm)
	}
}

func TestSignTimes(t *testing.T) {
	eec := newEEC(t, ecKey())
	end := eec.Leaf().NotAfter
	begin := eec.Leaf().NotBefore
	// A Java proxy may outlive its issuer: the chain's end counts, not the leaf's.
	early := issue(t, x509.Certificate{NotAfter: now.Add(time.Hour)}, janeDN, ecKey(), nil, nil)
	info, err := (&proxycert.CertInfo{Language: proxycert.LanguageInheritAll}).Extension()
	if err != nil {
		t.Fatal(err)
	}
	javaKey := newECKey(t)
	java := issue(t, x509.Certificate{NotAfter: now.Add(48 * time.Hour), ExtraExtensions: []pkix.Extension{info}}, janeDN+"/CN=1", javaKey, early, ecKey())
	uncapped := &proxycert.Credential{Chain: []*x509.Certificate{java, early}, Key: javaKey}

	for _, tc := range []struct {
		name       string
		issuer     *proxycert.Credential
		tmpl       proxycert.Template
		begin, end time.Time
	}{
		{"as long as the issuer", eec, proxycert.Template{Now: now}, now.Add(-5 * time.Minute), end},
		{"longer than the issuer", eec, proxycert.Template{Now: now, Lifetime: 9999 * time.Hour}, now.Add(-5 * time.Minute), end},
		{"near the issuer's end", eec, proxycert.Template{Now: end.Add(-time.Minute), Lifetime: time.Hour}, end.Add(-6 * time.Minute), end},
		{"issuer just begun", eec, proxycert.Template{Now: begin.Add(time.Minute), Lifetime: time.Hour}, begin, begin.Add(61 * time.Minute)},
		{"parts of a second", eec, proxycert.Template{Now: now.Add(999 * time.Millisecond), Lifetime: time.Minute + time.Millisecond}, now.Add(-5 * time.Minute), now.Add(time.Minute)},
		{"chain ends before the leaf", uncapped, proxycert.Template{Now: now, Lifetime: 24 * time.Hour}, now.Add(-5 * time.Minute), now.Add(time.Hour)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := delegate(t, tc.issuer, newECKey(t), tc.tmpl)
			if got := p.Leaf().NotBefore; !got.Equal(tc.begin) {
				t.Errorf("notBefore %v, want %v", got, tc.begin)
			}
			if got := p.Leaf().NotAfter; !got.Equal(tc.end) {
				t.Errorf("notAfter %v, want %v", got, tc.end)
			}
			if got := p.NotAfter(); !got.Equal(tc.end) {
				t.Errorf("NotAfter of the credential %v, want %v", got, tc.end)
			}
		})
	}
}

func TestSignLimited(t *testing.T) {
	eec := newEEC(t, ecKey())
	limited := delegate(t, eec, newECKey(t), proxycert.Template{Limited: true})
	below := delegate(t, limited, newECKey(t), proxycert.Template{})
	for name, c := range map[string]*proxycert.Credential{"limited": limited, "full below limited": below} {
		info, err := proxycert.Classify(c.Leaf())
		if err != nil || !info.Limited || !c.Limited() {
			t.Errorf("%s: Classify = %+v, %v, Limited() = %v", name, info, err, c.Limited())
		}
	}
	if eec.Limited() {
		t.Error("the EEC is said to be limited")
	}
}

func TestSignRefuses(t *testing.T) {
	eec := newEEC(t, ecKey())
	ca := &proxycert.Credential{Chain: []*x509.Certificate{testCA()}, Key: caKey()}
	noSign := &proxycert.Credential{Key: ecKey(), Chain: []*x509.Certificate{
		issue(t, x509.Certificate{KeyUsage: x509.KeyUsageKeyEncipherment}, janeDN, ecKey(), nil, nil)}}
	below := func(subject string, key crypto.Signer, e ...pkix.Extension) *proxycert.Credential {
		cert := issue(t, x509.Certificate{ExtraExtensions: e}, subject, key, eec.Leaf(), eec.Key)
		return &proxycert.Credential{Chain: append([]*x509.Certificate{cert}, eec.Chain...), Key: key}
	}
	ext := func(ci proxycert.CertInfo, draft bool) pkix.Extension {
		make := ci.Extension
		if draft {
			make = ci.DraftExtension
		}
		e, err := make()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	inherit := proxycert.CertInfo{Language: proxycert.LanguageInheritAll}
	none := delegate(t, eec, newECKey(t), proxycert.Template{PathLen: intp(0)})
	one := delegate(t, eec, newECKey(t), proxycert.Template{PathLen: intp(1)})
	used := delegate(t, one, newECKey(t), proxycert.Template{})
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := newECKey(t)
	san := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 0}}

	for _, tc := range []struct {
		name   string
		issuer *proxycert.Credential
		pub    crypto.PublicKey
		tmpl   proxycert.Template
		want   string
	}{
		{"CA", ca, good.Public(), proxycert.Template{}, "is a CA"},
		{"legacy", below(janeDN+"/CN=proxy", newECKey(t)), good.Public(), proxycert.Template{}, "legacy proxy"},
		{"draft", below(janeDN+"/CN=1", newECKey(t), ext(inherit, true)), good.Public(), proxycert.Template{}, "draft proxy"},
		{"RFC with a legacy name", below(janeDN+"/CN=limited proxy", newECKey(t), ext(inherit, false)), good.Public(), proxycert.Template{}, "the name of a legacy one"},
		{"unknown language", below(janeDN+"/CN=1", newECKey(t), ext(proxycert.CertInfo{Language: asn1.ObjectIdentifier{1, 2, 3}}, false)), good.Public(), proxycert.Template{}, "policy language 1.2.3"},
		{"path length 0", none, good.Public(), proxycert.Template{}, "path length 0"},
		{"path length used up", used, good.Public(), proxycert.Template{}, "path length 1"},
		{"no digitalSignature", noSign, good.Public(), proxycert.Template{}, "no digitalSignature"},
		{"wrong key", &proxycert.Credential{Chain: eec.Chain, Key: good}, good.Public(), proxycert.Template{}, "does not belong"},
		{"no chain", &proxycert.Credential{Key: good}, good.Public(), proxycert.Template{}, "no certificate"},
		{"weak key", eec, weak.Public(), proxycert.Template{}, "1024 bits"},
		{"no key", eec, nil, proxycert.Template{}, "a key of type"},
		{"expired issuer", eec, good.Public(), proxycert.Template{Now: eec.Leaf().NotAfter}, "ended at 2027-09-17T23:00:00Z"},
		{"negative lifetime", eec, good.Public(), proxycert.Template{Lifetime: -1}, "negative lifetime"},
		{"tiny lifetime", eec, good.Public(), proxycert.Template{Lifetime: 1}, "less than a second"},
		{"negative path length", eec, good.Public(), proxycert.Template{PathLen: intp(-1)}, "path length"},
		{"alternative name", eec, good.Public(), proxycert.Template{Extensions: []pkix.Extension{san}}, "2.5.29.17"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.tmpl.Now.IsZero() {
				tc.tmpl.Now = now
			}
			_, err := tc.issuer.Sign(tc.pub, tc.tmpl)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Sign error %v, want one about %q", err, tc.want)
			}
		})
	}
	if _, err := eec.Sign(good.Public(), proxycert.Template{}); err == nil {
		t.Error("signed without knowing the time")
	}
}
