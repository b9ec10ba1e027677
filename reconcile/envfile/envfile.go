// Package envfile renders and parses environment files.
//
// An environment file is a piece of shell: jalien-vobox.sh appends CE.env and ml.env to a script and has bash source it.
// So [Apply] reads one as a shell does, and changes only words: it follows quotes, continuation lines, command
// substitutions, here-documents and compound commands, and knows which assignments are certain to run. Those of a
// managed variable are replaced; those inside if, loops, functions or && lists are left, and outdone by a line at the
// end. Whatever else is in the file stays byte for byte.
//
// The grammar is that of bash, of which dash's is a part. What the package cannot follow it refuses, with the line.
//
// # Several assignments of one variable
//
// The last one wins in a shell. Apply puts the value into the first, so that lines which use the variable see it, and
// removes the later ones. An assignment that may or may not run splits the file: only what comes after it counts.
//
// # CRLF
//
// To a shell the carriage return before a newline is part of the word: A=b<CR><LF> gives A the value "b\r". [Lookup] says
// so, and Apply writes the word of a managed variable without it, so that this line ends in LF. Other lines stay CRLF.
package envfile

import (
	"fmt"
	"strings"
)

// MaxSize is the size of the largest file that is looked at, in bytes. Real ones have a few hundred.
const MaxSize = 1 << 20

// An Edit says what the managed variables of a file shall be.
type Edit struct {
	Set   []Var
	Unset []string
	// Export says whether the variables are to be exported: new ones are written "export NAME=value", and existing
	// assignments get or lose the export. It does not matter for files with "set -a", nor in dialects other than Shell.
	Export bool
	Format Format // the file's dialect; empty: Shell
}

// Names are the managed variables.
func (e Edit) Names() []string {
	out := make([]string, 0, len(e.Set)+len(e.Unset))
	for _, v := range e.Set {
		out = append(out, v.Name)
	}
	return append(out, e.Unset...)
}

// A Var is a variable and its literal value.
type Var struct{ Name, Value string }

// A Result is what Apply makes of a file.
type Result struct {
	Content  []byte // what the file shall hold; equal to the input when nothing has to change
	Changed  bool
	Changes  []string // for people, one for each variable, in the order of the edit: "X509_USER_PROXY: set to /…", "…: removed"
	Warnings []string // for people: what was left alone, or looks wrong, with its line
}

// A SyntaxError says where a file stops being what a shell can read, or what this package can follow.
type SyntaxError struct {
	Line int // from 1
	What string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What) }

// Apply returns data with only the words of managed variables changed. Applying the same edit to the result changes
// nothing. The error is a *SyntaxError for a file that cannot be followed (with NUL bytes, an unclosed quote, an if without
// fi); others are about the edit, or a file larger than MaxSize. Then nothing must be written.
func Apply(data []byte, e Edit) (Result, error) {
	if err := e.check(); err != nil {
		return Result{}, err
	}
	keep := e.Format == Auto
	if e.Format = e.Format.of(data); e.Format != Shell {
		if len(data) > MaxSize {
			return Result{}, fmt.Errorf("reading the environment file: it has more than %d bytes", MaxSize)
		}
		return applyList(data, e)
	}
	before, err := parse(data)
	if err != nil {
		return Result{}, fmt.Errorf("reading the environment file: %w", err)
	}
	a := &applier{file: before, export: e.Export, keep: keep}
	for _, v := range e.Set {
		if err := a.set(v); err != nil {
			return Result{}, err
		}
	}
	for _, name := range e.Unset {
		if err := a.unset(name); err != nil {
			return Result{}, err
		}
	}
	if err := a.verify(before, e); err != nil {
		return Result{}, err
	}
	r := Result{Content: data, Changes: a.changes, Warnings: append(a.warnings, a.file.crlfWarnings()...)}
	if a.file != before {
		r.Content, r.Changed = []byte(a.file.src), true
	}
	return r, nil
}

// check refuses an edit that no file can satisfy.
func (e Edit) check() error {
	seen := map[string]bool{}
	name := func(n string) error {
		if !isName(n) {
			return fmt.Errorf("%q is not the name of a shell variable", n)
		}
		if seen[n] {
			return fmt.Errorf("variable %q is managed twice", n)
		}
		seen[n] = true
		return nil
	}
	for _, v := range e.Set {
		if err := name(v.Name); err != nil {
			return err
		}
		if strings.Contains(v.Value, "\x00") {
			return fmt.Errorf("the value of %q has a NUL byte, which no environment can hold", v.Name)
		}
		if len(v.Value) > MaxSize/2 {
			return fmt.Errorf("the value of %q is %d bytes long", v.Name, len(v.Value))
		}
	}
	for _, n := range e.Unset {
		if err := name(n); err != nil {
			return err
		}
	}
	return nil
}

// Lookup returns the value that sourcing data would leave in name. known is false when the value depends on the shell
// ($( … ), $VAR, backquotes, a condition), and set is false when no line assigns it. Of a file that cannot be followed
// nothing is known.
func Lookup(data []byte, name string) (value string, set, known bool) {
	f, err := parse(data)
	if err != nil {
		return "", false, false
	}
	s := f.state(name)
	if !s.known {
		return "", s.set, false
	}
	return s.value, s.set, true
}

// Quote writes a value as a word for a POSIX shell: as it is when no character is special, else in single quotes.
func Quote(value string) string {
	if value == "" {
		return "''"
	}
	if strings.IndexFunc(value, func(r rune) bool { return !plain(r) }) < 0 {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// plain says whether a character means itself everywhere in a word. No tilde, no braces, nothing beyond ASCII.
func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_/.,:=@%+-", r)
}

func isName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}

func nameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
