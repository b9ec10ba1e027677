package plan_test

import (
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

var (
	byHand   = plan.Rhythm{}
	hourly   = plan.Rhythm{Every: time.Hour}
	resident = plan.Rhythm{Prompt: true}
)

// lcgadmin is the user proxy of the box, with so much left and as the servers have granted it.
func lcgadmin(r plan.Rhythm, left time.Duration, g *plan.Grant) (plan.Credential, plan.CredentialState) {
	want, _ := box()
	st := good("/v/lcgadmin", left, "the attribute certificate")
	st.Rhythm, st.Grant = r, g
	return want.Credentials[1], st
}

// stored12 is what a credential that was stored with -t 12 gave.
func stored12(at time.Time) *plan.Grant {
	return &plan.Grant{Source: source, Taken: true, Time: at, Asked: 48 * time.Hour, Granted: 12 * time.Hour,
		Proxy: plan.Share{Granted: 12 * time.Hour, Limit: plan.LimitStored}}
}

// What comes before the next pass is done in this one, so that a proxy does not fall below its threshold in between. What
// was just renewed is never due again, however seldom passes come.
func TestRhythm(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rhythm plan.Rhythm
		left   time.Duration
		grant  *plan.Grant
		due    bool
		reason string
	}{
		{"by hand: not before it is below", byHand, 46 * time.Hour, nil, false, "the attribute certificate has 46h left, renewed below 46h"},
		{"by hand: below", byHand, 46*time.Hour - time.Second, nil, true, "the attribute certificate has 45h59m left, renewed below 46h"},
		{"hourly: the next pass would be too late", hourly, 47 * time.Hour, nil, true, "the attribute certificate has 47h left, renewed before it is below 46h"},
		{"hourly: the next pass could be late, and slow", hourly, 47*time.Hour + 5*time.Minute, nil, true, "the attribute certificate has 47h5m left, renewed before it is below 46h"},
		{"hourly: the next pass will do", hourly, 47*time.Hour + 6*time.Minute, nil, false, "the attribute certificate has 47h6m left, renewed below 46h"},
		{"every ten minutes", plan.Rhythm{Every: 10 * time.Minute}, 46*time.Hour + 16*time.Minute, nil, false, "the attribute certificate has 46h16m left, renewed below 46h"},
		{"every four hours: just renewed", plan.Rhythm{Every: 4 * time.Hour}, 47*time.Hour + 30*time.Minute, nil, false, "the attribute certificate has 47h30m left, renewed below 46h"},
		{"every four hours: the next time", plan.Rhythm{Every: 4 * time.Hour}, 47*time.Hour + 29*time.Minute, nil, true, "the attribute certificate has 47h29m left, renewed before it is below 46h"},
		{"resident: too early", resident, 46*time.Hour + 20*time.Minute, nil, false, "the attribute certificate has 46h20m left, renewed below 46h"},
		{"resident: time for two tries", resident, 46*time.Hour + 19*time.Minute, nil, true, "the attribute certificate has 46h19m left, renewed before it is below 46h"},
		{"a short grant keeps its fraction", resident, 11*time.Hour + 35*time.Minute, stored12(now.Add(-25 * time.Minute)), false,
			"the attribute certificate has 11h35m left, renewed below 11h30m"},
		{"a short grant, soon below", resident, 11*time.Hour + 34*time.Minute, stored12(now.Add(-26 * time.Minute)), true,
			"the attribute certificate has 11h34m left, renewed before it is below 11h30m as only 12h of 48h were granted"},
		{"a short grant, hourly: just renewed", hourly, 11*time.Hour + 53*time.Minute, stored12(now.Add(-7 * time.Minute)), false,
			"the attribute certificate has 11h53m left, renewed below 11h30m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cred, st := lcgadmin(tt.rhythm, tt.left, tt.grant)
			due, reason := plan.Due(cred, st, now)
			if due != tt.due || reason != tt.reason {
				t.Errorf("due %v: %s\nwant %v: %s", due, reason, tt.due, tt.reason)
			}
		})
	}
}

// The plan names the moment when it becomes due, and at that moment it is, but not before.
func TestRhythmNextLook(t *testing.T) {
	for _, r := range []plan.Rhythm{byHand, hourly, resident, {Every: 24 * time.Hour}} {
		for _, left := range []time.Duration{48 * time.Hour, 47*time.Hour + 50*time.Minute} {
			want, have := box()
			have.Credentials[plan.MachineName] = good("/v/renewal-proxy.pem", 24*time.Hour, "the proxy")
			cred, st := lcgadmin(r, left, nil)
			have.Credentials["lcgadmin"] = st
			look := plan.Compute(want, have, now, plan.Options{}).NextLook
			if !look.After(now) {
				t.Errorf("%+v, %s left: next look at once", r, plan.Span(left))
			}
			if due, reason := plan.Due(cred, st, look.Add(-time.Second)); due {
				t.Errorf("%+v, %s left: due before the next look: %s", r, plan.Span(left), reason)
			}
			if due, reason := plan.Due(cred, st, look.Add(time.Second)); !due {
				t.Errorf("%+v, %s left: not due after the next look: %s", r, plan.Span(left), reason)
			}
		}
		want, have := box()
		have.Credentials[plan.MachineName] = good("/v/renewal-proxy.pem", 24*time.Hour, "the proxy")
		_, have.Credentials["lcgadmin"] = lcgadmin(r, 40*time.Hour, nil)
		p := plan.Compute(want, have, now, plan.Options{}) // renews it
		_, have.Credentials["lcgadmin"] = lcgadmin(r, 48*time.Hour, nil)
		if after := plan.Compute(want, have, now, plan.Options{}); !after.NextLook.Equal(p.NextLook) {
			t.Errorf("%+v: next look %v before the renewal, %v after it", r, p.NextLook, after.NextLook)
		}
	}
}

