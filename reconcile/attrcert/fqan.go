package attrcert

import (
	"fmt"
	"strings"
)

// An FQAN is a fully qualified attribute name, /vo[/group]*[/Role=r][/Capability=c].
type FQAN struct {
	Group      string // "/alice" or "/alice/sub"
	Role       string // "" for none; never "NULL"
	Capability string // "" for none; never "NULL"
}

// ParseFQAN reads the long and the short form; Role=NULL and Capability=NULL are dropped. Parts consist of letters,
// digits, "_", "." and "-", as the Java library of VOMS demands.
func ParseFQAN(s string) (FQAN, error) {
	if len(s) > maxFQANLen {
		return FQAN{}, fmt.Errorf("parsing FQAN: %d bytes are more than the %d allowed", len(s), maxFQANLen)
	}
	var f FQAN
	rest, ok := strings.CutPrefix(s, "/")
	if !ok {
		return FQAN{}, fmt.Errorf("parsing FQAN %q: it does not begin with a slash", s)
	}
	const (
		inGroup = iota
		afterRole
		afterCapability
	)
	state := inGroup
	for part := range strings.SplitSeq(rest, "/") {
		role, isRole := strings.CutPrefix(part, "Role=")
		capability, isCapability := strings.CutPrefix(part, "Capability=")
		switch {
		case isRole && state == inGroup && f.Group != "" && isWord(role):
			f.Role, state = dropNull(role), afterRole
		case isCapability && state < afterCapability && f.Group != "" && isWord(capability):
			f.Capability, state = dropNull(capability), afterCapability
		case !isRole && !isCapability && state == inGroup && isWord(part):
			f.Group = s[:len(f.Group)+1+len(part)]
		default:
			return FQAN{}, fmt.Errorf("parsing FQAN %q: %q is not allowed there", s, part)
		}
	}
	return f, nil
}

// String returns the short form, which is also the form to compare and to request: without a capability, which no server
// has ever given a meaning and which makes vomsd's request parser exit.
func (f FQAN) String() string {
	if f.Role == "" {
		return f.Group
	}
	return f.Group + "/Role=" + f.Role
}

// VO is the first part of the group, without the slash.
func (f FQAN) VO() string {
	vo, _, _ := strings.Cut(strings.TrimPrefix(f.Group, "/"), "/")
	return vo
}

// Normalize returns the short form of s, or s itself if it is no FQAN.
func Normalize(s string) string {
	f, err := ParseFQAN(s)
	if err != nil {
		return s
	}
	return f.String()
}

func dropNull(s string) string {
	if s == "NULL" {
		return ""
	}
	return s
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return s != ""
}
