package voms_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

func TestShortened(t *testing.T) {
	for _, tt := range []struct {
		warnings []string
		want     time.Duration
		ok       bool
	}{
		{nil, 0, false},
		{[]string{"something else"}, 0, false},
		{[]string{vomsdShort}, 24 * time.Hour, true},
		{[]string{"something else", "WARNING: alice : The validity of this VOMS AC in your proxy is shortened to 43200 seconds, which is the maximum"}, 12 * time.Hour, true},
		{[]string{"shortened to 99999999999 seconds"}, 0, false},
		{[]string{"shortened to -1 seconds"}, 0, false},
	} {
		if got, ok := voms.Shortened(tt.warnings); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, %v", tt.warnings, got, ok, tt.want, tt.ok)
		}
	}
}

func TestNotices(t *testing.T) {
	r := voms.Response{
		Server:   voms.Server{Host: "voms.example.org", Port: 15000, VO: "alice"},
		Protocol: voms.REST,
		Warnings: []string{
			"Unknown parameters in the request were ignored!",
			vomsdShort,
			"alice : your certificate already contains attributes, only a subset of them can be issued.",
		},
	}
	got := r.Notices()
	if len(got) != 2 || got[0].ID != voms.ACShortened || got[1].ID != voms.Nested {
		t.Fatalf("got %v", got)
	}
	for _, e := range got {
		if e.Cause == "" || e.Remedy == "" || e.Where == "" || e.Message == "" || e.Server != "voms.example.org:15000" {
			t.Errorf("incomplete: %+v", e)
		}
	}
	if !strings.Contains(got[0].Cause, "24h") {
		t.Errorf("cause %q", got[0].Cause)
	}
}
