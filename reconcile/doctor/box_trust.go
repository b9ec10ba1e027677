package doctor

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

var (
	anchorName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`) })
	crlName    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{8}\.r[0-9]+$`) })
)

// fetchEvery is how often fetch-crl runs: Debian's and EL's packages have it every six hours. After fetchLate it does not.
const fetchLate = 48 * time.Hour

// lookTrust reports a trust directory without anchors, with revocation lists that are over, or with CAs in use whose own
// signature other software refuses.
func lookTrust(_ context.Context, b *Box) ([]Finding, error) {
	dir := b.Trust.Certificates
	add := adder(dir, "site admin", "Nothing verifies without the CAs: no server is talked to, no proxy is taken.")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return add.done("CA-MISSING", plan.Critical, err.Error(), "dnf install ca-policy-egi-core   # or your distribution's package of IGTF trust anchors")
	}
	var crls []string
	anchors := 0
	for _, e := range entries {
		switch {
		case anchorName().MatchString(e.Name()):
			anchors++
		case crlName().MatchString(e.Name()):
			crls = append(crls, filepath.Join(dir, e.Name()))
		}
	}
	if anchors == 0 {
		add.add("CA-MISSING", plan.Critical, "there is no trust anchor in it (files such as 1a2b3c4d.0)", "dnf install ca-policy-egi-core   # or your distribution's package of IGTF trust anchors")
	}
	if b.Trust.CRL != trust.CRLIgnore {
		b.lookCRLs(add, crls, anchors)
	}
	b.lookAnchors(add)
	return add.found, nil
}

// lookCRLs reports revocation lists that are over. Those of CAs in use are critical, and told with the credential.
func (b *Box) lookCRLs(add *findings, files []string, anchors int) {
	const fetch = "systemctl enable --now fetch-crl.timer; fetch-crl"
	if len(files) == 0 {
		if anchors > 0 && b.Trust.CRL == trust.CRLRequire {
			add.why = "trust.crl: require refuses every CA without one."
			add.add("CRL-MISSING", plan.Critical, "there is no revocation list in it", fetch)
		} else if anchors > 0 {
			add.why = "Revoked certificates are accepted."
			add.add("CRL-MISSING", plan.Warning, "there is no revocation list in it", fetch)
		}
		return
	}
	type stale struct {
		file string
		end  time.Time
	}
	var over []stale
	var newest time.Time
	for _, file := range files {
		list, at, err := readCRL(file)
		if err != nil {
			continue // told with what it keeps from verifying
		}
		if at.After(newest) {
			newest = at
		}
		if !list.NextUpdate.IsZero() && b.Now().After(list.NextUpdate) {
			over = append(over, stale{filepath.Base(file), list.NextUpdate})
		}
	}
	add.why = "A revocation list that is over makes Globus, and this program, refuse whatever its CA signed."
	if len(over) > 0 {
		slices.SortFunc(over, func(a, b stale) int { return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.file, b.file)) })
		names := make([]string, min(len(over), 3))
		for i := range names {
			names[i] = over[i].file + " since " + day(over[i].end)
		}
		add.add("CRL-STALE", plan.Warning, fmt.Sprintf("%d of %d revocation lists are over, the oldest: %s", len(over), len(files), strings.Join(names, ", ")), fetch)
	} else if late := b.Now().Sub(newest); !newest.IsZero() && late > fetchLate {
		add.add("CRL-STALE", plan.Warning, fmt.Sprintf("no revocation list has been fetched for %s", plan.Span(late)), fetch)
	}
}

