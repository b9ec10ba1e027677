package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const storeHelp = `Store a long-lived credential on a MyProxy server, from which VO-boxes renew
their proxies, as myproxy-init does. Its flags are taken as they are.

  vobox-reconcile store -s myproxy.cern.ch

is myproxy-init -d -n -t 48 with -c as long as your certificate lasts: under
your DN, without a passphrase, with proxies of up to 48 hours for the boxes that
the server knows as renewers. Afterwards the server is asked what it has. Where
there is a machine proxy (--renewer-proxy, or the configuration's), it is tried
whether that box can renew, and for how long.

A number after -c is hours of life, as with myproxy-init; anything else is the
configuration file.`

// storeFlags are those of myproxy-init.
type storeFlags struct {
	cred   credentialFlags
	places placeFlags
	server serverFlags
	what   storedFlags
	policy policyFlags

	most, life     storeHours
	lifeSet        func() bool
	describe       string
	noPassphrase   bool
	withPassphrase bool
	stdinPass      bool
	passphraseFile string
	renewer        string
	quiet, version bool
}

// serverFlags say which MyProxy server.
type serverFlags struct {
	host string
	port int
}

func (f *serverFlags) register(fl *pflag.FlagSet) {
	fl.StringVarP(&f.host, "pshost", "s", "", "MyProxy server, `HOST[:PORT]`; else the configuration's, $MYPROXY_SERVER")
	fl.IntVarP(&f.port, "psport", "p", 0, "its `port` (default $MYPROXY_SERVER_PORT, 7512)")
	fl.StringVar(&f.host, "server", "", "")
	hide(fl, "server")
}

// storedFlags say which credential there.
type storedFlags struct {
	username, name string
	asDN           bool
}

func (f *storedFlags) register(fl *pflag.FlagSet) {
	fl.BoolVarP(&f.asDN, "dn-as-username", "d", true, "under your DN: this is so unless -l says otherwise (=false: under $LOGNAME)")
	fl.StringVarP(&f.username, "username", "l", "", "under this `name` instead of your DN")
	fl.StringVarP(&f.name, "credname", "k", "", "`name` of the credential; without, it is the one that boxes use")
}

// user is the user name to ask for; empty: the DN.
func (f *storedFlags) user(getenv func(string) string) (string, error) {
	if f.username != "" || f.asDN {
		return f.username, nil
	}
	if name := firstOf(getenv("LOGNAME"), getenv("USER")); name != "" {
		return name, nil
	}
	return "", usage("--dn-as-username=false takes the user name from $LOGNAME, which is not set; give it with -l")
}

// policyFlags say who may have what is stored. Their order counts: -x and -X are about those behind them.
type policyFlags struct {
	verbatim                    bool
	retriever, trusted, renewer string
}

func (f *policyFlags) register(fl *pflag.FlagSet) {
	set := func(to *string, flags, anybody string) func(string) error {
		return func(s string) error {
			switch {
			case *to != "":
				return &refusedFlag{why: "only one of " + flags + " can be given, once"}
			case anybody != "":
				if on, err := strconv.ParseBool(s); err == nil && on {
					*to = anybody
				}
			case strings.TrimSpace(s) == "":
				return errors.New("it takes a name, such as vobox.example.org")
			case f.verbatim:
				*to = s
			default:
				*to = "*/CN=" + s
			}
			return nil
		}
	}
	fl.FuncP("renewable-by", "R", "let this box renew it: the CN of its host certificate, or after -x its whole `DN`", set(&f.renewer, "-A and -R", ""))
	fl.BoolFuncP("allow-anonymous-renewers", "A", "let any box renew it that the server lets (not recommended)", set(&f.renewer, "-A and -R", "*"))
	fl.FuncP("retrievable-by-cert", "Z", "let this `host` have proxies without a passphrase and without an old proxy", set(&f.trusted, "all -Z", ""))
	fl.FuncP("retrievable-by", "r", "let this `host` have proxies with the passphrase", set(&f.retriever, "-a and -r", ""))
	fl.BoolFuncP("allow-anonymous-retrievers", "a", "let anybody have proxies who knows the passphrase", set(&f.retriever, "-a and -r", "*"))
	fl.BoolFuncP("regex-dn-match", "x", "the names in the flags behind this are patterns for whole DNs", f.mode(true))
	fl.BoolFuncP("match-cn-only", "X", "the names behind this are CNs, as at first", f.mode(false))
}

func (f *policyFlags) mode(verbatim bool) func(string) error {
	return func(s string) error {
		on, err := strconv.ParseBool(s)
		if err == nil {
			f.verbatim = on == verbatim
		}
		return err
	}
}

