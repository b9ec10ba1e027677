package notify

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

const (
	maxHeaders    = 50
	maxHeaderLine = 8 << 10
)

// notOurs are headers that the protocol sets itself, or that would change what a request is.
var notOurs = []string{"Connection", "Content-Length", "Expect", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// ParseHeaders reads lines "Name: value", as they stand in a request; empty lines and those that begin with # are passed
// over. An error names the line and never what is in it: that is secret.
func ParseHeaders(data []byte) (http.Header, error) {
	headers := http.Header{}
	n := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		n++
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		name, value, colon := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch {
		case len(line) > maxHeaderLine:
			return nil, fmt.Errorf("line %d is longer than %d bytes", n, maxHeaderLine)
		case !colon || !isToken(name):
			return nil, fmt.Errorf("line %d is not of the form Name: value", n)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return nil, fmt.Errorf("line %d has a control character", n)
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		for _, not := range notOurs {
			if name == not {
				return nil, fmt.Errorf("line %d: the header %s is not for a file to set", n, not)
			}
		}
		if headers[name] = append(headers[name], value); len(headers[name]) > maxHeaders || len(headers) > maxHeaders {
			return nil, fmt.Errorf("line %d: there are more than %d headers", n, maxHeaders)
		}
	}
	return headers, nil
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)) {
			return false
		}
	}
	return s != ""
}
