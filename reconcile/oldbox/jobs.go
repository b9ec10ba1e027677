package oldbox

import (
	"path/filepath"
	"slices"
	"strings"
)

// A Job is a line of a crontab that has to do with proxies.
type Job struct {
	File string
	Line int
	Text string
	VO   string // whose init script it calls; empty: another program that makes or renews proxies
}

// A Unit is one of systemd's that looks after the proxies of a VO.
type Unit struct {
	Name    string
	Path    string
	Enabled bool
}

// renewers are programs that make or renew proxies.
var renewers = []string{"grid-proxy-init", "voms-proxy-init", "myproxy-logon", "myproxy-get-delegation", "lcg-proxy-renew", "arcproxy", "vobox-proxy",
	"vobox-renewd", "ProxyRenew"}

// cron looks through the system's crontabs and those of root and the accounts.
func (s Source) cron(accounts []string) []Job {
	files := []string{s.path("/etc/crontab")}
	for _, dir := range []string{"/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily"} {
		for _, name := range s.glob(dir, "*") {
			files = append(files, filepath.Join(s.path(dir), name))
		}
	}
	users := []string{"root"}
	for _, a := range accounts {
		if isName(a) && !slices.Contains(users, a) {
			users = append(users, a)
		}
	}
	for _, dir := range []string{"/var/spool/cron", "/var/spool/cron/crontabs"} {
		for _, u := range users {
			files = append(files, filepath.Join(s.path(dir), u))
		}
	}
	var jobs []Job
	for _, file := range files {
		data, err := s.read(file)
		if err != nil {
			continue
		}
		jobs = append(jobs, Jobs(file, data)...)
	}
	return jobs
}

// Jobs finds the lines of a crontab, or of a script that cron runs, that make or renew proxies. Comments do not count, nor
// do lines that name vobox-reconcile.
func Jobs(file string, data []byte) []Job {
	var jobs []Job
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.Contains(line, "vobox-reconcile") {
			continue
		}
		job := Job{File: file, Line: n, Text: line}
		switch vo, ok := serviceIn(line); {
		case ok:
			job.VO = vo
			jobs = append(jobs, job)
		case slices.ContainsFunc(renewers, func(p string) bool { return strings.Contains(line, p) }):
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// serviceIn finds <vo>-box-proxyrenewal in a line.
func serviceIn(line string) (vo string, ok bool) {
	i := strings.Index(line, serviceSuffix)
	if i < 0 {
		return "", false
	}
	start := i
	for start > 0 && strings.IndexByte(nameBytes, line[start-1]) >= 0 {
		start--
	}
	return line[start:i], isName(line[start:i])
}

// unitDirs are where systemd looks, in its order.
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator.late", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

func (s Source) units(vo string) []Unit {
	var units []Unit
	for _, dir := range unitDirs {
		for _, suffix := range []string{".service", ".timer"} {
			for _, name := range s.glob(dir, vo+serviceSuffix+"*"+suffix) {
				if slices.ContainsFunc(units, func(u Unit) bool { return u.Name == name }) {
					continue
				}
				path := filepath.Join(s.path(dir), name)
				if data, err := s.read(path); err != nil || strings.Contains(string(data), "vobox-reconcile") {
					continue // masked, or this program's own
				}
				units = append(units, Unit{Name: name, Path: path, Enabled: s.enabled(name)})
			}
		}
	}
	return units
}

func (s Source) enabled(unit string) bool {
	for _, target := range s.glob("/etc/systemd/system", "*.wants") {
		if s.exists(filepath.Join(s.path("/etc/systemd/system"), target, unit)) {
			return true
		}
	}
	return false
}

// rcLinks are the links by which SysV init starts the script: /etc/rc3.d/S99alice-box-proxyrenewal.
func (s Source) rcLinks(vo string) []string {
	var links []string
	for _, top := range []string{"/etc", "/etc/rc.d"} {
		for _, dir := range s.glob(top, "rc[0-6S].d") {
			for _, name := range s.glob(filepath.Join(top, dir), "S[0-9][0-9]"+vo+serviceSuffix) {
				links = append(links, filepath.Join(s.path(top), dir, name))
			}
		}
	}
	return links
}
