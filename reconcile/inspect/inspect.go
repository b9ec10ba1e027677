// Package inspect describes proxy files: what is in them, and whether they verify.
//
// [Inspector.Describe] takes a file's bytes and says everything that voms-proxy-info -all, grid-proxy-info and openssl x509
// know of them, as data; [Inspector.File] reads the file first and looks at its owner and mode as well; [Walk] names the
// files below a directory. Nothing is ever printed, and whatever the bytes are, a Report comes out: what a file lacks is its
// Fault.
//
// Strings of a Report come from files that anybody may have written. Distinguished names are in OpenSSL's slash form, which
// is plain ASCII; all others, faults too, must be made printable before a terminal sees them.
package inspect

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// A State is what a file is good for, in the words of the command's JSON.
type State string

// States of files.
const (
	OK      State = "ok"      // it verifies
	Expired State = "expired" // something that it needs has ended, whatever else is wrong with it
	Missing State = "missing" // there is no such file
	Invalid State = "invalid" // Fault says why
)

// A KeyState says which private key is in a file.
type KeyState string

// States of private keys.
const (
	NoKey        KeyState = ""
	KeyPlain     KeyState = "plain"     // in the clear, as in every proxy file; it belongs to the leaf
	KeyOther     KeyState = "other"     // in the clear, and belongs to none of the certificates
	KeyEncrypted KeyState = "encrypted" // under a passphrase: which certificate it belongs to cannot be told
)

// A Report is what there is to know of one file.
type Report struct {
	Path   string // as it was named; "-" for standard input
	State  State
	Fault  string   // why it does not verify, in one line; empty: it does
	Faults []string // certificates in it that cannot be read
	Key    KeyState

	// Chain is leaf first, up to and with the end-entity certificate; where no chain can be told, all certificates in
	// the order of the file. It is empty when no certificate could be read, and then the fields below are zero.
	//
	// Identity is the subject of the EEC, or of an independent proxy, which inherits none (RFC 3820 section 3.8.2); where neither
	// is there, the issuer of the last proxy, as grid-proxy-info prints.
	Chain    []Certificate
	Identity string // see above
	Limited  bool   // a proxy of the chain is a limited one

	ACs   []AC
	VO    string   // of the first AC that verified, in a chain that did
	FQANs []string // of all such, short form

	NotBefore    time.Time // latest beginning in the chain
	NotAfter     time.Time // earliest end in the chain
	ACNotAfter   time.Time // earliest end of an AC; zero: there is none
	EffectiveEnd time.Time // earliest of these and of whatever verified them: CAs, and the signers of ACs
	EndsWith     string    // words for what ends then, for instance "the user certificate /DC=…"; may be empty

	Findings []credfile.Finding // about owner, mode and directories; only of real files
}

// Verified reports whether everything about the file is as it must be.
func (r *Report) Verified() bool { return r.Fault == "" }

// Leaf returns the first certificate, or nil.
func (r *Report) Leaf() *Certificate {
	if len(r.Chain) == 0 {
		return nil
	}
	return &r.Chain[0]
}

// An AC is an attribute certificate and whether it is genuine.
type AC struct {
	*attrcert.AC
	Fault string // why it does not count; empty: it verifies
}

// An Inspector describes files as of one moment, and takes what they are verified by for what it was when it was first
// needed. It is safe for concurrent use, and must not be copied after its first use.
type Inspector struct {
	Store *trust.Store
	Now   time.Time
	UID   int // whose files ought to be; -1: not known, see [credfile.CheckFile]

	mu     sync.Mutex
	certs  certificates
	acs    map[acKey][]acVerdict
	tidied map[location]bool // where nothing was found to be wrong
}

// Describe says what is in a file and whether it verifies.
func (in *Inspector) Describe(data []byte) *Report {
	r := new(Report)
	file, err := credfile.Reader{ParseCertificate: in.certs.parse}.ParseAll(data)
	if file.PKCS12() {
		err = openContainer(file)
	}
	for _, f := range file.Faults {
		r.Faults = append(r.Faults, f.Error())
	}
	switch {
	case file.Key != nil:
		r.Key = KeyOther
	case file.Encrypted:
		r.Key = KeyEncrypted
	}
	if err == nil && len(file.Certificates) == 0 {
		err = errors.Join(file.Faults...)
		if err == nil {
			err = credfile.ErrNoCertificate
		}
	}
	if len(file.Certificates) > 0 {
		d := describer{Report: r, Inspector: in}
		d.chain(file, err)
		d.attributes()
		r.EffectiveEnd, r.EndsWith = d.end.at, d.end.with
	} else if err != nil {
		r.fail(err)
	}
	r.State = r.state(in.Now)
	return r
}

