package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/oldbox"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A draft is the text of a configuration. Keys that would be the defaults are left out.
type draft struct {
	strings.Builder
}

// line writes key and value with a comment, which is a line's.
func (d *draft) line(indent int, key, value, comment string) {
	text := strings.Repeat(" ", indent) + key + ":"
	if value != "" {
		text += " " + value
	}
	d.raw(text, comment)
}

func (d *draft) raw(text, comment string) {
	if comment != "" {
		text = fmt.Sprintf("%-48s # %s", text, oneComment(comment))
	}
	d.WriteString(strings.TrimRight(text, " ") + "\n")
}

// note writes lines of comment.
func (d *draft) note(lines ...string) {
	for _, l := range lines {
		d.WriteString(strings.TrimRight("# "+oneComment(l), " ") + "\n")
	}
}

// compose writes the configuration.
func (i *initiator) compose() error {
	var d draft
	d.note(fmt.Sprintf("Written by vobox-reconcile init on %s from what was found on this box. What is not here has its", i.now().UTC().Format(time.DateOnly)),
		"default; examples/reference.yaml explains every key. To see what a pass would do: vobox-reconcile --dry-run")
	d.line(0, "version", "1", "")
	d.line(0, "vo", yamlWord(strings.ToLower(i.vo.Name)), "")
	d.line(0, "user", yamlWord(i.vo.Account.Name), i.vo.Why)
	if i.vo.Dir != "/var/lib/vobox/"+strings.ToLower(i.vo.Name) {
		d.line(0, "root", yamlWord(i.vo.Dir), "")
	}
	i.composeTrust(&d)
	if cert := i.box.Host; cert.Path != "/etc/grid-security/hostcert.pem" {
		d.line(0, "machineProxy", "", "")
		d.line(2, "cert", yamlWord(cert.Path), "")
		d.line(2, "key", yamlWord(cert.Key), "")
	}
	d.line(0, "myproxy", "", "")
	d.line(2, "server", yamlWord(i.server.Value), firstOf(i.server.From, ""))
	i.composeProxies(&d)
	i.composeEnvFiles(&d)
	i.composeServices(&d)
	d.WriteString("\n")
	d.note("To whom the old daemon sent its mails is in records that only it can read. To be told here:",
		"alerts:", "  - email: {to: you@example.org}")
	i.text = d.String()
	return nil
}

func (i *initiator) composeTrust(d *draft) {
	var lines [][2]string
	if v := i.certificates(); v != "/etc/grid-security/certificates" {
		lines = append(lines, [2]string{"certificates", yamlWord(v)})
	}
	if v := i.vomsdir(); v != "/etc/grid-security/vomsdir" {
		lines = append(lines, [2]string{"vomsdir", yamlWord(v)})
	}
	if v := i.vomses(); !slices.Equal(v, []string{"/etc/vomses"}) {
		var words []string
		for _, p := range v {
			words = append(words, yamlWord(p))
		}
		lines = append(lines, [2]string{"vomses", "[" + strings.Join(words, ", ") + "]"})
	}
	if len(lines) == 0 {
		return
	}
	d.line(0, "trust", "", "")
	for _, l := range lines {
		d.line(2, l[0], l[1], "")
	}
}

func (i *initiator) composeProxies(d *draft) {
	if len(i.stays) == 0 {
		d.WriteString("\n")
		d.note("No user proxy was found. Log in with one and type: vobox-reconcile register")
		d.line(0, "proxies", "[]", "")
		return
	}
	d.WriteString("\n")
	d.line(0, "proxies", "", "")
	for _, r := range i.stays {
		d.raw("  - name: "+r.name, r.note)
		d.line(4, "dn", yamlWord(r.Identity), "")
		if r.VO != "" && r.VO != strings.ToLower(i.vo.Name) {
			d.line(4, "vo", yamlWord(r.VO), "")
		}
		if r.Primary != "" {
			d.line(4, "attributes", "["+yamlFQAN(r.Primary)+"]", "")
		}
		if r.lifetime != 0 {
			d.line(4, "lifetime", plan.Span(r.lifetime), "as long as the proxy that is there was made for")
		}
		switch {
		case r.pattern != "":
			d.WriteString("    # Of the files of this pattern the valid one that lasts longest; it is renewed in place.\n")
			d.line(4, "path", yamlWord(r.pattern), "")
		case r.path != "":
			d.WriteString("    # The file that is there stays the one that is used, and is renewed in place.\n")
			d.line(4, "path", yamlWord(r.path), "")
		}
	}
}

