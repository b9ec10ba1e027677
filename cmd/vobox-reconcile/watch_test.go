package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/service"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/watch"
)

// late is when a test gives up.
const late = 60 * time.Second

// A line is one of the log.
type line struct {
	Level, Message, Step, Result, Reason, Alert, Error, Subject string
	Paths                                                       []string
}

// A watching is a process with --watch, a log to follow, and what it tells the service manager.
type watching struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan line
	said  chan string
	log   []line
	ended chan error
}

func (b *box) watch(t *testing.T, args ...string) *watching {
	t.Helper()
	dir, err := os.MkdirTemp("", "vobox-notify-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/s", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	w := &watching{t: t, cmd: b.command(append([]string{"--watch", "--log-format", "json"}, args...)...),
		lines: make(chan line, 1000), said: make(chan string, 1000), ended: make(chan error, 1)}
	w.cmd.Env = append(w.cmd.Env, "NOTIFY_SOCKET="+dir+"/s", "WATCHDOG_USEC=200000")
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill() })
	go func() {
		buf := make([]byte, 65536)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			w.said <- string(buf[:n])
		}
	}()
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			var l line
			if err := json.Unmarshal(s.Bytes(), &l); err != nil {
				l.Message = s.Text()
			}
			w.lines <- l
		}
		w.ended <- w.cmd.Wait()
	}()
	return w
}

// await reads the log until a line fits.
func (w *watching) await(what string, fits func(line) bool) line {
	w.t.Helper()
	timeout := time.After(late)
	for {
		select {
		case l := <-w.lines:
			w.log = append(w.log, l)
			if fits(l) {
				return l
			}
		case <-timeout:
			w.t.Fatalf("the log does not say %s:\n%+v", what, w.log)
		}
	}
}

func (w *watching) awaitStep(id, result string) line {
	w.t.Helper()
	return w.await(result+" "+id, func(l line) bool { return l.Step == id && l.Result == result })
}

func (w *watching) awaitMessage(part string) line {
	w.t.Helper()
	return w.await(part, func(l line) bool { return strings.Contains(l.Message, part) })
}

// hears waits for a message to the service manager.
func (w *watching) hears(part string) string {
	w.t.Helper()
	timeout := time.After(late)
	for {
		select {
		case s := <-w.said:
			if strings.Contains(s, part) {
				return s
			}
		case <-timeout:
			w.t.Fatalf("the service manager is not told %q", part)
		}
	}
}

func (w *watching) signal(s syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
}

// ends waits for the end of the process and insists on its exit code.
func (w *watching) ends(code int) {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(late):
		w.t.Fatal("it does not end")
	}
	if got := w.cmd.ProcessState.ExitCode(); got != code {
		w.t.Errorf("exit code %d, want %d; the log:\n%+v", got, code, w.log)
	}
}

// resident is how many KiB of memory it uses.
func (w *watching) resident() int {
	w.t.Helper()
	for l := range strings.Lines(string(read(w.t, fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid)))) {
		if rest, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				w.t.Fatal(err)
			}
			return n
		}
	}
	w.t.Fatal("no VmRSS")
	return 0
}

