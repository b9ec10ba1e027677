package trust

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Namespaces is an EUGridPMA .namespaces file.
type Namespaces struct {
	statements []namespace
}

// A namespace is one statement: TO Issuer … PERMIT Subject ….
type namespace struct {
	self    bool
	issuer  writtenName // if not self
	deny    bool
	literal string // the subject, folded
	subject *regexp.Regexp
	size    int // of the expression with its repetitions written out
}

// maxExpansion is how much longer the expressions of a file may be than the file, with their repetitions written out: real
// files have none.
const maxExpansion = 8

// ParseNamespaces reads version 1.0 of the format. Keywords ignore case, a backslash at the end of a line continues it, even
// within a word. Single quotes do as well, alone or around double ones, as one file of the IGTF has them.
//
//	#NAMESPACES-VERSION: 1.0
//	TO Issuer "/C=ch/O=CERN/CN=CERN Root Certification Authority 2" \
//	  PERMIT Subject "/DC=ch/DC=cern/CN=CERN Grid Certification Authority"
//
// A file that breaks the format anywhere is refused as a whole.
func ParseNamespaces(data []byte) (*Namespaces, error) {
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("there is a NUL byte in it")
	}
	ns := new(Namespaces)
	size := 0
	var statement strings.Builder
	for line := range strings.SplitSeq(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok && statement.Len() == 0 {
			if v, ok := cutPrefixFold(strings.TrimSpace(comment), "NAMESPACES-VERSION:"); ok && strings.TrimSpace(v) != "1.0" {
				return nil, fmt.Errorf("version %.20q is not 1.0", strings.TrimSpace(v))
			}
			continue
		}
		line, more := strings.CutSuffix(line, `\`)
		statement.WriteString(line)
		if more {
			statement.WriteString(continued)
			continue
		}
		if err := ns.add(statement.String(), &size, maxExpansion*(len(data)+1024)); err != nil {
			return nil, err
		}
		statement.Reset()
	}
	if err := ns.add(statement.String(), &size, maxExpansion*(len(data)+1024)); err != nil {
		return nil, err
	}
	if len(ns.statements) == 0 {
		return nil, errors.New("there is no statement in it")
	}
	return ns, nil
}

// continued stands for a backslash and line end.
const continued = "\x00"

// add reads a statement of one or more lines. The size is that of all expressions so far.
func (ns *Namespaces) add(text string, size *int, most int) error {
	if strings.Trim(text, " \t\r\n\v\f"+continued) == "" {
		return nil
	}
	st, err := parseNamespace(strings.ReplaceAll(text, continued, ""))
	if err != nil && strings.Contains(text, continued) {
		st, err = parseNamespace(strings.ReplaceAll(text, continued, " "))
	}
	if err != nil {
		return err
	}
	if *size += st.size; *size > most {
		return fmt.Errorf("%.200q: the file's repetitions, such as {9}, make its expressions too large", text)
	}
	ns.statements = append(ns.statements, st)
	return nil
}

func parseNamespace(line string) (namespace, error) {
	var st namespace
	bad := fmt.Errorf("%.200q is not of the form TO Issuer \"…\" PERMIT Subject \"…\"", line)
	words, err := namespaceWords(line)
	if err != nil || len(words) != 6 {
		return st, bad
	}
	keyword := func(i int, want string) bool { return !words[i].quoted && strings.EqualFold(words[i].text, want) }
	if !keyword(0, "TO") || !keyword(1, "ISSUER") || !keyword(4, "SUBJECT") || !words[5].quoted {
		return st, bad
	}
	switch {
	case words[2].quoted && words[2].text != "":
		st.issuer = newWrittenName(words[2].text)
	case keyword(2, "SELF"):
		st.self = true
	default:
		return st, bad
	}
	switch {
	case keyword(3, "DENY"):
		st.deny = true
	case !keyword(3, "PERMIT"):
		return st, bad
	}
	if words[5].text == "" {
		return st, bad
	}
	st.literal = foldName(words[5].text)
	if st.subject, st.size, err = compileSubject(words[5].text); err != nil {
		return st, fmt.Errorf("subject %.200q: %w", words[5].text, err)
	}
	return st, nil
}

// A namespaceWord is a keyword, or the content of quotes.
type namespaceWord struct {
	text   string
	quoted bool
}

func namespaceWords(line string) ([]namespaceWord, error) {
	var out []namespaceWord
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] == '#' {
			break
		}
		if quote := rest[:1]; quote == `"` || quote == "'" {
			text, after, closed := strings.Cut(rest[1:], quote)
			if !closed {
				return nil, errors.New("unbalanced quotes")
			}
			if inner, ok := strings.CutPrefix(text, `"`); ok && strings.HasSuffix(inner, `"`) {
				text = strings.TrimSuffix(inner, `"`)
			}
			out, rest = append(out, namespaceWord{text, true}), after
			continue
		}
		i := strings.IndexAny(rest, " \t\"'")
		if i < 0 {
			i = len(rest)
		}
		out, rest = append(out, namespaceWord{rest[:i], false}), rest[i:]
	}
	return out, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// Permits reports whether issuer may sign subject, by the file of the CA owner, who is the SELF of the file. found tells
