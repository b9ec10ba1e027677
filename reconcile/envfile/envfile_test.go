package envfile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

const proxy = "X509_USER_PROXY"

// apply applies e, and checks what holds for every edit: again it changes nothing, and Lookup gives the values.
func apply(t *testing.T, in string, e envfile.Edit) envfile.Result {
	t.Helper()
	r, err := envfile.Apply([]byte(in), e)
	if err != nil {
		t.Fatalf("applying to %q: %v", in, err)
	}
	check(t, in, e, r)
	return r
}

func check(t *testing.T, in string, e envfile.Edit, r envfile.Result) {
	t.Helper()
	if r.Changed != (string(r.Content) != in) {
		t.Errorf("Changed is %t, from %q to %q", r.Changed, in, r.Content)
	}
	if r.Changed != (len(r.Changes) > 0) {
		t.Errorf("Changed is %t, and Changes %q", r.Changed, r.Changes)
	}
	again, err := envfile.Apply(r.Content, e)
	if err != nil || again.Changed {
		t.Errorf("from %q to %q; applied again: %q, %v", in, r.Content, again.Content, err)
	}
	for _, v := range e.Set {
		if got, set, known := envfile.Lookup(r.Content, v.Name); got != v.Value || !set || !known {
			t.Errorf("in %q, %s is %q (set %t, known %t), want %q", r.Content, v.Name, got, set, known, v.Value)
		}
	}
	for _, name := range e.Unset {
		if _, set, _ := envfile.Lookup(r.Content, name); set {
			t.Errorf("in %q, %s is still set", r.Content, name)
		}
	}
}

