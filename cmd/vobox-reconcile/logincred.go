package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// credentialFlags say where the user certificate is, and its passphrase.
type credentialFlags struct {
	cert, key  string
	passphrase passphraseFlags
}

func (f *credentialFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.cert, "cert", "", "certificate `file`, PEM or PKCS#12")
	fl.StringVar(&f.key, "key-file", "", "key `file`")
	f.passphrase.register(fl)
}

// placeFlags say by what certificates are verified, and where VOMS servers are.
type placeFlags struct {
	certdir, vomsdir string
	vomses           []string
	timeout          int
}

func (f *placeFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.certdir, "certdir", "", "trust-anchor `directory`; else the configuration's, $X509_CERT_DIR, /etc/grid-security/certificates")
	fl.StringVar(&f.vomsdir, "vomsdir", "", "`directory` of LSC files; else the configuration's, $X509_VOMS_DIR, /etc/grid-security/vomsdir")
	fl.StringArrayVar(&f.vomses, "vomses", nil, "`file` or directory of vomses lines; else the configuration's, $X509_VOMSES, ~/.voms/vomses, ~/.glite/vomses, /etc/vomses")
	fl.IntVar(&f.timeout, "timeout", 30, "give a server so many `seconds`")
	fl.StringVar(&f.certdir, "certificates", "", "")
	hide(fl, "certificates")
}

// configuration is what is configured here, or nil: on a user interface host there is none. One that was named must be
// good; the one in the usual place is passed over with a word if it is not, since it is about other things.
func (a *app) configuration() (*config.Config, error) {
	named := a.config != "" || a.getenv("VOBOX_RECONCILE_CONFIG") != ""
	if !named {
		if _, err := os.Stat(config.DefaultPath); err != nil {
			return nil, nil
		}
	}
	cfg, err := a.load()
	if err != nil && !named {
		fmt.Fprintf(a.stderr, "%s %s is not used: it has faults, which vobox-reconcile --dry-run lists\n", a.talk.paint(yellow, "warning:"), config.DefaultPath)
		return nil, nil
	}
	return cfg, err
}

// enroller joins flags, configuration and environment.
func (a *app) enroller(f placeFlags) (*enroll.Enroller, error) {
	cfg, err := a.configuration()
	if err != nil {
		return nil, err
	}
	return a.enrollerFor(f, cfg)
}

func (a *app) enrollerFor(f placeFlags, cfg *config.Config) (*enroll.Enroller, error) {
	if f.timeout <= 0 {
		return nil, usage("--timeout takes a number of seconds, not %d", f.timeout)
	}
	store := &trust.Store{Certificates: f.certdir, VOMSDir: f.vomsdir, Still: true}
	vomses := f.vomses
	for _, path := range vomses { // what nobody has named may be missing
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("--vomses: %w", err)
		}
	}
	if cfg != nil {
		store.Certificates = firstOf(store.Certificates, cfg.Trust.Certificates)
		store.VOMSDir = firstOf(store.VOMSDir, cfg.Trust.VOMSDir)
		store.CRL = trust.CRLMode(cfg.Trust.CRL)
		if len(vomses) == 0 {
			vomses = cfg.Trust.VOMSES
		}
	}
	store.Certificates = firstOf(store.Certificates, a.getenv("X509_CERT_DIR"), "/etc/grid-security/certificates")
	store.VOMSDir = firstOf(store.VOMSDir, a.getenv("X509_VOMS_DIR"), "/etc/grid-security/vomsdir")
	if len(vomses) == 0 {
		vomses = enroll.Vomses(a.getenv)
	}
	return &enroll.Enroller{
		Trust:   store,
		Servers: func() ([]voms.Server, error) { return voms.Load(vomses) },
		Now:     a.now,
		Timeout: time.Duration(f.timeout) * time.Second,
	}, nil
}

// A teller is told whose certificate is used, before the passphrase is asked for.
type teller interface {
	identity(name string)
	pair(enroll.Pair)
}

// userCredential finds the user certificate, says whose it is, and opens its key.
func (a *app) userCredential(f credentialFlags, t teller) (*proxycert.Credential, error) {
	source, err := a.secrets(f.passphrase)
	if err != nil {
		return nil, err
	}
	pair, err := enroll.Find(a.getenv, f.cert, f.key)
	if err != nil {
		return nil, err
	}
	t.pair(pair)
	name, err := pair.Identity(a.now())
	if err != nil {
		return nil, err
	}
	known := name.String() != ""
	if known {
		t.identity(name.String())
	}
	cred, err := a.unlock(pair, source)
	if err == nil && !known {
		t.identity(cred.Identity().String())
	}
	return cred, err
}

// unlock opens the key, with several tries where somebody can type.
func (a *app) unlock(pair enroll.Pair, source *secretSource) (*proxycert.Credential, error) {
	for try := 1; ; try++ {
		var typed []byte
		cred, err := pair.Load(expectedOwner(), func() (pass []byte, err error) {
			typed, err = source.ask("Enter GRID pass phrase for this identity: ")
			return typed, err
		})
		clear(typed)
		if !errors.Is(err, credfile.ErrPassphrase) || try >= source.tries {
			return cred, err
		}
		fmt.Fprintf(a.stderr, "%s try again\n", a.talk.paint(yellow, printable("That is not the passphrase of "+pair.Key+";")))
	}
}
