package cases

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// encodingCases are about what crypto/x509 does not read, or reads more generously than OpenSSL.
func encodingCases() []entry {
	return slices.Concat(extensionEncodings(), signatureEncodings(), anchorEncodings(), listEncodings(), fileEncodings())
}

var idAccess = []int{1, 3, 6, 1, 5, 5, 7, 1, 1}

// null is the value of an extension that should be something else.
var null = []byte{5, 0}

func extensionEncodings() []entry {
	noBits := no("CHAIN-MALFORMED", "has a key usage that allows nothing")
	twice := sequence(oid(1, 2, 3))
	return []entry{
		one("extension-empty-usage", "a proxy whose key usage has no bit set", under(with(noUsage)), noBits, agrees),
		one("extension-empty-usage-none", "a proxy whose key usage has no bits", under(with(ext{idKeyUsage, true, []byte{3, 1, 0}})), noBits, agrees),
		one("issuer-eec-empty-usage-alone", "a user certificate whose key usage has no bit set, without a proxy", func(w *world) made {
			return w.chain(w.eec(w.sub, janeName, with(noUsage)))
		}, noBits, agrees),
		one("issuer-eec-cert-sign", "a user certificate with keyCertSign that signs a proxy", by(usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)),
			no("CHAIN-PROXY", "as if it were a CA"), agrees),
		one("issuer-eec-cert-sign-no-ca", "the same where it says it is no CA", by(both(usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign), with(basicConstraints(false, -1)))), yes("rfc"), agrees),
		one("issuer-eec-cert-sign-alone", "the same without a proxy", func(w *world) made {
			return w.chain(w.eec(w.sub, janeName, usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)))
		}, yes("eec"), agrees),
		one("time-backwards-skew", "a proxy that begins in four minutes, and ends in two", func(w *world) made {
			return w.chain(w.below(w.jane, func(s *spec) { s.from, s.to = w.at.Add(4*time.Minute), w.at.Add(2*time.Minute) })...)
		}, no("CHAIN-EXPIRED", "ends before it begins"), agrees),
		one("ca-key-id-empty", "a user certificate that names a key by nothing", by(with(ext{idAuthorityKeyID, false, sequence(element(0x80))})),
			no("CHAIN-SIGNATURE", "its authorityKeyIdentifier names another"), agrees),
		one("ca-key-id-nothing", "a user certificate whose authorityKeyIdentifier is empty", by(with(ext{idAuthorityKeyID, false, sequence()})), yes("rfc"), agrees),
		one("ca-key-id-root-by-name", "a root that names another certificate as its issuer's", underRoot(with(ext{idAuthorityKeyID, false,
			sequence(element(0xa1, element(0xa4, name("/CN=x"))), element(0x82, []byte{77}))})), no("CA-MISSING", "has an authorityKeyIdentifier that names another"), agrees),
		one("ca-key-id-root", "a root that names another key", underRoot(with(authorityKeyID(rsaTwo()))), no("CA-MISSING", "has an authorityKeyIdentifier that names another"), agrees),
		one("ca-alt-name-latin", "an e-mail address in Latin-1", by(with(altName(element(0x81, []byte("zo\xeb@example.org"))))), yes("rfc"), agrees),
		one("ca-alt-name-host", "a host name in Latin-1", by(with(altName(element(0x82, []byte("zo\xeb.example.org"))))), yes("rfc"), agrees),
		one("ca-alt-name-uri", "a URI that is none", by(with(altName(element(0x86, []byte("http://[::1"))))), yes("rfc"), agrees),
		one("ca-alt-name-address", "an address of three octets", by(with(altName(element(0x87, []byte{1, 2, 3})))), yes("rfc"), agrees),
		one("ca-alt-name-ca", "a URI that is none, of a sub-CA", underCA(with(altName(element(0x86, []byte("http://[::1"))))), yes("rfc"), agrees),
		one("ca-alt-name-none", "a subjectAltName that is no sequence", by(with(ext{idSubjectAltName, false, null})), broken("invalid subject alternative names"), agrees),
		one("ca-alt-name-proxy", "such a name on a proxy", under(with(altName(element(0x81, []byte("zo\xeb@example.org"))))), no("CHAIN-PROXY", "has a subjectAltName"), agrees),
		one("ca-alt-name-constraint", "such an address under name constraints", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root", with(ext{idNameConstraints, true, sequence(element(0xa0, sequence(element(0x81, []byte("example.org")))))}))
			return knows().anchor(ca, inside), w.below(w.eec(ca, janeName, with(altName(element(0x81, []byte("zo\xeb@elsewhere.org"))))), full)
		}), no("CHAIN-NAMES", "name constraints"), agrees),
		one("issuer-eec-soft", "a user certificate with a ProxyCertInfo that is not critical", by(softCertInfo), no("CHAIN-PROXY", "as if it were a proxy, and is signed by a CA"), agrees),
		one("issuer-eec-soft-alone", "the same without a proxy", func(w *world) made { return w.chain(w.eec(w.sub, janeName, softCertInfo)) },
			no("CHAIN-PROXY", "as if it were a proxy, and is signed by a CA"), agrees),
		one("ca-soft-proxy", "a sub-CA with a ProxyCertInfo that is not critical", underCA(softCertInfo), no("CHAIN-PROXY", "as if it were a proxy"), agrees),
		one("sub-file-above-directory", "a sub-CA in the directory, below one that is only in the file", func(w *world) made {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=Odd Root")
			upper := w.ca(root, "/DC=org/DC=corpus/CN=Upper CA")
			lower := w.ca(upper, "/DC=org/DC=corpus/CN=Lower CA")
			d := knows().anchor(root, inside).anchor(lower, inside).text(hash(upper)+".signing_policy", policy(slash(upper), inside))
			return w.chain(append(w.below(w.eec(lower, janeName), full), upper)...).in(d)
		}, yes("rfc"), differs("it looks for the issuer of what it found in the directory nowhere else")),
		one("constraint-unread", "name constraints on hosts that are none, above a user", underCA(with(ext{idNameConstraints, false,
			sequence(element(0xa0, sequence(element(0x82, []byte("a b")))))})), yes("rfc"), agrees),
		one("constraint-unread-directory", "the same beside constraints that exclude the user", underCA(with(ext{idNameConstraints, false,
			sequence(element(0xa0, sequence(element(0x82, []byte("a b"))), sequence(element(0xa4, name("/DC=org/DC=elsewhere")))))})), no("CHAIN-NAMES", "name constraints"), agrees),
		one("ca-policies-twice", "a policy twice", by(with(ext{idPolicies, false, sequence(twice, twice)})), yes("rfc"), agrees),
		one("ca-policies-none", "certificatePolicies that are none", by(with(ext{idPolicies, false, null})), yes("rfc"), agrees),
		one("ca-policies-none-critical", "the same, critical", by(with(ext{idPolicies, true, null})), broken("invalid certificate policies"), differs("it does not read what it is not asked for")),
		one("ca-access", "an authorityInfoAccess that is none", by(with(ext{idAccess, false, null})), yes("rfc"), agrees),
		one("ca-access-twice", "two of them", by(both(also(ext{idAccess, false, null}), also(ext{idAccess, false, null}))), broken("certificate 2"), differs(noParse)),
		one("name-bits", "a BIT STRING, as x500UniqueIdentifier is", nameOf(oneRDN(part{[]int{2, 5, 4, 45}, cbasn1.BIT_STRING, "\x00ab"}), cn(cbasn1.UTF8String, "Jane")),
			yes("rfc").of(above+"/x500UniqueIdentifier=ab/CN=Jane"), agrees),
	}
}

