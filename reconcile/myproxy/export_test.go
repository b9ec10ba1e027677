package myproxy

import "github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"

// DialAny is dialAny, whose addresses come from the resolver elsewhere.
var DialAny = dialAny

// Sign answers a challenge.
func Sign(c Challenge, m Method, old *proxycert.Credential) (*Answer, error) { return c.sign(m, old) }
