package myproxy_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// asks plays PUT: OK, the server's own request in pieces, and a look at the chain.
func asks(size int, look func(p *peer, key any, chain []*x509.Certificate) error, last []byte) script {
	return func(p *peer) error {
		key := ecKey()
		csr, err := proxycert.NewRequest(key)
		if err != nil {
			return err
		}
		if err := p.send(append([][]byte{okMessage}, pieces(csr, size)...)...); err != nil {
			return err
		}
		msg, err := p.record()
		if err != nil {
			return err
		}
		r := bytes.NewReader(msg)
		chain, err := myproxy.ReadChain(r)
		if err != nil || r.Len() > 0 {
			return errors.Join(err, fmt.Errorf("%d bytes behind the chain", r.Len()))
		}
		if err := look(p, key.Public(), chain); err != nil {
			return err
		}
		return say(last)(p)
	}
}

func TestPut(t *testing.T) {
	rsaUser := ca().issue("RSA user", rsaKey())
	for _, tt := range []struct {
		name string
		cred *proxycert.Credential
		want int // certificates
	}{
		{"RSA certificate", rsaUser, 2},
		{"RSA proxy", mustDelegate(rsaUser, rsaKey(), dayTemplate), 3},
		{"EC certificate, by way of an RSA proxy", jane(), 3},
	} {
		for _, version := range versions {
			t.Run(tt.name+"/"+tls.VersionName(version), func(t *testing.T) {
				look := func(p *peer, key any, chain []*x509.Certificate) error {
					if len(chain) != tt.want || !chain[len(chain)-1].Equal(tt.cred.EEC()) {
						return fmt.Errorf("a chain of %d certificates, want %d", len(chain), tt.want)
					}
					if chain[0].SignatureAlgorithm != x509.SHA256WithRSA {
						return fmt.Errorf("signed with %v, which the real server cannot go on from", chain[0].SignatureAlgorithm)
					}
					if err := chain[1].CheckSignature(chain[0].SignatureAlgorithm, chain[0].RawTBSCertificate, chain[0].Signature); err != nil {
						return err
					}
					if want := testTime.Add(10 * time.Hour); !chain[0].NotAfter.Equal(want) {
						return fmt.Errorf("it ends at %v, want %v", chain[0].NotAfter, want)
					}
					if r := p.request; r.Lifetime != 48*time.Hour || r.Renewer != "*/CN=r" || r.TrustedRetriever != "*/CN=t" ||
						r.Retriever != "*/CN=g" || r.KeyRetriever != "*/CN=k" || r.CredDesc != "two words" || r.CredName != "name" {
						return fmt.Errorf("the request is %+v", r)
					}
					return nil
				}
				c := serve(t, version, asks(1<<16, look, okMessage))
				if err := c.Put(t.Context(), myproxy.PutRequest{
					Username: "jdoe", CredName: "name", Description: "two words", MaxLifetime: 48 * time.Hour, Lifetime: 10 * time.Hour,
					Retriever: "*/CN=g", KeyRetriever: "*/CN=k", TrustedRetriever: "*/CN=t", Renewer: "*/CN=r", Credential: tt.cred,
				}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestPutRefused(t *testing.T) {
	user := ca().issue("RSA user", rsaKey())
	accept := func(*peer, any, []*x509.Certificate) error { return nil }
	for _, tt := range []struct {
		name string
		s    script
		want string
	}{
		{"request in pieces", asks(5, accept, okMessage), "ok"},
		{"refused at the end", asks(1<<16, accept, refusal("Credential lifetime (3000 hours) exceeds maximum allowed by server (168 hours).")), "MP-PUT"},
		{"disk full", asks(1<<16, accept, refusal("Unable to store credentials.")), "MP-STORE"},
		{"nothing at the end", asks(1<<16, accept, nil), "MP-NET"},
		{"a challenge at the end", asks(1<<16, accept, (&myproxy.Response{Type: myproxy.ResponseChallenge}).Marshal()), "MP-PROTO"},
		{"not allowed", say(refusal(`"/CN=x" not authorized to store credentials on this server (accepted_credentials policy)`, "authorization failed")), "MP-ACCEPT"},
		{"refusal instead of a request", say(okMessage, refusal("Failed to accept credentials.")), "MP-PUT"},
		{"nothing instead of a request", say(okMessage), "MP-NET"},
		{"half a request", say(okMessage, []byte{0x30, 0x82, 2, 0, 1, 2, 3}), "MP-PROTO"},
		{"garbage instead of a request", say(okMessage, []byte("garbage")), "MP-PROTO"},
		{"no request in the DER", say(okMessage, []byte{0x30, 2, 5, 0}), "MP-REQUEST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := serve(t, tls.VersionTLS13, tt.s).Put(t.Context(), myproxy.PutRequest{Username: "jdoe", Credential: user})
			if got := errID(err); got != tt.want {
				t.Errorf("got %s, want %s (%v)", got, tt.want, err)
			}
			var e *myproxy.Error
			if errors.As(err, &e) && e.Temporary != (tt.want == "MP-STORE" || tt.want == "MP-NET" || tt.name == "half a request") {
				t.Errorf("temporary is %v for %v", e.Temporary, err)
			}
		})
	}
}
