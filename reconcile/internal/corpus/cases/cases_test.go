package cases_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
)

const committed = "../../../../testdata/corpus"

func readIndex(t *testing.T) cases.Index {
	t.Helper()
	x, err := cases.ReadIndex(committed)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// judgeAll wants every case below dir to get the verdict of its index.
func judgeAll(t *testing.T, dir string, x cases.Index) {
	t.Helper()
	for _, c := range x.Cases {
		got, err := cases.Judge(dir, c)
		if err == nil {
			err = c.Want.Compare(got)
		}
		if err != nil {
			t.Errorf("%s (%s): %v", c.Name, c.Shows, err)
		}
	}
}

// TestCommitted judges the files of the repository as they lie there.
func TestCommitted(t *testing.T) {
	t.Parallel()
	x := readIndex(t)
	if x.Version != 1 || len(x.Cases) < 150 {
		t.Fatalf("the index has version %d and %d cases", x.Version, len(x.Cases))
	}
	judgeAll(t, committed, x)
}

// fresh is made once: the RSA keys take their time.
var fresh = sync.OnceValues(func() (*cases.Corpus, error) { return cases.Build(time.Now()) })

// freshFiles are the cases made anew, for another hour and with other keys.
func freshFiles(t *testing.T) (string, *cases.Corpus) {
	t.Helper()
	c, err := fresh()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := c.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	return dir, c
}

// TestFresh wants the verdicts not to hang on the hour or the keys.
func TestFresh(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes RSA keys")
	}
	dir, c := freshFiles(t)
	judgeAll(t, dir, c.Index)
}

// TestTables compares what is in the repository with the tables: a case that was changed must be written again.
func TestTables(t *testing.T) {
	t.Parallel()
	x := readIndex(t)
	if testing.Short() {
		t.Skip("makes RSA keys")
	}
	c, err := fresh()
	if err != nil {
		t.Fatal(err)
	}
	index := c.Index
	index.OpenSSL, index.Cases = x.OpenSSL, slices.Clone(index.Cases)
	for i := range index.Cases {
		index.Cases[i].At = x.Cases[0].At
	}
	for name, want := range map[string][]byte{"README.md": index.Readme(), "index.json": indexBytes(t, index)} {
		got, err := os.ReadFile(filepath.Join(committed, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not that of the tables (%v): go run ./reconcile/internal/corpus -write testdata/corpus", name, err)
		}
	}
	found := make(map[string]bool)
	err = filepath.WalkDir(committed, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(committed, path)
		found[rel] = true
		if _, known := c.Files[rel]; !known && rel != "README.md" && rel != "index.json" {
			t.Errorf("no case has made %s", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range c.Files {
		if !found[file] {
			t.Errorf("%s is not in testdata/corpus", file)
		}
	}
}

func indexBytes(t *testing.T, x cases.Index) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := x.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestIndex wants the tables to be of use: sentences, ids, reasons, and a word wherever OpenSSL differs.
func TestIndex(t *testing.T) {
	t.Parallel()
	goodName := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	for _, c := range readIndex(t).Cases {
		w, o := c.Want, c.OpenSSL
		if !goodName.MatchString(c.Name) || c.Shows == "" || strings.HasSuffix(c.Shows, ".") || strings.ContainsAny(c.Shows+o.Differs, "\n|") {
			t.Errorf("%s: bad name or sentence %q", c.Name, c.Shows)
		}
		if w.Verdict == cases.Accept && (w.Identity == "" || w.Type == "" || w.ID+w.Stage+w.Reason != "") {
			t.Errorf("%s: accepted as %+v", c.Name, w)
		}
		if w.Verdict == cases.Refuse && (w.Reason == "" || w.Stage == cases.StageChain && w.ID == "") {
			t.Errorf("%s: refused as %+v", c.Name, w)
		}
		if (o.Verdict != w.Verdict) != (o.Differs != "") {
			t.Errorf("%s: we %s, OpenSSL %s, because %q", c.Name, w.Verdict, o.Verdict, o.Differs)
		}
	}
}

// needTool skips a test, loudly, when a real program is not installed. In CI it must be.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed, and CI=true", name)
		}
		t.Skipf("NOT CHECKED against the real program: %s is not installed", name)
	}
}

// each calls f for every case, on all processors.
func each(x cases.Index, f func(cases.Case)) {
	next := make(chan cases.Case)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for c := range next {
				f(c)
			}
		})
	}
	for _, c := range x.Cases {
		next <- c
	}
	close(next)
	wg.Wait()
}

// TestOpenSSL asks OpenSSL again about every committed case.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	needTool(t, "openssl")
	scratch := t.TempDir()
	x := readIndex(t)
	version, err := cases.OpenSSLVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	each(x, func(c cases.Case) {
		if c.OpenSSL.Verdict == cases.None {
			return
		}
		verdict, said, err := cases.AskOpenSSL(t.Context(), committed, scratch, c)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.Name, err)
		case verdict != c.OpenSSL.Verdict:
			t.Errorf("%s (%s): %s says %s, but %s said %s\n%s", c.Name, c.Shows, version, verdict, x.OpenSSL, c.OpenSSL.Verdict, said)
		}
	})
}

// TestJudgeErrors has cases that cannot be judged.
func TestJudgeErrors(t *testing.T) {
	t.Parallel()
	if _, err := cases.Judge(t.TempDir(), cases.Case{File: "missing.pem"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error for a missing file is %v", err)
	}
	if _, err := cases.ReadIndex(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error for a missing index is %v", err)
	}
}
