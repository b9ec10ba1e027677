package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// machineFile writes a machine proxy of the box, and returns its path.
func (b *box) machineFile() string {
	b.t.Helper()
	p, err := b.CA.Proxy(b.Host, 24*time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.Dir, "ui", "machine.pem")
	if err := gridtest.WriteProxy(p, path); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func TestStore(t *testing.T) {
	b, now := goldenBox(t, gridtest.SiteOptions{NotStored: true})
	b.onUI()
	machine := b.machineFile()
	b.golden("store.txt", b.must(0, "store", "-s", b.MyProxy.Addr(), "-d", "-n", "-t", "48", "-c", "3000").stdout)
	b.golden("store-proved.txt", b.must(0, "store", "--renewer-proxy", machine).stdout)
	if r := b.must(0, "store", "-q"); r.stdout != "" || r.stderr != "" {
		t.Errorf("-q printed %q and %q", r.stdout, r.stderr)
	}
	b.must(0, "store", "-k", "brief", "-K", "two words", "-c", "10", "-R", "vobox.example.org", "-x", "-Z", "/DC=org/*")
	r := b.must(0, "store", "-c", "20000", "-t", "12")
	b.golden("store-short.txt", r.stdout+r.stderr)
	b.golden("stored-short.txt", both(b.must(0, "stored", "--renewer-proxy", machine)))
	*now = now.Add(30 * time.Hour)
	b.golden("stored.txt", both(b.must(0, "stored")))
	b.golden("stored-ended.txt", both(b.must(0, "stored", "-k", "brief")))

	b.AllowBox(false)
	*now = now.Add(-30 * time.Hour)
	b.golden("store-refused.txt", both(b.must(1, "store", "--renewer-proxy", machine)))
	b.golden("stored-refused.txt", both(b.must(1, "stored", "--renewer-proxy", machine, "-k", "brief")))
	b.golden("stored-destroyed.txt", b.must(0, "stored", "--destroy").stdout+b.must(0, "stored", "--destroy", "-k", "brief").stdout)
	if r := b.must(1, "stored"); !strings.Contains(r.stderr, "MP-NOCRED: ") || !strings.Contains(r.stderr, "LCG-UI> vobox-reconcile store -s ") {
		t.Errorf("nothing stored: %q", r.stderr)
	}
}

// asked waits until the server has on record that it was asked for that, which is a moment after its answer.
func (b *box) asked(command string) gridtest.MyProxyRequest {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		for _, r := range b.MyProxy.Requests() {
			if r.Command == command {
				return r
			}
		}
	}
	b.t.Fatalf("the server was not asked %s", command)
	return gridtest.MyProxyRequest{}
}

func both(r result) string { return r.stdout + r.stderr }

// What is asked for arrives at the server.
func TestStoreRequest(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{NotStored: true}).onUI()
	user := b.User.Identity().String()
	b.env["LOGNAME"] = "unixjane"
	for _, tt := range []struct {
		args                        string
		username                    string
		lifetime                    time.Duration // -t
		stored                      time.Duration // about
		renewer, retriever, trusted string
	}{
		{"", user, 48 * time.Hour, 0, "", "", ""},
		{"-d -n", user, 48 * time.Hour, 0, "", "", ""},
		{"-dn -t 0 -c 0", user, 0, 0, "", "", ""},
		{"-t 24 -c 100", user, 24 * time.Hour, 100 * time.Hour, "", "", ""},
		{"-t 90m -c 10d", user, 90 * time.Minute, 240 * time.Hour, "", "", ""},
		{"--proxy_lifetime=24 --cred_lifetime 100", user, 24 * time.Hour, 100 * time.Hour, "", "", ""},
		{"-l jane", "jane", 48 * time.Hour, 0, "", "", ""},
		{"-d=false", "unixjane", 48 * time.Hour, 0, "", "", ""},
		{"-A", user, 48 * time.Hour, 0, "*", "", ""},
		{"-R vobox.example.org", user, 48 * time.Hour, 0, "*/CN=vobox.example.org", "", ""},
		{"-x -R /DC=org/CN=a -X -Z b -x -r /DC=org/CN=c", user, 48 * time.Hour, 0, "/DC=org/CN=a", "/DC=org/CN=c", "*/CN=b"},
		{"-a", user, 48 * time.Hour, 0, "", "*", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			b.MyProxy.Forget()
			r := b.must(0, append([]string{"store", "-ojson"}, strings.Fields(tt.args)...)...)
			put := b.asked("PUT")
			if put.Username != tt.username || put.Lifetime != tt.lifetime || put.Passphrase || put.Peer != user {
				t.Errorf("the server was asked %+v", put)
			}
			var doc storeDoc
			if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
				t.Fatal(err)
			}
			c := doc.Credential
			if c.Renewer != tt.renewer || c.Retriever != tt.retriever || c.TrustedRetriever != tt.trusted || doc.MaxProxyLifetimeSeconds != int64(tt.lifetime/time.Second) {
				t.Errorf("the server has %+v", doc)
			}
			left := time.Duration(c.SecondsLeft) * time.Second
			if want := tt.stored; want == 0 && left < 9000*time.Hour || want != 0 && (left > want || left < want-time.Hour) {
				t.Errorf("stored for %v, want %v", left, want)
			}
		})
	}
}

