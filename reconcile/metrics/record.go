package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

// What passes come to, as the label result of vobox_passes_total.
const (
	Unchanged = "unchanged" // nothing was to do
	Changed   = "changed"   // all that was to do was done
	Failed    = "failed"    // a step failed, or was skipped because of one that did
	Error     = "error"     // the pass could not even be made
)

// A Record is what passes have come to since it began. It is kept in <state>/metrics.json, so that counters go on
// counting from one run of cron's to the next, and when a resident is started again. The journal would not do: it is
// rotated, and a counter that shrinks reads as a burst.
type Record struct {
	Version     int               `json:"version"`
	Since       time.Time         `json:"since"`                // when counting began
	Last        time.Time         `json:"last,omitzero"`        // when the last pass that could be made began
	LastSuccess time.Time         `json:"lastSuccess,omitzero"` // and the last one of which no step failed
	Seconds     float64           `json:"seconds"`              // how long the last one took
	Passes      map[string]uint64 `json:"passes"`               // by result
	Steps       map[string]uint64 `json:"steps"`                // carried out with success, by action
	Failures    map[string]uint64 `json:"failures"`             // by id of the step
	Restarts    map[string]uint64 `json:"restarts"`             // begun, by service
}

const (
	recordFile = "metrics.json"
	maxRecord  = 1 << 20
	// maxSeries is how many names each map holds. Ids come from the configuration, of which there are many versions in the
	// life of a box; what is beyond is counted together.
	maxSeries = 200
	others    = "other"
	maxName   = 512
)

// NewRecord is one in which nothing has been counted yet.
func NewRecord(now time.Time) *Record {
	r := &Record{Version: 1, Since: now.UTC().Truncate(time.Second)}
	r.sanitize()
	return r
}

// LoadRecord reads the record in the state directory. It always returns a usable one, a new one if need be; an error says
// that there was one that was not.
func LoadRecord(dir string, now time.Time) (*Record, error) {
	path := filepath.Join(dir, recordFile)
	data, _, err := atomicfile.Read(path, maxRecord)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return NewRecord(now), nil
	case err != nil:
		return NewRecord(now), fmt.Errorf("reading the counters: %w", err)
	}
	r, err := parseRecord(data)
	if err != nil {
		return NewRecord(now), fmt.Errorf("reading the counters in %s: %w; they begin anew", path, err)
	}
	return r, nil
}

func parseRecord(data []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("version %d is not known", r.Version)
	}
	r.sanitize()
	return r, nil
}

// sanitize drops what no pass can have written: the account that the file belongs to may have edited it.
func (r *Record) sanitize() {
	if math.IsNaN(r.Seconds) || math.IsInf(r.Seconds, 0) || r.Seconds < 0 {
		r.Seconds = 0
	}
	for _, t := range []*time.Time{&r.Since, &r.Last, &r.LastSuccess} {
		if t.Year() < 2000 || t.Year() >= 3000 {
			*t = time.Time{}
		}
	}
	for _, m := range []*map[string]uint64{&r.Passes, &r.Steps, &r.Failures, &r.Restarts} {
		if *m == nil {
			*m = map[string]uint64{}
		}
		maps.DeleteFunc(*m, func(name string, n uint64) bool { return name != label(name) || n > 1<<53 })
		for i, name := range slices.Sorted(maps.Keys(*m)) {
			if i >= maxSeries && name != others {
				delete(*m, name)
			}
		}
	}
	results := []string{Unchanged, Changed, Failed, Error}
	maps.DeleteFunc(r.Passes, func(name string, _ uint64) bool { return !slices.Contains(results, name) })
	for _, result := range results { // a counter that begins at 0 can be seen to rise
		r.Passes[result] += 0
	}
}

// label is a name as a label takes it: printable UTF-8 of bounded length.
func label(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	ok := utf8.ValidString(s)
	for _, c := range s {
		ok = ok && unicode.IsPrint(c)
	}
	if ok {
		return s
	}
	var out []rune
	for _, c := range s {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}

func count(m map[string]uint64, name string, n uint64) {
	name = label(name)
	if _, known := m[name]; !known && len(m) >= maxSeries {
		name = others
	}
	m[name] += n
}

// Expect makes the counters of what the configuration has begin at 0, so that the first failure or restart can be seen as
// a rise.
func (r *Record) Expect(want plan.Desired) {
	for _, c := range want.Credentials {
		if !c.Observe {
			count(r.Failures, plan.RenewID(c), 0)
		}
	}
	for _, s := range want.Services {
		count(r.Restarts, s.Name, 0)
	}
	for _, a := range []plan.Action{plan.Renew, plan.Write, plan.Link, plan.Restart} {
		count(r.Steps, string(a), 0)
	}
}

// Count takes a pass in: its report, nil if it could not be made, and how long it took.
func (r *Record) Count(report *reconcile.Report, took time.Duration) {
	if report == nil {
		r.Passes[Error]++
		return
	}
	r.Last, r.Seconds = report.Time.UTC().Truncate(time.Second), max(took, 0).Seconds()
	result := Unchanged
	for _, o := range report.Outcomes {
		switch o.Result {
		case reconcile.Done:
			count(r.Steps, string(o.Step.Action), 1)
		case reconcile.Failed:
			count(r.Failures, o.Step.ID, 1)
		}
		carried := o.Result == reconcile.Done || o.Result == reconcile.Failed
		if carried && o.Step.Action == plan.Restart {
			count(r.Restarts, o.Step.Target, 1)
		}
		if carried {
			result = Changed
		}
	}
	if report.Failed() {
		result = Failed
	} else {
		r.LastSuccess = r.Last
	}
	r.Passes[result]++
}

// Save writes the record to the state directory, which the caller has locked, with the owner that own says.
func (r *Record) Save(dir string, own atomicfile.Options) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	own.Mode = 0o600
	if _, err := atomicfile.Replace(filepath.Join(dir, recordFile), append(data, '\n'), own); err != nil {
		return fmt.Errorf("keeping the counters: %w", err)
	}
	return nil
}
