package gridtest

import (
	"regexp"
	"strings"
	"time"
)

// A Policy is the part of a myproxy-server's configuration that says who may do what. Each list holds patterns of
// myproxy-server.config(5): "*" and "?" as in a shell, "." literal, everything else an extended regular expression, with
// the optional prefix "SUBJECT:" or "FQAN:".
//
// A credential's own pattern and the server-wide list must both match; the default applies to a credential that has no
// pattern. An empty server-wide list admits nobody, an empty default admits everybody.
type Policy struct {
	AcceptedCredentials                           []string // PUT, STORE, DESTROY
	AuthorizedRetrievers, DefaultRetrievers       []string // GET with a passphrase
	AuthorizedRenewers, DefaultRenewers           []string // GET by the renewal challenge
	TrustedRetrievers, DefaultTrustedRetrievers   []string // GET without anything
	AuthorizedKeyRetrievers, DefaultKeyRetrievers []string // RETRIEVE
	MaxProxyLifetime                              time.Duration
	MaxCredLifetime                               time.Duration // longer ones are refused, not shortened
	AllowSelfAuthz                                bool
}

// SitePolicy is that of a gLite PX site: renewer is the DN of the VO box, portal that of a trusted retriever; each may
// be empty. Whatever flags a credential was stored with, these two can use it, and nobody else.
func SitePolicy(renewer, portal string) Policy {
	one := func(dn string) []string {
		if dn == "" {
			return []string{"none"}
		}
		return []string{dn}
	}
	all := []string{"*"}
	return Policy{
		AcceptedCredentials:  all,
		AuthorizedRetrievers: all, DefaultRetrievers: all,
		AuthorizedRenewers: one(renewer), DefaultRenewers: one(renewer),
		TrustedRetrievers: one(portal), DefaultTrustedRetrievers: one(portal),
		AuthorizedKeyRetrievers: all, DefaultKeyRetrievers: []string{"none"},
	}
}

// OpenPolicy is "Complete Sample Policy #1" of the myproxy-server package: the flags given to myproxy-init decide.
func OpenPolicy() Policy {
	all, none := []string{"*"}, []string{"none"}
	return Policy{
		AcceptedCredentials:  all,
		AuthorizedRetrievers: all, DefaultRetrievers: all,
		AuthorizedRenewers: all, DefaultRenewers: none,
		TrustedRetrievers: all, DefaultTrustedRetrievers: none,
		AuthorizedKeyRetrievers: all, DefaultKeyRetrievers: none,
	}
}

// matchPattern reports whether a policy pattern admits the client.
func matchPattern(pattern string, c *client) bool {
	if p, ok := strings.CutPrefix(pattern, "FQAN:"); ok {
		re := compilePattern(p)
		for _, f := range c.fqans {
			if re != nil && re.MatchString(f) {
				return true
			}
		}
		return false
	}
	re := compilePattern(strings.TrimPrefix(pattern, "SUBJECT:"))
	return re != nil && re.MatchString(c.name)
}

// compilePattern returns nil for a pattern that is no regular expression: it matches nothing.
func compilePattern(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteByte('^')
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		case '.':
			b.WriteString(`\.`)
		case '\\':
			b.WriteByte(c)
			if i+1 < len(pattern) {
				i++
				b.WriteByte(pattern[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('$')
	re, err := regexp.CompilePOSIX(b.String())
	if err != nil {
		return nil
	}
	return re
}

func matchList(list []string, c *client) bool {
	for _, p := range list {
		if matchPattern(p, c) {
			return true
		}
	}
	return false
}

// checkPolicy applies a server-wide list and the credential's own pattern, or the default. The text is what the real
// server says; it is empty when the client is admitted.
func checkPolicy(name string, server []string, credential *string, fallback []string, c *client) string {
	switch {
	case !matchList(server, c):
		return "\"" + c.name + "\" not authorized by server's " + name + " policy"
	case credential != nil && !matchPattern(*credential, c):
		return "\"" + c.name + "\" not authorized by credential's " + name + " policy"
	case credential == nil && len(fallback) > 0 && !matchList(fallback, c):
		return "\"" + c.name + "\" not authorized by server's default " + name + " policy"
	}
	return ""
}
