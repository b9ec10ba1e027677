package year

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// bubble is the clock of a [testing/synctest] bubble.
type bubble struct{}

func (bubble) Now() time.Time        { return time.Now() }
func (bubble) Sleep(d time.Duration) { time.Sleep(d) }

// A disk is a box with the real engine, real files and real, if cheap, credentials. Only what is beyond the network is
// modelled.
type disk struct {
	*World
	want    plan.Desired
	engine  *reconcile.Engine
	local   *issue.Issuer
	ca      *authority
	files   []string // that must be whole whenever somebody looks
	sabot   Sabotage
	wire    *Wire // nil: what is beyond the network is modelled
	watcher *watch.Watcher
	ctx     context.Context

	mu         sync.Mutex // guards what follows
	kill       int        // opportunities that are left, negative: no kill
	restore    *snapshot  // what was on disk at the kill
	seen       map[string]fileID
	ends       map[string]time.Time // of the proxies that the program has put there
	spoilt     map[string]bool      // somebody else has changed the file since
	foreign    []string             // lines of others in CE.env
	edits      int
	before     int  // edits before this pass
	owed       bool // the files of the service have changed since it was restarted
	restarts   []time.Time
	restarting bool // and that may not be on record yet
	again      bool // nothing has changed, but the restart may not be on record
	known      time.Time
	last       *reconcile.Report
}

// Sabotage is something wrong with the program that the rules have to find. The zero value is none.
type Sabotage struct {
	Issuer func(reconcile.Issuer) reconcile.Issuer
	After  func(b *SabotagedBox) // after each pass
}

// A SabotagedBox is what a sabotage gets to see.
type SabotagedBox struct {
	Want    plan.Desired
	Restart func()
}

// Engine lives a script on a box in a directory, which is made. It must be called in a bubble of testing/synctest. Without
// a wire, what is beyond the network is modelled.
func Engine(ctx context.Context, s *Script, dir string, wire *Wire, sabot Sabotage) (*Log, error) {
	time.Sleep(time.Until(s.From))
	w := NewWorld(s, bubble{})
	b, err := newDisk(ctx, w, dir, wire, sabot)
	if err != nil {
		return nil, err
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		w.happen(done)
	}()
	log := w.Live(b)
	close(done)
	<-stopped
	if b.watcher != nil {
		b.watcher.Close()
	}
	b.sizes()
	return log, nil
}

// happen lets the world happen until done.
func (w *World) happen(done <-chan struct{}) {
	for {
		timer := time.NewTimer(w.next().Sub(w.Now()))
		select {
		case <-done:
			timer.Stop()
			return
		case <-w.added:
		case <-timer.C:
			if !w.Now().Before(w.To) {
				<-done
				return
			}
		}
		timer.Stop()
		w.fire()
	}
}

