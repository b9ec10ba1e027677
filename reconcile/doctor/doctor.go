// Package doctor looks for the known causes of trouble of a VO-box.
//
// A Check looks at one thing, such as the host certificate or whether the MyProxy server lets this box renew, and changes
// nothing. What it finds has the stable id of the catalogue of faults, says what is wrong and why that matters, and what to
// type where. Checks run side by side; one that hangs is given up after its time and says so.
package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A Finding is one cause of trouble, present or to come.
type Finding struct {
	ID       string        `json:"id"` // stable: MP-RENEWER, HOST-EKU, …
	Severity plan.Severity `json:"severity"`
	Subject  string        `json:"subject"` // a file, server, credential or service
	Message  string        `json:"message"` // what is wrong
	Why      string        `json:"why"`     // why that matters: what stops working, and when
	Remedy   string        `json:"remedy"`  // what to type
	Where    string        `json:"where"`   // the prompt it is typed at, or who can do it: VO-Box, LCG-UI, site admin, …
}

// A Check looks at one thing.
type Check struct {
	Name   string   // for --only, such as "host-certificate"
	Title  string   // what is looked at, for people
	IDs    []string // what it can find
	Online bool     // talks to servers
	// Look returns what it finds; nothing, if all is well. An error says why it could not look, which is not a fault of
	// the box: the account may not read the host key, or what a check needs is not configured (ErrNothing).
	Look func(ctx context.Context, b *Box) ([]Finding, error)
}

// ErrNothing says that there is nothing to look at: no MyProxy server is configured, say.
var ErrNothing = errors.New("nothing to look at")

// A Box is what checks look at.
type Box struct {
	Want  plan.Desired
	Have  plan.Observed
	Trust *trust.Store
	Now   func() time.Time

	VOMSES  []string // files and directories of vomses lines
	Servers func() ([]voms.Server, error)
	TLS     func(show *proxycert.Credential, p issue.Peer) *tls.Config
	Timeout time.Duration // of one exchange with a server

	LoginProxy string              // $X509_USER_PROXY
	Getenv     func(string) string // the environment
	Mail       []string            // host:port of every mail relay that alerts go through
	MailTLS    []string            // those of Mail that speak TLS from the first byte
	Webhooks   []string            // host:port of every webhook (HookPeer)
	Config     string              // the configuration file
	Channels   int                 // how many channels alerts go through

	// Root is put before the paths of the system that are looked at (/etc, /proc, /cvmfs, /var/run); empty but in tests.
	Root string
	// Resolve and Dial look names up and make connections, to see which addresses answer; nil: as net does.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	// Room tells how many bytes and files the file system of a path has left for this account; nil: statfs(2).
	Room func(path string) (bytes, files uint64, err error)
}

// A Result is what became of one check.
type Result struct {
	Check    Check
	Findings []Finding
	Skipped  string // why it was not looked; empty: it was
	Took     time.Duration
}

// limit is how long one check may take: several exchanges with servers that answer slowly.
const limit = 2 * time.Minute

// Select returns the checks that go by the names or ids given, all of them if none is, without those that talk to
// servers if offline. A name that no check has is an error that names those there are.
func Select(checks []Check, only []string, offline bool) ([]Check, error) {
	var out []Check
	used := map[string]bool{}
	for _, c := range checks {
		wanted := len(only) == 0
		for _, o := range only {
			if strings.EqualFold(o, c.Name) || slices.ContainsFunc(c.IDs, func(id string) bool { return strings.EqualFold(id, o) }) {
				wanted, used[o] = true, true
			}
		}
		if wanted && !(offline && c.Online) {
			out = append(out, c)
		}
	}
	for _, o := range only {
		if !used[o] {
			return nil, fmt.Errorf("there is no check %q; there are %s", o, strings.Join(names(checks), ", "))
		}
	}
	return out, nil
}

func names(checks []Check) []string {
	var out []string
	for _, c := range checks {
		out = append(out, c.Name)
	}
	return out
}

// Examine makes the checks side by side and returns what became of them, in their order. The function, which may be nil,
// is told of each as it ends.
func Examine(ctx context.Context, b *Box, checks []Check, done func(Result)) []Result {
	results := make([]Result, len(checks))
	var group sync.WaitGroup
	var telling sync.Mutex
	for i, c := range checks {
		group.Go(func() {
			results[i] = examine(ctx, b, c)
			if done != nil {
				telling.Lock()
				defer telling.Unlock()
				done(results[i])
			}
		})
	}
	group.Wait()
	return results
}

func examine(ctx context.Context, b *Box, c Check) (r Result) {
	begin := time.Now()
	r.Check = c
	defer func() {
		if p := recover(); p != nil {
			r.Skipped = fmt.Sprintf("the check fell over, which is an error in this program: %v", p)
		}
		r.Took = time.Since(begin)
	}()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := c.Look(ctx, b)
	r.Findings = found
	if err != nil {
		r.Skipped = err.Error()
	}
	return r
}

// Sorted returns all findings, worst first, then by id and subject; the same finding of two checks once. What is on record
// of servers gives way to what they have said just now.
func Sorted(results []Result) []Finding {
	var all []Finding
	for _, r := range results {
		for _, f := range r.Findings {
			if r.Check.Name != checkRecord || !superseded(f, results) {
				all = append(all, f)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(all)
}

// checkRecord is the check of what earlier renewals have left on record.
const checkRecord = "alerts"

// superseded reports whether servers were asked about what is on record: a check that talks to them tells the same thing, or
// has looked at all of it and does not.
func superseded(f Finding, results []Result) bool {
	if !strings.HasPrefix(f.ID, "MP-") && !strings.HasPrefix(f.ID, "VO-") {
		return false
	}
	return slices.ContainsFunc(results, func(r Result) bool {
		same := func(o Finding) bool { return o.ID == f.ID && o.Subject == f.Subject }
		return r.Check.Online && slices.Contains(r.Check.IDs, f.ID) && (r.Skipped == "" || slices.ContainsFunc(r.Findings, same))
	})
}

func rank(s plan.Severity) int {
	if s == plan.Critical {
		return 0
	}
	return 1
}
