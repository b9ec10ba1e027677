package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usage prints how a command is called, in 80 columns.
func (a *app) usage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	fmt.Fprintf(w, "Usage:\n")
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s [flags]\n  %s COMMAND [flags]\n\nCommands:\n", cmd.CommandPath(), cmd.CommandPath())
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-11s %s\n", c.Name(), c.Short)
			}
		}
	} else {
		fmt.Fprintf(w, "  %s\n", cmd.UseLine())
	}
	cmd.InitDefaultHelpFlag()
	local := cmd.LocalNonPersistentFlags()
	local.SortFlags = cmd.Flags().SortFlags // which it does not inherit
	fmt.Fprintf(w, "\nFlags:\n%s\n", strings.TrimRight(local.FlagUsagesWrapped(80), "\n"))
	general := cmd.Root().PersistentFlags()
	fmt.Fprintf(w, "\nFlags of every command:\n%s\n", strings.TrimRight(general.FlagUsagesWrapped(80), "\n"))
	return nil
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
