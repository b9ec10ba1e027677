package main

import (
	"fmt"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// An initDoc is what init says in JSON.
type initDoc struct {
	Version   int          `json:"version"`
	Path      string       `json:"path"`
	Written   bool         `json:"written"`
	VO        string       `json:"vo"`
	User      string       `json:"user"`
	Text      string       `json:"text"`
	Findings  []plan.Alert `json:"findings"`
	FirstPass reportDoc    `json:"firstPass"`
	Switch    []switchStep `json:"switch"`
}

func (i *initiator) doc(written bool) initDoc {
	d := initDoc{Version: 1, Path: i.path, Written: written, VO: i.want.VO, User: i.want.User, Text: i.text, Findings: i.alerts,
		FirstPass: reportJSON(i.report, true), Switch: i.switches()}
	if d.Findings == nil {
		d.Findings = []plan.Alert{}
	}
	return d
}

// printFound says what was found, what is not as it should be, and how to go on.
func (i *initiator) printFound() {
	p := reporter{writer: i.app.text(i.want), told: map[int]bool{}}
	fmt.Fprintf(p, "%s\n", p.paint(bold, printable(fmt.Sprintf("%s on this box, account %s", i.want.VO, i.want.User))))
	i.row(p, "directory", i.vo.Dir)
	i.row(p, "MyProxy", i.server.Value+"  ("+i.server.From+")")
	i.row(p, "machine proxy", i.machineWords())
	for _, r := range i.stays {
		i.row(p, "proxy "+r.name, firstOf(r.Primary, "no attributes")+", "+firstOf(r.note, "not there yet"))
		p.para(dim, 18, printable(r.Identity))
	}
	if f, ok := i.vo.EnvFile(oldbox.VersionFile); ok {
		if v, set, _ := f.Value("JALIEN"); set && v != "" {
			i.row(p, "JAliEn", v+"  ("+f.Path+")")
		}
	}
	if len(i.vo.Start)+len(i.vo.Stop) > 0 {
		i.row(p, "agents", fmt.Sprintf("%d in start, %d in stop: they are run as before", len(i.vo.Start), len(i.vo.Stop)))
	}
	for _, al := range printableAlerts(i.alerts) {
		p.alert(al)
	}
	fmt.Fprintf(p, "\n%s %s\n", p.paint(green, "+"), p.paint(bold, "wrote "+printable(i.path)))
	i.printFirstPass(p)
	i.printSwitches(p)
}

func (i *initiator) row(p reporter, what, value string) {
	fmt.Fprintf(p, "  %-15s %s\n", what, printable(value))
}

func (i *initiator) machineWords() string {
	switch m := i.vo.Machine; {
	case !m.Exists:
		return "there is none yet"
	case !m.Usable():
		return "cannot be used"
	default:
		return plan.Span(m.End().Sub(i.now())) + " left"
	}
}

// printFirstPass says what a pass with this configuration would do.
func (i *initiator) printFirstPass(p reporter) {
	r := printableReport(i.report)
	if len(r.Outcomes) == 0 {
		p.para("", 2, "its first pass changes nothing: see vobox-reconcile --dry-run")
		return
	}
	p.para("", 2, "its first pass will:")
	for _, o := range r.Outcomes {
		p.para("", 4, title(o.Step)+": "+p.reason(o.Step))
	}
}

func (i *initiator) printSwitches(p reporter) {
	title, back := "To set it up, as root, in this order:", "To undo that:"
	if i.switchesOver() {
		title, back = "To switch over, as root, in this order:", "To go back:"
	}
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, title))
	steps := i.switches()
	for _, s := range steps {
		p.switchStep(s.What, s.Command)
	}
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, back))
	for n := len(steps) - 1; n >= 0; n-- {
		if steps[n].Undo != "" {
			p.switchStep("", steps[n].Undo)
		}
	}
	if !i.switchesOver() {
		return
	}
	p.para(dim, 2, "The proxies stay where they are all the time, under the names they have: nothing is lost either way.")
}

// switchStep prints a command whole, to be copied, whatever the width.
func (p reporter) switchStep(what, command string) {
	if what != "" {
		p.para(dim, 2, "# "+strings.ReplaceAll(printable(what), "\n", " "))
	}
	fmt.Fprintf(p, "  %s\n", printable(command))
}
