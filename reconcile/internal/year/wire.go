package year

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A Wire is servers that speak the real protocols, on loopback. They live outside of the bubble, where sockets do not hold
// up its time, and go by the time that they are told before each exchange: while there is one, no time passes in the
// bubble. What takes time is slept before it: a slow server, or one that says nothing until the timeout.
type Wire struct {
	site *gridtest.Site
	now  atomic.Int64 // Unix time in nanoseconds
	of   stored       // what is on the MyProxy server
}

// NewWire starts the servers of a site in a directory. It must be called outside of the bubble.
func NewWire(s *Script, dir string) (*Wire, error) {
	// The resolver keeps channels for the life of the process. Made in a bubble, they would be of no use in the next.
	if _, err := net.LookupHost("localhost"); err != nil {
		return nil, err
	}
	w := &Wire{}
	w.now.Store(s.From.UnixNano())
	clock := func() time.Time { return time.Unix(0, w.now.Load()).UTC() }
	site, err := gridtest.NewSite(dir, gridtest.SiteOptions{Now: clock, NotStored: true})
	if err != nil {
		return nil, err
	}
	w.site = site
	return w, nil
}

// Close stops the servers.
func (w *Wire) Close() error { return w.site.Close() }

func (w *Wire) authority(world *World, dir string) (*authority, error) {
	a := &authority{ca: w.site.CA, trust: w.site.Trust, dir: dir}
	return a, a.host(world)
}

// issuer is the real one of the box.
func (w *Wire) issuer(b *disk) *issue.Issuer {
	return &issue.Issuer{
		TLS: func(show *proxycert.Credential, p issue.Peer) *tls.Config {
			return w.site.Trust.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, b.BoxNow)
		},
		Servers: func() ([]voms.Server, error) { return voms.Load([]string{w.site.Vomses}) },
		Now:     b.BoxNow,
		Timeout: timeout,
	}
}

// issue asks the servers, which are made to be as the script has them at this time.
func (w *Wire) issue(ctx context.Context, b *disk, want plan.Credential, auth issue.Authority) (*issue.Issued, error) {
	for _, server := range []string{MyProxy, VOMS} {
		b.slowly(b.troubleOf(server, b.Now()))
	}
	w.now.Store(b.Now().UnixNano())
	if err := w.arrange(b); err != nil {
		return nil, fmt.Errorf("arranging the servers: %w", err)
	}
	b.Log.ask(b.Now(), MyProxy)
	issued, err := b.local.Issue(ctx, want, auth)
	var refused *myproxy.Error
	if !errors.As(err, &refused) {
		b.Log.ask(b.Now(), VOMS)
	}
	return issued, err
}

// arrange has the servers be as they are at this time.
func (w *Wire) arrange(b *disk) error {
	has := func(kinds []Kind, k ...Kind) bool {
		return slices.ContainsFunc(kinds, func(have Kind) bool { return slices.Contains(k, have) })
	}
	faults := func(kinds []Kind) []gridtest.Fault {
		if has(kinds, Down, Mute) {
			return []gridtest.Fault{{Kind: gridtest.Refuse}}
		}
		return nil
	}
	px, vo := b.troubleOf(MyProxy, b.Now()), b.troubleOf(VOMS, b.Now())
	w.site.MyProxy.SetFaults(faults(px)...)
	w.site.VOMS.SetFaults(faults(vo)...)
	w.site.AllowBox(!has(px, Refusing))
	w.site.Suspend("")
	if has(vo, Refusing) {
		w.site.Suspend("it is simulated")
	}
	w.site.SetMaxAC(48 * time.Hour)
	if has(vo, Short) {
		w.site.SetMaxAC(12 * time.Hour)
	}
	b.World.mu.Lock()
	now := b.World.stored
	b.World.mu.Unlock()
	if w.of == now {
		return nil
	}
	c, err := b.ca.credential(now)
	if err != nil {
		return err
	}
	w.site.MyProxy.Store(c.Identity().String(), c, gridtest.StoreOptions{MaxLifetime: now.max})
	w.of = now
	return nil
}
