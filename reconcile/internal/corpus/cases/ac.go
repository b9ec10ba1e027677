package cases

import (
	"fmt"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The VOMS arc.
func vomsID(last int) []int { return []int{1, 3, 6, 1, 4, 1, 8005, 100, 100, last} }

var (
	idNoRevAvail = []int{2, 5, 29, 56}
	idTargets    = []int{2, 5, 29, 55}
	idACCerts    = vomsID(10)
	idACTags     = vomsID(11)
	idACFQANs    = vomsID(4)
	idACSequence = vomsID(5)
)

// An attr is an attribute certificate before it is signed.
type attr struct {
	version    int64 // as encoded: 1 is version 2
	holder     []byte
	issuer     []byte
	serial     []byte
	from, to   []byte // encoded
	authority  string
	fqans      []string
	attributes [][]byte // in place of the one made from authority and fqans
	exts       []ext
	signer     *key
	algorithm  *algorithm
	inner      *algorithm
	spoil      bool
}

// An acChange is made to an AC before it is signed.
type acChange func(*attr)

// ac makes an AC about holder, signed by the VO's server, in vomsd's layout.
func (w *world) ac(holder *cert, changes ...acChange) []byte {
	w.serials++
	a := &attr{
		version: 1, holder: baseID(holder.subject, holder.serial), issuer: w.voms.subject, serial: serialOf(w.serials),
		from: generalized(w.at.Add(-time.Minute)), to: generalized(w.at.Add(12 * time.Hour)),
		authority: "alice://" + vomsHost + ":15000", signer: w.voms.key,
		fqans: []string{"/alice/Role=lcgadmin/Capability=NULL", "/alice/Role=NULL/Capability=NULL"},
	}
	a.exts = []ext{acCerts(w.voms), noRevAvail, authorityKeyID(w.voms.key)}
	for _, c := range changes {
		c(a)
	}
	return a.sign()
}

func (a *attr) sign() []byte {
	outer, inner := a.algorithm, a.inner
	if outer == nil {
		outer = algorithmOf(a.signer)
	}
	if inner == nil {
		inner = outer
	}
	if a.attributes == nil {
		a.attributes = [][]byte{vomsAttribute(a.authority, a.fqans...)}
	}
	var exts [][]byte
	for _, e := range a.exts {
		exts = append(exts, e.der())
	}
	info := sequence(integer(a.version), sequence(a.holder), element(0xa0, sequence(element(0xa4, a.issuer))), inner.id, element(cbasn1.INTEGER, a.serial),
		sequence(a.from, a.to), sequence(a.attributes...), sequence(exts...))
	signature := outer.sign(a.signer, info)
	if a.spoil {
		signature[len(signature)-1] ^= 1
	}
	return sequence(info, outer.id, bits(signature))
}

// baseID is baseCertificateID [0] of RFC 5755 section 4.1.
func baseID(name, serial []byte) []byte {
	return element(0xa0, sequence(element(0xa4, name)), element(cbasn1.INTEGER, serial))
}

func uri(s string) []byte { return element(0x86, []byte(s)) }

func vomsAttribute(authority string, fqans ...string) []byte {
	var values [][]byte
	for _, f := range fqans {
		values = append(values, octets([]byte(f)))
	}
	syntax := sequence(element(0xa0, uri(authority)), sequence(values...))
	return sequence(oid(idACFQANs...), element(cbasn1.SET, syntax))
}

var noRevAvail = ext{idNoRevAvail, false, []byte{5, 0}}

func acCerts(certs ...*cert) ext {
	var all [][]byte
	for _, c := range certs {
		all = append(all, c.der)
	}
	return ext{idACCerts, false, sequence(sequence(all...))}
}

// tags are generic attributes: triples of name, value and qualifier.
func tags(authority string, triples ...[3]string) ext {
	var all [][]byte
	for _, t := range triples {
		all = append(all, sequence(octets([]byte(t[0])), octets([]byte(t[1])), octets([]byte(t[2]))))
	}
	return ext{idACTags, false, sequence(sequence(sequence(sequence(uri(authority)), sequence(all...))))}
}

// targeting is the extension for hosts.
func targeting(critical bool, hosts ...string) ext {
	var all [][]byte
	for _, h := range hosts {
		all = append(all, sequence(element(0xa0, uri(h))))
	}
	return ext{idTargets, critical, sequence(sequence(all...))}
}

// carrying puts ACs into a proxy.
func carrying(acs ...[]byte) change {
	return with(ext{idACSequence, false, sequence(sequence(acs...))})
}

// Changes.

func acWith(e ext) acChange {
	return func(a *attr) {
		s := spec{exts: a.exts}
		with(e)(&s)
		a.exts = s.exts
	}
}

func acWithout(id []int) acChange {
	return func(a *attr) {
		s := spec{exts: a.exts}
		without(id)(&s)
		a.exts = s.exts
	}
}

func saying(fqans ...string) acChange { return func(a *attr) { a.fqans = fqans } }

func as(authority string) acChange { return func(a *attr) { a.authority = authority } }

func about(name, serial []byte) acChange { return func(a *attr) { a.holder = baseID(name, serial) } }

// lasting moves the ends as seen from the hour of judgement.
func (w *world) lasting(from, to time.Duration) acChange {
	return func(a *attr) { a.from, a.to = generalized(w.at.Add(from)), generalized(w.at.Add(to)) }
}

// by has another server sign, which brings its certificate and others along.
func acBy(signer *cert, others ...*cert) acChange {
	return func(a *attr) {
		a.issuer, a.signer = signer.subject, signer.key
		acWith(acCerts(append([]*cert{signer}, others...)...))(a)
		acWith(authorityKeyID(signer.key))(a)
	}
}

// acSigned names the signature algorithm; the signer must have an RSA key.
func acSigned(alg *algorithm) acChange { return func(a *attr) { a.algorithm = alg } }

// voFile is a proxy of Jane's with the ACs.
func (w *world) voFile(acs ...[]byte) made { return w.chain(w.proxy(w.jane, carrying(acs...)), w.jane) }

// holding is a proxy of Jane's with an AC that has been changed.
func attested(changes ...acChange) func(*world) made {
	return func(w *world) made { return w.voFile(w.ac(w.jane, changes...)) }
}

// attestedBy is the same by another server, made for it, with a vomsdir of its own.
func attestedBy(make func(w *world) (signer *cert, d *dir)) func(*world) made {
	return func(w *world) made {
		signer, d := make(w)
		if d == nil {
			d = w.vomsDir
		}
		return w.voFile(w.ac(w.jane, acBy(signer))).withVOMS(d)
	}
}

// lscText is a vomsdir whose LSC file for alice is written by hand.
func lscText(format string, args ...any) *dir {
	return knows().text("alice/"+vomsHost+".lsc", fmt.Sprintf(format, args...))
}
