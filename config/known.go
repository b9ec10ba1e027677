package config

import "strings"

// What follows says what the patterns of the commonest forms say.

func plain(s string) bool { return !strings.ContainsFunc(s, isControl) }

func line(s string) bool { return s != "" && plain(s) }

// beginning recognises plain text that begins with one of the characters.
func beginning(chars string) func(string) bool {
	return func(s string) bool { return s != "" && strings.IndexByte(chars, s[0]) >= 0 && plain(s) }
}

func slashDN(s string) bool {
	return strings.HasPrefix(s, "/") && strings.Contains(s, "=") && plain(s)
}

func isLowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
func isLetter(c byte) bool       { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isAlnum(c byte) bool        { return isLowerOrDigit(c) || 'A' <= c && c <= 'Z' }

// word recognises a first character, and others that are of a class or among those also allowed; most is the largest
// length, 0: none.
func word(first, others func(byte) bool, also string, most int) func(string) bool {
	return func(s string) bool {
		if s == "" || !first(s[0]) || most > 0 && len(s) > most {
			return false
		}
		for i := 1; i < len(s); i++ {
			if !others(s[i]) && strings.IndexByte(also, s[i]) < 0 {
				return false
			}
		}
		return true
	}
}

// servers recognises a list of host or host:port, with commas between.
func servers(s string) bool {
	for i, one := range strings.Split(s, ",") {
		if i > 0 {
			one = strings.TrimLeft(one, " ")
		}
		if !server(one) {
			return false
		}
	}
	return true
}

func server(s string) bool {
	host, rest := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 2 || strings.Trim(s[1:end], "0123456789ABCDEFabcdef:.") != "" {
			return false
		}
		host, rest = "", s[end+1:]
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, rest = s[:i], s[i:]
	}
	if rest != "" && (len(rest) < 2 || len(rest) > 6 || rest[0] != ':' || strings.Trim(rest[1:], "0123456789") != "") {
		return false
	}
	return host == "" && s != rest || hostName(host)
}

// hostName recognises letters, digits, dots and dashes with a letter or digit at both ends.
func hostName(s string) bool { return word(isAlnum, isAlnum, ".-", 0)(s) && isAlnum(s[len(s)-1]) }
