package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// WriteAnchor makes a CA known in a trust-anchor directory, under both hashes: HASH.N, and unless there are no patterns
// HASH.signing_policy and HASH.namespaces that let it sign subjects in slash form, * being any run of characters. It is
// for test directories; the files of another CA with the same name are replaced. Files appear in one step.
func WriteAnchor(dir string, ca *x509.Certificate, policySubjects []string) error {
	name := subjectOf(ca)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	for _, hash := range hashNames(name.Canonical(), name.DER()) {
		if err := writeNumbered(dir, hash+".", block); err != nil {
			return fmt.Errorf("writing trust anchor %s: %w", name, err)
		}
		if len(policySubjects) == 0 {
			continue
		}
		if err := writeFile(filepath.Join(dir, hash+".signing_policy"), []byte(formatPolicy(name, policySubjects))); err != nil {
			return fmt.Errorf("writing signing policy of %s: %w", name, err)
		}
		if err := writeFile(filepath.Join(dir, hash+".namespaces"), []byte(formatNamespaces(name, policySubjects))); err != nil {
			return fmt.Errorf("writing namespaces of %s: %w", name, err)
		}
	}
	return nil
}

// formatPolicy doubles backslashes, which the reader takes away inside '…'.
func formatPolicy(ca dn.Name, subjects []string) string {
	quote := func(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) }
	var b strings.Builder
	fmt.Fprintf(&b, "access_id_CA  X509    '%s'\npos_rights    globus  CA:sign\ncond_subjects globus  '", quote(ca.String()))
	for i, s := range subjects {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, `"%s"`, quote(s))
	}
	b.WriteString("'\n")
	return b.String()
}

func formatNamespaces(ca dn.Name, subjects []string) string {
	var b strings.Builder
	b.WriteString("#NAMESPACES-VERSION: 1.0\n")
	for _, s := range subjects {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, ".*")
		fmt.Fprintf(&b, "TO Issuer \"%s\" \\\n  PERMIT Subject \"%s\"\n", ca, pattern)
	}
	return b.String()
}

// WriteCRL puts a CRL, DER, under both hashes of its CA, as HASH.r0, in place of the one before.
func WriteCRL(dir string, ca *x509.Certificate, crlDER []byte) error {
	block := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crlDER})
	for _, hash := range hashNames(subjectOf(ca).Canonical(), ca.RawSubject) {
		if err := writeFile(filepath.Join(dir, hash+".r0"), block); err != nil {
			return fmt.Errorf("writing CRL of %s: %w", subjectOf(ca), err)
		}
	}
	return nil
}

// WriteLSC writes <vomsdir>/<vo>/<host>.lsc, one DN per line: the signer's, its issuer's, and so on in pairs.
func WriteLSC(vomsdir, vo, host string, chain []dn.Name) error {
	if len(chain) == 0 || len(chain)%2 != 0 || vo == "" || host == "" || strings.ContainsRune(vo+host, '/') {
		return errors.New("writing LSC file: it needs a VO, a host, and DNs in pairs of subject and issuer")
	}
	dir := filepath.Join(vomsdir, vo)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing LSC file: %w", err)
	}
	var b strings.Builder
	for _, name := range chain {
		fmt.Fprintf(&b, "%s\n", name)
	}
	return writeFile(filepath.Join(dir, host+".lsc"), []byte(b.String()))
}

// writeNumbered takes the first free number, or that of a file with the same content.
func writeNumbered(dir, prefix string, data []byte) error {
	for n := range maxNth {
		path := filepath.Join(dir, prefix+strconv.Itoa(n))
		old, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return writeFile(path, data)
		case err != nil:
			return err
		case bytes.Equal(old, data):
			return nil
		}
	}
	return fmt.Errorf("there are %d files %s* already", maxNth, prefix)
}

func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