// The life of a resident: it makes what is missing, repairs what is edited behind its back, keeps the last good
// configuration, renews when asked, and ends when told to.
func TestWatch(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick()
	w := b.watch(t)
	w.hears("READY=1")
	w.hears("WATCHDOG=1") // which comes again and again: the first one may be before READY=1 or after it
	w.awaitStep("restart/service/jalien", "done")
	w.hears("all is as it should be")

	ceStep := "write/env-file" + b.CEEnv
	write(t, b.CEEnv, "# edited by hand\nexport X509_USER_PROXY=/tmp/mine\n")
	w.awaitStep(ceStep, "done")
	if got, want := string(read(t, b.CEEnv)), "# edited by hand\nexport X509_USER_PROXY="+b.userProxy()+"\n"; got != want {
		t.Errorf("CE.env is %q, want %q", got, want)
	}
	w.awaitStep("restart/service/jalien", "done")

	good := string(read(t, b.Config))
	broken := strings.Replace(good, "attributes: ", "atributes: ", 1)
	write(t, b.Config, broken)
	if l := w.awaitMessage("atributes"); l.Level != "error" || l.Alert != "CONFIG" || !strings.HasPrefix(l.Message, b.Config+":"+at(broken, "atributes")+": ") {
		t.Errorf("the fault is told as %+v", l)
	}
	w.awaitMessage("the last good one stays in force")
	w.hears("CONFIG")
	if err := os.Remove(b.MLEnv); err != nil {
		t.Fatal(err)
	}
	w.awaitStep("write/env-file"+b.MLEnv, "done")

	write(t, b.Config+".new", strings.Replace(good, "set: {X509_USER_PROXY", "set: {ADDED: yes, X509_USER_PROXY", 1))
	if err := os.Rename(b.Config+".new", b.Config); err != nil {
		t.Fatal(err)
	}
	w.awaitMessage("the configuration is good again")
	w.awaitStep(ceStep, "done")
	if !strings.Contains(string(read(t, b.CEEnv)), "export ADDED=yes\n") {
		t.Errorf("what the mended configuration says is not in force: %s", read(t, b.CEEnv))
	}

	before := string(read(t, b.userProxy()))
	w.signal(syscall.SIGUSR1)
	if l := w.awaitStep("renew/proxy/lcgadmin", "done"); l.Reason != "forced" {
		t.Errorf("renewed since %q", l.Reason)
	}
	if string(read(t, b.userProxy())) == before {
		t.Error("the proxy is still the old one")
	}
	if err := os.Remove(b.userProxy()); err != nil {
		t.Fatal(err)
	}
	w.awaitStep("renew/proxy/lcgadmin", "done")

	w.signal(syscall.SIGHUP)
	if s := w.hears("RELOADING=1"); !strings.Contains(s, "\nMONOTONIC_USEC=") {
		t.Errorf("systemd is told %q", s)
	}
	w.hears("READY=1")
	w.awaitMessage("the configuration is in force")

	if testing.CoverMode() == "" {
		if kib := w.resident(); kib > 30<<10 {
			t.Errorf("it uses %d KiB of memory", kib)
		}
	}
	w.signal(syscall.SIGTERM)
	w.hears("STOPPING=1")
	w.ends(0)
	noTemporaryFiles(t, b.Dir)
	for _, l := range w.log {
		if l.Alert == alertFight {
			t.Errorf("it fights with itself: %+v", l)
		}
	}
}

// at is LINE:COL of some text.
func at(data, text string) string {
	before, _, _ := strings.Cut(data, text)
	lines := strings.Split(before, "\n")
	return fmt.Sprintf("%d:%d", len(lines), len(lines[len(lines)-1])+1)
}

