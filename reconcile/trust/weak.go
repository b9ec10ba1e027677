package trust

import (
	"bytes"
	"crypto"
	_ "crypto/md5" // old certificates are signed with it
	"crypto/rsa"
	_ "crypto/sha1" // likewise
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
)

// Signatures that crypto/rsa and crypto/x509 do not check any more: with MD5, and with keys below 1024 bits, which the
// Globus Toolkit gave to its proxies until 2010. They are looked at only where Store.AllowWeak says so.

// tinyBits is where crypto/rsa begins.
const tinyBits = 1024

// isTiny reports whether crypto/rsa refuses to compute with the key.
func isTiny(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && k.N.BitLen() < tinyBits
}

// isWeakly reports whether crypto/x509 would not check a signature that can be checked.
func isWeakly(alg x509.SignatureAlgorithm, signer *x509.Certificate) bool {
	return alg == x509.MD5WithRSA || isTiny(signer)
}

// A hashed15 is a hash and the DER that stands before it in a signature (RFC 8017 section 9.2, note 1).
type hashed15 struct {
	hash   crypto.Hash
	prefix string
}

var hashes15 = map[x509.SignatureAlgorithm]hashed15{
	x509.MD5WithRSA:    {crypto.MD5, "3020300c06082a864886f70d020505000410"},
	x509.SHA1WithRSA:   {crypto.SHA1, "3021300906052b0e03021a05000414"},
	x509.SHA256WithRSA: {crypto.SHA256, "3031300d060960864801650304020105000420"},
	x509.SHA384WithRSA: {crypto.SHA384, "3041300d060960864801650304020205000430"},
}

var errNotBy = errors.New("verification error")

// verifyWeak verifies RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2). Nothing in it is secret.
func verifyWeak(signer *x509.Certificate, alg x509.SignatureAlgorithm, signed, signature []byte) error {
	k, ok := signer.PublicKey.(*rsa.PublicKey)
	h, known := hashes15[alg]
	switch {
	case !ok:
		return errors.New("the signer's key is no RSA key")
	case !known:
		return x509.ErrUnsupportedAlgorithm
	case len(signature) != k.Size() || k.N.BitLen() > maxRSABits || k.E < 2:
		return errNotBy
	}
	s := new(big.Int).SetBytes(signature)
	if s.Cmp(k.N) >= 0 {
		return errNotBy
	}
	content, err := hex.DecodeString(h.prefix)
	if err != nil {
		return err
	}
	digest := h.hash.New()
	digest.Write(signed)
	content = digest.Sum(content)
	fill := k.Size() - 3 - len(content)
	if fill < 8 {
		return errNotBy
	}
	want := append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, fill)...), 0)
	want = append(want, content...)
	if !bytes.Equal(s.Exp(s, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size())), want) {
		return errNotBy
	}
	return nil
}
