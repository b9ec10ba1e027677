package gridtest_test

import (
	"crypto/rsa"
	"crypto/tls"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// checkProxy has the stock programs look at a proxy file.
func checkProxy(c *tool, s *gridtest.Site, file string, hours int) {
	c.t.Helper()
	need(c.t, "grid-proxy-info", "openssl")
	identity := s.User.Identity().String()
	info := c.must("", "grid-proxy-info", "-f", file)
	contains(c.t, info, "identity : "+identity, "RFC 3820 compliant impersonation proxy")
	if left := strings.TrimSpace(c.must("", "grid-proxy-info", "-f", file, "-timeleft")); !near(left, hours) {
		c.t.Errorf("%s has %s s left, want %d h", file, left, hours)
	}
	bundle := c.file("bundle.pem")
	cred, _, err := credfile.Load(file)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(bundle, gridtest.CertPEM(cred.Chain[1:]...), 0o600); err != nil {
		c.t.Fatal(err)
	}
	contains(c.t, c.must("", "openssl", "verify", "-allow_proxy_certs", "-CApath", s.TrustDir, "-untrusted", bundle, file), ": OK")
}

// near reports whether a number of seconds is what a proxy of so many hours has left a moment after it was made.
func near(seconds string, hours int) bool {
	n, err := strconv.Atoi(seconds)
	return err == nil && n <= hours*3600 && n > hours*3600-300
}

func TestMyProxyInitStores(t *testing.T) {
	t.Parallel()
	need(t, "myproxy-init", "myproxy-info", "myproxy-destroy")
	dn := "/DC=org/DC=gridtest/OU=people/CN=Jane Doe"
	tests := []struct {
		name     string
		args     string
		stdin    string
		username string
		want     gridtest.StoreOptions
	}{
		{"as the manual says", "-d -n -t 48 -c 3000", "", dn, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour}},
		{"without -t", "-d -n -c 3000", "", dn, gridtest.StoreOptions{MaxLifetime: 12 * time.Hour}},
		{"renewer", "-d -R vobox.example.org -t 48", "", dn, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour, Renewer: "*/CN=vobox.example.org"}},
		{"renewer verbatim", "-d -x -R /DC=org/CN=x -t 48", "", dn, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour, Renewer: "/DC=org/CN=x"}},
		{"any renewer", "-d -A -t 48", "", dn, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour, Renewer: "*"}},
		{"trusted retriever", "-d -Z portal.example.org -t 48", "", dn, gridtest.StoreOptions{MaxLifetime: 48 * time.Hour, TrustedRetriever: "*/CN=portal.example.org"}},
		{"named", "-d -n -k short -K second -t 6", "", dn, gridtest.StoreOptions{MaxLifetime: 6 * time.Hour, Name: "short", Description: "second"}},
		{"passphrase", "-l jane -S -t 24", "sesame open\n", "jane", gridtest.StoreOptions{MaxLifetime: 24 * time.Hour, Passphrase: "sesame open"}},
	}
	s := newSite(t, gridtest.SiteOptions{NotStored: true})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTool(t, s).user(s)
			c.must(tt.stdin, append([]string{"myproxy-init", "-s", "localhost"}, strings.Fields(tt.args)...)...)
			cred, got, ok := s.MyProxy.Stored(tt.username, tt.want.Name)
			if !ok {
				t.Fatalf("nothing stored under %q", tt.username)
			}
			tt.want.Owner = dn
			if got != tt.want {
				t.Errorf("stored %+v, want %+v", got, tt.want)
			}
			if len(cred.Chain) != 3 || cred.Identity().String() != dn {
				t.Errorf("stored chain is %q of %q, want three certificates of Jane Doe", certNames(cred.Chain), cred.Identity())
			}
			info := c.must("", "myproxy-info", "-s", "localhost", "-l", tt.username)
			contains(t, info, "username: "+tt.username, "owner: "+dn, "timeleft:")
			args := []string{"myproxy-destroy", "-s", "localhost", "-l", tt.username}
			if tt.want.Name != "" {
				contains(t, info, "short", "second")
				args = append(args, "-k", tt.want.Name)
			}
			c.must("", args...)
			if _, _, ok := s.MyProxy.Stored(tt.username, tt.want.Name); ok {
				t.Error("still there after myproxy-destroy")
			}
			out, code := c.run("", "myproxy-info", "-s", "localhost", "-l", tt.username)
			if code == 0 {
				t.Errorf("myproxy-info found something:\n%s", out)
			}
			contains(t, out, "no credentials found for user "+tt.username)
		})
	}
}

