package credfile_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// need finds a program; without it the test is skipped, but not where everything is to be tested.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed", program)
	default:
		t.Skipf("SKIPPED: %s is not installed", program)
	}
	return path
}

// run runs a program and returns what it prints.
func run(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), need(t, program), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// checkOpens opens an encrypted key with the right passphrase, with wrong ones and with none.
func checkOpens(t *testing.T, cert, key string, want *proxycert.Credential) {
	t.Helper()
	got, err := credfile.LoadPair(cert, key, ask(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	checkCredential(t, got, want)
	for _, wrong := range []string{"wrong", passphrase + "\n"} {
		if _, err := credfile.LoadPair(cert, key, ask(wrong)); !errors.Is(err, credfile.ErrPassphrase) {
			t.Errorf("passphrase %q: error %v, want ErrPassphrase", wrong, err)
		}
	}
	if _, err := credfile.LoadPair(cert, key, nil); !errors.Is(err, credfile.ErrEncrypted) {
		t.Errorf("no passphrase: error %v, want ErrEncrypted", err)
	}
}

// What OpenSSL encrypts can be opened: with its defaults, with every cipher and derivation it has, and in the old ways.
func TestOpenSSLKeys(t *testing.T) {
	need(t, "openssl")
	f := theFixture()
	rsa := &proxycert.Credential{Chain: []*x509.Certificate{f.eec}, Key: f.eecKey}
	plain := map[*proxycert.Credential]string{
		rsa:  writeFile(t, "rsa", pkcs1(f.eecKey)),
		f.ec: writeFile(t, "ec", sec1(f.ec.Key)),
	}
	certs := map[*proxycert.Credential]string{
		rsa:  writeFile(t, "rsacert", certBlocks(f.eec)),
		f.ec: writeFile(t, "eccert", certBlocks(f.ec.Chain...)),
	}
	for _, tc := range []struct {
		c    *proxycert.Credential
		args string
	}{
		{rsa, "pkcs8 -topk8"},
		{rsa, "pkcs8 -topk8 -outform DER"},
		{rsa, "pkcs8 -topk8 -v2 aes-128-cbc"},
		{rsa, "pkcs8 -topk8 -v2 aes-192-cbc"},
		{rsa, "pkcs8 -topk8 -v2 aes-256-cbc -iter 30000"},
		{rsa, "pkcs8 -topk8 -v2 des3"},
		{rsa, "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1"},
		{rsa, "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA224"},
		{rsa, "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256"},
		{rsa, "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA384"},
		{rsa, "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA512"},
		{rsa, "pkcs8 -topk8 -scrypt"},
		{rsa, "pkcs8 -topk8 -v2 des3 -scrypt"},
		{rsa, "pkcs8 -topk8 -v1 PBE-SHA1-3DES"},
		{rsa, "pkcs8 -topk8 -v1 PBE-SHA1-2DES"},
		{rsa, "pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default"},
		{rsa, "pkcs8 -topk8 -v1 PBE-SHA1-DES -provider legacy -provider default"},
		{rsa, "pkcs8 -topk8 -v1 PBE-SHA1-RC2-40 -provider legacy -provider default"},
		{rsa, "pkcs8 -topk8 -v1 PBE-SHA1-RC2-128 -provider legacy -provider default"},
		{rsa, "pkcs8 -topk8 -v2 des -provider legacy -provider default"},
		{rsa, "rsa -traditional -des3"},
		{rsa, "rsa -traditional -aes128"},
		{rsa, "rsa -traditional -aes192"},
		{rsa, "rsa -traditional -aes256"},
		{rsa, "rsa -traditional -des -provider legacy -provider default"},
		{f.ec, "pkcs8 -topk8"},
		{f.ec, "pkcs8 -topk8 -v1 PBE-SHA1-3DES"},
		{f.ec, "ec -aes256"},
		{f.ec, "ec -des3"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			run(t, "openssl", append(strings.Fields(tc.args), "-in", plain[tc.c], "-out", out, "-passout", "pass:"+passphrase)...)
			checkOpens(t, certs[tc.c], out, tc.c)
		})
	}
}

// What OpenSSL refuses for us to open, or what makes no sense for a grid, is named.
func TestOpenSSLRefused(t *testing.T) {
	plain := writeFile(t, "plain", pkcs1(theFixture().eecKey))
	cert := writeFile(t, "cert", certBlocks(theFixture().eec))
	for _, tc := range []struct{ args, want string }{
		{"rsa -traditional -camellia128", "openssl pkcs8 -topk8"},
		{"pkcs8 -topk8 -v2 camellia-256-cbc", "openssl pkcs8 -topk8"},
		{"pkcs8 -topk8 -v1 PBE-SHA1-RC4-128 -provider legacy -provider default", "openssl pkcs8 -topk8"},
		{"pkcs8 -topk8 -iter 2500000", "2500000 rounds"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			run(t, "openssl", append(strings.Fields(tc.args), "-in", plain, "-out", out, "-passout", "pass:"+passphrase)...)
			_, err := credfile.LoadPair(cert, out, ask(passphrase))
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, credfile.ErrPassphrase) {
				t.Errorf("error %v, want one with %q that does not blame the passphrase", err, tc.want)
			}
		})
	}
	for _, alg := range []string{"ED25519", "ED448", "X25519", "RSA-PSS"} {
		t.Run(alg, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			run(t, "openssl", "genpkey", "-algorithm", alg, "-out", out)
			_, err := credfile.LoadPair(cert, out, nil)
			if err == nil || alg == "ED25519" && !strings.Contains(err.Error(), "an Ed25519 key") {
				t.Errorf("error %v, want one that names the kind", err)
			}
		})
	}
}

// Keys as OpenSSL writes them when nothing is encrypted.
func TestOpenSSLPlainKeys(t *testing.T) {
	need(t, "openssl")
	for _, args := range []string{
		"genrsa -traditional 2048", "genrsa 2048", "genrsa -3 2048",
		"ecparam -name prime256v1 -genkey", "ecparam -name prime256v1 -genkey -noout", "ecparam -name secp384r1 -genkey", "ecparam -name secp521r1 -genkey",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			out := run(t, "openssl", strings.Fields(args)...)
			f, err := credfile.ParseAll(out)
			if err != nil {
				t.Fatal(err)
			}
			spki := run(t, "openssl", "pkey", "-pubout", "-in", writeFile(t, "key", out))
			der, err := x509.MarshalPKIXPublicKey(f.Key.Public())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(block("PUBLIC KEY", der), spki) {
				t.Error("another key than OpenSSL reads")
			}
			if _, err := credfile.Private(f.Key); err != nil {
				t.Error(err)
			}
		})
	}
}
