package cases

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const noACs = "it knows no attribute certificates"

var (
	// alice is an RFC 3820 proxy of Jane's with what the VO's server says unless told otherwise.
	alice    = yes("rfc").vo("alice").fqans("/alice/Role=lcgadmin", "/alice")
	blind    = differs(noACs)
	nickname = [3]string{"nickname", "jdoe", "alice"}
)

func voCases() []entry {
	return slices.Concat(acPlaces(), acHolders(), acTimes(), acSigners(), acForgeries(), acExtensions(), acFQANs(), acLSCs(), acStructures())
}

func acPlaces() []entry {
	inside := func(above, below change) func(*world) made {
		return func(w *world) made {
			p := w.proxy(w.jane, both(above, bodily("7"), carrying(w.ac(w.jane))))
			return w.chain(w.proxy(p, below, bodily("8")), p, w.jane)
		}
	}
	bob := func(w *world) []byte { return w.ac(w.jane, as("bob://"+vomsHost+":15001"), saying("/bob")) }
	twoVOs := func(w *world) *dir { return w.vomsDir.and().lsc("bob", vomsHost, vomsName, subName) }
	return []entry{
		one("ac-one", "an AC as vomsd makes it", attested(), alice, agrees),
		one("ac-none", "a proxy without an AC", under(full), yes("rfc"), agrees),
		one("ac-above", "the AC one proxy further up", inside(full, full), alice, agrees),
		one("ac-limited", "the AC in a limited proxy", func(w *world) made { return w.chain(w.proxy(w.jane, limited, carrying(w.ac(w.jane))), w.jane) }, alice.limited(), agrees),
		one("ac-limited-below", "a limited proxy below the AC", inside(full, limited), alice.limited(), agrees),
		one("ac-legacy", "the AC in a legacy proxy", func(w *world) made { return w.chain(w.proxy(w.jane, legacy, carrying(w.ac(w.jane))), w.jane) },
			yes("legacy").vo("alice").fqans("/alice/Role=lcgadmin", "/alice"), differs(onlyRFC)),
		one("ac-draft", "the AC in a draft proxy", func(w *world) made { return w.chain(w.proxy(w.jane, draftProxy, carrying(w.ac(w.jane))), w.jane) },
			yes("draft").vo("alice").fqans("/alice/Role=lcgadmin", "/alice"), differs(onlyRFC)),
		one("ac-hides", "the AC nearest to the leaf hides those further up", func(w *world) made {
			p := w.proxy(w.jane, carrying(w.ac(w.jane)))
			return w.chain(w.proxy(p, carrying(w.ac(w.jane, saying("/alice/sub")))), p, w.jane)
		}, yes("rfc").vo("alice").fqans("/alice/sub"), agrees),
		one("ac-two-vos", "ACs of two VOs", func(w *world) made { return w.voFile(w.ac(w.jane), bob(w)).withVOMS(twoVOs(w)) },
			yes("rfc").vo("alice", "bob").fqans("/alice/Role=lcgadmin", "/alice", "/bob"), agrees),
		one("ac-two-one-forged", "a good AC and a forged one", func(w *world) made {
			return w.voFile(w.ac(w.jane), w.ac(w.jane, as("bob://"+vomsHost+":15001"), saying("/bob"), func(a *attr) { a.spoil = true })).withVOMS(twoVOs(w))
		}, forged("VO-AC", "is not signed by").vo("alice").fqans("/alice/Role=lcgadmin", "/alice"), blind),
		one("ac-two-first-forged", "a forged AC and a good one", func(w *world) made {
			return w.voFile(w.ac(w.jane, func(a *attr) { a.spoil = true }), bob(w)).withVOMS(twoVOs(w))
		}, forged("VO-AC", "is not signed by").vo("bob").fqans("/bob"), blind),
		one("ac-two-sequences", "two ACs in two inner sequences, as the profile's ASN.1 would allow", func(w *world) made {
			value := sequence(sequence(w.ac(w.jane)), sequence(bob(w)))
			return w.chain(w.proxy(w.jane, with(ext{idACSequence, false, value})), w.jane).withVOMS(twoVOs(w))
		}, yes("rfc").vo("alice", "bob").fqans("/alice/Role=lcgadmin", "/alice", "/bob"), agrees),
		one("ac-critical", "the extension marked critical", func(w *world) made {
			return w.chain(w.proxy(w.jane, with(ext{idACSequence, true, sequence(sequence(w.ac(w.jane)))})), w.jane)
		}, no("CHAIN-CRITICAL", "1.3.6.1.4.1.8005.100.100.5"), agrees),
		one("ac-independent-above", "an independent proxy does not inherit the attributes above it", inside(full, independent), yes("rfc").of(janeName+"/CN=7/CN=8"), agrees),
		one("ac-independent", "Jane's AC in an independent proxy, which is not Jane", func(w *world) made {
			return w.chain(w.proxy(w.jane, independent, bodily("8"), carrying(w.ac(w.jane))), w.jane)
		}, forged("VO-HOLDER", "is about "+janeName).of(janeName+"/CN=8"), blind),
		one("ac-independent-below", "Jane's AC in a proxy below an independent one", func(w *world) made {
			p := w.proxy(w.jane, independent, bodily("8"))
			return w.chain(w.proxy(p, carrying(w.ac(w.jane))), p, w.jane)
		}, forged("VO-HOLDER", "is about "+janeName).of(janeName+"/CN=8"), blind),
		one("ac-independent-own", "an AC about the independent proxy itself, which no VOMS server makes", func(w *world) made {
			p := w.proxy(w.jane, independent, bodily("8"))
			return w.chain(w.proxy(p, carrying(w.ac(p))), p, w.jane)
		}, alice.of(janeName+"/CN=8"), agrees),
		one("ac-independent-serial", "an independent proxy with the serial number of Jane's certificate, so that her AC would be about it by issuer", func(w *world) made {
			p := w.proxy(w.jane, independent, bodily("8"), serial(w.jane.serial...))
			return w.chain(w.proxy(p, carrying(w.ac(w.jane))), p, w.jane)
		}, forged("VO-HOLDER", "is about "+janeName).of(janeName+"/CN=8"), blind),
		one("ac-bad-chain", "a good AC in a proxy that does not verify", func(w *world) made {
			return w.chain(w.proxy(w.jane, carrying(w.ac(w.jane)), spoilt), w.jane)
		}, no("CHAIN-SIGNATURE", "is not by the key of"), agrees),
	}
}

