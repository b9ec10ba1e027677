package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// An inspectDoc is what inspect prints of one file.
type inspectDoc struct {
	credentialDoc
	File     string     `json:"file"`
	Verified bool       `json:"verified"`
	Fault    string     `json:"fault"`
	Chain    []chainDoc `json:"chain"`
	ACs      []acDoc    `json:"acs"`
}

type chainDoc struct {
	Subject            string    `json:"subject"`
	Issuer             string    `json:"issuer"`
	Serial             string    `json:"serial"`
	NotBefore          time.Time `json:"notBefore"`
	NotAfter           time.Time `json:"notAfter"`
	Type               string    `json:"type"`
	KeyType            string    `json:"keyType"`
	KeyBits            int       `json:"keyBits"`
	SignatureAlgorithm string    `json:"signatureAlgorithm"`
	PathLen            *int      `json:"pathLen"`
	Policy             string    `json:"policy"`
}

type acDoc struct {
	VO         string         `json:"vo"`
	Issuer     string         `json:"issuer"`
	Serial     string         `json:"serial"`
	NotBefore  time.Time      `json:"notBefore"`
	NotAfter   time.Time      `json:"notAfter"`
	FQANs      []string       `json:"fqans"`
	Attributes []attributeDoc `json:"attributes"`
	Verified   bool           `json:"verified"`
	Fault      string         `json:"fault"`
	URI        string         `json:"uri"`
}

type attributeDoc struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Qualifier string `json:"qualifier"`
}

type inspectFlags struct {
	certificates, vomsdir, crl, at string
}

