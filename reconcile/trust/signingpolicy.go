package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A SigningPolicy is a Globus signing_policy file: which CA may sign which subjects.
type SigningPolicy struct {
	entries []policyEntry
}

// A policyEntry holds the rights of one or more principals.
type policyEntry struct {
	anybody bool
	cas     []writtenName
	rights  []policyRight
}

// A policyRight is "pos_rights globus CA:sign" or the negative, with its cond_subjects lines.
type policyRight struct {
	negative bool
	never    bool       // has a condition that cannot be met or is not understood
	subjects [][]string // one element per line, all of which must hold; folded patterns of which one must match
}

// ParseSigningPolicy reads the grammar of Globus's oldgaa library. Tokens are separated by white space, also line ends;
// '…' and "…" hold one token; # at the start of a token comments to the end of the line.
//
//	access_id_CA  X509    '/DC=org/DC=example/CN=Example CA'
//	pos_rights    globus  CA:sign
//	cond_subjects globus  '"/DC=org/DC=example/*" "/O=example/*"'
//
// A file that breaks the grammar anywhere is refused as a whole.
func ParseSigningPolicy(data []byte) (*SigningPolicy, error) {
	tokens, err := policyTokens(string(data))
	if err != nil {
		return nil, err
	}
	p := new(SigningPolicy)
	for len(tokens) > 0 {
		var e policyEntry
		if tokens, err = e.parse(tokens); err != nil {
			return nil, err
		}
		p.entries = append(p.entries, e)
	}
	if len(p.entries) == 0 {
		return nil, errors.New("there is no entry in it")
	}
	return p, nil
}

// parse reads principal+ rights+ and returns the remaining tokens.
func (e *policyEntry) parse(tokens []string) (rest []string, err error) {
	start := len(tokens)
	if tokens, err = e.parsePrincipals(tokens); err != nil {
		return nil, err
	}
	if len(tokens) == start {
		return nil, fmt.Errorf("%.80q is where access_id_CA is expected", tokens[0])
	}
	start = len(tokens)
	for len(tokens) > 0 && (tokens[0] == "pos_rights" || tokens[0] == "neg_rights") {
		var r policyRight
		var isSign bool
		if isSign, tokens, err = r.parse(tokens); err != nil {
			return nil, err
		}
		if isSign {
			e.rights = append(e.rights, r)
		}
	}
	if len(tokens) == start {
		return nil, errors.New("a principal without rights")
	}
	return tokens, nil
}

func (e *policyEntry) parsePrincipals(tokens []string) (rest []string, err error) {
	for len(tokens) > 0 && strings.HasPrefix(tokens[0], "access_id_") {
		kind := tokens[0]
		switch kind {
		case "access_id_ANYBODY":
			e.anybody, tokens = true, tokens[1:]
			continue
		case "access_id_CA", "access_id_USER", "access_id_GROUP", "access_id_HOST", "access_id_APPLICATION":
		default:
			return nil, fmt.Errorf("unknown principal %.80q", kind)
		}
		if len(tokens) < 3 {
			return nil, fmt.Errorf("%s without authority and name", kind)
		}
		if kind == "access_id_CA" && strings.EqualFold(tokens[1], "X509") {
			e.cas = append(e.cas, newWrittenName(tokens[2]))
		}
		tokens = tokens[3:]
	}
	return tokens, nil
}

// parse reads a right and its conditions. It reports whether it is the one to sign.
func (r *policyRight) parse(tokens []string) (isSign bool, rest []string, err error) {
	if len(tokens) < 3 {
		return false, nil, fmt.Errorf("%s without authority and value", tokens[0])
	}
	r.negative = tokens[0] == "neg_rights"
	isSign = strings.EqualFold(tokens[1], "globus") && strings.EqualFold(tokens[2], "CA:sign")
	for tokens = tokens[3:]; len(tokens) > 0 && strings.HasPrefix(tokens[0], "cond_"); tokens = tokens[3:] {
		if len(tokens) < 3 {
			return false, nil, fmt.Errorf("%s without authority and value", tokens[0])
		}
		if tokens[0] != "cond_subjects" || !strings.EqualFold(tokens[1], "globus") {
			r.never = true // also cond_banned_subjects: in GSI a right that has it never holds
			continue
		}
		patterns, err := policyPatterns(tokens[2])
		if err != nil {
			return false, nil, err
		}
		r.subjects = append(r.subjects, patterns)
	}
	return isSign, tokens, nil
}

