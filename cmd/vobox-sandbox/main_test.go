package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// A lockedBuffer can be read while the command writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves a site until its standard input is closed, and returns its directory and a function that closes it and
// returns the exit code.
func start(t *testing.T, args ...string) (dir string, stop func() int) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "site")
	stdin, end := io.Pipe()
	up, stdout := io.Pipe()
	var stderr lockedBuffer
	code := make(chan int, 1)
	go func() {
		code <- run(context.Background(), append([]string{"--dir", dir}, args...), stdin, stdout, &stderr)
		stdout.Close()
	}()
	first := make([]byte, 1<<16)
	if _, err := up.Read(first); err != nil {
		t.Fatalf("starting: %v, %s", err, stderr.String())
	}
	for { // ready is written right after the text has been printed
		if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
			break
		}
		select {
		case c := <-code:
			t.Fatalf("ended with %d: %s", c, stderr.String())
		case <-t.Context().Done():
			t.Fatal("never ready")
		case <-time.After(5 * time.Millisecond):
		}
	}
	return dir, func() int {
		end.Close()
		return <-code
	}
}

// ctl runs a command against the site.
func ctl(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"ctl", "--dir", dir}, args...), nil, &out, &errs)
	return out.String(), errs.String(), code
}

func TestServeUntilInputEnds(t *testing.T) {
	dir, stop := start(t, "-t", "12")
	env, err := exec.Command("/bin/sh", "-c", `. "$1"; echo "$VOBOX_RECONCILE_CONFIG|$SANDBOX_USER_DN"; test -r "$VOBOX_RECONCILE_CONFIG" && test -r "$SANDBOX_LOGIN_PROXY" && test -d "$X509_CERT_DIR"`, "sh", filepath.Join(dir, "env")).Output()
	if want := filepath.Join(dir, "box/etc/vobox-reconcile/config.yaml") + "|/DC=org/DC=gridtest/OU=people/CN=Jane Doe\n"; err != nil || string(env) != want {
		t.Errorf("a shell that read DIR/env: %q, %v, want %q", env, err, want)
	}
	info, err := os.Stat(filepath.Join(dir, "control.json"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("control.json: %v, %v", info, err)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
	for _, gone := range []string{"ready", "control.json"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", gone, err)
		}
	}
	if _, errs, code := ctl(t, dir, "behave"); code != exitFail || !strings.Contains(errs, "finding the sandbox") {
		t.Errorf("ctl without a sandbox: exit %d, %q", code, errs)
	}
}

func TestControl(t *testing.T) {
	site, err := gridtest.NewSite(t.TempDir(), gridtest.SiteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	stopped := false
	c, err := listenControl(site, func() { stopped = true })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	user := site.User.Identity().String()
	good := func(args ...string) string {
		t.Helper()
		out, errs, code := ctl(t, site.Dir, args...)
		if code != exitOK || errs != "" {
			t.Fatalf("%q: exit %d, %s", args, code, errs)
		}
		return out
	}
	good("store", "-t", "12", "-c", "90m")
	if cred, o, ok := site.MyProxy.Stored(user, ""); !ok || o.MaxLifetime != 12*time.Hour || time.Until(cred.NotAfter()) > 90*time.Minute {
		t.Errorf("store: %+v, %v", o, ok)
	}
	good("destroy")
	if _, _, ok := site.MyProxy.Stored(user, ""); ok {
		t.Error("destroy: still there")
	}
	good("login", "36")
	if left := time.Until(site.Login.NotAfter()); left < 35*time.Hour || left > 36*time.Hour {
		t.Errorf("login: %v left", left)
	}
	path := strings.TrimSpace(good("register"))
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || filepath.Dir(path) != site.Repository {
		t.Errorf("register: %q, %v", path, err)
	}
	for _, quiet := range [][]string{
		{"fault", "myproxy", "hang", "--times", "1", "--stage", "request"}, {"fault", "voms", "shorten", "--lifetime", "1"}, {"fault", "voms", "error", "--text", "BadRequest", "--text", "no"},
		{"behave"}, {"max-ac", "24"}, {"suspend", "for", "fun"}, {"resume"}, {"expel"}, {"admit"}, {"deny-box"}, {"allow-box"},
		{"crl", "expired"}, {"crl", "fresh"}, {"revoke", "user"}, {"revoke", "host"},
	} {
		if out := good(quiet...); out != "" {
			t.Errorf("%q said %q", quiet, out)
		}
	}
	var asked struct{ MyProxy, VOMS []any }
	if err := json.Unmarshal([]byte(good("requests")), &asked); err != nil || asked.MyProxy == nil || asked.VOMS == nil {
		t.Errorf("requests: %+v, %v", asked, err)
	}
	good("stop")
	if !stopped {
		t.Error("stop did nothing")
	}
	for _, bad := range []struct {
		args []string
		want string
	}{
		{[]string{"dance"}, `unknown command "dance"`},
		{[]string{"fault", "myproxy"}, "a server and a kind are wanted"},
		{[]string{"fault", "myproxy", "sulk"}, `unknown kind "sulk"`},
		{[]string{"fault", "ldap", "hang"}, `no server "ldap"`},
		{[]string{"fault", "voms", "hang", "--often"}, "flag provided but not defined"},
		{[]string{"store", "-t", "soon"}, "a number of hours or a duration"},
		{[]string{"max-ac"}, "a number of hours is wanted"},
		{[]string{"revoke", "me"}, "user or host is wanted"},
		{[]string{"crl", "old"}, "expired or fresh is wanted"},
		{nil, "--dir and a command are needed"},
	} {
		if out, errs, code := ctl(t, site.Dir, bad.args...); code != exitUsage || !strings.Contains(errs, bad.want) {
			t.Errorf("%q: exit %d, %q, %q, want %q", bad.args, code, out, errs, bad.want)
		}
	}
}

// TestControlToken: other users of the machine cannot read control.json, and without its token get nowhere.
func TestControlToken(t *testing.T) {
	site, err := gridtest.NewSite(t.TempDir(), gridtest.SiteOptions{NotStored: true})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	c, err := listenControl(site, func() { t.Error("stopped by a stranger") })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	var at controlFile
	if err := json.Unmarshal(data, &at); err != nil {
		t.Fatal(err)
	}
	at.Token = "guess"
	forged := t.TempDir()
	if data, err = json.Marshal(at); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(forged, "control.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := ctl(t, forged, "stop"); code == exitOK || !strings.Contains(errs, "wrong token") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args         []string
		code         int
		stdout, errs string
	}{
		{[]string{"--help"}, exitOK, "vobox-sandbox --dir DIR", ""},
		{[]string{"ctl", "--help"}, exitOK, "Kinds of faults: refuse hang", ""},
		{nil, exitUsage, "", "--dir is needed"},
		{[]string{"--dir", "x", "-o", "xml"}, exitUsage, "", `-o "xml"`},
		{[]string{"--dir", "x", "--style", "x"}, exitUsage, "", `--style "x"`},
		{[]string{"--dir", "x", "more"}, exitUsage, "", `unexpected argument "more"`},
		{[]string{"--colour"}, exitUsage, "", "flag provided but not defined"},
		{[]string{"--dir", "/dev/null/x"}, exitFail, "", "building a site"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), tt.args, nil, &out, &errs)
			if code != tt.code || !strings.Contains(out.String(), tt.stdout) || !strings.Contains(errs.String(), tt.errs) {
				t.Errorf("exit %d\nstdout %s\nstderr %s", code, out.String(), errs.String())
			}
		})
	}
}

func TestDurationEnds(t *testing.T) {
	var out, errs bytes.Buffer
	dir := filepath.Join(t.TempDir(), "site")
	if code := run(t.Context(), []string{"--dir", dir, "--duration", "1ms", "-o", "json", "--not-stored"}, nil, &out, &errs); code != exitOK {
		t.Fatalf("exit %d, %s", code, errs.String())
	}
	var env map[string]string
	if err := json.Unmarshal(out.Bytes(), &env); err != nil || env["SANDBOX_DIR"] != dir {
		t.Errorf("%v, %v", env, err)
	}
}
