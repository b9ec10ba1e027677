package voms

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
)

// Limits on what Load reads. Real vomses files have one to a few hundred lines.
const (
	maxVomsesFile  = 1 << 20 // octets of one file
	maxVomsesDepth = 8       // directories within directories
	maxVomsesFiles = 10000
	maxLineErrors  = 100 // bad lines of one file that are told; the rest is counted
)

// lineExample is what a bad line is told to look like.
const lineExample = `"alias" "host" "port" "server DN" "vo"`

// A Server is one line of a vomses file.
type Server struct {
	Alias, Host string
	Port        int
	DN          dn.Name // the server's certificate must have this subject, whatever its host name
	VO          string
	File        string // where the line stands, for messages
	Line        int
}

// Address returns host:port, with brackets around an IPv6 address.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// String returns the vomses line of s, without a line end. [ParseVomses] reads it back as an equal server, for File
// and Line, which are not in it.
func (s Server) String() string {
	// A vomses token has no way to hold a double quote; in a DN the \xHH escape of OpenSSL does it.
	name := strings.ReplaceAll(s.DN.String(), `"`, `\x22`)
	return fmt.Sprintf(`"%s" "%s" "%d" "%s" "%s"`, s.Alias, s.Host, s.Port, name, s.VO)
}

// A LineError is a vomses line that cannot be used.
type LineError struct {
	File    string
	Line    int    // from 1
	Problem string // what is wrong
	Instead string // what to write instead
	Err     error  // cause of Problem, or nil
}

// Error returns "FILE:LINE: what is wrong; what to write instead".
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %s; %s", e.File, e.Line, e.Problem, e.Instead)
}

func (e *LineError) Unwrap() error { return e.Err }

// ParseVomses reads vomses lines; name is used in errors. A bad line is reported as a *[LineError] (errors.Join), of
// the first hundred, and the others are still returned.
//
// A line has five tokens in double quotes, or six: the sixth, a Globus version such as "24", is passed over. As in the
// C++ client, text outside quotes counts for nothing; blank lines and what follows a # do not either. Unlike it, ports
// outside 1 to 65535 and empty tokens are errors, as they are to the Java client.
func ParseVomses(name string, data []byte) ([]Server, error) {
	var servers []Server
	var errs []error
	text := strings.TrimPrefix(string(data), "\ufeff")
	line, bad := 0, 0
	for l := range strings.SplitSeq(text, "\n") {
		line++
		s, ok, err := parseLine(strings.TrimSuffix(l, "\r"))
		if err != nil {
			if bad++; bad <= maxLineErrors {
				err.File, err.Line = name, line
				errs = append(errs, err)
			}
		} else if ok {
			s.File, s.Line = name, line
			servers = append(servers, s)
		}
	}
	if bad > maxLineErrors {
		errs = append(errs, fmt.Errorf("%s: %d more lines that cannot be used", name, bad-maxLineErrors))
	}
	return servers, errors.Join(errs...)
}

// parseLine reads one line. It reports false for one with nothing in it.
func parseLine(line string) (Server, bool, *LineError) {
	tokens, bare, err := tokens(line)
	if err != nil {
		return Server{}, false, err
	}
	if len(tokens) == 0 && !bare {
		return Server{}, false, nil
	}
	if n := len(tokens); n < 5 || n > 6 {
		return Server{}, false, &LineError{
			Problem: fmt.Sprintf("%d tokens in double quotes where a vomses line has 5", n),
			Instead: "write " + lineExample,
		}
	}
	s := Server{Alias: tokens[0], Host: tokens[1], VO: tokens[4]}
	if err := s.check(tokens[2], tokens[3]); err != nil {
		return Server{}, false, err
	}
	return s, true, nil
}

// tokens returns what stands in double quotes, and whether there was any other text.
func tokens(line string) (tokens []string, bare bool, err *LineError) {
	for {
		line = strings.TrimLeft(line, " \t\v\f\r")
		i := strings.IndexAny(line, `"#`)
		switch {
		case i < 0:
			return tokens, bare || line != "", nil
		case line[i] == '#':
			return tokens, bare || i > 0, nil
		}
		bare = bare || i > 0
		token, rest, ok := strings.Cut(line[i+1:], `"`)
		if !ok {
			return nil, false, &LineError{
				Problem: fmt.Sprintf("token %d has no closing double quote", len(tokens)+1),
				Instead: "write " + lineExample,
			}
		}
		tokens, line = append(tokens, token), rest
	}
}

