package envfile

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// systemdReader follows the states of systemd's own reader of EnvironmentFile= (src/basic/env-file.c).
type systemdReader struct {
	src     string
	at      int
	entries []entry
}

// parseSystemd reads NAME=VALUE lines with quotes and continuation lines. A comment that ends in a backslash is refused: up
// to version 253 the line behind it was a part of it, and since then it is not.
func parseSystemd(src string) ([]entry, error) {
	r := &systemdReader{src: src}
	for r.at < len(src) {
		if err := r.line(); err != nil {
			return nil, err
		}
	}
	return r.entries, nil
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' }

func (r *systemdReader) fault(at int, what string) error {
	return &SyntaxError{1 + strings.Count(r.src[:min(at, len(r.src))], "\n"), what}
}

// line reads one logical line, a comment or a blank one included.
func (r *systemdReader) line() error {
	start := r.at
	for r.at < len(r.src) && strings.IndexByte(" \t\n\r", r.src[r.at]) >= 0 {
		if isBreak(r.src[r.at]) {
			start = r.at + 1
		}
		r.at++
	}
	if r.at == len(r.src) {
		return nil
	}
	if c := r.src[r.at]; c == '#' || c == ';' {
		return r.comment()
	}
	key := r.at
	for r.at < len(r.src) && r.src[r.at] != '=' && !isBreak(r.src[r.at]) {
		r.at++
	}
	name := strings.TrimRight(r.src[key:r.at], " \t")
	if r.at == len(r.src) || isBreak(r.src[r.at]) {
		return nil // no "=": systemd passes it over
	}
	r.at++
	e := entry{name: name, start: start}
	if err := r.value(&e); err != nil {
		return err
	}
	if isName(name) { // systemd passes others over, "export NAME" for one
		r.entries = append(r.entries, e)
	}
	return nil
}

func (r *systemdReader) comment() error {
	for ; r.at < len(r.src); r.at++ {
		switch c := r.src[r.at]; {
		case c == '\\' && (r.at+1 == len(r.src) || isBreak(r.src[r.at+1])):
			return r.fault(r.at, `a comment that ends in a backslash: versions of systemd differ about the next line; take the backslash out`)
		case c == '\\':
			r.at++
		case isBreak(c):
			return nil
		}
	}
	return nil
}

// value reads from behind the "=" to the end of the logical line.
func (r *systemdReader) value(e *entry) error {
	var b strings.Builder
	for r.at < len(r.src) && (r.src[r.at] == ' ' || r.src[r.at] == '\t') {
		r.at++
	}
	e.from, e.to = r.at, r.at
	keep := 0        // length of the value that blanks at its end do not belong to
	outside := false // unquoted text has begun: quotes in it are characters
	for {
		if r.at == len(r.src) || isBreak(r.src[r.at]) {
			break
		}
		c := r.src[r.at]
		switch {
		case c == '\\':
			outside = true
			r.at++
			if r.at < len(r.src) && !isBreak(r.src[r.at]) {
				b.WriteByte(r.src[r.at])
			}
			if r.at < len(r.src) {
				r.at++
			}
			keep, e.to = b.Len(), r.at
			continue
		case !outside && (c == '\'' || c == '"'):
			if err := r.quoted(&b, c); err != nil {
				return err
			}
			keep, e.to = b.Len(), r.at
			continue
		case c == ' ' || c == '\t':
			if outside {
				b.WriteByte(c)
			}
		default:
			outside = true
			b.WriteByte(c)
			keep = b.Len()
			e.to = r.at + 1
		}
		r.at++
	}
	e.value = b.String()[:keep]
	if r.at < len(r.src) {
		if r.src[r.at] == '\r' && r.at+1 < len(r.src) && r.src[r.at+1] == '\n' {
			r.at++
		}
		r.at++
	}
	e.end = r.at
	return nil
}

// quoted reads a quoted part; blanks behind it do not count.
func (r *systemdReader) quoted(b *strings.Builder, quote byte) error {
	begin := r.at
	for r.at++; r.at < len(r.src); r.at++ {
		c := r.src[r.at]
		switch {
		case c == quote:
			r.at++
			return nil
		case c == '\\' && quote == '"':
			r.at++
			if r.at == len(r.src) {
				return r.fault(begin, "a quote that is not closed")
			}
			switch next := r.src[r.at]; {
			case strings.IndexByte("\"\\`$", next) >= 0:
				b.WriteByte(next)
			case next != '\n':
				b.WriteByte('\\')
				b.WriteByte(next)
			}
		default:
			b.WriteByte(c)
		}
	}
	return r.fault(begin, "a quote that is not closed")
}

func systemdValue(value string) (string, error) {
	switch {
	case !utf8.ValidString(value):
		return "", fmt.Errorf("a value that is no UTF-8 cannot be written: systemd refuses the file")
	case value == "":
		return "", nil
	case strings.IndexFunc(value, func(r rune) bool { return !plain(r) }) < 0:
		return value, nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(value) + `"`, nil
}
