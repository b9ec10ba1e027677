package config

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"
)

// A form is a way text may look. Its pattern is compiled when it is first needed. The forms of an everyday configuration
// are recognised by a function instead, which says the same: compiling patterns was a tenth of a pass that has nothing to
// do.
type form struct {
	pattern string // in the common subset of Go's and JSON Schema's regular expressions
	is      string // what such text is, "a VO name"
	example string
	compile func() *regexp.Regexp
	by      func(s string) bool // nil: the pattern
}

func newForm(pattern, is, example string) *form {
	return &form{pattern: pattern, is: is, example: example, compile: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })}
}

// known sets the function that recognises a form.
func (f *form) known(by func(s string) bool) *form {
	f.by = by
	return f
}

// Forms. Control characters are in none of them, so that no value can break a line of a log, a mail header or a script.
var (
	formLine     = newForm(`^[^\x00-\x1f\x7f-\x9f]+$`, "one line of text", "some text").known(line)
	formAny      = newForm(`^[^\x00-\x1f\x7f-\x9f]*$`, "one line of text", "some text").known(plain)
	formVO       = newForm(`^[a-z0-9][a-z0-9._-]{0,254}$`, "a VO name (lower case letters, digits, dots and dashes)", "alice").known(word(isLowerOrDigit, isLowerOrDigit, "._-", 255))
	formAccount  = newForm(`^[A-Za-z_][A-Za-z0-9_.-]{0,254}$`, "an account name", "alicesgm").known(word(isLetter, isAlnum, "_.-", 255))
	formName     = newForm(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, "a name (letters, digits, dots, dashes and underscores, 64 at most)", "lcgadmin").known(word(isAlnum, isAlnum, "._-", 64))
	formVariable = newForm(`^[A-Za-z_][A-Za-z0-9_]*$`, "a variable name (letters, digits and underscores, no digit first)", "X509_USER_PROXY").known(word(isLetter, isAlnum, "_", 0))
	formPath     = newForm(`^[/~][^\x00-\x1f\x7f-\x9f]*$`, "an absolute path", "/etc/grid-security/hostcert.pem").known(beginning("/~"))
	formProxy    = newForm(`^([/~][^\x00-\x1f\x7f-\x9f]*|[^/\x00-\x1f\x7f-\x9f]*[*?\[][^/\x00-\x1f\x7f-\x9f]*)$`, "an absolute path, or a glob", "/var/lib/vobox/alice/proxy_repository/*lcgadmin")
	formServer   = newForm(`^`+hostPattern+`(:[0-9]{1,5})?(, *`+hostPattern+`(:[0-9]{1,5})?)*$`, "host or host:port", "myproxy.cern.ch").known(servers)
	formSMTP     = newForm(`^`+hostPattern+`(:[0-9]{1,5})?$`, "host or host:port", "localhost:25")
	formListen   = newForm(`^(`+hostPattern+`)?:[0-9]{1,5}$`, "host:port", "127.0.0.1:9555")
	formDN       = newForm(`^/[^\x00-\x1f\x7f-\x9f]*=[^\x00-\x1f\x7f-\x9f]*$`, "a DN in slash form", "/DC=ch/DC=cern/OU=Organic Units/OU=Users/CN=jdoe/CN=123456/CN=Jane Doe").known(slashDN)
	formFQAN     = newForm(`^/[^\x00-\x1f\x7f-\x9f]*$`, "an FQAN", "/alice/Role=lcgadmin").known(beginning("/"))
	formUnit     = newForm(`^[A-Za-z0-9:_.\\@-]{1,255}$`, "the name of a systemd unit", "jalien.service")
	formMail     = newForm(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`, "a mail address", "vobox-admin@example.org")
	formURL      = newForm(`^https?://[!-~]+$`, "a URL that begins with https:// or http://", "https://chat.example.org/hooks/vobox")
	formChange   = newForm(`^(envFile:[/~]|proxy:)[^\x00-\x1f\x7f-\x9f]*$`, "envFile:PATH or proxy:NAME", "proxy:lcgadmin")
	formTextfile = newForm(`^[/~][^\x00-\x1f\x7f-\x9f]*\.prom$`, "an absolute path that ends in .prom, which is all that node_exporter reads", "/var/lib/node_exporter/textfile_collector/vobox.prom")
	formRate     = newForm(`^[1-9][0-9]{0,5} per `+durationPattern[1:], "N per DURATION", "4 per 24h")
	formMode     = newForm(`^(0|0o)?[0-7]{3}$`, "a file mode (three octal digits)", `"0644"`)
)

const hostPattern = `([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])`

func (f *form) matches(s string) bool {
	if f.by != nil {
		return f.by(s)
	}
	return f.compile().MatchString(s)
}

// text is a string. check, if any, is called once everything is read, and may replace the value.
type text struct {
	into  *string
	form  *form
	enum  []string
	check func(r *reader, path string, into *string)
}

func (t text) read(r *reader, path string, n *yaml.Node) {
	s, ok := r.scalar(path, n, "text", t.example(n), "!!str")
	if !ok {
		return
	}
	*t.into = s
	if r.silent {
		return
	}
	switch {
	case len(t.enum) > 0:
		r.oneOf(path, n, s, t.enum)
	case s == "" && t.form != formAny:
		r.fault(path, n, "is empty", "write "+t.example(n))
	case strings.ContainsFunc(s, isControl):
		r.fault(path, n, "has a line break or another control character in it", "write one line of plain text")
	case t.form.isPath() && strings.HasPrefix(s, "$"):
		r.fault(path, n, "variables are not expanded in paths", "write an absolute path, ~/ or ~user/")
	case t.form.isPath() && !t.form.matches(s):
		r.fault(path, n, fmt.Sprintf("%s is a relative path", shown(s)), "write an absolute path, which begins with / or ~")
	case !t.form.matches(s):
		r.fault(path, n, fmt.Sprintf("%s is not %s", shown(s), t.form.is), "write "+t.suggestion(s))
	}
}

// isPath reports whether the form is that of a path in the file system.
func (f *form) isPath() bool { return f == formPath || f == formProxy }

func isControl(c rune) bool { return c < ' ' || 0x7f <= c && c <= 0x9f }

// oneOf checks a word against those allowed.
func (r *reader) oneOf(path string, n *yaml.Node, s string, words []string) {
	for _, w := range words {
		if s == w {
			return
		}
	}
	r.fault(path, n, fmt.Sprintf("%s is not one of %s", shown(s), strings.Join(words, ", ")), "write "+orElse(closest(s, words), words[0]))
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// example is what to write when the type is wrong: the same in quotes, if it only looks like a number.
func (t text) example(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Value != "" && n.ShortTag() != "!!null" && len(t.enum) == 0 && len(n.Value) < 60 {
		return fmt.Sprintf("%q, in quotes", n.Value)
	}
	if len(t.enum) > 0 {
		return t.enum[0]
	}
	return t.form.example
}

// suggestion corrects what can be corrected by looking at it.
func (t text) suggestion(s string) string {
	if lower := strings.ToLower(s); t.form == formVO && t.form.matches(lower) {
		return lower
	}
	if _, fqan, ok := strings.Cut(s, ":"); t.form == formFQAN && ok && t.form.matches(fqan) {
		return fqan
	}
	return t.form.example
}

func (t text) finish(r *reader, path string) {
	if t.check != nil && r.sound(path) {
		t.check(r, path, t.into)
	}
}

func (t text) schema() *schema {
	s := &schema{Type: "string", Enum: t.enum}
	if len(t.enum) == 0 {
		s.Pattern = t.form.pattern
	}
	return s
}

// number is a whole number of which this program knows one.
type number struct {
	into *int
	only int // the one number that is allowed
}

func (v number) read(r *reader, path string, n *yaml.Node) {
	s, ok := r.scalar(path, n, "a whole number", strconv.Itoa(v.only), "!!int")
	if !ok {
		return
	}
	i, err := strconv.Atoi(s)
	if err != nil || i != v.only {
		r.fault(path, n, fmt.Sprintf("%s is not supported by this program", cut(s)), fmt.Sprintf("write %d", v.only))
		return
	}
	*v.into = i
}

func (number) finish(*reader, string) {}

func (v number) schema() *schema {
	return &schema{Type: "integer", Const: v.only}
}

// truth is true or false.
type truth struct{ into *bool }

func (v truth) read(r *reader, path string, n *yaml.Node) {
	if s, ok := r.scalar(path, n, "true or false", "true or false", "!!bool"); ok {
		*v.into = strings.EqualFold(s, "true")
	}
}

func (truth) finish(*reader, string) {}

func (truth) schema() *schema { return &schema{Type: "boolean"} }

// longest keeps sums and products of durations far from overflow.
const longest = 10 * 366 * day

// duration is a length of time, from a second to ten years.
type duration struct{ into *time.Duration }

func (v duration) read(r *reader, path string, n *yaml.Node) {
	example := "48h"
	if tag := n.ShortTag(); n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float") && len(n.Value) < 20 {
		example = fmt.Sprintf("a unit after it, such as %sh", strings.TrimPrefix(n.Value, "-"))
	}
	s, ok := r.scalar(path, n, "a duration", example, "!!str")
	if !ok {
		return
	}
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		r.fault(path, n, fmt.Sprintf("%s %v", shown(s), err), "write a duration such as 48h, 30m or 1d12h")
	case d < time.Second:
		r.fault(path, n, fmt.Sprintf("%s is less than a second", shown(s)), "write 1s or more")
	case d > longest:
		r.fault(path, n, fmt.Sprintf("%s is longer than ten years", shown(s)), "write a duration such as 48h, 30m or 1d12h")
	}
	*v.into = d
}

