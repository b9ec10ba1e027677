package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	inFull   = 40  // alerts that a mail tells in full
	inBrief  = 200 // and further ones of which it has a line each
	headline = 150 // bytes of a subject at most
	wrapAt   = 76  // columns of a mail's text; commands are not broken
)

// Headline is the message in one line: where, how bad, and the worst of it.
func (m Message) Headline() string {
	host := oneLine(m.Host, 80)
	if m.Test {
		return cutAt(fmt.Sprintf("[%s] test: this is what an alert looks like", host), headline)
	}
	if len(m.Alerts) == 0 {
		return cutAt(fmt.Sprintf("[%s] nothing to tell", host), headline)
	}
	worst := m.Alerts[0].Clean()
	word := string(worst.Severity)
	if worst.State == Ended {
		word = "well again"
	}
	more := ""
	if n := len(m.Alerts) + m.More - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return plainWords(cutAt(fmt.Sprintf("[%s] %s: %s %s", host, word, worst.ID, brief(worst.Subject)), headline-len(more)) + more)
}

// plainWords keeps text from looking like an encoded word (RFC 2047), which mail programs would decode.
func plainWords(s string) string { return strings.ReplaceAll(s, "=?", "= ?") }

// brief is a subject, or the last element of one that is a path.
func brief(subject string) string {
	s := oneLine(subject, maxSubject)
	if strings.HasPrefix(s, "/") && strings.LastIndexByte(s, '/') < len(s)-1 && !strings.Contains(s, ", ") {
		s = s[strings.LastIndexByte(s, '/')+1:]
	}
	return cutAt(s, 60)
}

// Text is the message for people: every alert with what is the matter, what to type and where, and how long it has been so. It
// ends with a newline, and no line of it begins with what others have written.
func (m Message) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vobox-reconcile on %s", oneLine(m.Host, 255))
	if m.VO != "" {
		fmt.Fprintf(&b, ", for %s", oneLine(m.VO, 80))
	}
	fmt.Fprintf(&b, ", %s\n", clock(m.Time))
	if m.Test {
		b.WriteString("\nThis is a test: nobody has to do anything. It shows what an alert looks like.\n")
	}
	for i, a := range m.Alerts {
		a = a.Clean()
		switch {
		case i < inFull:
			b.WriteByte('\n')
			m.tell(&b, a)
		case i < inBrief:
			if i == inFull {
				b.WriteString("\nand further:\n")
			}
			fmt.Fprintf(&b, "  %s %s %s\n", a.word(), a.ID, a.Subject)
		}
	}
	if n := max(len(m.Alerts)-inBrief, 0) + m.More; n > 0 {
		fmt.Fprintf(&b, "\nand %d more: vobox-reconcile alerts lists them.\n", n)
	}
	b.WriteString("\nThe whole picture: VO-Box> vobox-reconcile status\n")
	if m.Every > 0 && m.Severity() != Well && !m.Test {
		fmt.Fprintf(&b, "What stays as it is is told again after %s.\n", Span(m.Every))
	}
	return b.String()
}

// tell writes one alert.
func (m Message) tell(b *strings.Builder, a Alert) {
	fmt.Fprintf(b, "%s  %s  %s\n", a.word(), a.ID, a.Subject)
	paragraph(b, a.Message)
	if a.State == Ended {
		fmt.Fprintf(b, "    That was so since %s; it is well again.\n", clock(a.Since))
		return
	}
	if a.Remedy != "" {
		fmt.Fprintf(b, "    %s\n", strings.TrimLeft(Prompt(a.Where)+" "+a.Remedy, " "))
	}
	switch d := m.Time.Sub(a.Since); {
	case m.Test:
	case a.Since.IsZero() || d < time.Minute:
		b.WriteString("    New.\n")
	default:
		fmt.Fprintf(b, "    Known for %s, since %s.\n", Span(d), clock(a.Since))
	}
}

// word is the severity as a mail's text has it.
func (a Alert) word() string {
	if a.State == Ended {
		return "WELL AGAIN"
	}
	return strings.ToUpper(string(a.Severity))
}

// Prompt is what a remedy stands behind: the prompt of a machine, or who has to do it.
func Prompt(where string) string {
	switch where {
	case "":
		return ""
	case "LCG-UI", "VO-Box":
		return where + ">"
	}
	return where + ":"
}

// paragraph writes text in lines of wrapAt columns, each of them indented.
func paragraph(b *strings.Builder, s string) {
	line := 0
	for word := range strings.FieldsSeq(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case line == 0:
			b.WriteString("    ")
			line = 4
		case line+1+n > wrapAt:
			b.WriteString("\n    ")
			line = 4
		default:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += n
	}
	if line > 0 {
		b.WriteByte('\n')
	}
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// Span prints how long something has been so, in the units that matter: 12m, 5h30m, 3d.
func Span(d time.Duration) string {
	d = d.Truncate(time.Minute)
	days, hours, minutes := d/(24*time.Hour), d%(24*time.Hour)/time.Hour, d%time.Hour/time.Minute
	switch {
	case days > 1 && hours == 0:
		return fmt.Sprintf("%dd", days)
	case days > 1:
		return fmt.Sprintf("%dd%dh", days, hours)
	case days*24+hours > 0 && minutes == 0:
		return fmt.Sprintf("%dh", days*24+hours)
	case days*24+hours > 0:
		return fmt.Sprintf("%dh%dm", days*24+hours, minutes)
	}
	return fmt.Sprintf("%dm", minutes)
}
