package main

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// An account is another one than root's, for which root looks after a box.
type account struct {
	name     string
	uid, gid int
}

// someAccount finds one that every system has. The test is skipped, loudly, for others than root; CI must not skip it.
func someAccount(t *testing.T) account {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to run this as root")
		}
		t.Skip("NOT TESTED: what root does for another account; run the tests as root")
	}
	for _, name := range []string{"nobody", "daemon"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid > 0 {
			return account{name, uid, gid}
		}
	}
	t.Fatal("there is neither nobody nor daemon")
	return account{}
}

// processAs runs the real program as the account.
func (b *box) processAs(a account, args ...string) result {
	b.t.Helper()
	path, err := realBinary() // the test binary is not for everybody to run
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := b.command(args...)
	cmd.Path, cmd.Args[0], cmd.Err = path, path, nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}}
	return runProcess(b.t, cmd)
}

// ownedBox is a box whose VO directory, home and log belong to an account, and which root looks after.
func ownedBox(t *testing.T, a account) *box {
	t.Helper()
	b := newBox(t, gridtest.SiteOptions{StoredMax: 24 * time.Hour})
	b.edit(b.Config, "vo: alice\n", "vo: alice\nuser: "+a.name+"\n")
	b.edit(b.RestartScript, "#!/bin/sh\n", "#!/bin/sh\n(id -u; id -g; id -G; echo $HOME; echo $USER) > "+filepath.Dir(b.RestartLog)+"/id || exit 1\n")
	for _, dir := range []string{b.Root, b.Home, filepath.Dir(b.RestartLog)} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, a.uid, a.gid)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func owner(t *testing.T, path string) (uid, gid int, mode fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), int(st.Gid), info.Mode()
}

func TestRootForAnAccount(t *testing.T) {
	a := someAccount(t)
	b := ownedBox(t, a)
	r := b.process()
	r.mustBe(t, 0)
	for path, mode := range map[string]fs.FileMode{
		b.machineProxy(): 0o400, b.userProxy(): 0o600, b.CEEnv: 0o644, b.MLEnv: 0o644, b.state(): fs.ModeDir | 0o700,
		b.state() + "/lock": 0o600, b.state() + "/journal.jsonl": 0o600, b.state() + "/state.json": 0o600,
		b.state() + "/last-good": fs.ModeDir | 0o700, b.state() + "/last-good/lcgadmin.pem": 0o600,
	} {
		if uid, gid, got := owner(t, path); uid != a.uid || gid != a.gid || got != mode {
			t.Errorf("%s is %v of %d:%d, want %v of %d:%d", path, got, uid, gid, mode, a.uid, a.gid)
		}
	}
	id := strings.Split(string(read(t, filepath.Dir(b.RestartLog)+"/id")), "\n")
	u, err := user.Lookup(a.name)
	if err != nil {
		t.Fatal(err)
	}
	if id[0] != strconv.Itoa(a.uid) || id[1] != strconv.Itoa(a.gid) || strings.Contains(" "+id[2]+" ", " 0 ") || id[3] != u.HomeDir || id[4] != a.name {
		t.Errorf("the service was restarted as uid, gid, groups, HOME, USER = %q", id)
	}
	b.mustRestarts(1)

	// The account itself can go on where root has been: it sees no trouble, and nothing to do.
	b.processAs(a, "--dry-run").mustBe(t, 0)

	// A file of root's own in the account's way is given to it.
	for _, path := range []string{b.userProxy(), b.machineProxy()} {
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	r = b.process()
	r.mustBe(t, 0)
	if uid, _, _ := owner(t, b.userProxy()); uid != a.uid {
		t.Errorf("the proxy still belongs to uid %d:\n%s", uid, r.stdout)
	}
}

// Root must not be led astray by links that the account plants where root writes or reads: outside of the account's own
// directories nothing changes, and nothing of what is there turns up inside.
func TestPlantedLinks(t *testing.T) {
	a := someAccount(t)
	b := ownedBox(t, a)
	b.process().mustBe(t, 0)
	outside := filepath.Join(b.Dir, "outside") // root's
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	// Files of all the names that root looks for in directories that can be links.
	for _, name := range []string{"file", "lock", "journal.jsonl", "state.json", "CE.env", "ml.env", "config/CE.env", "config/ml.env",
		"lcgadmin.pem", "last-good/lcgadmin.pem", filepath.Base(b.userProxy())} {
		path := filepath.Join(outside, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("SECRET=of-root\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, tt := range []struct {
		name, place, target string
		code                int
	}{
		{"env file", b.CEEnv, "file", 1},
		{"directory of env files", filepath.Dir(b.CEEnv), "", 1},
		{"directory above", filepath.Dir(filepath.Dir(b.CEEnv)), "", 1},
		{"user proxy", b.userProxy(), "file", 0}, // replaced
		{"repository", b.Repository, "", 1},
		{"machine proxy", b.machineProxy(), "file", 0}, // replaced
		{"state directory", b.state(), "", 1},
		{"state", b.state() + "/state.json", "file", 0}, // replaced
		{"journal", b.state() + "/journal.jsonl", "file", 0},
		{"lock", b.state() + "/lock", "file", 1},
		{"directory of last-good copies", b.state() + "/last-good", "", 0},
		{"last-good copy", b.state() + "/last-good/lcgadmin.pem", "file", 0}, // replaced
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := *b
			b.t = t
			moved := filepath.Join(b.Dir, "moved")
			if err := os.Rename(tt.place, moved); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.RemoveAll(tt.place); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(moved, tt.place); err != nil {
					t.Fatal(err)
				}
			}()
			if err := os.Symlink(filepath.Join(outside, tt.target), tt.place); err != nil {
				t.Fatal(err)
			}
			if err := os.Lchown(tt.place, a.uid, a.gid); err != nil {
				t.Fatal(err)
			}
			// Something to do everywhere: a proxy to renew that is better than the last one, an env file to write.
			if err := b.Store(3000*time.Hour, time.Duration(24+i)*time.Hour); err != nil {
				t.Fatal(err)
			}
			b.edit(b.Config, "MYPROXY_SERVER: ", "MYPROXY_SERVER: x")
			before := snapshot(t, outside)
			r := b.process("--force", "lcgadmin", "--lock-wait", "0s")
			unchanged(t, "the pass", before, snapshot(t, outside))
			r.mustBe(t, tt.code)
			said := r.stdout + r.stderr
			if !strings.Contains(said, "symbolic link") && tt.name != "last-good copy" {
				t.Errorf("it is not said that a link is in the way:\n%s", said)
			}
			for _, args := range [][]string{{"--dry-run"}, {"status"}, {"status", "-ojson"}} {
				r := b.process(args...)
				said += r.stdout + r.stderr
			}
			unchanged(t, "looking", before, snapshot(t, outside))
			if strings.Contains(said+snapshot(t, b.Root)+snapshot(t, b.Home), "of-root") {
				t.Errorf("what only root may read was read, and turns up")
			}
		})
	}
}
