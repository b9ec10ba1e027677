package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"
)

// Load reads the configuration at path, every *.yaml of the directory conf.d beside it, in name order, and what is in
// [Config.Registered]. Lists are appended; a scalar or a name that is given twice is a fault. The error, if any, is of type
// Errors and has everything that is wrong, sorted by file and line.
func Load(path string, env Env) (*Config, error) {
	r := &reader{env: env, faults: &faults{}, places: map[string]place{}, bad: map[string]bool{}}
	c := &Config{}
	for _, file := range r.files(path) {
		r.merge(c, file, r.readFile, c.fields())
	}
	r.account(c)
	r.registrations(c)
	r.complete(c)
	if errs := r.faults.sorted(); len(errs) > 0 {
		return nil, errs
	}
	c.places = r.places
	return c, nil
}

// files are the files to read.
func (r *reader) files(path string) []string {
	files := []string{path}
	r.root = place{path, 1, 1}
	dir := filepath.Join(filepath.Dir(path), "conf.d")
	entries, err := r.readDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.wholeFile(dir, fmt.Sprintf("cannot be read: %v", because(err)), "make conf.d a directory that this user can read, or remove it", err)
		return files
	}
	for _, n := range r.instead(dir, entries) {
		if strings.HasSuffix(n, ".yaml") && !strings.HasPrefix(n, ".") { // editors keep dot files
			files = append(files, filepath.Join(dir, n))
		}
	}
	return files
}