// openContainer opens a PKCS#12 file that needs no passphrase.
func openContainer(file *credfile.File) error {
	err := file.Open(nil)
	if errors.Is(err, credfile.ErrEncrypted) {
		return errors.New("a PKCS#12 file under a passphrase, which no grid program reads; take the certificate out with " +
			"openssl pkcs12 -in FILE -clcerts -nokeys")
	}
	return err
}

func (r *Report) fail(err error) {
	if r.Fault == "" {
		r.Fault = oneLine(err)
	}
}

func (r *Report) state(now time.Time) State {
	switch {
	case r.Fault == "": // perhaps in its last second, or in the minutes that clocks are allowed to differ by
		return OK
	case !r.EffectiveEnd.IsZero() && now.After(r.EffectiveEnd):
		return Expired
	}
	return Invalid
}

// A describer fills in a Report.
type describer struct {
	*Report
	*Inspector
	own    int               // certificates of the chain that act as one party, see proxycert.Own
	holder *x509.Certificate // the last of them, whom attributes are to be about; nil: the chain is cut short
	good   bool              // the chain verifies
	end    end
}

// An end is the earliest of several.
type end struct {
	at   time.Time
	with string
}

func (e *end) and(at time.Time, with string) {
	if e.at.IsZero() || at.Before(e.at) {
		e.at, e.with = at, with
	}
}

// chain describes the certificates and verifies them. A file of certificates alone is no faulty proxy: only proxies have to
// have their key with them.
func (d *describer) chain(file *credfile.File, fault error) {
	certs, sorted := file.Certificates, file.Certificates
	cred, err := file.Credential()
	switch {
	case err == nil:
		sorted, d.Key = cred.Chain, KeyPlain
		certs = cred.Presented() // whose key it is, is the leaf, wherever it stands
	default:
		if chain, err := proxycert.SortChain(certs, nil); err == nil {
			sorted = chain
		}
		if info, _ := proxycert.Classify(sorted[0]); file.Key != nil || info.IsProxy() {
			fault = errors.Join(fault, err)
		} else if fault == nil && !file.Encrypted {
			fault = file.Headless()
		}
	}
	verify := d.Store.VerifyChain
	if cred != nil {
		verify = d.Store.VerifyPeer
	}
	res, err := verify(certs, d.Now)
	if err == nil {
		d.good, sorted = true, res.Chain
	}
	if fault == nil {
		fault = err
	}
	d.certificates(sorted)
	if d.good {
		d.end.and(res.EffectiveEnd, res.EndsWith)
	}
	if fault != nil {
		d.fail(fault)
	}
}

func (d *describer) certificates(chain []*x509.Certificate) {
	c := &proxycert.Credential{Chain: chain}
	d.NotBefore, d.NotAfter = c.NotBefore(), c.NotAfter()
	d.end.and(d.NotAfter, "")
	d.Chain = make([]Certificate, len(chain))
	for i := len(chain) - 1; i >= 0; i-- {
		var above *Certificate // nearly always the issuer
		if i+1 < len(chain) {
			above = &d.Chain[i+1]
		}
		d.Chain[i] = describeCertificate(chain[i], above)
		d.Limited = d.Limited || d.Chain[i].Limited
	}
	d.own = len(proxycert.Own(chain))
	last := &d.Chain[d.own-1]
	d.Identity = last.Subject
	switch {
	case last.isEEC() || last.Policy == PolicyIndependent:
		d.holder = last.Certificate
	case last.isProxy(): // what signed it is not there
		d.Identity = last.Issuer
	}
}

// attributes adds the attribute certificates. One that does not verify does not count as attributes, and the file does not
// verify; nor do attributes count in a chain that does not.
func (d *describer) attributes() {
	verdicts, err := d.acsOf(d.Chain[:d.own], d.holder)
	if err != nil {
		d.fail(fmt.Errorf("the attribute certificates cannot be read: %w", err))
	}
	for _, v := range verdicts {
		a := AC{AC: v.ac}
		end, with := v.ac.NotAfter, "the attribute certificate of "+v.ac.VO
		if v.err != nil {
			a.Fault = oneLine(v.err)
			d.fail(fmt.Errorf("attribute certificate of VO %s: %w", v.ac.VO, v.err))
		} else {
			end, with = v.result.EffectiveEnd, v.result.EndsWith
			if d.good {
				d.count(v.ac)
			}
		}
		if d.ACNotAfter.IsZero() || v.ac.NotAfter.Before(d.ACNotAfter) {
			d.ACNotAfter = v.ac.NotAfter
		}
		d.end.and(end, with)
		d.ACs = append(d.ACs, a)
	}
}

// count takes over what an AC says.
func (d *describer) count(ac *attrcert.AC) {
	if d.VO == "" {
		d.VO = ac.VO
	}
	d.FQANs = append(d.FQANs, ac.FQANs...)
}
