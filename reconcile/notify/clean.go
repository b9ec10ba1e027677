package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most that is kept of a text, in bytes. Messages of servers can be long; what matters comes first.
const (
	maxID      = 64
	maxSubject = 512
	maxText    = 1024
)

// Clean is the alert with texts of one printable line each, and not too long.
func (a Alert) Clean() Alert {
	a.ID, a.Subject = oneLine(a.ID, maxID), oneLine(a.Subject, maxSubject)
	a.Message, a.Remedy, a.Where = oneLine(a.Message, maxText), oneLine(a.Remedy, maxText), oneLine(a.Where, maxID)
	if a.Severity != Critical {
		a.Severity = Warning
	}
	return a
}

// oneLine keeps of s what can be printed, in one line of at most limit bytes. White space becomes a space; what would move a
// cursor, turn text around or end a line is left out.
func oneLine(s string, limit int) string {
	if printableLine(s) {
		return cutAt(s, limit)
	}
	s = s[:min(len(s), 8*limit)] // nobody has to look at megabytes
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, s)
	return cutAt(strings.TrimSpace(s), limit)
}

func printableLine(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// cutAt cuts s to at most limit bytes, between two characters.
func cutAt(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const dots = "…"
	end := limit - len(dots)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + dots
}
