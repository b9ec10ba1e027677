// Command corpus writes the verifier's test corpus: files of every kind, with the verdict each deserves.
//
//	go run ./reconcile/internal/corpus -write testdata/corpus
//
// Where openssl is installed its verdict on every case is asked for, and nothing is written when that, or our own, is not
// the one in the tables of package cases.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/corpus/cases"
)

// judged is the hour of the committed cases. It never moves, so that they never age.
var judged = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func main() {
	dir := flag.String("write", "", "write the corpus to `DIR`, in place of the one there")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(context.Background(), *dir); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

// write builds the corpus beside dir, checks it there, and puts it in place of dir.
func write(ctx context.Context, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			return fmt.Errorf("%q is there and is no corpus: it has no index.json", dir)
		}
	}
	c, err := cases.Build(judged)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := c.WriteFiles(scratch); err != nil {
		return err
	}
	if err := check(ctx, scratch, &c.Index); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := c.WriteFiles(dir); err != nil {
		return err
	}
	return c.Index.WriteIndex(dir)
}

// check wants both verdicts on every case to be those of the tables.
func check(ctx context.Context, dir string, index *cases.Index) error {
	var faults []error
	for _, c := range index.Cases {
		got, err := cases.Judge(dir, c)
		if err == nil {
			err = c.Want.Compare(got)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	version, err := cases.OpenSSLVersion(ctx)
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Fprintln(os.Stderr, "corpus: OpenSSL's verdicts are not checked: it is not installed")
		return errors.Join(faults...)
	}
	if err != nil {
		return err
	}
	index.OpenSSL = version
	scratch, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for _, c := range index.Cases {
		if c.OpenSSL.Verdict == cases.None {
			continue
		}
		verdict, said, err := cases.AskOpenSSL(ctx, dir, scratch, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		if verdict != c.OpenSSL.Verdict {
			faults = append(faults, fmt.Errorf("%s: openssl's verdict is %s, not %s: %s", c.Name, verdict, c.OpenSSL.Verdict, said))
		}
	}
	return errors.Join(faults...)
}
