package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// now is the real hour, since the installed tools of the cross-checks know no other.
var now = time.Now().UTC().Truncate(time.Hour)

var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 3)
	for i, bits := range []int{2048, 2048, 1024} {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			panic(err)
		}
	}
	return keys
})

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func parseDN(t testing.TB, s string) dn.Name {
	t.Helper()
	n, err := dn.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An entity is a certificate with its key.
type entity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// A change is made to a template before it is signed.
type change func(*x509.Certificate)

var serials int64 = 1000

func sign(t testing.TB, template *x509.Certificate, issuer *entity, key crypto.Signer) *entity {
	t.Helper()
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &entity{cert, key}
}

// newCA makes a CA; issuer nil makes a root.
func newCA(t testing.TB, name string, issuer *entity, changes ...change) *entity {
	t.Helper()
	serials++
	template := &x509.Certificate{
		RawSubject: parseDN(t, name).DER(), SerialNumber: big.NewInt(serials),
		NotBefore: now.Add(-1000 * time.Hour), NotAfter: now.Add(10000 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	for _, c := range changes {
		c(template)
	}
	return sign(t, template, issuer, ecKey(t))
}

// newEEC makes a user certificate.
func newEEC(t testing.TB, name string, issuer *entity, changes ...change) *entity {
	t.Helper()
	serials++
	template := &x509.Certificate{
		RawSubject: parseDN(t, name).DER(), SerialNumber: big.NewInt(serials),
		NotBefore: now.Add(-100 * time.Hour), NotAfter: now.Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range changes {
		c(template)
	}
	return sign(t, template, issuer, ecKey(t))
}

// A proxyKind says how newProxy makes a proxy.
type proxyKind struct {
	cn       string // default "12345678"
	draft    bool
	legacy   bool
	plain    bool // no ProxyCertInfo at all
	soft     bool // ProxyCertInfo not critical
	info     []byte
	language asn1.ObjectIdentifier // default inherit-all
	policy   []byte
	pathLen  *int
}

func newProxy(t testing.TB, issuer *entity, k proxyKind, changes ...change) *entity {
	t.Helper()
	if k.cn == "" {
		if k.cn = "12345678"; k.legacy {
			k.cn = "proxy"
		}
	}
	serials++
	template := &x509.Certificate{
		RawSubject: dn.MustFromDER(issuer.cert.RawSubject).WithCN(k.cn).DER(), SerialNumber: big.NewInt(serials),
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(12 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if !k.legacy && !k.plain {
		if k.language == nil {
			k.language = proxycert.LanguageInheritAll
		}
		ci := &proxycert.CertInfo{PathLen: k.pathLen, Language: k.language, Policy: k.policy}
		build := ci.Extension
		if k.draft {
			build = ci.DraftExtension
		}
		ext, err := build()
		if err != nil {
			t.Fatal(err)
		}
		ext.Critical = !k.soft
		if k.info != nil {
			ext.Value = k.info
		}
		template.ExtraExtensions = append(template.ExtraExtensions, ext)
	}
	for _, c := range changes {
		c(template)
	}
	return sign(t, template, issuer, ecKey(t))
}

func ptr(n int) *int { return &n }

func extension(critical bool, value []byte, oid ...int) change {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

func valid(from, to time.Duration) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(from), now.Add(to) }
}

// A grid is a root, a sub-CA, and a store in which both are known.
type grid struct {
	t         testing.TB
	root, sub *entity
	store     *trust.Store
}

const (
	rootName = "/DC=org/DC=gridtest/CN=Root CA"
	subName  = "/DC=org/DC=gridtest/CN=Sub CA"
	janeName = "/DC=org/DC=gridtest/OU=people/CN=Jane Doe"
)

func newGrid(t testing.TB) *grid {
	t.Helper()
	g := &grid{t: t, store: &trust.Store{Certificates: t.TempDir(), VOMSDir: t.TempDir(), Host: "vobox.example.org"}}
	g.root = newCA(t, rootName, nil)
	g.sub = newCA(t, subName, g.root)
	g.addCA(g.root, "/DC=org/DC=gridtest/*")
	g.addCA(g.sub, "/DC=org/DC=gridtest/*")
	return g
}

func (g *grid) addCA(ca *entity, subjects ...string) {
	g.t.Helper()
	if err := trust.WriteAnchor(g.store.Certificates, ca.cert, subjects); err != nil {
		g.t.Fatal(err)
	}
}

// file writes a file of the CA, for instance ".signing_policy", under both hashes; content "" removes it.
func (g *grid) file(ca *entity, suffix, content string) {
	g.t.Helper()
	name := dn.MustFromDER(ca.cert.RawSubject)
	for _, hash := range []uint32{name.Hash(), name.OldHash()} {
		path := filepath.Join(g.store.Certificates, hex8(hash)+suffix)
		if content == "" {
			if err := os.Remove(path); err != nil {
				g.t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
}

func hex8(h uint32) string {
	s := big.NewInt(int64(h)).Text(16)
	return strings.Repeat("0", 8-len(s)) + s
}

// crl makes a CRL of the CA, signed by its key, and puts it into the directory.
func (g *grid) crl(ca *entity, from, to time.Duration, serials ...*big.Int) {
	g.t.Helper()
	if err := trust.WriteCRL(g.store.Certificates, ca.cert, makeCRL(g.t, ca, from, to, serials...)); err != nil {
		g.t.Fatal(err)
	}
}

func makeCRL(t testing.TB, ca *entity, from, to time.Duration, serials ...*big.Int) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(from), NextUpdate: now.Add(to)}
	for _, s := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: now.Add(-time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certs(entities ...*entity) []*x509.Certificate {
	out := make([]*x509.Certificate, len(entities))
	for i, e := range entities {
		out[i] = e.cert
	}
	return out
}

// wantError checks for a refusal with that id whose message holds all the given words.
func wantError(t testing.TB, err error, id string, words ...string) {
	t.Helper()
	var e *trust.Error
	if !errors.As(err, &e) {
		t.Errorf("error is %v, want one with ID %s", err, id)
		return
	}
	if e.ID != id {
		t.Errorf("ID is %s, want %s (%v)", e.ID, id, e)
	}
	for _, w := range words {
		if !strings.Contains(e.Msg, w) {
			t.Errorf("message %q lacks %q", e.Msg, w)
		}
	}
	if e.Msg == "" || strings.ContainsAny(e.Msg, "\n\r") {
		t.Errorf("message %q is not one line", e.Msg)
	}
}

func acTemplate() attrcert.Template {
	return attrcert.Template{
		VO: "alice", Host: "voms.example.org", Port: 15000, FQANs: []string{"/alice/Role=lcgadmin/Capability=NULL", "/alice"},
		NotBefore: now, NotAfter: now.Add(24 * time.Hour),
	}
}
