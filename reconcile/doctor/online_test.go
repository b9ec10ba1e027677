package doctor_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/issue"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// online is the box with servers to talk to. The names of a site's servers have one address here, whatever the machine that
// runs the test thinks of localhost.
func (f *fixture) online() *doctor.Box {
	b := f.box()
	b.Now = time.Now
	b.Timeout = time.Minute
	b.TLS = func(show *proxycert.Credential, p issue.Peer) *tls.Config {
		return b.Trust.ClientConfig(show, trust.Peer{Host: p.Host, DN: p.DN}, b.Now)
	}
	b.Resolve = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return b
}

// heard is what came of online checks.
type heard struct {
	found   []string // as findings has it
	skipped []string // what could not be looked at
	all     string   // every word of what was found
}

// ask makes the online checks that go by the names or ids given, all of them if none is.
func (f *fixture) ask(b *doctor.Box, only ...string) (h heard) {
	f.Helper()
	checks, err := doctor.Select(doctor.Checks(), only, false)
	if err != nil {
		f.Fatal(err)
	}
	checks = slices.DeleteFunc(checks, func(c doctor.Check) bool { return !c.Online })
	before := snapshot(f.T, f.Dir)
	results := doctor.Examine(context.Background(), b, checks, nil)
	if after := snapshot(f.T, f.Dir); !slices.Equal(before, after) {
		f.Errorf("files were written: %q, before %q", after, before)
	}
	for _, r := range results {
		if r.Skipped != "" && r.Skipped != doctor.ErrNothing.Error() {
			h.skipped = append(h.skipped, r.Check.Name+": "+r.Skipped)
		}
		for _, x := range r.Findings {
			h.all += fmt.Sprintf("%+v\n", x)
		}
	}
	if strings.Contains(h.all, "PRIVATE KEY") || strings.Contains(h.all, "1000 -c") {
		f.Errorf("this should not be told: %s", h.all)
	}
	h.found = findings(f.T, results)
	return h
}

// snapshot lists the files below a directory with their sizes and times.
func snapshot(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out = append(out, fmt.Sprint(path, info.Size(), info.Mode(), info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// finds compares findings with the beginnings that are wanted, in order.
func (f *fixture) finds(name string, h heard, want ...string) {
	f.Helper()
	if !slices.EqualFunc(h.found, want, strings.HasPrefix) {
		f.Errorf("%s: found\n  %s\nwant\n  %s\nnot looked at: %q", name, strings.Join(h.found, "\n  "), strings.Join(want, "\n  "), h.skipped)
	}
}

// behave makes everything at the servers right again.
func (f *fixture) behave() {
	f.Helper()
	f.MyProxy.SetFaults()
	f.VOMS.SetFaults()
	f.AllowBox(true)
	f.Admit()
	f.SetMaxAC(48 * time.Hour)
	if err := f.Store(3000*time.Hour, 48*time.Hour); err != nil {
		f.Fatal(err)
	}
}

// stop ends the servers, after which all that they were asked is on their record.
func (f *fixture) stop() {
	f.Helper()
	if err := f.Site.Close(); err != nil {
		f.Fatal(err)
	}
}

// change alters the user proxy that is wanted.
func change(b *doctor.Box, alter func(c *plan.Credential, mp *plan.MyProxy)) {
	b.Want.Credentials = slices.Clone(b.Want.Credentials)
	for i, c := range b.Want.Credentials {
		if c.Name != "lcgadmin" {
			continue
		}
		var mp plan.MyProxy
		if c.Source.MyProxy != nil {
			mp = *c.Source.MyProxy
		}
		alter(&b.Want.Credentials[i], &mp)
		if c := &b.Want.Credentials[i]; c.Source.MyProxy != nil {
			c.Source.MyProxy = &mp
		}
	}
}

// serve answers connections on loopback until the test ends and returns its address as localhost:port.
func (f *fixture) serve(handle func(net.Conn)) string {
	f.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

// alert is a server that ends each TLS handshake with an alert (RFC 8446 section 6.2).
func (f *fixture) alert(number byte) string {
	return f.serve(func(conn net.Conn) {
		buf := make([]byte, 16<<10)
		if _, err := conn.Read(buf); err != nil {
			return
		}
		conn.Write([]byte{21, 3, 3, 0, 2, 2, number})
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn)
	})
}

// nobody is an address at which nothing listens, and nobody else can as long as the test runs: it is taken.
func (f *fixture) nobody() string {
	f.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		f.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		f.Fatal(err)
	}
	return fmt.Sprintf("localhost:%d", name.(*syscall.SockaddrInet4).Port)
}

// Where all is well nothing is found, everything could be looked at, nothing is written, and the servers are asked no more
// than a renewal would ask them, and once what is stored.
func TestOnlineHealthy(t *testing.T) {
	t.Parallel()
	for _, style := range []gridtest.Style{gridtest.VOMSD, gridtest.IAM} {
		f := newFixture(t, gridtest.SiteOptions{Style: style})
		h := f.ask(f.online())
		f.finds(string(style), h)
		if len(h.skipped) > 0 {
			t.Errorf("%s: not looked at: %q", style, h.skipped)
		}
		f.stop()
		var commands []string
		for _, r := range f.MyProxy.Requests() {
			commands = append(commands, r.Command)
		}
		if !slices.Equal(commands, []string{"INFO", "GET"}) {
			t.Errorf("%s: the MyProxy server was asked %q", style, commands)
		}
		attributes := 0
		for _, r := range f.VOMS.Requests() {
			if len(r.FQANs) > 0 {
				attributes++
			}
		}
		if asked := len(f.VOMS.Requests()); attributes != 1 || asked > 1 {
			t.Errorf("%s: the VOMS server was asked for attributes %d times, %d times in all", style, attributes, asked)
		}
	}
}

// Several proxies of one stored credential cost one exchange with the MyProxy server.
func TestOnlineShares(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	b := f.online()
	for _, name := range []string{"team", "plain"} {
		c := f.credential("lcgadmin")
		c.Name = name
		if c.FQANs = []string{"/alice/team"}; name == "plain" {
			c.FQANs = nil
		}
		b.Want.Credentials = append(slices.Clone(b.Want.Credentials), c)
	}
	h := f.ask(b)
	f.finds("three proxies", h)
	f.stop()
	if n := len(f.MyProxy.Requests()); n != 2 || len(h.skipped) > 0 {
		t.Errorf("%d exchanges, not looked at: %q", n, h.skipped)
	}
}

// What one box has heard is not told of another.
func TestOnlineAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	checks, err := doctor.Select(doctor.Checks(), []string{"renewal"}, false)
	if err != nil {
		t.Fatal(err)
	}
	f.AllowBox(false)
	if r := doctor.Examine(t.Context(), f.online(), checks, nil); len(r[0].Findings) != 1 {
		t.Errorf("a box that may not renew: %+v", r)
	}
	f.AllowBox(true)
	if r := doctor.Examine(t.Context(), f.online(), checks, nil); len(r[0].Findings) != 0 {
		t.Errorf("the same that may: %+v", r)
	}
}

// Who interrupts is not told of faults that are none.
func TestOnlineInterrupted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	b := f.online()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checks := slices.DeleteFunc(doctor.Checks(), func(c doctor.Check) bool { return !c.Online || c.Name == "alert-servers" })
	for _, r := range doctor.Examine(ctx, b, checks, nil) {
		if len(r.Findings) > 0 || r.Skipped == "" && r.Check.Name != "network" && r.Check.Name != "peer-trust" {
			t.Errorf("%s: %v, not looked at: %q", r.Check.Name, r.Findings, r.Skipped)
		}
	}
}

