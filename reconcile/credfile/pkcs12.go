package credfile

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Reading PKCS#12 is done here and not left to a library because of what arrives under that name: BER from Firefox and old
// Java software, more parts than two, round counts that nobody bounds, RC2 that OpenSSL 3 refuses.

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidX509Cert      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidPBMAC1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
)

// Kinds of bags (RFC 7292, 4.2), by the last number of their OID.
var oidBag = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1}

const (
	bagKey          = 1
	bagShroudedKey  = 2
	bagCertificate  = 3
	bagSafeContents = 6
)

var (
	errDamaged12 = errors.New("the PKCS#12 file is damaged")
	errPublicKey = errors.New("a PKCS#12 file under a public key; only those under a passphrase can be opened")
	digestsByOID = map[string]func() hash.Hash{
		"1.2.840.113549.2.5":     md5.New,
		"1.3.14.3.2.26":          sha1.New,
		"2.16.840.1.101.3.4.2.4": sha256.New224,
		"2.16.840.1.101.3.4.2.1": sha256.New,
		"2.16.840.1.101.3.4.2.2": sha512.New384,
		"2.16.840.1.101.3.4.2.3": sha512.New,
	}
)

// A pfx is the outside of a PKCS#12 file (RFC 7292, section 4).
type pfx struct {
	safe    []byte            // AuthenticatedSafe, as it was MACed
	mac     cryptobyte.String // content of MacData
	hasMAC  bool
	decrypt *decrypter
	file    *File
	opened  bool // something was decrypted, so the passphrase is right
}

// isPKCS12 recognises the file by its version, 3, and the OID that follows; BER allowed.
func isPKCS12(data []byte) bool {
	_, content, _, _, err := header(data)
	if err != nil || data[0] != 0x30 || len(content) < 5 || content[0] != 2 || content[1] != 1 || content[2] != 3 || content[3] != 0x30 {
		return false
	}
	_, info, _, _, err := header(content[3:])
	return err == nil && len(info) > 0 && info[0] == 6
}

func (f *File) openPKCS12(pass []byte) error {
	opened := &File{container: f.container, parse: f.parse}
	x := &pfx{file: opened, decrypt: &decrypter{pass: pass}}
	if err := x.open(); err != nil {
		return err
	}
	f.Certificates, f.Key, f.Faults = opened.Certificates, opened.Key, opened.Faults
	return nil
}

func (x *pfx) open() error {
	err := x.readOutside()
	if err != nil {
		return err
	}
	fits := true
	if x.hasMAC {
		if fits, err = x.verify(); err != nil {
			return x.explain(err)
		}
	}
	err = x.readSafe()
	switch {
	case !fits && x.opened:
		return fmt.Errorf("%w: the passphrase is right, but the content was changed", errDamaged12)
	case !fits:
		return ErrPassphrase
	}
	return x.explain(err)
}

// explain puts what is said of keys into words about this kind of file.
func (x *pfx) explain(err error) error {
	switch {
	case errors.Is(err, errUnknownEnc):
		return errors.New("the PKCS#12 file is protected in a way that is not supported; convert it with: openssl pkcs12 -in FILE -out NEW.pem")
	case errors.Is(err, errDamagedKey), errors.Is(err, errBER):
		return errDamaged12
	}
	return err
}

func (x *pfx) readOutside() error {
	der, err := toDER(x.file.container)
	if err != nil {
		return errDamaged12
	}
	in := cryptobyte.String(der)
	var outer, info, content, safe cryptobyte.String
	var version int
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1Integer(&version) || !outer.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&oid) || !info.ReadASN1(&content, explicit0) {
		return errDamaged12
	}
	if !oid.Equal(oidData) {
		return errPublicKey
	}
	if !content.ReadASN1(&safe, cbasn1.OCTET_STRING) || !outer.ReadOptionalASN1(&x.mac, &x.hasMAC, cbasn1.SEQUENCE) || !outer.Empty() {
		return errDamaged12
	}
	x.safe = safe
	return nil
}

const explicit0 = cbasn1.Tag(0xa0)

// verify compares the MAC (RFC 7292, section 5.1; RFC 9579). Of the empty passphrase there are two forms.
func (x *pfx) verify() (bool, error) {
	mac := x.mac
	var info, alg, digest, salt cryptobyte.String
	var oid asn1.ObjectIdentifier
	rounds := int64(1)
	if !mac.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) ||
		!info.ReadASN1(&digest, cbasn1.OCTET_STRING) || !mac.ReadASN1(&salt, cbasn1.OCTET_STRING) ||
		!mac.Empty() && !mac.ReadASN1Integer(&rounds) {
		return false, errDamaged12
	}
	if oid.Equal(oidPBMAC1) {
		return x.verifyPBMAC1(alg, digest)
	}
	h := digestsByOID[oid.String()]
	if h == nil {
		return false, errUnknownEnc
	}
	size := h().Size()
	fits := func() (bool, error) {
		if err := x.decrypt.spend(rounds, 1); err != nil {
			return false, err
		}
		return macFits(h, pkcs12KDF(h, salt, bmpString(x.decrypt.pass), 3, int(rounds), size), x.safe, digest), nil
	}
	ok, err := fits()
	if err == nil && !ok && x.decrypt.pass != nil && len(x.decrypt.pass) == 0 {
		x.decrypt.pass = nil
		return fits()
	}
	return ok, err
}

