package gridtest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
)

// TestPutLimits has the stock client store what the server does not take.
func TestPutLimits(t *testing.T) {
	t.Parallel()
	need(t, "myproxy-init")
	s := newSite(t, gridtest.SiteOptions{NotStored: true})
	tests := []struct {
		name   string
		policy func(*gridtest.Policy)
		want   string
	}{
		{"too long", func(p *gridtest.Policy) { p.MaxCredLifetime = 100 * time.Hour }, "Credential lifetime (2999 hours) exceeds maximum allowed by server (100 hours)."},
		{"not accepted", func(p *gridtest.Policy) { p.AcceptedCredentials = []string{"/DC=com/*"} },
			`"` + s.User.Identity().String() + `" not authorized to store credentials on this server (accepted_credentials policy)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy := gridtest.SitePolicy(s.Host.Identity().String(), "")
			tt.policy(&policy)
			s.MyProxy.SetPolicy(policy)
			out, code := newTool(t, s).user(s).run("", "myproxy-init", "-s", "localhost", "-d", "-n", "-t", "48", "-c", "3000")
			if code == 0 {
				t.Error("it was stored")
			}
			contains(t, out, tt.want)
			if _, _, ok := s.MyProxy.Stored(s.User.Identity().String(), ""); ok {
				t.Error("it is in the store")
			}
		})
	}
}

// TestFQANPolicy: a trusted retriever by attribute instead of by name.
func TestFQANPolicy(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{})
	policy := gridtest.SitePolicy("", "")
	policy.AllowSelfAuthz = true
	for pattern, want := range map[string]bool{"FQAN:/alice/Role=lcgadmin": true, "FQAN:/alice/Role=p*": false, "SUBJECT:*/CN=Jane Doe": true, "SUBJECT:*/CN=Jane": false, "*/CN=(Jane|John) Doe": true, "*/CN=Jane ?oe": true, "/DC.org/*": false, "(": false} {
		policy.TrustedRetrievers, policy.DefaultTrustedRetrievers = []string{pattern}, nil
		s.MyProxy.SetPolicy(policy)
		r := getter{tls: s.Login, request: getRequest(s.User.Identity().String(), time.Hour)}.do(t, s)
		if got := r.chain != nil; got != want {
			t.Errorf("%s: %v, %q", pattern, got, r.errors)
		}
	}
}

func TestTrustRoots(t *testing.T) {
	ask := "VERSION=MYPROXYv2\nCOMMAND=7\nLIFETIME=0\nTRUSTED_CERTS=1\n\x00"
	s := newSite(t, gridtest.SiteOptions{NotStored: true})
	if out, err := myproxyAsk(t, s, nil, 0, ask); err != nil || out != okReply {
		t.Errorf("without files: %q, %v", out, err)
	}
	srv, err := gridtest.NewMyProxy(gridtest.MyProxyOptions{CA: s.CA, Trust: &trust.Store{Certificates: s.TrustDir}, TrustRootsPEM: map[string][]byte{"b.0": []byte("two"), "a.0": []byte("one")}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	conn, _ := dial(t, srv.Addr(), nil, 0)
	for _, w := range []string{"0", ask} {
		if _, err := conn.Write([]byte(w)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := readAll(conn)
	want := "VERSION=MYPROXYv2\nRESPONSE=0\nTRUSTED_CERTS=a.0,b.0\nFILEDATA_a.0=b25l\nFILEDATA_b.0=dHdv\n\x00"
	if err != nil || strings.TrimPrefix(out, "\x00") != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestConstructorsRefuse(t *testing.T) {
	s := newSite(t, gridtest.SiteOptions{NotStored: true})
	var got []string
	for _, f := range []func() error{
		func() error { _, err := gridtest.NewMyProxy(gridtest.MyProxyOptions{}); return err },
		func() error { _, err := gridtest.NewVOMS(gridtest.VOMSOptions{CA: s.CA, Trust: s.Trust}); return err },
		func() error {
			_, err := gridtest.NewMyProxy(gridtest.MyProxyOptions{CA: s.CA, Trust: s.Trust, Addr: "0.0.0.0:0"})
			return err
		},
		func() error { _, err := gridtest.NewCA(gridtest.CAOptions{Subject: "x"}); return err },
	} {
		if err := f(); err != nil {
			text, _, _ := strings.Cut(err.Error(), ":")
			got = append(got, text)
		} else {
			got = append(got, "nothing")
		}
	}
	want := []string{"starting a MyProxy server", "starting a VOMS server", "starting a MyProxy server", "making a CA"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
