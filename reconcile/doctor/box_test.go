package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/vobox-reconcile/vobox-reconcile/config"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/atomicfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/credfile"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/doctor"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/plan"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/trust"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/voms"
)

// A fixture is a sandbox site with a box on which all is well, and a system around it.
type fixture struct {
	*testing.T
	*gridtest.Site
	cfg  *config.Config
	want plan.Desired
	now  time.Time
	root string
}

const testRole = "/alice/Role=lcgadmin"

// newFixture puts both proxies into place as the engine would, without the servers being asked, and a crontab that starts
// the program.
func newFixture(t *testing.T, o gridtest.SiteOptions) *fixture {
	t.Helper()
	site, err := gridtest.NewSite(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Close() })
	f := &fixture{T: t, Site: site, now: time.Now(), root: t.TempDir()}
	f.configure()
	user, err := f.Login48()
	if err != nil {
		t.Fatal(err)
	}
	f.install(plan.MachineName, f.proxyOf(f.Host))
	f.install("lcgadmin", user)
	f.system("/etc/cron.d/vobox-reconcile", "17 * * * * root /usr/local/bin/vobox-reconcile\n")
	return f
}

// Login48 is the user's proxy with attributes for 48 hours.
func (f *fixture) Login48() (*proxycert.Credential, error) {
	ac, err := f.VOMS.Attest("alice", f.User, 48*time.Hour, testRole)
	if err != nil {
		return nil, err
	}
	return f.delegate(f.User, proxycert.Template{Now: f.now, Lifetime: 48 * time.Hour, Extensions: []pkix.Extension{attrcert.Extension(ac)}})
}

func (f *fixture) delegate(c *proxycert.Credential, o proxycert.Template) (*proxycert.Credential, error) {
	key, err := gridtest.Keys.Key(proxycert.RSA2048, "doctor's proxy")
	if err != nil {
		return nil, err
	}
	return c.Delegate(key, o)
}

