package cases

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Why OpenSSL says something else.
const (
	noPolicies  = "it knows no signing policies"
	noStrength  = "openssl verify asks for no strength unless told to"
	onlyNewHash = "it looks for the new hash only"
)

func pkiCases() []entry {
	return slices.Concat(intermediateCases(), crossCases(), caCases(), constraintCases(), criticalCases(), strengthCases(), anchorCases())
}

// in is a chain judged by a directory that is made for it.
func in(make func(w *world) (*dir, []*cert)) func(*world) made {
	return func(w *world) made {
		d, chain := make(w)
		return w.chain(chain...).in(d)
	}
}

func intermediateCases() []entry {
	rootOnly := func(w *world) *dir { return knows().anchor(w.root, inside) }
	subPolicy := func(w *world) (string, string) { return hash(w.sub) + ".signing_policy", policy(subName, inside) }
	return []entry{
		one("sub-both", "the sub-CA in the directory and in the file", func(w *world) made { return w.chain(w.proxy(w.jane), w.jane, w.sub, w.root) }, yes("rfc"), agrees),
		one("sub-directory", "the sub-CA only in the directory", in(func(w *world) (*dir, []*cert) {
			return knows().anchor(w.root, inside).anchor(w.sub, inside), w.below(w.jane, full)
		}), yes("rfc"), agrees),
		one("sub-file", "the sub-CA only in the file, its signing policy in the directory", in(func(w *world) (*dir, []*cert) {
			return rootOnly(w).text(subPolicy(w)), append(w.below(w.jane, full), w.sub)
		}), yes("rfc"), agrees),
		one("sub-file-root-too", "sub-CA and root in the file", in(func(w *world) (*dir, []*cert) {
			return rootOnly(w).text(subPolicy(w)), append(w.below(w.jane, full), w.root, w.sub)
		}), yes("rfc"), agrees),
		one("sub-file-no-policy", "the sub-CA only in the file, and no signing policy for it", in(func(w *world) (*dir, []*cert) {
			return rootOnly(w), append(w.below(w.jane, full), w.sub)
		}), no("CHAIN-POLICY", "has no signing policy"), differs(noPolicies)),
		one("sub-file-namespaces", "the sub-CA only in the file, the root's namespaces speak for it", in(func(w *world) (*dir, []*cert) {
			return rootOnly(w).text(hash(w.root)+".namespaces", "TO Issuer \""+subName+"\" PERMIT Subject \"/DC=org/DC=corpus/.*\"\nTO Issuer SELF PERMIT Subject \"/DC=org/.*\"\n"),
				append(w.below(w.jane, full), w.sub)
		}), yes("rfc"), agrees),
		one("sub-nowhere", "the sub-CA nowhere", in(func(w *world) (*dir, []*cert) { return rootOnly(w), w.below(w.jane, full) }),
			no("CA-MISSING", "no trust anchor for issuer "+subName), agrees),
		one("sub-without-root", "the sub-CA in the directory, but not its root", in(func(w *world) (*dir, []*cert) {
			return knows().anchor(w.sub, inside), w.below(w.jane, full)
		}), no("CA-MISSING", "no trust anchor for issuer "+rootName), agrees),
		one("sub-root-in-file", "a root that only the file knows", in(func(w *world) (*dir, []*cert) {
			return knows(), append(w.below(w.jane, full), w.sub, w.root)
		}), no("CA-MISSING", "self-signed certificate "+rootName), agrees),
		one("sub-forged", "a sub-CA in the file that calls itself by the real one's name", in(func(w *world) (*dir, []*cert) {
			fake := w.ca(w.root, subName, signedBy(rsaTwo()))
			return rootOnly(w).text(subPolicy(w)), []*cert{w.eec(fake, janeName), fake}
		}), no("CHAIN-SIGNATURE", subName+" is not by the key of "+rootName), agrees),
		one("sub-expired", "an expired sub-CA", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Old CA", valid(0, -11*365*day))
			return rootOnly(w).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), no("CHAIN-EXPIRED", "CN=Old CA expired on"), agrees),
		one("sub-future", "a sub-CA of next year", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=New CA", valid(6*365*day, 0))
			return rootOnly(w).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), no("CLOCK", "CN=New CA is not valid before"), agrees),
		one("sub-root-expired", "an expired root", in(func(w *world) (*dir, []*cert) {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=Old Root", valid(0, -11*365*day))
			return knows().anchor(root, inside), w.below(w.eec(root, janeName), full)
		}), no("CHAIN-EXPIRED", "CN=Old Root expired on"), agrees),
		one("sub-outlives", "a user certificate that outlives its CA", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Short CA", valid(0, -10*365*day+100*day))
			return rootOnly(w).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), yes("rfc").until("proxy certificate"), agrees),
		one("sub-five", "five CAs one below the other", in(func(w *world) (*dir, []*cert) {
			d, ca := rootOnly(w), w.root
			for _, n := range []string{"1", "2", "3", "4"} {
				ca = w.ca(ca, "/DC=org/DC=corpus/CN=CA "+n)
				d.anchor(ca, inside)
			}
			return d, w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees),
	}
}

