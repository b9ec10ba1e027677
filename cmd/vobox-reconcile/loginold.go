package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An oldFlag is a flag of a tool that a command stands for, and what the command makes of it: the flag of ours that it
// becomes, or why there is nothing to do, or why it is refused.
type oldFlag struct {
	name  string // without its dash
	short string // its form of one letter, if it has one
	tools string // which have it
	arg   bool   // it takes a value

	becomes string // the flag of ours; with an equals sign also its value
	ignored string // why nothing need be done
	refused string // why it cannot be done, and what to do
}

// The tools whose flags there are. What is called voms-proxy-init on Debian and Enterprise Linux is the third.
const (
	init2    = "voms-proxy-init2" // C++
	init3    = "voms-proxy-init3" // Java
	gridInit = "grid-proxy-init"
	bothInit = init2 + " " + init3
	allInit  = bothInit + " " + gridInit
)

// loginFlagsOfOld are all the flags of voms-proxy-init and grid-proxy-init.
var loginFlagsOfOld = []oldFlag{
	{name: "help", tools: allInit, becomes: "help"},
	{name: "usage", tools: allInit, becomes: "help=true"},
	{name: "version", tools: allInit, becomes: "version"},
	{name: "debug", tools: allInit, becomes: "debug"},
	{name: "quiet", short: "q", tools: allInit, becomes: "quiet"},
	{name: "verify", tools: allInit, becomes: "verify"},
	{name: "pwstdin", tools: allInit, becomes: "passphrase-file=-"},
	{name: "limited", tools: allInit, becomes: "limited"},
	{name: "valid", tools: allInit, arg: true, becomes: "valid"},
	{name: "hours", tools: allInit, arg: true, becomes: "hours"},
	{name: "bits", short: "b", tools: allInit, arg: true, becomes: "bits"},
	{name: "cert", tools: allInit, arg: true, becomes: "cert"},
	{name: "key", short: "k", tools: allInit, arg: true, becomes: "key"},
	{name: "certdir", tools: allInit, arg: true, becomes: "certdir"},
	{name: "out", tools: allInit, arg: true, becomes: "out"},
	{name: "path-length", tools: allInit, arg: true, becomes: "path-length"},
	{name: "rfc", short: "r", tools: allInit, ignored: "every proxy is an RFC 3820 one"},
	{name: "old", tools: allInit, refused: "only RFC 3820 proxies are made, which everything in use takes and most now insist on; leave it out"},
	{name: "draft", tools: gridInit, refused: "only RFC 3820 proxies are made, which everything in use takes and most now insist on; leave it out"},
	{name: "independent", tools: gridInit, refused: "an independent proxy inherits none of your rights, so that no grid service lets it in; leave it out"},
	{name: "proxyver", tools: bothInit, arg: true, becomes: "proxyver"},
	{name: "policy", tools: init2 + " " + gridInit, arg: true, refused: "no grid service knows proxies with a policy text; for less than all rights there is --limited"},
	{name: "policy-language", tools: init2 + " " + gridInit, arg: true, refused: "grid services know two languages only: that of every proxy, and --limited"},
	{name: "pl", tools: init2 + " " + gridInit, arg: true, refused: "grid services know two languages only: that of every proxy, and --limited"},
	{name: "voms", tools: bothInit, arg: true, becomes: "voms"},
	{name: "order", tools: bothInit, arg: true, becomes: "order"},
	{name: "vomslife", tools: bothInit, arg: true, becomes: "vomslife"},
	{name: "vomses", tools: bothInit, arg: true, becomes: "vomses"},
	{name: "confile", tools: init2, arg: true, becomes: "vomses"},
	{name: "userconf", tools: init2, arg: true, becomes: "vomses"},
	{name: "vomsdir", tools: init3, arg: true, becomes: "vomsdir"},
	{name: "noregen", short: "n", tools: bothInit, becomes: "noregen"},
	{name: "list", tools: init2, becomes: "list"},
	{name: "timeout", tools: bothInit, arg: true, becomes: "timeout"},
	{name: "failonwarn", short: "f", tools: bothInit, becomes: "failonwarn"},
	{name: "ignorewarn", tools: bothInit, becomes: "ignorewarn"},
	{name: "dont-verify-ac", tools: bothInit, becomes: "dont-verify-ac"},
	{name: "enable-legacy-protocol", tools: init3, ignored: "the older protocol is always tried where a server does not answer the newer one"},
	{name: "skip-hostname-checks", tools: init3, ignored: "a VOMS server is known by the DN in its vomses line, whatever its host name"},
	{name: "skip-chain-integrity-checks", tools: init3, ignored: "nothing but an RFC 3820 proxy is ever signed, so that chains are not mixed"},
	{name: "globus", tools: init2, arg: true, ignored: "it was about libraries of 2004"},
	{name: "target", tools: bothInit, arg: true, refused: "attributes for one host only are not asked for: vomsd dies of it, and IAM knows no hosts"},
	{name: "include", tools: init2, arg: true, refused: "nothing reads a file that is put into a proxy; leave it out"},
	{name: "includeac", tools: init2, arg: true, refused: "attributes are asked for at each login; name the VO with --voms"},
	{name: "separate", tools: init2, arg: true, refused: "the attributes are in the proxy; vobox-reconcile inspect shows them"},
	{name: "conf", tools: bothInit, arg: true, refused: "there is no file of options; write them on the command line, or into a shell alias"},
}

