package myproxy

import (
	"fmt"
	"math"
	"net"
	"strings"
	"time"
)

// Where something is to be typed or done.
const (
	atUI       = "LCG-UI"
	atBox      = "VO-Box"
	atSite     = "site admin"
	atOperator = "MyProxy operator"
)

type advice struct{ cause, remedy, where string }

const relogin = "make a new proxy on the LCG-UI (voms-proxy-init), log in with it, then run vobox-reconcile in that session"

// explain says what an id means in this exchange, and what to do.
func (x *exchange) explain(id string) advice {
	if a, ok := x.explainRefusal(id); ok {
		return a
	}
	if a, ok := x.explainOldProxy(id); ok {
		return a
	}
	if a, ok := x.explainReply(id); ok {
		return a
	}
	return x.explainConnection(id)
}

// explainRefusal is about policies, owners and what is stored.
func (x *exchange) explainRefusal(id string) (advice, bool) {
	user := fmt.Sprintf("%q", printable(x.request.Username))
	if x.request.CredName != "" {
		user += fmt.Sprintf(" with the credential name %q", printable(x.request.CredName))
	}
	switch id {
	case "MP-RENEWER":
		return advice{"the server does not list " + x.self() + " as allowed to fetch credentials", x.listUs(), atOperator}, true
	case "MP-CREDPOL":
		return advice{"the credential was stored for others (myproxy-init -R, -r or -Z) than " + x.self(), x.store(), atUI}, true
	case "MP-DEFPOL":
		return advice{"the credential names nobody who may fetch it, and the server's default does not allow " + x.self(), x.storeForUs(), atUI}, true
	case "MP-ACCEPT":
		return advice{"the server does not let " + x.self() + " store anything under this name",
			"ask the operator of " + x.server() + " to add to accepted_credentials: " + x.pattern(), atOperator}, true
	case "MP-ANON":
		return advice{"no certificate was shown to the server",
			"check that the host certificate and key can be read: openssl x509 -noout -subject -enddate -in /etc/grid-security/hostcert.pem", atBox}, true
	case "MP-PASS":
		return x.explainPass(), true
	case "MP-BADPASS":
		return advice{"the passphrase is not the one that " + user + " was stored with", "store again and write the new passphrase to passphraseFile: " + x.storeBare(), atUI}, true
	case "MP-WEAKPASS":
		return advice{"the server wants a better passphrase", "choose a longer passphrase", atUI}, true
	case "MP-NOCRED":
		cause := "nothing is stored under " + user
		if x.request.Command == CommandInfo {
			cause += " that belongs to " + x.self()
		}
		return advice{cause, x.store(), atUI}, true
	case "MP-REVOKED":
		return advice{"a certificate behind the credential of " + user + " has expired or was revoked",
			x.tool("myproxy-destroy") + " && " + x.store(), atUI}, true
	case "CRL-STALE":
		return advice{"the server holds an outdated CRL of the user's CA", "ask the operator of " + x.server() + " to run fetch-crl", atOperator}, true
	case "MP-SELF":
		return advice{"the TLS identity " + x.self() + " is the credential's own, which may not renew itself",
			"use the machine proxy: set machineProxy.cert to /etc/grid-security/hostcert.pem and machineProxy.key to /etc/grid-security/hostkey.pem", atBox}, true
	case "MP-LIMITED":
		return advice{"the server gives nothing to a limited proxy", relogin, atUI}, true
	case "MP-LOCKED":
		return advice{"the credential of " + user + " is locked by the server's administrator", "ask the operator of " + x.server() + " to unlock it", atOperator}, true
	case "MP-OWNER":
		return advice{"what is stored under " + user + " is owned by another identity than " + x.self(),
			"use the certificate that stored it, or another credential name: " + x.storeBare() + " -n -k NAME", atUI}, true
	case "MP-PUT":
		return advice{"the server does not take this credential: it is over, too long, or does not verify there",
			"store for a shorter time, and not beyond the certificate's end: " + x.tool("myproxy-init") + " -n -t " + x.hours() + " -c 168", atUI}, true
	case "MP-DELEG":
		return advice{"the server could not sign with the stored credential", x.store(), atUI}, true
	case "MP-STORE":
		return advice{"the server could not read or write its store", "wait, then ask the operator of " + x.server() + " to look at the disk and the server's log", atOperator}, true
	case "MP-REFUSED":
		return advice{"the server refuses, for a reason that is not known here", "ask the operator of " + x.server() + " for what the server's log says", atOperator}, true
	}
	return advice{}, false
}

