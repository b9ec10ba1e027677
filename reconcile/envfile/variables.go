package envfile

import (
	"fmt"
	"slices"
	"strings"
)

// A kind is what an event does to a variable.
type kind uint8

const (
	assign           kind = iota // NAME=value
	assignMore                   // NAME+=value
	opaque                       // sets it to something that is not followed: read, eval, for, $((NAME=1))
	fallback                     // ${NAME=…}: only if it is not set
	fallbackNonEmpty             // ${NAME:=…}: only if it is not set or empty
	unset
	export
	unexport
	readonly
	typed // declare -i and the like: what is assigned is not what it gets
	allexport
	noAllexport
	leave // exit, return, exec: the rest of the file is not read
	call  // of a function of the file, which may do what any of them does
)

// An event is something that happens to a variable when the file is sourced, in order.
type event struct {
	name      string // empty for allexport, noAllexport, leave and call
	kind      kind
	cond      bool // may not happen
	cmd, word int  // indexes; -1: not in a simple command of the file's own
	value     string
	known     bool
	pos       int
}

// add notes an event, unless it happens in a subshell.
func (p *parser) add(ev event) {
	if p.sub > 0 {
		return
	}
	ev.cond = ev.cond || p.nest > 0
	if _, ok := p.inside[ev.name]; p.body > 0 && !ok {
		p.inside[ev.name] = ev.pos
	}
	p.events = append(p.events, ev)
}

// Which names in code that is not followed may be assigned to.
const (
	beforeEquals = iota // shell: NAME=…
	anywhere            // arithmetic: NAME = …, NAME++, ++NAME
)

// mayAssign notes the variables that code may set.
func (p *parser) mayAssign(code string, names int) {
	if p.sub > 0 || !strings.ContainsAny(code, "=") && !strings.Contains(code, "++") && !strings.Contains(code, "--") {
		return
	}
	for i := 0; i < len(code); {
		n := 0
		for i+n < len(code) && nameByte(code[i+n]) {
			n++
		}
		if name := code[i : i+n]; isName(name) {
			rest := code[i+n:]
			if names == anywhere || strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "+=") {
				p.add(event{name: name, kind: opaque, cmd: -1, word: -1, pos: p.pos})
			}
		}
		i += max(n, 1)
	}
}

// Special built-ins of POSIX (XCU 2.14): dash keeps an assignment before one of them, bash does not.
var special = []string{".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times", "trap", "unset"}

// classify notes what a simple command does to variables.
func (p *parser) classify(c command, redirected bool) {
	if p.sub > 0 {
		return
	}
	n := 0
	for n < len(c.words) && c.words[n].op != 0 {
		n++
	}
	k := &classifier{parser: p, c: c, index: len(p.cmds), events: len(p.events)}
	k.c.editable = p.nest == 0 && !redirected
	if n == len(c.words) {
		for i := range c.words {
			k.assigned(i, true)
		}
	} else {
		k.c.editable = k.c.editable && n == 0
		k.builtin(n)
	}
	if len(p.events) > k.events {
		p.cmds = append(p.cmds, k.c)
	}
}

// A classifier looks at one simple command.
type classifier struct {
	*parser
	c      command
	index  int // it will have among the commands
	events int // there were before
}

func (k *classifier) note(kind kind, word int, name string) {
	k.add(event{name: name, kind: kind, cmd: k.index, word: word, pos: k.c.words[max(word, 0)].start})
}

