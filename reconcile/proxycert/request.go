package proxycert

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// maxRequest is the largest request that is looked at, in bytes. With RSA 8192 one has less than 3 kB.
const maxRequest = 64 << 10

// NewRequest returns a PKCS#10 request for the key, with a critical RFC inherit-all ProxyCertInfo. The subject is the
// one that Globus writes; every signer puts its own name there.
func NewRequest(key crypto.Signer) ([]byte, error) {
	der, err := newRequest(key, CertInfo{Language: LanguageInheritAll})
	if err != nil {
		return nil, fmt.Errorf("proxycert: making a request: %w", err)
	}
	return der, nil
}

func newRequest(key crypto.Signer, ci CertInfo) ([]byte, error) {
	alg, err := signatureAlgorithm(key)
	if err != nil {
		return nil, err
	}
	info, err := ci.Extension()
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		RawSubject:         dn.Name{}.WithCN("NULL SUBJECT NAME ENTRY").DER(),
		SignatureAlgorithm: alg,
		ExtraExtensions:    []pkix.Extension{info},
	}, key)
}

// SignRequest checks the request's self-signature and signs a proxy for its public key. A limited policy asked for in the
// request's ProxyCertInfo is honoured, and so is a path length shorter than the template's. The subject is ignored. What
// asks for another policy is refused, since it would be given more than it asked for.
func (c *Credential) SignRequest(der []byte, t Template) (*x509.Certificate, error) {
	req, err := parseRequest(der)
	if err != nil {
		return nil, fmt.Errorf("proxycert: reading a request: %w", err)
	}
	ci, err := requestedCertInfo(req)
	if err != nil {
		return nil, fmt.Errorf("proxycert: reading a request: %w", err)
	}
	if ci != nil {
		t.Limited = t.Limited || ci.Limited()
		if ci.PathLen != nil && (t.PathLen == nil || *ci.PathLen < *t.PathLen) {
			t.PathLen = ci.PathLen
		}
	}
	return c.Sign(req.PublicKey, t)
}

func parseRequest(der []byte) (*x509.CertificateRequest, error) {
	if len(der) > maxRequest {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(der), maxRequest)
	}
	req, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	if err := checkLength(req.PublicKey); err != nil {
		return nil, err
	}
	// Whoever sends the request must hold the key.
	if err := req.CheckSignature(); err != nil {
		return nil, fmt.Errorf("its own signature: %w", err)
	}
	return req, nil
}

// requestedCertInfo returns the request's ProxyCertInfo, or nil if it has none (then MyProxy servers, too, take
// inherit-all).
func requestedCertInfo(req *x509.CertificateRequest) (*CertInfo, error) {
	var found *CertInfo
	for _, e := range req.Extensions {
		parse := ParseCertInfo
		switch {
		case e.Id.Equal(OIDDraftCertInfo):
			parse = ParseDraftCertInfo
		case !e.Id.Equal(OIDCertInfo):
			continue
		}
		if found != nil {
			return nil, errors.New("ProxyCertInfo: two of them")
		}
		ci, err := parse(e.Value)
		if err != nil {
			return nil, err
		}
		if !ci.Limited() && !ci.Language.Equal(LanguageInheritAll) {
			return nil, fmt.Errorf("it asks for a proxy with policy language %s; only inherit-all and limited are signed", ci.Language)
		}
		found = ci
	}
	return found, nil
}
