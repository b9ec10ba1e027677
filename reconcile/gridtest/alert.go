package gridtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"hash"
	"net"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// TLS alert numbers (RFC 8446 section 6) that OpenSSL sends for a client certificate it refuses.
const (
	alertBadCertificate     = 42
	alertCertificateRevoked = 44
	alertCertificateExpired = 45
	alertUnknownCA          = 48
)

// alertFor says what OpenSSL would send for what is wrong with a client's chain.
func alertFor(err error) byte {
	var te *trust.Error
	if !errors.As(err, &te) {
		return alertBadCertificate
	}
	switch te.ID {
	case trust.IDRevoked:
		return alertCertificateRevoked
	case trust.IDExpired:
		return alertCertificateExpired
	case trust.IDNoAnchor:
		return alertUnknownCA
	}
	return alertBadCertificate
}

// An alerter is a connection that sends the alert a real server would. When VerifyConnection fails, crypto/tls always
// says bad_certificate; here that one record is replaced. Under TLS 1.2 it is not encrypted yet. Under TLS 1.3 it is the
// first record under the server's application key, which the key log hands over.
type alerter struct {
	*net.TCPConn
	alert  byte // 0: pass everything through
	tls13  bool
	suite  uint16
	secret []byte // server application traffic secret
}

// Write is called by the TLS connection for each flight.
func (a *alerter) Write(p []byte) (int, error) {
	if a.alert == 0 {
		return a.TCPConn.Write(p)
	}
	record := []byte{21, 3, 3, 0, 2, 2, a.alert}
	if a.tls13 {
		sealed, err := a.seal([]byte{2, a.alert, 21})
		if err != nil {
			return a.TCPConn.Write(p)
		}
		record = sealed
	}
	if _, err := a.TCPConn.Write(record); err != nil {
		return 0, err
	}
	return len(p), nil
}

// arm makes the next record the alert for err.
func (a *alerter) arm(cs tls.ConnectionState, err error) {
	a.alert, a.suite, a.tls13 = alertFor(err), cs.CipherSuite, cs.Version >= tls.VersionTLS13
}

// keyLog receives lines of the NSS key log format, as tls.Config.KeyLogWriter.
type keyLog struct{ *alerter }

func (k keyLog) Write(line []byte) (int, error) {
	if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "SERVER_TRAFFIC_SECRET_0" {
		if secret, err := hex.DecodeString(string(f[2])); err == nil {
			k.secret = secret
		}
	}
	return len(line), nil
}

// seal encrypts an inner plaintext as record number 0 (RFC 8446 section 5.2).
func (a *alerter) seal(inner []byte) ([]byte, error) {
	newHash, keyLen := func() hash.Hash { return sha256.New() }, 16
	switch a.suite {
	case tls.TLS_AES_256_GCM_SHA384:
		newHash, keyLen = func() hash.Hash { return sha512.New384() }, 32
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		keyLen = 32
	}
	key, err := expandLabel(newHash, a.secret, "key", keyLen)
	if err != nil {
		return nil, err
	}
	iv, err := expandLabel(newHash, a.secret, "iv", 12)
	if err != nil {
		return nil, err
	}
	var aead cipher.AEAD
	if a.suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		aead, err = chacha20poly1305.New(key)
	} else {
		var block cipher.Block
		if block, err = aes.NewCipher(key); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	}
	if err != nil {
		return nil, err
	}
	head := []byte{23, 3, 3, 0, byte(len(inner) + aead.Overhead())}
	return aead.Seal(head, iv, inner, head), nil
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := append([]byte{0, byte(n), byte(len(label))}, label...)
	return hkdf.Expand(h, secret, string(append(info, 0)), n)
}
