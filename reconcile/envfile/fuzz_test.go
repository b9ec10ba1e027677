package envfile_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
)

func seed(add func(string)) {
	for _, p := range slices.Concat(pieces, bashPieces) {
		add(strings.NewReplacer("M", "M1", "U", "U1").Replace(p))
	}
	add("export X509_USER_PROXY=$( ls -t /var/lib/vobox/alice/proxy_repository/*lcgadmin | sed q )\nexport MYPROXY_SERVER=myproxy.cern.ch\n")
	add("M1=1;M1=2 \\\n;export M1 U1\r\nexit")
}

// Whatever the file, Apply refuses it or reaches a point where it has no more to do, with the value that was asked for;
// and lines that do not hold the name of a managed variable are all still there, byte for byte and in their order.
func FuzzApply(f *testing.F) {
	seed(func(s string) {
		f.Add([]byte(s), "/r/p", uint8(0))
		f.Add([]byte(s), "it's a\nvalue", uint8(3))
	})
	f.Fuzz(func(t *testing.T, data []byte, value string, how uint8) {
		e := envfile.Edit{Export: how&1 != 0}
		if how&2 != 0 {
			e.Unset = []string{"M1"}
		} else {
			e.Set = []envfile.Var{{Name: "M1", Value: value}}
		}
		if how&4 != 0 {
			e.Set = append(e.Set, envfile.Var{Name: "M2", Value: value})
		}
		in := bytes.Clone(data)
		r, err := envfile.Apply(data, e)
		if !bytes.Equal(in, data) {
			t.Fatal("the input was written to")
		}
		if err != nil {
			return
		}
		check(t, string(data), e, r)
		for _, n := range []string{"U1", "U2"} {
			v1, s1, k1 := envfile.Lookup(data, n)
			v2, s2, k2 := envfile.Lookup(r.Content, n)
			if v1 != v2 || s1 != s2 || k1 != k2 {
				t.Errorf("from %q to %q, %s went from %q to %q", data, r.Content, n, v1, v2)
			}
		}
		left := strings.Split(string(r.Content), "\n")
		for line := range strings.SplitSeq(string(data), "\n") {
			// Any line may be part of a managed word that spans lines, so only those of files without quotes and the like.
			if strings.ContainsAny(string(data), "'\"`$\\({<") || strings.Contains(line, "M1") || strings.Contains(line, "M2") {
				continue
			}
			i := slices.Index(left, line)
			if i < 0 && !(strings.TrimSpace(line) == "" || strings.Contains(line, "exit") || strings.Contains(line, "return") || strings.Contains(line, "exec")) {
				t.Fatalf("from %q to %q, the line %q is gone", data, r.Content, line)
			}
			left = left[max(i, 0):]
		}
	})
}

// Lookup agrees with itself: a known value, written by Quote, is looked up as the same.
func FuzzLookup(f *testing.F) {
	seed(func(s string) { f.Add([]byte(s)) })
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, n := range []string{"M1", "U1"} {
			value, set, known := envfile.Lookup(data, n)
			if !known && value != "" || !set && value != "" {
				t.Errorf("%q: value %q, set %t, known %t", data, value, set, known)
			}
			if set && known {
				again, _, _ := envfile.Lookup([]byte(n+"="+envfile.Quote(value)), n)
				if again != value {
					t.Errorf("%q written and read is %q", value, again)
				}
			}
		}
	})
}

// A diff is text that is safe to print, with as many lines as its headers say; and Redact keeps lines. Wherever an
// assignment is, its value is not in the diff.
func FuzzDiff(f *testing.F) {
	seed(func(s string) { f.Add([]byte(s), []byte("A=1\nTOKEN=x\n"+s)) })
	f.Fuzz(func(t *testing.T, old, new []byte) {
		for _, data := range [][]byte{old, new} {
			r := envfile.Redact(data)
			if bytes.Count(r, []byte("\n")) != bytes.Count(data, []byte("\n")) {
				t.Fatalf("Redact made %q of %q", r, data)
			}
		}
		secret := envfile.Diff("old", slices.Concat(old, []byte("N=s3cret\n"), new), "new", slices.Concat(new, []byte("N=s3cret\n"), old))
		if strings.Contains(secret, "s3cret") && !bytes.Contains(slices.Concat(old, new), []byte("s3cret")) {
			t.Fatalf("from %q and %q the diff is %q", old, new, secret)
		}
		d := envfile.Diff("old", old, "new", new)
		if (d == "") != bytes.Equal(old, new) {
			t.Fatalf("from %q to %q the diff is %q", old, new, d)
		}
		if strings.ContainsFunc(d, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) {
			t.Errorf("the diff %q has control characters", d)
		}
		for i, line := range strings.Split(strings.TrimSuffix(d, "\n"), "\n") {
			if d != "" && (line == "" || !strings.Contains(" +-@\\", line[:1])) {
				t.Errorf("line %d of the diff is %q", i+1, line)
			}
		}
	})
}
