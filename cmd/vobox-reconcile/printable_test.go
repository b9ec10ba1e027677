package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// The account looked after chooses names of files; servers choose texts. Neither reaches root's terminal as it is.
func TestNothingMovesTheCursor(t *testing.T) {
	const evil = "\x1b[2K\rall is well\u202e"
	var out bytes.Buffer
	a := &app{world: world{getenv: func(string) string { return "" }, stdout: &out, stderr: &out}, output: "text", color: "always"}
	a.out = painter{terminal: true}
	step := plan.Step{ID: "renew/proxy/x", Action: plan.Renew, Kind: "proxy", Target: "x" + evil, Path: "/v/" + evil, Reason: evil}
	alert := plan.Alert{ID: "X", Severity: plan.Critical, Subject: evil, Message: evil, Remedy: evil, Where: "VO-Box"}
	a.printReport(&reconcile.Report{Time: time.Unix(0, 0), Alerts: []plan.Alert{alert},
		Outcomes: []reconcile.Outcome{{Step: step, Result: reconcile.Failed, Err: errors.New(evil)}}}, plan.Desired{}, false)
	br := status.Break{Subject: evil, When: &time.Time{}, Reason: evil, Impact: evil, Remedy: evil, Where: evil}
	doc := status.Doc{Credentials: []status.Credential{{Name: "x", Path: evil, Reason: evil, State: "invalid"}}, Alerts: []plan.Alert{alert},
		EnvFiles: []status.EnvFile{{Path: evil, State: "invalid", Reason: evil}}, Services: []status.Service{{Name: "y", State: "alert", Reason: evil}},
		FirstToBreak: &br}
	a.printStatus(a.text(plan.Desired{}), doc)
	doc.Rehearsal = &status.Rehearsal{Renewed: []status.Renewed{{Name: "x", State: "expired", Reason: evil}}, Unmended: []status.Break{br}, Later: &br}
	a.printStatus(a.text(plan.Desired{}), doc)
	if got := out.String(); !strings.Contains(got, "all is well") || strings.ContainsAny(got, "\x1b\r\u202e") {
		t.Errorf("printed %q", got)
	}
}
