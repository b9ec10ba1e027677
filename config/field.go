package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// A field describes one key and binds it to the member that receives it. Everything that is known about a key is here:
// the reader, the defaults and the JSON Schema are made from it.
type field struct {
	key      string
	doc      string // one or two sentences for people, in the schema too
	required bool
	choice   bool   // exactly one of the keys so marked has to be there
	def      string // the default, written as in a file
	defDoc   string // the default in words, when it depends on something else
	example  any    // a value to show to people; every required key has one
	value    value
}

// A value is a type of value. It reads a node, then, when all files are read, finishes: applies defaults inside and
// checks what needs the whole configuration or the surroundings.
type value interface {
	read(r *reader, path string, n *yaml.Node)
	finish(r *reader, path string)
	schema() *schema
}

// An object is a mapping with known keys.
type object struct{ fields []field }

// read may be called several times, for several files: lists grow, and a scalar given twice is a fault.
func (o object) read(r *reader, path string, n *yaml.Node) {
	if !r.enter(path, n, yaml.MappingNode, "a mapping", "its keys below it, indented, each as key: value") {
		return
	}
	here := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if !r.key(path, key, here) {
			continue
		}
		f := o.find(key.Value)
		if f == nil {
			r.unknownKey(path, key, o.fields)
			continue
		}
		at := join(path, f.key)
		if first, ok := r.places[at]; ok && !mergeable(f.value) {
			r.fault(at, val, fmt.Sprintf("is set already at %s:%d:%d", first.file, first.line, first.col), "keep one of the two")
			continue
		}
		f.value.read(r, at, val)
	}
}

func (o object) find(key string) *field {
	for i := range o.fields {
		if o.fields[i].key == key {
			return &o.fields[i]
		}
	}
	return nil
}

// finish also visits an object that was not given, so that the defaults inside it are applied.
func (o object) finish(r *reader, path string) {
	if path == "" || r.given(path) {
		o.choose(r, path)
	}
	for _, f := range o.fields {
		at := join(path, f.key)
		given := r.given(at)
		_, inner := f.value.(object)
		switch {
		case given || inner:
			f.value.finish(r, at)
		case f.required && r.sound(path) && (path == "" || r.given(path)):
			r.missing(at, f)
		case f.def != "":
			f.value.read(r.quiet(), at, &yaml.Node{Kind: yaml.ScalarNode, Value: f.def, Tag: tagOf(f.def)})
			f.value.finish(r, at)
		}
	}
}

// choose checks that exactly one of the exclusive keys is there.
func (o object) choose(r *reader, path string) {
	var all, chosen []string
	for _, f := range o.fields {
		if !f.choice {
			continue
		}
		all = append(all, f.key)
		if r.given(join(path, f.key)) {
			chosen = append(chosen, f.key)
		}
	}
	switch {
	case len(all) == 0 || len(chosen) == 1 || !r.sound(path):
	case len(chosen) == 0:
		r.faultAt(path, "has none of "+words(all), "write exactly one of them")
	default:
		r.faultAt(join(path, chosen[1]), words(chosen)+" exclude each other", "keep one of them")
	}
}

// words joins with commas and "and".
func words(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// mergeable reports whether a second file may add to the value.
func mergeable(v value) bool {
	switch v.(type) {
	case object, merger:
		return true
	}
	return false
}

// A merger is a value that grows when it is given again in another file.
type merger interface{ merges() }

// tagOf is the tag that YAML gives a default's text.
func tagOf(s string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	return n.ShortTag()
}

// An optional object is left nil unless given.
type optional[T any] struct {
	into   **T
	fields func(*T) []field
}

func (o optional[T]) read(r *reader, path string, n *yaml.Node) {
	*o.into = new(T)
	object{o.fields(*o.into)}.read(r, path, n)
}

func (o optional[T]) finish(r *reader, path string) {
	if *o.into != nil {
		object{o.fields(*o.into)}.finish(r, path)
	}
}

func (o optional[T]) schema() *schema { return object{o.fields(new(T))}.schema() }

// A list is a sequence of values of one type.
type list[T any] struct {
	into  *[]T
	elem  func(*T) value
	least int // this many at least
}

func (list[T]) merges() {}

func (l list[T]) read(r *reader, path string, n *yaml.Node) {
	if *l.into == nil {
		*l.into = []T{} // given, though empty
	}
	if !r.enter(path, n, yaml.SequenceNode, "a list", inList(n)) {
		return
	}
	for _, item := range n.Content {
		if r.faults.full() {
			r.faults.dropped++
			continue
		}
		*l.into = append(*l.into, *new(T))
		i := len(*l.into) - 1
		l.elem(&(*l.into)[i]).read(r, index(path, i), item)
	}
}

func (l list[T]) finish(r *reader, path string) {
	if len(*l.into) < l.least && r.sound(path) {
		r.faultAt(path, "is an empty list", "write at least one entry, or leave the key out")
	}
	for i := range *l.into {
		if at := index(path, i); r.given(at) {
			l.elem(&(*l.into)[i]).finish(r, at)
		}
	}
}

// inList suggests the list that was probably meant by a scalar: a command's words become its arguments.
func inList(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" || len(n.Value) > 200 || n.ShortTag() == "!!null" {
		return "a list such as [a, b]"
	}
	if strings.HasPrefix(n.Value, "/DC=") || !strings.HasPrefix(n.Value, "/") {
		return "[" + flow(n.Value) + "]"
	}
	return flowList(strings.Fields(n.Value))
}

// flowList writes a list in YAML's flow style.
func flowList(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = flow(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// flow writes s as an entry of a flow list, in quotes if YAML needs them.
func flow(s string) string {
	if s == "" || strings.ContainsAny(s, "[]{},:#&*!|>'\"%@`\\ ~?") || strings.HasPrefix(s, "-") || tagOf(s) != "!!str" {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// join is the path of a key inside path.
func join(path, key string) string {
	if !simpleKey(key) {
		return path + "[" + shown(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// simpleKey reports whether a key can stand in a path without quotes.
func simpleKey(key string) bool {
	_, rest := span(key, func(c byte) bool {
		return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	})
	return key != "" && rest == "" && len(key) <= 64
}

// shown quotes what somebody wrote, cut to a length that still fits a line.
func shown(s string) string {
	if r := []rune(s[:min(len(s), 400)]); len(r) > 80 || len(s) > 400 {
		s = string(r[:min(len(r), 77)]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
