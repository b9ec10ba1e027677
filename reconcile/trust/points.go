package trust

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// maxPoints is how many names of distribution points are read of a certificate or CRL; two are usual.
const maxPoints = 64

// distributionPoints are the names under which a certificate's CRLs are to be found (RFC 5280 section 4.2.1.13).
func distributionPoints(n *node) (out []generalName) {
	for _, e := range n.cert.Extensions {
		if !e.Id.Equal(oidCRLPoints) {
			continue
		}
		in := cryptobyte.String(e.Value)
		var list cryptobyte.String
		if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
			return nil
		}
		for !list.Empty() && len(out) < maxPoints {
			var point, name cryptobyte.String
			var present bool
			if !list.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &present, tagPoint) {
				return out
			}
			if names, ok := pointNames(name, n.issuer); present && ok {
				out = append(out, names...)
			}
		}
	}
	return out
}

const tagPoint = cbasn1.Tag(0xa0) // distributionPoint [0] EXPLICIT

// pointNames reads the content of a DistributionPointName: names in full, or the end of one that begins with the issuer's.
func pointNames(in cryptobyte.String, issuer dn.Name) (out []generalName, ok bool) {
	var list cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadAnyASN1(&list, &tag) || !in.Empty() {
		return nil, false
	}
	switch tag {
	case 0xa0:
		for !list.Empty() {
			var value cryptobyte.String
			var g generalName
			if len(out) == maxPoints || !list.ReadAnyASN1(&value, &g.tag) {
				return nil, false
			}
			if g.tag == tagDirectory {
				name, err := dn.FromDER(value)
				if err != nil {
					return nil, false
				}
				g.key = name.Canonical()
			} else {
				g.value = value
			}
			out = append(out, g)
		}
	case 0xa1: // a SET without its own tag
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			content := cryptobyte.String(issuer.DER())
			var rdns cryptobyte.String
			content.ReadASN1(&rdns, cbasn1.SEQUENCE)
			b.AddBytes(rdns)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(list) })
		})
		name, err := dn.FromDER(b.BytesOrPanic())
		if err != nil {
			return nil, false
		}
		out = append(out, generalName{tag: tagDirectory, key: name.Canonical()})
	default:
		return nil, false
	}
	return out, len(out) > 0
}

// sharePoint reports whether two sets have a name in common.
func sharePoint(a, b []generalName) bool {
	for _, x := range a {
		for _, y := range b {
			if x.tag == y.tag && x.key == y.key && bytes.Equal(x.value, y.value) {
				return true
			}
		}
	}
	return false
}
