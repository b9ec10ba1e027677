package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// maxShown is how much of one value is printed, in bytes. A name can be as long as the file, and is printed several times.
const maxShown = 4096

// escaped makes text from a file safe for a terminal: what is not to be seen, or would turn the direction of writing, is
// written as \x1b or \u202e. The result is one line.
func escaped(s string) string {
	if len(s) <= maxShown && isPlain(s) {
		return s
	}
	cut := len(s) > maxShown
	if cut {
		s = strings.ToValidUTF8(s[:maxShown], "")
	}
	plain := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"), r < 0x80 && !plain(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case plain(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if cut {
		b.WriteString("…")
	}
	return b.String()
}

// isPlain reports whether text is ASCII without control characters, as nearly all of it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// typeWords are those of voms-proxy-info 3; of independent proxies, which it does not know, as grid-proxy-info has it.
func typeWords(r *inspect.Report) string {
	leaf := r.Leaf()
	kind := "impersonation"
	switch {
	case r.Limited:
		kind = "limited"
	case leaf.Policy == inspect.PolicyIndependent:
		kind = "independent"
	case leaf.Type != proxycert.Legacy && leaf.Policy != inspect.PolicyInheritAll:
		kind = "restricted"
	}
	switch leaf.Type {
	case proxycert.RFC:
		return "RFC3820 compliant " + kind + " proxy"
	case proxycert.Draft:
		return "Proxy draft (pre-RFC) " + kind + " proxy"
	case proxycert.Legacy:
		if r.Limited {
			return "limited legacy globus proxy"
		}
		return "full legacy globus proxy"
	case proxycert.EEC:
		return "EEC"
	case proxycert.CA:
		return "CA certificate"
	}
	return "unknown"
}

// A sheet is the text on one file.
type sheet struct {
	bytes.Buffer
	painter
	now time.Time
}

func (s *sheet) line(name, value string) { s.painted("", name, value) }

func (s *sheet) painted(style, name, value string) {
	s.WriteString(name)
	s.WriteString("          "[min(len(name), 9):])
	s.WriteString(": ")
	s.WriteString(s.paint(style, escaped(value)))
	s.WriteByte('\n')
}

func (s *sheet) heading(text string) {
	fmt.Fprintln(s, s.paint(bold, "=== "+escaped(text)+" ==="))
}

// inspected is what there is to know of a file, the most important first: whose it is, what it may do, what it is made of,
// and whether it verifies.
func (p painter) inspected(r *inspect.Report, now time.Time) shown {
	s := &sheet{painter: p, now: now}
	s.Grow(1024 * (1 + len(r.Chain) + len(r.ACs)))
	leaf := r.Leaf()
	if leaf == nil {
		s.line("path", r.Path)
	} else {
		s.credential(r, leaf)
		for i := range r.ACs {
			s.attributes(r, &r.ACs[i])
		}
		s.heading("chain")
		for i := range r.Chain {
			s.certificate(i, &r.Chain[i])
		}
		if !r.EffectiveEnd.IsZero() {
			s.line("ends", endWords(r, now))
		}
	}
	for _, f := range r.Faults {
		if !strings.Contains(r.Fault, f) {
			s.painted(yellow, "warning", f)
		}
	}
	for _, f := range r.Findings {
		s.painted(yellow, "warning", f.ID+": "+findingText(r.Path, f))
		s.line("remedy", f.Remedy)
	}
	if r.Verified() {
		s.painted(green, "verifies", "yes")
	} else {
		s.painted(red, "verifies", "no: "+r.Fault)
	}
	return shown{out: s.Bytes(), bad: !r.Verified()}
}

func endWords(r *inspect.Report, now time.Time) string {
	words := plan.Clock(r.EffectiveEnd)
	if left := r.EffectiveEnd.Sub(now); left > 0 {
		words += ", in " + plan.Span(left)
	}
	if r.EndsWith != "" {
		words += ", with " + r.EndsWith
	}
	return words
}

// findingText says which directory a finding is about, where it is not about the file.
func findingText(path string, f credfile.Finding) string {
	if f.Path == path {
		return f.Problem
	}
	return f.Path + ": " + f.Problem
}

// credential is the block that all three tools begin with.
func (s *sheet) credential(r *inspect.Report, leaf *inspect.Certificate) {
	s.line("identity", r.Identity)
	s.line("subject", leaf.Subject)
	s.line("issuer", leaf.Issuer)
	s.line("type", typeWords(r))
	s.line("strength", strength(leaf))
	s.line("path", r.Path)
	s.line("timeleft", clockLeft(r.NotAfter, s.now))
	if names := keyUsage(leaf.KeyUsage); names != "" {
		s.line("key usage", names)
	}
	s.line("key", keyWords(r.Key))
}

func strength(c *inspect.Certificate) string {
	if c.KeyBits == 0 {
		return c.KeyType
	}
	return fmt.Sprintf("%d bits %s", c.KeyBits, c.KeyType)
}

func keyWords(k inspect.KeyState) string {
	switch k {
	case inspect.KeyPlain:
		return "in the file, belongs to the certificate"
	case inspect.KeyOther:
		return "in the file, belongs to another certificate"
	case inspect.KeyEncrypted:
		return "in the file, under a passphrase"
	}
	return "not in the file"
}

// attributes are those of one VO: what it grants first, then how it says so.
func (s *sheet) attributes(r *inspect.Report, ac *inspect.AC) {
	s.heading("VO " + ac.VO + " extension information")
	s.line("VO", ac.VO)
	s.line("subject", holder(r, ac))
	for _, f := range ac.RawFQANs {
		s.line("attribute", f)
	}
	for _, t := range ac.Attributes {
		s.line("attribute", attributeText(t))
	}
	s.line("timeleft", clockLeft(ac.NotAfter, s.now))
	s.line("valid", plan.Clock(ac.NotBefore)+" … "+plan.Clock(ac.NotAfter))
	s.line("issuer", ac.Issuer.String())
	s.line("serial", fmt.Sprintf("%x", ac.SerialNumber))
	s.line("uri", uriOf(ac))
	for _, t := range ac.Targets {
		s.line("target", t)
	}
	s.line("signature", ac.SignatureAlgorithm.String())
	if ac.Fault == "" {
		s.painted(green, "genuine", "yes")
	} else {
		s.painted(red, "genuine", "no: "+ac.Fault)
	}
}

func attributeText(t attrcert.Attribute) string {
	return fmt.Sprintf("%s = %s (%s)", t.Name, t.Value, t.Qualifier)
}

// holder is whom the attributes are about: the EEC, or whom else the AC names.
func holder(r *inspect.Report, ac *inspect.AC) string {
	for i := range r.Chain {
		if c := &r.Chain[i]; c.Type == proxycert.EEC && ac.HeldBy(c.Certificate) {
			return c.Subject
		}
	}
	return ac.HolderName.String()
}

// clockLeft is what is left of something as voms-proxy-info 3 prints it, hours first.
func clockLeft(end, now time.Time) string {
	return clockOf(time.Duration(secondsLeft(end, now)) * time.Second)
}

func clockOf(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
}

func secondsLeft(end, now time.Time) int64 { return max(0, int64(end.Sub(now)/time.Second)) }
