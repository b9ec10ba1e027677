package credfile

import (
	"crypto/des"
	"hash"
	"unicode/utf16"
	"unicode/utf8"
)

// Ciphers by the dotted OID of RFC 7292, appendix C; all derive with SHA-1. The two of RC4 are missing: nobody is known to
// have protected keys with them.
var pkcs12Ciphers = map[string]cbc{
	"1.2.840.113549.1.12.1.3": {24, des.NewTripleDESCipher},
	"1.2.840.113549.1.12.1.4": {16, des.NewTripleDESCipher},
	"1.2.840.113549.1.12.1.5": {16, rc2Block},
	"1.2.840.113549.1.12.1.6": {5, rc2Block},
}

// pkcs12KDF derives size octets from a passphrase in the form of bmpString (RFC 7292, appendix B.2). The purpose is 1 for
// a key, 2 for an IV, 3 for a MAC's key.
func pkcs12KDF(newHash func() hash.Hash, salt, pass []byte, purpose byte, rounds, size int) []byte {
	h := newHash()
	v := h.BlockSize()
	diversifier := repeat([]byte{purpose}, v)
	input := append(repeat(salt, v), repeat(pass, v)...)
	var out []byte
	for {
		h.Reset()
		h.Write(diversifier)
		h.Write(input)
		a := h.Sum(nil)
		for range rounds - 1 {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		if out = append(out, a...); len(out) >= size {
			return out[:size]
		}
		b := repeat(a, v)[:v]
		for i := 0; i < len(input); i += v {
			addOne(input[i:i+v], b)
		}
	}
}

// repeat fills as many blocks of v octets as it takes to hold in, over and over; nothing stays nothing.
func repeat(in []byte, v int) []byte {
	n := (len(in) + v - 1) / v * v
	out := make([]byte, 0, n+len(in))
	for len(out) < n {
		out = append(out, in...)
	}
	return out[:n]
}

// addOne sets a to a+b+1, as numbers of as many octets.
func addOne(a, b []byte) {
	carry := 1
	for i := len(a) - 1; i >= 0; i-- {
		carry += int(a[i]) + int(b[i])
		a[i] = byte(carry)
		carry >>= 8
	}
}

// bmpString is a passphrase in UTF-16 with a zero at its end, as RFC 7292, appendix B.1, has it. What is not UTF-8 is
// taken for Latin-1, as OpenSSL does. A nil passphrase stays empty: some programs write the empty one so.
func bmpString(pass []byte) []byte {
	if pass == nil {
		return nil
	}
	var units []uint16
	if utf8.Valid(pass) {
		units = utf16.Encode([]rune(string(pass)))
	} else {
		for _, c := range pass {
			units = append(units, uint16(c))
		}
	}
	out := make([]byte, 0, 2*len(units)+2)
	for _, u := range append(units, 0) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}