func (duration) finish(*reader, string) {}

func (duration) schema() *schema {
	return &schema{Type: "string", Pattern: durationPattern}
}

// rate is "N per DURATION".
type rate struct{ into *Rate }

func (v rate) read(r *reader, path string, n *yaml.Node) {
	s, ok := r.scalar(path, n, "text such as 4 per 24h", "4 per 24h", "!!str")
	if !ok {
		return
	}
	count, per, found := strings.Cut(s, " per ")
	i, err := strconv.Atoi(count)
	d, derr := ParseDuration(per)
	if !found || err != nil || derr != nil || d < time.Second || d > longest || !formRate.matches(s) {
		r.fault(path, n, fmt.Sprintf("%s is not N per DURATION", shown(s)), "write 4 per 24h")
		return
	}
	*v.into = Rate{i, d}
}

func (rate) finish(*reader, string) {}

func (rate) schema() *schema {
	return &schema{Type: "string", Pattern: formRate.pattern}
}

// fileMode is the permission bits of a file that is sourced by others: octal, readable and writable by its owner, not
// writable by everybody.
type fileMode struct{ into *fs.FileMode }

// read looks at the digits as they are written, because YAML makes 420 of 0644. A number without a leading zero may be
// either, so it is refused.
func (v fileMode) read(r *reader, path string, n *yaml.Node) {
	s, ok := r.scalar(path, n, "a file mode", formMode.example, "!!str", "!!int", "!!float")
	if !ok {
		return
	}
	bare := n.ShortTag() != "!!str" && !r.silent
	digits := strings.TrimPrefix(s, "0o")
	mode, err := strconv.ParseUint(digits, 8, 32)
	switch {
	case bare && s[0] != '0':
		r.fault(path, n, fmt.Sprintf("%s is a decimal number, not a file mode", cut(s)), `write three octal digits after a zero, such as 0644`)
	case err != nil || !formMode.matches(s):
		r.fault(path, n, fmt.Sprintf("%s is not %s", shown(s), formMode.is), "write "+formMode.example)
	case mode&0o600 != 0o600:
		r.fault(path, n, fmt.Sprintf("with %s its owner could not read and write it", cut(s)), "write "+formMode.example)
	case mode&0o002 != 0:
		r.fault(path, n, fmt.Sprintf("with %s everybody could write it", cut(s)), "write "+formMode.example)
	}
	*v.into = fs.FileMode(mode)
}

