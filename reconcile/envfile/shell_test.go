package envfile_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
)

// A binding is what a real shell has in a variable after sourcing a file.
type binding struct {
	set, exported bool
	value         string
}

// names are the variables of the differential tests: the first two are managed, no other depends on them.
var names = []string{"M1", "M2", "U1", "U2", "U3"}

// source sources each of the files in a real shell with an empty environment, and gives the variables they leave. One
// shell for all of them, each in a subshell: starting hundreds is slow.
func source(t *testing.T, shell string, contents []string) (got []map[string]binding) {
	t.Helper()
	dir := t.TempDir()
	for i, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.env", i)), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A trap, since the file may end the shell; the output on a descriptor of its own, since it may print.
	var script strings.Builder
	script.WriteString("show() {\n")
	for _, n := range names {
		fmt.Fprintf(&script, "printf '%%s\\0' \"${%s+set}\" \"$%s\" >&3\n", n, n)
	}
	script.WriteString("/usr/bin/env -0 >&3\nprintf '=\\0' >&3\n}\nfor f; do ( trap show EXIT; . \"$f\" ) >/dev/null 2>&1; done\n")
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*.env"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shell, append([]string{"-c", script.String(), shell}, files...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}
	cmd.Dir = dir
	cmd.ExtraFiles = []*os.File{out}
	cmd.Run() // the last file may end in any exit code
	all, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(string(all), "\x00")
	for _, content := range contents {
		end := -1
		if len(fields) > 2*len(names) { // env prints nothing that starts with =
			end = slices.Index(fields[2*len(names):], "=")
		}
		if end < 0 {
			t.Fatalf("%s printed %q for %q", shell, fields, content)
		}
		m := map[string]binding{}
		for j, n := range names {
			exported := slices.ContainsFunc(fields[2*len(names):][:end], func(s string) bool { return strings.HasPrefix(s, n+"=") })
			m[n] = binding{fields[2*j] == "set", exported, fields[2*j+1]}
		}
		got = append(got, m)
		fields = fields[2*len(names)+end+1:]
	}
	return got
}

// shells gives the shells that are there; bash always counts, as jalien-vobox.sh is for it.
func shells(t *testing.T) (found []string) {
	t.Helper()
	for _, s := range []string{"bash", "dash"} {
		if path, err := exec.LookPath(s); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Skip("NOT TESTED: neither bash nor dash is on this machine")
	}
	return found
}

// A trial is a file and an edit of it.
type trial struct {
	in string
	e  envfile.Edit
}

// compare proves with a real shell what Lookup says of files, and that Apply did what it was asked to and nothing else.
func compare(t *testing.T, shell string, trials []trial) {
	t.Helper()
	var results []envfile.Result
	var contents []string
	for _, c := range trials {
		r, err := envfile.Apply([]byte(c.in), c.e)
		if err != nil {
			if !strings.Contains(err.Error(), "an array") {
				t.Errorf("applying to %q: %v", c.in, err)
			}
			r.Content = nil
		} else {
			check(t, c.in, c.e, r)
		}
		results = append(results, r)
		contents = append(contents, c.in, string(r.Content))
	}
	got := source(t, shell, contents)
	for i, c := range trials {
		c.looksRight(t, shell, got[2*i])
		if results[i].Content != nil {
			c.wentRight(t, shell, results[i], got[2*i], got[2*i+1])
		}
	}
}

func (c trial) looksRight(t *testing.T, shell string, got map[string]binding) {
	t.Helper()
	for _, n := range names {
		value, set, known := envfile.Lookup([]byte(c.in), n)
		if b := got[n]; known && (set != b.set || value != b.value) {
			t.Errorf("%s: after %q, %s is %+v; Lookup says %q, set %t", shell, c.in, n, b, value, set)
		}
	}
}

