package credfile

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// What a file can lack, for callers that decide on it.
var (
	ErrNoCertificate = errors.New("no certificate in it")
	ErrNoKey         = errors.New("no private key in it")
	ErrEncrypted     = errors.New("the private key is encrypted, which no program can use unattended")
)

// A File is what is in a PEM, DER or PKCS#12 file.
type File struct {
	Certificates []*x509.Certificate // in file order, with duplicates
	Key          crypto.Signer       // nil: none, or Encrypted and not opened yet; of RSA keys usually a *Key
	Encrypted    bool                // there is a key, under a passphrase
	Faults       []error             // certificates that could not be read

	encrypted *pem.Block
	container []byte // PKCS#12
	other     string // type of the first block that was passed over
	headless  bool   // the first certificate could not be read
	trusted   bool   // a certificate is in OpenSSL's own form
	parse     func(der []byte) (*x509.Certificate, error)
}

// A Reader reads files. The zero Reader reads them as [ParseAll] does.
type Reader struct {
	// ParseCertificate is used in place of dn.ParseCertificate: most proxies of a directory have the same certificates
	// above them.
	ParseCertificate func(der []byte) (*x509.Certificate, error)
}

// ParseAll reads a file of certificates, with a key or without. With an error, the File holds what was read before it.
// Blocks of other types, such as EC PARAMETERS or a CRL, are passed over. Of a PKCS#12 file everything is Encrypted: see
// Open.
func ParseAll(data []byte) (*File, error) { return Reader{}.ParseAll(data) }

// ParseAll is the function of that name.
func (r Reader) ParseAll(data []byte) (*File, error) {
	f := &File{parse: r.ParseCertificate}
	if f.parse == nil {
		f.parse = dn.ParseCertificate
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // of Windows editors
	if err := checkText(data); err != nil {
		return f, err
	}
	if !bytes.Contains(data, []byte(beginMark)) {
		return f, f.addBinary(data)
	}
	s := newScanner(data)
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
	nothing := len(f.Certificates) == 0 && len(f.Faults) == 0 && f.Key == nil && !f.Encrypted
	switch {
	case nothing && f.other != "":
		return f, fmt.Errorf("neither a certificate nor a private key in it, but BEGIN %s", f.other)
	case nothing:
		return f, errNothing
	case f.trusted && (f.Key != nil || f.Encrypted):
		return f, errors.New("a certificate in OpenSSL's own form (BEGIN TRUSTED CERTIFICATE) beside a key, where no grid program reads it; " +
			"make it a plain one with openssl x509 -in FILE -out CERTIFICATE")
	}
	return f, nil
}

var errNothing = errors.New("neither a certificate nor a private key in it (no PEM block)")

// Headless returns why the first certificate of a file could not be read, if that is so. Without a key it is the one that the
// file is about, whatever stands behind it.
func (f *File) Headless() error {
	if f.headless {
		return f.Faults[0]
	}
	return nil
}

// checkText refuses what holds nothing.
func checkText(data []byte) error {
	switch {
	case len(data) > MaxSize:
		return fmt.Errorf("%d bytes, more than the %d that a proxy file can have", len(data), MaxSize)
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("the file is empty")
	}
	return nil
}

// addBinary reads what is not PEM: DER of a certificate or a key, which portals offer for download, or PKCS#12.
func (f *File) addBinary(data []byte) error {
	switch {
	case data[0] != 0x30 && bytes.IndexByte(data, 0) < 0:
		return errNothing
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return errors.New("text in UTF-16, which no grid program reads; save it as plain text (ASCII or UTF-8)")
	case data[0] != 0x30:
		return errors.New("a binary file, neither PEM nor DER")
	case isPKCS12(data):
		f.Encrypted, f.container = true, data
		return nil
	case !isSequence(firstElement(data)):
		return errors.New("a binary file that is no DER, or DER that was cut off")
	}
	if cert, err := f.parse(firstElement(data)); err == nil {
		f.Certificates = append(f.Certificates, cert)
		return nil
	}
	if isKeyInfo(data) {
		f.Encrypted, f.encrypted = true, &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: data}
		return nil
	}
	if _, _, ok := unwrapPKCS8(data); ok || beginsLikeKey(data) {
		return f.addKey(" (DER)", data)
	}
	if looksLikeCertificate(data) {
		f.addCertificate(data)
		return nil
	}
	return errors.New("DER, but neither a certificate nor a private key")
}

// firstElement leaves out what stands behind the DER, such as a line end, as OpenSSL does.
func firstElement(data []byte) []byte {
	in := cryptobyte.String(data)
	var element cryptobyte.String
	if in.ReadASN1Element(&element, cbasn1.SEQUENCE) {
		return element
	}
	return data
}

