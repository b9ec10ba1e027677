package atomicfile_test

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// childPath names the file that the test binary, started again, keeps replacing.
const childPath = "ATOMICFILE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		replaceForever(path)
	}
	os.Exit(m.Run())
}

// contents are long enough that a write in place would be seen half done.
func content(i byte) []byte { return bytes.Repeat([]byte{'a' + i%2}, 256<<10) }

func replaceForever(path string) {
	for i := byte(0); ; i++ {
		if _, err := atomicfile.Replace(path, content(i), keep); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Stdout.WriteString(".")
	}
}

// Killed at any moment, the program leaves one content or the other, whole; and so it is for who reads meanwhile.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(out)
		if _, err := in.ReadByte(); err != nil {
			t.Fatalf("the child replaced nothing: %v", err)
		}
		for range 10 + round {
			checkWhole(t, path)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		checkWhole(t, path)
	}
}

func checkWhole(t *testing.T, path string) {
	t.Helper()
	data, info, err := atomicfile.Read(path, 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, content(0)) && !bytes.Equal(data, content(1)) {
		t.Fatalf("a partial file of %d bytes", len(data))
	}
	if info.Mode() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
}

// A write that fails half way leaves the old file and nothing beside it.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "old")
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	small := limit
	small.Cur = 4096
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	changed, err := atomicfile.Replace(path, content(0), keep)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if changed || !errors.Is(err, syscall.EFBIG) {
		t.Errorf("Replace = %v, %v, want EFBIG", changed, err)
	}
	checkContent(t, path, "old")
	checkAlone(t, dir, "f")
}