func (a *app) storeCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Store a long-lived credential for your VO-boxes (myproxy-init)",
		Long:  storeHelp,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.store(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.SetNormalizeFunc(underscores)
	f.server.register(fl)
	f.registerStore(fl)
	f.cred.register(fl)
	f.places.register(fl)
	hide(fl, "vomsdir", "vomses")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but what goes wrong")
	fl.BoolVarP(&f.version, "version", "V", false, "")
	hide(fl, "version")
	registerOld(cmd, storeFlagsOfOld)
	return cmd
}

func (f *storeFlags) registerStore(fl *pflag.FlagSet) {
	f.most = storeHours(enroll.DefaultMaxLifetime)
	fl.VarP(&f.most, "proxy-lifetime", "t", "longest life of the proxies that boxes get; 0: as long as the server likes")
	fl.Var(&f.life, "cred-lifetime", "(also -c) life of what is stored (default: as long as your certificate and the server allow)")
	f.lifeSet = func() bool { return fl.Changed("cred-lifetime") && f.life != 0 }
	f.what.register(fl)
	fl.StringVarP(&f.describe, "creddesc", "K", "", "`words` about it, for myproxy-info")
	fl.BoolVarP(&f.noPassphrase, "no-passphrase", "n", true, "without a passphrase: this is so unless one is asked for")
	fl.BoolVar(&f.withPassphrase, "with-passphrase", false, "ask for a passphrase to protect it with; no box can renew from it then")
	fl.BoolVarP(&f.stdinPass, "stdin-pass", "S", false, "read the passphrase of what is stored from standard input")
	fl.StringVar(&f.passphraseFile, "store-passphrase-file", "", "read the passphrase of what is stored from a `file`")
	f.policy.register(fl)
	fl.StringVar(&f.renewer, "renewer-proxy", "", "machine proxy of a VO-box, a `file`: try whether it can renew; none: try nothing")
}

// repository is the server to talk to: that of the flags, of the configuration, or of the environment.
func (a *app) repository(f serverFlags, cfg *config.Config) (enroll.Repository, error) {
	host, name, port := f.host, "", f.port
	if host == "" && cfg != nil {
		host, name = cfg.MyProxy.Server, cfg.MyProxy.ServerDN
	}
	host = firstOf(host, a.getenv("MYPROXY_SERVER"))
	if host == "" {
		return enroll.Repository{}, usage("which MyProxy server? -s myproxy.cern.ch, or MYPROXY_SERVER in the environment")
	}
	if s := a.getenv("MYPROXY_SERVER_PORT"); port == 0 && s != "" {
		var err error
		if port, err = strconv.Atoi(s); err != nil {
			return enroll.Repository{}, usage("MYPROXY_SERVER_PORT is %q, not a port", s)
		}
	}
	if port < 0 || port > 65535 {
		return enroll.Repository{}, usage("--psport takes a port from 1 to 65535, not %d", port)
	}
	r, err := enroll.ParseRepository(host, port)
	if err != nil {
		return r, usage("%v", err)
	}
	if name = firstOf(name, a.getenv("MYPROXY_SERVER_DN")); name != "" {
		if r.DN, err = dn.Parse(name); err != nil {
			return r, usage("MYPROXY_SERVER_DN is not a DN: %v", err)
		}
	}
	return r, nil
}

// check says what cannot be asked for together.
func (f *storeFlags) check() error {
	f.withPassphrase = f.withPassphrase || !f.noPassphrase && !f.stdinPass && f.passphraseFile == ""
	secret := f.withPassphrase || f.stdinPass || f.passphraseFile != ""
	switch {
	case secret && (f.policy.renewer != "" || f.policy.trusted != ""):
		return usage("-R, -A and -Z are about credentials without a passphrase, which nobody could use otherwise: leave the passphrase out")
	case f.stdinPass && f.cred.passphrase.file == "-":
		return usage("--stdin-pass and --passphrase-file - would both read standard input; give one of the passphrases in a file")
	}
	return nil
}

func (a *app) store(ctx context.Context, f *storeFlags) error {
	if f.version {
		return a.printVersion()
	}
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := a.configuration()
	if err != nil {
		return err
	}
	repository, err := a.repository(f.server, cfg)
	if err != nil {
		return err
	}
	a.harden()
	a.beginWork()
	e, err := a.enrollerFor(f.places, cfg)
	if err != nil {
		return err
	}
	t := a.loginTeller(f.quiet)
	user, err := a.userCredential(f.cred, t)
	if err != nil {
		return a.failed(err)
	}
	doc, req, err := a.deposit(ctx, e, f, repository, user, nil, cfg)
	if err != nil {
		return err
	}
	if a.output != "json" {
		return doc.show(a, t, req)
	}
	if err := a.printJSON(doc); err != nil {
		return err
	}
	return doc.exit()
}

