package doctor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

func TestSelect(t *testing.T) {
	checks := []doctor.Check{{Name: "a", IDs: []string{"X-1", "X-2"}}, {Name: "b", IDs: []string{"X-2"}, Online: true}, {Name: "c"}}
	for _, tc := range []struct {
		only    []string
		offline bool
		want    string
	}{
		{nil, false, "a b c"}, {nil, true, "a c"}, {[]string{"x-1"}, false, "a"}, {[]string{"X-2"}, false, "a b"},
		{[]string{"X-2"}, true, "a"}, {[]string{"c", "B"}, false, "b c"}, {[]string{"b"}, true, ""},
	} {
		got, err := doctor.Select(checks, tc.only, tc.offline)
		var names []string
		for _, c := range got {
			names = append(names, c.Name)
		}
		if err != nil || strings.Join(names, " ") != tc.want {
			t.Errorf("Select(%q, %v) = %q, %v; want %q", tc.only, tc.offline, names, err, tc.want)
		}
	}
	if _, err := doctor.Select(checks, []string{"a", "nosuch"}, false); err == nil || !strings.Contains(err.Error(), `no check "nosuch"; there are a, b, c`) {
		t.Errorf("an unknown check: %v", err)
	}
}

// One check that hangs, falls over or cannot look takes nothing from the others.
func TestExamine(t *testing.T) {
	bad := doctor.Finding{ID: "X", Severity: plan.Critical, Subject: "s"}
	checks := []doctor.Check{
		{Name: "hangs", Look: func(ctx context.Context, _ *doctor.Box) ([]doctor.Finding, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		{Name: "falls", Look: func(context.Context, *doctor.Box) ([]doctor.Finding, error) { panic("oh") }},
		{Name: "cannot", Look: func(context.Context, *doctor.Box) ([]doctor.Finding, error) { return nil, errors.New("run as root") }},
		{Name: "finds", Look: func(context.Context, *doctor.Box) ([]doctor.Finding, error) {
			return []doctor.Finding{{ID: "Y", Severity: plan.Warning}, bad}, nil
		}},
		{Name: "finds too", Look: func(context.Context, *doctor.Box) ([]doctor.Finding, error) { return []doctor.Finding{bad}, nil }},
	}
	synctest.Test(t, func(t *testing.T) {
		told, begin := 0, time.Now()
		results := doctor.Examine(t.Context(), &doctor.Box{}, checks, func(doctor.Result) { told++ })
		if took := time.Since(begin); took > 5*time.Minute || told != len(checks) {
			t.Errorf("took %v, told %d times", took, told)
		}
		for i, want := range []string{"deadline", "error in this program: oh", "run as root", "", ""} {
			if got := results[i].Skipped; !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("%s: %q, want %q", results[i].Check.Name, got, want)
			}
		}
		if got := doctor.Sorted(results); len(got) != 2 || got[0] != bad || got[1].ID != "Y" {
			t.Errorf("sorted: %v", got)
		}
	})
}

// Each id is a word that scripts match, each check has a name of its own, and what is found is among what it says it finds.
func TestCatalogue(t *testing.T) {
	names := map[string]bool{}
	for _, c := range doctor.Checks() {
		if names[c.Name] || c.Name == "" || c.Title == "" || len(c.IDs) == 0 || c.Look == nil {
			t.Errorf("check %+v", c)
		}
		names[c.Name] = true
		for _, id := range c.IDs {
			if id != strings.ToUpper(id) || strings.ContainsAny(id, " _") {
				t.Errorf("%s: id %q", c.Name, id)
			}
		}
		if s := slices.Sorted(slices.Values(c.IDs)); len(slices.Compact(s)) != len(c.IDs) {
			t.Errorf("%s: an id twice: %q", c.Name, c.IDs)
		}
	}
}
