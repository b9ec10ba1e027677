// Package plan decides what has to change, given what is wanted, what is there and what time it is.
package plan

import (
	"io/fs"
	"time"
)

// Desired is what the configuration asks for, complete: defaults applied, paths absolute, nothing left to look up.
type Desired struct {
	VO          string
	User        string // account that owns user proxies and env files
	UID, GID    int    // of that account; -1: whoever runs the program
	Home        string // of that account
	Root        string
	Repository  string       // directory of user proxies
	State       string       // directory of lock, journal and last-good copies
	Credentials []Credential // the machine proxy first, if there is one
	EnvFiles    []EnvFile
	Services    []Service
}

// NeedsMachineProxy reports whether a credential comes from a MyProxy server, to which the machine proxy is shown.
func (d Desired) NeedsMachineProxy() bool {
	for _, c := range d.Credentials {
		if c.Source.MyProxy != nil {
			return true
		}
	}
	return false
}

// A Kind says what a credential is for.
type Kind string

const (
	Machine Kind = "machine"
	User    Kind = "user"
)

// MachineName is the name of the machine proxy among the credentials.
const MachineName = "machine-proxy"

// A Credential is one proxy file to keep valid.
type Credential struct {
	Name       string
	Kind       Kind
	Path       string   // absolute; with a glob in its last element: choose among the files that match
	Default    string   // where a new file goes when Path is a glob that matches nothing usable
	Links      []string // symbolic links to keep to it
	Identity   string   // DN of the end-entity certificate, slash form; empty for the machine proxy: whatever the host certificate says
	VO         string
	FQANs      []string      // short form, in order; the first is the primary FQAN
	Lifetime   time.Duration // asked of the issuer
	RenewBelow time.Duration // renew when the effective time left is below
	AlertBelow time.Duration
	Source     Source
	Key        string // rsa2048, rsa3072, rsa4096 or p256
	Limited    bool
	Mode       fs.FileMode
	Observe    bool // another program keeps it: never renew
	Registered bool // the account said that it wants it: renew only while there is a valid proxy of that identity at hand
}

// A Source says where a credential comes from: exactly one field is set.
type Source struct {
	MyProxy     *MyProxy
	Certificate *Certificate
}

// String tells sources apart, for the record.
func (s Source) String() string {
	switch {
	case s.MyProxy != nil:
		return "myproxy " + s.MyProxy.Server + " " + s.MyProxy.Username + " " + s.MyProxy.CredentialName
	case s.Certificate != nil:
		return "certificate " + s.Certificate.Cert
	}
	return ""
}

// A MyProxy is a stored credential on a server.
type MyProxy struct {
	Server         string // host:port
	ServerDN       string // empty: host name check
	Username       string
	CredentialName string
	PassphraseFile string
	Timeout        time.Duration
	AlertBelow     time.Duration // of the stored credential
}

// A Certificate is an end-entity certificate kept on the box (host or robot).
type Certificate struct {
	Cert, Key      string
	PassphraseFile string
}

// An EnvFile is an environment file in which some variables are managed.
type EnvFile struct {
	Path   string
	Set    []Var
	Unset  []string
	Expect []Var
	Export bool
	Format string      // dialect, as package envfile calls it; empty: what the name tells
	Mode   fs.FileMode // of a new file
}

// A Var is a variable and what it shall hold, in parts.
type Var struct {
	Name  string
	Value []Part
}

// A Part of a value is literal text, or the path of the proxy named.
type Part struct{ Text, Proxy string }

// A Service is restarted when one of its env files or proxies changes.
type Service struct {
	Name      string
	Restart   []string
	Unit      string
	EnvFiles  []string // paths from onChange
	Proxies   []string // names from onChange
	Preflight [][]string
	Verify    []string
	Timeout   time.Duration
	AtMost    int           // restarts …
	Per       time.Duration // … in this time
}
