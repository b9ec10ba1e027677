package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/myproxy"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

const storedHelp = `Show what a MyProxy server has of you, as myproxy-info does. Its flags, and
those of myproxy-destroy and myproxy-change-pass-phrase, are taken as they are.

  vobox-reconcile stored -s myproxy.cern.ch
  vobox-reconcile stored -s myproxy.cern.ch --destroy
  vobox-reconcile stored -s myproxy.cern.ch --change-passphrase

You are known to the server by your proxy if there is one, else by your
certificate.

How long the proxies are that VO-boxes get (-t of myproxy-init) is in no answer
of a MyProxy server. Where there is a machine proxy (--renewer-proxy, or the
configuration's) it is measured: a very long one is asked for in the name of
that box, looked at, and dropped.`

// lookFlags are those of myproxy-info, myproxy-destroy and myproxy-change-pass-phrase.
type lookFlags struct {
	cred   credentialFlags
	places placeFlags
	server serverFlags
	what   storedFlags

	proxy, renewer          string
	destroy, change         bool
	oldPass, newPass        string
	stdinPass, quiet, vers_ bool
}

func (a *app) storedCommand() *cobra.Command {
	var f lookFlags
	cmd := &cobra.Command{
		Use:   "stored",
		Short: "Show what is stored for your VO-boxes (myproxy-info)",
		Long:  storedHelp,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.showStored(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.SetNormalizeFunc(underscores)
	f.server.register(fl)
	f.what.register(fl)
	fl.StringVar(&f.renewer, "renewer-proxy", "", "machine proxy of a VO-box, a `file`: measure how long its proxies are; none: measure nothing")
	fl.BoolVar(&f.destroy, "destroy", false, "remove the credential (myproxy-destroy)")
	fl.BoolVar(&f.change, "change-passphrase", false, "change its passphrase (myproxy-change-pass-phrase)")
	fl.StringVar(&f.oldPass, "store-passphrase-file", "", "read the present passphrase of the stored credential from a `file`")
	fl.StringVar(&f.newPass, "new-passphrase-file", "", "read the new one from a `file`")
	fl.BoolVarP(&f.stdinPass, "stdin-pass", "S", false, "read both from standard input, a line each")
	fl.StringVar(&f.proxy, "proxy", "", "proxy `file` to be known by; else $X509_USER_PROXY, /tmp/x509up_u<uid>")
	f.cred.register(fl)
	f.places.register(fl)
	hide(fl, "vomsdir", "vomses")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but what goes wrong")
	fl.BoolVarP(&f.vers_, "version", "V", false, "")
	hide(fl, "version")
	registerOld(cmd, storedFlagsOfOld)
	return cmd
}

// storedFlagsOfOld are all the flags of myproxy-info, myproxy-destroy and myproxy-change-pass-phrase.
var storedFlagsOfOld = append([]oldFlag{
	{name: "stdin-pass", short: "S", tools: myproxyChange, becomes: "stdin-pass"},
}, commonFlagsOfOld...)

func (a *app) showStored(ctx context.Context, f *lookFlags) error {
	switch {
	case f.vers_:
		return a.printVersion()
	case f.destroy && f.change:
		return usage("--destroy and --change-passphrase are two things; give one")
	case !f.change && (f.stdinPass || f.oldPass != "" || f.newPass != ""):
		return usage("--stdin-pass, --store-passphrase-file and --new-passphrase-file are for --change-passphrase")
	}
	cfg, err := a.configuration()
	if err != nil {
		return err
	}
	e, err := a.enrollerFor(f.places, cfg)
	if err != nil {
		return err
	}
	a.harden()
	o, err := a.owner(f, cfg)
	if err != nil {
		return a.failed(err)
	}
	repository, err := a.repository(f.server, cfg)
	if err != nil {
		return err
	}
	switch {
	case f.destroy:
		return a.destroy(ctx, e, f, repository, o)
	case f.change:
		return a.changePassphrase(ctx, e, f, repository, o)
	}
	return a.look(ctx, e, f, repository, o, cfg)
}

// A depositor is whose credential is looked at: what they are known by, and under which name it is stored.
type depositor struct {
	shown    *proxycert.Credential
	username string // empty: the DN
}

// owner finds the user: by the proxy, by the certificate, or on a box by a proxy that is kept there.
func (a *app) owner(f *lookFlags, cfg *config.Config) (depositor, error) {
	username, err := f.what.user(a.getenv)
	o := depositor{username: username}
	if err != nil {
		return o, err
	}
	if f.cred.cert == "" {
		path := firstOf(f.proxy, enroll.ProxyPath(a.getenv, os.Geteuid()))
		if o.shown, err = a.validProxy(path); err == nil {
			return o, nil
		}
		if f.proxy != "" {
			return o, err
		}
		if cfg != nil {
			if kept, name := a.kept(cfg); kept != nil {
				o.shown, o.username = kept, firstOf(o.username, name)
				return o, nil
			}
		}
		if _, none := enroll.Find(a.getenv, "", f.cred.key); none != nil {
			return o, err
		}
	}
	o.shown, err = a.userCredential(f.cred, a.loginTeller(true))
	return o, err
}

// validProxy reads a proxy that can be shown to a server.
func (a *app) validProxy(path string) (*proxycert.Credential, error) {
	c, _, err := credfile.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &enroll.Error{ID: "USER-PROXY", Remedy: "vobox-reconcile login", Where: "LCG-UI", Err: fmt.Errorf("there is neither a proxy (%s) nor a user certificate", path)}
	case err != nil:
		return nil, err
	case !a.now().Before(c.NotAfter()):
		return nil, &enroll.Error{ID: "USER-PROXY", Remedy: "vobox-reconcile login", Where: "LCG-UI", Err: fmt.Errorf("the proxy %s expired on %s", path, plan.Clock(c.NotAfter()))}
	}
	return c, nil
}

// kept is the first good proxy of a configuration that comes from a MyProxy server, and the name that it is stored under.
func (a *app) kept(cfg *config.Config) (*proxycert.Credential, string) {
	for _, p := range cfg.Proxies {
		if p.Source.MyProxy == nil {
			continue
		}
		if c, err := a.validProxy(p.Path); err == nil {
			return c, p.Source.MyProxy.Username
		}
	}
	return nil, ""
}

// A lookDoc is what a server has of somebody.
type lookDoc struct {
	Server      string       `json:"server"`
	Username    string       `json:"username"`
	Credentials []depositDoc `json:"credentials"`
	Probe       *probeDoc    `json:"probe"`
	Warnings    []warningDoc `json:"warnings"`
}

// look shows what is there, and measures what boxes get of it.
func (a *app) look(ctx context.Context, e *enroll.Enroller, f *lookFlags, from enroll.Repository, o depositor, cfg *config.Config) error {
	list, server, err := e.Stored(ctx, from, o.shown, o.username, f.what.name)
	if err != nil {
		return a.failed(err)
	}
	machine, err := a.machineProxy(f.renewer, cfg)
	if err != nil {
		return a.failed(err)
	}
	doc := lookDoc{Server: server, Username: firstOf(o.username, o.shown.Identity().String()), Credentials: []depositDoc{}}
	for _, s := range list {
		doc.Credentials = append(doc.Credentials, depositDocOf(s, a.now()))
	}
	measured := measurable(list, f.what.name)
	if machine != nil && measured >= 0 {
		a.beginWork()
		doc.Probe = a.probeFor(ctx, e, enroll.Repository{Servers: []string{server}, DN: from.DN}, o, doc.Username, list[measured].Name, machine)
	}
	warnings := doc.Probe.tooShort(server, f.what.name)
	if measured >= 0 {
		warnings = append(warnings, ending(list[measured], server, a.now())...)
	}
	doc.Warnings = warningDocs(warnings)
	if a.output == "json" {
		err = a.printJSON(doc)
	} else {
		_, err = a.stdout.Write([]byte(printable(doc.text(measured, a.now()))))
	}
	failed := doc.Probe != nil && doc.Probe.err != nil
	switch {
	case err != nil:
		return err
	case a.output == "json" && failed:
		return exit(exitFailed)
	case a.output == "json":
		return nil
	}
	a.warnings(warnings)
	if failed {
		return a.probed(doc.Probe, nil)
	}
	return nil
}

// alertBelow is when a stored credential is about to end, as in the configuration's myproxy.alertBelow.
const alertBelow = 240 * time.Hour

// ending warns of a stored credential that lasts no longer than it takes to find somebody to store another.
func ending(s myproxy.Stored, server string, now time.Time) []enroll.Warning {
	text := fmt.Sprintf("what is stored ends on %s", plan.Clock(s.End))
	switch left := s.End.Sub(now); {
	case left <= 0:
		text = fmt.Sprintf("what is stored ended on %s", plan.Clock(s.End))
	case left >= alertBelow:
		return nil
	}
	return []enroll.Warning{{ID: "MP-SHORT", Text: text, Remedy: storeAgain(server, s.Name), Where: "LCG-UI"}}
}

// measurable is the credential that a box would renew from: the one that is named, the unnamed one, or the only one.
func measurable(list []myproxy.Stored, name string) int {
	for i, s := range list {
		if s.Name == name {
			return i
		}
	}
	if len(list) == 1 {
		return 0
	}
	return -1
}

// probeFor asks for a renewal. The proof is the user's proxy, or one made for it from the certificate.
func (a *app) probeFor(ctx context.Context, e *enroll.Enroller, from enroll.Repository, o depositor, username, name string, machine *proxycert.Credential) *probeDoc {
	old := o.shown
	var err error
	if len(old.Chain) < 2 {
		if old, err = e.ShortProxy(o.shown)(); err != nil {
			return probeDocOf(machine.Identity().String(), nil, err)
		}
	}
	found, err := e.Probe(ctx, enroll.ProbeRequest{Repository: from, Username: username, CredName: name, Machine: machine, Old: old})
	return probeDocOf(machine.Identity().String(), found, err)
}

// text has the lines of myproxy-info.
func (d *lookDoc) text(measured int, now time.Time) string {
	var b bytes.Buffer
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", name, strings.ReplaceAll(value, "\n", " "))
		}
	}
	fmt.Fprintf(&b, "username: %s\n", d.Username)
	for i, c := range d.Credentials {
		fmt.Fprintf(&b, "owner: %s\n", c.Owner)
		line("name", c.Name)
		line("description", c.Description)
		line("retrieval policy", c.Retriever)
		line("renewal policy", c.Renewer)
		line("key retrieval policy", c.KeyRetriever)
		line("trusted retrieval policy", c.TrustedRetriever)
		line("locked", c.LockMessage)
		line("timeleft", withDays(max(0, c.NotAfter.Sub(now))))
		if p := d.Probe; i == measured && p != nil && p.err == nil {
			line("longest proxy", withDays(p.probe.Longest))
		}
	}
	return b.String()
}