func acHolders() []entry {
	stranger := forged("VO-HOLDER", "is about")
	return []entry{
		one("holder-subject", "the holder by subject, as vomsd and IAM write it", attested(), alice, agrees),
		one("holder-issuer", "the holder by issuer, as RFC 5755 wants and vomsd -newformat writes", func(w *world) made {
			return w.voFile(w.ac(w.jane, about(w.sub.subject, w.jane.serial)))
		}, alice, agrees),
		one("holder-copied", "Joe's AC in Jane's proxy", func(w *world) made { return w.voFile(w.ac(w.joe)) }, stranger, blind),
		one("holder-copied-issuer", "Joe's AC in Jane's proxy, the holder by issuer", func(w *world) made {
			return w.voFile(w.ac(w.jane, about(w.sub.subject, w.joe.serial)))
		}, stranger, blind),
		one("holder-serial", "the right name and another serial number", func(w *world) made {
			return w.voFile(w.ac(w.jane, about(w.jane.subject, serialOf(4711))))
		}, stranger, blind),
		one("holder-renewed", "an AC about Jane's certificate before the present one", func(w *world) made {
			older := w.eec(w.sub, janeName)
			return w.voFile(w.ac(older))
		}, stranger, blind),
		one("holder-name", "the right serial number and another name", func(w *world) made {
			return w.voFile(w.ac(w.jane, about(w.joe.subject, w.jane.serial)))
		}, stranger, blind),
		one("holder-root", "the right serial number and another CA as issuer", func(w *world) made {
			return w.voFile(w.ac(w.jane, about(w.root.subject, w.jane.serial)))
		}, stranger, blind),
		one("holder-proxy", "an AC about the proxy, not about the user", func(w *world) made {
			p := w.proxy(w.jane)
			return w.chain(w.proxy(p, carrying(w.ac(p))), p, w.jane)
		}, stranger, blind),
		one("holder-recoded", "the holder's name in other string types and case", func(w *world) made {
			recoded := rawName(name("/DC=org/DC=corpus"), oneRDN(part{idOU, cbasn1.UTF8String, "People"}), cn(cbasn1.T61String, "jane doe"))
			return w.voFile(w.ac(w.jane, about(recoded, w.jane.serial)))
		}, alice, agrees),
		one("holder-entity", "the holder by entityName, which VOMS never writes", func(w *world) made {
			return w.voFile(w.ac(w.jane, func(a *attr) { a.holder = element(0xa1, element(0xa4, w.jane.subject)) }))
		}, forged("", "the holder is not a baseCertificateID"), blind),
		one("holder-two", "a holder of two names", func(w *world) made {
			return w.voFile(w.ac(w.jane, func(a *attr) {
				a.holder = element(0xa0, sequence(element(0xa4, w.joe.subject), element(0xa4, w.jane.subject)), element(cbasn1.INTEGER, w.jane.serial))
			}))
		}, forged("", "the holder is not a baseCertificateID"), blind),
	}
}

