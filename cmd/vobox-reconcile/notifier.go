package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
)

// memoryFile is where it is kept what was told, in the state directory.
const memoryFile = "alerts.json"

// alertChannel is the alert of a channel that does not work.
const alertChannel = "ALERT"

// maxSecretFile is the largest file of a password or of headers that is read, in bytes.
const maxSecretFile = 64 << 10

// tellAgain is how soon those who could not be reached are worth another pass, in watch mode.
const tellAgain = 15 * time.Minute

// A channel is one of the configuration's, ready to be used.
type channel struct {
	notify.Channel
	listener notify.Listener
	label    string // email, webhook-2: what it is called on the command line
}

// A notifier tells people what passes find out.
type notifier struct {
	*app
	log    zerolog.Logger
	unsaid *notify.Memory // what could not be written to the disk
}

// channels are those of the configuration, in its order.
func (a *app) channels(cfg *config.Config, want plan.Desired) []channel {
	var list []channel
	kinds, keys := map[string]int{}, map[string]int{}
	for _, al := range cfg.Alerts[:min(len(cfg.Alerts), notify.MaxChannels)] {
		var c notify.Channel
		switch {
		case al.Email != nil:
			c = &notify.Email{To: al.Email.To, From: al.Email.From, Server: al.Email.SMTP, TLS: al.Email.TLS, Username: al.Email.Username,
				PasswordFile: al.Email.PasswordFile, Read: readSecret, Hello: thisHost()}
		case al.Webhook != nil:
			c = &notify.Webhook{URL: al.Webhook.URL, HeadersFile: al.Webhook.HeadersFile, Read: readSecret}
		default:
			c = &notify.Command{Argv: al.Command, Run: a.caller(want)}
		}
		kinds[c.Kind()]++
		key := c.Key()
		if keys[key]++; keys[key] > 1 {
			key += fmt.Sprintf(" (%d)", keys[key])
		}
		list = append(list, channel{Channel: c, label: c.Kind(), listener: notify.Listener{Key: key, Name: c.Name(), Every: al.AtMostEvery}})
	}
	seen := map[string]int{}
	for i, c := range list {
		if seen[c.Kind()]++; kinds[c.Kind()] > 1 {
			list[i].label = fmt.Sprintf("%s-%d", c.Kind(), seen[c.Kind()])
		}
	}
	return list
}

// readSecret reads a file that the configuration names, as it is read for other secrets: not through a link that somebody
// else can have planted.
func readSecret(path string) ([]byte, error) {
	path, err := atomicfile.Follow(path)
	if err != nil {
		return nil, err
	}
	data, _, err := atomicfile.Read(path, maxSecretFile)
	return data, err
}

// caller runs a site's command as the account.
func (a *app) caller(want plan.Desired) func(ctx context.Context, argv []string, input []byte, env []string) error {
	return func(ctx context.Context, argv []string, input []byte, env []string) error {
		account, err := accountOf(want)
		if err != nil {
			return err
		}
		timeout := notify.DefaultTimeout
		if deadline, ok := ctx.Deadline(); ok {
			timeout = max(time.Until(deadline), time.Millisecond)
		}
		r := &service.Runner{Account: account, Grace: time.Second}
		err = r.Call(ctx, service.Call{Name: "alert", Argv: argv, Input: input, Env: env, Timeout: timeout})
		var failed *service.Error
		if errors.As(err, &failed) {
			short := *failed
			short.Argv, short.Remedy = short.Argv[:1], "" // the other arguments are nobody's business
			return &notify.Error{Msg: short.Error(), Remedy: failed.Remedy, Where: "VO-Box", Err: err}
		}
		return err
	}
}

// thisHost is how this machine calls itself.
func thisHost() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// forPeople is an alert as it is told.
func forPeople(a plan.Alert) notify.Alert {
	return notify.Alert{ID: a.ID, Severity: notify.Severity(a.Severity), Subject: a.Subject, Message: a.Message, Remedy: a.Remedy, Where: a.Where, Attempt: a.Attempt}
}

// asFound is the alert of a pass that forPeople was made of.
func asFound(a notify.Alert) plan.Alert {
	return plan.Alert{ID: a.ID, Severity: plan.Severity(a.Severity), Subject: a.Subject, Message: a.Message, Remedy: a.Remedy, Where: a.Where, Attempt: a.Attempt}
}

