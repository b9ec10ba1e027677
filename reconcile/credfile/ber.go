package credfile

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxDepth is how deep the elements of a PKCS#12 file may be nested; ten are usual.
const maxDepth = 32

var errBER = errors.New("broken BER")

// toDER rewrites one BER element as far as PKCS#12 files need it: lengths that are left open or written long, and octet
// strings in pieces. Firefox and old Java software write such files. What is inside of octet strings stays as it is.
func toDER(ber []byte) ([]byte, error) {
	out, rest, err := element(ber, 0)
	if err == nil && len(rest) > 0 {
		err = errBER
	}
	return out, err
}

// element rewrites the first element of in and returns what follows it.
func element(in []byte, depth int) (out, rest []byte, err error) {
	tag, content, rest, open, err := header(in)
	if err != nil || depth > maxDepth {
		return nil, nil, errBER
	}
	if tag&0x20 == 0 {
		return wrap(tag, content), rest, nil
	}
	var body []byte
	for len(content) > 0 {
		if open && len(content) >= 2 && content[0] == 0 && content[1] == 0 {
			rest, open = content[2:], false
			break
		}
		var child []byte
		if child, content, err = element(content, depth+1); err != nil {
			return nil, nil, err
		}
		body = append(body, child...)
	}
	if open {
		return nil, nil, errBER // its end is missing
	}
	if tag == 0x24 {
		if body, err = joinOctets(body); err != nil {
			return nil, nil, err
		}
		tag = 0x04
	}
	return wrap(tag, body), rest, nil
}

// header reads tag and length; with an open length, content is all that follows.
func header(in []byte) (tag byte, content, rest []byte, open bool, err error) {
	if len(in) < 2 || in[0]&0x1f == 0x1f {
		return 0, nil, nil, false, errBER
	}
	tag, length, in := in[0], int(in[1]), in[2:]
	switch {
	case length == 0x80:
		if tag&0x20 == 0 {
			return 0, nil, nil, false, errBER
		}
		return tag, in, nil, true, nil
	case length > 0x80:
		size := length & 0x7f
		if size > len(in) {
			return 0, nil, nil, false, errBER
		}
		length = 0
		for _, b := range in[:size] {
			if length = length<<8 | int(b); length > MaxSize {
				return 0, nil, nil, false, errBER
			}
		}
		in = in[size:]
	}
	if length > len(in) {
		return 0, nil, nil, false, errBER
	}
	return tag, in[:length], in[length:], false, nil
}

// joinOctets puts the pieces of an octet string together.
func joinOctets(pieces []byte) ([]byte, error) {
	in := cryptobyte.String(pieces)
	var all []byte
	for !in.Empty() {
		var piece cryptobyte.String
		if !in.ReadASN1(&piece, cbasn1.OCTET_STRING) {
			return nil, errBER
		}
		all = append(all, piece...)
	}
	return all, nil
}

func wrap(tag byte, content []byte) []byte {
	n := len(content)
	out := make([]byte, 0, n+6)
	switch {
	case n < 0x80:
		out = append(out, tag, byte(n))
	case n < 0x100:
		out = append(out, tag, 0x81, byte(n))
	case n < 0x10000:
		out = append(out, tag, 0x82, byte(n>>8), byte(n))
	default:
		out = append(out, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}
