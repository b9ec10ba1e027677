package envfile_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/bound"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"equal", "A=1\n", "A=1\n", ""},
		{"both empty", "", "", ""},
		{"the documented line",
			"# CE environment bootstrap\nexport X509_USER_PROXY=$( ls -t /r/*lcgadmin | sed q )\n",
			"# CE environment bootstrap\nexport X509_USER_PROXY=/r/p-lcgadmin\n", `--- a
+++ b
@@ -1,2 +1,2 @@
 # CE environment bootstrap
-export X509_USER_PROXY=$( ls -t /r/*lcgadmin | sed q )
+export X509_USER_PROXY=/r/p-lcgadmin
`},
		{"a new file", "", "A=1\n", "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+A=1\n"},
		{"three lines of context", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", `--- a
+++ b
@@ -2,7 +2,7 @@
 2
 3
 4
-5
+x
 6
 7
 8
`},
		{"no final newline", "A=1\nB=1", "A=1\nB=2", `--- a
+++ b
@@ -1,2 +1,2 @@
 A=1
-B=***
\ No newline at end of file
+B=***
\ No newline at end of file
`},
		{"CRLF", "A=1\r\n", "A=1\n", "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-A=1^M\n+A=1\n"},
		{"what a terminal would obey", "# \x1b[2J\x9b\xff\n", "A=1\n", "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-# ^[[2J\ufffd\n+A=1\n"},
		{"a secret beside", "export DB_PASSWORD='hunter2\nhunter3' X=1\nA=1\n", "export DB_PASSWORD='hunter2\nhunter3' X=1\nA=2\n", `--- a
+++ b
@@ -1,3 +1,3 @@
 export DB_PASSWORD=***
 *** X=***
-A=1
+A=2
`},
		{"a secret that changes", "TOKEN=a\n", "TOKEN=b\n", "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-TOKEN=***\n+TOKEN=***\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := envfile.Diff("a", []byte(c.old), "b", []byte(c.new), "A", "X509_USER_PROXY", "TOKEN"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// Of what the edit does not manage, a diff shows the names and the commands.
func TestDiffHidesWhatIsNotManaged(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		// Shown.
		{"", ""},
		{"  ", "  "},
		{"# words, ${proxy.x}: https://example.org/", "# words, ${proxy.x}: https://example.org/"},
		{"export M='a b' # why", "export M='a b' # why"},
		{"export M=$( ls -t /var/lib/vobox/alice/proxy_repository/*lcgadmin | sed q )", "export M=$( ls -t /var/lib/vobox/alice/proxy_repository/*lcgadmin | sed q )"},
		{"M=$(\n ls # x\n)", "M=$(\n ls # x\n)"},
		{"if true; then M=1; fi", "*** true*** M=1***"},
		{"f() {\n\tM=2\n}", "***\n\tM=2\n***"},
		{"set -a", "set ***"},
		{"unset M N", "unset M N"},
		{"declare -x M=1 N", "declare -x M=1 N"},
		// Not shown.
		{"DB_PW=hunter2", "DB_PW=***"},
		{"export N=hunter2 M=1 O=$(hunter2) P='hunter2\nhunter2'", "export N=*** M=1 O=*** P=***\n***"},
		{"N=hunter2; M=1", "N=*** M=1"},
		{"N+=hunter2", "N+=***"},
		{"N[hunter2]=hunter2", "***"},
		{"N=(hunter2\n hunter2)", "N=***\n ***"},
		{"N=hunter2 prog hunter2", "N=*** prog ***"},
		{"curl -u me:hunter2 \\\n  hunter2", "curl ***\n  ***"},
		{"/usr/bin/sshpass -p hunter2", "/usr/bin/sshpass ***"},
		{"MIIEhunter2+/=", "***"},
		{"'hunter2' x", "***"},
		{strings.Repeat("hunter2", 10), "***"},
		{"export -n hunter-2 N", "export -n *** N"},
		{"( N=hunter2 )", "***"},
		{"N=$(M=hunter2 prog hunter2)", "N=***"},
		{"cat <<E\nhunter2\n# hunter2\nM=hunter2\nE", "cat ***\n***\n***\n***\n***"},
		{"prog '\n# hunter2\nM=hunter2\n'", "prog ***\n***\n***\n***"},
		{": ${N:=hunter2}", "***"},
		{"# N=hunter2 hunter2", "# N=***"},
		{"# M=1 https://me:hunter2/x@y@example.org/", "# M=1 https://me:***@example.org/"},
		{"export M=https://me:hunter2@example.org/", "export M=https://me:***@example.org/"},
		{"# -----END CERTIFICATE----------BEGIN RSA PRIVATE KEY-----\n# MIIhunter2\n# -----END RSA PRIVATE KEY-----\n# x", "***\n***\n***\n# x"},
		{"N='hunter2", "***"}, // not to be followed
		{"# hunter2\n)", "***\n***"},
	} {
		_, got, _ := strings.Cut(envfile.Diff("a", nil, "b", []byte(c.in+"\n"), "M"), "@@\n")
		if want := "+" + strings.ReplaceAll(c.want, "\n", "\n+") + "\n"; got != want {
			t.Errorf("from %q\n got %q\nwant %q", c.in, got, want)
		}
	}
}

// patch(1) makes the new file of the old one.
func TestDiffIsWhatPatchTakes(t *testing.T) {
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("NOT TESTED: patch is not on this machine")
	}
	long := strings.Repeat("same\n", 50)
	for _, c := range [][2]string{
		{"", "A=1\n"}, {"A=1", ""}, {"A=1", "A=2"}, {"A=1\nB=1\n", "B=1\nC=1"},
		{"a\n" + long + "b\n" + long, "A\n" + long + "B\n" + long}, {long + "1\n" + long, long + long}, {long, long + "x" + "\n" + long},
	} {
		path := filepath.Join(t.TempDir(), "CE.env")
		if err := os.WriteFile(path, []byte(c[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(patch, "--quiet", "--no-backup-if-mismatch", "--allow-empty", path)
		cmd.Stdin = strings.NewReader(envfile.Diff("CE.env", []byte(c[0]), "CE.env", []byte(c[1]), "A", "B", "C"))
		cmd.Args = append(cmd.Args[:3], path)
		out, err := cmd.CombinedOutput()
		got, _ := os.ReadFile(path)
		if err != nil || string(got) != c[1] {
			t.Errorf("from %.40q: got %.40q, want %.40q: %v %s", c[0], got, c[1], err, out)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"export DB_PASSWORD=hunter2 # c", "export DB_PASSWORD=*** # c"},
		{"export A=1 API_TOKEN=\"x y\" B=2", "export A=1 API_TOKEN=*** B=2"},
		{"#export MYPROXY_PASSPHRASE=hunter2 # c", "#export MYPROXY_PASSPHRASE=***"},
		{"SECRET_X=a prog", "SECRET_X=***"},
		{"A=1 SSH_KEY=x prog", "A=1 SSH_KEY=***"},
		{"B='x\nAWS_SECRET_ACCESS_KEY=abc", "B='x\nAWS_SECRET_ACCESS_KEY=***"},
		{"K='-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n'; A=1", "***\n***\n***\n'; A=1"},
		{"# -----END CERTIFICATE----------BEGIN RSA PRIVATE KEY-----\n# MII\n# -----END RSA PRIVATE KEY-----\n#", "***\n***\n***\n#"},
		{"-----BEGIN PRIVATE KEY-----MII-----END PRIVATE KEY-----BEGIN PRIVATE KEY-----\nMII\n-----END CERTIFICATE-----\nMII", "***\n***\n***\n***"},
		{"URL=https://me:hun/ter@2@example.org/x", "URL=https://me:***@example.org/x"},
		{"URL=https://me:hunter2@example.org/x", "URL=https://me:***@example.org/x"},
		{"my_pwd=x", "my_pwd=***"},
		{"DB_PW=x", "DB_PW=***"},
		{"ALIEN_PIN=1", "ALIEN_PIN=***"},
		{"HTTP_AUTH=x", "HTTP_AUTH=***"},
		{"BEARER=x", "BEARER=***"},
		{"X509_PASSWORD=x", "X509_PASSWORD=***"},
		{"curl -H 'Authorization: Bearer eyJhbGciOi.x-y'", "curl -H 'Authorization: Bearer ***'"},
		{"TOKEN=", "TOKEN=***"},
		// Not secret: paths, switches, and names that only sound like it.
		{"X509_USER_KEY=/etc/k", "X509_USER_KEY=/etc/k"},
		{"TOKEN_FILE=/home/a/t", "TOKEN_FILE=/home/a/t"},
		{"USE_TOKEN=2", "USE_TOKEN=2"},
		{"MAPPING=a", "MAPPING=a"},
		{"X509_CERT_DIR=/c", "X509_CERT_DIR=/c"},
		{"X509_USER_PROXY=/p", "X509_USER_PROXY=/p"},
		{"KEYBOARD=de PWD=/x", "KEYBOARD=de PWD=/x"},
		{"URL=https://example.org/a:b@c", "URL=https://example.org/a:b@c"},
	} {
		if got := string(envfile.Redact([]byte(c.in))); got != c.want {
			t.Errorf("from %q\n got %q\nwant %q", c.in, got, c.want)
		}
	}
}

func TestDiffOfLargeFiles(t *testing.T) {
	var old, new bytes.Buffer
	for i := 0; old.Len() < envfile.MaxSize/4; i++ {
		old.WriteString("export A=1\n")
		new.WriteString("export A=1\n")
		if i%100 == 0 {
			old.WriteString("\r\n")
			new.WriteString("export B_TOKEN=x\n")
		}
	}
	if took := bound.Taken(func() { envfile.Diff("a", old.Bytes(), "b", new.Bytes()) }); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}
