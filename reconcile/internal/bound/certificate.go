package bound

import (
	"bytes"
	"crypto/ecdh"
	"encoding/binary"
)

// point is a public key on P-256 whose private key is 1.
var point = func() []byte {
	scalar := make([]byte, 32)
	scalar[31] = 1
	k, err := ecdh.P256().NewPrivateKey(scalar)
	if err != nil {
		panic(err)
	}
	return k.PublicKey().Bytes()
}()

var (
	ecdsaSHA256 = DER(0x30, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2})
	publicKey   = DER(0x30, append(DER(0x30, []byte{6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}), DER(3, append([]byte{0}, point...))...))
)

// Certificate is one that crypto/x509 reads, for twenty years from 2020 on, with a signature that is none. The names are
// given in DER, and so are the extensions, one after the other.
func Certificate(serial uint32, issuer, subject, extensions []byte) []byte {
	number := DER(2, binary.BigEndian.AppendUint32([]byte{1}, serial))
	times := DER(0x30, append(DER(23, []byte("200101000000Z")), DER(23, []byte("400101000000Z"))...))
	parts := [][]byte{DER(0xa0, []byte{2, 1, 2}), number, ecdsaSHA256, issuer, times, subject, publicKey}
	if len(extensions) > 0 {
		parts = append(parts, DER(0xa3, DER(0x30, extensions)))
	}
	signature := DER(3, append([]byte{0}, DER(0x30, []byte{2, 1, 1, 2, 1, 1})...))
	return DER(0x30, bytes.Join([][]byte{DER(0x30, bytes.Join(parts, nil)), ecdsaSHA256, signature}, nil))
}

// Extension is one of a certificate; id is the content of its object identifier.
func Extension(id string, critical bool, value []byte) []byte {
	body := DER(6, []byte(id))
	if critical {
		body = append(body, 1, 1, 0xff)
	}
	return DER(0x30, append(body, DER(4, value)...))
}

// Name is the DER of a name with those common names, one below the other.
func Name(cns ...string) []byte {
	var content []byte
	for _, cn := range cns {
		content = append(content, DER(0x31, DER(0x30, append([]byte{6, 3, 0x55, 4, 3}, DER(12, []byte(cn))...)))...)
	}
	return DER(0x30, content)
}
