package envfile

import (
	"fmt"
	"slices"
	"strings"
)

// A Format is a dialect of environment files. The zero Format is Shell.
type Format string

// The dialects. All but Shell are lists of names and values in which nothing is computed; of a name that is there twice the
// last one counts.
const (
	// Shell is a piece of shell, as CE.env and ml.env are.
	Shell Format = "shell"
	// Plain is NAME=VALUE up to the end of the line, each character for itself, as docker and podman read --env-file.
	Plain Format = "plain"
	// Systemd is what EnvironmentFile= of systemd.exec(5) reads: quotes, backslashes, comments with # and ;.
	Systemd Format = "systemd"
	// Properties is the format of java.util.Properties, as of JAliEn's version.properties.
	Properties Format = "properties"
	// Auto is Shell or Plain, whichever the file is, see [Detect]; variables that are there keep their form, with export or
	// without. It is for ~/.alien/Environment, which AliEn sources and some of its start-up scripts grep.
	Auto Format = "auto"
)

// Formats are all the dialects.
func Formats() []Format { return []Format{Shell, Plain, Systemd, Properties, Auto} }

// FormatOf is the dialect of a file as far as its name tells.
func FormatOf(path string) Format {
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case name == "Environment":
		return Auto
	case strings.HasSuffix(name, ".properties"):
		return Properties
	}
	return Shell
}

// Detect tells Shell from Plain. A file is Plain if a line NAME=… of it is no assignment to a shell, as with a blank in the
// value that is not quoted, or if a shell could not read it; but one with an export is Shell.
func Detect(data []byte) Format {
	entries := plainEntries(string(data))
	f, err := parse(data)
	if err != nil {
		if len(entries) > 0 {
			return Plain
		}
		return Shell
	}
	assigned := map[string]bool{}
	for _, ev := range f.events {
		if ev.kind == export {
			return Shell
		}
		assigned[ev.name] = true
	}
	if slices.ContainsFunc(entries, func(e entry) bool { return !e.bare && !assigned[e.name] }) {
		return Plain
	}
	return Shell
}

// of is the dialect for this content.
func (f Format) of(data []byte) Format {
	switch f {
	case "":
		return Shell
	case Auto:
		return Detect(data)
	}
	return f
}

// dialects are those that are lists.
func (f Format) dialect() (dialect, error) {
	switch f {
	case Plain:
		return dialect{parsePlain, plainValue}, nil
	case Systemd:
		return dialect{parseSystemd, systemdValue}, nil
	case Properties:
		return dialect{parseProperties, propertiesValue}, nil
	}
	return dialect{}, fmt.Errorf("%q is not a format of environment files", string(f))
}

// Lookup is [Lookup] for a file of this dialect. In a list all values are known.
func (f Format) Lookup(data []byte, name string) (value string, set, known bool) {
	f = f.of(data)
	if f == Shell {
		return Lookup(data, name)
	}
	d, err := f.dialect()
	if err != nil {
		return "", false, false
	}
	entries, err := d.parse(string(data))
	if err != nil {
		return "", false, false
	}
	for _, e := range entries {
		if e.name == name {
			value, set = e.value, !e.bare
		}
	}
	return value, set, true
}

// Diff is [Diff] of two states of a file of the edit's dialect, with the values of the managed variables.
func (e Edit) Diff(oldName string, old []byte, newName string, new []byte) string {
	return diffWith(oldName, old, newName, new, func(data []byte) []string { return maskedLinesAs(e.Format, data, e.Names()) })
}
