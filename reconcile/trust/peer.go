package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// check compares a verified peer with what is wanted.
func (p Peer) check(r *Result) error {
	byHost := p.Host != "" && (p.DN.IsEmpty() || p.AllowHost)
	if !p.DN.IsEmpty() && r.Identity.Equal(p.DN) {
		return nil // named in full: a server of somebody's own may run on their certificate
	}
	names := hostNames(r)
	if byHost && names.include(p.Host) {
		if err := checkHostConstraints(r, names); err != nil {
			return err
		}
		return checkUsage(r)
	}
	var wanted []string
	if !p.DN.IsEmpty() {
		wanted = append(wanted, p.DN.String())
	}
	if byHost {
		wanted = append(wanted, "host "+p.Host)
	}
	if len(wanted) == 0 {
		wanted = []string{"nobody: neither a host name nor a DN was given"}
	}
	return refuse(IDPeerName, r.Identity, "the peer is not the one wanted: wanted %s, found %s%s", strings.Join(wanted, " or "), r.Identity, names)
}

// peerNames are the hosts that a peer may speak for.
type peerNames struct {
	eec *x509.Certificate // with subjectAltNames of hosts; nil: it has none
	cn  string            // or else the one of its subject
}

// hostNames takes them as Globus does with NAME_COMPATIBILITY=STRICT_RFC2818: the subjectAltNames if there are any of a host,
// else the CN. An independent proxy has no name but its own.
func hostNames(r *Result) peerNames {
	eec := r.Chain[len(r.Chain)-1]
	switch {
	case !r.Identity.Equal(subjectOf(eec)):
		return peerNames{}
	case len(eec.DNSNames) > 0 || len(eec.IPAddresses) > 0:
		return peerNames{eec: eec}
	}
	return peerNames{cn: hostCN(r.Identity)}
}

func (n peerNames) include(host string) bool {
	if n.eec != nil {
		return n.eec.VerifyHostname(host) == nil
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
		return ip.Equal(net.ParseIP(n.cn))
	}
	return n.cn != "" && strings.EqualFold(n.cn, strings.TrimSuffix(host, "."))
}

// String is for the message that none of the names is wanted.
func (n peerNames) String() string {
	var names []string
	if n.eec != nil {
		for _, ip := range n.eec.IPAddresses {
			names = append(names, ip.String())
		}
		names = append(names, n.eec.DNSNames...)
	} else if n.cn != "" {
		names = []string{n.cn}
	}
	if len(names) == 0 {
		return ""
	}
	const most = 10
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return fmt.Sprintf(" (host %s)", strings.Join(names, ", "))
}

// Services whose name may stand before that of the host in a CN. GSI takes the one that its caller asks for, and host.
var services = []string{"host", "http", "myproxy", "voms"}

// hostCN returns the host of a subject whose last RDN is a CN like NAME, host/NAME or SERVICE/NAME, or "". CNs before it are
// account names and the like, which their owners may have chosen; and no CN speaks for a whole domain.
func hostCN(name dn.Name) string {
	rdns := name.RDNs()
	if len(rdns) == 0 {
		return ""
	}
	last := rdns[len(rdns)-1]
	if len(last) != 1 || !last[0].Type.Equal(oidCommonName) {
		return ""
	}
	host := string(last[0].Value)
	if service, after, ok := strings.Cut(host, "/"); ok {
		if !slices.Contains(services, strings.ToLower(service)) {
			return ""
		}
		host = after
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if strings.Trim(host, letters+"0123456789.-_:") != "" || !strings.ContainsAny(host, ".:") {
		return ""
	}
	return host
}

// checkHostConstraints applies the CAs' constraints on host names to a CN that is taken for one. RFC 5280 does not ask for
// it; but a CA that may vouch for one domain only must not do for another by leaving the subjectAltName out.
func checkHostConstraints(r *Result, names peerNames) error {
	if names.cn == "" {
		return nil
	}
	name := generalName{tag: tagDNS, value: []byte(names.cn)}
	if ip := net.ParseIP(names.cn); ip != nil {
		name = generalName{tag: tagIP, value: ip}
		if four := ip.To4(); four != nil {
			name.value = four
		}
	}
	for _, ca := range r.Anchors {
		for _, e := range ca.Extensions {
			if !e.Id.Equal(oidNameConstraints) {
				continue
			}
			permitted, excluded, ok := parseNameConstraints(e.Value)
			if !ok || !within(name, permitted, excluded) {
				return refuse(IDNames, r.Identity, "the name constraints of %s do not let it vouch for the host %s", subjectOf(ca), names.cn)
			}
		}
	}
	return nil
}

// checkUsage wants serverAuth of every certificate that lists extended key usages: a key that was certified for a user's
// programs is no server's, whatever name the user got into the subject. IGTF hosts have clientAuth and serverAuth.
func checkUsage(r *Result) error {
	for _, cert := range r.Chain {
		listed := slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidExtKeyUsage) })
		if listed && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return refuse(IDPeerName, r.Identity, "the peer's certificate %s is not for servers: its extended key usage lacks serverAuth", subjectOf(cert))
		}
	}
	return nil
}