func (a *app) inspectCommand() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect [FILE...]",
		Short: "Show a proxy file, and whether it verifies",
		Long: `Show what voms-proxy-info -all, grid-proxy-info and openssl x509 show of proxy files, and whether they verify.
Without FILE: $X509_USER_PROXY, else the user's default proxy file. "-" is standard input.
It needs no configuration. The exit code is 0 only if every file verifies.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.inspect(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.certificates, "certificates", "", "trust-anchor `directory` (default $X509_CERT_DIR, else /etc/grid-security/certificates)")
	fl.StringVar(&f.vomsdir, "vomsdir", "", "`directory` of LSC files (default $X509_VOMS_DIR, else /etc/grid-security/vomsdir)")
	fl.StringVar(&f.crl, "crl", string(trust.CRLIfPresent), "`how` to use CRLs: require, if-present or ignore")
	fl.StringVar(&f.at, "at", "", "verify as if it were that `time`")
	return cmd
}

func (a *app) inspect(ctx context.Context, f inspectFlags, files []string) error {
	now, err := clock(f.at)
	if err != nil {
		return err
	}
	switch trust.CRLMode(f.crl) {
	case trust.CRLRequire, trust.CRLIfPresent, trust.CRLIgnore:
	default:
		return usage("--crl is require, if-present or ignore, not %q", f.crl)
	}
	store := &trust.Store{
		Certificates: firstOf(f.certificates, a.getenv("X509_CERT_DIR"), "/etc/grid-security/certificates"),
		VOMSDir:      firstOf(f.vomsdir, a.getenv("X509_VOMS_DIR"), "/etc/grid-security/vomsdir"),
		CRL:          trust.CRLMode(f.crl),
	}
	if len(files) == 0 {
		files = []string{firstOf(a.getenv("X509_USER_PROXY"), fmt.Sprintf("/tmp/x509up_u%d", os.Geteuid()))}
	}
	docs := a.inspectAll(ctx, store, files, now())
	if a.output == "json" {
		if err := a.printJSON(docs); err != nil {
			return err
		}
	} else {
		for i, d := range docs {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			a.printInspect(d, now())
		}
	}
	for _, d := range docs {
		if !d.Verified {
			return exit(exitFailed)
		}
	}
	return nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// inspectAll looks at the files side by side and returns what it found in their order.
func (a *app) inspectAll(ctx context.Context, store *trust.Store, files []string, now time.Time) []inspectDoc {
	docs := make([]inspectDoc, len(files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for i := range next {
				docs[i] = a.inspectFile(store, files[i], now)
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return docs
}

func (a *app) inspectFile(store *trust.Store, path string, now time.Time) inspectDoc {
	d := inspectDoc{File: path, Chain: []chainDoc{}, ACs: []acDoc{}}
	d.Path, d.Kind, d.FQANs = path, string(plan.User), []string{}
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(io.LimitReader(a.stdin, credfile.MaxSize+1))
		if err == nil && len(data) > credfile.MaxSize {
			err = fmt.Errorf("standard input is larger than %d bytes: this is no proxy", credfile.MaxSize)
		}
	} else {
		data, err = readProxy(path)
	}
	if err != nil {
		d.State, d.Fault = "invalid", err.Error()
		if errors.Is(err, os.ErrNotExist) {
			d.State = "missing"
		}
		d.Reason = d.Fault
		return d
	}
	describe(&d, store, data, now)
	d.Reason = d.Fault
	return d
}

// readProxy reads a file a person has named: links are theirs to follow.
func readProxy(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory, not a proxy file", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > credfile.MaxSize:
		return nil, fmt.Errorf("%s is larger than %d bytes: this is no proxy", path, credfile.MaxSize)
	}
	return io.ReadAll(io.LimitReader(f, credfile.MaxSize))
}

// describe fills in everything there is to see, then whether it verifies.
func describe(d *inspectDoc, store *trust.Store, data []byte, now time.Time) {
	file, err := credfile.ParseAll(data)
	if err != nil {
		d.State, d.Fault = "invalid", err.Error()
		return
	}
	certs := file.Certificates
	cred := &proxycert.Credential{Chain: certs}
	if c, err := credfile.Parse(data); err == nil {
		cred = c
	} else {
		d.Fault = err.Error()
		if chain, err := proxycert.SortChain(certs, nil); err == nil {
			cred.Chain = chain
		}
	}
	leaf := cred.Leaf()
	d.Identity, d.Limited = cred.Identity().String(), cred.Limited()
	d.Subject, d.Issuer = dn.MustFromDER(leaf.RawSubject).String(), dn.MustFromDER(leaf.RawIssuer).String()
	d.KeyType, d.KeyBits = publicKey(leaf)
	if info, err := proxycert.Classify(leaf); err == nil {
		d.Type = string(info.Type)
	}
	for _, c := range cred.Chain {
		d.Chain = append(d.Chain, describeCertificate(c))
	}
	effective := cred.NotAfter()
	if file.Key == nil && onlyCertificates(d.Type) {
		d.Fault = "" // a certificate file is not a faulty proxy
	}
	res, err := store.VerifyChain(certs, now)
	switch {
	case err != nil && d.Fault == "":
		d.Fault = err.Error()
	case err == nil && res.EffectiveEnd.Before(effective):
		effective = res.EffectiveEnd
	}
	var acEnd time.Time
	effective, acEnd = describeAttributes(d, store, cred, effective, now)
	d.setTimes(cred.NotAfter(), acEnd, effective, now)
	d.Verified = d.Fault == ""
	switch {
	case !now.Before(effective):
		d.State = "expired"
	case d.Verified:
		d.State = "ok"
	default:
		d.State = "invalid"
	}
}

func onlyCertificates(t string) bool { return t == string(proxycert.EEC) || t == string(proxycert.CA) }

// describeAttributes adds the attribute certificates. One that does not verify does not count as attributes, and the file
// does not verify.
func describeAttributes(d *inspectDoc, store *trust.Store, cred *proxycert.Credential, effective, now time.Time) (time.Time, time.Time) {
	var acEnd time.Time
	acs, err := attrcert.FromChain(cred.Chain)
	if err != nil && d.Fault == "" {
		d.Fault = "the attribute certificates cannot be read: " + err.Error()
	}
	for _, ac := range acs {
		doc := acDoc{VO: ac.VO, Issuer: ac.Issuer.String(), Serial: fmt.Sprintf("%x", ac.SerialNumber), NotBefore: ac.NotBefore.UTC(),
			NotAfter: ac.NotAfter.UTC(), FQANs: append([]string{}, ac.RawFQANs...), Attributes: []attributeDoc{}, URI: ac.PolicyAuthority}
		for _, t := range ac.Attributes {
			doc.Attributes = append(doc.Attributes, attributeDoc(t))
		}
		end := ac.NotAfter
		res, err := verifyAC(store, ac, cred, now)
		if err != nil {
			doc.Fault = err.Error()
			if d.Fault == "" {
				d.Fault = "attribute certificate of VO " + ac.VO + ": " + doc.Fault
			}
		} else {
			doc.Verified, end = true, res.EffectiveEnd
			if d.VO == "" {
				d.VO = ac.VO
			}
			d.FQANs = append(d.FQANs, ac.FQANs...)
		}
		if acEnd.IsZero() || ac.NotAfter.Before(acEnd) {
			acEnd = ac.NotAfter
		}
		if end.Before(effective) {
			effective = end
		}
		d.ACs = append(d.ACs, doc)
	}
	return effective, acEnd
}

func verifyAC(store *trust.Store, ac *attrcert.AC, cred *proxycert.Credential, now time.Time) (*trust.ACResult, error) {
	eec := cred.EEC()
	if eec == nil {
		return nil, errors.New("the end-entity certificate it is about is not in the file")
	}
	return store.VerifyAC(ac, eec, now)
}

func describeCertificate(c *x509.Certificate) chainDoc {
	d := chainDoc{Subject: dn.MustFromDER(c.RawSubject).String(), Issuer: dn.MustFromDER(c.RawIssuer).String(),
		Serial: fmt.Sprintf("%x", c.SerialNumber), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		SignatureAlgorithm: c.SignatureAlgorithm.String()}
	d.KeyType, d.KeyBits = publicKey(c)
	info, err := proxycert.Classify(c)
	if err != nil {
		d.Policy = err.Error()
		return d
	}
	d.Type = string(info.Type)
	switch {
	case info.CertInfo != nil:
		d.PathLen, d.Policy = info.CertInfo.PathLen, policyName(info.CertInfo)
	case info.IsProxy() && info.Limited:
		d.Policy = "limited"
	case info.IsProxy():
		d.Policy = "inheritAll"
	}
	return d
}

func policyName(i *proxycert.CertInfo) string {
	switch oid := i.Language.String(); oid {
	case "1.3.6.1.5.5.7.21.0":
		return "anyLanguage"
	case "1.3.6.1.5.5.7.21.1":
		return "inheritAll"
	case "1.3.6.1.5.5.7.21.2":
		return "independent"
	case "1.3.6.1.4.1.3536.1.1.1.9":
		return "limited"
	default:
		return oid
	}
}

func publicKey(c *x509.Certificate) (kind string, bits int) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "rsa", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ec", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "ed25519", 256
	}
	return strings.ToLower(c.PublicKeyAlgorithm.String()), 0
}

// typeWords are those of grid-proxy-info.
func typeWords(t string, limited bool) string {
	kind := "impersonation"
	if limited {
		kind = "limited"
	}
	switch proxycert.Type(t) {
	case proxycert.RFC:
		return "RFC 3820 compliant " + kind + " proxy"
	case proxycert.Draft:
		return "Proxy draft (pre-RFC) compliant " + kind + " proxy"
	case proxycert.Legacy:
		if limited {
			return "limited legacy globus proxy"
		}
		return "full legacy globus proxy"
	case proxycert.EEC:
		return "end entity certificate"
	case proxycert.CA:
		return "CA certificate"
	}
	return "unknown"
}

func (a *app) printInspect(d inspectDoc, now time.Time) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(a.stdout, "%-9s : %s\n", name, fmt.Sprintf(format, args...))
	}
	verdict := a.out.paint(green, "yes")
	if !d.Verified {
		verdict = a.out.paint(red, "no: "+d.Fault)
	}
	if len(d.Chain) == 0 {
		line("path", "%s", d.File)
		line("verifies", "%s", verdict)
		return
	}
	line("identity", "%s", d.Identity)
	line("subject", "%s", d.Subject)
	line("issuer", "%s", d.Issuer)
	line("type", "%s", typeWords(d.Type, d.Limited))
	line("strength", "%d bits %s", d.KeyBits, d.KeyType)
	line("path", "%s", d.File)
	line("timeleft", "%s", hms(d.SecondsLeft))
	for _, ac := range d.ACs {
		fmt.Fprintf(a.stdout, "%s\n", a.out.paint(bold, "=== VO "+ac.VO+" extension information ==="))
		line("VO", "%s", ac.VO)
		line("subject", "%s", d.Identity)
		line("issuer", "%s", ac.Issuer)
		for _, f := range ac.FQANs {
			line("attribute", "%s", f)
		}
		for _, t := range ac.Attributes {
			line("attribute", "%s = %s (%s)", t.Name, t.Value, t.Qualifier)
		}
		line("timeleft", "%s", hms(int64(max(0, ac.NotAfter.Sub(now))/time.Second)))
		line("uri", "%s", ac.URI)
		if !ac.Verified {
			line("verifies", "%s", a.out.paint(red, "no: "+ac.Fault))
		}
	}
	fmt.Fprintf(a.stdout, "%s\n", a.out.paint(bold, "=== chain ==="))
	for i, c := range d.Chain {
		fmt.Fprintf(a.stdout, "%2d %-6s %s\n", i, c.Type, c.Subject)
		fmt.Fprintf(a.stdout, "   %s … %s, %d bits %s, %s\n", plan.Clock(c.NotBefore), plan.Clock(c.NotAfter), c.KeyBits, c.KeyType, c.SignatureAlgorithm)
	}
	if d.EffectiveEnd != nil {
		line("ends", "%s, effectively in %s", plan.Clock(*d.EffectiveEnd), plan.Span(time.Duration(d.EffectiveSecondsLeft)*time.Second))
	}
	line("verifies", "%s", verdict)
}

// hms prints seconds as the old tools do, hours first.
func hms(s int64) string { return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60) }