// instead are the names in a directory with Env.Instead in force, sorted.
func (r *reader) instead(dir string, names []string) []string {
	for file, data := range r.env.Instead {
		if filepath.Dir(file) != dir {
			continue
		}
		name := filepath.Base(file)
		names = slices.DeleteFunc(names, func(n string) bool { return n == name })
		if data != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// readDir returns the names in a directory. Who can write the directory can put files into it.
func (r *reader) readDir(dir string) ([]string, error) {
	d, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	r.trusted(d)
	return d.Readdirnames(-1)
}

// merge reads one file into c. read returns its content, or a Fault; fields are the keys that it may have.
func (r *reader) merge(c *Config, file string, read func(string) ([]byte, error), fields []field) {
	r.file = file
	data, ok := r.load(file, read)
	if !ok {
		return
	}
	c.Files = append(c.Files, file)
	root, ok := r.parse(data)
	if !ok {
		return
	}
	if len(c.Files) == 1 {
		r.root = place{file, root.Line, root.Column}
	}
	object{fields}.read(r, "", root)
	if r.bad[""] {
		r.torn = true // no mapping: what should be in it is not missing
	}
}

// load returns a file's content, or what Env.Instead has in its place.
func (r *reader) load(file string, read func(string) ([]byte, error)) ([]byte, bool) {
	if data := r.env.Instead[file]; data != nil {
		return data, true
	}
	data, err := read(file)
	if f, ok := errors.AsType[Fault](err); ok {
		r.torn = true
		r.faults.add(f)
		return nil, false
	}
	return data, true
}

// readFile opens without blocking, so that a FIFO does not hold up the program, and looks at what it has opened.
func (r *reader) readFile(file string) ([]byte, error) {
	refuse := func(problem, instead string, cause error) error { return faultOf(file, problem, instead, cause) }
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("does not exist", "write one with vobox-reconcile init, or name another with --config", err)
	} else if err != nil {
		return nil, refuse(fmt.Sprintf("cannot be opened: %v", because(err)), "let this user read it, or name another with --config", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, refuse(fmt.Sprintf("cannot be looked at: %v", because(err)), "name another file with --config", err)
	}
	if !info.Mode().IsRegular() {
		return nil, refuse("is "+kindOf(info.Mode())+", not a file", "name a regular file", nil)
	}
	r.trusted(f)
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, refuse(fmt.Sprintf("cannot be read: %v", because(err)), "let this user read it, or name another with --config", err)
	}
	if len(data) > MaxSize {
		return nil, refuse("is larger than 1 MiB", "split it into files in conf.d, or name the right file", nil)
	}
	return data, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// because is the reason inside an error of package os, whose path the message has already.
func because(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// trusted refuses a file or directory that somebody else could have written, since the commands in it are run: whoever is
// neither root nor the invoking user. A group that is the invoking user's own (with the user's number, as useradd makes
// it) counts as the user, but not for root.
func (r *reader) trusted(f *os.File) {
	uid, gid, mode, err := r.stat(f)
	problem, instead := "", ""
	switch {
	case err != nil:
		problem, instead = fmt.Sprintf("its owner cannot be found out: %v", because(err)), "name another file with --config"
	case r.env.UID == 0 && uid != 0:
		problem, instead = fmt.Sprintf("belongs to user %d, who could have root run anything", uid), "type: chown root:root "+quoted(f.Name())
	case uid != 0 && uid != r.env.UID:
		problem, instead = fmt.Sprintf("belongs to user %d, who could have you run anything", uid), "make a copy of your own, or as root type: chown root:root "+quoted(f.Name())
	case mode&0o002 != 0:
		problem, instead = fmt.Sprintf("everybody can write it (mode %04o)", mode.Perm()), "type: chmod go-w "+quoted(f.Name())
	case mode&0o020 != 0 && (r.env.UID == 0 || gid != r.env.UID):
		problem, instead = fmt.Sprintf("its group can write it (mode %04o)", mode.Perm()), "type: chmod go-w "+quoted(f.Name())
	default:
		return
	}
	r.faults.add(faultOf(f.Name(), problem, instead, nil))
}

func (r *reader) stat(f *os.File) (uid, gid int, mode fs.FileMode, err error) {
	if r.env.Stat != nil {
		return r.env.Stat(f)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, 0, 0, err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 0, errors.ErrUnsupported
	}
	return int(sys.Uid), int(sys.Gid), info.Mode(), nil
}

// quoted is a file name as an argument for a shell.
func quoted(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return !strings.ContainsRune(shellSafe, c) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

const shellSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-~,:@%"

// wholeFile records a fault of a file as a whole.
func (r *reader) wholeFile(file, problem, instead string, cause error) {
	r.torn = true
	r.faults.add(faultOf(file, problem, instead, cause))
}

// faultOf is a fault of a file as a whole.
func faultOf(file, problem, instead string, cause error) Fault {
	return Fault{File: file, Line: 1, Col: 1, Path: wholeFile, Problem: problem, Instead: instead, cause: cause}
}

// parse returns the root mapping of the only document in data.
func (r *reader) parse(data []byte) (*yaml.Node, bool) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	doc, err := decode(d)
	switch {
	case errors.Is(err, io.EOF):
		r.empty()
		return nil, false
	case err != nil:
		r.syntax(data, err)
		return nil, false
	}
	root := doc
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		root = doc.Content[0]
	}
	second, err := decode(d)
	switch {
	case err == nil: // the first is whole: what is missing in it is missing
		r.faults.add(Fault{File: r.file, Line: max(second.Line, 1), Col: max(second.Column, 1), Path: wholeFile,
			Problem: "a second YAML document begins here", Instead: "remove the line --- or put the rest into a file in conf.d"})
	case !errors.Is(err, io.EOF):
		r.syntax(data, err)
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Value == "" {
		r.empty()
		return nil, false
	}
	return root, true
}

// empty refuses a configuration without content. In conf.d such a file is what is left when all in it is commented out.
func (r *reader) empty() {
	if r.file == r.root.file {
		r.wholeFile(r.file, "the file is empty", "write the configuration, or remove the file", nil)
	}
}

// decode reads the next document. yaml.v3 reports what is wrong with a file by panics that it catches itself; one that
// it should not catch is no reason to fall over.
func decode(d *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the YAML reader gave up")
		}
	}()
	n = &yaml.Node{}
	if err := d.Decode(n); err != nil {
		return nil, err
	}
	return n, nil
}

// syntax records that data is no YAML. What yaml.v3 says about the line is often missing and often one off, and there
// is no column, so the place is looked for: it is where the shortest beginning of the file ends that has the same fault.
func (r *reader) syntax(data []byte, err error) {
	r.torn = true
	complaint := complaintOf(err)
	ends := lineEnds(data)
	same := func(i int) bool { return complain(data[:ends[i]]) == complaint }
	lo, hi := 0, len(ends)-1 // the fault is in one of these lines
	// To yaml.v3 a carriage return ends a line as well, so that it may name one that is not there.
	if hint := min(lineOf(err)-1, hi); hint >= 0 && same(min(hint+2, hi)) {
		if hi = min(hint+2, hi); hint > 2 && !same(hint-2) {
			lo = hint - 1
		}
	}
	for lo < hi {
		mid := (lo + hi) / 2
		if same(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	start := 0
	if hi > 0 {
		start = ends[hi-1]
	}
	col := 1 + len(data[start:ends[hi]]) - len(bytes.TrimLeft(data[start:ends[hi]], " \t"))
	r.faults.add(Fault{File: r.file, Line: hi + 1, Col: col, Path: wholeFile,
		Problem: "is not YAML: " + complaint, Instead: remedy(complaint)})
}

// lineOf is the line that yaml.v3 names, or 0.
func lineOf(err error) int {
	var line int
	if _, err := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); err != nil {
		return 0
	}
	return line
}

// lineEnds are the offsets after each line.
func lineEnds(data []byte) []int {
	var ends []int
	for i, b := range data {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] != len(data) {
		ends = append(ends, len(data))
	}
	return ends
}

// complain is what the YAML reader says about data, without the line.
func complain(data []byte) string {
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := decode(d); errors.Is(err, io.EOF) {
			return ""
		} else if err != nil {
			return complaintOf(err)
		}
	}
}

func complaintOf(err error) string {
	s := strings.TrimPrefix(oneLine(err), "yaml: ")
	if rest, ok := strings.CutPrefix(s, "line "); ok {
		if _, after, ok := strings.Cut(rest, ": "); ok {
			s = after
		}
	}
	return s
}

// remedy says in other words what the YAML reader's complaint asks for.
func remedy(complaint string) string {
	has := func(s string) bool { return strings.Contains(complaint, s) }
	switch {
	case has("tab character") || has("cannot start any token"):
		return "indent with spaces, and put text with special characters in quotes"
	case has("mapping values are not allowed"):
		return "indent keys of one mapping alike, and put text with a colon in quotes"
	case has("unexpected end of stream"):
		return "close the quotes that begin here"
	case has("expected ',' or"):
		return "close the bracket or brace, and put text with brackets or braces, such as ${proxy.NAME}, in quotes"
	case has("unknown anchor"):
		return "write the value itself, or put text that begins with * in quotes"
	case has("control characters") || has("UTF-8") || has("UTF-16"):
		return "write plain text in UTF-8"
	case has("expected ':'"):
		return "write key: value"
	}
	return "indent keys of one mapping alike, with spaces"
}
