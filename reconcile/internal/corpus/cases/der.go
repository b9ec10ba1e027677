package cases

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	_ "crypto/md5" // old certificates are signed with it
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// An algorithm is one way to sign.
type algorithm struct {
	id   []byte // AlgorithmIdentifier
	hash crypto.Hash
	pss  bool
	salt int // of PSS
}

func rsaWith(hash crypto.Hash, last int) *algorithm {
	return &algorithm{id: identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, last}, []byte{5, 0}), hash: hash}
}

func ecdsaWith(hash crypto.Hash, arc ...int) *algorithm {
	return &algorithm{id: identifier(append(asn1.ObjectIdentifier{1, 2, 840, 10045, 4}, arc...), nil), hash: hash}
}

var (
	rsaMD5      = rsaWith(crypto.MD5, 4)
	rsaSHA1     = rsaWith(crypto.SHA1, 5)
	rsaSHA256   = rsaWith(crypto.SHA256, 11)
	rsaSHA384   = rsaWith(crypto.SHA384, 12)
	rsaSHA512   = rsaWith(crypto.SHA512, 13)
	ecdsaSHA1   = ecdsaWith(crypto.SHA1, 1)
	ecdsaSHA256 = ecdsaWith(crypto.SHA256, 3, 2)
	ecdsaSHA384 = ecdsaWith(crypto.SHA384, 3, 3)
	ecdsaSHA512 = ecdsaWith(crypto.SHA512, 3, 4)
	pureEd25519 = &algorithm{id: identifier(asn1.ObjectIdentifier{1, 3, 101, 112}, nil)}
	rsaPSS      = &algorithm{id: identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, pssParameters()), hash: crypto.SHA256, pss: true, salt: 32}
)

// pssParameters are those of RFC 4055 section 3.1 for SHA-256 with 32 octets of salt.
func pssParameters() []byte {
	sha256 := identifier(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, []byte{5, 0})
	mgf1 := identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}, sha256)
	return sequence(element(0xa0, sha256), element(0xa1, mgf1), element(0xa2, integer(32)))
}

// algorithmOf is what a key signs with unless told otherwise.
func algorithmOf(k *key) *algorithm {
	switch pub := k.signer.Public().(type) {
	case ed25519.PublicKey:
		return pureEd25519
	case *ecdsa.PublicKey:
		if pub.Curve.Params().BitSize > 256 {
			return ecdsaSHA384
		}
		return ecdsaSHA256
	}
	return rsaSHA256
}

func (a *algorithm) sign(k *key, data []byte) []byte {
	if r, ok := k.signer.(*rsa.PrivateKey); ok && r.N.BitLen() < 1024 {
		return a.signShort(r, data)
	}
	opts := crypto.SignerOpts(a.hash)
	if a.hash != 0 {
		h := a.hash.New()
		h.Write(data)
		data = h.Sum(nil)
	}
	if a.pss {
		opts = &rsa.PSSOptions{SaltLength: a.salt, Hash: a.hash}
	}
	return must(k.signer.Sign(rand.Reader, data, opts))
}

// The elements of DER.

func element(tag cbasn1.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, p := range parts {
			b.AddBytes(p)
		}
	})
	return b.BytesOrPanic()
}

func sequence(parts ...[]byte) []byte { return element(cbasn1.SEQUENCE, parts...) }
func octets(content []byte) []byte    { return element(cbasn1.OCTET_STRING, content) }
func bits(content []byte) []byte      { return element(cbasn1.BIT_STRING, []byte{0}, content) }

func integer(n int64) []byte { return must(asn1.Marshal(n)) }

func oid(id ...int) []byte { return must(asn1.Marshal(asn1.ObjectIdentifier(id))) }

func identifier(id asn1.ObjectIdentifier, parameters []byte) []byte {
	return sequence(oid(id...), parameters)
}

// moment is UTCTime up to 2049, as RFC 5280 section 4.1.2.5 wants.
func moment(t time.Time) []byte {
	if t = t.UTC(); t.Year() < 2050 {
		return element(cbasn1.UTCTime, []byte(t.Format("060102150405Z")))
	}
	return generalized(t)
}

