package credfile_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const passphrase = "correct horse"

func ask(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

// encryptPKCS8 is quick: few rounds.
func encryptPKCS8(t testing.TB, key any, opts *pkcs8.Opts) []byte {
	t.Helper()
	der, err := pkcs8.MarshalPrivateKey(key, []byte(passphrase), opts)
	if err != nil {
		t.Fatal(err)
	}
	return block("ENCRYPTED PRIVATE KEY", der)
}

// encryptTraditional writes what openssl genrsa -des3 wrote before 3.0.
func encryptTraditional(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	return encryptTraditionalWith(t, key, passphrase)
}

func encryptTraditionalWith(t testing.TB, key *rsa.PrivateKey, passphrase string) []byte {
	t.Helper()
	//lint:ignore SA1019 it is this format that is read
	b, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte(passphrase), x509.PEMCipher3DES)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(b)
}

var quick = &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 2, HMACHash: 5}}

func TestLoadPair(t *testing.T) {
	f := theFixture()
	key := f.eecKey.(*rsa.PrivateKey)
	want := &proxycert.Credential{Chain: []*x509.Certificate{f.eec}, Key: f.eecKey}
	scrypt := &pkcs8.Opts{Cipher: pkcs8.AES128CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 16, BlockSize: 1, ParallelizationParameter: 1}}
	des := &pkcs8.Opts{Cipher: pkcs8.TripleDESCBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 2, HMACHash: 3}}
	certs := certBlocks(f.ca, f.eec) // a CA appended, in the wrong place
	for _, tc := range []struct {
		name string
		key  []byte
	}{
		{"PKCS#1", pkcs1(key)},
		{"PKCS#8", pkcs8Block(key)},
		{"encrypted PKCS#8", encryptPKCS8(t, key, quick)},
		{"encrypted PKCS#8, scrypt", encryptPKCS8(t, key, scrypt)},
		{"encrypted PKCS#8, 3DES and SHA-1", encryptPKCS8(t, key, des)},
		{"encrypted, traditional", encryptTraditional(t, key)},
		{"certificate and key in one", join(certs, encryptTraditional(t, key))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := credfile.LoadPair(writeFile(t, "cert", certs), writeFile(t, "key", tc.key), ask(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			checkCredential(t, got, want)
		})
	}
	t.Run("EC", func(t *testing.T) {
		got, err := credfile.LoadPair(writeFile(t, "cert", certBlocks(f.ec.Chain...)),
			writeFile(t, "key", encryptPKCS8(t, f.ec.Key.(*ecdsa.PrivateKey), quick)), ask(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		checkCredential(t, got, f.ec)
	})
	t.Run("not asked for nothing", func(t *testing.T) {
		never := func() ([]byte, error) {
			t.Error("asked for a passphrase, although the key is not encrypted")
			return nil, nil
		}
		if _, err := credfile.LoadPair(writeFile(t, "cert", certs), writeFile(t, "key", pkcs1(key)), never); err != nil {
			t.Error(err)
		}
	})
}

func TestLoadPairErrors(t *testing.T) {
	f := theFixture()
	key := f.eecKey.(*rsa.PrivateKey)
	cert := certBlocks(f.eec)
	encrypted := encryptPKCS8(t, key, quick)
	der, _ := pem.Decode(encrypted)
	cut := block("ENCRYPTED PRIVATE KEY", der.Bytes[:len(der.Bytes)-1])
	badIV := bytes.Clone(der.Bytes)
	if i := bytes.Index(badIV, []byte{4, 16}); i > 0 {
		badIV[i+1] = 15 // the SEQUENCE around it is then malformed, too
	}
	rounds := &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 1 << 16, HMACHash: 5}}
	many, _ := pem.Decode(encryptPKCS8(t, key, rounds))
	manyRounds := block("ENCRYPTED PRIVATE KEY", bytes.Replace(many.Bytes, []byte{2, 3, 1, 0, 0}, []byte{2, 3, 127, 255, 255}, 1))
	moreRounds := block("ENCRYPTED PRIVATE KEY", bytes.Replace(many.Bytes, []byte{2, 3, 1, 0, 0}, []byte{2, 3, 255, 0, 0}, 1))
	gcm := block("ENCRYPTED PRIVATE KEY", bytes.Replace(der.Bytes, []byte{1, 101, 3, 4, 1, 42}, []byte{1, 101, 3, 4, 1, 46}, 1))
	rc4 := block("ENCRYPTED PRIVATE KEY", []byte("\x30\x23\x30\x18\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x01\x30\x0a\x04\x04abcd\x02\x02\x08\x00\x04\x07xxxxxxx"))
	noFile := errors.New("no such file")

	for _, tc := range []struct {
		name      string
		cert, key []byte
		pass      func() ([]byte, error)
		want      string
		is        error
	}{
		{"wrong passphrase", cert, encrypted, ask("wrong"), "wrong passphrase", credfile.ErrPassphrase},
		{"wrong passphrase, traditional", cert, encryptTraditional(t, key), ask("wrong"), "wrong passphrase", credfile.ErrPassphrase},
		{"empty passphrase", cert, encrypted, ask(""), "it is empty", credfile.ErrPassphrase},
		{"no passphrase", cert, encrypted, nil, "encrypted", credfile.ErrEncrypted},
		{"passphrase file missing", cert, encrypted, func() ([]byte, error) { return nil, noFile }, "getting the passphrase", noFile},
		{"broken encrypted key", cert, cut, ask(passphrase), "damaged", nil},
		{"broken parameters", cert, block("ENCRYPTED PRIVATE KEY", badIV), ask(passphrase), "damaged", nil},
		{"too many rounds", cert, manyRounds, ask(passphrase), "8388607", nil},
		{"negative rounds", cert, moreRounds, ask(passphrase), "damaged", nil},
		{"GCM", cert, gcm, ask(passphrase), "openssl pkcs8 -topk8", nil},
		{"RC4", cert, rc4, ask(passphrase), "openssl pkcs8 -topk8", nil},
		{"broken DEK-Info", cert, []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: ROT13,00\n\nMAAA\n-----END RSA PRIVATE KEY-----\n"), ask(passphrase), "damaged", nil},
		{"other key", cert, pkcs8Block(f.otherKey), nil, "is not the key of", proxycert.ErrKeyMismatch},
		{"no key", cert, cert, nil, "no private key", credfile.ErrNoKey},
		{"no certificate", pkcs1(key), pkcs1(key), nil, "no certificate", credfile.ErrNoCertificate},
		{"broken certificate", block("CERTIFICATE", []byte("x")), pkcs1(key), nil, "certificate 1", nil},
		{"empty key file", cert, nil, nil, "the file is empty", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := credfile.LoadPair(writeFile(t, "cert", tc.cert), writeFile(t, "key", tc.key), tc.pass)
			if got != nil || err == nil {
				t.Fatalf("LoadPair = %v, want an error about %q", got, tc.want)
			}
			if !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("error %q, want one with %q that is %v", err, tc.want, tc.is)
			}
			if tc.is != credfile.ErrPassphrase && errors.Is(err, credfile.ErrPassphrase) {
				t.Errorf("error %q is said to be the passphrase's fault", err)
			}
		})
	}
	if _, err := credfile.LoadPair("/nonexistent/cert", "/nonexistent/key", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func FuzzEncryptedKey(f *testing.F) {
	fix := theFixture()
	key := fix.eecKey.(*rsa.PrivateKey)
	der, _ := pem.Decode(encryptPKCS8(f, key, quick))
	f.Add(der.Bytes)
	f.Add([]byte("\x30\x03\x04\x01\x00"))
	for _, opts := range []*pkcs8.Opts{
		{Cipher: pkcs8.TripleDESCBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 2, HMACHash: 3}},
		{Cipher: pkcs8.AES128CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 16, BlockSize: 1, ParallelizationParameter: 1}},
	} {
		der, _ := pem.Decode(encryptPKCS8(f, key, opts))
		f.Add(der.Bytes)
	}
	// Whatever an encrypted key contains, opening it ends, without a panic; and if the library opens it, too, to the same key.
	f.Fuzz(func(t *testing.T, der []byte) {
		file, err := credfile.ParseAll(block("ENCRYPTED PRIVATE KEY", der))
		if err != nil || len(der) > 1<<16 {
			return
		}
		if file.Open(ask(passphrase)) != nil {
			return
		}
		want, _, err := pkcs8.ParsePrivateKey(der, []byte(passphrase))
		if err != nil {
			return
		}
		if k, ok := file.Key.(interface{ Equal(crypto.PrivateKey) bool }); !ok || !k.Equal(want) {
			t.Fatal("the library finds another key")
		}
	})
}