func acTimes() []entry {
	lasting := func(from, to time.Duration) func(*world) made {
		return func(w *world) made { return w.voFile(w.ac(w.jane, w.lasting(from, to))) }
	}
	return []entry{
		one("actime-expired", "an expired AC in a proxy that is not", lasting(-24*time.Hour, -time.Hour), forged("VO-EXPIRED", "expired on"), blind),
		one("actime-skew", "an AC that expired four minutes ago", lasting(-time.Hour, -4*time.Minute), alice, agrees),
		one("actime-beyond-skew", "an AC that expired six minutes ago", lasting(-time.Hour, -6*time.Minute), forged("VO-EXPIRED", "expired on"), blind),
		one("actime-begins", "an AC that begins in four minutes", lasting(4*time.Minute, time.Hour), alice, agrees),
		one("actime-future", "an AC that begins in six minutes", lasting(6*time.Minute, time.Hour), forged("VO-EXPIRED", "is not valid before"), blind),
		one("actime-backwards", "an AC that ends before it begins", lasting(3*time.Minute, 2*time.Minute), forged("VO-EXPIRED", "ends before it begins"), blind),
		one("actime-long", "an AC that outlives the proxy", lasting(-time.Hour, 96*time.Hour), alice, agrees),
		one("actime-utc", "UTCTime, which RFC 5755 forbids", func(w *world) made {
			return w.voFile(w.ac(w.jane, func(a *attr) { a.from = moment(w.at) }))
		}, forged("", "not two GeneralizedTimes"), blind),
		one("actime-zone", "a time with a zone", func(w *world) made {
			return w.voFile(w.ac(w.jane, func(a *attr) {
				a.to = element(cbasn1.GeneralizedTime, []byte(w.at.Add(time.Hour).Format("20060102150405")+"+0100"))
			}))
		}, forged("", "not two GeneralizedTimes"), blind),
	}
}

func acSigners() []entry {
	server := func(changes ...change) func(*world) made {
		return attestedBy(func(w *world) (*cert, *dir) { return w.eec(w.sub, vomsName, changes...), nil })
	}
	does := func(why string) Want { return forged("VO-SIGNER", why) }
	return []entry{
		one("signer-ec", "a server with an EC key", server(), alice, agrees),
		one("signer-p384", "a server with a key on P-384", server(holding(ec(elliptic.P384()))), alice, agrees),
		one("signer-expired", "the server's certificate has expired", server(valid(0, -301*day)), does("expired on"), blind),
		one("signer-future", "the server's certificate is of next year", server(valid(365*day, 365*day)), does("is not valid before"), blind),
		one("signer-short", "the server has an RSA key of 1024 bits", server(holding(rsaShort())), does("1024 bits"), blind),
		one("signer-short-weak", "the same where weak keys are allowed", server(holding(rsaShort())), alice, agrees, weak),
		one("signer-tiny", "the server has an RSA key of 512 bits", server(holding(rsa512())), does("512 bits"), blind),
		one("signer-tiny-weak", "the same where weak keys are allowed", server(holding(rsa512())), alice, agrees, weak),
		one("signer-no-signature", "the server's key usage lacks digitalSignature", server(usage(x509.KeyUsageKeyEncipherment)), does("lacks digitalSignature"), blind),
		one("signer-empty-usage", "the server's key usage has no bit set", server(with(noUsage)), does("lacks digitalSignature"), blind),
		one("signer-no-usage", "the server's certificate has no key usage", server(noKeyUsage), alice, agrees),
		one("signer-is-ca", "the server's certificate is a CA's", server(with(basicConstraints(true, -1))), does("which is a CA certificate"), blind),
		one("signer-critical", "the server's certificate has an unknown critical extension", server(with(unknown(true))), does("1.3.6.1.4.1.99999.1"), blind),
		one("signer-proxy", "a proxy of the server's", func(w *world) made {
			p := w.proxy(w.voms, holding(rsaTwo()))
			return w.voFile(w.ac(w.jane, acBy(p, w.voms)))
		}, does("which is a proxy certificate"), blind),
		one("signer-unknown-ca", "the server's certificate is by a CA that nobody knows", attestedBy(func(w *world) (*cert, *dir) {
			ca := w.ca(nil, "/DC=org/DC=elsewhere/CN=CA")
			return w.eec(ca, vomsName), lscText("%s\n%s\n", vomsName, slash(ca))
		}), does("no trust anchor for issuer"), blind),
		one("signer-outside", "the CA's signing policy does not cover the server", attestedBy(func(w *world) (*cert, *dir) {
			c := w.eec(w.sub, "/DC=com/CN=voms.example.org")
			return c, lscText("%s\n%s\n", slash(c), subName)
		}), does("does not let"), blind),
		one("signer-revoked", "the server's certificate is revoked", func(w *world) made {
			return w.voFile(w.ac(w.jane)).in(w.trust.and().put(hash(w.sub)+".r0", w.revoking(w.sub, w.voms).pem()))
		}, does("was revoked on"), blind),
		one("signer-revoked-ignore", "the same where CRLs are ignored", func(w *world) made {
			return w.voFile(w.ac(w.jane)).in(w.trust.and().put(hash(w.sub)+".r0", w.revoking(w.sub, w.voms).pem()))
		}, alice, agrees, crls("ignore")),
		one("signer-chain", "the server's CAs come along with its certificate", func(w *world) made {
			return w.voFile(w.ac(w.jane, acBy(w.voms, w.sub, w.root)))
		}, alice, agrees),
		one("signer-chain-front", "the CAs stand in front of the server's certificate", func(w *world) made {
			return w.voFile(w.ac(w.jane, acWith(acCerts(w.sub, w.voms))))
		}, alice, agrees),
		one("signer-sub-in-ac", "the server's sub-CA comes with the AC only", func(w *world) made {
			ca := w.ca(w.root, "/DC=org/DC=corpus/CN=Hosts CA")
			server := w.eec(ca, vomsName)
			return w.voFile(w.ac(w.jane, acBy(server, ca))).withVOMS(lscText("%s\n%s\n", vomsName, slash(ca))).
				in(w.trust.and().text(hash(ca)+".signing_policy", policy(slash(ca), inside)))
		}, alice, agrees),
		one("signer-not-there", "the AC brings another certificate than its signer's", func(w *world) made {
			return w.voFile(w.ac(w.jane, acWith(acCerts(w.joe))))
		}, forged("VO-AC", "there is no certificate of that name with it"), blind),
	}
}

