// Package metrics writes the state of a box in the Prometheus text format.
//
// What is exposed is a [Sample]: the status, and the [Record] of what passes have come to. The same metrics are served by a
// resident ([Handler]) and written for node_exporter's textfile collector by every pass ([Write]); examples has a dashboard and
// alert rules for them.
//
// Labels are names from the configuration (of credentials, env files, services and their steps) and ids of alerts, so there
// are as many series as the configuration has things. No secret is in them, and no DN.
package metrics

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/status"
)

// A Sample is all there is to tell at one moment.
type Sample struct {
	Program     string      // version of the program
	ConfigValid bool        // false: what is on disk has faults, and an older configuration is in force
	Status      *status.Doc // nil: nothing has been looked at yet
	Record      *Record     // nil: nothing has been counted
}

// The states that things can be in. Each is a series of 0 or 1, so that a change of state is no gap in a graph.
var (
	credentialStates = []string{"ok", "due", "alert", "expired", "missing", "invalid", "unknown"}
	envFileStates    = []string{"ok", "due", "alert", "invalid"}
	serviceStates    = []string{"ok", "due", "alert", "unknown"}
)

// A family is one metric, with its series.
type family struct {
	name, help string
	labels     []string
}

// desc is the family as the library takes it. Most runs of the program need none, so that none are made beforehand.
func (f *family) desc() *prometheus.Desc { return prometheus.NewDesc(f.name, f.help, f.labels, nil) }

func desc(name, help string, labels ...string) *family { return &family{"vobox_" + name, help, labels} }

var (
	buildInfo   = desc("build_info", "Always 1; the version of vobox-reconcile and of Go are its labels.", "version", "goversion")
	configValid = desc("config_valid", "1 if the configuration on disk is in force, 0 if it has faults and an older one is.")

	credentialLeft    = desc("credential_left_seconds", "Effective time left of a credential, attribute certificates and chain included; 0 if it has ended, is missing or cannot be used.", "credential", "kind")
	credentialEnd     = desc("credential_expiry_timestamp_seconds", "When a credential ends effectively: the earliest end of its chain and its attribute certificates.", "credential", "kind")
	credentialChain   = desc("credential_chain_expiry_timestamp_seconds", "The earliest end of the certificates in a credential's chain.", "credential", "kind")
	credentialAC      = desc("credential_attributes_expiry_timestamp_seconds", "The earliest end of a credential's attribute certificates.", "credential", "kind")
	credentialNext    = desc("credential_renewal_timestamp_seconds", "When a credential is renewed next; the present if that is due.", "credential", "kind")
	credentialKept    = desc("credential_kept_until_timestamp_seconds", "Until when renewals alone can keep a credential; absent: nothing is known to end that.", "credential", "kind")
	credentialState   = desc("credential_state", "1 for the state that a credential is in, 0 for the others.", "credential", "kind", "state")
	envFileState      = desc("env_file_state", "1 for the state that an environment file is in, 0 for the others.", "path", "state")
	serviceState      = desc("service_state", "1 for the state that a service is in, 0 for the others.", "service", "state")
	serviceRestart    = desc("service_restart_timestamp_seconds", "When a service was last restarted by vobox-reconcile.", "service")
	alertsOpen        = desc("alerts", "Open alerts, by id and severity.", "id", "severity")
	firstBreak        = desc("first_break_timestamp_seconds", "When the first thing ends that will not be renewed by itself.")
	nextLook          = desc("next_look_timestamp_seconds", "When vobox-reconcile has something to do next.")
	countingSince     = desc("counters_created_timestamp_seconds", "When the counters began.")
	lastPass          = desc("pass_timestamp_seconds", "When the last pass began.")
	lastSuccess       = desc("pass_success_timestamp_seconds", "When the last pass began of which no step failed.")
	passDuration      = desc("pass_duration_seconds", "How long the last pass took.")
	passesTotal       = desc("passes_total", "Passes, by what they came to.", "result")
	stepsTotal        = desc("steps_total", "Steps carried out with success, by action.", "action")
	stepFailuresTotal = desc("step_failures_total", "Steps that failed, by id.", "step")
	restartsTotal     = desc("restarts_total", "Restarts begun, by service.", "service")
)

var all = []*family{buildInfo, configValid, credentialLeft, credentialEnd, credentialChain, credentialAC, credentialNext, credentialKept, credentialState,
	envFileState, serviceState, serviceRestart, alertsOpen, firstBreak, nextLook, countingSince, lastPass, lastSuccess, passDuration,
	passesTotal, stepsTotal, stepFailuresTotal, restartsTotal}