// An envEntry is one env file for the configuration.
type envEntry struct {
	path   string
	set    []string // NAME: value, as YAML
	expect []string
	off    string // why it is commented out; empty: it holds already
}

func (i *initiator) composeEnvFiles(d *draft) {
	var on, off []envEntry
	for _, f := range i.vo.EnvFiles {
		if strings.HasSuffix(f.Path, "/"+oldbox.VersionFile) {
			continue
		}
		e := i.envEntry(f)
		switch {
		case len(e.set) == 0 && len(e.expect) == 0:
		case e.off == "":
			on = append(on, e)
		default:
			off = append(off, e)
		}
	}
	if len(on)+len(off) == 0 {
		return
	}
	d.WriteString("\n")
	if len(on) > 0 {
		d.line(0, "envFiles", "", "")
		for _, e := range on {
			i.composeEnvFile(d, e, "")
		}
	}
	if len(off) == 0 {
		return
	}
	d.note("What follows would change files, and restart the services once. Take the # away when that suits.")
	if len(on) == 0 {
		d.WriteString("#envFiles:\n")
	}
	for _, e := range off {
		d.note(i.nameOf(e.path) + " " + e.off)
		i.composeEnvFile(d, e, "#")
	}
}

func (i *initiator) composeEnvFile(d *draft, e envEntry, off string) {
	d.WriteString(off + "  - path: " + yamlPath(i.nameOf(e.path)) + "\n")
	d.WriteString(off + "    set: {" + strings.Join(e.set, ", ") + "}\n")
	if len(e.expect) > 0 {
		d.WriteString(off + "    expect: {" + strings.Join(e.expect, ", ") + "}\n")
	}
}

// nameOf writes a path below the account's home with ~, on a box of which / is the real one.
func (i *initiator) nameOf(path string) string {
	home := i.vo.Account.Home
	if i.f.root != "" || home == "" || home != i.home(i.vo.Account.Name) {
		return path
	}
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(home, "/")+"/"); ok {
		return "~" + i.vo.Account.Name + "/" + rest
	}
	return path
}

// envEntry says what the configuration keeps of an env file: what it has already, or else, commented out, what it would have.
func (i *initiator) envEntry(f oldbox.EnvFile) envEntry {
	e := envEntry{path: f.Path}
	i.keepProxy(f, &e)
	if v, set, known := f.Value("MYPROXY_SERVER"); set && known && v == i.server.Value {
		e.set = append(e.set, "MYPROXY_SERVER: "+yamlValue(v))
	}
	if !strings.HasSuffix(f.Path, "/"+oldbox.AliEnvironment) {
		return e
	}
	if v, set, known := f.Value("ALIEN_USER"); set && known && v != "" {
		e.expect = append(e.expect, "ALIEN_USER: "+yamlValue(v))
		i.lookAtUser(f.Path, v)
	}
	return e
}

// keepProxy looks at what an env file makes of X509_USER_PROXY.
func (i *initiator) keepProxy(f oldbox.EnvFile, e *envEntry) {
	const variable = "X509_USER_PROXY"
	value, set, known := f.Value(variable)
	if !set || len(i.stays) == 0 {
		return
	}
	r := i.stays[0]
	pattern, newest := f.NewestRule(variable)
	switch {
	case known:
		r, e.off = i.literalProxy(f, value)
	case newest:
		r = i.matching(pattern)
		e.off = i.newestProxy(f, pattern, r)
	default:
		e.off = "lets the shell find the proxy."
	}
	e.set = append(e.set, fmt.Sprintf(`%s: "${proxy.%s}"`, variable, r.name))
}

// literalProxy finds the proxy whose path is written in an env file.
func (i *initiator) literalProxy(f oldbox.EnvFile, value string) (r registered, off string) {
	for _, r := range i.stays {
		if r.file(i.vo) == value {
			return r, ""
		}
	}
	for _, r := range i.stays {
		if slices.ContainsFunc(r.Files, func(e *oldbox.Entry) bool { return e.Path == value }) {
			i.tell("ENV-PROXY", plan.Warning, f.Path, fmt.Sprintf("names %s; the valid proxy of the same person and attributes that lasts longest is %s", value, r.file(i.vo)),
				"take the # away from this file in "+i.path, "VO-Box")
			return r, "names another file of the same person and attributes, which does not last as long."
		}
	}
	i.tell("ENV-PROXY", plan.Warning, f.Path, "names "+value+", which is none of the proxies to keep", "take the # away from this file in "+i.path, "VO-Box")
	return i.stays[0], "names " + value + "."
}

