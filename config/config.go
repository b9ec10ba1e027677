// Package config reads the YAML configuration and turns it into a desired state.
//
// [Load] reads the file, every *.yaml of the directory conf.d beside it, and what the account has registered, and reports
// all that is wrong with them in one go, as [Errors]: each fault with file, line, column, the path of the key, what is wrong
// and what to write instead.
// [Config.Desired] then gives the engine a [plan.Desired] in which nothing is implicit.
//
// One table, the fields methods in table.go, says which keys there are, of which type and with which default. The
// reader walks it and [Schema] prints it, so that the program and an editor's completion cannot disagree.
//
// # What the surroundings decide
//
// Some defaults come from environment variables, accounts and files that are there or not. They are looked up through
// [Env] only; [OSEnv] is the real one.
package config

import (
	"io/fs"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// DefaultPath is the configuration that is read when none is named.
const DefaultPath = "/etc/vobox-reconcile/config.yaml"

// MaxSize is the largest configuration file that is read, in bytes.
const MaxSize = 1 << 20

// A Config is a configuration that was read and found without fault: defaults applied, paths absolute, "~" expanded,
// references resolved as far as they can be before a pass.
type Config struct {
	Version      int
	VO           string // lower case
	User         string // account that owns user proxies and env files; the invoking user's name unless configured
	Root         string // the VO's directory on the box
	Repository   string // directory of user proxies
	State        string // directory of lock, journal and last-good copies
	Trust        Trust
	MachineProxy MachineProxy
	MyProxy      MyProxy
	Proxies      []Proxy
	EnvFiles     []EnvFile
	Services     []Service
	Alerts       []Alert
	Metrics      Metrics
	Watch        Watch

	Files []string // what was read, in the order it was merged

	uid, gid int // of User; -1: whoever runs the program
	home     string
	places   map[string]place // by path, such as proxies[0].dn
}

// Trust says where this host's trust anchors and VO descriptions are.
type Trust struct {
	Certificates string   // directory of trust anchors, in OpenSSL hash form
	VOMSDir      string   // directory of LSC files
	VOMSES       []string // files or directories of vomses lines
	CRL          string   // CRLRequire, CRLIfPresent or CRLIgnore
}

// What Trust.CRL may be.
const (
	CRLRequire   = "require"    // a CA without a current CRL is rejected
	CRLIfPresent = "if-present" // a CA whose CRL expired is rejected, one without CRL is not, as in Globus
	CRLIgnore    = "ignore"     // CRLs are not looked at
)

// MachineProxy is the proxy of the host certificate, with which MyProxy renewals are authorised.
type MachineProxy struct {
	Path       string
	Cert, Key  string // of the host
	Lifetime   time.Duration
	RenewBelow time.Duration
	Manage     bool // false: another program keeps it, it is only observed
}

// MyProxy is the server that user proxies come from, unless a proxy's own source says otherwise.
type MyProxy struct {
	Server     string   // as written, or from $MYPROXY_SERVER; empty when no proxy needs one
	Servers    []string // the same as host:port each, in the order to try them
	ServerDN   string   // slash form; empty: host name check
	AlertBelow time.Duration
	Timeout    time.Duration // of one exchange
}

// A Proxy is one user proxy to keep.
type Proxy struct {
	Name       string
	DN         string // identity, slash form, as written
	VO         string
	Attributes []string // FQANs in short form; the first is the primary one
	Lifetime   time.Duration
	RenewBelow time.Duration
	AlertBelow time.Duration
	Path       string // absolute; may have a glob in its last element
	Links      []string
	Source     Source
	Key        string // rsa2048, rsa3072, rsa4096 or p256
	Limited    bool
	Registered bool // by the account, in Config.Registered
}

// A Source says where a proxy comes from. After Load exactly one field is set.
type Source struct {
	MyProxy     *MyProxySource
	Certificate *CertificateSource
}

// A MyProxySource is a credential stored on a MyProxy server.
type MyProxySource struct {
	Server         string   // as written; the top-level one unless given
	Servers        []string // the same as host:port each
	ServerDN       string   // the top-level one, if the server is; else empty
	Username       string
	CredentialName string
	PassphraseFile string
}

// A CertificateSource is an end-entity certificate kept on the box, of a robot for instance.
type CertificateSource struct {
	Cert, Key      string
	PassphraseFile string
}

// An EnvFile is an environment file of which some variables are managed.
type EnvFile struct {
	Path   string
	Set    []Variable
	Unset  []string
	Expect []Variable
	Export bool
	Format string      // shell, plain, systemd, properties or auto; empty: what the name tells
	Mode   fs.FileMode // of a new file
}

// A Variable is a name and its value, in the order of the file.
type Variable struct {
	Name  string
	Value string      // as written, with its references
	Parts []plan.Part // ${env.NAME} resolved, ${proxy.NAME} kept
}

// A Service is restarted when something it depends on has changed.
type Service struct {
	Name      string
	Restart   []string // argument list; empty when Unit is set
	Unit      string   // systemd unit, with its suffix
	OnChange  []string // as written; with the default applied
	Preflight [][]string
	Verify    []string
	Timeout   time.Duration // of each of these commands
	AtMost    Rate

	envFiles []string // from OnChange: paths
	proxies  []string // from OnChange: names
}

// A Rate is "4 per 24h".
type Rate struct {
	N   int
	Per time.Duration
}

// An Alert is one channel to tell people through: exactly one of Email, Webhook and Command is set.
type Alert struct {
	Email       *Email
	Webhook     *Webhook
	Command     []string
	AtMostEvery time.Duration // the same alert is repeated no more often
}

// Email sends alerts by SMTP.
type Email struct {
	To           []string
	From         string
	SMTP         string // host:port
	TLS          string // TLSAuto, TLSStartTLS, TLSImplicit or TLSNone
	Username     string // empty: no authentication
	PasswordFile string
}

// What Email.TLS may be.
const (
	TLSAuto     = "auto"     // STARTTLS when the server offers it
	TLSStartTLS = "starttls" // STARTTLS or nothing is sent
	TLSImplicit = "tls"      // TLS from the first byte
	TLSNone     = "none"
)

// Webhook posts alerts as JSON.
type Webhook struct {
	URL         string
	HeadersFile string // lines "Name: value"; this is the place for a token
}

// Metrics says where to write metrics.
type Metrics struct {
	Textfile string // for node_exporter's textfile collector; empty: none
}

// Watch is about --watch.
type Watch struct {
	Listen   string        // host:port; empty: none
	Interval time.Duration // the longest time between two looks
}

// Position says where the key at path, such as "proxies[0].dn", was given. For a key that was left to its default it is
// where the nearest enclosing one is; the line is 0 if there is none.
func (c *Config) Position(path string) (file string, line int) {
	p := nearest(c.places, path)
	return p.file, p.line
}

// A place is where a value begins in a file.
type place struct {
	file      string
	line, col int
}

// nearest is the place of path or of the closest key around it.
func nearest(places map[string]place, path string) place {
	for {
		if p, ok := places[path]; ok {
			return p
		}
		if path == "" {
			return place{}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}
