package trust

import (
	"net"
	"net/url"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Tags of GeneralName that name constraints are checked for; others are refused where a certificate has such a name.
const (
	tagEmail     cbasn1.Tag = 0x81
	tagDNS       cbasn1.Tag = 0x82
	tagURI       cbasn1.Tag = 0x86
	tagDirectory cbasn1.Tag = 0xa4
	tagIP        cbasn1.Tag = 0x87
)

// A subtree is one permitted or excluded base of NameConstraints.
type subtree struct {
	tag  cbasn1.Tag
	base []byte // content octets
	key  string // of a directory name, canonical
}

// checkNameConstraints applies the constraints of every CA of the path (EEC first, root last) to the certificates below it
// (RFC 5280 section 4.2.1.10). Proxies are not asked: their names hang below the EEC's.
func checkNameConstraints(nodes []*node) error {
	for i := 1; i < len(nodes); i++ {
		ca := nodes[i]
		for _, e := range ca.cert.Extensions {
			if !e.Id.Equal(oidNameConstraints) {
				continue
			}
			permitted, excluded, ok := parseNameConstraints(e.Value)
			if !ok {
				return refuse(IDMalformed, ca.subject, "the name constraints of the CA certificate %s are malformed or of a kind not handled", ca.subject)
			}
			for j, n := range nodes[:i] {
				if j > 0 && n.selfIssued() {
					continue
				}
				if !namesWithin(n, permitted, excluded) {
					return refuse(IDNames, n.subject, "the name constraints of %s do not let it vouch for %s", ca.subject, n.subject)
				}
			}
		}
	}
	return nil
}

// parseNameConstraints reads SEQUENCE { permitted [0] OPTIONAL, excluded [1] OPTIONAL }.
func parseNameConstraints(value []byte) (permitted, excluded []subtree, ok bool) {
	in := cryptobyte.String(value)
	var body, list cryptobyte.String
	var present bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, nil, false
	}
	for i, out := range [...]*[]subtree{&permitted, &excluded} {
		if !body.ReadOptionalASN1(&list, &present, cbasn1.Tag(i).ContextSpecific().Constructed()) {
			return nil, nil, false
		}
		for present && !list.Empty() {
			var tree, base cryptobyte.String
			var t subtree
			if !list.ReadASN1(&tree, cbasn1.SEQUENCE) || !tree.ReadAnyASN1(&base, &t.tag) || !tree.Empty() {
				return nil, nil, false // a minimum or maximum, which RFC 5280 forbids, also ends here
			}
			t.base = base
			if t.tag == tagDirectory {
				name, err := dn.FromDER(base)
				if err != nil {
					return nil, nil, false
				}
				t.key = name.Canonical()
			}
			*out = append(*out, t)
		}
	}
	return permitted, excluded, body.Empty()
}

// A generalName is a name of a certificate in the form in which constraints see it.
type generalName struct {
	tag   cbasn1.Tag
	value []byte
	key   string // of a directory name, canonical
}

func namesWithin(n *node, permitted, excluded []subtree) bool {
	names, ok := constrainedNames(n)
	if !ok {
		return false
	}
	for _, name := range names {
		if !within(name, permitted, excluded) {
			return false
		}
	}
	return true
}

// within reports whether a name is permitted and not excluded.
func within(name generalName, permitted, excluded []subtree) bool {
	if constrained, within := match(name, permitted, false); constrained && !within {
		return false
	}
	_, within := match(name, excluded, true)
	return !within
}

// constrainedNames are the subject, its e-mail addresses and the subjectAltNames.
func constrainedNames(n *node) (out []generalName, ok bool) {
	hasEmail := false
	if !n.subject.IsEmpty() {
		out = append(out, generalName{tag: tagDirectory, key: n.subjectKey})
	}
	for _, e := range n.cert.Extensions {
		if !e.Id.Equal(oidSubjectAltName) {
			continue
		}
		in := cryptobyte.String(e.Value)
		var list cryptobyte.String
		if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
			return nil, false
		}
		for !list.Empty() {
			var g generalName
			var value cryptobyte.String
			if !list.ReadAnyASN1(&value, &g.tag) {
				return nil, false
			}
			g.value = value
			if g.tag == tagDirectory {
				name, err := dn.FromDER(value)
				if err != nil {
					return nil, false
				}
				g.key = name.Canonical()
			}
			hasEmail = hasEmail || g.tag == tagEmail
			out = append(out, g)
		}
	}
	if !hasEmail {
		out = append(out, subjectEmails(n.subject)...)
	}
	return out, true
}

// subjectEmails are the addresses in a subject, which count where no subjectAltName has one.
func subjectEmails(subject dn.Name) (out []generalName) {
	for _, rdn := range subject.RDNs() {
		for _, a := range rdn {
			if a.Type.Equal(oidEmailAddress) {
				out = append(out, generalName{tag: tagEmail, value: a.Value})
			}
		}
	}
	return out
}

// match reports whether any subtree is of the name's form, and whether the name lies in one of them; unknown is the answer to
// that for a form that is not understood.
func match(name generalName, trees []subtree, unknown bool) (constrained, within bool) {
	for _, t := range trees {
		if t.tag != name.tag {
			continue
		}
		constrained = true
		switch t.tag {
		case tagDirectory:
			// Each RDN of the canonical encoding is a DER element that says its own length: no other name begins so.
			within = within || strings.HasPrefix(name.key, t.key)
		case tagDNS:
			within = within || dnsBelow(string(name.value), string(t.base))
		case tagEmail:
			within = within || emailBelow(string(name.value), string(t.base))
		case tagURI:
			host, ok := uriHost(string(name.value))
			if !ok { // whatever it is, it is not within, and not outside either
				return true, unknown
			}
			within = within || uriBelow(host, string(t.base))
		case tagIP:
			within = within || ipBelow(name.value, t.base)
		default:
			return true, unknown
		}
	}
	return constrained, within
}

// uriHost returns the host that a URI names; an address is none.
func uriHost(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return "", false
	}
	return u.Hostname(), true
}

// uriBelow knows a host, and a domain with a leading dot, in which the domain itself is not.
func uriBelow(host, base string) bool {
	host, base = strings.ToLower(host), strings.ToLower(base)
	if strings.HasPrefix(base, ".") {
		return strings.HasSuffix(host, base)
	}
	return host == base
}

func dnsBelow(name, base string) bool {
	name, base = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(strings.TrimPrefix(base, "."))
	return base == "" || name == base || strings.HasSuffix(name, "."+base)
}

// emailBelow knows a whole address, a host, and a domain with a leading dot.
func emailBelow(address, base string) bool {
	address, base = strings.ToLower(address), strings.ToLower(base)
	_, host, _ := strings.Cut(address, "@")
	switch {
	case strings.Contains(base, "@"):
		return address == base
	case strings.HasPrefix(base, "."):
		return strings.HasSuffix(host, base)
	}
	return host == base
}

// ipBelow takes the base as address and mask.
func ipBelow(ip, base []byte) bool {
	if len(base) != 2*len(ip) || len(ip) != net.IPv4len && len(ip) != net.IPv6len {
		return false
	}
	for i := range ip {
		if ip[i]&base[len(ip)+i] != base[i]&base[len(ip)+i] {
			return false
		}
	}
	return true
}
