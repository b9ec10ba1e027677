package gridtest_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
)

// infoRequest asks about the user's stored credential.
func infoRequest(s *gridtest.Site) string {
	return "VERSION=MYPROXYv2\nCOMMAND=2\nUSERNAME=" + s.User.Identity().String() + "\nPASSPHRASE=DUMMY-PASSPHRASE\nLIFETIME=0\n\x00"
}

func TestFaultTwiceThenWork(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	s.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Refuse, Times: 2}, gridtest.Fault{Kind: gridtest.ErrorReply, Times: 1, Stage: gridtest.AtRequest, Lines: []string{"Unable to store credentials."}})
	for i, want := range []string{"refused", "refused", "error", "ok", "ok"} {
		out, err := myproxyAsk(t, s, s.User, 0, infoRequest(s))
		got := "ok"
		switch {
		case err != nil:
			got = "refused"
		case strings.Contains(out, "ERROR=Unable to store credentials."):
			got = "error"
		case !strings.HasPrefix(out, strings.TrimSuffix(okReply, "\x00")):
			got = out
		}
		if got != want {
			t.Errorf("connection %d: %q, %v, want %s", i+1, out, err, want)
		}
	}
	if asked := s.MyProxy.Requests(); len(asked) != 5 {
		t.Errorf("%d requests recorded, want 5", len(asked))
	}
}

