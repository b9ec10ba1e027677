// Package trust reads grid trust anchors, signing policies, CRLs and LSC files, and verifies chains against them.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A CRLMode is one of the configuration's trust.crl values.
type CRLMode string

const (
	CRLRequire   CRLMode = "require"
	CRLIfPresent CRLMode = "if-present"
	CRLIgnore    CRLMode = "ignore"
)

// A Store is a trust-anchor directory and a vomsdir. Files are read when first needed. It is safe for concurrent use.
type Store struct {
	Certificates string  // directory
	VOMSDir      string  // directory
	CRL          CRLMode // empty: CRLIfPresent
	AllowWeak    bool    // accept RSA below 2048 bits and SHA-1, for looking at old files
	// unexported caches are added by the implementation
}

// A Result describes a chain that verified.
type Result struct {
	Identity     dn.Name
	Type         proxycert.Type // of the leaf
	Limited      bool
	Chain        []*x509.Certificate // leaf … EEC
	Anchors      []*x509.Certificate // issuer of the EEC … root
	EffectiveEnd time.Time           // earliest notAfter over Chain and Anchors
	EndsWith     string              // words for what ends then, for instance "the user certificate /DC=…"
	CRLEnd       time.Time           // earliest nextUpdate of a CRL used; zero if none was
}

// VerifyChain verifies presented certificates (any order, extra ones ignored) as of now: RFC 3820 and GSI rules for the
// proxies, PKIX, signing policy and CRLs for the rest.
func (s *Store) VerifyChain(certs []*x509.Certificate, now time.Time) (*Result, error) {
	panic("not built yet")
}

// An ACResult describes an AC that verified.
type ACResult struct {
	Signer       *x509.Certificate
	EffectiveEnd time.Time // the AC's own and its signer chain's
	EndsWith     string
}

// VerifyAC verifies an AC carried by (or fetched for) a chain whose EEC is eec, as of now, by LSC file or vomsdir certificate.
func (s *Store) VerifyAC(ac *attrcert.AC, eec *x509.Certificate, now time.Time) (*ACResult, error) {
	panic("not built yet")
}

// A Peer says which server is acceptable: by host name (SAN, else CN, also host/NAME), or by DN when DN is not empty.
// AllowHost with a DN accepts either.
type Peer struct {
	Host      string
	DN        dn.Name
	AllowHost bool
}

// ClientConfig returns a TLS configuration that shows cred (nil: none) and accepts only the peer. It always sends the
// whole chain, whatever CAs the server lists, allows TLS 1.2 and 1.3, and switches dynamic record sizing off.
func (s *Store) ClientConfig(cred *proxycert.Credential, peer Peer, now func() time.Time) *tls.Config {
	panic("not built yet")
}

// An Error says why something does not verify.
type Error struct {
	ID      string // identifier of ecosystem B, e.g. "CA-MISSING", "CRL-STALE", "VO-LSC", "CHAIN-EXPIRED"
	Subject string // the certificate it is about, slash form
	Msg     string
	Err     error
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }
