package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// scriptFlags are the switches of voms-proxy-info and grid-proxy-info. Those two, and the C++ and the Java edition of the
// first, differ in details; what is called voms-proxy-info on Debian and Enterprise Linux is the Java one, and counts. The
// differences are in a table in the test.
type scriptFlags struct {
	file string

	// About the proxy; printed in this order.
	proxyType, subject, issuer, identity, path, strength, timeLeft, keyUsage bool
	// About the attribute certificates; printed in this order, each for all of them.
	acSubject, acTimeLeft, acIssuer, serial, vo, fqan, uri bool

	all, chain, text bool
	exists           bool
	valid            lifetime
	hours, bits      int
	acExists         string
	dontVerifyAC     bool
}

// register adds the flags, with the short forms that are not taken by flags of every command (-c and -h).
func (f *scriptFlags) register(fl *pflag.FlagSet) {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	own.StringVarP(&f.file, "file", "f", "", "the same as `FILE`")
	own.BoolVar(&f.all, "all", false, "print what voms-proxy-info -all does, and no more")
	own.BoolVar(&f.identity, "identity", false, "print the DN of whose proxy it is")
	own.BoolVarP(&f.subject, "subject", "s", false, "print the subject")
	own.BoolVarP(&f.issuer, "issuer", "i", false, "print the issuer")
	own.BoolVar(&f.proxyType, "type", false, "print the type, for instance RFC3820 compliant limited proxy")
	own.BoolVar(&f.strength, "strength", false, "print the bits of the key")
	own.BoolVar(&f.strength, "keysize", false, "the same")
	own.BoolVar(&f.timeLeft, "timeleft", false, "print the seconds left of the proxy")
	own.BoolVarP(&f.path, "path", "p", false, "print the path")
	own.BoolVarP(&f.keyUsage, "keyusage", "k", false, "print the key usage")
	own.BoolVar(&f.vo, "vo", false, "print the VO of each attribute certificate (AC)")
	own.BoolVar(&f.fqan, "fqan", false, "print the FQANs")
	own.BoolVar(&f.acTimeLeft, "actimeleft", false, "print the seconds left of each AC")
	own.BoolVar(&f.acTimeLeft, "acttimeleft", false, "the same")
	own.BoolVar(&f.acSubject, "acsubject", false, "print whom each AC is about")
	own.BoolVar(&f.acIssuer, "acissuer", false, "print who issued each AC")
	own.BoolVar(&f.serial, "serial", false, "print the serial number of each AC")
	own.BoolVar(&f.uri, "uri", false, "print where each AC came from, HOST:PORT")
	own.BoolVar(&f.chain, "chain", false, "print the certificates, leaf first")
	own.BoolVar(&f.text, "text", false, "print all of the first certificate")
	own.BoolVarP(&f.exists, "exists", "e", false, "exit with 0 if there is a valid proxy, else with 1")
	own.VarP(&f.valid, "valid", "v", "and if this much is left of it; implies --exists")
	own.IntVar(&f.hours, "hours", 0, "the same in `hours`")
	own.IntVarP(&f.bits, "bits", "b", 0, "and if its key has that many `bits`; implies --exists")
	own.StringVar(&f.acExists, "acexists", "", "exit with 0 if there is an AC of that `VO`, else with 1")
	own.BoolVar(&f.dontVerifyAC, "dont-verify-ac", false, "do not say that an AC does not verify")
	own.VisitAll(func(flag *pflag.Flag) { flag.Annotations = map[string][]string{oneDash: nil} })
	fl.AddFlagSet(own)
}

// oneDash marks the flags that may have a single dash before their long names.
const oneDash = "one dash"

// oldSpelling gives the arguments of commands that stand for the grid's tools their second dash: those have one.
func oldSpelling(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	if _, ok := cmd.Annotations[oneDash]; !ok && cmd.Name() != "inspect" {
		return args
	}
	out := longOnly(cmd, hoursNotConfig(cmd, slices.Clone(args)))
	for i, arg := range out {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		flag := cmd.Flags().Lookup(name)
		if strings.HasPrefix(arg, "-") && len(name) > 1 && flag != nil && flag.Annotations != nil {
			if _, ok := flag.Annotations[oneDash]; ok {
				out[i] = "-" + arg
			}
		}
	}
	return out
}

