package realgrid

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// A MyProxy is a running myproxy-server.
type MyProxy struct {
	Host  string // "localhost": what the server's certificate is good for
	Port  int
	DN    string // of the server's certificate
	Store string // its storage directory
	Log   string // what it says to syslog, in a file

	process *process
}

// Addr returns localhost:port.
func (m *MyProxy) Addr() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// Args returns "-s localhost -p PORT" and then args, for the real clients.
func (m *MyProxy) Args(args ...string) []string {
	return append([]string{"-s", m.Host, "-p", strconv.Itoa(m.Port)}, args...)
}

// sitePolicy has the shape of the public YAIM template for gLite PX servers:
// the server's lists decide, and stored flags can only narrow them.
var sitePolicy = fmt.Sprintf(`accepted_credentials       "*"
authorized_retrievers      "*"
default_retrievers         "*"
authorized_renewers        %[1]q
default_renewers           %[1]q
trusted_retrievers         %[2]q
default_trusted_retrievers %[2]q
authorized_key_retrievers  "*"
default_key_retrievers     "none"
`, DN(VOBox), DN(Portal))

// samplePolicy is what the "Complete Sample Policy #1" of the package's
// configuration file says: the flags of myproxy-init decide.
const samplePolicy = `accepted_credentials       "*"
authorized_retrievers      "*"
default_retrievers         "*"
authorized_renewers        "*"
default_renewers           "none"
trusted_retrievers         "*"
default_trusted_retrievers "none"
authorized_key_retrievers  "*"
default_key_retrievers     "none"
`

// SitePolicy returns a myproxy-server that knows vobox as a renewer and portal
// as a trusted retriever, whatever the flags of the store.
func (g *Grid) SitePolicy() *MyProxy {
	g.t.Helper()
	return g.myproxy("myproxy-site", sitePolicy, &g.site)
}

// SamplePolicy returns a myproxy-server on which the flags of the store say who
// may renew and who may retrieve.
func (g *Grid) SamplePolicy() *MyProxy {
	g.t.Helper()
	return g.myproxy("myproxy-sample", samplePolicy, &g.sample)
}

// MyProxy starts a further myproxy-server with the given text as its
// configuration file. The name is that of its directory; unique in the grid.
func (g *Grid) MyProxy(name, config string) *MyProxy {
	g.t.Helper()
	return g.myproxy(name, config, new(lazy[*MyProxy]))
}

func (g *Grid) myproxy(name, config string, server *lazy[*MyProxy]) *MyProxy {
	g.t.Helper()
	RequireTools(g.t, "myproxy-server", "gcc")
	m, err := server.get(func() (*MyProxy, error) { return g.startMyProxy(name, config) })
	if err != nil {
		g.t.Fatalf("realgrid: %v", err)
	}
	return m
}

func (w *world) startMyProxy(name, config string) (*MyProxy, error) {
	host, err := w.identity(myproxyHost)
	if err != nil {
		return nil, err
	}
	library, err := w.preload()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.Dir, name)
	m := &MyProxy{
		Host:  "localhost",
		DN:    host.DN,
		Store: filepath.Join(dir, "store"),
		Log:   filepath.Join(dir, "log"),
	}
	// The server refuses a storage directory that others can look into.
	if err := os.MkdirAll(m.Store, 0o700); err != nil {
		return nil, err
	}
	configFile := filepath.Join(dir, "config")
	if err := os.WriteFile(configFile, []byte(config), 0o644); err != nil {
		return nil, err
	}
	// It forks twice to become a daemon: once, setsid, and again.
	env := append(baseEnv(w.Dir),
		"X509_USER_CERT="+host.CertFile, "X509_USER_KEY="+host.KeyFile, "X509_CERT_DIR="+w.CertDir,
		"LD_PRELOAD="+library, "REALGRID_FOREGROUND=2", "REALGRID_SYSLOG="+m.Log)
	err = onFreePort(func(port int) error {
		m.Port = port
		m.process, err = w.start(name, m.Log, env, toolPath("myproxy-server"), "-v", "-l", "127.0.0.1",
			"-p", strconv.Itoa(port), "-c", configFile, "-s", m.Store, "-P", filepath.Join(dir, "pid"))
		if err != nil {
			return err
		}
		return m.process.waitFor("listening", startTimeout, func() bool { return listensOn(m.process.cmd.Process.Pid, port) })
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}