// check examines the tokens of a line and fills in the port and the DN.
func (s *Server) check(port, name string) *LineError {
	for _, t := range []struct{ what, value string }{
		{"alias", s.Alias}, {"host", s.Host}, {"port", port}, {"server DN", name}, {"VO", s.VO},
	} {
		if strings.TrimSpace(t.value) == "" {
			return &LineError{Problem: "the " + t.what + " is empty", Instead: "write " + lineExample}
		}
		if !printable(t.value) {
			return &LineError{
				Problem: fmt.Sprintf("the %s %q has characters that cannot be printed", t.what, t.value),
				Instead: "write it in plain UTF-8 text",
			}
		}
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return &LineError{
			Problem: fmt.Sprintf("%q is no port", port),
			Instead: `write a number from 1 to 65535, such as "443" or "15000"`,
			Err:     err,
		}
	}
	s.Port = n
	if !validHost(s.Host) {
		return &LineError{
			Problem: fmt.Sprintf("%q is no host name", s.Host),
			Instead: `write the name alone, without https:// and port, such as "voms-alice-auth.cern.ch"`,
		}
	}
	if strings.ContainsAny(s.VO, "/ \t") {
		return &LineError{
			Problem: fmt.Sprintf("%q is no VO name", s.VO),
			Instead: fmt.Sprintf("write it without slash and space, such as %q", "alice"),
		}
	}
	s.DN, err = dn.Parse(name)
	if err != nil {
		return &LineError{
			Problem: fmt.Sprintf("%q is no distinguished name: %v", name, err),
			Instead: `write what "openssl s_client -connect HOST:PORT </dev/null | openssl x509 -noout -subject -nameopt compat" shows of the server`,
			Err:     err,
		}
	}
	return nil
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) < 0
}

// validHost accepts host names and IP addresses, an IPv6 address without brackets.
func validHost(s string) bool {
	if strings.Contains(s, ":") {
		return net.ParseIP(s) != nil
	}
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		default:
			return false
		}
	}
	return true
}

// Load reads files and directories of vomses lines. Of a directory it reads the regular files whose names do not begin
// with a dot, in name order, and likewise the directories in it, as the C++ client does; symbolic links are followed.
// Paths that do not exist are passed over. What can be read is returned along with the errors (errors.Join) about what
// cannot.
func Load(paths []string) ([]Server, error) {
	l := loader{}
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			l.fail(err)
		case info.IsDir():
			l.dir(p, []os.FileInfo{info})
		case info.Mode().IsRegular():
			l.file(p)
		default:
			l.errs = append(l.errs, fmt.Errorf("reading vomses %q: neither a file nor a directory", p))
		}
	}
	return l.servers, errors.Join(l.errs...)
}

// A loader collects what Load finds.
type loader struct {
	servers []Server
	errs    []error
	files   int
}

func (l *loader) fail(err error) { l.errs = append(l.errs, fmt.Errorf("reading vomses: %w", err)) }

// dir reads a directory. The directories it is in, itself included, are above: a link back to one of them is passed over.
func (l *loader) dir(path string, above []os.FileInfo) {
	entries, err := os.ReadDir(path)
	if err != nil {
		l.fail(err) // what was read before the error is still used
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		p := filepath.Join(path, e.Name())
		info, err := os.Stat(p)
		switch {
		case errors.Is(err, os.ErrNotExist): // a link to nothing, or removed meanwhile
		case err != nil:
			l.fail(err)
		case info.IsDir() && within(above, info):
		case info.IsDir() && len(above) >= maxVomsesDepth:
			l.errs = append(l.errs, fmt.Errorf("reading vomses %q: more than %d directories deep", p, maxVomsesDepth))
		case info.IsDir():
			l.dir(p, append(above[:len(above):len(above)], info))
		case info.Mode().IsRegular():
			l.file(p)
		}
	}
}

func within(above []os.FileInfo, info os.FileInfo) bool {
	for _, a := range above {
		if os.SameFile(a, info) {
			return true
		}
	}
	return false
}

func (l *loader) file(path string) {
	if l.files++; l.files > maxVomsesFiles {
		if l.files == maxVomsesFiles+1 {
			l.errs = append(l.errs, fmt.Errorf("reading vomses: more than %d files, the rest from %q on is not read", maxVomsesFiles, path))
		}
		return
	}
	data, err := readFile(path)
	if err != nil {
		l.fail(err)
		return
	}
	servers, err := ParseVomses(path, data)
	l.servers = append(l.servers, servers...)
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxVomsesFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxVomsesFile {
		return nil, fmt.Errorf("%q is larger than %d octets, which no vomses file is", path, maxVomsesFile)
	}
	return data, nil
}

// ForVO returns the servers whose VO or alias is vo, in file order. A server that several files name (/etc/vomses and
// $X509_VOMSES, say) is returned once, so that its refusal is not asked for twice.
func ForVO(servers []Server, vo string) []Server {
	type key struct{ address, name, vo string }
	seen := map[key]bool{}
	var found []Server
	for _, s := range servers {
		k := key{strings.ToLower(s.Address()), s.DN.Canonical(), s.VO}
		if (s.VO == vo || s.Alias == vo) && !seen[k] {
			seen[k] = true
			found = append(found, s)
		}
	}
	return found
}
