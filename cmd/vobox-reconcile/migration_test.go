package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

const migrationPage = "../../examples/migration.md"

// A typed line is one of examples/migration.md that is to work.
type typed struct {
	section, prompt, line string
	number                int
}

// typedLines are the lines with a prompt in the blocks of now.
func typedLines(t *testing.T) (lines []typed) {
	t.Helper()
	section, inside := "", false
	for n, line := range strings.Split(string(read(t, migrationPage)), "\n") {
		switch {
		case strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside:
			prompt, command, ok := strings.Cut(line, "> ")
			if !ok || !slices.Contains([]string{"LCG-UI", "VO-Box", "root"}, prompt) {
				t.Fatalf("%s:%d: no prompt: %s", migrationPage, n+1, line)
			}
			lines = append(lines, typed{section, prompt, command, n + 1})
		}
	}
	return lines
}

// A session is where the page's lines are typed: a user interface and a box, as far as the programs can tell.
type session struct {
	*oldBox
	bin string
	env map[string]map[string]string // by prompt
}

func newSession(t *testing.T, b *oldBox) *session {
	s := &session{oldBox: b, bin: b.namedPrograms()}
	base := maps.Clone(b.box.env)
	for _, assignment := range b.Env() {
		name, value, _ := strings.Cut(assignment, "=")
		base[name] = value
	}
	base["PATH"] = s.bin + ":" + os.Getenv("PATH")
	base["X509_USER_PROXY"] = b.LoginProxy
	base["VOBOX_RECONCILE_CONFIG"] = b.Config
	s.env = map[string]map[string]string{"LCG-UI": maps.Clone(base), "VO-Box": maps.Clone(base), "root": maps.Clone(base)}
	for _, prompt := range []string{"VO-Box", "root"} {
		for _, name := range []string{"X509_USER_CERT", "X509_USER_KEY"} { // those stay on the user interface
			delete(s.env[prompt], name)
		}
	}
	return s
}

// namedPrograms makes a directory with the program under its names.
func (b *oldBox) namedPrograms() string {
	b.t.Helper()
	path := program(b.t)
	if !filepath.IsAbs(path) {
		var err error
		if path, err = exec.LookPath(path); err != nil {
			b.t.Fatal(err)
		}
	}
	dir := filepath.Join(b.Dir, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, name := range []string{"vobox-reconcile", "vobox-proxy", "alice-box-proxyrenewal", "S99alice-box-proxyrenewal"} {
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			b.t.Fatal(err)
		}
	}
	return dir
}

// local is a line with the names of this session in the place of those of a real site.
func (s *session) local(line string) string {
	if strings.HasPrefix(line, "vobox-reconcile init") {
		line += " --root " + s.root + " --output-file " + s.Config + " --yes"
	}
	return strings.NewReplacer("/var/lib/vobox/", s.root+"/var/lib/vobox/", "/etc/init.d/", s.root+"/etc/init.d/", "myproxy.cern.ch", s.MyProxy.Addr()).Replace(line)
}