func (x *pfx) verifyPBMAC1(alg, digest cryptobyte.String) (bool, error) {
	var params, kdf, kdfParams, mac cryptobyte.String
	var kdfOID, macOID asn1.ObjectIdentifier
	if !alg.ReadASN1(&params, cbasn1.SEQUENCE) || !params.ReadASN1(&kdf, cbasn1.SEQUENCE) || !kdf.ReadASN1ObjectIdentifier(&kdfOID) ||
		!kdf.ReadASN1(&kdfParams, cbasn1.SEQUENCE) || !params.ReadASN1(&mac, cbasn1.SEQUENCE) || !mac.ReadASN1ObjectIdentifier(&macOID) {
		return false, errDamaged12
	}
	h := hmacs[macOID.String()]
	if h == nil || !kdfOID.Equal(oidPBKDF2) {
		return false, errUnknownEnc
	}
	key, err := x.decrypt.pbkdf2(kdfParams, 0)
	if err != nil {
		return false, err
	}
	return macFits(h, key, x.safe, digest), nil
}

func macFits(h func() hash.Hash, key, data, want []byte) bool {
	m := hmac.New(h, key)
	m.Write(data)
	return hmac.Equal(m.Sum(nil), want)
}

// readSafe reads the parts of the file.
func (x *pfx) readSafe() error {
	der, err := toDER(x.safe)
	if err != nil {
		return errDamaged12
	}
	in := cryptobyte.String(der)
	var parts cryptobyte.String
	if !in.ReadASN1(&parts, cbasn1.SEQUENCE) {
		return errDamaged12
	}
	for !parts.Empty() {
		var info, content cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !parts.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&oid) || !info.ReadASN1(&content, explicit0) {
			return errDamaged12
		}
		data, err := x.part(oid, content)
		if err == nil {
			err = x.bags(data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// part returns the SafeContents of one part.
func (x *pfx) part(oid asn1.ObjectIdentifier, content cryptobyte.String) ([]byte, error) {
	var data cryptobyte.String
	switch {
	case oid.Equal(oidData):
		if !content.ReadASN1(&data, cbasn1.OCTET_STRING) {
			return nil, errDamaged12
		}
		return data, nil
	case !oid.Equal(oidEncryptedData):
		return nil, errPublicKey
	}
	var outer, info, alg cryptobyte.String
	var version int
	var kind asn1.ObjectIdentifier
	var tag cbasn1.Tag
	if !content.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1Integer(&version) || !outer.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&kind) || !info.ReadASN1(&alg, cbasn1.SEQUENCE) || !info.ReadAnyASN1(&data, &tag) {
		return nil, errDamaged12
	}
	if tag == explicit0 { // [0] IMPLICIT OCTET STRING in pieces
		joined, err := joinOctets(data)
		if err != nil {
			return nil, err
		}
		data = joined
	}
	plain, padded, err := x.decrypt.decrypt(alg, data)
	if err != nil {
		return nil, err
	}
	if _, _, _, _, err := header(plain); !padded || err != nil || plain[0] != 0x30 {
		return nil, ErrPassphrase
	}
	x.opened = true
	return plain, nil
}

// bags reads SafeContents.
func (x *pfx) bags(ber []byte) error {
	der, err := toDER(ber)
	if err != nil {
		return errDamaged12
	}
	in := cryptobyte.String(der)
	var bags cryptobyte.String
	if !in.ReadASN1(&bags, cbasn1.SEQUENCE) {
		return errDamaged12
	}
	for !bags.Empty() {
		var bag, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !bags.ReadASN1(&bag, cbasn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&oid) || !bag.ReadASN1(&value, explicit0) {
			return errDamaged12
		}
		if len(oid) != len(oidBag)+1 || !slices.Equal(oid[:len(oidBag)], oidBag) {
			continue
		}
		if err := x.bag(oid[len(oidBag)], value); err != nil {
			return err
		}
	}
	return nil
}

// bag reads one bag. CRLs, secrets and what is yet to be invented are passed over. Bags in bags are as deep as toDER lets
// them be.
func (x *pfx) bag(kind int, value cryptobyte.String) error {
	switch kind {
	case bagKey:
		return x.file.addKey("", value)
	case bagShroudedKey:
		plain, err := x.decrypt.openKeyInfo(value)
		if err != nil {
			return err
		}
		x.opened = true
		return x.file.addKey("", plain)
	case bagCertificate:
		var cert, octets, der cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !value.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.ReadASN1ObjectIdentifier(&oid) {
			return errDamaged12
		}
		if !oid.Equal(oidX509Cert) {
			return nil
		}
		if !cert.ReadASN1(&octets, explicit0) || !octets.ReadASN1(&der, cbasn1.OCTET_STRING) {
			return errDamaged12
		}
		x.file.addCertificate(der)
	case bagSafeContents:
		return x.bags(value)
	}
	return nil
}
