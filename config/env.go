package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Env is all that a configuration may depend on besides its files. The zero value of a field means "nothing there".
type Env struct {
	// Getenv returns an environment variable; an empty one counts as unset.
	Getenv func(name string) string
	// LookupUser finds an account. Its error is shown to people.
	LookupUser func(name string) (uid, gid int, home string, err error)
	// UID is the invoking user, 0 being root: root refuses configurations that others could have written.
	UID int
	// Username is the invoking user's name, the default of the key user. It may be unknown ("") in a container.
	Username string
	// Readable reports whether the invoking user can read a file: the host key, which decides machineProxy.manage.
	Readable func(path string) bool
	// Stat describes an open configuration file: the owner's and group's numbers, and the mode. It is asked so that
	// tests can pretend; nil takes what the file system says.
	Stat func(f *os.File) (uid, gid int, mode fs.FileMode, err error)
	// Instead is what to read in place of files, by path, to see what a configuration would be: nil is as if there were no such
	// file. A new file of conf.d or of Config.Registered is read as if it were there.
	Instead map[string][]byte
	// Hostname is this host's name, for the sender of alerts.
	Hostname func() (string, error)
}

// OSEnv is the environment of this process.
func OSEnv() Env {
	e := Env{
		Getenv:     os.Getenv,
		LookupUser: lookupUser,
		UID:        os.Getuid(),
		Readable:   func(path string) bool { return unix.Access(path, unix.R_OK) == nil },
		Hostname:   os.Hostname,
	}
	if u, err := user.Current(); err == nil {
		e.Username = u.Username
	}
	return e
}

// lookupUser finds an account in /etc/passwd and, because a program without cgo cannot ask LDAP or SSSD, where VO
// accounts of large sites live, through getent(1).
func lookupUser(name string) (uid, gid int, home string, err error) {
	if u, err := user.Lookup(name); err == nil {
		return numbers(u.Uid, u.Gid, u.HomeDir)
	} else if _, unknown := errors.AsType[user.UnknownUserError](err); !unknown {
		return 0, 0, "", err
	}
	out, err := getent("passwd", "--", name)
	fields := strings.Split(strings.TrimSuffix(string(out), "\n"), ":")
	if err != nil || len(fields) != 7 || fields[0] != name {
		return 0, 0, "", user.UnknownUserError(name)
	}
	return numbers(fields[2], fields[3], fields[5])
}

// getent runs the system's getent(1), whatever the invoker's PATH and environment say: who an account is decides as whom
// commands are run.
func getent(args ...string) ([]byte, error) {
	path := "/usr/bin/getent"
	if _, err := os.Stat(path); err != nil {
		path = "/bin/getent"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	return cmd.Output()
}

// numbers converts the text fields of a passwd entry.
func numbers(uid, gid, home string) (int, int, string, error) {
	u, err := strconv.ParseUint(uid, 10, 31)
	if err != nil {
		return 0, 0, "", fmt.Errorf("reading user number %q: %w", uid, err)
	}
	g, err := strconv.ParseUint(gid, 10, 31)
	if err != nil {
		return 0, 0, "", fmt.Errorf("reading group number %q: %w", gid, err)
	}
	return int(u), int(g), home, nil
}

func (e Env) getenv(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

func (e Env) lookupUser(name string) (uid, gid int, home string, err error) {
	if e.LookupUser == nil {
		return 0, 0, "", user.UnknownUserError(name)
	}
	return e.LookupUser(name)
}

func (e Env) readable(path string) bool { return e.Readable != nil && e.Readable(path) }

func (e Env) hostname() string {
	if e.Hostname != nil {
		if h, err := e.Hostname(); err == nil && h != "" {
			return h
		}
	}
	return "localhost"
}
