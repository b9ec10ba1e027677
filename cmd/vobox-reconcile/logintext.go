package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/enroll"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// A loginTeller says what goes on, in the manner of voms-proxy-init.
type loginTeller struct {
	a    *app
	to   io.Writer // nobody, if it is to be quiet or JSON
	used enroll.Pair
}

func (a *app) loginTeller(quiet bool) *loginTeller {
	t := &loginTeller{a: a, to: a.stdout}
	if quiet || a.output == "json" {
		t.to = io.Discard
	}
	return t
}

func (t *loginTeller) say(format string, args ...any) {
	fmt.Fprint(t.to, printable(fmt.Sprintf(format, args...)))
}

func (t *loginTeller) identity(name string) { t.say("Your identity: %s\n", name) }
func (t *loginTeller) pair(p enroll.Pair)   { t.used = p }

func (t *loginTeller) event(ev enroll.Event) {
	switch ev.Stage {
	case enroll.Contacting:
		t.say("Contacting %s [%s] %q ", ev.Server.Address(), ev.Server.DN, ev.Server.VO)
	case enroll.Answered:
		t.say("Done\n")
	case enroll.Failed:
		t.say("Failed\n")
	}
}

// files says what grid-proxy-init -debug says.
func (t *loginTeller) files(store *trust.Store, out string) {
	var b bytes.Buffer
	if t.used.Cert != "" {
		fmt.Fprintf(&b, "User Cert File: %s\nUser Key File: %s\n", t.used.Cert, t.used.Key)
	}
	fmt.Fprintf(&b, "Trusted CA Cert Dir: %s\nOutput File: %s\n", store.Certificates, out)
	io.WriteString(t.a.stderr, printable(b.String()))
}

// calendar is how the grid's tools print a moment, with the zone that only the Java edition says.
const calendar = "Mon Jan _2 15:04:05 MST 2006"

// here is a moment in the time zone of the person who reads it.
func (a *app) here(t time.Time) string { return t.In(a.now().Location()).Format(calendar) }

func (t *loginTeller) loggedIn(e *enroll.Enroller, made *enroll.Login, path string) error {
	if t.a.output == "json" {
		return t.a.printJSON(loginDocOf(e, made, path, t.a.now()))
	}
	t.say("Created proxy in %s.\n\nYour proxy is valid until %s\n", path, t.a.here(made.Credential.NotAfter()))
	if made.Credential.NotAfter().Sub(made.End) >= time.Minute { // the clocks of two machines
		t.say("but is of use only until %s, when %s ends\n", t.a.here(made.End), made.EndsWith)
	}
	return nil
}

// A loginDoc is the new proxy as inspect describes it, and what there was to say.
type loginDoc struct {
	inspectDoc
	Warnings []warningDoc `json:"warnings"`
}

type warningDoc struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
	Where   string `json:"where"`
}

func warningDocs(list []enroll.Warning) []warningDoc {
	docs := []warningDoc{}
	for _, w := range list {
		docs = append(docs, warningDoc{w.ID, w.Text, w.Remedy, w.Where})
	}
	return docs
}

func loginDocOf(e *enroll.Enroller, made *enroll.Login, path string, now time.Time) loginDoc {
	in := inspect.Inspector{Store: e.Trust, Now: now, UID: expectedOwner()}
	return loginDoc{inspectDocOf(in.File(path), now), warningDocs(made.Warnings)}
}

// warnings tells people what they should know, on standard error.
func (a *app) warnings(list []enroll.Warning) {
	for _, w := range list {
		fmt.Fprintf(a.stderr, "%s %s\n", a.talk.paint(yellow, "warning:"), printable(w.Text))
		a.remedy(w.Where, w.Remedy)
	}
}

// remedy prints what to do, and where, in a line of its own: behind a prompt, what to type.
func (a *app) remedy(where, what string) {
	prompt := ""
	switch where {
	case "":
	case "LCG-UI", "VO-Box":
		prompt = a.talk.paint(cyan, where+">") + " "
	default:
		prompt = a.talk.paint(cyan, where+":") + " "
	}
	if what != "" {
		fmt.Fprintf(a.stderr, "    %s%s\n", prompt, printable(what))
	}
}

// failed says what went wrong and what to do about it, and returns the end of the program for it.
func (a *app) failed(err error) error {
	var ex *exitError
	if errors.As(err, &ex) {
		return ex
	}
	advice := enroll.Explain(err)
	text := err.Error()
	if errors.Is(err, errNoTerminal) {
		text, advice.Remedy = errNoTerminal.Error(), "give it with --passphrase-file FILE or --passphrase-fd N"
	}
	if advice.Cause != "" && !bytes.Contains([]byte(text), []byte(advice.Cause)) {
		text += " (" + advice.Cause + ")"
	}
	if advice.ID != "" {
		text = advice.ID + ": " + text
	}
	fmt.Fprintf(a.stderr, "vobox-reconcile: %s\n", printable(text))
	a.remedy(advice.Where, advice.Remedy)
	return exit(exitFailed)
}
