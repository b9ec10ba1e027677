package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
)

var (
	hexNumbers = regexp.MustCompile(`\b[0-9a-f]{32,64}\b|\b[0-9A-F]{40}\b`)
	hexSerials = regexp.MustCompile(`(?m)(serial +:? ?)[0-9a-f]+$`)
)

// withoutNumbers replaces what is different for every certificate: serial numbers and fingerprints.
func withoutNumbers(text string) string {
	text = hexSerials.ReplaceAllString(text, "${1}SERIAL")
	return hexNumbers.ReplaceAllString(text, "HEX")
}

func TestEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"/DC=ch/CN=Jane Doe":        "/DC=ch/CN=Jane Doe",
		"Zoë – Ωmega 漢字":            "Zoë – Ωmega 漢字",
		"a\nb\r\tc":                 `a\x0ab\x0d\x09c`,
		"\x1b[2Kverifies  : yes":    `\x1b[2Kverifies  : yes`,
		"\x7f\x00":                  `\x7f\x00`,
		"\u009b31m":                 `\u009b31m`,
		"user\u202egro.live":        `user\u202egro.live`,
		"\u2066a\u2069\u200b\ufeff": `\u2066a\u2069\u200b\ufeff`,
		"a\u2028b":                  `a\u2028b`,
		"\xff\xfe":                  `\xff\xfe`,
		"\ufffd":                    `\ufffd`,
		"\U000e0041":                `\U000e0041`,
	} {
		if got := escaped(text); got != want {
			t.Errorf("escaped(%q) = %q, want %q", text, got, want)
		}
	}
	for _, long := range []string{strings.Repeat("x", 1<<20), strings.Repeat("é", 1<<19), strings.Repeat("\x1b", 1<<20)} {
		if got := escaped(long); len(got) > 4*maxShown+8 || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes become %d, ending in %q", len(long), len(got), got[len(got)-8:])
		}
	}
}

func FuzzEscaped(f *testing.F) {
	f.Add("a\x1b[2K\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := escaped(s)
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("escaped(%q) = %q, not printable at %d", s, got, i)
		}
		if len(s) <= maxShown && got != s && escaped(got) != got && len(got) <= maxShown {
			t.Errorf("escaped(%q) = %q, and again %q", s, got, escaped(got))
		}
	})
}

// The commands are made unless there is certainly none among the arguments.
func TestIsPass(t *testing.T) {
	root := (&app{}).rootCommand()
	for _, tt := range []struct {
		args string
		want bool
	}{
		{"", true}, {"--dry-run", true}, {"-c config.yaml", true}, {"--config=status", true}, {"-c status", true}, {"-c=status --no-restart", true},
		{"--only lcgadmin --force lcgadmin -o json", true}, {"--only=lcgadmin", true},
		{"status", false}, {"-c config.yaml status", false}, {"--dry-run status", false}, {"--no-restart=false status", false},
		{"--help", false}, {"-h", false}, {"help", false}, {"-cstatus", false}, {"--nonsense", false}, {"--", false}, {"-", false}, {"__complete st", false},
	} {
		if got := isPass(root, strings.Fields(tt.args)); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.args, got, tt.want)
		}
	}
}

