package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A confEntry is a file of conf.d with one registered proxy.
type confEntry struct {
	file string // name in conf.d
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
	return r.tryEntry(r.entryText(true))
}

// changeEntry applies the flags to an entry that is there. One that somebody wrote by hand is theirs to change.
func (r *registration) changeEntry(i int, p config.Proxy) error {
	at := fmt.Sprintf("proxies[%d]", i)
	file, line := r.cfg.Position(at)
	ours := isOurEntry(file)
	var differ []string
	if r.f.hours != 0 && time.Duration(r.f.hours) != p.Lifetime {
		differ = append(differ, "lifetime: "+plan.Span(time.Duration(r.f.hours)))
	}
	if r.f.proxySafe != 0 && time.Duration(r.f.proxySafe) != p.AlertBelow {
		differ = append(differ, "alertBelow: "+plan.Span(time.Duration(r.f.proxySafe)))
	}
	if len(differ) > 0 && !ours {
		return fmt.Errorf("the proxy %s is in %s:%d with other settings; change them there (%s), or leave the flags out", p.Name, file, line, strings.Join(differ, ", "))
	}
	text := r.entryText(ours)
	if text == "" {
		return nil
	}
	if ours {
		if there, err := os.ReadFile(file); err == nil && string(there) == text {
			return nil
		}
	}
	return r.tryEntry(text)
}

// entryText is the file for this proxy. What other files have already is left out: the recipient of alerts, and the margin
// of the stored credential, which is one for the whole configuration.
func (r *registration) entryText(proxy bool) string {
	var b strings.Builder
	if proxy {
		b.WriteString("proxies:\n  - name: " + r.wants.Name + "\n    dn: " + yamlWord(r.wants.Identity) + "\n")
		if r.wants.VO != r.cfg.VO {
			b.WriteString("    vo: " + yamlWord(r.wants.VO) + "\n")
		}
		b.WriteString("    attributes: [" + yamlFQAN(r.wants.FQANs[0]) + "]\n")
		if r.f.hours != 0 {
			b.WriteString("    lifetime: " + plan.Span(time.Duration(r.f.hours)) + "\n")
		}
		if r.f.proxySafe != 0 {
			b.WriteString("    alertBelow: " + time.Duration(r.f.proxySafe).String() + "\n")
		}
	}
	if r.f.myproxySafe != 0 && time.Duration(r.f.myproxySafe) != r.cfg.MyProxy.AlertBelow {
		b.WriteString("myproxy:\n  alertBelow: " + time.Duration(r.f.myproxySafe).String() + "\n")
	}
	if r.f.email != "" && !r.mailed(r.f.email) {
		b.WriteString("alerts:\n  - email: {to: " + yamlWord(r.f.email) + "}\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return entryMark + b.String()
}

// mailed reports whether alerts go to an address already.
func (r *registration) mailed(address string) bool {
	return slices.ContainsFunc(r.cfg.Alerts, func(al config.Alert) bool { return al.Email != nil && slices.Contains(al.Email.To, address) })
}

// tryEntry loads the configuration as it will be with the entry.
func (r *registration) tryEntry(text string) error {
	r.entry = &confEntry{entryFile(r.wants.Name), text}
	cfg, err := r.trial(r.configPath(), nil, map[string][]byte{r.entry.file: []byte(text)})
	if err != nil {
		return err
	}
	r.cfg, r.want = cfg, cfg.Desired()
	return nil
}

// isOurEntry reports whether register wrote a file.
func isOurEntry(file string) bool {
	data, err := os.ReadFile(file)
	return err == nil && strings.HasPrefix(string(data), entryMark)
}

// confd is the directory of further configuration files.
func (a *app) confd() string { return filepath.Join(filepath.Dir(a.configPath()), "conf.d") }

// writeEntry writes the entry beside the configuration. The VO's account often may not: then root has to.
func (r *registration) writeEntry() error {
	if r.entry == nil {
		return nil
	}
	dir := r.confd()
	err := os.Mkdir(dir, 0o755)
	if err == nil || errors.Is(err, fs.ErrExist) {
		_, err = atomicfile.Replace(filepath.Join(dir, r.entry.file), []byte(r.entry.text), atomicfile.Options{Mode: 0o644, UID: -1, GID: -1})
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return &exitError{code: exitFailed, err: fmt.Errorf(
			"the proxy %s is in the repository, but nothing renews it yet: only root can write %s. Ask root to type:\n\n%s", r.wants.Name, dir, r.forRoot())}
	}
	return fmt.Errorf("writing the entry: %w", err)
}

// forRoot is what root types to add the entry. It has the text in it, so that root sees what it is, and need not take a file
// that belongs to an account.
func (r *registration) forRoot() string {
	path := filepath.Join(r.confd(), r.entry.file)
	return "mkdir -p " + shellWord(r.confd()) + "\ncat > " + shellWord(path) + " <<'END'\n" + printable(r.entry.text) + "END\n"
}
