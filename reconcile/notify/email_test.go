package notify_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify/mailtest"
)

var now = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

const remedy = "myproxy-init -s myproxy.cern.ch -d -n -t 48 -c 3000"

// message has an alert that was told yesterday, a new one, and one that is well again.
func message() notify.Message {
	return notify.Message{Host: "vobox.example.org", VO: "alice", Time: now, Every: 24 * time.Hour, Alerts: []notify.Alert{
		{ID: "PROXY-LOW", Severity: notify.Critical, Subject: "lcgadmin", Message: "the user proxy ends in 30m", Remedy: "vobox-reconcile --force lcgadmin",
			Where: "VO-Box", State: notify.Open, Since: now},
		{ID: "MP-T12", Severity: notify.Warning, Subject: "lcgadmin", Message: "12h of the 48h asked were granted: the credential on myproxy.cern.ch:7512 was stored with -t 12",
			Remedy: remedy, Where: "LCG-UI", State: notify.Open, Since: now.Add(-27 * time.Hour), Told: now.Add(-26 * time.Hour)},
		{ID: "HOST-CERT", Severity: notify.Warning, Subject: "machine-proxy", Message: "the host certificate ends soon", Remedy: "ask your CA",
			Where: "site admin", State: notify.Ended, Since: now.Add(-50 * time.Hour)},
	}}
}

func channelTo(server string) *notify.Email {
	return &notify.Email{To: []string{"admin@example.org"}, From: "alicesgm@vobox.example.org", Server: server, TLS: notify.TLSAuto, Read: os.ReadFile, Hello: "vobox.example.org"}
}

// deliver delivers under a deadline that only a fault reaches.
func deliver(t *testing.T, c notify.Channel, m notify.Message) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Deliver(ctx, m)
}

