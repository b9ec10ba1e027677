package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A record is what query prints of one registered proxy.
type record struct {
	Name        string   `json:"name"`
	DN          string   `json:"dn"`
	VO          string   `json:"vo"`
	VOMS        string   `json:"voms"`
	FQANs       []string `json:"fqans"` // that it is to carry
	File        string   `json:"file"`
	Exists      bool     `json:"exists"`
	SecondsLeft int64    `json:"secondsLeft"` // effective; 0 for one that cannot be used
	Fault       string   `json:"fault"`       // why it cannot be used; empty: it can
}

// recordOf is the record of a user proxy.
func recordOf(want plan.Desired, have plan.Observed, name string, now time.Time) record {
	i := slices.IndexFunc(want.Credentials, func(c plan.Credential) bool { return c.Name == name })
	c, st := want.Credentials[i], have.Credentials[name]
	r := record{Name: c.Name, DN: c.Identity, VO: c.VO, VOMS: c.VO, FQANs: append([]string{}, c.FQANs...), File: st.Path, Exists: st.Exists, Fault: st.Fault}
	if len(c.FQANs) > 0 {
		r.VOMS += ":" + c.FQANs[0]
	}
	switch {
	case st.Usable(now):
		r.SecondsLeft = int64(st.EffectiveEnd.Sub(now) / time.Second)
	case st.Fault == "" && !st.Exists:
		r.Fault = "there is no file"
	case st.Fault == "":
		r.Fault = st.EndsWith + " expired on " + plan.Clock(st.EffectiveEnd)
	}
	return r
}

// print writes the record as vobox-proxy did. AliEn reads these lines with (.+)\s+$ after taking the newline off, so that
// the old program must have ended them with a blank: so does this one.
func (r record) print(w io.Writer) {
	fmt.Fprintf(w, "DN: %s \nFile: %s \nProxy Time Left (seconds): %d \n", printable(r.DN), printable(r.File), r.SecondsLeft)
	fmt.Fprintf(w, "Name: %s \nVOMS: %s \n", r.Name, printable(r.VOMS))
	if r.Fault != "" {
		fmt.Fprintf(w, "Fault: %s \n", printable(r.Fault))
	}
}

func (a *app) queryCommand() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "query [all]",
		Short: "List what is registered (vobox-proxy query)",
		Long: `List the registered user proxies as vobox-proxy query does: DN, file, and the
seconds left, of which attribute certificates are a part. --dn, --voms, --vo and
--name choose; without them all are listed. See also: vobox-reconcile status

  vobox-reconcile query -dn all
  vobox-reconcile query-dn               the DN of $X509_USER_PROXY, or else of
                                         the first proxy that is registered
  vobox-reconcile query-proxy-filename   the file of a registered proxy
  vobox-reconcile query-proxy-timeleft   seconds left of $X509_USER_PROXY, or
                                         with --dn of a registered proxy

The exit code is 1 when nothing that was asked for is there.`,
		Args: onlyAll(&f),
		RunE: func(*cobra.Command, []string) error { return a.query(f) },
	}
	f.selection(cmd)
	return cmd
}

// queryParts are the commands that print one thing, for scripts.
func (a *app) queryParts() []*cobra.Command {
	part := func(use, short string, run func(recordFlags) error) *cobra.Command {
		var f recordFlags
		cmd := &cobra.Command{Use: use, Short: short, Hidden: true, Args: onlyAll(&f), RunE: func(*cobra.Command, []string) error { return run(f) }}
		f.selection(cmd)
		return cmd
	}
	return []*cobra.Command{
		part("query-dn", "Print the DN of $X509_USER_PROXY, or of the first proxy that is registered", a.queryDN),
		part("query-proxy-filename", "Print the file of a registered proxy", a.queryFile),
		part("query-proxy-timeleft", "Print the seconds left of $X509_USER_PROXY, or of a registered proxy", a.queryTimeLeft),
	}
}

// onlyAll takes no argument but all, which is --dn all.
func onlyAll(f *recordFlags) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] == "all" {
			f.dn = "all"
			return nil
		}
		return noArguments(cmd, args)
	}
}

// records are those that the flags choose.
func (a *app) records(f recordFlags) ([]record, error) {
	cfg, err := a.loadOrInit()
	if err != nil {
		return nil, err
	}
	want := cfg.Desired()
	engine, err := a.engine(cfg, want, a.now)
	if err != nil {
		return nil, err
	}
	have := engine.Observe(want)
	var out []record
	for _, c := range want.Credentials {
		if c.Kind == plan.User && f.chooses(c) {
			out = append(out, recordOf(want, have, c.Name, a.now()))
		}
	}
	return out, nil
}