// Wrong usage of a command is answered with that command's help, and --version is what everybody types first.
func TestUsageNamesTheCommand(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	for args, want := range map[string]string{
		"why nonsense": "see vobox-reconcile why --help\n", "doctor --only X": "see vobox-reconcile doctor --help\n",
		"nonsense": "see vobox-reconcile --help\n", "--at bad --dry-run": "see vobox-reconcile --help\n",
	} {
		if r := b.must(64, strings.Fields(args)...); !strings.HasSuffix(r.stderr, want) {
			t.Errorf("%s: %q", args, r.stderr)
		}
	}
	for _, args := range []string{"--version", "-o json --version"} {
		if got, want := b.must(0, strings.Fields(args)...).stdout, b.must(0, strings.Fields(strings.ReplaceAll(args, "--version", "version"))...).stdout; got != want || got == "" {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

func TestOldSpelling(t *testing.T) {
	a := &app{}
	root := a.rootCommand()
	a.addCommands(root)
	for _, tt := range []struct{ args, want string }{
		{"inspect -timeleft", "inspect --timeleft"},
		{"inspect -exists -valid 47:0 -file x", "inspect --exists --valid 47:0 --file x"},
		{"inspect -file=x -f y -e -p", "inspect --file=x -f y -e -p"},
		{"inspect --timeleft -all", "inspect --timeleft --all"},
		{"-o json inspect -vo", "-o json inspect --vo"},
		{"inspect -ojson -c config.yaml -r dir", "inspect -ojson -c config.yaml -r dir"},
		{"inspect -- -vo", "inspect -- -vo"},
		{"inspect - -vo", "inspect - --vo"},
		{"inspect -at 2026-01-01 -crl ignore", "inspect -at 2026-01-01 -crl ignore"}, // no tool has them
		{"status -vo", "status -vo"},
		{"--only -vo", "--only -vo"},
		{"help inspect", "help inspect"},
		{"", ""},
	} {
		if got := strings.Join(oldSpelling(root, strings.Fields(tt.args)), " "); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.args, got, tt.want)
		}
	}
}

func TestLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"47:0": 47 * time.Hour, "0:30": 30 * time.Minute, "0:00": 0, "1:60": 2 * time.Hour, "100000:1": 100000*time.Hour + time.Minute,
		"5": -1, "": -1, "a:b": -1, "1:61": -1, "-1:0": -1, "1:-1": -1, "1:2:3": -1, "9999999999:0": -1, "1.5:0": -1,
	} {
		var l lifetime
		err := l.Set(text)
		if (err == nil) != (want >= 0) || err == nil && time.Duration(l) != want {
			t.Errorf("%q: got %v, %v; want %v", text, time.Duration(l), err, want)
		}
	}
}