// policyPatterns splits the value of cond_subjects: patterns in double quotes, or one bare pattern.
func policyPatterns(value string) ([]string, error) {
	if !strings.Contains(value, `"`) {
		if strings.TrimSpace(value) == "" {
			return nil, errors.New("cond_subjects without a pattern")
		}
		return []string{foldName(strings.TrimSpace(value))}, nil
	}
	var out []string
	for rest := strings.TrimSpace(value); rest != ""; rest = strings.TrimSpace(rest) {
		quoted, ok := strings.CutPrefix(rest, `"`)
		pattern, after, closed := strings.Cut(quoted, `"`)
		if !ok || !closed || pattern == "" {
			return nil, fmt.Errorf("cond_subjects with the unbalanced value %.80q", value)
		}
		out, rest = append(out, foldName(pattern)), after
	}
	return out, nil
}

// policyTokens splits a file into tokens. In '…' a backslash stands for the character after it.
func policyTokens(s string) ([]string, error) {
	var out []string
	for {
		s = strings.TrimLeft(s, " \t\r\n\v\f")
		switch {
		case s == "":
			return out, nil
		case s[0] == '#':
			i := strings.IndexByte(s, '\n')
			if i < 0 {
				return out, nil
			}
			s = s[i:]
		case s[0] == '\'' || s[0] == '"':
			token, rest, err := quotedToken(s)
			if err != nil {
				return nil, err
			}
			out, s = append(out, token), rest
		default:
			i := strings.IndexAny(s, " \t\r\n\v\f")
			if i < 0 {
				i = len(s)
			}
			out, s = append(out, s[:i]), s[i:]
		}
	}
}

func quotedToken(s string) (token, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && s[0] == '\'' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '\n':
			return "", "", fmt.Errorf("the quote in %.80q is not closed on its line", s[:i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", fmt.Errorf("the quote in %.80q is not closed", s)
}

// Permits reports whether ca may sign subject. found tells whether the file speaks of ca at all.
func (p *SigningPolicy) Permits(ca, subject dn.Name) (permitted, found bool) {
	return p.permits(spell(ca), spell(subject))
}

func (p *SigningPolicy) permits(ca, subject *spelling) (permitted, found bool) {
	denied := false
	for _, e := range p.entries {
		if !e.anybody && !slices.ContainsFunc(e.cas, func(w writtenName) bool { return w.is(ca) }) {
			continue
		}
		found = true
		for _, r := range e.rights {
			switch holds := r.holds(subject); {
			case r.negative && (holds || r.never || len(r.subjects) == 0):
				denied = true
			case !r.negative && holds:
				permitted = true
			}
		}
	}
	return permitted && !denied, found
}

func (r policyRight) holds(subject *spelling) bool {
	if r.never || len(r.subjects) == 0 {
		return false
	}
	for _, line := range r.subjects {
		if !slices.ContainsFunc(line, func(pattern string) bool { return matchesPattern(pattern, subject) }) {
			return false
		}
	}
	return true
}

// matchesPattern matches the slash form of a subject, ignoring case and spellings of attribute names. Any * is any run of
// characters, as for canl; in GSI only the last one is.
func matchesPattern(pattern string, subject *spelling) bool {
	return matchesWild(pattern, subject.folded[0]) || matchesWild(pattern, subject.folded[1])
}

// matchesWild takes time in proportion to the product of both lengths at worst.
func matchesWild(pattern, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && pattern[i] == s[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}
