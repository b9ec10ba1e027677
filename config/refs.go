package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// This file has what refers to something else: variables to proxies, services to env files and proxies.

func (r *reader) envFile(c *Config, e *EnvFile, path string) {
	managed := map[string]string{}
	for i := range e.Set {
		v := &e.Set[i]
		at := join(path+".set", v.Name)
		managed[v.Name] = at
		v.Parts = r.parts(c, at, v.Value)
	}
	for i, name := range e.Unset {
		r.contradiction(managed, name, index(path+".unset", i))
	}
	for i := range e.Expect {
		v := &e.Expect[i]
		at := join(path+".expect", v.Name)
		r.contradiction(managed, v.Name, at)
		v.Parts = r.parts(c, at, v.Value)
	}
}

// contradiction reports a variable about which the env file says two things.
func (r *reader) contradiction(managed map[string]string, name, path string) {
	if first, ok := managed[name]; ok && name != "" {
		r.faultAt(path, fmt.Sprintf("%s is in %s already", name, first), "keep one of the two")
		return
	}
	managed[name] = path
}

// parts splits a value at its references. Those to the environment are resolved here.
func (r *reader) parts(c *Config, path, s string) []plan.Part {
	if !r.sound(path) {
		return nil
	}
	var parts []plan.Part
	var literal strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		if escaped, ok := strings.CutSuffix(before, "$"); ok && found {
			literal.WriteString(escaped + "${")
			s = after
			continue
		}
		literal.WriteString(before)
		if !found {
			break
		}
		ref, rest, closed := strings.Cut(after, "}")
		if !closed {
			r.faultAt(path, "${ is not closed", "write ${proxy.NAME} or ${env.NAME}, or $${ for the two characters themselves")
			return nil
		}
		s = rest
		kind, name, _ := strings.Cut(ref, ".")
		switch kind {
		case "proxy":
			r.proxyNamed(c, path, name)
			parts = append(flush(parts, &literal), plan.Part{Proxy: name})
		case "env":
			literal.WriteString(r.variable(path, name))
		default:
			r.faultAt(path, fmt.Sprintf("%s is not a reference", cut("${"+ref+"}")), "write ${proxy.NAME} or ${env.NAME}, or $${ for the two characters themselves")
		}
	}
	return flush(parts, &literal)
}

// flush appends what was collected as literal text.
func flush(parts []plan.Part, literal *strings.Builder) []plan.Part {
	if literal.Len() > 0 {
		parts = append(parts, plan.Part{Text: literal.String()})
		literal.Reset()
	}
	return parts
}

// variable is an environment variable's value.
func (r *reader) variable(path, name string) string {
	if !formVariable.matches(name) {
		r.faultAt(path, fmt.Sprintf("%s is not %s", shown(name), formVariable.is), "write ${env.NAME}")
		return ""
	}
	v := r.env.getenv(name)
	switch {
	case v == "":
		r.faultAt(path, fmt.Sprintf("the environment variable %s is not set", cut(name)), "set it for vobox-reconcile, or write the value here")
	case strings.ContainsFunc(v, isControl):
		r.faultAt(path, fmt.Sprintf("the environment variable %s has a line break or another control character in it", cut(name)), "write the value here")
	}
	return v
}

// proxyNamed checks that there is such a proxy. The machine proxy always is.
func (r *reader) proxyNamed(c *Config, path, name string) {
	if name == plan.MachineName || r.torn || slices.ContainsFunc(c.Proxies, func(p Proxy) bool { return p.Name == name && name != "" }) {
		return
	}
	var names []string
	for _, p := range c.Proxies {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	r.faultAt(path, fmt.Sprintf("there is no proxy %s", shown(name)), r.oneOfThese(name, names, "add it to proxies"))
}

// oneOfThese suggests what a reference may have meant.
func (r *reader) oneOfThese(s string, names []string, otherwise string) string {
	switch best := closest(s, names); {
	case best != "":
		return "did you mean " + shown(best) + "?"
	case len(names) == 0 || len(names) > 8:
		return otherwise
	}
	slices.Sort(names)
	return "write " + strings.Join(slices.Compact(names), " or ")
}

func (r *reader) service(c *Config, s *Service, path string) {
	at := path + ".onChange"
	if !r.given(at) {
		s.OnChange = []string{}
		for _, e := range c.EnvFiles {
			s.OnChange = append(s.OnChange, "envFile:"+e.Path)
			s.envFiles = append(s.envFiles, e.Path)
		}
		return
	}
	for i, entry := range s.OnChange {
		if at := index(at, i); r.sound(at) {
			r.change(c, s, at, entry)
		}
	}
}

// change resolves one entry of onChange.
func (r *reader) change(c *Config, s *Service, path, entry string) {
	if name, ok := strings.CutPrefix(entry, "proxy:"); ok {
		r.proxyNamed(c, path, name)
		if !slices.Contains(s.proxies, name) {
			s.proxies = append(s.proxies, name)
		}
		return
	}
	file := r.expand(path, strings.TrimPrefix(entry, "envFile:"))
	known := slices.ContainsFunc(c.EnvFiles, func(e EnvFile) bool { return e.Path == file })
	if !known && !r.torn && r.sound(path) {
		var paths []string
		for _, e := range c.EnvFiles {
			paths = append(paths, e.Path)
		}
		r.faultAt(path, fmt.Sprintf("there is no env file %s", shown(file)), r.oneOfThese(file, paths, "add it to envFiles"))
	}
	if !slices.Contains(s.envFiles, file) {
		s.envFiles = append(s.envFiles, file)
	}
}
