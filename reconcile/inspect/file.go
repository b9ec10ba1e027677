package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// File reads and describes the file at path, links followed: whoever names a file, knows it. The uid is whose it ought to
// be, -1 if that is not known; see [credfile.CheckFile].
func File(path string, uid int, store *trust.Store, now time.Time) *Report {
	data, err := read(path)
	if err != nil {
		return Unreadable(path, err)
	}
	r := Describe(data, store, now)
	r.Path = path
	kind := credfile.Public
	if r.Key != NoKey {
		kind = credfile.Secret
	}
	r.Findings = credfile.CheckFile(path, kind, uid)
	return r
}

// Reader describes what is read from src, which is called path.
func Reader(path string, src io.Reader, store *trust.Store, now time.Time) *Report {
	data, err := io.ReadAll(io.LimitReader(src, credfile.MaxSize+1))
	if err == nil && len(data) > credfile.MaxSize {
		err = errTooLarge
	}
	if err != nil {
		return Unreadable(path, err)
	}
	r := Describe(data, store, now)
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

func read(path string) ([]byte, error) {
	// A named pipe must not hold us up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errDirectory
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	case info.Size() > credfile.MaxSize:
		return nil, errTooLarge
	}
	// Usually that is all of it, in one buffer of the right size.
	data := make([]byte, info.Size()+1)
	n, err := io.ReadFull(f, data)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return data[:n], nil
	case err != nil:
		return nil, err
	case n > credfile.MaxSize:
		return nil, errTooLarge
	}
	rest, err := io.ReadAll(io.LimitReader(f, int64(credfile.MaxSize+1-n)))
	if err == nil && n+len(rest) > credfile.MaxSize {
		err = errTooLarge
	}
	return append(data, rest...), err
}
