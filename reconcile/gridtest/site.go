package gridtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// SiteOptions say what a sandbox site is like. The zero value is the site of the documentation: VO alice, a user with
// the role lcgadmin, everything as it should be.
type SiteOptions struct {
	VO          string            // empty: "alice"
	User        string            // last RDN of the user's DN; empty: "CN=Jane Doe"
	UserKey     proxycert.KeyType // empty: RSA2048
	UserEnd     time.Time         // end of the user's certificate; zero: in 13 months
	HostEnd     time.Time         // end of the box's host certificate; zero: in 13 months
	StoredFor   time.Duration     // life of the stored credential, myproxy-init -c; 0: 3000 h
	StoredMax   time.Duration     // of what it delegates, myproxy-init -t; 0: 48 h
	NotStored   bool              // nothing on the MyProxy server yet
	Style       Style             // of the VOMS server
	MaxAC       time.Duration     // longest AC; 0: 48 h, without which JAliEn cannot work
	Policy      *Policy           // of the MyProxy server; nil: SitePolicy for the box
	Now         func() time.Time  // nil: time.Now
	Keys        *KeyPool          // nil: Keys
	Log         func(line string) // of the servers
	MyProxyAddr string            // empty: a free port of 127.0.0.1
	VOMSAddr    string            // likewise
}

// A Site is a grid in a directory, complete with a VO box to look after. Nothing outside of the directory is touched.
type Site struct {
	Dir     string
	VO      string
	CA      *CA
	Trust   *trust.Store
	MyProxy *MyProxy
	VOMS    *VOMS
	User    *proxycert.Credential // the user's certificate, as on the LCG-UI
	Host    *proxycert.Credential // the box's host certificate
	Login   *proxycert.Credential // the user's proxy with VOMS attributes, with which they logged in
	Role    string                // /alice/Role=lcgadmin

	TrustDir, VOMSDir, Vomses string // what every grid program reads
	UserCert, UserKey         string // of the user
	HostCert, HostKey         string // of the box
	LoginProxy                string // file
	Root, Repository          string // the VO's directory on the box, and where user proxies live
	Home                      string // of the account alicesgm
	CEEnv, MLEnv              string // env files, with the lines that the manual recommends
	RestartScript, RestartLog string // stands for jalien-vobox.sh; each run appends a line to the log
	Config                    string // configuration for vobox-reconcile
	now                       func() time.Time
	o                         SiteOptions
}

// NewSite builds a site in dir, which is made if it is missing, and starts its servers.
func NewSite(dir string, o SiteOptions) (*Site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("building a site: %w", err)
	}
	o.defaults()
	s := &Site{Dir: dir, VO: o.VO, Role: "/" + o.VO + "/Role=lcgadmin", now: clock(o.Now), o: o}
	s.paths()
	for _, step := range []func() error{s.makeCA, s.issue, s.startMyProxy, s.startVOMS, s.login, s.store, s.box, s.configure} {
		if err := step(); err != nil {
			s.Close()
			return nil, fmt.Errorf("building a site in %q: %w", dir, err)
		}
	}
	return s, nil
}

func (o *SiteOptions) defaults() {
	if o.VO == "" {
		o.VO = "alice"
	}
	if o.User == "" {
		o.User = "CN=Jane Doe"
	}
	if o.StoredFor == 0 {
		o.StoredFor = 3000 * time.Hour
	}
	if o.StoredMax == 0 {
		o.StoredMax = 48 * time.Hour
	}
	if o.MaxAC == 0 {
		o.MaxAC = 48 * time.Hour
	}
}