// A collector shows what sample returns at the moment it is asked.
type collector struct{ sample func() Sample }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range all {
		ch <- f.desc()
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.sample()
	o := out{ch: ch, seen: map[string]bool{}, descs: map[*family]*prometheus.Desc{}}
	o.gauge(buildInfo, 1, s.Program, runtime.Version())
	o.gauge(configValid, truth(s.ConfigValid))
	if s.Status != nil {
		o.status(*s.Status)
	}
	if s.Record != nil {
		o.record(*s.Record)
	}
}

// An out sends metrics, each series once: two things of one name in a status would otherwise cost all the metrics.
type out struct {
	ch    chan<- prometheus.Metric
	seen  map[string]bool
	descs map[*family]*prometheus.Desc
}

func (o out) send(f *family, t prometheus.ValueType, v float64, labels []string) {
	key := f.name
	for i := range labels {
		labels[i] = label(labels[i])
		key += "\x00" + labels[i]
	}
	if o.seen[key] {
		return
	}
	o.seen[key] = true
	if o.descs[f] == nil {
		o.descs[f] = f.desc()
	}
	o.ch <- prometheus.MustNewConstMetric(o.descs[f], t, v, labels...)
}

func (o out) gauge(f *family, v float64, labels ...string) {
	o.send(f, prometheus.GaugeValue, v, labels)
}

func (o out) counters(f *family, m map[string]uint64) {
	for name, n := range m {
		o.send(f, prometheus.CounterValue, float64(n), []string{name})
	}
}

// moment sends nothing for a moment that is not known.
func (o out) moment(f *family, t *time.Time, labels ...string) {
	if t != nil && !t.IsZero() {
		o.gauge(f, float64(t.Unix()), labels...)
	}
}

func (o out) states(f *family, known []string, state string, labels ...string) {
	for _, s := range known {
		o.gauge(f, truth(s == state), append(append([]string{}, labels...), s)...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (o out) status(d status.Doc) {
	for _, c := range d.Credentials {
		if c.EffectiveEnd != nil || c.State != "unknown" {
			left := c.EffectiveSecondsLeft
			if c.State == "invalid" {
				left = 0
			}
			o.gauge(credentialLeft, math.Max(0, float64(left)), c.Name, c.Kind)
		}
		o.moment(credentialEnd, c.EffectiveEnd, c.Name, c.Kind)
		o.moment(credentialChain, c.NotAfter, c.Name, c.Kind)
		o.moment(credentialAC, c.ACNotAfter, c.Name, c.Kind)
		o.moment(credentialNext, c.NextRenewal, c.Name, c.Kind)
		if c.Forecast != nil {
			o.moment(credentialKept, c.Forecast.End, c.Name, c.Kind)
		}
		o.states(credentialState, credentialStates, c.State, c.Name, c.Kind)
	}
	for _, f := range d.EnvFiles {
		o.states(envFileState, envFileStates, f.State, f.Path)
	}
	for _, s := range d.Services {
		o.states(serviceState, serviceStates, s.State, s.Name)
		o.moment(serviceRestart, s.LastRestart, s.Name)
	}
	open := map[[2]string]int{}
	for _, a := range d.Alerts {
		open[[2]string{a.ID, string(a.Severity)}]++
	}
	for k, n := range open {
		o.gauge(alertsOpen, float64(n), k[0], k[1])
	}
	if d.FirstToBreak != nil {
		o.moment(firstBreak, d.FirstToBreak.When)
	}
	o.moment(nextLook, d.NextLook)
}

func (o out) record(r Record) {
	o.moment(countingSince, &r.Since)
	o.moment(lastPass, &r.Last)
	o.moment(lastSuccess, &r.LastSuccess)
	if !r.Last.IsZero() {
		o.gauge(passDuration, r.Seconds)
	}
	o.counters(passesTotal, r.Passes)
	o.counters(stepsTotal, r.Steps)
	o.counters(stepFailuresTotal, r.Failures)
	o.counters(restartsTotal, r.Restarts)
}

func registry(sample func() Sample) (*prometheus.Registry, error) {
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(collector{sample}); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return reg, nil
}

// Write returns a sample in the text format 0.0.4, which is what node_exporter's textfile collector reads.
func Write(s Sample) ([]byte, error) {
	reg, err := registry(func() Sample { return s })
	if err != nil {
		return nil, err
	}
	families, err := reg.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering the metrics: %w", err)
	}
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, fmt.Errorf("writing the metrics: %w", err)
		}
	}
	return b.Bytes(), nil
}

// Handler serves what sample returns when it is asked, which may be in several goroutines.
func Handler(sample func() Sample) (http.Handler, error) {
	reg, err := registry(sample)
	if err != nil {
		return nil, err
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second, DisableCompression: true}), nil
}
