package envfile_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
)

// What each dialect reads. The expectations are those of the readers named, from their sources and manuals: docker's and
// podman's --env-file, systemd's env-file.c, java.util.Properties.load.
func TestFormatLookup(t *testing.T) {
	for _, c := range []struct {
		name   string
		format envfile.Format
		in     string
		value  string
		set    bool
	}{
		{"plain", envfile.Plain, "A=b\n", "b", true},
		{"plain, each character for itself", envfile.Plain, "A='b' $c # d\n", "'b' $c # d", true},
		{"plain, blanks stay", envfile.Plain, "A= b \n", " b ", true},
		{"plain, the last counts", envfile.Plain, "A=1\nA=2\n", "2", true},
		{"plain, indented", envfile.Plain, " \tA=b", "b", true},
		{"plain, CRLF", envfile.Plain, "A=b\r\n", "b", true},
		{"plain, comment", envfile.Plain, "# A=b\n", "", false},
		{"plain, name alone is the reader's", envfile.Plain, "A\n", "", false},
		{"plain, export is no name", envfile.Plain, "export A=b\n", "", false},
		{"plain, equals sign in the value", envfile.Plain, "A=b=c\n", "b=c", true},

		{"systemd", envfile.Systemd, "A=b\n", "b", true},
		{"systemd, double quotes", envfile.Systemd, `A="b \"c\" \$d \e"`, `b "c" $d \e`, true},
		{"systemd, single quotes", envfile.Systemd, `A='b \c'`, `b \c`, true},
		{"systemd, blanks around", envfile.Systemd, "A = b c \n", "b c", true},
		{"systemd, quoted parts", envfile.Systemd, "A=\"b\" \"c\"\n", "bc", true},
		{"systemd, quotes inside a word", envfile.Systemd, "A=b'c'\n", "b'c'", true},
		{"systemd, continued", envfile.Systemd, "A=b\\\nc\n", "bc", true},
		{"systemd, line break in quotes", envfile.Systemd, "A=\"b\nc\"\n", "b\nc", true},
		{"systemd, continued in quotes", envfile.Systemd, "A=\"b\\\nc\"\n", "bc", true},
		{"systemd, comments", envfile.Systemd, "# A=1\n; A=2\nA=3 # no comment\n", "3 # no comment", true},
		{"systemd, export is passed over", envfile.Systemd, "export A=b\n", "", false},
		{"systemd, empty", envfile.Systemd, "A=\n", "", true},
		{"systemd, empty then other", envfile.Systemd, "A= \nB=c\n", "", true},
		{"systemd, escaped blank", envfile.Systemd, "A=b\\ \n", "b ", true},

		{"properties", envfile.Properties, "A=b\n", "b", true},
		{"properties, as JAliEn has them", envfile.Properties, "A = 1.7.8-1\n", "1.7.8-1", true},
		{"properties, colon", envfile.Properties, "A: b\n", "b", true},
		{"properties, blank", envfile.Properties, "A b\n", "b", true},
		{"properties, name alone", envfile.Properties, "A\n", "", true},
		{"properties, continued", envfile.Properties, "A = b,\\\n    c\n", "b,c", true},
		{"properties, no end of a continuation", envfile.Properties, "A=b\\", "b", true},
		{"properties, escapes", envfile.Properties, `A=\ta\u00e9\:\q`, "\taé:q", true},
		{"properties, surrogates", envfile.Properties, `A=\ud83d\ude00`, "😀", true},
		{"properties, comments", envfile.Properties, "# A=1\n! A=2\\\nA=3\n", "3", true},
		{"properties, blanks at the end stay", envfile.Properties, "A=b \n", "b ", true},
		{"properties, escaped name", envfile.Properties, `\A=b`, "b", true},
		{"properties, carriage return ends a line", envfile.Properties, "A=b\rB=c", "b", true},

		// The generated ~/.alien/Environment has both forms; old start-ups sourced it.
		{"AliEn, shell", envfile.Auto, "ALIEN_ORGANISATION=ALICE\nexport A=jdoe\n", "jdoe", true},
		{"AliEn, without export", envfile.Auto, "A=jdoe\n", "jdoe", true},
		{"AliEn, plain", envfile.Auto, "A=jdoe\nALIEN_NAME=Jane Doe\n", "jdoe", true},
		{"AliEn, with a shell's words in it", envfile.Auto, "export PATH=$HOME/bin:$PATH\nA=\"j\"doe\n", "jdoe", true},
	} {
		value, set, known := c.format.Lookup([]byte(c.in), "A")
		if value != c.value || set != c.set || !known {
			t.Errorf("%s: A in %q is %q (set %t, known %t), want %q (set %t)", c.name, c.in, value, set, known, c.value, c.set)
		}
	}
}

