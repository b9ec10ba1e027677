package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// This file has the checks of single values, which the table names.

const (
	exampleHost = "myproxy.cern.ch"
	myproxyPort = "7512"
)

// dn checks a distinguished name. It is kept as written, because it is also a user name and part of a file name.
func (r *reader) dn(path string, into *string) {
	name, err := dn.Parse(*into)
	if err != nil || name.IsEmpty() {
		r.faultAt(path, fmt.Sprintf("%s is not a DN: %v", shown(*into), reason(err)), "write it in slash form, such as "+formDN.example)
		return
	}
	if cn, ok := name.LastCN(); ok && (cn == "proxy" || cn == "limited proxy") {
		r.faultAt(path, fmt.Sprintf("is the subject of a proxy: it ends in CN=%s", cn), "write the identity, "+shown((*into)[:strings.LastIndex(*into, "/")]))
	}
}

func reason(err error) string {
	if err == nil {
		return "it is empty"
	}
	return oneLine(err)
}

// fqan checks an FQAN and brings it into its short form.
func (r *reader) fqan(path string, into *string) {
	f, err := attrcert.ParseFQAN(*into)
	if err != nil {
		r.faultAt(path, fmt.Sprintf("%s is not an FQAN: %v", shown(*into), oneLine(err)), "write it as /alice/Role=lcgadmin or /alice/group")
		return
	}
	*into = f.String()
}

// servers checks a MyProxy server, or several.
func (r *reader) servers(path string, into *string) {
	if _, problem, instead := parseServers(*into); problem != "" {
		r.faultAt(path, problem, instead)
	}
}

// parseServers splits a list of MyProxy servers, as in $MYPROXY_SERVER, into host:port each.
func parseServers(s string) (servers []string, problem, instead string) {
	for one := range strings.SplitSeq(s, ",") {
		server, problem, instead := hostPort(strings.TrimSpace(one), myproxyPort, exampleHost)
		if problem != "" {
			return nil, problem, instead
		}
		if !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers, "", ""
}

// smtp checks a mail server; the port is added when all is known.
func (r *reader) smtp(path string, into *string) {
	if _, problem, instead := hostPort(*into, "25", "localhost"); problem != "" {
		r.faultAt(path, problem, instead)
	}
}

// listen checks an address to listen at, where no host means every interface.
func (r *reader) listen(path string, into *string) {
	s, bare := strings.CutPrefix(*into, ":")
	if bare {
		s = "localhost:" + s
	}
	if _, problem, instead := hostPort(s, "9555", "127.0.0.1"); problem != "" {
		r.faultAt(path, problem, instead)
	}
}

// hostPort completes host or host:port. problem is empty if there is none.
func hostPort(s, port, example string) (complete, problem, instead string) {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
	}
	if !isHost(host) {
		return "", fmt.Sprintf("%s is not a host name or address", shown(host)), fmt.Sprintf("write %s or %s:%s", example, example, orElse(port, "7512"))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Sprintf("%s is not a port", shown(port)), "write a number from 1 to 65535"
	}
	return host + ":" + port, "", ""
}

// isHost accepts DNS names (RFC 1123), IPv4 addresses and IPv6 addresses in brackets.
func isHost(s string) bool {
	if v6, ok := strings.CutPrefix(s, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(v6, "]"))
		return err == nil && addr.Is6() && strings.HasSuffix(v6, "]")
	}
	s = strings.TrimSuffix(s, ".")
	labels := strings.Split(s, ".")
	for _, l := range labels {
		_, rest := span(l, func(c byte) bool {
			return c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		})
		if l == "" || rest != "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	if last := labels[len(labels)-1]; '0' <= last[0] && last[0] <= '9' {
		_, err := netip.ParseAddr(s) // no top-level domain begins with a digit
		return err == nil
	}
	return len(s) <= 253
}

// url checks a webhook's address. The message does not repeat it: with many services its path is the secret.
func (r *reader) url(path string, into *string) {
	u, err := url.Parse(*into)
	switch {
	case err != nil || !isHost(bracketed(u.Hostname())):
		r.faultAt(path, "the URL cannot be parsed, or has no host", "write "+formURL.example)
	case u.Port() != "" && !isPort(u.Port()):
		r.faultAt(path, fmt.Sprintf("%s is not a port", shown(u.Port())), "write a number from 1 to 65535")
	case u.User != nil:
		r.faultAt(path, "the URL has a user name or password in it", "put an Authorization header into headersFile")
	}
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// unitSuffixes are the kinds of unit that can be restarted.
var unitSuffixes = []string{".service", ".target", ".timer", ".socket", ".path", ".mount", ".scope", ".slice", ".swap", ".automount"}

// unit completes a unit's name the way systemctl does.
func (r *reader) unit(path string, into *string) {
	switch {
	case strings.HasPrefix(*into, "-"):
		r.faultAt(path, fmt.Sprintf("%s looks like an option", shown(*into)), "write "+formUnit.example)
	case strings.HasSuffix(*into, "@") || strings.Contains(*into, "@."):
		r.faultAt(path, fmt.Sprintf("%s is a template", shown(*into)), "write one instance of it, such as jalien@alice.service")
	case !slices.ContainsFunc(unitSuffixes, func(s string) bool { return strings.HasSuffix(*into, s) }):
		*into += ".service"
	}
}
