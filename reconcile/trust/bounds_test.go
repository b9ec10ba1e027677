package trust_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// The files of a trust directory are root's, but what they say comes from hundreds of CAs.

func TestSigningPolicyBounds(t *testing.T) {
	const ca = "/DC=org/CN=CA"
	const head = "access_id_CA X509 '" + ca + "'\npos_rights globus CA:sign\n"
	issuer, subject := parseDN(t, ca), parseDN(t, "/DC=org/DC=example/OU=people/CN="+strings.Repeat("a", 60))
	bound.Linear(t, 1<<13, 64, func(data []byte) {
		p, err := trust.ParseSigningPolicy(data)
		if err != nil {
			_ = err.Error()
			return
		}
		p.Permits(issuer, subject)
	},
		bound.Repeat("many entries", "", head+"cond_subjects globus '\"/DC=x/*\"'\n", ""),
		bound.Repeat("many principals", "", "access_id_CA X509 '/CN=x'\n", "pos_rights globus CA:sign\ncond_subjects globus '\"*\"'\n"),
		bound.Repeat("many rights", head, "pos_rights globus CA:sign\n", ""),
		bound.Repeat("many conditions", head, "cond_subjects globus '\"*\"'\n", ""),
		bound.Repeat("many patterns", head+"cond_subjects globus '", `"/DC=x/*" `, "'\n"),
		bound.Repeat("a pattern of many asterisks", head+"cond_subjects globus '\"", "*a", "\"'\n"),
		bound.Repeat("a pattern of asterisks alone", head+"cond_subjects globus '\"", "*", "\"'\n"),
		bound.Repeat("a long pattern", head+"cond_subjects globus '\"*", "a", "\"'\n"),
		bound.Repeat("a long name", "access_id_CA X509 '", "/CN=x", "'\npos_rights globus CA:sign\ncond_subjects globus '\"*\"'\n"),
		bound.Repeat("a long name with slashes", "access_id_CA X509 '/CN=", "/x", "'\npos_rights globus CA:sign\ncond_subjects globus '\"*\"'\n"),
		bound.Repeat("tiny tokens", "", "a ", ""),
		bound.Repeat("empty tokens", "", "'' ", ""),
		bound.Repeat("escapes", "'", `\'`, "'"),
		bound.Repeat("open quotes", "", "'x\n", ""),
		bound.Repeat("comments", "", "#\n", head),
		bound.Repeat("one comment", "#", "x", "\n"+head),
		bound.Repeat("white space", head, " \n", ""),
	)
}

func TestNamespacesBounds(t *testing.T) {
	const ca = "/DC=org/CN=CA"
	issuer, subject := parseDN(t, ca), parseDN(t, "/DC=org/DC=example/OU=people/CN="+strings.Repeat("a", 60))
	line := func(pattern string) string { return "TO Issuer SELF PERMIT Subject \"" + pattern + "\"\n" }
	bound.Linear(t, 1<<11, 1500, func(data []byte) {
		ns, err := trust.ParseNamespaces(data)
		if err != nil {
			_ = err.Error()
			return
		}
		ns.Permits(issuer, issuer, subject)
	},
		bound.Repeat("many statements", "", line(".*"), ""),
		bound.Repeat("many short patterns", "", line("a"), ""),
		bound.Repeat("a long pattern", "TO Issuer SELF PERMIT Subject \"", "a", "\"\n"),
		bound.Repeat("repetitions", "TO Issuer SELF PERMIT Subject \"", "a*", "\"\n"),
		bound.Repeat("greedy repetitions", "TO Issuer SELF PERMIT Subject \"", ".*", "\"\n"),
		bound.Repeat("alternatives", "TO Issuer SELF PERMIT Subject \"", "a|", "\"\n"),
		bound.Repeat("groups", "TO Issuer SELF PERMIT Subject \"", "(a)", "\"\n"),
		bound.Repeat("repeated repetitions", "", line("((a{9}){9}){9}"), ""),
		bound.Repeat("classes", "TO Issuer SELF PERMIT Subject \"", `[^a\\x{80}-\\x{10ffff}]`, "\"\n"),
		bound.Nested("nested groups", "(", "a", ")"),
		bound.Input{Name: "nested groups in a statement", Make: func(n int) []byte { return []byte(line(strings.Repeat("(", n/2) + strings.Repeat(")", n/2))) }},
		bound.Input{Name: "nested repetitions", Make: func(n int) []byte { return []byte(line(strings.Repeat("(", n/3) + "a" + strings.Repeat(")*", n/3))) }},
		bound.Repeat("continued lines", "TO Issuer SELF PERMIT Subject ", "\\\n", "\".*\"\n"),
		bound.Repeat("tiny words", "", "a ", "\n"),
		bound.Repeat("open quotes", "", "\"a\n", ""),
		bound.Repeat("comments", "", "#\n", line(".*")),
		bound.Repeat("empty lines", "", "\n", line(".*")),
	)
}

