package doctor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A clock that is off is measured against every server that shows its own.
func TestClock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	for _, tc := range []struct {
		off  time.Duration
		want string
		says []string
	}{
		{time.Minute, "", nil},
		{-time.Minute, "", nil},
		{3 * time.Minute, "CLOCK warning clock: the clock of this box is ", []string{" ahead of " + f.MyProxy.Addr() + " (by the proxy it signed)", " ahead of " + f.VOMS.Addr() + " (by the attributes it signed)"}},
		{-3 * time.Minute, "CLOCK warning clock: the clock of this box is ", []string{" behind of " + f.MyProxy.Addr(), " behind of " + f.VOMS.Addr()}},
		{7 * time.Minute, "CLOCK critical clock: the clock of this box is ", []string{" ahead of " + f.MyProxy.Addr(), "chronyc tracking"}},
	} {
		b := f.online()
		b.Now = func() time.Time { return time.Now().Add(tc.off) }
		h := f.ask(b, "clocks")
		if tc.want == "" {
			f.finds(tc.off.String(), h)
			continue
		}
		f.finds(tc.off.String(), h, tc.want)
		for _, s := range tc.says {
			if !strings.Contains(h.all, s) {
				t.Errorf("%s: not said: %q\n%s", tc.off, s, h.all)
			}
		}
	}
	// What ends with the stored credential tells less, and never too much.
	check(f, f.Store(20*time.Hour, 48*time.Hour))
	b := f.online()
	f.finds("capped", f.ask(b, "clocks"))
	b = f.online()
	b.Servers = func() ([]voms.Server, error) { return nil, nil }
	b.Now = func() time.Time { return time.Now().Add(7 * time.Minute) }
	h := f.ask(b, "clocks")
	f.finds("capped, 7m ahead", h, "CLOCK critical clock: the clock of this box is at least ")
	f.behave()
	// So late that what servers make now is not valid yet.
	b = f.online()
	b.Now = func() time.Time { return time.Now().Add(-20 * time.Minute) }
	h = f.ask(b, "clocks", "renewal")
	f.finds("20m behind", h, "CLOCK critical clock: the clock of this box is ", "CLOCK critical lcgadmin: "+f.MyProxy.Addr())
	if !strings.Contains(strings.Join(h.skipped, "\n"), "renewal: lcgadmin") {
		t.Errorf("not looked at: %q", h.skipped)
	}
}

// A server whose clock is off, by the Date of its answers, while others agree with this box.
func TestClockOfServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	late := f.web(-10*time.Minute, func() []byte { return nil })
	b := f.online()
	at(b, f.line(), late)
	h := f.ask(b, "clocks")
	f.finds("a late server", h, "CLOCK critical "+late.Address()+": the clock of this box is ")
	if !strings.Contains(h.all, "by its Date header), and agrees with other servers") || !strings.Contains(h.all, "tell the operator of "+late.Address()) {
		t.Error(h.all)
	}
	b = f.online()
	b.Want.Credentials = b.Want.Credentials[:1]
	at(b, []voms.Server(nil)...)
	if h := f.ask(b, "clocks"); len(h.found)+len(h.skipped) > 0 {
		t.Errorf("with nobody to ask: %+v", h)
	}
}
