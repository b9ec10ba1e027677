package credfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// Limits on what a key file can make us compute: a few seconds at most and 64 MiB. OpenSSL writes 2048 rounds unless told
// otherwise, Java 10,000.
const (
	maxRounds       = 2_000_000
	maxFileRounds   = 3 * maxRounds
	maxScryptMemory = 64 << 20
	maxScryptWork   = 4 * maxScryptMemory // bytes mixed
)

var (
	errDamagedKey  = errors.New("the encrypted key is damaged")
	errTooMuchWork = errors.New("opening it would take too much work")
	errUnknownEnc  = errors.New("the key is encrypted in a way that is not supported; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW")
)

// A decrypter opens what one passphrase protects and counts the rounds that it takes, so that a file of many parts is
// bounded, too.
type decrypter struct {
	pass   []byte
	rounds int
}

func (d *decrypter) spend(rounds int64, times int) error {
	if rounds < 1 {
		return errDamagedKey
	}
	if rounds <= maxRounds {
		d.rounds += int(rounds) * times
	}
	if rounds > maxRounds || d.rounds > maxFileRounds {
		return fmt.Errorf("%w: %d rounds of key derivation are more than the %d of a file", errTooMuchWork, rounds, maxRounds)
	}
	return nil
}

// decrypt opens data under an algorithm identifier's content (OID and parameters). The error is about the parameters;
// padded tells whether the end of the plain text is right, as it is in one of 256 cases with a wrong passphrase.
func (d *decrypter) decrypt(alg cryptobyte.String, data []byte) (plain []byte, padded bool, err error) {
	var oid asn1.ObjectIdentifier
	var params cryptobyte.String
	if !alg.ReadASN1ObjectIdentifier(&oid) || !alg.ReadASN1(&params, cbasn1.SEQUENCE) {
		return nil, false, errDamagedKey
	}
	var block cipher.Block
	var iv []byte
	if oid.Equal(oidPBES2) {
		block, iv, err = d.pbes2(params, data)
	} else {
		block, iv, err = d.pbes1(oid, params)
	}
	if err != nil {
		return nil, false, err
	}
	return unchain(block, iv, data)
}

// unchain undoes CBC and takes the padding away.
func unchain(block cipher.Block, iv, data []byte) (plain []byte, padded bool, err error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, false, errDamagedKey
	}
	plain = make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	n := int(plain[len(plain)-1])
	if n == 0 || n > size {
		return plain, false, nil
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return plain, false, nil
		}
	}
	return plain[:len(plain)-n], true, nil
}

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

// A cbc is a block cipher with the length of its key.
type cbc struct {
	keySize int
	block   func(key []byte) (cipher.Block, error)
}

func rc2Block(key []byte) (cipher.Block, error) { return newRC2(key), nil }

// Ciphers by the dotted OID, of PBES2 (RFC 8018, B.2).
var pbes2Ciphers = map[string]cbc{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	"1.3.14.3.2.7":            {8, des.NewCipher},
}

// Hashes by the dotted OID of HMAC with them (RFC 8018, B.1).
var hmacs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
	"1.2.840.113549.2.12": sha512.New512_224,
	"1.2.840.113549.2.13": sha512.New512_256,
}

// pbes2 reads the parameters of RFC 8018, A.4. Everything is looked at before anything is computed.
func (d *decrypter) pbes2(params cryptobyte.String, data []byte) (cipher.Block, []byte, error) {
	var kdf, kdfParams, enc, iv cryptobyte.String
	var kdfOID, encOID asn1.ObjectIdentifier
	if !params.ReadASN1(&kdf, cbasn1.SEQUENCE) || !kdf.ReadASN1ObjectIdentifier(&kdfOID) || !kdf.ReadASN1(&kdfParams, cbasn1.SEQUENCE) ||
		!params.ReadASN1(&enc, cbasn1.SEQUENCE) || !enc.ReadASN1ObjectIdentifier(&encOID) {
		return nil, nil, errDamagedKey
	}
	c, ok := pbes2Ciphers[encOID.String()]
	if !ok {
		return nil, nil, errUnknownEnc
	}
	size := des.BlockSize
	if c.keySize != 8 && encOID[0] == 2 {
		size = aes.BlockSize
	}
	if !enc.ReadASN1(&iv, cbasn1.OCTET_STRING) || len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, nil, errDamagedKey
	}
	var key []byte
	var err error
	switch {
	case kdfOID.Equal(oidPBKDF2):
		key, err = d.pbkdf2(kdfParams, c.keySize)
	case kdfOID.Equal(oidScrypt):
		key, err = d.scrypt(kdfParams, c.keySize)
	default:
		err = errUnknownEnc
	}
	if err != nil {
		return nil, nil, err
	}
	block, err := c.block(key)
	return block, iv, err
}

