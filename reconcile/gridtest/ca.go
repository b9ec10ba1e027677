package gridtest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1" // of key identifiers, not for security
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// DefaultCA is the subject of a CA that is given none.
const DefaultCA = "/DC=org/DC=gridtest/CN=Gridtest Root CA"

// CAOptions say what a CA is like. The zero value makes a root with an RSA 2048 key and ten years to live.
type CAOptions struct {
	Subject  string            // slash form; empty: DefaultCA
	Key      proxycert.KeyType // empty: RSA2048
	NotAfter time.Time         // zero: ten years from now
	Policy   []string          // subject patterns of its signing policy; empty: the CA's own first two RDNs and anything below
	Now      func() time.Time  // nil: time.Now
	Keys     *KeyPool          // nil: Keys
}

// A CA issues certificates and CRLs. It is safe for concurrent use.
type CA struct {
	Certificate *x509.Certificate
	Parent      *CA // nil for a root

	key    crypto.Signer
	policy []string
	now    func() time.Time
	keys   *KeyPool

	mu      sync.Mutex
	serial  int64
	crlNum  int64
	revoked []x509.RevocationListEntry
}

// NewCA makes a root CA.
func NewCA(o CAOptions) (*CA, error) { return newCA(nil, o) }

// SubCA makes a CA below ca. Its own trust anchor files have to be written besides those of the root.
func (ca *CA) SubCA(o CAOptions) (*CA, error) {
	if o.Now == nil {
		o.Now = ca.now
	}
	if o.Keys == nil {
		o.Keys = ca.keys
	}
	return newCA(ca, o)
}

func newCA(parent *CA, o CAOptions) (*CA, error) {
	if o.Subject == "" {
		o.Subject = DefaultCA
	}
	if o.Keys == nil {
		o.Keys = Keys
	}
	name, err := dn.Parse(o.Subject)
	if err != nil {
		return nil, fmt.Errorf("making a CA: %w", err)
	}
	ca := &CA{Parent: parent, policy: o.Policy, now: clock(o.Now), keys: o.Keys, serial: 1}
	if len(ca.policy) == 0 {
		ca.policy = []string{name.Parent().String() + "/*"}
	}
	if ca.key, err = o.Keys.Key(o.Key, "ca "+o.Subject); err != nil {
		return nil, fmt.Errorf("making a key for CA %q: %w", o.Subject, err)
	}
	now := ca.now()
	tmpl := &x509.Certificate{
		RawSubject:            name.DER(),
		SerialNumber:          big.NewInt(now.Unix()),
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              o.NotAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = now.AddDate(10, 0, 0)
	}
	issuer, signer := tmpl, ca.key
	if parent != nil {
		tmpl.SerialNumber = parent.nextSerial()
		issuer, signer = parent.Certificate, parent.key
	}
	if ca.Certificate, err = certify(tmpl, issuer, ca.key.Public(), signer); err != nil {
		return nil, fmt.Errorf("making CA %q: %w", o.Subject, err)
	}
	return ca, nil
}

// A CertKind says what an end-entity certificate is for.
type CertKind int

const (
	UserCert  CertKind = iota // clientAuth
	HostCert                  // clientAuth and serverAuth, with names
	OtherCert                 // no extended key usage at all
)

// A CertRequest says what an end-entity certificate should be like.
type CertRequest struct {
	Subject   string // slash form, several CNs and DCs allowed
	Kind      CertKind
	Key       proxycert.KeyType // empty: RSA2048
	NotBefore time.Time         // zero: one hour ago
	NotAfter  time.Time         // zero: NotBefore and a year and a month
	DNSNames  []string          // of hosts; nil: localhost
	IPs       []net.IP          // of hosts; nil: 127.0.0.1 and ::1
	Emails    []string          // subject alternative names
	KeyLabel  string            // two requests with the same label share a key; empty: Subject
}

