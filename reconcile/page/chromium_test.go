package page_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
)

var shots = flag.String("shots", "", "write screenshots to that directory, to look at them")

// serve serves the sample pages, by name, as the program serves its one, and a page with faults to be found.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	pages := map[string]string{}
	for name, in := range samples() {
		pages["/"+name] = render(t, in)
	}
	faulty := strings.Replace(pages["/quiet"], "</main>", `<p style="color:red" onclick="x()">x</p><img src="http://127.0.0.1:9/x.png" alt=""><script>document.title = "run"</script><pre>`+longWord+`</pre></main>`, 1)
	pages["/faulty"] = strings.Replace(faulty, "</head>", "<style>pre { white-space: pre; overflow-wrap: normal; } p { color: #999 }</style></head>", 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		html, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Query().Has("lax") {
			html = strings.ReplaceAll(html, `http-equiv="Content-Security-Policy"`, `name="x"`)
		} else {
			w.Header().Set("Content-Security-Policy", page.Policy())
		}
		fmt.Fprint(w, html)
	}))
	t.Cleanup(s.Close)
	return s
}

// tooWide lists the elements that reach over the screen's right edge, what is there for screen readers only left out.
const tooWide = `[...document.body.querySelectorAll('*')].filter(e => {
	const r = e.getBoundingClientRect();
	return r.width > 1 && r.right > document.documentElement.clientWidth + 0.5 && !e.closest('svg') && !e.closest('thead');
}).map(e => e.tagName + '.' + e.className).concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['scrollWidth ' + document.documentElement.scrollWidth] : [])`

