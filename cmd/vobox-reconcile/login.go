package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const loginHelp = `Make a proxy from your certificate, as voms-proxy-init and grid-proxy-init do.
Their flags are taken as they are, with one dash or two.

  vobox-reconcile login --voms alice:/alice/Role=lcgadmin
  vobox-reconcile login --voms alice --voms dteam --valid 24:00
  vobox-reconcile login --list --voms alice     the groups and roles you hold

The certificate is $X509_USER_CERT with $X509_USER_KEY, else usercert.pem with
userkey.pem in ~/.globus, else usercred.p12 there. The passphrase is asked for
on the terminal. The proxy goes to $X509_USER_PROXY, else /tmp/x509up_u<uid>; if
anything fails, what is there stays.

It needs no configuration; where there is one, its trust section counts.`

// loginFlags are what a proxy is made by.
type loginFlags struct {
	cred   credentialFlags
	places placeFlags
	proxy  proxyFlags

	out                                      string
	noregen, quiet, verify, list, ignoreWarn bool
	debug, version                           bool
}

// proxyFlags say what the proxy is like.
type proxyFlags struct {
	voms, order             []string
	valid, vomslife         lifetime
	hours, pathLen          int
	key                     proxycert.KeyType
	limited                 bool
	failOnWarn, dontVerify  bool
	validSet, vomsLifeSet   func() bool
	hoursSet, pathLengthSet func() bool
}

func (a *app) loginCommand() *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Make a proxy from your certificate (voms-proxy-init)",
		Long:  loginHelp,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.login(cmd.Context(), &f) },

		Annotations: map[string]string{wholeWords: ""},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.SetNormalizeFunc(underscores)
	f.proxy.register(fl, "k", "b", "f")
	fl.BoolVarP(&f.noregen, "noregen", "n", false, "sign with the present proxy instead of the certificate")
	fl.StringVar(&f.out, "out", "", "`file` to write; else $X509_USER_PROXY, /tmp/x509up_u<uid>")
	f.cred.register(fl)
	f.places.register(fl)
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but what goes wrong")
	fl.BoolVar(&f.verify, "verify", false, "refuse also what only this host's trust anchors cannot verify")
	fl.BoolVar(&f.list, "list", false, "print the groups and roles that you hold in the VOs, and make no proxy")
	fl.BoolVar(&f.ignoreWarn, "ignorewarn", false, "do not print warnings")
	fl.BoolVar(&f.debug, "debug", false, "say which files are used")
	fl.BoolVar(&f.version, "version", false, "")
	f.proxy.registerHidden(fl)
	hide(fl, "version")
	registerOld(cmd, loginFlagsOfOld)
	return cmd
}

func hide(fl *pflag.FlagSet, names ...string) {
	for _, name := range names {
		fl.Lookup(name).Hidden = true
	}
}

// register adds the flags; three of them have letters where the command has these to spare.
func (f *proxyFlags) register(fl *pflag.FlagSet, key, bits, fail string) {
	changed := func(name string) func() bool { return func() bool { return fl.Changed(name) } }
	fl.StringArrayVar(&f.voms, "voms", nil, "`VO[:FQAN]` to have attributes of; may be repeated, also for several VOs")
	fl.StringArrayVar(&f.order, "order", nil, "`FQAN` that is to be first; may be repeated")
	fl.Var(&f.valid, "valid", "lifetime of the proxy and its attributes (default 12:00)")
	fl.IntVar(&f.hours, "hours", 0, "lifetime of the proxy alone, in `hours`")
	fl.Var(&f.vomslife, "vomslife", "lifetime of the attributes alone")
	fl.VarP(&keyFlag{f: f, file: func(s string) error { return fl.Set("key-file", s) }}, "key", key, "kind of the key: rsa2048, rsa3072, rsa4096 or p256 (default rsa2048); anything else is a file, as for --key-file")
	fl.VarP(&bitsFlag{f}, "bits", bits, "length of an RSA key: 2048, 3072 or 4096")
	fl.BoolVar(&f.limited, "limited", false, "make a limited proxy, which cannot submit jobs")
	fl.IntVar(&f.pathLen, "path-length", 0, "how many proxies may be below, a `number` (default any)")
	fl.BoolVarP(&f.failOnWarn, "failonwarn", fail, false, "take a VOMS server's warning for a failure")
	fl.BoolVar(&f.dontVerify, "dont-verify-ac", false, "take attributes that do not verify here")
	f.validSet, f.vomsLifeSet, f.hoursSet, f.pathLengthSet = changed("valid"), changed("vomslife"), changed("hours"), changed("path-length")
}

// registerHidden adds what is for old command lines only.
func (f *proxyFlags) registerHidden(fl *pflag.FlagSet) {
	fl.Func("proxyver", "", func(s string) error {
		if s == "4" {
			return nil
		}
		return &refusedFlag{"proxyver " + s, "only RFC 3820 proxies (4) are made, which everything in use takes; leave it out"}
	})
	hide(fl, "proxyver")
}

// A keyFlag is --key: a kind of key here, the key file of voms-proxy-init.
type keyFlag struct {
	f    *proxyFlags
	file func(string) error
}

var keyTypes = []proxycert.KeyType{proxycert.RSA2048, proxycert.RSA3072, proxycert.RSA4096, proxycert.P256}

func (k *keyFlag) String() string { return "" }
func (*keyFlag) Type() string     { return "kind" }

