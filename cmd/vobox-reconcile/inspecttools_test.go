package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// The tools whose switches inspect has. What is called voms-proxy-info on Debian and Enterprise Linux is the third.
const (
	grid  = "grid-proxy-info"
	voms2 = "voms-proxy-info2" // C++
	voms3 = "voms-proxy-info3" // Java
)

// A difference is where inspect does not do what a tool does. Where the tools differ, inspect does as the Java edition,
// unless that is wrong about the proxy.
type difference struct{ tool, file, switches, why string }

const everyFile = ""

var differences = []difference{
	{grid, everyFile, "-type", "it says RFC 3820 with a space, and more"},
	{grid, "expired", "-timeleft", "it prints -1, voms-proxy-info 0"},
	{grid, "expired", "-exists -timeleft", "likewise"},
	{grid, "future", "-exists", "it takes a proxy that begins in two hours for valid, the Java edition does not"},
	{grid, "ec", "-strength", "it prints the size of a signature"},
	{grid, "certificate", everySwitch, "it reads nothing without a key; the C++ edition does"},
	{voms2, everyFile, "-type", "it has other words, and none for limited RFC 3820 proxies"},
	{voms2, everyFile, "-serial", "it prints hexadecimal, the Java edition decimal"},
	{voms2, "deep", "-identity", "it prints the issuer, which is no identity; grid-proxy-info prints the user's"},
	{voms2, "expired", "-identity", "as for deep"},
	{voms2, "outlives", "-identity", "as for deep"},
	{voms2, "eec", "-identity", "as for deep: it prints the CA"},
	{voms2, "certificate", "-identity", "as for deep: it prints the CA"},
	{voms2, "outlives", "-timeleft", "it looks at the last proxy only, which ends after its issuer; grid-proxy-info does not"},
	{voms2, "outlives", "-exists -valid 2:0", "as for -timeleft"},
	{voms2, "future", "-exists", "as grid-proxy-info"},
	{voms2, "outlives", "-exists -timeleft", "as for -timeleft"},
	{voms2, "certificate", "-exists", "a certificate is no proxy, say the other two"},
	{voms2, "certificate", "-exists -valid 2:0", "likewise"},
	{voms2, "certificate", "-exists -valid 47:0", "likewise"},
	{voms2, "certificate", "-exists -bits 2048", "likewise"},
	{voms2, "certificate", "-exists -timeleft", "likewise"},
	{voms2, "ec", "-strength", "it prints the size of a signature"},
	{voms3, "outlives", allValues, "it looks at the last proxy only"},
	{voms3, "outlives", "-exists -valid 2:0", "likewise"},
	{voms3, "ec", allValues, "it fails: no ECKey is an RSAKey"},
	{voms3, "name", allValues, "it prints /EMAILADDRESS= where OpenSSL has /emailAddress=, and no escapes"},
	{voms3, "certificate", allValues, "it reads nothing without a key; the C++ edition does"},
}

const (
	everySwitch = ""
	// allValues has no -identity: together with -issuer, the Java edition prints one line for the two.
	allValues = "-type -subject -issuer -path -strength -timeleft -acsubject -actimeleft -acissuer -serial -vo -fqan -uri"
)

// lists tells which entry speaks of that; -1 for none.
func lists(tool, file, switches string) int {
	return slices.IndexFunc(differences, func(d difference) bool {
		return d.tool == tool && (d.file == everyFile || d.file == file) && (d.switches == everySwitch || d.switches == switches)
	})
}

// realTool skips a test, loudly, when a real program is not installed. In CI it must be.
func realTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI=true", name)
	}
	t.Skipf("NOT CHECKED against the real program: %s is not installed", name)
}

