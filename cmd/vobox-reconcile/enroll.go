package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
)

const enrollHelp = `Do on the LCG-UI all that a VO-box needs of you, for one passphrase: make a
login proxy with your role, as vobox-reconcile login does, and store a
long-lived credential, as vobox-reconcile store does. Then it says what to type
next.

  vobox-reconcile enroll --voms alice:/alice/Role=lcgadmin -s myproxy.cern.ch

The flags are those of login and of store. Where both have a letter it is that
of store, as for myproxy-init; login's are then written out.`

// enrollFlags are those of login and store.
type enrollFlags struct {
	storeFlags
	proxy proxyFlags
	out   string
	box   string
}

func (a *app) enrollCommand() *cobra.Command {
	var f enrollFlags
	cmd := &cobra.Command{
		Use:   "enroll",
		Short: "Do login and store in one go, and say what to type on the VO-box",
		Long:  enrollHelp,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next, _, err := cmd.Root().Find([]string{"register"})
			return a.enrollUser(cmd.Context(), &f, err == nil && next.Name() == "register")
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.SetNormalizeFunc(underscores)
	f.proxy.register(fl, "", "", "")
	fl.StringVar(&f.out, "out", "", "`file` of the login proxy; else $X509_USER_PROXY, /tmp/x509up_u<uid>")
	f.server.register(fl)
	f.registerStore(fl)
	f.cred.register(fl)
	f.places.register(fl)
	fl.StringVar(&f.box, "box", "your-VOBOX", "`host` name of the VO-box, for what to type next")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing but what goes wrong")
	fl.BoolVarP(&f.version, "version", "V", false, "")
	f.proxy.registerHidden(fl)
	hide(fl, "version")
	registerOld(cmd, enrollFlagsOfOld())
	return cmd
}

// enrollFlagsOfOld are the flags of myproxy-init, and those of voms-proxy-init whose names they leave.
func enrollFlagsOfOld() []oldFlag {
	var table []oldFlag
	for _, old := range storeFlagsOfOld {
		switch old.name {
		case "voms":
			continue // which -m is short for
		case "local-proxy":
			old = oldFlag{name: old.name, short: old.short, tools: old.tools, ignored: "a login proxy is made anyway"}
		}
		table = append(table, old)
	}
	table = append(table, oldFlag{name: "m", short: "m", tools: myproxyInit, arg: true, becomes: "voms"})
	for _, old := range loginFlagsOfOld {
		if slices.ContainsFunc(table, func(o oldFlag) bool { return o.name == old.name }) {
			continue
		}
		switch old.name {
		case "noregen", "list", "verify", "ignorewarn", "debug":
			old = oldFlag{name: old.name, tools: old.tools, arg: old.arg, refused: "it is a flag of vobox-reconcile login"}
		}
		old.short = "" // letters are those of myproxy-init
		table = append(table, old)
	}
	return table
}

func (a *app) enrollUser(ctx context.Context, f *enrollFlags, register bool) error {
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
	if err := f.vomsFrom(cfg); err != nil {
		return err
	}
	req, err := f.proxy.request()
	if err != nil {
		return err
	}
	repository, err := a.repository(f.server, cfg)
	if err != nil {
		return err
	}
	out, err := a.proxyPath(f.out)
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
	e.Tell = t.event
	if req.Signer, err = a.userCredential(f.cred, t); err != nil {
		return a.failed(err)
	}
	made, err := e.Login(ctx, req)
	if err == nil {
		err = credfile.Write(out, made.Credential, atomicfile.Options{Mode: 0o600, UID: -1, GID: -1})
	}
	if err != nil {
		return a.failed(err)
	}
	if a.output != "json" {
		a.warnings(made.Warnings)
	}
	t.say("Created proxy in %s, valid until %s.\n", out, a.here(made.End))
	doc, stored, err := a.deposit(ctx, e, &f.storeFlags, repository, req.Signer, made.Credential, cfg)
	if err != nil {
		return err
	}
	next := nextSteps(f.box, out, register)
	if a.output == "json" {
		if err := a.printJSON(enrollDoc{loginDocOf(e, made, out, a.now()), doc, next}); err != nil {
			return err
		}
		return doc.exit()
	}
	if err := doc.show(a, t, stored); err != nil {
		return err
	}
	t.say("\nWhat to type next, while the login proxy lasts:\n")
	for _, step := range next {
		t.say("  %s> %s\n", step.Where, step.Command)
	}
	return nil
}

// An enrollDoc is what enroll did, and what is left to do.
type enrollDoc struct {
	Login  loginDoc  `json:"login"`
	Stored *storeDoc `json:"stored"`
	Next   []nextDoc `json:"next"`
}

type nextDoc struct {
	Where   string `json:"where"`
	Command string `json:"command"`
}

// vomsFrom fills in the attributes that the configuration wants, where none are asked for.
func (f *enrollFlags) vomsFrom(cfg *config.Config) error {
	if len(f.proxy.voms) > 0 {
		return nil
	}
	if cfg != nil {
		for _, p := range cfg.Proxies {
			if len(p.Attributes) > 0 {
				f.proxy.voms = []string{p.VO + ":" + strings.Join(p.Attributes, ",")}
				return nil
			}
		}
	}
	return usage("which VO, and which role? --voms alice:/alice/Role=lcgadmin")
}

// nextSteps are what to type now.
func nextSteps(box, proxy string, register bool) []nextDoc {
	var steps []nextDoc
	if proxy != enroll.ProxyPath(func(string) string { return "" }, os.Geteuid()) {
		steps = append(steps, nextDoc{"LCG-UI", "export X509_USER_PROXY=" + shellWord(proxy)})
	}
	command := "vobox-reconcile"
	if register {
		command += " register"
	}
	return append(steps, nextDoc{"LCG-UI", "gsissh -p 1975 " + shellWord(box)}, nextDoc{"VO-Box", command})
}
