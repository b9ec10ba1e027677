package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// secret is the passphrase of keys in tests. It must turn up nowhere.
const secret = "correct horse battery staple"

// onUI makes the box a user interface host: no configuration, a home, and what the grid's tools go by in the environment.
func (b *box) onUI() *box {
	b.t.Helper()
	home := filepath.Join(b.Dir, "ui", "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		b.t.Fatal(err)
	}
	env := map[string]string{"HOME": home, "PATH": os.Getenv("PATH"), "X509_USER_PROXY": filepath.Join(b.Dir, "ui", "proxy"),
		"MYPROXY_SERVER": b.MyProxy.Addr()}
	for _, v := range b.Env() {
		name, value, _ := strings.Cut(v, "=")
		if name != "MYPROXY_SERVER" && name != "MYPROXY_SERVER_PORT" {
			env[name] = value
		}
	}
	if dir := b.env["GOCOVERDIR"]; dir != "" {
		env["GOCOVERDIR"] = dir
	}
	b.env = env
	return b
}

func (b *box) uiProxy() string { return b.env["X509_USER_PROXY"] }

// proxyMade reads the proxy that a login made.
func (b *box) proxyMade() *proxycert.Credential {
	b.t.Helper()
	c, _, err := credfile.Load(b.uiProxy())
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// encryptedKey writes the user's key under the passphrase, and returns the file.
func (b *box) encryptedKey() string {
	b.t.Helper()
	der, err := pkcs8.MarshalPrivateKey(b.User.Key, []byte(secret), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.file("encrypted.pem", string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})), 0o600)
}

func (b *box) file(name, data string, mode os.FileMode) string {
	b.t.Helper()
	path := filepath.Join(b.Dir, "ui", name)
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func TestLogin(t *testing.T) {
	b, _ := goldenBox(t, gridtest.SiteOptions{})
	b.onUI()
	r := b.must(0, "login", "--voms", "alice:"+b.Role, "--valid", "24:00", "--key", "p256")
	b.golden("login.txt", r.stdout)
	c := b.proxyMade()
	if left := c.NotAfter().Sub(start); left != 24*time.Hour {
		t.Errorf("the proxy lasts %v", left)
	}
	if acs, err := attrcert.FromChain(c.Chain); err != nil || len(acs) != 1 || acs[0].FQANs[0] != b.Role {
		t.Errorf("its attributes are %+v, %v", acs, err)
	}
	if info, err := os.Stat(b.uiProxy()); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if inspected := b.must(0, "inspect", "-fqan", b.uiProxy()); !strings.HasPrefix(inspected.stdout, "/alice/Role=lcgadmin/Capability=NULL\n") {
		t.Errorf("inspect shows %q", inspected.stdout)
	}

	// The words of the old tools, each with one dash; below the present proxy; elsewhere.
	out := filepath.Join(b.Dir, "ui", "elsewhere")
	before := read(t, b.uiProxy())
	r = b.must(0, "login", "-q", "-noregen", "-limited", "-hours", "2", "-out", out, "-rfc", "-proxyver", "4", "--key", "p256", "-ignorewarn")
	if r.stdout != "" || r.stderr != "" {
		t.Errorf("-q -ignorewarn printed %q and %q", r.stdout, r.stderr)
	}
	if below, _, err := credfile.Load(out); err != nil || len(below.Chain) != 3 || !below.Limited() || below.NotAfter().Sub(start) != 2*time.Hour {
		t.Errorf("the proxy below is %+v, %v", below, err)
	}
	if string(read(t, b.uiProxy())) != string(before) {
		t.Error("-out did not keep its hands off the usual place")
	}

	r = b.must(0, "login", "--list", "--voms", "alice")
	if want := "Available attributes:\n/alice\n/alice/team\n/alice/Role=lcgadmin\n"; !strings.HasSuffix(r.stdout, want) {
		t.Errorf("--list printed %q", r.stdout)
	}
	r = b.must(0, "login", "-debug", "--key", "p256")
	for _, want := range []string{"User Cert File: " + b.UserCert, "Trusted CA Cert Dir: " + b.TrustDir, "Output File: " + b.uiProxy()} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("-debug does not say %q:\n%s", want, r.stderr)
		}
	}
	if acs, err := attrcert.FromChain(b.proxyMade().Chain); err != nil || len(acs) != 0 {
		t.Errorf("a plain proxy has attributes: %+v, %v", acs, err)
	}
}

