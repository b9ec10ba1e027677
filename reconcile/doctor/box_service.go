package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A process is one that runs on the box.
type process struct {
	pid  int
	uid  int
	args []string
}

// processes lists those of the box, in the order of their numbers. What ends meanwhile is passed over.
func (b *Box) processes() []process {
	entries, _ := os.ReadDir(b.system("/proc"))
	var out []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(b.system("/proc"), e.Name())
		info, err := os.Stat(dir)
		if err != nil {
			continue
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		line, err := readSmall(filepath.Join(dir, "cmdline"))
		if err != nil || !ok || len(line) == 0 {
			continue
		}
		out = append(out, process{pid, int(st.Uid), strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")})
	}
	slices.SortFunc(out, func(a, b process) int { return a.pid - b.pid })
	return out
}

// has reports whether an argument of the process has one of the texts in it.
func (p process) has(texts ...string) bool {
	return slices.ContainsFunc(p.args, func(a string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(a, t) })
	})
}

// Services of JAliEn, by what jalien-vobox.sh itself looks for in the list of processes, and the env file each reads
// when it starts.
var jalien = []struct{ name, mark, envFile string }{
	{"the CE", "alien.site.ComputingElement", "CE.env"},
	{"MonALISA", "-DMonaLisa_HOME=", "ml.env"},
}

// lookRunning compares the environment that services run with to what their env files are to say.
func lookRunning(_ context.Context, b *Box) ([]Finding, error) {
	var found []Finding
	var denied error
	for _, p := range b.processes() {
		for _, s := range jalien {
			if p.uid != b.uid() || !p.has(s.mark) {
				continue
			}
			env, err := readSmall(filepath.Join(b.system("/proc"), strconv.Itoa(p.pid), "environ"))
			switch {
			case unreadable(err):
				denied = fmt.Errorf("the environment of %s (process %d) cannot be read: run as root or %s", s.name, p.pid, b.account())
			case err == nil:
				found = append(found, b.compare(s.name, s.envFile, p.pid, env)...)
			}
		}
	}
	return found, denied
}

// compare reports the managed variables that a running service has otherwise, or not at all.
func (b *Box) compare(name, base string, pid int, environ []byte) []Finding {
	var found []Finding
	for _, f := range b.Want.EnvFiles {
		if filepath.Base(f.Path) != base {
			continue
		}
		add := adder(name, "VO-Box", "A service reads its env file once, when it starts: it goes on with what it has.")
		for _, v := range f.Set {
			want := b.value(v)
			got, set := lookupEnviron(environ, v.Name)
			if got == want && set {
				continue
			}
			words := envfile.RedactLine(v.Name + "=" + got)
			if !set {
				words = "no " + v.Name
			}
			add.add("ENV-RUNNING", plan.Warning, fmt.Sprintf("process %d runs with %s, while %s is to say %s", pid, words, f.Path, envfile.RedactLine(v.Name+"="+want)), b.restartCommand(f.Path))
		}
		found = append(found, add.found...)
	}
	return found
}

// value is what a variable is to hold.
func (b *Box) value(v plan.Var) string {
	var s strings.Builder
	for _, p := range v.Value {
		if p.Proxy == "" {
			s.WriteString(p.Text)
			continue
		}
		s.WriteString(b.Have.Credentials[p.Proxy].Path)
	}
	return s.String()
}

func lookupEnviron(environ []byte, name string) (string, bool) {
	for line := range bytes.SplitSeq(environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(line, []byte(name+"=")); ok {
			return string(value), true
		}
	}
	return "", false
}

// restartCommand restarts a service that depends on an env file.
func (b *Box) restartCommand(envFile string) string {
	for _, s := range b.Want.Services {
		switch {
		case !slices.Contains(s.EnvFiles, envFile):
		case s.Unit != "":
			return "systemctl restart " + shell(s.Unit)
		default:
			return shell(s.Restart...)
		}
	}
	return "restart it"
}

// ceThreshold is what JAliEn's CE compares the time left of the attribute certificate with, unless CE_PROXYTHRESHOLD
// says otherwise (HTCONDOR.java, ARC.java).
const ceThreshold = 46 * time.Hour

