package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// proxySerials are the last CNs of proxies, which are random.
var proxySerials = regexp.MustCompile(`CN=\d{4,20}\b`)

func TestWhy(t *testing.T) {
	b, now := goldenBox(t, gridtest.SiteOptions{})
	before := snapshot(t, b.Dir)
	b.golden("why-before.txt", b.must(0, "why", "lcgadmin").stdout)
	unchanged(t, "why", before, snapshot(t, b.Dir))
	b.must(0)
	*now = now.Add(time.Hour)
	all := ""
	for _, name := range []string{"machine-proxy", "lcgadmin", "CE.env", "jalien"} {
		r := b.must(0, "why", name)
		if r.stderr != "" {
			t.Errorf("%s: on standard error: %s", name, r.stderr)
		}
		all += "VO-Box> vobox-reconcile why " + name + "\n" + proxySerials.ReplaceAllString(r.stdout, "CN=SERIAL") + "\n"
	}
	b.golden("why.txt", all)
	if err := b.Store(3000*time.Hour, 12*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.must(1, "--force", "lcgadmin") // not taken: what is in place lasts longer
	*now = now.Add(2 * time.Hour)
	b.golden("why-t12.txt", proxySerials.ReplaceAllString(b.must(0, "why", "lcgadmin").stdout, "CN=SERIAL"))

	// In 80 columns, and in colour.
	for _, columns80 := range []string{"80", "60", "30"} {
		b.env["COLUMNS"] = columns80
		for _, name := range []string{"machine-proxy", "lcgadmin", "ml.env", "jalien"} {
			for line := range strings.Lines(b.must(0, "why", name).stdout) {
				if n := columns(strings.TrimSuffix(line, "\n")); columns80 == "80" && n > 80 && !strings.Contains(line, "> ") && !strings.Contains(line, "site admin: ") {
					t.Errorf("%s: %d columns: %s", name, n, line)
				}
			}
		}
	}
	if got := b.must(0, "why", "jalien", "--color=always").stdout; !strings.HasPrefix(got, "\x1b[1mjalien\x1b[0m: ") {
		t.Errorf("no colour: %q", got)
	}
}

var aWhy = object(map[string]shape{
	"name": text, "kind": oneOf("machine", "user", "env-file", "service"), "path": aString, "time": aMoment,
	"state": oneOf("ok", "due", "alert", "expired", "missing", "invalid", "unknown"), "due": aBool, "when": orNull(aMoment), "summary": text,
	"effectiveEnd": orNull(aMoment), "forecast": orNull(aForecast), "alerts": list(anAlert),
	"ends":  list(object(map[string]shape{"what": text, "name": text, "when": aMoment, "secondsLeft": natural, "renewed": aBool, "counts": aBool})),
	"rules": list(object(map[string]shape{"rule": text, "text": text, "when?": aMoment, "seconds?": natural})),
})

func TestWhyJSON(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	b.must(0)
	why := func(name string) status.Why {
		t.Helper()
		return decode[status.Why](t, b.must(0, "why", "-o", "json", name).stdout, aWhy)
	}
	st := decode[status.Doc](t, b.must(0, "status", "-o", "json").stdout, aStatus)
	for i, name := range []string{"machine-proxy", "lcgadmin"} {
		w, c := why(name), st.Credentials[i]
		if w.Name != name || w.State != c.State || !w.When.Equal(*c.NextRenewal) || !w.EffectiveEnd.Equal(*c.EffectiveEnd) || w.Path != c.Path {
			t.Errorf("%s: %+v, and the status has %+v", name, w, c)
		}
		i := slices.IndexFunc(w.Rules, func(r status.Rule) bool { return r.Rule == "next-renewal" })
		if i < 0 || !w.Rules[i].When.Equal(*w.When) {
			t.Errorf("%s: no rule leads to %v: %+v", name, w.When, w.Rules)
		}
		i = slices.IndexFunc(w.Ends, func(e status.End) bool { return e.Counts })
		if i < 0 || !w.Ends[i].When.Equal(*w.EffectiveEnd) {
			t.Errorf("%s: the first that counts is not the effective end: %+v", name, w.Ends)
		}
	}
	user := why("lcgadmin")
	kinds := map[string]int{}
	for _, e := range user.Ends {
		kinds[e.What]++
	}
	for what, n := range map[string]int{status.WhatProxy: 2, status.WhatStored: 2, status.WhatUserCert: 1, status.WhatAC: 1, status.WhatSigner: 1, status.WhatCA: 1, status.WhatCRL: 1} {
		if kinds[what] != n {
			t.Errorf("%d ends of %s, want %d: %+v", kinds[what], what, n, user.Ends)
		}
	}
	// A name stands for more than itself.
	for name, full := range map[string]string{"CE.env": b.CEEnv, b.CEEnv: b.CEEnv, st.Credentials[2].Name: "lcgadmin", "jalien": "jalien"} {
		if w := why(name); w.Name != full {
			t.Errorf("%s stands for %s, want %s", name, w.Name, full)
		}
	}
}

func TestWhyNames(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	for args, want := range map[string]string{
		"":              "why takes the name of what to explain; there are machine-proxy, lcgadmin, CE.env, ml.env, jalien",
		"nothing":       `there is nothing of the name "nothing"; there are machine-proxy, lcgadmin, CE.env, ml.env, jalien`,
		"lcgadmn":       `there is nothing of the name "lcgadmn"; did you mean lcgadmin?`,
		"lcgadmni":      `there is nothing of the name "lcgadmni"; did you mean lcgadmin?`,
		"LCGADMIN":      `there is nothing of the name "LCGADMIN"; did you mean lcgadmin?`,
		"machine":       `there is nothing of the name "machine"; did you mean machine-proxy?`,
		"CL.env":        `there is nothing of the name "CL.env"; did you mean CE.env or ml.env?`,
		"jalien jalien": `why takes one name, got ["jalien" "jalien"]`,
	} {
		r := b.must(64, append([]string{"why"}, strings.Fields(args)...)...)
		if line, _, _ := strings.Cut(r.stderr, "\n"); line != "vobox-reconcile: "+want {
			t.Errorf("%q: got %q, want %q", args, line, want)
		}
	}
	if _, err := whichOf("x", plan.Desired{}); err == nil || !strings.Contains(err.Error(), "the configuration has nothing to look after") {
		t.Errorf("of nothing: %v", err)
	}
	complete := func(args ...string) string {
		return b.must(0, append([]string{"__complete", "why"}, args...)...).stdout
	}
	if got := complete(""); got != "machine-proxy\nlcgadmin\nCE.env\nml.env\njalien\n:4\n" {
		t.Errorf("completion: %q", got)
	}
	if got := complete("jalien", ""); got != ":4\n" {
		t.Errorf("completion of a second name: %q", got)
	}
	b.must(78, "why", "lcgadmin", "-c", "/nonexistent")
	b.env["VOBOX_RECONCILE_CONFIG"] = "/nonexistent"
	if got := complete(""); got != ":1\n" {
		t.Errorf("completion without a configuration: %q", got)
	}
	golden(t, "help-why.txt", b.must(0, "why", "--help").stdout)
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3}, {"ä", "a", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
