package page_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

var write = flag.String("write", "", "write the sample pages to that directory, to look at them")

// samples are the boxes of this package's tests, by name.
func samples() map[string]page.Input {
	return map[string]page.Input{"quiet": quietBox().input(), "warned": warnedBox().input(), "broken": brokenBox().input(),
		"hostile": hostileBox().input(), "empty": {}}
}

func render(t testing.TB, in page.Input) string {
	t.Helper()
	data, err := page.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	styled  = regexp.MustCompile(`<style>([^<]*)</style>`)
	fetched = regexp.MustCompile(`\s(src|href|data|action|formaction|poster|srcset|xlink:href)="([^"]*)"`)
	acting  = regexp.MustCompile(`<(script|img|iframe|object|embed|form|base)\b|<[a-z][^>]*\s(on[a-z]+|style)\s*=`)
)

// Whatever the box is like, there is a page of it, the same one every time, that runs nothing and loads nothing.
func TestRender(t *testing.T) {
	for name, in := range samples() {
		html := render(t, in)
		if again := render(t, in); again != html {
			t.Errorf("%s: two pages of one state differ", name)
		}
		if *write != "" {
			if err := os.WriteFile(filepath.Join(*write, name+".html"), []byte(html), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		css := styled.FindAllStringSubmatch(html, -1)
		if len(css) != 1 {
			t.Fatalf("%s: %d style elements", name, len(css))
		}
		sum := sha256.Sum256([]byte(css[0][1]))
		if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(page.Policy(), want) {
			t.Errorf("%s: the policy %s does not allow the style, %s", name, page.Policy(), want)
		}
		for _, e := range acting.FindAllString(html, -1) {
			t.Errorf("%s: %s", name, e)
		}
		for _, f := range fetched.FindAllStringSubmatch(html, -1) {
			if !strings.HasPrefix(f[2], "/") && !strings.HasPrefix(f[2], "#") && !strings.HasPrefix(f[2], "data:image/svg&#43;xml,") {
				t.Errorf("%s: %s", name, f[0])
			}
		}
		for _, c := range html {
			if c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c == 0xfffd {
				t.Errorf("%s: %U is in it", name, c)
			}
		}
		if got, want := strings.Count(html, `http-equiv="refresh"`), map[bool]int{true: 1, false: 0}[in.Refresh > 0]; got != want {
			t.Errorf("%s: %d refreshes, want %d", name, got, want)
		}
		if got, want := strings.Contains(html, `href="/metrics"`), in.Refresh > 0; got != want {
			t.Errorf("%s: a link to what is served: %v, want %v", name, got, want)
		}
	}
	if p := page.Policy(); !strings.HasPrefix(p, "default-src 'none'; ") || strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") {
		t.Errorf("the policy is %s", p)
	}
}

// What people have to read first is there, in words.
func TestRenderSays(t *testing.T) {
	rehearsed := quietBox().input()
	rehearsed.Status.Rehearsal = &status.Rehearsal{Seen: in(-10 * day)}
	alerted := quietBox().input()
	alerted.Status.Alerts = []plan.Alert{{ID: "HOST-PROXY", Severity: plan.Critical, Subject: "machine-proxy", Message: "the machine proxy has 3m left", Remedy: "run the job that makes it", Where: "site admin"}}
	for name, c := range map[string]struct {
		in   page.Input
		says []string
	}{
		"quiet": {quietBox().input(), []string{"<h2 id=\"verdict\">All is well</h2>", "<title>alice on voalice07.cern.ch: All is well</title>", "Renew lcgadmin",
			"in 48 min", "Renew the machine proxy", "last restarted Fri 13 Nov 03:17", "the attribute certificate", "machine-proxy: renewed twice in the last 24 h, last Sat 21 Nov 22:17; 19 h left; ends Sun 22 Nov 22:17; renewal in 7 h;"}},
		"warned": {warnedBox().input(), []string{"Everything works, 2 alerts", `<span class="prompt">LCG-UI&gt; </span><code>myproxy-init -s myproxy.cern.ch -d -n -t 48 -c 3000</code>`, "MP-T12",
			"Failed Sat 21 Nov 12:56: asking myproxy.cern.ch:7512: dialing 188.184.1.1: i/o timeout"}},
		"broken": {brokenBox().input(), []string{"lcgadmin has expired", "Also: pilot is missing.", "not valid", `<code>vobox-reconcile --force lcgadmin</code>`, "ALIEN_USER is not jdoe but jroe",
			`<strong class="bad">now</strong>`}},
		"rehearsed": {rehearsed, []string{"As if it were then, by what was seen on Thu 12 Nov 03:17, and without a pass in between."}},
		"critical":  {alerted, []string{"Something needs you now", "<b>site admin:</b> run the job that makes it"}},
		"empty":     {page.Input{}, []string{"Nothing is looked after", "The configuration has none."}},
		"hostile":   {hostileBox().input(), []string{"&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&gt;?gnirts?[31m?", "&lt;/style&gt;&lt;img src=x onerror=alert(1)&gt; {{.}}"}},
	} {
		html := render(t, c.in)
		for _, want := range c.says {
			if !strings.Contains(html, want) {
				t.Errorf("%s: it does not say %q", name, want)
			}
		}
	}
}

// A page of many things is as good, and not slow.
func TestRenderMany(t *testing.T) {
	w := quietBox()
	for i := range 30 {
		w.user(fmt.Sprintf("role%d", i), fmt.Sprintf("/alice/Role=r%d", i), 48*time.Hour, 46*time.Hour, in(-time.Hour), in(90*day))
	}
	in := w.input()
	html := render(t, in)
	if got, want := strings.Count(html, `class="lane"`), 33; got != want {
		t.Errorf("%d lanes, want %d", got, want)
	}
	if len(html) > 2<<20 {
		t.Errorf("%d bytes", len(html))
	}
}

var variable = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)

