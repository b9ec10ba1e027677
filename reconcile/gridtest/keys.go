package gridtest

import (
	"crypto"
	"sync"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A KeyPool makes private keys and gives the same one again for the same type and label. Making an RSA key takes from
// 50 to 700 ms, so that a package whose tests each build a CA would do little else. The keys come from crypto/rand; they
// are reused only within the process. The zero KeyPool is ready to use, also by several goroutines.
type KeyPool struct {
	mu   sync.Mutex
	keys map[keyID]func() (crypto.Signer, error)
}

type keyID struct {
	typ   proxycert.KeyType
	label string
}

// Keys is the pool that is used where none is given.
var Keys = new(KeyPool)

// Key returns the key of this type for label, which says what the key is for, for instance a subject. Two callers with
// the same label get the same key; while it is being made both wait, and keys for other labels do not.
func (p *KeyPool) Key(t proxycert.KeyType, label string) (crypto.Signer, error) {
	if t == "" {
		t = proxycert.RSA2048
	}
	p.mu.Lock()
	if p.keys == nil {
		p.keys = make(map[keyID]func() (crypto.Signer, error))
	}
	id := keyID{t, label}
	get := p.keys[id]
	if get == nil {
		get = sync.OnceValues(func() (crypto.Signer, error) { return proxycert.GenerateKey(t) })
		p.keys[id] = get
	}
	p.mu.Unlock()
	return get()
}