// any reports whether anything of this was asked for; otherwise there is the whole text.
func (f *scriptFlags) any() bool { return f.prints() || f.checks() }

func (f *scriptFlags) prints() bool {
	return f.all || f.chain || f.text || f.aboutProxy() || f.aboutAC()
}

func (f *scriptFlags) aboutProxy() bool {
	return f.proxyType || f.subject || f.issuer || f.identity || f.path || f.strength || f.timeLeft || f.keyUsage
}

func (f *scriptFlags) aboutAC() bool {
	return f.acSubject || f.acTimeLeft || f.acIssuer || f.serial || f.vo || f.fqan || f.uri
}

func (f *scriptFlags) checks() bool { return f.checksProxy() || f.acExists != "" }

func (f *scriptFlags) checksProxy() bool {
	return f.exists || f.valid > 0 || f.hours != 0 || f.bits != 0
}

func (f *scriptFlags) check(output string) error {
	switch {
	case output == "json" && f.any():
		return usage("-o json prints everything: leave out --exists, --timeleft and the like, or -o json")
	case f.hours < 0:
		return usage("--hours takes a number of hours, not %d", f.hours)
	case f.bits < 0:
		return usage("--bits takes a number of bits, not %d", f.bits)
	}
	return nil
}

// A lifetime is a flag's value, H:M.
type lifetime time.Duration

func (l *lifetime) String() string {
	if *l == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%02d", time.Duration(*l)/time.Hour, time.Duration(*l)/time.Minute%60)
}

func (*lifetime) Type() string { return "H:M" }

