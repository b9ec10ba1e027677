package gridtest

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const myProxyVersion = "MYPROXYv2"

// A command is a MyProxy COMMAND value.
type command int

const (
	cmdGet command = iota
	cmdPut
	cmdInfo
	cmdDestroy
	cmdChange
	cmdStore
	cmdRetrieve
	cmdTrustRoots
)

var commandNames = [...]string{"GET", "PUT", "INFO", "DESTROY", "CHANGE_PASSPHRASE", "STORE", "RETRIEVE", "GET_TRUSTROOTS"}

func (c command) String() string {
	if c < 0 || int(c) >= len(commandNames) {
		return strconv.Itoa(int(c))
	}
	return commandNames[c]
}

// A message is a parsed MyProxy request. A pointer is nil where the field is absent, which is not the same as empty.
type message struct {
	version                                            string
	command                                            command
	username, passphrase                               string
	newPhrase                                          *string
	lifetime                                           time.Duration
	retriever, renewer, keyRetriever, trustedRetriever *string
	credName, credDesc                                 *string
	trustedCerts                                       bool
}

var errParse = errors.New("error parsing request")

// parseMessage reads a request by the rule of the real server: the value of KEY= runs from the first occurrence of that
// text, anywhere, to the next line feed, and a second occurrence is an error. Order does not matter and unknown keys are
// ignored. The final NUL is optional.
func parseMessage(data []byte) (*message, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		data = data[:i]
	}
	p := fieldParser{text: string(data)}
	m := &message{
		version:          p.need("VERSION="),
		username:         "",
		newPhrase:        p.get("NEW_PHRASE="),
		retriever:        p.get("RETRIEVER="),
		renewer:          p.get("RENEWER="),
		keyRetriever:     p.get("KEYRETRIEVERS="),
		trustedRetriever: p.get("RETRIEVER_TRUSTED="),
		credName:         p.get("CRED_NAME="),
		credDesc:         p.get("CRED_DESC="),
	}
	cmd := p.need("COMMAND=")
	lifetime := p.need("LIFETIME=")
	trusted := p.get("TRUSTED_CERTS=")
	m.trustedCerts = trusted != nil && *trusted == "1"
	if p.bad {
		return nil, errParse
	}
	n, err := strconv.ParseInt(cmd, 10, 32)
	if err != nil {
		return nil, errParse
	}
	m.command = command(n)
	// strtol with base 0: hexadecimal with 0x, octal with a leading 0.
	seconds, err := strconv.ParseInt(strings.TrimSpace(lifetime), 0, 32)
	if err != nil {
		return nil, errParse
	}
	m.lifetime = time.Duration(seconds) * time.Second
	if m.command != cmdTrustRoots {
		m.username, m.passphrase = p.need("USERNAME="), p.need("PASSPHRASE=")
	}
	if p.bad {
		return nil, errParse
	}
	return m, nil
}

type fieldParser struct {
	text string
	bad  bool
}

func (p *fieldParser) get(key string) *string {
	_, rest, ok := strings.Cut(p.text, key)
	if !ok {
		return nil
	}
	if strings.Contains(rest, key) {
		p.bad = true
		return nil
	}
	value, _, ok := strings.Cut(rest, "\n")
	if !ok {
		p.bad = true
		return nil
	}
	return &value
}

func (p *fieldParser) need(key string) string {
	v := p.get(key)
	if v == nil {
		p.bad = true
		return ""
	}
	return *v
}

// okReply is 30 bytes long, the final NUL included.
const okReply = "VERSION=" + myProxyVersion + "\nRESPONSE=0\n\x00"

func errorReply(lines []string) string {
	var b strings.Builder
	b.WriteString("VERSION=" + myProxyVersion + "\nRESPONSE=1\n")
	for _, l := range lines {
		for l := range strings.SplitSeq(l, "\n") {
			b.WriteString("ERROR=" + l + "\n")
		}
	}
	b.WriteByte(0)
	return b.String()
}

// isRequest reports that a text message has its final NUL.
func isRequest(b []byte) bool { return len(b) > 0 && b[len(b)-1] == 0 }

// isDER reports that b holds at least one whole DER value.
func isDER(b []byte) bool {
	var v asn1.RawValue
	_, err := asn1.Unmarshal(b, &v)
	return err == nil
}

// isCertList reports that b holds a count byte and that many DER values.
func isCertList(b []byte) bool {
	_, rest, err := splitCerts(b)
	return err == nil && rest != nil
}

// splitCerts reads a count byte and as many DER values; rest is what follows, never nil without an error.
func splitCerts(b []byte) (ders [][]byte, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errors.New("no certificates")
	}
	n, rest := int(b[0]), b[1:]
	for range n {
		var v asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, nil, fmt.Errorf("unpacking chain: %w", err)
		}
		ders = append(ders, v.FullBytes)
	}
	if rest == nil {
		rest = []byte{}
	}
	return ders, rest, nil
}