// A client that has its answer, and does not wait for the end of the connection, finds it on record, and nothing of what
// was forgotten.
func TestRequestsAreOnRecord(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	for i := range 50 {
		conn, raw := dial(t, s.MyProxy.Addr(), s.User, tls.VersionTLS12)
		for _, part := range []string{"0", infoRequest(s)} {
			if _, err := conn.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := bufio.NewReader(conn).ReadString(0); err != nil || !strings.Contains(out, "RESPONSE=0") {
			t.Fatalf("got %q, %v", out, err)
		}
		if got := s.MyProxy.Requests(); len(got) != 1 {
			t.Fatalf("exchange %d: on record is %+v", i+1, got)
		}
		s.MyProxy.Forget()
		raw.Close()
	}
}

func TestMyProxyTransportFaults(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	whole, err := myproxyAsk(t, s, s.User, tls.VersionTLS12, infoRequest(s))
	if err != nil {
		t.Fatal(err)
	}
	timeout := func(err error) bool {
		var ne net.Error
		return errors.As(err, &ne) && ne.Timeout()
	}
	tests := []struct {
		name  string
		fault gridtest.Fault
		check func(out string, err error) bool
	}{
		{"refuse", gridtest.Fault{Kind: gridtest.Refuse}, func(out string, err error) bool {
			return out == "" && (errors.Is(err, syscall.ECONNRESET) || err == io.EOF)
		}},
		{"hang before TLS", gridtest.Fault{Kind: gridtest.Hang}, func(out string, err error) bool { return out == "" && timeout(err) }},
		{"hang after the request", gridtest.Fault{Kind: gridtest.Hang, Stage: gridtest.AtRequest}, func(out string, err error) bool { return out == "" && timeout(err) }},
		{"cut off", gridtest.Fault{Kind: gridtest.Cut, At: 17}, func(out string, err error) bool { return out == whole[:17] && err == nil }},
		{"cut off at once", gridtest.Fault{Kind: gridtest.Cut}, func(out string, err error) bool { return out == "" && err == nil }},
		{"garbage instead of TLS", gridtest.Fault{Kind: gridtest.Garbage}, func(out string, err error) bool { return out == "" && errors.As(err, &tls.RecordHeaderError{}) }},
		{"garbage", gridtest.Fault{Kind: gridtest.Garbage, Stage: gridtest.AtRequest}, func(out string, err error) bool { return strings.Contains(out, "garbage") && err == nil }},
		{"clear text", gridtest.Fault{Kind: gridtest.ClearText}, func(out string, err error) bool { return out == "" && errors.As(err, &tls.RecordHeaderError{}) }},
		{"split", gridtest.Fault{Kind: gridtest.SplitRecords, At: 3}, func(out string, err error) bool { return out == whole && err == nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Times = 1
			s.MyProxy.SetFaults(tt.fault)
			var out string
			conn, raw, err := tryDial(t, s.MyProxy.Addr(), s.User, tls.VersionTLS12)
			if err == nil {
				if tt.fault.Kind == gridtest.Hang {
					raw.SetDeadline(time.Now().Add(100 * time.Millisecond))
				}
				_, err = conn.Write([]byte("0"))
			}
			if err == nil {
				conn.Write([]byte(infoRequest(s)))
				out, err = readAll(conn)
			}
			if !tt.check(out, err) {
				t.Errorf("got %q, %v", out, err)
			}
		})
	}
}

func TestMyProxyChainFaults(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	user := s.User.Identity().String()
	get := func(t *testing.T, f gridtest.Fault) reply {
		s.MyProxy.SetFaults(f)
		r := getter{tls: s.Host, old: s.Login, version: tls.VersionTLS12, request: getRequest(user, 48*time.Hour)}.do(t, s)
		if r.chain == nil {
			t.Fatalf("refused: %q", r.errors)
		}
		return r
	}
	t.Run("expired", func(t *testing.T) {
		r := get(t, gridtest.Fault{Kind: gridtest.ExpiredChain})
		if !r.chain[0].NotAfter.Before(time.Now()) {
			t.Errorf("ends %v", r.chain[0].NotAfter)
		}
	})
	t.Run("shortened", func(t *testing.T) {
		r := get(t, gridtest.Fault{Kind: gridtest.Shorten, Lifetime: time.Hour})
		if left := time.Until(r.chain[0].NotAfter); left > time.Hour || left < 55*time.Minute {
			t.Errorf("%v left, want an hour", left)
		}
	})
	t.Run("wrong identity", func(t *testing.T) {
		r := get(t, gridtest.Fault{Kind: gridtest.WrongIdentity})
		if _, err := s.Trust.VerifyChain(r.chain, time.Now()); err != nil {
			t.Errorf("a stranger's chain should verify: %v", err)
		}
		if eec := r.chain[len(r.chain)-1]; eec.Subject.CommonName != "Somebody Else" {
			t.Errorf("identity %q", eec.Subject)
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		good, bad := get(t, gridtest.Fault{}), get(t, gridtest.Fault{Kind: gridtest.WrongKey})
		if slices.Equal(good.chain[0].RawSubjectPublicKeyInfo, bad.chain[0].RawSubjectPublicKeyInfo) {
			t.Error("the key is the one asked for")
		}
	})
	t.Run("joined records", func(t *testing.T) {
		r := get(t, gridtest.Fault{Kind: gridtest.JoinedRecords})
		if n := len(slices.DeleteFunc(r.records, func(b []byte) bool { return len(b) == 0 })); n != 3 {
			t.Errorf("%d records, want challenge, OK, chain with OK", n)
		}
	})
	t.Run("leading NUL", func(t *testing.T) {
		if r := get(t, gridtest.Fault{Kind: gridtest.LeadingNUL}); string(r.records[0]) != "\x00" {
			t.Errorf("first record %q under TLS 1.2", r.records[0])
		}
	})
	t.Run("garbage for a chain", func(t *testing.T) {
		s.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Garbage, Stage: gridtest.AtDelegate})
		conn, _ := dial(t, s.MyProxy.Addr(), s.Host, tls.VersionTLS12)
		buf := make([]byte, 4096)
		for _, w := range [][]byte{[]byte("0"), []byte(getRequest(user, time.Hour))} {
			if _, err := conn.Write(w); err != nil {
				t.Fatal(err)
			}
		}
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		_, challenges, _ := strings.Cut(string(buf[:n]), "RESPONSE=2\n")
		if _, err := conn.Write(proof(t, s.Login, challenges, 4)); err != nil {
			t.Fatal(err)
		}
		if n, err = conn.Read(buf); err != nil || string(buf[:n]) != okReply {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		if _, err := conn.Write([]byte("\x30\x03\x02\x01\x01")); err != nil {
			t.Fatal(err)
		}
		if out, _ := readAll(conn); !strings.Contains(out, "garbage") {
			t.Errorf("got %q", out)
		}
	})
}

// TestCloseEndsConnections: nothing is left behind, whatever a connection was doing.
func TestCloseEndsConnections(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	s.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.Hang, Stage: gridtest.AtRequest})
	s.VOMS.SetFaults(gridtest.Fault{Kind: gridtest.Hang})
	conn, _ := dial(t, s.MyProxy.Addr(), s.User, 0)
	for _, w := range []string{"0", infoRequest(s)} {
		if _, err := conn.Write([]byte(w)); err != nil {
			t.Fatal(err)
		}
	}
	_, idle := dial(t, s.VOMS.Addr(), nil, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]io.Reader{"MyProxy": conn, "VOMS": idle} {
		if _, err := readAll(c); err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				t.Errorf("%s: still open after Close", name)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
