package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// shell runs a command as a person would type it, and insists that it works.
func (b *box) shell(command string) string {
	b.t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	for name, value := range b.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}

// agent writes a script for start or stop that tells a pipe what it was called with, and as whom.
func (b *oldBox) agent(dir, name, more string) {
	b.t.Helper()
	b.put("var/lib/vobox/alice/"+dir+"/"+name, 0o755, "#!/bin/sh\necho \""+name+" $1 $(id -u) $HOME ${X509_USER_PROXY:-none}\" > "+b.in("var/run/pipe")+"\n"+more)
}

// told reads what an agent has said, waiting for it.
func (b *oldBox) told() string {
	b.t.Helper()
	line, err := b.pipe.ReadString('\n')
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// serviceBox is an old box that was taken over, with the program under its names.
func serviceBox(t *testing.T) (*oldBox, func(name string, args ...string) result) {
	t.Helper()
	b := newOldBox(t, gridtest.SiteOptions{})
	b.takeOver(0)
	b.env["VOBOX_RECONCILE_CONFIG"] = b.Config
	bin := b.namedPrograms()
	if err := syscall.Mkfifo(b.in("var/run/pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(b.in("var/run/pipe"), os.O_RDWR, 0) // for writing too, or it would end with the first agent
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	b.pipe = bufio.NewReader(pipe)
	return b, func(name string, args ...string) result {
		t.Helper()
		cmd := b.command(args...)
		cmd.Path, cmd.Args[0], cmd.Err = filepath.Join(bin, name), filepath.Join(bin, name), nil
		return runProcess(t, cmd)
	}
}

// The init script: a pass and the agents at the first start, a pass at each further one, which is JAliEn's hourly call, and
// what the old health tests look for.
func TestBoxService(t *testing.T) {
	b, run := serviceBox(t)
	b.agent("start", "10first", "exit 3\n")
	b.agent("start", "20second", "")
	b.put("var/lib/vobox/alice/start/.hidden", 0o755, "#!/bin/sh\nexit 1\n")
	b.agent("stop", "10first", "")
	const name = "alice-box-proxyrenewal"
	says := func(r result, code int, parts ...string) {
		t.Helper()
		r.mustBe(t, code)
		for _, p := range parts {
			if !regexp.MustCompile(p).MatchString(r.stdout + r.stderr) {
				t.Errorf("it does not say %q:\n%s%s", p, r.stdout, r.stderr)
			}
		}
	}
	says(run(name), 2, `Usage: alice-box-proxyrenewal \{start\|stop\|restart\|status\|proxy\}`)
	says(run(name, "frob"), 2, "Usage")
	says(run(name, "status"), 3, `Service\s+not\s+running`)

	says(run("S99"+name, "start"), 0, "all proxies are as they should be", "starting VO agents in the background")
	home := "[^ ]+"
	for _, want := range []string{"10first start", "20second start"} { // in this order, although the first fails
		if got := b.told(); !regexp.MustCompile("^" + want + ` \d+ ` + home + " none$").MatchString(got) {
			t.Errorf("the agent was called as %q, want %q", got, want)
		}
	}
	says(run(name, "status"), 0, `Service\s+running\s+in\s+pid`, `lcgadmin: 47h\d+m left`, `machine-proxy: 23h\d+m left`)

	// JAliEn calls start when the proxy runs low. The old answer was all that happened.
	b.register("/CN=1234567890", 10*time.Hour)
	r := run(name, "start")
	says(r, 0, "already running", "renew proxy lcgadmin: done")
	if strings.Contains(r.stdout, "agents") {
		t.Errorf("the agents were started again:\n%s", r.stdout)
	}
	b.mustRestarts(0)
	says(run("vobox-proxy", "query-proxy-timeleft", "--dn", "all"), 0, `^17\d{4}\n$`)

	// Nobody answers: the call ends all the same, and says why.
	b.register("/CN=1234567890", 10*time.Hour)
	b.AllowBox(false)
	says(run(name, "start"), 0, "already running", "renew proxy lcgadmin: failed", "MP-PASS")
	b.AllowBox(true)

	stopped := make(chan result)
	go func() { stopped <- run(name, "stop") }()
	if got := b.told(); !strings.HasPrefix(got, "10first stop ") {
		t.Errorf("the agent was called as %q", got)
	}
	says(<-stopped, 0, "stopping VO agents, for 30s at most")
	says(run(name, "status"), 3)

	if err := os.Remove(b.file); err != nil {
		t.Fatal(err)
	}
	says(run("vobox-reconcile", "box-proxyrenewal", "--vo", "alice", "adopt"), 0)
	says(run(name, "status"), 1, `Service\s+running\s+in\s+pid`, "lcgadmin: there is no file")

	log := string(read(t, b.in("var/lib/vobox/alice/log/agents.log")))
	for _, line := range []string{`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d Starting 10first`, `10first: .* ended with exit code 3`, `Starting 20second`, `Stopping 10first`} {
		if !regexp.MustCompile("(?m)^" + line + "|" + line + "$").MatchString(log) {
			t.Errorf("the log has no line %s:\n%s", line, log)
		}
	}
}

// proxy makes a new machine proxy, whatever is left of the old one, and says nothing when all is well, for cron.
func TestBoxServiceProxy(t *testing.T) {
	b, run := serviceBox(t)
	before := string(read(t, b.machineProxy()))
	r := run("alice-box-proxyrenewal", "proxy")
	r.mustBe(t, 0)
	if r.stdout+r.stderr != "" {
		t.Errorf("it says %s%s", r.stdout, r.stderr)
	}
	if string(read(t, b.machineProxy())) == before {
		t.Error("the machine proxy is the old one")
	}
	// Also where the configuration leaves it to another program: that is this one.
	b.edit(b.Config, "machineProxy:\n", "machineProxy:\n  manage: false\n")
	before = string(read(t, b.machineProxy()))
	run("alice-box-proxyrenewal", "proxy").mustBe(t, 0)
	if string(read(t, b.machineProxy())) == before {
		t.Error("manage: false kept the script from its work")
	}
	if err := os.Remove(b.HostKey); err != nil {
		t.Fatal(err)
	}
	if r := run("alice-box-proxyrenewal", "proxy"); r.code != 1 || !strings.Contains(r.stdout+r.stderr, "HOST-CERT") {
		t.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// Under the name of another VO it does nothing; without a configuration it says what makes one.
func TestBoxServiceOfAnotherVO(t *testing.T) {
	b := newOldBox(t, gridtest.SiteOptions{})
	b.takeOver(0)
	b.env["VOBOX_RECONCILE_CONFIG"] = b.Config
	if r := b.must(1, "box-proxyrenewal", "--vo", "cms", "start"); !strings.Contains(r.stderr, "cms-box-proxyrenewal: the configuration "+b.Config+" is for the VO alice") {
		t.Errorf("%s", r.stderr)
	}
	b.must(3, "box-proxyrenewal", "--vo", "ALICE", "status")
	b.env["VOBOX_RECONCILE_CONFIG"] = b.in("none.yaml")
	if r := b.must(78, "box-proxyrenewal", "--vo", "alice", "start"); !strings.Contains(r.stderr, "vobox-reconcile init") {
		t.Errorf("%s", r.stderr)
	}
}

// The scripts run as the account, also when root starts them, and leave nothing of root's behind.
func TestBoxServiceByRoot(t *testing.T) {
	a := someAccount(t)
	b := ownedBox(t, a)
	start := filepath.Join(b.Root, "start")
	if err := os.MkdirAll(start, 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(b.Root, "who")
	if err := os.WriteFile(filepath.Join(start, "agent"), []byte("#!/bin/sh\n(id -u; id -g) > "+out+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.process("box-proxyrenewal", "--vo", "alice", "agents").mustBe(t, 0)
	uid, gid, _ := owner(t, out)
	if uid != a.uid || gid != a.gid {
		t.Errorf("the agent ran as %d:%d", uid, gid)
	}
	b.process("box-proxyrenewal", "--vo", "alice", "adopt").mustBe(t, 0)
	for _, path := range []string{b.Root + "/log", b.Root + "/log/agents.log", b.state() + "/started"} {
		if uid, _, _ := owner(t, path); uid != a.uid {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
	// The account sees that root has started it.
	b.process().mustBe(t, 0)
	b.processAs(a, "box-proxyrenewal", "--vo", "alice", "status").mustBe(t, 0)
}

// A container that starts anew on the same kernel is another boot; one that cannot see process 1 is not.
func TestSameBoot(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"x 1", "x 1", true}, {"x 1", "x 2", false}, {"x 1", "y 1", false}, {"x -", "x 1", true}, {"x 1", "x -", true},
		{"- -", "- -", false}, {"- 1", "- 1", true}, {"", "x 1", false}, {"x 1 2", "x 1", false},
	} {
		if got := sameBoot(tt.a, tt.b); got != tt.want {
			t.Errorf("sameBoot(%q, %q) = %t", tt.a, tt.b, got)
		}
	}
	if id := thisBoot(); !sameBoot(id, id) {
		t.Errorf("this boot is %q", id)
	}
}
