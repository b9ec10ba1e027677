package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify/mailtest"
)

// Root tells as the account: its command runs as the account, the memory is the account's, and a link that the account plants
// leads nowhere.
func TestAlertsForAnAccount(t *testing.T) {
	a := someAccount(t)
	b := ownedBox(t, a)
	dir := filepath.Dir(b.RestartLog)
	b.alerting("command: [/bin/sh, -c, 'id -u > " + dir + "/told; cat >> " + dir + "/told; env >> " + dir + "/told']")
	b.process().mustBe(t, 0)
	lines := strings.Split(string(read(t, dir+"/told")), "\n")
	if lines[0] != strconv.Itoa(a.uid) || !strings.Contains(lines[1], `"id":"MP-T12"`) || !slices.Contains(lines, "VOBOX_RECONCILE_SEVERITY=warning") || !slices.Contains(lines, "USER="+a.name) {
		t.Errorf("the command was %q", lines)
	}
	memory := filepath.Join(b.state(), memoryFile)
	if uid, gid, mode := owner(t, memory); uid != a.uid || gid != a.gid || mode != 0o600 {
		t.Errorf("the memory is %v of %d:%d", mode, uid, gid)
	}
	outside := filepath.Join(b.Dir, "outside")
	if err := os.WriteFile(outside, []byte(`{"version":1,"secret":"of-root"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, plant := range []func() error{
		func() error { return os.Symlink(outside, memory) },
		func() error { return os.Link(outside, memory) },
	} {
		if err := os.Remove(memory); err != nil {
			t.Fatal(err)
		}
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(memory, 0, 0); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, outside)
		r := b.process()
		r.mustBe(t, 0)
		if !strings.Contains(r.stderr, "it is not known which alerts were told") || strings.Contains(string(read(t, memory)), "of-root") {
			t.Errorf("stderr %q, memory %s", r.stderr, read(t, memory))
		}
		if after := snapshot(t, outside); strings.Split(after, "links=")[0] != strings.Split(before, "links=")[0] || !strings.Contains(after, "of-root") {
			t.Errorf("what is outside was %s and is %s", before, after)
		}
	}
}

// The real program tells a real mail server, with STARTTLS, a certificate that it verifies by the system's anchors, and a login.
func TestAlertsToExim(t *testing.T) {
	site := mailtest.NewSite(t)
	server := mailtest.NewExim(t, mailtest.EximOptions{Site: site, User: "vobox", Password: "s3cret word"})
	b := newBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour}).withMachineProxy()
	b.env["SSL_CERT_FILE"], b.env["SSL_CERT_DIR"] = site.CAFile, "/nonexistent"
	password := filepath.Join(b.Dir, "smtp-password")
	if err := os.WriteFile(password, []byte("s3cret word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.alerting("email: {to: [admin@example.org, site@example.org], from: alicesgm@vobox.example.org, smtp: '" + server.Addr + "', tls: starttls, username: vobox, passwordFile: " + password + "}")
	r := b.process("--log-level", "debug")
	r.mustBe(t, 0)
	test := b.process("alerts", "--test")
	test.mustBe(t, 0)
	if !strings.HasPrefix(test.stdout, "ok     email to admin@example.org, site@example.org via localhost:") {
		t.Errorf("the test says %q", test.stdout)
	}
	mails := server.Mails(t)
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2; the log:\n%s", len(mails), r.stderr)
	}
	m := mails[0].Parse(t)
	if s := m.Header.Get("Subject"); s != "["+thisHost()+"] warning: MP-T12 lcgadmin" || !strings.Contains(m.Header.Get("Received"), "esmtpsa") || len(mails[0].To) != 2 {
		t.Errorf("subject %q, received %q, to %q", s, m.Header.Get("Received"), mails[0].To)
	}
	if strings.Contains(r.stdout+r.stderr+test.stdout+test.stderr, "s3cret") || strings.Contains(string(read(t, filepath.Join(b.state(), memoryFile))), "s3cret") {
		t.Error("the password turns up")
	}
}

// Watch mode tells as cron's passes do, and what it finds out itself: a configuration with faults, once, and that it is mended.
func TestWatchTellsPeople(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour}).quick().withMachineProxy()
	hook := newListener(t)
	b.alerting("webhook: {url: '" + hook.URL + "'}")
	w := b.watch(t)
	next := func(want string) toldMessage {
		t.Helper()
		select {
		case m := <-hook.came:
			if m.brief() != want {
				t.Fatalf("told %q, want %q", m.brief(), want)
			}
			return m
		case <-time.After(late):
			t.Fatalf("nobody is told %q; the log:\n%+v", want, w.log)
		}
		return toldMessage{}
	}
	next("MP-T12 lcgadmin warning open")
	good := string(read(t, b.Config))
	broken := strings.Replace(good, "attributes: ", "atributes: ", 1)
	write(t, b.Config, broken)
	m := next("CONFIG " + b.Config + " critical open")
	if !strings.Contains(m.Alerts[0].Message, b.Config+":"+at(broken, "atributes")+": ") || m.Alerts[0].Where != "VO-Box" {
		t.Errorf("told %+v", m.Alerts[0])
	}
	write(t, b.Config, good)
	next("CONFIG " + b.Config + " critical ended")
	w.awaitMessage("good again")
	b.must(0) // cron's pass knows what was told
	select {
	case m := <-hook.came:
		t.Errorf("a pass beside it told %q", m.brief())
	default:
	}
}

// When no pass can be made any more, people are told, although nothing can be kept of that: once while the program runs, and
// that it is well again.
func TestWatchTellsThatNoPassCanBeMade(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).quick().withMachineProxy()
	b.must(0)
	hook := newListener(t)
	b.alerting("webhook: {url: '" + hook.URL + "'}")
	good := b.state() + ".good"
	if err := os.Rename(b.state(), good); err != nil {
		t.Fatal(err)
	}
	write(t, b.Root+"/file", "")
	if err := os.Symlink(b.Root+"/file", b.state()); err != nil {
		t.Fatal(err)
	}
	w := b.watch(t)
	told := func(want string) {
		t.Helper()
		select {
		case m := <-hook.came:
			if m.brief() != want {
				t.Fatalf("told %q, want %q", m.brief(), want)
			}
		case <-time.After(late):
			t.Fatalf("nobody is told %q; the log:\n%+v", want, w.log)
		}
	}
	told("PASS " + b.Config + " critical open")
	w.signal(syscall.SIGHUP) // another pass that cannot be made
	w.awaitMessage("the configuration is in force")
	w.awaitMessage("the pass could not be made")
	w.awaitMessage("which alerts were told is not on record")
	if err := os.Remove(b.state()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(good, b.state()); err != nil {
		t.Fatal(err)
	}
	w.signal(syscall.SIGHUP)
	told("PASS " + b.Config + " critical ended")
	if len(hook.came) > 0 {
		t.Errorf("told %q as well", (<-hook.came).brief())
	}
}
