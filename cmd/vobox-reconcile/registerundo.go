package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

func (a *app) unregisterCommand() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "unregister [all]",
		Short: "Have a registered proxy renewed no more (vobox-proxy unregister)",
		Long: `Take the entry that register has written out of the configuration, and move the
proxy out of the repository, into unregistered in the state directory. --dn,
--voms, --vo and --name choose; without them there must be but one.

What the MyProxy server has stays there: see vobox-reconcile stored --destroy.`,
		Args: onlyAll(&f),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.unregister(cmd.Context(), f) },
	}
	f.selection(cmd)
	return cmd
}

func (a *app) unregister(ctx context.Context, f recordFlags) error {
	cfg, err := a.loadOrInit()
	if err != nil {
		return err
	}
	want := cfg.Desired()
	if err := checkInvoker(want); err != nil {
		return err
	}
	list, err := a.records(f)
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return f.nothing()
	case len(list) > 1 && !f.selects():
		return usage("there are %d registered proxies; choose with --dn, --voms or --name, or say all", len(list))
	}
	files, err := a.entriesOf(cfg, list)
	if err != nil {
		return err
	}
	unlock, err := a.lock(ctx, want, 30*time.Second)
	if err != nil {
		return err
	}
	defer unlock()
	for i, r := range list {
		if err := a.dropEntry(files[i]); err != nil {
			return err
		}
		kept, err := setAside(want, r, a.now())
		if err != nil {
			return err
		}
		if a.output != "json" {
			fmt.Fprintf(a.stdout, "OK: %s is registered no more", r.Name)
			if kept != "" {
				fmt.Fprintf(a.stdout, "; its proxy is kept as %s", printable(kept))
			}
			fmt.Fprintln(a.stdout)
		}
	}
	if a.output == "json" {
		return a.printJSON(list)
	}
	return nil
}

// entriesOf finds the files that hold the entries, and nothing but them, and sees that the configuration can do
// without. What somebody wrote by hand is theirs to take out.
func (a *app) entriesOf(cfg *config.Config, list []record) (files []string, err error) {
	gone := map[string][]byte{}
	for _, r := range list {
		i := slices.IndexFunc(cfg.Proxies, func(p config.Proxy) bool { return p.Name == r.Name })
		file, line := cfg.Position(fmt.Sprintf("proxies[%d]", i))
		if e, ours := readEntry(file); !ours || e.name != r.Name {
			return nil, fmt.Errorf("the proxy %s is not of a file that register wrote: take it out of %s:%d, then the next pass leaves it alone", r.Name, file, line)
		}
		if err := unix.Access(filepath.Dir(file), unix.W_OK); err != nil {
			return nil, fmt.Errorf("only root can write %s. Ask root to type:\n\nrm %s", filepath.Dir(file), shellWord(file))
		}
		files, gone[file] = append(files, file), nil
	}
	if _, err := a.trial(a.configPath(), gone); err != nil {
		return nil, fmt.Errorf("the configuration needs what is to be unregistered:\n%w", err)
	}
	return files, nil
}

func (a *app) dropEntry(file string) error {
	if err := atomicfile.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("taking the entry out: %w", err)
	}
	return nil
}

// setAside moves a proxy out of the repository, where ls -t would still find it, and takes away the copy that authorises
// renewals.
func setAside(want plan.Desired, r record, now time.Time) (kept string, err error) {
	last := filepath.Join(want.State, "last-good", r.Name+".pem")
	if err := atomicfile.Remove(last); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("taking the last-good copy away: %w", err)
	}
	data, _, err := atomicfile.Read(r.File, credfile.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("setting the proxy aside: %w", err)
	}
	owned := func(mode fs.FileMode) atomicfile.Options {
		return atomicfile.Options{Mode: mode, UID: want.UID, GID: want.GID}
	}
	dir := filepath.Join(want.State, "unregistered")
	if err := atomicfile.MkdirAll(dir, owned(0o700)); err != nil {
		return "", fmt.Errorf("setting the proxy aside: %w", err)
	}
	kept = filepath.Join(dir, strings.TrimSuffix(r.Name, ".pem")+"-"+now.UTC().Format("20060102T150405Z")+".pem")
	if _, err := atomicfile.Replace(kept, data, owned(0o600)); err != nil {
		return "", fmt.Errorf("setting the proxy aside: %w", err)
	}
	if err := atomicfile.Remove(r.File); err != nil {
		return "", fmt.Errorf("setting the proxy aside: %w", err)
	}
	return kept, nil
}
