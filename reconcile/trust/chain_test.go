package trust_test

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func TestVerifyChainResult(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub, valid(-time.Hour, 30*time.Hour))
	one := newProxy(t, jane, proxyKind{cn: "1"}, valid(0, 48*time.Hour))
	two := newProxy(t, one, proxyKind{cn: "2", language: proxycert.LanguageLimited}, valid(0, 40*time.Hour))
	// Out of order, with a duplicate, the CAs and a stranger.
	stranger := newEEC(t, "/O=Elsewhere/CN=Stranger", newCA(t, "/O=Elsewhere/CN=CA", nil))
	presented := certs(g.root, one, two, jane, two, g.sub)
	for _, order := range [][]*x509.Certificate{presented, certs(two, one, jane), certs(two, one, jane, stranger), certs(jane, two, one)} {
		r, err := g.store.VerifyChain(order, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Identity.String(); got != janeName || r.Type != proxycert.RFC || !r.Limited {
			t.Errorf("got %s, type %s, limited %v", got, r.Type, r.Limited)
		}
		if !slices.Equal(raws(r.Chain), raws(certs(two, one, jane))) || !slices.Equal(raws(r.Anchors), raws(certs(g.sub, g.root))) {
			t.Errorf("chain is %d long, anchors %d", len(r.Chain), len(r.Anchors))
		}
		if !r.EffectiveEnd.Equal(now.Add(30*time.Hour)) || r.EndsWith != "the user certificate "+janeName || !r.CRLEnd.IsZero() {
			t.Errorf("ends %v with %q, CRLs %v", r.EffectiveEnd, r.EndsWith, r.CRLEnd)
		}
	}
}

func raws(certs []*x509.Certificate) []string {
	var out []string
	for _, c := range certs {
		out = append(out, string(c.Raw))
	}
	return out
}

func TestEndsWith(t *testing.T) {
	g := newGrid(t)
	short := newCA(t, "/DC=org/DC=gridtest/CN=Short CA", g.root, valid(-time.Hour, 2*time.Hour))
	g.addCA(short, "/DC=org/*")
	host := newEEC(t, "/DC=org/DC=gridtest/CN=host.example.org", g.sub, valid(-time.Hour, 3*time.Hour))
	for _, tt := range []struct {
		what string
		leaf *entity
		also []*entity
		end  time.Duration
		want string
	}{
		{"proxy", newProxy(t, host, proxyKind{}, valid(0, time.Hour)), []*entity{host}, time.Hour, "the proxy certificate /DC=org/DC=gridtest/CN=host.example.org/CN=12345678"},
		{"host", newProxy(t, host, proxyKind{}, valid(0, 9*time.Hour)), []*entity{host}, 3 * time.Hour, "the host certificate /DC=org/DC=gridtest/CN=host.example.org"},
		{"together", newProxy(t, host, proxyKind{}, valid(0, 3*time.Hour)), []*entity{host}, 3 * time.Hour, "the host certificate /DC=org/DC=gridtest/CN=host.example.org"},
		{"person with a dot", newEEC(t, "/DC=org/DC=gridtest/CN=jane.doe", g.sub, valid(-time.Hour, time.Hour)), nil, time.Hour, "the user certificate /DC=org/DC=gridtest/CN=jane.doe"},
		{"CA", newEEC(t, janeName, short), nil, 2 * time.Hour, "the CA certificate /DC=org/DC=gridtest/CN=Short CA"},
	} {
		r, err := g.store.VerifyChain(certs(append(tt.also, tt.leaf)...), now)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		if r.EndsWith != tt.want || !r.EffectiveEnd.Equal(now.Add(tt.end)) {
			t.Errorf("%s: ends %v with %q, want %q", tt.what, r.EffectiveEnd, r.EndsWith, tt.want)
		}
	}
}