// faint lists texts with less contrast to what is behind them than WCAG 2 asks for, which is 4.5.
const faint = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const light = ([r, g, b]) => { const f = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
	const behind = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255]; };
	const out = [];
	let seen = 0;
	for (const e of document.body.querySelectorAll('*')) {
		if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) || e.matches('title, style')) continue;
		const s = getComputedStyle(e);
		const a = light(rgba(e.closest('svg') ? s.fill : s.color)), b = light(behind(e));
		const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		seen++;
		if (ratio < 4.5) out.push(e.tagName + '.' + (e.className.baseVal ?? e.className) + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 40));
	}
	return seen < 30 ? ['only ' + seen + ' texts'] : out;
})()`

// TestChromium looks at the pages as people do: on a phone and on a desk, light and dark. Scripts are off.
func TestChromium(t *testing.T) {
	server := serve(t)
	p := startBrowser(t).tab()
	p.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	for _, look := range []struct {
		sample string
		width  int
		dark   bool
	}{{"warned", 360, false}, {"warned", 360, true}, {"warned", 1280, false}, {"warned", 1280, true},
		{"quiet", 768, true}, {"broken", 360, true}, {"hostile", 360, false}, {"hostile", 1280, true}} {
		name := fmt.Sprintf("%s-%d-%s", look.sample, look.width, map[bool]string{false: "light", true: "dark"}[look.dark])
		t.Run(name, func(t *testing.T) {
			p.of(t)
			looks(t, p, server.URL+"/"+look.sample, look.width, look.dark)
			if *shots != "" {
				if err := os.WriteFile(filepath.Join(*shots, name+".png"), p.screenshot(true), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Run("screenshot", func(t *testing.T) { p.of(t); screenshot(t, p, server.URL+"/quiet") })
	t.Run("keyboard", func(t *testing.T) { p.of(t); keyboard(t, p, server.URL+"/warned") })
	t.Run("screen reader", func(t *testing.T) { p.of(t); screenReader(t, p, server.URL+"/warned") })
	t.Run("faults are found", func(t *testing.T) { p.of(t); faultsAreFound(t, p, server.URL+"/faulty") })
}

// looks asserts what each page has to look like.
func looks(t *testing.T, p *tab, url string, width int, dark bool) {
	p.screen(width, dark)
	p.open(url)
	var wide, pale []string
	if p.eval(tooWide, &wide); len(wide) > 0 {
		t.Errorf("wider than the screen: %q", wide)
	}
	if p.eval(faint, &pale); len(pale) > 0 {
		t.Errorf("too faint: %q", pale)
	}
	if c := p.complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %s", c)
	}
	for _, r := range p.requests() {
		if r != url && !strings.HasPrefix(r, "data:") {
			t.Errorf("it loads %s", r)
		}
	}
	var style struct {
		Background, Margin, Text string
		Width, Lanes             int
		Drawn                    bool
	}
	p.eval(`(() => { const s = getComputedStyle(document.body), plots = [...document.querySelectorAll('.plot > svg')]; return {
		Background: s.backgroundColor, Margin: s.margin, Text: document.body.innerText, Width: innerWidth, Lanes: plots.length,
		Drawn: plots.every(e => e.getBoundingClientRect().width > 200 && e.getBoundingClientRect().height >= 16 && e.querySelector('rect.far').getBoundingClientRect().width > 50)}; })()`, &style)
	if style.Width != width || style.Margin != "0px" {
		t.Errorf("the screen is %d wide and the margin %s: the style is not in force", style.Width, style.Margin)
	}
	if want := map[bool]string{false: "rgb(244, 245, 247)", true: "rgb(14, 19, 25)"}[dark]; style.Background != want {
		t.Errorf("the background is %s, want %s", style.Background, want)
	}
	if style.Lanes < 3 || !style.Drawn {
		t.Errorf("%d lanes, drawn: %v", style.Lanes, style.Drawn)
	}
	if !strings.Contains(style.Text, "lcgadmin") || !strings.Contains(strings.ToLower(style.Text), "time line") {
		t.Errorf("the text is %.200q", style.Text)
	}
}

// screenshot asserts that something is painted in the colours of the states.
func screenshot(t *testing.T, p *tab, url string) {
	p.screen(360, true)
	p.open(url)
	img, err := png.Decode(bytes.NewReader(p.screenshot(false)))
	if err != nil {
		t.Fatal(err)
	}
	size := img.Bounds()
	if size.Dx() != 720 || size.Dy() != 1600 {
		t.Errorf("the screenshot is %v", size)
	}
	green := 0
	for y := size.Min.Y; y < size.Max.Y; y += 8 {
		for x := size.Min.X; x < size.Max.X; x += 8 {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 == 0x3f && g>>8 == 0xa7 && b>>8 == 0x6f {
				green++
			}
		}
	}
	if green < 50 {
		t.Errorf("%d of the sampled pixels have the colour of what is valid", green)
	}
}

// keyboard goes through the page with the tabulator key: what has the focus can be seen to have it.
func keyboard(t *testing.T, p *tab, url string) {
	p.screen(1280, false)
	p.open(url)
	var order []string
	for range 4 {
		for _, kind := range []string{"keyDown", "keyUp"} {
			p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}, nil)
		}
		var focus struct {
			Name, Outline string
			Left          float64
		}
		p.eval(`(() => { const e = document.activeElement; return {Name: e.textContent, Outline: getComputedStyle(e).outlineStyle + ' ' + getComputedStyle(e).outlineWidth, Left: e.getBoundingClientRect().left}; })()`, &focus)
		if focus.Outline != "solid 2px" || focus.Left < 0 {
			t.Errorf("the focus on %q cannot be seen: %s, at %v", focus.Name, focus.Outline, focus.Left)
		}
		order = append(order, focus.Name)
	}
	for i, name := range order {
		if want := map[bool]string{true: "To the content", false: "Details of "}[i == 0]; !strings.HasPrefix(name, want) {
			t.Errorf("the focus goes to %q", order)
		}
	}
}

// screenReader asserts what the page is to somebody who cannot see it, on a phone, where tables are not laid out as tables.
func screenReader(t *testing.T, p *tab, url string) {
	p.screen(360, false)
	p.open(url)
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name struct{ Value json.RawMessage }
		}
	}
	p.do("Accessibility.getFullAXTree", nil, &tree)
	count, names := map[string]int{}, map[string][]string{}
	for _, n := range tree.Nodes {
		var role, name string
		json.Unmarshal(n.Role.Value, &role)
		json.Unmarshal(n.Name.Value, &name)
		if n.Ignored {
			continue
		}
		count[role]++
		names[role] = append(names[role], name)
	}
	for role, want := range map[string]int{"banner": 1, "main": 1, "contentinfo": 1, "navigation": 1, "table": 3, "columnheader": 9, "rowheader": 9, "row": 12} {
		if count[role] != want {
			t.Errorf("%d of role %s, want %d: %q", count[role], role, want, names[role])
		}
	}
	slices.Sort(names["heading"])
	if want := []string{"Alerts", "Credentials", "Done", "Environment files", "Everything works, 2 alerts", "Planned", "Services", "Time line",
		"alice on voalice07.cern.ch", "lcgadmin", "machine-proxy", "pilot", "pilot", "pilot"}; !slices.Equal(names["heading"], want) {
		t.Errorf("the headings are %q", names["heading"])
	}
	images := strings.Join(slices.Concat(names["img"], names["image"]), "\n")
	for _, want := range []string{"lcgadmin: renewed 10 times in the last 24 h, last Sun 22 Nov 02:05; 46 h 48 min left; ends Tue 24 Nov 02:05; renewal in 48 min", "Host certificate: ends in 140 days"} {
		if !strings.Contains(images, want) {
			t.Errorf("no picture says %q:\n%s", want, images)
		}
	}
	for role, list := range names {
		if (role == "img" || role == "image" || role == "link" || role == "heading") && slices.Contains(list, "") {
			t.Errorf("a %s without a name: %q", role, list)
		}
	}
}

// faultsAreFound asserts that the checks find what they are for: nothing is proved by a blind one.
func faultsAreFound(t *testing.T, p *tab, url string) {
	p.screen(360, false)
	p.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": false}, nil)
	p.open(url)
	for _, want := range []string{"style-src", "script-src", "img-src"} {
		if c := p.complaints(); !slices.ContainsFunc(c, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no complaint about %s: %s", want, c)
		}
	}
	var title string
	if p.eval("document.title", &title); title == "run" {
		t.Error("the policy lets a script run")
	}
	p.open(url + "?lax")
	var wide, pale []string
	if p.eval(tooWide, &wide); len(wide) == 0 {
		t.Error("a page that is too wide is not found to be")
	}
	if p.eval(faint, &pale); len(pale) == 0 {
		t.Error("faint text is not found")
	}
	if p.eval("document.title", &title); title != "run" {
		t.Error("the script does not run without the policy either")
	}
}
