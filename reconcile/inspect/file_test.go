package inspect_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

func newInspector(t *testing.T) *inspect.Inspector {
	t.Helper()
	// Some months after the corpus's certificates.
	now := time.Date(2027, 11, 21, 12, 0, 0, 0, time.UTC)
	return &inspect.Inspector{Store: &trust.Store{Certificates: t.TempDir(), VOMSDir: t.TempDir()}, Now: now, UID: os.Geteuid()}
}

func proxyBytes(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus, "cases/form-rfc.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path  string
		state inspect.State
		fault string
	}{
		{filepath.Join(dir, "none"), inspect.Missing, "there is no such file"},
		{dir, inspect.Invalid, "it is a directory: -r looks at the files in it"},
		{pipe, inspect.Invalid, "it is not a regular file"},
		{"/dev/null", inspect.Invalid, "it is not a regular file"},
		{write(t, filepath.Join(dir, "huge"), make([]byte, credfile.MaxSize+1), 0o600), inspect.Invalid, "it is larger than"},
		{write(t, filepath.Join(dir, "empty"), nil, 0o600), inspect.Invalid, "the file is empty"},
		{write(t, filepath.Join(dir, "text"), []byte("hello\n"), 0o600), inspect.Invalid, "neither a certificate nor a private key in it"},
		{"a\x00b", inspect.Invalid, "invalid argument"},
	} {
		r := newInspector(t).File(tt.path)
		if r.Path != tt.path || r.State != tt.state || !strings.Contains(r.Fault, tt.fault) {
			t.Errorf("%q: path %q, %s, %q; want %s, %q", tt.path, r.Path, r.State, r.Fault, tt.state, tt.fault)
		}
	}
}

// A key alone was what the command panicked at.
func TestKeyAlone(t *testing.T) {
	data := proxyBytes(t)
	begin := strings.Index(string(data), "-----BEGIN PRIVATE KEY")
	end := strings.LastIndex(string(data), "PRIVATE KEY-----") + len("PRIVATE KEY-----\n")
	if begin < 0 {
		t.Fatalf("no key in %s", data)
	}
	r := newInspector(t).Describe(data[begin:end])
	if r.Leaf() != nil || r.Verified() || r.Fault != credfile.ErrNoCertificate.Error() || r.Key != inspect.KeyOther {
		t.Errorf("chain %v, key %q, fault %q", r.Chain, r.Key, r.Fault)
	}
}

func TestReader(t *testing.T) {
	in := newInspector(t)
	for _, tt := range []struct {
		name  string
		read  *strings.Reader
		fault string
	}{
		{"empty", strings.NewReader(""), "the file is empty"},
		{"huge", strings.NewReader(strings.Repeat("x", credfile.MaxSize+1)), "it is larger than"},
		{"proxy", strings.NewReader(string(proxyBytes(t))), "expired on"},
	} {
		r := in.Reader("-", tt.read)
		if r.Path != "-" || !strings.Contains(r.Fault, tt.fault) || len(r.Findings) > 0 {
			t.Errorf("%s: path %q, fault %q, findings %v; want %q", tt.name, r.Path, r.Fault, r.Findings, tt.fault)
		}
	}
	if r := in.Reader("-", iotest.ErrReader(errors.New("the line is down\nfor long"))); r.Fault != "the line is down; for long" {
		t.Errorf("fault %q", r.Fault)
	}
}

// Findings are those of credfile.CheckFile for each file, also where the directory has been looked at before.
func TestFindings(t *testing.T) {
	dir, data := t.TempDir(), proxyBytes(t)
	cert := data[:strings.Index(string(data), "-----BEGIN PRIVATE KEY")]
	if i := strings.Index(string(cert), "-----BEGIN CERT"); i < 0 {
		t.Fatal("the first certificate is not before the key")
	}
	var paths []string
	for i, mode := range []fs.FileMode{0o600, 0o400, 0o644, 0o640, 0o660, 0o602, 0o700, 0o600} {
		paths = append(paths, write(t, filepath.Join(dir, fmt.Sprintf("proxy%d", i)), data, mode))
	}
	for i, mode := range []fs.FileMode{0o644, 0o600, 0o666, 0o444} {
		paths = append(paths, write(t, filepath.Join(dir, fmt.Sprintf("cert%d", i)), cert, mode))
	}
	linked, symbolic := filepath.Join(dir, "linked"), filepath.Join(dir, "symbolic")
	if err := os.Link(paths[1], linked); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(paths[2], symbolic); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	paths = append(paths, linked, symbolic, write(t, filepath.Join(open, "proxy"), data, 0o600), paths[0])
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, uid := range []int{-1, os.Geteuid(), os.Geteuid() + 1} {
		in := newInspector(t)
		in.UID = uid
		for _, path := range append(paths, paths...) {
			kind := credfile.Secret
			if strings.HasPrefix(filepath.Base(path), "cert") {
				kind = credfile.Public
			}
			if got, want := in.File(path).Findings, credfile.CheckFile(path, kind, uid); !slices.Equal(got, want) {
				t.Errorf("%s for uid %d: got %v, want %v", path, uid, got, want)
			}
		}
	}
}

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a/2", "a/1", "a/.hidden", ".name.tmp", "c/d/e", ".deep/f"} {
		write(t, filepath.Join(dir, name), nil, 0o600)
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": "b", "loop": ".", "dangling": "none"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	walk := func(dir string) (found []string) {
		t.Helper()
		err := inspect.Walk(dir, func(path string, err error) error {
			if err != nil {
				path += ": " + err.Error()
			}
			found = append(found, path)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	in := func(dir string, names ...string) (out []string) {
		for _, name := range names {
			out = append(out, filepath.Join(dir, name))
		}
		return out
	}
	names := []string{".deep/f", "a/1", "a/2", "b", "c/d/e", "dangling", "link"}
	for _, tt := range []struct {
		dir  string
		want []string
	}{
		{dir, in(dir, names...)},
		{dir + "/", in(dir, names...)},
		{filepath.Join(dir, "loop"), in(filepath.Join(dir, "loop"), names...)},
		{filepath.Join(dir, "empty"), []string{filepath.Join(dir, "empty") + ": there is no file in it"}},
		{filepath.Join(dir, "none"), []string{filepath.Join(dir, "none") + ": lstat " + filepath.Join(dir, "none") + "/: no such file or directory"}},
	} {
		if got := walk(tt.dir); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.dir, got, tt.want)
		}
	}
	enough := errors.New("enough")
	n := 0
	err := inspect.Walk(dir, func(string, error) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("it goes on: %d files, %v", n, err)
	}
}