func (s *Site) paths() {
	in := func(p ...string) string { return filepath.Join(append([]string{s.Dir}, p...)...) }
	s.TrustDir, s.VOMSDir, s.Vomses = in("grid-security", "certificates"), in("grid-security", "vomsdir"), in("grid-security", "vomses")
	s.HostCert, s.HostKey = in("grid-security", "hostcert.pem"), in("grid-security", "hostkey.pem")
	s.UserCert, s.UserKey = in("ui", "usercert.pem"), in("ui", "userkey.pem")
	s.LoginProxy = in("box", "tmp", "x509up_login")
	s.Root = in("box", "var", "lib", "vobox", s.VO)
	s.Repository = filepath.Join(s.Root, "proxy_repository")
	s.Home = in("box", "home", s.VO+"sgm")
	s.CEEnv, s.MLEnv = filepath.Join(s.Home, ".alien", "config", "CE.env"), filepath.Join(s.Home, ".alien", "config", "ml.env")
	s.RestartScript, s.RestartLog = in("box", "bin", "jalien-vobox.sh"), in("box", "log", "jalien-vobox.log")
	s.Config = in("box", "etc", "vobox-reconcile", "config.yaml")
}

func (s *Site) makeCA() (err error) {
	if s.CA, err = NewCA(CAOptions{Now: s.now, Keys: s.o.Keys}); err != nil {
		return err
	}
	if err = s.CA.WriteAnchors(s.TrustDir); err != nil {
		return err
	}
	s.Trust = &trust.Store{Certificates: s.TrustDir, VOMSDir: s.VOMSDir}
	return s.CA.WriteCRL(s.TrustDir)
}

func (s *Site) issue() (err error) {
	user := CertRequest{Subject: s.CA.Below("OU=people", s.o.User), Key: s.o.UserKey, NotAfter: s.o.UserEnd}
	if s.User, err = s.CA.Issue(backdated(user, s.now())); err != nil {
		return err
	}
	host := CertRequest{Subject: s.CA.Below("OU=computers", "CN=vobox.example.org"), Kind: HostCert, DNSNames: []string{"vobox.example.org", "localhost"}, NotAfter: s.o.HostEnd}
	if s.Host, err = s.CA.Issue(backdated(host, s.now())); err != nil {
		return err
	}
	if err = WritePair(s.User, s.UserCert, s.UserKey); err != nil {
		return err
	}
	return WritePair(s.Host, s.HostCert, s.HostKey)
}

// backdated makes room for a certificate that has ended already.
func backdated(r CertRequest, now time.Time) CertRequest {
	if !r.NotAfter.IsZero() && r.NotAfter.Before(now) {
		r.NotBefore = r.NotAfter.AddDate(-1, 0, 0)
	}
	return r
}

func (s *Site) startMyProxy() (err error) {
	policy := SitePolicy(s.Host.Identity().String(), "")
	if s.o.Policy != nil {
		policy = *s.o.Policy
	}
	s.MyProxy, err = NewMyProxy(MyProxyOptions{CA: s.CA, Trust: s.Trust, Policy: policy, Addr: s.o.MyProxyAddr, Now: s.now, Keys: s.o.Keys, Log: s.o.Log})
	return err
}

func (s *Site) startVOMS() (err error) {
	vo := VO{Name: s.VO, MaxLifetime: s.o.MaxAC, Members: []Member{s.member()}}
	s.VOMS, err = NewVOMS(VOMSOptions{CA: s.CA, Trust: s.Trust, Addr: s.o.VOMSAddr, Style: s.o.Style, VOs: []VO{vo}, Now: s.now, Log: s.o.Log})
	if err != nil {
		return err
	}
	if err = s.VOMS.WriteLSC(s.VOMSDir); err != nil {
		return err
	}
	return writeFile(s.Vomses, []byte(s.VOMS.Vomses()), 0o644)
}

// login makes the proxy that voms-proxy-init would.
func (s *Site) login() error {
	if !s.now().Before(s.User.NotAfter()) {
		return nil // with an expired certificate nobody logs in
	}
	return s.LogIn(12 * time.Hour)
}

func (s *Site) store() error {
	if s.o.NotStored || s.Login == nil {
		return nil
	}
	return s.Store(s.o.StoredFor, s.o.StoredMax)
}

// Store does what the user does on the LCG-UI with myproxy-init -d -n -t most -c lifetime: it stores a proxy of a proxy
// of the user's certificate, under the user's DN, without a passphrase. It replaces what was there.
func (s *Site) Store(lifetime, most time.Duration) error {
	local, err := s.CA.Proxy(s.User, lifetime)
	if err != nil {
		return fmt.Errorf("storing a credential: %w", err)
	}
	remote, err := s.CA.Proxy(local, lifetime)
	if err != nil {
		return fmt.Errorf("storing a credential: %w", err)
	}
	s.MyProxy.Store(s.User.Identity().String(), remote, StoreOptions{MaxLifetime: most})
	return nil
}

