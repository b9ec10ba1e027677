package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A meter shows on a terminal which steps are under way.
type meter struct {
	mu      sync.Mutex
	app     *app
	running []string
	shown   bool
}

func (a *app) progress(e *reconcile.Engine) *meter {
	m := &meter{app: a}
	if a.talk.terminal && a.output == "text" && a.getenv("TERM") != "dumb" {
		e.Progress = m.step
	}
	return m
}

func (m *meter) step(s plan.Step, o *reconcile.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := title(s)
	if o == nil {
		m.running = append(m.running, name)
	} else {
		for i, r := range m.running {
			if r == name {
				m.running = append(m.running[:i], m.running[i+1:]...)
				break
			}
		}
	}
	m.show()
}

func (m *meter) show() {
	line := strings.Join(m.running, ", ")
	if limit := m.app.talk.width - 4; len(line) > limit && limit > 0 {
		line = line[:limit]
	}
	fmt.Fprintf(m.app.stderr, "\r\x1b[K")
	m.shown = line != ""
	if m.shown {
		fmt.Fprintf(m.app.stderr, "%s …", line)
	}
}

func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shown {
		fmt.Fprintf(m.app.stderr, "\r\x1b[K")
	}
}
