package credfile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
)

// ids of the findings below dir: what is above a test's directory is not the test's.
func ids(found []credfile.Finding, dir string) []string {
	out := []string{}
	for _, f := range found {
		if strings.HasPrefix(f.Path, dir) {
			out = append(out, f.ID)
		}
	}
	return out
}

func TestCheckFileMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "the key's file")
	for _, tc := range []struct {
		mode    os.FileMode
		kind    credfile.Kind
		problem string // "": none
		after   os.FileMode
	}{
		{0o600, credfile.Secret, "", 0},
		{0o400, credfile.Secret, "", 0},
		{0o644, credfile.Secret, "everybody can read it", 0o600},
		{0o640, credfile.Secret, "its group can read it", 0o600},
		{0o440, credfile.Secret, "its group can read it", 0o400},
		{0o660, credfile.Secret, "its group can write it", 0o600},
		{0o606, credfile.Secret, "everybody can write it", 0o600},
		{0o700, credfile.Secret, "it is marked as a program", 0o600},
		{0o000, credfile.Secret, "its owner cannot read it", 0o600},
		{0o644, credfile.Public, "", 0},
		{0o444, credfile.Public, "", 0},
		{0o600, credfile.Public, "", 0},
		{0o664, credfile.Public, "its group can write it", 0o644},
		{0o666, credfile.Public, "everybody can write it", 0o644},
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		found := credfile.CheckFile(path, tc.kind, os.Getuid())
		if tc.problem == "" {
			if got := ids(found, dir); len(got) > 0 {
				t.Errorf("%04o: %v, want nothing", tc.mode, found)
			}
			continue
		}
		if got := ids(found, dir); len(got) != 1 || got[0] != credfile.FindingPerm || !strings.Contains(found[0].Problem, tc.problem) {
			t.Errorf("%04o: %v, want FILE-PERM because %s", tc.mode, found, tc.problem)
			continue
		}
		// The remedy is a command that helps.
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", found[0].Remedy).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", found[0].Remedy, err, out)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != tc.after {
			t.Errorf("%04o: %s made it %v, %v, want %04o", tc.mode, found[0].Remedy, info.Mode(), err, tc.after)
		}
	}
}

func TestCheckFileHardLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	found := credfile.CheckFile(path, credfile.Secret, os.Getuid())
	if got := ids(found, dir); len(got) != 1 || got[0] != credfile.FindingHardLink {
		t.Fatalf("found %v, want FILE-HARDLINK", found)
	}
	if found := ids(credfile.CheckFile(path, credfile.Public, os.Getuid()), dir); len(found) > 0 {
		t.Errorf("a certificate: %v, want nothing", found)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", found[0].Remedy).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", found[0].Remedy, err, out)
	}
	if found := ids(credfile.CheckFile(path, credfile.Secret, os.Getuid()), dir); len(found) > 0 {
		t.Errorf("after the remedy: %v", found)
	}
}

func TestCheckFileDirectory(t *testing.T) {
	top := t.TempDir()
	for _, tc := range []struct {
		mode os.FileMode
		want bool
	}{{0o755, false}, {0o700, false}, {0o777, true}, {0o777 | os.ModeSticky, false}, {0o757, true}} {
		dir := filepath.Join(top, "dir")
		path := filepath.Join(dir, "sub", "proxy")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, tc.mode); err != nil {
			t.Fatal(err)
		}
		found := credfile.CheckFile(path, credfile.Secret, -1)
		got := ids(found, top)
		if tc.want != (len(got) == 1 && got[0] == credfile.FindingDir && found[0].Path == dir) || !tc.want && len(got) > 0 {
			t.Errorf("directory %v: %v, want FILE-DIR %v", tc.mode, found, tc.want)
		}
		if !tc.want {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", found[0].Remedy).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", found[0].Remedy, err, out)
		}
		if found := ids(credfile.CheckFile(path, credfile.Secret, -1), top); len(found) > 0 {
			t.Errorf("after the remedy: %v", found)
		}
	}
}

func TestCheckFileOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("proxy", link); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path string
		uid  int
		want string
	}{
		{path, -1, ""},
		{link, -1, ""},
		{path, 54321, "FILE-OWNER FILE-DIR"},
		{dir + "/none", -1, "FILE-READ"},
		{dir, -1, "FILE-TYPE"},
		{pipe, -1, "FILE-TYPE"},
	} {
		if tc.uid == 54321 && os.Geteuid() == 0 {
			tc.want = "FILE-OWNER" // root may own directories
		}
		found := credfile.CheckFile(tc.path, credfile.Secret, tc.uid)
		if got := strings.Join(ids(found, dir), " "); got != tc.want {
			t.Errorf("%s: %v, want %q", tc.path, found, tc.want)
		}
		for _, f := range found {
			if f.Problem == "" || f.Remedy == "" {
				t.Errorf("%s: %+v lacks words", tc.path, f)
			}
		}
	}
	if os.Geteuid() != 0 {
		t.Log("SKIPPED: other people's files, which only root can make")
		return
	}
	if err := os.Lchown(link, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if got := ids(credfile.CheckFile(link, credfile.Secret, 0), dir); len(got) != 1 || got[0] != credfile.FindingLink {
		t.Errorf("somebody's link: %v, want FILE-LINK", got)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if got := ids(credfile.CheckFile(path, credfile.Secret, 0), dir); len(got) != 1 || got[0] != credfile.FindingDir {
		t.Errorf("in somebody's directory: %v, want FILE-DIR", got)
	}
	if err := os.Chown(dir, 0, 12345); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o775); err != nil {
		t.Fatal(err)
	}
	if got := ids(credfile.CheckFile(path, credfile.Secret, 0), dir); len(got) != 1 || got[0] != credfile.FindingDir {
		t.Errorf("in somebody's group's directory: %v, want FILE-DIR", got)
	}
}
