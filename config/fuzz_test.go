package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// FuzzLoad holds any document against what Load promises: no panic, faults that fit one line each and come in order;
// and of a document that is accepted, that the schema accepts it too, and that the same document in another style of
// YAML means the same.
func FuzzLoad(f *testing.F) {
	examples, err := filepath.Glob("../examples/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range examples {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	for _, doc := range faulties {
		f.Add([]byte(doc.doc))
	}
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := loadBytes(t, path, doc)
		if err != nil {
			checkFaults(t, err)
			return
		}
		if err := validate(t, doc); err != nil {
			t.Errorf("Load accepts what the schema refuses: %v", err)
		}
		var root yaml.Node
		if err := yaml.Unmarshal(doc, &root); err != nil {
			t.Fatal(err)
		}
		again := quoteAll(root.Content[0], "")
		c2, err := loadBytes(t, path, []byte(again))
		if err != nil {
			t.Fatalf("rewritten as\n%s\nit is refused: %v", again, err)
		}
		if diff := cmp.Diff(c.Desired(), c2.Desired()); diff != "" {
			t.Errorf("rewritten as\n%s\nit is different: -before +after\n%s", again, diff)
		}
	})
}

func loadBytes(t *testing.T, path string, doc []byte) (*config.Config, error) {
	t.Helper()
	if err := os.WriteFile(path, doc, 0o644); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, testEnv("MYPROXY_SERVER=px.example.org"))
}

// checkFaults checks the form of what Load returned.
func checkFaults(t *testing.T, err error) {
	t.Helper()
	errs, ok := errors.AsType[config.Errors](err)
	if !ok || len(errs) == 0 {
		t.Fatalf("the error is %T %v", err, err)
	}
	for _, e := range errs {
		if e.File == "" || e.Line < 1 || e.Col < 1 || e.Path == "" || e.Problem == "" || e.Instead == "" {
			t.Errorf("something is missing in %#v", e)
		}
		if strings.ContainsFunc(e.Error(), func(c rune) bool { return c < ' ' }) {
			t.Errorf("%q is not one line", e.Error())
		}
	}
	if !slices.IsSortedFunc(errs, func(a, b config.Fault) int { return a.Line - b.Line }) {
		t.Errorf("not in order:\n%v", err)
	}
}

// quoteAll writes a node in flow style, every text in double quotes.
func quoteAll(n *yaml.Node, key string) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i].Value
			parts = append(parts, strconv.QuoteToASCII(k)+": "+quoteAll(n.Content[i+1], k))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, item := range n.Content {
			parts = append(parts, quoteAll(item, ""))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if tag := n.ShortTag(); tag != "!!str" && key != "mode" {
		return n.Value
	}
	return strconv.QuoteToASCII(n.Value)
}

// FuzzParseDuration checks that the pattern of the schema and the parser accept the same.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"48h", "1d12h", "1.5d", ".5h", "5", "-1h", "1..h", "3µs", "99999999999d", "1h.5d"} {
		f.Add(s)
	}
	pattern := regexp.MustCompile(`"pattern": ("\^\(\(\[0-9\].*")`).FindSubmatch(config.Schema())
	if pattern == nil {
		f.Fatal("the schema has no pattern of a duration")
	}
	text, err := strconv.Unquote(string(pattern[1]))
	if err != nil {
		f.Fatal(err)
	}
	re := regexp.MustCompile(text)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := config.ParseDuration(s)
		matches := re.MatchString(s)
		switch {
		case err == nil && !matches:
			t.Errorf("%q is accepted, and does not match the pattern", s)
		case err != nil && matches && !strings.Contains(err.Error(), "longer than"):
			t.Errorf("%q matches the pattern, and is refused: %v", s, err)
		case err == nil && d < 0:
			t.Errorf("%q is %v", s, d)
		}
		if again, err2 := config.ParseDuration(d.String()); err == nil && (again != d || err2 != nil) {
			t.Errorf("%q is %v, which reads as %v, %v", s, d, again, err2)
		}
	})
}

// TestBombs has documents that grow when they are read carelessly.
func TestBombs(t *testing.T) {
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 30; i++ {
		prev := "*a" + strconv.Itoa(i-1)
		laughs += "a" + strconv.Itoa(i) + ": &a" + strconv.Itoa(i) + " [" + strings.Repeat(prev+",", 8) + prev + "]\n"
	}
	for name, doc := range map[string]string{
		"laughs":        head + laughs + "proxies: *a29\nservices: [*a29]\n",
		"itself":        head + "proxies: &p [*p, *p]\n",
		"deep brackets": strings.Repeat("[", config.MaxSize),
		"deep mappings": strings.Repeat("{a: ", config.MaxSize/4),
		"deep dashes":   strings.Repeat("- ", config.MaxSize/2),
		"aliases":       head + "x: &x [/a]\nservices: [{name: s, preflight: [" + strings.Repeat("*x,", config.MaxSize/12) + "*x]}]\n",
		"keys":          head + strings.Repeat("? ", config.MaxSize/4),
		"late fault":    head + strings.Repeat("# nothing here\n", config.MaxSize/60) + "a: b: c\n",
		"quotes":        "vo: \"" + strings.Repeat("\\u0061", config.MaxSize/6-2),
		"long word":     head + strings.Repeat("z", config.MaxSize-100) + ": 1\n",
		"long value":    "version: 1\nvo: " + strings.Repeat("z", config.MaxSize-100) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, doc)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := config.Load(path, testEnv())
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("it is accepted")
			}
			checkFaults(t, err)
			if n := len(err.Error()); n > 1<<20 {
				t.Errorf("the message has %d bytes", n)
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 300 {
				t.Errorf("%d MiB were allocated", used)
			}
		})
	}
}
