package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
)

// Exit codes, as scripts know them.
const (
	exitOK      = 0
	exitFailed  = 1  // a step failed, or a look found a failure
	exitPending = 2  // --dry-run: changes are pending
	exitUsage   = 64 // EX_USAGE
	exitLocked  = 75 // EX_TEMPFAIL
	exitConfig  = 78 // EX_CONFIG
)

// A world is what the command sees of its surroundings.
type world struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	work           func() // called when there is more to do than to look; may be nil
	signals        bool   // a signal ends a pass in order; false: whoever calls run cancels the context
	now            func() time.Time
	quiet, poll    time.Duration // of --watch; zero: what package watch has
	patience       time.Duration // with a channel for alerts; zero: what package notify has
}

// An exitError ends the program with a code. Its message is empty when all is said already.
type exitError struct {
	code int
	err  error
	help string // of wrong usage: what to type to know better
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

// ofCommand stands for the help of the command that was given.
const ofCommand = "--help"

func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), help: ofCommand}
}

// An app is one invocation: the world, and the flags that every command has.
type app struct {
	world
	config    string
	output    string
	logLevel  string
	logFormat string
	color     string
	out       painter // standard output
	talk      painter // standard error
	log       io.Writer
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, w world) int {
	a := &app{world: w, log: w.stderr}
	root := a.rootCommand()
	args = oldOrder(append([]string{}, args...)) // nil would be those of the process
	if !isPass(root, args) {
		a.addCommands(root)
		args = oldSpelling(root, args)
	}
	root.SetArgs(args)
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	return a.explain(err, cmd.CommandPath()+" --help")
}

// explain tells people about an error and returns the exit code for it. help is what to type to know the command better.
func (a *app) explain(err error, help string) int {
	var faults config.Errors
	var ex *exitError
	switch {
	case errors.As(err, &faults):
		fmt.Fprintln(a.stderr, err)
		return exitConfig
	case errors.Is(err, reconcile.ErrLocked):
		fmt.Fprintf(a.stderr, "vobox-reconcile: %v; wait for it, or give it longer with --lock-wait\n", err)
		return exitLocked
	case errors.As(err, &ex):
		if ex.err != nil {
			fmt.Fprintf(a.stderr, "vobox-reconcile: %v\n", ex.err)
		}
		if ex.help == ofCommand {
			ex.help = help
		}
		if ex.help != "" {
			fmt.Fprintf(a.stderr, "see %s\n", ex.help)
		}
		return ex.code
	}
	fmt.Fprintf(a.stderr, "vobox-reconcile: %v\n", err)
	return exitFailed
}

const rootHelp = `vobox-reconcile brings a VO-box to the state its configuration describes: it
renews the machine proxy and the user proxies that are due, writes the
environment files, and restarts the services that need it. Without a command it
makes one pass.

  vobox-reconcile --dry-run   see what would be done, and why
  vobox-reconcile             do it
  vobox-reconcile --watch     stay, and do it whenever it has to be done
  vobox-reconcile status      what is left of every credential, what comes next

Exit codes: 0 all is done, 1 something failed, 2 changes are pending (only with
--dry-run), 64 wrong usage, 75 another run holds the lock, 78 the configuration
is invalid.`

func (a *app) rootCommand() *cobra.Command {
	var p passFlags
	root := &cobra.Command{
		Use:               "vobox-reconcile",
		Short:             "Keep grid credentials, and what depends on them, up to date",
		Long:              rootHelp,
		Args:              noArguments,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.prepare() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.version {
				return a.printVersion()
			}
			return a.pass(cmd.Context(), p)
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return &exitError{code: exitUsage, err: err, help: ofCommand}
	})
	root.SetHelpCommand(a.helpCommand())
	root.SetUsageFunc(a.usage)
	f := root.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", "", "configuration `file`; else $VOBOX_RECONCILE_CONFIG, "+config.DefaultPath)
	f.StringVarP(&a.output, "output", "o", "text", "`format` of results: text or json")
	f.StringVar(&a.logLevel, "log-level", "", "`level` of the log on standard error: debug, info, warn or error (default warn)")
	f.StringVar(&a.logFormat, "log-format", "console", "`format` of the log: console or json")
	f.StringVar(&a.color, "color", "auto", "`when` to use colour: auto, always or never")
	p.register(root)
	a.completeFlags(root)
	return root
}

