package trust_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// needTool skips a test, loudly, when a real program is not installed. In CI it must be.
func needTool(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed, and CI=true", name)
			}
			t.Skipf("NOT CHECKED against the real program: %s is not installed", name)
		}
	}
}

// tool runs a program with an environment of its own.
func tool(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running %s: %v", name, err)
	}
	return string(out), err
}

// proxyFile writes leaf, key and the rest.
func proxyFile(t *testing.T, chain ...*entity) string {
	t.Helper()
	var b bytes.Buffer
	for i, e := range chain {
		b.WriteString(pemOf(e))
		if i > 0 {
			continue
		}
		block := &pem.Block{Type: "PRIVATE KEY"}
		if k, ok := e.key.(*rsa.PrivateKey); ok {
			block.Type, block.Bytes = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)
		} else {
			var err error
			if block.Bytes, err = x509.MarshalPKCS8PrivateKey(e.key); err != nil {
				t.Fatal(err)
			}
		}
		if err := pem.Encode(&b, block); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "proxy.pem")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAgreeWithOpenSSL has our verdict and OpenSSL's for each chain. They differ only where the case says why.
func TestAgreeWithOpenSSL(t *testing.T) {
	needTool(t, "openssl")
	g := newGrid(t)
	jane := newEEC(t, janeName, g.sub)
	full, limited := proxyKind{}, proxyKind{cn: "9", language: proxycert.LanguageLimited}
	below := func(kinds ...proxyKind) []*entity {
		out := []*entity{jane}
		for _, k := range kinds {
			out = append(out, newProxy(t, out[len(out)-1], k))
		}
		slices.Reverse(out)
		return out
	}
	changed := func(changes ...change) []*entity { return []*entity{newProxy(t, jane, full, changes...), jane} }
	usage := func(u x509.KeyUsage) change { return func(c *x509.Certificate) { c.KeyUsage = u } }
	subject := func(name string) change { return func(c *x509.Certificate) { c.RawSubject = parseDN(t, name).DER() } }
	san, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("a")}})
	if err != nil {
		t.Fatal(err)
	}
	expired := newEEC(t, janeName, g.sub, valid(-2*time.Hour, -time.Hour))
	noSign := newEEC(t, janeName, g.sub, usage(x509.KeyUsageKeyEncipherment))
	stranger := newEEC(t, janeName, newCA(t, "/CN=x", nil))
	outside := newEEC(t, "/DC=com/CN=outside", g.sub)
	pathZero := newCA(t, "/DC=org/DC=gridtest/CN=Path 0", g.root, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	g.addCA(pathZero, "/DC=org/*")
	deepCA := newCA(t, "/DC=org/DC=gridtest/CN=Below path 0", pathZero)
	g.addCA(deepCA, "/DC=org/*")
	tests := []struct {
		name   string
		chain  []*entity
		ok     bool
		differ string // why OpenSSL says the opposite
	}{
		{"EEC", []*entity{jane}, true, ""},
		{"proxy", below(full), true, ""},
		{"three deep", below(full, full, full), true, ""},
		{"limited", below(limited), true, ""},
		{"full below limited", below(limited, full), false, "knows no limited proxies"},
		{"independent", below(proxyKind{language: proxycert.LanguageIndependent}), true, ""},
		{"unknown language", below(proxyKind{language: asn1.ObjectIdentifier{1, 2, 3}}), false, "leaves the policy language to the application"},
		{"path length kept", below(proxyKind{pathLen: ptr(1)}, full), true, ""},
		{"path length broken", below(proxyKind{pathLen: ptr(0)}, full), false, ""},
		{"path length broken further down", below(proxyKind{pathLen: ptr(1)}, full, full), false, ""},
		{"legacy", below(proxyKind{legacy: true}), true, "knows RFC 3820 proxies only"},
		{"draft", below(proxyKind{draft: true}), true, "knows RFC 3820 proxies only"},
		{"not critical ProxyCertInfo", below(proxyKind{soft: true}), false, "does not ask for it to be critical"},
		{"no ProxyCertInfo", below(proxyKind{plain: true}), false, ""},
		{"CA bit", changed(func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }), false, ""},
		{"subjectAltName", changed(extension(false, san, 2, 5, 29, 17)), false, ""},
		{"issuerAltName", changed(extension(false, san, 2, 5, 29, 18)), false, ""},
		{"keyCertSign", changed(usage(x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign)), false, "does not look at a proxy's own key usage"},
		{"critical extension", changed(extension(true, []byte{5, 0}, 1, 2, 3, 4)), false, ""},
		{"another subject", changed(subject("/DC=org/DC=gridtest/CN=Other/CN=1")), false, ""},
		{"two more CNs", changed(subject(janeName + "/CN=1/CN=2")), false, ""},
		{"last is no CN", changed(subject(janeName + "/OU=1")), false, ""},
		{"expired proxy", changed(valid(-2*time.Hour, -time.Hour)), false, ""},
		{"proxy of tomorrow", changed(valid(24*time.Hour, 48*time.Hour)), false, ""},
		{"outlives its issuer", changed(valid(0, 5000*time.Hour)), true, ""},
		{"expired EEC", []*entity{newProxy(t, expired, full), expired}, false, ""},
		{"EEC without digitalSignature", []*entity{newProxy(t, noSign, full), noSign}, false, ""},
		{"unknown CA", []*entity{newProxy(t, stranger, full), stranger}, false, ""},
		{"self-signed", []*entity{newEEC(t, janeName, nil)}, false, ""},
		{"EEC missing", below(full, full)[:2], false, ""},
		{"EEC as CA", []*entity{newEEC(t, "/DC=org/DC=gridtest/CN=Evil", jane), jane}, false, ""},
		{"CA path length", []*entity{newEEC(t, janeName, deepCA)}, false, ""},
		{"proxies do not count for it", func() []*entity { e := newEEC(t, janeName, pathZero); return []*entity{newProxy(t, e, full), e} }(), true, ""},
		{"outside the signing policy", []*entity{outside}, false, "knows no signing policies"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := g.store.VerifyChain(certs(tt.chain...), now)
			if (err == nil) != tt.ok {
				t.Errorf("our verdict is %v, want ok %v", err, tt.ok)
			}
			dir := t.TempDir()
			var rest strings.Builder
			for _, e := range tt.chain[1:] {
				rest.WriteString(pemOf(e))
			}
			write(t, filepath.Join(dir, "leaf.pem"), pemOf(tt.chain[0]))
			write(t, filepath.Join(dir, "rest.pem"), rest.String())
			args := []string{"verify", "-allow_proxy_certs", "-attime", fmt.Sprint(now.Unix()), "-no-CAfile", "-no-CAstore", "-CApath", g.store.Certificates}
			if len(tt.chain) > 1 {
				args = append(args, "-untrusted", filepath.Join(dir, "rest.pem"))
			}
			out, opensslErr := tool(t, nil, "openssl", append(args, filepath.Join(dir, "leaf.pem"))...)
			if differs := (opensslErr == nil) != (err == nil); differs != (tt.differ != "") {
				t.Errorf("OpenSSL says %s\nwe say %v; difference explained: %q", out, err, tt.differ)
			}
		})
	}
}

