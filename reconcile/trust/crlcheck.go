package trust

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"time"
)

// A crlCheck applies the CRLs of one path.
type crlCheck struct {
	store *Store
	now   time.Time
	end   time.Time // earliest nextUpdate of those used
}

// check asks the CRLs of n's issuer about n. The issuer is the first of above, the rest of the path follows: where a CA has
// changed its key, a certificate of its own above it has the other key, by which its CRL may be signed. One list that is
// good suffices; a certificate on any list that its issuer signed is revoked, current or not.
func (k *crlCheck) check(n *node, above []*node) error {
	mode := k.store.CRL
	if mode == CRLIgnore {
		return nil
	}
	ca := above[0]
	var problem error
	var good *crl
	var revoked error
	first := ca.hashNames()[0] + ".r0"
	k.store.crls(ca, func(path string, c *crl, err error) {
		if err != nil {
			problem = refuse(IDCRLInvalid, n.subject, "the CRL of %s cannot be used: %v", ca.subject, err)
			return
		}
		if c.issuerKey != ca.subjectKey {
			return // another CA with the same hash
		}
		signer := c.signer(above)
		if err := k.usable(path, c, n, ca, signer); err != nil {
			problem = err
		} else if c.covers(n) && (good == nil || c.thisUpdate.After(good.thisUpdate)) {
			good = c
		}
		if date, on := c.has(n.cert.SerialNumber); on && (c.unusable == "" || c.delta) && signer != nil {
			revoked = refuse(IDRevoked, n.subject, "the %s %s was revoked on %s (serial number %X)", n.kind(), n.subject, utc(date), n.cert.SerialNumber)
		}
	})
	switch {
	case revoked != nil:
		return revoked
	case good != nil:
		if !good.nextUpdate.IsZero() && (k.end.IsZero() || good.nextUpdate.Before(k.end)) {
			k.end = good.nextUpdate
		}
		return nil
	case problem != nil:
		return problem
	case mode == CRLRequire:
		return refuse(IDCRLMissing, n.subject, "there is no CRL of %s in %s (looked for %s)", ca.subject, k.store.Certificates, first)
	}
	return nil
}

// signer returns the certificate of the CA whose key signed the list, or nil.
func (c *crl) signer(above []*node) *node {
	for _, n := range above {
		if n.subjectKey == c.issuerKey && c.signedBy(n.cert) {
			return n
		}
	}
	return nil
}

// covers reports whether the list is one for certificates such as n: of its kind, and with a distribution point in common if
// the list has one (RFC 5280 section 6.3.3 b).
func (c *crl) covers(n *node) bool {
	if c.onlyCAs && !n.cert.IsCA || c.onlyUsers && n.cert.IsCA {
		return false
	}
	return c.points == nil || sharePoint(c.points, distributionPoints(n))
}

// usable says why a list cannot be used. That its CA must have cRLSign is what OpenSSL, canl and RFC 5280 want; GSI does not
// look, and no CA of the IGTF has a key usage without it.
func (k *crlCheck) usable(path string, c *crl, n, ca, signer *node) error {
	invalid := func(why string) error {
		return refuse(IDCRLInvalid, n.subject, "the CRL %s of %s cannot be used: %s", path, ca.subject, why)
	}
	switch {
	case isWeakHash(c.algorithm) && !k.store.AllowWeak:
		return invalid(fmt.Sprintf("it is signed with %s", c.algorithm))
	case signer == nil:
		return invalid("its signature is not by that CA's key")
	case lacksUsage(signer.cert, x509.KeyUsageCRLSign):
		return invalid("that CA may not sign any: its key usage lacks cRLSign")
	case c.unusable != "":
		return invalid(c.unusable)
	case k.now.Add(Skew).Before(c.thisUpdate):
		return invalid(fmt.Sprintf("it is not valid before %s, and it is %s", utc(c.thisUpdate), utc(k.now)))
	case !c.nextUpdate.IsZero() && k.now.After(c.nextUpdate):
		return refuse(IDCRLStale, n.subject, "the CRL %s of %s expired on %s", path, ca.subject, utc(c.nextUpdate))
	}
	return nil
}

// crls loads HASH.rN of the CA, by the new hash or, if that has none, by the old.
func (s *Store) crls(ca *node, use func(path string, c *crl, err error)) {
	found := false
	for _, hash := range ca.hashNames() {
		numbered(s, hash+".r", crlTries, maxCRL, parseCRLs, func(path string, lists []*crl, err error) {
			found = true
			path = filepath.Clean(path)
			if err != nil {
				use(path, nil, err)
			}
			for _, c := range lists {
				use(path, c, nil)
			}
		})
		if found {
			return
		}
	}
}
