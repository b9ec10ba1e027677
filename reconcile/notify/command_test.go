package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/notify"
)

// The program gets the message as JSON, and the gist of it in its environment, in lines that are ours.
func TestCommand(t *testing.T) {
	var argv, env []string
	var input []byte
	c := &notify.Command{Argv: []string{"/usr/local/bin/page-me", "--from", "vobox"}, Run: func(_ context.Context, a []string, in []byte, e []string) error {
		argv, input, env = a, in, e
		return nil
	}}
	if err := deliver(t, c, message()); err != nil {
		t.Fatal(err)
	}
	var doc struct{ Alerts []struct{ ID, State string } }
	if err := json.Unmarshal(input, &doc); err != nil || len(doc.Alerts) != 3 || doc.Alerts[2].State != "ended" {
		t.Errorf("%v: %s", err, input)
	}
	want := []string{"VOBOX_RECONCILE_SEVERITY=critical", "VOBOX_RECONCILE_TITLE=[vobox.example.org] critical: PROXY-LOW lcgadmin, and 2 more",
		"VOBOX_RECONCILE_ALERTS=PROXY-LOW MP-T12 HOST-CERT", "VOBOX_RECONCILE_HOST=vobox.example.org", "VOBOX_RECONCILE_VO=alice"}
	if !slices.Equal(env, want) || !slices.Equal(argv, c.Argv) {
		t.Errorf("argv %q, env %q; want %q", argv, env, want)
	}
	if err := deliver(t, c, notify.Sample("vobox", "alice", now)); err != nil || !slices.Contains(env, "VOBOX_RECONCILE_TEST=1") {
		t.Errorf("a sample: %v, env %q", err, env)
	}
	for _, evil := range hostile {
		m := notify.Message{Host: evil, VO: evil, Time: now, Alerts: []notify.Alert{{ID: evil, Subject: evil, Message: evil, State: notify.Open}}}
		if err := deliver(t, c, m); err != nil {
			t.Fatal(err)
		}
		for _, v := range env {
			if strings.ContainsAny(v, "\n\r\x00\x1b") || !strings.HasPrefix(v, "VOBOX_RECONCILE_") {
				t.Errorf("env %q", v)
			}
		}
		if !json.Valid(input) {
			t.Errorf("input %q", input)
		}
	}
	failing := &notify.Command{Argv: []string{"/opt/page me", "secret"}, Run: func(context.Context, []string, []byte, []string) error { return errors.New("exit code 3") }}
	refused(t, deliver(t, failing, message()), "secret", "exit code 3", "echo '{}' | '/opt/page me'")
}