func acForgeries() []entry {
	sha1 := func(w *world) made { return w.voFile(w.ac(w.jane, acSigned(rsaSHA1))) }
	return []entry{
		one("forged-spoilt", "the signature was changed in one bit", attested(func(a *attr) { a.spoil = true }), forged("VO-AC", "is not signed by "+vomsName), blind),
		one("forged-content", "an FQAN was changed after signing", func(w *world) made {
			der := w.ac(w.jane, saying("/alice/Role=user1"))
			return w.voFile(bytes.Replace(der, []byte("Role=user1"), []byte("Role=admin"), 1))
		}, forged("VO-AC", "is not signed by "+vomsName), blind),
		one("forged-key", "another key signed, under the server's certificate", attested(func(a *attr) { a.signer = rsaTwo() }), forged("VO-AC", "is not signed by "+vomsName), blind),
		one("forged-by-user", "Jane signed herself an AC", func(w *world) made { return w.voFile(w.ac(w.jane, acBy(w.jane))) }, forged("VO-LSC", "signed by "+janeName), blind),
		one("forged-by-user-as-server", "Jane signed in the server's name, with her certificate", func(w *world) made {
			return w.voFile(w.ac(w.jane, acBy(w.jane), func(a *attr) { a.issuer = w.voms.subject }))
		}, forged("VO-AC", "there is no certificate of that name with it"), blind),
		one("forged-own-certificate", "a certificate in the server's name that Jane signed", func(w *world) made {
			return w.voFile(w.ac(w.jane, acBy(w.eec(w.jane, vomsName), w.jane)))
		}, forged("VO-SIGNER", "is no CA"), blind),
		one("forged-own-ca", "a certificate in the server's name by a CA in the CA's name", func(w *world) made {
			ca := w.ca(nil, subName)
			return w.voFile(w.ac(w.jane, acBy(w.eec(ca, vomsName), ca)))
		}, forged("VO-SIGNER", "is not by the key of "+subName), blind),
		one("forged-other-ca", "a certificate of the server's name by another CA that is trusted", attestedBy(func(w *world) (*cert, *dir) { return w.eec(w.root, vomsName), nil }),
			forged("VO-LSC", "issued by "+rootName), blind),
		one("forged-other-server", "another server's AC for this VO and host", func(w *world) made {
			return w.voFile(w.ac(w.jane, acBy(w.eec(w.sub, "/DC=org/DC=corpus/OU=hosts/CN=voms.bob.org")))).withVOMS(w.vomsDir.and().lsc("bob", "voms.bob.org", "/DC=org/DC=corpus/OU=hosts/CN=voms.bob.org", subName))
		}, forged("VO-LSC", "is not what"), blind),
		one("forged-other-host", "another VO's server that says so itself, and speaks for this VO", func(w *world) made {
			return w.voFile(w.ac(w.jane, acBy(w.eec(w.sub, "/DC=org/DC=corpus/OU=hosts/CN=voms.bob.org")), as("alice://voms.bob.org:15000"))).
				withVOMS(w.vomsDir.and().lsc("bob", "voms.bob.org", "/DC=org/DC=corpus/OU=hosts/CN=voms.bob.org", subName))
		}, forged("VO-LSC", "there is no"), blind),
		one("forged-other-vo", "this VO's server speaks for another VO", func(w *world) made {
			return w.voFile(w.ac(w.jane, as("bob://"+vomsHost+":15000"), saying("/bob"))).withVOMS(w.vomsDir.and().lsc("bob", "voms.bob.org", "/CN=x", "/CN=y"))
		}, forged("VO-LSC", "there is no"), blind),
		one("forged-vo-path", "a VO whose name leads out of the vomsdir", attested(as("../alice://"+vomsHost+":15000")), forged("", "is not of the form vo://host:port"), blind),
		one("forged-vo-inner-path", "a VO whose name leads to another directory", attested(as("alice/../alice://"+vomsHost+":15000")), forged("", "is not of the form vo://host:port"), blind),
		one("forged-vo-dots", "two dots as the name of the VO", attested(as("..://"+vomsHost+":15000")), forged("", "is not of the form vo://host:port"), blind),
		one("forged-host-path", "a host whose name leads to another VO", attested(as("alice://../alice/"+vomsHost+":15000")), forged("", "is not of the form vo://host:port"), blind),
		one("forged-host-nul", "a host with a NUL", attested(as("alice://"+vomsHost+"\x00.evil.org:15000")), forged("", "is not of the form vo://host:port"), blind),
		one("forged-host-case", "a host in another case is another LSC file", attested(as("alice://VOMS.example.org:15000")), forged("VO-LSC", "there is no"), blind),
		one("forged-vo-case", "a VO in another case is another VO", attested(as("Alice://"+vomsHost+":15000"), saying("/Alice")), forged("VO-LSC", "there is no"), blind),
		one("forged-sha1", "a signature with SHA-1", sha1, forged("CA-SHA1", "is signed with SHA1-RSA"), blind),
		one("forged-sha1-weak", "the same where weak signatures are allowed", sha1, alice, agrees, weak),
		one("forged-md5", "a signature with MD5", attested(acSigned(rsaMD5)), forged("CA-SHA1", "is signed with MD5-RSA"), blind),
		one("forged-md5-weak", "the same where weak signatures are allowed", attested(acSigned(rsaMD5)), alice, agrees, weak),
		one("forged-md5-spoilt", "the same with a wrong signature", attested(acSigned(rsaMD5), func(a *attr) { a.spoil = true }), forged("VO-AC", "is not signed by "+vomsName), blind, weak),
		one("forged-sha512", "a signature with SHA-512", attested(acSigned(rsaSHA512)), alice, agrees),
		one("forged-algorithms", "two signature algorithms", attested(func(a *attr) { a.inner = rsaSHA512 }), forged("", "inside and outside of acinfo differ"), blind),
		one("forged-pss", "a signature that VOMS never makes", attested(acSigned(rsaPSS)), forged("VO-AC", "is not signed by"), blind),
	}
}

