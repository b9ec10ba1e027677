package gridtest

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// StoreOptions are what PUT says about a credential.
type StoreOptions struct {
	Name, Description                                  string
	Owner                                              string        // slash form; empty: the credential's identity
	Passphrase                                         string        // empty: none
	MaxLifetime                                        time.Duration // of what is handed out (myproxy-init -t); 0: no limit of its own
	Retriever, Renewer, KeyRetriever, TrustedRetriever string        // patterns; empty: the server's defaults
	Lock                                               string        // an administrator's lock message
}

// A stored credential.
type stored struct {
	StoreOptions
	username   string
	credential *proxycert.Credential // nil for one that came by STORE
	pem        []byte                // what STORE brought; its key may be encrypted
	start, end time.Time
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// encrypted reports that the credential is of no use without a passphrase.
func (c *stored) encrypted() bool {
	return c.Passphrase != "" || bytes.Contains(c.pem, []byte("BEGIN ENCRYPTED PRIVATE KEY"))
}

// open decrypts the credential.
func (c *stored) open(passphrase string) (*proxycert.Credential, bool) {
	if c.pem == nil {
		return c.credential, subtle.ConstantTimeCompare([]byte(c.Passphrase), []byte(passphrase)) == 1
	}
	var certs []*x509.Certificate
	var key any
	for block, rest := pem.Decode(c.pem); block != nil; block, rest = pem.Decode(rest) {
		var cert *x509.Certificate
		var err error
		switch block.Type {
		case "CERTIFICATE":
			cert, err = x509.ParseCertificate(block.Bytes)
			certs = append(certs, cert)
		case "ENCRYPTED PRIVATE KEY":
			key, err = pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(passphrase))
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		}
		if err != nil {
			return nil, false
		}
	}
	signer, ok := key.(crypto.Signer)
	return &proxycert.Credential{Chain: certs, Key: signer}, ok && len(certs) > 0
}

type credKey struct{ username, name string }

// A repository is the server's store, in memory.
type repository struct {
	mu    sync.Mutex
	creds map[credKey]*stored
}

func (r *repository) get(username, name string) *stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.creds[credKey{username, name}]
}

func (r *repository) put(c *stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.creds == nil {
		r.creds = make(map[credKey]*stored)
	}
	r.creds[credKey{c.username, c.Name}] = c
}

func (r *repository) remove(username, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.creds, credKey{username, name})
}

// change replaces a credential by a changed copy, so that one in use stays as it is.
func (r *repository) change(username, name string, f func(*StoreOptions)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.creds[credKey{username, name}]
	if old == nil {
		return false
	}
	c := *old
	f(&c.StoreOptions)
	r.creds[credKey{username, name}] = &c
	return true
}

// of lists a user's credentials that belong to owner: the unnamed one first, then by name.
func (r *repository) of(username, owner string) []*stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*stored
	for k, c := range r.creds {
		if k.username == username && c.Owner == owner {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *stored) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Store puts a credential on the server without the protocol, and without asking any policy. The credential is used as
// it is: to imitate myproxy-init, pass a proxy of the user's certificate.
func (s *MyProxy) Store(username string, c *proxycert.Credential, o StoreOptions) {
	if o.Owner == "" {
		o.Owner = c.Identity().String()
	}
	s.repo.put(&stored{StoreOptions: o, username: username, credential: c, start: c.NotBefore(), end: c.NotAfter()})
}

// Change alters what is known about a stored credential, for instance its MaxLifetime, and reports whether there is one.
// Name must stay as it is.
func (s *MyProxy) Change(username, name string, f func(*StoreOptions)) bool {
	return s.repo.change(username, name, f)
}

// Remove takes a stored credential away, as its owner or the administrator would.
func (s *MyProxy) Remove(username, name string) { s.repo.remove(username, name) }

// Stored returns the credential and what is known about it; ok is false when there is none. The credential is nil when
// it came by STORE.
func (s *MyProxy) Stored(username, name string) (c *proxycert.Credential, o StoreOptions, ok bool) {
	st := s.repo.get(username, name)
	if st == nil {
		return nil, StoreOptions{}, false
	}
	return st.credential, st.StoreOptions, true
}
