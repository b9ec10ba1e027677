package voms_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// The first two lines are the real ones of the ALICE VO, 2025.
const vomsesText = `"alice" "voms-alice-auth.cern.ch" "443" "/DC=ch/DC=cern/OU=computers/CN=alice-auth.cern.ch" "alice"
"alice" "voms-alice-auth.app.cern.ch" "443" "/DC=ch/DC=cern/OU=computers/CN=alice-auth.web.cern.ch" "alice" "24"

# a comment with "quotes"
	# another
"dteam-old"  "voms2.hellasgrid.gr" "15004" "/C=GR/O=HellasGrid/OU=hellasgrid.gr/CN=voms2.hellasgrid.gr" "dteam" # was "15000"
alias: "v6" host: "::1" port: "15000" DN: "/O=x/CN=host\/v6.example.org" VO: "v6"
`

func mustDN(t testing.TB, s string) dn.Name {
	t.Helper()
	n, err := dn.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseVomses(t *testing.T) {
	want := []struct {
		alias, host string
		port        int
		dn, vo      string
		line        int
	}{
		{"alice", "voms-alice-auth.cern.ch", 443, "/DC=ch/DC=cern/OU=computers/CN=alice-auth.cern.ch", "alice", 1},
		{"alice", "voms-alice-auth.app.cern.ch", 443, "/DC=ch/DC=cern/OU=computers/CN=alice-auth.web.cern.ch", "alice", 2},
		{"dteam-old", "voms2.hellasgrid.gr", 15004, "/C=GR/O=HellasGrid/OU=hellasgrid.gr/CN=voms2.hellasgrid.gr", "dteam", 6},
		{"v6", "::1", 15000, `/O=x/CN=host\/v6.example.org`, "v6", 7},
	}
	for _, text := range []string{
		vomsesText,
		strings.ReplaceAll(vomsesText, "\n", "\r\n"),
		"\ufeff" + strings.TrimSuffix(vomsesText, "\n"),
	} {
		got, err := voms.ParseVomses("v", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %d servers, want %d: %v", len(got), len(want), got)
		}
		for i, w := range want {
			g := got[i]
			if g.Alias != w.alias || g.Host != w.host || g.Port != w.port || !g.DN.Equal(mustDN(t, w.dn)) || g.VO != w.vo || g.File != "v" || g.Line != w.line {
				t.Errorf("server %d: got %+v, want %+v", i, g, w)
			}
		}
	}
	if got := (voms.Server{Host: "::1", Port: 15000}).Address(); got != "[::1]:15000" {
		t.Errorf("address %q", got)
	}
}

func TestParseVomsesFaults(t *testing.T) {
	const dn = `"/O=x/CN=y"`
	for _, tt := range []struct{ name, line, want string }{
		{"no quotes", `alice voms.example.org 443 /O=x/CN=y alice`,
			`f:2: 0 tokens in double quotes where a vomses line has 5; write "alias" "host" "port" "server DN" "vo"`},
		{"four", `"alice" "h" "443" ` + dn,
			`f:2: 4 tokens in double quotes where a vomses line has 5; write "alias" "host" "port" "server DN" "vo"`},
		{"seven", `"a" "h" "443" ` + dn + ` "a" "24" "x"`,
			`f:2: 7 tokens in double quotes where a vomses line has 5; write "alias" "host" "port" "server DN" "vo"`},
		{"open quote", `"a" "h" "443" ` + dn + ` "a`,
			`f:2: token 5 has no closing double quote; write "alias" "host" "port" "server DN" "vo"`},
		{"empty token", `"a" "" "443" ` + dn + ` "a"`,
			`f:2: the host is empty; write "alias" "host" "port" "server DN" "vo"`},
		{"blank token", `"a" "h" "443" ` + dn + ` "  "`,
			`f:2: the VO is empty; write "alias" "host" "port" "server DN" "vo"`},
		{"port 0", `"a" "h" "0" ` + dn + ` "a"`,
			`f:2: "0" is no port; write a number from 1 to 65535, such as "443" or "15000"`},
		{"port 65536", `"a" "h" "65536" ` + dn + ` "a"`,
			`f:2: "65536" is no port; write a number from 1 to 65535, such as "443" or "15000"`},
		{"port name", `"a" "h" "https" ` + dn + ` "a"`,
			`f:2: "https" is no port; write a number from 1 to 65535, such as "443" or "15000"`},
		{"URL", `"a" "https://h/" "443" ` + dn + ` "a"`,
			`f:2: "https://h/" is no host name; write the name alone, without https:// and port, such as "voms-alice-auth.cern.ch"`},
		{"host:port", `"a" "h:443" "443" ` + dn + ` "a"`,
			`f:2: "h:443" is no host name; write the name alone, without https:// and port, such as "voms-alice-auth.cern.ch"`},
		{"VO as FQAN", `"a" "h" "443" ` + dn + ` "/a"`,
			`f:2: "/a" is no VO name; write it without slash and space, such as "alice"`},
		{"control character", "\"a\x01\" \"h\" \"443\" " + dn + ` "a"`,
			`f:2: the alias "a\x01" has characters that cannot be printed; write it in plain UTF-8 text`},
		{"no DN", `"a" "h" "443" "y" "a"`, `f:2: "y" is no distinguished name: `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good := `"a" "h" "443" "/O=x/CN=y" "a"`
			got, err := voms.ParseVomses("f", []byte(good+"\n"+tt.line+"\n"+good))
			if len(got) != 2 || got[0].Line != 1 || got[1].Line != 3 {
				t.Errorf("the good lines: got %v", got)
			}
			var line *voms.LineError
			if !errors.As(err, &line) {
				t.Fatalf("got error %v, want a *LineError", err)
			}
			if !strings.HasPrefix(err.Error(), tt.want) || (!strings.HasSuffix(tt.want, ": ") && err.Error() != tt.want) {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if line.File != "f" || line.Line != 2 {
				t.Errorf("got %s:%d", line.File, line.Line)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, err := voms.ParseVomses("f", []byte("x\n\"y\"\n"))
		if err == nil || !strings.Contains(err.Error(), "f:1: ") || !strings.Contains(err.Error(), "f:2: ") {
			t.Errorf("got %v, want both lines", err)
		}
	})
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	line := func(host string) string { return `"a" "` + host + `" "443" "/CN=x" "a"` + "\n" }
	write("d/b-second", line("two"))
	write("d/a-first", line("one"))
	write("d/.hidden", line("hidden"))
	write("d/.git/config", line("hidden"))
	write("d/c-sub/deep", line("three"))
	write("single", line("four")+"bad\n")
	write("huge", strings.Repeat("#\n", 1<<20))
	if err := os.Symlink(dir+"/single", dir+"/d/d-link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/d", dir+"/d/c-sub/loop"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/nowhere", dir+"/d/dangling"); err != nil {
		t.Fatal(err)
	}

	hosts := func(servers []voms.Server) string {
		var h []string
		for _, s := range servers {
			h = append(h, s.Host)
		}
		return strings.Join(h, " ")
	}
	servers, err := voms.Load([]string{dir + "/absent", dir + "/d", dir + "/single"})
	if got, want := hosts(servers), "one two three four four"; got != want {
		t.Errorf("got hosts %q, want %q", got, want)
	}
	if err == nil || !strings.Contains(err.Error(), dir+"/d/d-link:2: ") || !strings.Contains(err.Error(), dir+"/single:2: ") {
		t.Errorf("got error %v, want the bad line in both places", err)
	}
	if servers[0].File != dir+"/d/a-first" || servers[0].Line != 1 {
		t.Errorf("first server stands at %s:%d", servers[0].File, servers[0].Line)
	}

	if _, err := voms.Load([]string{dir + "/huge"}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: got %v", err)
	}
	if _, err := voms.Load([]string{"/dev/zero"}); err == nil {
		t.Error("a device was read")
	}
	if s, err := voms.Load([]string{dir + "/absent"}); s != nil || err != nil {
		t.Errorf("an absent path: got %v, %v", s, err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	p := filepath.Join(t.TempDir(), "v")
	if err := os.WriteFile(p, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := voms.Load([]string{p}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v, want a permission error", err)
	}
}

func TestForVO(t *testing.T) {
	text := `"alice" "one" "443" "/CN=x" "alice"
"local" "two" "443" "/CN=x" "alice"
"alice" "ONE" "443" "/CN=x" "alice"
"alice" "one" "444" "/CN=x" "alice"
"other" "three" "443" "/CN=x" "other"
`
	servers, err := voms.ParseVomses("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		vo    string
		lines []int
	}{
		{"alice", []int{1, 2, 4}},
		{"local", []int{2}},
		{"other", []int{5}},
		{"Alice", nil},
	} {
		var lines []int
		for _, s := range voms.ForVO(servers, tt.vo) {
			lines = append(lines, s.Line)
		}
		if len(lines) != len(tt.lines) {
			t.Fatalf("%s: got lines %v, want %v", tt.vo, lines, tt.lines)
		}
		for i := range lines {
			if lines[i] != tt.lines[i] {
				t.Errorf("%s: got lines %v, want %v", tt.vo, lines, tt.lines)
			}
		}
	}
}

// FuzzVomses checks that each server read writes a line that reads back as the same server.
func FuzzVomses(f *testing.F) {
	for l := range strings.SplitSeq(vomsesText, "\n") {
		f.Add([]byte(l))
	}
	f.Add([]byte(vomsesText))
	f.Add([]byte(`"a" "h" "1" "/CN=\x22\\x22+UID=\xC3\xA9" "a b"`))
	f.Add([]byte(`"a#" "h" "1" "CN=y,O=x" "a"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		servers, err := voms.ParseVomses("f", data)
		if err != nil && !strings.Contains(err.Error(), "f:") {
			t.Errorf("an error with no place: %v", err)
		}
		for _, s := range servers {
			// OpenSSL's slash form has no escape for a backslash: a name that holds the four characters \x41 does not
			// survive it, nor a vomses line.
			if n, err := dn.Parse(s.DN.String()); err != nil || !n.Equal(s.DN) {
				continue
			}
			again, err := voms.ParseVomses("f", []byte(s.String()))
			if err != nil || len(again) != 1 {
				t.Fatalf("%q: got %v, %v", s, again, err)
			}
			a := again[0]
			if a.Alias != s.Alias || a.Host != s.Host || a.Port != s.Port || !a.DN.Equal(s.DN) || a.VO != s.VO {
				t.Errorf("%q: read back as %q", s, a)
			}
		}
	})
}