// underscores are how myproxy-* and the Java edition write some long names.
func underscores(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

// registerOld adds what the table has and the command has not, hidden, and lets all of it have a single dash.
func registerOld(cmd *cobra.Command, table []oldFlag) {
	cmd.InitDefaultHelpFlag()
	fl := cmd.Flags()
	for _, old := range table {
		if fl.Lookup(old.name) == nil {
			flag := fl.VarPF(&oldValue{fl, old}, old.name, old.short, "")
			flag.Hidden = true
			if !old.arg {
				flag.NoOptDefVal = "true"
			}
		}
		flag := fl.Lookup(old.name)
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[oneDash] = nil
	}
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[oneDash] = ""
	name := cmd.Name()
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		help := cmd.CommandPath() + " --help"
		var no *refusedFlag
		if errors.As(err, &no) {
			return &exitError{code: exitUsage, err: no, help: help}
		}
		if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
			err = fmt.Errorf("%s has no flag -%s, and neither has %s", name, firstOf(missing.GetSpecifiedShortnames(), missing.GetSpecifiedName()), toolsOf(table))
		}
		return &exitError{code: exitUsage, err: err, help: help}
	})
}

// longOnly gives unknown words of one dash a second one, for the tools that have no groups of letters such as tar's xzf:
// pflag would take -frobnicate for -f, -r and -o bnicate.
func longOnly(cmd *cobra.Command, args []string) []string {
	if _, ok := cmd.Annotations[wholeWords]; !ok {
		return args
	}
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' && !cluster(cmd.Flags(), arg[1:]) {
			args[i] = "-" + arg
		}
	}
	return args
}

// wholeWords marks such a command.
const wholeWords = "whole words"

// cluster reports whether letters are flags without values, or the first has a value behind it.
func cluster(fl *pflag.FlagSet, letters string) bool {
	for i := range len(letters) {
		flag := fl.ShorthandLookup(letters[i : i+1])
		if flag == nil {
			return false
		}
		if flag.NoOptDefVal == "" {
			return i == 0
		}
	}
	return true
}

// toolsOf names the tools of a table, for people.
func toolsOf(table []oldFlag) string {
	var names []string
	for _, f := range table {
		for tool := range strings.FieldsSeq(f.tools) {
			if tool = strings.TrimRight(tool, "23"); !slices.Contains(names, tool) {
				names = append(names, tool)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}

// A refusedFlag is a flag that the old tools have and we have not.
type refusedFlag struct{ flag, why string }

func (r *refusedFlag) Error() string {
	if r.flag == "" {
		return r.why
	}
	return fmt.Sprintf("-%s: %s", r.flag, r.why)
}

// An oldValue does with a flag of old what the table says.
type oldValue struct {
	flags *pflag.FlagSet
	old   oldFlag
}

func (*oldValue) String() string { return "" }

func (v *oldValue) Type() string {
	if v.old.arg {
		return "value"
	}
	return "bool"
}

func (v *oldValue) Set(s string) error {
	if !v.old.arg { // -rfc=false is nothing
		if on, err := strconv.ParseBool(s); err != nil || !on {
			return err
		}
	}
	switch {
	case v.old.refused != "":
		name := v.old.name
		if v.old.short != "" {
			name = v.old.short + " (--" + name + ")"
		}
		return &refusedFlag{name, v.old.refused}
	case v.old.ignored != "":
		return nil
	}
	name, value, fixed := strings.Cut(v.old.becomes, "=")
	if !fixed {
		value = s
	}
	return v.flags.Set(name, value)
}