// box makes the VO box: directories, env files and something to restart.
func (s *Site) box() error {
	for _, dir := range []string{s.Repository, filepath.Dir(s.CEEnv), filepath.Dir(s.RestartLog)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.Repository, 0o700); err != nil {
		return err
	}
	proxy := "export X509_USER_PROXY=$( ls -t " + s.Repository + "/*lcgadmin | sed q )\n"
	if err := writeFile(s.CEEnv, []byte("# CE environment bootstrap\n"+proxy), 0o644); err != nil {
		return err
	}
	if err := writeFile(s.MLEnv, []byte("# MonaLisa environment bootstrap\n"+proxy+"export MYPROXY_SERVER=myproxy.cern.ch\n"), 0o644); err != nil {
		return err
	}
	script := "#!/bin/sh\n# Stands for jalien-vobox.sh: writes down that it was called, and with which proxy.\n" +
		". " + shellQuote(s.CEEnv) + " || exit 1\n" +
		`echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $* X509_USER_PROXY=$X509_USER_PROXY" >> ` + shellQuote(s.RestartLog) + "\n"
	return writeFile(s.RestartScript, []byte(script), 0o755)
}

// shellQuote makes one word of s for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// yamlQuote writes a double-quoted YAML scalar: paths and DNs hold nothing but printable ASCII and UTF-8.
func yamlQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// configure writes the configuration for vobox-reconcile.
func (s *Site) configure() error {
	q := yamlQuote
	text := `# The sandbox's VO box. The first lines are what any box would say; trust and machineProxy point into the sandbox.
version: 1
vo: ` + s.VO + `
root: ` + q(s.Root) + `
trust:
  certificates: ` + q(s.TrustDir) + `
  vomsdir: ` + q(s.VOMSDir) + `
  vomses: [` + q(s.Vomses) + `]
machineProxy:
  cert: ` + q(s.HostCert) + `
  key: ` + q(s.HostKey) + `
myproxy:
  server: ` + s.MyProxy.Addr() + `
proxies:
  - name: lcgadmin
    dn: ` + q(s.User.Identity().String()) + `
    attributes: [` + s.Role + `]
envFiles:
  - path: ` + q(s.CEEnv) + `
    set: {X509_USER_PROXY: "${proxy.lcgadmin}"}
  - path: ` + q(s.MLEnv) + `
    set: {X509_USER_PROXY: "${proxy.lcgadmin}", MYPROXY_SERVER: ` + s.MyProxy.Addr() + `}
services:
  - name: jalien
    restart: [` + q(s.RestartScript) + `, restart]
`
	return writeFile(s.Config, []byte(text), 0o644)
}

// Env returns the variables with which the stock grid tools use the site, as NAME=value: as the user on the LCG-UI.
func (s *Site) Env() []string {
	return []string{
		"X509_CERT_DIR=" + s.TrustDir,
		"X509_VOMS_DIR=" + s.VOMSDir,
		"X509_VOMSES=" + s.Vomses,
		"VOMS_USERCONF=" + s.Vomses,
		"X509_USER_CERT=" + s.UserCert,
		"X509_USER_KEY=" + s.UserKey,
		"MYPROXY_SERVER=localhost",
		fmt.Sprintf("MYPROXY_SERVER_PORT=%d", s.MyProxy.Port()),
		"GT_PROXY_MODE=rfc",
	}
}

// Restarts returns the lines that the restart script has written so far.
func (s *Site) Restarts() ([]string, error) {
	data, err := os.ReadFile(s.RestartLog)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
}

// Close stops the servers. The directory stays.
func (s *Site) Close() error {
	var err error
	if s.MyProxy != nil {
		err = s.MyProxy.Close()
	}
	if s.VOMS != nil {
		if verr := s.VOMS.Close(); err == nil {
			err = verr
		}
	}
	return err
}
