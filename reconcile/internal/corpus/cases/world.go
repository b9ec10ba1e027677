package cases

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Names that most cases share.
const (
	rootName = "/DC=org/DC=corpus/CN=Corpus Root CA"
	subName  = "/DC=org/DC=corpus/CN=Corpus Issuing CA"
	janeName = "/DC=org/DC=corpus/OU=people/CN=Jane Doe"
	joeName  = "/DC=org/DC=corpus/OU=people/CN=Joe Bloggs"
	vomsName = "/DC=org/DC=corpus/OU=hosts/CN=voms.example.org"
	inside   = "/DC=org/DC=corpus/*" // the names that the CAs may sign
	vomsHost = "voms.example.org"
	thisHost = "vobox.example.org"
)

const day = 24 * time.Hour

// A world is what the cases are made from: two CAs, two people, a VO's server, and the directories that know them.
type world struct {
	at        time.Time
	serials   int64
	root, sub *cert
	jane, joe *cert
	voms      *cert
	trust     *dir
	vomsDir   *dir
}

func newWorld(at time.Time) *world {
	w := &world{at: at, serials: 1000}
	w.root = w.ca(nil, rootName)
	w.sub = w.ca(w.root, subName)
	w.jane = w.eec(w.sub, janeName)
	w.joe = w.eec(w.sub, joeName)
	w.voms = w.eec(w.sub, vomsName, holding(rsaOne()))
	w.trust = newDir("both").oldAndNew(w.root, inside).oldAndNew(w.sub, inside)
	w.vomsDir = newDir("alice").lsc("alice", vomsHost, vomsName, subName)
	return w
}

func (w *world) spec(issuer *cert, slash string, exts ...ext) spec {
	w.serials++
	s := spec{version: 2, serial: serialOf(w.serials), subject: name(slash), key: ec(elliptic.P256()), exts: exts}
	if issuer != nil {
		s.issuer, s.signer = issuer.subject, issuer.key
	}
	return s
}

func (s spec) change(changes []change) spec {
	for _, c := range changes {
		c(&s)
	}
	return s
}

// ca makes a CA that is 15 years long; without an issuer it is a root.
func (w *world) ca(issuer *cert, slash string, changes ...change) *cert {
	s := w.spec(issuer, slash, basicConstraints(true, -1), keyUsage(x509.KeyUsageCertSign|x509.KeyUsageCRLSign))
	s.from, s.to = w.at.AddDate(-5, 0, 0), w.at.AddDate(10, 0, 0)
	s.exts = append(s.exts, subjectKeyID(s.key))
	if issuer != nil {
		s.exts = append(s.exts, authorityKeyID(issuer.key))
	}
	s = s.change(changes)
	if issuer == nil {
		s.issuer = s.subject
		if s.signer == nil {
			s.signer = s.key
		}
	}
	return s.sign()
}

// eec makes a user's or host's certificate.
func (w *world) eec(issuer *cert, slash string, changes ...change) *cert {
	s := w.spec(issuer, slash, keyUsage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment), clientAuth)
	s.from, s.to = w.at.Add(-100*day), w.at.Add(300*day)
	s.exts = append(s.exts, subjectKeyID(s.key), authorityKeyID(issuer.key))
	return s.change(changes).sign()
}

// proxy makes an RFC 3820 proxy of twelve hours.
func (w *world) proxy(issuer *cert, changes ...change) *cert {
	s := w.spec(issuer, "/CN=x", keyUsage(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment), certInfo(nil, langAll))
	s.subject = rawName(issuer.subject, cn(cbasn1.PrintableString, fmt.Sprint(w.serials)))
	s.from, s.to = w.at.Add(-5*time.Minute), w.at.Add(12*time.Hour)
	return s.change(changes).sign()
}

// below makes a chain of proxies, one for each change, and returns it leaf first.
func (w *world) below(eec *cert, changes ...change) []*cert {
	chain := []*cert{eec}
	for _, c := range changes {
		chain = append([]*cert{w.proxy(chain[0], c)}, chain...)
	}
	return chain
}

