package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// What the signals ask for.
const (
	wordReload = "reload" // SIGHUP
	wordRenew  = "renew"  // SIGUSR1
)

// lockedAgain is when to try again after another run has held the lock for too long.
const lockedAgain = time.Minute

// A resident is the program in watch mode.
type resident struct {
	*app
	flags    passFlags
	log      zerolog.Logger
	manager  *manager
	watcher  *watch.Watcher
	schedule watch.Pace
	quiet    time.Duration   // the watcher's, in peace
	life     context.Context // of the steps in hand, which outlives that of the loop

	cfg    *config.Config // the last good one
	want   plan.Desired   // of it
	faults string         // of the one on disk, as told

	renew   bool              // all user proxies, in the next pass that happens
	setBack bool              // the clock, since the last pass
	last    *reconcile.Report // of the last pass
	slow    int               // directories that are not watched, as told
	told    map[string]told   // alerts, by id and subject
	people  notifier          // tells them
	web     *web              // shows what there is, at watch.listen
	worked  []time.Time       // when the last passes did something because another program had
}

// watch stays: a pass at start, on every change of what the configuration says or refers to, and whenever one is due.
func (a *app) watch(ctx context.Context, p passFlags) error {
	if err := a.residentFlags(p); err != nil {
		return err
	}
	if a.logLevel == "" {
		a.logLevel = "info"
	}
	path, err := filepath.Abs(a.configPath())
	if err != nil {
		return fmt.Errorf("finding the configuration: %w", err)
	}
	a.config = path
	r := &resident{app: a, flags: p, log: a.logger(), watcher: watch.New(), told: map[string]told{}}
	r.people = notifier{app: a, log: r.log}
	defer r.watcher.Close()
	r.manager = newManager(r.log)
	defer r.manager.close()
	r.web = newWeb(a, r.log, r.manager)
	defer r.web.close()
	r.watcher.Beat = func() { r.manager.alive(idleBudget) }
	r.watcher.Quiet, r.watcher.Poll, r.quiet = a.quiet, a.poll, a.quiet
	ctx, release := r.listen(ctx)
	defer release()

	r.watcher.Watch(configFiles(path))
	if err := r.load(); err != nil {
		return err // nothing to fall back on
	}
	if err := checkInvoker(r.want); err != nil {
		return err
	}
	r.watcher.Watch(referred(path, r.cfg, r.want, a.getenv("X509_USER_PROXY")))
	r.log.Info().Str("config", path).Str("version", versionString()).Msg("watching")
	r.tellSlow()
	r.manager.say(daemon.SdNotifyReady)
	return r.live(ctx)
}

// residentFlags refuses flags that are for one pass.
func (a *app) residentFlags(p passFlags) error {
	switch {
	case p.dryRun:
		return usage("--watch and --dry-run exclude each other")
	case p.at != "":
		return usage("--at goes with --dry-run: --watch happens now")
	case len(p.force) > 0:
		return usage("--force is for one pass: send SIGUSR1 to have --watch renew all user proxies, or run vobox-reconcile --force beside it")
	case a.output != "text":
		return usage("--watch prints no results, it logs them: --log-format json")
	}
	return nil
}

// listen turns signals into what they ask for. The context it returns ends at the first SIGTERM or SIGINT; the steps in
// hand are given up at the second.
func (r *resident) listen(ctx context.Context) (context.Context, func()) {
	ctx, stopping := context.WithCancel(ctx)
	life, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	r.life = life
	caught, done := make(chan os.Signal, 8), make(chan struct{})
	if r.signals {
		signal.Notify(caught, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	}
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-caught:
				r.caught(s, ctx, stopping, giveUp)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		close(done)
		stopping()
		giveUp()
	}
}

func (r *resident) caught(s os.Signal, ctx context.Context, stopping, giveUp func()) {
	log := r.log.Info().Stringer("signal", s)
	switch {
	case s == syscall.SIGHUP:
		log.Msg("reading the configuration")
		r.watcher.Poke(wordReload)
	case s == syscall.SIGUSR1:
		log.Msg("renewing all user proxies")
		r.watcher.Poke(wordRenew)
	case ctx.Err() == nil:
		log.Msg("stopping when the step in hand is done; a second signal gives it up")
		r.manager.say(daemon.SdNotifyStopping)
		stopping()
	default:
		log.Msg("giving up the step in hand")
		giveUp()
	}
}

