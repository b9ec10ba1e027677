package voms_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/dn"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/internal/realgrid"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// The tests in this file ask Debian's vomsd.

func TestMain(m *testing.M) { os.Exit(realgrid.Main(m)) }

// vomsLines reads the vomses file of a real server with the code under test.
func vomsLines(t testing.TB, v *realgrid.VOMS) []voms.Server {
	t.Helper()
	servers, err := voms.Load([]string{v.Vomses})
	if err != nil {
		t.Fatal(err)
	}
	servers = voms.ForVO(servers, v.VO)
	if len(servers) != 1 {
		t.Fatalf("got servers %v, want one", servers)
	}
	return servers
}

// showing returns a client that shows a chain and takes the server by the DN of its vomses line.
func showing(t testing.TB, g *realgrid.Grid, chain [][]byte, key crypto.PrivateKey) *voms.Client {
	t.Helper()
	pool := x509.NewCertPool()
	files, err := filepath.Glob(filepath.Join(g.CertDir, "*.0"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no trust anchors: %v", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pool.AppendCertsFromPEM(data)
	}
	return &voms.Client{TLS: func(s voms.Server) *tls.Config {
		return &tls.Config{
			MinVersion: tls.VersionTLS12,
			RootCAs:    pool,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{Certificate: chain, PrivateKey: key}, nil
			},
			VerifyConnection: func(cs tls.ConnectionState) error {
				if !dn.MustFromDER(cs.PeerCertificates[0].RawSubject).Equal(s.DN) {
					return errors.New("the server is not that of the vomses line")
				}
				return nil
			},
		}
	}}
}

func as(t testing.TB, g *realgrid.Grid, id *realgrid.Identity) *voms.Client {
	t.Helper()
	return showing(t, g, [][]byte{id.Cert.Raw}, id.Signer)
}

// asProxy shows the proxy in a file that a real client has made.
func asProxy(t testing.TB, g *realgrid.Grid, file string) *voms.Client {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		t.Fatal(err)
	}
	var chain [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	return showing(t, g, chain, pair.PrivateKey)
}

func request(t testing.TB, c *voms.Client, servers []voms.Server, r voms.Request) (*voms.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Request(ctx, servers, r)
}

