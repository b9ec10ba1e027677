package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// MaxMemory is the largest memory that is written or read, in bytes.
const MaxMemory = 4 << 20

// MaxChannels is how many channels are remembered.
const MaxChannels = 32

const (
	maxAlerts = 1000 // that are known at one time
	maxError  = 300  // bytes of why a delivery failed

	// sameEpisode is how long an alert may be gone to be the same one when it comes back.
	sameEpisode = 24 * time.Hour
	// keepGone is how long it is tried to tell somebody who cannot be reached that something is well again.
	keepGone = 7 * 24 * time.Hour
	// warnEvery is how often it is said that somebody cannot be reached.
	warnEvery = 24 * time.Hour
	// ahead is how far in the future a time may be for it to have been now.
	ahead = 5 * time.Minute
)

// A Memory is what was seen and told until now. It is kept in a file that belongs to the account of the configuration, so
// that what it says is checked, and losing it costs no more than that what is open is told once more. The zero Memory knows
// nothing.
type Memory struct {
	Version  int                `json:"version"`
	Time     time.Time          `json:"time"`     // of the pass that saw the alerts
	Alerts   []Record           `json:"alerts"`   // that are open, or gone and not forgotten
	Channels map[string]*Ledger `json:"channels"` // by Channel.Key
}

// A Record is an alert as it was last seen.
type Record struct {
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject"`
	Message  string    `json:"message,omitempty"`
	Remedy   string    `json:"remedy,omitempty"`
	Where    string    `json:"where,omitempty"`
	Since    time.Time `json:"since"`
	Seen     time.Time `json:"seen"`              // when it was last seen
	Gone     time.Time `json:"gone,omitzero"`     // zero: it is open
	Attempt  bool      `json:"attempt,omitempty"` // it is from something that was tried

	key string // that of ID and Subject
}

// A Ledger is what one channel was told.
type Ledger struct {
	Name   string          `json:"name"`
	Told   map[string]Told `json:"told"`            // by Key of the alert
	Failed time.Time       `json:"failed,omitzero"` // since when it cannot be reached
	Warned time.Time       `json:"warned,omitzero"` // when that was last said
	Error  string          `json:"error,omitempty"` // why
}

// A Told is what was told of one alert.
type Told struct {
	At       time.Time `json:"at"`
	Severity Severity  `json:"severity"`
	Ended    time.Time `json:"ended,omitzero"` // when it was told that it is well again; zero: it was not
	Back     bool      `json:"back,omitempty"` // it had ended, and came back soon
}

// Key tells alerts apart, in the memory of a channel.
func Key(id, subject string) string {
	h := sha256.Sum256([]byte(oneLine(id, maxID) + "\x00" + oneLine(subject, maxSubject)))
	return hex.EncodeToString(h[:9])
}

// record is an alert as it is remembered.
func record(a Alert, since time.Time) Record {
	a = a.Clean()
	return Record{ID: a.ID, Severity: a.Severity, Subject: a.Subject, Message: a.Message, Remedy: a.Remedy, Where: a.Where, Since: since, Seen: since,
		Attempt: a.Attempt, key: Key(a.ID, a.Subject)}
}

// Alert is a record as it is told.
func (r Record) Alert() Alert {
	a := Alert{ID: r.ID, Severity: r.Severity, Subject: r.Subject, Message: r.Message, Remedy: r.Remedy, Where: r.Where, State: Open, Since: r.Since, Attempt: r.Attempt, key: r.key}
	if !r.Gone.IsZero() {
		a.State = Ended
	}
	return a
}

// ParseMemory reads what Marshal has written. It always returns a memory that can be used, without what no pass can have
// written until now: the account that the file belongs to may have edited it, and clocks are set back. An error says that the
// file was none.
func ParseMemory(data []byte, now time.Time) (Memory, error) {
	var m Memory
	if len(data) > MaxMemory {
		return Memory{}, fmt.Errorf("%d bytes are more than the %d that are read", len(data), MaxMemory)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Memory{}, err
	}
	if m.Version != 1 {
		return Memory{}, fmt.Errorf("version %d is not known", m.Version)
	}
	m.sanitize(now)
	return m, nil
}