func TestStoreRefused(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{NotStored: true}).onUI()
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"store -A -R x", 64, "only one of -A and -R"},
		{"store -R x -R y", 64, "only one of -A and -R"},
		{"store -a -r x", 64, "only one of -a and -r"},
		{"store -Z x -Z y", 64, "only one of all -Z"},
		{"store -t -5", 64, "number of hours"},
		{"store -t soon", 64, "number of hours"},
		{"store -t 900000", 64, "hundred years"},
		{"store -m alice", 64, "-m (--voms): attributes do not belong"},
		{"store -L", 64, "vobox-reconcile login"},
		{"store -p 70000", 64, "from 1 to 65535"},
		{"store -s a,,b", 64, "no MyProxy server is given"},
		{"store -n=false", 1, "there is no terminal to ask for it on"},
		{"store --with-passphrase -R x", 64, "leave the passphrase out"},
		{"store -S --passphrase-file -", 64, "would both read standard input"},
		{"store -frob", 64, "store has no flag -frob, and neither has "},
		{"store extra", 64, "takes no arguments"},
		{"store -c", 64, "needs an argument"},
		{"store -c /nonexistent", 78, "does not exist"},
		{"store --renewer-proxy /nonexistent", 1, "reading the machine proxy: "},
		{"store -s localhost:1", 1, "MP-NET: "},
		{"stored --destroy --change-passphrase", 64, "give one"},
		{"stored -S", 64, "are for --change-passphrase"},
		{"stored -t 12", 64, "stored has no flag -t"},
		{"stored --proxy /nonexistent", 1, "there is neither a proxy (/nonexistent) nor a user certificate"},
		{"enroll", 64, "--voms alice:/alice/Role=lcgadmin"},
		{"enroll --voms alice -noregen", 64, "it is a flag of vobox-reconcile login"},
		{"enroll --voms alice:/alice/Role=pilot", 1, "VO-FQAN: "},
		{"enroll --voms alice -c /nonexistent", 78, "does not exist"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := b.must(tt.code, strings.Fields(tt.args)...)
			if !strings.Contains(r.stderr, tt.want) {
				t.Errorf("it does not say %q:\n%s", tt.want, r.stderr)
			}
		})
	}
	if n := len(b.MyProxy.Requests()); n > 0 {
		t.Errorf("the server was asked: %+v", b.MyProxy.Requests())
	}
	delete(b.env, "MYPROXY_SERVER")
	if r := b.must(64, "store"); !strings.Contains(r.stderr, "which MyProxy server?") {
		t.Errorf("without a server: %q", r.stderr)
	}
}

