package trust_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func TestPathRules(t *testing.T) {
	pathLen := func(n int) change {
		return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
	}
	notCA := func(c *x509.Certificate) { c.IsCA = false }
	noConstraints := func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }
	noCertSign := func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }
	dns := func(names ...string) change { return func(c *x509.Certificate) { c.DNSNames = names } }
	var unknown = extension(true, []byte{5, 0}, 1, 2, 3, 4)
	policies := extension(true, []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3}, 2, 5, 29, 32)
	tests := []struct {
		name           string
		root, sub, eec []change
		id, words      string
	}{
		{name: "plain"},
		{name: "root of path length 0", root: []change{pathLen(0)}, id: trust.IDPathLength, words: rootName + " allows 0 CAs below it, and there are 1"},
		{name: "root of path length 1", root: []change{pathLen(1)}},
		{name: "sub-CA of path length 0", sub: []change{pathLen(0)}},
		{name: "sub-CA that is none", sub: []change{notCA}, id: trust.IDNotCA, words: subName + " is not that of a CA"},
		{name: "sub-CA without basicConstraints", sub: []change{noConstraints}, id: trust.IDNotCA, words: subName},
		{name: "sub-CA without keyCertSign", sub: []change{noCertSign}, id: trust.IDNotCA, words: "keyCertSign"},
		{name: "root without basicConstraints", root: []change{noConstraints}},
		{name: "root without keyCertSign", root: []change{noCertSign}, id: trust.IDNotCA, words: "keyCertSign"},
		{name: "expired sub-CA", sub: []change{valid(-9*time.Hour, -time.Hour)}, id: trust.IDExpired, words: "the CA certificate " + subName + " expired on"},
		{name: "expired root", root: []change{valid(-9*time.Hour, -time.Hour)}, id: trust.IDExpired, words: "the CA certificate " + rootName},
		{name: "sub-CA of tomorrow", sub: []change{valid(24*time.Hour, 48*time.Hour)}, id: trust.IDNotYet, words: subName},
		{name: "unknown critical extension of the EEC", eec: []change{unknown}, id: trust.IDCritical, words: "the user certificate " + janeName},
		{name: "unknown critical extension of the CA", sub: []change{unknown}, id: trust.IDCritical, words: "the CA certificate " + subName},
		{name: "critical certificate policies", eec: []change{policies}, sub: []change{policies}},
		{name: "within permitted DNS names", sub: []change{constrain("example.org", "")}, eec: []change{dns("a.example.org")}},
		{name: "outside permitted DNS names", sub: []change{constrain("example.org", "")}, eec: []change{dns("a.example.org", "evil.example.com")}, id: trust.IDNames, words: subName},
		{name: "excluded DNS name", root: []change{constrain("", "a.example.org")}, eec: []change{dns("x.a.example.org")}, id: trust.IDNames, words: rootName},
		{name: "not excluded DNS name", root: []change{constrain("", "a.example.org")}, eec: []change{dns("xa.example.org")}},
		{name: "no DNS name to constrain", sub: []change{constrain("example.org", "")}},
		{name: "within permitted directory", sub: []change{directory("/DC=org/DC=gridtest", 0)}},
		{name: "outside permitted directory", sub: []change{directory("/DC=org/DC=gridtest/OU=hosts", 0)}, id: trust.IDNames, words: janeName},
		{name: "excluded directory", sub: []change{directory("/DC=org/DC=gridtest/OU=people", 1)}, id: trust.IDNames, words: janeName},
		{name: "name constraints with a minimum", sub: []change{extension(true, []byte{0x30, 10, 0xa0, 8, 0x30, 6, 0x82, 1, 'x', 0x80, 1, 1}, 2, 5, 29, 30)}, id: trust.IDMalformed, words: "name constraints"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &grid{t: t, store: &trust.Store{Certificates: t.TempDir()}}
			root := newCA(t, rootName, nil, tt.root...)
			sub := newCA(t, subName, root, tt.sub...)
			g.addCA(root, "/DC=org/*")
			g.addCA(sub, "/DC=org/*")
			eec := newEEC(t, janeName, sub, tt.eec...)
			// Proxies must not count for the CAs' path lengths.
			one := newProxy(t, eec, proxyKind{})
			_, err := g.store.VerifyChain(certs(newProxy(t, one, proxyKind{}), one, eec), now)
			if tt.id == "" && err != nil {
				t.Errorf("refused: %v", err)
			} else if tt.id != "" {
				wantError(t, err, tt.id, tt.words)
			}
		})
	}
}