// colours are the variables of the style, light and dark.
func colours(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	roots := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(page.Style, -1)
	if len(roots) != 2 {
		t.Fatalf("%d blocks of variables", len(roots))
	}
	read := func(block string) map[string]string {
		m := map[string]string{}
		for _, v := range variable.FindAllStringSubmatch(block, -1) {
			m[v[1]] = v[2]
		}
		return m
	}
	light, dark = read(roots[0][1]), read(roots[1][1])
	for name := range light {
		if dark[name] == "" {
			t.Errorf("--%s has no dark colour", name)
		}
	}
	if rest := regexp.MustCompile(`(?s):root \{.*?\}`).ReplaceAllString(page.Style, ""); strings.Contains(strings.Replace(rest, "background: #fff;", "", 1), ": #") {
		t.Error("a colour is not a variable")
	}
	return light, dark
}

// luminance is that of WCAG 2.2, of a colour as #rrggbb.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil || len(colour) != 7 {
		t.Fatalf("colour %q: %v", colour, err)
	}
	linear := func(shift uint) float64 {
		v := float64(n>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

// Text has a contrast of 4.5 to what it stands on, and signs one of 3, in both schemes.
func TestContrast(t *testing.T) {
	light, dark := colours(t)
	check := func(front, back string, least float64) {
		for scheme, m := range map[string]map[string]string{"light": light, "dark": dark} {
			if m[front] == "" || m[back] == "" {
				t.Fatalf("there is no --%s or no --%s", front, back)
			}
			a, b := luminance(t, m[front]), luminance(t, m[back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < least {
				t.Errorf("%s: --%s on --%s has a contrast of %.2f, want %.1f", scheme, front, back, ratio, least)
			}
		}
	}
	for _, text := range []string{"ink", "soft", "link", "ok", "warn", "bad", "idle"} {
		for _, back := range []string{"bg", "panel", "raised"} {
			check(text, back, 4.5)
		}
	}
	check("warn", "warn-soft", 4.5)
	for _, sign := range []string{"ok-fill", "warn-fill", "bad-fill", "idle-fill", "past", "now", "focus"} {
		check(sign, "panel", 3)
	}
}