// pssWith is RSASSA-PSS with another length of salt than that of the hash.
func pssWith(hash crypto.Hash, id asn1.ObjectIdentifier, salt int) *algorithm {
	inner := identifier(id, null)
	mgf1 := identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}, inner)
	parameters := sequence(element(0xa0, inner), element(0xa1, mgf1), element(0xa2, integer(int64(salt))))
	return &algorithm{id: identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, parameters), hash: hash, pss: true, salt: salt}
}

func signatureEncodings() []entry {
	sha256, sha384 := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	sha1PSS := &algorithm{id: identifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, sequence()), hash: crypto.SHA1, pss: true, salt: 20}
	signed := func(a *algorithm, changes ...change) func(*world) made {
		return in(func(w *world) (*dir, []*cert) {
			root := w.ca(nil, "/DC=org/DC=corpus/CN=RSA Root", holding(rsaOne()), selfSigned)
			ca := w.ca(root, "/DC=org/DC=corpus/CN=Odd CA", append(changes, signedWith(a))...)
			return knows().anchor(root, inside).anchor(ca, inside), w.below(w.eec(ca, janeName), full)
		})
	}
	notBy := no("CHAIN-SIGNATURE", "is not by the key of")
	return []entry{
		one("strength-sha224", "SHA-224", signed(rsaWith(crypto.SHA224, 14)), yes("rfc"), agrees),
		one("strength-sha224-spoilt", "the same with a wrong signature", signed(rsaWith(crypto.SHA224, 14), spoilt), notBy, agrees),
		one("strength-ecdsa-sha224", "ECDSA with SHA-224", under(signedWith(ecdsaWith(crypto.SHA224, 3, 1))), yes("rfc"), agrees),
		one("strength-ecdsa-sha224-spoilt", "the same with a wrong signature", under(both(signedWith(ecdsaWith(crypto.SHA224, 3, 1)), spoilt)), notBy, agrees),
		one("strength-pss-short", "RSASSA-PSS with a salt of 20 octets", signed(pssWith(crypto.SHA256, sha256, 20)), yes("rfc"), agrees),
		one("strength-pss-long", "RSASSA-PSS with a salt as long as it can be, as openssl makes it", signed(pssWith(crypto.SHA256, sha256, 222)), yes("rfc"), agrees),
		one("strength-pss-384", "RSASSA-PSS with SHA-384 and a salt of 32 octets", signed(pssWith(crypto.SHA384, sha384, 32)), yes("rfc"), agrees),
		one("strength-pss-spoilt", "a salt of another length than it says", signed(&algorithm{id: pssWith(crypto.SHA256, sha256, 20).id, hash: crypto.SHA256, pss: true, salt: 30}), notBy, agrees),
		one("strength-pss-sha1", "RSASSA-PSS with SHA-1", signed(sha1PSS), no("CA-SHA1", "is signed with SHA1-RSAPSS"), differs(noStrength)),
		one("strength-secp256k1", "a key on secp256k1", func(w *world) made { return w.file(blocks(w.eec(w.sub, janeName, holding(secp256k1())))) },
			no("CHAIN-SIGNATURE", "a key of a kind that is not handled here: ec secp256k1"), differs("it knows all curves")),
		one("strength-secp256k1-proxy", "a proxy below a user with such a key", func(w *world) made {
			eec := w.eec(w.sub, janeName, holding(secp256k1()))
			return w.chain(w.proxy(eec, signedBy(rsaTwo())), eec)
		}, no("CHAIN-SIGNATURE", "cannot be checked: SHA256-RSA with the issuer's key of type ec secp256k1"), agrees),
		one("strength-unknown", "an algorithm that nobody knows", under(signedWith(&algorithm{id: identifier(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 3}, nil), hash: crypto.SHA256})),
			no("CHAIN-SIGNATURE", "cannot be checked: 1.3.6.1.4.1.99999.3 with the issuer's key of type ECDSA"), agrees),
	}
}

