package credfile_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func marshal(t testing.TB, c *proxycert.Credential) []byte {
	t.Helper()
	data, err := credfile.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMarshal(t *testing.T) {
	f := theFixture()
	for _, tc := range []struct {
		name string
		c    *proxycert.Credential
		want []string // block types in order
	}{
		{"rsa", f.rsa, []string{"CERTIFICATE", "RSA PRIVATE KEY", "CERTIFICATE", "CERTIFICATE", "CERTIFICATE"}},
		{"ec", f.ec, []string{"CERTIFICATE", "PRIVATE KEY", "CERTIFICATE", "CERTIFICATE", "CERTIFICATE"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := marshal(t, tc.c)
			var got []string
			for line := range strings.SplitSeq(string(data), "\n") {
				if name, ok := strings.CutPrefix(line, "-----BEGIN "); ok {
					got = append(got, strings.TrimSuffix(name, "-----"))
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("blocks %q, want %q", got, tc.want)
			}
			c, err := credfile.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			checkCredential(t, c, tc.c)
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	f := theFixture()
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*proxycert.Credential{
		"no chain":    {Key: f.otherKey},
		"no key":      {Chain: f.rsa.Chain},
		"other key":   {Chain: f.rsa.Chain, Key: f.otherKey},
		"Ed25519 key": {Chain: f.rsa.Chain, Key: edKey},
	} {
		if data, err := credfile.Marshal(c); err == nil {
			t.Errorf("%s: written as %d bytes", name, len(data))
		}
	}
}

func TestParseGenerous(t *testing.T) {
	f := theFixture()
	c := f.rsa
	key := pkcs1(c.Key)
	chain := certBlocks(c.Chain...)
	back := slices.Clone(c.Chain)
	slices.Reverse(back)
	crlf := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }
	for _, tc := range []struct {
		name string
		data []byte
	}{
		{"as written", marshal(t, c)},
		{"key first", join(key, chain)},
		{"key last", join(chain, key)},
		{"EEC first", join(certBlocks(back...), key)},
		{"PKCS#8", join(chain, pkcs8Block(c.Key))},
		{"PKCS#8 under the name of PKCS#1", join(chain, bytes.ReplaceAll(pkcs8Block(c.Key), []byte(" PRIVATE KEY"), []byte(" RSA PRIVATE KEY")))},
		{"CRLF", crlf(marshal(t, c))},
		{"CR", bytes.ReplaceAll(marshal(t, c), []byte("\n"), []byte("\r"))},
		{"no final newline", bytes.TrimSuffix(join(key, chain), []byte("\n"))},
		{"no newline between blocks", join(bytes.TrimSuffix(key, []byte("\n")), chain)},
		{"text around", join([]byte("subject=/CN=x\nBag Attributes\n  a: b\n"), key, []byte("# comment\n\n"), chain, []byte("the end"))},
		{"X509 CERTIFICATE", bytes.ReplaceAll(join(chain, key), []byte(" CERTIFICATE"), []byte(" X509 CERTIFICATE"))},
		{"CA appended", join(chain, key, certBlocks(f.ca))},
		{"CA first", join(certBlocks(f.ca), chain, key)},
		{"duplicates", join(chain, key, chain, key)},
		{"stranger among them", join(certBlocks(f.ec.Chain...), key, chain)},
		{"other blocks", join(block("EC PARAMETERS", []byte{6, 1, 2}), chain, block("X509 CRL", []byte("x")), key)},
		{"unreadable CA certificate", join(chain, key, block("CERTIFICATE", []byte("x")))},
		{"byte-order mark", join([]byte("\xef\xbb\xbf\n"), key, chain)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := credfile.Parse(tc.data)
			if err != nil {
				t.Fatal(err)
			}
			checkCredential(t, got, c)
		})
	}
	t.Run("SEC1", func(t *testing.T) {
		got, err := credfile.Parse(join(certBlocks(f.ec.Chain...), sec1(f.ec.Key)))
		if err != nil {
			t.Fatal(err)
		}
		checkCredential(t, got, f.ec)
	})
}

func TestParseErrors(t *testing.T) {
	f := theFixture()
	c := f.rsa
	key, chain, whole := pkcs1(c.Key), certBlocks(c.Chain...), marshal(t, c)
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(chain)
	copy(damaged[200:], "!!!!")
	for _, tc := range []struct {
		name string
		data []byte
		want string
		is   error
	}{
		{"empty", nil, "the file is empty", nil},
		{"blank", []byte(" \n\n"), "the file is empty", nil},
		{"text", []byte("hello\n"), "no PEM block", nil},
		{"DER certificate", c.Leaf().Raw, "no private key", credfile.ErrNoKey},
		{"DER key", x509.MarshalPKCS1PrivateKey(c.Key.(*rsa.PrivateKey)), "no certificate", credfile.ErrNoCertificate},
		{"DER cut off", c.Leaf().Raw[:300], "cut off", nil},
		{"DER of something", []byte("\x30\x03\x02\x01\x07"), "neither a certificate nor a private key", nil},
		{"binary", []byte("\x7fELF\x00\x01"), "a binary file", nil},
		{"too large", bytes.Repeat([]byte("x\n"), credfile.MaxSize), "2097152 bytes, more than", nil},
		{"cut off in the chain", whole[:len(whole)-100], "BEGIN CERTIFICATE without END", nil},
		{"cut off in the key", whole[:bytes.Index(whole, []byte("-----END RSA"))], "BEGIN RSA PRIVATE KEY without END", nil},
		{"cut off in a BEGIN line", join(chain, []byte("-----BEGIN RSA PRI")), "a broken BEGIN line", nil},
		{"beginning missing", whole[100:], "an END line without BEGIN", nil},
		{"block inside a block", join(chain[:200], []byte("\n"), chain), "line 1: BEGIN CERTIFICATE without END", nil},
		{"damaged base64", join(key, damaged), "damaged (not base64)", nil},
		{"no key", chain, "no private key", credfile.ErrNoKey},
		{"no certificate", key, "no certificate", credfile.ErrNoCertificate},
		{"only broken certificates", join(key, block("CERTIFICATE", []byte("x"))), "certificate 1: x509", nil},
		{"broken EEC", join(certBlocks(c.Chain[:3]...), key, block("CERTIFICATE", []byte("x"))), "certificate 4: x509", nil},
		{"key of another", join(chain, pkcs8Block(f.otherKey)), "belongs to none of the certificates (the first is that of /DC=org/DC=gridtest/CN=Jane Doe/CN=", proxycert.ErrKeyMismatch},
		{"key of the EEC", join(chain, pkcs1(f.eecKey)), "the private key is not that of the proxy /DC=org/DC=gridtest/CN=Jane Doe/CN=", nil},
		{"two keys", join(chain, key, pkcs8Block(f.otherKey)), "two different private keys", nil},
		{"encrypted PKCS#8", join(chain, block("ENCRYPTED PRIVATE KEY", []byte("x"))), "encrypted", credfile.ErrEncrypted},
		{"encrypted, traditional", join(chain, []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0102030405060708\n\nMAAA\n-----END RSA PRIVATE KEY-----\n")), "encrypted", credfile.ErrEncrypted},
		{"Ed25519", join(chain, pkcs8Block(edKey)), "an Ed25519 key", nil},
		{"DSA", join(chain, block("DSA PRIVATE KEY", []byte("x"))), "a DSA key", nil},
		{"OpenSSH", join(chain, block("OPENSSH PRIVATE KEY", []byte("x"))), "an OpenSSH key", nil},
		{"broken key", join(chain, block("RSA PRIVATE KEY", []byte("secret"))), "BEGIN RSA PRIVATE KEY) is damaged", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := credfile.Parse(tc.data)
			if err == nil || got != nil {
				t.Fatalf("Parse = %v, want an error about %q", got, tc.want)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want one with %q", err, tc.want)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("error %q is not %q", err, tc.is)
			}
		})
	}
}

// However a proxy file is damaged, no error shows a part of the key.
func TestErrorsKeepKeySecret(t *testing.T) {
	c := theFixture().rsa
	whole := marshal(t, c)
	secret := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(c.Key.(*rsa.PrivateKey)))
	checked := 0
	for cut := 0; cut < len(whole); cut += 97 {
		for _, data := range [][]byte{whole[:cut], whole[cut:], join(whole[:cut], []byte("*"), whole[cut:])} {
			_, err := credfile.Parse(data)
			if err == nil {
				continue
			}
			checked++
			for i := 0; i+12 <= len(secret); i += 12 {
				if strings.Contains(err.Error(), secret[i:i+12]) {
					t.Fatalf("the error %q shows the key", err)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no damage was noticed")
	}
}

func TestParseAllWithoutKey(t *testing.T) {
	f := theFixture()
	file, err := credfile.ParseAll(certBlocks(f.ca, f.eec, f.ca))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Certificates) != 3 || !file.Certificates[1].Equal(f.eec) || file.Key != nil || file.Encrypted {
		t.Errorf("ParseAll = %+v, want three certificates in file order and no key", file)
	}
	if _, err := file.Credential(); !errors.Is(err, credfile.ErrNoKey) {
		t.Errorf("Credential error %v, want ErrNoKey", err)
	}
}

// What could be read of a file that was cut off is still there to be shown.
func TestParseAllPartly(t *testing.T) {
	whole := marshal(t, theFixture().rsa)
	file, err := credfile.ParseAll(whole[:len(whole)-100])
	if err == nil || len(file.Certificates) != 3 || file.Key == nil {
		t.Errorf("ParseAll = %d certificates, %v, want three and an error", len(file.Certificates), err)
	}
}

func TestWriteLoad(t *testing.T) {
	c := theFixture().ec
	path := filepath.Join(t.TempDir(), "proxy")
	if err := credfile.Write(path, c, atomicfile.Options{Mode: 0o400, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	got, digest, err := credfile.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	checkCredential(t, got, c)
	if want := credfile.Digest(marshal(t, c)); digest != want {
		t.Errorf("digest %s, want %s", digest, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o400 {
		t.Errorf("mode %v, %v, want 0400", info.Mode(), err)
	}
}

func TestLoadErrors(t *testing.T) {
	path := writeFile(t, "proxy", []byte("hello"))
	c, digest, err := credfile.Load(path)
	if c != nil || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Load = %v, %v, want an error that names the file", c, err)
	}
	if want := credfile.Digest([]byte("hello")); digest != want {
		t.Errorf("digest %q, want %q also for a broken file", digest, want)
	}
	if _, _, err := credfile.Load(path + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	big := writeFile(t, "big", nil)
	if err := os.Truncate(big, 100<<20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := credfile.Load(big); !errors.Is(err, atomicfile.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestLoadLink(t *testing.T) {
	c := theFixture().ec
	path := writeFile(t, "proxy", marshal(t, c))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	got, _, err := credfile.Load(link)
	if err != nil {
		t.Fatalf("a link of our own was not followed: %v", err)
	}
	checkCredential(t, got, c)
	if os.Geteuid() != 0 {
		t.Log("SKIPPED: a planted link, which only root can test")
		return
	}
	if err := os.Lchown(link, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, _, err := credfile.Load(link); !errors.Is(err, atomicfile.ErrLink) {
		t.Errorf("a planted link: error %v, want ErrLink", err)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, c := range map[string]*proxycert.Credential{"rsa": theFixture().rsa, "ec": theFixture().ec} {
		data := marshal(b, c)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := credfile.Parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	fix := theFixture()
	for _, c := range []*proxycert.Credential{fix.rsa, fix.ec} {
		data, err := credfile.Marshal(c)
		must(err)
		f.Add(data)
		f.Add(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))
		f.Add(data[:len(data)/2])
	}
	f.Add(join(sec1(fix.otherKey), certBlocks(fix.ca)))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAAA\n-----END RSA PRIVATE KEY-----\n"))
	// What is read is written to something that is read as the same.
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := credfile.Parse(data)
		if err != nil {
			return
		}
		out, err := credfile.Marshal(c)
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		again, err := credfile.Parse(out)
		if err != nil {
			t.Fatalf("cannot be read again: %v", err)
		}
		checkCredential(t, again, c)
	})
}
