package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// recordFlags are those of vobox-proxy, as far as they are known from the manuals and from scripts that call it.
type recordFlags struct {
	vo, voms, dn string
	name         string // of the entry; what the old flag of this name meant is not known
	email        string
	hours        recordHours
	proxySafe    seconds
	myproxySafe  seconds
	force        bool
}

// selection adds the flags that choose records.
func (f *recordFlags) selection(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.vo, "vo", "", "the `VO`; default: that of the configuration")
	fl.StringVar(&f.dn, "dn", "", "the user's `DN`, or all")
	fl.StringVar(&f.voms, "voms", "", "VO, or `VO:FQAN`, of the proxy's attributes")
	fl.StringVar(&f.name, "name", "", "the `name` of the proxy in the configuration")
}

func (a *app) registerCommand() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Take the login proxy into the repository (vobox-proxy register)",
		Long: `Take the proxy of the login session, $X509_USER_PROXY, into the repository, and
have it renewed from now on. This is vobox-proxy register, with its flags.

Before anything is written the proxy is verified: it must be an RFC proxy with
attributes of the VO. Then it is renewed once, so that it is known now, and not
in two days, whether the MyProxy server lets this box do so, and for how long:
see MP-T12 in the output. What is written is the renewed proxy, and an entry in
conf.d beside the configuration. Where that is root's, the entry goes to
registered in the state directory, and the account needs nobody.

  vobox-reconcile register -t 48 --email you@example.org`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.register(cmd.Context(), f) },
	}
	f.selection(cmd)
	fl := cmd.Flags()
	fl.VarP(&f.hours, "hours", "t", "lifetime to ask for at each renewal, in `hours` (default 48)")
	fl.Var(&f.proxySafe, "proxy-safe", "alert when the user proxy has less than so many `seconds` left")
	fl.Var(&f.myproxySafe, "myproxy-safe", "alert when the stored credential has less than so many `seconds` left")
	fl.StringVar(&f.email, "email", "", "`address` that alerts are sent to")
	fl.BoolVar(&f.force, "force", false, "register again what is registered already")
	return cmd
}

// A registration is one run of the command.
type registration struct {
	*app
	f     recordFlags
	cfg   *config.Config
	want  plan.Desired
	login string // file of the login proxy
	cred  *proxycert.Credential
	wants plan.Credential // what the proxy is to be; Name is empty until it is chosen
	entry *confEntry      // to be written; nil: the configuration has it all
}

func (a *app) register(ctx context.Context, f recordFlags) error {
	cfg, err := a.loadOrInit()
	if err != nil {
		return err
	}
	r := &registration{app: a, f: f, cfg: cfg, want: cfg.Desired()}
	if err := checkInvoker(r.want); err != nil {
		return err
	}
	for _, step := range []func() error{r.readLogin, r.verify, r.choose} {
		if err := step(); err != nil {
			return err
		}
	}
	unlock, err := a.lock(ctx, r.want, 30*time.Second)
	if err != nil {
		return err
	}
	defer unlock()
	alerts, err := r.renew(ctx)
	if err != nil {
		return err
	}
	if err := r.writeEntry(); err != nil {
		return err
	}
	return r.done(alerts)
}

// loadOrInit loads the configuration, and says what makes one where there is none.
func (a *app) loadOrInit() (*config.Config, error) {
	cfg, err := a.load()
	if _, serr := os.Stat(a.configPath()); err != nil && errors.Is(serr, fs.ErrNotExist) {
		return nil, &exitError{code: exitConfig, err: fmt.Errorf("there is no configuration %s yet; as root type: vobox-reconcile init", a.configPath())}
	}
	return cfg, err
}

// loginProxy is the file of the login session's proxy: $X509_USER_PROXY, or where Globus looks without it.
func (a *app) loginProxy() string {
	return firstOf(a.getenv("X509_USER_PROXY"), fmt.Sprintf("/tmp/x509up_u%d", os.Getuid()))
}

