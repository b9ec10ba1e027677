package credfile

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// What a file can lack, for callers that decide on it.
var (
	ErrNoCertificate = errors.New("no certificate in it")
	ErrNoKey         = errors.New("no private key in it")
	ErrEncrypted     = errors.New("the private key is encrypted, which no program can use unattended")
)

// A File is what is in a PEM file.
type File struct {
	Certificates []*x509.Certificate // in file order, with duplicates
	Key          crypto.Signer       // nil: none, or Encrypted
	Encrypted    bool                // there is a key, under a passphrase
	Faults       []error             // certificates that could not be read

	encrypted *pem.Block
}

// ParseAll reads a file of certificates, with a key or without. With an error, the File holds what was read before it.
// Blocks of other types, such as EC PARAMETERS or a CRL, are passed over.
func ParseAll(data []byte) (*File, error) {
	f := new(File)
	if err := checkText(data); err != nil {
		return f, err
	}
	s := scanner{data: data}
	for {
		b, err := s.next()
		if err != nil {
			return f, err
		}
		if b == nil {
			break
		}
		if err := f.add(b); err != nil {
			return f, err
		}
	}
	if len(f.Certificates) == 0 && len(f.Faults) == 0 && f.Key == nil && !f.Encrypted {
		return f, errors.New("neither a certificate nor a private key in it (no PEM block)")
	}
	return f, nil
}

// checkText refuses what cannot be PEM.
func checkText(data []byte) error {
	switch {
	case len(data) > MaxSize:
		return fmt.Errorf("%d bytes, more than the %d that a proxy file can have", len(data), MaxSize)
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("the file is empty")
	case bytes.Contains(data, []byte(beginMark)):
		return nil
	case data[0] == 0x30:
		return errors.New("a binary file, DER or PKCS#12; a PKCS#12 file is converted with: openssl pkcs12 -in FILE -out NEW.pem")
	case bytes.IndexByte(data, 0) >= 0:
		return errors.New("a binary file, not PEM")
	}
	return nil
}

func (f *File) add(b *pem.Block) error {
	switch b.Type {
	case "CERTIFICATE", "X509 CERTIFICATE":
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			// A CA certificate that Go refuses may be among the rest: only a chain that lacks it is spoilt.
			f.Faults = append(f.Faults, fmt.Errorf("certificate %d: %w", len(f.Certificates)+len(f.Faults)+1, err))
			return nil
		}
		f.Certificates = append(f.Certificates, cert)
	case "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		if isEncrypted(b) {
			f.Encrypted, f.encrypted = true, b
			return nil
		}
		key, err := parseKey(fmt.Sprintf(" (BEGIN %s)", b.Type), b.Bytes)
		if err != nil {
			return err
		}
		if f.Key != nil && !sameKey(f.Key.Public(), key.Public()) {
			return errors.New("two different private keys in it")
		}
		f.Key = key
	case "DSA PRIVATE KEY":
		return errors.New("a DSA key, which no grid software accepts; use an RSA key")
	case "OPENSSH PRIVATE KEY":
		return errors.New("an OpenSSH key, which belongs to no certificate")
	}
	return nil
}

// Credential returns the chain that belongs to the key, sorted.
func (f *File) Credential() (*proxycert.Credential, error) {
	switch {
	case f.Key == nil && f.Encrypted:
		return nil, ErrEncrypted
	case len(f.Certificates) == 0 && len(f.Faults) > 0:
		return nil, f.Faults[0]
	case len(f.Certificates) == 0:
		return nil, ErrNoCertificate
	case f.Key == nil:
		return nil, ErrNoKey
	}
	chain, err := proxycert.SortChain(f.Certificates, f.Key.Public())
	if err != nil {
		return nil, f.mismatch(err)
	}
	c := &proxycert.Credential{Chain: chain, Key: f.Key}
	if c.EEC() == nil && len(f.Faults) > 0 {
		return nil, errors.Join(f.Faults...)
	}
	return c, nil
}

// mismatch adds to a key that matches nothing which certificate was there, and which could not be read.
func (f *File) mismatch(err error) error {
	if len(f.Faults) > 0 {
		return fmt.Errorf("%w; %w", err, f.Faults[0])
	}
	return fmt.Errorf("%w (the first is that of %s)", err, dn.MustFromDER(f.Certificates[0].RawSubject))
}

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func belongs(key crypto.Signer, cert *x509.Certificate) bool {
	return sameKey(cert.PublicKey, key.Public())
}

const (
	beginMark = "-----BEGIN "
	endMark   = "-----END "
	markTail  = "-----"
)

// A scanner finds PEM blocks. Unlike encoding/pem it does not pass over damaged ones, so that a file which was cut off is
// named as such.
type scanner struct {
	data []byte
	pos  int
}

// next returns the next block, or nil at the end.
func (s *scanner) next() (*pem.Block, error) {
	start := s.lineStarting(beginMark)
	if end := s.lineStarting(endMark); end >= 0 && (start < 0 || end < start) {
		return nil, fmt.Errorf("line %d: an END line without BEGIN: what was before it is missing", s.line(end))
	}
	if start < 0 {
		return nil, nil
	}
	name, ok := blockName(s.data[start+len(beginMark):])
	if !ok {
		return nil, fmt.Errorf("line %d: a broken BEGIN line", s.line(start))
	}
	body := start + len(beginMark) + len(name) + len(markTail)
	end := bytes.Index(s.data[body:], []byte(endMark+name+markTail))
	other := bytes.Index(s.data[body:], []byte("\n"+beginMark))
	if end < 0 || other >= 0 && other < end {
		return nil, fmt.Errorf("line %d: BEGIN %s without END: the file was cut off or damaged", s.line(start), name)
	}
	stop := body + end + len(endMark) + len(name) + len(markTail)
	b, _ := pem.Decode(onLine(s.data[start:stop]))
	if b == nil || b.Type != name {
		return nil, fmt.Errorf("line %d: the content of BEGIN %s is damaged (not base64)", s.line(start), name)
	}
	s.pos = stop
	return b, nil
}

// onLine undoes CR line ends of old Macs, which encoding/pem does not know.
func onLine(block []byte) []byte {
	if bytes.IndexByte(block, '\n') >= 0 {
		return block
	}
	return bytes.ReplaceAll(block, []byte("\r"), []byte("\n"))
}

// lineStarting finds the mark at the beginning of a line, or right after the block before (files put together with cat
// may lack the line end between them). It returns -1 if there is none.
func (s *scanner) lineStarting(mark string) int {
	for at := s.pos; ; {
		i := bytes.Index(s.data[at:], []byte(mark))
		if i < 0 {
			return -1
		}
		i += at
		if i == s.pos || s.data[i-1] == '\n' || s.data[i-1] == '\r' {
			return i
		}
		at = i + len(mark)
	}
}

// blockName reads the type up to the five hyphens.
func blockName(rest []byte) (string, bool) {
	line := rest[:min(len(rest), 80)]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	name, _, ok := strings.Cut(string(line), markTail)
	printable := !slices.ContainsFunc([]byte(name), func(c byte) bool { return c < ' ' || c > '~' })
	return name, ok && name != "" && printable
}

// line numbers an offset from 1.
func (s *scanner) line(offset int) int { return 1 + bytes.Count(s.data[:offset], []byte("\n")) }