func TestFormatApply(t *testing.T) {
	for _, c := range []struct {
		name            string
		format          envfile.Format
		in, value, want string
	}{
		{"plain", envfile.Plain, "A=1\nB=2\n", "/p q", "A=/p q\nB=2\n"},
		{"plain, new", envfile.Plain, "B=2", "x", "B=2\nA=x"},
		{"plain, empty file", envfile.Plain, "", "x", "A=x\n"},
		{"plain, name alone", envfile.Plain, "A\n", "x", "A=x\n"},
		{"plain, twice", envfile.Plain, "A=1\nB=2\nA=3\n", "x", "A=x\nB=2\n"},
		{"plain, the last is right", envfile.Plain, "A=1\nA=x\n", "x", "A=1\nA=x\n"},
		{"plain, CRLF", envfile.Plain, "A=1\r\nB=2\r\n", "x", "A=x\r\nB=2\r\n"},

		{"systemd, bare", envfile.Systemd, "A=1\n", "/p", "A=/p\n"},
		{"systemd, blanks around stay", envfile.Systemd, "A = 1 \n", "/p", "A = /p \n"},
		{"systemd, quoted", envfile.Systemd, "A='1 2'\n", "3 4", "A=\"3 4\"\n"},
		{"systemd, special", envfile.Systemd, "A=1\n", "a\"b$c`d\\e\nf", "A=\"a\\\"b\\$c\\`d\\\\e\nf\"\n"},
		{"systemd, continued", envfile.Systemd, "A=1\\\n2\nB=3\n", "x", "A=x\nB=3\n"},
		{"systemd, behind a continuation", envfile.Systemd, "B=1\\", "x", "B=1\\\n\nA=x"},
		{"systemd, behind a continuation with a newline", envfile.Systemd, "B=1\\\n", "x", "B=1\\\n\nA=x\n"},
		{"systemd, empty", envfile.Systemd, "A=1\n", "", "A=\n"},

		{"properties, as JAliEn has them", envfile.Properties, "JALIEN = 1\nA = 2\n", "3", "JALIEN = 1\nA = 3\n"},
		{"properties, name alone", envfile.Properties, "A\n", "3", "A=3\n"},
		{"properties, name and blank", envfile.Properties, "A \n", "3", "A 3\n"},
		{"properties, special", envfile.Properties, "A=1\n", " a\\b\té😀", "A=\\ a\\\\b\\t\\u00e9\\ud83d\\ude00\n"},
		{"properties, continued", envfile.Properties, "A = b,\\\n    c\nB=1\n", "x", "A = x\nB=1\n"},

		{"AliEn, its form stays", envfile.Auto, "A=1\nexport B=2\n", "x", "A=x\nexport B=2\n"},
		{"AliEn, its export stays", envfile.Auto, "export A=1\nB=2\n", "x", "export A=x\nB=2\n"},
		{"AliEn, right as it is", envfile.Auto, "A=x\n", "x", "A=x\n"},
		{"AliEn, new", envfile.Auto, "B=2\n", "x", "B=2\nexport A=x\n"},
		{"AliEn, plain", envfile.Auto, "A=1\nB=Jane Doe\n", "x", "A=x\nB=Jane Doe\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := envfile.Edit{Format: c.format, Export: true, Set: []envfile.Var{{Name: "A", Value: c.value}}}
			r, err := envfile.Apply([]byte(c.in), e)
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Content) != c.want {
				t.Errorf("from %q: got %q, want %q", c.in, r.Content, c.want)
			}
			checkFormat(t, c.in, e, r)
		})
	}
}

