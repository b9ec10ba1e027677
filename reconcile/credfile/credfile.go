// Package credfile reads and writes proxy files: a chain and its key in one PEM file. It also reads what users' and host
// certificates come in: PEM, DER or PKCS#12, with keys in PKCS#1, PKCS#8 or SEC 1, encrypted or not; see [LoadPair].
//
// Reading is generous, as the grid's own tools are: blocks in any order, text around them, CRLF, CA certificates and
// duplicates among them. Writing is strict, in the one layout that the oldest readers know.
package credfile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// Parse reads a proxy file's content: blocks in any order, text around them, CRLF. The chain is sorted, leaf first; what
// does not belong to it is left out. An error says what the file lacks; it never holds any of the file's content.
func Parse(data []byte) (*proxycert.Credential, error) {
	f, err := ParseAll(data)
	switch {
	case err != nil:
		return nil, err
	case f.PKCS12():
		return nil, errors.New("a PKCS#12 file, which no grid program takes for a proxy")
	}
	return f.Credential()
}

// Marshal writes leaf, key (PKCS#1 for RSA, PKCS#8 for EC), rest of the chain. Old Globus reads neither PKCS#8 RSA keys
// nor, of any age, "EC PRIVATE KEY".
func Marshal(c *proxycert.Credential) ([]byte, error) {
	if len(c.Chain) == 0 || c.Key == nil {
		return nil, errors.New("writing a proxy: it has no certificate or no key")
	}
	private, err := Private(c.Key)
	if err != nil {
		return nil, fmt.Errorf("writing a proxy: %w", err)
	}
	var key pem.Block
	switch k := private.(type) {
	case *rsa.PrivateKey:
		key = pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return nil, fmt.Errorf("writing a proxy's key: %w", err)
		}
		key = pem.Block{Type: "PRIVATE KEY", Bytes: der}
	default:
		return nil, fmt.Errorf("writing a proxy: a key of type %T", c.Key)
	}
	if !belongs(c.Key, c.Leaf()) {
		return nil, fmt.Errorf("writing a proxy: the key does not belong to %s", dn.MustFromDER(c.Leaf().RawSubject))
	}
	var b bytes.Buffer
	for i, cert := range c.Chain {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if i == 0 {
			pem.Encode(&b, &key)
		}
	}
	return b.Bytes(), nil
}

// Digest is the SHA-256 of a file's bytes in hex, as Load returns it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Load reads the proxy file at path; the digest is the SHA-256 of its bytes in hex, which is returned also for a file
// that is no proxy. A link at path is followed only if nobody but root or the caller can have put it there, see package
// atomicfile.
func Load(path string) (c *proxycert.Credential, digest string, err error) {
	data, err := readFile(path)
	if err != nil {
		return nil, "", err
	}
	c, err = Parse(data)
	if err != nil {
		return nil, Digest(data), fmt.Errorf("proxy file %q: %w", path, err)
	}
	return c, Digest(data), nil
}

// readFile reads a file, through links at path where that is safe.
func readFile(path string) ([]byte, error) {
	data, _, err := atomicfile.Read(path, MaxSize)
	if !errors.Is(err, atomicfile.ErrLink) {
		return data, err
	}
	real, followErr := atomicfile.Follow(path)
	if followErr != nil {
		return nil, followErr
	}
	data, _, err = atomicfile.Read(real, MaxSize)
	return data, err
}

// Write replaces the proxy file at path.
func Write(path string, c *proxycert.Credential, o atomicfile.Options) error {
	data, err := Marshal(c)
	if err != nil {
		return err
	}
	_, err = atomicfile.Replace(path, data, o)
	return err
}
