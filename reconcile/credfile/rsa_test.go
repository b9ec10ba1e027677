package credfile_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

func parse(t testing.TB, data []byte) *proxycert.Credential {
	t.Helper()
	c, err := credfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A key that was only read does everything that a key of crypto/rsa does.
func TestKeyUse(t *testing.T) {
	f := theFixture()
	for _, tc := range []struct {
		name string
		data []byte
	}{
		{"PKCS#1", join(certBlocks(f.rsa.Chain...), pkcs1(f.rsa.Key))},
		{"PKCS#8", join(certBlocks(f.rsa.Chain...), pkcs8Block(f.rsa.Key))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := parse(t, tc.data)
			key, ok := c.Key.(*credfile.Key)
			if !ok {
				t.Fatalf("the key is a %T, want a *credfile.Key", c.Key)
			}
			if !key.Equal(f.rsa.Key) || key.Equal(f.eecKey) || key.Equal(f.otherKey) || !key.Equal(parse(t, tc.data).Key) {
				t.Error("Equal is wrong")
			}
			digest := sha256.Sum256([]byte("x"))
			sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			pub := f.rsa.Key.Public().(*rsa.PublicKey)
			if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig); err != nil {
				t.Error(err)
			}
			sig, err = key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
			if err != nil {
				t.Fatal(err)
			}
			if err := rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, nil); err != nil {
				t.Error(err)
			}
			next, err := c.Delegate(ecKey(), proxycert.Template{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Leaf().CheckSignature(next.Leaf().SignatureAlgorithm, next.Leaf().RawTBSCertificate, next.Leaf().Signature); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(marshal(t, c), marshal(t, f.rsa)) {
				t.Error("Marshal writes another key than that of the original")
			}
			private, err := credfile.Private(key)
			if k, ok := private.(*rsa.PrivateKey); err != nil || !ok || !k.Equal(f.rsa.Key) {
				t.Errorf("Private = %T, %v", private, err)
			}
		})
	}
	if got, err := credfile.Private(f.otherKey); err != nil || got != f.otherKey {
		t.Errorf("Private of an EC key = %T, %v", got, err)
	}
}

func TestKeyTLS(t *testing.T) {
	c := parse(t, marshal(t, theFixture().rsa))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		here, there := net.Pipe()
		server := tls.Server(there, &tls.Config{Certificates: []tls.Certificate{parse(t, marshal(t, theFixture().ec)).TLS()},
			ClientAuth: tls.RequireAnyClientCert, MaxVersion: version})
		done := make(chan error, 1)
		go func() {
			defer there.Close()
			done <- server.Handshake()
		}()
		client := tls.Client(here, &tls.Config{InsecureSkipVerify: true, MaxVersion: version,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				cert := c.TLS()
				return &cert, nil
			}})
		if err := client.Handshake(); err != nil {
			t.Errorf("%x: %v", version, err)
		}
		go io.Copy(io.Discard, client) // the session tickets
		if err := <-done; err != nil {
			t.Errorf("%x: %v", version, err)
		}
		if got := server.ConnectionState().PeerCertificates; len(got) != len(c.Chain) {
			t.Errorf("%x: the server saw %d certificates, want %d", version, len(got), len(c.Chain))
		}
		here.Close()
	}
}

