package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// secondProxy is one more proxy in the configuration, of another VO.
const secondProxy = `  - name: dteam
    vo: dteam
    dn: "/C=IT/O=INFN/CN=Mario Rossi"
    attributes: [/dteam/Role=lcgadmin, /dteam]
`

// queryBox is a box with two proxies in the configuration, of which one is there.
func queryBox(t *testing.T) *box {
	t.Helper()
	b := newBox(t, gridtest.SiteOptions{Now: func() time.Time { return start }}).withMachineProxy()
	b.edit(b.Config, "envFiles:\n", secondProxy+"envFiles:\n")
	if err := b.LogIn(40 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RegisterLogin(); err != nil {
		t.Fatal(err)
	}
	delete(b.env, "X509_USER_PROXY")
	return b
}

// What the scripts read: CREAM.pm with regular expressions that want a blank before the end of the line, the wrappers with
// grep and cut.
func TestQuery(t *testing.T) {
	b := queryBox(t)
	jane, mario := b.User.Identity().String(), "/C=IT/O=INFN/CN=Mario Rossi"
	file := b.userProxy()
	r := b.must(0, "query", "--vo", "alice")
	for re, want := range map[string]string{`(?m)^DN:\s*(.+)\s+$`: jane, `(?m)^File:\s*(.+)\s+$`: file, `(?m)^Proxy Time Left \(seconds\):\s*(.+)\s+$`: "144000"} {
		m := regexp.MustCompile(strings.ReplaceAll(re, `\s+$`, ` $`)).FindStringSubmatch(r.stdout)
		if m == nil || m[1] != want {
			t.Errorf("%s gives %q, want %q, of\n%s", re, m, want, r.stdout)
		}
	}
	if cut := strings.Split(regexp.MustCompile(`.*File:.*`).FindString(r.stdout), " "); cut[1] != file {
		t.Errorf("grep File: | cut -d' ' -f2 gives %q", cut[1])
	}
	if n := strings.Count(b.must(0, "query", "-dn", "all").stdout, "DN: "); n != 2 {
		t.Errorf("query -dn all lists %d", n)
	}
	for _, tt := range []struct {
		args string
		code int
		want string // the whole output
	}{
		{"query-dn", 0, jane},
		{"query-dn --vo dteam", 0, mario},
		{"query-dn --dn all", 0, jane + "\n" + mario},
		{"query-proxy-filename", 0, file},
		{"query-proxy-filename --dn " + strings.ReplaceAll(jane, " ", "\x00"), 0, file},
		{"query-proxy-filename --voms alice:/alice/Role=lcgadmin/Capability=NULL", 0, file},
		{"query-proxy-filename --voms alice", 0, file},
		{"query-proxy-filename --name lcgadmin", 0, file},
		{"query-proxy-filename --vo dteam", 1, ""},
		{"query-proxy-filename --voms alice:/alice/Role=production", 1, ""},
		{"query-proxy-filename --dn /CN=nobody", 1, ""},
		{"query-proxy-filename all", 0, file},
		{"query-proxy-timeleft", 0, "144000"},
		{"query-proxy-timeleft --dn all", 0, "144000\n0"},
		{"query-proxy-timeleft --vo dteam", 0, "0"},
		{"query --vo cms", 1, ""},
		{"query --name nobody", 1, ""},
		{"query nonsense", 64, ""},
	} {
		var args []string
		for _, a := range strings.Fields(tt.args) {
			args = append(args, strings.ReplaceAll(a, "\x00", " "))
		}
		r := b.run(args...)
		if r.code != tt.code || strings.TrimSuffix(r.stdout, "\n") != tt.want {
			t.Errorf("%s: exit code %d, %q; want %d, %q\n%s", tt.args, r.code, r.stdout, tt.code, tt.want, r.stderr)
		}
		if tt.code != 0 && r.stderr == "" {
			t.Errorf("%s fails without a word", tt.args)
		}
	}

	var records []record
	if err := json.Unmarshal([]byte(b.must(0, "query", "-o", "json").stdout), &records); err != nil {
		t.Fatal(err)
	}
	if len(records) != 2 || records[0].Name != "lcgadmin" || records[0].SecondsLeft != 144000 || !records[0].Exists || records[0].Fault != "" || records[0].VOMS != "alice:/alice/Role=lcgadmin" {
		t.Errorf("%+v", records)
	}
	if records[1].Exists || records[1].Fault == "" || records[1].SecondsLeft != 0 {
		t.Errorf("%+v", records[1])
	}
	b.must(1, "query", "--vo", "cms", "-o", "json")
}

// The proxy at hand is asked about unless a record is chosen: its attributes count as well as itself.
func TestQueryOfTheProxyAtHand(t *testing.T) {
	b := queryBox(t)
	if err := b.LogIn(3 * time.Hour); err != nil {
		t.Fatal(err)
	}
	b.env["X509_USER_PROXY"] = b.LoginProxy
	for args, want := range map[string]string{"query-proxy-timeleft": "10800", "query-dn": b.User.Identity().String(), "query-proxy-timeleft --dn all": "144000\n0"} {
		if got := strings.TrimSpace(b.must(0, strings.Fields(args)...).stdout); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
	b.env["X509_USER_PROXY"] = b.machineProxy()
	if n, err := strconv.Atoi(strings.TrimSpace(b.must(0, "query-proxy-timeleft").stdout)); err != nil || n != 24*3600 {
		t.Errorf("of the machine proxy: %d, %v", n, err)
	}
	b.env["X509_USER_PROXY"] = filepath.Join(b.Dir, "none")
	b.must(1, "query-proxy-timeleft")
	if got := strings.TrimSpace(b.must(0, "query-dn").stdout); got != b.User.Identity().String() {
		t.Errorf("query-dn without a proxy at hand: %q", got)
	}
	// It needs no configuration for that.
	b.env["X509_USER_PROXY"] = b.LoginProxy
	if err := os.Remove(b.Config); err != nil {
		t.Fatal(err)
	}
	b.must(0, "query-proxy-timeleft")
	if r := b.must(78, "query"); !strings.Contains(r.stderr, "vobox-reconcile init") {
		t.Errorf("without a configuration: %s", r.stderr)
	}
}
