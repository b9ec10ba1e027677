package main

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// A shard is one of several runs that share a configuration: the I-th of N. The zero shard does everything.
type shard struct{ i, n int }

// maxShards is more runs than anybody has proxies for.
const maxShards = 1000

// parseShard reads "2/3".
func parseShard(s string) (shard, error) {
	first, rest, ok := strings.Cut(s, "/")
	i, err := strconv.Atoi(first)
	n, err2 := strconv.Atoi(rest)
	if !ok || err != nil || err2 != nil || i < 1 || n < i || n > maxShards {
		return shard{}, usage("--shard takes I/N such as 1/3, I from 1 to N, not %q", s)
	}
	return shard{i, n}, nil
}

// has reports whether something of that name falls to this run. It depends on the name alone, so that a name that is added
// or removed moves no other.
func (s shard) has(name string) bool {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32()%uint32(s.n)) == s.i-1
}

// only narrows what is looked after to what falls to this run: each proxy, env file and service falls to one. The machine
// proxy is looked after by the first, and by each that needs it.
func (s shard) only(want plan.Desired, o plan.Options) []string {
	if s.n == 0 {
		return o.Only
	}
	var all []string
	for _, c := range want.Credentials {
		if c.Kind == plan.Machine && s.i == 1 || c.Kind != plan.Machine && s.has(c.Name) {
			all = append(all, c.Name)
		}
	}
	for _, f := range want.EnvFiles {
		if s.has(f.Path) {
			all = append(all, f.Path)
		}
	}
	for _, svc := range want.Services {
		if s.has(svc.Name) {
			all = append(all, svc.Name)
		}
	}
	names := []string{""} // a list that is empty would stand for everything
	for _, name := range all {
		if len(o.Only) == 0 || slices.Contains(o.Only, name) {
			names = append(names, name)
		}
	}
	return names
}
