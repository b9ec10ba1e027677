package trust

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// A spelling is a name in the forms in which files may have it: names are compared many times, and made once.
type spelling struct {
	key    string    // canonical
	folded [2]string // slash forms of OpenSSL 3 and before, as foldName makes them; both of OpenSSL 3 if the other means two names
	unsure bool      // a value has a backslash, which no slash form escapes
}

func spell(name dn.Name) *spelling {
	s := &spelling{key: name.Canonical()}
	s.folded[0] = foldName(name.String())
	s.folded[1] = s.folded[0]
	unsplit := true
	for _, rdn := range name.RDNs() {
		for _, a := range rdn {
			unsplit = unsplit && !splits(a.Value)
			s.unsure = s.unsure || bytes.IndexByte(a.Value, '\\') >= 0
		}
	}
	if unsplit {
		s.folded[1] = foldName(name.Legacy())
	}
	return s
}

// splits reports whether a value, written without escapes, may read as the end of one attribute and another.
func splits(value []byte) bool {
	i := bytes.IndexAny(value, "/+")
	return i >= 0 && bytes.IndexByte(value[i:], '=') >= 0
}

// A writtenName is a name as a file has it. A slash inside a value cannot be told from one between attributes, so that the
// text may mean another name than it parses to. Comparing the other way, from the certificate's name to text, is without
// doubt as long as no value of it looks like two attributes.
type writtenName struct {
	folded string
	key    string // canonical; "" if the text does not parse
}

func newWrittenName(text string) writtenName {
	w := writtenName{folded: foldName(text)}
	if parsed, err := dn.Parse(text); err == nil {
		w.key = parsed.Canonical()
	}
	return w
}

// is reports whether the text, in slash form of any generation of OpenSSL, is the name.
func (w writtenName) is(s *spelling) bool {
	return w.key != "" && w.key == s.key || !s.unsure && (w.folded == s.folded[0] || w.folded == s.folded[1])
}

// foldName lower-cases ASCII and gives attributes that have several names one of them.
func foldName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	s = string(b)
	for _, alias := range [...][2]string{{"/e=", "/emailaddress="}, {"/email=", "/emailaddress="}, {"/userid=", "/uid="}, {"/s=", "/st="}} {
		if strings.Contains(s, alias[0]) {
			s = strings.ReplaceAll(s, alias[0], alias[1])
		}
	}
	return s
}

// hashNames are the two spellings of a CA's file names: the hash of OpenSSL 1.0 and later over the canonical name, and the
// one before over the DER.
func hashNames(canonical string, der []byte) [2]string {
	now, before := sha1.Sum([]byte(canonical)), md5.Sum(der)
	return [2]string{hex8(binary.LittleEndian.Uint32(now[:])), hex8(binary.LittleEndian.Uint32(before[:]))}
}

func hex8(h uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = digits[h>>(28-4*i)&15]
	}
	return string(b[:])
}
