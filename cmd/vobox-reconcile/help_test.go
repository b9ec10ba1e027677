package main

import (
	"strings"
	"testing"
	"time"
)

// The help of commands whose flags go together has them in that order: "the same" and "and if" hang on the line before.
func TestHelpKeepsTheOrderOfFlags(t *testing.T) {
	for name, flags := range map[string][]string{
		"inspect": {"--strength", "--keysize", "--actimeleft", "--acttimeleft", "--exists", "--valid", "--hours", "--bits"},
		"store":   {"--passphrase-file", "--passphrase-fd"},
		"status":  {"--at", "--html", "--nagios", "--watch"}, // in the order of the alphabet
	} {
		r := (&box{t: t, env: map[string]string{}, now: time.Now}).must(0, name, "--help")
		rest := r.stdout
		for _, f := range flags {
			i := strings.Index(rest, f+" ")
			if i < 0 {
				t.Errorf("%s --help has no %s behind what it hangs on:\n%s", name, f, r.stdout)
				break
			}
			rest = rest[i:]
		}
	}
}