// rsaEEC makes a certificate like those of real CAs: RSA, with a subject key identifier, which voms-proxy-fake needs.
func rsaEEC(t *testing.T, name string, issuer *entity, key int) *entity {
	t.Helper()
	serials++
	template := &x509.Certificate{
		RawSubject: parseDN(t, name).DER(), SerialNumber: big.NewInt(serials), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(100 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, SubjectKeyId: []byte("a key identifier of its own"),
	}
	return sign(t, template, issuer, rsaKeys()[key])
}

// TestRealTools shows our proxies and attribute certificates to the programs on the box.
func TestRealTools(t *testing.T) {
	g := newVOGrid(t)
	g.jane, g.voms = rsaEEC(t, janeName, g.sub, 0), rsaEEC(t, vomsName, g.sub, 1)
	env := []string{"X509_CERT_DIR=" + g.store.Certificates, "X509_VOMS_DIR=" + g.store.VOMSDir}
	template := acTemplate()
	template.Attributes = []attrcert.Attribute{{Name: "nickname", Value: "jdoe", Qualifier: "alice"}}
	template.NotBefore = now.Add(-time.Minute)
	der, err := attrcert.Issue(template, g.jane.cert, certs(g.voms), g.voms.key)
	if err != nil {
		t.Fatal(err)
	}
	cred := &proxycert.Credential{Chain: certs(g.jane), Key: g.jane.key}
	key := rsaKeys()[1]
	withAC, err := cred.Delegate(key, proxycert.Template{Now: now, Lifetime: 20 * time.Hour, Extensions: []pkix.Extension{attrcert.Extension(der)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.store.VerifyChain(withAC.Chain, now); err != nil {
		t.Fatal(err)
	}
	file := proxyFile(t, &entity{withAC.Chain[0], key}, g.jane)

	t.Run("grid-proxy-info", func(t *testing.T) {
		needTool(t, "grid-proxy-info")
		out, err := tool(t, env, "grid-proxy-info", "-file", file, "-identity", "-type")
		if err != nil || !strings.Contains(out, janeName) || !strings.Contains(out, "RFC 3820 compliant impersonation proxy") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("voms-proxy-info2", func(t *testing.T) {
		needTool(t, "voms-proxy-info2")
		out, err := tool(t, env, "voms-proxy-info2", "-all", "-file", file)
		for _, want := range []string{"VO        : alice", "attribute : /alice/Role=lcgadmin/Capability=NULL", "attribute : nickname = jdoe (alice)", "issuer    : " + vomsName, "uri       : voms.example.org:15000"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is not in %s", err, want, out)
			}
		}
	})
	t.Run("voms-verify", func(t *testing.T) {
		needTool(t, "voms-verify")
		out, err := tool(t, append(env, "X509_USER_CERT="+file), "voms-verify")
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("voms-proxy-info3", func(t *testing.T) {
		needTool(t, "voms-proxy-info3")
		if testing.Short() {
			t.Skip("starts a Java machine")
		}
		out, err := tool(t, env, "voms-proxy-info3", "-all", "-file", file)
		for _, want := range []string{"attribute : /alice/Role=lcgadmin", "attribute : nickname = jdoe (alice)"} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is not in %s", err, want, out)
			}
		}
	})
}

// newRSAGrid is a grid whose user and VOMS server have certificates of a CA with an RSA key.
func newRSAGrid(t *testing.T) *voGrid {
	t.Helper()
	g := newVOGrid(t)
	const name = "/DC=org/DC=gridtest/CN=RSA CA"
	serials++
	ca := sign(t, &x509.Certificate{
		RawSubject: parseDN(t, name).DER(), SerialNumber: big.NewInt(serials), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(1000 * time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}, nil, rsaKeys()[1])
	g.addCA(ca, "/DC=org/DC=gridtest/*")
	g.jane, g.voms = rsaEEC(t, janeName, ca, 0), rsaEEC(t, vomsName, ca, 1)
	g.lsc(vomsName + "\n" + name + "\n")
	return g
}

// fakeVOMS has the C++ library write an attribute certificate and a proxy that carries it, and returns the chain.
func fakeVOMS(t *testing.T, g *voGrid, options ...string) []*x509.Certificate {
	t.Helper()
	user, host := proxyFile(t, g.jane), proxyFile(t, g.voms)
	out := filepath.Join(t.TempDir(), "fake.pem")
	args := append([]string{
		"-rfc", "-cert", user, "-key", user, "-hostcert", host, "-hostkey", host, "-voms", "alice", "-uri", "voms.example.org:15000", "-out", out,
		"-fqan", "/alice/Role=lcgadmin/Capability=NULL", "-fqan", "/alice/Role=NULL/Capability=NULL", "-ga", "nickname=jdoe(alice)",
	}, options...)
	if text, err := tool(t, []string{"X509_CERT_DIR=" + g.store.Certificates}, "voms-proxy-fake", args...); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return readChain(t, out)
}

// TestRealAC verifies attribute certificates written by the C++ VOMS library.
func TestRealAC(t *testing.T) {
	needTool(t, "voms-proxy-fake")
	g := newRSAGrid(t)
	for _, form := range []string{"-debug", "-newformat", "-limited"} {
		chain := fakeVOMS(t, g, form)
		at := time.Now() // the tool knows no other time
		// This tool, other than voms-proxy-init2, signs the proxy with SHA-1.
		lenient := &trust.Store{Certificates: g.store.Certificates, AllowWeak: true}
		r, err := lenient.VerifyChain(chain, at)
		if err != nil {
			t.Fatal(err)
		}
		if want := form == "-limited"; r.Limited != want || r.Identity.String() != janeName {
			t.Errorf("limited %v, identity %s", r.Limited, r.Identity)
		}
		acs, err := attrcert.FromChain(r.Chain)
		if err != nil || len(acs) != 1 {
			t.Fatalf("%d attribute certificates, %v", len(acs), err)
		}
		ac := acs[0]
		want := attrcert.Attribute{Name: "nickname", Value: "jdoe", Qualifier: "alice"}
		if !slices.Equal(ac.FQANs, []string{"/alice/Role=lcgadmin", "/alice"}) || len(ac.Attributes) != 1 || ac.Attributes[0] != want {
			t.Errorf("FQANs %q, attributes %+v", ac.FQANs, ac.Attributes)
		}
		eec := r.Chain[len(r.Chain)-1]
		wantHolder := eec.RawSubject
		if form == "-newformat" {
			wantHolder = eec.RawIssuer
		}
		if !ac.HolderName.Equal(dn.MustFromDER(wantHolder)) {
			t.Errorf("holder is %s", ac.HolderName)
		}
		if _, err := g.store.VerifyAC(ac, eec, at); err != nil {
			t.Errorf("%v: %v", form, err)
		}
		_, err = g.store.VerifyAC(ac, g.voms.cert, at)
		wantError(t, err, trust.IDACHolder)
	}
}

// TestRealACOfECCA: the C++ library looks for the hash in the signature algorithm of the server's certificate, does not know
// it for ECDSA, and falls back to SHA-1.
func TestRealACOfECCA(t *testing.T) {
	needTool(t, "voms-proxy-fake")
	g := newVOGrid(t)
	g.jane, g.voms = rsaEEC(t, janeName, g.sub, 0), rsaEEC(t, vomsName, g.sub, 1)
	chain, at := fakeVOMS(t, g), time.Now()
	acs, err := attrcert.FromChain(chain)
	if err != nil || len(acs) != 1 {
		t.Fatalf("%d attribute certificates, %v", len(acs), err)
	}
	_, err = g.store.VerifyAC(acs[0], g.jane.cert, at)
	wantError(t, err, trust.IDWeakHash, "signed with SHA1-RSA", "the CA of its certificate has an EC key")
	g.store.AllowWeak = true
	if _, err := g.store.VerifyAC(acs[0], g.jane.cert, at); err != nil {
		t.Errorf("with AllowWeak: %v", err)
	}
}

func readChain(t *testing.T, path string) []*x509.Certificate {
	t.Helper()
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []*x509.Certificate
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, cert)
	}
	return out
}

// TestWriteAnchorIsFound asks OpenSSL for the hashes that the files must be named by.
func TestWriteAnchorIsFound(t *testing.T) {
	needTool(t, "openssl")
	g := newGrid(t)
	odd := newCA(t, `/C=XX/O=A \& B, Ltd. (Pty)/CN=Z\/Y  ca`, nil)
	g.addCA(odd, "/C=XX/*")
	for _, ca := range []*entity{g.root, g.sub, odd} {
		path := filepath.Join(t.TempDir(), "ca.pem")
		write(t, path, pemOf(ca))
		out, err := tool(t, nil, "openssl", "x509", "-in", path, "-noout", "-subject_hash", "-subject_hash_old")
		if err != nil {
			t.Fatal(out)
		}
		for _, hash := range regexp.MustCompile(`[0-9a-f]{8}`).FindAllString(out, -1) {
			for _, suffix := range []string{".0", ".signing_policy", ".namespaces"} {
				if _, err := os.Stat(filepath.Join(g.store.Certificates, hash+suffix)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if _, err := g.store.VerifyChain(certs(newEEC(t, "/C=XX/CN=a", odd)), now); err != nil {
		t.Error(err)
	}
}