func acExtensions() []entry {
	lacks := forged("VO-AC", "lacks noRevAvail or authorityKeyIdentifier")
	elsewhere := forged("VO-AC", "not for this host "+thisHost)
	return []entry{
		one("acext-tags", "generic attributes", attested(acWith(tags("alice://"+vomsHost+":15000", nickname, [3]string{"", "", ""}))), alice.attributes(nickname, [3]string{"", "", ""}), agrees),
		one("acext-tags-empty", "generic attributes with nothing in them, as old servers wrote", attested(acWith(ext{idACTags, false, sequence()})), alice, agrees),
		one("acext-tags-malformed", "malformed generic attributes", attested(acWith(ext{idACTags, false, sequence(integer(1))})), forged("", "malformed generic attributes"), blind),
		one("acext-no-norev", "noRevAvail is missing", attested(acWithout(idNoRevAvail)), lacks, blind),
		one("acext-norev-critical", "noRevAvail is critical", attested(acWith(ext{idNoRevAvail, true, []byte{5, 0}})), forged("VO-AC", "critical extension 2.5.29.56"), blind),
		one("acext-no-key-id", "authorityKeyIdentifier is missing", attested(acWithout(idAuthorityKeyID)), lacks, blind),
		one("acext-key-id", "authorityKeyIdentifier names another key", attested(acWith(authorityKeyID(rsaTwo()))), forged("VO-AC", "names another key"), blind),
		one("acext-key-id-own", "authorityKeyIdentifier is the certificate's own, which is no hash", attestedBy(func(w *world) (*cert, *dir) {
			return w.eec(w.sub, vomsName, with(ext{idSubjectKeyID, false, octets([]byte("our voms server"))})), nil
		}), alice, agrees),
		one("acext-unknown", "an unknown extension", attested(acWith(unknown(false))), alice, agrees),
		one("acext-unknown-critical", "an unknown critical extension", attested(acWith(unknown(true))), forged("VO-AC", "critical extension 1.3.6.1.4.1.99999.1"), blind),
		one("acext-twice", "an extension twice", attested(func(a *attr) { a.exts = append(a.exts, noRevAvail) }), forged("", "is there twice"), blind),
		one("acext-target", "an AC for this host", attested(acWith(targeting(true, thisHost))), alice, agrees),
		one("acext-target-case", "an AC for this host in another case", attested(acWith(targeting(true, "VOBOX.Example.org"))), alice, agrees),
		one("acext-target-several", "an AC for several hosts", attested(acWith(targeting(true, "other.example.org", thisHost))), alice, agrees),
		one("acext-target-other", "an AC for another host", attested(acWith(targeting(true, "other.example.org"))), elsewhere, blind),
		one("acext-target-soft", "an AC for another host, not critical", attested(acWith(targeting(false, "other.example.org"))), elsewhere, blind),
		one("acext-target-other-box", "the same AC on that host", attested(acWith(targeting(true, "other.example.org"))), alice, agrees, on("other.example.org")),
		one("acext-target-prefix", "a host that begins with this one's name", attested(acWith(targeting(true, thisHost+".evil.org"))), elsewhere, blind),
		one("acext-target-none", "an AC for no host", attested(acWith(targeting(true))), forged("", "malformed targets"), blind),
		one("acext-no-certs", "no certificates with the AC, and none in the vomsdir", attested(acWithout(idACCerts)), forged("VO-LSC", "nothing says who may sign"), blind),
		one("acext-certs-malformed", "rubbish in place of the server's certificate", attested(acWith(ext{idACCerts, false, sequence(sequence(sequence(integer(1))))})), forged("", "AA certificate chain"), blind),
	}
}

