// Package metrics writes the state of a box in the Prometheus text format.
//
// What is exposed is a [Sample]: the status, and the [Record] of what passes have come to. The same metrics are served by a
// resident ([Handler]) and written for node_exporter's textfile collector by every pass ([Write]); examples has a dashboard and
// alert rules for them.
//
// Labels are names from the configuration (of credentials, env files, services and their steps) and ids of alerts, so there
// are as many series as the configuration has things. No secret is in them, and no DN.
//
// Of Prometheus' libraries this uses the data model and the encoder. The registry would add a collector of its own for the
// process, by which every start of the program took a fifth longer, also those that have no metrics to tell.
package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
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

var textFormat = expfmt.NewFormat(expfmt.TypeTextPlain)

// The states that things can be in. Each is a series of 0 or 1, so that a change of state is no gap in a graph.
var (
	credentialStates = []string{"ok", "due", "alert", "expired", "missing", "invalid", "unknown"}
	envFileStates    = []string{"ok", "due", "alert", "invalid"}
	serviceStates    = []string{"ok", "due", "alert", "unknown"}
)

// A family is one metric, with the names of its labels in order.
type family struct {
	name, help string
	labels     []string
}

func desc(name, help string, labels ...string) *family { return &family{"vobox_" + name, help, labels} }

var (
	buildInfo   = desc("build_info", "Always 1; the version of vobox-reconcile and of Go are its labels.", "goversion", "version")
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

// An out collects metrics by family, each series once: two things of one name in a status would otherwise cost all the metrics.
type out struct {
	families map[string]*dto.MetricFamily
	seen     map[string]bool
}

func (o out) send(f *family, t dto.MetricType, v float64, labels []string) {
	m, key := &dto.Metric{}, f.name
	for i, value := range labels {
		value = label(value)
		key += "\x00" + value
		m.Label = append(m.Label, &dto.LabelPair{Name: &f.labels[i], Value: &value})
	}
	if o.seen[key] {
		return
	}
	o.seen[key] = true
	if t == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &v}
	} else {
		m.Gauge = &dto.Gauge{Value: &v}
	}
	if o.families[f.name] == nil {
		o.families[f.name] = &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: &t}
	}
	o.families[f.name].Metric = append(o.families[f.name].Metric, m)
}

func (o out) gauge(f *family, v float64, labels ...string) {
	o.send(f, dto.MetricType_GAUGE, v, labels)
}

func (o out) counters(f *family, m map[string]uint64) {
	for name, n := range m {
		o.send(f, dto.MetricType_COUNTER, float64(n), []string{name})
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

// gather returns the metrics of a sample in the order in which they are shown: by name, then by labels.
func gather(s Sample) []*dto.MetricFamily {
	o := out{families: map[string]*dto.MetricFamily{}, seen: map[string]bool{}}
	o.gauge(buildInfo, 1, runtime.Version(), s.Program)
	o.gauge(configValid, truth(s.ConfigValid))
	if s.Status != nil {
		o.status(*s.Status)
	}
	if s.Record != nil {
		o.record(*s.Record)
	}
	families := slices.SortedFunc(maps.Values(o.families), func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, f := range families {
		slices.SortFunc(f.Metric, func(a, b *dto.Metric) int {
			return slices.CompareFunc(a.Label, b.Label, func(x, y *dto.LabelPair) int { return strings.Compare(x.GetValue(), y.GetValue()) })
		})
	}
	return families
}

// Write returns a sample in the text format 0.0.4, which is what node_exporter's textfile collector reads.
func Write(s Sample) ([]byte, error) {
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, textFormat)
	for _, f := range gather(s) {
		if err := enc.Encode(f); err != nil {
			return nil, fmt.Errorf("writing the metrics: %w", err)
		}
	}
	return b.Bytes(), nil
}

// maxAtOnce is how many requests are answered at a time.
const maxAtOnce = 4

// Handler serves what sample returns when it is asked, which may be in several goroutines. Who comes when many are there is told
// to come again.
func Handler(sample func() Sample) http.Handler {
	room := make(chan struct{}, maxAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			http.Error(w, "too many ask for the metrics at once; ask again later", http.StatusServiceUnavailable)
			return
		}
		data, err := Write(sample())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", string(textFormat))
		w.Write(data)
	})
}