func crossCases() []entry {
	const name = "/DC=org/DC=corpus/CN=Crossed CA"
	const otherRoot = "/DC=org/DC=corpus/CN=Other Root CA"
	return []entry{
		one("cross-known", "a sub-CA signed by a known and by an unknown root, the unknown one's first in the file", in(func(w *world) (*dir, []*cert) {
			k := ec(elliptic.P256())
			other := w.ca(nil, otherRoot)
			known, unknown := w.ca(w.root, name, holding(k)), w.ca(other, name, holding(k))
			return knows().anchor(w.root, inside).text(hash(known)+".signing_policy", policy(name, inside)), append(w.below(w.eec(known, janeName), full), unknown, known)
		}), yes("rfc"), differs("it follows the first of two certificates of a name and does not turn back")),
		one("cross-directory", "both certificates of a cross-signed CA in the directory", in(func(w *world) (*dir, []*cert) {
			k := ec(elliptic.P256())
			other := w.ca(nil, otherRoot)
			known, unknown := w.ca(w.root, name, holding(k)), w.ca(other, name, holding(k))
			return knows().anchor(w.root, inside).anchor(unknown, inside).anchor(known), w.below(w.eec(known, janeName), full)
		}), yes("rfc"), differs("it follows the first of two certificates of a name and does not turn back")),
		one("cross-neither", "a sub-CA cross-signed by two unknown roots", in(func(w *world) (*dir, []*cert) {
			k := ec(elliptic.P256())
			one, two := w.ca(w.ca(nil, otherRoot), name, holding(k)), w.ca(w.ca(nil, otherRoot+" 2"), name, holding(k))
			return knows().anchor(w.root, inside), append(w.below(w.eec(one, janeName), full), one, two)
		}), no("CA-MISSING", "no trust anchor for issuer "+otherRoot), agrees),
		one("cross-loop", "two CAs that signed one another, and no root", in(func(w *world) (*dir, []*cert) {
			a, b := ec(elliptic.P256()), ec(elliptic.P256())
			one := w.ca(w.root, "/DC=org/DC=corpus/CN=A", holding(a), signedBy(b), issuerName(oneName("B")), without(idAuthorityKeyID))
			two := w.ca(w.root, "/DC=org/DC=corpus/CN=B", holding(b), signedBy(a), issuerName(oneName("A")), without(idAuthorityKeyID))
			return knows().anchor(w.root, inside), append(w.below(w.eec(one, janeName), full), one, two)
		}), no("CA-MISSING", "no trust anchor for issuer"), agrees),
		one("cross-rekeyed", "a root with a new key beside its old one, a user of the old one", in(func(w *world) (*dir, []*cert) {
			older, newer := w.ca(nil, otherRoot), w.ca(nil, otherRoot)
			return knows().anchor(newer, inside).anchor(older), w.below(w.eec(older, janeName), full)
		}), yes("rfc"), agrees),
		one("cross-rekeyed-new", "the same, a user of the new one", in(func(w *world) (*dir, []*cert) {
			older, newer := w.ca(nil, otherRoot), w.ca(nil, otherRoot)
			return knows().anchor(older, inside).anchor(newer), w.below(w.eec(newer, janeName), full)
		}), yes("rfc"), agrees),
		one("cross-rekeyed-missing", "only the old key is known", in(func(w *world) (*dir, []*cert) {
			older, newer := w.ca(nil, otherRoot), w.ca(nil, otherRoot)
			return knows().anchor(older, inside), w.below(w.eec(newer, janeName), full)
		}), no("CHAIN-SIGNATURE", "is not by the key of "+otherRoot), agrees),
		one("cross-new-with-old", "a root's new key certified by its old one, in the file", in(func(w *world) (*dir, []*cert) {
			older := w.ca(nil, otherRoot)
			newer := w.ca(older, otherRoot)
			return knows().anchor(older, inside), append(w.below(w.eec(newer, janeName), full), newer)
		}), yes("rfc"), agrees),
		one("cross-old-with-new", "a root's old key certified by its new one, in the file", in(func(w *world) (*dir, []*cert) {
			newer := w.ca(nil, otherRoot)
			older := w.ca(newer, otherRoot)
			return knows().anchor(newer, inside), append(w.below(w.eec(older, janeName), full), older)
		}), yes("rfc"), agrees),
		one("cross-expired-twin", "a renewed CA certificate beside the expired one of the same key", in(func(w *world) (*dir, []*cert) {
			k := ec(elliptic.P256())
			older, newer := w.ca(nil, otherRoot, holding(k), valid(0, -11*365*day)), w.ca(nil, otherRoot, holding(k))
			return knows().anchor(older, inside).anchor(newer), w.below(w.eec(newer, janeName), full)
		}), yes("rfc"), agrees),
	}
}

// oneName is a CA of that CN.
func oneName(cn string) []byte { return name("/DC=org/DC=corpus/CN=" + cn) }