// constrain permits or excludes DNS names.
func constrain(permitted, excluded string) change {
	return func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical = true
		if permitted != "" {
			c.PermittedDNSDomains = []string{permitted}
		}
		if excluded != "" {
			c.ExcludedDNSDomains = []string{excluded}
		}
	}
}

// directory permits (0) or excludes (1) a subtree of directory names, which crypto/x509 cannot write.
func directory(name string, which byte) change {
	n, err := dn.Parse(name)
	if err != nil {
		panic(err)
	}
	tlv := func(tag byte, content []byte) []byte { return append([]byte{tag, byte(len(content))}, content...) }
	return extension(true, tlv(0x30, tlv(0xa0|which, tlv(0x30, tlv(0xa4, n.DER())))), 2, 5, 29, 30)
}

func TestProxiesDoNotCountForCAs(t *testing.T) {
	g := &grid{t: t, store: &trust.Store{Certificates: t.TempDir()}}
	root := newCA(t, rootName, nil, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	g.addCA(root, "/DC=org/*")
	jane := newEEC(t, janeName, root)
	one := newProxy(t, jane, proxyKind{})
	if _, err := g.store.VerifyChain(certs(newProxy(t, one, proxyKind{}), one, jane), now); err != nil {
		t.Error(err)
	}
}

func TestAnchors(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)

	t.Run("sub-CA presented only", func(t *testing.T) {
		dir := t.TempDir()
		h := &grid{t: t, store: &trust.Store{Certificates: dir}}
		h.addCA(g.root, "/DC=org/*")
		_, err := h.store.VerifyChain(certs(jane, g.sub), now)
		wantError(t, err, trust.IDPolicy, "the CA "+subName+" has no signing policy", ".signing_policy is missing")
		h.file(g.sub, ".signing_policy", policy(subName, "/DC=org/*"))
		if _, err := h.store.VerifyChain(certs(jane, g.sub), now); err != nil {
			t.Error(err)
		}
		_, err = h.store.VerifyChain(certs(jane), now)
		wantError(t, err, trust.IDNoAnchor, "no trust anchor for issuer "+subName+" in "+dir+" (looked for ", ".0)")
	})
	t.Run("root presented only", func(t *testing.T) {
		h := &grid{t: t, store: &trust.Store{Certificates: t.TempDir()}}
		h.addCA(g.sub, "/DC=org/*")
		_, err := h.store.VerifyChain(certs(jane, g.sub, g.root), now)
		wantError(t, err, trust.IDNoAnchor, rootName, "not among the trust anchors")
	})
	t.Run("one hash is enough", func(t *testing.T) {
		for _, old := range []bool{false, true} {
			dir := t.TempDir()
			for _, ca := range []*entity{g.root, g.sub} {
				name := dn.MustFromDER(ca.cert.RawSubject)
				hash := name.Hash()
				if old {
					hash = name.OldHash()
				}
				text := "Subject: whatever\n" + pemOf(g.newUnrelated(t)) + "more text\r\n" + strings.ReplaceAll(pemOf(ca), "\n", "\r\n") + "end"
				write(t, filepath.Join(dir, hex8(hash)+".3"), text)
				write(t, filepath.Join(dir, hex8(hash)+".signing_policy"), policy(name.String(), "/DC=org/*"))
			}
			if _, err := (&trust.Store{Certificates: dir}).VerifyChain(certs(jane), now); err != nil {
				t.Errorf("old hash %v: %v", old, err)
			}
		}
	})
	t.Run("not named by a hash", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "gridtest.pem"), pemOf(g.root)+pemOf(g.sub))
		write(t, filepath.Join(dir, "4339b4b.0"), pemOf(g.sub))
		_, err := (&trust.Store{Certificates: dir}).VerifyChain(certs(jane), now)
		wantError(t, err, trust.IDNoAnchor, "looked for")
	})
	t.Run("broken file", func(t *testing.T) {
		dir := t.TempDir()
		for _, content := range []string{"", "garbage", "-----BEGIN CERTIFICATE-----\nMII", pemOf(g.sub)[:200]} {
			write(t, filepath.Join(dir, hashOf(g.sub)+".0"), content)
			_, err := (&trust.Store{Certificates: dir}).VerifyChain(certs(jane), now)
			wantError(t, err, trust.IDNoAnchor, hashOf(g.sub)+".0")
		}
	})
	t.Run("no directory", func(t *testing.T) {
		_, err := (&trust.Store{Certificates: filepath.Join(t.TempDir(), "none")}).VerifyChain(certs(jane), now)
		wantError(t, err, trust.IDNoAnchor, "cannot be read")
		_, err = new(trust.Store).VerifyChain(certs(jane), now)
		wantError(t, err, trust.IDNoAnchor, "cannot be read")
	})
	t.Run("self-signed stranger", func(t *testing.T) {
		_, err := g.store.VerifyChain(certs(newEEC(t, janeName, nil)), now)
		wantError(t, err, trust.IDNoAnchor, "self-signed certificate "+janeName)
	})
	t.Run("impostor CA of the same name presented", func(t *testing.T) {
		impostor := newCA(t, subName, newCA(t, rootName, nil))
		_, err := g.store.VerifyChain(certs(newEEC(t, janeName, impostor), impostor), now)
		if err == nil {
			t.Error("accepted")
		}
	})
	t.Run("EEC that signs as a CA", func(t *testing.T) {
		_, err := g.store.VerifyChain(certs(newEEC(t, "/DC=org/DC=gridtest/CN=Evil", jane), jane), now)
		wantError(t, err, trust.IDNotCA, janeName)
	})
}

