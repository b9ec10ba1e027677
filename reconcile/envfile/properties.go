package envfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// parseProperties reads what java.util.Properties.load does: NAME=VALUE, NAME: VALUE or NAME VALUE, comments with # and !,
// continuation lines and escapes.
func parseProperties(src string) ([]entry, error) {
	var out []entry
	for at := 0; at < len(src); {
		begin := at
		for at < len(src) && strings.IndexByte(" \t\f", src[at]) >= 0 {
			at++
		}
		if at == len(src) {
			break
		}
		if c := src[at]; isBreak(c) || c == '#' || c == '!' { // a comment has no continuation
			at = afterBreak(src, at)
			continue
		}
		e, next, err := property(src, begin, at)
		if err != nil {
			return nil, err
		}
		if isName(e.name) {
			out = append(out, e)
		}
		at = next
	}
	return out, nil
}

// afterBreak is where the next natural line begins.
func afterBreak(src string, at int) int {
	for at < len(src) && !isBreak(src[at]) {
		at++
	}
	return skipBreak(src, at)
}

func skipBreak(src string, at int) int {
	switch {
	case at == len(src):
		return at
	case strings.HasPrefix(src[at:], "\r\n"):
		return at + 2
	}
	return at + 1
}

// A char is one character of a logical line, and where it begins and ends.
type char struct {
	text       string
	escaped    bool
	start, end int
}

// property reads the logical line whose text begins at.
func property(src string, begin, at int) (entry, int, error) {
	chars, next, err := logicalLine(src, at)
	if err != nil {
		return entry{}, 0, err
	}
	is := func(i int, set string) bool {
		return i < len(chars) && !chars[i].escaped && strings.Contains(set, chars[i].text)
	}
	i := 0
	var name, value strings.Builder
	for ; i < len(chars) && !is(i, "=: \t\f"); i++ {
		name.WriteString(chars[i].text)
	}
	afterName := i
	for is(i, " \t\f") {
		i++
	}
	if is(i, "=:") {
		i++
	}
	for is(i, " \t\f") {
		i++
	}
	e := entry{name: name.String(), start: begin, end: next, from: at, to: at}
	if n := len(chars); n > 0 {
		e.from, e.to = chars[n-1].end, chars[n-1].end
	}
	if i < len(chars) {
		e.from = chars[i].start
	}
	if i == afterName {
		e.sep = "="
	}
	for ; i < len(chars); i++ {
		value.WriteString(chars[i].text)
	}
	e.value = value.String()
	return e, next, nil
}

// logicalLine takes a line and its continuations apart into characters.
func logicalLine(src string, at int) (chars []char, next int, err error) {
	for at < len(src) {
		c := src[at]
		switch {
		case isBreak(c):
			return chars, skipBreak(src, at), nil
		case c != '\\':
			_, size := utf8.DecodeRuneInString(src[at:])
			chars = append(chars, char{src[at : at+size], false, at, at + size})
			at += size
		case at+1 == len(src): // Java passes it over
			return chars, len(src), nil
		case isBreak(src[at+1]):
			at = skipBreak(src, at+1)
			for at < len(src) && strings.IndexByte(" \t\f", src[at]) >= 0 {
				at++
			}
		default:
			ch, err := escape(src, at)
			if err != nil {
				return nil, 0, err
			}
			chars = append(chars, ch)
			at = ch.end
		}
	}
	return chars, at, nil
}

// escape reads a backslash and what it stands before.
func escape(src string, at int) (char, error) {
	unit := func(at int) (rune, bool) {
		if !strings.HasPrefix(src[at:], `\u`) || at+6 > len(src) {
			return 0, false
		}
		n, err := strconv.ParseUint(src[at+2:at+6], 16, 16)
		return rune(n), err == nil
	}
	if src[at+1] == 'u' {
		r, ok := unit(at)
		if !ok {
			return char{}, &SyntaxError{1 + strings.Count(src[:at], "\n"), `\u without four hexadecimal digits`}
		}
		end := at + 6
		if utf16.IsSurrogate(r) {
			if low, ok := unit(end); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				return char{string(utf16.DecodeRune(r, low)), true, at, end + 6}, nil
			}
		}
		return char{string(r), true, at, end}, nil
	}
	_, size := utf8.DecodeRuneInString(src[at+1:])
	text := src[at+1 : at+1+size]
	if special := strings.IndexByte("tnrf", src[at+1]); special >= 0 {
		text = "\t\n\r\f"[special : special+1]
	}
	return char{text, true, at, at + 1 + size}, nil
}

func propertiesValue(value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("a value that is no UTF-8 cannot be written in this format")
	}
	var b strings.Builder
	for i, r := range value {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == ' ' && i == 0:
			b.WriteString(`\ `)
		case strings.ContainsRune("\t\n\r\f", r):
			b.WriteString(`\` + "tnrf"[strings.IndexRune("\t\n\r\f", r):][:1])
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
		}
	}
	return b.String(), nil
}
