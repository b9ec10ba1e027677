package config_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

var update = flag.Bool("update", false, "write the golden files")

// The documents of the tests build on these.
const (
	head = "version: 1\nvo: alice\nmyproxy: {server: px.example.org}\n" // three lines
	jane = "/DC=ch/CN=JanDoe"
)

// testEnv is a host with the accounts alicesgm and atlas, whose every key is readable.
func testEnv(vars ...string) config.Env {
	env := map[string]string{"HOME": "/home/me"}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return config.Env{
		Getenv: func(name string) string { return env[name] },
		LookupUser: func(name string) (uid, gid int, home string, err error) {
			switch name {
			case "alicesgm":
				return 500, 501, "/home/alicesgm", nil
			case "atlas":
				return 600, 601, "/srv/atlas", nil
			}
			return 0, 0, "", errors.New("no such account")
		},
		UID:      1000,
		Username: "me",
		Readable: func(string) bool { return true },
		Stat:     func(*os.File) (uid, gid int, mode fs.FileMode, err error) { return 1000, 1000, 0o644, nil },
		Hostname: func() (string, error) { return "vobox.example.org", nil },
	}
}

// write puts a configuration, and files of conf.d, into a new directory. The arguments after the first are names and
// contents in turn.
func write(t testing.TB, doc string, confd ...string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config.yaml"), doc)
	for i := 0; i+1 < len(confd); i += 2 {
		put(t, filepath.Join(dir, "conf.d", confd[i]), confd[i+1])
	}
	return filepath.Join(dir, "config.yaml")
}

func put(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// faultsOf reads a faulty document and returns the messages, with the directory cut off.
func faultsOf(t testing.TB, path string, env config.Env) []string {
	t.Helper()
	c, err := config.Load(path, env)
	if err == nil {
		return nil
	}
	if c != nil {
		t.Error("a faulty configuration is returned")
	}
	errs, ok := errors.AsType[config.Errors](err)
	if !ok || len(errs) == 0 {
		t.Fatalf("the error is a %T, want Errors", err)
	}
	return strings.Split(strings.ReplaceAll(errs.Error(), filepath.Dir(path)+"/", ""), "\n")
}
