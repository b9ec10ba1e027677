package cases_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// toolGroups are the cases whose files differ from one another as files; the rest differ in what judges them.
var toolGroups = []string{"form", "policy", "length", "extension", "subject", "time", "ac", "holder", "fqan", "acext", "acform", "name", "order", "key", "text"}

// shown are the accepted proxies of those groups, in files of the mode that the tools want.
func shown(t *testing.T, dir string, x cases.Index) (out cases.Index, scratch string) {
	t.Helper()
	scratch = t.TempDir()
	for _, c := range x.Cases {
		group, _, _ := strings.Cut(c.Name, "-")
		if c.Want.Verdict != cases.Accept || c.AllowWeak || !slices.Contains(toolGroups, group) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, c.File))
		if err == nil {
			err = os.WriteFile(filepath.Join(scratch, c.Name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		out.Cases = append(out.Cases, c)
	}
	if len(out.Cases) < 100 {
		t.Fatalf("only %d proxies to show", len(out.Cases))
	}
	return out, scratch
}

// ours is what a tool's answer is compared with.
type ours struct {
	identity, kind string
	end            time.Time // of the chain without its CAs
	fqans          []string
}

func readOurs(path string, c cases.Case) (ours, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return ours{}, err
	}
	cred, err := credfile.Parse(data)
	if errors.Is(err, credfile.ErrNoKey) { // a certificate file
		file, _ := credfile.ParseAll(data)
		cred, err = &proxycert.Credential{Chain: file.Certificates}, nil
	}
	if err != nil {
		return ours{}, err
	}
	info, err := proxycert.Classify(cred.Leaf())
	if err != nil {
		return ours{}, err
	}
	kind := string(info.Type)
	switch {
	case info.CertInfo != nil && info.CertInfo.Language.Equal(proxycert.LanguageIndependent):
		kind += " independent"
	case info.Limited:
		kind += " limited"
	}
	return ours{c.Want.Identity, kind, cred.NotAfter(), c.Want.FQANs}, nil
}

// run starts a tool with an environment of its own.
func run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s%s", err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// sameEnd compares what a tool, started at the moment given, said is left with what was left while it ran. A busy machine
// may have kept it waiting for long.
func sameEnd(text string, end, started time.Time) error {
	left, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("time left: %w", err)
	}
	said := time.Duration(left) * time.Second
	least, most := time.Until(end)-2*time.Second, max(0, end.Sub(started)+2*time.Second)
	if said < least || said > most {
		return fmt.Errorf("time left is %d s, ours from %s to %s", left, least, most)
	}
	return nil
}

// gridProxyInfo compares with grid-proxy-info.
func gridProxyInfo(ctx context.Context, dir, path string, c cases.Case, o ours) error {
	started := time.Now()
	out, err := run(ctx, []string{"X509_CERT_DIR=" + filepath.Join(dir, c.Certificates)}, "grid-proxy-info", "-file", path, "-identity", "-type", "-timeleft")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 3 {
		return fmt.Errorf("it says %q", out)
	}
	kinds := map[string]string{
		"RFC 3820 compliant impersonation proxy":              "rfc",
		"RFC 3820 compliant limited proxy":                    "rfc limited",
		"RFC 3820 compliant independent proxy":                "rfc independent",
		"Proxy draft (pre-RFC) compliant impersonation proxy": "draft",
		"Proxy draft (pre-RFC) compliant limited proxy":       "draft limited",
		"full legacy globus proxy":                            "legacy",
		"limited legacy globus proxy":                         "legacy limited",
		"end entity credential":                               "eec",
	}
	if lines[0] != o.identity {
		return fmt.Errorf("identity is %q, ours %q", lines[0], o.identity)
	}
	if kinds[lines[1]] != o.kind {
		return fmt.Errorf("type is %q, ours %q", lines[1], o.kind)
	}
	return sameEnd(lines[2], o.end, started)
}