// needLogin is what to do about a login proxy that will not do.
func (r *registration) needLogin(format string, args ...any) error {
	voms := firstOf(r.f.voms, r.vo()+":/"+r.vo()+"/Role=lcgadmin")
	return fmt.Errorf("the login proxy %s %s\n    LCG-UI> voms-proxy-init --voms %s, then log in with gsissh and register again", printable(r.login), printable(fmt.Sprintf(format, args...)), printable(voms))
}

func (r *registration) vo() string { return firstOf(strings.ToLower(r.f.vo), r.cfg.VO) }

func (r *registration) readLogin() (err error) {
	r.login = r.loginProxy()
	r.cred, _, err = credfile.Load(r.login)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.needLogin("does not exist ($X509_USER_PROXY is %q)", r.getenv("X509_USER_PROXY"))
	case err != nil:
		return r.needLogin("cannot be used: %v", err)
	}
	return nil
}

// verify checks that the proxy is what can be registered: one with attributes of the VO, that verifies now.
func (r *registration) verify() error {
	acs, err := attrcert.FromChain(r.cred.Chain)
	if err != nil {
		return r.needLogin("has attributes that cannot be read: %v", err)
	}
	i := slices.IndexFunc(acs, func(ac *attrcert.AC) bool { return ac.VO == r.vo() && len(ac.FQANs) > 0 })
	if i < 0 {
		return r.needLogin("carries no attributes of VO %s (VO-NONE)", r.vo())
	}
	primary := acs[i].FQANs[0]
	if vo, fqan := oldbox.SplitVOMS(r.f.voms); r.f.voms != "" {
		fqan = attrcert.Normalize(fqan)
		if vo != r.vo() {
			return usage("--voms %q is not of the VO %s", r.f.voms, r.vo())
		}
		if fqan != primary {
			return r.needLogin("has the primary attribute %s, not %s: what comes first counts", primary, fqan)
		}
	}
	r.wants = plan.Credential{Kind: plan.User, Identity: r.cred.Identity().String(), VO: r.vo(), FQANs: []string{primary}}
	if r.f.dn != "" && r.f.dn != "all" && !sameDN(r.f.dn, r.wants.Identity) {
		return fmt.Errorf("the login proxy %s is of %s, not of --dn %s", printable(r.login), r.wants.Identity, printable(r.f.dn))
	}
	engine, err := r.engine(r.cfg, r.want, r.now)
	if err != nil {
		return err
	}
	st := engine.Judge(r.cred, r.wants, r.now())
	switch {
	case st.Fault != "":
		return r.needLogin("cannot be used: %s (%s)", st.Fault, st.FaultID)
	case !st.EffectiveEnd.After(r.now()):
		return r.needLogin("has expired: %s ended on %s", st.EndsWith, plan.Clock(st.EffectiveEnd))
	case st.Type != string(proxycert.RFC):
		return fmt.Errorf("the login proxy %s is a %s proxy, which modern services refuse\n    LCG-UI> export GT_PROXY_MODE=rfc, then make it anew with voms-proxy-init --rfc, log in and register again", printable(r.login), st.Type)
	}
	return nil
}

// choose finds the entry of the configuration that the proxy belongs to, or makes one.
func (r *registration) choose() error {
	i := slices.IndexFunc(r.cfg.Proxies, func(p config.Proxy) bool {
		return sameDN(p.DN, r.wants.Identity) && p.VO == r.wants.VO && len(p.Attributes) > 0 && p.Attributes[0] == r.wants.FQANs[0]
	})
	if i < 0 {
		return r.newEntry()
	}
	p := r.cfg.Proxies[i]
	r.wants.Name = p.Name
	if !r.f.force && r.registered(p.Name) {
		return fmt.Errorf("the proxy of %s with %s is registered already, as %s; to register it again: vobox-reconcile register --force", p.DN, p.Attributes[0], p.Name)
	}
	return r.changeEntry(i, p)
}

