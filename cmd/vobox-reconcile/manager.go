package main

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// A manager is systemd, if that has started the program: it is told how things are (sd_notify(3)), and that the program is
// alive (the unit's WatchdogSec), as long as it is.
type manager struct {
	log   zerolog.Logger
	begin time.Time
	until atomic.Int64 // how long the loop is taken for alive, in nanoseconds since begin
	once  sync.Once
	done  chan struct{}
}

// idleBudget is how long the loop may take from one sign of life to the next while it waits.
const idleBudget = 5 * time.Minute

func newManager(log zerolog.Logger) *manager {
	m := &manager{log: log, begin: time.Now(), done: make(chan struct{})}
	m.alive(idleBudget)
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("systemd's watchdog cannot be served")
	}
	if every > 0 {
		go m.feed(every / 2)
	}
	return m
}

func (m *manager) close() { m.once.Do(func() { close(m.done) }) }

// say sends a message; without systemd it does nothing.
func (m *manager) say(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Debug().Err(err).Msg("telling systemd")
	}
}

// reloading tells that the configuration is being read again. systemd wants to know when that was.
func (m *manager) reloading() {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return
	}
	m.say(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, ts.Nano()/1000))
}

// alive says that the loop needs no more than so long until it says so again.
func (m *manager) alive(budget time.Duration) { m.until.Store(int64(time.Since(m.begin) + budget)) }

// feed keeps the watchdog quiet while the loop is alive.
func (m *manager) feed(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if int64(time.Since(m.begin)) < m.until.Load() {
			m.say(daemon.SdNotifyWatchdog)
		} else {
			m.log.Error().Msg("the loop hangs; systemd will start the program again")
		}
		select {
		case <-m.done:
			return
		case <-tick.C:
		}
	}
}

// budget is how long a pass may take, every timeout of it used.
func (r *resident) budget() time.Duration {
	d := r.flags.lockWait + 10*time.Minute // renewals have five
	for _, s := range r.want.Services {
		timeout := s.Timeout
		if timeout <= 0 {
			timeout = service.DefaultTimeout
		}
		d += time.Duration(len(s.Preflight)+3) * (timeout + 10*time.Second)
	}
	return d
}

// freeMemory gives back what a renewal needed.
func freeMemory() { debug.FreeOSMemory() }
