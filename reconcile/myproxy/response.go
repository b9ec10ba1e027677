package myproxy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A ResponseType is the RESPONSE of an answer, with the protocol's number.
type ResponseType int

const (
	ResponseOK        ResponseType = 0
	ResponseError     ResponseType = 1 // Errors says why
	ResponseChallenge ResponseType = 2 // Challenges says what to do
)

// A Response is a text message of the server.
type Response struct {
	Type       ResponseType
	Errors     []string    // with ResponseError: the ERROR lines, as sent
	Challenges []Challenge // with ResponseChallenge, in the server's order
	Stored     []Stored    // in the answer to Info
}

// maxLines is the most that we take of errors, challenges or credentials in one answer.
const maxLines = 1000

// errNoResponse is about a message that is not MyProxy's at all.
var errNoResponse = errors.New("this is not an answer of the MyProxy protocol")

// ParseResponse reads a text message of the server. What comes after a NUL is
// not part of it. Fields it does not know are passed over.
func ParseResponse(msg []byte) (*Response, error) {
	if len(msg) > maxMessage {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxMessage)
	}
	if i := bytes.IndexByte(msg, 0); i >= 0 {
		msg = msg[:i]
	}
	var r Response
	var sawVersion, sawType bool
	var stored storedParser
	for line := range strings.SplitSeq(string(msg), "\n") {
		line = strings.TrimRight(line, "\r")
		key, value, _ := strings.Cut(line, "=")
		switch {
		case key == "VERSION" && !sawVersion:
			if value != version {
				return nil, fmt.Errorf("the server speaks version %q, not %s", clean(value), version)
			}
			sawVersion = true
		case !sawVersion:
			return nil, errNoResponse
		case key == "RESPONSE" && !sawType:
			n, err := strconv.ParseUint(value, 10, 8)
			if err != nil || ResponseType(n) > ResponseChallenge {
				return nil, fmt.Errorf("RESPONSE=%q does not exist", clean(value))
			}
			r.Type, sawType = ResponseType(n), true
		case key == "ERROR":
			r.Errors = append(r.Errors, value)
		case key == "AUTHORIZATION_DATA":
			method, data, _ := strings.Cut(value, ":")
			r.Challenges = append(r.Challenges, Challenge{Method: method, Data: data})
		case strings.HasPrefix(line, "CRED_"):
			if err := stored.line(line); err != nil {
				return nil, err
			}
		}
	}
	if !sawVersion || !sawType {
		return nil, errNoResponse
	}
	if len(r.Errors) > maxLines || len(r.Challenges) > maxLines || len(stored.list) > maxLines {
		return nil, fmt.Errorf("the answer lists more than %d things", maxLines)
	}
	r.Stored = stored.sorted()
	return &r, nil
}

// storedFields are the fields of a credential in the answer to INFO, which come
// as CRED_FIELD=value for the first and CRED_name_FIELD=value for the others.
var storedFields = []struct {
	key string
	set func(s *Stored, value string) error
	get func(s *Stored) string
}{
	{"NAME", text(func(s *Stored) *string { return &s.Name }), func(s *Stored) string { return s.Name }},
	{"DESC", text(func(s *Stored) *string { return &s.Description }), func(s *Stored) string { return s.Description }},
	{"START_TIME", instant(func(s *Stored) *time.Time { return &s.Start }), func(s *Stored) string { return unix(s.Start) }},
	{"END_TIME", instant(func(s *Stored) *time.Time { return &s.End }), func(s *Stored) string { return unix(s.End) }},
	{"OWNER", text(func(s *Stored) *string { return &s.Owner }), func(s *Stored) string { return s.Owner }},
	{"RETRIEVER", text(func(s *Stored) *string { return &s.Retriever }), func(s *Stored) string { return s.Retriever }},
	{"KEYRETRIEVERS", text(func(s *Stored) *string { return &s.KeyRetriever }), func(s *Stored) string { return s.KeyRetriever }},
	{"RETRIEVER_TRUSTED", text(func(s *Stored) *string { return &s.TrustedRetriever }), func(s *Stored) string { return s.TrustedRetriever }},
	{"RENEWER", text(func(s *Stored) *string { return &s.Renewer }), func(s *Stored) string { return s.Renewer }},
	{"LOCKMSG", text(func(s *Stored) *string { return &s.LockMessage }), func(s *Stored) string { return s.LockMessage }},
}