func acFQANs() []entry {
	said := func(fqans ...string) Want { return yes("rfc").vo("alice").fqans(fqans...) }
	other := forged("VO-AC", "of another VO")
	return []entry{
		one("fqan-short", "short FQANs, as IAM writes them", attested(saying("/alice/Role=lcgadmin", "/alice")), alice, agrees),
		one("fqan-groups", "groups within groups", attested(saying("/alice/a/b-2/c_3.x/Role=NULL/Capability=NULL", "/alice")), said("/alice/a/b-2/c_3.x", "/alice"), agrees),
		one("fqan-order", "the order is the server's", attested(saying("/alice", "/alice/Role=lcgadmin")), said("/alice", "/alice/Role=lcgadmin"), agrees),
		one("fqan-capability", "a capability, which nobody uses", attested(saying("/alice/Role=x/Capability=y")), said("/alice/Role=x"), agrees),
		one("fqan-role-in-group", "a role in a group", attested(saying("/alice/sub/Role=pilot")), said("/alice/sub/Role=pilot"), agrees),
		one("fqan-many", "a hundred FQANs", attested(saying(slices.Repeat([]string{"/alice"}, 100)...)), said(slices.Repeat([]string{"/alice"}, 100)...), agrees),
		one("fqan-other-vo", "an FQAN of another VO", attested(saying("/alice", "/bob/Role=admin")), other, blind),
		one("fqan-prefix", "an FQAN of a VO that begins with this one's name", attested(saying("/alice-prod")), other, blind),
		one("fqan-case", "an FQAN in another case", attested(saying("/Alice")), other, blind),
		one("fqan-no-slash", "an FQAN without a slash", attested(saying("alice")), other, blind),
		one("fqan-space", "an FQAN with a space", attested(saying("/alice/a b")), alice.fqans("/alice/a b"), agrees),
		one("fqan-empty-part", "an FQAN with an empty part", attested(saying("/alice//x")), alice.fqans("/alice//x"), agrees),
		one("fqan-role-first", "a role in front of its group", attested(saying("/Role=x/alice")), other, blind),
		one("fqan-control", "an FQAN with a line end", attested(saying("/alice\n/bob")), forged("", "malformed FQAN"), blind),
		one("fqan-utf8", "an FQAN in UTF-8", attested(saying("/alice/Zoë")), alice.fqans("/alice/Zoë"), agrees),
		one("fqan-long", "an FQAN of two thousand characters", attested(saying("/alice/"+strings.Repeat("x", 2000)+"/Role=NULL")), alice.fqans("/alice/"+strings.Repeat("x", 2000)), agrees),
		one("fqan-longer", "an FQAN of five thousand characters", attested(saying("/alice/"+strings.Repeat("x", 5000))), forged("", "malformed FQAN"), blind),
		one("fqan-latin", "an FQAN in Latin-1", attested(saying("/alice/Zo\xeb")), forged("", "malformed FQAN"), blind),
	}
}

