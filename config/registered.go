package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
)

// What is read of registrations. The account can write as many, and as large ones, as it likes.
const (
	maxRegistered     = 200
	maxRegisteredSize = 64 << 10
)

// Registered is the directory where the account registers proxies when the configuration is root's. Its files are read like
// those of conf.d, and have no more than what says whose proxy is to be kept, and who is told.
func (c *Config) Registered() string { return registeredIn(c.State) }

func registeredIn(state string) string { return filepath.Join(state, "registered") }

// registrations reads what the account has registered. It is another's text for root, so that nothing in it names a file, a
// server or a command: see registeredFields.
func (r *reader) registrations(c *Config) {
	early := *r // what is wrong with the path is told later, at its key
	early.faults, early.bad = &faults{}, map[string]bool{}
	dir := registeredIn(early.expand("state", c.stateDir()))
	if !r.sound("vo", "root", "state") || len(early.faults.list) > 0 {
		return
	}
	names, err := atomicfile.Glob(dir, "*.yaml")
	if err != nil && !errors.Is(err, fs.ErrPermission) { // who may not look has nothing to renew there
		if _, unreachable := atomicfile.Stat(dir); unreachable == nil { // else there is none, or passes tell what is wrong with the state directory
			r.wholeFile(dir, fmt.Sprintf("cannot be read: %v", err), "remove it, and register again", err)
			return
		}
	}
	names = slices.DeleteFunc(r.instead(dir, names), func(n string) bool { return strings.HasPrefix(n, ".") })
	if len(names) > maxRegistered {
		r.wholeFile(dir, fmt.Sprintf("has %d registrations, and %d are read", len(names), maxRegistered), "take some out with vobox-reconcile unregister", nil)
		return
	}
	before := len(c.Proxies)
	for _, name := range names {
		r.merge(c, filepath.Join(dir, name), func(file string) ([]byte, error) { return r.readRegistered(c, file) }, c.registeredFields())
	}
	for i := range c.Proxies[before:] {
		c.Proxies[before+i].Registered = true
	}
}

// readRegistered follows no link, and takes nobody's file but root's and the account's.
func (r *reader) readRegistered(c *Config, file string) ([]byte, error) {
	const instead = "remove it, and register again"
	data, info, err := atomicfile.Read(file, maxRegisteredSize)
	if err != nil {
		return nil, faultOf(file, fmt.Sprintf("cannot be read: %v", err), instead, err)
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != 0 && int(sys.Uid) != r.accountID(c) {
		return nil, faultOf(file, fmt.Sprintf("belongs to user %d, neither root nor %s", sys.Uid, c.User), instead, nil)
	}
	return data, nil
}

// accountID is the user number that registrations may belong to.
func (r *reader) accountID(c *Config) int {
	if c.uid >= 0 {
		return c.uid
	}
	return r.env.UID
}

// registeredFields are the keys of a registration.
func (c *Config) registeredFields() []field {
	proxy := func(p *Proxy) []field {
		return only(p.fields(), "name", "dn", "vo", "attributes", "lifetime", "alertBelow")
	}
	alert := func(a *Alert) []field {
		mail := func(e *Email) []field { return only(e.fields(), "to") }
		return []field{{key: "email", value: optional[Email]{&a.Email, mail}}}
	}
	return []field{
		{key: "proxies", value: objects(&c.Proxies, proxy)},
		{key: "myproxy", value: object{only(c.MyProxy.fields(), "alertBelow")}},
		{key: "alerts", value: objects(&c.Alerts, alert)},
	}
}

func only(fields []field, keys ...string) []field {
	return slices.DeleteFunc(fields, func(f field) bool { return !slices.Contains(keys, f.key) })
}