// tell tells people what a pass has found, and keeps what they were told. The caller holds the lock. Whatever goes wrong is
// a warning in the log, and no failure of the pass; it reports whether everybody was reached.
func (n *notifier) tell(ctx context.Context, cfg *config.Config, want plan.Desired, alerts []plan.Alert, ended func(notify.Record) bool) (reached bool) {
	defer func() {
		if p := recover(); p != nil {
			n.log.Error().Str("panic", fmt.Sprint(p)).Str("stack", string(debug.Stack())).Msg("telling people fell over, which is an error in this program")
		}
	}()
	now := n.now()
	old, there := n.recall(want, now)
	if !there && len(alerts) == 0 {
		return true
	}
	channels := n.channels(cfg, want)
	alerts = append(alerts, unreached(channels, old, now)...)
	if len(cfg.Alerts) > len(channels) {
		n.log.Warn().Int("channels", len(cfg.Alerts)).Int("used", len(channels)).Msg("there are more channels for alerts than can be remembered; the last ones are not used")
	}
	pass := notify.Pass{Time: now.UTC().Truncate(time.Second), Ended: func(r notify.Record) bool { return r.ID == alertChannel || ended(r) }}
	for _, al := range alerts {
		pass.Alerts = append(pass.Alerts, forPeople(al))
	}
	var listeners []notify.Listener
	for _, c := range channels {
		listeners = append(listeners, c.listener)
	}
	memory, due := notify.Decide(old, pass, listeners)
	reached = n.deliver(ctx, channels, due, want, &memory)
	n.remember(want, old, memory)
	return reached
}

// unreachedFor is how long a channel cannot be reached before the others are told.
const unreachedFor = time.Hour

// unreached are alerts about channels that do not work: that there is silence is what nobody notices. Such a channel is tried
// with its own alert as well, so that it is known when it works again.
func unreached(channels []channel, m notify.Memory, now time.Time) []plan.Alert {
	var alerts []plan.Alert
	for _, c := range channels {
		l := m.Channels[c.listener.Key]
		if l == nil || l.Failed.IsZero() || now.Sub(l.Failed) < unreachedFor {
			continue
		}
		alerts = append(alerts, plan.Alert{ID: alertChannel, Severity: plan.Warning, Subject: c.listener.Name, Where: "VO-Box",
			Message: fmt.Sprintf("alerts have not reached this channel since %s: %s", plan.Clock(l.Failed), l.Error), Remedy: "vobox-reconcile alerts --test"})
	}
	return alerts
}

// deliver tells each channel what it is due.
func (n *notifier) deliver(ctx context.Context, channels []channel, due map[string][]notify.Alert, want plan.Desired, memory *notify.Memory) bool {
	now := n.now()
	var list []*notify.Delivery
	var to []channel
	for _, c := range channels {
		if alerts := due[c.listener.Key]; len(alerts) > 0 {
			list = append(list, &notify.Delivery{Channel: c.Channel, Message: notify.Message{Host: thisHost(), VO: want.VO, Time: now, Every: c.listener.Every, Alerts: alerts}})
			to = append(to, c)
		}
	}
	if len(list) == 0 {
		return true
	}
	n.beginWork()
	done := n.telling(len(list))
	notify.Deliver(ctx, n.patience, list)
	done()
	reached := true
	for i, d := range list {
		c := to[i]
		say := d.Err != nil
		if !d.Delivered() && ctx.Err() != nil {
			reached = false // it was told to stop
			continue
		}
		if d.Delivered() {
			memory.Told(c.listener, d.Message.Alerts, now)
			n.log.Info().Str("channel", c.listener.Name).Int("alerts", len(d.Message.Alerts)).Dur("took", d.Took).Msg("told")
		} else {
			reached = false
			say = memory.Failed(c.listener, d.Err, now)
		}
		if d.Err != nil {
			n.undelivered(c, d.Err, say)
		}
	}
	return reached
}

// telling shows on a terminal what takes the time that it takes.
func (a *app) telling(n int) (done func()) {
	if !a.talk.terminal || a.output != "text" || a.getenv("TERM") == "dumb" {
		return func() {}
	}
	fmt.Fprintf(a.stderr, "telling through %s …", count(n, "channel"))
	return func() { fmt.Fprint(a.stderr, "\r\x1b[K") }
}