func text(at func(*Stored) *string) func(*Stored, string) error {
	return func(s *Stored, value string) error {
		if p := at(s); *p == "" {
			*p = printable(value)
		}
		return nil
	}
}

// maxUnix is the end of the year 9999, the last that an X.509 time can say.
const maxUnix = 253402300799

func instant(at func(*Stored) *time.Time) func(*Stored, string) error {
	return func(s *Stored, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > maxUnix {
			return fmt.Errorf("%q is not a time in seconds", clean(value))
		}
		if p := at(s); p.IsZero() && n > 0 {
			*p = time.Unix(n, 0).UTC()
		}
		return nil
	}
}

func unix(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// storedParser collects credentials from the lines of an INFO answer.
type storedParser struct {
	list []Stored
	at   map[string]int // index in list by the name in the key
}

// line takes one line that begins with CRED_. Names may contain "_" and even
// "=", so the field is the first one whose name stands in the line between "_"
// and "=", and the credential's name is what is before it.
func (p *storedParser) line(line string) error {
	rest, best := line[len("CRED"):], -1
	pos := len(rest)
	for i, f := range storedFields {
		if j := strings.Index(rest, "_"+f.key+"="); j >= 0 && j < pos {
			best, pos = i, j
		}
	}
	if best < 0 {
		return nil // a field of a later version
	}
	f := storedFields[best]
	name := strings.TrimPrefix(rest[:pos], "_")
	if name != "" && f.key == "NAME" {
		return nil // only the first has one
	}
	if err := f.set(p.credential(name), rest[pos+len("_=")+len(f.key):]); err != nil {
		return fmt.Errorf("CRED_…_%s: %w", f.key, err)
	}
	return nil
}

// credential returns the one whose lines are marked with name, a new one if it is the first.
func (p *storedParser) credential(name string) *Stored {
	name = printable(name)
	i, ok := p.at[name]
	if !ok {
		if p.at == nil {
			p.at = make(map[string]int)
		}
		i = len(p.list)
		p.at[name] = i
		p.list = append(p.list, Stored{Name: name})
	}
	return &p.list[i]
}

// sorted returns the credentials in the server's order, but the one with the
// plain fields first, as servers have it.
func (p *storedParser) sorted() []Stored {
	if i, ok := p.at[""]; ok {
		first := p.list[i]
		copy(p.list[1:i+1], p.list[:i])
		p.list[0] = first
	}
	return p.list
}

// Marshal returns the answer as a server sends it, with the final NUL. Values
// are not checked: a test server may want to send nonsense.
func (r *Response) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "VERSION=%s\nRESPONSE=%d\n", version, int(r.Type))
	for _, c := range r.Challenges {
		fmt.Fprintf(&b, "AUTHORIZATION_DATA=%s:%s\n", c.Method, c.Data)
	}
	var names []string
	for i := range r.Stored {
		s := &r.Stored[i]
		mark := "CRED_"
		if i > 0 {
			mark += s.Name + "_"
			names = append(names, s.Name)
		}
		for _, f := range storedFields {
			v := f.get(s)
			if v != "" && (f.key != "NAME" || i == 0) {
				fmt.Fprintf(&b, "%s%s=%s\n", mark, f.key, v)
			}
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(&b, "ADDL_CREDS=%s\n", strings.Join(names, ","))
	}
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "ERROR=%s\n", e)
	}
	b.WriteByte(0)
	return b.Bytes()
}