// inspectFiles makes files of every kind that the tools can be asked about, and returns their directory.
func inspectFiles(t *testing.T, b *box) string {
	t.Helper()
	dir := filepath.Join(b.Dir, "files")
	put := func(name string, c *proxycert.Credential, err error) *proxycert.Credential {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := gridtest.WriteProxy(c, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	below := func(c *proxycert.Credential, begin, lifetime time.Duration, limited bool) (*proxycert.Credential, error) {
		return c.Delegate(c.Key, proxycert.Template{Now: b.now().Add(begin), Lifetime: lifetime, Limited: limited})
	}
	alice, err := b.VOMS.Attest("alice", b.User, 5*time.Hour, b.Role, "/alice")
	if err != nil {
		t.Fatal(err)
	}
	bob, err := attrcert.Issue(attrcert.Template{VO: "bob", Host: "voms.bob.org", Port: 15000, FQANs: []string{"/bob"},
		Attributes: []attrcert.Attribute{{Name: "nick", Value: "b ob", Qualifier: "bob"}}, NotBefore: b.now(), NotAfter: b.now().Add(3 * time.Hour)},
		b.User.Leaf(), b.Host.Chain, b.Host.Key)
	if err != nil {
		t.Fatal(err)
	}
	attributed, err := b.CA.Proxy(b.User, 12*time.Hour, attrcert.Extension(alice, bob))
	put("attributes", attributed, err)
	plain, err := b.CA.Proxy(b.User, 12*time.Hour)
	put("plain", plain, err)
	limited, err := below(b.User, 0, 9*time.Hour, true)
	put("limited", limited, err)
	deep, err := below(attributed, 0, 8*time.Hour, false)
	put("deep", deep, err)
	expired, err := below(plain, -3*time.Hour, time.Hour, false)
	put("expired", expired, err)
	future, err := below(b.User, 2*time.Hour, 9*time.Hour, false)
	put("future", future, err)
	put("eec", b.User, nil)

	outlives, err := below(plain, 0, 9*time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	short, err := b.User.Delegate(plain.Key, proxycert.Template{Now: b.now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	put("outlives", &proxycert.Credential{Chain: []*x509.Certificate{outlives.Leaf(), short.Leaf(), b.User.Leaf()}, Key: outlives.Key}, nil)

	odd, err := b.CA.Issue(gridtest.CertRequest{Subject: b.CA.Below("OU=people", `CN=Zo\xC3\xAB a\/b`, "emailAddress=z@example.org"), KeyLabel: "odd"})
	if err != nil {
		t.Fatal(err)
	}
	name, err := b.CA.Proxy(odd, 6*time.Hour)
	put("name", name, err)
	curve, err := b.CA.Issue(gridtest.CertRequest{Subject: b.CA.Below("OU=people", "CN=Curve"), Key: proxycert.P256})
	if err != nil {
		t.Fatal(err)
	}
	ec, err := below(curve, 0, 6*time.Hour, false)
	put("ec", ec, err)

	for name, data := range map[string][]byte{"certificate": read(t, b.UserCert), "key": read(t, b.UserKey), "garbage": []byte("hello\n"), "empty": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestLikeTheRealTools runs inspect and each tool over the same files, with the same switches.
func TestLikeTheRealTools(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{})
	dir := inspectFiles(t, b)
	proxySwitches := []string{"-subject", "-issuer", "-identity", "-type", "-strength", "-timeleft", "-path", "-exists", "-exists -valid 2:0", "-exists -valid 47:0",
		"-exists -bits 2048", "-exists -bits 4096", "-exists -timeleft"}
	acSwitches := []string{"-vo", "-fqan", "-actimeleft", "-acsubject", "-acissuer", "-uri", "-serial", "-acexists alice", "-acexists nobody"}
	valid := []string{"plain", "limited", "deep", "attributes", "expired", "outlives", "name", "ec", "eec", "certificate"}
	broken := []string{"key", "garbage", "empty", "none"}
	seen := make([]bool, len(differences))
	compare := func(t *testing.T, tool, file, switches string) {
		t.Helper()
		args := append([]string{"-file", filepath.Join(dir, file)}, strings.Fields(switches)...)
		theirs := b.tool(t, tool, args...)
		ours := b.run(append([]string{"inspect"}, args...)...)
		same := ours.code == theirs.code && sameLines(ours.stdout, theirs.stdout)
		i := lists(tool, file, switches)
		switch {
		case i >= 0 && !same:
			seen[i] = true
		case i < 0 && !same:
			t.Errorf("%s %s of %s:\n%s(%d)\ninspect:\n%s(%d) %s", tool, switches, file, theirs.stdout, theirs.code, ours.stdout, ours.code, ours.stderr)
		}
	}
	for _, tool := range []string{grid, voms2, voms3} {
		t.Run(tool, func(t *testing.T) {
			realTool(t, tool)
			t.Parallel()
			switches, broken := proxySwitches, broken
			if tool == voms2 {
				switches = append(switches[:len(switches):len(switches)], acSwitches...)
			}
			if tool == voms3 { // half a second each
				switches = []string{allValues}
				compare(t, tool, "limited", "-all")
				compare(t, tool, "attributes", "-all")
				compare(t, tool, "outlives", "-exists -valid 2:0")
				broken = broken[:1]
			}
			for _, file := range valid {
				for _, s := range switches {
					compare(t, tool, file, s)
				}
			}
			compare(t, tool, "future", "-exists")
			for _, file := range broken {
				compare(t, tool, file, "-exists")
				compare(t, tool, file, "-timeleft")
			}
			for i, d := range differences {
				if d.tool == tool && !seen[i] {
					t.Errorf("%s %s of %s does not differ any more (%s)", d.tool, d.switches, d.file, d.why)
				}
			}
		})
	}
}

// tool runs a real tool, as the caller's own.
func (b *box) tool(t *testing.T, name string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(b.Env(), "HOME="+b.Dir, "PATH="+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var ex *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ex) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// sameLines compares output, but for the seconds between two looks. What a tool says of its failure is its own.
func sameLines(ours, theirs string) bool {
	var a, b []string
	for _, l := range strings.Split(ours, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			a = append(a, l)
		}
	}
	for _, l := range strings.Split(theirs, "\n") {
		if l = strings.TrimSpace(l); l != "" && l != "Couldn't find a valid proxy." {
			b = append(b, l)
		}
	}
	return slices.EqualFunc(a, b, func(x, y string) bool {
		if x == y {
			return true
		}
		n, ok1 := secondsOf(x)
		m, ok2 := secondsOf(y)
		return ok1 && ok2 && n >= 0 && m >= 0 && n-m < 60 && m-n < 60
	})
}

// secondsOf reads 43200, and timeleft : 12:00:00.
func secondsOf(line string) (int64, bool) {
	if n, err := strconv.ParseInt(line, 10, 64); err == nil {
		return n, true
	}
	clock, ok := strings.CutPrefix(line, "timeleft  : ")
	if !ok {
		return 0, false
	}
	var n int64
	for _, part := range strings.Split(clock, ":") {
		m, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return 0, false
		}
		n = 60*n + m
	}
	return n, true
}
