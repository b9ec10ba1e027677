package doctor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// lookCredentials reports proxies that are missing, over or not what they must be.
func lookCredentials(_ context.Context, b *Box) ([]Finding, error) {
	var found []Finding
	for _, c := range b.Want.Credentials {
		st := b.Have.Credentials[c.Name]
		f := Finding{Severity: plan.Critical, Subject: c.Name, Remedy: "vobox-reconcile --force " + shell(c.Name), Where: "VO-Box"}
		id := "PROXY-LOW"
		if c.Kind == plan.Machine {
			id, f.Why = "HOST-PROXY", "Without it the MyProxy server renews nothing."
			if c.Observe {
				f.Remedy, f.Where = "run what makes it (/etc/init.d/"+b.Want.VO+"-box-proxyrenewal proxy), or set machineProxy.manage: true", "site admin"
			}
		} else {
			f.Why = "Whatever uses it fails, job submission first."
		}
		switch left := st.EffectiveEnd.Sub(b.Now()); {
		case !st.Exists && c.Kind == plan.User:
			f.ID, f.Message = "PROXY-MISSING", "there is no user proxy "+st.Path+" yet"
			f.Remedy = "log in with a fresh proxy and run vobox-reconcile from that session"
		case !st.Exists:
			f.ID, f.Message = id, "there is no machine proxy "+st.Path
		case st.Fault != "":
			f.ID, f.Message = st.FaultID, fmt.Sprintf("%s cannot be used: %s", st.Path, st.Fault)
			if what, where := plan.FaultRemedy(st.FaultID, cmp.Or(c.VO, b.Want.VO)); what != "" {
				f.Remedy, f.Where = what, where
			}
		case left <= 0:
			f.ID, f.Message = id, fmt.Sprintf("%s: %s expired %s ago, on %s", st.Path, st.EndsWith, plan.Span(-left), plan.Clock(st.EffectiveEnd))
			if c.Kind == plan.User {
				f.Why += " An expired proxy cannot authorise its own renewal."
				f.Remedy = "log in with a fresh proxy and run vobox-reconcile from that session"
			}
		case left < c.AlertBelow:
			f.ID, f.Message = id, fmt.Sprintf("%s: %s has %s left, alert below %s", st.Path, st.EndsWith, plan.Span(left), plan.Span(c.AlertBelow))
		default:
			continue
		}
		found = append(found, f)
	}
	return found, nil
}

// ofCredentials are alerts that another check tells with more words.
var ofCredentials = []string{"HOST-PROXY", "PROXY-LOW", "HOST-CERT", "ROBOT-CERT"}

// lookAlerts reports what the next pass would raise an alert for, and no other check does.
func lookAlerts(_ context.Context, b *Box) ([]Finding, error) {
	faults := map[string]bool{}
	for _, st := range b.Have.Credentials {
		faults[st.FaultID], faults[st.Source.FaultID] = true, true
	}
	var found []Finding
	for _, a := range plan.Compute(b.Want, b.Have, b.Now(), plan.Options{}).Alerts {
		if slices.Contains(ofCredentials, a.ID) || faults[a.ID] {
			continue
		}
		found = append(found, Finding{ID: a.ID, Severity: a.Severity, Subject: a.Subject, Message: a.Message, Why: consequence[a.ID], Remedy: a.Remedy, Where: a.Where})
	}
	return found, nil
}

// consequence says why an alert matters.
var consequence = map[string]string{
	"MP-T12":     "The proxy never has as much left as the CE wants, and an outage of the servers is survived for hours only.",
	"MP-STORED":  "When it has ended, nothing can be renewed until it is stored again.",
	"MP-SHORT":   "Each renewal gives less than the one before.",
	"VO-ACSHORT": "JAliEn compares the attribute certificate, not the proxy, with its threshold.",
	"VO-SIGNER":  "Some libraries refuse attributes whose signer has expired.",
	"USER-CERT":  "When it has ended, every renewal fails, and nothing can be stored.",
	"CRL-STALE":  "When a list has run out, everybody of its CA is refused: the servers, the box and the user.",
	"ENV-EXPECT": "Services would run as somebody else; they are not restarted until it is right.",
}

// lookFiles reports owners, modes and links that Globus refuses, or that let others read or replace a file.
func lookFiles(_ context.Context, b *Box) ([]Finding, error) {
	var found []Finding
	look := func(subject, path string, uid int) {
		for _, f := range credfile.CheckFile(path, credfile.Secret, uid) {
			if f.ID == credfile.FindingRead {
				continue // what is missing is told by whoever needs it
			}
			severity := plan.Critical
			if f.ID == credfile.FindingDir {
				severity = plan.Warning
			}
			found = append(found, Finding{ID: f.ID, Severity: severity, Subject: subject, Message: f.Path + ": " + f.Problem,
				Why: "Grid programs refuse such a file, or others can read or replace it.", Remedy: f.Remedy, Where: "VO-Box"})
		}
	}
	for _, c := range b.Want.Credentials {
		if st := b.Have.Credentials[c.Name]; st.Exists {
			look(c.Name, st.Path, b.uid())
		}
		if src := c.Source.Certificate; src != nil && !c.Observe {
			look(c.Name, src.Key, -1)
			if src.PassphraseFile != "" {
				look(c.Name, src.PassphraseFile, -1)
			}
		}
		if mp := c.Source.MyProxy; mp != nil && mp.PassphraseFile != "" {
			look(c.Name, mp.PassphraseFile, -1)
		}
	}
	return found, nil
}

