package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
)

// File reads and describes the file at path, links followed: whoever names a file, knows it.
func (in *Inspector) File(path string) *Report {
	data, info, err := read(path)
	if err != nil {
		return Unreadable(path, err)
	}
	r := in.Describe(data)
	r.Path = path
	kind := credfile.Public
	if r.Key != NoKey {
		kind = credfile.Secret
	}
	r.Findings = in.findings(path, kind, info)
	return r
}

// Reader describes what is read from src, which is called path.
func (in *Inspector) Reader(path string, src io.Reader) *Report {
	data, err := io.ReadAll(io.LimitReader(src, credfile.MaxSize+1))
	if err == nil && len(data) > credfile.MaxSize {
		err = errTooLarge
	}
	if err != nil {
		return Unreadable(path, err)
	}
	r := in.Describe(data)
	r.Path = path
	return r
}

// Unreadable is the report on a file that could not be read.
func Unreadable(path string, err error) *Report {
	if errors.Is(err, fs.ErrNotExist) {
		return &Report{Path: path, State: Missing, Fault: "there is no such file"}
	}
	return &Report{Path: path, State: Invalid, Fault: oneLine(err)}
}

var (
	errTooLarge   = fmt.Errorf("it is larger than %d bytes: this is no proxy", credfile.MaxSize)
	errDirectory  = errors.New("it is a directory: -r looks at the files in it")
	errNotRegular = errors.New("it is not a regular file")
)

// read returns a file's content and what was opened.
func read(path string) ([]byte, fs.FileInfo, error) {
	// A named pipe must not hold us up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, errDirectory
	case !info.Mode().IsRegular():
		return nil, nil, errNotRegular
	case info.Size() > credfile.MaxSize:
		return nil, nil, errTooLarge
	}
	// As much as it had a moment ago. Somebody may be writing to it, but proxies are replaced, not changed.
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	return data[:n], info, nil
}
