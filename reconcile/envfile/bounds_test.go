package envfile_test

import (
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

// hostile are files that their owner, an account of the VO, may have written; root reads them.
var hostile = []bound.Input{
	bound.Repeat("assignments of a managed variable", "", "A=b\n", ""),
	bound.Repeat("exports of a managed variable", "", "export A\n", ""),
	bound.Repeat("exported assignments", "", "export A=b\n", ""),
	bound.Repeat("assignments of one line", "", "A=b ", "\n"),
	bound.Repeat("assignments after semicolons", "", "A=b;", "\n"),
	bound.Repeat("operands of one export", "export ", "A=b ", "\n"),
	bound.Repeat("names of one export", "export ", "A ", "\n"),
	bound.Repeat("assignments of others", "", "C=d\n", ""),
	bound.Repeat("assignments that use the one before", "", "A=$A:b\n", ""),
	bound.Repeat("additions", "", "A+=b\n", ""),
	bound.Repeat("additions of one line", "", "A+=b;", "\n"),
	bound.Repeat("removals", "", "unset A\n", ""),
	bound.Repeat("read-only", "", "readonly C\n", ""),
	bound.Repeat("arrays", "", "C[1]=b\n", ""),
	bound.Repeat("conditions", "", "if true; then A=b; fi\n", ""),
	bound.Repeat("members of a list", "", "true && A=b\n", ""),
	bound.Repeat("members of one list", "true", " && A=b", "\n"),
	bound.Repeat("pipelines", "", "A=b | A=c\n", ""),
	bound.Repeat("one pipeline", "A=b", " | A=b", "\n"),
	bound.Repeat("loops", "", "for A in b; do A=c; done\n", ""),
	bound.Repeat("functions", "", "f() { A=b; }\n", ""),
	bound.Repeat("calls of a function", "f() { A=b; }\n", "f\n", ""),
	bound.Repeat("branches of a case", "case x in\n", "a) A=b;;\n", "esac\n"),
	bound.Repeat("patterns of a branch", "case x in\na", "|a", ") A=b;;\nesac\n"),
	bound.Repeat("comments", "", "#\n", ""),
	bound.Repeat("a comment", "#", "x", "\n"),
	bound.Repeat("empty lines", "", "\n", ""),
	bound.Repeat("blanks", "", " ", "\n"),
	bound.Repeat("continued lines", "A=b", "\\\n", "\n"),
	bound.Repeat("carriage returns", "", "A=b\r\n", ""),
	bound.Repeat("carriage returns after blanks", "", "export A \r\n", ""),
	bound.Repeat("a long value", "A=", "b", "\n"),
	bound.Repeat("a quoted value", "A='", "b ", "'\n"),
	bound.Repeat("quotes", "A=", "'b'", "\n"),
	bound.Repeat("double quotes", "A=", `"b"`, "\n"),
	bound.Repeat("escapes", "A=", `\b`, "\n"),
	bound.Repeat("variables in a value", "A=", "$C", "\n"),
	bound.Repeat("parameters in a value", "A=", "${C:-d}", "\n"),
	bound.Repeat("substitutions in a value", "A=", "$(b)", "\n"),
	bound.Repeat("backquotes in a value", "A=", "`b`", "\n"),
	bound.Repeat("arithmetic in a value", "A=", "$((1))", "\n"),
	bound.Repeat("here-documents", "", "cat <<E\nx\nE\n", ""),
	bound.Repeat("a here-document", "cat <<E\n", "x\n", "E\n"),
	bound.Repeat("here-documents of one line", "cat", " <<E", "\n"),
	bound.Repeat("here-documents that do not end", "", "cat <<E\n", ""),
	bound.Repeat("redirections", "cat", " >f", "\n"),
	bound.Repeat("commands", "", "a b c\n", ""),
	bound.Repeat("ends", "", "exit\n", ""),
	bound.Repeat("open quotes", "", "A='\n", ""),
	bound.Repeat("open braces", "A=", "${", "\n"),
	bound.Repeat("open parentheses", "A=", "$(", "\n"),
	bound.Repeat("subshells", "", "( A=b )\n", ""),
	bound.Nested("nested subshells", "(", "A=b", ")"),
	bound.Nested("nested braces", "{ ", "A=b;", " }"),
	bound.Nested("nested substitutions", "$(", "A=b", ")"),
	bound.Nested("nested conditions", "if true; then ", "A=b", "; fi"),
	bound.Nested("nested quotes", `"$(`, "A=b", `)"`),
	bound.Nested("nested backquotes", "`", "A=b", "`"),
	bound.Nested("nested arithmetic", "$((", "1", "))"),
}

func TestApplyBounds(t *testing.T) {
	edits := []envfile.Edit{
		{Set: []envfile.Var{{Name: "A", Value: "/tmp/x y"}, {Name: "B", Value: "z"}}, Unset: []string{"G"}, Export: true},
		{Set: []envfile.Var{{Name: "B", Value: "z"}}, Unset: []string{"A"}},
	}
	bound.Linear(t, 1<<10, 5000, func(data []byte) {
		for _, e := range edits {
			r, err := envfile.Apply(data, e)
			if err != nil {
				_ = err.Error()
				continue
			}
			for _, s := range r.Warnings {
				_ = s
			}
		}
	}, hostile...)
}

func TestLookupBounds(t *testing.T) {
	bound.Linear(t, 1<<11, 600, func(data []byte) { envfile.Lookup(data, "A") }, hostile...)
}

// TestDiffBounds shows what Apply has changed, and redacts as much.
func TestDiffBounds(t *testing.T) {
	e := envfile.Edit{Set: []envfile.Var{{Name: "A", Value: "new"}}, Export: true}
	bound.Linear(t, 1<<9, 16000, func(data []byte) {
		r, err := envfile.Apply(data, e)
		if err != nil {
			return
		}
		envfile.Diff("a", data, "b", r.Content, e.Names()...)
		envfile.Redact(data)
	}, hostile...)
}
