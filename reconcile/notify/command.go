package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// A Command tells people by running a program of the site's, with the message as JSON on its standard input.
//
// In its environment are VOBOX_RECONCILE_SEVERITY (critical, warning or ok), VOBOX_RECONCILE_TITLE (one line),
// VOBOX_RECONCILE_ALERTS (the ids, with spaces between), VOBOX_RECONCILE_HOST, VOBOX_RECONCILE_VO and VOBOX_RECONCILE_TEST
// (1 for a sample).
type Command struct {
	Argv []string // argument list; no shell sees it
	// Run runs an argument list with the input given, and what is in env beside a small fixed environment. It may return an
	// [*Error] where it knows a remedy.
	Run func(ctx context.Context, argv []string, input []byte, env []string) error
}

// Kind is "command".
func (c *Command) Kind() string { return "command" }

// Name has the program, and not its arguments: there may be a token among them.
func (c *Command) Name() string {
	if len(c.Argv) == 0 {
		return "command"
	}
	return "command " + oneLine(c.Argv[0], maxSubject)
}

// Key is that of the argument list.
func (c *Command) Key() string {
	return "command " + oneLine(filepath.Base(strings.Join(c.Argv[:min(len(c.Argv), 1)], "")), maxID) + " " + digest(strings.Join(c.Argv, "\x00"))
}

// Deliver runs the program to its end.
func (c *Command) Deliver(ctx context.Context, m Message) error {
	input, err := m.JSON()
	if err != nil {
		return err
	}
	var ids []string
	for _, a := range m.Alerts[:min(len(m.Alerts), maxPayload)] {
		ids = append(ids, strings.ReplaceAll(a.Clean().ID, " ", "_"))
	}
	env := []string{"VOBOX_RECONCILE_SEVERITY=" + string(m.Severity()), "VOBOX_RECONCILE_TITLE=" + m.Headline(),
		"VOBOX_RECONCILE_ALERTS=" + strings.Join(ids, " "), "VOBOX_RECONCILE_HOST=" + oneLine(m.Host, 255), "VOBOX_RECONCILE_VO=" + oneLine(m.VO, 80)}
	if m.Test {
		env = append(env, "VOBOX_RECONCILE_TEST=1")
	}
	err = c.Run(ctx, c.Argv, append(input, '\n'), env)
	var known *Error
	if errors.As(err, &known) && known.Remedy != "" {
		return err
	}
	if err != nil {
		return &Error{Msg: oneLine(fmt.Sprintf("%v", endedBy(ctx, err)), maxText), Err: err, Where: "VO-Box",
			Remedy: "run it by hand, as the account: echo '{}' | " + quoteAll(c.Argv[:1])}
	}
	return nil
}

// quoteAll writes an argument list as it can be typed.
func quoteAll(argv []string) string {
	var words []string
	for _, s := range argv {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:@%+,", r))
		}) {
			s = "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
		words = append(words, s)
	}
	return strings.Join(words, " ")
}

// digest is a short name for something that may be secret.
func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:6])
}
