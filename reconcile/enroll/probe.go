package enroll

import (
	"context"
	"fmt"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// veryLong is asked for to learn the longest that a server gives: more than any certificate lasts, and fewer seconds than
// 31 bits hold.
const veryLong = 10 * 365 * 24 * time.Hour

// A ProbeRequest is a renewal as a box would ask for it.
type ProbeRequest struct {
	Repository
	Username, CredName string                // empty: Old's identity, and the unnamed one
	Machine            *proxycert.Credential // of the box: the machine proxy
	Old                *proxycert.Credential // of the user: proves that there is something to renew
}

// A Limit says what keeps a renewed proxy from lasting longer.
type Limit string

// Limits.
const (
	ByMaximum Limit = "maximum" // the -t it was stored with, or the server's own maximum
	ByStored  Limit = "stored"  // the stored credential ends then
)

// A Probe is what a renewal gave.
type Probe struct {
	Machine string        // DN of the box
	Longest time.Duration // what a proxy can last now, from the moment it was asked for
	Limit   Limit
	End     time.Time // of the stored credential, from the chain that came
	Server  string
}

// Enough reports whether a box that asks for so much gets it, or all that is left of what is stored.
func (p *Probe) Enough(wanted time.Duration) bool {
	return p.Limit == ByStored || p.Longest >= wanted-time.Minute
}

// Probe asks for a renewal of a very long proxy, in the name of a box, looks how long the one lasts that comes, and drops
// it: the only way to learn the -t of myproxy-init, which no answer of the protocol has. Nothing is written. An error is
// what the box would meet.
func (e *Enroller) Probe(ctx context.Context, r ProbeRequest) (*Probe, error) {
	out := &Probe{Machine: r.Machine.Identity().String()}
	begin := e.now()
	var got *proxycert.Credential
	err := e.each(r.Repository, r.Machine, func(c *myproxy.Client) (err error) {
		out.Server = c.Server
		got, err = c.Get(ctx, myproxy.GetRequest{
			Username: firstOf(r.Username, r.Old.Identity().String()), CredName: r.CredName,
			Lifetime: veryLong, Renew: r.Old, Identity: r.Old.Identity(),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	out.measure(got, begin)
	return out, nil
}

// measure compares the new proxy's end with that of what it was made from.
func (p *Probe) measure(got *proxycert.Credential, begin time.Time) {
	end := got.NotAfter()
	p.Longest, p.Limit = end.Sub(begin), ByMaximum
	for _, c := range got.Chain[1:] {
		if p.End.IsZero() || c.NotAfter.Before(p.End) {
			p.End = c.NotAfter
		}
	}
	if p.End.Sub(end) <= time.Minute { // servers truncate to minutes
		p.Limit = ByStored
		return
	}
	// The server counts from when it was asked, and cuts to whole minutes.
	p.Longest = p.Longest.Round(time.Minute)
}

// ShortProxy begins to make a proxy of the user for an hour, to prove a renewal with, and returns what waits for it. Its key
// is an RSA one: no other can answer the challenge.
func (e *Enroller) ShortProxy(user *proxycert.Credential) func() (*proxycert.Credential, error) {
	key := makeKey(proxycert.RSA2048)
	return func() (*proxycert.Credential, error) {
		k, err := key()
		if err != nil {
			return nil, err
		}
		c, err := user.Delegate(k, proxycert.Template{Now: e.now(), Lifetime: time.Hour})
		if err != nil {
			return nil, fmt.Errorf("signing a proxy: %w", err)
		}
		return c, nil
	}
}
