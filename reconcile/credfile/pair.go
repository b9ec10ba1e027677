package credfile

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// ErrPassphrase is wrapped when an encrypted key does not open with the passphrase given.
var ErrPassphrase = errors.New("wrong passphrase")

// LoadPair reads a certificate file and a key file (an EEC kept on the box). The passphrase func is called only when the
// key is encrypted; nil means there is none. Both may be the same file. Links are followed as in Load.
func LoadPair(cert, key string, passphrase func() ([]byte, error)) (*proxycert.Credential, error) {
	certFile, err := loadAll("certificate", cert)
	if err != nil {
		return nil, err
	}
	if len(certFile.Certificates) == 0 {
		if len(certFile.Faults) > 0 {
			return nil, fmt.Errorf("certificate file %q: %w", cert, certFile.Faults[0])
		}
		return nil, fmt.Errorf("certificate file %q: %w", cert, ErrNoCertificate)
	}
	keyFile, err := loadAll("key", key)
	if err != nil {
		return nil, err
	}
	signer, err := keyFile.openKey(passphrase)
	if err != nil {
		return nil, fmt.Errorf("key file %q: %w", key, err)
	}
	chain, err := proxycert.SortChain(certFile.Certificates, signer.Public())
	if errors.Is(err, proxycert.ErrKeyMismatch) {
		return nil, fmt.Errorf("%w: %q is not the key of %q, the certificate of %s", err, key, cert,
			dn.MustFromDER(certFile.Certificates[0].RawSubject))
	}
	if err != nil {
		return nil, fmt.Errorf("certificate file %q: %w", cert, err)
	}
	return &proxycert.Credential{Chain: chain, Key: signer}, nil
}

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

// openKey returns the file's key, decrypted if need be.
func (f *File) openKey(passphrase func() ([]byte, error)) (crypto.Signer, error) {
	if f.Key != nil {
		return f.Key, nil
	}
	if !f.Encrypted {
		return nil, ErrNoKey
	}
	if passphrase == nil {
		return nil, ErrEncrypted
	}
	pass, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("getting the passphrase: %w", err)
	}
	if len(pass) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	if f.encrypted.Type == "ENCRYPTED PRIVATE KEY" {
		return openPKCS8(f.encrypted.Bytes, pass)
	}
	return openTraditional(f.encrypted, pass)
}

// openTraditional opens a key with a DEK-Info header, as grid certificates were handed out for twenty years.
func openTraditional(b *pem.Block, pass []byte) (crypto.Signer, error) {
	//lint:ignore SA1019 weak as it is, users' keys are encrypted so
	der, err := x509.DecryptPEMBlock(b, pass)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("the encrypted key is damaged: %w", err)
	}
	key, err := parseKey("", der)
	if err != nil && !looksLikeKey(der) {
		return nil, ErrPassphrase // one wrong passphrase in 256 leaves a plausible padding
	}
	return key, err
}

// looksLikeKey reports whether a decrypted key is one SEQUENCE: then the passphrase was right, whatever else is wrong.
func looksLikeKey(der []byte) bool {
	in := cryptobyte.String(der)
	return in.SkipASN1(cbasn1.SEQUENCE) && in.Empty()
}

// openPKCS8 opens a key of RFC 5958 with PBES2 (RFC 8018).
func openPKCS8(der, pass []byte) (crypto.Signer, error) {
	if err := checkPBES2(der); err != nil {
		return nil, err
	}
	key, _, err := pkcs8.ParsePrivateKey(der, pass)
	if err != nil {
		return nil, ErrPassphrase // everything else was looked at before
	}
	return usable(key)
}

var (
	oidPBES2    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	oidHMACSHA1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidHMACSHA2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9} // with SHA-256
	oidAES128   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oid3DES     = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
)

// Limits on what a key file can make us compute: about a second and 64 MiB. OpenSSL writes 2048 rounds unless told otherwise.
const (
	maxIterations   = 2_000_000
	maxScryptMemory = 64 << 20
)

var (
	errDamagedKey = errors.New("the encrypted key is damaged")
	errUnknownEnc = errors.New("the key is encrypted in a way that is not supported; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW")
)

// checkPBES2 looks at everything about an encrypted key except the key, so that what fails afterwards is the passphrase;
// it also keeps lengths from the decryption that would make it panic.
func checkPBES2(der []byte) error {
	in := cryptobyte.String(der)
	var outer, alg, params, kdf, kdfParams, enc, iv, data cryptobyte.String
	var scheme, kdfOID, encOID asn1.ObjectIdentifier
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&alg, cbasn1.SEQUENCE) || !outer.ReadASN1(&data, cbasn1.OCTET_STRING) ||
		!alg.ReadASN1ObjectIdentifier(&scheme) {
		return errDamagedKey
	}
	if !scheme.Equal(oidPBES2) {
		return errUnknownEnc
	}
	if !alg.ReadASN1(&params, cbasn1.SEQUENCE) ||
		!params.ReadASN1(&kdf, cbasn1.SEQUENCE) || !kdf.ReadASN1ObjectIdentifier(&kdfOID) || !kdf.ReadASN1(&kdfParams, cbasn1.SEQUENCE) ||
		!params.ReadASN1(&enc, cbasn1.SEQUENCE) || !enc.ReadASN1ObjectIdentifier(&encOID) {
		return errDamagedKey
	}
	block := 0
	switch {
	case encOID.Equal(oidAES128), encOID.Equal(oidAES192), encOID.Equal(oidAES256):
		block = 16
	case encOID.Equal(oid3DES):
		block = 8
	default:
		return errUnknownEnc
	}
	if !enc.ReadASN1(&iv, cbasn1.OCTET_STRING) || len(iv) != block || len(data) == 0 || len(data)%block != 0 {
		return errDamagedKey
	}
	switch {
	case kdfOID.Equal(oidPBKDF2):
		return checkPBKDF2(kdfParams)
	case kdfOID.Equal(oidScrypt):
		return checkScrypt(kdfParams)
	}
	return errUnknownEnc
}

func checkPBKDF2(p cryptobyte.String) error {
	var salt, prf cryptobyte.String
	var iterations int64
	var hasPRF bool
	if !p.ReadASN1(&salt, cbasn1.OCTET_STRING) || !p.ReadASN1Integer(&iterations) ||
		!p.SkipOptionalASN1(cbasn1.INTEGER) || !p.ReadOptionalASN1(&prf, &hasPRF, cbasn1.SEQUENCE) {
		return errDamagedKey
	}
	if iterations < 1 || iterations > maxIterations {
		return fmt.Errorf("%w: %d rounds", errDamagedKey, iterations)
	}
	var id asn1.ObjectIdentifier
	if hasPRF && (!prf.ReadASN1ObjectIdentifier(&id) || !id.Equal(oidHMACSHA1) && !id.Equal(oidHMACSHA2)) {
		return errUnknownEnc
	}
	return nil
}

func checkScrypt(p cryptobyte.String) error {
	var salt cryptobyte.String
	var n, r, par int64
	if !p.ReadASN1(&salt, cbasn1.OCTET_STRING) || !p.ReadASN1Integer(&n) || !p.ReadASN1Integer(&r) || !p.ReadASN1Integer(&par) {
		return errDamagedKey
	}
	if n < 2 || n > maxScryptMemory || r < 1 || r > 1024 || par < 1 || par > 16 || n&(n-1) != 0 || 128*n*r > maxScryptMemory {
		return fmt.Errorf("%w: scrypt parameters out of bounds", errDamagedKey)
	}
	return nil
}
