package year

import (
	"crypto/x509/pkix"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type pkixExtension = pkix.Extension

// edit is what others do to the files of the box, as they do it: in place.
func (b *disk) edit(what string) {
	b.mu.Lock()
	b.edits++
	n := b.edits
	b.mu.Unlock()
	user, machine, env := b.want.Credentials[1].Path, b.want.Credentials[0].Path, b.want.EnvFiles[0].Path
	state := filepath.Join(b.want.State, "state.json")
	var err error
	switch what {
	case "another value":
		err = b.rewrite(env, func(line string) string {
			if strings.Contains(line, "X509_USER_PROXY=") {
				return "export X509_USER_PROXY=/tmp/mine"
			}
			return line
		})
	case "commented out":
		err = b.rewrite(env, func(line string) string {
			if strings.Contains(line, "X509_USER_PROXY=") && !strings.HasPrefix(line, "#") {
				return "#" + line
			}
			return line
		})
	case "unset at the end":
		err = b.appendTo(env, "unset X509_USER_PROXY", true)
	case "env file deleted":
		b.mu.Lock()
		b.foreign, b.owed = nil, true
		b.mu.Unlock()
		err = os.Remove(env)
	case "a comment":
		err = b.appendTo(env, fmt.Sprintf("# by hand, %d", n), false)
	case "another variable":
		err = b.appendTo(env, fmt.Sprintf("export SITE_%d='it'\"'\"'s %d'", n, n), false)
	case "mode of the env file":
		err = os.Chmod(env, 0o600)
	case "proxy deleted":
		err = b.spoil(user, os.Remove)
	case "machine proxy deleted":
		err = b.spoil(machine, os.Remove)
	case "proxy cut short":
		err = b.spoil(user, func(path string) error { return os.Truncate(path, 1000) })
	case "proxy readable by all":
		err = os.Chmod(user, 0o644)
	case "state deleted":
		err = b.spoil(state, os.Remove)
	case "state cut short":
		err = b.spoil(state, func(path string) error { return os.Truncate(path, 20) })
	case "host certificate replaced":
		err = b.ca.host(b.World)
	}
	if err != nil && !os.IsNotExist(err) {
		b.Log.fault(b.Now(), "a life of its own", "%s: %v", what, err)
	}
}

// spoil does something bad to a file, which from then on need not be whole.
func (b *disk) spoil(path string, do func(string) error) error {
	b.mu.Lock()
	b.spoilt[path] = true
	b.mu.Unlock()
	err := do(path)
	for _, c := range b.want.Credentials {
		if c.Path == path {
			b.look(c.Name, true)
		}
	}
	return err
}

// rewrite changes the lines of an env file in place. If one changes, a restart is due once it is put right.
func (b *disk) rewrite(path string, f func(string) string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	changed := false
	for i, l := range lines {
		lines[i] = f(l)
		changed = changed || lines[i] != l
	}
	if !changed {
		return nil
	}
	b.mu.Lock()
	b.owed = true
	b.mu.Unlock()
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644)
}

// appendTo appends a line to an env file. Unless it is a managed one, it must stay.
func (b *disk) appendTo(path, line string, managed bool) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b.mu.Lock()
	if managed {
		b.owed = true
	} else {
		b.foreign = append(b.foreign, line)
	}
	b.mu.Unlock()
	_, err = f.WriteString(line + "\n")
	return err
}

// A snapshot is what was on disk at a moment.
type snapshot struct {
	dirs             []string
	entries          []saved
	owed, restarting bool
	restarts         int
}

type saved struct {
	path string
	mode fs.FileMode
	data []byte
}

// take reads everything below the directories.
func take(dirs ...string) (*snapshot, error) {
	s := &snapshot{dirs: dirs}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			file := saved{path: path, mode: info.Mode()}
			if info.Mode().IsRegular() {
				if file.data, err = os.ReadFile(path); err != nil {
					return err
				}
			}
			s.entries = append(s.entries, file)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// put puts it back, and nothing else.
func (s *snapshot) put() error {
	for _, dir := range s.dirs {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	slices.SortFunc(s.entries, func(a, b saved) int { return strings.Compare(a.path, b.path) })
	for _, f := range s.entries {
		var err error
		if f.mode.IsDir() {
			err = os.MkdirAll(f.path, f.mode.Perm())
		} else if err = os.WriteFile(f.path, f.data, f.mode.Perm()); err == nil {
			err = os.Chmod(f.path, f.mode.Perm())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