func (c trial) wentRight(t *testing.T, shell string, r envfile.Result, before, after map[string]binding) {
	t.Helper()
	for _, n := range names[2:] {
		if before[n] != after[n] {
			t.Errorf("%s: from %q to %q, %s went from %+v to %+v", shell, c.in, r.Content, n, before[n], after[n])
		}
	}
	for _, v := range c.e.Set {
		got := after[v.Name]
		if got.value != v.Value || !got.set {
			t.Errorf("%s: from %q to %q, %s is %+v, want %q", shell, c.in, r.Content, v.Name, got, v.Value)
		}
		if got.exported != c.e.Export && (c.e.Export || !excused(r, v.Name)) {
			t.Errorf("%s: from %q to %q, %s is exported: %t, want %t", shell, c.in, r.Content, v.Name, got.exported, c.e.Export)
		}
	}
	for _, n := range c.e.Unset {
		if after[n].set {
			t.Errorf("%s: from %q to %q, %s is still %+v", shell, c.in, r.Content, n, after[n])
		}
	}
}

// excused says whether a variable may stay exported although that is not wanted.
func excused(r envfile.Result, name string) bool {
	said := slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, name+": stays exported") })
	return said || strings.Contains(string(r.Content), "set -a")
}

// pieces are lines of files, for both shells: M stands for one of the managed variables, U for one of the others.
var pieces = []string{
	"# it's a comment with M=1\n", "\n", "export M=/old/path\n", "M=old\n", "M='old one'; export M\n", "export M=\"old $HOME\"\n",
	"export M=$( ls -t /usr | sed q )\n", "M=`echo old`\n", "export U=\"a  b\" # comment\n", "U='multi\nM=line\n'\n", "export U=x M=y\n",
	"M=a U=b\n", "U=a M=b; export U\n", "export M\n", "export U M\n", "unset M\n", "unset U\n", "if true; then\n  M=cond\nfi\n",
	"if false; then M=cond; else U=other; fi\n", "true && M=and\n", "false || U=or\n", "M=pre true\n", "U=pre true\n",
	": ${M:=default}\n", ": \"${U:='its'}\"\n", "for M in 1 2; do :; done\n", "( M=sub; U=sub )\n", "M=pipe | cat\n", "f() { M=func; U=func; }\n", "f 2>/dev/null\n",
	"case $U in a*) M=case;; *) U=case;; esac\n", "cat <<EOF\nM=heredoc $U 'x\nEOF\n", "cat <<-'EOF'; U=after\n\tM=heredoc \"\n\tEOF\n",
	"export M=a\\\nb\\\n U=c\n", "M=a\\ b\\'c; U=\"\\$x \\`\"\n", "U=a#b M=c#d # e\n", "export U=1\r\n", "M=cr\r\n", "export M=cr \\\n  U=1\n",
	"eval 'M=eval'\n", "readonly U3\n", "M=; U=\n", "{ M=group; U=group; }\n", "while false; do M=w; done; U=v\n", "U=${M+x}y; U=z\n",
	"export U=\"$(echo \"a)b\" 'c)' # )\n)\"\n", "U=$((1+(2*3)))\n", "! M=not\n", "\texport\tM=tab\t# c\n", "M=1;M=2;U=3;M=4\n", "set -a; M=all; set +a\n",
	"M=bg &\n", "export M='q'\"r\"s\n", "echo M=arg; echo 'U=arg'\n", "2>/dev/null M=redir\n", "export \"M=quoted word\"\n", "command export M=cmd\n",
	"U=é M=ü\n", "M=~/x\n", "U=$\n", "U=\"$\"\n", "case x in (x) U=paren ;; esac; M=9\n", "U=\"`echo \"q\"`\"\n",
}

// bashPieces are for bash alone.
var bashPieces = []string{
	"declare -x M=decl U=decl\n", "typeset M=type\n", "M+=more\n", "U+=more\n", "[[ $U == a* && -n x ]] && M=test\n", "((M=3))\n", "U=$'it\\'s'; M=$'x'\n",
	"M=(a 'b c' # d\n e)\n", "function g { M=g; }\n", "g\n", "read M <<< 'here string'\n", "cat <(echo M=x)\n", "export -n M\n", "declare +x M\n",
	"for ((i=0;i<2;i++)); do U=$i; done\n", "echo &>/dev/null; M=amp\n", "let M=3\n", "printf -v M %s v\n", "select M in; do :; done </dev/null\n", "U=\"${U:-'}'}\" M=${U/'}'/x}\n",
}

