package credfile

import (
	"fmt"
	"strings"
)

// MaxName is the longest file name that Linux file systems allow, in bytes.
const MaxName = 255

// vomsMark stands between the DN and the VO string. The DN may contain it; the VO string does not.
const vomsMark = "-voms "

// EscapeName returns the repository file name that vobox-proxy gives a proxy: DN + "-voms " + VO string, escaped with
// +hh, for instance +2fDC+3dch+2fCN+3dJane+20Doe-voms+20cms. The VO string is "cms" or "alice:/alice/Role=lcgadmin".
// Letters, digits, ".", "_" and "-" stay; the other octets are written in lower-case hex. Without a VO string there is no
// "-voms". The name may be longer than a file name can be: see FileName.
func EscapeName(identity, voms string) string {
	const hex = "0123456789abcdef"
	name := identity
	if voms != "" {
		name += vomsMark + voms
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('+')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// FileName is EscapeName with an error for a name longer than MaxName bytes.
func FileName(identity, voms string) (string, error) {
	name := EscapeName(identity, voms)
	if len(name) > MaxName {
		return "", fmt.Errorf("the file name of %q has %d bytes, more than %d; set proxies[].path", identity, len(name), MaxName)
	}
	return name, nil
}

// UnescapeName splits such a name; ok is false when there is no "-voms " in it. A "+" without two hex digits after it
// stands for itself.
func UnescapeName(file string) (identity, voms string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(file); i++ {
		if file[i] == '+' && i+2 < len(file) {
			hi, ok1 := hexDigit(file[i+1])
			lo, ok2 := hexDigit(file[i+2])
			if ok1 && ok2 {
				b.WriteByte(hi<<4 | lo)
				i += 2
				continue
			}
		}
		b.WriteByte(file[i])
	}
	name := b.String()
	i := strings.LastIndex(name, vomsMark)
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+len(vomsMark):], true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
