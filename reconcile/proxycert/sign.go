package proxycert

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Backdate is how much earlier than now a proxy begins, for servers whose clocks are late. Globus and VOMS use the same.
const Backdate = 5 * time.Minute

// A Template says what the proxy to be signed should be like.
type Template struct {
	Now        time.Time     // the current time; notBefore is five minutes earlier
	Lifetime   time.Duration // never past the issuer's end; 0: as long as the issuer
	Limited    bool          // a limited proxy; under a limited issuer it is limited anyway
	PathLen    *int          // how many further proxies may be below; nil: unlimited
	Extensions []pkix.Extension
}

var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName    = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// Sign makes an RFC 3820 proxy certificate for pub, issued by c. It refuses what no verifier would accept: an issuer that
// is a CA, a draft or legacy proxy, may not sign, has expired or has used up its path length.
//
// The proxy is what Globus makes: its CN and serial come from the key, key usage and extended key usage from the issuer.
// Besides it always has a subject and an authority key identifier, without which `voms-proxy-init -noregen` (C++ 2.1.0)
// fails and says only "Parameters unset!".
func (c *Credential) Sign(pub crypto.PublicKey, t Template) (*x509.Certificate, error) {
	cert, err := c.sign(pub, t)
	if err != nil {
		return nil, fmt.Errorf("proxycert: signing a proxy: %w", err)
	}
	return cert, nil
}

func (c *Credential) sign(pub crypto.PublicKey, t Template) (*x509.Certificate, error) {
	if err := c.checkIssuer(); err != nil {
		return nil, err
	}
	if err := checkPublicKey(pub); err != nil {
		return nil, err
	}
	tmpl, err := c.certificateTemplate(pub, t)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.Leaf(), pub, c.Key)
	if err != nil {
		return nil, err
	}
	return dn.ParseCertificate(der)
}

// certificateTemplate puts the new certificate together.
func (c *Credential) certificateTemplate(pub crypto.PublicKey, t Template) (*x509.Certificate, error) {
	issuer := c.Leaf()
	alg, err := signatureAlgorithm(c.Key)
	if err != nil {
		return nil, err
	}
	begin, end, err := c.validity(t)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	keyID, err := keyIdentifier(spki)
	if err != nil {
		return nil, err
	}
	authorityKeyID := issuer.SubjectKeyId
	if len(authorityKeyID) == 0 {
		if authorityKeyID, err = keyIdentifier(issuer.RawSubjectPublicKeyInfo); err != nil {
			return nil, err
		}
	}
	extensions, err := c.extensions(t)
	if err != nil {
		return nil, err
	}
	serial := serialNumber(spki)
	return &x509.Certificate{
		RawSubject:         dn.MustFromDER(issuer.RawSubject).WithCN(serial.String()).DER(),
		SerialNumber:       serial,
		NotBefore:          begin,
		NotAfter:           end,
		SignatureAlgorithm: alg,
		SubjectKeyId:       keyID,
		AuthorityKeyId:     authorityKeyID,
		ExtraExtensions:    extensions,
	}, nil
}

// checkIssuer reports why c cannot sign a proxy.
func (c *Credential) checkIssuer() error {
	if len(c.Chain) == 0 || c.Key == nil {
		return errors.New("the issuer has no certificate or no key")
	}
	issuer := c.Leaf()
	name := dn.MustFromDER(issuer.RawSubject)
	if !SameKey(issuer.PublicKey, c.Key.Public()) {
		return fmt.Errorf("the key does not belong to the certificate of %s", name)
	}
	info, err := Classify(issuer)
	if err != nil {
		return fmt.Errorf("the issuer %s: %w", name, err)
	}
	switch info.Type {
	case CA:
		return fmt.Errorf("the issuer %s is a CA; only users, hosts, robots and proxies sign proxies", name)
	case Draft, Legacy:
		return fmt.Errorf("the issuer %s is a %s proxy, below which an RFC 3820 proxy is not valid; make a new one with GT_PROXY_MODE=rfc set", name, info.Type)
	case RFC:
		if err := checkProxyIssuer(issuer, info.CertInfo); err != nil {
			return fmt.Errorf("the issuer %s %w", name, err)
		}
	}
	if extension(issuer, oidKeyUsage) != nil && issuer.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return fmt.Errorf("the issuer %s may not sign: its key usage has no digitalSignature", name)
	}
	return c.checkPathLen()
}

func checkProxyIssuer(issuer *x509.Certificate, ci *CertInfo) error {
	if cn := lastCN(issuer); cn == cnProxy || cn == cnLimitedProxy {
		return fmt.Errorf("is an RFC 3820 proxy with the name of a legacy one, %q, which verifiers take for either", cn)
	}
	l := ci.Language
	if !l.Equal(LanguageInheritAll) && !l.Equal(LanguageLimited) && !l.Equal(LanguageIndependent) {
		return fmt.Errorf("is a proxy with policy language %s, whose meaning for a further proxy is unknown", l)
	}
	return nil
}