// deposit stores, and tries a renewal if there is a machine proxy, proved with the login proxy if there is one.
func (a *app) deposit(ctx context.Context, e *enroll.Enroller, f *storeFlags, to enroll.Repository, user, login *proxycert.Credential, cfg *config.Config) (*storeDoc, enroll.StoreRequest, error) {
	username, err := f.what.user(a.getenv)
	if err != nil {
		return nil, enroll.StoreRequest{}, err
	}
	passphrase, err := a.newPassphrase(f)
	if err != nil {
		return nil, enroll.StoreRequest{}, a.failed(err)
	}
	defer clear(passphrase)
	machine, err := a.machineProxy(f.renewer, cfg)
	if err != nil {
		return nil, enroll.StoreRequest{}, a.failed(err)
	}
	if passphrase != nil {
		machine = nil // the server renews nothing that has one
	}
	old := func() (*proxycert.Credential, error) { return login, nil }
	if machine != nil && login == nil {
		old = e.ShortProxy(user)
	}
	req := enroll.StoreRequest{
		Repository: to, Credential: user, Username: username, CredName: f.what.name, Describe: f.describe,
		Passphrase: passphrase, MaxLifetime: time.Duration(f.most),
		Retriever: f.policy.retriever, TrustedRetriever: f.policy.trusted, Renewer: f.policy.renewer,
	}
	if f.lifeSet() {
		req.Lifetime = time.Duration(f.life)
	}
	made, err := e.Store(ctx, req)
	if err != nil {
		return nil, req, a.failed(err)
	}
	var probe *probeDoc
	if machine != nil {
		found, err := a.prove(ctx, e, made, to, f.what.name, machine, old)
		probe = probeDocOf(machine.Identity().String(), found, err)
	}
	return storeDocOf(made, req, probe, a.now()), req, nil
}

// prove renews in the name of a box, as it would, and drops what comes.
func (a *app) prove(ctx context.Context, e *enroll.Enroller, made *enroll.Deposit, to enroll.Repository, name string, machine *proxycert.Credential, old func() (*proxycert.Credential, error)) (*enroll.Probe, error) {
	proxy, err := old()
	if err != nil {
		return nil, err
	}
	return e.Probe(ctx, enroll.ProbeRequest{Repository: enroll.Repository{Servers: []string{made.Server}, DN: to.DN},
		Username: made.Username, CredName: name, Machine: machine, Old: proxy})
}

// machineProxy reads a box's machine proxy: the one that is named, or the configuration's where it can be read. On a user
// interface host there is none.
func (a *app) machineProxy(named string, cfg *config.Config) (*proxycert.Credential, error) {
	path := named
	if path == "none" || path == "" && cfg == nil {
		return nil, nil
	}
	if path == "" {
		path = cfg.MachineProxy.Path
	}
	c, _, err := credfile.Load(path)
	switch {
	case err != nil && named == "":
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the machine proxy: %w", err)
	case !a.now().Before(c.NotAfter()) && named == "":
		return nil, nil
	}
	return c, nil
}

// newPassphrase gets the passphrase that what is stored shall have; nil: none.
func (a *app) newPassphrase(f *storeFlags) ([]byte, error) {
	switch {
	case f.passphraseFile != "" || f.stdinPass:
		source, err := a.secrets(passphraseFlags{file: firstOf(f.passphraseFile, "-"), fd: -1})
		if err != nil {
			return nil, err
		}
		return source.ask("Enter MyProxy pass phrase: ")
	case f.withPassphrase:
		return a.askTwice("MyProxy pass phrase")
	}
	return nil, nil
}

// askTwice has somebody type a new passphrase, and type it again.
func (a *app) askTwice(what string) ([]byte, error) {
	source, err := a.secrets(passphraseFlags{fd: -1})
	if err != nil {
		return nil, err
	}
	one, err := source.ask("Enter " + what + ": ")
	if err != nil {
		return nil, err
	}
	two, err := source.ask("Verifying - Enter " + what + ": ")
	if err != nil {
		return nil, err
	}
	defer clear(two)
	if string(one) != string(two) {
		clear(one)
		return nil, fmt.Errorf("the two passphrases are not the same; nothing was done")
	}
	return one, nil
}
