package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// The machine proxy is read by the renewal daemon only.
const (
	machineMode = 0o400
	userMode    = 0o600
)

// Desired is the configuration as the engine wants it. The machine proxy is the first credential; it is only observed
// when another program keeps it, and left out when that is so and nothing here uses it.
func (c *Config) Desired() plan.Desired {
	d := plan.Desired{
		VO: c.VO, User: c.User, UID: c.uid, GID: c.gid, Home: c.home,
		Root: c.Root, Repository: c.Repository, State: c.State,
	}
	if c.MachineProxy.Manage || c.usesMachineProxy() {
		d.Credentials = append(d.Credentials, c.machineCredential())
	}
	for _, p := range c.Proxies {
		d.Credentials = append(d.Credentials, c.userCredential(p))
	}
	for _, e := range c.EnvFiles {
		d.EnvFiles = append(d.EnvFiles, plan.EnvFile{
			Path: e.Path, Set: planned(e.Set), Unset: slices.Clone(e.Unset), Expect: planned(e.Expect), Export: e.Export, Format: e.Format, Mode: e.Mode,
		})
	}
	for _, s := range c.Services {
		d.Services = append(d.Services, plan.Service{
			Name: s.Name, Restart: s.Restart, Unit: s.Unit, EnvFiles: s.envFiles, Proxies: s.proxies,
			Preflight: s.Preflight, Verify: s.Verify, Timeout: s.Timeout, AtMost: s.AtMost.N, Per: s.AtMost.Per,
		})
	}
	return d
}

// usesMachineProxy reports whether a proxy comes from a MyProxy server, to which the machine proxy is shown, or something
// refers to it by name.
func (c *Config) usesMachineProxy() bool {
	for _, p := range c.Proxies {
		if p.Source.MyProxy != nil {
			return true
		}
	}
	for _, s := range c.Services {
		if slices.Contains(s.proxies, plan.MachineName) {
			return true
		}
	}
	for _, e := range c.EnvFiles {
		for _, v := range slices.Concat(e.Set, e.Expect) {
			if slices.ContainsFunc(v.Parts, func(p plan.Part) bool { return p.Proxy == plan.MachineName }) {
				return true
			}
		}
	}
	return false
}

func (c *Config) machineCredential() plan.Credential {
	m := c.MachineProxy
	return plan.Credential{
		Name: plan.MachineName, Kind: plan.Machine, Path: m.Path, VO: c.VO,
		Lifetime: m.Lifetime, RenewBelow: m.RenewBelow, AlertBelow: alertDefault(m.RenewBelow),
		Source: plan.Source{Certificate: &plan.Certificate{Cert: m.Cert, Key: m.Key}},
		Key:    "rsa2048", Mode: machineMode, Observe: !m.Manage,
	}
}

func (c *Config) userCredential(p Proxy) plan.Credential {
	d := plan.Credential{
		Name: p.Name, Kind: plan.User, Path: p.Path, Links: slices.Clone(p.Links), Identity: p.DN, VO: p.VO, FQANs: slices.Clone(p.Attributes),
		Lifetime: p.Lifetime, RenewBelow: p.RenewBelow, AlertBelow: p.AlertBelow, Source: c.planSource(p.Source),
		Key: p.Key, Limited: p.Limited, Mode: userMode, Registered: p.Registered,
	}
	if dir, last := filepath.Split(p.Path); isGlob(last) {
		d.Default = filepath.Join(dir, p.legacyName())
	}
	return d
}

// planSource gives the engine host:port; several servers are joined by commas, as in $MYPROXY_SERVER.
func (c *Config) planSource(s Source) plan.Source {
	if cert := s.Certificate; cert != nil {
		return plan.Source{Certificate: &plan.Certificate{Cert: cert.Cert, Key: cert.Key, PassphraseFile: cert.PassphraseFile}}
	}
	m := s.MyProxy
	return plan.Source{MyProxy: &plan.MyProxy{
		Server: strings.Join(m.Servers, ","), ServerDN: m.ServerDN, Username: m.Username, CredentialName: m.CredentialName,
		PassphraseFile: m.PassphraseFile, Timeout: c.MyProxy.Timeout, AlertBelow: c.MyProxy.AlertBelow,
	}}
}

func planned(vs []Variable) []plan.Var {
	var out []plan.Var
	for _, v := range vs {
		out = append(out, plan.Var{Name: v.Name, Value: slices.Clone(v.Parts)})
	}
	return out
}