// live makes one pass after the other until it is told to stop, which is no failure.
func (r *resident) live(ctx context.Context) error {
	var wake watch.Wake
	var next time.Time
	for {
		r.manager.alive(r.budget())
		if !r.ours(wake) || !r.now().Before(next) {
			next = r.round(ctx, wake)
		}
		if ctx.Err() != nil {
			break
		}
		r.manager.alive(idleBudget)
		r.manager.say("STATUS=" + r.status(next))
		r.showNext(next)
		var err error
		if wake, err = r.watcher.Wait(ctx, next); err != nil {
			break
		}
		r.woken(wake)
	}
	r.log.Info().Msg("stopped")
	return nil
}

func (r *resident) woken(w watch.Wake) {
	e := r.log.Debug()
	if w.Cause == watch.Clock || w.Cause == watch.Lost {
		e = r.log.Info()
	}
	e.Str("cause", string(w.Cause)).Strs("paths", w.Paths).Strs("words", w.Words).Dur("jump", w.Jump).Msg("woken")
}

// ours reports whether what woke it is what the last pass has written itself, and nothing is left to do but what has just
// failed. That is tried again in time, and not at once: servers should not be asked twice because a file was written.
func (r *resident) ours(w watch.Wake) bool {
	if w.Cause != watch.Changed || r.last == nil || !r.last.Failed() || r.renew {
		return false
	}
	registrations := registrationFiles(r.cfg) // below the state directory, which a pass makes
	kept := append(written(r.want), registrations)
	if slices.ContainsFunc(w.Paths, func(p string) bool { return !slices.Contains(kept, p) }) {
		return false
	}
	if slices.Contains(w.Paths, registrations) && !r.sameConfig() {
		return false
	}
	engine, err := r.residentEngine()
	if err != nil {
		return false
	}
	opts, err := options(r.want, r.flags)
	return err == nil && engine.Moot(r.want, opts, r.last)
}

// sameConfig reports whether the configuration on disk says what the one in force does.
func (r *resident) sameConfig() bool {
	cfg, err := r.app.load()
	return err == nil && reflect.DeepEqual(effectOf(cfg), effectOf(r.cfg))
}

// round reads the configuration again and makes a pass. It returns when to make the next one, whatever happens in this.
func (r *resident) round(ctx context.Context, wake watch.Wake) (next time.Time) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error().Str("panic", fmt.Sprint(p)).Str("stack", string(debug.Stack())).Msg("the pass fell over, which is an error in this program")
			next = r.schedule.Again(r.now())
			r.trouble(ctx, fmt.Errorf("an error in this program: %v", p))
		}
	}()
	r.setBack = r.setBack || wake.Cause == watch.Clock && wake.Jump < 0
	r.renew = r.renew || slices.Contains(wake.Words, wordRenew)
	r.reload(slices.Contains(wake.Words, wordReload))
	r.schedule.Interval = r.cfg.Watch.Interval
	r.web.listen(r.cfg.Watch.Listen)
	report, err := r.onePass(ctx)
	switch {
	case ctx.Err() != nil && err != nil:
		return time.Time{}
	case errors.Is(err, reconcile.ErrLocked):
		r.log.Warn().Err(err).Msg("the pass has to wait")
		return r.schedule.Next(r.now(), r.now().Add(lockedAgain))
	case err != nil:
		r.log.Error().Err(err).Msg("the pass could not be made")
		r.show(nil, err)
		r.trouble(ctx, err)
		return r.schedule.Again(r.now())
	}
	r.last = report
	report.Alerts = append(report.Alerts, r.web.alerts()...)
	r.tell(report)
	r.peace(wake, report)
	r.show(report, nil)
	r.notify(ctx, report)
	return r.after(wake, report)
}

