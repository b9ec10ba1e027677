package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

type initFlags struct {
	vo, user, server string
	dn, voms         string
	outputFile       string
	yes              bool
	print            string
	root             string // of tests: what stands for /
}

const initHelp = `Write a configuration for this box from what is found on it: the VO from the
directories in /var/lib/vobox (or the older /opt/vobox), the user proxies from
the repository, the MyProxy server from the env files, and so on. The first pass
of that configuration changes nothing on a box that is as it should be. What is
not as it should be is told, and then which pieces of the old machinery to
switch off, in which order, and how to go back.

A file that exists is never overwritten. Only what cannot be found is asked for;
with --yes nothing is, and what has no likely answer has to come as a flag.

  vobox-reconcile init                      write the configuration
  vobox-reconcile init --output-file -      only show what would be written
  vobox-reconcile init --print init-script  a file for /etc/init.d, or unit, cron`

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration for this box from what is found on it",
		Long:  initHelp,
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return a.init(f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.vo, "vo", "", "the `VO`, where the box is for several")
	fl.StringVar(&f.user, "user", "", "the VO's `account`, such as alicesgm")
	fl.StringVar(&f.server, "myproxy", "", "the MyProxy `server`, host or host:port")
	fl.StringVar(&f.dn, "dn", "", "the `DN` of the user, where the repository has no proxy")
	fl.StringVar(&f.voms, "voms", "", "VO, or `VO:FQAN`, of that user's proxy")
	fl.StringVar(&f.outputFile, "output-file", "", "write to this `file` instead; - is standard output")
	fl.BoolVarP(&f.yes, "yes", "y", false, "ask nothing")
	fl.StringVar(&f.print, "print", "", "print a file and write nothing: `init-script`, unit or cron")
	_ = cmd.RegisterFlagCompletionFunc("print", cobra.FixedCompletions([]string{"init-script", "unit", "cron"}, cobra.ShellCompDirectiveNoFileComp))
	fl.StringVar(&f.root, "root", "", "look below this `directory` instead of /")
	_ = fl.MarkHidden("root") // the flag was defined just now
	return cmd
}

// An initiator makes a configuration out of what was found on a box.
type initiator struct {
	*app
	f       initFlags
	source  oldbox.Source
	box     *oldbox.Box
	vo      *oldbox.VO
	path    string // of the configuration
	server  oldbox.Setting
	stays   []registered // the user proxies to keep
	text    string       // of the configuration
	alerts  []plan.Alert // what is not as it should be
	want    plan.Desired
	report  *reconcile.Report // of the first dry run
	answers *bufio.Reader     // of a person at a terminal; nil: there is none
}

func (a *app) init(f initFlags) error {
	i := &initiator{app: a, f: f}
	if f.print != "" {
		return i.printFile()
	}
	if err := i.prepareInit(); err != nil {
		return err
	}
	for _, step := range []func() error{i.chooseVO, i.chooseServer, i.chooseProxies, i.compose, i.check} {
		if err := step(); err != nil {
			return err
		}
	}
	return i.finish()
}

// prepareInit looks at the box, unless there is a configuration already.
func (i *initiator) prepareInit() error {
	i.path = cmp.Or(i.f.outputFile, i.configPath())
	if i.path != "-" {
		abs, err := filepath.Abs(i.path)
		if err != nil {
			return err
		}
		i.path = abs
		if _, err := os.Lstat(i.path); err == nil {
			return fmt.Errorf("%s exists, and is not overwritten; to see what init would write, type: vobox-reconcile init --output-file -", printable(i.path))
		}
	}
	if f, ok := i.stdin.(*os.File); ok && !i.f.yes && i.talk.terminal && term.IsTerminal(int(f.Fd())) {
		i.answers = bufio.NewReader(f)
	}
	i.source = oldbox.Source{Root: i.f.root, Now: i.now(), Lookup: i.lookup,
		Trust: &trust.Store{Certificates: i.certificates(), VOMSDir: i.vomsdir(), Still: true}}
	i.box = i.source.Read()
	return nil
}

// lookup finds accounts of LDAP and SSSD, on the real box.
func (i *initiator) lookup(name string) (oldbox.Account, bool) {
	if i.f.root != "" {
		return oldbox.Account{}, false
	}
	acc, err := service.LookupAccount(name)
	return oldbox.Account{Name: acc.Name, UID: acc.UID, Home: acc.Home}, err == nil && acc.Name != ""
}

// below is a path of the box.
func (i *initiator) below(path string) string {
	if i.f.root == "" {
		return path
	}
	return filepath.Join(i.f.root, path)
}

func (i *initiator) certificates() string {
	return cmp.Or(i.getenv("X509_CERT_DIR"), i.below("/etc/grid-security/certificates"))
}

func (i *initiator) vomsdir() string {
	return cmp.Or(i.getenv("X509_VOMS_DIR"), i.below("/etc/grid-security/vomsdir"))
}

