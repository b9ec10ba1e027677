// Package trust reads grid trust anchors, signing policies, CRLs and LSC files, and verifies chains against them.
//
// A [Store] is a directory of trust anchors as the IGTF distributes it, and a vomsdir. [Store.VerifyChain] says whose
// credential a chain is, [Store.VerifyAC] whether a VOMS attribute certificate is genuine, [Store.ClientConfig] applies
// both to the other end of a TLS connection. Nothing is read before it is needed: one chain costs the files of its own
// CAs, however many others the directory holds.
//
// # Where software disagrees
//
// Globus (GSI), RFC 3820 and canl-java do not refuse the same chains. What all of them refuse is refused here. Else:
//
//   - Proxies of one chain must be of one form: RFC 3820, draft or legacy (GSI, canl).
//   - Below a limited proxy all must be limited (GSI, but for independent ones, which are refused here as well).
//   - A policy language other than inherit-all, limited and independent is refused, and so is a policy text (GSI).
//   - An independent proxy acts in its own name (GSI), and so does what is below it. It inherits no attributes either: ACs
//     above it are not looked at, and one in it or below it must be about it, not about the user (the VOMS libraries and
//     canl take the AC nearest to the leaf, whatever is between). No VOMS server makes such a one.
//   - A proxy with keyCertSign is refused (RFC 3820 section 3.6 forbids it; GSI and OpenSSL do not look).
//   - The end of the path must be a self-signed CA of the directory (OpenSSL, GSI); canl would stop at a sub-CA.
//   - A signing policy must permit every certificate that a CA signed, and must be there (GSI), unless a .namespaces file
//     speaks for that CA. Where both are there, both must permit.
//   - Negative rights in a signing policy refuse what they match; rights without conditions grant nothing. GSI passes over
//     the first and grants all by the second, which would make of a half-written file a licence.
//   - A CRL may be signed by another key of the CA that a certificate above it in the path has (OpenSSL); the CA must not lack
//     cRLSign (OpenSSL, canl; GSI does not look), and a CRL for a distribution point is for certificates that name it.
//   - A CRL that is there and cannot be used refuses what its CA signed (all); a missing one does not, unless CRL is
//     [CRLRequire].
//   - The beginning of a certificate or CRL may be up to five minutes ahead, for clocks (canl); its end is exact (GSI).
package trust

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// Skew is how far ahead the beginning of a certificate may be, and how far off both ends of an attribute certificate.
const Skew = 5 * time.Minute

const (
	maxPresented = 512 // certificates given to VerifyChain; the IGTF has 261 CAs, which some append to their proxy
	maxDepth     = 100 // certificates of the proxies and their EEC, and of the path above; OpenSSL's depth
	maxTries     = 160 // signatures checked in search of the proxies of one chain, and of the path above
	minRSABits   = 2048
	maxRSABits   = proxycert.MaxRSABits // of a signer
)

// A CRLMode is one of the configuration's trust.crl values.
type CRLMode string

const (
	CRLRequire   CRLMode = "require"    // every CA that signed must have a usable CRL
	CRLIfPresent CRLMode = "if-present" // an expired or broken CRL rejects its CA, a missing one does not
	CRLIgnore    CRLMode = "ignore"     // CRLs are not read
)

// A Store is a trust-anchor directory and a vomsdir. Files are read when first needed and again when they have changed.
// It is safe for concurrent use, and must not be copied after its first use.
type Store struct {
	Certificates string  // directory
	VOMSDir      string  // directory
	CRL          CRLMode // empty: CRLIfPresent
	AllowWeak    bool    // accept RSA below 2048 bits, SHA-1 and MD5, for looking at old files
	Host         string  // of this machine, for attribute certificates with targets; empty: os.Hostname

	// Still takes the directories for what they were when first looked at: files are read once, and a path to a root that
	// was found is not looked for again. It is for a Store that lives as long as one look at many files.
	Still bool

	mu       sync.Mutex
	files    map[string]*cachedFile      // by path
	verified map[signatureKey]bool       // signatures of CAs found good
	paths    map[pathKey]foundPath       // only if Still
	signers  map[*x509.Certificate]*node // of attribute certificates; only if Still
}

