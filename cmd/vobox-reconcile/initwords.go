package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// wholeHours is a lifetime in whole hours; servers begin validity a few minutes in the past, for clocks.
func wholeHours(d time.Duration) int { return int(d.Round(time.Hour) / time.Hour) }

// shellWord is an argument for a shell that a person types at.
func shellWord(s string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-:@%="
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// yamlWord is a scalar for YAML: as it is where nothing in it means anything to YAML, else in double quotes.
func yamlWord(s string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-"
	plain := s != "" && strings.Trim(s, safe) == "" && strings.ContainsAny(s[:1], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/") &&
		!slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s))
	if plain {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff:
			b.WriteString(`\u` + fmt.Sprintf("%04x", r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// yamlFQAN is an FQAN in a flow list: "=" means nothing there.
func yamlFQAN(s string) string {
	if word := yamlWord(strings.ReplaceAll(s, "=", "")); !strings.HasPrefix(word, `"`) {
		return s
	}
	return yamlWord(s)
}

// yamlPath takes a path that may begin with ~name/.
func yamlPath(s string) string {
	if rest, ok := strings.CutPrefix(s, "~"); ok && !strings.HasPrefix(yamlWord(rest), `"`) {
		return s
	}
	return yamlWord(s)
}

// oneComment keeps a comment on its line, whatever names of files are in it.
func oneComment(s string) string { return strings.ReplaceAll(printable(s), "\n", " ") }

// yamlValue is the value of a variable: "${" begins a reference there.
func yamlValue(s string) string { return yamlWord(strings.ReplaceAll(s, "${", "$${")) }