// A box with nothing to ask asks nobody.
func TestOnlineNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, gridtest.SiteOptions{})
	b := f.online()
	b.Want.Credentials = nil
	for _, r := range doctor.Examine(t.Context(), b, slices.DeleteFunc(doctor.Checks(), func(c doctor.Check) bool { return !c.Online }), nil) {
		if len(r.Findings) > 0 || r.Skipped == "" {
			t.Errorf("%s: %v, not looked at: %q", r.Check.Name, r.Findings, r.Skipped)
		}
	}
	f.stop()
	if n := len(f.MyProxy.Requests()) + len(f.VOMS.Requests()); n > 0 {
		t.Errorf("%d exchanges", n)
	}
}

// What servers say now stands for what is on record of them.
func TestSupersededRecord(t *testing.T) {
	t.Parallel()
	record := doctor.Check{Name: "alerts", IDs: []string{"MP-T12", "CRL-STALE"}}
	probe := doctor.Check{Name: "stored-lifetime", IDs: []string{"MP-T12"}, Online: true}
	old := []doctor.Finding{{ID: "MP-T12", Subject: "lcgadmin", Message: "on record"}, {ID: "CRL-STALE", Subject: "lcgadmin"}}
	now := []doctor.Finding{{ID: "MP-T12", Subject: "lcgadmin", Message: "just now"}}
	for _, tc := range []struct {
		name  string
		found []doctor.Finding
		skip  string
		want  string
	}{
		{"mended since", nil, "", "CRL-STALE/ "},
		{"still so", now, "", "CRL-STALE/ MP-T12/just now "},
		{"still so, and not all seen", now, "another proxy", "CRL-STALE/ MP-T12/just now "},
		{"not asked", nil, "no answer", "CRL-STALE/ MP-T12/on record "},
	} {
		got := ""
		for _, x := range doctor.Sorted([]doctor.Result{{Check: record, Findings: old}, {Check: probe, Findings: tc.found, Skipped: tc.skip}}) {
			got += x.ID + "/" + x.Message + " "
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}
