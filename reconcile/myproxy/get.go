package myproxy

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// Get obtains a new proxy (COMMAND=0). Its key is made while the connection is being set up.
//
// What comes back was checked as far as that needs no trust anchors: the key is
// ours, the certificates are signed by one another up to an end-entity
// certificate, none is over at Now, and the identity is r.Identity unless that
// is empty. Whether the proxy lasts as long as asked is for the caller to look
// at: a server that gives less does not say so.
func (c *Client) Get(ctx context.Context, r GetRequest) (_ *proxycert.Credential, err error) {
	x, err := c.newExchange(Request{
		Command:    CommandGet,
		Username:   r.Username,
		Passphrase: r.Passphrase,
		Lifetime:   r.Lifetime,
		CredName:   r.CredName,
	})
	if err != nil {
		return nil, err
	}
	defer func() { x.close(err) }()
	if r.Renew != nil && (r.Renew.Key == nil || len(r.Renew.Chain) == 0) {
		return nil, x.misused(errors.New("the old proxy has no certificate or no key"))
	}
	keys := makeKey(r.Key)
	if err := x.open(ctx); err != nil {
		return nil, err
	}
	if err := x.authenticate(&r); err != nil {
		return nil, err
	}
	key, err := x.await(keys)
	if err != nil {
		return nil, err
	}
	csr, err := proxycert.NewRequest(key)
	if err != nil {
		return nil, x.misused(fmt.Errorf("making the certification request: %w", err))
	}
	x.waiting = "the new proxy"
	if err := x.send(csr); err != nil {
		return nil, err
	}
	return x.readProxy(key, r.Identity)
}

// authenticate reads the answer to the request and, when that is a challenge, meets it.
func (x *exchange) authenticate(r *GetRequest) error {
	answer, err := x.receive()
	if err != nil || answer.Type == ResponseOK {
		return err
	}
	proof, err := x.prove(answer.Challenges, r)
	if err != nil {
		return err
	}
	msg, err := proof.Marshal()
	if err != nil {
		return x.misused(fmt.Errorf("answering the challenge: %w", err))
	}
	x.waiting = "the answer to our proof"
	x.answered = proof.Method != MethodPassword
	if err := x.send(msg); err != nil {
		return err
	}
	if answer, err = x.receive(); err != nil {
		return err
	}
	if answer.Type != ResponseOK {
		return x.garbled(errors.New("one challenge after the other"))
	}
	return nil
}

// prove answers one of the challenges, in the C client's order of preference.
func (x *exchange) prove(offered []Challenge, r *GetRequest) (*Answer, error) {
	find := func(m Method) (Challenge, bool) {
		i := slices.IndexFunc(offered, func(c Challenge) bool { return c.Method == m.String() })
		if i < 0 {
			return Challenge{}, false
		}
		return offered[i], true
	}
	renewal := false
	for _, m := range []Method{MethodX509SHA2, MethodX509} {
		c, ok := find(m)
		if !ok {
			continue
		}
		renewal = true
		if r.Renew == nil {
			continue
		}
		if r.Renew.EEC() == nil {
			return nil, x.fail("MP-OLDBAD", errors.New("no end-entity certificate is in its chain"))
		}
		answer, err := c.sign(m, r.Renew)
		switch {
		case errors.Is(err, errOldKey):
			return nil, x.fail("MP-OLDKEY", err)
		case err != nil:
			return nil, x.garbled(err)
		}
		return answer, nil
	}
	if _, ok := find(MethodPassword); ok && len(r.Passphrase) > 0 {
		return &Answer{Method: MethodPassword, Passphrase: r.Passphrase}, nil
	}
	if renewal {
		return nil, x.fail("MP-NOOLD", nil)
	}
	var names []string
	for _, c := range offered {
		names = append(names, printable(c.Method))
	}
	return nil, x.fail("MP-METHOD", fmt.Errorf("offered: %q", names))
}

