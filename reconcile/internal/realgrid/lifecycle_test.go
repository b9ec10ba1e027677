package realgrid_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

func TestLoopbackOnly(t *testing.T) {
	g := realgrid.Shared(t)
	ports := map[string]int{
		"myproxy-site":   g.SitePolicy().Port,
		"myproxy-sample": g.SamplePolicy().Port,
		"vomsd of alice": g.Alice().Port,
		"vomsd of dteam": g.Dteam().Port,
		"mariadbd":       0, // a socket of the file system, no TCP
	}
	pids := g.PIDs()
	for name, port := range ports {
		addrs, err := realgrid.Listening(pids[name])
		if err != nil {
			t.Errorf("%s (process %d): %v", name, pids[name], err)
		}
		if port == 0 {
			if len(addrs) != 0 {
				t.Errorf("%s listens on %v, want nothing", name, addrs)
			}
			continue
		}
		if want := fmt.Sprintf("127.0.0.1:%d", port); len(addrs) != 1 || addrs[0].String() != want {
			t.Errorf("%s listens on %v, want %s", name, addrs, want)
		}
	}
}

func TestProcAddr(t *testing.T) {
	for in, want := range map[string]string{
		"0100007F:1D58":                         "127.0.0.1:7512",
		"00000000:0050":                         "0.0.0.0:80",
		"0000000000000000FFFF00000100007F:3A98": "127.0.0.1:15000",
		"00000000000000000000000001000000:3A98": "[::1]:15000",
		"00000000000000000000000000000000:3A98": "[::]:15000",
	} {
		if got, err := realgrid.ProcAddr(in); err != nil || got.String() != want {
			t.Errorf("ProcAddr(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "0100007F", "xx:1D58", "0100007F:zzzz", "01:1D58"} {
		if got, err := realgrid.ProcAddr(bad); err == nil {
			t.Errorf("ProcAddr(%q) = %v, want an error", bad, got)
		}
	}
}

// crashVariable makes TestCrash, run in a process of its own, do the deed.
const crashVariable = "REALGRID_TEST_CRASH"

// A grid as it was when its test binary crashed.
type remains struct {
	Dir  string
	PIDs map[string]int
}

// A panic outside the test's own goroutine ends the binary there and then: no
// deferred function, no Cleanup, no TestMain. Nothing may be left all the same.
func TestCrash(t *testing.T) {
	if os.Getenv(crashVariable) != "" {
		g := realgrid.Shared(t)
		g.SitePolicy()
		g.Dteam()
		left, err := json.Marshal(remains{g.Dir, g.PIDs()})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("left %s\n", left)
		go panic("as intended")
		select {}
	}
	realgrid.Shared(t).Dteam() // skips where the servers are not installed
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), crashVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "as intended") {
		t.Fatalf("the other process did not crash (%v):\n%s", err, out)
	}
	_, line, _ := strings.Cut(string(out), "left ")
	line, _, _ = strings.Cut(line, "\n")
	var left remains
	if err := json.Unmarshal([]byte(line), &left); err != nil {
		t.Fatalf("reading %q: %v", line, err)
	}
	if len(left.PIDs) != 3 {
		t.Fatalf("servers were %v, want three", left.PIDs)
	}
	if still := waitGone(left, time.Minute); still != "" {
		t.Errorf("after the crash: %s", still)
	}
}

// waitGone waits until nothing of a grid is left, and returns what still is.
func waitGone(left remains, patience time.Duration) string {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		still := ""
		for name, pid := range left.PIDs {
			if running(pid) {
				still = fmt.Sprintf("%s still runs as process %d", name, pid)
			}
		}
		if _, err := os.Stat(left.Dir); err == nil {
			still = left.Dir + " is still there"
		}
		if still == "" || time.Now().After(end) {
			return still
		}
	}
}

// running tells whether a process is there and is more than a zombie: who
// collects an orphan's status is not in our hands.
func running(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}

func TestStartEndsWithItsTest(t *testing.T) {
	var left remains
	t.Run("use", func(t *testing.T) {
		g := realgrid.Start(t)
		g.SitePolicy()
		left = remains{g.Dir, g.PIDs()}
	})
	if left.Dir == "" {
		t.Skip("the servers are not installed")
	}
	if still := waitGone(left, 0); still != "" {
		t.Error(still)
	}
}

// recorder is a TB that remembers how it was ended.
type recorder struct {
	realgrid.TB
	skipped, failed string
}

func (r *recorder) Helper()                      {}
func (r *recorder) Skipf(f string, args ...any)  { r.skipped = fmt.Sprintf(f, args...) }
func (r *recorder) Fatalf(f string, args ...any) { r.failed = fmt.Sprintf(f, args...) }

func TestRequireTools(t *testing.T) {
	const want = "not installed: no-such-tool"
	for _, tt := range []struct {
		ci, tool, skipped, failed string
	}{
		{"", "sh", "", ""},
		{"true", "sh", "", ""},
		{"", "no-such-tool", want, ""},
		{"true", "no-such-tool", "", want},
	} {
		t.Setenv("CI", tt.ci)
		var r recorder
		realgrid.RequireTools(&r, tt.tool)
		if r.skipped != tt.skipped || r.failed != tt.failed {
			t.Errorf("CI=%q, %s: skipped %q, failed %q; want %q, %q", tt.ci, tt.tool, r.skipped, r.failed, tt.skipped, tt.failed)
		}
	}
}