// underCA is a proxy of Jane's by a CA made with the changes, below the root.
func underCA(changes ...change) func(*world) made {
	return in(func(w *world) (*dir, []*cert) {
		ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Odd CA", changes...)
		return knows().anchor(w.root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
	})
}

// underRoot is the same by a root.
func underRoot(changes ...change) func(*world) made {
	return in(func(w *world) (*dir, []*cert) {
		ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", changes...)
		return knows().anchor(ca, inside), w.below(w.eec(ca, janeName), full)
	})
}

// by is a proxy below a user certificate of the sub-CA that is made with the changes.
func by(changes ...change) func(*world) made {
	return func(w *world) made { return w.chain(w.below(w.eec(w.sub, janeName, changes...), full)...) }
}

func caCases() []entry {
	soft := func(s *spec) {
		e := basicConstraints(true, -1)
		e.critical = false
		with(e)(s)
	}
	lacking := no("CHAIN-NOTCA", "key usage lacks keyCertSign")
	otherKey := no("CHAIN-SIGNATURE", "its authorityKeyIdentifier names another")
	return []entry{
		one("ca-usage", "a sub-CA without keyCertSign", underCA(usage(x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature)), lacking, agrees),
		one("ca-usage-root", "a root without keyCertSign", underRoot(usage(x509.KeyUsageCRLSign)), lacking, agrees),
		one("ca-empty-usage", "a sub-CA whose key usage has no bit set", underCA(with(noUsage)), lacking, agrees),
		one("ca-no-usage", "a sub-CA without key usage", underCA(noKeyUsage), yes("rfc"), agrees),
		one("ca-not", "a sub-CA that says it is none", underCA(with(basicConstraints(false, -1))), no("CHAIN-NOTCA", "CN=Odd CA is not that of a CA"), agrees),
		one("ca-no-constraints", "a sub-CA without basicConstraints", underCA(without(idBasicConstraints)), no("CHAIN-NOTCA", "CN=Odd CA is not that of a CA"), agrees),
		one("ca-soft-constraints", "basicConstraints that are not critical", underCA(soft), yes("rfc"), agrees),
		one("ca-v1", "a sub-CA of version 1", underCA(bare, version(0)), no("CHAIN-NOTCA", "CN=Odd CA is not that of a CA"), agrees),
		one("ca-v1-root", "a root of version 1", underRoot(bare, version(0)), yes("rfc"), agrees),
		one("ca-root-usage-only", "a root with keyCertSign and without basicConstraints", underRoot(without(idBasicConstraints)), yes("rfc"), agrees),
		one("ca-root-nothing", "a root of version 3 without any extension", underRoot(bare), no("CHAIN-NOTCA", "CN=Odd Root is not that of a CA"), agrees),
		one("ca-pathlen-zero", "a CA with path length 0, and users and proxies below it", underCA(pathLen(0)), yes("rfc"), agrees),
		one("ca-pathlen-broken", "a root with path length 0 above a sub-CA", in(func(w *world) (*dir, []*cert) {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", pathLen(0))
			ca := w.ca(root, "/DC=org/DC=corpus/CN=Deep CA")
			return knows().anchor(root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), no("CHAIN-PATHLEN", "allows 0 CAs below it, and there are 1"), agrees),
		one("ca-pathlen-kept", "a root with path length 1 above a sub-CA", in(func(w *world) (*dir, []*cert) {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", pathLen(1))
			ca := w.ca(root, "/DC=org/DC=corpus/CN=Deep CA")
			return knows().anchor(root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees),
		one("ca-pathlen-file", "a path length broken by a sub-CA in the file", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Odd CA", pathLen(0))
			deep := w.ca(ca, "/DC=org/DC=corpus/CN=Deep CA")
			return knows().anchor(w.root, inside).anchor(ca, inside).text(hash(deep)+".signing_policy", policy(slash(deep), inside)),
				append(w.below(w.eec(deep, janeName), full), deep)
		}), no("CHAIN-PATHLEN", "allows 0 CAs below it, and there are 1"), agrees),
		one("ca-pathlen-rollover", "a CA's own new key does not count for the path length", in(func(w *world) (*dir, []*cert) {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", pathLen(0))
			newer := w.ca(root, "/DC=org/DC=corpus/CN=Odd Root", pathLen(0))
			return knows().anchor(root, inside), append(w.below(w.eec(newer, janeName), full), newer)
		}), yes("rfc"), agrees),
		one("ca-spoilt", "a sub-CA whose signature was changed", underCA(spoilt), no("CHAIN-SIGNATURE", "CN=Odd CA is not by the key of"), agrees),
		one("ca-spoilt-root", "a root whose own signature is wrong, which nobody needs", underRoot(spoilt), yes("rfc"), agrees),
		one("ca-eec-spoilt", "a user certificate whose signature was changed", by(spoilt), no("CHAIN-SIGNATURE", "is not by the key of "+subName), agrees),
		one("ca-eec-algorithms", "a user certificate with two signature algorithms", by(claiming(rsaSHA256)), broken("inner and outer signature algorithm"), agrees),
		one("ca-eec-v1", "a user certificate of version 1", by(bare, version(0)), yes("rfc"), agrees),
		one("ca-eec-v1-extensions", "a user certificate of version 1 with extensions, which only version 3 has", by(version(0)), yes("rfc"), agrees),
		one("ca-eec-generalized", "GeneralizedTime where UTCTime should be", by(func(s *spec) { s.general = true }), yes("rfc"), agrees),
		one("ca-eec-no-end", "the end that means none, 99991231235959Z", by(func(s *spec) { s.to = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }), yes("rfc").until("proxy certificate"), agrees),
		one("ca-eec-bare", "a user certificate without extensions", by(bare), yes("rfc"), agrees),
		one("ca-eec-unknown", "a user certificate of an unknown CA", func(w *world) made {
			return w.chain(w.below(w.eec(w.ca(nil, "/DC=org/DC=elsewhere/CN=CA"), janeName), full)...)
		}, no("CA-MISSING", "no trust anchor for issuer /DC=org/DC=elsewhere/CN=CA"), agrees),
		one("ca-eec-self-signed", "a self-signed user certificate that nobody knows", func(w *world) made {
			eec := w.eec(w.jane, janeName, holding(w.jane.key), without(idAuthorityKeyID))
			return w.chain(w.proxy(eec), eec)
		}, no("CA-MISSING", "self-signed certificate"), agrees),
		one("ca-eec-anchor", "a self-signed user certificate in the trust directory, which no CA vouches for", in(func(w *world) (*dir, []*cert) {
			eec := w.eec(w.jane, janeName, holding(w.jane.key), without(idAuthorityKeyID))
			return knows().anchor(eec, "*"), w.below(eec, full)
		}), no("CHAIN-NOTCA", "is self-signed"), differs("it takes whatever is in the directory for a root")),
		one("ca-eec-anchor-signs", "a self-signed certificate in the trust directory that is no CA, and signed another", in(func(w *world) (*dir, []*cert) {
			eec := w.eec(w.jane, janeName, holding(w.jane.key), without(idAuthorityKeyID))
			return knows().anchor(eec, "*"), []*cert{w.eec(eec, joeName)}
		}), no("CHAIN-NOTCA", "is not that of a CA"), agrees),
		one("ca-serial-zero", "a user certificate with serial number 0", by(serial(0)), yes("rfc"), agrees),
		one("ca-serial-negative", "a negative serial number, which RFC 5280 forbids CAs and wants everybody else to be prepared for", by(serial(0xff)), yes("rfc"), agrees),
		one("ca-serial-huge", "a serial number of 30 octets", by(serial(slices.Repeat([]byte{0x41}, 30)...)), yes("rfc"), agrees),
		one("ca-serial-padded", "a serial number with a superfluous zero", by(serial(0, 5)), broken("malformed serial number"), agrees),
		one("ca-key-id-by-name", "a user certificate that names its CA's certificate by issuer and another serial number", by(with(ext{idAuthorityKeyID, false,
			sequence(element(0xa1, element(0xa4, name(rootName))), element(0x82, []byte{77}))})), otherKey, agrees),
		one("ca-key-id-by-name-other", "a user certificate that names its CA's certificate by another issuer", by(with(ext{idAuthorityKeyID, false,
			sequence(element(0xa1, element(0xa4, name("/CN=x"))), element(0x82, []byte{77}))})), otherKey, agrees),
		one("ca-key-id-by-name-right", "a user certificate that names its CA's certificate rightly", func(w *world) made {
			id := ext{idAuthorityKeyID, false, sequence(element(0x80, w.sub.key.id()), element(0xa1, element(0xa4, w.sub.issuer)), element(0x82, w.sub.serial))}
			return w.chain(w.below(w.eec(w.sub, janeName, with(id)), full)...)
		}, yes("rfc"), agrees),
		one("ca-mail-only", "a user certificate for e-mail only, whose extendedKeyUsage no grid software looks at", by(with(ext{idExtKeyUsage, true, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 4))})), yes("rfc"), agrees),
		one("ca-usage-server", "extendedKeyUsage on a sub-CA, for servers only", underCA(with(ext{idExtKeyUsage, false, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1))})), yes("rfc"), agrees),
		one("ca-netscape-server", "nsCertType of a server on a user certificate", by(with(ext{idNetscapeCertType, false, []byte{3, 2, 6, 0x40}})), yes("rfc"), agrees),
		one("ca-empty-subject", "a user certificate with an empty subject", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			return knows().anchor(ca, "*"), w.below(w.eec(ca, janeName, subject(sequence())), full)
		}), no("CHAIN-PROXY", "by a certificate without a name"), agrees),
		one("ca-key-id", "a user certificate that names another key of its CA", by(with(authorityKeyID(rsaTwo()))), otherKey, agrees),
		one("ca-key-id-none", "a user certificate that names no key", by(without(idAuthorityKeyID)), yes("rfc"), agrees),
		one("ca-key-id-ca-none", "a CA without a key identifier, and a user certificate that names one", underCA(without(idSubjectKeyID)), yes("rfc"), agrees),
		one("ca-key-id-sub", "a sub-CA that names another key of the root", underCA(with(authorityKeyID(rsaTwo()))), otherKey, agrees),
		one("ca-server", "a host certificate for servers only, whatever its extendedKeyUsage", by(with(ext{idExtKeyUsage, true, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1))})), yes("rfc"), agrees),
	}
}