// Whoever prints a credential does not print the key.
func TestKeyNotShown(t *testing.T) {
	key := parse(t, marshal(t, theFixture().rsa)).Key.(*credfile.Key)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, use := range []string{"before", "after"} {
			if got, want := fmt.Sprintf(verb, key), "RSA private key (2048 bits)"; got != want {
				t.Errorf("%s prints %q %s its use, want %q", verb, got, use, want)
			}
			if _, err := key.RSA(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// numbers is a PKCS#1 key to be changed.
type numbers struct {
	Version                    int
	N, E, D, P, Q, Dp, Dq, Qin *big.Int
}

func (n numbers) block() []byte {
	der, err := asn1.Marshal(n)
	must(err)
	return block("RSA PRIVATE KEY", der)
}

func numbersOf(t testing.TB, key crypto.Signer) numbers {
	t.Helper()
	var n numbers
	if _, err := asn1.Unmarshal(x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey)), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A key with one wrong number is found when its file is read: at the latest then the old proxy is to be kept and a new one
// to be fetched.
func TestDamagedKeyFoundAtOnce(t *testing.T) {
	f := theFixture()
	flip := func(x *big.Int) *big.Int { return new(big.Int).Xor(x, big.NewInt(1<<40)) }
	for name, change := range map[string]func(n *numbers){
		"n":                func(n *numbers) { n.N = flip(n.N) },
		"e":                func(n *numbers) { n.E = big.NewInt(3) },
		"e even":           func(n *numbers) { n.E = big.NewInt(65536) },
		"e long":           func(n *numbers) { n.E = new(big.Int).Add(n.E, new(big.Int).Lsh(big.NewInt(1), 40)) },
		"d":                func(n *numbers) { n.D = flip(n.D) },
		"d = 1":            func(n *numbers) { n.D = big.NewInt(1) },
		"d longer than n":  func(n *numbers) { n.D = new(big.Int).Add(n.D, new(big.Int).Lsh(n.N, 8)) },
		"p":                func(n *numbers) { n.P = flip(n.P) },
		"q":                func(n *numbers) { n.Q = flip(n.Q) },
		"p = 1, q = n":     func(n *numbers) { n.P, n.Q = big.NewInt(1), n.N },
		"p, q exchanged":   func(n *numbers) { n.P, n.Q = n.Q, n.P },
		"dp":               func(n *numbers) { n.Dp = flip(n.Dp) },
		"dq":               func(n *numbers) { n.Dq = flip(n.Dq) },
		"qinv":             func(n *numbers) { n.Qin = flip(n.Qin) },
		"qinv over p":      func(n *numbers) { n.Qin = new(big.Int).Add(n.Qin, n.P) },
		"dp negative":      func(n *numbers) { n.Dp = new(big.Int).Neg(n.Dp) },
		"q zero":           func(n *numbers) { n.Q = new(big.Int) },
		"version unknown":  func(n *numbers) { n.Version = 7 },
		"version negative": func(n *numbers) { n.Version = -1; n.Q = flip(n.Q) },
	} {
		t.Run(name, func(t *testing.T) {
			n := numbersOf(t, f.rsa.Key)
			change(&n)
			c, err := credfile.Parse(join(certBlocks(f.rsa.Chain...), n.block()))
			if c != nil || err == nil || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("Parse = %v, %v, want an error about a damaged key", c, err)
			}
		})
	}
}

func TestWeakPrimesRefused(t *testing.T) {
	// Two primes next to each other.
	p, err := rand.Prime(rand.Reader, 1024)
	must(err)
	q := new(big.Int).Add(p, big.NewInt(2))
	for !q.ProbablyPrime(4) {
		q.Add(q, big.NewInt(2))
	}
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	e := big.NewInt(65537)
	d := new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1))
	n := numbers{0, new(big.Int).Mul(p, q), e, d, p, q, new(big.Int).Mod(d, p1), new(big.Int).Mod(d, q1), new(big.Int).ModInverse(q, p)}
	if f, err := credfile.ParseAll(n.block()); err == nil || f.Key != nil {
		t.Errorf("ParseAll = %v, want an error: the key is as good as public", f.Key)
	}
}

// What other programs may leave out or add is no damage.
func TestUnusualRSAKeys(t *testing.T) {
	f := theFixture()
	n := numbersOf(t, f.rsa.Key)
	short, err := asn1.Marshal(struct {
		Version       int
		N, E, D, P, Q *big.Int
	}{0, n.N, n.E, n.D, n.P, n.Q})
	must(err)
	c := parse(t, join(certBlocks(f.rsa.Chain...), block("RSA PRIVATE KEY", short)))
	checkCredential(t, c, f.rsa)

	huge := new(big.Int).Lsh(big.NewInt(1), 200_000)
	n.N, n.P, n.Q = huge, huge, huge
	if _, err := credfile.ParseAll(n.block()); err == nil || !strings.Contains(err.Error(), "more than 16384 bits") {
		t.Errorf("error %v for a key of 200,000 bits, want one about its size", err)
	}
}

// What is taken for a good key without crypto/x509 is one for crypto/x509, and the other way round.
func FuzzRSA(f *testing.F) {
	key := theFixture().rsa.Key
	der := x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))
	f.Add(der)
	f.Add(der[:len(der)-1])
	f.Fuzz(func(t *testing.T, der []byte) {
		want, wantErr := x509.ParsePKCS1PrivateKey(der)
		file, err := credfile.ParseAll(block("RSA PRIVATE KEY", der))
		if wantErr == nil && err != nil && len(der) < 8192 {
			t.Fatalf("%v, but crypto/x509 reads it", err)
		}
		if key, ok := file.Key.(*credfile.Key); ok {
			if _, err := key.RSA(); wantErr != nil || err != nil || !key.Equal(want) {
				t.Fatalf("taken for a good key: %v, %v", wantErr, err)
			}
		}
	})
}

func BenchmarkKey(b *testing.B) {
	data := pkcs1(theFixture().rsa.Key)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := credfile.ParseAll(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read and use", func(b *testing.B) {
		for b.Loop() {
			f, err := credfile.ParseAll(data)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := credfile.Private(f.Key); err != nil {
				b.Fatal(err)
			}
		}
	})
}