func TestLoginJSON(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).onUI()
	var doc struct {
		Identity, Path, VO string
		Verified           bool
		FQANs              []string
		Warnings           []struct{ ID, Message, Remedy string }
	}
	r := b.must(0, "login", "-ojson", "--voms", "alice:"+b.Role, "--vomslife", "100:00", "--key", "p256")
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	var ids []string
	for _, w := range doc.Warnings {
		ids = append(ids, w.ID)
	}
	if doc.Identity != b.User.Identity().String() || !doc.Verified || doc.Path != b.uiProxy() || doc.VO != "alice" || doc.FQANs[0] != b.Role ||
		strings.Join(ids, " ") != "VO-ACSHORT MP-OLDKEY" || r.stderr != "" {
		t.Errorf("%+v, and %q", doc, r.stderr)
	}
}

// Whatever goes wrong, the old proxy stays, byte for byte and untouched, and people are told what to do.
func TestLoginFailed(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).onUI()
	b.must(0, "login", "-q", "-ignorewarn", "--key", "p256")
	key := b.encryptedKey()
	damaged := b.file("damaged.pem", strings.Replace(string(read(t, key)), "\n", "\nAAAA", 1), 0o600)
	readable := b.file("readable.pem", string(read(t, b.UserKey)), 0o644)
	right, wrong := b.file("right", secret+"\n", 0o600), b.file("wrong", "another phrase\n", 0o600)
	dead := b.file("vomses", strings.Replace(string(read(t, b.Vomses)), fmt.Sprintf(`"%d"`, b.VOMS.Port()), `"1"`, 1), 0o644)
	snapshotBefore := snapshot(t, b.uiProxy())
	for _, tt := range []struct {
		args string
		code int
		want string // on standard error
	}{
		{"--voms alice:/alice/Role=pilot", 1, "VO-FQAN: |    LCG-UI> vobox-reconcile login --list --voms alice\n"},
		{"--voms nobody", 1, `no vomses line for VO "nobody"|--vomses FILE`},
		{"--voms alice --vomses " + dead, 1, "VO-VOMSES: "},
		{"--voms alice --vomses /nonexistent", 1, "--vomses: |/nonexistent|no such file"},
		{"--voms alice --vomsdir /nonexistent", 1, "VO-LSC: |    site admin: install the VO's LSC files"},
		{"--certdir /nonexistent -verify", 1, "CA-MISSING: |--certdir DIR"},
		{"--key-file " + key + " --passphrase-file " + wrong, 1, "USER-PASS: |wrong passphrase"},
		{"--key-file " + damaged + " --passphrase-file " + right, 1, "is damaged"},
		{"--key-file " + key, 1, "there is no terminal to ask for it on|    give it with --passphrase-file FILE or --passphrase-fd N\n"},
		{"--key-file " + key + " --passphrase-file " + readable, 1, "has mode 0644"},
		{"--key-file " + key + " --passphrase-file /nonexistent", 1, "no such file|    name a file that holds the passphrase"},
		{"--key-file " + key + " --passphrase-fd 7777", 1, "reading the passphrase from file descriptor 7777"},
		{"--key-file " + readable, 1, "FILE-PERM: |everybody can read it|chmod"},
		{"--key-file " + b.HostKey, 1, "USER-CERT: |is not the key of"},
		{"--cert /nonexistent", 1, "FILE-READ: "},
		{"--noregen --voms alice:/alice/Role=pilot", 1, "VO-FQAN: "},
		{"--out /nonexistent/dir/proxy", 1, "there is no directory /nonexistent/dir"},
		{"--out " + b.Dir, 1, "which is a directory"},
		{"--list", 64, "--list takes a VO"},
		{"--voms alice:bob", 64, "write VO or VO:FQAN"},
		{"--voms alice --order /bob", 64, "which --voms does not name"},
		{"--valid 12", 64, "hours and minutes"},
		{"--valid 0:00", 64, "no lifetime"},
		{"--hours -3", 64, "no lifetime"},
		{"--hours 9000000", 64, "hundred years"},
		{"--path-length -1", 64, "number of proxies"},
		{"--bits 1024", 64, "no server accepts"},
		{"--bits 2047", 64, "2048, 3072 or 4096"},
		{"--proxyver 2", 64, "only RFC 3820 proxies"},
		{"--timeout 0", 64, "number of seconds"},
		{"--passphrase-fd 3 --passphrase-file x", 64, "two ways to say the same"},
		{"--passphrase-fd -7", 64, "number of an open file"},
		{"something", 64, "takes no arguments"},
		{"-frobnicate", 64, "login has no flag -frobnicate, and neither has grid-proxy-init or voms-proxy-init"},
		{"--frobnicate", 64, "login has no flag -frobnicate"},
		{"-z", 64, "login has no flag -z"},
		{"--config /nonexistent", 78, "does not exist"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := b.run(append([]string{"login", "--key", "p256"}, strings.Fields(tt.args)...)...)
			r.mustBe(t, tt.code, tt.args)
			for want := range strings.SplitSeq(tt.want, "|") {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("it does not say %q:\n%s", want, r.stderr)
				}
			}
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("the passphrase is in the output:\n%s%s", r.stdout, r.stderr)
			}
		})
	}
	unchanged(t, "a failed login", snapshotBefore, snapshot(t, b.uiProxy()))
}