func TestLSCBounds(t *testing.T) {
	bound.Linear(t, 1<<12, 160, func(data []byte) {
		if _, err := trust.ParseLSC(data); err != nil {
			_ = err.Error()
		}
	},
		bound.Repeat("many names", "", "/CN=a\n", ""),
		bound.Repeat("many chains", "", "/CN=a\n/CN=b\n------ NEXT CHAIN ------\n", ""),
		bound.Repeat("separators", "", "-NEXT CHAIN-\n", "/CN=a\n/CN=b\n"),
		bound.Repeat("hyphens", "", "-", "\n/CN=a\n/CN=b\n"),
		bound.Repeat("a long name", "/CN=a", "/CN=a", "\n/CN=b\n"),
		bound.Repeat("a long name with slashes", "/CN=a", "/a", "\n/CN=b\n"),
		bound.Repeat("quotes", "", "\"/CN=a\" b\n", ""),
		bound.Repeat("open quotes", "", "\"/CN=a\n", ""),
		bound.Repeat("other lines", "", "#\n", "/CN=a\n/CN=b\n"),
	)
}

func TestCRLBounds(t *testing.T) {
	el := bound.DER
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	algorithm := el(0x30, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2})
	when := el(23, []byte("261121000000Z"))
	crl := func(revoked, extensions []byte) []byte {
		return el(0x30, join(el(0x30, join([]byte{2, 1, 1}, algorithm, bound.Name("CA"), when, when, revoked, extensions)), algorithm, []byte{3, 2, 0, 1}))
	}
	entry := func(serial int, more ...byte) []byte {
		return el(0x30, join([]byte{2, 4, 1, byte(serial >> 16), byte(serial >> 8), byte(serial)}, when, more))
	}
	entries := func(name string, more ...byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			var list []byte
			for i := 0; len(list) < n; i++ {
				list = append(list, entry(i, more...)...)
			}
			return crl(el(0x30, list), nil)
		}}
	}
	extended := func(name string, extensions func(n int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte { return crl(nil, el(0xa0, el(0x30, extensions(n)))) }}
	}
	parse := func(data []byte) { trust.RevokedForTest(data) }
	bound.Linear(t, 1<<13, 40, parse,
		entries("many entries"),
		entries("many entries with an extension", el(0x30, bound.Extension("\x55\x1d\x15", false, []byte{10, 1, 1}))...),
		bound.Input{Name: "one entry over and over", Make: func(n int) []byte { return crl(el(0x30, bytes.Repeat(entry(1), n/23)), nil) }},
		bound.Input{Name: "a long serial number", Make: func(n int) []byte {
			return crl(el(0x30, el(0x30, join(el(2, append([]byte{1}, make([]byte, n)...)), when))), nil)
		}},
		extended("many extensions", func(n int) []byte { return bytes.Repeat(bound.Extension("\x2a\x03", true, nil), n/11) }),
		extended("a long distribution point", func(n int) []byte {
			return bound.Extension("\x55\x1d\x1c", true, el(0x30, bytes.Repeat([]byte{0x85, 1, 0}, n/3)))
		}),
		extended("a long identifier", func(n int) []byte { return bound.Extension(strings.Repeat("\x2a", n), true, nil) }),
		bound.Input{Name: "deep", Make: func(n int) []byte { return bound.Deep(0x30, n) }},
		bound.Input{Name: "PEM", Make: func(n int) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl(el(0x30, bytes.Repeat(entry(1), n*3/4/23)), nil)})
		}},
		bound.Repeat("tiny blocks", "", "-----BEGIN A-----\nAA==\n-----END A-----\n", ""),
		bound.Repeat("begin lines", "", "-----BEGIN X509 CRL-----\n", ""),
		bound.Repeat("begins in text", "", "-----BEGIN X509 CRL-----", ""),
		bound.Repeat("text", "", "text\n", ""),
	)
}