func acLSCs() []entry {
	lsc := func(format string, args ...any) func(*world) made {
		return func(w *world) made { return w.voFile(w.ac(w.jane)).withVOMS(lscText(format, args...)) }
	}
	wrong := forged("VO-LSC", "is not what")
	unusable := forged("VO-LSC", "cannot be used")
	pem := func(put func(w *world, d *dir), changes ...acChange) func(*world) made {
		return func(w *world) made {
			d := knows()
			put(w, d)
			return w.voFile(w.ac(w.jane, changes...)).withVOMS(d)
		}
	}
	return []entry{
		one("lsc-two-lines", "an LSC file of two lines", lsc("%s\n%s\n", vomsName, subName), alice, agrees),
		one("lsc-missing", "no LSC file", func(w *world) made { return w.voFile(w.ac(w.jane)).withVOMS(knows()) }, forged("VO-LSC", "there is no"), blind),
		one("lsc-subject", "an LSC file for another server", lsc("/DC=org/DC=corpus/CN=other\n%s\n", subName), wrong, blind),
		one("lsc-issuer", "an LSC file with another CA", lsc("%s\n%s\n", vomsName, rootName), wrong, blind),
		one("lsc-longer", "an LSC file that goes up to the root", lsc("%s\n%s\n%s\n%s\n", vomsName, subName, subName, rootName), alice, agrees),
		one("lsc-longer-wrong", "an LSC file that goes up to another root", lsc("%s\n%s\n%s\n/CN=Other Root\n", vomsName, subName, subName), wrong, blind),
		one("lsc-too-long", "an LSC file that goes further up than the root", lsc("%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", vomsName, subName, subName, rootName, rootName, rootName, rootName, rootName), wrong, blind),
		one("lsc-second-chain", "an LSC file with two chains, the second is right", lsc("/CN=old\n/CN=Old CA\n------ NEXT CHAIN ------\n%s\n%s\n", vomsName, subName), alice, agrees),
		one("lsc-second-chain-java", "two chains with Java's separator", lsc("/CN=old\n/CN=Old CA\n------NEXT CHAIN------\n%s\n%s\n", vomsName, subName), alice, agrees),
		one("lsc-chains-mixed", "the right names, but in two chains", lsc("%s\n/CN=Old CA\n------ NEXT CHAIN ------\n/CN=old\n%s\n", vomsName, subName), wrong, blind),
		one("lsc-swapped", "subject and issuer exchanged", lsc("%s\n%s\n", subName, vomsName), wrong, blind),
		one("lsc-comments", "comments, blank lines, quotes and CRLF", lsc("# alice\r\n\r\n  \"%s\"  \r\n\r\n%s\r\n# end\r\n", vomsName, subName), alice, agrees),
		one("lsc-case", "names in another case", lsc("%s\n%s\n", strings.ToUpper(vomsName), subName), alice, agrees),
		one("lsc-no-end", "no line end at the end", lsc("%s\n%s", vomsName, subName), alice, agrees),
		one("lsc-surplus", "a line too many, which belongs to no pair", lsc("%s\n%s\n/CN=more\n", vomsName, subName), alice, agrees),
		one("lsc-one-line", "an LSC file without the issuer", lsc("%s\n", vomsName), unusable, blind),
		one("lsc-empty", "an empty LSC file", lsc("# nothing\n"), unusable, blind),
		one("lsc-open-quote", "a quote that is not closed", lsc("\"%s\n%s\n", vomsName, subName), unusable, blind),
		one("lsc-slash-old", "a host/ name as OpenSSL 1 wrote it", attestedBy(func(w *world) (*cert, *dir) {
			return w.eec(w.sub, "/DC=org/DC=corpus", subject(rawName(name("/DC=org/DC=corpus"), cn(cbasn1.UTF8String, "host/voms.example.org")))),
				lscText("/DC=org/DC=corpus/CN=host/voms.example.org\n%s\n", subName)
		}), alice, agrees),
		one("lsc-slash-new", "a host/ name as OpenSSL 3 writes it", attestedBy(func(w *world) (*cert, *dir) {
			return w.eec(w.sub, "/DC=org/DC=corpus", subject(rawName(name("/DC=org/DC=corpus"), cn(cbasn1.UTF8String, "host/voms.example.org")))),
				lscText("/DC=org/DC=corpus/CN=host\\/voms.example.org\n%s\n", subName)
		}), alice, agrees),
		one("lsc-email", "emailAddress written as Email", attestedBy(func(w *world) (*cert, *dir) {
			return w.eec(w.sub, "/DC=org/DC=corpus/CN=voms/emailAddress=admin@example.org"), lscText("/DC=org/DC=corpus/CN=voms/Email=admin@example.org\n%s\n", subName)
		}), alice, agrees),
		one("lsc-pem", "the server's certificate in the VO's directory, and none with the AC", pem(func(w *world, d *dir) { d.put("alice/voms.pem", w.voms.pem()) }, acWithout(idACCerts)), alice, agrees),
		one("lsc-pem-top", "the server's certificate in the vomsdir itself", pem(func(w *world, d *dir) { d.put("voms.pem", w.voms.pem()) }, acWithout(idACCerts)), alice, agrees),
		one("lsc-pem-with-certs", "the server's certificate in the VO's directory, and one with the AC", pem(func(w *world, d *dir) { d.put("alice/voms.pem", w.voms.pem()) }), alice, agrees),
		one("lsc-pem-other-vo", "the server's certificate in another VO's directory", pem(func(w *world, d *dir) { d.put("bob/voms.pem", w.voms.pem()) }, acWithout(idACCerts)), forged("VO-LSC", "nothing says who may sign"), blind),
		one("lsc-pem-other", "another server's certificate in the VO's directory", pem(func(w *world, d *dir) { d.put("alice/voms.pem", w.joe.pem()) }, acWithout(idACCerts)), forged("VO-LSC", "nothing says who may sign"), blind),
		one("lsc-pem-expired", "the server's expired certificate in the VO's directory", func(w *world) made {
			older := w.eec(w.sub, vomsName, holding(w.voms.key), valid(0, -301*day))
			return w.voFile(w.ac(w.jane, acWithout(idACCerts))).withVOMS(knows().put("alice/voms.pem", older.pem()))
		}, forged("VO-SIGNER", "expired on"), blind),
		one("lsc-pem-renewed", "an expired and a renewed certificate of the server", func(w *world) made {
			older := w.eec(w.sub, vomsName, holding(w.voms.key), valid(0, -301*day))
			return w.voFile(w.ac(w.jane, acWithout(idACCerts))).withVOMS(knows().put("alice/a.pem", older.pem()).put("alice/b.pem", w.voms.pem()))
		}, alice, agrees),
	}
}