// pbkdf2 reads the parameters of RFC 8018, A.2, and derives a key. Java writes the key's length there, OpenSSL does not.
// With a size of 0 it is the parameters' length that counts.
func (d *decrypter) pbkdf2(p cryptobyte.String, size int) ([]byte, error) {
	var salt, prf cryptobyte.String
	var rounds int64
	var hasPRF bool
	length := size
	if !p.ReadASN1(&salt, cbasn1.OCTET_STRING) || !p.ReadASN1Integer(&rounds) ||
		p.PeekASN1Tag(cbasn1.INTEGER) && !p.ReadASN1Integer(&length) ||
		!p.ReadOptionalASN1(&prf, &hasPRF, cbasn1.SEQUENCE) || !p.Empty() {
		return nil, errDamagedKey
	}
	// A MAC's key: RFC 9579 wants 20 octets at least, since a short one can be guessed, and no hash has more than 64.
	if size == 0 && (length < 20 || length > 64) || size != 0 && length != size {
		return nil, errDamagedKey
	}
	h := sha1.New
	if hasPRF {
		var id asn1.ObjectIdentifier
		if !prf.ReadASN1ObjectIdentifier(&id) {
			return nil, errDamagedKey
		}
		if h = hmacs[id.String()]; h == nil {
			return nil, errUnknownEnc
		}
	}
	if err := d.spend(rounds, (length+h().Size()-1)/h().Size()); err != nil {
		return nil, err
	}
	return pbkdf2.Key(h, string(d.pass), salt, int(rounds), length)
}

// scrypt reads the parameters of RFC 7914, section 7, and derives a key.
func (d *decrypter) scrypt(p cryptobyte.String, size int) ([]byte, error) {
	var salt cryptobyte.String
	var n, r, par int64
	length := size
	if !p.ReadASN1(&salt, cbasn1.OCTET_STRING) || !p.ReadASN1Integer(&n) || !p.ReadASN1Integer(&r) || !p.ReadASN1Integer(&par) ||
		p.PeekASN1Tag(cbasn1.INTEGER) && !p.ReadASN1Integer(&length) || !p.Empty() || length != size {
		return nil, errDamagedKey
	}
	if n < 2 || n > maxScryptMemory || r < 1 || r > 1024 || par < 1 || par > 16 || n&(n-1) != 0 ||
		128*n*r > maxScryptMemory || 128*n*r*par > maxScryptWork {
		return nil, fmt.Errorf("%w: scrypt with N=%d, r=%d, p=%d", errTooMuchWork, n, r, par)
	}
	if err := d.spend(maxRounds/2, 1); err != nil {
		return nil, err
	}
	return scrypt.Key(d.pass, salt, int(n), int(r), int(par), size)
}

// pbes1 reads the parameters of the old schemes: RFC 8018, A.3, and RFC 7292, appendix C.
func (d *decrypter) pbes1(oid asn1.ObjectIdentifier, params cryptobyte.String) (cipher.Block, []byte, error) {
	var salt cryptobyte.String
	var rounds int64
	if !params.ReadASN1(&salt, cbasn1.OCTET_STRING) || !params.ReadASN1Integer(&rounds) || !params.Empty() {
		return nil, nil, errDamagedKey
	}
	switch oid.String() {
	case "1.2.840.113549.1.5.3":
		return d.pbkdf1(md5.New, salt, rounds)
	case "1.2.840.113549.1.5.10":
		return d.pbkdf1(sha1.New, salt, rounds)
	}
	c, ok := pkcs12Ciphers[oid.String()]
	if !ok {
		return nil, nil, errUnknownEnc
	}
	if err := d.spend(rounds, 3); err != nil {
		return nil, nil, err
	}
	pass := bmpString(d.pass)
	key := pkcs12KDF(sha1.New, salt, pass, 1, int(rounds), c.keySize)
	if oid[len(oid)-1] == 4 {
		key = append(key, key[:8]...) // 3DES with two keys
	}
	block, err := c.block(key)
	return block, pkcs12KDF(sha1.New, salt, pass, 2, int(rounds), des.BlockSize), err
}

// pbkdf1 is RFC 8018, section 5.1: eight octets of key for DES, eight of IV.
func (d *decrypter) pbkdf1(h func() hash.Hash, salt []byte, rounds int64) (cipher.Block, []byte, error) {
	if err := d.spend(rounds, 1); err != nil {
		return nil, nil, err
	}
	t := append(append([]byte{}, d.pass...), salt...)
	for range rounds {
		sum := h()
		sum.Write(t)
		t = sum.Sum(nil)
	}
	block, err := des.NewCipher(t[:8])
	return block, t[8:16], err
}
