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

	"github.com/vobox-reconcile/vobox-reconcile/config"
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
	keyUsage []string
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
		Long: `Show what voms-proxy-info -all, grid-proxy-info and openssl x509 show of proxy
files, and whether they verify. Without FILE: $X509_USER_PROXY, else
/tmp/x509up_u<uid>. "-" is standard input.

It needs no configuration. Where one is named, with --config or in
$VOBOX_RECONCILE_CONFIG, its trust section counts.

The exit code is 0 only if every file verifies.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.inspect(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.certificates, "certificates", "", "trust-anchor `directory`; else $X509_CERT_DIR, /etc/grid-security/certificates")
	fl.StringVar(&f.vomsdir, "vomsdir", "", "`directory` of LSC files; else $X509_VOMS_DIR, /etc/grid-security/vomsdir")
	fl.StringVar(&f.crl, "crl", "", "`how` to use CRLs: require, if-present or ignore (default if-present)")
	fl.StringVar(&f.at, "at", "", "verify as if it were that `time`")
	return cmd
}

func (a *app) inspect(ctx context.Context, f inspectFlags, files []string) error {
	now, err := a.clock(f.at)
	if err != nil {
		return err
	}
	store, err := a.trustOf(f)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		files = []string{firstOf(a.getenv("X509_USER_PROXY"), fmt.Sprintf("/tmp/x509up_u%d", os.Geteuid()))}
	}
	a.beginWork()
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
			a.text(plan.Desired{}).inspected(d, now())
		}
	}
	for _, d := range docs {
		if !d.Verified {
			return exit(exitFailed)
		}
	}
	return nil
}

// trustOf is what to verify by: the flags, else a configuration that was named, else what every grid program goes by.
func (a *app) trustOf(f inspectFlags) (*trust.Store, error) {
	switch trust.CRLMode(f.crl) {
	case "", trust.CRLRequire, trust.CRLIfPresent, trust.CRLIgnore:
	default:
		return nil, usage("--crl is require, if-present or ignore, not %q", f.crl)
	}
	store := &trust.Store{Certificates: f.certificates, VOMSDir: f.vomsdir, CRL: trust.CRLMode(f.crl)}
	if a.configPath() != config.DefaultPath && (f.certificates == "" || f.vomsdir == "") {
		cfg, err := a.load()
		if err != nil {
			return nil, err
		}
		store.Certificates = firstOf(store.Certificates, cfg.Trust.Certificates)
		store.VOMSDir = firstOf(store.VOMSDir, cfg.Trust.VOMSDir)
		store.CRL = trust.CRLMode(firstOf(string(store.CRL), string(cfg.Trust.CRL)))
	}
	store.Certificates = firstOf(store.Certificates, a.getenv("X509_CERT_DIR"), "/etc/grid-security/certificates")
	store.VOMSDir = firstOf(store.VOMSDir, a.getenv("X509_VOMS_DIR"), "/etc/grid-security/vomsdir")
	store.CRL = trust.CRLMode(firstOf(string(store.CRL), string(trust.CRLIfPresent)))
	return store, nil
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
			err = fmt.Errorf("it is larger than %d bytes: this is no proxy", credfile.MaxSize)
		}
	} else {
		data, err = readProxy(path)
	}
	if err != nil {
		d.State, d.Fault = "invalid", err.Error()
		if errors.Is(err, os.ErrNotExist) {
			d.State, d.Fault = "missing", "there is no such file"
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
		return nil, fmt.Errorf("it is a directory: name the files in it, %s/*", strings.TrimSuffix(path, "/"))
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > credfile.MaxSize:
		return nil, fmt.Errorf("it is larger than %d bytes: this is no proxy", credfile.MaxSize)
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
	d.keyUsage = keyUsage(leaf)
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
			NotAfter: ac.NotAfter.UTC(), FQANs: append([]string{}, ac.RawFQANs...), Attributes: []attributeDoc{}, URI: strings.TrimPrefix(ac.PolicyAuthority, ac.VO+"://")}
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
