package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

const self = "vobox-reconcile"

// A cronLine is a line of a crontab.
type cronLine struct{ file, text string }

// cronLines returns what cron is told to run, and whether some crontab could not be read.
func (b *Box) cronLines() (lines []cronLine, denied bool) {
	files := []string{b.system("/etc/crontab")}
	for _, dir := range []string{"/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/var/spool/cron", "/var/spool/cron/crontabs"} {
		entries, err := os.ReadDir(b.system(dir))
		denied = denied || unreadable(err)
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, filepath.Join(b.system(dir), e.Name()))
			}
		}
	}
	for _, file := range files {
		data, err := readSmall(file)
		denied = denied || unreadable(err)
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, cronLine{strings.TrimPrefix(file, strings.TrimSuffix(b.Root, "/")), line})
			}
		}
	}
	return lines, denied
}

// enabledUnits are the units that systemd starts by itself: those some target wants.
func (b *Box) enabledUnits() []string {
	var units []string
	for _, dir := range unitDirs {
		paths, _ := filepath.Glob(filepath.Join(b.system(dir), "*.wants", "*"))
		for _, p := range paths {
			units = append(units, filepath.Base(p))
		}
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// lookSchedule reports a box on which nothing starts this program: somebody has tried it by hand, and left.
func lookSchedule(_ context.Context, b *Box) ([]Finding, error) {
	if slices.ContainsFunc(b.enabledUnits(), func(u string) bool { return strings.HasPrefix(u, self) }) {
		return nil, nil
	}
	lines, denied := b.cronLines()
	if slices.ContainsFunc(lines, func(l cronLine) bool { return strings.Contains(l.text, self) }) {
		return nil, nil
	}
	running := func(p process) bool { return strings.Contains(p.args[0], self) && slices.Contains(p.args, "--watch") }
	if slices.ContainsFunc(b.processes(), running) {
		return nil, nil
	}
	if denied {
		return nil, errors.New("this account may not read every crontab: run as root")
	}
	add := adder(self, "site admin", "Nothing is renewed but when somebody types it.")
	return add.done("SCHEDULE", plan.Warning, "no timer, no cron job and no process with --watch starts it",
		"systemctl enable --now vobox-reconcile.timer   # or vobox-reconcile-watch.service, or a line in /etc/cron.d")
}

// Renewal daemons of old.
var oldDaemons = []string{"vobox-renewd", "glite-proxy-renewd"}

// lookRivals reports other programs that renew what this one renews.
func lookRivals(_ context.Context, b *Box) ([]Finding, error) {
	add := adder(b.Want.VO, "site admin", "Two programs that renew the same files undo each other's work; the one that knows less wins now and then.")
	script := b.Want.VO + "-box-proxyrenewal"
	for _, p := range b.processes() {
		if p.has(oldDaemons...) {
			add.add("RIVAL", plan.Warning, fmt.Sprintf("process %d is %s", p.pid, strings.Join(p.args, " ")), "service "+script+" stop")
		}
	}
	own := b.ours("/etc/init.d/" + script)
	machine, managed := b.machine()
	managed = managed && !machine.Observe
	lines, _ := b.cronLines()
	for _, l := range lines {
		switch {
		case strings.Contains(l.text, self), own && strings.Contains(l.text, script):
		case managed && strings.Contains(l.text, script), managed && strings.Contains(l.text, machine.Path),
			strings.Contains(l.text, "vobox-renewd"):
			add.add("RIVAL", plan.Warning, fmt.Sprintf("%s runs %q", l.file, l.text), "remove the line from "+l.file+", or set machineProxy.manage: false if that is to make the machine proxy")
		}
	}
	for _, u := range b.enabledUnits() {
		if strings.Contains(u, "-box-proxyrenewal") && !own || strings.HasPrefix(u, "glite-proxy-renewal") {
			add.add("RIVAL", plan.Warning, "systemd starts "+u, "systemctl disable --now "+shell(u))
		}
	}
	return add.found, nil
}

// ours reports whether a name leads to this program: it answers to the names of old.
func (b *Box) ours(path string) bool {
	real, err := filepath.EvalSymlinks(b.system(path))
	return err == nil && strings.HasPrefix(filepath.Base(real), self)
}

// lookChannels reports a box that tells nobody.
func lookChannels(_ context.Context, b *Box) ([]Finding, error) {
	if b.Channels > 0 {
		return nil, nil
	}
	add := adder(b.Config, "VO-Box", "What only a person can mend is learnt of when jobs stop.")
	return add.done("ALERT", plan.Warning, "no channel for alerts is configured", "add alerts: [{email: {to: …}}], a webhook or a command, then vobox-reconcile alerts --test")
}

// Margins below which a configuration is spoken of.
const (
	leastRoom  = time.Hour      // between two renewals: cron runs hourly
	leastSpare = 12 * time.Hour // to mend what keeps a renewal from succeeding
)

// lookMargins reports configurations that leave too little time.
func lookMargins(_ context.Context, b *Box) ([]Finding, error) {
	var found []Finding
	for _, c := range b.Want.Credentials {
		if c.Observe {
			continue
		}
		add := adder(c.Name, "VO-Box", "")
		if room := c.Lifetime - c.RenewBelow; room < leastRoom {
			add.why = "It is renewed on every pass of an hourly cron job, and the servers are asked each time."
			add.add("CFG", plan.Warning, fmt.Sprintf("renewBelow %s of a lifetime of %s leaves %s between two renewals", plan.Span(c.RenewBelow), plan.Span(c.Lifetime), plan.Span(room)),
				"lower renewBelow in "+b.Config)
		}
		if c.Kind == plan.User && c.RenewBelow < leastSpare {
			add.why = "An outage of the servers that lasts longer than that ends the proxy, and an expired proxy cannot authorise its own renewal."
			add.add("CFG", plan.Warning, fmt.Sprintf("renewBelow %s leaves no more than that to get over an outage", plan.Span(c.RenewBelow)), "raise lifetime and renewBelow in "+b.Config)
		}
		found = append(found, add.found...)
	}
	return found, nil
}

// Less room than that on a file system is too little: a pass writes some ten files of some ten kilobytes.
const (
	leastBytes = 4 << 20
	leastFiles = 64
)

// room is what is left on the file system of a path for anybody: bytes and files.
func room(path string) (bytes, files uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	files = st.Ffree
	if st.Files == 0 { // btrfs and others have no limit
		files = leastFiles
	}
	return st.Bavail * uint64(st.Bsize), files, nil
}

// lookSpace reports file systems that are full: then nothing can be renewed, though the old file stays.
func lookSpace(_ context.Context, b *Box) ([]Finding, error) {
	measure := b.Room
	if measure == nil {
		measure = room
	}
	dirs := map[string]bool{b.Want.State: true}
	for _, c := range b.Want.Credentials {
		if path := b.Have.Credentials[c.Name].Path; path != "" && !c.Observe {
			dirs[filepath.Dir(path)] = true
		}
	}
	for _, f := range b.Want.EnvFiles {
		dirs[filepath.Dir(f.Path)] = true
	}
	var found []Finding
	for _, dir := range sorted(dirs) {
		bytes, files, err := measure(dir)
		if err != nil || bytes >= leastBytes && files >= leastFiles {
			continue // a directory that is not there yet is made
		}
		add := adder(dir, "site admin", "A new proxy cannot be written; the old one stays until it ends.")
		add.add("DISK-FULL", plan.Critical, fmt.Sprintf("%d KiB and %d files are left on its file system", bytes>>10, files), "df -h "+shell(dir)+"; df -i "+shell(dir))
		found = append(found, add.found...)
	}
	return found, nil
}
