package year

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/envfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// endOf is when a proxy file is over, with everything in it.
func endOf(path string) (time.Time, error) {
	c, _, err := credfile.Load(path)
	if err != nil {
		return time.Time{}, err
	}
	end := c.NotAfter()
	acs, err := attrcert.FromChain(c.Chain)
	if err != nil {
		return time.Time{}, err
	}
	for _, ac := range acs {
		end = earlier(end, ac.NotAfter)
		for _, cert := range ac.Certificates {
			end = earlier(end, cert.NotAfter)
		}
	}
	return end, nil
}

// fileID tells a file from what was there before.
type fileID struct {
	inode uint64
	size  int64
	time  time.Time
}

// fresh reports whether a file has changed since whoever is asking has asked last.
func (b *disk) fresh(path, who string) bool {
	var id fileID
	if info, err := os.Lstat(path); err == nil {
		id = fileID{info.Sys().(*syscall.Stat_t).Ino, info.Size(), info.ModTime()}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[who+path] == id {
		return false
	}
	b.seen[who+path] = id
	return true
}

// observe looks at every file that has changed, as a reader at any moment would: each is whole.
func (b *disk) observe() {
	for _, path := range b.files {
		if !b.fresh(path, "") {
			continue
		}
		for _, c := range b.want.Credentials {
			if c.Path == path {
				b.look(c.Name, false)
			}
		}
		b.mu.Lock()
		spoilt := b.spoilt[path]
		b.mu.Unlock()
		if err := whole(path); err != nil && !spoilt {
			b.Log.fault(b.Now(), "a file is not whole", "%v", err)
		}
	}
}

// whole says what is wrong with a file, by what it is for.
func whole(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch filepath.Ext(path) {
	case ".json":
		if !json.Valid(data) {
			err = errors.New("it is not JSON")
		}
	case ".env":
		if _, _, known := envfile.Lookup(data, "X509_USER_PROXY"); !known && strings.Contains(string(data), "X509_USER_PROXY") && !strings.Contains(string(data), "unset") {
			err = errors.New("what it sets cannot be known")
		}
	default:
		_, err = credfile.Parse(data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// progress is told by the engine.
func (b *disk) progress(s plan.Step, o *reconcile.Outcome) {
	b.opportunity()
	b.observe()
	if o == nil {
		return
	}
	if s.Action == plan.Restart {
		b.mu.Lock()
		b.restarting = false
		b.mu.Unlock()
	}
	if o.Result != reconcile.Done {
		return
	}
	switch s.Action {
	case plan.Renew, plan.Write:
		if s.Kind != "env-file" {
			b.look(s.Target, false)
		}
	}
}

// look puts on record which proxy is in place now. The program must not have replaced one by one that is worse.
func (b *disk) look(name string, crashed bool) {
	i := slices.IndexFunc(b.want.Credentials, func(c plan.Credential) bool { return c.Name == name })
	path := b.want.Credentials[i].Path
	end, err := endOf(path)
	if err != nil {
		end = time.Time{}
	}
	b.mu.Lock()
	before, spoilt, doomed := b.ends[path], b.spoilt[path], b.restore != nil
	if !doomed || crashed {
		b.ends[path] = end
		if err == nil && !crashed {
			delete(b.spoilt, path)
		}
	}
	b.mu.Unlock()
	if doomed && !crashed || end.Equal(before) {
		return // what is done after the power has failed is not done
	}
	b.Log.place(b.Now(), name, end)
	near := around(b.Now(), 26*time.Hour, 1)
	if !crashed && !spoilt && end.Before(before) && b.BoxNow().Before(before) && (&judge{Log: b.Log, s: b.Script}).steady(near) {
		b.Log.fault(b.Now(), "worse than before", "%s ended on %s, and now %s", name, stamp(before), stamp(end))
	}
}

// passed looks at the box after a pass that came to its end.
func (b *disk) passed(r *reconcile.Report) {
	b.observe()
	b.mu.Lock()
	owed, foreign, touched := b.owed, slices.Clone(b.foreign), b.edits > b.before
	b.mu.Unlock()
	if touched {
		return // by others, while the pass was under way
	}
	told := slices.ContainsFunc(r.Alerts, func(a plan.Alert) bool { return strings.HasPrefix(a.ID, "SVC-") })
	if owed && !told && !r.Failed() {
		b.Log.fault(b.Now(), "not restarted", "although its files have changed, and nobody is told why")
	}
	if r.Failed() && slices.ContainsFunc(r.Outcomes, func(o reconcile.Outcome) bool { return o.Step.Kind == "env-file" && o.Result != reconcile.Done }) {
		return // it waits for a proxy
	}
	data, err := os.ReadFile(b.want.EnvFiles[0].Path)
	if err != nil {
		b.Log.fault(b.Now(), "env file", "%v", err)
		return
	}
	if got, _, _ := envfile.Lookup(data, "X509_USER_PROXY"); got != b.want.Credentials[1].Path {
		b.Log.fault(b.Now(), "env file", "X509_USER_PROXY is %q after a pass", got)
	}
	lines := strings.Split(string(data), "\n")
	for _, l := range foreign {
		if !slices.Contains(lines, l) {
			b.Log.fault(b.Now(), "env file", "the line %q of others is gone", l)
		}
	}
}

// sizes looks at the end whether what is kept stays small.
func (b *disk) sizes() {
	most := map[string]int64{"state.json": 16 << 10, "journal.jsonl": 1<<20 + 4096, "journal.jsonl.1": 1<<20 + 4096, "runs": 8192, "lock": 0}
	if _, err := os.Stat(filepath.Join(b.want.State, "journal.jsonl.1")); b.Seed%3 == 0 && b.days() > 2 && err != nil {
		b.Log.fault(b.Now(), "what is kept", "the journal was not rotated: %v", err)
	}
	entries, err := os.ReadDir(b.want.State)
	if err != nil {
		b.Log.fault(b.Now(), "what is kept", "%v", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.IsDir() {
			continue
		}
		if limit, known := most[e.Name()]; !known || info.Size() > limit {
			b.Log.fault(b.Now(), "what is kept", "%s has %d bytes", e.Name(), info.Size())
		}
	}
	for _, dir := range []string{b.want.Root, b.want.Repository, b.want.Home, filepath.Join(b.want.State, "last-good")} {
		if names, err := os.ReadDir(dir); err != nil || len(names) > 4 {
			b.Log.fault(b.Now(), "what is kept", "%s has %d entries (%v)", dir, len(names), err)
		}
	}
}