// readCRL reads a revocation list and when its file was written.
func readCRL(path string) (*x509.RevocationList, time.Time, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	if info.Size() > 64<<20 {
		return nil, time.Time{}, fmt.Errorf("%s is too large", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	list, err := x509.ParseRevocationList(data)
	return list, info.ModTime(), err
}

// lookAnchors reports CAs of this box's own credentials that other software refuses.
func (b *Box) lookAnchors(add *findings) {
	told := map[string]bool{}
	for _, chain := range b.chains() {
		r, err := b.Trust.VerifyChain(chain, b.Now())
		if err != nil {
			continue // told with the credential
		}
		for _, ca := range r.Anchors {
			if !sha1Signed(ca) || told[string(ca.Raw)] {
				continue
			}
			told[string(ca.Raw)] = true
			add.why = "OpenSSL refuses it under the DEFAULT policy of EL9. This program does not: nobody relies on the signature of a root."
			add.add("CA-SHA1", plan.Warning, "the CA "+ca.Subject.String()+" is signed by SHA-1", "update-crypto-policies --set DEFAULT:SHA1   # on EL9, until the CA has been reissued")
		}
	}
}

func sha1Signed(c *x509.Certificate) bool {
	return slices.Contains([]x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1}, c.SignatureAlgorithm)
}

// chains are those of the credentials on the box, and of the certificates that they are made from.
func (b *Box) chains() [][]*x509.Certificate {
	var out [][]*x509.Certificate
	for _, c := range b.Want.Credentials {
		if cred := b.load(c); cred != nil {
			out = append(out, cred.Chain)
		}
		if src := c.Source.Certificate; src != nil {
			if path, err := atomicfile.Follow(src.Cert); err == nil {
				if data, _, err := atomicfile.Read(path, credfile.MaxSize); err == nil {
					if file, err := credfile.ParseAll(data); err == nil && len(file.Certificates) > 0 {
						out = append(out, file.Certificates)
					}
				}
			}
		}
	}
	return out
}

// oldServers are hosts of VOMS servers that IAM has replaced.
var oldServers = []string{"voms2.cern.ch", "lcg-voms2.cern.ch", "lcg-voms.cern.ch", "voms.cern.ch"}

// lookVOFiles reports a VO whose servers the box does not know, or whose signatures it cannot check.
func lookVOFiles(_ context.Context, b *Box) ([]Finding, error) {
	vos := map[string]bool{}
	for _, c := range b.users() {
		if len(c.FQANs) > 0 {
			vos[c.VO] = true
		}
	}
	if len(vos) == 0 {
		return nil, ErrNothing
	}
	var found []Finding
	servers, err := b.Servers()
	for _, vo := range sorted(vos) {
		packages := fmt.Sprintf("dnf install wlcg-iam-vomses-%s wlcg-iam-lsc-%s   # or copy the files from the VO's page", vo, vo)
		add := adder(vo, "site admin", "No attributes of VO "+vo+" can be had, and so no proxy.")
		known := voms.ForVO(servers, vo)
		if len(known) == 0 {
			message := fmt.Sprintf("no line for it in %s", strings.Join(b.VOMSES, ", "))
			if err != nil {
				message += fmt.Sprintf(" (%v)", err)
			}
			add.add("VO-VOMSES", plan.Critical, message, packages)
		}
		add.why = "It costs a timeout at every renewal, or all of it once no other server is left."
		for _, s := range known {
			if slices.Contains(oldServers, s.Host) {
				add.add("VO-VOMSES", plan.Warning, fmt.Sprintf("%s:%d names %s, which IAM has replaced", s.File, s.Line, s.Address()), packages)
			}
		}
		b.lookLSC(add, vo, known, packages)
		found = append(found, add.found...)
	}
	return found, nil
}

// lookLSC reports servers whose attribute certificates cannot be verified for want of a file.
func (b *Box) lookLSC(add *findings, vo string, known []voms.Server, packages string) {
	add.why = "Attributes that cannot be verified do not count: the new proxy is refused."
	dir := filepath.Join(b.Trust.VOMSDir, vo)
	for _, s := range known {
		file := filepath.Join(dir, s.Host+".lsc")
		data, err := readSmall(file)
		if err == nil {
			_, err = trust.ParseLSC(data)
		}
		switch {
		case err == nil:
		case os.IsNotExist(err):
			// The name of the file is that of the host in the AC, which behind an alias is another: any will do.
			if others, _ := filepath.Glob(filepath.Join(dir, "*.lsc")); len(others) == 0 {
				add.add("VO-LSC", plan.Critical, "there is no LSC file in "+dir, packages)
				return
			}
		default:
			add.add("VO-LSC", plan.Critical, fmt.Sprintf("%s: %v", file, err), packages)
		}
	}
}

func sorted(set map[string]bool) []string {
	var out []string
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
