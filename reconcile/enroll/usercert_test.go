package enroll_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func put(t *testing.T, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func certPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func keyPEM(t *testing.T, c *proxycert.Credential, passphrase string) []byte {
	t.Helper()
	kind := "PRIVATE KEY"
	var pass []byte
	if passphrase != "" {
		kind, pass = "ENCRYPTED PRIVATE KEY", []byte(passphrase)
	}
	der, err := pkcs8.MarshalPrivateKey(c.Key, pass, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestFind(t *testing.T) {
	ca, err := gridtest.NewCA(gridtest.CAOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	user, err := ca.Issue(gridtest.CertRequest{Subject: ca.Below("OU=people", "CN=Jane Doe"), Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	home, empty := t.TempDir(), t.TempDir()
	cert, key := filepath.Join(home, ".globus", "usercert.pem"), filepath.Join(home, ".globus", "userkey.pem")
	put(t, cert, certPEM(user.Chain...), 0o644)
	put(t, key, keyPEM(t, user, ""), 0o400)
	p12 := filepath.Join(empty, ".globus", "usercred.p12")
	both := filepath.Join(home, "robot.pem")
	put(t, both, append(certPEM(user.Chain...), keyPEM(t, user, "some phrase")...), 0o600)
	only := filepath.Join(home, "only.pem")
	put(t, only, certPEM(user.Chain...), 0o644)

	for _, tt := range []struct {
		name      string
		home      string
		env       map[string]string
		cert, key string
		want      enroll.Pair
	}{
		{"in the usual place", home, nil, "", "", enroll.Pair{Cert: cert, Key: key}},
		{"named", home, nil, "/c", "/k", enroll.Pair{Cert: "/c", Key: "/k"}},
		{"certificate with its key", home, nil, both, "", enroll.Pair{Cert: both, Key: both}},
		{"certificate alone", home, nil, only, "", enroll.Pair{Cert: only, Key: key}},
		{"certificate alone, key in the environment", home, map[string]string{"X509_USER_KEY": "/k"}, only, "", enroll.Pair{Cert: only, Key: "/k"}},
		{"key alone", home, nil, "", "/k", enroll.Pair{Cert: cert, Key: "/k"}},
		{"in the environment", home, map[string]string{"X509_USER_CERT": "/c", "X509_USER_KEY": "/k"}, "", "", enroll.Pair{Cert: "/c", Key: "/k"}},
		{"in the environment, with its key", home, map[string]string{"X509_USER_CERT": both}, "", "", enroll.Pair{Cert: both, Key: both}},
		{"key named, certificate in the environment", home, map[string]string{"X509_USER_CERT": "/c", "X509_USER_KEY": "/k"}, "", "/other", enroll.Pair{Cert: "/c", Key: "/other"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := enroll.Find(environment(tt.home, tt.env), tt.cert, tt.key)
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
	_, err = enroll.Find(environment(empty, nil), "", "")
	mustFail(t, err, "USER-CERT")
	put(t, p12, []byte("anything"), 0o600)
	if got, err := enroll.Find(environment(empty, nil), "", ""); err != nil || got != (enroll.Pair{Cert: p12, Key: p12}) {
		t.Errorf("%+v, %v; want the PKCS#12 file", got, err)
	}
}

func environment(home string, more map[string]string) func(string) string {
	return func(name string) string {
		if name == "HOME" {
			return home
		}
		return more[name]
	}
}

func TestPairLoad(t *testing.T) {
	ca, err := gridtest.NewCA(gridtest.CAOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(r gridtest.CertRequest) *proxycert.Credential {
		t.Helper()
		r.Key = proxycert.P256
		c, err := ca.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	jane := issue(gridtest.CertRequest{Subject: ca.Below("OU=people", "CN=Jane Doe"), KeyLabel: "jane"})
	john := issue(gridtest.CertRequest{Subject: ca.Below("OU=people", "CN=John Doe"), KeyLabel: "john"})
	ended := issue(gridtest.CertRequest{Subject: ca.Below("OU=people", "CN=Ex"), NotBefore: start.Add(-48 * time.Hour), NotAfter: start.Add(-time.Hour)})
	container, err := pkcs12.Modern.Encode(jane.Key, jane.Leaf(), ca.Chain(), "some phrase")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	encrypted := keyPEM(t, jane, "some phrase")
	damaged := []byte(strings.Replace(string(encrypted), "\n", "\nAAAA", 1))
	for name, f := range map[string]struct {
		data []byte
		mode os.FileMode
	}{
		"cert": {append(certPEM(ca.Chain()...), certPEM(jane.Chain...)...), 0o644}, "ended": {certPEM(ended.Chain...), 0o644}, "nothing": {[]byte("hello\n"), 0o644},
		"key": {keyPEM(t, jane, ""), 0o400}, "encrypted": {encrypted, 0o600}, "damaged": {damaged, 0o600}, "open": {encrypted, 0o644},
		"other": {keyPEM(t, john, ""), 0o400}, "p12": {container, 0o600}, "p12open": {container, 0o640},
	} {
		put(t, file(name), f.data, f.mode)
	}
	for _, tt := range []struct {
		cert, key, passphrase string
		id                    string // of the error; empty: none; "?" one that is not to blame on the passphrase
	}{
		{"cert", "key", "", ""},
		{"cert", "encrypted", "some phrase", ""},
		{"cert", "encrypted", "another phrase", "USER-PASS"},
		{"cert", "damaged", "some phrase", "?"},
		{"cert", "other", "", "USER-CERT"},
		{"cert", "open", "some phrase", credfile.FindingPerm},
		{"cert", "none", "", credfile.FindingRead},
		{"none", "key", "", "FILE-READ"},
		{"nothing", "key", "", "?"},
		{"p12", "p12", "some phrase", ""},
		{"p12", "p12", "another phrase", "USER-PASS"},
		{"p12open", "p12open", "some phrase", credfile.FindingPerm},
	} {
		t.Run(tt.cert+" and "+tt.key+" for "+tt.passphrase, func(t *testing.T) {
			asked := 0
			pair := enroll.Pair{Cert: file(tt.cert), Key: file(tt.key)}
			got, err := pair.Load(-1, func() ([]byte, error) { asked++; return []byte(tt.passphrase), nil })
			switch tt.id {
			case "":
				if err != nil || !got.Identity().Equal(jane.Identity()) {
					t.Fatalf("%v, %v", got, err)
				}
			case "?":
				if err == nil || errors.Is(err, credfile.ErrPassphrase) {
					t.Errorf("the error is %v", err)
				}
			default:
				mustFail(t, err, tt.id)
			}
			if err != nil && tt.passphrase != "" && strings.Contains(err.Error(), tt.passphrase) {
				t.Errorf("the passphrase is in the error: %v", err)
			}
			if open := tt.id == credfile.FindingPerm; open && asked > 0 {
				t.Error("the passphrase was asked for, for a key that is refused anyway")
			}
		})
	}
	if name, err := (enroll.Pair{Cert: file("cert")}).Identity(start); err != nil || !name.Equal(jane.Identity()) {
		t.Errorf("the certificate is of %s, %v", name, err)
	}
	if name, err := (enroll.Pair{Cert: file("p12")}).Identity(start); err != nil || name.String() != "" {
		t.Errorf("the container is of %s, %v", name, err)
	}
	_, err = enroll.Pair{Cert: file("ended")}.Identity(start)
	mustFail(t, err, "USER-CERT")
	_, err = enroll.Pair{Cert: file("none")}.Identity(start)
	mustFail(t, err, "FILE-READ")
	for _, name := range []string{"nothing", "key"} {
		if _, err = (enroll.Pair{Cert: file(name)}).Identity(start); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("no certificate in %s: %v", name, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	join := func(env map[string]string, home string) string {
		return strings.Join(enroll.Vomses(environment(home, env)), " ")
	}
	if got, want := join(nil, "/home/jane"), "/home/jane/.voms/vomses /home/jane/.glite/vomses /etc/vomses"; got != want {
		t.Errorf("vomses are looked for in %s, want %s", got, want)
	}
	if got := join(map[string]string{"X509_VOMSES": "/a", "VOMS_USERCONF": "/b"}, "/home/jane"); got != "/a /b" {
		t.Errorf("vomses are looked for in %s", got)
	}
	if got := join(nil, ""); got != "/etc/vomses" {
		t.Errorf("without a home, vomses are looked for in %s", got)
	}
	if got := enroll.ProxyPath(environment("", nil), 500); got != "/tmp/x509up_u500" {
		t.Errorf("the proxy goes to %s", got)
	}
	if got := enroll.ProxyPath(environment("", map[string]string{"X509_USER_PROXY": "/p"}), 500); got != "/p" {
		t.Errorf("the proxy goes to %s", got)
	}
}
