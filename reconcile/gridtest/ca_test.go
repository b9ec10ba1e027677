package gridtest_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func TestKeyPool(t *testing.T) {
	pool := new(gridtest.KeyPool)
	var wg sync.WaitGroup
	keys := make([]any, 4)
	for i, label := range []string{"a", "a", "b", "a"} {
		wg.Go(func() {
			key, err := pool.Key(proxycert.P256, label)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	if keys[0] != keys[1] || keys[0] != keys[3] {
		t.Error("the same label gave two keys")
	}
	if keys[0] == keys[2] {
		t.Error("two labels gave the same key")
	}
	if other, err := pool.Key(proxycert.RSA2048, "a"); err != nil || any(other) == keys[0] {
		t.Errorf("another type gave %v, %v", other == keys[0], err)
	}
}

// TestIssue: subjects that crypto/x509's own names would lose, all key types, and what each kind of certificate may do.
func TestIssue(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ca, err := gridtest.NewCA(gridtest.CAOptions{Key: proxycert.P256, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		subject string
		kind    gridtest.CertKind
		key     proxycert.KeyType
		names   []string
	}{
		{"/DC=org/DC=gridtest/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe", gridtest.UserCert, "", nil},
		{`/DC=org/DC=gridtest/CN=host\/vobox.example.org`, gridtest.HostCert, proxycert.P256, []string{"localhost"}},
		{"/DC=org/DC=gridtest/CN=Robot: one/emailAddress=robot@example.org", gridtest.OtherCert, proxycert.RSA3072, nil},
	}
	for _, tt := range tests {
		t.Run(tt.subject, func(t *testing.T) {
			c, err := ca.Issue(gridtest.CertRequest{Subject: tt.subject, Kind: tt.kind, Key: tt.key})
			if err != nil {
				t.Fatal(err)
			}
			cert := c.Leaf()
			if got := dn.MustFromDER(cert.RawSubject).String(); got != tt.subject {
				t.Errorf("subject %s", got)
			}
			if fmt.Sprint(cert.DNSNames) != fmt.Sprint(tt.names) || (len(cert.IPAddresses) == 2) != (tt.kind == gridtest.HostCert) {
				t.Errorf("names %q, addresses %v", cert.DNSNames, cert.IPAddresses)
			}
			if err := cert.CheckSignatureFrom(ca.Certificate); err != nil {
				t.Error(err)
			}
			if !cert.NotBefore.Equal(now.Add(-time.Hour)) || !cert.NotAfter.Equal(now.Add(-time.Hour).AddDate(1, 1, 0)) {
				t.Errorf("valid %v to %v", cert.NotBefore, cert.NotAfter)
			}
			if len(cert.SubjectKeyId) == 0 || cert.IsCA {
				t.Errorf("key identifier %x, CA %v", cert.SubjectKeyId, cert.IsCA)
			}
		})
	}
	if _, err := ca.Issue(gridtest.CertRequest{Subject: "no name"}); err == nil {
		t.Error("a subject that is no name was accepted")
	}
}

// TestTrustDirectory: what is written is what package trust verifies against, sub-CA and revocation included.
func TestTrustDirectory(t *testing.T) {
	dir := t.TempDir()
	root, err := gridtest.NewCA(gridtest.CAOptions{Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := root.SubCA(gridtest.CAOptions{Subject: "/DC=org/DC=gridtest/CN=Gridtest Issuing CA", Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.WriteAnchors(dir); err != nil {
		t.Fatal(err)
	}
	good, err := sub.Issue(gridtest.CertRequest{Subject: "/DC=org/DC=gridtest/CN=Good", Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	bad, err := sub.Issue(gridtest.CertRequest{Subject: "/DC=org/DC=gridtest/CN=Bad", Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	outside, err := sub.Issue(gridtest.CertRequest{Subject: "/DC=com/CN=Outside", Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(c *proxycert.Credential) string {
		_, err := (&trust.Store{Certificates: dir}).VerifyChain(c.Chain, time.Now())
		var te *trust.Error
		if errors.As(err, &te) {
			return te.ID
		}
		return fmt.Sprint(err)
	}
	if got := verify(good); got != "<nil>" {
		t.Errorf("without a CRL: %s", got)
	}
	if got := verify(outside); got != trust.IDPolicy {
		t.Errorf("outside of the signing policy: %s", got)
	}
	sub.Revoke(bad.Leaf())
	if err := sub.WriteCRL(dir); err != nil {
		t.Fatal(err)
	}
	if got := verify(good) + " " + verify(bad); got != "<nil> "+trust.IDRevoked {
		t.Errorf("with a CRL: %s", got)
	}
	now := time.Now()
	if err := sub.WriteCRLAt(dir, now.Add(-2*time.Hour), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := verify(good); got != trust.IDCRLStale {
		t.Errorf("with an expired CRL: %s", got)
	}
	for _, pattern := range []string{"*.0", "*.signing_policy", "*.r0"} {
		files, err := filepath.Glob(filepath.Join(dir, "[0-9a-f]*"+pattern[1:]))
		if want := map[string]int{"*.r0": 2}[pattern]; err != nil || len(files) < max(want, 2) {
			t.Errorf("%s: %q, %v", pattern, files, err)
		}
	}
}

func TestPairFiles(t *testing.T) {
	ca, err := gridtest.NewCA(gridtest.CAOptions{Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ca.Issue(gridtest.CertRequest{Subject: ca.Below("CN=x"), Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(t.TempDir(), "a", "cert.pem"), filepath.Join(t.TempDir(), "b", "key.pem")
	for range 2 { // the second time replaces
		if err := gridtest.WritePair(c, cert, key); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]os.FileMode{cert: 0o644, key: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || len(pair.Certificate) != 1 {
		t.Errorf("%d certificates, %v", len(pair.Certificate), err)
	}
}

// TestAlerts: a refused client certificate gets the alert that OpenSSL would send, which is what clients explain.
func TestAlerts(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	now := time.Now()
	expired, err := s.CA.Issue(gridtest.CertRequest{Subject: s.CA.Below("CN=expired"), NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour), KeyLabel: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := gridtest.NewCA(gridtest.CAOptions{Subject: "/DC=com/DC=elsewhere/CN=Other CA", Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.Issue(gridtest.CertRequest{Subject: other.Below("CN=x"), KeyLabel: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := s.CA.Issue(gridtest.CertRequest{Subject: s.CA.Below("CN=revoked"), KeyLabel: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	s.CA.Revoke(revoked.Leaf())
	if err := s.CA.WriteCRL(s.TrustDir); err != nil {
		t.Fatal(err)
	}
	outside, err := s.CA.Issue(gridtest.CertRequest{Subject: "/DC=com/CN=outside", KeyLabel: "alerts"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name          string
		c             *proxycert.Credential
		myproxy, voms string // what crypto/tls calls the alert
	}{
		{"expired", expired, "tls: expired certificate", "tls: expired certificate"},
		{"unknown CA", stranger, "tls: unknown certificate authority", "tls: unknown certificate authority"},
		{"revoked", revoked, "tls: revoked certificate", ""}, // vomsd takes no notice of CRLs
		{"outside of the signing policy", outside, "tls: bad certificate", "tls: bad certificate"},
	}
	for _, tt := range tests {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for addr, want := range map[string]string{s.MyProxy.Addr(): tt.myproxy, s.VOMS.Addr(): tt.voms} {
				t.Run(fmt.Sprintf("%s, %s, MyProxy %v", tt.name, tls.VersionName(version), addr == s.MyProxy.Addr()), func(t *testing.T) {
					conn, _ := dial(t, addr, tt.c, version)
					err := conn.Handshake()
					if err == nil {
						if want == "" {
							return
						}
						_, err = conn.Read(make([]byte, 1)) // under TLS 1.3 it comes after the handshake
						if version == tls.VersionTLS13 && err == nil {
							_, err = conn.Read(make([]byte, 1))
						}
					}
					if err == nil || err.Error() != "remote error: "+want {
						t.Errorf("got %v, want %q", err, want)
					}
				})
			}
		}
	}
}
