package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// version is set by the Makefile from git describe.
var version = ""

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if a.output == "json" {
				return a.printJSON(map[string]string{"version": versionString(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(a.stdout, "vobox-reconcile %s (%s, %s/%s)\n", versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Print the JSON Schema of the configuration. An editor with yaml-language-server completes and checks by it:

  vobox-reconcile schema > /etc/vobox-reconcile/schema.json
  # yaml-language-server: $schema=schema.json      (first line of config.yaml)`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return err
		},
	}
}

// helpCommand is cobra's, but for what it says of a command that does not exist.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no command %q", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range cmd.Root().Commands() {
				if len(args) == 0 && c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// completeFlags has the shell complete the values of flags: words, and the names in the configuration.
func (a *app) completeFlags(root *cobra.Command) {
	type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)
	words := func(list []string) completion {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return list, cobra.ShellCompDirectiveNoFileComp
		}
	}
	configured := func(pick func(names) []string) completion {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			cfg, err := a.load()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return pick(namesOf(cfg.Desired())), cobra.ShellCompDirectiveNoFileComp
		}
	}
	for flag, f := range map[string]completion{
		"output": words(outputs), "log-level": words(logLevels), "log-format": words(logFormats), "color": words(colors),
		"only":  configured(func(n names) []string { return n.all }),
		"force": configured(func(n names) []string { return n.credentials }),
	} {
		// The only error there is says that a flag does not exist; a test completes each of them.
		_ = root.RegisterFlagCompletionFunc(flag, f)
	}
}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a completion script for a shell",
		Long: `Print a completion script for a shell, for instance

  vobox-reconcile completion bash > /etc/bash_completion.d/vobox-reconcile`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("completion takes one shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(a.stdout, true)
			}
			return usage("completion knows bash, zsh and fish, not %q", args[0])
		},
	}
}
