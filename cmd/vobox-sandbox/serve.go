package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// serve starts a site and keeps it until it is told to stop.
func serve(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var (
		o        gridtest.SiteOptions
		dir, out string
		duration time.Duration
		verbose  bool
		key      string
		style    string
	)
	fs := flag.NewFlagSet("vobox-sandbox", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&dir, "dir", "", "`directory` of the site; made if it is missing (required)")
	fs.StringVar(&out, "o", "env", "what is printed when it is up: env (lines for a shell) or json")
	fs.DurationVar(&duration, "duration", 0, "stop after this `time`; 0: never")
	fs.StringVar(&o.VO, "vo", "alice", "`name` of the VO")
	fs.StringVar(&style, "style", "vomsd", "VOMS server: vomsd or iam")
	fs.StringVar(&key, "user-key", "rsa2048", "key of the user certificate: rsa2048, rsa3072, rsa4096 or p256")
	fs.BoolVar(&o.NotStored, "not-stored", false, "leave the MyProxy server empty")
	fs.Func("t", "`hours` or duration: the stored credential's limit, myproxy-init -t (default 48)", hours(&o.StoredMax))
	fs.Func("c", "`hours` or duration: the stored credential's life, myproxy-init -c (default 3000)", hours(&o.StoredFor))
	fs.Func("max-ac", "`hours` or duration: the longest AC (default 48)", hours(&o.MaxAC))
	fs.BoolVar(&verbose, "v", false, "write a line about each request to standard error")
	if err := parse(fs, args, stdout, help); err != nil {
		return err
	}
	switch {
	case dir == "":
		return usagef("--dir is needed")
	case out != "env" && out != "json":
		return usagef("-o %q: env or json is wanted", out)
	case style != string(gridtest.VOMSD) && style != string(gridtest.IAM):
		return usagef("--style %q: vomsd or iam is wanted", style)
	}
	o.UserKey, o.Style = proxycert.KeyType(key), gridtest.Style(style)
	if verbose {
		var mu sync.Mutex
		o.Log = func(line string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(stderr, line)
		}
	}
	site, err := gridtest.NewSite(dir, o)
	if err != nil {
		return err
	}
	defer site.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if duration > 0 {
		ctx, stop = context.WithTimeout(ctx, duration)
		defer stop()
	}
	ctl, err := listenControl(site, stop)
	if err != nil {
		return err
	}
	defer ctl.Close()
	if err := announce(site, out, stdout); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(site.Dir, "ready"))
	if stdin != nil {
		go func() {
			io.Copy(io.Discard, stdin)
			stop()
		}()
	}
	<-ctx.Done()
	return nil
}

// parse reads flags; -h prints the text and the flags on standard output.
func parse(fs *flag.FlagSet, args []string, stdout io.Writer, text string) error {
	err := fs.Parse(args)
	if err == flag.ErrHelp {
		fmt.Fprint(stdout, text)
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return err
	}
	if err != nil {
		return usageError{err}
	}
	if fs.Name() == "vobox-sandbox" && fs.NArg() > 0 {
		return usagef("unexpected argument %q", fs.Arg(0))
	}
	return nil
}

// hours reads a duration, or a bare number of hours as myproxy-init has it.
func hours(d *time.Duration) func(string) error {
	return func(s string) error {
		if v, err := time.ParseDuration(s); err == nil && v > 0 {
			*d = v
			return nil
		}
		v, err := time.ParseDuration(s + "h")
		if err != nil || v <= 0 {
			return fmt.Errorf("a number of hours or a duration such as 90m is wanted")
		}
		*d = v
		return nil
	}
}

// A variable is one line of DIR/env.
type variable struct{ name, value string }

func variables(s *gridtest.Site) []variable {
	list := []variable{
		{"VOBOX_RECONCILE_CONFIG", s.Config},
		{"SANDBOX_DIR", s.Dir},
		{"SANDBOX_USER_DN", s.User.Identity().String()},
		{"SANDBOX_LOGIN_PROXY", s.LoginProxy},
		{"SANDBOX_REPOSITORY", s.Repository},
		{"SANDBOX_CE_ENV", s.CEEnv},
		{"SANDBOX_ML_ENV", s.MLEnv},
		{"SANDBOX_RESTART_LOG", s.RestartLog},
		{"SANDBOX_HOST_CERT", s.HostCert},
		{"SANDBOX_HOST_KEY", s.HostKey},
	}
	for _, kv := range s.Env() {
		name, value, _ := strings.Cut(kv, "=")
		list = append(list, variable{name, value})
	}
	return list
}

// announce writes DIR/env, DIR/site.json and, last, DIR/ready, and prints one of the first two.
func announce(s *gridtest.Site, out string, stdout io.Writer) error {
	var env strings.Builder
	object := make(map[string]string)
	for _, v := range variables(s) {
		fmt.Fprintf(&env, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
		object[v.name] = v.value
	}
	js, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return err
	}
	texts := map[string]string{"env": env.String(), "json": string(js) + "\n"}
	if err := os.WriteFile(filepath.Join(s.Dir, "env"), []byte(texts["env"]), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "site.json"), []byte(texts["json"]), 0o644); err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, texts[out]); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, "ready"), fmt.Appendln(nil, os.Getpid()), 0o644)
}
