// Package cases makes the test corpus of the verifier: files, and the verdict each deserves.
//
// The cases stand in tables of Go, [Build] makes the files of them for any hour. All keys are new each time, so that the
// bytes differ from run to run and the verdicts do not. What `go run ./reconcile/internal/corpus` has written lies in
// testdata/corpus, and is judged by the tests as it lies there.
package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stages at which a case is refused.
const (
	StageFile  = "file"  // the file cannot be read, or lacks something
	StageChain = "chain" // the chain does not verify
	StageAC    = "ac"    // the chain does, an attribute certificate does not
)

// Verdicts.
const (
	Accept = "accept"
	Refuse = "refuse"
	None   = "none" // of OpenSSL, where it cannot judge
)

// A Want is the verdict that a case deserves.
type Want struct {
	Verdict    string      `json:"verdict"`
	Stage      string      `json:"stage,omitempty"`    // of a refusal
	ID         string      `json:"id,omitempty"`       // the trust.Error's
	Reason     string      `json:"reason,omitempty"`   // what the refusal says, among other things
	Identity   string      `json:"identity,omitempty"` // slash form; from here on also of a chain whose AC is refused
	Type       string      `json:"type,omitempty"`
	Limited    bool        `json:"limited,omitempty"`
	EndsWith   string      `json:"endsWith,omitempty"` // kind of the certificate that ends first, where the case is about that
	VOs        []string    `json:"vos,omitempty"`      // of the ACs that verified
	FQANs      []string    `json:"fqans,omitempty"`    // likewise, in short form
	Attributes [][3]string `json:"attributes,omitempty"`
	Findings   []string    `json:"findings,omitempty"` // ids, where the case has a Disk
}

// A Disk is how a file lies on disk, which no repository keeps.
type Disk struct {
	Mode       string `json:"mode"`                 // octal
	HardLink   bool   `json:"hardLink,omitempty"`   // it has another name
	SoftLink   bool   `json:"softLink,omitempty"`   // it is named by a symbolic link
	OtherOwner bool   `json:"otherOwner,omitempty"` // it ought to belong to another account than the caller's
}

// OpenSSL is what `openssl verify -allow_proxy_certs` says of the leaf.
type OpenSSL struct {
	Verdict string   `json:"verdict"`
	Args    []string `json:"args,omitempty"`    // besides the usual ones
	Differs string   `json:"differs,omitempty"` // why it says something else than we do, or nothing
}

// A Case is one case as the index has it. Paths are relative to the index.
type Case struct {
	Name         string    `json:"name"`
	Shows        string    `json:"shows"`
	File         string    `json:"file"`
	Leaf         int       `json:"leaf"` // number of the certificate in the file that OpenSSL is asked about
	Certificates string    `json:"certificates"`
	VOMSDir      string    `json:"vomsdir"`
	Host         string    `json:"host"`
	At           time.Time `json:"at"`
	CRL          string    `json:"crl,omitempty"`
	AllowWeak    bool      `json:"allowWeak,omitempty"`
	Passphrase   *string   `json:"passphrase,omitempty"` // that opens the file, of PKCS#12; inspect asks for none
	Disk         *Disk     `json:"disk,omitempty"`
	Want         Want      `json:"want"`
	OpenSSL      OpenSSL   `json:"openssl"`
}

// An Index is all cases.
type Index struct {
	Version int    `json:"version"`
	OpenSSL string `json:"opensslVersion"` // that the verdicts were compared with
	Cases   []Case `json:"cases"`
}

// An entry is a case in the tables.
type entry struct {
	name, shows string
	make        func(*world) made
	want        Want
	openssl     OpenSSL
	crl         string
	allowWeak   bool
	host        string
	passphrase  *string
	disk        *Disk
}

// An option changes an entry.
type option func(*entry)

func weak(e *entry) { e.allowWeak = true }

func crls(mode string) option { return func(e *entry) { e.crl = mode } }

// checkCRLs has OpenSSL look at CRLs, of which it then wants one for every CA.
func checkCRLs(e *entry) { e.openssl.Args = append(e.openssl.Args, "-crl_check_all") }

func on(host string) option { return func(e *entry) { e.host = host } }

func opensWith(passphrase string) option { return func(e *entry) { e.passphrase = &passphrase } }

// lies has the file on disk in a certain way, about which there are findings.
func lies(d Disk, findings ...string) option {
	return func(e *entry) { e.disk, e.want.Findings = &d, findings }
}

