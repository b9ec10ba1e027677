package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong with a configuration.
type Fault struct {
	File      string
	Line, Col int    // from 1
	Path      string // of the key, such as proxies[0].attributes[1]; "(file)" when it is about the file as a whole
	Problem   string // what is wrong
	Instead   string // what to write instead

	cause error // of a file that could not be read
}

// wholeFile stands for the path in faults that belong to no key.
const wholeFile = "(file)"

// Error is FILE:LINE:COL: PATH: what is wrong; what to write instead.
func (f Fault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s; %s", f.File, f.Line, f.Col, f.Path, f.Problem, f.Instead)
}

// Unwrap returns the error of the operating system when the file could not be read, so that fs.ErrNotExist can be told.
func (f Fault) Unwrap() error { return f.cause }

// Errors is everything that is wrong with a configuration, by file and line. It is never empty when returned.
type Errors []Fault

// Error has one line for each fault.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults one by one.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, f := range e {
		errs[i] = f
	}
	return errs
}

// maxFaults bounds the memory that a file full of nonsense can take. Nobody mends a thousand lines one by one.
const maxFaults = 1000

// faults collects what is found, in any order.
type faults struct {
	list    []Fault
	dropped int
}

func (fs *faults) add(f Fault) {
	if len(fs.list) == maxFaults {
		fs.dropped++
		return
	}
	fs.list = append(fs.list, f)
}

// full reports whether there is no use in looking for more of the same.
func (fs *faults) full() bool { return len(fs.list) == maxFaults }

// sorted returns the faults by file, line and column, or nil if there are none.
func (fs *faults) sorted() Errors {
	slices.SortStableFunc(fs.list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	if fs.dropped > 0 {
		last := fs.list[len(fs.list)-1]
		last.Path, last.cause = wholeFile, nil
		last.Problem = fmt.Sprintf("there are at least %d more faults", fs.dropped)
		last.Instead = "mend these first"
		fs.list = append(fs.list, last)
	}
	return fs.list
}
