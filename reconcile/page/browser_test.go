package page_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// late is when a test gives up on the browser: busy machines take their time.
const late = 10 * time.Minute

// A browser is Chromium without a window, driven by the DevTools protocol over two pipes.
type browser struct {
	t   testing.TB
	ctx context.Context
	in  io.Writer

	mu      sync.Mutex // guards what follows
	last    int
	answers map[int]chan answer
	notices []notice
	heard   chan struct{} // closed when there is one more notice, and made anew
	ended   error
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// A notice is what the browser says unasked.
type notice struct {
	Session string `json:"sessionId"`
	Method  string
	Params  json.RawMessage
}

// startBrowser starts Debian's Chromium. Where it is not installed the test is skipped, and where CI=true it fails, as
// .ci/setup installs it.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("chromium is not installed: apt-get install chromium, or .ci/setup as root")
	case err != nil:
		t.Skip("NOT TESTED: chromium is not installed")
	}
	toBrowser, fromTest, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	toTest, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "vobox-browser-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
		"--proxy-server=127.0.0.1:9", "--proxy-bypass-list=127.0.0.1", "--user-data-dir="+filepath.Join(home, "profile"), "--remote-debugging-pipe", "about:blank")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8"}
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	ctx, cancel := context.WithTimeout(t.Context(), late)
	b := &browser{t: t, ctx: ctx, in: fromTest, answers: map[int]chan answer{}, heard: make(chan struct{})}
	go b.listen(toTest)
	t.Cleanup(func() {
		cancel()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its own group, helpers included
		cmd.Wait()
		fromTest.Close()
		toTest.Close()
		os.RemoveAll(home)
		if t.Failed() {
			t.Logf("the browser said: %s", talk.Bytes()[:min(talk.Len(), 4096)])
		}
	})
	return b
}

// listen sorts what the browser says: JSON texts, each ended by a zero byte.
func (b *browser) listen(r io.Reader) {
	d := json.NewDecoder(zeros{r})
	for {
		var m struct {
			ID int
			answer
			notice
		}
		err := d.Decode(&m)
		b.mu.Lock()
		switch {
		case err != nil:
			b.ended = fmt.Errorf("the browser has ended: %w", err)
			for id, c := range b.answers {
				delete(b.answers, id)
				close(c)
			}
		case m.ID != 0 && b.answers[m.ID] != nil:
			b.answers[m.ID] <- m.answer
			delete(b.answers, m.ID)
		case m.Method != "":
			b.notices = append(b.notices, m.notice)
		}
		close(b.heard)
		b.heard = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// zeros turns the zero bytes between JSON texts into spaces.
type zeros struct{ io.Reader }

func (z zeros) Read(p []byte) (int, error) {
	n, err := z.Reader.Read(p)
	for i := range n {
		if p[i] == 0 {
			p[i] = ' '
		}
	}
	return n, err
}

// call asks the browser for something and reads its answer into out, unless that is nil.
func (b *browser) call(session, method string, params map[string]any, out any) {
	b.t.Helper()
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		b.t.Fatal(b.ended)
	}
	b.last++
	c := make(chan answer, 1)
	b.answers[b.last] = c
	if params == nil {
		params = map[string]any{}
	}
	m := map[string]any{"id": b.last, "method": method, "params": params}
	b.mu.Unlock()
	if session != "" {
		m["sessionId"] = session
	}
	data, err := json.Marshal(m)
	if err == nil {
		_, err = b.in.Write(append(data, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			b.t.Fatalf("%s: the browser has ended", method)
		case a.Error != nil:
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		case out != nil:
			if err := json.Unmarshal(a.Result, out); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-b.ctx.Done():
		b.t.Fatalf("%s: no answer within %s", method, late)
	}
}

// await waits for a notice of a session, from the one numbered since on.
func (b *browser) await(session, method string, since int) {
	b.t.Helper()
	for {
		b.mu.Lock()
		heard, ended := b.heard, b.ended
		for _, n := range b.notices[since:] {
			if n.Session == session && n.Method == method {
				ended = errDone
			}
		}
		b.mu.Unlock()
		if errors.Is(ended, errDone) {
			return
		}
		if ended != nil {
			b.t.Fatal(ended)
		}
		select {
		case <-heard:
		case <-b.ctx.Done():
			b.t.Fatalf("the browser does not tell %s within %s", method, late)
		}
	}
}

var errDone = errors.New("done")

// A tab is one page in the browser.
type tab struct {
	*browser
	session string
	from    int // the first notice about what is shown now
}

func (b *browser) tab() *tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	p := &tab{browser: b, session: session.SessionID}
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Audits", "Accessibility"} {
		p.do(domain+".enable", nil, nil)
	}
	return p
}

func (p *tab) do(method string, params map[string]any, out any) {
	p.t.Helper()
	p.call(p.session, method, params, out)
}

// of makes what goes wrong from now on that test's failure.
func (p *tab) of(t *testing.T) {
	before := p.t
	p.t = t
	t.Cleanup(func() { p.t = before })
}

// screen makes the tab a screen of that width, light or dark.
func (p *tab) screen(width int, dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": scaleOf(width), "mobile": width < 500}, nil)
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

func scaleOf(width int) int {
	if width < 500 {
		return 2
	}
	return 1
}

// open loads an address and waits until all of it is there.
func (p *tab) open(url string) {
	p.t.Helper()
	p.mu.Lock()
	p.from = len(p.notices)
	p.mu.Unlock()
	var result struct{ ErrorText string }
	p.do("Page.navigate", map[string]any{"url": url}, &result)
	if result.ErrorText != "" {
		p.t.Fatalf("opening %s: %s", url, result.ErrorText)
	}
	p.await(p.session, "Page.loadEventFired", p.from)
}

// eval returns what an expression is in the page. It is the test that runs it: scripts of the page need not be allowed.
func (p *tab) eval(expression string, out any) {
	p.t.Helper()
	var result struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	p.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &result)
	if e := result.ExceptionDetails; e != nil {
		p.t.Fatalf("%s: %s", expression, e.Exception.Description)
	}
	if err := json.Unmarshal(result.Result.Value, out); err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
}

// complaints are what the browser has to say against what is shown: errors, violations of the policy, failed loads.
func (p *tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, n := range p.notices[p.from:] {
		switch n.Method {
		case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded", "Network.loadingFailed":
			if n.Session == p.session {
				out = append(out, n.Method+" "+string(n.Params))
			}
		}
	}
	return out
}

// requests are the addresses that were loaded.
func (p *tab) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, n := range p.notices[p.from:] {
		var r struct{ Request struct{ URL string } }
		if n.Session == p.session && n.Method == "Network.requestWillBeSent" && json.Unmarshal(n.Params, &r) == nil {
			out = append(out, r.Request.URL)
		}
	}
	return out
}

// screenshot is what is on the screen as PNG, or the whole page.
func (p *tab) screenshot(whole bool) []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}
