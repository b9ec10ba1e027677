package proxycert

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A Type says which kind of certificate one is. Its string is what `inspect -o json` prints.
type Type string

const (
	EEC    Type = "eec"
	CA     Type = "ca"
	RFC    Type = "rfc"    // RFC 3820
	Draft  Type = "draft"  // Globus Toolkit 3, pre-RFC
	Legacy Type = "legacy" // Globus Toolkit 2, by name
)

// Info is what Classify finds out.
type Info struct {
	Type     Type
	CertInfo *CertInfo // for RFC and Draft
	Limited  bool
}

// IsProxy reports whether the certificate is a proxy of any form.
func (i Info) IsProxy() bool { return i.Type == RFC || i.Type == Draft || i.Type == Legacy }

// The last CN of a legacy proxy.
const (
	cnProxy        = "proxy"
	cnLimitedProxy = "limited proxy"
)

// Classify tells what kind of certificate cert is. The tests are made in the order of VOMS: a CA by its basic
// constraints, then a critical ProxyCertInfo, RFC before draft, then the name of a legacy proxy, else an EEC. An
// extension that is not critical makes no proxy, as for Globus and VOMS (canl-java looks only whether it is there).
//
// With an error, a malformed extension or two of them, the Info says what the certificate claims to be.
func Classify(cert *x509.Certificate) (Info, error) {
	if isCA(cert) {
		return Info{Type: CA}, nil
	}
	rfc, draft := criticalExtension(cert, OIDCertInfo), criticalExtension(cert, OIDDraftCertInfo)
	switch {
	case rfc != nil && draft != nil:
		return Info{Type: RFC}, errors.New("ProxyCertInfo: two of them, RFC 3820 and draft")
	case rfc != nil:
		return fromCertInfo(RFC, ParseCertInfo, rfc.Value)
	case draft != nil:
		return fromCertInfo(Draft, ParseDraftCertInfo, draft.Value)
	}
	switch lastCN(cert) {
	case cnProxy:
		return Info{Type: Legacy}, nil
	case cnLimitedProxy:
		return Info{Type: Legacy, Limited: true}, nil
	}
	return Info{Type: EEC}, nil
}

func fromCertInfo(t Type, parse func([]byte) (*CertInfo, error), value []byte) (Info, error) {
	ci, err := parse(value)
	if err != nil {
		return Info{Type: t}, err
	}
	return Info{Type: t, CertInfo: ci, Limited: ci.Limited()}, nil
}

// isCA takes a self-signed version 1 certificate for a CA too: some old roots have no extensions.
func isCA(cert *x509.Certificate) bool {
	if cert.BasicConstraintsValid {
		return cert.IsCA
	}
	return cert.Version < 3 && bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// criticalExtension returns the extension if it is there and critical, else nil. There is at most one: crypto/x509
// refuses a certificate with duplicates.
func criticalExtension(cert *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	if e := extension(cert, id); e != nil && e.Critical {
		return e
	}
	return nil
}

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

func lastCN(cert *x509.Certificate) string {
	cn, _ := dn.MustFromDER(cert.RawSubject).LastCN()
	return cn
}

// CheckSubject reports whether a proxy's subject is its issuer's name and exactly one CN more (RFC 3820 section 3.4).
// All implementations compare with the issuer name in the proxy itself.
func CheckSubject(proxy *x509.Certificate) error {
	subject, issuer := dn.MustFromDER(proxy.RawSubject), dn.MustFromDER(proxy.RawIssuer)
	if _, ok := subject.LastCN(); ok && subject.Parent().Equal(issuer) {
		return nil
	}
	return fmt.Errorf("the subject of the proxy, %s, is not that of its issuer, %s, and one CN", subject, issuer)
}