// Issue makes a certificate and its key. The chain of the credential is that one certificate.
func (ca *CA) Issue(r CertRequest) (*proxycert.Credential, error) {
	name, err := dn.Parse(r.Subject)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	if r.KeyLabel == "" {
		r.KeyLabel = r.Subject
	}
	key, err := ca.keys.Key(r.Key, "eec "+r.KeyLabel)
	if err != nil {
		return nil, fmt.Errorf("making a key for %q: %w", r.Subject, err)
	}
	tmpl := &x509.Certificate{
		RawSubject:            name.DER(),
		SerialNumber:          ca.nextSerial(),
		NotBefore:             r.NotBefore,
		NotAfter:              r.NotAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		EmailAddresses:        r.Emails,
	}
	if r.Key != proxycert.P256 {
		tmpl.KeyUsage |= x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	}
	if tmpl.NotBefore.IsZero() {
		tmpl.NotBefore = ca.now().Add(-time.Hour)
	}
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = tmpl.NotBefore.AddDate(1, 1, 0)
	}
	switch r.Kind {
	case UserCert:
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection}
	case HostCert:
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		tmpl.DNSNames, tmpl.IPAddresses = r.DNSNames, r.IPs
		if r.DNSNames == nil {
			tmpl.DNSNames = []string{"localhost"}
		}
		if r.IPs == nil {
			tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		}
	}
	cert, err := certify(tmpl, ca.Certificate, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate for %q: %w", r.Subject, err)
	}
	return &proxycert.Credential{Chain: []*x509.Certificate{cert}, Key: key}, nil
}

// certify signs tmpl and parses the result. Every certificate gets a subject key identifier (RFC 5280 section 4.2.1.2,
// method 1), which crypto/x509 makes for CAs only: voms-proxy-init2 and 3 both fail without it.
func certify(tmpl, issuer *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, err
	}
	id := sha1.Sum(info.Key.Bytes)
	tmpl.SubjectKeyId = id[:]
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, pub, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (ca *CA) nextSerial() *big.Int {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.serial++
	return big.NewInt(ca.serial)
}

// Chain returns the CA's certificate and those above it, the root last.
func (ca *CA) Chain() []*x509.Certificate {
	var chain []*x509.Certificate
	for c := ca; c != nil; c = c.Parent {
		chain = append(chain, c.Certificate)
	}
	return chain
}

// Revoke puts cert on the CA's list. It takes effect where a CRL is written after it.
func (ca *CA) Revoke(cert *x509.Certificate) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.revoked = append(ca.revoked, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: ca.now(), ReasonCode: 1})
}

// CRL returns a new certificate revocation list in DER, with the given times; a list that has expired is one whose
// nextUpdate has passed.
func (ca *CA) CRL(thisUpdate, nextUpdate time.Time) ([]byte, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.crlNum++
	return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		RevokedCertificateEntries: ca.revoked,
		Number:                    big.NewInt(ca.crlNum),
		ThisUpdate:                thisUpdate,
		NextUpdate:                nextUpdate,
	}, ca.Certificate, ca.key)
}

// Proxy makes a credential below c the way grid-proxy-init does: lifetime as asked but never beyond c's end, counted
// from the CA's clock. Extensions, for instance from attrcert.Extension, go into the new certificate.
func (ca *CA) Proxy(c *proxycert.Credential, lifetime time.Duration, extensions ...pkix.Extension) (*proxycert.Credential, error) {
	key, err := ca.keys.Key(proxycert.RSA2048, fmt.Sprintf("proxy %d %x", len(c.Chain), c.Leaf().RawSubject))
	if err != nil {
		return nil, fmt.Errorf("making a proxy key: %w", err)
	}
	return c.Delegate(key, proxycert.Template{Now: ca.now(), Lifetime: lifetime, Extensions: extensions})
}

// Below returns a subject in the CA's own name space: the CA's DN with its last part replaced by parts, for instance
// "OU=people", "CN=Jane Doe".
func (ca *CA) Below(parts ...string) string {
	s := dn.MustFromDER(ca.Certificate.RawSubject).Parent().String()
	for _, p := range parts {
		s += "/" + p
	}
	return s
}
