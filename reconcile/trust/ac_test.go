package trust_test

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

const vomsName = "/DC=org/DC=gridtest/OU=computers/CN=voms.example.org"

// A voGrid is a grid with a VOMS server's certificate and the LSC file for it.
type voGrid struct {
	*grid
	voms, jane *entity
}

func newVOGrid(t testing.TB, changes ...change) *voGrid {
	t.Helper()
	g := &voGrid{grid: newGrid(t)}
	g.voms = newEEC(t, vomsName, g.sub, changes...)
	g.jane = newEEC(t, janeName, g.sub)
	g.lsc(vomsName + "\n" + subName + "\n")
	return g
}

func (g *voGrid) lsc(content string) {
	g.t.Helper()
	dir := filepath.Join(g.store.VOMSDir, "alice")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		g.t.Fatal(err)
	}
	write(g.t, filepath.Join(dir, "voms.example.org.lsc"), content)
}

func (g *voGrid) ac(signer *entity, change func(*attrcert.Template), more ...*entity) *attrcert.AC {
	g.t.Helper()
	template := acTemplate()
	if change != nil {
		change(&template)
	}
	der, err := attrcert.Issue(template, g.jane.cert, certs(append([]*entity{signer}, more...)...), signer.key)
	if err != nil {
		g.t.Fatal(err)
	}
	ac, err := attrcert.Parse(der)
	if err != nil {
		g.t.Fatal(err)
	}
	return ac
}