// withDays is how myproxy-info prints a length of time.
func withDays(d time.Duration) string {
	s := fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	if d > 24*time.Hour {
		s += fmt.Sprintf("  (%.1f days)", d.Hours()/24)
	}
	return s
}

func (a *app) destroy(ctx context.Context, e *enroll.Enroller, f *lookFlags, from enroll.Repository, o depositor) error {
	if err := e.Destroy(ctx, from, o.shown, o.username, f.what.name); err != nil {
		return a.failed(err)
	}
	which := "Default MyProxy credential"
	if f.what.name != "" {
		which = "MyProxy credential '" + f.what.name + "'"
	}
	return a.done(f.quiet, map[string]any{"destroyed": true}, "%s for user %s was successfully removed.\n", which, firstOf(o.username, o.shown.Identity().String()))
}

func (a *app) changePassphrase(ctx context.Context, e *enroll.Enroller, f *lookFlags, from enroll.Repository, o depositor) error {
	old, err := a.presentPassphrase(f)
	if err != nil {
		return a.failed(err)
	}
	defer clear(old)
	new, err := a.nextPassphrase(f)
	if err != nil {
		return a.failed(err)
	}
	defer clear(new)
	if err := e.ChangePassphrase(ctx, from, o.shown, o.username, f.what.name, old, new); err != nil {
		return a.failed(err)
	}
	return a.done(f.quiet, map[string]any{"changed": true}, "Pass phrase changed.\n")
}

func (a *app) presentPassphrase(f *lookFlags) ([]byte, error) {
	from := passphraseFlags{file: f.oldPass, fd: -1}
	if f.stdinPass {
		from.file = firstOf(from.file, "-")
	}
	source, err := a.secrets(from)
	if err != nil {
		return nil, err
	}
	return source.ask("Enter (current) MyProxy pass phrase: ")
}

func (a *app) nextPassphrase(f *lookFlags) ([]byte, error) {
	from := passphraseFlags{file: f.newPass, fd: -1}
	if f.stdinPass {
		from.file = firstOf(from.file, "-")
	}
	if from.file == "" {
		return a.askTwice("new MyProxy pass phrase")
	}
	source, err := a.secrets(from)
	if err != nil {
		return nil, err
	}
	return source.ask("Enter new MyProxy pass phrase: ")
}

// done prints what was done.
func (a *app) done(quiet bool, doc map[string]any, format string, args ...any) error {
	switch {
	case a.output == "json":
		return a.printJSON(doc)
	case quiet:
		return nil
	}
	_, err := a.stdout.Write([]byte(printable(fmt.Sprintf(format, args...))))
	return err
}