// A Result describes a chain that verified.
type Result struct {
	Identity     dn.Name        // subject of the EEC, or of the last independent proxy
	Type         proxycert.Type // of the leaf
	Limited      bool
	Chain        []*x509.Certificate // leaf … EEC
	Anchors      []*x509.Certificate // issuer of the EEC … root
	EffectiveEnd time.Time           // earliest notAfter over Chain and Anchors
	EndsWith     string              // words for what ends then, for instance "the user certificate /DC=…"
	CRLEnd       time.Time           // earliest nextUpdate of a CRL used; zero if none was
}

// VerifyChain verifies presented certificates (any order, extra ones ignored) as of now: RFC 3820 and GSI rules for the
// proxies, PKIX, signing policy and CRLs for the rest. The leaf is the first certificate that issued none of the others and
// is no CA. That the caller holds its private key is not checked: compare Result.Chain[0]. A refusal is an *Error.
func (s *Store) VerifyChain(certs []*x509.Certificate, now time.Time) (*Result, error) {
	pool, err := newPool(certs)
	if err != nil {
		return nil, err
	}
	return s.verify(pool, pool.leaf(), now)
}

// VerifyPeer is VerifyChain for the other end of a TLS connection, where the first certificate is the one whose key was
// shown to be there; nothing but it can be the leaf.
func (s *Store) VerifyPeer(certs []*x509.Certificate, now time.Time) (*Result, error) {
	pool, err := newPool(certs)
	if err != nil {
		return nil, err
	}
	return s.verify(pool, pool[0], now)
}

func (s *Store) verify(pool pool, leaf *node, now time.Time) (*Result, error) {
	chain, err := s.proxyChain(pool, leaf)
	if err != nil {
		return nil, err
	}
	if err := s.checkProxies(chain, now); err != nil {
		return nil, err
	}
	path, err := s.pathAbove(pool, chain, now)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Identity: identity(chain), Type: chain[0].info.Type, Limited: chain[0].info.Limited,
		Chain: certificates(chain), Anchors: certificates(path.anchors), CRLEnd: path.crlEnd,
	}
	r.EffectiveEnd, r.EndsWith = earliestEnd(append(chain[:len(chain):len(chain)], path.anchors...))
	return r, nil
}

// pathAbove finds the path of the chain's EEC. If that fails it puts in its place another certificate for the same name and
// key, which has signed the proxy as well: some users have one by the CA of before and one by the present CA.
func (s *Store) pathAbove(pool pool, chain []*node, now time.Time) (*path, error) {
	last := len(chain) - 1
	first := &path{store: s, pool: pool, now: now}
	err := first.build(chain[last])
	if err == nil || last == 0 {
		return first, err
	}
	for _, n := range pool {
		if n == chain[last] || n.subjectKey != chain[last].subjectKey || !bytes.Equal(n.cert.RawSubjectPublicKeyInfo, chain[last].cert.RawSubjectPublicKeyInfo) {
			continue
		}
		if n.info.Type != proxycert.EEC || s.checkProxies(append(chain[:last:last], n), now) != nil {
			continue
		}
		other := &path{store: s, pool: pool, now: now, tries: first.tries}
		if other.build(n) == nil {
			chain[last] = n
			return other, nil
		}
		first.tries = other.tries
	}
	return nil, err
}

// identity is the subject of the EEC. An independent proxy inherits no identity (RFC 3820 section 3.8.2), and GSI names it
// by its own subject.
func identity(chain []*node) dn.Name {
	for _, n := range chain {
		if n.isIndependent() {
			return n.subject
		}
	}
	return chain[len(chain)-1].subject
}

func certificates(nodes []*node) []*x509.Certificate {
	out := make([]*x509.Certificate, len(nodes))
	for i, n := range nodes {
		out[i] = n.cert
	}
	return out
}

// earliestEnd names the certificate that ends first; of several that end together, the one furthest from the leaf,
// since that is the one to renew.
func earliestEnd(nodes []*node) (time.Time, string) {
	first := nodes[0]
	for _, n := range nodes[1:] {
		if !n.cert.NotAfter.After(first.cert.NotAfter) {
			first = n
		}
	}
	return first.cert.NotAfter, fmt.Sprintf("the %s %s", first.kind(), first.subject)
}