// explainPass is about the words that an unlisted VO box hears whatever the
// credential is like: the server goes on as if a passphrase were expected.
func (x *exchange) explainPass() advice {
	if x.protected {
		return advice{"the credential was stored with a passphrase, and none was sent", x.store(), atUI}
	}
	return advice{"the server does not accept " + x.self() + " as a renewer or trusted retriever of this credential, and expected a passphrase",
		x.listUs() + "; or let the user name this box: " + x.storeForUs(), atOperator}
}

// explainOldProxy is about the proxy that should have authorized a renewal.
func (x *exchange) explainOldProxy(id string) (advice, bool) {
	switch id {
	case "MP-NOOLD":
		return advice{"the server would renew, but there is no old proxy to prove the right to it", relogin, atUI}, true
	case "MP-OLDEXPIRED":
		return advice{"the old proxy has expired, so that it cannot authorize its renewal", relogin, atUI}, true
	case "MP-OLDOTHER":
		return advice{fmt.Sprintf("the old proxy is of another identity than the credential stored under %q", printable(x.request.Username)), relogin, atUI}, true
	case "MP-OLDBAD":
		return advice{"the server does not accept the old proxy", relogin, atUI}, true
	case "MP-OLDKEY":
		return advice{"the old proxy's key is not RSA, and cannot sign a renewal challenge",
			"make a proxy with an RSA key on the LCG-UI (voms-proxy-init -bits 2048), log in with it, then run vobox-reconcile in that session", atUI}, true
	}
	return advice{}, false
}

// explainReply is about what came back.
func (x *exchange) explainReply(id string) (advice, bool) {
	switch id {
	case "MP-STALE":
		return advice{"the server handed out a chain of which a part has expired", x.store(), atUI}, true
	case "CLOCK":
		return advice{"the server handed out a chain that is not valid yet by the clock of this host", "timedatectl status", atSite}, true
	case "MP-NOEEC":
		return advice{"the server handed out a chain without the user's own certificate", x.store(), atUI}, true
	case "MP-IDENTITY":
		return advice{"the server handed out a proxy of another identity", "correct the configured dn or username, or store again: " + x.store(), atUI}, true
	case "MP-PROTO":
		return advice{"the server and this client did not understand each other", "check that " + x.address() + " is a MyProxy server: " + x.probe(), atSite}, true
	}
	return advice{}, false
}

// explainConnection is about the network, TLS and certificates.
func (x *exchange) explainConnection(id string) advice {
	inspect := "openssl x509 -noout -subject -issuer -dates -in /etc/grid-security/hostcert.pem"
	switch id {
	case "MP-NET":
		return advice{"no conversation with " + x.address() + " came about", "check name, address families and firewall: " + x.probe(), atSite}
	case "MP-TIMEOUT":
		return advice{"the time was over while waiting for " + x.waiting, "check that nothing holds up the way: " + x.probe(), atSite}
	case "MP-CANCELED":
		return advice{"stopped while waiting for " + x.waiting, "run it again", atBox}
	case "MP-TLS":
		return advice{"TLS with " + x.address() + " failed", x.probe(), atSite}
	case "MP-METHOD":
		return advice{"the server offers no way to authenticate that is known here", "ask the operator of " + x.server() + " which it wants", atOperator}
	case "MP-CERTEXPIRED":
		return advice{"the server says that our certificate, " + x.self() + ", has expired", inspect, atSite}
	case "MP-CERTREVOKED":
		return advice{"the server says that our certificate, " + x.self() + ", was revoked", "request a new host certificate; look at the present one: " + inspect, atSite}
	case "MP-CERTCA":
		return advice{"the server does not trust the CA of our certificate, " + x.self(), "ask the operator of " + x.server() + " to install that CA; look at it: " + inspect, atOperator}
	case "HOST-EKU":
		return advice{"the server says that our certificate, " + x.self() + ", is not meant for clients",
			"request a host certificate with clientAuth in its extended key usage; look at the present one: openssl x509 -noout -ext extendedKeyUsage -in /etc/grid-security/hostcert.pem", atSite}
	case "MP-CERTBAD":
		return advice{"the server did not accept our certificate, " + x.self(), inspect, atSite}
	case "MP-SRVDN":
		return advice{"the server's certificate is for another host than " + x.host, "if that is as it should be, put its subject into myproxy.serverDN: " + x.probe(), atBox}
	case "CA-MISSING":
		return advice{"the CA of the server's certificate is not among the trust anchors", "install or update the package ca-policy-egi-core", atSite}
	case "MP-REQUEST":
		return advice{"the request cannot be sent", "correct the configuration", atBox}
	}
	return advice{"the server's certificate does not verify", x.probe(), atSite} // MP-SRVCERT
}

