package config

import (
	"strings"
	"testing"
)

// FuzzForms holds the functions that recognise forms against the patterns, which are what the schema says.
func FuzzForms(f *testing.F) {
	forms := []*form{formLine, formAny, formVO, formAccount, formName, formVariable, formPath, formServer, formDN, formFQAN}
	for _, form := range forms {
		f.Add(form.example)
	}
	for _, s := range []string{"", "a", "_", "-a", "a-", "a.", "/", "/=", "~", "a\n", "a\x85", "a\xff", "é", "A b", "host:", "host:0", "host:123456",
		":80", "[::1]", "[::1]:7512", "[]", "[:80", "[::1", "[::g]", "[::1]a", "a,b", "a, [::1]:1,  b:2", "a,", ",a", "a ,b", "a:1:2", "a..b", "x_1", "1x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, form := range forms {
			if form.by == nil {
				t.Fatalf("%s is not recognised by a function", form.is)
			}
			if got, want := form.by(s), form.compile().MatchString(s); got != want {
				t.Errorf("%q is %s: got %v, the pattern says %v", s, form.is, got, want)
			}
		}
	})
}

func TestFormsOfAnyLength(t *testing.T) {
	for _, form := range []*form{formVO, formAccount, formName} {
		for n := range 260 {
			s := strings.Repeat("a", n)
			if got, want := form.by(s), form.compile().MatchString(s); got != want {
				t.Errorf("%d letters are %s: got %v, the pattern says %v", n, form.is, got, want)
			}
		}
	}
}