// vomsProxyInfo compares with the C++ voms-proxy-info, which does not tell limited proxies from full ones, nor independent ones.
func vomsProxyInfo(ctx context.Context, dir, path string, c cases.Case, o ours) error {
	o.kind, _, _ = strings.Cut(o.kind, " ")
	return vomsProxyInfoSays(ctx, "voms-proxy-info2", []string{"-identity", "-type", "-timeleft"}, dir, path, c, o,
		map[string]string{"RFC compliant proxy": "rfc", "GT3-style proxy": "draft", "proxy": "legacy", "limited proxy": "legacy", "EEC": "eec"})
}

// vomsProxyInfo3 compares with the Java voms-proxy-info.
func vomsProxyInfo3(ctx context.Context, dir, path string, c cases.Case, o ours) error {
	return vomsProxyInfoSays(ctx, "voms-proxy-info3", []string{"-type", "-identity", "-timeleft"}, dir, path, c, o, map[string]string{
		"RFC3820 compliant impersonation proxy": "rfc", "RFC3820 compliant limited proxy": "rfc limited", "EEC": "eec",
		"Proxy draft (pre-RFC) impersonation proxy": "draft", "Proxy draft (pre-RFC) limited proxy": "draft limited",
		"full legacy globus proxy": "legacy", "limited legacy globus proxy": "legacy limited",
	})
}

// vomsProxyInfoSays compares with a voms-proxy-info. It prints in an order of its own, which is that of the flags here.
func vomsProxyInfoSays(ctx context.Context, tool string, flags []string, dir, path string, c cases.Case, o ours, kinds map[string]string) error {
	started := time.Now()
	env := []string{"X509_CERT_DIR=" + filepath.Join(dir, c.Certificates), "X509_VOMS_DIR=" + filepath.Join(dir, c.VOMSDir)}
	args := append([]string{"-file", path}, flags...)
	if len(o.fqans) > 0 {
		args = append(args, "-fqan") // without an AC that is an error
	}
	out, err := run(ctx, env, tool, args...)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) < 3 {
		return fmt.Errorf("it says %q", out)
	}
	said := map[string]string{flags[0]: lines[0], flags[1]: lines[1], flags[2]: lines[2]}
	if said["-identity"] != o.identity {
		return fmt.Errorf("identity is %q, ours %q", said["-identity"], o.identity)
	}
	if kinds[said["-type"]] != o.kind {
		return fmt.Errorf("type is %q, ours %q", said["-type"], o.kind)
	}
	var fqans []string
	for _, f := range lines[3:] {
		fqans = append(fqans, attrcert.Normalize(f))
	}
	if !slices.Equal(fqans, o.fqans) {
		return fmt.Errorf("FQANs are %q, ours %q", fqans, o.fqans)
	}
	return sameEnd(said["-timeleft"], o.end, started)
}

// compareWith shows every proxy, or those of the names given, to a tool; where it says something else, differ must say why, and
// nowhere else.
func compareWith(t *testing.T, tool string, only []string, differ map[string][]string, compare func(context.Context, string, string, cases.Case, ours) error) {
	t.Helper()
	needTool(t, tool)
	if testing.Short() {
		t.Skip("starts a process for every proxy")
	}
	dir, fresh := freshFiles(t)
	x, scratch := shown(t, dir, fresh.Index)
	var mu sync.Mutex
	why, used := make(map[string]string), make(map[string]bool)
	for reason, names := range differ {
		for _, name := range names {
			why[name] = reason
		}
	}
	if only != nil {
		x.Cases = slices.DeleteFunc(x.Cases, func(c cases.Case) bool { return !slices.Contains(only, c.Name) })
		if len(x.Cases) != len(only) {
			t.Errorf("%d of the %d cases are there", len(x.Cases), len(only))
		}
	}
	each(x, func(c cases.Case) {
		path := filepath.Join(scratch, c.Name)
		o, err := readOurs(path, c)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			return
		}
		err = compare(t.Context(), dir, path, c, o)
		mu.Lock()
		defer mu.Unlock()
		used[c.Name] = true
		if (err != nil) != (why[c.Name] != "") {
			t.Errorf("%s (%s): %v; difference explained: %q", c.Name, c.Shows, err, why[c.Name])
		}
	})
	for name := range why {
		if !used[name] {
			t.Errorf("%s: a difference is explained, but it was not compared", name)
		}
	}
}

