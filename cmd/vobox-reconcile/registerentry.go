package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A confEntry is a file with one registered proxy.
type confEntry struct {
	path string // in conf.d, or among the account's registrations
	text string
}

// entryMark is the first line of the files that register writes: no other is changed or removed.
const entryMark = "# Written by vobox-reconcile register; vobox-reconcile unregister removes it.\n"

// entryFile is the name of the file for an entry.
func entryFile(name string) string { return "registered-" + name + ".yaml" }

// newEntry makes an entry for a proxy that the configuration does not know, and sees that the whole is still one.
func (r *registration) newEntry() error {
	taken := map[string]bool{plan.MachineName: true}
	for _, p := range r.cfg.Proxies {
		taken[p.Name] = true
	}
	if taken[r.f.name] && r.f.name != "" {
		return usage("--name %q is the name of another proxy", r.f.name)
	}
	r.wants.Name = firstOf(r.f.name, proxyName(r.wants.FQANs[0], r.wants.Identity, taken))
	s := entrySettings{name: r.wants.Name, dn: r.wants.Identity, fqan: r.wants.FQANs[0]}
	if r.wants.VO != r.cfg.VO {
		s.vo = r.wants.VO
	}
	return r.tryEntry(r.overlay(s).text())
}

// changeEntry applies the flags to an entry that is there. One that somebody wrote by hand is theirs to change.
func (r *registration) changeEntry(i int, p config.Proxy) error {
	file, line := r.cfg.Position(fmt.Sprintf("proxies[%d]", i))
	old, ours := readEntry(file)
	if !ours {
		var differ []string
		if d := time.Duration(r.f.hours); d != 0 && d != p.Lifetime {
			differ = append(differ, "lifetime: "+config.FormatDuration(d))
		}
		if d := time.Duration(r.f.proxySafe); d != 0 && d != p.AlertBelow {
			differ = append(differ, "alertBelow: "+config.FormatDuration(d))
		}
		if len(differ) > 0 {
			return fmt.Errorf("the proxy %s is in %s:%d with other settings; change them there (%s), or leave the flags out", p.Name, file, line, strings.Join(differ, ", "))
		}
		// What goes with it may be in a file of its own.
		old, _ = readEntry(r.entryPath())
		old.name = ""
	}
	fresh := r.overlay(old)
	if fresh.text() == old.text() {
		return nil
	}
	return r.tryEntry(fresh.text())
}

// An entrySettings is what register writes of a proxy.
type entrySettings struct {
	name, dn, vo, fqan   string // of the proxy; an empty name: it is in another file
	lifetime, alertBelow time.Duration
	storedBelow          time.Duration // myproxy.alertBelow, which is one for the whole configuration
	emails               []string
}

// overlay puts what the flags say over the settings. What other files have already is left out.
func (r *registration) overlay(s entrySettings) entrySettings {
	if d := time.Duration(r.f.hours); d != 0 && s.name != "" {
		s.lifetime = d
	}
	if d := time.Duration(r.f.proxySafe); d != 0 && s.name != "" {
		s.alertBelow = d
	}
	if d := time.Duration(r.f.myproxySafe); d != 0 && d != r.cfg.MyProxy.AlertBelow {
		s.storedBelow = d
	}
	if r.f.email != "" && !r.mailed(r.f.email) {
		s.emails = append(slices.Clone(s.emails), r.f.email)
	}
	return s
}

