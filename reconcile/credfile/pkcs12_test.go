package credfile_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func eecOnly() *proxycert.Credential {
	f := theFixture()
	return &proxycert.Credential{Chain: []*x509.Certificate{f.eec}, Key: f.eecKey}
}

func pfx(t testing.TB, enc *pkcs12.Encoder, pass string) []byte {
	t.Helper()
	f := theFixture()
	der, err := enc.Encode(f.eecKey, f.eec, []*x509.Certificate{f.ca}, pass)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Containers of another implementation.
func TestPKCS12Encoders(t *testing.T) {
	for name, enc := range map[string]*pkcs12.Encoder{
		"RC2":    pkcs12.LegacyRC2,
		"3DES":   pkcs12.LegacyDES,
		"AES":    pkcs12.Modern2023,
		"PBMAC1": pkcs12.Modern2026,
	} {
		for _, pass := range []string{passphrase, "ключ", "x", strings.Repeat("long ", 50)} {
			path := writeFile(t, "user.p12", pfx(t, enc.WithIterations(7), pass))
			got, err := credfile.LoadPair(path, path, ask(pass))
			if err != nil {
				t.Errorf("%s with passphrase %q: %v", name, pass, err)
				continue
			}
			checkCredential(t, got, eecOnly())
			if _, err := credfile.LoadPair(path, path, ask(pass+"x")); !errors.Is(err, credfile.ErrPassphrase) {
				t.Errorf("%s with a wrong passphrase: error %v, want ErrPassphrase", name, err)
			}
			if _, err := credfile.LoadPair(path, path, nil); !errors.Is(err, credfile.ErrEncrypted) {
				t.Errorf("%s with none: error %v, want ErrEncrypted", name, err)
			}
		}
		// The empty passphrase is not asked for.
		path := writeFile(t, "user.p12", pfx(t, enc.WithIterations(7), ""))
		if got, err := credfile.LoadPair(path, path, nil); err != nil {
			t.Errorf("%s with the empty passphrase: %v", name, err)
		} else {
			checkCredential(t, got, eecOnly())
		}
	}
	path := writeFile(t, "user.p12", pfx(t, pkcs12.Passwordless, ""))
	if got, err := credfile.LoadPair(path, path, nil); err != nil {
		t.Errorf("without any protection: %v", err)
	} else {
		checkCredential(t, got, eecOnly())
	}
}

func TestPKCS12ParseAll(t *testing.T) {
	data := pfx(t, pkcs12.Modern2023, passphrase)
	file, err := credfile.ParseAll(data)
	if err != nil {
		t.Fatal(err)
	}
	if !file.PKCS12() || !file.Encrypted || file.Key != nil || len(file.Certificates) != 0 {
		t.Errorf("ParseAll = %+v, want a closed container", file)
	}
	if _, err := credfile.Parse(data); err == nil || !strings.Contains(err.Error(), "PKCS#12") {
		t.Errorf("Parse: error %v, want one that names the kind of file", err)
	}
	if err := file.Open(ask(passphrase)); err != nil {
		t.Fatal(err)
	}
	if len(file.Certificates) != 2 || file.Key == nil {
		t.Errorf("opened: %d certificates, key %v", len(file.Certificates), file.Key)
	}
	asked := false
	if err := file.Open(func() ([]byte, error) { asked = true; return nil, nil }); err != nil || asked {
		t.Errorf("opened again: %v, asked %v", err, asked)
	}
}

// A certificate in one form and its key in the other belong together.
func TestPKCS12AndPEM(t *testing.T) {
	f := theFixture()
	p12 := writeFile(t, "user.p12", pfx(t, pkcs12.Modern2023, passphrase))
	for _, pair := range [][2]string{
		{p12, writeFile(t, "key.pem", pkcs1(f.eecKey))},
		{p12, writeFile(t, "key.pem", encryptPKCS8(t, f.eecKey.(*rsa.PrivateKey), quick))},
		{p12, writeFile(t, "key.der", x509.MarshalPKCS1PrivateKey(f.eecKey.(*rsa.PrivateKey)))},
		{writeFile(t, "cert.pem", certBlocks(f.eec)), p12},
		{writeFile(t, "cert.der", f.eec.Raw), p12},
	} {
		asked := 0
		got, err := credfile.LoadPair(pair[0], pair[1], func() ([]byte, error) { asked++; return []byte(passphrase), nil })
		if err != nil {
			t.Errorf("%v: %v", pair, err)
			continue
		}
		checkCredential(t, got, eecOnly())
		if asked != 1 {
			t.Errorf("%v: asked %d times", pair, asked)
		}
	}
	other := writeFile(t, "other.pem", pkcs8Block(f.otherKey))
	if _, err := credfile.LoadPair(p12, other, ask(passphrase)); !errors.Is(err, proxycert.ErrKeyMismatch) {
		t.Errorf("error %v, want ErrKeyMismatch", err)
	}
}

// A damaged container is told from a wrong passphrase.
func TestPKCS12Damaged(t *testing.T) {
	for name, enc := range map[string]*pkcs12.Encoder{"3DES": pkcs12.LegacyDES, "AES": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026} {
		data := pfx(t, enc.WithIterations(7), passphrase)
		last, size := bytes.Clone(data), byte(32) // of the MAC
		if name == "3DES" {
			size = 20
		}
		last[bytes.LastIndex(data, []byte{4, size})+5] ^= 1
		path := writeFile(t, "user.p12", last)
		if _, err := credfile.LoadPair(path, path, ask(passphrase)); err == nil || errors.Is(err, credfile.ErrPassphrase) || !strings.Contains(err.Error(), "the passphrase is right") {
			t.Errorf("%s with another MAC: error %v, want one that says that the passphrase is right", name, err)
		}
		if _, err := credfile.LoadPair(path, path, ask("wrong")); !errors.Is(err, credfile.ErrPassphrase) {
			t.Errorf("%s with another MAC and a wrong passphrase: error %v, want ErrPassphrase", name, err)
		}
		for _, n := range []int{20, 200, len(data) / 2, len(data) - 1} {
			path := writeFile(t, "user.p12", data[:n])
			if _, err := credfile.LoadPair(path, path, ask(passphrase)); err == nil || errors.Is(err, credfile.ErrPassphrase) || !strings.Contains(err.Error(), "cut off") {
				t.Errorf("%s cut off at %d: error %v", name, n, err)
			}
		}
	}
}

// Containers as OpenSSL makes them, of 0.9.8 to 3.x.
func TestPKCS12OpenSSL(t *testing.T) {
	need(t, "openssl")
	f := theFixture()
	key, cert := writeFile(t, "key", pkcs1(f.eecKey)), writeFile(t, "cert", certBlocks(f.eec))
	ca := writeFile(t, "ca", certBlocks(f.ca))
	for _, args := range []string{
		"", "-legacy", "-descert -legacy", "-certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-RC2-128 -legacy", "-certpbe PBE-SHA1-2DES -keypbe PBE-SHA1-2DES",
		"-certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha1", "-macalg sha384", "-macalg sha512 -iter 5000 -maciter", "-macalg md5", "-nomaciter -noiter",
		"-certpbe NONE", "-keypbe NONE", "-certpbe NONE -keypbe NONE", "-nomac", "-name Jane -caname CA -certfile " + ca, "-certpbe DES-EDE3-CBC -keypbe DES-EDE3-CBC",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "user.p12")
			run(t, "openssl", append(strings.Fields("pkcs12 -export "+args), "-inkey", key, "-in", cert, "-out", out, "-passout", "pass:"+passphrase)...)
			if args == "-certpbe NONE -keypbe NONE" {
				got, err := credfile.LoadPair(out, out, ask(passphrase))
				if err != nil {
					t.Fatal(err)
				}
				checkCredential(t, got, eecOnly())
				return
			}
			checkOpens(t, out, out, eecOnly())
		})
	}
	t.Run("empty passphrase", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "user.p12")
		run(t, "openssl", "pkcs12", "-export", "-inkey", key, "-in", cert, "-out", out, "-passout", "pass:")
		for _, pass := range []func() ([]byte, error){nil, ask("")} {
			got, err := credfile.LoadPair(out, out, pass)
			if err != nil {
				t.Fatal(err)
			}
			checkCredential(t, got, eecOnly())
		}
	})
	t.Run("certificates only", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "user.p12")
		run(t, "openssl", "pkcs12", "-export", "-nokeys", "-in", cert, "-out", out, "-passout", "pass:"+passphrase)
		if _, err := credfile.LoadPair(out, out, ask(passphrase)); !errors.Is(err, credfile.ErrNoKey) {
			t.Errorf("error %v, want ErrNoKey", err)
		}
		if got, err := credfile.LoadPair(out, key, ask(passphrase)); err != nil {
			t.Error(err)
		} else {
			checkCredential(t, got, eecOnly())
		}
	})
	t.Run("key only", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "user.p12")
		run(t, "openssl", "pkcs12", "-export", "-nocerts", "-inkey", key, "-out", out, "-passout", "pass:"+passphrase)
		if _, err := credfile.LoadPair(out, out, ask(passphrase)); !errors.Is(err, credfile.ErrNoCertificate) {
			t.Errorf("error %v, want ErrNoCertificate", err)
		}
		checkOpens(t, cert, out, eecOnly())
	})
}