func TestApplySet(t *testing.T) {
	for _, c := range []struct{ name, in, value, want string }{
		// The line of the ALICE documentation.
		{"the documented line", "# CE environment bootstrap\nexport X509_USER_PROXY=$( ls -t /var/lib/vobox/alice/proxy_repository/*lcgadmin | sed q )\n",
			"/r/p-lcgadmin", "# CE environment bootstrap\nexport X509_USER_PROXY=/r/p-lcgadmin\n"},
		{"its neighbour stays", "export X509_USER_PROXY=$( ls -t /r/*lcgadmin | sed q )\nexport MYPROXY_SERVER=myproxy.cern.ch\n",
			"/p", "export X509_USER_PROXY=/p\nexport MYPROXY_SERVER=myproxy.cern.ch\n"},
		{"empty file", "", "/p", "export X509_USER_PROXY=/p\n"},
		{"new", "A=1\n", "/p", "A=1\nexport X509_USER_PROXY=/p\n"},
		{"new, no final newline", "A=1", "/p", "A=1\nexport X509_USER_PROXY=/p"},
		{"no final newline", "export X509_USER_PROXY=/old", "/p", "export X509_USER_PROXY=/p"},
		{"only a comment", "#X509_USER_PROXY=/p", "/p", "#X509_USER_PROXY=/p\nexport X509_USER_PROXY=/p"},
		{"trailing comment", "export X509_USER_PROXY=/old  # old # older\n", "/p", "export X509_USER_PROXY=/p  # old # older\n"},
		{"indented", "\texport  X509_USER_PROXY=/old\n", "/p", "\texport  X509_USER_PROXY=/p\n"},

		// Already right.
		{"equal", "export X509_USER_PROXY=/p\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"equal in quotes", "export X509_USER_PROXY='/'\"p\"\\q\n", "/pq", "export X509_USER_PROXY='/'\"p\"\\q\n"},
		{"equal, whole word in quotes", "export \"X509_USER_PROXY=/p\"\n", "/p", "export \"X509_USER_PROXY=/p\"\n"},
		{"equal, exported after", "X509_USER_PROXY=/p; export X509_USER_PROXY\n", "/p", "X509_USER_PROXY=/p; export X509_USER_PROXY\n"},
		{"equal, exported before", "export X509_USER_PROXY\nX509_USER_PROXY=/p\n", "/p", "export X509_USER_PROXY\nX509_USER_PROXY=/p\n"},
		{"equal, all exported", "set -a\nX509_USER_PROXY=/p\n", "/p", "set -a\nX509_USER_PROXY=/p\n"},
		{"equal, declare", "declare -x X509_USER_PROXY=/p", "/p", "declare -x X509_USER_PROXY=/p"},
		{"the last is equal", "X509_USER_PROXY=/a\nexport X509_USER_PROXY=/p\n", "/p", "X509_USER_PROXY=/a\nexport X509_USER_PROXY=/p\n"},
		{"equal over lines", "export X509_USER_PROXY='a\nb'\n", "a\nb", "export X509_USER_PROXY='a\nb'\n"},
		{"equal with a tilde inside", "export X509_USER_PROXY=/a~b\n", "/a~b", "export X509_USER_PROXY=/a~b\n"},

		// Forms.
		{"assigned, not exported", "X509_USER_PROXY=/old\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"exported after", "X509_USER_PROXY=/old; export X509_USER_PROXY\n", "/p", "X509_USER_PROXY=/p; export X509_USER_PROXY\n"},
		{"several of an export", "export A=1 X509_USER_PROXY=/old B=2\n", "/p", "export A=1 X509_USER_PROXY=/p B=2\n"},
		{"several assigned", "A=1 X509_USER_PROXY=/old B=2\n", "/p", "A=1; export X509_USER_PROXY=/p; B=2\n"},
		{"declare -x", "declare -x X509_USER_PROXY=\"/old\"\n", "/p", "declare -x X509_USER_PROXY=/p\n"},
		{"typeset", "typeset -x X509_USER_PROXY=\"/old\"\n", "/p", "typeset -x X509_USER_PROXY=/p\n"},
		{"declare without -x", "declare X509_USER_PROXY=/old\n", "/p", "declare X509_USER_PROXY=/p\nexport X509_USER_PROXY\n"},
		{"readonly", "readonly X509_USER_PROXY=/old\n", "/p", "readonly X509_USER_PROXY=/p\nexport X509_USER_PROXY\n"},
		{"continuation", "export \\\n  X509_USER_PROXY=/ol\\\nd \\\n  A=1\n", "/p", "export \\\n  X509_USER_PROXY=/p \\\n  A=1\n"},
		{"quotes over lines", "export X509_USER_PROXY=\"a\nX509_USER_PROXY=b\"\nB=1\n", "/p", "export X509_USER_PROXY=/p\nB=1\n"},
		{"+=", "export X509_USER_PROXY=/a\nX509_USER_PROXY+=:/b\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"an array", "X509_USER_PROXY=(a \"b c\" # comment\n)\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"tilde", "export X509_USER_PROXY=~/p\n", "~/p", "export X509_USER_PROXY='~/p'\n"},

		// Several.
		{"the first is set, the others go", "export X509_USER_PROXY=/a\nB=$X509_USER_PROXY\nexport X509_USER_PROXY=/b # late\nC=1\nX509_USER_PROXY=/c\n",
			"/p", "export X509_USER_PROXY=/p\nB=$X509_USER_PROXY\nC=1\n"},
		{"first right, later wrong", "export X509_USER_PROXY=/p\nexport X509_USER_PROXY=/b\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"on one line", "export X509_USER_PROXY=/a A=1 X509_USER_PROXY=/b\n", "/p", "export X509_USER_PROXY=/p A=1\n"},
		{"with others on the line", "X509_USER_PROXY=/a; B=1; X509_USER_PROXY=/b; C=1; X509_USER_PROXY=/c\n",
			"/p", "export X509_USER_PROXY=/p; B=1; C=1\n"},
		{"the second gave the export", "X509_USER_PROXY=/a\nexport X509_USER_PROXY=/b\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"the last goes, no final newline", "export X509_USER_PROXY=/a\nB=1\nexport X509_USER_PROXY=/b", "/p", "export X509_USER_PROXY=/p\nB=1"},

		// What may run or not.
		{"if", "if [ -e /p ]; then\n  X509_USER_PROXY=/a\nfi\n", "/p", "if [ -e /p ]; then\n  X509_USER_PROXY=/a\nfi\nexport X509_USER_PROXY=/p\n"},
		{"if, then for certain", "X509_USER_PROXY=/d\nif x; then X509_USER_PROXY=/a; fi\nexport X509_USER_PROXY=/b\n",
			"/p", "X509_USER_PROXY=/d\nif x; then X509_USER_PROXY=/a; fi\nexport X509_USER_PROXY=/p\n"},
		{"and list", "[ -e /a ] && X509_USER_PROXY=/a\n", "/p", "[ -e /a ] && X509_USER_PROXY=/a\nexport X509_USER_PROXY=/p\n"},
		{"function", "f() { X509_USER_PROXY=/a; }\nf\n", "/p", "f() { X509_USER_PROXY=/a; }\nf\nexport X509_USER_PROXY=/p\n"},
		{"case", "case $x in a|b) X509_USER_PROXY=/a ;; (*) X509_USER_PROXY=/b\nesac\n", "/p", "case $x in a|b) X509_USER_PROXY=/a ;; (*) X509_USER_PROXY=/b\nesac\nexport X509_USER_PROXY=/p\n"},
		{"default", ": ${X509_USER_PROXY:=/tmp/x}\n", "/p", ": ${X509_USER_PROXY:=/tmp/x}\nexport X509_USER_PROXY=/p\n"},
		{"default after a value", "export X509_USER_PROXY=/a\n: ${X509_USER_PROXY:=/tmp/x}\n", "/p", "export X509_USER_PROXY=/p\n: ${X509_USER_PROXY:=/tmp/x}\n"},
		{"unset after", "export X509_USER_PROXY=/p\nunset X509_USER_PROXY\n", "/p", "export X509_USER_PROXY=/p\nunset X509_USER_PROXY\nexport X509_USER_PROXY=/p\n"},
		{"eval", "eval \"X509_USER_PROXY=/a\"\n", "/p", "eval \"X509_USER_PROXY=/a\"\nexport X509_USER_PROXY=/p\n"},
		{"a call of a function", "f() { X509_USER_PROXY=/a; }\nexport X509_USER_PROXY=/p\nf x\n", "/p",
			"f() { X509_USER_PROXY=/a; }\nexport X509_USER_PROXY=/p\nf x\nexport X509_USER_PROXY=/p\n"},
		{"the export is taken back", "X509_USER_PROXY=/a\nexport -n X509_USER_PROXY\n", "/p", "export X509_USER_PROXY=/p\nexport -n X509_USER_PROXY\nexport X509_USER_PROXY\n"},
		{"read", "read -r X509_USER_PROXY < /etc/p\n", "/p", "read -r X509_USER_PROXY < /etc/p\nexport X509_USER_PROXY=/p\n"},

		// What is no assignment.
		{"of a command", "X509_USER_PROXY=/a voms-proxy-info\n", "/p", "X509_USER_PROXY=/a voms-proxy-info\nexport X509_USER_PROXY=/p\n"},
		{"in a subshell", "( X509_USER_PROXY=/a )\n", "/p", "( X509_USER_PROXY=/a )\nexport X509_USER_PROXY=/p\n"},
		{"in a substitution", "A=$(X509_USER_PROXY=/a; case x in x) echo ')';; esac)\n", "/p", "A=$(X509_USER_PROXY=/a; case x in x) echo ')';; esac)\nexport X509_USER_PROXY=/p\n"},
		{"in quotes", "A='\nX509_USER_PROXY=/a\n'\n", "/p", "A='\nX509_USER_PROXY=/a\n'\nexport X509_USER_PROXY=/p\n"},
		{"in a here-document", "cat <<-'E F' >/dev/null\n\tX509_USER_PROXY=/a '\n\tE F\nB=1\n", "/p", "cat <<-'E F' >/dev/null\n\tX509_USER_PROXY=/a '\n\tE F\nB=1\nexport X509_USER_PROXY=/p\n"},
		{"an argument", "echo X509_USER_PROXY=/a\n", "/p", "echo X509_USER_PROXY=/a\nexport X509_USER_PROXY=/p\n"},
		{"a longer name", "MY_X509_USER_PROXY=/a X509_USER_PROXY_2=/b\n", "/p", "MY_X509_USER_PROXY=/a X509_USER_PROXY_2=/b\nexport X509_USER_PROXY=/p\n"},
		{"a comment with a quote", "# it's\nB=1 # it's\n", "/p", "# it's\nB=1 # it's\nexport X509_USER_PROXY=/p\n"},

		// The end of what is read.
		{"return", "B=1\n  return 0\nX509_USER_PROXY=/a\n", "/p", "B=1\n  export X509_USER_PROXY=/p\nreturn 0\nX509_USER_PROXY=/a\n"},
		{"exit on a line", "B=1; exit\n", "/p", "B=1; export X509_USER_PROXY=/p; exit\n"},
		{"exit with a condition", "[ -e /a ] || exit 1\n", "/p", "[ -e /a ] || exit 1\nexport X509_USER_PROXY=/p\n"},
		{"the file ends in a continuation", "B=1 \\\n", "/p", "B=1 \\\n\nexport X509_USER_PROXY=/p\n"},

		// CRLF.
		{"CRLF", "# c\r\nexport X509_USER_PROXY=/p\r\nB=1\r\n", "/p", "# c\r\nexport X509_USER_PROXY=/p\nB=1\r\n"},
		{"CRLF, quoted", "export X509_USER_PROXY=\"/p\"\r\n", "/p", "export X509_USER_PROXY=/p\n"},
		{"CRLF after a comment", "export X509_USER_PROXY=/a # c\r\n", "/p", "export X509_USER_PROXY=/p # c\r\n"},
		{"CRLF after a blank", "export X509_USER_PROXY=/a \r\n", "/p", "export X509_USER_PROXY=/p\n"},

		// Values.
		{"space and quote", "", "it's a value", "export X509_USER_PROXY='it'\\''s a value'\n"},
		{"empty", "", "", "export X509_USER_PROXY=''\n"},
		{"newline", "", "a\nb", "export X509_USER_PROXY='a\nb'\n"},
		{"expansions", "", "$HOME`x`\\*", "export X509_USER_PROXY='$HOME`x`\\*'\n"},
		{"the legacy proxy name", "", "/r/+2fC+3dPT+2fCN+3dA+20B-voms alice:+2falice+2fRole+3dlcgadmin",
			"export X509_USER_PROXY='/r/+2fC+3dPT+2fCN+3dA+20B-voms alice:+2falice+2fRole+3dlcgadmin'\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := apply(t, c.in, envfile.Edit{Set: []envfile.Var{{Name: proxy, Value: c.value}}, Export: true})
			if string(r.Content) != c.want {
				t.Errorf("from %q\n got %q\nwant %q", c.in, r.Content, c.want)
			}
		})
	}
}

func TestApplyWithoutExport(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"new", "", "A=1\n"},
		{"plain", "A=0\n", "A=1\n"},
		{"exported", "export A=0\n", "A=1\n"},
		{"exported, equal", "export A=1 # c\n", "A=1 # c\n"},
		{"with others", "export B=1 A=0 C=2\n", "export B=1; A=1; export C=2\n"},
		{"first of others", "export A=0 C=2\n", "A=1; export C=2\n"},
		{"last of others", "declare -x B=1 A=0\n", "declare -x B=1; A=1\n"},
		{"by itself", "A=0; export A\n", "A=1\n"},
		{"among others", "A=1\nexport B A C\n", "A=1\nexport B C\n"},
		{"whole word in quotes", "export \"A=1\"\n", "A=1\n"},
		{"set -a", "set -o allexport\nA=1\nset +a\n", "set -o allexport\nA=1\nset +a\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := apply(t, c.in, envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "1"}}})
			if string(r.Content) != c.want {
				t.Errorf("from %q\n got %q\nwant %q", c.in, r.Content, c.want)
			}
		})
	}
}

func TestAnExportThatCannotBeTakenBackIsReported(t *testing.T) {
	r := apply(t, "command export A=1\n", envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "1"}}})
	if r.Changed || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "A: stays exported") {
		t.Errorf("got %+v", r)
	}
}

