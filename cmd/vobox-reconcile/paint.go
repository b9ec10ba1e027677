package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// A painter colours words for a terminal, or leaves them as they are.
type painter struct {
	on       bool
	terminal bool
	width    int // columns of the terminal; elsewhere those of $COLUMNS, 0 without
}

func (a *app) painterFor(w io.Writer) painter {
	p := painter{width: columnsOf(a.getenv("COLUMNS"))}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal = true
		p.width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	switch a.color {
	case "always":
		p.on = true
	case "auto":
		p.on = p.terminal && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
	}
	return p
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (p painter) paint(style, s string) string {
	if !p.on || s == "" || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}