// TestProxyRules has one line per rule and side of it. An empty id is a chain that verifies.
func TestProxyRules(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	ia5SAN, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("a.example.org")}})
	if err != nil {
		t.Fatal(err)
	}
	limited := proxyKind{cn: "1", language: proxycert.LanguageLimited}
	full := proxyKind{cn: "2"}
	ca := change(func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true })
	notCA := change(func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, false })
	usage := func(u x509.KeyUsage) change { return func(c *x509.Certificate) { c.KeyUsage = u } }
	subject := func(name string) change { return func(c *x509.Certificate) { c.RawSubject = parseDN(t, name).DER() } }

	type chain func() []*entity // leaf first
	one := func(k proxyKind, changes ...change) chain {
		return func() []*entity { return []*entity{newProxy(t, jane, k, changes...), jane} }
	}
	deep := func(kinds ...proxyKind) chain { // from the EEC downward
		return func() []*entity {
			out := []*entity{jane}
			for _, k := range kinds {
				out = append(out, newProxy(t, out[len(out)-1], k))
			}
			slices.Reverse(out)
			return out
		}
	}
	under := func(name string, k proxyKind, changes ...change) chain {
		return func() []*entity {
			eec := newEEC(t, name, g.sub, changes...)
			return []*entity{newProxy(t, eec, k), eec}
		}
	}
	tests := []struct {
		name  string
		chain chain
		id    string
		words string
	}{
		{"EEC alone", deep(), "", ""},
		{"RFC", deep(full), "", ""},
		{"RFC below RFC", deep(full, full, full), "", ""},
		{"limited", deep(limited), "", ""},
		{"limited below full", deep(full, limited), "", ""},
		{"limited below limited", deep(limited, limited), "", ""},
		{"full below limited", deep(limited, full), trust.IDLimited, "full proxy below a limited one"},
		{"independent below limited", deep(limited, proxyKind{language: proxycert.LanguageIndependent}), trust.IDLimited, "independent proxy below a limited one"},
		{"independent", deep(proxyKind{language: proxycert.LanguageIndependent}), "", ""},
		{"draft", deep(proxyKind{draft: true}), "", ""},
		{"draft below draft, path length", deep(proxyKind{draft: true, pathLen: ptr(1)}, proxyKind{draft: true}), "", ""},
		{"legacy", deep(proxyKind{legacy: true}), "", ""},
		{"legacy limited below legacy", deep(proxyKind{legacy: true}, proxyKind{legacy: true, cn: "limited proxy"}), "", ""},
		{"legacy below legacy limited", deep(proxyKind{legacy: true, cn: "limited proxy"}, proxyKind{legacy: true}), trust.IDLimited, ""},
		{"legacy below RFC", deep(full, proxyKind{legacy: true}), trust.IDMixed, "form legacy below one of form rfc"},
		{"RFC below legacy", deep(proxyKind{legacy: true}, full), trust.IDMixed, ""},
		{"draft below RFC", deep(full, proxyKind{draft: true}), trust.IDMixed, ""},
		{"any language", one(proxyKind{language: proxycert.LanguageAny}), trust.IDProxy, "policy language 1.3.6.1.5.5.7.21.0"},
		{"unknown language", one(proxyKind{language: asn1.ObjectIdentifier{1, 2, 3}}), trust.IDProxy, "policy language 1.2.3"},
		{"limited with a policy", one(proxyKind{language: proxycert.LanguageLimited, policy: []byte("x")}), trust.IDProxy, "policy text"},
		{"malformed ProxyCertInfo", one(proxyKind{info: []byte{0x30, 1, 2}}), trust.IDMalformed, "malformed"},
		{"ProxyCertInfo not critical", one(proxyKind{soft: true}), trust.IDNotCA, "is no proxy, since its ProxyCertInfo is not critical"},
		{"no ProxyCertInfo", one(proxyKind{plain: true}), trust.IDNotCA, "is no proxy, since it has no ProxyCertInfo"},
		{"path length 0, none below", deep(proxyKind{pathLen: ptr(0)}), "", ""},
		{"path length 0, one below", deep(proxyKind{pathLen: ptr(0)}, full), trust.IDPathLength, "path length"},
		{"path length 1, one below", deep(proxyKind{pathLen: ptr(1)}, full), "", ""},
		{"path length 1, two below", deep(proxyKind{pathLen: ptr(1)}, full, full), trust.IDPathLength, ""},
		{"path length widened below", deep(proxyKind{pathLen: ptr(1)}, proxyKind{pathLen: ptr(5)}, full), trust.IDPathLength, ""},
		{"path length narrowed below", deep(proxyKind{pathLen: ptr(5)}, proxyKind{pathLen: ptr(0)}, full), trust.IDPathLength, ""},
		{"nested path lengths", deep(proxyKind{pathLen: ptr(2)}, proxyKind{pathLen: ptr(1)}, proxyKind{pathLen: ptr(0)}), "", ""},
		{"CA bit on a proxy", one(full, ca), trust.IDNotCA, "says by its basicConstraints that it is a CA"},
		{"basicConstraints without CA on a proxy", one(full, notCA), "", ""},
		{"keyCertSign on a proxy", one(full, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)), trust.IDProxy, "keyCertSign"},
		{"no key usage on a proxy", one(full, usage(0)), "", ""},
		{"leaf without digitalSignature", one(full, usage(x509.KeyUsageKeyEncipherment)), "", ""},
		{"EEC without digitalSignature", under(janeName, full, usage(x509.KeyUsageKeyEncipherment)), trust.IDProxy, "lacks digitalSignature"},
		{"EEC with an empty key usage", under(janeName, full, usage(0), extension(true, []byte{3, 1, 0}, 2, 5, 29, 15)), trust.IDProxy, "lacks digitalSignature"},
		{"EEC without key usage", under(janeName, full, usage(0)), "", ""},
		{"subjectAltName", one(full, extension(false, ia5SAN, 2, 5, 29, 17)), trust.IDProxy, "subjectAltName"},
		{"issuerAltName", one(full, extension(false, ia5SAN, 2, 5, 29, 18)), trust.IDProxy, "issuerAltName"},
		{"unknown critical extension", one(full, extension(true, []byte{5, 0}, 1, 2, 3, 4)), trust.IDCritical, "1.2.3.4"},
		{"unknown extension", one(full, extension(false, []byte{5, 0}, 1, 2, 3, 4)), "", ""},
		{"critical EKU", one(full, extension(true, []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2}, 2, 5, 29, 37)), "", ""},
		{"subject is the issuer's", one(full, subject(janeName)), trust.IDProxy, "one CN"},
		{"subject of another user", one(full, subject("/DC=org/DC=gridtest/OU=people/CN=John Doe/CN=1")), trust.IDProxy, "one CN"},
		{"subject with two more CNs", one(full, subject(janeName+"/CN=1/CN=2")), trust.IDProxy, "one CN"},
		{"subject with another attribute", one(full, subject(janeName+"/OU=1")), trust.IDProxy, "one CN"},
		{"subject with a two-valued RDN", one(full, subject(janeName+"/CN=1+UID=2")), trust.IDProxy, "one CN"},
		{"expired proxy", one(full, valid(-2*time.Hour, -time.Minute)), trust.IDExpired, "the proxy certificate " + janeName + "/CN=2 expired on "},
		{"ends this second", one(full, valid(-2*time.Hour, 0)), "", ""},
		{"begins in 4 minutes", one(full, valid(4*time.Minute, time.Hour)), "", ""},
		{"begins in 6 minutes", one(full, valid(6*time.Minute, time.Hour)), trust.IDNotYet, "not valid before"},
		{"outlives its issuer", one(full, valid(0, 9000*time.Hour)), "", ""},
		{"expired EEC", under(janeName, full, valid(-2*time.Hour, -time.Hour)), trust.IDExpired, "the user certificate " + janeName + " expired on "},
		{"legacy name with RFC ProxyCertInfo", deep(proxyKind{cn: "limited proxy"}), "", ""},
		{"EEC missing", func() []*entity { return deep(full, full)()[:2] }, trust.IDIncomplete, janeName},
		{"proxy signed by a CA", func() []*entity { return []*entity{newProxy(t, g.sub, full), g.sub} }, trust.IDNotCA, "signed by the CA certificate"},
		{"CA alone", func() []*entity { return []*entity{g.sub} }, trust.IDNotCA, "that of a CA"},
		{"issuer of that name with another key", func() []*entity {
			other := newEEC(t, janeName, g.sub)
			return []*entity{newProxy(t, jane, full), other}
		}, trust.IDSignature, "is not by the key of " + janeName},
		{"chain of 101", deep(slices.Repeat([]proxyKind{full}, 100)...), trust.IDPathLength, "longer than 100"},
		{"name in another case and string type", under("/DC=org/DC=gridtest/OU=people/CN=Jane Doe", full), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := g.store.VerifyChain(certs(tt.chain()...), now)
			if tt.id != "" {
				wantError(t, err, tt.id, tt.words)
			} else if err != nil || r == nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestIndependentIdentity(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	own := newProxy(t, jane, proxyKind{cn: "own", language: proxycert.LanguageIndependent})
	below := newProxy(t, own, proxyKind{cn: "below"})
	r, err := g.store.VerifyChain(certs(below, own, jane), now)
	if err != nil || r.Identity.String() != janeName+"/CN=own" {
		t.Errorf("identity is %v, %v; want that of the independent proxy", r, err)
	}
}

func TestNamesCompareCanonically(t *testing.T) {
	g := newGrid(t)
	// The issuer's name in other string types and case than the CA's own subject.
	twin := &entity{key: g.sub.key, cert: new(x509.Certificate)}
	*twin.cert = *g.sub.cert
	name := parseDN(t, "/DC=org/DC=gridtest/CN=sub  ca")
	twin.cert.RawSubject = name.DER()
	jane := newEEC(t, janeName, twin)
	if bytes.Equal(jane.cert.RawIssuer, g.sub.cert.RawSubject) {
		t.Fatal("the names are the same bytes")
	}
	if _, err := g.store.VerifyChain(certs(jane), now); err != nil {
		t.Error(err)
	}
}

func TestVerifyPeerWantsTheFirst(t *testing.T) {
	g := newGrid(t)
	jane, john := newEEC(t, janeName, g.sub), newEEC(t, "/DC=org/DC=gridtest/CN=John", g.sub)
	proxy := newProxy(t, jane, proxyKind{})
	// John holds a key, and shows Jane's certificates after his own.
	r, err := g.store.VerifyPeer(certs(john, proxy, jane), now)
	if err != nil || r.Identity.String() != "/DC=org/DC=gridtest/CN=John" {
		t.Errorf("identity is %v, %v", r, err)
	}
	mallory := newEEC(t, janeName, newCA(t, "/CN=Mallory", nil))
	if r, err := g.store.VerifyPeer(certs(mallory, proxy, jane), now); err == nil {
		t.Errorf("taken for %v", r.Identity)
	}
	if r, err := g.store.VerifyPeer(certs(g.root, proxy, jane), now); err == nil {
		t.Errorf("taken for %v", r.Identity)
	}
}

func TestPresentedBounds(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	_, err := g.store.VerifyChain(nil, now)
	wantError(t, err, trust.IDMalformed, "no certificates")
	_, err = g.store.VerifyChain(slices.Repeat(certs(jane), 513), now)
	wantError(t, err, trust.IDMalformed, "513 certificates")
}

func TestWeak(t *testing.T) {
	g := newGrid(t)
	keys := rsaKeys()
	make := func(issuer *entity, ca bool, name string, key int, alg x509.SignatureAlgorithm) *entity {
		serials++
		template := &x509.Certificate{
			RawSubject: parseDN(t, name).DER(), SerialNumber: big.NewInt(serials), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			BasicConstraintsValid: ca, IsCA: ca, SignatureAlgorithm: alg,
		}
		return sign(t, template, issuer, keys[key])
	}
	root := make(nil, true, "/O=Weak/CN=Root", 0, x509.SHA1WithRSA)
	g.addCA(root, "/O=Weak/*")
	good := make(root, false, "/O=Weak/CN=Good", 1, x509.SHA256WithRSA)
	sha1 := make(root, false, "/O=Weak/CN=SHA-1", 1, x509.SHA1WithRSA)
	short := make(root, false, "/O=Weak/CN=Short", 2, x509.SHA256WithRSA)
	md5 := toMD5(t, good)

	if _, err := g.store.VerifyChain(certs(good), now); err != nil {
		t.Errorf("below a root that signed itself with SHA-1: %v", err)
	}
	_, err := g.store.VerifyChain(certs(sha1), now)
	wantError(t, err, trust.IDWeakHash, "/O=Weak/CN=SHA-1", "SHA1-RSA")
	_, err = g.store.VerifyChain(certs(short), now)
	wantError(t, err, trust.IDWeakKey, "/O=Weak/CN=Short", "1024 bits")
	_, err = g.store.VerifyChain(certs(md5), now)
	wantError(t, err, trust.IDWeakHash, "MD5-RSA")

	lenient := &trust.Store{Certificates: g.store.Certificates, AllowWeak: true}
	for _, e := range []*entity{good, sha1, short} {
		if _, err := lenient.VerifyChain(certs(e), now); err != nil {
			t.Errorf("with AllowWeak: %v", err)
		}
	}
	_, err = lenient.VerifyChain(certs(md5), now)
	wantError(t, err, trust.IDSignature, "is not by the key of /O=Weak/CN=Root")
	if _, err = lenient.VerifyChain(certs(signMD5(t, md5, root.key)), now); err != nil {
		t.Errorf("MD5 with AllowWeak: %v", err)
	}
}

// signMD5 puts a good signature in place of the one there.
func signMD5(t *testing.T, e *entity, key crypto.Signer) *entity {
	t.Helper()
	sum := md5.Sum(e.cert.RawTBSCertificate)
	signature, err := key.Sign(rand.Reader, sum[:], crypto.MD5)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(append(e.cert.Raw[:len(e.cert.Raw)-len(signature):len(e.cert.Raw)-len(signature)], signature...))
	if err != nil {
		t.Fatal(err)
	}
	return &entity{cert, e.key}
}

// TestTwoCAs: the user's certificate of the CA before lasts longer than that of the present one, for the same name and key.
func TestTwoCAs(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	template := *jane.cert
	template.NotAfter, template.AuthorityKeyId = template.NotAfter.Add(time.Hour), nil
	before := sign(t, &template, newCA(t, "/O=Elsewhere/CN=CA", nil), jane.key)
	chain := certs(newProxy(t, jane, proxyKind{}), before, jane)
	r, err := g.store.VerifyChain(chain, now)
	if err != nil || !r.Chain[1].Equal(jane.cert) {
		t.Errorf("got %+v, %v", r, err)
	}
	_, err = g.store.VerifyChain(chain[:2], now)
	wantError(t, err, trust.IDNoAnchor, "/O=Elsewhere/CN=CA")
}

// TestSelfSignedUser has a user certificate that nobody issued, in the file alone and in the trust directory as well.
func TestSelfSignedUser(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, nil)
	chain := certs(newProxy(t, jane, proxyKind{}), jane)
	_, err := g.store.VerifyChain(chain, now)
	wantError(t, err, trust.IDNoAnchor, "is not among the trust anchors")
	g.addCA(jane, "/*")
	_, err = g.store.VerifyChain(chain, now)
	wantError(t, err, trust.IDNotCA, "is self-signed, and no CA")
}

// toMD5 renames the signature algorithm, sha256WithRSAEncryption to md5WithRSAEncryption, which are of the same length.
func toMD5(t *testing.T, e *entity) *entity {
	t.Helper()
	oid := func(last byte) []byte { return []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last} }
	cert, err := x509.ParseCertificate(bytes.ReplaceAll(e.cert.Raw, oid(11), oid(4)))
	if err != nil {
		t.Fatal(err)
	}
	return &entity{cert, e.key}
}

func TestIdentityIsTheEECs(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	r, err := g.store.VerifyChain(certs(newProxy(t, jane, proxyKind{legacy: true}), jane), now)
	if err != nil || !r.Identity.Equal(dn.MustFromDER(jane.cert.RawSubject)) || r.Type != proxycert.Legacy {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestHugeKey: a chain brings the keys that it is checked with, and one of a million bits would take hours.
func TestHugeKey(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	proxy := newProxy(t, jane, proxyKind{})
	huge := new(x509.Certificate)
	*huge = *jane.cert
	huge.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1<<20), E: 65537}
	_, err := g.store.VerifyChain([]*x509.Certificate{proxy.cert, huge}, now)
	wantError(t, err, trust.IDSignature, "1048577 bits")
}
