package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A path leads from an EEC to a root of the trust-anchor directory.
type path struct {
	store   *Store
	pool    pool // presented certificates, of which the CAs may serve as intermediate ones
	now     time.Time
	tries   int
	anchors []*node // issuer of the EEC … root
	crlEnd  time.Time
}

// build finds a path that obeys all rules. CAs may share a name (cross-signed, or with a new key), so that several are
// tried; the error is that of the attempt that came furthest.
func (p *path) build(eec *node) error {
	if p.recall(eec) {
		return nil
	}
	if info, err := os.Stat(p.store.Certificates); err != nil || !info.IsDir() {
		return refuse(IDNoAnchor, eec.subject, "no trust anchor for issuer %s: the directory %q cannot be read", eec.issuer, p.store.Certificates)
	}
	_, err := p.climb([]*node{eec})
	if err == nil {
		p.keep(eec)
	}
	return err
}

// A pathKey is what a path to a root depends on as long as the directories stand still.
type pathKey struct {
	eec [sha256.Size]byte
	now int64 // nanoseconds
}

type foundPath struct {
	anchors []*node
	crlEnd  time.Time
}

func (p *path) key(eec *node) pathKey { return pathKey{sha256.Sum256(eec.cert.Raw), p.now.UnixNano()} }

// recall takes a path that was found before.
func (p *path) recall(eec *node) bool {
	if !p.store.Still {
		return false
	}
	key := p.key(eec)
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	found, ok := p.store.paths[key]
	p.anchors, p.crlEnd = found.anchors, found.crlEnd
	return ok
}

// keep remembers a path through nothing but the directory's own CAs: it does not depend on what was presented.
func (p *path) keep(eec *node) {
	if !p.store.Still || slices.ContainsFunc(p.anchors, func(n *node) bool { return !n.anchor }) {
		return
	}
	key := p.key(eec)
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	if p.store.paths == nil || len(p.store.paths) >= maxStill {
		p.store.paths = make(map[pathKey]foundPath)
	}
	p.store.paths[key] = foundPath{p.anchors, p.crlEnd}
}

// climb extends a path whose last certificate is not a root. It returns how far an attempt came: 0 no candidate, 1 no good
// signature, 2 a complete path that breaks a rule.
func (p *path) climb(nodes []*node) (int, error) {
	last := nodes[len(nodes)-1]
	if len(nodes) >= maxDepth {
		return 0, refuse(IDPathLength, last.subject, "the path above %s is longer than %d certificates", nodes[0].subject, maxDepth)
	}
	candidates, notes := p.candidates(nodes)
	if len(candidates) == 0 {
		return 0, p.noAnchor(last, notes)
	}
	best, bestErr := -1, error(nil)
	for _, candidate := range candidates {
		if p.tries++; p.tries > maxTries {
			return 0, refuse(IDPathLength, last.subject, "more than %d signatures would have to be checked for %s", maxTries, last.subject)
		}
		far, err := 1, p.store.checkSignature(last, candidate)
		if err == nil {
			next := append(nodes[:len(nodes):len(nodes)], candidate)
			if candidate.anchor && candidate.selfSigned() {
				far, err = 2, p.check(next)
			} else {
				far, err = p.climb(next)
				far = max(far, 1)
			}
		}
		if err == nil {
			return 2, nil
		}
		if far > best {
			best, bestErr = far, err
		}
	}
	return best, bestErr
}

// candidates are the certificates with the name of the last one's issuer: those of the directory, then the presented ones.
func (p *path) candidates(nodes []*node) (out []*node, notes []string) {
	last := nodes[len(nodes)-1]
	isIn := func(list []*node, n *node) bool {
		return slices.ContainsFunc(list, func(o *node) bool { return o == n || o.cert.Equal(n.cert) })
	}
	stored, notes := p.store.anchors(last.issuerKey, last.cert.RawIssuer)
	for _, n := range stored {
		if !isIn(nodes, n) && !isIn(out, n) {
			out = append(out, n)
		}
	}
	known := out
	for _, n := range p.pool { // each of which is in it once
		if n.info.Type == proxycert.CA && n.subjectKey == last.issuerKey && !isIn(nodes, n) && !isIn(known, n) {
			out = append(out, n)
		}
	}
	return out, notes
}

