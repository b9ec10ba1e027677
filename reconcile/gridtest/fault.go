package gridtest

import (
	"sync"
	"time"
)

// A FaultKind is a way for a server to misbehave.
type FaultKind string

const (
	Refuse         FaultKind = "refuse"          // reset the connection at once
	Hang           FaultKind = "hang"            // say nothing more from Stage on, until the server is closed
	Cut            FaultKind = "cut"             // end the connection after At bytes of what would be answered
	Garbage        FaultKind = "garbage"         // answer nonsense at Stage
	ErrorReply     FaultKind = "error"           // answer an error with the text lines Lines (VOMS: code and text)
	ClearText      FaultKind = "clear-text"      // MyProxy: "authentication failed" outside of TLS
	ExpiredChain   FaultKind = "expired-chain"   // MyProxy: hand out a proxy that ended an hour ago
	Shorten        FaultKind = "shorten"         // give at most Lifetime, without a word (VOMS: with the usual warning)
	WrongIdentity  FaultKind = "wrong-identity"  // MyProxy: hand out somebody else's proxy; VOMS: an AC with wrong holder
	WrongKey       FaultKind = "wrong-key"       // MyProxy: certify another key than the one asked for
	SplitRecords   FaultKind = "split-records"   // cut answers into TLS records of At bytes
	JoinedRecords  FaultKind = "joined-records"  // MyProxy: chain and final answer in one record
	LeadingNUL     FaultKind = "leading-nul"     // MyProxy: a NUL before the first answer, also under TLS 1.2
	SHA1Only       FaultKind = "sha1-only"       // MyProxy: offer only the SHA-1 challenge
	ZeroLifetime   FaultKind = "zero-lifetime"   // VOMS: an AC that ends when it begins
	WrongSignature FaultKind = "wrong-signature" // VOMS: an AC whose signature is wrong
	WrongVO        FaultKind = "wrong-vo"        // VOMS: an AC about another VO
	UnknownVO      FaultKind = "unknown-vo"      // VOMS: answer as if nobody were a member
)

// FaultKinds lists every kind, for help texts.
func FaultKinds() []FaultKind {
	return []FaultKind{Refuse, Hang, Cut, Garbage, ErrorReply, ClearText, ExpiredChain, Shorten, WrongIdentity, WrongKey,
		SplitRecords, JoinedRecords, LeadingNUL, SHA1Only, ZeroLifetime, WrongSignature, WrongVO, UnknownVO}
}

// A Stage is a point in a connection.
type Stage string

const (
	AtConnect  Stage = ""         // before the TLS handshake
	AtRequest  Stage = "request"  // when the request has been read
	AtDelegate Stage = "delegate" // MyProxy: when the certification request has been read
)

// A Fault is one misbehaviour.
type Fault struct {
	Kind     FaultKind
	Times    int           // how many connections it befalls; 0: all, until the faults are set anew
	Stage    Stage         // of Hang and Garbage
	At       int           // of Cut and SplitRecords, in bytes
	Lifetime time.Duration // of Shorten
	Lines    []string      // of ErrorReply
}

// faults is a queue of misbehaviours: each connection takes the first that is not used up.
type faults struct {
	mu    sync.Mutex
	queue []Fault
}

// SetFaults replaces what the server does wrong from the next connection on. Faults with Times take their turn one after
// the other, so that Fault{Kind: Refuse, Times: 2} alone means "fail twice, then work". No fault at all means to behave.
func (f *faults) SetFaults(list ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append([]Fault(nil), list...)
}

// take returns the fault of a new connection; its Kind is empty when there is none.
func (f *faults) take() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return Fault{}
	}
	now := f.queue[0]
	if now.Times > 0 {
		if f.queue[0].Times--; f.queue[0].Times == 0 {
			f.queue = f.queue[1:]
		}
	}
	return now
}
