package envfile

import "strings"

// wordHere says whether a word starts here; the caller has skipped blanks, so a # starts a comment.
func (p *parser) wordHere() bool {
	switch p.peek(0) {
	case 0, ' ', '\t', '\n', ';', '&', '|', '(', ')', '#':
		return false
	case '<', '>':
		return p.peek(1) == '('
	}
	return true
}

// A scan is a word being read.
type scan struct {
	word
	value []byte
	last  byte // the unquoted character before, 0 if that was quoted or expanded
	begin bool // at the start of the word or of the value
}

func (s *scan) literal(text string) {
	s.value = append(s.value, text...)
	s.last, s.begin = 0, false
}

func (s *scan) unknown() { s.known, s.last, s.begin = false, 0, false }

// word reads a word. The value of one that assigns is what is assigned.
func (p *parser) word() word {
	s := &scan{word: word{start: p.pos, known: true}, begin: true}
	p.assignment(s)
	for p.err == nil && p.piece(s) {
	}
	s.word.value, s.end = string(s.value), p.pos
	return s.word
}

// assignment reads NAME=, NAME+= or NAME[…]= at the start of a word.
func (p *parser) assignment(s *scan) {
	start := p.pos
	var name []byte
	for {
		if p.at("\\\n") {
			p.pos += 2
		} else if c := p.peek(0); nameByte(c) {
			name = append(name, c)
			p.pos++
		} else {
			break
		}
	}
	op := p.peek(0)
	rest := ""
	switch {
	case !isName(string(name)):
	case op == '=':
		rest = "="
	case p.at("+="):
		rest = "+="
	case op == '[':
		inside, _, _ := strings.Cut(p.src[p.pos:], "\n")
		if i := strings.Index(inside, "]"); i > 0 {
			after := strings.TrimPrefix(inside[i+1:], "+")
			if strings.HasPrefix(after, "=") {
				rest = inside[:strings.Index(inside[i:], "=")+i+1]
			}
		}
	}
	if rest == "" {
		p.pos = start
		return
	}
	p.pos += len(rest)
	s.name, s.op = string(name), op
	if p.peek(0) == '(' && op != '[' {
		p.array(s)
	}
}

// array reads the list of bash's NAME=( … ).
func (p *parser) array(s *scan) {
	start := p.pos
	s.unknown()
	p.pos++
	for p.err == nil {
		p.spaces()
		switch {
		case p.peek(0) == ')':
			p.pos++
			return
		case p.wordHere():
			p.word()
		default:
			p.unclosed(start, "the list of an array")
		}
	}
}

// piece reads one piece of a word: a character, something quoted, an expansion. It says whether there was one.
func (p *parser) piece(s *scan) bool {
	switch c := p.peek(0); c {
	case 0, ' ', '\t', '\n', ';', '&', '|', '(', ')':
		return false
	case '<', '>':
		if p.peek(1) != '(' {
			return false
		}
		s.unknown()
		p.pos += 2
		p.subshell(p.pos-2, string(c)+"(")
	case '\\':
		p.backslash(s)
	case '\'':
		p.single(s)
	case '"':
		p.double(s)
	case '$':
		p.dollar(s, false)
	case '`':
		p.backquote(s)
	default:
		switch c {
		case '~':
			// Expanded at the start, and in an assignment after a colon.
			s.known = s.known && !s.begin && s.last != ':'
		case '*', '?', '[', '{':
			s.expands = true
		}
		s.literal(p.src[p.pos : p.pos+1])
		s.last = c
		p.pos++
	}
	return true
}

func (p *parser) backslash(s *scan) {
	switch {
	case p.at("\\\n"):
		p.continuation()
	case p.pos+1 >= len(p.src):
		// bash and dash keep it, but a line added after it would be swallowed.
		p.fail(p.pos, "the file ends in a backslash")
	default:
		s.literal(p.src[p.pos+1 : p.pos+2])
		p.pos += 2
	}
}

func (p *parser) single(s *scan) {
	start := p.pos
	n := strings.IndexByte(p.src[start+1:], '\'')
	if n < 0 {
		p.fail(start, "a single quote is not closed")
		return
	}
	s.literal(p.src[start+1 : start+1+n])
	p.pos = start + n + 2
}

