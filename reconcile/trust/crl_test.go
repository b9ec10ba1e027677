package trust_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func TestCRL(t *testing.T) {
	other := big.NewInt(99999)
	tests := []struct {
		name             string
		put              func(g *grid, jane *entity)
		present, require string // ID of the refusal in that mode, "" for none
		words            string
		end              time.Duration // CRLEnd
	}{
		{name: "none", put: func(*grid, *entity) {}, require: trust.IDCRLMissing, words: "there is no CRL of " + subName},
		{name: "good", put: func(g *grid, _ *entity) {
			g.crl(g.sub, -time.Hour, 5*time.Hour, other)
			g.crl(g.root, -time.Hour, 3*time.Hour)
		}, end: 3 * time.Hour},
		{name: "root's missing", put: func(g *grid, _ *entity) { g.crl(g.sub, -time.Hour, time.Hour) }, require: trust.IDCRLMissing, words: rootName, end: time.Hour},
		{name: "user revoked", put: func(g *grid, jane *entity) {
			g.crl(g.sub, -time.Hour, time.Hour, other, jane.cert.SerialNumber)
			g.crl(g.root, -time.Hour, time.Hour)
		}, present: trust.IDRevoked, require: trust.IDRevoked, words: "the user certificate " + janeName + " was revoked on"},
		{name: "sub-CA revoked", put: func(g *grid, _ *entity) {
			g.crl(g.sub, -time.Hour, time.Hour)
			g.crl(g.root, -time.Hour, time.Hour, g.sub.cert.SerialNumber)
		}, present: trust.IDRevoked, require: trust.IDRevoked, words: "the CA certificate " + subName + " was revoked on"},
		{name: "expired", put: func(g *grid, _ *entity) { g.crl(g.sub, -2*time.Hour, -time.Hour) }, present: trust.IDCRLStale, require: trust.IDCRLStale, words: "expired on"},
		{name: "expired with the user on it", put: func(g *grid, jane *entity) { g.crl(g.sub, -2*time.Hour, -time.Hour, jane.cert.SerialNumber) },
			present: trust.IDRevoked, require: trust.IDRevoked},
		{name: "of tomorrow", put: func(g *grid, _ *entity) { g.crl(g.sub, time.Hour, 2*time.Hour) }, present: trust.IDCRLInvalid, require: trust.IDCRLInvalid, words: "not valid before"},
		{name: "of in four minutes", put: func(g *grid, _ *entity) {
			g.crl(g.sub, 4*time.Minute, time.Hour)
			g.crl(g.root, 4*time.Minute, time.Hour)
		}, end: time.Hour},
		{name: "by another key", put: func(g *grid, _ *entity) {
			forged := newCA(g.t, subName, nil)
			if err := trust.WriteCRL(g.store.Certificates, g.sub.cert, makeCRL(g.t, forged, -time.Hour, time.Hour)); err != nil {
				g.t.Fatal(err)
			}
		}, present: trust.IDCRLInvalid, require: trust.IDCRLInvalid, words: "not by that CA's key"},
		{name: "of another CA with the hash", put: func(g *grid, _ *entity) {
			if err := trust.WriteCRL(g.store.Certificates, g.sub.cert, makeCRL(g.t, newCA(g.t, "/O=Other/CN=CA", nil), -time.Hour, time.Hour)); err != nil {
				g.t.Fatal(err)
			}
		}, require: trust.IDCRLMissing},
		{name: "garbage", put: func(g *grid, _ *entity) { g.file(g.sub, ".r0", "garbage") }, present: trust.IDCRLInvalid, require: trust.IDCRLInvalid, words: "it is not a CRL"},
		{name: "half-written", put: func(g *grid, _ *entity) {
			block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: makeCRL(g.t, g.sub, -time.Hour, time.Hour)})
			g.file(g.sub, ".r0", string(block[:100]))
		}, present: trust.IDCRLInvalid, require: trust.IDCRLInvalid},
		{name: "expired, and a good one beside it", put: func(g *grid, _ *entity) {
			g.crl(g.sub, -2*time.Hour, -time.Hour)
			block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: makeCRL(g.t, g.sub, -time.Hour, time.Hour)})
			g.file(g.sub, ".r1", string(block))
			g.crl(g.root, -time.Hour, 2*time.Hour)
		}, end: time.Hour},
		{name: "DER", put: func(g *grid, jane *entity) {
			g.file(g.sub, ".r0", string(makeCRL(g.t, g.sub, -time.Hour, time.Hour, jane.cert.SerialNumber)))
		}, present: trust.IDRevoked, require: trust.IDRevoked},
		{name: "version 1", put: func(g *grid, jane *entity) {
			g.file(g.sub, ".r0", string(crlV1(g.t, g.sub, jane.cert.SerialNumber)))
		}, present: trust.IDRevoked, require: trust.IDRevoked},
		{name: "delta", put: func(g *grid, _ *entity) { g.file(g.sub, ".r0", string(special(g.t, g.sub, 27, []byte{2, 1, 1}))) },
			present: trust.IDCRLInvalid, require: trust.IDCRLInvalid, words: "delta"},
		{name: "indirect", put: func(g *grid, _ *entity) {
			g.file(g.sub, ".r0", string(special(g.t, g.sub, 28, []byte{0x30, 3, 0x84, 1, 0xff})))
		}, present: trust.IDCRLInvalid, require: trust.IDCRLInvalid, words: "indirect"},
		{name: "of CAs only", put: func(g *grid, _ *entity) {
			g.file(g.sub, ".r0", string(special(g.t, g.sub, 28, []byte{0x30, 3, 0x82, 1, 0xff})))
			g.crl(g.root, -time.Hour, time.Hour)
		}, require: trust.IDCRLMissing, words: subName, end: time.Hour},
		{name: "of users only", put: func(g *grid, _ *entity) {
			g.file(g.sub, ".r0", string(special(g.t, g.sub, 28, []byte{0x30, 3, 0x81, 1, 0xff})))
			g.crl(g.root, -time.Hour, time.Hour)
		}, end: time.Hour},
		{name: "unknown critical extension", put: func(g *grid, _ *entity) { g.file(g.sub, ".r0", string(special(g.t, g.sub, 99, []byte{5, 0}))) },
			present: trust.IDCRLInvalid, require: trust.IDCRLInvalid, words: "2.5.29.99"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGrid(t)
			jane := newEEC(t, janeName, g.sub)
			proxy := newProxy(t, jane, proxyKind{})
			tt.put(g, jane)
			for mode, id := range map[trust.CRLMode]string{"": tt.present, trust.CRLIfPresent: tt.present, trust.CRLRequire: tt.require, trust.CRLIgnore: ""} {
				store := &trust.Store{Certificates: g.store.Certificates, CRL: mode}
				r, err := store.VerifyChain(certs(proxy, jane), now)
				switch {
				case id != "":
					wantError(t, err, id, tt.words)
				case err != nil:
					t.Errorf("mode %q: %v", mode, err)
				case mode != trust.CRLIgnore && (tt.end == 0) != r.CRLEnd.IsZero() || mode != trust.CRLIgnore && tt.end != 0 && !r.CRLEnd.Equal(now.Add(tt.end)):
					t.Errorf("mode %q: CRLEnd is %v, want now+%v", mode, r.CRLEnd, tt.end)
				}
			}
		})
	}
}