// Containers as Java makes them, its own and those of the time before AES.
func TestPKCS12Java(t *testing.T) {
	need(t, "keytool")
	for name, java := range map[string][]string{"AES": nil, "RC2": {"-J-Dkeystore.pkcs12.legacy"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "java.p12")
			run(t, "keytool", append(java, "-genkeypair", "-keystore", out, "-storetype", "PKCS12", "-storepass", passphrase, "-alias", "user",
				"-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=Jane Doe,DC=gridtest,DC=org", "-validity", "30")...)
			got, err := credfile.LoadPair(out, out, ask(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if got.Leaf().Subject.CommonName != "Jane Doe" {
				t.Errorf("the certificate is that of %v", got.Leaf().Subject)
			}
			if _, err := credfile.Private(got.Key); err != nil {
				t.Error(err)
			}
			if _, err := credfile.LoadPair(out, out, ask("wrong one")); !errors.Is(err, credfile.ErrPassphrase) {
				t.Errorf("error %v, want ErrPassphrase", err)
			}
		})
	}
}

// toBER writes DER in the way of Firefox and old Bouncy Castle: lengths left open, octet strings in pieces. That is done
// inside of octet strings, too, so many levels deep: two are PKCS#12, what is below is certificates and keys.
func toBER(der []byte, levels int) []byte {
	var out []byte
	for len(der) > 0 {
		size, head := int(der[1]), 2
		if size > 0x80 {
			head += size & 0x7f
			size = 0
			for _, b := range der[2:head] {
				size = size<<8 | int(b)
			}
		}
		body, whole := der[head:head+size], der[:head+size]
		der = der[head+size:]
		switch {
		case whole[0] == 0x04 && size > 64:
			inner := body
			if levels > 0 {
				inner = toBER(body, levels-1)
			}
			out = append(out, 0x24, 0x80)
			for len(inner) > 0 {
				n := min(len(inner), 100)
				out = append(append(out, 0x04, 0x81, byte(n)), inner[:n]...)
				inner = inner[n:]
			}
			out = append(out, 0, 0)
		case whole[0] == 0x80: // encrypted content
			out = append(out, 0xa0, 0x80, 0x24, 0x80, 0x04, 0x82, byte(size>>8), byte(size))
			out = append(append(out, body...), 0, 0, 0, 0)
		case whole[0]&0x20 != 0:
			out = append(out, whole[0], 0x80)
			out = append(append(out, toBER(body, levels)...), 0, 0)
		default:
			out = append(out, whole...)
		}
	}
	return out
}

