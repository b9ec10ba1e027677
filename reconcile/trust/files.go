package trust

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

const (
	maxFile     = 1 << 20  // of a certificate, policy or LSC file
	maxCRL      = 64 << 20 // the largest grid CRLs have some MB
	anchorTries = 10       // HASH.0 to HASH.9 are looked for before a CA is said to be missing
	crlTries    = 2        // HASH.r0 and HASH.r1 before a CRL is
	maxNth      = 100      // the highest N of a name HASH.N
	maxStill    = 10000    // files known to be missing, and paths found, that are kept; names of issuers are anybody's
)

// A cachedFile is what parsing gave, for as long as the file is the same one.
type cachedFile struct {
	info  fs.FileInfo
	value any
	err   error
}

// load returns what parse makes of a file, or an error that wraps fs.ErrNotExist. It is parsed again when it is another
// file (by inode) or has another size or modification time.
func load[T any](s *Store, path string, limit int64, parse func([]byte) (T, error)) (T, error) {
	var zero T
	s.mu.Lock()
	known := s.files[path]
	s.mu.Unlock()
	if s.Still && known != nil {
		return valueOf[T](known)
	}
	info, err := os.Stat(path)
	if err != nil {
		s.remember(path, err)
		return zero, err
	}
	if known == nil || !os.SameFile(known.info, info) || known.info.Size() != info.Size() || !known.info.ModTime().Equal(info.ModTime()) {
		known = read(path, limit, parse)
		s.mu.Lock()
		if s.files == nil {
			s.files = make(map[string]*cachedFile)
		}
		s.files[path] = known
		if known.info == nil {
			delete(s.files, path)
		}
		s.mu.Unlock()
	}
	return valueOf[T](known)
}

func valueOf[T any](c *cachedFile) (T, error) {
	if c.err != nil {
		var zero T
		return zero, c.err
	}
	return c.value.(T), nil
}

// remember keeps that a file is missing, for as long as the directories stand still.
func (s *Store) remember(path string, err error) {
	if !s.Still {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil || len(s.files) >= maxStill {
		s.files = make(map[string]*cachedFile)
	}
	s.files[path] = &cachedFile{err: err}
}

// read opens and parses; info is nil if the outcome must not be remembered.
func read[T any](path string, limit int64, parse func([]byte) (T, error)) *cachedFile {
	c := new(cachedFile)
	// A named pipe must not hold us up, neither here nor in the reading.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		c.err = fmt.Errorf("reading %q: not a regular file", path)
		return c
	}
	f, err := os.Open(path)
	if err != nil {
		c.err = err
		return c
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		c.err = err
		return c
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		c.err = err
		return c
	case int64(len(data)) > limit:
		c.err = fmt.Errorf("reading %q: it is larger than %d bytes", path, limit)
	default:
		v, err := parse(data)
		if err != nil {
			err = fmt.Errorf("reading %q: %w", path, err)
		}
		c.value, c.err = v, err
	}
	c.info = info
	return c
}

// numbered loads PREFIX0, PREFIX1, … and hands each to use. One number may be missing (a CRL withdrawn), two end the
// series; as long as nothing was there at all, the given number of them are tried.
func numbered[T any](s *Store, prefix string, tries int, limit int64, parse func([]byte) (T, error), use func(path string, v T, err error)) {
	missing, found := 0, false
	for n := range maxNth {
		path := filepath.Join(s.Certificates, prefix+strconv.Itoa(n))
		v, err := load(s, path, limit, parse)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			if found && missing == 2 || missing == tries {
				return
			}
			continue
		}
		missing, found = 0, true
		use(path, v, err)
	}
}

// pemBlocks calls the function for its type with the DER of every block. Data without any PEM is one block of DER, and so is
// what begins like it, though there be PEM in it: that is for other.
func pemBlocks(data []byte, use map[string]func(der []byte) error, other func(der []byte) error) error {
	if len(data) > 1 && data[0] == 0x30 && data[1] >= 0x80 {
		return other(data)
	}
	found := false
	for rest := bytes.TrimPrefix(data, []byte("\ufeff")); ; { // of Windows editors
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		found = true
		if f := use[block.Type]; f != nil {
			if err := f(block.Bytes); err != nil {
				return err
			}
		}
	}
	if !found {
		return other(data)
	}
	return nil
}
