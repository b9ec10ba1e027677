package envfile

import (
	"bytes"
	"fmt"
	"strings"
)

// maxDepth bounds how deep compound commands and expansions nest: it bounds our own recursion.
const maxDepth = 100

// A file is what a shell would make of an environment file, as far as variables go.
type file struct {
	src    string
	cmds   []command // simple commands that do something to variables, outside of substitutions
	events []event
	stop   int  // start of the first command after which nothing is read (exit, return, exec), or len(src)
	joins  bool // the end of the file is a continuation line

	// What a diff may show of the file, subshells and substitutions left out.
	simple   []command
	comments [][2]int // start and end

	functions map[string]bool // defined in the file
	inside    map[string]int  // variables that any of their bodies touches, and where the first is
}

// A command is a simple command.
type command struct {
	start, end int
	words      []word
	first      int  // index of the first operand in words; 0 for a plain list of assignments
	editable   bool // certain to run, on its own, and nothing but assignments or a declaration
}

// A word is one word of a command.
type word struct {
	start, end int
	name       string // of the variable, for NAME=value and the like
	op         byte   // '=', '+' for +=, '[' for NAME[…]=; 0: no assignment
	value      string // after quote removal: of what is assigned, or else of the whole word
	known      bool   // value is what every shell makes of it
	expands    bool   // unquoted * ? [ {: literal in an assignment, perhaps not as the operand of export
}

type parser struct {
	file
	pos      int
	depth    int // of recursion
	nest     int // of compound commands: what is inside may not run, or several times
	sub      int // of subshells: what is inside does not reach the file's own variables
	body     int // of functions: what is inside happens when they are called
	heredocs []heredoc
	err      *SyntaxError
}

// A heredoc is a here-document whose body starts on the next line.
type heredoc struct {
	delim         string
	strip, quoted bool
	at            int
}

func parse(data []byte) (*file, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, more than %d: that is no environment file", len(data), MaxSize)
	}
	p := &parser{file: file{src: string(data), functions: map[string]bool{}, inside: map[string]int{}}}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		p.fail(i, "a NUL byte: that is no text file")
		return nil, p.err
	}
	p.list()
	if p.err == nil && p.pos < len(p.src) {
		p.fail(p.pos, fmt.Sprintf("%q is out of place", p.token()))
	}
	p.bodies()
	if p.err != nil {
		return nil, p.err
	}
	p.stop = len(p.src)
	for _, ev := range p.events {
		if ev.kind == leave && !ev.cond {
			p.stop = p.cmds[ev.cmd].start
			break
		}
	}
	return &p.file, nil
}

// line gives the number of the line, from 1, that pos is on.
func (f *file) line(pos int) int { return 1 + strings.Count(f.src[:pos], "\n") }

// fail notes the first fault, and moves to the end so that every loop ends.
func (p *parser) fail(pos int, what string) {
	if p.err == nil {
		p.err = &SyntaxError{Line: p.line(min(pos, len(p.src))), What: what}
	}
	p.pos = len(p.src)
}

func (p *parser) enter(pos int) bool {
	p.depth++
	if p.depth > maxDepth {
		p.fail(pos, "nested too deeply")
		return false
	}
	return true
}

// peek gives the byte n further on, 0 at the end. No file has a NUL byte.
func (p *parser) peek(n int) byte {
	if p.pos+n < len(p.src) {
		return p.src[p.pos+n]
	}
	return 0
}

func (p *parser) at(s string) bool { return strings.HasPrefix(p.src[p.pos:], s) }

// token is what stands here, for a message.
func (p *parser) token() string {
	rest := p.src[p.pos:min(len(p.src), p.pos+20)]
	if i := strings.IndexAny(rest, " \t\r\n"); i > 0 {
		rest = rest[:i]
	}
	return rest
}

// blanks skips spaces, tabs and continuations.
func (p *parser) blanks() {
	for {
		switch {
		case p.peek(0) == ' ' || p.peek(0) == '\t':
			p.pos++
		case p.at("\\\n"):
			p.continuation()
		default:
			return
		}
	}
}

func (p *parser) continuation() {
	p.pos += 2
	p.joins = p.joins || p.pos == len(p.src)
}

