package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/metrics"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// measured reports whether anybody asks for metrics. Where nobody does, passes count nothing.
func measured(cfg *config.Config) bool { return cfg.Metrics.Textfile != "" || cfg.Watch.Listen != "" }

// A measurer counts passes, and writes metrics.textfile.
type measurer struct {
	*app
	log  zerolog.Logger
	told string // the last complaint
}

// count takes a pass into the record on disk; failed is how many before it could not be made. The caller holds the lock.
// What goes wrong is told, and holds up nothing.
func (m *measurer) count(want plan.Desired, report *reconcile.Report, now time.Time, failed int) *metrics.Record {
	record, err := metrics.LoadRecord(want.State, now)
	record.Expect(want)
	for range failed {
		record.Count(nil, 0)
	}
	record.Count(report, now.Sub(report.Time))
	m.tell(errors.Join(err, record.Save(want.State, atomicfile.Options{UID: want.UID, GID: want.GID})))
	return record
}

// tell logs a complaint once.
func (m *measurer) tell(err error) {
	if err == nil {
		return
	}
	if s := err.Error(); s != m.told {
		m.told = s
		m.log.Warn().Msg(printable(strings.ReplaceAll(s, "\n", "; ")))
	}
}

// writeText writes the text file for node_exporter, which everybody may read. It belongs to whoever runs this program. Its
// directory is somebody else's to make.
func (m *measurer) writeText(path string, s metrics.Sample) {
	data, err := metrics.Write(s)
	if err == nil {
		_, err = atomicfile.Replace(path, data, atomicfile.Options{Mode: 0o644, UID: -1, GID: -1})
	}
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("metrics.textfile: there is no directory %s: mkdir -p %[1]s, or write the one that node_exporter has as --collector.textfile.directory", dir)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("metrics.textfile: %w; as root: setfacl -m u:%d:rwx %s", err, os.Geteuid(), dir)
	case err != nil:
		err = fmt.Errorf("metrics.textfile: %w", err)
	}
	m.tell(err)
}

// measure is all of it after one pass, whose caller still holds the lock.
func (a *app) measure(cfg *config.Config, want plan.Desired, engine *reconcile.Engine, report *reconcile.Report) {
	if !measured(cfg) {
		return
	}
	m := measurer{app: a, log: engine.Log}
	now := engine.Now()
	record := m.count(want, report, now, 0)
	if cfg.Metrics.Textfile != "" {
		doc := describe(boxOf(engine, want, now), now, report.Alerts)
		m.writeText(cfg.Metrics.Textfile, metrics.Sample{Program: versionString(), ConfigValid: true, Status: &doc, Record: record})
	}
}

// describe is the status of what was found, as of now, with what the last pass had to tell beside it.
func describe(b status.Box, now time.Time, told []plan.Alert) status.Doc {
	b.Now, b.Plan = now, plan.Compute(b.Want, b.Have, now, plan.Options{})
	doc := b.Describe()
	alerts := slices.Clone(told)
	for _, al := range doc.Alerts {
		if !slices.ContainsFunc(told, func(t plan.Alert) bool { return t.ID == al.ID && t.Subject == al.Subject }) {
			alerts = append(alerts, al)
		}
	}
	doc.Alerts = append([]plan.Alert{}, alerts...)
	return doc
}