func TestApplyUnset(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"absent", "B=1\n", "B=1\n"},
		{"a line", "B=1\nexport A=1 # c\nC=1\n", "B=1\nC=1\n"},
		{"a block", "A='\n\n'\nC=1\n", "C=1\n"},
		{"and its export", "B=1\nA=1; export A\nC=1", "B=1\nC=1"},
		{"one of several", "export B=1 A=1 C=1\nexport A B\n", "export B=1 C=1\nexport B\n"},
		{"the first of several", "A=1 B=1\n", "B=1\n"},
		{"the last line", "B=1\nA=1\n", "B=1\n"},
		{"the last line, no newline", "B=1\nA=1", "B=1"},
		{"all of several", "B=1\nexport A=1\nA=2\nA=3", "B=1"},
		{"all of the file", "A=1", ""},
		{"before a semicolon", "A=1; B=1\n", "B=1\n"},
		{"after a semicolon", "B=1; A=1 # c\n", "B=1 # c\n"},
		{"between", "B=1;A=1;C=1\n", "B=1;C=1\n"},
		{"all of a line", "A=1;A=2;A=3;\nB=1\n", "\nB=1\n"},
		{"last, with a semicolon", "B=1; A=1; # c\n", "B=1; # c\n"},
		{"after fi", "if x; then y; fi; A=1\n", "if x; then y; fi\n"},
		{"a default", ": ${A:=1}\n", ": ${A:=1}\nunset A\n"},
		{"a condition", "A=0\nif x; then A=1; fi", "if x; then A=1; fi\nunset A"},
		{"already", "A=1\nunset A\n", "A=1\nunset A\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := apply(t, c.in, envfile.Edit{Unset: []string{"A"}, Export: true})
			if string(r.Content) != c.want {
				t.Errorf("from %q\n got %q\nwant %q", c.in, r.Content, c.want)
			}
		})
	}
}