func (k *keyFlag) Set(s string) error {
	if slices.Contains(keyTypes, proxycert.KeyType(s)) {
		k.f.key = proxycert.KeyType(s)
		return nil
	}
	return k.file(s)
}

// A bitsFlag is --bits.
type bitsFlag struct{ f *proxyFlags }

func (*bitsFlag) String() string { return "" }
func (*bitsFlag) Type() string   { return "number" }

func (b *bitsFlag) Set(s string) error {
	if s == "512" || s == "1024" {
		return &refusedFlag{"bits " + s, "no server accepts a key as short as that any more; leave it out (2048)"}
	}
	t := proxycert.KeyType("rsa" + s)
	if !slices.Contains(keyTypes, t) {
		return errors.New("it takes 2048, 3072 or 4096")
	}
	b.f.key = t
	return nil
}

// request is what the flags ask for; nothing has been looked up yet.
func (f *proxyFlags) request() (enroll.LoginRequest, error) {
	r := enroll.LoginRequest{Lifetime: enroll.DefaultLifetime, Key: f.key, Limited: f.limited, TrustACs: f.dontVerify, FailOnWarning: f.failOnWarn}
	if f.validSet() {
		r.Lifetime = time.Duration(f.valid)
	}
	r.ACLifetime = r.Lifetime
	const longest = 100 * 365 * 24 // hours
	if f.hours > longest {
		return r, usage("--hours %d is more than a hundred years", f.hours)
	}
	if f.hoursSet() {
		r.Lifetime = time.Duration(f.hours) * time.Hour
	}
	if f.vomsLifeSet() {
		r.ACLifetime = time.Duration(f.vomslife)
	}
	if r.Lifetime <= 0 || r.ACLifetime <= 0 {
		return r, usage("a proxy of no lifetime is of no use: --valid 12:00, --hours 12")
	}
	if f.pathLengthSet() {
		if f.pathLen < 0 {
			return r, usage("--path-length takes a number of proxies, not %d", f.pathLen)
		}
		r.PathLen = &f.pathLen
	}
	var asked []enroll.Attributes
	for _, s := range f.voms {
		at, err := enroll.ParseAttributes(s)
		if err != nil {
			return r, usage("--voms %v", err)
		}
		asked = append(asked, at)
	}
	var err error
	if r.Attributes, err = enroll.Merge(asked, f.order); err != nil {
		return r, usage("--voms and --order: %v", err)
	}
	return r, nil
}

func (a *app) login(ctx context.Context, f *loginFlags) error {
	if f.version {
		return a.printVersion()
	}
	req, err := f.proxy.request()
	if err != nil {
		return err
	}
	req.Verify = f.verify
	if f.list && len(req.Attributes) == 0 {
		return usage("--list takes a VO: --voms alice")
	}
	a.harden()
	a.beginWork()
	out, err := a.proxyPath(f.out)
	if err != nil {
		return err
	}
	e, err := a.enroller(f.places)
	if err != nil {
		return err
	}
	t := a.loginTeller(f.quiet)
	e.Tell = t.event
	if req.Signer, err = a.signer(f, t); err != nil {
		return a.failed(err)
	}
	if f.debug {
		t.files(e.Trust, out)
	}
	if f.list {
		return a.listHeld(ctx, e, req)
	}
	made, err := e.Login(ctx, req)
	if err == nil {
		err = credfile.Write(out, made.Credential, atomicfile.Options{Mode: 0o600, UID: -1, GID: -1})
	}
	if err != nil {
		return a.failed(err)
	}
	if !f.ignoreWarn && a.output != "json" {
		a.warnings(made.Warnings)
	}
	return t.loggedIn(e, made, out)
}

// signer is what the proxy is signed with: the user certificate, or with --noregen the present proxy.
func (a *app) signer(f *loginFlags, t *loginTeller) (*proxycert.Credential, error) {
	if f.noregen && f.cred.cert == "" {
		path := enroll.ProxyPath(a.getenv, os.Geteuid())
		c, _, err := credfile.Load(path)
		if err != nil {
			return nil, &enroll.Error{ID: "USER-PROXY", Remedy: "leave --noregen out", Err: fmt.Errorf("reading the present proxy: %w", err)}
		}
		t.identity(c.Identity().String())
		return c, nil
	}
	return a.userCredential(f.cred, t)
}

// proxyPath is where the proxy goes. That it cannot be written there is better told before a passphrase is typed.
func (a *app) proxyPath(out string) (string, error) {
	path := firstOf(out, enroll.ProxyPath(a.getenv, os.Geteuid()))
	if dir, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) || err == nil && !dir.IsDir() {
		return "", fmt.Errorf("the proxy cannot be written to %q: there is no directory %s", path, filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return "", fmt.Errorf("the proxy cannot be written to %q, which is a directory", path)
	}
	return path, nil
}

// listHeld prints the groups and roles that somebody holds.
func (a *app) listHeld(ctx context.Context, e *enroll.Enroller, req enroll.LoginRequest) error {
	held := []string{}
	for _, at := range req.Attributes {
		fqans, err := e.List(ctx, req.Signer, at.VO)
		if err != nil {
			return a.failed(err)
		}
		held = append(held, fqans...)
	}
	if a.output == "json" {
		return a.printJSON(map[string][]string{"fqans": held})
	}
	_, err := io.WriteString(a.stdout, printable("Available attributes:\n"+strings.Join(held, "\n")+"\n"))
	return err
}
