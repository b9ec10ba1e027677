package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify/mailtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A listener is a webhook that keeps what it is told.
type listener struct {
	*httptest.Server
	mu   sync.Mutex
	told []toldMessage
	came chan toldMessage
}

// A toldMessage is what a webhook is sent.
type toldMessage struct {
	Severity, Title, Text, Host, VO string
	Test                            bool
	Alerts                          []struct{ ID, Severity, Subject, Message, Remedy, Where, State string }
}

// brief is a message in short: "MP-T12 lcgadmin warning open".
func (m toldMessage) brief() string {
	var out []string
	for _, a := range m.Alerts {
		out = append(out, a.ID+" "+a.Subject+" "+a.Severity+" "+a.State)
	}
	return strings.Join(out, ", ")
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{came: make(chan toldMessage, 100)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var m toldMessage
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil {
			t.Errorf("the webhook was sent %q: %v", data, err)
		}
		l.mu.Lock()
		l.told = append(l.told, m)
		l.mu.Unlock()
		l.came <- m
	}))
	t.Cleanup(l.Close)
	return l
}

// all is everything that it was told since it was last asked.
func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, m := range l.told {
		out = append(out, m.brief())
	}
	l.told = nil
	return out
}

// alerting adds channels to the configuration.
func (b *box) alerting(channels ...string) *box {
	b.t.Helper()
	config := string(read(b.t, b.Config)) + "alerts:\n"
	for _, c := range channels {
		config += "  - " + c + "\n"
	}
	write(b.t, b.Config, config)
	return b
}

// patient runs the command with so much patience for each channel.
func (b *box) patient(patience time.Duration, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, world{
		getenv: func(name string) string { return b.env[name] }, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, now: b.now, patience: patience,
	})
	return result{code, stdout.String(), stderr.String()}
}

// movedBox is a box whose time the test moves.
func movedBox(t *testing.T, o gridtest.SiteOptions) (*box, func(time.Duration)) {
	t.Helper()
	var mu sync.Mutex
	now := start
	o.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	return newBox(t, o).withMachineProxy(), func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
}

// Hourly passes, as of cron: what is told, by which channel, over the days of a stored credential with -t 12, a server that
// refuses for some hours, and its mending.
func TestAlertsOverDays(t *testing.T) {
	b, pass := movedBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	server, hook := mailtest.NewFake(t, nil), newListener(t)
	b.alerting("email: {to: admin@example.org, from: alicesgm@vobox.example.org, smtp: '"+server.Addr+"'}", "webhook: {url: '"+hook.URL+"'}\n    atMostEvery: 6h")
	mails := 0
	expect := func(what string, mail string, posts ...string) {
		t.Helper()
		got := server.Mails()[mails:]
		mails += len(got)
		var subjects []string
		for _, m := range got {
			subjects = append(subjects, strings.TrimPrefix(m.Parse(t).Header.Get("Subject"), "["+thisHost()+"] "))
		}
		if s := strings.Join(subjects, "; "); s != mail {
			t.Errorf("%s: mails %q, want %q", what, s, mail)
		}
		if told := hook.all(); !slices.Equal(told, posts) {
			t.Errorf("%s: the webhook was told %q, want %q", what, told, posts)
		}
	}
	b.must(0)
	expect("first pass", "warning: MP-T12 lcgadmin", "MP-T12 lcgadmin warning open")
	first := server.Mails()[0].Parse(t)
	text, err := io.ReadAll(first.Body)
	if err != nil || !strings.Contains(string(text), "    LCG-UI> myproxy-init -s localhost -p ") || !strings.Contains(string(text), ", for alice, 2026-11-21 23:00 UTC\n") {
		t.Errorf("the mail says %q, %v", text, err)
	}
	pass(5 * time.Hour)
	b.must(0)
	expect("five hours", "")
	pass(time.Hour)
	b.must(0)
	expect("six hours", "", "MP-T12 lcgadmin warning open")

	b.AllowBox(false)
	pass(time.Hour)
	b.must(1)
	expect("refused", "warning: MP-PASS lcgadmin", "MP-PASS lcgadmin warning open")
	pass(time.Hour)
	b.must(1)
	expect("still refused", "")
	b.AllowBox(true)
	if err := b.Store(3000*time.Hour, 48*time.Hour); err != nil {
		t.Fatal(err)
	}
	pass(time.Hour)
	b.must(0)
	expect("mended", "well again: MP-T12 lcgadmin, and 1 more", "MP-T12 lcgadmin warning ended, MP-PASS lcgadmin warning ended")
	pass(25 * time.Hour)
	b.must(0)
	expect("a day without", "")
	if _, err := os.Stat(filepath.Join(b.state(), memoryFile)); err != nil {
		t.Error(err)
	}
}