func acStructures() []entry {
	raw := func(value []byte) func(*world) made {
		return func(w *world) made { return w.chain(w.proxy(w.jane, with(ext{idACSequence, false, value})), w.jane) }
	}
	mine := vomsAttribute("alice://"+vomsHost+":15000", "/alice")
	attributes := func(list ...[]byte) acChange { return func(a *attr) { a.attributes = list } }
	syntax := func(parts ...[]byte) []byte { return sequence(oid(idACFQANs...), element(cbasn1.SET, parts...)) }
	values := sequence(octets([]byte("/alice")))
	return []entry{
		one("acform-version", "version 1", attested(func(a *attr) { a.version = 0 }), forged("", "version is 0"), blind),
		one("acform-serial", "a serial number of 17 octets, as vomsd's often are", attested(func(a *attr) { a.serial = append([]byte{0}, bytes.Repeat([]byte{0xa5}, 16)...) }), alice, agrees),
		one("acform-serial-long", "a serial number of 21 octets", attested(func(a *attr) { a.serial = bytes.Repeat([]byte{0x55}, 21) }), forged("", "serial number"), blind),
		one("acform-two-attributes", "two VOMS attributes", attested(attributes(mine, mine)), forged("", "two VOMS attributes"), blind),
		one("acform-no-attribute", "no VOMS attribute", attested(attributes(sequence(oid(2, 5, 4, 72), element(cbasn1.SET)))), forged("", "no VOMS attribute"), blind),
		one("acform-other-attribute", "another attribute besides", attested(attributes(sequence(oid(2, 5, 4, 72), element(cbasn1.SET, octets([]byte("x")))), mine)), yes("rfc").vo("alice").fqans("/alice"), agrees),
		one("acform-two-authorities", "two policy authorities", attested(attributes(syntax(sequence(element(0xa0, uri("alice://"+vomsHost+":15000"), uri("bob://x.org:1")), values)))), forged("", "exactly one policy authority"), blind),
		one("acform-no-authority", "no policy authority", attested(attributes(syntax(sequence(values)))), forged("", "exactly one policy authority"), blind),
		one("acform-two-values", "two values of the VOMS attribute", attested(attributes(syntax(sequence(element(0xa0, uri("alice://"+vomsHost+":15000")), values), sequence(element(0xa0, uri("bob://x.org:1")), values)))),
			forged("", "exactly one value"), blind),
		one("acform-authority-port", "a policy authority without a port", attested(as("alice://"+vomsHost)), forged("", "not of the form vo://host:port"), blind),
		one("acform-authority-empty", "an empty policy authority", attested(as("")), forged("", "not of the form vo://host:port"), blind),
		one("acform-authority-dotted", "a VO with dots and dashes in its name", func(w *world) made {
			return w.voFile(w.ac(w.jane, as("vo.grid-1.org://"+vomsHost+":15000"), saying("/vo.grid-1.org"))).withVOMS(knows().lsc("vo.grid-1.org", vomsHost, vomsName, subName))
		}, yes("rfc").vo("vo.grid-1.org").fqans("/vo.grid-1.org"), agrees),
		one("acform-trailing", "bytes after the ACs", func(w *world) made {
			return w.chain(w.proxy(w.jane, with(ext{idACSequence, false, append(sequence(sequence(w.ac(w.jane))), 5, 0)})), w.jane)
		}, forged("", "not one DER sequence"), blind),
		one("acform-inner-trailing", "an AC with something behind its signature", func(w *world) made {
			a := w.ac(w.jane)
			return w.chain(w.proxy(w.jane, carrying(sequence(a[4:], []byte{5, 0}))), w.jane)
		}, forged("", "malformed"), blind),
		one("acform-cut-off", "an AC that was cut off", func(w *world) made {
			a := w.ac(w.jane)
			return w.chain(w.proxy(w.jane, with(ext{idACSequence, false, sequence(sequence(a[:len(a)-20]))})), w.jane)
		}, forged("", "malformed attribute certificate number 1"), blind),
		one("acform-empty", "the extension without an AC", raw(sequence(sequence())), forged("", "holds no attribute certificate"), blind),
		one("acform-nothing", "the extension with nothing in it", raw([]byte{}), forged("", "not one DER sequence"), blind),
		one("acform-rubbish", "the extension with text in it", raw([]byte("attributes of Jane")), forged("", "not one DER sequence"), blind),
		one("acform-forty", "forty ACs", func(w *world) made {
			return w.voFile(slices.Repeat([][]byte{w.ac(w.jane, saying("/alice"))}, 40)...)
		}, yes("rfc").vo(slices.Repeat([]string{"alice"}, 40)...).fqans(slices.Repeat([]string{"/alice"}, 40)...), agrees),
		one("acform-many", "120 ACs", func(w *world) made {
			return w.voFile(slices.Repeat([][]byte{w.ac(w.jane)}, 120)...)
		}, forged("", "malformed attribute certificate number 101"), blind),
	}
}
