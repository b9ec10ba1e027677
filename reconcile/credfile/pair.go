package credfile

import (
	"crypto"
	"errors"
	"fmt"
	"sync"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// ErrPassphrase is wrapped when an encrypted key does not open with the passphrase given.
var ErrPassphrase = errors.New("wrong passphrase")

// LoadPair reads a certificate file and a key file (an EEC kept on the box): PEM, DER or PKCS#12. The passphrase func is
// called at most once, and only when something is encrypted; nil means there is none. Both may be the same file. Links are
// followed as in Load.
func LoadPair(cert, key string, passphrase func() ([]byte, error)) (*proxycert.Credential, error) {
	passphrase = once(passphrase)
	certFile, err := loadAll("certificate", cert)
	if err != nil {
		return nil, err
	}
	keyFile := certFile
	if key != cert {
		if keyFile, err = loadAll("key", key); err != nil {
			return nil, err
		}
	}
	if certFile.PKCS12() {
		if err := certFile.Open(passphrase); err != nil {
			return nil, fmt.Errorf("certificate file %q: %w", cert, err)
		}
	}
	if len(certFile.Certificates) == 0 {
		if len(certFile.Faults) > 0 {
			return nil, fmt.Errorf("certificate file %q: %w", cert, certFile.Faults[0])
		}
		return nil, fmt.Errorf("certificate file %q: %w", cert, ErrNoCertificate)
	}
	err = keyFile.Open(passphrase)
	if err == nil && keyFile.Key == nil {
		err = ErrNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("key file %q: %w", key, err)
	}
	return certFile.pair(keyFile.Key, cert, key)
}

// pair puts the file's chain and a key together.
func (f *File) pair(signer crypto.Signer, cert, key string) (*proxycert.Credential, error) {
	chain, err := proxycert.SortChain(f.Certificates, signer.Public())
	if errors.Is(err, proxycert.ErrKeyMismatch) {
		return nil, fmt.Errorf("%w: %q is not the key of %q, the certificate of %s", err, key, cert,
			dn.MustFromDER(f.Certificates[0].RawSubject))
	}
	if err != nil {
		return nil, fmt.Errorf("certificate file %q: %w", cert, err)
	}
	return &proxycert.Credential{Chain: chain, Key: signer}, nil
}

// once asks for a passphrase a single time.
func once(passphrase func() ([]byte, error)) func() ([]byte, error) {
	if passphrase == nil {
		return nil
	}
	return sync.OnceValues(passphrase)
}

// LoadAll reads a file of certificates, keys or both, as [ParseAll] does. Links are followed as in [Load].
func LoadAll(path string) (*File, error) { return loadAll("certificate", path) }

func loadAll(kind, path string) (*File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f, err := ParseAll(data)
	if err != nil {
		return nil, fmt.Errorf("%s file %q: %w", kind, path, err)
	}
	return f, nil
}