// hostile is a proxy whose attributes, and whose file's name, try to say that it verifies.
func hostile(t *testing.T, b *box) string {
	t.Helper()
	ac, err := attrcert.Issue(attrcert.Template{VO: "alice", Host: "localhost", Port: 15000, FQANs: []string{"/alice", "/alice\x1b]0;owned\x07\u202e"},
		Attributes: []attrcert.Attribute{{Name: "nick\x1b[8m", Value: "v\r\x1b[2Kverifies  : yes\nverifies  : yes", Qualifier: "\u2067q\xff"}},
		NotBefore:  b.now(), NotAfter: b.now().Add(time.Hour)}, b.User.Leaf(), []*x509.Certificate{b.Host.Leaf()}, b.Host.Key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.CA.Proxy(b.User, time.Hour, attrcert.Extension(ac))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.Dir, "x\x1b[2J\nverifies  : yes\u202e")
	if err := gridtest.WriteProxy(p, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever files say, the terminal gets to see lines of printable text, and only ours say that something verifies.
func TestInspectHostileText(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	path := hostile(t, b)
	for _, args := range [][]string{{path}, {path + "\x1b[0m"}, {"-all", path}, {"-chain", path}, {"-text", path},
		{"-fqan", "-vo", "-path", "-uri", "-acissuer", "-exists", "-valid", "99:0", path}, {"-acexists", "\x1b[8m", path}} {
		r := b.run(append([]string{"inspect"}, args...)...)
		for line := range strings.SplitSeq(strings.TrimSuffix(r.stdout+r.stderr, "\n"), "\n") {
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q: %q is not printable at %d", args, line, i)
			}
			if strings.HasPrefix(line, "verifies  : yes") {
				t.Errorf("%q: a file could say that it verifies:\n%s", args, r.stdout)
			}
		}
	}
	r := b.must(1, "inspect", "-o", "json", path)
	in := decode[[]inspectDoc](t, r.stdout, list(func(string, any) []string { return nil }))
	if len(in) != 1 || in[0].File != strings.ToValidUTF8(path, "\ufffd") || in[0].Verified || len(in[0].FQANs) > 0 {
		t.Errorf("JSON says %+v", in)
	}
	if strings.ContainsRune(r.stdout, '\x1b') {
		t.Errorf("there is an ESC in JSON: %q", r.stdout)
	}
}

// What is printed of many files comes in the order of their names on the command line, whichever is looked at first.
func TestInspectOrder(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	data := string(read(t, b.LoginProxy))
	var files, want []string
	for i := range 3 * ahead {
		path := filepath.Join(b.Dir, fmt.Sprintf("many/%d", (i*37)%(3*ahead)))
		if i == 0 {
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		switch i % 3 {
		case 0: // missing
		case 1:
			write(t, path, data)
		case 2:
			write(t, path, strings.Repeat(data, 20))
		}
		files, want = append(files, path), append(want, "path      : "+path)
	}
	var got []string
	for line := range strings.SplitSeq(b.must(1, append([]string{"inspect"}, files...)...).stdout, "\n") {
		if strings.HasPrefix(line, "path ") {
			got = append(got, line)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the order is %q", got)
	}
	var docs []inspectDoc
	if err := json.Unmarshal([]byte(b.must(1, append([]string{"inspect", "-ojson"}, files...)...).stdout), &docs); err != nil {
		t.Fatal(err)
	}
	for i, d := range docs {
		if d.File != files[i] {
			t.Errorf("%d in JSON is %s, want %s", i, d.File, files[i])
		}
	}
	if len(docs) != len(files) {
		t.Errorf("%d documents of %d files", len(docs), len(files))
	}
}

// The array is the one that encoding/json prints whole.
func TestInspectJSONIsWhole(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	for _, files := range [][]string{{b.LoginProxy}, {b.LoginProxy, b.Dir + "/<none>&", b.UserCert}} {
		r := b.run(append([]string{"inspect", "-ojson"}, files...)...)
		docs := decode[[]inspectDoc](t, r.stdout, anInspection)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(docs); err != nil {
			t.Fatal(err)
		}
		if r.stdout != want.String() {
			t.Errorf("got\n%swant\n%s", r.stdout, &want)
		}
	}
}

// Certificates may name years that JSON cannot.
func TestInspectJSONYears(t *testing.T) {
	zone := time.FixedZone("", -3600)
	for _, at := range []time.Time{time.Date(9999, 12, 31, 23, 59, 59, 0, zone), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), {}} {
		r := &inspect.Report{Path: "x", NotAfter: at, EffectiveEnd: at,
			Chain: []inspect.Certificate{{Certificate: &x509.Certificate{NotBefore: at, NotAfter: at}}},
			ACs:   []inspect.AC{{AC: &attrcert.AC{NotBefore: at, NotAfter: at}}}}
		if _, err := inspectElement(inspectDocOf(r, start)); err != nil {
			t.Errorf("%v: %v", at, err)
		}
		(painter{}).inspected(r, start)
	}
}

// A failingWriter takes so many bytes and no more.
type failingWriter struct{ room int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// When nobody reads on, or the run is cancelled, the rest of the files is left alone.
func TestInspectStops(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	args := []string{"inspect"}
	for range 10 * ahead {
		args = append(args, b.LoginProxy)
	}
	for _, output := range []string{"text", "json"} {
		var stderr bytes.Buffer
		w := world{getenv: func(name string) string { return b.env[name] }, stdout: &failingWriter{room: 50_000}, stderr: &stderr, now: b.now}
		if code := run(t.Context(), append(args, "-o", output), w); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%s: exit code %d, %q", output, code, &stderr)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.stdout = io.Discard
		if code := run(ctx, append(args, "-o", output), w); code != exitFailed {
			t.Errorf("%s: exit code %d when cancelled", output, code)
		}
	}
}