// assigned notes the assignment in a word.
func (k *classifier) assigned(i int, known bool) {
	w := k.c.words[i]
	ev := event{name: w.name, kind: assign, cmd: k.index, word: i, value: w.value, known: known && w.known, pos: w.start}
	switch w.op {
	case '+':
		ev.kind = assignMore
	case '[':
		ev.kind = opaque
	}
	k.add(ev)
	if array := k.c.words[i].op == '[' || strings.HasPrefix(strings.TrimLeft(k.src[w.start:w.end], nameBytes+"+=\\\n"), "("); array {
		k.note(typed, i, w.name) // once an array, always one: bash then assigns to its first element, and exports nothing
	}
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// builtin looks at a command that is not all assignments; the name is in word n.
func (k *classifier) builtin(n int) {
	for (k.c.words[n].value == "command" || k.c.words[n].value == "builtin") && n+1 < len(k.c.words) {
		n++
		k.c.editable = false
	}
	name := k.c.words[n].value
	if k.c.words[n].op != 0 {
		return
	}
	if slices.Contains(special, name) {
		for _, w := range k.c.words[:n] {
			if w.op != 0 {
				k.add(event{name: w.name, kind: opaque, cond: true, cmd: -1, word: -1, pos: w.start})
			}
		}
	}
	k.c.first = n + 1
	args := k.c.words[n+1:]
	if k.functions[name] {
		k.note(call, n, "")
	}
	switch name {
	case "export", "readonly", "declare", "typeset", "local":
		k.declaration(name)
	case "unset":
		k.unsets(args)
	case "set":
		k.options(args)
	case "exit", "return":
		k.note(leave, n, "")
	case "exec":
		if len(args) > 0 {
			k.note(leave, n, "")
		}
	case "eval", "let", "trap":
		names := beforeEquals
		if name == "let" {
			names = anywhere
		}
		for _, w := range args {
			k.mayAssign(k.src[w.start:w.end], names)
		}
	case "read", "mapfile", "readarray", "getopts", "printf", "wait":
		for _, w := range args {
			if w.op == 0 && isName(w.value) {
				k.add(event{name: w.value, kind: opaque, cmd: -1, word: -1, pos: w.start})
			}
			if name == "mapfile" || name == "readarray" {
				k.add(event{name: w.value, kind: typed, cmd: -1, word: -1, pos: w.start})
			}
		}
	}
}

// declaration looks at export and its relatives.
func (k *classifier) declaration(name string) {
	flags, unflags := "", ""
	for ; k.c.first < len(k.c.words); k.c.first++ {
		w := k.c.words[k.c.first]
		if w.op != 0 || len(w.value) < 2 || w.value[0] != '-' && w.value[0] != '+' {
			break
		}
		if w.value[0] == '-' {
			flags += strings.TrimLeft(w.value, "-")
		} else {
			unflags += w.value[1:]
		}
	}
	has := func(c string) bool { return strings.ContainsAny(flags, c) }
	if has("f") || has("p") && name != "readonly" {
		return
	}
	declare := name != "export" && name != "readonly"
	for i := k.c.first; i < len(k.c.words); i++ {
		w := &k.c.words[i]
		if left, right, ok := strings.Cut(w.value, "="); w.op == 0 && ok && isName(left) {
			w.name, w.op, w.value = left, '=', right // export "NAME=value"
		}
		variable := w.name
		if w.op == 0 {
			if variable = w.value; !isName(variable) || !w.known {
				continue
			}
		} else {
			k.assigned(i, !w.expands)
		}
		if declare && has("aAilnu") {
			k.note(typed, i, variable)
		}
		switch {
		case name == "export" && has("n"), declare && strings.Contains(unflags, "x"):
			k.note(unexport, i, variable)
		case name == "export", declare && has("x"):
			k.note(export, i, variable)
		}
		if name == "readonly" || has("r") {
			k.note(readonly, i, variable)
		}
	}
}

func (k *classifier) unsets(args []word) {
	for i, w := range args {
		switch {
		case w.op == 0 && isName(w.value):
			k.note(unset, k.c.first+i, w.value)
		case w.value == "-f":
			return
		}
	}
}

// options looks at set, for -a.
func (k *classifier) options(args []word) {
	for i, w := range args {
		long := i+1 < len(args) && args[i+1].value == "allexport"
		v := w.value
		switch {
		case v == "--" || v == "" || v[0] != '-' && v[0] != '+':
			if i == 0 || args[i-1].value != "-o" && args[i-1].value != "+o" {
				return
			}
		case v[0] == '-' && (strings.Contains(v, "a") || v == "-o" && long):
			k.note(allexport, k.c.first+i, "")
		case v[0] == '+' && (strings.Contains(v, "a") || v == "+o" && long):
			k.note(noAllexport, k.c.first+i, "")
		}
	}
}

// A state is what sourcing the file leaves of a variable that the environment did not have.
type state struct {
	set      bool // or may be
	known    bool // whether it is set, and to what
	value    string
	exported bool
	always   bool // exported because of set -a
	readonly int  // position of what made it so, from 1; 0: nothing did
	typed    int  // the same
}

// state follows the events of one variable.
func (f *file) state(name string) state {
	s := state{known: true}
	all := false
	for _, ev := range f.events {
		if ev.pos >= f.stop {
			break
		}
		switch ev.kind {
		case allexport:
			all = !ev.cond || all
		case noAllexport:
			all = ev.cond && all
		}
		switch {
		case ev.name == name:
			s.apply(ev, all)
		case f.mayTouch(ev, name):
			s.apply(event{kind: opaque}, all)
		}
	}
	return s
}

// mayTouch says whether an event is the call of a function that may touch a variable.
func (f *file) mayTouch(ev event, name string) bool {
	if ev.kind != call {
		return false
	}
	pos, ok := f.inside[name]
	return ok && pos < ev.pos
}

func (s *state) apply(ev event, all bool) {
	if s.readonly > 0 && ev.kind < export {
		return // an error of the shell, which leaves the value
	}
	switch ev.kind {
	case assign:
		s.always = s.always || all
		s.exported = s.exported || all
		s.value, s.known, s.set = ev.value, ev.known && !ev.cond && s.typed == 0, true
	case assignMore, opaque:
		s.value, s.known, s.set = "", false, true
	case fallback, fallbackNonEmpty:
		if !s.known || !s.set || s.value == "" && ev.kind == fallbackNonEmpty {
			s.value, s.known, s.set = "", false, true
		}
	case unset:
		if !ev.cond {
			*s = state{known: true}
		} else {
			s.known = s.known && !s.set
		}
	case export:
		s.exported = s.exported || !ev.cond
	case unexport:
		s.exported, s.always = false, false
	case readonly:
		s.readonly = ev.pos + 1
	case typed:
		s.typed = ev.pos + 1
		s.known = s.known && !s.set
	}
}

// crlfWarnings says which variables end in a carriage return, because their line does.
func (f *file) crlfWarnings() []string {
	var names []string
	first := 0
	for _, ev := range f.events {
		if ev.kind != assign || ev.word < 0 || !strings.HasSuffix(ev.value, "\r") {
			continue
		}
		if first == 0 {
			first = f.line(ev.pos)
		}
		if !slices.Contains(names, ev.name) && len(names) < 10 {
			names = append(names, ev.name)
		}
	}
	if names == nil {
		return nil
	}
	return []string{fmt.Sprintf("line %d: CRLF: the shell takes the carriage return as part of the value of %s; "+
		"if it is not meant, type: sed -i 's/\\r$//' and the file's name", first, strings.Join(names, ", "))}
}