// after is when to make the next pass after one that was made.
func (r *resident) after(wake watch.Wake, report *reconcile.Report) time.Time {
	return r.schedule.After(r.now(), watch.Made{Next: report.NextLook, Due: wake.Cause == watch.Due, Changed: report.Changed(), Refused: report.Refused()})
}

// load takes over the configuration on disk, if it is good.
func (r *resident) load() error {
	cfg, err := r.app.load()
	if err != nil {
		return err
	}
	want := cfg.Desired()
	if _, err := options(want, r.flags); err != nil {
		return err
	}
	r.cfg, r.want = cfg, want
	return nil
}

// reload is load with something to fall back on: the last good configuration stays in force, and the faults of the new
// one are told once.
func (r *resident) reload(asked bool) {
	if asked {
		r.manager.reloading()
		defer r.manager.say(daemon.SdNotifyReady)
	}
	old := effectOf(r.cfg)
	err := r.load()
	switch {
	case err == nil && r.faults != "":
		r.faults = ""
		r.log.Info().Str("config", r.config).Msg("the configuration is good again, and in force")
	case err == nil && asked:
		r.log.Info().Str("config", r.config).Msg("the configuration is in force")
	case err == nil && !reflect.DeepEqual(old, effectOf(r.cfg)):
		r.log.Info().Str("config", r.config).Msg("the changed configuration is in force")
	case err != nil && (err.Error() != r.faults || asked):
		r.faults = err.Error()
		for line := range strings.Lines(r.faults) {
			r.log.Error().Str("alert", alertConfig).Msg(printable(strings.TrimSuffix(line, "\n")))
		}
		r.log.Error().Str("alert", alertConfig).Msg("the configuration is not used; the last good one stays in force until it is mended")
	}
	r.watcher.Watch(referred(r.config, r.cfg, r.want, r.getenv("X509_USER_PROXY")))
	r.tellSlow()
}

// effectOf is a configuration without the places in files that it knows: one more comment is no change.
func effectOf(c *config.Config) any {
	return []any{c.Desired(), c.Trust, c.Alerts, c.Metrics, c.Watch}
}

// onePass is a pass under the lock.
func (r *resident) onePass(ctx context.Context) (*reconcile.Report, error) {
	opts, err := options(r.want, r.flags)
	if err != nil {
		return nil, err
	}
	if err := checkInvoker(r.want); err != nil {
		return nil, err
	}
	engine, err := r.residentEngine()
	if err != nil {
		return nil, err
	}
	engine.Issuer = patientIssuer{engine.Issuer, r.life}
	engine.Services = patientServices{engine.Services, r.life}
	engine.Progress = func(plan.Step, *reconcile.Outcome) { r.beginWork() }
	unlock, err := r.takeTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if r.renew {
		opts.Force = r.userProxies(opts.Only)
	}
	report, err := engine.Pass(ctx, r.want, opts)
	if err == nil {
		r.count(report)
		r.renew, r.setBack = false, false
	}
	return report, err
}

// residentEngine makes its passes at the moment that the plan names.
func (r *resident) residentEngine() (*reconcile.Engine, error) {
	engine, err := r.engine(r.cfg, r.want, r.now)
	if err == nil {
		engine.Resident, engine.RefusedLook, engine.SetBack = true, r.schedule.Refused(), r.setBack
	}
	return engine, err
}

// takeTurn takes the lock. A run of cron's may hold it for a while.
func (r *resident) takeTurn(ctx context.Context) (unlock func(), err error) {
	unlock, err = reconcile.Lock(ctx, r.want, 0)
	if !errors.Is(err, reconcile.ErrLocked) {
		return unlock, err
	}
	r.log.Info().Str("most", plan.Span(r.flags.lockWait)).Msg("another run is under way, waiting for it")
	return reconcile.Lock(ctx, r.want, r.flags.lockWait)
}

// userProxies are the names of those that are looked after, of those given or, if none is, of all.
func (r *resident) userProxies(only []string) []string {
	var names []string
	for _, c := range r.want.Credentials {
		if c.Kind == plan.User && !c.Observe && (len(only) == 0 || slices.Contains(only, c.Name)) {
			names = append(names, c.Name)
		}
	}
	return names
}