func anchorEncodings() []entry {
	const damaged = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
	return []entry{
		one("anchor-trusted", "a certificate in OpenSSL's own form", stored(func(d *dir, ca *cert) {
			d.put(hash(ca)+".0", trusted(ca, sequence(element(cbasn1.UTF8String, []byte("alias")))))
		}), yes("rfc"), agrees),
		one("anchor-trusted-alone", "the same without settings", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", trusted(ca, nil)) }), yes("rfc"), agrees),
		one("anchor-trusted-not", "the same with a setting that says not to trust it", stored(func(d *dir, ca *cert) {
			d.put(hash(ca)+".0", trusted(ca, sequence(element(0xa0, oid(2, 5, 29, 37, 0)))))
		}), notStored, agrees),
		one("anchor-bom", "a byte order mark in front", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", blocks("\ufeff", ca)) }), yes("rfc"), agrees),
		one("anchor-broken-behind", "a certificate, and one behind it that cannot be read", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", blocks(ca, damaged)) }), yes("rfc"), agrees),
		one("anchor-broken-before", "a certificate, and one before it that cannot be read", stored(func(d *dir, ca *cert) { d.put(hash(ca)+".0", blocks(damaged, ca)) }), yes("rfc"),
			differs("it stops at what it cannot read")),
		one("anchor-alt-name", "a CA with a URI that is none", underRoot(with(altName(element(0x86, []byte("http://[::1"))))), yes("rfc"), agrees),
	}
}

// trusted is what openssl x509 -trustout writes.
func trusted(c *cert, settings []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: slices.Concat(c.der, settings)})
}

func listEncodings() []entry {
	gone, invalid := no("CHAIN-REVOKED", "was revoked on"), no("CRL-INVALID", "cannot be used")
	inFile := func(make func(w *world, ca, jane *cert) []*list) func(*world) made {
		return withCRL(func(w *world, d *dir, ca, jane *cert) {
			var all []byte
			for _, l := range make(w, ca, jane) {
				all = append(all, l.pem()...)
			}
			d.put(hash(ca)+".r0", all)
		})
	}
	padded := func(w *world, ca, jane *cert) *list {
		l := w.revoking(ca, jane)
		l.entries[0].serial = slices.Concat([]byte{0}, jane.serial)
		return l
	}
	return []entry{
		one("crl-two-in-file", "an expired CRL and a good one in one file", inFile(func(w *world, ca, _ *cert) []*list {
			return []*list{w.revoking(ca).valid(-30*day, -30*day), w.revoking(ca)}
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-two-in-file-revoked", "two CRLs in one file, and the second revokes", inFile(func(w *world, ca, jane *cert) []*list {
			return []*list{w.revoking(ca), w.revoking(ca, jane)}
		}), gone, differs("it looks at the first good CRL only"), checkCRLs),
		one("crl-serial-padded", "a serial number with a superfluous zero", onlyCRL(padded), invalid, agrees, checkCRLs),
		one("crl-sha224", "a CRL signed with SHA-224", onlyCRL(func(w *world, ca, _ *cert) *list {
			l := w.revoking(ca)
			l.algorithm = ecdsaWith(crypto.SHA224, 3, 1)
			return l
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-sha224-revoked", "the same, and it revokes", onlyCRL(func(w *world, ca, jane *cert) *list {
			l := w.revoking(ca, jane)
			l.algorithm = ecdsaWith(crypto.SHA224, 3, 1)
			return l
		}), gone, agrees, checkCRLs),
		one("crl-serial-revoked-negative", "a revoked certificate with a negative serial number", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName)
			jane := w.eec(ca, janeName, serial(0x80, 1))
			return knows().anchor(ca, inside).put(hash(ca)+".r0", w.revoking(ca, jane).pem()), w.below(jane, full)
		}), gone, agrees, checkCRLs),
		one("crl-serial-revoked-huge", "a revoked certificate with a serial number of 30 octets", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName)
			jane := w.eec(ca, janeName, serial(bytes.Repeat([]byte{0x41}, 30)...))
			return knows().anchor(ca, inside).put(hash(ca)+".r0", w.revoking(ca, jane).pem()), w.below(jane, full)
		}), gone, agrees, checkCRLs),
	}
}

