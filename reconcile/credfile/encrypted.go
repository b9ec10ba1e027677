package credfile

import (
	"crypto"
	"crypto/aes"
	"crypto/des"
	"crypto/md5"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// PKCS12 reports whether the file is a PKCS#12 container. Its certificates are known only after Open.
func (f *File) PKCS12() bool { return f.container != nil }

// Open decrypts what is encrypted in the file, so that Key, and for PKCS#12 Certificates, are there. It does nothing for a
// file without encryption. The passphrase func is called once and only if need be; nil means there is none: then the error
// is ErrEncrypted, except for a PKCS#12 file under the empty passphrase. A passphrase that does not fit is ErrPassphrase,
// everything else that is wrong is not; neither holds anything of the key or the passphrase.
func (f *File) Open(passphrase func() ([]byte, error)) error {
	if f.Key != nil || !f.Encrypted {
		return nil
	}
	pass, err := f.ask(passphrase)
	if err != nil {
		return err
	}
	switch {
	case f.PKCS12():
		err = f.openPKCS12(pass)
		if passphrase == nil && errors.Is(err, ErrPassphrase) {
			err = ErrEncrypted
		}
	case f.encrypted.Type == "ENCRYPTED PRIVATE KEY":
		f.Key, err = openPKCS8(f.encrypted.Bytes, pass)
	default:
		f.Key, err = openTraditional(f.encrypted, pass)
	}
	return err
}

// ask returns the passphrase. Only PKCS#12 files have empty ones.
func (f *File) ask(passphrase func() ([]byte, error)) ([]byte, error) {
	if passphrase == nil {
		if f.PKCS12() {
			return []byte{}, nil
		}
		return nil, ErrEncrypted
	}
	pass, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("getting the passphrase: %w", err)
	}
	if len(pass) == 0 && !f.PKCS12() {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	return pass, nil
}

// openPKCS8 opens an EncryptedPrivateKeyInfo of RFC 5958, section 3.
func openPKCS8(der, pass []byte) (crypto.Signer, error) {
	plain, err := (&decrypter{pass: pass}).openKeyInfo(der)
	if err != nil {
		return nil, err
	}
	return parseKey("", plain)
}

// openKeyInfo returns the PKCS#8 key inside.
func (d *decrypter) openKeyInfo(der []byte) ([]byte, error) {
	in := cryptobyte.String(der)
	var outer, alg, data cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&alg, cbasn1.SEQUENCE) || !outer.ReadASN1(&data, cbasn1.OCTET_STRING) {
		return nil, errDamagedKey
	}
	plain, padded, err := d.decrypt(alg, data)
	if err != nil {
		return nil, err
	}
	return checkPlain(plain, padded)
}

// isKeyInfo tells an encrypted PKCS#8 key: an algorithm with parameters and an octet string.
func isKeyInfo(der []byte) bool {
	in := cryptobyte.String(der)
	var outer, alg cryptobyte.String
	return in.ReadASN1(&outer, cbasn1.SEQUENCE) && in.Empty() && outer.ReadASN1(&alg, cbasn1.SEQUENCE) &&
		alg.SkipASN1(cbasn1.OBJECT_IDENTIFIER) && outer.SkipASN1(cbasn1.OCTET_STRING) && outer.Empty()
}

// checkPlain tells a wrong passphrase from a damaged key. What a wrong one leaves is noise: that it ends with padding
// happens once in 256 times, that it is a whole SEQUENCE, too, or begins with the ten octets of a key, never.
func checkPlain(plain []byte, padded bool) ([]byte, error) {
	switch {
	case padded && isSequence(plain):
		return plain, nil
	case beginsLikeKey(plain):
		return nil, errDamagedKey
	}
	return nil, ErrPassphrase
}

// isSequence reports whether der is one SEQUENCE and nothing else.
func isSequence(der []byte) bool {
	in := cryptobyte.String(der)
	return in.SkipASN1(cbasn1.SEQUENCE) && in.Empty()
}

// beginsLikeKey reports whether plain text begins as all private keys do: a SEQUENCE, the version, and then the algorithm
// (PKCS#8), the modulus (PKCS#1) or the private number (SEC 1).
func beginsLikeKey(plain []byte) bool {
	if len(plain) < 2 || plain[0] != 0x30 {
		return false
	}
	rest := plain[2:]
	if plain[1] > 0x80 {
		rest = rest[min(int(plain[1]&0x7f), len(rest)):]
	}
	if len(rest) < 4 || rest[0] != 2 || rest[1] != 1 || rest[2] > 1 {
		return false
	}
	return rest[3] == 0x30 || rest[3] == 0x02 || rest[3] == 0x04
}

// Ciphers of DEK-Info headers.
var dekCiphers = map[string]cbc{
	"DES-CBC":      {8, des.NewCipher},
	"DES-EDE3-CBC": {24, des.NewTripleDESCipher},
	"AES-128-CBC":  {16, aes.NewCipher},
	"AES-192-CBC":  {24, aes.NewCipher},
	"AES-256-CBC":  {32, aes.NewCipher},
}

// openTraditional opens a key with a DEK-Info header (RFC 1421, 4.6.1.3), as grid certificates were handed out for twenty
// years.
func openTraditional(b *pem.Block, pass []byte) (crypto.Signer, error) {
	name, ivHex, _ := strings.Cut(b.Headers["DEK-Info"], ",")
	iv, err := hex.DecodeString(strings.TrimSpace(ivHex))
	if err != nil || len(iv) < 8 {
		return nil, fmt.Errorf("%w: its DEK-Info header is broken", errDamagedKey)
	}
	c, ok := dekCiphers[strings.ToUpper(strings.TrimSpace(name))]
	if !ok {
		return nil, errUnknownEnc
	}
	block, err := c.block(bytesToKey(pass, iv[:8], c.keySize))
	if err != nil {
		return nil, err
	}
	plain, padded, err := unchain(block, iv, b.Bytes)
	if err == nil {
		plain, err = checkPlain(plain, padded)
	}
	if err != nil {
		return nil, err
	}
	return parseKey("", plain)
}

// bytesToKey is how OpenSSL derives such a key: EVP_BytesToKey(3) with MD5 and one round.
func bytesToKey(pass, salt []byte, size int) []byte {
	var key, last []byte
	for len(key) < size {
		h := md5.New()
		h.Write(last)
		h.Write(pass)
		h.Write(salt)
		last = h.Sum(nil)
		key = append(key, last...)
	}
	return key[:size]
}
