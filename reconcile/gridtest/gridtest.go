// Package gridtest runs a CA, a MyProxy server and a VOMS server in process, for tests and the demo.
//
// A test usually wants one of three things:
//
//   - [NewCA] alone, for certificates of every kind, a hashed trust directory, CRLs, vomses and LSC files;
//   - [NewMyProxy] or [NewVOMS], which listen on a loopback port and speak to the stock clients of Globus, VOMS and ARC
//     as well as to this module's own;
//   - [NewSite], all of it together in one directory with a VO box to keep, ready for the vobox-reconcile command.
//
// Constructors return an error and the servers have Close, so that a program can use them as well as a test. Each server
// can be told to misbehave (SetFaults) and remembers what it was asked (Requests).
//
// The servers imitate what was seen of myproxy-server 6.2.14 and vomsd 2.1.0 (Debian 12), and of INDIGO IAM's voms-aa
// from its source, down to the texts of their errors and the boundaries of their TLS records. They are no servers for
// production: private keys are kept in memory, and reused within a process (see [KeyPool]).
package gridtest

import (
	"time"
)

// requestTimeout ends a connection that does not get on, as myproxy-server's request_timeout does.
const requestTimeout = 120 * time.Second

// maxMessage is the largest message a server takes, myproxy-server's request_size_limit.
const maxMessage = 1 << 20

// clock returns now, or the real clock when now is nil.
func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}
