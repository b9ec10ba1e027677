package realgrid

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// searchPath is where programs are looked for. The daemons are in sbin, which
// is not in an ordinary user's PATH.
var searchPath = strings.Join([]string{os.Getenv("PATH"), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"}, ":")

// packages names the Debian package of each program, for the message.
var packages = map[string]string{
	"arcproxy":               "nordugrid-arc-client",
	"curl":                   "curl",
	"gcc":                    "gcc",
	"grid-proxy-info":        "globus-proxy-utils",
	"grid-proxy-init":        "globus-proxy-utils",
	"mariadb":                "mariadb-client",
	"mariadb-install-db":     "mariadb-server",
	"mariadbd":               "mariadb-server",
	"myproxy-destroy":        "myproxy",
	"myproxy-info":           "myproxy",
	"myproxy-init":           "myproxy",
	"myproxy-logon":          "myproxy",
	"myproxy-server":         "myproxy-server",
	"openssl":                "openssl",
	"voms":                   "voms-server",
	"voms-proxy-info2":       "voms-clients",
	"voms-proxy-info3":       "voms-clients-java",
	"voms-proxy-init2":       "voms-clients",
	"voms-proxy-init3":       "voms-clients-java",
	"libvomsmysql.so":        "voms-mysql-plugin",
	"voms-mysql.data":        "voms-mysql-plugin",
	"myproxy-store":          "myproxy",
	"myproxy-retrieve":       "myproxy",
	"grid-proxy-destroy":     "globus-proxy-utils",
	"voms-proxy-destroy2":    "voms-clients",
	"voms-proxy-destroy3":    "voms-clients-java",
	"myproxy-admin-query":    "myproxy-admin",
	"myproxy-get-delegation": "myproxy",
}

// dataFiles are the things that are asked for by name and are not in PATH.
var dataFiles = map[string]string{
	"libvomsmysql.so": vomsPlugin,
	"voms-mysql.data": vomsSchema,
}

const (
	vomsPlugin = "/usr/lib/voms/libvomsmysql.so"
	vomsSchema = "/usr/share/voms/voms-mysql.data"
)

// toolPath returns the absolute path of a program, or "".
func toolPath(name string) string {
	candidates := []string{dataFiles[name]}
	if candidates[0] == "" {
		candidates = nil
		for _, dir := range filepath.SplitList(searchPath) {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && filepath.IsAbs(path) {
			return path
		}
	}
	return ""
}

// RequireTools goes on when every named program is installed. Otherwise the
// test is skipped with the names of the Debian packages, or, under CI=true,
// where nobody reads what was skipped, fails.
func RequireTools(t TB, names ...string) {
	t.Helper()
	var missing, install []string
	for _, name := range names {
		if toolPath(name) != "" {
			continue
		}
		missing = append(missing, name)
		if p := packages[name]; p != "" && !slices.Contains(install, p) {
			install = append(install, p)
		}
	}
	if missing == nil {
		return
	}
	report := t.Skipf
	if os.Getenv("CI") == "true" {
		report = t.Fatalf
	}
	hint := ""
	if install != nil {
		hint = "; on Debian: apt-get install " + strings.Join(install, " ")
	}
	report("not installed: %s%s", strings.Join(missing, ", "), hint)
}
