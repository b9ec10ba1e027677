package proxycert_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// run starts a program that is not part of Go, and skips where it is not installed.
func run(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func pemFile(t testing.TB, name string, blocks ...*pem.Block) string {
	t.Helper()
	var b bytes.Buffer
	for _, block := range blocks {
		if err := pem.Encode(&b, block); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func certBlock(c *x509.Certificate) *pem.Block {
	return &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}
}

func keyBlock(k *rsa.PrivateKey) *pem.Block {
	return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}
}

// OpenSSL follows RFC 3820 to the letter, path lengths and subjects included.
func TestOpenSSLVerifies(t *testing.T) {
	eec := newEEC(t, rsaKey())
	one := delegate(t, eec, ecKey(), proxycert.Template{PathLen: intp(1)})
	two := delegate(t, one, otherRSAKey(), proxycert.Template{})
	limited := delegate(t, eec, otherRSAKey(), proxycert.Template{Limited: true})
	ca := pemFile(t, "ca.pem", certBlock(testCA()))
	for name, c := range map[string]*proxycert.Credential{"one": one, "two": two, "limited": limited} {
		t.Run(name, func(t *testing.T) {
			var chain []*pem.Block
			for _, cert := range c.Chain[1:] {
				chain = append(chain, certBlock(cert))
			}
			out := run(t, nil, "openssl", "verify", "-allow_proxy_certs", "-check_ss_sig", "-attime", fmt.Sprint(now.Unix()),
				"-CAfile", ca, "-untrusted", pemFile(t, "chain.pem", chain...), pemFile(t, "leaf.pem", certBlock(c.Leaf())))
			if !strings.HasSuffix(strings.TrimSpace(out), ": OK") {
				t.Errorf("openssl says %s", out)
			}
		})
	}
}

// Globus takes our proxies for what they are.
func TestGridProxyInfo(t *testing.T) {
	eec := newEEC(t, rsaKey())
	for _, tc := range []struct {
		name, kind string
		tmpl       proxycert.Template
	}{
		{"full", "RFC 3820 compliant impersonation proxy", proxycert.Template{}},
		{"limited", "RFC 3820 compliant limited proxy", proxycert.Template{Limited: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.tmpl.Now = time.Now()
			if tc.tmpl.Now.Before(eec.NotBefore()) || tc.tmpl.Now.After(eec.NotAfter()) {
				t.Skip("the clock is outside the test certificate's life")
			}
			p := delegate(t, eec, otherRSAKey(), tc.tmpl)
			file := pemFile(t, "proxy", certBlock(p.Leaf()), keyBlock(otherRSAKey().(*rsa.PrivateKey)), certBlock(eec.Leaf()))
			out := run(t, nil, "grid-proxy-info", "-file", file)
			for _, want := range []string{tc.kind, "identity : " + janeDN, "subject  : " + dn.MustFromDER(p.Leaf().RawSubject).String()} {
				if !strings.Contains(out, want) {
					t.Errorf("grid-proxy-info does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// What grid-proxy-init makes has the number, the extensions and the kind that we read and write.
func TestGridProxyInit(t *testing.T) {
	if _, err := exec.LookPath("grid-proxy-init"); err != nil {
		t.Skip("grid-proxy-init is not installed")
	}
	// Globus cannot sign with a certificate that an ECDSA key has signed (gridcf/gct issue 249).
	ca := issue(t, x509.Certificate{BasicConstraintsValid: true, IsCA: true}, "/CN=RSA CA", otherRSAKey(), nil, nil)
	eec := newEEC(t, rsaKey())
	eec.Chain[0] = issue(t, x509.Certificate{KeyUsage: eec.Leaf().KeyUsage, ExtKeyUsage: eec.Leaf().ExtKeyUsage}, janeDN, rsaKey(), ca, otherRSAKey())
	if at := time.Now(); at.Before(eec.NotBefore()) || at.After(eec.NotAfter()) {
		t.Skip("the clock is outside the test certificate's life")
	}
	cert := pemFile(t, "cert.pem", certBlock(eec.Leaf()))
	key := pemFile(t, "key.pem", keyBlock(rsaKey().(*rsa.PrivateKey)))
	for _, tc := range []struct {
		flag    string
		want    proxycert.Type
		limited bool
	}{
		{"-rfc", proxycert.RFC, false},
		{"-limited", proxycert.RFC, true},
		{"-draft", proxycert.Draft, false},
		{"-old", proxycert.Legacy, false},
	} {
		t.Run(tc.flag, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "proxy")
			run(t, []string{"X509_CERT_DIR=" + t.TempDir()}, "grid-proxy-init", "-q", tc.flag, "-cert", cert, "-key", key, "-out", out)
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(data)
			theirs, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			info, err := proxycert.Classify(theirs)
			if err != nil || info.Type != tc.want || info.Limited != tc.limited {
				t.Errorf("Classify = %+v, %v, want %s, limited %v", info, err, tc.want, tc.limited)
			}
			if err := proxycert.CheckSubject(theirs); err != nil {
				t.Error(err)
			}
			if tc.want == proxycert.Legacy {
				return
			}
			h := sha1.Sum(theirs.RawSubjectPublicKeyInfo)
			number := fmt.Sprint(uint32(h[0]) | uint32(h[1])<<8 | uint32(h[2])<<16 | uint32(h[3]>>1)<<24)
			if cn, _ := dn.MustFromDER(theirs.RawSubject).LastCN(); cn != number || theirs.SerialNumber.String() != number {
				t.Errorf("CN %s and serial %s, by our rule %s", cn, theirs.SerialNumber, number)
			}
			ours, err := eec.Sign(theirs.PublicKey, proxycert.Template{Now: time.Now(), Lifetime: 12 * time.Hour, Limited: tc.limited})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(ours.RawSubject, theirs.RawSubject) {
				t.Errorf("for the same key our subject is %x, theirs %x", ours.RawSubject, theirs.RawSubject)
			}
			for _, oid := range [][]int{{2, 5, 29, 15}, {2, 5, 29, 37}} {
				a, b := findExtension(ours, oid...), findExtension(theirs, oid...)
				if a == nil || b == nil || a.Critical != b.Critical || !bytes.Equal(a.Value, b.Value) {
					t.Errorf("extension %v: ours %+v, theirs %+v", oid, a, b)
				}
			}
		})
	}
}