// matching is the proxy that a pattern means.
func (i *initiator) matching(pattern string) registered {
	for _, r := range i.stays {
		if ok, err := filepath.Match(pattern, r.file(i.vo)); ok && err == nil {
			return r
		}
	}
	return i.stays[0]
}

// newestProxy compares the newest file, which the manuals' line takes, with the one that lasts longest of those that are
// valid and of the right person and attributes.
func (i *initiator) newestProxy(f oldbox.EnvFile, pattern string, r registered) (off string) {
	newest := i.vo.Newest(pattern)
	remedy := "take the # away from this file in " + i.path
	switch {
	case newest == nil:
		i.tell("REPO-NEWEST", plan.Critical, f.Path, "takes the newest file of "+pattern+", and there is none", remedy, "VO-Box")
		return "takes the newest file of the repository, and there is none."
	case newest.Path == r.file(i.vo):
		return "takes the newest file of the repository, which is the proxy above as long as nobody adds another."
	}
	severity, why := plan.Warning, "is valid, but does not last as long as "
	if !newest.Usable() {
		severity, why = plan.Critical, "cannot be used ("+firstOf(whyNot(*newest), "it expired")+"), other than "
	} else if newest.Primary() != r.Primary || !sameDN(newest.Identity(), r.Identity) {
		why = "is another person's or has other attributes than "
	}
	i.tell("REPO-NEWEST", severity, f.Path, "takes the newest file, "+newest.Path+", which "+why+r.file(i.vo), remedy, "VO-Box")
	return "takes the newest file of the repository, and that is not the proxy above now."
}

// lookAtUser compares ALIEN_USER with the owner of the certificate, where that is known: by the attribute nickname, which
// ALICE's VOMS server gives, or from a DN of CERN.
func (i *initiator) lookAtUser(file, user string) {
	if len(i.stays) == 0 {
		return
	}
	owners := ownersOf(i.stays[0])
	if len(owners) == 0 || slices.Contains(owners, user) {
		return
	}
	i.tell("ENV-EXPECT", plan.Critical, file, fmt.Sprintf("has ALIEN_USER=%s, and the certificate is that of %s", user, strings.Join(owners, " or ")),
		"correct ALIEN_USER, then restart all services; or register the proxy of "+user, "VO-Box")
}

// ownersOf are the account names that a certificate speaks of.
func ownersOf(r registered) []string {
	if r.Best != nil && r.Best.Report != nil {
		for _, ac := range r.Best.Report.ACs {
			for _, attr := range ac.Attributes {
				if attr.Name == "nickname" && attr.Value != "" {
					return []string{attr.Value}
				}
			}
		}
	}
	// CERN's certificates have the account in the DN; of others nothing can be told.
	_, rest, ok := strings.Cut(r.Identity, "/OU=Users/CN=")
	if user, _, more := strings.Cut(rest, "/"); ok && more {
		return []string{user}
	}
	return nil
}

// jalien is where ALICE has its start-up script.
const jalien = "/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh"

func (i *initiator) composeServices(d *draft) {
	if i.vo.Name != "alice" {
		return
	}
	d.WriteString("\n")
	script, off := i.below(jalien), ""
	if _, err := os.Stat(script); err != nil {
		d.note(script+" cannot be seen: is CVMFS mounted?", "Take the # away when it is.")
		off = "#"
	}
	d.WriteString(off + "services:\n")
	d.WriteString(off + "  - name: jalien" + strings.Repeat(" ", 33) + "# restarted only when an env file above changes\n")
	d.WriteString(off + "    restart: [" + yamlWord(script) + ", restart]\n")
	if bin := i.below("/cvmfs/alice.cern.ch/bin"); off == "" {
		if info, err := os.Stat(bin); err == nil && info.IsDir() {
			d.WriteString("    preflight: [[/usr/bin/test, -d, " + yamlWord(bin) + "]]\n")
		}
	}
}