// addCommands adds all commands. A pass, which most runs are, does without: they have flags by the hundred.
func (a *app) addCommands(root *cobra.Command) {
	root.AddCommand(a.statusCommand(), a.whyCommand(), a.inspectCommand(), a.schemaCommand(), a.versionCommand(), a.completionCommand(), a.doctorCommand(), a.alertsCommand(), a.initCommand(), a.loginCommand(), a.storeCommand(), a.storedCommand(), a.enrollCommand())
	root.AddCommand(a.oldCommands()...)
}

// isPass reports whether there is nothing but flags of the root command and their values.
func isPass(root *cobra.Command, args []string) bool {
	for i := 0; i < len(args); i++ {
		name, _, inline := strings.Cut(args[i], "=")
		flag := rootFlag(root, name)
		if flag == nil {
			return false
		}
		if !inline && flag.NoOptDefVal == "" {
			i++
		}
	}
	return true
}

func rootFlag(root *cobra.Command, arg string) (flag *pflag.Flag) {
	for _, set := range []*pflag.FlagSet{root.Flags(), root.PersistentFlags()} {
		switch {
		case flag != nil:
		case strings.HasPrefix(arg, "--"):
			flag = set.Lookup(arg[2:])
		case len(arg) == 2 && arg[0] == '-':
			flag = set.ShorthandLookup(arg[1:])
		}
	}
	return flag
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.Root().SuggestionsFor(args[0]); !cmd.HasParent() && len(near) > 0 {
		return usage("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	if !cmd.HasParent() {
		return usage("there is no command %q", args[0])
	}
	return usage("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
}

// prepare checks the flags that every command has.
func (a *app) prepare() error {
	if !slices.Contains(outputs, a.output) {
		return usage("--output is text or json, not %q", a.output)
	}
	if !slices.Contains(logFormats, a.logFormat) {
		return usage("--log-format is console or json, not %q", a.logFormat)
	}
	if !slices.Contains(colors, a.color) {
		return usage("--color is auto, always or never, not %q", a.color)
	}
	if a.logLevel != "" {
		if !slices.Contains(logLevels, a.logLevel) {
			return usage("--log-level is debug, info, warn or error, not %q", a.logLevel)
		}
	}
	a.out, a.talk = a.painterFor(a.stdout), a.painterFor(a.stderr)
	return nil
}

var (
	outputs    = []string{"text", "json"}
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"console", "json"}
	colors     = []string{"auto", "always", "never"}
)

func (a *app) logger() zerolog.Logger {
	level := zerolog.WarnLevel
	if a.logLevel != "" {
		level, _ = zerolog.ParseLevel(a.logLevel)
	}
	w := a.log
	if a.logFormat == "console" {
		w = zerolog.ConsoleWriter{Out: a.log, NoColor: !a.talk.on, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func (a *app) configPath() string {
	return firstOf(a.config, a.getenv("VOBOX_RECONCILE_CONFIG"), config.DefaultPath)
}

// load reads the configuration.
func (a *app) load() (*config.Config, error) {
	env := config.OSEnv()
	env.Getenv = a.getenv
	return config.Load(a.configPath(), env)
}

// clock returns the time to go by: the world's, or the one of --at, which may be so long from now, standing still.
func (a *app) clock(at string) (func() time.Time, error) {
	if at == "" {
		return a.now, nil
	}
	if d, err := config.ParseDuration(strings.TrimPrefix(at, "+")); err == nil && strings.HasPrefix(at, "+") {
		t := a.now().Add(d)
		return func() time.Time { return t }, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, at, time.UTC); err == nil {
			return func() time.Time { return t }, nil
		}
	}
	return nil, usage("--at takes a time such as 2026-12-24T00:00:00Z, or +14d, not %q", at)
}
