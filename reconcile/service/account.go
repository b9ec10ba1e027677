package service

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Account is whom the commands run as. The zero Account is the invoking user.
type Account struct {
	Name, Home, Shell string
	UID, GID          int
	Groups            []int // supplementary ones, GID among them
	Set               bool
}

// ErrUnknownAccount is in the error of LookupAccount when neither the files nor the name service know the account.
var ErrUnknownAccount = errors.New("unknown user")

// LookupAccount finds an account with its supplementary groups: in /etc/passwd and /etc/group, as os/user does without
// cgo, but with the shell too; and where it is not there, from LDAP or SSSD by way of getent and id, which a program
// that does not link libc has no other way to ask. The name may be a decimal uid.
func LookupAccount(name string) (Account, error) {
	return system.lookup(name)
}

// A directory of accounts: the machine's files and the programs that ask its name service.
type accounts struct {
	passwd, group, nsswitch string
	ask                     func(program string, args ...string) ([]byte, error)
	root                    bool // groups matter only to one who can change them
}

var system = accounts{
	passwd: "/etc/passwd", group: "/etc/group", nsswitch: "/etc/nsswitch.conf",
	ask: ask, root: os.Geteuid() == 0,
}

func (d accounts) lookup(name string) (Account, error) {
	if name == "" || name[0] == '-' || strings.ContainsAny(name, ":/\n\x00 ") {
		return Account{}, fmt.Errorf("%w %q: that cannot be the name of an account", ErrUnknownAccount, name)
	}
	a, ok, err := d.fromFile(name)
	local := ok
	if err != nil {
		return Account{}, err
	}
	if !ok {
		if a, ok, err = d.fromNameService(name); err != nil {
			return Account{}, err
		}
	}
	if !ok {
		return Account{}, fmt.Errorf("%w %q: neither /etc/passwd nor the name service has it; type: getent passwd %s",
			ErrUnknownAccount, name, name)
	}
	if a.Groups, err = d.groups(a, local); err != nil {
		return Account{}, fmt.Errorf("finding the groups of %q: %w", name, err)
	}
	return a, nil
}

// fromFile looks the account up in passwd(5).
func (d accounts) fromFile(name string) (found Account, ok bool, err error) {
	err = lines(d.passwd, func(line string) bool {
		a, valid := parsePasswd(line)
		if valid && (a.Name == name || !ok && strconv.Itoa(a.UID) == name) {
			found, ok = a, true
		}
		return !(ok && found.Name == name) // a name is better than a number that looks like it
	})
	return found, ok, err
}

func (d accounts) fromNameService(name string) (Account, bool, error) {
	out, err := d.ask("getent", "passwd", name)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit), errors.Is(err, errNoCommand): // getent(1) ends with 2 for an unknown key
		return Account{}, false, nil
	case err != nil:
		return Account{}, false, fmt.Errorf("asking the name service for %q: %w", name, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	a, ok := parsePasswd(line)
	if !ok {
		return Account{}, false, fmt.Errorf("getent passwd %s gave %q, which is not a line of passwd(5)", name, line)
	}
	return a, true, nil
}

// groups gives the account's groups. For an account from the files they are in the files too, unless nsswitch.conf
// says that groups also come from elsewhere; then only id(1) knows all of them.
func (d accounts) groups(a Account, local bool) ([]int, error) {
	groups, err := d.groupsFromFile(a)
	if err != nil || local && (!d.root || !d.groupsElsewhere()) {
		return groups, err
	}
	out, err := d.ask("id", "-G", "--", a.Name)
	if err != nil {
		return groups, nil // what the files say is better than no restart
	}
	for _, field := range strings.Fields(string(out)) {
		if gid, ok := parseID(field); ok && !slices.Contains(groups, gid) {
			groups = append(groups, gid)
		}
	}
	return groups, nil
}

func (d accounts) groupsFromFile(a Account) ([]int, error) {
	groups := []int{a.GID}
	err := lines(d.group, func(line string) bool {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 || !slices.Contains(strings.Split(f[3], ","), a.Name) {
			return true
		}
		if gid, ok := parseID(f[2]); ok && !slices.Contains(groups, gid) {
			groups = append(groups, gid)
		}
		return true
	})
	return groups, err
}

// groupsElsewhere says whether nsswitch.conf(5) names a source of groups besides the files.
func (d accounts) groupsElsewhere() bool {
	elsewhere := false
	lines(d.nsswitch, func(line string) bool {
		line, _, _ = strings.Cut(line, "#")
		key, sources, _ := strings.Cut(strings.TrimSpace(line), ":")
		if key = strings.TrimSpace(key); key != "group" && key != "initgroups" {
			return true
		}
		for _, s := range strings.Fields(sources) {
			// systemd synthesises groups without members beyond those in the files.
			elsewhere = elsewhere || s != "files" && s != "systemd" && s[0] != '['
		}
		return true
	})
	return elsewhere
}

// parsePasswd reads a line of passwd(5); NIS's +user lines and the like are none.
func parsePasswd(line string) (Account, bool) {
	f := strings.Split(line, ":")
	if len(f) != 7 || f[0] == "" || f[0][0] == '+' || f[0][0] == '-' {
		return Account{}, false
	}
	uid, ok1 := parseID(f[2])
	gid, ok2 := parseID(f[3])
	return Account{Name: f[0], Home: f[5], Shell: f[6], UID: uid, GID: gid, Set: true}, ok1 && ok2
}

// parseID reads a uid or gid; 2³²-1 means "do not change" to the kernel and is none.
func parseID(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && n != 1<<32-1
}

// lines calls f for each line of a file until it says false. A file that is not there has none.
func lines(path string, f func(line string) bool) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReader(io.LimitReader(file, 64<<20))
	for {
		line, err := r.ReadString('\n') // not a Scanner: a group can have more members than fit into 64 KiB
		if line = strings.TrimRight(line, "\n"); line != "" && !f(line) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %q: %w", path, err)
		}
	}
}

// ask runs getent or id, without a shell, for ten seconds at most: SSSD without its server can be slow.
func ask(program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	path, err := find(ctx, program)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + searchPath, "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("running %s: %w", filepath.Base(path), ctx.Err())
		}
		return nil, err
	}
	return out.Bytes(), nil
}

// orInvoker gives the invoking user for the zero account.
func (a Account) orInvoker() Account {
	if a.Set {
		return a
	}
	if who, ok, err := system.fromFile(strconv.Itoa(os.Geteuid())); err == nil && ok {
		who.Set = false
		return who
	}
	return Account{Name: os.Getenv("USER"), Home: os.Getenv("HOME"), Shell: os.Getenv("SHELL"), UID: os.Geteuid(), GID: os.Getegid()}
}