func fileEncodings() []entry {
	unread := cannot(noFile)
	const damaged = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
	return []entry{
		one("text-trusted", "a user certificate in OpenSSL's own form", func(w *world) made {
			return w.file(trusted(w.jane, sequence(element(cbasn1.UTF8String, []byte("alias")))))
		}, yes("eec"), unread),
		one("text-trusted-proxy", "a proxy file with a certificate in OpenSSL's own form", laidOut(func(w *world, p *cert) made {
			return w.file(blocks(trusted(p, nil), privateKey(p.key), w.jane))
		}), broken("BEGIN TRUSTED CERTIFICATE"), unread),
		one("text-broken-first", "a certificate that cannot be read in front of a good one, and no key", func(w *world) made {
			return w.file(blocks(damaged, w.jane))
		}, broken("certificate 1"), unread),
		one("text-form-feed", "form feeds and other space at line ends", text(func(s string) string { return strings.ReplaceAll(s, "\n", "\f\u00a0\n") }), yes("rfc"), unread),
		one("text-der-line-end", "a line end behind DER", func(w *world) made { return w.file(append(slices.Clone(w.jane.der), '\n')) }, yes("eec"), unread),
		one("text-der-unread", "DER of a certificate that cannot be read", func(w *world) made {
			return w.file(w.eec(w.sub, janeName, with(ext{idSubjectAltName, false, null})).der)
		}, broken("invalid subject alternative names"), unread),
		one("key-secp256k1", "a key on secp256k1", laidOut(func(w *world, p *cert) made {
			der := sequence(integer(0), sequence(oid(1, 2, 840, 10045, 2, 1), oid(1, 3, 132, 0, 10)), octets(sequence(integer(1), octets(bytes.Repeat([]byte{1}, 32)))))
			return w.file(blocks(p, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), w.jane))
		}), broken("a private key of the kind ec secp256k1"), cannot(noKeys)),
		one("key-secp256k1-sec1", "the same as OpenSSL once wrote it", laidOut(func(w *world, p *cert) made {
			der := sequence(integer(1), octets(bytes.Repeat([]byte{1}, 32)), element(0xa0, oid(1, 3, 132, 0, 10)))
			return w.file(blocks(p, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), w.jane))
		}), broken("a private key of the kind ec secp256k1"), cannot(noKeys)),
		one("key-damaged-p256", "a damaged key on P-256", laidOut(func(w *world, p *cert) made {
			der := sequence(integer(0), sequence(oid(1, 2, 840, 10045, 2, 1), oid(1, 2, 840, 10045, 3, 1, 7)), octets(sequence(integer(2))))
			return w.file(blocks(p, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), w.jane))
		}), broken("is damaged or of an unknown kind"), cannot(noKeys)),
		one("text-request", "a certificate request", func(w *world) made {
			return w.file(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: sequence()}))
		}, broken("in it, but BEGIN CERTIFICATE REQUEST"), unread),
	}
}

// secp256k1 is a public key, the generator of the curve, that nobody here can sign with.
func secp256k1() *key {
	point := must(hex.DecodeString("0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"))
	return &key{spki: sequence(sequence(oid(1, 2, 840, 10045, 2, 1), oid(1, 3, 132, 0, 10)), bits(point))}
}