// TestVerifyBounds verifies what a peer may show: as many certificates as are looked at, of any size, that lead nowhere.
func TestVerifyBounds(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, "/DC=org/DC=gridtest/CN=Jane", g.sub)
	real := newProxy(t, jane, proxyKind{})
	own := bytes.Join([][]byte{real.cert.Raw, jane.cert.Raw}, nil)
	info := bound.Extension("\x2b\x06\x01\x05\x05\x07\x01\x0e", true, bound.DER(0x30, bound.DER(0x30, []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 21, 1})))
	ca := bound.Extension("\x55\x1d\x13", true, []byte{0x30, 3, 1, 1, 0xff})
	many := func(name string, one func(i int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			out := bytes.Clone(own)
			for i := 0; len(out) < n && i < 500; i++ {
				out = append(out, one(i)...)
			}
			return out
		}}
	}
	large := func(name string, one func(n int) []byte) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte { return append(bytes.Clone(own), one(n-len(own)-300)...) }}
	}
	bound.Linear(t, 10<<10, 160, func(data []byte) {
		certs, err := x509.ParseCertificates(data)
		if err != nil {
			t.Fatal(err)
		}
		store := &trust.Store{Certificates: g.store.Certificates}
		for _, c := range [][]*x509.Certificate{certs, certs[2:]} {
			if _, err := store.VerifyPeer(c, now); err != nil {
				_ = err.Error()
			}
			if _, err := store.VerifyChain(c, now); err != nil {
				_ = err.Error()
			}
		}
	},
		many("proxies of one name", func(i int) []byte {
			return bound.Certificate(uint32(i), bound.Name("a"), bound.Name("a"), info)
		}),
		many("each a proxy of the next", func(i int) []byte {
			return bound.Certificate(uint32(i), bound.Name(fmt.Sprint(i+1)), bound.Name(fmt.Sprint(i)), info)
		}),
		many("users of one name", func(i int) []byte { return bound.Certificate(uint32(i), bound.Name("a"), jane.cert.RawSubject, nil) }),
		many("CAs of the real one's name", func(i int) []byte {
			return bound.Certificate(uint32(i), g.root.cert.RawSubject, g.sub.cert.RawSubject, ca)
		}),
		many("CAs that signed one another", func(i int) []byte {
			return bound.Certificate(uint32(i), bound.Name("a"), bound.Name("a"), ca)
		}),
		large("a proxy with a long name", func(n int) []byte {
			return bound.Certificate(1, bound.Name("a"), bound.Name(strings.Repeat("a", n)), info)
		}),
		large("a proxy with a name of many parts", func(n int) []byte {
			return bound.Certificate(1, bound.Name("a"), bound.Name(make([]string, n/11)...), info)
		}),
		large("a proxy with many extensions", func(n int) []byte {
			extensions := bytes.Clone(info)
			for i := 0; len(extensions) < n; i++ {
				extensions = append(extensions, bound.Extension(string([]byte{0x2a, 3, 0x81 + byte(i>>14), 0x80 | byte(i>>7&0x7f), byte(i & 0x7f)}), false, nil)...)
			}
			return bound.Certificate(1, bound.Name("a"), bound.Name("a", "b"), extensions)
		}),
	)
}

