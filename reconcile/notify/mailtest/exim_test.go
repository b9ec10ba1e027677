package mailtest

import (
	"slices"
	"testing"
)

// The names are as Exim 4.96 gives them, by its %ld.H%luP%lu.%s: none of the numbers is padded.
func TestMailsAreInTheOrderOfDelivery(t *testing.T) {
	want := []string{
		"/m.H1P1/new/999999999.H5P9.mail.example.org",
		"/m.H1P1/new/1700000000.H0P99.mail.example.org",
		"/m.H1P1/new/1700000000.H7P100.mail.example.org",
		"/m.H1P1/new/1700000000.H99999P12.mail.example.org",
		"/m.H1P1/new/1700000000.H100000P4.mail.example.org",
		"/m.H1P1/new/1700000000.H999999P3.mail.example.org",
		"/m.H1P1/new/1700000001.H2P2.mail.example.org",
	}
	got := slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		t.Fatal("the order of strings is the right one: the test shows nothing")
	}
	slices.SortFunc(got, byDelivery)
	if !slices.Equal(got, want) {
		t.Errorf("sorted %q, want %q", got, want)
	}
}
