package gridtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/gridtest"
	"github.com/vobox-reconcile/vobox-reconcile/reconcile/proxycert"
)

// newSite starts a site that ends with the test.
func newSite(t *testing.T, o gridtest.SiteOptions) *gridtest.Site {
	t.Helper()
	s, err := gridtest.NewSite(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// machine makes the box's machine proxy.
func machine(t *testing.T, s *gridtest.Site) *proxycert.Credential {
	t.Helper()
	c, err := s.CA.Proxy(s.Host, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A tool is a stock client run with an environment made for it alone.
type tool struct {
	t   *testing.T
	env []string
	dir string
}

// newTool prepares to run clients for the site. The identity is shown by X509_USER_PROXY or by certificate and key, never
// by both: Globus clients run by root prefer the latter.
func newTool(t *testing.T, s *gridtest.Site) *tool {
	t.Helper()
	dir := t.TempDir()
	// OpenSSL's file of random bytes, which the C++ client asks for.
	if err := os.WriteFile(filepath.Join(dir, ".rnd"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tool{t: t, dir: dir, env: []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + dir, "LOGNAME=jdoe", "LC_ALL=C", "TMPDIR=" + dir,
		"X509_CERT_DIR=" + s.TrustDir, "X509_VOMS_DIR=" + s.VOMSDir, "X509_VOMSES=" + s.Vomses, "VOMS_USERCONF=" + s.Vomses,
		"GT_PROXY_MODE=rfc", "MYPROXY_SERVER=localhost", fmt.Sprintf("MYPROXY_SERVER_PORT=%d", s.MyProxy.Port()),
	}}
}

// as adds variables.
func (c *tool) as(env ...string) *tool {
	return &tool{t: c.t, dir: c.dir, env: append(append([]string(nil), c.env...), env...)}
}

// user and proxy say whose credential the client shows.
func (c *tool) user(s *gridtest.Site) *tool {
	return c.as("X509_USER_CERT="+s.UserCert, "X509_USER_KEY="+s.UserKey)
}
func (c *tool) proxy(file string) *tool { return c.as("X509_USER_PROXY=" + file) }

// need skips a test whose client is not installed, and fails it where all of them have to be.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed, and CI=true", name)
			}
			t.Skipf("SKIPPED, NOTHING PROVED: %s is not installed", name)
		}
	}
}

// run runs a client and returns all it said and its exit code.
func (c *tool) run(stdin string, args ...string) (string, int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = c.env, c.dir, strings.NewReader(stdin)
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must is run for a client that has to succeed.
func (c *tool) must(stdin string, args ...string) string {
	c.t.Helper()
	out, code := c.run(stdin, args...)
	if code != 0 {
		c.t.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// contains checks that a client said all of these.
func contains(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(out, w) {
			t.Errorf("%q is missing in:\n%s", w, out)
		}
	}
}

// file is a path in the tool's own directory.
func (c *tool) file(name string) string { return filepath.Join(c.dir, name) }

// dial opens TLS to a server, showing the credential (nil: none). The server is not verified: these tests are about what
// it does with us.
func dial(t *testing.T, addr string, c *proxycert.Credential, version uint16) (*tls.Conn, net.Conn) {
	t.Helper()
	conn, raw, err := tryDial(t, addr, c, version)
	if err != nil {
		t.Fatal(err)
	}
	return conn, raw
}

// tryDial is dial for a server that may reset the connection as soon as it stands.
func tryDial(t *testing.T, addr string, c *proxycert.Credential, version uint16) (*tls.Conn, net.Conn, error) {
	t.Helper()
	raw, err := net.Dial("tcp", strings.Replace(addr, "localhost", "127.0.0.1", 1))
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(2 * time.Minute))
	conf := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, DynamicRecordSizingDisabled: true}
	if c != nil {
		pair := c.TLS()
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return tls.Client(raw, conf), raw, nil
}

// readAll reads until the server closes, however it does.
func readAll(c io.Reader) (string, error) {
	b, err := io.ReadAll(c)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // no close_notify, as from the real servers
	}
	return string(b), err
}

// myproxyAsk sends one request by hand and returns everything that is answered, without the NUL of TLS 1.3.
func myproxyAsk(t *testing.T, s *gridtest.Site, c *proxycert.Credential, version uint16, request string) (string, error) {
	t.Helper()
	conn, _, err := tryDial(t, s.MyProxy.Addr(), c, version)
	if err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("0")); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		return "", err
	}
	out, err := readAll(conn)
	return strings.TrimPrefix(out, "\x00"), err
}

func certNames(chain []*x509.Certificate) []string {
	var names []string
	for _, c := range chain {
		names = append(names, c.Subject.CommonName)
	}
	return names
}
