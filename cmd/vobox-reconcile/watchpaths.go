package main

import (
	"path/filepath"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// configFiles are what a configuration is read from, whether it is there or not.
func configFiles(path string) []string {
	return []string{path, filepath.Join(filepath.Dir(path), "conf.d", "*.yaml")}
}

// registrationFiles are those of people who have registered.
func registrationFiles(cfg *config.Config) string { return filepath.Join(cfg.Registered(), "*.yaml") }

// referred is everything whose change is worth a pass: the configuration, what it refers to, and what a pass writes. What
// only a pass writes, below state, is not.
func referred(path string, cfg *config.Config, want plan.Desired, loginProxy string) []string {
	paths := append(configFiles(path), registrationFiles(cfg), cfg.Trust.Certificates, cfg.Trust.VOMSDir)
	paths = append(paths, cfg.Trust.VOMSES...)
	if filepath.IsAbs(loginProxy) {
		paths = append(paths, loginProxy)
	}
	for _, c := range want.Credentials {
		if c.VO != "" {
			paths = append(paths, filepath.Join(cfg.Trust.VOMSDir, c.VO))
		}
		if mp := c.Source.MyProxy; mp != nil {
			paths = append(paths, mp.PassphraseFile)
		}
		if cert := c.Source.Certificate; cert != nil && !c.Observe {
			paths = append(paths, cert.Cert, cert.Key, cert.PassphraseFile)
		}
	}
	return absolute(append(paths, written(want)...))
}

// written are the paths that passes write to.
func written(want plan.Desired) []string {
	var paths []string
	for _, c := range want.Credentials {
		paths = append(paths, c.Path)
		paths = append(paths, c.Links...)
	}
	for _, f := range want.EnvFiles {
		paths = append(paths, f.Path)
	}
	return paths
}

// absolute leaves out what is not given.
func absolute(paths []string) []string {
	var out []string
	for _, p := range paths {
		if filepath.IsAbs(p) {
			out = append(out, p)
		}
	}
	return out
}