// The stored credential's own passphrase, from a file and from standard input.
func TestStorePassphrase(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{NotStored: true}).onUI()
	one, two := b.file("one", "first phrase\n", 0o600), b.file("two", "second phrase\n", 0o600)
	b.must(0, "store", "-q", "--store-passphrase-file", one)
	if put := b.asked("PUT"); !put.Passphrase {
		t.Errorf("the server was asked %+v", put)
	}
	b.must(1, "stored", "--change-passphrase", "--store-passphrase-file", two, "--new-passphrase-file", one)
	b.must(0, "stored", "--change-passphrase", "--store-passphrase-file", one, "--new-passphrase-file", two)
	cmd := b.command("stored", "--change-passphrase", "-S")
	cmd.Stdin = strings.NewReader("second phrase\nthird phrase\n")
	r := runProcess(t, cmd)
	if r.mustBe(t, 0, "-S"); r.stdout != "Pass phrase changed.\n" {
		t.Errorf("it printed %q", r.stdout)
	}
	cmd = b.command("store", "-q", "-S")
	cmd.Stdin = strings.NewReader("short\n")
	r = runProcess(t, cmd)
	if r.mustBe(t, 1, "-S"); !strings.Contains(r.stderr, "fewer than 6 characters") {
		t.Errorf("it says %q", r.stderr)
	}
}

// On a VO-box everything needed is in the configuration: the server, the machine proxy, and whose proxy it is.
func TestStoredOnBox(t *testing.T) {
	b := newBox(t, gridtest.SiteOptions{StoredMax: 12 * time.Hour})
	b.env["X509_USER_PROXY"] = filepath.Join(b.Dir, "none")
	if r := b.must(1, "stored"); !strings.Contains(r.stderr, "there is neither a proxy") {
		t.Errorf("with nothing: %q", r.stderr)
	}
	b.env["X509_USER_PROXY"] = b.LoginProxy
	b.must(0)
	b.env["X509_USER_PROXY"] = filepath.Join(b.Dir, "none")
	before := snapshot(t, b.Root)
	var doc lookDoc
	r := b.must(0, "stored", "-ojson")
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Username != b.User.Identity().String() || len(doc.Credentials) != 1 || doc.Probe == nil || !doc.Probe.Renewable || doc.Probe.LongestSeconds != 43200 ||
		len(doc.Warnings) != 1 || doc.Warnings[0].ID != "MP-T12" {
		t.Errorf("it shows %+v", doc)
	}
	unchanged(t, "a look at what is stored", before, snapshot(t, b.Root))
	if r := b.must(0, "stored", "--renewer-proxy", "none"); strings.Contains(r.stdout, "longest proxy") {
		t.Errorf("measured in spite of none: %s", r.stdout)
	}
}

func TestEnroll(t *testing.T) {
	b, _ := goldenBox(t, gridtest.SiteOptions{NotStored: true})
	b.onUI()
	r := b.must(0, "enroll", "--voms", "alice:"+b.Role, "-s", b.MyProxy.Addr(), "--box", "vobox.example.org", "--renewer-proxy", b.machineFile())
	b.golden("enroll.txt", r.stdout+r.stderr)
	b.proxyMade()
	if got := b.asked("GET"); got.Peer != b.Host.Identity().String() || got.Method != 4 {
		t.Errorf("the server was asked %+v", got)
	}

	var doc enrollDoc
	r = b.must(0, "enroll", "-m", "alice", "-ojson", "-L", "--key", "p256", "-q")
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil {
		t.Fatal(err)
	}
	if !doc.Login.Verified || doc.Login.KeyType != "ec" || doc.Stored.Credential.Owner != b.User.Identity().String() || doc.Next[len(doc.Next)-1].Where != "VO-Box" {
		t.Errorf("it says %+v", doc)
	}

	// Which attributes may be left to a configuration; and a passphrase is asked for once for both halves.
	key := b.encryptedKey()
	phrase := b.file("phrase", secret+"\n", 0o600)
	b.must(0, "enroll", "--config", b.Config, "-q", "--key", "p256", "--key-file", key, "--passphrase-file", phrase)
	if r := b.must(0, "inspect", "-fqan", b.uiProxy()); !strings.HasPrefix(r.stdout, b.Role) {
		t.Errorf("its attributes are %s", r.stdout)
	}

	// When storing fails, the login proxy is there, and nobody is told to go on.
	if err := os.Remove(b.uiProxy()); err != nil {
		t.Fatal(err)
	}
	b.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Refuse})
	r = b.must(1, "enroll", "--voms", "alice", "--key", "p256")
	b.proxyMade()
	if strings.Contains(r.stdout, "What to type next") || !strings.Contains(r.stderr, "MP-NET: ") {
		t.Errorf("storing failed:\n%s%s", r.stdout, r.stderr)
	}
}