// A mail server that accepts connections and is never heard of again holds up the pass for as long as its timeout, and no other
// channel; the pass is as good as ever; what was not told is told by the next pass; and that it was not is said once, by the log,
// and after an hour by the channels that work.
func TestBlackHole(t *testing.T) {
	b, pass := movedBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	server, hook := mailtest.NewFake(t, nil), newListener(t)
	server.Misbehave(mailtest.Silent)
	b.alerting("email: {to: admin@example.org, smtp: '"+server.Addr+"'}", "webhook: {url: '"+hook.URL+"'}")
	const patience = 5 * time.Second
	begin := time.Now()
	r := b.patient(patience)
	r.mustBe(t, 0)
	if took := time.Since(begin); took > 3*time.Minute { // which is far more than the pass and its five seconds, on a busy machine
		t.Errorf("the pass took %v", took)
	}
	if told := hook.all(); !slices.Equal(told, []string{"MP-T12 lcgadmin warning open"}) {
		t.Errorf("the webhook was told %q", told)
	}
	for _, want := range []string{"WRN", "email to admin@example.org via " + server.Addr, "no end within 5s", "firewalls often stop mail"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the log lacks %q: %s", want, r.stderr)
		}
	}
	list := b.must(0, "alerts")
	for _, want := range []string{"MP-T12 lcgadmin: ", "email: not told yet", "webhook: told ", "not reached since ", "no end within 5s"} {
		if !strings.Contains(list.stdout, want) {
			t.Errorf("the list lacks %q:\n%s", want, list.stdout)
		}
	}
	pass(59 * time.Minute)
	if r := b.patient(100*time.Millisecond, "--only", "jalien"); r.code != 0 || r.stdout != "" || r.stderr != "" || len(hook.all()) > 0 {
		t.Errorf("the second time: %+v", r)
	}
	pass(time.Minute)
	b.patient(patience).mustBe(t, 0)
	if told, want := hook.all(), []string{"ALERT email to admin@example.org via " + server.Addr + " warning open"}; !slices.Equal(told, want) {
		t.Errorf("after an hour the webhook was told %q, want %q", told, want)
	}
	server.Misbehave(mailtest.None)
	if r := b.patient(time.Minute); r.code != 0 || r.stdout+r.stderr != "" || len(hook.all()) != 0 {
		t.Errorf("when it works: %+v", r)
	}
	if mails := server.Mails(); len(mails) != 1 || !strings.Contains(string(mails[0].Data), "ALERT") || !strings.Contains(string(mails[0].Data), "MP-T12") {
		t.Errorf("%d mails: %+v", len(mails), mails)
	}
	b.patient(time.Minute).mustBe(t, 0)
	if told, want := hook.all(), []string{"ALERT email to admin@example.org via " + server.Addr + " warning ended"}; !slices.Equal(told, want) {
		t.Errorf("in the end the webhook was told %q, want %q", told, want)
	}
	if mails := server.Mails(); len(mails) != 2 || !strings.Contains(mails[1].Parse(t).Header.Get("Subject"), "well again: ALERT") {
		t.Errorf("%d mails", len(mails))
	}
}