func (g *grid) newUnrelated(t *testing.T) *entity { return newCA(t, "/O=Unrelated/CN=CA", nil) }

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pemOf(e *entity) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.cert.Raw}))
}

func hashOf(e *entity) string { return hex8(dn.MustFromDER(e.cert.RawSubject).Hash()) }

func policy(ca string, subjects ...string) string {
	return fmt.Sprintf("access_id_CA X509 '%s'\npos_rights globus CA:sign\ncond_subjects globus '\"%s\"'\n", ca, strings.Join(subjects, `" "`))
}

// TestCAsOfOneName has a CA with a new key, and the new key certified by the old one.
func TestCAsOfOneName(t *testing.T) {
	g := newGrid(t)
	renewed := newCA(t, rootName, nil)
	g.addCA(renewed, "/DC=org/DC=gridtest/*")
	for _, ca := range []*entity{g.root, renewed} {
		jane := newEEC(t, janeName, ca)
		r, err := g.store.VerifyChain(certs(jane), now)
		if err != nil || !r.Anchors[0].Equal(ca.cert) {
			t.Errorf("path is not to the CA that signed: %v", err)
		}
	}
	cross := sign(t, &x509.Certificate{
		RawSubject: renewed.cert.RawSubject, SerialNumber: renewed.cert.SerialNumber, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, SubjectKeyId: []byte{1, 2, 3},
	}, g.root, ecKey(t))
	jane := newEEC(t, janeName, cross)
	r, err := g.store.VerifyChain(certs(jane, cross), now)
	if err != nil || len(r.Anchors) != 2 || !r.Anchors[1].Equal(g.root.cert) {
		t.Errorf("the new key, certified by the old: %v", err)
	}
}

