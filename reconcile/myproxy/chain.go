package myproxy

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// maxCerts is the most that we take in a chain. Each renewal of a renewed
// credential adds one; a real chain has four or five.
const maxCerts = 100

// MarshalChain returns a chain as it goes over the wire: one byte, the number
// of certificates, and their DER one behind the other.
func MarshalChain(chain []*x509.Certificate) ([]byte, error) {
	if len(chain) == 0 || len(chain) > maxCerts {
		return nil, fmt.Errorf("a chain of %d certificates cannot be sent", len(chain))
	}
	b := []byte{byte(len(chain))}
	for _, cert := range chain {
		b = append(b, cert.Raw...)
	}
	if len(b) > maxMessage {
		return nil, fmt.Errorf("the chain has more than %d bytes", maxMessage)
	}
	return b, nil
}

// ReadChain reads what [MarshalChain] writes, and nothing behind it: the
// server's last text message often arrives together with the chain. It fails on
// no certificate, more than 100, more than 1 MiB in all, or anything that is
// not a certificate, and returns io.ErrUnexpectedEOF (wrapped) when r ends too early.
func ReadChain(r io.Reader) ([]*x509.Certificate, error) {
	var count [1]byte
	if _, err := io.ReadFull(r, count[:]); err != nil {
		return nil, fmt.Errorf("reading the number of certificates: %w", unexpected(err))
	}
	n := int(count[0])
	if n == 0 || n > maxCerts {
		return nil, fmt.Errorf("the chain claims to have %d certificates", n)
	}
	budget := maxMessage
	chain := make([]*x509.Certificate, 0, n)
	for i := range n {
		der, err := readDER(r, &budget)
		if err != nil {
			return nil, fmt.Errorf("reading certificate %d of %d: %w", i+1, n, err)
		}
		cert, err := dn.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("parsing certificate %d of %d: %w", i+1, n, err)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// readDER reads one DER SEQUENCE and takes its size from the budget.
func readDER(r io.Reader, budget *int) ([]byte, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return nil, unexpected(err)
	}
	if head[0] != 0x30 {
		return nil, fmt.Errorf("byte 0x%02x where a DER SEQUENCE should begin", head[0])
	}
	header, length := 2, int64(head[1])
	if head[1] >= 0x80 {
		more := int(head[1] & 0x7f)
		if more == 0 || more > 4 {
			return nil, fmt.Errorf("0x%02x is not the length of a DER element", head[1])
		}
		if _, err := io.ReadFull(r, head[2:2+more]); err != nil {
			return nil, unexpected(err)
		}
		header, length = 2+more, 0
		for _, b := range head[2 : 2+more] {
			length = length<<8 | int64(b)
		}
	}
	if int64(header)+length > int64(*budget) {
		return nil, fmt.Errorf("the message has more than %d bytes", maxMessage)
	}
	*budget -= header + int(length)
	// The buffer grows with what arrives, not with what was announced.
	var der bytes.Buffer
	der.Write(head[:header])
	if _, err := io.CopyN(&der, r, length); err != nil {
		return nil, unexpected(err)
	}
	return der.Bytes(), nil
}

// unexpected turns the end of input in the middle of a message into what it is.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
