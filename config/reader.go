package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// A reader walks the nodes of one configuration after the other and remembers where everything was given.
type reader struct {
	env    Env
	file   string // that is being read
	faults *faults
	places map[string]place
	bad    map[string]bool // paths whose value is not usable; checks that build on them are left out
	torn   bool            // a file could not be parsed, so that what is missing may be in it

	user   string // the account that files belong to
	home   string // what "~" stands for; "" if that account is unknown, which is one fault of its own
	silent bool   // reading a default
	root   place  // of the first file's first key
}

// quiet returns a reader for defaults, which have no place in a file.
func (r *reader) quiet() *reader {
	q := *r
	q.silent = true
	return &q
}

// enter records where path is and checks that its node is of the kind wanted. If it is not, the fault says so.
func (r *reader) enter(path string, n *yaml.Node, kind yaml.Kind, want, instead string) bool {
	if r.silent {
		return true
	}
	if _, ok := r.places[path]; !ok {
		r.places[path] = place{r.file, n.Line, n.Column}
	}
	if !r.plain(path, n) {
		r.bad[path] = true
		return false
	}
	if n.Kind != kind {
		r.fault(path, n, fmt.Sprintf("is %s, %s is wanted", whatIs(n), want), "write "+instead)
		return false
	}
	return true
}

// plain refuses the parts of YAML that make a short file mean a large one, or a value other than what it looks like.
func (r *reader) plain(path string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.fault(path, n, fmt.Sprintf("is an alias (%s), and aliases are not read", cut("*"+n.Value)), "write the value itself")
	case n.Anchor != "":
		r.fault(path, n, fmt.Sprintf("has an anchor (%s), and anchors are not read", cut("&"+n.Anchor)), "leave the anchor out")
	case n.Style&yaml.TaggedStyle != 0:
		r.fault(path, n, fmt.Sprintf("has a tag (%s), and tags are not read", cut(n.Tag)), "leave the tag out; text that looks like a number goes in quotes")
	default:
		return true
	}
	return false
}

// scalar is enter for scalars; it returns the text.
func (r *reader) scalar(path string, n *yaml.Node, want, example string, tags ...string) (string, bool) {
	if !r.enter(path, n, yaml.ScalarNode, want, fromList(n, example)) {
		return "", false
	}
	if slices.Contains(tags, n.ShortTag()) || r.silent {
		return n.Value, true
	}
	r.fault(path, n, fmt.Sprintf("is %s, %s is wanted", whatIs(n), want), "write "+example)
	return "", false
}

// fromList takes the only entry of a list as what was meant.
func fromList(n *yaml.Node, example string) string {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode && len(n.Content[0].Value) < 200 {
		return flow(n.Content[0].Value) + ", without the brackets"
	}
	return example
}

// key checks a mapping's key; here has the keys before it in the same mapping.
func (r *reader) key(path string, key *yaml.Node, here map[string]*yaml.Node) bool {
	at := join(path, key.Value)
	if key.Kind != yaml.ScalarNode && key.Kind != yaml.AliasNode {
		r.fault(join(path, "?"), key, fmt.Sprintf("the key is %s, text is wanted", whatIs(key)), "write a name as the key")
		return false
	}
	if key.Value == "<<" && key.Kind == yaml.ScalarNode {
		r.fault(at, key, "merge keys are not read", "write the keys themselves")
		return false
	}
	if !r.plain(at, key) {
		return false
	}
	if tag := key.ShortTag(); tag != "!!str" {
		r.fault(at, key, fmt.Sprintf("the key is %s, text is wanted", whatIs(key)), "put it in quotes")
		return false
	}
	if first, ok := here[key.Value]; ok {
		r.fault(at, key, fmt.Sprintf("the same key is at %s:%d:%d already", r.file, first.Line, first.Column), "keep one of the two")
		return false
	}
	here[key.Value] = key
	return true
}

func (r *reader) unknownKey(path string, key *yaml.Node, fields []field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	instead := "write one of " + strings.Join(names, ", ")
	if best := closest(key.Value, names); best != "" {
		instead = fmt.Sprintf("did you mean %q?", best)
	}
	r.fault(join(path, key.Value), key, "unknown key", instead)
}

func (r *reader) missing(path string, f field) {
	r.bad[path] = true
	if r.torn {
		return
	}
	r.faultAt(path, "is missing", "write "+f.key+": "+asYAML(f.example))
}

// asYAML writes an example as it stands in a file.
func asYAML(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	out, err := encode(v)
	if err != nil {
		panic(err) // examples are constants of the program
	}
	return strings.TrimSpace(string(out)) // JSON is YAML
}

// given reports whether some file has the path.
func (r *reader) given(path string) bool {
	_, ok := r.places[path]
	return ok
}

// sound reports whether nothing was wrong with the value at path itself.
func (r *reader) sound(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return r.bad[p] })
}

// fault records what is wrong at a node.
func (r *reader) fault(path string, n *yaml.Node, problem, instead string) {
	r.bad[path] = true
	r.faults.add(Fault{File: r.file, Line: max(n.Line, 1), Col: max(n.Column, 1), Path: orElse(path, wholeFile), Problem: problem, Instead: instead})
}

// faultAt records what is wrong with a path, at its place or that of what is around it.
func (r *reader) faultAt(path, problem, instead string) {
	r.bad[path] = true
	p := nearest(r.places, path)
	if p.line == 0 {
		p = r.root
	}
	r.faults.add(Fault{File: p.file, Line: max(p.line, 1), Col: max(p.col, 1), Path: path, Problem: problem, Instead: instead})
}

// whatIs says what a node holds, in words.
func whatIs(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "the number " + cut(n.Value)
	case "!!bool":
		return cut(n.Value)
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "the date " + cut(n.Value)
	}
	return "text"
}

// cut shortens s for a message.
func cut(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "..."
}

// closest is the word that was probably meant, or "".
func closest(s string, words []string) string {
	if len(s) > 64 {
		return ""
	}
	best, least := "", 1+max(1, len(s)/3)
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w
		}
		if d := distance(strings.ToLower(s), strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is the number of letters to insert, drop, change or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, one, row = one, row, two
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