func (fileMode) finish(*reader, string) {}

func (fileMode) schema() *schema {
	return &schema{Type: []string{"string", "integer"}, Pattern: formMode.pattern, Maximum: 0o777}
}

// variables is a mapping of variable names to values, kept in the order of the file.
type variables struct{ into *[]Variable }

func (v variables) read(r *reader, path string, n *yaml.Node) {
	if !r.enter(path, n, yaml.MappingNode, "a mapping", "NAME: value below it, indented") {
		return
	}
	*v.into = []Variable{}
	here := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !r.key(path, key, here) {
			continue
		}
		at := join(path, key.Value)
		if !formVariable.matches(key.Value) {
			r.fault(at, key, fmt.Sprintf("%s is not %s", shown(key.Value), formVariable.is), "write "+formVariable.example)
			continue
		}
		entry := Variable{Name: key.Value}
		text{into: &entry.Value, form: formAny}.read(r, at, n.Content[i+1])
		*v.into = append(*v.into, entry)
	}
}

func (v variables) finish(*reader, string) {}

func (variables) schema() *schema {
	return &schema{
		Type:          "object",
		PropertyNames: &schema{Pattern: formVariable.pattern},
		Additional:    &schema{Type: "string", Pattern: formAny.pattern},
	}
}

// addresses is one mail address, or a list of them.
type addresses struct{ into *[]string }

func (v addresses) elem(s *string) value { return text{into: s, form: formMail} }

func (v addresses) read(r *reader, path string, n *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		list[string]{into: v.into, elem: v.elem, least: 1}.read(r, path, n)
		return
	}
	*v.into = make([]string, 1)
	v.elem(&(*v.into)[0]).read(r, path, n)
}

func (v addresses) finish(r *reader, path string) {
	list[string]{into: v.into, elem: v.elem, least: 1}.finish(r, path)
}

func (v addresses) schema() *schema {
	one := v.elem(new(string)).schema()
	return &schema{AnyOf: []*schema{one, {Type: "array", Items: one, MinItems: 1}}}
}

// command is an argument list. Its first word is a program: a path, or a name to be found in PATH.
func command(into *[]string) value { return arguments{list[string]{into, argument, 1}} }

type arguments struct{ list[string] }

func argument(s *string) value { return text{into: s, form: formAny} }

func (c arguments) finish(r *reader, path string) {
	c.list.finish(r, path)
	args := *c.into
	first := index(path, 0)
	if len(args) == 0 || !r.sound(path, first) {
		return
	}
	switch program := args[0]; {
	case program == "":
		r.faultAt(first, "the program's name is empty", "write its path")
	case len(args) == 1 && strings.ContainsAny(program, " \t"):
		r.faultAt(first, fmt.Sprintf("%s has spaces in it, and no shell splits it", shown(program)), "write "+flowList(strings.Fields(program)))
	case program[0] == '/' || program[0] == '~':
		args[0] = r.expand(first, program)
	case strings.Contains(program, "/"):
		r.faultAt(first, fmt.Sprintf("%s is a relative path", shown(program)), "write an absolute path, or a name to be found in PATH")
	}
}
