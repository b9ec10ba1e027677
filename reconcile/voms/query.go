package voms

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
)

// maxQuery bounds the octets of FQANs in one request: with the rest of it they must fit one TLS record, since vomsd
// takes what one read gives it for the whole.
const maxQuery = 8 << 10

// everything is the word that asks vomsd for every group and role.
const everything = "all"

// A query is a request made ready for one server.
type query struct {
	fqans   []string // short form, checked: safe in a URL and in XML as they are
	seconds int64
}

// A requestError is a request that no server can be asked.
type requestError struct{ err *Error }

func (e *requestError) Error() string { return e.err.Error() }
func (e *requestError) Unwrap() error { return e.err }

// newQuery checks and normalises r for s.
func newQuery(s Server, r Request) (query, error) {
	if r.Lifetime <= 0 {
		return query{}, fmt.Errorf("voms: lifetime %v asked for: it must be positive", r.Lifetime)
	}
	// vomsd reads the seconds into an int.
	seconds := min(int64((r.Lifetime+time.Second-1)/time.Second), math.MaxInt32)
	if r.Lifetime > math.MaxInt64-time.Second {
		seconds = math.MaxInt32
	}
	q := query{seconds: seconds}
	total := 0
	for _, f := range r.FQANs {
		if f != everything || len(r.FQANs) > 1 {
			var err error
			if f, err = shortForm(s, f); err != nil {
				return query{}, err
			}
		}
		if total += len(f) + 1; total > maxQuery {
			return query{}, badFQAN(s, f, fmt.Errorf("the FQANs asked for are longer than %d octets together", maxQuery))
		}
		if !slices.Contains(q.fqans, f) {
			q.fqans = append(q.fqans, f)
		}
	}
	if len(q.fqans) == 0 {
		f, err := shortForm(s, "/"+s.VO)
		if err != nil {
			return query{}, err
		}
		q.fqans = []string{f}
	}
	return q, nil
}

// shortForm returns an FQAN as it is asked for, or refuses one that cannot be sent as it is. vomsd decodes no
// percent-encoding, so a character that a URL reserves cannot be said at all; a comma would begin another FQAN, and a
// colon a role in the XML protocol. [attrcert.ParseFQAN] lets none of them pass.
func shortForm(s Server, fqan string) (string, error) {
	f, err := attrcert.ParseFQAN(fqan)
	if err != nil {
		return "", badFQAN(s, fqan, err)
	}
	return f.String(), nil
}

func badFQAN(s Server, fqan string, err error) error {
	return &requestError{&Error{
		ID:      FQANRefused,
		Server:  s.Address(),
		Message: fmt.Sprintf("FQAN %q cannot be asked for", clean(fqan, 300)),
		Cause:   "no VOMS server could be told which group or role is meant",
		Remedy:  "correct the attributes in the configuration: /VO[/GROUP]…[/Role=ROLE], of letters, digits, '_', '.' and '-'",
		Where:   VOBox,
		Err:     err,
	}}
}

// rawQuery returns the query part of the REST request. Nothing in it is percent-encoded: vomsd takes %2F literally.
func (q query) rawQuery() string {
	return "fqans=" + strings.Join(q.fqans, ",") + "&lifetime=" + strconv.FormatInt(q.seconds, 10)
}

// document returns the request of the XML protocol. It always asks for standard base64: without that vomsd answers in
// an alphabet of its own. The line end is for HTTP servers, which would wait for it and now say at once that this is no
// request; expat, with which vomsd reads, passes over it.
func (q query) document() []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="US-ASCII"?><voms>`)
	for _, f := range q.fqans {
		b.WriteString("<command>" + command(f) + "</command>")
	}
	fmt.Fprintf(&b, "<base64>1</base64><version>4</version><lifetime>%d</lifetime></voms>\n", q.seconds)
	return []byte(b.String())
}

// command returns an FQAN as vomsd's command: G group, B group:role, A everything.
func command(fqan string) string {
	if fqan == everything {
		return "A"
	}
	if group, role, ok := strings.Cut(fqan, "/Role="); ok {
		return "B" + group + ":" + role
	}
	return "G" + fqan
}