// whether the file speaks of issuer at all.
func (ns *Namespaces) Permits(owner, issuer, subject dn.Name) (permitted, found bool) {
	return ns.permits(spell(owner), spell(issuer), spell(subject))
}

func (ns *Namespaces) permits(owner, issuer, subject *spelling) (permitted, found bool) {
	denied := false
	for _, st := range ns.statements {
		if st.self && owner.key != issuer.key || !st.self && !st.issuer.is(issuer) {
			continue
		}
		found = true
		switch matches := st.matches(subject); {
		case st.deny && matches:
			denied = true
		case matches:
			permitted = true
		}
	}
	return permitted && !denied, found
}

// matches tries the text as it is before it takes it for a regular expression: real files have names with brackets in
// them, not escaped, which as an expression do not match themselves.
func (st namespace) matches(subject *spelling) bool {
	for _, form := range subject.folded {
		if form == st.literal || st.subject.MatchString(form) {
			return true
		}
	}
	return false
}

// compileSubject anchors the expression at both ends, as canl does; Go's take time linear in the subject. The size is that of
// the expression with its repetitions written out, which is what it costs.
func compileSubject(pattern string) (re *regexp.Regexp, size int, err error) {
	for _, alias := range [...]string{"/E=", "/Email=", "/EMAIL="} {
		pattern = strings.ReplaceAll(pattern, alias, "/emailAddress=")
	}
	pattern = strings.ReplaceAll(pattern, "/USERID=", "/UID=")
	pattern = `(?is)\A(?:` + pattern + `)\z`
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	if size = expanded(tree); size > maxExpansion*(len(pattern)+1024) {
		return nil, 0, errors.New("its repetitions, such as {9}, make it too large")
	}
	re, err = regexp.Compile(pattern)
	return re, size, err
}

// expanded is the number of operators and letters of an expression with its repetitions written out. Package syntax bounds
// how deep it is and how often anything is repeated.
func expanded(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size += expanded(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(1, re.Min, re.Max)
	}
	return size
}

// checkNamespace asks the signing policy of n's issuer, and the .namespaces files of the issuer and of the CAs above it,
// whether the issuer may have signed n. cas are issuer … root. A self-signed certificate is not asked about.
func (s *Store) checkNamespace(n *node, cas []*node) error {
	issuer := cas[0].subject
	spoke, err := s.checkNamespaces(n, cas)
	if err != nil {
		return err
	}
	policy, path, err := hashed(s, cas[0], ".signing_policy", ParseSigningPolicy)
	if isMissing(err) {
		if spoke {
			return nil
		}
		return refuse(IDPolicy, n.subject, "the CA %s has no signing policy: %s is missing", issuer, path)
	}
	if err != nil {
		return refuse(IDPolicy, n.subject, "the signing policy of the CA %s cannot be used: %v", issuer, err)
	}
	permitted, found := policy.permits(cas[0].spelled(), n.spelled())
	if !found {
		return refuse(IDPolicy, n.subject, "the signing policy %s does not speak of the CA %s", path, issuer)
	}
	if !permitted {
		return refuse(IDPolicy, n.subject, "the signing policy %s does not let %s sign %s", path, issuer, n.subject)
	}
	return nil
}

// checkNamespaces asks the first file that speaks of the issuer. It reports whether there was one.
func (s *Store) checkNamespaces(n *node, cas []*node) (spoke bool, err error) {
	issuer := cas[0].subject
	for _, ca := range cas {
		ns, path, err := hashed(s, ca, ".namespaces", ParseNamespaces)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return false, refuse(IDPolicy, n.subject, "the namespaces of the CA %s cannot be used: %v", ca.subject, err)
		}
		permitted, found := ns.permits(ca.spelled(), cas[0].spelled(), n.spelled())
		if !found {
			continue
		}
		if !permitted {
			return false, refuse(IDPolicy, n.subject, "the namespaces in %s do not let %s sign %s", path, issuer, n.subject)
		}
		return true, nil
	}
	return false, nil
}

// hashed loads HASH+suffix, by the new hash or else the old. The path is that of the file, or where it was looked for first.
func hashed[T any](s *Store, ca *node, suffix string, parse func([]byte) (T, error)) (v T, path string, err error) {
	var first string
	for _, hash := range ca.hashNames() {
		path = filepath.Join(s.Certificates, hash+suffix)
		if first == "" {
			first = path
		}
		if v, err = load(s, path, maxFile, parse); !isMissing(err) {
			return v, path, err
		}
	}
	return v, first, err
}
