package trust

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A node is a certificate with what the rules ask of it over and over.
type node struct {
	cert            *x509.Certificate
	subject, issuer dn.Name
	subjectKey      string // canonical
	issuerKey       string // canonical
	info            proxycert.Info
	infoErr         error // from classifying; only proxies can have one
	oddTimes        bool  // its validity is not encoded as it must be
	anchor          bool  // from the trust-anchor directory
	hashes          [2]string
	spelling        *spelling
}

func newNode(cert *x509.Certificate) *node {
	n := &node{cert: cert, subject: dn.MustFromDER(cert.RawSubject), issuer: dn.MustFromDER(cert.RawIssuer)}
	n.subjectKey = n.subject.Canonical()
	if n.issuerKey = n.subjectKey; !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		n.issuerKey = n.issuer.Canonical()
	}
	n.info, n.infoErr = proxycert.Classify(cert)
	n.oddTimes = hasOddTimes(cert)
	return n
}

// newSharedNode makes a node that several goroutines may use.
func newSharedNode(cert *x509.Certificate) *node {
	n := newNode(cert)
	n.hashNames()
	n.spelled()
	return n
}

// hashNames and spelled are made when first asked for.
func (n *node) hashNames() [2]string {
	if n.hashes[0] == "" {
		n.hashes = hashNames(n.subjectKey, n.cert.RawSubject)
	}
	return n.hashes
}

func (n *node) spelled() *spelling {
	if n.spelling == nil {
		n.spelling = spell(n.subject)
	}
	return n.spelling
}

// kind is what people call such a certificate.
func (n *node) kind() string {
	switch {
	case n.info.IsProxy():
		return "proxy certificate"
	case n.info.Type == proxycert.CA || n.anchor:
		return "CA certificate"
	case n.isHost():
		return "host certificate"
	}
	return "user certificate"
}

// isHost guesses by a name in subjectAltName, or a last CN like host/NAME or one with two dots; people are called jane.doe.
func (n *node) isHost() bool {
	if len(n.cert.DNSNames) > 0 || len(n.cert.IPAddresses) > 0 {
		return true
	}
	rdns := n.subject.RDNs()
	host := hostCN(n.subject)
	return strings.Count(host, ".") >= 2 || host != "" && host != string(rdns[len(rdns)-1][0].Value)
}

// selfIssued reports whether subject and issuer are the same name.
func (n *node) selfIssued() bool { return n.subjectKey == n.issuerKey }

// selfSigned reports whether the certificate is, by its names and its authorityKeyIdentifier, signed by its own key. A CA's new
// key certified by its old one has the same two names, and is not.
func (n *node) selfSigned() bool { return n.selfIssued() && namesIssuer(n, n) }

// A pool is a set of presented certificates in their order, without duplicates.
type pool []*node

func newPool(certs []*x509.Certificate) (pool, error) {
	if len(certs) == 0 {
		return nil, &Error{ID: IDMalformed, Msg: "there are no certificates"}
	}
	if len(certs) > maxPresented {
		return nil, &Error{ID: IDMalformed, Msg: fmt.Sprintf("%d certificates are more than the %d that are looked at", len(certs), maxPresented)}
	}
	var p pool
	seen := make(map[uint64]*x509.Certificate, len(certs))
	seed := maphash.MakeSeed() // nobody can make many of the same hash
	for _, cert := range certs {
		if hash := maphash.Bytes(seed, cert.Raw); !cert.Equal(seen[hash]) {
			seen[hash] = cert
			p = append(p, newNode(cert))
		}
	}
	return p, nil
}

// leaf is the first certificate, by preference no CA, whose name is not the issuer of another.
func (p pool) leaf() *node {
	issued := make(map[string]int, len(p)) // how many, by the name of their issuer
	for _, n := range p {
		issued[n.issuerKey]++
	}
	var ca *node
	for _, n := range p {
		others := issued[n.subjectKey]
		if n.selfIssued() {
			others--
		}
		switch {
		case others > 0:
		case n.info.Type != proxycert.CA:
			return n
		case ca == nil:
			ca = n
		}
	}
	if ca != nil {
		return ca
	}
	return p[0]
}