func TestRealGrant(t *testing.T) {
	g := realgrid.Shared(t)
	jane := g.Identity(realgrid.Jane)
	for _, v := range []*realgrid.VOMS{g.Alice(), g.Dteam()} {
		vo, protocol := "/"+v.VO, voms.REST
		if v.VO == "dteam" {
			protocol = voms.XML
		}
		servers := vomsLines(t, v)
		client := as(t, g, jane)
		for _, tt := range []struct {
			name  string
			fqans []string // after the VO's name
			life  time.Duration
			want  []string // first of what is granted, in order
			given time.Duration
		}{
			{"role", []string{"/Role=lcgadmin"}, 12 * time.Hour, []string{"/Role=lcgadmin", ""}, 12 * time.Hour},
			{"nothing asked", nil, time.Hour, []string{""}, time.Hour},
			{"long form", []string{"/Role=NULL/Capability=NULL"}, time.Hour, []string{""}, time.Hour},
			{"long form of a role", []string{"/Role=lcgadmin/Capability=NULL"}, time.Hour, []string{"/Role=lcgadmin"}, time.Hour},
			{"two roles", []string{"/Role=production", "/Role=lcgadmin"}, time.Hour, []string{"/Role=production", "/Role=lcgadmin"}, time.Hour},
			{"two roles, other order", []string{"/Role=lcgadmin", "/Role=production"}, time.Hour, []string{"/Role=lcgadmin", "/Role=production"}, time.Hour},
			{"group first", []string{"", "/Role=lcgadmin"}, time.Hour, []string{"", "/Role=lcgadmin"}, time.Hour},
			{"group below first", []string{"/team", "", "/Role=lcgadmin"}, time.Hour, []string{"/team", "", "/Role=lcgadmin"}, time.Hour},
			{"longer than allowed", []string{"/Role=lcgadmin"}, 100 * time.Hour, []string{"/Role=lcgadmin"}, 24 * time.Hour},
		} {
			t.Run(v.VO+" "+tt.name, func(t *testing.T) {
				r := voms.Request{VO: v.VO, Lifetime: tt.life}
				for _, f := range tt.fqans {
					r.FQANs = append(r.FQANs, vo+f)
				}
				resp, err := request(t, client, servers, r)
				if err != nil {
					t.Fatal(err)
				}
				if resp.Protocol != protocol {
					t.Errorf("got it by %s, want %s", resp.Protocol, protocol)
				}
				ac, err := attrcert.Parse(resp.AC)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range ac.FQANs {
					got = append(got, strings.TrimPrefix(f, vo))
				}
				if len(got) < len(tt.want) || !slices.Equal(got[:len(tt.want)], tt.want) {
					t.Errorf("asked for %v, got %v", r.FQANs, ac.FQANs)
				}
				if given := ac.NotAfter.Sub(ac.NotBefore); given != tt.given {
					t.Errorf("asked for %v, got %v, want %v", tt.life, given, tt.given)
				}
				granted, short := voms.Shortened(resp.Warnings)
				if short != (tt.given < tt.life) || short && granted != tt.given {
					t.Errorf("warnings %q: shortened %v to %v", resp.Warnings, short, granted)
				}
				if !ac.HeldBy(jane.Cert) {
					t.Errorf("the holder is %v", ac.HolderName)
				}
				if err := ac.CheckSignature(ac.Certificates[0]); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestRealEverything(t *testing.T) {
	g := realgrid.Shared(t)
	for _, v := range []*realgrid.VOMS{g.Alice(), g.Dteam()} {
		resp, err := request(t, as(t, g, g.Identity(realgrid.Jane)), vomsLines(t, v),
			voms.Request{VO: v.VO, FQANs: []string{"all"}, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ac, err := attrcert.Parse(resp.AC)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"", "/team", "/Role=lcgadmin", "/Role=production"} {
			if !slices.Contains(ac.FQANs, "/"+v.VO+f) {
				t.Errorf("%s: %v is without %q", v.VO, ac.FQANs, f)
			}
		}
	}
}

func TestRealRefusals(t *testing.T) {
	g := realgrid.Shared(t)
	for _, tt := range []struct {
		who, vo, fqan string
		id, text      string
		lifetime      time.Duration // zero: an hour
	}{
		{realgrid.Stranger, "alice", "", "VO-UNKNOWN", "User unknown to this VO (NoSuchUser)", 0},
		// By REST vomsd then says only that it gives no more than 24 hours.
		{realgrid.Stranger, "alice", "", "VO-UNKNOWN", "User unknown to this VO", 48 * time.Hour},
		{realgrid.Stranger, "dteam", "", "VO-UNKNOWN", "User unknown to this VO (1001)", 0},
		{realgrid.Suspended, "dteam", "", "VO-SUSP", "(1004)", 0},
		{realgrid.Jane, "alice", "/Role=pilot", "VO-FQAN", "Unable to satisfy B/alice:pilot request! (BadRequest)", 0},
		{realgrid.Jane, "dteam", "/Role=pilot", "VO-FQAN", "Unable to satisfy B/dteam:pilot request! (1001)", 0},
		{realgrid.Jane, "alice", "/nothing", "VO-FQAN", "Unable to satisfy G/alice/nothing request!", 0},
		{realgrid.Expired, "alice", "", "VO-CERT", "expired", 0},
		{realgrid.Expired, "dteam", "", "VO-CERT", "expired", 0},
	} {
		t.Run(tt.who+" "+tt.vo+tt.fqan, func(t *testing.T) {
			v := g.Alice()
			if tt.vo == "dteam" {
				v = g.Dteam()
			}
			_, err := request(t, as(t, g, g.Identity(tt.who)), vomsLines(t, v),
				voms.Request{VO: tt.vo, FQANs: []string{"/" + tt.vo + tt.fqan}, Lifetime: cmp.Or(tt.lifetime, time.Hour)})
			if err == nil {
				t.Fatal("got an AC")
			}
			if e := theError(t, err); e.ID != tt.id || e.Temporary || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %s, want %s with %q: %v", e.ID, tt.id, tt.text, err)
			}
		})
	}
	t.Run("no certificate", func(t *testing.T) {
		_, err := request(t, showing(t, g, nil, nil), vomsLines(t, g.Alice()), voms.Request{VO: "alice", Lifetime: time.Hour})
		if e := theError(t, err); e.ID != voms.CertificateRefused {
			t.Errorf("got %v", err)
		}
	})
	t.Run("CA unknown there", func(t *testing.T) {
		w := theWorld()
		_, err := request(t, showing(t, g, w.client.Certificate, w.client.PrivateKey), vomsLines(t, g.Alice()), voms.Request{VO: "alice", Lifetime: time.Hour})
		if e := theError(t, err); e.ID != voms.CertificateRefused {
			t.Errorf("got %v", err)
		}
	})
	t.Run("CA unknown here", func(t *testing.T) {
		c := as(t, g, g.Identity(realgrid.Jane))
		with := c.TLS
		c.TLS = func(s voms.Server) *tls.Config {
			config := with(s)
			config.RootCAs = theWorld().pool
			return config
		}
		_, err := request(t, c, vomsLines(t, g.Alice()), voms.Request{VO: "alice", Lifetime: time.Hour})
		if e := theError(t, err); e.ID != voms.CAMissing {
			t.Errorf("got %v", err)
		}
	})
}

// What comes after a dead and a wrong server in the file still answers.
func TestRealAfterBadServers(t *testing.T) {
	g := realgrid.Shared(t)
	good := vomsLines(t, g.Alice())[0]
	wrong := good
	wrong.Port = g.SitePolicy().Port // a MyProxy server
	wrong.DN = dn.Name{}
	resp, err := request(t, as(t, g, g.Identity(realgrid.Jane)), []voms.Server{closedPort(t), wrong, good}, lcgadmin)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Server.Port != good.Port {
		t.Errorf("got it from %v", resp.Server)
	}
}

// Proxies, full and limited, are as good as the certificate; one with attributes may get no more than those.
func TestRealProxies(t *testing.T) {
	g := realgrid.Shared(t)
	jane := g.Identity(realgrid.Jane)
	dir := t.TempDir()
	for _, tt := range []struct {
		name, tool string
		args       []string
	}{
		{"plain", "grid-proxy-init", nil},
		{"limited", "grid-proxy-init", []string{"-limited"}},
	} {
		file := filepath.Join(dir, tt.name)
		g.MustRun(g.Env(jane), tt.tool, append(tt.args, "-out", file)...)
		for _, v := range []*realgrid.VOMS{g.Alice(), g.Dteam()} {
			resp, err := request(t, asProxy(t, g, file), vomsLines(t, v),
				voms.Request{VO: v.VO, FQANs: []string{"/" + v.VO + "/Role=lcgadmin"}, Lifetime: time.Hour})
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if ac, err := attrcert.Parse(resp.AC); err != nil || !ac.HeldBy(jane.Cert) {
				t.Errorf("%s: %v, not held by the certificate", tt.name, err)
			}
		}
	}

	file := filepath.Join(dir, "attributes")
	g.MustRun(g.Env(jane), "voms-proxy-init2", "-voms", "alice", "-out", file)
	resp, err := request(t, asProxy(t, g, file), vomsLines(t, g.Alice()), lcgadmin)
	switch {
	case err != nil:
		if e := theError(t, err); e.ID != voms.Nested {
			t.Errorf("a proxy with attributes: %v", err)
		}
	default:
		// A vomsd that has no vomsdir to verify those attributes by, as here, does not see them.
		ac, err := attrcert.Parse(resp.AC)
		if err != nil {
			t.Fatal(err)
		}
		if n := resp.Notices(); ac.FQANs[0] != "/alice/Role=lcgadmin" && (len(n) != 1 || n[0].ID != voms.Nested) {
			t.Errorf("a proxy with attributes: got %v, warnings %q", ac.FQANs, resp.Warnings)
		}
	}
}

// The other kinds of keys people have.
func TestRealKeys(t *testing.T) {
	g := realgrid.Shared(t)
	for _, who := range []string{realgrid.Elliptic, realgrid.BigKey} {
		for _, v := range []*realgrid.VOMS{g.Alice(), g.Dteam()} {
			if _, err := request(t, as(t, g, g.Identity(who)), vomsLines(t, v),
				voms.Request{VO: v.VO, FQANs: []string{"/" + v.VO + "/Role=lcgadmin"}, Lifetime: time.Hour}); err != nil {
				t.Errorf("%s, %s: %v", who, v.VO, err)
			}
		}
	}
}