// A grant that cannot be that of the file in place does not lower the threshold: somebody has put a better proxy there, or
// the clock of the box was ahead when the grant was measured.
func TestGrantOfAnother(t *testing.T) {
	cred, st := lcgadmin(byHand, 45*time.Hour, stored12(now.Add(-3*time.Hour)))
	if due, reason := plan.Due(cred, st, now); !due {
		t.Errorf("not due: %s", reason)
	}
	want, have := box()
	have.Credentials["lcgadmin"] = st
	st.EffectiveEnd = now.Add(47 * time.Hour)
	have.Credentials["lcgadmin"] = st
	if got, due := plan.Compute(want, have, now, plan.Options{}).NextLook, now.Add(time.Hour); !got.Equal(due) {
		t.Errorf("next look %v, want %v", got, due)
	}
}

// Servers that gave less are asked again after some hours. A grant from the future delays nothing: the clock was ahead.
func TestGrantFromTheFuture(t *testing.T) {
	g := stored12(now.Add(30 * time.Hour))
	g.Taken = false
	cred, st := lcgadmin(byHand, 45*time.Hour, g)
	if due, reason := plan.Due(cred, st, now); !due {
		t.Errorf("not due: %s", reason)
	}
	want, have := box()
	st.EffectiveEnd = now.Add(47 * time.Hour)
	have.Credentials["lcgadmin"] = st
	if got, due := plan.Compute(want, have, now, plan.Options{}).NextLook, now.Add(time.Hour); !got.Equal(due) {
		t.Errorf("next look %v, want %v", got, due)
	}
}

// ranAt are runs so many minutes before now.
func ranAt(minutes ...int) []plan.Run {
	var runs []plan.Run
	for _, m := range minutes {
		runs = append(runs, plan.Run{At: now.Add(-time.Duration(m) * time.Minute)})
	}
	return runs
}

func TestRhythmOf(t *testing.T) {
	watching := func(runs []plan.Run) []plan.Run {
		for i := range runs {
			runs[i].Resident = true
		}
		return runs
	}
	for _, tt := range []struct {
		name string
		runs []plan.Run
		want plan.Rhythm
	}{
		{"never", nil, plan.Rhythm{}},
		{"once", ranAt(0), plan.Rhythm{}},
		{"one gap is no rhythm", ranAt(60, 0), plan.Rhythm{}},
		{"hourly, as soon as it can be known", ranAt(120, 60, 0), plan.Rhythm{Every: time.Hour}},
		{"every ten minutes", ranAt(40, 30, 20, 10, 0), plan.Rhythm{Every: 10 * time.Minute}},
		{"by hand in between", ranAt(240, 180, 150, 120, 60, 33, 20, 0), plan.Rhythm{Every: time.Hour}},
		{"a run was missed", ranAt(360, 300, 240, 120, 60, 0), plan.Rhythm{Every: time.Hour}},
		{"the machine was off for days", ranAt(6000, 5940, 5880, 60, 0), plan.Rhythm{Every: time.Hour}},
		{"by hand, now and then", ranAt(10000, 7000, 4000, 900, 0), plan.Rhythm{}},
		{"the clock was ahead for two runs", append(ranAt(180, 120, -4000, -4060), ranAt(60, 0)...), plan.Rhythm{Every: time.Hour}},
		{"a program stays", watching(ranAt(180, 120, 60)), plan.Rhythm{Prompt: true}},
		{"by hand beside it", append(watching(ranAt(120, 60)), ranAt(50, 40, 30, 0)...), plan.Rhythm{Prompt: true}},
		{"a program has stayed", append(watching(ranAt(500, 480)), ranAt(120, 60, 0)...), plan.Rhythm{Every: time.Hour}},
	} {
		if got := plan.RhythmOf(tt.runs, now); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// What was measured by a clock that was wrong neither lowers the threshold, nor delays, nor is told; the end that the server
// named is.
func TestStaleGrant(t *testing.T) {
	for _, taken := range []bool{true, false} {
		g := stored12(now.Add(-time.Hour))
		g.Taken, g.Stale, g.StoredEnd = taken, true, now.Add(100*time.Hour)
		want, have := box()
		cred, st := lcgadmin(byHand, 45*time.Hour, g)
		have.Credentials["lcgadmin"] = st
		if due, reason := plan.Due(cred, st, now); !due || reason != "the attribute certificate has 45h left, renewed below 46h" {
			t.Errorf("due %v: %s", due, reason)
		}
		alerts := plan.Compute(want, have, now, plan.Options{}).Alerts
		if len(alerts) != 1 || alerts[0].ID != "MP-STORED" {
			t.Errorf("alerts: %+v, want MP-STORED alone", alerts)
		}
	}
}
