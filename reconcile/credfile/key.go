package credfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// parseKey reads an unencrypted key of any of the four forms met in proxy and key files.
func parseKey(b *pem.Block) (crypto.Signer, error) {
	switch b.Type {
	case "RSA PRIVATE KEY":
		if key, err := x509.ParsePKCS1PrivateKey(b.Bytes); err == nil {
			return key, nil
		}
	case "EC PRIVATE KEY":
		if key, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
			return key, nil
		}
	}
	// Some writers put one form under the other's name.
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		// The reason is left out: it is about the key's content.
		return nil, fmt.Errorf("the private key (BEGIN %s) is damaged or of an unknown kind", b.Type)
	}
	return usable(key)
}

// usable refuses kinds of keys that grid software does not know.
func usable(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return nil, errors.New("an Ed25519 key, which no grid software accepts; use an RSA key")
	}
	return nil, fmt.Errorf("a private key of type %T, which no grid software accepts; use an RSA key", key)
}

// isEncrypted tells both kinds of encryption: PKCS#8's and OpenSSL's traditional one (RFC 1421 headers).
func isEncrypted(b *pem.Block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}
