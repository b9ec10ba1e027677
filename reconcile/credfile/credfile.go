// Package credfile reads and writes proxy files: a chain and its key in one PEM file.
package credfile

import (
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// Parse reads a proxy file's content: blocks in any order, text around them, CRLF.
func Parse(data []byte) (*proxycert.Credential, error) { panic("not built yet") }

// Marshal writes leaf, key (PKCS#1 for RSA, PKCS#8 for EC), rest of the chain.
func Marshal(c *proxycert.Credential) ([]byte, error) { panic("not built yet") }

// Load reads the proxy file at path; the digest is the SHA-256 of its bytes in hex.
func Load(path string) (c *proxycert.Credential, digest string, err error) { panic("not built yet") }

// LoadPair reads a certificate file and a key file (an EEC kept on the box). The passphrase func is called only when the
// key is encrypted; nil means there is none.
func LoadPair(cert, key string, passphrase func() ([]byte, error)) (*proxycert.Credential, error) {
	panic("not built yet")
}

// Write replaces the proxy file at path.
func Write(path string, c *proxycert.Credential, o atomicfile.Options) error { panic("not built yet") }

// EscapeName returns the repository file name that vobox-proxy gives a proxy: DN + "-voms " + VO string, escaped with +hh.
func EscapeName(identity, voms string) string { panic("not built yet") }

// UnescapeName splits such a name; ok is false when there is no "-voms " in it.
func UnescapeName(file string) (identity, voms string, ok bool) { panic("not built yet") }