func constraintCases() []entry {
	// tree is a permitted [0] or excluded [1] directory name.
	tree := func(tag cbasn1.Tag, slash string) []byte { return element(tag, sequence(element(0xa4, name(slash)))) }
	constrained := func(critical bool, parts ...[]byte) change {
		return with(ext{idNameConstraints, critical, sequence(parts...)})
	}
	within := no("CHAIN-NAMES", "do not let it vouch for")
	withMail := func(constraints change, address string) func(*world) made {
		return in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Odd CA", constraints)
			return knows().anchor(w.root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName, with(altName(element(0x81, []byte(address))))), full)
		})
	}
	withURI := func(constraints change, uri string) func(*world) made {
		return in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Odd CA", constraints)
			return knows().anchor(w.root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName, with(altName(element(0x86, []byte(uri))))), full)
		})
	}
	uriTree := func(tag cbasn1.Tag, base string) []byte { return element(tag, sequence(element(0x86, []byte(base)))) }
	mail := func(domain string) []byte { return element(0xa0, sequence(element(0x81, []byte(domain)))) }
	return []entry{
		one("constraint-permitted", "name constraints that permit the user", underCA(constrained(true, tree(0xa0, "/DC=org/DC=corpus"))), yes("rfc"), agrees),
		one("constraint-not-permitted", "name constraints that permit others", underCA(constrained(true, tree(0xa0, "/DC=org/DC=elsewhere"))), within, agrees),
		one("constraint-soft", "name constraints bind though they are not critical", underCA(constrained(false, tree(0xa0, "/DC=org/DC=elsewhere"))), within, agrees),
		one("constraint-excluded", "name constraints that exclude the user", underCA(constrained(true, tree(0xa1, "/DC=org/DC=corpus/OU=people"))), within, agrees),
		one("constraint-excluded-others", "name constraints that exclude others", underCA(constrained(true, tree(0xa1, "/DC=org/DC=corpus/OU=hosts"))), yes("rfc"), agrees),
		one("constraint-both", "permitted, but excluded further down", underCA(constrained(true, tree(0xa0, "/DC=org"), tree(0xa1, "/DC=org/DC=corpus/OU=people/CN=Jane Doe"))), within, agrees),
		one("constraint-case", "name constraints in other case and string types", underCA(constrained(true, tree(0xa0, "/DC=ORG/DC=Corpus"))), yes("rfc"), agrees),
		one("constraint-half", "a base that ends within a value", underCA(constrained(true, tree(0xa0, "/DC=org/DC=corp"))), within, agrees),
		one("constraint-root", "constraints of the root bind below its sub-CA", in(func(w *world) (*dir, []*cert) {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", constrained(true, tree(0xa1, "/DC=org/DC=corpus/OU=people")))
			ca := w.ca(root, "/DC=org/DC=corpus/CN=Deep CA")
			return knows().anchor(root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), within, agrees),
		one("constraint-mail", "an e-mail address within", withMail(constrained(true, mail("example.org")), "jane@example.org"), yes("rfc"), agrees),
		one("constraint-mail-outside", "an e-mail address outside", withMail(constrained(true, mail("example.org")), "jane@example.com"), within, agrees),
		one("constraint-other-form", "constraints on names that the certificate has none of", withMail(constrained(true, element(0xa0, sequence(element(0x82, []byte("example.org"))))), "jane@example.com"), yes("rfc"), agrees),
		one("constraint-uri", "a URI of a host within", withURI(constrained(true, uriTree(0xa0, "www.example.org")), "http://www.example.org/jane"), yes("rfc"), agrees),
		one("constraint-uri-domain", "a URI of a host of the domain", withURI(constrained(true, uriTree(0xa0, ".example.org")), "http://www.example.org:8080/"), yes("rfc"), agrees),
		one("constraint-uri-outside", "a URI of another host", withURI(constrained(true, uriTree(0xa0, ".example.org")), "http://www.example.com/"), within, agrees),
		one("constraint-uri-itself", "the domain itself is not one of its hosts", withURI(constrained(true, uriTree(0xa0, ".example.org")), "http://example.org/"), within, agrees),
		one("constraint-uri-excluded", "a URI of an excluded domain", withURI(constrained(true, uriTree(0xa1, ".example.org")), "http://www.example.org/"), within, agrees),
		one("constraint-uri-none", "a URI without a host", withURI(constrained(true, uriTree(0xa0, ".example.org")), "urn:x:y"), within, agrees),
		one("constraint-malformed", "name constraints that are none", underCA(constrained(true, []byte{5, 0})), no("CHAIN-MALFORMED", "the name constraints of the CA certificate"), agrees),
	}
}

func criticalCases() []entry {
	return []entry{
		one("critical-ca", "an unknown critical extension of a CA", underCA(with(unknown(true))), no("CHAIN-CRITICAL", "the CA certificate"), agrees),
		one("critical-root", "an unknown critical extension of a root", underRoot(with(unknown(true))), no("CHAIN-CRITICAL", "the CA certificate"), agrees),
		one("critical-ca-unimportant", "an unknown extension of a CA", underCA(with(unknown(false))), yes("rfc"), agrees),
		one("critical-eec", "an unknown critical extension of a user certificate", by(with(unknown(true))), no("CHAIN-CRITICAL", "the user certificate"), agrees),
		one("critical-eec-unimportant", "an unknown extension of a user certificate", by(with(unknown(false))), yes("rfc"), agrees),
		one("critical-policies", "critical certificatePolicies of a user certificate", by(with(anyPolicy(true))), yes("rfc"), agrees),
		one("critical-san", "a critical subjectAltName of a user certificate", by(with(ext{idSubjectAltName, true, altName(element(0x81, []byte("jane@example.org"))).value})), yes("rfc"), agrees),
		one("critical-policy-constraints", "critical policyConstraints of a CA", underCA(with(ext{idPolicyConstraint, true, sequence(element(0x80, []byte{5}))})), no("CHAIN-CRITICAL", "2.5.29.36"), differs("it handles certificate policies")),
		one("critical-policy-mappings", "critical policyMappings of a CA", underCA(with(ext{[]int{2, 5, 29, 33}, true, sequence(sequence(oid(1, 2, 3, 4), oid(1, 2, 3, 5)))})),
			no("CHAIN-CRITICAL", "2.5.29.33"), differs("it handles certificate policies")),
		one("critical-crl-points", "critical cRLDistributionPoints of a user certificate", by(with(ext{idCRLPoints, true, sequence(sequence(element(0xa0, element(0xa0, uri("http://example.org/crl")))))})),
			no("CHAIN-CRITICAL", "2.5.29.31"), differs("it handles distribution points")),
		one("critical-inhibit-any", "critical inhibitAnyPolicy of a CA", underCA(with(ext{idInhibitAny, true, integer(0)})), no("CHAIN-CRITICAL", "2.5.29.54"), differs("it handles certificate policies")),
		one("critical-netscape", "a critical nsCertType of a user certificate", by(with(ext{idNetscapeCertType, true, []byte{3, 2, 7, 0x80}})), yes("rfc"), agrees),
		one("critical-ski", "a critical subjectKeyIdentifier, which RFC 5280 forbids", by(func(s *spec) {
			e := subjectKeyID(s.key)
			e.critical = true
			with(e)(s)
		}), broken("incorrectly marked critical"), agrees),
		one("critical-pci-eec", "ProxyCertInfo on a certificate that a CA signed", func(w *world) made {
			return w.chain(w.eec(w.sub, janeName, with(certInfo(nil, langAll))))
		}, no("CHAIN-INCOMPLETE", "is not with it"), agrees),
	}
}

func strengthCases() []entry {
	hash := func(algorithm string) Want { return no("CA-SHA1", "is signed with "+algorithm) }
	bits := func(n string) Want { return no("PROXY-BITS", "has an RSA key of "+n+" bits") }
	rsaCA := func(a *algorithm, changes ...change) func(*world) made {
		return in(func(w *world) (*dir, []*cert) {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=RSA CA", holding(rsaTwo()))
			return knows().anchor(w.root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName, append(changes, signedWith(a))...), full)
		})
	}
	signsProxy := func(k *key, a *algorithm) func(*world) made {
		return func(w *world) made {
			eec := w.eec(w.sub, janeName, holding(k))
			return w.chain(w.proxy(eec, signedWith(a)), eec)
		}
	}
	oldRoot := func(a *algorithm) func(*world) made { return underRoot(holding(rsaTwo()), signedWith(a), selfSigned) }
	oldCA := func(w *world) (*dir, []*cert) {
		root := w.ca(nil, "/DC=org/DC=corpus/CN=RSA Root", holding(rsaOne()), selfSigned)
		ca := w.ca(root, "/DC=org/DC=corpus/CN=Odd CA", signedWith(rsaSHA1))
		return knows().anchor(root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
	}
	return []entry{
		one("strength-root-sha1", "a root that signed itself with SHA-1", oldRoot(rsaSHA1), yes("rfc"), agrees),
		one("strength-root-md5", "a root that signed itself with MD5", oldRoot(rsaMD5), yes("rfc"), agrees),
		one("strength-ca-sha1", "a sub-CA signed with SHA-1", in(oldCA), hash("SHA1-RSA"), differs(noStrength)),
		one("strength-ca-sha1-weak", "the same where weak signatures are allowed", in(oldCA), yes("rfc"), agrees, weak),
		one("strength-eec-sha1", "a user certificate signed with SHA-1", rsaCA(rsaSHA1), hash("SHA1-RSA"), differs(noStrength)),
		one("strength-eec-sha1-weak", "the same where weak signatures are allowed", rsaCA(rsaSHA1), yes("rfc"), agrees, weak),
		one("strength-eec-md5", "a user certificate signed with MD5", rsaCA(rsaMD5), hash("MD5-RSA"), differs(noStrength)),
		one("strength-eec-md5-weak", "the same where weak signatures are allowed", rsaCA(rsaMD5), yes("rfc"), agrees, weak),
		one("strength-eec-md5-spoilt", "the same with a wrong signature", rsaCA(rsaMD5, spoilt), no("CHAIN-SIGNATURE", "is not by the key of"), agrees, weak),
		one("strength-proxy-sha1", "a proxy signed with SHA-1", signsProxy(rsaTwo(), rsaSHA1), hash("SHA1-RSA"), differs(noStrength)),
		one("strength-proxy-sha1-weak", "the same where weak signatures are allowed", signsProxy(rsaTwo(), rsaSHA1), yes("rfc"), agrees, weak),
		one("strength-proxy-ecdsa-sha1", "a proxy signed with ECDSA and SHA-1", under(signedWith(ecdsaSHA1)), hash("ECDSA-SHA1"), differs(noStrength)),
		one("strength-proxy-md5", "a proxy signed with MD5, as GT2 did", signsProxy(rsaTwo(), rsaMD5), hash("MD5-RSA"), differs(noStrength)),
		one("strength-proxy-md5-weak", "the same where weak signatures are allowed", signsProxy(rsaTwo(), rsaMD5), yes("rfc"), agrees, weak),
		one("strength-sha384", "SHA-384", rsaCA(rsaSHA384), yes("rfc"), agrees),
		one("strength-sha512", "SHA-512", rsaCA(rsaSHA512), yes("rfc"), agrees),
		one("strength-pss", "RSASSA-PSS", rsaCA(rsaPSS), yes("rfc"), agrees),
		one("strength-proxy-1024", "a proxy with an RSA key of 1024 bits", under(holding(rsaShort())), bits("1024"), differs(noStrength)),
		one("strength-proxy-1024-weak", "the same where weak keys are allowed", under(holding(rsaShort())), yes("rfc"), agrees, weak),
		one("strength-proxy-512", "a proxy with an RSA key of 512 bits, as grid-proxy-init made them once", under(holding(rsa512())), bits("512"), differs(noStrength)),
		one("strength-proxy-512-weak", "the same where weak keys are allowed", under(holding(rsa512())), yes("rfc"), agrees, weak),
		one("strength-signed-512", "a proxy signed by a proxy with an RSA key of 512 bits", under(holding(rsa512()), full), bits("512"), differs(noStrength)),
		one("strength-signed-512-weak", "the same where weak keys are allowed", under(holding(rsa512()), full), yes("rfc"), agrees, weak),
		one("strength-signed-512-md5-weak", "the same with MD5, as GT2 did", under(holding(rsa512()), signedWith(rsaMD5)), yes("rfc"), agrees, weak),
		one("strength-signed-512-spoilt", "the same with a wrong signature", under(holding(rsa512()), spoilt), no("CHAIN-SIGNATURE", "is not by the key of"), agrees, weak),
		one("strength-signed-512-other", "a signature by another key of 512 bits", under(holding(rsa512()), signedBy(rsa512())), no("CHAIN-SIGNATURE", "is not by the key of"), agrees, weak),
		one("strength-chain-512-weak", "512 bits for user and proxies where weak keys are allowed", func(w *world) made {
			return w.chain(w.below(w.eec(w.sub, janeName, holding(rsa512())), holding(rsa512()), holding(rsa512()))...)
		}, yes("rfc"), agrees, weak),
		one("strength-chain-1024", "1024 bits for user and proxies", func(w *world) made {
			return w.chain(w.below(w.eec(w.sub, janeName, holding(rsaShort())), holding(rsaShort()), holding(rsaShort()))...)
		}, bits("1024"), differs(noStrength)),
		one("strength-chain-1024-weak", "the same where weak keys are allowed", func(w *world) made {
			return w.chain(w.below(w.eec(w.sub, janeName, holding(rsaShort())), holding(rsaShort()), holding(rsaShort()))...)
		}, yes("rfc"), agrees, weak),
		one("strength-chain-1024-sha1-weak", "1024 bits and SHA-1, as in 2008", func(w *world) made {
			return w.chain(w.below(w.eec(w.sub, janeName, holding(rsaShort())), both(holding(rsaShort()), signedWith(rsaSHA1)), both(holding(rsaShort()), signedWith(rsaSHA1)))...)
		}, yes("rfc"), agrees, weak),
		one("strength-ca-512-weak", "a root with an RSA key of 512 bits where weak keys are allowed", underRoot(holding(rsa512()), selfSigned), yes("rfc"), agrees, weak),
		one("strength-ca-512", "the same where they are not", underRoot(holding(rsa512()), selfSigned), bits("512"), differs(noStrength)),
		one("strength-eec-1024", "a user certificate with an RSA key of 1024 bits", by(holding(rsaShort())), bits("1024"), differs(noStrength)),
		one("strength-eec-1024-weak", "the same where weak keys are allowed", by(holding(rsaShort())), yes("rfc"), agrees, weak),
		one("strength-ca-1024", "a sub-CA with an RSA key of 1024 bits", underCA(holding(rsaShort())), bits("1024"), differs(noStrength)),
		one("strength-root-1024", "a root with an RSA key of 1024 bits", underRoot(holding(rsaShort()), selfSigned), bits("1024"), differs(noStrength)),
		one("strength-root-1024-weak", "the same where weak keys are allowed", underRoot(holding(rsaShort()), selfSigned), yes("rfc"), agrees, weak),
		one("strength-2047", "one bit too few", func(w *world) made { return w.file(blocks(w.eec(w.sub, janeName, holding(rsaOf(2047))))) }, bits("2047"), differs(noStrength)),
		one("strength-2048", "just enough bits", func(w *world) made { return w.file(blocks(w.eec(w.sub, janeName, holding(rsaOf(2048))))) }, yes("eec"), agrees),
		one("strength-512", "an RSA key of 512 bits", func(w *world) made { return w.file(blocks(w.eec(w.sub, janeName, holding(rsaOf(512))))) }, bits("512"), differs(noStrength)),
		one("strength-8192", "an RSA key of 8192 bits, as two IGTF roots have", func(w *world) made { return w.file(blocks(w.eec(w.sub, janeName, holding(rsaOf(8192))))) }, yes("eec"), agrees),
		one("strength-p384", "keys on P-384", by(holding(ec(elliptic.P384()))), yes("rfc"), agrees),
		one("strength-p521", "keys on P-521", by(holding(ec(elliptic.P521()))), yes("rfc"), agrees),
		one("strength-ecdsa-sha512", "ECDSA with SHA-512", under(signedWith(ecdsaSHA512)), yes("rfc"), agrees),
		one("strength-ed25519-ca", "a CA with an Ed25519 key", underCA(holding(ed())), yes("rfc"), agrees),
	}
}

// selfSigned has a CA that was given another key sign itself with that.
func selfSigned(s *spec) { s.signer = s.key }

// stored is a proxy of a root of that name, which stands in the directory as put has it.
func stored(put func(d *dir, ca *cert)) func(*world) made {
	return in(func(w *world) (*dir, []*cert) {
		ca := w.ca(nil, oddRoot)
		d := knows().text(hash(ca)+".signing_policy", policy(slash(ca), inside))
		put(d, ca)
		return d, w.below(w.eec(ca, janeName), full)
	})
}

const oddRoot = "/DC=org/DC=corpus/CN=Odd Root"

// notStored is the verdict where that root is not found.
var notStored = no("CA-MISSING", "no trust anchor for issuer "+oddRoot)

func anchorCases() []entry {
	block := func(label string, c *cert) []byte { return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: c.der}) }
	return []entry{
		one("anchor-old-hash", "a CA under the old hash only", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			return knows().anchorAt(oldHash(ca), ca, []string{inside}), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), differs(onlyNewHash)),
		one("anchor-text", "text around the certificate", stored(func(d *dir, ca *cert) {
			d.put(hash(ca)+".0", blocks("Certificate:\n    Data: of Odd Root\n", ca, "the end\n"))
		}), yes("rfc"), agrees),
		one("anchor-x509", "a block called X509 CERTIFICATE", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", block("X509 CERTIFICATE", ca)) }), yes("rfc"), agrees),
		one("anchor-der", "a certificate in DER", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", ca.der) }), yes("rfc"), differs("it reads PEM only in a directory")),
		one("anchor-crlf", "a certificate with CRLF", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", crlf(ca.pem())) }), yes("rfc"), agrees),
		one("anchor-second", "the CA at .1 behind another one of the same hash", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			return knows().put(hash(ca)+".0", w.root.pem()).put(hash(ca)+".1", ca.pem()).text(hash(ca)+".signing_policy", policy(slash(ca), inside)), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees),
		one("anchor-gap", "the CA at .1 where there is no .0", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".1", ca.pem()) }), yes("rfc"), differs("it stops at the first number that is missing")),
		one("anchor-broken-first", "a broken file at .0, the CA at .1", stored(func(d *dir, ca *cert) { d.text(hash(ca)+".0", "rubbish\n").put(hash(ca)+".1", ca.pem()) }), yes("rfc"), differs("it stops at the broken file")),
		one("anchor-two-in-file", "two CAs in one file", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			return knows().put(hash(ca)+".0", blocks(w.root, ca)).text(hash(ca)+".signing_policy", policy(slash(ca), inside)), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees),
		one("anchor-other", "another CA's certificate under this one's hash", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			return knows().put(hash(ca)+".0", w.root.pem()).text(hash(ca)+".signing_policy", policy(slash(ca), inside)), w.below(w.eec(ca, janeName), full)
		}), notStored, agrees),
		one("anchor-same-name", "a CA of the same name with another key", stored(func(d *dir, ca *cert) {
			d.put(hash(ca)+".0", newWorldCA(ca).pem())
		}), no("CHAIN-SIGNATURE", "is not by the key of"), agrees),
		one("anchor-name-wrong", "a CA with an underscore in a PrintableString", in(func(w *world) (*dir, []*cert) {
			odd := rawName(name("/DC=org/DC=corpus"), cn(cbasn1.PrintableString, "Odd_Root"))
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", subject(odd))
			return knows().anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees),
		one("anchor-garbage", "a file that is no certificate", stored(func(d *dir, ca *cert) {
			d.text(hash(ca)+".0", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}), notStored, agrees),
		one("anchor-empty-directory", "an empty trust directory", in(func(w *world) (*dir, []*cert) { return knows(), w.below(w.jane, full) }), no("CA-MISSING", "no trust anchor for issuer "+subName), agrees),
		one("anchor-pem-name", "a CA that no hash leads to", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			return knows().put("odd.pem", ca.pem()), w.below(w.eec(ca, janeName), full)
		}), notStored, agrees),
	}
}

// newWorldCA is a CA of the same name with a key of its own.
func newWorldCA(ca *cert) *cert {
	s := ca.spec
	s.key = ec(elliptic.P256())
	s.signer = s.key
	return s.change([]change{holding(s.key)}).sign()
}

func crlf(data []byte) []byte {
	var out []byte
	for _, c := range data {
		if c == '\n' {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
