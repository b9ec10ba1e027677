package proxycert_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func checkChain(t testing.TB, got, want []*x509.Certificate) {
	t.Helper()
	if !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
		var names []string
		for _, c := range got {
			names = append(names, c.Subject.String())
		}
		t.Errorf("a chain of %q, want %d certificates from %v", names, len(want), want[0].Subject)
	}
}

func TestSortChain(t *testing.T) {
	eec := newEEC(t, ecKey())
	c := eec
	for range 3 {
		c = delegate(t, c, newECKey(t), proxycert.Template{})
	}
	stranger := delegate(t, newEEC(t, newECKey(t)), newECKey(t), proxycert.Template{})
	leafKey := c.Key.Public()
	with := func(more ...*x509.Certificate) []*x509.Certificate { return append(slices.Clone(c.Chain), more...) }

	// A renewed certificate with the same name, and one with the same name and key.
	otherKey := issue(t, x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}, janeDN, newECKey(t), nil, nil)
	renewed := issue(t, x509.Certificate{SerialNumber: big.NewInt(9)}, janeDN, ecKey(), nil, nil)
	// An issuer whose name is spelled with other string types.
	utf8Name := janeDN + "\u00e9"
	odd := issue(t, x509.Certificate{}, utf8Name, ecKey(), nil, nil)

	for _, tc := range []struct {
		name  string
		certs []*x509.Certificate
		pub   crypto.PublicKey
		want  []*x509.Certificate
	}{
		{"sorted", c.Chain, leafKey, c.Chain},
		{"no key given", with(), nil, c.Chain},
		{"CA first", append([]*x509.Certificate{testCA()}, c.Chain...), leafKey, c.Chain},
		{"CA and no key", with(testCA()), nil, c.Chain},
		{"duplicates", with(c.Chain...), leafKey, c.Chain},
		{"a stranger's chain", append(slices.Clone(stranger.Chain), c.Chain...), leafKey, c.Chain},
		{"same name, other key", append([]*x509.Certificate{otherKey}, c.Chain...), leafKey, c.Chain},
		{"inner key", c.Chain, c.Chain[2].PublicKey, c.Chain[2:]},
		{"EEC's key", with(testCA()), ecKey().Public(), eec.Chain},
		{"EEC missing", c.Chain[:3], leafKey, c.Chain[:3]},
		{"a gap", []*x509.Certificate{c.Chain[0], c.Chain[3]}, leafKey, c.Chain[:1]},
		{"renewed, first in the file", []*x509.Certificate{renewed, eec.Leaf()}, ecKey().Public(), []*x509.Certificate{renewed}},
		{"CA alone", []*x509.Certificate{testCA()}, nil, []*x509.Certificate{testCA()}},
		{"name beyond ASCII", []*x509.Certificate{testCA(), odd}, nil, []*x509.Certificate{odd}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := proxycert.SortChain(tc.certs, tc.pub)
			if err != nil {
				t.Fatal(err)
			}
			checkChain(t, got, tc.want)
		})
	}
	t.Run("any order", func(t *testing.T) {
		certs := with(testCA(), otherKey)
		certs = append(certs, stranger.Chain...)
		for range 50 {
			rand.Shuffle(len(certs), func(i, j int) { certs[i], certs[j] = certs[j], certs[i] })
			got, err := proxycert.SortChain(certs, leafKey)
			if err != nil {
				t.Fatal(err)
			}
			checkChain(t, got, c.Chain)
		}
	})
}

func TestSortChainErrors(t *testing.T) {
	eec := newEEC(t, ecKey())
	if _, err := proxycert.SortChain(nil, nil); err == nil {
		t.Error("no certificate: no error")
	}
	if _, err := proxycert.SortChain(eec.Chain, rsaKey().Public()); !errors.Is(err, proxycert.ErrKeyMismatch) {
		t.Errorf("error %v, want ErrKeyMismatch", err)
	}
	if _, err := proxycert.SortChain(slices.Repeat(eec.Chain, 5000), nil); err == nil {
		t.Error("5000 certificates: no error")
	}
}

// Names that go in a circle, and very long chains, end.
func TestSortChainEnds(t *testing.T) {
	inherit := mustExtension(t, proxycert.CertInfo{Language: proxycert.LanguageInheritAll}, false)
	tmpl := x509.Certificate{ExtraExtensions: []pkix.Extension{inherit}}
	parent := func(subject string) *x509.Certificate {
		return issue(t, tmpl, subject, ecKey(), nil, nil)
	}
	a := issue(t, tmpl, "/CN=a", ecKey(), parent("/CN=b"), ecKey())
	b := issue(t, tmpl, "/CN=b", ecKey(), parent("/CN=a"), ecKey())
	got, err := proxycert.SortChain([]*x509.Certificate{a, b}, nil)
	if err != nil || len(got) != 2 {
		t.Errorf("a circle: a chain of %d, %v, want 2", len(got), err)
	}
	c := newEEC(t, ecKey())
	for range 110 {
		c = delegate(t, c, ecKey(), proxycert.Template{})
	}
	got, err = proxycert.SortChain(c.Chain, nil)
	if err != nil || len(got) > 100 {
		t.Errorf("a chain of 111: %d, %v, want it cut", len(got), err)
	}
}

func TestCredential(t *testing.T) {
	eec := newEEC(t, ecKey())
	p := delegate(t, delegate(t, eec, newECKey(t), proxycert.Template{Lifetime: 2 * time.Hour}), newECKey(t), proxycert.Template{Lifetime: time.Hour})
	if p.EEC() != eec.Leaf() || p.Leaf() == eec.Leaf() {
		t.Error("EEC or Leaf is another certificate")
	}
	if got := p.Identity().String(); got != janeDN {
		t.Errorf("Identity = %s, want %s", got, janeDN)
	}
	headless := &proxycert.Credential{Chain: p.Chain[:1], Key: p.Key}
	if headless.EEC() != nil || !headless.Identity().Parent().Parent().Equal(p.Identity()) {
		t.Errorf("without EEC: EEC %v, Identity %s", headless.EEC(), headless.Identity())
	}
	if got := p.NotBefore(); !got.Equal(now.Add(-5 * time.Minute)) {
		t.Errorf("NotBefore = %v", got)
	}
	if got := p.NotAfter(); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("NotAfter = %v", got)
	}
	tc := p.TLS()
	if len(tc.Certificate) != 3 || tc.Leaf != p.Leaf() || tc.PrivateKey != p.Key || string(tc.Certificate[2]) != string(eec.Leaf().Raw) {
		t.Error("TLS is not the whole chain, leaf first")
	}
	var none proxycert.Credential
	if none.EEC() != nil || !none.Identity().IsEmpty() || none.Limited() || !none.NotAfter().IsZero() || len(none.TLS().Certificate) != 0 {
		t.Error("the zero credential has something in it")
	}
}

func TestGenerateKey(t *testing.T) {
	for kt, bits := range map[proxycert.KeyType]int{"": 2048, proxycert.P256: 256} {
		k, err := proxycert.GenerateKey(kt)
		if err != nil {
			t.Fatal(err)
		}
		if got := keyBits(k); got != bits {
			t.Errorf("%q: %d bits, want %d", kt, got, bits)
		}
	}
	if _, err := proxycert.GenerateKey("dsa"); err == nil {
		t.Error("a DSA key was made")
	}
}
