package enroll

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// A Pair says in which files a certificate and its key are. They may be the same file: a PKCS#12 container, a robot's
// certificate with its key, or a proxy.
type Pair struct{ Cert, Key string }

// Find says where the user certificate is: in the files named, else where $X509_USER_CERT and $X509_USER_KEY say, else in
// ~/.globus: usercert.pem and userkey.pem, else usercred.p12 (the order of Globus and of both VOMS clients). A certificate
// file that holds a key needs no other. The environment has HOME.
func Find(getenv func(string) string, cert, key string) (Pair, error) {
	if cert == "" {
		cert, key = getenv("X509_USER_CERT"), firstOf(key, getenv("X509_USER_KEY"))
	}
	home := filepath.Join(getenv("HOME"), ".globus")
	usual := Pair{filepath.Join(home, "usercert.pem"), filepath.Join(home, "userkey.pem")}
	if cert != "" {
		switch {
		case key != "":
			return Pair{cert, key}, nil
		case holdsKey(cert):
			return Pair{cert, cert}, nil
		}
		return Pair{cert, firstOf(getenv("X509_USER_KEY"), usual.Key)}, nil
	}
	if key != "" {
		usual.Key = key
	}
	if there(usual.Cert) {
		return usual, nil
	}
	p12 := filepath.Join(home, "usercred.p12")
	if key == "" && there(p12) {
		return Pair{p12, p12}, nil
	}
	return Pair{}, &Error{ID: "USER-CERT",
		Remedy: "install the certificate as " + usual.Cert + " and its key as " + usual.Key + ", or name it: --cert FILE",
		Err:    fmt.Errorf("there is no user certificate: neither %s nor %s, and $X509_USER_CERT is not set", usual.Cert, p12)}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// holdsKey reports whether a certificate file has a key, too. What cannot be read is for LoadPair to complain about.
func holdsKey(path string) bool {
	f, err := credfile.LoadAll(path)
	return err == nil && (f.PKCS12() || f.Encrypted || f.Key != nil)
}

// Identity looks at the pair's certificate without its key: whose it is, and whether there is a point in asking for a
// passphrase. The certificate in a PKCS#12 container cannot be looked at: the name is empty then.
func (p Pair) Identity(now time.Time) (dn.Name, error) {
	f, err := credfile.LoadAll(p.Cert)
	if err != nil {
		return dn.Name{}, missing(err)
	}
	if f.PKCS12() {
		return dn.Name{}, nil
	}
	chain, err := proxycert.SortChain(f.Certificates, nil)
	if err != nil || len(chain) == 0 {
		return dn.Name{}, fmt.Errorf("certificate file %q: %w", p.Cert, credfile.ErrNoCertificate)
	}
	c := proxycert.Credential{Chain: chain}
	name := c.Identity()
	if end := c.NotAfter(); !now.Before(end) {
		return name, &Error{ID: "USER-CERT", Remedy: "ask your CA for a new certificate",
			Err: fmt.Errorf("the certificate %s of %s expired on %s", p.Cert, name, plan.Clock(end))}
	}
	return name, nil
}

// missing makes of an error about a file one that says what to do.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{ID: "FILE-READ", Remedy: "name the certificate and its key: --cert FILE --key-file FILE", Err: err}
	}
	return err
}

// Load reads the pair. A key file that others can read is refused, as all grid software refuses it; uid is whose the files
// ought to be, -1 if that is not to be looked at. The passphrase is asked for at most once, and only for an encrypted key;
// a wrong one is credfile.ErrPassphrase, and everything that is wrong with the key itself is not.
func (p Pair) Load(uid int, passphrase func() ([]byte, error)) (*proxycert.Credential, error) {
	for _, f := range credfile.CheckFile(p.Key, credfile.Secret, uid) {
		switch f.ID {
		case credfile.FindingRead, credfile.FindingType:
			return nil, &Error{ID: f.ID, Remedy: f.Remedy, Where: atUI, Err: fmt.Errorf("the key file %q: %s", f.Path, f.Problem)}
		case credfile.FindingPerm, credfile.FindingOwner:
			return nil, &Error{ID: f.ID, Remedy: f.Remedy, Where: atUI,
				Err: fmt.Errorf("the key file %q is refused, as all grid programs do: %s", f.Path, f.Problem)}
		}
	}
	var unasked error
	ask := passphrase
	if passphrase != nil {
		ask = func() (secret []byte, err error) {
			secret, unasked = passphrase()
			return secret, unasked
		}
	}
	c, err := credfile.LoadPair(p.Cert, p.Key, ask)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(unasked, fs.ErrNotExist):
		return nil, &Error{ID: "FILE-READ", Remedy: "name a file that holds the passphrase: --passphrase-file FILE", Err: err}
	case errors.Is(err, proxycert.ErrKeyMismatch):
		return nil, &Error{ID: "USER-CERT", Remedy: "name the key that belongs to the certificate: --key-file FILE", Err: err}
	case errors.Is(err, credfile.ErrPassphrase), errors.Is(err, credfile.ErrEncrypted):
		return nil, err
	}
	return nil, missing(err)
}

// vomsesPlaces are where the clients look for vomses files of their own accord.
func vomsesPlaces(home string) []string {
	return []string{filepath.Join(home, ".voms", "vomses"), filepath.Join(home, ".glite", "vomses"), "/etc/vomses"}
}

// Vomses returns the files and directories of vomses lines: $X509_VOMSES, $X509_VOMS_FILE (ARC) and $VOMS_USERCONF (C++)
// where one of them is set, else ~/.voms/vomses, ~/.glite/vomses and /etc/vomses. What does not exist is passed over by
// voms.Load.
func Vomses(getenv func(string) string) []string {
	var out []string
	for _, name := range []string{"X509_VOMSES", "X509_VOMS_FILE", "VOMS_USERCONF"} {
		if v := getenv(name); v != "" {
			out = append(out, v)
		}
	}
	if len(out) > 0 {
		return out
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return []string{"/etc/vomses"}
	}
	return vomsesPlaces(home)
}

// ProxyPath is where a login proxy lives: $X509_USER_PROXY, else /tmp/x509up_u and the number of the user.
func ProxyPath(getenv func(string) string, uid int) string {
	return firstOf(strings.TrimSpace(getenv("X509_USER_PROXY")), fmt.Sprintf("/tmp/x509up_u%d", uid))
}
