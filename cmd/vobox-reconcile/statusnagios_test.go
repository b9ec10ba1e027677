package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// A plugin has one line, four exit codes, and nobody to read standard error.
func TestStatusNagios(t *testing.T) {
	now := start
	b := newBox(t, gridtest.SiteOptions{Now: func() time.Time { return now }})
	check := func(code int, pattern string, args ...string) {
		t.Helper()
		r := b.must(code, append([]string{"status", "--nagios"}, args...)...)
		if !regexp.MustCompile(pattern).MatchString(r.stdout) || r.stderr != "" {
			t.Errorf("%q: standard output %q, want %s; standard error %q", args, r.stdout, pattern, r.stderr)
		}
	}
	check(2, `\AVOBOX CRITICAL - machine-proxy: missing, there is none yet \(and 1 more\) \| 'machine-proxy'=0s;21600:;3600:;0 'lcgadmin'=0s;158400:;3600:;0 'lcgadmin@localhost:\d+'=U\n`+
		`CRITICAL - lcgadmin: missing, there is none yet\n\z`)
	b.must(0)
	check(0, `\AVOBOX OK - 2 proxies, first to break: lcgadmin in 125d \| 'machine-proxy'=86400s;21600:;3600:;0 'lcgadmin'=172800s;158400:;3600:;0 `+
		`'lcgadmin@localhost:\d+'=10800000s;864000:;172800:;0\n\z`)
	now = now.Add(5 * time.Hour)
	check(1, `\AVOBOX WARNING - lcgadmin: 43h left, the renewal is overdue \| `)
	check(2, `\AVOBOX CRITICAL - `, "--at", now.Add(60*time.Hour).Format(time.RFC3339))
	now = now.Add(-5 * time.Hour)

	if err := os.Chmod(b.userProxy(), 0o644); err != nil {
		t.Fatal(err)
	}
	check(2, `\AVOBOX CRITICAL - lcgadmin: its mode is 0644, where 0600 or 0400 is right: everybody can read it; Globus refuses the file \| .*\n    VO-Box> chmod 600 .*\n\z`)
	if r := b.must(1, "status"); !strings.Contains(r.stdout, "  alert    ") || !strings.Contains(r.stdout, "! FILE-PERM lcgadmin: ") {
		t.Errorf("status does not tell of the mode:\n%s", r.stdout)
	}
	b.must(0) // puts it right
	check(0, `\AVOBOX OK - `)
	if err := os.Link(b.userProxy(), b.Dir+"/other"); err != nil {
		t.Fatal(err)
	}
	check(2, `\AVOBOX CRITICAL - lcgadmin: it has 2 names \(hard links\), and Globus refuses it: `)

	check(3, `\AVOBOX UNKNOWN - --nagios and --watch exclude each other\n\z`, "--watch")
	check(3, `\AVOBOX UNKNOWN - --nagios has a format of its own`, "-o", "json")
	check(3, `\AVOBOX UNKNOWN - --at takes a time such as`, "--at", "tomorrow")
	check(3, `\AVOBOX UNKNOWN - /nonexistent:1:1: \(file\): does not exist`, "-c", "/nonexistent")
	write(t, b.Config, "version: 2\nvo: |\n  a\nx: 1\n")
	check(3, `\AVOBOX UNKNOWN - .*config.yaml:1:10: version: [^|]*\n[^|]*config.yaml:4:1: x: [^|]*\z`)
}