func (s *session) typeLine(l typed) result {
	s.t.Helper()
	env := s.env[l.prompt]
	shell := func(script string) result {
		cmd := exec.Command("sh", "-c", script)
		for _, name := range slices.Sorted(maps.Keys(env)) {
			cmd.Env = append(cmd.Env, name+"="+env[name])
		}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if cmd.ProcessState == nil {
			s.t.Fatal(err)
		}
		return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
	line := s.local(l.line)
	if m := regexp.MustCompile(`^export ([A-Z0-9_]+)=(.*)$`).FindStringSubmatch(line); m != nil {
		r := shell("set -e\n" + m[1] + "=" + m[2] + "\nprintf %s \"$" + m[1] + "\"")
		env[m[1]] = r.stdout
		return r
	}
	return shell(line)
}

// Every line of examples/migration.md that is to be typed works, in the order of the page: the first section on a box with
// a healthy old machinery, the others on one whose user has not been there yet.
func TestMigrationPage(t *testing.T) {
	old := newSession(t, newOldBox(t, gridtest.SiteOptions{}))
	fresh := newSession(t, newOldBox(t, gridtest.SiteOptions{NotStored: true}))
	for _, path := range []string{fresh.file, fresh.LoginProxy, fresh.init} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	fresh.takeOver(0)
	script := fresh.must(0, "--config", fresh.Config, "init", "--print", "init-script")
	fresh.put("etc/init.d/alice-box-proxyrenewal", 0o755, strings.Replace(script.stdout, "exec /usr/local/bin/vobox-reconcile", "exec vobox-reconcile", 1))

	lines := typedLines(t)
	if len(lines) < 25 {
		t.Fatalf("%d lines: the page is not read as it should be", len(lines))
	}
	section := ""
	for _, l := range lines {
		s := fresh
		if l.section == "Taking over a box" {
			s = old
		}
		if l.section != section { // somebody who has logged in anew
			section = l.section
			s.env["VO-Box"]["X509_USER_PROXY"] = s.LoginProxy
		}
		r := s.typeLine(l)
		if r.code != 0 {
			t.Errorf("%s:%d: %s> %s: exit code %d\n%s%s", migrationPage, l.number, l.prompt, l.line, r.code, r.stdout, r.stderr)
		}
		if want, ok := migrationSays[l.prompt+"> "+l.line]; ok && !strings.Contains(r.stdout, want) {
			t.Errorf("%s:%d: %s> %s does not say %q:\n%s", migrationPage, l.number, l.prompt, l.line, want, r.stdout)
		}
	}
}

// migrationSays is what the page promises of some of its lines.
var migrationSays = map[string]string{
	"root> vobox-reconcile init":                                           "its first pass changes nothing",
	"VO-Box> vobox-reconcile --dry-run":                                    "nothing to do",
	"VO-Box> vobox-reconcile register -t 48":                               "OK: registration of lcgadmin successfull, lifetime 47h",
	"VO-Box> vobox-proxy query -dn all":                                    "Proxy Time Left (seconds): 17",
	"LCG-UI> vobox-reconcile inspect -all $X509_USER_PROXY":                "attribute : /alice/Role=lcgadmin",
	"VO-Box> /etc/init.d/alice-box-proxyrenewal status":                    "Service running in pid",
	"LCG-UI> vobox-reconcile stored -s myproxy.cern.ch -d":                 "timeleft",
	"VO-Box> vobox-reconcile unregister --voms alice:/alice/Role=lcgadmin": "registered no more",
}

// The page's table names the test of each flag and line, and there is such a test.
func TestMigrationTable(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		source.Write(read(t, f))
	}
	rows := 0
	for line := range strings.Lines(string(read(t, migrationPage))) {
		cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
		name := strings.TrimSpace(cells[len(cells)-1])
		if !strings.HasPrefix(line, "| ") || !strings.HasPrefix(name, "Test") {
			continue
		}
		if rows++; !strings.Contains(source.String(), "func "+name+"(") {
			t.Errorf("there is no test %s, of:\n%s", name, line)
		}
	}
	if rows < 20 {
		t.Errorf("the table has %d rows", rows)
	}
}

// The files for the init system in examples are those that init prints.
func TestExampleServiceFiles(t *testing.T) {
	b := &box{t: t, env: map[string]string{}, now: nil}
	for file, what := range map[string]string{"alice-box-proxyrenewal.init": "init-script", "alice-box-proxyrenewal.service": "unit"} {
		got := b.must(0, "init", "--print", what, "--vo", "alice").stdout
		path := filepath.Join("..", "..", "examples", file)
		if *update {
			write(t, path, got)
		}
		if want := string(read(t, path)); got != want {
			t.Errorf("%s is not what init --print %s prints (-update writes it):\n%s", path, what, got)
		}
	}
}
