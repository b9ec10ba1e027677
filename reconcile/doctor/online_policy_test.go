package doctor_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
)

func TestMatches(t *testing.T) {
	const box = "/DC=org/DC=gridtest/OU=computers/CN=vobox.example.org"
	for _, tc := range []struct {
		policy string
		name   string
		want   bool
	}{
		{box, box, true},
		{"*", box, true},
		{"*/CN=vobox.example.org", box, true},
		{"SUBJECT:*/CN=vobox.example.org", box, true},
		{"*/CN=voboxXexample.org", box, false},
		{"*/CN=vobox.example.org", strings.ReplaceAll(box, ".", "x"), false},
		{"*/CN=other.example.org", box, false},
		{"/CN=vobox.example.org", box, false}, // the whole name has to match
		{"*/CN=vobox?example?org", box, true},
		{"*/CN=(vobox|px).example.org", box, true},
		{`*/CN=a\*b`, "/O=x/CN=a*b", true},
		{`*/CN=a\*b`, "/O=x/CN=axb", false},
		{"*/CN=(vobox", box, true}, // no expression: who knows
		{"FQAN:/alice/*", box, true},
		{strings.Repeat("x", 5000), box, true},
	} {
		if got := doctor.Matches(tc.policy, tc.name); got != tc.want {
			t.Errorf("matches(%.60q, %q) = %v", tc.policy, tc.name, got)
		}
	}
}

// Whatever a server sends is no reason to fall over, and what is quoted matches itself and nothing longer.
func FuzzMatches(f *testing.F) {
	for _, s := range []string{"*/CN=x", `a\`, "(", "FQAN:", "SUBJECT:?", "[[:foo:]]", "a{1000}{1000}", "/O=Grid/CN=Jörg+*"} {
		f.Add(s, "/CN=x")
	}
	f.Fuzz(func(t *testing.T, policy, name string) {
		doctor.Matches(policy, name)
		if !regexp.MustCompile(`^[ -~]{1,1000}$`).MatchString(name) || strings.HasPrefix(name, "SUBJECT:") || strings.HasPrefix(name, "FQAN:") {
			return
		}
		quoted := regexp.QuoteMeta(name)
		if !doctor.Matches(quoted, name) || doctor.Matches(quoted, name+"/CN=proxy") {
			t.Errorf("%q is quoted as %q", name, quoted)
		}
	})
}
