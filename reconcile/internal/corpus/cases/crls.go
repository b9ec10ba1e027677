package cases

import (
	"crypto/x509"
	"encoding/pem"
	"time"
)

// A list is a CRL before it is signed.
type list struct {
	version   int // as encoded: 1 is version 2; 0 leaves it out
	from, to  time.Time
	noEnd     bool
	entries   []listed
	exts      []ext
	issuer    []byte
	signer    *key
	algorithm *algorithm
	spoil     bool
}

// A listed certificate, with extensions of the entry.
type listed struct {
	serial []byte
	exts   []ext
}

// revoking is a CRL of yesterday and the coming week.
func (w *world) revoking(ca *cert, certs ...*cert) *list {
	l := &list{version: 1, from: w.at.Add(-day), to: w.at.Add(7 * day), issuer: ca.subject, signer: ca.key}
	l.exts = []ext{authorityKeyID(ca.key), {[]int{2, 5, 29, 20}, false, integer(7)}}
	for _, c := range certs {
		l.entries = append(l.entries, listed{serial: c.serial})
	}
	return l
}

func (l *list) valid(from, to time.Duration) *list {
	l.from, l.to = l.from.Add(from), l.to.Add(to)
	return l
}

func (l *list) with(e ext) *list { l.exts = append(l.exts, e); return l }

func (l *list) entryWith(e ext) *list {
	l.entries[0].exts = append(l.entries[0].exts, e)
	return l
}

// v1 has neither a version nor extensions.
func (l *list) v1() *list { l.version, l.exts = 0, nil; return l }

func (l *list) sign() []byte {
	a := l.algorithm
	if a == nil {
		a = algorithmOf(l.signer)
	}
	var version, end, entries, exts []byte
	if l.version > 0 {
		version = integer(int64(l.version))
	}
	if !l.noEnd {
		end = moment(l.to)
	}
	encode := func(exts []ext) []byte {
		var all [][]byte
		for _, e := range exts {
			all = append(all, e.der())
		}
		return sequence(all...)
	}
	if len(l.entries) > 0 {
		var all [][]byte
		for _, e := range l.entries {
			var own []byte
			if len(e.exts) > 0 {
				own = encode(e.exts)
			}
			all = append(all, sequence(element(2, e.serial), moment(l.from), own))
		}
		entries = sequence(all...)
	}
	if len(l.exts) > 0 {
		exts = element(0xa0, encode(l.exts))
	}
	tbs := sequence(version, a.id, l.issuer, moment(l.from), end, entries, exts)
	signature := a.sign(l.signer, tbs)
	if l.spoil {
		signature[len(signature)-1] ^= 1
	}
	return sequence(tbs, a.id, bits(signature))
}

func (l *list) pem() []byte { return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.sign()}) }

const wantsCRLs = "with -crl_check_all it wants a CRL for every CA"

// withCRL is a proxy of Jane's below a root of its own, whose CRLs are put into the directory.
func withCRL(put func(w *world, d *dir, ca, jane *cert)) func(*world) made {
	return in(func(w *world) (*dir, []*cert) {
		ca := w.ca(nil, soloName)
		jane := w.eec(ca, janeName)
		d := knows().anchor(ca, inside)
		put(w, d, ca, jane)
		return d, w.below(jane, full)
	})
}

// onlyCRL has one CRL, at HASH.r0.
func onlyCRL(make func(w *world, ca, jane *cert) *list) func(*world) made {
	return withCRL(func(w *world, d *dir, ca, jane *cert) { d.put(hash(ca)+".r0", make(w, ca, jane).pem()) })
}

// pointed has a CRL for one distribution point and a user certificate that names another; "" leaves it out.
func pointed(crl, user string) func(*world) made {
	return in(func(w *world) (*dir, []*cert) {
		ca := w.ca(nil, soloName)
		l := w.revoking(ca)
		if crl != "" {
			l = l.with(ext{[]int{2, 5, 29, 28}, true, sequence(element(0xa0, element(0xa0, uri(crl))))})
		}
		names := full
		if user != "" {
			names = with(ext{idCRLPoints, false, sequence(sequence(element(0xa0, element(0xa0, uri(user)))))})
		}
		return knows().anchor(ca, inside).put(hash(ca)+".r0", l.pem()), w.below(w.eec(ca, janeName, names), full)
	})
}

