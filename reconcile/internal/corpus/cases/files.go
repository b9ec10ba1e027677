package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// WriteFiles writes the corpus's files below dir, without the index.
func (c *Corpus) WriteFiles(dir string) error {
	for path, content := range c.Files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Place puts a case's file below scratch as its Disk says, and returns its path and whose it ought to be: the account that
// calls, or another.
func Place(dir, scratch string, c Case) (path string, uid int, err error) {
	data, err := os.ReadFile(filepath.Join(dir, c.File))
	if err != nil {
		return "", 0, err
	}
	mode, err := strconv.ParseUint(c.Disk.Mode, 8, 12)
	if err != nil {
		return "", 0, err
	}
	path, uid = filepath.Join(scratch, c.Name), os.Geteuid()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", 0, err
	}
	if c.Disk.HardLink {
		err = os.Link(path, path+".other")
	}
	if c.Disk.OtherOwner {
		uid++
	}
	if err == nil { // not at once: the caller's umask would have a word in it
		err = os.Chmod(path, fs.FileMode(mode))
	}
	if err == nil && c.Disk.SoftLink {
		err = os.Symlink(c.Name, path+".link")
		path += ".link"
	}
	return path, uid, err
}

// Readme is the text beside the index: how the corpus came to be, and where OpenSSL thinks otherwise.
func (x Index) Readme() []byte {
	var b bytes.Buffer
	count := make(map[string]int)
	var differ bytes.Buffer
	for _, c := range x.Cases {
		count[c.Want.Verdict]++
		if c.OpenSSL.Differs == "" {
			continue
		}
		count[c.OpenSSL.Verdict+" by OpenSSL"]++
		fmt.Fprintf(&differ, "| %s | %s | %s | %s | %s |\n", c.Name, c.Shows, c.Want.Verdict, c.OpenSSL.Verdict, c.OpenSSL.Differs)
	}
	fmt.Fprintf(&b, `# The verifier's test corpus

%d files with the verdict each deserves: %d to accept, %d to refuse. All of it, this text too, was written by

    go run ./reconcile/internal/corpus -write testdata/corpus

from the tables in reconcile/internal/corpus/cases. **The private keys in it are test keys** that protect nothing: they
were generated for these files and are used nowhere else.

index.json says for each case what it shows, which file is judged by which trust directory and vomsdir, at which time (one
for all, so that nothing here ages), and what must come out: the identity, type and FQANs, or the stage, the fault's id and
a part of the reason. The names in it are:

- cases/NAME.pem, or .p12: the proxy file; "passphrase" opens it, and "disk" is how it must lie on disk for the findings;
- trust/NAME: a trust directory, both where the case has none of its own;
- vomsdir/NAME: LSC files, alice where the case has none of its own.

## Where OpenSSL thinks otherwise

"openssl verify -allow_proxy_certs -attime T -CApath DIR" was asked about every case (%s). These are the %d where it does
not say what we say; "none" is where it was not asked.

| case | what it shows | we | OpenSSL | because |
|---|---|---|---|---|
`, len(x.Cases), count[Accept], count[Refuse], x.OpenSSL, count[Accept+" by OpenSSL"]+count[Refuse+" by OpenSSL"]+count[None+" by OpenSSL"])
	b.Write(differ.Bytes())
	return b.Bytes()
}

// WriteIndex writes the index, and the text that goes with it.
func (x Index) WriteIndex(dir string) error {
	data, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), x.Readme(), 0o644)
}

// ReadIndex reads the index of the corpus in dir.
func ReadIndex(dir string) (Index, error) {
	var x Index
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return x, err
	}
	if err := json.Unmarshal(data, &x); err != nil {
		return x, fmt.Errorf("reading the corpus's index: %w", err)
	}
	return x, nil
}
