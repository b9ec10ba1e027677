package page

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A moment is a time as it is shown, and as programs read it.
type moment struct{ Exact, Words string }

// at shows a moment as near to now as it is: without the year within half a year.
func at(t, now time.Time) moment {
	layout := "Mon 2 Jan 15:04"
	if d := t.Sub(now).Abs(); d > 180*24*time.Hour {
		layout = "Mon 2 Jan 2006"
	}
	return moment{t.UTC().Format(time.RFC3339), t.UTC().Format(layout)}
}

func atOrNil(t *time.Time, now time.Time) *moment {
	if t == nil {
		return nil
	}
	m := at(*t, now)
	return &m
}

// span is a length of time in at most two units, for reading: "3 d 4 h", "46 h 12 min", "12 min".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(d, 0); {
	case d >= 60*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 3*day:
		return two(int(d/day), "d", int(d%day/time.Hour), "h")
	case d >= time.Hour:
		return two(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func two(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unitA)
	}
	return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// A state is shown as an icon, a word and a colour.
type state struct{ Class, Word string }

// stateOf says a state of package status for people.
func stateOf(s string) state {
	switch s {
	case "ok":
		return state{"ok", "ok"}
	case "due":
		return state{"due", "due"}
	case "alert":
		return state{"warn", "alert"}
	case "unknown":
		return state{"idle", "not known"}
	}
	return state{"bad", s} // expired, missing, invalid
}

func stateOfAlert(s plan.Severity) state {
	if s == plan.Critical {
		return state{"bad", "critical"}
	}
	return state{"warn", "warning"}
}

// brief cuts the middle out of long paths and the like.
func brief(s string) string {
	return long().ReplaceAllStringFunc(s, func(word string) string {
		r := []rune(word)
		return string(r[:26]) + "…" + string(r[len(r)-16:])
	})
}

// sentence begins with a capital letter, unless it begins with a name.
func sentence(s string) string {
	for _, article := range []string{"the ", "a ", "an ", "no ", "not ", "there ", "as ", "if ", "or ", "then ", "kept ", "forced", "its "} {
		if strings.HasPrefix(s, article) {
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s
}

// Compiled when first needed: most runs of the program make no page.
var (
	// program is what stands where a command begins.
	program = lazily(`^(/[\w./-]+|[a-z][a-z0-9]*(-[a-z0-9]+)*)$`)
	// argument is what stands after a program's name in a command, and not in prose.
	argument = lazily(`^([-/~$'"0-9].*|doctor|status|inspect|login|store|stored|enroll|register|alerts|why|restart|start|reload|daemon-reload|tracking|sources)$`)
	// long is a word that is too long for a line.
	long = lazily(`[^\s:;,"]{52,}`)
)

func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// isProse reports whether a word begins a remedy in prose, where it stands in the place of a program.
func isProse(word string) bool {
	switch word {
	case "ask", "get", "find", "run", "mend", "correct", "set", "install",
		"compare", "nothing", "see", "take", "look", "wait", "stop", "remove", "store", "use", "give", "log", "make", "put", "write", "check", "let", "change", "either", "the", "if", "then", "free":
		return true
	}
	return false
}

// remedy takes what to do apart into a command that can be copied and the words after it. Either may be empty.
func remedy(s string) (command, advice string) {
	head, tail, more := strings.Cut(s, "; ")
	words := strings.Fields(head)
	if len(words) == 0 || isProse(words[0]) || !program().MatchString(words[0]) {
		return "", s
	}
	if len(words) > 1 && !argument().MatchString(words[1]) {
		return "", s
	}
	if strings.Contains(head, ": ") || strings.Contains(head, ", ") {
		return "", s
	}
	if more {
		return head, tail
	}
	return head, ""
}

// prompt is how a shell of that place asks.
func prompt(where string) string {
	switch where {
	case "LCG-UI", "VO-Box":
		return where + ">"
	case "":
		return "$"
	}
	return "#"
}

// endNames say what ends, in a few words.
var endNames = map[string]string{
	status.WhatProxy: "proxy", status.WhatAC: "attribute certificate", status.WhatUserCert: "user certificate",
	status.WhatHostCert: "host certificate", status.WhatSigner: "signer of the attributes", status.WhatCA: "certification authority",
	status.WhatCRL: "revocation list", status.WhatStored: "stored credential",
}

func endName(e status.End) string {
	if e.What == status.WhatStored {
		if _, server, ok := strings.Cut(e.Name, " on "); ok {
			return "stored on " + strings.TrimSuffix(server, ":7512")
		}
	}
	if name, ok := endNames[e.What]; ok {
		return name
	}
	return strings.TrimPrefix(e.Name, "the ")
}