func full(*spec) {}

// A made case is the files of a case.
type made struct {
	file    []byte
	leaf    int // which certificate of the file is the one to judge
	trust   *dir
	vomsDir *dir

	container bool // PKCS#12
}

// chain is a proxy file in the usual order.
func (w *world) chain(certs ...*cert) made {
	return w.file(blocks(certs[0], privateKey(certs[0].key), certs[1:]))
}

// file is any file.
func (w *world) file(data []byte) made { return made{file: data, trust: w.trust, vomsDir: w.vomsDir} }

func (m made) in(d *dir) made       { m.trust = d; return m }
func (m made) withVOMS(d *dir) made { m.vomsDir = d; return m }
func (m made) from(leaf int) made   { m.leaf = leaf; return m }

// blocks puts PEM together: a certificate, certificates, or bytes as they are.
func blocks(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		switch p := p.(type) {
		case *cert:
			b.Write(p.pem())
		case []*cert:
			for _, c := range p {
				b.Write(c.pem())
			}
		case []byte:
			b.Write(p)
		case string:
			b.WriteString(p)
		default:
			panic(fmt.Sprintf("cases: a block of type %T", p))
		}
	}
	return b.Bytes()
}

// privateKey is PKCS#1 for RSA and PKCS#8 for the rest, as package credfile writes them.
func privateKey(k *key) []byte {
	if r, ok := k.signer.(*rsa.PrivateKey); ok {
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)})
	}
	return pkcs8Key(k)
}

func pkcs8Key(k *key) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(k.signer))})
}

func sec1Key(k *key) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(k.signer.(*ecdsa.PrivateKey)))})
}

// A dir is a trust-anchor directory or a vomsdir.
type dir struct {
	name  string // empty: the case's
	files map[string][]byte
}

func newDir(name string) *dir { return &dir{name, make(map[string][]byte)} }

// knows is a directory of the case's own.
func knows() *dir { return newDir("") }

// and copies the directory, for changes.
func (d *dir) and() *dir { return &dir{"", maps.Clone(d.files)} }

func (d *dir) put(file string, content []byte) *dir { d.files[file] = content; return d }

func (d *dir) text(file, content string) *dir { return d.put(file, []byte(content)) }

// anchor adds a CA under its new hash, with a policy for the patterns if there are any.
func (d *dir) anchor(ca *cert, patterns ...string) *dir { return d.anchorAt(hash(ca), ca, patterns) }

func (d *dir) oldAndNew(ca *cert, patterns ...string) *dir {
	return d.anchorAt(hash(ca), ca, patterns).anchorAt(oldHash(ca), ca, patterns)
}

func (d *dir) anchorAt(hash string, ca *cert, patterns []string) *dir {
	for n := 0; ; n++ {
		file := fmt.Sprintf("%s.%d", hash, n)
		if _, taken := d.files[file]; !taken {
			d.put(file, ca.pem())
			break
		}
	}
	if len(patterns) > 0 {
		d.text(hash+".signing_policy", policy(slash(ca), patterns...))
	}
	return d
}

// policy is what the IGTF's files look like.
func policy(ca string, patterns ...string) string {
	quoted := ""
	for i, p := range patterns {
		if i > 0 {
			quoted += " "
		}
		quoted += `"` + p + `"`
	}
	return fmt.Sprintf("access_id_CA   X509    '%s'\npos_rights     globus  CA:sign\ncond_subjects  globus  '%s'\n", ca, quoted)
}

func (d *dir) lsc(vo, host string, names ...string) *dir {
	content := ""
	for _, n := range names {
		content += n + "\n"
	}
	return d.text(vo+"/"+host+".lsc", content)
}

func slash(c *cert) string { return must(dn.FromDER(c.subject)).String() }

// hash is the name of a CA's files without what comes after the dot.
func hash(ca *cert) string    { return fmt.Sprintf("%08x", must(dn.FromDER(ca.subject)).Hash()) }
func oldHash(ca *cert) string { return fmt.Sprintf("%08x", must(dn.FromDER(ca.subject)).OldHash()) }
