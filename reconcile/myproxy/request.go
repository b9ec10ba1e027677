package myproxy

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const version = "MYPROXYv2"

// maxMessage is the most that one message may have, in bytes: what the real
// server takes (request_size_limit), and what we take from it.
const maxMessage = 1 << 20

// maxRecord is the plaintext of one TLS record (RFC 8446 section 5.1). A
// request has to fit, since the server may take the rest for a message of its own.
const maxRecord = 1 << 14

// Passphrase lengths that the real server insists on, in bytes.
const (
	minPassphrase = 6
	maxPassphrase = 1023
)

// dummyPassphrase is what the C client sends where the field must be there and nobody looks at it.
const dummyPassphrase = "DUMMY-PASSPHRASE"

// A Command is what a request asks for, with the protocol's number.
type Command int

const (
	CommandGet              Command = 0
	CommandPut              Command = 1
	CommandInfo             Command = 2
	CommandDestroy          Command = 3
	CommandChangePassphrase Command = 4
	CommandStore            Command = 5 // a whole key travels; Client does not speak it
	CommandRetrieve         Command = 6 // likewise
	CommandGetTrustRoots    Command = 7 // Client does not speak it
)

var commandNames = [...]string{"GET", "PUT", "INFO", "DESTROY", "CHANGE_PASSPHRASE", "STORE", "RETRIEVE", "GET_TRUSTROOTS"}

// String returns the name in PROTOCOL, for instance "GET".
func (c Command) String() string {
	if c >= 0 && int(c) < len(commandNames) {
		return commandNames[c]
	}
	return "COMMAND " + strconv.Itoa(int(c))
}

// A Request is the client's first message.
type Request struct {
	Command          Command
	Username         string
	Passphrase       []byte
	NewPassphrase    []byte        // with CommandChangePassphrase only
	Lifetime         time.Duration // whole seconds
	Retriever        string
	Renewer          string
	CredName         string
	CredDesc         string
	KeyRetriever     string
	TrustedRetriever string
}

// keys are the names of all fields that a server looks for. It looks for them
// anywhere in the message, inside of other values too (convert_message in
// myproxy.c), so that none of them may turn up in a value.
var keys = []string{
	"VERSION", "COMMAND", "USERNAME", "PASSPHRASE", "NEW_PHRASE", "LIFETIME", "RETRIEVER", "RENEWER",
	"CRED_NAME", "CRED_DESC", "KEYRETRIEVERS", "RETRIEVER_TRUSTED", "TRUSTED_CERTS", "VONAME", "VOMSES",
}

// field is one line of a request. secret values are never quoted in errors.
type field struct {
	key, label string
	value      []byte
	secret     bool
}

// optional returns the fields that are left out when empty, in the order of the C client.
func (r *Request) optional() []field {
	return []field{
		{key: "RETRIEVER", label: "retriever", value: []byte(r.Retriever)},
		{key: "RENEWER", label: "renewer", value: []byte(r.Renewer)},
		{key: "CRED_NAME", label: "credential name", value: []byte(r.CredName)},
		{key: "CRED_DESC", label: "description", value: []byte(r.CredDesc)},
		{key: "KEYRETRIEVERS", label: "key retriever", value: []byte(r.KeyRetriever)},
		{key: "RETRIEVER_TRUSTED", label: "trusted retriever", value: []byte(r.TrustedRetriever)},
	}
}

// Marshal returns the request as it goes over the wire, with the final NUL. It
// fails, naming the field, when a value cannot be sent: an empty user name, a
// line feed, carriage return or NUL, a field's name followed by "=", a negative
// lifetime, or more than one TLS record in all.
func (r *Request) Marshal() ([]byte, error) {
	if r.Command < CommandGet || r.Command > CommandGetTrustRoots {
		return nil, fmt.Errorf("command %d does not exist", int(r.Command))
	}
	if r.Username == "" && r.Command != CommandGetTrustRoots {
		return nil, fmt.Errorf("the user name is empty")
	}
	if r.Lifetime < 0 {
		return nil, fmt.Errorf("the lifetime %v is negative", r.Lifetime)
	}
	seconds := int64(r.Lifetime / time.Second)
	if r.Lifetime%time.Second > 0 { // 0 would mean as long as the server allows
		seconds++
	}
	if seconds > math.MaxInt32 { // the server keeps it in a C int
		return nil, fmt.Errorf("the lifetime %v is longer than the protocol can say", r.Lifetime)
	}
	fields := []field{
		{key: "VERSION", value: []byte(version)},
		{key: "COMMAND", value: strconv.AppendInt(nil, int64(r.Command), 10)},
		{key: "USERNAME", label: "user name", value: []byte(r.Username)},
		{key: "PASSPHRASE", label: "passphrase", value: r.Passphrase, secret: true},
	}
	if r.Command == CommandChangePassphrase {
		fields = append(fields, field{key: "NEW_PHRASE", label: "new passphrase", value: r.NewPassphrase, secret: true})
	}
	fields = append(fields, field{key: "LIFETIME", value: strconv.AppendInt(nil, seconds, 10)})
	for _, f := range r.optional() {
		if len(f.value) > 0 {
			fields = append(fields, f)
		}
	}
	return marshalFields(fields)
}