// certWarning is how long before its end a host or robot certificate is spoken of: as alerts have it.
const certWarning = 10 * 24

// lookHostCertificate reports a host certificate that will not do for a machine proxy.
func lookHostCertificate(_ context.Context, b *Box) ([]Finding, error) {
	c, ok := b.machine()
	if !ok || c.Source.Certificate == nil {
		return nil, ErrNothing
	}
	src := *c.Source.Certificate
	add := adder(src.Cert, "site admin", "Without it there is no machine proxy, and without that no renewal.")
	path, err := atomicfile.Follow(src.Cert)
	if err != nil {
		path = src.Cert
	}
	data, _, err := atomicfile.Read(path, credfile.MaxSize)
	if unreadable(err) {
		return nil, fmt.Errorf("%s cannot be read by this account: run as root", src.Cert)
	}
	if err != nil && c.Observe {
		return nil, fmt.Errorf("another program keeps the machine proxy, and %s cannot be read: %w", src.Cert, err)
	}
	if err != nil {
		return add.done("HOST-CERT", plan.Critical, err.Error(), "ask your CA for a host certificate and install it as "+src.Cert)
	}
	file, err := credfile.ParseAll(data)
	if err != nil || len(file.Certificates) == 0 {
		return add.done("HOST-CERT", plan.Critical, fmt.Sprintf("there is no certificate in it: %v", err), "openssl x509 -noout -in "+shell(src.Cert))
	}
	cert := file.Certificates[0]
	renew := "ask your CA for a new host certificate and install it as " + src.Cert
	switch left := cert.NotAfter.Sub(b.Now()); {
	case b.Now().Before(cert.NotBefore):
		add.add("HOST-CERT", plan.Critical, "it is not valid before "+plan.Clock(cert.NotBefore), "date -u; if the clock is right, "+renew)
	case left <= 0:
		add.add("HOST-CERT", plan.Critical, "it expired on "+plan.Clock(cert.NotAfter), renew)
	case left.Hours() < certWarning:
		add.add("HOST-CERT", plan.Warning, fmt.Sprintf("it ends on %s, in %s", plan.Clock(cert.NotAfter), plan.Span(left)), renew)
	}
	if _, err := b.Trust.VerifyChain(file.Certificates, b.Now()); err != nil && b.Now().After(cert.NotBefore) && b.Now().Before(cert.NotAfter) {
		add.add("HOST-CERT", plan.Critical, "it does not verify: "+err.Error(), "openssl verify -CApath "+shell(b.Trust.Certificates)+" "+shell(src.Cert))
	}
	hostUsage(add, cert)
	hostKey(add, c, src)
	return add.found, nil
}

// hostUsage reports what in a host certificate other programs will stumble over.
func hostUsage(add *findings, cert *x509.Certificate) {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0 && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
		add.why = "MyProxy and VOMS servers refuse it as the identity of a client."
		add.add("HOST-EKU", plan.Critical, "it has no extended key usage clientAuth, only others",
			"ask your CA for a host certificate with clientAuth, from a hierarchy of the IGTF")
	}
	switch cert.SignatureAlgorithm {
	case x509.ECDSAWithSHA1, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		add.why = "grid-proxy-init and myproxy-init of Globus say: signing algorithm not supported. This program does not mind."
		add.add("HOST-ECDSA", plan.Warning, "it is signed by ECDSA", "let this program make the machine proxy: machineProxy.manage: true")
	}
}

// hostKey reports a key that is not there, not readable or not that of the certificate.
func hostKey(add *findings, c plan.Credential, src plan.Certificate) {
	if c.Observe {
		return
	}
	_, err := credfile.LoadPair(src.Cert, src.Key, nil)
	add.why = "Without it there is no machine proxy, and without that no renewal."
	switch {
	case err == nil:
	case unreadable(err):
		add.add("HOST-KEY", plan.Critical, src.Key+" cannot be read by this account", "run vobox-reconcile as root, or set machineProxy.manage: false and leave the machine proxy to root's own run")
	case errors.Is(err, fs.ErrNotExist):
		add.add("HOST-KEY", plan.Critical, err.Error(), "ls -l "+shell(src.Key))
	default:
		add.add("HOST-KEY", plan.Critical, err.Error(), "openssl x509 -noout -pubkey -in "+shell(src.Cert)+"; openssl pkey -pubout -in "+shell(src.Key)+"   # must print the same")
	}
}