func crlCases() []entry {
	good := func(w *world, ca, _ *cert) *list { return w.revoking(ca, w.joe) }
	revoked := func(w *world, ca, jane *cert) *list { return w.revoking(ca, jane) }
	expired := func(w *world, ca, _ *cert) *list { return w.revoking(ca).valid(-9*day, -8*day) }
	expiredRevoked := func(w *world, ca, jane *cert) *list { return w.revoking(ca, jane).valid(-9*day, -8*day) }
	future := func(after time.Duration) func(w *world, ca, jane *cert) *list {
		return func(w *world, ca, jane *cert) *list { return w.revoking(ca).valid(day+after, day) }
	}
	none := func(*world, *dir, *cert, *cert) {}
	point := func(content ...byte) ext { return ext{[]int{2, 5, 29, 28}, true, sequence(content)} }
	invalid := func(why string) Want { return no("CRL-INVALID", why) }
	gone := no("CHAIN-REVOKED", janeName+" was revoked on")
	return []entry{
		one("crl-good", "a CRL that revokes somebody else", onlyCRL(good), yes("rfc"), agrees, checkCRLs),
		one("crl-good-require", "the same where CRLs are required", onlyCRL(good), yes("rfc"), agrees, crls("require"), checkCRLs),
		one("crl-empty", "a CRL that revokes nobody", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca) }), yes("rfc"), agrees, checkCRLs),
		one("crl-revoked", "a revoked user certificate", onlyCRL(revoked), gone, agrees, checkCRLs),
		one("crl-revoked-require", "the same where CRLs are required", onlyCRL(revoked), gone, agrees, crls("require"), checkCRLs),
		one("crl-revoked-ignore", "the same where CRLs are ignored", onlyCRL(revoked), yes("rfc"), agrees, crls("ignore")),
		one("crl-missing", "no CRL", withCRL(none), yes("rfc"), differs(wantsCRLs), checkCRLs),
		one("crl-missing-require", "no CRL where they are required", withCRL(none), no("CRL-MISSING", "there is no CRL of "+soloName), agrees, crls("require"), checkCRLs),
		one("crl-missing-ignore", "no CRL where they are ignored", withCRL(none), yes("rfc"), agrees, crls("ignore")),
		one("crl-expired", "an expired CRL", onlyCRL(expired), no("CRL-STALE", "expired on"), agrees, checkCRLs),
		one("crl-expired-require", "the same where CRLs are required", onlyCRL(expired), no("CRL-STALE", "expired on"), agrees, crls("require"), checkCRLs),
		one("crl-expired-ignore", "the same where CRLs are ignored", onlyCRL(expired), yes("rfc"), agrees, crls("ignore")),
		one("crl-expired-revoked", "revoked by an expired CRL is still revoked", onlyCRL(expiredRevoked), gone, agrees, checkCRLs),
		one("crl-future", "a CRL of next week", onlyCRL(future(7*day)), invalid("it is not valid before"), agrees, checkCRLs),
		one("crl-future-skew", "a CRL that begins in four minutes, by another clock", onlyCRL(future(4*time.Minute)), yes("rfc"), differs(noSkew), checkCRLs),
		one("crl-no-end", "a CRL without nextUpdate", onlyCRL(func(w *world, ca, _ *cert) *list {
			l := w.revoking(ca)
			l.noEnd = true
			return l
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-spoilt", "a CRL whose signature was changed", onlyCRL(func(w *world, ca, _ *cert) *list {
			l := w.revoking(ca)
			l.spoil = true
			return l
		}), invalid("its signature is not by that CA's key"), agrees, checkCRLs),
		one("crl-forged", "a CRL that another key signed in the CA's name", onlyCRL(func(w *world, ca, jane *cert) *list {
			l := w.revoking(ca, jane)
			l.signer = rsaTwo()
			return l
		}), invalid("its signature is not by that CA's key"), agrees, checkCRLs),
		one("crl-other-issuer", "another CA's CRL under this one's hash, where CRLs are required", withCRL(func(w *world, d *dir, ca, _ *cert) {
			d.put(hash(ca)+".r0", w.revoking(w.root).pem())
		}), no("CRL-MISSING", "there is no CRL of "+soloName), agrees, crls("require"), checkCRLs),
		one("crl-other-issuer-present", "the same where they are not", withCRL(func(w *world, d *dir, ca, jane *cert) {
			d.put(hash(ca)+".r0", w.revoking(w.root, jane).pem())
		}), yes("rfc"), differs(wantsCRLs), checkCRLs),
		one("crl-no-usage", "a CRL of a CA whose key usage lacks cRLSign, which only GSI does not ask for", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName, usage(x509.KeyUsageCertSign))
			return knows().anchor(ca, inside).put(hash(ca)+".r0", w.revoking(ca).pem()), w.below(w.eec(ca, janeName), full)
		}), invalid("lacks cRLSign"), agrees, checkCRLs),
		one("crl-no-usage-revoked", "revoked by such a CRL", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName, usage(x509.KeyUsageCertSign))
			jane := w.eec(ca, janeName)
			return knows().anchor(ca, inside).put(hash(ca)+".r0", w.revoking(ca, jane).pem()), w.below(jane, full)
		}), gone, agrees, checkCRLs),
		one("crl-usage-absent", "a CRL of a CA without key usage", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName, noKeyUsage)
			return knows().anchor(ca, inside).put(hash(ca)+".r0", w.revoking(ca).pem()), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-rollover", "a CRL by the CA's old key, which certified the new one that the user's certificate is by", in(func(w *world) (*dir, []*cert) {
			older := w.ca(nil, soloName)
			newer := w.ca(older, soloName)
			return knows().anchor(older, inside).put(hash(older)+".r0", w.revoking(older, w.joe).pem()), append(w.below(w.eec(newer, janeName), full), newer)
		}), yes("rfc"), agrees, crls("require"), checkCRLs),
		one("crl-rollover-revoked", "revoked by such a CRL", in(func(w *world) (*dir, []*cert) {
			older := w.ca(nil, soloName)
			newer := w.ca(older, soloName)
			jane := w.eec(newer, janeName)
			return knows().anchor(older, inside).put(hash(older)+".r0", w.revoking(older, jane).pem()), append(w.below(jane, full), newer)
		}), gone, agrees, checkCRLs),
		one("crl-point", "a CRL for a distribution point that the user's certificate names", pointed("http://example.org/a", "http://example.org/a"), yes("rfc"), differs("with -crl_check_all it wants a CRL for the root as well"), crls("require"), checkCRLs),
		one("crl-point-other", "a CRL for another distribution point, where CRLs are required", pointed("http://example.org/a", "http://example.org/b"), no("CRL-MISSING", "there is no CRL of"), agrees, crls("require"), checkCRLs),
		one("crl-point-other-present", "the same where they are not", pointed("http://example.org/a", "http://example.org/b"), yes("rfc"), differs(wantsCRLs), checkCRLs),
		one("crl-point-none", "a CRL for a distribution point, and a certificate that names none", pointed("http://example.org/a", ""), no("CRL-MISSING", "there is no CRL of"), agrees, crls("require"), checkCRLs),
		one("crl-point-whole", "a CRL for all, and a certificate that names a distribution point", pointed("", "http://example.org/a"), yes("rfc"), agrees, crls("require"), checkCRLs),
		one("crl-v1", "a CRL of version 1", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca, w.joe).v1() }), yes("rfc"), agrees, checkCRLs),
		one("crl-v1-revoked", "revoked by a CRL of version 1", onlyCRL(func(w *world, ca, jane *cert) *list { return w.revoking(ca, jane).v1() }), gone, agrees, checkCRLs),
		one("crl-der", "a CRL in DER", withCRL(func(w *world, d *dir, ca, _ *cert) { d.put(hash(ca)+".r0", w.revoking(ca).sign()) }), yes("rfc"), differs("it reads PEM only in a directory"), checkCRLs),
		one("crl-der-revoked", "revoked by a CRL in DER", withCRL(func(w *world, d *dir, ca, jane *cert) { d.put(hash(ca)+".r0", w.revoking(ca, jane).sign()) }), gone, agrees, checkCRLs),
		one("crl-text", "text around a CRL", withCRL(func(w *world, d *dir, ca, _ *cert) {
			d.put(hash(ca)+".r0", blocks("Certificate Revocation List:\n", w.revoking(ca).pem(), "end\n"))
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-garbage", "a file that is no CRL", withCRL(func(w *world, d *dir, ca, _ *cert) { d.text(hash(ca)+".r0", "404 Not Found\n") }), invalid("cannot be used"), agrees, checkCRLs),
		one("crl-garbage-ignore", "the same where CRLs are ignored", withCRL(func(w *world, d *dir, ca, _ *cert) { d.text(hash(ca)+".r0", "404 Not Found\n") }), yes("rfc"), agrees, crls("ignore")),
		one("crl-cut-off", "a CRL that was cut off", withCRL(func(w *world, d *dir, ca, _ *cert) {
			der := w.revoking(ca).sign()
			d.put(hash(ca)+".r0", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der[:len(der)-9]}))
		}), invalid("it is not a CRL"), agrees, checkCRLs),
		one("crl-delta", "a delta CRL", onlyCRL(func(w *world, ca, _ *cert) *list {
			return w.revoking(ca).with(ext{[]int{2, 5, 29, 27}, true, integer(5)})
		}),
			invalid("it is a delta CRL"), differs("it takes a delta CRL for a whole one"), checkCRLs),
		one("crl-delta-revoked", "a whole CRL, and a delta CRL that revokes", withCRL(func(w *world, d *dir, ca, jane *cert) {
			d.put(hash(ca)+".r0", w.revoking(ca).pem()).put(hash(ca)+".r1", w.revoking(ca, jane).with(ext{[]int{2, 5, 29, 27}, true, integer(5)}).pem())
		}), gone, differs("it looks at the first good CRL only"), checkCRLs),
		one("crl-delta-removed", "a delta CRL that takes back what is not on the whole one", withCRL(func(w *world, d *dir, ca, jane *cert) {
			d.put(hash(ca)+".r0", w.revoking(ca).pem()).put(hash(ca)+".r1", w.revoking(ca, jane).with(ext{[]int{2, 5, 29, 27}, true, integer(5)}).
				entryWith(ext{[]int{2, 5, 29, 21}, false, []byte{10, 1, 8}}).pem())
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-indirect", "an indirect CRL", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca).with(point(0x84, 1, 0xff)) }), invalid("it is indirect"), agrees, checkCRLs),
		one("crl-indirect-entry", "an entry of another issuer's", onlyCRL(func(w *world, ca, jane *cert) *list {
			return w.revoking(ca, jane).entryWith(ext{[]int{2, 5, 29, 29}, true, sequence(element(0xa4, w.root.subject))})
		}), invalid("it is indirect"), differs("it passes over entries of other issuers"), checkCRLs),
		one("crl-users-only", "a CRL for users only", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca).with(point(0x81, 1, 0xff)) }), yes("rfc"), differs("with -crl_check_all it wants a CRL for the root as well"), checkCRLs),
		one("crl-cas-only", "a CRL for CAs only does not speak of users", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca).with(point(0x82, 1, 0xff)) }),
			no("CRL-MISSING", "there is no CRL of "+soloName), agrees, crls("require"), checkCRLs),
		one("crl-reasons", "a CRL for some reasons only", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca).with(point(0x83, 2, 1, 0x40)) }), invalid("some revocation reasons only"), agrees, checkCRLs),
		one("crl-critical", "an unknown critical extension", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca).with(unknown(true)) }), invalid("unknown critical extension"), agrees, checkCRLs),
		one("crl-critical-entry", "an unknown critical extension of an entry", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca, w.joe).entryWith(unknown(true)) }),
			invalid("unknown critical extension"), agrees, checkCRLs),
		one("crl-unknown", "an unknown extension", onlyCRL(func(w *world, ca, _ *cert) *list { return w.revoking(ca).with(unknown(false)) }), yes("rfc"), agrees, checkCRLs),
		one("crl-reason", "an entry with a reason", onlyCRL(func(w *world, ca, jane *cert) *list {
			return w.revoking(ca, jane).entryWith(ext{[]int{2, 5, 29, 21}, false, []byte{10, 1, 1}})
		}), gone, agrees, checkCRLs),
		one("crl-second", "two CRLs, and the second revokes", withCRL(func(w *world, d *dir, ca, jane *cert) {
			d.put(hash(ca)+".r0", w.revoking(ca).pem()).put(hash(ca)+".r1", w.revoking(ca, jane).pem())
		}), gone, differs("it looks at the first good CRL only"), checkCRLs),
		one("crl-second-good", "an expired CRL and a good one", withCRL(func(w *world, d *dir, ca, jane *cert) {
			d.put(hash(ca)+".r0", w.revoking(ca).valid(-9*day, -8*day).pem()).put(hash(ca)+".r1", w.revoking(ca).pem())
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-old-hash", "revoked by a CRL under the old hash", withCRL(func(w *world, d *dir, ca, jane *cert) { d.put(oldHash(ca)+".r0", w.revoking(ca, jane).pem()) }), gone, agrees, checkCRLs),
		one("crl-sha1", "a CRL signed with SHA-1", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName, holding(rsaOne()), selfSigned)
			l := w.revoking(ca)
			l.algorithm = rsaSHA1
			return knows().anchor(ca, inside).put(hash(ca)+".r0", l.pem()), w.below(w.eec(ca, janeName), full)
		}), invalid("it is signed with SHA1-RSA"), differs(noStrength), checkCRLs),
		one("crl-sha1-weak", "the same where weak signatures are allowed", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName, holding(rsaOne()), selfSigned)
			l := w.revoking(ca)
			l.algorithm = rsaSHA1
			return knows().anchor(ca, inside).put(hash(ca)+".r0", l.pem()), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees, weak, checkCRLs),
		one("crl-md5-weak", "a CRL signed with MD5 where weak signatures are allowed", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName, holding(rsaOne()), selfSigned)
			l := w.revoking(ca)
			l.algorithm = rsaMD5
			return knows().anchor(ca, inside).put(hash(ca)+".r0", l.pem()), w.below(w.eec(ca, janeName), full)
		}), yes("rfc"), agrees, weak, checkCRLs),
		one("crl-sub-revoked", "a revoked sub-CA", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(knows().anchor(w.root, inside).anchor(w.sub, inside).
				put(hash(w.root)+".r0", w.revoking(w.root, w.sub).pem()).put(hash(w.sub)+".r0", w.revoking(w.sub).pem()))
		}, no("CHAIN-REVOKED", subName+" was revoked on"), agrees, checkCRLs),
		one("crl-sub-of-sub", "revoked by the sub-CA's CRL", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(knows().anchor(w.root, inside).anchor(w.sub, inside).
				put(hash(w.root)+".r0", w.revoking(w.root).pem()).put(hash(w.sub)+".r0", w.revoking(w.sub, w.jane).pem()))
		}, gone, agrees, checkCRLs),
		one("crl-sub-both-good", "good CRLs of root and sub-CA, both required", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(knows().anchor(w.root, inside).anchor(w.sub, inside).
				put(hash(w.root)+".r0", w.revoking(w.root).pem()).put(hash(w.sub)+".r0", w.revoking(w.sub, w.joe).pem()))
		}, yes("rfc"), agrees, crls("require"), checkCRLs),
		one("crl-sub-one-missing", "the root's CRL is missing where they are required", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(knows().anchor(w.root, inside).anchor(w.sub, inside).put(hash(w.sub)+".r0", w.revoking(w.sub).pem()))
		}, no("CRL-MISSING", "there is no CRL of "+rootName), agrees, crls("require"), checkCRLs),
		one("crl-sub-wrong-level", "the root's CRL has the user's serial number, which is the sub-CA's to revoke", func(w *world) made {
			return w.chain(w.proxy(w.jane), w.jane).in(knows().anchor(w.root, inside).anchor(w.sub, inside).
				put(hash(w.root)+".r0", w.revoking(w.root, w.jane).pem()).put(hash(w.sub)+".r0", w.revoking(w.sub).pem()))
		}, yes("rfc"), agrees, checkCRLs),
		one("crl-proxy-serial", "a CRL that lists a proxy's serial number", in(func(w *world) (*dir, []*cert) {
			ca := w.ca(nil, soloName)
			jane := w.eec(ca, janeName)
			p := w.proxy(jane)
			return knows().anchor(ca, inside).put(hash(ca)+".r0", w.revoking(ca, p).pem()), []*cert{p, jane}
		}), yes("rfc"), agrees, checkCRLs),
		one("crl-rekeyed", "a CRL of the CA's other key beside one of this key", in(func(w *world) (*dir, []*cert) {
			older, newer := w.ca(nil, soloName), w.ca(nil, soloName)
			return knows().anchor(older, inside).anchor(newer).put(hash(older)+".r0", w.revoking(older).pem()).put(hash(newer)+".r1", w.revoking(newer).pem()),
				w.below(w.eec(newer, janeName), full)
		}), yes("rfc"), agrees, checkCRLs),
	}
}
