package page

import (
	"fmt"
	"html/template"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A view is the page, in words and numbers.
type view struct {
	Policy, Title, Heading string
	Favicon                template.URL
	Style                  template.CSS
	Refresh                int // seconds
	RefreshWords           string
	Served                 bool
	Version                string
	Now                    moment
	Rehearsal              string // why this is not the present; empty: it is
	Verdict                verdict
	First                  *firstView
	Next                   *nextView
	Look                   *moment
	Alerts                 []alertView
	Axis                   axis
	Lanes                  []lane
	Failures, Gaps         bool
	Credentials            []credentialView
	Things                 []thingsView
	Coming, Done, Earlier  []eventView
	HistoryWords           string
}

type verdict struct{ Class, Words, More string }

type firstView struct {
	Subject, In, Reason, Impact string
	When                        moment
}

type nextView struct {
	What, In string
	When     moment
}

type alertView struct {
	ID, Severity, Subject, Message string
	State                          state
	Prompt, Command, Who, Advice   string
}

type credentialView struct {
	Name, Kind, Reason, Left, EndsWith, NoNext string
	State                                      state
	Meter                                      *meter
	End                                        *moment
	Next                                       *nextView
	Facts                                      []fact
}

// A meter is a bar of what is left.
type meter struct{ Alt, Class, Width string }

type fact struct{ Key, Value string }

// A thingsView is the table of env files, or of services.
type thingsView struct {
	ID, Title, Column string
	Rows              []thingView
}

type thingView struct {
	Name, Where, Reason string
	State               state
}

type eventView struct {
	Class, Icon, What, Note, Why string
	When                         moment
}

// viewOf puts an input, printable already, into the words of the page.
func viewOf(in Input) view {
	d := in.Status
	v := view{Policy: policy(), Style: template.CSS(style), Version: in.Version, Now: moment{at(d.Time, d.Time).Exact, d.Time.UTC().Format("Mon 2 Jan 2006 15:04 UTC")}, Verdict: verdictOf(d),
		Refresh: int(in.Refresh / time.Second), RefreshWords: span(in.Refresh), Served: in.Refresh > 0, HistoryWords: span(in.Past),
		Look: nil}
	if d.Rehearsal != nil {
		v.Rehearsal = "As if it were then, by what was seen on " + at(d.Rehearsal.Seen, d.Time).Words + ", and without a pass in between."
	}
	v.Heading = strings.Join(slices.DeleteFunc([]string{in.VO, in.Host}, func(s string) bool { return s == "" }), " on ")
	if v.Heading == "" {
		v.Heading = "vobox-reconcile"
	}
	names := shortNames(d.EnvFiles)
	v.Title = v.Heading + ": " + v.Verdict.Words
	v.Favicon = favicon(v.Verdict.Class)
	if b := d.FirstToBreak; b != nil && b.When != nil {
		v.First = &firstView{Subject: b.Subject, Reason: sentence(b.Reason), Impact: names.Replace(b.Impact), When: at(*b.When, d.Time)}
		if left := b.When.Sub(d.Time); left > 0 {
			v.First.In = span(left)
		}
	}
	if len(d.Steps) > 0 {
		s := d.Steps[0]
		v.Next = nextOf(s.When, d.Time, stepWords(s.Action, s.Kind, s.Target))
	}
	if d.NextLook != nil && d.NextLook.After(d.Time) && (v.Next == nil || v.Next.When.Words != at(*d.NextLook, d.Time).Words) {
		v.Look = atOrNil(d.NextLook, d.Time)
	}
	for _, a := range d.Alerts {
		v.Alerts = append(v.Alerts, alertOf(a))
	}
	slices.SortStableFunc(v.Alerts, func(a, b alertView) int { return strings.Compare(a.Severity, b.Severity) })
	v.lanes(in)
	for _, c := range d.Credentials {
		v.Credentials = append(v.Credentials, credentialOf(c, d.Time))
	}
	v.things(d)
	v.events(in, names)
	return v
}

// shortNames calls env files by the last element of their paths, where that tells them apart.
func shortNames(files []status.EnvFile) *strings.Replacer {
	n := map[string]int{}
	for _, f := range files {
		n[filepath.Base(f.Path)]++
	}
	var pairs []string
	for _, f := range files {
		if base := filepath.Base(f.Path); n[base] == 1 && f.Path != "" {
			pairs = append(pairs, f.Path, base)
		}
	}
	return strings.NewReplacer(pairs...)
}

// verdictOf says how things are in one line.
func verdictOf(d status.Doc) verdict {
	due := 0
	for _, s := range d.Steps {
		if s.When != nil && !s.When.After(d.Time) {
			due++
		}
	}
	switch broken := brokenOf(d); {
	case len(d.Credentials)+len(d.EnvFiles)+len(d.Services) == 0:
		return verdict{Class: "idle", Words: "Nothing is looked after", More: "The configuration names no credential, no file and no service."}
	case len(broken) > 0:
		v := verdict{Class: "bad", Words: sentence(broken[0])}
		if len(broken) > 1 {
			v.More = "Also: " + strings.Join(broken[1:], "; ") + "."
		}
		return v
	case d.Bad():
		return verdict{Class: "bad", Words: "Something needs you now", More: "What and how is in the alerts."}
	case len(d.Alerts) > 0:
		return verdict{Class: "warn", Words: "Everything works, " + count(len(d.Alerts), "alert"), More: "Nothing is broken yet. What to do is below."}
	case due > 0:
		return verdict{Class: "due", Words: "Everything works, " + count(due, "step") + " due", More: "The next pass does it."}
	}
	return verdict{Class: "ok", Words: "All is well", More: "Every credential is valid, and nothing needs you."}
}

// brokenOf lists what does not work now.
func brokenOf(d status.Doc) []string {
	var out []string
	for _, c := range d.Credentials {
		switch {
		case c.State == "expired" && c.Kind == "stored":
			out = append(out, "the stored credential "+c.Name+" has expired")
		case c.State == "expired":
			out = append(out, c.Name+" has expired")
		case c.State == "missing":
			out = append(out, c.Name+" is missing")
		case c.State == "invalid":
			out = append(out, c.Name+" cannot be used")
		}
	}
	for _, f := range d.EnvFiles {
		if f.State == "invalid" {
			out = append(out, filepath.Base(f.Path)+" cannot be kept")
		}
	}
	return out
}

func nextOf(when *time.Time, now time.Time, what string) *nextView {
	if when == nil {
		return nil
	}
	n := &nextView{What: what, When: at(*when, now)}
	if d := when.Sub(now); d > 0 {
		n.In = span(d)
	}
	return n
}

func stepWords(action plan.Action, kind, target string) string {
	switch {
	case kind == "machine-proxy":
		return string(action) + " the machine proxy"
	case kind == "proxy":
		return string(action) + " " + target
	case kind == "env-file":
		return "write " + filepath.Base(target)
	}
	return string(action) + " " + target
}

func alertOf(a plan.Alert) alertView {
	v := alertView{ID: a.ID, Severity: string(a.Severity), Subject: a.Subject, Message: sentence(a.Message), State: stateOfAlert(a.Severity)}
	if strings.HasPrefix(a.Subject, "/") {
		v.Subject = filepath.Base(a.Subject)
	}
	v.Command, v.Advice = remedy(a.Remedy)
	if v.Command != "" {
		v.Prompt = prompt(a.Where)
		v.Advice = sentence(v.Advice)
	} else {
		v.Who = a.Where
	}
	return v
}

func (v *view) lanes(in Input) {
	p := painter{scale: scaleFor(in.Status), history: in.History}
	v.Axis = p.axis()
	for _, c := range in.Status.Credentials {
		if c.Kind == "stored" {
			continue
		}
		v.Lanes = append(v.Lanes, p.lane(c, storedOf(in.Status, c.Name)))
	}
	v.Failures, v.Gaps = p.failures, p.gaps
}

// storedOf is the stored credential that one is renewed from; nil: none.
func storedOf(d status.Doc, name string) *status.Credential {
	for i, c := range d.Credentials {
		if c.Kind == "stored" && strings.HasPrefix(c.Name, name+"@") {
			return &d.Credentials[i]
		}
	}
	return nil
}

func credentialOf(c status.Credential, now time.Time) credentialView {
	v := credentialView{Name: c.Name, State: stateOf(c.State), Left: "–", End: atOrNil(c.EffectiveEnd, now), EndsWith: c.EndsWith, NoNext: "not by this program"}
	switch c.Kind {
	case "machine":
		v.Kind = "machine proxy, shown to the MyProxy server"
	case "stored":
		name, server, _ := strings.Cut(c.Name, "@")
		v.Name, v.Kind, v.NoNext = name, "stored on "+server, "by hand"
	default:
		v.Kind = "user proxy"
	}
	if c.State != "ok" || c.Kind == "stored" {
		v.Reason = sentence(c.Reason)
	}
	if c.EffectiveEnd != nil {
		v.Left = span(time.Duration(c.EffectiveSecondsLeft) * time.Second)
		if whole := c.LifetimeSeconds; whole > 0 {
			share := min(float64(c.EffectiveSecondsLeft)/float64(whole), 1) * 100
			v.Meter = &meter{Alt: fmt.Sprintf("%.0f of 100", share), Class: "fill-" + v.State.Class, Width: percent(share)}
		}
	}
	v.Next = nextOf(c.NextRenewal, now, "")
	v.Facts = factsOf(c, now)
	return v
}

// factsOf is what people look up, not at.
func factsOf(c status.Credential, now time.Time) []fact {
	var out []fact
	add := func(key, value string) {
		if value != "" {
			out = append(out, fact{key, value})
		}
	}
	add("identity", c.Identity)
	add("attributes", strings.Join(c.FQANs, ", "))
	add("file", c.Path)
	if c.KeyBits > 0 {
		kind := c.Type
		if c.Limited {
			kind = "limited " + kind
		}
		add("kind", fmt.Sprintf("%s, %s %d", kind, c.KeyType, c.KeyBits))
	}
	if c.RenewBelowSeconds > 0 {
		add("renewed below", span(time.Duration(c.RenewBelowSeconds)*time.Second)+" of "+span(time.Duration(c.LifetimeSeconds)*time.Second))
	}
	if c.LastRenewal != nil {
		add("last renewed", at(*c.LastRenewal, now).Words)
	}
	if f := c.Forecast; f != nil && f.RenewableUntil != nil {
		add("renewable until", at(*f.RenewableUntil, now).Words+": "+f.RenewableBy)
	}
	for _, e := range c.Ends {
		if e.When != nil {
			add("ends", at(*e.When, now).Words+": "+strings.TrimPrefix(e.Name, "the "))
		}
	}
	return out
}

func (v *view) things(d status.Doc) {
	files := thingsView{ID: "files", Title: "Environment files", Column: "File"}
	for _, f := range d.EnvFiles {
		files.Rows = append(files.Rows, thingView{Name: filepath.Base(f.Path), Where: filepath.Dir(f.Path), State: stateOf(f.State), Reason: sentence(f.Reason)})
	}
	services := thingsView{ID: "services", Title: "Services", Column: "Service"}
	for _, s := range d.Services {
		t := thingView{Name: s.Name, Where: "never restarted by this program", State: stateOf(s.State), Reason: sentence(s.Reason)}
		if s.LastRestart != nil {
			t.Where = "last restarted " + at(*s.LastRestart, d.Time).Words
		}
		services.Rows = append(services.Rows, t)
	}
	for _, t := range []thingsView{files, services} {
		if len(t.Rows) > 0 {
			v.Things = append(v.Things, t)
		}
	}
}

// shownEvents is how many of the past are shown at once, and how many more at a click.
const shownEvents, earlierEvents = 8, 92

func (v *view) events(in Input, names *strings.Replacer) {
	now := in.Status.Time
	for i, s := range in.Status.Steps {
		if s.When == nil || i >= shownEvents {
			continue
		}
		e := eventView{Class: "idle", Icon: "due", What: sentence1(stepWords(s.Action, s.Kind, s.Target)), Why: sentence(brief(names.Replace(s.Reason))), When: at(*s.When, now)}
		if !s.When.After(now) {
			e.Class, e.Note = "due", "due"
		}
		v.Coming = append(v.Coming, e)
	}
	for _, e := range slices.Backward(in.History) {
		past := eventView{Class: "ok", Icon: "ok", What: sentence1(stepWords(plan.Action(e.Action), e.Kind, e.Target)), Why: sentence(brief(names.Replace(e.Reason))), When: at(e.Time, now)}
		if e.Result == "failed" {
			past.Class, past.Icon, past.Note, past.Why = "bad", "bad", "failed", sentence(brief(e.Error))
		}
		switch {
		case len(v.Done) < shownEvents:
			v.Done = append(v.Done, past)
		case len(v.Earlier) < earlierEvents:
			v.Earlier = append(v.Earlier, past)
		}
	}
}

// sentence1 begins with a capital letter.
func sentence1(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// favicon is a disc in the colour of the verdict.
func favicon(class string) template.URL {
	colour := map[string]string{"ok": "2b8a55", "due": "b87200", "warn": "b87200", "bad": "cf3a2f"}[class]
	if colour == "" {
		colour = "77839a"
	}
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23" + colour + "'/%3E%3C/svg%3E")
}
