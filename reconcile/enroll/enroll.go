// Package enroll does what a user does once, on the user interface host (LCG-UI), so that a VO box can work: it makes a
// login proxy from a user certificate, with VOMS attributes, and stores a long-lived credential on a MyProxy server. It
// also finds out whether a box can renew from what is stored, and for how long.
//
//   - [Enroller.Login] is voms-proxy-init and grid-proxy-init.
//   - [Enroller.Store] is myproxy-init, with a look afterwards at what the server has.
//   - [Enroller.Probe] asks for a renewal in the name of a box, looks at what comes back and drops it.
//   - [Find] knows where user certificates are kept.
//
// Nothing here writes a file, asks for a passphrase or prints: that is the command's. [Explain] says what to do about an
// error, in the words of a user interface host, where there is no configuration to be corrected.
//
// The lifetimes, defaults and places are those of voms-proxy-init 2.1 and 3.3, grid-proxy-init 7.3 and myproxy-init 6.2,
// as they were seen to work.
package enroll

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// An Enroller makes and stores proxies for a user. It is safe for concurrent use, if Tell is.
type Enroller struct {
	Trust   *trust.Store                  // whose certificates are believed
	Servers func() ([]voms.Server, error) // the known VOMS servers
	Now     func() time.Time              // nil: time.Now
	Timeout time.Duration                 // for one exchange with a server; 0: 30 s
	Tell    func(Event)                   // told what goes on, for people who watch; nil: nobody
}

// An Event is something that goes on while a server is asked.
type Event struct {
	Stage  Stage
	Server voms.Server // with the stages of VOMS
}

// A Stage says what goes on.
type Stage int

// The stages of a login. Each Contacting is followed by Answered or Failed.
const (
	Contacting Stage = iota // a VOMS server is being asked
	Answered                // it gave an attribute certificate
	Failed                  // it did not
)

// A Warning is what the user should know about something that was done all the same.
type Warning struct {
	ID            string // of the catalogue of faults, for instance VO-ACSHORT
	Text          string // one line
	Remedy, Where string // what to type, and where; may be empty
}

// An Error is a failure that none of the protocols' packages knows, with what to do about it.
type Error struct {
	ID            string
	Remedy, Where string
	Err           error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Where something is to be typed.
const (
	atUI    = "LCG-UI"
	atAdmin = "site admin"
	atVO    = "VO admin"
)

func (e *Enroller) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

func (e *Enroller) tell(ev Event) {
	if e.Tell != nil {
		e.Tell(ev)
	}
}

// tls is the configuration for a connection that shows a credential and accepts only the peer.
func (e *Enroller) tls(show *proxycert.Credential, host string, name dn.Name) *tls.Config {
	return e.Trust.ClientConfig(show, trust.Peer{Host: host, DN: name}, e.now)
}

// makeKey begins to make a key, which takes as long as the servers do, so that both are done at the same time. What it
// returns waits for the key.
func makeKey(t proxycert.KeyType) func() (crypto.Signer, error) {
	type made struct {
		key crypto.Signer
		err error
	}
	ch := make(chan made, 1)
	go func() {
		key, err := proxycert.GenerateKey(t)
		ch <- made{key, err}
	}()
	return func() (crypto.Signer, error) {
		m := <-ch
		if m.err != nil {
			return nil, fmt.Errorf("making a key: %w", m.err)
		}
		return m.key, nil
	}
}
