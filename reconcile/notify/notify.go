// Package notify tells people about outcomes.
//
// A pass ends with alerts. What of them is told, to whom and when is decided by [Decide], a pure function of what was told
// before (the [Memory]), what is open now, and the time: what is new at once, what has become worse at once, what stays open
// again after a while, and what is well again once. A [Channel] carries a [Message] to people: [Email], [Webhook] or
// [Command]. [Deliver] runs several side by side, each under a deadline of its own.
//
// The texts of an alert may come from files, certificates and servers that others have written. They are made printable and
// cut before anything else is done with them ([Alert.Clean]), so that no line of a mail's head and no line of its body is
// theirs to begin.
package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// A Severity says how soon an alert must be acted on.
type Severity string

const (
	Warning  Severity = "warning"
	Critical Severity = "critical"
	Well     Severity = "ok" // of a message in which nothing is open
)

// A State is what is told of an alert.
type State string

const (
	Open  State = "open"  // it is there
	Ended State = "ended" // it was told, and is well again
)

// An Alert is one thing to tell. The fields are those of the JSON output, and State and Since.
type Alert struct {
	ID       string    `json:"id"` // stable: MP-T12, HOST-PROXY, …
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject"`
	Message  string    `json:"message"`
	Remedy   string    `json:"remedy"`
	Where    string    `json:"where"` // the prompt the remedy is typed at: LCG-UI, VO-Box, site admin, …
	State    State     `json:"state,omitempty"`
	Since    time.Time `json:"since,omitzero"` // when it was first seen
	Told     time.Time `json:"told,omitzero"`  // when this channel was last told; zero: never
	Attempt  bool      `json:"-"`              // something that was tried failed for this: see Pass.Ended

	key string // of the record that it is from
}

// A Message is what one channel is told at one time.
type Message struct {
	Host   string // of this machine
	VO     string
	Time   time.Time
	Every  time.Duration // how often what stays open is repeated; zero: that is not said
	Alerts []Alert       // worst first
	More   int           // alerts that are not in the list
	Test   bool          // a sample, that nobody has to act on
}

// Severity is that of the worst alert that is open, or Well.
func (m Message) Severity() Severity {
	worst := Well
	for _, a := range m.Alerts {
		switch {
		case a.State == Ended:
		case a.Severity == Critical:
			return Critical
		default:
			worst = Warning
		}
	}
	return worst
}

// A Channel is a way to tell people.
type Channel interface {
	// Kind is email, webhook or command.
	Kind() string
	// Name says in a few words whom it reaches, for people. No secret is in it.
	Name() string
	// Key is the same from run to run as long as the same people are reached, and tells channels apart. No secret is in it.
	Key() string
	// Deliver returns when the message was handed over, or could not be; soon after the context has ended in any case. An error
	// is an [*Error], or a [*PartialError] when somebody was reached all the same.
	Deliver(ctx context.Context, m Message) error
}

// An Error says why a message was not delivered, and what to do.
type Error struct {
	Msg    string // one line
	Remedy string // empty: none is known
	Where  string // the prompt the remedy is typed at
	Err    error
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }

// A PartialError says that a message was delivered, but not to everybody. The message counts as told.
type PartialError struct{ Err error }

func (e *PartialError) Error() string { return e.Err.Error() }
func (e *PartialError) Unwrap() error { return e.Err }

// DefaultTimeout is how long one channel may take, retries included.
const DefaultTimeout = 20 * time.Second

// grace is how much longer a channel may take to notice that its time is over.
const grace = 2 * time.Second

// A Delivery is a message on its way through a channel.
type Delivery struct {
	Channel Channel
	Message Message
	Err     error // set by Deliver
	Took    time.Duration
}

// Delivered reports whether somebody was reached.
func (d *Delivery) Delivered() bool {
	var partial *PartialError
	return d.Err == nil || errors.As(d.Err, &partial)
}

// Deliver delivers side by side and fills in what became of it. No channel holds up another one, and all is over after the
// timeout (zero: DefaultTimeout) and a moment, also where a channel does not notice that its time is over.
func Deliver(ctx context.Context, timeout time.Duration, list []*Delivery) {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	var wg sync.WaitGroup
	for _, d := range list {
		wg.Go(func() { d.run(ctx, timeout) })
	}
	wg.Wait()
}

func (d *Delivery) run(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &TimeoutError{timeout})
	defer cancel()
	begin := time.Now()
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- &Error{Msg: fmt.Sprintf("an error in this program: %v", p), Err: fmt.Errorf("%s", debug.Stack())}
			}
		}()
		ended <- d.Channel.Deliver(ctx, d.Message)
	}()
	over := time.NewTimer(timeout + grace)
	defer over.Stop()
	select {
	case d.Err = <-ended:
	case <-over.C:
		d.Err = &Error{Msg: "it does not end", Err: &TimeoutError{timeout}}
	}
	d.Took = time.Since(begin)
}

// A TimeoutError says that the time of a channel was over.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("no end within %v", e.After) }

// Timeout makes it a timeout for those who ask as package net does.
func (e *TimeoutError) Timeout() bool { return true }

// endedBy is why the context ended, if it did: the cause is a better word for it than that a connection was closed.
func endedBy(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, err)
}

// sortAlerts puts the worst first: what is critical, what is open, what was there first.
func sortAlerts(alerts []Alert) {
	rank := func(a Alert) int {
		switch {
		case a.State == Ended:
			return 2
		case a.Severity == Critical:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(alerts, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Since.Compare(b.Since), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.ID, b.ID))
	})
}