// sanitize drops what is impossible, and cuts what is too much.
func (m *Memory) sanitize(now time.Time) {
	past := func(t time.Time) bool { return t.Year() >= 2000 && t.Before(now.Add(ahead)) }
	if !past(m.Time) {
		m.Time = time.Time{}
	}
	seen := map[string]bool{}
	var alerts []Record
	for _, r := range m.Alerts[:min(len(m.Alerts), maxAlerts)] {
		clean := record(r.Alert(), r.Since)
		clean.Seen, clean.Gone = r.Seen, r.Gone
		if clean.ID == "" || seen[clean.key] || !past(r.Since) || !past(r.Seen) || !r.Gone.IsZero() && !past(r.Gone) {
			continue
		}
		seen[clean.key] = true
		alerts = append(alerts, clean)
	}
	m.Alerts = alerts
	for _, key := range slices.Sorted(maps.Keys(m.Channels)) {
		l := m.Channels[key]
		if l == nil || len(m.Channels) > MaxChannels || key != oneLine(key, maxSubject) {
			delete(m.Channels, key)
			continue
		}
		l.Name, l.Error = oneLine(l.Name, maxSubject), oneLine(l.Error, maxError)
		if !past(l.Failed) || !past(l.Warned) && !l.Warned.IsZero() {
			l.Failed, l.Warned, l.Error = time.Time{}, time.Time{}, ""
		}
		for id, t := range l.Told {
			if !seen[id] || !past(t.At) || !t.Ended.IsZero() && !past(t.Ended) || t.Severity != Warning && t.Severity != Critical {
				delete(l.Told, id)
			}
		}
	}
}

// Marshal returns what ParseMemory reads, with a newline at its end. It never has more than MaxMemory bytes: rather than
// that, it does without the texts of the alerts.
func (m Memory) Marshal() ([]byte, error) {
	m = m.clone()
	m.Version = 1
	data, err := json.MarshalIndent(m, "", "  ")
	if err == nil && len(data) >= MaxMemory {
		for i := range m.Alerts {
			m.Alerts[i].Message, m.Alerts[i].Remedy, m.Alerts[i].Where = "", "", ""
		}
		data, err = json.Marshal(m)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("writing what was told: %w", err)
	case len(data) >= MaxMemory:
		return nil, fmt.Errorf("what was told takes %d bytes, more than the %d that are read", len(data), MaxMemory)
	}
	return append(data, '\n'), nil
}

// Empty reports whether there is nothing to remember.
func (m Memory) Empty() bool {
	if len(m.Alerts) > 0 {
		return false
	}
	for _, l := range m.Channels {
		if !l.Failed.IsZero() {
			return false
		}
	}
	return true
}

// Open returns the alerts that were open in the last pass, the worst first.
func (m Memory) Open() []Alert {
	var open []Alert
	for _, r := range m.Alerts {
		if r.Gone.IsZero() {
			open = append(open, r.Alert())
		}
	}
	sortAlerts(open)
	return open
}

func (m Memory) clone() Memory {
	m.Alerts = slices.Clone(m.Alerts)
	if m.Alerts == nil {
		m.Alerts = []Record{}
	}
	channels := map[string]*Ledger{}
	for key, l := range m.Channels {
		c := *l
		c.Told = maps.Clone(l.Told)
		if c.Told == nil {
			c.Told = map[string]Told{}
		}
		channels[key] = &c
	}
	m.Channels = channels
	return m
}

// ledger returns that of a channel, made if need be.
func (m *Memory) ledger(l Listener) *Ledger {
	if m.Channels == nil {
		m.Channels = map[string]*Ledger{}
	}
	led := m.Channels[l.Key]
	if led == nil {
		led = &Ledger{Told: map[string]Told{}}
		m.Channels[l.Key] = led
	}
	if led.Told == nil {
		led.Told = map[string]Told{}
	}
	led.Name = oneLine(cmp.Or(l.Name, l.Key), maxSubject)
	return led
}