// noAnchor says where an issuer was looked for. A presented certificate of that name that is no CA is named instead: it is
// what someone will have taken for the issuer.
func (p *path) noAnchor(last *node, notes []string) error {
	for _, n := range p.pool {
		if n.subjectKey == last.issuerKey && n != last && n.info.Type != proxycert.CA {
			if why := noProxy(last); why != "" {
				return refuse(IDNotCA, last.subject, "the certificate %s is no proxy, since %s, and %s, which signed it, is no CA", last.subject, why, n.subject)
			}
			return refuse(IDNotCA, n.subject, "the certificate %s is signed by %s, which is no CA", last.subject, n.subject)
		}
	}
	if last.selfIssued() && last.info.Type == proxycert.CA && !namesIssuer(last, last) {
		return refuse(IDNoAnchor, last.subject, "no trust anchor for issuer %s in %s: the CA certificate of that name has an authorityKeyIdentifier that names another",
			last.issuer, p.store.Certificates)
	}
	if last.selfIssued() && slices.ContainsFunc(p.known(last), func(n *node) bool { return n.cert.Equal(last.cert) }) {
		return refuse(IDNotCA, last.subject, "the %s %s is self-signed, and no CA: that it is among the trust anchors does not help", last.kind(), last.subject)
	}
	if last.selfIssued() {
		return refuse(IDNoAnchor, last.subject, "the self-signed certificate %s is not among the trust anchors in %s (looked for %s.0)", last.subject,
			p.store.Certificates, hashNames(last.issuerKey, last.cert.RawIssuer)[0])
	}
	why := ""
	if len(notes) > 0 {
		why = "; " + strings.Join(notes, "; ")
	}
	return refuse(IDNoAnchor, last.subject, "no trust anchor for issuer %s in %s (looked for %s.0)%s", last.issuer, p.store.Certificates,
		hashNames(last.issuerKey, last.cert.RawIssuer)[0], why)
}

// known are the trust anchors of a certificate's own name.
func (p *path) known(n *node) []*node {
	nodes, _ := p.store.anchors(n.subjectKey, n.cert.RawSubject)
	return nodes
}

// noProxy says why something that looks like a proxy, by its name or its extension, is none; "" if it does not look so.
func noProxy(n *node) string {
	switch {
	case hasCertInfo(n.cert):
		return "its ProxyCertInfo is not critical"
	case proxycert.CheckSubject(n.cert) == nil:
		return "it has no ProxyCertInfo"
	}
	return ""
}

// anchors reads the CAs of that name from HASH.N, by the new hash or, if that has none, by the old. The notes tell of files
// that could not be read.
func (s *Store) anchors(canonical string, der []byte) (out []*node, notes []string) {
	for _, hash := range hashNames(canonical, der) {
		numbered(s, hash+".", anchorTries, maxFile, parseAnchors, func(_ string, nodes []*node, err error) {
			if err != nil {
				notes = append(notes, err.Error())
			}
			for _, n := range nodes {
				if n.subjectKey == canonical {
					out = append(out, n)
				}
			}
		})
		if len(out) > 0 {
			break
		}
	}
	return out, notes
}

// parseAnchors reads the certificates of a file. What cannot be read makes the others no worse; it is an error if there is
// nothing else.
func parseAnchors(data []byte) ([]*node, error) {
	var out []*node
	var bad error
	add := func(der []byte) error {
		cert, err := dn.ParseCertificate(der)
		if err != nil {
			bad = err
			return nil
		}
		n := newSharedNode(cert)
		n.anchor = true
		out = append(out, n)
		return nil
	}
	err := pemBlocks(data, map[string]func([]byte) error{"CERTIFICATE": add, "X509 CERTIFICATE": add, "TRUSTED CERTIFICATE": func(block []byte) error {
		der, err := trustedCertificate(block)
		if err != nil {
			bad = err
			return nil
		}
		return add(der)
	}}, add)
	switch {
	case len(out) > 0:
		return out, nil
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, bad
	}
	return nil, errors.New("there is no certificate in it")
}