// self is our TLS identity in each spelling that a server's list may need.
func (x *exchange) self() string {
	names := x.spellings()
	if len(names) == 0 {
		return "<anonymous>"
	}
	return strings.Join(names, " or, in the spelling of older OpenSSL, ")
}

// pattern is what a policy in myproxy-server.config needs in order to match us,
// in double quotes. A policy is a regular expression of sorts: "*" and "?" are
// wild cards, a backslash escapes, and the rest is POSIX extended. The backslash
// that OpenSSL 3 puts into a name becomes "*", which fits the older spelling too.
func (x *exchange) pattern() string {
	names := x.spellings()
	if len(names) == 0 {
		return `"<anonymous>"`
	}
	var b strings.Builder
	for _, r := range names[0] {
		switch {
		case r == '\\':
			b.WriteByte('*')
		case r == '*' || r == '"':
			b.WriteByte('?') // escaping does not help these
		case strings.ContainsRune("+()|[]{}^$", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// spellings of our TLS identity: OpenSSL 3 puts a backslash before "/" in a
// value, older ones do not, and servers compare byte by byte.
func (x *exchange) spellings() []string {
	name, ok := x.identity()
	if !ok {
		return nil
	}
	s, l := name.String(), name.Legacy()
	if s == l {
		return []string{s}
	}
	return []string{s, l}
}

func (x *exchange) listUs() string {
	to := "the operator of " + x.server()
	if strings.HasSuffix(x.host, ".cern.ch") {
		to += " (px.support@cern.ch)"
	}
	return "ask " + to + " to add to authorized_renewers and default_renewers: " + x.pattern()
}

// tool is a MyProxy command with the options that say where and what.
func (x *exchange) tool(name string) string {
	args := []string{name, "-s", quote(x.host)}
	if x.port != DefaultPort {
		args = append(args, "-p", fmt.Sprint(x.port))
	}
	if strings.HasPrefix(x.request.Username, "/") { // as -d makes it
		args = append(args, "-d")
	} else {
		args = append(args, "-l", quote(x.request.Username))
	}
	if x.request.CredName != "" {
		args = append(args, "-k", quote(x.request.CredName))
	}
	return strings.Join(args, " ")
}

// storeBare is the command that stores the credential, the passphrase to be asked for.
func (x *exchange) storeBare() string {
	return x.tool("myproxy-init") + " -t " + x.hours() + " -c 3000"
}

// store is the command that stores it so that it can be renewed.
func (x *exchange) store() string {
	return x.tool("myproxy-init") + " -n -t " + x.hours() + " -c 3000"
}

// storeForUs is the same with this box named as a renewer. -x comes first: it
// works on the options behind it.
func (x *exchange) storeForUs() string {
	if x.shown == nil {
		return x.store()
	}
	return x.tool("myproxy-init") + " -x -R " + quote(strings.Trim(x.pattern(), `"`)) + " -t " + x.hours() + " -c 3000"
}

// hours is the lifetime to store with: at least what we ask for, unless that was so much that it was to see what comes.
func (x *exchange) hours() string {
	if x.request.Lifetime < time.Hour || x.request.Lifetime > 1000*time.Hour {
		return "48"
	}
	return fmt.Sprint(int(math.Ceil(x.request.Lifetime.Hours())))
}

func (x *exchange) address() string { return net.JoinHostPort(x.host, fmt.Sprint(x.port)) }

func (x *exchange) probe() string {
	return "openssl s_client -connect " + quote(x.address()) + " </dev/null"
}

// quote makes one word of s for a POSIX shell. What could harm a terminal is replaced.
func quote(s string) string {
	s = printable(s)
	plain := func(r rune) bool {
		return r == '.' || r == '-' || r == '_' || r == ':' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