// TestNameConstraintsBounds has a CA that is trusted, with constraints and below it a certificate of many names.
func TestNameConstraintsBounds(t *testing.T) {
	g := newGrid(t)
	directory := bound.DER(0xa4, bound.Name(make([]string, 8)...))
	constraints := bound.DER(0x30, bound.DER(0xa0, bytes.Repeat(bound.DER(0x30, directory), 8)))
	sub := newCA(t, "/DC=org/DC=gridtest/CN=Constrained", g.root, extension(true, constraints, 2, 5, 29, 30))
	g.addCA(sub, "*")
	named := func(name string, cns func(n int) []string) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			c := newEEC(t, "/CN=x", sub, func(c *x509.Certificate) { c.RawSubject = bound.Name(cns(n - 600)...) })
			return c.cert.Raw
		}}
	}
	alternatives := func(name string, tag byte, value string) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			one := bound.DER(tag, []byte(value))
			return newEEC(t, "/CN=x", sub, extension(false, bound.DER(0x30, bytes.Repeat(one, n/len(one))), 2, 5, 29, 17)).cert.Raw
		}}
	}
	bound.Linear(t, 4<<10, 256, func(data []byte) {
		cert, err := x509.ParseCertificate(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.store.VerifyChain([]*x509.Certificate{cert}, now); err != nil {
			_ = err.Error()
		}
	},
		named("a name of many parts", func(n int) []string { return make([]string, n/11) }),
		named("a long name", func(n int) []string { return []string{strings.Repeat("a", n)} }),
		alternatives("many directory names", 0xa4, string(bound.Name("a", "b"))),
		alternatives("many hosts", 0x82, "a.example.org"),
		alternatives("many addresses", 0x81, "a@example.org"),
	)
}

// TestVerifyACBounds verifies attribute certificates that bring as much along as they may.
func TestVerifyACBounds(t *testing.T) {
	g := newGrid(t)
	jane := newEEC(t, "/DC=org/DC=gridtest/CN=Jane", g.sub)
	voms := newEEC(t, "/DC=org/DC=gridtest/CN=voms", g.sub)
	chain := []dn.Name{dn.MustFromDER(voms.cert.RawSubject), dn.MustFromDER(voms.cert.RawIssuer)}
	if err := trust.WriteLSC(g.store.VOMSDir, "alice", "voms.example.org", chain); err != nil {
		t.Fatal(err)
	}
	with := func(name string, change func(n int, t *attrcert.Template)) bound.Input {
		return bound.Input{Name: name, Make: func(n int) []byte {
			tmpl := acTemplate()
			change(n-1200, &tmpl)
			der, err := attrcert.Issue(tmpl, jane.cert, certs(voms), voms.key)
			if err != nil {
				t.Fatal(err)
			}
			return der
		}}
	}
	bound.Linear(t, 3<<10, 96, func(data []byte) {
		ac, err := attrcert.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.store.VerifyAC(ac, jane.cert, now); err != nil {
			_ = err.Error()
		}
	},
		with("many FQANs", func(n int, tmpl *attrcert.Template) {
			for i := 0; i < 1000 && i*11 < n; i++ {
				tmpl.FQANs = append(tmpl.FQANs, fmt.Sprintf("/alice/%d", i))
			}
			tmpl.Attributes = []attrcert.Attribute{{Name: strings.Repeat("a", max(1, n-12*len(tmpl.FQANs)))}}
		}),
		with("many targets", func(n int, tmpl *attrcert.Template) {
			for i := 0; i < 250 && i*24 < n; i++ {
				tmpl.Targets = append(tmpl.Targets, fmt.Sprintf("host%d.example.org", i))
			}
			tmpl.Attributes = []attrcert.Attribute{{Name: strings.Repeat("a", max(1, n-24*len(tmpl.Targets)))}}
		}),
	)
}
