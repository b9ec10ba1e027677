package attrcert_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
)

// FuzzParse holds what the parser takes against encoding/asn1, which was written by others and knows nothing of VOMS.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"voms-2.1.ac", "voms-2.1-newformat.ac"} {
		seed, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte("A"))
	f.Fuzz(func(t *testing.T, der []byte) {
		ac, err := attrcert.Parse(der)
		if err != nil {
			return
		}
		var outer struct {
			Info      asn1.RawValue
			Algorithm asn1.RawValue
			Signature asn1.BitString
		}
		if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) != 0 {
			t.Fatalf("encoding/asn1 does not read it: %v", err)
		}
		if again, err := asn1.Marshal(outer); err != nil || !bytes.Equal(again, der) {
			t.Errorf("it is not DER: written back it is %x", again)
		}
		var info struct {
			Version    int
			Holder     asn1.RawValue
			Issuer     asn1.RawValue `asn1:"tag:0"`
			Algorithm  asn1.RawValue
			Serial     *big.Int
			Validity   struct{ From, To time.Time }
			Attributes asn1.RawValue
			UniqueID   asn1.BitString  `asn1:"optional"`
			Extensions []asn1.RawValue `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(ac.RawInfo, &info); err != nil {
			t.Fatalf("encoding/asn1 does not read the acinfo: %v", err)
		}
		if !info.Validity.From.Equal(ac.NotBefore) || !info.Validity.To.Equal(ac.NotAfter) || info.Serial.Cmp(ac.SerialNumber) != 0 {
			t.Errorf("got %v %v %v, encoding/asn1 has %v", ac.NotBefore, ac.NotAfter, ac.SerialNumber, info)
		}
		if ac.VO == "" || ac.Host == "" || ac.Port < 1 || ac.Port > 65535 || len(ac.FQANs) != len(ac.RawFQANs) {
			t.Errorf("impossible result %+v", ac)
		}
		wrapped := &x509.Certificate{Extensions: []pkix.Extension{attrcert.Extension(der, der)}}
		if acs, err := attrcert.FromCertificate(wrapped); err != nil || len(acs) != 2 || !bytes.Equal(acs[1].Raw, der) {
			t.Errorf("wrapped and unwrapped: %d, %v", len(acs), err)
		}
	})
}

// FuzzIssue checks that what is written is read back the same, or refused.
func FuzzIssue(f *testing.F) {
	f.Add("alice", "voms.example.org", uint16(15000), "/alice/Role=lcgadmin", "nickname", "jdoe", "alice", "vobox", int64(1795000000))
	f.Add("dteam", "::1", uint16(1), "/dteam/Role=NULL/Capability=NULL", "", "\xff\x00", "", "", int64(0))
	key := ecKey(f, elliptic.P256())
	holder, signer := certificate(f, "Jane Doe", 1, key.Public()), certificate(f, "voms", 2, key.Public())
	f.Fuzz(func(t *testing.T, vo, host string, port uint16, fqan, attrName, attrValue, qualifier, target string, from int64) {
		want := attrcert.Template{
			VO: vo, Host: host, Port: int(port), FQANs: []string{fqan, "/x"},
			Attributes: []attrcert.Attribute{{Name: attrName, Value: attrValue, Qualifier: qualifier}},
			NotBefore:  time.Unix(from, 0), NotAfter: time.Unix(from, 0).Add(time.Hour),
		}
		if target != "" {
			want.Targets = []string{target}
		}
		der, err := attrcert.Issue(want, holder, []*x509.Certificate{signer}, key)
		if err != nil {
			return
		}
		ac, err := attrcert.Parse(der)
		if err != nil {
			return
		}
		if ac.VO != vo || ac.Host != host || ac.Port != int(port) || ac.RawFQANs[0] != fqan || ac.FQANs[0] != attrcert.Normalize(fqan) {
			t.Errorf("issued %+v, read %+v", want, ac)
		}
		if len(ac.Attributes) != 1 || ac.Attributes[0] != want.Attributes[0] || (target != "") != (len(ac.Targets) == 1 && ac.Targets[0] == target) {
			t.Errorf("issued %+v, read %+v", want, ac)
		}
		if !ac.NotBefore.Equal(want.NotBefore) || !ac.NotAfter.Equal(want.NotAfter) || !ac.HeldBy(holder) || ac.CheckSignature(signer) != nil {
			t.Errorf("issued %+v, read %+v", want, ac)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	der := issue(b, nil)
	for b.Loop() {
		if _, err := attrcert.Parse(der); err != nil {
			b.Fatal(err)
		}
	}
}