// Set takes minutes up to 60, as the grid's tools do.
func (l *lifetime) Set(s string) error {
	h, m, ok := strings.Cut(s, ":")
	hours, err1 := strconv.ParseUint(h, 10, 20)
	minutes, err2 := strconv.ParseUint(m, 10, 20)
	if !ok || err1 != nil || err2 != nil || minutes > 60 {
		return errors.New("it takes hours and minutes, such as 47:00")
	}
	*l = lifetime(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	return nil
}

// show prints what was asked for of one file. Nothing is verified, as these tools verify nothing; but that attributes are
// not genuine is said on standard error.
func (f *scriptFlags) show(r *inspect.Report, p painter, now time.Time) shown {
	s := &scriptSheet{sheet: sheet{painter: p, now: now}, r: r}
	leaf := r.Leaf()
	if leaf == nil {
		s.fail("couldn't find a valid proxy: %s", r.Fault)
		return s.shown()
	}
	if f.chain {
		s.heading("chain")
		for i := range r.Chain {
			s.certificate(i, &r.Chain[i])
		}
	}
	if f.text {
		s.certificate(0, leaf)
	}
	if f.all {
		s.block(leaf)
	} else {
		s.proxy(f, leaf)
		s.attributes(f)
	}
	if f.checksProxy() {
		s.check(f, leaf)
	}
	if f.acExists != "" && !slices.ContainsFunc(r.ACs, func(ac inspect.AC) bool { return ac.VO == f.acExists }) {
		s.fail("there is no attribute certificate of VO %s in it", f.acExists)
	}
	if !f.dontVerifyAC && (f.all || f.aboutAC() || f.acExists != "") {
		for i := range r.ACs {
			if ac := &r.ACs[i]; ac.Fault != "" {
				s.say("warning: the attribute certificate of VO %s does not verify: %s", ac.VO, ac.Fault)
			}
		}
	}
	return s.shown()
}

// A scriptSheet is what a script gets to read of one file.
type scriptSheet struct {
	sheet
	r    *inspect.Report
	talk bytes.Buffer
	bad  bool
}

func (s *scriptSheet) shown() shown {
	return shown{out: s.Bytes(), talk: s.talk.Bytes(), bad: s.bad}
}

func (s *scriptSheet) say(format string, args ...any) {
	fmt.Fprintf(&s.talk, "vobox-reconcile: %s: %s\n", escaped(s.r.Path), escaped(fmt.Sprintf(format, args...)))
}

func (s *scriptSheet) fail(format string, args ...any) {
	s.bad = true
	s.say(format, args...)
}

func (s *scriptSheet) value(wanted bool, value string) {
	if wanted {
		fmt.Fprintln(s, escaped(value))
	}
}

func (s *scriptSheet) proxy(f *scriptFlags, leaf *inspect.Certificate) {
	s.value(f.proxyType, typeWords(s.r))
	s.value(f.subject, leaf.Subject)
	s.value(f.issuer, leaf.Issuer)
	s.value(f.identity, s.r.Identity)
	s.value(f.path, fullPath(s.r.Path))
	s.value(f.strength, strconv.Itoa(leaf.KeyBits))
	s.value(f.timeLeft, strconv.FormatInt(secondsLeft(s.r.NotAfter, s.now), 10))
	s.value(f.keyUsage, "key usage : "+keyUsage(leaf.KeyUsage))
}

func (s *scriptSheet) attributes(f *scriptFlags) {
	if len(s.r.ACs) == 0 && f.aboutAC() {
		s.fail("there are no VOMS attributes in it")
	}
	for _, field := range []struct {
		wanted bool
		values func(*inspect.AC) []string
	}{
		{f.acSubject, func(ac *inspect.AC) []string { return []string{holder(s.r, ac)} }},
		{f.acTimeLeft, func(ac *inspect.AC) []string { return []string{strconv.FormatInt(secondsLeft(ac.NotAfter, s.now), 10)} }},
		{f.acIssuer, func(ac *inspect.AC) []string { return []string{ac.Issuer.String()} }},
		{f.serial, func(ac *inspect.AC) []string { return []string{ac.SerialNumber.String()} }},
		{f.vo, func(ac *inspect.AC) []string { return []string{ac.VO} }},
		{f.fqan, func(ac *inspect.AC) []string { return ac.RawFQANs }},
		{f.uri, func(ac *inspect.AC) []string { return []string{uriOf(ac)} }},
	} {
		for i := range s.r.ACs {
			if !field.wanted {
				break
			}
			for _, v := range field.values(&s.r.ACs[i]) {
				s.value(true, v)
			}
		}
	}
}

// block is what voms-proxy-info 3 -all prints, line by line.
func (s *scriptSheet) block(leaf *inspect.Certificate) {
	s.line("subject", leaf.Subject)
	s.line("issuer", leaf.Issuer)
	s.line("identity", s.r.Identity)
	s.line("type", typeWords(s.r))
	s.line("strength", strconv.Itoa(leaf.KeyBits))
	s.line("path", fullPath(s.r.Path))
	s.line("timeleft", clockLeft(s.r.NotAfter, s.now))
	s.line("key usage", keyUsage(leaf.KeyUsage))
	for i := range s.r.ACs {
		ac := &s.r.ACs[i]
		s.heading("VO " + ac.VO + " extension information")
		s.line("VO", ac.VO)
		s.line("subject", holder(s.r, ac))
		s.line("issuer", ac.Issuer.String())
		for _, fqan := range ac.RawFQANs {
			s.line("attribute", fqan)
		}
		for _, t := range ac.Attributes {
			s.line("attribute", attributeText(t))
		}
		s.line("timeleft", clockLeft(ac.NotAfter, s.now))
		s.line("uri", uriOf(ac))
	}
}

// fullPath is a path from the root on, as Java prints it, but tidied.
func fullPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil && path != "-" {
		return abs
	}
	return path
}

// check is that of -exists: a proxy or certificate with its key, now valid, for long enough and with a key that is long
// enough.
func (s *scriptSheet) check(f *scriptFlags, leaf *inspect.Certificate) {
	left := s.r.NotAfter.Sub(s.now)
	switch s.r.Key {
	case inspect.NoKey, inspect.KeyEncrypted:
		s.fail("couldn't find a valid proxy: there is no private key in it that could be used")
		return
	case inspect.KeyOther:
		s.fail("couldn't find a valid proxy: its private key belongs to another certificate")
		return
	}
	switch need := max(time.Duration(f.valid), time.Duration(f.hours)*time.Hour); {
	case left <= 0:
		s.fail("the proxy has expired")
	case s.r.NotBefore.After(s.now.Add(trust.Skew)):
		s.fail("the proxy is not yet valid")
	case left < need:
		s.fail("the proxy has %s left, less than %s", clockLeft(s.r.NotAfter, s.now), clockOf(need))
	case leaf.KeyBits < f.bits:
		s.fail("the key has %d bits, fewer than %d", leaf.KeyBits, f.bits)
	}
}