// body decodes a mail's text.
func body(t *testing.T, m *mail.Message) string {
	t.Helper()
	r := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		r = quotedprintable.NewReader(r)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// password writes a file with one.
func password(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a real server delivers is the mail that was meant: STARTTLS with a certificate that is verified, a login, several
// recipients; TLS from the first byte; and a relay without either.
func TestEmailToExim(t *testing.T) {
	site := mailtest.NewSite(t)
	const secret = "s3cret with spaces"
	for _, tt := range []struct {
		name    string
		options mailtest.EximOptions
		set     func(*notify.Email)
		secure  bool
	}{
		{"relay", mailtest.EximOptions{}, func(e *notify.Email) { e.TLS = notify.TLSNone }, false},
		{"relay that offers TLS with a certificate of nobody's", mailtest.EximOptions{Site: site}, func(e *notify.Email) {}, true},
		{"STARTTLS", mailtest.EximOptions{Site: site}, func(e *notify.Email) { e.TLS, e.Roots = notify.TLSStartTLS, site.Pool }, true},
		{"STARTTLS and login", mailtest.EximOptions{Site: site, User: "vobox", Password: secret}, func(e *notify.Email) {
			e.TLS, e.Roots, e.Username, e.PasswordFile = notify.TLSStartTLS, site.Pool, "vobox", password(t, secret+"\n")
		}, true},
		{"TLS from the first byte and login", mailtest.EximOptions{Site: site, Implicit: true, User: "vobox", Password: secret}, func(e *notify.Email) {
			e.TLS, e.Roots, e.Username, e.PasswordFile = notify.TLSImplicit, site.Pool, "vobox", password(t, secret+"\r\nsecond line\n")
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.NewExim(t, tt.options)
			e := channelTo(server.Addr)
			e.To = []string{"admin@example.org", "site@example.org"}
			tt.set(e)
			if err := deliver(t, e, message()); err != nil {
				t.Fatal(err)
			}
			mails := server.Mails(t)
			if len(mails) != 1 {
				t.Fatalf("%d mails, want 1", len(mails))
			}
			got := mails[0]
			slices.Sort(got.To)
			if got.From != e.From || !slices.Equal(got.To, e.To) {
				t.Errorf("the envelope is from %s to %q, want %s and %q", got.From, got.To, e.From, e.To)
			}
			parsed := got.Parse(t)
			if s := parsed.Header.Get("Subject"); s != "[vobox.example.org] critical: PROXY-LOW lcgadmin, and 2 more" {
				t.Errorf("subject %q", s)
			}
			if text := body(t, parsed); text != message().Text() {
				t.Errorf("the text is\n%s\nwant\n%s", text, message().Text())
			}
			received := strings.Join(parsed.Header["Received"], "\n")
			if secure := strings.Contains(received, "TLS"); secure != tt.secure || !strings.Contains(received, "vobox.example.org") {
				t.Errorf("received %q; over TLS %t, want %t", received, secure, tt.secure)
			}
			if tt.options.User != "" && !strings.Contains(received, "esmtpsa") {
				t.Errorf("received %q; want it with a login", received)
			}
		})
	}
}

// What a real server refuses is told with what to do, and without the password.
func TestEximRefuses(t *testing.T) {
	site := mailtest.NewSite(t)
	const secret = "wrong-password"
	for _, tt := range []struct {
		name    string
		options mailtest.EximOptions
		set     func(*notify.Email)
		want    []string // of the message and the remedy
	}{
		{"wrong password", mailtest.EximOptions{Site: site, User: "vobox", Password: "right"}, func(e *notify.Email) {
			e.TLS, e.Roots, e.Username, e.PasswordFile = notify.TLSStartTLS, site.Pool, "vobox", password(t, secret)
		}, []string{"535", "does not let vobox log in"}},
		{"no login", mailtest.EximOptions{Site: site, User: "vobox", Password: "right"}, func(e *notify.Email) {}, []string{"550", "relaying is not permitted", "ask the postmaster of localhost"}},
		{"unknown CA", mailtest.EximOptions{Site: site}, func(e *notify.Email) { e.TLS, e.Roots = notify.TLSStartTLS, x509.NewCertPool() },
			[]string{"certificate signed by unknown authority", "update-ca-certificates"}},
		{"other name", mailtest.EximOptions{Site: site}, func(e *notify.Email) {
			e.TLS, e.Roots = notify.TLSStartTLS, site.Pool
			e.Server = strings.Replace(e.Server, "localhost", "ip6-localhost", 1)
		}, nil},
		{"no STARTTLS", mailtest.EximOptions{}, func(e *notify.Email) { e.TLS, e.Roots = notify.TLSStartTLS, site.Pool }, []string{"does not support STARTTLS", "tls: tls"}},
		{"no TLS", mailtest.EximOptions{}, func(e *notify.Email) { e.TLS, e.Roots = notify.TLSImplicit, site.Pool }, []string{"TLS", "tls: starttls"}},
	} {
		if tt.want == nil {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.NewExim(t, tt.options)
			e := channelTo(server.Addr)
			tt.set(e)
			refused(t, deliver(t, e, message()), secret, tt.want...)
			if mails := server.Mails(t); len(mails) > 0 {
				t.Errorf("and yet there is a mail: %s", mails[0].Data)
			}
		})
	}
}

// refused insists on an error with all these words, with a remedy, and without the secret.
func refused(t *testing.T, err error, secret string, words ...string) {
	t.Helper()
	var e *notify.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v of type %T, want a *notify.Error", err, err)
	}
	if e.Remedy == "" || e.Where == "" || strings.Contains(e.Msg+e.Remedy, "\n") {
		t.Errorf("incomplete, or not one line: %+v", *e)
	}
	for _, w := range words {
		if !strings.Contains(e.Msg+"; "+e.Remedy, w) {
			t.Errorf("%q; %q lacks %q", e.Msg, e.Remedy, w)
		}
	}
	if secret != "" && strings.Contains(fmt.Sprintf("%v %+v %q", err, *e, e.Remedy), secret) {
		t.Errorf("the secret is in %+v", *e)
	}
}

// One address that a real server does not know keeps nobody else from being told.
func TestEximKnowsSome(t *testing.T) {
	server := mailtest.NewExim(t, mailtest.EximOptions{})
	e := channelTo(server.Addr)
	e.To = []string{"nobody-here@example.org", "admin@example.org"}
	d := &notify.Delivery{Channel: e, Message: message()}
	notify.Deliver(t.Context(), time.Minute, []*notify.Delivery{d})
	if !d.Delivered() || d.Err == nil {
		t.Errorf("delivered %t, error %v; want true, and an error", d.Delivered(), d.Err)
	}
	refused(t, d.Err, "", "there is nobody of that name")
	if mails := server.Mails(t); len(mails) != 1 || !slices.Equal(mails[0].To, []string{"admin@example.org"}) {
		t.Errorf("mails %+v", mails)
	}
}

// The head has what mail programs and answering machines go by, and nothing that is not ours.
func TestHead(t *testing.T) {
	server := mailtest.NewFake(t, nil)
	e := channelTo(server.Addr)
	if err := deliver(t, e, message()); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t, e, notify.Sample("vobox", "alice", now)); err != nil {
		t.Fatal(err)
	}
	mails := server.Mails()
	m := mails[0].Parse(t)
	for name, want := range map[string]string{
		"From": "<alicesgm@vobox.example.org>", "To": "<admin@example.org>", "Date": "Sat, 21 Nov 2026 23:00:00 +0000", "Auto-Submitted": "auto-generated",
		"Precedence": "bulk", "X-Auto-Response-Suppress": "All", "Mime-Version": "1.0", "Content-Type": "text/plain; charset=UTF-8",
		"Content-Transfer-Encoding": "8bit", "Importance": "high",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	id := m.Header.Get("Message-Id")
	if !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@vobox.example.org>") || id == mails[1].Parse(t).Header.Get("Message-Id") {
		t.Errorf("Message-Id %q", id)
	}
	sample := mails[1].Parse(t)
	if s := sample.Header.Get("Subject"); !strings.Contains(s, "test") || sample.Header.Get("Importance") != "" {
		t.Errorf("a sample has subject %q, importance %q", s, sample.Header.Get("Importance"))
	}
}

