package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// path is the check of a plain path.
func (r *reader) path(path string, into *string) { *into = r.expand(path, *into) }

// globPath is the check of a path whose last element may be a glob.
func (r *reader) globPath(path string, into *string) {
	if !strings.Contains(*into, "/") && isGlob(*into) && !strings.HasPrefix(*into, "~") {
		// In the repository, which is known when all is read.
		if _, err := filepath.Match(*into, ""); err != nil {
			r.faultAt(path, fmt.Sprintf("%s is a malformed glob", shown(*into)), "close the bracket, or write a plain path")
		}
		return
	}
	*into = r.expand(path, *into)
	dir, last := filepath.Split(*into)
	if isGlob(dir) {
		r.faultAt(path, "has a glob in a directory's name", "write the glob in the last element only")
	} else if _, err := filepath.Match(last, ""); err != nil {
		r.faultAt(path, fmt.Sprintf("%s is a malformed glob", shown(last)), "close the bracket, or write a plain path")
	}
}

func isGlob(s string) bool { return strings.ContainsAny(s, "*?[") }

// expand makes a path absolute: ~ and ~/ are the configured user's home, ~name/ is another's.
func (r *reader) expand(path, s string) string {
	if !strings.HasPrefix(s, "~") {
		return filepath.Clean(s)
	}
	name, rest, _ := strings.Cut(s[1:], "/")
	home := r.home
	if name != "" && name != r.user {
		if !formAccount.matches(name) {
			r.faultAt(path, fmt.Sprintf("%s is not %s", shown(name), formAccount.is), "write ~/ or ~user/")
			return s
		}
		_, _, h, err := r.env.lookupUser(name)
		if err != nil {
			r.faultAt(path, fmt.Sprintf("the home of %q is not known: %v", name, oneLine(err)), "write an existing account, or the path in full")
			return s
		}
		home = h
	}
	switch {
	case home == "" && name == "" && r.user == "":
		r.faultAt(path, "the invoking user's home is not known, $HOME being unset", "write the path in full, or set user")
		return s
	case home == "" && r.bad["user"]:
		r.bad[path] = true // said once, at user
		return s
	case !filepath.IsAbs(home):
		r.faultAt(path, fmt.Sprintf("the home directory %q is not an absolute path", home), "write the path in full")
		return s
	}
	return filepath.Join(home, rest)
}

// oneLine keeps an error from the system within its line.
func oneLine(err error) string {
	return strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, err.Error())
}

// account finds the user that the rest of the configuration is about.
func (r *reader) account(c *Config) {
	c.uid, c.gid = -1, -1
	r.user = c.User
	if !r.given("user") {
		c.User, c.home = r.env.Username, r.env.getenv("HOME")
		if c.home == "" && c.User != "" {
			if _, _, home, err := r.env.lookupUser(c.User); err == nil {
				c.home = home
			}
		}
	} else if r.sound("user") {
		uid, gid, home, err := r.env.lookupUser(c.User)
		if err != nil {
			r.faultAt("user", fmt.Sprintf("there is no account %q on this host", c.User), "write an existing account, such as "+c.VO+"sgm")
			return
		}
		c.uid, c.gid, c.home = uid, gid, home
	}
	r.user, r.home = c.User, c.home
}