func TestPKCS12BER(t *testing.T) {
	need(t, "openssl")
	f := theFixture()
	key, cert := writeFile(t, "key", pkcs1(f.eecKey)), writeFile(t, "cert", certBlocks(f.eec))
	out := filepath.Join(t.TempDir(), "user.p12")
	// The MAC is over the content as it is written, which is changed here.
	run(t, "openssl", "pkcs12", "-export", "-nomac", "-inkey", key, "-in", cert, "-out", out, "-passout", "pass:"+passphrase)
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	ber := toBER(der, 2)
	if bytes.Equal(ber, der) {
		t.Fatal("not changed")
	}
	path := writeFile(t, "ber.p12", ber)
	run(t, "openssl", "pkcs12", "-in", path, "-nodes", "-passin", "pass:"+passphrase) // it is what it should be
	checkOpens(t, path, path, eecOnly())
	for n := range ber {
		if n%37 == 0 {
			path := writeFile(t, "cut.p12", ber[:n])
			if c, err := credfile.LoadPair(path, path, ask(passphrase)); err == nil {
				t.Fatalf("cut off at %d of %d: %v", n, len(ber), c)
			}
		}
	}
}

func FuzzPKCS12(f *testing.F) {
	for _, enc := range []*pkcs12.Encoder{pkcs12.LegacyRC2, pkcs12.LegacyDES, pkcs12.Modern2023, pkcs12.Modern2026} {
		der := pfx(f, enc.WithIterations(2), passphrase)
		f.Add(der)
		f.Add(toBER(der, 2))
	}
	f.Add(pfx(f, pkcs12.Passwordless, ""))
	// Whatever a container holds, opening it ends, without a panic and soon; and if the library opens it, too, both have found
	// the same.
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := credfile.ParseAll(data)
		if err != nil || !file.PKCS12() {
			return
		}
		err = file.Open(ask(passphrase))
		if err != nil && (file.Key != nil || len(file.Certificates) > 0) {
			t.Fatalf("opened, and %v", err)
		}
		if err != nil || file.Key == nil {
			return
		}
		key, cert, _, err := pkcs12.DecodeChain(data, passphrase)
		if err != nil {
			return
		}
		k, ok := file.Key.(interface{ Equal(crypto.PrivateKey) bool })
		if !ok || !k.Equal(key) || !file.Certificates[0].Equal(cert) {
			t.Fatal("the library finds another key or certificate")
		}
	})
}
