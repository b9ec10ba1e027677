package myproxy

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // method 2
	_ "crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A Challenge is one way in which a server lets us prove that we may have the
// credential. Each has its own data, to be used with that method only.
type Challenge struct {
	Method string // "X509_certificate_SHA256", "X509_certificate", "password" or "SASL"
	Data   string // with the X509 methods 32 hexadecimal digits, signed as the text they are
}

// A Method is the number of a challenge's method in an [Answer].
type Method byte

const (
	MethodPassword Method = 1
	MethodX509     Method = 2 // signature with SHA-1, the only one of servers before 2020 or so
	MethodSASL     Method = 3 // not spoken here
	MethodX509SHA2 Method = 4 // signature with SHA-256
)

// String returns the name that a challenge has it by.
func (m Method) String() string {
	switch m {
	case MethodPassword:
		return "password"
	case MethodX509:
		return "X509_certificate"
	case MethodSASL:
		return "SASL"
	case MethodX509SHA2:
		return "X509_certificate_SHA256"
	}
	return fmt.Sprintf("method %d", byte(m))
}

func (m Method) hash() crypto.Hash {
	switch m {
	case MethodX509:
		return crypto.SHA1
	case MethodX509SHA2:
		return crypto.SHA256
	}
	return 0
}

// An Answer to a challenge. With MethodPassword it has a passphrase, with the
// X509 methods the rest.
type Answer struct {
	Method     Method
	Passphrase []byte
	Signature  []byte // PKCS #1 v1.5 over the challenge's digits
	Chain      []*x509.Certificate
}

// maxSignature is that of an RSA key of 16384 bits, in bytes.
const maxSignature = 2048

// sign answers a challenge with the old proxy. The chain goes along up to and
// with the EEC: without the EEC the real server's process crashes, and we would
// see no more than the end of the connection.
func (c Challenge) sign(m Method, old *proxycert.Credential) (*Answer, error) {
	if !hexDigits(c.Data) {
		// The old proxy's key signs nothing that a challenge should not be.
		return nil, errors.New("the server's challenge is not a hexadecimal number")
	}
	if _, ok := old.Key.Public().(*rsa.PublicKey); !ok {
		return nil, errOldKey
	}
	h := m.hash().New()
	h.Write([]byte(c.Data))
	sig, err := old.Key.Sign(rand.Reader, h.Sum(nil), m.hash())
	if err != nil {
		return nil, fmt.Errorf("signing the challenge: %w", err)
	}
	return &Answer{Method: m, Signature: sig, Chain: old.Chain}, nil
}

func hexDigits(s string) bool {
	if len(s) < 16 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// Marshal returns the answer as it goes over the wire. The method is a C int of
// which the first byte counts; the length of the signature is big-endian; the
// number of certificates is one byte (PROTOCOL says four, the code does one).
func (a *Answer) Marshal() ([]byte, error) {
	b := []byte{byte(a.Method), 0, 0, 0}
	if a.Method == MethodPassword {
		if bytes.IndexByte(a.Passphrase, 0) >= 0 {
			return nil, errors.New("the passphrase contains a NUL")
		}
		return append(append(b, a.Passphrase...), 0), nil
	}
	if a.Method.hash() == 0 {
		return nil, fmt.Errorf("there is no answer by %v", a.Method)
	}
	if len(a.Signature) == 0 || len(a.Signature) > maxSignature {
		return nil, fmt.Errorf("a signature of %d bytes cannot be sent", len(a.Signature))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(a.Signature)))
	b = append(b, a.Signature...)
	chain, err := MarshalChain(a.Chain)
	if err != nil {
		return nil, err
	}
	return append(b, chain...), nil
}

// ParseAnswer reads an answer, for servers in tests.
func ParseAnswer(msg []byte) (*Answer, error) {
	if len(msg) < 4 {
		return nil, errors.New("the answer is too short")
	}
	a := &Answer{Method: Method(msg[0])}
	rest := msg[4:]
	if a.Method == MethodPassword {
		if i := bytes.IndexByte(rest, 0); i >= 0 {
			rest = rest[:i]
		}
		a.Passphrase = rest
		return a, nil
	}
	if a.Method.hash() == 0 {
		return nil, fmt.Errorf("there is no answer by %v", a.Method)
	}
	if len(rest) < 4 {
		return nil, errors.New("the answer is too short")
	}
	n := binary.BigEndian.Uint32(rest)
	if rest = rest[4:]; n == 0 || n > maxSignature || int(n) > len(rest) {
		return nil, fmt.Errorf("a signature of %d bytes in an answer of %d", n, len(msg))
	}
	a.Signature = rest[:n]
	r := bytes.NewReader(rest[n:])
	var err error
	if a.Chain, err = ReadChain(r); err != nil {
		return nil, err
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("%d bytes behind the last certificate", r.Len())
	}
	return a, nil
}

// Verify checks the signature over a challenge's data with the first certificate.
func (a *Answer) Verify(data string) error {
	if a.Method.hash() == 0 || len(a.Chain) == 0 {
		return errors.New("the answer has no signature")
	}
	pub, ok := a.Chain[0].PublicKey.(*rsa.PublicKey)
	if !ok {
		return errOldKey
	}
	h := a.Method.hash().New()
	h.Write([]byte(data))
	return rsa.VerifyPKCS1v15(pub, a.Method.hash(), h.Sum(nil), a.Signature)
}

// errOldKey is about an old proxy with a key that the protocol has no signature for.
var errOldKey = errors.New("the protocol knows signatures by RSA keys only")