// Who only looks tells nobody, and leaves no trace.
func TestLookingTellsNobody(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour}).withMachineProxy()
	hook := newListener(t)
	b.must(0)
	b.alerting("webhook: {url: '" + hook.URL + "'}")
	before := snapshot(t, b.Dir)
	for _, args := range [][]string{{"--dry-run"}, {"--dry-run", "--force", "lcgadmin"}, {"status"}, {"alerts"}, {"alerts", "-ojson"}} {
		if r := b.run(args...); r.code > 2 {
			t.Errorf("%q: exit code %d: %s", args, r.code, r.stderr)
		}
	}
	unchanged(t, "looking", before, snapshot(t, b.Dir))
	if told := hook.all(); len(told) > 0 {
		t.Errorf("told %q", told)
	}
	b.must(0)
	if told := hook.all(); len(told) != 1 {
		t.Errorf("a pass told %q", told)
	}
}

// A box in order has no memory of alerts, and a pass on it writes nothing.
func TestNothingToTell(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).withMachineProxy()
	hook := newListener(t)
	b.alerting("webhook: {url: '" + hook.URL + "'}")
	b.must(0)
	b.must(0)
	if _, err := os.Stat(filepath.Join(b.state(), memoryFile)); !os.IsNotExist(err) || len(hook.all()) > 0 {
		t.Errorf("there is something to remember: %v", err)
	}
	if r := b.must(0, "alerts"); r.stdout != "= no alert is open\nwebhook  "+strings.TrimPrefix(hook.URL, "http://")+"\n" {
		t.Errorf("the list is %q", r.stdout)
	}
}

// alerts --test sends a sample through every channel and says what became of each.
func TestAlertsTest(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	server, hook := mailtest.NewFake(t, nil), newListener(t)
	out := filepath.Join(b.Dir, "told.json")
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)

	r := b.must(1, "alerts", "--test")
	if !strings.Contains(r.stderr, "there is no channel to test: write alerts: in "+b.Config) {
		t.Errorf("without channels: %q", r.stderr)
	}
	b.alerting("email: {to: admin@example.org, smtp: '"+server.Addr+"'}", "webhook: {url: '"+hook.URL+"'}", "command: [/bin/sh, -c, 'cat > "+out+"']",
		"webhook: {url: '"+gone.URL+"/secret-path'}")
	before := snapshot(t, b.Root)
	r = b.must(1, "alerts", "--test")
	unchanged(t, "the test", before, snapshot(t, b.Root))
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for i, want := range []string{"ok     email to admin@example.org via " + server.Addr + ", in ", "ok     webhook " + strings.TrimPrefix(hook.URL, "http://") + ", in ",
		"ok     command /bin/sh, in ", "error  webhook " + strings.TrimPrefix(gone.URL, "http://"), "    the answer was 404 Not Found", "    VO-Box> correct alerts[].webhook.url"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d does not begin with %q:\n%s", i, want, r.stdout)
		}
	}
	if strings.Contains(r.stdout+r.stderr, "secret-path") {
		t.Errorf("the path of a webhook is shown:\n%s", r.stdout)
	}
	var sample toldMessage
	if err := json.Unmarshal(read(t, out), &sample); err != nil || !sample.Test || sample.VO != "alice" || sample.Host != thisHost() {
		t.Errorf("the command was told %+v, %v", sample, err)
	}
	if mails := server.Mails(); len(mails) != 1 || !strings.Contains(mails[0].Parse(t).Header.Get("Subject"), "test") {
		t.Errorf("mails %+v", mails)
	}

	var docs []testDoc
	if err := json.Unmarshal([]byte(b.must(1, "alerts", "--test", "-ojson").stdout), &docs); err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, d := range docs {
		labels = append(labels, fmt.Sprintf("%s %t", d.Channel, d.OK))
		if d.OK == (d.Error != "") || d.OK == (d.Remedy != "") || d.OK == (d.Where != "") {
			t.Errorf("%+v", d)
		}
	}
	if want := []string{"email true", "webhook-1 true", "command true", "webhook-2 false"}; !slices.Equal(labels, want) {
		t.Errorf("channels %q, want %q", labels, want)
	}
	for args, code := range map[string]int{"email": 0, "webhook": 1, "webhook-1": 0, "webhook-2": 1, "pager": 64} {
		r := b.must(code, "alerts", "--test", "--only", args)
		if code == 64 && !strings.Contains(r.stderr, "there are email, webhook-1, command, webhook-2") {
			t.Errorf("--only %s: %s", args, r.stderr)
		}
	}
	b.must(64, "alerts", "--only", "email")
	if r := b.must(0, "__complete", "alerts", "--only", ""); !strings.HasPrefix(r.stdout, "email\temail to admin@example.org via ") || !strings.Contains(r.stdout, "\nwebhook-2\t") {
		t.Errorf("completion: %q", r.stdout)
	}
	b.must(64, "alerts", "now")
	golden(t, "help-alerts.txt", b.must(0, "alerts", "--help").stdout)
}

