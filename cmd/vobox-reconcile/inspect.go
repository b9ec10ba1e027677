package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

const inspectHelp = `Show what voms-proxy-info -all, grid-proxy-info and openssl x509 show of proxy
files, and whether they verify. Without FILE: $X509_USER_PROXY, else
/tmp/x509up_u<uid>. "-" is standard input.

It needs no configuration. Where one is named, with --config or in
$VOBOX_RECONCILE_CONFIG, its trust section counts.

The exit code is 0 only if every file verifies. What is wrong with a file's
owner or mode is told, and does not count.

For scripts there are the switches of voms-proxy-info and grid-proxy-info, with
one dash or two: they print bare values, verify nothing, and exit with 1 where
voms-proxy-info does.

  vobox-reconcile inspect -exists -valid 47:0 && echo long enough
  vobox-reconcile inspect -acsubject -actimeleft -file /tmp/x509up_u500
  vobox-reconcile inspect -r /var/lib/vobox/alice/proxy_repository`

// inspectFlags are those of a look at files; what scripts ask for is apart.
type inspectFlags struct {
	certificates, vomsdir, crl, at string
	allowWeak, recursive           bool
	script                         scriptFlags
}

func (a *app) inspectCommand() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect [FILE...]",
		Short: "Show a proxy file, and whether it verifies",
		Long:  inspectHelp,
		RunE:  func(cmd *cobra.Command, args []string) error { return a.inspect(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.BoolVarP(&f.recursive, "recursive", "r", false, "look at all files below directories, but for those whose names begin with a dot")
	fl.StringVar(&f.certificates, "certificates", "", "trust-anchor `directory`; else $X509_CERT_DIR, /etc/grid-security/certificates")
	fl.StringVar(&f.vomsdir, "vomsdir", "", "`directory` of LSC files; else $X509_VOMS_DIR, /etc/grid-security/vomsdir")
	fl.StringVar(&f.crl, "crl", "", "`how` to use CRLs: require, if-present or ignore (default if-present)")
	fl.BoolVar(&f.allowWeak, "allow-weak", false, "accept RSA keys below 2048 bits, SHA-1 and MD5, to look at old files")
	fl.StringVar(&f.at, "at", "", "verify as if it were that `time`")
	f.script.register(fl)
	return cmd
}

func (a *app) inspect(ctx context.Context, f inspectFlags, files []string) error {
	if err := f.script.check(a.output); err != nil {
		return err
	}
	now, err := a.clock(f.at)
	if err != nil {
		return err
	}
	store, err := a.trustOf(f)
	if err != nil {
		return err
	}
	if f.script.file != "" {
		files = append([]string{f.script.file}, files...)
	}
	if len(files) == 0 {
		files = []string{firstOf(a.getenv("X509_USER_PROXY"), fmt.Sprintf("/tmp/x509up_u%d", os.Geteuid()))}
	}
	if len(files) > 1 || f.recursive {
		a.beginWork()
		if a.work != nil {
			spendMemory()
		}
	}
	in := &inspection{Inspector: inspect.Inspector{Store: store, Now: now(), UID: expectedOwner()}, recursive: f.recursive, stdin: a.stdin}
	switch {
	case f.script.any():
		in.show = func(r *inspect.Report) shown { return f.script.show(r, a.out, in.Now) }
	case a.output == "json":
		return a.inspectJSON(ctx, in, files)
	default:
		in.spaced = true
		in.show = func(r *inspect.Report) shown { return a.out.inspected(r, in.Now) }
	}
	return a.stream(ctx, in, files)
}

// spendMemory makes the collector run less often, which is a third of the time when thousands of small files are looked at:
// what lives meanwhile is little. Memory stays small nevertheless.
func spendMemory() {
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(40 << 20)
}

// expectedOwner is whose files ought to be: the caller's own. Root looks after those of others.
func expectedOwner() int {
	if uid := os.Geteuid(); uid != 0 {
		return uid
	}
	return -1
}

// trustOf is what to verify by: the flags, else a configuration that was named, else what every grid program goes by.
func (a *app) trustOf(f inspectFlags) (*trust.Store, error) {
	modes := []trust.CRLMode{"", trust.CRLRequire, trust.CRLIfPresent, trust.CRLIgnore}
	if !slices.Contains(modes, trust.CRLMode(f.crl)) {
		return nil, usage("--crl is require, if-present or ignore, not %q", f.crl)
	}
	store := &trust.Store{Certificates: f.certificates, VOMSDir: f.vomsdir, CRL: trust.CRLMode(f.crl), AllowWeak: f.allowWeak, Still: true}
	if a.configPath() != config.DefaultPath && (f.certificates == "" || f.vomsdir == "") {
		cfg, err := a.load()
		if err != nil {
			return nil, err
		}
		store.Certificates = firstOf(store.Certificates, cfg.Trust.Certificates)
		store.VOMSDir = firstOf(store.VOMSDir, cfg.Trust.VOMSDir)
		store.CRL = trust.CRLMode(firstOf(string(store.CRL), string(cfg.Trust.CRL)))
	}
	store.Certificates = firstOf(store.Certificates, a.getenv("X509_CERT_DIR"), "/etc/grid-security/certificates")
	store.VOMSDir = firstOf(store.VOMSDir, a.getenv("X509_VOMS_DIR"), "/etc/grid-security/vomsdir")
	store.CRL = trust.CRLMode(firstOf(string(store.CRL), string(trust.CRLIfPresent)))
	return store, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