// special makes a CRL with one more critical extension, 2.5.29.n.
func special(t testing.TB, ca *entity, n int, value []byte) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}
	list.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, n}, Critical: true, Value: value}}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// crlV1 makes a CRL without version and extensions, which crypto/x509 neither writes nor reads.
func crlV1(t testing.TB, ca *entity, serial *big.Int) []byte {
	t.Helper()
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	type entry struct {
		Serial *big.Int
		Date   time.Time
	}
	tbs, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Issuer    asn1.RawValue
		This      time.Time
		Next      time.Time
		Revoked   []entry
	}{algorithm, asn1.RawValue{FullBytes: ca.cert.RawSubject}, now.Add(-time.Hour), now.Add(time.Hour), []entry{{serial, now.Add(-time.Hour)}}})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(tbs)
	signature, err := ca.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestNamedPipe must not hang.
func TestNamedPipe(t *testing.T) {
	g := newGrid(t)
	path := filepath.Join(g.store.Certificates, hashOf(g.sub)+".r0")
	if err := os.Mkdir(path, 0o755); err != nil { // a directory stands for all that is not a file
		t.Fatal(err)
	}
	_, err := g.store.VerifyChain(certs(newEEC(t, janeName, g.sub)), now)
	wantError(t, err, trust.IDCRLInvalid, "not a regular file")
}
