package oldbox

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/inspect"
)

// An Entry is a file of the repository.
type Entry struct {
	Path     string
	Subject  string // from the name: subject of the proxy that was registered; empty: the name is of another form
	VOMS     string // from the name: what was given to --voms, such as cms or alice:/alice/Role=lcgadmin
	Modified time.Time
	Exists   bool
	Report   *inspect.Report // what is in it; nil: it could not be read
	Err      error           // why it could not be read
}

// entry looks at one file.
func (s Source) entry(in *inspect.Inspector, path string) Entry {
	e := Entry{Path: path}
	if subject, voms, ok := credfile.UnescapeName(filepath.Base(path)); ok {
		e.Subject, e.VOMS = subject, voms
	}
	data, info, err := atomicfile.Read(path, credfile.MaxSize)
	if err != nil {
		e.Err, e.Exists = err, !errors.Is(err, fs.ErrNotExist)
		return e
	}
	e.Exists, e.Modified, e.Report = true, info.ModTime(), in.Describe(data)
	return e
}

// Usable reports whether the file holds a proxy that verifies, with attributes if it should have them.
func (e Entry) Usable() bool {
	return e.Report != nil && e.Report.State == inspect.OK && (e.Primary() == "" || e.Report.VO != "")
}

// End is when the proxy, or its attributes, end; zero: nothing is known.
func (e Entry) End() time.Time {
	if e.Report == nil {
		return time.Time{}
	}
	return e.Report.EffectiveEnd
}

// Lifetime is how long the last certificate of the chain was made for; zero: not known.
func (e Entry) Lifetime() time.Duration {
	if e.Report == nil || len(e.Report.Chain) == 0 {
		return 0
	}
	leaf := e.Report.Chain[0]
	return leaf.NotAfter.Sub(leaf.NotBefore)
}

// Identity is the DN of the person: from the chain, or else from the file name without what proxies add.
func (e Entry) Identity() string {
	if e.Report != nil && e.Report.Identity != "" {
		return e.Report.Identity
	}
	return withoutProxies(e.Subject)
}

// withoutProxies takes off the last parts of a subject in slash form that are a proxy's: CN=proxy, CN=limited proxy and, of
// RFC 3820 and draft proxies, a number.
func withoutProxies(subject string) string {
	for {
		i := strings.LastIndex(subject, "/CN=")
		if i <= 0 {
			return subject
		}
		cn := subject[i+len("/CN="):]
		if cn != "proxy" && cn != "limited proxy" && (cn == "" || strings.Trim(cn, "0123456789") != "") {
			return subject
		}
		subject = subject[:i]
	}
}

// Primary is the first attribute: from the attribute certificate, verified or not, or else from the file name: a proxy that
// should have attributes and has none is still a registration with them. It is empty for one that need not have any.
func (e Entry) Primary() string {
	if e.Report != nil {
		for _, ac := range e.Report.ACs {
			if len(ac.FQANs) > 0 {
				return ac.FQANs[0]
			}
		}
	}
	_, fqan := SplitVOMS(e.VOMS)
	return fqan
}

// VO is the VO of the attributes.
func (e Entry) VO() string {
	vo, _, _ := strings.Cut(strings.TrimPrefix(e.Primary(), "/"), "/")
	return vo
}

// SplitVOMS splits what voms-proxy-init takes as --voms: a VO, or VO:FQAN.
func SplitVOMS(voms string) (vo, fqan string) {
	vo, fqan, ok := strings.Cut(voms, ":")
	if !ok && vo != "" {
		fqan = "/" + vo
	}
	return vo, fqan
}

// A Registration is one person with one primary attribute, and the files that hold proxies of them.
type Registration struct {
	Identity string
	VO       string
	Primary  string
	Best     *Entry   // the usable one that lasts longest; nil: none is usable
	Files    []*Entry // all, the longest lasting first
}

// Registrations groups the entries of the repository. Those of which nobody can tell whose they are are left out. Usable
// ones come first.
func (vo *VO) Registrations() []Registration {
	var out []Registration
	index := map[string]int{}
	for i := range vo.Entries {
		e := &vo.Entries[i]
		id, err := dn.Parse(e.Identity())
		if err != nil || id.IsEmpty() {
			continue
		}
		key := id.Canonical() + "\x00" + e.Primary()
		at, ok := index[key]
		if !ok {
			at = len(out)
			index[key] = at
			out = append(out, Registration{Identity: e.Identity(), VO: e.VO(), Primary: e.Primary()})
		}
		out[at].Files = append(out[at].Files, e)
	}
	for i := range out {
		r := &out[i]
		slices.SortStableFunc(r.Files, func(a, b *Entry) int { return b.End().Compare(a.End()) })
		for _, e := range r.Files {
			if e.Usable() {
				r.Best = e
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Registration) int {
		switch {
		case a.Best != nil && b.Best == nil:
			return -1
		case a.Best == nil && b.Best != nil:
			return 1
		}
		return 0
	})
	return out
}

// Newest is the entry that ls -t with a pattern lists first: the one written last. The pattern is that of a shell, with its
// directory.
func (vo *VO) Newest(pattern string) *Entry {
	var newest *Entry
	for i := range vo.Entries {
		e := &vo.Entries[i]
		if ok, err := filepath.Match(pattern, e.Path); err != nil || !ok {
			continue
		}
		if newest == nil || e.Modified.After(newest.Modified) { // of two of the same time ls takes the first by name
			newest = e
		}
	}
	return newest
}
