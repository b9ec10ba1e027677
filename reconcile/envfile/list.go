package envfile

import (
	"fmt"
	"slices"
	"strings"
)

// A dialect is a list of names and values.
type dialect struct {
	parse func(src string) ([]entry, error)
	write func(value string) (string, error) // the value as it is written behind NAME=
}

// An entry is a name with its value, and where it is in the file.
type entry struct {
	name, value string
	start, end  int    // of its lines, the last newline included
	from, to    int    // of the value as it is written
	sep         string // what has to be written before a new value: "=" where there is none
	bare        bool   // a name alone, of Plain: its value is that of the reader's environment
}

// applyList is Apply for the dialects that are lists.
func applyList(data []byte, e Edit) (Result, error) {
	d, err := e.Format.dialect()
	if err != nil {
		return Result{}, err
	}
	src := string(data)
	if strings.IndexByte(src, 0) >= 0 {
		return Result{}, fmt.Errorf("reading the environment file: %w", &SyntaxError{1 + strings.Count(src[:strings.IndexByte(src, 0)], "\n"), "a NUL byte"})
	}
	before, err := d.parse(src)
	if err != nil {
		return Result{}, fmt.Errorf("reading the environment file: %w", err)
	}
	var changes []string
	text := src
	for _, v := range e.Set {
		next, err := d.set(text, v)
		if err != nil {
			return Result{}, err
		}
		if next != text {
			changes = append(changes, v.Name+": set to "+shown(v))
		}
		text = next
	}
	for _, name := range e.Unset {
		next, err := d.unset(text, name)
		if err != nil {
			return Result{}, err
		}
		if next != text {
			changes = append(changes, name+": removed")
		}
		text = next
	}
	if err := d.verify(before, text, e); err != nil {
		return Result{}, err
	}
	return Result{Content: []byte(text), Changed: text != src, Changes: changes}, nil
}

// set gives a variable its value in the first of its entries, and takes the later ones away.
func (d dialect) set(src string, v Var) (string, error) {
	written, err := d.write(v.Value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", v.Name, err)
	}
	entries, err := d.named(src, v.Name)
	if err != nil {
		return "", err
	}
	if n := len(entries); n > 0 && !entries[n-1].bare && entries[n-1].value == v.Value {
		return src, nil
	}
	if len(entries) == 0 {
		return d.append(src, v.Name+"="+written), nil
	}
	for _, e := range slices.Backward(entries[1:]) {
		src = src[:e.start] + src[e.end:]
	}
	e := entries[0]
	return src[:e.from] + e.sep + written + src[e.to:], nil
}

func (d dialect) unset(src, name string) (string, error) {
	entries, err := d.named(src, name)
	if err != nil {
		return "", err
	}
	final := strings.HasSuffix(src, "\n")
	for _, e := range slices.Backward(entries) {
		src = src[:e.start] + src[e.end:]
	}
	if len(entries) > 0 && !final { // a missing final newline stays missing
		src = strings.TrimSuffix(src, "\n")
	}
	return src, nil
}

func (d dialect) named(src, name string) ([]entry, error) {
	entries, err := d.parse(src)
	if err != nil {
		return nil, fmt.Errorf("reading the environment file as it would be: %w", err)
	}
	return slices.DeleteFunc(entries, func(e entry) bool { return e.name != name }), nil
}

// append adds a line. One that ends in a backslash would be continued by it: a blank line comes between.
func (d dialect) append(src, line string) string {
	switch {
	case src == "":
		return line + "\n"
	case !strings.HasSuffix(src, "\n"):
		if strings.HasSuffix(src, "\\") {
			src += "\n"
		}
		return src + "\n" + line
	case strings.HasSuffix(strings.TrimSuffix(src, "\n"), "\\"):
		return src + "\n" + line + "\n"
	}
	return src + line + "\n"
}

// verify proves that the result says what the edit wants, and of other names what the file said before.
func (d dialect) verify(before []entry, text string, e Edit) error {
	after, err := d.parse(text)
	if err != nil {
		return fmt.Errorf("reading the environment file as it would be: %w", err)
	}
	last := map[string]string{}
	for _, a := range after {
		if !a.bare {
			last[a.name] = a.value
		}
	}
	managed := map[string]bool{}
	for _, v := range e.Set {
		managed[v.Name] = true
		if got, ok := last[v.Name]; !ok || got != v.Value {
			return fmt.Errorf("%s cannot be set without changing other lines", v.Name)
		}
	}
	for _, name := range e.Unset {
		managed[name] = true
		if slices.ContainsFunc(after, func(a entry) bool { return a.name == name }) {
			return fmt.Errorf("%s cannot be removed without changing other lines", name)
		}
	}
	was, is := others(before, managed), others(after, managed)
	if !slices.Equal(was, is) {
		return fmt.Errorf("the change would also change other variables")
	}
	return nil
}

// others are the entries of variables that are not managed, without their places.
func others(entries []entry, managed map[string]bool) []entry {
	var out []entry
	for _, e := range entries {
		if !managed[e.name] {
			out = append(out, entry{name: e.name, value: e.value, bare: e.bare})
		}
	}
	return out
}

// parsePlain reads NAME=VALUE lines. What is anything else is left alone: docker refuses it, and it is not ours to mend.
func parsePlain(src string) ([]entry, error) { return plainEntries(src), nil }

func plainEntries(src string) []entry {
	var out []entry
	for start := 0; start < len(src); {
		end := start + len(src[start:])
		if n := strings.IndexByte(src[start:], '\n'); n >= 0 {
			end = start + n + 1
		}
		line := strings.TrimSuffix(strings.TrimSuffix(src[start:end], "\n"), "\r")
		text := strings.TrimLeft(line, " \t")
		name, value, assigned := strings.Cut(text, "=")
		if isName(name) {
			to := start + len(line)
			e := entry{name: name, value: value, start: start, end: end, from: to - len(value), to: to}
			if !assigned {
				e.sep, e.bare = "=", true
			}
			out = append(out, e)
		}
		start = end
	}
	return out
}

func plainValue(value string) (string, error) {
	if strings.ContainsAny(value, "\n\r") {
		return "", fmt.Errorf("a value with a line break cannot be written in this format")
	}
	return value, nil
}

// spans are the parts of a file of this dialect that hold no value but those of managed variables, in order.
func (d dialect) spans(src string, managed []string) [][2]int {
	entries, err := d.parse(src)
	if err != nil {
		return nil
	}
	var out [][2]int
	at := 0
	comments := func(end int) {
		for at < end {
			stop := end
			if n := strings.IndexByte(src[at:end], '\n'); n >= 0 {
				stop = at + n + 1
			}
			if text := strings.TrimLeft(src[at:stop], " \t"); text != "" && strings.ContainsAny(text[:1], "#;!") {
				out = append(out, [2]int{stop - len(text), stop})
			}
			at = stop
		}
	}
	for _, e := range entries {
		comments(e.start)
		out = append(out, [2]int{e.start, e.from})
		if slices.Contains(managed, e.name) && !secretName(e.name) && e.to > e.from {
			out = append(out, [2]int{e.from, e.to})
		}
		at = e.end
	}
	comments(len(src))
	return out
}