func TestVerifyAC(t *testing.T) {
	g := newVOGrid(t)
	r, err := g.store.VerifyAC(g.ac(g.voms, nil), g.jane.cert, now)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Signer.Equal(g.voms.cert) || !r.EffectiveEnd.Equal(now.Add(24*time.Hour)) || r.EndsWith != "the attribute certificate of alice" {
		t.Errorf("got %v, %q, signer %v", r.EffectiveEnd, r.EndsWith, r.Signer.Subject)
	}
	tests := []struct {
		name      string
		change    func(*attrcert.Template)
		id, words string
	}{
		{"issuer form of holder", func(tm *attrcert.Template) { tm.IssuerHolder = true }, "", ""},
		{"short FQANs", func(tm *attrcert.Template) { tm.FQANs = []string{"/alice/Role=lcgadmin", "/alice"} }, "", ""},
		{"no FQANs", func(tm *attrcert.Template) { tm.FQANs = nil }, "", ""},
		{"FQAN of another VO", func(tm *attrcert.Template) { tm.FQANs = append(tm.FQANs, "/atlas/Role=production") }, trust.IDAC, "\"/atlas/Role=production\" of another VO"},
		{"FQAN of a VO whose name begins alike", func(tm *attrcert.Template) { tm.FQANs = []string{"/alicevil"} }, trust.IDAC, "another VO"},
		{"no FQAN at all", func(tm *attrcert.Template) { tm.FQANs = []string{"alice"} }, trust.IDAC, "of another VO"},
		{"ended 4 minutes ago", func(tm *attrcert.Template) {
			tm.NotAfter = now.Add(-4 * time.Minute)
			tm.NotBefore = now.Add(-time.Hour)
		}, "", ""},
		{"ended 6 minutes ago", func(tm *attrcert.Template) {
			tm.NotAfter = now.Add(-6 * time.Minute)
			tm.NotBefore = now.Add(-time.Hour)
		},
			trust.IDACExpired, "the attribute certificate of alice for " + janeName + " expired on "},
		{"begins in 4 minutes", func(tm *attrcert.Template) { tm.NotBefore = now.Add(4 * time.Minute) }, "", ""},
		{"begins in 6 minutes", func(tm *attrcert.Template) { tm.NotBefore = now.Add(6 * time.Minute) }, trust.IDACExpired, "not valid before"},
		{"ends before it begins", func(tm *attrcert.Template) { tm.NotBefore, tm.NotAfter = now.Add(time.Minute), now }, trust.IDACExpired, "ends before it begins"},
		{"target is us", func(tm *attrcert.Template) { tm.Targets = []string{"ce.example.org", "VOBOX.example.org"} }, "", ""},
		{"target is another", func(tm *attrcert.Template) { tm.Targets = []string{"ce.example.org"} }, trust.IDAC, "is for ce.example.org, not for this host vobox.example.org"},
		{"another VO, no LSC file", func(tm *attrcert.Template) { tm.VO, tm.FQANs = "dteam", []string{"/dteam"} }, trust.IDLSC, "dteam/voms.example.org.lsc"},
		{"another host, no LSC file", func(tm *attrcert.Template) { tm.Host = "voms2.example.org" }, trust.IDLSC, "there is no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := g.store.VerifyAC(g.ac(g.voms, tt.change), g.jane.cert, now)
			if tt.id != "" {
				wantError(t, err, tt.id, tt.words)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyACHolder(t *testing.T) {
	g := newVOGrid(t)
	ac := g.ac(g.voms, nil)
	john := newEEC(t, "/DC=org/DC=gridtest/OU=people/CN=John", g.sub)
	_, err := g.store.VerifyAC(ac, john.cert, now)
	wantError(t, err, trust.IDACHolder, "is about "+janeName, "not about /DC=org/DC=gridtest/OU=people/CN=John")
	renewed := newEEC(t, janeName, g.sub) // another serial number
	_, err = g.store.VerifyAC(ac, renewed.cert, now)
	wantError(t, err, trust.IDACHolder)
	_, err = g.store.VerifyAC(ac, nil, now)
	wantError(t, err, trust.IDMalformed)
	_, err = g.store.VerifyAC(nil, g.jane.cert, now)
	wantError(t, err, trust.IDMalformed)
}

func TestVerifyACForged(t *testing.T) {
	g := newVOGrid(t)
	good := g.ac(g.voms, nil)
	reparse := func(der []byte) *attrcert.AC {
		ac, err := attrcert.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		return ac
	}
	verify := func(ac *attrcert.AC) error { _, err := g.store.VerifyAC(ac, g.jane.cert, now); return err }

	wantError(t, verify(reparse(bytes.Replace(good.Raw, []byte("Role=lcgadmin"), []byte("Role=vo-admin"), 1))), trust.IDAC, "is not signed by "+vomsName)
	flipped := bytes.Clone(good.Raw)
	flipped[len(flipped)-1] ^= 1
	wantError(t, verify(reparse(flipped)), trust.IDAC, "is not signed by")

	wantError(t, verify(g.ac(g.jane, nil)), trust.IDLSC, "is signed by "+janeName, "which is not what")
	outsider := newEEC(t, vomsName, newCA(t, subName, nil))
	if err := verify(g.ac(outsider, nil)); err == nil {
		t.Error("signed by a stranger with the server's name, and accepted")
	}
	// The right certificate in front, the signature by another of the same name.
	if err := verify(g.ac(outsider, nil, g.voms)); err == nil {
		t.Error("signed by a stranger beside the server's certificate, and accepted")
	}
	proxy := newProxy(t, g.voms, proxyKind{})
	wantError(t, verify(g.ac(proxy, nil, g.voms)), trust.IDACSigner, "which is a proxy certificate")
	wantError(t, verify(g.ac(g.sub, nil)), trust.IDACSigner, "which is a CA certificate")

	critical := reparse(good.Raw)
	critical.UnhandledCritical = append(critical.UnhandledCritical, []int{1, 2, 3})
	wantError(t, verify(critical), trust.IDAC, "critical extension 1.2.3")
	noRev := reparse(good.Raw)
	noRev.NoRevAvail = false
	wantError(t, verify(noRev), trust.IDAC, "lacks noRevAvail")
	noKey := reparse(good.Raw)
	noKey.AuthorityKeyID = nil
	wantError(t, verify(noKey), trust.IDAC, "lacks noRevAvail or authorityKeyIdentifier")
	otherKey := reparse(good.Raw)
	otherKey.AuthorityKeyID = []byte("another key")
	wantError(t, verify(otherKey), trust.IDAC, "names another key")
	bySKI := reparse(good.Raw)
	bySKI.AuthorityKeyID = g.voms.cert.SubjectKeyId
	if len(bySKI.AuthorityKeyID) > 0 && verify(bySKI) != nil {
		t.Errorf("key identifier as Java has it: %v", verify(bySKI))
	}
	path := reparse(good.Raw)
	path.VO, path.FQANs, path.RawFQANs = "../alice", nil, nil
	wantError(t, verify(path), trust.IDAC, "impossible policy authority")
}

func TestVerifyACSigner(t *testing.T) {
	tests := []struct {
		name      string
		changes   []change
		do        func(g *voGrid)
		id, words string
	}{
		{"expired", []change{valid(-2*time.Hour, -time.Hour)}, nil, trust.IDACSigner, "the host certificate " + vomsName + " expired on"},
		{"without digitalSignature", []change{func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }}, nil, trust.IDACSigner, "digitalSignature"},
		{"revoked", nil, func(g *voGrid) { g.crl(g.sub, -time.Hour, time.Hour, g.voms.cert.SerialNumber) }, trust.IDACSigner, "was revoked"},
		{"CRL stale", nil, func(g *voGrid) { g.crl(g.sub, -2*time.Hour, -time.Hour) }, trust.IDACSigner, "the CRL"},
		{"signing policy", nil, func(g *voGrid) { g.file(g.sub, ".signing_policy", policy(subName, "/DC=org/DC=gridtest/OU=people/*")) }, trust.IDACSigner, "does not let"},
		{"CA missing", nil, func(g *voGrid) { g.file(g.root, ".0", "") }, trust.IDACSigner, "no trust anchor"},
		{"LSC file names another", nil, func(g *voGrid) { g.lsc("/DC=ch/CN=other\n" + subName) }, trust.IDLSC, vomsName},
		{"LSC file names another CA", nil, func(g *voGrid) { g.lsc(vomsName + "\n/DC=ch/CN=other CA") }, trust.IDLSC, ""},
		{"LSC file the wrong way round", nil, func(g *voGrid) { g.lsc(subName + "\n" + vomsName) }, trust.IDLSC, ""},
		{"LSC file empty", nil, func(g *voGrid) { g.lsc("") }, trust.IDLSC, "there is no DN in it"},
		{"LSC file with one line", nil, func(g *voGrid) { g.lsc(vomsName) }, trust.IDLSC, "without the issuer"},
		{"LSC file quoted and commented", nil, func(g *voGrid) { g.lsc("# VO alice\r\n\r\n \"" + vomsName + "\" \r\n\"" + subName + "\"\r\n") }, "", ""},
		{"LSC file with alternatives", nil, func(g *voGrid) {
			g.lsc("/DC=ch/CN=old\n/DC=ch/CN=CA\n------ NEXT CHAIN ------\n" + vomsName + "\n" + subName + "\n------NEXT CHAIN------\n/x=y")
		}, trust.IDLSC, "without the issuer"},
		{"LSC file with good alternatives", nil, func(g *voGrid) {
			g.lsc("/DC=ch/CN=old\n/DC=ch/CN=CA\n------ NEXT CHAIN ------\n" + vomsName + "\n" + subName + "\n------NEXT CHAIN------\n")
		}, "", ""},
		{"LSC file with the whole chain", nil, func(g *voGrid) { g.lsc(vomsName + "\n" + subName + "\n" + subName + "\n" + rootName) }, "", ""},
		{"LSC file with another chain above", nil, func(g *voGrid) { g.lsc(vomsName + "\n" + subName + "\n" + subName + "\n/DC=ch/CN=other") }, trust.IDLSC, ""},
		{"LSC file with a longer chain", nil, func(g *voGrid) { g.lsc(strings.Repeat(vomsName+"\n"+subName+"\n", 9)) }, trust.IDLSC, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newVOGrid(t, tt.changes...)
			ac := g.ac(g.voms, nil)
			if tt.do != nil {
				tt.do(g)
			}
			_, err := g.store.VerifyAC(ac, g.jane.cert, now)
			if tt.id != "" {
				wantError(t, err, tt.id, tt.words)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVerifyACEnd(t *testing.T) {
	g := newVOGrid(t, valid(-time.Hour, 5*time.Hour))
	r, err := g.store.VerifyAC(g.ac(g.voms, nil), g.jane.cert, now)
	if err != nil || !r.EffectiveEnd.Equal(now.Add(5*time.Hour)) || r.EndsWith != "the host certificate "+vomsName+", which signed the attribute certificate" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestLSCOfNamesWithSlashes: a slash inside a value is not one between attributes, and an LSC file may have either.
func TestLSCOfNamesWithSlashes(t *testing.T) {
	const org = "/DC=org/DC=gridtest"
	tests := []struct {
		name, signer, text string
		good               bool
	}{
		{"service", org + `/CN=voms\/voms.example.org`, org + "/CN=voms/voms.example.org", true},
		{"service, escaped", org + `/CN=voms\/voms.example.org`, org + `/CN=voms\/voms.example.org`, true},
		{"attribute in a value", org + `/OU=computers\/CN=voms.example.org`, vomsName, false},
		{"attribute in a value, escaped", org + `/OU=computers\/CN=voms.example.org`, org + `/OU=computers\/CN=voms.example.org`, true},
		{"attribute behind a plus", org + `/OU=computers\+CN=voms.example.org`, org + "/OU=computers+CN=voms.example.org", false},
		{"OID in a value", org + `/OU=computers\/2.5.4.3=voms.example.org`, org + "/OU=computers/2.5.4.3=voms.example.org", false},
		{"backslash at the end of a value", org + `/OU=computers\\/CN=voms.example.org`, org + `/OU=computers\/CN=voms.example.org`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newVOGrid(t)
			g.voms = newEEC(t, tt.signer, g.sub)
			g.lsc(tt.text + "\n" + subName + "\n")
			_, err := g.store.VerifyAC(g.ac(g.voms, nil), g.jane.cert, now)
			if tt.good && err != nil {
				t.Errorf("refused: %v", err)
			} else if !tt.good {
				wantError(t, err, trust.IDLSC, "is not what")
			}
		})
	}
}

// TestVerifyACByCertificate has no LSC file, but the server's certificate in the vomsdir.
func TestVerifyACByCertificate(t *testing.T) {
	for _, dir := range []string{"", "alice"} {
		g := newVOGrid(t)
		if err := os.Remove(filepath.Join(g.store.VOMSDir, "alice", "voms.example.org.lsc")); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(g.store.VOMSDir, "alice", "garbage.pem"), "garbage")
		ac := g.ac(g.voms, nil)
		_, err := g.store.VerifyAC(ac, g.jane.cert, now)
		wantError(t, err, trust.IDLSC, "nothing says who may sign for the VO alice")
		write(t, filepath.Join(g.store.VOMSDir, dir, "voms.pem"), pemOf(g.voms))
		if _, err := g.store.VerifyAC(ac, g.jane.cert, now); err != nil {
			t.Errorf("in %q: %v", dir, err)
		}
		g.crl(g.sub, -time.Hour, time.Hour, g.voms.cert.SerialNumber)
		_, err = g.store.VerifyAC(ac, g.jane.cert, now)
		wantError(t, err, trust.IDACSigner, "was revoked")
	}
}

func TestWriteLSC(t *testing.T) {
	g := newVOGrid(t)
	odd := newEEC(t, `/DC=org/DC=gridtest/CN=host\/voms.example.org`, g.sub)
	chain := []dn.Name{dn.MustFromDER(odd.cert.RawSubject), dn.MustFromDER(odd.cert.RawIssuer)}
	if err := trust.WriteLSC(g.store.VOMSDir, "alice", "voms.example.org", chain); err != nil {
		t.Fatal(err)
	}
	if _, err := g.store.VerifyAC(g.ac(odd, nil), g.jane.cert, now); err != nil {
		t.Error(err)
	}
	// As OpenSSL before 3.0 would have written it.
	g.lsc("/DC=org/DC=gridtest/CN=host/voms.example.org\n" + subName)
	if _, err := g.store.VerifyAC(g.ac(odd, nil), g.jane.cert, now); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]dn.Name{nil, chain[:1]} {
		if trust.WriteLSC(g.store.VOMSDir, "alice", "voms.example.org", bad) == nil {
			t.Errorf("takes %d names", len(bad))
		}
	}
}

// TestLongSerial: some VOMS servers' certificates and holders have serial numbers of the full 20 octets.
func TestLongSerial(t *testing.T) {
	g := newVOGrid(t)
	g.jane = newEEC(t, janeName, g.sub, func(c *x509.Certificate) { c.SerialNumber = new(big.Int).SetBytes(bytes.Repeat([]byte{0x7f}, 20)) })
	if _, err := g.store.VerifyAC(g.ac(g.voms, nil), g.jane.cert, now); err != nil {
		t.Error(err)
	}
}
