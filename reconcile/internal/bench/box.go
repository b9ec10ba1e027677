package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

// A box is a VO box on the grid, once a first pass has been made.
type box struct {
	config  string
	proxy   string // the user proxy
	machine string // the machine proxy
	grid    []string
}

// box stores a credential, writes a configuration and makes the first pass, which the login proxy authorises.
func (b *bench) box() box {
	g := b.grid
	jane, host := g.Identity(realgrid.Jane), g.Identity(realgrid.VOBox)
	px := g.SitePolicy()
	g.Alice()
	g.MustRun(g.Env(jane), "voms-proxy-init2", "-voms", "alice:/alice/Role=lcgadmin", "-vomses", g.Vomses)
	login := filepath.Join(b.dir, "login")
	b.must(os.Rename(jane.Proxy, login))
	g.MustRun(append(g.Env(jane), "GT_PROXY_MODE=rfc"), "myproxy-init", px.Args("-d", "-n", "-t", "48", "-c", "3000")...)

	root := filepath.Join(b.dir, "alice")
	x := box{config: filepath.Join(b.dir, "config.yaml"), proxy: filepath.Join(root, "proxy_repository", "lcgadmin"),
		machine: filepath.Join(root, "renewal-proxy.pem"), grid: g.AnonymousEnv()}
	env := filepath.Join(b.dir, "CE.env")
	b.must(os.WriteFile(env, []byte("# CE environment bootstrap\n"), 0o644))
	yaml := fmt.Sprintf(`version: 1
vo: alice
root: %s
trust: {certificates: %s, vomsdir: %s, vomses: [%s]}
machineProxy: {cert: %s, key: %s}
myproxy: {server: "%s", serverDN: "%s"}
proxies:
  - {name: lcgadmin, dn: "%s", attributes: [/alice/Role=lcgadmin], path: %s}
envFiles:
  - {path: %s, set: {X509_USER_PROXY: "${proxy.lcgadmin}"}}
`, root, g.CertDir, g.VOMSDir, g.Vomses, host.CertFile, host.KeyFile, px.Addr(), px.DN, jane.DN, x.proxy, env)
	b.must(os.WriteFile(x.config, []byte(yaml), 0o600))
	b.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "X509_USER_PROXY=" + login}
	b.time(0, b.env, b.binary, "-c", x.config)
	return x
}

// noop compares a pass that finds nothing to do with one look of grid-proxy-info at one proxy.
func (b *bench) noop(x box) {
	b.compare("pass with nothing to do / grid-proxy-info", 1.0,
		func() sample { return b.time(0, b.env, b.binary, "-c", x.config) },
		func() sample { return b.time(0, x.grid, "grid-proxy-info", "-f", x.proxy) })
}

// renewal compares a forced renewal with what it replaces: a renewal from MyProxy, then a new proxy with attributes.
func (b *bench) renewal(x box) {
	px := b.grid.SitePolicy()
	renewed := filepath.Join(b.dir, "renewed")
	final := filepath.Join(b.dir, "final")
	logon := append(x.grid, "X509_USER_PROXY="+x.machine)
	b.compare("renewal / myproxy-logon -a + arcproxy -S", 0.4,
		func() sample {
			nextSecond()
			return b.time(0, b.env, b.binary, "-c", x.config, "--only", "lcgadmin", "--force", "lcgadmin")
		},
		func() sample {
			one := b.time(0, logon, "myproxy-logon", px.Args("-a", x.proxy, "-d", "-n", "-t", "48", "-o", renewed)...)
			two := b.time(0, append(x.grid, "X509_USER_PROXY="+final), "arcproxy", "-C", renewed, "-K", renewed, "-P", final, "-S", "alice:/alice/Role=lcgadmin")
			return sample{one.took + two.took, max(one.rss, two.rss)}
		})
}

// nextSecond waits, outside of what is measured: a proxy made within the same second as the one in place does not last longer,
// and is made again.
func nextSecond() {
	now := time.Now()
	time.Sleep(now.Truncate(time.Second).Add(time.Second + 10*time.Millisecond).Sub(now))
}

// inspect compares one call with a shell loop, both over the same proxies. The loop is run once per round of five: it takes
// seconds.
func (b *bench) inspect(x box) {
	data, err := os.ReadFile(x.proxy)
	b.must(err)
	dir := filepath.Join(b.dir, "many")
	b.must(os.Mkdir(dir, 0o700))
	args := []string{"inspect", "--certificates", b.grid.CertDir, "--vomsdir", b.grid.VOMSDir}
	for i := range many {
		path := filepath.Join(dir, fmt.Sprintf("proxy%03d", i))
		b.must(os.WriteFile(path, data, 0o600))
		args = append(args, path)
	}
	var ours, theirs []sample
	loop := `for f in "$1"/*; do voms-proxy-info2 -all -file "$f" >/dev/null || exit 1; done`
	for range rounds {
		ours = append(ours, b.time(0, b.env, b.binary, args...))
	}
	for range 3 {
		begin := time.Now()
		b.time(0, x.grid, "sh", "-c", loop, "sh", dir)
		theirs = append(theirs, sample{took: time.Since(begin)})
	}
	b.report(strings.TrimSpace(fmt.Sprintf("inspect of %d / loop of voms-proxy-info2 -all (3 rounds)", many)), 0.05, median(ours), median(theirs), peak(ours))
}
