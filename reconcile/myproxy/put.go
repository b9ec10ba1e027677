package myproxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// Put delegates a proxy to the server (COMMAND=1).
//
// The proxy is signed by r.Credential, which should be of the TLS identity: that
// becomes the owner. A credential with a key that is not RSA signs a proxy with
// an RSA key of our own first, because a MyProxy server signs with the
// algorithm that its certificate was signed with, and knows RSA only: what
// myproxy-init makes from an EC certificate cannot be used.
func (c *Client) Put(ctx context.Context, r PutRequest) (err error) {
	x, err := c.newExchange(Request{
		Command:          CommandPut,
		Username:         r.Username,
		Passphrase:       r.Passphrase,
		Lifetime:         r.MaxLifetime,
		Retriever:        r.Retriever,
		Renewer:          r.Renewer,
		CredName:         r.CredName,
		CredDesc:         r.Description,
		KeyRetriever:     r.KeyRetriever,
		TrustedRetriever: r.TrustedRetriever,
	})
	if err != nil {
		return err
	}
	defer func() { x.close(err) }()
	if err := r.check(); err != nil {
		return x.misused(err)
	}
	var keys <-chan newKey
	if !isRSA(r.Credential.Key) {
		keys = makeKey(proxycert.RSA2048)
	}
	if err := x.open(ctx); err != nil {
		return err
	}
	if err := x.agreed(); err != nil {
		return err
	}
	x.waiting = "the server's certification request"
	if err := x.refusalAhead(); err != nil {
		return err
	}
	budget := maxMessage
	csr, err := readDER(x.in, &budget)
	if err != nil {
		return x.failed(fmt.Errorf("reading the certification request: %w", err))
	}
	msg, err := x.delegate(&r, csr, keys)
	if err != nil {
		return err
	}
	x.waiting = "the server's word that it is stored"
	if err := x.send(msg); err != nil {
		return err
	}
	return x.agreed()
}

func (r *PutRequest) check() error {
	switch {
	case r.Credential == nil || r.Credential.Key == nil || len(r.Credential.Chain) == 0:
		return errors.New("there is no credential to store a proxy of")
	case r.Lifetime < 0:
		return fmt.Errorf("the lifetime of the stored proxy, %v, is negative", r.Lifetime)
	case len(r.Passphrase) > 0 && len(r.Passphrase) < minPassphrase:
		return fmt.Errorf("the passphrase has fewer than %d characters, the least that a MyProxy server takes", minPassphrase)
	}
	return nil
}

// agreed reads an answer that must be OK.
func (x *exchange) agreed() error {
	r, err := x.receive()
	if err == nil && r.Type != ResponseOK {
		return x.garbled(errors.New("a challenge came where none belongs"))
	}
	return err
}

// delegate signs the server's request and returns the message: count, new
// proxy, its issuer, and the rest of the chain with the EEC.
func (x *exchange) delegate(r *PutRequest, csr []byte, keys <-chan newKey) ([]byte, error) {
	t := proxycert.Template{Now: x.client.now(), Lifetime: r.Lifetime}
	signer := r.Credential
	if keys != nil {
		key, err := x.await(keys)
		if err != nil {
			return nil, err
		}
		if signer, err = signer.Delegate(key, t); err != nil {
			return nil, x.misused(fmt.Errorf("signing a proxy: %w", err))
		}
	}
	cert, err := signer.SignRequest(csr, t)
	if err != nil {
		return nil, x.misused(fmt.Errorf("signing the server's certification request: %w", err))
	}
	msg, err := MarshalChain(append([]*x509.Certificate{cert}, signer.Chain...))
	if err != nil {
		return nil, x.misused(err)
	}
	return msg, nil
}