// TestChangedFiles replaces files under a store that has read them.
func TestChangedFiles(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	verify := func() error { _, err := g.store.VerifyChain(certs(jane), now); return err }
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	g.file(g.sub, ".signing_policy", policy(subName, "/DC=com/*"))
	wantError(t, verify(), trust.IDPolicy, "does not let")
	g.file(g.sub, ".signing_policy", policy(subName, "/DC=org/*"))
	g.crl(g.sub, -time.Hour, time.Hour, jane.cert.SerialNumber)
	wantError(t, verify(), trust.IDRevoked, janeName)
	g.crl(g.sub, -time.Hour, time.Hour)
	if err := verify(); err != nil {
		t.Error(err)
	}
	g.file(g.root, ".0", "")
	wantError(t, verify(), trust.IDNoAnchor, rootName)
	g.addCA(g.root, "/DC=org/*")
	if err := verify(); err != nil {
		t.Error(err)
	}
}

// TestOnlyWhatIsNeeded puts unreadable things beside the CAs that are needed.
func TestOnlyWhatIsNeeded(t *testing.T) {
	g := newGrid(t)
	for i := range 50 {
		write(t, filepath.Join(g.store.Certificates, fmt.Sprintf("%08x.0", 0x12340000+i)), "garbage")
		write(t, filepath.Join(g.store.Certificates, fmt.Sprintf("%08x.signing_policy", 0x12340000+i)), "garbage")
	}
	if _, err := g.store.VerifyChain(certs(newEEC(t, janeName, g.sub)), now); err != nil {
		t.Error(err)
	}
}

// TestConcurrent is for the race detector: one store, many chains, and files that change meanwhile.
func TestConcurrent(t *testing.T) {
	g := newVOGrid(t)
	ac := g.ac(g.voms, nil)
	write(t, filepath.Join(g.store.VOMSDir, "voms.pem"), pemOf(g.voms))
	chain := certs(newProxy(t, g.jane, proxyKind{}), g.jane, g.sub)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if _, err := g.store.VerifyChain(chain, now); err != nil {
					t.Error(err)
				}
				if _, err := g.store.VerifyAC(ac, g.jane.cert, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		g.crl(g.sub, -time.Hour, time.Hour)
		g.addCA(g.root, "/DC=org/*")
	}
	wg.Wait()
}

// TestManyOfOneName has forty certificates of one name, each a proxy that the next one signed: looking for the signer of
// each among all of them would be eight hundred signatures.
func TestManyOfOneName(t *testing.T) {
	g := newGrid(t)
	e := newEEC(t, janeName, g.sub)
	all := []*entity{e}
	for range 39 {
		e = newProxy(t, e, proxyKind{}, func(c *x509.Certificate) { c.RawSubject = all[0].cert.RawSubject })
		all = append(all, e)
	}
	_, err := g.store.VerifyPeer(certs(append([]*entity{newProxy(t, e, proxyKind{})}, all...)...), now)
	wantError(t, err, trust.IDPathLength, "more than 160 signatures")
}

// TestConstraintsOnMalformedName has a certificate whose name crypto/x509 lets through although there are octets after a
// value: no constraints permit it, and comparing it with them ends.
func TestConstraintsOnMalformedName(t *testing.T) {
	g := newGrid(t)
	base := bound.DER(0x30, bound.DER(0xa4, parseDN(t, "/DC=org/DC=gridtest").DER()))
	sub := newCA(t, "/DC=org/DC=gridtest/CN=Constrained", g.root, extension(true, bound.DER(0x30, bound.DER(0xa0, base)), 2, 5, 29, 30))
	g.addCA(sub, "*")
	attribute := bound.DER(0x30, append([]byte{6, 3, 0x55, 4, 3}, 12, 1, 'a', 5, 0))
	odd := newEEC(t, "/CN=x", sub, func(c *x509.Certificate) { c.RawSubject = bound.DER(0x30, bound.DER(0x31, attribute)) })
	_, err := g.store.VerifyChain(certs(odd), now)
	wantError(t, err, trust.IDNames, "do not let it vouch for")
	_, err = g.store.VerifyChain(certs(newEEC(t, "/DC=org/DC=gridtest/CN=Jane", sub)), now)
	if err != nil {
		t.Errorf("a name within is refused: %v", err)
	}
}