// The list has what is open now, whether the last pass has seen it or not, and what only the last pass could find out.
func TestAlertsList(t *testing.T) {
	b, pass := movedBox(t, gridtest.SiteOptions{})
	hook := newListener(t)
	b.alerting("webhook: {url: '"+hook.URL+"'}", "webhook: {url: '"+hook.URL+"/other'}")
	b.must(0)
	pass(3 * time.Hour)
	b.AllowBox(false)
	b.must(1)
	pass(44*time.Hour + 30*time.Minute) // nobody has made a pass since
	var doc alertsDoc
	if err := json.Unmarshal([]byte(b.must(0, "alerts", "-ojson").stdout), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range doc.Alerts {
		s := a.ID + " " + string(a.Severity)
		for _, told := range a.Told {
			if told.At != nil {
				s += " " + told.Channel + " " + told.At.Format("15:04") + " " + told.Next.Format("02 15:04")
			}
		}
		got = append(got, s)
	}
	want := []string{"HOST-PROXY critical", "PROXY-LOW critical", "MP-PASS warning webhook-1 02:00 23 02:00 webhook-2 02:00 23 02:00"}
	if !slices.Equal(got, want) || len(doc.Channels) != 2 || doc.Channels[0].AtMostEvery != "24h" {
		t.Errorf("alerts %q, want %q; channels %+v", got, want, doc.Channels)
	}
	text := b.must(0, "alerts").stdout
	for _, want := range []string{"! PROXY-LOW lcgadmin: ", "    VO-Box> vobox-reconcile --force lcgadmin", "    seen now; the next pass tells it", "    since 2026-11-22 02:00 UTC, for 44h30m",
		"    webhook-2: told 2026-11-22 02:00 UTC, again from 2026-11-23 02:00 UTC", "webhook-1  127.0.0.1:"} {
		if !strings.Contains(text, want) {
			t.Errorf("the list lacks %q:\n%s", want, text)
		}
	}

	// What is in the file is the account's, and shown as such.
	data := strings.ReplaceAll(string(read(t, filepath.Join(b.state(), memoryFile))), "the server does not accept", `\u001b[2J\u202e\nMP-NET lcgadmin`)
	write(t, filepath.Join(b.state(), memoryFile), data)
	plainLines(t, b.must(0, "alerts").stdout)
	write(t, filepath.Join(b.state(), memoryFile), "{")
	if r := b.must(0, "alerts"); !strings.Contains(r.stderr, "it is not known what was told: reading "+b.state()) || !strings.Contains(r.stdout, "PROXY-LOW") {
		t.Errorf("with a broken memory: %+v", r)
	}
	if r := b.run(); !strings.Contains(r.stderr, "it is not known which alerts were told, going on without") {
		t.Errorf("a pass with a broken memory: %+v", r)
	}
	if r := b.run(); strings.Contains(r.stderr, "it is not known") {
		t.Errorf("the memory is still broken: %+v", r)
	}
}

// Which alerts that a pass does not give have ended.
func TestEndedBy(t *testing.T) {
	want := plan.Desired{Services: []plan.Service{{Name: "jalien"}}, Credentials: []plan.Credential{{Name: "rests"}, {Name: "renewed"}}}
	report := &reconcile.Report{Outcomes: []reconcile.Outcome{
		{Step: plan.Step{Target: "failed"}, Result: reconcile.Failed}, {Step: plan.Step{Target: "skipped"}, Result: reconcile.Skipped},
		{Step: plan.Step{Target: "waits"}, Result: reconcile.Deferred}, {Step: plan.Step{Target: "done"}, Result: reconcile.Done},
		{Step: plan.Step{Target: "renewed", Action: plan.Renew}, Result: reconcile.Done}}}
	for _, tt := range []struct {
		id, subject string
		o           plan.Options
		resident    bool
		want        bool
		attempt     bool
	}{
		{id: "MP-PASS", subject: "rests", attempt: true}, // it was forced, or is put right by hand
		{id: "MP-T12", subject: "rests", want: true},
		{id: "MP-PASS", subject: "renewed", attempt: true, want: true},
		{id: "MP-PASS", subject: "not configured any more", attempt: true, want: true},
		{id: "MP-NET", subject: "done", want: true},
		{id: "MP-NET", subject: "not in the plan", want: true},
		{id: "MP-NET", subject: "failed"},
		{id: "MP-NET", subject: "skipped"},
		{id: "SVC-VERIFY", subject: "waits"},
		{id: "MP-NET", subject: "done", o: plan.Options{Only: []string{"other"}}},
		{id: "MP-NET", subject: "done", o: plan.Options{Only: []string{"other"}, Force: []string{"done"}}, want: true},
		{id: "SVC-VERIFY", subject: "jalien", o: plan.Options{NoRestart: true}},
		{id: "MP-NET", subject: "done", o: plan.Options{NoRestart: true}, want: true},
		{id: alertConfig, subject: "/etc/config.yaml", o: plan.Options{Only: []string{"other"}}, resident: true, want: true},
		{id: alertFight, subject: "/etc/x", resident: true, want: true},
		{id: alertFight, subject: "/etc/x"},
		{id: alertListen, subject: "localhost:9555", o: plan.Options{Only: []string{"other"}}, resident: true, want: true},
		{id: alertListen, subject: "localhost:9555"},
		{id: alertPass, subject: "alice", o: plan.Options{Only: []string{"other"}}, want: true},
	} {
		if got := endedBy(want, report, tt.o, tt.resident)(notify.Record{ID: tt.id, Subject: tt.subject, Attempt: tt.attempt}); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

// A pass that leaves something out takes nothing back that it did not look at.
func TestNarrowPassesTakeNothingBack(t *testing.T) {
	b, pass := movedBox(t, gridtest.SiteOptions{})
	hook := newListener(t)
	b.alerting("webhook: {url: '" + hook.URL + "'}")
	b.must(0)
	b.AllowBox(false)
	pass(3 * time.Hour)
	b.must(1)
	if told := hook.all(); !slices.Equal(told, []string{"MP-PASS lcgadmin warning open"}) {
		t.Fatalf("told %q", told)
	}
	pass(time.Minute)
	b.must(0, "--only", "jalien")
	if told := hook.all(); len(told) > 0 {
		t.Errorf("told %q", told)
	}
	b.AllowBox(true)
	pass(time.Minute)
	b.must(0, "--only", "lcgadmin")
	if told := hook.all(); !slices.Equal(told, []string{"MP-PASS lcgadmin warning ended"}) {
		t.Errorf("told %q", told)
	}
}