// A certificate that has ended is told before the passphrase is asked for.
func TestLoginExpired(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{UserEnd: time.Now().Add(-time.Hour)}).onUI()
	r := b.must(1, "login", "--key-file", b.encryptedKey())
	if !strings.Contains(r.stderr, "USER-CERT: ") || !strings.Contains(r.stderr, "ask your CA for a new certificate") {
		t.Errorf("it says %q", r.stderr)
	}
}

func TestLoginCredentials(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).onUI()
	key := b.encryptedKey()
	container, err := pkcs12.Modern.Encode(mustKey(t, b.User), b.User.Leaf(), b.CA.Chain(), secret)
	if err != nil {
		t.Fatal(err)
	}
	p12 := b.file("user.p12", string(container), 0o600)
	globus := filepath.Join(b.env["HOME"], ".globus")
	if err := os.Mkdir(globus, 0o755); err != nil {
		t.Fatal(err)
	}
	robot := b.file("robot.pem", string(read(t, b.UserCert))+string(read(t, b.UserKey)), 0o600)
	phrase := b.file("phrase", secret+"\r\nand more\n", 0o600)
	login := func(t *testing.T, cmd *exec.Cmd) {
		t.Helper()
		os.Remove(b.uiProxy())
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal to ask on
		r := runProcess(t, cmd)
		r.mustBe(t, 0, cmd.Args...)
		if got := b.proxyMade().Identity(); !got.Equal(b.User.Identity()) {
			t.Errorf("the proxy is of %s", got)
		}
		if strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("the passphrase is in the output:\n%s%s", r.stdout, r.stderr)
		}
	}
	quick := []string{"login", "--key", "p256", "-ignorewarn"}
	command := func(args ...string) *exec.Cmd { return b.command(append(quick[:len(quick):len(quick)], args...)...) }

	t.Run("file", func(t *testing.T) { login(t, command("--key-file", key, "--passphrase-file", phrase)) })
	t.Run("old name of the key's flag", func(t *testing.T) { login(t, command("-key", key, "--passphrase-file", phrase)) })
	t.Run("standard input", func(t *testing.T) {
		cmd := command("-key", key, "-pwstdin")
		cmd.Stdin = strings.NewReader(secret + "\nthe next line is somebody else's\n")
		login(t, cmd)
	})
	t.Run("without a line end", func(t *testing.T) {
		cmd := command("-key", key, "--passphrase-file", "-")
		cmd.Stdin = strings.NewReader(secret)
		login(t, cmd)
	})
	for _, args := range [][]string{{"--passphrase-fd", "3"}, {"--passphrase-file", "/dev/fd/3"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := w.WriteString(secret + "\n"); err != nil {
				t.Fatal(err)
			}
			w.Close()
			cmd := command(append([]string{"-key", key}, args...)...)
			cmd.ExtraFiles = []*os.File{r}
			login(t, cmd)
		})
	}
	t.Run("PKCS#12", func(t *testing.T) { login(t, command("-cert", p12, "--passphrase-file", phrase)) })
	t.Run("robot", func(t *testing.T) { login(t, command("-cert", robot)) })
	delete(b.env, "X509_USER_CERT")
	delete(b.env, "X509_USER_KEY")
	t.Run("PKCS#12 in its usual place", func(t *testing.T) {
		write(t, filepath.Join(globus, "usercred.p12"), string(container))
		if err := os.Chmod(filepath.Join(globus, "usercred.p12"), 0o600); err != nil {
			t.Fatal(err)
		}
		login(t, command("--passphrase-file", phrase))
	})
	t.Run("in the usual place", func(t *testing.T) {
		write(t, filepath.Join(globus, "usercert.pem"), string(read(t, b.UserCert)))
		if err := os.WriteFile(filepath.Join(globus, "userkey.pem"), read(t, key), 0o400); err != nil {
			t.Fatal(err)
		}
		login(t, command("--passphrase-file", phrase))
	})
}

