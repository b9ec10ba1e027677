package envfile

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// An applier brings one variable after the other to where it shall be. Each change is made to the text, which is then
// read again: the next step sees what a shell would.
type applier struct {
	*file
	export   bool
	keep     bool // variables that the file has keep their form, exported or not
	changes  []string
	warnings []string
}

// A splice replaces a piece of the text.
type splice struct {
	start, end int
	text       string
}

// rewrite makes the changes and reads the result.
func (a *applier) rewrite(splices []splice) error {
	if len(splices) == 0 {
		return nil
	}
	sort.SliceStable(splices, func(i, j int) bool { return splices[i].start < splices[j].start })
	var b strings.Builder
	at := 0
	for _, s := range splices {
		if s.start < at { // both take the blanks or the semicolon between them
			if s.text != "" || s.end < at {
				return fmt.Errorf("two changes of line %d overlap", a.line(s.start))
			}
			s.start = at
		}
		b.WriteString(a.src[at:s.start])
		b.WriteString(s.text)
		at = s.end
	}
	b.WriteString(a.src[at:])
	text := b.String()
	// A missing final newline stays missing when the last line goes.
	if a.src != "" && !strings.HasSuffix(a.src, "\n") && !strings.HasSuffix(text, "\\\n") {
		text = strings.TrimSuffix(text, "\n")
	}
	next, err := parse([]byte(text))
	if err != nil {
		return fmt.Errorf("reading the environment file as it would be: %w", err)
	}
	a.file = next
	return nil
}

// set brings a variable to its value.
func (a *applier) set(v Var) error {
	asIs := a.keep && a.state(v.Name).set
	if a.valueIs(v) && (asIs || a.exportIs(v.Name)) {
		return nil
	}
	if err := a.settable(v.Name); err != nil {
		return err
	}
	before := a.src
	note := ""
	if !a.valueIs(v) {
		var err error
		if note, err = a.setValue(v); err != nil {
			return err
		}
	}
	if !a.valueIs(v) {
		return a.unsettable(v.Name)
	}
	valueChanged := a.src != before
	if !asIs {
		if err := a.setExport(v.Name); err != nil {
			return err
		}
	}
	switch {
	case valueChanged:
		a.changes = append(a.changes, v.Name+": set to "+shown(v)+note)
	case a.src != before && a.export:
		a.changes = append(a.changes, v.Name+": exported")
	case a.src != before:
		a.changes = append(a.changes, v.Name+": no longer exported")
	}
	return nil
}

// shown is a value as it may be printed.
func shown(v Var) string {
	if secretName(v.Name) {
		return mask
	}
	return printable(Quote(v.Value))
}

// unsettable says why no line of ours gives the variable its value.
func (a *applier) unsettable(name string) error {
	switch s := a.state(name); {
	case s.typed > 0:
		return fmt.Errorf("line %d makes %s an array, or of another kind that changes what is assigned; take that line out",
			a.line(s.typed-1), name)
	case s.readonly > 0:
		return fmt.Errorf("line %d makes %s read-only; take that line out", a.line(s.readonly-1), name)
	}
	return fmt.Errorf("%s cannot be set by a change to the file", name)
}

// settable refuses a variable that is read-only before anything that could be replaced: another assignment would make
// dash stop there.
func (a *applier) settable(name string) error {
	s := a.state(name)
	if s.readonly == 0 {
		return nil
	}
	for i, ev := range a.events {
		if ev.name == name && a.isEditable(i) && ev.pos <= s.readonly-1 {
			return nil
		}
	}
	return a.unsettable(name)
}

func (a *applier) valueIs(v Var) bool {
	s := a.state(v.Name)
	return s.set && s.known && s.value == v.Value
}

func (a *applier) exportIs(name string) bool {
	s := a.state(name)
	return s.exported == a.export || s.always
}

// isEditable says whether event i is an assignment that can be replaced: certain to run, and reached.
func (a *applier) isEditable(i int) bool {
	ev := a.events[i]
	return (ev.kind == assign || ev.kind == assignMore) && !ev.cond && ev.pos < a.stop && ev.cmd >= 0 && a.cmds[ev.cmd].editable
}