// hostile is what others may have written.
var hostile = []string{
	"lcgadmin\r\nBcc: victim@example.net", "a\nSubject: other", "\r\n.\r\nMAIL FROM:<x@y>\r\n", "\x1b[2J\x07", "a\u2028b\u202ec\u0085d", "=?utf-8?q?=0d=0aBcc:_x?=",
	"\xff\xfe", strings.Repeat("long ", 1000), "…/Grüße", "\n.\n", "--boundary", "From someone\nFrom other", "\x00",
}

// Whatever others have written into an alert: the head has the same lines as ever, the text no line of theirs.
func TestInjection(t *testing.T) {
	server := mailtest.NewFake(t, nil)
	e := channelTo(server.Addr)
	for _, evil := range hostile {
		for _, state := range []notify.State{notify.Open, notify.Ended} {
			m := notify.Message{Host: evil, VO: evil, Time: now, Alerts: []notify.Alert{
				{ID: evil, Severity: notify.Severity(evil), Subject: evil, Message: evil, Remedy: evil, Where: evil, State: state, Since: now}}}
			if err := deliver(t, e, m); err != nil {
				t.Fatalf("%q: %v", evil, err)
			}
		}
	}
	mails := server.Mails()
	if len(mails) != 2*len(hostile) {
		t.Fatalf("%d mails, want %d", len(mails), 2*len(hostile))
	}
	for _, got := range mails {
		checkMail(t, got)
	}
}

// expectedHeads are those of every mail.
var expectedHeads = []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Precedence", "Subject",
	"To", "X-Auto-Response-Suppress", "X-Mailer", "X-Vobox-Severity"}

func checkMail(t *testing.T, got mailtest.Mail) {
	t.Helper()
	if !slices.Equal(got.To, []string{"admin@example.org"}) {
		t.Errorf("it went to %q", got.To)
	}
	m := got.Parse(t)
	for name, values := range m.Header {
		if !slices.Contains(expectedHeads, name) && !slices.Contains([]string{"Importance", "Priority", "X-Priority", "X-Msmail-Priority"}, name) || len(values) != 1 {
			t.Errorf("the head has %s: %q", name, values)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "[") || strings.ContainsAny(subject, "\r\n\x1b\x00") {
		t.Errorf("subject %q, %v", subject, err)
	}
	checkText(t, body(t, m))
}

// checkText insists that every line begins as our lines do, and can be printed.
func checkText(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		ours := line == "" || slices.ContainsFunc([]string{"vobox-reconcile on ", "CRITICAL  ", "WARNING  ", "WELL AGAIN  ", "    ", "  ", "and ", "The whole picture", "What stays", "This is a test"},
			func(p string) bool { return strings.HasPrefix(line, p) })
		if !ours || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u202e' || r == '\u0085' }) {
			t.Errorf("a line of the text is %q", line)
		}
	}
}

// A server that offers TLS and cannot do it is told in clear what is no secret; nobody who asked for TLS, and no password,
// goes that way.
func TestBrokenTLS(t *testing.T) {
	site := mailtest.NewSite(t)
	for _, fault := range []mailtest.Fault{mailtest.TLSRefused, mailtest.TLSGarbage} {
		server := mailtest.NewFake(t, site)
		server.Misbehave(fault)
		if err := deliver(t, channelTo(server.Addr), message()); err != nil || len(server.Mails()) != 1 {
			t.Errorf("%s, auto: %v, %d mails", fault, err, len(server.Mails()))
		}
		e := channelTo(server.Addr)
		e.TLS, e.Roots, e.Username, e.PasswordFile = notify.TLSStartTLS, site.Pool, "vobox", password(t, "s3cret-word")
		refused(t, deliver(t, e, message()), "s3cret-word")
		if len(server.Mails()) != 1 || len(server.Logins()) != 0 {
			t.Errorf("%s, starttls: %d mails, logins %q", fault, len(server.Mails()), server.Logins())
		}
		e.TLS = notify.TLSNone // which the configuration does not let through
		if err := deliver(t, e, message()); err == nil || len(server.Logins()) != 0 {
			t.Errorf("%s, a login without TLS: %v, logins %q", fault, err, server.Logins())
		}
	}
}