// readProxy reads the chain and the message behind it.
func (x *exchange) readProxy(key crypto.Signer, want dn.Name) (*proxycert.Credential, error) {
	if err := x.refusalAhead(); err != nil {
		return nil, err
	}
	certs, err := ReadChain(x.in)
	if err != nil {
		return nil, x.failed(err)
	}
	chain, err := proxycert.SortChain(certs, key.Public())
	if err != nil {
		return nil, x.garbled(fmt.Errorf("sorting the chain: %w", err))
	}
	cred := &proxycert.Credential{Chain: chain, Key: key}
	if err := x.check(cred, want); err != nil {
		return nil, err
	}
	// The chain is all we need. The last message is read so that the server
	// does not find the connection gone, but waited for only a little.
	x.raw.SetReadDeadline(time.Now().Add(lastMessage))
	if r, err := x.receive(); err == nil && r.Type != ResponseOK {
		return nil, x.garbled(errors.New("a challenge came behind the new proxy"))
	} else if e, ok := err.(*Error); ok && len(e.Messages) > 0 {
		return nil, e
	}
	return cred, nil
}

// lastMessage is how long the message behind the chain is waited for.
const lastMessage = 2 * time.Second

// check looks at a new proxy as far as that needs no trust anchors.
func (x *exchange) check(cred *proxycert.Credential, want dn.Name) error {
	leaf := cred.Leaf()
	if pub, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(cred.Key.Public()) {
		return x.garbled(errors.New("the new proxy is not for our key"))
	}
	for i, cert := range cred.Chain[:len(cred.Chain)-1] {
		issuer := cred.Chain[i+1]
		if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
			return x.garbled(fmt.Errorf("%q was not issued by %q", subject(cert), subject(issuer)))
		}
		if err := proxycert.CheckSignature(cert, issuer); err != nil {
			return x.garbled(fmt.Errorf("the signature on %q: %w", subject(cert), err))
		}
	}
	if eec := cred.EEC(); eec == nil || !bytes.Equal(eec.Raw, cred.Chain[len(cred.Chain)-1].Raw) {
		return x.fail("MP-NOEEC", nil)
	}
	now := x.client.now()
	for _, cert := range cred.Chain {
		if now.After(cert.NotAfter) {
			return x.fail("MP-STALE", fmt.Errorf("%q ended at %s", subject(cert), cert.NotAfter.UTC().Format(time.RFC3339)))
		}
		if now.Add(clockSkew).Before(cert.NotBefore) {
			return x.fail("CLOCK", fmt.Errorf("%q begins at %s", subject(cert), cert.NotBefore.UTC().Format(time.RFC3339)))
		}
	}
	if got := cred.Identity(); !want.IsEmpty() && !got.Equal(want) {
		return x.fail("MP-IDENTITY", fmt.Errorf("it is of %q, not of %q", got.String(), want.String()))
	}
	return nil
}

// subject is a certificate's name as errors show it.
func subject(cert *x509.Certificate) string { return dn.MustFromDER(cert.RawSubject).String() }

// clockSkew is how far clocks may be apart, as for all grid software.
const clockSkew = 5 * time.Minute

type newKey struct {
	signer crypto.Signer
	err    error
}

// makeKey makes a key beside whatever else goes on.
func makeKey(t proxycert.KeyType) <-chan newKey {
	keys := make(chan newKey, 1) // nobody may be left to take it
	go func() {
		signer, err := proxycert.GenerateKey(t)
		keys <- newKey{signer, err}
	}()
	return keys
}

// await waits for the key, but not beyond the exchange's time.
func (x *exchange) await(keys <-chan newKey) (crypto.Signer, error) {
	x.waiting = "our own key"
	select {
	case k := <-keys:
		if k.err != nil {
			return nil, x.misused(fmt.Errorf("making a key: %w", k.err))
		}
		return k.signer, nil
	case <-x.ctx.Done():
		return nil, x.failed(x.ctx.Err())
	}
}

func isRSA(key crypto.Signer) bool {
	_, ok := key.Public().(*rsa.PublicKey)
	return ok
}
