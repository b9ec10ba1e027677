package gridtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the older challenge is answered with it
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// Numbers of authorization methods.
const (
	methodPassword = 1
	methodSHA1     = 2
	methodSHA256   = 4
)

// challenge asks the client to prove that it holds a proxy of the stored credential's owner, and returns that proxy's
// chain. On refusal it returns the lines of the error; none mean that the connection ended.
func (c *session) challenge() (old *proxycert.Credential, lines []string, ok bool) {
	var text1, text2 string
	for _, t := range []*string{&text1, &text2} {
		var b [16]byte
		rand.Read(b[:])
		*t = hex.EncodeToString(b[:])
	}
	reply := "VERSION=" + myProxyVersion + "\nRESPONSE=2\nAUTHORIZATION_DATA=X509_certificate:" + text1 + "\n"
	if c.fault.Kind != SHA1Only {
		reply += "AUTHORIZATION_DATA=X509_certificate_SHA256:" + text2 + "\n"
	}
	if _, err := c.out.Write([]byte(reply + "\x00")); err != nil {
		return nil, nil, false
	}
	msg, err := readMessage(c.conn, c.deadline, isProof)
	if err != nil {
		return nil, nil, false
	}
	switch c.log.Method = int(msg[0]); {
	case c.log.Method == methodSHA1:
		old, err = checkProof(msg, text1, crypto.SHA1)
	case c.log.Method == methodSHA256 && c.fault.Kind != SHA1Only:
		old, err = checkProof(msg, text2, crypto.SHA256)
	default:
		err = errors.New("authentication method not offered")
	}
	if err != nil {
		return nil, []string{err.Error(), "authentication failed"}, false
	}
	if old.EEC() == nil {
		return nil, nil, false // the real server's child crashes
	}
	if _, err := c.s.o.Trust.VerifyChain(old.Chain, c.s.now()); err != nil {
		return nil, []string{"certificate chain verification failed", "X509_verify_cert() failed: " + verifyText(err), "authentication failed"}, false
	}
	return old, nil, true
}

// verifyText gives OpenSSL's words for the most usual fault.
func verifyText(err error) string {
	var te *trust.Error
	if errors.As(err, &te) && te.ID == trust.IDExpired {
		return "certificate has expired"
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// isProof reports that the answer to a challenge is whole.
func isProof(msg []byte) bool {
	_, certs, err := splitProof(msg)
	return err == nil && isCertList(certs)
}

// splitProof takes the method's four bytes and the signature with its length off an answer; certs is the rest.
func splitProof(msg []byte) (signature, certs []byte, err error) {
	if len(msg) < 8 {
		return nil, nil, errors.New("short authorization data")
	}
	n := binary.BigEndian.Uint32(msg[4:8])
	if uint64(n) > uint64(len(msg)-8) {
		return nil, nil, errors.New("short authorization data")
	}
	return msg[8 : 8+n], msg[8+n:], nil
}

// checkProof verifies the signature by the first certificate of the answer over the hexadecimal text of the challenge.
func checkProof(msg []byte, text string, h crypto.Hash) (*proxycert.Credential, error) {
	signature, rest, err := splitProof(msg)
	if err != nil {
		return nil, err
	}
	certs, err := parseCerts(rest)
	if err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in authorization data")
	}
	pub, isRSA := certs[0].PublicKey.(*rsa.PublicKey)
	if !isRSA {
		return nil, errors.New("signature verification failed: not an RSA key")
	}
	var digest []byte
	if h == crypto.SHA1 {
		sum := sha1.Sum([]byte(text))
		digest = sum[:]
	} else {
		sum := sha256.Sum256([]byte(text))
		digest = sum[:]
	}
	if err := rsa.VerifyPKCS1v15(pub, h, digest, signature); err != nil {
		return nil, errors.New("signature verification failed")
	}
	chain, err := proxycert.SortChain(certs, pub)
	if err != nil {
		return nil, err
	}
	return &proxycert.Credential{Chain: chain}, nil
}