// spaces skips blanks, comments and newlines.
func (p *parser) spaces() {
	for {
		p.blanks()
		switch p.peek(0) {
		case '#':
			start := p.pos
			if i := strings.IndexByte(p.src[p.pos:], '\n'); i >= 0 {
				p.pos += i
			} else {
				p.pos = len(p.src)
			}
			if p.sub == 0 {
				p.comments = append(p.comments, [2]int{start, p.pos})
			}
		case '\n':
			p.pos++
			p.bodies()
		default:
			return
		}
	}
}

// bodies skips the here-documents that start here.
func (p *parser) bodies() {
	for _, h := range p.heredocs {
		if p.err == nil && !p.skipBody(h) {
			p.fail(h.at, fmt.Sprintf("the here-document does not end: no line %q", h.delim))
		}
	}
	p.heredocs = p.heredocs[:0]
}

func (p *parser) skipBody(h heredoc) bool {
	joined := false
	for p.pos < len(p.src) {
		line, _, _ := strings.Cut(p.src[p.pos:], "\n")
		p.pos = min(len(p.src), p.pos+len(line)+1)
		if h.strip {
			line = strings.TrimLeft(line, "\t")
		}
		if line == h.delim && !joined {
			return true
		}
		slashes := len(line) - len(strings.TrimRight(line, "\\"))
		joined = !h.quoted && slashes%2 == 1
	}
	return false
}

// list reads commands until the end, a closing parenthesis, the end of a case's branch, or a reserved word that closes
// something. Whoever opened it looks at what is there.
func (p *parser) list() {
	for {
		p.spaces()
		if p.pos >= len(p.src) || p.peek(0) == ')' || p.at(";;") || p.at(";&") || closing[p.reserved()] {
			return
		}
		p.andOr()
		p.blanks()
		switch c := p.peek(0); {
		case c == ';' && p.peek(1) != ';' && p.peek(1) != '&', c == '&':
			p.pos++
		case c == 0 || c == '\n' || c == ')' || c == ';' || c == '#':
		default:
			p.fail(p.pos, fmt.Sprintf("%q is out of place", p.token()))
		}
	}
}

// andOr reads pipelines joined by && and ||. Whether a member of more than one runs, or runs in this shell, is not
// followed.
func (p *parser) andOr() {
	events, cmds := len(p.events), len(p.cmds)
	joined := false
	for p.err == nil {
		for p.reserved() == "!" {
			p.pos++
			p.blanks()
			joined = true
		}
		p.command()
		p.blanks()
		n := 0
		switch {
		case p.at("&&") || p.at("||") || p.at("|&"):
			n = 2
		case p.at("|"):
			n = 1
		}
		if n == 0 {
			break
		}
		p.pos += n
		joined = true
		p.spaces()
	}
	if p.peek(0) == '&' {
		joined = true
	}
	if !joined {
		return
	}
	for i := range p.events[events:] {
		p.events[events+i].cond = true
	}
	for i := range p.cmds[cmds:] {
		p.cmds[cmds+i].editable = false
	}
}

var closing = map[string]bool{"then": true, "elif": true, "else": true, "fi": true, "do": true, "done": true, "esac": true, "}": true}

// opening gives what reads the compound command that a reserved word opens, nil if it opens none.
func opening(word string) func(*parser) {
	switch word {
	case "if":
		return (*parser).ifClause
	case "while", "until":
		return (*parser).loop
	case "for", "select":
		return (*parser).forLoop
	case "case":
		return (*parser).caseClause
	case "{":
		return (*parser).group
	case "function":
		return (*parser).function
	case "[[":
		return (*parser).test
	}
	return nil
}

// reserved gives the unquoted run of ordinary characters here. Only the caller knows whether it is in the place of a
// reserved word.
func (p *parser) reserved() string {
	rest := p.src[p.pos:min(len(p.src), p.pos+10)]
	if i := strings.IndexAny(rest, " \t\n;&|()<>"); i >= 0 {
		return rest[:i]
	}
	if len(rest) == 10 {
		return "" // longer than any of them
	}
	return rest
}

func (p *parser) command() {
	start := p.pos
	open := opening(p.reserved())
	if p.peek(0) == '(' {
		open = (*parser).parenthesis
	}
	if open == nil {
		p.simpleCommand()
		return
	}
	if !p.enter(start) {
		return
	}
	p.nest++
	open(p)
	p.nest--
	p.depth--
	for p.blanks(); p.err == nil; p.blanks() {
		if c := p.peek(0); c >= '0' && c <= '9' && (p.peek(1) == '<' || p.peek(1) == '>') {
			p.pos++
		}
		if c := p.peek(0); c != '<' && c != '>' && !p.at("&>") {
			return
		}
		p.redirection()
	}
}