func mustKey(t *testing.T, c *proxycert.Credential) any {
	t.Helper()
	key, err := credfile.Private(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Where there is a configuration, it says what to verify by and where VOMS servers are; flags come first.
func TestLoginConfiguration(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{}).onUI()
	for _, name := range []string{"X509_CERT_DIR", "X509_VOMS_DIR", "X509_VOMSES", "VOMS_USERCONF"} {
		delete(b.env, name)
	}
	args := []string{"login", "-q", "-ignorewarn", "--key", "p256", "--voms", "alice"}
	b.must(1, args...)
	b.must(0, append(args, "--config", b.Config)...)
	b.must(1, append(args, "--config", b.Config, "--certdir", "/nonexistent")...)
	b.must(0, append(args, "-certdir", b.TrustDir, "-vomsdir", b.VOMSDir, "-vomses", b.Vomses)...)
	b.env["VOBOX_RECONCILE_CONFIG"] = b.Config
	b.must(0, args...)
}

// values are what flags of old are tried with.
var values = map[string]string{
	"valid": "12:00", "vomslife": "12:00", "hours": "12", "bits": "2048", "key": "/k", "voms": "alice", "order": "/alice", "path-length": "3", "proxyver": "4",
	"timeout": "10", "cred-lifetime": "3000", "proxy-lifetime": "48", "psport": "7512",
}

// tables are the flags of old by the command that takes them.
var tables = map[string][]oldFlag{
	"login": loginFlagsOfOld, "store": storeFlagsOfOld, "stored": storedFlagsOfOld, "enroll": enrollFlagsOfOld(),
}

// Every flag of old does what its table says, with one dash and with two, and by its letter.
func TestOldFlags(t *testing.T) {
	b := &box{t: t, env: map[string]string{}, now: time.Now}
	for command, table := range tables {
		for _, old := range table {
			if n := len(strings.Fields(old.becomes)) + btoi(old.ignored != "") + btoi(old.refused != ""); n != 1 {
				t.Errorf("%s -%s: %d things to do, want one", command, old.name, n)
			}
			spellings := []string{"-" + old.name, "--" + old.name, "--" + strings.ReplaceAll(old.name, "-", "_")}
			if old.short != "" && (command != "stored" || old.short != "c") {
				spellings = append(spellings, "-"+old.short)
			}
			for _, spelling := range spellings {
				args := []string{command, spelling}
				if old.arg {
					value := values[old.name]
					if value == "" {
						value = "word"
					}
					args = append(args, value)
				}
				// --version comes to nothing but its line, whatever else there is.
				r := b.run(append(args, "--version")...)
				switch {
				case old.refused != "":
					r.mustBe(t, exitUsage, args...)
					if !strings.Contains(r.stderr, old.refused) {
						t.Errorf("%q does not say %q, but %q", args, old.refused, r.stderr)
					}
				case strings.HasPrefix(old.becomes, "help"):
					if r.mustBe(t, 0, args...); !strings.Contains(r.stdout, "Usage:") {
						t.Errorf("%q printed %q", args, r.stdout)
					}
				default:
					if r.mustBe(t, 0, args...); !strings.HasPrefix(r.stdout, "vobox-reconcile ") {
						t.Errorf("%q printed %q", args, r.stdout)
					}
				}
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Flags that become others set them.
func TestOldFlagsBecome(t *testing.T) {
	a := &app{world: world{getenv: func(string) string { return "" }, now: time.Now}}
	for command, table := range tables {
		for _, old := range table {
			name, value, _ := strings.Cut(old.becomes, "=")
			if old.becomes == "" || name == "help" || name == "key" {
				continue
			}
			var cmd *cobra.Command
			for _, c := range []*cobra.Command{a.loginCommand(), a.storeCommand(), a.storedCommand(), a.enrollCommand()} {
				if c.Name() == command {
					cmd = c
				}
			}
			args := []string{"--" + old.name}
			if old.arg {
				args = append(args, firstOf(values[old.name], "word"))
			}
			if err := cmd.ParseFlags(args); err != nil {
				t.Errorf("%s %q: %v", command, args, err)
				continue
			}
			flag := cmd.Flags().Lookup(name)
			if flag == nil || !flag.Changed {
				t.Errorf("%s %q does not set --%s", command, args, name)
			} else if value != "" && flag.Value.String() != value {
				t.Errorf("%s %q sets --%s to %q, want %q", command, args, name, flag.Value, value)
			}
		}
	}
}

// The tables are whole, and true: they have what the real tools' own help has, and nothing else.
func TestOldFlagsOfRealTools(t *testing.T) {
	long := regexp.MustCompile(`(?m)^ +(?:-\w(?:,| \|) *)?--?([a-zA-Z][\w-]+)`)
	also := regexp.MustCompile(`, -([a-z][\w-]+)`)
	letter := regexp.MustCompile(`(?m)^ +-(\w)\b`)
	for command, table := range map[string][]oldFlag{"login": loginFlagsOfOld, "store": storeFlagsOfOld, "stored": storedFlagsOfOld} {
		var tools []string
		for _, old := range table {
			tools = append(tools, strings.Fields(old.tools)...)
		}
		slices.Sort(tools)
		for _, tool := range slices.Compact(tools) {
			if command == "stored" && tool == myproxyInit {
				continue
			}
			t.Run(tool, func(t *testing.T) {
				realTool(t, tool)
				help, err := exec.CommandContext(t.Context(), tool, "-help").CombinedOutput()
				if len(help) == 0 {
					t.Fatal(err)
				}
				theirs := map[string]bool{}
				for _, re := range []*regexp.Regexp{long, also, letter} {
					for _, m := range re.FindAllStringSubmatch(string(help), -1) {
						theirs[strings.ReplaceAll(m[1], "_", "-")] = true
					}
				}
				if len(theirs) < 8 {
					t.Fatalf("its help is not understood:\n%s", help)
				}
				for _, old := range table {
					if strings.Contains(" "+old.tools+" ", " "+tool+" ") && !theirs[old.name] && !theirs[old.short] {
						t.Errorf("%s has no -%s", tool, old.name)
					}
				}
				for name := range theirs {
					known := slices.ContainsFunc(table, func(old oldFlag) bool { return old.name == name || old.short == name })
					if !known {
						t.Errorf("the table for %s lacks -%s of %s", command, name, tool)
					}
				}
			})
		}
	}
}

// In store and enroll, -c is a lifetime if it looks like one.
func TestHoursNotConfig(t *testing.T) {
	a := &app{world: world{getenv: func(string) string { return "" }, now: time.Now}}
	root := a.rootCommand()
	a.addCommands(root)
	for _, tt := range []struct{ args, want string }{
		{"store -c 3000", "store --cred-lifetime 3000"},
		{"store -c3000 -d", "store --cred-lifetime=3000 -d"},
		{"store -c 90d", "store --cred-lifetime 90d"},
		{"enroll -c 3000", "enroll --cred-lifetime 3000"},
		{"store -c /etc/config.yaml", "store -c /etc/config.yaml"},
		{"store -c3000.yaml", "store -c3000.yaml"},
		{"store --config 3000", "store --config 3000"},
		{"store -d -- -c 3000", "store -d -- -c 3000"},
		{"store -c", "store -c"},
		{"stored -c 3000", "stored -c 3000"},
		{"login -c 3000", "login -c 3000"},
		{"status -c 3000", "status -c 3000"},
		{"login -voms alice -qn -b2048 -ojson", "login --voms alice -qn -b2048 -ojson"},
		{"login -vomsx alice -fro", "login --vomsx alice --fro"},
		{"store -pshost x -dn", "store --pshost x -dn"},
	} {
		if got := strings.Join(oldSpelling(root, strings.Fields(tt.args)), " "); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.args, got, tt.want)
		}
	}
}

// A lifetime is read as hours or as the configuration's durations, and never as what it is not.
func FuzzParseHours(f *testing.F) {
	for _, s := range []string{"3000", "0", "90d", "48h", "1h30m", "-5", "soon", "00012", "1e3", "999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseHours(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Errorf("%q is %v", s, d)
		}
		if n, err := strconv.Atoi(s); err == nil && d != time.Duration(n)*time.Hour {
			t.Errorf("%q is %v, not so many hours", s, d)
		}
		if again, err := parseHours(d.String()); err != nil || again != d {
			t.Errorf("%q is %v, which is %v, %v", s, d, again, err)
		}
	})
}

func TestEnrollHelp(t *testing.T) {
	b := &box{t: t, env: map[string]string{}, now: time.Now}
	for _, name := range []string{"login", "store", "stored", "enroll"} {
		r := b.must(0, name, "--help")
		golden(t, "help-"+name+".txt", r.stdout)
		for line := range strings.Lines(r.stdout) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}
