package main

import (
	"strings"
	"testing"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
)

func TestFit(t *testing.T) {
	const legacy = "/var/lib/vobox/alice/proxy_repository/+2fDC+3dch+2fDC+3dcern+2fCN+3dJane+20Doe-voms+20alice+3a+2falice+2fRole+3dlcgadmin"
	for _, tt := range []struct {
		path string
		room int
		want string
	}{
		{"/etc/passwd", 0, "/etc/passwd"},
		{"/etc/passwd", 11, "/etc/passwd"},
		{"/tmp/a/very/long/way/to/CE.env", 30, "/tmp/a/very/long/way/to/CE.env"},
		{"/tmp/a/very/long/way/to/CE.env", 29, "/tmp/…/long/way/to/CE.env"},
		{"/tmp/a/very/long/way/to/CE.env", 20, "/tmp/…/way/to/CE.env"},
		{"/tmp/a/very/long/way/to/CE.env", 13, "/tmp/…/CE.env"},
		{"/tmp/a/very/long/way/to/CE.env", 8, "…/CE.env"},
		{"~alicesgm/.alien/config/CE.env", 25, "~alicesgm/…/config/CE.env"},
		{legacy, 40, "…/+2fDC+3dch+2f…falice+2fRole+3dlcgadmin"},
		{legacy, 5, "…/+2…"},
		{"/x", 1, "…"},
	} {
		got := fit(tt.path, tt.room)
		if tt.room > 0 && columns(got) > tt.room {
			t.Errorf("fit(%q, %d) = %q has %d columns", tt.path, tt.room, got, columns(got))
		}
		if got != tt.want {
			t.Errorf("fit(%q, %d) = %q, want %q", tt.path, tt.room, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text string
		room int
		want string
	}{
		{"one two three", 0, "one two three"},
		{"one two three", 7, "one two|three"},
		{"one  two\nthree", 80, "one two|three"},
		{"incomprehensibilities are long", 10, "incomprehensibilities|are long"},
		{`see "/var/lib/vobox/alice/file", please`, 20, `see|"/var/…/alice/file",|please`},
		{"", 10, ""},
	} {
		if got := strings.Join(wrap(tt.text, tt.room), "|"); got != tt.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.text, tt.room, got, tt.want)
		}
	}
}

func TestTidy(t *testing.T) {
	w := &writer{home: "/home/alicesgm/", tilde: "~alicesgm/"}
	for text, want := range map[string]string{
		"/home/alicesgm/.alien/config/CE.env":      "~alicesgm/.alien/config/CE.env",
		`"/home/alicesgm/a" and /home/alicesgm/b`:  `"~alicesgm/a" and ~alicesgm/b`,
		"/data/home/alicesgm/a":                    "/data/home/alicesgm/a",
		"/home/alicesgm/a /data/home/alicesgm/b c": "~alicesgm/a /data/home/alicesgm/b c",
		"/home/alicesgm":                           "/home/alicesgm",
		"":                                         "",
	} {
		if got := w.tidy(text); got != want {
			t.Errorf("tidy(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestShortNames(t *testing.T) {
	r := shortNames([]plan.EnvFile{{Path: "/a/CE.env"}, {Path: "/a/ml.env"}, {Path: "/b/CE.env"}})
	if got, want := r.Replace("/a/CE.env changes, /a/ml.env changes"), "/a/CE.env changes, ml.env changes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