// undelivered logs why a channel was not reached, as a warning if that is worth one.
func (n *notifier) undelivered(c channel, err error, say bool) {
	e := n.log.Info()
	if say {
		e = n.log.Warn()
	}
	var why *notify.Error
	if errors.As(err, &why) && why.Remedy != "" {
		e = e.Str("remedy", printable(why.Remedy)).Str("where", why.Where)
	}
	e.Str("alert", alertChannel).Str("channel", c.listener.Name).Msg("an alert could not be delivered, which is tried again in the next pass: " + printable(err.Error()))
}

// remembers reports whether there is something that people were told.
func (n *notifier) remembers(want plan.Desired) bool {
	_, err := atomicfile.Stat(filepath.Join(want.State, memoryFile))
	return n.unsaid != nil || err == nil
}

// recall reads what was told. A file that cannot be used costs no more than that what is open is told again.
func (n *notifier) recall(want plan.Desired, now time.Time) (m notify.Memory, there bool) {
	if n.unsaid != nil {
		return *n.unsaid, true
	}
	path := filepath.Join(want.State, memoryFile)
	m, err := recall(path, now)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, false
	case err != nil:
		n.log.Warn().Err(err).Str("path", path).Msg("it is not known which alerts were told, going on without")
	}
	return m, true
}

func recall(path string, now time.Time) (notify.Memory, error) {
	data, _, err := atomicfile.Read(path, notify.MaxMemory)
	if err != nil {
		return notify.Memory{}, err
	}
	m, err := notify.ParseMemory(data, now)
	if err != nil {
		return m, fmt.Errorf("reading %s: %w", path, err)
	}
	return m, nil
}

// remember writes what was told, if it is something else than before. What cannot be written is kept in this process.
func (n *notifier) remember(want plan.Desired, old, memory notify.Memory) {
	if n.unsaid == nil && sameMemory(old, memory) {
		return
	}
	data, err := memory.Marshal()
	if err == nil {
		_, err = atomicfile.Replace(filepath.Join(want.State, memoryFile), data, atomicfile.Options{Mode: 0o600, UID: want.UID, GID: want.GID})
	}
	if n.unsaid = nil; err != nil {
		n.unsaid = &memory
		n.log.Warn().Err(err).Msg("which alerts were told is not on record, and may be told again")
	}
}

// sameMemory compares but for the time of the pass, which alone is not worth a write.
func sameMemory(a, b notify.Memory) bool {
	if len(a.Alerts) == 0 && len(b.Alerts) == 0 {
		a.Time = b.Time
	}
	x, err1 := a.Marshal()
	y, err2 := b.Marshal()
	return err1 == nil && err2 == nil && slices.Equal(x, y)
}

// residentAlerts are those that only watch mode can find out, and see the end of.
var residentAlerts = []string{alertFight, alertListen}

// endedBy tells which alerts that a pass did not give have ended: not those that it could not know of, as it left out what
// they are about, as a step on it did not succeed, or as a renewal has failed before and none was due in this one.
func endedBy(want plan.Desired, r *reconcile.Report, o plan.Options, resident bool) func(notify.Record) bool {
	renewed := func(name string) bool {
		return slices.ContainsFunc(r.Outcomes, func(out reconcile.Outcome) bool { return out.Step.Target == name && out.Step.Action == plan.Renew })
	}
	kept := func(name string) bool {
		return slices.ContainsFunc(want.Credentials, func(c plan.Credential) bool { return c.Name == name && !c.Observe })
	}
	return func(alert notify.Record) bool {
		id, subject := alert.ID, alert.Subject
		if slices.Contains(residentAlerts, id) {
			return resident
		}
		if slices.ContainsFunc(r.Outcomes, func(out reconcile.Outcome) bool { return out.Step.Target == subject && out.Result != reconcile.Done }) {
			return false
		}
		if alert.Attempt && kept(subject) && !renewed(subject) {
			return false
		}
		if o.NoRestart && slices.ContainsFunc(want.Services, func(s plan.Service) bool { return s.Name == subject }) {
			return false
		}
		return len(o.Only) == 0 || id == alertConfig || id == alertPass || slices.Contains(o.Only, subject) || slices.Contains(o.Force, subject)
	}
}