// assignments gives the events of the assignments that can be replaced and that decide the value, and the position of
// the last thing before them that may also decide it, -1 if there is none.
func (a *applier) assignments(name string) (events []int, barrier int) {
	barrier = -1
	for i, ev := range a.events {
		if ev.pos >= a.stop {
			break
		}
		switch {
		case a.mayTouch(ev, name):
			events, barrier = nil, ev.pos
		case ev.name != name:
		case a.isEditable(i):
			events = append(events, i)
		case ev.kind == assign || ev.kind == assignMore || ev.kind == opaque || ev.kind == unset:
			events, barrier = nil, ev.pos
		}
	}
	return events, barrier
}

// setValue makes v the value, and says what else had to be done for that.
func (a *applier) setValue(v Var) (note string, err error) {
	events, barrier := a.assignments(v.Name)
	if len(events) == 0 {
		if barrier >= 0 {
			line := a.line(barrier)
			note = fmt.Sprintf(", at the end: line %d may set it to something else and is left as it is", line)
			a.warnings = append(a.warnings, fmt.Sprintf("%s: line %d sets it where it cannot be followed; a line at the end outdoes it", v.Name, line))
		}
		return note, a.append(v)
	}
	splices, note := a.replace(events[0], v)
	splices = append(splices, a.drops(events[1:])...)
	if n := len(events) - 1; n == 1 {
		note += fmt.Sprintf(", a later assignment on line %d removed", a.line(a.events[events[1]].pos))
	} else if n > 1 {
		note += fmt.Sprintf(", %d later assignments removed, the first on line %d", n, a.line(a.events[events[1]].pos))
	}
	if err := a.rewrite(splices); err != nil {
		return "", err
	}
	if !a.valueIs(v) { // ${NAME:=…} after an assignment of nothing, for one
		return note + ", again at the end", a.append(v)
	}
	return note, nil
}

// replace puts the value into the word of an event.
func (a *applier) replace(event int, v Var) (splices []splice, note string) {
	ev := a.events[event]
	c := a.cmds[ev.cmd]
	w := c.words[ev.word]
	if !ev.known || ev.kind != assign || ev.value != v.Value {
		splices = append(splices, splice{w.start, w.end, v.Name + "=" + Quote(v.Value)})
	}
	lone := c.first > 0 && c.words[len(c.words)-1].value == "\r" // CRLF after a blank: dash stops at such an operand
	if lone {
		last := len(c.words) - 1
		splices = append(splices, splice{c.words[last-1].end, c.words[last].end, ""})
	}
	if lone || strings.HasSuffix(w.value, "\r") && !strings.HasSuffix(v.Value, "\r") {
		note = fmt.Sprintf(", line %d now ends in LF: the shell takes the carriage return as part of the value", a.line(w.end-1))
	}
	return splices, note
}

// drops removes the words of events, and the commands that have no other.
func (a *applier) drops(events []int) []splice {
	dropped := map[int][]int{} // words by command
	seen := map[[2]int]bool{}
	var order []int
	for _, i := range events {
		ev := a.events[i]
		if dropped[ev.cmd] == nil {
			order = append(order, ev.cmd)
		}
		if word := [2]int{ev.cmd, ev.word}; !seen[word] {
			seen[word] = true
			dropped[ev.cmd] = append(dropped[ev.cmd], ev.word)
		}
	}
	var splices []splice
	for _, cmd := range order {
		c := a.cmds[cmd]
		operands := len(c.words) - c.first
		if c.first > 0 && c.words[len(c.words)-1].value == "\r" { // only the end of a CRLF line
			operands--
		}
		if operands == len(dropped[cmd]) {
			splices = append(splices, a.withoutCommand(c))
			continue
		}
		splices = append(splices, withoutWords(c, dropped[cmd])...)
	}
	return splices
}

// withoutWords removes operands of which some stay, each with the blanks before it.
func withoutWords(c command, drop []int) (splices []splice) {
	sort.Ints(drop)
	kept := c.first > 0 // the command's name stays before them
	for i, at := c.first, 0; i < len(c.words); i++ {
		gone := at < len(drop) && drop[at] == i
		if gone {
			at++
		}
		switch {
		case gone && kept:
			splices = append(splices, splice{c.words[i-1].end, c.words[i].end, ""})
		case gone: // the first words: with the blanks after
			splices = append(splices, splice{c.words[i].start, c.words[i+1].start, ""})
		default:
			kept = true
		}
	}
	return splices
}

