package trust

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// maxVerified bounds the memory of signatures; when it is full all are forgotten. A site sees far fewer CAs and users.
const maxVerified = 8192

// A signatureKey identifies a certificate and the key that signed it.
type signatureKey [sha256.Size]byte

// checkSignature verifies that issuer's key signed n. Good ones are remembered: most of the work for many proxies of one
// user, or for one proxy again and again, are the same few signatures.
func (s *Store) checkSignature(n, issuer *node) error {
	if k, ok := issuer.cert.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
		return refuse(IDSignature, n.subject, "the signature of the %s %s is not checked: the RSA key of %s has %d bits, more than %d", n.kind(), n.subject,
			issuer.subject, k.N.BitLen(), maxRSABits)
	}
	if isTiny(issuer.cert) && !s.AllowWeak {
		return s.checkStrength(issuer)
	}
	h := sha256.New()
	h.Write(n.cert.Raw) // a DER element, so that it says itself where it ends
	h.Write(issuer.cert.RawSubjectPublicKeyInfo)
	key := signatureKey(h.Sum(nil))
	s.mu.Lock()
	known := s.verified[key]
	s.mu.Unlock()
	if known {
		return checkIssuer(n, issuer)
	}
	err := s.verifySignature(n.cert, issuer.cert)
	var insecure x509.InsecureAlgorithmError
	switch {
	case errors.As(err, &insecure):
		return weakHash(n)
	case errors.Is(err, x509.ErrUnsupportedAlgorithm):
		kind := issuer.cert.PublicKeyAlgorithm.String()
		if issuer.cert.PublicKey == nil {
			kind = proxycert.KeyName(issuer.cert)
		}
		return refuse(IDSignature, n.subject, "the signature of the %s %s cannot be checked: %s with the issuer's key of type %s", n.kind(), n.subject,
			proxycert.SignatureName(n.cert), kind)
	case err != nil:
		return refuse(IDSignature, n.subject, "the signature of the %s %s is not by the key of %s: %v", n.kind(), n.subject, issuer.subject, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verified == nil || len(s.verified) >= maxVerified {
		s.verified = make(map[signatureKey]bool)
	}
	s.verified[key] = true
	return checkIssuer(n, issuer)
}

// checkIssuer refuses a certificate of the issuer's that has the right key and is not the one that is named.
func checkIssuer(n, issuer *node) error {
	if namesIssuer(n, issuer) {
		return nil
	}
	return refuse(IDSignature, n.subject, "the %s %s is not by this certificate of %s: its authorityKeyIdentifier names another", n.kind(), n.subject, issuer.subject)
}

// namesIssuer reports whether a certificate's authorityKeyIdentifier, where it has one, is the issuer's: by its key, or by the
// issuer and serial number of its certificate. RFC 5280 has it for finding the issuer; OpenSSL, and with it Globus, and canl
// take no other for it.
func namesIssuer(n, issuer *node) bool {
	if n.cert.AuthorityKeyId != nil && len(issuer.cert.SubjectKeyId) > 0 && !bytes.Equal(n.cert.AuthorityKeyId, issuer.cert.SubjectKeyId) {
		return false
	}
	for _, e := range n.cert.Extensions {
		if e.Id.Equal(oidAuthorityKeyID) && len(e.Value) > len(n.cert.AuthorityKeyId)+4 {
			return namesCertificate(e.Value, issuer)
		}
	}
	return true
}

func namesCertificate(keyID []byte, issuer *node) bool {
	in := cryptobyte.String(keyID)
	var body, names, serial cryptobyte.String
	var hasNames, hasSerial bool
	const idTag, namesTag, serialTag = cbasn1.Tag(0x80), cbasn1.Tag(0xa1), cbasn1.Tag(0x82)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipOptionalASN1(idTag) || !body.ReadOptionalASN1(&names, &hasNames, namesTag) ||
		!body.ReadOptionalASN1(&serial, &hasSerial, serialTag) {
		return true // crypto/x509 has read it otherwise
	}
	if hasSerial && !bytes.Equal(serial, serialOctets(issuer.cert.SerialNumber)) {
		return false
	}
	for hasNames && !names.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&value, &tag) {
			return true
		}
		if tag == tagDirectory {
			name, err := dn.FromDER(value)
			return err == nil && name.Canonical() == issuer.issuerKey
		}
	}
	return true
}

// verifySignature does itself what crypto/x509 no longer does, where weak signatures are allowed.
func (s *Store) verifySignature(cert, issuer *x509.Certificate) error {
	if s.AllowWeak && isWeakly(cert.SignatureAlgorithm, issuer) {
		return verifyWeak(issuer, cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	}
	return proxycert.CheckSignature(cert, issuer)
}

// checkStrength refuses short RSA keys and, unless the certificate is a self-signed root, old hashes. The RSA bound is
// that of OpenSSL's security level 2, which every server in use applies.
func (s *Store) checkStrength(n *node) error {
	if n.cert.PublicKey == nil {
		return refuse(IDSignature, n.subject, "the %s %s has a key of a kind that is not handled here: %s", n.kind(), n.subject, proxycert.KeyName(n.cert))
	}
	if s.AllowWeak {
		return nil
	}
	if k, ok := n.cert.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < minRSABits {
		return refuse(IDWeakKey, n.subject, "the %s %s has an RSA key of %d bits; less than %d is refused", n.kind(), n.subject, k.N.BitLen(), minRSABits)
	}
	if n.anchor && n.selfSigned() {
		return nil // nobody checks that signature
	}
	if isWeakHash(n.cert.SignatureAlgorithm) {
		return weakHash(n)
	}
	return nil
}

func isWeakHash(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

func weakHash(n *node) error {
	return refuse(IDWeakHash, n.subject, "the %s %s is signed with %s, which is refused", n.kind(), n.subject, proxycert.SignatureName(n.cert))
}
