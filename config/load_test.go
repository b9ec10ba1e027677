package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

func TestConfDMerging(t *testing.T) {
	path := write(t, "version: 1\nmyproxy: {server: px.example.org}\nproxies: [{name: a, dn: /CN=a}]\n",
		"20-b.yaml", "proxies: [{name: c, dn: /CN=c}]\nmyproxy: {timeout: 10s}\n",
		"10-a.yaml", "vo: alice\nproxies: [{name: b, dn: /CN=b}]\n",
		".hidden.yaml", "no: such key\n",
		"readme.txt", "no: such key\n",
	)
	c, err := config.Load(path, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range c.Proxies {
		names = append(names, p.Name)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("proxies are %q, want %q", names, want)
	}
	if c.VO != "alice" || c.MyProxy.Timeout.String() != "10s" || c.MyProxy.Server != "px.example.org" {
		t.Errorf("scalars were not merged: %q, %v, %q", c.VO, c.MyProxy.Timeout, c.MyProxy.Server)
	}
	dir := filepath.Dir(path)
	want := []string{path, filepath.Join(dir, "conf.d/10-a.yaml"), filepath.Join(dir, "conf.d/20-b.yaml")}
	if !slices.Equal(c.Files, want) {
		t.Errorf("files are %q, want %q", c.Files, want)
	}
	if file, line := c.Position("proxies[2].name"); file != want[2] || line != 1 {
		t.Errorf("proxies[2].name is at %s:%d", file, line)
	}
	if file, line := c.Position("proxies[1].lifetime"); file != want[1] || line != 2 {
		t.Errorf("the entry around proxies[1].lifetime is at %s:%d", file, line)
	}
	if file, line := c.Position("alerts[0]"); file != path || line != 1 {
		t.Errorf("a key that was left out is at %s:%d, want the first file", file, line)
	}
}

// TestEmptyConfD has what a package manager or Puppet leaves of a file whose content is commented out.
func TestEmptyConfD(t *testing.T) {
	path := write(t, "version: 1\nvo: alice\n", "10.yaml", "", "20.yaml", "# nothing yet\n", "30.yaml", "---\n# nothing\n", "40.yaml", "myproxy: {server: px.example.org}\n")
	if got := faultsOf(t, path, testEnv()); got != nil {
		t.Errorf("got %q", got)
	}
	// What is missing is not in them.
	path = write(t, "version: 1\n", "10.yaml", "")
	if got := faultsOf(t, path, testEnv()); !slices.Contains(got, "config.yaml:1:1: vo: is missing; write vo: alice") {
		t.Errorf("got %q", got)
	}
}

// TestSecondDocument is one fault, and hides no other.
func TestSecondDocument(t *testing.T) {
	path := write(t, "version: 1\nmyproxy: {server: px.example.org}\n---\nvo: alice\n")
	want := []string{
		"config.yaml:1:1: vo: is missing; write vo: alice",
		"config.yaml:3:1: (file): a second YAML document begins here; remove the line --- or put the rest into a file in conf.d",
	}
	if got := faultsOf(t, path, testEnv()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMissingAfterMerging reports what no file has at the first one.
func TestMissingAfterMerging(t *testing.T) {
	path := write(t, "vo: alice\n", "10.yaml", "user: alicesgm\n")
	want := []string{"config.yaml:1:1: version: is missing; write version: 1"}
	if got := faultsOf(t, path, testEnv()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConfDFaults(t *testing.T) {
	path := write(t, head+"proxies:\n- {name: a, dn: /CN=x}\n",
		"10.yaml", "vo: atlas\nmyproxy:\n  server: other\n  timeout: 5\n",
		"20.yaml", "proxies:\n- {name: a, dn: /CN=y, attributes: [/atlas]}\nservices: [{name: s, unit: u, onChange: ['proxy:b']}]\n",
		"30.yaml", "~\n",
		"40.yaml", "a: b: c\n",
	)
	want := []string{
		"conf.d/10.yaml:1:5: vo: is set already at config.yaml:2:5; keep one of the two",
		"conf.d/10.yaml:3:11: myproxy.server: is set already at config.yaml:3:19; keep one of the two",
		"conf.d/10.yaml:4:12: myproxy.timeout: is the number 5, a duration is wanted; write a unit after it, such as 5h",
		`conf.d/20.yaml:2:10: proxies[1].name: "a" is proxies[0].name already, at config.yaml:5:10; write another name`,
		"conf.d/30.yaml:1:1: (file): is empty, a mapping is wanted; write its keys below it, indented, each as key: value",
		"conf.d/40.yaml:1:1: (file): is not YAML: mapping values are not allowed in this context; indent keys of one mapping alike, and put text with a colon in quotes",
	}
	if got := faultsOf(t, path, testEnv()); !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestFileFaults(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "large"), strings.Repeat("# nothing\n", config.MaxSize/10+1))
	put(t, filepath.Join(dir, "comment"), "# nothing\n---\n")
	put(t, filepath.Join(dir, "second"), head+"--- {}\n")
	put(t, filepath.Join(dir, "binary"), "\x7fELF\x00\x01")
	put(t, filepath.Join(dir, "null"), "~\n")
	for _, c := range []struct{ name, want string }{
		{"missing", "missing:1:1: (file): does not exist; write one with vobox-reconcile init, or name another with --config"},
		{".", ".:1:1: (file): is a directory, not a file; name a regular file"},
		{"pipe", "pipe:1:1: (file): is a pipe, not a file; name a regular file"},
		{"large", "large:1:1: (file): is larger than 1 MiB; split it into files in conf.d, or name the right file"},
		{"comment", "comment:1:1: (file): the file is empty; write the configuration, or remove the file"},
		{"second", "second:4:1: (file): a second YAML document begins here; remove the line --- or put the rest into a file in conf.d"},
		{"binary", "binary:1:1: (file): is not YAML: control characters are not allowed; write plain text in UTF-8"},
		{"null", "null:1:1: (file): is empty, a mapping is wanted; write its keys below it, indented, each as key: value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := faultsOf(t, dir+"/"+c.name, testEnv())
			if want := []string{c.want}; !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
	if _, err := config.Load(filepath.Join(dir, "missing"), testEnv()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// TestSyntaxPlace checks that a fault of YAML is reported on the line where a person would look for it.
func TestSyntaxPlace(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"a: b\n c: d\n", "2:2: (file): is not YAML: mapping values are not allowed in this context; indent keys of one mapping alike, and put text with a colon in quotes"},
		{"a: b\nb:\n\t- c\n", "3:2: (file): is not YAML: found character that cannot start any token; indent with spaces, and put text with special characters in quotes"},
		{"vo: x\nuser: \"y\nroot: z\n", "2:1: (file): is not YAML: found unexpected end of stream; close the quotes that begin here"},
		{"a: [1,\n  2\nb: c\n", "2:3: (file): is not YAML: did not find expected ',' or ']'; close the bracket or brace, and put text with brackets or braces, such as ${proxy.NAME}, in quotes"},
		{"set: {A: ${proxy.a}}\n", "1:1: (file): is not YAML: did not find expected ',' or '}'; close the bracket or brace, and put text with brackets or braces, such as ${proxy.NAME}, in quotes"},
		{"a: b\n- c\n", "2:1: (file): is not YAML: did not find expected key; indent keys of one mapping alike, with spaces"},
		{"a: b\n\nc: *d\n", "3:1: (file): is not YAML: unknown anchor 'd' referenced; write the value itself, or put text that begins with * in quotes"},
		{"a: b\nc: d\nvo\nd: e\n", "3:1: (file): is not YAML: could not find expected ':'; write key: value"},
		{"a: b\nc: \x00\n", "2:1: (file): is not YAML: control characters are not allowed; write plain text in UTF-8"},
		{"a: b\nc: \xff\n", "2:1: (file): is not YAML: invalid leading UTF-8 octet; write plain text in UTF-8"},
		{strings.Repeat("# c\n", 50) + "a: b\n- c\n" + strings.Repeat("# d\n", 50), "52:1: (file): is not YAML: did not find expected key; indent keys of one mapping alike, with spaces"},
		{head + "---\na: [\n", "5:1: (file): is not YAML: did not find expected node content; indent keys of one mapping alike, with spaces"},
	} {
		got := faultsOf(t, write(t, c.doc), testEnv())
		if want := []string{"config.yaml:" + c.want}; !slices.Equal(got, want) {
			t.Errorf("of %q\ngot  %q\nwant %q", c.doc, got, want)
		}
	}
}

// TestTrusted has who may have written a file whose commands are run.
func TestTrusted(t *testing.T) {
	path := write(t, head)
	const chmod = "; type: chmod go-w config.yaml"
	for _, c := range []struct {
		name     string
		invoker  int
		uid, gid int
		mode     fs.FileMode
		want     string
	}{
		{"root's own", 0, 0, 0, 0o644, ""},
		{"root's own, read only", 0, 0, 0, 0o400, ""},
		{"another user's, for root", 0, 500, 0, 0o644, "belongs to user 500, who could have root run anything; type: chown root:root config.yaml"},
		{"root's group's, for root", 0, 0, 0, 0o664, "its group can write it (mode 0664)" + chmod},
		{"everybody's, for root", 0, 0, 0, 0o646, "everybody can write it (mode 0646)" + chmod},
		{"root's, for a user", 1000, 0, 0, 0o644, ""},
		{"another user's, for a user", 1000, 500, 1000, 0o644, "belongs to user 500, who could have you run anything; make a copy of your own, or as root type: chown root:root config.yaml"},
		{"a user's own", 1000, 1000, 1000, 0o644, ""},
		{"a user's own group's", 1000, 1000, 1000, 0o664, ""},
		{"another group's", 1000, 1000, 100, 0o664, "its group can write it (mode 0664)" + chmod},
		{"everybody's, for a user", 1000, 1000, 1000, 0o666, "everybody can write it (mode 0666)" + chmod},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := testEnv()
			env.UID = c.invoker
			env.Stat = func(*os.File) (int, int, fs.FileMode, error) { return c.uid, c.gid, c.mode, nil }
			var want []string
			if c.want != "" {
				want = []string{"config.yaml:1:1: (file): " + c.want}
			}
			if got := faultsOf(t, path, env); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestTrustedConfD has a directory into which somebody else can put files.
func TestTrustedConfD(t *testing.T) {
	path := write(t, head, "10.yaml", "")
	for _, c := range []struct {
		name    string
		invoker int
		uid     int
		mode    fs.FileMode
		want    string
	}{
		{"root's", 0, 0, 0o755, ""},
		{"root's, for a user", 1000, 0, 0o755, ""},
		{"a user's own", 1000, 1000, 0o775, ""},
		{"another user's, for root", 0, 500, 0o755, "belongs to user 500, who could have root run anything; type: chown root:root conf.d"},
		{"another user's, for a user", 1000, 500, 0o755, "belongs to user 500, who could have you run anything; make a copy of your own, or as root type: chown root:root conf.d"},
		{"everybody's", 1000, 1000, fs.ModeSticky | 0o777, "everybody can write it (mode 0777); type: chmod go-w conf.d"},
		{"a group's", 0, 0, 0o775, "its group can write it (mode 0775); type: chmod go-w conf.d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := testEnv()
			env.UID = c.invoker
			env.Stat = func(f *os.File) (int, int, fs.FileMode, error) {
				if filepath.Base(f.Name()) != "conf.d" {
					return c.invoker, 0, 0o644, nil
				}
				return c.uid, 1000, fs.ModeDir | c.mode, nil
			}
			var want []string
			if c.want != "" {
				want = []string{"conf.d:1:1: (file): " + c.want}
			}
			if got := faultsOf(t, path, env); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestOwnerOnDisk looks at a real file with the real environment.
func TestOwnerOnDisk(t *testing.T) {
	env := testEnv()
	env.UID, env.Stat = os.Getuid(), nil
	path := write(t, head)
	if got := faultsOf(t, path, env); got != nil {
		t.Errorf("one's own file is refused: %q", got)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := faultsOf(t, path, env); len(got) != 1 || !strings.Contains(got[0], "everybody can write it") {
		t.Errorf("a file that everybody can write gives %q", got)
	}
}

func TestUnreadableConfD(t *testing.T) {
	path := write(t, head)
	put(t, filepath.Join(filepath.Dir(path), "conf.d"), "a file")
	want := []string{"conf.d:1:1: (file): cannot be read: not a directory; make conf.d a directory that this user can read, or remove it"}
	if got := faultsOf(t, path, testEnv()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestManyFaults bounds what a file full of nonsense costs.
func TestManyFaults(t *testing.T) {
	got := faultsOf(t, write(t, head+strings.Repeat("x: y\n", 5000)), testEnv())
	if len(got) != 1001 {
		t.Fatalf("%d faults are reported, want 1001", len(got))
	}
	if want := "config.yaml:1003:1: (file): there are at least 4000 more faults; mend these first"; got[1000] != want {
		t.Errorf("the last is %q, want %q", got[1000], want)
	}
}

func TestEachFaultIsAnError(t *testing.T) {
	_, err := config.Load(write(t, "version: 1\n"), testEnv())
	f, ok := errors.AsType[config.Fault](err)
	if !ok || f.Path != "vo" || f.Line != 1 || f.Col != 1 || f.Problem != "is missing" || f.Instead != "write vo: alice" {
		t.Errorf("got %#v", f)
	}
}
