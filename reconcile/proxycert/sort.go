package proxycert

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Limits of SortChain. A proxy file with a whole CA bundle appended stays well below the first.
const (
	maxCertificates = 2000
	maxDepth        = 100 // as package trust verifies
	maxLeaves       = 20  // chains that are followed
	maxIssuers      = 8   // certificates of one subject whose signature is tried
	maxChecks       = 64  // signatures in all; the certificates may be anybody's
)

// ErrKeyMismatch is returned by SortChain when the key belongs to none of the certificates.
var ErrKeyMismatch = errors.New("the private key belongs to none of the certificates")

// SortChain orders certificates (any order, duplicates, CAs and strangers among them) into leaf → EEC for the given
// public key (nil: the certificate that issued none of the others). Certificates that do not belong are left out. A chain
// whose EEC is missing is returned as far as it goes.
//
// Issuers are found by name; only where several certificates have the name do signatures decide, of which few are
// checked, and none with RSA keys beyond [MaxRSABits]. This is sorting, not verification.
func SortChain(certs []*x509.Certificate, pub crypto.PublicKey) ([]*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	if len(certs) > maxCertificates {
		return nil, fmt.Errorf("%d certificates, more than %d", len(certs), maxCertificates)
	}
	s := newSorter(certs)
	leaves := s.leaves(pub)
	if len(leaves) == 0 {
		return nil, ErrKeyMismatch
	}
	// Several are left when a renewed certificate has kept its key, or when strangers are in the file.
	var best []*x509.Certificate
	for _, leaf := range leaves[:min(len(leaves), maxLeaves)] {
		if chain := s.chain(leaf); len(chain) > len(best) {
			best = chain
		}
	}
	return best, nil
}

type sorter struct {
	certs     []*x509.Certificate            // without duplicates, in the order given
	bySubject map[string][]*x509.Certificate // by DER of the subject
	byCanon   map[string][]*x509.Certificate // by canonical subject; made when first needed
	checks    int                            // signatures checked so far
}

func newSorter(certs []*x509.Certificate) *sorter {
	s := &sorter{bySubject: make(map[string][]*x509.Certificate, len(certs))}
	seen := make(map[uint64]*x509.Certificate, len(certs))
	seed := maphash.MakeSeed() // nobody can make many of the same hash
	for _, c := range certs {
		hash := maphash.Bytes(seed, c.Raw)
		if c.Equal(seen[hash]) {
			continue
		}
		seen[hash] = c
		s.certs = append(s.certs, c)
		s.bySubject[string(c.RawSubject)] = append(s.bySubject[string(c.RawSubject)], c)
	}
	return s
}

// leaves returns the certificates of the key that issued none of the others with that key; without a key the
// certificates that issued no other, CAs only if there is nothing else.
func (s *sorter) leaves(pub crypto.PublicKey) []*x509.Certificate {
	pool := s.certs
	if pub != nil {
		pool = nil
		for _, c := range s.certs {
			if SameKey(c.PublicKey, pub) {
				pool = append(pool, c)
			}
		}
	}
	issuers := make(map[string]bool, len(pool))
	for _, c := range pool {
		if !bytes.Equal(c.RawIssuer, c.RawSubject) {
			issuers[string(c.RawIssuer)] = true
		}
	}
	var own, cas []*x509.Certificate
	for _, c := range pool {
		switch {
		case issuers[string(c.RawSubject)]:
		case isCA(c):
			cas = append(cas, c)
		default:
			own = append(own, c)
		}
	}
	if len(own) > 0 {
		return own
	}
	if len(cas) > 0 {
		return cas
	}
	return pool // each issued another: a loop, or names that lie
}

// chain follows the issuers from leaf until one is no proxy.
func (s *sorter) chain(leaf *x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for len(chain) < maxDepth {
		last := chain[len(chain)-1]
		if info, _ := Classify(last); !info.IsProxy() {
			break
		}
		issuer := s.issuer(last, chain)
		if issuer == nil {
			break
		}
		chain = append(chain, issuer)
	}
	return chain
}

// issuer returns the certificate that cert was issued by, or nil if it is not there. A CA is none, since no CA signs
// proxies.
func (s *sorter) issuer(cert *x509.Certificate, used []*x509.Certificate) *x509.Certificate {
	var named []*x509.Certificate
	for _, c := range s.named(cert.RawIssuer) {
		if !isCA(c) && !contains(used, c) {
			named = append(named, c)
		}
		if len(named) == maxIssuers {
			break
		}
	}
	if len(named) > 1 {
		for _, c := range named {
			if s.checks++; s.checks > maxChecks {
				break
			}
			if CheckSignature(cert, c) == nil {
				return c
			}
		}
	}
	if len(named) == 0 {
		return nil
	}
	return named[0]
}

// named returns the certificates with that subject: of the same encoding, else of an equal name.
func (s *sorter) named(raw []byte) []*x509.Certificate {
	if found := s.bySubject[string(raw)]; len(found) > 0 {
		return found
	}
	if s.byCanon == nil {
		s.byCanon = make(map[string][]*x509.Certificate, len(s.certs))
		for _, c := range s.certs {
			key := dn.MustFromDER(c.RawSubject).Canonical()
			s.byCanon[key] = append(s.byCanon[key], c)
		}
	}
	return s.byCanon[dn.MustFromDER(raw).Canonical()]
}

func contains(certs []*x509.Certificate, c *x509.Certificate) bool {
	for _, o := range certs {
		if o == c {
			return true
		}
	}
	return false
}