// chooseVO takes the VO that was found, asked for or answered.
func (i *initiator) chooseVO() error {
	var names []string
	for _, vo := range i.box.VOs {
		names = append(names, vo.Name)
	}
	name := i.f.vo
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if name == "" {
		question := "which VO is this box for"
		likely := ""
		if len(names) > 0 {
			question, likely = "this box has directories of "+strings.Join(names, ", ")+"; which VO is the configuration for", names[0]
			if i.answers == nil {
				return usage("this box has directories of several VOs: %s; choose one with --vo", strings.Join(names, ", "))
			}
		}
		var err error
		if name, err = i.ask(question, likely, "--vo"); err != nil {
			return err
		}
	}
	if !formOK(strings.ToLower(name)) {
		return usage("%q is not the name of a VO, such as alice", name)
	}
	if j := slices.Index(names, name); j >= 0 {
		i.vo = i.box.VOs[j]
	} else {
		i.vo = &oldbox.VO{Name: name, Dir: i.below("/var/lib/vobox/" + name)}
		i.vo.Repository = filepath.Join(i.vo.Dir, "proxy_repository")
		i.vo.Machine.Path = filepath.Join(i.vo.Dir, "renewal-proxy.pem")
	}
	switch {
	case i.f.user != "":
		i.vo.Account, i.vo.Why = oldbox.Account{Name: i.f.user, UID: -1, Home: i.home(i.f.user)}, "--user"
	case i.vo.Account.Name == "":
		user, err := i.ask("the account of "+name+" on this box", "", "--user")
		if err != nil {
			return err
		}
		i.vo.Account, i.vo.Why = oldbox.Account{Name: user, UID: -1, Home: i.home(user)}, "as you said"
	}
	return nil
}

func (i *initiator) home(user string) string {
	if _, _, home, err := config.OSEnv().LookupUser(user); err == nil {
		return home
	}
	return ""
}

// usualServer is the MyProxy server of the VOs that CERN has one for.
const usualServer = "myproxy.cern.ch"

// chooseServer takes the MyProxy server from the flag, the environment or the files that name one.
func (i *initiator) chooseServer() error {
	switch {
	case i.f.server != "":
		i.server = oldbox.Setting{Value: i.f.server, From: "--myproxy"}
	case i.getenv("MYPROXY_SERVER") != "":
		i.server = oldbox.Setting{Value: i.getenv("MYPROXY_SERVER"), From: "$MYPROXY_SERVER"}
	case len(i.box.Servers) > 0:
		i.server = i.box.Servers[0]
	default:
		likely := ""
		if slices.Contains([]string{"alice", "atlas", "cms", "lhcb"}, i.vo.Name) {
			likely = usualServer
		}
		answer, err := i.ask("the MyProxy server", likely, "--myproxy")
		if err != nil {
			return err
		}
		i.server = oldbox.Setting{Value: answer, From: "nothing on this box names one"}
	}
	for _, other := range i.box.Servers {
		if other.Value != i.server.Value {
			i.tell("MP-SERVER", plan.Warning, other.From, fmt.Sprintf("names the MyProxy server %s, and %s names %s", other.Value, i.server.From, i.server.Value),
				"vobox-reconcile init --myproxy SERVER", "VO-Box")
		}
	}
	return nil
}

// ask asks a person; without one it takes the likely answer.
func (i *initiator) ask(question, likely, flag string) (string, error) {
	if i.answers == nil {
		if likely == "" {
			return "", usage("%s? Nothing on this box tells: say it with %s", question, flag)
		}
		return likely, nil
	}
	for range 3 {
		fmt.Fprintf(i.stderr, "%s", printable(question))
		if likely != "" {
			fmt.Fprintf(i.stderr, " [%s]", printable(likely))
		}
		fmt.Fprint(i.stderr, ": ")
		line, err := i.answers.ReadString('\n')
		if line = cmp.Or(strings.TrimSpace(line), likely); line != "" {
			return line, nil
		}
		if err != nil {
			fmt.Fprintln(i.stderr)
			break
		}
	}
	return "", usage("without an answer there is no configuration; %s says it as well", flag)
}

// tell keeps something that is not as it should be.
func (i *initiator) tell(id string, severity plan.Severity, subject, message, remedy, where string) {
	i.alerts = append(i.alerts, plan.Alert{ID: id, Severity: severity, Subject: subject, Message: message, Remedy: remedy, Where: where})
}

// check reads the configuration as a pass would, and looks what that pass would do.
func (i *initiator) check() error {
	path := i.path
	if path == "-" {
		path = i.configPath()
	}
	cfg, err := i.trial(path, map[string][]byte{path: []byte(i.text)})
	if err != nil {
		return fmt.Errorf("what was found on this box makes no configuration:\n%w", err)
	}
	i.want = cfg.Desired()
	engine, err := i.engine(cfg, i.want, i.now)
	if err != nil {
		return err
	}
	at := i.now()
	i.report = reconcile.Preview(plan.Compute(i.want, engine.Observe(i.want), at, plan.Options{}), at)
	return nil
}

// finish writes the configuration and says what was found.
func (i *initiator) finish() error {
	if i.path == "-" {
		if i.output == "json" {
			return i.printJSON(i.doc(false))
		}
		_, err := fmt.Fprint(i.stdout, i.text)
		return err
	}
	if err := i.write(); err != nil {
		return err
	}
	if i.output == "json" {
		return i.printJSON(i.doc(true))
	}
	i.printFound()
	return nil
}

// write puts the configuration in place. Between the first look and now somebody may have written one: theirs stays.
func (i *initiator) write() error {
	dir := filepath.Dir(i.path)
	if err := atomicfile.MkdirAll(dir, atomicfile.Options{Mode: 0o755, UID: -1, GID: -1}); err != nil {
		return i.refused(err)
	}
	f, err := os.OpenFile(i.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return i.refused(err)
	}
	_, err = f.WriteString(i.text)
	return errors.Join(err, f.Sync(), f.Close())
}

func (i *initiator) refused(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("writing the configuration: %w; run it as root, or as %s with --output-file ~/.config/vobox-reconcile/config.yaml", err, i.vo.Account.Name)
	}
	return fmt.Errorf("writing the configuration: %w", err)
}
