package mailtest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An EximOptions says what the server is like.
type EximOptions struct {
	Site     *Site  // its certificate; nil: it offers no TLS
	Implicit bool   // TLS from the first byte
	User     string // who has to log in, over TLS; empty: it relays for everybody on loopback
	Password string
}

// Exim is Debian's mail server. A process of its own serves each connection, as from inetd, and delivers into one maildir.
type Exim struct {
	Addr string // localhost:PORT

	dir      string
	listener net.Listener
	cancel   context.CancelFunc
	serving  sync.WaitGroup
}

// eximPath is where the package has it; sbin is not in everybody's PATH.
const eximPath = "/usr/sbin/exim4"

// NewExim starts one, and ends it with the test. Without the package, or for others than root, the test is skipped, loudly;
// where CI=true it fails.
func NewExim(t testing.TB, o EximOptions) *Exim {
	t.Helper()
	missing := ""
	account, err := user.Lookup("Debian-exim")
	if _, statErr := os.Stat(eximPath); statErr != nil || err != nil {
		missing = "exim4 is not installed; on Debian: apt-get install exim4-daemon-light"
	} else if os.Geteuid() != 0 {
		missing = "a mail server is started by root; run the tests as root"
	}
	if missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to run this: " + missing)
		}
		t.Skip("NOT TESTED: " + missing)
	}
	dir, err := os.MkdirTemp("", "vobox-exim-") // that of t.TempDir is not for the server's account to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &Exim{dir: dir, listener: listen(t)}
	e.Addr = addr(e.listener)
	e.configure(t, o, account)
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.serving.Go(func() {
		for {
			conn, err := e.listener.Accept()
			if err != nil {
				return
			}
			e.serving.Go(func() { e.serve(ctx, conn.(*net.TCPConn), o.Implicit) })
		}
	})
	t.Cleanup(func() {
		e.listener.Close()
		e.cancel()
		e.serving.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "mainlog"))
			more, _ := os.ReadFile(filepath.Join(dir, "output"))
			t.Logf("exim says:\n%s%s", log, more)
		}
	})
	return e
}

// configure writes its configuration and directories.
func (e *Exim) configure(t testing.TB, o EximOptions, account *user.User) {
	t.Helper()
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		t.Fatal(err)
	}
	own := func(path string) {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	own(e.dir)
	for _, sub := range []string{"spool", "maildir"} {
		if err := os.Mkdir(filepath.Join(e.dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		own(filepath.Join(e.dir, sub))
	}
	secure, login := "tls_advertise_hosts =\n", ""
	if o.Site != nil {
		for name, from := range map[string]string{"cert.pem": o.Site.CertFile, "key.pem": o.Site.KeyFile} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(e.dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
			own(filepath.Join(e.dir, name))
		}
		secure = fmt.Sprintf("tls_advertise_hosts = *\ntls_certificate = %s/cert.pem\ntls_privatekey = %s/key.pem\n", e.dir, e.dir)
	}
	accept := "accept hosts = 127.0.0.1"
	if o.User != "" {
		accept = "accept authenticated = *"
		login = fmt.Sprintf(`
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{%[1]s}}{eq{$auth3}{%[2]s}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{%[1]s}}{eq{$auth2}{%[2]s}}}}
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}
`, o.User, o.Password)
	}
	config := fmt.Sprintf(`primary_hostname = mail.example.org
spool_directory = %[1]s/spool
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/pid
keep_environment =
rfc1413_query_timeout = 0s
host_lookup =
message_logs = false
auth_advertise_hosts = *
%[2]sacl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  deny local_parts = nobody-here
       message = there is nobody of that name
  %[3]s
  deny message = relaying is not permitted
data:
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = %[1]s/maildir
  maildir_format
  create_directory
  batch_max = 100
  envelope_to_add
  return_path_add
  user = Debian-exim
  group = Debian-exim
begin retry
*  *  F,1h,15m
begin rewrite
begin authenticators
%[4]s`, e.dir, secure, accept, login)
	if err := os.WriteFile(filepath.Join(e.dir, "exim.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(e.dir, "exim.conf")} {
		if err := os.Chown(path, 0, 0); err != nil { // or it gives up root's rights
			t.Fatal(err)
		}
	}
}

// serve has a process serve one connection, and waits for it and what it delivers.
func (e *Exim) serve(ctx context.Context, conn *net.TCPConn, implicit bool) {
	defer conn.Close()
	f, err := conn.File()
	if err != nil {
		return
	}
	defer f.Close()
	args := []string{"-C", filepath.Join(e.dir, "exim.conf"), "-odi", "-bs"}
	if implicit {
		args = append(args, "-tls-on-connect")
	}
	cmd := exec.CommandContext(ctx, eximPath, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout = f, f
	var said bytes.Buffer
	cmd.Stderr = &said
	err = cmd.Run()
	if said.Len() > 0 || err != nil {
		if log, openErr := os.OpenFile(filepath.Join(e.dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); openErr == nil {
			fmt.Fprintf(log, "%s(%v)\n", said.Bytes(), err)
			log.Close()
		}
	}
}

// Mails stops the server, waits until all is delivered, and returns it in the order of delivery. The envelope is from the lines that the delivery adds.
func (e *Exim) Mails(t testing.TB) []Mail {
	t.Helper()
	e.listener.Close()
	e.serving.Wait()
	names, err := filepath.Glob(filepath.Join(e.dir, "maildir", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(names, byDelivery)
	var mails []Mail
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, taken(data))
	}
	return mails
}

// byDelivery orders files of a maildir by the time of their delivery. Exim names them SECONDS.HMICROSECONDSPPROCESS.HOST, without
// leading zeroes, so that .H999P1 comes before .H123456P1, which it would not as a string.
func byDelivery(a, b string) int {
	return cmp.Or(slices.Compare(deliveryTime(a), deliveryTime(b)), strings.Compare(a, b))
}

// deliveryTime is seconds and microseconds of a file's name, and 0 for what is no number.
func deliveryTime(path string) []uint64 {
	seconds, rest, _ := strings.Cut(filepath.Base(path), ".H")
	microseconds, _, _ := strings.Cut(rest, "P")
	s, _ := strconv.ParseUint(seconds, 10, 64)
	us, _ := strconv.ParseUint(microseconds, 10, 64)
	return []uint64{s, us}
}

// taken separates the envelope from the mail.
func taken(data []byte) Mail {
	var m Mail
	r := bufio.NewReader(bytes.NewReader(data))
	for adding, to := true, false; ; {
		line, err := r.ReadString('\n')
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case adding && name == "Return-path":
			m.From = strings.Trim(value, "<>")
			to = false
		case adding && (name == "Envelope-to" || to && line[0] == ' '):
			if to = true; value == "" {
				value = name
			}
			for address := range strings.SplitSeq(value, ",") {
				if address = strings.TrimSpace(address); address != "" {
					m.To = append(m.To, address)
				}
			}
		default:
			adding = false
			m.Data = append(m.Data, line...)
		}
		if err != nil {
			return m
		}
	}
}
