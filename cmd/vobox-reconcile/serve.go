package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/metrics"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/page"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// alertListen is the alert of an address that cannot be listened at; alertPass that of a pass that could not be made.
const (
	alertListen = "LISTEN"
	alertPass   = "PASS"
)

// What one client may cost.
const (
	headerTimeout   = 5 * time.Second
	exchangeTimeout = 30 * time.Second
	idleTimeout     = 2 * time.Minute // longer than most scrape intervals
	maxHeader       = 16 << 10
	maxClients      = 64
	endTimeout      = 3 * time.Second
)

// A web shows what the resident does, at watch.listen. Requests change nothing, and read nothing from disk: they are
// answered from what the last pass has left.
type web struct {
	measurer
	manager *manager
	host    string

	addr   string // as configured
	server *http.Server
	fault  error // why nobody listens there
	failed int   // passes that could not be made since the last one that was
	record *metrics.Record

	mu    sync.Mutex // guards what follows, which requests read
	shown *exhibit
}

// An exhibit is what there is to show. It is not changed any more.
type exhibit struct {
	box      status.Box
	alerts   []plan.Alert // of the last pass, and of the watch
	history  []page.Event
	record   *metrics.Record
	valid    bool          // the configuration on disk is in force
	made     time.Time     // when the last pass was over; zero: there was none yet
	interval time.Duration // the longest time between two passes
	next     time.Time     // when the next one is
}

func newWeb(a *app, log zerolog.Logger, m *manager) *web {
	host, err := os.Hostname()
	if err != nil {
		log.Debug().Err(err).Msg("the name of this box")
	}
	return &web{measurer: measurer{app: a, log: log}, manager: m, host: host}
}

// listen takes over the address that the configuration has now. One that cannot be had is told, and tried again by the
// next pass.
func (w *web) listen(addr string) {
	if addr == w.addr && (w.server != nil || addr == "") {
		return
	}
	if addr != w.addr {
		w.close()
	}
	w.addr = addr
	if addr == "" {
		w.fault = nil
		return
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if w.fault == nil || w.fault.Error() != err.Error() {
			w.log.Warn().Err(err).Str("address", addr).Msg("watch.listen: nothing is served until the address is free")
		}
		w.fault = err
		return
	}
	w.fault = nil
	handler := w.handler(l.Addr())
	w.server = &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: exchangeTimeout, WriteTimeout: exchangeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: log.New(complaints{w.log}, "", 0)}
	go func(s *http.Server) {
		if err := s.Serve(&limited{Listener: l, room: make(chan struct{}, maxClients)}); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error().Err(err).Str("address", addr).Msg("watch.listen: serving has ended")
		}
	}(w.server)
	w.log.Info().Stringer("address", l.Addr()).Msg("serving the page, metrics, healthz, readyz and status.json")
}

// close lets answers under way be finished, for a moment.
func (w *web) close() {
	if w.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.server.Close()
	}
	w.server = nil
}

// complaints are what package http has to say about its clients.
type complaints struct{ log zerolog.Logger }

func (c complaints) Write(p []byte) (int, error) {
	e := c.log.Debug()
	if strings.Contains(string(p), "panic") {
		e = c.log.Error()
	}
	e.Msg(printable(strings.TrimSpace(string(p))))
	return len(p), nil
}

// alerts tells that nobody listens.
func (w *web) alerts() []plan.Alert {
	if w.fault == nil {
		return nil
	}
	_, port, err := net.SplitHostPort(w.addr)
	if err != nil {
		port = w.addr
	}
	return []plan.Alert{{ID: alertListen, Severity: plan.Warning, Subject: w.addr, Where: "VO-Box",
		Message: fmt.Sprintf("watch.listen: %v; page and metrics are not served", w.fault),
		Remedy:  fmt.Sprintf("ss -ltnp 'sport = :%s'; if another program has the port, stop it or write another one as watch.listen", port)}}
}

// count takes in a pass that was made. The caller holds the lock.
func (r *resident) count(report *reconcile.Report) {
	if !measured(r.cfg) {
		return
	}
	r.web.record = r.web.count(r.want, report, r.now(), r.web.failed)
	r.web.failed = 0
}

// show hands over what a pass has come to, or why it could not be made.
func (r *resident) show(report *reconcile.Report, err error) {
	if report == nil {
		r.web.failed++
	}
	if !measured(r.cfg) {
		return
	}
	engine, fault := r.engine(r.cfg, r.want, r.now)
	if fault != nil {
		r.log.Debug().Err(fault).Msg("looking for what to show")
		return
	}
	s := &exhibit{box: boxOf(engine, r.want, r.now()), valid: r.faults == "", interval: r.cfg.Watch.Interval}
	if last := r.web.current(); last != nil {
		s.made, s.alerts, s.history, s.record = last.made, last.alerts, last.history, last.record
	}
	if report != nil {
		s.made, s.alerts, s.record = r.now(), append([]plan.Alert{}, report.Alerts...), r.web.record
		if t, fight := r.told[alertFight]; fight {
			s.alerts = append(s.alerts, t.Alert)
		}
	} else {
		s.alerts = slices.DeleteFunc(slices.Clone(s.alerts), func(a plan.Alert) bool { return a.ID == alertPass })
		s.alerts = append(s.alerts, r.noPass("the pass could not be made: "+err.Error()))
	}
	if s.history == nil || report != nil && report.Changed() {
		r.web.readHistory(s, r.now())
	}
	r.web.set(s)
	if path := r.cfg.Metrics.Textfile; path != "" && report != nil {
		r.web.writeText(path, s.sample(r.now()))
	}
}

func (w *web) readHistory(s *exhibit, now time.Time) {
	events, err := page.ReadHistory(s.box.Want.State, now.Add(-page.Recent), now)
	w.tell(err)
	s.history = append([]page.Event{}, events...)
}

// showNext takes in when the next pass is.
func (r *resident) showNext(next time.Time) {
	if s := r.web.current(); s != nil {
		c := *s
		c.next = next
		r.web.set(&c)
	}
}

func (w *web) set(s *exhibit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = s
}

func (w *web) current() *exhibit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown
}

// status is how things are now, by what the last pass has left.
func (s *exhibit) status(now time.Time) status.Doc {
	doc := describe(s.box, now, s.alerts)
	if s.next.After(now) {
		doc.NextLook = status.Moment(s.next)
	}
	return doc
}

func (s *exhibit) sample(now time.Time) metrics.Sample {
	doc := s.status(now)
	return metrics.Sample{Program: versionString(), ConfigValid: s.valid, Status: &doc, Record: s.record}
}