// oldPBE are the encryptions of PKCS#12 files that OpenSSL 3 reads only with its legacy provider: RC2 of 40 bits, as
// Windows, Java and OpenSSL 1 wrote it (1.2.840.113549.1.12.1.6).
var oldPBE = []byte{0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x06}

// lookRobots reports certificates on the box that user proxies are made from and cannot be.
func lookRobots(_ context.Context, b *Box) ([]Finding, error) {
	looked := false
	var found []Finding
	for _, c := range b.users() {
		src := c.Source.Certificate
		if src == nil || c.Observe {
			continue
		}
		looked = true
		add := adder(src.Cert, "VO-Box", "Proxy "+c.Name+" cannot be renewed.")
		st := b.Have.Credentials[c.Name].Source
		renew := "get a new certificate from your CA and install it as " + src.Cert
		left := st.NotAfter.Sub(b.Now())
		switch {
		case st.Fault != "":
			add.add("ROBOT-CERT", plan.Critical, st.Fault, renew)
		case !st.NotAfter.IsZero() && left.Hours() < certWarning:
			add.add("ROBOT-CERT", plan.Warning, fmt.Sprintf("it ends on %s, in %s", plan.Clock(st.NotAfter), plan.Span(left)), renew)
		}
		if data, err := readSmall(src.Cert); err == nil && bytes.Contains(data, oldPBE) {
			add.why = "OpenSSL 3, and with it Globus on EL9, cannot read it without its legacy provider. This program does."
			add.add("P12-WEAK", plan.Warning, "it is a PKCS#12 file under RC2",
				"openssl pkcs12 -legacy -in "+shell(src.Cert)+" -out robot.pem && openssl pkcs12 -export -in robot.pem -out "+shell(src.Cert))
		}
		found = append(found, add.found...)
	}
	if !looked {
		return nil, ErrNothing
	}
	return found, nil
}

// lookNames reports names that are the same to a person and not to a MyProxy server, which compares them as strings, and
// proxies of the wanted role under another name.
func lookNames(_ context.Context, b *Box) ([]Finding, error) {
	var found []Finding
	for _, c := range b.users() {
		want, err := dn.Parse(c.Identity)
		if err != nil {
			continue
		}
		add := adder(c.Name, "VO-Box", "MyProxy servers compare user names byte for byte, and find no credential.")
		if cred := b.load(c); cred != nil && cred.EEC() != nil && cred.Identity().Equal(want) {
			real := cred.Identity().String()
			if mp := c.Source.MyProxy; mp != nil && mp.Username != real && sameName(mp.Username, want) {
				add.add("DN-FORM", plan.Warning, fmt.Sprintf("the MyProxy user name is written %q, the certificate says %q", mp.Username, real),
					fmt.Sprintf("write dn: %s in %s", real, b.Config))
			}
		}
		b.lookChanged(add, c, want)
		found = append(found, add.found...)
	}
	return found, nil
}

func sameName(s string, n dn.Name) bool {
	other, err := dn.Parse(s)
	return err == nil && other.Equal(n)
}

// maxRepository is how many files of a repository are looked at.
const maxRepository = 200

// lookChanged reports a proxy in the repository that has the role and another person's name, and lasts longer: somebody
// has got a certificate under a new name, and registered it.
func (b *Box) lookChanged(add *findings, c plan.Credential, want dn.Name) {
	files, err := atomicfile.Glob(b.Want.Repository, "*")
	if err != nil || len(c.FQANs) == 0 {
		return
	}
	for _, name := range files[:min(len(files), maxRepository)] {
		path := filepath.Join(b.Want.Repository, name)
		cred, _, err := credfile.Load(path)
		if err != nil || cred.EEC() == nil || cred.Identity().Equal(want) || !strings.HasSuffix(lastCN(cred.Identity()), lastCN(want)) {
			continue
		}
		if _, err := b.Trust.VerifyChain(cred.Chain, b.Now()); err != nil || !cred.NotAfter().After(b.Have.Credentials[c.Name].EffectiveEnd) {
			continue
		}
		add.why = "The configuration, the MyProxy server's renewers, the VO's register and LDAP name the old one."
		add.add("DN-CHANGED", plan.Warning, fmt.Sprintf("%s has a valid proxy of %s, while %s is wanted", path, cred.Identity().String(), want.String()),
			fmt.Sprintf("if that is the new certificate of the same person: write dn: %s in %s, and link it in the VO's register", cred.Identity().String(), b.Config))
	}
}

func lastCN(n dn.Name) string {
	cn, _ := n.LastCN()
	return cn
}

// A findings collects what is found about one subject.
type findings struct {
	subject, where, why string
	found               []Finding
}

func adder(subject, where, why string) *findings {
	return &findings{subject: subject, where: where, why: why}
}

func (f *findings) add(id string, s plan.Severity, message, remedy string) {
	f.found = append(f.found, Finding{ID: id, Severity: s, Subject: f.subject, Message: message, Why: f.why, Remedy: remedy, Where: f.where})
}

func (f *findings) done(id string, s plan.Severity, message, remedy string) ([]Finding, error) {
	f.add(id, s, message, remedy)
	return f.found, nil
}