func generalized(t time.Time) []byte {
	return element(cbasn1.GeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
}

// name encodes the slash form.
func name(slash string) []byte { return must(dn.Parse(slash)).DER() }

// A part is one attribute of a name, of any string type.
type part struct {
	id    []int
	tag   cbasn1.Tag
	value string
}

var (
	idCN    = []int{2, 5, 4, 3}
	idO     = []int{2, 5, 4, 10}
	idOU    = []int{2, 5, 4, 11}
	idDC    = []int{0, 9, 2342, 19200300, 100, 1, 25}
	idUID   = []int{0, 9, 2342, 19200300, 100, 1, 1}
	idEmail = []int{1, 2, 840, 113549, 1, 9, 1}
)

// rawName joins names given in slash form or encoded.
func rawName(names ...[]byte) []byte {
	var content []byte
	for _, n := range names {
		in := cryptobyte.String(n)
		var body cryptobyte.String
		if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
			panic("cases: not a name")
		}
		content = append(content, body...)
	}
	return sequence(content)
}

// oneRDN is a name of one part, of one attribute or several.
func oneRDN(parts ...part) []byte {
	var encoded [][]byte
	for _, p := range parts {
		encoded = append(encoded, sequence(oid(p.id...), element(p.tag, []byte(p.value))))
	}
	return sequence(element(cbasn1.SET, encoded...))
}

func cn(tag cbasn1.Tag, value string) []byte { return oneRDN(part{idCN, tag, value}) }

// An ext is one extension.
type ext struct {
	id       []int
	critical bool
	value    []byte
}

func (e ext) der() []byte {
	var flag []byte
	if e.critical {
		flag = []byte{1, 1, 0xff}
	}
	return sequence(oid(e.id...), flag, octets(e.value))
}

// A spec is a certificate before it is signed.
type spec struct {
	version         int    // as encoded: 2 is version 3
	serial          []byte // content octets
	issuer, subject []byte
	from, to        time.Time
	key             *key // the subject's
	exts            []ext
	signer          *key
	algorithm       *algorithm // outside, and what is signed with; nil: as the signer's key wants it
	inner           *algorithm // inside; nil: the same
	general         bool       // times in GeneralizedTime
	times           []byte     // both, encoded, in place of from and to
	behind          []byte     // what follows the certificate in its block
	spoil           bool       // the signature is changed in its last bit
}

// A change is made to a certificate before it is signed.
type change func(*spec)

// A cert is a signed certificate.
type cert struct {
	spec
	der []byte
}

func (s spec) sign() *cert {
	outer := s.algorithm
	if outer == nil {
		outer = algorithmOf(s.signer)
	}
	inner := s.inner
	if inner == nil {
		inner = outer
	}
	var version, exts []byte
	if s.version > 0 {
		version = element(0xa0, integer(int64(s.version)))
	}
	if len(s.exts) > 0 {
		var list [][]byte
		for _, e := range s.exts {
			list = append(list, e.der())
		}
		exts = element(0xa3, sequence(list...))
	}
	encode := moment
	if s.general {
		encode = generalized
	}
	times := s.times
	if times == nil {
		times = append(encode(s.from), encode(s.to)...)
	}
	tbs := sequence(version, element(cbasn1.INTEGER, s.serial), inner.id, s.issuer, sequence(times), s.subject, s.key.spki, exts)
	signature := outer.sign(s.signer, tbs)
	if s.spoil {
		signature[len(signature)-1] ^= 1
	}
	return &cert{s, append(sequence(tbs, outer.id, bits(signature)), s.behind...)}
}

func (c *cert) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.der})
}

// keyID is RFC 5280 section 4.2.1.2 method 1.
func (k *key) id() []byte {
	in := cryptobyte.String(k.spki)
	var body, content cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) || !body.ReadASN1(&content, cbasn1.BIT_STRING) {
		panic("cases: not a public key")
	}
	sum := sha1.Sum(content[1:])
	return sum[:]
}

func serialOf(n int64) []byte {
	var content cryptobyte.String
	in := cryptobyte.String(must(asn1.Marshal(big.NewInt(n))))
	in.ReadASN1(&content, cbasn1.INTEGER)
	return content
}
