package issue

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// maxPassphrase is MyProxy's own limit, in bytes.
const maxPassphrase = 1023

// PassphraseFile reads a passphrase, the first line of a file that only its owner may read.
func PassphraseFile(path string) ([]byte, error) { return passphraseFile(path)() }

// passphraseFile returns a function that reads the first line of a file that only its owner may read; nil if there is no
// file.
func passphraseFile(path string) func() ([]byte, error) {
	if path == "" {
		return nil
	}
	return func() ([]byte, error) {
		target, err := atomicfile.Follow(path)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase file: %w", err)
		}
		data, info, err := atomicfile.Read(target, 64<<10)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase file: %w", err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("the passphrase file %q has mode %04o: others can read it; chmod 600 it", path, info.Mode().Perm())
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case len(line) == 0:
			return nil, fmt.Errorf("the passphrase file %q has an empty first line", path)
		case len(line) > maxPassphrase:
			return nil, errors.New("the passphrase is longer than 1023 bytes")
		}
		return line, nil
	}
}