// trustedCertificate returns the certificate in what "openssl x509 -trustout" writes: behind it stands what it is trusted for
// and, in [0], what it is not.
func trustedCertificate(block []byte) ([]byte, error) {
	in := cryptobyte.String(block)
	var der, settings cryptobyte.String
	if !in.ReadASN1Element(&der, cbasn1.SEQUENCE) {
		return nil, errors.New("malformed TRUSTED CERTIFICATE")
	}
	if in.Empty() {
		return der, nil
	}
	if !in.ReadASN1(&settings, cbasn1.SEQUENCE) || !in.Empty() || !settings.SkipOptionalASN1(cbasn1.SEQUENCE) || settings.PeekASN1Tag(cbasn1.Tag(0xa0)) {
		return nil, errors.New("it is a TRUSTED CERTIFICATE that says what it is not to be trusted for")
	}
	return der, nil
}

// check applies the rules to a complete path, EEC first, root last, and keeps it if all are obeyed.
func (p *path) check(nodes []*node) error {
	below := 0 // CA certificates that count for the next path length
	for i, n := range nodes {
		if err := p.store.checkStrength(n); err != nil {
			return err
		}
		if err := checkTime(n, p.now); err != nil {
			return err
		}
		if err := checkCritical(n); err != nil {
			return err
		}
		if hasCertInfo(n.cert) { // not a critical one, or it would be a proxy; OpenSSL and canl take any for a proxy
			return refuse(IDProxy, n.subject, "the %s %s has a ProxyCertInfo, as if it were a proxy, and is signed by a CA", n.kind(), n.subject)
		}
		if i == 0 {
			continue
		}
		if err := checkCA(n, below); err != nil {
			return err
		}
		if !n.selfIssued() {
			below++
		}
	}
	if err := checkKeyUsages(nodes); err != nil {
		return err
	}
	crls := crlCheck{store: p.store, now: p.now}
	for i, n := range nodes[:len(nodes)-1] {
		if err := p.store.checkNamespace(n, nodes[i+1:]); err != nil {
			return err
		}
		if err := crls.check(n, nodes[i+1:]); err != nil {
			return err
		}
	}
	if err := checkNameConstraints(nodes); err != nil {
		return err
	}
	p.anchors, p.crlEnd = nodes[1:], crls.end
	return nil
}

// checkCA applies RFC 5280 section 6.1.4 (k) to (n). A root of the directory may do without basicConstraints as OpenSSL
// allows: by version 1, or by keyCertSign.
func checkCA(n *node, below int) error {
	c := n.cert
	switch {
	case c.BasicConstraintsValid && !c.IsCA,
		!c.BasicConstraintsValid && !(n.anchor && n.selfSigned() && (c.Version < 3 || c.KeyUsage&x509.KeyUsageCertSign != 0)):
		return refuse(IDNotCA, n.subject, "the certificate %s is not that of a CA", n.subject)
	case lacksUsage(c, x509.KeyUsageCertSign):
		return refuse(IDNotCA, n.subject, "the CA certificate %s may not sign certificates: its key usage lacks keyCertSign", n.subject)
	case c.BasicConstraintsValid && c.IsCA && (c.MaxPathLen > 0 || c.MaxPathLenZero) && below > c.MaxPathLen:
		return refuse(IDPathLength, n.subject, "the CA certificate %s allows %d CAs below it, and there are %d", n.subject, c.MaxPathLen, below)
	}
	return nil
}

// lacksUsage reports whether the certificate has a key usage, be it without any bit, and that usage is not in it.
func lacksUsage(cert *x509.Certificate, usage x509.KeyUsage) bool {
	return cert.KeyUsage&usage == 0 && (cert.KeyUsage != 0 || hasExtension(cert, oidKeyUsage))
}

func hasExtension(cert *x509.Certificate, ids ...asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return isAny(e.Id, ids...) })
}

// checkCritical refuses critical extensions of an EEC or CA that are not looked at anywhere. Certificate policies are let
// through: no policy is asked for, so that all are acceptable.
func checkCritical(n *node) error {
	for _, e := range n.cert.Extensions {
		if e.Critical && !isAny(e.Id, oidBasicConstraints, oidKeyUsage, oidExtKeyUsage, oidNetscapeCertType, oidSubjectKeyID, oidAuthorityKeyID,
			oidSubjectAltName, oidNameConstraints, oidPolicies) {
			return refuse(IDCritical, n.subject, "the %s %s has the critical extension %s, which nothing here can honour", n.kind(), n.subject, e.Id)
		}
	}
	return nil
}

// isMissing is for errors of load.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
