package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// Return codes of a monitoring plugin (Monitoring Plugins Development Guidelines, "Plugin Return Codes").
const (
	NagiosOK       = 0
	NagiosWarning  = 1
	NagiosCritical = 2
	NagiosUnknown  = 3 // the plugin could not find out
)

var nagiosWords = []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// mostOnLine is how long the text on a plugin's first line may be, in bytes: it goes into mails' subjects and tables.
const mostOnLine = 240

// A complaint is something that is not as it should be.
type complaint struct {
	code    int
	subject string
	text    string
	remedy  string
}

// Nagios returns what a monitoring plugin prints and how it exits: one line, the worst first, with performance data after
// the bar, and on further lines whatever else is wrong and what to do. The performance data are the seconds that are left
// of each credential; of a proxy, WARNING is when a renewal must have failed, and CRITICAL its alertBelow; of a stored
// credential, WARNING is its alertBelow, and CRITICAL when it cannot give the lifetime asked any more.
func (d Doc) Nagios() (code int, text string) {
	found := d.complaints()
	for _, c := range found {
		code = max(code, c.code)
	}
	line := d.well()
	if len(found) > 0 {
		line = d.brief(found[0].text)
		if n := len(found) - 1; n > 0 {
			line = shorten(line, mostOnLine-16) + fmt.Sprintf(" (and %d more)", n)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "VOBOX %s - %s", nagiosWords[code], shorten(plainText(line), mostOnLine))
	for i, c := range d.Credentials {
		b.WriteString([]string{" ", " | "}[btoi(i == 0)] + perfdata(c))
	}
	b.WriteByte('\n')
	for i, c := range found {
		if i > 0 || len(plainText(d.brief(c.text))) > mostOnLine-16 {
			fmt.Fprintf(&b, "%s - %s\n", nagiosWords[c.code], plainText(c.text))
		}
		if c.remedy != "" {
			fmt.Fprintf(&b, "    %s\n", plainText(c.remedy))
		}
	}
	return code, b.String()
}

// NagiosFailure is what a plugin prints that could not find out how things are, to go with NagiosUnknown.
func NagiosFailure(why string) string {
	lines := strings.Split(strings.TrimSpace(why), "\n")
	var b strings.Builder
	fmt.Fprintf(&b, "VOBOX UNKNOWN - %s\n", shorten(plainText(lines[0]), 2*mostOnLine))
	for _, l := range lines[1:] {
		fmt.Fprintf(&b, "%s\n", plainText(l))
	}
	return b.String()
}

// brief leaves out paths of proxies, which are longer than the rest: the name says which it is.
func (d Doc) brief(text string) string {
	for _, c := range d.Credentials {
		if c.Path != "" {
			text = strings.ReplaceAll(text, " "+c.Path, "")
		}
	}
	return text
}

// well says what there is to say when all is well.
func (d Doc) well() string {
	n := 0
	for _, c := range d.Credentials {
		if c.Kind != "stored" {
			n++
		}
	}
	words := fmt.Sprintf("%d proxies", n)
	if n == 1 {
		words = "1 proxy"
	}
	if b := d.FirstToBreak; b != nil {
		words += fmt.Sprintf(", first to break: %s in %s", b.Subject, plan.Span(b.When.Sub(d.Time)))
	}
	return words
}

// complaints are what is wrong, the worst first, each subject once for each severity.
func (d Doc) complaints() []complaint {
	var out []complaint
	add := func(c complaint) {
		worse := func(x complaint) bool { return x.subject == c.subject && x.code >= c.code }
		if c.code != NagiosOK && !slices.ContainsFunc(out, worse) {
			out = append(out, c)
		}
	}
	for _, a := range d.Alerts {
		code := NagiosWarning
		if a.Severity == plan.Critical {
			code = NagiosCritical
		}
		out = append(out, complaint{code, a.Subject, a.Subject + ": " + a.Message, prompt(a.Where) + a.Remedy})
	}
	for _, c := range d.Credentials {
		code, text := c.nagios()
		name, _, _ := strings.Cut(c.Name, "@")
		add(complaint{code: code, subject: name, text: c.Name + ": " + text})
	}
	for _, f := range d.EnvFiles {
		if f.State == "invalid" {
			add(complaint{code: NagiosCritical, subject: f.Path, text: f.Path + ": " + f.Reason})
		}
	}
	for _, s := range d.Services {
		if s.State == "alert" {
			add(complaint{code: NagiosWarning, subject: s.Name, text: s.Name + ": " + s.Reason})
		}
	}
	slices.SortStableFunc(out, func(x, y complaint) int { return cmp.Compare(y.code, x.code) })
	return out
}

// nagios judges one credential by the thresholds that its performance data have.
func (c Credential) nagios() (code int, text string) {
	left := plan.Span(time.Duration(c.EffectiveSecondsLeft) * time.Second)
	switch c.State {
	case "missing", "invalid", "expired":
		return NagiosCritical, c.State + ", " + c.Reason
	case "unknown":
		return NagiosOK, ""
	}
	switch warn, crit := c.thresholds(); {
	case c.EffectiveSecondsLeft < crit && c.Kind == "stored":
		return NagiosCritical, left + " left, which is less than a renewal asks for"
	case c.EffectiveSecondsLeft < crit:
		return NagiosCritical, left + " left"
	case c.EffectiveSecondsLeft < warn && c.Kind == "stored":
		return NagiosWarning, left + " left"
	case c.EffectiveSecondsLeft < warn:
		return NagiosWarning, left + " left, the renewal is overdue"
	}
	return NagiosOK, ""
}

// thresholds are the seconds left below which a credential is worth a warning, and critical.
func (c Credential) thresholds() (warn, crit int64) {
	if c.Kind == "stored" {
		return max(c.AlertBelowSeconds, c.RenewBelowSeconds), c.RenewBelowSeconds
	}
	return c.LateBelowSeconds, c.AlertBelowSeconds
}

// perfdata is 'label'=value[UOM];[warn];[crit];[min], where the range "10:" is left by what is less than 10. What cannot
// be used has nothing left; U is for what is not known.
func perfdata(c Credential) string {
	label := strings.NewReplacer("'", "''", "=", "_").Replace(plainText(c.Name))
	if c.State == "unknown" {
		return fmt.Sprintf("'%s'=U", label)
	}
	left := c.EffectiveSecondsLeft
	if c.State == "missing" || c.State == "invalid" {
		left = 0
	}
	warn, crit := c.thresholds()
	if warn == 0 && crit == 0 {
		return fmt.Sprintf("'%s'=%ds;;;0", label, left)
	}
	return fmt.Sprintf("'%s'=%ds;%d:;%d:;0", label, left, warn, crit)
}

// plainText is one line without what has a meaning in a plugin's output: the bar begins performance data.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// shorten cuts text to so many bytes, at the end of a rune.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const more = "…"
	cut := 0
	for i := range s {
		if i > most-len(more) {
			break
		}
		cut = i
	}
	return s[:cut] + more
}

func prompt(where string) string {
	switch where {
	case "":
		return ""
	case "LCG-UI", "VO-Box":
		return where + "> "
	}
	return where + ": "
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