func TestChangesAreToldInTheOrderOfTheEdit(t *testing.T) {
	in := "export B=0\nif x; then A=1; fi\nexport GONE=1\nD=1\nexport CR=x\r\nB=2\nexport DB_PASSWORD=a\n"
	r := apply(t, in, envfile.Edit{
		Set: []envfile.Var{{Name: "B", Value: "b c"}, {Name: "A", Value: "2"}, {Name: "D", Value: "1"}, {Name: "CR", Value: "x"},
			{Name: "DB_PASSWORD", Value: "hunter2"}},
		Unset: []string{"GONE", "NEVER"}, Export: true,
	})
	want := []string{
		"B: set to 'b c', a later assignment on line 6 removed",
		"A: set to 2, at the end: line 2 may set it to something else and is left as it is",
		"D: exported",
		"CR: set to x, line 5 now ends in LF: the shell takes the carriage return as part of the value",
		"DB_PASSWORD: set to ***",
		"GONE: removed",
	}
	if got := strings.Join(r.Changes, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "A: line 2 sets it where it cannot be followed") {
		t.Errorf("got warnings %q", r.Warnings)
	}
}

func TestCRLFIsReported(t *testing.T) {
	r := apply(t, "# c\r\nexport B=1\r\nC=2\r\n", envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "1"}}, Export: true})
	if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "line 2: CRLF: the shell takes the carriage return as part of the value of B, C") {
		t.Errorf("got warnings %q", r.Warnings)
	}
}