// file makes a file of random pieces.
func file(rnd *rand.Rand, pieces []string) string {
	var b strings.Builder
	for range 1 + rnd.IntN(7) {
		s := pieces[rnd.IntN(len(pieces))]
		m, u := names[rnd.IntN(2)], names[2+rnd.IntN(2)]
		s = strings.NewReplacer("M", m, "U3", "U3", "U", u).Replace(s)
		if strings.Contains(s, "$"+m) || strings.Contains(s, "${"+m+"+") {
			s = strings.ReplaceAll(s, m, "U1") // no other variable depends on a managed one
		}
		b.WriteString(s)
	}
	if rnd.IntN(3) == 0 {
		b.WriteString([]string{"return 0\nM1=unreached\n", "U2=1; exit\n", "U2=last", "# end", "U2=\\\n", "M2=last"}[rnd.IntN(6)])
	}
	return b.String()
}

func edit(rnd *rand.Rand) envfile.Edit {
	values := []string{"/r/p", "a b", "it's", "", "$HOME `x` \\ \"", "two\nlines", "~", "*", "old", "\t#", "cr\r", "é"}
	e := envfile.Edit{Export: rnd.IntN(3) > 0}
	for _, n := range names[:2] {
		switch rnd.IntN(4) {
		case 0:
			e.Unset = append(e.Unset, n)
		case 1:
		default:
			e.Set = append(e.Set, envfile.Var{Name: n, Value: values[rnd.IntN(len(values))]})
		}
	}
	return e
}

// TestAgainstShells runs random files through the real shells, before and after Apply. ENVFILE_ROUNDS asks for more.
func TestAgainstShells(t *testing.T) {
	rounds := 60
	if s := os.Getenv("ENVFILE_ROUNDS"); s != "" {
		if _, err := fmt.Sscan(s, &rounds); err != nil {
			t.Fatal(err)
		}
	}
	for _, shell := range shells(t) {
		t.Run(filepath.Base(shell), func(t *testing.T) {
			t.Parallel()
			all := pieces
			if filepath.Base(shell) == "bash" {
				all = slices.Concat(pieces, bashPieces)
			}
			rnd := rand.New(rand.NewPCG(2026, 11))
			if rounds > 1000 {
				rnd = rand.New(rand.NewPCG(rand.Uint64(), 0))
			}
			// Each piece by itself, then mixtures.
			var trials []trial
			for _, p := range all {
				in := strings.NewReplacer("M", "M1", "U3", "U3", "U", "U1").Replace(p)
				if !strings.Contains(in, "${M1+") {
					trials = append(trials, trial{in, envfile.Edit{Set: []envfile.Var{{Name: "M1", Value: "a b"}}, Export: true}})
				}
			}
			for range rounds {
				trials = append(trials, trial{file(rnd, all), edit(rnd)})
			}
			for some := range slices.Chunk(trials, 200) {
				compare(t, shell, some)
			}
		})
	}
}

// The values that Quote writes are what both shells read.
func TestQuotedValuesInShells(t *testing.T) {
	var all strings.Builder
	for c := 1; c < 256; c++ {
		all.WriteByte(byte(c))
	}
	for _, shell := range shells(t) {
		for _, v := range []string{all.String(), "'", "''", "'a'", "\\'", "-n", "~", "a:~", "{a,b}", "a=~", "!!", "\n", "a\n\n"} {
			in := "export M1=" + envfile.Quote(v) + "\nM2=" + envfile.Quote(v) + "\n"
			got := source(t, shell, []string{in})[0]
			if got["M1"].value != v || got["M2"].value != v {
				t.Errorf("%s read %+v from %q", shell, got, in)
			}
			if value, _, known := envfile.Lookup([]byte(in), "M1"); value != v || !known {
				t.Errorf("Lookup gave %q, known %t, from %q", value, known, in)
			}
		}
	}
}
