package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// stopLimit is how long all the scripts in <root>/stop may take.
const stopLimit = 30 * time.Second

// startForever is the limit of one script in <root>/start: none, since some do not put their agent into the background.
const startForever = 100 * 365 * 24 * time.Hour

// scripts are the names in <root>/start or <root>/stop, in the order in which ls has them without a locale.
func (s *boxService) scripts(dir string) []string {
	names, err := atomicfile.Glob(filepath.Join(s.want.Root, dir), "*")
	if err != nil {
		return nil
	}
	return names
}

// background runs the start scripts in a process of its own, that outlives this one: they shall not slow down the boot.
func (s *boxService) background(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("starting the VO's agents: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "--config", s.configPath(), "box-proxyrenewal", "--vo", s.vo, "agents")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the VO's agents: %w", err)
	}
	return cmd.Process.Release()
}

// agents runs the scripts one after the other, as the account, each as from a login: the old script had su - do that, and
// what agents need is in the account's profile. One that fails does not hold up the next.
func (s *boxService) agents(ctx context.Context, verb string) error {
	log, err := s.agentsLog()
	if err != nil {
		return err
	}
	defer log.Close()
	account, err := s.account()
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(log, s.now().Format("2006/01/02 15:04:05")+" "+format+"\n", args...)
	}
	words := map[string]string{"start": "Starting", "stop": "Stopping"}
	runner := &service.Runner{Account: account.Account, Log: log, Grace: time.Second}
	var failed []string
	for _, name := range s.scripts(verb) {
		say("%s %s", words[verb], printable(name))
		path := filepath.Join(s.want.Root, verb, name)
		err := runner.Call(ctx, service.Call{Name: name, Argv: []string{account.shell, "-l", "-c", `exec "$0" "$@"`, path, verb}, Timeout: startForever})
		if err != nil {
			say("%s: %v", printable(name), printableError(err))
			failed = append(failed, name)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s failed, see %s", strings.Join(failed, ", "), log.Name())
	}
	return nil
}

func (s *boxService) agentsLog() (*os.File, error) {
	dir := filepath.Join(s.want.Root, "log")
	if err := atomicfile.MkdirAll(dir, s.owned(0o750)); err != nil {
		return nil, fmt.Errorf("opening the log of the VO's agents: %w", err)
	}
	f, err := atomicfile.Append(filepath.Join(dir, "agents.log"), s.owned(0o644))
	if err != nil {
		return nil, fmt.Errorf("opening the log of the VO's agents: %w", err)
	}
	return f, nil
}

func (s *boxService) owned(mode fs.FileMode) atomicfile.Options {
	return atomicfile.Options{Mode: mode, UID: s.want.UID, GID: s.want.GID}
}

// An agentAccount is whom the scripts run as, and the shell that reads its profile.
type agentAccount struct {
	service.Account
	shell string
}

// account is the VO's account; its shell is /bin/sh where it is none that takes sh's arguments.
func (s *boxService) account() (agentAccount, error) {
	acc, err := accountOf(s.want)
	if err != nil {
		return agentAccount{}, err
	}
	out := agentAccount{acc, "/bin/sh"}
	known := acc
	if !known.Set {
		known, err = service.LookupAccount(fmt.Sprint(os.Geteuid()))
		if err != nil {
			return out, nil
		}
	}
	if slices.Contains([]string{"sh", "bash", "dash", "ksh", "zsh"}, filepath.Base(known.Shell)) {
		out.shell = known.Shell
	}
	return out, nil
}

// The mark says that the service was started since this boot: only then, as long as its daemon ran, did the old script not
// run the VO's scripts again.
func (s *boxService) markFile() string { return filepath.Join(s.want.State, "started") }

func (s *boxService) mark() error {
	if err := atomicfile.MkdirAll(s.want.State, s.owned(0o700)); err != nil {
		return fmt.Errorf("writing down that the service was started: %w", err)
	}
	if _, err := atomicfile.Replace(s.markFile(), []byte(thisBoot()+"\n"), s.owned(0o600)); err != nil {
		return fmt.Errorf("writing down that the service was started: %w", err)
	}
	return nil
}

func (s *boxService) unmark() error {
	if err := atomicfile.Remove(s.markFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing down that the service was stopped: %w", err)
	}
	return nil
}

func (s *boxService) started() bool {
	data, _, err := atomicfile.Read(s.markFile(), 4096)
	return err == nil && sameBoot(strings.TrimSpace(string(data)), thisBoot())
}

// thisBoot names the boot of this system, or the start of this container, whose kernel may be older: the kernel's boot id,
// and when process 1 began. What cannot be read is a dash.
func thisBoot() string {
	id, begin := "-", "-"
	if data, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		id = strings.TrimSpace(string(data))
	}
	if data, err := os.ReadFile("/proc/1/stat"); err == nil {
		// The second field is the name in parentheses, which may hold anything; starttime is the twenty-second (proc(5)).
		rest := string(data[strings.LastIndexByte(string(data), ')')+1:])
		if f := strings.Fields(rest); len(f) > 19 {
			begin = f[19]
		}
	}
	return id + " " + begin
}

// sameBoot compares two such names. An account may not see process 1 where root does.
func sameBoot(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != 2 || len(y) != 2 {
		return false
	}
	for i := range x {
		if x[i] != y[i] && x[i] != "-" && y[i] != "-" {
			return false
		}
	}
	return x[0] != "-" || x[1] != "-"
}