// registered reports whether there is a usable proxy of an entry: one that has none is not registered before somebody has
// logged in, as when init has found an expired one.
func (r *registration) registered(name string) bool {
	engine, err := r.engine(r.cfg, r.want, r.now)
	if err != nil {
		return false
	}
	return engine.Observe(r.want).Credentials[name].Usable(r.now())
}

// renew makes a pass for this one proxy, authorised by the login proxy where the repository has none. What it returns is what
// people should be told: that the stored credential gives only 12 hours, for instance.
func (r *registration) renew(ctx context.Context) ([]plan.Alert, error) {
	engine, err := r.engine(r.cfg, r.want, r.now)
	if err != nil {
		return nil, err
	}
	engine.LoginProxy = r.login
	name := r.wants.Name
	ctx, release := r.guard(ctx, engine)
	report, err := engine.Pass(ctx, r.want, plan.Options{Only: []string{name}, Force: []string{name}, NoRestart: true})
	if stopped := release(); err == nil {
		err = stopped
	}
	if err != nil {
		return nil, err
	}
	var told []plan.Alert
	for _, al := range report.Alerts {
		if al.Subject == name || al.Subject == plan.MachineName {
			told = append(told, al)
		}
	}
	for _, o := range report.Outcomes {
		var worse *reconcile.WorseError
		switch {
		case o.Result == reconcile.Done:
		case errors.As(o.Err, &worse) && worse.ID == "NEVER-WORSE": // the one in place lasts longer, and is registered
			told = slices.DeleteFunc(told, func(al plan.Alert) bool { return al.ID == "NEVER-WORSE" })
		default:
			r.tellAlerts(r.stderr, told)
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("nothing is registered: %w", printableError(o.Err))}
		}
	}
	return told, nil
}

func printableError(err error) error { return errors.New(printable(err.Error())) }

// done says what is registered, in the words that scripts look for.
func (r *registration) done(alerts []plan.Alert) error {
	engine, err := r.engine(r.cfg, r.want, r.now)
	if err != nil {
		return err
	}
	rec := recordOf(r.want, engine.Observe(r.want), r.wants.Name, r.now())
	if r.output == "json" {
		return r.printJSON(struct {
			record
			Alerts []plan.Alert `json:"alerts"`
		}{rec, append([]plan.Alert{}, alerts...)})
	}
	rec.print(r.stdout)
	r.tellAlerts(r.stdout, alerts)
	_, err = fmt.Fprintf(r.stdout, "OK: registration of %s successfull, lifetime %s\n", rec.Name, plan.Span(time.Duration(rec.SecondsLeft)*time.Second))
	return err
}

// recordHours is the lifetime of -t: hours, or hours and minutes as voms-proxy-init has them.
type recordHours time.Duration

func (h *recordHours) Set(s string) error {
	whole, minutes, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(whole)
	m := 0
	if err == nil && minutes != "" {
		m, err = strconv.Atoi(minutes)
	}
	if err != nil || n < 0 || n > 10000 || m < 0 || m > 59 || n+m == 0 {
		return fmt.Errorf("%q is not a number of hours, such as 48", s)
	}
	*h = recordHours(time.Duration(n)*time.Hour + time.Duration(m)*time.Minute)
	return nil
}

func (h *recordHours) String() string {
	if *h == 0 {
		return ""
	}
	return plan.Span(time.Duration(*h))
}

func (h *recordHours) Type() string { return "hours" }

// seconds is a margin of --proxy-safe or --myproxy-safe.
type seconds time.Duration

func (s *seconds) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		return fmt.Errorf("%q is not a number of seconds, such as 3600", text)
	}
	*s = seconds(time.Duration(n) * time.Second)
	return nil
}

func (s *seconds) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.Itoa(int(time.Duration(*s) / time.Second))
}

func (s *seconds) Type() string { return "seconds" }