// lookCECheck reports what keeps JAliEn's own hourly check of the proxy from being made, or makes it complain for ever.
func lookCECheck(_ context.Context, b *Box) ([]Finding, error) {
	var ce *plan.EnvFile
	for i, f := range b.Want.EnvFiles {
		if filepath.Base(f.Path) == "CE.env" {
			ce = &b.Want.EnvFiles[i]
		}
	}
	if ce == nil {
		return nil, ErrNothing
	}
	var found []Finding
	off := filepath.Join(b.Want.Home, "no-proxy-check")
	if _, err := os.Lstat(off); err == nil && filepath.IsAbs(b.Want.Home) {
		add := adder(off, "VO-Box", "JAliEn passes over its check of the proxy as long as that file is there, and its log says nothing.")
		add.add("CE-NOCHECK", plan.Warning, "it exists", "rm "+shell(off))
		found = add.found
	}
	threshold, where := ceThreshold, "the CE's own"
	if data, _, err := atomicfile.Read(ce.Path, envfile.MaxSize); err == nil {
		if value, set, known := envfile.Lookup(data, "CE_PROXYTHRESHOLD"); set && known {
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 {
				add := adder(ce.Path, "VO-Box", "The CE falls over it, or takes its own threshold.")
				return add.done("CE-THRESHOLD", plan.Critical, fmt.Sprintf("CE_PROXYTHRESHOLD is %q, and must be a number of seconds", value), "write export CE_PROXYTHRESHOLD=165600 in "+ce.Path)
			}
			threshold, where = time.Duration(n)*time.Second, ce.Path
		}
	}
	return append(found, b.compareThreshold(*ce, threshold, where)...), nil
}

// compareThreshold reports proxies that are renewed later than the CE begins to complain.
func (b *Box) compareThreshold(ce plan.EnvFile, threshold time.Duration, where string) []Finding {
	var found []Finding
	for _, v := range ce.Set {
		for _, part := range v.Value {
			i := slices.IndexFunc(b.Want.Credentials, func(c plan.Credential) bool { return c.Name == part.Proxy && part.Proxy != "" })
			if i < 0 || b.Want.Credentials[i].Observe {
				continue
			}
			c := b.Want.Credentials[i]
			add := adder(c.Name, "VO-Box", "The CE then calls the old renewal service at every check, in vain, and its log is full of it.")
			below := plan.Threshold(c, b.Have.Credentials[c.Name].Grant)
			if below < threshold {
				seconds := int(below / time.Second)
				add.add("CE-THRESHOLD", plan.Warning, fmt.Sprintf("it is renewed when less than %s is left, and the CE complains below %s (%s)", plan.Span(below), plan.Span(threshold), where),
					fmt.Sprintf("write export CE_PROXYTHRESHOLD=%d in %s, or raise renewBelow and what the servers grant", seconds, ce.Path))
			}
			found = append(found, add.found...)
		}
	}
	return found
}

// lookServiceCommands reports commands and units that are not there: after a restart has begun it is too late to learn.
func lookServiceCommands(_ context.Context, b *Box) ([]Finding, error) {
	if len(b.Want.Services) == 0 {
		return nil, ErrNothing
	}
	var found []Finding
	for _, s := range b.Want.Services {
		add := adder(s.Name, "VO-Box", "A restart would stop it and not start it again.")
		if s.Unit != "" {
			b.lookUnit(add, s.Unit)
		}
		for _, argv := range append(slices.Clone(s.Preflight), s.Restart, s.Verify) {
			if len(argv) > 0 {
				b.lookCommand(add, argv[0])
			}
		}
		found = append(found, add.found...)
	}
	return found, nil
}

func (b *Box) lookCommand(add *findings, path string) {
	if !filepath.IsAbs(path) {
		return
	}
	if rest, ok := strings.CutPrefix(path, "/cvmfs/"); ok {
		repository, _, _ := strings.Cut(rest, "/")
		if entries, err := os.ReadDir(b.system("/cvmfs/" + repository)); err != nil || len(entries) == 0 {
			add.add("SVC-PREFLIGHT", plan.Critical, "/cvmfs/"+repository+" is not mounted, or empty: "+path+" cannot run", "cvmfs_config probe "+shell(repository))
			return
		}
		path = b.system(path)
	}
	info, err := os.Stat(path)
	switch {
	case unreadable(err):
	case errors.Is(err, fs.ErrNotExist):
		add.add("SVC-PREFLIGHT", plan.Critical, path+" does not exist", "ls -l "+shell(path))
	case err == nil && (info.IsDir() || info.Mode()&0o111 == 0):
		add.add("SVC-PREFLIGHT", plan.Critical, path+" is not executable", "chmod +x "+shell(path))
	}
}

// unitDirs are where systemd reads units from.
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

func (b *Box) lookUnit(add *findings, unit string) {
	file := unit
	if at := strings.Index(unit, "@"); at >= 0 {
		file = unit[:at+1] + unit[strings.LastIndex(unit, "."):]
	}
	for _, dir := range unitDirs {
		for _, name := range []string{unit, file} {
			if _, err := os.Stat(filepath.Join(b.system(dir), name)); err == nil {
				return
			}
		}
	}
	add.add("SVC-PREFLIGHT", plan.Critical, "there is no systemd unit "+unit, "systemctl status "+shell(unit))
}