func TestRefused(t *testing.T) {
	set := envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "1"}}, Export: true}
	for _, c := range []struct {
		name, in string
		line     int
		want     string
	}{
		{"single quote", "B=1\nC='x\n", 2, "a single quote is not closed"},
		{"double quote", "B=1\n\nC=\"x\n", 3, "a double quote is not closed"},
		{"backquote", "C=`x\n", 1, "a backquote is not closed"},
		{"substitution", "\nC=$(ls\nA=1\n", 2, "$( is not closed"},
		{"substitution of nothing but", "C=$(ls '\nA=1\n", 1, "a single quote is not closed"},
		{"braces", "C=${x\n", 1, "${ is not closed"},
		{"if", "B=1\nif x; then\n", 2, "if is not closed: no fi"},
		{"if in CRLF", "if x; then\r\nA=1\r\nfi\r\n", 1, "if is not closed: no then"},
		{"loop", "while x; do y\n", 1, "while is not closed: no done"},
		{"case", "case x in\na) y ;;\n", 1, "case is not closed: no esac"},
		{"group", "f() {\nA=1\n", 1, "{ is not closed: no }"},
		{"subshell", "(A=1\n", 1, "( is not closed"},
		{"fi", "B=1\nfi\n", 2, `"fi" is out of place`},
		{"parenthesis", "B=1 )\n", 1, `")" is out of place`},
		{"and", "B=1 &&\n", 2, "the file ends where a command is wanted"},
		{"here-document", "\ncat <<E\nA=1\n", 2, `the here-document does not end: no line "E"`},
		{"backslash", "B=1\nC=\\", 2, "the file ends in a backslash"},
		{"NUL", "B=1\nC=\x00\n", 2, "a NUL byte"},
		{"deep", strings.Repeat("$(", 5000), 1, "nested too deeply"},
		{"deep, other", strings.Repeat("{ ", 5000), 1, "nested too deeply"},
		{"deep, arithmetic", strings.Repeat("$((", 5000), 1, "nested too deeply"},
		{"deep, quotes", strings.Repeat("\"${x:-", 5000), 1, "nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := envfile.Apply([]byte(c.in), set)
			var syntax *envfile.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line != c.line || !strings.HasPrefix(syntax.What, c.want) {
				t.Errorf("got %v, want line %d: %s", err, c.line, c.want)
			}
			if r.Content != nil || r.Changed {
				t.Errorf("got %+v besides the error", r)
			}
			if _, set, known := envfile.Lookup([]byte(c.in), "A"); set || known {
				t.Errorf("Lookup says set %t, known %t of a file that cannot be read", set, known)
			}
		})
	}
	for _, c := range []struct {
		name, in string
		e        envfile.Edit
		want     string
	}{
		{"name", "", envfile.Edit{Set: []envfile.Var{{Name: "A-B", Value: "1"}}}, `"A-B" is not the name`},
		{"name of nothing", "", envfile.Edit{Unset: []string{""}}, `"" is not the name`},
		{"name with more", "", envfile.Edit{Set: []envfile.Var{{Name: "A=1;rm", Value: "1"}}}, "is not the name"},
		{"number", "", envfile.Edit{Unset: []string{"1A"}}, `"1A" is not the name`},
		{"twice", "", envfile.Edit{Set: set.Set, Unset: []string{"A"}}, `"A" is managed twice`},
		{"NUL", "", envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "a\x00"}}}, "NUL byte"},
		{"large", strings.Repeat("#", envfile.MaxSize+1), set, "that is no environment file"},
		{"readonly", "B=1\nreadonly A\n", set, "line 2 makes A read-only"},
		{"integer", "declare -i A\n", envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "x"}}}, "line 1 makes A an array, or of another kind"},
		{"array", "A=(1)\nif x; then A=2; fi\n", set, "line 1 makes A an array"},
		{"unset readonly", "readonly A=1\n", envfile.Edit{Unset: []string{"A"}}, "line 1 makes A read-only"},
		{"side effect", "A=$((B=1))\n", set, "would also change"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := envfile.Apply([]byte(c.in), c.e); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		in, value  string
		set, known bool
	}{
		{"", "", false, true},
		{"A=1", "1", true, true},
		{"export A='1 2' # c", "1 2", true, true},
		{"A=1; A=2", "2", true, true},
		{"A=a\"b\\$c\\d\"'e'\\f", "ab$c\\def", true, true},
		{"A=$", "$", true, true},
		{"A=a#b", "a#b", true, true},
		{"A=", "", true, true},
		{"A=1\r\n", "1\r", true, true},
		{"A=$B", "", true, false},
		{"A=\"$B\"", "", true, false},
		{"A='$B'", "$B", true, true},
		{"A=`ls`", "", true, false},
		{"A=$(ls)", "", true, false},
		{"A=~", "", true, false},
		{"A=/x:~", "", true, false},
		{"A=$'x'", "", true, false},
		{"export A=*", "", true, false},
		{"A=*", "*", true, true},
		{"A=1; unset A", "", false, true},
		{"A=1; [ -e /x ] && unset A", "", true, false},
		{"A=1 | cat", "", true, false},
		{"A=1 &", "", true, false},
		{"for A in 1 2; do :; done", "", true, false},
		{"((A=1))", "", true, false},
		{"A[0]=1", "", true, false},
		{"return; A=1", "", false, true},
		{"A=1; export -n A; declare -p A", "1", true, true},
		{"export -f A", "", false, true},
		{"A=1 :", "", true, false}, // stays in dash, not in bash
		{"A=1 true", "", false, true},
	} {
		value, set, known := envfile.Lookup([]byte(c.in), "A")
		if value != c.value || set != c.set || known != c.known {
			t.Errorf("in %q: got %q, set %t, known %t; want %q, %t, %t", c.in, value, set, known, c.value, c.set, c.known)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"": "''", "/a/b-c_d.e,f:g=h@i%j+k": "/a/b-c_d.e,f:g=h@i%j+k", "a b": "'a b'", "~": "'~'", "{a,b}": "'{a,b}'",
		"'": `''\'''`, "é": "'é'", "\xff": "'\xff'", "a\rb": "'a\rb'",
	} {
		if got := envfile.Quote(in); got != want {
			t.Errorf("Quote(%q) is %s, want %s", in, got, want)
		}
	}
}

// Large files take a time in proportion, whatever is in them. Milliseconds here; were one line after the other followed by
// another reading of the file, it would be minutes.
func TestLargeFiles(t *testing.T) {
	for _, piece := range []string{"A=1\n", "A=1;", "export A;", "$((x)\n)", "if x; then A=1; fi\n", "export A=1 A=2 "} {
		data := []byte(strings.Repeat(piece, envfile.MaxSize/16/len(piece)))
		took := bound.Taken(func() {
			r, err := envfile.Apply(data, envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "2"}}})
			if err != nil {
				t.Errorf("%q: %v", piece, err)
			}
			envfile.Diff("old", data, "new", r.Content)
		})
		if took > 30*time.Second {
			t.Errorf("%d bytes of %q took %s", len(data), piece, took)
		}
	}
}
