package gridtest

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// WriteAnchors writes the CA and those above it into a trust directory, which is made if it is missing: certificate,
// signing policy and namespaces under both hashes, no CRL.
func (ca *CA) WriteAnchors(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing trust anchors: %w", err)
	}
	for c := ca; c != nil; c = c.Parent {
		if err := trust.WriteAnchor(dir, c.Certificate, c.policy); err != nil {
			return fmt.Errorf("writing trust anchors: %w", err)
		}
	}
	return nil
}

// WriteCRL writes a list of what has been revoked so far into the trust directory, valid from an hour ago for 30 days.
func (ca *CA) WriteCRL(dir string) error {
	now := ca.now()
	return ca.WriteCRLAt(dir, now.Add(-time.Hour), now.AddDate(0, 0, 30))
}

// WriteCRLAt is WriteCRL with the given times.
func (ca *CA) WriteCRLAt(dir string, thisUpdate, nextUpdate time.Time) error {
	der, err := ca.CRL(thisUpdate, nextUpdate)
	if err != nil {
		return fmt.Errorf("making a CRL: %w", err)
	}
	if err := trust.WriteCRL(dir, ca.Certificate, der); err != nil {
		return fmt.Errorf("writing a CRL: %w", err)
	}
	return nil
}

// CertPEM returns certificates as PEM.
func CertPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// WritePair writes a credential as two files, the certificate chain with mode 0644 and the key (PKCS#8) with mode 0600.
// Directories are made as needed.
func WritePair(c *proxycert.Credential, certFile, keyFile string) error {
	key, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		return fmt.Errorf("writing %q: %w", keyFile, err)
	}
	if err := writeFile(certFile, CertPEM(c.Chain...), 0o644); err != nil {
		return err
	}
	return writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
}

// WriteProxy writes a credential as a proxy file with mode 0600.
func WriteProxy(c *proxycert.Credential, path string) error {
	data, err := credfile.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return writeFile(path, data, 0o600)
}

// writeFile makes a new file with exactly this mode; one that is there is replaced.
func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