// looksLikeCertificate reports whether there are the parts of one that crypto/x509 did not read: SEQUENCE { SEQUENCE { [0]
// version, serial, algorithm, issuer, validity, … }, algorithm, signature }.
func looksLikeCertificate(data []byte) bool {
	in := cryptobyte.String(data)
	var body, tbs cryptobyte.String
	return in.ReadASN1(&body, cbasn1.SEQUENCE) && body.ReadASN1(&tbs, cbasn1.SEQUENCE) && tbs.SkipASN1(cbasn1.Tag(0xa0)) && tbs.SkipASN1(cbasn1.INTEGER) &&
		tbs.SkipASN1(cbasn1.SEQUENCE) && tbs.SkipASN1(cbasn1.SEQUENCE) && tbs.SkipASN1(cbasn1.SEQUENCE) && tbs.SkipASN1(cbasn1.SEQUENCE)
}

func (f *File) add(b *pem.Block) error {
	switch b.Type {
	case "CERTIFICATE", "X509 CERTIFICATE":
		f.addCertificate(b.Bytes)
	case "TRUSTED CERTIFICATE":
		f.trusted = true
		f.addCertificate(b.Bytes)
	case "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		if isEncrypted(b) {
			f.Encrypted, f.encrypted = true, b
			return nil
		}
		return f.addKey(fmt.Sprintf(" (BEGIN %s)", b.Type), b.Bytes)
	case "DSA PRIVATE KEY":
		return errors.New("a DSA key, which no grid software accepts; use an RSA key")
	case "OPENSSH PRIVATE KEY":
		return errors.New("an OpenSSH key, which belongs to no certificate")
	default:
		if f.other == "" {
			f.other = b.Type
		}
	}
	return nil
}

// addCertificate takes a certificate in. A CA certificate that Go refuses may be among the rest: only a chain that lacks it
// is spoilt. Octets behind it in its block are passed over, as OpenSSL does.
func (f *File) addCertificate(der []byte) {
	cert, err := f.parse(firstElement(der))
	if err != nil {
		f.headless = f.headless || len(f.Certificates) == 0
		f.Faults = append(f.Faults, fmt.Errorf("certificate %d: %w", len(f.Certificates)+len(f.Faults)+1, err))
		return
	}
	f.Certificates = append(f.Certificates, cert)
}

// addKey takes an unencrypted key in; name is what it is called in an error.
func (f *File) addKey(name string, der []byte) error {
	key, err := parseKey(name, der)
	if err != nil {
		return err
	}
	if f.Key != nil && !proxycert.SameKey(f.Key.Public(), key.Public()) {
		return errors.New("two different private keys in it")
	}
	f.Key = key
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
	if proxy := f.signedBy(chain); proxy != nil {
		return nil, fmt.Errorf("the private key is not that of the proxy %s, but of %s, which signed it", dn.MustFromDER(proxy.RawSubject),
			dn.MustFromDER(chain[0].RawSubject))
	}
	c := &proxycert.Credential{Chain: chain, Key: f.Key, Others: f.others(chain)}
	if c.EEC() == nil && len(f.Faults) > 0 {
		return nil, errors.Join(f.Faults...)
	}
	return c, nil
}

// others returns the certificates that are not of the chain.
func (f *File) others(chain []*x509.Certificate) (out []*x509.Certificate) {
	for _, c := range f.Certificates {
		if !slices.ContainsFunc(chain, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// signedBy returns a proxy that the chain's leaf signed. In a file with the leaf's key it is a proxy without its own, as when
// the user's key was put in the place of the proxy's: no program can use it, although the key fits one of the certificates.
func (f *File) signedBy(chain []*x509.Certificate) *x509.Certificate {
	leaf := chain[0]
	name := dn.MustFromDER(leaf.RawSubject)
	checks := 0
	for _, c := range f.Certificates {
		if slices.Contains(chain, c) || !dn.MustFromDER(c.RawIssuer).Equal(name) {
			continue
		}
		if info, _ := proxycert.Classify(c); !info.IsProxy() {
			continue
		}
		if proxycert.CheckSignature(c, leaf) == nil {
			return c
		}
		if checks++; checks == maxSignedBy {
			break // somebody makes fun of us
		}
	}
	return nil
}

// maxSignedBy is how many proxies of the leaf's name are looked at in search of one that it signed.
const maxSignedBy = 64

// mismatch adds to a key that matches nothing which certificate was there, and which could not be read.
func (f *File) mismatch(err error) error {
	if len(f.Faults) > 0 {
		return fmt.Errorf("%w; %w", err, f.Faults[0])
	}
	return fmt.Errorf("%w (the first is that of %s)", err, dn.MustFromDER(f.Certificates[0].RawSubject))
}

func belongs(key crypto.Signer, cert *x509.Certificate) bool {
	return proxycert.SameKey(cert.PublicKey, key.Public())
}
