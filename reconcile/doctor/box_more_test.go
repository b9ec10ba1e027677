package doctor_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// What a pass would raise an alert for is found without one.
func TestAlertsFound(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	c := f.credential("lcgadmin")
	for _, tc := range []struct {
		name  string
		grant plan.Grant
		want  []string
	}{
		{"stored with -t 12", plan.Grant{Granted: 12 * time.Hour, Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}, []string{"MP-T12 warning lcgadmin", "CE-THRESHOLD warning lcgadmin"}},
		{"stored credential about to end", plan.Grant{Granted: 48 * time.Hour, StoredEnd: f.now.Add(100 * time.Hour)}, []string{"MP-STORED warning lcgadmin"}},
		{"attribute certificate short", plan.Grant{Granted: 24 * time.Hour, AC: plan.Share{Granted: 24 * time.Hour, Limit: plan.LimitAC}, ACServer: "voms.example.org"},
			[]string{"VO-ACSHORT warning lcgadmin", "CE-THRESHOLD warning lcgadmin"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.T = t
			g := tc.grant
			g.Source, g.Asked, g.Time, g.Taken = c.Source.String(), c.Lifetime, f.now, true
			b := f.box()
			st := b.Have.Credentials["lcgadmin"]
			st.Grant = &g
			b.Have.Credentials["lcgadmin"] = st
			found := f.look(b)
			for i := range found {
				if strings.HasPrefix(found[i], "CRL-MISSING") { // the fixture has no lists
					found = append(found[:i], found[i+1:]...)
					break
				}
			}
			f.expect(found, tc.want)
		})
	}
}

// A robot's certificate on the box, as PKCS#12 of the old encryption, which is about to end.
func TestRobotFound(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl makes the file: apt-get install openssl")
	}
	f := newFixture(t, gridtest.SiteOptions{UserEnd: time.Now().Add(5 * 24 * time.Hour)})
	p12 := filepath.Join(f.Dir, "robot.p12")
	// Debian's OpenSSL keeps RC2 in its legacy provider, which is there.
	out, err := exec.Command("openssl", "pkcs12", "-legacy", "-export", "-certpbe", "PBE-SHA1-RC2-40", "-in", f.UserCert, "-inkey", f.UserKey, "-out", p12, "-passout", "pass:").CombinedOutput()
	if err != nil {
		t.Fatalf("openssl pkcs12: %v\n%s", err, out)
	}
	chmod(f, p12, 0o400)
	b := f.box()
	f.credentialOf(b, "lcgadmin").Source = plan.Source{Certificate: &plan.Certificate{Cert: p12, Key: p12}}
	st := b.Have.Credentials["lcgadmin"]
	st.Source = plan.SourceState{Path: p12, NotAfter: f.User.Leaf().NotAfter}
	b.Have.Credentials["lcgadmin"] = st
	checks, err := doctor.Select(doctor.Checks(), []string{"robot-certificates"}, true)
	check(f, err)
	f.expect(findings(t, doctor.Examine(context.Background(), b, checks, nil)), []string{"ROBOT-CERT warning " + p12 + ": it ends on", "P12-WEAK warning " + p12})
}

// A person with a new certificate has registered a proxy of it, and the configuration names the old one.
func TestNameChangedFound(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	user, err := f.CA.Issue(gridtest.CertRequest{Subject: "/DC=org/DC=gridtest/OU=new people/CN=Jane Doe", NotAfter: f.now.AddDate(1, 0, 0)})
	check(f, err)
	c := f.credential("lcgadmin")
	path := filepath.Join(f.want.Repository, "+2fDC+3dorg+2fOU+3dnew")
	f.install("lcgadmin", f.proxyOf(user))
	check(f, os.Rename(c.Path, path))
	old, err := f.Login48()
	check(f, err)
	f.install("lcgadmin", old)
	b := f.box()
	st := b.Have.Credentials["lcgadmin"]
	st.EffectiveEnd = f.now.Add(time.Hour)
	b.Have.Credentials["lcgadmin"] = st
	checks, err := doctor.Select(doctor.Checks(), []string{"DN-CHANGED"}, true)
	check(f, err)
	f.expect(findings(t, doctor.Examine(context.Background(), b, checks, nil)), []string{"DN-CHANGED warning lcgadmin: " + path + " has a valid proxy of /DC=org/DC=gridtest/OU=new people/CN=Jane Doe, while "})
}

// The signature of a root counts for nothing, but OpenSSL under EL9's policy looks at it.
func TestOldRootFound(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	rootKey, err := gridtest.Keys.Key(proxycert.RSA2048, "old root")
	check(f, err)
	hostKey, err := gridtest.Keys.Key(proxycert.RSA2048, "host below old root")
	check(f, err)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"gridtest"}, CommonName: "Old Root"}, NotBefore: f.now.Add(-time.Hour),
		NotAfter: f.now.AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SignatureAlgorithm: x509.SHA1WithRSA}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, rootKey.Public(), rootKey)
	check(f, err)
	root, err := x509.ParseCertificate(der)
	check(f, err)
	host := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: []string{"gridtest"}, CommonName: "box"}, NotBefore: f.now.Add(-time.Hour),
		NotAfter: f.now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	leaf, err := x509.CreateCertificate(rand.Reader, host, root, hostKey.Public(), rootKey)
	check(f, err)
	check(f, trust.WriteAnchor(f.TrustDir, root, []string{"/O=gridtest/*"}))
	remove(f, f.HostCert)
	f.put(f.HostCert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})), 0o644)
	checks, err := doctor.Select(doctor.Checks(), []string{"CA-SHA1"}, true)
	check(f, err)
	var got []string
	for _, x := range findings(t, doctor.Examine(context.Background(), f.box(), checks, nil)) {
		if strings.HasPrefix(x, "CA-SHA1") {
			got = append(got, x)
		}
	}
	f.expect(got, []string{"CA-SHA1 warning " + f.TrustDir + ": the CA CN=Old Root,O=gridtest is signed by SHA-1"})
}

// What an account may not read is no finding, and is not passed over in silence.
func TestNotLookedAt(t *testing.T) {
	if os.Geteuid() == 0 {
		reexec(t)
		return
	}
	f := newFixture(t, gridtest.SiteOptions{})
	f.system("/etc/cron.d/vobox-reconcile", "")
	chmod(f, filepath.Join(f.root, "/etc/cron.d/vobox-reconcile"), 0)
	f.process(41, "X509_USER_PROXY=/x", "java", "alien.site.ComputingElement")
	chmod(f, filepath.Join(f.root, "/proc/41/environ"), 0)
	chmod(f, f.HostCert, 0)
	checks, err := doctor.Select(doctor.Checks(), []string{"schedule", "running-environment", "host-certificate"}, true)
	check(f, err)
	for _, r := range doctor.Examine(context.Background(), f.box(), checks, nil) {
		if len(r.Findings) > 0 || !strings.Contains(r.Skipped, "run as root") {
			t.Errorf("%s: %v, skipped %q", r.Check.Name, r.Findings, r.Skipped)
		}
	}
}

// reexec runs the test again as nobody: root may read everything.
func reexec(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()) && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(own, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "doctor.test")
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, data, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir = own
	cmd.Env = []string{"TMPDIR=" + own, "HOME=" + own, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("--- PASS: %s", t.Name())) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
