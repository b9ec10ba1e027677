package main

import (
	"os/user"
	"strconv"
	"strings"
	"testing"
)

// A third account, such as that of a monitoring system, is told that it may not look, and not that everything is broken.
func TestLookByAThirdAccount(t *testing.T) {
	a := someAccount(t)
	b := ownedBox(t, a)
	b.process().mustBe(t, 0)
	third := account{name: "bin"}
	u, err := user.Lookup(third.name)
	if err != nil {
		t.Fatal(err)
	}
	if third.uid, err = strconv.Atoi(u.Uid); err != nil {
		t.Fatal(err)
	}
	third.gid = third.uid
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"status", "--html", "-"}, {"why", "lcgadmin"}, {"--dry-run"}, {"alerts"}, {"doctor", "--offline"}} {
		r := b.processAs(third, args...)
		r.mustBe(t, exitUsage)
		if want := "run it as root or as " + a.name; !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%q: standard output %q, standard error %q, want %q", args, r.stdout, r.stderr, want)
		}
	}
	r := b.processAs(third, "status", "--nagios")
	r.mustBe(t, 3)
	if !strings.HasPrefix(r.stdout, "VOBOX UNKNOWN - ") || !strings.Contains(r.stdout, "run it as root or as "+a.name) || r.stderr != "" {
		t.Errorf("the plugin: standard output %q, standard error %q", r.stdout, r.stderr)
	}
	b.processAs(a, "status").mustBe(t, 0) // whose box it is
}