func TestMyProxyLogon(t *testing.T) {
	t.Parallel()
	need(t, "myproxy-logon", "grid-proxy-init")
	s := newSite(t, gridtest.SiteOptions{})
	dn := s.User.Identity().String()
	prepare := newTool(t, s)
	old, host := prepare.file("old"), prepare.file("machine")
	if err := gridtest.WriteProxy(s.Login, old); err != nil {
		t.Fatal(err)
	}
	prepare.must("", "grid-proxy-init", "-q", "-cert", s.HostCert, "-key", s.HostKey, "-hours", "24", "-out", host)
	for name, version := range map[string]uint16{"TLS1_2_VERSION": tls.VersionTLS12, "TLS1_3_VERSION": tls.VersionTLS13} {
		t.Run("renewal over "+name, func(t *testing.T) {
			c := newTool(t, s).proxy(host).as("GLOBUS_GSSAPI_MIN_TLS_PROTOCOL="+name, "GLOBUS_GSSAPI_MAX_TLS_PROTOCOL="+name)
			s.MyProxy.Forget()
			c.must("", "myproxy-logon", "-s", "localhost", "-a", old, "-d", "-n", "-t", "48", "-o", c.file("new"))
			checkProxy(c, s, c.file("new"), 48)
			asked := s.MyProxy.Requests()
			if len(asked) != 1 || asked[0].Method != 4 || asked[0].TLS != version || asked[0].Lifetime != 48*time.Hour || asked[0].Username != dn {
				t.Errorf("requests %+v, want one GET of 48 h with the SHA-256 challenge", asked)
			}
		})
	}
	t.Run("renewed again", func(t *testing.T) {
		c := newTool(t, s).proxy(host)
		c.must("", "myproxy-logon", "-s", "localhost", "-a", old, "-d", "-t", "48", "-o", c.file("new"))
		c.must("", "myproxy-logon", "-s", "localhost", "-a", c.file("new"), "-d", "-t", "24", "-o", c.file("newer"))
		checkProxy(c, s, c.file("newer"), 24)
	})
	t.Run("SHA-1 challenge", func(t *testing.T) {
		s.MyProxy.SetFaults(gridtest.Fault{Kind: gridtest.SHA1Only, Times: 1})
		s.MyProxy.Forget()
		c := newTool(t, s).proxy(host)
		c.must("", "myproxy-logon", "-s", "localhost", "-a", old, "-d", "-t", "48", "-o", c.file("new"))
		if asked := s.MyProxy.Requests(); len(asked) != 1 || asked[0].Method != 2 {
			t.Errorf("requests %+v, want the SHA-1 method", asked)
		}
	})
	t.Run("stored with -t 12", func(t *testing.T) {
		if err := s.Store(3000*time.Hour, 12*time.Hour); err != nil {
			t.Fatal(err)
		}
		defer s.Store(3000*time.Hour, 48*time.Hour)
		c := newTool(t, s).proxy(host)
		c.must("", "myproxy-logon", "-s", "localhost", "-a", old, "-d", "-t", "48", "-o", c.file("new"))
		checkProxy(c, s, c.file("new"), 12)
	})
	t.Run("box not registered", func(t *testing.T) {
		s.MyProxy.SetPolicy(gridtest.SitePolicy("", ""))
		defer s.MyProxy.SetPolicy(gridtest.SitePolicy(s.Host.Identity().String(), ""))
		c := newTool(t, s).proxy(host)
		out, code := c.run("", "myproxy-logon", "-s", "localhost", "-a", old, "-d", "-t", "48", "-o", c.file("new"))
		if code == 0 {
			t.Error("it worked")
		}
		contains(t, out, "ERROR from myproxy-server:", "no passphrase", "authentication failed")
	})
	t.Run("trusted retriever", func(t *testing.T) {
		s.MyProxy.SetPolicy(gridtest.SitePolicy("", s.Host.Identity().String()))
		defer s.MyProxy.SetPolicy(gridtest.SitePolicy(s.Host.Identity().String(), ""))
		c := newTool(t, s).proxy(host)
		c.must("", "myproxy-logon", "-s", "localhost", "-n", "-l", dn, "-t", "48", "-o", c.file("new"))
		checkProxy(c, s, c.file("new"), 48)
	})
	t.Run("renewer without old proxy", func(t *testing.T) {
		c := newTool(t, s).proxy(host)
		out, code := c.run("", "myproxy-logon", "-s", "localhost", "-n", "-l", dn, "-t", "48", "-o", c.file("new"))
		if code == 0 {
			t.Error("it worked")
		}
		contains(t, out, "No credentials for renewal authorization.")
	})
	t.Run("nothing stored", func(t *testing.T) {
		c := newTool(t, s).proxy(host)
		out, code := c.run("", "myproxy-logon", "-s", "localhost", "-n", "-l", "nobody", "-t", "48", "-o", c.file("new"))
		if code == 0 {
			t.Error("it worked")
		}
		contains(t, out, `No credentials exist for username "nobody".`)
	})
}