// text is the file; empty if there is nothing to say.
func (s entrySettings) text() string {
	var b strings.Builder
	if s.name != "" {
		b.WriteString("proxies:\n  - name: " + s.name + "\n    dn: " + yamlWord(s.dn) + "\n")
		if s.vo != "" {
			b.WriteString("    vo: " + yamlWord(s.vo) + "\n")
		}
		b.WriteString("    attributes: [" + yamlFQAN(s.fqan) + "]\n")
		if s.lifetime != 0 {
			b.WriteString("    lifetime: " + config.FormatDuration(s.lifetime) + "\n")
		}
		if s.alertBelow != 0 {
			b.WriteString("    alertBelow: " + config.FormatDuration(s.alertBelow) + "\n")
		}
	}
	if s.storedBelow != 0 {
		b.WriteString("myproxy:\n  alertBelow: " + config.FormatDuration(s.storedBelow) + "\n")
	}
	if len(s.emails) > 0 {
		b.WriteString("alerts:\n")
	}
	for _, to := range s.emails {
		b.WriteString("  - email: {to: " + yamlWord(to) + "}\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return entryMark + b.String()
}

// readEntry reads a file that register has written. One that has been edited since is not ours any more.
func readEntry(file string) (s entrySettings, ours bool) {
	data, _, err := atomicfile.Read(file, config.MaxSize)
	if err != nil || !strings.HasPrefix(string(data), entryMark) {
		return s, false
	}
	return parseEntry(string(data))
}

func parseEntry(text string) (s entrySettings, ours bool) {
	unquote := func(v string) string {
		if u, err := strconv.Unquote(v); err == nil && strings.HasPrefix(v, `"`) {
			return u
		}
		return v
	}
	span := func(v string) time.Duration {
		d, _ := time.ParseDuration(v)
		return d
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "  - name":
			s.name = value
		case "    dn":
			s.dn = unquote(value)
		case "    vo":
			s.vo = unquote(value)
		case "    attributes":
			s.fqan = unquote(strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"))
		case "    lifetime":
			s.lifetime = span(value)
		case "    alertBelow":
			s.alertBelow = span(value)
		case "  alertBelow":
			s.storedBelow = span(value)
		case "  - email":
			s.emails = append(s.emails, unquote(strings.TrimSuffix(strings.TrimPrefix(value, "{to: "), "}")))
		}
	}
	return s, s.text() == text
}

// mailed reports whether alerts go to an address already.
func (r *registration) mailed(address string) bool {
	return slices.ContainsFunc(r.cfg.Alerts, func(al config.Alert) bool { return al.Email != nil && slices.Contains(al.Email.To, address) })
}

// tryEntry loads the configuration as it will be with the entry.
func (r *registration) tryEntry(text string) error {
	r.entry = &confEntry{r.entryPath(), text}
	cfg, err := r.trial(r.configPath(), map[string][]byte{r.entry.path: []byte(text)})
	if err != nil {
		return err
	}
	r.cfg, r.want = cfg, cfg.Desired()
	return nil
}

// confd is the directory of further configuration files.
func (a *app) confd() string { return filepath.Join(filepath.Dir(a.configPath()), "conf.d") }

// entryPath is where the entry is, or else goes: beside the configuration if that is ours to write, and otherwise among the
// registrations in the state directory, which is the account's.
func (r *registration) entryPath() string {
	name := entryFile(r.wants.Name)
	beside, apart := filepath.Join(r.confd(), name), filepath.Join(r.cfg.Registered(), name)
	for _, path := range []string{beside, apart} {
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	for _, dir := range []string{r.confd(), filepath.Dir(r.configPath())} {
		err := unix.Access(dir, unix.W_OK)
		if err == nil {
			return beside
		} else if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return apart
}

// writeEntry writes the entry.
func (r *registration) writeEntry() error {
	if r.entry == nil {
		return nil
	}
	dir := filepath.Dir(r.entry.path)
	file, parent := atomicfile.Options{Mode: 0o644, UID: -1, GID: -1}, atomicfile.Options{Mode: 0o755, UID: -1, GID: -1}
	if dir == r.cfg.Registered() {
		file, parent = atomicfile.Options{Mode: 0o600, UID: r.want.UID, GID: r.want.GID}, atomicfile.Options{Mode: 0o700, UID: r.want.UID, GID: r.want.GID}
	}
	err := atomicfile.MkdirAll(dir, parent)
	if err == nil {
		_, err = atomicfile.Replace(r.entry.path, []byte(r.entry.text), file)
	}
	switch {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return &exitError{code: exitFailed, err: fmt.Errorf(
			"the proxy %s is in the repository, but with other settings than these: only root can write %s. Ask root to type:\n\n%s", r.wants.Name, dir, r.forRoot())}
	case err != nil:
		return fmt.Errorf("writing the entry: %w", err)
	}
	return nil
}

// forRoot is what root types to change an entry of root's. It has the text in it, so that root sees what it is, and need not
// take a file that belongs to an account.
func (r *registration) forRoot() string {
	return "cat > " + shellWord(r.entry.path) + " <<'END'\n" + printable(r.entry.text) + "END\n"
}