// checkPathLen counts what each proxy of the chain will have below it (RFC 3820 section 3.8.1).
func (c *Credential) checkPathLen() error {
	for i, cert := range c.Chain {
		info, err := Classify(cert)
		if err != nil || info.CertInfo == nil || info.CertInfo.PathLen == nil {
			continue
		}
		if n := *info.CertInfo.PathLen; n < i+1 {
			return fmt.Errorf("the path length %d of %s allows no further proxy", n, dn.MustFromDER(cert.RawSubject))
		}
	}
	return nil
}

// validity returns the new proxy's times, inside those of the whole chain.
func (c *Credential) validity(t Template) (begin, end time.Time, err error) {
	if t.Now.IsZero() || t.Lifetime < 0 {
		return begin, end, errors.New("the template has no current time or a negative lifetime")
	}
	now := t.Now.UTC().Truncate(time.Second)
	begin, end = now.Add(-Backdate), c.NotAfter()
	if first := c.NotBefore(); begin.Before(first) {
		begin = first
	}
	if !end.After(now) {
		return begin, end, fmt.Errorf("the issuer's chain ended at %s", end.UTC().Format(time.RFC3339))
	}
	if t.Lifetime == 0 || t.Lifetime > end.Sub(now) {
		return begin, end, nil
	}
	end = now.Add(t.Lifetime.Truncate(time.Second))
	if !end.After(now) {
		return begin, end, fmt.Errorf("a lifetime of %s, less than a second", t.Lifetime)
	}
	return begin, end, nil
}

// extensions returns those that crypto/x509 does not write by itself.
func (c *Credential) extensions(t Template) ([]pkix.Extension, error) {
	ci := CertInfo{PathLen: t.PathLen, Language: LanguageInheritAll}
	if t.Limited || c.Limited() {
		ci.Language = LanguageLimited
	}
	info, err := ci.Extension()
	if err != nil {
		return nil, err
	}
	out := []pkix.Extension{info}
	if ku := extension(c.Leaf(), oidKeyUsage); ku != nil {
		value, err := proxyKeyUsage(ku.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, pkix.Extension{Id: oidKeyUsage, Critical: true, Value: value})
	}
	if eku := extension(c.Leaf(), oidExtKeyUsage); eku != nil {
		out = append(out, *eku)
	}
	for _, e := range t.Extensions {
		if reserved(e.Id) {
			return nil, fmt.Errorf("extension %s may not be asked for in a proxy", e.Id)
		}
		out = append(out, e)
	}
	return out, nil
}

// reserved are the extensions that Sign writes itself and those that a proxy must not have (RFC 3820 sections 3.2, 3.5
// and 3.7).
func reserved(id asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc([]asn1.ObjectIdentifier{
		OIDCertInfo, OIDDraftCertInfo, oidSubjectKeyID, oidAuthorityKeyID, oidKeyUsage, oidExtKeyUsage,
		oidSubjectAltName, oidIssuerAltName, oidBasicConstraints,
	}, id.Equal)
}

// proxyKeyUsage returns the issuer's key usage without nonRepudiation (bit 1) and keyCertSign (bit 5), re-encoded, since
// DER allows no zero bits at the end.
func proxyKeyUsage(value []byte) ([]byte, error) {
	in := cryptobyte.String(value)
	var bits asn1.BitString
	if !in.ReadASN1BitString(&bits) || !in.Empty() {
		return nil, errors.New("the issuer's key usage is malformed")
	}
	octets := slices.Clone(bits.Bytes)
	if len(octets) > 0 {
		octets[0] &^= 1<<6 | 1<<2
	}
	for len(octets) > 0 && octets[len(octets)-1] == 0 {
		octets = octets[:len(octets)-1]
	}
	unused := 0
	if len(octets) > 0 {
		for last := octets[len(octets)-1]; last>>unused&1 == 0; {
			unused++
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(uint8(unused))
		b.AddBytes(octets)
	})
	return b.Bytes()
}

// keyIdentifier is the SHA-1 of the key's bits (RFC 5280 section 4.2.1.2, method 1), as OpenSSL's "hash" gives it.
func keyIdentifier(spki []byte) ([]byte, error) {
	in := cryptobyte.String(spki)
	var seq cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.SkipASN1(cbasn1.SEQUENCE) || !seq.ReadASN1BitStringAsBytes(&bits) {
		return nil, errors.New("malformed public key")
	}
	sum := sha1.Sum(bits)
	return sum[:], nil
}

// serialNumber is Globus' number for a proxy: the first four octets of the SHA-1 of the DER of the SubjectPublicKeyInfo,
// where the fourth loses its lowest bit, so that the number has 31 bits and is positive.
func serialNumber(spki []byte) *big.Int {
	h := sha1.Sum(spki)
	n := int64(h[0]) | int64(h[1])<<8 | int64(h[2])<<16 | int64(h[3]>>1)<<24
	if n == 0 {
		n = 1 // RFC 5280 section 4.1.2.2 wants a positive serial
	}
	return big.NewInt(n)
}

// Delegate makes a new credential below c with the given key.
func (c *Credential) Delegate(key crypto.Signer, t Template) (*Credential, error) {
	cert, err := c.Sign(key.Public(), t)
	if err != nil {
		return nil, err
	}
	return &Credential{Chain: append([]*x509.Certificate{cert}, c.Chain...), Key: key}, nil
}