// checkFormat checks what holds for every edit.
func checkFormat(t *testing.T, in string, e envfile.Edit, r envfile.Result) {
	t.Helper()
	if r.Changed != (string(r.Content) != in) || r.Changed != (len(r.Changes) > 0) {
		t.Errorf("Changed is %t with %q, from %q to %q", r.Changed, r.Changes, in, r.Content)
	}
	again, err := envfile.Apply(r.Content, e)
	if err != nil || again.Changed {
		t.Errorf("from %q to %q; applied again: %q, %v", in, r.Content, again.Content, err)
	}
	for _, v := range e.Set {
		if got, set, known := e.Format.Lookup(r.Content, v.Name); got != v.Value || !set || !known {
			t.Errorf("in %q, %s is %q (set %t, known %t), want %q", r.Content, v.Name, got, set, known, v.Value)
		}
	}
	for _, name := range e.Unset {
		if _, set, _ := e.Format.Lookup(r.Content, name); set {
			t.Errorf("in %q, %s is still set", r.Content, name)
		}
	}
}

func TestFormatUnset(t *testing.T) {
	for _, c := range []struct {
		format   envfile.Format
		in, want string
	}{
		{envfile.Plain, "A=1\nB=2\nA\n", "B=2\n"},
		{envfile.Plain, "B=2\nA=1", "B=2"},
		{envfile.Systemd, "# c\nA=1\\\n2\nB=3\n", "# c\nB=3\n"},
		{envfile.Systemd, "  A=1\nB=3\n", "B=3\n"},
		{envfile.Properties, "A b\\\n c\nB=3\n", "B=3\n"},
		{envfile.Auto, "export A=1\nB=3\n", "B=3\n"},
	} {
		e := envfile.Edit{Format: c.format, Unset: []string{"A"}}
		r, err := envfile.Apply([]byte(c.in), e)
		if err != nil || string(r.Content) != c.want {
			t.Errorf("%s: from %q: got %q, %v; want %q", c.format, c.in, r.Content, err, c.want)
		}
		checkFormat(t, c.in, e, r)
	}
}

func TestFormatRefused(t *testing.T) {
	for _, c := range []struct {
		format    envfile.Format
		in, value string
		line      int // of a SyntaxError; 0: another error
		say       string
	}{
		{envfile.Plain, "", "a\nb", 0, "A: a value with a line break"},
		{envfile.Systemd, "B=1\nC=\"2\n", "x", 2, "a quote that is not closed"},
		{envfile.Systemd, "B=1\n# c\\\nA=2\n", "x", 2, "a comment that ends in a backslash"},
		{envfile.Systemd, "", "\xff", 0, "no UTF-8"},
		{envfile.Properties, "B=1\nC=\\u12\n", "x", 2, "hexadecimal"},
		{envfile.Properties, "", "\xff", 0, "no UTF-8"},
		{envfile.Plain, "B=\x00\n", "x", 1, "NUL"},
		{"toml", "", "x", 0, `"toml" is not a format`},
	} {
		_, err := envfile.Apply([]byte(c.in), envfile.Edit{Format: c.format, Set: []envfile.Var{{Name: "A", Value: c.value}}})
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s %q: %v, want %q", c.format, c.in, err, c.say)
			continue
		}
		var syntax *envfile.SyntaxError
		if errors.As(err, &syntax) != (c.line > 0) || syntax != nil && syntax.Line != c.line {
			t.Errorf("%s %q: %v, want line %d", c.format, c.in, err, c.line)
		}
	}
}

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]envfile.Format{
		"/home/alicesgm/.alien/Environment": envfile.Auto, "/home/alicesgm/.alien/config/CE.env": envfile.Shell,
		"/home/alicesgm/.alien/config/version.properties": envfile.Properties, "Environment": envfile.Auto, "": envfile.Shell,
	} {
		if got := envfile.FormatOf(path); got != want {
			t.Errorf("FormatOf(%q) = %q, want %q", path, got, want)
		}
	}
}