func TestServerFaults(t *testing.T) {
	site := mailtest.NewSite(t)
	for _, tt := range []struct {
		fault mailtest.Fault
		words []string
	}{
		{mailtest.Busy, []string{"421", "nothing, if the next pass succeeds"}},
		{mailtest.Garbage, nil},
		{mailtest.Endless, []string{"the server says more"}},
		{mailtest.BadSender, []string{"550", "ask the postmaster of localhost to take mail from alicesgm@vobox.example.org for admin@example.org"}},
		{mailtest.DataRefused, []string{"554", "looks like spam", "ask the postmaster"}},
		{mailtest.DataCut, nil},
		{mailtest.BadLogin, []string{"535", "***"}},
	} {
		server := mailtest.NewFake(t, site)
		server.Misbehave(tt.fault)
		e := channelTo(server.Addr)
		e.TLS, e.Roots, e.Username, e.PasswordFile = notify.TLSStartTLS, site.Pool, "vobox", password(t, "s3cret-word")
		t.Run(string(tt.fault), func(t *testing.T) {
			refused(t, deliver(t, e, message()), "s3cret-word", tt.words...)
			if len(server.Mails()) > 0 {
				t.Errorf("and yet there is a mail")
			}
		})
	}
}

// Whatever a server does not say, the end comes in time, and says so. A goodbye that does not come is no failure.
func TestSilence(t *testing.T) {
	site := mailtest.NewSite(t)
	for _, tt := range []struct {
		fault   mailtest.Fault
		tls     string
		deliver bool
	}{
		{mailtest.Silent, notify.TLSNone, false},
		{mailtest.Silent, notify.TLSImplicit, false},
		{mailtest.TLSSilent, notify.TLSAuto, false},
		{mailtest.DataSilent, notify.TLSNone, false},
		{mailtest.QuitSilent, notify.TLSNone, true},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.fault, tt.tls), func(t *testing.T) {
			t.Parallel()
			server := mailtest.NewFake(t, site)
			server.Misbehave(tt.fault)
			e := channelTo(server.Addr)
			e.TLS, e.Roots = tt.tls, site.Pool
			timeout := 2 * time.Second // for all of it, up to where the server falls silent
			if tt.deliver {
				timeout = time.Minute
			}
			d := &notify.Delivery{Channel: e, Message: message()}
			notify.Deliver(t.Context(), timeout, []*notify.Delivery{d})
			switch {
			case tt.deliver && d.Err != nil:
				t.Error(d.Err)
			case !tt.deliver:
				refused(t, d.Err, "", "no end within 2s", "firewalls often stop mail")
			}
			if d.Took > 50*time.Second {
				t.Errorf("it took %v", d.Took)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	server := mailtest.NewFake(t, nil)
	server.Close()
	refused(t, deliver(t, channelTo(server.Addr), message()), "", "connection refused", "start the mail server of this box")
	refused(t, deliver(t, channelTo("no-such-host.invalid:25"), message()), "", "no-such-host.invalid", "getent hosts no-such-host.invalid")
}

func TestPasswordFile(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"empty", "", "first line"}, {"empty first line", "\nsecret\n", "first line"}, {"NUL", "a\x00b", "no password"}, {"long", strings.Repeat("x", 2000), "no password"},
	} {
		e := channelTo("localhost:1")
		e.TLS, e.Username, e.PasswordFile = notify.TLSStartTLS, "vobox", password(t, tt.content)
		t.Run(tt.name, func(t *testing.T) { refused(t, deliver(t, e, message()), "", tt.want, e.PasswordFile, "mode 0600") })
	}
	e := channelTo("localhost:1")
	e.TLS, e.Username, e.PasswordFile = notify.TLSStartTLS, "vobox", "/nonexistent/password"
	refused(t, deliver(t, e, message()), "", "/nonexistent/password")
}

// The greeting is a name with a domain, or an address: that is what servers insist on.
func TestGreeting(t *testing.T) {
	for _, tt := range []struct{ hello, from, want string }{
		{"vobox.example.org", "a@b.example.net", "vobox.example.org"}, {"vobox", "a@b.example.net", "b.example.net"}, {"vobox", "root@vobox", "[127.0.0.1]"},
		{"", "a@b.example.net", "b.example.net"}, {"a.b\r\nMAIL FROM:<x@y>", "root@vobox", "[127.0.0.1]"},
	} {
		server := mailtest.NewFake(t, nil)
		e := channelTo(server.Addr)
		e.Hello, e.From = tt.hello, tt.from
		if err := deliver(t, e, message()); err != nil {
			t.Fatal(err)
		}
		if got := server.Greetings(); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("as %q, from %s: greeted with %q, want %q", tt.hello, tt.from, got, tt.want)
		}
	}
}
