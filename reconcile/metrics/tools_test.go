package metrics_test

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

func goVersion() string { return runtime.Version() }

// promtool is Debian's, from the package prometheus. Where it is not installed the test is skipped, and where CI=true it
// fails, as .ci/setup installs it.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatal("promtool is not installed: apt-get install prometheus, or .ci/setup as root")
	}
	t.Skip("NOT TESTED: promtool is not installed (package prometheus)")
	return ""
}
