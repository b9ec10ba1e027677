package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// namedArgs are the arguments of a process that was started under one of the names that people know: as vobox-proxy, or as
// the init script <vo>-box-proxyrenewal, which SysV init calls by links such as S99alice-box-proxyrenewal.
func namedArgs(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	name, args := filepath.Base(argv[0]), argv[1:]
	if name == "vobox-proxy" {
		return asVoboxProxy(args)
	}
	vo, ok := strings.CutSuffix(name, "-box-proxyrenewal")
	if !ok || vo == "" {
		return args
	}
	if len(vo) > 3 && strings.ContainsAny(vo[:1], "SK") && strings.Trim(vo[1:3], "0123456789") == "" {
		vo = vo[3:]
	}
	return append([]string{"box-proxyrenewal", "--vo", vo}, args...)
}

// recordCommands are the commands of vobox-proxy.
var recordCommands = []string{"register", "unregister", "query", "query-dn", "query-proxy-filename", "query-proxy-timeleft"}

// recordFlagValues are the flags of vobox-proxy that take a value, and those of every command, by the name that they have
// here; recordFlagSwitches take none.
var (
	recordFlagValues = map[string]string{"vo": "vo", "voms": "voms", "dn": "dn", "name": "name", "email": "email", "t": "hours", "hours": "hours",
		"proxy-safe": "proxy-safe", "myproxy-safe": "myproxy-safe",
		"c": "config", "config": "config", "o": "output", "output": "output", "log-level": "log-level", "log-format": "log-format", "color": "color"}
	recordFlagSwitches = map[string]string{"force": "force", "help": "help", "h": "help"}
)

// asVoboxProxy gives vobox-proxy's arguments the order and the dashes they have here. Without a command there is its help.
func asVoboxProxy(args []string) []string {
	if out, ok := commandFirst(args, true); ok {
		return out
	}
	return append([]string{"vobox-proxy"}, args...)
}

// oldOrder is asVoboxProxy for the program under its own name: the commands of vobox-proxy may come last there as well, after
// flags that no other command has.
func oldOrder(args []string) []string {
	out, _ := commandFirst(args, false)
	return out
}

// commandFirst looks for a command of vobox-proxy before, between or behind its flags, moves it to the front, and writes the
// flags with two dashes. Arguments that are anything else are returned as they are. A --force before the command takes a
// value when the program has its own name, and is then none of vobox-proxy's.
func commandFirst(args []string, forceFirst bool) (out []string, ok bool) {
	var command string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") {
			if command == "" {
				if !slices.Contains(recordCommands, arg) {
					return args, false
				}
				command = arg
				continue
			}
			out = append(out, arg)
			continue
		}
		name, value, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		canonical, takes := recordFlagValues[name]
		long, isSwitch := recordFlagSwitches[name]
		switch {
		case arg == "--" || arg == "-":
			out = append(out, args[i:]...)
			i = len(args)
		case takes && inline:
			out = append(out, "--"+canonical+"="+value)
		case takes && i+1 < len(args):
			i++
			out = append(out, "--"+canonical+"="+args[i])
		case isSwitch && (forceFirst || command != "" || long != "force"):
			flag := "--" + long
			if inline {
				flag += "=" + value
			}
			out = append(out, flag)
		case command == "":
			return args, false
		default:
			out = append(out, arg)
		}
	}
	if command == "" {
		return args, false
	}
	return append([]string{command}, out...), true
}

// voboxProxyCommand is what vobox-proxy shows without a command.
func (a *app) voboxProxyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vobox-proxy COMMAND [flags]",
		Short: "Be vobox-proxy",
		Long: `As vobox-proxy this program registers the proxies of a VO-box, and lists them.

  vobox-proxy register -t 48 [--proxy-safe SECONDS] [--myproxy-safe SECONDS]
                       [--email ADDRESS] [--force]
  vobox-proxy unregister --dn DN
  vobox-proxy query [--dn DN | --dn all]
  vobox-proxy query-dn
  vobox-proxy query-proxy-filename --dn DN
  vobox-proxy query-proxy-timeleft [--dn DN]

--vo and --voms choose among several. Flags may have one dash or two, and stand
before the command or behind it.`,
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return &exitError{code: exitUsage, err: fmt.Errorf("vobox-proxy has no command %q; there are %s", args[0], strings.Join(recordCommands, ", ")), help: "vobox-proxy --help"}
		},
	}
	// Its usage is in the text, under the name that it was called by.
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprintln(a.stdout, cmd.Long) })
	return cmd
}

// oldCommands are the commands of the old tools.
func (a *app) oldCommands() []*cobra.Command {
	return append(a.queryParts(), a.registerCommand(), a.unregisterCommand(), a.queryCommand(), a.voboxProxyCommand(), a.boxServiceCommand())
}
