package envfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff is a unified diff from old to new with three lines of context; names go into its headers. It is empty if they
// are equal. It is for people and for plans, and no secret of the account may be in it: of assignments it shows the
// values of the managed variables only ([Edit.Names]), of other commands their names, and comments as [Redact] leaves
// them. All else is ***, also where it differs, and control characters are written ^X.
func Diff(oldName string, old []byte, newName string, new []byte, managed ...string) string {
	return diffWith(oldName, old, newName, new, func(data []byte) []string { return maskedLinesAs(Shell, data, managed) })
}

// diffWith makes a diff of which masked gives the lines as they may be shown.
func diffWith(oldName string, old []byte, newName string, new []byte, masked func([]byte) []string) string {
	whole := diff.Diff("old", old, "new", new)
	if len(whole) == 0 {
		return ""
	}
	lines := strings.SplitAfter(string(whole), "\n")
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", printable(oldName), printable(newName))
	// Three lines of header: diff old new, ---, +++. Each line then is replaced by the masked line with its number.
	oldMasked, newMasked := masked(old), masked(new)
	var i, j int
	for _, line := range lines[3:] {
		switch {
		case strings.HasPrefix(line, "@@"):
			var n int
			fmt.Sscanf(line, "@@ -%d,%d +%d,%d", &i, &n, &j, &n)
			i, j = max(i-1, 0), max(j-1, 0)
			out.WriteString(line)
		case strings.HasPrefix(line, " "):
			out.WriteString(" " + oldMasked[i] + "\n")
			i++
			j++
		case strings.HasPrefix(line, "-"):
			out.WriteString("-" + oldMasked[i] + "\n")
			i++
		case strings.HasPrefix(line, "+"):
			out.WriteString("+" + newMasked[j] + "\n")
			j++
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}

// mask stands for a value that is not shown.
const mask = "***"

// Redact gives data, of the same number of lines, without what looks secret: the values of variables whose name speaks of a
// password, secret, token or key (but not of a file, as X509_USER_KEY and TOKEN_FILE do), also in comments, passwords in
// URLs, what HTTP's Authorization has, and PEM private keys.
func Redact(data []byte) []byte {
	out := data
	if f, err := parse(data); err == nil {
		out = f.redact()
	}
	return redactText(maskKeys(out))
}

// RedactLine is [Redact] for a line of any text, say of a program's output: what looks like an assignment of a secret is
// masked up to the end of the line. Keys have several lines: see [KeyLines].
func RedactLine(line string) string { return string(redactText([]byte(line))) }

func redactText(data []byte) []byte {
	out := bearer().ReplaceAll(maskAssigned(data), []byte("${1}${2}"+mask))
	return urlPassword().ReplaceAll(out, []byte("${1}"+mask+"@"))
}

// Compiled when they are first needed: most passes show no diff.
var (
	assignment  = pattern(`([A-Za-z_][A-Za-z0-9_]*)\+?=`)
	urlPassword = pattern(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"]*:)[^\s'"]+@`)
	bearer      = pattern(`(?i)(\bauthorization:[ \t]*[a-z]+[ \t]+)[^\s'"]+|(\bbearer[ \t]+)[a-z0-9._~+/=-]{16,}`)
	secretWord  = pattern(`(?i)PASS|PWD$|SECRET|TOKEN|CREDENTIAL|BEARER|(_|^)(KEY|PW|PIN|AUTH)$|APIKEY|PRIVATE_?KEY`)
	secretStem  = pattern(`(?i)PASS|PWD?|SECRET|TOKEN|CREDENTIAL|BEARER|KEY|PIN|AUTH`)
	fileName    = pattern(`(?i)(FILE|PATH|DIR|URL|SERVER|HOST|NAME|ISSUER)$|^USE_|^X509_USER_|^(OLD)?PWD$|^BYPASS|COMPASS`)
)

func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// secretName says whether a variable's value is not for others, as far as its name tells.
func secretName(name string) bool {
	return secretWord().MatchString(name) && !fileName().MatchString(name)
}

// redact masks the assigned values that look secret; newlines in them stay.
func (f *file) redact() []byte {
	var out []byte
	at := 0
	for _, c := range f.cmds {
		for _, w := range c.words {
			if w.op == 0 || !secretName(w.name) || w.start < at {
				continue
			}
			raw := f.src[w.start:w.end]
			out = append(out, f.src[at:w.start]...)
			out = append(out, w.name+"="+mask+strings.Repeat("\n"+mask, strings.Count(raw, "\n"))...)
			at = w.end
		}
	}
	return append(out, f.src[at:]...)
}

// maskAssigned masks what follows NAME= to the end of the line, where redact has not done so: in comments, before commands, in
// code that is not followed, in a file with a fault. Where the value ends is not known there.
func maskAssigned(data []byte) []byte {
	lines := bytes.Split(data, []byte{'\n'})
	for i, line := range lines {
		if !secretStem().Match(line) {
			continue
		}
		for _, m := range assignment().FindAllSubmatchIndex(line, -1) {
			if !secretName(string(line[m[2]:m[3]])) || bytes.HasPrefix(line[m[1]:], []byte(mask)) || m[1] == len(line) {
				continue
			}
			lines[i] = append(line[:m[1]:m[1]], mask...)
			break
		}
	}
	return bytes.Join(lines, []byte{'\n'})
}

// maskKeys masks the lines of PEM private keys.
func maskKeys(data []byte) []byte {
	if !bytes.Contains(data, []byte("PRIVATE KEY")) {
		return data
	}
	lines := bytes.Split(data, []byte{'\n'})
	var keys KeyLines
	for i, line := range lines {
		if keys.Has(string(line)) {
			lines[i] = []byte(mask)
		}
	}
	return bytes.Join(lines, []byte{'\n'})
}

// KeyLines follows the PEM private keys in text, line by line. The zero value is outside of any.
type KeyLines struct{ inside bool }

// keyBoundary is short enough for KeyBoundaryMax, whatever stands before KEY.
var keyBoundary = pattern(`----[- ](BEGIN|END) [A-Z0-9 ]{0,32}PRIVATE KEY`)

// KeyBoundaryMax is the length, in bytes, of the longest text in which [KeyLines] sees a key begin or end.
const KeyBoundaryMax = 64

// Inside reports whether a key has begun and not ended.
func (k *KeyLines) Inside() bool { return k.inside }

// Has reports whether the next line has a part of a key. Only the last key of a line can be open behind it: files are
// written one behind the other without a newline between them, and only a key's own end ends it.
func (k *KeyLines) Has(line string) bool {
	if !k.inside && !strings.Contains(line, "PRIVATE KEY") {
		return false
	}
	has := k.inside
	for _, m := range keyBoundary().FindAllStringSubmatch(line, -1) {
		k.inside = m[1] == "BEGIN"
		has = has || k.inside
	}
	return has
}

// printable makes text safe for a terminal: an env file belongs to an account, and root looks at the diff.
func printable(s string) string {
	safe := func(r rune) bool {
		return r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	if strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case safe(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteString("^" + string('@'+r))
		case r == 0x7f:
			b.WriteString("^?")
		default:
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
	}
	return b.String()
}