func (p *parser) double(s *scan) {
	start := p.pos
	if !p.enter(start) {
		return
	}
	defer func() { p.depth-- }()
	p.pos++
	s.literal("")
	for p.err == nil {
		switch c := p.peek(0); {
		case p.pos >= len(p.src):
			p.fail(start, "a double quote is not closed")
		case c == '"':
			p.pos++
			return
		case p.at("\\\n"):
			p.pos += 2
		case c == '\\' && strings.IndexByte("$`\"\\", p.peek(1)) >= 0 && p.peek(1) != 0:
			s.literal(p.src[p.pos+1 : p.pos+2])
			p.pos += 2
		case c == '$':
			p.dollar(s, true)
		case c == '`':
			p.backquote(s)
		default:
			s.literal(p.src[p.pos : p.pos+1])
			p.pos++
		}
	}
}

func (p *parser) backquote(s *scan) {
	start := p.pos
	s.unknown()
	for p.pos++; p.pos < len(p.src); p.pos++ {
		switch p.src[p.pos] {
		case '\\':
			p.pos++
		case '`':
			p.pos++
			return
		}
	}
	p.fail(start, "a backquote is not closed")
}

// dollar reads what a dollar sign starts.
func (p *parser) dollar(s *scan, quoted bool) {
	start := p.pos
	next := p.peek(1)
	switch {
	case next == '(':
		s.unknown()
		if p.peek(2) == '(' {
			if end, ok := p.arithmetic(p.pos + 3); ok {
				p.pos = end
				return
			}
		}
		p.pos += 2
		p.subshell(start, "$(")
	case next == '{':
		s.unknown()
		p.braces(quoted)
	case next == '\'' && !quoted:
		// bash reads escapes, dash an ordinary quote after a dollar: no value that both agree on.
		s.unknown()
		p.ansi()
	case next == '"' && !quoted:
		s.unknown()
		p.pos++
		p.double(s)
		s.unknown()
	case nameByte(next) && !(next >= '0' && next <= '9'):
		s.unknown()
		for p.pos++; nameByte(p.peek(0)); p.pos++ {
		}
	case next != 0 && strings.IndexByte("0123456789@*#?-$!", next) >= 0:
		s.unknown()
		p.pos += 2
	default:
		s.literal("$")
		p.pos++
	}
}

// ansi reads $'…'.
func (p *parser) ansi() {
	start := p.pos
	for p.pos += 2; p.pos < len(p.src); p.pos++ {
		switch p.src[p.pos] {
		case '\\':
			p.pos++
		case '\'':
			p.pos++
			return
		}
	}
	p.fail(start, "a single quote is not closed")
}

// braces reads ${…}. Those with = or := may assign.
func (p *parser) braces(quoted bool) {
	start := p.pos
	if !p.enter(start) {
		return
	}
	defer func() { p.depth-- }()
	p.pos += 2
	name := p.pos
	if c := p.peek(0); c == '#' || c == '!' {
		p.pos++
	}
	for nameByte(p.peek(0)) {
		p.pos++
	}
	op := strings.TrimPrefix(p.src[p.pos:min(len(p.src), p.pos+2)], ":")
	if strings.HasPrefix(op, "=") && isName(p.src[name:p.pos]) {
		kind := fallback
		if p.peek(0) == ':' {
			kind = fallbackNonEmpty
		}
		p.add(event{name: p.src[name:p.pos], kind: kind, cmd: -1, word: -1, pos: name})
	}
	inner := &scan{}
	for p.err == nil {
		switch c := p.peek(0); {
		case p.pos >= len(p.src):
			p.fail(start, "${ is not closed")
		case c == '}':
			p.pos++
			return
		case c == '\\':
			p.pos = min(len(p.src), p.pos+2)
		case c == '\'': // also in double quotes: bash pairs them off there, although they then stay in the value
			p.single(inner)
		case c == '"':
			p.double(inner)
		case c == '$':
			p.dollar(inner, quoted)
		case c == '`':
			p.backquote(inner)
		default:
			p.pos++
		}
		inner.value = inner.value[:0]
	}
}

// arithmetic finds the )) that ends the expression starting at pos, and gives the position after it. It is none, but a
// subshell in a subshell, if a single parenthesis closes more than was opened. Variables that it may set are noted.
func (p *parser) arithmetic(pos int) (end int, ok bool) {
	open := 0
	for i := pos; i < len(p.src); i++ {
		switch p.src[i] {
		case '\\':
			i++
		case '\'', '"', '`':
			n := strings.IndexByte(p.src[i+1:], p.src[i])
			if n < 0 {
				return 0, false
			}
			i += n + 1
		case '(':
			open++
		case ')':
			if open > 0 {
				open--
				continue
			}
			if !strings.HasPrefix(p.src[i:], "))") {
				return 0, false
			}
			p.mayAssign(p.src[pos:i], anywhere)
			return i + 2, true
		}
	}
	return 0, false
}
