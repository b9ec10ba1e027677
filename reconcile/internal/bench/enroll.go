package main

import (
	"path/filepath"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
)

// enroll compares what a user does on the LCG-UI: a login proxy with a role, a stored credential, and a look at it.
func (b *bench) enroll() {
	g := b.grid
	jane, px := g.Identity(realgrid.Jane), g.SitePolicy()
	g.Alice()
	env := g.Env(jane)
	ours, theirs := filepath.Join(b.dir, "login-ours"), filepath.Join(b.dir, "login-theirs")
	b.compare("login --voms / voms-proxy-init2", 0.4,
		func() sample {
			return b.time(0, env, b.binary, "login", "--voms", "alice:/alice/Role=lcgadmin", "--out", ours)
		},
		func() sample {
			return b.time(0, env, "voms-proxy-init2", "-voms", "alice:/alice/Role=lcgadmin", "-out", theirs)
		})
	flags := []string{"-d", "-n", "-t", "48", "-c", "3000"}
	b.compare("store / myproxy-init", 0.6,
		func() sample { return b.time(0, env, b.binary, append([]string{"store"}, px.Args(flags...)...)...) },
		func() sample {
			return b.time(0, append(env, "GT_PROXY_MODE=rfc"), "myproxy-init", px.Args(flags...)...)
		})
	b.compare("stored / myproxy-info", 0.4,
		func() sample { return b.time(0, env, b.binary, append([]string{"stored"}, px.Args("-d")...)...) },
		func() sample { return b.time(0, env, "myproxy-info", px.Args("-d")...) })
}