func TestMyProxyPassphrase(t *testing.T) {
	t.Parallel()
	need(t, "myproxy-logon", "myproxy-change-pass-phrase")
	s := newSite(t, gridtest.SiteOptions{NotStored: true})
	stored, err := s.CA.Proxy(s.User, 100*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.MyProxy.Store("jane", stored, gridtest.StoreOptions{Passphrase: "sesame open", MaxLifetime: 24 * time.Hour})
	logon := func(t *testing.T, passphrase string) (*tool, string, int) {
		c := newTool(t, s)
		out, code := c.run(passphrase+"\n", "myproxy-logon", "-s", "localhost", "-l", "jane", "-S", "-t", "10", "-o", c.file("new"))
		return c, out, code
	}
	c, out, code := logon(t, "sesame open")
	if code != 0 {
		t.Fatalf("logon without a certificate, with the passphrase: exit %d\n%s", code, out)
	}
	checkProxy(c, s, c.file("new"), 10)
	_, out, code = logon(t, "guess again")
	if code == 0 {
		t.Error("logon with a wrong passphrase worked")
	}
	contains(t, out, "Bad password", "invalid credential passphrase")

	newTool(t, s).user(s).must("sesame open\nopen sesame\n", "myproxy-change-pass-phrase", "-s", "localhost", "-l", "jane", "-S")
	if _, out, code = logon(t, "open sesame"); code != 0 {
		t.Errorf("logon with the changed passphrase: exit %d\n%s", code, out)
	}
	if _, _, code = logon(t, "sesame open"); code == 0 {
		t.Error("the passphrase before the change still works")
	}
}

// TestMyProxyStoreRetrieve moves a key with its certificate.
func TestMyProxyStoreRetrieve(t *testing.T) {
	t.Parallel()
	need(t, "myproxy-store", "myproxy-retrieve", "openssl")
	policy := gridtest.OpenPolicy()
	s := newSite(t, gridtest.SiteOptions{NotStored: true, Policy: &policy})
	c := newTool(t, s).user(s)
	c.must("", "openssl", "pkcs8", "-topk8", "-v2", "aes256", "-in", s.UserKey, "-out", c.file("userkey.enc"), "-passout", "pass:sesame open")
	c.must("", "myproxy-store", "-s", "localhost", "-l", "jane", "-c", s.UserCert, "-y", c.file("userkey.enc"), "-E", "*", "-t", "24")
	if _, o, ok := s.MyProxy.Stored("jane", ""); !ok || o.KeyRetriever != "*/CN=*" || o.MaxLifetime != 24*time.Hour {
		t.Errorf("stored %+v, %v", o, ok)
	}
	c.must("sesame open\n", "myproxy-retrieve", "-s", "localhost", "-l", "jane", "-S", "-c", c.file("cert"), "-y", c.file("key"))
	// The client has decrypted the key with the passphrase.
	cred, err := credfile.LoadPair(c.file("cert"), c.file("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !cred.Leaf().Equal(s.User.Leaf()) || !s.User.Key.Public().(*rsa.PublicKey).Equal(cred.Key.Public()) {
		t.Errorf("%q came back, or another key", cred.Identity())
	}
	c.must("sesame open\n", "myproxy-logon", "-s", "localhost", "-l", "jane", "-S", "-t", "10", "-o", c.file("p"))
	checkProxy(c, s, c.file("p"), 10)
	out, code := c.run("guess again\n", "myproxy-retrieve", "-s", "localhost", "-l", "jane", "-S", "-c", c.file("cert2"), "-y", c.file("key2"))
	if code == 0 {
		t.Error("retrieved with a wrong passphrase")
	}
	contains(t, out, "invalid credential passphrase")
}

func TestVOMSProxyInit(t *testing.T) {
	t.Parallel()
	need(t, "voms-proxy-init2", "voms-proxy-info2")
	s := newSite(t, gridtest.SiteOptions{})
	tests := []struct {
		name     string
		change   func(*gridtest.VO)
		protocol string // of the last request
	}{
		{"REST", func(v *gridtest.VO) {}, "REST"},
		{"XML", func(v *gridtest.VO) { v.NoREST = true }, "XML"},
		{"short FQANs", func(v *gridtest.VO) { v.ShortFQANs = true }, "REST"},
		{"holder by issuer", func(v *gridtest.VO) { v.IssuerHolder = true }, "REST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.VOMS.Update("alice", func(v *gridtest.VO) { v.NoREST, v.ShortFQANs, v.IssuerHolder = false, false, false; tt.change(v) })
			s.VOMS.Forget()
			c := newTool(t, s).user(s)
			c.must("", "voms-proxy-init2", "--voms", "alice:/alice/Role=lcgadmin", "-valid", "24:00", "-out", c.file("p"))
			all := c.must("", "voms-proxy-info2", "-all", "-file", c.file("p"))
			contains(t, all, "VO        : alice", "/alice/Role=lcgadmin", "attribute : nickname = jdoe (alice)", "uri       : localhost:"+strconv.Itoa(s.VOMS.Port()))
			if first := regexp.MustCompile(`attribute : (\S+)`).FindStringSubmatch(all); first == nil || !strings.HasPrefix(first[1], "/alice/Role=lcgadmin") {
				t.Errorf("primary FQAN is %q", first)
			}
			if left := strings.TrimSpace(c.must("", "voms-proxy-info2", "-actimeleft", "-file", c.file("p"))); !near(left, 24) {
				t.Errorf("AC has %s s left, want 24 h", left)
			}
			asked := s.VOMS.Requests()
			if len(asked) == 0 || asked[len(asked)-1].Protocol != tt.protocol || asked[len(asked)-1].Granted != 24*time.Hour {
				t.Errorf("requests %+v, want the last by %s for 24 h", asked, tt.protocol)
			}
			checkProxy(c, s, c.file("p"), 24)
		})
	}
}

func TestVOMSRefusals(t *testing.T) {
	t.Parallel()
	need(t, "voms-proxy-init2")
	s := newSite(t, gridtest.SiteOptions{MaxAC: 6 * time.Hour})
	t.Run("shortened", func(t *testing.T) {
		for _, noREST := range []bool{false, true} {
			s.VOMS.Update("alice", func(v *gridtest.VO) { v.NoREST = noREST })
			c := newTool(t, s).user(s)
			out := c.must("", "voms-proxy-init2", "--voms", "alice", "-valid", "48:00", "-out", c.file("p"))
			contains(t, out, "The validity of this VOMS AC in your proxy is shortened to 21600 seconds!")
			if left := strings.TrimSpace(c.must("", "voms-proxy-info2", "-actimeleft", "-file", c.file("p"))); !near(left, 6) {
				t.Errorf("AC has %s s left, want 6 h", left)
			}
		}
		s.VOMS.Update("alice", func(v *gridtest.VO) { v.NoREST = false })
	})
	refused := func(t *testing.T, voms, want string) {
		t.Helper()
		c := newTool(t, s).user(s)
		out, code := c.run("", "voms-proxy-init2", "--voms", voms, "-out", c.file("p"))
		if code == 0 {
			t.Errorf("%s was given", voms)
		}
		contains(t, out, want)
	}
	t.Run("role not held", func(t *testing.T) {
		refused(t, "alice:/alice/Role=pilot", "Unable to satisfy B/alice:pilot request!")
	})
	t.Run("suspended", func(t *testing.T) {
		s.VOMS.Update("alice", func(v *gridtest.VO) { v.Members[0].Suspended = "on holiday" })
		defer s.VOMS.Update("alice", func(v *gridtest.VO) { v.Members[0].Suspended = "" })
		refused(t, "alice", "User is currently suspended!")
	})
	t.Run("no member", func(t *testing.T) {
		s.VOMS.Update("alice", func(v *gridtest.VO) { v.Members = nil })
		refused(t, "alice", "User unknown to this VO.")
	})
}

func TestArcproxy(t *testing.T) {
	t.Parallel()
	need(t, "arcproxy", "voms-proxy-info2")
	for _, style := range []gridtest.Style{gridtest.VOMSD, gridtest.IAM} {
		t.Run(string(style), func(t *testing.T) {
			s := newSite(t, gridtest.SiteOptions{Style: style})
			c := newTool(t, s).user(s)
			c.must("", "arcproxy", "-P", c.file("p"), "-C", s.UserCert, "-K", s.UserKey, "-S", "alice:/alice/Role=lcgadmin", "-c", "validityPeriod=12H", "-c", "vomsACvalidityPeriod=12H")
			contains(t, c.must("", "voms-proxy-info2", "-all", "-file", c.file("p")), "VO        : alice", "/alice/Role=lcgadmin")
			contains(t, c.must("", "arcproxy", "-P", c.file("p"), "-I"), "/alice/Role=lcgadmin", s.User.Identity().String())
		})
	}
}

// TestJavaClient takes several seconds: a Java machine starts for each command.
func TestJavaClient(t *testing.T) {
	t.Parallel()
	need(t, "voms-proxy-init3", "voms-proxy-info3")
	if testing.Short() {
		t.Skip("Java is slow")
	}
	s := newSite(t, gridtest.SiteOptions{})
	c := newTool(t, s).user(s)
	c.must("", "voms-proxy-init3", "-voms", "alice:/alice/Role=lcgadmin", "-vomses", s.Vomses, "-vomsdir", s.VOMSDir, "-certdir", s.TrustDir,
		"-cert", s.UserCert, "-key", s.UserKey, "-out", c.file("p"), "-valid", "24:00")
	out := c.must("", "voms-proxy-info3", "-all", "-file", c.file("p"))
	contains(t, out, "/alice/Role=lcgadmin", s.User.Identity().String())
	checkProxy(c, s, c.file("p"), 24)
}

// TestReattach is the procedure of the VO box with stock clients alone: store, machine proxy, renewal, new attributes.
func TestReattach(t *testing.T) {
	t.Parallel()
	need(t, "voms-proxy-init2", "myproxy-init", "myproxy-logon", "grid-proxy-init", "arcproxy", "voms-proxy-info2")
	s := newSite(t, gridtest.SiteOptions{NotStored: true})
	c := newTool(t, s)
	ui := c.user(s)
	ui.must("", "voms-proxy-init2", "--voms", "alice:/alice/Role=lcgadmin", "-out", c.file("login"))
	ui.must("", "myproxy-init", "-s", "localhost", "-d", "-n", "-t", "48", "-c", "3000")
	c.must("", "grid-proxy-init", "-q", "-cert", s.HostCert, "-key", s.HostKey, "-out", c.file("machine"))
	c.proxy(c.file("machine")).must("", "myproxy-logon", "-s", "localhost", "-a", c.file("login"), "-d", "-t", "48", "-o", c.file("renewed"))
	c.must("", "arcproxy", "-P", c.file("p"), "-C", c.file("renewed"), "-K", c.file("renewed"), "-S", "alice:/alice/Role=lcgadmin", "-c", "validityPeriod=47H", "-c", "vomsACvalidityPeriod=47H")
	contains(t, c.must("", "voms-proxy-info2", "-all", "-file", c.file("p")), "/alice/Role=lcgadmin")
	checkProxy(c, s, c.file("p"), 47)
}

// TestECUser: the stock clients that can use an elliptic-curve user certificate.
func TestECUser(t *testing.T) {
	t.Parallel()
	need(t, "voms-proxy-init2", "voms-proxy-info2")
	s := newSite(t, gridtest.SiteOptions{UserKey: proxycert.P256})
	c := newTool(t, s).user(s)
	c.must("", "voms-proxy-init2", "--voms", "alice:/alice/Role=lcgadmin", "-out", c.file("p"))
	contains(t, c.must("", "voms-proxy-info2", "-all", "-file", c.file("p")), "/alice/Role=lcgadmin")
}