func marshalFields(fields []field) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range fields {
		if err := f.check(); err != nil {
			return nil, err
		}
		b.WriteString(f.key)
		b.WriteByte('=')
		b.Write(f.value)
		b.WriteByte('\n')
	}
	b.WriteByte(0)
	if b.Len() > maxRecord {
		return nil, fmt.Errorf("the request has %d bytes, more than the %d of one TLS record", b.Len(), maxRecord)
	}
	return b.Bytes(), nil
}

func (f field) check() error {
	if i := bytes.IndexAny(f.value, "\n\r\x00"); i >= 0 {
		what := map[byte]string{'\n': "a line feed", '\r': "a carriage return", 0: "a NUL"}[f.value[i]]
		return fmt.Errorf("the %s contains %s, which a MyProxy request cannot carry", f.label, what)
	}
	for _, key := range keys {
		if bytes.Contains(f.value, []byte(key+"=")) {
			if f.secret { // not even which name it is
				return fmt.Errorf("the %s contains the name of a protocol field followed by \"=\", which a MyProxy server would misread", f.label)
			}
			return fmt.Errorf("the %s %q contains %q, which a MyProxy server would misread", f.label, f.value, key+"=")
		}
	}
	if f.secret && len(f.value) > maxPassphrase {
		return fmt.Errorf("the %s has more than the %d bytes that a MyProxy server takes", f.label, maxPassphrase)
	}
	return nil
}

// ParseRequest reads a request the way the real server does, for servers in
// tests: the text up to the first NUL, each field looked for anywhere in it,
// order and unknown fields disregarded, a field that turns up twice an error.
func ParseRequest(msg []byte) (*Request, error) {
	if len(msg) > maxMessage {
		return nil, fmt.Errorf("the request has more than %d bytes", maxMessage)
	}
	if i := bytes.IndexByte(msg, 0); i >= 0 {
		msg = msg[:i]
	}
	values := make(map[string]string)
	for _, key := range keys {
		v, found, err := findField(string(msg), key)
		if err != nil {
			return nil, err
		}
		if found {
			values[key] = v
		}
	}
	for _, key := range []string{"VERSION", "COMMAND", "USERNAME", "PASSPHRASE", "LIFETIME"} {
		if _, ok := values[key]; !ok {
			return nil, fmt.Errorf("%s is missing", key)
		}
	}
	if values["VERSION"] != version {
		return nil, fmt.Errorf("version %q is not %s", clean(values["VERSION"]), version)
	}
	command, err := strconv.ParseUint(values["COMMAND"], 10, 8)
	if err != nil || Command(command) > CommandGetTrustRoots {
		return nil, fmt.Errorf("command %q does not exist", clean(values["COMMAND"]))
	}
	seconds, err := strconv.ParseInt(values["LIFETIME"], 0, 32) // strtol with base 0: hexadecimal and octal too
	if err != nil {
		return nil, fmt.Errorf("lifetime %q is not a number", clean(values["LIFETIME"]))
	}
	return &Request{
		Command:          Command(command),
		Username:         values["USERNAME"],
		Passphrase:       []byte(values["PASSPHRASE"]),
		NewPassphrase:    []byte(values["NEW_PHRASE"]),
		Lifetime:         time.Duration(seconds) * time.Second,
		Retriever:        values["RETRIEVER"],
		Renewer:          values["RENEWER"],
		CredName:         values["CRED_NAME"],
		CredDesc:         values["CRED_DESC"],
		KeyRetriever:     values["KEYRETRIEVERS"],
		TrustedRetriever: values["RETRIEVER_TRUSTED"],
	}, nil
}

func findField(msg, key string) (value string, found bool, err error) {
	_, rest, found := strings.Cut(msg, key+"=")
	if !found {
		return "", false, nil
	}
	value, rest, _ = strings.Cut(rest, "\n")
	if strings.Contains(rest, key+"=") {
		return "", false, fmt.Errorf("%s is there twice", key)
	}
	return value, true, nil
}
