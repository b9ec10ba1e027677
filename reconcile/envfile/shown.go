package envfile

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// maskedLinesAs are the lines of a file of a dialect as a diff may show them.
func maskedLinesAs(format Format, data []byte, managed []string) []string {
	// Keys are looked for in what the file has: half of one may be shown.
	keys := bytes.Split(maskKeys(data), []byte{'\n'})
	lines := bytes.Split(onlyShown(data, spansOf(format, data, managed)), []byte{'\n'})
	for i, line := range keys {
		if string(line) == mask {
			lines[i] = line
		}
	}
	out := redactText(bytes.Join(lines, []byte{'\n'}))
	return strings.Split(printable(string(out)), "\n")
}

// spansOf are the parts of a file that can be shown.
func spansOf(format Format, data []byte, managed []string) [][2]int {
	if format = format.of(data); format == Shell {
		if f, err := parse(data); err == nil {
			return f.shown(managed)
		}
		return nil
	}
	d, err := format.dialect()
	if err != nil {
		return nil
	}
	return d.spans(string(data), managed)
}

// onlyShown puts *** for everything that is neither blank nor in a span that can be shown. Of a file that cannot be followed
// that is all.
func onlyShown(data []byte, spans [][2]int) []byte {
	var out []byte
	masked := false // *** stands for what is right before
	blanks := 0     // not written yet
	for at := 0; at < len(data); {
		for len(spans) > 0 && spans[0][0] < at {
			spans = spans[1:] // inside another
		}
		inside := len(spans) > 0 && spans[0][0] == at
		switch c := data[at]; {
		case inside:
			out = append(append(out, data[at-blanks:at]...), data[at:spans[0][1]]...)
			at, masked, blanks = spans[0][1], false, 0
		case c == '\n':
			if !masked {
				out = append(out, data[at-blanks:at]...)
			}
			out = append(out, c)
			at++
			masked, blanks = false, 0
		case c == ' ' || c == '\t':
			at++
			blanks++
		default:
			if !masked {
				out = append(append(out, data[at-blanks:at]...), mask...)
			}
			at++
			masked, blanks = true, 0
		}
	}
	if !masked {
		out = append(out, data[len(data)-blanks:]...)
	}
	return out
}

// shown are the parts of a file that hold no value but those of managed variables, in order.
func (f *file) shown(managed []string) [][2]int {
	var spans [][2]int
	for _, c := range f.simple {
		n := 0
		for n < len(c.words) && c.words[n].op != 0 {
			n++
		}
		operands := n < len(c.words) && takesNames(c.words[n].value)
		for i, w := range c.words {
			text := f.src[w.start:w.end]
			switch {
			case w.op != 0 && slices.Contains(managed, w.name) && !secretName(w.name):
				spans = append(spans, [2]int{w.start, w.end})
			case w.op == '=' || w.op == '+':
				if before, _, ok := strings.Cut(text, "="); ok && strings.TrimSuffix(before, "+") == w.name {
					spans = append(spans, [2]int{w.start, w.start + len(before) + 1})
				}
			case w.op == 0 && (i == n && isCommandName(text) || i > n && operands && isOperand(text)):
				spans = append(spans, [2]int{w.start, w.end})
			}
		}
	}
	for _, c := range f.comments {
		for _, m := range assignment().FindAllStringSubmatchIndex(f.src[c[0]:c[1]], -1) {
			if name := f.src[c[0]+m[2] : c[0]+m[3]]; !slices.Contains(managed, name) {
				c[1] = c[0] + m[1]
				break
			}
		}
		spans = append(spans, c)
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(b[1], a[1])) })
	return spans
}

// takesNames says whether the operands of a command are names of variables.
func takesNames(command string) bool {
	return slices.Contains([]string{"export", "readonly", "declare", "typeset", "local", "unset"}, command)
}

// isCommandName says whether a word is but the name of a program, and not what somebody pasted.
func isCommandName(s string) bool {
	const most = 60 // less than a line of base64 in PEM
	return s == "." || len(s) <= most && strings.Trim(s, nameBytes+"./-") == "" && strings.Trim(s, "./-") != ""
}

// isOperand takes the name of a variable, and flags.
func isOperand(s string) bool {
	return isName(s) || len(s) <= 4 && strings.HasPrefix(s, "-") && strings.Trim(s[1:], nameBytes) == ""
}