// A resident waits for another run, and goes on watching when that takes too long.
func TestWatchIsLocked(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy().quick()
	cfg, err := config.Load(b.Config, config.Env{Getenv: func(name string) string { return b.env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := reconcile.Lock(context.Background(), cfg.Desired(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w := b.watch(t, "--lock-wait", "10ms")
	w.awaitMessage("another run is under way, waiting for it")
	if l := w.awaitMessage("has to wait"); l.Level != "warn" {
		t.Errorf("it is told as %+v", l)
	}
	w.signal(syscall.SIGUSR1)
	w.awaitMessage("has to wait")
	unlock()
	w.signal(syscall.SIGHUP)
	w.awaitStep("restart/service/jalien", "done")
	w.signal(syscall.SIGTERM)
	w.ends(0)
}

// The step in hand is done when a resident is told to stop, and no other is begun.
func TestWatchStopsInOrder(t *testing.T) {
	for _, signals := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d signals", signals), func(t *testing.T) {
			b := newBox(t, gridtest.SiteOptions{}).withMachineProxy().quick()
			begun, wait := filepath.Join(b.Dir, "begun"), filepath.Join(b.Dir, "wait")
			for _, path := range []string{begun, wait} {
				if err := syscall.Mkfifo(path, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b.edit(b.RestartScript, "#!/bin/sh\n", "#!/bin/sh\necho > "+begun+"\nread x < "+wait+"\n")
			text := string(read(t, b.Config))
			write(t, b.Config, text+"  - name: other\n    restart: [/bin/false]\n")
			w := b.watch(t)
			read(t, begun) // the restart is under way
			w.signal(syscall.SIGTERM)
			w.hears("STOPPING=1")
			if signals == 2 {
				w.signal(syscall.SIGTERM)
				w.awaitStep("restart/service/jalien", "failed")
				w.ends(0)
				b.mustRestarts(0)
				return
			}
			f, err := os.OpenFile(wait, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(f)
			f.Close()
			w.awaitStep("restart/service/jalien", "done")
			w.awaitMessage("stopped")
			w.ends(0)
			b.mustRestarts(1)
			if i := slices.IndexFunc(w.log, func(l line) bool { return l.Step == "restart/service/other" && l.Result != "skipped" }); i >= 0 {
				t.Errorf("a step was begun after the signal: %+v", w.log[i])
			}
		})
	}
}

// A failed renewal is not asked for again because of what the same pass has written.
func TestWatchAsksOnce(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{NotStored: true}).quick()
	w := b.watch(t, "--log-level", "debug")
	w.awaitStep("renew/machine-proxy", "done")
	w.awaitStep("renew/proxy/lcgadmin", "failed")
	w.await("the machine proxy", func(l line) bool { return slices.Contains(l.Paths, b.machineProxy()) })
	w.hears("next look")
	w.hears("next look") // after it has seen what it has written
	w.signal(syscall.SIGTERM)
	w.ends(0)
	close(w.lines)
	for l := range w.lines {
		w.log = append(w.log, l)
	}
	var paths []string
	for _, l := range w.log {
		if l.Message == "woken" {
			paths = l.Paths
		}
		if l.Step == "renew/proxy/lcgadmin" && len(paths) > 0 && !slices.Contains(paths, b.Config) { // which the test has just written
			t.Errorf("it was asked again because %q changed: %+v", paths, l)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	for _, args := range [][]string{{"--dry-run"}, {"--at", "2026-12-24"}, {"--force", "lcgadmin"}, {"-o", "json"}, {"--only", "nobody"}} {
		r := b.must(exitUsage, append([]string{"--watch"}, args...)...)
		if r.stderr == "" || r.stdout != "" {
			t.Errorf("%q: %q, %q", args, r.stdout, r.stderr)
		}
	}
	b.edit(b.Config, "version: 1", "version: 2")
	if r := b.must(exitConfig, "--watch"); !strings.Contains(r.stderr, b.Config+":2:10: version") {
		t.Errorf("standard error: %s", r.stderr)
	}
	if _, err := os.Stat(b.state()); err == nil {
		t.Error("something was done")
	}
}

// residentOf is a resident without a process, whose log is in the buffer.
func residentOf(now func() time.Time) (*resident, *bytes.Buffer) {
	var log bytes.Buffer
	r := &resident{app: &app{world: world{now: now}, config: "/etc/vobox-reconcile/config.yaml"}, log: zerolog.New(&log), told: map[string]told{}, watcher: watch.New(), cfg: &config.Config{}}
	r.manager = &manager{log: r.log}
	return r, &log
}

// An alert is logged when it comes, once a day, and when it is gone.
func TestWatchTellsAlertsOnce(t *testing.T) {
	now := start
	r, log := residentOf(func() time.Time { return now })
	low := plan.Alert{ID: "PROXY-LOW", Severity: plan.Critical, Subject: "lcgadmin", Message: "it ends soon", Remedy: "renew it"}
	t12 := plan.Alert{ID: "MP-T12", Severity: plan.Warning, Subject: "lcgadmin", Message: "12h were granted"}
	worse := t12
	worse.Severity = plan.Critical
	for _, tt := range []struct {
		after  time.Duration
		alerts []plan.Alert
		want   []string
	}{
		{0, []plan.Alert{low, t12}, []string{"error it ends soon", "warn 12h were granted"}},
		{time.Hour, []plan.Alert{t12, low}, nil},
		{time.Hour, []plan.Alert{worse, low}, []string{"error 12h were granted"}},
		{23 * time.Hour, []plan.Alert{worse, low}, []string{"error it ends soon"}},
		{time.Minute, []plan.Alert{low}, []string{"info is well again"}},
		{time.Minute, nil, []string{"info is well again"}},
		{time.Minute, []plan.Alert{t12}, []string{"warn 12h were granted"}},
	} {
		now = now.Add(tt.after)
		log.Reset()
		r.tellAlerts(tt.alerts, now)
		var got []string
		for l := range strings.Lines(log.String()) {
			var e line
			if err := json.Unmarshal([]byte(l), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Level+" "+e.Message)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: logged %q, want %q", now.Sub(start), got, tt.want)
		}
	}
}

// Another program that undoes what every pass does slows the watch down, and is told about, until it gives in.
func TestWatchDoesNotFight(t *testing.T) {
	now := start
	r, log := residentOf(func() time.Time { return now })
	wake := watch.Wake{Cause: watch.Changed, Paths: []string{"/home/alicesgm/CE.env"}}
	did := &reconcile.Report{Outcomes: []reconcile.Outcome{{Result: reconcile.Done}}}
	for range 20 {
		r.peace(watch.Wake{Cause: watch.Changed, Paths: []string{r.config}}, did) // somebody tries things out
		r.peace(watch.Wake{Cause: watch.Due}, did)
		r.peace(wake, &reconcile.Report{})
	}
	if r.watcher.Quiet != 0 || log.Len() != 0 {
		t.Fatalf("it took for a fight what is none: %s", log)
	}
	for range fightRounds {
		now = now.Add(time.Second)
		r.peace(wake, did)
	}
	if r.watcher.Quiet != fightQuiet || !strings.Contains(log.String(), `"alert":"FIGHT"`) || !strings.Contains(log.String(), "CE.env changed 5 times") {
		t.Errorf("quiet time %v, log %s", r.watcher.Quiet, log)
	}
	if s := r.status(now); !strings.Contains(s, "1 alert, FIGHT /home/alicesgm/CE.env: ") {
		t.Errorf("status: %s", s)
	}
	now = now.Add(fightTime + time.Second)
	r.peace(watch.Wake{Cause: watch.Due}, &reconcile.Report{})
	if r.watcher.Quiet != 0 || !strings.Contains(log.String(), "is well again") {
		t.Errorf("quiet time %v, log %s", r.watcher.Quiet, log)
	}
}

// A pass that falls over is told about and tried again, less and less often.
func TestWatchSurvivesAPanic(t *testing.T) {
	r, log := residentOf(func() time.Time { return start })
	r.schedule.Jitter = func(time.Duration) time.Duration { return 0 }
	r.cfg = nil // of which a pass makes use
	r.config = filepath.Join(t.TempDir(), "config.yaml")
	r.getenv = os.Getenv
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		if got := r.round(t.Context(), watch.Wake{}).Sub(start); got != want {
			t.Errorf("tried again in %v, want in %v", got, want)
		}
	}
	if !strings.Contains(log.String(), "the pass fell over") {
		t.Errorf("log: %s", log)
	}
}

type falling struct{}

func (falling) Issue(context.Context, plan.Credential, issue.Authority) (*issue.Issued, error) {
	panic("no")
}
func (falling) Restart(context.Context, service.Command) error { panic("no") }

// Should a plan name a moment that is over, again and again, passes do not follow each other without a pause.
func TestWatchDoesNotSpin(t *testing.T) {
	r, _ := residentOf(func() time.Time { return start })
	r.schedule.Jitter = func(time.Duration) time.Duration { return 0 }
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60, 60} {
		if got := r.after(watch.Wake{Cause: watch.Due}, &reconcile.Report{NextLook: start}).Sub(start); got != want*time.Second {
			t.Errorf("pause %d is %v, want %ds", i+1, got, want)
		}
	}
	if d := r.after(watch.Wake{Cause: watch.Changed}, &reconcile.Report{NextLook: start}).Sub(start); d != time.Second {
		t.Errorf("after a change the pause is %v", d)
	}
}

// A step that falls over has failed. One that has begun does not see that the loop is told to stop, but its deadline.
func TestPatientSteps(t *testing.T) {
	if _, err := (patientIssuer{falling{}, t.Context()}).Issue(t.Context(), plan.Credential{}, issue.Authority{}); err == nil || !strings.Contains(err.Error(), "an error in this program: no") {
		t.Errorf("issuing: %v", err)
	}
	if err := (patientServices{falling{}, t.Context()}).Restart(t.Context(), service.Command{}); err == nil || !strings.Contains(err.Error(), "an error in this program: no") {
		t.Errorf("restarting: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	timed, cancelTimed := context.WithDeadline(stopped, start.AddDate(100, 0, 0))
	defer cancelTimed()
	life, giveUp := context.WithCancel(t.Context())
	inHand, done := toTheEnd(timed, life)
	defer done()
	cancel()
	if err := inHand.Err(); err != nil {
		t.Errorf("the step in hand was cut off: %v", err)
	}
	if d, ok := inHand.Deadline(); !ok || !d.Equal(start.AddDate(100, 0, 0)) {
		t.Errorf("its deadline is %v", d)
	}
	if err := (patientServices{falling{}, life}).Restart(stopped, service.Command{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a step was begun: %v", err)
	}
	giveUp()
	if inHand.Err() == nil {
		t.Error("the step in hand was not given up")
	}
}

// Everything that a configuration refers to is watched.
func TestReferred(t *testing.T) {
	cfg, err := config.Load("../../examples/reference.yaml", exampleEnv())
	if err != nil {
		t.Fatal(err)
	}
	got := referred("/etc/vobox-reconcile/config.yaml", cfg, cfg.Desired(), "/tmp/x509up_u1000")
	for _, want := range []string{
		"/etc/vobox-reconcile/config.yaml", "/etc/vobox-reconcile/conf.d/*.yaml",
		"/etc/grid-security/certificates", "/etc/grid-security/vomsdir", "/etc/grid-security/vomsdir/alice", "/etc/vomses",
		"/etc/grid-security/hostcert.pem", "/etc/grid-security/hostkey.pem", "/etc/grid-security/robotcert.pem", "/etc/grid-security/robotkey.pem",
		"/var/lib/vobox/alice/renewal-proxy.pem", "/var/lib/vobox/alice/proxy_repository/*lcgadmin",
		"/home/alicesgm/.globus/user-proxy.pem", "/home/alicesgm/.alien/config/CE.env", "/home/alicesgm/.alien/config/ml.env", "/tmp/x509up_u1000",
		registrationFiles(cfg),
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not watched; these are: %q", want, got)
		}
	}
	if i := slices.IndexFunc(got, func(p string) bool {
		return strings.HasPrefix(p, cfg.State) && p != registrationFiles(cfg)
	}); i >= 0 {
		t.Errorf("%s is watched, which every pass writes", got[i])
	}
}

// exampleEnv is a box on which the examples make sense.
func exampleEnv() config.Env {
	return config.Env{
		Getenv:     func(name string) string { return map[string]string{"HOME": "/root"}[name] },
		LookupUser: func(name string) (int, int, string, error) { return 1000, 1000, "/home/" + name, nil },
		Readable:   func(string) bool { return true },
		UID:        os.Getuid(),
		Stat:       func(*os.File) (int, int, fs.FileMode, error) { return os.Getuid(), os.Getgid(), 0o644, nil },
	}
}

// systemd understands the units of the examples, and finds the resident's sandbox tight.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	var names []string
	for _, kind := range []string{"service", "timer"} {
		found, err := filepath.Glob("../../examples/*." + kind)
		if err != nil || len(found) == 0 {
			t.Fatalf("%ss: %q, %v", kind, found, err)
		}
		names = append(names, found...)
	}
	dir := t.TempDir()
	for _, name := range names {
		unit := strings.NewReplacer("/usr/local/bin/vobox-reconcile", program(t), "/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", "/bin/true").Replace(string(read(t, name)))
		write(t, filepath.Join(dir, filepath.Base(name)), unit)
	}
	for _, name := range names {
		path := filepath.Join(dir, filepath.Base(name))
		if out, err := exec.Command(analyze, "verify", path).CombinedOutput(); err != nil || strings.Contains(string(out), dir) {
			t.Errorf("verify: %v\n%s", err, out)
		}
	}
	watching := filepath.Join(dir, "vobox-reconcile-watch.service")
	out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=25", watching).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd-analyze cannot look at a file")
	}
	if err != nil || !strings.Contains(string(out), "Overall exposure level") {
		t.Errorf("security: %v\n%s", err, out)
	}
}