// A diff shows of other variables the names only, whatever the dialect.
func TestFormatDiff(t *testing.T) {
	for _, c := range []struct {
		format       envfile.Format
		in, shown    string
		hidden, name string
	}{
		{envfile.Plain, "# c\nB=sesame open\nA=1\n", "-A=1\n+A=/p\n", "sesame", "B="},
		{envfile.Systemd, "; c\nB=\"sesame\nopen\"\nA=1\n", "-A=1\n+A=/p\n", "sesame", "B="},
		{envfile.Properties, "! c\nB = sesame\\\n open\nA = 1\n", "-A = 1\n+A = /p\n", "sesame", "B ="},
		{envfile.Auto, "# c\nB=sesame open\nA=1\n", "-A=1\n+A=/p\n", "sesame", "B="},
	} {
		e := envfile.Edit{Format: c.format, Set: []envfile.Var{{Name: "A", Value: "/p"}}}
		r, err := envfile.Apply([]byte(c.in), e)
		if err != nil {
			t.Fatal(err)
		}
		got := e.Diff("f", []byte(c.in), "f", r.Content)
		if !strings.Contains(got, c.shown) || strings.Contains(got, c.hidden) || strings.Contains(got, "open") || !strings.Contains(got, c.name) {
			t.Errorf("%s: the diff is\n%s", c.format, got)
		}
	}
}

// Whatever the file and the dialect, Apply refuses it or gives what was asked for, and other variables keep their values.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"A=b\nB=c\n", "A = \"b\\\nc\"\nB='x'\n", "export A=1\n", "A\\u0041: b\\\n  c\n", "# A=1\n;B=2\n! C\n", "A=b\\", "B=1\r\nA=2\rC=3", "A \n\tB  c"} {
		for i := range 4 {
			f.Add([]byte(s), "va l\\ue", uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, value string, how uint8) {
		format := []envfile.Format{envfile.Plain, envfile.Systemd, envfile.Properties, envfile.Auto}[how%4]
		e := envfile.Edit{Format: format}
		if how&4 != 0 {
			e.Unset = []string{"A"}
		} else {
			e.Set = []envfile.Var{{Name: "A", Value: value}}
		}
		in := bytes.Clone(data)
		r, err := envfile.Apply(data, e)
		if !bytes.Equal(in, data) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			return
		}
		if format == envfile.Auto && envfile.Detect(data) != envfile.Detect(r.Content) {
			return // with other lines it may be the other dialect
		}
		checkFormat(t, string(data), e, r)
		for _, name := range []string{"B", "C"} {
			v1, s1, k1 := format.Lookup(data, name)
			v2, s2, k2 := format.Lookup(r.Content, name)
			if v1 != v2 || s1 != s2 || k1 != k2 {
				t.Errorf("%s: from %q to %q, %s went from %q to %q", format, data, r.Content, name, v1, v2)
			}
		}
		e.Diff("f", data, "f", r.Content)
	})
}

func TestFormats(t *testing.T) {
	if got := envfile.Formats(); len(got) != 5 || !slices.Contains(got, envfile.Shell) {
		t.Errorf("formats: %q", got)
	}
}

// What a dialect makes of a large file is right, whatever the number of lines.
func TestFormatLarge(t *testing.T) {
	var b strings.Builder
	for i := 0; b.Len() < envfile.MaxSize/8; i++ {
		b.WriteString("V" + strings.Repeat("x", i%7) + strings.Map(func(r rune) rune { return r + 17 }, strings.Repeat("0", 1+i%5)) + "=1\n")
	}
	for _, format := range envfile.Formats() {
		if format == envfile.Shell {
			continue
		}
		if _, err := envfile.Apply([]byte(b.String()), envfile.Edit{Format: format, Set: []envfile.Var{{Name: "A", Value: "x"}}}); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
}