func (f *fixture) proxyOf(c *proxycert.Credential) *proxycert.Credential {
	f.Helper()
	p, err := f.delegate(c, proxycert.Template{Now: f.now, Lifetime: 24 * time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	return p
}

func (f *fixture) configure() {
	f.Helper()
	env := config.OSEnv()
	cfg, err := config.Load(f.Config, env)
	if err != nil {
		f.Fatal(err)
	}
	f.cfg, f.want = cfg, cfg.Desired()
	f.want.Home = f.Home
}

func (f *fixture) credential(name string) plan.Credential {
	return f.want.Credentials[slices.IndexFunc(f.want.Credentials, func(c plan.Credential) bool { return c.Name == name })]
}

func (f *fixture) install(name string, c *proxycert.Credential) {
	f.Helper()
	want := f.credential(name)
	if err := os.MkdirAll(filepath.Dir(want.Path), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := credfile.Write(want.Path, c, atomicfile.Options{Mode: want.Mode, UID: -1, GID: -1}); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) put(path, data string, mode os.FileMode) {
	f.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		f.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		f.Fatal(err)
	}
}

// system writes a file of the system around the box.
func (f *fixture) system(path, data string) string {
	f.put(filepath.Join(f.root, path), data, 0o755)
	return filepath.Join(f.root, path)
}

// process makes one that runs on the box, of the account that runs the test.
func (f *fixture) process(pid int, environ string, args ...string) {
	f.system(fmt.Sprintf("/proc/%d/cmdline", pid), strings.Join(args, "\x00")+"\x00")
	f.system(fmt.Sprintf("/proc/%d/environ", pid), strings.ReplaceAll(environ, "\n", "\x00"))
}

func (f *fixture) box() *doctor.Box {
	store := &trust.Store{Certificates: f.cfg.Trust.Certificates, VOMSDir: f.cfg.Trust.VOMSDir, CRL: trust.CRLMode(f.cfg.Trust.CRL)}
	now := func() time.Time { return f.now }
	e := &reconcile.Engine{Trust: store, Now: now, Log: zerolog.Nop()}
	return &doctor.Box{Want: f.want, Have: e.Observe(f.want), Trust: store, Now: now, VOMSES: f.cfg.Trust.VOMSES,
		Servers: func() ([]voms.Server, error) { return voms.Load(f.cfg.Trust.VOMSES) },
		Getenv:  func(string) string { return "" }, Config: f.Config, Channels: 1, Root: f.root}
}

// look makes the offline checks and returns what was found as "ID severity subject: message". What every finding must
// have is checked on the way.
func (f *fixture) look(b *doctor.Box) []string {
	f.Helper()
	checks, err := doctor.Select(doctor.Checks(), nil, true)
	if err != nil {
		f.Fatal(err)
	}
	return findings(f.T, doctor.Examine(context.Background(), b, checks, nil))
}

func findings(t *testing.T, results []doctor.Result) []string {
	t.Helper()
	for _, r := range results {
		for _, x := range r.Findings {
			if !slices.Contains(r.Check.IDs, x.ID) {
				t.Errorf("check %s finds %s, which is not among %q", r.Check.Name, x.ID, r.Check.IDs)
			}
			if x.Subject == "" || x.Message == "" || x.Remedy == "" || x.Where == "" || x.Why == "" {
				t.Errorf("something is missing: %+v", x)
			}
		}
		if strings.Contains(r.Skipped, "fell over") {
			t.Errorf("check %s: %s", r.Check.Name, r.Skipped)
		}
	}
	var out []string
	for _, x := range doctor.Sorted(results) {
		out = append(out, fmt.Sprintf("%s %s %s: %s", x.ID, x.Severity, x.Subject, x.Message))
	}
	return out
}

func TestHealthy(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	if err := f.CA.WriteCRL(f.TrustDir); err != nil {
		t.Fatal(err)
	}
	if found := f.look(f.box()); len(found) > 0 {
		t.Errorf("on a box on which all is well:\n%s", strings.Join(found, "\n"))
	}
}

// Each fault is found under its id, with words that name it, and nothing else is.
func TestBoxFaults(t *testing.T) {
	f := newFixture(t, gridtest.SiteOptions{})
	if err := f.CA.WriteCRL(f.TrustDir); err != nil {
		t.Fatal(err)
	}
	proxy, machine := f.credential("lcgadmin").Path, f.credential(plan.MachineName).Path
	for _, tc := range []struct {
		name  string
		spoil func(*fixture, *doctor.Box)
		want  []string // beginning of each finding, in order
	}{
		{"user proxy missing", func(f *fixture, b *doctor.Box) {
			st := b.Have.Credentials["lcgadmin"]
			st.Exists = false
			b.Have.Credentials["lcgadmin"] = st
		},
			[]string{"PROXY-MISSING critical lcgadmin: there is no user proxy"}},
		{"proxies over", func(f *fixture, b *doctor.Box) { f.now = f.now.Add(50 * time.Hour); *b = *f.box() },
			[]string{"HOST-PROXY critical machine-proxy: " + machine, "PROXY-LOW critical lcgadmin: " + proxy, "CRL-STALE"}},
		{"user proxy low", func(f *fixture, b *doctor.Box) {
			f.now = f.now.Add(47*time.Hour + 29*time.Minute + 30*time.Second)
			*b = *f.box()
		},
			[]string{"HOST-PROXY critical", "PROXY-LOW critical lcgadmin: " + proxy + ": the proxy has 30m"}},
		{"plain proxy", func(f *fixture, b *doctor.Box) { f.install("lcgadmin", f.proxyOf(f.User)); *b = *f.box() },
			[]string{"VO-NONE critical lcgadmin: " + proxy + " cannot be used"}},
		{"mode", func(f *fixture, b *doctor.Box) { chmod(f, proxy, 0o644); *b = *f.box() },
			[]string{"FILE-PERM critical lcgadmin: " + proxy + ": its mode is 0644"}},
		{"hard link", func(f *fixture, b *doctor.Box) { link(f, proxy); *b = *f.box() },
			[]string{"FILE-HARDLINK critical lcgadmin"}},
		{"host certificate about to end", func(f *fixture, b *doctor.Box) { f.now = f.Host.Leaf().NotAfter.Add(-72 * time.Hour); *b = *f.box() },
			[]string{"HOST-CERT warning " + f.HostCert + ": it ends on", "HOST-CERT critical " + f.HostCert + ": it does not verify: the CRL", "HOST-PROXY", "PROXY-LOW", "CRL-STALE", "USER-CERT"}},
		{"host certificate over", func(f *fixture, b *doctor.Box) { f.now = f.Host.Leaf().NotAfter.Add(72 * time.Hour); *b = *f.box() },
			[]string{"HOST-CERT critical " + f.HostCert + ": it expired on", "HOST-PROXY", "PROXY-LOW", "CRL-STALE", "USER-CERT"}},
		{"host key of another", func(f *fixture, b *doctor.Box) { copyFile(f, f.UserKey, f.HostKey) },
			[]string{"HOST-KEY critical " + f.HostCert}},
		{"host key gone", func(f *fixture, b *doctor.Box) { remove(f, f.HostKey) }, []string{"HOST-KEY critical"}},
		{"host certificate gone", func(f *fixture, b *doctor.Box) { remove(f, f.HostCert) }, []string{"HOST-CERT critical " + f.HostCert}},
		{"host certificate without clientAuth", func(f *fixture, b *doctor.Box) { selfMade(f, x509.ExtKeyUsageServerAuth) },
			[]string{"HOST-CERT critical", "HOST-EKU critical", "HOST-KEY critical", "HOST-ECDSA warning"}},
		{"no anchors", func(f *fixture, b *doctor.Box) { b.Trust = &trust.Store{Certificates: f.root, VOMSDir: f.VOMSDir} },
			[]string{"CA-MISSING critical " + f.root + ": there is no trust anchor", "HOST-CERT critical"}},
		{"no trust directory", func(f *fixture, b *doctor.Box) {
			b.Trust = &trust.Store{Certificates: f.root + "/nosuch", VOMSDir: f.VOMSDir}
		},
			[]string{"CA-MISSING critical " + f.root + "/nosuch: open", "HOST-CERT critical"}},
		{"list over", func(f *fixture, b *doctor.Box) {
			check(f, f.CA.WriteCRLAt(f.TrustDir, f.now.AddDate(0, 0, -60), f.now.AddDate(0, 0, -30)))
		},
			[]string{"HOST-CERT critical", "CRL-STALE warning " + f.TrustDir + ": 2 of 2 revocation lists are over, the oldest: "}},
		{"lists not fetched", func(f *fixture, b *doctor.Box) {
			f.now = f.now.Add(72 * time.Hour)
			now := f.now
			b.Now = func() time.Time { return now }
		},
			[]string{"HOST-PROXY", "PROXY-LOW", "CRL-STALE warning " + f.TrustDir + ": no revocation list has been fetched for 71h59m"}},
		{"no lists", func(f *fixture, b *doctor.Box) { removeLists(f) }, []string{"CRL-MISSING warning " + f.TrustDir}},
		{"no lists, required", func(f *fixture, b *doctor.Box) { removeLists(f); b.Trust.CRL = trust.CRLRequire },
			[]string{"CRL-MISSING critical " + f.TrustDir, "HOST-CERT critical"}},
		{"no vomses", func(f *fixture, b *doctor.Box) { b.Servers = func() ([]voms.Server, error) { return nil, nil } },
			[]string{"VO-VOMSES critical alice: no line for it in"}},
		{"old server", func(f *fixture, b *doctor.Box) {
			b.Servers = func() ([]voms.Server, error) {
				return []voms.Server{{Alias: "alice", Host: "lcg-voms2.cern.ch", Port: 15000, VO: "alice", File: "/etc/vomses/alice", Line: 3}}, nil
			}
		}, []string{"VO-VOMSES warning alice: /etc/vomses/alice:3 names lcg-voms2.cern.ch:15000, which IAM has replaced"}},
		{"no LSC", func(f *fixture, b *doctor.Box) { b.Trust.VOMSDir = f.root }, []string{"VO-LSC critical alice: there is no LSC file in " + f.root + "/alice"}},
		{"CE runs with an old path", func(f *fixture, b *doctor.Box) {
			f.process(41, "HOME=/x\nX509_USER_PROXY=/old/path", "java", "-cp", "x", "alien.site.ComputingElement")
		}, []string{"ENV-RUNNING warning the CE: process 41 runs with X509_USER_PROXY=/old/path, while " + f.CEEnv + " is to say X509_USER_PROXY=" + proxy}},
		{"CE and MonALISA run as they should", func(f *fixture, b *doctor.Box) {
			f.process(41, "X509_USER_PROXY="+proxy, "java", "alien.site.ComputingElement")
			f.process(42, "A=b\nX509_USER_PROXY="+proxy+"\nMYPROXY_SERVER="+f.cfg.MyProxy.Server, "java", "-DMonaLisa_HOME=/x")
		}, nil},
		{"MonALISA without its server", func(f *fixture, b *doctor.Box) { f.process(42, "X509_USER_PROXY="+proxy, "java", "-DMonaLisa_HOME=/x") },
			[]string{"ENV-RUNNING warning MonALISA: process 42 runs with no MYPROXY_SERVER, while"}},
		{"check switched off", func(f *fixture, b *doctor.Box) { f.put(filepath.Join(f.want.Home, "no-proxy-check"), "", 0o644) },
			[]string{"CE-NOCHECK warning " + filepath.Join(f.want.Home, "no-proxy-check")}},
		{"threshold of the CE", func(f *fixture, b *doctor.Box) { f.put(f.CEEnv, "export CE_PROXYTHRESHOLD=169200\n", 0o644) },
			[]string{"CE-THRESHOLD warning lcgadmin: it is renewed when less than 46h is left, and the CE complains below 47h (" + f.CEEnv + ")"}},
		{"threshold below what is granted", func(f *fixture, b *doctor.Box) { f.put(f.CEEnv, "CE_PROXYTHRESHOLD='36000'\n", 0o644) }, nil},
		{"threshold that is none", func(f *fixture, b *doctor.Box) { f.put(f.CEEnv, "CE_PROXYTHRESHOLD=46h\n", 0o644) },
			[]string{"CE-THRESHOLD critical " + f.CEEnv + `: CE_PROXYTHRESHOLD is "46h"`}},
		{"CVMFS not mounted", func(f *fixture, b *doctor.Box) {
			b.Want.Services[0].Restart = []string{"/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", "restart"}
		}, []string{"SVC-PREFLIGHT critical jalien: /cvmfs/alice.cern.ch is not mounted, or empty"}},
		{"CVMFS mounted", func(f *fixture, b *doctor.Box) {
			f.system("/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", "#!/bin/sh\n")
			b.Want.Services[0].Restart = []string{"/cvmfs/alice.cern.ch/scripts/vobox/jalien-vobox.sh", "restart"}
		}, nil},
		{"command gone", func(f *fixture, b *doctor.Box) { b.Want.Services[0].Verify = []string{f.root + "/nosuch"} },
			[]string{"SVC-PREFLIGHT critical jalien: " + f.root + "/nosuch does not exist"}},
		{"command not executable", func(f *fixture, b *doctor.Box) { b.Want.Services[0].Preflight = [][]string{{f.HostCert}} },
			[]string{"SVC-PREFLIGHT critical jalien: " + f.HostCert + " is not executable"}},
		{"unit gone", func(f *fixture, b *doctor.Box) { b.Want.Services[0].Unit = "jalien@x.service" },
			[]string{"SVC-PREFLIGHT critical jalien: there is no systemd unit jalien@x.service"}},
		{"unit there", func(f *fixture, b *doctor.Box) {
			f.system("/usr/lib/systemd/system/jalien@.service", "")
			b.Want.Services[0].Unit = "jalien@x.service"
		}, nil},
		{"nothing starts it", func(f *fixture, b *doctor.Box) {
			f.system("/etc/cron.d/vobox-reconcile", "# 17 * * * * root vobox-reconcile\n")
		},
			[]string{"SCHEDULE warning vobox-reconcile"}},
		{"a timer starts it", func(f *fixture, b *doctor.Box) {
			f.system("/etc/cron.d/vobox-reconcile", "")
			f.system("/etc/systemd/system/timers.target.wants/vobox-reconcile.timer", "")
		}, nil},
		{"it is watching", func(f *fixture, b *doctor.Box) {
			f.system("/etc/cron.d/vobox-reconcile", "")
			f.process(7, "", "/usr/local/bin/vobox-reconcile", "--watch", "-c", "/x")
		}, nil},
		{"the old daemon", func(f *fixture, b *doctor.Box) {
			f.process(43, "", "perl", "/usr/sbin/vobox-renewd", "alice", "alicesgm")
		},
			[]string{"RIVAL warning alice: process 43 is perl /usr/sbin/vobox-renewd alice alicesgm"}},
		{"the old cron job", func(f *fixture, b *doctor.Box) {
			f.system("/etc/cron.d/alice-proxy", "5 */6 * * * root /etc/init.d/alice-box-proxyrenewal proxy\n")
		},
			[]string{`RIVAL warning alice: /etc/cron.d/alice-proxy runs "5 */6 * * * root /etc/init.d/alice-box-proxyrenewal proxy"`}},
		{"the old cron job, which is this program", func(f *fixture, b *doctor.Box) {
			f.system("/etc/cron.d/alice-proxy", "5 */6 * * * root /etc/init.d/alice-box-proxyrenewal proxy\n")
			target := f.system("/usr/local/bin/vobox-reconcile", "")
			f.system("/etc/init.d/README", "")
			check(f, os.Symlink(target, filepath.Join(f.root, "/etc/init.d/alice-box-proxyrenewal")))
		}, nil},
		{"the old unit", func(f *fixture, b *doctor.Box) {
			f.system("/etc/systemd/system/multi-user.target.wants/alice-box-proxyrenewal.service", "")
		},
			[]string{"RIVAL warning alice: systemd starts alice-box-proxyrenewal.service"}},
		{"no channel", func(f *fixture, b *doctor.Box) { b.Channels = 0 }, []string{"ALERT warning " + f.Config}},
		{"no room between renewals", func(f *fixture, b *doctor.Box) {
			f.credentialOf(b, "lcgadmin").RenewBelow = 47*time.Hour + 30*time.Minute
		},
			[]string{"CFG warning lcgadmin: renewBelow 47h30m of a lifetime of 48h leaves 30m"}},
		{"no room for an outage", func(f *fixture, b *doctor.Box) {
			c := f.credentialOf(b, "lcgadmin")
			c.RenewBelow = 2 * time.Hour
			f.put(f.CEEnv, "CE_PROXYTHRESHOLD=3600\n", 0o644)
		}, []string{"CFG warning lcgadmin: renewBelow 2h leaves no more than that"}},
		{"disk full", func(f *fixture, b *doctor.Box) {
			b.Room = func(path string) (uint64, uint64, error) {
				if path == b.Want.State {
					return 4096, 1000, nil
				}
				return 1 << 30, 1000, nil
			}
		}, []string{"DISK-FULL critical " + f.want.State + ": 4 KiB and 1000 files are left"}},
		{"name written otherwise", func(f *fixture, b *doctor.Box) {
			mp := f.credentialOf(b, "lcgadmin").Source.MyProxy
			mp.Username = strings.Replace(mp.Username, "/CN=Jane Doe", "/cn=Jane  Doe", 1)
		}, []string{"DN-FORM warning lcgadmin: the MyProxy user name is written"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.T = t
			f.restore(func() { b := f.box(); tc.spoil(f, b); f.expect(f.look(b), tc.want) })
		})
	}
}

func (f *fixture) credentialOf(b *doctor.Box, name string) *plan.Credential {
	b.Want.Credentials = slices.Clone(b.Want.Credentials)
	i := slices.IndexFunc(b.Want.Credentials, func(c plan.Credential) bool { return c.Name == name })
	c := &b.Want.Credentials[i]
	if c.Source.MyProxy != nil {
		mp := *c.Source.MyProxy
		c.Source.MyProxy = &mp
	}
	return c
}

// expect compares the findings, in any order, with the beginnings of what is wanted.
func (f *fixture) expect(got, want []string) {
	f.Helper()
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(g string) bool { return strings.HasPrefix(g, w) })
		if i < 0 {
			f.Errorf("not found: %s", w)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, g := range left {
		f.Errorf("found as well: %s", g)
	}
}

// restore puts the files back that a function changes.
func (f *fixture) restore(do func()) {
	f.Helper()
	type saved struct {
		data []byte
		mode os.FileMode
		time time.Time
	}
	before, now := map[string]saved{}, f.now
	each := func(use func(path string)) {
		for _, dir := range []string{f.Dir, f.root} {
			check(f, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					use(path)
				}
				return nil
			}))
		}
	}
	each(func(path string) {
		info, err := os.Stat(path)
		check(f, err)
		data, err := os.ReadFile(path)
		check(f, err)
		before[path] = saved{data, info.Mode(), info.ModTime()}
	})
	want := f.want
	want.Services = slices.Clone(f.want.Services)
	defer func() {
		each(func(path string) {
			if _, ok := before[path]; !ok {
				remove(f, path)
			}
		})
		for path, s := range before {
			remove(f, path)
			f.put(path, string(s.data), s.mode)
			check(f, os.Chtimes(path, s.time, s.time))
		}
		f.now, f.want = now, want
	}()
	f.want.Services = slices.Clone(want.Services)
	do()
}

func check(f *fixture, err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func chmod(f *fixture, path string, mode os.FileMode) { f.Helper(); check(f, os.Chmod(path, mode)) }
func link(f *fixture, path string)                    { f.Helper(); check(f, os.Link(path, f.root+"/hard")) }
func remove(f *fixture, path string) {
	f.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		f.Fatal(err)
	}
}

func copyFile(f *fixture, from, to string) {
	f.Helper()
	data, err := os.ReadFile(from)
	check(f, err)
	remove(f, to)
	f.put(to, string(data), 0o400)
}

func removeLists(f *fixture) {
	f.Helper()
	lists, err := filepath.Glob(filepath.Join(f.TrustDir, "*.r0"))
	check(f, err)
	for _, l := range lists {
		remove(f, l)
	}
}

// selfMade makes the host certificate one that nobody has signed, for the usage given.
func selfMade(f *fixture, usage x509.ExtKeyUsage) {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(f, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "box"}, NotBefore: f.now.Add(-time.Hour), NotAfter: f.now.AddDate(1, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	check(f, err)
	remove(f, f.HostCert)
	f.put(f.HostCert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
}
