// Package envfile renders and parses environment files.
package envfile

// An Edit says what the managed variables of a file shall be.
type Edit struct {
	Set    []Var
	Unset  []string
	Export bool // write "export NAME=value"
}

// A Var is a variable and its literal value.
type Var struct{ Name, Value string }

// A Result is what Apply makes of a file.
type Result struct {
	Content []byte // what the file shall hold; equal to the input when nothing has to change
	Changed bool
	Changes []string // for people, one for each variable, in the order of the edit: "X509_USER_PROXY: set to /…", "…: removed"
}

// Apply returns data with only the lines of managed variables changed.
func Apply(data []byte, e Edit) (Result, error) { panic("not built yet") }

// Lookup returns the value that sourcing data would leave in name. known is false when the value depends on the shell
// ($( … ), $VAR, backquotes), and set is false when no line assigns it.
func Lookup(data []byte, name string) (value string, set, known bool) { panic("not built yet") }

// Diff is a unified diff from old to new with three lines of context; names go into its headers.
func Diff(oldName string, old []byte, newName string, new []byte) string { panic("not built yet") }