func (f recordFlags) chooses(c plan.Credential) bool {
	if f.vo != "" && !strings.EqualFold(f.vo, c.VO) || f.name != "" && f.name != c.Name || f.dn != "" && f.dn != "all" && !sameDN(f.dn, c.Identity) {
		return false
	}
	if f.voms == "" {
		return true
	}
	vo, fqan := oldbox.SplitVOMS(f.voms)
	if vo != c.VO {
		return false
	}
	return !strings.Contains(f.voms, ":") || len(c.FQANs) > 0 && c.FQANs[0] == attrcert.Normalize(fqan)
}

// nothing is the error where no record is chosen.
func (f recordFlags) nothing() error {
	var asked []string
	for _, s := range [][2]string{{"--vo", f.vo}, {"--dn", f.dn}, {"--voms", f.voms}, {"--name", f.name}} {
		if s[1] != "" && s[1] != "all" {
			asked = append(asked, s[0]+" "+shellWord(s[1]))
		}
	}
	if len(asked) == 0 {
		return fmt.Errorf("no proxy is registered; log in with one and type: vobox-reconcile register")
	}
	return fmt.Errorf("no proxy is registered that is chosen by %s; all are listed by: vobox-reconcile query -dn all", printable(strings.Join(asked, " ")))
}

func (a *app) query(f recordFlags) error {
	list, err := a.records(f)
	if err != nil {
		return err
	}
	if a.output == "json" {
		if err := a.printJSON(append([]record{}, list...)); err != nil || len(list) > 0 {
			return err
		}
		return exit(exitFailed)
	}
	for i, r := range list {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		r.print(a.stdout)
	}
	if len(list) == 0 {
		return f.nothing()
	}
	return nil
}

// queryDN prints the DN of the proxy at hand if there is one, which need not be registered, or else of the registered ones.
func (a *app) queryDN(f recordFlags) error {
	if path := a.getenv("X509_USER_PROXY"); path != "" && !f.selects() {
		if c, _, err := credfile.Load(path); err == nil {
			_, err := fmt.Fprintln(a.stdout, c.Identity())
			return err
		}
	}
	return a.each(f, func(r record) string { return r.DN })
}

// selects reports whether a record is asked for, and not the proxy at hand.
func (f recordFlags) selects() bool { return f.dn != "" || f.voms != "" || f.name != "" }

func (a *app) queryFile(f recordFlags) error {
	return a.each(f, func(r record) string {
		if !r.Exists {
			return ""
		}
		return r.File
	})
}

func (a *app) queryTimeLeft(f recordFlags) error {
	if path := a.getenv("X509_USER_PROXY"); path != "" && !f.selects() {
		left, err := a.timeLeft(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.stdout, left)
		return err
	}
	return a.each(f, func(r record) string { return fmt.Sprint(r.SecondsLeft) })
}

// timeLeft is what is left of any proxy file, its attributes included: whether it verifies is not looked at.
func (a *app) timeLeft(path string) (int64, error) {
	c, _, err := credfile.Load(path)
	if err != nil {
		return 0, err
	}
	end := c.NotAfter()
	acs, err := attrcert.FromChain(c.Chain)
	if err != nil {
		return 0, fmt.Errorf("proxy file %q: %w", path, err)
	}
	for _, ac := range acs {
		if ac.NotAfter.Before(end) {
			end = ac.NotAfter
		}
	}
	return max(int64(end.Sub(a.now())/time.Second), 0), nil
}

// each prints one thing of each record that is chosen: of the first only, unless all are asked for, since scripts take the
// output for one value.
func (a *app) each(f recordFlags, what func(record) string) error {
	list, err := a.records(f)
	if err != nil {
		return err
	}
	n := 0
	for _, r := range list {
		s := what(r)
		if s == "" {
			continue
		}
		if n++; n > 1 && f.dn != "all" {
			break
		}
		fmt.Fprintln(a.stdout, printable(s))
	}
	switch {
	case len(list) == 0:
		return f.nothing()
	case n == 0:
		return fmt.Errorf("there is no proxy file of %s", list[0].DN)
	}
	return nil
}

// tellAlerts prints alerts for people.
func (a *app) tellAlerts(w io.Writer, alerts []plan.Alert) {
	t := &writer{Writer: w, painter: a.out, width: a.out.width, names: strings.NewReplacer()}
	if w == a.stderr {
		t.painter, t.width = a.talk, a.talk.width
	}
	for _, al := range printableAlerts(alerts) {
		t.alert(al)
	}
}
