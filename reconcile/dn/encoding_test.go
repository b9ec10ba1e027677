package dn_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Types are read as encoding/asn1 does, the frequent ones too.
func TestTypesAgreeWithASN1(t *testing.T) {
	for _, spelled := range []string{"/CN=x", "/DC=x", "/OU=x", "/O=x", "/C=XX", "/L=x", "/2.5.4.200=x"} {
		name, err := dn.Parse(spelled)
		if err != nil {
			t.Fatal(err)
		}
		again, err := dn.FromDER(name.DER())
		if err != nil {
			t.Fatal(err)
		}
		var want pkix.RDNSequence
		if _, err := asn1.Unmarshal(name.DER(), &want); err != nil {
			t.Fatal(err)
		}
		if got := again.RDNs()[0][0].Type; !got.Equal(want[0][0].Type) {
			t.Errorf("%s has the type %v, want %v", spelled, got, want[0][0].Type)
		}
	}
}

// The canonical encoding of a name that is canonical already is its own, as another encoder writes it: lengths and object
// identifiers of every size.
func TestEncodingAgreesWithCryptobyte(t *testing.T) {
	for _, oid := range []asn1.ObjectIdentifier{{2, 5, 4, 3}, {1, 2}, {0, 0}, {2, 39}, {2, 40}, {2, 999, 1}, {1, 3, 6, 1, 4, 1, 0, 127, 128, 16383, 16384},
		{1, 2, 2147483647}} {
		for _, n := range []int{0, 1, 100, 117, 118, 119, 120, 127, 128, 255, 256, 65535, 65536} {
			value := strings.Repeat("x", n)
			var content cryptobyte.Builder
			content.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oid)
					b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(value)) })
				})
			})
			want := content.BytesOrPanic()
			var whole cryptobyte.Builder
			whole.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(want) })
			name, err := dn.FromDER(whole.BytesOrPanic())
			if err != nil {
				t.Errorf("%v with %d octets: %v", oid, n, err)
				continue
			}
			if got := name.Canonical(); got != string(want) {
				t.Errorf("%v with %d octets: got %x…, want %x…", oid, n, got[:min(len(got), 20)], want[:min(len(want), 20)])
			}
		}
	}
}
