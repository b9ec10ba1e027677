package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A writer lays out text for people. Where there are columns to fit (a terminal, or $COLUMNS), it wraps, and cuts the
// middle out of long paths; a pipe gets long lines and whole paths.
type writer struct {
	io.Writer
	painter
	width int    // columns; 0: as many as it takes
	home  string // of the account looked after, ending in a slash; empty: unknown
	tilde string // stands for it, "~alicesgm/" or "~/"
	names *strings.Replacer
}

// text returns a writer to standard output for what the configuration asks for.
func (a *app) text(want plan.Desired) *writer {
	w := &writer{Writer: a.stdout, painter: a.out, width: a.out.width, names: strings.NewReplacer()}
	if want.User != "" && filepath.IsAbs(want.Home) && filepath.Clean(want.Home) != "/" {
		w.home, w.tilde = filepath.Clean(want.Home)+"/", "~"+want.User+"/"
		if a.getenv("HOME") != "" && filepath.Clean(a.getenv("HOME")) == filepath.Clean(want.Home) {
			w.tilde = "~/"
		}
	}
	w.names = shortNames(want.EnvFiles)
	return w
}

// shortNames calls env files by the last element of their paths, where that tells them apart.
func shortNames(files []plan.EnvFile) *strings.Replacer {
	n := map[string]int{}
	for _, f := range files {
		n[filepath.Base(f.Path)]++
	}
	var pairs []string
	for _, f := range files {
		if base := filepath.Base(f.Path); n[base] == 1 {
			pairs = append(pairs, f.Path, base)
		}
	}
	return strings.NewReplacer(pairs...)
}

// tidy writes ~user/ for the home directory, wherever a path begins in s.
func (w *writer) tidy(s string) string {
	if w.home == "" {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, w.home)
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i])
		if i == 0 && b.Len() == 0 || strings.HasSuffix(b.String(), " ") || strings.HasSuffix(b.String(), `"`) {
			b.WriteString(w.tilde)
		} else {
			b.WriteString(w.home)
		}
		s = s[i+len(w.home):]
	}
}

// columns is how many columns a string takes; what is printed here is mostly ASCII.
func columns(s string) int { return utf8.RuneCountInString(s) }

// fit shortens a path to the columns given: directories in the middle first, then the middle of its last element.
func fit(path string, room int) string {
	if room <= 0 || columns(path) <= room {
		return path
	}
	parts := strings.Split(path, "/")
	head, first := parts[0], 2 // ~alicesgm/…
	if head == "" && len(parts) > 1 {
		head, first = "/"+parts[1], 3
	}
	for i := first; i < len(parts); i++ {
		if s := head + "/…/" + strings.Join(parts[i:], "/"); columns(s) <= room {
			return s
		}
	}
	last := "…/" + parts[len(parts)-1]
	if columns(last) <= room {
		return last
	}
	r := []rune(last)
	if room < 8 {
		return string(r[:max(room-1, 0)]) + "…"
	}
	tail := room * 3 / 5
	return string(r[:room-1-tail]) + "…" + string(r[len(r)-tail:])
}

// para prints text, each line of it indented, in one style.
func (w *writer) para(style string, indent int, s string) {
	margin := strings.Repeat(" ", indent)
	for _, line := range wrap(w.tidy(s), w.width-indent) {
		fmt.Fprintf(w, "%s%s\n", margin, w.paint(style, line))
	}
}

// wrap breaks text at spaces into lines of at most so many columns. A path that is longer than a line is cut.
func wrap(s string, room int) []string {
	if room <= 0 {
		return strings.Split(s, "\n")
	}
	var lines []string
	for one := range strings.SplitSeq(s, "\n") {
		line := ""
		for _, word := range strings.Fields(one) {
			if columns(word) > room && strings.Contains(word, "/") {
				word = fitWord(word, room)
			}
			switch {
			case line == "":
				line = word
			case columns(line)+1+columns(word) <= room:
				line += " " + word
			default:
				lines = append(lines, line)
				line = word
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// fitWord shortens a path that is a word in a sentence, with the quotes and the punctuation it may have.
func fitWord(word string, room int) string {
	path := strings.TrimLeft(word, `"'(`)
	before := word[:len(word)-len(path)]
	path = strings.TrimRight(path, `"'):;,.`)
	after := word[len(before)+len(path):]
	return before + fit(path, room-len(before)-len(after)) + after
}

// alert prints what a person has to know or do. The remedy is not wrapped: it is there to be copied.
func (w *writer) alert(al plan.Alert) {
	style := yellow
	if al.Severity == plan.Critical {
		style = red
	}
	head := "! " + al.ID + " " + w.tidy(al.Subject) + ":"
	if len(al.Subject) > 40 {
		head = "! " + al.ID + ":" // a path, which the message has as well
	}
	lines := wrap(head+" "+w.tidy(al.Message), w.width-4)
	rest, whole := strings.CutPrefix(lines[0], head)
	if !whole {
		head, rest = lines[0], ""
	}
	fmt.Fprintf(w, "%s%s\n", w.paint(style, head), rest)
	for _, line := range lines[1:] {
		fmt.Fprintf(w, "    %s\n", line)
	}
	w.remedy(al)
}

func (w *writer) remedy(al plan.Alert) {
	if al.Remedy == "" {
		return
	}
	prompt := al.Where + ":"
	if al.Where == "LCG-UI" || al.Where == "VO-Box" {
		prompt = al.Where + ">"
	}
	fmt.Fprintf(w, "    %s %s\n", w.paint(cyan, prompt), al.Remedy)
}

// columnsOf is what $COLUMNS says where there is no terminal to ask.
func columnsOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 20 || n > 1000 {
		return 0
	}
	return n
}