func one(name, shows string, make func(*world) made, want Want, openssl OpenSSL, options ...option) entry {
	e := entry{name: name, shows: shows, make: make, want: want, openssl: openssl, host: thisHost}
	for _, o := range options {
		o(&e)
	}
	return e
}

// OpenSSL's side of the tables.

var agrees = OpenSSL{}

// differs is for the opposite of our verdict.
func differs(why string) OpenSSL { return OpenSSL{Differs: why} }

// cannot is for no verdict.
func cannot(why string) OpenSSL { return OpenSSL{Verdict: None, Differs: why} }

// Our side.

// yes accepts Jane's chain whose leaf is of that type.
func yes(kind string) Want { return Want{Verdict: Accept, Identity: janeName, Type: kind} }

func (w Want) of(identity string) Want { w.Identity = identity; return w }
func (w Want) limited() Want           { w.Limited = true; return w }
func (w Want) until(what string) Want  { w.EndsWith = what; return w }

func (w Want) vo(names ...string) Want              { w.VOs = names; return w }
func (w Want) fqans(fqans ...string) Want           { w.FQANs = fqans; return w }
func (w Want) attributes(triples ...[3]string) Want { w.Attributes = triples; return w }

func no(id, reason string) Want {
	return Want{Verdict: Refuse, Stage: StageChain, ID: id, Reason: reason}
}

func broken(reason string) Want { return Want{Verdict: Refuse, Stage: StageFile, Reason: reason} }

// forged is for an AC that is refused on Jane's RFC 3820 proxy.
func forged(id, reason string) Want {
	return Want{Verdict: Refuse, Stage: StageAC, ID: id, Reason: reason, Identity: janeName, Type: "rfc"}
}

func tables() []entry {
	return slices.Concat(proxyCases(), pkiCases(), policyCases(), crlCases(), voCases(), nameCases(), fileCases(), encodingCases())
}

// A Corpus is the files, by path, and the index that speaks of them.
type Corpus struct {
	Files map[string][]byte
	Index Index
}

// Build makes all cases as of at, which is rounded down to seconds.
func Build(at time.Time) (c *Corpus, err error) {
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(error)
			if !ok {
				panic(r)
			}
			c, err = nil, fault
		}
	}()
	at = at.UTC().Truncate(time.Second)
	c = &Corpus{Files: map[string][]byte{".gitattributes": []byte("# Line ends matter here.\n* -text\n")}, Index: Index{Version: 1}}
	w := newWorld(at)
	seen := make(map[string]bool)
	for _, e := range tables() {
		if seen[e.name] {
			return nil, fmt.Errorf("cases: two cases are called %q", e.name)
		}
		seen[e.name] = true
		c.add(e, e.make(w), at)
	}
	return c, nil
}

func (c *Corpus) add(e entry, m made, at time.Time) {
	o := e.openssl
	if o.Verdict == "" {
		o.Verdict = e.want.Verdict
		if o.Differs != "" {
			o.Verdict = map[string]string{Accept: Refuse, Refuse: Accept}[o.Verdict]
		}
	}
	file := "cases/" + e.name + ".pem"
	if m.container {
		file = "cases/" + e.name + ".p12"
	}
	c.Files[file] = m.file
	c.Index.Cases = append(c.Index.Cases, Case{
		Name: e.name, Shows: e.shows, File: file, Leaf: m.leaf, At: at, CRL: e.crl, AllowWeak: e.allowWeak, Host: e.host, Passphrase: e.passphrase, Disk: e.disk,
		Certificates: c.addDir("trust/", e.name, m.trust), VOMSDir: c.addDir("vomsdir/", e.name, m.vomsDir),
		Want: e.want, OpenSSL: o,
	})
}

// addDir puts a directory's files below prefix, once. An empty one gets a file to be there at all.
func (c *Corpus) addDir(prefix, name string, d *dir) string {
	if d.name != "" {
		name = d.name
	}
	path := prefix + name
	for file, content := range d.files {
		c.Files[path+"/"+file] = content
	}
	if len(d.files) == 0 {
		c.Files[path+"/README"] = []byte("There is nothing here.\n")
	}
	return path
}

// Groups returns the names of the groups, which the names of the cases begin with, in order.
func (x Index) Groups() []string {
	var out []string
	for _, c := range x.Cases {
		group, _, _ := strings.Cut(c.Name, "-")
		if !slices.Contains(out, group) {
			out = append(out, group)
		}
	}
	return out
}