// withoutCommand removes a command: its lines if nothing else is on them, else the command and one semicolon.
func (a *applier) withoutCommand(c command) splice {
	src := a.src
	before := strings.TrimRight(src[:c.start], " \t")
	alone := before == "" || strings.HasSuffix(before, "\n")
	end := c.end + blanksAt(src[c.end:])
	semicolon := end < len(src) && src[end] == ';'
	if semicolon {
		end++
		end += blanksAt(src[end:])
	}
	last := end == len(src) || src[end] == '\n' || src[end] == '#'
	switch {
	case alone && last:
		if n := strings.IndexByte(src[end:], '\n'); n >= 0 {
			return splice{len(before), end + n + 1, ""}
		}
		return splice{len(before), len(src), ""}
	case last && !semicolon && strings.HasSuffix(before, ";"):
		return splice{len(before) - 1, c.end, ""}
	case last && !semicolon:
		return splice{c.start, c.end, ""}
	}
	return splice{c.start, end, ""}
}

func blanksAt(s string) int     { return len(s) - len(strings.TrimLeft(s, " \t")) }
func blanksBefore(s string) int { return len(s) - len(strings.TrimRight(s, " \t")) }

// append adds a line that sets v where the file ends, or where the shell stops reading it.
func (a *applier) append(v Var) error {
	line := v.Name + "=" + Quote(v.Value)
	if a.export {
		line = "export " + line
	}
	return a.appendLine(line)
}

func (a *applier) appendLine(line string) error {
	at := a.stop
	start := at - blanksBefore(a.src[:at])
	switch {
	case at < len(a.src) && (start == 0 || strings.HasSuffix(a.src[:start], "\n") && !strings.HasSuffix(a.src[:start], "\\\n")):
		line += "\n"
	case at < len(a.src): // no newline here: the body of a here-document could start after it
		line += "; "
	case a.src == "":
		line += "\n"
	case a.joins: // a blank line ends the continuation
		line = "\n" + line + "\n"
	case strings.HasSuffix(a.src, "\n"):
		line += "\n"
	default: // a missing final newline stays missing
		line = "\n" + line
	}
	return a.rewrite([]splice{{at, at, line}})
}

// setExport makes the variable exported, or not, as the edit has it.
func (a *applier) setExport(name string) error {
	if a.exportIs(name) {
		return nil
	}
	if a.export {
		return a.addExport(name)
	}
	if err := a.dropExports(name); err != nil || a.exportIs(name) {
		return err
	}
	a.warnings = append(a.warnings, name+": stays exported, by a line that cannot be changed safely")
	return nil
}

// addExport writes export before the assignment, or after everything if there is none that stands by itself.
func (a *applier) addExport(name string) error {
	events, _ := a.assignments(name)
	if len(events) == 0 {
		return a.appendLine("export " + name)
	}
	ev := a.events[events[len(events)-1]]
	c := a.cmds[ev.cmd]
	if c.first > 0 { // declare or readonly, whose own effect stays
		return a.appendLine("export " + name)
	}
	w := c.words[ev.word]
	text := a.src[w.start:w.end]
	if w.expands {
		text = name + "=" + Quote(w.value)
	}
	if err := a.rewrite(a.apart(c, ev.word, "export "+text, "")); err != nil || a.exportIs(name) {
		return err
	}
	return a.appendLine("export " + name) // something later takes it back
}

// apart replaces a word of a list by a command of its own; the words after it get the prefix that those before have.
func (a *applier) apart(c command, i int, text, prefix string) []splice {
	start, end := c.start, c.words[i].end
	if i > c.first {
		start, text = c.words[i-1].end, "; "+text
	}
	if i+1 < len(c.words) {
		end, text = c.words[i+1].start, text+"; "+prefix
	}
	return []splice{{start, end, text}}
}

