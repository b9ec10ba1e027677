package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A meter shows on a terminal which steps are under way, and for how long, in a line that goes away. What else is written
// to the terminal goes through it, and appears above.
type meter struct {
	mu      sync.Mutex
	to      io.Writer
	width   int
	now     func() time.Time
	running []task
	line    string // what is shown
	ticking bool
	done    chan struct{}
}

type task struct {
	id, name string
	since    time.Time
}

// meter returns one if somebody looks at standard error, and has the log go through it. A nil meter shows nothing.
func (a *app) meter() *meter {
	if !a.talk.terminal || a.output != "text" || a.getenv("TERM") == "dumb" {
		return nil
	}
	m := &meter{to: a.stderr, width: a.talk.width, now: time.Now, done: make(chan struct{})}
	a.log = m
	return m
}

// watch makes the engine tell the meter.
func (m *meter) watch(e *reconcile.Engine) {
	if m != nil {
		e.Progress = m.step
	}
}

func (m *meter) step(s plan.Step, o *reconcile.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o != nil {
		m.running = slices.DeleteFunc(m.running, func(t task) bool { return t.id == s.ID })
	} else {
		if !m.ticking {
			m.ticking = true
			go m.tick()
		}
		m.running = append(m.running, task{s.ID, brief(s), m.now()})
	}
	m.show()
}

// brief is the title of a step in a few words.
func brief(s plan.Step) string {
	if strings.HasPrefix(s.Path, "/") && s.Kind != "proxy" && s.Kind != "machine-proxy" {
		return string(s.Action) + " " + filepath.Base(s.Path)
	}
	return title(s)
}

// tick shows how long it has taken by now.
func (m *meter) tick() {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-m.done:
			return
		case <-every.C:
		}
		m.mu.Lock()
		m.show()
		m.mu.Unlock()
	}
}

// show redraws the line if it is another one. The caller holds the lock.
func (m *meter) show() {
	var words []string
	now := m.now()
	for _, t := range m.running {
		w := t.name
		if d := now.Sub(t.since).Truncate(time.Second); d > 0 {
			w += " " + plan.Span(d)
		}
		words = append(words, w)
	}
	line := []rune(strings.Join(words, ", "))
	if limit := max(m.width-3, 10); len(line) > limit {
		line = append(line[:limit-1], '…')
	}
	if string(line) == m.line {
		return
	}
	m.hide()
	if m.line = string(line); m.line != "" {
		fmt.Fprintf(m.to, "%s …", m.line)
	}
}

func (m *meter) hide() {
	if m.line != "" {
		fmt.Fprint(m.to, "\r\x1b[K")
		m.line = ""
	}
}

// Write makes way for a line of the log.
func (m *meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hide()
	n, err := m.to.Write(p)
	m.show()
	return n, err
}

func (m *meter) stop() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = nil
	m.hide()
	close(m.done)
}