// Differences are reasons, and the cases that they explain.

func TestGridProxyInfo(t *testing.T) {
	t.Parallel()
	compareWith(t, "grid-proxy-info", nil, map[string][]string{
		"it goes by the name before it looks for ProxyCertInfo":             {"form-rfc-named-proxy"},
		"it compares the octets of a BMPString, with the NULs":              {"subject-bmp"},
		"it takes the identity from the proxy's own subject":                {"subject-case"},
		"it has no notion of a GeneralizedTime":                             {"time-2050"},
		"it takes the file's first certificate for the proxy":               {"order-cas-first", "order-stranger-first", "order-stranger-bad", "order-stranger-proxy", "order-older"},
		"it loses its way in chains that are not sorted or have duplicates": {"order-shuffled", "order-twice", "order-whole-twice"},
		"it knows no such block":                                            {"key-sec1", "key-sec1-parameters", "key-twice", "text-crl"},
		"it wants a key":                                                    {"key-none-eec"},
		"it cannot read it":                                                 {"text-cr", "text-glued", "text-der", "text-der-line-end", "text-trusted"},
	}, gridProxyInfo)
}

func TestVOMSProxyInfo(t *testing.T) {
	t.Parallel()
	compareWith(t, "voms-proxy-info2", nil, map[string][]string{
		"for it the identity is the issuer of the file's first certificate": {
			"form-eec", "form-rfc-three", "form-rfc-sixteen", "form-rfc-nineteen", "form-rfc-25", "form-rfc-90", "form-draft-two", "form-legacy-two", "policy-limited-under-full", "policy-limited-under-limited",
			"policy-independent", "policy-independent-under-full", "policy-legacy-limited-under-full", "length-one", "length-largest", "length-nested",
			"length-draft", "extension-no-usage-above", "subject-issuer-recoded", "time-outlives-proxy", "ac-above", "ac-limited-below", "ac-hides",
			"order-reversed", "order-cas-first", "order-stranger-first", "order-stranger-bad", "order-stranger-proxy", "key-none-eec",
		},
		"it goes by the end of the subject as text, /CN=proxy":  {"form-rfc-named-proxy", "name-proxy-inside"},
		"its time left is that of the proxy, whatever is above": {"time-outlives", "time-2050", "time-2049", "time-1950-begin", "time-1900"},
		"it inherits attributes through independent proxies":    {"ac-independent-above"},
		"it reads one inner sequence of ACs":                    {"ac-two-sequences"},
		"it wants the VOMS attribute to be the only one":        {"acform-other-attribute"},
		"it cannot read it": {"text-cr", "text-glued", "text-der", "text-der-line-end", "text-headers", "text-trusted"},
	}, vomsProxyInfo)
}

// TestVOMSProxyInfo3 takes a second for each proxy, so that there are few. All of them were shown to it once: the rest differs
// from these in nothing that it sees, or it does not read it (a byte order mark, space at line ends, keys that are there twice).
func TestVOMSProxyInfo3(t *testing.T) {
	t.Parallel()
	compareWith(t, "voms-proxy-info3", []string{
		"form-eec", "form-rfc-three", "form-draft", "form-legacy", "policy-limited", "policy-independent", "time-outlives", "ac-above", "ac-two-vos", "fqan-order",
		"name-slash", "text-crlf",
	}, map[string][]string{
		"for it the identity is the issuer of the last proxy": {"form-eec", "form-rfc-three", "ac-above"},
		"it does not tell independent proxies from others":    {"policy-independent"},
		"its time left is that of the last proxy":             {"time-outlives"},
		"it escapes no slashes":                               {"name-slash"},
	}, vomsProxyInfo3)
}