// expect reads a reserved word.
func (p *parser) expect(word string, start int, opened string) bool {
	if p.err == nil && p.reserved() != word {
		if p.pos < len(p.src) {
			start, opened = p.pos, fmt.Sprintf("%q where %s is wanted", p.token(), word)
		} else {
			opened = fmt.Sprintf("%s is not closed: no %s", opened, word)
		}
		p.fail(start, opened)
	}
	if p.err != nil {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *parser) ifClause() {
	start := p.pos
	p.pos += len("if")
	for p.err == nil {
		p.list()
		if !p.expect("then", start, "if") {
			return
		}
		p.list()
		if p.reserved() == "elif" {
			p.pos += len("elif")
			continue
		}
		if p.reserved() == "else" {
			p.pos += len("else")
			p.list()
		}
		p.expect("fi", start, "if")
		return
	}
}

func (p *parser) loop() {
	start, kind := p.pos, p.reserved()
	p.pos += len(kind)
	p.list()
	p.doDone(start, kind)
}

func (p *parser) doDone(start int, kind string) {
	if p.expect("do", start, kind) {
		p.list()
		p.expect("done", start, kind)
	}
}

func (p *parser) forLoop() {
	start, kind := p.pos, p.reserved()
	p.pos += len(kind)
	p.blanks()
	if p.at("((") {
		end, ok := p.arithmetic(p.pos + 2)
		if !ok {
			p.fail(start, "for (( is not closed")
			return
		}
		p.pos = end
	} else {
		name := p.word()
		if !isName(name.value) {
			p.fail(start, kind+" without the name of a variable")
			return
		}
		p.add(event{name: name.value, kind: opaque, cmd: -1, word: -1, pos: start})
		p.spaces()
		if p.reserved() == "in" {
			p.pos += len("in")
			for p.blanks(); p.wordHere(); p.blanks() {
				p.word()
			}
		}
	}
	p.blanks()
	if p.peek(0) == ';' {
		p.pos++
	}
	p.spaces()
	if p.reserved() == "{" { // an old form that bash takes
		p.group()
		return
	}
	p.doDone(start, kind)
}

func (p *parser) caseClause() {
	start := p.pos
	p.pos += len("case")
	p.blanks()
	p.word()
	p.spaces()
	if !p.expect("in", start, "case") {
		return
	}
	for p.err == nil {
		p.spaces()
		if p.reserved() == "esac" {
			p.pos += len("esac")
			return
		}
		if p.pos >= len(p.src) {
			p.fail(start, "case is not closed: no esac")
			return
		}
		p.patterns(start)
		p.list()
		for _, end := range []string{";;&", ";;", ";&"} {
			if p.at(end) {
				p.pos += len(end)
				break
			}
		}
	}
}

func (p *parser) patterns(start int) {
	if p.peek(0) == '(' {
		p.pos++
	}
	for p.err == nil {
		p.blanks()
		if !p.wordHere() {
			p.fail(min(p.pos, len(p.src)), "a pattern of case is wanted")
			return
		}
		p.word()
		p.blanks()
		switch p.peek(0) {
		case '|':
			p.pos++
		case ')':
			p.pos++
			return
		default:
			p.fail(start, "a pattern of case does not end in a parenthesis")
		}
	}
}

func (p *parser) group() {
	start := p.pos
	p.pos++
	p.list()
	p.expect("}", start, "{")
}

// parenthesis reads a subshell, or bash's (( … )).
func (p *parser) parenthesis() {
	start := p.pos
	if p.at("((") {
		if end, ok := p.arithmetic(p.pos + 2); ok {
			p.pos = end
			return
		}
	}
	p.pos++
	p.subshell(start, "(")
}

// subshell reads up to the parenthesis that closes it.
func (p *parser) subshell(start int, opened string) {
	if !p.enter(start) {
		return
	}
	p.sub++
	p.list()
	p.sub--
	p.depth--
	if p.err == nil && p.peek(0) != ')' {
		p.unclosed(start, opened)
		return
	}
	if p.err == nil {
		p.pos++
	}
}

func (p *parser) unclosed(start int, opened string) {
	if p.pos < len(p.src) {
		p.fail(p.pos, fmt.Sprintf("%q is out of place", p.token()))
		return
	}
	p.fail(start, opened+" is not closed")
}

func (p *parser) function() {
	start := p.pos
	p.pos += len("function")
	p.blanks()
	if !p.wordHere() {
		p.fail(start, "function without a name")
		return
	}
	name := p.word().value
	p.blanks()
	if p.peek(0) == '(' {
		p.pos++
		p.blanks()
		if p.peek(0) != ')' {
			p.fail(start, "function without a closing parenthesis")
			return
		}
		p.pos++
	}
	p.spaces()
	p.functionBody(start, name)
}

func (p *parser) functionBody(start int, name string) {
	if p.err == nil && opening(p.reserved()) == nil && p.peek(0) != '(' {
		p.fail(start, "a function without a body")
		return
	}
	p.body++
	p.command()
	p.body--
	p.functions[name] = true
}

// test reads bash's [[ … ]], whose < > ( ) & | are no operators of the shell.
func (p *parser) test() {
	start := p.pos
	p.pos += 2
	for p.err == nil {
		p.spaces()
		switch {
		case p.pos >= len(p.src):
			p.fail(start, "[[ is not closed")
		case p.reserved() == "]]":
			p.pos += 2
			return
		case p.wordHere() && p.peek(0) != '<' && p.peek(0) != '>':
			p.word()
		default:
			p.pos++
		}
	}
}

// simpleCommand reads a simple command, or the definition of a function.
func (p *parser) simpleCommand() {
	if closing[p.reserved()] {
		p.fail(p.pos, fmt.Sprintf("%q is out of place", p.token()))
		return
	}
	c := command{start: p.pos, end: p.pos}
	redirected := false
	for p.err == nil {
		p.blanks()
		b := p.peek(0)
		switch {
		case b == '(' && len(c.words) == 1 && !redirected && c.words[0].op == 0:
			p.definition(c.start, c.words[0].value)
			return
		case (b == '<' || b == '>') && p.peek(1) != '(' || p.at("&>"):
			// A number right before is the redirection's.
			if n := len(c.words); n > 0 && c.words[n-1].end == p.pos && digits(p.src[c.words[n-1].start:p.pos]) {
				c.words = c.words[:n-1]
			}
			redirected = true
			p.redirection()
			c.end = p.pos
		case p.wordHere():
			c.words = append(c.words, p.word())
			c.end = p.pos
		default:
			if len(c.words) == 0 && !redirected {
				p.noCommand()
				return
			}
			if p.sub == 0 {
				p.simple = append(p.simple, c)
			}
			p.classify(c, redirected)
			return
		}
	}
}

func (p *parser) noCommand() {
	if p.pos >= len(p.src) {
		p.fail(p.pos, "the file ends where a command is wanted")
		return
	}
	p.fail(p.pos, fmt.Sprintf("%q where a command is wanted", p.token()))
}

// definition reads the rest of name() { … }.
func (p *parser) definition(start int, name string) {
	p.pos++
	p.blanks()
	if p.peek(0) != ')' {
		p.fail(start, "an opening parenthesis is out of place")
		return
	}
	p.pos++
	p.spaces()
	if !p.enter(start) {
		return
	}
	p.nest++
	p.functionBody(start, name)
	p.nest--
	p.depth--
}

// redirection reads one, and remembers a here-document.
func (p *parser) redirection() {
	at := p.pos
	op := ""
	for _, op = range []string{"<<<", "<<-", "<<", "<&", "<>", "<", "&>>", "&>", ">>", ">&", ">|", ">"} {
		if p.at(op) {
			break
		}
	}
	p.pos += len(op)
	p.blanks()
	if !p.wordHere() {
		p.fail(at, "a redirection without a file")
		return
	}
	w := p.word()
	if op == "<<" || op == "<<-" {
		raw := p.src[w.start:w.end]
		// The delimiter is the word after quote removal, without any expansion; with one in it we would guess.
		if strings.ContainsAny(raw, "$`") {
			p.fail(at, "a here-document whose end is not plain text")
			return
		}
		if w.op != 0 {
			w.value = raw
		}
		p.heredocs = append(p.heredocs, heredoc{delim: w.value, strip: op == "<<-", quoted: strings.ContainsAny(raw, `'"\`), at: at})
	}
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