// dropExports takes the export from every line that gives it and can be changed. A round takes one per command; a
// command that exports the same variable many times keeps what is left after a few.
func (a *applier) dropExports(name string) error {
	for range 4 {
		var splices []splice
		done := -1
		for i, ev := range a.events {
			if ev.name == name && a.isExport(ev) && ev.cmd != done {
				done = ev.cmd
				splices = append(splices, a.withoutExport(i)...)
			}
		}
		if splices == nil {
			return nil
		}
		if err := a.rewrite(splices); err != nil {
			return err
		}
	}
	return nil
}

// isExport says whether an event is an export that is reached and can be taken away.
func (a *applier) isExport(ev event) bool {
	return ev.kind == export && !ev.cond && ev.pos < a.stop && ev.cmd >= 0 && a.cmds[ev.cmd].editable && a.onlyExports(ev)
}

// withoutExport leaves of an export the assignment, if it has one.
func (a *applier) withoutExport(i int) []splice {
	ev := a.events[i]
	c := a.cmds[ev.cmd]
	w := c.words[ev.word]
	if w.op == 0 {
		return a.drops([]int{i})
	}
	text := a.src[w.start:w.end]
	if !strings.HasPrefix(text, ev.name+"=") && !strings.HasPrefix(text, ev.name+"+=") {
		text = ev.name + "=" + Quote(w.value)
	}
	return a.apart(c, ev.word, text, a.src[c.start:c.words[c.first].start])
}

// onlyExports says whether the command of an event does nothing but export: export, or declare -x.
func (a *applier) onlyExports(ev event) bool {
	c := a.cmds[ev.cmd]
	flags := ""
	for _, w := range c.words[1:c.first] {
		flags += " " + w.value
	}
	if c.words[0].value == "export" {
		return flags == ""
	}
	return flags == " -x" && c.words[0].value != "local"
}

// unset removes a variable.
func (a *applier) unset(name string) error {
	if !a.state(name).set && !slices.ContainsFunc(a.events, func(ev event) bool { return ev.name == name && ev.kind == export && !ev.cond }) {
		return nil
	}
	before := a.src
	if a.state(name).readonly > 0 {
		return a.unsettable(name)
	}
	// Exports first: what then remains of "A=b; export A" is a line that can go as a whole.
	for _, gone := range []func(i int, ev event) bool{
		func(_ int, ev event) bool { return a.isExport(ev) && a.cmds[ev.cmd].words[ev.word].op == 0 },
		func(i int, _ event) bool { return a.isEditable(i) },
	} {
		var events []int
		for i, ev := range a.events {
			if ev.name == name && gone(i, ev) {
				events = append(events, i)
			}
		}
		if err := a.rewrite(a.drops(events)); err != nil {
			return err
		}
	}
	note := ""
	if a.state(name).set {
		note = ", by unset at the end: a line that may set it cannot be changed safely"
		a.warnings = append(a.warnings, name+": may be set where it cannot be followed; unset at the end outdoes it")
		if err := a.appendLine("unset " + name); err != nil {
			return err
		}
	}
	if a.src != before {
		a.changes = append(a.changes, name+": removed"+note)
	}
	return nil
}

// verify proves that the result does what the edit wants, and nothing else: every other variable goes through the
// same events as before.
func (a *applier) verify(before *file, e Edit) error {
	if a.file == before {
		return nil
	}
	managed := map[string]bool{}
	for _, v := range e.Set {
		managed[v.Name] = true
		if !a.valueIs(v) || a.export && !a.keep && !a.exportIs(v.Name) {
			return fmt.Errorf("%s cannot be set without changing other lines", v.Name)
		}
	}
	for _, name := range e.Unset {
		managed[name] = true
		if a.state(name).set {
			return fmt.Errorf("%s cannot be removed without changing other lines", name)
		}
	}
	was, is := before.others(managed), a.others(managed)
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			return fmt.Errorf("the change would also change %s on line %d", is[i].name, a.line(is[i].pos))
		}
	}
	if len(was) != len(is) {
		return fmt.Errorf("the change would also change other variables")
	}
	return nil
}

// others gives the events of variables that are not managed, without their places.
func (f *file) others(managed map[string]bool) []event {
	var events []event
	for _, ev := range f.events {
		if !managed[ev.name] {
			ev.cmd, ev.word, ev.pos = 0, 0, 0
			events = append(events, ev)
		}
	}
	return events
}