func newDisk(ctx context.Context, w *World, dir string, wire *Wire, sabot Sabotage) (*disk, error) {
	b := &disk{World: w, ctx: ctx, wire: wire, sabot: sabot, seen: map[string]fileID{}, ends: map[string]time.Time{}, spoilt: map[string]bool{}, kill: -1, owed: true}
	b.want = desired(dir)
	var err error
	if wire != nil {
		b.ca, err = wire.authority(w, dir)
	} else {
		b.ca, err = newAuthority(w, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("making the box: %w", err)
	}
	for _, c := range b.want.Credentials {
		b.files = append(b.files, c.Path)
	}
	b.files = append(b.files, filepath.Join(b.want.State, "state.json"), b.want.EnvFiles[0].Path)
	home := filepath.Dir(b.want.EnvFiles[0].Path)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.want.State, 0o700); err != nil {
		return nil, err
	}
	b.foreign = []string{"# CE environment bootstrap", "export SITE=Gridtest"}
	if err := os.WriteFile(b.want.EnvFiles[0].Path, []byte(strings.Join(b.foreign, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	if w.Seed%3 == 0 { // a journal that is about to be rotated
		line := `{"time":"2026-02-28T00:00:00Z","id":"renew/proxy/lcgadmin","action":"renew","kind":"proxy","target":"lcgadmin","reason":"","result":"done","tookSeconds":1}` + "\n"
		if err := os.WriteFile(filepath.Join(b.want.State, "journal.jsonl"), []byte(strings.Repeat(line, (1<<20)/len(line)-20)), 0o600); err != nil {
			return nil, err
		}
	}
	b.local = &issue.Issuer{Now: w.BoxNow}
	b.engine = &reconcile.Engine{Trust: b.ca.trust, Issuer: reconcile.Issuer(b), Services: b, Now: b.now, Log: zerolog.Nop(), Progress: b.progress}
	if wire != nil {
		b.local, b.engine.LoginProxy = wire.issuer(b), wire.site.LoginProxy
		b.want.Credentials[1].Source.MyProxy.Server, b.want.Credentials[1].Key = wire.site.MyProxy.Addr(), "p256" // quickly made
	}
	if sabot.Issuer != nil {
		b.engine.Issuer = sabot.Issuer(b)
	}
	w.Changed = b.edit
	return b, nil
}

// desired is a box as the manual of the program has it, in a directory.
func desired(dir string) plan.Desired {
	root := filepath.Join(dir, "vobox")
	d := plan.Desired{VO: "alice", UID: -1, GID: -1, Home: filepath.Join(dir, "home"), Root: root, Repository: filepath.Join(root, "proxy_repository"),
		State: filepath.Join(root, "reconcile"), Credentials: credentials()}
	d.Credentials[0].Path, d.Credentials[1].Path = filepath.Join(root, "renewal-proxy.pem"), filepath.Join(d.Repository, userProxy)
	d.Credentials[0].Source.Certificate = &plan.Certificate{Cert: filepath.Join(dir, "hostcert.pem"), Key: filepath.Join(dir, "hostkey.pem")}
	d.EnvFiles = []plan.EnvFile{{Path: filepath.Join(d.Home, "CE.env"), Export: true, Mode: 0o644,
		Set: []plan.Var{{Name: "X509_USER_PROXY", Value: []plan.Part{{Proxy: userProxy}}}}}}
	d.Services = []plan.Service{{Name: "jalien", Restart: []string{"jalien-vobox.sh", "restart"}, EnvFiles: []string{d.EnvFiles[0].Path}, AtMost: 4, Per: 24 * time.Hour}}
	return d
}

// now is the clock of the box as the engine reads it, and each reading is an opportunity for a kill.
func (b *disk) now() time.Time {
	b.opportunity()
	return b.BoxNow()
}

// opportunity kills the pass if it is to be killed here: what is on disk now is what the next boot will find. The pass goes
// on, as nothing that it does from now on will have happened.
func (b *disk) opportunity() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kill < 0 || b.restore != nil {
		return
	}
	if b.kill--; b.kill >= 0 {
		return
	}
	s, err := take(b.want.Root, b.want.Home)
	if err != nil {
		b.Log.fault(b.Now(), "a life of its own", "taking a snapshot: %v", err)
		return
	}
	s.owed, s.restarts, s.restarting = b.owed, len(b.restarts), b.restarting
	b.restore = s
}

func (b *disk) Boot() {
	if b.watcher != nil {
		b.watcher.Close()
	}
	b.engine.Resident = true
	b.watcher = watch.New()
	b.watcher.Blind = true // events would come when the system likes
	b.watcher.Poll = 10 * time.Minute
	b.watcher.Now = b.BoxNow
}

// watched is what vobox-reconcile --watch watches of such a configuration.
func (b *disk) watched() []string {
	source := b.want.Credentials[0].Source.Certificate
	return append([]string{source.Cert, source.Key, b.ca.trust.Certificates, filepath.Join(b.ca.trust.VOMSDir, "alice")}, b.written()...)
}

// written are those that passes write to.
func (b *disk) written() []string {
	return []string{b.want.Credentials[0].Path, b.want.Credentials[1].Path, b.want.EnvFiles[0].Path}
}

func (b *disk) Wait(moment, until time.Time) watch.Wake {
	ctx, cancel := context.WithDeadline(b.ctx, until)
	defer cancel()
	wake, err := b.watcher.Wait(ctx, moment)
	if err != nil {
		return watch.Wake{Cause: watch.Due} // the machine goes off
	}
	return wake
}

func (b *disk) Moot(w watch.Wake) bool {
	if w.Cause != watch.Changed || b.last == nil || !b.last.Failed() {
		return false
	}
	own := b.written()
	if slices.ContainsFunc(w.Paths, func(p string) bool { return !slices.Contains(own, p) }) {
		return false
	}
	return b.engine.Moot(b.want, plan.Options{}, b.last)
}

func (b *disk) Pass(o Order) Visit {
	b.mu.Lock()
	b.kill, b.restore, b.before = -1, nil, b.edits
	if o.Kill >= 0 {
		b.kill = o.Kill * 4
	}
	b.mu.Unlock()
	if b.engine.Resident {
		b.watcher.Watch(b.watched())
	}
	b.engine.RefusedLook, b.engine.SetBack = o.Refused, o.SetBack
	var v Visit
	unlock, err := reconcile.Lock(b.ctx, b.want, time.Minute)
	if err != nil {
		b.Log.fault(b.Now(), "no pass", "%v", err)
		return v
	}
	report, err := b.engine.Pass(b.ctx, b.want, plan.Options{})
	unlock()
	b.mu.Lock()
	killed := b.restore
	b.mu.Unlock()
	if killed != nil {
		b.dies(killed)
		v.Killed = true
		return v
	}
	if err != nil {
		b.Log.fault(b.Now(), "no pass", "%v", err)
		return v
	}
	if b.sabot.After != nil {
		b.sabot.After(&SabotagedBox{Want: b.want, Restart: func() { b.Restart(b.ctx, service.Command{Name: "jalien"}) }})
	}
	b.last = report
	v.Changed, v.Refused, v.Alerts, v.Next = report.Changed(), report.Refused(), report.Alerts, report.NextLook
	for _, out := range report.Outcomes {
		if out.Step.Action == plan.Renew && out.Result == reconcile.Failed {
			v.Failed = append(v.Failed, out.Step.Target)
		}
	}
	b.passed(report)
	return v
}

// dies puts back what was on disk when the power failed.
func (b *disk) dies(s *snapshot) {
	if err := s.put(); err != nil {
		b.Log.fault(b.Now(), "a life of its own", "putting back a snapshot: %v", err)
	}
	b.mu.Lock()
	b.owed = b.owed || s.owed
	b.again = s.restarting || len(b.restarts) > s.restarts
	b.restarting = false
	b.mu.Unlock()
	b.last = nil
	for _, c := range b.want.Credentials {
		b.look(c.Name, true)
	}
}

// Restart is the service being restarted.
func (b *disk) Restart(_ context.Context, c service.Command) error {
	b.opportunity()
	b.observe()
	time.Sleep(3 * time.Second)
	b.mu.Lock()
	now := b.Now()
	b.restarting = true
	if b.restarts = append(b.restarts, now); !b.owed && !b.again {
		b.Log.fault(now, "restarted for nothing", "nothing has changed in the files of %s since it was restarted", c.Name)
	}
	recent := 0
	for _, t := range b.restarts {
		if now.Sub(t) < 24*time.Hour {
			recent++
		}
	}
	b.owed, b.again = false, false
	b.mu.Unlock()
	if lately := around(now, 25*time.Hour, 0); recent > 4 && b.calmClock(lately) {
		b.Log.fault(now, "restarted too often", "%d times within 24 hours", recent)
	}
	b.Log.note(now, "jalien", "is restarted")
	b.opportunity()
	return nil
}

// calmClock reports whether nothing has happened in a span that restarts are counted wrongly for.
func (b *disk) calmClock(s Span) bool {
	j := judge{Log: b.Log, s: b.Script}
	lost := func(e Edit) bool { return s.has(e.At) && strings.HasPrefix(e.What, "state") }
	return j.steady(s) && !slices.ContainsFunc(b.Edits, lost) && !slices.ContainsFunc(b.Kills, func(k Kill) bool { return s.has(k.At) })
}

// Known reads the record of the program.
func (b *disk) Known() time.Time {
	path := filepath.Join(b.want.State, "state.json")
	if !b.fresh(path, "known") {
		return b.known
	}
	var record struct{ Grants map[string]plan.Grant }
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &record) != nil {
		record.Grants = nil
	}
	b.known = record.Grants[userProxy].StoredEnd
	return b.known
}

// Left is by the files, as a program that knows nothing of this one would read them. See look.
func (b *disk) Left() (user, machine time.Duration) {
	b.observe()
	b.mu.Lock()
	defer b.mu.Unlock()
	left := func(c plan.Credential) time.Duration {
		if end := b.ends[c.Path]; !end.IsZero() {
			return end.Sub(b.BoxNow())
		}
		return -1
	}
	return left(b.want.Credentials[1]), left(b.want.Credentials[0])
}

var _ reconcile.Issuer = (*disk)(nil)

// trustStore is where everything that is to be trusted is.
func trustStore(dir string) *trust.Store {
	return &trust.Store{Certificates: filepath.Join(dir, "certificates"), VOMSDir: filepath.Join(dir, "vomsdir")}
}
